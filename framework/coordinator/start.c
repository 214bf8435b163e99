/* How a saga begins. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/json_memory.h"
#include "base/crash_point.h"
#include "coordinator/handlers.h"

static const struct weir_field *definition_name(const weir_message *message)
{
    const struct weir_field *name = weir_message_field(message, "definition");
    return name != NULL && weir_name_valid(name->value.at, name->value.length) ? name : NULL;
}

int weir_saga_start_keys(const weir_message *message, size_t index, char *rest, size_t room)
{
    const struct weir_field *name = definition_name(message);
    if (index == 0)
        return weir_saga_key(message, 0, rest, room);
    return index == 1 && name != NULL ? snprintf(rest, room, "definition:%s", name->value.at) : 0;
}

/* ---- Start ------------------------------------------------------------------------------- */

static const struct weir_saga_definition *latest_definition(weir_context *context, const char *name,
                                                            uint32_t *checksum,
                                                            struct weir_error *error)
{
    struct weir_coordinator *coordinator = weir_user(context);
    char key[160];
    const struct weir_loaded *hash;
    const char *version, *json;
    int64_t number;
    snprintf(key, sizeof key, "definition:%s", name);
    hash = weir_context_loaded(context, key);
    version = hash != NULL ? weir_loaded_value(hash, "latest") : NULL;
    json = version != NULL ? weir_loaded_value(hash, version) : NULL;
    if (version == NULL)
        weir_error_set(error, WEIR_NOT_FOUND, "there is none of that name");
    else if (json == NULL || !weir_parse_integer(version, strlen(version), &number))
        weir_error_set(error, WEIR_INVALID, "its latest version \"%.40s\" is not there", version);
    if (error->status != WEIR_OK)
        return NULL;
    *checksum = weir_definition_checksum(json, strlen(json));
    return weir_definition_cache_add(&coordinator->definitions, name, number, weir_slice_of(json),
                                     error);
}

static enum weir_outcome begin(weir_context *context, struct weir_saga_case *one, uint32_t checksum)
{
    struct weir_saga_input input = {.kind = WEIR_SAGA_START};
    struct weir_saga saga = {0};
    char *data = weir_json_text(weir_message_data(context->message));
    enum weir_outcome outcome = WEIR_RETRY;
    if (data != NULL && weir_saga_init(&saga, one->definition) == WEIR_OK) {
        one->saga = &saga;
        one->data = data;
        weir_saga_expect_revision(one);
        weir_saga_write_origin(one, checksum);
        outcome = weir_saga_apply(context, one, &input);
    }
    weir_saga_close(&saga);
    free(data);
    return outcome;
}

/* Too many sagas are in flight: the start waits in an inbox that is read when there is room. One
 * that comes from there begins: room was found for it. */
static bool held_back(weir_context *context, const weir_message *message)
{
    char held[WEIR_KEY_MAX];
    weir_key_named(held, context->runtime->prefix, context->runtime->service, WEIR_SAGA_HELD);
    if (weir_saga_may_begin(weir_user(context)) || strcmp(message->stream, held) == 0)
        return false;
    weir_context_pass_on(context, WEIR_SAGA_HELD);
    return true;
}

/* A saga that could never go on is not begun. Returns WEIR_DONE where nothing speaks against it. */
static enum weir_outcome check_disk(weir_context *context,
                                    const struct weir_saga_definition *definition)
{
    const char *why;
    int step = weir_saga_definition_on_disk(definition);
    enum weir_disk disk =
        step < 0 ? WEIR_DISK_UNASKED : weir_barrier_disk(context->runtime->barrier, &why);
    if (step < 0 || disk == WEIR_DISK_BY_WAITAOF || disk == WEIR_DISK_BY_SETTINGS)
        return WEIR_DONE;
    if (disk == WEIR_DISK_NOT) {
        weir_reason(context, "definition %s: step \"%s\": durability: disk: %s", definition->name,
                    definition->steps[step].name, why);
        return WEIR_REJECT;
    }
    if (context->confirmation == WEIR_CONFIRMATION_UNASKED &&
        weir_saga_confirm(context, (struct weir_durability){0}))
        return WEIR_DEFERRED;
    context->uncounted = true; /* no connection to ask over */
    return WEIR_RETRY;
}

enum weir_outcome weir_saga_on_start(weir_context *context, const weir_message *message)
{
    char key[WEIR_KEY_MAX];
    const struct weir_field *name = definition_name(message);
    const struct weir_loaded *hash;
    struct weir_error error = {0};
    uint32_t checksum = 0;
    enum weir_outcome fit;
    struct weir_saga_case one = weir_saga_case_of(context, weir_saga_id(message), key);
    one.traceparent = message->traceparent;
    hash = weir_context_loaded(context, NULL);
    if (hash != NULL && hash->field_count > 0) {
        weir_log_message(context->runtime->log, WEIR_LOG_INFO, "saga.started_before", message,
                         "saga=%s", message->saga == NULL ? one.id : NULL);
        return WEIR_DONE;
    }
    if (name == NULL) {
        weir_reason(context, "definition: is missing or not a name");
        return WEIR_REJECT;
    }
    if (json_object_get(weir_message_data(message), "steps") != NULL) {
        weir_reason(context, "data: the field steps is kept for the steps' results");
        return WEIR_REJECT;
    }
    one.definition = latest_definition(context, name->value.at, &checksum, &error);
    if (one.definition == NULL) {
        weir_reason(context, "definition %s: %s", name->value.at, error.text);
        return error.status == WEIR_NO_MEMORY ? WEIR_RETRY : WEIR_REJECT;
    }
    fit = check_disk(context, one.definition);
    if (fit != WEIR_DONE)
        return fit;
    WEIR_CRASH_POINT(SAGA_BEGINNING);
    return held_back(context, message) ? WEIR_DONE : begin(context, &one, checksum);
}
