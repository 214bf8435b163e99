/* Tokens as one text: the key of a service's events, and an entry there. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "redis/entry_id.h"
#include "weir.h"

static bool stream_valid(const char *stream, size_t length)
{
    static const char tail[] = "}:events";
    size_t end = sizeof tail - 1;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)stream[i] < ' ' || stream[i] == 0x7f)
            return false;
    return length < sizeof((struct weir_token *)0)->stream && length > end &&
           memcmp(stream + length - end, tail, end) == 0 && memchr(stream, '{', length) != NULL &&
           weir_utf8_valid(stream, length);
}

bool weir_token_read(const char *text, struct weir_token *token)
{
    const char *slash = strrchr(text, '/');
    struct weir_entry_id id;
    memset(token, 0, sizeof *token);
    if (text[0] == '\0')
        return true;
    if (slash == NULL || !stream_valid(text, (size_t)(slash - text)) ||
        !weir_entry_id_read(weir_slice_of(slash + 1), &id))
        return false;
    memcpy(token->stream, text, (size_t)(slash - text));
    snprintf(token->entry, sizeof token->entry, "%s", slash + 1);
    return true;
}

char *weir_token_write(const struct weir_token *token, char *text)
{
    snprintf(text, WEIR_TOKEN_MAX, "%s%s%s", token->stream, token->stream[0] ? "/" : "",
             token->stream[0] ? token->entry : "");
    return text;
}
