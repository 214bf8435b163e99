/* The products of the shop, their stock, and what of it is reserved for orders. */
#include <string.h>

#include "shop.h"
#include "shop_simulate.h"
#include "weir.h"

static enum weir_outcome create_product(weir_context *context, const weir_message *message)
{
    (void)message;
    const char *product_id, *name;
    int64_t price, stock;
    if (!weir_require_id(context, "productId", &product_id) ||
        !weir_require_text(context, "name", &name) ||
        !weir_require_integer(context, "price", 0, SHOP_MONEY_MAX, &price) ||
        !weir_require_integer(context, "stock", 0, SHOP_STOCK_MAX, &stock))
        return WEIR_REJECT;
    if (weir_exists(context, NULL)) {
        weir_reason(context, "product %s exists already", product_id);
        return WEIR_REJECT;
    }
    weir_hset(context, NULL, "name", name);
    weir_hset_integer(context, NULL, "price", price);
    weir_hset_integer(context, NULL, "stock", stock);
    weir_publish(context, "ProductCreated", product_id, "{s:s, s:s, s:I, s:I}", "productId",
                 product_id, "name", name, "price", (json_int_t)price, "stock", (json_int_t)stock);
    return WEIR_DONE;
}

struct reservation {
    const char *order_id;
    const char *product_id;
    int64_t quantity;
    struct shop_key key;
};

static bool read_reservation(weir_context *context, struct reservation *reservation)
{
    if (!weir_require_id(context, "orderId", &reservation->order_id) ||
        !weir_require_id(context, "productId", &reservation->product_id) ||
        !weir_require_integer(context, "quantity", 1, SHOP_QUANTITY_MAX, &reservation->quantity))
        return false;
    reservation->key = shop_key("reservation", reservation->order_id);
    return true;
}

/* Gives the reason where nothing can be reserved. The product is the first key loaded. */
static bool may_reserve(weir_context *context, const struct reservation *wanted)
{
    int64_t stock;
    if (!weir_exists(context, NULL))
        weir_reason(context, "no product %s", wanted->product_id);
    else if (weir_exists(context, wanted->key.text))
        weir_reason(context, "order %s has a reservation already", wanted->order_id);
    else if (!weir_hget_integer(context, NULL, "stock", &stock))
        weir_reason(context, "product %s has no whole stock", wanted->product_id);
    else if (stock < wanted->quantity)
        weir_reason(context, "not enough stock of %s: %lld left, %lld wanted", wanted->product_id,
                    (long long)stock, (long long)wanted->quantity);
    else
        return true;
    return false;
}

/* About the product, whose stock it is. */
static void publish_reservation(weir_context *context, const char *type,
                                const struct reservation *reservation)
{
    weir_publish(context, type, reservation->product_id, "{s:s, s:s, s:I}", "orderId",
                 reservation->order_id, "productId", reservation->product_id, "quantity",
                 (json_int_t)reservation->quantity);
}

static enum weir_outcome reserve_stock_now(weir_context *context, const weir_message *message)
{
    struct reservation reservation;
    const json_t *product = json_object_get(weir_message_data(message), "productId");
    /* An order need not be of a product of ours. */
    if (!product || json_is_null(product))
        return WEIR_DONE;
    if (!read_reservation(context, &reservation) || !may_reserve(context, &reservation))
        return WEIR_REJECT;
    weir_hincrby(context, NULL, "stock", -reservation.quantity);
    weir_hset(context, reservation.key.text, "productId", reservation.product_id);
    weir_hset_integer(context, reservation.key.text, "quantity", reservation.quantity);
    weir_hset(context, reservation.key.text, "state", "reserved");
    publish_reservation(context, "StockReserved", &reservation);
    weir_result(context, "{s:s, s:I}", "productId", reservation.product_id, "quantity",
                (json_int_t)reservation.quantity);
    return WEIR_DONE;
}

/* Goes by the reservation that was made, not by what the message says of it. */
static enum weir_outcome release_stock_now(weir_context *context, const weir_message *message)
{
    (void)message;
    struct reservation made;
    if (!weir_require_id(context, "orderId", &made.order_id))
        return WEIR_REJECT;
    const char *state = weir_hget(context, NULL, "state");
    if (!state || strcmp(state, "reserved") != 0)
        return WEIR_DONE;
    made.product_id = weir_hget(context, NULL, "productId");
    if (!made.product_id || !weir_hget_integer(context, NULL, "quantity", &made.quantity)) {
        weir_reason(context, "reservation %s has no productId or no whole quantity", made.order_id);
        return WEIR_REJECT;
    }
    const struct shop_key product = shop_key("product", made.product_id);
    publish_reservation(context, "StockReleased", &made);
    weir_hincrby(context, product.text, "stock", made.quantity);
    weir_hset(context, NULL, "state", "released");
    return WEIR_DONE;
}

static enum weir_outcome reserve_stock(weir_context *context, const weir_message *message)
{
    return shop_simulate(context, message, reserve_stock_now);
}

static enum weir_outcome release_stock(weir_context *context, const weir_message *message)
{
    return shop_simulate(context, message, release_stock_now);
}

int main(int argc, char **argv)
{
    weir_service *catalog = weir_service_new("catalog");
    weir_on_command(catalog, "CreateProduct", create_product, "product:{productId}");
    weir_on_command(catalog, "ReserveStock", reserve_stock,
                    "product:{productId} reservation:{orderId}");
    weir_on_command(catalog, "ReleaseStock", release_stock, "reservation:{orderId}");
    return weir_main(catalog, argc, argv);
}
