/* What a worker's sign of life counts, so that the log need not say it message by message. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/step_service.h"
#include "support/worker.h"

#define STEPS "steps"

static struct test_server server;

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

static void send_step(const char *saga, const char *action)
{
    bool undo = strcmp(action, "compensate") == 0;
    test_do(&server, "XADD {steps}:commands * type %s id %s/a/%s saga %s step a action %s data {}",
            undo ? "Undo" : "Do", saga, action, saga, action);
}

static bool says(const char *text)
{
    char *sign = test_ask_text(&server, "HGET {steps}:workers one");
    bool found = sign != NULL && strstr(sign, text) != NULL;
    free(sign);
    return found;
}

/* A client that repeats itself fills no log. */
static void repetitions_are_counted_and_not_said(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, STEPS, "one", NULL);
    send_step("s1", "execute");
    for (int i = 0; i < 40; i++)
        send_step("s1", "execute");
    for (int i = 0; i < 3; i++) {
        char saga[16];
        snprintf(saga, sizeof(saga), "n%d", i);
        send_step(saga, "compensate");
        send_step(saga, "execute");
        send_step(saga, "execute");
    }
    test_await_settled(&server, STEPS);
    AWAIT(says("\"done\":1,"));
    AWAIT(says("\"repeated\":40,\"null\":3,\"barred\":6,\"fenced\":0,"));
    assert_int_equal(test_worker_logged(&one, "message.handled"), 0);
    assert_int_equal(test_worker_logged(&one, "outcome="), 0);
    test_worker_end_well(&one);
}

/* ---- The register of services, and rates --------------------------------------------------- */

static bool is_registered(void)
{
    return test_number(&server, "{weir}:services", STEPS) > 0;
}

static struct test_worker start_denied(void)
{
    char url[TEST_PATH_MAX + 32];
    test_do(&server,
            "ACL SETUSER ann reset on >hush +@all &* ~t:{steps}:* ~t:{sagas}:* ~t:{weir}:proj*");
    snprintf(url, sizeof(url), "unix://ann:hush@%s", server.socket);
    return test_worker_launch(url, STEPS, "two", OPTIONS("--namespace", "t:"));
}

static void assert_of_now(long long ms)
{
    redisReply *time = test_ask(&server, "TIME");
    long long age = atoll(time->element[0]->str) * 1000 - ms;
    freeReplyObject(time);
    assert_in_range(age + 60000, 0, 120000);
}

/* One worker may write the register of its namespace, the other, whose namespace is another, may
 * not: it loses only that, and says it once. Signs of life come every 5 s, so that both are looked
 * at together. */
static void services_are_registered(void **state)
{
    (void)state;
    test_do(&server, "FLUSHALL");
    struct test_worker one = test_worker_start(&server, STEPS, "one", NULL), two = start_denied();
    AWAIT(is_registered());
    assert_of_now(test_number(&server, "{weir}:services", STEPS));
    test_worker_await_log(&two, "service.not_registered");
    test_do(&server, "XADD t:{steps}:commands * type Do id s/a/execute saga s step a action "
                     "execute data {}");
    AWAIT(test_number(&server, "t:{steps}:effects:s", "a") == 1);
    for (int i = 0; i < 20; i++) {
        char saga[16];
        snprintf(saga, sizeof(saga), "r%d", i);
        send_step(saga, "execute");
    }
    AWAIT(says("\"received\":20,\"handled\":20,\"refused\":0,\"retried\":0}}"));
    test_do(&server, "FLUSHALL"); /* such as an empty server that has taken over */
    AWAIT(is_registered());
    AWAIT(says("\"received\":0,\"handled\":0,\"refused\":0,\"retried\":0}}"));
    AWAIT(test_ask_integer(&server, "HEXISTS t:{steps}:workers two") == 1);
    assert_int_equal(test_worker_logged(&two, "service.not_registered"), 1);
    assert_int_equal(test_ask_integer(&server, "EXISTS t:{weir}:services"), 0);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
    assert_true(is_registered()); /* it is known, though nobody works for it now */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repetitions_are_counted_and_not_said),
        cmocka_unit_test(services_are_registered),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
