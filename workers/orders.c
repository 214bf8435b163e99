/* The orders of the shop: created and cancelled. */
#include <string.h>

#include "shop.h"
#include "shop_simulate.h"
#include "weir.h"

static void publish_order(weir_context *context, const char *type, const char *order_id,
                          const char *customer_id, int64_t amount)
{
    weir_publish(context, type, order_id, "{s:s, s:s, s:I}", "orderId", order_id, "customerId",
                 customer_id, "amount", (json_int_t)amount);
}

static enum weir_outcome create_order_now(weir_context *context, const weir_message *message)
{
    (void)message;
    const char *order_id, *customer_id;
    int64_t amount;
    if (!weir_require_id(context, "orderId", &order_id) ||
        !weir_require_id(context, "customerId", &customer_id) ||
        !weir_require_integer(context, "amount", 1, SHOP_MONEY_MAX, &amount))
        return WEIR_REJECT;
    if (weir_exists(context, NULL)) {
        weir_reason(context, "order %s exists already", order_id);
        return WEIR_REJECT;
    }
    weir_hset(context, NULL, "customerId", customer_id);
    weir_hset_integer(context, NULL, "amount", amount);
    weir_hset(context, NULL, "state", "created");
    publish_order(context, "OrderCreated", order_id, customer_id, amount);
    weir_result(context, "{s:s}", "orderId", order_id);
    return WEIR_DONE;
}

static enum weir_outcome cancel_order_now(weir_context *context, const weir_message *message)
{
    (void)message;
    const char *order_id;
    int64_t amount;
    if (!weir_require_id(context, "orderId", &order_id))
        return WEIR_REJECT;
    const char *state = weir_hget(context, NULL, "state");
    if (!state || strcmp(state, "created") != 0)
        return WEIR_DONE;
    const char *customer_id = weir_hget(context, NULL, "customerId");
    if (!customer_id || !weir_hget_integer(context, NULL, "amount", &amount)) {
        weir_reason(context, "order %s has no customerId or no whole amount", order_id);
        return WEIR_REJECT;
    }
    publish_order(context, "OrderCancelled", order_id, customer_id, amount);
    weir_hset(context, NULL, "state", "cancelled");
    return WEIR_DONE;
}

static enum weir_outcome create_order(weir_context *context, const weir_message *message)
{
    return shop_simulate(context, message, create_order_now);
}

static enum weir_outcome cancel_order(weir_context *context, const weir_message *message)
{
    return shop_simulate(context, message, cancel_order_now);
}

int main(int argc, char **argv)
{
    weir_service *orders = weir_service_new("orders");
    weir_on_command(orders, "CreateOrder", create_order, "order:{orderId}");
    weir_on_command(orders, "CancelOrder", cancel_order, "order:{orderId}");
    return weir_main(orders, argc, argv);
}
