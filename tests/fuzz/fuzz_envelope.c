/* A message's fields: read by the grammar, packed for the schedule, and shown in a log. */
#include <unistd.h>

#include "base/log.h"
#include "fuzz/bytes.h"
#include "message/effects.h"
#include "message/envelope.h"
#include "service/participant.h"

#define PARTS_MAX 64
#define DATA_MAX 200

static const char *const names[] = {
    "type",   "data",         "id",          "source",  "subject",    "delay",   "traceparent",
    "saga",   "step",         "action",      "version", "deliveries", "attempt", "expires",
    "reason", "originStream", "originEntry", "packed",  "",
};

static size_t take_parts(struct bytes *bytes, struct weir_slice *parts)
{
    size_t count = 0;
    while (bytes->left > 0 && count < PARTS_MAX) {
        size_t name = take_byte(bytes);
        parts[count] = name < 0xc0 ? weir_slice_of(names[name % (sizeof names / sizeof names[0])])
                                   : take_slice(bytes);
        count++;
        parts[count++] = take_slice(bytes);
    }
    return count;
}

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return false;
    return true;
}

static void check_message(const weir_message *message)
{
    HOLDS(message->type == NULL || weir_type_name_valid(message->type, strlen(message->type)));
    HOLDS(message->id == NULL || (is_plain(message->id) && weir_command_number(message->id) > 0));
    HOLDS(message->saga == NULL || weir_id_valid(message->saga, strlen(message->saga)));
    HOLDS(message->step == NULL || weir_name_valid(message->step, strlen(message->step)));
    HOLDS(message->subject == NULL || weir_utf8_valid(message->subject, strlen(message->subject)));
    HOLDS(message->delay_ms >= 0 && message->delay_ms <= WEIR_DELAY_MAX_MS);
    HOLDS(message->version >= 1 && message->attempt >= 1 && message->deliveries >= 1);
    HOLDS(message->expires_at >= 0);
    HOLDS(!message->torn &&
          (weir_message_object(message) == NULL || json_is_object(message->data)));
}

static void check_decoding(const struct weir_slice *parts, size_t count)
{
    struct weir_error error = {0};
    weir_message *message = weir_message_new("{s}:commands", "1-1", parts, count);
    HOLDS(message != NULL && message->field_count == count / 2);
    enum weir_status status = weir_message_decode(message, DATA_MAX, 1, &error);
    check_message(message);
    if (status == WEIR_OK)
        HOLDS(message->type != NULL && message->data != NULL);
    else
        check_sentence(&error);
    for (size_t i = 0; i < message->field_count; i++)
        HOLDS(message->fields[i].value.at[message->fields[i].value.length] == '\0');
    weir_message_free(message);
}

/* Read as the server reads it. */
static void check_packing(const struct weir_slice *parts, size_t count)
{
    struct weir_text packed = {0};
    size_t at = 0;
    weir_parts_pack(&packed, parts, count);
    HOLDS(!packed.failed);
    for (size_t i = 0; i < count; i++) {
        char *colon;
        size_t length = (size_t)strtoull(packed.at + at, &colon, 10);
        HOLDS(*colon == ':' && length == parts[i].length);
        at = (size_t)(colon + 1 - packed.at);
        HOLDS(length == 0 || memcmp(packed.at + at, parts[i].at, length) == 0);
        at += length;
    }
    HOLDS(at == packed.length);
    weir_text_close(&packed);
}

/* One line, whatever the values hold; as JSON one object. */
static void check_log(enum weir_log_format format, const char *one, const char *other)
{
    static int file = -1;
    static char line[16384];
    struct weir_log log;
    weir_log_init(&log, "s");
    if (file < 0)
        file = fileno(tmpfile());
    HOLDS(file >= 0 && ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
    log.descriptor = file;
    log.format = format;
    log.colour = false;
    weir_log_info(&log, "message.dead", "id=%s reason=%s", one, other);
    ssize_t length = pread(file, line, sizeof line, 0);
    HOLDS(length > 0 && length < (ssize_t)sizeof line && line[length - 1] == '\n');
    for (ssize_t i = 0; i < length - 1; i++)
        HOLDS((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
    HOLDS(weir_utf8_valid(line, (size_t)length));
    if (format == WEIR_LOG_JSON) {
        json_t *object = json_loadb(line, (size_t)length - 1, JSON_REJECT_DUPLICATES, NULL);
        HOLDS(json_is_object(object) && json_object_size(object) == 6);
        json_decref(object);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    struct weir_slice parts[PARTS_MAX + 2];
    size_t count = take_parts(&bytes, parts);
    check_decoding(parts, count);
    check_packing(parts, count);
    if (count >= 2) {
        char *name = copy_bytes(parts[0].at, parts[0].length);
        char *value = copy_bytes(parts[1].at, parts[1].length);
        check_log(WEIR_LOG_TEXT, name, value);
        check_log(WEIR_LOG_JSON, name, value);
        free(name);
        free(value);
    }
    return 0;
}
