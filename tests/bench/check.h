/* What a row makes sure of. */
#ifndef WEIR_TESTS_BENCH_CHECK_H
#define WEIR_TESTS_BENCH_CHECK_H

#include "server.h"

/* Ends the row where the server answers the query by another number. */
void bench_want(struct bench_server *server, const char *query, long long wanted);
/* The same for each of some services: "%s" in the query is its name. `services` end by NULL. */
void bench_want_each(struct bench_server *server, const char *const *services, const char *query,
                     long long wanted);
/* That so many sagas have completed and that nothing of them is left: in the inboxes, in other
 * states, among the dead letters. */
void bench_want_sagas(struct bench_server *server, const char *const *services,
                      long long completed);

#endif
