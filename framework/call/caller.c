/* The calls from outside a service: one blocking connection that is made anew where it was lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pipe_guard.h"
#include "call/asking.h"
#include "call/current.h"
#include "call/outgoing.h"
#include "call/patience.h"
#include "call/prefix.h"
#include "call/starting.h"
#include "call/turns.h"
#include "message/envelope.h"
#include "redis/endpoint.h"

struct weir_caller {
    struct weir_endpoint endpoint;
    struct weir_client client;
    char prefix[WEIR_PREFIX_MAX + 1];
};

/* ---- The connection ---------------------------------------------------------------------- */

static enum weir_status connect_anew(struct weir_caller *caller, int64_t limit_ms,
                                     struct weir_error *error)
{
    if (weir_client_connected(&caller->client))
        return WEIR_OK;
    weir_client_close(&caller->client);
    return weir_client_open(&caller->client, &caller->endpoint, limit_ms, error);
}

static int64_t connect_limit(int64_t limit_ms)
{
    if (limit_ms > WEIR_ANSWER_LIMIT_MS)
        return WEIR_ANSWER_LIMIT_MS;
    return limit_ms < 200 ? 200 : limit_ms;
}

weir_caller *weir_caller_open(const char *url, const char *prefix, char *why, size_t room)
{
    struct weir_error error = {0};
    struct weir_pipe_guard guard;
    weir_caller *caller = calloc(1, sizeof *caller);
    if (caller == NULL) {
        snprintf(why, room, "memory ran out");
        return NULL;
    }
    weir_pipe_guard_hold(&guard);
    if (weir_prefix_take(prefix, caller->prefix, &error) != WEIR_OK ||
        weir_endpoint_parse(url, &caller->endpoint, &error) != WEIR_OK ||
        connect_anew(caller, WEIR_ANSWER_LIMIT_MS, &error) != WEIR_OK) {
        snprintf(why, room, "%s", error.text);
        weir_caller_close(caller);
        caller = NULL;
    }
    weir_pipe_guard_release(&guard);
    return caller;
}

void weir_caller_close(weir_caller *caller)
{
    if (caller == NULL)
        return;
    weir_client_close(&caller->client);
    weir_endpoint_close(&caller->endpoint);
    free(caller);
}

/* ---- Commands ---------------------------------------------------------------------------- */

static enum weir_call_result end(struct weir_call_answer *answer, const char *id,
                                 enum weir_call_result result, const struct weir_error *error)
{
    memset(answer, 0, sizeof *answer);
    snprintf(answer->id, sizeof answer->id, "%s", id);
    snprintf(answer->reason, sizeof answer->reason, "%s", error->text);
    answer->not_taken = true;
    return result;
}

static enum weir_call_result call(weir_caller *caller, struct weir_outgoing *outgoing, bool fresh,
                                  int64_t limit_ms, struct weir_call_answer *answer)
{
    struct weir_error error = {0};
    outgoing->prefix = caller->prefix;
    if (weir_outgoing_check(outgoing, &error) != WEIR_OK)
        return end(answer, outgoing->id,
                   error.status == WEIR_NO_MEMORY ? WEIR_CALL_UNKNOWN : WEIR_CALL_REFUSED, &error);
    if (connect_anew(caller, connect_limit(limit_ms), &error) != WEIR_OK)
        return end(answer, outgoing->id,
                   error.status == WEIR_DENIED ? WEIR_CALL_REFUSED : WEIR_CALL_UNKNOWN, &error);
    return weir_outgoing_call(outgoing, &caller->client, fresh, limit_ms, answer);
}

enum weir_call_result weir_call(weir_caller *caller, const char *service, const char *type,
                                const char *id, const json_t *data, int64_t limit_ms,
                                struct weir_call_answer *answer)
{
    char random_id[WEIR_RANDOM_ID_MAX], given[sizeof answer->id];
    int length = snprintf(given, sizeof given, "%s", id != NULL ? id : ""); /* it may lie there */
    const char *used = id == NULL                      ? weir_random_id(random_id)
                       : (size_t)length < sizeof given ? given
                                                       : id; /* too long: refused below */
    struct weir_outgoing outgoing = {.service = service, .type = type, .id = used};
    struct weir_error error = {0};
    enum weir_call_result result;
    struct weir_pipe_guard guard;
    char *text = data != NULL ? json_dumps(data, JSON_COMPACT) : NULL;
    if (data != NULL && text == NULL) {
        weir_error_set(&error, WEIR_INVALID, "data: is no JSON object, or memory ran out");
        return end(answer, used, WEIR_CALL_REFUSED, &error);
    }
    weir_pipe_guard_hold(&guard);
    outgoing.data = text;
    result = call(caller, &outgoing, id == NULL, limit_ms, answer);
    weir_pipe_guard_release(&guard);
    free(text);
    return result;
}

/* ---- Queries ----------------------------------------------------------------------------- */

enum weir_query_result weir_query(weir_caller *caller, const char *view, const char *key,
                                  const struct weir_query_options *options,
                                  struct weir_query_answer *answer)
{
    static const struct weir_query_options none;
    const struct weir_query_options *used = options != NULL ? options : &none;
    enum weir_query_result result = WEIR_QUERY_FAILED;
    struct weir_query_answer fresh = {0}; /* the cursor may lie in the former answer */
    struct weir_error error = {0};
    struct weir_pipe_guard guard;
    weir_pipe_guard_hold(&guard);
    if (weir_query_check(view, key, used, &error) == WEIR_OK &&
        connect_anew(caller, WEIR_ANSWER_LIMIT_MS, &error) == WEIR_OK)
        result = weir_query_ask(&caller->client, caller->prefix, view, key, used, &fresh, &error);
    else
        snprintf(fresh.reason, sizeof fresh.reason, "%s", error.text);
    *answer = fresh;
    weir_pipe_guard_release(&guard);
    return result;
}

/* ---- Sagas ------------------------------------------------------------------------------- */

/* One errand over the caller's own connection. */
static void carry_out(weir_caller *caller, struct weir_errand *errand)
{
    struct weir_turns turns;
    struct weir_pipe_guard guard;
    weir_pipe_guard_hold(&guard);
    weir_turns_begin(&turns, &caller->client, &caller->endpoint, caller->prefix);
    weir_turns_add(&turns, errand);
    weir_turns_finish(&turns);
    weir_pipe_guard_release(&guard);
}

struct started {
    enum weir_start_result result;
    struct weir_start_answer *answer;
};

static void take_started(void *user, enum weir_start_result result,
                         const struct weir_start_answer *answer)
{
    struct started *started = user;
    started->result = result;
    *started->answer = *answer;
    started->answer->data = NULL;
}

enum weir_start_result weir_start(weir_caller *caller, const struct weir_start *start,
                                  struct weir_start_answer *answer)
{
    struct started started = {WEIR_START_UNKNOWN, answer};
    struct weir_errand *errand = weir_starting_new(start, take_started, &started);
    memset(answer, 0, sizeof *answer);
    if (errand != NULL)
        carry_out(caller, errand);
    else
        snprintf(answer->reason, sizeof answer->reason, "memory ran out, or the data is no JSON");
    return started.result;
}

struct is_current {
    enum weir_query_result result;
    char *reason;
};

static void take_is_current(void *user, enum weir_query_result result, const char *reason)
{
    struct is_current *is = user;
    is->result = result;
    snprintf(is->reason, 256, "%s", reason);
}

enum weir_query_result weir_current(weir_caller *caller, const char *view, const char *projection,
                                    int64_t limit_ms, char *reason)
{
    struct is_current is = {WEIR_QUERY_FAILED, reason};
    struct weir_errand *errand = weir_current_new(view, projection, limit_ms, take_is_current, &is);
    snprintf(reason, 256, "memory ran out");
    if (errand != NULL)
        carry_out(caller, errand);
    return is.result;
}
