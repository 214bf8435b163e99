/* Several coordinators at once, killed at random moments: every saga ends as it has to, and each
 * transition happens once. */
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
#define COORDINATORS 3
#define EACH 20 /* sagas of each kind */
#define KILLS_AT_LEAST 15
#define STEP(name, more)                                                                           \
    "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'," more "}"
#define LONG "'timeoutMs':20000,'backoffMs':10,'attempts':5"
#define SHORT "'timeoutMs':250,'backoffMs':10,'attempts':2"

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

static struct test_worker start_service(void)
{
    return test_worker_start(&server, STEPS, "steps-1", NULL);
}

/* ---- What there is ------------------------------------------------------------------------- */

static const struct {
    const char *name, *rest;
} definitions[] = {
    {"chain", "'steps':[" STEP("a", LONG) "," STEP("b", LONG) "," STEP("c", LONG) "]"},
    {"hasty", "'steps':[" STEP("a", LONG) "," STEP("b", SHORT) "," STEP("c", LONG) "]"},
    {"patient",
     "'steps':[" STEP("a", LONG) "," STEP("b", "'timeoutMs':250,'backoffMs':10,'attempts':50") "]"},
    {"diamond", "'steps':[" STEP("a", LONG) "," STEP("b", "'after':['a']," LONG) "," STEP(
                    "c", "'after':['a']," LONG) "," STEP("d", "'after':['b','c']," LONG) "]"},
    {"pivoted", "'steps':[" STEP("a", LONG) ",{'name':'p','service':'steps','command':'Do',"
                                            "'kind':'pivot'," LONG
                                            "},{'name':'r','service':'steps','command':'Do',"
                                            "'kind':'retriable'," LONG "}]"},
    {"stuck",
     "'steps':[" STEP("a", LONG) ",{'name':'r','service':'steps','command':'Do','kind':"
                                 "'retriable','timeoutMs':20000,'backoffMs':10,'attempts':2}]"},
    {"signalled",
     "'steps':[" STEP("a", LONG) ",{'name':'wait','signal':'Go','timeoutMs':60000}," STEP(
         "c", LONG) "]"},
    {"unheard", "'steps':[" STEP("a", LONG) ",{'name':'wait','signal':'Go','timeoutMs':300}," STEP(
                    "c", LONG) "]"},
    {"mapped", "'steps':[" STEP("a", LONG) "," STEP(
                   "b", "'input':{'how':'$.how','value':'$.steps.a.run'}," LONG) "]"},
    {"astray",
     "'steps':[" STEP("a", LONG) "," STEP("b", "'input':{'value':'$.steps.a.nothing'}," LONG) "]"},
    {"brief", "'timeoutMs':400,'steps':[" STEP("a", LONG) "," STEP("b", LONG) "]"},
};

/* What is sent to a saga while it is under way, once it is in that state and step. */
enum order { NO_ORDER, SIGNAL, CANCEL, SKIP };

/* The steps that have taken effect, and those among them that have been undone again. */
static const struct kind {
    const char *definition, *how, *state;
    const char *done, *undone;
    enum order order;
} kinds[] = {
    {"chain", "{}", "completed", "a b c", "", NO_ORDER},
    {"chain", "{'b':'fail'}", "compensated", "a", "a", NO_ORDER},
    {"chain", "{'c':'fail','b/undo':'slow'}", "compensated", "a b", "a b", NO_ORDER},
    {"chain", "{'c':'fail','a/undo':'fail-twice'}", "compensated", "a b", "a b", NO_ORDER},
    {"hasty", "{'b':'swallow'}", "compensated", "a", "a", NO_ORDER},
    {"patient", "{'b':'swallow-first'}", "completed", "a b", "", NO_ORDER},
    {"diamond", "{'b':'slow'}", "completed", "a b c d", "", NO_ORDER},
    {"diamond", "{'d':'fail'}", "compensated", "a b c", "a b c", NO_ORDER},
    {"pivoted", "{}", "completed", "a p r", "", NO_ORDER},
    {"pivoted", "{'p':'fail'}", "compensated", "a", "a", NO_ORDER},
    {"pivoted", "{'r':'fail-twice'}", "completed", "a p r", "", NO_ORDER},
    {"stuck", "{'r':'fail'}", "completed", "a", "", SKIP},
    {"signalled", "{}", "completed", "a c", "", SIGNAL},
    {"signalled", "{}", "compensated", "a", "a", CANCEL},
    {"unheard", "{}", "compensated", "a", "a", NO_ORDER},
    {"mapped", "{}", "completed", "a b", "", NO_ORDER},
    {"astray", "{}", "compensated", "a", "a", NO_ORDER},
    {"brief", "{'b':'swallow'}", "compensated", "a", "a", NO_ORDER},
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))
#define SAGAS (KINDS * EACH)

static const struct kind *kind_of(size_t saga)
{
    return &kinds[saga % KINDS];
}

static const char *name_of(size_t saga)
{
    static char names[4][24];
    static unsigned next;
    char *name = names[next++ % 4];
    snprintf(name, sizeof(names[0]), "s%zu", saga);
    return name;
}

static void define_all(void)
{
    for (size_t i = 0; i < sizeof(definitions) / sizeof(*definitions); i++)
        test_define(&server, definitions[i].name, 1, definitions[i].rest);
}

static void begin(size_t saga)
{
    char data[256];
    snprintf(data, sizeof(data), "{'how':%s}", kind_of(saga)->how);
    test_saga_begin(&server, name_of(saga), kind_of(saga)->definition, data);
}

/* ---- What is sent on the way --------------------------------------------------------------- */

/* True where there is nothing (more) to send to the saga. */
static bool send_order(size_t saga)
{
    const char *name = name_of(saga);
    switch (kind_of(saga)->order) {
    case SIGNAL: /* every other one before the saga has reached the step */
        if (!test_saga_is(&server, name, "running"))
            return false;
        test_do(&server, "XADD {sagas}:commands * type SignalSaga saga %s signal Go data {}", name);
        return true;
    case CANCEL:
        if (strcmp(test_saga_field(&server, name, "step:wait:state"), "running") != 0)
            return false;
        test_do(&server, "XADD {sagas}:commands * type CancelSaga saga %s", name);
        return true;
    case SKIP:
        if (!test_saga_is(&server, name, "suspended"))
            return false;
        test_do(&server, "XADD {sagas}:commands * type ResumeSaga saga %s step r decision skip",
                name);
        return true;
    case NO_ORDER:
        break;
    }
    return true;
}

static size_t send_orders(size_t begun, bool *ordered)
{
    size_t left = 0;
    for (size_t i = 0; i < begun; i++) {
        if (!ordered[i])
            ordered[i] = send_order(i);
        left += !ordered[i];
    }
    return left;
}

/* ---- Killing ------------------------------------------------------------------------------- */

static struct test_worker start_coordinator(const char *consumer)
{
    return test_coordinator_launch(&server, consumer,
                                   OPTIONS("--claim-idle", "300ms", "--max-deliveries", "1000"));
}

static int kills;

/* One of them dies and comes back: as itself, or as another. */
static void kill_one(struct test_worker *coordinators)
{
    char consumer[32];
    struct test_worker *victim = &coordinators[test_random(COORDINATORS)];
    snprintf(consumer, sizeof(consumer), "%s", victim->consumer);
    assert_int_equal(test_worker_end(victim, SIGKILL), 128 + SIGKILL);
    kills++;
    if (test_random(2) == 0)
        snprintf(consumer, sizeof(consumer), "c%d", COORDINATORS + kills);
    *victim = start_coordinator(consumer);
}

static bool all_ended(void)
{
    return test_sagas_in(&server, "completed") + test_sagas_in(&server, "compensated") ==
           (long long)SAGAS;
}

static void run_all_under_kill(struct test_worker *coordinators)
{
    static bool ordered[SAGAS];
    size_t begun = 0, left = SAGAS;
    long long end = test_now() + 25000, next_kill = 0, next_begin = 0;
    memset(ordered, 0, sizeof(ordered));
    kills = 0;
    for (; left > 0 || !all_ended() || kills < KILLS_AT_LEAST; test_pause()) {
        if (test_now() > end)
            test_sagas_await_rest(&server, 0);
        for (size_t i = 0; begun < SAGAS && i < KINDS && test_now() >= next_begin; i++)
            begin(begun++);
        if (test_now() >= next_begin)
            next_begin = test_now() + 100;
        left = send_orders(begun, ordered) + (SAGAS - begun);
        if (test_now() >= next_kill) {
            kill_one(coordinators);
            next_kill = test_now() + 20 + test_random(130);
        }
    }
    printf("%zu sagas, %d kills\n", SAGAS, kills);
}

/* ---- What came of it ----------------------------------------------------------------------- */

/* "a b c": whether the word stands in the list. */
static bool listed(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at++)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static void check_effects(const char *name, const struct kind *kind)
{
    char key[64], undo[16];
    static const char *const steps[] = {"a", "b", "c", "d", "p", "r"};
    snprintf(key, sizeof(key), "{steps}:effects:%s", name);
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        long long done = test_number(&server, key, steps[i]), undone;
        snprintf(undo, sizeof(undo), "%s/undo", steps[i]);
        undone = test_number(&server, key, undo);
        if (done != listed(kind->done, steps[i]) || undone != listed(kind->undone, steps[i]))
            fail_msg("saga %s (%s, %s): step %s was done %lld times and undone %lld times", name,
                     kind->definition, kind->how, steps[i], done, undone);
    }
}

static void check_events(const char *name, const struct kind *kind)
{
    const char *expected = kind->order == SKIP ? "SagaStarted SagaSuspended SagaCompleted "
                           : strcmp(kind->state, "completed") == 0
                               ? "SagaStarted SagaCompleted "
                               : "SagaStarted SagaCompensating SagaCompensated ";
    assert_string_equal(test_saga_events(&server, name), expected);
}

/* The result of the one step as the other has got it. */
static void check_mapping(const char *name)
{
    char key[64];
    const char *value;
    snprintf(key, sizeof(key), "{steps}:effects:%s", name);
    value = test_text(&server, key, "b/value");
    assert_true(strlen(value) > 0);
    assert_non_null(strstr(test_saga_field(&server, name, "step:a:result"), value));
}

static void check_saga(size_t saga)
{
    const char *name = name_of(saga);
    const struct kind *kind = kind_of(saga);
    if (!test_saga_is(&server, name, kind->state))
        fail_msg("saga %s (%s, %s) is %s because of %s, not %s", name, kind->definition, kind->how,
                 test_saga_field(&server, name, "state"), test_saga_field(&server, name, "reason"),
                 kind->state);
    check_effects(name, kind);
    check_events(name, kind);
    if (strcmp(kind->definition, "mapped") == 0)
        check_mapping(name);
}

static void coordinators_die(void **state)
{
    (void)state;
    struct test_worker service = start_service(), coordinators[COORDINATORS];
    define_all();
    for (size_t i = 0; i < COORDINATORS; i++) {
        char consumer[8];
        snprintf(consumer, sizeof(consumer), "c%zu", i);
        coordinators[i] = start_coordinator(consumer);
    }
    run_all_under_kill(coordinators);
    test_sagas_await_rest(&server, 10000);
    test_await_settled(&server, STEPS);
    for (size_t i = 0; i < SAGAS; i++)
        check_saga(i);
    assert_int_equal(test_sagas_in(&server, "suspended"), 0);
    assert_int_equal(test_dead(&server, "sagas"), 0);
    assert_int_equal(test_dead(&server, STEPS), 0);
    for (size_t i = 0; i < COORDINATORS; i++) {
        test_worker_await_log(&coordinators[i], "worker.ready");
        test_worker_end_well(&coordinators[i]);
    }
    test_worker_end_well(&service);
}

/* ---- Replies before starts ----------------------------------------------------------------- */

#define EARLIER 1000
#define LATER 4000

static void begin_many(const char *name, int count)
{
    redisContext *connection = redisConnectUnix(server.socket);
    assert_non_null(connection);
    for (int i = 0; i < count; i++)
        redisAppendCommand(connection,
                           "XADD {sagas}:commands * type StartSaga saga %s%d definition single",
                           name, i);
    for (int i = 0; i < count; i++) {
        void *reply = NULL;
        assert_int_equal(redisGetReply(connection, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
    redisFree(connection);
}

/* How many of the later sagas had started when the last of the earlier ones was completed, as the
 * events stand. */
static long long started_before_the_last_completion(void)
{
    static const char script[] =
        "local started, mark = 0, -1 "
        "for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do "
        "  local event = {} "
        "  for i = 1, #entry[2], 2 do event[entry[2][i]] = entry[2][i + 1] end "
        "  local later = event.subject:sub(1, 1) == 'l' "
        "  if later and event.type == 'SagaStarted' then started = started + 1 end "
        "  if not later and event.type == 'SagaCompleted' then mark = started end "
        "end return mark";
    return test_ask_integer(&server, "EVAL %s 1 {sagas}:events", script);
}

static void replies_are_served_before_starts(void **state)
{
    (void)state;
    test_define(&server, "single", 1, "'steps':[" STEP("a", LONG) "]");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    begin_many("e", EARLIER);
    AWAIT(test_sagas_in(&server, "running") == EARLIER);
    assert_int_equal(test_worker_end(&coordinator, SIGTERM), 0);
    struct test_worker service = test_replier_start(&server, STEPS, "steps-1", NULL);
    AWAIT(test_ask_integer(&server, "XLEN {sagas}:replies") == EARLIER);
    assert_int_equal(test_worker_end(&service, SIGTERM), 0);
    begin_many("l", LATER);
    coordinator = test_coordinator_start(&server, "c0", NULL);
    AWAIT(test_sagas_in(&server, "completed") == EARLIER);
    AWAIT(test_sagas_in(&server, "running") == LATER);
    assert_in_range(started_before_the_last_completion(), 0, EARLIER / 4);
    service = start_service();
    AWAIT(test_sagas_in(&server, "completed") == EARLIER + LATER);
    test_sagas_await_rest(&server, 5000);
    assert_int_equal(test_worker_end(&coordinator, SIGTERM), 0);
    assert_int_equal(test_worker_end(&service, SIGTERM), 0);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(coordinators_die),
        CASE(replies_are_served_before_starts),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
