/* Steps of the shop misbehave on demand: refusing, silent, slow, dying. */
#include "shop_simulate.h"

#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOW_PREFIX "slow:"
#define SLOW_MAX_MS 3600000

struct slow_work {
    ev_timer timer;
    weir_deferral *deferral;
};

static bool parse_slow(const char *word, int *ms)
{
    if (strncmp(word, SLOW_PREFIX, strlen(SLOW_PREFIX)) != 0)
        return false;
    const char *digits = word + strlen(SLOW_PREFIX);
    const size_t length = strlen(digits);
    /* Seven digits hold the limit and cannot overflow. */
    if (length < 1 || length > 7 || strspn(digits, "0123456789") != length)
        return false;
    *ms = atoi(digits);
    return *ms <= SLOW_MAX_MS;
}

static void on_slow_end(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct slow_work *slow = timer->data;
    ev_timer_stop(loop, timer);
    weir_finish(slow->deferral, WEIR_AGAIN);
    free(slow);
}

static enum weir_outcome go_slow(weir_context *context, int ms)
{
    struct slow_work *slow = calloc(1, sizeof *slow);
    weir_deferral *deferral = slow ? weir_defer(context) : NULL;
    if (!deferral) {
        free(slow);
        return WEIR_RETRY;
    }
    slow->deferral = deferral;
    ev_timer_init(&slow->timer, on_slow_end, ms / 1000.0, 0.0);
    slow->timer.data = slow;
    /* The loop's idea of now may be as old as its last turn. */
    ev_now_update(weir_loop(context));
    ev_timer_start(weir_loop(context), &slow->timer);
    return WEIR_DEFERRED;
}

static enum weir_outcome crash_once(weir_context *context, const weir_message *message,
                                    weir_handler *work)
{
    if (weir_message_deliveries(message) == 1 && weir_message_attempt(message) == 1)
        raise(SIGKILL);
    return work(context, message);
}

static enum weir_outcome misbehave(weir_context *context, const weir_message *message,
                                   weir_handler *work, const char *word)
{
    int ms;
    if (strcmp(word, "fail") == 0) {
        weir_reason(context, "simulated refusal");
        return WEIR_REJECT;
    }
    if (strcmp(word, "swallow") == 0)
        return WEIR_DISCARD;
    if (strcmp(word, "crash") == 0)
        return crash_once(context, message, work);
    if (parse_slow(word, &ms))
        return weir_resumed(context) ? work(context, message) : go_slow(context, ms);
    weir_reason(context,
                "simulate does not know \"%.64s\": it takes fail, swallow, slow:<ms> or crash",
                word);
    return WEIR_REJECT;
}

/* What the data asks of this step; NULL: nothing. */
static json_t *wish_for(const json_t *simulate, const weir_message *message)
{
    const char *step = weir_message_step(message);
    const char *action = weir_message_action(message);
    char key[256];
    if (!step)
        return NULL;
    const bool compensate = action && strcmp(action, "compensate") == 0;
    const int length = snprintf(key, sizeof key, "%s%s", step, compensate ? "/compensate" : "");
    return length > 0 && (size_t)length < sizeof key ? json_object_get(simulate, key) : NULL;
}

enum weir_outcome shop_simulate(weir_context *context, const weir_message *message,
                                weir_handler *work)
{
    const json_t *simulate = json_object_get(weir_message_data(message), "simulate");
    if (simulate && !json_is_object(simulate)) {
        weir_reason(context, "simulate has to be an object of steps");
        return WEIR_REJECT;
    }
    const json_t *wish = wish_for(simulate, message);
    if (!wish)
        return work(context, message);
    /* What is no text is no word that anybody knows, and is refused as such. */
    const char *word = json_string_value(wish);
    return misbehave(context, message, work, word ? word : "");
}
