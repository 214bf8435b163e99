/* The money of the shop: accounts, payments out of them, and refunds. */
#include <string.h>

#include "shop.h"
#include "shop_simulate.h"
#include "weir.h"

static enum weir_outcome open_account(weir_context *context, const weir_message *message)
{
    (void)message;
    const char *customer_id;
    int64_t balance;
    if (!weir_require_id(context, "customerId", &customer_id) ||
        !weir_require_integer(context, "balance", 0, SHOP_MONEY_MAX, &balance))
        return WEIR_REJECT;
    if (weir_exists(context, NULL)) {
        weir_reason(context, "account %s exists already", customer_id);
        return WEIR_REJECT;
    }
    weir_hset_integer(context, NULL, "balance", balance);
    weir_publish(context, "AccountOpened", customer_id, "{s:s, s:I}", "customerId", customer_id,
                 "balance", (json_int_t)balance);
    return WEIR_DONE;
}

struct payment {
    const char *order_id;
    const char *customer_id;
    int64_t amount;
    struct shop_key key;
};

static bool read_payment(weir_context *context, struct payment *payment)
{
    if (!weir_require_id(context, "orderId", &payment->order_id) ||
        !weir_require_id(context, "customerId", &payment->customer_id) ||
        !weir_require_integer(context, "amount", 1, SHOP_MONEY_MAX, &payment->amount))
        return false;
    payment->key = shop_key("payment", payment->order_id);
    return true;
}

/* Gives the reason where the payment cannot be made. The account is the first key loaded. */
static bool may_pay(weir_context *context, const struct payment *payment)
{
    int64_t balance;
    if (!weir_exists(context, NULL))
        weir_reason(context, "no account %s", payment->customer_id);
    else if (weir_exists(context, payment->key.text))
        weir_reason(context, "order %s has a payment already", payment->order_id);
    else if (!weir_hget_integer(context, NULL, "balance", &balance))
        weir_reason(context, "account %s has no whole balance", payment->customer_id);
    else if (balance < payment->amount)
        weir_reason(context, "insufficient funds: balance %lld, needed %lld", (long long)balance,
                    (long long)payment->amount);
    else
        return true;
    return false;
}

static void publish_payment(weir_context *context, const char *type, const struct payment *payment)
{
    weir_publish(context, type, payment->order_id, "{s:s, s:s, s:I}", "orderId", payment->order_id,
                 "customerId", payment->customer_id, "amount", (json_int_t)payment->amount);
}

static enum weir_outcome process_payment_now(weir_context *context, const weir_message *message)
{
    (void)message;
    struct payment payment;
    if (!read_payment(context, &payment) || !may_pay(context, &payment))
        return WEIR_REJECT;
    weir_hincrby(context, NULL, "balance", -payment.amount);
    weir_hset(context, payment.key.text, "customerId", payment.customer_id);
    weir_hset_integer(context, payment.key.text, "amount", payment.amount);
    weir_hset(context, payment.key.text, "state", "processed");
    publish_payment(context, "PaymentProcessed", &payment);
    weir_result(context, "{s:s, s:I}", "orderId", payment.order_id, "amount",
                (json_int_t)payment.amount);
    return WEIR_DONE;
}

/* Goes by the payment that was made, not by what the message says of it. The account is not
 * loaded: money can be given back whatever the balance is, and the commit refuses an overflow. */
static enum weir_outcome refund_payment_now(weir_context *context, const weir_message *message)
{
    (void)message;
    struct payment payment;
    if (!weir_require_id(context, "orderId", &payment.order_id))
        return WEIR_REJECT;
    const char *state = weir_hget(context, NULL, "state");
    if (!state || strcmp(state, "processed") != 0)
        return WEIR_DONE;
    payment.customer_id = weir_hget(context, NULL, "customerId");
    if (!payment.customer_id || !weir_hget_integer(context, NULL, "amount", &payment.amount)) {
        weir_reason(context, "payment %s has no customerId or no whole amount", payment.order_id);
        return WEIR_REJECT;
    }
    const struct shop_key account = shop_key("account", payment.customer_id);
    publish_payment(context, "PaymentRefunded", &payment);
    weir_hincrby(context, account.text, "balance", payment.amount);
    weir_hset(context, NULL, "state", "refunded");
    return WEIR_DONE;
}

static enum weir_outcome process_payment(weir_context *context, const weir_message *message)
{
    return shop_simulate(context, message, process_payment_now);
}

static enum weir_outcome refund_payment(weir_context *context, const weir_message *message)
{
    return shop_simulate(context, message, refund_payment_now);
}

int main(int argc, char **argv)
{
    weir_service *payments = weir_service_new("payments");
    weir_on_command(payments, "OpenAccount", open_account, "account:{customerId}");
    weir_on_command(payments, "ProcessPayment", process_payment,
                    "account:{customerId} payment:{orderId}");
    weir_on_command(payments, "RefundPayment", refund_payment, "payment:{orderId}");
    return weir_main(payments, argc, argv);
}
