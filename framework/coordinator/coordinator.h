/* The service "sagas": drives business transactions over several services.
 *
 * It is an ordinary service. A saga's hash is the aggregate, its decisions are the pure function of
 * transition.h, its timer is one scheduled message to itself, and each transition is one commit
 * that is refused where another coordinator has moved the saga meanwhile. Any number of them may
 * run. */
#ifndef WEIR_COORDINATOR_COORDINATOR_H
#define WEIR_COORDINATOR_COORDINATOR_H

#include "weir.h"

/* For weir_main. NULL: no memory. */
weir_service *weir_coordinator_new(void);

#endif
