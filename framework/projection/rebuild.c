/* The building anew of a read model beside the live one. */
#include "projection/rebuild.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "projection/projection.h"
#include "redis/reply.h"

#define STEP_KEYS "200" /* seen to in one piece */
#define HOLD_MS "1000"  /* for how long the live model waits for the rebuild to draw level */
#define AGAIN_MS 10     /* before it is asked again whether they are level */
#define TROUBLE_MS 1000 /* after an error */
#define RETRY_MS 5000   /* before an event that stops it is tried again */

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

/* Tells the sources that a rebuild reads them from the first event on, or that it does no more. */
static void tell_sources(struct weir_rebuild *rebuild, bool reads)
{
    const struct weir_sources *sources = &rebuild->projection->sources;
    char key[WEIR_KEY_MAX];
    for (size_t i = 0; i < sources->count; i++) {
        weir_key_readers(key, rebuild->projection->runtime->prefix, sources->at[i].service);
        (void)!send(
            rebuild, reads ? 4 : 3,
            (const char *[]){reads ? "HSETNX" : "HDEL", key, rebuild->runner.reader_name, "0-0"},
            ignore_answer);
    }
    rebuild->cleared = !reads;
}

static void note(struct weir_rebuild *rebuild, const char *field, const char *value)
{
    (void)!send(rebuild, 7,
                (const char *[]){"FCALL", "weir_rebuild_note", "1",
                                 rebuild->projection->turn.status_key, rebuild->runner.rebuild,
                                 field, value},
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

static void fail_for_missing(struct weir_rebuild *rebuild)
{
    char why[WEIR_KEY_MAX + 200];
    snprintf(why, sizeof why,
             "%lld events of %s are gone (trimmed, or deleted by hand): a model built from the "
             "others would lack what they did",
             (long long)rebuild->history.missing, rebuild->history.missing_in);
    weir_log_error(rebuild->projection->runtime->log, "projection.rebuild_failed",
                   "projection=%s rebuild=%s reason=%s", rebuild->projection->name,
                   rebuild->runner.rebuild, why);
    (void)!send(rebuild, 11,
                (const char *[]){"FCALL", "weir_rebuild_note", "1",
                                 rebuild->projection->turn.status_key, rebuild->runner.rebuild,
                                 "phase", "dropping", "outcome", "failed", "why", why},
                ignore_answer);
    step(rebuild);
}

static void on_history(void *user)
{
    struct weir_rebuild *rebuild = user;
    char total[24];
    if (rebuild->state != WEIR_REBUILD_CHECKING)
        return;
    if (rebuild->history.missing > 0 && !rebuild->projection->turn.wishes.incomplete) {
        fail_for_missing(rebuild);
        return;
    }
    snprintf(total, sizeof total, "%lld", (long long)rebuild->history.total);
    note(rebuild, "total", total);
    rebuild->state = WEIR_REBUILD_BUILDING;
    weir_runner_go(&rebuild->runner);
}

/* The sources have been told before, so that nothing is trimmed behind this look. */
static void check_events(struct weir_rebuild *rebuild)
{
    if (weir_history_look(&rebuild->history, rebuild->projection) == WEIR_OK)
        rebuild->state = WEIR_REBUILD_CHECKING;
}

/* ---- What follows the folding ------------------------------------------------------------ */

static void finish(struct weir_rebuild *rebuild)
{
    weir_log_info(rebuild->projection->runtime->log, "projection.rebuild_ended",
                  "projection=%s rebuild=%s task=%s", rebuild->projection->name,
                  rebuild->runner.rebuild, rebuild->task);
    rebuild->state = WEIR_REBUILD_OFF;
    rebuild->runner.rebuild[0] = '\0';
    weir_runner_rest(&rebuild->runner);
    tell_sources(rebuild, false);
}

static void on_step(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_rebuild *rebuild = user;
    struct weir_slice phase = {"", 0};
    if (rebuild->state != WEIR_REBUILD_STEPPING)
        return;
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
    const char *prefix = projection->runtime->prefix, *service = projection->runtime->service;
    char done[WEIR_KEY_MAX], differences[WEIR_KEY_MAX];
    const char *arguments[16 + WEIR_PROJECTION_SOURCES_MAX] = {
        "FCALL",
        "weir_rebuild_step",
        "7",
        projection->turn.status_key,
        projection->live.checkpoint,
        rebuild->runner.checkpoint,
        rebuild->runner.written,
        weir_key_rebuild(done, prefix, service, "done", projection->name),
        weir_key_rebuild(differences, prefix, service, "differences", projection->name),
        projection->turn.kinds_key,
        rebuild->runner.rebuild,
        projection->name,
        projection->live.head,
        rebuild->runner.head,
        STEP_KEYS,
        HOLD_MS};
    int count = 16;
    for (size_t i = 0; i < projection->sources.count; i++)
        arguments[count++] = projection->sources.at[i].stream;
    rebuild->state = WEIR_REBUILD_STEPPING;
    if (send(rebuild, count, arguments, on_step) != WEIR_OK)
        rebuild->state = WEIR_REBUILD_BUILDING;
}

/* ---- The runner -------------------------------------------------------------------------- */

static void on_changed(void *user)
{
    struct weir_rebuild *rebuild = user;
    const struct weir_stop *stop = &rebuild->runner.stop;
    char event[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX + 400] = "";
    if (rebuild->runner.state == WEIR_RUNNER_STOPPED) {
        rebuild->retry_at = weir_clock_monotonic_ms() + RETRY_MS;
        snprintf(event, sizeof event, "%s %s %s", stop->stream, stop->entry, stop->reason);
    }
    note(rebuild, "event", event);
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
    const struct weir_turn *turn = &rebuild->projection->turn;
    (void)loop;
    (void)events;
    if (rebuild->state == WEIR_REBUILD_BUILDING && turn->mine)
        weir_rebuild_follow(rebuild, &turn->wishes, true);
}

/* ---- Life -------------------------------------------------------------------------------- */

static void end_here(struct weir_rebuild *rebuild, bool over)
{
    if (rebuild->state != WEIR_REBUILD_OFF) {
        rebuild->state = WEIR_REBUILD_OFF;
        rebuild->runner.rebuild[0] = '\0';
        weir_runner_rest(&rebuild->runner);
    }
    if (over && !rebuild->cleared)
        tell_sources(rebuild, false);
}

static void begin_here(struct weir_rebuild *rebuild, const struct weir_wishes *wishes)
{
    if (rebuild->runner.projection == NULL)
        weir_runner_open(&rebuild->runner, rebuild->projection, false);
    weir_runner_rest(&rebuild->runner);
    snprintf(rebuild->runner.rebuild, sizeof rebuild->runner.rebuild, "%s", wishes->rebuild);
    snprintf(rebuild->task, sizeof rebuild->task, "%s", wishes->task);
    rebuild->runner.bounded = strcmp(wishes->task, "verify") == 0;
    rebuild->state = WEIR_REBUILD_OFF;
    weir_log_info(rebuild->projection->runtime->log, "projection.rebuild_begun",
                  "projection=%s rebuild=%s task=%s phase=%s", rebuild->projection->name,
                  wishes->rebuild, wishes->task, wishes->phase);
    tell_sources(rebuild, true);
}

void weir_rebuild_follow(struct weir_rebuild *rebuild, const struct weir_wishes *wishes, bool mine)
{
    if (!mine || wishes->phase[0] == '\0') {
        end_here(rebuild, wishes->phase[0] == '\0');
        return;
    }
    if (strcmp(rebuild->runner.rebuild, wishes->rebuild) != 0) {
        if (weir_runner_busy(&rebuild->runner))
            return; /* of one before it: first its answer */
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
