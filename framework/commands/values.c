/* Reads the server's answers and turns their texts into JSON values. */
#include "commands/values.h"

#include "message/envelope.h"
#include "redis/reply.h"

struct weir_slice weir_value_text(const redisReply *reply)
{
    struct weir_slice text = {NULL, 0};
    return weir_reply_text(reply, &text) ? text : (struct weir_slice){NULL, 0};
}

size_t weir_value_count(const redisReply *array)
{
    return weir_reply_array(array, 0) ? array->elements : 0;
}

struct weir_slice weir_value_element(const redisReply *array, size_t place)
{
    return weir_value_text(weir_reply_at(array, place));
}

struct weir_slice weir_value_field(const redisReply *pairs, const char *name)
{
    struct weir_slice value = {NULL, 0};
    for (size_t i = 0; i + 1 < weir_value_count(pairs); i += 2)
        if (weir_slice_equals(weir_value_element(pairs, i), name))
            value = weir_value_element(pairs, i + 1);
    return value;
}

bool weir_slice_integer(struct weir_slice slice, int64_t *out)
{
    return slice.at && weir_parse_integer(slice.at, slice.length, out);
}

json_t *weir_slice_json(struct weir_slice slice)
{
    return slice.at ? weir_text_json(slice) : json_null();
}

json_t *weir_slice_json_number(struct weir_slice slice)
{
    int64_t number;
    return weir_slice_integer(slice, &number) ? json_integer(number) : weir_slice_json(slice);
}

json_t *weir_slice_json_object(struct weir_slice slice)
{
    json_t *object = slice.at ? weir_object_parse(slice.at, slice.length, SIZE_MAX, NULL) : NULL;
    return object ? object : weir_slice_json(slice);
}

static void add_field(json_t *fields, struct weir_slice name, struct weir_slice value)
{
    json_t *key = weir_slice_json(name), *made;
    if (weir_slice_equals(name, "data"))
        made = weir_slice_json_object(value);
    else if (weir_slice_equals(name, "deliveries"))
        made = weir_slice_json_number(value);
    else
        made = weir_slice_json(value);
    json_object_set_new(fields, json_string_value(key), made);
    json_decref(key);
}

json_t *weir_fields_json(const redisReply *pairs)
{
    json_t *fields = json_object();
    for (size_t i = 0; i + 1 < weir_value_count(pairs); i += 2)
        add_field(fields, weir_value_element(pairs, i), weir_value_element(pairs, i + 1));
    return fields;
}
