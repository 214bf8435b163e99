/* Holds the source of the server-side function library, which the build makes of the Lua files. */
#include "redis/function_library.h"

static const char source[] = ""
#include "function_library_source.h"
    ;

const char *weir_function_library_source(void)
{
    return source;
}

int weir_function_library_version(void)
{
    return WEIR_FUNCTION_LIBRARY_VERSION;
}
