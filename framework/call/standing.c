/* Looks for the saga; where it is not there, for a start of it that nobody has come to yet. That it
 * is absent is said only when all starts that were on their way have been worked off. */
#include "call/standing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "call/saga_reply.h"
#include "message/envelope.h"
#include "redis/reply.h"

#define STARTS_AT_ONCE "64" /* are looked through; of more it is waited for the rest */
#define LOOK_FIRST_MS 2
#define LOOK_LAST_MS 100

/* The two streams that starts wait in. */
enum place { INBOX, HELD, PLACES };
static const char *const places[PLACES] = {"commands", "held"};

struct standing {
    struct weir_errand errand;
    weir_desk_started *answered;
    void *user;
    bool looks_further;               /* the saga was not there */
    struct weir_entry_id end[PLACES]; /* what stands behind these has come later than we */
    bool end_known;
    int64_t pause;
    enum weir_start_result result;
    struct weir_start_answer answer;
    json_t *data; /* a text; NULL: none */
};

static void end(struct standing *standing, enum weir_start_result result)
{
    standing->result = result;
    standing->errand.ended = true;
}

/* ---- Asking ------------------------------------------------------------------------------ */

static void ask(struct weir_errand *errand, const char *prefix, struct weir_pipeline *pipeline)
{
    struct standing *standing = (struct standing *)errand;
    char key[WEIR_KEY_MAX];
    for (size_t i = 0; standing->looks_further && i < PLACES; i++) {
        weir_key_named(key, prefix, WEIR_SAGAS, places[i]);
        weir_pipeline_add(pipeline, "XRANGE", key, "-", "+", "COUNT", STARTS_AT_ONCE, NULL);
        weir_pipeline_add(pipeline, "XINFO", "STREAM", key, NULL);
    }
    /* last: a start that has left its stream by then has left its saga behind */
    weir_saga_reply_ask(prefix, standing->answer.saga, pipeline);
}

/* ---- Starts on their way ----------------------------------------------------------------- */

static struct weir_entry_id last_of(const redisReply *info)
{
    struct weir_entry_id last = {0};
    struct weir_slice id = {"", 0};
    if (weir_reply_array(info, 2) &&
        weir_reply_text(weir_reply_named(info, "last-generated-id"), &id) &&
        !weir_entry_id_read(id, &last))
        last = (struct weir_entry_id){0};
    return last;
}

static bool is_start(const redisReply *body, const char *saga)
{
    struct weir_slice type = {"", 0}, id = {"", 0};
    return weir_reply_text(weir_reply_named(body, "type"), &type) &&
           weir_slice_equals(type, "StartSaga") &&
           weir_reply_text(weir_reply_named(body, "saga"), &id) && weir_slice_equals(id, saga);
}

/* Whether nothing is left of what was there when we came; a start of our saga is noted. */
static bool look_through(struct standing *standing, const redisReply *entries, size_t place)
{
    bool done = true;
    for (size_t i = 0; weir_reply_array(entries, 0) && i < entries->elements; i++) {
        struct weir_entry entry;
        struct weir_entry_id id;
        struct weir_slice data = {"{}", 2};
        if (!weir_reply_entry(entries->element[i], &entry) || !weir_entry_id_read(entry.id, &id))
            continue;
        done = done && weir_entry_id_less(&standing->end[place], &id);
        if (!is_start(entry.body, standing->answer.saga) || standing->data != NULL)
            continue;
        (void)weir_reply_text(weir_reply_named(entry.body, "data"), &data);
        standing->data = weir_text_json(data);
    }
    return done;
}

/* The saga is not there; the answers of both streams stand in front. */
static void take_starts(struct standing *standing, redisReply *const *replies)
{
    bool done = true;
    for (size_t i = 0; !standing->end_known && i < PLACES; i++)
        standing->end[i] = last_of(replies[2 * i + 1]);
    standing->end_known = true;
    for (size_t i = 0; i < PLACES; i++)
        done = look_through(standing, replies[2 * i], i) && done;
    if (standing->data != NULL) {
        end(standing, WEIR_START_RUNNING);
    } else if (done) {
        weir_start_reason(&standing->answer, weir_slice_of("there is no such saga"));
        end(standing, WEIR_START_ABSENT);
    } else {
        standing->errand.wake = weir_clock_monotonic_ms() + standing->pause;
        standing->pause = standing->pause * 2 < LOOK_LAST_MS ? standing->pause * 2 : LOOK_LAST_MS;
    }
}

/* ---- Taking ------------------------------------------------------------------------------ */

static void take(struct weir_errand *errand, const struct weir_client *client,
                 redisReply *const *replies, size_t count)
{
    struct standing *standing = (struct standing *)errand;
    const redisReply *saga = replies[count - 1];
    struct weir_error error = {0};
    enum weir_start_result result;
    if (saga->type == REDIS_REPLY_ERROR) {
        (void)!weir_client_error_of(client, "HMGET", saga, &error);
        weir_start_reason(&standing->answer, weir_slice_of(error.text));
        end(standing, WEIR_START_UNKNOWN);
        return;
    }
    result = weir_saga_reply_read(saga, &standing->answer);
    if (result != WEIR_START_ABSENT) {
        standing->data = weir_text_json(weir_saga_reply_data(saga));
        end(standing, result);
    } else if (standing->looks_further) {
        take_starts(standing, replies);
    } else {
        standing->looks_further = true;
    }
}

static void give_up(struct weir_errand *errand, const char *why)
{
    struct standing *standing = (struct standing *)errand;
    const char *waits = "starts wait in the sagas' inbox, perhaps this one's; is a coordinator "
                        "running?";
    const char *reason = why[0] != '\0'        ? why
                         : standing->end_known ? waits
                                               : "the server has not answered in time";
    weir_start_reason(&standing->answer, weir_slice_of(reason));
    end(standing, WEIR_START_UNKNOWN);
}

static void answer(struct weir_errand *errand)
{
    struct standing *standing = (struct standing *)errand;
    standing->answer.data = json_string_value(standing->data);
    standing->answered(standing->user, standing->result, &standing->answer);
    json_decref(standing->data);
    free(standing);
}

static const struct weir_errand_kind kind = {
    .counts = WEIR_COUNTS_STANDING, .ask = ask, .take = take, .give_up = give_up, .answer = answer};

struct weir_errand *weir_standing_new(const char *saga, int64_t limit_ms,
                                      weir_desk_started *answered, void *user)
{
    struct weir_error error = {0};
    struct standing *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    weir_errand_begin(&made->errand, &kind, limit_ms);
    made->answered = answered;
    made->user = user;
    made->pause = LOOK_FIRST_MS;
    snprintf(made->answer.saga, sizeof made->answer.saga, "%s", saga);
    if (weir_start_check_saga(saga, &error) != WEIR_OK) {
        weir_start_reason(&made->answer, weir_slice_of(error.text));
        end(made, WEIR_START_REFUSED);
    }
    return &made->errand;
}
