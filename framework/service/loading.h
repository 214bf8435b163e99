/* State, step record and saga, seen id and time, before a handler runs. */
#ifndef WEIR_SERVICE_LOADING_H
#define WEIR_SERVICE_LOADING_H

#include "service/delivery.h"

/* Sends for all that the delivery's handler needs and calls `loaded` when it is there, at once
 * where nothing is needed. Where an answer was lost `load_again` is set, and nothing is called. */
void weir_delivery_load(struct weir_delivery *delivery, weir_delivery_then *loaded);
/* Only what is recorded of its step, and the step's saga. */
void weir_delivery_load_step(struct weir_delivery *delivery, weir_delivery_then *loaded);

#endif
