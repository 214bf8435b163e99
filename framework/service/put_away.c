/* The message itself, put away for good or put off for later. */
#include "service/put_away.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/key_names.h"

/* More parts than a server function can take; such a message is put away as one packed field. */
#define PARTS_MAX 6800

/* Fields of weir's own are written anew each time that a message is put off. */
static bool own_field(const struct weir_field *field)
{
    static const char *const own[] = {WEIR_FIELD_DELIVERIES, WEIR_FIELD_ORIGIN_STREAM,
                                      WEIR_FIELD_ORIGIN_ENTRY};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (weir_slice_equals(field->name, own[i]))
            return true;
    return false;
}

/* The message's fields, and room for `more` further parts: the sender's own for a dead letter,
 * the ones to carry on for the schedule. */
static struct weir_slice *copy_parts(const weir_message *message, bool dead, size_t more,
                                     size_t *count)
{
    struct weir_slice *parts = malloc((2 * message->field_count + more) * sizeof *parts);
    bool was_put_off = message->origin_stream != NULL;
    *count = 0;
    weir_message_mend(message);
    for (size_t i = 0; parts != NULL && i < message->field_count; i++) {
        const struct weir_field *field = &message->fields[i];
        if ((own_field(field) && (was_put_off || !dead)) ||
            (!dead && weir_slice_equals(field->name, "delay")))
            continue;
        parts[(*count)++] = field->name;
        parts[(*count)++] = field->value;
    }
    return parts;
}

static void add_part(struct weir_slice *parts, size_t *count, const char *name, const char *value)
{
    parts[(*count)++] = weir_slice_of(name);
    parts[(*count)++] = weir_slice_of(value);
}

/* Too many fields for one entry made by a function: all of them as one packed text. */
static bool pack_parts(struct weir_slice *parts, size_t *count, struct weir_text *packed)
{
    if (*count <= PARTS_MAX)
        return true;
    weir_parts_pack(packed, parts, *count);
    parts[0] = weir_slice_of("packed");
    parts[1] = (struct weir_slice){packed->at, packed->length};
    *count = 2;
    return !packed->failed;
}

void weir_put_to_dead_letters(struct weir_delivery *delivery, const char *reason)
{
    const weir_message *message = delivery->message;
    const struct weir_runtime *runtime = delivery->context.runtime;
    char key[WEIR_KEY_MAX], deliveries[16];
    struct weir_text packed = {0};
    size_t count;
    struct weir_slice *parts = copy_parts(message, true, 8, &count);
    if (parts == NULL || !pack_parts(parts, &count, &packed)) {
        weir_rare_error_set(&delivery->effects.error, WEIR_NO_MEMORY,
                            "no memory for the dead letter");
    } else {
        snprintf(deliveries, sizeof deliveries, "%u", message->deliveries);
        add_part(parts, &count, "reason", reason);
        add_part(parts, &count, "deliveries", deliveries);
        add_part(parts, &count, "stream",
                 message->origin_stream ? message->origin_stream : message->stream);
        add_part(parts, &count, "entry",
                 message->origin_entry ? message->origin_entry : message->entry);
        weir_effects_append(&delivery->effects,
                            weir_key_dead(key, runtime->prefix, runtime->service), parts, count);
    }
    weir_text_close(&packed);
    free(parts);
}

/* The message's fields for another entry of it, with where it first came from. The caller frees
 * them; NULL: no memory, or too many. `count_text` holds the deliveries. */
static struct weir_slice *parts_to_carry(const weir_message *message, unsigned deliveries,
                                         char *count_text, size_t room, size_t *count)
{
    struct weir_slice *parts = copy_parts(message, false, 6, count);
    if (parts == NULL || *count > PARTS_MAX) {
        free(parts);
        return NULL;
    }
    snprintf(count_text, room, "%u", deliveries);
    add_part(parts, count, WEIR_FIELD_DELIVERIES, count_text);
    add_part(parts, count, WEIR_FIELD_ORIGIN_STREAM,
             message->origin_stream ? message->origin_stream : message->stream);
    add_part(parts, count, WEIR_FIELD_ORIGIN_ENTRY,
             message->origin_entry ? message->origin_entry : message->entry);
    return parts;
}

static void too_large(struct weir_delivery *delivery)
{
    weir_rare_error_set(&delivery->effects.error, WEIR_TOO_LARGE,
                        "too many fields to carry it on, or no memory");
}

/* On the schedule it stands under the entry that it is now, so that a message put off again is
 * another member. */
void weir_put_off(struct weir_delivery *delivery, int64_t delay_ms, unsigned deliveries)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    char key[WEIR_KEY_MAX], count_text[16], delay[WEIR_DIGITS_MAX];
    struct weir_text member = {0};
    size_t count;
    struct weir_slice token = weir_slice_of(delivery->name), arguments[2];
    struct weir_slice *parts =
        parts_to_carry(delivery->message, deliveries, count_text, sizeof count_text, &count);
    if (parts != NULL) {
        weir_parts_pack(&member, &token, 1);
        weir_parts_pack(&member, parts, count);
    }
    if (parts == NULL || member.failed) {
        too_large(delivery);
    } else {
        delivery->retry_delay_ms = delay_ms;
        arguments[0] = (struct weir_slice){delay, weir_digits(delay_ms, delay)};
        arguments[1] = (struct weir_slice){member.at, member.length};
        weir_effects_plain(&delivery->effects, "SCHEDULE",
                           weir_key_scheduled(key, runtime->prefix, runtime->service), arguments,
                           2);
    }
    weir_text_close(&member);
    free(parts);
}

void weir_put_to_inbox(struct weir_delivery *delivery, const char *inbox)
{
    const struct weir_runtime *runtime = delivery->context.runtime;
    char key[WEIR_KEY_MAX], count_text[16];
    size_t count;
    struct weir_slice *parts = parts_to_carry(delivery->message, delivery->message->deliveries - 1,
                                              count_text, sizeof count_text, &count);
    if (parts == NULL)
        too_large(delivery);
    else
        weir_effects_append(&delivery->effects,
                            weir_key_named(key, runtime->prefix, runtime->service, inbox), parts,
                            count);
    free(parts);
}

void weir_context_put_off(weir_context *context, int64_t delay_ms)
{
    struct weir_runtime *runtime = context->runtime;
    if (context->delivery == NULL)
        return;
    weir_put_off(context->delivery, delay_ms, context->message->deliveries - 1);
    runtime->hasten(runtime->worker, delay_ms);
}

void weir_context_pass_on(weir_context *context, const char *inbox)
{
    if (context->delivery != NULL)
        weir_put_to_inbox(context->delivery, inbox);
}
