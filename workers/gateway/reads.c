/* What the read models tell of products and of customers' orders. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "shop.h"

#define PAGE_DEFAULT 20
#define PAGE_MAX 100
#define FROM_MAX INT64_C(1000000000)

/* ---- Values ------------------------------------------------------------------------------ */

static bool is_number(const char *text)
{
    size_t length = strspn(text + (text[0] == '-'), "0123456789");
    return length > 0 && length < 19 && text[length + (text[0] == '-')] == '\0';
}

json_t *reads_object(const char *id_name, const char *id, const json_t *hash)
{
    static const char *const numbers[] = {"amount", "price", "stock"};
    json_t *object = json_pack("{s:s}", id_name, id);
    if (object == NULL || json_object_update(object, (json_t *)hash) != 0) {
        json_decref(object);
        return NULL;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *text = json_string_value(json_object_get(object, numbers[i]));
        if (text != NULL && is_number(text))
            json_object_set_new(object, numbers[i], json_integer(strtoll(text, NULL, 10)));
    }
    return object;
}

/* ---- What was not found ------------------------------------------------------------------ */

struct look {
    struct request *request;
    void (*again)(struct request *);
};

static void on_current(void *user, enum weir_query_result result, const char *reason)
{
    struct look look = *(struct look *)user;
    free(user);
    if (result != WEIR_QUERY_FOUND) {
        request_problem(look.request,
                        result == WEIR_QUERY_WAITED ? PROBLEM_BEHIND : PROBLEM_NO_SERVER, NULL,
                        "%s", reason);
        return;
    }
    look.request->again = true;
    look.again(look.request);
}

void reads_look_again(struct request *request, void (*again)(struct request *))
{
    struct look *look = malloc(sizeof *look);
    if (look == NULL) {
        request_problem(request, PROBLEM_INSIDE, NULL, "memory ran out");
        return;
    }
    *look = (struct look){request, again};
    if (weir_desk_current(request->gateway->desk, "views", "shop", request_view_limit(request),
                          on_current, look))
        return;
    free(look);
    change_busy(request);
}

void reads_failed(struct request *request, enum weir_query_result result, const char *reason)
{
    request_problem(request, result == WEIR_QUERY_OTHER ? PROBLEM_BROKEN_VIEW : PROBLEM_NO_SERVER,
                    NULL, "%s", reason);
}

/* ---- Products ---------------------------------------------------------------------------- */

static void on_product(void *user, enum weir_query_result result, const json_t *value,
                       const char *reason)
{
    struct request *request = user;
    if (result == WEIR_QUERY_FOUND)
        request_reply(request, 200, reads_object("productId", request->match.id, value));
    else if (result != WEIR_QUERY_ABSENT)
        reads_failed(request, result, reason);
    else if (request->again)
        request_problem(request, PROBLEM_ABSENT, NULL, "there is no product %s", request->match.id);
    else
        reads_look_again(request, products_show);
}

void products_show(struct request *request)
{
    const struct shop_key key = shop_key("product", request->match.id);
    if (!weir_desk_hash(request->gateway->desk, "views", key.text, request_time_left(request),
                        on_product, request))
        change_busy(request);
}

/* ---- Customers' orders ------------------------------------------------------------------- */

static bool read_argument(struct request *request, const char *name, int64_t minimum,
                          int64_t maximum, int64_t *out)
{
    const char *text = request_argument(request, name);
    if (text == NULL)
        return true;
    if (text[0] != '-' && is_number(text) && strlen(text) < 12 && atoll(text) >= minimum &&
        atoll(text) <= maximum) {
        *out = atoll(text);
        return true;
    }
    request_problem(request, PROBLEM_MALFORMED, name, "%s must be a number from %lld to %lld", name,
                    (long long)minimum, (long long)maximum);
    return false;
}

bool customers_check(struct request *request)
{
    request->count = PAGE_DEFAULT;
    return read_argument(request, "limit", 1, PAGE_MAX, &request->count) &&
           read_argument(request, "from", 0, FROM_MAX, &request->from);
}

/* One order of the page. Its place is the one in the list. */
struct part {
    struct request *request;
    json_t *order; /* in the list; borrowed */
};

static void finish_page(struct request *request, bool more)
{
    json_t *page =
        json_pack("{s:s, s:O}", "customerId", request->match.id, "orders", request->list);
    if (page != NULL && more) {
        char next[ROUTE_ID_MAX * 3 + 64];
        request_location(request, "/customers/", request->match.id);
        snprintf(next, sizeof next, "%s/orders?from=%lld&limit=%lld", request->reply.location,
                 (long long)(request->from + request->count), (long long)request->count);
        request->reply.location[0] = '\0';
        json_object_set_new(page, "next", json_string(next));
    }
    request_reply(request, 200, page);
}

static void on_part(void *user, enum weir_query_result result, const json_t *value,
                    const char *reason)
{
    struct part part = *(struct part *)user;
    struct request *request = part.request;
    (void)reason;
    free(user);
    if (result == WEIR_QUERY_FOUND) {
        const char *id = json_string_value(json_object_get(part.order, "orderId"));
        json_t *whole = reads_object("orderId", id, value);
        if (whole != NULL)
            json_object_update(part.order, whole);
        json_decref(whole);
    }
    if (--request->awaited == 0)
        finish_page(request, json_array_size(request->list) == (size_t)request->count);
}

/* All answers come from the desk's thread, in which this runs, so none comes before the last is
 * asked for. An order that cannot be asked for, or is not read in time, stands with its id alone.
 */
static void fetch_orders(struct request *request)
{
    size_t index;
    json_t *order;
    request->awaited = 1;
    json_array_foreach(request->list, index, order)
    {
        const char *id = json_string_value(json_object_get(order, "orderId"));
        const struct shop_key key = shop_key("order", id != NULL ? id : "");
        struct part *part = malloc(sizeof *part);
        if (part == NULL)
            continue;
        *part = (struct part){request, order};
        if (weir_desk_hash(request->gateway->desk, "views", key.text, request_time_left(request),
                           on_part, part))
            request->awaited++;
        else
            free(part);
    }
    if (--request->awaited == 0)
        finish_page(request, json_array_size(request->list) == (size_t)request->count);
}

static void on_members(void *user, enum weir_query_result result, const json_t *value,
                       const char *reason)
{
    struct request *request = user;
    size_t index;
    json_t *member;
    if (result == WEIR_QUERY_ABSENT && request->from == 0 && !request->again) {
        reads_look_again(request, customers_show);
    } else if (result == WEIR_QUERY_ABSENT && request->from == 0) {
        request_problem(request, PROBLEM_ABSENT, NULL, "customer %s has no orders",
                        request->match.id);
    } else if (result == WEIR_QUERY_FAILED || result == WEIR_QUERY_OTHER) {
        reads_failed(request, result, reason);
    } else {
        request->list = json_array();
        json_array_foreach((json_t *)value, index, member)
        {
            json_array_append_new(request->list,
                                  json_pack("{s:O}", "orderId", json_object_get(member, "member")));
        }
        fetch_orders(request);
    }
}

void customers_show(struct request *request)
{
    const struct shop_key key = shop_key("customer", request->match.id);
    if (!weir_desk_range(request->gateway->desk, "views", key.text, request->from, request->count,
                         true, request_time_left(request), on_members, request))
        change_busy(request);
}
