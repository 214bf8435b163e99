/* The service "sagas": drives business transactions over several services. */
#include "saga/coordinator.h"

#include <stdio.h>
#include <stdlib.h>

#include "redis/reply.h"
#include "saga/handlers.h"

#define EXPIRE_EVERY_MS 60000
#define EXPIRE_LIMIT "1000"

/* Ended sagas leave the server by themselves; their places in the indexes are swept up here. */
static bool call_expire(void *self, struct weir_periodic *periodic)
{
    struct weir_coordinator *coordinator = self;
    char age[24];
    snprintf(age, sizeof age, "%lld", (long long)coordinator->runtime->settings->retention_ms);
    return weir_periodic_send(periodic, 7,
                              (const char *[]){"FCALL", "weir_expire", "2",
                                               coordinator->ended_keys[0],
                                               coordinator->ended_keys[1], age, EXPIRE_LIMIT});
}

static int64_t on_expired(void *self, const redisReply *reply)
{
    int64_t removed = 0;
    (void)self;
    return weir_reply_integer(reply, &removed) && removed > 0 ? 1000 : -1;
}

static enum weir_status start(void *self, struct weir_runtime *runtime, struct weir_error *error)
{
    struct weir_coordinator *coordinator = self;
    (void)error;
    coordinator->runtime = runtime;
    weir_key_saga_state(coordinator->ended_keys[0], runtime->prefix,
                        weir_saga_state_text(WEIR_SAGA_COMPLETED));
    weir_key_saga_state(coordinator->ended_keys[1], runtime->prefix,
                        weir_saga_state_text(WEIR_SAGA_COMPENSATED));
    weir_periodic_init(&coordinator->expiry, runtime->loop, runtime->link, runtime->log, "expire",
                       EXPIRE_EVERY_MS, coordinator);
    coordinator->expiry.call = call_expire;
    coordinator->expiry.answered = on_expired;
    weir_periodic_start(&coordinator->expiry);
    return WEIR_OK;
}

static void stop(void *self)
{
    struct weir_coordinator *coordinator = self;
    weir_periodic_stop(&coordinator->expiry);
}

static bool busy(void *self)
{
    (void)self;
    return false;
}

static void close_coordinator(void *self)
{
    struct weir_coordinator *coordinator = self;
    if (coordinator->runtime != NULL)
        weir_periodic_stop(&coordinator->expiry);
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
    {.name = NULL},
};

static void add_routes(weir_service *service)
{
    const struct weir_route routes[] = {
        {.type = "StartSaga", .handler = weir_saga_on_start, .keys = weir_saga_start_keys},
        {.type = "StepSucceeded", .handler = weir_saga_on_reply, .keys = weir_saga_key},
        {.type = "StepFailed", .handler = weir_saga_on_reply, .keys = weir_saga_key},
        {.type = "CancelSaga", .handler = weir_saga_on_order, .keys = weir_saga_key},
        {.type = "ResumeSaga", .handler = weir_saga_on_order, .keys = weir_saga_key},
        {.type = "SignalSaga", .handler = weir_saga_on_order, .keys = weir_saga_key},
        {.type = "SagaWake", .handler = weir_saga_on_wake, .keys = weir_saga_key},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        struct weir_route route = routes[i];
        route.plain = route.wants_time = route.unchecked = true;
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
                                         .close = close_coordinator};
    weir_service_add_component(service, component);
    weir_service_set_user(service, coordinator);
    service->no_participant = true;
    service->options = options;
    weir_service_add_inbox(service, "replies");
    add_routes(service);
    return service;
}
