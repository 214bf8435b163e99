/* Requests by their path and kind of status, and how long they take. */
#include "figures.h"

#include <stdio.h>

static const struct weir_metric requests = {
    WEIR_METRIC_COUNTER,
    "gateway_requests_total",
    "Requests that were answered, by path and class of status.",
    {"path", "status"},
};
static const struct weir_metric seconds = {
    WEIR_METRIC_SECONDS,
    "gateway_request_seconds",
    "From when all of a request had come until its answer was there.",
    {"path"},
};
static const struct weir_metric in_hand = {
    WEIR_METRIC_GAUGE,
    "gateway_requests_in_hand",
    "Requests that have been begun and are not answered.",
    {NULL},
};
static const struct weir_metric closed = {
    WEIR_METRIC_COUNTER,
    "gateway_connections_closed_total",
    "Connections that were closed since there were as many as may be: the one longest idle, or the "
    "newest.",
    {"which"},
};

void figures_take(const struct request *request)
{
    weir_monitor *monitor = request->gateway->monitor;
    char status[8];
    const char *const values[] = {route_path(request->match.route), status};
    snprintf(status, sizeof status, "%uxx", request->reply.status / 100 % 10);
    weir_monitor_measure(monitor, &requests, values, 1);
    if (request->began_ns != 0)
        weir_monitor_measure(monitor, &seconds, values,
                             (double)(request_now_ns() - request->began_ns) / 1e9);
}

void figures_take_in_hand(const struct gateway *gateway)
{
    weir_monitor_measure(gateway->monitor, &in_hand, NULL, (double)atomic_load(&gateway->in_hand));
}

void figures_take_closed(const struct gateway *gateway, const char *which)
{
    weir_monitor_measure(gateway->monitor, &closed, &which, 1);
}
