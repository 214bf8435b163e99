/* One thread for each command that is done and whose durability is waited for. */
#include "call/confirming.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"
#include "call/outgoing.h"

#define AT_ONCE 64
#define CONNECT_LIMIT_MS 1000

struct wait {
    struct weir_errand errand;
    struct weir_confirming *confirming;
    char service[65];
    weir_desk_called *answered;
    void *user;
    enum weir_call_result result;
    struct weir_call_answer answer;
};

static void answer(struct weir_errand *errand)
{
    struct wait *wait = (struct wait *)errand;
    wait->answered(wait->user, wait->result, &wait->answer);
    free(wait);
}

static const struct weir_errand_kind kind = {.counts = WEIR_COUNTS_SENDING, .answer = answer};

static enum weir_errand_end end_of(const struct wait *wait, const struct weir_client *client)
{
    if (wait->result == WEIR_CALL_DONE)
        return WEIR_ERRAND_ANSWERED;
    if (wait->errand.deadline <= weir_clock_monotonic_ms())
        return WEIR_ERRAND_TIMED_OUT;
    return weir_client_connected(client) ? WEIR_ERRAND_ANSWERED : WEIR_ERRAND_UNREACHABLE;
}

static void carry_out(struct wait *wait)
{
    const struct weir_confirming *confirming = wait->confirming;
    struct weir_client client;
    struct weir_error error = {0};
    struct weir_call_answer confirmed;
    struct weir_outgoing outgoing = {
        .prefix = confirming->prefix, .service = wait->service, .id = wait->answer.id};
    wait->result = WEIR_CALL_UNKNOWN;
    if (weir_client_open(&client, confirming->endpoint, CONNECT_LIMIT_MS, &error) != WEIR_OK) {
        weir_call_reason(&wait->answer, weir_slice_of(error.text));
        wait->errand.end = WEIR_ERRAND_UNREACHABLE;
        return;
    }
    wait->result = weir_outgoing_confirm(
        &outgoing, &client, wait->errand.deadline - weir_clock_monotonic_ms(), &confirmed);
    wait->errand.end = end_of(wait, &client);
    snprintf(confirmed.entry, sizeof confirmed.entry, "%s", wait->answer.entry);
    wait->answer = confirmed;
    weir_client_close(&client);
}

static bool take_place(struct weir_confirming *confirming)
{
    bool free_place;
    pthread_mutex_lock(&confirming->mutex);
    free_place = confirming->running < AT_ONCE;
    confirming->running += free_place ? 1 : 0;
    pthread_mutex_unlock(&confirming->mutex);
    return free_place;
}

static void leave_place(struct weir_confirming *confirming)
{
    pthread_mutex_lock(&confirming->mutex);
    confirming->running--;
    pthread_cond_broadcast(&confirming->changed);
    pthread_mutex_unlock(&confirming->mutex);
}

static void *run(void *user)
{
    struct wait *wait = user;
    struct weir_confirming *confirming = wait->confirming;
    carry_out(wait);
    wait->errand.ended = true;
    confirming->hand_back(confirming->desk, &wait->errand);
    leave_place(confirming);
    return NULL;
}

static bool start_thread(struct wait *wait)
{
    pthread_t thread;
    bool started = weir_thread_start(&thread, run, wait) == 0;
    if (started)
        pthread_detach(thread);
    return started;
}

bool weir_confirming_add(struct weir_confirming *confirming, const struct weir_errand *done,
                         const struct weir_call_answer *answer, const char *service,
                         weir_desk_called *answered, void *user)
{
    struct wait *wait;
    if (!take_place(confirming))
        return false;
    wait = calloc(1, sizeof *wait);
    if (wait != NULL) {
        *wait = (struct wait){.errand = {.kind = &kind,
                                         .deadline = done->deadline,
                                         .begun_ns = done->begun_ns,
                                         .weight = 1},
                              .confirming = confirming,
                              .answered = answered,
                              .user = user,
                              .answer = *answer};
        snprintf(wait->service, sizeof wait->service, "%s", service);
        if (start_thread(wait))
            return true;
    }
    free(wait);
    leave_place(confirming);
    return false;
}

bool weir_confirming_begin(struct weir_confirming *confirming)
{
    return pthread_mutex_init(&confirming->mutex, NULL) == 0 &&
           pthread_cond_init(&confirming->changed, NULL) == 0;
}

void weir_confirming_await(struct weir_confirming *confirming)
{
    pthread_mutex_lock(&confirming->mutex);
    while (confirming->running > 0)
        pthread_cond_wait(&confirming->changed, &confirming->mutex);
    pthread_mutex_unlock(&confirming->mutex);
}

void weir_confirming_end(struct weir_confirming *confirming)
{
    pthread_cond_destroy(&confirming->changed);
    pthread_mutex_destroy(&confirming->mutex);
}
