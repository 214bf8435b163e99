/* What somebody has deleted, or a server has forgotten: all of it, a stream, a group, a consumer,
 * the newest part. What is gone is said once; nothing of it shows up later; what comes is served.
 */
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/proxy.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"

#define WORK "work"
#define STEPS "steps"
#define QUICK "--claim-idle", "300ms", "--retry-base", "10ms", "--log-level", "debug"
#define STEP(name, more)                                                                           \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'," more "}"
#define LONG "'timeoutMs':20000,'backoffMs':10,'attempts':5"
#define REST_MS 15000

static const char *const durable[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
static struct test_server server;

static weir_service *make(const char *name)
{
    return strcmp(name, STEPS) == 0 ? test_step_service(name) : test_work_service(name);
}

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", durable);
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
    return test_worker_start(&server, WORK, consumer, OPTIONS(QUICK));
}

static void send_batch(const char *type, int from, int count, const char *more)
{
    assert_int_equal(test_send_many(&server, WORK, type, more, from, count, NULL), count);
}

static void assert_each_once(int count)
{
    test_await_settled(&server, WORK);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
}

static int complaints(const struct test_worker *worker)
{
    return test_worker_logged(worker, " error ") + test_worker_logged(worker, " warn");
}

/* ---- All ------------------------------------------------------------------------------------- */

static void begin_sagas(const char *prefix, int count, const char *data)
{
    char saga[32];
    for (int i = 0; i < count; i++) {
        snprintf(saga, sizeof(saga), "%s%d", prefix, i);
        test_saga_begin(&server, saga, "chain", data);
    }
}

static void define(void)
{
    test_define(&server, "chain", 1, "'steps':[" STEP("a", LONG) "," STEP("b", LONG) "]");
}

static bool functions_are_there(void)
{
    redisReply *list = test_ask(&server, "FUNCTION LIST");
    bool there = list->elements == 1;
    freeReplyObject(list);
    return there;
}

static void a_flush_is_said_once_and_survived(void **state)
{
    (void)state;
    struct test_worker steps = test_worker_start(&server, STEPS, "steps-1", NULL);
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    define();
    begin_sagas("lost", 50, "{'defer':60000}");
    AWAIT(test_sagas_in(&server, "running") == 50);
    AWAIT(test_pending(&server, STEPS) == 50);
    test_do(&server, "FLUSHALL");
    test_worker_await_log(&steps, "data.lost");
    test_worker_await_log(&coordinator, "data.lost");
    assert_int_equal(test_worker_logged(&steps, "group=steps streams=1 groups=0"), 1);
    assert_int_equal(test_worker_logged(&coordinator, "group=sagas streams=3 groups=0"), 1);
    assert_true(functions_are_there());
    begin_sagas("early", 1, "{}"); /* its definition is gone, too */
    AWAIT(test_dead(&server, "sagas") == 1);
    assert_non_null(strstr(test_newest(&server, "{sagas}:dead", "reason"), "chain"));
    define();
    begin_sagas("new", 50, "{}");
    AWAIT(test_sagas_in(&server, "completed") == 50);
    test_sagas_await_rest(&server, REST_MS);
    test_await_settled(&server, STEPS);
    assert_int_equal(test_ask_integer(&server, "EXISTS {sagas}:saga:lost0 {steps}:effects:lost0"),
                     0);
    assert_int_equal(test_dead(&server, STEPS), 0);
    assert_int_equal(test_worker_logged(&steps, "data.lost"), 1);
    assert_int_equal(test_worker_logged(&coordinator, "data.lost"), 1);
    assert_int_equal(test_worker_logged(&steps, "library.loaded"), 1);
    assert_true(complaints(&steps) < 10 && complaints(&coordinator) < 10);
    assert_int_equal(test_worker_end(&coordinator, SIGTERM), 0);
    assert_int_equal(test_worker_end(&steps, SIGKILL), 128 + SIGKILL); /* it waits for the lost */
}

/* A server that keeps nothing comes back empty: the same, seen on a new connection. */
static void a_server_that_comes_back_empty_is_told_of(void **state)
{
    (void)state;
    struct test_server brief;
    test_server_start(&brief, "brief", NULL);
    struct test_worker one = test_worker_start(&brief, WORK, "one", OPTIONS(QUICK));
    assert_int_equal(test_worker_logged(&one, "data.lost"), 0);
    test_server_restart(&brief, SIGKILL);
    test_worker_await_log(&one, "data.lost");
    assert_int_equal(test_send_many(&brief, WORK, "Mark", "", 0, 20, NULL), 20);
    test_await_settled(&brief, WORK);
    assert_int_equal(test_others(&brief, "{work}:marks", "1"), 0);
    assert_int_equal(test_ask_integer(&brief, "HLEN {work}:marks"), 20);
    assert_int_equal(test_worker_logged(&one, "data.lost"), 1);
    test_worker_end_well(&one);
    test_server_stop(&brief, SIGTERM);
}

/* ---- A group, a consumer, bodies ------------------------------------------------------------- */

/* Made again at the beginning by hand, while messages are in hand: all are delivered once more. */
static void a_group_set_back_to_the_beginning_does_no_harm(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    for (int i = 0; i < 5; i++) {
        char first[24];
        snprintf(first, sizeof(first), "test.run n=n%d", i * 100);
        send_batch("Defer", i * 100, 100, ",\"ms\":100");
        AWAIT(test_worker_logged(&one, first) > 0);
        test_do(&server, "XGROUP DESTROY {work}:commands work");
        redisReply *made = redisCommand(server.connection, "XGROUP CREATE {work}:commands work 0");
        assert_non_null(made); /* or the worker was quicker */
        freeReplyObject(made);
    }
    assert_each_once(500);
    assert_true(test_worker_logged(&one, "message.fenced") > 0);
    test_worker_end_well(&one);
}

/* The step's command is nobody's any more, neither pending nor new: the saga's timeout sees to it.
 */
static void a_deleted_consumer_costs_no_saga(void **state)
{
    (void)state;
    struct test_worker steps = test_worker_start(&server, STEPS, "one", OPTIONS(QUICK));
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "chain", 1,
                "'steps':[" STEP("a", "'timeoutMs':500,'backoffMs':10,'attempts':20") "]");
    test_saga_begin(&server, "s", "chain", "{'defer':1500}");
    AWAIT(test_pending(&server, STEPS) == 1);
    assert_int_equal(test_ask_integer(&server, "XGROUP DELCONSUMER {steps}:commands steps one"), 1);
    AWAIT(test_saga_is(&server, "s", "completed"));
    test_sagas_await_rest(&server, REST_MS);
    AWAIT(test_pending(&server, STEPS) == 0);
    assert_int_equal(test_number(&server, "{steps}:effects:s", "a"), 1);
    assert_in_range(test_number(&server, "{sagas}:saga:s", "step:a:attempts"), 2, 20);
    assert_true(test_worker_logged(&steps, "message.fenced") >= 1);
    assert_int_equal(test_dead(&server, STEPS), 0);
    test_worker_end_well(&steps);
    test_worker_end_well(&coordinator);
}

/* Trimmed by hand, past what a dead worker has in hand: what is lost is counted and put among the
 * dead letters, nothing is waited for. */
static void a_stream_trimmed_past_pending_entries_goes_on(void **state)
{
    (void)state;
    struct test_worker one = start_worker("one");
    send_batch("Defer", 0, 20, ",\"ms\":60000");
    AWAIT(test_pending(&server, WORK) == 20);
    assert_int_equal(test_worker_end(&one, SIGKILL), 128 + SIGKILL);
    test_do(&server, "XTRIM {work}:commands MAXLEN 5");
    struct test_worker two = start_worker("two");
    test_await_settled(&server, WORK);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 5);
    assert_int_equal(test_dead(&server, WORK), 15);
    assert_non_null(strstr(test_newest(&server, "{work}:dead", "reason"), "deleted"));
    assert_true(test_worker_logged(&two, "message.body_lost") > 0);
    test_worker_end_well(&two);
}

/* ---- The newest part ------------------------------------------------------------------------- */

static void append_only_file(const struct test_server *of, char path[TEST_PATH_MAX + 64])
{
    glob_t found;
    char pattern[TEST_PATH_MAX + 64];
    snprintf(pattern, sizeof(pattern), "%s/appendonlydir/*.incr.aof", of->folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    snprintf(path, TEST_PATH_MAX + 64, "%s", found.gl_pathv[0]);
    globfree(&found);
}

static off_t file_size(void)
{
    char path[TEST_PATH_MAX + 64];
    struct stat about;
    append_only_file(&server, path);
    assert_int_equal(stat(path, &about), 0);
    return about.st_size;
}

/* As a server with `everysec` may come back: without what it did since the file had that size. */
static void die_and_forget(off_t size)
{
    char path[TEST_PATH_MAX + 64];
    append_only_file(&server, path);
    test_server_stop(&server, SIGKILL);
    assert_int_equal(truncate(path, size), 0);
    test_server_mend(&server);
    test_server_restart(&server, 0);
}

static void messages_of_a_lost_time_have_no_effect(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_commit", "n10", PROXY_HOLD});
    struct test_worker one = test_worker_launch(proxy.url, WORK, "one", OPTIONS(QUICK));
    send_batch("Mark", 0, 10, "");
    assert_each_once(10);
    off_t size = file_size();
    send_batch("Mark", 10, 20, "");
    test_proxy_await(&proxy); /* the commits wait on the line, one behind the other */
    AWAIT(test_worker_logged(&one, "test.run") == 30);
    assert_int_equal(test_pending(&server, WORK), 20);
    die_and_forget(size);
    assert_int_equal(test_backlog(&server, WORK), 0);
    AWAIT(test_worker_logged(&one, "message.fenced") == 20);
    assert_each_once(10);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), 10);
    send_batch("Mark", 100, 10, "");
    assert_each_once(20);
    test_worker_end_well(&one);
    test_proxy_stop(&proxy);
}

/* The file may end anywhere, also within a commit: that is then missing whole, and done again. */
static void a_file_that_ends_within_a_commit_holds_none_of_it(void **state)
{
    (void)state;
    enum { ROUNDS = 6, EACH = 40 };
    static const char broken[] =
        "local wrong = 0 for _, n in ipairs(redis.call('HKEYS', KEYS[1])) do "
        "  if redis.call('HEXISTS', KEYS[2], n) == 0 then wrong = wrong + 1 end end "
        "return wrong + math.abs(redis.call('HLEN', KEYS[1]) - redis.call('XLEN', KEYS[3])) "
        "  + math.abs(redis.call('HLEN', KEYS[1]) - redis.call('HLEN', KEYS[2]))";
    struct test_worker one = start_worker("one");
    long long in_the_middle = 0;
    for (int i = 0; i < ROUNDS; i++) {
        test_await_settled(&server, WORK);
        kill(one.pid, SIGSTOP);
        send_batch("Mark", i * EACH, EACH, "");
        off_t before = file_size();
        kill(one.pid, SIGCONT);
        test_await_settled(&server, WORK);
        off_t commits = file_size() - before;
        kill(one.pid, SIGSTOP);
        die_and_forget(before + (off_t)test_random((unsigned)commits));
        assert_int_equal(test_ask_integer(&server,
                                          "EVAL %s 3 {work}:marks {work}:deliveries {work}:events",
                                          broken),
                         0);
        in_the_middle += test_ask_integer(&server, "HLEN {work}:marks") < (i + 1) * EACH;
        kill(one.pid, SIGCONT);
        assert_each_once((i + 1) * EACH);
    }
    assert_true(in_the_middle > 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), ROUNDS * EACH);
    test_worker_end_well(&one);
}

/* Within the EXEC of the last commit that has written a mark. */
static off_t within_last_commit(const char *path)
{
    static const char mark[] = "{work}:marks", end[] = "$4\r\nEXEC\r\n";
    struct stat about;
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &about), 0);
    size_t size = (size_t)about.st_size;
    char *text = malloc(size);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, size, file), size);
    fclose(file);
    size_t at = size - strlen(mark);
    while (at > 0 && memcmp(text + at, mark, strlen(mark)) != 0)
        at--;
    while (at < size - strlen(end) && memcmp(text + at, end, strlen(end)) != 0)
        at++;
    assert_memory_equal(text + at, end, strlen(end));
    free(text);
    return (off_t)(at + strlen(end) / 2);
}

static void mark_some(struct test_server *torn, int from, int count)
{
    struct test_worker one = test_worker_start(torn, WORK, "one", OPTIONS(QUICK));
    assert_int_equal(test_send_many(torn, WORK, "Mark", "", from, count, NULL), count);
    test_await_settled(torn, WORK);
    assert_int_equal(test_ask_integer(torn, "HLEN {work}:marks"), from + count);
    test_worker_end_well(&one);
}

/* A server starts with a file that ends within a command of a commit, serves, and dies again.
 * Returns how many of 20 marks are there once then. */
static long long right_behind_a_torn_end(const char *folder, bool mended)
{
    struct test_server torn;
    char path[TEST_PATH_MAX + 64];
    test_server_start(&torn, folder, durable);
    mark_some(&torn, 0, 10);
    append_only_file(&torn, path);
    test_server_stop(&torn, SIGKILL);
    assert_int_equal(truncate(path, within_last_commit(path)), 0);
    if (mended)
        test_server_mend(&torn);
    test_server_restart(&torn, 0);
    mark_some(&torn, 10, 10);
    assert_int_equal(test_others(&torn, "{work}:marks", "1"), 0);
    test_server_restart(&torn, SIGKILL);
    long long right =
        test_ask_integer(&torn, "HLEN {work}:marks") - test_others(&torn, "{work}:marks", "1");
    test_server_stop(&torn, SIGTERM);
    return right;
}

/* Without the mending Redis 7.0 spoils what it has acknowledged since; others need not. */
static void what_follows_a_mended_end_is_kept(void **state)
{
    (void)state;
    assert_int_equal(right_behind_a_torn_end("mended", true), 20);
    print_message("not mended, the file keeps %lld of 20 right\n",
                  right_behind_a_torn_end("unmended", false));
}

/* A step's command and its saga have never been: neither effect nor answer comes of them. */
static void steps_of_an_unknown_saga_have_no_effect(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_commit", "ghost", PROXY_HOLD});
    struct test_worker steps = test_worker_launch(proxy.url, STEPS, "one", OPTIONS(QUICK));
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_worker_await_log(&steps, "worker.ready");
    define();
    test_sagas_await_rest(&server, REST_MS);
    off_t size = file_size();
    test_saga_begin(&server, "ghost", "chain", "{}");
    test_proxy_await(&proxy);
    die_and_forget(size);
    AWAIT(test_worker_logged(&steps, "message.fenced") == 1);
    test_do(&server, "XADD {sagas}:replies * type StepSucceeded saga ghost step a action execute");
    AWAIT(test_worker_logged(&coordinator, "saga.unknown") == 1);
    test_saga_begin(&server, "real", "chain", "{}");
    AWAIT(test_saga_is(&server, "real", "completed"));
    test_sagas_await_rest(&server, REST_MS);
    assert_int_equal(test_ask_integer(&server, "EXISTS {sagas}:saga:ghost {steps}:effects:ghost "
                                               "{steps}:step:ghost/a"),
                     0);
    assert_string_equal(test_saga_events(&server, "ghost"), "");
    assert_int_equal(test_dead(&server, "sagas") + test_dead(&server, STEPS), 0);
    test_worker_end_well(&steps);
    test_worker_end_well(&coordinator);
    test_proxy_stop(&proxy);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_flush_is_said_once_and_survived),
        CASE(a_server_that_comes_back_empty_is_told_of),
        CASE(a_group_set_back_to_the_beginning_does_no_harm),
        CASE(a_deleted_consumer_costs_no_saga),
        CASE(a_stream_trimmed_past_pending_entries_goes_on),
        CASE(messages_of_a_lost_time_have_no_effect),
        CASE(a_file_that_ends_within_a_commit_holds_none_of_it),
        CASE(what_follows_a_mended_end_is_kept),
        CASE(steps_of_an_unknown_saga_have_no_effect),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
