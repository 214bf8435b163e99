/* Carries out commits: one server function each, pipelined, repeated until the answer is known. */
#include "stream/committer.h"

#include <stdio.h>
#include <string.h>

#include "redis/refusal.h"
#include "redis/reply.h"

#define AGAIN_BASE_MS 50
#define AGAIN_CAP_MS 2000
#define SETTLE "weir_settle"
#define SETTLED_MAX 256 /* in one call: it blocks the server for as long as it takes */
#define RUN_MIN 16 /* so many that were consecutive in the stream are worth a call of their own */

static void unlink_commit(struct weir_committer *committer, struct weir_commit *commit)
{
    *(commit->previous ? &commit->previous->next : &committer->first) = commit->next;
    *(commit->next ? &commit->next->previous : &committer->last) = commit->previous;
    commit->previous = commit->next = NULL;
}

static void set_stalled(struct weir_committer *committer, bool stalled)
{
    if (committer->stalled == stalled)
        return;
    committer->stalled = stalled;
    if (committer->stall_changed)
        committer->stall_changed(committer->user, stalled);
}

/* The server carries out commits, or refuses this one alone. */
static void serves(struct weir_committer *committer)
{
    if (committer->refusals > 0)
        weir_log_info(committer->log, "commit.resumed", "after=%u", committer->refusals);
    committer->refusals = 0;
    set_stalled(committer, false);
}

/* Where nothing is left to be repeated no other answer will tell whether the server serves: it is
 * tried with what comes next. */
static void answer(struct weir_commit *commit, enum weir_commit_outcome outcome, const char *detail)
{
    struct weir_committer *committer = commit->committer;
    unlink_commit(committer, commit);
    if (committer->first == NULL)
        serves(committer);
    commit->answered(commit->user, outcome, detail);
}

/* The name of the key that an answer points to: KEYS[index]. */
static void key_of_answer(const struct weir_commit *commit, const redisReply *index, char *name,
                          size_t room)
{
    int64_t number = 0;
    struct weir_slice key = {"(unknown key)", 13};
    size_t heads = commit->head_key_count;
    if (weir_reply_integer(index, &number) && number >= 1) {
        if ((size_t)number <= heads)
            key = weir_slice_of(commit->head_keys[number - 1]);
        else if (weir_effects_key_name(commit->effects, (size_t)number - heads - 1).length > 0)
            key = weir_effects_key_name(commit->effects, (size_t)number - heads - 1);
    }
    snprintf(name, room, "%.*s", (int)key.length, key.at);
}

static void answer_array(struct weir_commit *commit, const redisReply *reply)
{
    struct weir_slice word = {0}, why = {0};
    char key[320], detail[512];
    if (!weir_reply_text(weir_reply_at(reply, 0), &word)) {
        answer(commit, WEIR_COMMIT_REFUSED, "an answer of unknown form");
    } else if (weir_slice_equals(word, "moved")) {
        answer(commit, WEIR_COMMIT_CONFLICT, "");
    } else if (weir_slice_equals(word, "held")) {
        answer(commit, WEIR_COMMIT_HELD, "");
    } else {
        key_of_answer(commit, weir_reply_at(reply, 1), key, sizeof key);
        (void)weir_reply_text(weir_reply_at(reply, 2), &why);
        snprintf(detail, sizeof detail, "%s%s%.*s", key, why.length ? ": " : "", (int)why.length,
                 why.at ? why.at : "");
        answer(commit,
               weir_slice_equals(word, "conflict") ? WEIR_COMMIT_CONFLICT : WEIR_COMMIT_REFUSED,
               detail);
    }
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    weir_committer_resume(timer->data);
}

/* The server does not serve commits now: nobody's fault here; wait and repeat. */
static void put_off(struct weir_committer *committer, struct weir_commit *commit,
                    enum weir_refusal refusal, const char *why)
{
    int64_t pause = AGAIN_CAP_MS;
    commit->sent = false;
    if (!ev_is_active(&committer->again)) {
        if (committer->refusals++ == 0)
            weir_log_error(committer->log, "commit.put_off", "reason=%s", why);
        if (committer->refusals < 6)
            pause = (int64_t)AGAIN_BASE_MS << committer->refusals;
        if (refusal == WEIR_REFUSAL_FUNCTION && committer->library_missing)
            committer->library_missing(committer->user);
        ev_timer_set(&committer->again, (double)pause / 1000., 0.);
        ev_timer_start(committer->loop, &committer->again);
    }
    set_stalled(committer, true);
}

static void answer_unfinished(struct weir_committer *committer, struct weir_commit *commit,
                              const char *why)
{
    if (weir_refusal_of(why) == WEIR_REFUSAL_FUNCTION && committer->library_missing)
        committer->library_missing(committer->user);
    answer(commit, WEIR_COMMIT_CONFLICT, why);
}

static void refused(struct weir_committer *committer, struct weir_commit *commit, const char *why)
{
    char detail[512];
    enum weir_refusal refusal = weir_refusal_of(why);
    switch (refusal) {
    case WEIR_REFUSAL_REQUEST:
    case WEIR_REFUSAL_TYPE:
    case WEIR_REFUSAL_PLACE:
        snprintf(detail, sizeof detail, "%s: %s", commit->head_keys[0], why);
        serves(committer);
        answer(commit, WEIR_COMMIT_REFUSED, detail);
        break;
    case WEIR_REFUSAL_GROUP: /* no group, so nothing is pending */
        serves(committer);
        answer(commit, WEIR_COMMIT_FENCED, "");
        break;
    case WEIR_REFUSAL_SERVER:
    case WEIR_REFUSAL_ROLE: /* the link makes an unknown answer of it, and leaves that server */
    case WEIR_REFUSAL_DENIED:
    case WEIR_REFUSAL_FUNCTION:
        if (commit->once)
            answer_unfinished(committer, commit, why);
        else if (commit->hears_denial && refusal == WEIR_REFUSAL_DENIED)
            answer(commit, WEIR_COMMIT_DENIED, why);
        else
            put_off(committer, commit, refusal, why);
        break;
    }
}

static void on_answer(void *user, enum weir_answer answered, const redisReply *reply)
{
    struct weir_commit *commit = user;
    struct weir_committer *committer = commit->committer;
    if (answered == WEIR_ANSWER_UNKNOWN && commit->once) {
        answer(commit, WEIR_COMMIT_CONFLICT, "the connection was lost");
        return;
    }
    if (answered == WEIR_ANSWER_UNKNOWN) {
        commit->sent = false; /* repeated when the link is ready again */
        commit->doubtful = true;
        return;
    }
    if (answered == WEIR_ANSWER_REFUSED) {
        refused(committer, commit, reply->str);
        return;
    }
    if (strcmp(commit->function, SETTLE) != 0) /* that one is served without memory, too */
        serves(committer);
    if (reply->type == REDIS_REPLY_INTEGER)
        answer(commit, reply->integer == 1 ? WEIR_COMMIT_DONE : WEIR_COMMIT_FENCED, "");
    else
        answer_array(commit, reply);
}

static enum weir_status send(struct weir_committer *committer, struct weir_commit *commit)
{
    bool planned = strcmp(commit->function, WEIR_COMMIT_PLAN) == 0;
    enum weir_status status = (planned ? weir_effects_plan_call : weir_effects_call)(
        commit->effects, &committer->arguments, commit->function, commit->head_keys,
        commit->head_key_count, commit->head, commit->head_count);
    if (status == WEIR_OK)
        status = weir_link_send(committer->link, (int)committer->arguments.count,
                                committer->arguments.at, committer->arguments.lengths, on_answer,
                                commit);
    commit->sent = status == WEIR_OK;
    return status == WEIR_UNAVAILABLE ? WEIR_OK : status; /* sent when the link is ready */
}

/* ---- Acknowledgements that write nothing else ------------------------------------------------ */

/* What is in no call yet is as if it had not been handed over: whoever empties it sends it anew. */
static struct weir_settlement take_settlement(struct weir_committer *committer)
{
    struct weir_settlement settlement = committer->settlement;
    ev_prepare_stop(committer->loop, &committer->settling);
    memset(&committer->settlement, 0, sizeof committer->settlement);
    return settlement;
}

/* Which of them others have finished before, the answer does not say, and nobody needs to know. */
static void on_settled(void *user, enum weir_answer answered, const redisReply *reply)
{
    struct weir_commit *commit = user, *next;
    int64_t acknowledged = 0;
    bool counted = answered == WEIR_ANSWER_DONE && weir_reply_integer(reply, &acknowledged);
    for (; commit != NULL; commit = next) {
        next = commit->with; /* whoever is answered may free it, or submit it again */
        if (counted)
            answer(commit, acknowledged-- > 0 ? WEIR_COMMIT_DONE : WEIR_COMMIT_FENCED, "");
        else
            on_answer(commit, answered, reply);
    }
}

static enum weir_status send_settlement(struct weir_committer *committer,
                                        const struct weir_settlement *settlement)
{
    struct weir_commit *first = settlement->first;
    bool as_run = settlement->is_run && settlement->count >= RUN_MIN;
    const char *arguments[6 + SETTLED_MAX] = {"FCALL",
                                              "weir_settle_many",
                                              "1",
                                              first->head_keys[0],
                                              first->head[0],
                                              as_run ? "run" : first->head[2]};
    int count = 6;
    enum weir_status status;
    for (struct weir_commit *commit = first; commit != NULL; commit = commit->with)
        arguments[count++] = commit->head[1];
    status = weir_link_send(committer->link, count, arguments, NULL, on_settled, first);
    for (struct weir_commit *commit = first; commit != NULL; commit = commit->with)
        commit->sent = status == WEIR_OK;
    return status == WEIR_UNAVAILABLE ? WEIR_OK : status; /* sent when the link is ready */
}

static void settle(struct weir_committer *committer)
{
    struct weir_settlement settlement = take_settlement(committer);
    enum weir_status status = WEIR_OK;
    if (settlement.count > 0)
        status = settlement.count > 1 ? send_settlement(committer, &settlement)
                                      : send(committer, settlement.first);
    if (status != WEIR_OK)
        put_off(committer, settlement.first, WEIR_REFUSAL_SERVER, "no memory to send it");
}

static void on_settling(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct weir_committer *committer = prepare->data;
    (void)loop;
    (void)events;
    settle(committer);
    weir_link_flush(committer->link);
}

static bool only_acknowledges(const struct weir_commit *commit)
{
    return strcmp(commit->function, SETTLE) == 0 && commit->effects->effect_count == 0 &&
           weir_effects_status(commit->effects) == WEIR_OK;
}

/* Whether both differ in their entry alone. */
static bool settle_alike(const struct weir_commit *one, const struct weir_commit *other)
{
    return strcmp(one->head_keys[0], other->head_keys[0]) == 0 &&
           strcmp(one->head[0], other->head[0]) == 0 && strcmp(one->head[2], other->head[2]) == 0;
}

/* Whether the settlement is a run, and stays one with this. */
static bool goes_on(const struct weir_settlement *settlement, const struct weir_commit *commit)
{
    if (settlement->count == 0)
        return commit->place > 0 && strcmp(commit->head[2], "1") == 0;
    return settlement->is_run && commit->place == settlement->last->place + 1;
}

/* Whether it is to be sent without this. */
static bool is_complete(const struct weir_settlement *settlement, const struct weir_commit *commit)
{
    if (settlement->count == 0)
        return false;
    return settlement->count == SETTLED_MAX || !settle_alike(settlement->first, commit) ||
           (settlement->is_run && settlement->count >= RUN_MIN && !goes_on(settlement, commit));
}

static void collect(struct weir_committer *committer, struct weir_commit *commit)
{
    struct weir_settlement *settlement = &committer->settlement;
    if (is_complete(settlement, commit))
        settle(committer);
    settlement->is_run = goes_on(settlement, commit);
    commit->with = NULL;
    *(settlement->last != NULL ? &settlement->last->with : &settlement->first) = commit;
    settlement->last = commit;
    if (settlement->count++ == 0)
        ev_prepare_start(committer->loop, &committer->settling);
}

/* ---- Handing over ------------------------------------------------------------------------- */

static enum weir_status send_or_collect(struct weir_committer *committer,
                                        struct weir_commit *commit)
{
    if (!only_acknowledges(commit))
        return send(committer, commit);
    collect(committer, commit);
    return WEIR_OK;
}

enum weir_status weir_committer_submit(struct weir_committer *committer, struct weir_commit *commit)
{
    enum weir_status status = WEIR_OK;
    commit->committer = committer;
    commit->sent = commit->doubtful = false;
    commit->next = NULL;
    commit->previous = committer->last;
    *(committer->last ? &committer->last->next : &committer->first) = commit;
    committer->last = commit;
    if (!ev_is_active(&committer->again) || commit->once)
        status = send_or_collect(committer, commit);
    else
        status = weir_effects_status(commit->effects);
    if (status == WEIR_OK && commit->once && !commit->sent)
        status = WEIR_UNAVAILABLE;
    if (status != WEIR_OK)
        unlink_commit(committer, commit);
    return status;
}

void weir_committer_resume(struct weir_committer *committer)
{
    ev_timer_stop(committer->loop, &committer->again);
    (void)take_settlement(committer);
    for (struct weir_commit *commit = committer->first; commit != NULL; commit = commit->next) {
        commit->place = 0; /* it may be another server, or one that has gone back */
        /* the effects were laid out once already: only memory can fail now, and comes back */
        if (!commit->sent && send_or_collect(committer, commit) != WEIR_OK) {
            put_off(committer, commit, WEIR_REFUSAL_SERVER, "no memory to send it");
            return;
        }
    }
}

void weir_committer_init(struct weir_committer *committer, struct weir_link *link,
                         struct weir_log *log, struct ev_loop *loop)
{
    memset(committer, 0, sizeof *committer);
    committer->link = link;
    committer->log = log;
    committer->loop = loop;
    ev_timer_init(&committer->again, on_again, 0., 0.);
    committer->again.data = committer;
    ev_prepare_init(&committer->settling, on_settling);
    committer->settling.data = committer;
}

static void forget(struct weir_committer *committer)
{
    ev_timer_stop(committer->loop, &committer->again);
    (void)take_settlement(committer);
    committer->first = committer->last = NULL;
}

void weir_committer_forget(struct weir_committer *committer)
{
    forget(committer); /* those that are not to be repeated were answered when the link was lost */
    committer->refusals = 0;
    set_stalled(committer, false);
}

void weir_committer_close(struct weir_committer *committer)
{
    forget(committer);
    weir_arguments_close(&committer->arguments);
}
