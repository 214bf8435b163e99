/* What a service is made of: registering its handlers. */
#include "service/service.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "service/load_pattern.h"

weir_service *weir_service_new(const char *name)
{
    weir_service *service = calloc(1, sizeof *service);
    if (service == NULL)
        return NULL;
    service->name = name != NULL ? strdup(name) : NULL;
    if (name == NULL || !weir_name_valid(name, strlen(name)))
        weir_error_set(&service->error, WEIR_INVALID,
                       "service name: must be [A-Za-z][A-Za-z0-9_-]*, 64 bytes at most");
    else if (strcmp(name, "weir") == 0)
        weir_error_set(&service->error, WEIR_INVALID, "service name: weir is the framework's own");
    else if (service->name == NULL)
        weir_error_set(&service->error, WEIR_NO_MEMORY, "no memory");
    service->inboxes[service->inbox_count++] = "commands";
    return service;
}

void weir_service_free(weir_service *service)
{
    if (service == NULL)
        return;
    while (service->components != NULL) {
        struct weir_component *component = service->components;
        service->components = component->next;
        component->close(component->self);
        free(component);
    }
    weir_event_versions_close(&service->versions);
    free(service->routes);
    free(service->name);
    free(service);
}

void weir_service_durability(weir_service *service, unsigned replicas, bool disk)
{
    if (service == NULL)
        return;
    if (replicas > WEIR_REPLICAS_MAX)
        weir_error_set(&service->error, WEIR_INVALID, "durability: at most %d replicas",
                       WEIR_REPLICAS_MAX);
    service->need = (struct weir_durability){replicas, disk};
}

void weir_service_set_user(weir_service *service, void *user)
{
    if (service != NULL)
        service->user = user;
}

static void check_route(weir_service *service, const struct weir_route *route)
{
    const char *type = route->type != NULL ? route->type : "";
    if (!weir_type_name_valid(type, strlen(type)))
        weir_error_set(&service->error, WEIR_INVALID,
                       "message type \"%s\": must be [A-Za-z][A-Za-z0-9._-]*", type);
    if (route->source != NULL && !weir_name_valid(route->source, strlen(route->source)))
        weir_error_set(&service->error, WEIR_INVALID, "source \"%s\": is no name of a service",
                       route->source);
    if (route->handler == NULL)
        weir_error_set(&service->error, WEIR_INVALID, "%s: the handler is missing", type);
    if (route->load != NULL)
        (void)!weir_load_pattern_check(route->load, &service->error);
    if (weir_service_route(service, route->source, type) != NULL)
        weir_error_set(&service->error, WEIR_INVALID, "%s: has two handlers", type);
}

void weir_service_add_route(weir_service *service, const struct weir_route *route)
{
    struct weir_route *grown;
    if (service == NULL)
        return;
    check_route(service, route);
    grown = realloc(service->routes, (service->route_count + 1) * sizeof *grown);
    if (grown == NULL) {
        weir_error_set(&service->error, WEIR_NO_MEMORY, "no memory");
        return;
    }
    service->routes = grown;
    service->routes[service->route_count++] = *route;
}

void weir_on_command(weir_service *service, const char *type, weir_handler *handler,
                     const char *load)
{
    struct weir_route route = {.type = type, .handler = handler, .load = load};
    weir_service_add_route(service, &route);
}

void weir_on_event(weir_service *service, const char *source, const char *type,
                   weir_handler *handler, const char *load)
{
    struct weir_route route = {
        .source = source != NULL ? source : "", .type = type, .handler = handler, .load = load};
    weir_service_add_route(service, &route);
}

void weir_service_add_inbox(weir_service *service, const char *name, bool urgent)
{
    if (service == NULL)
        return;
    if (service->inbox_count == WEIR_INBOXES_MAX) {
        weir_error_set(&service->error, WEIR_TOO_LARGE, "too many inboxes");
        return;
    }
    service->inboxes[service->inbox_count++] = name;
    if (!urgent)
        return;
    memmove(service->inboxes + 1, service->inboxes,
            (service->inbox_count - 1) * sizeof service->inboxes[0]);
    service->inboxes[0] = name;
    service->urgent_inboxes++;
}

void weir_service_add_component(weir_service *service, struct weir_component *component)
{
    component->next = service->components;
    service->components = component;
}

static bool same_source(const char *one, const char *other)
{
    return one == NULL ? other == NULL : other != NULL && strcmp(one, other) == 0;
}

const struct weir_route *weir_service_route(const weir_service *service, const char *source,
                                            const char *type)
{
    for (size_t i = 0; i < service->route_count; i++)
        if (same_source(service->routes[i].source, source) &&
            strcmp(service->routes[i].type, type) == 0)
            return &service->routes[i];
    return NULL;
}
