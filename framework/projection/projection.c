/* weir_project: which handler of which projection folds which event. */
#include <stdlib.h>
#include <string.h>

#include "projection/life.h"
#include "projection/runner.h"

static struct weir_runner *find_runner(weir_service *service, const char *name)
{
    for (struct weir_component *c = service->components; c != NULL; c = c->next)
        if (c->close == weir_runner_close &&
            strcmp(((struct weir_runner *)c->self)->name, name) == 0)
            return c->self;
    return NULL;
}

static struct weir_runner *new_runner(weir_service *service, const char *name)
{
    struct weir_runner *runner = calloc(1, sizeof *runner);
    struct weir_component *component = calloc(1, sizeof *component);
    weir_service *handlers = weir_service_new(service->name);
    if (runner == NULL || component == NULL || handlers == NULL) {
        free(runner);
        free(component);
        weir_service_free(handlers);
        weir_error_set(&service->error, WEIR_NO_MEMORY, "no memory");
        return NULL;
    }
    runner->name = name;
    runner->service = service;
    runner->handlers = handlers;
    *component = (struct weir_component){.self = runner,
                                         .start = weir_runner_start,
                                         .stop = weir_runner_stop,
                                         .busy = weir_runner_busy,
                                         .close = weir_runner_close};
    weir_service_add_component(service, component);
    return runner;
}

static void add_source(struct weir_runner *runner, const char *source)
{
    for (size_t i = 0; i < runner->source_count; i++)
        if (strcmp(runner->sources[i].service, source) == 0)
            return;
    if (runner->source_count == WEIR_PROJECTION_SOURCES_MAX)
        weir_error_set(&runner->service->error, WEIR_TOO_LARGE,
                       "projection %s: more than %d sources", runner->name,
                       WEIR_PROJECTION_SOURCES_MAX);
    else
        runner->sources[runner->source_count++].service = source;
}

void weir_project(weir_service *service, const char *name, const char *source, const char *type,
                  weir_handler *handler, const char *load)
{
    struct weir_runner *runner;
    if (service == NULL)
        return;
    if (name == NULL || !weir_name_valid(name, strlen(name)) || source == NULL) {
        weir_error_set(&service->error, WEIR_INVALID,
                       "projection \"%s\": needs a name [A-Za-z][A-Za-z0-9_-]* and a source",
                       name != NULL ? name : "");
        return;
    }
    runner = find_runner(service, name);
    if (runner == NULL)
        runner = new_runner(service, name);
    if (runner == NULL)
        return;
    add_source(runner, source);
    weir_on_event(runner->handlers, source, type, handler, load);
    if (runner->handlers->error.status != WEIR_OK)
        weir_error_set(&service->error, runner->handlers->error.status, "projection %s: %s", name,
                       runner->handlers->error.text);
}
