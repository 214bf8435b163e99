/* One batch of events through the handlers of a projection. */
#include "projection/fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/key_names.h"
#include "service/load_pattern.h"

static const struct weir_route *route_of(const struct weir_runner *runner,
                                         const struct weir_folded *event)
{
    const char *type = event->message->type;
    return type != NULL
               ? weir_service_route(runner->handlers, runner->sources[event->source].service, type)
               : NULL;
}

void weir_folded_close(struct weir_folded *event)
{
    weir_message_free(event->message);
    free(event->problem);
}

/* Adds the event's keys to the snapshot; the first becomes the context's. */
static bool name_keys(struct weir_runner *runner, const struct weir_folded *event,
                      const struct weir_route *route)
{
    const struct weir_runtime *runtime = runner->runtime;
    char rest[320], key[WEIR_KEY_MAX];
    int length = 1;
    runner->context.first_key[0] = '\0';
    for (size_t i = 0; route->load != NULL && length != 0 && i < WEIR_LOAD_KEYS_MAX; i++) {
        length = weir_load_pattern_key(route->load, i, event->message->data, rest, sizeof rest);
        if (length <= 0)
            continue;
        weir_key_entity(key, runtime->prefix, runtime->service, rest);
        if (i == 0)
            snprintf(runner->context.first_key, sizeof runner->context.first_key, "%s", key);
        if (weir_snapshot_add(&runner->snapshot, key) < 0)
            return false;
    }
    return true;
}

bool weir_fold_prepare(struct weir_runner *runner)
{
    for (size_t i = 0; i < runner->batch_count; i++) {
        struct weir_folded *event = &runner->batch[i];
        struct weir_error error = {0};
        const struct weir_route *route;
        (void)!weir_message_decode(event->message, (size_t)runner->runtime->settings->data_max, 1,
                                   &error);
        if (error.status == WEIR_NO_MEMORY)
            return false;
        if (error.status != WEIR_OK && (event->problem = strdup(error.text)) == NULL)
            return false;
        if (event->problem != NULL)
            weir_log_warning(runner->runtime->log, "projection.not_understood",
                             "projection=%s stream=%s entry=%s reason=%s", runner->name,
                             event->message->stream, event->message->entry, error.text);
        route = event->problem == NULL ? route_of(runner, event) : NULL;
        if (route != NULL && !name_keys(runner, event, route))
            return false;
    }
    return true;
}

/* The event goes to the dead letters of the read model's service, and the projection goes on. */
static void bury(struct weir_runner *runner, const struct weir_folded *event)
{
    const weir_message *message = event->message;
    char key[WEIR_KEY_MAX];
    struct weir_slice *parts = malloc((2 * message->field_count + 8) * sizeof *parts);
    size_t count = 0;
    if (parts == NULL) {
        weir_error_set(&runner->effects.error, WEIR_NO_MEMORY, "no memory");
        return;
    }
    for (size_t i = 0; i < message->field_count && i < 3000; i++) {
        parts[count++] = message->fields[i].name;
        parts[count++] = message->fields[i].value;
    }
    const char *more[] = {"reason", event->problem,  "deliveries", "1",
                          "stream", message->stream, "entry",      message->entry};
    for (size_t i = 0; i < 8; i++)
        parts[count++] = weir_slice_of(more[i]);
    weir_effects_append(&runner->effects,
                        weir_key_dead(key, runner->runtime->prefix, runner->runtime->service),
                        parts, count);
    free(parts);
}

static bool fold_event(struct weir_runner *runner, const struct weir_folded *event, char *why,
                       size_t room)
{
    const struct weir_route *route = route_of(runner, event);
    enum weir_outcome outcome = WEIR_DONE;
    if (event->problem != NULL)
        bury(runner, event);
    if (event->problem != NULL || route == NULL)
        return true;
    runner->context.message = event->message;
    memset(&runner->context.reason, 0, sizeof runner->context.reason);
    if (!name_keys(runner, event, route)) {
        weir_error_set(&runner->effects.error, WEIR_NO_MEMORY, "no memory");
        snprintf(why, room, "no memory");
        return false;
    }
    outcome = route->handler(&runner->context, event->message);
    if (outcome == WEIR_DONE && runner->effects.error.status == WEIR_OK)
        return true;
    snprintf(why, room, "%s %s of %s: %s", event->message->type, event->message->entry,
             event->message->stream,
             runner->effects.error.status != WEIR_OK    ? runner->effects.error.text
             : runner->context.reason.status != WEIR_OK ? runner->context.reason.text
                                                        : "the handler refused it");
    return false;
}

static size_t fold_some(struct weir_runner *runner, size_t count, char *why, size_t room)
{
    weir_context_begin(&runner->context);
    for (size_t i = 0; i < runner->source_count; i++)
        memcpy(runner->sources[i].next, runner->sources[i].position,
               sizeof runner->sources[i].next);
    for (size_t i = 0; i < count; i++) {
        struct weir_folded *event = &runner->batch[i];
        if (!fold_event(runner, event, why, room))
            return i;
        snprintf(runner->sources[event->source].next, sizeof runner->sources[0].next, "%s",
                 event->message->entry);
    }
    return count;
}

bool weir_fold_batch(struct weir_runner *runner, char *why, size_t room)
{
    size_t folded = fold_some(runner, runner->batch_count, why, room);
    if (folded == runner->batch_count)
        return true;
    if (folded == 0)
        return false;
    /* write what came before it; the next batch begins with it */
    while (runner->batch_count > folded)
        weir_folded_close(&runner->batch[--runner->batch_count]);
    return fold_some(runner, folded, why, room) == folded;
}
