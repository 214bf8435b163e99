/* weir projection retry and skip: what an operator does about an event that stops a projection. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "commands/interrupt.h"
#include "commands/print.h"
#include "commands/projection_verbs.h"
#include "commands/values.h"
#include "redis/reply.h"
#include "commands/visible.h"

#define PAUSE_MS 20
#define TRIES_MAX 50 /* the hash changes as often as a worker says that it lives */
#define LETTERS_LOOKED_AT "100"

struct mending {
    struct weir_session *session;
    const struct weir_projection_name *name;
    bool rebuild;                     /* it is the rebuild that is stopped */
    struct weir_stopping_event event; /* what stops it, before */
    struct weir_projection_status status;
    int64_t stops; /* how often it had been stopped before */
    bool attended; /* a worker has had the turn since */
    bool skips;    /* it may be stopped again before it has heard of that */
};

static const char *what(const struct mending *mending)
{
    return mending->rebuild ? "the rebuild of " : "";
}

static const struct weir_stopping_event *event_now(const struct mending *mending)
{
    return mending->rebuild ? &mending->status.event : &mending->status.stop;
}

/* ---- Waiting ----------------------------------------------------------------------------- */

static bool goes_on(const struct mending *mending)
{
    const struct weir_projection_status *status = &mending->status;
    if (mending->rebuild)
        return strcmp(status->phase, "building") != 0 || !weir_event_stops(&status->event);
    return strcmp(status->state, "running") == 0;
}

static bool stopped_by_another(const struct mending *mending)
{
    bool stopped = mending->rebuild || weir_projection_is_stopped(&mending->status);
    return stopped && !weir_event_equals(&mending->event, event_now(mending));
}

/* By the same event once more. */
static bool stopped_again(const struct mending *mending)
{
    return !mending->rebuild && !mending->skips && weir_projection_is_stopped(&mending->status) &&
           mending->status.stops != mending->stops;
}

static int64_t patience_ms(const struct mending *mending)
{
    return weir_projection_patience_ms(mending->session, WEIR_PROJECTION_ASK_MS);
}

/* WEIR_EXIT_FINE when it goes on, is stopped again, or time is up. */
static int await(struct mending *mending)
{
    struct weir_error error = {0};
    int64_t deadline = weir_clock_monotonic_ms() + patience_ms(mending);
    weir_interrupt_catch();
    for (;;) {
        if (weir_projection_look(mending->session, mending->name, &mending->status, &error) !=
            WEIR_OK)
            return weir_fail_by(&error);
        mending->attended = mending->attended || mending->status.owner[0] != '\0' ||
                            mending->status.stops != mending->stops;
        if (goes_on(mending) || stopped_by_another(mending) || stopped_again(mending) ||
            weir_clock_monotonic_ms() >= deadline)
            return WEIR_EXIT_FINE;
        if (weir_interrupted())
            return weir_fail(WEIR_EXIT_INTERRUPTED, "stopped waiting; what was asked for stands");
        weir_pause_ms(PAUSE_MS);
    }
}

static const char *doubt(const struct mending *mending)
{
    return mending->attended ? "" : "; no worker has been seen at it: is one running?";
}

/* ---- retry ------------------------------------------------------------------------------- */

/* What is to be tried again is not to be passed over: an order to skip it is taken back first. */
static enum weir_status ask_for_retry(const struct mending *mending, struct weir_error *error)
{
    struct weir_client *client = &mending->session->client;
    char key[WEIR_KEY_MAX];
    weir_key_projection(key, mending->session->settings.prefix, mending->name->view,
                        mending->name->projection);
    redisReply *reply = weir_client_ask(client, error, "HDEL", key, "skip", NULL);
    if (!reply)
        return error->status;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 1)
        weir_remark("%s is not to be passed over any more", event_now(mending)->entry);
    freeReplyObject(reply);
    reply = weir_client_ask(client, error, "HINCRBY", key, "retry", "1", NULL);
    if (!reply)
        return error->status;
    freeReplyObject(reply);
    return WEIR_OK;
}

static int report_retry(const struct mending *mending)
{
    const struct weir_stopping_event *event = event_now(mending);
    const char *shown = mending->name->shown;
    bool well = goes_on(mending);
    int code = well ? WEIR_EXIT_FINE : WEIR_EXIT_FAILED;
    if (mending->session->settings.json)
        weir_print_json(
            json_pack("{s:s, s:b, s:o}", "projection", shown, "goesOn", (int)well, "reason",
                      well ? json_null() : weir_slice_json(weir_slice_of(event->reason))));
    if (!well)
        return weir_fail(code, "%s%s is %s: %s%s", what(mending), shown,
                         stopped_by_another(mending) ? "stopped again, by something else"
                                                     : "still stopped",
                         event->reason, doubt(mending));
    if (!mending->session->settings.json)
        fprintf(weir_output(), "%s%s goes on\n", what(mending), shown);
    return code;
}

int weir_projection_retry(struct weir_session *session, const struct weir_projection_name *name)
{
    struct mending mending = {.session = session, .name = name};
    struct weir_error error = {0};
    if (weir_projection_look(session, name, &mending.status, &error) != WEIR_OK)
        return weir_fail_by(&error);
    mending.rebuild = !weir_projection_is_stopped(&mending.status);
    mending.event = *event_now(&mending);
    mending.stops = mending.status.stops;
    if (mending.rebuild && !weir_event_stops(&mending.status.event))
        return weir_fail(WEIR_EXIT_FAILED, "%s is not stopped, but %s; there is nothing to retry",
                         name->shown, weir_projection_state(&mending.status));
    if (ask_for_retry(&mending, &error) != WEIR_OK)
        return weir_fail_by(&error);
    int code = await(&mending);
    return code == WEIR_EXIT_FINE ? report_retry(&mending) : code;
}

/* ---- skip: which ------------------------------------------------------------------------- */

static bool is_candidate(const struct weir_stopping_event *event, const char *entry)
{
    return weir_event_is_single(event) && (!entry || strcmp(event->entry, entry) == 0);
}

static int refuse_skip(const struct mending *mending, const char *entry)
{
    const struct weir_projection_status *status = &mending->status;
    bool stopped = weir_projection_is_stopped(status);
    const struct weir_stopping_event *event = stopped ? &status->stop : &status->event;
    const char *shown = mending->name->shown;
    if (!stopped && !weir_event_stops(event))
        return weir_fail(WEIR_EXIT_FAILED, "%s is not stopped, but %s; there is nothing to skip",
                         shown, weir_projection_state(status));
    if (!weir_event_is_single(event))
        return weir_fail(WEIR_EXIT_FAILED,
                         "%s is not stopped by a single event: %s; mend that, and then: weir "
                         "projection retry %s",
                         shown, event->reason, shown);
    return weir_fail(WEIR_EXIT_FAILED, "%s is not stopped by %s, but by %s of %s", shown, entry,
                     event->entry, event->stream);
}

/* Finds the event to pass over in what was read just now; the exit code. */
static int choose(struct mending *mending, const char *entry)
{
    const struct weir_projection_status *status = &mending->status;
    bool live = weir_projection_is_stopped(status) && is_candidate(&status->stop, entry);
    bool rebuild = weir_event_stops(&status->event) && is_candidate(&status->event, entry);
    if (!live && !rebuild)
        return refuse_skip(mending, entry);
    mending->rebuild = !live;
    mending->event = *event_now(mending);
    mending->stops = status->stops;
    if (live && strcmp(status->state, "parked") == 0 && !mending->session->settings.force)
        return weir_fail(WEIR_EXIT_FAILED,
                         "%s waits for a newer program, not for an operator: %s; --force passes "
                         "over the event all the same",
                         mending->name->shown, status->stop.reason);
    return WEIR_EXIT_FINE;
}

/* ---- skip: doing it ---------------------------------------------------------------------- */

static enum weir_status say(const struct mending *mending, struct weir_error *error,
                            const char *const *words, size_t count, bool *carried_out)
{
    redisReply *reply = weir_client_call(&mending->session->client, error, count, words, NULL);
    if (!reply)
        return error->status;
    *carried_out = reply->type != REDIS_REPLY_NIL;
    freeReplyObject(reply);
    return WEIR_OK;
}

/* Carried out only where the hash is still as it was read. */
static enum weir_status write_skip(const struct mending *mending, const char *key, bool *written,
                                   struct weir_error *error)
{
    char skip[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX];
    snprintf(skip, sizeof(skip), "%s %s", mending->event.stream, mending->event.entry);
    const char *const multi[] = {"MULTI"}, *const set[] = {"HSET", key, "skip", skip},
                      *const retry[] = {"HINCRBY", key, "retry", "1"}, *const exec[] = {"EXEC"},
                      *const discard[] = {"DISCARD"};
    if (say(mending, error, multi, 1, written) != WEIR_OK)
        return error->status;
    if (say(mending, error, set, 4, written) == WEIR_OK)
        (void)!say(mending, error, retry, 4, written);
    if (error->status == WEIR_OK)
        return say(mending, error, exec, 1, written);
    struct weir_error ignored = {0}; /* so that what comes next is not queued */
    (void)!say(mending, &ignored, discard, 1, written);
    return error->status;
}

static int ask_for_skip(struct mending *mending, const char *entry)
{
    char key[WEIR_KEY_MAX];
    struct weir_error error = {0};
    weir_key_projection(key, mending->session->settings.prefix, mending->name->view,
                        mending->name->projection);
    const char *const watch[] = {"WATCH", key};
    for (int i = 0; i < TRIES_MAX; i++) {
        bool written = false;
        if (say(mending, &error, watch, 2, &written) != WEIR_OK ||
            weir_projection_look(mending->session, mending->name, &mending->status, &error) !=
                WEIR_OK)
            return weir_fail_by(&error);
        int code = choose(mending, entry);
        if (code != WEIR_EXIT_FINE)
            return code;
        if (write_skip(mending, key, &written, &error) != WEIR_OK)
            return weir_fail_by(&error);
        if (written)
            return WEIR_EXIT_FINE;
    }
    return weir_fail(WEIR_EXIT_FAILED, "%s changes too fast; nothing was skipped, try again",
                     mending->name->shown);
}

/* ---- skip: what became of it ------------------------------------------------------------- */

/* The id of the dead letter that the event has become, null where it is not among the newest. */
static json_t *find_letter(const struct mending *mending)
{
    char key[WEIR_KEY_MAX];
    struct weir_error error = {0};
    json_t *letter = NULL;
    weir_key_dead(key, mending->session->settings.prefix, mending->name->view);
    redisReply *reply = weir_client_ask(&mending->session->client, &error, "XREVRANGE", key, "+",
                                        "-", "COUNT", LETTERS_LOOKED_AT, NULL);
    for (size_t i = 0; !letter && i < weir_value_count(reply); i++) {
        const redisReply *entry = reply->element[i], *fields = weir_reply_at(entry, 1);
        if (weir_slice_equals(weir_value_field(fields, "stream"), mending->event.stream) &&
            weir_slice_equals(weir_value_field(fields, "entry"), mending->event.entry))
            letter = weir_slice_json(weir_value_element(entry, 0));
    }
    if (reply)
        freeReplyObject(reply);
    else
        weir_remark("the dead letters of %s cannot be read: %s", mending->name->view, error.text);
    return letter ? letter : json_null();
}

static void print_skipped(const struct mending *mending, const json_t *letter)
{
    struct weir_text line = {0};
    weir_visible_append(&line, weir_slice_of(mending->event.entry));
    weir_text_append_string(&line, " of ");
    weir_visible_append(&line, weir_slice_of(mending->event.stream));
    weir_text_format(&line, " passed over; %s%s %s", what(mending), mending->name->shown,
                     goes_on(mending) ? "goes on" : "has come to another event");
    if (json_is_string(letter))
        weir_text_format(&line, "; it is a dead letter now: weir dead %s show %s",
                         mending->name->view, json_string_value(letter));
    else if (mending->rebuild)
        weir_text_append_string(&line, "; nothing was put away");
    else
        weir_text_format(&line, "; it is among the dead letters: weir dead %s",
                         mending->name->view);
    weir_print_line(&line);
    weir_text_close(&line);
}

static int fail_skip(const struct mending *mending)
{
    struct weir_text patience = {0};
    weir_span_append(&patience, patience_ms(mending));
    int code =
        weir_fail(WEIR_EXIT_WAITED,
                  "%s%s was asked to pass over %s, but has not done so within %s%s; the "
                  "order stands until it is carried out, or taken back by: weir projection "
                  "retry %s",
                  what(mending), mending->name->shown, mending->event.entry,
                  patience.at ? patience.at : "the limit", doubt(mending), mending->name->shown);
    weir_text_close(&patience);
    return code;
}

static int report_skip(const struct mending *mending)
{
    bool over = goes_on(mending) || stopped_by_another(mending);
    const char *shown = mending->name->shown;
    if (!over)
        return fail_skip(mending);
    json_t *letter = mending->rebuild ? json_null() : find_letter(mending);
    if (mending->session->settings.json)
        weir_print_json(json_pack("{s:s, s:o, s:o, s:O, s:b}", "projection", shown, "stream",
                                  weir_slice_json(weir_slice_of(mending->event.stream)), "entry",
                                  weir_slice_json(weir_slice_of(mending->event.entry)), "letter",
                                  letter, "goesOn", (int)goes_on(mending)));
    else
        print_skipped(mending, letter);
    json_decref(letter);
    if (goes_on(mending))
        return WEIR_EXIT_FINE;
    return weir_fail(WEIR_EXIT_FAILED, "%s%s is stopped again, by something else: %s",
                     what(mending), shown, event_now(mending)->reason);
}

int weir_projection_skip(struct weir_session *session, const struct weir_projection_name *name,
                         const char *entry)
{
    struct mending mending = {.session = session, .name = name, .skips = true};
    int code = ask_for_skip(&mending, entry);
    if (code == WEIR_EXIT_FINE && mending.rebuild && mending.status.paused) {
        weir_remark("the rebuild of %s is paused; it passes over %s when it goes on", name->shown,
                    mending.event.entry);
        return code;
    }
    if (code == WEIR_EXIT_FINE)
        code = await(&mending);
    return code == WEIR_EXIT_FINE ? report_skip(&mending) : code;
}
