/* The link and the master: Sentinels that name it, lie, hang or are gone, and servers that are
 * none, or stop to be one. */
#include "redis/link.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/fake_server.h"
#include "support/server.h"

#define LIMIT_MS 20000
#define REPLICA "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected\r\n:1\r\n"
#define NO_MASTER "*-1\r\n"
#define LOG "link.log"
#define ANSWER_ROOM 128

static struct fake_server one, two;                                 /* that may be the master */
static struct fake_server first, second;                            /* Sentinels */
static char points_to_one[ANSWER_ROOM], points_to_two[ANSWER_ROOM]; /* their answers */
static struct ev_loop *loop;
static struct weir_log logger;
static struct weir_endpoint endpoint;
static struct weir_link the_link;

static struct {
    int ready, lost;
    enum weir_status status; /* of the last loss */
    char reason[256];
    int answers;
    enum weir_answer how;
    bool close_at_loss;
} seen;

static void on_ready(void *user)
{
    (void)user;
    seen.ready++;
}

static void on_lost(void *user, const struct weir_error *error)
{
    (void)user;
    seen.lost++;
    seen.status = error->status;
    snprintf(seen.reason, sizeof(seen.reason), "%s", error->text);
    if (seen.close_at_loss)
        weir_link_close(&the_link);
}

static void on_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    (void)user, (void)reply;
    seen.answers++;
    seen.how = answer;
}

#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        long long end = test_now() + LIMIT_MS;                                                     \
        while (!(condition)) {                                                                     \
            ev_run(loop, EVRUN_NOWAIT);                                                            \
            if (test_now() > end)                                                                  \
                fail_msg("has not come true: %s", #condition);                                     \
            if (!(condition))                                                                      \
                test_pause();                                                                      \
        }                                                                                          \
    } while (0)

static int port_of(const struct fake_server *fake)
{
    return atoi(strrchr(fake->url, ':') + 1);
}

static void point(char *answer, const struct fake_server *fake, const char *host)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", port_of(fake));
    snprintf(answer, ANSWER_ROOM, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(host), host,
             strlen(port), port);
}

static int logged(const char *text)
{
    char line[1024];
    int found = 0;
    FILE *file = fopen(LOG, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        found += strstr(line, text) != NULL;
    fclose(file);
    return found;
}

static int start(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    loop = ev_loop_new(EVFLAG_AUTO);
    fake_server_start(&one, loop);
    fake_server_start(&two, loop);
    fake_server_start(&first, loop);
    fake_server_start(&second, loop);
    first.no_greeting = second.no_greeting = true;
    point(points_to_one, &one, "127.0.0.1");
    point(points_to_two, &two, "127.0.0.1");
    one.answer = two.answer = "+fine\r\n";
    weir_log_init(&logger, "test");
    logger.descriptor = open(LOG, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(logger.descriptor >= 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    weir_link_close(&the_link);
    weir_endpoint_close(&endpoint);
    assert_int_equal(logged("unlisted_move"), 0);
    fake_server_stop(&one);
    fake_server_stop(&two);
    fake_server_stop(&first);
    fake_server_stop(&second);
    ev_loop_destroy(loop);
    close(logger.descriptor);
    return 0;
}

static void open_link(const char *url)
{
    assert_int_equal(weir_endpoint_parse(url, &endpoint, NULL), WEIR_OK);
    weir_link_init(&the_link, &(struct weir_link_settings){.loop = loop,
                                                           .endpoint = &endpoint,
                                                           .log = &logger,
                                                           .role = "test",
                                                           .client_name = "test",
                                                           .silence_limit_ms = 60000,
                                                           .ready = on_ready,
                                                           .lost = on_lost});
    weir_link_open(&the_link);
}

/* Sentinels that are asked by these hosts' names, in turn. */
static void open_by_sentinels(const char *host)
{
    char url[256];
    snprintf(url, sizeof(url), "redis-sentinel://%s:%d,%s:%d/shop", host, port_of(&first), host,
             port_of(&second));
    open_link(url);
}

static void ask(void)
{
    assert_int_equal(weir_link_send(&the_link, 1, (const char *[]){"GET"}, NULL, on_answer, NULL),
                     WEIR_OK);
}

/* ---- Servers that are no masters ----------------------------------------------------------- */

static void waits_for_a_replica_to_be_promoted(void **state)
{
    (void)state;
    one.role = REPLICA;
    open_link(one.url);
    RUN_UNTIL(seen.lost == 3);
    assert_int_equal(seen.status, WEIR_UNAVAILABLE);
    assert_non_null(strstr(seen.reason, "is a replica of 127.0.0.1:9000 "));
    assert_int_equal(seen.ready, 0);
    assert_int_equal(logged("link.not_master"), 1);
    one.role = NULL;
    RUN_UNTIL(seen.ready == 1);
    assert_int_equal(logged("link.lost"), 0);
}

/* A loss of one kind behind the other: each is said. */
static void says_what_has_changed(void **state)
{
    (void)state;
    fake_server_refuse(&one);
    one.role = REPLICA;
    open_link(one.url);
    RUN_UNTIL(seen.lost == 3);
    fake_server_listen(&one);
    RUN_UNTIL(strstr(seen.reason, "replica"));
    fake_server_refuse(&one);
    RUN_UNTIL(!strstr(seen.reason, "replica"));
    assert_int_equal(logged("link.not_master"), 1);
    assert_int_equal(logged("link.lost"), 2);
}

static void takes_a_server_that_does_not_tell(void **state)
{
    (void)state;
    static const char *const roles[] = {"-NOPERM no right to role\r\n",
                                        "-ERR unknown command 'ROLE'\r\n", "+OK\r\n"};
    for (int i = 0; i < 3; i++) {
        one.role = roles[i];
        open_link(one.url);
        RUN_UNTIL(seen.ready == i + 1);
        weir_link_close(&the_link);
        weir_endpoint_close(&endpoint);
    }
    assert_int_equal(seen.lost, 0);
}

/* What such a server has refused is unknown, though nothing was written: it is asked again. */
static void leaves_a_server_that_is_no_master_any_more(void **state)
{
    (void)state;
    static const char *const refusals[] = {
        "-READONLY You can't write against a read only replica.\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> "
        "replica?)\r\n"};
    open_link(one.url);
    for (int i = 0; i < 3; i++) {
        RUN_UNTIL(seen.ready == i + 1);
        one.answer = refusals[i];
        ask();
        ask();
        RUN_UNTIL(seen.lost == i + 1);
        assert_int_equal(seen.answers, 2 * (i + 1));
        assert_int_equal(seen.how, WEIR_ANSWER_UNKNOWN);
        assert_true(strncmp(seen.reason, refusals[i] + 1, 8) == 0);
    }
    RUN_UNTIL(seen.ready == 4);
    one.answer = "-UNBLOCKED the stream key no longer exists\r\n";
    ask();
    RUN_UNTIL(seen.answers == 7);
    assert_int_equal(seen.how, WEIR_ANSWER_REFUSED);
    assert_int_equal(seen.lost, 3);
}

/* ---- Sentinels ----------------------------------------------------------------------------- */

static void goes_where_sentinel_points(void **state)
{
    (void)state;
    first.answer = points_to_two;
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 1);
    ask();
    RUN_UNTIL(two.commands == 1);
    assert_int_equal(one.connections, 0);
    assert_int_equal(second.connections, 0);
    assert_int_equal(logged("link.master"), 1);
}

static void knows_sentinels_and_masters_by_name(void **state)
{
    (void)state;
    char answer[ANSWER_ROOM];
    point(answer, &one, "localhost");
    first.answer = answer;
    open_by_sentinels("localhost");
    RUN_UNTIL(seen.ready == 1);
    ask();
    RUN_UNTIL(one.commands == 1);
    weir_link_close(&the_link);
    weir_endpoint_close(&endpoint);
    first.answer = NO_MASTER; /* a plain URL needs none */
    char url[64];
    snprintf(url, sizeof(url), "redis://localhost:%d", port_of(&two));
    open_link(url);
    RUN_UNTIL(seen.ready == 2);
    assert_int_equal(two.connections, 1);
}

static void asks_the_next_sentinel(void **state)
{
    (void)state;
    fake_server_refuse(&first);
    second.answer = points_to_one;
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 1);
    assert_int_equal(seen.lost, 0);
    weir_link_close(&the_link);
    weir_endpoint_close(&endpoint);
    fake_server_listen(&first);
    first.answer = NO_MASTER;
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 2);
    weir_link_close(&the_link);
    weir_endpoint_close(&endpoint);
    first.mute = true; /* a second, and no more */
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 3);
    assert_int_equal(seen.lost, 0);
    assert_int_equal(logged("sentinel.silent"), 0);
}

static void waits_for_a_sentinel_that_knows(void **state)
{
    (void)state;
    first.answer = NO_MASTER;
    fake_server_refuse(&second);
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.lost == 3);
    assert_int_equal(seen.status, WEIR_UNAVAILABLE);
    assert_non_null(strstr(seen.reason, "knows no master \"shop\""));
    first.answer = points_to_one;
    RUN_UNTIL(seen.ready == 1);
    assert_int_equal(logged("sentinel.silent"), 1);
    assert_int_equal(logged("sentinel.answers"), 1);
    assert_int_equal(logged("link.lost"), 1);
}

static void is_denied_where_all_want_another_password(void **state)
{
    (void)state;
    first.answer = second.answer = "-NOAUTH Authentication required.\r\n";
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.lost == 1);
    assert_int_equal(seen.status, WEIR_DENIED);
    assert_non_null(strstr(seen.reason, "sentinelPassword="));
}

/* A peer that vanished without a word is noticed, whatever is under way. */
static void assert_tuned(int socket, unsigned limit_ms)
{
    int alive = 0;
    unsigned limit = 0;
    socklen_t length = sizeof(int);
    assert_int_equal(getsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &alive, &length), 0);
    assert_int_equal(alive, 1);
    length = sizeof(unsigned);
    assert_int_equal(getsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, &length), 0);
    assert_int_equal(limit, limit_ms);
}

static void tunes_its_sockets(void **state)
{
    (void)state;
    first.answer = points_to_one;
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 1);
    assert_tuned(the_link.connection->c.fd, 60000);
    assert_tuned(the_link.sentinels.connection->c.fd, 1000);
}

/* One Sentinel that knows of no fail-over names what was the master once, and answers for ever. */
static void does_not_stay_with_a_sentinel_that_is_late(void **state)
{
    (void)state;
    first.answer = points_to_one;
    second.answer = points_to_two;
    fake_server_refuse(&one);
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 1);
    assert_int_equal(two.connections, 1);
    weir_link_close(&the_link);
    weir_endpoint_close(&endpoint);
    fake_server_listen(&one);
    one.role = REPLICA;
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 2);
    assert_int_equal(two.connections, 2);
    RUN_UNTIL(second.commands >= 3); /* and it is the one that knows who is asked from now on */
    assert_int_equal(first.commands, 2);
    assert_int_equal(seen.lost, 2);
}

/* A name that cannot be one, so that no resolver is asked. */
static void does_not_stay_with_a_sentinel_that_names_nobody(void **state)
{
    (void)state;
    char answer[160];
    snprintf(answer, sizeof(answer), "*2\r\n$70\r\n%070d\r\n$1\r\n1\r\n", 0);
    first.answer = answer;
    second.answer = points_to_two;
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 1);
    assert_int_equal(two.connections, 1);
}

/* ---- A new master -------------------------------------------------------------------------- */

/* The old one hangs, so that nothing but Sentinel tells; the silence limit is a minute here. */
static void leaves_a_master_that_was_replaced(void **state)
{
    (void)state;
    first.answer = points_to_one;
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 1);
    one.mute = true;
    ask();
    first.answer = points_to_two;
    RUN_UNTIL(seen.ready == 2);
    assert_int_equal(seen.lost, 1);
    assert_non_null(strstr(seen.reason, "another master"));
    assert_int_equal(seen.answers, 1);
    assert_int_equal(seen.how, WEIR_ANSWER_UNKNOWN);
    ask();
    RUN_UNTIL(two.commands == 1);
    assert_int_equal(one.connections, 1);
    assert_int_equal(first.connections, 1); /* that to the Sentinel is kept */
    assert_int_equal(logged("link.master"), 2);
    assert_int_equal(the_link.masters, 2);
}

static void asks_again_where_sentinel_is_late(void **state)
{
    (void)state;
    first.answer = points_to_one;
    second.answer = NO_MASTER;
    one.role = REPLICA; /* it has been demoted, and Sentinel still points to it */
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.lost == 2);
    first.answer = points_to_two;
    RUN_UNTIL(seen.ready == 1);
    assert_int_equal(two.connections, 1);
}

/* As long as the master serves, nobody needs a Sentinel. */
static void stays_where_sentinels_are_gone(void **state)
{
    (void)state;
    first.answer = points_to_one;
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 1);
    fake_server_refuse(&first);
    fake_server_refuse(&second);
    fake_server_drop_client(&first);
    RUN_UNTIL(logged("sentinel.silent") == 1);
    ask();
    RUN_UNTIL(seen.answers == 1);
    assert_int_equal(seen.how, WEIR_ANSWER_DONE);
    fake_server_listen(&first);
    RUN_UNTIL(logged("sentinel.answers") == 1);
    assert_int_equal(seen.lost, 0);
    assert_int_equal(logged("sentinel.silent"), 1);
}

/* ---- Closing ------------------------------------------------------------------------------- */

static void closes_in_any_state(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    first.mute = second.mute = true;
    for (int turns = 0; turns < 40; turns++) {
        open_by_sentinels(hosts[turns % 2]);
        for (int i = 0; i < turns / 2; i++)
            ev_run(loop, EVRUN_NOWAIT);
        weir_link_close(&the_link);
        weir_link_close(&the_link);
        weir_endpoint_close(&endpoint);
        ev_run(loop, EVRUN_NOWAIT);
    }
    assert_int_equal(seen.ready + seen.lost, 0);
}

/* Inside what Sentinel's answer leads to. */
static void closes_when_it_is_lost(void **state)
{
    (void)state;
    seen.close_at_loss = true;
    first.answer = points_to_one;
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.ready == 1);
    first.answer = points_to_two;
    RUN_UNTIL(seen.lost == 1);
    assert_int_equal(the_link.state, WEIR_LINK_CLOSED);
    weir_endpoint_close(&endpoint);
    first.answer = second.answer = NO_MASTER;
    open_by_sentinels("127.0.0.1");
    RUN_UNTIL(seen.lost == 2);
    assert_int_equal(the_link.state, WEIR_LINK_CLOSED);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(waits_for_a_replica_to_be_promoted),
        CASE(says_what_has_changed),
        CASE(takes_a_server_that_does_not_tell),
        CASE(leaves_a_server_that_is_no_master_any_more),
        CASE(goes_where_sentinel_points),
        CASE(knows_sentinels_and_masters_by_name),
        CASE(asks_the_next_sentinel),
        CASE(waits_for_a_sentinel_that_knows),
        CASE(is_denied_where_all_want_another_password),
        CASE(tunes_its_sockets),
        CASE(does_not_stay_with_a_sentinel_that_is_late),
        CASE(does_not_stay_with_a_sentinel_that_names_nobody),
        CASE(leaves_a_master_that_was_replaced),
        CASE(asks_again_where_sentinel_is_late),
        CASE(stays_where_sentinels_are_gone),
        CASE(closes_in_any_state),
        CASE(closes_when_it_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
