/* The service "sagas": drives business transactions over several services. */
#include "saga/coordinator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/key_names.h"
#include "saga/carry_out.h"
#include "saga/definition_cache.h"
#include "saga/record.h"
#include "service/context.h"
#include "stream/periodic.h"

#define EXPIRE_EVERY_MS 60000
#define EXPIRE_LIMIT "1000"
#define LOOK_AGAIN_MS 5000

struct coordinator {
    struct weir_definition_cache definitions;
    struct weir_random random;
    uint64_t stale; /* replies and timers that changed nothing */
    struct weir_runtime *runtime;
    struct weir_periodic expiry;
    char ended_keys[2][WEIR_KEY_MAX];
};

/* ---- What a message is about ------------------------------------------------------------- */

/* A start without an id is known by the entry that it first was. */
static const char *saga_id(const weir_message *message)
{
    if (message->saga != NULL)
        return message->saga;
    return message->origin_entry != NULL ? message->origin_entry : message->entry;
}

static int saga_key(const weir_message *message, size_t index, char *rest, size_t room)
{
    return index > 0 ? 0 : snprintf(rest, room, "saga:%s", saga_id(message));
}

static const struct weir_field *definition_name(const weir_message *message)
{
    const struct weir_field *name = weir_message_field(message, "definition");
    return name != NULL && weir_name_valid(name->value.at, name->value.length) ? name : NULL;
}

static int start_keys(const weir_message *message, size_t index, char *rest, size_t room)
{
    const struct weir_field *name = definition_name(message);
    if (index == 0)
        return saga_key(message, 0, rest, room);
    return index == 1 && name != NULL ? snprintf(rest, room, "definition:%s", name->value.at) : 0;
}

/* ---- Applying an input ------------------------------------------------------------------- */

static enum weir_outcome stale(const struct weir_saga_case *one, const weir_message *message)
{
    struct coordinator *coordinator = weir_user(one->context);
    coordinator->stale++;
    weir_log_info(one->context->runtime->log, "saga.stale", "type=%s saga=%s step=%s state=%s",
                  message->type, one->id, message->step, weir_saga_state_text(one->saga->state));
    return WEIR_DONE;
}

static void expect_revision(const struct weir_saga_case *one)
{
    const struct weir_loaded *hash = weir_context_loaded(one->context, one->key);
    weir_context_expect(one->context, one->key, "revision",
                        hash != NULL ? weir_loaded_value(hash, "revision") : NULL);
}

static void log_move(const struct weir_saga_case *one, enum weir_saga_state before)
{
    if (before != one->saga->state)
        weir_log_info(one->context->runtime->log, "saga.moved",
                      "saga=%s definition=%s from=%s to=%s reason=%s", one->id,
                      one->definition->name, weir_saga_state_text(before),
                      weir_saga_state_text(one->saga->state), one->saga->reason);
}

static enum weir_outcome apply(const struct weir_saga_case *one, const weir_message *message,
                               const struct weir_saga_input *input)
{
    struct coordinator *coordinator = weir_user(one->context);
    struct weir_saga_effects effects;
    enum weir_saga_state before = one->saga->state;
    int verdict = weir_saga_advance(one->definition, one->saga, input,
                                    weir_context_now(one->context), &coordinator->random, &effects);
    if (verdict < 0) {
        weir_reason(one->context, "saga %s: %s", one->id,
                    weir_status_text((enum weir_status) - verdict));
        return -verdict == WEIR_NO_MEMORY ? WEIR_RETRY : WEIR_REJECT;
    }
    if (verdict == WEIR_SAGA_MOVED) {
        expect_revision(one);
        weir_saga_carry_out(one, before, &effects);
        log_move(one, before);
        return WEIR_DONE;
    }
    if (input->kind == WEIR_SAGA_WAKE && effects.wake_at != 0) { /* woken early */
        expect_revision(one);
        weir_saga_set_timer(one, effects.wake_at);
        return WEIR_DONE;
    }
    return stale(one, message);
}

/* ---- Start ------------------------------------------------------------------------------- */

static const struct weir_saga_definition *latest_definition(weir_context *context, const char *name,
                                                            uint32_t *checksum,
                                                            struct weir_error *error)
{
    struct coordinator *coordinator = weir_user(context);
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

static void write_head(const struct weir_saga_case *one, uint32_t checksum)
{
    weir_hset(one->context, one->key, "definition", one->definition->name);
    weir_hset_integer(one->context, one->key, "version", one->definition->version);
    weir_hset_integer(one->context, one->key, "checksum", (int64_t)checksum);
    weir_hset(one->context, one->key, "data", one->data);
    if (one->traceparent != NULL)
        weir_hset(one->context, one->key, "traceparent", one->traceparent);
}

static enum weir_outcome begin(struct weir_saga_case *one, const weir_message *message,
                               uint32_t checksum)
{
    struct weir_saga_input input = {.kind = WEIR_SAGA_START};
    struct weir_saga saga = {0};
    char *data = json_dumps(message->data, JSON_COMPACT);
    enum weir_outcome outcome = WEIR_RETRY;
    if (data != NULL && weir_saga_init(&saga, one->definition) == WEIR_OK) {
        one->saga = &saga;
        one->data = data;
        write_head(one, checksum);
        outcome = apply(one, message, &input);
    }
    weir_saga_close(&saga);
    free(data);
    return outcome;
}

static enum weir_outcome on_start(weir_context *context, const weir_message *message)
{
    char key[160];
    const struct weir_field *name = definition_name(message);
    const struct weir_loaded *hash;
    struct weir_error error = {0};
    uint32_t checksum = 0;
    struct weir_saga_case one = {.context = context,
                                 .id = saga_id(message),
                                 .key = key,
                                 .traceparent = message->traceparent,
                                 .retention_ms = context->runtime->settings->retention_ms};
    snprintf(key, sizeof key, "saga:%s", one.id);
    hash = weir_context_loaded(context, key);
    if (hash != NULL && hash->field_count > 0) {
        weir_log_info(context->runtime->log, "saga.started_before", "saga=%s", one.id);
        return WEIR_DONE;
    }
    if (name == NULL) {
        weir_reason(context, "definition: is missing or not a name");
        return WEIR_REJECT;
    }
    if (json_object_get(message->data, "steps") != NULL) {
        weir_reason(context, "data: the field steps is kept for the steps' results");
        return WEIR_REJECT;
    }
    one.definition = latest_definition(context, name->value.at, &checksum, &error);
    if (one.definition == NULL) {
        weir_reason(context, "definition %s: %s", name->value.at, error.text);
        return WEIR_REJECT;
    }
    return begin(&one, message, checksum);
}

/* ---- Replies and timers ------------------------------------------------------------------ */

/* Whether the reply's id, if it has one, names the step that the reply names. */
static bool id_fits(const weir_message *message)
{
    char id[320];
    size_t length;
    if (message->id == NULL)
        return true;
    length =
        (size_t)snprintf(id, sizeof id, "%s/%s/%s", message->saga, message->step, message->action);
    return strncmp(message->id, id, length) == 0 &&
           (message->id[length] == '\0' || message->id[length] == '#');
}

static unsigned answered_number(const weir_message *message)
{
    const char *mark = message->id != NULL ? strrchr(message->id, '#') : NULL;
    int64_t number;
    if (message->id == NULL)
        return 0;
    if (mark == NULL || !weir_parse_integer(mark + 1, strlen(mark + 1), &number) || number < 1 ||
        number > 1000000)
        return 1;
    return (unsigned)number;
}

static enum weir_outcome apply_reply(struct weir_saga_case *one, const weir_message *message)
{
    struct weir_saga_input input = {.kind = WEIR_SAGA_REPLY, .number = answered_number(message)};
    int step = weir_saga_definition_step(one->definition, message->step, strlen(message->step));
    char *result = NULL;
    enum weir_outcome outcome = WEIR_RETRY;
    if (step < 0 || !id_fits(message) ||
        !weir_step_action_parse(message->action, strlen(message->action), &input.action))
        return stale(one, message);
    input.step = (size_t)step;
    input.succeeded = strcmp(message->type, "StepSucceeded") == 0;
    if (input.succeeded) {
        result = json_dumps(message->data, JSON_COMPACT);
        input.result = result;
    } else {
        input.reason = json_string_value(json_object_get(message->data, "reason"));
        input.unknown = json_is_true(json_object_get(message->data, "unknown"));
    }
    if (!input.succeeded || result != NULL)
        outcome = apply(one, message, &input);
    free(result);
    return outcome;
}

static enum weir_outcome apply_message(struct weir_saga_case *one, const weir_message *message)
{
    struct weir_saga_input wake = {.kind = WEIR_SAGA_WAKE};
    return strcmp(message->type, "SagaWake") == 0 ? apply(one, message, &wake)
                                                  : apply_reply(one, message);
}

/* With the definition at hand: read the saga from its hash and apply the message. */
static enum weir_outcome go_on(weir_context *context, const weir_message *message,
                               const struct weir_saga_definition *definition)
{
    char key[160];
    struct weir_saga saga = {0};
    struct weir_error error = {0};
    enum weir_outcome outcome = WEIR_RETRY;
    const struct weir_loaded *hash;
    struct weir_saga_case one = {.context = context,
                                 .definition = definition,
                                 .saga = &saga,
                                 .id = message->saga,
                                 .key = key,
                                 .retention_ms = context->runtime->settings->retention_ms};
    snprintf(key, sizeof key, "saga:%s", message->saga);
    hash = weir_context_loaded(context, key);
    one.data = weir_loaded_value(hash, "data");
    one.traceparent = weir_loaded_value(hash, "traceparent");
    if (weir_saga_init(&saga, definition) != WEIR_OK)
        return WEIR_RETRY;
    if (one.data == NULL || one.data[0] != '{')
        weir_error_set(&error, WEIR_INVALID, "field data: is not a JSON object");
    if (error.status == WEIR_OK)
        (void)!weir_saga_record_read(definition, hash, &saga, &error);
    if (error.status == WEIR_OK)
        outcome = apply_message(&one, message);
    else if (error.status != WEIR_NO_MEMORY) {
        weir_reason(context, "{sagas}:%s: %s", key, error.text);
        outcome = WEIR_REJECT;
    }
    weir_saga_close(&saga);
    return outcome;
}

/* ---- A definition that is not at hand yet ------------------------------------------------- */

struct fetch {
    struct coordinator *coordinator;
    weir_deferral *deferral;
    char name[80];
    int64_t version;
};

/* A saga in flight whose definition is gone is not failed: it says so and is looked at again. */
static enum weir_outcome look_again(weir_context *context, const struct fetch *fetch,
                                    const char *why)
{
    weir_log_error(context->runtime->log, "saga.definition_missing",
                   "saga=%s definition=%s version=%lld reason=%s", context->message->saga,
                   fetch->name, (long long)fetch->version, why);
    weir_reason(context, "definition %s version %lld: %s", fetch->name, (long long)fetch->version,
                why);
    weir_retry_after(context, LOOK_AGAIN_MS);
    context->uncounted = true;
    return WEIR_RETRY;
}

static void on_fetched(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct fetch *fetch = user;
    weir_context *context = weir_deferral_context(fetch->deferral);
    const struct weir_saga_definition *definition = NULL;
    struct weir_error error = {0};
    struct weir_slice json;
    enum weir_outcome outcome = WEIR_RETRY;
    if (context != NULL && answer == WEIR_ANSWER_DONE && weir_reply_text(reply, &json)) {
        definition = weir_definition_cache_add(&fetch->coordinator->definitions, fetch->name,
                                               fetch->version, json, &error);
        outcome = definition != NULL ? go_on(context, context->message, definition)
                                     : look_again(context, fetch, error.text);
    } else if (context != NULL) {
        outcome = look_again(context, fetch,
                             answer == WEIR_ANSWER_DONE      ? "is not there"
                             : answer == WEIR_ANSWER_REFUSED ? reply->str
                                                             : "the connection was lost");
    }
    weir_finish(fetch->deferral, outcome);
    free(fetch);
}

static enum weir_outcome fetch_definition(weir_context *context, const char *name, int64_t version)
{
    char key[WEIR_KEY_MAX], field[24];
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL || (fetch->deferral = weir_defer(context)) == NULL) {
        free(fetch);
        return WEIR_RETRY;
    }
    fetch->coordinator = weir_user(context);
    snprintf(fetch->name, sizeof fetch->name, "%s", name);
    fetch->version = version;
    weir_key_definition(key, context->runtime->prefix, name);
    snprintf(field, sizeof field, "%lld", (long long)version);
    if (weir_link_send(context->runtime->link, 3, (const char *[]){"HGET", key, field}, NULL,
                       on_fetched, fetch) != WEIR_OK) {
        weir_deferral_cancel(fetch->deferral);
        free(fetch);
        context->uncounted = true;
        return WEIR_RETRY;
    }
    return WEIR_DEFERRED;
}

/* ---- Handlers ---------------------------------------------------------------------------- */

static bool complete_reply(weir_context *context, const weir_message *message)
{
    const char *missing = message->saga == NULL     ? "saga"
                          : message->step == NULL   ? "step"
                          : message->action == NULL ? "action"
                                                    : NULL;
    if (missing != NULL)
        weir_reason(context, "%s: is missing", missing);
    return missing == NULL;
}

static enum weir_outcome on_move(weir_context *context, const weir_message *message)
{
    struct coordinator *coordinator = weir_user(context);
    const struct weir_loaded *hash = weir_context_loaded(context, NULL);
    const struct weir_saga_definition *definition;
    const char *name, *version_text, *checksum_text;
    int64_t version = 0, checksum = 0;

    if (hash == NULL || hash->field_count == 0) {
        coordinator->stale++;
        weir_log_warning(context->runtime->log, "saga.unknown", "type=%s saga=%s step=%s",
                         message->type, message->saga, message->step);
        return WEIR_DONE;
    }
    name = weir_loaded_value(hash, "definition");
    version_text = weir_loaded_value(hash, "version");
    checksum_text = weir_loaded_value(hash, "checksum");
    if (name == NULL || !weir_name_valid(name, strlen(name)) || version_text == NULL ||
        !weir_parse_integer(version_text, strlen(version_text), &version)) {
        weir_reason(context, "{sagas}:saga:%s: has no definition and version", message->saga);
        return WEIR_REJECT;
    }
    if (checksum_text != NULL)
        (void)!weir_parse_integer(checksum_text, strlen(checksum_text), &checksum);
    definition =
        weir_definition_cache_find(&coordinator->definitions, name, version, (uint32_t)checksum);
    return definition != NULL ? go_on(context, message, definition)
                              : fetch_definition(context, name, version);
}

static enum weir_outcome on_reply(weir_context *context, const weir_message *message)
{
    return complete_reply(context, message) ? on_move(context, message) : WEIR_REJECT;
}

static enum weir_outcome on_wake(weir_context *context, const weir_message *message)
{
    if (message->saga == NULL) {
        weir_reason(context, "saga: is missing");
        return WEIR_REJECT;
    }
    return on_move(context, message);
}

/* ---- The service ------------------------------------------------------------------------- */

/* Ended sagas leave the server by themselves; their places in the indexes are swept up here. */
static bool call_expire(void *self, struct weir_periodic *periodic)
{
    struct coordinator *coordinator = self;
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
    struct coordinator *coordinator = self;
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
    struct coordinator *coordinator = self;
    weir_periodic_stop(&coordinator->expiry);
}

static bool busy(void *self)
{
    (void)self;
    return false;
}

static void close_coordinator(void *self)
{
    struct coordinator *coordinator = self;
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
        {.type = "StartSaga", .handler = on_start, .keys = start_keys},
        {.type = "StepSucceeded", .handler = on_reply, .keys = saga_key},
        {.type = "StepFailed", .handler = on_reply, .keys = saga_key},
        {.type = "SagaWake", .handler = on_wake, .keys = saga_key},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        struct weir_route route = routes[i];
        route.plain = route.wants_time = route.unchecked = true;
        weir_service_add_route(service, &route);
    }
}

weir_service *weir_coordinator_new(void)
{
    struct coordinator *coordinator = calloc(1, sizeof *coordinator);
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
