/* The link against a server that does all that a server should not do. */
#include "redis/link_inside.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "support/fake_server.h"
#include "support/server.h"

#define REQUESTS 10
#define LIMIT_MS 10000

static struct fake_server fake;
static struct ev_loop *loop;
static struct weir_log logger;
static struct weir_endpoint endpoint;
static struct weir_link the_link;

/* What the link has told, in order. */
static struct {
    int ready, lost;
    enum weir_status status; /* of the last loss */
    char reason[256];
    int answers[REQUESTS]; /* how often each request was answered */
    enum weir_answer how[REQUESTS];
    int type[REQUESTS]; /* of the reply */
    char text[REQUESTS][64];
    int answered, next;      /* how many; which one has to come next */
    int answered_at_loss;    /* how many when the link was lost */
    bool inside, send_again; /* a call of the link is under way; a callback sends another */
} seen;

static void on_ready(void *user)
{
    (void)user;
    assert_false(seen.inside);
    seen.ready++;
}

static void on_lost(void *user, const struct weir_error *error)
{
    (void)user;
    assert_false(seen.inside);
    seen.lost++;
    seen.status = error->status;
    seen.answered_at_loss = seen.answered;
    snprintf(seen.reason, sizeof(seen.reason), "%s", error->text);
}

static void on_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    int i = (int)(intptr_t)user;
    assert_false(seen.inside);
    assert_int_equal(i, seen.next++);
    assert_int_equal(reply == NULL, answer == WEIR_ANSWER_UNKNOWN);
    seen.answers[i]++;
    seen.answered++;
    seen.how[i] = answer;
    seen.type[i] = reply ? reply->type : 0;
    snprintf(seen.text[i], sizeof(seen.text[i]), "%s", reply && reply->str ? reply->str : "");
    if (seen.send_again && answer == WEIR_ANSWER_UNKNOWN) /* there is nobody to send it to */
        assert_int_equal(weir_link_send(&the_link, 1, (const char *[]){"GET"}, NULL, on_answer,
                                        (void *)(intptr_t)99),
                         WEIR_UNAVAILABLE);
}

static int start(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    loop = ev_loop_new(EVFLAG_AUTO);
    fake_server_start(&fake, loop);
    weir_log_init(&logger, "test");
    assert_int_equal(weir_endpoint_parse(fake.url, &endpoint, NULL), WEIR_OK);
    weir_link_init(&the_link, &(struct weir_link_settings){.loop = loop,
                                                           .endpoint = &endpoint,
                                                           .log = &logger,
                                                           .role = "test",
                                                           .client_name = "test",
                                                           .silence_limit_ms = 200,
                                                           .connect_limit_ms = 200,
                                                           .ready = on_ready,
                                                           .lost = on_lost});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    weir_link_close(&the_link);
    weir_link_close(&the_link); /* a second call does nothing */
    weir_endpoint_close(&endpoint);
    fake_server_stop(&fake);
    ev_loop_destroy(loop);
    return 0;
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

static void run_for(long long ms)
{
    for (long long end = test_now() + ms; test_now() < end; test_pause())
        ev_run(loop, EVRUN_NOWAIT);
}

static void open_link(void)
{
    seen.inside = true;
    weir_link_open(&the_link);
    seen.inside = false;
}

static void become_ready(void)
{
    open_link();
    RUN_UNTIL(seen.ready == 1);
}

static void send_all(void)
{
    seen.inside = true;
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(weir_link_send(&the_link, 2, (const char *[]){"GET", "key"}, NULL,
                                        on_answer, (void *)(intptr_t)i),
                         WEIR_OK);
    seen.inside = false;
}

static void assert_all(enum weir_answer how, int from)
{
    assert_int_equal(seen.answered, REQUESTS);
    for (int i = from; i < REQUESTS; i++) {
        assert_int_equal(seen.answers[i], 1);
        assert_int_equal(seen.how[i], how);
    }
}

/* All is answered unknown, before the loss is told; then the link comes back. */
static void expect_unknown(int from)
{
    RUN_UNTIL(seen.lost == 1);
    assert_int_equal(seen.answered_at_loss, REQUESTS);
    assert_all(WEIR_ANSWER_UNKNOWN, from);
    assert_int_equal(seen.status, WEIR_UNAVAILABLE);
    fake.ending = FAKE_STAYS;
    fake.answer = "+fine\r\n";
    fake.mute = fake.bytewise = false;
    RUN_UNTIL(seen.ready == 2);
    assert_int_equal(seen.answered, REQUESTS);
}

/* ---- Answers ------------------------------------------------------------------------------- */

static void answers_in_order(void **state)
{
    (void)state;
    fake.answer = "$5\r\nhello\r\n";
    become_ready();
    send_all();
    RUN_UNTIL(seen.answered == REQUESTS);
    assert_all(WEIR_ANSWER_DONE, 0);
    assert_string_equal(seen.text[REQUESTS - 1], "hello");
    assert_int_equal(the_link.client_id, 7);
}

static void tells_refusals_and_nothing_apart(void **state)
{
    (void)state;
    fake.answer = "-WRONGTYPE no\r\n";
    become_ready();
    send_all();
    RUN_UNTIL(seen.answered == REQUESTS);
    assert_all(WEIR_ANSWER_REFUSED, 0);
    assert_string_equal(seen.text[0], "WRONGTYPE no");
    memset(&seen, 0, sizeof(seen));
    fake.answer = "$-1\r\n";
    send_all();
    RUN_UNTIL(seen.answered == REQUESTS);
    assert_all(WEIR_ANSWER_DONE, 0);
    assert_int_equal(seen.type[0], REDIS_REPLY_NIL);
}

static void puts_bytes_together(void **state)
{
    (void)state;
    fake.bytewise = true;
    fake.answer = "*2\r\n$3\r\nabc\r\n*1\r\n:12\r\n";
    become_ready();
    send_all();
    RUN_UNTIL(seen.answered == REQUESTS);
    assert_all(WEIR_ANSWER_DONE, 0);
    assert_int_equal(seen.type[REQUESTS - 1], REDIS_REPLY_ARRAY);
}

static void sends_nothing_before_it_is_ready(void **state)
{
    (void)state;
    assert_int_equal(weir_link_send(&the_link, 1, (const char *[]){"GET"}, NULL, on_answer, NULL),
                     WEIR_UNAVAILABLE);
    open_link();
    assert_int_equal(weir_link_send(&the_link, 1, (const char *[]){"GET"}, NULL, on_answer, NULL),
                     WEIR_UNAVAILABLE);
    RUN_UNTIL(seen.ready == 1);
    assert_int_equal(seen.answered, 0);
}

/* What has been asked in the same turn may not even have been remembered. */
static void sends_nothing_once_it_is_given_up(void **state)
{
    (void)state;
    become_ready();
    assert_int_equal(weir_link_send(&the_link, 1, (const char *[]){"GET"}, NULL, on_answer, NULL),
                     WEIR_OK);
    weir_link_drop_soon(&the_link, WEIR_NO_MEMORY, "no memory to remember what was asked");
    weir_link_flush(&the_link);
    RUN_UNTIL(seen.ready == 2);
    assert_int_equal(seen.lost, 1);
    assert_int_equal(seen.how[0], WEIR_ANSWER_UNKNOWN);
    assert_int_equal(fake.commands, 0);
}

/* ---- Losses -------------------------------------------------------------------------------- */

static void a_close_leaves_answers_unknown(void **state)
{
    (void)state;
    seen.send_again = true;
    fake.ending = FAKE_CLOSES;
    become_ready();
    send_all();
    expect_unknown(0);
}

static void a_reset_leaves_answers_unknown(void **state)
{
    (void)state;
    seen.send_again = true;
    fake.ending = FAKE_RESETS;
    become_ready();
    send_all();
    expect_unknown(0);
}

static void an_answer_cut_in_the_middle_is_unknown(void **state)
{
    (void)state;
    fake.answer = "+whole\r\n$100\r\nonly so mu";
    fake.ending = FAKE_CLOSES;
    become_ready();
    send_all();
    expect_unknown(1);
    assert_int_equal(seen.how[0], WEIR_ANSWER_DONE);
}

static void garbage_ends_the_connection(void **state)
{
    (void)state;
    fake.answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    become_ready();
    send_all();
    expect_unknown(0);
}

static void impossible_lengths_end_the_connection(void **state)
{
    (void)state;
    fake.answer = "*4294967296000\r\n$-5\r\n";
    become_ready();
    send_all();
    expect_unknown(0);
}

/* A half-open connection: nothing comes, and nobody says so. Looked at once a second. */
static void silence_counts_as_loss(void **state)
{
    (void)state;
    become_ready();
    fake.mute = true;
    send_all();
    expect_unknown(0);
    assert_non_null(strstr(seen.reason, "owes an answer"));
}

/* An answer that takes longer than silence may last, but keeps coming. */
static void a_slow_answer_is_no_silence(void **state)
{
    static char slow[1024];
    (void)state;
    snprintf(slow, sizeof(slow), "$900\r\n%0900d\r\n", 7);
    become_ready();
    fake.bytewise = true;
    fake.answer = slow;
    long long began = test_now();
    assert_int_equal(weir_link_send(&the_link, 2, (const char *[]){"GET", "key"}, NULL, on_answer,
                                    (void *)(intptr_t)0),
                     WEIR_OK);
    RUN_UNTIL(seen.answered == 1);
    assert_int_equal(seen.how[0], WEIR_ANSWER_DONE);
    assert_int_equal(seen.lost, 0);
    assert_true(test_now() - began > 1200); /* the watchdog has had its look */
}

static void silence_is_fine_while_nothing_is_owed(void **state)
{
    (void)state;
    become_ready();
    run_for(1300);
    assert_int_equal(seen.lost, 0);
}

static void a_closed_idle_connection_is_noticed(void **state)
{
    (void)state;
    become_ready();
    fake_server_drop_client(&fake);
    RUN_UNTIL(seen.ready == 2);
    assert_int_equal(seen.lost, 1);
    assert_int_equal(the_link.reconnections, 1);
}

/* A peer that is gone without a word is noticed by the kernel, too, as soon as by our own timer. */
static void the_kernel_watches_with_us(void **state)
{
    (void)state;
    int alive = 0;
    unsigned limit_ms = 0;
    socklen_t length = sizeof(alive);
    become_ready();
    int socket = the_link.connection->c.fd;
    assert_int_equal(getsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &alive, &length), 0);
    assert_int_equal(alive, 1);
    length = sizeof(limit_ms);
    assert_int_equal(getsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, &length), 0);
    assert_int_equal(limit_ms, 200);
}

/* ---- Connecting ---------------------------------------------------------------------------- */

static void goes_on_trying_with_pauses(void **state)
{
    (void)state;
    fake_server_refuse(&fake);
    open_link();
    run_for(700);
    assert_in_range(seen.lost, 2, 12);
    assert_int_equal(seen.ready, 0);
    fake_server_listen(&fake);
    RUN_UNTIL(seen.ready == 1);
}

static void a_greeting_without_answer_is_given_up(void **state)
{
    (void)state;
    fake.mute = true;
    open_link();
    RUN_UNTIL(seen.lost == 2);
    assert_non_null(strstr(seen.reason, "no connection in time"));
    fake.mute = false;
    RUN_UNTIL(seen.ready == 1);
    assert_int_equal(seen.answered, 0);
}

static void a_refused_greeting_says_why(void **state)
{
    (void)state;
    fake.ping = "-LOADING wait\r\n";
    open_link();
    RUN_UNTIL(seen.lost == 1);
    assert_int_equal(seen.status, WEIR_UNAVAILABLE);
    assert_string_equal(seen.reason, "LOADING wait");
    fake.ping = "-NOAUTH who\r\n";
    RUN_UNTIL(seen.lost == 2);
    assert_int_equal(seen.status, WEIR_DENIED);
    fake.ping = NULL;
    RUN_UNTIL(seen.ready == 1);
}

/* ---- Closing ------------------------------------------------------------------------------- */

static void closing_answers_what_is_owed(void **state)
{
    (void)state;
    become_ready();
    seen.send_again = true;
    send_all();
    weir_link_close(&the_link);
    assert_all(WEIR_ANSWER_UNKNOWN, 0);
    run_for(300);
    assert_int_equal(seen.lost, 0);
    assert_int_equal(seen.ready, 1);
    assert_all(WEIR_ANSWER_UNKNOWN, 0);
}

static void closes_in_any_state(void **state)
{
    (void)state;
    open_link();
    weir_link_close(&the_link);
    open_link();
    ev_run(loop, EVRUN_NOWAIT); /* connecting */
    weir_link_close(&the_link);
    fake.mute = true;
    open_link();
    run_for(50); /* greeting */
    weir_link_close(&the_link);
    fake_server_refuse(&fake);
    open_link();
    RUN_UNTIL(seen.lost == 1); /* waiting */
    weir_link_close(&the_link);
    run_for(300);
    assert_int_equal(seen.lost, 1);
    assert_int_equal(seen.ready, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answers_in_order),
        CASE(tells_refusals_and_nothing_apart),
        CASE(puts_bytes_together),
        CASE(sends_nothing_before_it_is_ready),
        CASE(sends_nothing_once_it_is_given_up),
        CASE(a_close_leaves_answers_unknown),
        CASE(a_reset_leaves_answers_unknown),
        CASE(an_answer_cut_in_the_middle_is_unknown),
        CASE(garbage_ends_the_connection),
        CASE(impossible_lengths_end_the_connection),
        CASE(silence_counts_as_loss),
        CASE(a_slow_answer_is_no_silence),
        CASE(silence_is_fine_while_nothing_is_owed),
        CASE(a_closed_idle_connection_is_noticed),
        CASE(the_kernel_watches_with_us),
        CASE(goes_on_trying_with_pauses),
        CASE(a_greeting_without_answer_is_given_up),
        CASE(a_refused_greeting_says_why),
        CASE(closing_answers_what_is_owed),
        CASE(closes_in_any_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
