/* What a worker's move adds may be refused where the step itself is innocent: then the end of the
 * step is recorded and replied. */
#include "integration/step_moves.h"

#include "support/proxy.h"

#define EXPIRES "9000000000000"

/* ---- One step in this worker's hands --------------------------------------------------------- */

/* The coordinator sends the commands of step "a" to a service that nobody runs, the test those that
 * count to the one that is running: so it decides when. Behind "a" comes one of a third service. */
#define BY_HAND(more)                                                                              \
    "{'name':'a','service':'hand','command':'Do','compensation':'Undo'," more "},"                 \
    "{'name':'b','service':'next','command':'Do','compensation':'Undo'," LONG "}"

static void send(const char *saga, const char *action, const char *data)
{
    test_do(&server,
            "XADD {steps}:commands * type %s id %s/a/%s saga %s step a action %s expires " EXPIRES
            " data %s",
            strcmp(action, "execute") == 0 ? "Do" : "Undo", saga, action, saga, action, data);
}

/* Begins a saga, and waits until its step is due. */
static void begin(const char *saga, const char *definition, const char *state)
{
    test_saga_begin(&server, saga, definition, "{}");
    AWAIT(strcmp(test_saga_field(&server, saga, "step:a:state"), state) == 0);
}

/* Until the worker has the definition at hand. */
static void make_known(const char *definition)
{
    static unsigned begun;
    char saga[32];
    long long before = -1;
    for (long long end = test_now() + 15000; before != replies_ever();) {
        assert_true(test_now() < end);
        before = replies_ever();
        snprintf(saga, sizeof(saga), "known%u", begun++);
        begin(saga, definition, "running");
        send(saga, "execute", "{}");
        AWAIT(strcmp(test_saga_field(&server, saga, "step:a:state"), "succeeded") == 0);
    }
}

static void assert_replied(const char *saga, const char *type)
{
    AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == 1);
    assert_string_equal(test_newest(&server, "{sagas}:replies", "type"), type);
    assert_string_equal(test_newest(&server, "{sagas}:replies", "saga"), saga);
    test_await_settled(&server, STEPS);
    assert_true(recorded(saga, "a"));
}

/* ---- What is refused ------------------------------------------------------------------------- */

static const struct refused {
    const char *definition, *state, *action, *data; /* the command for step "a" in that state */
    const char *spoilt;                             /* what the move needs */
    const char *reply, *then;                       /* and the saga's state when it has counted */
    int done, dead;
} refused[] = {
    {"forth", "running", "execute", "{}", "{next}:commands", "StepSucceeded", "running", 1, 0},
    {"forth", "running", "execute", "{\"how\":{\"a\":\"fail\"}}", "{sagas}:events", "StepFailed",
     "compensated", 0, 0},
    {"forth", "running", "execute", "{\"how\":{\"a\":\"fail\"}}", "{sagas}:state:compensated",
     "StepFailed", "compensated", 0, 0},
    {"forth", "running", "execute", "no JSON", "{sagas}:events", "StepFailed", "compensated", 0, 1},
    {"back", "compensating", "compensate", "{}", "{sagas}:events", "StepSucceeded", "compensated",
     0, 0},
};

/* Whatever has ended the step: done, rejected, buried, or without its handler. */
static void a_refused_move_becomes_a_reply(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "forth", 1, "'steps':[" BY_HAND(LONG) "]");
    test_define(&server, "back", 1,
                "'steps':[" BY_HAND("'timeoutMs':200,'backoffMs':10,'attempts':1") "]");
    make_known("forth");
    make_known("back");
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        const struct refused *row = &refused[i];
        char saga[16];
        long long dead = test_dead(&server, STEPS);
        snprintf(saga, sizeof(saga), "s%zu", i);
        begin(saga, row->definition, row->state);
        test_worker_end_well(&coordinator);
        test_do(&server, "COPY %s saved REPLACE", row->spoilt);
        test_do(&server, "SET %s text", row->spoilt);
        send(saga, row->action, row->data);
        assert_replied(saga, row->reply);
        assert_effects(saga, "a", row->done, 0);
        assert_int_equal(test_dead(&server, STEPS), dead + row->dead);
        test_do(&server, "DEL %s", row->spoilt);
        test_do(&server, "COPY saved %s", row->spoilt);
        coordinator = test_coordinator_start(&server, "c0", NULL);
        AWAIT(test_saga_is(&server, saga, row->then) &&
              test_ask_integer(&server, "XLEN {sagas}:replies") == 0);
    }
    test_worker_end_well(&coordinator);
    test_worker_end_well(&one);
}

/* What the handler wants is refused with the move and without it: that is buried, and answered. */
static void what_a_step_wants_is_still_refused(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "forth", 1, "'steps':[" BY_HAND(LONG) "]");
    make_known("forth");
    begin("s", "forth", "running");
    test_do(&server, "SET {steps}:effects:s text");
    send("s", "execute", "{}");
    AWAIT(test_saga_is(&server, "s", "compensating"));
    assert_int_equal(test_dead(&server, STEPS), 1);
    assert_string_equal(test_saga_field(&server, "s", "step:a:unknown"), "1");
    test_worker_end_well(&coordinator);
    test_worker_end_well(&one);
}

/* Where nothing can be written at all the command is left, and comes back. */
static void without_any_way_out_it_comes_back(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(
        &server, STEPS, "one", OPTIONS("--claim-idle", "300ms", "--max-deliveries", "1000"));
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "forth", 1, "'steps':[" BY_HAND(LONG) "]");
    make_known("forth");
    begin("s", "forth", "running");
    test_worker_end_well(&coordinator);
    test_do(&server, "COPY {sagas}:replies saved");
    test_do(&server, "SET {sagas}:replies text");
    test_do(&server, "SET {next}:commands text");
    send("s", "execute", "{}");
    test_worker_await_log(&one, "message.left_pending");
    assert_effects("s", "a", 0, 0);
    test_do(&server, "DEL {sagas}:replies {next}:commands");
    test_do(&server, "COPY saved {sagas}:replies");
    test_await_settled(&server, STEPS);
    assert_effects("s", "a", 1, 0);
    assert_int_equal(test_dead(&server, STEPS), 0);
    test_worker_end_well(&one);
}

/* ---- What is denied -------------------------------------------------------------------------- */

#define ANN "ACL SETUSER ann reset on >hush +@all &* ~{steps}:* "

static struct test_worker start_ann(const char *socket)
{
    char url[TEST_PATH_MAX + 64];
    snprintf(url, sizeof(url), "unix://ann:hush@%s", socket);
    struct test_worker worker = test_worker_launch(url, STEPS, "one", NULL);
    test_worker_await_log(&worker, "worker.ready");
    return worker;
}

/* The right to read sagas goes while one has to be read once more: what was read before is no
 * ground to move it. */
static void what_may_not_be_read_any_more_is_not_known(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_define(&server, "forth", 1, "'steps':[" BY_HAND(LONG) "]");
    test_proxy_start(&proxy, &server,
                     (struct proxy_trap){"step:late/a", "step:late/a", PROXY_HOLD});
    test_do(&server, ANN "~*");
    struct test_worker one = start_ann(proxy.socket);
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    make_known("forth");
    begin("late", "forth", "running");
    send("late", "execute", "{}");
    test_proxy_await(&proxy); /* its commit, … */
    test_do(&server, "HINCRBY {sagas}:saga:late revision 1");
    test_proxy_release(&proxy, PROXY_HOLD);
    test_proxy_await(&proxy); /* … and the step's record, in front of the saga */
    test_do(&server, ANN "~{next}:* ~{sagas}:replies");
    test_proxy_release(&proxy, PROXY_NONE);
    AWAIT(strcmp(test_saga_field(&server, "late", "step:a:state"), "succeeded") == 0);
    assert_int_equal(test_worker_logged(&one, "sagas.left"), 1);
    assert_int_equal(test_worker_logged(&one, "commit.put_off"), 0);
    assert_effects("late", "a", 1, 0);
    test_worker_end_well(&one);
    test_worker_end_well(&coordinator);
    test_proxy_stop(&proxy);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_refused_move_becomes_a_reply),
        CASE(what_a_step_wants_is_still_refused),
        CASE(without_any_way_out_it_comes_back),
        CASE(what_may_not_be_read_any_more_is_not_known),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
