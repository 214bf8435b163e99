/* What operators and the outside world ask of a saga, and why they may be refused.
 * Private to this folder. */
#ifndef WEIR_SAGA_REQUEST_H
#define WEIR_SAGA_REQUEST_H

#include "saga/change.h"

/* Each returns a weir_saga_verdict; refused ones leave their sentence in the effects. */
int weir_request_cancel(struct weir_saga_change *change, const char *reason);
int weir_request_resume(struct weir_saga_change *change, const char *step, bool skip);
int weir_request_signal(struct weir_saga_change *change, const char *signal, const char *data);

#endif
