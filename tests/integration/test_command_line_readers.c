/* The command line from outside: who reads a service's events, and how a reader is retired. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"

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
    expect_weir(0, "function library weir", NULL, WORDS("install"));
    return 0;
}

static long long server_ms(void)
{
    redisReply *reply = test_ask(&server, "TIME");
    long long ms = atoll(reply->element[0]->str) * 1000 + atoll(reply->element[1]->str) / 1000;
    freeReplyObject(reply);
    return ms;
}

/* Events of the last ten hours, one an hour; the last is of now. Returns now. */
static long long publish(void)
{
    long long now = server_ms();
    for (int hours = 9; hours >= 0; hours--)
        test_do(&server, "XADD {orders}:events %lld-0 type T", now - hours * HOUR_MS);
    return now;
}

static void add_projection(const char *name, long long ms)
{
    test_do(&server, "HSET {orders}:readers %s %lld-0", name, ms);
}

static void give_sign(const char *service, long long ms)
{
    test_do(&server, "HSET {%s}:workers one {\"pid\":1,\"heartbeat\":%lld}", service, ms);
}

static const json_t *reader_named(const json_t *found, const char *name)
{
    size_t place;
    json_t *row;
    json_array_foreach(json_object_get(found, "readers"), place, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
            return row;
    }
    fail_msg("no reader %s", name);
    return NULL;
}

static void assert_reader(const json_t *found, const char *name, const char *state,
                          json_int_t behind)
{
    const json_t *row = reader_named(found, name);
    assert_string_equal(json_string_value(json_object_get(row, "state")), state);
    assert_int_equal(json_integer_value(json_object_get(row, "behind")), behind);
}

/* ---- list ---------------------------------------------------------------------------------- */

static void lists_groups(void **state)
{
    (void)state;
    long long now = publish();
    test_do(&server, "XGROUP CREATE {orders}:events done 0");
    test_do(&server, "XGROUP CREATE {orders}:events half 0");
    test_do(&server, "XGROUP CREATE {orders}:events new 0");
    test_do(&server, "XREADGROUP GROUP done w STREAMS {orders}:events >");
    test_do(&server, "XACK {orders}:events done %lld-0", now - 9 * HOUR_MS);
    for (int hours = 8; hours >= 0; hours--)
        test_do(&server, "XACK {orders}:events done %lld-0", now - hours * HOUR_MS);
    test_do(&server, "XREADGROUP GROUP half w COUNT 4 STREAMS {orders}:events >");
    test_do(&server, "XACK {orders}:events half %lld-0", now - 9 * HOUR_MS);
    json_t *found = ask_weir_json(0, WORDS("readers", "orders", "--silent-for", "5h"));
    assert_string_equal(json_string_value(json_object_get(found, "service")), "orders");
    assert_int_equal(shown_number(found, "events"), 10);
    assert_int_equal(shown_number(found, "oldest"), now - 9 * HOUR_MS);
    assert_int_equal(shown_number(found, "newest"), now);
    assert_int_equal(json_array_size(json_object_get(found, "readers")), 3);
    assert_reader(found, "done", "reading", 0);
    assert_reader(found, "half", "behind", 6); /* its consumer has just read */
    assert_reader(found, "new", "forgotten", 10);
    const json_t *half = reader_named(found, "half");
    assert_int_equal(shown_number(half, "pending"), 3);
    assert_int_equal(shown_number(half, "oldestUnfinished"), now - 8 * HOUR_MS);
    assert_true(shown_number(half, "lastSign") > now - HOUR_MS);
    assert_string_equal(json_string_value(json_object_get(half, "kind")), "group");
    assert_true(json_is_false(json_object_get(half, "behindAtLeast")));
    assert_true(json_is_null(json_object_get(reader_named(found, "new"), "lastSign")));
    assert_true(json_is_null(json_object_get(reader_named(found, "done"), "oldestUnfinished")));
    json_decref(found);
    found = ask_weir_json(0, WORDS("readers", "orders", "list"));
    assert_reader(found, "new", "behind", 10); /* not for 24 hours yet */
    json_decref(found);
}

/* Some versions of the server keep a wrong count where an entry was deleted: simulated by one that
 * is set by hand. */
static void counts_what_the_server_counts_wrong(void **state)
{
    (void)state;
    long long now = publish();
    test_do(&server, "XGROUP CREATE {orders}:events ahead %lld-0 ENTRIESREAD 10",
            now - 4 * HOUR_MS);
    test_do(&server, "XGROUP CREATE {orders}:events behind %lld-0 ENTRIESREAD 3", now);
    test_do(&server, "XGROUP CREATE {orders}:events right %lld-0 ENTRIESREAD 6", now - 4 * HOUR_MS);
    json_t *found = ask_weir_json(0, WORDS("readers", "orders"));
    assert_reader(found, "ahead", "behind", 4);
    assert_reader(found, "behind", "reading", 0);
    assert_reader(found, "right", "behind", 4);
    json_decref(found);
}

/* What a projection has entered follows its checkpoint by seconds. */
static void shows_projections_by_their_checkpoint(void **state)
{
    (void)state;
    long long now = publish();
    add_projection("views/shop", now - 4 * HOUR_MS);
    add_projection("views/shop~rebuild", now - 4 * HOUR_MS);
    test_do(&server, "HSET {views}:checkpoint:shop {orders}:events %lld-0 {other}:events 1-0", now);
    json_t *found = ask_weir_json(0, WORDS("readers", "orders"));
    assert_reader(found, "views/shop", "reading", 0);
    assert_reader(found, "views/shop~rebuild", "behind", 4);
    json_decref(found);
    test_do(&server, "DEL {views}:checkpoint:shop");
    test_do(&server, "SET {views}:checkpoint:shop x");
    found = ask_weir_json(0, WORDS("readers", "orders"));
    assert_reader(found, "views/shop", "behind", 4);
    json_decref(found);
}

static void lists_projections(void **state)
{
    (void)state;
    long long now = publish();
    add_projection("views/done", now);
    add_projection("views/half", now - 4 * HOUR_MS);
    add_projection("gone/half", now - 4 * HOUR_MS);
    add_projection("other/half", now - 4 * HOUR_MS);
    test_do(&server, "HSET {orders}:readers bad/position nonsense");
    give_sign("views", now - 1000);
    give_sign("other", now - 3 * HOUR_MS);
    test_do(&server, "HSET {other}:workers two nonsense");
    json_t *found = ask_weir_json(0, WORDS("readers", "orders", "--silent-for", "2h"));
    assert_reader(found, "views/done", "reading", 0);
    assert_reader(found, "views/half", "behind", 4);
    assert_reader(found, "gone/half", "forgotten", 4);
    assert_reader(found, "other/half", "forgotten", 4);
    assert_reader(found, "bad/position", "forgotten", 10);
    const json_t *half = reader_named(found, "other/half");
    assert_string_equal(json_string_value(json_object_get(half, "kind")), "projection");
    assert_int_equal(shown_number(half, "lastSign"), now - 3 * HOUR_MS);
    assert_true(json_is_null(json_object_get(half, "pending")));
    json_decref(found);
}

static void counts_only_so_far(void **state)
{
    (void)state;
    for (int i = 1; i <= 150; i++)
        test_do(&server, "XADD {orders}:events %d-1 type T", i);
    test_do(&server, "HSET {orders}:readers a/exactly 50-1 a/more 49-1");
    test_do(&server, "XGROUP CREATE {orders}:events unknown 10-1"); /* its lag is not known */
    expect_weir(0, "events 150, reaching back ", NULL, WORDS("readers", "orders"));
    expect_weir(0, "\na/exactly\tprojection\t50-1\t-\t100\t", NULL, WORDS("readers", "orders"));
    expect_weir(0, "\na/more\tprojection\t49-1\t-\t100+\t", NULL, WORDS("readers", "orders"));
    expect_weir(0, "\nunknown\tgroup\t10-1\t0\t100+\t", NULL, WORDS("readers", "orders"));
    json_t *found = ask_weir_json(0, WORDS("readers", "orders"));
    assert_reader(found, "a/more", "forgotten", 100);
    assert_true(json_is_true(json_object_get(reader_named(found, "a/more"), "behindAtLeast")));
    assert_true(json_is_false(json_object_get(reader_named(found, "a/exactly"), "behindAtLeast")));
    json_decref(found);
}

static void survives_odd_readers(void **state)
{
    (void)state;
    test_do(&server, "XADD {orders}:events 5-1 type T");
    test_do(&server, "XGROUP CREATE {orders}:events %b 0", "\033]0;\0z\xff", (size_t)7);
    test_do(&server, "XGROUP CREATE {orders}:events last "
                     "18446744073709551615-18446744073709551615");
    test_do(&server, "HSET {orders}:readers %s %s", "a b/\n", "\033[2J");
    struct test_run run = run_weir(0, WORDS("readers", "orders"), NULL);
    assert_null(strchr(run.out, '\033'));
    assert_non_null(strstr(run.out, "\na b/\\n\tprojection\t\\u001b[2J\t"));
    assert_non_null(strstr(run.out, "\nlast\tgroup\t18446744073709551615-"));
    test_run_close(&run);
}

static void tells_what_is_not_there(void **state)
{
    (void)state;
    expect_weir(1, NULL, "no events of orders: there is no {orders}:events",
                WORDS("readers", "orders"));
    expect_weir(1, NULL, "no events of orders", WORDS("readers", "orders", "retire", "views"));
    test_do(&server, "XGROUP CREATE {orders}:events views 0 MKSTREAM");
    expect_weir(0, "events 0\n", NULL, WORDS("readers", "orders"));
    expect_weir(1, NULL, "there is no t:{orders}:events",
                WORDS("readers", "orders", "--namespace", "t:"));
    test_do(&server, "SET {orders}:events 1");
    expect_weir(1, NULL, "{orders}:events: ", WORDS("readers", "orders"));
    expect_weir(64, NULL, "<service>", WORDS("readers", "or ders"));
    expect_weir(64, NULL, "there are list and retire", WORDS("readers", "orders", "drop"));
    expect_weir(64, NULL, "needs the name", WORDS("readers", "orders", "retire"));
    expect_weir(64, NULL, "takes no name", WORDS("readers", "orders", "list", "x"));
    expect_weir(64, NULL, "--force", WORDS("readers", "orders", "--force"));
    expect_weir(64, NULL, "--silent-for", WORDS("readers", "orders", "--silent-for", "soon"));
}

/* ---- retire -------------------------------------------------------------------------------- */

static void retires_a_group(void **state)
{
    (void)state;
    publish();
    test_do(&server, "XGROUP CREATE {orders}:events views 0");
    test_do(&server, "XREADGROUP GROUP views w COUNT 3 STREAMS {orders}:events >");
    expect_weir(1, NULL, "views was heard of ", WORDS("readers", "orders", "retire", "views"));
    expect_weir(1, NULL, "views has 3 entries pending",
                WORDS("readers", "orders", "retire", "views", "--silent-for", "1ms"));
    test_do(&server, "XGROUP DELCONSUMER {orders}:events views w");
    expect_weir(0, "it begins at the oldest event that is still there", NULL,
                WORDS("readers", "orders", "retire", "views"));
    expect_weir(1, NULL, "there are no readers", WORDS("readers", "orders", "retire", "views"));
    assert_int_equal(test_ask_integer(&server, "XLEN {orders}:events"), 10);
}

/* Its consumers are silent where there is nothing to read. */
static void keeps_a_group_whose_service_lives(void **state)
{
    (void)state;
    give_sign("views", publish());
    test_do(&server, "XGROUP CREATE {orders}:events views 0");
    expect_weir(1, NULL, "views was heard of ", WORDS("readers", "orders", "retire", "views"));
    json_t *retired = ask_weir_json(0, WORDS("readers", "orders", "retire", "views", "--force"));
    assert_string_equal(json_string_value(json_object_get(retired, "retired")), "views");
    assert_string_equal(json_string_value(json_object_get(retired, "kind")), "group");
    assert_string_equal(json_string_value(json_object_get(retired, "position")), "0-0");
    json_decref(retired);
}

static void retires_a_projection(void **state)
{
    (void)state;
    long long now = publish();
    add_projection("views/shop", now);
    add_projection("views/other", now);
    give_sign("views", now - 1000);
    expect_weir(1, NULL, "views/shop was heard of 1.",
                WORDS("readers", "orders", "retire", "views/shop"));
    give_sign("views", now - 25 * HOUR_MS);
    expect_weir(0, "projection views/shop is retired at ", NULL,
                WORDS("readers", "orders", "retire", "views/shop"));
    assert_int_equal(test_ask_integer(&server, "HLEN {orders}:readers"), 1);
    expect_weir(1, NULL, "nobody reads the events of orders as 'views/shop'; there is views/other",
                WORDS("readers", "orders", "retire", "views/shop"));
    give_sign("views", now);
    expect_weir(0, "oldest event behind its position that is still there", NULL,
                WORDS("readers", "orders", "retire", "views/other", "--force"));
    test_do(&server, "XGROUP CREATE {orders}:events other 0");
    add_projection("views/shop", now);
    expect_weir(1, NULL, "there are other, views/shop",
                WORDS("readers", "orders", "retire", "views"));
}

static void says_that_the_library_is_missing(void **state)
{
    (void)state;
    publish();
    add_projection("views/shop", 0);
    test_do(&server, "FUNCTION FLUSH");
    expect_weir(1, NULL, "weir install loads it",
                WORDS("readers", "orders", "retire", "views/shop"));
    expect_weir(0, "\nviews/shop\t", NULL, WORDS("readers", "orders"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lists_groups, clear),
        cmocka_unit_test_setup(counts_what_the_server_counts_wrong, clear),
        cmocka_unit_test_setup(shows_projections_by_their_checkpoint, clear),
        cmocka_unit_test_setup(lists_projections, clear),
        cmocka_unit_test_setup(counts_only_so_far, clear),
        cmocka_unit_test_setup(survives_odd_readers, clear),
        cmocka_unit_test_setup(tells_what_is_not_there, clear),
        cmocka_unit_test_setup(retires_a_group, clear),
        cmocka_unit_test_setup(keeps_a_group_whose_service_lives, clear),
        cmocka_unit_test_setup(retires_a_projection, clear),
        cmocka_unit_test_setup(says_that_the_library_is_missing, clear),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
