/* The read models of the shop: products, orders, customers and sales, folded from all its events.
 *
 * Events of one service come in their order, of different services in any: a payment may be seen
 * before its order. So each handler adds what it knows, and a status only moves forward. An event
 * that lacks what its kind always has was put there by hand: a view that stopped for it would be of
 * no use to anybody, so it is discarded, which puts it among the dead letters. */
#include <stdlib.h>
#include <string.h>

#include "shop.h"
#include "weir.h"

static const char *const statuses[] = {"created", "paid", "shipped", "cancelled"};

static int rank(const char *status)
{
    for (size_t i = 0; status && i < sizeof statuses / sizeof *statuses; i++)
        if (strcmp(status, statuses[i]) == 0)
            return (int)i;
    return -1;
}

/* The order is the first key loaded. */
static void advance_order(weir_context *context, const char *status)
{
    if (rank(status) > rank(weir_hget(context, NULL, "status")))
        weir_hset(context, NULL, "status", status);
}

/* All three each time, so that the hash is complete from the first sale on. */
static void add_to_sales(weir_context *context, int64_t orders, int64_t cancelled, int64_t revenue)
{
    weir_hincrby(context, "sales", "orders", orders);
    weir_hincrby(context, "sales", "cancelled", cancelled);
    weir_hincrby(context, "sales", "revenue", revenue);
}

static bool require_order(weir_context *context, const char **order_id, const char **customer_id,
                          int64_t *amount)
{
    return weir_require_id(context, "orderId", order_id) &&
           weir_require_id(context, "customerId", customer_id) &&
           weir_require_integer(context, "amount", 1, SHOP_MONEY_MAX, amount);
}

static enum weir_outcome on_product_created(weir_context *context, const weir_message *message)
{
    const char *product_id, *name;
    int64_t price, stock;
    (void)message;
    if (!weir_require_id(context, "productId", &product_id) ||
        !weir_require_text(context, "name", &name) ||
        !weir_require_integer(context, "price", 0, SHOP_MONEY_MAX, &price) ||
        !weir_require_integer(context, "stock", 0, SHOP_STOCK_MAX, &stock))
        return WEIR_DISCARD;
    weir_hset(context, NULL, "name", name);
    weir_hset_integer(context, NULL, "price", price);
    weir_hset_integer(context, NULL, "stock", stock);
    return WEIR_DONE;
}

static enum weir_outcome move_stock(weir_context *context, int sign)
{
    const char *product_id;
    int64_t quantity;
    if (!weir_require_id(context, "productId", &product_id) ||
        !weir_require_integer(context, "quantity", 1, SHOP_QUANTITY_MAX, &quantity))
        return WEIR_DISCARD;
    weir_hincrby(context, shop_key("product", product_id).text, "stock", sign * quantity);
    return WEIR_DONE;
}

static enum weir_outcome on_stock_reserved(weir_context *context, const weir_message *message)
{
    (void)message;
    return move_stock(context, -1);
}

static enum weir_outcome on_stock_released(weir_context *context, const weir_message *message)
{
    (void)message;
    return move_stock(context, 1);
}

static enum weir_outcome on_order_created(weir_context *context, const weir_message *message)
{
    const char *order_id, *customer_id;
    int64_t amount;
    if (!require_order(context, &order_id, &customer_id, &amount))
        return WEIR_DISCARD;
    weir_hset(context, NULL, "customerId", customer_id);
    weir_hset_integer(context, NULL, "amount", amount);
    advance_order(context, "created");
    /* Scored by the time of the event, the ms in front of its entry id: in order of creation, and
     * the same when the model is built again. */
    weir_zadd(context, shop_key("customer", customer_id).text,
              strtoll(weir_message_entry(message), NULL, 10), order_id);
    add_to_sales(context, 1, 0, 0);
    return WEIR_DONE;
}

static enum weir_outcome on_order_cancelled(weir_context *context, const weir_message *message)
{
    const char *order_id;
    (void)message;
    if (!weir_require_id(context, "orderId", &order_id))
        return WEIR_DISCARD;
    advance_order(context, "cancelled");
    add_to_sales(context, 0, 1, 0);
    return WEIR_DONE;
}

static enum weir_outcome on_payment_processed(weir_context *context, const weir_message *message)
{
    const char *order_id, *customer_id;
    int64_t amount;
    (void)message;
    if (!require_order(context, &order_id, &customer_id, &amount))
        return WEIR_DISCARD;
    weir_hset(context, NULL, "customerId", customer_id);
    weir_hset_integer(context, NULL, "amount", amount);
    advance_order(context, "paid");
    add_to_sales(context, 0, 0, amount);
    return WEIR_DONE;
}

static enum weir_outcome on_payment_refunded(weir_context *context, const weir_message *message)
{
    int64_t amount;
    (void)message;
    if (!weir_require_integer(context, "amount", 1, SHOP_MONEY_MAX, &amount))
        return WEIR_DISCARD;
    add_to_sales(context, 0, 0, -amount);
    return WEIR_DONE;
}

static enum weir_outcome on_notification_sent(weir_context *context, const weir_message *message)
{
    const char *order_id, *customer_id;
    (void)message;
    if (!weir_require_id(context, "orderId", &order_id) ||
        !weir_require_id(context, "customerId", &customer_id))
        return WEIR_DISCARD;
    weir_hset(context, NULL, "customerId", customer_id);
    advance_order(context, "shipped");
    return WEIR_DONE;
}

int main(int argc, char **argv)
{
    static const char order[] = "order:{orderId}";
    weir_service *views = weir_service_new("views");
    weir_project(views, "shop", "catalog", "ProductCreated", on_product_created,
                 "product:{productId}");
    weir_project(views, "shop", "catalog", "StockReserved", on_stock_reserved, NULL);
    weir_project(views, "shop", "catalog", "StockReleased", on_stock_released, NULL);
    weir_project(views, "shop", "orders", "OrderCreated", on_order_created, order);
    weir_project(views, "shop", "orders", "OrderCancelled", on_order_cancelled, order);
    weir_project(views, "shop", "payments", "PaymentProcessed", on_payment_processed, order);
    weir_project(views, "shop", "payments", "PaymentRefunded", on_payment_refunded, NULL);
    weir_project(views, "shop", "notifications", "ShippingNotificationSent", on_notification_sent,
                 order);
    return weir_main(views, argc, argv);
}
