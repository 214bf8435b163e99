/* Compares paths with a table of patterns, segment by segment. */
#include "route.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *method, *pattern;
    enum route route;
} routes[] = {
    {"POST", "/orders", ROUTE_PLACE_ORDER},
    {"GET", "/orders/{id}", ROUTE_ORDER},
    {"POST", "/payments", ROUTE_PAYMENT},
    {"POST", "/notifications", ROUTE_NOTIFICATION},
    {"POST", "/products", ROUTE_CREATE_PRODUCT},
    {"GET", "/products/{id}", ROUTE_PRODUCT},
    {"POST", "/accounts", ROUTE_OPEN_ACCOUNT},
    {"GET", "/customers/{id}/orders", ROUTE_CUSTOMER_ORDERS},
    {"GET", "/healthz", ROUTE_ALIVE},
    {"GET", "/readyz", ROUTE_READY},
    {"GET", "/problems/{id}", ROUTE_PROBLEM},
};

/* ---- Ids --------------------------------------------------------------------------------- */

/* The length of the UTF-8 character there; 0: it is none. */
static size_t character(const unsigned char *at)
{
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (at[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return length;
}

bool route_id_valid(const char *id)
{
    size_t length = strnlen(id, ROUTE_ID_MAX), step;
    if (length == 0 || length >= ROUTE_ID_MAX)
        return false;
    for (const char *at = id; *at != '\0'; at += step) {
        step = character((const unsigned char *)at);
        if (step == 0 || (unsigned char)*at <= ' ' || *at == 0x7f || strchr("{}/\"\\", *at) != NULL)
            return false;
    }
    return true;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* False where an escape is none, or stands for a NUL, or the text is too long for any id. */
static bool unescape(const char *from, size_t length, char *to)
{
    size_t filled = 0;
    for (size_t i = 0; i < length; i++) {
        char c = from[i];
        if (c == '%') {
            int high = i + 2 < length ? hex_digit(from[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(from[i + 2]) : -1;
            if (low < 0 || high * 16 + low == 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (filled + 1 >= ROUTE_ID_MAX)
            return false;
        to[filled++] = c;
    }
    to[filled] = '\0';
    return true;
}

/* ---- Paths ------------------------------------------------------------------------------- */

enum fit { FITS_NOT, FITS, FITS_BADLY };

static enum fit fit(const char *pattern, const char *path, char *id)
{
    enum fit result = FITS;
    while (*pattern != '\0' && *path != '\0') {
        if (*pattern == '{') {
            size_t length = strcspn(path, "/");
            if (length == 0)
                return FITS_NOT;
            if (!unescape(path, length, id) || !route_id_valid(id))
                result = FITS_BADLY;
            path += length;
            pattern = strchr(pattern, '}') + 1;
        } else if (*pattern++ != *path++) {
            return FITS_NOT;
        }
    }
    return *pattern == '\0' && *path == '\0' ? result : FITS_NOT;
}

static void allow(struct route_match *match, const char *method)
{
    size_t length = strlen(match->allow);
    snprintf(match->allow + length, sizeof match->allow - length, "%s%s", length > 0 ? ", " : "",
             strcmp(method, "GET") == 0 ? "GET, HEAD" : method);
}

struct route_match route_find(const char *method, const char *path)
{
    struct route_match match = {.route = ROUTE_NO_PATH};
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        enum fit how = fit(routes[i].pattern, path, match.id);
        if (how == FITS_NOT)
            continue;
        if (strcmp(routes[i].method, wanted) == 0) {
            match.route = how == FITS ? routes[i].route : ROUTE_BAD_ID;
            return match;
        }
        match.route = ROUTE_NO_METHOD;
        allow(&match, routes[i].method);
    }
    return match;
}

const char *route_path(enum route route)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (routes[i].route == route)
            return routes[i].pattern;
    return "none";
}
