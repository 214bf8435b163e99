/* Which resource a method and a path mean. Pure. */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include <stdbool.h>

#define ROUTE_ID_MAX 129 /* bytes of an id with the final NUL */

enum route {
    ROUTE_PLACE_ORDER,
    ROUTE_ORDER,
    ROUTE_PAYMENT,
    ROUTE_NOTIFICATION,
    ROUTE_CREATE_PRODUCT,
    ROUTE_PRODUCT,
    ROUTE_OPEN_ACCOUNT,
    ROUTE_CUSTOMER_ORDERS,
    ROUTE_ALIVE,
    ROUTE_READY,
    ROUTE_PROBLEM,
    ROUTE_NO_PATH,   /* nothing is there */
    ROUTE_NO_METHOD, /* something is there, but `allow` lists what it takes */
    ROUTE_BAD_ID     /* it has an id in it that no thing can have */
};

struct route_match {
    enum route route;
    char id[ROUTE_ID_MAX]; /* "": the path has none */
    char allow[32];
};

/* `path` as it came, escaped. HEAD is as GET. */
struct route_match route_find(const char *method, const char *path);

/* Its path, with "{id}" where there is one: "/orders/{id}". "none" where nothing is there. */
const char *route_path(enum route route);

/* Ids of the shop, which stand in keys: 1 to 128 bytes of UTF-8 without blanks, control characters,
 * '{', '}', '/', '"' and '\'. */
bool route_id_valid(const char *id);

#endif
