/* The sentence about a server that does not answer. */
#ifndef WEIR_DASHBOARD_TROUBLE_H
#define WEIR_DASHBOARD_TROUBLE_H

#include <stdint.h>

#include "base/text.h"

/* "no answer from the server since 2026-01-31 12:34:56 UTC: why"; since_ms 0: it has not answered
 * yet; `why` "": not known, or not to be told. */
void weir_trouble_append(struct weir_text *text, int64_t since_ms, const char *why);
/* {"trouble": that, "since": ms or null} */
void weir_trouble_append_json(struct weir_text *text, int64_t since_ms, const char *why);

#endif
