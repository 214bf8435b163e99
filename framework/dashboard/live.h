/* Streams that tell a page what changes: server-sent events, read by fetch so that a token can be
 * sent with it. */
#ifndef WEIR_DASHBOARD_LIVE_H
#define WEIR_DASHBOARD_LIVE_H

#include "dashboard/board.h"
#include "dashboard/history.h"
#include "http/server.h"

#define WEIR_LIVE_STREAMS_MAX 32
#define WEIR_LIVE_TOPICS_MAX 6
/* Larger answers are not watched, but asked for. */
#define WEIR_LIVE_BYTES_MAX 2097152
/* What may wait for the reader of one stream: two of these. */
#define WEIR_LIVE_WAITING_MAX (2 * WEIR_LIVE_BYTES_MAX + 65536)

struct weir_live;

/* NULL without memory. */
struct weir_live *weir_live_open(struct ev_loop *loop, struct weir_board *board,
                                 struct weir_history *history);
/* Ends all streams, and begins none from now on. */
void weir_live_end(struct weir_live *live);
void weir_live_close(struct weir_live *live);

/* Begins a stream for the request, GET …?topic=sagas%3Fstate%3Dsuspended&topic=history, or answers
 * with a problem. A topic is what stands behind /api/ in a GET that shows something, or "history".
 * Each event is one line of JSON:
 *   {"topic": N, "at": ms, "exit": code, "result": …}   the N-th topic (from 0) is now this
 *   {"topic": N, "at": ms, "status": 409, "detail": …}  or cannot be shown
 *   {"now": ms}                                         once a second: nothing else has changed
 *   {"trouble": "…", "since": ms}                       in its place: the server does not answer */
void weir_live_begin(struct weir_live *live, struct weir_http_request *request);

size_t weir_live_count(const struct weir_live *live);

#endif
