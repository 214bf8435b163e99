/* Shares the runs of equal questions and repeats those that are watched. */
#include "dashboard/board.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define WAITING_MAX 64
#define DEAR_WAITING_MAX 4
#define QUESTIONS_MAX 128
#define TICK_S 0.25
#define WATCH_MS 1000
#define DEAR_TIMES 10         /* asks a tenth of the time at the most */
#define DEAR_BYTES_PER_MS 100 /* and 100 KB a second */
#define HUNG_MS 3000
#define WHY_ROOM 512

struct weir_question {
    struct weir_board *board;
    char *key;
    struct weir_job job;
    bool running, answered;
    bool outdated; /* something was changed while it ran */
    bool repeated; /* it runs again for that reason: those who wait are answered in any case */
    struct weir_listener *listeners;
    struct weir_run last;
    uint64_t version;
    int64_t due_ms;
    struct weir_question *next;
};

struct weir_board {
    struct weir_clerk *clerk, *patient; /* the second for what is dear */
    struct ev_loop *loop;
    ev_timer tick;
    struct weir_question *questions;
    size_t count, running; /* runs of the first clerk */
    int64_t progress_ms;   /* when one of them last ended, or began with none before it */
    bool lost;
    char why[WHY_ROOM];
    int64_t answered_at_ms; /* the last answer, by the server's clock; 0: none yet */
    int64_t answered_ms;    /* by ours; none yet: when we began */
};

/* ---- Trouble ----------------------------------------------------------------------------- */

bool weir_run_lost(const struct weir_run *answer)
{
    return answer->code == WEIR_EXIT_NO_SERVER ||
           (answer->code == WEIR_EXIT_FAILED && !answer->reached);
}

void weir_board_note(struct weir_board *board, const struct weir_run *answer)
{
    const char *why = answer->no_master ? answer->no_master : answer->remarks;
    if (weir_run_lost(answer) || answer->no_master) {
        board->lost = true;
        weir_copy(board->why, sizeof(board->why), why ? why : "");
    } else if (answer->reached) {
        board->lost = false;
        board->why[0] = '\0';
        board->answered_at_ms = answer->at_ms;
        board->answered_ms = weir_clock_monotonic_ms();
    }
}

bool weir_board_in_trouble(const struct weir_board *board, int64_t *since_ms)
{
    bool hung = board->running > 0 && weir_clock_monotonic_ms() - board->progress_ms > HUNG_MS;
    *since_ms = board->answered_at_ms;
    return board->lost || hung;
}

const char *weir_board_why(const struct weir_board *board)
{
    return board->why;
}

int64_t weir_board_silent_ms(const struct weir_board *board)
{
    return weir_clock_passed_ms(board->answered_ms, weir_clock_monotonic_ms());
}

int64_t weir_board_now_ms(const struct weir_board *board)
{
    return board->answered_at_ms == 0
               ? 0
               : board->answered_at_ms + weir_clock_monotonic_ms() - board->answered_ms;
}

/* ---- Questions --------------------------------------------------------------------------- */

static bool is_dear(const struct weir_question *question)
{
    return question->job.words.route->dear;
}

static void forget(struct weir_question *question)
{
    struct weir_question **at = &question->board->questions;
    while (*at != question)
        at = &(*at)->next;
    *at = question->next;
    question->board->count--;
    free(question->key);
    weir_words_close(&question->job.words);
    weir_run_close(&question->last);
    free(question);
}

static void forget_unless_wanted(struct weir_question *question)
{
    if (!question->listeners && !question->running)
        forget(question);
}

static int64_t pause_of(const struct weir_question *question)
{
    const struct weir_run *last = &question->last;
    int64_t pause = WATCH_MS, each = question->job.words.route->every_ms;
    if (pause < each)
        pause = each;
    if (pause < last->took_ms * DEAR_TIMES)
        pause = last->took_ms * DEAR_TIMES;
    if (pause < (int64_t)last->length / DEAR_BYTES_PER_MS)
        pause = (int64_t)last->length / DEAR_BYTES_PER_MS;
    return pause;
}

static bool text_equal(const char *one, const char *other)
{
    return one == other || (one && other && strcmp(one, other) == 0);
}

static bool answers_equal(const struct weir_run *one, const struct weir_run *other)
{
    return one->code == other->code && one->length == other->length &&
           text_equal(one->result, other->result) && text_equal(one->remarks, other->remarks);
}

/* An answer that was lost hides none that came. */
static void keep(struct weir_question *question, struct weir_run *answer)
{
    if (weir_run_lost(answer))
        return;
    if (!question->answered || !answers_equal(&question->last, answer))
        question->version++;
    weir_run_close(&question->last);
    question->last = *answer;
    *answer = (struct weir_run){0};
    question->answered = true;
}

static void tell_each(struct weir_listener *listener, bool once, const struct weir_run *answer)
{
    for (struct weir_listener *next; listener; listener = next) {
        next = listener->next;
        if (listener->once == once)
            listener->heard(listener, answer);
    }
}

/* Those who want it once, who leave by that. */
static struct weir_listener *take_once(struct weir_question *question)
{
    struct weir_listener *listener, *once = NULL, **at = &question->listeners;
    while ((listener = *at)) {
        if (!listener->once) {
            at = &listener->next;
            continue;
        }
        *at = listener->next;
        listener->next = once;
        listener->question = NULL;
        once = listener;
    }
    return once;
}

static bool is_wanted_once(const struct weir_question *question)
{
    const struct weir_listener *listener = question->listeners;
    while (listener && !listener->once)
        listener = listener->next;
    return listener != NULL;
}

static bool start(struct weir_question *question);

/* Who has changed something, and then asks, is not told what was so before. */
static bool start_again(struct weir_question *question)
{
    bool again = question->outdated && !question->repeated && is_wanted_once(question);
    question->outdated = false;
    question->repeated = again && start(question);
    return question->repeated;
}

static void on_done(struct weir_job *job)
{
    struct weir_question *question = job->user;
    struct weir_board *board = question->board;
    struct weir_run answer = job->answer;
    int64_t now = weir_clock_monotonic_ms();
    bool lost = weir_run_lost(&answer);
    job->answer = (struct weir_run){0};
    if (!is_dear(question)) {
        board->running--;
        board->progress_ms = now;
    }
    weir_board_note(board, &answer);
    keep(question, &answer);
    question->due_ms = question->outdated ? now : now + (lost ? WATCH_MS : pause_of(question));
    bool again = start_again(question);
    struct weir_listener *once = again ? NULL : take_once(question);
    tell_each(question->listeners, false, lost ? &answer : &question->last);
    tell_each(once, true, lost ? &answer : &question->last);
    question->running = again;
    weir_run_close(&answer);
    forget_unless_wanted(question);
}

static bool start(struct weir_question *question)
{
    struct weir_board *board = question->board;
    question->job.done = on_done;
    question->job.user = question;
    bool dear = is_dear(question);
    if (!weir_clerk_submit(dear ? board->patient : board->clerk, &question->job))
        return false;
    if (!dear && board->running++ == 0)
        board->progress_ms = weir_clock_monotonic_ms();
    question->running = true;
    return true;
}

/* ---- Listening --------------------------------------------------------------------------- */

static struct weir_question *find(struct weir_board *board, const char *key)
{
    struct weir_question *question = board->questions;
    while (question && strcmp(question->key, key) != 0)
        question = question->next;
    return question;
}

static struct weir_question *add(struct weir_board *board, char *key_take,
                                 struct weir_words *words_take, struct weir_error *error)
{
    struct weir_question *question =
        board->count < QUESTIONS_MAX ? calloc(1, sizeof(*question)) : NULL;
    if (!question) {
        weir_error_set(error, WEIR_TOO_LARGE, "too much is asked at once; try again");
        free(key_take);
        weir_words_close(words_take);
        return NULL;
    }
    question->board = board;
    question->key = key_take;
    question->job.words = *words_take;
    *words_take = (struct weir_words){0};
    question->next = board->questions;
    board->questions = question;
    board->count++;
    return question;
}

enum weir_status weir_board_listen(struct weir_board *board, struct weir_words *words_take,
                                   struct weir_listener *listener, struct weir_error *error)
{
    if (words_take->route->dear && !listener->once) {
        weir_words_close(words_take);
        return weir_error_set(error, WEIR_INVALID, "this is too dear to be watched");
    }
    char *key = weir_words_key(words_take);
    struct weir_question *question = key ? find(board, key) : NULL;
    if (!key) {
        weir_words_close(words_take);
        return weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    }
    if (question) {
        free(key);
        weir_words_close(words_take);
    } else {
        question = add(board, key, words_take, error);
    }
    if (!question)
        return error->status;
    bool wanted = listener->once || !question->answered;
    if (wanted && !question->running && !start(question)) {
        forget_unless_wanted(question);
        return weir_error_set(error, WEIR_TOO_LARGE, "too much is asked at once; try again");
    }
    listener->question = question;
    listener->next = question->listeners;
    question->listeners = listener;
    return WEIR_OK;
}

void weir_listener_leave(struct weir_listener *listener)
{
    struct weir_question *question = listener->question;
    if (!question)
        return;
    struct weir_listener **at = &question->listeners;
    while (*at != listener)
        at = &(*at)->next;
    *at = listener->next;
    listener->question = NULL;
    forget_unless_wanted(question);
}

const struct weir_run *weir_listener_last(const struct weir_listener *listener)
{
    return listener->question && listener->question->answered ? &listener->question->last : NULL;
}

uint64_t weir_listener_version(const struct weir_listener *listener)
{
    return listener->question ? listener->question->version : 0;
}

/* ---- The tick ---------------------------------------------------------------------------- */

/* Too many waiting: the next tick tries again. */
static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_board *board = timer->data;
    int64_t now = weir_clock_monotonic_ms();
    (void)loop, (void)events;
    for (struct weir_question *question = board->questions; question; question = question->next)
        if (!question->running && question->listeners && question->due_ms <= now &&
            !start(question))
            return;
}

void weir_board_hurry(struct weir_board *board)
{
    for (struct weir_question *question = board->questions; question; question = question->next)
        question->due_ms = 0, question->outdated = question->running && !is_dear(question);
    ev_feed_event(board->loop, &board->tick, EV_TIMER);
}

struct weir_board *weir_board_open(struct ev_loop *loop, const char *redis, const char *prefix,
                                   struct weir_error *error)
{
    struct weir_board *board = calloc(1, sizeof(*board));
    if (!board) {
        weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
        return NULL;
    }
    board->loop = loop;
    board->answered_ms = weir_clock_monotonic_ms();
    board->clerk = weir_clerk_open(loop, redis, prefix, WAITING_MAX, error);
    if (board->clerk)
        board->patient = weir_clerk_open(loop, redis, prefix, DEAR_WAITING_MAX, error);
    if (!board->patient) {
        (void)weir_clerk_close(board->clerk, 0);
        free(board);
        return NULL;
    }
    ev_timer_init(&board->tick, on_tick, TICK_S, TICK_S);
    board->tick.data = board;
    ev_timer_start(loop, &board->tick);
    return board;
}

bool weir_board_close(struct weir_board *board, int64_t limit_ms)
{
    if (!board)
        return true;
    ev_timer_stop(board->loop, &board->tick);
    bool ended = weir_clerk_close(board->clerk, limit_ms);
    if (!weir_clerk_close(board->patient, ended ? limit_ms : 0) || !ended)
        return false;
    for (struct weir_question *question; (question = board->questions);) {
        for (struct weir_listener *at = question->listeners; at; at = at->next)
            at->question = NULL;
        weir_run_close(&question->job.answer);
        forget(question);
    }
    free(board);
    return true;
}
