/* The definitions of the sagas whose commands come to this worker. */
#include "service/definitions.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "redis/key_names.h"
#include "redis/link.h"
#include "redis/reply.h"

#define LOOK_AGAIN_MS 1000

/* What cannot be had is not complained of here: the coordinator, who gets the answer then, does. */
static void on_fetched(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_definitions *definitions = user;
    struct weir_error error = {0};
    struct weir_slice json;
    definitions->fetching = false;
    if (answer == WEIR_ANSWER_DONE && weir_reply_text(reply, &json) &&
        weir_definition_checksum(json.at, json.length) == definitions->checksum)
        (void)!weir_definition_cache_add(&definitions->cache, definitions->name,
                                         definitions->version, json, &error);
}

static void fetch(struct weir_definitions *definitions, const char *name, int64_t version,
                  uint32_t checksum)
{
    char key[WEIR_KEY_MAX], field[24];
    snprintf(definitions->name, sizeof definitions->name, "%s", name);
    definitions->version = version;
    definitions->checksum = checksum;
    definitions->asked_at = weir_clock_monotonic_ms();
    weir_key_definition(key, definitions->runtime->prefix, name);
    snprintf(field, sizeof field, "%lld", (long long)version);
    definitions->fetching =
        weir_link_send(definitions->runtime->link, 3, (const char *[]){"HGET", key, field}, NULL,
                       on_fetched, definitions) == WEIR_OK;
}

static bool has_failed_just_now(const struct weir_definitions *definitions, const char *name,
                                int64_t version, uint32_t checksum)
{
    return definitions->asked_at != 0 && definitions->version == version &&
           definitions->checksum == checksum && strcmp(definitions->name, name) == 0 &&
           weir_clock_monotonic_ms() - definitions->asked_at < LOOK_AGAIN_MS;
}

const struct weir_saga_definition *weir_definitions_find(struct weir_definitions *definitions,
                                                         const char *name, int64_t version,
                                                         uint32_t checksum)
{
    const struct weir_saga_definition *found =
        weir_definition_cache_find(&definitions->cache, name, version, checksum);
    if (found == NULL && !definitions->fetching &&
        !has_failed_just_now(definitions, name, version, checksum))
        fetch(definitions, name, version, checksum);
    return found;
}

void weir_definitions_init(struct weir_definitions *definitions, const struct weir_runtime *runtime)
{
    memset(definitions, 0, sizeof *definitions);
    definitions->runtime = runtime;
}

void weir_definitions_close(struct weir_definitions *definitions)
{
    weir_definition_cache_close(&definitions->cache);
}
