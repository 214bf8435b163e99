/* What is counted of errands, and how it is shown. */
#ifndef WEIR_CALL_TALLY_H
#define WEIR_CALL_TALLY_H

#include "base/metrics.h"
#include "call/errand.h"

#define WEIR_TALLY_BOUNDS 16

/* May be copied. */
struct weir_tally {
    uint64_t ends[WEIR_COUNTS][WEIR_ERRAND_ENDS];
    struct weir_histogram took[WEIR_COUNTS]; /* of those that are answered together the first's */
    uint64_t connections;                    /* that were made, the first one included */
};

void weir_tally_begin(struct weir_tally *tally);
/* Counts an errand that has ended. */
void weir_tally_take(struct weir_tally *tally, const struct weir_errand *errand);
/* The bounds of all times that are measured in a program outside. */
extern const int64_t weir_tally_bounds_ns[WEIR_TALLY_BOUNDS];
/* Sets the metrics of `service` to what has been counted. */
void weir_tally_show(const struct weir_tally *tally, const char *service,
                     struct weir_metrics *metrics);

#endif
