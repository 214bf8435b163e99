/* Carries out a query: checks, waits, reads. */
#include "call/asking.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "call/freshness.h"
#include "call/page.h"
#include "redis/key_names.h"

#define KEY_LENGTH_MAX 256

static bool key_valid(const char *key)
{
    size_t length = strnlen(key, KEY_LENGTH_MAX + 1);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)key[i] < ' ' || key[i] == 0x7f)
            return false;
    return length > 0 && length <= KEY_LENGTH_MAX;
}

enum weir_status weir_query_check(const char *view, const char *key,
                                  const struct weir_query_options *options,
                                  struct weir_error *error)
{
    struct weir_cursor cursor;
    if (!weir_name_valid(view, strlen(view)))
        return weir_error_set(error, WEIR_INVALID,
                              "view: '%.64s' is no name of a service; it must be a letter and then "
                              "letters, digits, '_' or '-', 64 bytes at most",
                              view);
    if (!key_valid(key))
        return weir_error_set(error, WEIR_INVALID,
                              "key: must be 1 to %d bytes without control characters",
                              KEY_LENGTH_MAX);
    if (options->page < 0 || options->page > WEIR_PAGE_MAX)
        return weir_error_set(error, WEIR_INVALID, "page: must be 1 to %d", WEIR_PAGE_MAX);
    if (!weir_cursor_read(options->cursor, &cursor))
        return weir_error_set(error, WEIR_INVALID, "cursor: '%.32s' is none", options->cursor);
    if (options->projection != NULL &&
        !weir_name_valid(options->projection, strlen(options->projection)))
        return weir_error_set(error, WEIR_INVALID, "projection: '%.64s' is no name",
                              options->projection);
    return WEIR_OK;
}

static enum weir_query_result read_page(struct weir_client *client, const char *key,
                                        const struct weir_query_options *options,
                                        struct weir_query_answer *answer, struct weir_error *error)
{
    struct weir_cursor cursor;
    int64_t size = options->page > 0 ? options->page : WEIR_PAGE_DEFAULT;
    if (!weir_cursor_read(options->cursor, &cursor))
        return WEIR_QUERY_FAILED;
    weir_client_set_timeout(client, WEIR_ANSWER_LIMIT_MS);
    return weir_page_read(client, key, &cursor, size, options->reverse, answer, error);
}

enum weir_query_result weir_query_ask(struct weir_client *client, const char *prefix,
                                      const char *view, const char *key,
                                      const struct weir_query_options *options,
                                      struct weir_query_answer *answer, struct weir_error *error)
{
    enum weir_query_result result;
    char whole[WEIR_KEY_MAX];
    memset(answer, 0, sizeof *answer);
    weir_key_named(whole, prefix, view, key);
    result = weir_freshness_await(client, prefix, view, options, error);
    if (result == WEIR_QUERY_FOUND)
        result = read_page(client, whole, options, answer, error);
    if (result == WEIR_QUERY_ABSENT)
        snprintf(answer->reason, sizeof answer->reason, "there is no %.240s", whole);
    else if (result != WEIR_QUERY_FOUND)
        snprintf(answer->reason, sizeof answer->reason, "%s", error->text);
    return result;
}
