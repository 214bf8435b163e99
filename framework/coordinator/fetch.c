/* A definition that a coordinator has not read yet. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "redis/reply.h"
#include "coordinator/handlers.h"

#define LOOK_AGAIN_MS 5000

struct fetch {
    struct weir_coordinator *coordinator;
    weir_deferral *deferral;
    char name[80];
    int64_t version;
    uint32_t checksum; /* of the definition that the saga began with; 0: not known */
    weir_saga_with_definition *go_on;
};

/* A saga in flight whose definition is gone is not failed: it says so and is looked at again. */
static enum weir_outcome look_again(weir_context *context, const struct fetch *fetch,
                                    const char *why)
{
    int64_t now = weir_clock_monotonic_ms();
    bool say = now - fetch->coordinator->missing_said_at >= LOOK_AGAIN_MS;
    if (say)
        fetch->coordinator->missing_said_at = now;
    weir_log_message(context->runtime->log, say ? WEIR_LOG_ERROR : WEIR_LOG_DEBUG,
                     "saga.definition_missing", context->message,
                     "definition=%s version=%lld reason=%s", fetch->name, (long long)fetch->version,
                     why);
    weir_reason(context, "definition %s version %lld: %s", fetch->name, (long long)fetch->version,
                why);
    weir_retry_after(context, LOOK_AGAIN_MS);
    context->uncounted = true;
    return WEIR_RETRY;
}

static void on_fetched(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct fetch *fetch = user;
    weir_context *context = weir_deferral_context(fetch->deferral);
    const struct weir_saga_definition *definition = NULL;
    struct weir_error error = {0};
    struct weir_slice json;
    enum weir_outcome outcome = WEIR_RETRY;
    bool found = context != NULL && answer == WEIR_ANSWER_DONE && weir_reply_text(reply, &json);
    if (found && fetch->checksum != 0 &&
        weir_definition_checksum(json.at, json.length) != fetch->checksum) {
        outcome = look_again(context, fetch, "has been changed since the saga began");
    } else if (found) {
        definition = weir_definition_cache_add(&fetch->coordinator->definitions, fetch->name,
                                               fetch->version, json, &error);
        outcome = definition != NULL ? fetch->go_on(context, context->message, definition)
                                     : look_again(context, fetch, error.text);
    } else if (context != NULL) {
        outcome = look_again(context, fetch,
                             answer == WEIR_ANSWER_DONE      ? "is not there"
                             : answer == WEIR_ANSWER_REFUSED ? reply->str
                                                             : "the connection was lost");
    }
    weir_finish(fetch->deferral, outcome);
    free(fetch);
}

enum weir_outcome weir_saga_fetch(weir_context *context, const char *name, int64_t version,
                                  uint32_t checksum, weir_saga_with_definition *go_on)
{
    char key[WEIR_KEY_MAX], field[24];
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL || (fetch->deferral = weir_defer(context)) == NULL) {
        free(fetch);
        return WEIR_RETRY;
    }
    fetch->coordinator = weir_user(context);
    snprintf(fetch->name, sizeof fetch->name, "%s", name);
    fetch->version = version;
    fetch->checksum = checksum;
    fetch->go_on = go_on;
    weir_key_definition(key, context->runtime->prefix, name);
    snprintf(field, sizeof field, "%lld", (long long)version);
    if (weir_link_send(context->runtime->link, 3, (const char *[]){"HGET", key, field}, NULL,
                       on_fetched, fetch) != WEIR_OK) {
        weir_deferral_cancel(fetch->deferral);
        free(fetch);
        context->uncounted = true;
        return WEIR_RETRY;
    }
    return WEIR_DEFERRED;
}
