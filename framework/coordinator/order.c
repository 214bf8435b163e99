/* What operators and the outside world ask of a saga: to cancel, to resume, to hear a signal. */
#include <stdlib.h>
#include <string.h>

#include "message/json_memory.h"
#include "coordinator/handlers.h"

static const char *const orders[] = {"CancelSaga", "ResumeSaga", "SignalSaga"};
enum { CANCEL, RESUME, SIGNAL, NO_ORDER };

static size_t order_of(const weir_message *message)
{
    size_t i = 0;
    while (i < NO_ORDER && strcmp(message->type, orders[i]) != 0)
        i++;
    return i;
}

bool weir_saga_is_order(const weir_message *message)
{
    return order_of(message) != NO_ORDER;
}

/* The field's text, or NULL. */
static const char *field_text(const weir_message *message, const char *name)
{
    const struct weir_field *field = weir_message_field(message, name);
    return field != NULL ? field->value.at : NULL;
}

static bool named(weir_context *context, const weir_message *message, const char *name)
{
    const struct weir_field *field = weir_message_field(message, name);
    if (field != NULL && weir_name_valid(field->value.at, field->value.length))
        return true;
    weir_reason(context, "%s: is missing or not a name", name);
    return false;
}

static bool decision_complete(weir_context *context, const weir_message *message)
{
    const char *decision = field_text(message, "decision");
    if (decision != NULL && (strcmp(decision, "retry") == 0 || strcmp(decision, "skip") == 0))
        return true;
    weir_reason(context, "decision: must be retry or skip");
    return false;
}

bool weir_saga_order_complete(weir_context *context, const weir_message *message)
{
    if (message->saga == NULL) {
        weir_reason(context, "saga: is missing");
        return false;
    }
    switch (order_of(message)) {
    case RESUME:
        return named(context, message, "step") && decision_complete(context, message);
    case SIGNAL:
        return named(context, message, "signal");
    default:
        return true;
    }
}

enum weir_outcome weir_saga_apply_order(weir_context *context, struct weir_saga_case *one)
{
    const weir_message *message = context->message;
    static const enum weir_saga_input_kind kinds[] = {WEIR_SAGA_CANCEL, WEIR_SAGA_RESUME,
                                                      WEIR_SAGA_SIGNAL};
    size_t order = order_of(message);
    char *data = weir_json_text(weir_message_data(message));
    struct weir_saga_input input = {.kind = kinds[order], .data = data};
    enum weir_outcome outcome = WEIR_RETRY;
    if (order == CANCEL)
        input.reason = json_string_value(json_object_get(weir_message_data(message), "reason"));
    else
        input.name = field_text(message, order == RESUME ? "step" : "signal");
    if (order == RESUME)
        input.skip = strcmp(field_text(message, "decision"), "skip") == 0;
    if (data != NULL)
        outcome = weir_saga_apply(context, one, &input);
    free(data);
    return outcome;
}
