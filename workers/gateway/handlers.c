/* The table of routes and what is done for each. */
#include "handlers.h"

static const struct handler handlers[] = {
    [ROUTE_PLACE_ORDER] = {"orders", orders_check, orders_place},
    [ROUTE_ORDER] = {NULL, NULL, orders_show},
    [ROUTE_PAYMENT] = {"payments", commands_check, commands_send},
    [ROUTE_NOTIFICATION] = {"notifications", commands_check, commands_send},
    [ROUTE_CREATE_PRODUCT] = {"products", commands_check, commands_send},
    [ROUTE_PRODUCT] = {NULL, NULL, products_show},
    [ROUTE_OPEN_ACCOUNT] = {"accounts", commands_check, commands_send},
    [ROUTE_CUSTOMER_ORDERS] = {NULL, customers_check, customers_show},
    [ROUTE_ALIVE] = {NULL, NULL, health_alive},
    [ROUTE_READY] = {NULL, NULL, health_ready},
    [ROUTE_PROBLEM] = {NULL, NULL, problems_show},
};

const struct handler *handler_of(enum route route)
{
    return &handlers[route];
}
