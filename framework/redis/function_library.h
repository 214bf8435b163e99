/* The server-side function library "weir": its source, its version, loading and checking it. */
#ifndef WEIR_REDIS_FUNCTION_LIBRARY_H
#define WEIR_REDIS_FUNCTION_LIBRARY_H

/* The same number stands in the Lua source; raised with each change of the functions. */
#define WEIR_FUNCTION_LIBRARY_VERSION 9

/* The whole Lua source with its "#!lua name=weir" line; constant. */
const char *weir_function_library_source(void);

/* The number that this program's library answers to FCALL weir_version 0. A server with a higher
 * number is served by a newer program and is left alone; functions are only ever added or
 * extended, so that the older program goes on working. */
int weir_function_library_version(void);

#endif
