/* A service for tests whose messages say how its handlers behave. */
#include "support/work_service.h"

#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *text_of(const weir_message *message, const char *field)
{
    const char *text = json_string_value(json_object_get(weir_message_data(message), field));
    return text ? text : "";
}

static long long number_of(const weir_message *message, const char *field)
{
    return json_integer_value(json_object_get(weir_message_data(message), field));
}

static void take_effect(weir_context *context, const weir_message *message)
{
    const char *n = text_of(message, "n");
    weir_hincrby(context, "marks", n, 1);
    weir_hset_integer(context, "deliveries", n, weir_message_deliveries(message));
}

static void say(weir_context *context, const weir_message *message)
{
    weir_note(context, "test.run", "n=%s", text_of(message, "n"));
}

static enum weir_outcome mark(weir_context *context, const weir_message *message)
{
    say(context, message);
    take_effect(context, message);
    weir_publish(context, "Marked", text_of(message, "n"), "{s:s}", "n", text_of(message, "n"));
    return WEIR_DONE;
}

static enum weir_outcome refuse(weir_context *context, const weir_message *message)
{
    const char *outcome = text_of(message, "outcome");
    mark(context, message);
    if (weir_message_deliveries(message) > number_of(message, "times"))
        return WEIR_DONE;
    weir_reason(context, "wanted: %s", outcome);
    if (json_object_get(weir_message_data(message), "after"))
        weir_retry_after(context, number_of(message, "after"));
    return strcmp(outcome, "retry") == 0    ? WEIR_RETRY
           : strcmp(outcome, "reject") == 0 ? WEIR_REJECT
                                            : WEIR_DISCARD;
}

static enum weir_outcome crash(weir_context *context, const weir_message *message)
{
    if (weir_message_deliveries(message) <= number_of(message, "retries"))
        return WEIR_RETRY;
    if (weir_message_deliveries(message) <= number_of(message, "times"))
        raise(SIGKILL);
    return mark(context, message);
}

/* How long it takes: only the first delivery takes long. */
static long long time_of(const weir_message *message)
{
    return weir_message_deliveries(message) == 1 ? number_of(message, "ms") : 0;
}

static enum weir_outcome hold_up(weir_context *context, const weir_message *message)
{
    long long ms = time_of(message);
    say(context, message);
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
    take_effect(context, message);
    return WEIR_DONE;
}

struct waiting {
    ev_timer timer;
    weir_deferral *deferral;
    const weir_message *message;
    struct waiting *next, **link;
};

/* Those that a second SIGTERM leaves behind are no leaks. */
static struct waiting *all;

static void on_waited(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct waiting *waiting = timer->data;
    weir_context *context = weir_deferral_context(waiting->deferral);
    (void)loop, (void)events;
    if (context)
        take_effect(context, waiting->message);
    else
        fputs("came too late\n", stderr);
    weir_finish(waiting->deferral, WEIR_DONE);
    *waiting->link = waiting->next;
    if (waiting->next)
        waiting->next->link = waiting->link;
    free(waiting);
}

static enum weir_outcome defer(weir_context *context, const weir_message *message)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    say(context, message);
    if (!waiting || !(waiting->deferral = weir_defer(context)))
        return WEIR_RETRY;
    waiting->message = message;
    waiting->next = all;
    waiting->link = &all;
    if (all)
        all->link = &waiting->next;
    all = waiting;
    ev_timer_init(&waiting->timer, on_waited, (double)time_of(message) / 1000., 0.);
    waiting->timer.data = waiting;
    ev_timer_start(weir_loop(context), &waiting->timer);
    return WEIR_DEFERRED;
}

static enum weir_outcome count(weir_context *context, const weir_message *message)
{
    int64_t value = 0;
    if (weir_hget(context, NULL, "value") && !weir_hget_integer(context, NULL, "value", &value))
        return WEIR_REJECT;
    weir_hset_integer(context, NULL, "value", value + 1);
    take_effect(context, message);
    return WEIR_DONE;
}

static enum weir_outcome append(weir_context *context, const weir_message *message)
{
    const char *old = weir_hget(context, NULL, "text");
    size_t room = (old ? strlen(old) : 0) + 64;
    char *text = malloc(room);
    if (!text)
        return WEIR_RETRY;
    snprintf(text, room, "%s%s ", old ? old : "", text_of(message, "n"));
    weir_hset(context, NULL, "text", text);
    free(text);
    return WEIR_DONE;
}

static enum weir_outcome spoil(weir_context *context, const weir_message *message)
{
    mark(context, message);
    weir_hset(context, text_of(message, "key"), "field", "value");
    weir_send(context, "other", "Mark", NULL, 0, "{}");
    return WEIR_DONE;
}

static enum weir_outcome pass(weir_context *context, const weir_message *message)
{
    weir_send(context, text_of(message, "to"), "Mark", text_of(message, "id"),
              number_of(message, "delay"), "{s:s}", "n", text_of(message, "n"));
    weir_publish(context, "Passed", NULL, "{}");
    return WEIR_DONE;
}

weir_service *test_work_service(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Mark", mark, NULL);
    weir_on_command(service, "Refuse", refuse, NULL);
    weir_on_command(service, "Crash", crash, NULL);
    weir_on_command(service, "Sleep", hold_up, NULL);
    weir_on_command(service, "Defer", defer, "lane:{lane}");
    weir_on_command(service, "Count", count, "counter:{counter}");
    weir_on_command(service, "Append", append, "list:{list}");
    weir_on_command(service, "Spoil", spoil, NULL);
    weir_on_command(service, "Pass", pass, NULL);
    return service;
}
