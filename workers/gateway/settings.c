/* One table of options: flag, environment, default, check and help. */
#include "settings.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir.h"

#define EXIT_USAGE 64

enum kind { TEXT, NUMBER, TIME, FLAG };

struct row {
    const char *name, *environment, *value_name, *initial, *help;
    enum kind kind;
    size_t offset;
    int64_t minimum, maximum;
};

#define AT(member) offsetof(struct settings, member)
static const struct row rows[] = {
    {"listen", "GATEWAY_LISTEN", "ADDR:PORT", "127.0.0.1:8080",
     "where to listen; port 0: one that is free", TEXT, AT(listen), 0, 0},
    {"address-file", "GATEWAY_ADDRESS_FILE", "FILE", NULL,
     "write the address there once it listens", TEXT, AT(address_file), 0, 0},
    {"redis", "REDIS_URL", "URL", NULL, "server, as for every worker", TEXT, AT(redis), 0, 0},
    {"metrics", "WEIR_METRICS", "ADDR:PORT", NULL,
     "serve /metrics, /healthz and /readyz there; port 0: any free one", TEXT, AT(metrics), 0, 0},
    {"namespace", "WEIR_NAMESPACE", "PREFIX", NULL, "plain text before every key", TEXT, AT(prefix),
     0, 0},
    {"wait", "GATEWAY_WAIT", "TIME", "2s", "how long an answer waits for the outcome", TIME,
     AT(wait_ms), 1, 60000},
    {"request-limit", "GATEWAY_REQUEST_LIMIT", "TIME", "20s",
     "a client that takes longer to send a request, or to take the answer, is cut off", TIME,
     AT(request_limit_ms), 1000, 3600000},
    {"requests", "GATEWAY_REQUESTS", "N", "512", "requests in hand at once; more are told 503",
     NUMBER, AT(most_requests), 1, 100000},
    {"connections", "GATEWAY_CONNECTIONS", "N", "1000",
     "connections at once; for one more, the longest without a request is closed", NUMBER,
     AT(most_connections), 1, 100000},
    {"simulate", "GATEWAY_SIMULATE", NULL, NULL,
     "let orders have `simulate`, which makes the sample workers misbehave", FLAG, AT(simulate), 0,
     0},
    {"log-level", "WEIR_LOG_LEVEL", "LEVEL", "info", "debug, info, warning or error", TEXT,
     AT(log_level), 0, 0},
    {"log-format", "WEIR_LOG_FORMAT", "FORMAT", "auto",
     "text, json, or auto: text where standard error is a terminal", TEXT, AT(log_format), 0, 0},
};
#define ROWS (sizeof rows / sizeof rows[0])

static int complain(const char *name, const char *value, const char *what)
{
    char text[1024];
    snprintf(text, sizeof text, "--%s: '%s' %s", name, value, what);
    weir_journal_complain("gateway", text);
    return EXIT_USAGE;
}

/* In the place of getopt's own line, which is no error for the journal. */
static int complain_of(const char *word, int found)
{
    char text[1024];
    snprintf(text, sizeof text, "%s: %s", word,
             found == ':' ? "a value is missing" : "no such flag is known, or it takes no value");
    weir_journal_complain("gateway", text);
    return EXIT_USAGE;
}

static int complain_of_operand(const char *word)
{
    char text[1024];
    snprintf(text, sizeof text, "'%s': it takes no operands", word);
    weir_journal_complain("gateway", text);
    return EXIT_USAGE;
}

/* ---- Values ------------------------------------------------------------------------------ */

/* A number with ms, s or m behind it; -1: it is none. */
static int64_t time_of(const char *text)
{
    char *end;
    long long number = text[0] >= '0' && text[0] <= '9' ? strtoll(text, &end, 10) : -1;
    if (number < 0 || number > 100000000)
        return -1;
    if (strcmp(end, "m") == 0)
        return number * 60000;
    if (strcmp(end, "s") == 0)
        return number * 1000;
    return *end == '\0' || strcmp(end, "ms") == 0 ? number : -1;
}

static int64_t number_of(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length < 10 && strspn(text, "0123456789") == length ? atoll(text) : -1;
}

static int put(struct settings *settings, const struct row *row, const char *value)
{
    char *place = (char *)settings + row->offset, range[80];
    int64_t number;
    if (row->kind == TEXT) {
        *(const char **)place = value;
        return -1;
    }
    if (row->kind == FLAG) {
        *(bool *)place = strcmp(value, "0") != 0 && value[0] != '\0';
        return -1;
    }
    number = row->kind == TIME ? time_of(value) : number_of(value);
    if (number < row->minimum || number > row->maximum) {
        snprintf(range, sizeof range, "must be %s from %lld to %lld",
                 row->kind == TIME ? "a time in ms, or with s or m," : "a number",
                 (long long)row->minimum, (long long)row->maximum);
        return complain(row->name, value, range);
    }
    *(int64_t *)place = number;
    return -1;
}

/* Behind the last colon; -1: there is none. */
static int64_t port_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    int64_t port = colon != NULL ? number_of(colon + 1) : -1;
    return port <= 65535 ? port : -1;
}

/* ADDR:PORT; an IPv6 address in brackets. */
static int take_address(struct settings *settings)
{
    struct in6_addr address;
    const char *host = settings->listen;
    int64_t port = port_of(host);
    size_t length = port >= 0 ? (size_t)(strrchr(host, ':') - host) : 0;
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    }
    snprintf(settings->host, sizeof settings->host, "%.*s", (int)length, host);
    if (port < 0 || length >= sizeof settings->host ||
        (inet_pton(AF_INET, settings->host, &address) != 1 &&
         inet_pton(AF_INET6, settings->host, &address) != 1))
        return complain("listen", settings->listen,
                        "must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080");
    settings->port = (uint16_t)port;
    return -1;
}

/* ---- Reading ----------------------------------------------------------------------------- */

static void print_help(void)
{
    printf("Usage: gateway [OPTION]…\n\n"
           "The shop over HTTP. Runs until SIGTERM or SIGINT, then answers what it has in hand;\n"
           "asked twice it ends at once.\n\n"
           "Options:\n");
    for (size_t i = 0; i < ROWS; i++) {
        char flag[64];
        snprintf(flag, sizeof flag, "--%s%s%s", rows[i].name, rows[i].value_name ? " " : "",
                 rows[i].value_name ? rows[i].value_name : "");
        printf("  %-26s %s", flag, rows[i].help);
        if (rows[i].initial != NULL)
            printf(" (default %s)", rows[i].initial);
        printf(" [%s]\n", rows[i].environment);
    }
    printf("  %-26s print this\n  %-26s print the version\n", "--help", "--version");
    printf("\nExit: 0 stopped as asked; 64 bad usage; 70 a failure inside; 71 it cannot listen.\n");
}

static int read_defaults(struct settings *settings)
{
    for (size_t i = 0; i < ROWS; i++) {
        const char *value = getenv(rows[i].environment);
        int code;
        if (value == NULL)
            value = rows[i].initial;
        code = value != NULL ? put(settings, &rows[i], value) : -1;
        if (code >= 0)
            return code;
    }
    return -1;
}

static int read_flags(struct settings *settings, int argc, char **argv)
{
    struct option options[ROWS + 4] = {{"help", no_argument, NULL, 'h'},
                                       {"version", no_argument, NULL, 'v'},
                                       {"consumer", required_argument, NULL, 'c'}};
    int found, code;
    for (size_t i = 0; i < ROWS; i++)
        options[i + 3] =
            (struct option){rows[i].name, rows[i].kind == FLAG ? no_argument : required_argument,
                            NULL, 256 + (int)i};
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (found == 'h') {
            print_help();
            return 0;
        }
        if (found == 'v') {
            printf("gateway (weir " WEIR_VERSION ")\n");
            return 0;
        }
        if (found == '?' || found == ':')
            return complain_of(argv[optind - 1], found);
        code = found >= 256 ? put(settings, &rows[found - 256], optarg != NULL ? optarg : "1") : -1;
        if (code >= 0)
            return code;
    }
    return optind < argc ? complain_of_operand(argv[optind]) : -1;
}

int settings_read(struct settings *settings, int argc, char **argv)
{
    int code;
    memset(settings, 0, sizeof *settings);
    code = read_defaults(settings);
    if (code < 0)
        code = read_flags(settings, argc, argv);
    if (code < 0 && settings->metrics != NULL && port_of(settings->metrics) < 0)
        code = complain("metrics", settings->metrics,
                        "must be an address and a port, such as 127.0.0.1:9103");
    return code < 0 ? take_address(settings) : code;
}
