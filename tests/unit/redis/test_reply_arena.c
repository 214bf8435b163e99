/* Answers in memory that is used again: the same as hiredis makes by itself, whatever comes, in
 * whatever pieces. */
#include "redis/reply_arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/backoff.h"
#include "base/text.h"

#define ROUNDS 300

static void check_same(const redisReply *one, const redisReply *other)
{
    assert_int_equal(one->type, other->type);
    assert_int_equal(one->integer, other->integer);
    assert_int_equal(one->elements, other->elements);
    assert_int_equal(one->str == NULL, other->str == NULL);
    if (one->str != NULL) {
        assert_int_equal(one->len, other->len);
        assert_memory_equal(one->str, other->str, (size_t)one->len + 1);
    }
    for (size_t i = 0; i < one->elements; i++)
        check_same(one->element[i], other->element[i]);
}

/* One answer into `out`, nested at most so deep. */
static void write_answer(struct weir_random *random, struct weir_text *out, int depth)
{
    size_t kind = weir_random_below(random, depth > 0 ? 7 : 5), count;
    char bytes[40];
    switch (kind) {
    case 0:
        weir_text_format(out, ":%lld\r\n", (long long)weir_random_below(random, 1000000) - 500);
        break;
    case 1:
        weir_text_append_string(out, weir_random_below(random, 2) ? "$-1\r\n" : "*-1\r\n");
        break;
    case 2:
        weir_text_append_string(out, weir_random_below(random, 2) ? "+OK\r\n" : "-ERR not so\r\n");
        break;
    case 3:
    case 4:
        count = weir_random_below(random, 400) == 0 ? 40000 : weir_random_below(random, 40);
        memset(bytes, (int)weir_random_below(random, 256), sizeof bytes);
        weir_text_format(out, "$%zu\r\n", count);
        for (size_t i = 0; i < count; i += sizeof bytes)
            weir_text_append(out, bytes, count - i < sizeof bytes ? count - i : sizeof bytes);
        weir_text_append(out, "\r\n", 2);
        break;
    default:
        count = weir_random_below(random, 20);
        weir_text_format(out, "*%zu\r\n", count);
        for (size_t i = 0; i < count; i++)
            write_answer(random, out, depth - 1);
    }
}

static void feed(struct weir_random *random, redisReader *reader, const struct weir_text *bytes)
{
    for (size_t at = 0, more; at < bytes->length; at += more) {
        void *early = NULL;
        more = 1 + weir_random_below(random, weir_random_below(random, 4) == 0 ? 10 : 20000);
        more = more < bytes->length - at ? more : bytes->length - at;
        assert_int_equal(redisReaderFeed(reader, bytes->at + at, more), REDIS_OK);
        if (at + more < bytes->length) { /* not whole yet, but as far as it goes it is made */
            assert_int_equal(redisReaderGetReply(reader, &early), REDIS_OK);
            assert_null(early);
        }
    }
}

static void check_one(struct weir_random *random, redisReader *reader)
{
    redisReader *usual = redisReaderCreate();
    struct weir_text bytes = {0};
    void *answer = NULL, *wanted = NULL;
    assert_non_null(usual);
    write_answer(random, &bytes, 4);
    assert_false(bytes.failed);
    feed(random, reader, &bytes);
    feed(random, usual, &bytes);
    assert_int_equal(redisReaderGetReply(reader, &answer), REDIS_OK);
    assert_int_equal(redisReaderGetReply(usual, &wanted), REDIS_OK);
    assert_non_null(answer);
    check_same(answer, wanted);
    reader->fn->freeObject(answer);
    freeReplyObject(wanted);
    redisReaderFree(usual);
    weir_text_close(&bytes);
}

static void makes_what_hiredis_makes(void **state)
{
    (void)state;
    struct weir_reply_arena arena = {0};
    redisReader *reader = redisReaderCreate();
    struct weir_random random;
    assert_non_null(reader);
    weir_random_init(&random, 20261128);
    weir_reply_arena_attach(&arena, reader);
    for (int round = 0; round < ROUNDS; round++)
        check_one(&random, reader);
    redisReaderFree(reader);
    weir_reply_arena_close(&arena);
}

/* A connection may end in the middle of an answer; the next one has the same arena. */
static void serves_the_next_reader(void **state)
{
    (void)state;
    struct weir_reply_arena arena = {0};
    struct weir_random random;
    const char half[] = "*3\r\n$3\r\nabc\r\n*2\r\n:1\r\n";
    weir_random_init(&random, 20261128);
    for (int round = 0; round < 5; round++) {
        redisReader *reader = redisReaderCreate();
        void *answer = NULL;
        assert_non_null(reader);
        weir_reply_arena_attach(&arena, reader);
        check_one(&random, reader);
        assert_int_equal(redisReaderFeed(reader, half, sizeof half - 1), REDIS_OK);
        assert_int_equal(redisReaderGetReply(reader, &answer), REDIS_OK);
        assert_null(answer);
        redisReaderFree(reader);
    }
    weir_reply_arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_what_hiredis_makes),
        cmocka_unit_test(serves_the_next_reader),
    };
    return cmocka_run_group_tests_name("reply_arena", tests, NULL, NULL);
}
