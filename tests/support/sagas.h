/* Coordinators as processes, and what a test asks about sagas. */
#ifndef WEIR_TESTS_SUPPORT_SAGAS_H
#define WEIR_TESTS_SUPPORT_SAGAS_H

#include "support/worker.h"

/* build/bin/weir-coordinator as that consumer; `options` as for workers. The first returns at once,
 * the second when it is ready. To be ended by test_worker_end; the last kills what a failed test
 * has left. */
struct test_worker test_coordinator_launch(const struct test_server *server, const char *consumer,
                                           const char *const *options);
struct test_worker test_coordinator_start(const struct test_server *server, const char *consumer,
                                          const char *const *options);

/* A worker of the service whose user has no right to the sagas: it replies to the coordinators, and
 * moves no saga itself. */
struct test_worker test_replier_start(struct test_server *server, const char *service,
                                      const char *consumer, const char *const *options);

/* Puts a definition by hand, as its latest version. `rest` is what stands behind name and version:
 * "\"steps\":[…]". Single quotes in it count as double ones. */
void test_define(struct test_server *server, const char *name, int version, const char *rest);

/* Sends StartSaga; single quotes in `data` count as double ones. */
void test_saga_begin(struct test_server *server, const char *saga, const char *definition,
                     const char *data);
/* The saga's field, "" where there is none; valid for the next three calls. */
const char *test_saga_field(struct test_server *server, const char *saga, const char *field);
bool test_saga_is(struct test_server *server, const char *saga, const char *state);
long long test_sagas_in(struct test_server *server, const char *state);

/* The types of the saga's events on {sagas}:events in their order, each followed by a blank; valid
 * until the next call. */
const char *test_saga_events(struct test_server *server, const char *saga);

/* Waits until no saga runs or compensates, and nothing is on its way to the coordinators. */
void test_sagas_await_rest(struct test_server *server, int timeout_ms);

#endif
