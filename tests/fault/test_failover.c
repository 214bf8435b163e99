/* The master dies, or hangs, and Sentinel puts its replica in its place: workers follow, and
 * everything takes effect once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failover.h"
#include "support/load.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define STEPS "steps"
#define MARKS "{" WORK "}:marks"
#define SAGAS 30
#define QUICK OPTIONS("--claim-idle", "500ms", "--retry-base", "10ms", "--concurrency", "16")

static struct test_node a, b;
static struct test_sentinel sentinel;
static struct test_server followed; /* no server: what workers are given, the Sentinel's URL */

static weir_service *make_service(const char *name)
{
    return strcmp(name, STEPS) == 0 ? test_step_service(name) : test_work_service(name);
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_node_start(&a, "a", NULL);
    test_node_start(&b, "b", NULL);
    test_node_follow(&b, a.port, &a);
    test_sentinel_start(&sentinel, &a);
    strcpy(followed.url, sentinel.url);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_sentinel_stop(&sentinel);
    test_server_stop(&a.server, SIGKILL);
    test_server_stop(&b.server, SIGKILL);
    return 0;
}

static void assert_each_once(struct test_node *node, int count)
{
    assert_int_equal(test_ask_integer(&node->server, "HLEN " MARKS), count);
    assert_int_equal(test_others(&node->server, MARKS, "1"), 0);
    assert_int_equal(test_dead(&node->server, WORK), 0);
}

static long long marked(struct test_node *node)
{
    return test_ask_integer(&node->server, "HLEN " MARKS);
}

/* ---- The master dies ----------------------------------------------------------------------- */

static void begin_sagas(struct test_node *node)
{
    char saga[16];
    test_define(&node->server, "trip", 1,
                "'timeoutMs':120000,'steps':["
                "{'name':'a','service':'" STEPS "','command':'Do','compensation':'Undo',"
                "'timeoutMs':60000},"
                "{'name':'b','service':'" STEPS "','command':'Do','compensation':'Undo',"
                "'timeoutMs':60000}]");
    for (int i = 0; i < SAGAS; i++) {
        snprintf(saga, sizeof(saga), "s%d", i);
        test_saga_begin(&node->server, saga, "trip",
                        i % 3 == 0 ? "{'defer':40,'how':{'b':'fail'}}" : "{'defer':40}");
    }
}

/* Completed with each step once, or compensated with its mirror. */
static void assert_saga_whole(struct test_node *node, int i)
{
    char saga[16], key[64];
    bool fails = i % 3 == 0;
    snprintf(saga, sizeof(saga), "s%d", i);
    snprintf(key, sizeof(key), "{" STEPS "}:effects:%s", saga);
    assert_true(test_saga_is(&node->server, saga, fails ? "compensated" : "completed"));
    assert_string_equal(test_saga_events(&node->server, saga),
                        fails ? "SagaStarted SagaCompensating SagaCompensated "
                              : "SagaStarted SagaCompleted ");
    assert_int_equal(test_number(&node->server, key, "a"), 1);
    assert_int_equal(test_number(&node->server, key, "a/undo"), fails ? 1 : 0);
    assert_int_equal(test_number(&node->server, key, "b"), fails ? 0 : 1);
}

static void workers_follow_when_the_master_dies(void **state)
{
    (void)state;
    enum { SLOW = 400, PLAIN = 400 };
    struct test_worker one = test_worker_start(&followed, WORK, "one", QUICK);
    struct test_worker two = test_worker_start(&followed, WORK, "two", QUICK);
    struct test_worker steps = test_worker_start(&followed, STEPS, "steps", QUICK);
    struct test_worker coordinator = test_coordinator_start(&followed, "coordinator", QUICK);
    begin_sagas(&a);
    test_send_many(&a.server, WORK, "Defer", ",\"ms\":20", 0, SLOW, NULL);
    AWAIT(marked(&a) > 50);
    test_node_hold(&a, &b, WORK, (const struct test_worker *const[]){&one, &two, NULL}, SLOW,
                   PLAIN);
    test_server_stop(&a.server, SIGKILL);
    assert_in_range(marked(&b), 51, SLOW);
    test_sentinel_await(&sentinel, &b);
    test_await_settled(&b.server, WORK);
    test_sagas_await_rest(&b.server, 30000);
    assert_each_once(&b, SLOW + PLAIN);
    assert_int_equal(test_ask_integer(&b.server, "XLEN {" WORK "}:events"), PLAIN);
    for (int i = 0; i < SAGAS; i++)
        assert_saga_whole(&b, i);
    assert_int_equal(test_ask_integer(&b.server, "XLEN {sagas}:dead"), 0);
    /* nothing is lost, and nobody says so */
    assert_int_equal(test_worker_logged(&one, "went_back") + test_worker_logged(&two, "went_back") +
                         test_worker_logged(&steps, "went_back") +
                         test_worker_logged(&coordinator, "went_back"),
                     0);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
    test_worker_end_well(&steps);
    test_worker_end_well(&coordinator);
}

/* ---- The master hangs, is replaced, and comes back ------------------------------------------ */

/* Connections of ours, by their names. */
static bool has_our_clients(struct test_node *node)
{
    redisReply *reply = test_ask(&node->server, "CLIENT LIST");
    bool ours = strstr(reply->str, " name=weir:") != NULL;
    freeReplyObject(reply);
    return ours;
}

static void nothing_goes_to_a_zombie(void **state)
{
    (void)state;
    enum { BEFORE = 600, MEANWHILE = 200, AFTER = 200 };
    test_send_many(&a.server, WORK, "Defer", ",\"ms\":20", 0, BEFORE, NULL);
    test_node_await_level(&b, &a);
    struct test_worker one = test_worker_start(&followed, WORK, "one", QUICK);
    AWAIT(marked(&a) > 50);
    test_server_freeze(&a.server);
    test_sentinel_await(&sentinel, &b);
    /* the worker is not told by its connection, which is as open as ever */
    test_worker_await_log(&one, "another master");
    test_send_many(&b.server, WORK, "Mark", "", BEFORE, MEANWHILE, NULL);
    test_await_settled(&b.server, WORK);
    assert_each_once(&b, BEFORE + MEANWHILE);

    test_server_thaw(&a.server);
    AWAIT(!has_our_clients(&a)); /* it believes to be a master, and nobody is there any more */
    test_send_many(&b.server, WORK, "Mark", "", BEFORE + MEANWHILE, AFTER, NULL);
    test_await_settled(&b.server, WORK);
    AWAIT(strcmp(test_node_role(&a), "slave") == 0); /* by Sentinel */
    AWAIT(marked(&a) == marked(&b));
    assert_each_once(&b, BEFORE + MEANWHILE + AFTER);
    assert_each_once(&a, BEFORE + MEANWHILE + AFTER);
    assert_int_equal(test_node_info(&a, "errorstats", "errorstat_READONLY:count="), 0);
    assert_false(has_our_clients(&a));
    test_worker_end_well(&one);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(workers_follow_when_the_master_dies),
        CASE(nothing_goes_to_a_zombie),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
