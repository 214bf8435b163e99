/* Calls from outside a service: each command's end is found, whatever dies on the way, and takes
 * effect once. */
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
#define LONG_MS 15000
#define SHORT_MS 200
#define COPIES 60 /* ids, each with good and bad copies */

static struct test_server server;
static struct test_worker worker;
static weir_caller *caller;

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

static struct test_worker start_worker(const char *consumer)
{
    return test_worker_start(&server, WORK, consumer,
                             OPTIONS("--claim-idle", "200ms", "--retry-base", "5ms", "--retry-cap",
                                     "10ms", "--max-deliveries", "3"));
}

static void open_caller(const char *prefix)
{
    char why[256];
    caller = weir_caller_open(server.url, prefix, why, sizeof(why));
    if (!caller)
        fail_msg("%s", why);
}

static int set_up_alone(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    open_caller(NULL);
    return 0;
}

static int set_up(void **state)
{
    set_up_alone(state);
    worker = start_worker("one");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    weir_caller_close(caller);
    caller = NULL;
    test_workers_clear();
    return 0;
}

/* ---- Calling ------------------------------------------------------------------------------- */

/* The answer has to be `wanted`; its data's text is made from the format. */
static struct weir_call_answer call(enum weir_call_result wanted, const char *type, const char *id,
                                    int64_t limit_ms, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static struct weir_call_answer call(enum weir_call_result wanted, const char *type, const char *id,
                                    int64_t limit_ms, const char *format, ...)
{
    char text[512];
    struct weir_call_answer answer;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    json_t *data = json_loads(text, 0, NULL);
    assert_non_null(data);
    memset(&answer, 'x', sizeof(answer));
    enum weir_call_result result = weir_call(caller, WORK, type, id, data, limit_ms, &answer);
    json_decref(data);
    if (result != wanted)
        fail_msg("%s %s: result %d instead of %d: %s", type, id, (int)result, (int)wanted,
                 answer.reason);
    if (id)
        assert_string_equal(answer.id, id);
    assert_int_equal(result == WEIR_CALL_DONE, answer.reason[0] == '\0');
    return answer;
}

static void assert_reason(const struct weir_call_answer *answer, const char *part)
{
    if (!strstr(answer->reason, part))
        fail_msg("'%s' expected in: %s", part, answer->reason);
}

static long long marks(const char *n)
{
    return test_number(&server, "{work}:marks", n);
}

static void assert_last_event(const struct weir_token *token)
{
    redisReply *last = test_ask(&server, "XREVRANGE {work}:events + - COUNT 1");
    assert_int_equal(last->elements, 1);
    assert_string_equal(token->stream, "{work}:events");
    assert_string_equal(token->entry, last->element[0]->element[0]->str);
    freeReplyObject(last);
}

static void done_gives_the_token_of_its_last_event(void **state)
{
    (void)state;
    struct weir_call_answer first = call(WEIR_CALL_DONE, "Mark", NULL, LONG_MS, "{\"n\":\"a\"}");
    assert_last_event(&first.token);
    assert_int_equal(strlen(first.id), 32);
    assert_int_equal(marks("a"), 1);
    struct weir_call_answer other = call(WEIR_CALL_DONE, "Mark", NULL, LONG_MS, "{\"n\":\"b\"}");
    assert_last_event(&other.token);
    assert_string_not_equal(first.id, other.id);
    assert_string_not_equal(first.token.entry, other.token.entry);
    struct weir_call_answer silent =
        call(WEIR_CALL_DONE, "Count", NULL, LONG_MS, "{\"n\":\"c\",\"counter\":\"x\"}");
    assert_string_equal(silent.token.stream, "");
    assert_string_equal(silent.token.entry, "");
}

static void a_repeated_id_gets_the_same_token(void **state)
{
    (void)state;
    struct weir_call_answer first = call(WEIR_CALL_DONE, "Mark", "m/1#2", LONG_MS, "{\"n\":\"a\"}");
    call(WEIR_CALL_DONE, "Mark", NULL, LONG_MS, "{\"n\":\"b\"}");
    for (int i = 0; i < 5; i++) {
        struct weir_call_answer again =
            call(WEIR_CALL_DONE, "Mark", "m/1#2", LONG_MS, "{\"n\":\"a\"}");
        assert_memory_equal(&again.token, &first.token, sizeof(first.token));
        assert_string_equal(again.entry, ""); /* there was no need to send it */
    }
    test_do(&server, "XADD {work}:commands * type Mark id m/1#2 data {\"n\":\"a\"}");
    test_await_settled(&server, WORK);
    assert_int_equal(marks("a"), 1);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), 2);
}

/* As workers before wrote it. */
static void an_old_mark_says_done(void **state)
{
    (void)state;
    test_do(&server, "SET {work}:seen:m1 1 EX 1000");
    struct weir_call_answer answer = call(WEIR_CALL_DONE, "Mark", "m1", LONG_MS, "{\"n\":\"a\"}");
    assert_string_equal(answer.token.stream, "");
    test_do(&server, "XADD {work}:commands * type Mark id m1 data {\"n\":\"a\"}");
    test_await_settled(&server, WORK);
    assert_int_equal(marks("a"), 0);
}

/* Nothing that somebody else has put there gets through. */
static void a_mark_with_a_malformed_place_gives_no_token(void **state)
{
    (void)state;
    static const char *const marks_of_others[] = {
        "done {work}:events",
        "done {work}:events x",
        "done {work}:commands 5-0",
        "done {wo\nrk}:events 5-0",
        "done  5-0",
        "done {work}:events 5-0-0",
        "done",
    };
    for (size_t i = 0; i < sizeof(marks_of_others) / sizeof(marks_of_others[0]); i++) {
        test_do(&server, "SET {work}:seen:m1 %s", marks_of_others[i]);
        struct weir_call_answer answer = call(WEIR_CALL_DONE, "Mark", "m1", 0, "{}");
        assert_string_equal(answer.token.stream, "");
    }
    char *stream = calloc(1, 2001);
    assert_non_null(stream);
    memset(stream, '{', 2000);
    test_do(&server, "SET {work}:seen:m1 %b", stream, (size_t)2000);
    call(WEIR_CALL_UNKNOWN, "Mark", "m1", 0, "{}"); /* that is no mark at all */
    test_do(&server, "SET {work}:seen:m2 %s", "done ");
    test_do(&server, "APPEND {work}:seen:m2 %s", stream);
    test_do(&server, "APPEND {work}:seen:m2 %s", "}:events 5-0");
    struct weir_call_answer answer = call(WEIR_CALL_DONE, "Mark", "m2", 0, "{}");
    assert_string_equal(answer.token.stream, "");
    free(stream);
}

static void what_was_refused_may_come_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct weir_call_answer refused = call(WEIR_CALL_REFUSED, "Refuse", "m1", LONG_MS,
                                               "{\"n\":\"a\",\"outcome\":\"reject\",\"times\":9}");
        assert_string_equal(refused.reason, "wanted: reject");
        assert_false(refused.not_taken);
        assert_string_equal(refused.token.stream, "");
    }
    assert_int_equal(test_dead(&server, WORK), 3);
    struct weir_call_answer done = call(WEIR_CALL_DONE, "Mark", "m1", LONG_MS, "{\"n\":\"a\"}");
    assert_last_event(&done.token);
    struct weir_call_answer again = call(WEIR_CALL_DONE, "Refuse", "m1", LONG_MS,
                                         "{\"n\":\"a\",\"outcome\":\"reject\",\"times\":9}");
    assert_memory_equal(&again.token, &done.token, sizeof(done.token));
    assert_int_equal(marks("a"), 1);
}

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    struct weir_call_answer answer = call(WEIR_CALL_REFUSED, "Nonsense", NULL, LONG_MS, "{}");
    assert_reason(&answer, "service work has no handler for it");
    answer = call(WEIR_CALL_REFUSED, "Nonsense", answer.id, LONG_MS, "{}");
    answer = call(WEIR_CALL_DONE, "Mark", answer.id, LONG_MS, "{\"n\":\"a\"}");
}

static void what_used_up_its_deliveries_is_unknown(void **state)
{
    (void)state;
    struct weir_call_answer answer = call(WEIR_CALL_UNKNOWN, "Refuse", "m1", LONG_MS,
                                          "{\"n\":\"a\",\"outcome\":\"retry\",\"times\":99}");
    assert_string_equal(answer.reason, "gave up after 3 deliveries: wanted: retry");
    test_do(&server, "SET {work}:typed x");
    answer = call(WEIR_CALL_UNKNOWN, "Spoil", "m2", LONG_MS, "{\"n\":\"b\",\"key\":\"typed\"}");
    assert_reason(&answer, "{work}:typed: it is a string, not a hash");
    call(WEIR_CALL_DONE, "Mark", "m1", LONG_MS, "{\"n\":\"a\"}");
    assert_int_equal(marks("a"), 1);
    assert_int_equal(marks("b"), 0);
}

/* Its handler may have done anything before its process died. */
static void what_kills_its_workers_is_unknown(void **state)
{
    (void)state;
    char wanted[80];
    struct weir_call_answer answer =
        call(WEIR_CALL_UNKNOWN, "Crash", "m1", 0, "{\"n\":\"a\",\"times\":99}");
    for (long long end = test_now() + LONG_MS; test_dead(&server, WORK) == 0; test_pause()) {
        assert_true(test_now() < end);
        if (test_worker_ended(&worker))
            worker = start_worker("one");
    }
    snprintf(wanted, sizeof(wanted), "unknown %s delivered 3 times", answer.entry);
    char *mark = test_ask_text(&server, "GET {work}:seen:m1");
    assert_memory_equal(mark, wanted, strlen(wanted));
    free(mark);
    call(WEIR_CALL_DONE, "Mark", "m1", LONG_MS, "{\"n\":\"a\"}");
    assert_int_equal(marks("a"), 1);
}

/* A mark that is no text keeps nothing from its dead letter. */
static void a_mark_of_another_type_ends_in_a_dead_letter(void **state)
{
    (void)state;
    test_do(&server, "HSET {work}:seen:m1 f v");
    test_do(&server, "XADD {work}:commands * type Mark id m1 data {\"n\":\"a\"}");
    AWAIT(test_dead(&server, WORK) == 1);
    assert_non_null(strstr(test_newest(&server, "{work}:dead", "reason"), "mark of its id: WRONG"));
    test_await_settled(&server, WORK);
    struct weir_call_answer answer =
        call(WEIR_CALL_REFUSED, "Mark", "m1", LONG_MS, "{\"n\":\"a\"}");
    assert_reason(&answer, "WRONGTYPE");
}

/* The id may be that of the answer which is filled anew. */
static void an_answer_may_be_used_again(void **state)
{
    (void)state;
    struct weir_call_answer answer =
        call(WEIR_CALL_DONE, "Mark", "again1", LONG_MS, "{\"n\":\"a\"}");
    json_t *data = json_pack("{s:s}", "n", "a");
    assert_int_equal(weir_call(caller, WORK, "Mark", answer.id, data, LONG_MS, &answer),
                     WEIR_CALL_DONE);
    json_decref(data);
    assert_string_equal(answer.id, "again1");
    test_await_settled(&server, WORK);
    assert_int_equal(marks("a"), 1);
}

/* ---- Unknown, and repeated ----------------------------------------------------------------- */

static void what_was_unknown_is_found_done(void **state)
{
    (void)state;
    struct weir_call_answer answer =
        call(WEIR_CALL_UNKNOWN, "Mark", NULL, SHORT_MS, "{\"n\":\"a\"}");
    assert_reason(&answer, "after 200 ms");
    worker = start_worker("one");
    struct weir_call_answer again =
        call(WEIR_CALL_DONE, "Mark", answer.id, LONG_MS, "{\"n\":\"a\"}");
    assert_last_event(&again.token);
    test_await_settled(&server, WORK);
    assert_int_equal(marks("a"), 1);
}

static void a_bad_copy_before_says_nothing_of_a_good_one(void **state)
{
    (void)state;
    call(WEIR_CALL_UNKNOWN, "Refuse", "m1", 0, "{\"n\":\"a\",\"outcome\":\"reject\",\"times\":9}");
    worker = start_worker("one");
    call(WEIR_CALL_DONE, "Mark", "m1", LONG_MS, "{\"n\":\"a\"}");
    assert_int_equal(marks("a"), 1);
}

static void a_worker_is_killed_in_between(void **state)
{
    (void)state;
    struct weir_call_answer answer =
        call(WEIR_CALL_UNKNOWN, "Crash", NULL, SHORT_MS, "{\"n\":\"a\",\"times\":1}");
    assert_int_equal(test_worker_await_end(&worker), 128 + SIGKILL);
    worker = start_worker("one");
    struct weir_call_answer again =
        call(WEIR_CALL_DONE, "Crash", answer.id, LONG_MS, "{\"n\":\"a\",\"times\":1}");
    assert_last_event(&again.token);
    test_await_settled(&server, WORK);
    assert_int_equal(marks("a"), 1);
}

static void a_server_is_killed_in_between(void **state)
{
    (void)state;
    void (*before)(int) = signal(SIGPIPE, SIG_DFL); /* it must not end a program that calls */
    struct weir_call_answer answer = call(WEIR_CALL_DONE, "Mark", NULL, LONG_MS, "{\"n\":\"a\"}");
    test_server_stop(&server, SIGKILL);
    answer = call(WEIR_CALL_UNKNOWN, "Mark", NULL, SHORT_MS, "{\"n\":\"b\"}");
    assert_reason(&answer, server.url);
    call(WEIR_CALL_UNKNOWN, "Mark", answer.id, SHORT_MS, "{\"n\":\"b\"}");
    test_server_restart(&server, SIGKILL);
    call(WEIR_CALL_DONE, "Mark", answer.id, LONG_MS, "{\"n\":\"b\"}");
    signal(SIGPIPE, before);
    assert_int_equal(marks("b"), 1);
}

static void a_silent_server_is_waited_for_only_so_long(void **state)
{
    (void)state;
    test_server_freeze(&server);
    struct weir_call_answer answer =
        call(WEIR_CALL_UNKNOWN, "Mark", NULL, SHORT_MS, "{\"n\":\"a\"}");
    test_server_thaw(&server);
    assert_reason(&answer, "has not answered");
    assert_false(answer.not_taken);
    call(WEIR_CALL_DONE, "Mark", answer.id, LONG_MS, "{\"n\":\"a\"}");
    test_await_settled(&server, WORK);
    assert_int_equal(marks("a"), 1);
}

static void a_server_without_memory_is_no_refusal(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 1");
    struct weir_call_answer answer =
        call(WEIR_CALL_UNKNOWN, "Mark", NULL, SHORT_MS, "{\"n\":\"a\"}");
    test_do(&server, "CONFIG SET maxmemory 0");
    assert_reason(&answer, "OOM");
    assert_true(answer.not_taken);
    call(WEIR_CALL_DONE, "Mark", answer.id, LONG_MS, "{\"n\":\"a\"}");
}

/* Good and bad copies of one id, in flight at once in two processes: the good one takes effect
 * once, and no bad one hides that. */
static void copies_in_flight_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < COPIES; i++)
        for (int copy = 0; copy < 4; copy++)
            test_do(&server,
                    copy % 2 == i % 2
                        ? "XADD {work}:commands * type Mark id m%d data {\"n\":\"%d\"}"
                        : "XADD {work}:commands * type Refuse id m%d data "
                          "{\"n\":\"%d\",\"outcome\":\"reject\",\"times\":9}",
                    i, i);
    worker = start_worker("one");
    struct test_worker two = start_worker("two");
    test_await_settled(&server, WORK);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), COPIES);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    for (int i = 0; i < COPIES; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%d", i);
        struct weir_call_answer answer = call(WEIR_CALL_DONE, "Mark", id, 0, "{}");
        assert_string_equal(answer.token.stream, "{work}:events");
    }
    assert_int_equal(test_worker_end(&two, SIGTERM), 0);
}

/* ---- Arguments ----------------------------------------------------------------------------- */

static void nothing_malformed_is_sent(void **state)
{
    (void)state;
    static const struct {
        const char *service, *type, *id, *word;
    } cases[] = {
        {"or}ders", "Mark", "a", "service"},
        {"", "Mark", "a", "service"},
        {WORK, "9", "a", "type"},
        {WORK, "", "a", "type"},
        {WORK, "Mark", "a b", "id"},
        {WORK, "Mark", "", "id"},
        {WORK, "Mark", "\xff", "id"},
    };
    struct weir_call_answer answer;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(weir_call(caller, cases[i].service, cases[i].type, cases[i].id, NULL,
                                   SHORT_MS, &answer),
                         WEIR_CALL_REFUSED);
        assert_reason(&answer, cases[i].word);
        assert_true(answer.not_taken);
    }
    json_t *array = json_array(), *text = json_string("x"), *large = json_object();
    char *bytes = calloc(1, 1024 * 1024 + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', 1024 * 1024);
    json_object_set_new(large, "x", json_string(bytes));
    const json_t *const data[] = {array, text, large};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(weir_call(caller, WORK, "Mark", NULL, data[i], SHORT_MS, &answer),
                         WEIR_CALL_REFUSED);
        assert_reason(&answer, "data: ");
    }
    json_decref(array);
    json_decref(text);
    json_decref(large);
    free(bytes);
    assert_int_equal(test_ask_integer(&server, "DBSIZE"), 0);
}

static void limits_of_any_size_are_taken(void **state)
{
    (void)state;
    call(WEIR_CALL_DONE, "Mark", NULL, INT64_MAX, "{\"n\":\"a\"}");
    struct weir_call_answer answer =
        call(WEIR_CALL_UNKNOWN, "Sleep", NULL, INT64_MIN, "{\"n\":\"b\",\"ms\":300}");
    call(WEIR_CALL_DONE, "Sleep", answer.id, INT64_MAX, "{\"n\":\"b\"}");
}

static void opens_only_what_is_there(void **state)
{
    (void)state;
    static const struct {
        const char *url, *prefix, *word;
    } cases[] = {
        {"localhost", NULL, "URL"},
        {"rediss://h", NULL, "TLS"},
        {"unix:///nowhere", NULL, "/nowhere"},
        {"redis://127.0.0.1:1", "", "redis://127.0.0.1:1"},
        {NULL, "{x}", "prefix"},
        {NULL, "a b", "prefix"},
        {NULL, "\xff", "prefix"},
        {NULL, "12345678901234567890123456789012345678901234567890123456789012345", "prefix"},
    };
    char why[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *url = cases[i].url ? cases[i].url : server.url;
        assert_null(weir_caller_open(url, cases[i].prefix, why, sizeof(why)));
        if (!strstr(why, cases[i].word))
            fail_msg("'%s' expected in: %s", cases[i].word, why);
    }
    weir_caller_close(NULL);
}

static void a_namespace_stands_before_all_keys(void **state)
{
    (void)state;
    weir_caller_close(caller);
    open_caller("t1:");
    call(WEIR_CALL_UNKNOWN, "Mark", NULL, 0, "{\"n\":\"a\"}");
    assert_int_equal(test_ask_integer(&server, "XLEN t1:{work}:commands"), 1);
    struct test_worker other =
        test_worker_start(&server, WORK, "other", OPTIONS("--namespace", "t1:"));
    struct weir_call_answer answer = call(WEIR_CALL_DONE, "Mark", NULL, LONG_MS, "{\"n\":\"b\"}");
    assert_string_equal(answer.token.stream, "t1:{work}:events");
    assert_int_equal(test_worker_end(&other, SIGTERM), 0);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, set_up_alone, tear_down)
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(done_gives_the_token_of_its_last_event),
        CASE(a_repeated_id_gets_the_same_token),
        CASE(an_answer_may_be_used_again),
        CASE(an_old_mark_says_done),
        ALONE(a_mark_with_a_malformed_place_gives_no_token),
        CASE(what_was_refused_may_come_again),
        CASE(what_is_not_understood_is_refused),
        CASE(what_used_up_its_deliveries_is_unknown),
        CASE(what_kills_its_workers_is_unknown),
        CASE(a_mark_of_another_type_ends_in_a_dead_letter),
        ALONE(what_was_unknown_is_found_done),
        ALONE(a_bad_copy_before_says_nothing_of_a_good_one),
        CASE(a_worker_is_killed_in_between),
        CASE(a_server_is_killed_in_between),
        CASE(a_silent_server_is_waited_for_only_so_long),
        CASE(a_server_without_memory_is_no_refusal),
        ALONE(copies_in_flight_at_once),
        ALONE(nothing_malformed_is_sent),
        CASE(limits_of_any_size_are_taken),
        ALONE(opens_only_what_is_there),
        ALONE(a_namespace_stands_before_all_keys),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
