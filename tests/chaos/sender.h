/* A connection that does not take no for an answer: what it sends is sent again until the server
 * has accepted it. */
#ifndef CHAOS_SENDER_H
#define CHAOS_SENDER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

struct sender {
    const char *socket;
    int64_t give_up_at_ms; /* monotonic; nothing is tried any more afterwards */
    redisContext *connection;
    unsigned long refused, unknown; /* answers so far: not now; none at all */
};

int64_t chaos_now_ms(void);
void chaos_sleep_ms(int64_t ms);

/* Sends until it is done. `attempts`, if given, becomes how often it was sent. Returns the answer,
 * to be freed by freeReplyObject, or NULL when the time is over. A refusal that no repetition can
 * mend ends the program: the mistake is in what was sent. */
redisReply *chaos_ask(struct sender *sender, int argc, const char **argv, unsigned *attempts);
void chaos_sender_close(struct sender *sender);

#endif
