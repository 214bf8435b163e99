/* The HTTP server against clients that write and read raw bytes: what it answers, what it refuses,
 * and that who is slow, gone or too many harms only himself. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/clock.h"
#include "http/server.h"

#define PATIENCE_MS 10000
#define CONNECTIONS_MAX 4
#define FLOOD 100
#define REQUEST_MAX_MS 200
#define ANSWER_MAX_MS 400
#define BODY_MAX 1000
#define STREAM_MAX 65536
#define BIG (4 << 20)

struct client {
    int socket;
    bool closed; /* by the server */
    struct weir_text came;
};

static struct ev_loop *loop;
static struct weir_log quiet;
static struct weir_http_server *server;
static ev_timer tick;
static struct weir_http_request *held[8]; /* deferred or streaming, as they came */
static int held_count, gone_count, handled;
static char *big;

static void on_gone(void *user)
{
    gone_count++;
    *(struct weir_http_request **)user = NULL;
}

static void show(struct weir_http_request *request)
{
    struct weir_text text = {0};
    struct weir_slice body = weir_http_body(request);
    const struct weir_target *target = weir_http_target(request);
    const char *header = weir_http_header(request, "x-shown");
    weir_text_format(&text, "method=%d path=%s", (int)weir_http_method(request),
                     weir_http_path(request));
    for (size_t i = 0; i < target->count; i++)
        weir_text_format(&text, " %s=%s", target->arguments[i].name, target->arguments[i].value);
    weir_text_format(&text, " header=%s body=%.*s", header != NULL ? header : "-", (int)body.length,
                     body.at);
    weir_http_answer_text(request, 200, text.at);
    weir_text_close(&text);
}

static void handle(void *user, struct weir_http_request *request)
{
    const char *path = weir_http_path(request);
    const struct weir_http_header evil[] = {{"X-Evil", "a\r\nX-More: b"}, {NULL, NULL}};
    (void)user;
    handled++;
    if (strcmp(path, "/later") == 0) {
        held[held_count] = request;
        weir_http_defer(request, on_gone, &held[held_count++]);
    } else if (strcmp(path, "/stream") == 0) {
        held[held_count] = request;
        assert_true(
            weir_http_stream_begin(request, "text/event-stream", NULL, on_gone, &held[held_count]));
        held_count++;
    } else if (strcmp(path, "/evil") == 0) {
        weir_http_answer(request, 200, NULL, evil, "", 0);
    } else if (strcmp(path, "/big") == 0) {
        weir_http_answer(request, 200, "text/plain", NULL, big, BIG);
    } else if (strcmp(path, "/nothing") != 0) {
        show(request);
    }
}

static void on_tick(struct ev_loop *ticking, ev_timer *timer, int events)
{
    (void)ticking;
    (void)timer;
    (void)events;
}

static int open_server(void **state)
{
    struct weir_error error = {0};
    (void)state;
    held_count = gone_count = handled = 0;
    loop = ev_loop_new(0);
    weir_log_init(&quiet, "test");
    quiet.level = WEIR_LOG_ERROR;
    ev_timer_init(&tick, on_tick, .005, .005);
    ev_timer_start(loop, &tick);
    server = weir_http_open(&(struct weir_http_settings){.loop = loop,
                                                         .log = &quiet,
                                                         .address = "127.0.0.1:0",
                                                         .connections_max = CONNECTIONS_MAX,
                                                         .headers_max = 8192,
                                                         .body_max = BODY_MAX,
                                                         .stream_max = STREAM_MAX,
                                                         .request_max_ms = REQUEST_MAX_MS,
                                                         .idle_max_ms = 60000,
                                                         .answer_max_ms = ANSWER_MAX_MS,
                                                         .handle = handle},
                            &error);
    return server != NULL ? 0 : -1;
}

static int close_server(void **state)
{
    (void)state;
    weir_http_close(server);
    ev_timer_stop(loop, &tick);
    ev_loop_destroy(loop);
    return 0;
}

/* ---- Clients ----------------------------------------------------------------------------------
 */

static struct client join_small(int receive_buffer)
{
    struct client client = {.socket = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_port = htons((uint16_t)atoi(strrchr(weir_http_where(server), ':') + 1));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (receive_buffer > 0)
        setsockopt(client.socket, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    assert_int_equal(connect(client.socket, (struct sockaddr *)&at, sizeof at), 0);
    fcntl(client.socket, F_SETFL, O_NONBLOCK);
    return client;
}

static struct client join(void)
{
    return join_small(0);
}

static void leave(struct client *client)
{
    close(client->socket);
    weir_text_close(&client->came);
}

static void say_bytes(struct client *client, const char *bytes, size_t length)
{
    assert_int_equal(send(client->socket, bytes, length, MSG_NOSIGNAL), length);
}

static void say(struct client *client, const char *text)
{
    say_bytes(client, text, strlen(text));
}

static void listen_to(struct client *client)
{
    char bytes[4096];
    ssize_t length;
    while ((length = recv(client->socket, bytes, sizeof bytes, 0)) > 0)
        weir_text_append(&client->came, bytes, (size_t)length);
    if (length == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
        client->closed = true;
}

static bool has(const struct client *client, const char *text)
{
    return client->came.at != NULL && strstr(client->came.at, text) != NULL;
}

/* Turns the loop until the condition holds; fails where it does not come to that. */
#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int64_t turning_ms = weir_clock_monotonic_ms();                                            \
        while (!(condition)) {                                                                     \
            assert_true(weir_clock_monotonic_ms() - turning_ms < PATIENCE_MS);                     \
            ev_run(loop, EVRUN_ONCE);                                                              \
        }                                                                                          \
    } while (0)

static void await(struct client *client, const char *text)
{
    TURN_UNTIL((listen_to(client), has(client, text)));
}

static void await_end(struct client *client)
{
    TURN_UNTIL((listen_to(client), client->closed));
}

static void ask(struct client *client, const char *request, const char *answer)
{
    weir_text_clear(&client->came);
    say(client, request);
    await(client, answer);
}

/* On a connection of its own. */
static void ask_once(const char *request, const char *answer)
{
    struct client client = join();
    ask(&client, request, answer);
    leave(&client);
}

/* ---- What it answers --------------------------------------------------------------------------
 */

static void answers_one_after_the_other_on_a_connection(void **state)
{
    struct client client = join();
    (void)state;
    ask(&client, "GET /a%20b?x=1%262&y&x=+z HTTP/1.1\r\nHost: h\r\nX-Shown: v\r\n\r\n",
        "method=0 path=/a b x=1&2 y= x= z header=v body=");
    assert_true(has(&client, "HTTP/1.1 200"));
    ask(&client, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        "method=2 path=/p header=- body=hello");
    ask(&client,
        "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n"
        "0\r\n\r\n",
        "path=/c header=- body=abcde");
    ask(&client, "HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n", "Content-Length: ");
    assert_false(has(&client, "path=/h"));
    ask(&client, "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "path=/last");
    await_end(&client);
    leave(&client);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    const char *request = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    struct client client = join();
    (void)state;
    for (; *request != '\0'; request++) {
        say_bytes(&client, request, 1);
        ev_run(loop, EVRUN_NOWAIT);
    }
    await(&client, "body=hi");
    leave(&client);
}

static void refuses_what_is_malformed(void **state)
{
    (void)state;
    ask_once("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400");
    ask_once("GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400");
    ask_once("GET /?a=%0d%0a HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400");
    ask_once("GET /%ff HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400");
    ask_once("GET a HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400");
    ask_once("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400");
    ask_once("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405");
    ask_once("BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "Allow: GET, HEAD, POST");
    ask_once("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 4");
    assert_int_equal(handled, 0);
    ask_once("GET /still HTTP/1.1\r\nHost: h\r\n\r\n", "path=/still");
}

static void refuses_what_is_too_large(void **state)
{
    struct weir_text request = {0};
    struct client client;
    (void)state;
    ask_once("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 413");
    ask_once("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
             "HTTP/1.1 4");
    ask_once(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "body=abc");
    weir_text_append_string(&request,
                            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 11; i++)
        weir_text_format(&request, "64\r\n%0100d\r\n", i);
    weir_text_append_string(&request, "0\r\n\r\n");
    ask_once(request.at, "HTTP/1.1 413");
    weir_text_clear(&request);
    weir_text_format(&request, "GET /%04000d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
    ask_once(request.at, "path=/0000");
    weir_text_clear(&request);
    weir_text_format(&request, "GET / HTTP/1.1\r\nHost: h\r\nX-Long: %030000d\r\n\r\n", 0);
    ask_once(request.at, "HTTP/1.1 431");
    weir_text_clear(&request);
    weir_text_format(&request, "GET /%030000d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
    ask_once(request.at, "HTTP/1.1 414");
    /* Chunks without end: the connection goes. */
    client = join();
    say(&client, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    TURN_UNTIL(
        (ev_run(loop, EVRUN_NOWAIT), listen_to(&client),
         client.closed || send(client.socket, "3\r\nabc\r\n", 8, MSG_NOSIGNAL | MSG_DONTWAIT) < 0));
    assert_false(has(&client, "HTTP/1.1 408")); /* before its time was over */
    leave(&client);
    weir_text_close(&request);
}

static void headers_of_an_answer_cannot_be_forged(void **state)
{
    struct client client = join();
    (void)state;
    ask(&client, "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 500");
    assert_false(has(&client, "X-More"));
    ask(&client, "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 500");
    leave(&client);
}

/* ---- Who is slow ------------------------------------------------------------------------------
 */

/* A byte now and then, which renews no limit. */
static void dribble(struct client *client)
{
    if (!client->closed)
        (void)!send(client->socket, "a", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void a_request_that_does_not_end_is_cut_off(void **state)
{
    struct client slow = join(), dribbling = join(), body = join(), quick = join();
    int answered = 0;
    (void)state;
    say(&slow, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    say(&dribbling, "GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ");
    say(&body, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    while (!slow.closed || !dribbling.closed || !body.closed) {
        assert_true(answered < PATIENCE_MS);
        dribble(&dribbling);
        dribble(&body);
        ask(&quick, "GET /quick HTTP/1.1\r\nHost: h\r\n\r\n", "path=/quick");
        ev_run(loop, EVRUN_ONCE);
        listen_to(&slow);
        listen_to(&dribbling);
        listen_to(&body);
        answered++;
    }
    assert_true(answered > 0);
    assert_true(has(&slow, "HTTP/1.1 408"));
    assert_true(has(&body, "HTTP/1.1 408")); /* its thousand bytes would be an answer, too */
    leave(&slow);
    leave(&dribbling);
    leave(&body);
    leave(&quick);
}

static void an_answer_that_nobody_takes_is_cut_off(void **state)
{
    struct client client = join_small(4096), quick = join();
    (void)state;
    say(&client, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    TURN_UNTIL(weir_http_in_hand(server) == 1);
    ask(&quick, "GET /quick HTTP/1.1\r\nHost: h\r\n\r\n", "path=/quick");
    TURN_UNTIL(weir_http_in_hand(server) == 0);
    await_end(&client);
    assert_true(client.came.length < BIG);
    leave(&client);
    leave(&quick);
}

static void a_large_answer_arrives_whole(void **state)
{
    struct client client = join();
    (void)state;
    say(&client, "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    await_end(&client);
    assert_true(client.came.length > BIG);
    assert_memory_equal(client.came.at + client.came.length - BIG, big, BIG);
    leave(&client);
}

static void who_waits_longest_makes_room(void **state)
{
    struct client clients[CONNECTIONS_MAX], late;
    (void)state;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        clients[i] = join();
        ask(&clients[i], "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", "path=/a");
        int64_t begun_ms = weir_clock_monotonic_ms();
        TURN_UNTIL(weir_clock_monotonic_ms() > begun_ms + 1);
    }
    late = join();
    ask(&late, "GET /late HTTP/1.1\r\nHost: h\r\n\r\n", "path=/late");
    await_end(&clients[0]);
    for (int i = 1; i < CONNECTIONS_MAX; i++) {
        ask(&clients[i], "GET /b HTTP/1.1\r\nHost: h\r\n\r\n", "path=/b");
        leave(&clients[i]);
    }
    leave(&clients[0]);
    leave(&late);
}

/* More than the library takes, all there before the loop turns: some with the beginning of a
 * request, the others silent. */
static void a_flood_keeps_nobody_out(void **state)
{
    struct client clients[FLOOD], late;
    (void)state;
    for (int i = 0; i < FLOOD; i++) {
        clients[i] = join();
        if (i % 2 == 0)
            say(&clients[i], "GET /a HT");
    }
    late = join();
    ask(&late, "GET /late HTTP/1.1\r\nHost: h\r\n\r\n", "path=/late");
    assert_int_equal(handled, 1);
    for (int i = 0; i < FLOOD; i++)
        leave(&clients[i]);
    leave(&late);
}

static void nobody_in_hand_makes_room(void **state)
{
    struct client clients[CONNECTIONS_MAX], late;
    (void)state;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        clients[i] = join();
        say(&clients[i], "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
        TURN_UNTIL(held_count == i + 1);
    }
    late = join();
    await(&late, "HTTP/1.1 503");
    await_end(&late);
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        weir_http_answer_text(held[i], 200, "at last");
        await(&clients[i], "at last");
        leave(&clients[i]);
    }
    leave(&late);
    assert_int_equal(gone_count, 0);
}

/* ---- Answers that come later ------------------------------------------------------------------
 */

static void an_answer_may_come_later(void **state)
{
    struct client one = join(), other = join();
    (void)state;
    say(&one, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    TURN_UNTIL(held_count == 1);
    say(&other, "POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    TURN_UNTIL(held_count == 2);
    assert_int_equal(weir_http_in_hand(server), 2);
    assert_memory_equal(weir_http_body(held[1]).at, "hi", 3);
    weir_http_answer_text(held[1], 201, "second");
    await(&other, "second");
    ask(&other, "GET /again HTTP/1.1\r\nHost: h\r\n\r\n", "path=/again");
    weir_http_answer_text(held[0], 200, "first");
    await(&one, "first");
    leave(&one);
    leave(&other);
    assert_int_equal(gone_count, 0);
}

static void one_who_hangs_up_is_answered_into_the_void(void **state)
{
    struct client client = join();
    (void)state;
    say(&client, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    TURN_UNTIL(held_count == 1);
    leave(&client);
    ev_run(loop, EVRUN_NOWAIT);
    weir_http_answer_text(held[0], 200, "nobody");
    TURN_UNTIL(weir_http_in_hand(server) == 0);
    assert_int_equal(gone_count, 0);
}

static void no_answer_in_time_is_an_answer(void **state)
{
    struct client client = join();
    (void)state;
    ask(&client, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 504");
    assert_int_equal(gone_count, 1);
    ask(&client, "GET /next HTTP/1.1\r\nHost: h\r\n\r\n", "path=/next");
    leave(&client);
    assert_int_equal(gone_count, 1);
}

/* ---- Streams ----------------------------------------------------------------------------------
 */

static struct client begin_stream(int receive_buffer)
{
    struct client client = join_small(receive_buffer);
    say(&client, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    await(&client, "text/event-stream");
    return client;
}

static void a_stream_brings_what_is_sent(void **state)
{
    struct client client = begin_stream(0);
    char event[32];
    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(event, sizeof event, "data: %d\n\n", i);
        assert_true(weir_http_stream_send(held[0], event, strlen(event)));
        if (i % 3 == 0)
            await(&client, event);
    }
    await(&client, "data: 19");
    /* Longer than any limit on answers, as streams have none. */
    int64_t begun_ms = weir_clock_monotonic_ms();
    TURN_UNTIL(weir_clock_monotonic_ms() > begun_ms + ANSWER_MAX_MS + 100);
    assert_int_equal(gone_count, 0);
    assert_true(weir_http_stream_send(held[0], "bye\n", 4));
    weir_http_stream_end(held[0]);
    await(&client, "bye\n\r\n0\r\n\r\n");
    ask(&client, "GET /then HTTP/1.1\r\nHost: h\r\n\r\n", "path=/then");
    leave(&client);
    assert_int_equal(gone_count, 0);
}

static void a_reader_who_leaves_is_gone(void **state)
{
    struct client client = begin_stream(0);
    (void)state;
    leave(&client);
    TURN_UNTIL(gone_count == 1);
    TURN_UNTIL(weir_http_in_hand(server) == 0);
    assert_null(held[0]);
}

static void a_reader_who_is_too_slow_is_cut_off(void **state)
{
    struct client slow = begin_stream(4096), quick = begin_stream(0);
    int sent = 0;
    (void)state;
    while (weir_http_stream_send(held[0], big, 8192)) {
        assert_true(++sent < BIG / 8192);
        ev_run(loop, EVRUN_ONCE);
    }
    assert_int_equal(gone_count, 0);
    TURN_UNTIL(gone_count == 1);
    assert_null(held[0]);
    assert_true(weir_http_stream_send(held[1], "still here", 10));
    await(&quick, "still here");
    assert_int_equal(gone_count, 1);
    leave(&slow);
    leave(&quick);
}

static void more_than_a_stream_holds_is_refused(void **state)
{
    struct client client = begin_stream(0);
    (void)state;
    TURN_UNTIL(weir_http_in_hand(server) == 1);
    assert_false(weir_http_stream_send(held[0], big, STREAM_MAX + 1));
    assert_false(weir_http_stream_send(held[0], "a", 1));
    TURN_UNTIL(gone_count == 1);
    await_end(&client);
    leave(&client);
}

static void nothing_is_streamed_to_one_who_asks_for_the_head(void **state)
{
    struct client client = join();
    (void)state;
    ask(&client, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n", "text/event-stream");
    TURN_UNTIL(gone_count == 1);
    leave(&client);
}

/* ---- Its end ----------------------------------------------------------------------------------
 */

static void what_is_in_hand_is_answered_before_the_end(void **state)
{
    struct client idle = join(), waiting = join();
    (void)state;
    ask(&idle, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", "path=/a");
    say(&waiting, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    TURN_UNTIL(held_count == 1);
    weir_http_quiesce(server);
    await_end(&idle);
    assert_int_equal(weir_http_in_hand(server), 1);
    struct sockaddr_in at = {.sin_family = AF_INET};
    int late = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_port = htons((uint16_t)atoi(strrchr(weir_http_where(server), ':') + 1));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(late, (struct sockaddr *)&at, sizeof at), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(late);
    weir_http_answer_text(held[0], 200, "last words");
    await_end(&waiting);
    assert_true(has(&waiting, "last words"));
    assert_true(has(&waiting, "Connection: close") || has(&waiting, "Connection: Close"));
    TURN_UNTIL(weir_http_in_hand(server) == 0);
    leave(&idle);
    leave(&waiting);
}

static void closing_tells_those_in_hand(void **state)
{
    struct client waiting = join(), half = join(), reader = begin_stream(0);
    (void)state;
    say(&waiting, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    TURN_UNTIL(held_count == 2);
    say(&half, "GET /half HTTP/1.1\r\n");
    TURN_UNTIL(weir_http_in_hand(server) == 3);
    weir_http_close(server);
    server = NULL;
    assert_int_equal(gone_count, 2);
    await_end(&waiting);
    await_end(&reader);
    await_end(&half);
    leave(&waiting);
    leave(&reader);
    leave(&half);
}

/* ---- Where it listens -------------------------------------------------------------------------
 */

static enum weir_status open_at(const char *address, char *where)
{
    struct weir_error error = {0};
    struct weir_http_server *opened = weir_http_open(
        &(struct weir_http_settings){
            .loop = loop, .log = &quiet, .address = address, .handle = handle},
        &error);
    assert_true((opened == NULL) == (error.status != WEIR_OK));
    if (opened != NULL && where != NULL)
        strcpy(where, weir_http_where(opened));
    weir_http_close(opened);
    return error.status;
}

static void addresses(void **state)
{
    static const char *const malformed[] = {
        "",     "9100",      "localhost", "h:",        "h:65536",
        "h:-1", "h:1a",      "::1:9100",  "[::1]",     "[::1]9100",
        "[]:1", "[::1:9100", "h: 1",      "[h]x:9100", "[127.0.0.1]:0"};
    char where[WEIR_LISTEN_SHOWN_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_int_equal(open_at(malformed[i], NULL), WEIR_INVALID);
    assert_int_equal(open_at(weir_http_where(server), NULL), WEIR_SYSTEM);
    assert_int_equal(open_at("192.0.2.1:0", NULL), WEIR_SYSTEM);
    assert_int_equal(open_at("localhost:0", where), WEIR_OK);
    assert_int_equal(open_at(":0", where), WEIR_OK);
    /* A machine may have no IPv6. */
    int six = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool usable = six >= 0 && bind(six, (struct sockaddr *)&at, sizeof at) == 0;
    if (six >= 0)
        close(six);
    assert_int_equal(open_at("[::1]:0", where), usable ? WEIR_OK : WEIR_SYSTEM);
    if (usable)
        assert_memory_equal(where, "[::1]:", 6);
}

static bool loopback(const char *text)
{
    struct weir_listen_address address;
    assert_int_equal(weir_listen_parse(text, &address, NULL), WEIR_OK);
    return weir_listen_loopback(&address);
}

static void loopback_is_told_from_the_rest(void **state)
{
    (void)state;
    assert_true(loopback("127.0.0.1:1") && loopback("127.9.9.9:1") && loopback("localhost:1") &&
                loopback("[::1]:1"));
    assert_false(loopback("0.0.0.0:1") || loopback(":1") || loopback("[::]:1") ||
                 loopback("10.0.0.1:1") || loopback("example.org:1"));
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, open_server, close_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(answers_one_after_the_other_on_a_connection),
        WITH_SERVER(a_request_may_come_byte_by_byte),
        WITH_SERVER(refuses_what_is_malformed),
        WITH_SERVER(refuses_what_is_too_large),
        WITH_SERVER(headers_of_an_answer_cannot_be_forged),
        WITH_SERVER(a_request_that_does_not_end_is_cut_off),
        WITH_SERVER(an_answer_that_nobody_takes_is_cut_off),
        WITH_SERVER(a_large_answer_arrives_whole),
        WITH_SERVER(who_waits_longest_makes_room),
        WITH_SERVER(a_flood_keeps_nobody_out),
        WITH_SERVER(nobody_in_hand_makes_room),
        WITH_SERVER(an_answer_may_come_later),
        WITH_SERVER(one_who_hangs_up_is_answered_into_the_void),
        WITH_SERVER(no_answer_in_time_is_an_answer),
        WITH_SERVER(a_stream_brings_what_is_sent),
        WITH_SERVER(a_reader_who_leaves_is_gone),
        WITH_SERVER(a_reader_who_is_too_slow_is_cut_off),
        WITH_SERVER(more_than_a_stream_holds_is_refused),
        WITH_SERVER(nothing_is_streamed_to_one_who_asks_for_the_head),
        WITH_SERVER(what_is_in_hand_is_answered_before_the_end),
        WITH_SERVER(closing_tells_those_in_hand),
        WITH_SERVER(addresses),
        WITH_SERVER(loopback_is_told_from_the_rest),
    };
    signal(SIGPIPE, SIG_IGN);
    big = malloc(BIG);
    if (big == NULL)
        return 1;
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)('a' + i % 26);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(big);
    return failed;
}
