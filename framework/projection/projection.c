/* weir_project: which handler of which projection folds which event; and the projection's life. */
#include "projection/projection.h"

#include <stdlib.h>
#include <string.h>

static enum weir_status start(void *self, struct weir_runtime *runtime, struct weir_error *error);
static void stop(void *self);
static bool busy(void *self);
static void close_projection(void *self);

/* ---- Declaration ------------------------------------------------------------------------- */

static struct weir_projection *find(weir_service *service, const char *name)
{
    for (struct weir_component *c = service->components; c != NULL; c = c->next)
        if (c->close == close_projection &&
            strcmp(((struct weir_projection *)c->self)->name, name) == 0)
            return c->self;
    return NULL;
}

static struct weir_projection *new_projection(weir_service *service, const char *name)
{
    struct weir_projection *projection = calloc(1, sizeof *projection);
    struct weir_component *component = calloc(1, sizeof *component);
    weir_service *handlers = weir_service_new(service->name);
    if (projection == NULL || component == NULL || handlers == NULL) {
        free(projection);
        free(component);
        weir_service_free(handlers);
        weir_error_set(&service->error, WEIR_NO_MEMORY, "no memory");
        return NULL;
    }
    projection->name = name;
    projection->service = service;
    projection->handlers = handlers;
    *component = (struct weir_component){.self = projection,
                                         .start = start,
                                         .stop = stop,
                                         .busy = busy,
                                         .close = close_projection,
                                         .measure = weir_lag_measure};
    weir_service_add_component(service, component);
    return projection;
}

void weir_project(weir_service *service, const char *name, const char *source, const char *type,
                  weir_handler *handler, const char *load)
{
    struct weir_projection *projection;
    if (service == NULL)
        return;
    if (name == NULL || !weir_name_valid(name, strlen(name)) || source == NULL) {
        weir_error_set(&service->error, WEIR_INVALID,
                       "projection \"%s\": needs a name [A-Za-z][A-Za-z0-9_-]* and a source",
                       name != NULL ? name : "");
        return;
    }
    projection = find(service, name);
    if (projection == NULL)
        projection = new_projection(service, name);
    if (projection == NULL)
        return;
    if (!weir_sources_add(&projection->sources, source))
        weir_error_set(&service->error, WEIR_TOO_LARGE, "projection %s: more than %d sources", name,
                       WEIR_PROJECTION_SOURCES_MAX);
    weir_on_event(projection->handlers, source, type, handler, load);
    if (projection->handlers->error.status != WEIR_OK)
        weir_error_set(&service->error, projection->handlers->error.status, "projection %s: %s",
                       name, projection->handlers->error.text);
}

/* ---- Life -------------------------------------------------------------------------------- */

static void on_changed(void *user)
{
    struct weir_projection *projection = user;
    weir_turn_report(&projection->turn);
}

static void on_history(void *user)
{
    const struct weir_projection *projection = user;
    if (projection->history.missing > 0)
        weir_log_warning(projection->runtime->log, "projection.events_missing",
                         "projection=%s stream=%s missing=%lld", projection->name,
                         projection->history.missing_in, (long long)projection->history.missing);
}

/* A model that begins where events have been trimmed lacks what they did; its owner should know. */
static void on_beginning(void *user)
{
    struct weir_projection *projection = user;
    (void)!weir_history_look(&projection->history, projection);
}

static enum weir_status start(void *self, struct weir_runtime *runtime, struct weir_error *error)
{
    struct weir_projection *projection = self;
    projection->runtime = runtime;
    if (!weir_sources_name(&projection->sources, runtime->prefix))
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    weir_rebuild_keys_name(&projection->keys, runtime->prefix, runtime->service, projection->name);
    projection->live.user = projection;
    projection->live.changed = on_changed;
    projection->live.beginning = on_beginning;
    projection->history.user = projection;
    projection->history.known = on_history;
    weir_runner_open(&projection->live, projection, true);
    weir_rebuild_open(&projection->rebuild, projection);
    weir_turn_open(&projection->turn, projection);
    return WEIR_OK;
}

static void stop(void *self)
{
    struct weir_projection *projection = self;
    projection->stopping = true;
    weir_runner_rest(&projection->live);
    weir_runner_rest(&projection->rebuild.runner);
    weir_turn_leave(&projection->turn);
}

static bool busy(void *self)
{
    const struct weir_projection *projection = self;
    return weir_runner_busy(&projection->live) || weir_runner_busy(&projection->rebuild.runner) ||
           (projection->turn.mine && projection->runtime->link->state == WEIR_LINK_READY);
}

static void close_projection(void *self)
{
    struct weir_projection *projection = self;
    weir_turn_close(&projection->turn);
    weir_rebuild_close(&projection->rebuild);
    weir_runner_close(&projection->live);
    weir_sources_close(&projection->sources);
    weir_service_free(projection->handlers);
    free(projection);
}
