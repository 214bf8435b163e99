/* From an entry that was read to a delivery that is understood. */
#include "service/arrival.h"

#include <stdio.h>
#include <string.h>

#include "redis/key_names.h"
#include "service/load_pattern.h"
#include "service/queue.h"

static void name_keys(struct weir_delivery *delivery)
{
    const struct weir_route *route = delivery->route;
    const struct weir_runtime *runtime = delivery->context.runtime;
    char rest[320], key[WEIR_KEY_MAX];
    int length = 1, place;
    if (route->load == NULL && route->keys == NULL)
        return;
    for (size_t i = 0; length != 0 && i < WEIR_LOAD_KEYS_MAX; i++) {
        length = route->keys != NULL
                     ? route->keys(delivery->message, i, rest, sizeof rest)
                     : weir_load_pattern_key(route->load, i, delivery->message, rest, sizeof rest);
        if (length <= 0)
            continue;
        weir_key_named(key, runtime->prefix, runtime->service, rest);
        place = weir_snapshot_add(&delivery->snapshot, key);
        if (place < 0)
            delivery->out_of_memory = true;
        else if (i == 0)
            delivery->context.first_key = delivery->snapshot.hashes[place].key;
    }
}

/* Finds out what the message is; what cannot be understood is doomed, with the reason. */
static void understand(struct weir_delivery *delivery)
{
    struct weir_worker *worker = delivery->worker;
    weir_message *message = delivery->message;
    struct weir_error error = {0};
    const char *source = worker->sources[delivery->stream];
    char reason[WEIR_REASON_MAX], source_name[WEIR_KEY_MAX];

    if (weir_message_decode(message, (size_t)worker->runtime.settings->data_max, delivery->counted,
                            &error) != WEIR_OK)
        weir_delivery_doom(delivery, false, error.text);
    delivery->out_of_memory = delivery->out_of_memory || error.status == WEIR_NO_MEMORY;
    if (source == NULL && message->origin_stream != NULL)
        source = weir_key_events_owner(message->origin_stream, worker->runtime.prefix, source_name,
                                       sizeof source_name);
    if (message->type != NULL)
        delivery->route = weir_service_route(worker->service, source, message->type);
    if (!worker->service->no_participant && source == NULL && message->saga != NULL &&
        message->step != NULL && message->action != NULL && !weir_delivery_become_step(delivery))
        delivery->out_of_memory = true;
    delivery->compensating = message->action != NULL && strcmp(message->action, "compensate") == 0;
    delivery->number = weir_command_number(message->id);
    delivery->handler_missing = delivery->route == NULL && delivery->is_step &&
                                message->type != NULL &&
                                weir_rare_error_status(&delivery->doom) == WEIR_OK;
    if (delivery->route == NULL && source == NULL) {
        snprintf(reason, sizeof reason, "type: service %s has no handler for it",
                 worker->service->name);
        weir_delivery_doom(delivery, false, reason);
    }
    if (delivery->route == NULL && source != NULL && message->type != NULL)
        weir_rare_error_clear(&delivery->doom); /* not for us: not ours to complain */
    if (delivery->route != NULL && source != NULL &&
        weir_rare_error_status(&delivery->doom) == WEIR_OK)
        delivery->too_new =
            message->version > weir_event_newest(worker->service, source, message->type);
}

void weir_arrival_prepare(struct weir_delivery *delivery)
{
    const struct weir_route *route = delivery->route;
    struct weir_error error = {0};
    if (route == NULL || weir_rare_error_status(&delivery->doom) != WEIR_OK || delivery->too_new)
        return;
    if (weir_event_upcast(delivery->worker->service, route->source, delivery->message, &error) ==
        WEIR_VERSION_FITS) {
        name_keys(delivery);
        return;
    }
    delivery->out_of_memory = delivery->out_of_memory || error.status == WEIR_NO_MEMORY;
    weir_delivery_doom(delivery, false, error.text);
}

static void arrive(struct weir_worker *worker, size_t stream, const struct weir_entry *entry,
                   bool taken, bool suspect)
{
    struct weir_delivery *delivery;
    if (weir_delivery_in_hand(worker, stream, entry->id))
        return;
    delivery = weir_delivery_new(worker, stream, entry);
    if (delivery == NULL) { /* stays pending, and comes back when its claim has run out */
        weir_log_error(worker->runtime.log, "message.no_memory", "stream=%s entry=%.*s",
                       worker->streams[stream], (int)entry->id.length, entry->id.at);
        return;
    }
    worker->received++;
    understand(delivery);
    if (taken)
        weir_log_message(worker->runtime.log, WEIR_LOG_INFO, "message.taken_over",
                         delivery->message, NULL);
    delivery->suspect = suspect;
    weir_queue_enter(delivery);
}

void weir_arrival_entry(void *user, size_t stream, const struct weir_entry *entry)
{
    struct weir_worker *worker = user;
    if (!worker->apart)
        arrive(worker, stream, entry, false, false);
}

void weir_arrival_pending_entry(void *user, size_t stream, const struct weir_entry *entry,
                                bool taken)
{
    struct weir_worker *worker = user;
    bool new_to_process = taken || !worker->recovered_once;
    arrive(worker, stream, entry, taken, new_to_process);
}
