/* Looks for the mark of the command's id, sends it, and looks until the mark tells its end. */
#include "call/sending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "call/outgoing.h"
#include "message/envelope.h"
#include "message/mark.h"
#include "redis/reply.h"

#define LOOK_FIRST_MS 1
#define LOOK_LAST_MS 50

struct sending {
    struct weir_errand errand;
    weir_desk_called *answered;
    void *user;
    struct weir_confirmer confirmer;
    bool first;
    char service[65], type[129];
    char *data;
    bool looks;    /* for a mark from before, before it is sent */
    bool accepted; /* the server has taken the command */
    bool was_lost; /* after it was sent: an earlier copy may be on its way */
    bool confirms; /* done, but its durability has to be waited for */
    int64_t pause;
    enum weir_call_result result;
    struct weir_call_answer answer;
};

static void end(struct sending *sending, enum weir_call_result result, struct weir_slice reason)
{
    weir_call_reason(&sending->answer, reason);
    sending->answer.not_taken = !sending->errand.sent && result != WEIR_CALL_DONE;
    sending->result = result;
    sending->errand.ended = true;
}

static void ask(struct weir_errand *errand, const char *prefix, struct weir_pipeline *pipeline)
{
    struct sending *sending = (struct sending *)errand;
    char key[WEIR_KEY_MAX];
    if (sending->looks || sending->accepted) {
        weir_pipeline_add(pipeline, "GET",
                          weir_key_seen(key, prefix, sending->service, sending->answer.id), NULL);
        return;
    }
    errand->sent = true;
    weir_pipeline_add(pipeline, "XADD", weir_key_commands(key, prefix, sending->service), "*",
                      "type", sending->type, "data", sending->data, "id", sending->answer.id,
                      sending->first ? WEIR_FIELD_ONCE : NULL, "1", NULL);
}

/* ---- Taking ------------------------------------------------------------------------------ */

static void wait_on(struct sending *sending)
{
    sending->errand.wake = weir_clock_monotonic_ms() + sending->pause;
    sending->pause = sending->pause * 3 / 2 + 1;
    if (sending->pause > LOOK_LAST_MS)
        sending->pause = LOOK_LAST_MS;
}

static void judge(struct sending *sending, const struct weir_mark *mark)
{
    enum weir_mark_verdict verdict = weir_mark_judge(mark, sending->answer.entry, sending->first);
    sending->errand.sent = sending->errand.sent || verdict != WEIR_MARK_SAYS_NOTHING;
    if (verdict == WEIR_MARK_SAYS_DONE) {
        weir_call_take_token(&sending->answer, mark);
        sending->confirms = weir_durability_wanted(mark->need);
        end(sending, WEIR_CALL_DONE, (struct weir_slice){"", 0});
    } else if (verdict != WEIR_MARK_SAYS_NOTHING) {
        end(sending, verdict == WEIR_MARK_SAYS_REFUSED ? WEIR_CALL_REFUSED : WEIR_CALL_UNKNOWN,
            mark->reason);
    } else if (sending->looks) {
        sending->looks = false;
    } else {
        wait_on(sending);
    }
}

static void take(struct weir_errand *errand, const struct weir_client *client,
                 redisReply *const *replies, size_t count)
{
    struct sending *sending = (struct sending *)errand;
    bool sends = !sending->looks && !sending->accepted;
    struct weir_error error = {0};
    struct weir_slice text = {"", 0};
    (void)count;
    if (replies[0]->type == REDIS_REPLY_ERROR) {
        enum weir_status status =
            weir_client_error_of(client, sends ? "XADD" : "GET", replies[0], &error);
        bool refused = status != WEIR_UNAVAILABLE && !sending->accepted;
        errand->sent = sending->accepted || sending->was_lost;
        end(sending, refused ? WEIR_CALL_REFUSED : WEIR_CALL_UNKNOWN, weir_slice_of(error.text));
        return;
    }
    (void)weir_reply_text(replies[0], &text);
    if (sends) {
        snprintf(sending->answer.entry, sizeof sending->answer.entry, "%.*s", (int)text.length,
                 text.at);
        sending->accepted = true;
        wait_on(sending);
    } else {
        struct weir_mark mark = weir_mark_read(text);
        judge(sending, &mark);
    }
}

/* What was sent may be gone with the server: where there is no mark it is sent again. */
static void lost(struct weir_errand *errand)
{
    struct sending *sending = (struct sending *)errand;
    sending->looks = sending->was_lost = true;
    sending->accepted = false;
    errand->wake = weir_clock_monotonic_ms();
}

static void give_up(struct weir_errand *errand, const char *why)
{
    struct sending *sending = (struct sending *)errand;
    end(sending, WEIR_CALL_UNKNOWN,
        weir_slice_of(why[0] != '\0' ? why : "nothing is known of it within the limit"));
}

static void free_sending(struct sending *sending)
{
    free(sending->data);
    free(sending);
}

static bool hand_on(struct weir_errand *errand)
{
    struct sending *sending = (struct sending *)errand;
    const struct weir_confirmer *confirmer = &sending->confirmer;
    if (!sending->confirms)
        return false;
    if (confirmer->confirm(confirmer->user, errand, &sending->answer, sending->service,
                           sending->answered, sending->user)) {
        free_sending(sending);
        return true;
    }
    end(sending, WEIR_CALL_UNKNOWN,
        weir_slice_of("it is done, but whether it is as durable as its service asks cannot be "
                      "waited for now"));
    return false;
}

static void answer(struct weir_errand *errand)
{
    struct sending *sending = (struct sending *)errand;
    sending->answered(sending->user, sending->result, &sending->answer);
    free_sending(sending);
}

static const struct weir_errand_kind kind = {.counts = WEIR_COUNTS_SENDING,
                                             .ask = ask,
                                             .take = take,
                                             .lost = lost,
                                             .give_up = give_up,
                                             .hand_on = hand_on,
                                             .answer = answer};

/* ---- Making it --------------------------------------------------------------------------- */

static void check(struct sending *sending, const struct weir_command_call *command, const char *id)
{
    struct weir_error error = {0};
    struct weir_outgoing outgoing = {
        .service = command->service, .type = command->type, .id = id, .data = sending->data};
    if (weir_outgoing_check(&outgoing, &error) != WEIR_OK)
        end(sending, error.status == WEIR_NO_MEMORY ? WEIR_CALL_UNKNOWN : WEIR_CALL_REFUSED,
            weir_slice_of(error.text));
    else if (strcmp(command->service, WEIR_SAGAS) == 0)
        end(sending, WEIR_CALL_REFUSED, weir_slice_of("service: sagas takes no commands"));
}

struct weir_errand *weir_sending_new(const struct weir_command_call *command,
                                     const struct weir_confirmer *confirmer,
                                     weir_desk_called *answered, void *user)
{
    char random_id[WEIR_RANDOM_ID_MAX];
    const char *id = command->id != NULL ? command->id : weir_random_id(random_id);
    struct sending *made = calloc(1, sizeof *made);
    char *data = command->data != NULL ? json_dumps(command->data, JSON_COMPACT) : strdup("{}");
    if (made == NULL || data == NULL) {
        free(made);
        free(data);
        return NULL;
    }
    weir_errand_begin(&made->errand, &kind, command->limit_ms);
    made->data = data;
    made->looks = command->id != NULL && !command->fresh;
    made->first = command->first;
    made->pause = LOOK_FIRST_MS;
    made->confirmer = *confirmer;
    made->answered = answered;
    made->user = user;
    snprintf(made->service, sizeof made->service, "%s", command->service);
    snprintf(made->type, sizeof made->type, "%s", command->type);
    snprintf(made->answer.id, sizeof made->answer.id, "%s", id);
    check(made, command, id);
    return &made->errand;
}
