/* The keys of a projection and of its rebuild. */
#include "redis/rebuild_keys.h"

#define STEP_KEYS "200" /* seen to in one piece */
#define HOLD_MS "1000"  /* for how long the live model waits for the rebuild to draw level */

void weir_rebuild_keys_name(struct weir_rebuild_keys *keys, const char *prefix, const char *service,
                            const char *projection)
{
    weir_key_projection(keys->status, prefix, service, projection);
    weir_key_checkpoint(keys->live, prefix, service, projection);
    weir_key_rebuild(keys->rebuilt, prefix, service, "checkpoint", projection);
    weir_key_rebuild(keys->written, prefix, service, "keys", projection);
    weir_key_rebuild(keys->done, prefix, service, "done", projection);
    weir_key_rebuild(keys->differences, prefix, service, "differences", projection);
    weir_key_kinds(keys->kinds, prefix, service);
    weir_key_rebuild(keys->lives, prefix, service, "lives", projection);
    weir_key_rebuild_base(keys->base, projection);
    weir_key_model(keys->live_head, prefix, service, "", "");
    weir_key_model(keys->rebuilt_head, prefix, service, keys->base, "");
}

size_t weir_rebuild_keys_lay(const struct weir_rebuild_keys *keys, const char *function,
                             const char **words)
{
    const char *const all[] = {"FCALL",           function,      "8",           keys->status,
                               keys->live,        keys->rebuilt, keys->written, keys->done,
                               keys->differences, keys->kinds,   keys->lives};
    size_t count = sizeof all / sizeof all[0];
    for (size_t i = 0; i < count; i++)
        words[i] = all[i];
    return count;
}

size_t weir_rebuild_keys_lay_step(const struct weir_rebuild_keys *keys, const char *rebuild,
                                  const char *projection, const char **words)
{
    size_t count = weir_rebuild_keys_lay(keys, "weir_rebuild_step", words);
    words[count++] = rebuild;
    words[count++] = projection;
    words[count++] = keys->live_head;
    words[count++] = keys->rebuilt_head;
    words[count++] = STEP_KEYS;
    words[count++] = HOLD_MS;
    return count;
}
