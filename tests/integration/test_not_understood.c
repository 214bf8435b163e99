/* What nobody could handle goes to the dead letters with a reason that names the field, and the
 * worker goes on. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"

static struct test_server server;
static struct test_worker worker;

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    worker = test_worker_start(&server, WORK, "one", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    int code = test_worker_end(&worker, SIGTERM);
    test_server_stop(&server, SIGTERM);
    return code;
}

/* A message behind it must be handled, and nothing but the one dead letter be left. */
static void expect_dead(const char *reason)
{
    static int sent;
    char n[16];
    const char *found = "";
    snprintf(n, sizeof(n), "n%d", ++sent);
    test_send(&server, WORK, "Mark", "{\"n\":\"%s\"}", n);
    AWAIT(test_number(&server, "{work}:marks", n) == 1);
    test_await_settled(&server, WORK);
    assert_int_equal(test_dead(&server, WORK), 1);
    found = test_newest(&server, "{work}:dead", "reason");
    if (!strstr(found, reason))
        fail_msg("the reason '%s' does not hold '%s'", found, reason);
    test_do(&server, "DEL {work}:dead");
}

static void types(void **state)
{
    (void)state;
    test_do(&server, "XADD {work}:commands * data {}");
    expect_dead("type: is missing");
    test_do(&server, "XADD {work}:commands * type Unheard");
    expect_dead("type: service work has no handler for it");
    test_do(&server, "XADD {work}:commands * type %s", "");
    expect_dead("type: must be");
    test_do(&server, "XADD {work}:commands * type %s", "Mark\r\nlevel=error");
    expect_dead("type: must be");
    test_do(&server, "XADD {work}:commands * type Mark type Mark");
    expect_dead("type: stands twice");
}

static void data_that_is_no_object(void **state)
{
    (void)state;
    const char *const texts[] = {"",
                                 "{",
                                 "[]",
                                 "1",
                                 "null",
                                 "{\"n\":1}x",
                                 "{\"n\":1,\"n\":2}",
                                 "{n:1}",
                                 "\xef\xbb\xbf{}",
                                 "{\"n\":1e999}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        test_do(&server, "XADD {work}:commands * type Mark data %s", texts[i]);
        expect_dead("data: ");
    }
}

static void data_with_bytes_that_are_no_text(void **state)
{
    (void)state;
    test_do(&server, "XADD {work}:commands * type Mark data %s", "{\"n\":\"\xff\xfe\"}");
    expect_dead("data: ");
    test_do(&server, "XADD {work}:commands * type Mark data %b", "{\"n\":\"a\0b\"}", (size_t)11);
    expect_dead("data: ");
    test_do(&server, "XADD {work}:commands * type Mark data %s", "{\"n\":\"a\\u0000b\"}");
    expect_dead("data: ");
    test_do(&server, "XADD {work}:commands * type Mark id %b", "a\0b", (size_t)3);
    expect_dead("id: must be");
    test_do(&server, "XADD {work}:commands * type Mark subject %s", "\xff");
    expect_dead("subject: must be");
}

static void data_that_is_too_much(void **state)
{
    (void)state;
    size_t length = 2 << 20;
    char *text = malloc(length + 1);
    assert_non_null(text);
    memset(text, ' ', length);
    memcpy(text, "{}", 2);
    test_do(&server, "XADD {work}:commands * type Mark data %b", text, length);
    expect_dead("data: 2097152 bytes");
    memset(text, '[', 1000);
    memset(text + 1000, ']', 1000);
    text[2000] = '\0';
    test_do(&server, "XADD {work}:commands * type Mark data {\"n\":%s}", text);
    expect_dead("data: ");
    free(text);
}

static void the_largest_data_passes(void **state)
{
    (void)state;
    size_t length = 1 << 20;
    char *text = malloc(length);
    assert_non_null(text);
    memset(text, ' ', length);
    memcpy(text, "{\"n\":\"big\"}", 11);
    test_do(&server, "XADD {work}:commands * type Mark data %b", text, length);
    AWAIT(test_number(&server, "{work}:marks", "big") == 1);
    free(text);
}

static void other_fields(void **state)
{
    (void)state;
    const char *const fields[][2] = {
        {"id", ""},          {"id", "a b"},        {"delay", "-1"}, {"delay", "soon"},
        {"delay", "1e3"},    {"saga", "a/b"},      {"step", "a b"}, {"action", "undo"},
        {"attempt", "none"}, {"deliveries", "-1"},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        test_do(&server, "XADD {work}:commands * type Mark %s %s", fields[i][0], fields[i][1]);
        expect_dead(fields[i][0]);
    }
}

/* An entry of `pairs` fields that nobody knows; before them type and data. */
static void add_wide(const char *type, size_t pairs)
{
    size_t count = 7 + 2 * pairs;
    const char **words = malloc(count * sizeof(*words));
    assert_non_null(words);
    const char *const head[] = {"XADD", "{work}:commands", "*", "type", type,
                                "data", "{\"n\":\"wide\"}"};
    memcpy(words, head, sizeof(head));
    for (size_t i = 7; i < count; i++)
        words[i] = i % 2 ? "more" : "and more";
    redisReply *reply = redisCommandArgv(server.connection, (int)count, words, NULL);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    freeReplyObject(reply);
    free(words);
}

static size_t fields_of_the_dead_letter(void)
{
    redisReply *letters = test_ask(&server, "XRANGE {work}:dead - +");
    size_t fields = letters->element[0]->element[1]->elements / 2;
    freeReplyObject(letters);
    return fields;
}

static void thousands_of_fields(void **state)
{
    (void)state;
    add_wide("Unheard", 3000);
    AWAIT(test_dead(&server, WORK) == 1);
    assert_int_equal(fields_of_the_dead_letter(), 2 + 3000 + 4);
    expect_dead("type: service work has no handler");
    add_wide("Unheard", 5000); /* more than a server function can take: packed into one field */
    AWAIT(test_dead(&server, WORK) == 1);
    assert_int_equal(fields_of_the_dead_letter(), 1 + 4);
    expect_dead("type: service work has no handler");
    add_wide("Mark", 3000);
    AWAIT(test_number(&server, "{work}:marks", "wide") == 1);
    test_await_settled(&server, WORK);
}

static void logs_it_in_one_line(void **state)
{
    (void)state;
    int before = test_worker_logged(&worker, "message.dead");
    test_do(&server, "XADD {work}:commands * type %s", "X\nlevel=error message.dead");
    AWAIT(test_dead(&server, WORK) == 1);
    expect_dead("type: must be");
    assert_int_equal(test_worker_logged(&worker, "message.dead"), before + 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),
        cmocka_unit_test(data_that_is_no_object),
        cmocka_unit_test(data_with_bytes_that_are_no_text),
        cmocka_unit_test(data_that_is_too_much),
        cmocka_unit_test(the_largest_data_passes),
        cmocka_unit_test(other_fields),
        cmocka_unit_test(thousands_of_fields),
        cmocka_unit_test(logs_it_in_one_line),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
