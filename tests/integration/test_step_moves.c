/* Workers move the sagas of the steps that they end: without replies and without records, branch
 * beside branch, and while they are killed. */
#include "integration/step_moves.h"

#include "support/load.h"

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

/* Few sagas may be in flight, and the coordinator does not hear of their ends: it counts them often
 * enough for the starts that wait. */
static void ends_that_nobody_tells_of_make_room(void **state)
{
    (void)state;
    enum { SAGAS = 1200 };
    char saga[16];
    struct test_worker all[] = {start_service("one"),
                                test_coordinator_start(&server, "c0", OPTIONS("--max-sagas", "5"))};
    test_define(&server, "chain", 1, CHAIN);
    (void)warm_up("chain");
    long long before = test_sagas_in(&server, "completed");
    for (int i = 0; i < SAGAS; i++) {
        snprintf(saga, sizeof(saga), "s%d", i);
        test_saga_begin(&server, saga, "chain", "{}");
    }
    AWAIT(test_sagas_in(&server, "completed") == before + SAGAS);
    end_all(all, 2);
}

/* A service that forgets ids soon sends no commands that soon expire. */
static void commands_outlive_what_their_sender_remembers(void **state)
{
    (void)state;
    char saga[32] = "";
    struct test_worker all[] = {
        test_worker_start(&server, STEPS, "one", OPTIONS("--id-life", "5s")),
        test_coordinator_start(&server, "c0", NULL)};
    test_define(&server, "away", 1,
                "'steps':[" STEP("a", LONG) ",{'name':'b','service':'away','command':'Do',"
                                            "'compensation':'Undo'," LONG "}]");
    long long end = test_now() + 15000;
    for (long long before = -1, n = 0; before != replies_ever(); n++) {
        assert_true(test_now() < end);
        before = replies_ever();
        snprintf(saga, sizeof(saga), "s%lld", n);
        test_saga_begin(&server, saga, "away", "{}");
        AWAIT(strcmp(test_saga_field(&server, saga, "step:b:state"), "running") == 0);
    }
    long long life = test_ask_integer(
        &server, "EVAL %s 1 {away}:commands",
        "local fields = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', '1')[1][2] "
        "for i = 1, #fields, 2 do "
        "  if fields[i] == 'expires' then "
        "    return tonumber(fields[i + 1]) - redis.call('TIME')[1] * 1000 "
        "  end "
        "end");
    assert_true(life > 3600000);
    end_all(all, 2);
}

/* A command for step "a" as the coordinator sends it. */
static void send_by_hand(const char *saga, const char *expires)
{
    test_do(&server,
            "XADD {steps}:commands * type Do id %s/a/execute saga %s step a action execute "
            "expires %s data {}",
            saga, saga, expires);
}

static void an_expired_command_has_no_effect(void **state)
{
    (void)state;
    char saga[32];
    struct test_worker all[] = {start_service("one"), test_coordinator_start(&server, "c0", NULL)};
    test_define(&server, "away", 1,
                "'steps':[{'name':'a','service':'away','command':'Do','compensation':'Undo'," LONG
                "}]");
    long long before = -1, end = test_now() + 15000;
    for (long long n = 0; before != replies_ever(); n++) {
        assert_true(test_now() < end);
        before = replies_ever();
        snprintf(saga, sizeof(saga), "w%lld", n);
        test_saga_begin(&server, saga, "away", "{}");
        AWAIT(test_saga_is(&server, saga, "running"));
        send_by_hand(saga, "9000000000000000");
        AWAIT(test_saga_is(&server, saga, "completed"));
    }
    test_saga_begin(&server, "s", "away", "{}");
    AWAIT(test_saga_is(&server, "s", "running"));
    send_by_hand("s", "1");
    AWAIT(test_dead(&server, STEPS) == 1);
    assert_effects("s", "a", 0, 0);
    AWAIT(test_saga_is(&server, "s", "compensating"));
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

/* The next command cannot be made up: what follows from that is the coordinator's to decide, also
 * where it is one command again. */
static void what_cannot_be_sent_is_left_to_the_coordinator(void **state)
{
    (void)state;
    struct test_worker all[] = {start_service("one"), test_coordinator_start(&server, "c0", NULL)};
    test_define(&server, "gap", 1,
                "'steps':[" STEP("a", LONG) "," STEP("b", "'input':{'value':'$.value'}," LONG) "]");
    long long before = warm_up_by("gap", "{'value':'x'}");
    test_saga_begin(&server, "s", "gap", "{}");
    AWAIT(test_saga_is(&server, "s", "compensated"));
    assert_nothing_left();
    assert_effects("s", "a", 1, 1);
    assert_string_equal(test_saga_field(&server, "s", "step:b:state"), "failed");
    assert_int_equal(replies_ever(), before + 1);
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

static int64_t time_of(const char *saga, const char *field)
{
    return strtoll(test_saga_field(&server, saga, field), NULL, 10);
}

/* A step has ended, and the next one begins, when its handler has answered, however long that took:
 * time limits count from there. */
static void a_long_handler_takes_nothing_from_the_next_step(void **state)
{
    (void)state;
    enum { LASTS_MS = 400 };
    struct test_worker all[] = {start_service("one"), test_coordinator_start(&server, "c0", NULL)};
    test_define(&server, "chain", 1, CHAIN);
    long long before = warm_up("chain");
    test_saga_begin(&server, "s", "chain", "{'defer':400}");
    AWAIT(test_saga_is(&server, "s", "completed"));
    assert_int_equal(replies_ever(), before);
    /* its timer counts from when the loop woke up last, which may have been before the message came
     */
    int64_t least = time_of("s", "step:a:sentAt") + LASTS_MS / 4;
    assert_true(time_of("s", "step:a:endedAt") >= least);
    assert_true(time_of("s", "step:b:sentAt") >= least);
    end_all(all, 2);
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
        CASE(ends_that_nobody_tells_of_make_room),
        CASE(commands_outlive_what_their_sender_remembers),
        CASE(an_expired_command_has_no_effect),
        CASE(parallel_branches_move_it_once_each),
        CASE(a_refusal_and_what_it_undoes_need_no_replies),
        CASE(what_cannot_be_sent_is_left_to_the_coordinator),
        CASE(an_early_timer_is_set_again),
        CASE(a_long_handler_takes_nothing_from_the_next_step),
        CASE(workers_die),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
