/* Waits by asking for a saga's state again and again. */
#include "commands/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "commands/interrupt.h"
#include "commands/print.h"
#include "commands/saga_tokens.h"
#include "commands/unbegun.h"
#include "commands/values.h"
#include "redis/key_names.h"

#define ORDER_LIMIT_MS 5000
#define PAUSE_FIRST_MS 10
#define PAUSE_LAST_MS 200
#define LETTERS_AT_ONCE "100"
/* Letters are looked for from this long before our entry: after a failover the new server's clock
 * may be behind. */
#define CLOCK_STEP_MS 60000

struct wait {
    struct weir_session *session;
    const struct weir_awaited *awaited;
    char dead_from[48]; /* where to go on in the dead letters */
    json_t *state, *reason;
    json_t *refusal; /* a string: it has become a dead letter */
    bool taken;      /* the entry has left the inbox */
    bool handled;    /* the saga has begun; the order has been carried out */
    int code;        /* -1: go on waiting */
};

static int code_of(const char *state)
{
    if (!state)
        return -1;
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

/* ---- Looking ----------------------------------------------------------------------------- */

static enum weir_status look_at_inbox(struct wait *wait, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    const char *entry = wait->awaited->entry;
    weir_key_commands(key, wait->session->settings.prefix, WEIR_SAGAS);
    redisReply *reply =
        weir_client_ask(&wait->session->client, error, "XRANGE", key, entry, entry, NULL);
    if (!reply)
        return error->status;
    wait->taken = weir_value_count(reply) == 0;
    freeReplyObject(reply);
    return WEIR_OK;
}

static bool is_ours(const struct wait *wait, const redisReply *letter)
{
    char replies[WEIR_KEY_MAX];
    weir_key_replies(replies, wait->session->settings.prefix);
    struct weir_slice entry = weir_value_field(letter, "entry");
    struct weir_slice stream = weir_value_field(letter, "stream");
    /* Entry ids are unique in their stream only. */
    return entry.at && weir_slice_equals(entry, wait->awaited->entry) &&
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
        take(&wait->refusal, weir_slice_json(weir_value_field(letter->element[1], "reason")));
        if (!json_is_string(wait->refusal))
            take(&wait->refusal, json_string("no reason given"));
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

/* An order that has left the inbox without a letter and without a trace in the saga has been put
 * off, and will be tried again. */
static void judge(struct wait *wait, struct weir_slice revision)
{
    int64_t number = 0;
    bool moved = !weir_slice_integer(revision, &number) || number != wait->awaited->revision;
    if (wait->awaited->order)
        wait->handled = wait->handled || (wait->taken && moved);
    else
        wait->handled = json_is_string(wait->state);
    if (wait->refusal)
        wait->code = WEIR_EXIT_FAILED;
    else if (wait->handled && wait->session->settings.wait_s == 0)
        wait->code = WEIR_EXIT_FINE;
    else if (wait->handled)
        wait->code = code_of(json_string_value(wait->state));
}

static enum weir_status look_at_saga(struct wait *wait, struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    weir_key_saga(key, wait->session->settings.prefix, wait->awaited->saga);
    redisReply *reply = weir_client_ask(&wait->session->client, error, "HMGET", key, "state",
                                        "reason", "revision", NULL);
    if (!reply)
        return error->status;
    take(&wait->state, weir_slice_json(weir_value_element(reply, 0)));
    take(&wait->reason, weir_slice_json(weir_value_element(reply, 1)));
    judge(wait, weir_value_element(reply, 2));
    freeReplyObject(reply);
    return WEIR_OK;
}

/* Looks once; the error is one that waiting does not help against. The order of the questions
 * matters: an entry leaves the inbox together with all that it has brought about. */
static enum weir_status look(struct wait *wait, struct weir_error *error)
{
    struct weir_error first = {0};
    enum weir_status status = weir_session_reconnect(wait->session, &first);
    if (status == WEIR_OK && !wait->handled && wait->awaited->order)
        status = look_at_inbox(wait, &first);
    if (status == WEIR_OK && !wait->handled)
        status = look_at_letters(wait, &first);
    if (status == WEIR_OK)
        status = look_at_saga(wait, &first);
    if (status == WEIR_OK || status == WEIR_UNAVAILABLE || status == WEIR_UNKNOWN)
        return WEIR_OK;
    return weir_error_set(error, status, "%s", first.text);
}

/* ---- Telling ----------------------------------------------------------------------------- */

static void print_line(const struct weir_awaited *awaited, const json_t *state,
                       const json_t *reason)
{
    struct weir_text line = {0};
    const char *word = json_string_value(state);
    enum weir_colour colour = weir_state_colour(word ? word : "");
    if (awaited->named)
        weir_text_format(&line, "%s: ", awaited->saga);
    weir_text_append_string(&line, weir_colour_begin(colour));
    weir_value_append(&line, state);
    weir_text_append_string(&line, weir_colour_end(colour));
    if (json_string_length(reason) > 0) {
        weir_text_append_string(&line, ": ");
        weir_value_append(&line, reason);
    }
    weir_print_line(&line);
    weir_text_close(&line);
}

static void print_tokens(const json_t *tokens)
{
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        struct weir_text line = {0};
        weir_text_append_string(&line, "token ");
        weir_value_append(&line, json_array_get(tokens, i));
        weir_print_line(&line);
        weir_text_close(&line);
    }
}

void weir_saga_print(const struct weir_session *session, const struct weir_awaited *awaited,
                     const json_t *state, const json_t *reason, const char *error)
{
    if (!session->settings.json) {
        if (!error) {
            print_line(awaited, state, reason);
            print_tokens(awaited->tokens);
        }
        return;
    }
    json_t *line =
        json_pack("{s:s, s:O?, s:O?}", "saga", awaited->saga, "state", state, "reason", reason);
    if (awaited->order)
        json_object_set_new(line, "error", error ? json_string(error) : json_null());
    else
        json_object_set_new(line, "tokens",
                            awaited->tokens ? json_incref(awaited->tokens) : json_array());
    if (session->settings.dry_run)
        json_object_set_new(line, "dryRun", json_true());
    weir_print_json(line);
}

static int end(const struct wait *wait)
{
    const struct weir_awaited *awaited = wait->awaited;
    const char *refusal = json_string_value(wait->refusal);
    struct weir_awaited told = *awaited;
    if (!refusal && !awaited->order)
        told.tokens = weir_saga_tokens(wait->session, awaited->saga);
    weir_saga_print(wait->session, &told, wait->state,
                    refusal && !awaited->order ? wait->refusal : wait->reason, refusal);
    json_decref(told.tokens);
    if (refusal)
        weir_remark("saga %s%s: %s", awaited->saga, awaited->order ? "" : " was not started",
                    refusal);
    return wait->code;
}

/* A start that is held begins when there is room, whoever runs. */
static bool tell_held(const struct wait *wait, char *sentence, size_t room)
{
    struct weir_unbegun found = {0};
    struct weir_error error = {0};
    struct weir_text line = {0};
    bool held = !wait->awaited->order &&
                weir_unbegun_find(wait->session, wait->awaited->saga, &found, &error) == WEIR_OK &&
                found.kind == WEIR_UNBEGUN_HELD;
    if (held)
        weir_unbegun_append(&line, &found, 0);
    if (held)
        snprintf(sentence, room, "saga %s %s", wait->awaited->saga, line.at ? line.at : "is held");
    weir_text_close(&line);
    weir_unbegun_close(&found);
    return held;
}

static void tell_what_is_missing(const struct wait *wait, char *sentence, size_t room)
{
    const char *saga = wait->awaited->saga;
    int64_t seconds = weir_wait_limit_ms(wait->session) / 1000;
    if (wait->handled)
        snprintf(sentence, room,
                 "saga %s has not ended within %" PRId64 " s; look at it with: weir saga %s", saga,
                 seconds, saga);
    else if (wait->awaited->order)
        snprintf(sentence, room,
                 "saga %s: the order was sent, but has not been carried out within %" PRId64
                 " s; is a coordinator running?",
                 saga, seconds);
    else if (!tell_held(wait, sentence, room))
        snprintf(sentence, room,
                 "saga %s has not begun within %" PRId64 " s; is a coordinator running?", saga,
                 seconds);
}

static int give_up(const struct wait *wait)
{
    char sentence[512];
    tell_what_is_missing(wait, sentence, sizeof(sentence));
    if (wait->handled || wait->session->settings.json)
        weir_saga_print(wait->session, wait->awaited, wait->state, wait->reason,
                        wait->handled ? NULL : sentence);
    weir_remark("%s", sentence);
    return WEIR_EXIT_WAITED;
}

/* ---- Waiting ----------------------------------------------------------------------------- */

static int watch(struct wait *wait, int64_t deadline)
{
    struct weir_error error = {0};
    for (int64_t pause = PAUSE_FIRST_MS;; pause = pause * 3 / 2) {
        if (look(wait, &error) != WEIR_OK)
            return weir_fail_by(&error);
        if (wait->code >= 0)
            return end(wait);
        if (weir_interrupted())
            return weir_fail(WEIR_EXIT_INTERRUPTED, "stopped waiting; saga %s goes on",
                             wait->awaited->saga);
        int64_t left = deadline - weir_clock_monotonic_ms();
        if (left <= 0)
            return give_up(wait);
        if (pause > PAUSE_LAST_MS)
            pause = PAUSE_LAST_MS;
        weir_pause_ms(pause < left ? pause : left);
    }
}

int64_t weir_wait_limit_ms(const struct weir_session *session)
{
    int64_t seconds = session->settings.wait_s;
    return seconds > 0 ? seconds * 1000 : ORDER_LIMIT_MS;
}

int weir_wait(struct weir_session *session, const struct weir_awaited *awaited, int64_t deadline)
{
    struct wait wait = {
        .session = session, .awaited = awaited, .handled = awaited->entry[0] == '\0', .code = -1};
    weir_interrupt_catch();
    int64_t entry_ms = strtoll(awaited->entry, NULL, 10);
    snprintf(wait.dead_from, sizeof(wait.dead_from), "%" PRId64,
             entry_ms > CLOCK_STEP_MS ? entry_ms - CLOCK_STEP_MS : 0);
    int code = watch(&wait, deadline);
    json_decref(wait.state);
    json_decref(wait.reason);
    json_decref(wait.refusal);
    return code;
}
