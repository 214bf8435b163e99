/* The JSON interface: GET /api/<command>/<operand>… shows, POST acts. */
#ifndef WEIR_DASHBOARD_API_H
#define WEIR_DASHBOARD_API_H

#include "base/log.h"
#include "dashboard/board.h"
#include "dashboard/care.h"
#include "dashboard/door.h"
#include "dashboard/first.h"
#include "dashboard/history.h"
#include "dashboard/live.h"
#include "http/server.h"

struct weir_api;

struct weir_api_settings {
    struct ev_loop *loop;
    struct weir_log *log;
    struct weir_door *door;
    struct weir_board *board;
    struct weir_clerk *actions; /* NULL: there are none */
    struct weir_history *history;
    struct weir_live *live;
    struct weir_care *care;
    const struct weir_first *first;
};

/* NULL without memory. The settings are copied, what they point to is borrowed. */
struct weir_api *weir_api_open(const struct weir_api_settings *settings);
/* With the HTTP server and the clerk of the actions closed before. */
void weir_api_close(struct weir_api *api);

/* Every request that is about no file of the page. */
void weir_api_handle(struct weir_api *api, struct weir_http_request *request);
/* Actions that have begun and not ended. */
size_t weir_api_in_hand(const struct weir_api *api);

#endif
