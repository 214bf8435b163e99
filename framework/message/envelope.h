/* One message as it was read: its fields by name, checked against the grammar. */
#ifndef WEIR_MESSAGE_ENVELOPE_H
#define WEIR_MESSAGE_ENVELOPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/text.h"
#include "message/plain_json.h"

#define WEIR_DATA_MAX_DEFAULT (1024 * 1024) /* bytes of `data` */
#define WEIR_DATA_DEPTH_MAX 64
/* A saga's command holds the saga's data and the results of its steps, each within the limits
 * above: it may be so many times as large and as deep. */
#define WEIR_STEP_DATA_FACTOR 4
#define WEIR_EVENT_VERSION_MAX 1000000
#define WEIR_DELAY_MAX_MS INT64_C(315360000000) /* ten years */

struct weir_field {
    struct weir_slice name, value; /* both terminated by a NUL behind their length */
};

/* The fields that a message may have. Texts point into the message; NULL: not there. */
typedef struct weir_message {
    const char *stream;  /* key that the entry was read from; borrowed */
    char *entry;         /* its id there */
    unsigned deliveries; /* of the message so far, this one included */
    size_t field_count;
    struct weir_field *fields; /* as they came, in order */
    /* Filled by weir_message_decode. */
    const char *type, *id, *source, *subject, *traceparent;
    const char *saga, *step, *action;
    int64_t delay_ms;
    unsigned attempt;   /* of a saga's step, from 1 */
    bool torn;          /* there was no memory for the data as an object */
    bool asked;         /* for the object, which may be held since; it stays */
    bool once;          /* the first outcome of its id is final, whatever it is */
    int64_t expires_at; /* ms: from then on a saga's command has no effect any more; 0: never */
    json_t *data; /* an object, owned; NULL: it could not be read, or has not been made yet, or was
                     left */
    /* The field with its text, where that is plain JSON, from which the object is made. */
    const struct weir_field *plain_data;
    int64_t version;      /* schema version of the data as it was published, from 1 */
    int64_t data_version; /* the one that `data` is of now */
    /* Where a message that was put off came from, when that was another service's events. */
    const char *origin_stream, *origin_entry;
    char *idempotency_key; /* made when first asked for; owned */
} weir_message;

/* "1": the first outcome of the message's id stands for all that come with it. Left out, what was
 * refused may come again. */
#define WEIR_FIELD_ONCE "once"
/* Field names that are weir's own: carried by messages that were put off. */
#define WEIR_FIELD_DELIVERIES "deliveries" /* how often it had been delivered before */
#define WEIR_FIELD_ATTEMPT "attempt"
#define WEIR_FIELD_EXPIRES "expires"
#define WEIR_FIELD_ORIGIN_STREAM "originStream"
#define WEIR_FIELD_ORIGIN_ENTRY "originEntry"

/* Copies an entry; `parts` are names and values in turn. The stream's name is borrowed until it is
 * freed. NULL: no memory. */
WEIR_CHECKED weir_message *weir_message_new(const char *stream, const char *entry,
                                            const struct weir_slice *parts, size_t part_count);
void weir_message_free(weir_message *message);

/* Reads the known fields and parses `data`. WEIR_INVALID or WEIR_TOO_LARGE with a sentence that
 * begins with the field's name. What could be read before the error is there all the same, so that
 * a malformed saga command can still be answered. `data_max` is in bytes. `deliveries` counts the
 * deliveries of this entry; those before it was put off are added. */
WEIR_CHECKED enum weir_status weir_message_decode(weir_message *message, size_t data_max,
                                                  unsigned deliveries, struct weir_error *error);

/* The data as an object, borrowed, made where it is not there. NULL: it could not be read, or
 * there is no memory for it now, which `torn` tells from then on. */
json_t *weir_message_object(const weir_message *message);
/* The same for somebody who may hold it as long as the message. */
json_t *weir_message_ask_object(const weir_message *message);
/* Gives the object back, as nobody has asked for it: it takes more than all the rest. */
void weir_message_leave_object(weir_message *message);
/* A field of the data, without making the object. */
struct weir_value weir_message_value(const weir_message *message, const char *name);
/* The fields are again as they came. Texts that weir_message_value lent are not terminated any
 * more. */
void weir_message_mend(const weir_message *message);

/* The first field of that name, or NULL. */
const struct weir_field *weir_message_field(const weir_message *message, const char *name);

/* A JSON object from text, strictly: UTF-8, no duplicate keys, no NUL, integers within int64_t,
 * nothing behind it, nested WEIR_DATA_DEPTH_MAX deep at the most. NULL with an error. */
WEIR_CHECKED json_t *weir_object_parse(const char *bytes, size_t length, size_t depth_max,
                                       struct weir_error *error);
/* A new JSON text of any bytes: what is not UTF-8 is replaced. NULL: no memory. */
WEIR_CHECKED json_t *weir_text_json(struct weir_slice text);

#endif
