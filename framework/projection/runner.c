/* Folds events into a read model, batch by batch. */
#include "projection/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "projection/fold.h"
#include "projection/loads.h"
#include "projection/positions.h"
#include "projection/writing.h"
#include "redis/key_names.h"
#include "redis/refusal.h"
#include "redis/reply.h"

#define BLOCK_MS "5000"
#define SILENCE_LIMIT_MS 10000
#define REPORT_EVERY_MS 1000
#define PAUSE_BASE_MS 50
#define PAUSE_CAP_MS 2000
#define TROUBLE_FAILURES 4 /* in a row, from which on it is said to wait */
#define BEWARE_EVENTS 1000 /* are taken one at a time after several deaths */
#define HELD_MS 50         /* the live model stands still for a moment only */

static void read_events(struct weir_runner *runner);
static void locate(struct weir_runner *runner);
static void fold_and_write(struct weir_runner *runner);
static void write_batch(struct weir_runner *runner);

static struct weir_log *log_of(const struct weir_runner *runner)
{
    return runner->projection->runtime->log;
}

/* ---- States ------------------------------------------------------------------------------ */

#define TO(state) (1u << WEIR_RUNNER_##state)
#define ALWAYS (TO(CLOSED) | TO(IDLE) | TO(PAUSED) | TO(STOPPED))
static const unsigned moves[] = {
    [WEIR_RUNNER_CLOSED] = ALWAYS | TO(LOCATING),
    [WEIR_RUNNER_IDLE] = ALWAYS | TO(LOCATING),
    [WEIR_RUNNER_LOCATING] = ALWAYS | TO(READING),
    [WEIR_RUNNER_READING] = ALWAYS | TO(READING) | TO(LOADING),
    [WEIR_RUNNER_LOADING] = ALWAYS | TO(WRITING),
    [WEIR_RUNNER_WRITING] = ALWAYS | TO(READING) | TO(LOCATING) | TO(LOADING),
    [WEIR_RUNNER_PAUSED] = ALWAYS | TO(LOCATING),
    [WEIR_RUNNER_STOPPED] = ALWAYS | TO(LOCATING),
};

static void move(struct weir_runner *runner, enum weir_runner_state next)
{
    if (!(moves[runner->state] & 1u << next))
        weir_log_error(log_of(runner), "projection.unlisted_move", "projection=%s from=%d to=%d",
                       runner->projection->name, (int)runner->state, (int)next);
    runner->state = next;
}

static void drop_batch(struct weir_runner *runner)
{
    weir_batch_cut(&runner->batch, 0);
    weir_snapshot_clear(&runner->snapshot);
    weir_context_close(&runner->context);
}

static void pause_for(struct weir_runner *runner, int64_t pause_ms)
{
    struct ev_loop *loop = runner->projection->runtime->loop;
    drop_batch(runner);
    move(runner, WEIR_RUNNER_PAUSED);
    ev_timer_stop(loop, &runner->pause);
    ev_timer_set(&runner->pause, (double)pause_ms / 1000., 0.);
    ev_timer_start(loop, &runner->pause);
}

/* Begins again from the checkpoint after a while: something is not as it should be now. */
static void pause_then_locate(struct weir_runner *runner, const char *why)
{
    if (runner->failures++ == 0)
        weir_log_warning(log_of(runner), "projection.paused", "projection=%s reason=%s",
                         runner->projection->name, why);
    snprintf(runner->trouble, sizeof runner->trouble, "%s", why);
    if (runner->failures == TROUBLE_FAILURES) {
        runner->proven = false;
        runner->changed(runner->user);
    }
    pause_for(runner,
              weir_backoff_ms(PAUSE_BASE_MS, PAUSE_CAP_MS, runner->failures, &runner->random));
}

/* Goes no further: whoever has set it going decides when it is tried again. The process and its
 * handlers go on. */
static void stop(struct weir_runner *runner)
{
    bool said = strcmp(runner->said, runner->stop.reason) == 0;
    weir_log_write(log_of(runner), said ? WEIR_LOG_DEBUG : WEIR_LOG_ERROR,
                   runner->stop.too_new ? "projection.parked" : "projection.stopped",
                   "projection=%s rebuild=%s stream=%s entry=%s reason=%s",
                   runner->projection->name, runner->rebuild[0] ? runner->rebuild : NULL,
                   runner->stop.entry[0] ? runner->stop.stream : NULL,
                   runner->stop.entry[0] ? runner->stop.entry : NULL, runner->stop.reason);
    snprintf(runner->said, sizeof runner->said, "%s", runner->stop.reason);
    drop_batch(runner);
    runner->proven = false;
    runner->stops++;
    move(runner, WEIR_RUNNER_STOPPED);
    runner->changed(runner->user);
}

static void stop_with(struct weir_runner *runner, const char *why)
{
    memset(&runner->stop, 0, sizeof runner->stop);
    snprintf(runner->stop.reason, sizeof runner->stop.reason, "%s", why);
    stop(runner);
}

/* The server refuses what the batch needs. One event at a time shows which of them it is. */
static void refused(struct weir_runner *runner, const char *why)
{
    if (runner->batch.count > 1) {
        runner->careful = runner->batch.count;
        drop_batch(runner);
        move(runner, WEIR_RUNNER_IDLE);
        locate(runner);
        return;
    }
    memset(&runner->stop, 0, sizeof runner->stop);
    if (runner->batch.count == 1)
        weir_fold_stop(runner, &runner->batch.events[0], false, why);
    stop(runner);
}

static void prove(struct weir_runner *runner)
{
    runner->failures = 0;
    if (runner->announces && runner->careful > 0)
        return; /* what kills may lie just ahead */
    runner->announces = false;
    if (runner->proven)
        return;
    runner->proven = true;
    runner->said[0] = runner->trouble[0] = '\0';
    memset(&runner->stop, 0, sizeof runner->stop);
    runner->changed(runner->user);
}

static void rest(struct weir_runner *runner)
{
    drop_batch(runner);
    move(runner, WEIR_RUNNER_IDLE);
}

static void on_pause(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    locate(timer->data);
}

/* ---- Positions --------------------------------------------------------------------------- */

static void on_bounds(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_runner *runner = user;
    size_t count = runner->projection->sources.count;
    if (answer != WEIR_ANSWER_DONE || !weir_reply_array(reply, count))
        return; /* the answer behind it fails in the same way */
    for (size_t i = 0; i < count; i++)
        weir_position_copy(runner->positions[i].bound, reply->element[i]);
}

static void on_lives(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_runner *runner = user;
    int64_t there = 0;
    if (answer == WEIR_ANSWER_DONE && weir_reply_integer(reply, &there) && there > 0)
        runner->context.lives_used = true;
}

static void on_located(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_runner *runner = user;
    size_t count = runner->projection->sources.count;
    if (answer == WEIR_ANSWER_UNKNOWN || runner->state != WEIR_RUNNER_LOCATING)
        return;
    if (answer == WEIR_ANSWER_REFUSED || !weir_reply_array(reply, count)) {
        pause_then_locate(runner, answer == WEIR_ANSWER_REFUSED ? reply->str : "no positions");
        return;
    }
    WEIR_CRASH_POINT(PROJECT_LOCATED);
    weir_kinds_close(&runner->kinds); /* the server may have forgotten them */
    for (size_t i = 0; i < count; i++) {
        weir_position_copy(runner->positions[i].at, reply->element[i]);
        runner->positions[i].reported[0] = '\0';
    }
    weir_positions_report(runner);
    if (runner->beginning != NULL && weir_positions_new(runner))
        runner->beginning(runner->user);
    read_events(runner);
}

static void locate(struct weir_runner *runner)
{
    ev_timer_stop(runner->projection->runtime->loop, &runner->pause);
    if (!runner->active) {
        rest(runner);
        return;
    }
    move(runner, WEIR_RUNNER_LOCATING);
    runner->moved = false;
    if (!runner->following)
        (void)!weir_link_send(&runner->link, 2,
                              (const char *[]){"EXISTS", runner->projection->keys.lives}, NULL,
                              on_lives, runner);
    if ((!runner->following &&
         weir_positions_ask(runner, runner->projection->keys.live, on_bounds) != WEIR_OK) ||
        weir_positions_ask(runner, runner->checkpoint, on_located) != WEIR_OK)
        pause_then_locate(runner, "no connection");
}

/* ---- Reading ----------------------------------------------------------------------------- */

static void on_announced(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_runner *runner = user;
    (void)reply;
    if (answer != WEIR_ANSWER_UNKNOWN && runner->state == WEIR_RUNNER_LOADING)
        fold_and_write(runner);
}

/* Says which event is tried, for those who come after a death. */
static void announce(struct weir_runner *runner)
{
    const weir_message *message = runner->batch.events[0].message;
    char event[WEIR_KEY_MAX + WEIR_ENTRY_ID_MAX + 1];
    snprintf(event, sizeof event, "%s %s", message->stream, message->entry);
    if (weir_link_send(&runner->link, 4,
                       (const char *[]){"HSET", runner->projection->keys.status,
                                        runner->following ? "trying" : "tryingAnew", event},
                       NULL, on_announced, runner) != WEIR_OK)
        pause_then_locate(runner, "no connection");
}

static void on_loaded(struct weir_runner *runner)
{
    if (runner->state != WEIR_RUNNER_LOADING)
        return;
    WEIR_CRASH_POINT(PROJECT_LOADED);
    if (runner->announces && runner->load_error.status == WEIR_OK)
        announce(runner);
    else
        fold_and_write(runner);
}

static void load(struct weir_runner *runner)
{
    move(runner, WEIR_RUNNER_LOADING);
    if (!weir_fold_prepare(runner) || !weir_loads_send(runner, on_loaded))
        pause_then_locate(runner, "no memory");
}

static void take_in(struct weir_runner *runner)
{
    if (runner->careful > 0) {
        runner->careful--;
        weir_batch_cut(&runner->batch, 1);
        runner->batch.full = true;
    }
    load(runner);
}

/* As many of each source as make a batch together. */
static size_t count_of_each(const struct weir_runner *runner)
{
    size_t batch = (size_t)runner->projection->runtime->settings->projection_batch;
    size_t each = batch / runner->projection->sources.count;
    return each > 0 ? each : 1;
}

/* Nothing more is to be read for now. */
static void end_reached(struct weir_runner *runner)
{
    runner->careful = 0;
    prove(runner);
    weir_positions_report(runner);
    if (runner->following) {
        read_events(runner);
        return;
    }
    runner->active = false;
    rest(runner);
    runner->at_end(runner->user);
}

/* Each source has given fewer events than it was asked for, but the live model stands further on in
 * one of them: what it has read there is gone. */
static void pass_gap(struct weir_runner *runner)
{
    if (!runner->incomplete) {
        runner->active = false;
        rest(runner);
        runner->gap(runner->user);
        return;
    }
    for (size_t i = 0; i < runner->projection->sources.count; i++) {
        struct weir_position *position = &runner->positions[i];
        bool gap = weir_position_behind(position->at, position->bound);
        memcpy(position->next, gap ? position->bound : position->at, WEIR_ENTRY_ID_MAX);
    }
    weir_context_begin(&runner->context);
    move(runner, WEIR_RUNNER_LOADING);
    write_batch(runner);
}

static void nothing_more(struct weir_runner *runner)
{
    runner->batch.full = false;
    if (!runner->following && weir_positions_gap(runner))
        pass_gap(runner);
    else
        end_reached(runner);
}

static void on_read(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_runner *runner = user;
    if (answer == WEIR_ANSWER_UNKNOWN)
        return;
    if (runner->dropped_reads > 0) {
        runner->dropped_reads--;
        return;
    }
    if (runner->state != WEIR_RUNNER_READING)
        return;
    WEIR_CRASH_POINT(PROJECT_READ);
    if (answer == WEIR_ANSWER_REFUSED)
        pause_then_locate(runner, reply->str);
    else if (!weir_reply_array(reply, 1))
        nothing_more(runner);
    else if (!weir_batch_take(&runner->batch, &runner->projection->sources, reply,
                              count_of_each(runner), runner->bounded ? runner->positions : NULL))
        pause_then_locate(runner, "no memory for the events");
    else if (runner->batch.count == 0)
        nothing_more(runner); /* all lie behind its bounds */
    else
        take_in(runner);
}

static void read_events(struct weir_runner *runner)
{
    const struct weir_sources *sources = &runner->projection->sources;
    const char *arguments[8 + 2 * WEIR_PROJECTION_SOURCES_MAX];
    char number[24];
    int count = 0;
    if (!runner->active) {
        rest(runner);
        return;
    }
    move(runner, WEIR_RUNNER_READING);
    snprintf(number, sizeof number, "%zu", count_of_each(runner));
    arguments[count++] = "XREAD";
    arguments[count++] = "COUNT";
    arguments[count++] = number;
    if (runner->following && runner->proven) { /* at first it only looks */
        arguments[count++] = "BLOCK";
        arguments[count++] = BLOCK_MS;
    }
    arguments[count++] = "STREAMS";
    for (size_t i = 0; i < sources->count; i++)
        arguments[count++] = sources->at[i].stream;
    for (size_t i = 0; i < sources->count; i++)
        arguments[count++] = runner->positions[i].at[0] ? runner->positions[i].at : "0-0";
    if (weir_link_send(&runner->link, count, arguments, NULL, on_read, runner) != WEIR_OK)
        pause_then_locate(runner, "no connection");
}

/* ---- Writing ----------------------------------------------------------------------------- */

/* What comes behind a batch: the next, or the end that this one has reached. */
static void go_on(struct weir_runner *runner)
{
    if (weir_clock_monotonic_ms() - runner->reported_at > REPORT_EVERY_MS)
        weir_positions_report(runner);
    if (!runner->active)
        rest(runner);
    else if (!runner->following && !runner->batch.full)
        nothing_more(runner);
    else if (runner->bounded)
        locate(runner);
    else
        read_events(runner);
}

static void take_position(struct weir_runner *runner, size_t source)
{
    const struct weir_runtime *runtime = runner->projection->runtime;
    struct weir_position *position = &runner->positions[source];
    if (strcmp(position->at, position->next) != 0)
        runtime->committed(runtime->worker, runner->projection->sources.at[source].stream,
                           position->next, NULL);
    memcpy(position->at, position->next, WEIR_ENTRY_ID_MAX);
}

static void batch_written(struct weir_runner *runner)
{
    runner->applied += runner->batch.count;
    weir_kinds_told(&runner->kinds);
    for (size_t i = 0; i < runner->projection->sources.count; i++)
        take_position(runner, i);
    drop_batch(runner);
    prove(runner);
    if (runner->link.state != WEIR_LINK_READY)
        move(runner, WEIR_RUNNER_CLOSED);
    else if (runner->moved)
        locate(runner);
    else
        go_on(runner);
}

/* The rebuild is paused or over; the live model waits until it is allowed to go on. */
static void held(struct weir_runner *runner)
{
    if (runner->following) {
        pause_for(runner, HELD_MS);
        return;
    }
    runner->active = false;
    rest(runner);
    runner->held(runner->user);
}

static void on_committed(void *user, enum weir_commit_outcome outcome, const char *detail)
{
    struct weir_runner *runner = user;
    const struct weir_runtime *runtime = runner->projection->runtime;
    WEIR_CRASH_POINT(PROJECT_WRITTEN);
    if (outcome != WEIR_COMMIT_DONE)
        weir_kinds_drop_fresh(&runner->kinds);
    switch (outcome) {
    case WEIR_COMMIT_DONE:
        batch_written(runner);
        break;
    case WEIR_COMMIT_FENCED:
    case WEIR_COMMIT_CONFLICT: /* another runner was faster: go on behind it */
        pause_then_locate(runner, detail[0] ? detail : "another runner has moved on");
        break;
    case WEIR_COMMIT_HELD:
        held(runner);
        break;
    case WEIR_COMMIT_REFUSED:
    case WEIR_COMMIT_DENIED: /* never said of what does not hear of it */
        refused(runner, detail);
        break;
    }
    if (runner->projection->stopping)
        runtime->idle(runtime->worker);
}

static void write_batch(struct weir_runner *runner)
{
    runner->commit.user = runner;
    runner->commit.answered = on_committed;
    move(runner, WEIR_RUNNER_WRITING);
    switch (weir_writing_submit(runner)) {
    case WEIR_OK:
        break;
    case WEIR_TOO_LARGE:
        stop_with(runner, "its keys are of more than 1000 kinds: an id stands behind a ':'");
        break;
    default:
        pause_then_locate(runner, "the commit could not be sent");
        break;
    }
}

static void fold_and_write(struct weir_runner *runner)
{
    if (runner->load_error.status == WEIR_REFUSED)
        refused(runner, runner->load_error.text);
    else if (runner->load_error.status != WEIR_OK)
        pause_then_locate(runner, runner->load_error.text);
    else if (weir_fold_batch(runner))
        write_batch(runner);
    else if (weir_rare_error_status(&runner->effects.error) == WEIR_NO_MEMORY)
        pause_then_locate(runner, "no memory");
    else
        stop(runner);
}

/* ---- Life -------------------------------------------------------------------------------- */

static void on_ready(void *user)
{
    struct weir_runner *runner = user;
    if (runner->state == WEIR_RUNNER_CLOSED || runner->state == WEIR_RUNNER_PAUSED)
        locate(runner);
}

/* A commit under way goes on by itself: it uses another connection, and may be answered by a master
 * that this one has left. */
static void on_lost(void *user, const struct weir_error *error)
{
    struct weir_runner *runner = user;
    (void)error;
    runner->dropped_reads = 0;
    runner->moved = true;
    if (runner->state == WEIR_RUNNER_WRITING || runner->state == WEIR_RUNNER_STOPPED)
        return;
    ev_timer_stop(runner->projection->runtime->loop, &runner->pause);
    drop_batch(runner);
    move(runner, WEIR_RUNNER_CLOSED);
}

static void connect(struct weir_runner *runner)
{
    const struct weir_runtime *runtime = runner->projection->runtime;
    struct weir_link_settings link = {.loop = runtime->loop,
                                      .endpoint = runtime->endpoint,
                                      .log = runtime->log,
                                      .role = runner->following ? "projection" : "rebuild",
                                      .client_name = runtime->service,
                                      .silence_limit_ms = SILENCE_LIMIT_MS,
                                      .user = runner,
                                      .ready = on_ready,
                                      .lost = on_lost};
    weir_link_init(&runner->link, &link);
    weir_link_open(&runner->link);
}

static void name_keys(struct weir_runner *runner)
{
    const struct weir_projection *projection = runner->projection;
    const struct weir_rebuild_keys *keys = &projection->keys;
    runner->base = runner->following ? "" : keys->base;
    runner->head = runner->following ? keys->live_head : keys->rebuilt_head;
    runner->checkpoint = runner->following ? keys->live : keys->rebuilt;
    snprintf(runner->reader_name, sizeof runner->reader_name, "%s/%s%s",
             projection->runtime->service, projection->name, runner->following ? "" : "~rebuild");
}

void weir_runner_open(struct weir_runner *runner, struct weir_projection *projection,
                      bool following)
{
    runner->projection = projection;
    runner->following = following;
    name_keys(runner);
    runner->context.runtime = projection->runtime;
    runner->context.effects = &runner->effects;
    runner->context.snapshot = &runner->snapshot;
    runner->folding.base = runner->base;
    runner->folding.lives = following ? NULL : projection->keys.lives;
    runner->context.folding = &runner->folding;
    weir_random_init(&runner->random, weir_random_seed());
    ev_timer_init(&runner->pause, on_pause, 0., 0.);
    runner->pause.data = runner;
    connect(runner);
}

void weir_runner_beware(struct weir_runner *runner, const char *fatal)
{
    runner->announces = true;
    runner->careful = BEWARE_EVENTS;
    snprintf(runner->fatal, sizeof runner->fatal, "%s", fatal);
}

void weir_runner_report_again(struct weir_runner *runner)
{
    for (size_t i = 0; i < runner->projection->sources.count; i++)
        runner->positions[i].reported[0] = '\0';
    if (runner->state == WEIR_RUNNER_READING)
        weir_positions_report(runner);
}

void weir_runner_go(struct weir_runner *runner)
{
    bool ready = runner->link.state == WEIR_LINK_READY;
    runner->active = true;
    if (runner->state == WEIR_RUNNER_STOPPED && !ready)
        move(runner, WEIR_RUNNER_CLOSED); /* and goes on when there is a connection */
    else if (ready && (runner->state == WEIR_RUNNER_IDLE || runner->state == WEIR_RUNNER_STOPPED))
        locate(runner);
}

void weir_runner_rest(struct weir_runner *runner)
{
    runner->active = runner->proven = false;
    if (runner->state == WEIR_RUNNER_READING) { /* it may wait for long */
        runner->dropped_reads++;
        rest(runner);
    } else if (runner->state == WEIR_RUNNER_STOPPED) {
        rest(runner);
    }
}

bool weir_runner_resting(const struct weir_runner *runner)
{
    return runner->projection == NULL || runner->state == WEIR_RUNNER_CLOSED ||
           runner->state == WEIR_RUNNER_IDLE || runner->state == WEIR_RUNNER_STOPPED ||
           runner->state == WEIR_RUNNER_PAUSED;
}

bool weir_runner_busy(const struct weir_runner *runner)
{
    return runner->state == WEIR_RUNNER_WRITING;
}

void weir_runner_close(struct weir_runner *runner)
{
    if (runner->projection == NULL)
        return;
    ev_timer_stop(runner->projection->runtime->loop, &runner->pause);
    weir_link_close(&runner->link);
    drop_batch(runner);
    weir_batch_close(&runner->batch);
    weir_effects_close(&runner->effects);
    weir_snapshot_close(&runner->snapshot);
    weir_kinds_close(&runner->kinds);
    free(runner->loads);
}
