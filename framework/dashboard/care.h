/* What the dashboard tells those who look after its process: the service manager, Prometheus, and
 * the log of what has repeated itself. */
#ifndef WEIR_DASHBOARD_CARE_H
#define WEIR_DASHBOARD_CARE_H

#include "base/log.h"
#include "base/metrics.h"
#include "dashboard/board.h"
#include "dashboard/live.h"

struct weir_care;

struct weir_care_settings {
    struct ev_loop *loop;
    struct weir_log *log;
    const char *metrics; /* an address, or NULL */
    const char *server;  /* its address as it may be shown */
    const struct weir_board *board;
    const struct weir_live *live;
};

/* NULL and the error. The settings are copied; what they point to is borrowed. */
struct weir_care *weir_care_open(const struct weir_care_settings *settings,
                                 struct weir_error *error);
void weir_care_close(struct weir_care *care);
/* It serves now; it has begun to stop. */
void weir_care_ready(struct weir_care *care);
void weir_care_stopping(struct weir_care *care);
/* Counts: a run of a command, an action by its outcome, a refusal by its word. NULL: nobody counts.
 */
void weir_care_count(struct weir_care *care, const char *family, const char *value);
#define WEIR_CARE_ACTIONS "weir_dashboard_actions_total"
#define WEIR_CARE_REFUSALS "weir_dashboard_refused_total"

#endif
