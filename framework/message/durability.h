/* How safe a commit has to be before anybody acts on it: the need for copies on replicas and for
 * the server's own disk.
 *
 * Durability is waited for by whoever acts on what was committed, not by whoever commits. A server
 * that loses data loses the end of its history: what was seen is safe as soon as some later write
 * is. So the need travels with the answer (a step's reply, the mark of an id) as a text:
 *
 *   replicas:2          the commit has reached two replicas
 *   disk                it is on the disk of the server that made it
 *   replicas:2,disk     both
 *
 * The two do not depend on each other: copies count on whatever replicas keep them. */
#ifndef WEIR_MESSAGE_DURABILITY_H
#define WEIR_MESSAGE_DURABILITY_H

#include <stdbool.h>

#include "base/text.h"

#define WEIR_REPLICAS_MAX 100
#define WEIR_DURABILITY_TEXT_MAX 48 /* bytes of a text or a description, with the final NUL */
#define WEIR_FIELD_DURABILITY "durability" /* of a step's reply */

/* All zero: nothing is asked for. */
struct weir_durability {
    unsigned replicas;
    bool disk;
};

bool weir_durability_wanted(struct weir_durability need);
/* What satisfies both. */
struct weir_durability weir_durability_stronger(struct weir_durability one,
                                                struct weir_durability other);
/* Reads a text; "" asks for nothing. False where it is none of the above, and `out` is zero. */
WEIR_CHECKED bool weir_durability_read(struct weir_slice text, struct weir_durability *out);
/* Both write at most WEIR_DURABILITY_TEXT_MAX bytes and return `text`: the text, "" where nothing
 * is asked for; and words for people, "2 replicas and the disk". */
char *weir_durability_write(struct weir_durability need, char *text);
char *weir_durability_describe(struct weir_durability need, char *text);

#endif
