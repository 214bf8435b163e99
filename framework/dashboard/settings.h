/* The flags of weir-dashboard. */
#ifndef WEIR_DASHBOARD_SETTINGS_H
#define WEIR_DASHBOARD_SETTINGS_H

#include "base/options.h"
#include "dashboard/access.h"
#include "http/listen.h"

struct weir_dashboard_settings {
    const char *redis, *prefix, *listen, *token_file, *metrics, *address_file;
    struct weir_texts hosts;
    bool allow_actions, help, version;
    int log_level, log_format;
};

extern const struct weir_option weir_dashboard_options[];

/* Fills `access` from the settings, reading the token, and checks that they fit each other: no
 * address beyond this machine and no actions without a token. WEIR_INVALID with a sentence. */
WEIR_CHECKED enum weir_status weir_dashboard_check(const struct weir_dashboard_settings *settings,
                                                   struct weir_listen_address *listen,
                                                   struct weir_access *access,
                                                   struct weir_error *error);

#endif
