/* One message as it was read: its fields by name, checked against the grammar. */
#include "message/envelope.h"

#include <stdlib.h>
#include <string.h>

#define EXPIRES_MAX_MS INT64_C(9007199254740991) /* exact as a double, on the server */

/* ---- Copying ----------------------------------------------------------------------------- */

static char *copy_to(char **room, const char *bytes, size_t length)
{
    char *copy = *room;
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    *room += length + 1;
    return copy;
}

static size_t room_needed(const char *entry, const struct weir_slice *parts, size_t part_count)
{
    size_t room = strlen(entry) + 1;
    for (size_t i = 0; i < part_count; i++)
        room += parts[i].length + 1;
    return room;
}

weir_message *weir_message_new(const char *stream, const char *entry,
                               const struct weir_slice *parts, size_t part_count)
{
    size_t head = sizeof(weir_message) + part_count / 2 * sizeof(struct weir_field);
    /* one block for all: the struct, the fields, the bytes */
    weir_message *message = malloc(head + room_needed(entry, parts, part_count));
    char *room;
    if (message == NULL)
        return NULL;
    memset(message, 0, sizeof *message);
    message->fields = (struct weir_field *)(message + 1);
    message->field_count = part_count / 2;
    room = (char *)message + head;
    message->stream = stream;
    message->entry = copy_to(&room, entry, strlen(entry));
    for (size_t i = 0; i < message->field_count; i++) {
        struct weir_field *field = &message->fields[i];
        field->name.length = parts[2 * i].length;
        field->name.at = copy_to(&room, parts[2 * i].at, parts[2 * i].length);
        field->value.length = parts[2 * i + 1].length;
        field->value.at = copy_to(&room, parts[2 * i + 1].at, parts[2 * i + 1].length);
    }
    message->deliveries = message->attempt = 1;
    message->version = message->data_version = 1;
    return message;
}

void weir_message_free(weir_message *message)
{
    if (message == NULL)
        return;
    json_decref(message->data);
    free(message->idempotency_key);
    free(message);
}

const struct weir_field *weir_message_field(const weir_message *message, const char *name)
{
    for (size_t i = 0; i < message->field_count; i++)
        if (weir_slice_equals(message->fields[i].name, name))
            return &message->fields[i];
    return NULL;
}

/* ---- Data -------------------------------------------------------------------------------- */

json_t *weir_message_object(const weir_message *message)
{
    weir_message *changed =
        (weir_message *)(uintptr_t)message; /* as seen from outside, it is not */
    const struct weir_field *plain = message->plain_data;
    if (message->data == NULL && plain != NULL) {
        changed->data = weir_plain_json_lent(plain->value.at, plain->value.length);
        changed->torn |= changed->data == NULL;
    }
    return message->data;
}

json_t *weir_message_ask_object(const weir_message *message)
{
    ((weir_message *)(uintptr_t)message)->asked = true;
    return weir_message_object(message);
}

void weir_message_leave_object(weir_message *message)
{
    if (message->plain_data == NULL || message->asked)
        return;
    json_decref(message->data);
    message->data = NULL;
}

static struct weir_value value_of(const json_t *value)
{
    struct weir_value taken = {.kind = value != NULL ? WEIR_VALUE_OTHER : WEIR_VALUE_ABSENT};
    if (json_is_string(value)) {
        taken.kind = WEIR_VALUE_TEXT;
        taken.text = (struct weir_slice){json_string_value(value), json_string_length(value)};
    } else if (json_is_integer(value)) {
        taken.kind = WEIR_VALUE_INTEGER;
        taken.integer = json_integer_value(value);
    }
    return taken;
}

struct weir_value weir_message_value(const weir_message *message, const char *name)
{
    const struct weir_field *plain = message->plain_data;
    if (plain == NULL)
        return value_of(json_object_get(message->data, name));
    return weir_plain_json_lend((char *)(uintptr_t)plain->value.at, plain->value.length, name);
}

void weir_message_mend(const weir_message *message)
{
    const struct weir_field *plain = message->plain_data;
    if (plain != NULL)
        weir_plain_json_mend((char *)(uintptr_t)plain->value.at, plain->value.length);
}

/* ---- Decoding ---------------------------------------------------------------------------- */

static bool action_valid(const char *bytes, size_t length)
{
    struct weir_slice action = {bytes, length};
    return weir_slice_equals(action, "execute") || weir_slice_equals(action, "compensate");
}

static bool saga_id_valid(const char *bytes, size_t length)
{
    return weir_id_valid(bytes, length) && weir_utf8_valid(bytes, length);
}

static bool sender_id_valid(const char *bytes, size_t length)
{
    if (length == 0 || length > 256 || !weir_utf8_valid(bytes, length))
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)bytes[i] <= ' ' || bytes[i] == 0x7f)
            return false;
    return true;
}

static bool short_text_valid(const char *bytes, size_t length)
{
    return length <= 512 && memchr(bytes, '\0', length) == NULL && weir_utf8_valid(bytes, length);
}

/* The fields that are texts: where they go, what they must be. */
static const struct text_field {
    const char *name;
    size_t offset;
    bool (*valid)(const char *bytes, size_t length);
    const char *rule;
} text_fields[] = {
    {"type", offsetof(weir_message, type), weir_type_name_valid,
     "must be [A-Za-z][A-Za-z0-9._-]*, 128 bytes at most"},
    {"id", offsetof(weir_message, id), sender_id_valid,
     "must be 1 to 256 bytes without blanks and control characters"},
    {"source", offsetof(weir_message, source), short_text_valid,
     "must be UTF-8 of 512 bytes at most"},
    {"subject", offsetof(weir_message, subject), short_text_valid,
     "must be UTF-8 of 512 bytes at most"},
    {"traceparent", offsetof(weir_message, traceparent), short_text_valid,
     "must be UTF-8 of 512 bytes at most"},
    {"saga", offsetof(weir_message, saga), saga_id_valid, "must be " WEIR_ID_FORM},
    {"step", offsetof(weir_message, step), weir_name_valid,
     "must be [A-Za-z][A-Za-z0-9_-]*, 64 bytes at most"},
    {"action", offsetof(weir_message, action), action_valid, "must be execute or compensate"},
    {WEIR_FIELD_ORIGIN_STREAM, offsetof(weir_message, origin_stream), short_text_valid,
     "must be UTF-8 of 512 bytes at most"},
    {WEIR_FIELD_ORIGIN_ENTRY, offsetof(weir_message, origin_entry), short_text_valid,
     "must be UTF-8 of 512 bytes at most"},
};

static const struct text_field *text_field(struct weir_slice name)
{
    for (size_t i = 0; i < sizeof text_fields / sizeof text_fields[0]; i++)
        if (weir_slice_equals(name, text_fields[i].name))
            return &text_fields[i];
    return NULL;
}

static void take_text(weir_message *message, const struct text_field *known,
                      struct weir_slice value, struct weir_error *error)
{
    const char **member = (const char **)((char *)message + known->offset);
    if (*member != NULL)
        weir_error_set(error, WEIR_INVALID, "%s: stands twice", known->name);
    else if (!known->valid(value.at, value.length))
        weir_error_set(error, WEIR_INVALID, "%s: %s", known->name, known->rule);
    else
        *member = value.at;
}

static int64_t take_number(const weir_message *message, const struct weir_field *field,
                           int64_t minimum, int64_t maximum, struct weir_error *error)
{
    const char *name = field->name.at;
    int64_t number;
    if (weir_message_field(message, name) != field)
        weir_error_set(error, WEIR_INVALID, "%s: stands twice", name);
    else if (weir_parse_integer(field->value.at, field->value.length, &number) &&
             number >= minimum && number <= maximum)
        return number;
    weir_error_set(error, WEIR_INVALID, "%s: must be a whole number from %lld to %lld", name,
                   (long long)minimum, (long long)maximum);
    return minimum;
}

static void take_data(weir_message *message, const struct weir_field *field, size_t data_max,
                      struct weir_error *error)
{
    struct weir_slice value = field->value;
    struct weir_error why = {0};
    bool command = weir_message_field(message, "step") != NULL &&
                   weir_message_field(message, "action") != NULL &&
                   (weir_message_field(message, WEIR_FIELD_EXPIRES) != NULL ||
                    weir_message_field(message, WEIR_FIELD_ATTEMPT) != NULL);
    size_t factor = command ? WEIR_STEP_DATA_FACTOR : 1;
    if (message->data != NULL || message->plain_data != NULL) {
        weir_error_set(error, WEIR_INVALID, "data: stands twice");
    } else if (value.length > factor * data_max) {
        weir_error_set(error, WEIR_TOO_LARGE, "data: %zu bytes, at most %zu are allowed",
                       value.length, factor * data_max);
    } else if (weir_plain_json_fits(value.at, value.length, factor * WEIR_DATA_DEPTH_MAX)) {
        message->plain_data = field;
    } else {
        message->data =
            weir_object_parse(value.at, value.length, factor * WEIR_DATA_DEPTH_MAX, &why);
        if (message->data == NULL)
            weir_error_set(error, why.status, "data: %s", why.text);
    }
}

static void take_field(weir_message *message, const struct weir_field *field, size_t data_max,
                       struct weir_error *error)
{
    const struct text_field *known = text_field(field->name);
    if (known != NULL)
        take_text(message, known, field->value, error);
    else if (weir_slice_equals(field->name, "data"))
        take_data(message, field, data_max, error);
    else if (weir_slice_equals(field->name, "delay"))
        message->delay_ms = take_number(message, field, 0, WEIR_DELAY_MAX_MS, error);
    else if (weir_slice_equals(field->name, "version"))
        message->version = take_number(message, field, 1, WEIR_EVENT_VERSION_MAX, error);
    else if (weir_slice_equals(field->name, WEIR_FIELD_ONCE))
        message->once = take_number(message, field, 0, 1, error) == 1;
    else if (weir_slice_equals(field->name, WEIR_FIELD_DELIVERIES))
        message->deliveries += (unsigned)take_number(message, field, 0, 1000000, error);
    else if (weir_slice_equals(field->name, WEIR_FIELD_ATTEMPT))
        message->attempt = (unsigned)take_number(message, field, 1, 1000000, error);
    else if (weir_slice_equals(field->name, WEIR_FIELD_EXPIRES))
        message->expires_at = take_number(message, field, 1, EXPIRES_MAX_MS, error);
}

enum weir_status weir_message_decode(weir_message *message, size_t data_max, unsigned deliveries,
                                     struct weir_error *error)
{
    message->deliveries = deliveries;
    for (size_t i = 0; i < message->field_count; i++)
        take_field(message, &message->fields[i], data_max, error);
    message->data_version = message->version;
    if (message->type == NULL)
        weir_error_set(error, WEIR_INVALID, "type: is missing");
    if (message->data == NULL && message->plain_data == NULL && error->status == WEIR_OK) {
        message->data = json_object();
        if (message->data == NULL)
            weir_error_set(error, WEIR_NO_MEMORY, "data: no memory");
    }
    return error->status;
}
