/* A line between one worker and its server on which a test can put a trap. */
#define _GNU_SOURCE /* struct ucred, memmem */
#include "support/proxy.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/resp.h"
#include "support/unix_socket.h"

#define LINES_MAX 16
#define COMMAND_MAX (1 << 18)
#define LIMIT_MS 15000

/* One connection of the worker, and that to the server which belongs to it. */
struct line {
    int client, server; /* -1: not in use */
    size_t held;        /* length of the command that waits for a release; 0: none */
    size_t length;
    char input[COMMAND_MAX];
};

struct proxy {
    int listener, control;
    const char *upstream;
    struct proxy_trap trap; /* of the deed PROXY_NONE once it has been sprung */
    struct line lines[LINES_MAX];
};

/* ---- In the proxy's process: the deeds ----------------------------------------------------- */

static bool put(int to, const char *bytes, size_t length)
{
    for (ssize_t sent; length > 0; bytes += sent, length -= (size_t)sent)
        if ((sent = send(to, bytes, length, MSG_NOSIGNAL)) <= 0)
            return false;
    return true;
}

static void close_line(struct line *line)
{
    close(line->client);
    close(line->server);
    line->client = line->server = -1;
    line->length = line->held = 0;
}

static void kill_peer(const struct line *line)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    if (getsockopt(line->client, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0)
        kill(peer.pid, SIGKILL);
}

/* The server reads what was sent before it sees the end, and closes behind it. */
static void await_carried_out(const struct line *line)
{
    char answers[4096];
    shutdown(line->server, SHUT_WR);
    while (recv(line->server, answers, sizeof(answers), 0) > 0)
        continue;
}

static void forward_one(struct line *line, size_t length)
{
    if (!put(line->server, line->input, length)) {
        close_line(line);
        return;
    }
    line->length -= length;
    memmove(line->input, line->input + length, line->length);
}

static void do_deed(struct line *line, size_t length, enum proxy_deed deed)
{
    bool after = deed == PROXY_KILL_AFTER || deed == PROXY_CUT_AFTER;
    if (deed == PROXY_NONE) {
        forward_one(line, length);
        return;
    }
    if (after || deed == PROXY_CUT_WITHIN)
        put(line->server, line->input, after ? length : length / 2);
    if (after)
        await_carried_out(line);
    if (deed == PROXY_KILL_BEFORE || deed == PROXY_KILL_AFTER)
        kill_peer(line);
    close_line(line);
}

/* ---- In the proxy's process: commands ------------------------------------------------------ */

static bool holds(const struct line *line, size_t length, const char *word)
{
    return memmem(line->input, length, word, strlen(word)) != NULL;
}

static bool springs(const struct proxy *proxy, const struct line *line, size_t length)
{
    return proxy->trap.deed != PROXY_NONE && holds(line, length, proxy->trap.word) &&
           holds(line, length, proxy->trap.other);
}

static void forward_commands(struct proxy *proxy, struct line *line)
{
    for (size_t length;
         line->client >= 0 && (length = test_resp_length(line->input, line->length)) > 0;) {
        enum proxy_deed deed = proxy->trap.deed;
        if (!springs(proxy, line, length)) {
            forward_one(line, length);
            continue;
        }
        proxy->trap.deed = PROXY_NONE;
        if (deed == PROXY_HOLD)
            line->held = length;
        else
            do_deed(line, length, deed);
        put(proxy->control, "!", 1);
        if (deed == PROXY_HOLD)
            return;
    }
}

static void take_command(struct proxy *proxy, struct line *line)
{
    ssize_t got = recv(line->client, line->input + line->length, COMMAND_MAX - line->length, 0);
    if (got <= 0) {
        close_line(line);
        return;
    }
    line->length += (size_t)got;
    forward_commands(proxy, line);
}

static void take_answer(struct line *line)
{
    char bytes[65536];
    ssize_t got = recv(line->server, bytes, sizeof(bytes), 0);
    if (got <= 0 || !put(line->client, bytes, (size_t)got))
        close_line(line);
}

/* ---- In the proxy's process: connections --------------------------------------------------- */

static void take_client(struct proxy *proxy)
{
    int client = accept(proxy->listener, NULL, NULL);
    struct line *line = proxy->lines;
    while (line < proxy->lines + LINES_MAX && line->client >= 0)
        line++;
    if (client < 0 || line == proxy->lines + LINES_MAX)
        _exit(1);
    line->client = client;
    line->server = test_unix_connect(proxy->upstream);
    if (line->server < 0)
        close_line(line);
}

static void take_release(struct proxy *proxy)
{
    char deed;
    if (recv(proxy->control, &deed, 1, 0) <= 0)
        _exit(0);
    for (struct line *line = proxy->lines; line < proxy->lines + LINES_MAX; line++) {
        size_t length = line->held;
        if (line->client < 0 || length == 0)
            continue;
        line->held = 0;
        if (deed == PROXY_HOLD)
            proxy->trap.deed = PROXY_HOLD;
        do_deed(line, length, deed == PROXY_HOLD ? PROXY_NONE : (enum proxy_deed)deed);
        if (line->client >= 0)
            forward_commands(proxy, line);
    }
}

static _Noreturn void serve(struct proxy *proxy)
{
    for (;;) {
        struct pollfd places[2 + 2 * LINES_MAX] = {{.fd = proxy->listener, .events = POLLIN},
                                                   {.fd = proxy->control, .events = POLLIN}};
        for (size_t i = 0; i < LINES_MAX; i++) {
            struct line *line = &proxy->lines[i];
            places[2 + 2 * i] =
                (struct pollfd){.fd = line->held > 0 ? -1 : line->client, .events = POLLIN};
            places[3 + 2 * i] = (struct pollfd){.fd = line->server, .events = POLLIN};
        }
        if (poll(places, 2 + 2 * LINES_MAX, -1) < 0 && errno != EINTR)
            _exit(1);
        for (size_t i = 0; i < LINES_MAX; i++) {
            if (places[3 + 2 * i].revents != 0 && proxy->lines[i].client >= 0)
                take_answer(&proxy->lines[i]);
            if (places[2 + 2 * i].revents != 0 && proxy->lines[i].client >= 0)
                take_command(proxy, &proxy->lines[i]);
        }
        if (places[1].revents != 0)
            take_release(proxy);
        if (places[0].revents != 0)
            take_client(proxy);
    }
}

/* ---- In the test's process ----------------------------------------------------------------- */

void test_proxy_start(struct test_proxy *proxy, const struct test_server *server,
                      struct proxy_trap trap)
{
    static unsigned started;
    int control[2];
    size_t folder = strlen(server->socket) - strlen("redis.sock");
    snprintf(proxy->socket, sizeof(proxy->socket), "%.*sp%u", (int)folder, server->socket,
             ++started);
    snprintf(proxy->url, sizeof(proxy->url), "unix://%s", proxy->socket);
    int listener = test_unix_listen(proxy->socket);
    if (listener < 0)
        fail_msg("cannot listen on %s: %s", proxy->socket, strerror(errno));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control), 0);
    fflush(NULL);
    proxy->pid = fork();
    assert_true(proxy->pid >= 0);
    if (proxy->pid == 0) {
        struct proxy *own = calloc(1, sizeof(*own));
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(control[0]);
        if (!own)
            _exit(1);
        *own = (struct proxy){listener, control[1], server->socket, trap, {{0}}};
        for (size_t i = 0; i < LINES_MAX; i++)
            own->lines[i].client = own->lines[i].server = -1;
        serve(own);
    }
    close(listener);
    close(control[1]);
    proxy->control = control[0];
}

void test_proxy_await(struct test_proxy *proxy)
{
    struct pollfd place = {.fd = proxy->control, .events = POLLIN};
    char sprung;
    if (poll(&place, 1, LIMIT_MS) != 1 || recv(proxy->control, &sprung, 1, 0) != 1)
        fail_msg("the trap has not been sprung within %d ms", LIMIT_MS);
}

void test_proxy_release(struct test_proxy *proxy, enum proxy_deed deed)
{
    char byte = (char)deed;
    assert_int_equal(send(proxy->control, &byte, 1, MSG_NOSIGNAL), 1);
}

void test_proxy_stop(struct test_proxy *proxy)
{
    if (proxy->pid == 0)
        return;
    kill(proxy->pid, SIGKILL);
    waitpid(proxy->pid, NULL, 0);
    close(proxy->control);
    unlink(proxy->socket);
    proxy->pid = 0;
}
