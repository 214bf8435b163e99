/* What the server can tell of its disk, asked over a link. */
#include "stream/ability.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define ASK_AGAIN_MS 1000

void weir_ability_init(struct weir_ability *ability, const struct weir_ability_settings *settings)
{
    *ability = (struct weir_ability){.settings = *settings};
}

/* Said once: it is asked until it is known. */
static void say_unknown(struct weir_ability *ability)
{
    if (!ability->unknown_said)
        weir_log_warning(ability->settings.log, "durability.unknown", "reason=%s",
                         ability->missing ? "no memory" : ability->why.text);
    ability->unknown_said = true;
}

static void tell_known(struct weir_ability *ability)
{
    const char *why = ability->disk == WEIR_DISK_NOT ? ability->why.text : "";
    ability->unknown_said = false;
    if (ability->known_said && strcmp(ability->known_why, why) == 0)
        return;
    ability->known_said = true;
    snprintf(ability->known_why, sizeof ability->known_why, "%s", why);
    ability->settings.known(ability->settings.user, why[0] != '\0' ? why : NULL);
}

static void settle(struct weir_ability *ability, enum weir_answer given)
{
    if (--ability->owed > 0 || given == WEIR_ANSWER_UNKNOWN)
        return;
    memset(&ability->why, 0, sizeof ability->why);
    ability->disk =
        ability->missing ? WEIR_DISK_UNASKED : weir_disk_judge(&ability->signs, &ability->why);
    ability->judged_at = weir_clock_monotonic_ms();
    if (ability->disk == WEIR_DISK_UNASKED)
        say_unknown(ability);
    else
        tell_known(ability);
    ability->settings.judged(ability->settings.user);
}

static void on_server(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_ability *ability = user;
    weir_disk_take_server(&ability->signs, reply);
    settle(ability, given);
}

static void on_waitaof(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_ability *ability = user;
    weir_disk_take_waitaof(&ability->signs, reply);
    settle(ability, given);
}

static void on_settings(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_ability *ability = user;
    weir_disk_take_settings(&ability->signs, reply);
    settle(ability, given);
}

static void send(struct weir_ability *ability, weir_link_answered *answered, int count,
                 const char **arguments)
{
    if (weir_link_send(ability->settings.link, count, arguments, NULL, answered, ability) ==
        WEIR_OK)
        ability->owed++;
    else
        ability->missing = true;
}

bool weir_ability_ask(struct weir_ability *ability)
{
    if (ability->owed > 0)
        return true;
    ability->missing = false;
    memset(&ability->signs, 0, sizeof ability->signs);
    send(ability, on_server, WEIR_DISK_ASK_SERVER);
    send(ability, on_waitaof, WEIR_DISK_ASK_WAITAOF);
    send(ability, on_settings, WEIR_DISK_ASK_SETTINGS);
    return ability->owed > 0;
}

void weir_ability_doubt(struct weir_ability *ability)
{
    ability->disk = WEIR_DISK_UNASKED;
    memset(&ability->why, 0, sizeof ability->why);
}

void weir_ability_reset(struct weir_ability *ability)
{
    weir_ability_doubt(ability);
    ability->known_said = false;
}

void weir_ability_confirm(struct weir_ability *ability)
{
    ability->judged_at = weir_clock_monotonic_ms();
}

bool weir_ability_is_stale(const struct weir_ability *ability)
{
    return ability->disk != WEIR_DISK_UNASKED &&
           weir_clock_monotonic_ms() - ability->judged_at >= ASK_AGAIN_MS;
}
