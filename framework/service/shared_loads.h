/* What many messages need alike, loaded once for all that come together: the server's time, and a
 * hash such as a saga's definition.
 *
 * Whatever is sent in one turn of the loop is sent behind all that has been read until then, so
 * that it is as fresh for each of them as if it had asked itself. Answers come in the order of the
 * calls: when a delivery's own loads, sent later in that turn, are answered, the shared answer is
 * there, and that of the next turn is not. So only a delivery that loads something of its own may
 * share. */
#ifndef WEIR_SERVICE_SHARED_LOADS_H
#define WEIR_SERVICE_SHARED_LOADS_H

#include "redis/key_names.h"
#include "redis/snapshot.h"
#include "service/service.h"

struct weir_shared_loads {
    const struct weir_runtime *runtime; /* borrowed */
    struct weir_shared_turn {
        unsigned turn;       /* of the loop, in which it was sent; 0: never */
        uint64_t connection; /* `reconnections` of the commands' link then */
    } time_turn, hash_turn;
    int64_t now_ms; /* the last answer; 0: it was none */
    char key[WEIR_KEY_MAX];
    struct weir_loaded hash; /* the last answer */
};

void weir_shared_loads_init(struct weir_shared_loads *shared, const struct weir_runtime *runtime);
void weir_shared_loads_close(struct weir_shared_loads *shared);

/* Asks, unless that has been done in this turn. false: it cannot be shared now. */
WEIR_CHECKED bool weir_shared_time(struct weir_shared_loads *shared);
WEIR_CHECKED bool weir_shared_hash(struct weir_shared_loads *shared, const char *key);

/* The answer; WEIR_UNAVAILABLE where there was none. */
WEIR_CHECKED enum weir_status weir_shared_time_take(const struct weir_shared_loads *shared,
                                                    int64_t *now_ms);
WEIR_CHECKED enum weir_status weir_shared_hash_take(const struct weir_shared_loads *shared,
                                                    struct weir_loaded *loaded);

#endif
