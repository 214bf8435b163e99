/* The page as it is sent: with what the overview is known to show, so that it need not ask before
 * it shows something. */
#ifndef WEIR_DASHBOARD_FIRST_H
#define WEIR_DASHBOARD_FIRST_H

#include "dashboard/access.h"
#include "dashboard/board.h"
#include "dashboard/history.h"
#include "dashboard/page.h"

struct weir_first {
    const struct weir_access *access;
    const struct weir_board *board;
    const struct weir_history *history;
    const char *server; /* its address as it may be shown */
    const char *prefix;
};

/* {"actions", "authorized", "now", "version", "server", "namespace"}: what a page has to know
 * before it asks for anything else. */
void weir_first_append_info(const struct weir_first *first, const char *authorization,
                            struct weir_text *text);

/* Answers with a file of the page. `tell`: whoever asks may see figures. Then the page's element
 * "first" holds {"info": as above, "at": ms, "top": what `weir top --json` printed then, "history":
 * of history.h}; it is empty while nothing is known yet, and while the server does not answer. */
void weir_first_answer(const struct weir_first *first, struct weir_http_request *request,
                       const struct weir_page_file *file, bool tell);

#endif
