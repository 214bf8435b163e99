/* What else of weir writes where a journal does. */
#ifndef WEIR_CALL_JOURNAL_H
#define WEIR_CALL_JOURNAL_H

#include "base/log.h"
#include "weir.h"

/* A log to the same sink, for one thread, without a count of repeated lines. */
struct weir_log weir_journal_log(const weir_journal *journal);

#endif
