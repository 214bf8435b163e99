/* Notices that the server has gone back in time. */
#include "service/witness.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/text.h"
#include "redis/key_names.h"
#include "redis/reply.h"

#define LOOK_EVERY_MS 1000 /* for what a refused call has left to do */
#define SAGAS_SHOWN 600    /* bytes of their ids in a line */

/* ---- What may be gone -------------------------------------------------------------------- */

static size_t remembered(const struct weir_witness *witness)
{
    return witness->committed < WEIR_WITNESS_COMMITS ? (size_t)witness->committed
                                                     : WEIR_WITNESS_COMMITS;
}

/* The nth of those remembered, from the oldest on. */
static const struct weir_witnessed *commit_at(const struct weir_witness *witness, size_t n)
{
    uint64_t first = witness->committed - remembered(witness);
    return &witness->commits[(first + n) % WEIR_WITNESS_COMMITS];
}

/* The first of those remembered that the server may not know any more. */
static size_t first_in_doubt(const struct weir_witness *witness, int64_t left)
{
    size_t n = 0;
    while (n < remembered(witness) && commit_at(witness, n)->confirmed < left)
        n++;
    return n;
}

/* The commits of one stream's messages, for one line. */
struct doubted {
    const char *stream, *first, *last;
    size_t count;
    struct weir_text sagas;
};

static void say(const struct weir_witness *witness, struct doubted *doubted)
{
    if (doubted->count > 0)
        weir_log_error(witness->runtime->log, "commit.perhaps_lost",
                       "stream=%s commits=%zu first=%s last=%s sagas=%s", doubted->stream,
                       doubted->count, doubted->first, doubted->last,
                       doubted->sagas.length > 0 ? doubted->sagas.at : NULL);
    doubted->count = 0;
    weir_text_clear(&doubted->sagas);
}

/* Ids have no commas where weir makes them; with one, a saga may be named twice. */
static bool is_named(const struct weir_text *sagas, const char *saga)
{
    size_t length = strlen(saga);
    for (const char *at = sagas->at; at != NULL && (at = strstr(at, saga)) != NULL; at += length)
        if ((at == sagas->at || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

static void name_saga(struct weir_text *sagas, const char *saga)
{
    if (saga[0] != '\0' && (sagas->length == 0 || !is_named(sagas, saga)))
        weir_text_format(sagas, "%s%s", sagas->length > 0 ? "," : "", saga);
}

/* One line, or several where the ids of the sagas do not fit on one. */
static void report_stream(const struct weir_witness *witness, size_t n)
{
    struct doubted doubted = {.stream = commit_at(witness, n)->stream};
    for (; n < remembered(witness); n++) {
        const struct weir_witnessed *commit = commit_at(witness, n);
        if (commit->stream != doubted.stream)
            continue;
        if (doubted.sagas.length + strlen(commit->saga) > SAGAS_SHOWN)
            say(witness, &doubted);
        doubted.first = doubted.count++ == 0 ? commit->entry : doubted.first;
        doubted.last = commit->entry;
        name_saga(&doubted.sagas, commit->saga);
    }
    say(witness, &doubted);
    weir_text_close(&doubted.sagas);
}

/* Whether an earlier one of the commits in doubt is of the same stream. */
static bool reported_before(const struct weir_witness *witness, size_t first, size_t n)
{
    for (size_t i = first; i < n; i++)
        if (commit_at(witness, i)->stream == commit_at(witness, n)->stream)
            return true;
    return false;
}

static void report(struct weir_witness *witness, int64_t left)
{
    const struct weir_runtime *runtime = witness->runtime;
    size_t first = first_in_doubt(witness, left);
    bool more = first == 0 && witness->committed > WEIR_WITNESS_COMMITS;
    witness->went_back++;
    weir_log_error(runtime->log, "server.went_back",
                   "server=%s key=%s known=%lld found=%lld commits=%zu more=%s",
                   runtime->endpoint->shown, witness->key, (long long)witness->confirmed,
                   (long long)left, remembered(witness) - first,
                   more ? "those before them are not remembered" : NULL);
    for (size_t i = first; i < remembered(witness); i++)
        if (!reported_before(witness, first, i))
            report_stream(witness, i);
    witness->committed = 0;
}

/* ---- Calls ------------------------------------------------------------------------------- */

static bool call_witness(void *user, struct weir_periodic *periodic)
{
    struct weir_witness *witness = user;
    if (!witness->wanted || !weir_periodic_send(periodic, 5,
                                                (const char *[]){"FCALL", "weir_witness", "1",
                                                                 witness->key, witness->name}))
        return false;
    witness->wanted = false;
    witness->sent_at = weir_clock_monotonic_ms();
    return true;
}

void weir_witness_heard(struct weir_witness *witness)
{
    int64_t now = weir_clock_monotonic_ms();
    if (witness->heard_at != 0 && now - witness->heard_at > WEIR_WITNESS_GONE_MS)
        witness->silent = true;
    witness->heard_at = now;
}

/* A worker that others had taken for gone begins anew; else its number only grows. */
static int64_t on_answer(void *user, const redisReply *reply)
{
    struct weir_witness *witness = user;
    int64_t number = 0;
    if (!weir_reply_integer(reply, &number))
        return -1;
    weir_witness_heard(witness);
    if (number <= witness->confirmed && !(witness->silent && number == 1))
        report(witness, number - 1);
    witness->confirmed = number;
    witness->silent = false;
    return witness->wanted ? WEIR_WITNESS_EVERY_MS : -1;
}

/* It is asked for again. */
static void on_refused(void *user, enum weir_refusal refusal)
{
    struct weir_witness *witness = user;
    (void)refusal;
    witness->wanted = true;
}

static void want(struct weir_witness *witness)
{
    int64_t waited = weir_clock_monotonic_ms() - witness->sent_at;
    if (witness->wanted)
        return;
    witness->wanted = true;
    weir_periodic_hasten(&witness->calls,
                         waited < WEIR_WITNESS_EVERY_MS ? WEIR_WITNESS_EVERY_MS - waited : 0);
}

void weir_witness_note(struct weir_witness *witness, const char *stream, const char *entry,
                       const char *saga)
{
    struct weir_witnessed *commit = &witness->commits[witness->committed % WEIR_WITNESS_COMMITS];
    commit->stream = stream;
    commit->confirmed = witness->confirmed;
    weir_copy(commit->entry, sizeof commit->entry, entry);
    weir_copy(commit->saga, sizeof commit->saga, saga != NULL ? saga : "");
    witness->committed++;
    want(witness);
}

void weir_witness_doubt(struct weir_witness *witness)
{
    if (witness->confirmed == 0)
        return; /* nothing was committed yet */
    witness->wanted = true;
    weir_periodic_hasten(&witness->calls, 0);
}

/* ---- Life -------------------------------------------------------------------------------- */

void weir_witness_init(struct weir_witness *witness, const struct weir_runtime *runtime)
{
    memset(witness, 0, sizeof *witness);
    witness->runtime = runtime;
    snprintf(witness->name, sizeof witness->name, "%s %016" PRIx64, runtime->consumer,
             weir_random_seed());
    weir_key_witness(witness->key, runtime->prefix, runtime->service);
    weir_periodic_init(&witness->calls, runtime->loop, runtime->link, runtime->log, "witness",
                       LOOK_EVERY_MS, witness);
    witness->calls.call = call_witness;
    witness->calls.answered = on_answer;
    witness->calls.refused = on_refused;
}

void weir_witness_start(struct weir_witness *witness)
{
    weir_periodic_start(&witness->calls);
}

void weir_witness_stop(struct weir_witness *witness)
{
    weir_periodic_stop(&witness->calls);
}
