/* What a worker counts and measures where --metrics was given. Who counts has his series at hand:
 * a message costs some additions and looks at the clock, no look-up. */
#ifndef WEIR_SERVICE_MEASURES_H
#define WEIR_SERVICE_MEASURES_H

#include "base/clock.h"
#include "base/metrics.h"
#include "saga/carry_out.h"
#include "service/worker_state.h"

struct weir_route_measures {
    struct weir_counter *endings[WEIR_ENDINGS];
    struct weir_histogram *handler; /* NULL: it has none */
    struct weir_histogram *commit;
};

struct weir_measures {
    struct weir_metrics *metrics;
    struct weir_worker *worker;
    struct weir_route_measures *routes; /* as the service's; one more for what has no route */
    struct weir_counter *retries, *claimed, *fenced, *reconnects[2];
    struct weir_family *sagas_ended;
    struct weir_family *backlog, *pending, *oldest, *dead, *scheduled;
};

/* NULL: no memory. */
struct weir_measures *weir_measures_new(struct weir_worker *worker);
/* NULL is fine. */
void weir_measures_free(struct weir_measures *measures);
/* Brings up to date what is counted elsewhere. */
void weir_measures_gather(struct weir_measures *measures);

/* The handler is called; once more after WEIR_AGAIN, it is still the same call. */
static inline void weir_measure_begun(struct weir_delivery *delivery)
{
    delivery->saga_ended = NULL;
    if (delivery->worker->measures != NULL && !delivery->goes_on)
        delivery->timed_ns = weir_clock_monotonic_ns();
    delivery->goes_on = false;
}

void weir_measures_take_handled(struct weir_delivery *delivery);
void weir_measures_take_ended(struct weir_delivery *delivery);

/* It has said what is to become of the message. */
static inline void weir_measure_handled(struct weir_delivery *delivery)
{
    if (delivery->worker->measures != NULL)
        weir_measures_take_handled(delivery);
}

/* Its commit goes out; that of a message that needed no handler is timed, too. */
static inline void weir_measure_committing(struct weir_delivery *delivery)
{
    if (delivery->worker->measures != NULL && delivery->timed_ns == 0)
        delivery->timed_ns = weir_clock_monotonic_ns();
}

/* The commit is in. */
static inline void weir_measure_ended(struct weir_delivery *delivery)
{
    if (delivery->worker->measures != NULL)
        weir_measures_take_ended(delivery);
}

/* The commit that is being made ends the saga, if it has brought it from `before` to an end: to be
 * observed once it is in. */
void weir_measure_saga(struct weir_delivery *delivery, const struct weir_saga_case *one,
                       enum weir_saga_state before);

#endif
