/* Sees to it that the server has the function library, over a link. */
#ifndef WEIR_REDIS_LIBRARY_LOADER_H
#define WEIR_REDIS_LIBRARY_LOADER_H

#include "redis/link.h"

struct weir_library_loader {
    struct weir_link *link; /* borrowed */
    struct weir_log *log;
    bool under_way;
    bool crossed;   /* another has loaded one at the same time */
    uint64_t loads; /* counter */
    void *user;
    /* The library is there (error NULL), or the server refused it. Not called when the connection
     * is lost meanwhile. */
    void (*done)(void *user, const struct weir_error *error);
};

/* The connection is lost, and with it what was known of the server; answers that were owed have
 * come as unknown. */
void weir_library_loader_lost(struct weir_library_loader *loader);
/* Asks for the version and loads the library where it is missing or older. Does nothing while it
 * is about it already. */
void weir_library_loader_ensure(struct weir_library_loader *loader);
/* The server has told the number of its library, as it does with each sign of life: of two programs
 * that load different versions at the same moment the older one may come last. An older one than
 * this program's is replaced; `done` follows only then. */
void weir_library_loader_heard(struct weir_library_loader *loader, int64_t version);

#endif
