/* A bad line between some programs and a test's server. */
#include "support/flaky.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/unix_socket.h"

#define LIMIT_MS 15000
#define LINE_MAX_LENGTH 512

static void await_control(struct test_flaky *line, const char *path)
{
    struct timeval limit = {.tv_sec = LIMIT_MS / 1000};
    long long end = test_now() + LIMIT_MS;
    while ((line->control = test_unix_connect(path)) < 0) {
        if (test_now() > end)
            fail_msg("the flaky line has not started: %s", strerror(errno));
        test_pause();
    }
    setsockopt(line->control, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

void test_flaky_start(struct test_flaky *line, const struct test_server *server)
{
    static unsigned started;
    char control[TEST_PATH_MAX + 16];
    size_t folder = strlen(server->socket) - strlen("redis.sock");
    started++;
    snprintf(line->socket, sizeof(line->socket), "%.*sf%u", (int)folder, server->socket, started);
    snprintf(control, sizeof(control), "%.*sc%u", (int)folder, server->socket, started);
    snprintf(line->url, sizeof(line->url), "unix://%s", line->socket);
    unlink(control);
    line->pid = test_spawn((const char *[]){test_program("../tests/fault/flaky_proxy"), "--listen",
                                            line->socket, "--server", server->socket, "--control",
                                            control, NULL},
                           "flaky.log");
    await_control(line, control);
}

/* Says it and takes the answer, which has to begin with "ok". */
static void converse(struct test_flaky *line, const char *command, char *answer, size_t room)
{
    size_t length = 0;
    ssize_t got;
    assert_true(send(line->control, command, strlen(command), MSG_NOSIGNAL) > 0);
    do {
        got = recv(line->control, answer + length, room - 1 - length, 0);
        length += got > 0 ? (size_t)got : 0;
        answer[length] = '\0';
    } while (got > 0 && !strchr(answer, '\n'));
    if (strncmp(answer, "ok", 2) != 0)
        fail_msg("the flaky line says '%s' to '%s'", answer, command);
}

void test_flaky_say(struct test_flaky *line, const char *format, ...)
{
    char command[LINE_MAX_LENGTH], answer[LINE_MAX_LENGTH];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof(command) - 1, format, arguments);
    va_end(arguments);
    strcat(command, "\n");
    converse(line, command, answer, sizeof(answer));
}

long long test_flaky_count(struct test_flaky *line, const char *name)
{
    char answer[LINE_MAX_LENGTH], place[64];
    converse(line, "status\n", answer, sizeof(answer));
    snprintf(place, sizeof(place), " %s=", name);
    const char *found = strstr(answer, place);
    if (!found)
        fail_msg("the flaky line counts no %s: %s", name, answer);
    return found ? atoll(found + strlen(place)) : -1;
}

void test_flaky_stop(struct test_flaky *line)
{
    if (line->pid == 0)
        return;
    close(line->control);
    test_end(line->pid, SIGTERM, LIMIT_MS);
    unlink(line->socket);
    line->pid = 0;
}
