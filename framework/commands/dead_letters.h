/* Dead letters as they lie on the server: reading, choosing, counting them. */
#ifndef WEIR_COMMANDS_DEAD_LETTERS_H
#define WEIR_COMMANDS_DEAD_LETTERS_H

#include <hiredis/hiredis.h>

#include "base/text.h"
#include "commands/command.h"

/* What a letter is, which says whether its message can come back. */
enum weir_letter_kind {
    WEIR_LETTER_MESSAGE,    /* a command, or an event for this service alone: it can */
    WEIR_LETTER_STEP,       /* a saga's step, whose saga has had its answer */
    WEIR_LETTER_PROJECTION, /* an event that a projection has passed over */
    WEIR_LETTER_LOST,       /* its body was deleted before it was handled */
    WEIR_LETTER_PACKED,     /* more fields than a function can append */
    WEIR_LETTER_FOREIGN,    /* it does not say that it came from a stream of services */
    WEIR_LETTER_TYPELESS,   /* nobody could understand it */
};

/* `fields`: names and values in turn. */
enum weir_letter_kind weir_letter_kind_of(const redisReply *fields, const char *prefix,
                                          const char *service);
/* Why a letter of that kind is not replayed, as a sentence; NULL: it is. `room` holds it. */
const char *weir_letter_objection(enum weir_letter_kind kind, const redisReply *fields,
                                  const char *service, char *room, size_t size);

/* The message's fields without those of weir's own, with `data` (NULL: as it is) and with where it
 * first came from, as those that were put off have it: names and values in turn, borrowed from both
 * arguments. NULL: no memory. To be freed. */
struct weir_slice *weir_letter_parts(const redisReply *fields, const struct weir_slice *data,
                                     size_t *count);

/* {letter, at, fields}. The server's own fields stand behind those of the message and win over
 * them. New. */
json_t *weir_letter_json(const redisReply *entry);

/* The reason with everything that differs from one letter to the next, words with digits in them,
 * as "#". Appended. */
void weir_reason_group(struct weir_text *out, struct weir_slice reason);
/* Whether the settings' filter (--reason, --exactly, --type) lets it through. --reason also
 * holds of the reason's group. */
bool weir_letter_fits(const struct weir_settings *settings, const redisReply *fields);

/* A walk in batches over a service's dead letters that fit, within --up-to and --older-than. */
struct weir_letter_walk {
    const char *key;
    bool newest_first;
    size_t at_once; /* 0: a hundred */
    size_t looked_at, looked_at_most;
    size_t bytes, bytes_at_most;                        /* of what was looked at */
    bool stopped;                                       /* by one of those, with more behind */
    bool (*found)(void *user, const redisReply *entry); /* false: enough */
    void *user;
};
WEIR_CHECKED enum weir_status weir_letters_walk(struct weir_session *session,
                                                struct weir_letter_walk *walk,
                                                struct weir_error *error);

/* {service, letters, lookedAt, complete, reasons: [{reason, count, newest, newestLetter, oldest,
 * types}]}, the most frequent first. NULL and an error. */
json_t *weir_letters_count(struct weir_session *session, const char *service,
                           struct weir_error *error);

#endif
