/* libmicrohttpd, loaded when it is first needed. Linked, it would cost each worker 3 MiB for a TLS
 * library that comes with it, whether the worker serves HTTP or not. */
#ifndef WEIR_HTTP_LIBRARY_H
#define WEIR_HTTP_LIBRARY_H

#include <microhttpd.h>

#include "base/status.h"

/* What is used of it. */
#define WEIR_HTTP_LIBRARY_FUNCTIONS(FUNCTION)                                                      \
    FUNCTION(add_response_header)                                                                  \
    FUNCTION(create_response_from_buffer)                                                          \
    FUNCTION(create_response_from_callback)                                                        \
    FUNCTION(destroy_response)                                                                     \
    FUNCTION(get_connection_info)                                                                  \
    FUNCTION(get_daemon_info)                                                                      \
    FUNCTION(get_timeout)                                                                          \
    FUNCTION(lookup_connection_value)                                                              \
    FUNCTION(queue_response)                                                                       \
    FUNCTION(quiesce_daemon)                                                                       \
    FUNCTION(resume_connection)                                                                    \
    FUNCTION(run)                                                                                  \
    FUNCTION(start_daemon)                                                                         \
    FUNCTION(stop_daemon)                                                                          \
    FUNCTION(suspend_connection)

#define WEIR_HTTP_LIBRARY_MEMBER(name) __typeof__(MHD_##name) *name;
struct weir_http_library {
    WEIR_HTTP_LIBRARY_FUNCTIONS(WEIR_HTTP_LIBRARY_MEMBER)
};
#undef WEIR_HTTP_LIBRARY_MEMBER

/* Loads it for the life of the process; again, it is only looked up. WEIR_SYSTEM with a sentence
 * that names the package where it is not installed. */
WEIR_CHECKED enum weir_status weir_http_library_load(struct weir_http_library *library,
                                                     struct weir_error *error);

#endif
