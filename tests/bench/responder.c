/* Waits for entries and answers each at once. */
#include "responder.h"

#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "replay.h"

#define COMMAND_MAX 4096

struct responding {
    const struct bench_responder *responder;
    redisContext *connection;
    char read[COMMAND_MAX]; /* the command that waits */
    char *room;
    size_t capacity, open; /* answers of commits that are still to come */
};

static void open_connection(struct responding *responding, const struct bench_responder *responder)
{
    *responding = (struct responding){.responder = responder};
    responding->connection = redisConnectUnix(responder->socket);
    if (responding->connection == NULL || responding->connection->err != 0)
        bench_fail("a bare client cannot connect");
}

static void append(struct responding *responding, const struct bench_part *part,
                   const struct bench_filling *filling)
{
    const size_t length = bench_part_fill(responding->responder->script, part, filling,
                                          &responding->room, &responding->capacity);
    if (redisAppendFormattedCommand(responding->connection, responding->room, length) != REDIS_OK)
        bench_fail("no memory");
    responding->open += part->answers;
}

/* One blocking read behind the commits that were appended: both go out in one write. */
static redisReply *read_next(struct responding *responding)
{
    if (redisAppendCommand(responding->connection, responding->read) != REDIS_OK)
        bench_fail("no memory");
    for (; responding->open > 0; responding->open--)
        freeReplyObject(bench_answer(responding->connection));
    return bench_answer(responding->connection);
}

/* ---- Groups -------------------------------------------------------------------------------- */

static const struct bench_part *part_for(const struct bench_responder *responder,
                                         const char *stream, const redisReply *fields)
{
    const struct bench_script *script = responder->script;
    for (size_t i = 0; i < script->part_count; i++) {
        const struct bench_part *part = &script->parts[i];
        const struct bench_source *source = &script->sources[part->source];
        if (strcmp(source->group, responder->group) == 0 && strcmp(source->stream, stream) == 0 &&
            bench_entry_is_for(fields, part))
            return part;
    }
    bench_fail("a bare client has got an entry of %s that was not recorded", stream);
}

static void answer_stream(struct responding *responding, const redisReply *stream)
{
    const redisReply *entries = stream->element[1];
    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *id = entries->element[i]->element[0],
                         *fields = entries->element[i]->element[1];
        const struct bench_filling filling = {
            .entry = id->str, .entry_length = id->len, .number = bench_entry_number(fields)};
        append(responding, part_for(responding->responder, stream->element[0]->str, fields),
               &filling);
    }
}

static void put_group_read(struct responding *responding)
{
    const struct bench_script *script = responding->responder->script;
    const char *group = responding->responder->group;
    char *at = responding->read, *end = at + COMMAND_MAX;
    at += snprintf(at, COMMAND_MAX, "XREADGROUP GROUP %s bare COUNT 128 BLOCK 0 STREAMS", group);
    size_t count = 0;
    for (size_t i = 0; i < script->source_count; i++)
        if (strcmp(script->sources[i].group, group) == 0) {
            at += snprintf(at, (size_t)(end - at), " %s", script->sources[i].stream);
            count++;
        }
    for (; count > 0; count--)
        at += snprintf(at, (size_t)(end - at), " >");
}

static void respond(void *argument)
{
    struct responding responding;
    open_connection(&responding, argument);
    put_group_read(&responding);
    for (;;) {
        redisReply *reply = read_next(&responding);
        for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
            answer_stream(&responding, reply->element[i]);
        freeReplyObject(reply);
    }
}

/* ---- A projection -------------------------------------------------------------------------- */

static void project(void *argument)
{
    struct responding responding;
    char last[64] = "0-0";
    open_connection(&responding, argument);
    for (;;) {
        snprintf(responding.read, COMMAND_MAX, "XREAD COUNT 64 BLOCK 0 STREAMS {bench}:events %s",
                 last);
        redisReply *reply = read_next(&responding);
        const redisReply *entries = reply->element[0]->element[1];
        for (size_t i = 0; i < entries->elements; i++) {
            const redisReply *id = entries->element[i]->element[0];
            const bool first = strcmp(last, "0-0") == 0;
            append(&responding, &responding.responder->script->parts[0],
                   &(struct bench_filling){
                       .entry = id->str,
                       .entry_length = id->len,
                       .previous = first ? "" : last,
                       .previous_length = first ? 0 : strlen(last),
                       .number = bench_entry_number(entries->element[i]->element[1])});
            snprintf(last, sizeof last, "%s", id->str);
        }
        freeReplyObject(reply);
    }
}

/* ---- Starting ------------------------------------------------------------------------------ */

static void start(struct bench_workers *workers, struct bench_server *server,
                  struct bench_responder responder)
{
    char name[64];
    snprintf(name, sizeof name, "bare-%.50s", responder.group != NULL ? responder.group : "view");
    if (workers->count == BENCH_PROCESSES_MAX)
        bench_fail("too many clients");
    workers->processes[workers->count++] =
        bench_fork(server->bench, name, responder.group != NULL ? respond : project, &responder);
}

void bench_responders_start(struct bench_workers *workers, struct bench_server *server,
                            const struct bench_script *script)
{
    bench_replay_prepare(server, script);
    for (size_t i = 0; i < script->source_count; i++) {
        const char *group = script->sources[i].group;
        size_t first = 0;
        while (strcmp(script->sources[first].group, group) != 0)
            first++;
        if (first == i)
            start(workers, server, (struct bench_responder){script, server->socket, group});
    }
}

void bench_projector_start(struct bench_workers *workers, struct bench_server *server,
                           const struct bench_script *script)
{
    start(workers, server, (struct bench_responder){script, server->socket, NULL});
}

void bench_responders_stop(struct bench_workers *workers)
{
    for (size_t i = 0; i < workers->count; i++) {
        bench_check(&workers->processes[i]);
        bench_kill(&workers->processes[i]);
    }
    workers->count = 0;
}
