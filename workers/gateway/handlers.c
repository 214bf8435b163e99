/* The table of routes and what is done for each. */
#include "handlers.h"

static const struct handler handlers[] = {
    [ROUTE_PLACE_ORDER] = {true, orders_check, orders_place},
    [ROUTE_ORDER] = {true, NULL, orders_show},
    [ROUTE_PAYMENT] = {true, commands_check, commands_send},
    [ROUTE_NOTIFICATION] = {true, commands_check, commands_send},
    [ROUTE_CREATE_PRODUCT] = {true, commands_check, commands_send},
    [ROUTE_PRODUCT] = {true, NULL, products_show},
    [ROUTE_OPEN_ACCOUNT] = {true, commands_check, commands_send},
    [ROUTE_CUSTOMER_ORDERS] = {true, customers_check, customers_show},
    [ROUTE_ALIVE] = {false, NULL, health_alive},
    [ROUTE_READY] = {true, NULL, health_ready},
    [ROUTE_PROBLEM] = {false, NULL, problems_show},
};

const struct handler *handler_of(enum route route)
{
    return &handlers[route];
}
