/* Handlers that answer later: weir_defer and weir_finish. */
#include <stdlib.h>

#include "base/crash_point.h"
#include "service/handling.h"
#include "service/queue.h"
#include "service/when_durable.h"

weir_deferral *weir_defer(weir_context *context)
{
    struct weir_delivery *delivery = context->delivery;
    if (delivery == NULL || delivery->deferral != NULL)
        return NULL;
    delivery->deferral = calloc(1, sizeof *delivery->deferral);
    if (delivery->deferral != NULL)
        delivery->deferral->delivery = delivery;
    return delivery->deferral;
}

bool weir_context_is_deferred(const weir_context *context)
{
    const struct weir_delivery *delivery = context->delivery;
    return delivery != NULL && delivery->deferral != NULL;
}

void weir_deferral_cancel(weir_deferral *deferral)
{
    if (deferral->delivery != NULL)
        deferral->delivery->deferral = NULL;
    weir_when_durable_drop(deferral);
    free(deferral);
}

weir_context *weir_deferral_context(weir_deferral *deferral)
{
    return deferral->delivery != NULL ? &deferral->delivery->context : NULL;
}

void weir_finish(weir_deferral *deferral, enum weir_outcome outcome)
{
    struct weir_delivery *delivery = deferral->delivery;
    weir_when_durable_drop(deferral);
    free(deferral);
    if (delivery == NULL)
        return;
    WEIR_CRASH_POINT(HANDLE_RESUMED);
    delivery->deferral = NULL;
    if (delivery->state == WEIR_DELIVERY_DEFERRED && outcome == WEIR_AGAIN) {
        delivery->context.resumed = delivery->goes_on = true;
        weir_queue_reenter(delivery);
        return;
    }
    if (delivery->state == WEIR_DELIVERY_DEFERRED) {
        weir_handling_finish(delivery, outcome);
        return;
    }
    delivery->finished_at_once = true; /* the handler is still running: its return ends it */
    delivery->early_outcome = outcome;
}

void weir_handling_time_out(struct weir_delivery *delivery)
{
    weir_delivery_forget_deferral(delivery);
    weir_reason(&delivery->context, "the handler gave no outcome within %lld ms",
                (long long)delivery->context.runtime->settings->handler_timeout_ms);
    weir_handling_finish(delivery, WEIR_RETRY);
}
