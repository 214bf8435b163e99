/* Writes a service's signs of life. */
#include "service/registering.h"

#include <stdio.h>

#include "base/clock.h"
#include "redis/key_names.h"

#define SIGN_EVERY_MS 60000

void weir_registering_init(struct weir_registering *registering, const struct weir_runtime *runtime)
{
    *registering = (struct weir_registering){.runtime = runtime};
}

static void on_signed(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_registering *registering = user;
    if (answer == WEIR_ANSWER_REFUSED && !registering->failing)
        weir_log_warning(registering->runtime->log, "service.not_registered", "reason=%s",
                         reply->str);
    if (answer != WEIR_ANSWER_UNKNOWN)
        registering->failing = answer == WEIR_ANSWER_REFUSED;
}

void weir_registering_sign(struct weir_registering *registering, int64_t server_ms, bool forgotten)
{
    const struct weir_runtime *runtime = registering->runtime;
    int64_t now = weir_clock_monotonic_ms();
    char key[WEIR_KEY_MAX], at[24];
    if (registering->sent_at != 0 && now - registering->sent_at < SIGN_EVERY_MS && !forgotten)
        return;
    weir_key_services(key, runtime->prefix);
    snprintf(at, sizeof at, "%lld", (long long)server_ms);
    if (weir_link_send(runtime->link, 4, (const char *[]){"HSET", key, runtime->service, at}, NULL,
                       on_signed, registering) == WEIR_OK)
        registering->sent_at = now;
}
