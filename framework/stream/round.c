/* One round of asking how far writes have come, over two connections. */
#include "stream/round.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define REPLICAS_SLICE_MS "250" /* others wait behind it for so long */
#define DISK_SLICE_MS "2000"    /* a server that syncs every second needs most of one */

void weir_round_init(struct weir_round *round, const struct weir_round_settings *settings)
{
    *round = (struct weir_round){.settings = *settings, .reach = {.copies = -1}, .told = -1};
}

/* Least first, so that who asks for less need not wait for who asks for more. */
void weir_round_want(struct weir_round *round, struct weir_durability need)
{
    size_t at = 0;
    round->wants_disk |= need.disk;
    while (at < round->level_count && round->levels[at] < need.replicas)
        at++;
    if (need.replicas == 0 || round->level_count == WEIR_ROUND_LEVELS_MAX ||
        (at < round->level_count && round->levels[at] == need.replicas))
        return;
    memmove(&round->levels[at + 1], &round->levels[at],
            (round->level_count - at) * sizeof round->levels[0]);
    round->levels[at] = need.replicas;
    round->level_count++;
}

/* ---- Answers ----------------------------------------------------------------------------- */

static void end(struct weir_round *round)
{
    round->under_way = false;
    round->wants_disk = false;
    round->level_count = 0;
    round->settings.ended(round->settings.user);
}

static void settle(struct weir_round *round, enum weir_answer given, const redisReply *reply)
{
    if (given == WEIR_ANSWER_UNKNOWN)
        round->lost = true;
    else if (given == WEIR_ANSWER_REFUSED)
        snprintf(round->refusal, sizeof round->refusal, "%s", reply->str);
    if (--round->owed == 0)
        end(round);
}

static void on_picked_up(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_round *round = user;
    round->picked_up = weir_reach_take_note(&round->reach, reply);
    round->elsewhere = given == WEIR_ANSWER_DONE && !round->picked_up;
    if (round->picked_up)
        round->settings.progress(round->settings.user);
    settle(round, given, reply);
}

static void on_copies(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_round *round = user;
    if (weir_reach_take_copies(&round->reach, reply)) {
        round->told = round->reach.copies;
        round->settings.progress(round->settings.user);
    }
    settle(round, given, reply);
}

static void on_disk(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_round *round = user;
    round->disk_told = weir_reach_take_disk(&round->reach, round->disk, reply);
    round->settings.progress(round->settings.user);
    settle(round, given, reply);
}

/* ---- Questions --------------------------------------------------------------------------- */

static bool send(struct weir_round *round, weir_link_answered *answered, int count,
                 const char **arguments)
{
    if (weir_link_send(round->settings.own, count, arguments, NULL, answered, round) != WEIR_OK)
        return false;
    round->owed++;
    return true;
}

static bool ask_disk(struct weir_round *round)
{
    const char *words[WEIR_REACH_WORDS_MAX];
    int count = round->wants_disk ? weir_reach_ask_disk(round->disk, DISK_SLICE_MS, words) : 0;
    return count == 0 || send(round, on_disk, count, words);
}

/* The note lies there: pick it up, and wait behind it. */
static void wait_behind_note(struct weir_round *round)
{
    bool sent = send(round, on_picked_up, WEIR_REACH_PICK_UP(round->note));
    for (size_t i = 0; sent && i < round->level_count; i++) {
        char number[16];
        snprintf(number, sizeof number, "%u", round->levels[i]);
        sent = send(round, on_copies, WEIR_REACH_COPIES(number, REPLICAS_SLICE_MS));
    }
    sent = sent && ask_disk(round);
    round->lost |= !sent;
    if (round->owed == 0)
        end(round);
}

static void on_note(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_round *round = user;
    snprintf(round->refusal, sizeof round->refusal, "%s",
             given == WEIR_ANSWER_REFUSED ? reply->str : "");
    if (given == WEIR_ANSWER_DONE) {
        wait_behind_note(round);
        return;
    }
    round->lost = true; /* or the server takes no writes now: later again */
    end(round);
}

void weir_round_begin(struct weir_round *round, enum weir_disk disk)
{
    const struct weir_round_settings *settings = &round->settings;
    weir_reach_note(round->note, settings->prefix, settings->service);
    round->under_way = true;
    round->lost = round->picked_up = round->elsewhere = false;
    round->reach = (struct weir_reach){.copies = -1};
    round->disk = disk;
    round->disk_told = WEIR_REACH_DISK_UNTOLD;
    round->begun_at = weir_clock_monotonic_ms();
    round->owed = 0;
    if (weir_link_send(settings->commits, WEIR_REACH_LAY_NOTE(round->note), NULL, on_note, round) !=
        WEIR_OK) {
        round->lost = true;
        round->refusal[0] = '\0';
        end(round);
    }
}
