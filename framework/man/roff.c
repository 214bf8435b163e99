/* Texts as mdoc takes them. */
#include "man/roff.h"

#include <string.h>

#define WIDTH 78

static const struct {
    const char *text, *roff;
} escapes[] = {
    {"\\", "\\e"}, {"`", "\\(ga"}, {"'", "\\(aq"}, {"…", "..."}, {"→", "\\(->"},
};

/* The escape for what stands here, and its length; NULL: it stands for itself. */
static const char *escape_of(const char *text, size_t left, size_t *length)
{
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        *length = strlen(escapes[i].text);
        if (*length <= left && memcmp(text, escapes[i].text, *length) == 0)
            return escapes[i].roff;
    }
    *length = 1;
    return NULL;
}

static size_t roff_width(const char *text, size_t length)
{
    size_t width = 0, step;
    for (size_t i = 0; i < length; i += step) {
        const char *roff = escape_of(text + i, length - i, &step);
        width += roff != NULL ? strlen(roff) : 1;
    }
    return width;
}

void roff_text(FILE *out, const char *text, size_t length, int begins)
{
    size_t step;
    if (begins && length > 0 && strchr(".'", text[0]) != NULL)
        fputs("\\&", out);
    for (size_t i = 0; i < length; i += step) {
        const char *roff = escape_of(text + i, length - i, &step);
        if (roff != NULL)
            fputs(roff, out);
        else
            fputc(text[i], out);
    }
}

/* A new sentence begins a new line, as roff wants it. */
static int ends_sentence(const char *word, size_t length)
{
    while (length > 0 && strchr(")\"'", word[length - 1]) != NULL)
        length--;
    return length > 1 && strchr(".!?", word[length - 1]) != NULL;
}

void roff_prose(FILE *out, const char *text, size_t length)
{
    size_t column = 0;
    for (size_t at = 0; at < length;) {
        size_t word = 0;
        while (at < length && strchr(" \n\t", text[at]) != NULL)
            at++;
        while (at + word < length && strchr(" \n\t", text[at + word]) == NULL)
            word++;
        if (word == 0)
            break;
        size_t width = roff_width(text + at, word);
        if (column > 0 && column + 1 + width > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        if (column > 0)
            fputc(' ', out);
        roff_text(out, text + at, word, column == 0);
        column += width + (column > 0);
        at += word;
        if (ends_sentence(text + at - word, word)) {
            fputc('\n', out);
            column = 0;
        }
    }
    if (column > 0)
        fputc('\n', out);
}

void roff_literal(FILE *out, const char *text, size_t length)
{
    const char *end = text + length;
    fputs(".Bd -literal\n", out);
    while (text < end) {
        const char *line = memchr(text, '\n', (size_t)(end - text));
        size_t size = (size_t)((line != NULL ? line : end) - text);
        roff_text(out, text, size, 1);
        fputc('\n', out);
        text += size + 1;
    }
    fputs(".Ed\n", out);
}
