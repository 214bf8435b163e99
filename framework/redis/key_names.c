/* Spells the keys of services and sagas. */
#include "redis/key_names.h"

#include <stdio.h>
#include <string.h>

/* One piece behind the other, up to a NULL; what does not fit is cut. Keys are made several times
 * for each message: a format would cost more than the copying. */
static char *join(char *key, const char *const *pieces)
{
    size_t length = 0;
    for (; *pieces != NULL; pieces++) {
        size_t more = strlen(*pieces);
        if (more > WEIR_KEY_MAX - 1 - length)
            more = WEIR_KEY_MAX - 1 - length;
        memcpy(key + length, *pieces, more);
        length += more;
    }
    key[length] = '\0';
    return key;
}

/* Two leading texts are common to all keys; the rest differs. */
#define spell(key, prefix, service, ...)                                                           \
    join(key, (const char *const[]){prefix, "{", service, "}:", __VA_ARGS__, NULL})

char *weir_key_commands(char *key, const char *prefix, const char *service)
{
    return spell(key, prefix, service, "commands");
}

char *weir_key_events(char *key, const char *prefix, const char *service)
{
    return spell(key, prefix, service, "events");
}

char *weir_key_dead(char *key, const char *prefix, const char *service)
{
    return spell(key, prefix, service, "dead");
}

char *weir_key_scheduled(char *key, const char *prefix, const char *service)
{
    return spell(key, prefix, service, "scheduled");
}

char *weir_key_workers(char *key, const char *prefix, const char *service)
{
    return spell(key, prefix, service, "workers");
}

char *weir_key_witness(char *key, const char *prefix, const char *service)
{
    return spell(key, prefix, service, "witness");
}

char *weir_key_readers(char *key, const char *prefix, const char *service)
{
    return spell(key, prefix, service, "readers");
}

char *weir_key_checkpoint(char *key, const char *prefix, const char *service,
                          const char *projection)
{
    return spell(key, prefix, service, "checkpoint:", projection);
}

char *weir_key_projection(char *key, const char *prefix, const char *service,
                          const char *projection)
{
    return spell(key, prefix, service, "projection:", projection);
}

char *weir_key_skipped(char *key, const char *prefix, const char *service, const char *projection)
{
    return spell(key, prefix, service, "skipped:", projection);
}

char *weir_key_kinds(char *key, const char *prefix, const char *service)
{
    return spell(key, prefix, service, "kinds");
}

char *weir_key_rebuild(char *key, const char *prefix, const char *service, const char *which,
                       const char *projection)
{
    return spell(key, prefix, service, "rebuild-", which, ":", projection);
}

char *weir_key_model(char *key, const char *prefix, const char *service, const char *base,
                     const char *rest)
{
    return spell(key, prefix, service, base, rest);
}

char *weir_key_rebuild_base(char *base, const char *projection)
{
    snprintf(base, WEIR_KEY_MAX, "rebuild:%s:", projection);
    return base;
}

char *weir_key_seen(char *key, const char *prefix, const char *service, const char *id)
{
    return spell(key, prefix, service, "seen:", id);
}

char *weir_key_letter(char *key, const char *prefix, const char *service, const char *letter)
{
    return spell(key, prefix, service, "dead:", letter);
}

char *weir_key_step(char *key, const char *prefix, const char *service, const char *saga,
                    const char *step)
{
    return spell(key, prefix, service, "step:", saga, "/", step);
}

char *weir_key_replies(char *key, const char *prefix)
{
    return spell(key, prefix, WEIR_SAGAS, "replies");
}

char *weir_key_held(char *key, const char *prefix)
{
    return spell(key, prefix, WEIR_SAGAS, "held");
}

char *weir_key_saga(char *key, const char *prefix, const char *saga)
{
    return spell(key, prefix, WEIR_SAGAS, "saga:", saga);
}

char *weir_key_saga_state(char *key, const char *prefix, const char *state)
{
    return spell(key, prefix, WEIR_SAGAS, "state:", state);
}

char *weir_key_definition(char *key, const char *prefix, const char *name)
{
    return spell(key, prefix, WEIR_SAGAS, "definition:", name);
}

char *weir_key_definitions(char *key, const char *prefix)
{
    return spell(key, prefix, WEIR_SAGAS, "definitions");
}

char *weir_key_projections(char *key, const char *prefix)
{
    return spell(key, prefix, "weir", "projections");
}

char *weir_key_actions(char *key, const char *prefix)
{
    return spell(key, prefix, "weir", "actions");
}

char *weir_key_services(char *key, const char *prefix)
{
    return spell(key, prefix, "weir", "services");
}

char *weir_key_named(char *key, const char *prefix, const char *service, const char *name)
{
    return spell(key, prefix, service, name);
}

const char *weir_key_events_owner(const char *key, const char *prefix, char *owner, size_t room)
{
    size_t head = strlen(prefix), length = strlen(key);
    const char *tail = "}:events";
    size_t tail_length = strlen(tail);
    if (length <= head + 1 + tail_length || strncmp(key, prefix, head) != 0 || key[head] != '{' ||
        strcmp(key + length - tail_length, tail) != 0)
        return NULL;
    snprintf(owner, room, "%.*s", (int)(length - head - 1 - tail_length), key + head + 1);
    return owner;
}
