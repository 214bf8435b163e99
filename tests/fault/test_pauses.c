/* A server that does not answer for a while: clients are paused, or it is busy with itself. Workers
 * wait for it; nothing is done twice, handed to another, or taken for lost. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"

#define MESSAGES 600
#define SLOW 20 /* of the deferred ones */
#define SAGAS 20
#define PAUSE_MS "1200"
#define LIMIT_MS 30000
#define NO_RESCUE "--claim-idle", "300s"
#define STEP(name)                                                                                 \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo',"                   \
    "'timeoutMs':300000,'attempts':5}"

enum { WORK_1, WORK_2, STEPS, COORDINATOR, MEMBERS };

static struct test_server server;
static struct test_worker members[MEMBERS];

static int start(void **state)
{
    static const char *const arguments[] = {"--enable-debug-command", "local", NULL};
    (void)state;
    test_server_start(&server, "redis", arguments);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static weir_service *make_service(const char *name)
{
    return strcmp(name, "steps") == 0 ? test_step_service(name) : test_work_service(name);
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    test_define(&server, "pair", 1, "'steps':[" STEP("a") "," STEP("b") "]");
    members[WORK_1] = test_worker_start(&server, "work", "w1", OPTIONS(NO_RESCUE));
    members[WORK_2] = test_worker_start(&server, "work", "w2", OPTIONS(NO_RESCUE));
    members[STEPS] = test_worker_start(&server, "steps", "s", OPTIONS(NO_RESCUE));
    members[COORDINATOR] = test_coordinator_start(&server, "c", OPTIONS(NO_RESCUE));
    return 0;
}

static void load(void)
{
    for (int i = 0; i < SAGAS; i++) {
        char saga[16];
        snprintf(saga, sizeof(saga), "s%d", i);
        test_saga_begin(&server, saga, "pair", i % 2 ? "{'defer':40,'how':{'b':'fail'}}" : "{}");
    }
    test_send_many(&server, "work", "Mark", "", 0, MESSAGES, NULL);
    test_send_many(&server, "work", "Defer", ",\"ms\":100", MESSAGES, MESSAGES - SLOW, NULL);
    test_send_many(&server, "work", "Defer", ",\"ms\":2000", 2 * MESSAGES - SLOW, SLOW, NULL);
}

/* In the middle of the work: what is in hand when the command comes is asked in the same go. */
static void disturb(const char *command)
{
    redisReply *in_hand, *done;
    load();
    AWAIT(test_ask_integer(&server, "HLEN {work}:marks") > 0);
    assert_int_equal(redisAppendCommand(server.connection, "XPENDING {work}:commands work"), 0);
    assert_int_equal(redisAppendCommand(server.connection, command), 0);
    assert_int_equal(redisGetReply(server.connection, (void **)&in_hand), 0);
    assert_int_equal(redisGetReply(server.connection, (void **)&done), 0);
    assert_true(in_hand->type == REDIS_REPLY_ARRAY && in_hand->element[0]->integer > 0);
    assert_int_equal(done->type, REDIS_REPLY_STATUS);
    freeReplyObject(in_hand);
    freeReplyObject(done);
}

static void assert_untouched(void)
{
    test_await_settled(&server, "work");
    test_await_settled(&server, "steps");
    test_sagas_await_rest(&server, LIMIT_MS);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 2 * MESSAGES);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), 0);
    assert_int_equal(test_sagas_in(&server, "completed"), SAGAS / 2);
    assert_int_equal(test_sagas_in(&server, "compensated"), SAGAS / 2);
    for (int i = 0; i < SAGAS; i++) {
        char key[48];
        snprintf(key, sizeof(key), "{steps}:effects:s%d", i);
        assert_int_equal(test_number(&server, key, "a"), 1);
        assert_int_equal(test_number(&server, key, "a/undo"), i % 2);
        assert_int_equal(test_number(&server, key, "b"), 1 - i % 2);
    }
    assert_int_equal(
        test_dead(&server, "work") + test_dead(&server, "steps") + test_dead(&server, "sagas"), 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(test_worker_logged(&members[i], "link.lost"), 0);
        assert_int_equal(test_worker_logged(&members[i], "message.taken_over"), 0);
        assert_int_equal(test_worker_logged(&members[i], "message.fenced"), 0);
        test_worker_end_well(&members[i]);
    }
}

static void writes_are_paused(void **state)
{
    (void)state;
    disturb("CLIENT PAUSE " PAUSE_MS " WRITE");
    assert_untouched();
}

static void all_is_paused(void **state)
{
    (void)state;
    disturb("CLIENT PAUSE " PAUSE_MS " ALL");
    assert_untouched();
}

static void the_server_is_busy_with_itself(void **state)
{
    (void)state;
    disturb("DEBUG SLEEP 0.3");
    for (int i = 0; i < 3; i++)
        test_do(&server, "DEBUG SLEEP 0.3");
    assert_untouched();
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(writes_are_paused),
        CASE(all_is_paused),
        CASE(the_server_is_busy_with_itself),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
