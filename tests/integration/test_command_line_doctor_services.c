/* weir doctor and the services: each thing that can be wrong with one is planted once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/doctor.h"

#define MINUTE_MS 60000LL
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define YEAR_MS (365 * DAY_MS)

static struct test_server server;

static int start_server(void **state)
{
    static const char *const arguments[] = {"--appendonly", "yes", NULL};
    (void)state;
    test_server_start(&server, "redis", arguments);
    use_server(&server);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static long long server_ms(void)
{
    redisReply *reply = test_ask(&server, "TIME");
    long long ms = atoll(reply->element[0]->str) * 1000 + atoll(reply->element[1]->str) / 1000;
    freeReplyObject(reply);
    return ms;
}

static void give_sign(const char *service, const char *consumer, long long ms)
{
    test_do(&server, "HSET {%s}:workers %s {\"pid\":1,\"heartbeat\":%lld}", service, consumer, ms);
}

/* A service "orders" that is well: a worker alive, its group made. */
static int make_service(void **state)
{
    (void)state;
    use_server(&server);
    test_do(&server, "FLUSHALL");
    expect_weir(0, "function library weir", NULL, WORDS("install"));
    give_sign("orders", "orders-1", server_ms());
    test_do(&server, "HSET {weir}:services orders %lld", server_ms());
    test_do(&server, "XGROUP CREATE {orders}:commands orders 0 MKSTREAM");
    return 0;
}

static void kill_worker(void)
{
    test_do(&server, "HDEL {orders}:workers orders-1");
}

/* ---- Workers and inboxes ------------------------------------------------------------------- */

static void finds_nothing_wrong(void **state)
{
    (void)state;
    expect_all_ok();
    expect_finding(0, "ok", "workers", "{orders}:workers", "1 alive");
    /* what is new, and what has been read, is no reason to worry */
    test_do(&server, "XADD {orders}:commands * type T");
    test_do(&server, "XADD {orders}:events * type T");
    test_do(&server, "XGROUP CREATE {orders}:events views 0");
    test_do(&server, "ZADD {orders}:scheduled %lld later", server_ms() + HOUR_MS);
    test_do(&server, "SET {orders}:order:1 x");
    test_do(&server, "XADD %s 1-1 type T", "{or ders}:commands"); /* no name of a service */
    expect_all_ok();
}

static void finds_workers_that_died(void **state)
{
    long long now = server_ms();
    (void)state;
    give_sign("orders", "orders-2", now - 2 * HOUR_MS);
    expect_finding(1, "warning", "workers", "{orders}:workers",
                   "orders-2 has given no sign of life for 2h00m");
    expect_finding(1, "ok", "workers", "{orders}:workers", "1 alive");
    give_sign("orders", "orders-1", now - 2 * MINUTE_MS);
    expect_finding(1, "warning", "workers", "{orders}:workers", "no worker of orders is alive");
    test_do(&server, "HSET {orders}:workers orders-3 nonsense");
    expect_finding(1, "warning", "workers", "{orders}:workers", "orders-3 has given no sign");
}

static void finds_what_waits(void **state)
{
    (void)state;
    test_do(&server, "XADD {orders}:commands %lld-0 type T", server_ms() - 2 * HOUR_MS);
    test_do(&server, "XADD {orders}:commands * type T");
    expect_finding(1, "warning", "backlog", "{orders}:commands",
                   "2 wait, the oldest for 2h00m; start more workers of orders");
    kill_worker();
    expect_finding(2, "problem", "backlog", "{orders}:commands",
                   "no worker is alive: start one of orders");
}

/* As weir services has it: who has been silent for three signs of life does not count. */
static void finds_what_nobody_works_at(void **state)
{
    long long now = server_ms();
    (void)state;
    test_do(&server, "XADD {orders}:commands * type T");
    expect_nothing_of("backlog");
    give_sign("orders", "orders-1", now - 20000);
    expect_finding(2, "warning", "workers", "{orders}:workers", "no worker of orders is alive");
    expect_finding(2, "problem", "backlog", "{orders}:commands", "no worker is alive: start one");
    test_do(&server, "XADD {orders}:commands %lld-0 type T", now + 2 * HOUR_MS);
    test_do(&server, "XTRIM {orders}:commands MAXLEN 1"); /* its id is ahead of the clock */
    expect_finding(2, "problem", "backlog", "{orders}:commands", "1 wait, ");
}

/* What it holds is not claimed again, whoever is alive. */
static void finds_what_a_dead_consumer_holds(void **state)
{
    (void)state;
    test_do(&server, "XADD {orders}:commands * type T");
    test_do(&server, "XADD {orders}:commands * type T");
    test_do(&server, "XREADGROUP GROUP orders ghost COUNT 1 STREAMS {orders}:commands >");
    test_do(&server, "XREADGROUP GROUP orders orders-1 COUNT 1 STREAMS {orders}:commands >");
    expect_nothing_of("consumers"); /* not for long yet */
    redisReply *held = test_ask(&server, "XRANGE {orders}:commands - +");
    for (size_t i = 0; i < held->elements; i++)
        test_do(&server, "XCLAIM {orders}:commands orders %s 0 %s IDLE 7200000 JUSTID",
                i == 0 ? "ghost" : "orders-1", held->element[i]->element[0]->str);
    freeReplyObject(held);
    expect_finding(1, "warning", "consumers", "{orders}:commands",
                   "ghost holds 1 messages, one for 2h00m, and is not among the live workers; they "
                   "should have been taken over");
    kill_worker();
    expect_finding(2, "problem", "consumers", "{orders}:commands",
                   "orders-1 holds 1 messages, one for 2h00m, and is not among the live workers; "
                   "nobody takes them over: start a worker of orders");
}

static void finds_what_is_not_registered(void **state)
{
    (void)state;
    test_do(&server, "DEL {weir}:services");
    expect_finding(1, "warning", "services", "orders", "though a worker is alive");
    kill_worker();
    expect_finding(1, "warning", "services", "orders", "no worker of it has run here");
    test_do(&server, "HSET {weir}:services orders 1 empty 2");
    expect_nothing_of("services");
    expect_finding(1, "warning", "workers", "{empty}:workers", "no worker of empty is alive");
    test_do(&server, "SET {weir}:services x");
    expect_finding(2, "problem", "services", "services", "is of another type");
    expect_finding(2, "warning", "workers", "{orders}:workers", "no worker of orders is alive");
}

static void finds_what_waits_for_sagas(void **state)
{
    (void)state;
    give_sign("sagas", "sagas-1", server_ms());
    test_do(&server, "HSET {weir}:services sagas %lld", server_ms());
    test_do(&server, "XGROUP CREATE {sagas}:replies sagas 0 MKSTREAM");
    test_do(&server, "XGROUP CREATE {sagas}:held sagas 0 MKSTREAM");
    expect_all_ok();
    test_do(&server, "XADD {sagas}:replies 1-1 type T");
    expect_finding(1, "warning", "backlog", "{sagas}:replies", "1 wait");
    test_do(&server, "XADD {sagas}:held 1-1 type T");
    expect_finding(1, "warning", "backlog", "{sagas}:held", "1 wait");
    test_do(&server, "ZADD {sagas}:state:suspended 1 s1 2 s2");
    expect_finding(1, "warning", "sagas", "{sagas}:state:suspended",
                   "2 sagas wait for an operator");
    test_do(&server, "DEL {sagas}:workers");
    expect_finding(2, "warning", "workers", "{sagas}:workers", "is alive; start weir-coordinator");
}

static void finds_missing_groups(void **state)
{
    (void)state;
    test_do(&server, "XGROUP DESTROY {orders}:commands orders");
    expect_finding(2, "problem", "group", "{orders}:commands", "has no consumer group");
    kill_worker();
    expect_finding(1, "warning", "group", "{orders}:commands", "has no consumer group");
    test_do(&server, "XGROUP CREATE {orders}:commands others 0");
    expect_finding(1, "warning", "group", "{orders}:commands", "is read by no group orders");
}

static void finds_what_is_overdue(void **state)
{
    (void)state;
    test_do(&server, "ZADD {orders}:scheduled %lld late", server_ms() - 2 * HOUR_MS);
    expect_finding(1, "warning", "schedule", "{orders}:scheduled", "is due since 2h00m");
    kill_worker();
    expect_finding(2, "problem", "schedule", "{orders}:scheduled", "no worker is alive");
}

static void finds_dead_letters(void **state)
{
    (void)state;
    test_do(&server, "XADD {orders}:dead * reason r");
    test_do(&server, "XADD {orders}:dead * reason r");
    expect_finding(1, "warning", "dead", "{orders}:dead",
                   "2 dead letters; see why: weir dead orders");
}

/* ---- Streams ------------------------------------------------------------------------------- */

static void finds_ids_ahead_of_the_clock(void **state)
{
    (void)state;
    test_do(&server, "XADD {orders}:events %lld-0 type T", server_ms() + 50000);
    expect_nothing_of("ids"); /* clocks are never quite alike */
    test_do(&server, "XADD {orders}:events %lld-0 type T", server_ms() + 2 * HOUR_MS);
    expect_finding(1, "warning", "ids", "{orders}:events", "ahead of the server's clock");
    test_do(&server, "XADD {orders}:dead %lld-0 reason r", server_ms() + 20 * YEAR_MS);
    expect_finding(2, "problem", "ids", "{orders}:dead", "more than ten years ahead");
}

static void finds_a_stream_at_its_end(void **state)
{
    (void)state;
    test_do(&server, "XADD {orders}:events 18446744073709551615-18446744073709551615 type T");
    expect_finding(2, "problem", "ids", "{orders}:events", "the greatest id there is");
    test_do(&server, "XADD {orders}:commands 18446744073709551615-1 type T");
    expect_finding(2, "problem", "ids", "{orders}:commands", "the greatest id there is");
    test_do(&server, "XTRIM {orders}:commands MAXLEN 0");
    expect_finding(2, "problem", "ids", "{orders}:commands", "the greatest id there is");
    expect_finding(2, "problem", "ids", "{orders}:commands", "by XSETID");
    test_do(&server, "XSETID {orders}:commands 1-1"); /* which is what is needed */
    test_do(&server, "XDEL {orders}:events 18446744073709551615-18446744073709551615");
    test_do(&server, "XSETID {orders}:events 1-1");
    expect_nothing_of("ids");
}

static void finds_other_types(void **state)
{
    static const char *const names[] = {"commands", "events", "dead", "scheduled", "workers"};
    static const char *const checks[] = {"stream", "stream", "stream", "schedule", "workers"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char key[64];
        make_service(NULL);
        snprintf(key, sizeof(key), "{orders}:%s", names[i]);
        test_do(&server, "SET %s x", key);
        expect_finding(2, "problem", checks[i], key, "is of another type");
    }
}

static void finds_readers_left_behind(void **state)
{
    long long now = server_ms();
    (void)state;
    test_do(&server, "XADD {orders}:events %lld-0 type T", now - 3 * DAY_MS);
    test_do(&server, "XGROUP CREATE {orders}:events gone 0");
    expect_finding(1, "warning", "readers", "{orders}:events",
                   "gone has not read for a day, and events of 3d0h are kept for it; start it, or: "
                   "weir readers orders retire gone");
    test_do(&server, "XGROUP DESTROY {orders}:events gone");
    test_do(&server, "HSET {orders}:readers views/shop 0-0");
    expect_finding(1, "warning", "readers", "{orders}:events", "views/shop has not read for a day");
    test_do(&server, "HSET {weir}:services views %lld", now);
    give_sign("views", "views-1", now); /* alive: then its checkpoint tells */
    test_do(&server, "XGROUP CREATE {views}:commands views 0 MKSTREAM");
    expect_nothing_of("readers");
    test_do(&server, "XGROUP CREATE {orders}:events slow 0");
    expect_finding(1, "warning", "readers", "{orders}:events", "slow has not read for a day");
    test_do(&server, "XGROUP CREATECONSUMER {orders}:events slow one");
    test_do(&server, "XREADGROUP GROUP slow one STREAMS {orders}:events >");
    expect_finding(1, "warning", "readers", "{orders}:events", "slow is behind by 3d0h; see");
    test_do(&server, "XGROUP CREATE {views}:events alone 0 MKSTREAM");
    test_do(&server, "XADD {views}:events %lld-0 type T", now - 2 * HOUR_MS);
    expect_finding(1, "warning", "readers", "{views}:events",
                   "alone is behind by 2h00m and has no consumer: start a worker of it, or, where "
                   "there is none any more: weir readers views retire alone");
}

/* ---- Projections --------------------------------------------------------------------------- */

static void make_projection(const char *state_word, const char *reason)
{
    make_service(NULL);
    test_do(&server, "HSET {weir}:projections views/shop orders");
    test_do(&server, "XADD {orders}:events %lld-0 type T", server_ms() - 2 * HOUR_MS);
    test_do(&server,
            "HSET {views}:projection:shop state %s reason %s stream {orders}:events entry "
            "5-1 owner views-1 until %lld",
            state_word, reason, server_ms() + HOUR_MS);
}

static void finds_projections_that_stand_still(void **state)
{
    (void)state;
    make_projection("stopped", "because");
    expect_finding(2, "problem", "projections", "views/shop",
                   "is stopped: because; see the event: weir projection show views/shop");
    make_projection("parked", "newer");
    expect_finding(2, "problem", "projections", "views/shop", "is parked: newer");
    make_projection("running", "");
    expect_finding(1, "warning", "projections", "views/shop", "is behind by 2h00m; see how far");
    test_do(&server, "HSET {views}:projection:shop until 1");
    expect_finding(2, "problem", "projections", "views/shop", "and no worker runs it");
    test_do(&server, "DEL {orders}:events");
    expect_finding(0, "ok", "projections", "views/shop", "no worker runs it");
    expect_nothing_of("projections");
}

static void finds_rebuilds_that_stand_still(void **state)
{
    (void)state;
    make_projection("running", "");
    test_do(&server, "DEL {orders}:events");
    test_do(&server,
            "HSET {views}:projection:shop rebuild 1-x task rebuild phase building paused 1");
    expect_finding(1, "warning", "projections", "views/shop", "its rebuild is paused");
}

/* ---- Where it looks ------------------------------------------------------------------------ */

static void keeps_to_its_namespace(void **state)
{
    (void)state;
    test_do(&server, "XADD t*:{orders}:commands 1-1 type T");
    test_do(&server, "XADD to:{orders}:dead 1-1 type T");
    test_do(&server, "XADD to:{orders}:commands 2-1 type T");
    test_do(&server, "XADD to:{others}:commands 2-1 type T");
    expect_all_ok();
    setenv("WEIR_NAMESPACE", "t*:", 1);
    expect_finding(2, "problem", "backlog", "t*:{orders}:commands", "1 wait");
    expect_nothing_of("dead");
    /* the backlog; no worker, no group, nobody has registered */
    expect_weir(2, "\n1 problems, 3 warnings\n", NULL, WORDS("doctor"));
    setenv("WEIR_NAMESPACE", "none:", 1);
    expect_finding(0, "ok", "services", "none", "no service has run");
}

/* The names of services are found among many other keys, and told in order. */
static void finds_services_among_many_keys(void **state)
{
    (void)state;
    test_do(&server, "EVAL %s 0",
            "for i = 1, 5000 do redis.call('SET', '{orders}:order:' .. i, 'x') end");
    for (char name[] = "a"; name[0] <= 'e'; name[0]++)
        test_do(&server, "XADD {%s}:events * type T", name);
    struct test_run run = run_weir(1, WORDS("doctor"), NULL);
    const char *at = run.out;
    for (char key[] = "{a}:workers"; key[1] <= 'e'; key[1]++) {
        at = strstr(at, key);
        assert_non_null(at);
    }
    assert_non_null(strstr(at, "{orders}:workers"));
    assert_non_null(strstr(run.out, "\n0 problems, 10 warnings\n"));
    test_run_close(&run);
}

static void shows_nothing_unescaped(void **state)
{
    (void)state;
    test_do(&server, "XADD {orders}:events 5-1 type T");
    test_do(&server, "XGROUP CREATE {orders}:events %b 0", "\033]0;\xff", (size_t)5);
    test_do(&server, "HSET {orders}:workers %s nonsense", "\033[2J");
    struct test_run run = run_weir(1, WORDS("doctor"), NULL);
    assert_null(strchr(run.out, '\033'));
    assert_non_null(strstr(run.out, "\\u001b[2J has given no sign"));
    test_run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(finds_nothing_wrong, make_service),
        cmocka_unit_test_setup(finds_workers_that_died, make_service),
        cmocka_unit_test_setup(finds_what_waits, make_service),
        cmocka_unit_test_setup(finds_what_nobody_works_at, make_service),
        cmocka_unit_test_setup(finds_what_a_dead_consumer_holds, make_service),
        cmocka_unit_test_setup(finds_what_is_not_registered, make_service),
        cmocka_unit_test_setup(finds_what_waits_for_sagas, make_service),
        cmocka_unit_test_setup(finds_missing_groups, make_service),
        cmocka_unit_test_setup(finds_what_is_overdue, make_service),
        cmocka_unit_test_setup(finds_dead_letters, make_service),
        cmocka_unit_test_setup(finds_ids_ahead_of_the_clock, make_service),
        cmocka_unit_test_setup(finds_a_stream_at_its_end, make_service),
        cmocka_unit_test_setup(finds_other_types, make_service),
        cmocka_unit_test_setup(finds_readers_left_behind, make_service),
        cmocka_unit_test(finds_projections_that_stand_still),
        cmocka_unit_test(finds_rebuilds_that_stand_still),
        cmocka_unit_test_setup(keeps_to_its_namespace, make_service),
        cmocka_unit_test_setup(finds_services_among_many_keys, make_service),
        cmocka_unit_test_setup(shows_nothing_unescaped, make_service),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
