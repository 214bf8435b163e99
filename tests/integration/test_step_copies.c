/* A step that was ended by a move of its saga leaves no record: still each command takes effect
 * once, whatever is delivered again; and where a saga could not tell of it, there is a record, or a
 * reply. */
#include "integration/step_moves.h"

#include "support/proxy.h"

#define EXPIRES "9000000000000"

/* ---- Once more ------------------------------------------------------------------------------- */

/* The command once more, as a coordinator would send it, or by hand without a time. */
static void send_again(const char *saga, const char *step, const char *action, const char *more)
{
    char command[320];
    snprintf(command, sizeof(command),
             "XADD {steps}:commands * type %s saga %s step %s action %s id %s/%s/%s%s",
             strcmp(action, "execute") == 0 ? "Do" : "Undo", saga, step, action, saga, step, action,
             more);
    test_do(&server, command);
}

/* What a copy is answered with; no coordinator may be running. To be freed. */
static char *answer_to(const char *saga, const char *step, const char *action, const char *more,
                       const char *type)
{
    long long before = test_ask_integer(&server, "XLEN {sagas}:replies");
    send_again(saga, step, action, more);
    AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == before + 1);
    test_await_settled(&server, STEPS);
    assert_string_equal(test_newest(&server, "{sagas}:replies", "type"), type);
    return strdup(test_newest(&server, "{sagas}:replies", "data"));
}

#define EXPIRES_THEN " expires " EXPIRES " attempt "
static const char *const copies[] = {EXPIRES_THEN "1", EXPIRES_THEN "2", ""};

static void assert_answered_with(const char *saga, const char *step, const char *action,
                                 const char *type, const char *data)
{
    for (size_t i = 0; i < sizeof(copies) / sizeof(*copies); i++) {
        char *answer = answer_to(saga, step, action, copies[i], type);
        assert_string_equal(answer, data);
        free(answer);
    }
}

/* The compensation of what has never been done is a move, too, and bars the step for as long as its
 * saga stays. */
static void a_step_that_was_undone_first_is_barred_by_its_saga(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "hasty", 1,
                "'steps':[" STEP("a", "'timeoutMs':200,'backoffMs':10,'attempts':1") "]");
    (void)warm_up("hasty");
    test_saga_begin(&server, "s", "hasty", "{'how':{'a':'swallow'}}");
    AWAIT(test_saga_is(&server, "s", "compensated"));
    assert_nothing_left();
    assert_false(recorded("s", "a"));
    test_worker_end_well(&coordinator);
    assert_answered_with("s", "a", "execute", "StepFailed",
                         "{\"reason\":\"barred: its compensation came first\"}");
    assert_answered_with("s", "a", "compensate", "StepSucceeded", "{}");
    assert_effects("s", "a", 0, 0);
    assert_false(recorded("s", "a"));
    test_worker_end_well(&one);
}

/* While the saga goes on, and when it has ended. */
static void a_copy_is_answered_as_at_first(void **state)
{
    (void)state;
    char result[200];
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "chain", 1, CHAIN);
    test_define(&server, "open", 1,
                "'steps':[" STEP("a", LONG) ",{'name':'wait','signal':'Go','timeoutMs':60000}]");
    (void)warm_up("chain");
    for (int i = 0; i < 2; i++) { /* the first fetches the definition */
        test_saga_begin(&server, i ? "open" : "first", "open", "{}");
        AWAIT(strcmp(test_saga_field(&server, i ? "open" : "first", "step:wait:state"),
                     "running") == 0);
    }
    test_saga_begin(&server, "done", "chain", "{}");
    test_saga_begin(&server, "undone", "chain", "{'how':{'c':'fail'}}");
    AWAIT(test_saga_is(&server, "done", "completed") &&
          test_saga_is(&server, "undone", "compensated"));
    test_worker_end_well(&coordinator);
    static const char *const sagas[] = {"open", "done", "undone"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(result, sizeof(result), "%s", test_saga_field(&server, sagas[i], "step:a:result"));
        assert_false(recorded(sagas[i], "a"));
        assert_answered_with(sagas[i], "a", "execute", "StepSucceeded", result);
        assert_effects(sagas[i], "a", 1, i == 2);
    }
    snprintf(result, sizeof(result), "{\"reason\":\"%s\"}",
             test_saga_field(&server, "undone", "step:c:error"));
    assert_answered_with("undone", "c", "execute", "StepFailed", result);
    assert_answered_with("undone", "a", "compensate", "StepSucceeded", "{}");
    assert_effects("undone", "a", 1, 1);
    assert_effects("undone", "c", 0, 0);
    test_worker_end_well(&one);
}

/* Refused under the first numbers, which is a reply and leaves a record, and then done by a move,
 * which leaves none: a copy of that command finds both. */
static void a_success_behind_a_recorded_refusal_counts(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "chain", 1, CHAIN);
    test_define(&server, "forward", 1,
                "'steps':[" STEP("a", LONG) ",{'name':'r','service':'steps','command':'Do',"
                                            "'kind':'retriable'," LONG "}]");
    (void)warm_up("chain");
    (void)warm_up("forward");
    test_saga_begin(&server, "s", "forward", "{'how':{'r':'fail-twice'}}");
    test_saga_begin(&server, "t", "chain", "{'how':{'c':'fail','a/undo':'fail-twice'}}");
    AWAIT(test_saga_is(&server, "s", "completed") && test_saga_is(&server, "t", "compensated"));
    assert_string_equal(test_saga_field(&server, "s", "step:r:number"), "3");
    assert_string_equal(test_saga_field(&server, "t", "step:a:number"), "3");
    assert_true(recorded("s", "r") && recorded("t", "a"));
    test_worker_end_well(&coordinator);
    assert_effects("s", "r", 1, 0);
    assert_effects("t", "a", 1, 1);
    for (int number = 3; number >= 2; number--) {
        char execute[32], compensate[32];
        snprintf(execute, sizeof(execute), "execute#%d", number);
        snprintf(compensate, sizeof(compensate), "compensate#%d", number);
        long long before = test_ask_integer(&server, "XLEN {sagas}:replies");
        test_do(&server,
                "XADD {steps}:commands * type Do saga s step r action execute id s/r/%s "
                "attempt 9 expires " EXPIRES,
                execute);
        test_do(&server,
                "XADD {steps}:commands * type Undo saga t step a action compensate id t/a/%s "
                "attempt 9 expires " EXPIRES,
                compensate);
        AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == before + 2);
        test_await_settled(&server, STEPS);
        assert_string_equal(test_newest(&server, "{sagas}:replies", "type"), "StepSucceeded");
        assert_effects("s", "r", 1, 0);
        assert_effects("t", "a", 1, 1);
    }
    test_worker_end_well(&one);
}

/* An operator has skipped a step and the compensation of another, each of which was refused by a
 * move, or has not been heard of: the saga goes on without them, and a copy of the command must not
 * take effect after all. */
static void a_skipped_step_takes_no_effect(const char *how)
{
    char data[96];
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(
        &server, "short", 1,
        "'steps':[" STEP(
            "a", "'timeoutMs':300,'attempts':1") ",{'name':'r','service':"
                                                 "'steps','command':'Do','kind':'retriable','"
                                                 "timeoutMs':300,'attempts':1}]");
    test_define(&server, "pair", 1,
                "'steps':[" STEP("a", "'timeoutMs':300,'attempts':1") "," STEP("b", LONG) "]");
    (void)warm_up("short");
    (void)warm_up("pair");
    snprintf(data, sizeof(data), "{'how':{'r':'%s'}}", how);
    test_saga_begin(&server, "s", "short", data);
    snprintf(data, sizeof(data), "{'how':{'b':'fail','a/undo':'%s'}}", how);
    test_saga_begin(&server, "t", "pair", data);
    AWAIT(test_sagas_in(&server, "suspended") == 2);
    assert_false(recorded("s", "r") || recorded("t", "a"));
    test_do(&server, "XADD {sagas}:commands * type ResumeSaga saga s step r decision skip");
    test_do(&server, "XADD {sagas}:commands * type ResumeSaga saga t step a decision skip");
    AWAIT(test_saga_is(&server, "s", "completed") && test_saga_is(&server, "t", "compensated"));
    test_worker_end_well(&coordinator);
    for (size_t i = 0; i < sizeof(copies) / sizeof(*copies); i++) {
        free(answer_to("s", "r", "execute", copies[i], "StepFailed"));
        free(answer_to("t", "a", "compensate", copies[i], "StepFailed"));
        free(answer_to("t", "a", "execute", copies[i], "StepSucceeded"));
    }
    assert_effects("s", "r", 0, 0);
    assert_effects("t", "a", 1, 0);
    test_worker_end_well(&one);
}

static void a_copy_behind_a_skip_is_answered_as_at_first(void **state)
{
    (void)state;
    a_skipped_step_takes_no_effect("fail");
}

static void a_skip_bars_what_was_not_heard_of(void **state)
{
    (void)state;
    a_skipped_step_takes_no_effect("swallow");
}

/* Two copies in two hands: the one succeeds and is about to reply, as that worker has no definition
 * yet; the other is refused by a move, which leaves the step running under the next number. The
 * first to commit counts. */
static void a_reply_does_not_come_beside_a_move(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_define(&server, "lone", 1,
                "'steps':[{'name':'r','service':'steps','command':'Do','kind':'retriable',"
                "'timeoutMs':20000,'attempts':1}]");
    test_proxy_start(&proxy, &server,
                     (struct proxy_trap){"weir_commit", "s/r/execute", PROXY_HOLD});
    struct test_worker one = /* which reads nothing further while it has something in hand */
        test_worker_launch(proxy.url, STEPS, "one", OPTIONS("--concurrency", "1"));
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_worker_await_log(&one, "worker.ready");
    test_saga_begin(&server, "s", "lone", "{}");
    test_proxy_await(&proxy);
    struct test_worker two = start_service("two");
    (void)warm_up("lone");
    test_do(&server,
            "XADD {steps}:commands * type Do saga s step r action execute id s/r/execute attempt 2 "
            "expires %s data {\"how\":{\"r\":\"fail\"}}",
            in_an_hour());
    AWAIT(test_saga_is(&server, "s", "suspended"));
    assert_false(recorded("s", "r"));
    test_proxy_release(&proxy, PROXY_NONE);
    test_await_settled(&server, STEPS);
    AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == 0);
    assert_effects("s", "r", 0, 0);
    assert_true(test_saga_is(&server, "s", "suspended"));
    test_worker_end_well(&one);
    test_worker_end_well(&two);
    test_worker_end_well(&coordinator);
    test_proxy_stop(&proxy);
}

/* Undoing begins where nothing has been done, so the handler is not asked. Before that is committed
 * somebody moves the saga, and before the step is looked at again a copy does it after all: what
 * there is to undo then has to be undone. */
static void what_is_done_beside_its_compensation_is_undone(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_define(&server, "hasty", 1,
                "'steps':[" STEP("a", "'timeoutMs':200,'backoffMs':10,'attempts':1") "]");
    test_proxy_start(&proxy, &server,
                     (struct proxy_trap){"step:late/a", "step:late/a", PROXY_HOLD});
    struct test_worker one = /* which reads nothing further while it has something in hand */
        test_worker_launch(proxy.url, STEPS, "one", OPTIONS("--concurrency", "1"));
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_worker_await_log(&one, "worker.ready");
    (void)warm_up("hasty");
    test_saga_begin(&server, "late", "hasty", "{'how':{'a':'swallow'}}");
    test_proxy_await(&proxy); /* the step's record before the first commit, … */
    test_proxy_release(&proxy, PROXY_HOLD);
    test_proxy_await(&proxy); /* … that commit, … */
    test_do(&server, "HINCRBY {sagas}:saga:late revision 1");
    test_proxy_release(&proxy, PROXY_HOLD);
    test_proxy_await(&proxy); /* … and the record once more */
    struct test_worker two = start_service("two");
    test_do(&server,
            "XADD {steps}:commands * type Do saga late step a action execute id late/a/execute "
            "attempt 2 expires %s data {\"how\":{}}",
            in_an_hour());
    AWAIT(effects("late", "a") == 1);
    test_proxy_release(&proxy, PROXY_NONE);
    AWAIT(test_saga_is(&server, "late", "compensated"));
    test_await_settled(&server, STEPS);
    assert_effects("late", "a", 1, 1);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
    test_worker_end_well(&coordinator);
    test_proxy_stop(&proxy);
}

/* ---- Where workers reply --------------------------------------------------------------------- */

/* A hash that goes before the command does could not tell of it any more. */
static void a_brief_retention_leaves_records(void **state)
{
    (void)state;
    struct test_worker all[] = {
        start_service("one"), test_coordinator_start(&server, "c0", OPTIONS("--retention", "1h"))};
    test_define(&server, "chain", 1, CHAIN);
    long long before = warm_up("chain");
    test_saga_begin(&server, "s", "chain", "{}");
    test_saga_begin(&server, "t", "chain", "{'how':{'c':'fail'}}");
    assert_nothing_left();
    assert_true(test_saga_is(&server, "s", "completed"));
    assert_true(test_saga_is(&server, "t", "compensated"));
    assert_string_equal(test_saga_field(&server, "s", "retention"), "3600000");
    assert_in_range(test_ask_integer(&server, "PTTL {sagas}:saga:s"), 1, 3600000);
    assert_in_range(test_ask_integer(&server, "PTTL {sagas}:saga:t"), 1, 3600000);
    assert_records("s", true);
    assert_records("t", true);
    assert_int_equal(replies_ever(), before);
    end_all(all, 2);
}

static long long kept_until(const char *step)
{
    char *time = test_ask_text(&server, "ZSCORE {steps}:steps %s", step);
    long long until = time != NULL ? atoll(time) : 0;
    free(time);
    return until;
}

/* Coordinators let their commands live for an hour, workers theirs for a day. What a compensation
 * bars may be a worker's, and come when the compensation could not come any more. */
static void a_brief_compensation_bars_for_as_long_as_an_execution_lives(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    struct test_worker coordinator =
        test_coordinator_start(&server, "c0", OPTIONS("--id-life", "1h", "--retention", "1h"));
    test_define(&server, "hasty", 1,
                "'steps':[" STEP("a", "'timeoutMs':200,'backoffMs':10,'attempts':1") "]");
    (void)warm_up("hasty");
    test_saga_begin(&server, "s", "hasty", "{'how':{'a':'swallow'}}");
    AWAIT(test_saga_is(&server, "s", "compensated"));
    assert_nothing_left();
    test_worker_end_well(&coordinator);
    assert_in_range(test_ask_integer(&server, "PTTL {sagas}:saga:s"), 1, 3600000);
    test_do(&server, "DEL {sagas}:saga:s"); /* its time has come, … */
    assert_true(recorded("s", "a"));
    assert_true(kept_until("s/a") > atoll(in_minutes(23 * 60)));
    char more[64]; /* … but not yet that of the execution */
    snprintf(more, sizeof(more), " attempt 2 expires %s", in_minutes(20 * 60));
    free(answer_to("s", "a", "execute", more, "StepFailed"));
    assert_effects("s", "a", 0, 0);
    test_worker_end_well(&one);
}

/* The command has waited for long when it is done, so that it will soon be without effect; its copy
 * has just been sent, and still can be carried out when the saga's hash has gone. */
static void a_copy_that_lives_longer_finds_a_record(void **state)
{
    (void)state;
    char more[64];
    struct test_worker one = start_service("one");
    struct test_worker coordinator =
        test_coordinator_start(&server, "c0", OPTIONS("--retention", "1h"));
    test_define(&server, "lone", 1, "'steps':[" STEP("a", LONG) "]");
    long long before = warm_up("lone");
    test_saga_begin(&server, "s", "lone", "{'how':{'a':'swallow-first'}}");
    AWAIT(test_saga_is(&server, "s", "running"));
    test_await_settled(&server, STEPS);
    snprintf(more, sizeof(more), " attempt 2 expires %s", in_minutes(30));
    send_again("s", "a", "execute", more);
    AWAIT(test_saga_is(&server, "s", "completed"));
    assert_int_equal(replies_ever(), before);
    test_worker_end_well(&coordinator);
    test_do(&server, "DEL {sagas}:saga:s"); /* an hour later */
    snprintf(more, sizeof(more), " attempt 3 expires %s", in_minutes(120));
    free(answer_to("s", "a", "execute", more, "StepSucceeded"));
    assert_effects("s", "a", 1, 0);
    test_worker_end_well(&one);
}

/* A saga keeps what was promised when it began: coordinators with another setting, who might let
 * its hash go earlier, do not know which steps rely on it. */
static void the_retention_is_the_one_it_began_with(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "chain", 1, CHAIN);
    test_define(&server, "open", 1,
                "'steps':[" STEP("a", LONG) ",{'name':'wait','signal':'Go','timeoutMs':60000}]");
    (void)warm_up("chain");
    test_saga_begin(&server, "first", "open", "{}");
    AWAIT(strcmp(test_saga_field(&server, "first", "step:wait:state"), "running") == 0);
    test_saga_begin(&server, "s", "open", "{}");
    AWAIT(strcmp(test_saga_field(&server, "s", "step:wait:state"), "running") == 0);
    assert_false(recorded("s", "a"));
    test_worker_end_well(&coordinator);
    coordinator = test_coordinator_start(&server, "c0", OPTIONS("--retention", "1s"));
    test_do(&server, "XADD {sagas}:commands * type SignalSaga saga s signal Go data {}");
    AWAIT(test_saga_is(&server, "s", "completed"));
    assert_true(test_ask_integer(&server, "PTTL {sagas}:saga:s") > 3600000);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&one);
}

/* Somebody else's inbox takes nothing for a while: that is no reason to give up what has been done
 * here. The coordinator sees to it, and asks again for the answer that it could not carry out. */
static void a_refused_move_is_left_to_the_coordinator(void **state)
{
    (void)state;
    char saga[32] = "";
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(
        &server, "across", 1,
        "'steps':[" STEP(
            "a", "'timeoutMs':1000,'backoffMs':10,'attempts':9") ",{'name':"
                                                                 "'b','service':'idle','command':'"
                                                                 "Do','timeoutMs':60000}]");
    long long before = -1;
    for (int i = 0; before != replies_ever(); i++) {
        before = replies_ever();
        snprintf(saga, sizeof(saga), "w%d", i);
        test_saga_begin(&server, saga, "across", "{}");
        AWAIT(strcmp(test_saga_field(&server, saga, "step:a:state"), "succeeded") == 0);
    }
    test_do(&server, "DEL {idle}:commands");
    test_do(&server, "SET {idle}:commands broken");
    test_saga_begin(&server, "s", "across", "{}");
    AWAIT(replies_ever() > before);
    test_await_settled(&server, STEPS);
    assert_effects("s", "a", 1, 0);
    assert_int_equal(test_dead(&server, STEPS), 0);
    test_do(&server, "DEL {idle}:commands");
    AWAIT(strcmp(test_saga_field(&server, "s", "step:a:state"), "succeeded") == 0);
    assert_true(test_saga_is(&server, "s", "running"));
    AWAIT(test_ask_integer(&server, "XLEN {idle}:commands") == 1);
    assert_effects("s", "a", 1, 0);
    test_worker_end_well(&one);
    test_worker_end_well(&coordinator);
}

/* The coordinator knows what it began with; a worker that comes later finds another text, or none.
 */
static void without_its_definition_there_are_replies(void **state)
{
    (void)state;
    static const char *const spoil[] = {"HSET {sagas}:definition:chain 1 {\"name\":\"chain\"}",
                                        "HDEL {sagas}:definition:chain 1"};
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    for (int i = 0; i < 2; i++) {
        char saga[32];
        long long before = replies_ever();
        snprintf(saga, sizeof(saga), "s%d", i);
        test_define(&server, "chain", 1, CHAIN);
        test_saga_begin(&server, saga, "chain", "{}");
        AWAIT(test_saga_is(&server, saga, "running"));
        test_do(&server, spoil[i]);
        struct test_worker one = start_service("one");
        AWAIT(test_saga_is(&server, saga, "completed"));
        assert_int_equal(replies_ever(), before + 3);
        assert_records(saga, true);
        test_worker_end_well(&one);
    }
    test_worker_end_well(&coordinator);
}

static void without_a_right_to_sagas_there_are_replies(void **state)
{
    (void)state;
    struct test_worker all[] = {test_replier_start(&server, STEPS, "one", NULL),
                                test_coordinator_start(&server, "c0", NULL)};
    test_define(&server, "chain", 1, CHAIN);
    test_saga_begin(&server, "s", "chain", "{}");
    test_saga_begin(&server, "t", "chain", "{'how':{'c':'fail'}}");
    assert_nothing_left();
    assert_true(test_saga_is(&server, "s", "completed"));
    assert_true(test_saga_is(&server, "t", "compensated"));
    assert_int_equal(replies_ever(), 3 + 5);
    assert_records("s", true);
    assert_records("t", true);
    assert_int_equal(test_worker_logged(&all[0], "sagas.left"), 1);
    end_all(all, 2);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_step_that_was_undone_first_is_barred_by_its_saga),
        CASE(a_copy_is_answered_as_at_first),
        CASE(a_success_behind_a_recorded_refusal_counts),
        CASE(a_copy_behind_a_skip_is_answered_as_at_first),
        CASE(a_skip_bars_what_was_not_heard_of),
        CASE(a_reply_does_not_come_beside_a_move),
        CASE(what_is_done_beside_its_compensation_is_undone),
        CASE(a_brief_retention_leaves_records),
        CASE(a_brief_compensation_bars_for_as_long_as_an_execution_lives),
        CASE(a_copy_that_lives_longer_finds_a_record),
        CASE(the_retention_is_the_one_it_began_with),
        CASE(a_refused_move_is_left_to_the_coordinator),
        CASE(without_its_definition_there_are_replies),
        CASE(without_a_right_to_sagas_there_are_replies),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
