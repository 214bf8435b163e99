/* Answers what is asked below /api/. */
#include "dashboard/api.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dashboard/body.h"
#include "dashboard/problem.h"
#include "dashboard/trouble.h"

#define WAIT_MS 8000
#define DEAR_WAIT_MS 27000 /* within the limit of the HTTP server */
#define SWEEP_S .5
#define ANSWER_MAX 16777216
#define API "/api/"
#define NOBODY "who has the token" /* that acts without a name */

/* Somebody who waits for an answer. */
struct asker {
    struct weir_listener listener;
    struct weir_api *api;
    struct weir_http_request *request;
    int64_t until_ms;
    struct asker *next;
};

/* An action under way; it is done, though whoever wanted it may have gone. */
struct action {
    struct weir_job job;
    struct weir_api *api;
    struct weir_http_request *request; /* NULL: gone */
    char *what;                        /* for the log */
    struct action *next;
};

struct weir_api {
    struct weir_api_settings settings;
    ev_timer sweep;
    struct asker *askers;
    struct action *actions;
};

/* ---- Refusals ---------------------------------------------------------------------------- */

static void refuse_error(struct weir_http_request *request, const struct weir_error *error)
{
    unsigned status = 503;
    if (error->status == WEIR_NOT_FOUND)
        status = 404;
    else if (error->status == WEIR_INVALID)
        status = 400;
    weir_respond_problem(request, status, error->text);
}

/* `why` "": whoever asks is told no more than that. */
static void refuse_for_trouble(struct weir_api *api, struct weir_http_request *request,
                               const char *why)
{
    struct weir_text sentence = {0};
    int64_t since_ms;
    (void)weir_board_in_trouble(api->settings.board, &since_ms);
    weir_trouble_append(&sentence, since_ms, why);
    weir_respond_problem(request, 503, sentence.at ? sentence.at : "no answer from the server");
    weir_text_close(&sentence);
}

/* ---- Showing ----------------------------------------------------------------------------- */

static void forget_asker(struct asker *asker)
{
    struct asker **at = &asker->api->askers;
    while (*at != asker)
        at = &(*at)->next;
    *at = asker->next;
    weir_listener_leave(&asker->listener);
    free(asker);
}

static void on_asker_gone(void *user)
{
    forget_asker(user);
}

static void on_heard(struct weir_listener *listener, const struct weir_run *answer)
{
    struct asker *asker = (struct asker *)((char *)listener - offsetof(struct asker, listener));
    struct weir_http_request *request = asker->request;
    struct weir_api *api = asker->api;
    forget_asker(asker);
    if (weir_run_lost(answer))
        refuse_for_trouble(api, request, weir_board_why(api->settings.board));
    else if (answer->length > ANSWER_MAX)
        weir_respond_problem(request, 413, "the answer is too large; ask for fewer by limit");
    else
        weir_respond_run(request, answer, false);
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct weir_api *api = timer->data;
    int64_t now = weir_clock_monotonic_ms();
    (void)loop, (void)events;
    for (struct asker *asker = api->askers, *next; asker; asker = next) {
        struct weir_http_request *request = asker->request;
        next = asker->next;
        if (now < asker->until_ms)
            continue;
        forget_asker(asker);
        refuse_for_trouble(api, request, weir_board_why(api->settings.board));
    }
}

static void show(struct weir_api *api, struct weir_http_request *request, const char *path)
{
    struct weir_words words;
    struct weir_error error = {0};
    struct asker *asker = calloc(1, sizeof(*asker));
    if (!asker) {
        weir_respond_problem(request, 503, "memory ran out");
        return;
    }
    asker->api = api;
    asker->request = request;
    asker->listener = (struct weir_listener){.heard = on_heard, .once = true};
    enum weir_status status =
        weir_route_words_of(weir_http_target(request), path, false, &words, &error);
    if (status == WEIR_OK) {
        asker->until_ms = weir_clock_monotonic_ms() + (words.route->dear ? DEAR_WAIT_MS : WAIT_MS);
        status = weir_board_listen(api->settings.board, &words, &asker->listener, &error);
    }
    if (status != WEIR_OK) {
        free(asker);
        refuse_error(request, &error);
        return;
    }
    asker->next = api->askers;
    api->askers = asker;
    weir_http_defer(request, on_asker_gone, asker);
}

/* ---- Acting ------------------------------------------------------------------------------ */

static void free_action(struct action *action)
{
    weir_words_close(&action->job.words);
    weir_run_close(&action->job.answer);
    free(action->what);
    free(action);
}

static void unlink_action(struct action *action)
{
    struct action **at = &action->api->actions;
    while (*at != action)
        at = &(*at)->next;
    *at = action->next;
}

static void on_action_gone(void *user)
{
    struct action *action = user;
    action->request = NULL;
}

static const char *outcome_of(const struct weir_run *answer)
{
    if (answer->unknown || answer->code == WEIR_EXIT_WAITED)
        return "unknown";
    return weir_run_status(answer, true) == 200 ? "done" : "failed";
}

static void on_action_done(struct weir_job *job)
{
    struct action *action = job->user;
    struct weir_api *api = action->api;
    struct weir_run *answer = &job->answer;
    unlink_action(action);
    weir_board_note(api->settings.board, answer);
    weir_board_hurry(api->settings.board);
    weir_care_count(api->settings.care, WEIR_CARE_ACTIONS, outcome_of(answer));
    weir_log_info(api->settings.log, "dashboard.action", "action=%s exit=%d ms=%lld", action->what,
                  answer->code, (long long)answer->took_ms);
    if (action->request && answer->unknown)
        weir_respond_problem(action->request, 504,
                             answer->remarks ? answer->remarks
                                             : "the answer was lost; it may or may not be done");
    else if (action->request)
        weir_respond_run(action->request, answer, true);
    free_action(action);
}

/* The words by which the log tells what was done: those of the command line, without data. */
static char *describe(const struct weir_words *words)
{
    struct weir_text text = {0};
    for (int i = 0; i < words->count; i++)
        if (strncmp(words->words[i], "--data=", 7) != 0 && strcmp(words->words[i], "--") != 0)
            weir_text_format(&text, "%s%s", text.length > 0 ? " " : "", words->words[i]);
    if (text.failed)
        weir_text_close(&text);
    return text.at;
}

static void begin_action(struct weir_api *api, struct weir_http_request *request,
                         struct weir_words *words_take)
{
    struct action *action = calloc(1, sizeof(*action));
    if (!action) {
        weir_words_close(words_take);
        weir_respond_problem(request, 503, "memory ran out");
        return;
    }
    action->api = api;
    action->request = request;
    action->what = describe(words_take);
    action->job = (struct weir_job){.words = *words_take, .done = on_action_done, .user = action};
    if (!weir_clerk_submit(api->settings.actions, &action->job)) {
        free_action(action);
        weir_respond_problem(request, 503, "too many actions wait already; try again");
        return;
    }
    action->next = api->actions;
    api->actions = action;
    weir_http_defer(request, on_action_gone, action);
}

static void act(struct weir_api *api, struct weir_http_request *request, const char *path)
{
    struct weir_body body;
    struct weir_words words = {0};
    struct weir_error error = {0};
    enum weir_status status = weir_body_read(&body, weir_http_body(request), &error);
    if (status == WEIR_OK && weir_http_target(request)->count > 0)
        status = weir_error_set(&error, WEIR_INVALID, "an action's options stand in the body");
    if (status == WEIR_OK)
        status = weir_body_sign(&body, NOBODY, &error);
    if (status == WEIR_OK)
        status = weir_route_words(path, true, body.arguments, body.count, &words, &error);
    if (status == WEIR_OK)
        begin_action(api, request, &words);
    else
        refuse_error(request, &error);
    weir_body_close(&body);
}

/* ---- What the dashboard itself knows ----------------------------------------------------- */

static void answer_info(struct weir_api *api, struct weir_http_request *request)
{
    struct weir_text text = {0};
    weir_first_append_info(api->settings.first, weir_http_header(request, "Authorization"), &text);
    if (text.failed)
        weir_respond_problem(request, 503, "memory ran out");
    else
        weir_respond_json(request, 200, text.at, text.length);
    weir_text_close(&text);
}

static void answer_history(struct weir_api *api, struct weir_http_request *request)
{
    struct weir_text text = {0};
    weir_history_append(api->settings.history, &text);
    if (text.failed)
        weir_respond_problem(request, 503, "memory ran out");
    else
        weir_respond_json(request, 200, text.at, text.length);
    weir_text_close(&text);
}

/* For whoever has started us, and a proxy before us; says nothing else, and needs no name. */
static void answer_ready(struct weir_api *api, struct weir_http_request *request)
{
    int64_t since_ms;
    if (!weir_board_in_trouble(api->settings.board, &since_ms) && since_ms > 0)
        weir_http_answer_text(request, 200, "ok\n");
    else
        refuse_for_trouble(api, request, "");
}

/* ---- The way in -------------------------------------------------------------------------- */

void weir_api_handle(struct weir_api *api, struct weir_http_request *request)
{
    const char *path = weir_http_path(request);
    bool is_api = strncmp(path, API, sizeof(API) - 1) == 0;
    if (strcmp(path, "/readyz") == 0 && weir_http_method(request) != WEIR_HTTP_POST) {
        answer_ready(api, request);
        return;
    }
    if (!weir_door_admit(api->settings.door, request, is_api))
        return;
    path += is_api ? sizeof(API) - 1 : 0;
    if (!is_api)
        weir_respond_problem(request, 404, "there is nothing here");
    else if (weir_http_method(request) == WEIR_HTTP_POST)
        act(api, request, path);
    else if (strcmp(path, "info") == 0)
        answer_info(api, request);
    else if (strcmp(path, "history") == 0)
        answer_history(api, request);
    else if (strcmp(path, "live") == 0)
        weir_live_begin(api->settings.live, request);
    else
        show(api, request, path);
}

size_t weir_api_in_hand(const struct weir_api *api)
{
    size_t count = 0;
    for (const struct action *action = api->actions; action; action = action->next)
        count++;
    return count;
}

struct weir_api *weir_api_open(const struct weir_api_settings *settings)
{
    struct weir_api *api = calloc(1, sizeof(*api));
    if (!api)
        return NULL;
    api->settings = *settings;
    ev_timer_init(&api->sweep, on_sweep, SWEEP_S, SWEEP_S);
    api->sweep.data = api;
    ev_timer_start(settings->loop, &api->sweep);
    return api;
}

void weir_api_close(struct weir_api *api)
{
    if (!api)
        return;
    ev_timer_stop(api->settings.loop, &api->sweep);
    for (struct action *action; (action = api->actions);) {
        api->actions = action->next;
        free_action(action);
    }
    free(api);
}
