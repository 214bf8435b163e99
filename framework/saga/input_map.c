/* Paths into a saga's data, and the commands' data that they make up. */
#include "saga/input_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "message/json_memory.h"
#include "saga/definition_fields.h"

#define FIELD_MAX 64 /* bytes of a result field's name */
#define PATH_GRAMMAR                                                                               \
    "a path such as \"$\", \"$.orderId\" or \"$.steps.<step>.<field>\" of 16 parts at most"

/* ---- Reading ----------------------------------------------------------------------------- */

void weir_input_map_free(struct weir_input_map *map)
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->count; i++) {
        free(map->paths[i].field);
        free(map->paths[i].text);
        free(map->paths[i].parts);
    }
    free(map->paths);
    free(map);
}

/* Cuts the parts behind "$" at their dots. False: an empty part, or too many. */
static bool cut(struct weir_input_path *path)
{
    char *at = path->parts;
    if (*at++ != '$')
        return false;
    while (*at == '.') {
        *at++ = '\0';
        size_t length = strcspn(at, ".");
        if (length == 0 || path->segment_count == WEIR_INPUT_SEGMENTS_MAX)
            return false;
        path->segments[path->segment_count++] = at;
        at += length;
    }
    return *at == '\0';
}

/* "steps" is not the name of a field of the saga's data: the results stand there. */
static bool take_step_name(struct weir_input_path *path)
{
    if (path->segment_count == 0 || strcmp(path->segments[0], "steps") != 0)
        return true;
    if (path->segment_count == 1)
        return false;
    path->step_name = path->segments[1];
    path->segment_count -= 2;
    memmove(path->segments, path->segments + 2, path->segment_count * sizeof *path->segments);
    return true;
}

/* Both stand in sentences and log lines. */
static bool is_plain(const char *text)
{
    while ((unsigned char)*text >= ' ')
        text++;
    return *text == '\0';
}

static bool check_field_name(const char *field, struct weir_error *error)
{
    if (*field != '\0' && strlen(field) <= FIELD_MAX && is_plain(field))
        return true;
    weir_error_set(error, WEIR_INVALID,
                   "input: the name of a field must have 1 to %d bytes and no control characters",
                   FIELD_MAX);
    return false;
}

static bool refuse_path(const char *field, const json_t *value, struct weir_error *error)
{
    char name[FIELD_MAX + 8];
    snprintf(name, sizeof name, "input.%s", field);
    return weir_field_refuse_value(error, name, PATH_GRAMMAR, value);
}

static bool read_path(struct weir_input_path *path, const char *field, const json_t *value,
                      struct weir_error *error)
{
    const char *text = json_string_value(value);
    if (!check_field_name(field, error))
        return false;
    if (text == NULL || strlen(text) != json_string_length(value) || !is_plain(text))
        return refuse_path(field, value, error);
    path->field = strdup(field);
    path->text = strdup(text);
    path->parts = strdup(text);
    if (path->field == NULL || path->text == NULL || path->parts == NULL)
        return weir_field_no_memory(error);
    return (cut(path) && take_step_name(path)) || refuse_path(field, value, error);
}

static bool read_paths(struct weir_input_map *map, const json_t *input, struct weir_error *error)
{
    const char *field;
    json_t *value;
    json_object_foreach((json_t *)input, field, value)
    {
        if (!read_path(&map->paths[map->count++], field, value, error))
            return false;
    }
    return true;
}

struct weir_input_map *weir_input_map_parse(const json_t *input, struct weir_error *error)
{
    size_t count = json_object_size(input);
    if (count < 1 || count > WEIR_INPUT_FIELDS_MAX) {
        weir_field_refuse_value(error, "input", "an object of 1 to 64 fields", input);
        return NULL;
    }
    struct weir_input_map *map = calloc(1, sizeof *map);
    struct weir_input_path *paths = calloc(count, sizeof *paths);
    if (map != NULL && paths != NULL) {
        map->paths = paths;
        if (read_paths(map, input, error))
            return map;
        weir_input_map_free(map);
        return NULL;
    }
    free(map);
    free(paths);
    weir_field_no_memory(error);
    return NULL;
}

/* ---- Building ---------------------------------------------------------------------------- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* How long an object's text is before its closing brace and the blanks there, which somebody who
 * has written it by hand may have left; 0: it has none. */
static size_t open_length(const char *object)
{
    size_t length = strlen(object);
    while (length > 0 && is_blank(object[length - 1]))
        length--;
    if (length < 2 || object[0] != '{' || object[length - 1] != '}')
        return 0;
    for (length--; is_blank(object[length - 1]);)
        length--;
    return length;
}

/* Both are JSON text already, so the whole needs no parsing. */
static char *build_whole(const struct weir_saga_definition *definition,
                         const struct weir_saga *saga, const char *data, struct weir_error *error)
{
    struct weir_text out = {0};
    size_t length = open_length(data);
    const char *comma = "";
    if (length == 0) {
        weir_error_set(error, WEIR_INVALID, "the saga's data is not a JSON object");
        return NULL;
    }
    weir_text_append(&out, data, length);
    weir_text_append_string(&out, data[length - 1] == '{' ? "\"steps\":{" : ",\"steps\":{");
    for (size_t i = 0; i < saga->step_count; i++) {
        const char *name = definition->steps[i].name;
        if (saga->steps[i].result == NULL)
            continue;
        weir_text_format(&out, "%s\"%s\":", comma, name); /* names need no escaping */
        weir_text_append_string(&out, saga->steps[i].result);
        comma = ",";
    }
    weir_text_append_string(&out, "}}");
    if (out.failed)
        weir_text_close(&out);
    return out.at;
}

/* The value that the path leads to in `from`, borrowed; NULL: to nothing. */
static json_t *follow(const struct weir_input_path *path, json_t *from)
{
    for (size_t i = 0; from != NULL && i < path->segment_count; i++)
        from = json_object_get(from, path->segments[i]);
    return from;
}

static bool leads_to_nothing(const struct weir_input_path *path, struct weir_error *error)
{
    weir_error_set(error, WEIR_NOT_FOUND, "field %s: %.80s leads to nothing", path->field,
                   path->text);
    return false;
}

static bool add_field(json_t *built, const struct weir_input_path *path, json_t *from,
                      struct weir_error *error)
{
    json_t *value = follow(path, from);
    if (value == NULL)
        return leads_to_nothing(path, error);
    return json_object_set(built, path->field, value) == 0 || weir_field_no_memory(error);
}

static json_t *parse(const char *text, const char *what, struct weir_error *error)
{
    json_error_t problem;
    json_t *value = weir_json_load(text, strlen(text), JSON_DECODE_ANY, &problem);
    if (value == NULL && weir_json_ran_out(&problem))
        weir_field_no_memory(error);
    else if (value == NULL)
        weir_error_set(error, WEIR_INVALID, "%s is not JSON", what);
    return value;
}

static bool add_from_step(json_t *built, const struct weir_input_path *path,
                          const struct weir_saga *saga, struct weir_error *error)
{
    const char *text = saga->steps[path->step].result;
    if (text == NULL)
        return leads_to_nothing(path, error);
    json_t *result = parse(text, path->text, error);
    bool added = result != NULL && add_field(built, path, result, error);
    json_decref(result);
    return added;
}

static char *build_by_map(const struct weir_input_map *map, const struct weir_saga *saga,
                          const char *data, struct weir_error *error)
{
    char *text = NULL;
    json_t *whole = parse(data, "the saga's data", error);
    json_t *built = json_object();
    for (size_t i = 0; whole != NULL && i < map->count; i++) {
        const struct weir_input_path *path = &map->paths[i];
        bool added = path->step_name == NULL ? add_field(built, path, whole, error)
                                             : add_from_step(built, path, saga, error);
        if (!added)
            goto out;
    }
    if (whole != NULL)
        text = weir_json_text(built);
out:
    json_decref(built);
    json_decref(whole);
    return text;
}

char *weir_input_build(const struct weir_saga_definition *definition, size_t step,
                       const struct weir_saga *saga, const char *data, size_t limit,
                       struct weir_error *error)
{
    const struct weir_step_definition *one = &definition->steps[step];
    struct weir_error why = {0};
    char *text = one->input == NULL ? build_whole(definition, saga, data, &why)
                                    : build_by_map(one->input, saga, data, &why);
    if (text == NULL && why.status == WEIR_OK)
        weir_error_set(&why, WEIR_NO_MEMORY, "memory ran out");
    else if (text != NULL && strlen(text) > limit)
        weir_error_set(&why, WEIR_TOO_LARGE, "the data would be over %zu bytes", limit);
    if (why.status == WEIR_OK)
        return text;
    free(text);
    weir_error_set(error, why.status, "input: %s", why.text);
    return NULL;
}
