/* The calls from outside a service: one blocking connection that is made anew where it was lost. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "call/asking.h"
#include "call/outgoing.h"
#include "call/patience.h"
#include "message/envelope.h"
#include "redis/endpoint.h"

#define PREFIX_MAX 64

struct weir_caller {
    struct weir_endpoint endpoint;
    struct weir_client client;
    char prefix[PREFIX_MAX + 1];
};

/* ---- SIGPIPE ----------------------------------------------------------------------------- */

/* A server that went away must not end the program that calls, whatever that has said about the
 * signal: it is held back in this thread, and what has come of it by us is taken away. */
struct guard {
    sigset_t before;
    bool pending;
};

static void hold_signal(struct guard *guard)
{
    sigset_t pipe, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigemptyset(&pending);
    sigpending(&pending);
    guard->pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &guard->before);
}

static void release_signal(const struct guard *guard)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!guard->pending)
        (void)sigtimedwait(&pipe, NULL, &(struct timespec){0, 0});
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

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

/* Keys of "x{y}" would lie in the slot of y. */
static enum weir_status take_prefix(struct weir_caller *caller, const char *prefix,
                                    struct weir_error *error)
{
    if (strlen(prefix) > PREFIX_MAX || strpbrk(prefix, "{} \t\r\n") != NULL ||
        !weir_utf8_valid(prefix, strlen(prefix)))
        return weir_error_set(error, WEIR_INVALID,
                              "prefix: must be at most %d bytes without blanks and braces",
                              PREFIX_MAX);
    snprintf(caller->prefix, sizeof caller->prefix, "%s", prefix);
    return WEIR_OK;
}

weir_caller *weir_caller_open(const char *url, const char *prefix, char *why, size_t room)
{
    struct weir_error error = {0};
    struct guard guard;
    weir_caller *caller = calloc(1, sizeof *caller);
    if (caller == NULL) {
        snprintf(why, room, "memory ran out");
        return NULL;
    }
    hold_signal(&guard);
    if (take_prefix(caller, prefix != NULL ? prefix : "", &error) != WEIR_OK ||
        weir_endpoint_parse(url, &caller->endpoint, &error) != WEIR_OK ||
        connect_anew(caller, WEIR_ANSWER_LIMIT_MS, &error) != WEIR_OK) {
        snprintf(why, room, "%s", error.text);
        weir_caller_close(caller);
        caller = NULL;
    }
    release_signal(&guard);
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
    struct guard guard;
    char *text = data != NULL ? json_dumps(data, JSON_COMPACT) : NULL;
    if (data != NULL && text == NULL) {
        weir_error_set(&error, WEIR_INVALID, "data: is no JSON object, or memory ran out");
        return end(answer, used, WEIR_CALL_REFUSED, &error);
    }
    hold_signal(&guard);
    outgoing.data = text;
    result = call(caller, &outgoing, id == NULL, limit_ms, answer);
    release_signal(&guard);
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
    struct guard guard;
    hold_signal(&guard);
    if (weir_query_check(view, key, used, &error) == WEIR_OK &&
        connect_anew(caller, WEIR_ANSWER_LIMIT_MS, &error) == WEIR_OK)
        result = weir_query_ask(&caller->client, caller->prefix, view, key, used, &fresh, &error);
    else
        snprintf(fresh.reason, sizeof fresh.reason, "%s", error.text);
    *answer = fresh;
    release_signal(&guard);
    return result;
}
