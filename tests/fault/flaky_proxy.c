/* A bad line between weir's programs and their server, which a test or a script makes better or
 * worse as it goes.
 *
 *     flaky_proxy --listen PATH --server PATH --control PATH     forwards until SIGTERM
 *     flaky_proxy --control PATH COMMAND…                        says one command to that one
 *
 * PATH are Unix stream sockets. The first form dies with its parent. Commands are lines on the
 * control socket, which serves one connection at a time; each is answered by "ok", with counters
 * for `status`, or by "error" and why. The second form prints that answer, waits for a proxy that
 * is starting, and exits with 0 for "ok".
 *
 *   pass                  all is well again; connections that have lost bytes are reset
 *   cut                   the present connections are reset, new ones are taken
 *   refuse                the same, and each new one is closed at once
 *   blackhole             bytes and ends are swallowed, both ways, on new connections, too
 *   half-open             the same for the present connections alone, until the next `pass`
 *   stall                 nothing moves and nothing is lost, until `pass`
 *   lose-answers N        the next N pieces of answers are lost, each with its connection: the
 *                         request has been carried out
 *   cut-answer N [WORD]   N more bytes of answers are forwarded, then the connection is reset.
 *                         With WORD only bytes of the answer to the next request that holds it
 *                         count; where there are fewer, nothing happens (see `passed`)
 *   cut-request N [WORD]  the same for what the server gets
 *   replace-answer W TEXT the answer to the next request that holds the word W is replaced by TEXT,
 *                         where a backslash with r or n stands for the end of a line
 *   rate BYTES            so many a second, for each direction of each connection; 0: any
 *   delay MS [JITTER]     each piece is late by MS and up to JITTER more
 *   slice N               writes of N bytes; 0: any
 *   status                accepted= refused= present= cuts= lost= passed= replaced= armed=
 *                         swallowed= requests= answers= */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support/relay.h"
#include "support/unix_socket.h"

#define LINE_MAX_LENGTH 512
#define SAY_ATTEMPTS 500
#define SAY_PAUSE_MS 10
#define USAGE                                                                                      \
    "usage: flaky_proxy --listen PATH --server PATH --control PATH\n"                              \
    "       flaky_proxy --control PATH COMMAND...\n"

struct flaky {
    struct relay relay;
    bool refusing;
    int listener, control_listener, control; /* control: -1 where nobody is there */
    char line[LINE_MAX_LENGTH];
    size_t length;
};

/* ---- Commands ------------------------------------------------------------------------------ */

struct words {
    const char *line; /* all of it */
    char name[32], word[RELAY_WORD_MAX];
    unsigned long long number;
    int count; /* of those that are there */
};

typedef void action(struct flaky *flaky, const struct words *words);

static void do_pass(struct flaky *flaky, const struct words *words)
{
    (void)words;
    flaky->refusing = false;
    relay_heal(&flaky->relay);
}

static void do_cut(struct flaky *flaky, const struct words *words)
{
    flaky->refusing = strcmp(words->name, "refuse") == 0;
    flaky->relay.mode = RELAY_PASS;
    relay_reset_all(&flaky->relay);
}

static void do_mode(struct flaky *flaky, const struct words *words)
{
    flaky->relay.mode = strcmp(words->name, "stall") == 0 ? RELAY_STALL : RELAY_BLACK_HOLE;
}

static void do_half_open(struct flaky *flaky, const struct words *words)
{
    (void)words;
    relay_forsake(&flaky->relay);
}

static void do_lose(struct flaky *flaky, const struct words *words)
{
    flaky->relay.losing = words->number;
}

static void do_trap(struct flaky *flaky, const struct words *words)
{
    flaky->relay.trap = (struct relay_trap){
        .armed = true,
        .direction = strcmp(words->name, "cut-answer") == 0 ? RELAY_ANSWERS : RELAY_REQUESTS,
        .left = words->number};
    memcpy(flaky->relay.trap.word, words->word, sizeof(words->word));
}

/* Without an answer's text the trap would cut. */
static void do_replace(struct flaky *flaky, const struct words *words)
{
    struct relay_trap trap = {.direction = RELAY_ANSWERS};
    int start = 0;
    size_t length = 0;
    sscanf(words->line, "%*s %127s %n", trap.word, &start);
    for (const char *at = words->line + start; start > 0 && *at; at++) {
        bool escape = at[0] == '\\' && (at[1] == 'r' || at[1] == 'n');
        if (length + 1 < sizeof(trap.instead))
            trap.instead[length++] = !escape ? *at : at[1] == 'r' ? '\r' : '\n';
        at += escape;
    }
    trap.armed = length > 0;
    flaky->relay.trap = trap;
}

static void do_rate(struct flaky *flaky, const struct words *words)
{
    flaky->relay.rate = words->number;
}

static void do_delay(struct flaky *flaky, const struct words *words)
{
    flaky->relay.delay = words->number;
    flaky->relay.jitter = strtoull(words->word, NULL, 10);
}

static void do_slice(struct flaky *flaky, const struct words *words)
{
    flaky->relay.slice = words->number;
}

static const struct {
    const char *name;
    action *act;
    int least, most; /* words, with the name */
} commands[] = {
    {"pass", do_pass, 1, 1},           {"cut", do_cut, 1, 1},
    {"refuse", do_cut, 1, 1},          {"blackhole", do_mode, 1, 1},
    {"half-open", do_half_open, 1, 1}, {"stall", do_mode, 1, 1},
    {"lose-answers", do_lose, 2, 2},   {"cut-answer", do_trap, 2, 3},
    {"cut-request", do_trap, 2, 3},    {"replace-answer", do_replace, 1, 1},
    {"rate", do_rate, 2, 2},           {"delay", do_delay, 2, 3},
    {"slice", do_slice, 2, 2},         {"status", NULL, 1, 1},
};

static void print_status(const struct flaky *flaky, char *answer, size_t room)
{
    const struct relay_counts *counts = &flaky->relay.counts;
    snprintf(answer, room,
             "ok accepted=%llu refused=%llu present=%zu cuts=%llu lost=%llu passed=%llu "
             "replaced=%llu armed=%d "
             "swallowed=%llu requests=%llu answers=%llu\n",
             counts->accepted, counts->refused, flaky->relay.present, counts->resets, counts->lost,
             counts->passed, counts->replaced, flaky->relay.trap.armed, counts->swallowed,
             counts->requests, counts->answers);
}

static void carry_out(struct flaky *flaky, const char *line, char *answer, size_t room)
{
    struct words words = {.line = line};
    char rest[2] = "";
    words.count = sscanf(line, "%31s %llu %127s %1s", words.name, &words.number, words.word, rest);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(words.name, commands[i].name) != 0)
            continue;
        if (words.count < commands[i].least || words.count > commands[i].most) {
            snprintf(answer, room, "error %s wants other words\n", words.name);
            return;
        }
        if (commands[i].act)
            commands[i].act(flaky, &words);
        snprintf(answer, room, "ok\n");
        if (!commands[i].act)
            print_status(flaky, answer, room);
        return;
    }
    snprintf(answer, room, "error no such command\n");
}

/* ---- The proxy ----------------------------------------------------------------------------- */

static void leave_control(struct flaky *flaky)
{
    close(flaky->control);
    flaky->control = -1;
    flaky->length = 0;
}

static void take_control(struct flaky *flaky)
{
    ssize_t got = recv(flaky->control, flaky->line + flaky->length,
                       sizeof(flaky->line) - 1 - flaky->length, 0);
    if (got <= 0) { /* also a line without an end */
        leave_control(flaky);
        return;
    }
    flaky->length += (size_t)got;
    flaky->line[flaky->length] = '\0';
    for (char *end; flaky->control >= 0 && (end = strchr(flaky->line, '\n'));) {
        char answer[LINE_MAX_LENGTH];
        *end = '\0';
        carry_out(flaky, flaky->line, answer, sizeof(answer));
        flaky->length -= (size_t)(end + 1 - flaky->line);
        memmove(flaky->line, end + 1, flaky->length + 1);
        if (send(flaky->control, answer, strlen(answer), MSG_NOSIGNAL) < 0)
            leave_control(flaky);
    }
}

static void take_client(struct flaky *flaky)
{
    int client = accept(flaky->listener, NULL, NULL);
    if (client < 0)
        return;
    if (!flaky->refusing) {
        relay_take(&flaky->relay, client);
        return;
    }
    flaky->relay.counts.refused++;
    close(client);
}

static void serve_once(struct flaky *flaky, struct pollfd *places)
{
    bool heard = flaky->control >= 0;
    places[0] = (struct pollfd){.fd = flaky->listener, .events = POLLIN};
    places[1] =
        (struct pollfd){.fd = heard ? flaky->control : flaky->control_listener, .events = POLLIN};
    int wait = relay_fill(&flaky->relay, places + 2);
    if (poll(places, relay_place_count(&flaky->relay) + 2, wait) < 0)
        return;
    relay_serve(&flaky->relay, places + 2);
    if (places[1].revents != 0 && heard)
        take_control(flaky);
    else if (places[1].revents != 0)
        flaky->control = accept(flaky->control_listener, NULL, NULL);
    if (places[0].revents != 0)
        take_client(flaky);
}

static int serve(const char *listen, const char *server, const char *control)
{
    struct flaky flaky = {.relay = {.server = server}, .control = -1};
    struct pollfd *places = NULL;
    flaky.listener = test_unix_listen(listen);
    flaky.control_listener = flaky.listener < 0 ? -1 : test_unix_listen(control);
    if (flaky.control_listener < 0) {
        fprintf(stderr, "flaky_proxy: cannot listen: %s\n", strerror(errno));
        return 1;
    }
    for (;;) {
        size_t count = relay_place_count(&flaky.relay) + 2;
        struct pollfd *grown = realloc(places, count * sizeof(*places));
        if (!grown) {
            fprintf(stderr, "flaky_proxy: no memory\n");
            free(places);
            return 1;
        }
        places = grown;
        serve_once(&flaky, places);
    }
}

/* ---- The one who says a command ------------------------------------------------------------ */

static int await_proxy(const char *path)
{
    int control = -1;
    for (int i = 0; i < SAY_ATTEMPTS && (control = test_unix_connect(path)) < 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = SAY_PAUSE_MS * 1000000L}, NULL);
    return control;
}

static int say(const char *path, char **words)
{
    char line[LINE_MAX_LENGTH] = "", answer[LINE_MAX_LENGTH];
    size_t length = 0;
    for (; *words && length < sizeof(line); words++)
        length += (size_t)snprintf(line + length, sizeof(line) - length, "%s%c", *words,
                                   words[1] ? ' ' : '\n');
    int control = await_proxy(path);
    if (control < 0 || length >= sizeof(line) || send(control, line, length, MSG_NOSIGNAL) < 0) {
        fprintf(stderr, "flaky_proxy: cannot say it to %s: %s\n", path, strerror(errno));
        return 1;
    }
    ssize_t got = recv(control, answer, sizeof(answer) - 1, 0);
    answer[got > 0 ? got : 0] = '\0';
    close(control);
    fputs(answer, stdout);
    return strncmp(answer, "ok", 2) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *paths[3] = {NULL, NULL, NULL};
    const char *const names[3] = {"--listen", "--server", "--control"};
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
        for (size_t i = 0; i < 3; i++)
            if (strcmp(argv[at], names[i]) == 0)
                paths[i] = argv[at + 1];
    if (paths[2] && at < argc)
        return say(paths[2], argv + at);
    if (!paths[0] || !paths[1] || !paths[2] || at < argc) {
        fputs(USAGE, stderr);
        return 64;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return serve(paths[0], paths[1], paths[2]);
}
