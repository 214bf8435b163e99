/* Orders: each is a saga, and has its id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "handlers.h"
#include "shop.h"

#define VIEWS "views"
#define SHOP "shop"

/* ---- Placing one ------------------------------------------------------------------------- */

static const struct field fields[] = {
    {"orderId", FIELD_ID, false, 0, 0},
    {"customerId", FIELD_ID, true, 0, 0},
    {"amount", FIELD_NUMBER, true, 1, SHOP_MONEY_MAX},
    {"productId", FIELD_ID, false, 0, 0},
    {"quantity", FIELD_NUMBER, false, 1, SHOP_QUANTITY_MAX},
    {"simulate", FIELD_OBJECT, false, 0, 0},
    {.name = NULL},
};

static bool missing(struct request *request, const char *name, const char *given)
{
    request_problem(request, PROBLEM_MALFORMED, name, "%s is missing, as %s is given", name, given);
    return false;
}

bool orders_check(struct request *request)
{
    const char *id;
    if (!change_check(request, fields))
        return false;
    bool product = json_object_get(request->data, "productId") != NULL;
    bool quantity = json_object_get(request->data, "quantity") != NULL;
    if (product != quantity)
        return product ? missing(request, "quantity", "productId")
                       : missing(request, "productId", "quantity");
    if (!request->gateway->settings.simulate &&
        json_object_get(request->data, "simulate") != NULL) {
        request_problem(request, PROBLEM_MALFORMED, "simulate",
                        "simulate is not known here: the gateway runs without --simulate");
        return false;
    }
    id = json_string_value(json_object_get(request->data, "orderId"));
    request->fresh = id == NULL;
    if (id != NULL)
        snprintf(request->id, sizeof request->id, "%s", id);
    else if (!request_random_id(request->id)) {
        request_problem(request, PROBLEM_INSIDE, NULL, "no random id could be made");
        return false;
    }
    return true;
}

/* The order as the shop tells it, from what was ordered. `detail` NULL: none. */
static json_t *make_order(const char *id, const json_t *data, const char *status,
                          const char *detail)
{
    json_t *order = json_pack("{s:s}", "orderId", id);
    static const char *const names[] = {"customerId", "amount", "productId", "quantity"};
    for (size_t i = 0; order != NULL && i < sizeof names / sizeof names[0]; i++) {
        json_t *value = json_object_get(data, names[i]);
        if (value != NULL)
            json_object_set(order, names[i], value);
    }
    if (order != NULL)
        json_object_set_new(order, "status", json_string(status));
    if (order != NULL && detail != NULL && detail[0] != '\0')
        json_object_set_new(order, "detail", problem_json(detail));
    return order;
}

static void reply_order(struct request *request, unsigned status, const char *word,
                        const char *detail)
{
    request_location(request, "/orders/", request->id);
    request_retry_after(request, status == 202 ? 1 : 0);
    request_reply(request, status, make_order(request->id, request->data, word, detail));
}

/* Placed it is in any case. Where the read model has not come so far, GET asks the saga. */
static void on_visible(void *user, enum weir_query_result result, const char *reason)
{
    struct request *request = user;
    if (result != WEIR_QUERY_FOUND)
        weir_journal_write(request->gateway->journal, WEIR_DEBUG, "order.not_visible",
                           "order=%s reason=%s", request->id, reason);
    reply_order(request, 201, "shipped", NULL);
}

static void on_started(void *user, enum weir_start_result result,
                       const struct weir_start_answer *answer)
{
    struct request *request = user;
    switch (result) {
    case WEIR_START_COMPLETED:
        if (!weir_desk_current(request->gateway->desk, VIEWS, SHOP, request_view_limit(request),
                               on_visible, request))
            on_visible(request, WEIR_QUERY_FAILED, "too much is in hand");
        break;
    case WEIR_START_COMPENSATED:
        request_problem(request, PROBLEM_REFUSED, NULL, "%s", answer->reason);
        break;
    case WEIR_START_SUSPENDED:
        reply_order(request, 202, "suspended", answer->reason);
        break;
    case WEIR_START_RUNNING:
        reply_order(request, 202, "pending", NULL);
        break;
    case WEIR_START_OTHER:
        request_problem(request, PROBLEM_OTHER_ORDER, "orderId",
                        "an order %s with other contents is there already", request->id);
        break;
    case WEIR_START_REFUSED:
        weir_journal_write(request->gateway->journal, WEIR_ERROR, "order.not_started",
                           "order=%s reason=%s", request->id, answer->reason);
        request_problem(request, PROBLEM_INSIDE, NULL, "the order was not started: %s",
                        answer->reason);
        break;
    default:
        request_problem(request, answer->not_taken ? PROBLEM_NO_SERVER : PROBLEM_UNKNOWN, NULL,
                        "%s", answer->reason);
    }
}

static void start(struct request *request)
{
    json_t *data = json_copy(request->data);
    struct weir_start order = {.definition = "place-order",
                               .saga = request->id,
                               .fresh = request->fresh,
                               .data = data,
                               .limit_ms = request_time_left(request)};
    if (data == NULL || json_object_set_new(data, "orderId", json_string(request->id)) != 0)
        request_problem(request, PROBLEM_INSIDE, NULL, "memory ran out; nothing has been done");
    else if (!weir_desk_start(request->gateway->desk, &order, on_started, request))
        change_busy(request);
    json_decref(data);
}

void orders_place(struct request *request)
{
    change_begin(request, "orders", start);
}

/* ---- Showing one ------------------------------------------------------------------------- */

static void reply_absent(struct request *request)
{
    request_problem(request, PROBLEM_ABSENT, NULL, "there is no order %s", request->match.id);
}

/* Sagas of others may have ids like orders. */
static bool is_order(const json_t *data, const char *id)
{
    const char *order = json_string_value(json_object_get(data, "orderId"));
    return order != NULL && strcmp(order, id) == 0;
}

/* The read model does not know it; the saga knows of an order that has been placed, or refused. */
static void on_saga(void *user, enum weir_start_result result,
                    const struct weir_start_answer *answer)
{
    static const char *const words[] = {[WEIR_START_COMPLETED] = "shipped",
                                        [WEIR_START_COMPENSATED] = "cancelled",
                                        [WEIR_START_SUSPENDED] = "suspended",
                                        [WEIR_START_RUNNING] = "pending"};
    struct request *request = user;
    json_t *data = answer->data != NULL ? json_loads(answer->data, 0, NULL) : NULL;
    if (result == WEIR_START_UNKNOWN)
        request_problem(request, PROBLEM_NO_SERVER, NULL, "%s", answer->reason);
    else if (result <= WEIR_START_RUNNING && is_order(data, request->match.id))
        request_reply(request, 200,
                      make_order(request->match.id, data, words[result], answer->reason));
    else if (request->again)
        reply_absent(request);
    else
        reads_look_again(request, orders_show);
    json_decref(data);
}

static void on_order(void *user, enum weir_query_result result, const json_t *value,
                     const char *reason)
{
    struct request *request = user;
    if (result == WEIR_QUERY_FOUND)
        request_reply(request, 200, reads_object("orderId", request->match.id, value));
    else if (result != WEIR_QUERY_ABSENT)
        reads_failed(request, result, reason);
    else if (!weir_desk_saga(request->gateway->desk, request->match.id, request_time_left(request),
                             on_saga, request))
        change_busy(request);
}

void orders_show(struct request *request)
{
    const struct shop_key key = shop_key("order", request->match.id);
    if (!weir_desk_hash(request->gateway->desk, VIEWS, key.text, request_time_left(request),
                        on_order, request))
        change_busy(request);
}
