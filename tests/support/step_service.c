/* A service for tests of sagas. */
#include "support/step_service.h"

#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_LENGTH 160

/* ---- What happens -------------------------------------------------------------------------- */

/* "<step>" or "<step>/undo". */
static const char *part_of(const weir_message *message, bool undo, char *part)
{
    snprintf(part, NAME_MAX_LENGTH, "%s%s", weir_message_step(message), undo ? "/undo" : "");
    return part;
}

static const char *how(const weir_message *message, bool undo)
{
    char part[NAME_MAX_LENGTH];
    const json_t *words = json_object_get(weir_message_data(message), "how");
    const char *word = json_string_value(json_object_get(words, part_of(message, undo, part)));
    return word ? word : "";
}

static void take_effect(weir_context *context, const weir_message *message, bool undo)
{
    static unsigned runs;
    char key[NAME_MAX_LENGTH], part[NAME_MAX_LENGTH], run[32], field[NAME_MAX_LENGTH + 8];
    const char *value = json_string_value(json_object_get(weir_message_data(message), "value"));
    snprintf(key, sizeof(key), "effects:%s", weir_message_saga(message));
    snprintf(run, sizeof(run), "%ld.%u", (long)getpid(), ++runs);
    snprintf(field, sizeof(field), "%s/value", weir_message_step(message));
    weir_hincrby(context, key, part_of(message, undo, part), 1);
    if (value)
        weir_hset(context, key, field, value);
    weir_publish(context, undo ? "Undid" : "Did", weir_message_saga(message), "{s:s}", "step",
                 weir_message_step(message));
    weir_result(context, "{s:s, s:s}", "run", run, "value", value ? value : "");
    weir_reason(context, "refused in run %s", run);
}

static enum weir_outcome serve(weir_context *context, const weir_message *message, bool undo)
{
    const char *word = how(message, undo);
    unsigned attempt = weir_message_attempt(message);
    take_effect(context, message, undo);
    if ((strcmp(word, "crash") == 0 && weir_message_deliveries(message) == 1) ||
        (strcmp(word, "crash-second") == 0 && weir_message_deliveries(message) == 2))
        raise(SIGKILL);
    if (strcmp(word, "fail") == 0 || (strcmp(word, "fail-twice") == 0 && attempt <= 2))
        return WEIR_REJECT;
    if (strcmp(word, "swallow") == 0 || (strcmp(word, "swallow-first") == 0 && attempt == 1))
        return WEIR_DISCARD;
    return WEIR_DONE;
}

/* ---- Now or later -------------------------------------------------------------------------- */

struct waiting {
    ev_timer timer;
    weir_deferral *deferral;
    const weir_message *message;
    bool undo;
};

static void on_waited(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct waiting *waiting = timer->data;
    weir_context *context = weir_deferral_context(waiting->deferral);
    enum weir_outcome outcome = WEIR_DONE;
    (void)loop, (void)events;
    if (context)
        outcome = serve(context, waiting->message, waiting->undo);
    weir_finish(waiting->deferral, outcome);
    free(waiting);
}

static enum weir_outcome serve_later(weir_context *context, const weir_message *message, bool undo,
                                     double ms)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    if (!waiting || !(waiting->deferral = weir_defer(context))) {
        free(waiting);
        return WEIR_RETRY;
    }
    waiting->message = message;
    waiting->undo = undo;
    ev_timer_init(&waiting->timer, on_waited, ms / 1000., 0.);
    waiting->timer.data = waiting;
    ev_timer_start(weir_loop(context), &waiting->timer);
    return WEIR_DEFERRED;
}

static enum weir_outcome handle(weir_context *context, const weir_message *message, bool undo)
{
    const json_t *defer = json_object_get(weir_message_data(message), "defer");
    if (strcmp(how(message, undo), "slow") == 0)
        return serve_later(context, message, undo, 40.);
    return defer ? serve_later(context, message, undo, (double)json_integer_value(defer))
                 : serve(context, message, undo);
}

enum weir_outcome test_step_do(weir_context *context, const weir_message *message)
{
    return handle(context, message, false);
}

enum weir_outcome test_step_undo(weir_context *context, const weir_message *message)
{
    return handle(context, message, true);
}

weir_service *test_step_service(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Do", test_step_do, NULL);
    weir_on_command(service, "Undo", test_step_undo, NULL);
    return service;
}
