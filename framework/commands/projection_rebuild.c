/* weir projection rebuild: starts a rebuild or goes on with one, and tells what has become of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/text.h"
#include "commands/interrupt.h"
#include "commands/print.h"
#include "commands/projection_verbs.h"
#include "commands/values.h"

/* ---- The end ----------------------------------------------------------------------------- */

/* An array of {key, what}, at most --limit of them. NULL and an error. */
static json_t *read_differences(struct weir_session *session,
                                const struct weir_projection_name *name, struct weir_error *error)
{
    char key[WEIR_KEY_MAX], last[24];
    weir_key_rebuild(key, session->settings.prefix, name->view, "differences", name->projection);
    snprintf(last, sizeof(last), "%" PRId64, 2 * session->settings.limit - 1);
    redisReply *reply = weir_client_ask(&session->client, error, "LRANGE", key, "0", last, NULL);
    if (!reply)
        return NULL;
    json_t *differences = json_array();
    for (size_t i = 0; i + 1 < weir_value_count(reply); i += 2)
        json_array_append_new(differences,
                              json_pack("{s:o, s:o}", "key",
                                        weir_slice_json(weir_value_element(reply, i)), "what",
                                        weir_slice_json(weir_value_element(reply, i + 1))));
    freeReplyObject(reply);
    return differences;
}

static int64_t duration_of(const struct weir_projection_status *status)
{
    return status->ended_at > status->started_at ? status->ended_at - status->started_at : 0;
}

static void print_result_json(const struct weir_projection_status *status, json_t *differences)
{
    weir_print_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:O, s:o}", "outcome",
                              status->outcome, "task", status->task, "events",
                              (json_int_t)status->folded, "keys", (json_int_t)status->moved, "ms",
                              (json_int_t)duration_of(status), "differing",
                              (json_int_t)status->differing, "differences", differences, "why",
                              weir_slice_json(status->why[0] ? weir_slice_of(status->why)
                                                             : (struct weir_slice){NULL, 0})));
}

static void print_effort(const struct weir_projection_status *status)
{
    struct weir_text line = {0};
    int64_t ms = duration_of(status), rate = ms > 0 ? status->folded * 1000 / ms : 0;
    weir_text_format(&line, "%" PRId64 " events folded in ", status->folded);
    weir_span_append(&line, ms);
    if (rate > 0)
        weir_text_format(&line, " (%" PRId64 " events/s)", rate);
    weir_print_line(&line);
    weir_text_close(&line);
}

static void print_differences(const json_t *differences)
{
    json_t *difference;
    size_t i;
    json_array_foreach(differences, i, difference)
    {
        struct weir_text line = {0};
        weir_value_append(&line, json_object_get(difference, "key"));
        weir_text_append_string(&line, ": ");
        weir_value_append(&line, json_object_get(difference, "what"));
        weir_print_line(&line);
        weir_text_close(&line);
    }
}

static void print_done(const struct weir_projection_name *name,
                       const struct weir_projection_status *status, const json_t *differences)
{
    if (!weir_rebuild_verifies(status))
        fprintf(weir_output(), "%s rebuilt: %" PRId64 " keys swapped, ", name->shown,
                status->moved);
    else if (status->differing == 0)
        fprintf(weir_output(), "%s: no differences in %" PRId64 " keys, ", name->shown,
                status->moved);
    else
        print_differences(differences);
    if (status->differing == 0)
        print_effort(status);
}

/* The sentence where it has not ended well; the code. */
static int conclude(const struct weir_projection_name *name,
                    const struct weir_projection_status *status, size_t printed)
{
    if (strcmp(status->outcome, "failed") == 0)
        return weir_fail(WEIR_EXIT_FAILED, "%s; the live model is as it was; --allow-missing %s",
                         status->why[0] ? status->why : "no reason given",
                         weir_rebuild_verifies(status) ? "compares with what the others make"
                                                       : "builds it from the others all the same");
    if (strcmp(status->outcome, "abandoned") == 0)
        return weir_fail(WEIR_EXIT_FAILED,
                         "somebody has abandoned it; the live model is as it was");
    if (status->differing == 0)
        return WEIR_EXIT_FINE;
    return weir_fail(WEIR_EXIT_FAILED,
                     "%" PRId64 " keys of %s differ from what the events make of them%s",
                     status->differing, name->shown,
                     (int64_t)printed < status->differing ? "; --limit shows more of them" : "");
}

int weir_rebuild_result(struct weir_session *session, const struct weir_projection_name *name,
                        const struct weir_projection_status *status)
{
    struct weir_error error = {0};
    json_t *differences = read_differences(session, name, &error);
    if (!differences)
        return weir_fail_by(&error);
    if (session->settings.json)
        print_result_json(status, differences);
    else if (strcmp(status->outcome, "done") == 0)
        print_done(name, status, differences);
    int code = conclude(name, status, json_array_size(differences));
    json_decref(differences);
    return code;
}

/* ---- The start --------------------------------------------------------------------------- */

static int refuse(const struct weir_projection_name *name,
                  const struct weir_projection_status *status)
{
    return weir_fail(WEIR_EXIT_FAILED,
                     "a %s of %s is under way; wait for its end, or drop it: weir projection "
                     "abandon %s",
                     weir_rebuild_verifies(status) ? "comparison (--dry-run)" : "rebuild",
                     name->shown, name->shown);
}

static int report_started(struct weir_session *session, const struct weir_projection_name *name,
                          const struct weir_rebuild_answer *answer, bool attended)
{
    if (!attended)
        weir_remark("no worker runs %s now; start one of %s", name->shown, name->view);
    if (session->settings.json)
        return weir_print_json(json_pack("{s:s, s:s, s:o}", "projection", name->shown, "outcome",
                                         answer->word, "rebuild",
                                         weir_slice_json(weir_slice_of(answer->detail))));
    fprintf(weir_output(), "%s; look at it with: weir projection show %s\n", answer->word,
            name->shown);
    return WEIR_EXIT_FINE;
}

static enum weir_status order(struct weir_session *session, const struct weir_projection_name *name,
                              const struct weir_projection_status *status,
                              struct weir_rebuild_answer *answer, struct weir_error *error)
{
    char id[48];
    const struct weir_settings *settings = &session->settings;
    snprintf(id, sizeof(id), "%" PRId64 "-%08" PRIx64, status->now_ms,
             weir_random_seed() & UINT32_MAX);
    return weir_rebuild_order(session, name,
                              (const char *const[]){"start", id,
                                                    settings->dry_run ? "verify" : "rebuild",
                                                    settings->allow_missing ? "1" : "0", NULL},
                              answer, error);
}

static int start(struct weir_session *session, const struct weir_projection_name *name,
                 const struct weir_projection_status *status)
{
    struct weir_error error = {0};
    struct weir_rebuild_answer answer;
    if (order(session, name, status, &answer, &error) != WEIR_OK)
        return weir_fail_by(&error);
    if (strcmp(answer.word, "refused") == 0)
        return refuse(name, status);
    if (strcmp(answer.word, "resumed") == 0)
        weir_remark("goes on with the %s that is under way, at %d %%",
                    weir_rebuild_verifies(status) ? "comparison" : "rebuild",
                    weir_rebuild_percent(status));
    if (session->settings.detach)
        return report_started(session, name, &answer, status->owner[0] != '\0');
    return weir_rebuild_watch(session, name, answer.detail);
}

int weir_projection_rebuild(struct weir_session *session, const struct weir_projection_name *name)
{
    struct weir_error error = {0};
    struct weir_projection_status status;
    char former[sizeof(status.rebuild)];
    int code = WEIR_EXIT_FINE;
    if (weir_projection_look(session, name, &status, &error) != WEIR_OK)
        return weir_fail_by(&error);
    weir_interrupt_catch();
    snprintf(former, sizeof(former), "%s", status.rebuild);
    if (weir_rebuild_is_given_up(&status))
        code = weir_rebuild_clear(session, name, former, &status);
    return code == WEIR_EXIT_FINE ? start(session, name, &status) : code;
}
