/* Reads and writes the words that tell what became of an id. */
#include "message/mark.h"

#include <stdio.h>
#include <string.h>

/* Takes the text up to the next blank, and the blank. */
static struct weir_slice take_word(struct weir_slice *text)
{
    const char *blank = text->length > 0 ? memchr(text->at, ' ', text->length) : NULL;
    struct weir_slice word = {text->at, blank ? (size_t)(blank - text->at) : text->length};
    size_t taken = word.length + (blank ? 1 : 0);
    text->at += taken;
    text->length -= taken;
    return word;
}

static enum weir_mark_kind kind_of(struct weir_slice word)
{
    if (weir_slice_equals(word, "done"))
        return WEIR_MARK_DONE;
    if (weir_slice_equals(word, "refused"))
        return WEIR_MARK_REFUSED;
    return weir_slice_equals(word, "unknown") ? WEIR_MARK_UNKNOWN : WEIR_MARK_NONE;
}

struct weir_mark weir_mark_read(struct weir_slice text)
{
    struct weir_mark mark = {0};
    if (weir_slice_equals(text, "1"))
        mark.kind = WEIR_MARK_DONE;
    if (mark.kind != WEIR_MARK_NONE || text.length == 0)
        return mark;
    mark.kind = kind_of(take_word(&text));
    if (mark.kind == WEIR_MARK_DONE) {
        mark.stream = take_word(&text);
        mark.entry = take_word(&text);
        (void)!weir_durability_read(text, &mark.need);
        if (weir_slice_equals(mark.stream, "-"))
            mark.stream.length = mark.entry.length = 0;
    } else if (mark.kind != WEIR_MARK_NONE) {
        mark.entry = take_word(&text);
        mark.reason = text;
    }
    return mark;
}

bool weir_mark_bars(struct weir_slice text, bool once)
{
    return once || weir_mark_read(text).kind == WEIR_MARK_DONE;
}

struct weir_slice weir_mark_write(const struct weir_mark *mark, char *text)
{
    int length =
        snprintf(text, WEIR_MARK_MAX, "%s %.*s %.*s",
                 mark->kind == WEIR_MARK_UNKNOWN ? "unknown" : "refused", (int)mark->entry.length,
                 mark->entry.at, (int)mark->reason.length, mark->reason.at);
    size_t written = length > 0 ? (size_t)length : 0;
    return (struct weir_slice){text, written < WEIR_MARK_MAX ? written : WEIR_MARK_MAX - 1};
}
