/* Which orders are sent: all of it by the seed alone. */
#ifndef CHAOS_MIX_H
#define CHAOS_MIX_H

#include <stddef.h>
#include <stdint.h>

#define CHAOS_CUSTOMERS 20
#define CHAOS_PRODUCTS 5
#define CHAOS_FIELDS_MAX 12

struct chaos_random {
    uint64_t state;
};

/* Below `limit`, which is not 0. */
unsigned chaos_random_below(struct chaos_random *random, unsigned limit);

/* How a saga may end while faults are about, and how where there are none. */
struct chaos_order {
    const char *kind;
    const char *allowed; /* states, with a comma between */
    const char *calm;    /* the one without faults */
    unsigned times;      /* how often its start is sent, at the least */
    char id[32];
    char data[512];
};

/* A message that nobody can understand; each ends among the dead letters, with its subject. */
struct chaos_malformed {
    const char *kind;
    const char *stream;
    char marker[32];
    int count;
    const char *fields[CHAOS_FIELDS_MAX]; /* names and values; borrowed */
};

/* True where the next one is an order; otherwise it is malformed. */
int chaos_next_is_order(struct chaos_random *random);
void chaos_compose_order(struct chaos_random *random, unsigned number, struct chaos_order *order);
void chaos_compose_malformed(struct chaos_random *random, unsigned number,
                             struct chaos_malformed *malformed);

#endif
