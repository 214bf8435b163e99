/* The handling of one message: state and effects, as handlers see them. */
#include "service/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/key_names.h"

struct weir_scratch {
    struct weir_scratch *next;
    char text[WEIR_DIGITS_MAX];
};

void weir_context_begin(struct weir_context *context)
{
    weir_context_close(context);
    weir_effects_clear(context->effects);
    context->retry_after_ms = -1;
    context->uncounted = false;
}

void weir_context_close(struct weir_context *context)
{
    while (context->scratch != NULL) {
        struct weir_scratch *next = context->scratch->next;
        free(context->scratch);
        context->scratch = next;
    }
    json_decref(context->result);
    context->result = NULL;
    weir_context_will_move(context, NULL);
    weir_rare_error_clear(&context->reason);
}

void weir_context_will_move(weir_context *context, struct weir_saga_moved *moved_take)
{
    free(context->moved);
    context->moved = moved_take;
}

static void mistake(weir_context *context, const char *what, const char *name)
{
    weir_rare_error_set(&context->effects->error, WEIR_INVALID, "%s: %s", what, name);
}

/* ---- Keys -------------------------------------------------------------------------------- */

/* Keys that are weir's own: whole ones, and what others begin with. */
static const char *const own_keys[] = {"commands", "events",  "dead",  "scheduled", "workers",
                                       "witness",  "readers", "steps", "kinds"};
static const char *const own_kinds[] = {
    "seen:", "step:", "checkpoint:", "projection:", "skipped:", "note:", "dead:"};

static bool is_reserved(const char *key)
{
    if (strncmp(key, "rebuild", 7) == 0)
        return true;
    for (size_t i = 0; i < sizeof own_keys / sizeof own_keys[0]; i++)
        if (strcmp(key, own_keys[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof own_kinds / sizeof own_kinds[0]; i++)
        if (strncmp(key, own_kinds[i], strlen(own_kinds[i])) == 0)
            return true;
    return false;
}

/* The whole key for what a handler calls it; NULL where it may not be called so. */
static const char *whole_key(weir_context *context, const char *key, char *room)
{
    if (key == NULL) {
        if (context->first_key == NULL)
            mistake(context, "key", "NULL, but no key was loaded");
        return context->first_key;
    }
    for (const char *c = key; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f || c - key > 256) {
            mistake(context, "key", "longer than 256 bytes or with control characters");
            return NULL;
        }
    if (*key == '\0') {
        mistake(context, "key", "empty");
        return NULL;
    }
    if (is_reserved(key)) {
        mistake(context, "key is one of weir's own", key);
        return NULL;
    }
    return weir_key_model(room, context->runtime->prefix, context->runtime->service,
                          context->folding != NULL ? context->folding->base : "", key);
}

/* ---- Reading ----------------------------------------------------------------------------- */

static const struct weir_loaded *loaded_hash(weir_context *context, const char *key, char *room)
{
    const char *whole;
    const struct weir_loaded *loaded;
    if (key == NULL && context->first_key == NULL)
        return NULL;
    whole = whole_key(context, key, room);
    loaded = whole != NULL ? weir_snapshot_find(context->snapshot, whole) : NULL;
    return loaded != NULL && loaded->loaded ? loaded : NULL;
}

bool weir_exists(weir_context *context, const char *key)
{
    char room[WEIR_KEY_MAX];
    const struct weir_loaded *loaded = loaded_hash(context, key, room);
    struct weir_slice wanted;
    bool deleted, there;
    if (loaded == NULL)
        return false;
    if (weir_effects_touch(context->effects, loaded->key, &deleted))
        return true;
    there = loaded->field_count > 0;
    if (!context->unchecked && !deleted) {
        wanted = weir_slice_of(there ? "1" : "0");
        weir_effects_plain(context->effects, "EXISTS", loaded->key, &wanted, 1);
    }
    return there && !deleted;
}

static const char *lend_number(weir_context *context, int64_t number)
{
    struct weir_scratch *scratch = malloc(sizeof *scratch);
    if (scratch == NULL) {
        weir_rare_error_set(&context->effects->error, WEIR_NO_MEMORY, "no memory");
        return NULL;
    }
    scratch->next = context->scratch;
    context->scratch = scratch;
    weir_digits(number, scratch->text);
    return scratch->text;
}

const char *weir_hget(weir_context *context, const char *key, const char *field)
{
    char room[WEIR_KEY_MAX];
    const struct weir_loaded *loaded = loaded_hash(context, key, room);
    const char *stored;
    struct weir_slice value = {0};
    int64_t delta = 0, number = 0;
    enum weir_effect_view view;

    if (loaded == NULL)
        return NULL;
    view = weir_effects_view(context->effects, loaded->key, field, &value, &delta);
    if (view == WEIR_VIEW_WRITTEN)
        return value.at;
    if (view == WEIR_VIEW_ABSENT)
        return NULL;
    stored = weir_loaded_value(loaded, field);
    if (!context->unchecked)
        weir_effects_expect(context->effects, loaded->key, field, stored);
    if (view == WEIR_VIEW_STORED)
        return stored;
    if (stored != NULL && !weir_parse_integer(stored, strlen(stored), &number))
        return stored; /* the server will refuse the increment, naming the field */
    if (__builtin_add_overflow(number, delta, &number))
        return stored;
    return lend_number(context, number);
}

bool weir_hget_integer(weir_context *context, const char *key, const char *field, int64_t *out)
{
    const char *text = weir_hget(context, key, field);
    return text != NULL && weir_parse_integer(text, strlen(text), out);
}

const struct weir_loaded *weir_context_loaded(const weir_context *context, const char *key)
{
    char room[WEIR_KEY_MAX];
    return loaded_hash((weir_context *)context, key, room);
}

bool weir_context_stranded(const weir_context *context)
{
    return context->stranded;
}

bool weir_resumed(const weir_context *context)
{
    return context->resumed;
}

int64_t weir_context_now(const weir_context *context)
{
    return context->now_ms;
}

/* The name of a key of a rebuilt model behind what stands before all of them. */
static const char *model_name(const struct weir_context *context, const char *whole)
{
    return whole + strlen(context->runtime->prefix) + strlen(context->runtime->service) + 3 +
           strlen(context->folding->base);
}

static const char *lives_of(const struct weir_context *context)
{
    return context->folding != NULL ? context->folding->lives : NULL;
}

/* When a key of a rebuilt model was last written: one that is written after its life was over has
 * been made anew. Names have no control characters. */
static void note_write(struct weir_context *context, const char *whole)
{
    char field[WEIR_KEY_MAX + 1], digits[WEIR_DIGITS_MAX];
    struct weir_slice time = {digits, 0};
    if (lives_of(context) == NULL || !context->lives_used)
        return;
    time.length =
        (size_t)snprintf(digits, sizeof digits, "%lld", (long long)context->folding->event_ms);
    snprintf(field, sizeof field, "%s\n", model_name(context, whole));
    weir_effects_set(context->effects, lives_of(context), field, time);
}

/* ---- Writing ----------------------------------------------------------------------------- */

void weir_context_expect(weir_context *context, const char *key, const char *field,
                         const char *value)
{
    char room[WEIR_KEY_MAX];
    const char *whole = whole_key(context, key, room);
    if (whole != NULL)
        weir_effects_expect(context->effects, whole, field, value);
}

void weir_context_hset_bytes(weir_context *context, const char *key, const char *field,
                             struct weir_slice value)
{
    char room[WEIR_KEY_MAX];
    const char *whole = whole_key(context, key, room);
    if (field == NULL || *field == '\0')
        mistake(context, "field", "empty");
    else if (whole != NULL) {
        weir_effects_set(context->effects, whole, field, value);
        note_write(context, whole);
    }
}

void weir_hset(weir_context *context, const char *key, const char *field, const char *value)
{
    if (value == NULL)
        mistake(context, "value of field", field);
    else
        weir_context_hset_bytes(context, key, field, weir_slice_of(value));
}

static struct weir_slice digits_of(int64_t number, char *room)
{
    return (struct weir_slice){room, weir_digits(number, room)};
}

void weir_hset_integer(weir_context *context, const char *key, const char *field, int64_t value)
{
    char digits[WEIR_DIGITS_MAX];
    weir_context_hset_bytes(context, key, field, digits_of(value, digits));
}

void weir_hincrby(weir_context *context, const char *key, const char *field, int64_t delta)
{
    char room[WEIR_KEY_MAX];
    const char *whole = whole_key(context, key, room);
    if (whole == NULL)
        return;
    weir_effects_add(context->effects, whole, field, delta);
    note_write(context, whole);
}

void weir_hdel(weir_context *context, const char *key, const char *field)
{
    char room[WEIR_KEY_MAX];
    const char *whole = whole_key(context, key, room);
    if (whole != NULL)
        weir_effects_remove(context->effects, whole, field);
}

static void plain(weir_context *context, const char *verb, const char *key,
                  const struct weir_slice *arguments, size_t count)
{
    char room[WEIR_KEY_MAX];
    const char *whole = whole_key(context, key, room);
    for (size_t i = 0; i < count; i++)
        if (arguments[i].at == NULL) {
            mistake(context, verb, "an argument is NULL");
            return;
        }
    if (whole == NULL)
        return;
    weir_effects_plain(context->effects, verb, whole, arguments, count);
    note_write(context, whole);
}

static struct weir_slice slice_or_null(const char *text)
{
    return text != NULL ? weir_slice_of(text) : (struct weir_slice){NULL, 0};
}

/* What ends a key's life, or takes the end away, is noted beside a rebuilt model: its past is
 * folded faster than it passed. */
static bool note_life(weir_context *context, const char *key, const struct weir_slice *life)
{
    char room[WEIR_KEY_MAX];
    const char *whole;
    if (lives_of(context) == NULL)
        return false;
    whole = whole_key(context, key, room);
    context->lives_used = context->lives_used || life != NULL;
    if (whole != NULL && life != NULL)
        weir_effects_set(context->effects, lives_of(context), model_name(context, whole), *life);
    else if (whole != NULL)
        weir_effects_remove(context->effects, lives_of(context), model_name(context, whole));
    return true;
}

void weir_set(weir_context *context, const char *key, const char *value)
{
    struct weir_slice argument = slice_or_null(value);
    plain(context, "SET", key, &argument, 1);
    (void)note_life(context, key, NULL);
}

void weir_incrby(weir_context *context, const char *key, int64_t delta)
{
    char digits[WEIR_DIGITS_MAX];
    struct weir_slice argument = digits_of(delta, digits);
    plain(context, "INCRBY", key, &argument, 1);
}

void weir_sadd(weir_context *context, const char *key, const char *member)
{
    struct weir_slice argument = slice_or_null(member);
    plain(context, "SADD", key, &argument, 1);
}

void weir_srem(weir_context *context, const char *key, const char *member)
{
    struct weir_slice argument = slice_or_null(member);
    plain(context, "SREM", key, &argument, 1);
}

void weir_zadd(weir_context *context, const char *key, int64_t score, const char *member)
{
    char digits[WEIR_DIGITS_MAX];
    struct weir_slice arguments[] = {digits_of(score, digits), slice_or_null(member)};
    plain(context, "ZADD", key, arguments, 2);
}

void weir_zrem(weir_context *context, const char *key, const char *member)
{
    struct weir_slice argument = slice_or_null(member);
    plain(context, "ZREM", key, &argument, 1);
}

void weir_del(weir_context *context, const char *key)
{
    plain(context, "DEL", key, NULL, 0);
    (void)note_life(context, key, NULL);
}

void weir_expire(weir_context *context, const char *key, int64_t ms)
{
    char digits[WEIR_DIGITS_MAX];
    struct weir_slice argument;
    if (context->folding != NULL &&
        (ms <= 0 || __builtin_add_overflow(ms, context->folding->event_ms, &ms))) {
        mistake(context, "life", "is not positive, or too long");
        return;
    }
    argument = digits_of(ms, digits);
    if (!note_life(context, key, &argument))
        plain(context, context->folding != NULL ? "PEXPIREAT" : "PEXPIRE", key, &argument, 1);
}
