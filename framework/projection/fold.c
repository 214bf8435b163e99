/* One batch of events through the handlers of a projection. */
#include "projection/fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crash_point.h"
#include "message/json_memory.h"
#include "redis/key_names.h"
#include "service/load_pattern.h"

static const struct weir_route *route_of(const struct weir_runner *runner,
                                         const struct weir_folded *event)
{
    const struct weir_projection *projection = runner->projection;
    const char *type = event->message->type;
    return type != NULL ? weir_service_route(projection->handlers,
                                             projection->sources.at[event->source].service, type)
                        : NULL;
}

/* Adds the event's keys to the snapshot; the first becomes the context's. */
static bool name_keys(struct weir_runner *runner, const struct weir_folded *event,
                      const struct weir_route *route)
{
    const struct weir_runtime *runtime = runner->projection->runtime;
    char rest[320], key[WEIR_KEY_MAX];
    int length = 1, place;
    runner->context.first_key = NULL;
    for (size_t i = 0; route->load != NULL && length != 0 && i < WEIR_LOAD_KEYS_MAX; i++) {
        length = weir_load_pattern_key(route->load, i, event->message, rest, sizeof rest);
        if (length <= 0)
            continue;
        weir_key_model(key, runtime->prefix, runtime->service, runner->base, rest);
        place = weir_snapshot_add(&runner->snapshot, key);
        if (place < 0)
            return false;
        if (i == 0)
            runner->context.first_key = runner->snapshot.hashes[place].key;
    }
    return true;
}

/* Notes why an event cannot be understood. False: no memory. */
static bool note_problem(struct weir_runner *runner, struct weir_folded *event, const char *why)
{
    weir_log_message(runner->projection->runtime->log, WEIR_LOG_WARNING,
                     "projection.not_understood", event->message,
                     "projection=%s rebuild=%s reason=%s", runner->projection->name,
                     runner->rebuild[0] ? runner->rebuild : NULL, why);
    event->problem = strdup(why);
    return event->problem != NULL;
}

/* Decodes an event and brings its data to the version that the handlers know. False: no memory. */
static bool understand(struct weir_runner *runner, struct weir_folded *event)
{
    const struct weir_projection *projection = runner->projection;
    struct weir_error error = {0};
    (void)!weir_message_decode(event->message, (size_t)projection->runtime->settings->data_max, 1,
                               &error);
    if (event->message->type != NULL && route_of(runner, event) == NULL)
        return error.status != WEIR_NO_MEMORY; /* not for us: not ours to complain */
    if (error.status != WEIR_OK)
        return error.status != WEIR_NO_MEMORY && note_problem(runner, event, error.text);
    event->version = weir_event_upcast(
        projection->service, projection->sources.at[event->source].service, event->message, &error);
    if (event->version == WEIR_VERSION_FITS)
        return true;
    event->problem = strdup(error.text);
    return error.status != WEIR_NO_MEMORY && event->problem != NULL;
}

static bool names(const char *skip, const weir_message *message)
{
    size_t length = strlen(message->stream);
    return strncmp(skip, message->stream, length) == 0 && skip[length] == ' ' &&
           strcmp(skip + length + 1, message->entry) == 0;
}

static bool is_skipped(const struct weir_runner *runner, const weir_message *message)
{
    return names(runner->skip, message) || names(runner->skipped_before, message);
}

/* Nothing is loaded for what is passed over: that may be what the server refuses. */
bool weir_fold_prepare(struct weir_runner *runner)
{
    for (size_t i = 0; i < runner->batch.count; i++) {
        struct weir_folded *event = &runner->batch.events[i];
        const struct weir_route *route;
        if (!understand(runner, event))
            return false;
        route = event->problem == NULL && !is_skipped(runner, event->message)
                    ? route_of(runner, event)
                    : NULL;
        if (route != NULL && !name_keys(runner, event, route))
            return false;
    }
    return true;
}

/* The event goes to the dead letters of the read model's service, and the projection goes on. */
static void bury(struct weir_runner *runner, const weir_message *message, const char *reason)
{
    const struct weir_runtime *runtime = runner->projection->runtime;
    char key[WEIR_KEY_MAX];
    const char *more[] = {
        "reason",        reason,  "deliveries",   "1",          "stream",
        message->stream, "entry", message->entry, "projection", runner->projection->name};
    size_t more_count = sizeof more / sizeof more[0];
    struct weir_slice *parts = malloc((2 * message->field_count + more_count) * sizeof *parts);
    size_t count = 0;
    if (parts == NULL) {
        weir_rare_error_set(&runner->effects.error, WEIR_NO_MEMORY, "no memory");
        return;
    }
    weir_message_mend(message);
    for (size_t i = 0; i < message->field_count && i < 3000; i++) {
        parts[count++] = message->fields[i].name;
        parts[count++] = message->fields[i].value;
    }
    for (size_t i = 0; i < more_count; i++)
        parts[count++] = weir_slice_of(more[i]);
    weir_effects_append(&runner->effects, weir_key_dead(key, runtime->prefix, runtime->service),
                        parts, count);
    free(parts);
}

void weir_fold_stop(struct weir_runner *runner, const struct weir_folded *event, bool too_new,
                    const char *why)
{
    struct weir_stop *stop = &runner->stop;
    const weir_message *message = event->message;
    stop->too_new = too_new;
    snprintf(stop->stream, sizeof stop->stream, "%s", message->stream);
    snprintf(stop->entry, sizeof stop->entry, "%s", message->entry);
    snprintf(stop->reason, sizeof stop->reason, "%s %s of %s: %s", message->type, message->entry,
             message->stream, why);
}

/* Kept, so that a rebuild which stops at the same event passes over it, too. The order itself has
 * been carried out. */
static void remember_skip(struct weir_runner *runner)
{
    const struct weir_projection *projection = runner->projection;
    struct weir_slice member = weir_slice_of(runner->skip);
    char key[WEIR_KEY_MAX];
    weir_key_skipped(key, projection->runtime->prefix, projection->runtime->service,
                     projection->name);
    weir_effects_plain(&runner->effects, "SADD", key, &member, 1);
    weir_effects_remove(&runner->effects, projection->keys.status, "skip");
}

static void begin_event(struct weir_runner *runner, weir_message *message)
{
    struct weir_entry_id id = {0};
    (void)!weir_entry_id_read(weir_slice_of(message->entry), &id);
    runner->context.message = message;
    runner->folding.event_ms = (int64_t)(id.ms <= INT64_MAX ? id.ms : INT64_MAX);
    weir_rare_error_clear(&runner->context.reason);
}

/* What is wrong with it, as the handler says or otherwise. */
static const char *reason_of(const weir_context *context, const char *otherwise)
{
    return weir_rare_error_status(&context->reason) != WEIR_OK
               ? weir_rare_error_text(&context->reason)
               : otherwise;
}

/* The handler finds it malformed. False: no memory. */
static bool discard(struct weir_runner *runner, struct weir_folded *event)
{
    event->discarded =
        note_problem(runner, event, reason_of(&runner->context, "the handler has discarded it"));
    if (!event->discarded)
        weir_rare_error_set(&runner->effects.error, WEIR_NO_MEMORY, "no memory");
    return event->discarded;
}

/* Calls the handler; false where the event stops the projection, with the reason noted, or is
 * discarded. */
static bool call_handler(struct weir_runner *runner, struct weir_folded *event,
                         const struct weir_route *route)
{
    struct weir_context *context = &runner->context;
    enum weir_outcome outcome = WEIR_RETRY;
    unsigned long failures = weir_json_failures();
    begin_event(runner, event->message);
    if (!name_keys(runner, event, route) || weir_message_object(event->message) == NULL)
        weir_rare_error_set(&runner->effects.error, WEIR_NO_MEMORY, "no memory");
    else if ((outcome = route->handler(context, event->message)) == WEIR_DONE &&
             weir_rare_error_status(&runner->effects.error) == WEIR_OK &&
             weir_json_failures() == failures)
        return true;
    if (weir_json_failures() != failures) /* what was read or made may be torn */
        weir_rare_error_set(&runner->effects.error, WEIR_NO_MEMORY, "no memory");
    if (weir_rare_error_status(&runner->effects.error) == WEIR_OK && outcome == WEIR_DISCARD &&
        discard(runner, event))
        return false;
    weir_fold_stop(runner, event, false,
                   weir_rare_error_status(&runner->effects.error) != WEIR_OK
                       ? weir_rare_error_text(&runner->effects.error)
                       : reason_of(context, "the handler refused it"));
    return false;
}

static bool fold_event(struct weir_runner *runner, struct weir_folded *event)
{
    const struct weir_route *route = route_of(runner, event);
    bool live = runner->following;
    if (is_skipped(runner, event->message)) {
        if (live) {
            bury(runner, event->message, "skipped by an operator");
            remember_skip(runner);
        }
        return true;
    }
    if (names(runner->fatal, event->message)) {
        weir_fold_stop(runner, event, false, "the last workers that handled it have died");
        return false;
    }
    if (event->version != WEIR_VERSION_FITS) {
        weir_fold_stop(runner, event, event->version == WEIR_VERSION_TOO_NEW, event->problem);
        return false;
    }
    if (event->problem != NULL && live)
        bury(runner, event->message, event->problem);
    if (event->problem != NULL || route == NULL)
        return true;
    return call_handler(runner, event, route);
}

/* Folds so many; returns how many could be. */
static size_t fold_once(struct weir_runner *runner, size_t count)
{
    weir_context_begin(&runner->context);
    for (size_t i = 0; i < runner->projection->sources.count; i++)
        memcpy(runner->positions[i].next, runner->positions[i].at, WEIR_ENTRY_ID_MAX);
    for (size_t i = 0; i < count; i++) {
        struct weir_folded *event = &runner->batch.events[i];
        if (!fold_event(runner, event))
            return i;
        snprintf(runner->positions[event->source].next, WEIR_ENTRY_ID_MAX, "%s",
                 event->message->entry);
        WEIR_CRASH_POINT(PROJECT_FOLDED_ONE);
    }
    return count;
}

/* The same, anew for each event that is discarded, so that nothing is left of what its handler has
 * written: it has a problem now, and is not handled again. */
static size_t fold_some(struct weir_runner *runner, size_t count)
{
    size_t folded;
    do
        folded = fold_once(runner, count);
    while (folded < count && runner->batch.events[folded].discarded);
    return folded;
}

bool weir_fold_batch(struct weir_runner *runner)
{
    size_t folded = fold_some(runner, runner->batch.count);
    if (folded == runner->batch.count)
        return true;
    if (folded == 0)
        return false;
    /* write what came before it; the next batch begins with it */
    weir_batch_cut(&runner->batch, folded);
    runner->batch.full = true;
    return fold_some(runner, folded) == folded;
}
