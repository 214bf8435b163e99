/* Sagas whose steps have to be durable: while the replica is away the saga stands still, counts no
 * attempt, keeps its deadline and says for what it waits; when it is back all goes on, once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/replica.h"
#include "support/sagas.h"
#include "support/step_service.h"

#define STEPS "steps"
#define STEP(name, more)                                                                           \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'," more "}"
#define SHORT "'timeoutMs':300,'backoffMs':10,'attempts':3"
#define LONG "'timeoutMs':20000,'backoffMs':10,'attempts':3"
#define REPLICA ",'durability':{'replicas':1}"

static struct test_primary primary;
static struct test_replica replica;
static struct test_worker coordinator, steps;

/* ---- Before and after -------------------------------------------------------------------- */

static int start(void **state)
{
    (void)state;
    test_primary_start(&primary, "primary", NULL);
    test_replica_start(&replica, &primary, "replica");
    use_server(&primary.server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&replica.server, SIGTERM);
    test_server_stop(&primary.server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_server_thaw(&replica.server);
    test_do(&replica.server, "REPLICAOF 127.0.0.1 %d", primary.port);
    test_do(&primary.server, "FLUSHALL");
    test_primary_await_replicas(&primary, 1);
    return 0;
}

static void start_both(const char *const *options, const char *const *step_options)
{
    coordinator = test_coordinator_start(&primary.server, "coordinator", options);
    steps = test_worker_start(&primary.server, STEPS, "steps-1", step_options);
}

static void end_both(void)
{
    test_worker_end_well(&coordinator);
    test_worker_end_well(&steps);
}

/* ---- What is asked of sagas -------------------------------------------------------------- */

static const char *field(const char *saga, const char *name)
{
    return test_saga_field(&primary.server, saga, name);
}

static bool is(const char *saga, const char *name, const char *value)
{
    return strcmp(field(saga, name), value) == 0;
}

static long long effects(const char *saga, const char *step)
{
    char key[128];
    snprintf(key, sizeof key, "{steps}:effects:%s", saga);
    return test_number(&primary.server, key, step);
}

static long long server_ms(void)
{
    redisReply *time = test_ask(&primary.server, "TIME");
    long long ms = atoll(time->element[0]->str) * 1000 + atoll(time->element[1]->str) / 1000;
    freeReplyObject(time);
    return ms;
}

static void begin(const char *saga, const char *definition)
{
    test_saga_begin(&primary.server, saga, definition, "{}");
}

static bool saga_shows(const char *saga, const char *text)
{
    struct test_run run = run_weir(0, WORDS("saga", saga), NULL);
    bool shows = strstr(run.out, text) != NULL;
    test_run_close(&run);
    return shows;
}

/* ---- Tests ------------------------------------------------------------------------------- */

static void a_step_waits_for_its_replica(void **state)
{
    (void)state;
    test_define(&primary.server, "order", 1,
                "'steps':[" STEP("a", SHORT REPLICA) "," STEP("b", LONG) "]");
    start_both(NULL, NULL);
    begin("easy", "order"); /* nothing is in the way: nothing is written down */
    AWAIT(test_saga_is(&primary.server, "easy", "completed"));
    test_server_freeze(&replica.server);
    begin("s1", "order");
    AWAIT(is("s1", "step:a:awaits", "1 replica"));
    assert_true(saga_shows("s1", "a: it has succeeded in steps, but that has not reached 1 replica "
                                 "yet, since "));
    /* past the time limits of all its attempts, and heard again in between */
    long long end = atoll(field("s1", "step:a:sentAt")) + 3 * 300 + 1500;
    AWAIT(server_ms() > end);
    assert_true(test_saga_is(&primary.server, "s1", "running"));
    assert_string_equal(field("s1", "step:a:state"), "running");
    assert_string_equal(field("s1", "step:a:attempts"), "1");
    assert_string_equal(field("s1", "step:b:state"), "pending");
    assert_int_equal(effects("s1", "a"), 1);
    assert_int_equal(effects("s1", "b"), 0);
    assert_int_equal(test_worker_logged(&coordinator, "durability.waiting"), 1);
    test_server_thaw(&replica.server);
    AWAIT(test_saga_is(&primary.server, "s1", "completed"));
    assert_string_equal(field("s1", "step:a:attempts"), "1");
    assert_string_equal(field("s1", "step:a:awaits"), "");
    assert_int_equal(effects("s1", "a") + effects("s1", "b"), 2);
    test_await_settled(&primary.server, "sagas");
    assert_int_equal(test_dead(&primary.server, "sagas"), 0);
    assert_int_equal(test_worker_logged(&coordinator, "durability.reached"), 1);
    end_both();
}

/* The connection to the replica is cut instead of slow: WAIT finds none. */
static void a_step_waits_for_a_replica_that_is_not_there(void **state)
{
    (void)state;
    test_define(&primary.server, "order", 1, "'steps':[" STEP("a", SHORT REPLICA) "]");
    start_both(NULL, NULL);
    test_do(&replica.server, "REPLICAOF NO ONE");
    AWAIT(test_ask_integer(&primary.server, "WAIT 1 1") == 0);
    begin("s1", "order");
    AWAIT(is("s1", "step:a:awaits", "1 replica"));
    test_worker_await_log(&coordinator, "need=replicas:1 replicas=0");
    test_do(&replica.server, "REPLICAOF 127.0.0.1 %d", primary.port);
    AWAIT(test_saga_is(&primary.server, "s1", "completed"));
    assert_string_equal(field("s1", "step:a:attempts"), "1");
    assert_int_equal(effects("s1", "a"), 1);
    end_both();
}

static void the_deadline_of_the_saga_counts(void **state)
{
    (void)state;
    test_define(&primary.server, "order", 1,
                "'timeoutMs':1000,'steps':[" STEP("a", LONG REPLICA) "," STEP("b", LONG) "]");
    start_both(NULL, NULL);
    test_server_freeze(&replica.server);
    begin("s1", "order");
    AWAIT(is("s1", "step:a:awaits", "1 replica"));
    AWAIT(test_saga_is(&primary.server, "s1", "compensating"));
    /* its compensation has to be durable, too */
    AWAIT(effects("s1", "a/undo") == 1);
    AWAIT(is("s1", "step:a:awaits", "1 replica"));
    assert_true(saga_shows("s1", "a: its compensation has succeeded in steps, but that has not "
                                 "reached 1 replica yet"));
    assert_true(test_saga_is(&primary.server, "s1", "compensating"));
    test_server_thaw(&replica.server);
    AWAIT(test_saga_is(&primary.server, "s1", "compensated"));
    assert_int_equal(effects("s1", "a"), 1);
    assert_int_equal(effects("s1", "a/undo"), 1);
    assert_int_equal(effects("s1", "b"), 0);
    test_await_settled(&primary.server, "sagas");
    end_both();
}

/* The need comes with the reply of the service; the definition asks for nothing. */
static void a_service_asks_for_all_its_steps(void **state)
{
    (void)state;
    test_define(&primary.server, "order", 1, "'steps':[" STEP("a", LONG) "," STEP("b", LONG) "]");
    start_both(NULL, OPTIONS("--replicas", "1"));
    test_server_freeze(&replica.server);
    begin("s1", "order");
    AWAIT(is("s1", "step:a:awaits", "1 replica"));
    assert_int_equal(effects("s1", "a"), 1);
    assert_string_equal(field("s1", "step:b:state"), "pending");
    test_server_thaw(&replica.server);
    AWAIT(test_saga_is(&primary.server, "s1", "completed"));
    end_both();
}

/* Sagas that ask for nothing go their way beside any number that wait. */
static void others_are_not_held_up(void **state)
{
    (void)state;
    char saga[16];
    test_define(&primary.server, "order", 1, "'steps':[" STEP("a", LONG REPLICA) "]");
    test_define(&primary.server, "quick", 1, "'timeoutMs':15000,'steps':[" STEP("a", LONG) "]");
    test_define(&primary.server, "hasty", 1,
                "'timeoutMs':300,'steps':[" STEP("a", LONG ",'input':{'defer':'$.defer'}") "]");
    start_both(OPTIONS("--concurrency", "8"), NULL);
    test_server_freeze(&replica.server);
    for (int i = 0; i < 40; i++) {
        snprintf(saga, sizeof saga, "w%d", i);
        begin(saga, "order");
    }
    AWAIT(is("w39", "step:a:awaits", "1 replica"));
    for (int i = 0; i < 10; i++) {
        snprintf(saga, sizeof saga, "q%d", i);
        begin(saga, "quick");
    }
    test_saga_begin(&primary.server, "h", "hasty", "{'defer':2000}");
    AWAIT(test_sagas_in(&primary.server, "completed") == 10);
    AWAIT(test_saga_is(&primary.server, "h", "compensated")); /* its timer was not held up */
    test_server_thaw(&replica.server);
    AWAIT(test_sagas_in(&primary.server, "completed") == 50);
    for (int i = 0; i < 40; i++) {
        snprintf(saga, sizeof saga, "w%d", i);
        assert_string_equal(field(saga, "step:a:attempts"), "1");
        assert_int_equal(effects(saga, "a"), 1);
    }
    test_await_settled(&primary.server, "sagas");
    end_both();
}

/* Whoever has the reply dies with it: another hears it again. */
static void a_coordinator_dies_while_it_waits(void **state)
{
    (void)state;
    test_define(&primary.server, "order", 1, "'steps':[" STEP("a", LONG REPLICA) "]");
    start_both(OPTIONS("--claim-idle", "500ms"), NULL);
    test_server_freeze(&replica.server);
    begin("s1", "order");
    AWAIT(is("s1", "step:a:awaits", "1 replica"));
    AWAIT(test_pending(&primary.server, "sagas") > 0);
    assert_int_equal(test_worker_end(&coordinator, SIGKILL), 128 + SIGKILL);
    coordinator =
        test_coordinator_start(&primary.server, "second", OPTIONS("--claim-idle", "500ms"));
    test_server_thaw(&replica.server);
    AWAIT(test_saga_is(&primary.server, "s1", "completed"));
    assert_string_equal(field("s1", "step:a:attempts"), "1");
    assert_int_equal(effects("s1", "a"), 1);
    end_both();
}

/* However long it waits, no handler takes too long by it: the first that did would be buried. */
static void waiting_is_no_timeout_of_a_handler(void **state)
{
    (void)state;
    test_define(&primary.server, "order", 1, "'steps':[" STEP("a", LONG REPLICA) "]");
    start_both(OPTIONS("--handler-timeout", "1s", "--max-deliveries", "1"), NULL);
    test_server_freeze(&replica.server);
    begin("s1", "order");
    AWAIT(is("s1", "step:a:awaits", "1 replica"));
    for (long long begun = server_ms(); server_ms() < begun + 3000; test_pause()) {
        assert_int_equal(test_worker_logged(&coordinator, "gave no outcome"), 0);
        assert_int_equal(test_dead(&primary.server, "sagas"), 0);
    }
    assert_true(is("s1", "step:a:awaits", "1 replica"));
    test_server_thaw(&replica.server);
    AWAIT(test_saga_is(&primary.server, "s1", "completed"));
    test_await_settled(&primary.server, "sagas");
    assert_int_equal(test_dead(&primary.server, "sagas"), 0);
    assert_string_equal(field("s1", "step:a:attempts"), "1");
    end_both();
}

static void a_need_that_cannot_be_read_is_not_taken_for_none(void **state)
{
    (void)state;
    test_define(&primary.server, "order", 1, "'steps':[" STEP("a", LONG) "]");
    coordinator = test_coordinator_start(&primary.server, "coordinator", NULL);
    begin("s1", "order");
    AWAIT(is("s1", "step:a:state", "running"));
    test_do(&primary.server,
            "XADD {sagas}:replies * type StepSucceeded saga s1 step a action execute id "
            "s1/a/execute durability moon");
    AWAIT(test_dead(&primary.server, "sagas") == 1);
    assert_string_equal(test_newest(&primary.server, "{sagas}:dead", "reason"),
                        "durability: must be replicas:N, disk or replicas:N,disk");
    assert_string_equal(field("s1", "step:a:state"), "running");
    test_worker_end_well(&coordinator);
}

/* Nobody asks: no connection, no WAIT, no note. */
static void who_asks_for_nothing_pays_nothing(void **state)
{
    (void)state;
    char *text;
    test_define(&primary.server, "order", 1, "'steps':[" STEP("a", LONG) "," STEP("b", LONG) "]");
    start_both(NULL, NULL);
    test_do(&primary.server, "CONFIG RESETSTAT");
    begin("s1", "order");
    AWAIT(test_saga_is(&primary.server, "s1", "completed"));
    text = test_ask_text(&primary.server, "CLIENT LIST");
    assert_non_null(strstr(text, "name=weir:sagas:commands"));
    assert_null(strstr(text, ":durability"));
    free(text);
    text = test_ask_text(&primary.server, "INFO commandstats");
    assert_null(strstr(text, "cmdstat_wait"));
    assert_null(strstr(text, "cmdstat_del:"));
    free(text);
    end_both();
}

int main(int argc, char **argv)
{
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_step_waits_for_its_replica),
        TEST(a_step_waits_for_a_replica_that_is_not_there),
        TEST(the_deadline_of_the_saga_counts),
        TEST(a_service_asks_for_all_its_steps),
        TEST(others_are_not_held_up),
        TEST(a_coordinator_dies_while_it_waits),
        TEST(waiting_is_no_timeout_of_a_handler),
        TEST(a_need_that_cannot_be_read_is_not_taken_for_none),
        TEST(who_asks_for_nothing_pays_nothing),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
