/* The mark that a message's id leaves in the service that handled it: what became of it, as one
 * line of words. The key is weir_key_seen.
 *
 *   done                      it took effect and published nothing ("1": before there were words)
 *   done <stream> <entry>     and the last event that it published
 *   done <stream> <entry> <durability>
 *                             and what has to be waited for before it counts (durability.h); "-"
 *                             for stream and entry where it published nothing
 *   refused <entry> <reason>  the command that came as this entry took no effect
 *   unknown <entry> <reason>  it ended as a dead letter, and its handler may have had effects
 *                             outside the server
 *
 * Done is final. The others name their command because the same id may be sent again after them,
 * unless its message says `once`: then the first mark stands for all that come with the id. */
#ifndef WEIR_MESSAGE_MARK_H
#define WEIR_MESSAGE_MARK_H

#include "base/text.h"
#include "message/durability.h"

#define WEIR_MARK_MAX 1024 /* bytes of one that is written here, with the final NUL */

enum weir_mark_kind {
    WEIR_MARK_NONE, /* no mark, or none of ours */
    WEIR_MARK_DONE,
    WEIR_MARK_REFUSED,
    WEIR_MARK_UNKNOWN,
};

struct weir_mark {
    enum weir_mark_kind kind;
    struct weir_slice stream;    /* DONE: of the event; empty: it published nothing */
    struct weir_slice entry;     /* DONE: of the event; REFUSED, UNKNOWN: of the command */
    struct weir_slice reason;    /* REFUSED, UNKNOWN */
    struct weir_durability need; /* DONE */
};

/* The slices are borrowed from the text. Never fails: what is no mark is WEIR_MARK_NONE. */
struct weir_mark weir_mark_read(struct weir_slice text);
/* Whether a message of an id that has left this mark has had its outcome: where it says `once`, any
 * mark tells that, be it in the words of a later version. */
bool weir_mark_bars(struct weir_slice text, bool once);
/* Writes a mark that is REFUSED or UNKNOWN into `text` (WEIR_MARK_MAX bytes); a long reason is cut.
 */
struct weir_slice weir_mark_write(const struct weir_mark *mark, char *text);

#endif
