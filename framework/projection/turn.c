/* Whose turn it is to run a projection, and what operators want of it. */
#include "projection/turn.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "projection/projection.h"
#include "redis/reply.h"

#define LIFE_MAX_MS 5000
#define ENTER_EVERY_MS 5000
#define DEATHS_MAX 3
#define STOPPED_MS 5000 /* how long a stopped projection waits before it is tried again */

static const char *state_text(const struct weir_runner *live)
{
    if (live->state == WEIR_RUNNER_STOPPED)
        return live->stop.too_new ? "parked" : "stopped";
    if (live->failures > 0 && !live->proven && live->trouble[0] != '\0')
        return "waiting";
    return live->proven ? "running" : ""; /* "": nothing to say yet */
}

static const char *reason_text(const struct weir_runner *live)
{
    return live->state == WEIR_RUNNER_STOPPED ? live->stop.reason : live->trouble;
}

/* A stopped projection leaves the turn to others for a while: theirs may be the newer program. Not
 * where that would hold up a rebuild, which may be the cure. */
static bool stands_back(const struct weir_turn *turn)
{
    return turn->leaving || (weir_clock_monotonic_ms() < turn->stopped_until &&
                             (turn->wishes.phase[0] == '\0' || turn->wishes.paused ||
                              turn->projection->rebuild.runner.state == WEIR_RUNNER_STOPPED));
}

static bool call_turn(void *user, struct weir_periodic *periodic)
{
    struct weir_turn *turn = user;
    const struct weir_projection *projection = turn->projection;
    const struct weir_stop *stop = &projection->live.stop;
    char stops[24];
    snprintf(stops, sizeof stops, "%llu", (unsigned long long)projection->live.stops);
    turn->stood_back = stands_back(turn);
    WEIR_CRASH_POINT(TURN_SENDING);
    return weir_periodic_send(
        periodic, 12,
        (const char *[]){"FCALL", "weir_turn", "1", projection->keys.status,
                         projection->runtime->consumer, turn->stood_back ? "0" : turn->life,
                         state_text(&projection->live), reason_text(&projection->live),
                         stop->stream, stop->entry, stops, turn->answered ? "0" : "1"});
}

/* ---- Answer ------------------------------------------------------------------------------ */

static void copy(char *to, size_t room, struct weir_slice value)
{
    snprintf(to, room, "%.*s", (int)value.length, value.at);
}

static void read_wish(struct weir_wishes *wishes, struct weir_slice name, struct weir_slice value)
{
    if (weir_slice_equals(name, "rebuild"))
        copy(wishes->rebuild, sizeof wishes->rebuild, value);
    else if (weir_slice_equals(name, "task"))
        copy(wishes->task, sizeof wishes->task, value);
    else if (weir_slice_equals(name, "phase"))
        copy(wishes->phase, sizeof wishes->phase, value);
    else if (weir_slice_equals(name, "paused"))
        wishes->paused = true;
    else if (weir_slice_equals(name, "incomplete"))
        wishes->incomplete = weir_slice_equals(value, "1");
    else if (weir_slice_equals(name, "total"))
        wishes->counted = true;
    else if (weir_slice_equals(name, "skip"))
        copy(wishes->skip, sizeof wishes->skip, value);
    else if (weir_slice_equals(name, "retry"))
        copy(wishes->retry, sizeof wishes->retry, value);
    else if (weir_slice_equals(name, "deaths"))
        (void)!weir_parse_integer(value.at, value.length, &wishes->deaths);
    else if (weir_slice_equals(name, "tryingDeaths"))
        (void)!weir_parse_integer(value.at, value.length, &wishes->trying_deaths);
    else if (weir_slice_equals(name, "tryingAnewDeaths"))
        (void)!weir_parse_integer(value.at, value.length, &wishes->trying_anew_deaths);
    else if (weir_slice_equals(name, "trying"))
        copy(wishes->trying, sizeof wishes->trying, value);
    else if (weir_slice_equals(name, "tryingAnew"))
        copy(wishes->trying_anew, sizeof wishes->trying_anew, value);
}

static void read_wishes(struct weir_wishes *wishes, const redisReply *reply)
{
    memset(wishes, 0, sizeof *wishes);
    for (size_t i = 2; i + 1 < reply->elements; i += 2) {
        struct weir_slice name = {"", 0}, value = {"", 0};
        if (weir_reply_text(reply->element[i], &name) &&
            weir_reply_text(reply->element[i + 1], &value))
            read_wish(wishes, name, value);
    }
}

static void ignore_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    (void)user;
    (void)answer;
    (void)reply;
}

/* Enters the projection in the register that tools go by. */
static void enter(const struct weir_projection *projection)
{
    char key[WEIR_KEY_MAX], name[200];
    struct weir_text sources = {0};
    snprintf(name, sizeof name, "%s/%s", projection->runtime->service, projection->name);
    for (size_t i = 0; i < projection->sources.count; i++)
        weir_text_format(&sources, "%s%s", i > 0 ? " " : "", projection->sources.at[i].service);
    if (sources.at != NULL)
        (void)!weir_link_send(
            projection->runtime->link, 4,
            (const char *[]){"HSET", weir_key_projections(key, projection->runtime->prefix), name,
                             sources.at},
            NULL, ignore_answer, NULL);
    weir_text_close(&sources);
}

/* Now and then again: the server may have lost its data. */
static void enter_again(struct weir_turn *turn)
{
    int64_t now = weir_clock_monotonic_ms();
    if (turn->mine && now - turn->entered_at < ENTER_EVERY_MS)
        return;
    turn->entered_at = now;
    enter(turn->projection);
    weir_runner_report_again(&turn->projection->live);
}

/* Several who had the turn have died: an event may be what kills them. */
static void beware(struct weir_turn *turn)
{
    const struct weir_wishes *wishes = &turn->wishes;
    if (wishes->deaths < DEATHS_MAX)
        return;
    weir_log_warning(turn->projection->runtime->log, "projection.deaths",
                     "projection=%s deaths=%lld", turn->projection->name,
                     (long long)wishes->deaths);
    weir_runner_beware(&turn->projection->live,
                       wishes->trying_deaths >= DEATHS_MAX ? wishes->trying : "");
    weir_runner_beware(&turn->projection->rebuild.runner,
                       wishes->trying_anew_deaths >= DEATHS_MAX ? wishes->trying_anew : "");
}

static void take(struct weir_turn *turn)
{
    struct weir_projection *projection = turn->projection;
    struct weir_runner *live = &projection->live;
    if (!turn->mine) {
        weir_log_write(projection->runtime->log,
                       live->stop.reason[0] ? WEIR_LOG_DEBUG : WEIR_LOG_INFO, "projection.active",
                       "projection=%s", projection->name);
        if (!turn->yielded)
            beware(turn);
    }
    enter_again(turn);
    turn->mine = true;
    WEIR_CRASH_POINT(TURN_TAKEN);
    if (!live->active ||
        (live->state == WEIR_RUNNER_STOPPED && weir_clock_monotonic_ms() >= turn->stopped_until))
        weir_runner_go(live);
}

static void stand_by(struct weir_turn *turn)
{
    struct weir_projection *projection = turn->projection;
    if (turn->mine || !turn->answered)
        weir_log_info(projection->runtime->log, "projection.standby", "projection=%s",
                      projection->name);
    turn->mine = false;
    weir_runner_rest(&projection->live);
}

/* An operator has done something about what stops the projection. */
static bool retry_wanted(struct weir_turn *turn, const struct weir_wishes *before)
{
    if (strcmp(before->retry, turn->wishes.retry) == 0 &&
        strcmp(before->skip, turn->wishes.skip) == 0)
        return false;
    turn->stopped_until = 0;
    turn->projection->live.fatal[0] = turn->projection->rebuild.runner.fatal[0] = '\0';
    return true;
}

static void leave(struct weir_turn *turn)
{
    const struct weir_runtime *runtime = turn->projection->runtime;
    turn->mine = false;
    weir_periodic_stop(&turn->periodic);
    runtime->idle(runtime->worker);
}

static int64_t on_turn(void *user, const redisReply *reply)
{
    struct weir_turn *turn = user;
    struct weir_projection *projection = turn->projection;
    struct weir_wishes before = turn->wishes;
    int64_t mine = 0;
    bool retry;
    WEIR_CRASH_POINT(TURN_ANSWERED);
    if (turn->leaving && turn->stood_back) {
        leave(turn);
        return -1;
    }
    if (!weir_reply_integer(weir_reply_at(reply, 0), &mine))
        return -1;
    read_wishes(&turn->wishes, reply);
    retry = retry_wanted(turn, &before);
    snprintf(projection->live.skip, sizeof projection->live.skip, "%s", turn->wishes.skip);
    if (turn->leaving)
        return 0;
    if (turn->stood_back)
        turn->mine = false;
    else if (mine == 1)
        take(turn);
    else
        stand_by(turn);
    turn->answered = true;
    turn->yielded = turn->stood_back;
    weir_rebuild_follow(&projection->rebuild, &turn->wishes, turn->mine);
    return turn->stood_back && retry ? 0 : -1;
}

static void on_library_missing(void *user)
{
    const struct weir_turn *turn = user;
    const struct weir_runtime *runtime = turn->projection->runtime;
    runtime->library_missing(runtime->worker);
}

/* ---- Life -------------------------------------------------------------------------------- */

void weir_turn_open(struct weir_turn *turn, struct weir_projection *projection)
{
    const struct weir_runtime *runtime = projection->runtime;
    int64_t idle = runtime->settings->claim_idle_ms;
    int64_t life = idle < LIFE_MAX_MS ? idle : LIFE_MAX_MS, every = life / 5;
    turn->projection = projection;
    snprintf(turn->life, sizeof turn->life, "%lld", (long long)life);
    weir_periodic_init(&turn->periodic, runtime->loop, runtime->link, runtime->log, "turn",
                       every < 50 ? 50 : every, turn);
    turn->periodic.call = call_turn;
    turn->periodic.answered = on_turn;
    turn->periodic.library_missing = on_library_missing;
    weir_periodic_start(&turn->periodic);
}

void weir_turn_report(struct weir_turn *turn)
{
    if (turn->projection->live.state == WEIR_RUNNER_STOPPED)
        turn->stopped_until = weir_clock_monotonic_ms() + STOPPED_MS;
    weir_periodic_hasten(&turn->periodic, 0);
}

void weir_turn_leave(struct weir_turn *turn)
{
    turn->leaving = true;
    weir_periodic_hasten(&turn->periodic, 0);
}

void weir_turn_close(struct weir_turn *turn)
{
    if (turn->projection != NULL)
        weir_periodic_stop(&turn->periodic);
}
