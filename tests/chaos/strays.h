/* Messages that nobody waits for: copies of commands and replies, ghosts, orders to sagas that have
 * ended or never were. None of them may change an outcome, but for a cancellation in time. */
#ifndef CHAOS_STRAYS_H
#define CHAOS_STRAYS_H

#include "mix.h"
#include "sender.h"

#define STRAYS_KNOWN 512
#define STRAY_KINDS 9

struct strays {
    char known[STRAYS_KNOWN][32]; /* the sagas started last */
    unsigned count;
    unsigned long sent[STRAY_KINDS];
};

void strays_know(struct strays *strays, const char *saga);
/* Sends one at random; false when the sender's time is over. `calm`: nothing that may change an
 * outcome. `lossy`: nothing that would be believed by a server that has forgotten its newest
 * history meanwhile. */
bool strays_send(struct strays *strays, struct sender *sender, struct chaos_random *random,
                 bool calm, bool lossy);
/* One line for each kind: "stray <kind> <number>". */
void strays_print(const struct strays *strays);

#endif
