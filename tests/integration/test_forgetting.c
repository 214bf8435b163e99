/* Records of sagas' steps go when their saga has ended or is gone and their time is over, and only
 * then; a command that has expired has no effect any more. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/worker.h"

#define WORK "work"

static struct test_server server;

static enum weir_outcome mark(weir_context *context, const weir_message *message)
{
    weir_hincrby(context, "marks", weir_message_saga(message), 1);
    return WEIR_DONE;
}

static weir_service *make_service(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Do", mark, NULL);
    return service;
}

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

/* A step's record whose time is over, or is not, of a saga in a state, or of none. */
static void leave(const char *saga, const char *state, const char *time)
{
    test_do(&server, "HSET {work}:step:%s/do execute 1", saga);
    test_do(&server, "ZADD {work}:steps %s %s/do", time, saga);
    if (state != NULL)
        test_do(&server, "HSET {sagas}:saga:%s state %s", saga, state);
}

static bool kept(const char *saga)
{
    return test_ask_integer(&server, "EXISTS {work}:step:%s/do", saga) == 1;
}

static void only_what_cannot_matter_goes(void **state)
{
    (void)state;
    char saga[32];
    leave("completed", "completed", "1");
    leave("compensated", "compensated", "2");
    leave("gone", NULL, "3");
    leave("running", "running", "1");
    leave("suspended", "suspended", "2");
    leave("recent", "completed", "9000000000000");
    for (int i = 0; i < 300; i++) { /* several batches */
        snprintf(saga, sizeof saga, "many%d", i);
        leave(saga, NULL, "4");
    }
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    AWAIT(test_ask_integer(&server, "ZCARD {work}:steps") == 3);
    assert_false(kept("completed"));
    assert_false(kept("compensated"));
    assert_false(kept("gone"));
    assert_false(kept("many299"));
    assert_true(kept("running"));
    assert_true(kept("suspended"));
    assert_true(kept("recent"));
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
}

static void an_expired_command_has_no_effect(void **state)
{
    (void)state;
    test_do(&server, "FLUSHALL");
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    test_do(&server, "XADD {work}:commands * type Do saga late step do action execute id "
                     "late/do/execute attempt 1 expires 1000");
    test_do(&server, "XADD {work}:commands * type Do saga early step do action execute id "
                     "early/do/execute attempt 1 expires 9000000000000");
    AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == 2);
    AWAIT(test_ask_integer(&server, "XLEN {work}:dead") == 1);
    assert_int_equal(test_ask_integer(&server, "HEXISTS {work}:marks late"), 0);
    assert_int_equal(test_ask_integer(&server, "HEXISTS {work}:marks early"), 1);
    assert_int_equal(test_ask_integer(&server, "ZCOUNT {work}:steps 9000000000000 +inf"), 1);
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_cannot_matter_goes),
        cmocka_unit_test(an_expired_command_has_no_effect),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
