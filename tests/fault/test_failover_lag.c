/* A replica that lags is promoted: what it had not received is gone, and counted here; what it has
 * is whole, and everything that it knows of takes effect once. Its function library is missing or
 * older, because that had not come through either. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/function_library.h"
#include "support/failover.h"
#include "support/load.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define STEPS "steps"
#define MARKS "{" WORK "}:marks"
#define KNOWN 300 /* messages that the replica has */
#define LOST 200  /* that it has not */
#define HELD 20   /* of those, that a worker has in hand when the master dies */
#define SAGAS 10  /* of each of the two kinds */
#define QUICK OPTIONS("--claim-idle", "500ms", "--retry-base", "10ms")

static struct test_node a, b;
static struct test_relay relay;
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
    test_relay_start(&relay, &a);
    test_node_follow(&b, relay.port, &a);
    test_sentinel_start(&sentinel, &a);
    strcpy(followed.url, sentinel.url);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_sentinel_stop(&sentinel);
    test_relay_stop(&relay);
    test_server_stop(&a.server, SIGKILL);
    test_server_stop(&b.server, SIGKILL);
    return 0;
}

static void begin_sagas(char kind, const char *data)
{
    char saga[16];
    for (int i = 0; i < SAGAS; i++) {
        snprintf(saga, sizeof(saga), "%c%d", kind, i);
        test_saga_begin(&a.server, saga, "trip", data);
    }
}

static long long ended(struct test_node *node)
{
    return test_sagas_in(&node->server, "completed") + test_sagas_in(&node->server, "compensated");
}

static long long library_of(struct test_node *node)
{
    redisReply *reply = redisCommand(node->server.connection, "FCALL weir_version 0");
    assert_non_null(reply);
    long long version = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0; /* 0: none */
    freeReplyObject(reply);
    return version;
}

/* ---- Before --------------------------------------------------------------------------------- */

static void send_what_is_known(void)
{
    test_define(&a.server, "trip", 1,
                "'timeoutMs':120000,'steps':["
                "{'name':'a','service':'" STEPS "','command':'Do','compensation':'Undo',"
                "'timeoutMs':60000},"
                "{'name':'b','service':'" STEPS "','command':'Do','compensation':'Undo',"
                "'timeoutMs':60000}]");
    test_send_many(&a.server, WORK, "Mark", "", 0, KNOWN, NULL);
    begin_sagas('k', "{'how':{'b':'fail'}}");
    test_node_await_level(&b, &a);
}

/* All that is known and most of what will be lost is done, on the old master alone. The rest is in
 * hand: handlers run that will want to commit what the new master has never heard of. */
static void work_on_the_old_master(struct test_worker *worker)
{
    test_send_many(&a.server, WORK, "Mark", "", KNOWN, LOST - HELD, NULL);
    begin_sagas('l', "{}");
    AWAIT(test_ask_integer(&a.server, "HLEN " MARKS) == KNOWN + LOST - HELD);
    AWAIT(ended(&a) == 2 * SAGAS);
    test_send_many(&a.server, WORK, "Defer", ",\"ms\":2500", KNOWN + LOST - HELD, HELD, NULL);
    AWAIT(test_worker_logged(worker, "test.run") == KNOWN + LOST);
}

/* ---- After ---------------------------------------------------------------------------------- */

static void assert_messages_whole(struct test_node *node)
{
    char n[16];
    for (int i = 0; i < KNOWN + LOST; i++) {
        snprintf(n, sizeof(n), "n%d", i);
        assert_int_equal(test_number(&node->server, MARKS, n), i < KNOWN ? 1 : 0);
    }
    assert_int_equal(test_ask_integer(&node->server, "XLEN {" WORK "}:events"), KNOWN);
    assert_int_equal(test_dead(&node->server, WORK), 0);
}

static void assert_sagas_whole(struct test_node *node)
{
    char saga[16], key[64];
    for (int i = 0; i < SAGAS; i++) {
        snprintf(saga, sizeof(saga), "k%d", i);
        snprintf(key, sizeof(key), "{" STEPS "}:effects:%s", saga);
        assert_true(test_saga_is(&node->server, saga, "compensated"));
        assert_int_equal(test_number(&node->server, key, "a"), 1);
        assert_int_equal(test_number(&node->server, key, "a/undo"), 1);
        assert_int_equal(test_number(&node->server, key, "b"), 0);
        assert_string_equal(test_saga_events(&node->server, saga),
                            "SagaStarted SagaCompensating SagaCompensated ");
        snprintf(saga, sizeof(saga), "l%d", i);
        assert_int_equal(test_ask_integer(&node->server,
                                          "EXISTS {sagas}:saga:%s {" STEPS "}:effects:%s", saga,
                                          saga),
                         0);
    }
}

static void state_what_is_lost(void)
{
    long long messages = KNOWN + LOST - test_ask_integer(&b.server, "HLEN " MARKS);
    long long sagas = 2 * SAGAS - ended(&b);
    printf("lost by the failover: %lld of %d acknowledged messages, %lld of %d sagas\n", messages,
           KNOWN + LOST, sagas, 2 * SAGAS);
    assert_int_equal(messages, LOST);
    assert_int_equal(sagas, SAGAS);
}

/* The old master comes back with what nobody else knows, and gives it up. */
static void old_master_becomes_a_replica(void)
{
    test_server_restart(&a.server, SIGKILL);
    AWAIT(strcmp(test_node_role(&a), "slave") == 0);
    AWAIT(test_ask_integer(&a.server, "HLEN " MARKS) == KNOWN);
}

/* Each service notices by itself. */
static bool says_so(const struct test_worker *worker)
{
    return test_worker_logged(worker, "server.went_back") == 1;
}

static void fail_over_to_a_replica_that_lags(long long library)
{
    send_what_is_known();
    test_relay_stall(&relay);
    struct test_worker work = test_worker_start(&followed, WORK, "work", QUICK);
    struct test_worker steps = test_worker_start(&followed, STEPS, "steps", QUICK);
    struct test_worker coordinator = test_coordinator_start(&followed, "coordinator", QUICK);
    work_on_the_old_master(&work);
    assert_int_equal(library_of(&a), weir_function_library_version());
    assert_int_equal(library_of(&b), library);
    assert_int_equal(test_ask_integer(&b.server, "HLEN " MARKS), 0);

    test_server_stop(&a.server, SIGKILL);
    test_relay_stop(&relay);
    test_sentinel_await(&sentinel, &b);
    test_await_settled(&b.server, WORK);
    test_await_settled(&b.server, STEPS);
    AWAIT(ended(&b) == SAGAS);
    test_sagas_await_rest(&b.server, 30000);
    assert_int_equal(library_of(&b), weir_function_library_version());
    /* the handlers that had begun on the old master have ended, and have come to nothing */
    test_worker_end_well(&work);
    assert_messages_whole(&b);
    assert_sagas_whole(&b);
    state_what_is_lost();
    AWAIT(says_so(&work) && says_so(&steps) && says_so(&coordinator));
    old_master_becomes_a_replica();
    test_worker_end_well(&steps);
    test_worker_end_well(&coordinator);
}

static void loads_a_library_that_is_missing(void **state)
{
    (void)state;
    fail_over_to_a_replica_that_lags(0);
}

static void loads_a_library_that_is_older(void **state)
{
    (void)state;
    /* one that has every function, so that no call fails and nothing but its number tells */
    char *source = strdup(weir_function_library_source());
    char *number = strstr(source, "VERSION = ");
    assert_non_null(number);
    number += strlen("VERSION = ");
    *number++ = '1';
    while (*number >= '0' && *number <= '9')
        *number++ = ' ';
    test_do(&a.server, "FUNCTION LOAD %s", source);
    free(source);
    fail_over_to_a_replica_that_lags(1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(loads_a_library_that_is_missing),
        CASE(loads_a_library_that_is_older),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
