/* Turns of aggregates within one process: one message of a key at a time, many keys side by side,
 * and what becomes of a message whose key somebody changes whenever it has been read. */
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/worker.h"

#define TURNS "turns"
#define COMMANDS 3000
#define AGGREGATES 30
#define OTHERS 20
#define RUNS_MAX 20 /* of a handler over state that keeps changing, in one delivery */
#define SOCKET "WEIR_TEST_SOCKET"

/* ---- The service --------------------------------------------------------------------------- */

static redisContext *somebody;

/* Somebody else, who writes what the handler has just read: as often as is left for it. */
static bool disturb(const char *aggregate, long long times)
{
    redisReply *runs = redisCommand(somebody, "HINCRBY runs %s 1", aggregate), *written;
    bool fine = runs && runs->type == REDIS_REPLY_INTEGER;
    if (fine && runs->integer <= times) {
        written = redisCommand(somebody, "HINCRBY {turns}:aggregate:%s value 1000", aggregate);
        fine = written && written->type == REDIS_REPLY_INTEGER;
        if (written)
            freeReplyObject(written);
    }
    if (runs)
        freeReplyObject(runs);
    return fine;
}

static enum weir_outcome turn(weir_context *context, const weir_message *message)
{
    const char *aggregate;
    int64_t n, value = 0, times = 0;
    if (!weir_require_id(context, "aggregate", &aggregate) ||
        !weir_require_integer(context, "n", 0, INT64_MAX, &n))
        return WEIR_REJECT;
    if (json_object_get(weir_message_data(message), "disturb") &&
        !weir_require_integer(context, "disturb", 0, INT64_MAX, &times))
        return WEIR_REJECT;
    weir_note(context, "turn.run", "aggregate=%s n=%lld", aggregate, (long long)n);
    if (weir_hget(context, NULL, "value") && !weir_hget_integer(context, NULL, "value", &value))
        return WEIR_REJECT;
    if (times > 0 && !disturb(aggregate, times))
        return WEIR_REJECT;
    weir_reason(context, "of a handler that is done"); /* not of a conflict that follows */
    weir_retry_after(context, 3600000);
    weir_hset_integer(context, NULL, "value", value + 1);
    weir_hset_integer(context, NULL, "deliveries", weir_message_deliveries(message));
    weir_publish(context, "Turned", aggregate, "{s:I}", "n", (json_int_t)n);
    return WEIR_DONE;
}

static weir_service *make_service(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Turn", turn, "aggregate:{aggregate}");
    somebody = redisConnectUnix(getenv(SOCKET));
    return service;
}

/* ---- The test's side ----------------------------------------------------------------------- */

static struct test_server server;

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    return setenv(SOCKET, server.socket, 1);
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

/* Lets one worker handle all that has been sent, and leaves its log. */
static struct test_worker handle_all(const char *deliveries_max)
{
    struct test_worker worker = test_worker_start(
        &server, TURNS, "one",
        OPTIONS("--log-level", "debug", "--log-format", "json", "--max-deliveries", deliveries_max,
                "--retry-base", "1ms", "--retry-cap", "1ms"));
    test_await_settled(&server, TURNS);
    test_worker_end_well(&worker);
    return worker;
}

/* ---- The worker's log ---------------------------------------------------------------------- */

/* Who has been begun and not yet ended, by the log: an aggregate's message has its turn from its
 * handler's first run to the answer to its commit. */
struct turns {
    char open[AGGREGATES][32]; /* its message's entry, "": none */
    int n[AGGREGATES];         /* of the last begun */
    int begun, again, ended, at_once, at_once_most;
    int ended_before_first; /* messages that ended before that of aggregate 0 */
};

static const char *word(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text ? text : "";
}

static long long number(const json_t *line, const char *name)
{
    const json_t *value = json_object_get(line, name);
    return json_is_integer(value) ? json_integer_value(value) : atoll(word(line, name));
}

static void begin_turn(struct turns *turns, const json_t *line)
{
    int aggregate = atoi(word(line, "aggregate") + 1), n = (int)number(line, "n");
    char *open = turns->open[aggregate];
    if (strcmp(open, word(line, "entry")) == 0) {
        turns->again++;
        return;
    }
    if (*open)
        fail_msg("aggregate %d: %d was begun before %d had ended", aggregate, n,
                 turns->n[aggregate]);
    if (n <= turns->n[aggregate])
        fail_msg("aggregate %d: %d was begun behind %d", aggregate, n, turns->n[aggregate]);
    snprintf(open, sizeof(turns->open[0]), "%s", word(line, "entry"));
    turns->n[aggregate] = n;
    turns->begun++;
    if (++turns->at_once > turns->at_once_most)
        turns->at_once_most = turns->at_once;
}

static void end_turn(struct turns *turns, const json_t *line)
{
    for (int i = 0; i < AGGREGATES; i++)
        if (strcmp(turns->open[i], word(line, "entry")) == 0) {
            turns->open[i][0] = '\0';
            turns->at_once--;
            if (i == 0 && turns->ended_before_first < 0)
                turns->ended_before_first = turns->ended;
            turns->ended++;
            return;
        }
    fail_msg("%s was ended without having been begun", word(line, "entry"));
}

static struct turns read_turns(const struct test_worker *worker)
{
    struct turns turns = {.ended_before_first = -1};
    char text[4096];
    FILE *file = fopen(worker->log, "re");
    assert_non_null(file);
    for (int i = 0; i < AGGREGATES; i++)
        turns.n[i] = -1;
    while (fgets(text, sizeof(text), file)) {
        json_t *line = json_loads(text, 0, NULL);
        assert_non_null(line);
        if (strcmp(word(line, "event"), "turn.run") == 0)
            begin_turn(&turns, line);
        else if (strcmp(word(line, "event"), "message.handled") == 0)
            end_turn(&turns, line);
        json_decref(line);
    }
    fclose(file);
    return turns;
}

/* ---- Side by side -------------------------------------------------------------------------- */

static void make_turn(char *data, size_t room, int n)
{
    snprintf(data, room, "{\"aggregate\":\"a%u\",\"n\":%d}", test_random(AGGREGATES), n);
}

static void one_message_of_a_key_and_many_keys_at_once(void **state)
{
    (void)state;
    test_send_made(&server, TURNS, "Turn", COMMANDS, make_turn);
    struct test_worker worker = handle_all("5");
    struct turns turns = read_turns(&worker);
    print_message("%d keys at once\n", turns.at_once_most);
    assert_int_equal(turns.begun, COMMANDS);
    assert_int_equal(turns.ended, COMMANDS);
    assert_int_equal(turns.again, 0);
    assert_true(turns.at_once_most > 1);
    assert_int_equal(test_ask_integer(&server, "XLEN {turns}:events"), COMMANDS);
}

/* The first is disturbed, the second waits for it; those behind have keys of their own. */
static void make_slow_first(char *data, size_t room, int n)
{
    if (n == 0)
        snprintf(data, room, "{\"aggregate\":\"a0\",\"n\":0,\"disturb\":%d}", RUNS_MAX - 1);
    else
        snprintf(data, room, "{\"aggregate\":\"a%d\",\"n\":%d}", n - 1, n);
}

static void a_key_that_keeps_changing_holds_up_no_other(void **state)
{
    (void)state;
    test_send_made(&server, TURNS, "Turn", 2 + OTHERS, make_slow_first);
    struct test_worker worker = handle_all("5");
    struct turns turns = read_turns(&worker);
    assert_int_equal(turns.ended, 2 + OTHERS);
    assert_int_equal(turns.again, RUNS_MAX - 1);
    assert_int_equal(turns.ended_before_first, OTHERS);
    assert_int_equal(test_number(&server, "{turns}:aggregate:a0", "value"),
                     (RUNS_MAX - 1) * 1000 + 2);
    assert_int_equal(test_ask_integer(&server, "XLEN {turns}:events"), 2 + OTHERS);
}

/* ---- The bound ----------------------------------------------------------------------------- */

static void it_succeeds_when_the_disturbance_stops(void **state)
{
    (void)state;
    test_send(&server, TURNS, "Turn", "{\"aggregate\":\"a0\",\"n\":0,\"disturb\":%d}",
              2 * RUNS_MAX + 3);
    struct test_worker worker = handle_all("5");
    assert_int_equal(test_number(&server, "runs", "a0"), 2 * RUNS_MAX + 4);
    assert_int_equal(test_worker_logged(&worker, "\"outcome\":\"retried\""), 2);
    assert_int_equal(test_worker_logged(&worker, "{turns}:aggregate:a0 kept changing"), 2);
    assert_int_equal(test_number(&server, "{turns}:aggregate:a0", "value"),
                     (2 * RUNS_MAX + 3) * 1000 + 1);
    assert_int_equal(test_number(&server, "{turns}:aggregate:a0", "deliveries"), 3);
    assert_int_equal(test_ask_integer(&server, "XLEN {turns}:events"), 1);
    assert_int_equal(test_dead(&server, TURNS), 0);
}

static void it_ends_with_the_dead_when_the_disturbance_does_not(void **state)
{
    (void)state;
    test_send(&server, TURNS, "Turn", "{\"aggregate\":\"a0\",\"n\":0,\"disturb\":%d}",
              100 * RUNS_MAX);
    test_send(&server, TURNS, "Turn", "{\"aggregate\":\"a0\",\"n\":1}");
    (void)handle_all("3");
    assert_int_equal(test_number(&server, "runs", "a0"), 3 * RUNS_MAX);
    assert_int_equal(test_dead(&server, TURNS), 1);
    assert_string_equal(test_newest(&server, "{turns}:dead", "reason"),
                        "gave up after 3 deliveries: {turns}:aggregate:a0 kept changing");
    assert_string_equal(test_newest(&server, "{turns}:dead", "deliveries"), "3");
    /* the one behind it has had its turn, and it alone has had an effect */
    assert_int_equal(test_number(&server, "{turns}:aggregate:a0", "value"),
                     3 * RUNS_MAX * 1000 + 1);
    assert_string_equal(test_newest(&server, "{turns}:events", "data"), "{\"n\":1}");
    assert_int_equal(test_ask_integer(&server, "XLEN {turns}:events"), 1);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(one_message_of_a_key_and_many_keys_at_once),
        CASE(a_key_that_keeps_changing_holds_up_no_other),
        CASE(it_succeeds_when_the_disturbance_stops),
        CASE(it_ends_with_the_dead_when_the_disturbance_does_not),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
