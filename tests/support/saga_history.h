/* Histories of a world: a saga's definition and the events that befall it, one a line. Those that
 * break a rule are cut down to as few events as still break it, and kept as cases. */
#ifndef TEST_SUPPORT_SAGA_HISTORY_H
#define TEST_SUPPORT_SAGA_HISTORY_H

#include "support/saga_world.h"

struct history {
    const struct weir_saga_definition *definition;
    unsigned resumes, unsendables; /* how often an operator and a missing input may step in */
    bool services_move, bar_is_broken, deaf, late_timer; /* as in struct world */
    struct world_event *events;                          /* owned */
    size_t count, room;
};

void history_add(struct history *history, struct world_event event);
void history_close(struct history *history);

/* Opens the world in which the history takes place. */
void history_open_world(const struct history *history, struct world *world);
/* Plays the history in a new world. True: a rule is broken, and `violation` says which. Events
 * without meaning are passed over. */
bool history_breaks(const struct history *history, char violation[200]);

/* Leaves out every event without which a rule is still broken, until none can be spared. The rule
 * may be another one than before. */
void history_shrink(struct history *history);

/* Plays it and appends each event, with "→" and what it led to on the line behind. */
void history_write(const struct history *history, struct weir_text *out);

/* Reads the events from such a text; lines that begin with "→" or "#" are passed over. False: a
 * line is no event. */
bool history_read(struct history *history, const char *text);

#endif
