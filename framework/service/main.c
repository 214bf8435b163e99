/* weir_main: what every worker's main does; options, log, server, signals. */
#include <ev.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/streams.h"
#include "http/exposition.h"
#include "message/json_memory.h"
#include "redis/endpoint.h"
#include "service/worker.h"

#define EXIT_USAGE 64
#define EXIT_FAILURE_INSIDE 70
#define TEN_YEARS_MS WEIR_DELAY_MAX_MS

#define AT(member) .offset = offsetof(struct weir_worker_settings, member)
static const struct weir_option table[] = {
    WEIR_REDIS_OPTION(offsetof(struct weir_worker_settings, redis_url)),
    {.name = "group",
     .environment = "WEIR_GROUP",
     .kind = WEIR_OPTION_TEXT,
     AT(group),
     .value_name = "NAME",
     .help = "consumer group (default: the service's name)"},
    {.name = "consumer",
     .environment = "WEIR_CONSUMER",
     .kind = WEIR_OPTION_TEXT,
     AT(consumer),
     .value_name = "NAME",
     .help = "name of this process in the group; a fixed one finds its own unfinished messages "
             "again (default: host-pid-random)"},
    {.name = "concurrency",
     .environment = "WEIR_CONCURRENCY",
     .kind = WEIR_OPTION_INTEGER,
     AT(concurrency),
     .initial = "256",
     .minimum = 1,
     .maximum = 100000,
     .value_name = "N",
     .help = "messages in hand at once, at the most"},
    WEIR_LOG_OPTIONS(offsetof(struct weir_worker_settings, log_level),
                     offsetof(struct weir_worker_settings, log_format)),
    WEIR_EXPOSITION_OPTION(offsetof(struct weir_worker_settings, metrics)),
    {.name = "claim-idle",
     .environment = "WEIR_CLAIM_IDLE",
     .kind = WEIR_OPTION_DURATION,
     AT(claim_idle_ms),
     .initial = "30s",
     .minimum = 100,
     .maximum = 86400000,
     .value_name = "TIME",
     .help = "a worker silent for so long loses its messages to another"},
    {.name = "handler-timeout",
     .environment = "WEIR_HANDLER_TIMEOUT",
     .kind = WEIR_OPTION_DURATION,
     AT(handler_timeout_ms),
     .initial = "5m",
     .minimum = 100,
     .maximum = TEN_YEARS_MS,
     .value_name = "TIME",
     .help = "a deferred handler without outcome for so long is retried"},
    {.name = "max-deliveries",
     .environment = "WEIR_MAX_DELIVERIES",
     .kind = WEIR_OPTION_INTEGER,
     AT(max_deliveries),
     .initial = "5",
     .minimum = 1,
     .maximum = 1000,
     .value_name = "N",
     .help = "after so many, crashes counted, a message goes to the dead letters"},
    {.name = "retry-base",
     .environment = "WEIR_RETRY_BASE",
     .kind = WEIR_OPTION_DURATION,
     AT(retry_base_ms),
     .initial = "200ms",
     .minimum = 0,
     .maximum = TEN_YEARS_MS,
     .value_name = "TIME",
     .help = "pause before the second delivery; doubles, with jitter"},
    {.name = "retry-cap",
     .environment = "WEIR_RETRY_CAP",
     .kind = WEIR_OPTION_DURATION,
     AT(retry_cap_ms),
     .initial = "60s",
     .minimum = 0,
     .maximum = TEN_YEARS_MS,
     .value_name = "TIME",
     .help = "longest pause between deliveries"},
    {.name = "data-max",
     .environment = "WEIR_DATA_MAX",
     .kind = WEIR_OPTION_INTEGER,
     AT(data_max),
     .initial = "1048576",
     .minimum = 2,
     .maximum = 67108864,
     .value_name = "BYTES",
     .help = "largest data of a message"},
    {.name = "id-life",
     .environment = "WEIR_ID_LIFE",
     .kind = WEIR_OPTION_DURATION,
     AT(seen_life_ms),
     .initial = "24h",
     .minimum = 1,
     .maximum = TEN_YEARS_MS,
     .value_name = "TIME",
     .help = "for so long a message with the same id is a repetition"},
    {.name = "event-retention",
     .environment = "WEIR_EVENT_RETENTION",
     .kind = WEIR_OPTION_DURATION,
     AT(event_keep_ms),
     .initial = "7d",
     .minimum = 0,
     .maximum = TEN_YEARS_MS,
     .value_name = "TIME",
     .help = "published events are kept for so long, and until every reader has passed them"},
    {.name = "projection-batch",
     .environment = "WEIR_PROJECTION_BATCH",
     .kind = WEIR_OPTION_INTEGER,
     AT(projection_batch),
     .initial = "256",
     .minimum = 1,
     .maximum = 10000,
     .value_name = "N",
     .help = "events that a projection folds into one commit, at the most"},
    {.name = "event-limit",
     .environment = "WEIR_EVENT_LIMIT",
     .kind = WEIR_OPTION_INTEGER,
     AT(event_limit),
     .initial = "0",
     .minimum = 0,
     .maximum = INT64_C(1000000000000),
     .value_name = "N",
     .help = "of events that every reader has passed only the newest N are kept, however young "
             "they are; 0: no limit"},
    {.name = "replicas",
     .environment = "WEIR_REPLICAS",
     .kind = WEIR_OPTION_INTEGER,
     AT(replicas),
     .initial = "0",
     .minimum = 0,
     .maximum = WEIR_REPLICAS_MAX,
     .value_name = "N",
     .help = "what this service commits counts as done, for sagas and callers that wait, once it "
             "has reached N replicas"},
    {.name = "durable-disk",
     .environment = "WEIR_DURABLE_DISK",
     .kind = WEIR_OPTION_FLAG,
     AT(durable_disk),
     .help = "and once it is on the server's disk"},
    {.name = "namespace",
     .environment = "WEIR_NAMESPACE",
     .kind = WEIR_OPTION_TEXT,
     AT(prefix),
     .initial = "",
     .value_name = "PREFIX",
     .help = "plain text before every key"},
    {.name = "help", .letter = 'h', .kind = WEIR_OPTION_FLAG, AT(help), .help = "print this"},
    {.name = "version", .kind = WEIR_OPTION_FLAG, AT(version), .help = "print the version"},
    {.name = NULL},
};

const struct weir_option *weir_worker_options(void)
{
    return table;
}

/* The rows of every worker and the service's own, as one table. */
static struct weir_option *all_options(const struct weir_service *service)
{
    size_t common = sizeof table / sizeof table[0] - 1, own = 0;
    struct weir_option *all;
    while (service->options != NULL && service->options[own].name != NULL)
        own++;
    all = calloc(common + own + 1, sizeof *all);
    if (all == NULL)
        return NULL;
    if (own > 0)
        memcpy(all, service->options, own * sizeof *all);
    memcpy(all + own, table, common * sizeof *all);
    return all;
}

static void print_help(const char *program, const struct weir_option *options)
{
    printf("Usage: %s [OPTION]…\n\nRuns until SIGTERM, SIGINT or SIGHUP, then finishes what it has "
           "begun.\n\n"
           "Options:\n",
           program);
    weir_options_help(options, weir_terminal_width(), stdout);
    printf("\nExit: 0 stopped as asked; 64 bad usage; 70 a failure inside; 71 it cannot\n"
           "listen; 77 denied by the server; 78 the server cannot do what --durable-disk asks.\n");
}

static bool consumer_valid(const char *name)
{
    return weir_id_valid(name, strlen(name)) && weir_utf8_valid(name, strlen(name));
}

static enum weir_status check(const struct weir_service *service,
                              struct weir_worker_settings *settings, char *consumer, size_t room,
                              struct weir_error *error)
{
    struct weir_random random;
    char host[40] = "host";
    if (settings->group == NULL)
        settings->group = service->name;
    if (settings->consumer == NULL) {
        weir_random_init(&random, weir_random_seed());
        (void)gethostname(host, sizeof host - 1);
        snprintf(consumer, room, "%s-%ld-%06x", host, (long)getpid(),
                 (unsigned)(weir_random_next(&random) & 0xffffff));
        settings->consumer = consumer;
    }
    if (!consumer_valid(settings->consumer))
        return weir_error_set(error, WEIR_INVALID, "--consumer: must be " WEIR_ID_FORM);
    if (!weir_name_valid(settings->group, strlen(settings->group)))
        return weir_error_set(error, WEIR_INVALID, "--group: must be [A-Za-z][A-Za-z0-9_-]*");
    if (strlen(settings->prefix) > 64 || strpbrk(settings->prefix, "{} \t\r\n") != NULL)
        return weir_error_set(error, WEIR_INVALID,
                              "--namespace: at most 64 bytes, without blanks and braces");
    return WEIR_OK;
}

/* A signal without a meaning here, sent by mistake, must not kill; a program may have given it one.
 */
static void ignore_unless_wanted(int number)
{
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
        signal(number, SIG_IGN);
}

/* libev cannot be told that memory has run out: it would end the process by abort(). */
static void *allocate_for_loop(void *at, long size)
{
    static const char words[] = "no memory for the event loop\n";
    void *grown = NULL;
    if (size == 0)
        free(at);
    else if ((grown = realloc(at, (size_t)size)) == NULL) {
        (void)!write(STDERR_FILENO, words, sizeof words - 1);
        _exit(EXIT_FAILURE_INSIDE);
    }
    return grown;
}

static int run(struct weir_service *service, struct weir_worker_settings *settings,
               struct weir_error *error)
{
    struct weir_endpoint endpoint = {0};
    struct weir_log log;
    char consumer[128];
    int exit_code = EXIT_USAGE;

    if (check(service, settings, consumer, sizeof consumer, error) != WEIR_OK ||
        weir_endpoint_parse(settings->redis_url, &endpoint, error) != WEIR_OK)
        return exit_code;
    weir_log_init(&log, service->name);
    log.level = (enum weir_log_level)settings->log_level;
    weir_log_set_format(&log, (enum weir_log_format)settings->log_format);
    weir_log_count_repeats(&log);
    weir_json_watch();
    ev_set_allocator(allocate_for_loop);
    signal(SIGPIPE, SIG_IGN); /* hiredis writes with write(2): a closed peer must not kill us */
    ignore_unless_wanted(SIGUSR1);
    ignore_unless_wanted(SIGUSR2);
    exit_code = weir_worker_run(service, settings, &endpoint, &log, error);
    weir_log_close(&log);
    weir_endpoint_close(&endpoint);
    return exit_code;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

int weir_main(weir_service *service, int argc, char **argv)
{
    struct weir_worker_settings settings = {0};
    struct weir_error error = {0};
    const char *program = base_name(argc > 0 ? argv[0] : "worker");
    struct weir_option *options = service != NULL ? all_options(service) : NULL;
    int operands = 0, exit_code = EXIT_USAGE;

    weir_streams_open();
    if (options == NULL)
        weir_error_set(&error, WEIR_NO_MEMORY, "no memory");
    else if (service->error.status != WEIR_OK)
        error = service->error;
    else if (weir_options_parse(options, &settings, argc, argv, &operands, &error) == WEIR_OK &&
             operands > 0)
        weir_error_set(&error, WEIR_INVALID, "\"%s\": takes no operands", argv[1]);
    if (error.status == WEIR_OK && settings.help) {
        print_help(program, options);
        exit_code = 0;
    } else if (error.status == WEIR_OK && settings.version) {
        printf("%s (weir " WEIR_VERSION ")\n", program);
        exit_code = 0;
    } else if (error.status == WEIR_OK) {
        exit_code = run(service, &settings, &error);
    }
    if (error.status != WEIR_OK)
        weir_complain(program, error.text);
    free(options);
    weir_service_free(service);
    return exit_code;
}
