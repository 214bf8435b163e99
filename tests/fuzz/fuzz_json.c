/* JSON from outside: read strictly, and written so that it reads the same again. */
#include "fuzz/bytes.h"
#include "message/envelope.h"
#include "message/plain_json.h"

static size_t depth_of(const json_t *value)
{
    size_t deepest = 0, i;
    const char *name;
    json_t *inner;
    json_object_foreach((json_t *)(uintptr_t)value, name, inner)
    {
        size_t depth = depth_of(inner);
        deepest = depth > deepest ? depth : deepest;
    }
    json_array_foreach(value, i, inner)
    {
        size_t depth = depth_of(inner);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + (json_is_object(value) || json_is_array(value));
}

static void check_object(json_t *object, size_t depth_max)
{
    struct weir_error error = {0};
    char *text = json_dumps(object, JSON_COMPACT);
    json_t *again;
    HOLDS(json_is_object(object) && depth_of(object) <= depth_max && text != NULL);
    again = weir_object_parse(text, strlen(text), depth_max, &error);
    HOLDS(again != NULL && json_equal(object, again));
    json_decref(again);
    free(text);
}

static void check_parse(struct weir_slice text, size_t depth_max)
{
    struct weir_error error = {0};
    json_t *object = weir_object_parse(text.at, text.length, depth_max, &error);
    if (object != NULL) {
        HOLDS(weir_utf8_valid(text.at, text.length) && error.status == WEIR_OK);
        check_object(object, depth_max);
        json_decref(object);
    } else {
        HOLDS(error.status == WEIR_INVALID);
        check_sentence(&error);
        HOLDS(weir_utf8_valid(error.text, strlen(error.text)));
    }
}

/* What is read in one pass is what the parser makes of it. */
static void check_plain(struct weir_slice text, size_t depth_max)
{
    json_t *plain = weir_plain_json(text.at, text.length, depth_max), *parsed;
    HOLDS(plain != NULL || !weir_plain_json_fits(text.at, text.length, depth_max));
    if (plain == NULL)
        return;
    parsed = json_loadb(text.at, text.length, JSON_REJECT_DUPLICATES, NULL);
    HOLDS(json_is_object(plain) && depth_of(plain) <= depth_max && json_equal(plain, parsed));
    json_decref(plain);
    json_decref(parsed);
}

/* Any bytes become a text; those that are UTF-8 become that very text. */
static void check_text(struct weir_slice text)
{
    bool valid = weir_utf8_valid(text.at, text.length);
    struct weir_text quoted = {0};
    json_t *plain = json_stringn(text.at, text.length), *made = weir_text_json(text), *read;
    HOLDS(valid == (plain != NULL));
    HOLDS(json_is_string(made) && (!valid || json_equal(made, plain)));
    weir_text_append_json(&quoted, text.at, text.length);
    read = json_loadb(quoted.at, quoted.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    HOLDS(json_equal(read, made));
    weir_text_close(&quoted);
    json_decref(plain);
    json_decref(made);
    json_decref(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    size_t depth_max = 1 + take_below(&bytes, WEIR_STEP_DATA_FACTOR * WEIR_DATA_DEPTH_MAX);
    char *copy = malloc(bytes.left + 1);
    HOLDS(copy != NULL);
    copy = realloc(copy, bytes.left > 0 ? bytes.left : 1); /* nothing may be read behind it */
    HOLDS(copy != NULL);
    if (bytes.left > 0)
        memcpy(copy, bytes.at, bytes.left);
    check_parse((struct weir_slice){copy, bytes.left}, depth_max);
    check_plain((struct weir_slice){copy, bytes.left}, depth_max);
    check_text((struct weir_slice){copy, bytes.left});
    free(copy);
    return 0;
}
