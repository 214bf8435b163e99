/* Texts of the statuses, and an error that keeps its first sentence. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *const status_texts[] = {
    [WEIR_OK] = "done",
    [WEIR_NO_MEMORY] = "out of memory",
    [WEIR_INVALID] = "malformed",
    [WEIR_NOT_FOUND] = "not found",
    [WEIR_TOO_LARGE] = "too large",
    [WEIR_UNAVAILABLE] = "server unavailable",
    [WEIR_DENIED] = "access denied",
    [WEIR_REFUSED] = "refused, nothing written",
    [WEIR_UNKNOWN] = "answer lost, outcome unknown",
    [WEIR_SYSTEM] = "system call failed",
};

const char *weir_status_text(enum weir_status status)
{
    size_t place = (size_t)status;
    if (place >= sizeof status_texts / sizeof status_texts[0])
        return "not a status";
    return status_texts[place];
}

/* A cut may fall inside a UTF-8 character, and JSON writers refuse the half that is left. */
static void drop_torn_end(char *text)
{
    size_t length = strlen(text);
    size_t lead = length;
    while (lead > 0 && length - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    unsigned char first = (unsigned char)text[lead - 1];
    size_t expected = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    if (length - (lead - 1) < expected)
        text[lead - 1] = '\0';
}

/* Sentences quote values from outside; a newline in one would break "one line". */
static void keep_on_one_line(char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7F)
            *text = ' ';
    }
}

static void write_sentence(char *out, size_t size, const char *format, va_list arguments)
    WEIR_PRINTF(3, 0);

static void write_sentence(char *out, size_t size, const char *format, va_list arguments)
{
    int length = vsnprintf(out, size, format, arguments);
    bool cut = length >= 0 && (size_t)length >= size;
    if (length < 0)
        out[0] = '\0';
    else if (cut)
        drop_torn_end(out);
    weir_hide_login(out, cut);
    keep_on_one_line(out);
}

enum weir_status weir_error_set(struct weir_error *error, enum weir_status status,
                                const char *format, ...)
{
    if (error == NULL)
        return status;
    if (error->status != WEIR_OK)
        return error->status;
    va_list arguments;
    va_start(arguments, format);
    write_sentence(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->status = status;
    return status;
}

enum weir_status weir_error_prefix(struct weir_error *error, const char *format, ...)
{
    if (error == NULL || error->status == WEIR_OK)
        return WEIR_OK;
    char prefix[sizeof error->text - 2]; /* leaves room for ": " and nothing else */
    va_list arguments;
    va_start(arguments, format);
    write_sentence(prefix, sizeof prefix, format, arguments);
    va_end(arguments);

    size_t front = strlen(prefix) + 2;
    size_t rest = strlen(error->text);
    bool cut = rest > sizeof error->text - 1 - front;
    if (cut)
        rest = sizeof error->text - 1 - front;
    memmove(error->text + front, error->text, rest);
    error->text[front + rest] = '\0';
    memcpy(error->text, prefix, front - 2);
    memcpy(error->text + front - 2, ": ", 2);
    if (cut)
        drop_torn_end(error->text);
    return error->status;
}

/* ---- Errors that are rare ------------------------------------------------------------------ */

static const struct weir_error no_memory = {WEIR_NO_MEMORY, "no memory"};

enum weir_status weir_rare_error_set(struct weir_rare_error *error, enum weir_status status,
                                     const char *format, ...)
{
    struct weir_error *made;
    va_list arguments;
    if (error->at != NULL)
        return error->at->status;
    made = malloc(sizeof *made);
    if (made == NULL) {
        error->at = &no_memory;
        return WEIR_NO_MEMORY;
    }
    va_start(arguments, format);
    write_sentence(made->text, sizeof made->text, format, arguments);
    va_end(arguments);
    made->status = status;
    error->at = made;
    return status;
}

enum weir_status weir_rare_error_status(const struct weir_rare_error *error)
{
    return error->at != NULL ? error->at->status : WEIR_OK;
}

const char *weir_rare_error_text(const struct weir_rare_error *error)
{
    return error->at != NULL ? error->at->text : "";
}

void weir_rare_error_clear(struct weir_rare_error *error)
{
    if (error->at != &no_memory)
        free((void *)error->at);
    error->at = NULL;
}
