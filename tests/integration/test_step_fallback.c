/* What a worker's move adds may be refused or denied where the step itself is innocent: then the
 * end of the step is recorded and replied. */
#include "integration/step_moves.h"

#include "support/proxy.h"

/* ---- One step in this worker's hands --------------------------------------------------------- */

/* The coordinator sends the commands of step "a" to a service that nobody runs, the test those that
 * count to the one that is running: so it decides when. Behind "a" comes one of a third service. */
#define BY_HAND(more)                                                                              \
    "{'name':'a','service':'hand','command':'Do','compensation':'Undo'," more "},"                 \
    "{'name':'b','service':'next','command':'Do','compensation':'Undo'," LONG "}"

static void send(const char *saga, const char *action, const char *data)
{
    test_do(&server,
            "XADD {steps}:commands * type %s id %s/a/%s saga %s step a action %s expires %s "
            "data %s",
            strcmp(action, "execute") == 0 ? "Do" : "Undo", saga, action, saga, action,
            in_an_hour(), data);
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
        char saga[16], moved[48];
        long long dead = test_dead(&server, STEPS);
        snprintf(saga, sizeof(saga), "s%zu", i);
        snprintf(moved, sizeof(moved), "saga.moved saga=%s ", saga);
        begin(saga, row->definition, row->state);
        test_worker_end_well(&coordinator);
        test_do(&server, "COPY %s saved REPLACE", row->spoilt);
        test_do(&server, "SET %s text", row->spoilt);
        send(saga, row->action, row->data);
        assert_replied(saga, row->reply);
        assert_effects(saga, "a", row->done, 0);
        assert_int_equal(test_dead(&server, STEPS), dead + row->dead);
        assert_int_equal(test_worker_logged(&one, moved), 0); /* nothing came of it */
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

/* Which reads nothing further while it has something in hand. */
static struct test_worker start_ann(const char *socket)
{
    char url[TEST_PATH_MAX + 64];
    snprintf(url, sizeof(url), "unix://ann:hush@%s", socket);
    struct test_worker worker =
        test_worker_launch(url, STEPS, "one", OPTIONS("--concurrency", "1"));
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

static const struct lacking {
    const char *rights; /* what the user has besides the service's own keys and {sagas}:replies */
    const char *data;   /* the command's */
    const char *then;   /* state of step "a" */
} lacking[] = {
    {"~{sagas}:*", "{}", "succeeded"}, /* not the next service's commands */
    {"~{next}:* ~{sagas}:saga:* %R~{sagas}:*", "{\"how\":{\"a\":\"fail\"}}", "failed"},
    {"~{next}:* %R~{sagas}:*", "{}", "succeeded"},
    {"%R~{sagas}:*", "{}", "succeeded"},
    {"%R~{sagas}:*", "no JSON", "failed"},
};

/* A user who may read sagas, and not write what belongs to them. */
static void without_a_right_to_move_there_are_replies(void **state)
{
    (void)state;
    enum { SAGAS = 3 };
    char saga[16];
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "forth", 1, "'steps':[" BY_HAND(LONG) "]");
    for (size_t i = 0; i < sizeof(lacking) / sizeof(*lacking); i++) {
        const struct lacking *row = &lacking[i];
        long long before = replies_ever();
        test_do(&server, ANN "~{sagas}:replies");
        for (const char *at = row->rights; at != NULL; at = strchr(at, ' ')) {
            char right[32];
            at += *at == ' ';
            snprintf(right, sizeof(right), "%.*s", (int)strcspn(at, " "), at);
            test_do(&server, "ACL SETUSER ann %s", right);
        }
        struct test_worker one = start_ann(server.socket);
        for (int k = 0; k < SAGAS; k++) { /* with the first the definition becomes known */
            snprintf(saga, sizeof(saga), "s%zu.%d", i, k);
            begin(saga, "forth", "running");
            send(saga, "execute", row->data);
            AWAIT(strcmp(test_saga_field(&server, saga, "step:a:state"), row->then) == 0);
            assert_effects(saga, "a", strcmp(row->then, "succeeded") == 0, 0);
        }
        test_await_settled(&server, STEPS);
        assert_int_equal(replies_ever(), before + SAGAS);
        assert_int_equal(test_worker_logged(&one, "sagas.left"), 1);
        assert_int_equal(test_worker_logged(&one, "commit.put_off"), 0);
        test_worker_end_well(&one);
    }
    test_worker_end_well(&coordinator);
}

/* What was moved while the user had the right to it has no record: the saga, which may be read
 * still, tells of it. */
static void what_was_moved_before_is_not_done_again(void **state)
{
    (void)state;
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "forth", 1, "'steps':[" BY_HAND(LONG) "]");
    test_do(&server, ANN "~*");
    struct test_worker one = start_ann(server.socket);
    make_known("forth");
    begin("s", "forth", "running");
    send("s", "execute", "{}");
    AWAIT(strcmp(test_saga_field(&server, "s", "step:a:state"), "succeeded") == 0);
    assert_false(recorded("s", "a"));
    test_do(&server, ANN "~{sagas}:replies %%R~{sagas}:*");
    begin("t", "forth", "running");
    send("t", "execute", "{}");
    AWAIT(strcmp(test_saga_field(&server, "t", "step:a:state"), "succeeded") == 0);
    long long before = replies_ever();
    send("s", "execute", "{}");
    AWAIT(replies_ever() == before + 1);
    test_await_settled(&server, STEPS);
    assert_effects("s", "a", 1, 0);
    assert_effects("t", "a", 1, 0);
    test_worker_end_well(&one);
    test_worker_end_well(&coordinator);
}

/* A right goes for a while. The reply that waits for it names the saga still: a copy of the command
 * in other hands may move it meanwhile. */
static void a_reply_that_waits_does_not_come_beside_a_move(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_define(&server, "forth", 1, "'steps':[" BY_HAND(LONG) "]");
    test_proxy_start(&proxy, &server,
                     (struct proxy_trap){"weir_commit", "{sagas}:saga:s", PROXY_HOLD});
    test_do(&server, ANN "~*");
    struct test_worker one = start_ann(proxy.socket);
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    make_known("forth");
    begin("s", "forth", "running");
    send("s", "execute", "{}");
    test_proxy_await(&proxy);
    test_do(&server, "ACL SETUSER ann -xadd");
    test_proxy_release(&proxy, PROXY_NONE);
    test_worker_await_log(&one, "commit.put_off");
    struct test_worker two = start_service("two");
    AWAIT(test_ask_integer(&server, "XLEN {steps}:commands") == 1);
    make_known("forth");
    send("s", "execute", "{}");
    AWAIT(strcmp(test_saga_field(&server, "s", "step:a:state"), "succeeded") == 0);
    assert_false(recorded("s", "a"));
    test_do(&server, "ACL SETUSER ann +xadd");
    test_await_settled(&server, STEPS);
    assert_effects("s", "a", 1, 0);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
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
        CASE(without_a_right_to_move_there_are_replies),
        CASE(what_was_moved_before_is_not_done_again),
        CASE(a_reply_that_waits_does_not_come_beside_a_move),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
