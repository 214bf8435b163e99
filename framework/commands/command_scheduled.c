/* weir scheduled: what is due when. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/command.h"
#include "commands/print.h"
#include "commands/scheduled_message.h"
#include "commands/service_names.h"
#include "commands/table.h"
#include "commands/values.h"
#include "redis/key_names.h"
#include "redis/pipeline.h"
#include "redis/reply.h"

static const struct weir_option options[] = {{.name = "limit",
                                              .kind = WEIR_OPTION_INTEGER,
                                              WEIR_SETTING(limit),
                                              .initial = "50",
                                              .minimum = 1,
                                              .maximum = 10000,
                                              .value_name = "N",
                                              .help = "at most so many, those that are due first"},
                                             WEIR_WATCH_OPTION,
                                             WEIR_COMMON_OPTIONS};

static const struct weir_column columns[] = {
    {.heading = "due in", .key = "due", .kind = WEIR_COLUMN_UNTIL},
    {.heading = "service", .key = "service"},
    {.heading = "type", .key = "type"},
    {.heading = "id", .key = "id", .optional = true},
    {.heading = "saga", .key = "saga", .optional = true},
    {.heading = "step", .key = "step", .optional = true},
    {.heading = "action", .key = "action", .optional = true},
    {.heading = "subject", .key = "subject", .optional = true},
    {.heading = "bytes", .key = "bytes", .kind = WEIR_COLUMN_NUMBER},
    {.heading = NULL},
};

/* ---- Asking ------------------------------------------------------------------------------ */

#define COMMANDS_EACH 3
/* Messages come with their data, of which each may have a MiB: few at first, and then as many as
 * have so many bytes, going by those before. */
#define FIRST 20
#define BYTES_AT_ONCE (8 * 1024 * 1024)

static void ask(struct weir_pipeline *asking, const struct weir_settings *settings,
                const char *service, int64_t now_ms)
{
    char key[WEIR_KEY_MAX], now[24], last[24];
    weir_key_scheduled(key, settings->prefix, service);
    snprintf(now, sizeof(now), "%" PRId64, now_ms);
    snprintf(last, sizeof(last), "%" PRId64,
             (settings->limit < FIRST ? settings->limit : FIRST) - 1);
    weir_pipeline_add(asking, "ZCARD", key, NULL);
    weir_pipeline_add(asking, "ZCOUNT", key, "-inf", now, NULL);
    weir_pipeline_add(asking, "ZRANGE", key, "0", last, "WITHSCORES", NULL);
}

/* A score may be any double; what is no time in ms is null. */
static json_t *due_of(struct weir_slice score)
{
    int64_t whole;
    return weir_slice_integer(score, &whole) ? json_integer(whole) : json_null();
}

/* How many they are, and how many bytes. */
struct extent {
    int64_t count, bytes;
};

static void append_messages(json_t *rows, const char *service, const redisReply *scored,
                            struct extent *extent)
{
    for (size_t i = 0; i + 1 < weir_value_count(scored); i += 2) {
        extent->count++;
        extent->bytes += (int64_t)weir_value_element(scored, i).length;
        json_t *row = weir_scheduled_describe(weir_value_element(scored, i));
        json_object_set_new(row, "service", json_string(service));
        json_object_set_new(row, "due", due_of(weir_value_element(scored, i + 1)));
        json_array_append_new(rows, row);
    }
}

static int64_t next_batch(const struct extent *read, int64_t wanted)
{
    int64_t batch = BYTES_AT_ONCE / (read->bytes / read->count + 1) + 1;
    return batch < wanted ? batch : wanted;
}

/* What lies behind those that have been read; what comes or goes meanwhile may be missed. */
static enum weir_status append_rest(struct weir_session *session, const char *service,
                                    struct extent read, json_t *rows, struct weir_error *error)
{
    char key[WEIR_KEY_MAX], first[24], last[24];
    int64_t limit = session->settings.limit;
    weir_key_scheduled(key, session->settings.prefix, service);
    for (int64_t from = 0; read.count > from && read.count < limit;) {
        from = read.count;
        snprintf(first, sizeof(first), "%" PRId64, from);
        snprintf(last, sizeof(last), "%" PRId64, from + next_batch(&read, limit - from) - 1);
        redisReply *scored = weir_client_ask(&session->client, error, "ZRANGE", key, first, last,
                                             "WITHSCORES", NULL);
        if (!scored)
            return error->status;
        append_messages(rows, service, scored, &read);
        freeReplyObject(scored);
    }
    return WEIR_OK;
}

static enum weir_status append(struct weir_session *session, const struct weir_pipeline *asking,
                               size_t place, const char *service, json_t *services, json_t *rows,
                               struct weir_error *error)
{
    int64_t count = 0, due = 0;
    for (size_t i = 0; i < COMMANDS_EACH; i++)
        if (weir_client_error_of(&session->client, "the schedule",
                                 weir_pipeline_answer(asking, place + i), error) != WEIR_OK)
            return weir_error_prefix(error, "%s", service);
    (void)weir_reply_integer(weir_pipeline_answer(asking, place), &count);
    (void)weir_reply_integer(weir_pipeline_answer(asking, place + 1), &due);
    const redisReply *scored = weir_pipeline_answer(asking, place + 2);
    json_array_append_new(services, json_pack("{s:s, s:I, s:I, s:o}", "service", service, "count",
                                              (json_int_t)count, "due", (json_int_t)due, "next",
                                              due_of(weir_value_element(scored, 1))));
    struct extent read = {0};
    append_messages(rows, service, scored, &read);
    return read.count < FIRST ? WEIR_OK : append_rest(session, service, read, rows, error);
}

/* ---- Several services -------------------------------------------------------------------- */

static int by_due(const void *one, const void *other)
{
    json_int_t a = json_integer_value(json_object_get(*(json_t *const *)one, "due"));
    json_int_t b = json_integer_value(json_object_get(*(json_t *const *)other, "due"));
    return (a > b) - (a < b);
}

/* The first of them. */
static json_t *pick(const json_t *rows, size_t limit)
{
    size_t count = json_array_size(rows);
    json_t *picked = json_array(), **order = calloc(count + 1, sizeof(*order));
    for (size_t i = 0; order && i < count; i++)
        order[i] = json_array_get(rows, i);
    if (order)
        qsort(order, count, sizeof(*order), by_due);
    for (size_t i = 0; order && i < count && i < limit; i++)
        json_array_append(picked, order[i]);
    free(order);
    return picked;
}

static json_int_t add_up(const json_t *services, const char *name)
{
    json_int_t sum = 0;
    json_t *service;
    size_t i;
    json_array_foreach(services, i, service)
    {
        sum += json_integer_value(json_object_get(service, name));
    }
    return sum;
}

/* {now, total, due, services, scheduled}; NULL and an error. */
static json_t *read_schedules(struct weir_session *session, const char *const *names, size_t count,
                              struct weir_error *error)
{
    struct weir_pipeline asking = {0};
    json_t *services = json_array(), *rows = json_array(), *result = NULL;
    int64_t now_ms = 0;
    enum weir_status status = weir_session_now(session, &now_ms, error);
    for (size_t i = 0; i < count; i++)
        ask(&asking, &session->settings, names[i], now_ms);
    if (status == WEIR_OK)
        status = weir_pipeline_run(&asking, &session->client, error);
    for (size_t i = 0; i < count && status == WEIR_OK; i++)
        status = append(session, &asking, COMMANDS_EACH * i, names[i], services, rows, error);
    if (status == WEIR_OK)
        result = json_pack("{s:I, s:I, s:I, s:O, s:o}", "now", (json_int_t)now_ms, "total",
                           add_up(services, "count"), "due", add_up(services, "due"), "services",
                           services, "scheduled", pick(rows, (size_t)session->settings.limit));
    weir_pipeline_close(&asking);
    json_decref(services);
    json_decref(rows);
    return result;
}

static json_t *read_all(struct weir_session *session, struct weir_error *error)
{
    json_t *services = weir_services_registered(session, error), *result = NULL;
    size_t count = 0;
    if (!services)
        return NULL;
    const char **names = weir_names_sorted(services, &count);
    if (names)
        result = read_schedules(session, names, count, error);
    else
        weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    free(names);
    json_decref(services);
    return result;
}

/* ---- The command ------------------------------------------------------------------------- */

static int report(const struct weir_session *session, const json_t *found)
{
    const json_t *rows = json_object_get(found, "scheduled");
    int code = weir_table_print(columns, rows, json_integer_value(json_object_get(found, "now")));
    json_int_t total = json_integer_value(json_object_get(found, "total"));
    if (code == WEIR_EXIT_FINE && (json_int_t)json_array_size(rows) < total)
        weir_remark("%lld of %lld are shown, those that are due first; --limit %lld shows more",
                    (long long)json_array_size(rows), (long long)total,
                    (long long)(10 * session->settings.limit));
    return code;
}

static int run(struct weir_session *session, int count, char **operands)
{
    struct weir_error error = {0};
    const char *service = count > 0 ? operands[0] : NULL;
    if (service && weir_service_check(service) != WEIR_EXIT_FINE)
        return WEIR_EXIT_USAGE;
    int code = weir_session_connect(session);
    if (code != WEIR_EXIT_FINE)
        return code;
    json_t *found =
        service ? read_schedules(session, &service, 1, &error) : read_all(session, &error);
    if (!found)
        code = weir_fail_by(&error);
    else if (service && json_integer_value(json_object_get(found, "total")) == 0 &&
             !weir_service_known(session, service))
        code = weir_service_fail_unknown(service);
    else if (session->settings.json)
        code = weir_print_json(json_incref(found));
    else
        code = report(session, found);
    json_decref(found);
    return code;
}

const struct weir_command weir_command_scheduled = {
    .name = "scheduled",
    .operands = "[service]",
    .summary = "Lists messages that are not due yet, of all services or of one",
    .notes =
        "Retries, delayed messages and the timers of sagas wait on the schedule of the service\n"
        "that they are for. A time with '-' says for how long one has been due.",
    .options = options,
    .operands_maximum = 1,
    .run = run,
};
