/* A request's target, read from any text: a path and arguments within their limits, whole UTF-8
 * without control characters, and again the same once it is written down anew. */
#include "base/text.h"
#include "fuzz/bytes.h"
#include "http/target.h"

static void check_text(const char *text)
{
    HOLDS(text != NULL && weir_utf8_valid(text, strlen(text)));
    for (; *text != '\0'; text++)
        HOLDS((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void append_encoded(struct weir_text *out, const char *text, bool path)
{
    for (; *text != '\0'; text++)
        if (path && *text == '/')
            weir_text_append(out, text, 1);
        else
            weir_text_format(out, "%%%02x", (unsigned)(unsigned char)*text);
}

static void check_again(const struct weir_target *target)
{
    struct weir_text text = {0};
    struct weir_target again;
    append_encoded(&text, target->path, true);
    for (size_t i = 0; i < target->count; i++) {
        weir_text_append_string(&text, i == 0 ? "?" : "&");
        append_encoded(&text, target->arguments[i].name, false);
        weir_text_append_string(&text, "=");
        append_encoded(&text, target->arguments[i].value, false);
    }
    HOLDS(!text.failed && weir_target_parse(&again, text.at) == WEIR_OK);
    HOLDS(strcmp(again.path, target->path) == 0 && again.count == target->count);
    for (size_t i = 0; i < target->count; i++)
        HOLDS(strcmp(again.arguments[i].name, target->arguments[i].name) == 0 &&
              strcmp(again.arguments[i].value, target->arguments[i].value) == 0);
    weir_target_close(&again);
    weir_text_close(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = copy_bytes((const char *)data, size);
    struct weir_target target;
    if (weir_target_parse(&target, text) == WEIR_OK) {
        HOLDS(target.path[0] == '/' && target.count <= WEIR_TARGET_ARGUMENTS_MAX);
        check_text(target.path);
        for (size_t i = 0; i < target.count; i++) {
            check_text(target.arguments[i].name);
            check_text(target.arguments[i].value);
            HOLDS(weir_target_argument(&target, target.arguments[i].name) != NULL);
        }
        check_again(&target);
    }
    weir_target_close(&target);
    free(text);
    return 0;
}
