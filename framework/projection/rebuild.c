/* The building anew of a read model beside the live one. */
#include "projection/rebuild.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "projection/projection.h"
#include "redis/reply.h"

#define AGAIN_MS 10         /* before it is asked again whether they are level */
#define TROUBLE_MS 1000     /* after an error */
#define RETRY_MS 5000       /* before an event that stops it is tried again */
#define TELL_EVERY_MS 20000 /* to the sources, how it is */

static void step(struct weir_rebuild *rebuild);

static void ignore_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    (void)user;
    (void)answer;
    (void)reply;
}

static enum weir_status send(struct weir_rebuild *rebuild, int count, const char **arguments,
                             weir_link_answered *answered)
{
    return weir_link_send(rebuild->projection->runtime->link, count, arguments, NULL, answered,
                          rebuild);
}

/* Tells the sources that a rebuild reads them, from the first event on (HSET), from wherever it is
 * (HSETNX), or that none does (HDEL). Now and then again: a process that was held up may have said
 * otherwise since. */
static void tell_sources(struct weir_rebuild *rebuild, const char *command)
{
    const struct weir_sources *sources = &rebuild->projection->sources;
    char key[WEIR_KEY_MAX], reader[200];
    rebuild->told_at = weir_clock_monotonic_ms();
    rebuild->told = true;
    snprintf(reader, sizeof reader, "%s/%s~rebuild", rebuild->projection->runtime->service,
             rebuild->projection->name);
    for (size_t i = 0; i < sources->count; i++) {
        weir_key_readers(key, rebuild->projection->runtime->prefix, sources->at[i].service);
        (void)!send(rebuild, strcmp(command, "HDEL") == 0 ? 3 : 4,
                    (const char *[]){command, key, reader, "0-0"}, ignore_answer);
    }
}

static void tell_again(struct weir_rebuild *rebuild, bool reads)
{
    if (!rebuild->told || weir_clock_monotonic_ms() - rebuild->told_at > TELL_EVERY_MS)
        tell_sources(rebuild, reads ? "HSETNX" : "HDEL");
}

static void note(struct weir_rebuild *rebuild, const char *field, const char *value)
{
    (void)!send(rebuild, 7,
                (const char *[]){"FCALL", "weir_rebuild_note", "1",
                                 rebuild->projection->keys.status, rebuild->id, field, value},
                ignore_answer);
}

static void go_on_in(struct weir_rebuild *rebuild, int64_t pause_ms)
{
    struct ev_loop *loop = rebuild->projection->runtime->loop;
    ev_timer_stop(loop, &rebuild->again);
    ev_timer_set(&rebuild->again, (double)pause_ms / 1000., 0.);
    ev_timer_start(loop, &rebuild->again);
}

/* ---- Whether the events are all there ---------------------------------------------------- */

static void fail(struct weir_rebuild *rebuild, const char *why)
{
    weir_log_error(rebuild->projection->runtime->log, "projection.rebuild_failed",
                   "projection=%s rebuild=%s reason=%s", rebuild->projection->name, rebuild->id,
                   why);
    (void)!send(rebuild, 11,
                (const char *[]){"FCALL", "weir_rebuild_note", "1",
                                 rebuild->projection->keys.status, rebuild->id, "phase", "dropping",
                                 "outcome", "failed", "why", why},
                ignore_answer);
    step(rebuild);
}

static void on_history(void *user)
{
    struct weir_rebuild *rebuild = user;
    char text[WEIR_KEY_MAX + 200];
    if (rebuild->state != WEIR_REBUILD_CHECKING)
        return;
    WEIR_CRASH_POINT(REBUILD_CHECKED);
    if (rebuild->history.missing > 0 && !rebuild->runner.incomplete) {
        snprintf(text, sizeof text,
                 "%lld events of %s are gone (trimmed, or deleted by hand): a model built from the "
                 "others would lack what they did",
                 (long long)rebuild->history.missing, rebuild->history.missing_in);
        fail(rebuild, text);
        return;
    }
    snprintf(text, sizeof text, "%lld", (long long)rebuild->history.total);
    note(rebuild, "total", text);
    rebuild->state = WEIR_REBUILD_BUILDING;
    weir_runner_go(&rebuild->runner);
}

/* The sources have been told before, so that nothing is trimmed behind this look. */
static void check_events(struct weir_rebuild *rebuild)
{
    if (weir_history_look(&rebuild->history, rebuild->projection) == WEIR_OK)
        rebuild->state = WEIR_REBUILD_CHECKING;
}

static void on_gap(void *user)
{
    struct weir_rebuild *rebuild = user;
    if (rebuild->state == WEIR_REBUILD_BUILDING)
        fail(rebuild, "events that the live model has read are gone (trimmed, or deleted by hand)");
}

/* ---- What follows the folding ------------------------------------------------------------ */

/* What has ended is over for this process; the next turn tells the rest. */
static void finish(struct weir_rebuild *rebuild)
{
    weir_log_info(rebuild->projection->runtime->log, "projection.rebuild_ended",
                  "projection=%s rebuild=%s task=%s", rebuild->projection->name, rebuild->id,
                  rebuild->task);
    rebuild->state = WEIR_REBUILD_OFF;
    WEIR_CRASH_POINT(REBUILD_ENDED);
    weir_runner_rest(&rebuild->runner);
    weir_turn_report(&rebuild->projection->turn);
}

static void on_step(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_rebuild *rebuild = user;
    struct weir_slice phase = {"", 0};
    if (rebuild->state != WEIR_REBUILD_STEPPING)
        return;
    WEIR_CRASH_POINT(REBUILD_STEPPED);
    rebuild->state = WEIR_REBUILD_BUILDING;
    if (answer == WEIR_ANSWER_UNKNOWN || !rebuild->projection->turn.mine)
        return; /* whoever has the turn next goes on */
    if (answer == WEIR_ANSWER_REFUSED) {
        weir_log_warning(rebuild->projection->runtime->log, "projection.rebuild_refused",
                         "projection=%s reason=%s", rebuild->projection->name, reply->str);
        go_on_in(rebuild, TROUBLE_MS);
        return;
    }
    (void)weir_reply_text(weir_reply_at(reply, 0), &phase);
    if (phase.length == 0)
        finish(rebuild);
    else if (weir_slice_equals(phase, "building"))
        go_on_in(rebuild, AGAIN_MS);
    else
        step(rebuild);
}

static void step(struct weir_rebuild *rebuild)
{
    const struct weir_projection *projection = rebuild->projection;
    const char *arguments[WEIR_REBUILD_STEP_WORDS + WEIR_PROJECTION_SOURCES_MAX];
    size_t count =
        weir_rebuild_keys_lay_step(&projection->keys, rebuild->id, projection->name, arguments);
    for (size_t i = 0; i < projection->sources.count; i++)
        arguments[count++] = projection->sources.at[i].stream;
    rebuild->state = WEIR_REBUILD_STEPPING;
    WEIR_CRASH_POINT(REBUILD_STEPPING);
    if (send(rebuild, (int)count, arguments, on_step) != WEIR_OK)
        rebuild->state = WEIR_REBUILD_BUILDING;
}

/* ---- The runner -------------------------------------------------------------------------- */

/* An event that the live model was made to pass over stops the rebuild as well, unless the handlers
 * have learnt to fold it. */
static void on_skipped_before(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_rebuild *rebuild = user;
    struct weir_runner *runner = &rebuild->runner;
    int64_t known = 0;
    if (answer != WEIR_ANSWER_DONE || !weir_reply_integer(reply, &known) || known == 0 ||
        runner->state != WEIR_RUNNER_STOPPED || rebuild->state != WEIR_REBUILD_BUILDING)
        return;
    snprintf(runner->skipped_before, sizeof runner->skipped_before, "%s %s", runner->stop.stream,
             runner->stop.entry);
    weir_runner_go(runner);
}

static void ask_whether_skipped(struct weir_rebuild *rebuild)
{
    const struct weir_projection *projection = rebuild->projection;
    const struct weir_stop *stop = &rebuild->runner.stop;
    char key[WEIR_KEY_MAX], event[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX + 1];
    snprintf(event, sizeof event, "%s %s", stop->stream, stop->entry);
    if (strcmp(event, rebuild->runner.skipped_before) == 0)
        return;
    weir_key_skipped(key, projection->runtime->prefix, projection->runtime->service,
                     projection->name);
    (void)!send(rebuild, 3, (const char *[]){"SISMEMBER", key, event}, on_skipped_before);
}

static void on_changed(void *user)
{
    struct weir_rebuild *rebuild = user;
    const struct weir_stop *stop = &rebuild->runner.stop;
    char event[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX + 400] = "";
    if (rebuild->runner.state == WEIR_RUNNER_STOPPED) {
        rebuild->retry_at = weir_clock_monotonic_ms() + RETRY_MS;
        snprintf(event, sizeof event, "%s %s %s", stop->stream, stop->entry, stop->reason);
        ask_whether_skipped(rebuild);
    }
    note(rebuild, "event", event);
    if (event[0] == '\0' && rebuild->runner.skip[0] != '\0')
        note(rebuild, "skip", ""); /* it has been carried out */
}

static void on_at_end(void *user)
{
    struct weir_rebuild *rebuild = user;
    if (rebuild->state == WEIR_REBUILD_BUILDING)
        step(rebuild);
}

static void on_held(void *user)
{
    (void)user; /* the next turn says why */
}

static bool to_be_retried(struct weir_rebuild *rebuild, const struct weir_wishes *wishes)
{
    bool asked = strcmp(rebuild->retry, wishes->retry) != 0 ||
                 strcmp(rebuild->runner.skip, wishes->skip) != 0;
    snprintf(rebuild->retry, sizeof rebuild->retry, "%s", wishes->retry);
    snprintf(rebuild->runner.skip, sizeof rebuild->runner.skip, "%s", wishes->skip);
    return asked || weir_clock_monotonic_ms() >= rebuild->retry_at;
}

static void build(struct weir_rebuild *rebuild, const struct weir_wishes *wishes)
{
    struct weir_runner *runner = &rebuild->runner;
    bool retry = to_be_retried(rebuild, wishes);
    runner->incomplete = wishes->incomplete;
    if (wishes->paused) {
        weir_runner_rest(runner);
    } else if (rebuild->state == WEIR_REBUILD_OFF && wishes->counted) {
        rebuild->state = WEIR_REBUILD_BUILDING;
        weir_runner_go(runner);
    } else if (rebuild->state == WEIR_REBUILD_OFF ||
               (rebuild->state == WEIR_REBUILD_CHECKING && !rebuild->history.under_way)) {
        check_events(rebuild);
    } else if (rebuild->state == WEIR_REBUILD_BUILDING && !ev_is_active(&rebuild->again) &&
               (!runner->active || (runner->state == WEIR_RUNNER_STOPPED && retry))) {
        weir_runner_go(runner);
    }
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_rebuild *rebuild = timer->data;
    struct weir_turn *turn = &rebuild->projection->turn;
    (void)loop;
    (void)events;
    if (rebuild->state != WEIR_REBUILD_BUILDING || !turn->mine)
        return;
    if (strcmp(turn->wishes.phase, "building") == 0)
        weir_rebuild_follow(rebuild, &turn->wishes, true);
    else
        weir_periodic_hasten(&turn->periodic, 0); /* what is wished is known from before the step */
}

/* ---- Life -------------------------------------------------------------------------------- */

static void end_here(struct weir_rebuild *rebuild)
{
    rebuild->state = WEIR_REBUILD_OFF;
    rebuild->id[0] = '\0';
    rebuild->told = false;
    ev_timer_stop(rebuild->projection->runtime->loop, &rebuild->again);
    weir_runner_rest(&rebuild->runner);
}

static void begin_here(struct weir_rebuild *rebuild, const struct weir_wishes *wishes)
{
    struct weir_runner *runner = &rebuild->runner;
    if (runner->projection == NULL)
        weir_runner_open(runner, rebuild->projection, false);
    snprintf(rebuild->id, sizeof rebuild->id, "%s", wishes->rebuild);
    snprintf(rebuild->task, sizeof rebuild->task, "%s", wishes->task);
    snprintf(runner->rebuild, sizeof runner->rebuild, "%s", wishes->rebuild);
    runner->bounded = strcmp(wishes->task, "verify") == 0;
    runner->skipped_before[0] = '\0';
    rebuild->state = WEIR_REBUILD_OFF;
    weir_log_info(rebuild->projection->runtime->log, "projection.rebuild_begun",
                  "projection=%s rebuild=%s task=%s phase=%s", rebuild->projection->name,
                  wishes->rebuild, wishes->task, wishes->phase);
    WEIR_CRASH_POINT(REBUILD_BEGUN);
    tell_sources(rebuild, wishes->counted ? "HSETNX" : "HSET");
}

void weir_rebuild_follow(struct weir_rebuild *rebuild, const struct weir_wishes *wishes, bool mine)
{
    bool under_way = wishes->phase[0] != '\0';
    if (rebuild->id[0] != '\0' &&
        (!mine || !under_way || strcmp(rebuild->id, wishes->rebuild) != 0))
        end_here(rebuild);
    if (!mine)
        return;
    tell_again(rebuild, under_way);
    if (!under_way)
        return;
    if (rebuild->id[0] == '\0') {
        if (!weir_runner_resting(&rebuild->runner))
            return; /* a batch of one before it is in hand: its end first */
        begin_here(rebuild, wishes);
    }
    if (strcmp(wishes->phase, "building") == 0)
        build(rebuild, wishes);
    else if (rebuild->state != WEIR_REBUILD_STEPPING)
        step(rebuild);
}

void weir_rebuild_open(struct weir_rebuild *rebuild, struct weir_projection *projection)
{
    rebuild->projection = projection;
    rebuild->runner.user = rebuild->history.user = rebuild;
    rebuild->history.known = on_history;
    rebuild->runner.changed = on_changed;
    rebuild->runner.at_end = on_at_end;
    rebuild->runner.gap = on_gap;
    rebuild->runner.held = on_held;
    ev_timer_init(&rebuild->again, on_again, 0., 0.);
    rebuild->again.data = rebuild;
}

void weir_rebuild_close(struct weir_rebuild *rebuild)
{
    if (rebuild->projection == NULL)
        return;
    ev_timer_stop(rebuild->projection->runtime->loop, &rebuild->again);
    weir_runner_close(&rebuild->runner);
}
