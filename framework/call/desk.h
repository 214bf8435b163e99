/* What a monitor wants of a desk. */
#ifndef WEIR_CALL_DESK_H
#define WEIR_CALL_DESK_H

#include "call/looking.h"
#include "call/tally.h"
#include "weir.h"

/* Of which server it is, as for people. Borrowed. */
const char *weir_desk_server(const weir_desk *desk);
/* Looks whether that is there; as what is handed in by weir.h, but it takes no place of that.
 * false: it is being closed, or memory ran out. */
WEIR_CHECKED bool weir_desk_look(weir_desk *desk, int64_t limit_ms, weir_looked *answered,
                                 void *user);
/* Whether its thread is being connected to the server, which may take long: it answers nothing
 * meanwhile, and lives. */
bool weir_desk_connects(const weir_desk *desk);
/* Copies what has been counted so far. Returns how many things are in hand, but for looks. */
size_t weir_desk_count(weir_desk *desk, struct weir_tally *tally);

#endif
