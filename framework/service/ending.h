/* What is committed for each way that the handling of a message can end. Each fills the delivery's
 * effects and returns the server function that carries them out. */
#ifndef WEIR_SERVICE_ENDING_H
#define WEIR_SERVICE_ENDING_H

#include "service/delivery.h"

WEIR_CHECKED const char *weir_ending_done(struct weir_delivery *delivery);
/* A business refusal: the step's answer, or the dead letters. */
WEIR_CHECKED const char *weir_ending_rejected(struct weir_delivery *delivery);
/* Delivered again later, or buried where the limit is reached. */
WEIR_CHECKED const char *weir_ending_retried(struct weir_delivery *delivery);
/* `unknown`: the handler may have run and left effects outside the server. */
WEIR_CHECKED const char *weir_ending_buried(struct weir_delivery *delivery, const char *reason,
                                            bool unknown);
/* What the handler wanted cannot be written, for the reason `why`: buried, or, where that is
 * forbidden, delivered again until it can. */
WEIR_CHECKED const char *weir_ending_refused(struct weir_delivery *delivery, const char *why);
WEIR_CHECKED const char *weir_ending_discarded(struct weir_delivery *delivery);
/* Held back, as its `delay` asks. */
WEIR_CHECKED const char *weir_ending_held(struct weir_delivery *delivery);
/* Held back until a newer program takes it; does not count as a delivery. */
WEIR_CHECKED const char *weir_ending_too_new(struct weir_delivery *delivery);
/* Answered with the first outcome. */
WEIR_CHECKED const char *weir_ending_repeated(struct weir_delivery *delivery,
                                              const struct weir_step_end *first);
/* A compensation of what has not happened succeeds, and bars the step. */
WEIR_CHECKED const char *weir_ending_null(struct weir_delivery *delivery);
/* An execution after its compensation. */
WEIR_CHECKED const char *weir_ending_barred(struct weir_delivery *delivery);

/* The same end of a step once more, on what has been read of its saga since. */
WEIR_CHECKED const char *weir_ending_again(struct weir_delivery *delivery);

/* Counts and logs what has become of the message, once its commit is answered. `fenced`: it had
 * been finished before. */
void weir_ending_tell(struct weir_delivery *delivery, bool fenced);

#endif
