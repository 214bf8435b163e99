/* The service "sagas": drives business transactions over several services. */
#include "coordinator/coordinator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/reply.h"
#include "coordinator/handlers.h"

#define EXPIRE_EVERY_MS 60000
#define EXPIRE_PAUSE_MS 50     /* while they go: faster than they can come */
#define EXPIRE_PASSING_MS 1000 /* while they stay */
#define EXPIRE_LIMIT "1000"
#define FROM_THE_LEAST "-inf"
#define CENSUS_EVERY_MS 1000
#define CENSUS_FULL_MS 50

/* Ended sagas leave the server by themselves, each when the coordinator that began it has said.
 * Their places in the indexes are swept up here: none before its saga, whatever this process is
 * told. */
static bool call_expire(void *self, struct weir_periodic *periodic)
{
    struct weir_coordinator *coordinator = self;
    const struct weir_runtime *runtime = coordinator->runtime;
    char age[24], sagas[WEIR_KEY_MAX];
    snprintf(age, sizeof age, "%lld", (long long)runtime->settings->retention_ms);
    weir_key_saga(sagas, runtime->prefix, "");
    return weir_periodic_send(periodic, 8,
                              (const char *[]){"FCALL", "weir_expire_gone", "1",
                                               coordinator->ended_keys[coordinator->expiring], age,
                                               coordinator->expire_from, EXPIRE_LIMIT, sagas});
}

/* On to what is left of this index, or to the other one, or all has been seen. */
static int64_t on_expired(void *self, const redisReply *reply)
{
    struct weir_coordinator *coordinator = self;
    struct weir_slice from = {"", 0};
    int64_t removed = 0;
    (void)weir_reply_text(weir_reply_at(reply, 0), &from);
    bool more = from.length > 0 && from.length < sizeof coordinator->expire_from;
    if (!more)
        from = weir_slice_of(FROM_THE_LEAST);
    snprintf(coordinator->expire_from, sizeof coordinator->expire_from, "%.*s", (int)from.length,
             from.at);
    (void)weir_reply_integer(weir_reply_at(reply, 1), &removed);
    if (more)
        return removed > 0 ? EXPIRE_PAUSE_MS : EXPIRE_PASSING_MS;
    coordinator->expiring = !coordinator->expiring;
    return coordinator->expiring ? 0 : -1;
}

static bool call_census(void *self, struct weir_periodic *periodic)
{
    struct weir_coordinator *coordinator = self;
    return weir_periodic_send(periodic, 5,
                              (const char *[]){"FCALL", "weir_count", "2",
                                               coordinator->under_way_keys[0],
                                               coordinator->under_way_keys[1]});
}

static int64_t on_census(void *self, const redisReply *reply)
{
    struct weir_coordinator *coordinator = self;
    (void)weir_reply_integer(reply, &coordinator->in_flight);
    return -1;
}

/* Workers end sagas without this process's hearing of it: before long there may be room again. */
bool weir_saga_may_begin(struct weir_coordinator *coordinator)
{
    bool room = coordinator->runtime == NULL ||
                coordinator->in_flight < coordinator->runtime->settings->sagas_max;
    if (!room)
        weir_periodic_hasten(&coordinator->census, CENSUS_FULL_MS);
    return room;
}

/* Starts that were held are read again when there is room for them. */
static bool inbox_open(void *self, const char *inbox)
{
    return strcmp(inbox, WEIR_SAGA_HELD) != 0 || weir_saga_may_begin(self);
}

static enum weir_status start(void *self, struct weir_runtime *runtime, struct weir_error *error)
{
    struct weir_coordinator *coordinator = self;
    (void)error;
    coordinator->runtime = runtime;
    snprintf(coordinator->expire_from, sizeof coordinator->expire_from, FROM_THE_LEAST);
    weir_key_saga_state(coordinator->ended_keys[0], runtime->prefix,
                        weir_saga_state_text(WEIR_SAGA_COMPLETED));
    weir_key_saga_state(coordinator->ended_keys[1], runtime->prefix,
                        weir_saga_state_text(WEIR_SAGA_COMPENSATED));
    weir_periodic_init(&coordinator->expiry, runtime->loop, runtime->link, runtime->log, "expire",
                       EXPIRE_EVERY_MS, coordinator);
    coordinator->expiry.call = call_expire;
    coordinator->expiry.answered = on_expired;
    weir_periodic_start(&coordinator->expiry);
    weir_key_saga_state(coordinator->under_way_keys[0], runtime->prefix,
                        weir_saga_state_text(WEIR_SAGA_RUNNING));
    weir_key_saga_state(coordinator->under_way_keys[1], runtime->prefix,
                        weir_saga_state_text(WEIR_SAGA_COMPENSATING));
    weir_periodic_init(&coordinator->census, runtime->loop, runtime->link, runtime->log, "census",
                       CENSUS_EVERY_MS, coordinator);
    coordinator->census.call = call_census;
    coordinator->census.answered = on_census;
    weir_periodic_start(&coordinator->census);
    return WEIR_OK;
}

static void stop(void *self)
{
    struct weir_coordinator *coordinator = self;
    weir_periodic_stop(&coordinator->expiry);
    weir_periodic_stop(&coordinator->census);
}

static bool busy(void *self)
{
    (void)self;
    return false;
}

static void measure(void *self, struct weir_metrics *metrics, struct weir_collection *collection)
{
    struct weir_coordinator *coordinator = self;
    weir_census_measure(&coordinator->sagas, coordinator->runtime->prefix, metrics, collection);
}

static void close_coordinator(void *self)
{
    struct weir_coordinator *coordinator = self;
    if (coordinator->runtime != NULL)
        stop(coordinator);
    weir_definition_cache_close(&coordinator->definitions);
    free(coordinator);
}

static const struct weir_option options[] = {
    {.name = "retention",
     .environment = "WEIR_RETENTION",
     .kind = WEIR_OPTION_DURATION,
     .offset = offsetof(struct weir_worker_settings, retention_ms),
     .initial = "7d",
     .minimum = 1,
     .maximum = WEIR_DELAY_MAX_MS,
     .value_name = "TIME",
     .help = "ended sagas stay on the server for so long"},
    {.name = "max-sagas",
     .environment = "WEIR_MAX_SAGAS",
     .kind = WEIR_OPTION_INTEGER,
     .offset = offsetof(struct weir_worker_settings, sagas_max),
     .initial = "100000",
     .minimum = 1,
     .maximum = 100000000,
     .value_name = "N",
     .help = "sagas in flight at once, about; further starts wait in {sagas}:held"},
    {.name = NULL},
};

static void add_routes(weir_service *service)
{
    const struct weir_route routes[] = {
        {.type = "StartSaga",
         .handler = weir_saga_on_start,
         .keys = weir_saga_start_keys,
         .shares_last = true}, /* the definition */
        {.type = "StepSucceeded", .handler = weir_saga_on_reply, .keys = weir_saga_key},
        {.type = "StepFailed", .handler = weir_saga_on_reply, .keys = weir_saga_key},
        {.type = "CancelSaga", .handler = weir_saga_on_order, .keys = weir_saga_key},
        {.type = "ResumeSaga", .handler = weir_saga_on_order, .keys = weir_saga_key},
        {.type = "SignalSaga", .handler = weir_saga_on_order, .keys = weir_saga_key},
        {.type = "SagaWake", .handler = weir_saga_on_wake, .keys = weir_saga_key},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        struct weir_route route = routes[i];
        route.wants_time = route.unchecked = true;
        /* replies and timers repeat by nature; what was asked for by an id is done once */
        route.plain = route.handler == weir_saga_on_reply || route.handler == weir_saga_on_wake;
        route.essential = route.handler == weir_saga_on_wake;
        route.wants_stranded = route.handler == weir_saga_on_wake    ? WEIR_STRANDED_FIRST
                               : route.handler == weir_saga_on_order ? WEIR_STRANDED_BEFORE
                                                                     : WEIR_STRANDED_UNASKED;
        weir_service_add_route(service, &route);
    }
}

weir_service *weir_coordinator_new(void)
{
    struct weir_coordinator *coordinator = calloc(1, sizeof *coordinator);
    struct weir_component *component = calloc(1, sizeof *component);
    weir_service *service = weir_service_new(WEIR_SAGAS);
    if (coordinator == NULL || component == NULL || service == NULL) {
        free(coordinator);
        free(component);
        weir_service_free(service);
        return NULL;
    }
    weir_random_init(&coordinator->random, weir_random_seed());
    *component = (struct weir_component){.self = coordinator,
                                         .start = start,
                                         .stop = stop,
                                         .busy = busy,
                                         .close = close_coordinator,
                                         .measure = measure};
    weir_service_add_component(service, component);
    weir_service_set_user(service, coordinator);
    service->no_participant = true;
    service->options = options;
    weir_service_add_inbox(service, "replies", true);
    weir_service_add_inbox(service, WEIR_SAGA_HELD, false);
    service->inbox_open = inbox_open;
    add_routes(service);
    return service;
}
