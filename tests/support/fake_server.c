/* A server of a test's own making, in the test's own loop. */
#include "support/fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/resp.h"

#define GREETINGS 4 /* CLIENT SETNAME, CLIENT ID, ROLE, PING */
#define MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"

void fake_server_drop_client(struct fake_server *fake)
{
    if (fake->client < 0)
        return;
    ev_io_stop(fake->loop, &fake->reading);
    ev_timer_stop(fake->loop, &fake->slowly);
    if (fake->ending == FAKE_RESETS)
        setsockopt(fake->client, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                   sizeof(struct linger));
    close(fake->client);
    fake->client = -1;
    fake->input_length = fake->output_length = fake->output_sent = fake->greeted = 0;
    fake->hang_up = false;
}

/* ---- Answers ------------------------------------------------------------------------------- */

static void put(struct fake_server *fake, const char *text)
{
    size_t length = strlen(text);
    assert_true(fake->output_length + length < sizeof(fake->output));
    memcpy(fake->output + fake->output_length, text, length);
    fake->output_length += length;
}

static void send_out(struct fake_server *fake, size_t most)
{
    size_t left = fake->output_length - fake->output_sent;
    size_t length = left < most ? left : most;
    if (length > 0 && send(fake->client, fake->output + fake->output_sent, length, MSG_NOSIGNAL) ==
                          (ssize_t)length)
        fake->output_sent += length;
    if (fake->output_sent < fake->output_length)
        return;
    fake->output_length = fake->output_sent = 0;
    ev_timer_stop(fake->loop, &fake->slowly);
    if (fake->hang_up)
        fake_server_drop_client(fake);
}

static void on_slowly(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    send_out(timer->data, 1);
}

static void answer_command(struct fake_server *fake)
{
    if (fake->mute)
        return;
    if (fake->greeted < GREETINGS && !fake->no_greeting) {
        const char *answers[GREETINGS] = {"+OK\r\n", ":7\r\n", fake->role ? fake->role : MASTER,
                                          fake->ping ? fake->ping : "+PONG\r\n"};
        put(fake, answers[fake->greeted++]);
        return;
    }
    fake->commands++;
    const char *answer = fake->choose ? fake->choose(fake, fake->input) : fake->answer;
    if (answer)
        put(fake, answer);
    fake->hang_up = fake->ending != FAKE_STAYS;
}

/* ---- Commands ------------------------------------------------------------------------------ */

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct fake_server *fake = io->data;
    (void)loop, (void)events;
    ssize_t got = recv(fake->client, fake->input + fake->input_length,
                       sizeof(fake->input) - 1 - fake->input_length, 0);
    if (got <= 0) {
        fake_server_drop_client(fake);
        return;
    }
    fake->input_length += (size_t)got;
    fake->input[fake->input_length] = '\0';
    for (size_t length;
         (length = test_resp_length(fake->input, fake->input_length)) > 0 && !fake->hang_up;) {
        answer_command(fake);
        fake->input_length -= length;
        memmove(fake->input, fake->input + length, fake->input_length + 1);
    }
    if (fake->bytewise)
        ev_timer_again(fake->loop, &fake->slowly);
    else
        send_out(fake, sizeof(fake->output));
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    struct fake_server *fake = io->data;
    (void)events;
    fake_server_drop_client(fake);
    fake->client = accept(fake->listener, NULL, NULL);
    assert_true(fake->client >= 0);
    fake->connections++;
    ev_io_init(&fake->reading, on_readable, fake->client, EV_READ);
    fake->reading.data = fake;
    ev_io_start(loop, &fake->reading);
}

static int open_listener(int port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 16), 0);
    return listener;
}

static int port_of(int listener)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin_port);
}

void fake_server_listen(struct fake_server *fake)
{
    int port = atoi(strrchr(fake->url, ':') + 1);
    fake->listener = open_listener(port);
    ev_io_init(&fake->accepting, on_accept, fake->listener, EV_READ);
    fake->accepting.data = fake;
    ev_io_start(fake->loop, &fake->accepting);
    snprintf(fake->url, sizeof(fake->url), "redis://127.0.0.1:%d", port_of(fake->listener));
}

void fake_server_start(struct fake_server *fake, struct ev_loop *loop)
{
    memset(fake, 0, sizeof(*fake));
    fake->loop = loop;
    fake->client = -1;
    strcpy(fake->url, ":0");
    ev_timer_init(&fake->slowly, on_slowly, 0., 0.0002);
    fake->slowly.data = fake;
    fake_server_listen(fake);
}

void fake_server_refuse(struct fake_server *fake)
{
    if (fake->listener < 0)
        return;
    ev_io_stop(fake->loop, &fake->accepting);
    close(fake->listener);
    fake->listener = -1;
}

void fake_server_stop(struct fake_server *fake)
{
    fake_server_refuse(fake);
    fake_server_drop_client(fake);
}
