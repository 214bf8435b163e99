/* What a request asks for: the path and the arguments of its target, decoded. */
#include "http/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static int hexadecimal(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

static bool is_control(char byte)
{
    return (unsigned char)byte < 0x20 || byte == 0x7f;
}

/* In its own place: what is decoded is never longer. */
static enum weir_status decode(char *text, bool argument)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        char byte = *from;
        if (byte == '%') {
            int high = hexadecimal(from[1]), low = high < 0 ? -1 : hexadecimal(from[2]);
            if (low < 0)
                return WEIR_INVALID;
            byte = (char)(high * 16 + low);
            from += 2;
        } else if (byte == '+' && argument) {
            byte = ' ';
        }
        if (is_control(byte))
            return WEIR_INVALID;
        *to++ = byte;
    }
    *to = '\0';
    return weir_utf8_valid(text, (size_t)(to - text)) ? WEIR_OK : WEIR_INVALID;
}

static enum weir_status parse_argument(struct weir_target *target, char *text)
{
    char *equals = strchr(text, '=');
    struct weir_target_argument argument = {text, ""};
    if (text[0] == '\0')
        return WEIR_OK;
    if (target->count == WEIR_TARGET_ARGUMENTS_MAX)
        return WEIR_TOO_LARGE;
    if (equals != NULL) {
        *equals = '\0';
        argument.value = equals + 1;
        if (decode(equals + 1, true) != WEIR_OK)
            return WEIR_INVALID;
    }
    target->arguments[target->count++] = argument;
    return decode(text, true);
}

static enum weir_status parse(struct weir_target *target)
{
    char *question = strchr(target->bytes, '?'), *next;
    enum weir_status status = WEIR_OK;
    if (question != NULL)
        *question = '\0';
    if (target->bytes[0] != '/' || decode(target->bytes, false) != WEIR_OK)
        return WEIR_INVALID;
    target->path = target->bytes;
    for (char *at = question != NULL ? question + 1 : NULL; at != NULL && status == WEIR_OK;
         at = next) {
        next = strchr(at, '&');
        if (next != NULL)
            *next++ = '\0';
        status = parse_argument(target, at);
    }
    return status;
}

enum weir_status weir_target_parse(struct weir_target *target, const char *text)
{
    memset(target, 0, sizeof *target);
    target->bytes = strdup(text);
    if (target->bytes == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = parse(target);
    if (status != WEIR_OK)
        weir_target_close(target);
    return status;
}

void weir_target_close(struct weir_target *target)
{
    free(target->bytes);
    memset(target, 0, sizeof *target);
}

const char *weir_target_argument(const struct weir_target *target, const char *name)
{
    for (size_t i = 0; i < target->count; i++)
        if (strcmp(target->arguments[i].name, name) == 0)
            return target->arguments[i].value;
    return NULL;
}
