/* Folds events into read models, batch by batch. */
#include "projection/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "projection/fold.h"
#include "projection/life.h"
#include "redis/key_names.h"
#include "redis/refusal.h"
#include "redis/reply.h"

#define BLOCK_MS "5000"
#define SILENCE_LIMIT_MS 10000
#define REPORT_EVERY_MS 1000
#define PAUSE_BASE_MS 50
#define PAUSE_CAP_MS 2000
#define STOPPED_MS 5000

static void read_events(struct weir_runner *runner);
static void locate(struct weir_runner *runner);
static void fold_and_write(struct weir_runner *runner);

/* ---- States ------------------------------------------------------------------------------ */

#define TO(state) (1u << WEIR_RUNNER_##state)
#define ALWAYS (TO(CLOSED) | TO(PAUSED) | TO(STOPPED))
static const unsigned moves[] = {
    [WEIR_RUNNER_CLOSED] = ALWAYS | TO(LOCATING),
    [WEIR_RUNNER_LOCATING] = ALWAYS | TO(READING),
    [WEIR_RUNNER_READING] = ALWAYS | TO(READING) | TO(LOADING),
    [WEIR_RUNNER_LOADING] = ALWAYS | TO(WRITING),
    [WEIR_RUNNER_WRITING] = ALWAYS | TO(READING),
    [WEIR_RUNNER_PAUSED] = ALWAYS | TO(LOCATING),
    [WEIR_RUNNER_STOPPED] = ALWAYS | TO(LOCATING),
};

static void move(struct weir_runner *runner, enum weir_runner_state next)
{
    if (!(moves[runner->state] & 1u << next))
        weir_log_error(runner->runtime->log, "projection.unlisted_move",
                       "projection=%s from=%d to=%d", runner->name, (int)runner->state, (int)next);
    runner->state = next;
}

static void drop_batch(struct weir_runner *runner)
{
    for (size_t i = 0; i < runner->batch_count; i++)
        weir_folded_close(&runner->batch[i]);
    runner->batch_count = 0;
    weir_snapshot_clear(&runner->snapshot);
    weir_context_close(&runner->context);
}

/* Begins again from the checkpoint after a while: something is not as it should be now. */
static void pause_then_locate(struct weir_runner *runner, const char *why)
{
    int64_t pause =
        runner->failures < 6 ? (int64_t)PAUSE_BASE_MS << runner->failures : (int64_t)PAUSE_CAP_MS;
    if (runner->failures++ == 0)
        weir_log_warning(runner->runtime->log, "projection.paused", "projection=%s reason=%s",
                         runner->name, why);
    drop_batch(runner);
    move(runner, WEIR_RUNNER_PAUSED);
    ev_timer_stop(runner->runtime->loop, &runner->pause);
    ev_timer_set(&runner->pause, (double)pause / 1000., 0.);
    ev_timer_start(runner->runtime->loop, &runner->pause);
}

/* Goes no further than this event, which is looked at again from time to time: an operator may
 * have put right what stood in its way. The process and its handlers go on. */
static void stop_with(struct weir_runner *runner, const char *why)
{
    if (strncmp(runner->stopped_by, why, sizeof runner->stopped_by - 1) != 0)
        weir_log_error(runner->runtime->log, "projection.stopped", "projection=%s reason=%s",
                       runner->name, why);
    snprintf(runner->stopped_by, sizeof runner->stopped_by, "%s", why);
    drop_batch(runner);
    move(runner, WEIR_RUNNER_STOPPED);
    ev_timer_stop(runner->runtime->loop, &runner->pause);
    ev_timer_set(&runner->pause, (double)STOPPED_MS / 1000., 0.);
    ev_timer_start(runner->runtime->loop, &runner->pause);
}

static void on_pause(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    locate(timer->data);
}

/* ---- Positions --------------------------------------------------------------------------- */

static void copy_position(char *to, const redisReply *reply)
{
    struct weir_slice id = {"", 0};
    (void)weir_reply_text(reply, &id);
    snprintf(to, 48, "%.*s", (int)id.length, id.at);
}

static void ignore_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    (void)user;
    (void)answer;
    (void)reply;
}

/* Tells each source how far this projection is, so that its events are not trimmed before. */
static void report_positions(struct weir_runner *runner)
{
    char key[WEIR_KEY_MAX];
    runner->reported_at = weir_clock_monotonic_ms();
    for (size_t i = 0; i < runner->source_count; i++) {
        struct weir_projection_source *source = &runner->sources[i];
        const char *position = source->position[0] ? source->position : "0-0";
        if (strcmp(position, source->reported) == 0)
            continue;
        weir_key_readers(key, runner->runtime->prefix, source->service);
        if (weir_link_send(&runner->link, 4,
                           (const char *[]){"HSET", key, runner->reader_name, position}, NULL,
                           ignore_answer, NULL) == WEIR_OK)
            snprintf(source->reported, sizeof source->reported, "%s", position);
    }
}

static void on_located(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_runner *runner = user;
    if (answer == WEIR_ANSWER_UNKNOWN || runner->state != WEIR_RUNNER_LOCATING)
        return;
    if (answer == WEIR_ANSWER_REFUSED || !weir_reply_array(reply, runner->source_count)) {
        pause_then_locate(runner, answer == WEIR_ANSWER_REFUSED ? reply->str : "no positions");
        return;
    }
    for (size_t i = 0; i < runner->source_count; i++) {
        copy_position(runner->sources[i].position, reply->element[i]);
        runner->sources[i].reported[0] = '\0';
    }
    report_positions(runner);
    read_events(runner);
}

static void locate(struct weir_runner *runner)
{
    const char *arguments[2 + WEIR_PROJECTION_SOURCES_MAX] = {"HMGET", runner->checkpoint};
    ev_timer_stop(runner->runtime->loop, &runner->pause);
    if (runner->stopping)
        return;
    move(runner, WEIR_RUNNER_LOCATING);
    for (size_t i = 0; i < runner->source_count; i++)
        arguments[2 + i] = runner->sources[i].stream;
    if (weir_link_send(&runner->link, (int)(2 + runner->source_count), arguments, NULL, on_located,
                       runner) != WEIR_OK)
        pause_then_locate(runner, "no connection");
}

/* ---- Reading ----------------------------------------------------------------------------- */

static size_t source_of(const struct weir_runner *runner, const redisReply *stream)
{
    struct weir_slice key = {"", 0};
    size_t i = 0;
    (void)weir_reply_text(stream, &key);
    while (i < runner->source_count && !weir_slice_equals(key, runner->sources[i].stream))
        i++;
    return i;
}

static bool take_entry(struct weir_runner *runner, size_t source, const redisReply *element)
{
    struct weir_entry entry;
    struct weir_slice *parts;
    char id[48];
    weir_message *message = NULL;
    if (!weir_reply_entry(element, &entry) || entry.body == NULL)
        return true; /* deleted between: nothing to fold */
    parts = malloc((entry.body->elements + 1) * sizeof *parts);
    snprintf(id, sizeof id, "%.*s", (int)entry.id.length, entry.id.at);
    if (parts != NULL)
        message = weir_message_new(runner->sources[source].stream, id, parts,
                                   weir_reply_parts(entry.body, parts) ? entry.body->elements : 0);
    free(parts);
    if (message == NULL)
        return false;
    runner->batch[runner->batch_count++] =
        (struct weir_folded){.message = message, .source = source};
    return true;
}

static bool take_batch(struct weir_runner *runner, const redisReply *reply)
{
    for (size_t i = 0; i < reply->elements; i++) {
        size_t source = source_of(runner, weir_reply_at(reply->element[i], 0));
        const redisReply *entries = weir_reply_at(reply->element[i], 1);
        if (source == runner->source_count || !weir_reply_array(entries, 0))
            continue;
        for (size_t j = 0; j < entries->elements && j < WEIR_PROJECTION_BATCH; j++)
            if (!take_entry(runner, source, entries->element[j]))
                return false;
    }
    return true;
}

static void on_loaded(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_runner_load *load = user;
    struct weir_runner *runner = load->runner;
    struct weir_loaded *hash;
    if (answer == WEIR_ANSWER_UNKNOWN || runner->state != WEIR_RUNNER_LOADING)
        return;
    hash = &runner->snapshot.hashes[load->hash];
    runner->answers_owed--;
    if (answer == WEIR_ANSWER_REFUSED)
        weir_error_set(&runner->load_error,
                       weir_refusal_of(reply->str) == WEIR_REFUSAL_TYPE ? WEIR_REFUSED
                                                                        : WEIR_UNAVAILABLE,
                       "%s: %s", hash->key, reply->str);
    else if (weir_snapshot_fill(hash, reply) != WEIR_OK)
        weir_error_set(&runner->load_error, WEIR_NO_MEMORY, "no memory");
    if (runner->answers_owed == 0)
        fold_and_write(runner);
}

static bool reserve_loads(struct weir_runner *runner)
{
    struct weir_runner_load *grown;
    if (runner->snapshot.count <= runner->load_capacity)
        return true;
    grown = realloc(runner->loads, runner->snapshot.count * sizeof *grown);
    if (grown == NULL)
        return false;
    runner->loads = grown;
    runner->load_capacity = runner->snapshot.count;
    return true;
}

/* Sends for all hashes that the batch's handlers want. */
static void load_state(struct weir_runner *runner)
{
    move(runner, WEIR_RUNNER_LOADING);
    memset(&runner->load_error, 0, sizeof runner->load_error);
    runner->answers_owed = 0;
    if (!weir_fold_prepare(runner) || !reserve_loads(runner)) {
        pause_then_locate(runner, "no memory");
        return;
    }
    for (size_t i = 0; i < runner->snapshot.count; i++) {
        const char *arguments[] = {"HGETALL", runner->snapshot.hashes[i].key};
        runner->loads[i] = (struct weir_runner_load){runner, i};
        if (weir_link_send(&runner->link, 2, arguments, NULL, on_loaded, &runner->loads[i]) !=
            WEIR_OK)
            weir_error_set(&runner->load_error, WEIR_UNAVAILABLE, "no connection");
        else
            runner->answers_owed++;
    }
    if (runner->answers_owed == 0)
        fold_and_write(runner);
}

static void on_read(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_runner *runner = user;
    if (answer == WEIR_ANSWER_UNKNOWN || runner->state != WEIR_RUNNER_READING)
        return;
    if (answer == WEIR_ANSWER_REFUSED) {
        pause_then_locate(runner, reply->str);
        return;
    }
    if (!weir_reply_array(reply, 1)) {
        report_positions(runner);
        read_events(runner);
    } else if (take_batch(runner, reply) && runner->batch_count > 0) {
        load_state(runner);
    } else {
        pause_then_locate(runner, "no memory for the events");
    }
}

static void read_events(struct weir_runner *runner)
{
    const char *arguments[8 + 2 * WEIR_PROJECTION_SOURCES_MAX];
    char number[16];
    int count = 0;
    if (runner->stopping)
        return;
    move(runner, WEIR_RUNNER_READING);
    snprintf(number, sizeof number, "%d", WEIR_PROJECTION_BATCH);
    arguments[count++] = "XREAD";
    arguments[count++] = "COUNT";
    arguments[count++] = number;
    arguments[count++] = "BLOCK";
    arguments[count++] = BLOCK_MS;
    arguments[count++] = "STREAMS";
    for (size_t i = 0; i < runner->source_count; i++)
        arguments[count++] = runner->sources[i].stream;
    for (size_t i = 0; i < runner->source_count; i++)
        arguments[count++] = runner->sources[i].position[0] ? runner->sources[i].position : "0-0";
    if (weir_link_send(&runner->link, count, arguments, NULL, on_read, runner) != WEIR_OK)
        pause_then_locate(runner, "no connection");
}

/* ---- Writing ----------------------------------------------------------------------------- */

static void batch_written(struct weir_runner *runner)
{
    runner->applied += runner->batch_count;
    runner->failures = 0;
    runner->stopped_by[0] = '\0';
    for (size_t i = 0; i < runner->source_count; i++)
        memcpy(runner->sources[i].position, runner->sources[i].next,
               sizeof runner->sources[i].position);
    drop_batch(runner);
    if (weir_clock_monotonic_ms() - runner->reported_at > REPORT_EVERY_MS)
        report_positions(runner);
    if (runner->state == WEIR_RUNNER_WRITING)
        read_events(runner);
    else if (runner->link.state == WEIR_LINK_READY)
        locate(runner);
}

static void on_committed(void *user, enum weir_commit_outcome outcome, const char *detail)
{
    struct weir_runner *runner = user;
    char why[600];
    switch (outcome) {
    case WEIR_COMMIT_DONE:
        batch_written(runner);
        break;
    case WEIR_COMMIT_FENCED:
    case WEIR_COMMIT_CONFLICT: /* another runner was faster: go on behind it */
        pause_then_locate(runner, detail[0] ? detail : "another runner has moved on");
        break;
    case WEIR_COMMIT_REFUSED:
        snprintf(why, sizeof why, "%s (events from %s)", detail,
                 runner->batch_count ? runner->batch[0].message->entry : "-");
        stop_with(runner, why);
        break;
    }
    if (runner->stopping)
        runner->runtime->idle(runner->runtime->worker);
}

static void set_commit_head(struct weir_runner *runner)
{
    size_t count = 0, streams = 0;
    runner->commit_head[count++] = runner->commit_streams;
    for (size_t i = 0; i < runner->source_count; i++) {
        struct weir_projection_source *source = &runner->sources[i];
        if (strcmp(source->next, source->position) == 0)
            continue;
        runner->commit_head[count++] = source->stream;
        runner->commit_head[count++] = source->position;
        runner->commit_head[count++] = source->next;
        streams++;
    }
    snprintf(runner->commit_streams, sizeof runner->commit_streams, "%zu", streams);
    runner->commit.head = runner->commit_head;
    runner->commit.head_count = count;
}

static void write_batch(struct weir_runner *runner)
{
    set_commit_head(runner);
    runner->commit.effects = &runner->effects;
    runner->commit.function = "weir_project";
    runner->commit.once = true; /* the events may be gone after a restart: look at them again */
    runner->commit.head_key = runner->checkpoint;
    runner->commit.user = runner;
    runner->commit.answered = on_committed;
    move(runner, WEIR_RUNNER_WRITING);
    if (weir_committer_submit(runner->runtime->committer, &runner->commit) != WEIR_OK)
        pause_then_locate(runner, "the commit could not be sent");
}

static void fold_and_write(struct weir_runner *runner)
{
    char why[512];
    if (runner->load_error.status == WEIR_REFUSED)
        stop_with(runner, runner->load_error.text);
    else if (runner->load_error.status != WEIR_OK)
        pause_then_locate(runner, runner->load_error.text);
    else if (weir_fold_batch(runner, why, sizeof why))
        write_batch(runner);
    else if (runner->effects.error.status == WEIR_NO_MEMORY)
        pause_then_locate(runner, "no memory");
    else
        stop_with(runner, why);
}

/* ---- Life -------------------------------------------------------------------------------- */

static void on_ready(void *user)
{
    struct weir_runner *runner = user;
    if (runner->state == WEIR_RUNNER_CLOSED || runner->state == WEIR_RUNNER_PAUSED ||
        runner->state == WEIR_RUNNER_STOPPED)
        locate(runner);
}

/* A commit under way goes on by itself: it uses another connection. */
static void on_lost(void *user, const struct weir_error *error)
{
    struct weir_runner *runner = user;
    (void)error;
    ev_timer_stop(runner->runtime->loop, &runner->pause);
    if (runner->state == WEIR_RUNNER_WRITING)
        return;
    drop_batch(runner);
    move(runner, WEIR_RUNNER_CLOSED);
}

enum weir_status weir_runner_start(void *self, struct weir_runtime *runtime,
                                   struct weir_error *error)
{
    struct weir_runner *runner = self;
    struct weir_link_settings link = {.loop = runtime->loop,
                                      .endpoint = runtime->endpoint,
                                      .log = runtime->log,
                                      .role = "projection",
                                      .client_name = runtime->service,
                                      .silence_limit_ms = SILENCE_LIMIT_MS,
                                      .user = runner,
                                      .ready = on_ready,
                                      .lost = on_lost};
    char key[WEIR_KEY_MAX];
    runner->runtime = runtime;
    runner->context.runtime = runtime;
    runner->context.effects = &runner->effects;
    runner->context.snapshot = &runner->snapshot;
    weir_key_checkpoint(runner->checkpoint, runtime->prefix, runtime->service, runner->name);
    snprintf(runner->reader_name, sizeof runner->reader_name, "%s/%s", runtime->service,
             runner->name);
    for (size_t i = 0; i < runner->source_count; i++) {
        runner->sources[i].stream =
            strdup(weir_key_events(key, runtime->prefix, runner->sources[i].service));
        if (runner->sources[i].stream == NULL)
            return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    }
    weir_link_init(&runner->link, &link);
    ev_timer_init(&runner->pause, on_pause, 0., 0.);
    runner->pause.data = runner;
    weir_link_open(&runner->link);
    return WEIR_OK;
}

void weir_runner_stop(void *self)
{
    struct weir_runner *runner = self;
    runner->stopping = true;
    ev_timer_stop(runner->runtime->loop, &runner->pause);
}

bool weir_runner_busy(void *self)
{
    struct weir_runner *runner = self;
    return runner->state == WEIR_RUNNER_WRITING;
}

void weir_runner_close(void *self)
{
    struct weir_runner *runner = self;
    if (runner->runtime != NULL) {
        ev_timer_stop(runner->runtime->loop, &runner->pause);
        weir_link_close(&runner->link);
    }
    drop_batch(runner);
    weir_effects_close(&runner->effects);
    weir_snapshot_close(&runner->snapshot);
    for (size_t i = 0; i < runner->source_count; i++)
        free(runner->sources[i].stream);
    free(runner->loads);
    weir_service_free(runner->handlers);
    free(runner);
}
