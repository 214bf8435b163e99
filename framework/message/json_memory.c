/* Watches jansson's allocations, as jansson passes over some that fail. */
#include "message/json_memory.h"

#include <stdlib.h>

#include "message/plain_json.h"

static json_malloc_t allocate_before;
static _Thread_local unsigned long failures;

static void *allocate(size_t size)
{
    void *at = allocate_before(size);
    failures += at == NULL;
    return at;
}

void weir_json_watch(void)
{
    json_malloc_t allocate_now;
    json_free_t free_now;
    json_get_alloc_funcs(&allocate_now, &free_now);
    if (allocate_now == allocate)
        return;
    allocate_before = allocate_now;
    json_set_alloc_funcs(allocate, free_now);
}

unsigned long weir_json_failures(void)
{
    return failures;
}

json_t *weir_json_load(const char *bytes, size_t length, size_t flags, json_error_t *error)
{
    unsigned long before = failures;
    json_t *value = json_loadb(bytes, length, flags, error);
    if (failures == before)
        return value;
    json_decref(value);
    error->text[0] = '\0';
    error->text[JSON_ERROR_TEXT_LENGTH - 1] = (char)json_error_out_of_memory;
    return NULL;
}

char *weir_json_text(const json_t *value)
{
    unsigned long before = failures;
    char *text = weir_plain_json_text(value);
    if (text != NULL)
        return text;
    text = json_dumps(value, JSON_COMPACT);
    if (failures == before)
        return text;
    free(text);
    return NULL;
}

json_t *weir_json_copy(const json_t *value)
{
    unsigned long before = failures;
    json_t *copy = json_deep_copy(value);
    if (failures == before)
        return copy;
    json_decref(copy);
    return NULL;
}

/* Some failed allocations leave the parser without a word. */
bool weir_json_ran_out(const json_error_t *error)
{
    return json_error_code(error) == json_error_out_of_memory ||
           (error->line == -1 && error->text[0] == '\0');
}
