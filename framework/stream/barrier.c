/* Waits until what this process has seen has reached replicas or the disk. */
#include "stream/barrier.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define SILENCE_MS 10000
#define PAUSE_MS 50  /* between rounds for what has not been reached */
#define ROUND_MS 250 /* at the least, where it has not reached all */

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
    char need[WEIR_DURABILITY_TEXT_MAX], told[WEIR_REACH_TEXT_MAX];
    const char *refusal = barrier->round.refusal;
    weir_durability_describe(wait->need, need);
    weir_reach_tell(barrier->round.told, wait->need, told);
    snprintf(text, room, "it has not reached %s within %lld ms%s%s", need,
             (long long)wait->limit_ms, refusal[0] != '\0' ? ": " : told, refusal);
}

static bool links_ready(const struct weir_barrier *barrier)
{
    return barrier->link.state == WEIR_LINK_READY &&
           barrier->settings.commits->state == WEIR_LINK_READY;
}

static void say_why_unasked(const struct weir_barrier *barrier, char *text, size_t room)
{
    const char *refusal = barrier->round.refusal;
    if (refusal[0] == '\0' && barrier->ability.disk == WEIR_DISK_UNASKED)
        refusal = barrier->ability.why.text;
    if (barrier->elsewhere_said)
        snprintf(text, room,
                 "there was no connection to the same server to ask how far it has come");
    else if (!links_ready(barrier))
        snprintf(text, room, "there was no connection to ask how far it has come");
    else if (refusal[0] != '\0')
        snprintf(text, room, "it could not be asked how far it has come: %s", refusal);
    else
        snprintf(text, room, "the server has not told in time how far it has come");
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_barrier *barrier = timer->data;
    struct weir_barrier_wait *wait;
    char why[384];
    (void)loop;
    (void)events;
    while ((wait = find(barrier, is_over)) != NULL) {
        if (wait->asked) {
            say_how_far(barrier, wait, why, sizeof why);
            answer(barrier, wait, WEIR_BARRIER_NOT_REACHED, why);
        } else {
            say_why_unasked(barrier, why, sizeof why);
            answer(barrier, wait, WEIR_BARRIER_UNKNOWN, why);
        }
    }
    watch_limit(barrier);
}

/* ---- A round ----------------------------------------------------------------------------- */

static bool is_reached(const struct weir_barrier *barrier, const struct weir_barrier_wait *wait)
{
    return wait->in_round && weir_reach_suffices(&barrier->round.reach, wait->need);
}

static void on_progress(void *user)
{
    struct weir_barrier *barrier = user;
    struct weir_barrier_wait *wait;
    while ((wait = find(barrier, is_reached)) != NULL)
        answer(barrier, wait, WEIR_BARRIER_REACHED, "");
}

/* Said once when something is held up, and once when all has come through. */
static void say_waiting(struct weir_barrier *barrier, const struct weir_barrier_wait *held_up)
{
    char need[WEIR_DURABILITY_TEXT_MAX];
    const struct weir_reach *reach = &barrier->round.reach;
    if (held_up != NULL && !barrier->waiting_said)
        weir_log_warning(barrier->settings.log, "durability.waiting",
                         "need=%s replicas=%lld disk=%s",
                         weir_durability_write(held_up->need, need), (long long)reach->copies,
                         reach->on_disk ? "yes" : "no");
    else if (held_up == NULL && barrier->waiting_said)
        weir_log_info(barrier->settings.log, "durability.reached", "replicas=%lld",
                      (long long)reach->copies);
    barrier->waiting_said = held_up != NULL;
}

static bool took_part(const struct weir_barrier *barrier, const struct weir_barrier_wait *wait)
{
    (void)barrier;
    return wait->in_round;
}

/* Not at once again where the answers came at once, as refusals do. */
static int64_t pause_after_round(const struct weir_barrier *barrier)
{
    int64_t left = barrier->round.begun_at + ROUND_MS - weir_clock_monotonic_ms();
    return left > PAUSE_MS ? left : PAUSE_MS;
}

static void learn_of_disk(struct weir_barrier *barrier)
{
    if (barrier->round.disk_told == WEIR_REACH_DISK_TOLD)
        weir_ability_confirm(&barrier->ability);
    else if (barrier->round.disk_told == WEIR_REACH_DISK_CANNOT)
        weir_ability_doubt(&barrier->ability);
}

static void on_round_ended(void *user)
{
    struct weir_barrier *barrier = user;
    struct weir_barrier_wait *held_up = find(barrier, took_part);
    bool told = barrier->round.picked_up && !barrier->round.lost;
    learn_of_disk(barrier);
    if (told)
        say_waiting(barrier, held_up);
    if (barrier->round.picked_up)
        barrier->elsewhere_said = false;
    for (struct weir_barrier_wait *wait = barrier->first; wait != NULL; wait = wait->next) {
        wait->asked = wait->asked || (wait->in_round && told);
        wait->in_round = false;
    }
    watch_limit(barrier);
    if (barrier->first != NULL)
        kick(barrier, held_up != NULL ? pause_after_round(barrier) : 0);
}

static bool came_before_connection(const struct weir_barrier *barrier,
                                   const struct weir_barrier_wait *wait)
{
    return wait->seen_on != barrier->settings.commits->reconnections;
}

static bool asks_in_vain(const struct weir_barrier *barrier, const struct weir_barrier_wait *wait)
{
    return wait->need.disk && barrier->ability.disk == WEIR_DISK_NOT;
}

/* The others find out for themselves what the server can do. */
static bool relies_on_judgement(const struct weir_barrier *barrier,
                                const struct weir_barrier_wait *wait)
{
    return asks_in_vain(barrier, wait) || !weir_durability_wanted(wait->need);
}

static void answer_hopeless(struct weir_barrier *barrier)
{
    struct weir_barrier_wait *wait;
    while ((wait = find(barrier, came_before_connection)) != NULL)
        answer(barrier, wait, WEIR_BARRIER_UNKNOWN,
               "the connection was lost since; what was seen before may be gone");
    while ((wait = find(barrier, asks_in_vain)) != NULL)
        answer(barrier, wait, WEIR_BARRIER_REFUSED, barrier->ability.why.text);
    watch_limit(barrier);
}

/* The own connection is to another server than the commits', or one of the two is stale. */
static void reconnect(struct weir_barrier *barrier)
{
    if (!barrier->elsewhere_said)
        weir_log_warning(barrier->settings.log, "durability.elsewhere", "server=%s",
                         barrier->settings.endpoint->shown);
    barrier->elsewhere_said = true;
    barrier->round.elsewhere = false;
    weir_link_close(&barrier->link);
    weir_ability_reset(&barrier->ability);
    weir_link_open(&barrier->link);
}

static void ask_ability(struct weir_barrier *barrier)
{
    if (barrier->link.state == WEIR_LINK_READY && !weir_ability_ask(&barrier->ability))
        kick(barrier, ROUND_MS); /* no memory */
}

static void begin_round(struct weir_barrier *barrier)
{
    answer_hopeless(barrier);
    if (barrier->first == NULL)
        return;
    for (struct weir_barrier_wait *wait = barrier->first; wait != NULL; wait = wait->next) {
        wait->in_round = true;
        weir_round_want(&barrier->round, wait->need);
    }
    weir_round_begin(&barrier->round, barrier->ability.disk);
}

/* What comes next: the connections, what the server can do, a round. Each that ends kicks again. */
static void go_on(struct weir_barrier *barrier)
{
    if (barrier->closed || barrier->round.under_way || barrier->ability.owed > 0)
        return;
    if (barrier->round.elsewhere && barrier->first != NULL)
        reconnect(barrier);
    if (!links_ready(barrier) && barrier->first != NULL)
        kick(barrier, PAUSE_MS);
    else if (barrier->ability.disk == WEIR_DISK_UNASKED)
        ask_ability(barrier); /* also where nothing waits: somebody may wait for `known` */
    else if (weir_ability_is_stale(&barrier->ability) && find(barrier, relies_on_judgement) != NULL)
        ask_ability(barrier);
    else
        begin_round(barrier);
}

static void on_kick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_barrier *barrier = timer->data;
    (void)loop;
    (void)events;
    go_on(barrier);
}

/* ---- Life -------------------------------------------------------------------------------- */

static void on_ready(void *user)
{
    ask_ability(user);
}

static void on_lost(void *user, const struct weir_error *error)
{
    struct weir_barrier *barrier = user;
    (void)error; /* the link has said so, and comes back */
    weir_ability_reset(&barrier->ability);
}

static void on_judged(void *user)
{
    struct weir_barrier *barrier = user;
    kick(barrier, barrier->ability.disk == WEIR_DISK_UNASKED ? ROUND_MS : 0);
}

static void on_known(void *user, const char *why)
{
    const struct weir_barrier *barrier = user;
    if (barrier->settings.known != NULL)
        barrier->settings.known(barrier->settings.user, why);
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
    struct weir_round_settings round = {
        .commits = settings->commits,
        .own = &barrier->link,
        .prefix = settings->prefix,
        .service = settings->service,
        .user = barrier,
        .progress = on_progress,
        .ended = on_round_ended,
    };
    struct weir_ability_settings ability = {
        .link = &barrier->link,
        .log = settings->log,
        .user = barrier,
        .judged = on_judged,
        .known = on_known,
    };
    memset(barrier, 0, sizeof *barrier);
    barrier->settings = *settings;
    weir_link_init(&barrier->link, &link);
    weir_ability_init(&barrier->ability, &ability);
    weir_round_init(&barrier->round, &round);
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
    *why = barrier->ability.why.text;
    return weir_ability_is_stale(&barrier->ability) ? WEIR_DISK_UNASKED : barrier->ability.disk;
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
