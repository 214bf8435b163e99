/* What the gateway is told by its command line and its environment. */
#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings {
    const char *listen;       /* as given */
    char host[64];            /* taken out of it */
    uint16_t port;            /* 0: one that is free */
    const char *redis;        /* NULL: the default */
    const char *prefix;       /* NULL: none */
    const char *metrics;      /* where they are served; NULL: nowhere */
    const char *address_file; /* where the address is written to, too; NULL: nowhere */
    int64_t wait_ms;          /* for an outcome */
    int64_t request_limit_ms; /* for a client to send a request, and to take the answer */
    int64_t most_requests, most_connections;
    bool simulate;
    const char *log_level, *log_format;
};

/* Fills the settings. Returns -1 where the program is to run, else its exit code: --help and
 * --version have been printed, or a sentence on standard error. */
int settings_read(struct settings *settings, int argc, char **argv);

#endif
