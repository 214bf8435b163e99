/* Compares JSON with the shapes that are documented. */
#include "support/shape.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PATH "framework/commands/SHAPES.md"
#define SHAPES_MAX 128
#define FILE_MAX (256 * 1024)
#define NAME_MAX_LENGTH 64

static struct shape {
    char heading[NAME_MAX_LENGTH], text[4096];
} shapes[SHAPES_MAX];
static size_t shape_count;

/* A comparison under way; `at` walks through the shape's text. */
struct comparison {
    const char *at;
    char path[512];
    char *why; /* "": it fits so far */
    size_t size;
};

/* ---- The file ---------------------------------------------------------------------------- */

static void find_file(char *path, size_t size)
{
    struct stat found;
    const char *root = getenv("WEIR_ROOT");
    char up[64] = "";
    if (root) {
        snprintf(path, size, "%s/%s", root, PATH);
        return;
    }
    do {
        snprintf(path, size, "%s%s", up, PATH);
        strcat(up, "../");
    } while (stat(path, &found) != 0 && strlen(up) + 4 < sizeof(up));
}

static void add_line(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "## ", 3) == 0) {
        assert_true(shape_count < SHAPES_MAX);
        snprintf(shapes[shape_count++].heading, NAME_MAX_LENGTH, "%.63s", line + 3);
    } else if (strncmp(line, "    ", 4) == 0 && shape_count > 0) {
        struct shape *shape = &shapes[shape_count - 1];
        size_t length = strlen(shape->text);
        assert_true(length + strlen(line) < sizeof(shape->text));
        strcpy(shape->text + length, line + 3);
    }
}

void shapes_load(void)
{
    char path[1024], line[1024];
    find_file(path, sizeof(path));
    FILE *file = fopen(path, "re");
    if (!file)
        fail_msg("%s is missing", path);
    memset(shapes, 0, sizeof(shapes));
    shape_count = 0;
    while (fgets(line, sizeof(line), file))
        add_line(line);
    fclose(file);
    for (size_t i = 0; i < shape_count; i++)
        if (!shapes[i].text[0])
            fail_msg("%s: no shape below \"%s\"", path, shapes[i].heading);
}

void shapes_close(void)
{
    shape_count = 0;
}

static const struct shape *find(const char *heading)
{
    for (size_t i = 0; i < shape_count; i++)
        if (strcmp(shapes[i].heading, heading) == 0)
            return &shapes[i];
    return NULL;
}

const char *shape_heading(size_t place)
{
    return place < shape_count ? shapes[place].heading : NULL;
}

bool shape_exists(const char *heading)
{
    return find(heading) != NULL;
}

/* ---- Reading a shape --------------------------------------------------------------------- */

static char peek(struct comparison *compared)
{
    while (*compared->at == ' ')
        compared->at++;
    return *compared->at;
}

static bool take(struct comparison *compared, char wanted)
{
    if (peek(compared) != wanted)
        return false;
    compared->at++;
    return true;
}

static void need(struct comparison *compared, char wanted)
{
    if (!take(compared, wanted))
        fail_msg("%s: '%c' expected at: %s", PATH, wanted, compared->at);
}

static void read_word(struct comparison *compared, char *word)
{
    size_t length = 0;
    peek(compared);
    while (isalnum((unsigned char)*compared->at) && length + 1 < NAME_MAX_LENGTH)
        word[length++] = *compared->at++;
    word[length] = '\0';
    if (length == 0)
        fail_msg("%s: a name expected at: %s", PATH, compared->at);
}

/* ---- Comparing --------------------------------------------------------------------------- */

/* Every part of a shape is read, with a value (NULL: without one, only to come to its end). */
static void compare(struct comparison *compared, const json_t *value);

static void differ(struct comparison *compared, const json_t *value, const char *wanted)
{
    if (!value || compared->why[0])
        return;
    char *found = json_dumps(value, JSON_ENCODE_ANY);
    snprintf(compared->why, compared->size, "%s is no %s: %.300s",
             compared->path[0] ? compared->path : "all of it", wanted, found ? found : "?");
    free(found);
}

static void expect(struct comparison *compared, const json_t *value, bool fits, const char *wanted)
{
    if (!fits)
        differ(compared, value, wanted);
}

static void compare_word(struct comparison *compared, const json_t *value)
{
    char word[NAME_MAX_LENGTH];
    read_word(compared, word);
    if (strcmp(word, "any") == 0)
        return;
    if (strcmp(word, "text") == 0)
        expect(compared, value, json_is_string(value), word);
    else if (strcmp(word, "integer") == 0 || strcmp(word, "ms") == 0)
        expect(compared, value, json_is_integer(value), word);
    else if (strcmp(word, "number") == 0)
        expect(compared, value, json_is_number(value), word);
    else if (strcmp(word, "boolean") == 0)
        expect(compared, value, json_is_boolean(value), word);
    else if (strcmp(word, "object") == 0)
        expect(compared, value, json_is_object(value), word);
    else {
        const struct shape *named = find(word);
        const char *behind = compared->at;
        if (!named)
            fail_msg("%s: no shape is named %s", PATH, word);
        compared->at = named->text;
        if (value)
            compare(compared, value);
        compared->at = behind;
    }
}

static void compare_literals(struct comparison *compared, const json_t *value)
{
    bool found = false;
    do {
        need(compared, '"');
        size_t length = strcspn(compared->at, "\"");
        found = found || (json_is_string(value) && json_string_length(value) == length &&
                          memcmp(json_string_value(value), compared->at, length) == 0);
        compared->at += length + 1;
    } while (take(compared, '|'));
    expect(compared, value, found, "word that is listed");
}

/* Below a path for as long as that takes. */
static void compare_below(struct comparison *compared, const char *step, const json_t *value)
{
    size_t length = strlen(compared->path);
    snprintf(compared->path + length, sizeof(compared->path) - length, "%s", step);
    compare(compared, value);
    compared->path[length] = '\0';
}

static void compare_array(struct comparison *compared, const json_t *value)
{
    char step[32];
    const char *element = compared->at;
    expect(compared, value, json_is_array(value), "array");
    compare(compared, NULL);
    need(compared, ']');
    const char *behind = compared->at;
    for (size_t i = 0; i < json_array_size(value); i++) {
        snprintf(step, sizeof(step), "[%zu]", i);
        compared->at = element;
        compare_below(compared, step, json_array_get(value, i));
    }
    compared->at = behind;
}

static void compare_member(struct comparison *compared, const json_t *value, json_t *left)
{
    char name[NAME_MAX_LENGTH], step[NAME_MAX_LENGTH + 1];
    read_word(compared, name);
    bool optional = take(compared, '?');
    need(compared, ':');
    const json_t *member = json_object_get(value, name);
    snprintf(step, sizeof(step), ".%s", name);
    if (value && !member && !optional)
        differ(compared, value, step);
    compare_below(compared, step, member);
    json_object_del(left, name);
}

static void compare_rest(struct comparison *compared, json_t *left)
{
    const char *name;
    json_t *member;
    need(compared, ':');
    const char *type = compared->at;
    compare(compared, NULL);
    const char *behind = compared->at;
    json_object_foreach(left, name, member)
    {
        compared->at = type;
        compare_below(compared, ".*", member);
    }
    compared->at = behind;
    json_object_clear(left);
}

static void compare_object(struct comparison *compared, const json_t *value)
{
    json_t *left = json_is_object(value) ? json_copy((json_t *)(uintptr_t)value) : json_object();
    expect(compared, value, json_is_object(value), "object");
    if (!json_is_object(value))
        value = NULL;
    do {
        if (take(compared, '*'))
            compare_rest(compared, left);
        else
            compare_member(compared, value, left);
    } while (take(compared, ','));
    need(compared, '}');
    if (json_object_size(left) > 0)
        differ(compared, left, "documented member");
    json_decref(left);
}

static void compare_once(struct comparison *compared, const json_t *value)
{
    if (take(compared, '['))
        compare_array(compared, value);
    else if (take(compared, '{'))
        compare_object(compared, value);
    else if (peek(compared) == '"')
        compare_literals(compared, value);
    else
        compare_word(compared, value);
}

static void compare(struct comparison *compared, const json_t *value)
{
    const char *begin = compared->at;
    compare_once(compared, NULL);
    bool may_be_null = take(compared, '?');
    const char *behind = compared->at;
    if (value && !(may_be_null && json_is_null(value))) {
        compared->at = begin;
        compare_once(compared, value);
    }
    compared->at = behind;
}

bool shape_fits(const char *heading, const json_t *value, char *why, size_t size)
{
    const struct shape *shape = find(heading);
    if (!shape)
        fail_msg("%s: no shape of \"%s\"", PATH, heading);
    struct comparison compared = {.at = shape->text, .why = why, .size = size};
    why[0] = '\0';
    compare(&compared, value);
    if (peek(&compared))
        fail_msg("%s: too much at: %s", PATH, compared.at);
    return why[0] == '\0';
}
