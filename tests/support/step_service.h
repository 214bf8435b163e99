/* A service for tests of sagas: its commands Do and Undo serve any step of any saga, and the data
 * says how they behave.
 *
 * Do takes effect by adding 1 to the field "<step>" of the hash "{S}:effects:<saga>" and publishing
 * Did; Undo by adding 1 to "<step>/undo" and publishing Undid; both events have the saga as their
 * subject and the step in their data. The result holds `run`, another text for each run of a
 * handler, and `value` as it is in the data; that is also kept in the field "<step>/value".
 *
 * In the data, `defer` is the ms after which it answers, from the loop (left out: at once), and
 * `how` an object with a word for "<step>" or "<step>/undo":
 *   fail           refuses
 *   fail-twice     refuses the first two attempts
 *   swallow        no effect and no answer
 *   swallow-first  the same on the first attempt
 *   crash          the process dies on the first delivery, with the effects queued
 *   crash-second   the same on the second delivery
 *   slow           answers after 40 ms, from the loop */
#ifndef WEIR_TESTS_SUPPORT_STEP_SERVICE_H
#define WEIR_TESTS_SUPPORT_STEP_SERVICE_H

#include "weir.h"

weir_service *test_step_service(const char *name);

/* How a handler of a type takes effect, for services with other types. */
enum weir_outcome test_step_do(weir_context *context, const weir_message *message);
enum weir_outcome test_step_undo(weir_context *context, const weir_message *message);

#endif
