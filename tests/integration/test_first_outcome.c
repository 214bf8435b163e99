/* Copies of one message that say `once`: the first outcome of their id is that of all, whatever is
 * wrong with the others, and whoever comes to an end between a look at the mark and the commit. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/proxy.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define MARK "{work}:seen:k"
#define COPY "XADD {work}:commands * id k once 1 type "
#define REFUSED "Refuse data {\"n\":\"a\",\"outcome\":\"reject\",\"times\":9}"
#define GIVEN_UP "Refuse data {\"n\":\"a\",\"outcome\":\"retry\",\"times\":9}"
#define QUICK "--claim-idle", "200ms", "--log-level", "debug", "--max-deliveries"

static struct test_server server;

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    setenv("TEST_SOCKET", server.socket, 1);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    return 0;
}

static struct test_worker start_worker(const char *consumer)
{
    return test_worker_start(&server, WORK, consumer, OPTIONS(QUICK, "5"));
}

static void expect_mark(const char *wanted)
{
    char *mark = test_ask_text(&server, "GET " MARK);
    assert_string_equal(mark, wanted);
    free(mark);
}

/* One copy is refused; returns the mark that it leaves, which the caller frees. */
static char *have_one_refused(void)
{
    test_do(&server, COPY REFUSED);
    test_await_settled(&server, WORK);
    assert_int_equal(test_dead(&server, WORK), 1);
    return test_ask_text(&server, "GET " MARK);
}

/* As workers leave it that die of it again and again. */
static void leave_with_the_dead(void)
{
    redisReply *read =
        test_ask(&server, "XREADGROUP GROUP work ghost COUNT 1 STREAMS {work}:commands >");
    test_do(&server, "XCLAIM {work}:commands work ghost 0 %s IDLE 3600000 RETRYCOUNT 8",
            read->element[0]->element[1]->element[0]->element[0]->str);
    freeReplyObject(read);
}

/* ---- Behind the first outcome -------------------------------------------------------------- */

static void a_copy_that_its_workers_died_of_changes_nothing(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    char *first = have_one_refused();
    test_worker_end_well(&one);
    test_do(&server, COPY REFUSED);
    leave_with_the_dead();
    one = start_worker("two");
    test_await_settled(&server, WORK);
    expect_mark(first);
    assert_int_equal(test_dead(&server, WORK), 1);
    assert_int_equal(test_worker_logged(&one, "message.taken_over"), 1);
    assert_int_equal(test_worker_logged_of(&one, "message.handled", "outcome=discarded"), 1);
    test_worker_end_well(&one);
    free(first);
}

/* A rolling restart may have a worker that does not know the type yet. */
static void a_copy_that_is_not_understood_changes_nothing(void **state)
{
    (void)state;
    static const char *const copies[] = {COPY "Mark data {", COPY "Unheard", COPY "Mark delay soon",
                                         COPY "Mark type Mark", COPY "Unheard data {"};
    struct test_worker one = start_worker("one");
    char *first = have_one_refused();
    for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
        test_do(&server, copies[i]);
        test_await_settled(&server, WORK);
        expect_mark(first);
        assert_int_equal(test_dead(&server, WORK), 1);
        AWAIT(test_worker_logged_of(&one, "message.handled", "outcome=discarded") == (int)i + 1);
    }
    test_worker_end_well(&one);
    free(first);
}

/* What the handler would read cannot be, which is no matter any more. */
static void a_copy_whose_state_is_unreadable_changes_nothing(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    char *first = have_one_refused();
    test_do(&server, "SET {work}:counter:c text");
    test_do(&server, COPY "Count data {\"n\":\"a\",\"counter\":\"c\"}");
    test_await_settled(&server, WORK);
    expect_mark(first);
    assert_int_equal(test_dead(&server, WORK), 1);
    test_worker_end_well(&one);
    free(first);
}

/* Each of those that do not say `once` stands for itself. */
static void without_the_word_each_has_its_own_end(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    char *first = have_one_refused(), *second;
    test_do(&server, "XADD {work}:commands * id k type Unheard");
    test_await_settled(&server, WORK);
    assert_int_equal(test_dead(&server, WORK), 2);
    second = test_ask_text(&server, "GET " MARK);
    assert_string_not_equal(second, first);
    test_do(&server, "XADD {work}:commands * id k type Mark data {\"n\":\"a\"}");
    test_await_settled(&server, WORK);
    assert_int_equal(test_number(&server, "{work}:marks", "a"), 1);
    test_worker_end_well(&one);
    free(first);
    free(second);
}

/* Of a version to come, or nobody's: it is there. */
static void a_mark_in_unknown_words_bars_as_well(void **state)
{
    (void)state;
    static const char *const marks[] = {"postponed 1-1 until noon", ""};
    struct test_worker one = start_worker("one");
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        test_do(&server, "SET " MARK " %s", marks[i]);
        test_do(&server, COPY "Mark data {\"n\":\"a\"}");
        test_await_settled(&server, WORK);
        expect_mark(marks[i]);
    }
    assert_int_equal(test_worker_logged(&one, "test.run"), 0);
    assert_int_equal(test_dead(&server, WORK), 0);
    test_worker_end_well(&one);
}

/* Nobody can say what became of the id: the letter says so. */
static void a_mark_of_another_type_buries(void **state)
{
    (void)state;
    static const char *const copies[] = {COPY "Mark data {\"n\":\"a\"}", COPY "Unheard"};
    struct test_worker one = start_worker("one");
    test_do(&server, "HSET " MARK " f v");
    for (int i = 0; i < 2; i++) {
        test_do(&server, copies[i]);
        test_await_settled(&server, WORK);
        assert_int_equal(test_dead(&server, WORK), i + 1);
    }
    assert_int_equal(test_number(&server, "{work}:marks", "a"), 0);
    assert_string_equal(test_text(&server, MARK, "f"), "v");
    test_worker_end_well(&one);
}

/* ---- Beside the first outcome -------------------------------------------------------------- */

/* Does `copy` until the commit that holds `word` is under way; then another copy has come to its
 * end. */
static void end_another_behind_the_look(const char *copy, const char *word)
{
    struct test_proxy proxy;
    struct test_worker one;
    set_up(NULL);
    test_do(&server, "SET {work}:text text");
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_commit", word, PROXY_HOLD});
    one = test_worker_launch(proxy.url, WORK, "one", OPTIONS("--max-deliveries", "1"));
    test_worker_await_log(&one, "worker.ready");
    test_do(&server, copy);
    test_proxy_await(&proxy);
    test_do(&server, "SET " MARK " %s", "refused 1-1 by another");
    test_proxy_release(&proxy, PROXY_NONE);
    test_await_settled(&server, WORK);
    expect_mark("refused 1-1 by another");
    assert_int_equal(test_dead(&server, WORK), 0);
    test_worker_end_well(&one);
    assert_int_equal(test_worker_logged(&one, "message.dead"), 0);
    test_proxy_stop(&proxy);
}

static void no_letter_comes_behind_the_look(void **state)
{
    (void)state;
    end_another_behind_the_look(COPY REFUSED, "wanted: reject");
    end_another_behind_the_look(COPY GIVEN_UP, "gave up after");
    end_another_behind_the_look(COPY "Mark data {", "data: ");
    end_another_behind_the_look(COPY "Unheard", "has no handler");
    end_another_behind_the_look(COPY "Spoil data {\"n\":\"a\",\"key\":\"text\"}", "not a hash");
}

/* It had run out of its attempts at fresh state by then. */
static void nor_behind_state_that_kept_changing(void **state)
{
    (void)state;
    end_another_behind_the_look(COPY "Chase", "kept changing");
}

/* ---- A handler that is always too late ----------------------------------------------------- */

static enum weir_outcome chase(weir_context *context, const weir_message *message)
{
    redisContext *other = redisConnectUnix(getenv("TEST_SOCKET"));
    int64_t value = 0;
    (void)message;
    (void)!weir_hget_integer(context, NULL, "value", &value);
    weir_hset_integer(context, NULL, "value", value + 1);
    if (other)
        freeReplyObject(redisCommand(other, "HINCRBY {work}:counter:c value 1"));
    redisFree(other);
    return WEIR_DONE;
}

static weir_service *service_with_chase(const char *name)
{
    weir_service *service = test_work_service(name);
    weir_on_command(service, "Chase", chase, "counter:c");
    return service;
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_copy_that_its_workers_died_of_changes_nothing),
        CASE(a_copy_that_is_not_understood_changes_nothing),
        CASE(a_copy_whose_state_is_unreadable_changes_nothing),
        CASE(without_the_word_each_has_its_own_end),
        CASE(a_mark_in_unknown_words_bars_as_well),
        CASE(a_mark_of_another_type_buries),
        CASE(no_letter_comes_behind_the_look),
        CASE(nor_behind_state_that_kept_changing),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, service_with_chase);
    return cmocka_run_group_tests(tests, start, stop);
}
