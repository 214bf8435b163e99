/* Loads libmicrohttpd. */
#include "http/library.h"

#include <dlfcn.h>
#include <string.h>

/* The name that Debian 12 and 13 have it under; a newer one may have changed what is called. */
#define NAME "libmicrohttpd.so.12"

static enum weir_status find(void *handle, const char *name, void *place, struct weir_error *error)
{
    void *found = dlsym(handle, name);
    if (found == NULL)
        return weir_error_set(error, WEIR_SYSTEM, NAME " has no %s", name);
    memcpy(place, &found, sizeof found); /* C has no cast from data to functions, POSIX has this */
    return WEIR_OK;
}

enum weir_status weir_http_library_load(struct weir_http_library *library, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    void *handle = dlopen(NAME, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return weir_error_set(error, WEIR_SYSTEM,
                              "serving HTTP needs libmicrohttpd (Debian: libmicrohttpd12): %s",
                              dlerror());
#define LOOK_UP(name)                                                                              \
    if (status == WEIR_OK)                                                                         \
        status = find(handle, "MHD_" #name, &library->name, error);
    WEIR_HTTP_LIBRARY_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    return status;
}
