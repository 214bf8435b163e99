/* Waiting for durability beside a desk: it blocks a connection, so each wait has one of its own,
 * and a thread. */
#ifndef WEIR_CALL_CONFIRMING_H
#define WEIR_CALL_CONFIRMING_H

#include <pthread.h>

#include "call/errand.h"
#include "weir.h"

/* Hands an errand that has ended back to the one who answers and counts it. */
typedef void weir_confirming_hand_back(void *desk, struct weir_errand *errand_take);

struct weir_confirming {
    const struct weir_endpoint *endpoint;
    const char *prefix;
    weir_confirming_hand_back *hand_back;
    void *desk;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t running; /* guarded by the mutex */
};

/* false: no memory. */
WEIR_CHECKED bool weir_confirming_begin(struct weir_confirming *confirming);
/* As weir_sending_confirm says. */
bool weir_confirming_add(struct weir_confirming *confirming, const struct weir_errand *done,
                         const struct weir_call_answer *answer, const char *service,
                         weir_desk_called *answered, void *user);
/* Waits until all have been handed back: until their limits, at the most. */
void weir_confirming_await(struct weir_confirming *confirming);
void weir_confirming_end(struct weir_confirming *confirming);

#endif
