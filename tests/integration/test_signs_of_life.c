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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repetitions_are_counted_and_not_said),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
