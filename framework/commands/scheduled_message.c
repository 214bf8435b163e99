/* Reads messages on a schedule. */
#include "commands/scheduled_message.h"

#include <stdbool.h>
#include <string.h>

#include "commands/values.h"

static const char *const shown[] = {"type", "id", "subject", "saga", "step", "action"};
#define SHOWN (sizeof(shown) / sizeof(shown[0]))

/* The next piece, taken off the front; false where there is none. */
static bool take(struct weir_slice *rest, struct weir_slice *piece)
{
    const char *colon = rest->length > 0 ? memchr(rest->at, ':', rest->length) : NULL;
    int64_t length = 0;
    if (!colon || !weir_parse_integer(rest->at, (size_t)(colon - rest->at), &length))
        return false;
    size_t left = rest->length - (size_t)(colon + 1 - rest->at);
    if (length < 0 || (uint64_t)length > left)
        return false;
    *piece = (struct weir_slice){colon + 1, (size_t)length};
    *rest = (struct weir_slice){colon + 1 + length, left - (size_t)length};
    return true;
}

static void keep(struct weir_slice *values, struct weir_slice field, struct weir_slice value)
{
    for (size_t i = 0; i < SHOWN; i++)
        if (weir_slice_equals(field, shown[i]))
            values[i] = value;
}

/* False where it is none of its kind. */
static bool read_fields(struct weir_slice member, struct weir_slice *values)
{
    struct weir_slice token, field, value;
    bool any = false;
    if (!take(&member, &token))
        return false;
    for (; member.length > 0; any = true) {
        if (!take(&member, &field) || !take(&member, &value))
            return false;
        keep(values, field, value);
    }
    return any;
}

json_t *weir_scheduled_describe(struct weir_slice member)
{
    struct weir_slice values[SHOWN] = {{NULL, 0}};
    json_t *row = json_pack("{s:I}", "bytes", (json_int_t)member.length);
    bool good = read_fields(member, values);
    for (size_t i = 0; i < SHOWN; i++)
        json_object_set_new(row, shown[i], good ? weir_slice_json(values[i]) : json_null());
    return row;
}
