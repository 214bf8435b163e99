/* One page of a read model, whatever its type. */
#ifndef WEIR_CALL_PAGE_H
#define WEIR_CALL_PAGE_H

#include "redis/client.h"
#include "weir.h"

#define WEIR_PAGE_DEFAULT 100
#define WEIR_PAGE_MAX 10000

/* Where a page begins. Its text is opaque to users: a letter for what is read, and a number. */
struct weir_cursor {
    char kind; /* 'h' hash, 's' set, 'z' sorted set, 'r' the same reversed; 0: the beginning */
    char number[24]; /* of the server's scan, or the rank */
};

/* NULL or "" is the beginning. False where it is no cursor. */
WEIR_CHECKED bool weir_cursor_read(const char *text, struct weir_cursor *cursor);

/* Reads a page of the key, in answer->value, type and cursor. FAILED with `error` where the server
 * refuses or does not answer, the key is no read model, or the cursor is another type's. */
WEIR_CHECKED enum weir_query_result weir_page_read(struct weir_client *client, const char *key,
                                                   const struct weir_cursor *cursor, int64_t size,
                                                   bool reverse, struct weir_query_answer *answer,
                                                   struct weir_error *error);

/* The elements of an answer, in turn, as a read model's value: of a sorted set members and scores,
 * of a hash fields and values. New; NULL: no memory. */
WEIR_CHECKED json_t *weir_page_elements(const redisReply *elements, bool ranked);

#endif
