/* The mix of orders: good ones, those that are refused, silent, slow or deadly, and nonsense. */
#include "mix.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MALFORMED_OF_100 2
#define LARGE_OF 6 /* one of so many that could be large is */
#define TOO_LARGE (1024 * 1024 + 4096)

/* splitmix64: the same on every machine. */
unsigned chaos_random_below(struct chaos_random *random, unsigned limit)
{
    uint64_t mixed = random->state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((mixed ^ (mixed >> 31)) % limit);
}

/* ---- Orders ------------------------------------------------------------------------------ */

#define EITHER "completed,compensated"
#define UNDONE "compensated"

/* What misbehaves, in `how`: a word for the step, slow:<ms> made of the two limits. */
struct kind {
    const char *name;
    unsigned weight;
    const char *allowed, *calm;
    const char *customer, *product; /* NULL: one of many */
    const char *how;
    unsigned least_ms, most_ms;
    unsigned times; /* 0: once */
};

static const struct kind kinds[] = {
    {.name = "good", .weight = 380, .allowed = EITHER, .calm = "completed"},
    {.name = "without-product",
     .weight = 30,
     .allowed = EITHER,
     .calm = "completed",
     .product = ""},
    {.name = "poor", .weight = 40, .allowed = UNDONE, .calm = UNDONE, .customer = "poor"},
    {.name = "no-stock", .weight = 30, .allowed = UNDONE, .calm = UNDONE, .product = "rare"},
    {.name = "no-customer", .weight = 20, .allowed = UNDONE, .calm = UNDONE, .customer = "nobody"},
    {.name = "no-product", .weight = 20, .allowed = UNDONE, .calm = UNDONE, .product = "nothing"},
    {.name = "refused", .weight = 60, .allowed = UNDONE, .calm = UNDONE, .how = "fail"},
    {.name = "swallowed", .weight = 30, .allowed = UNDONE, .calm = UNDONE, .how = "swallow"},
    {.name = "slow",
     .weight = 240,
     .allowed = EITHER,
     .calm = "completed",
     .how = "slow",
     .most_ms = 700},
    {.name = "late",
     .weight = 40,
     .allowed = EITHER,
     .calm = UNDONE,
     .how = "slow",
     .least_ms = 4500,
     .most_ms = 6500},
    {.name = "crashing", .weight = 10, .allowed = EITHER, .calm = "completed", .how = "crash"},
    {.name = "twice", .weight = 100, .allowed = EITHER, .calm = "completed", .times = 2},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const char *const steps[] = {"create-order", "reserve-stock", "process-payment",
                                    "send-shipping-notification"};

static const struct kind *choose_kind(struct chaos_random *random)
{
    unsigned total = 0, dice;
    for (size_t i = 0; i < KINDS; i++)
        total += kinds[i].weight;
    dice = chaos_random_below(random, total);
    for (size_t i = 0; i < KINDS; i++) {
        if (dice < kinds[i].weight)
            return &kinds[i];
        dice -= kinds[i].weight;
    }
    return &kinds[0];
}

static unsigned between(struct chaos_random *random, unsigned least, unsigned most)
{
    return least + chaos_random_below(random, most - least + 1);
}

/* One step misbehaves; of those that are refused some are slow in undoing, too. */
static void compose_simulate(struct chaos_random *random, const struct kind *kind, char *out,
                             size_t room)
{
    const char *step = steps[chaos_random_below(random, 4)];
    out[0] = '\0';
    if (kind->how == NULL)
        return;
    if (strcmp(kind->how, "slow") == 0)
        snprintf(out, room, ",\"simulate\":{\"%s\":\"slow:%u\"}", step,
                 between(random, kind->least_ms, kind->most_ms));
    else if (strcmp(kind->how, "fail") == 0 && chaos_random_below(random, 3) == 0)
        snprintf(out, room,
                 ",\"simulate\":{\"send-shipping-notification\":\"fail\","
                 "\"process-payment/compensate\":\"slow:%u\"}",
                 between(random, 0, 500));
    else
        snprintf(out, room, ",\"simulate\":{\"%s\":\"%s\"}", step, kind->how);
}

static void compose_product(struct chaos_random *random, const struct kind *kind, char *out,
                            size_t room)
{
    char product[16];
    snprintf(product, sizeof product, "p%u", chaos_random_below(random, CHAOS_PRODUCTS));
    out[0] = '\0';
    if (kind->product == NULL || kind->product[0] != '\0')
        snprintf(out, room, ",\"productId\":\"%s\",\"quantity\":%u",
                 kind->product ? kind->product : product, between(random, 1, 3));
}

void chaos_compose_order(struct chaos_random *random, unsigned number, struct chaos_order *order)
{
    const struct kind *kind = choose_kind(random);
    char customer[16], product[64], simulate[160];
    unsigned amount = between(random, 100, 1000);
    snprintf(customer, sizeof customer, "c%u", chaos_random_below(random, CHAOS_CUSTOMERS));
    if (kind->customer != NULL)
        snprintf(customer, sizeof customer, "%s", kind->customer);
    compose_product(random, kind, product, sizeof product);
    compose_simulate(random, kind, simulate, sizeof simulate);
    order->kind = kind->name;
    order->allowed = kind->allowed;
    order->calm = kind->calm;
    order->times = kind->times > 0 ? kind->times : 1;
    snprintf(order->id, sizeof order->id, "o%u", number);
    snprintf(order->data, sizeof order->data,
             "{\"orderId\":\"%s\",\"customerId\":\"%s\",\"amount\":%u%s%s}", order->id, customer,
             strcmp(customer, "poor") == 0 ? 1000000 : amount, product, simulate);
}

int chaos_next_is_order(struct chaos_random *random)
{
    return chaos_random_below(random, 100) >= MALFORMED_OF_100;
}

/* ---- Nonsense ---------------------------------------------------------------------------- */

struct nonsense {
    const char *name, *stream;
    const char *fields[CHAOS_FIELDS_MAX];
};

#define LARGE "(large)" /* stands for data over the limit */

static const struct nonsense nonsense[] = {
    {"no-type", "{payments}:commands", {"data", "{\"amount\":1}"}},
    {"empty-type", "{orders}:commands", {"type", ""}},
    {"unknown-type", "{catalog}:commands", {"type", "PaintProduct", "data", "{}"}},
    {"bad-type", "{payments}:commands", {"type", "no type at all", "data", "{}"}},
    {"broken-json", "{payments}:commands", {"type", "OpenAccount", "data", "{\"customerId\":"}},
    {"not-an-object", "{orders}:commands", {"type", "CreateOrder", "data", "[1,2]"}},
    {"bad-utf8",
     "{catalog}:commands",
     {"type", "CreateProduct", "data", "{\"name\":\"\xff\xfe\"}"}},
    {"too-large", "{payments}:commands", {"type", "OpenAccount", "data", LARGE}},
    {"missing-field", "{payments}:commands", {"type", "OpenAccount", "data", "{\"balance\":5}"}},
    {"wrong-number",
     "{payments}:commands",
     {"type", "OpenAccount", "data", "{\"customerId\":\"cx\",\"balance\":1.5}"}},
    {"bad-saga-id",
     "{sagas}:commands",
     {"type", "StartSaga", "saga", "no {good} id", "definition", "chaos-order", "data", "{}"}},
    {"unknown-definition",
     "{sagas}:commands",
     {"type", "StartSaga", "definition", "no-such-definition", "data", "{}"}},
    {"no-definition", "{sagas}:commands", {"type", "StartSaga", "data", "{}"}},
    {"start-too-large",
     "{sagas}:commands",
     {"type", "StartSaga", "definition", "chaos-order", "data", LARGE}},
    {"broken-start",
     "{sagas}:commands",
     {"type", "StartSaga", "definition", "chaos-order", "data", "{\"orderId\":}"}},
    {"unknown-order", "{sagas}:commands", {"type", "PauseSaga", "saga", "o1"}},
    {"reply-without-saga", "{sagas}:replies", {"type", "StepSucceeded", "step", "create-order"}},
    {"broken-reply",
     "{sagas}:replies",
     {"type", "StepSucceeded", "saga", "o1", "step", "create-order", "action", "execute", "data",
      "{"}},
};
enum { NONSENSE = sizeof nonsense / sizeof nonsense[0] };

static const char *large_data(void)
{
    static char *data;
    if (data == NULL && (data = malloc(TOO_LARGE + 1)) != NULL) {
        memset(data, 'x', TOO_LARGE);
        memcpy(data, "{\"a\":\"", 6);
        memcpy(data + TOO_LARGE - 2, "\"}", 3);
    }
    return data != NULL ? data : "{";
}

static bool is_large(const struct nonsense *chosen)
{
    for (size_t i = 0; i < CHAOS_FIELDS_MAX && chosen->fields[i] != NULL; i++)
        if (strcmp(chosen->fields[i], LARGE) == 0)
            return true;
    return false;
}

/* Dead letters are kept whole, so that only some may be large. */
void chaos_compose_malformed(struct chaos_random *random, unsigned number,
                             struct chaos_malformed *malformed)
{
    const struct nonsense *chosen = &nonsense[chaos_random_below(random, NONSENSE)];
    if (is_large(chosen) && chaos_random_below(random, LARGE_OF) > 0)
        chosen = &nonsense[0];
    malformed->kind = chosen->name;
    malformed->stream = chosen->stream;
    malformed->count = 0;
    while (malformed->count < CHAOS_FIELDS_MAX && chosen->fields[malformed->count] != NULL) {
        const char *field = chosen->fields[malformed->count];
        malformed->fields[malformed->count++] = strcmp(field, LARGE) == 0 ? large_data() : field;
    }
    snprintf(malformed->marker, sizeof malformed->marker, "m%u", number);
}
