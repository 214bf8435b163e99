/* A step whose handler loads state, when that cannot be read any more: what is known of the step
 * counts all the same. */
#include "integration/step_moves.h"

#define SHELF "{steps}:shelf:1"

static enum weir_outcome take(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, NULL, "taken", 1);
    return WEIR_DONE;
}

static enum weir_outcome put_back(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, NULL, "taken", -1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Do", take, "shelf:{shelf}");
    weir_on_command(service, "Undo", put_back, "shelf:{shelf}");
    return service;
}

static const char *reply_to(const char *type, const char *action, int attempt)
{
    long long before = test_ask_integer(&server, "XLEN {sagas}:replies");
    char command[256];
    snprintf(command, sizeof(command),
             "XADD {steps}:commands * type %s saga s step a action %s id s/a/%s attempt %d "
             "expires 9000000000000 data {\"shelf\":\"1\"}",
             type, action, action, attempt);
    test_do(&server, command);
    AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == before + 1);
    test_await_settled(&server, STEPS);
    return test_newest(&server, "{sagas}:replies", "type");
}

/* A copy must not say that nothing has been done: the saga might hear it before the first answer,
 * and undo nothing. */
static void a_copy_is_answered_although_its_state_cannot_be_read(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    assert_string_equal(reply_to("Do", "execute", 1), "StepSucceeded");
    assert_int_equal(test_number(&server, SHELF, "taken"), 1);
    test_do(&server, "RENAME " SHELF " kept");
    test_do(&server, "SET " SHELF " broken");
    assert_string_equal(reply_to("Do", "execute", 2), "StepSucceeded");
    assert_int_equal(test_dead(&server, STEPS), 0);
    test_do(&server, "RENAME kept " SHELF);
    assert_string_equal(reply_to("Undo", "compensate", 1), "StepSucceeded");
    assert_int_equal(test_number(&server, SHELF, "taken"), 0);
    test_worker_end_well(&one);
}

/* Nothing was done: the answer says so, and does not look at what would be undone. */
static void nothing_is_undone_although_its_state_cannot_be_read(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    test_do(&server, "SET " SHELF " broken");
    assert_string_equal(reply_to("Do", "execute", 1), "StepFailed");
    assert_int_equal(test_dead(&server, STEPS), 1);
    assert_string_equal(reply_to("Undo", "compensate", 1), "StepSucceeded");
    assert_int_equal(test_dead(&server, STEPS), 1);
    test_worker_end_well(&one);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_copy_is_answered_although_its_state_cannot_be_read),
        CASE(nothing_is_undone_although_its_state_cannot_be_read),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    return cmocka_run_group_tests(tests, start, stop);
}
