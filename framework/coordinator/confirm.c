/* Waiting until a step's success is as durable as it has to be, before the saga goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/handlers.h"

/* A reply still in the first inbox is waited for only briefly: timers let replies pass that have
 * been in somebody's hands for long. Later it comes from the schedule, through another inbox. */
#define CONFIRM_FIRST_MS 100
#define CONFIRM_LATER_MS 5000
#define HEAR_AGAIN_FIRST_MS 200
#define HEAR_AGAIN_MS 1000

struct confirmation {
    struct weir_coordinator *coordinator;
    weir_deferral *deferral;
    struct weir_barrier_wait wait;
};

/* Once for each reason: replies are heard again and again until the server can. */
static void say_refused(struct weir_coordinator *coordinator, weir_context *context,
                        const char *why)
{
    const char *server = coordinator->runtime->endpoint->shown;
    if (strcmp(coordinator->refused_why, why) == 0)
        return;
    snprintf(coordinator->refused_why, sizeof coordinator->refused_why, "%s", why);
    if (context != NULL)
        weir_log_message(coordinator->runtime->log, WEIR_LOG_WARNING, "durability.refused",
                         context->message, "server=%s reason=%s", server, why);
    else
        weir_log_warning(coordinator->runtime->log, "durability.refused", "server=%s reason=%s",
                         server, why);
}

static void on_confirmed(void *user, enum weir_barrier_outcome outcome, const char *why)
{
    struct confirmation *confirmation = user;
    weir_context *context = weir_deferral_context(confirmation->deferral);
    confirmation->coordinator->confirming--;
    if (outcome == WEIR_BARRIER_REFUSED)
        say_refused(confirmation->coordinator, context, why);
    else if (outcome == WEIR_BARRIER_REACHED && confirmation->wait.need.disk)
        confirmation->coordinator->refused_why[0] = '\0';
    if (context != NULL)
        context->confirmation = outcome == WEIR_BARRIER_REACHED ? WEIR_CONFIRMED : WEIR_UNCONFIRMED;
    weir_finish(confirmation->deferral, WEIR_AGAIN);
    free(confirmation);
}

/* Those that wait must not take the places of all others. */
static bool too_many(const struct weir_coordinator *coordinator)
{
    int64_t half = coordinator->runtime->settings->concurrency / 2;
    return coordinator->confirming >= (half > 0 ? half : 1);
}

static bool begin(weir_context *context, struct confirmation *confirmation,
                  struct weir_durability need, int64_t limit_ms)
{
    struct weir_runtime *runtime = context->runtime;
    int64_t limit_most = runtime->settings->handler_timeout_ms / 2;
    confirmation->coordinator = weir_user(context);
    confirmation->wait = (struct weir_barrier_wait){
        .need = need,
        /* a deferral that times out would count as a delivery */
        .limit_ms = limit_ms < limit_most ? limit_ms : limit_most,
        /* that the reply belongs to the same history is shown by the commit that acknowledges it */
        .seen_on = runtime->link->reconnections,
        .user = confirmation,
        .answered = on_confirmed,
    };
    confirmation->deferral = weir_defer(context);
    if (confirmation->deferral == NULL)
        return false;
    if (weir_barrier_submit(runtime->barrier, &confirmation->wait))
        return true;
    weir_deferral_cancel(confirmation->deferral);
    return false;
}

bool weir_saga_confirm(weir_context *context, struct weir_durability need)
{
    struct weir_coordinator *coordinator = weir_user(context);
    struct confirmation *confirmation;
    bool is_first = context->message->origin_entry == NULL;
    context->confirmation = WEIR_UNCONFIRMED;
    if (too_many(coordinator) || (confirmation = calloc(1, sizeof *confirmation)) == NULL)
        return false;
    if (!begin(context, confirmation, need, is_first ? CONFIRM_FIRST_MS : CONFIRM_LATER_MS)) {
        free(confirmation);
        return false;
    }
    coordinator->confirming++;
    return true;
}

void weir_saga_hear_again(weir_context *context)
{
    bool is_first = context->message->origin_entry == NULL;
    weir_context_put_off(context, is_first ? HEAR_AGAIN_FIRST_MS : HEAR_AGAIN_MS);
}
