/* One connection, on which reads and commits of many items are under way at once. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

#include "entry.h"

#define STALL_LIMIT_S 15

/* What the next answer is to: a commit's command, a read, or the last read of a burst. */
enum expected { COMMIT, READ, BURST_END };

struct waiting { /* an entry whose turn has not come: the server handles the parts in their order */
    struct waiting *next;
    size_t part;
    size_t length;
    char entry[48];
};

struct item {
    unsigned char done; /* parts that were sent */
    struct waiting *waiting;
};

struct answer_shape { /* what the first item's command was answered */
    int type;
    long long number;
    bool known;
};

struct state {
    const struct bench_replay *replay;
    redisContext *connection;
    struct item *items;
    unsigned begun, ended, bursts;
    unsigned long long wanted, answered, seen; /* commits */
    struct answer_shape *shapes;               /* of each command of a part */
    size_t *first_shape;                       /* of each part */
    unsigned char *expected;                   /* a ring */
    size_t *expected_about;                    /* the shape of a commit, the source of a read */
    size_t ring, head, tail;
    char *room;
    size_t capacity;
    double moved_at;
};

/* ---- What is awaited ----------------------------------------------------------------------- */

static void expect(struct state *state, enum expected kind, size_t about)
{
    if ((state->tail + 1) % state->ring == state->head)
        bench_fail("the bare client has more under way than it can keep");
    state->expected[state->tail] = (unsigned char)kind;
    state->expected_about[state->tail] = about;
    state->tail = (state->tail + 1) % state->ring;
}

/* ---- Commits ------------------------------------------------------------------------------- */

static void send_part(struct state *state, size_t index, unsigned number, const char *entry,
                      size_t entry_length)
{
    const struct bench_script *script = state->replay->script;
    const struct bench_part *part = &script->parts[index];
    const struct bench_filling filling = {
        .number = number, .entry = entry, .entry_length = entry_length};
    const size_t length = bench_part_fill(script, part, &filling, &state->room, &state->capacity);
    if (redisAppendFormattedCommand(state->connection, state->room, length) != REDIS_OK)
        bench_fail("the bare client has no memory");
    for (size_t i = 0; i < part->answers; i++)
        expect(state, COMMIT, state->first_shape[index] + i);
}

static bool is_waiting(const struct item *item, size_t part)
{
    for (const struct waiting *waiting = item->waiting; waiting != NULL; waiting = waiting->next)
        if (waiting->part == part)
            return true;
    return false;
}

static void keep(struct item *item, size_t part, const redisReply *entry)
{
    struct waiting *waiting = bench_memory(NULL, sizeof *waiting);
    *waiting = (struct waiting){.next = item->waiting, .part = part, .length = entry->len};
    snprintf(waiting->entry, sizeof waiting->entry, "%s", entry->str);
    item->waiting = waiting;
}

/* Sends what has become due by the part before it. */
static void send_waiting(struct state *state, struct item *item, unsigned number)
{
    for (struct waiting **at = &item->waiting; *at != NULL;) {
        struct waiting *waiting = *at;
        if (waiting->part != item->done) {
            at = &waiting->next;
            continue;
        }
        *at = waiting->next;
        send_part(state, waiting->part, number, waiting->entry, waiting->length);
        free(waiting);
        item->done++;
        at = &item->waiting;
    }
}

static void count_item(struct state *state, const struct item *item, unsigned char before)
{
    if (before == 0 && item->done > 0)
        state->begun++;
    if (item->done == state->replay->script->part_count)
        state->ended++;
}

/* ---- Entries ------------------------------------------------------------------------------- */

static unsigned number_of(const struct state *state, const redisReply *fields)
{
    const unsigned number = bench_entry_number(fields);
    if (number < BENCH_FIRST || number >= BENCH_FIRST + state->replay->items)
        bench_fail("the bare client does not know whose an entry is");
    return number;
}

static size_t part_for(const struct state *state, const struct item *item, size_t source,
                       const redisReply *fields)
{
    const struct bench_script *script = state->replay->script;
    for (size_t i = item->done; i < script->part_count; i++) {
        const struct bench_part *part = &script->parts[i];
        if (part->source == source && bench_entry_is_for(fields, part) && !is_waiting(item, i))
            return i;
    }
    bench_fail("the bare client has got an entry of %s that was not recorded",
               script->sources[source].stream);
}

static void take_entry(struct state *state, size_t source, const redisReply *entry)
{
    const redisReply *id = entry->element[0], *fields = entry->element[1];
    const unsigned number = number_of(state, fields);
    struct item *item = &state->items[number - BENCH_FIRST];
    const unsigned char before = item->done;
    const size_t part = part_for(state, item, source, fields);
    if (part != item->done) {
        keep(item, part, id);
        return;
    }
    send_part(state, part, number, id->str, id->len);
    item->done++;
    send_waiting(state, item, number);
    count_item(state, item, before);
}

/* ---- Reading ------------------------------------------------------------------------------- */

static bool may_begin(const struct state *state)
{
    return state->begun - state->ended < state->replay->window;
}

/* One read of each source; false: there is none that may be read now. */
static bool send_burst(struct state *state)
{
    const struct bench_script *script = state->replay->script;
    size_t sent = 0;
    for (size_t i = 0; i < script->source_count; i++) {
        if (script->sources[i].begins && !may_begin(state))
            continue;
        if (redisAppendCommand(state->connection, "XREADGROUP GROUP %s bare COUNT %u STREAMS %s >",
                               script->sources[i].group, state->replay->count,
                               script->sources[i].stream) != REDIS_OK)
            bench_fail("the bare client has no memory");
        expect(state, READ, i);
        sent++;
    }
    if (sent > 0) {
        const size_t last = (state->tail + state->ring - 1) % state->ring;
        state->expected[last] = BURST_END;
        state->bursts++;
    }
    return sent > 0;
}

static void take_read(struct state *state, size_t source, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_NIL || reply->elements == 0)
        return;
    const redisReply *entries = reply->element[0]->element[1];
    for (size_t i = 0; i < entries->elements; i++)
        take_entry(state, source, entries->element[i]);
}

/* All items' answers to one command are alike; the first says what that is, and its effects are
 * looked at by the row. */
static void take_commit(struct state *state, size_t index, const redisReply *reply)
{
    struct answer_shape *shape = &state->shapes[index];
    const redisReply *value =
        reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 ? reply->element[0] : reply;
    if (!shape->known)
        *shape = (struct answer_shape){value->type, value->integer, true};
    if (value->type == REDIS_REPLY_NIL || value->type != shape->type ||
        value->integer != shape->number ||
        (value->type == REDIS_REPLY_INTEGER && value->integer < 1))
        bench_fail("a commit of the bare client was answered by %s %lld",
                   value->str ? value->str : "", value->integer);
    state->answered++;
}

static void check_progress(struct state *state)
{
    if (state->answered != state->seen) {
        state->seen = state->answered;
        state->moved_at = bench_now();
    } else if (bench_now() > state->moved_at + STALL_LIMIT_S) {
        bench_fail("the bare client waits in vain: %llu of %llu commits are done", state->answered,
                   state->wanted);
    }
}

static void take_answer(struct state *state)
{
    redisReply *reply = bench_answer(state->connection);
    const enum expected kind = state->expected[state->head];
    const size_t about = state->expected_about[state->head];
    state->head = (state->head + 1) % state->ring;
    if (kind == COMMIT)
        take_commit(state, about, reply);
    else
        take_read(state, about, reply);
    freeReplyObject(reply);
    if (kind == BURST_END) {
        state->bursts--;
        check_progress(state);
    }
}

/* ---- Running ------------------------------------------------------------------------------- */

static void number_shapes(struct state *state)
{
    const struct bench_script *script = state->replay->script;
    size_t shapes = 0;
    state->first_shape = bench_memory(NULL, script->part_count * sizeof *state->first_shape);
    for (size_t i = 0; i < script->part_count; i++) {
        state->first_shape[i] = shapes;
        shapes += script->parts[i].answers;
    }
    state->shapes = bench_memory(NULL, shapes * sizeof *state->shapes);
    memset(state->shapes, 0, shapes * sizeof *state->shapes);
    state->wanted = (unsigned long long)shapes * state->replay->items;
}

static void open_state(struct state *state, const struct bench_replay *replay)
{
    struct timeval limit = {.tv_sec = 20};
    *state = (struct state){.replay = replay, .moved_at = bench_now()};
    state->connection = redisConnectUnixWithTimeout(replay->socket, limit);
    if (state->connection == NULL || state->connection->err != 0 ||
        redisSetTimeout(state->connection, limit) != REDIS_OK)
        bench_fail("the bare client cannot connect");
    number_shapes(state);
    state->items = bench_memory(NULL, replay->items * sizeof *state->items);
    memset(state->items, 0, replay->items * sizeof *state->items);
    state->ring = (size_t)1 << 20;
    state->expected = bench_memory(NULL, state->ring);
    state->expected_about = bench_memory(NULL, state->ring * sizeof *state->expected_about);
}

static void close_state(struct state *state)
{
    redisFree(state->connection);
    free(state->items);
    free(state->shapes);
    free(state->first_shape);
    free(state->expected);
    free(state->expected_about);
    free(state->room);
}

void bench_replay_run(void *argument)
{
    struct state state;
    open_state(&state, argument);
    while (state.answered < state.wanted) {
        while (state.bursts < state.replay->bursts && state.ended < state.replay->items &&
               send_burst(&state))
            continue;
        take_answer(&state);
    }
    close_state(&state);
}

void bench_replay_prepare(struct bench_server *server, const struct bench_script *script)
{
    for (size_t i = 0; i < script->source_count; i++)
        bench_do(server, "XGROUP CREATE %s %s 0 MKSTREAM", script->sources[i].stream,
                 script->sources[i].group);
}
