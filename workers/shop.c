/* The spelling of the shop's keys. */
#include "shop.h"

#include <stdio.h>

struct shop_key shop_key(const char *entity, const char *id)
{
    struct shop_key key;
    const int length = snprintf(key.text, sizeof key.text, "%s:%s", entity, id);
    if (length < 0 || (size_t)length >= sizeof key.text)
        key.text[0] = '\0';
    return key;
}
