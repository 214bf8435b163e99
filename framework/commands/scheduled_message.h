/* A message on a schedule, as promote.lua lays it out: a run of "<length>:<bytes>", first a token
 * that makes it unique, then field, value, …. */
#ifndef WEIR_COMMANDS_SCHEDULED_MESSAGE_H
#define WEIR_COMMANDS_SCHEDULED_MESSAGE_H

#include <jansson.h>

#include "base/text.h"

/* New: {type, id, subject, saga, step, action, bytes}, null what it has not; all but `bytes` are
 * null where it cannot be read. */
json_t *weir_scheduled_describe(struct weir_slice member);

#endif
