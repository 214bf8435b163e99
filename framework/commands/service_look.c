/* Asks how services stand. */
#include "commands/service_look.h"

#include <stdlib.h>
#include <string.h>

#include "commands/service_names.h"
#include "commands/values.h"
#include "redis/entry_id.h"
#include "redis/key_names.h"
#include "redis/pipeline.h"
#include "redis/reply.h"

#define INBOXES_MAX 3
#define BEHIND_AFTER_MS 60000
#define NONE (-1)

/* The inboxes of the coordinator, of which other services have the first. */
static const char *const inboxes[INBOXES_MAX] = {"commands", "replies", "held"};

/* Where the answers about one service are. */
struct places {
    size_t workers, scheduled, dead, inboxes[INBOXES_MAX], inbox_count;
};

struct look {
    struct weir_session *session;
    struct weir_pipeline asking;
    int64_t now_ms;
};

/* ---- Asking ------------------------------------------------------------------------------ */

static void ask(struct look *look, const char *service, struct places *places)
{
    char key[WEIR_KEY_MAX];
    const char *prefix = look->session->settings.prefix;
    places->inbox_count = strcmp(service, WEIR_SAGAS) == 0 ? INBOXES_MAX : 1;
    weir_key_workers(key, prefix, service);
    places->workers = weir_pipeline_add(&look->asking, "HGETALL", key, NULL);
    weir_key_scheduled(key, prefix, service);
    places->scheduled = weir_pipeline_add(&look->asking, "ZCARD", key, NULL);
    weir_key_dead(key, prefix, service);
    places->dead = weir_pipeline_add(&look->asking, "XLEN", key, NULL);
    for (size_t i = 0; i < places->inbox_count; i++) {
        weir_key_named(key, prefix, service, inboxes[i]);
        places->inboxes[i] =
            weir_pipeline_add(&look->asking, "XINFO", "STREAM", key, "FULL", "COUNT", "1", NULL);
    }
}

/* ---- Answers ----------------------------------------------------------------------------- */

/* The answer; of an error the first is kept as the row's problem, and it is none. */
static const redisReply *answer_of(const struct look *look, size_t place, const char *command,
                                   json_t *row)
{
    struct weir_error error = {0};
    const redisReply *answer = weir_pipeline_answer(&look->asking, place);
    if (weir_client_error_of(&look->session->client, command, answer, &error) == WEIR_OK)
        return answer;
    if (!strstr(error.text, "no such key") && json_is_null(json_object_get(row, "problem")))
        json_object_set_new(row, "problem", weir_slice_json(weir_slice_of(error.text)));
    return NULL;
}

static bool is_missing(const struct look *look, size_t place)
{
    const redisReply *answer = weir_pipeline_answer(&look->asking, place);
    return answer && answer->type == REDIS_REPLY_ERROR && strstr(answer->str, "no such key");
}

static json_t *number_or_null(int64_t number)
{
    return number == NONE ? json_null() : json_integer(number);
}

static json_t *count_of(const redisReply *answer)
{
    int64_t number = NONE;
    return weir_reply_integer(answer, &number) ? json_integer(number) : json_null();
}

static int64_t number_of(const redisReply *pairs, const char *name)
{
    int64_t number = NONE;
    return weir_reply_integer(weir_reply_named(pairs, name), &number) && number >= 0 ? number
                                                                                     : NONE;
}

/* The time in the id of the first of some entries. */
static int64_t first_ms(const redisReply *entries)
{
    struct weir_entry_id id;
    struct weir_slice text = weir_value_element(weir_reply_at(entries, 0), 0);
    bool known = text.at && weir_entry_id_read(text, &id) && id.ms <= INT64_MAX;
    return known ? (int64_t)id.ms : NONE;
}

static int64_t earlier(int64_t one, int64_t other)
{
    return one == NONE || (other != NONE && other < one) ? other : one;
}

/* ---- Inboxes ----------------------------------------------------------------------------- */

struct totals {
    int64_t length, pending, oldest;
    bool unknown; /* of one of them */
};

static json_t *describe_groups(const redisReply *groups, int64_t *pending, int64_t *oldest)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < weir_value_count(groups); i++) {
        const redisReply *group = groups->element[i];
        int64_t count = number_of(group, "pel-count");
        *pending += count > 0 ? count : 0;
        *oldest = earlier(*oldest, first_ms(weir_reply_named(group, "pending")));
        json_array_append_new(rows, json_pack("{s:o, s:o, s:o}", "name",
                                              weir_slice_json(weir_value_field(group, "name")),
                                              "pending", number_or_null(count), "lag",
                                              number_or_null(number_of(group, "lag"))));
    }
    return rows;
}

/* What has been handled leaves an inbox: its first entry is the oldest that is not finished. */
static json_t *describe_inbox(const struct look *look, size_t place, const char *service,
                              const char *name, struct totals *totals, json_t *row)
{
    char key[WEIR_KEY_MAX];
    const redisReply *about = answer_of(look, place, "XINFO", row);
    bool missing = is_missing(look, place);
    int64_t length = missing ? 0 : number_of(about, "length"), pending = 0;
    int64_t oldest = first_ms(weir_reply_named(about, "entries"));
    weir_key_named(key, look->session->settings.prefix, service, name);
    json_t *groups = describe_groups(weir_reply_named(about, "groups"), &pending, &oldest);
    if (length == NONE)
        pending = NONE;
    totals->unknown = totals->unknown || length == NONE;
    totals->length += length;
    totals->pending += pending;
    totals->oldest = earlier(totals->oldest, oldest);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", name, "key", key, "length",
                     number_or_null(length), "pending", number_or_null(pending), "oldest",
                     number_or_null(oldest), "groups", groups);
}

static void describe_inboxes(const struct look *look, const struct places *places,
                             const char *service, json_t *row)
{
    struct totals totals = {.oldest = NONE};
    json_t *streams = json_array();
    for (size_t i = 0; i < places->inbox_count; i++)
        json_array_append_new(
            streams, describe_inbox(look, places->inboxes[i], service, inboxes[i], &totals, row));
    json_object_set_new(row, "backlog", number_or_null(totals.unknown ? NONE : totals.length));
    json_object_set_new(row, "pending", number_or_null(totals.unknown ? NONE : totals.pending));
    json_object_set_new(row, "oldest", number_or_null(totals.oldest));
    json_object_set_new(row, "streams", streams);
}

/* ---- One service ------------------------------------------------------------------------- */

static void describe_workers(const struct look *look, const redisReply *pairs, json_t *row,
                             struct weir_crew *all)
{
    struct weir_crew crew = {0};
    for (size_t i = 0; i + 1 < weir_value_count(pairs); i += 2) {
        json_t *worker = weir_worker_describe("", weir_value_element(pairs, i),
                                              weir_value_element(pairs, i + 1), look->now_ms);
        weir_crew_add(&crew, worker);
        json_decref(worker);
    }
    json_object_set_new(row, "workers",
                        pairs ? json_pack("{s:I, s:I, s:I}", "alive", (json_int_t)crew.alive,
                                          "silent", (json_int_t)crew.silent, "gone",
                                          (json_int_t)crew.gone)
                              : json_null());
    json_object_set_new(row, "inHand", pairs ? json_integer(crew.in_hand) : json_null());
    json_object_set_new(row, "rate", weir_crew_rate(&crew));
    if (all)
        weir_crew_join(all, &crew);
}

/* A backlog that nobody works at gets older by itself: that comes first. */
static const char *state_of(const struct look *look, const json_t *row)
{
    const json_t *workers = json_object_get(row, "workers"),
                 *oldest = json_object_get(row, "oldest");
    if (json_is_object(workers) && json_integer_value(json_object_get(workers, "alive")) == 0)
        return "unattended";
    if (json_is_integer(oldest) && look->now_ms - json_integer_value(oldest) >= BEHIND_AFTER_MS)
        return "behind";
    return "ok";
}

static json_t *describe(const struct look *look, const struct places *places, const char *service,
                        const json_t *last_sign, struct weir_crew *all)
{
    json_int_t at = json_integer_value(last_sign);
    json_t *row = json_pack("{s:s, s:o, s:n}", "service", service, "lastSign",
                            at > 0 ? json_integer(at) : json_null(), "problem");
    describe_workers(look, answer_of(look, places->workers, "HGETALL", row), row, all);
    describe_inboxes(look, places, service, row);
    json_object_set_new(row, "scheduled",
                        count_of(answer_of(look, places->scheduled, "ZCARD", row)));
    json_object_set_new(row, "dead", count_of(answer_of(look, places->dead, "XLEN", row)));
    json_object_set_new(row, "state", json_string(state_of(look, row)));
    return row;
}

/* ---- All of them ------------------------------------------------------------------------- */

json_t *weir_services_look(struct weir_session *session, json_t *services, int64_t now_ms,
                           struct weir_crew *all, struct weir_error *error)
{
    struct look look = {.session = session, .now_ms = now_ms};
    size_t count = 0;
    const char **names = weir_names_sorted(services, &count);
    struct places *places = calloc(count + 1, sizeof(*places));
    json_t *rows = NULL;
    if (!names || !places)
        weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    for (size_t i = 0; names && places && i < count; i++)
        ask(&look, names[i], &places[i]);
    if (names && places && weir_pipeline_run(&look.asking, &session->client, error) == WEIR_OK)
        rows = json_array();
    for (size_t i = 0; rows && i < count; i++)
        json_array_append_new(
            rows, describe(&look, &places[i], names[i], json_object_get(services, names[i]), all));
    weir_pipeline_close(&look.asking);
    free(names);
    free(places);
    return rows;
}
