/* Workers move the sagas of the steps that they end: without replies and without records, and still
 * each step once, whatever is delivered again. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/sagas.h"
#include "support/step_service.h"

#define STEPS "steps"
#define STEP(name, more)                                                                           \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'," more "}"
#define LONG "'timeoutMs':20000,'backoffMs':10,'attempts':5"
#define CHAIN "'steps':[" STEP("a", LONG) "," STEP("b", LONG) "," STEP("c", LONG) "]"
#define EXPIRES "9000000000000"

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

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    return 0;
}

/* ---- What there is to see -------------------------------------------------------------------- */

/* How many replies there have ever been, those included that have been worked off. */
static long long replies_ever(void)
{
    static const char script[] = "local about = redis.pcall('XINFO', 'STREAM', KEYS[1]) "
                                 "if about.err then return 0 end "
                                 "for i = 1, #about, 2 do "
                                 "  if about[i] == 'entries-added' then return about[i + 1] end "
                                 "end";
    return test_ask_integer(&server, "EVAL %s 1 {sagas}:replies", script);
}

static long long effects(const char *saga, const char *part)
{
    char key[96];
    snprintf(key, sizeof(key), "{steps}:effects:%s", saga);
    return test_number(&server, key, part);
}

static void assert_effects(const char *saga, const char *step, long long done, long long undone)
{
    char undo[32];
    snprintf(undo, sizeof(undo), "%s/undo", step);
    assert_int_equal(effects(saga, step), done);
    assert_int_equal(effects(saga, undo), undone);
}

static bool recorded(const char *saga, const char *step)
{
    bool there = test_ask_integer(&server, "EXISTS {steps}:step:%s/%s", saga, step) == 1;
    char member[96];
    snprintf(member, sizeof(member), "%s/%s", saga, step);
    char *place = test_ask_text(&server, "ZSCORE {steps}:steps %s", member);
    assert_int_equal(there, place != NULL);
    free(place);
    return there;
}

static void assert_records(const char *saga, bool there)
{
    static const char *const steps[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(recorded(saga, steps[i]), there);
}

static void assert_nothing_left(void)
{
    test_sagas_await_rest(&server, 15000);
    test_await_settled(&server, STEPS);
    assert_int_equal(test_dead(&server, STEPS), 0);
    assert_int_equal(test_dead(&server, "sagas"), 0);
}

/* ---- Who works ------------------------------------------------------------------------------- */

static struct test_worker start_service(const char *consumer)
{
    return test_worker_start(&server, STEPS, consumer, NULL);
}

/* Sagas are begun until the workers have the definition at hand: each fetches it when it first
 * meets it, and replies until then. Returns the number of replies so far. */
static long long warm_up(const char *definition)
{
    static unsigned warmed;
    long long before = -1;
    char saga[32];
    for (long long end = test_now() + 15000; before != replies_ever();) {
        assert_true(test_now() < end);
        before = replies_ever();
        snprintf(saga, sizeof(saga), "warm%u", warmed++);
        test_saga_begin(&server, saga, definition, "{}");
        AWAIT(test_saga_is(&server, saga, "completed"));
    }
    return before;
}

static void end_all(struct test_worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        test_worker_end_well(&workers[i]);
}

/* ---- Without replies ------------------------------------------------------------------------- */

static void a_known_definition_needs_no_replies(void **state)
{
    (void)state;
    enum { SAGAS = 20 };
    char saga[16];
    struct test_worker all[] = {start_service("one"), test_coordinator_start(&server, "c0", NULL)};
    test_define(&server, "chain", 1, CHAIN);
    long long before = warm_up("chain");
    for (int i = 0; i < SAGAS; i++) {
        snprintf(saga, sizeof(saga), "s%d", i);
        test_saga_begin(&server, saga, "chain", "{'value':'x'}");
    }
    assert_nothing_left();
    for (int i = 0; i < SAGAS; i++) {
        snprintf(saga, sizeof(saga), "s%d", i);
        assert_true(test_saga_is(&server, saga, "completed"));
        assert_string_equal(test_saga_field(&server, saga, "revision"), "4");
        assert_effects(saga, "a", 1, 0);
        assert_effects(saga, "b", 1, 0);
        assert_effects(saga, "c", 1, 0);
        assert_records(saga, false);
        assert_string_equal(test_saga_events(&server, saga), "SagaStarted SagaCompleted ");
    }
    assert_int_equal(replies_ever(), before);
    end_all(all, 2);
}

/* Branches that end at the same time, in different processes: each moves the saga once, whoever
 * comes first, and the last one of them goes on. */
static void parallel_branches_move_it_once_each(void **state)
{
    (void)state;
    enum { SAGAS = 60, STEPS_EACH = 6 };
    static const char *const steps[STEPS_EACH] = {"a", "b", "c", "d", "e", "f"};
    char saga[16];
    test_define(
        &server, "fan", 1,
        "'steps':[" STEP("a", LONG) "," STEP("b", "'after':['a']," LONG) "," STEP(
            "c",
            "'after':['"
            "a']," LONG) "," STEP("d",
                                  "'after':['a']," LONG) "," STEP("e",
                                                                  "'after':['a']," LONG) "," STEP("f",
                                                                                                  "'after':['b','c','d','"
                                                                                                  "e']," LONG) "]");
    struct test_worker all[] = {start_service("one"),
                                test_coordinator_start(&server, "c0", NULL),
                                test_coordinator_start(&server, "c1", NULL),
                                {0}};
    long long before = warm_up("fan");
    all[3] = start_service("two");
    for (long long first = before, end = test_now() + 15000; before == first;) {
        assert_true(test_now() < end);
        before = warm_up("fan"); /* until that one has had its turn */
    }
    for (int i = 0; i < SAGAS; i++) {
        snprintf(saga, sizeof(saga), "s%d", i);
        test_saga_begin(&server, saga, "fan",
                        i % 2 ? "{}" : "{'how':{'b':'slow','c':'slow','d':'slow','e':'slow'}}");
    }
    assert_nothing_left();
    for (int i = 0; i < SAGAS; i++) {
        snprintf(saga, sizeof(saga), "s%d", i);
        assert_true(test_saga_is(&server, saga, "completed"));
        assert_string_equal(test_saga_field(&server, saga, "revision"), "7");
        assert_string_equal(test_saga_events(&server, saga), "SagaStarted SagaCompleted ");
        for (size_t k = 0; k < STEPS_EACH; k++)
            assert_effects(saga, steps[k], 1, 0);
    }
    assert_int_equal(replies_ever(), before); /* none was outrun for good */
    end_all(all, 4);
}

/* ---- Turning back ---------------------------------------------------------------------------- */

static void a_refusal_and_what_it_undoes_need_no_replies(void **state)
{
    (void)state;
    struct test_worker all[] = {start_service("one"), test_coordinator_start(&server, "c0", NULL)};
    test_define(&server, "chain", 1, CHAIN);
    long long before = warm_up("chain");
    test_saga_begin(&server, "s", "chain", "{'how':{'c':'fail'}}");
    AWAIT(test_saga_is(&server, "s", "compensated"));
    assert_nothing_left();
    assert_effects("s", "a", 1, 1);
    assert_effects("s", "b", 1, 1);
    assert_effects("s", "c", 0, 0);
    assert_records("s", false);
    assert_int_equal(replies_ever(), before);
    assert_string_equal(test_saga_events(&server, "s"),
                        "SagaStarted SagaCompensating SagaCompensated ");
    assert_string_equal(test_saga_field(&server, "s", "step:c:state"), "failed");
    assert_int_equal(strncmp(test_saga_field(&server, "s", "reason"), "c: refused in run ", 18), 0);
    end_all(all, 2);
}

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

/* ---- Once more ------------------------------------------------------------------------------- */

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
        char execute[16], compensate[16];
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

/* An operator has skipped a step, or its compensation, that was refused by a move: the saga goes on
 * without it, and a copy of the refused command must not take effect after all. */
static void a_copy_behind_a_skip_is_answered_as_at_first(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(
        &server, "short", 1,
        "'steps':[" STEP(
            "a", "'timeoutMs':20000,'attempts':1") ",{'name':'r','service':"
                                                   "'steps','command':'Do','kind':'retriable','"
                                                   "timeoutMs':20000,'attempts':1}]");
    test_define(&server, "pair", 1,
                "'steps':[" STEP("a", "'timeoutMs':20000,'attempts':1") "," STEP("b", LONG) "]");
    (void)warm_up("short");
    (void)warm_up("pair");
    test_saga_begin(&server, "s", "short", "{'how':{'r':'fail'}}");
    test_saga_begin(&server, "t", "pair", "{'how':{'b':'fail','a/undo':'fail'}}");
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

/* The coordinator knows what it began with; a worker that comes later finds another text, or none.
 */
static void without_its_definition_there_are_replies(void **state)
{
    (void)state;
    static const char *const spoil[] = {"HSET {sagas}:definition:chain 1 {\"name\":\"chain\"}",
                                        "HDEL {sagas}:definition:chain 1"};
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    for (int i = 0; i < 2; i++) {
        char saga[8];
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

/* ---- Timers ---------------------------------------------------------------------------------- */

/* The timer stays where the first step has put it while the later ones move on: it rings early, is
 * set again, and then rings for the step that nobody answers. */
static void an_early_timer_is_set_again(void **state)
{
    (void)state;
    struct test_worker one = start_service("one");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "brief", 1,
                "'steps':[" STEP("a", "'timeoutMs':300,'backoffMs':10,'attempts':1") "," STEP(
                    "b", "'timeoutMs':900,'backoffMs':10,'attempts':1") "]");
    (void)warm_up("brief");
    test_saga_begin(&server, "s", "brief", "{'how':{'b':'swallow'}}");
    AWAIT(strcmp(test_saga_field(&server, "s", "step:b:state"), "running") == 0);
    assert_int_equal(test_ask_integer(&server, "ZCARD {sagas}:scheduled"), 1);
    AWAIT(test_saga_is(&server, "s", "compensated"));
    assert_nothing_left();
    assert_effects("s", "a", 1, 1);
    assert_effects("s", "b", 0, 0);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&one);
}

/* ---- Under kill ------------------------------------------------------------------------------ */

#define WORKERS 3
#define EACH 12 /* sagas of each kind */
#define KILLS_AT_LEAST 15

static const struct kind {
    const char *definition, *how, *state;
    const char *done, *undone; /* the steps that have taken effect, and those undone again */
} kinds[] = {
    {"chain", "{}", "completed", "abc", ""},
    {"chain", "{'b':'slow'}", "completed", "abc", ""},
    {"chain", "{'b':'fail'}", "compensated", "a", "a"},
    {"chain", "{'c':'fail','b/undo':'slow'}", "compensated", "ab", "ab"},
    {"chain", "{'c':'fail','a/undo':'fail-twice'}", "compensated", "ab", "ab"},
    {"diamond", "{}", "completed", "abcd", ""},
    {"diamond", "{'b':'slow','c':'slow'}", "completed", "abcd", ""},
    {"diamond", "{'b':'slow','c':'slow','d':'fail'}", "compensated", "abc", "abc"},
    {"forward", "{'r':'fail-twice'}", "completed", "ar", ""},
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static void define_all(void)
{
    test_define(&server, "chain", 1, CHAIN);
    test_define(&server, "diamond", 1,
                "'steps':[" STEP("a", LONG) "," STEP("b", "'after':['a']," LONG) "," STEP(
                    "c", "'after':['a']," LONG) "," STEP("d", "'after':['b','c']," LONG) "]");
    test_define(&server, "forward", 1,
                "'steps':[" STEP("a", LONG) ",{'name':'r','service':'steps','command':'Do',"
                                            "'kind':'retriable'," LONG "}]");
}

static struct test_worker launch(const char *consumer)
{
    return test_worker_launch(server.url, STEPS, consumer,
                              OPTIONS("--claim-idle", "300ms", "--max-deliveries", "1000"));
}

/* One dies and comes back: as itself, or as another. */
static void kill_one(struct test_worker *workers, int kills)
{
    struct test_worker *victim = &workers[test_random(WORKERS)];
    char consumer[32];
    snprintf(consumer, sizeof(consumer), "%s", victim->consumer);
    assert_int_equal(test_worker_end(victim, SIGKILL), 128 + SIGKILL);
    if (test_random(2) == 0)
        snprintf(consumer, sizeof(consumer), "w%d", WORKERS + kills);
    *victim = launch(consumer);
}

static void begin_one(size_t number)
{
    char saga[16], data[160];
    snprintf(saga, sizeof(saga), "s%zu", number);
    snprintf(data, sizeof(data), "{'how':%s}", kinds[number % KINDS].how);
    test_saga_begin(&server, saga, kinds[number % KINDS].definition, data);
}

static void run_under_kill(struct test_worker *workers)
{
    size_t begun = 0, all = KINDS * EACH;
    int kills = 0;
    long long limit = test_now() + 25000, next_kill = 0, next_begin = 0;
    while (begun < all || kills < KILLS_AT_LEAST ||
           test_sagas_in(&server, "completed") + test_sagas_in(&server, "compensated") <
               (long long)all) {
        if (test_now() > limit)
            test_sagas_await_rest(&server, 0);
        for (size_t i = 0; i < KINDS && begun < all && test_now() >= next_begin; i++)
            begin_one(begun++);
        if (test_now() >= next_begin)
            next_begin = test_now() + 100;
        if (test_now() >= next_kill) {
            kill_one(workers, ++kills);
            next_kill = test_now() + 40 + test_random(160);
        }
        test_pause();
    }
    printf("%zu sagas, %d kills\n", all, kills);
}

static void check_one(size_t number)
{
    const struct kind *kind = &kinds[number % KINDS];
    char saga[16], step[2] = "";
    snprintf(saga, sizeof(saga), "s%zu", number);
    assert_string_equal(test_saga_field(&server, saga, "state"), kind->state);
    for (const char *at = "abcdr"; *at != '\0'; at++) {
        step[0] = *at;
        assert_effects(saga, step, strchr(kind->done, *at) != NULL,
                       strchr(kind->undone, *at) != NULL);
    }
    assert_string_equal(test_saga_events(&server, saga),
                        kind->undone[0] == '\0' ? "SagaStarted SagaCompleted "
                                                : "SagaStarted SagaCompensating SagaCompensated ");
}

static void workers_die(void **state)
{
    (void)state;
    struct test_worker workers[WORKERS];
    struct test_worker coordinators[] = {test_coordinator_start(&server, "c0", NULL),
                                         test_coordinator_start(&server, "c1", NULL)};
    define_all();
    for (size_t i = 0; i < WORKERS; i++) {
        char consumer[8];
        snprintf(consumer, sizeof(consumer), "w%zu", i);
        workers[i] = launch(consumer);
    }
    run_under_kill(workers);
    assert_nothing_left();
    for (size_t i = 0; i < KINDS * EACH; i++)
        check_one(i);
    assert_int_equal(test_sagas_in(&server, "suspended"), 0);
    for (size_t i = 0; i < WORKERS; i++)
        test_worker_await_log(&workers[i], "worker.ready");
    end_all(workers, WORKERS);
    end_all(coordinators, 2);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_known_definition_needs_no_replies),
        CASE(parallel_branches_move_it_once_each),
        CASE(a_refusal_and_what_it_undoes_need_no_replies),
        CASE(a_step_that_was_undone_first_is_barred_by_its_saga),
        CASE(a_copy_is_answered_as_at_first),
        CASE(a_success_behind_a_recorded_refusal_counts),
        CASE(a_copy_behind_a_skip_is_answered_as_at_first),
        CASE(a_brief_retention_leaves_records),
        CASE(the_retention_is_the_one_it_began_with),
        CASE(without_its_definition_there_are_replies),
        CASE(without_a_right_to_sagas_there_are_replies),
        CASE(an_early_timer_is_set_again),
        CASE(workers_die),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
