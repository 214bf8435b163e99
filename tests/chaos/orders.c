/* Sends orders to a shop under fire, so many in so long a time, whatever becomes of the server, and
 * keeps a journal of what was accepted. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mix.h"
#include "sender.h"
#include "strays.h"

#define CATCH_UP_MS 120000 /* after the end, for what the server would not take before */
#define TELL_EVERY_MS 500

struct run {
    struct sender sender;
    struct chaos_random random, stray_random;
    struct strays strays;
    unsigned orders, sent;
    int64_t length_ms, begun_at, told_at;
    bool calm, lossy;
    const char *progress;
    FILE *journal;
};

static void usage(void)
{
    puts(
        "Usage: orders SOCKET SEED ORDERS SECONDS JOURNAL PROGRESS [calm|lossy]\n\n"
        "Sends ORDERS messages, spread over SECONDS, to the shop behind SOCKET; each until the\n"
        "server has accepted it. JOURNAL gets a line for each one accepted:\n"
        "  saga ID KIND STATES TIMES    it may end in these states\n"
        "  dead MARKER KIND - TIMES     it has to be among the dead letters\n"
        "  once CUSTOMER KIND - TIMES   the account has to be opened once\n"
        "TIMES is how often it was sent. PROGRESS holds \"<sent> <refused> <unknown>\" meanwhile.\n"
        "calm: nothing else disturbs the shop, so that each saga has one end only, and nothing\n"
        "is cancelled.");
}

/* ---- What was accepted ------------------------------------------------------------------- */

static void note(struct run *run, const char *what, const char *id, const char *kind,
                 const char *states, unsigned attempts)
{
    fprintf(run->journal, "%s %s %s %s %u\n", what, id, kind, states, attempts);
}

static void tell_progress(struct run *run, int always)
{
    FILE *file;
    int64_t now = chaos_now_ms();
    if (!always && now - run->told_at < TELL_EVERY_MS)
        return;
    run->told_at = now;
    fflush(run->journal);
    if ((file = fopen(run->progress, "w")) == NULL)
        return;
    fprintf(file, "%u %lu %lu\n", run->sent, run->sender.refused, run->sender.unknown);
    fclose(file);
}

/* ---- Sending ----------------------------------------------------------------------------- */

static bool accepted(struct run *run, int argc, const char **argv, unsigned *attempts)
{
    redisReply *reply = chaos_ask(&run->sender, argc, argv, attempts);
    if (reply == NULL)
        return false;
    freeReplyObject(reply);
    return true;
}

static bool send_order(struct run *run, unsigned number)
{
    struct chaos_order order;
    unsigned attempts = 0;
    chaos_compose_order(&run->random, number, &order);
    const char *start[] = {"XADD",   "{sagas}:commands", "*",           "type", "StartSaga", "saga",
                           order.id, "definition",       "chaos-order", "data", order.data};
    for (unsigned i = 0; i < order.times; i++)
        if (!accepted(run, 11, start, &attempts))
            return false;
    note(run, "saga", order.id, order.kind, run->calm ? order.calm : order.allowed, attempts);
    strays_know(&run->strays, order.id);
    return true;
}

static bool send_malformed(struct run *run, unsigned number)
{
    struct chaos_malformed malformed;
    const char *command[5 + CHAOS_FIELDS_MAX] = {"XADD", NULL, "*"};
    unsigned attempts = 0;
    int count = 3;
    chaos_compose_malformed(&run->random, number, &malformed);
    command[1] = malformed.stream;
    for (int i = 0; i < malformed.count; i++)
        command[count++] = malformed.fields[i];
    command[count++] = "subject";
    command[count++] = malformed.marker;
    if (!accepted(run, count, command, &attempts))
        return false;
    note(run, "dead", malformed.marker, malformed.kind, "-", attempts);
    return true;
}

/* The same command with the same id twice: carried out once. */
static bool open_account_twice(struct run *run, unsigned number)
{
    char customer[32], id[32], data[96];
    unsigned attempts = 0;
    snprintf(customer, sizeof customer, "x%u", number);
    snprintf(id, sizeof id, "open-x%u", number);
    snprintf(data, sizeof data, "{\"customerId\":\"%s\",\"balance\":%u}", customer, number % 1000);
    const char *command[] = {
        "XADD", "{payments}:commands", "*", "type", "OpenAccount", "id", id, "data", data};
    if (!accepted(run, 9, command, &attempts) || !accepted(run, 9, command, &attempts))
        return false;
    note(run, "once", customer, "account-twice", "-", attempts);
    return true;
}

/* ---- The run ----------------------------------------------------------------------------- */

static bool send_next(struct run *run)
{
    unsigned number = run->sent + 1;
    bool done =
        chaos_next_is_order(&run->random) ? send_order(run, number) : send_malformed(run, number);
    if (done && chaos_random_below(&run->stray_random, 50) == 0)
        done = open_account_twice(run, number);
    if (done && chaos_random_below(&run->stray_random, 10) == 0)
        done = strays_send(&run->strays, &run->sender, &run->stray_random, run->calm, run->lossy);
    run->sent += done;
    return done;
}

/* An open loop: what an outage has held up is made good as soon as it is over. */
static bool send_all(struct run *run)
{
    while (run->sent < run->orders) {
        int64_t due = run->begun_at + run->length_ms * run->sent / run->orders;
        int64_t wait = due - chaos_now_ms();
        if (wait > 0)
            chaos_sleep_ms(wait);
        if (!send_next(run))
            return false;
        tell_progress(run, 0);
    }
    return true;
}

int main(int argc, char **argv)
{
    struct run run = {0};
    bool reached;
    if (argc < 7 || argc > 8) {
        usage();
        return 64;
    }
    run.sender.socket = argv[1];
    run.random.state = strtoull(argv[2], NULL, 10);
    run.stray_random.state = run.random.state ^ 0x5bd1e995u;
    run.orders = (unsigned)strtoul(argv[3], NULL, 10);
    run.length_ms = (int64_t)strtoul(argv[4], NULL, 10) * 1000;
    run.journal = fopen(argv[5], "w");
    run.progress = argv[6];
    run.calm = argc == 8 && strcmp(argv[7], "calm") == 0;
    run.lossy = argc == 8 && strcmp(argv[7], "lossy") == 0;
    if (run.journal == NULL) {
        perror(argv[5]);
        return 73;
    }
    signal(SIGPIPE, SIG_IGN); /* hiredis writes with write(2) */
    run.begun_at = chaos_now_ms();
    run.sender.give_up_at_ms = run.begun_at + run.length_ms + CATCH_UP_MS;
    reached = send_all(&run);
    tell_progress(&run, 1);
    chaos_sender_close(&run.sender);
    fclose(run.journal);
    printf("%u of %u sent; %lu refused and %lu without an answer, sent again\n", run.sent,
           run.orders, run.sender.refused, run.sender.unknown);
    strays_print(&run.strays);
    return reached ? 0 : 1;
}
