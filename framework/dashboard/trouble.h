/* The sentence about a server that does not answer. */
#ifndef WEIR_DASHBOARD_TROUBLE_H
#define WEIR_DASHBOARD_TROUBLE_H

#include <stdint.h>

#include "base/text.h"

/* "no answer from the server since 12:34:56 UTC"; since_ms 0: it has not answered yet. */
void weir_trouble_append(struct weir_text *text, int64_t since_ms);
/* {"trouble": that, "since": ms or null} */
void weir_trouble_append_json(struct weir_text *text, int64_t since_ms);

#endif
