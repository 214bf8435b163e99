/* What the handling of a message wants done: collecting and merging. */
#include "message/effects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE ((size_t)-1)
#define DIGITS 24

/* ---- Memory ------------------------------------------------------------------------------ */

static bool out_of_memory(struct weir_effects *effects)
{
    weir_error_set(&effects->error, WEIR_NO_MEMORY, "no memory for the effects");
    return false;
}

/* Makes room for one more element; false where memory runs out. */
static bool reserve(void **array, size_t count, size_t *capacity, size_t size)
{
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *grown;
    if (count < *capacity)
        return true;
    grown = realloc(*array, wanted * size);
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

/* What a caller passes may have been read from these very bytes, which move when they grow. So they
 * grow before anything else is done, by at least `needed`, and the caller frees the old ones, in
 * `old`, when it is done. */
static bool make_room(struct weir_effects *effects, size_t needed, char **old)
{
    struct weir_text *bytes = &effects->bytes;
    size_t capacity = 2 * bytes->capacity + needed + 64;
    char *grown;
    *old = NULL;
    if (needed < bytes->capacity - bytes->length)
        return true;
    grown = malloc(capacity);
    if (grown == NULL)
        return out_of_memory(effects);
    if (bytes->length > 0)
        memcpy(grown, bytes->at, bytes->length);
    grown[bytes->length] = '\0';
    *old = bytes->at;
    bytes->at = grown;
    bytes->capacity = capacity;
    return true;
}

void weir_effects_clear(struct weir_effects *effects)
{
    weir_text_clear(&effects->bytes);
    effects->bytes.failed = false;
    effects->key_count = effects->effect_count = effects->argument_count = 0;
    memset(&effects->error, 0, sizeof effects->error);
}

void weir_effects_close(struct weir_effects *effects)
{
    weir_text_close(&effects->bytes);
    free(effects->keys);
    free(effects->effects);
    free(effects->arguments);
    memset(effects, 0, sizeof *effects);
}

static bool push_argument(struct weir_effects *effects, const char *bytes, size_t length)
{
    struct weir_effect_argument *argument;
    if (!reserve((void **)&effects->arguments, effects->argument_count, &effects->argument_capacity,
                 sizeof *effects->arguments))
        return out_of_memory(effects);
    argument = &effects->arguments[effects->argument_count];
    argument->offset = effects->bytes.length;
    argument->length = length;
    weir_text_append(&effects->bytes, bytes, length);
    weir_text_append(&effects->bytes, "", 1); /* terminated, for those who look at it as text */
    if (effects->bytes.failed)
        return out_of_memory(effects);
    effects->argument_count++;
    return true;
}

static const char *argument_at(const struct weir_effects *effects, size_t index)
{
    return effects->bytes.at + effects->arguments[index].offset;
}

/* ---- Keys -------------------------------------------------------------------------------- */

static uint32_t hash_of(const char *bytes, size_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    return hash;
}

static struct weir_effect_key *find_key(const struct weir_effects *effects, const char *name)
{
    size_t length = strlen(name);
    uint32_t hash = hash_of(name, length);
    for (size_t i = effects->key_count; i-- > 0;) { /* the latest is the likeliest */
        struct weir_effect_key *key = &effects->keys[i];
        if (key->hash == hash && key->name_length == length &&
            memcmp(effects->bytes.at + key->name_offset, name, length) == 0)
            return key;
    }
    return NULL;
}

static struct weir_effect_key *get_key(struct weir_effects *effects, const char *name)
{
    struct weir_effect_key *key = find_key(effects, name);
    if (key != NULL)
        return key;
    if (!reserve((void **)&effects->keys, effects->key_count, &effects->key_capacity,
                 sizeof *effects->keys)) {
        out_of_memory(effects);
        return NULL;
    }
    key = &effects->keys[effects->key_count];
    key->name_offset = effects->bytes.length;
    key->name_length = strlen(name);
    key->hash = hash_of(name, key->name_length);
    key->first = key->last = NONE;
    key->deleted = false;
    weir_text_append(&effects->bytes, name, key->name_length + 1);
    if (effects->bytes.failed) {
        out_of_memory(effects);
        return NULL;
    }
    effects->key_count++;
    return key;
}

/* ---- Effects ----------------------------------------------------------------------------- */

static struct weir_effect *push_effect(struct weir_effects *effects, struct weir_effect_key *key,
                                       enum weir_effect_kind kind, const char *verb)
{
    struct weir_effect *effect;
    if (!reserve((void **)&effects->effects, effects->effect_count, &effects->effect_capacity,
                 sizeof *effects->effects)) {
        out_of_memory(effects);
        return NULL;
    }
    effect = &effects->effects[effects->effect_count];
    memset(effect, 0, sizeof *effect);
    effect->kind = kind;
    effect->verb = verb;
    effect->first_argument = effects->argument_count;
    effect->next = NONE;
    if (key->last == NONE)
        key->first = effects->effect_count;
    else
        effects->effects[key->last].next = effects->effect_count;
    key->last = effects->effect_count++;
    return effect;
}

static bool is_write(const struct weir_effect *effect)
{
    return effect->kind == WEIR_EFFECT_SET || effect->kind == WEIR_EFFECT_ADD ||
           effect->kind == WEIR_EFFECT_REMOVE;
}

/* The write (or the expectation) of a field that stands behind the last DEL of its key. */
static struct weir_effect *find_field(const struct weir_effects *effects,
                                      const struct weir_effect_key *key, const char *field,
                                      bool expectation)
{
    struct weir_effect *found = NULL;
    for (size_t i = key->first; i != NONE; i = effects->effects[i].next) {
        struct weir_effect *effect = &effects->effects[i];
        if (effect->kind == WEIR_EFFECT_PLAIN && strcmp(effect->verb, "DEL") == 0 && !expectation)
            found = NULL;
        else if ((expectation ? effect->kind == WEIR_EFFECT_EXPECT : is_write(effect)) &&
                 strcmp(argument_at(effects, effect->first_argument), field) == 0)
            found = effect;
    }
    return found;
}

/* Turns `effect` into a write of field and value, its arguments laid anew. */
static void lay(struct weir_effects *effects, struct weir_effect *effect,
                enum weir_effect_kind kind, const char *verb, const char *field,
                const struct weir_slice *value)
{
    size_t first = effects->argument_count;
    if (!push_argument(effects, field, strlen(field)) ||
        (value != NULL && !push_argument(effects, value->at, value->length)))
        return;
    effect->kind = kind;
    effect->verb = verb;
    effect->first_argument = first;
    effect->argument_count = value != NULL ? 2 : 1;
}

static struct weir_effect *field_effect(struct weir_effects *effects, const char *key_name,
                                        const char *field)
{
    struct weir_effect_key *key = get_key(effects, key_name);
    struct weir_effect *effect = key != NULL ? find_field(effects, key, field, false) : NULL;
    if (key == NULL || effect != NULL)
        return effect;
    effect = push_effect(effects, key, WEIR_EFFECT_REMOVE, "HDEL");
    return effect;
}

void weir_effects_set(struct weir_effects *effects, const char *key, const char *field,
                      struct weir_slice value)
{
    struct weir_effect *effect;
    char *old;
    if (!make_room(effects, strlen(key) + strlen(field) + value.length + 3, &old))
        return;
    effect = field_effect(effects, key, field);
    if (effect != NULL)
        lay(effects, effect, WEIR_EFFECT_SET, "HSET", field, &value);
    free(old);
}

void weir_effects_remove(struct weir_effects *effects, const char *key, const char *field)
{
    struct weir_effect *effect;
    char *old;
    if (!make_room(effects, strlen(key) + strlen(field) + 2, &old))
        return;
    effect = field_effect(effects, key, field);
    if (effect != NULL)
        lay(effects, effect, WEIR_EFFECT_REMOVE, "HDEL", field, NULL);
    free(old);
}

static void lay_number(struct weir_effects *effects, struct weir_effect *effect,
                       enum weir_effect_kind kind, const char *field, int64_t number)
{
    char digits[DIGITS];
    struct weir_slice value = {digits, 0};
    value.length = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)number);
    lay(effects, effect, kind, kind == WEIR_EFFECT_ADD ? "HINCRBY" : "HSET", field, &value);
    effect->delta = number;
}

static void add(struct weir_effects *effects, const char *key, const char *field, int64_t delta)
{
    struct weir_effect_key *known = find_key(effects, key);
    struct weir_effect *before = known ? find_field(effects, known, field, false) : NULL;
    int64_t start = 0, sum;

    if (before != NULL && before->kind == WEIR_EFFECT_ADD)
        start = before->delta;
    else if (before != NULL && before->kind == WEIR_EFFECT_SET &&
             !weir_parse_integer(argument_at(effects, before->first_argument + 1),
                                 effects->arguments[before->first_argument + 1].length, &start)) {
        weir_error_set(&effects->error, WEIR_INVALID, "%s: field %s is not a whole number", key,
                       field);
        return;
    }
    if (__builtin_add_overflow(start, delta, &sum)) {
        weir_error_set(&effects->error, WEIR_INVALID, "%s: field %s would overflow", key, field);
        return;
    }
    if (before == NULL)
        before = field_effect(effects, key, field);
    else if (before->kind != WEIR_EFFECT_ADD) {
        lay_number(effects, before, WEIR_EFFECT_SET, field, sum);
        return;
    }
    if (before != NULL)
        lay_number(effects, before, WEIR_EFFECT_ADD, field, sum);
}

void weir_effects_add(struct weir_effects *effects, const char *key, const char *field,
                      int64_t delta)
{
    char *old;
    if (!make_room(effects, strlen(key) + strlen(field) + DIGITS + 2, &old))
        return;
    add(effects, key, field, delta);
    free(old);
}

static void expect(struct weir_effects *effects, const char *key_name, const char *field,
                   const char *value)
{
    struct weir_effect_key *key = get_key(effects, key_name);
    struct weir_effect *effect;
    size_t length = value != NULL ? strlen(value) : 0;
    if (key == NULL || find_field(effects, key, field, true) != NULL)
        return;
    effect = push_effect(effects, key, WEIR_EFFECT_EXPECT, "EXPECT");
    if (effect == NULL || !push_argument(effects, field, strlen(field)) ||
        !push_argument(effects, value != NULL ? "=" : "-", 1))
        return;
    if (value != NULL) { /* the value goes directly behind the mark, as one argument */
        effects->bytes.length--;
        weir_text_append(&effects->bytes, value, length + 1);
        effects->arguments[effects->argument_count - 1].length += length;
        if (effects->bytes.failed)
            out_of_memory(effects);
    }
    effect->argument_count = 2;
}

void weir_effects_expect(struct weir_effects *effects, const char *key, const char *field,
                         const char *value)
{
    char *old;
    size_t length = value != NULL ? strlen(value) : 0;
    if (!make_room(effects, strlen(key) + strlen(field) + length + 4, &old))
        return;
    expect(effects, key, field, value);
    free(old);
}

static void plain(struct weir_effects *effects, const char *verb, const char *key_name,
                  const struct weir_slice *arguments, size_t count)
{
    struct weir_effect_key *key = get_key(effects, key_name);
    struct weir_effect *effect = key ? push_effect(effects, key, WEIR_EFFECT_PLAIN, verb) : NULL;
    if (effect == NULL)
        return;
    if (strcmp(verb, "DEL") == 0)
        key->deleted = true;
    for (size_t i = 0; i < count; i++)
        if (!push_argument(effects, arguments[i].at, arguments[i].length))
            return;
    effect->argument_count = count;
}

void weir_effects_plain(struct weir_effects *effects, const char *verb, const char *key,
                        const struct weir_slice *arguments, size_t count)
{
    size_t needed = strlen(key) + 1;
    char *old;
    for (size_t i = 0; i < count; i++)
        needed += arguments[i].length + 1;
    if (!make_room(effects, needed, &old))
        return;
    plain(effects, verb, key, arguments, count);
    free(old);
}

void weir_parts_pack(struct weir_text *out, const struct weir_slice *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weir_text_format(out, "%zu:", parts[i].length);
        weir_text_append(out, parts[i].at, parts[i].length);
    }
}

/* ---- Looking ----------------------------------------------------------------------------- */

enum weir_effect_view weir_effects_view(const struct weir_effects *effects, const char *key_name,
                                        const char *field, struct weir_slice *value, int64_t *delta)
{
    const struct weir_effect_key *key = find_key(effects, key_name);
    const struct weir_effect *effect = key ? find_field(effects, key, field, false) : NULL;
    if (effect == NULL)
        return key != NULL && key->deleted ? WEIR_VIEW_ABSENT : WEIR_VIEW_STORED;
    if (effect->kind == WEIR_EFFECT_REMOVE)
        return WEIR_VIEW_ABSENT;
    value->at = argument_at(effects, effect->first_argument + 1);
    value->length = effects->arguments[effect->first_argument + 1].length;
    *delta = effect->delta;
    if (effect->kind == WEIR_EFFECT_SET || key->deleted)
        return WEIR_VIEW_WRITTEN;
    return WEIR_VIEW_ADDED;
}

bool weir_effects_touch(const struct weir_effects *effects, const char *key_name, bool *deleted)
{
    const struct weir_effect_key *key = find_key(effects, key_name);
    bool written = false;
    *deleted = key != NULL && key->deleted;
    for (size_t i = key != NULL ? key->first : NONE; i != NONE; i = effects->effects[i].next) {
        const struct weir_effect *effect = &effects->effects[i];
        if (effect->kind == WEIR_EFFECT_SET || effect->kind == WEIR_EFFECT_ADD)
            written = true;
        else if (effect->kind == WEIR_EFFECT_PLAIN && strcmp(effect->verb, "DEL") == 0)
            written = false;
    }
    return written;
}

bool weir_effects_append_only(const struct weir_effects *effects, size_t key)
{
    for (size_t i = effects->keys[key].first; i != NONE; i = effects->effects[i].next)
        if (effects->effects[i].kind != WEIR_EFFECT_PLAIN ||
            strcmp(effects->effects[i].verb, "XADD") != 0)
            return false;
    return true;
}
