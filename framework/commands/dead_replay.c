/* Puts dead letters' messages back before their service, or drops the letters. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/text.h"
#include "commands/action.h"
#include "commands/bulk.h"
#include "commands/dead_letters.h"
#include "commands/dead_verbs.h"
#include "commands/input.h"
#include "commands/interrupt.h"
#include "commands/output.h"
#include "commands/print.h"
#include "commands/values.h"
#include "redis/key_names.h"
#include "redis/pipeline.h"
#include "redis/refusal.h"

#define AT_ONCE 20 /* each may have a MiB */
#define TRIES 5
#define AGAIN_MS 500
#define KEPT_MS "604800000" /* a week: what became of a letter */

/* What is done to letters. */
struct verb {
    const char *name, *done, *action, *function;
    bool replays;
};

static const struct verb replay = {"replay", "replayed", "dead replay", "weir_replay", true};
static const struct verb drop = {"drop", "dropped", "dead drop", "weir_drop", false};

struct acting {
    struct weir_session *session;
    const struct verb *verb;
    const char *service;
    char key[WEIR_KEY_MAX], where[80];
    char token[24]; /* this run's, so that a lost answer can be asked for again */
    char who[256];
    const struct weir_slice *data; /* in place of the message's; or NULL */
    struct weir_bulk bulk;
    int code;
};

/* A letter of a batch. */
struct letter {
    const char *id;
    const redisReply *entry; /* as it was read: a range of one or none; borrowed */
    bool asked;              /* the server is asked for it */
    size_t place;            /* of the answer */
};

/* ---- Telling ----------------------------------------------------------------------------- */

static const redisReply *fields_of(const struct letter *letter)
{
    const redisReply *entry =
        weir_value_count(letter->entry) == 1 ? letter->entry->element[0] : NULL;
    return entry && weir_value_count(entry) == 2 ? entry->element[1] : NULL;
}

static void print_json_line(const struct acting *acting, const struct letter *letter, bool done,
                            const char *entry, const char *objection)
{
    const redisReply *fields = fields_of(letter);
    json_t *line = json_pack("{s:s, s:o, s:b, s:o, s:o}", "letter", letter->id, "type",
                             weir_slice_json(weir_value_field(fields, "type")), acting->verb->done,
                             (int)done, "entry", entry ? json_string(entry) : json_null(), "error",
                             objection ? json_string(objection) : json_null());
    if (acting->session->settings.dry_run)
        json_object_set_new(line, "dryRun", json_true());
    weir_print_json(line);
}

static void print_line(const struct acting *acting, const struct letter *letter, const char *entry)
{
    struct weir_text line = {0};
    json_t *type = weir_slice_json(weir_value_field(fields_of(letter), "type"));
    weir_text_format(&line, "%s ", letter->id);
    weir_value_append(&line, type);
    weir_text_format(&line, ": %s%s", acting->session->settings.dry_run ? "would be " : "",
                     acting->verb->done);
    if (entry)
        weir_text_format(&line, ", it is %s now", entry);
    weir_print_line(&line);
    json_decref(type);
    weir_text_close(&line);
}

/* A failure is told each time; what went well only where it was named, or is only tried. */
static void tell(struct acting *acting, const struct letter *letter, const char *entry,
                 const char *objection)
{
    struct weir_session *session = acting->session;
    bool dry = session->settings.dry_run;
    if (objection)
        acting->bulk.failed++;
    else
        acting->bulk.did++;
    if (session->settings.json)
        print_json_line(acting, letter, !objection && !dry, entry, objection);
    if (objection) {
        if (acting->bulk.drawn)
            fputs("\r\033[K", weir_remarks());
        acting->bulk.drawn = false;
        acting->code = weir_fail(WEIR_EXIT_FAILED, "letter %s%s: %s", letter->id,
                                 dry ? " would stay" : "", objection);
    } else if (!session->settings.json && (dry || !acting->bulk.chosen)) {
        print_line(acting, letter, entry);
    }
}

/* What the server keeps of a letter that is gone: "replayed <ms> <entry> <token> <who>". */
static void tell_gone(struct acting *acting, const struct letter *letter, struct weir_slice fate)
{
    char sentence[512], word[16], entry[48], text[400];
    struct weir_text when = {0};
    int64_t ms = 0;
    int who = 0;
    snprintf(text, sizeof(text), "%.*s", (int)fate.length, fate.at ? fate.at : "");
    if (sscanf(text, "%15s %" SCNd64 " %47s %*s %n", word, &ms, entry, &who) < 3 || who == 0) {
        snprintf(sentence, sizeof(sentence), "there is no such dead letter of %s", acting->service);
    } else {
        weir_time_append(&when, ms);
        snprintf(sentence, sizeof(sentence), "it was %s by %s at %s%s%s", word, text + who,
                 when.at ? when.at : "?", strcmp(entry, "-") == 0 ? "" : ", as ",
                 strcmp(entry, "-") == 0 ? "" : entry);
    }
    weir_text_close(&when);
    tell(acting, letter, NULL, sentence);
}

static void conclude(struct acting *acting, const struct letter *letter, const redisReply *answer)
{
    struct weir_error error = {0};
    struct weir_slice word = weir_value_element(answer, 0), more = weir_value_element(answer, 1);
    if (weir_client_error_of(&acting->session->client, acting->verb->function, answer, &error) !=
        WEIR_OK)
        tell(acting, letter, NULL,
             weir_refusal_of(answer->str) == WEIR_REFUSAL_FUNCTION ||
                     strstr(error.text, "Function not found")
                 ? "the server lacks this function; weir install loads it"
                 : error.text);
    else if (!fields_of(letter))
        tell_gone(acting, letter, weir_value_text(answer));
    else if (weir_slice_equals(word, acting->verb->done))
        tell(acting, letter, more.at, NULL);
    else
        tell_gone(acting, letter, more);
}

/* ---- Acting ------------------------------------------------------------------------------ */

/* Decides whether the server is asked; what cannot be done is told. */
static void judge(struct acting *acting, struct letter *letter)
{
    char room[768];
    const char *objection = NULL, *prefix = acting->session->settings.prefix;
    const redisReply *fields = fields_of(letter);
    letter->asked = true;
    if (!fields) /* the server tells what became of it */
        return;
    if (acting->verb->replays)
        objection = weir_letter_objection(weir_letter_kind_of(fields, prefix, acting->service),
                                          fields, acting->service, room, sizeof(room));
    letter->asked = !objection && !acting->session->settings.dry_run;
    if (letter->asked)
        weir_act_on(acting->session, acting->verb->action, acting->where, "letters", letter->id);
    else
        tell(acting, letter, NULL, objection);
}

static void add_replay(struct acting *acting, struct weir_pipeline *pipeline, struct letter *letter,
                       const char *mark)
{
    char inbox[WEIR_KEY_MAX];
    size_t count = 0, place = 0;
    struct weir_slice *parts = weir_letter_parts(fields_of(letter), acting->data, &count);
    const char **words = calloc(count + 10, sizeof(*words));
    size_t *lengths = calloc(count + 10, sizeof(*lengths));
    weir_key_commands(inbox, acting->session->settings.prefix, acting->service);
    const char *const head[] = {
        "FCALL",    acting->verb->function, "3",         acting->key, inbox, mark,
        letter->id, acting->token,          acting->who, KEPT_MS};
    bool laid = parts && words && lengths;
    for (; laid && place < sizeof(head) / sizeof(head[0]); place++) {
        words[place] = head[place];
        lengths[place] = strlen(head[place]);
    }
    for (size_t i = 0; laid && i < count; i++, place++) {
        words[place] = parts[i].at;
        lengths[place] = parts[i].length;
    }
    if (laid)
        letter->place = weir_pipeline_add_words(pipeline, place, words, lengths);
    pipeline->failed = pipeline->failed || !laid;
    free(parts);
    free(words);
    free(lengths);
}

static void add_call(struct acting *acting, struct weir_pipeline *pipeline, struct letter *letter)
{
    char mark[WEIR_KEY_MAX];
    weir_key_letter(mark, acting->session->settings.prefix, acting->service, letter->id);
    if (!fields_of(letter))
        letter->place = weir_pipeline_add(pipeline, "GET", mark, NULL);
    else if (acting->verb->replays)
        add_replay(acting, pipeline, letter, mark);
    else
        letter->place =
            weir_pipeline_add(pipeline, "FCALL", acting->verb->function, "2", acting->key, mark,
                              letter->id, acting->token, acting->who, KEPT_MS, NULL);
}

static bool is_lost(enum weir_status status)
{
    return status == WEIR_UNKNOWN || status == WEIR_UNAVAILABLE;
}

/* Asks for a batch. An answer that was lost is asked for again: the token tells the server that it
 * is the same request. */
static enum weir_status carry_out(struct acting *acting, struct letter *letters, size_t count,
                                  struct weir_error *error)
{
    for (int attempt = 1;; attempt++) {
        struct weir_pipeline pipeline = {0};
        *error = (struct weir_error){0};
        for (size_t i = 0; i < count; i++)
            if (letters[i].asked)
                add_call(acting, &pipeline, &letters[i]);
        if (pipeline.count > 0 && weir_session_reconnect(acting->session, error) == WEIR_OK)
            (void)!weir_pipeline_run(&pipeline, &acting->session->client, error);
        for (size_t i = 0; i < count && error->status == WEIR_OK; i++)
            if (letters[i].asked)
                conclude(acting, &letters[i], weir_pipeline_answer(&pipeline, letters[i].place));
        weir_pipeline_close(&pipeline);
        if (!is_lost(error->status) || attempt == TRIES || weir_bulk_stopped())
            return error->status;
        weir_pause_ms(AGAIN_MS);
    }
}

static enum weir_status act_on_batch(struct acting *acting, struct letter *letters, size_t count,
                                     struct weir_error *error)
{
    struct weir_pipeline pipeline = {0};
    for (size_t i = 0; i < count; i++)
        letters[i].place =
            weir_pipeline_add(&pipeline, "XRANGE", acting->key, letters[i].id, letters[i].id, NULL);
    enum weir_status status = weir_pipeline_run(&pipeline, &acting->session->client, error);
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        letters[i].entry = weir_pipeline_answer(&pipeline, letters[i].place);
        status = weir_client_error_of(&acting->session->client, "XRANGE", letters[i].entry, error);
    }
    for (size_t i = 0; i < count && status == WEIR_OK; i++)
        judge(acting, &letters[i]);
    if (status == WEIR_OK)
        status = carry_out(acting, letters, count, error);
    weir_pipeline_close(&pipeline);
    return status;
}

static void act_on(struct acting *acting, const json_t *ids)
{
    struct letter letters[AT_ONCE];
    struct weir_error error = {0};
    size_t total = json_array_size(ids);
    weir_interrupt_catch();
    for (size_t at = 0; at < total && error.status == WEIR_OK; at += AT_ONCE) {
        size_t count = total - at < AT_ONCE ? total - at : AT_ONCE;
        if (weir_bulk_stopped()) {
            acting->code = weir_fail(WEIR_EXIT_INTERRUPTED, "stopped; the rest is as it was");
            break;
        }
        for (size_t i = 0; i < count; i++)
            letters[i] = (struct letter){.id = json_string_value(json_array_get(ids, at + i))};
        if (act_on_batch(acting, letters, count, &error) == WEIR_OK)
            weir_bulk_show(&acting->bulk);
    }
    if (error.status != WEIR_OK)
        acting->code = weir_fail_by(&error);
    if (is_lost(error.status))
        weir_remark("of the last %d letters it is not known; run it again, no letter is %s twice",
                    AT_ONCE, acting->verb->done);
}

/* ---- The run ----------------------------------------------------------------------------- */

static int run_over(struct acting *acting, const json_t *ids)
{
    struct weir_session *session = acting->session;
    acting->bulk.total = json_array_size(ids);
    if (acting->bulk.total == 0) {
        weir_remark("no dead letter of %s fits; nothing was done", acting->service);
        return WEIR_EXIT_FINE;
    }
    if (!session->settings.dry_run) {
        int code = weir_bulk_ask(session, &acting->bulk, ids);
        if (code != WEIR_EXIT_FINE)
            return code;
    }
    if (acting->bulk.chosen && !session->settings.dry_run)
        weir_act_begun(session, acting->verb->action, acting->where, acting->bulk.nouns, ids);
    act_on(acting, ids);
    if (session->settings.dry_run)
        acting->bulk.done = acting->verb->replays ? "would be replayed; nothing was done"
                                                  : "would be dropped; nothing was done";
    weir_bulk_end(session, &acting->bulk);
    return acting->code;
}

/* ---- The verbs --------------------------------------------------------------------------- */

static int run(struct weir_session *session, const struct verb *verb, const char *service,
               const struct weir_slice *data, int count, char **ids)
{
    struct acting acting = {.session = session, .verb = verb, .service = service, .data = data};
    json_t *chosen = NULL;
    int code = WEIR_EXIT_FINE;
    acting.bulk = (struct weir_bulk){.verb = verb->name,
                                     .done = verb->done,
                                     .noun = "letter",
                                     .nouns = "letters",
                                     .chosen = count == 0};
    weir_key_dead(acting.key, session->settings.prefix, service);
    snprintf(acting.where, sizeof(acting.where), "%s ", service);
    snprintf(acting.token, sizeof(acting.token), "%016" PRIx64, weir_random_seed());
    weir_act_who(session, acting.who, sizeof(acting.who));
    if (count == 0)
        chosen = weir_dead_choose(session, acting.key, &code);
    else
        chosen = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(chosen, json_string(ids[i]));
    if (chosen)
        code = run_over(&acting, chosen);
    json_decref(chosen);
    return code;
}

int weir_dead_drop(struct weir_session *session, const char *service, int count, char **ids)
{
    return run(session, &drop, service, NULL, count, ids);
}

/* The letter's data goes through the editor; one that is not there is told by the run. */
static int edit(struct weir_session *session, const char *service, const char *id,
                struct weir_text *out)
{
    char key[WEIR_KEY_MAX];
    struct weir_error error = {0};
    weir_key_dead(key, session->settings.prefix, service);
    redisReply *reply = weir_client_ask(&session->client, &error, "XRANGE", key, id, id, NULL);
    if (!reply)
        return weir_fail_by(&error);
    const redisReply *entry = weir_value_count(reply) == 1 ? reply->element[0] : NULL;
    const redisReply *fields = weir_value_count(entry) == 2 ? entry->element[1] : NULL;
    struct weir_slice data = weir_value_field(fields, "data");
    int code = fields ? weir_dead_edit(data.at ? data.at : "{}", data.at ? data.length : 2, out)
                      : WEIR_EXIT_FINE;
    freeReplyObject(reply);
    return code;
}

int weir_dead_replay(struct weir_session *session, const char *service, int count, char **ids)
{
    struct weir_text text = {0};
    struct weir_error error = {0};
    int code = WEIR_EXIT_FINE;
    if (session->settings.edit)
        code = edit(session, service, ids[0], &text);
    else if (session->settings.data &&
             weir_input_data(session->settings.data, &text, &error) != WEIR_OK)
        code = weir_fail_by(&error);
    struct weir_slice data = {text.at, text.length};
    if (text.at)
        weir_act_detail(session, "mended", json_true());
    if (code == WEIR_EXIT_FINE)
        code = run(session, &replay, service, text.at ? &data : NULL, count, ids);
    weir_text_close(&text);
    return code;
}
