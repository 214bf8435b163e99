/* Judges requests as they come, and slows wrong tokens down. */
#include "dashboard/door.h"

#include <stdlib.h>

#include "dashboard/problem.h"

#define WRONG_TOKEN_S 1.

/* A wrong token, which is told so after a while. */
struct guess {
    ev_timer timer;
    struct weir_door *door;
    struct weir_http_request *request;
    struct guess *next;
};

struct weir_door {
    struct ev_loop *loop;
    const struct weir_access *access;
    struct weir_log *log;
    struct weir_care *care;
    struct guess *guesses;
    size_t guess_count;
};

static void log_refusal(const struct weir_door *door, struct weir_http_request *request,
                        const char *why)
{
    const char *host = weir_http_header(request, "Host");
    weir_care_count(door->care, WEIR_CARE_REFUSALS, why);
    weir_log_warning(door->log, "dashboard.refused", "why=%s path=%s host=%s", why,
                     weir_http_path(request), host);
}

static void forget_guess(struct guess *guess)
{
    struct guess **at = &guess->door->guesses;
    while (*at != guess)
        at = &(*at)->next;
    *at = guess->next;
    guess->door->guess_count--;
    ev_timer_stop(guess->door->loop, &guess->timer);
    free(guess);
}

static void on_guess_gone(void *user)
{
    forget_guess(user);
}

static void on_guess_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct guess *guess = timer->data;
    struct weir_http_request *request = guess->request;
    (void)loop, (void)events;
    forget_guess(guess);
    weir_respond_problem(request, 401, weir_access_refusal_of(WEIR_ACCESS_WRONG_TOKEN)->detail);
}

static void refuse_slowly(struct weir_door *door, struct weir_http_request *request)
{
    struct guess *guess = calloc(1, sizeof(*guess));
    if (!guess) {
        weir_respond_problem(request, 401, "this token is wrong");
        return;
    }
    guess->door = door;
    guess->request = request;
    guess->next = door->guesses;
    door->guesses = guess;
    door->guess_count++;
    ev_timer_init(&guess->timer, on_guess_over, WRONG_TOKEN_S, 0.);
    guess->timer.data = guess;
    ev_timer_start(door->loop, &guess->timer);
    weir_http_defer(request, on_guess_gone, guess);
}

static enum weir_access_verdict judge(const struct weir_door *door,
                                      struct weir_http_request *request, bool is_api)
{
    const struct weir_access_request asked = {
        .post = weir_http_method(request) == WEIR_HTTP_POST,
        .api = is_api,
        .host = weir_http_header(request, "Host"),
        .origin = weir_http_header(request, "Origin"),
        .fetch_site = weir_http_header(request, "Sec-Fetch-Site"),
        .authorization = weir_http_header(request, "Authorization"),
        .content_type = weir_http_header(request, "Content-Type"),
    };
    return weir_access_judge(door->access, &asked);
}

bool weir_door_might_read(const struct weir_door *door, struct weir_http_request *request)
{
    return judge(door, request, true) == WEIR_ACCESS_GRANTED;
}

bool weir_door_admit(struct weir_door *door, struct weir_http_request *request, bool is_api)
{
    enum weir_access_verdict verdict = judge(door, request, is_api);
    if (verdict == WEIR_ACCESS_GRANTED)
        return true;
    const struct weir_access_refusal *refusal = weir_access_refusal_of(verdict);
    log_refusal(door, request, refusal->word);
    if (verdict == WEIR_ACCESS_WRONG_TOKEN && door->guess_count >= WEIR_DOOR_GUESSES_MAX)
        weir_respond_problem(request, 429, "too many wrong tokens; try again in a second");
    else if (verdict == WEIR_ACCESS_WRONG_TOKEN)
        refuse_slowly(door, request);
    else
        weir_respond_problem(request, refusal->status, refusal->detail);
    return false;
}

struct weir_door *weir_door_open(struct ev_loop *loop, const struct weir_access *access,
                                 struct weir_log *log, struct weir_care *care)
{
    struct weir_door *door = calloc(1, sizeof(*door));
    if (door)
        *door = (struct weir_door){.loop = loop, .access = access, .log = log, .care = care};
    return door;
}

void weir_door_close(struct weir_door *door)
{
    free(door);
}
