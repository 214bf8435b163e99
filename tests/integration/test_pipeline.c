/* Several commands with one wait. */
#include "redis/pipeline.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "redis/reply.h"
#include "support/server.h"

#define LIMIT_MS 10000
#define MANY 5000

static struct test_server server;
static struct weir_endpoint endpoint;
static struct weir_client client;

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int connect_client(void **state)
{
    struct weir_error error = {0};
    (void)state;
    test_do(&server, "FLUSHALL");
    assert_int_equal(weir_endpoint_parse(server.url, &endpoint, &error), WEIR_OK);
    assert_int_equal(weir_client_open(&client, &endpoint, LIMIT_MS, &error), WEIR_OK);
    return 0;
}

static int close_client(void **state)
{
    (void)state;
    weir_client_close(&client);
    weir_endpoint_close(&endpoint);
    return 0;
}

static void assert_answer(const struct weir_pipeline *pipeline, size_t place, const char *text)
{
    struct weir_slice found = {NULL, 0};
    assert_true(weir_reply_text(weir_pipeline_answer(pipeline, place), &found));
    assert_true(weir_slice_equals(found, text));
}

static void answers_in_order(void **state)
{
    (void)state;
    struct weir_pipeline pipeline = {0};
    struct weir_error error = {0};
    const char *words[] = {"SET", "bytes", "a\0b\r\n"};
    const size_t lengths[] = {3, 5, 5};
    assert_int_equal(weir_pipeline_add(&pipeline, "SET", "one", "1", NULL), 0);
    assert_int_equal(weir_pipeline_add_words(&pipeline, 3, words, lengths), 1);
    size_t one = weir_pipeline_add(&pipeline, "GET", "one", NULL);
    size_t wrong = weir_pipeline_add(&pipeline, "LPUSH", "one", "x", NULL);
    size_t bytes = weir_pipeline_add(&pipeline, "GET", "bytes", NULL);
    assert_null(weir_pipeline_answer(&pipeline, one)); /* it has not run */
    assert_int_equal(weir_pipeline_run(&pipeline, &client, &error), WEIR_OK);
    assert_answer(&pipeline, one, "1");
    const redisReply *reply = weir_pipeline_answer(&pipeline, bytes);
    assert_int_equal(reply->len, 5);
    assert_memory_equal(reply->str, "a\0b\r\n", 5);
    /* an error is an answer; the others are not touched by it */
    assert_int_equal(
        weir_client_error_of(&client, "LPUSH", weir_pipeline_answer(&pipeline, wrong), &error),
        WEIR_REFUSED);
    assert_non_null(strstr(error.text, "WRONGTYPE"));
    struct weir_error none = {0};
    assert_int_equal(weir_client_error_of(&client, "GET", reply, &none), WEIR_OK);
    assert_null(weir_pipeline_answer(&pipeline, bytes + 1));
    weir_pipeline_close(&pipeline);
    assert_int_equal(pipeline.count, 0);
}

static void runs_empty_and_with_many(void **state)
{
    (void)state;
    struct weir_pipeline pipeline = {0};
    struct weir_error error = {0};
    assert_int_equal(weir_pipeline_run(&pipeline, &client, &error), WEIR_OK);
    weir_pipeline_close(&pipeline);
    for (int i = 0; i < MANY; i++)
        weir_pipeline_add(&pipeline, "INCR", "counter", NULL);
    assert_int_equal(weir_pipeline_run(&pipeline, &client, &error), WEIR_OK);
    int64_t last = 0;
    assert_true(weir_reply_integer(weir_pipeline_answer(&pipeline, MANY - 1), &last));
    assert_int_equal(last, MANY);
    weir_pipeline_close(&pipeline);
    /* and the connection is in step */
    redisReply *reply = weir_client_ask(&client, &error, "GET", "counter", NULL);
    assert_non_null(reply);
    assert_string_equal(reply->str, "5000");
    freeReplyObject(reply);
}

static void tells_that_the_connection_is_lost(void **state)
{
    (void)state;
    struct weir_pipeline pipeline = {0};
    struct weir_error error = {0};
    weir_pipeline_add(&pipeline, "PING", NULL);
    weir_pipeline_add(&pipeline, "QUIT", NULL);
    weir_pipeline_add(&pipeline, "PING", NULL); /* which the server does not answer any more */
    assert_int_equal(weir_pipeline_run(&pipeline, &client, &error), WEIR_UNKNOWN);
    assert_false(weir_client_connected(&client));
    weir_pipeline_close(&pipeline);
    struct weir_error again = {0};
    weir_pipeline_add(&pipeline, "PING", NULL);
    assert_int_equal(weir_pipeline_run(&pipeline, &client, &again), WEIR_UNAVAILABLE);
    weir_pipeline_close(&pipeline);
}

static void leaves_a_server_that_is_no_master(void **state)
{
    (void)state;
    struct weir_pipeline pipeline = {0};
    struct weir_error error = {0};
    test_do(&server, "REPLICAOF 127.0.0.1 1");
    weir_pipeline_add(&pipeline, "GET", "one", NULL);
    weir_pipeline_add(&pipeline, "SET", "one", "2", NULL);
    weir_pipeline_add(&pipeline, "GET", "one", NULL);
    assert_int_equal(weir_pipeline_run(&pipeline, &client, &error), WEIR_UNAVAILABLE);
    assert_false(weir_client_connected(&client));
    weir_pipeline_close(&pipeline);
    test_do(&server, "REPLICAOF NO ONE");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, connect_client, close_client)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_in_order),
        TEST(runs_empty_and_with_many),
        TEST(tells_that_the_connection_is_lost),
        TEST(leaves_a_server_that_is_no_master),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
