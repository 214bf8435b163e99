/* What customers of the shop are told; here also two subscriptions that log what they see. */
#include <string.h>

#include "shop_simulate.h"
#include "weir.h"

static enum weir_outcome send_now(weir_context *context, const weir_message *message)
{
    (void)message;
    const char *order_id, *customer_id;
    if (!weir_require_id(context, "orderId", &order_id) ||
        !weir_require_id(context, "customerId", &customer_id))
        return WEIR_REJECT;
    if (weir_exists(context, NULL)) {
        weir_reason(context, "order %s has a notification already", order_id);
        return WEIR_REJECT;
    }
    weir_hset(context, NULL, "state", "sent");
    weir_publish(context, "ShippingNotificationSent", order_id, "{s:s, s:s}", "orderId", order_id,
                 "customerId", customer_id);
    weir_result(context, "{s:s}", "orderId", order_id);
    return WEIR_DONE;
}

static enum weir_outcome cancel_now(weir_context *context, const weir_message *message)
{
    const char *order_id;
    if (!weir_require_id(context, "orderId", &order_id))
        return WEIR_REJECT;
    const char *state = weir_hget(context, NULL, "state");
    if (!state || strcmp(state, "sent") != 0)
        return WEIR_DONE;
    const json_t *customer = json_object_get(weir_message_data(message), "customerId");
    weir_publish(context, "ShippingNotificationCancelled", order_id, "{s:s, s:s*}", "orderId",
                 order_id, "customerId", json_string_value(customer));
    weir_hset(context, NULL, "state", "cancelled");
    return WEIR_DONE;
}

static enum weir_outcome send_notification(weir_context *context, const weir_message *message)
{
    return shop_simulate(context, message, send_now);
}

static enum weir_outcome cancel_notification(weir_context *context, const weir_message *message)
{
    return shop_simulate(context, message, cancel_now);
}

static enum weir_outcome on_product_created(weir_context *context, const weir_message *message)
{
    weir_note(context, "product.created", "subject=%s", weir_message_subject(message));
    return WEIR_DONE;
}

static enum weir_outcome on_order_created(weir_context *context, const weir_message *message)
{
    weir_note(context, "order.created", "subject=%s", weir_message_subject(message));
    return WEIR_DONE;
}

int main(int argc, char **argv)
{
    weir_service *service = weir_service_new("notifications");
    weir_on_command(service, "SendShippingNotification", send_notification,
                    "notification:{orderId}");
    weir_on_command(service, "CancelShippingNotification", cancel_notification,
                    "notification:{orderId}");
    weir_on_event(service, "catalog", "ProductCreated", on_product_created, NULL);
    weir_on_event(service, "orders", "OrderCreated", on_order_created, NULL);
    return weir_main(service, argc, argv);
}
