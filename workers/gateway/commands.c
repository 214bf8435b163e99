/* The single commands: each goes to its service, and is answered by what became of it. */
#include <stdio.h>
#include <string.h>

#include "fields.h"
#include "handlers.h"
#include "shop.h"

static const struct field payment[] = {
    {"orderId", FIELD_ID, true, 0, 0},
    {"customerId", FIELD_ID, true, 0, 0},
    {"amount", FIELD_NUMBER, true, 1, SHOP_MONEY_MAX},
    {.name = NULL},
};
static const struct field notification[] = {
    {"orderId", FIELD_ID, true, 0, 0},
    {"customerId", FIELD_ID, true, 0, 0},
    {.name = NULL},
};
static const struct field product[] = {
    {"productId", FIELD_ID, true, 0, 0},
    {"name", FIELD_TEXT, true, 0, 0},
    {"price", FIELD_NUMBER, true, 0, SHOP_MONEY_MAX},
    {"stock", FIELD_NUMBER, true, 0, SHOP_STOCK_MAX},
    {.name = NULL},
};
static const struct field account[] = {
    {"customerId", FIELD_ID, true, 0, 0},
    {"balance", FIELD_NUMBER, true, 0, SHOP_MONEY_MAX},
    {.name = NULL},
};

static const struct command {
    enum route route;
    const char *service, *type, *scope;
    const struct field *fields;
    bool viewed;            /* what it does is seen in the read models */
    const char *place, *id; /* where what it has made is to be found; NULL: nowhere */
} commands[] = {
    {ROUTE_PAYMENT, "payments", "ProcessPayment", "payments", payment, true, "/orders/", "orderId"},
    {ROUTE_NOTIFICATION, "notifications", "SendShippingNotification", "notifications", notification,
     true, "/orders/", "orderId"},
    {ROUTE_CREATE_PRODUCT, "catalog", "CreateProduct", "products", product, true, "/products/",
     "productId"},
    {ROUTE_OPEN_ACCOUNT, "payments", "OpenAccount", "accounts", account, false, NULL, NULL},
};

static const struct command *command_of(const struct request *request)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].route == request->match.route)
            return &commands[i];
    return NULL;
}

bool commands_check(struct request *request)
{
    if (!change_check(request, command_of(request)->fields))
        return false;
    request->fresh = true;
    if (request_random_id(request->id))
        return true;
    request_problem(request, PROBLEM_INSIDE, NULL, "no random id could be made");
    return false;
}

/* Done it is in any case. Where the read model has not come so far, GET waits for it. */
static void on_visible(void *user, enum weir_query_result result, const char *reason)
{
    struct request *request = user;
    const struct command *command = command_of(request);
    (void)result, (void)reason;
    if (command->place != NULL)
        request_location(request, command->place,
                         json_string_value(json_object_get(request->data, command->id)));
    request_reply(request, 201, json_incref(request->data));
}

static void on_called(void *user, enum weir_call_result result,
                      const struct weir_call_answer *answer)
{
    struct request *request = user;
    if (result == WEIR_CALL_REFUSED && answer->not_taken) {
        request_problem(request, PROBLEM_INSIDE, NULL, "it was not sent: %s", answer->reason);
    } else if (result == WEIR_CALL_REFUSED) {
        request_problem(request, PROBLEM_REFUSED, NULL, "%s", answer->reason);
    } else if (result == WEIR_CALL_UNKNOWN && answer->entry[0] == '\0') {
        request_problem(request, answer->not_taken ? PROBLEM_NO_SERVER : PROBLEM_UNKNOWN, NULL,
                        "%s", answer->reason);
    } else if (result == WEIR_CALL_UNKNOWN) {
        request_retry_after(request, 1);
        request_reply(request, 202,
                      json_pack("{s:s, s:s}", "status", "pending", "detail",
                                "it has been sent; no outcome is known yet"));
    } else if (!command_of(request)->viewed ||
               !weir_desk_current(request->gateway->desk, "views", "shop",
                                  request_view_limit(request), on_visible, request)) {
        on_visible(request, WEIR_QUERY_FAILED, "");
    }
}

static void send_command(struct request *request)
{
    const struct command *command = command_of(request);
    struct weir_command_call sent = {.service = command->service,
                                     .type = command->type,
                                     .id = request->id,
                                     .fresh = request->fresh,
                                     .first = true,
                                     .data = request->data,
                                     .limit_ms = request_time_left(request)};
    if (!weir_desk_call(request->gateway->desk, &sent, on_called, request))
        change_busy(request);
}

void commands_send(struct request *request)
{
    change_begin(request, command_of(request)->scope, send_command);
}
