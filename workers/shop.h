/* What the services of the shop agree on: limits, and how the keys of their state are spelled. */
#ifndef SHOP_H
#define SHOP_H

#include <stdint.h>

/* The largest whole number that every JSON reader keeps exact, 2^53 - 1. Money is in cents. */
#define SHOP_MONEY_MAX INT64_C(9007199254740991)
#define SHOP_STOCK_MAX SHOP_MONEY_MAX
#define SHOP_QUANTITY_MAX INT64_C(1000000000)

struct shop_key {
    char text[256];
};

/* "<entity>:<id>". An id too long for any key gives the empty text, which weir refuses: a cut one
 * would name the state of something else. */
struct shop_key shop_key(const char *entity, const char *id);

#endif
