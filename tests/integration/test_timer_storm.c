/* Deadlines that all fall due while no coordinator runs: answers that have come meanwhile count,
 * and the rest is worked off in batches. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/sagas.h"
#include "support/step_service.h"

#define STEPS "steps"
#define BATCH_MAX 1000 /* what one call to the server may move, whatever it asks for */
#define ENDED_MS 30000
/* All sagas have begun within this, and their coordinator is dead, before the first deadline. */
#define BEGIN_MS 2500

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

/* ---- The storm ----------------------------------------------------------------------------- */

static void define(const char *name, unsigned timeout_ms, unsigned attempts)
{
    char rest[512];
    snprintf(rest, sizeof(rest),
             "'steps':[{'name':'a','service':'steps','command':'Do','compensation':'Undo',"
             "'timeoutMs':%u,'attempts':%u,'backoffMs':10}]",
             timeout_ms, attempts);
    test_define(&server, name, 1, rest);
}

/* Three kinds in turn: answered at once, answered at the second attempt, never answered. */
static const char *const hows[3] = {"", "swallow-first", "swallow"};

static void begin_many(const char *definition, int count)
{
    redisContext *connection = redisConnectUnix(server.socket);
    assert_non_null(connection);
    for (int i = 0; i < count; i++)
        redisAppendCommand(connection,
                           "XADD {sagas}:commands * type StartSaga saga s%d definition %s data "
                           "{\"how\":{\"a\":\"%s\"}}",
                           i, definition, hows[i % 3]);
    for (int i = 0; i < count; i++) {
        void *reply = NULL;
        assert_int_equal(redisGetReply(connection, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
    redisFree(connection);
}

static struct test_worker start_service(const char *consumer)
{
    return test_replier_start(&server, STEPS, consumer, OPTIONS("--max-deliveries", "1000"));
}

/* Starts the sagas, ends the coordinator, lets the service answer a third of the commands, and
 * waits until all deadlines have passed. The service runs on. */
static struct test_worker raise_storm(const char *definition, int count)
{
    static const char due[] = "local time = redis.call('TIME') "
                              "return redis.call('ZCOUNT', KEYS[1], '-inf', time[1] .. '000')";
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    begin_many(definition, count);
    AWAIT(test_sagas_in(&server, "running") == count);
    assert_int_equal(test_worker_end(&coordinator, SIGKILL), 128 + SIGKILL);
    assert_int_equal(test_ask_integer(&server, "ZCARD {sagas}:scheduled"), count);
    assert_int_equal(test_ask_integer(&server, "XLEN {steps}:commands"), count); /* none was late */
    struct test_worker service = start_service("steps-1");
    test_await_settled(&server, STEPS);
    assert_int_equal(test_ask_integer(&server, "XLEN {sagas}:replies"), count / 3);
    AWAIT(test_ask_integer(&server, "EVAL %s 1 {sagas}:scheduled", due) == count);
    return service;
}

/* How many of the sagas whose number is `kind` modulo three have that value in the field. */
static long long count_of(int count, int kind, const char *field, const char *value)
{
    static const char script[] =
        "local found = 0 "
        "for i = tonumber(ARGV[2]), tonumber(ARGV[1]) - 1, 3 do "
        "  if redis.call('HGET', '{sagas}:saga:s' .. i, ARGV[3]) == ARGV[4] then "
        "    found = found + 1 end end "
        "return found";
    return test_ask_integer(&server, "EVAL %s 0 %d %d %s %s", script, count, kind, field, value);
}

static void assert_all(int count, int kind, const char *field, const char *value)
{
    long long found = count_of(count, kind, field, value);
    if (found != count / 3)
        fail_msg("%s is %s in %lld of the %d sagas of kind %d (%s)", field, value, found, count / 3,
                 kind, hows[kind]);
}

static void assert_effects(int count, int kind, const char *done, const char *undone)
{
    static const char script[] =
        "local wrong = 0 "
        "for i = tonumber(ARGV[2]), tonumber(ARGV[1]) - 1, 3 do "
        "  local key = '{steps}:effects:s' .. i "
        "  if (redis.call('HGET', key, 'a') or '0') ~= ARGV[3] or "
        "    (redis.call('HGET', key, 'a/undo') or '0') ~= ARGV[4] then wrong = wrong + 1 end end "
        "return wrong";
    assert_int_equal(
        test_ask_integer(&server, "EVAL %s 0 %d %d %s %s", script, count, kind, done, undone), 0);
}

/* One attempt each: what is not answered is compensated, what was answered is not. */
static void answers_count_before_deadlines(void **state)
{
    (void)state;
    int count = 1500;
    define("once", BEGIN_MS, 1);
    struct test_worker service = raise_storm("once", count);
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_sagas_await_rest(&server, ENDED_MS);
    assert_all(count, 0, "state", "completed");
    assert_all(count, 0, "step:a:state", "succeeded");
    assert_all(count, 1, "state", "compensated");
    assert_all(count, 2, "state", "compensated");
    assert_effects(count, 0, "1", "0");
    assert_effects(count, 1, "0", "0");
    assert_effects(count, 2, "0", "0");
    assert_int_equal(test_dead(&server, "sagas"), 0);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&service);
}

/* Several attempts: the answered ones are not tried again, the others are. With two coordinators,
 * of which one serves timers that the other's answers make void. */
static void the_unanswered_are_tried_again(void **state)
{
    (void)state;
    int count = 900;
    define("thrice", BEGIN_MS, 3);
    struct test_worker service = raise_storm("thrice", count);
    struct test_worker one = test_coordinator_start(&server, "c0", NULL);
    struct test_worker two = test_coordinator_start(&server, "c1", NULL);
    test_sagas_await_rest(&server, ENDED_MS);
    assert_all(count, 0, "state", "completed");
    assert_all(count, 0, "step:a:attempts", "1");
    assert_all(count, 1, "state", "completed");
    assert_all(count, 1, "step:a:attempts", "2");
    assert_all(count, 2, "state", "compensated");
    assert_all(count, 2, "step:a:attempts", "3");
    assert_effects(count, 0, "1", "0");
    assert_effects(count, 1, "1", "0");
    assert_effects(count, 2, "0", "0");
    test_worker_end_well(&one);
    test_worker_end_well(&two);
    test_worker_end_well(&service);
}

/* ---- Batches ------------------------------------------------------------------------------- */

/* What the calls of weir_promote have moved at the most, as MONITOR tells of it. */
struct watch {
    redisContext *connection;
    long long most, moved, calls, asked;
};

static void watch_line(struct watch *watch, const char *line)
{
    const char *call = strstr(line, "\"weir_promote\"");
    if (strstr(line, "lua]")) {
        watch->moved += strstr(line, "\"XADD\"") != NULL && strstr(line, "SagaWake") != NULL;
    } else {
        watch->most = watch->moved > watch->most ? watch->moved : watch->most;
        watch->moved = 0;
    }
    if (call && strchr(line, '\0')) {
        const char *limit = strrchr(line, ' ');
        watch->calls++;
        watch->asked = limit ? atoll(limit + 2) : 0;
    }
}

static void watch_until_rest(struct watch *watch)
{
    struct timeval soon = {.tv_usec = 200000};
    long long end = test_now() + ENDED_MS;
    redisSetTimeout(watch->connection, soon);
    while (test_now() < end) {
        void *reply = NULL;
        if (redisGetReply(watch->connection, &reply) != REDIS_OK)
            return; /* silence: all is done */
        watch_line(watch, ((redisReply *)reply)->str);
        freeReplyObject(reply);
    }
}

static void they_are_worked_off_in_batches(void **state)
{
    (void)state;
    int count = 1200;
    struct watch watch = {.connection = redisConnectUnix(server.socket)};
    define("once", 2 * BEGIN_MS, 1);
    struct test_worker service = raise_storm("once", count);
    test_worker_end_well(&service);
    freeReplyObject(redisCommand(watch.connection, "MONITOR"));
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    watch_until_rest(&watch);
    redisFree(watch.connection);
    printf("%lld calls of at most %lld, %lld moved at the most\n", watch.calls, watch.asked,
           watch.most);
    assert_in_range(watch.asked, 1, BATCH_MAX);
    assert_in_range(watch.most, 1, watch.asked);
    assert_true(watch.calls >= count / watch.asked);
    service = start_service("steps-1");
    test_sagas_await_rest(&server, ENDED_MS);
    assert_int_equal(test_sagas_in(&server, "completed"), count / 3);
    assert_int_equal(test_sagas_in(&server, "compensated"), count - count / 3);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&service);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(answers_count_before_deadlines),
        CASE(the_unanswered_are_tried_again),
        CASE(they_are_worked_off_in_batches),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_step_service);
    return cmocka_run_group_tests(tests, start, stop);
}
