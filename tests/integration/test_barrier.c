/* The barrier against a real primary and replica: nothing counts before it is there, what waits
 * together is asked for together, and what was seen before a loss is never vouched for. */
#include "stream/barrier.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/replica.h"

#define MANY 300
#define LONG_MS 20000
#define SHORT_MS 600

static struct test_primary primary;
static struct test_replica replica;
static struct test_server other; /* has nothing to do with them */
static struct ev_loop *loop;
static struct weir_log logger;
static struct weir_endpoint here, there;
static struct weir_link commits;
static struct weir_barrier barrier;

struct seen {
    struct weir_barrier_wait wait;
    int answers;
    enum weir_barrier_outcome outcome;
    char why[256];
};
static struct seen seen[MANY];
static int answered, known;
static bool inside; /* a call of the barrier's is under way */
static char known_why[256];

/* ---- Before and after -------------------------------------------------------------------- */

static void on_ready(void *user)
{
    (void)user;
}

static void on_lost(void *user, const struct weir_error *error)
{
    (void)user;
    (void)error;
}

static void on_known(void *user, const char *why)
{
    (void)user;
    known++;
    snprintf(known_why, sizeof known_why, "%s", why != NULL ? why : "");
}

static int start_servers(void **state)
{
    (void)state;
    test_primary_start(&primary, "primary", NULL);
    test_replica_start(&replica, &primary, "replica");
    test_server_start(&other, "other", NULL);
    assert_int_equal(weir_endpoint_parse(primary.server.url, &here, NULL), WEIR_OK);
    assert_int_equal(weir_endpoint_parse(other.url, &there, NULL), WEIR_OK);
    return 0;
}

static int stop_servers(void **state)
{
    (void)state;
    weir_endpoint_close(&here);
    weir_endpoint_close(&there);
    test_server_stop(&other, SIGTERM);
    test_server_stop(&replica.server, SIGTERM);
    test_server_stop(&primary.server, SIGTERM);
    return 0;
}

/* Runs the loop until the condition holds. */
#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        long long run_end = test_now() + LONG_MS;                                                  \
        while (!(condition)) {                                                                     \
            if (test_now() > run_end)                                                              \
                fail_msg("has not come true: %s", #condition);                                     \
            ev_run(loop, EVRUN_NOWAIT);                                                            \
            test_pause();                                                                          \
        }                                                                                          \
    } while (0)

static void open_on(const struct weir_endpoint *endpoint)
{
    struct weir_link_settings link = {.loop = loop,
                                      .endpoint = &here,
                                      .log = &logger,
                                      .role = "commands",
                                      .client_name = "s",
                                      .silence_limit_ms = 10000,
                                      .ready = on_ready,
                                      .lost = on_lost};
    struct weir_barrier_settings settings = {.loop = loop,
                                             .endpoint = endpoint,
                                             .log = &logger,
                                             .commits = &commits,
                                             .prefix = "",
                                             .service = "s",
                                             .known = on_known};
    weir_link_init(&commits, &link);
    weir_barrier_init(&barrier, &settings);
    weir_link_open(&commits);
    RUN_UNTIL(commits.state == WEIR_LINK_READY);
}

static int begin(void **state)
{
    (void)state;
    memset(seen, 0, sizeof seen);
    answered = known = 0;
    inside = false;
    signal(SIGPIPE, SIG_IGN);
    loop = ev_loop_new(EVFLAG_AUTO);
    weir_log_init(&logger, "test");
    test_server_thaw(&replica.server);
    test_primary_await_replicas(&primary, 1);
    open_on(&here);
    return 0;
}

static int end(void **state)
{
    (void)state;
    test_server_thaw(&replica.server);
    weir_link_close(&commits);
    weir_barrier_close(&barrier);
    ev_loop_destroy(loop);
    return 0;
}

/* ---- What is asked ----------------------------------------------------------------------- */

static void on_answered(void *user, enum weir_barrier_outcome outcome, const char *why)
{
    struct seen *one = user;
    assert_false(inside);
    one->answers++;
    one->outcome = outcome;
    snprintf(one->why, sizeof one->why, "%s", why);
    answered++;
}

static void submit(int i, unsigned replicas, bool disk, int64_t limit_ms)
{
    seen[i].wait = (struct weir_barrier_wait){.need = {replicas, disk},
                                              .limit_ms = limit_ms,
                                              .seen_on = commits.reconnections,
                                              .user = &seen[i],
                                              .answered = on_answered};
    inside = true;
    assert_true(weir_barrier_submit(&barrier, &seen[i].wait));
    inside = false;
}

static long long stat_of(const char *command, const char *what)
{
    char name[64];
    long long number = 0;
    char *stats = test_ask_text(&primary.server, "INFO commandstats");
    snprintf(name, sizeof name, "cmdstat_%s:", command);
    const char *found = strstr(stats, name);
    snprintf(name, sizeof name, "%s=", what);
    if (found != NULL && (found = strstr(found, name)) != NULL)
        (void)sscanf(found + strlen(name), "%lld", &number);
    free(stats);
    return number;
}

static long long calls_of(const char *command)
{
    return stat_of(command, "calls");
}

static void expect(int i, enum weir_barrier_outcome outcome, const char *why)
{
    assert_int_equal(seen[i].answers, 1);
    if (seen[i].outcome != outcome || strstr(seen[i].why, why) == NULL)
        fail_msg("wait %d: outcome %d, %s", i, (int)seen[i].outcome, seen[i].why);
}

/* ---- Tests ------------------------------------------------------------------------------- */

static void many_are_asked_for_together(void **state)
{
    (void)state;
    submit(0, 1, false, LONG_MS); /* connects, and finds out what the server can do */
    RUN_UNTIL(answered == 1);
    test_do(&primary.server, "CONFIG RESETSTAT");
    for (int i = 1; i < MANY; i++)
        submit(i, 1, false, LONG_MS);
    RUN_UNTIL(answered == MANY);
    for (int i = 0; i < MANY; i++)
        expect(i, WEIR_BARRIER_REACHED, "");
    assert_int_equal(calls_of("wait"), 1);
    assert_int_equal(calls_of("set"), 1);
    assert_int_equal(calls_of("del"), 1);
    assert_int_equal(test_ask_integer(&primary.server, "DBSIZE"), 0);
}

static void nothing_is_opened_that_nobody_asks_for(void **state)
{
    (void)state;
    for (int turn = 0; turn < 20; turn++)
        ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(barrier.link.state, WEIR_LINK_CLOSED);
    assert_int_equal(known, 0);
}

/* What another connection has written is meant, not what the barrier's own has. */
static void a_frozen_replica_is_waited_for(void **state)
{
    (void)state;
    submit(0, 0, false, LONG_MS);
    RUN_UNTIL(answered == 1);
    test_server_freeze(&replica.server);
    test_do(&primary.server, "SET k v");
    submit(1, 1, false, SHORT_MS);
    submit(2, 1, false, LONG_MS);
    RUN_UNTIL(answered == 2);
    expect(1, WEIR_BARRIER_NOT_REACHED,
           "it has not reached 1 replica within 600 ms: 0 replicas have it");
    test_server_thaw(&replica.server);
    RUN_UNTIL(answered == 3);
    expect(2, WEIR_BARRIER_REACHED, "");
    char *copy = test_ask_text(&replica.server, "GET k");
    assert_string_equal(copy, "v");
    free(copy);
    test_do(&primary.server, "DEL k");
}

static void who_asks_for_less_does_not_wait_for_more(void **state)
{
    (void)state;
    submit(0, 7, false, SHORT_MS);
    submit(1, 1, false, LONG_MS);
    submit(2, 0, false, LONG_MS);
    RUN_UNTIL(answered == 2);
    expect(1, WEIR_BARRIER_REACHED, "");
    expect(2, WEIR_BARRIER_REACHED, "");
    assert_int_equal(seen[0].answers, 0);
    RUN_UNTIL(answered == 3);
    expect(0, WEIR_BARRIER_NOT_REACHED,
           "it has not reached 7 replicas within 600 ms: 1 replica has it");
}

/* What was seen on the old connection may be gone, whatever the new one says. */
static void what_was_seen_before_a_loss_is_unknown(void **state)
{
    (void)state;
    uint64_t before = commits.reconnections;
    submit(0, 1, false, LONG_MS);
    RUN_UNTIL(answered == 1);
    test_server_freeze(&replica.server);
    submit(1, 1, false, LONG_MS);
    RUN_UNTIL(barrier.round.under_way);
    test_do(&primary.server, "CLIENT KILL ID %lld", (long long)commits.client_id);
    RUN_UNTIL(commits.reconnections > before);
    RUN_UNTIL(answered == 2);
    expect(1, WEIR_BARRIER_UNKNOWN, "the connection was lost since");
    test_server_thaw(&replica.server);
    submit(2, 1, false, LONG_MS);
    seen[2].wait.seen_on = before;
    RUN_UNTIL(answered == 3);
    expect(2, WEIR_BARRIER_UNKNOWN, "the connection was lost since");
    submit(3, 1, false, LONG_MS);
    RUN_UNTIL(answered == 4);
    expect(3, WEIR_BARRIER_REACHED, "");
}

/* The barrier's own connection alone may come and go: the note tells whether it fits. */
static void its_own_connection_may_be_lost(void **state)
{
    (void)state;
    submit(0, 1, false, LONG_MS);
    RUN_UNTIL(answered == 1);
    test_server_freeze(&replica.server);
    submit(1, 1, false, LONG_MS);
    RUN_UNTIL(barrier.round.under_way && barrier.round.owed > 0);
    test_do(&primary.server, "CLIENT KILL ID %lld", (long long)barrier.link.client_id);
    test_server_thaw(&replica.server);
    RUN_UNTIL(answered == 2);
    expect(1, WEIR_BARRIER_REACHED, "");
    assert_true(barrier.link.reconnections > 0);
}

/* A connection to another server: that has the replica that is asked for, or needs none, and knows
 * nothing of what was seen here. */
static void another_server_vouches_for_nothing(void **state)
{
    (void)state;
    weir_link_close(&commits);
    weir_barrier_close(&barrier);
    open_on(&there);
    submit(0, 0, false, SHORT_MS);
    RUN_UNTIL(answered == 1);
    expect(0, WEIR_BARRIER_UNKNOWN, "there was no connection to the same server to ask");
    assert_int_equal(test_ask_integer(&other, "DBSIZE"), 0);
}

/* The same where the other server has all that is asked for. */
static void a_server_that_could_vouches_for_nothing(void **state)
{
    (void)state;
    struct test_primary able;
    struct test_replica with;
    struct weir_endpoint at;
    const char *const durable[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    test_primary_start(&able, "able", durable);
    test_replica_start(&with, &able, "able-replica");
    assert_int_equal(weir_endpoint_parse(able.server.url, &at, NULL), WEIR_OK);
    weir_link_close(&commits);
    weir_barrier_close(&barrier);
    open_on(&at);
    submit(0, 1, false, SHORT_MS);
    submit(1, 0, true, SHORT_MS);
    submit(2, 1, true, SHORT_MS);
    RUN_UNTIL(answered == 3);
    for (int i = 0; i < 3; i++)
        expect(i, WEIR_BARRIER_UNKNOWN, "");
    weir_barrier_close(&barrier);
    weir_endpoint_close(&at);
    test_server_stop(&with.server, SIGTERM);
    test_server_stop(&able.server, SIGTERM);
}

static void taken_back_and_closed(void **state)
{
    (void)state;
    test_server_freeze(&replica.server);
    for (int i = 0; i < 4; i++)
        submit(i, 1, false, LONG_MS);
    RUN_UNTIL(barrier.round.under_way && barrier.round.owed > 0);
    weir_barrier_cancel(&barrier, &seen[1].wait);
    weir_barrier_cancel(&barrier, &seen[3].wait);
    test_server_thaw(&replica.server);
    RUN_UNTIL(answered == 2);
    assert_int_equal(seen[1].answers + seen[3].answers, 0);
    test_server_freeze(&replica.server);
    submit(4, 1, false, LONG_MS);
    RUN_UNTIL(barrier.round.under_way && barrier.round.owed > 0);
    weir_barrier_close(&barrier);
    expect(4, WEIR_BARRIER_UNKNOWN, "the worker stops");
    assert_false(weir_barrier_submit(&barrier, &seen[4].wait));
    assert_int_equal(seen[4].answers, 1);
}

static void a_server_that_takes_no_writes_is_waited_for(void **state)
{
    (void)state;
    submit(0, 0, false, LONG_MS);
    RUN_UNTIL(answered == 1);
    test_do(&primary.server, "CONFIG SET maxmemory 1");
    test_do(&primary.server, "CONFIG RESETSTAT");
    long long begun = test_now();
    submit(1, 0, false, SHORT_MS);
    submit(2, 0, false, LONG_MS);
    RUN_UNTIL(answered == 2);
    expect(1, WEIR_BARRIER_UNKNOWN,
           "it could not be asked how far it has come: OOM command not allowed");
    /* the answer comes at once, and the question not again before 250 ms are over */
    assert_in_range(stat_of("set", "rejected_calls"), 1, 2 + (test_now() - begun) / 250);
    test_do(&primary.server, "CONFIG SET maxmemory 0");
    RUN_UNTIL(answered == 3);
    expect(2, WEIR_BARRIER_REACHED, "");
}

static void without_a_file_the_disk_is_refused(void **state)
{
    (void)state;
    submit(0, 0, true, LONG_MS);
    submit(1, 1, false, LONG_MS);
    RUN_UNTIL(answered == 2);
    expect(0, WEIR_BARRIER_REFUSED, "keeps no append-only file");
    expect(1, WEIR_BARRIER_REACHED, "");
    assert_non_null(strstr(known_why, "keeps no append-only file"));
}

/* Settings are looked at each time, and a refusal is not for ever. */
static void the_disk_is_reached_or_refused_by_what_the_server_has(void **state)
{
    (void)state;
    bool waits = test_server_has_waitaof(&primary.server);
    const char *why;
    test_do(&primary.server, "CONFIG SET appendfsync everysec");
    test_do(&primary.server, "CONFIG SET appendonly yes");
    submit(0, 1, true, LONG_MS);
    RUN_UNTIL(answered == 1);
    if (waits)
        expect(0, WEIR_BARRIER_REACHED, "");
    else
        expect(0, WEIR_BARRIER_REFUSED,
               "has no WAITAOF; use Redis 7.2 or newer, or set appendfsync always");
    test_do(&primary.server, "CONFIG SET appendfsync always");
    RUN_UNTIL(weir_barrier_disk(&barrier, &why) != WEIR_DISK_NOT);
    submit(1, 0, true, LONG_MS);
    submit(2, 1, true, LONG_MS);
    RUN_UNTIL(answered == 3);
    expect(1, WEIR_BARRIER_REACHED, "");
    expect(2, WEIR_BARRIER_REACHED, "");
    test_do(&primary.server, "CONFIG SET appendonly no");
}

/* ---- An ability that comes and goes ------------------------------------------------------- */

static bool is_rewriting(void)
{
    char *info = test_ask_text(&primary.server, "INFO persistence");
    bool busy = strstr(info, "aof_rewrite_in_progress:1") != NULL ||
                strstr(info, "aof_rewrite_scheduled:1") != NULL;
    free(info);
    return busy;
}

static void gain(void)
{
    test_do(&primary.server, "CONFIG SET appendfsync always");
    test_do(&primary.server, "CONFIG SET appendonly yes");
    RUN_UNTIL(!is_rewriting());
}

/* As somebody may do it by hand; returns what is to be said of it. */
static const char *lose(void)
{
    if (test_server_has_waitaof(&primary.server)) {
        test_do(&primary.server, "CONFIG SET appendonly no");
        return "keeps no append-only file";
    }
    test_do(&primary.server, "CONFIG SET appendfsync everysec");
    return "has no WAITAOF; use Redis 7.2 or newer, or set appendfsync always";
}

/* The connection stays, and the server changes under it. */
static void an_ability_that_goes_is_noticed_and_comes_back(void **state)
{
    (void)state;
    const char *why;
    gain();
    submit(0, 0, true, LONG_MS);
    RUN_UNTIL(answered == 1);
    expect(0, WEIR_BARRIER_REACHED, "");
    assert_string_equal(known_why, "");
    const char *lost = lose();
    submit(1, 0, true, LONG_MS);
    submit(2, 1, false, LONG_MS); /* has nothing to do with it */
    RUN_UNTIL(answered == 3);
    expect(1, WEIR_BARRIER_REFUSED, lost);
    expect(2, WEIR_BARRIER_REACHED, "");
    assert_non_null(strstr(known_why, lost));
    RUN_UNTIL(weir_barrier_disk(&barrier, &why) == WEIR_DISK_UNASKED);
    submit(3, 0, true, LONG_MS); /* asked again, and the same comes of it */
    RUN_UNTIL(answered == 4);
    expect(3, WEIR_BARRIER_REFUSED, lost);
    gain();
    RUN_UNTIL(weir_barrier_disk(&barrier, &why) == WEIR_DISK_UNASKED);
    submit(4, 0, true, LONG_MS);
    RUN_UNTIL(answered == 5);
    expect(4, WEIR_BARRIER_REACHED, "");
    assert_string_equal(known_why, "");
    assert_int_equal(known, 3); /* once for each change */
    assert_int_equal(barrier.link.reconnections, 0);
    test_do(&primary.server, "CONFIG SET appendonly no");
}

/* Whoever only wants to know relies on nothing that is old. */
static void what_was_known_long_ago_is_asked_again(void **state)
{
    (void)state;
    const char *why;
    gain();
    submit(0, 0, false, LONG_MS);
    RUN_UNTIL(answered == 1);
    assert_int_not_equal(weir_barrier_disk(&barrier, &why), WEIR_DISK_NOT);
    const char *wanted = lose();
    RUN_UNTIL(weir_barrier_disk(&barrier, &why) == WEIR_DISK_UNASKED);
    submit(1, 0, false, LONG_MS);
    RUN_UNTIL(answered == 2);
    assert_int_equal(weir_barrier_disk(&barrier, &why), WEIR_DISK_NOT);
    assert_non_null(strstr(why, wanted));
    test_do(&primary.server, "CONFIG SET appendonly no");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(many_are_asked_for_together),
        TEST(nothing_is_opened_that_nobody_asks_for),
        TEST(a_frozen_replica_is_waited_for),
        TEST(who_asks_for_less_does_not_wait_for_more),
        TEST(what_was_seen_before_a_loss_is_unknown),
        TEST(its_own_connection_may_be_lost),
        TEST(another_server_vouches_for_nothing),
        TEST(a_server_that_could_vouches_for_nothing),
        TEST(taken_back_and_closed),
        TEST(a_server_that_takes_no_writes_is_waited_for),
        TEST(without_a_file_the_disk_is_refused),
        TEST(the_disk_is_reached_or_refused_by_what_the_server_has),
        TEST(an_ability_that_goes_is_noticed_and_comes_back),
        TEST(what_was_known_long_ago_is_asked_again),
    };
    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
