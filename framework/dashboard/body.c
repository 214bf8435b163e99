/* Reads the options of an action. */
#include "dashboard/body.h"

#include <stdlib.h>
#include <string.h>

static enum weir_status add(struct weir_body *body, const char *name, const json_t *value,
                            struct weir_error *error)
{
    const char *text = json_string_value(value);
    if (body->count == WEIR_BODY_OPTIONS_MAX)
        return weir_error_set(error, WEIR_INVALID, "the body has too many members");
    if (json_is_null(value) || json_is_array(value))
        return weir_error_set(error, WEIR_INVALID,
                              "%.60s: must be a text, a number, true, false "
                              "or an object",
                              name);
    if (!text) {
        text = body->dumps[body->count] = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (!text)
            return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    }
    body->arguments[body->count++] = (struct weir_route_argument){name, text};
    return WEIR_OK;
}

enum weir_status weir_body_read(struct weir_body *body, struct weir_slice bytes,
                                struct weir_error *error)
{
    json_error_t why;
    const char *name;
    json_t *value;
    *body = (struct weir_body){0};
    if (bytes.length == 0)
        return WEIR_OK;
    body->object = json_loadb(bytes.at, bytes.length, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(body->object))
        return weir_error_set(error, WEIR_INVALID, "the body has to be a JSON object%s%s",
                              body->object ? "" : ": ", body->object ? "" : why.text);
    json_object_foreach(body->object, name, value)
    {
        if (add(body, name, value, error) != WEIR_OK)
            break;
    }
    return error->status;
}

enum weir_status weir_body_sign(struct weir_body *body, const char *who, struct weir_error *error)
{
    for (size_t i = 0; i < body->count; i++)
        if (strcmp(body->arguments[i].name, "as") == 0)
            return WEIR_OK;
    if (body->count == WEIR_BODY_OPTIONS_MAX)
        return weir_error_set(error, WEIR_INVALID, "the body has too many members");
    body->arguments[body->count++] = (struct weir_route_argument){"as", who};
    return WEIR_OK;
}

void weir_body_close(struct weir_body *body)
{
    for (size_t i = 0; i < WEIR_BODY_OPTIONS_MAX; i++)
        free(body->dumps[i]);
    json_decref(body->object);
    *body = (struct weir_body){0};
}
