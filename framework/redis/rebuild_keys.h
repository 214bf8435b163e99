/* The keys of a projection and of its rebuild, as weir_rebuild and weir_rebuild_step take them. */
#ifndef WEIR_REDIS_REBUILD_KEYS_H
#define WEIR_REDIS_REBUILD_KEYS_H

#include "redis/key_names.h"

#define WEIR_REBUILD_KEYS 8
/* Words of weir_rebuild_step before the streams. */
#define WEIR_REBUILD_STEP_WORDS (3 + WEIR_REBUILD_KEYS + 6)

struct weir_rebuild_keys {
    /* KEYS, in the order of the functions. */
    char status[WEIR_KEY_MAX], live[WEIR_KEY_MAX], rebuilt[WEIR_KEY_MAX]; /* and two checkpoints */
    char written[WEIR_KEY_MAX], done[WEIR_KEY_MAX], differences[WEIR_KEY_MAX], kinds[WEIR_KEY_MAX];
    char lives[WEIR_KEY_MAX];
    /* What stands before the names of the models' keys. */
    char base[WEIR_KEY_MAX]; /* behind the service's tag */
    char live_head[WEIR_KEY_MAX], rebuilt_head[WEIR_KEY_MAX];
};

void weir_rebuild_keys_name(struct weir_rebuild_keys *keys, const char *prefix, const char *service,
                            const char *projection);
/* Lays "FCALL function 8 KEYS…" into `words`, which has room for them; returns how many. */
size_t weir_rebuild_keys_lay(const struct weir_rebuild_keys *keys, const char *function,
                             const char **words);
/* Lays a whole call of weir_rebuild_step but for the streams that the projection reads, which
 * follow: WEIR_REBUILD_STEP_WORDS words. All is borrowed. */
size_t weir_rebuild_keys_lay_step(const struct weir_rebuild_keys *keys, const char *rebuild,
                                  const char *projection, const char **words);

#endif
