/* Looks for the saga, sends the start, and looks again when something of it was heard. */
#include "call/starting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "call/outgoing.h"
#include "call/saga_reply.h"
#include "message/envelope.h"
#include "redis/reply.h"

/* Events may be missed (trimmed, a server that has gone back): it looks without them, too. */
#define LOOK_FIRST_MS 100
#define LOOK_LAST_MS 500

struct starting {
    struct weir_errand errand;
    weir_desk_started *answered;
    void *user;
    char definition[65];
    char *data;
    char entry[WEIR_ENTRY_ID_MAX];
    bool looks;    /* the saga is looked for before it is started */
    bool accepted; /* the server has taken the start */
    bool was_lost; /* after it was sent: an earlier copy may be on its way */
    bool heard;    /* something of the saga, since it was last asked for */
    int64_t pause;
    enum weir_start_result result;
    struct weir_start_answer answer;
    json_t *found; /* the saga's data, a text; NULL: none */
};

static void end(struct starting *starting, enum weir_start_result result, struct weir_slice reason)
{
    weir_start_reason(&starting->answer, reason);
    starting->answer.not_taken =
        !starting->errand.sent && (result == WEIR_START_REFUSED || result == WEIR_START_UNKNOWN);
    starting->result = result;
    starting->errand.ended = true;
}

/* ---- Asking ------------------------------------------------------------------------------ */

static void send(struct starting *starting, const char *prefix, struct weir_pipeline *pipeline)
{
    char key[WEIR_KEY_MAX];
    starting->errand.sent = true;
    weir_pipeline_add(pipeline, "XADD", weir_key_commands(key, prefix, WEIR_SAGAS), "*", "type",
                      "StartSaga", "saga", starting->answer.saga, "definition",
                      starting->definition, "data", starting->data, NULL);
}

static void ask(struct weir_errand *errand, const char *prefix, struct weir_pipeline *pipeline)
{
    struct starting *starting = (struct starting *)errand;
    if (starting->looks || starting->accepted) {
        starting->heard = false;
        weir_saga_reply_ask(prefix, starting->answer.saga, pipeline);
        return;
    }
    send(starting, prefix, pipeline);
}

/* ---- Taking ------------------------------------------------------------------------------ */

/* Bytes first: they are the same unless somebody has written the data by another program. */
static bool same_data(const char *ours, struct weir_slice theirs)
{
    json_t *one, *other;
    bool same;
    if (weir_slice_equals(theirs, ours))
        return true;
    one = json_loads(ours, 0, NULL);
    other = json_loadb(theirs.at, theirs.length, 0, NULL);
    same = one != NULL && other != NULL && json_equal(one, other);
    json_decref(one);
    json_decref(other);
    return same;
}

static bool is_other(const struct starting *starting, const redisReply *reply)
{
    return !weir_slice_equals(weir_saga_reply_definition(reply), starting->definition) ||
           !same_data(starting->data, weir_saga_reply_data(reply));
}

/* Another's start of the same saga may have ended while ours was sent. */
static void wait_on(struct starting *starting)
{
    starting->errand.wake = starting->heard ? 0 : weir_clock_monotonic_ms() + starting->pause;
    starting->pause = starting->pause * 2 < LOOK_LAST_MS ? starting->pause * 2 : LOOK_LAST_MS;
}

/* The saga is there: it has ended, or it is waited for. */
static void judge(struct starting *starting, enum weir_start_result result, const redisReply *reply)
{
    char reason[sizeof starting->answer.reason];
    starting->accepted = true;
    starting->errand.sent = true;
    json_decref(starting->found);
    starting->found = weir_text_json(weir_saga_reply_data(reply));
    memcpy(reason, starting->answer.reason, sizeof reason);
    if (is_other(starting, reply))
        end(starting, WEIR_START_OTHER,
            weir_slice_of("a saga of another definition or with other data has this id"));
    else if (result == WEIR_START_RUNNING)
        wait_on(starting);
    else
        end(starting, result, weir_slice_of(reason));
}

static void take_saga(struct starting *starting, const redisReply *reply)
{
    enum weir_start_result result = weir_saga_reply_read(reply, &starting->answer);
    starting->looks = false;
    if (result != WEIR_START_ABSENT)
        judge(starting, result, reply);
    else if (starting->accepted)
        wait_on(starting); /* no coordinator has come to it yet */
}

static void take_entry(struct starting *starting, const redisReply *reply)
{
    struct weir_slice id = {"", 0};
    (void)weir_reply_text(reply, &id);
    snprintf(starting->entry, sizeof starting->entry, "%.*s", (int)id.length, id.at);
    starting->accepted = true;
    wait_on(starting);
}

/* What the server does not take now, it has not taken. */
static void take_error(struct starting *starting, const struct weir_client *client,
                       const redisReply *reply)
{
    struct weir_error error = {0};
    bool refused = weir_client_error_of(client, starting->looks ? "HMGET" : "XADD", reply,
                                        &error) != WEIR_UNAVAILABLE;
    starting->errand.sent = starting->accepted || starting->was_lost;
    end(starting,
        starting->accepted ? WEIR_START_RUNNING
        : refused          ? WEIR_START_REFUSED
                           : WEIR_START_UNKNOWN,
        weir_slice_of(error.text));
}

static void take(struct weir_errand *errand, const struct weir_client *client,
                 redisReply *const *replies, size_t count)
{
    struct starting *starting = (struct starting *)errand;
    (void)count;
    if (replies[0]->type == REDIS_REPLY_ERROR)
        take_error(starting, client, replies[0]);
    else if (starting->looks || starting->accepted)
        take_saga(starting, replies[0]);
    else
        take_entry(starting, replies[0]);
}

/* The server that comes back may have lost the end of what it had: it is looked for, and where it
 * is not there it is started again, which changes nothing where it was still on its way. */
static void lost(struct weir_errand *errand)
{
    struct starting *starting = (struct starting *)errand;
    starting->looks = starting->was_lost = true;
    starting->accepted = false;
    errand->wake = weir_clock_monotonic_ms();
}

static void give_up(struct weir_errand *errand, const char *why)
{
    struct starting *starting = (struct starting *)errand;
    if (starting->accepted || starting->entry[0] != '\0')
        end(starting, WEIR_START_RUNNING, (struct weir_slice){"", 0});
    else
        end(starting, WEIR_START_UNKNOWN,
            weir_slice_of(why[0] != '\0' ? why : "the server has not answered in time"));
}

static void hear(struct weir_errand *errand, const struct weir_heard *heard)
{
    struct starting *starting = (struct starting *)errand;
    if (heard->saga.length > 0 && weir_slice_equals(heard->saga, starting->answer.saga)) {
        starting->heard = true;
        errand->wake = 0;
    } else if (heard->letter.length > 0 && weir_slice_equals(heard->letter, starting->entry)) {
        end(starting, WEIR_START_REFUSED, heard->reason);
    }
}

static void answer(struct weir_errand *errand)
{
    struct starting *starting = (struct starting *)errand;
    starting->answer.data = json_string_value(starting->found);
    starting->answered(starting->user, starting->result, &starting->answer);
    json_decref(starting->found);
    free(starting->data);
    free(starting);
}

static const struct weir_errand_kind kind = {.counts = WEIR_COUNTS_STARTING,
                                             .ask = ask,
                                             .take = take,
                                             .lost = lost,
                                             .give_up = give_up,
                                             .hear = hear,
                                             .answer = answer};

/* ---- Making them ------------------------------------------------------------------------- */

/* Its own reader judges, so that nothing is sent that would end as a dead letter. */
static enum weir_status check(const struct weir_start *start, const char *data,
                              struct weir_error *error)
{
    struct weir_outgoing outgoing = {.service = WEIR_SAGAS, .type = "StartSaga", .data = data};
    if (!weir_name_valid(start->definition, strlen(start->definition)))
        return weir_error_set(error, WEIR_INVALID, "definition: '%.64s' is no name",
                              start->definition);
    if (weir_start_check_saga(start->saga, error) != WEIR_OK)
        return error->status;
    return weir_outgoing_check(&outgoing, error);
}

struct weir_errand *weir_starting_new(const struct weir_start *start, weir_desk_started *answered,
                                      void *user)
{
    struct weir_error error = {0};
    struct starting *made = calloc(1, sizeof *made);
    char *data = start->data != NULL ? json_dumps(start->data, JSON_COMPACT) : strdup("{}");
    if (made == NULL || data == NULL) {
        free(made);
        free(data);
        return NULL;
    }
    weir_errand_begin(&made->errand, &kind, start->limit_ms);
    made->data = data;
    made->pause = LOOK_FIRST_MS;
    made->looks = !start->fresh;
    made->answered = answered;
    made->user = user;
    snprintf(made->answer.saga, sizeof made->answer.saga, "%s", start->saga);
    snprintf(made->definition, sizeof made->definition, "%s", start->definition);
    if (check(start, data, &error) != WEIR_OK)
        end(made, error.status == WEIR_NO_MEMORY ? WEIR_START_UNKNOWN : WEIR_START_REFUSED,
            weir_slice_of(error.text));
    return &made->errand;
}
