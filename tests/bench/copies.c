/* Makes a list of the commands that would write one saga anew, and has a script repeat it. */
#include "copies.h"

#include <stdlib.h>
#include <string.h>

#include "script.h"

#define CALL_COUNT 500u

enum { NUMBER = 3, FIRST = 4, COUNT = 5 }; /* places among the words */

/* ARGV: the model's number, the first number, how many; then the commands: how many words, and the
 * words, with the model's number in them. The source of a COPY stays as it is. */
static const char copier[] =
    "local model, first, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]) "
    "local commands, at = {}, 4 "
    "while at <= #ARGV do "
    "  local words, places = {}, {} "
    "  for i = 1, tonumber(ARGV[at]) do "
    "    words[i] = ARGV[at + i] "
    "    local copied = words[1] == 'COPY' and i == 2 "
    "    if not copied and words[i]:find(model, 1, true) then places[#places + 1] = i end "
    "  end "
    "  commands[#commands + 1] = { words = words, places = places, model = { unpack(words) } } "
    "  at = at + #words + 1 "
    "end "
    "for number = first, first + count - 1 do "
    "  local own = string.format('%d', number) "
    "  for _, command in ipairs(commands) do "
    "    for _, i in ipairs(command.places) do "
    "      command.words[i] = command.model[i]:gsub(model, own) "
    "    end "
    "    redis.call(unpack(command.words)) "
    "  end "
    "end "
    "return count";

static void add(struct bench_model *model, const char *word, size_t length)
{
    char *copy = bench_memory(NULL, length + 1);
    memcpy(copy, word, length);
    copy[length] = '\0';
    model->words = bench_memory((void *)model->words, (model->count + 1) * sizeof(char *));
    model->lengths = bench_memory(model->lengths, (model->count + 1) * sizeof(size_t));
    model->words[model->count] = copy;
    model->lengths[model->count++] = length;
}

static void add_text(struct bench_model *model, const char *text)
{
    add(model, text, strlen(text));
}

static void add_count(struct bench_model *model, size_t count)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", count);
    add_text(model, text);
}

static bool names(const redisReply *text, const struct bench_model *model)
{
    return text->str != NULL && strstr(text->str, model->words[NUMBER]) != NULL;
}

/* Pairs of a hash or a sorted set: `swapped` where the score comes behind the member. */
static void add_pairs(struct bench_model *model, struct bench_server *server, const char *command,
                      const char *key, const char *query, bool swapped)
{
    redisReply *pairs = bench_ask(server, query, key);
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        const redisReply *one = pairs->element[i + swapped], *other = pairs->element[i + !swapped];
        if (!names(pairs->element[i], model))
            continue;
        add_count(model, 4);
        add_text(model, command);
        add_text(model, key);
        add(model, one->str, one->len);
        add(model, other->str, other->len);
    }
    freeReplyObject(pairs);
}

static void add_entries(struct bench_model *model, struct bench_server *server, const char *key)
{
    redisReply *entries = bench_ask(server, "XRANGE %s - +", key);
    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *fields = entries->element[i]->element[1];
        bool ours = false;
        for (size_t f = 0; f < fields->elements; f++)
            ours = ours || names(fields->element[f], model);
        if (!ours)
            continue;
        add_count(model, 3 + fields->elements);
        add_text(model, "XADD");
        add_text(model, key);
        add_text(model, "*");
        for (size_t f = 0; f < fields->elements; f++)
            add(model, fields->element[f]->str, fields->element[f]->len);
    }
    freeReplyObject(entries);
}

static void add_key(struct bench_model *model, struct bench_server *server, const redisReply *key)
{
    redisReply *type = bench_ask(server, "TYPE %s", key->str);
    if (names(key, model)) {
        add_count(model, 3);
        add_text(model, "COPY");
        add(model, key->str, key->len);
        add(model, key->str, key->len);
    } else if (strcmp(type->str, "zset") == 0) {
        add_pairs(model, server, "ZADD", key->str, "ZRANGE %s 0 -1 WITHSCORES", true);
    } else if (strcmp(type->str, "hash") == 0) {
        add_pairs(model, server, "HSET", key->str, "HGETALL %s", false);
    } else if (strcmp(type->str, "stream") == 0) {
        add_entries(model, server, key->str);
    }
    freeReplyObject(type);
}

struct bench_model bench_model_of(struct bench_server *server, unsigned number)
{
    struct bench_model model = {0};
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    add_text(&model, "EVAL");
    add_text(&model, copier);
    add_text(&model, "0");
    add_text(&model, text);
    add_text(&model, "         0"); /* the first number and how many: room for each call's */
    add_text(&model, "         0");
    redisReply *keys = bench_ask(server, "KEYS *");
    for (size_t i = 0; i < keys->elements; i++)
        add_key(&model, server, keys->element[i]);
    freeReplyObject(keys);
    return model;
}

static void put_number(struct bench_model *model, size_t place, unsigned number)
{
    snprintf((char *)(uintptr_t)model->words[place], model->lengths[place] + 1, "%10u", number);
}

void bench_model_copy(struct bench_server *server, struct bench_model *model, unsigned first,
                      unsigned count)
{
    for (unsigned done = 0; done < count; done += CALL_COUNT) {
        put_number(model, FIRST, first + done);
        put_number(model, COUNT, count - done < CALL_COUNT ? count - done : CALL_COUNT);
        if (redisAppendCommandArgv(server->connection, (int)model->count, model->words,
                                   model->lengths) != REDIS_OK)
            bench_fail("no memory");
        freeReplyObject(bench_answer(server->connection));
    }
}

void bench_model_close(struct bench_model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free((char *)(uintptr_t)model->words[i]);
    free((void *)model->words);
    free(model->lengths);
}
