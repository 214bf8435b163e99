/* The workers that are measured: handlers that do little, so that what is seen is weir. */
#include "services.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "weir.h"

/* ---- Messages ------------------------------------------------------------------------------ */

static enum weir_outcome write_two_fields(weir_context *context, const char *key,
                                          const char *customer, int64_t number)
{
    weir_hset_integer(context, key, "last", number);
    weir_hset(context, key, "state", "open");
    weir_publish(context, "Recorded", NULL, "{s:I, s:s}", "n", number, "customerId", customer);
    return WEIR_DONE;
}

/* Two fields and one event. */
static enum weir_outcome record(weir_context *context, const weir_message *message)
{
    const char *customer;
    char key[192];
    int64_t number;
    (void)message;
    if (!weir_require_integer(context, "n", 0, INT64_MAX, &number) ||
        !weir_require_id(context, "customerId", &customer))
        return WEIR_REJECT;
    snprintf(key, sizeof key, "account:%s", customer);
    return write_two_fields(context, key, customer, number);
}

/* The same on state that was loaded and looked at. */
static enum weir_outcome decide(weir_context *context, const weir_message *message)
{
    const char *customer;
    int64_t number, limit;
    (void)message;
    if (!weir_require_integer(context, "n", 0, INT64_MAX, &number) ||
        !weir_require_id(context, "customerId", &customer) ||
        !weir_hget_integer(context, NULL, "limit", &limit) || number > limit)
        return WEIR_REJECT;
    return write_two_fields(context, NULL, customer, number);
}

static enum weir_outcome nothing(weir_context *context, const weir_message *message)
{
    (void)context, (void)message;
    return WEIR_DONE;
}

/* ---- Messages that stay in hand ------------------------------------------------------------ */

struct held {
    ev_timer timer;
    weir_deferral *deferral;
};

static void on_held_long_enough(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct held *held = timer->data;
    (void)events;
    ev_timer_stop(loop, timer);
    weir_finish(held->deferral, WEIR_DONE);
    free(held);
}

static enum weir_outcome hold_for(weir_context *context, int64_t ms)
{
    struct held *held = calloc(1, sizeof *held);
    weir_deferral *deferral = held != NULL ? weir_defer(context) : NULL;
    if (deferral == NULL) {
        free(held);
        return WEIR_RETRY;
    }
    held->deferral = deferral;
    ev_timer_init(&held->timer, on_held_long_enough, (double)ms / 1000.0, 0.0);
    held->timer.data = held;
    ev_timer_start(weir_loop(context), &held->timer);
    return WEIR_DEFERRED;
}

static enum weir_outcome hold(weir_context *context, const weir_message *message)
{
    int64_t ms;
    (void)message;
    return weir_require_integer(context, "ms", 0, INT64_MAX, &ms) ? hold_for(context, ms)
                                                                  : WEIR_REJECT;
}

/* The message's data stay as values for as long as it is held. */
static enum weir_outcome hold_data(weir_context *context, const weir_message *message)
{
    const json_t *ms = json_object_get(weir_message_data(message), "ms");
    return hold_for(context, (int64_t)json_integer_value(ms));
}

/* ---- Read models --------------------------------------------------------------------------- */

static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    int64_t number;
    (void)message;
    if (!weir_require_integer(context, "n", 0, INT64_MAX, &number))
        return WEIR_REJECT;
    weir_hset_integer(context, NULL, "last", number);
    weir_hincrby(context, NULL, "count", 1);
    weir_hincrby(context, "total:all", "count", 1);
    return WEIR_DONE;
}

/* ---- Running ------------------------------------------------------------------------------- */

int bench_serve(int argc, char **argv)
{
    const char *name = argc > 0 ? argv[0] : "";
    weir_service *service = weir_service_new(name);
    if (strcmp(name, BENCH_SERVICE) == 0) {
        weir_on_command(service, "Record", record, NULL);
        weir_on_command(service, "Decide", decide, "account:{customerId}");
        weir_on_command(service, "Nothing", nothing, NULL);
        weir_on_command(service, "Hold", hold, NULL);
        weir_on_command(service, "HoldData", hold_data, NULL);
    } else if (strcmp(name, BENCH_VIEW) == 0) {
        weir_project(service, "fold", BENCH_SERVICE, "Recorded", fold, "account:{customerId}");
    } else {
        weir_on_command(service, "Do", nothing, NULL);
        weir_on_command(service, "Undo", nothing, NULL);
    }
    return weir_main(service, argc, argv);
}
