/* Operators' orders from outside, with a coordinator and a worker at work: what holds a saga up is
 * found, understood and put right; cancelling and signalling at all the moments that matter. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/worker.h"

#define WORK "work"
#define LIMIT_MS 30000

/* book, then the signal approved, then the pivot pay, then ship and mail side by side. */
static const char trip[] =
    "{\"name\":\"trip\",\"version\":1,\"steps\":["
    "{\"name\":\"book\",\"service\":\"work\",\"command\":\"Do\",\"compensation\":\"Undo\","
    "\"attempts\":1},"
    "{\"name\":\"approve\",\"signal\":\"approved\"},"
    "{\"name\":\"pay\",\"service\":\"work\",\"command\":\"Do\",\"kind\":\"pivot\"},"
    "{\"name\":\"ship\",\"service\":\"work\",\"command\":\"Do\",\"kind\":\"retriable\","
    "\"attempts\":1},"
    "{\"name\":\"mail\",\"service\":\"work\",\"command\":\"Do\",\"kind\":\"retriable\","
    "\"attempts\":1,\"after\":[\"pay\"]}]}";

static struct test_server server;
static struct test_worker worker;
static pid_t coordinator;

/* ---- The service: the hash "{work}:faults" says which steps fail, or are held up ----------- */

static enum weir_outcome serve(weir_context *context, const weir_message *message)
{
    char field[96];
    snprintf(field, sizeof(field), "%s/%s", weir_message_action(message),
             weir_message_step(message));
    const char *fault = weir_hget(context, NULL, field);
    if (fault && strcmp(fault, "hold") == 0) {
        weir_retry_after(context, 20);
        return WEIR_RETRY;
    }
    weir_reason(context, "%s", fault ? fault : "");
    return fault ? WEIR_REJECT : WEIR_DONE;
}

static weir_service *make_service(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Do", serve, "faults");
    weir_on_command(service, "Undo", serve, "faults");
    return service;
}

static void fault(const char *step, const char *what)
{
    test_do(&server, "HSET {work}:faults %s %s", step, what);
}

static void repair(const char *step)
{
    test_do(&server, "HDEL {work}:faults %s", step);
}

/* ---- Set-up ------------------------------------------------------------------------------ */

static void start_coordinator(void)
{
    remove("coordinator.log");
    coordinator = test_spawn(
        WORDS(test_program("weir-coordinator"), "--redis", server.url, "--consumer", "c"),
        "coordinator.log");
    test_await_text("coordinator.log", "worker.ready", LIMIT_MS);
}

static void stop_coordinator(void)
{
    assert_int_equal(test_end(coordinator, SIGTERM, LIMIT_MS), 0);
    coordinator = 0;
}

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    use_server(&server);
    worker = test_worker_start(&server, WORK, "w", OPTIONS("--max-deliveries", "1000"));
    start_coordinator();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    if (coordinator > 0)
        test_end(coordinator, SIGTERM, LIMIT_MS);
    test_worker_end(&worker, SIGTERM);
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int define(void **state)
{
    (void)state;
    test_do(&server, "DEL {work}:faults {sagas}:dead");
    test_do(&server, "HSET {sagas}:definition:trip latest 1 1 %s", trip);
    return 0;
}

/* ---- Questions --------------------------------------------------------------------------- */

static const char *field_of(const char *saga, const char *field)
{
    char key[160];
    snprintf(key, sizeof(key), "{sagas}:saga:%s", saga);
    return test_text(&server, key, field);
}

static void await_field(const char *saga, const char *field, const char *value)
{
    AWAIT(strcmp(field_of(saga, field), value) == 0);
}

static void begin(const char *saga)
{
    char *id = ask_weir(WORDS("start", "trip", "--id", saga));
    free(id);
    AWAIT(*field_of(saga, "state"));
}

static void begin_and_await_signal(const char *saga)
{
    begin(saga);
    await_field(saga, "step:approve:state", "running");
}

static void suspend_at_ship(const char *saga)
{
    fault("execute/ship", "no van");
    begin_and_await_signal(saga);
    expect_weir(4, "suspended: ship: ", NULL, WORDS("signal", saga, "approved", "--wait"));
    await_field(saga, "step:mail:state", "succeeded");
}

static const json_t *step_of(const json_t *saga, const char *name)
{
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(saga, "steps"), i, step)
    {
        if (strcmp(json_string_value(json_object_get(step, "name")), name) == 0)
            return step;
    }
    fail_msg("no step %s", name);
    return NULL;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' expected in: %s", part, text);
}

/* ---- Resume ------------------------------------------------------------------------------ */

static void finds_and_understands(void **state)
{
    (void)state;
    suspend_at_ship("r1");
    expect_weir(0, "r1\ttrip\t1\tsuspended\t", NULL, WORDS("sagas", "--state", "suspended"));
    expect_weir(0, "\nwaits       ship: is stuck after attempt 1 of 1 (no van), since ", NULL,
                WORDS("saga", "r1"));
    expect_weir(0, "until an operator resumes it with retry or skip\n", NULL, WORDS("saga", "r1"));
    json_t *saga = ask_weir_json(0, WORDS("saga", "r1"));
    assert_contains(text_of(saga, "waiting"), "ship: is stuck");
    assert_true(json_is_null(json_object_get(step_of(saga, "ship"), "late")));
    assert_true(json_is_null(json_object_get(step_of(saga, "ship"), "compensationAttempts")));
    json_decref(saga);
}

static void resumes_by_retry(void **state)
{
    (void)state;
    suspend_at_ship("r2");
    expect_weir(4, "suspended: ship: ", NULL, WORDS("resume", "r2", "--retry", "--wait=20"));
    assert_string_equal(field_of("r2", "step:ship:attempts"), "2");
    repair("execute/ship");
    expect_weir(0, "completed\n", NULL,
                WORDS("resume", "r2", "--step", "ship", "--retry", "--wait"));
    assert_string_equal(field_of("r2", "step:ship:state"), "succeeded");
    expect_weir(0, "\nwaits       -\n", NULL, WORDS("saga", "r2"));
    json_t *saga = ask_weir_json(0, WORDS("saga", "r2"));
    assert_true(json_is_null(json_object_get(saga, "waiting")));
    json_decref(saga);
}

static void resumes_by_skip(void **state)
{
    (void)state;
    suspend_at_ship("r3");
    json_t *line = ask_weir_json(0, WORDS("resume", "r3", "--skip"));
    assert_string_equal(text_of(line, "saga"), "r3");
    assert_string_equal(text_of(line, "state"), "completed");
    assert_true(json_is_null(json_object_get(line, "error")));
    json_decref(line);
    assert_string_equal(field_of("r3", "step:ship:state"), "skipped");
}

static void resumes_one_of_two(void **state)
{
    (void)state;
    fault("execute/mail", "no paper");
    fault("execute/ship", "no van");
    begin_and_await_signal("r4");
    expect_weir(1, NULL, "saga r4: the saga is running: no step is stuck",
                WORDS("resume", "r4", "--skip"));
    json_decref(ask_weir_json(0, WORDS("signal", "r4", "approved"))); /* it moves on at once */
    await_field("r4", "step:mail:error", "no paper");
    await_field("r4", "step:ship:error", "no van");
    expect_weir(1, NULL, "saga r4: name one of its stuck steps with --step: ship, mail",
                WORDS("resume", "r4", "--skip"));
    expect_weir(1, NULL, "saga r4: step pay is not stuck; stuck: ship, mail",
                WORDS("resume", "r4", "--skip", "--step", "pay"));
    expect_weir(1, NULL, "saga r4: step fly is no step of this saga; stuck: ship, mail",
                WORDS("resume", "r4", "--skip", "--step", "fly"));
    expect_weir(0, "suspended", NULL, WORDS("resume", "r4", "--skip", "--step", "mail"));
    assert_string_equal(field_of("r4", "step:mail:state"), "skipped");
    expect_weir(0, "completed\n", NULL, WORDS("resume", "r4", "--skip", "--wait"));
}

static void resumes_a_compensation(void **state)
{
    (void)state;
    fault("execute/pay", "no money");
    fault("compensate/book", "no answer book");
    begin_and_await_signal("r5");
    expect_weir(4, "suspended: compensation of book: ", NULL,
                WORDS("signal", "r5", "approved", "--wait"));
    expect_weir(0, "\tattempts\tcompensations\tsent\t", NULL, WORDS("saga", "r5"));
    json_t *saga = ask_weir_json(0, WORDS("saga", "r5"));
    assert_int_equal(
        json_integer_value(json_object_get(step_of(saga, "book"), "compensationAttempts")), 1);
    json_decref(saga);
    repair("compensate/book");
    expect_weir(3, "compensated: pay: ", NULL, WORDS("resume", "r5", "--retry", "--wait"));
    expect_weir(1, NULL, "saga r5: the saga has ended: it is compensated",
                WORDS("resume", "r5", "--skip"));
}

static void shows_a_late_answer(void **state)
{
    (void)state;
    begin_and_await_signal("l1");
    test_do(&server, "HSET {sagas}:saga:l1 step:book:late 1700000000000");
    expect_weir(0, "\tended\tlate\terror or result\n", NULL, WORDS("saga", "l1"));
    json_t *saga = ask_weir_json(0, WORDS("saga", "l1"));
    assert_int_equal(json_integer_value(json_object_get(step_of(saga, "book"), "late")),
                     INT64_C(1700000000000));
    assert_contains(text_of(saga, "waiting"), "approve: waits for the signal approved, since ");
    json_decref(saga);
}

/* ---- Cancel ------------------------------------------------------------------------------ */

static void cancels_before_the_pivot(void **state)
{
    (void)state;
    begin_and_await_signal("c1");
    expect_weir(3, "compensated: cancelled: too late\\n\n", NULL,
                WORDS("cancel", "c1", "--reason", "too late\n", "--wait"));
    assert_string_equal(field_of("c1", "step:book:state"), "compensated");
    begin_and_await_signal("c2");
    json_t *line = ask_weir_json(0, WORDS("cancel", "c2"));
    assert_string_equal(text_of(line, "reason"), "cancelled");
    json_decref(line);
    await_field("c2", "state", "compensated");
    expect_weir(1, NULL, "saga c2: the saga has ended: it is compensated", WORDS("cancel", "c2"));
}

static void cancels_once(void **state)
{
    (void)state;
    fault("compensate/book", "hold");
    begin_and_await_signal("c3");
    expect_weir(0, "compensating: cancelled\n", NULL, WORDS("cancel", "c3"));
    expect_weir(0, "compensating: cancelled\n", "it compensates already; nothing was sent",
                WORDS("cancel", "c3", "--reason", "again"));
    remove("wait.log");
    pid_t wait = test_spawn(WORDS(test_program("weir"), "cancel", "c3", "--wait"), "wait.log");
    test_await_text("wait.log", "nothing was sent\n", LIMIT_MS);
    repair("compensate/book");
    assert_int_equal(test_end(wait, 0, LIMIT_MS), 3);
    test_await_text("wait.log", "compensated: cancelled\n", LIMIT_MS);
}

static void refuses_to_cancel_behind_the_pivot(void **state)
{
    (void)state;
    static const char sentence[] = "the saga can only go forward: its pivot, or a step that is "
                                   "tried until it succeeds, has begun";
    suspend_at_ship("c4");
    char line[160];
    snprintf(line, sizeof(line), "weir: saga c4: %s\n", sentence);
    expect_weir(1, NULL, line, WORDS("cancel", "c4"));
    json_t *refused = ask_weir_json(1, WORDS("cancel", "c4", "--wait"));
    assert_string_equal(text_of(refused, "state"), "suspended");
    assert_string_equal(text_of(refused, "error"), sentence);
    json_decref(refused);
    test_do(&server, "XADD {sagas}:commands * type CancelSaga saga c4");
    AWAIT(strcmp(test_newest(&server, "{sagas}:dead", "reason"), sentence) == 0);
}

static void cancels_several(void **state)
{
    (void)state;
    begin_and_await_signal("c5");
    begin_and_await_signal("c6");
    struct test_run run = run_weir(1, WORDS("cancel", "c5", "nobody", "c6", "--wait"), NULL);
    assert_string_equal(run.out, "c5: compensated: cancelled\nc6: compensated: cancelled\n");
    assert_contains(run.error, "weir: no saga nobody;");
    test_run_close(&run);
    run = run_weir(1, WORDS("cancel", "c5", "nobody", "--json"), NULL);
    assert_contains(run.out, "{\"saga\":\"c5\",\"state\":\"compensated\",\"reason\":\"cancelled\","
                             "\"error\":\"the saga has ended: it is compensated\"}\n");
    assert_contains(run.out, "{\"saga\":\"nobody\",\"state\":null,\"reason\":null,\"error\":\"no "
                             "saga nobody");
    test_run_close(&run);
}

/* ---- Signal ------------------------------------------------------------------------------ */

static void signals_before_the_step_is_reached(void **state)
{
    (void)state;
    fault("execute/book", "hold");
    begin("s1");
    expect_weir(0, "running\n", NULL,
                WORDS("signal", "s1", "approved", "--data", "{ \"by\" : \"ann\" }"));
    expect_weir(0, "running\n", "has come before", WORDS("signal", "s1", "approved"));
    assert_string_equal(field_of("s1", "step:approve:state"), "pending");
    repair("execute/book");
    await_field("s1", "state", "completed");
    assert_string_equal(field_of("s1", "step:approve:result"), "{\"by\":\"ann\"}");
    expect_weir(1, NULL, "saga s1: the saga has ended: it is completed",
                WORDS("signal", "s1", "approved"));
}

static void signals_when_the_step_waits(void **state)
{
    (void)state;
    begin_and_await_signal("s2");
    expect_weir(1, NULL, "saga s2: no step of this saga waits for the signal rained",
                WORDS("signal", "s2", "rained"));
    struct test_run run =
        run_weir(0, WORDS("signal", "s2", "approved", "--data", "-", "--wait"), "{\"by\":2}");
    assert_string_equal(run.out, "completed\n");
    test_run_close(&run);
    assert_string_equal(field_of("s2", "step:approve:result"), "{\"by\":2}");
}

static void limits_the_size_of_a_signal(void **state)
{
    (void)state;
    static char data[16 * 1024 + 64];
    begin_and_await_signal("s3");
    snprintf(data, sizeof(data), "{\"a\":\"%0*d\"}", 16 * 1024, 0);
    expect_weir(1, NULL, "saga s3: the data of a signal may have 16384 bytes at most, not 16392",
                WORDS("signal", "s3", "approved", "--data", data));
    memset(data, ' ', sizeof(data) - 1);
    memcpy(data, "{\"a\":1", 6);
    data[sizeof(data) - 2] = '}';
    expect_weir(0, "completed\n", NULL,
                WORDS("signal", "s3", "approved", "--data", data, "--wait"));
}

/* ---- What goes wrong --------------------------------------------------------------------- */

static void refuses_wrong_usage(void **state)
{
    (void)state;
    setenv("REDIS_URL", "redis://127.0.0.1:1", 1); /* none of this needs a server */
    expect_weir(64, NULL, "which sagas?", WORDS("cancel"));
    expect_weir(64, NULL, "<id>", WORDS("cancel", "a", "b/c"));
    expect_weir(64, NULL, "--reason", WORDS("cancel", "a", "--reason", "\xff"));
    expect_weir(64, NULL, "not both", WORDS("resume", "a", "--skip", "--all"));
    expect_weir(64, NULL, "takes no filter", WORDS("cancel", "--all", "--matching", "x"));
    expect_weir(64, NULL, "only sagas that are suspended",
                WORDS("resume", "--skip", "--state", "running"));
    expect_weir(64, NULL, "--definition", WORDS("resume", "--skip", "--definition", "a b"));
    expect_weir(64, NULL, "exactly one of", WORDS("resume", "a"));
    expect_weir(64, NULL, "exactly one of", WORDS("resume", "a", "--skip", "--retry"));
    expect_weir(64, NULL, "--step", WORDS("resume", "a", "--skip", "--step", "no step"));
    expect_weir(64, NULL, "which sagas?", WORDS("signal", "a"));
    expect_weir(64, NULL, "<signal>", WORDS("signal", "a", "9"));
    expect_weir(64, NULL, "--wait", WORDS("signal", "a", "b", "--wait=0"));
    expect_weir(65, NULL, "--data", WORDS("signal", "a", "b", "--data", "[]"));
    expect_weir(65, NULL, "--data", WORDS("signal", "a", "b", "--data", "@missing"));
    expect_weir(69, NULL, "127.0.0.1:1", WORDS("signal", "a", "b"));
    expect_weir(69, NULL, "127.0.0.1:1", WORDS("cancel", "a", "b"));
    expect_weir(69, NULL, "127.0.0.1:1", WORDS("resume", "a", "--skip"));
    use_server(&server);
}

static void tells_what_it_cannot_know(void **state)
{
    (void)state;
    expect_weir(1, NULL, "no saga u1", WORDS("cancel", "u1"));
    expect_weir(1, NULL, "no saga u1", WORDS("resume", "u1", "--skip"));
    expect_weir(1, NULL, "no saga u1", WORDS("signal", "u1", "approved"));
    test_do(&server, "HSET {sagas}:saga:u2 state running definition nothing version 3");
    expect_weir(1, NULL, "saga u2: definition nothing version 3: is not there",
                WORDS("cancel", "u2"));
    expect_weir(0, "\nwaits       definition nothing version 3: is not there\n", NULL,
                WORDS("saga", "u2"));
    test_do(&server, "HSET {sagas}:saga:u3 state running definition trip version 1 revision x");
    expect_weir(1, NULL, "saga u3: field revision: \"x\" is not a whole number",
                WORDS("cancel", "u3"));
    test_do(&server, "HSET {sagas}:saga:u4 state running");
    expect_weir(1, NULL, "saga u4: it has no definition and version", WORDS("cancel", "u4"));
    assert_int_equal(test_ask_integer(&server, "DEL {sagas}:saga:u2 {sagas}:saga:u3 "
                                               "{sagas}:saga:u4"),
                     3);
}

/* The saga moves on between the question and the order: the coordinator has the last word. */
static void tells_of_a_dead_letter(void **state)
{
    (void)state;
    begin_and_await_signal("d1");
    stop_coordinator();
    remove("cancel.log");
    pid_t cancel =
        test_spawn(WORDS(test_program("weir"), "cancel", "d1", "--wait=30"), "cancel.log");
    AWAIT(test_backlog(&server, "sagas") == 1);
    redisReply *reply = test_ask(&server, "XRANGE {sagas}:commands - +");
    test_do(&server, "HSET {sagas}:saga:d1 revision 1000");
    test_do(&server, "XADD {sagas}:dead * stream {sagas}:commands reason %s entry %s",
            "only forward", reply->element[0]->element[0]->str);
    freeReplyObject(reply);
    assert_int_equal(test_end(cancel, 0, LIMIT_MS), 1);
    test_await_text("cancel.log", "weir: saga d1: only forward\n", LIMIT_MS);
    start_coordinator();
    await_field("d1", "state", "compensated");
}

static void gives_up_without_a_coordinator(void **state)
{
    (void)state;
    begin_and_await_signal("d2");
    stop_coordinator();
    expect_weir(5, NULL, "has not been carried out within 1 s; is a coordinator running?",
                WORDS("signal", "d2", "approved", "--wait=1"));
    json_t *line = ask_weir_json(5, WORDS("cancel", "d2"));
    assert_string_equal(text_of(line, "state"), "running");
    assert_contains(text_of(line, "error"), "within 5 s");
    json_decref(line);
    start_coordinator();
    await_field("d2", "state", "completed");
}

int main(int argc, char **argv)
{
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(finds_and_understands, define),
        cmocka_unit_test_setup(resumes_by_retry, define),
        cmocka_unit_test_setup(resumes_by_skip, define),
        cmocka_unit_test_setup(resumes_one_of_two, define),
        cmocka_unit_test_setup(resumes_a_compensation, define),
        cmocka_unit_test_setup(shows_a_late_answer, define),
        cmocka_unit_test_setup(cancels_before_the_pivot, define),
        cmocka_unit_test_setup(cancels_once, define),
        cmocka_unit_test_setup(refuses_to_cancel_behind_the_pivot, define),
        cmocka_unit_test_setup(cancels_several, define),
        cmocka_unit_test_setup(signals_before_the_step_is_reached, define),
        cmocka_unit_test_setup(signals_when_the_step_waits, define),
        cmocka_unit_test_setup(limits_the_size_of_a_signal, define),
        cmocka_unit_test_setup(refuses_wrong_usage, define),
        cmocka_unit_test_setup(tells_what_it_cannot_know, define),
        cmocka_unit_test_setup(tells_of_a_dead_letter, define),
        cmocka_unit_test_setup(gives_up_without_a_coordinator, define),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
