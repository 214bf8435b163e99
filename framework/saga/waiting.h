/* Why a saga has not ended: what it waits for, since when, until when, what happens then. Pure. */
#ifndef WEIR_SAGA_WAITING_H
#define WEIR_SAGA_WAITING_H

#include "base/text.h"
#include "saga/transition.h"

/* Appends one line, such as "process-payment: waits for an answer from payments to attempt 2 of 3,
 * since 12:00:01.234 (4.2 s), until 12:00:06.234; then it is tried again". Branches that run side
 * by side, and the saga's deadline, are joined by "; ". Times are UTC, with the date where it is
 * another day than `now` (ms). Appends nothing for a saga that has ended or has not started. */
void weir_saga_waiting(const struct weir_saga_definition *definition, const struct weir_saga *saga,
                       int64_t now, struct weir_text *out);

#endif
