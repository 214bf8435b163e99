/* Waits for a saga's end by asking for its state again and again. */
#include "programs/wait.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "programs/print.h"
#include "programs/values.h"
#include "redis/key_names.h"

#define PAUSE_FIRST_MS 10
#define PAUSE_LAST_MS 200
#define CONNECT_LIMIT_MS 1000
#define LETTERS_AT_ONCE "100"
/* Letters are looked for from this long before our entry: after a failover the new server's clock
 * may be behind. */
#define CLOCK_STEP_MS 60000

struct wait {
    struct weir_session *session;
    const char *saga, *entry;
    char dead_from[48]; /* where to go on in the dead letters */
    json_t *state, *reason;
    bool refused; /* its start has become a dead letter */
    int code;     /* -1: not ended */
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static int code_of(const char *state)
{
    if (strcmp(state, "completed") == 0)
        return WEIR_EXIT_FINE;
    if (strcmp(state, "compensated") == 0)
        return WEIR_EXIT_COMPENSATED;
    return strcmp(state, "suspended") == 0 ? WEIR_EXIT_SUSPENDED : -1;
}

static void take(json_t **place, json_t *value_take)
{
    json_decref(*place);
    *place = value_take;
}

static enum weir_status look_at_saga(struct wait *wait, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    weir_key_saga(key, wait->session->settings.prefix, wait->saga);
    redisReply *reply =
        weir_client_ask(&wait->session->client, error, "HMGET", key, "state", "reason", NULL);
    if (!reply)
        return error->status;
    take(&wait->state, weir_slice_json(weir_value_element(reply, 0)));
    take(&wait->reason, weir_slice_json(weir_value_element(reply, 1)));
    freeReplyObject(reply);
    if (json_is_string(wait->state))
        wait->code = code_of(json_string_value(wait->state));
    return WEIR_OK;
}

static bool is_ours(const struct wait *wait, const redisReply *letter)
{
    char replies[WEIR_KEY_MAX];
    weir_key_replies(replies, wait->session->settings.prefix);
    struct weir_slice entry = weir_value_field(letter, "entry");
    struct weir_slice stream = weir_value_field(letter, "stream");
    /* Entry ids are unique in their stream only. */
    return entry.at && weir_slice_equals(entry, wait->entry) &&
           !(stream.at && weir_slice_equals(stream, replies));
}

static void take_letters(struct wait *wait, const redisReply *letters)
{
    for (size_t i = 0; i < weir_value_count(letters); i++) {
        const redisReply *letter = letters->element[i];
        struct weir_slice id = weir_value_element(letter, 0);
        if (weir_value_count(letter) != 2 || !id.at)
            continue;
        snprintf(wait->dead_from, sizeof(wait->dead_from), "(%s", id.at);
        if (!is_ours(wait, letter->element[1]))
            continue;
        take(&wait->reason, weir_slice_json(weir_value_field(letter->element[1], "reason")));
        wait->refused = true;
        wait->code = WEIR_EXIT_FAILED;
        return;
    }
}

static enum weir_status look_at_letters(struct wait *wait, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    weir_key_dead(key, wait->session->settings.prefix, WEIR_SAGAS);
    redisReply *reply = weir_client_ask(&wait->session->client, error, "XRANGE", key,
                                        wait->dead_from, "+", "COUNT", LETTERS_AT_ONCE, NULL);
    if (!reply)
        return error->status;
    take_letters(wait, reply);
    freeReplyObject(reply);
    return WEIR_OK;
}

static enum weir_status reconnect(struct weir_session *session, struct weir_error *error)
{
    if (session->client.connection && session->client.connection->err == 0)
        return WEIR_OK;
    weir_client_close(&session->client);
    return weir_client_open(&session->client, &session->endpoint, CONNECT_LIMIT_MS, error);
}

/* Looks once; the error is one that waiting does not help against. */
static enum weir_status look(struct wait *wait, struct weir_error *error)
{
    struct weir_error first = {0};
    enum weir_status status = reconnect(wait->session, &first);
    if (status == WEIR_OK)
        status = look_at_saga(wait, &first);
    if (status == WEIR_OK && !json_is_string(wait->state))
        status = look_at_letters(wait, &first);
    if (status == WEIR_OK || status == WEIR_UNAVAILABLE || status == WEIR_UNKNOWN)
        return WEIR_OK;
    return weir_error_set(error, status, "%s", first.text);
}

static int print_state(const struct wait *wait)
{
    if (wait->session->settings.json)
        return weir_print_json(json_pack("{s:s, s:O?, s:O?}", "saga", wait->saga, "state",
                                         wait->state, "reason", wait->reason));
    struct weir_text line = {0};
    const char *state = json_string_value(wait->state);
    enum weir_colour colour = weir_state_colour(state ? state : "");
    weir_text_append_string(&line, weir_colour_begin(colour));
    weir_value_append(&line, wait->state);
    weir_text_append_string(&line, weir_colour_end(colour));
    if (json_string_length(wait->reason) > 0) {
        weir_text_append_string(&line, ": ");
        weir_value_append(&line, wait->reason);
    }
    weir_print_line(&line);
    weir_text_close(&line);
    return WEIR_EXIT_FINE;
}

static int end(const struct wait *wait)
{
    if (!wait->refused || wait->session->settings.json)
        print_state(wait);
    if (wait->refused)
        weir_remark("saga %s was not started: %s", wait->saga, json_string_value(wait->reason));
    return wait->code;
}

static int give_up(const struct wait *wait)
{
    bool begun = json_is_string(wait->state);
    if (begun || wait->session->settings.json)
        print_state(wait);
    if (begun)
        weir_remark("saga %s has not ended within %" PRId64 " s; look at it with: weir saga %s",
                    wait->saga, wait->session->settings.wait_s, wait->saga);
    else
        weir_remark("saga %s has not begun within %" PRId64 " s; is a coordinator running?",
                    wait->saga, wait->session->settings.wait_s);
    return WEIR_EXIT_WAITED;
}

static void pause_for(int64_t ms)
{
    /* A signal ends the pause, which is what it is for. */
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static int watch(struct wait *wait)
{
    struct weir_error error = {0};
    int64_t deadline = weir_clock_monotonic_ms() + wait->session->settings.wait_s * 1000;
    for (int64_t pause = PAUSE_FIRST_MS;; pause = pause * 3 / 2) {
        if (look(wait, &error) != WEIR_OK)
            return weir_fail_by(&error);
        if (wait->code >= 0)
            return end(wait);
        if (interrupted)
            return weir_fail(WEIR_EXIT_INTERRUPTED, "stopped waiting; saga %s goes on", wait->saga);
        int64_t left = deadline - weir_clock_monotonic_ms();
        if (left <= 0)
            return give_up(wait);
        if (pause > PAUSE_LAST_MS)
            pause = PAUSE_LAST_MS;
        pause_for(pause < left ? pause : left);
    }
}

int weir_wait_for_saga(struct weir_session *session, const char *saga, const char *entry)
{
    struct wait wait = {.session = session, .saga = saga, .entry = entry, .code = -1};
    /* A second Ctrl-C ends the program at once, should the server keep us waiting. */
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    int64_t entry_ms = strtoll(entry, NULL, 10);
    snprintf(wait.dead_from, sizeof(wait.dead_from), "%" PRId64,
             entry_ms > CLOCK_STEP_MS ? entry_ms - CLOCK_STEP_MS : 0);
    int code = watch(&wait);
    json_decref(wait.state);
    json_decref(wait.reason);
    return code;
}
