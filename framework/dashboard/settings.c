/* The table of flags, and what has to hold between them. */
#include "dashboard/settings.h"

#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "http/exposition.h"
#include "redis/endpoint.h"

#define AT(member) .offset = offsetof(struct weir_dashboard_settings, member)
const struct weir_option weir_dashboard_options[] = {
    {.name = "listen",
     .environment = "WEIR_DASHBOARD_LISTEN",
     .kind = WEIR_OPTION_TEXT,
     AT(listen),
     .initial = "127.0.0.1:8420",
     .value_name = "ADDR:PORT",
     .help = "where it serves; other machines can reach it only with a token; port 0: any"},
    {.name = "address-file",
     .environment = "WEIR_DASHBOARD_ADDRESS_FILE",
     .kind = WEIR_OPTION_TEXT,
     AT(address_file),
     .value_name = "FILE",
     .help = "write the address there once it listens"},
    {.name = "host",
     .kind = WEIR_OPTION_TEXTS,
     AT(hosts),
     .value_name = "NAME",
     .help = "a further name that browsers reach it by, such as that of a proxy before it"},
    {.name = "token-file",
     .environment = "WEIR_DASHBOARD_TOKEN_FILE",
     .kind = WEIR_OPTION_TEXT,
     AT(token_file),
     .value_name = "FILE",
     .help = "a token of 16 characters or more; else WEIR_DASHBOARD_TOKEN, or systemd's credential "
             "weir-dashboard-token"},
    {.name = "allow-actions",
     .environment = "WEIR_DASHBOARD_ALLOW_ACTIONS",
     .kind = WEIR_OPTION_FLAG,
     AT(allow_actions),
     .help = "whoever has the token may resume, cancel, replay …; else it only shows"},
    WEIR_REDIS_OPTION(offsetof(struct weir_dashboard_settings, redis)),
    {.name = "namespace",
     .environment = "WEIR_NAMESPACE",
     .kind = WEIR_OPTION_TEXT,
     AT(prefix),
     .initial = "",
     .value_name = "PREFIX",
     .help = "what stands before every key"},
    WEIR_LOG_OPTIONS(offsetof(struct weir_dashboard_settings, log_level),
                     offsetof(struct weir_dashboard_settings, log_format)),
    WEIR_EXPOSITION_OPTION(offsetof(struct weir_dashboard_settings, metrics)),
    {.name = "help", .letter = 'h', .kind = WEIR_OPTION_FLAG, AT(help), .help = "print this"},
    {.name = "version", .kind = WEIR_OPTION_FLAG, AT(version), .help = "print the version"},
    {.name = NULL},
};

static enum weir_status check_hosts(const struct weir_texts *hosts, struct weir_error *error)
{
    for (size_t i = 0; i < hosts->count; i++)
        if (*hosts->at[i] == '\0' || strpbrk(hosts->at[i], " /:") || strlen(hosts->at[i]) > 253)
            return weir_error_set(error, WEIR_INVALID,
                                  "--host: \"%.60s\" is no name of a host; it is given without "
                                  "scheme and port",
                                  hosts->at[i]);
    return WEIR_OK;
}

enum weir_status weir_dashboard_check(const struct weir_dashboard_settings *settings,
                                      struct weir_listen_address *listen,
                                      struct weir_access *access, struct weir_error *error)
{
    if (weir_listen_parse(settings->listen, listen, error) != WEIR_OK)
        return weir_error_prefix(error, "--listen");
    if (check_hosts(&settings->hosts, error) != WEIR_OK)
        return error->status;
    if (weir_secret_read(&access->token, settings->token_file, error) != WEIR_OK)
        return error->status;
    access->loopback = weir_listen_loopback(listen);
    access->actions = settings->allow_actions;
    access->listen_host = listen->host;
    access->hosts = settings->hosts;
    bool token = access->token.text[0] != '\0';
    if (!access->loopback && !token)
        return weir_error_set(error, WEIR_INVALID,
                              "--listen %.60s: other machines can reach this address; that needs a "
                              "token, by --token-file FILE or WEIR_DASHBOARD_TOKEN",
                              settings->listen);
    if (access->actions && !token)
        return weir_error_set(error, WEIR_INVALID,
                              "--allow-actions: that needs a token, by --token-file FILE or "
                              "WEIR_DASHBOARD_TOKEN");
    return WEIR_OK;
}
