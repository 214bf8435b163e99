/* Connections between clients and a server, and a bad line between them. */
#define _GNU_SOURCE /* memmem */
#include "support/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support/resp.h"
#include "support/unix_socket.h"

#define PIECE_MAX 65536
#define QUEUED_MAX (1u << 20)
#define CREDIT_MS 20 /* a slow line's shortest pause */

struct piece {
    struct piece *next;
    long long due; /* monotonic ms */
    size_t length, sent;
    char bytes[];
};

struct flow {
    int from, to;
    struct piece *first, *last;
    size_t queued;
    bool ended, cut; /* nothing more comes; and that is a trap's doing */
    double credit;   /* bytes that may pass now, of a limited rate */
    long long credited_at, last_due;
};

struct relay_connection {
    struct relay_connection *next;
    struct flow flows[2];                      /* by enum relay_direction */
    bool awaits_answer;                        /* the trap's word has passed */
    unsigned long long asked, answered, meant; /* commands, answers; the one to be replaced */
    bool forsaken;
    bool robbed; /* bytes or an end were swallowed */
    bool reset;
};

static long long now_ms(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_dark(const struct relay *relay, const struct relay_connection *connection)
{
    return connection->forsaken || relay->mode == RELAY_BLACK_HOLE;
}

/* ---- Life of a connection ------------------------------------------------------------------ */

static void reset(struct relay *relay, struct relay_connection *connection)
{
    relay->counts.resets += !connection->reset;
    connection->reset = true;
}

static void free_connection(struct relay_connection *connection)
{
    for (size_t i = 0; i < 2; i++)
        for (struct piece *piece = connection->flows[i].first, *next; piece; piece = next) {
            next = piece->next;
            free(piece);
        }
    close(connection->flows[RELAY_REQUESTS].from);
    close(connection->flows[RELAY_ANSWERS].from);
    free(connection);
}

static bool is_over(const struct relay *relay, const struct relay_connection *connection)
{
    bool over = connection->reset;
    for (size_t i = 0; i < 2; i++)
        over = over || (connection->flows[i].ended && !connection->flows[i].first &&
                        !is_dark(relay, connection) && relay->mode != RELAY_STALL);
    return over;
}

static void clear_away(struct relay *relay)
{
    for (struct relay_connection **place = &relay->first, *connection; (connection = *place);) {
        if (!is_over(relay, connection)) {
            place = &connection->next;
            continue;
        }
        relay->counts.resets += !connection->reset && (connection->flows[RELAY_REQUESTS].cut ||
                                                       connection->flows[RELAY_ANSWERS].cut);
        *place = connection->next;
        free_connection(connection);
        relay->present--;
    }
}

void relay_take(struct relay *relay, int client)
{
    struct relay_connection *connection = calloc(1, sizeof(*connection));
    int server = connection ? test_unix_connect(relay->server) : -1;
    if (server < 0) {
        relay->counts.refused++;
        free(connection);
        close(client);
        return;
    }
    connection->flows[RELAY_REQUESTS] = (struct flow){.from = client, .to = server};
    connection->flows[RELAY_ANSWERS] = (struct flow){.from = server, .to = client};
    connection->next = relay->first;
    relay->first = connection;
    relay->present++;
    relay->counts.accepted++;
}

void relay_reset_all(struct relay *relay)
{
    for (struct relay_connection *each = relay->first; each; each = each->next)
        reset(relay, each);
    clear_away(relay);
}

void relay_forsake(struct relay *relay)
{
    for (struct relay_connection *each = relay->first; each; each = each->next)
        each->forsaken = true;
}

void relay_heal(struct relay *relay)
{
    relay->mode = RELAY_PASS;
    relay->rate = relay->slice = relay->delay = relay->jitter = relay->losing = 0;
    relay->trap.armed = false;
    for (struct relay_connection *each = relay->first; each; each = each->next) {
        each->forsaken = each->awaits_answer = false;
        for (size_t i = 0; i < 2; i++)
            for (struct piece *piece = each->flows[i].first; piece; piece = piece->next)
                piece->due = 0;
        if (each->robbed)
            reset(relay, each);
    }
    clear_away(relay);
}

/* ---- What is on its way -------------------------------------------------------------------- */

static unsigned long long jitter(struct relay *relay)
{
    relay->random = relay->random * 6364136223846793005u + 1442695040888963407u;
    return relay->jitter ? (relay->random >> 33) % (relay->jitter + 1) : 0;
}

static bool keep(struct relay *relay, struct flow *flow, const char *bytes, size_t length)
{
    struct piece *piece = length > 0 ? malloc(sizeof(*piece) + length) : NULL;
    if (!piece)
        return length == 0;
    long long due = now_ms() + (long long)(relay->delay + jitter(relay));
    if (due < flow->last_due) /* what came first goes first */
        due = flow->last_due;
    *piece = (struct piece){.due = due, .length = length};
    flow->last_due = due;
    memcpy(piece->bytes, bytes, length);
    *(flow->first ? &flow->last->next : &flow->first) = piece;
    flow->last = piece;
    flow->queued += length;
    return true;
}

/* ---- Traps --------------------------------------------------------------------------------- */

/* How many bytes of the piece go on, where it is the one that the trap is set for. */
static size_t spring(struct relay *relay, struct flow *flow, size_t length)
{
    relay->trap.armed = false;
    if (relay->trap.left > length) {
        relay->counts.passed++;
        return length;
    }
    flow->cut = flow->ended = true;
    return (size_t)relay->trap.left;
}

/* Where the command begins that holds the word: what comes in one piece may be several. */
static size_t command_start(const char *bytes, const char *word)
{
    const char *at = word;
    while (at > bytes && !(at[0] == '*' && at[-1] == '\n'))
        at--;
    return (size_t)(at - bytes);
}

static size_t pass_word_trap(struct relay *relay, struct relay_connection *connection,
                             enum relay_direction direction, const char *bytes, size_t length)
{
    struct relay_trap *trap = &relay->trap;
    const char *word =
        direction == RELAY_REQUESTS ? memmem(bytes, length, trap->word, strlen(trap->word)) : NULL;
    size_t before = word ? command_start(bytes, word) : 0;
    if (!word && !(direction == RELAY_ANSWERS && connection->awaits_answer))
        return length;
    connection->awaits_answer = word && trap->direction == RELAY_ANSWERS;
    return trap->direction == direction
               ? before + spring(relay, &connection->flows[direction], length - before)
               : length;
}

/* How many of the bytes go on. */
static size_t pass_traps(struct relay *relay, struct relay_connection *connection,
                         enum relay_direction direction, const char *bytes, size_t length)
{
    struct relay_trap *trap = &relay->trap;
    if (direction == RELAY_ANSWERS && relay->losing > 0) {
        relay->losing--;
        relay->counts.lost++;
        reset(relay, connection);
        return 0;
    }
    if (!trap->armed || trap->instead[0])
        return length;
    if (trap->word[0])
        return pass_word_trap(relay, connection, direction, bytes, length);
    if (trap->direction != direction)
        return length;
    if (trap->left <= length)
        return spring(relay, &connection->flows[direction], length);
    trap->left -= length;
    return length;
}

/* ---- Answers in place of others ------------------------------------------------------------ */

static void count_requests(struct relay *relay, struct relay_connection *connection,
                           const char *bytes, size_t length)
{
    const struct relay_trap *trap = &relay->trap;
    for (size_t one; (one = test_resp_length(bytes, length)) > 0; bytes += one, length -= one) {
        connection->asked++;
        if (trap->armed && trap->instead[0] && !connection->meant &&
            memmem(bytes, one, trap->word, strlen(trap->word)))
            connection->meant = connection->asked;
    }
}

/* Sends the answers on, all but the one; false: no memory. */
static bool pass_answers(struct relay *relay, struct relay_connection *connection,
                         const char *bytes, size_t length)
{
    struct flow *flow = &connection->flows[RELAY_ANSWERS];
    size_t at = 0;
    for (size_t one; (one = test_resp_length(bytes + at, length - at)) > 0;) {
        at += one;
        if (++connection->answered != connection->meant)
            continue;
        connection->meant = 0;
        if (!relay->trap.armed)
            continue;
        relay->trap.armed = false;
        relay->counts.replaced++;
        return keep(relay, flow, bytes, at - one) &&
               keep(relay, flow, relay->trap.instead, strlen(relay->trap.instead)) &&
               pass_answers(relay, connection, bytes + at, length - at);
    }
    return keep(relay, flow, bytes, length);
}

/* ---- Bytes --------------------------------------------------------------------------------- */

static void read_some(struct relay *relay, struct relay_connection *connection,
                      enum relay_direction direction)
{
    static char bytes[PIECE_MAX];
    struct flow *flow = &connection->flows[direction];
    ssize_t got = recv(flow->from, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        flow->ended = true;
    if (is_dark(relay, connection)) {
        connection->robbed = true;
        relay->counts.swallowed += got > 0 ? (unsigned long long)got : 0;
    } else if (got > 0) {
        size_t length = pass_traps(relay, connection, direction, bytes, (size_t)got);
        if (direction == RELAY_REQUESTS)
            count_requests(relay, connection, bytes, length);
        if (direction == RELAY_ANSWERS ? !pass_answers(relay, connection, bytes, length)
                                       : !keep(relay, flow, bytes, length))
            reset(relay, connection);
    }
}

static void earn_credit(const struct relay *relay, struct flow *flow)
{
    long long now = now_ms();
    double most = (double)relay->rate * CREDIT_MS / 1000. + 1.;
    flow->credit += (double)relay->rate * (double)(now - flow->credited_at) / 1000.;
    if (flow->credit > most)
        flow->credit = most;
    flow->credited_at = now;
}

/* How long until something may be written; -1: there is nothing. */
static int wait_of(const struct relay *relay, struct flow *flow)
{
    if (!flow->first)
        return -1;
    long long early = flow->first->due - now_ms();
    if (early > 0)
        return (int)early;
    if (relay->rate == 0)
        return 0;
    earn_credit(relay, flow);
    if (flow->credit >= 1.)
        return 0;
    double ms = (1. - flow->credit) * 1000. / (double)relay->rate;
    return ms < CREDIT_MS ? CREDIT_MS : (int)ms + 1;
}

static size_t share_of(const struct relay *relay, const struct flow *flow)
{
    size_t length = flow->first->length - flow->first->sent;
    if (relay->slice > 0 && relay->slice < length)
        length = (size_t)relay->slice;
    if (relay->rate > 0 && (size_t)flow->credit < length)
        length = (size_t)flow->credit;
    return length;
}

/* One write, or as many as the line takes where it is not limited. */
static void write_some(struct relay *relay, struct relay_connection *connection,
                       enum relay_direction direction)
{
    struct flow *flow = &connection->flows[direction];
    bool limited = relay->slice > 0 || relay->rate > 0;
    do {
        struct piece *piece = flow->first;
        ssize_t sent = send(flow->to, piece->bytes + piece->sent, share_of(relay, flow),
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            reset(relay, connection);
        if (sent <= 0)
            return;
        piece->sent += (size_t)sent;
        flow->queued -= (size_t)sent;
        flow->credit -= (double)sent;
        *(direction == RELAY_REQUESTS ? &relay->counts.requests : &relay->counts.answers) +=
            (unsigned long long)sent;
        if (piece->sent == piece->length) {
            flow->first = piece->next;
            free(piece);
        }
    } while (!limited && wait_of(relay, flow) == 0);
}

/* ---- The loop ------------------------------------------------------------------------------ */

size_t relay_place_count(const struct relay *relay)
{
    return 2 * relay->present;
}

/* One without events has to be left out: poll would tell of its hang-up for ever. */
static void close_place(struct pollfd *place)
{
    if (place->events == 0)
        place->fd = -1;
}

int relay_fill(struct relay *relay, struct pollfd *places)
{
    int most = -1;
    for (struct relay_connection *each = relay->first; each; each = each->next, places += 2) {
        bool dark = is_dark(relay, each), still = relay->mode == RELAY_STALL && !dark;
        for (size_t i = 0; i < 2; i++)
            places[i] = (struct pollfd){.fd = each->flows[i].from};
        for (size_t i = 0; i < 2 && !still; i++) {
            struct flow *flow = &each->flows[i];
            int wait = dark ? -1 : wait_of(relay, flow);
            if (!flow->ended && flow->queued < QUEUED_MAX)
                places[i].events |= POLLIN;
            if (wait == 0)
                places[1 - i].events |= POLLOUT;
            else if (wait > 0 && (most < 0 || wait < most))
                most = wait;
        }
        close_place(&places[0]);
        close_place(&places[1]);
    }
    return most;
}

void relay_serve(struct relay *relay, const struct pollfd *places)
{
    const short arrived = POLLIN | POLLHUP | POLLERR, writable = POLLOUT | POLLHUP | POLLERR;
    for (struct relay_connection *each = relay->first; each; each = each->next, places += 2)
        for (size_t i = 0; i < 2; i++) {
            if (places[i].events & POLLIN && places[i].revents & arrived && !each->reset)
                read_some(relay, each, (enum relay_direction)i);
            if (places[1 - i].events & POLLOUT && places[1 - i].revents & writable && !each->reset)
                write_some(relay, each, (enum relay_direction)i);
        }
    clear_away(relay);
}
