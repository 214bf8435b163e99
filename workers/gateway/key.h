/* The header Idempotency-Key, and what is kept about one: under which id its request went on, and
 * what the request was. Pure. */
#ifndef GATEWAY_KEY_H
#define GATEWAY_KEY_H

#include <jansson.h>
#include <stdbool.h>

#define KEY_MAX 161    /* bytes of a key with the final NUL */
#define RECORD_MAX 256 /* of a record */
#define RECORD_KEY_MAX 256

/* Takes the header's value: a text in quotes (as in the IETF's draft) or bare, 1 to 160 characters
 * of visible ASCII, in quotes blanks as well. False where it is none. */
bool key_read(const char *header, char *key);

/* The rest of the key that its record has on the server, for a route. */
void key_record_name(const char *route, const char *key, char *name);

/* The record: the id, and a fingerprint of the body, the order of whose members does not matter.
 * false: no memory. */
bool key_record_write(const char *id, const json_t *body, char *record);
/* Whether a record that was found is of the same body as ours; its id is copied (129 bytes). */
bool key_record_same(const char *found, const char *ours, char *id);

#endif
