/* The message itself, put away for good or put off for later. Each queues an effect. */
#ifndef WEIR_SERVICE_PUT_AWAY_H
#define WEIR_SERVICE_PUT_AWAY_H

#include "service/delivery.h"

/* To the service's dead letters: its fields, and reason, deliveries, stream, entry. */
void weir_put_to_dead_letters(struct weir_delivery *delivery, const char *reason);
/* On the service's schedule, due in delay_ms; `deliveries`: how often it has been delivered until
 * then. The delay is kept in delivery->retry_delay_ms. */
void weir_put_off(struct weir_delivery *delivery, int64_t delay_ms, unsigned deliveries);

/* To another inbox of the service, as it is. */
void weir_put_to_inbox(struct weir_delivery *delivery, const char *inbox);

#endif
