/* Numbers, names, ids, marks, tokens and records as texts that anybody may have written: what can
 * be read is written as the same again. */
#include "base/text.h"
#include "fuzz/bytes.h"
#include "message/mark.h"
#include "redis/entry_id.h"
#include "redis/refusal.h"
#include "saga/transition.h"
#include "service/load_pattern.h"
#include "service/participant.h"
#include "weir.h"

static void check_numbers(const char *text, size_t length)
{
    int64_t number, ms;
    char again[32];
    struct weir_entry_id id, zero = {0};
    if (weir_parse_integer(text, length, &number)) {
        snprintf(again, sizeof again, "%lld", (long long)number);
        HOLDS(strlen(again) == length && memcmp(again, text, length) == 0);
    }
    if (weir_parse_duration_ms(text, &ms))
        HOLDS(ms >= 0 && ms <= INT64_C(315360000000));
    if (weir_entry_id_read((struct weir_slice){text, length}, &id)) {
        char room[WEIR_ENTRY_ID_MAX];
        snprintf(room, sizeof room, "%llu-%llu", (unsigned long long)id.ms,
                 (unsigned long long)id.sequence);
        HOLDS(strlen(room) == length && memcmp(room, text, length) == 0);
        HOLDS(!weir_entry_id_less(&id, &zero) && !weir_entry_id_less(&id, &id));
    }
}

/* What stands in keys can neither leave its hash tag nor a line of a log. */
static void check_names(const char *text, size_t length)
{
    bool name = weir_name_valid(text, length), type = weir_type_name_valid(text, length);
    bool id = weir_id_valid(text, length);
    HOLDS(!name || (type && length <= 64));
    HOLDS(!type || length <= 128);
    HOLDS(!id || (length > 0 && length <= 128));
    for (size_t i = 0; (name || type || id) && i < length; i++)
        HOLDS((unsigned char)text[i] > ' ' && text[i] != 0x7f &&
              strchr("{}/\"\\", text[i]) == NULL);
}

static void check_mark(const char *text, size_t length)
{
    char room[WEIR_MARK_MAX];
    struct weir_mark mark = weir_mark_read((struct weir_slice){text, length}), again;
    bool written_here = mark.kind == WEIR_MARK_REFUSED || mark.kind == WEIR_MARK_UNKNOWN;
    if (!written_here || strlen(text) != length || length >= WEIR_MARK_MAX)
        return;
    again = weir_mark_read(weir_mark_write(&mark, room));
    HOLDS(again.kind == mark.kind && again.entry.length == mark.entry.length);
    HOLDS(memcmp(again.entry.at, mark.entry.at, mark.entry.length) == 0);
    HOLDS(again.reason.length <= mark.reason.length);
}

static void check_token(const char *text)
{
    struct weir_token token;
    char room[WEIR_TOKEN_MAX];
    if (weir_token_read(text, &token))
        HOLDS(strcmp(weir_token_write(&token, room), text) == 0);
}

static void check_step_end(const char *text)
{
    struct weir_step_end end = weir_step_end_parse(text), again;
    struct weir_text out = {0};
    if (end.outcome == WEIR_OUTCOME_NONE)
        return;
    weir_step_end_write(&out, &end);
    again = weir_step_end_parse(out.at);
    HOLDS(again.outcome == end.outcome && again.number == end.number);
    HOLDS(again.data.length == end.data.length);
    HOLDS(memcmp(again.data.at, end.data.at, end.data.length) == 0);
    weir_text_close(&out);
}

/* A compensation that succeeded bars the step for ever, whatever else stands in the record. */
static void check_bar(const char *execute, const char *compensate)
{
    struct weir_step_end undone = weir_step_end_parse(compensate);
    struct weir_step_ends ends = {weir_step_end_parse(execute), undone};
    struct weir_participant_decision decision =
        weir_participant_decide(&ends, false, weir_command_number(execute));
    if (undone.outcome == WEIR_OUTCOME_SUCCEEDED)
        HOLDS(decision.verdict != WEIR_PARTICIPANT_HANDLE);
}

static void check_pattern(const char *pattern, const char *json, size_t length)
{
    struct weir_error error = {0};
    char key[200];
    json_t *data;
    if (weir_load_pattern_check(pattern, &error) != WEIR_OK) {
        HOLDS(error.text[0] != '\0');
        return;
    }
    data = json_loadb(json, length, 0, NULL);
    for (size_t i = 0; i <= WEIR_LOAD_KEYS_MAX; i++) {
        memset(key, 'x', sizeof key);
        int written =
            weir_load_pattern_key(pattern, i, &(weir_message){.data = data}, key, sizeof key);
        HOLDS(written >= -1 && written < (int)sizeof key);
        HOLDS(written <= 0 || strlen(key) == (size_t)written);
    }
    json_decref(data);
}

static void check_words(const char *text, size_t length)
{
    enum weir_saga_state saga;
    enum weir_step_state step;
    enum weir_step_action action;
    if (weir_saga_state_parse(text, length, &saga))
        HOLDS(strcmp(weir_saga_state_text(saga), text) == 0);
    if (weir_step_state_parse(text, length, &step))
        HOLDS(strcmp(weir_step_state_text(step), text) == 0);
    if (weir_step_action_parse(text, length, &action))
        HOLDS(strcmp(weir_step_action_text(action), text) == 0);
    HOLDS(weir_refusal_of(text) <= WEIR_REFUSAL_PLACE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t length = newline == NULL ? size : (size_t)(newline - data);
    size_t rest = newline == NULL ? 0 : size - length - 1;
    char *text = copy_bytes(data, length);
    char *other = copy_bytes(newline == NULL ? NULL : newline + 1, rest);
    check_numbers(text, length);
    check_names(text, length);
    check_mark(text, length);
    check_token(text);
    check_step_end(text);
    check_bar(text, other);
    check_pattern(text, other, rest);
    if (strlen(text) == length)
        check_words(text, length);
    free(text);
    free(other);
    return 0;
}
