/* What the tests of the server functions share: one server with the library for each program, calls
 * whose answers come back as one line of text, and a look at the whole dataset. */
#ifndef WEIR_TESTS_FUNCTIONS_FUNCTIONS_H
#define WEIR_TESTS_FUNCTIONS_FUNCTIONS_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "redis/function_library.h"
#include "support/server.h"

static struct test_server server;

/* Many calls are built up in a loop: "FCALL … " and what follows, as an argument vector. */
#define WORDS_MAX 40000
struct words {
    const char *at[WORDS_MAX];
    size_t lengths[WORDS_MAX];
    int count;
};

static inline int start_functions(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    test_do(&server, "FUNCTION LOAD %s", weir_function_library_source());
    return 0;
}

static inline int stop_functions(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

/* Before each test: no data, and no limit that a test which failed has left. */
static inline int empty(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 0");
    test_do(&server, "FLUSHALL");
    return 0;
}

/* A message 1-1 in the inbox, pending for one worker. */
static inline int deliver_one(void **state)
{
    empty(state);
    test_do(&server, "XGROUP CREATE {s}:commands s 0 MKSTREAM");
    test_do(&server, "XADD {s}:commands 1-1 type Charge");
    test_do(&server, "XREADGROUP GROUP s worker STREAMS {s}:commands >");
    return 0;
}

/* An answer as text: numbers, bytes (unprintable ones as \xNN), "nil", "[one, two]", "!error". */
static inline void show(struct weir_text *out, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER) {
        weir_text_format(out, "%lld", reply->integer);
    } else if (reply->type == REDIS_REPLY_NIL) {
        weir_text_append_string(out, "nil");
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i < reply->elements; i++) {
            weir_text_append_string(out, i == 0 ? "[" : ", ");
            show(out, reply->element[i]);
        }
        weir_text_append_string(out, reply->elements > 0 ? "]" : "[]");
    } else {
        if (reply->type == REDIS_REPLY_ERROR)
            weir_text_append_string(out, "!");
        for (size_t i = 0; i < (size_t)reply->len; i++) {
            unsigned char byte = (unsigned char)reply->str[i];
            weir_text_format(out, byte < ' ' || byte > '~' ? "\\x%02x" : "%c", byte);
        }
    }
}

/* Shows and frees the answer; valid until the second next call. */
static inline const char *shown(redisReply *reply)
{
    static struct weir_text rooms[2];
    static size_t turn;
    struct weir_text *room = &rooms[turn++ % 2];
    weir_text_clear(room);
    weir_text_append_string(room, " "); /* so that an empty answer is a text, too */
    if (reply == NULL)
        fail_msg("no answer: %s", server.connection->errstr);
    else
        show(room, reply);
    freeReplyObject(reply);
    return room->at + 1;
}

/* Asks; errors are answers, too. */
static inline const char *answer(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(server.connection, format, arguments);
    va_end(arguments);
    return shown(reply);
}

static inline void check_answer(const char *file, int line, const char *wanted, const char *given)
{
    size_t length = strlen(wanted);
    bool prefix = length > 0 && wanted[length - 1] == '*';
    if (prefix ? strncmp(given, wanted, length - 1) != 0 : strcmp(given, wanted) != 0)
        fail_msg("%s:%d: answer %.300s instead of %.300s", file, line, given, wanted);
}

/* The answer has to read like this; with a '*' at the end: begin like this. */
#define expect(wanted, ...) check_answer(__FILE__, __LINE__, (wanted), answer(__VA_ARGS__))

static inline void add_bytes(struct words *words, const char *bytes, size_t length)
{
    assert_true(words->count < WORDS_MAX);
    words->at[words->count] = bytes;
    words->lengths[words->count++] = length;
}

static inline void add_word(struct words *words, const char *word)
{
    add_bytes(words, word, strlen(word));
}

static inline const char *answer_words(struct words *words)
{
    return shown(redisCommandArgv(server.connection, words->count, words->at, words->lengths));
}

static inline int by_bytes(const void *one, const void *other)
{
    const redisReply *const *first = one, *const *second = other;
    return strcmp((*first)->str, (*second)->str);
}

static inline uint64_t mixed(uint64_t sum, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return sum ^ length;
}

/* A sum over all keys, their whole content (groups and pending entries included) and their lives:
 * the same before and after means that nothing was written. */
static inline uint64_t dataset(void)
{
    uint64_t sum = UINT64_C(14695981039346656037);
    redisReply *keys = test_ask(&server, "KEYS *");
    if (keys->elements > 1)
        qsort(keys->element, keys->elements, sizeof(redisReply *), by_bytes);
    for (size_t i = 0; i < keys->elements; i++) {
        const redisReply *key = keys->element[i];
        redisReply *dump = test_ask(&server, "DUMP %b", key->str, (size_t)key->len);
        long long life = test_ask_integer(&server, "PEXPIRETIME %b", key->str, (size_t)key->len);
        sum = mixed(sum, key->str, (size_t)key->len);
        sum = mixed(sum, dump->str, (size_t)dump->len);
        sum = mixed(sum, (const char *)&life, sizeof life);
        freeReplyObject(dump);
    }
    freeReplyObject(keys);
    return sum;
}

/* The answer has to read like this, and nothing may have been written. */
#define expect_untouched(wanted, ...)                                                              \
    do {                                                                                           \
        uint64_t sum_before = dataset();                                                           \
        check_answer(__FILE__, __LINE__, (wanted), answer(__VA_ARGS__));                           \
        if (dataset() != sum_before)                                                               \
            fail_msg("%s:%d: something was written", __FILE__, __LINE__);                          \
    } while (0)

/* The server's clock in ms. */
static inline long long server_now(void)
{
    redisReply *time = test_ask(&server, "TIME");
    long long now = atoll(time->element[0]->str) * 1000 + atoll(time->element[1]->str) / 1000;
    freeReplyObject(time);
    return now;
}

#endif
