/* Which services there are on a server. */
#ifndef WEIR_COMMANDS_SERVICE_NAMES_H
#define WEIR_COMMANDS_SERVICE_NAMES_H

#include <jansson.h>

#include "commands/command.h"

/* Whether it may be the name of one: WEIR_EXIT_FINE, or WEIR_EXIT_USAGE after the sentence has been
 * printed. */
WEIR_CHECKED int weir_service_check(const char *name);

/* All of these are objects: service → ms of its last sign of life in {weir}:services, null where
 * it is not in that register. Names that are none are left out. */

/* From the answer to HGETALL of the register. New. */
json_t *weir_services_of(const redisReply *pairs);
/* Asks for the register. NULL and an error. */
json_t *weir_services_registered(struct weir_session *session, struct weir_error *error);
/* Adds those that the newest versions of the definitions name, of 1,000 at the most. */
WEIR_CHECKED enum weir_status weir_services_add_defined(struct weir_session *session,
                                                        json_t *services, struct weir_error *error);
/* Adds those that have keys, by looking through all of them: it takes a while on a large server.
 * `*complete` is false where there were more keys than are looked at. */
WEIR_CHECKED enum weir_status weir_services_search(struct weir_session *session, json_t *services,
                                                   bool *complete, struct weir_error *error);

/* Whether a worker of it has run, a definition names it, or it has keys; true also where that
 * cannot be asked. */
WEIR_CHECKED bool weir_service_known(struct weir_session *session, const char *service);
/* Says that none of that is so, and returns the code. */
int weir_service_fail_unknown(const char *service);

/* The names of an object in order, borrowed from it; to be freed. NULL where memory has run out. */
const char **weir_names_sorted(json_t *object, size_t *count);

#endif
