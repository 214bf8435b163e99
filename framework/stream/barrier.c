/* Waits until what this process has seen has reached replicas or the disk. */
#include "stream/barrier.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "redis/reply.h"

#define SILENCE_MS 10000
#define NOTE_LIFE_MS "60000"
#define REPLICAS_SLICE_MS "250" /* others wait behind it for so long */
#define DISK_SLICE_MS "2000"    /* a server that syncs every second needs most of one */
#define ROUND_MS 250
#define PAUSE_MS 50       /* between rounds for what has not been reached */
#define ASK_AGAIN_MS 2000 /* a server that could not tell of its disk */

/* ---- Waits ------------------------------------------------------------------------------- */

static void unlink_wait(struct weir_barrier *barrier, struct weir_barrier_wait *wait)
{
    *(wait->previous ? &wait->previous->next : &barrier->first) = wait->next;
    *(wait->next ? &wait->next->previous : &barrier->last) = wait->previous;
    wait->previous = wait->next = NULL;
}

static void answer(struct weir_barrier *barrier, struct weir_barrier_wait *wait,
                   enum weir_barrier_outcome outcome, const char *why)
{
    unlink_wait(barrier, wait);
    wait->answered(wait->user, outcome, why);
}

/* Callers hand in and take back from inside an answer, so each search begins anew. */
static struct weir_barrier_wait *find(struct weir_barrier *barrier,
                                      bool (*wanted)(const struct weir_barrier *barrier,
                                                     const struct weir_barrier_wait *wait))
{
    struct weir_barrier_wait *wait = barrier->first;
    while (wait != NULL && !wanted(barrier, wait))
        wait = wait->next;
    return wait;
}

static void set_timer(struct weir_barrier *barrier, ev_timer *timer, int64_t after_ms)
{
    ev_timer_stop(barrier->settings.loop, timer);
    ev_timer_set(timer, after_ms > 0 ? (double)after_ms / 1000. : 0., 0.);
    ev_timer_start(barrier->settings.loop, timer);
}

static void kick(struct weir_barrier *barrier, int64_t after_ms)
{
    if (!barrier->closed && !ev_is_active(&barrier->kick))
        set_timer(barrier, &barrier->kick, after_ms);
}

static void watch_limit(struct weir_barrier *barrier)
{
    int64_t earliest = INT64_MAX;
    for (struct weir_barrier_wait *wait = barrier->first; wait != NULL; wait = wait->next)
        earliest = wait->deadline < earliest ? wait->deadline : earliest;
    ev_timer_stop(barrier->settings.loop, &barrier->limit);
    if (earliest != INT64_MAX)
        set_timer(barrier, &barrier->limit, earliest - weir_clock_monotonic_ms());
}

static bool is_over(const struct weir_barrier *barrier, const struct weir_barrier_wait *wait)
{
    (void)barrier;
    return wait->deadline <= weir_clock_monotonic_ms();
}

static void say_how_far(const struct weir_barrier *barrier, const struct weir_barrier_wait *wait,
                        char *text, size_t room)
{
    char need[WEIR_DURABILITY_TEXT_MAX];
    weir_durability_describe(wait->need, need);
    if (barrier->refusal[0] != '\0')
        snprintf(text, room, "it has not reached %s within %lld ms: %s", need,
                 (long long)wait->limit_ms, barrier->refusal);
    else if (barrier->told >= 0 && barrier->told < (int64_t)wait->need.replicas)
        snprintf(text, room, "it has not reached %s within %lld ms: %lld replica%s it", need,
                 (long long)wait->limit_ms, (long long)barrier->told,
                 barrier->told == 1 ? " has" : "s have");
    else
        snprintf(text, room, "it has not reached %s within %lld ms", need,
                 (long long)wait->limit_ms);
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_barrier *barrier = timer->data;
    struct weir_barrier_wait *wait;
    char why[256];
    (void)loop;
    (void)events;
    while ((wait = find(barrier, is_over)) != NULL) {
        if (wait->asked) {
            say_how_far(barrier, wait, why, sizeof why);
            answer(barrier, wait, WEIR_BARRIER_NOT_REACHED, why);
        } else {
            answer(barrier, wait, WEIR_BARRIER_UNKNOWN,
                   "there was no connection to ask how far it has come");
        }
    }
    watch_limit(barrier);
}

/* ---- The end of a round ------------------------------------------------------------------ */

static bool is_reached(const struct weir_barrier *barrier, const struct weir_barrier_wait *wait)
{
    return wait->in_round && (int64_t)wait->need.replicas <= barrier->copies &&
           (!wait->need.disk || barrier->on_disk);
}

static void answer_reached(struct weir_barrier *barrier)
{
    struct weir_barrier_wait *wait;
    while ((wait = find(barrier, is_reached)) != NULL)
        answer(barrier, wait, WEIR_BARRIER_REACHED, "");
}

/* Said once when something is held up, and once when all has come through. */
static void say_waiting(struct weir_barrier *barrier, const struct weir_barrier_wait *held_up)
{
    char need[WEIR_DURABILITY_TEXT_MAX];
    if (held_up != NULL && !barrier->waiting_said)
        weir_log_warning(barrier->settings.log, "durability.waiting",
                         "need=%s replicas=%lld disk=%s",
                         weir_durability_write(held_up->need, need), (long long)barrier->copies,
                         barrier->on_disk ? "yes" : "no");
    else if (held_up == NULL && barrier->waiting_said)
        weir_log_info(barrier->settings.log, "durability.reached", "replicas=%lld",
                      (long long)barrier->copies);
    barrier->waiting_said = held_up != NULL;
}

static bool took_part(const struct weir_barrier *barrier, const struct weir_barrier_wait *wait)
{
    (void)barrier;
    return wait->in_round;
}

static void end_round(struct weir_barrier *barrier)
{
    struct weir_barrier_wait *held_up = find(barrier, took_part);
    bool told = barrier->picked_up && !barrier->lost;
    barrier->round = false;
    if (told)
        say_waiting(barrier, held_up);
    for (struct weir_barrier_wait *wait = barrier->first; wait != NULL; wait = wait->next) {
        wait->asked = wait->asked || (wait->in_round && told);
        wait->in_round = false;
    }
    watch_limit(barrier);
    if (barrier->first != NULL)
        kick(barrier, held_up != NULL ? PAUSE_MS : 0);
}

static void settle_answer(struct weir_barrier *barrier, enum weir_answer given,
                          const redisReply *reply)
{
    if (given == WEIR_ANSWER_UNKNOWN)
        barrier->lost = true;
    else if (given == WEIR_ANSWER_REFUSED)
        snprintf(barrier->refusal, sizeof barrier->refusal, "%s", reply->str);
    if (--barrier->owed == 0)
        end_round(barrier);
}

static void on_picked_up(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_barrier *barrier = user;
    int64_t found = 0;
    barrier->picked_up =
        given == WEIR_ANSWER_DONE && weir_reply_integer(reply, &found) && found == 1;
    barrier->elsewhere = given == WEIR_ANSWER_DONE && !barrier->picked_up;
    barrier->elsewhere_said = barrier->elsewhere_said && !barrier->picked_up;
    barrier->rounds += barrier->picked_up;
    if (barrier->picked_up) {
        barrier->copies = 0;
        answer_reached(barrier);
    }
    settle_answer(barrier, given, reply);
}

static void on_copies(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_barrier *barrier = user;
    int64_t copies;
    if (given == WEIR_ANSWER_DONE && barrier->picked_up && weir_reply_integer(reply, &copies)) {
        barrier->copies = barrier->told = copies;
        answer_reached(barrier);
    }
    settle_answer(barrier, given, reply);
}

static void on_disk_answer(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_barrier *barrier = user;
    int64_t local = 0;
    if (given == WEIR_ANSWER_DONE && barrier->picked_up) {
        if (barrier->disk == WEIR_DISK_BY_SETTINGS) {
            weir_disk_take_settings(&barrier->signs, reply);
            barrier->on_disk = weir_disk_settings_promise(&barrier->signs);
        } else {
            barrier->on_disk = weir_reply_integer(weir_reply_at(reply, 0), &local) && local >= 1;
        }
        answer_reached(barrier);
    }
    settle_answer(barrier, given, reply);
}

/* ---- A round ----------------------------------------------------------------------------- */

static bool send_own(struct weir_barrier *barrier, weir_link_answered *answered, int count,
                     const char **arguments)
{
    if (weir_link_send(&barrier->link, count, arguments, NULL, answered, barrier) != WEIR_OK)
        return false;
    barrier->owed++;
    return true;
}

/* Distinct numbers of replicas, least first, so that who asks for less need not wait for who asks
 * for more; what is beyond the room is asked for by a later round. */
static void collect_levels(struct weir_barrier *barrier, bool *disk)
{
    barrier->level_count = 0;
    *disk = false;
    for (struct weir_barrier_wait *wait = barrier->first; wait != NULL; wait = wait->next) {
        size_t at = 0;
        *disk |= wait->in_round && wait->need.disk;
        while (at < barrier->level_count && barrier->levels[at] < wait->need.replicas)
            at++;
        if (!wait->in_round || wait->need.replicas == 0 ||
            (at < barrier->level_count && barrier->levels[at] == wait->need.replicas) ||
            barrier->level_count == WEIR_BARRIER_LEVELS_MAX)
            continue;
        memmove(&barrier->levels[at + 1], &barrier->levels[at],
                (barrier->level_count - at) * sizeof barrier->levels[0]);
        barrier->levels[at] = wait->need.replicas;
        barrier->level_count++;
    }
}

/* The note lies there: pick it up, and wait behind it. */
static void wait_behind_note(struct weir_barrier *barrier)
{
    bool disk, sent;
    collect_levels(barrier, &disk);
    sent = send_own(barrier, on_picked_up, 2, (const char *[]){"DEL", barrier->note});
    for (size_t i = 0; sent && i < barrier->level_count; i++) {
        snprintf(barrier->numbers[i], sizeof barrier->numbers[i], "%u", barrier->levels[i]);
        sent = send_own(barrier, on_copies, 3,
                        (const char *[]){"WAIT", barrier->numbers[i], REPLICAS_SLICE_MS});
    }
    if (sent && disk && barrier->disk == WEIR_DISK_BY_WAITAOF)
        sent = send_own(barrier, on_disk_answer, 4,
                        (const char *[]){"WAITAOF", "1", "0", DISK_SLICE_MS});
    else if (sent && disk && barrier->disk == WEIR_DISK_BY_SETTINGS)
        sent = send_own(barrier, on_disk_answer, WEIR_DISK_ASK_SETTINGS);
    if (!sent && barrier->owed == 0) {
        barrier->lost = true;
        end_round(barrier);
    }
}

static void on_note(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_barrier *barrier = user;
    (void)reply;
    if (given == WEIR_ANSWER_DONE && !barrier->closed) {
        wait_behind_note(barrier);
        return;
    }
    barrier->lost = true; /* or the server takes no writes now: later again */
    end_round(barrier);
}

static bool came_before_connection(const struct weir_barrier *barrier,
                                   const struct weir_barrier_wait *wait)
{
    return wait->seen_on != barrier->settings.commits->reconnections;
}

static bool asks_in_vain(const struct weir_barrier *barrier, const struct weir_barrier_wait *wait)
{
    return wait->need.disk && barrier->disk == WEIR_DISK_NOT;
}

static void answer_hopeless(struct weir_barrier *barrier)
{
    struct weir_barrier_wait *wait;
    while ((wait = find(barrier, came_before_connection)) != NULL)
        answer(barrier, wait, WEIR_BARRIER_UNKNOWN,
               "the connection was lost since; what was seen before may be gone");
    while ((wait = find(barrier, asks_in_vain)) != NULL)
        answer(barrier, wait, WEIR_BARRIER_REFUSED, barrier->disk_why.text);
    watch_limit(barrier);
}

static void lay_note(struct weir_barrier *barrier)
{
    char name[48];
    snprintf(name, sizeof name, "note:%016llx", (unsigned long long)weir_random_seed());
    weir_key_named(barrier->note, barrier->settings.prefix, barrier->settings.service, name);
    barrier->round = true;
    barrier->lost = barrier->picked_up = barrier->on_disk = false;
    barrier->refusal[0] = '\0';
    barrier->copies = -1;
    barrier->owed = 0;
    for (struct weir_barrier_wait *wait = barrier->first; wait != NULL; wait = wait->next)
        wait->in_round = true;
    if (weir_link_send(barrier->settings.commits, 5,
                       (const char *[]){"SET", barrier->note, "", "PX", NOTE_LIFE_MS}, NULL,
                       on_note, barrier) != WEIR_OK) {
        barrier->lost = true;
        end_round(barrier);
    }
}

/* ---- What the server can do -------------------------------------------------------------- */

static bool is_stale(const struct weir_barrier *barrier)
{
    return barrier->disk == WEIR_DISK_NOT &&
           weir_clock_monotonic_ms() - barrier->asked_at >= ASK_AGAIN_MS;
}

/* Said once: it is asked until it is known. */
static void say_unknown(struct weir_barrier *barrier)
{
    bool unknown = barrier->disk == WEIR_DISK_UNASKED;
    if (unknown && !barrier->unknown_said)
        weir_log_warning(barrier->settings.log, "durability.unknown", "reason=%s",
                         barrier->disk_why.text);
    barrier->unknown_said = unknown;
}

static void judge(struct weir_barrier *barrier, enum weir_answer given)
{
    if (--barrier->signs_owed > 0 || given == WEIR_ANSWER_UNKNOWN || barrier->signs_missing)
        return;
    memset(&barrier->disk_why, 0, sizeof barrier->disk_why);
    barrier->disk = weir_disk_judge(&barrier->signs, &barrier->disk_why);
    barrier->asked_at = weir_clock_monotonic_ms();
    say_unknown(barrier);
    if (barrier->disk == WEIR_DISK_UNASKED) {
        kick(barrier, ROUND_MS);
        return;
    }
    if (barrier->settings.known != NULL)
        barrier->settings.known(barrier->settings.user,
                                barrier->disk == WEIR_DISK_NOT ? barrier->disk_why.text : NULL);
    kick(barrier, 0);
}

static void on_server(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_barrier *barrier = user;
    weir_disk_take_server(&barrier->signs, reply);
    judge(barrier, given);
}

static void on_waitaof(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_barrier *barrier = user;
    weir_disk_take_waitaof(&barrier->signs, reply);
    judge(barrier, given);
}

static void on_settings(void *user, enum weir_answer given, const redisReply *reply)
{
    struct weir_barrier *barrier = user;
    weir_disk_take_settings(&barrier->signs, reply);
    judge(barrier, given);
}

static void ask_sign(struct weir_barrier *barrier, weir_link_answered *answered, int count,
                     const char **arguments)
{
    if (weir_link_send(&barrier->link, count, arguments, NULL, answered, barrier) == WEIR_OK)
        barrier->signs_owed++;
    else
        barrier->signs_missing = true; /* no memory: nothing is concluded, and asked again */
}

static void ask_signs(struct weir_barrier *barrier)
{
    barrier->signs_missing = false;
    memset(&barrier->signs, 0, sizeof barrier->signs);
    ask_sign(barrier, on_server, WEIR_DISK_ASK_SERVER);
    ask_sign(barrier, on_waitaof, WEIR_DISK_ASK_WAITAOF);
    ask_sign(barrier, on_settings, WEIR_DISK_ASK_SETTINGS);
}

/* The own connection is to another server than the commits', or one of the two is stale. */
static void reconnect(struct weir_barrier *barrier)
{
    if (!barrier->elsewhere_said)
        weir_log_warning(barrier->settings.log, "durability.elsewhere", "server=%s",
                         barrier->settings.endpoint->shown);
    barrier->elsewhere_said = true;
    barrier->elsewhere = false;
    barrier->disk = WEIR_DISK_UNASKED;
    weir_link_close(&barrier->link);
    weir_link_open(&barrier->link);
}

static void begin_round(struct weir_barrier *barrier)
{
    if (barrier->closed || barrier->round || barrier->signs_owed > 0)
        return;
    if (barrier->first == NULL) {
        if (barrier->disk == WEIR_DISK_UNASKED && barrier->link.state == WEIR_LINK_READY)
            ask_signs(barrier); /* somebody may wait for `known` */
        return;
    }
    if (barrier->elsewhere)
        reconnect(barrier);
    if (barrier->link.state != WEIR_LINK_READY ||
        barrier->settings.commits->state != WEIR_LINK_READY) {
        kick(barrier, PAUSE_MS);
        return;
    }
    if (barrier->disk == WEIR_DISK_UNASKED || is_stale(barrier)) {
        ask_signs(barrier);
        kick(barrier, PAUSE_MS);
        return;
    }
    answer_hopeless(barrier);
    if (barrier->first != NULL && !barrier->round)
        lay_note(barrier);
}

static void on_kick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_barrier *barrier = timer->data;
    (void)loop;
    (void)events;
    begin_round(barrier);
}

/* ---- Life -------------------------------------------------------------------------------- */

static void on_ready(void *user)
{
    struct weir_barrier *barrier = user;
    barrier->signs_owed = 0;
    ask_signs(barrier);
}

static void on_lost(void *user, const struct weir_error *error)
{
    struct weir_barrier *barrier = user;
    (void)error; /* the link has said so, and comes back */
    barrier->disk = WEIR_DISK_UNASKED;
    barrier->signs_owed = 0;
}

void weir_barrier_init(struct weir_barrier *barrier, const struct weir_barrier_settings *settings)
{
    struct weir_link_settings link = {
        .loop = settings->loop,
        .endpoint = settings->endpoint,
        .log = settings->log,
        .role = "durability",
        .client_name = settings->service,
        .silence_limit_ms = SILENCE_MS,
        .user = barrier,
        .ready = on_ready,
        .lost = on_lost,
    };
    memset(barrier, 0, sizeof *barrier);
    barrier->settings = *settings;
    barrier->copies = barrier->told = -1;
    weir_link_init(&barrier->link, &link);
    ev_timer_init(&barrier->kick, on_kick, 0., 0.);
    ev_timer_init(&barrier->limit, on_limit, 0., 0.);
    barrier->kick.data = barrier->limit.data = barrier;
}

void weir_barrier_open(struct weir_barrier *barrier)
{
    if (barrier->open || barrier->closed)
        return;
    barrier->open = true;
    weir_link_open(&barrier->link);
}

bool weir_barrier_submit(struct weir_barrier *barrier, struct weir_barrier_wait *wait)
{
    if (barrier->closed)
        return false;
    weir_barrier_open(barrier);
    wait->deadline = weir_clock_monotonic_ms() + (wait->limit_ms > 0 ? wait->limit_ms : 0);
    wait->in_round = wait->asked = false;
    wait->next = NULL;
    wait->previous = barrier->last;
    *(barrier->last ? &barrier->last->next : &barrier->first) = wait;
    barrier->last = wait;
    if (!ev_is_active(&barrier->limit) ||
        (double)wait->limit_ms / 1000. <
            ev_timer_remaining(barrier->settings.loop, &barrier->limit))
        set_timer(barrier, &barrier->limit, wait->limit_ms);
    kick(barrier, 0);
    return true;
}

void weir_barrier_cancel(struct weir_barrier *barrier, struct weir_barrier_wait *wait)
{
    unlink_wait(barrier, wait);
}

enum weir_disk weir_barrier_disk(const struct weir_barrier *barrier, const char **why)
{
    *why = barrier->disk_why.text;
    return is_stale(barrier) ? WEIR_DISK_UNASKED : barrier->disk;
}

void weir_barrier_close(struct weir_barrier *barrier)
{
    if (barrier->settings.loop == NULL || barrier->closed)
        return;
    barrier->closed = true;
    ev_timer_stop(barrier->settings.loop, &barrier->kick);
    ev_timer_stop(barrier->settings.loop, &barrier->limit);
    weir_link_close(&barrier->link);
    while (barrier->first != NULL)
        answer(barrier, barrier->first, WEIR_BARRIER_UNKNOWN, "the worker stops");
    ev_timer_stop(barrier->settings.loop, &barrier->kick);
    ev_timer_stop(barrier->settings.loop, &barrier->limit);
}
