/* A service for tests whose messages say how its handlers behave. Its state lies in two hashes,
 * with a field for each message's `n`: "{S}:marks", how often it has taken effect, and
 * "{S}:deliveries", which delivery that was. Each run of a handler leaves a line "test.run" with
 * "n=<n> " in the log.
 *
 *   Mark   {n}                    takes effect and publishes Marked
 *   Refuse {n, outcome, times}    queues effects, then answers retry, reject or discard on its
 * first `times` deliveries ("after": ms for weir_retry_after) Crash  {n, times}             ends
 * the process by SIGKILL on its first `times` deliveries Defer  {n, ms}                takes effect
 * after `ms`, from the loop ("lane": a key to load) Sleep  {n, ms}                the same, but
 * holds up the whole process Count  {n, counter}           adds 1 to the loaded "counter:<counter>"
 * by reading and writing Spoil  {n, key}               marks, then writes a field of the hash `key`
 *   Pass   {n, to, id, delay}     sends Mark to another service and publishes Passed
 *   Append {n, list}              appends n to the text in the loaded "list:<list>" */
#ifndef WEIR_TESTS_SUPPORT_WORK_SERVICE_H
#define WEIR_TESTS_SUPPORT_WORK_SERVICE_H

#include "weir.h"

weir_service *test_work_service(const char *name);

#endif
