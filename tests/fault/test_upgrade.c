/* Programs of different versions on one server: each brings a function library of its own. The
 * newest stays, whoever comes and goes, and work goes on.
 *
 * The library that a worker of this program brings is weir's own under a higher number, as many
 * higher as AHEAD says, and with one function more for each. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/function_library.h"
#include "support/load.h"
#include "support/proxy.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define AHEAD "WEIR_TEST_LIBRARY_AHEAD"
#define QUICK "--claim-idle", "1s", "--retry-base", "10ms"
#define OWN WEIR_FUNCTION_LIBRARY_VERSION
#define EACH 300

static struct test_server server;

/* ---- The library that this process brings -----------------------------------------------------
 */

static const char own_source[] = ""
#include "function_library_source.h"
    ;

static int ahead(void)
{
    const char *text = getenv(AHEAD);
    return text ? atoi(text) : 0;
}

int weir_function_library_version(void)
{
    return OWN + ahead();
}

const char *weir_function_library_source(void)
{
    static char source[sizeof(own_source) + 1024];
    char line[64];
    const char *number;
    snprintf(line, sizeof(line), "local VERSION = %d\n", OWN);
    if (ahead() == 0 || !(number = strstr(own_source, line)))
        return own_source;
    int length =
        snprintf(source, sizeof(source), "%.*slocal VERSION = %d\n%s", (int)(number - own_source),
                 own_source, OWN + ahead(), number + strlen(line));
    for (int i = 1; i <= ahead(); i++)
        length +=
            snprintf(source + length, sizeof(source) - (size_t)length,
                     "redis.register_function('weir_news_%d', function() return %d end)\n", i, i);
    return source;
}

/* Replaces the one place where `source` holds `now`. */
static void change(char *source, size_t room, const char *now, const char *then)
{
    char *place = strstr(source, now);
    size_t length = strlen(now), other = strlen(then);
    assert_non_null(place);
    assert_true(strlen(source) + other - length < room);
    memmove(place + other, place + length, strlen(place + length) + 1);
    memcpy(place, then, other);
    assert_null(strstr(place + other, now));
}

/* The library as it was before marks could name a need: it knew no plans either. */
static const char *without_needs(void)
{
    static char source[sizeof(own_source) + 64];
    char now[64], then[64];
    memcpy(source, own_source, sizeof(own_source));
    snprintf(now, sizeof(now), "local VERSION = %d\n", OWN);
    snprintf(then, sizeof(then), "local VERSION = %d\n", OWN - 1);
    change(source, sizeof(source), now, then);
    change(source, sizeof(source), "check = life_and_texts,", "check = life_and_text,");
    change(source, sizeof(source), "\nregister('weir_commit_plan',", "\n-- (");
    return source;
}

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
    unsetenv(AHEAD);
    test_do(&server, "FLUSHALL");
    test_do(&server, "FUNCTION FLUSH");
    return 0;
}

/* ---- Helpers ----------------------------------------------------------------------------------
 */

/* 0 while there is none. */
static long long server_version(void)
{
    redisReply *reply = redisCommand(server.connection, "FCALL weir_version 0");
    assert_non_null(reply);
    long long version = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    freeReplyObject(reply);
    return version;
}

/* A worker that brings the library so many versions ahead, when that or a newer one is there. */
static struct test_worker start_worker(const char *consumer, int versions_ahead)
{
    char text[8];
    snprintf(text, sizeof(text), "%d", versions_ahead);
    assert_int_equal(setenv(AHEAD, text, 1), 0);
    struct test_worker worker = test_worker_start(&server, WORK, consumer, OPTIONS(QUICK));
    unsetenv(AHEAD);
    AWAIT(server_version() >= OWN + versions_ahead);
    return worker;
}

static int loads(const struct test_worker *worker)
{
    return test_worker_logged(worker, "library.loaded");
}

static void send_some(int from)
{
    assert_int_equal(test_send_many(&server, WORK, "Mark", "", from, EACH, NULL), EACH);
}

/* Each once, at the first delivery, with its event. */
static void assert_each_once(int count)
{
    test_await_settled(&server, WORK);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), count);
}

/* ---- Side by side ------------------------------------------------------------------------------
 */

/* One after the other is renewed while messages come; then an older one comes back. */
static void the_newer_replaces_the_older_one(void **state)
{
    (void)state;
    struct test_worker old = start_worker("old", 0), other = start_worker("other", 0);
    assert_int_equal(server_version(), OWN);
    send_some(0);
    struct test_worker new = start_worker("new", 1);
    send_some(EACH);
    AWAIT(loads(&new) == 1);
    assert_int_equal(server_version(), OWN + 1);
    test_worker_end_well(&old);
    send_some(2 * EACH);
    old = start_worker("old", 0);
    test_do(&server, "CLIENT KILL TYPE normal"); /* all look again */
    send_some(3 * EACH);
    assert_each_once(4 * EACH);
    assert_int_equal(loads(&old), 0);
    assert_int_equal(loads(&new), 1);
    assert_int_equal(server_version(), OWN + 1);
    assert_int_equal(test_ask_integer(&server, "FCALL weir_news_1 0"), 1);
    test_worker_end_well(&new);
    test_worker_end_well(&other);
    test_worker_end_well(&old);
}

static void the_older_leaves_the_newer_one_alone(void **state)
{
    (void)state;
    struct test_worker new = start_worker("new", 2);
    send_some(0);
    struct test_worker old = start_worker("old", 0), middle = start_worker("middle", 1);
    send_some(EACH);
    test_worker_end_well(&new);
    send_some(2 * EACH);
    assert_each_once(3 * EACH);
    assert_int_equal(loads(&new), 1);
    assert_int_equal(loads(&old) + loads(&middle), 0);
    assert_int_equal(server_version(), OWN + 2);
    test_worker_end_well(&middle);
    test_worker_end_well(&old);
}

/* All find the library missing at the same moment, again and again; in the end the newest stands,
 * and nobody loads any more. */
static void the_newest_stands_in_the_end(void **state)
{
    (void)state;
    enum { FLUSHES = 3 };
    struct test_worker workers[3] = {start_worker("w0", 0), start_worker("w1", 1),
                                     start_worker("w2", 2)};
    for (int i = 0; i < FLUSHES; i++) {
        test_do(&server, "FUNCTION FLUSH");
        send_some(i * EACH);
        AWAIT(test_ask_integer(&server, "HLEN {work}:marks") == (i + 1) * EACH);
        AWAIT(server_version() == OWN + 2);
    }
    assert_each_once(FLUSHES * EACH);
    /* For each flush: the oldest, then the two others that saw it. The server replaces without
     * comparing, so the middle one may come last: the newest then loads once more. */
    int all = loads(&workers[0]) + loads(&workers[1]) + loads(&workers[2]);
    assert_in_range(all, FLUSHES, 3 + 4 * FLUSHES);
    AWAIT(server_version() == OWN + 2);
    for (int i = 0; i < 3; i++)
        test_worker_end_well(&workers[i]);
}

/* The older one has found none and is about to load its own; the newer one is quicker. */
static void one_that_comes_late_undoes_nothing(void **state)
{
    (void)state;
    struct test_proxy proxy;
    test_proxy_start(&proxy, &server, (struct proxy_trap){"FUNCTION", "LOAD", PROXY_HOLD});
    struct test_worker old = test_worker_launch(proxy.url, WORK, "old", OPTIONS(QUICK));
    test_proxy_await(&proxy);
    struct test_worker new = start_worker("new", 1);
    assert_int_equal(server_version(), OWN + 1);
    test_proxy_release(&proxy, PROXY_NONE);
    test_worker_await_log(&old, "worker.ready");
    send_some(0);
    assert_each_once(EACH);
    assert_int_equal(loads(&old), 0);
    assert_int_equal(server_version(), OWN + 1);
    test_worker_end_well(&new);
    test_worker_end_well(&old);
    test_proxy_stop(&proxy);
}

/* Somebody has put an older library in place by hand: its workers see to it. */
static void an_older_one_by_hand_is_replaced(void **state)
{
    (void)state;
    struct test_worker new = start_worker("new", 1);
    AWAIT(loads(&new) == 1);
    test_do(&server, "FUNCTION LOAD REPLACE %s", own_source);
    send_some(0);
    AWAIT(loads(&new) == 2);
    assert_int_equal(server_version(), OWN + 1);
    assert_each_once(EACH);
    test_worker_end_well(&new);
}

/* It meets one that does not know a need for durability, again and again: nothing is buried for it.
 */
static void a_need_waits_for_the_library_that_knows_it(void **state)
{
    (void)state;
    enum { ROUNDS = 3, IDS = 50 };
    struct test_worker one =
        test_worker_start(&server, WORK, "one", OPTIONS(QUICK, "--replicas", "1"));
    for (int round = 0; round < ROUNDS; round++) {
        test_do(&server, "FUNCTION LOAD REPLACE %s", without_needs());
        for (int i = round * IDS; i < (round + 1) * IDS; i++)
            test_do(&server, "XADD {work}:commands * type Mark id i%d data {\"n\":\"n%d\"}", i, i);
        assert_each_once((round + 1) * IDS);
        assert_int_equal(server_version(), OWN);
    }
    for (int i = 0; i < ROUNDS * IDS; i++) {
        redisReply *reply = test_ask(&server, "GET {work}:seen:i%d", i);
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        assert_non_null(strstr(reply->str, " replicas:1"));
        freeReplyObject(reply);
    }
    assert_int_equal(test_worker_logged(&one, "message.dead"), 0);
    test_worker_end_well(&one);
}

/* A library of that name that is none of weir's stands in nobody's way for ever. */
static void a_foreign_library_is_replaced(void **state)
{
    (void)state;
    test_do(&server, "FUNCTION LOAD %s",
            "#!lua name=weir\nredis.register_function('other', function() return 1 end)");
    struct test_worker one = start_worker("one", 0);
    send_some(0);
    assert_each_once(EACH);
    assert_int_equal(server_version(), OWN);
    test_worker_end_well(&one);
}

/* ---- Replaced under load -----------------------------------------------------------------------
 */

static void is_replaced_again_and_again_under_load(void **state)
{
    (void)state;
    enum { ROUNDS = 40 };
    struct test_worker one = start_worker("one", 0), two = start_worker("two", 0);
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(test_send_many(&server, WORK, "Mark", "", i * 50, 50, NULL), 50);
        test_do(&server, "FUNCTION LOAD REPLACE %s", own_source);
    }
    assert_each_once(ROUNDS * 50);
    assert_int_equal(test_worker_logged(&one, "commit.put_off"), 0);
    assert_int_equal(test_worker_logged(&two, "commit.put_off"), 0);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

/* ---- Rights ------------------------------------------------------------------------------------
 */

/* A right that only some commits need goes while they are under way, and comes back. */
static void rights_that_go_cost_nothing(void **state)
{
    (void)state;
    static const char *const rights[] = {"hincrby", "xadd", "xack", "xdel"};
    char url[TEST_PATH_MAX + 64];
    int sent = 0;
    test_do(&server, "ACL SETUSER ann reset on >hush +@all ~* &*");
    snprintf(url, sizeof(url), "unix://ann:hush@%s", server.socket);
    struct test_worker one = test_worker_launch(url, WORK, "one", OPTIONS(QUICK));
    test_worker_await_log(&one, "worker.ready");
    for (size_t i = 0; i < sizeof(rights) / sizeof(*rights); i++, sent += 20) {
        test_do(&server, "ACL SETUSER ann -%s", rights[i]);
        assert_int_equal(test_send_many(&server, WORK, "Mark", "", sent, 20, NULL), 20);
        AWAIT(test_worker_logged(&one, "commit.put_off") == (int)i + 1);
        assert_true(test_worker_logged(&one, "NOPERM") > 0);
        assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), sent);
        assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), sent);
        assert_int_equal(test_backlog(&server, WORK), 20);
        test_do(&server, "ACL SETUSER ann +%s", rights[i]);
        assert_each_once(sent + 20);
    }
    test_worker_end_well(&one);
    test_do(&server, "ACL DELUSER ann");
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(the_newer_replaces_the_older_one),
        CASE(the_older_leaves_the_newer_one_alone),
        CASE(the_newest_stands_in_the_end),
        CASE(one_that_comes_late_undoes_nothing),
        CASE(an_older_one_by_hand_is_replaced),
        CASE(a_foreign_library_is_replaced),
        CASE(a_need_waits_for_the_library_that_knows_it),
        CASE(is_replaced_again_and_again_under_load),
        CASE(rights_that_go_cost_nothing),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
