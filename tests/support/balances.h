/* A view for the tests of `weir projection`: the projection "balances" over the events of s0 and s1
 * and the projection "other" over those of s0. */
#ifndef WEIR_TESTS_SUPPORT_BALANCES_H
#define WEIR_TESTS_SUPPORT_BALANCES_H

#include "support/worker.h"

#define VIEW "view"
#define BALANCES "{view}:projection:balances"

/* The test program's server. */
extern struct test_server balances_server;
/* How many events the model has to have counted. */
extern long long balances_published;

weir_service *balances_service(const char *name);

/* For cmocka: of the group, and before each test. */
int balances_start(void **state);
int balances_stop(void **state);
int balances_set_up(void **state);

/* Publishes so many events, for 50 accounts in turn, on both sources in turn. */
void balances_publish(int count);
/* One that cannot be folded while the gate is shut; its id, to be freed. */
#define BALANCES_GATED_DATA "{\"gated\":1,\"account\":\"1\",\"amount\":1}"
char *balances_publish_gated(void);
void balances_shut_gate(void);
void balances_open_gate(void);
/* Whether the model has counted all. */
bool balances_caught_up(void);
/* Whether the field of the projection's hash has this value. */
bool balances_is_in(const char *field, const char *value);

/* Starts the worker "one". The environment's FOLD_US makes each event take so long. */
struct test_worker balances_view_start(const char *batch);
/* The same with so many events applied, and nothing else to do. */
struct test_worker balances_view_caught_up(int count);
/* Enters the projections as their workers do. */
void balances_register(void);

#endif
