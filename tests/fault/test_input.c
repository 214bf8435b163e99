/* Input that nobody should send: sizes, depths, numbers, bytes and ids beyond every limit, and
 * poison in the coordinator's own streams. It becomes a dead letter with a reason, or is counted;
 * it makes no key, forges no line of a log, and what comes behind it is handled. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/sagas.h"
#include "support/worker.h"

#define EXACT "exact"

static struct test_server server;
static struct test_worker worker, coordinator;

/* Store {n, value}: keeps the value, a whole number, under the name n. */
static enum weir_outcome store(weir_context *context, const weir_message *message)
{
    const char *name;
    int64_t value;
    (void)message;
    if (!weir_require_id(context, "n", &name) ||
        !weir_require_integer(context, "value", INT64_MIN, INT64_MAX, &value))
        return WEIR_REJECT;
    weir_hset_integer(context, "values", name, value);
    weir_hincrby(context, "times", name, 1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Store", store, NULL);
    return service;
}

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    test_define(&server, "lonely", 1,
                "'steps':[{'name':'do','service':'nobody','command':'Do','timeoutMs':600000}]");
    worker = test_worker_start(&server, EXACT, "one", NULL);
    coordinator = test_coordinator_start(&server, "one", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_worker_end_well(&worker);
    test_worker_end_well(&coordinator);
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int no_dead_letters(void **state)
{
    (void)state;
    test_do(&server, "DEL {exact}:dead {sagas}:dead");
    return 0;
}

/* What is sent last is handled, so what was sent before is, too. */
static void expect_going_on(void)
{
    static int sent;
    char name[24];
    snprintf(name, sizeof name, "after%d", ++sent);
    test_send(&server, EXACT, "Store", "{\"n\":\"%s\",\"value\":1}", name);
    AWAIT(test_number(&server, "{exact}:values", name) == 1);
    test_await_settled(&server, EXACT);
}

static void expect_dead(const char *service, long long count, const char *reason)
{
    char key[64];
    snprintf(key, sizeof key, "{%s}:dead", service);
    AWAIT(test_dead(&server, service) == count);
    const char *found = test_newest(&server, key, "reason");
    if (strstr(found, reason) == NULL)
        fail_msg("'%s' does not hold '%s'", found, reason);
}

/* ---- Size and depth ------------------------------------------------------------------------ */

static void send_repeated(const char *head, char byte, size_t count, const char *tail)
{
    size_t head_length = strlen(head), tail_length = strlen(tail);
    char *data = malloc(head_length + count + tail_length + 1);
    assert_non_null(data);
    memcpy(data, head, head_length);
    memset(data + head_length, byte, count);
    memcpy(data + head_length + count, tail, tail_length + 1);
    test_do(&server, "XADD {exact}:commands * type Store data %b", data,
            head_length + count + tail_length);
    free(data);
}

#ifndef __SANITIZE_ADDRESS__
static long resident_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = atol(line + 6);
    fclose(file);
    return kib;
}

#endif

#ifdef __SANITIZE_ADDRESS__ /* each byte is looked at many times */
#define LARGE_MB 8
#else
#define LARGE_MB 64
#endif

/* The letter is kept whole; the worker does not stay as large as it. */
static void data_of_many_megabytes(void **state)
{
    (void)state;
    send_repeated("{\"n\":\"", 'x', (size_t)LARGE_MB << 20, "\",\"value\":1}");
    expect_dead(EXACT, 1, "at most 1048576 are allowed");
    test_do(&server, "DEL {exact}:dead");
    expect_going_on();
#ifndef __SANITIZE_ADDRESS__
    AWAIT(resident_kib(worker.pid) < 64 << 10);
#endif
}

static void a_hundred_thousand_brackets(void **state)
{
    (void)state;
    send_repeated("{\"n\":", '[', 100000, "");
    expect_dead(EXACT, 1, "data: nested more than 64 deep");
    send_repeated("{\"n\":\"", '[', 100000, "\",\"value\":1}"); /* no nesting, but no id */
    expect_dead(EXACT, 2, "n: must be a text of 1 to 128 bytes");
    expect_going_on();
}

/* ---- Numbers ------------------------------------------------------------------------------- */

static void whole_numbers_stay_what_they_are(void **state)
{
    static const char *const exact[] = {"9007199254740993",
                                        "123456789012345",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "-1",
                                        "0"};
    (void)state;
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        test_send(&server, EXACT, "Store", "{\"n\":\"v\",\"value\":%s}", exact[i]);
        test_await_settled(&server, EXACT);
        assert_string_equal(test_text(&server, "{exact}:values", "v"), exact[i]);
    }
    test_send(&server, EXACT, "Store", "{\"n\":\"v\",\"value\":-0}");
    test_await_settled(&server, EXACT);
    assert_string_equal(test_text(&server, "{exact}:values", "v"), "0");
    assert_int_equal(test_dead(&server, EXACT), 0);
}

static void what_is_no_whole_number_is_refused(void **state)
{
    static const char *const others[][2] = {
        {"9223372036854775808", "data: not valid JSON"},
        {"1e3", "value: must be a whole number"},
        {"1.0", "value: must be a whole number"},
        {"\"7\"", "value: must be a whole number"},
        {"true", "value: must be a whole number"},
        {"null", "value: must be a whole number"},
        {"[7]", "value: must be a whole number"},
        {"007", "data: not valid JSON"},
        {"NaN", "data: not valid JSON"},
        {"1,\"value\":2", "data: not valid JSON: duplicate object key"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        test_send(&server, EXACT, "Store", "{\"n\":\"w\",\"value\":%s}", others[i][0]);
        expect_dead(EXACT, (long long)i + 1, others[i][1]);
    }
    assert_string_equal(test_text(&server, "{exact}:values", "w"), "");
    expect_going_on();
}

/* ---- Bytes in ids, and where they are shown ------------------------------------------------ */

/* Every line is of this program's own making. */
static void expect_clean_log(const char *log)
{
    char line[8192];
    FILE *file = fopen(log, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        size_t length = strcspn(line, "\n");
        assert_true(strncmp(line, "20", 2) == 0); /* begins with the time */
        for (size_t i = 0; i < length; i++)
            assert_true((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
    }
    fclose(file);
}

static const struct odd {
    const char *bytes;
    size_t length;
} odd[] = {
    {"a\0b", 3},         {"a\r\nERR forged", 13},
    {"\x1b[31mred", 8},  {"\xff\xfe", 2},
    {"a b", 3},          {"", 0},
    {"a\x7f", 2},        {"{s}", 3},
    {"a{b", 3},          {"a}b", 3},
    {"../../{x}:y", 11},
};

/* No saga, and nothing outside the two services and weir's list of them. */
static void expect_no_other_keys(void)
{
    redisReply *keys = test_ask(&server, "KEYS *");
    for (size_t i = 0; i < keys->elements; i++) {
        const char *key = keys->element[i]->str;
        if (strncmp(key, "{sagas}:saga:", 13) == 0 ||
            (strncmp(key, "{sagas}:", 8) != 0 && strncmp(key, "{exact}:", 8) != 0 &&
             strcmp(key, "{weir}:services") != 0))
            fail_msg("the key %s has been made", key);
    }
    freeReplyObject(keys);
}

static void odd_ids_make_no_keys(void **state)
{
    char *long_id = malloc(10001);
    (void)state;
    assert_non_null(long_id);
    memset(long_id, 'x', 10000);
    long_id[10000] = '\0';
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        test_do(&server, "XADD {sagas}:commands * type StartSaga definition lonely saga %b",
                odd[i].bytes, odd[i].length);
    test_do(&server, "XADD {sagas}:commands * type StartSaga definition lonely saga %s", long_id);
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga fine definition %s", "{x}:y");
    expect_dead("sagas", (long long)(sizeof odd / sizeof odd[0]) + 2, "definition: is missing");
    expect_no_other_keys();
    expect_clean_log(coordinator.log);
    free(long_id);
}

static void odd_bytes_are_shown_as_one_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < 7; i++) {
        test_do(&server, "XADD {exact}:commands * type Store id %b data {}", odd[i].bytes,
                odd[i].length);
        test_do(&server, "XADD {exact}:commands * type %b data {}", odd[i].bytes, odd[i].length);
        test_do(&server, "XADD {exact}:commands * type Store %b x data {}", odd[i].bytes,
                odd[i].length);
        test_do(&server, "XADD {exact}:commands * type Store subject %b data {}", odd[i].bytes,
                odd[i].length);
    }
    AWAIT(test_dead(&server, EXACT) == 28);
    expect_going_on();
    expect_clean_log(worker.log);
    redisReply *letters = test_ask(&server, "XRANGE {exact}:dead - +");
    for (size_t i = 0; i < letters->elements; i++) {
        const redisReply *body = letters->element[i]->element[1];
        for (size_t at = 0; at + 1 < body->elements; at += 2)
            if (strcmp(body->element[at]->str, "reason") == 0)
                assert_null(strpbrk(body->element[at + 1]->str, "\r\n\x1b"));
    }
    freeReplyObject(letters);
}

/* ---- Repetitions --------------------------------------------------------------------------- */

static void the_same_id_has_one_effect(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        test_do(&server,
                "XADD {exact}:commands * type Store id same data {\"n\":\"s\",\"value\":%d}", i);
    test_await_settled(&server, EXACT);
    assert_int_equal(test_number(&server, "{exact}:times", "s"), 1);
    assert_int_equal(test_number(&server, "{exact}:values", "s"), 0); /* the first one's */
    assert_int_equal(test_dead(&server, EXACT), 0);
}

static void answers_for_what_has_ended(void **state)
{
    (void)state;
    test_saga_begin(&server, "over", "lonely", "{}");
    AWAIT(test_saga_is(&server, "over", "running"));
    for (int i = 0; i < 4; i++)
        test_do(&server, "XADD {sagas}:replies * type %s saga over step do action execute data {}",
                i < 2 ? "StepSucceeded" : "StepFailed");
    test_do(&server, "XADD {sagas}:replies * type StepSucceeded saga ghost step do action execute");
    test_sagas_await_rest(&server, 15000);
    AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == 0);
    assert_true(test_saga_is(&server, "over", "completed"));
    assert_string_equal(test_saga_events(&server, "over"), "SagaStarted SagaCompleted ");
    assert_int_equal(test_ask_integer(&server, "EXISTS {sagas}:saga:ghost"), 0);
    assert_int_equal(test_dead(&server, "sagas"), 0);
}

/* ---- The coordinator's own streams --------------------------------------------------------- */

static void poison_for_the_coordinator(void **state)
{
    static const char *const streams[] = {"commands", "replies"};
    static const char *const poison[] = {
        "a b",
        "type Nonsense",
        "type StartSaga data {",
        "type StartSaga data [1]",
        "type StepSucceeded data {",
        "type StepFailed saga x",
        "type StartSaga saga s saga t",
        "type CancelSaga",
        "type ResumeSaga saga x",
        "type SagaWake",
        "data {}",
    };
    char command[256];
    long long sent = 0;
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < sizeof poison / sizeof poison[0]; j++, sent++) {
            snprintf(command, sizeof command, "XADD {sagas}:%s * %s", streams[i], poison[j]);
            test_do(&server, command);
        }
    AWAIT(test_dead(&server, "sagas") == sent);
    test_saga_begin(&server, "behind", "lonely", "{}");
    AWAIT(test_saga_is(&server, "behind", "running"));
    assert_int_equal(test_pending(&server, "sagas"), 0);
    expect_clean_log(coordinator.log);
}

#define EACH(test) cmocka_unit_test_setup(test, no_dead_letters)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        EACH(data_of_many_megabytes),
        EACH(a_hundred_thousand_brackets),
        EACH(whole_numbers_stay_what_they_are),
        EACH(what_is_no_whole_number_is_refused),
        EACH(odd_ids_make_no_keys),
        EACH(odd_bytes_are_shown_as_one_line),
        EACH(the_same_id_has_one_effect),
        EACH(answers_for_what_has_ended),
        EACH(poison_for_the_coordinator),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
