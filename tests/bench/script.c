/* Makes templates of what was recorded. */
#include "script.h"

#include <stdlib.h>
#include <string.h>

#define TIME_DIGITS 13
#define DAY_MS 86400000LL

/* ---- Entries ------------------------------------------------------------------------------- */

static size_t digits_at(const char *text)
{
    return strspn(text, "0123456789");
}

static bool is_entry_id(const char *word)
{
    const size_t ms = digits_at(word), sequence = word[ms] == '-' ? digits_at(word + ms + 1) : 0;
    return ms == TIME_DIGITS && sequence > 0 && word[ms + 1 + sequence] == '\0';
}

static bool has_word(const struct bench_command *command, const char *word)
{
    for (size_t i = 1; i < command->count; i++)
        if (strcmp(command->words[i], word) == 0)
            return true;
    return false;
}

static const char *entry_in(const struct bench_command *command)
{
    for (size_t i = 1; i < command->count; i++)
        if (is_entry_id(command->words[i]))
            return command->words[i];
    return NULL;
}

static bool reads_only(const struct bench_command *command)
{
    static const char *const reads[] = {"XREADGROUP", "XREAD",  "XRANGE", "XPENDING", "XREVRANGE",
                                        "XAUTOCLAIM", "XCLAIM", "XINFO",  "HMGET",    "HGETALL"};
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
        if (strcmp(command->words[0], reads[i]) == 0)
            return true;
    return false;
}

/* ---- Sources ------------------------------------------------------------------------------- */

static bool is_stream_name(const char *word)
{
    static const char *const ends[] = {"}:commands", "}:events", "}:replies", "}:held"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const size_t length = strlen(word), end = strlen(ends[i]);
        if (length > end && strcmp(word + length - end, ends[i]) == 0)
            return true;
    }
    return false;
}

static size_t find_source(const struct bench_script *script, const char *stream, const char *group)
{
    for (size_t i = 0; i < script->source_count; i++)
        if (strcmp(script->sources[i].stream, stream) == 0 &&
            strcmp(script->sources[i].group, group) == 0)
            return i;
    return script->source_count;
}

static void add_source(struct bench_script *script, const char *stream, const char *group)
{
    struct bench_source source = {0};
    snprintf(source.stream, sizeof source.stream, "%s", stream);
    snprintf(source.group, sizeof source.group, "%s", group);
    script->sources =
        bench_memory(script->sources, (script->source_count + 1) * sizeof *script->sources);
    script->sources[script->source_count++] = source;
}

/* The (stream, group) whose entry the command puts away; adds it where it is new. The group's name
 * stands among the words. */
static bool source_of(struct bench_server *server, struct bench_script *script,
                      const struct bench_command *command, size_t *out)
{
    for (size_t i = 1; i < command->count; i++) {
        if (!is_stream_name(command->words[i]))
            continue;
        redisReply *groups = bench_ask(server, "XINFO GROUPS %s", command->words[i]);
        for (size_t g = 0; g < groups->elements; g++) {
            const char *group = groups->element[g]->element[1]->str;
            if (!has_word(command, group))
                continue;
            *out = find_source(script, command->words[i], group);
            if (*out == script->source_count)
                add_source(script, command->words[i], group);
            freeReplyObject(groups);
            return true;
        }
        freeReplyObject(groups);
    }
    return false;
}

/* ---- Templates ----------------------------------------------------------------------------- */

struct compiling {
    struct bench_part *part;
    const char *entry, *previous; /* NULL: none */
    long long recorded_ms, moved_ms;
    char key[BENCH_DIGITS + 1]; /* of the recorded item; "" without */
};

static void add_piece(struct bench_part *part, enum bench_piece_kind kind, const char *bytes,
                      size_t length)
{
    struct bench_piece *last = part->piece_count > 0 ? &part->pieces[part->piece_count - 1] : NULL;
    if (kind == BENCH_LITERAL && last != NULL && last->kind == BENCH_LITERAL) {
        last->bytes = bench_memory(last->bytes, last->length + length + 1);
        memcpy(last->bytes + last->length, bytes, length);
        last->length += length;
        return;
    }
    struct bench_piece piece = {.kind = kind, .length = length};
    if (kind == BENCH_LITERAL) {
        piece.bytes = bench_memory(NULL, length + 1);
        memcpy(piece.bytes, bytes, length);
    }
    part->pieces = bench_memory(part->pieces, (part->piece_count + 1) * sizeof *part->pieces);
    part->pieces[part->piece_count++] = piece;
}

/* A time near that of the recording, and no part of an entry's id. */
static bool is_recorded_time(const struct compiling *compiling, const char *at, size_t digits)
{
    if (digits != TIME_DIGITS || at[digits] == '-')
        return false;
    const long long time = strtoll(at, NULL, 10);
    return time > compiling->recorded_ms - DAY_MS && time < compiling->recorded_ms + 60 * DAY_MS;
}

/* A run of digits: one of our numbers, a time, or just itself. */
static void add_digits(const struct compiling *compiling, const char *at, size_t digits)
{
    char text[32];
    if (digits == BENCH_DIGITS && strtoul(at, NULL, 10) == BENCH_RECORDED) {
        add_piece(compiling->part, BENCH_NUMBER, NULL, 0);
    } else if (digits == BENCH_DIGITS && compiling->key[0] != '\0' &&
               strncmp(at, compiling->key, digits) == 0) {
        add_piece(compiling->part, BENCH_KEY, NULL, 0);
    } else if (is_recorded_time(compiling, at, digits)) {
        snprintf(text, sizeof text, "%lld", strtoll(at, NULL, 10) + compiling->moved_ms);
        add_piece(compiling->part, BENCH_LITERAL, text, strlen(text));
    } else {
        add_piece(compiling->part, BENCH_LITERAL, at, digits);
    }
}

static void add_word(const struct compiling *compiling, const char *word, size_t length)
{
    const size_t entry_length = strlen(compiling->entry);
    size_t held = 0;
    if (compiling->previous != NULL && strcmp(word, compiling->previous) == 0) {
        add_piece(compiling->part, BENCH_PREVIOUS, NULL, 0);
        return;
    }
    for (const char *at = word; (at = strstr(at, compiling->entry)) != NULL; at += entry_length)
        held++;
    char head[32];
    snprintf(head, sizeof head, "$%zu\r\n", length);
    if (held == 0)
        add_piece(compiling->part, BENCH_LITERAL, head, strlen(head));
    else if (held == 1)
        add_piece(compiling->part, BENCH_ENTRY_LENGTH, NULL, length - entry_length);
    else
        bench_fail("a recorded word holds its entry's id more than once: %.200s", word);
    for (size_t i = 0; i < length;) {
        const size_t digits = digits_at(word + i);
        if (held > 0 && strncmp(word + i, compiling->entry, entry_length) == 0) {
            add_piece(compiling->part, BENCH_ENTRY, NULL, 0);
            i += entry_length;
        } else if (digits > 0) {
            add_digits(compiling, word + i, digits);
            i += digits;
        } else {
            add_piece(compiling->part, BENCH_LITERAL, word + i++, 1);
        }
    }
    add_piece(compiling->part, BENCH_LITERAL, "\r\n", 2);
}

static void add_command(const struct compiling *compiling, const struct bench_command *command)
{
    char head[32];
    snprintf(head, sizeof head, "*%zu\r\n", command->count);
    add_piece(compiling->part, BENCH_LITERAL, head, strlen(head));
    for (size_t i = 0; i < command->count; i++)
        add_word(compiling, command->words[i], command->lengths[i]);
    compiling->part->answers++;
}

/* ---- Selectors ----------------------------------------------------------------------------- */

static void take_field(char *out, size_t room, const char *name,
                       const struct bench_command *command, size_t first)
{
    for (size_t i = first; i + 1 < command->count; i += 2)
        if (strcmp(command->words[i], name) == 0)
            snprintf(out, room, "%s", command->words[i + 1]);
}

/* Entries are appended in the order of their ids: the first that was handled is the first that was
 * appended while it was recorded. */
static void describe_entry(struct bench_part *part, const char *stream, size_t rank,
                           const struct bench_recording *recording)
{
    for (size_t i = 0; i < recording->count; i++) {
        const struct bench_command *command = &recording->commands[i];
        size_t first = 2;
        if (command->count < 5 || strcasecmp(command->words[0], "XADD") != 0 ||
            strcmp(command->words[1], stream) != 0 || rank-- > 0)
            continue;
        while (first < command->count && strcmp(command->words[first], "*") != 0)
            first++;
        take_field(part->type, sizeof part->type, "type", command, first + 1);
        take_field(part->step, sizeof part->step, "step", command, first + 1);
        take_field(part->action, sizeof part->action, "action", command, first + 1);
        return;
    }
    bench_fail("an entry of %s was handled that nobody was seen to append", stream);
}

/* ---- Making -------------------------------------------------------------------------------- */

struct handled { /* an entry, and the commands that put it away */
    size_t source;
    const char *entry;
    const struct bench_command *commands[8];
    size_t count, last; /* place of the last of them in the recording */
};

struct handled_list {
    struct handled *at;
    size_t count;
};

/* A commit that was sent again, as after a conflict, takes the place of the first. */
static void note_command(struct handled *handled, const struct bench_command *command, size_t place)
{
    handled->last = place;
    for (size_t i = 0; i < handled->count; i++)
        if (strcmp(handled->commands[i]->words[0], command->words[0]) == 0 &&
            strcmp(handled->commands[i]->words[1], command->words[1]) == 0) {
            handled->commands[i] = command;
            return;
        }
    if (handled->count == sizeof handled->commands / sizeof handled->commands[0])
        bench_fail("one entry was put away by more commands than that can be");
    handled->commands[handled->count++] = command;
}

static struct handled *handled_of(struct handled_list *list, size_t source, const char *entry)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].source == source && strcmp(list->at[i].entry, entry) == 0)
            return &list->at[i];
    list->at = bench_memory(list->at, (list->count + 1) * sizeof *list->at);
    list->at[list->count] = (struct handled){.source = source, .entry = entry};
    return &list->at[list->count++];
}

static int by_place(const void *one, const void *other)
{
    const struct handled *a = one, *b = other;
    return (a->last > b->last) - (a->last < b->last);
}

/* Ids of one stream compare as texts where they have the same length, and in a recording of some
 * milliseconds a longer one is later. */
static bool id_before(const char *one, const char *other)
{
    const int ms = strncmp(one, other, TIME_DIGITS);
    return ms != 0 ? ms < 0 : atoll(one + TIME_DIGITS + 1) < atoll(other + TIME_DIGITS + 1);
}

static size_t rank_of(const struct handled_list *list, const struct handled *handled)
{
    size_t rank = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].source == handled->source && id_before(list->at[i].entry, handled->entry))
            rank++;
    return rank;
}

static long long server_ms(struct bench_server *server)
{
    redisReply *reply = bench_ask(server, "TIME");
    const long long ms = atoll(reply->element[0]->str) * 1000;
    freeReplyObject(reply);
    return ms;
}

static void make_part(struct bench_script *script, const struct handled_list *list,
                      const struct handled *handled, const struct bench_recording *recording,
                      long long now_ms)
{
    struct bench_part part = {.source = handled->source};
    struct compiling compiling = {.part = &part,
                                  .entry = handled->entry,
                                  .recorded_ms = strtoll(list->at[0].entry, NULL, 10)};
    compiling.moved_ms = now_ms - compiling.recorded_ms;
    if (script->keys > 0)
        snprintf(compiling.key, sizeof compiling.key, "%09u",
                 bench_key_of(BENCH_RECORDED, script->keys));
    for (size_t i = 0; i < handled->count; i++)
        add_command(&compiling, handled->commands[i]);
    describe_entry(&part, script->sources[part.source].stream, rank_of(list, handled), recording);
    script->parts = bench_memory(script->parts, (script->part_count + 1) * sizeof *script->parts);
    script->parts[script->part_count++] = part;
}

struct bench_script bench_script_make(struct bench_server *server,
                                      const struct bench_recording *recording, unsigned keys)
{
    struct bench_script script = {.keys = keys};
    struct handled_list list = {0};
    for (size_t i = 0; i < recording->count; i++) {
        const struct bench_command *command = &recording->commands[i];
        const char *entry = command->by_script ? NULL : entry_in(command);
        size_t source;
        if (entry != NULL && !reads_only(command) && source_of(server, &script, command, &source))
            note_command(handled_of(&list, source, entry), command, i);
    }
    if (list.count == 0)
        bench_fail("nothing was recorded that puts a message away");
    qsort(list.at, list.count, sizeof *list.at, by_place);
    for (size_t i = 0; i < list.count; i++)
        make_part(&script, &list, &list.at[i], recording, server_ms(server));
    script.sources[script.parts[0].source].begins = true;
    free(list.at);
    return script;
}

struct bench_script bench_script_of_move(struct bench_server *server,
                                         const struct bench_recording *recording,
                                         const char *previous, const char *entry, unsigned keys)
{
    struct bench_script script = {.keys = keys, .part_count = 1};
    struct bench_part part = {0};
    struct compiling compiling = {.part = &part,
                                  .entry = entry,
                                  .previous = previous,
                                  .recorded_ms = strtoll(entry, NULL, 10)};
    const struct bench_command *move = NULL;
    for (size_t i = 0; i < recording->count; i++)
        if (!recording->commands[i].by_script && has_word(&recording->commands[i], previous) &&
            has_word(&recording->commands[i], entry))
            move = &recording->commands[i];
    if (move == NULL)
        bench_fail("nothing was recorded that moves from event %s to %s", previous, entry);
    compiling.moved_ms = server_ms(server) - compiling.recorded_ms;
    if (keys > 0)
        snprintf(compiling.key, sizeof compiling.key, "%09u", bench_key_of(BENCH_RECORDED, keys));
    add_command(&compiling, move);
    script.parts = bench_memory(NULL, sizeof part);
    script.parts[0] = part;
    return script;
}
