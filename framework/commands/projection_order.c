/* What the command line asks of the server for a rebuild, and does itself where nobody else does.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "commands/interrupt.h"
#include "commands/print.h"
#include "commands/projection_verbs.h"
#include "commands/values.h"
#include "redis/rebuild_keys.h"

#define ARGUMENTS_MAX 64
#define CLEAR_LIMIT_MS 60000
#define PAUSE_MS 50

int64_t weir_projection_patience_ms(const struct weir_session *session, int64_t otherwise_ms)
{
    return session->settings.wait_ms > 0 ? session->settings.wait_ms : otherwise_ms;
}

enum weir_status weir_rebuild_order(struct weir_session *session,
                                    const struct weir_projection_name *name,
                                    const char *const *arguments,
                                    struct weir_rebuild_answer *answer, struct weir_error *error)
{
    struct weir_rebuild_keys keys;
    const char *words[ARGUMENTS_MAX];
    size_t count;
    weir_rebuild_keys_name(&keys, session->settings.prefix, name->view, name->projection);
    count = weir_rebuild_keys_lay(&keys, "weir_rebuild", words);
    while (*arguments && count < ARGUMENTS_MAX)
        words[count++] = *arguments++;
    redisReply *reply = weir_client_call(&session->client, error, count, words, NULL);
    if (!reply)
        return error->status;
    struct weir_slice word = weir_value_element(reply, 0), detail = weir_value_element(reply, 1);
    snprintf(answer->word, sizeof(answer->word), "%s", word.at ? word.at : "");
    snprintf(answer->detail, sizeof(answer->detail), "%s", detail.at ? detail.at : "");
    freeReplyObject(reply);
    return WEIR_OK;
}

/* The arguments of a step, and what they point to. */
struct step_call {
    struct weir_rebuild_keys keys;
    char streams[ARGUMENTS_MAX / 2][WEIR_KEY_MAX];
    const char *words[ARGUMENTS_MAX];
    size_t count;
};

static void add_word(struct step_call *call, const char *word)
{
    if (call->count < ARGUMENTS_MAX)
        call->words[call->count++] = word;
}

static void lay_call(struct step_call *call, const char *prefix,
                     const struct weir_projection_name *name, const char *rebuild)
{
    json_t *service;
    size_t i;
    weir_rebuild_keys_name(&call->keys, prefix, name->view, name->projection);
    call->count = weir_rebuild_keys_lay_step(&call->keys, rebuild, name->projection, call->words);
    json_array_foreach(name->sources, i, service)
    {
        if (i < ARGUMENTS_MAX / 2)
            add_word(call, weir_key_events(call->streams[i], prefix, json_string_value(service)));
    }
}

enum weir_status weir_rebuild_step(struct weir_session *session,
                                   const struct weir_projection_name *name, const char *rebuild,
                                   struct weir_error *error)
{
    struct step_call call;
    lay_call(&call, session->settings.prefix, name, rebuild);
    redisReply *reply = weir_client_call(&session->client, error, call.count, call.words, NULL);
    if (!reply)
        return error->status;
    freeReplyObject(reply);
    return WEIR_OK;
}

static bool is_over(const struct weir_projection_status *status, const char *rebuild)
{
    return status->phase[0] == '\0' || strcmp(status->rebuild, rebuild) != 0;
}

bool weir_rebuild_is_given_up(const struct weir_projection_status *status)
{
    return strcmp(status->phase, "dropping") == 0 ||
           (strcmp(status->phase, "clearing") == 0 && status->outcome[0] != '\0');
}

int weir_rebuild_clear(struct weir_session *session, const struct weir_projection_name *name,
                       const char *rebuild, struct weir_projection_status *status)
{
    struct weir_error error = {0};
    int64_t deadline = weir_clock_monotonic_ms() + CLEAR_LIMIT_MS;
    while (!is_over(status, rebuild)) {
        if (weir_interrupted())
            return weir_fail(WEIR_EXIT_INTERRUPTED,
                             "stopped waiting; the workers of %s clear the rest away", name->view);
        if (weir_clock_monotonic_ms() > deadline)
            return weir_fail(WEIR_EXIT_WAITED,
                             "%s: what was built has not been cleared away within %d s; %s goes on "
                             "with it",
                             name->shown, CLEAR_LIMIT_MS / 1000,
                             status->owner[0] ? status->owner : "the next worker");
        if (status->owner[0])
            weir_pause_ms(PAUSE_MS);
        else if (weir_rebuild_step(session, name, rebuild, &error) != WEIR_OK)
            return weir_fail_by(&error);
        if (weir_projection_look(session, name, status, &error) != WEIR_OK)
            return weir_fail_by(&error);
    }
    return WEIR_EXIT_FINE;
}

/* ---- abandon ----------------------------------------------------------------------------- */

static int report_abandoned(struct weir_session *session, const struct weir_projection_name *name,
                            const char *rebuild)
{
    if (session->settings.json)
        return weir_print_json(json_pack("{s:o, s:s}", "rebuild",
                                         weir_slice_json(weir_slice_of(rebuild)), "outcome",
                                         "abandoned"));
    fprintf(weir_output(), "the rebuild of %s is abandoned; the live model is as it was\n",
            name->shown);
    return WEIR_EXIT_FINE;
}

static int refuse_abandoning(const struct weir_projection_name *name, const char *phase)
{
    if (*phase == '\0')
        return weir_fail(WEIR_EXIT_FAILED, "no rebuild of %s is under way", name->shown);
    return weir_fail(WEIR_EXIT_FAILED,
                     "the rebuild of %s can no longer be abandoned: it is %s, and ends by itself",
                     name->shown, phase);
}

int weir_projection_abandon(struct weir_session *session, const struct weir_projection_name *name)
{
    struct weir_error error = {0};
    struct weir_rebuild_answer answer;
    struct weir_projection_status status;
    if (weir_rebuild_order(session, name, (const char *const[]){"abandon", NULL}, &answer,
                           &error) != WEIR_OK ||
        weir_projection_look(session, name, &status, &error) != WEIR_OK)
        return weir_fail_by(&error);
    bool done = strcmp(answer.word, "abandoned") == 0;
    if (!done && !weir_rebuild_is_given_up(&status))
        return refuse_abandoning(name, status.phase);
    if (!done)
        snprintf(answer.detail, sizeof(answer.detail), "%s", status.rebuild);
    weir_interrupt_catch();
    int code = weir_rebuild_clear(session, name, answer.detail, &status);
    return code == WEIR_EXIT_FINE ? report_abandoned(session, name, answer.detail) : code;
}
