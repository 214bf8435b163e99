/* The command line from outside: services, workers, schedules, and the overview. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"

#define MINUTE_MS 60000LL
#define HOUR_MS 3600000LL

static struct test_server server;

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    use_server(&server);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    test_do(&server, "FLUSHALL");
    return 0;
}

static long long server_ms(void)
{
    redisReply *reply = test_ask(&server, "TIME");
    long long ms = atoll(reply->element[0]->str) * 1000 + atoll(reply->element[1]->str) / 1000;
    freeReplyObject(reply);
    return ms;
}

static void enroll(const char *service)
{
    test_do(&server, "HSET {weir}:services %s %lld", service, server_ms());
}

static void give_sign(const char *service, const char *consumer, long long at, const char *more)
{
    test_do(&server, "HSET {%s}:workers %s {\"pid\":7,\"host\":\"h\",\"heartbeat\":%lld%s}",
            service, consumer, at, more);
}

/* The member of that name of each object, borrowed. */
static json_t *member_named(const json_t *rows, const char *key, const char *name)
{
    json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        if (strcmp(shown_text(row, key), name) == 0)
            return row;
    }
    fail_msg("no %s %s", key, name);
    return NULL;
}

static double shown_rate(const json_t *of, const char *which)
{
    const json_t *rate = json_object_get(json_object_get(of, "rate"), which);
    assert_true(json_is_number(rate));
    return json_number_value(rate);
}

/* ---- services ------------------------------------------------------------------------------ */

/* Two entries in each inbox, one of them pending in the first. */
static void add_backlog(const char *service, const char *inbox, long long oldest)
{
    test_do(&server, "XADD {%s}:%s %lld-0 type T", service, inbox, oldest);
    test_do(&server, "XADD {%s}:%s * type T", service, inbox);
    test_do(&server, "XGROUP CREATE {%s}:%s %s 0", service, inbox, service);
}

static void shows_how_services_stand(void **state)
{
    (void)state;
    long long now = server_ms();
    enroll("orders");
    enroll("sagas");
    add_backlog("orders", "commands", now - HOUR_MS);
    test_do(&server, "XREADGROUP GROUP orders w COUNT 1 STREAMS {orders}:commands >");
    add_backlog("sagas", "replies", now - 3 * HOUR_MS);
    add_backlog("sagas", "held", now - 2 * HOUR_MS);
    test_do(&server, "ZADD {orders}:scheduled 1 a 2 b 3 c");
    test_do(&server, "XADD {orders}:dead * reason r");
    give_sign("orders", "one", now,
              ",\"inHand\":3,\"recent\":{\"ms\":4000,\"received\":10,\"handled\":6,\"refused\":1,"
              "\"retried\":0}");
    give_sign("orders", "two", now,
              ",\"inHand\":1,\"recent\":{\"ms\":2000,\"received\":2,\"handled\":1,\"refused\":0,"
              "\"retried\":1}");
    give_sign("orders", "old", now - 20000, ",\"inHand\":9,\"recent\":{\"ms\":1,\"handled\":99}");
    give_sign("orders", "dead", now - HOUR_MS, "");
    json_t *found = ask_weir_json(0, WORDS("services")), *rows = json_object_get(found, "services");
    assert_int_equal(json_array_size(rows), 2);
    json_t *orders = member_named(rows, "service", "orders"),
           *sagas = member_named(rows, "service", "sagas"),
           *workers = json_object_get(orders, "workers");
    assert_int_equal(shown_number(orders, "backlog"), 2);
    assert_int_equal(shown_number(orders, "pending"), 1);
    assert_int_equal(shown_number(orders, "oldest"), now - HOUR_MS);
    assert_int_equal(shown_number(orders, "scheduled"), 3);
    assert_int_equal(shown_number(orders, "dead"), 1);
    assert_int_equal(shown_number(workers, "alive"), 2);
    assert_int_equal(shown_number(workers, "silent"), 1);
    assert_int_equal(shown_number(workers, "gone"), 1);
    assert_int_equal(shown_number(orders, "inHand"), 4);
    assert_true(shown_rate(orders, "received") == 3.5);
    assert_true(shown_rate(orders, "handled") == 2.0);
    assert_true(shown_rate(orders, "refused") == 0.25);
    assert_string_equal(shown_text(orders, "state"), "behind");
    assert_int_equal(shown_number(sagas, "backlog"), 4); /* of all three inboxes */
    assert_int_equal(shown_number(sagas, "oldest"), now - 3 * HOUR_MS);
    assert_int_equal(json_array_size(json_object_get(sagas, "streams")), 3);
    assert_string_equal(shown_text(sagas, "state"), "unattended");
    assert_true(json_is_null(json_object_get(sagas, "rate")));
    json_decref(found);
    expect_weir(0, "orders\tbehind\t2 (1 silent)\t2\t1\t1h00m\t2.0\t3\t1\n", NULL,
                WORDS("services"));
    expect_weir(0, "sagas\tunattended\t0\t4\t0\t3h00m\t-\t0\t0\n", NULL, WORDS("services"));
}

/* What has been handled leaves an inbox; what has been trimmed away while it was pending is still
 * waited for. */
static void counts_what_is_pending_without_its_entry(void **state)
{
    (void)state;
    long long now = server_ms();
    enroll("orders");
    add_backlog("orders", "commands", now - HOUR_MS);
    test_do(&server, "XREADGROUP GROUP orders w STREAMS {orders}:commands >");
    test_do(&server, "DEL {orders}:workers");
    test_do(&server, "XTRIM {orders}:commands MAXLEN 0");
    json_t *found = ask_weir_json(0, WORDS("services", "orders"));
    const json_t *orders = json_array_get(json_object_get(found, "services"), 0);
    assert_int_equal(shown_number(orders, "backlog"), 0);
    assert_int_equal(shown_number(orders, "pending"), 2);
    assert_int_equal(shown_number(orders, "oldest"), now - HOUR_MS);
    json_decref(found);
}

/* Another group's name, another namespace, a lag that the server does not know. */
static void goes_by_what_the_server_says(void **state)
{
    (void)state;
    test_do(&server, "HSET t:{weir}:services orders %lld", server_ms());
    test_do(&server, "XADD t:{orders}:commands 5-1 type T");
    test_do(&server, "XADD t:{orders}:commands 6-1 type T");
    test_do(&server, "XADD t:{orders}:commands 7-1 type T");
    test_do(&server, "XGROUP CREATE t:{orders}:commands others 5-1");
    test_do(&server, "XDEL t:{orders}:commands 6-1");
    json_t *found = ask_weir_json(0, WORDS("services", "--namespace=t:"));
    const json_t *orders = json_array_get(json_object_get(found, "services"), 0);
    const json_t *stream = json_array_get(json_object_get(orders, "streams"), 0);
    const json_t *group = json_array_get(json_object_get(stream, "groups"), 0);
    assert_string_equal(shown_text(stream, "key"), "t:{orders}:commands");
    assert_string_equal(shown_text(group, "name"), "others");
    assert_true(json_is_null(json_object_get(group, "lag")));
    assert_int_equal(shown_number(orders, "oldest"), 5);
    json_decref(found);
    found = ask_weir_json(0, WORDS("services"));
    assert_int_equal(json_array_size(json_object_get(found, "services")), 0);
    json_decref(found);
}

static void finds_services_that_are_not_registered(void **state)
{
    (void)state;
    enroll("orders");
    test_do(&server, "SADD {sagas}:definitions place-order broken missing");
    test_do(
        &server, "HSET {sagas}:definition:place-order latest 2 1 %s 2 %s",
        "{\"steps\":[{\"service\":\"old\"}]}",
        "{\"steps\":[{\"service\":\"payments\"},{\"signal\":\"s\"},{\"service\":\"or ders\"}]}");
    test_do(&server, "HSET {sagas}:definition:broken latest 1 1 nonsense");
    test_do(&server, "XADD {stray}:commands 5-1 type T");
    test_do(&server, "XADD {stray}:events 5-1 type T");
    expect_weir(0, "\norders\t", NULL, WORDS("services"));
    expect_weir(0, "\npayments\t", NULL, WORDS("services"));
    struct test_run run = run_weir(0, WORDS("services"), NULL);
    assert_null(strstr(run.out, "stray"));
    assert_null(strstr(run.out, "\nold\t"));
    assert_null(strstr(run.out, "or ders"));
    test_run_close(&run);
    expect_weir(0, "\nstray\tunattended\t", NULL, WORDS("services", "--search"));
    expect_weir(0, "\nstray\t", NULL, WORDS("services", "stray"));
    expect_weir(1, NULL, "no service pigments: it is not registered",
                WORDS("services", "pigments"));
    expect_weir(0, "\npayments\t", NULL, WORDS("services", "payments"));
}

static void shows_readers_and_projections_of_one(void **state)
{
    (void)state;
    long long now = server_ms();
    enroll("orders");
    test_do(&server, "XADD {orders}:events %lld-0 type T", now - HOUR_MS);
    test_do(&server, "XGROUP CREATE {orders}:events views 0");
    test_do(&server, "HSET {weir}:projections orders/own orders");
    test_do(&server,
            "HSET {orders}:projection:own state stopped reason because owner w until %lld "
            "stream {orders}:events entry 5-1",
            now + HOUR_MS);
    expect_weir(0, "\ninbox\tlength\tpending\toldest\tgroups\n{orders}:commands\t0\t0\t-\t-\n",
                NULL, WORDS("services", "orders"));
    expect_weir(0, "\nviews\tgroup\t0\t1\t1h00m\t-\tbehind\n", NULL, WORDS("services", "orders"));
    expect_weir(0, "\norders/own\tstopped\tw\t1h00m\tbecause\n", NULL, WORDS("services", "orders"));
    json_t *found = ask_weir_json(0, WORDS("services"));
    const json_t *orders = json_array_get(json_object_get(found, "services"), 0);
    assert_int_equal(json_array_size(json_object_get(orders, "projections")), 1);
    assert_int_equal(shown_number(json_object_get(orders, "events"), "events"), 1);
    json_decref(found);
}

/* What cannot be told is null, and why: never a number. */
static void tells_what_it_cannot_tell(void **state)
{
    (void)state;
    enroll("orders");
    test_do(&server, "SET {orders}:commands x");
    test_do(&server, "SET {orders}:workers x");
    json_t *found = ask_weir_json(0, WORDS("services", "orders"));
    const json_t *orders = json_array_get(json_object_get(found, "services"), 0);
    assert_true(json_is_null(json_object_get(orders, "backlog")));
    assert_true(json_is_null(json_object_get(orders, "pending")));
    assert_true(json_is_null(json_object_get(orders, "workers")));
    assert_int_equal(shown_number(orders, "dead"), 0);
    assert_non_null(strstr(shown_text(orders, "problem"), "WRONGTYPE"));
    json_decref(found);
    expect_weir(0, "WRONGTYPE", NULL, WORDS("services"));
}

/* ---- workers ------------------------------------------------------------------------------- */

static void lists_workers(void **state)
{
    (void)state;
    long long now = server_ms();
    enroll("orders");
    enroll("payments");
    give_sign("orders", "b", now,
              ",\"started\":5,\"version\":\"1\",\"inHand\":1,\"done\":2,\"rejected\":3,"
              "\"retried\":4,\"dead\":5,\"recent\":{\"ms\":1000,\"handled\":1}");
    give_sign("orders", "a", now - 20000, ",\"started\":\"x\"");
    give_sign("payments", "c", now - 2 * MINUTE_MS, "");
    test_do(&server, "HSET {payments}:workers d nonsense");
    json_t *found = ask_weir_json(0, WORDS("workers")), *rows = json_object_get(found, "workers");
    assert_int_equal(json_array_size(rows), 4);
    assert_string_equal(shown_text(json_array_get(rows, 0), "consumer"), "a"); /* in order */
    const json_t *b = member_named(rows, "consumer", "b");
    assert_string_equal(shown_text(b, "state"), "alive");
    assert_string_equal(shown_text(b, "host"), "h");
    assert_int_equal(shown_number(b, "pid"), 7);
    assert_int_equal(shown_number(b, "heartbeat"), now);
    assert_int_equal(shown_number(b, "dead"), 5);
    assert_true(shown_rate(b, "handled") == 1.0);
    assert_string_equal(shown_text(member_named(rows, "consumer", "a"), "state"), "silent");
    assert_true(json_is_null(json_object_get(member_named(rows, "consumer", "a"), "started")));
    assert_string_equal(shown_text(member_named(rows, "consumer", "c"), "state"), "gone");
    assert_string_equal(shown_text(member_named(rows, "consumer", "d"), "state"), "gone");
    json_decref(found);
    found = ask_weir_json(0, WORDS("workers", "payments"));
    assert_int_equal(json_array_size(json_object_get(found, "workers")), 2);
    json_decref(found);
    test_do(&server, "SET {none}:workers x");
    expect_weir(1, NULL, "WRONGTYPE", WORDS("workers", "none"));
}

static void spoiled_definitions_hide_no_service(void **state)
{
    (void)state;
    enroll("orders");
    test_do(&server, "SET {sagas}:definitions x");
    expect_weir(0, "orders", "those that only definitions name are missing: ", WORDS("services"));
}

/* One that rests is known by its keys, by a definition or by the register. */
static void no_service_of_a_wrong_name_looks_well(void **state)
{
    static const char *const commands[] = {"workers", "scheduled", "dead"};
    (void)state;
    test_do(&server, "XADD {resting}:events * type T");
    enroll("enrolled");
    test_do(&server, "SADD {sagas}:definitions one");
    test_do(&server, "HSET {sagas}:definition:one latest 1 1 %s",
            "{\"name\":\"one\",\"steps\":[{\"service\":\"defined\"}]}");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        expect_weir(1, NULL, "no service paymnets", WORDS(commands[i], "paymnets"));
        free(ask_weir(WORDS(commands[i], "resting")));
        free(ask_weir(WORDS(commands[i], "enrolled")));
        free(ask_weir(WORDS(commands[i], "defined")));
    }
    expect_weir(64, NULL, "weir is the framework's own", WORDS("send", "weir", "Foo"));
    expect_weir(0, "-0", "nothing is known of a service paymnets", WORDS("send", "paymnets", "A"));
    expect_weir(0, "-0", NULL, WORDS("send", "paymnets", "A")); /* the inbox is there by now */
    expect_weir(0, "-0", NULL, WORDS("send", "defined", "A"));
}

/* ---- scheduled ----------------------------------------------------------------------------- */

static void lists_what_is_due_when(void **state)
{
    (void)state;
    long long now = server_ms();
    enroll("orders");
    enroll("payments");
    test_do(&server, "ZADD {orders}:scheduled %lld %s", now + HOUR_MS,
            "1:x4:type4:Late2:id2:i14:saga2:s14:step4:step6:action7:execute");
    test_do(&server, "ZADD {orders}:scheduled %lld %s", now - HOUR_MS, "1:y4:type4:Over");
    test_do(&server, "ZADD {payments}:scheduled %lld %s", now + MINUTE_MS,
            "1:z7:subject2:o14:type4:Soon");
    json_t *found = ask_weir_json(0, WORDS("scheduled")),
           *rows = json_object_get(found, "scheduled");
    assert_int_equal(shown_number(found, "total"), 3);
    assert_int_equal(shown_number(found, "due"), 1);
    assert_int_equal(json_array_size(rows), 3);
    assert_string_equal(shown_text(json_array_get(rows, 0), "type"), "Over");
    assert_string_equal(shown_text(json_array_get(rows, 1), "type"), "Soon");
    assert_string_equal(shown_text(json_array_get(rows, 1), "subject"), "o1");
    const json_t *late = json_array_get(rows, 2);
    assert_string_equal(shown_text(late, "service"), "orders");
    assert_string_equal(shown_text(late, "id"), "i1");
    assert_string_equal(shown_text(late, "saga"), "s1");
    assert_string_equal(shown_text(late, "step"), "step");
    assert_string_equal(shown_text(late, "action"), "execute");
    assert_int_equal(shown_number(late, "due"), now + HOUR_MS);
    const json_t *orders = member_named(json_object_get(found, "services"), "service", "orders");
    assert_int_equal(shown_number(orders, "count"), 2);
    assert_int_equal(shown_number(orders, "due"), 1);
    assert_int_equal(shown_number(orders, "next"), now - HOUR_MS);
    json_decref(found);
    expect_weir(0, "\n-1h00m\torders\tOver\t", "1 of 3 are shown", WORDS("scheduled", "--limit=1"));
    expect_weir(0, "\tpayments\tSoon\to1\t", NULL, WORDS("scheduled", "payments"));
}

/* Of a MiB each: what is read at once stays within what a server lets wait for a client. */
static void lists_large_messages_few_at_once(void **state)
{
    (void)state;
    enroll("orders");
    test_do(&server, "CONFIG SET client-output-buffer-limit %s", "normal 33554432 0 0");
    test_do(&server, "EVAL %s 0",
            "for i = 1, 60 do redis.call('ZADD', '{orders}:scheduled', i, '1:x4:type1:T4:data' .. "
            "1000000 .. ':' .. string.rep('x', 1000000 - 3) .. (100 + i)) end");
    json_t *found = ask_weir_json(0, WORDS("scheduled", "--limit", "50")),
           *rows = json_object_get(found, "scheduled");
    assert_int_equal(shown_number(found, "total"), 60);
    assert_int_equal(json_array_size(rows), 50);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(shown_number(json_array_get(rows, i), "due"), i + 1);
    json_decref(found);
    test_do(&server, "CONFIG SET client-output-buffer-limit %s", "normal 0 0 0");
}

static void shows_members_that_cannot_be_read(void **state)
{
    static const char *const members[] = {"",
                                          "x",
                                          "1:",
                                          "9:a",
                                          "1:a1:b",
                                          "1:a4:type",
                                          "1:a4:type9:T",
                                          "-1:a",
                                          "01:a1:b",
                                          "1:a1:b1:cx",
                                          "99999999999999999999:a"};
    (void)state;
    enroll("orders");
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        test_do(&server, "ZADD {orders}:scheduled %d %s", (int)i, members[i]);
    json_t *found = ask_weir_json(0, WORDS("scheduled")), *row;
    size_t i;
    assert_int_equal(shown_number(found, "total"), sizeof(members) / sizeof(members[0]));
    json_array_foreach(json_object_get(found, "scheduled"), i, row)
    {
        assert_true(json_is_null(json_object_get(row, "type")));
        assert_int_equal(shown_number(row, "bytes"), strlen(members[i]));
    }
    json_decref(found);
}

/* ---- top ----------------------------------------------------------------------------------- */

/* All commands that the server has carried out. */
static long long commands_so_far(void)
{
    char *info = test_ask_text(&server, "INFO stats"),
         *at = strstr(info, "total_commands_processed:");
    long long count = atoll(at + strlen("total_commands_processed:"));
    free(info);
    return count;
}

/* What one overview costs, that of opening a connection left out. */
static long long cost_of_overview(void)
{
    long long before = commands_so_far();
    free(ask_weir(WORDS("workers", "s9")));
    long long little = commands_so_far() - before; /* with one INFO of the test's own */
    before = commands_so_far();
    json_decref(ask_weir_json(0, WORDS("top")));
    return commands_so_far() - before - little + 2; /* it asked TIME and HGETALL */
}

static void add_services(int count)
{
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "s%d", i);
        enroll(name);
        give_sign(name, "one", server_ms(), "");
        test_do(&server, "XGROUP CREATE {%s}:commands %s 0 MKSTREAM", name, name);
    }
}

static void overview_costs_little_whatever_there_is(void **state)
{
    (void)state;
    add_services(10);
    test_do(&server, "HSET {weir}:projections v/p %s", "s0 s1 s2");
    long long scans = test_calls_of(&server, "scan"), calm = cost_of_overview();
    test_do(&server, "EVAL %s 0",
            "for i = 1, 3000 do redis.call('XADD', '{s1}:commands', '*', 'type', 'T') "
            "redis.call('XADD', '{s2}:dead', '*', 'type', 'T') "
            "redis.call('XADD', '{s1}:events', '*', 'type', 'T') "
            "redis.call('ZADD', '{s3}:scheduled', i, i) "
            "redis.call('ZADD', '{sagas}:state:running', i, i) "
            "redis.call('HSET', '{sagas}:saga:' .. i, 'state', 'running') end");
    test_do(&server, "XREADGROUP GROUP s1 one COUNT 2000 STREAMS {s1}:commands >");
    assert_int_equal(cost_of_overview(), calm);
    assert_in_range(calm, 40, 60);
    json_t *top = ask_weir_json(0, WORDS("top"));
    const json_t *totals = json_object_get(top, "totals");
    assert_int_equal(shown_number(totals, "workers"), 10);
    assert_int_equal(shown_number(totals, "backlog"), 3000);
    assert_int_equal(shown_number(totals, "pending"), 2000);
    assert_int_equal(shown_number(totals, "scheduled"), 3000);
    assert_int_equal(shown_number(totals, "dead"), 3000);
    assert_int_equal(shown_number(json_object_get(top, "sagas"), "running"), 3000);
    const json_t *projection = json_array_get(json_object_get(top, "projections"), 0);
    assert_string_equal(shown_text(projection, "state"), "idle");
    assert_true(shown_number(projection, "oldest") > 0);
    json_decref(top);
    assert_int_equal(test_calls_of(&server, "scan"), scans);
}

static void overview_bears_what_is_denied_and_wrong(void **state)
{
    char url[TEST_PATH_MAX + 32];
    (void)state;
    enroll("orders");
    test_do(&server, "SET {sagas}:state:running x");
    test_do(&server, "HSET {weir}:projections nonsense x v/p %s", "bad:name orders");
    test_do(&server, "SET {v}:projection:p x");
    test_do(&server, "HSET {v}:checkpoint:p {orders}:events nonsense");
    test_do(&server, "ACL SETUSER ann reset on >hush +@all -info ~* &*");
    snprintf(url, sizeof(url), "unix://ann:hush@%s", server.socket);
    json_t *top = ask_weir_json(0, WORDS("top", "--redis", url));
    assert_true(json_is_null(json_object_get(json_object_get(top, "sagas"), "running")));
    assert_true(json_is_null(json_object_get(json_object_get(top, "server"), "version")));
    assert_int_equal(json_array_size(json_object_get(top, "services")), 1);
    assert_int_equal(json_array_size(json_object_get(top, "projections")), 1);
    json_decref(top);
    test_do(&server, "ACL SETUSER ann -time");
    expect_weir(1, NULL, "NOPERM", WORDS("top", "--json", "--redis", url));
}

/* ---- Forgetting ----------------------------------------------------------------------------- */

static void forgets_what_is_no_more(void **state)
{
    (void)state;
    enroll("former");
    enroll("orders");
    give_sign("former", "w1", server_ms() - HOUR_MS, "");
    test_do(&server, "XADD {former}:commands * type T");
    test_do(&server, "XADD {former}:dead * reason r");
    expect_weir(0, "former is forgotten", "its messages stay: 1 in its inboxes, 1 dead letters",
                WORDS("services", "forget", "former", "--as", "ada"));
    expect_weir(0, "orders", NULL, WORDS("services"));
    assert_int_equal(test_ask_integer(&server, "HEXISTS {weir}:services former"), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {former}:commands"), 1);
    expect_weir(0, "ada\tweir\tservices forget\tformer\tdone", NULL, WORDS("actions"));
    expect_weir(1, NULL, "no service former is registered", WORDS("services", "forget", "former"));
    json_t *found = ask_weir_json(0, WORDS("services", "forget", "orders"));
    assert_string_equal(shown_text(found, "service"), "orders");
    assert_true(json_is_true(json_object_get(found, "forgotten")));
    json_decref(found);
}

static void forgets_nothing_that_lives(void **state)
{
    (void)state;
    enroll("orders");
    give_sign("orders", "w1", server_ms(), "");
    expect_weir(1, NULL, "orders has 1 live workers, 0 of them silent",
                WORDS("services", "forget", "orders"));
    give_sign("orders", "w1", server_ms() - MINUTE_MS / 2, "");
    expect_weir(1, NULL, "orders has 1 live workers, 1 of them silent",
                WORDS("services", "forget", "orders"));
    test_do(&server, "DEL {orders}:workers");
    test_do(&server, "SET {orders}:workers x");
    expect_weir(1, NULL, "whether orders has workers is not told",
                WORDS("services", "forget", "orders"));
    assert_int_equal(test_ask_integer(&server, "HEXISTS {weir}:services orders"), 1);
    assert_int_equal(test_ask_integer(&server, "EXISTS {weir}:actions"), 0);
    expect_weir(64, NULL, "takes the name of one service",
                WORDS("services", "forget", "orders", "payments"));
    expect_weir(64, NULL, "does more than to show",
                WORDS("services", "forget", "orders", "--watch"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(shows_how_services_stand, clear),
        cmocka_unit_test_setup(counts_what_is_pending_without_its_entry, clear),
        cmocka_unit_test_setup(goes_by_what_the_server_says, clear),
        cmocka_unit_test_setup(finds_services_that_are_not_registered, clear),
        cmocka_unit_test_setup(shows_readers_and_projections_of_one, clear),
        cmocka_unit_test_setup(tells_what_it_cannot_tell, clear),
        cmocka_unit_test_setup(forgets_what_is_no_more, clear),
        cmocka_unit_test_setup(forgets_nothing_that_lives, clear),
        cmocka_unit_test_setup(lists_workers, clear),
        cmocka_unit_test_setup(spoiled_definitions_hide_no_service, clear),
        cmocka_unit_test_setup(no_service_of_a_wrong_name_looks_well, clear),
        cmocka_unit_test_setup(lists_what_is_due_when, clear),
        cmocka_unit_test_setup(lists_large_messages_few_at_once, clear),
        cmocka_unit_test_setup(shows_members_that_cannot_be_read, clear),
        cmocka_unit_test_setup(overview_bears_what_is_denied_and_wrong, clear),
        cmocka_unit_test_setup(overview_costs_little_whatever_there_is, clear),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
