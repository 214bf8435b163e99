/* What the server can tell of its disk, asked over a link. */
#ifndef WEIR_STREAM_ABILITY_H
#define WEIR_STREAM_ABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "redis/disk.h"
#include "redis/link.h"

struct weir_ability_settings {
    struct weir_link *link; /* borrowed, as the log */
    struct weir_log *log;
    void *user;
    /* All that was asked is answered; where it could not all be asked, or nothing followed, the
     * judgement is WEIR_DISK_UNASKED. Not called where the connection was lost. */
    void (*judged)(void *user);
    /* Before that, where a judgement is new on this connection or differs from the one before:
     * `why` is NULL where the server can tell. */
    void (*known)(void *user, const char *why);
};

struct weir_ability {
    struct weir_ability_settings settings;
    /* The judgement; `why` where it is WEIR_DISK_NOT, or where nothing followed. */
    enum weir_disk disk;
    struct weir_error why;
    /* Its own. */
    struct weir_disk_signs signs;
    int64_t judged_at; /* monotonic ms */
    size_t owed;
    bool missing, unknown_said, known_said;
    char known_why[256]; /* what `known` was told; "": NULL */
};

void weir_ability_init(struct weir_ability *ability, const struct weir_ability_settings *settings);
/* Asks anew, unless that is under way; false where nothing could be sent. What was known is known
 * until the answers have come. */
WEIR_CHECKED bool weir_ability_ask(struct weir_ability *ability);
/* Another connection, perhaps another server: nothing is known any more. */
void weir_ability_reset(struct weir_ability *ability);
/* The server cannot as it was judged. */
void weir_ability_doubt(struct weir_ability *ability);
/* The server has just shown that it can as it was judged. */
void weir_ability_confirm(struct weir_ability *ability);
/* Whether that was so long ago (1 s) that it is to be asked again before anybody relies on it:
 * settings can be changed. */
bool weir_ability_is_stale(const struct weir_ability *ability);

#endif
