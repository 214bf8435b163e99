/* What once went wrong where several things came together: keys of a wrong type, lost rights, lost
 * groups, an end in the middle of a take-over, large sagas, long streams. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/proxy.h"
#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"

#define WORK "work"
#define VIEW "view"
#define STEPS "steps"
#define QUICK "--claim-idle", "200ms", "--retry-base", "10ms", "--retry-cap", "20ms"
#define STEP(name) "{'name':'" name "','service':'steps','command':'Do','compensation':'Undo'}"
#define STOPS_WITHIN_MS 5000

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

/* ---- Services -------------------------------------------------------------------------------- */

static enum weir_outcome fold_account(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, NULL, "events", 1);
    return WEIR_DONE;
}

static enum weir_outcome fold_total(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, "total", "events", 1);
    return WEIR_DONE;
}

static enum weir_outcome ping(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, "pings", "n", 1);
    return WEIR_DONE;
}

static weir_service *make_service(const char *name)
{
    weir_service *service;
    if (strcmp(name, STEPS) == 0)
        return test_step_service(name);
    if (strcmp(name, WORK) == 0)
        return test_work_service(name);
    service = weir_service_new(name);
    weir_project(service, "accounts", "s0", "Moved", fold_account, "account:{account}");
    weir_project(service, "total", "s0", "Moved", fold_total, NULL);
    weir_on_command(service, "Ping", ping, NULL);
    return service;
}

/* ---- Helpers --------------------------------------------------------------------------------- */

static struct test_worker start_worker(const char *consumer)
{
    return test_worker_start(&server, WORK, consumer, OPTIONS(QUICK));
}

static long long marks(const char *n)
{
    return test_number(&server, "{work}:marks", n);
}

static void send_marks(int from, int to)
{
    for (int i = from; i < to; i++)
        test_send(&server, WORK, "Mark", "{\"n\":\"n%d\"}", i);
}

static void assert_each_once(int count)
{
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_pending(&server, WORK), 0);
    assert_int_equal(test_backlog(&server, WORK), 0);
}

/* Marks that another consumer has had in its hands, for a minute, and has begun so often. */
static void leave_behind(const char *consumer, int from, int to, int deliveries)
{
    static const char script[] =
        "for _, row in ipairs(redis.call('XPENDING', KEYS[1], 'work', '-', '+', 1000, ARGV[1])) do "
        "redis.call('XCLAIM', KEYS[1], 'work', ARGV[1], 0, row[1], 'IDLE', 60000, "
        "'RETRYCOUNT', ARGV[2], 'JUSTID') end return 1";
    test_do(&server, "XGROUP CREATE {work}:commands work 0 MKSTREAM");
    send_marks(from, to);
    test_do(&server, "XREADGROUP GROUP work %s COUNT %d STREAMS {work}:commands >", consumer,
            to - from);
    test_do(&server, "EVAL %s 1 {work}:commands %s %d", script, consumer, deliveries);
}

/* ---- Keys and groups ------------------------------------------------------------------------- */

/* Among what the last process and another have left are messages whose bodies are gone: they would
 * be dead letters. */
static void reads_on_without_dead_letters(void **state)
{
    (void)state;
    static const char lose[] =
        "local gone = 0 for _, who in ipairs({'one', 'other'}) do "
        "local row = redis.call('XPENDING', KEYS[1], 'work', '-', '+', 1, who)[1] "
        "gone = gone + redis.call('XDEL', KEYS[1], row[1]) end return gone";
    test_do(&server, "SET {work}:dead x");
    leave_behind("one", 0, 4, 1);
    send_marks(4, 8);
    test_do(&server, "XREADGROUP GROUP work other COUNT 4 STREAMS {work}:commands >");
    assert_int_equal(test_ask_integer(&server, "EVAL %s 1 {work}:commands", lose), 2);
    struct test_worker one = start_worker("one");
    send_marks(8, 12);
    test_await_settled(&server, WORK);
    assert_each_once(10);
    AWAIT(test_worker_logged(&one, "message.body_lost") == 2);
    test_worker_end_well(&one);
    one = start_worker("one");
    send_marks(12, 14);
    test_await_settled(&server, WORK);
    assert_each_once(12);
    test_do(&server, "FLUSHALL");
    send_marks(0, 5);
    test_await_settled(&server, WORK);
    assert_each_once(5);
    test_worker_end_well(&one);
}

static void launch(struct test_worker *worker, struct test_proxy *proxy, const char *consumer,
                   struct proxy_trap trap)
{
    test_proxy_start(proxy, &server, trap);
    *worker = test_worker_launch(proxy->url, WORK, consumer, OPTIONS(QUICK));
}

/* The groups are there when they are made sure of, and gone as the worker looks for what it had. */
static void a_first_look_without_group_is_made_good(void **state)
{
    (void)state;
    struct test_worker one;
    struct test_proxy proxy;
    launch(&one, &proxy, "consumer-one",
           (struct proxy_trap){"weir_recover", "consumer-one", PROXY_HOLD});
    test_proxy_await(&proxy);
    test_do(&server, "FLUSHALL");
    test_proxy_release(&proxy, PROXY_NONE);
    send_marks(0, 10);
    test_await_settled(&server, WORK);
    assert_each_once(10);
    test_worker_end_well(&one);
    test_proxy_stop(&proxy);
}

/* It has no room, so it does not read and cannot find out by that. */
static void groups_lost_while_there_is_no_room_are_made_again(void **state)
{
    (void)state;
    struct test_worker one =
        test_worker_start(&server, WORK, "one", OPTIONS(QUICK, "--concurrency", "2"));
    test_send(&server, WORK, "Defer", "{\"n\":\"a\",\"ms\":300}");
    test_send(&server, WORK, "Defer", "{\"n\":\"b\",\"ms\":300}");
    AWAIT(test_worker_logged(&one, "test.run") == 2);
    test_do(&server, "FLUSHALL");
    send_marks(0, 10);
    test_await_settled(&server, WORK);
    assert_each_once(10);
    test_worker_end_well(&one);
}

/* ---- Stopping while messages are taken over -------------------------------------------------- */

static void stops_in_the_middle(struct proxy_trap trap, int deliveries)
{
    struct test_worker one, two;
    struct test_proxy proxy;
    long long begun;
    leave_behind("ghost", 0, 30, deliveries);
    launch(&one, &proxy, "consumer-one", trap);
    test_proxy_await(&proxy);
    kill(one.pid, SIGTERM);
    test_worker_await_log(&one, "worker.stopping");
    begun = test_now();
    test_proxy_release(&proxy, PROXY_NONE);
    assert_int_equal(test_worker_await_end(&one), 0);
    assert_true(test_now() - begun < STOPS_WITHIN_MS);
    assert_int_equal(test_worker_logged(&one, "unlisted_move"), 0);
    assert_int_equal(test_worker_logged(&one, "worker.grace_over"), 0);
    test_proxy_stop(&proxy);
    two = start_worker("two");
    test_await_settled(&server, WORK);
    assert_each_once(30);
    assert_int_equal(test_dead(&server, WORK), 0);
    test_worker_end_well(&two);
}

static void stops_while_it_takes_over(void **state)
{
    (void)state;
    stops_in_the_middle((struct proxy_trap){"weir_claim", "consumer-one", PROXY_HOLD}, 1);
}

static void stops_while_it_counts_a_suspect(void **state)
{
    (void)state;
    stops_in_the_middle((struct proxy_trap){"XCLAIM", "consumer-one", PROXY_HOLD}, 2);
}

/* At any moment: workers come and go while messages are taken over from them. */
static void workers_that_come_and_go_lose_nothing(void **state)
{
    (void)state;
    struct test_worker worker;
    long long begun;
    char consumer[16];
    leave_behind("ghost", 0, 400, 1);
    for (int i = 0; i < 6; i++) {
        snprintf(consumer, sizeof(consumer), "w%d", i);
        worker = start_worker(consumer);
        for (long long end = test_now() + test_random(40); test_now() < end;)
            test_pause();
        begun = test_now();
        test_worker_end_well(&worker);
        assert_true(test_now() - begun < STOPS_WITHIN_MS);
    }
    worker = start_worker("last");
    test_await_settled(&server, WORK);
    assert_each_once(400);
    assert_int_equal(test_dead(&server, WORK), 0);
    test_worker_end_well(&worker);
}

/* ---- Rights ---------------------------------------------------------------------------------- */

static struct test_worker launch_ann(void)
{
    char url[TEST_PATH_MAX + 64];
    snprintf(url, sizeof(url), "unix://ann:hush@%s", server.socket);
    return test_worker_launch(url, WORK, "one", OPTIONS(QUICK));
}

static void without_the_right_to_load_it_ends(void **state)
{
    (void)state;
    test_do(&server, "ACL SETUSER ann reset on >hush +@all ~* &* -hgetall");
    struct test_worker one = launch_ann();
    send_marks(0, 3); /* these load nothing */
    AWAIT(test_ask_integer(&server, "HLEN {work}:marks") == 3);
    test_send(&server, WORK, "Count", "{\"n\":\"a\",\"counter\":\"c\"}");
    assert_int_equal(test_worker_await_end(&one), 77);
    assert_int_equal(test_worker_logged(&one, "worker.denied"), 1);
    assert_true(test_worker_logged(&one, "hgetall") > 0);
    assert_int_equal(test_pending(&server, WORK), 1);
    assert_int_equal(marks("a"), 0);
    test_do(&server, "ACL SETUSER ann +hgetall");
    one = launch_ann();
    test_await_settled(&server, WORK);
    assert_each_once(4);
    assert_int_equal(test_number(&server, "{work}:counter:c", "value"), 1);
    test_worker_end_well(&one);
}

static void assert_nothing_written(int waiting)
{
    assert_int_equal(test_ask_integer(&server, "EXISTS {work}:marks {work}:deliveries "
                                               "{work}:events {work}:dead {other}:commands"),
                     0);
    assert_int_equal(test_backlog(&server, WORK), waiting);
}

static void without_the_right_to_append_nothing_is_half_done(void **state)
{
    (void)state;
    test_do(&server, "ACL SETUSER ann reset on >hush +@all ~* &* -xadd");
    struct test_worker one = launch_ann();
    send_marks(0, 20);
    test_send(&server, WORK, "Refuse", "{\"n\":\"r\",\"outcome\":\"reject\",\"times\":9}");
    test_send(&server, WORK, "Pass", "{\"n\":\"p\",\"to\":\"other\",\"id\":\"m1\"}");
    test_worker_await_log(&one, "commit.put_off");
    AWAIT(test_pending(&server, WORK) > 0); /* it reads no more once a commit was put off */
    assert_nothing_written(22);
    kill(one.pid, SIGTERM);
    test_worker_await_log(&one, "worker.stopping");
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
    assert_nothing_written(22);
    test_do(&server, "ACL SETUSER ann +xadd");
    one = launch_ann();
    test_await_settled(&server, WORK);
    assert_each_once(20);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), 21);
    assert_int_equal(test_dead(&server, WORK), 1);
    assert_int_equal(test_ask_integer(&server, "XLEN {other}:commands"), 1);
    test_worker_end_well(&one);
}

/* ---- Read models ----------------------------------------------------------------------------- */

/* How often the server has refused HGETALL for the key's type. */
static long long refused_loads(void)
{
    char *text = test_ask_text(&server, "INFO commandstats");
    const char *line = strstr(text, "cmdstat_hgetall:");
    const char *failed = line ? strstr(line, "failed_calls=") : NULL;
    long long count = failed ? atoll(failed + strlen("failed_calls=")) : 0;
    free(text);
    return count;
}

static void move_account(int account)
{
    test_do(&server, "XADD {s0}:events * type Moved source s0 data {\"account\":%d}", account);
}

static void a_projection_goes_on_when_its_model_is_put_right(void **state)
{
    (void)state;
    test_do(&server, "CONFIG RESETSTAT");
    test_do(&server, "SET {view}:account:1 x");
    struct test_worker view =
        test_worker_start(&server, VIEW, "one", OPTIONS("--claim-idle", "600ms"));
    move_account(1);
    move_account(2);
    AWAIT(test_worker_logged(&view, "projection.stopped") == 1);
    for (int i = 0; i < 2; i++) { /* each time it looks again, and says nothing */
        long long refused = refused_loads();
        if (i == 0)
            test_do(&server, "CLIENT KILL TYPE normal");
        test_do(&server, "HINCRBY {view}:projection:accounts retry 1");
        AWAIT(refused_loads() > refused);
    }
    AWAIT(test_number(&server, "{view}:total", "events") == 2);
    test_send(&server, VIEW, "Ping", "{}");
    AWAIT(test_number(&server, "{view}:pings", "n") == 1);
    assert_int_equal(test_ask_integer(&server, "EXISTS {view}:account:2"), 0);
    assert_int_equal(test_worker_logged(&view, " error "), 1);
    assert_int_equal(test_worker_logged(&view, "projection.stopped"), 1);
    test_do(&server, "DEL {view}:account:1"); /* found by itself, after a while */
    AWAIT(test_number(&server, "{view}:account:2", "events") == 1);
    move_account(1);
    AWAIT(test_number(&server, "{view}:account:1", "events") == 2);
    AWAIT(test_number(&server, "{view}:total", "events") == 3);
    assert_int_equal(test_number(&server, "{view}:account:2", "events"), 1);
    assert_int_equal(test_worker_logged(&view, " error "), 1);
    test_worker_end_well(&view);
}

/* ---- Sagas ----------------------------------------------------------------------------------- */

static struct test_worker start_steps(void)
{
    return test_worker_start(&server, STEPS, "s", OPTIONS(QUICK));
}

static long long effects(const char *saga, const char *step)
{
    char key[96];
    snprintf(key, sizeof(key), "{steps}:effects:%s", saga);
    return test_number(&server, key, step);
}

/* It has the same steps in number and name, but another service's; one that has seen neither must
 * not take it for the saga's own. */
static void another_definition_under_the_number_moves_nothing(void **state)
{
    (void)state;
    static const char own[] =
        "'steps':[" STEP("a") ",{'name':'w','signal':'Go','timeoutMs':60000}," STEP("c") "]";
    static const char foreign[] =
        "'steps':[" STEP("a") ",{'name':'w','signal':'Go','timeoutMs':60000},"
                              "{'name':'c','service':'strange','command':'Do'}]";
    struct test_worker steps = start_steps();
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "trip", 1, own);
    test_saga_begin(&server, "t1", "trip", "{}");
    AWAIT(strcmp(test_saga_field(&server, "t1", "step:w:state"), "running") == 0);
    assert_int_equal(test_worker_end(&coordinator, SIGKILL), 128 + SIGKILL);
    test_define(&server, "trip", 1, foreign);
    coordinator = test_coordinator_start(&server, "c0", NULL);
    char *before = test_ask_text(&server, "HGET {sagas}:saga:t1 revision");
    test_do(&server, "XADD {sagas}:commands * type SignalSaga saga t1 signal Go");
    AWAIT(test_worker_logged_of(&coordinator, "saga.definition_missing", " saga=t1") == 1);
    assert_int_equal(test_worker_logged(&coordinator, "has been changed since the saga began"), 1);
    AWAIT(test_ask_integer(&server, "ZCARD {sagas}:scheduled") > 0);
    assert_string_equal(test_saga_field(&server, "t1", "revision"), before);
    assert_true(test_saga_is(&server, "t1", "running"));
    assert_int_equal(test_ask_integer(&server, "EXISTS {strange}:commands {sagas}:dead"), 0);
    test_define(&server, "trip", 1, own);
    AWAIT(test_saga_is(&server, "t1", "completed"));
    assert_int_equal(effects("t1", "a"), 1);
    assert_int_equal(effects("t1", "c"), 1);
    assert_int_equal(test_ask_integer(&server, "EXISTS {strange}:commands {sagas}:dead"), 0);
    free(before);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&steps);
}

/* Data of exactly so many bytes. */
static void begin_large(const char *saga, size_t size, bool fails)
{
    char *data = malloc(size + 1);
    int head = 0;
    assert_non_null(data);
    head = snprintf(data, size, "{\"how\":{\"c\":\"%s\"},\"pad\":\"", fails ? "fail" : "");
    memset(data + head, 'x', size - (size_t)head);
    memcpy(data + size - 2, "\"}", 3);
    assert_int_equal(strlen(data), size);
    test_do(&server, "XADD {sagas}:commands * type StartSaga saga %s definition trip data %b", saga,
            data, size);
    free(data);
}

static void the_largest_sagas_come_to_an_end(void **state)
{
    (void)state;
    static const size_t spare[] = {140, 80, 20, 0};
    struct test_worker steps = start_steps();
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    char saga[32];
    test_define(&server, "trip", 1, "'steps':[" STEP("a") "," STEP("b") "," STEP("c") "]");
    for (int i = 0; i < 8; i++) {
        snprintf(saga, sizeof(saga), "%s%zu", i % 2 ? "fails" : "runs", spare[i / 2]);
        begin_large(saga, (1024 * 1024) - spare[i / 2], i % 2);
    }
    for (int i = 0; i < 8; i++) {
        snprintf(saga, sizeof(saga), "%s%zu", i % 2 ? "fails" : "runs", spare[i / 2]);
        AWAIT(test_saga_is(&server, saga, i % 2 ? "compensated" : "completed"));
        assert_int_equal(effects(saga, "a"), 1);
        assert_int_equal(effects(saga, "b"), 1);
        assert_int_equal(effects(saga, "c"), !(i % 2));
        assert_int_equal(effects(saga, "a/undo"), i % 2);
        assert_int_equal(effects(saga, "b/undo"), i % 2);
    }
    test_sagas_await_rest(&server, 5000);
    assert_int_equal(test_sagas_in(&server, "suspended"), 0);
    assert_null(strstr(test_saga_events(&server, "fails20"), "Suspended"));
    assert_int_equal(test_ask_integer(&server, "EXISTS {sagas}:dead {steps}:dead"), 0);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&steps);
}

static void begin_by_id(const char *id)
{
    test_do(&server, "XADD {sagas}:commands * type StartSaga id %s definition trip data {}", id);
}

static void the_same_start_begins_one_saga(void **state)
{
    (void)state;
    struct test_worker steps = start_steps();
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    test_define(&server, "trip", 1, "'steps':[" STEP("a") "]");
    begin_by_id("order-1");
    begin_by_id("order-1");
    AWAIT(test_sagas_in(&server, "completed") == 1);
    test_sagas_await_rest(&server, 5000);
    test_worker_end_well(&coordinator);
    coordinator = test_coordinator_start(&server, "c1", NULL);
    begin_by_id("order-1");
    begin_by_id("order-2");
    AWAIT(test_sagas_in(&server, "completed") == 2);
    test_sagas_await_rest(&server, 5000);
    assert_int_equal(test_sagas_in(&server, "completed"), 2);
    assert_int_equal(test_ask_integer(&server, "XLEN {steps}:events"), 2);
    assert_int_equal(test_ask_integer(&server, "EXISTS {sagas}:dead"), 0);
    test_worker_end_well(&coordinator);
    test_worker_end_well(&steps);
}

/* ---- Trimming -------------------------------------------------------------------------------- */

/* The server trims whole nodes of up to 100 entries. */
static void trimming_catches_up(void **state)
{
    (void)state;
    static const char publish[] =
        "for i = 1, 60000 do redis.call('XADD', KEYS[1], '*', 'type', 'Marked', 'source', 'work', "
        "'data', '{}') end return redis.call('XLEN', KEYS[1])";
    assert_int_equal(test_ask_integer(&server, "EVAL %s 1 {work}:events", publish), 60000);
    struct test_worker one =
        test_worker_start(&server, WORK, "one", OPTIONS("--event-retention", "0ms"));
    long long begun = test_now();
    AWAIT(test_ask_integer(&server, "XLEN {work}:events") <= 100);
    assert_true(test_now() - begun < 9000);
    send_marks(0, 5);
    test_await_settled(&server, WORK);
    assert_each_once(5);
    test_worker_end_well(&one);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(reads_on_without_dead_letters),
        CASE(a_first_look_without_group_is_made_good),
        CASE(groups_lost_while_there_is_no_room_are_made_again),
        CASE(stops_while_it_takes_over),
        CASE(stops_while_it_counts_a_suspect),
        CASE(workers_that_come_and_go_lose_nothing),
        CASE(without_the_right_to_load_it_ends),
        CASE(without_the_right_to_append_nothing_is_half_done),
        CASE(a_projection_goes_on_when_its_model_is_put_right),
        CASE(another_definition_under_the_number_moves_nothing),
        CASE(the_largest_sagas_come_to_an_end),
        CASE(the_same_start_begins_one_saga),
        CASE(trimming_catches_up),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
