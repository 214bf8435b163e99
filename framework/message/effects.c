/* What the handling of a message wants done: collecting and merging. */
#include "message/effects.h"

#include <stdlib.h>
#include <string.h>

#include "message/effects_find.h"

#define NONE ((size_t)-1)

/* ---- Memory ------------------------------------------------------------------------------ */

static bool out_of_memory(struct weir_effects *effects)
{
    weir_rare_error_set(&effects->error, WEIR_NO_MEMORY, "no memory for the effects");
    return false;
}

/* Makes room for one more element; false where memory runs out. */
static bool reserve(void **array, uint32_t count, uint32_t *capacity, size_t size)
{
    uint32_t wanted =
        *capacity ? *capacity * 2 : 4; /* of most messages: thousands may be in hand */
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
    weir_index_clear(&effects->key_index);
    weir_index_clear(&effects->field_index);
    weir_rare_error_clear(&effects->error);
    effects->more = NULL;
}

void weir_effects_close(struct weir_effects *effects)
{
    weir_text_close(&effects->bytes);
    free(effects->keys);
    free(effects->effects);
    free(effects->arguments);
    weir_rare_error_clear(&effects->error);
    weir_index_close(&effects->key_index);
    weir_index_close(&effects->field_index);
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

/* ---- Keys -------------------------------------------------------------------------------- */

static struct weir_effect_key *get_key(struct weir_effects *effects, const char *name)
{
    struct weir_effect_key *key = weir_effects_find_key(effects, name);
    if (key != NULL)
        return key;
    if (!reserve((void **)&effects->keys, effects->key_count, &effects->key_capacity,
                 sizeof *effects->keys)) {
        out_of_memory(effects);
        return NULL;
    }
    key = &effects->keys[effects->key_count];
    memset(key, 0, sizeof *key);
    key->name_offset = effects->bytes.length;
    key->name_length = strlen(name);
    key->hash = weir_hash_of(WEIR_HASH_BEGIN, name, key->name_length);
    key->first = key->last = key->deletion = NONE;
    weir_text_append(&effects->bytes, name, key->name_length + 1);
    if (effects->bytes.failed) {
        out_of_memory(effects);
        return NULL;
    }
    effects->key_count++;
    weir_effects_index_keys(effects);
    return key;
}

/* ---- Effects ----------------------------------------------------------------------------- */

/* Begun as one that changes no field; who lays its arguments makes it what it is to be. */
static struct weir_effect *push_effect(struct weir_effects *effects, struct weir_effect_key *key,
                                       const char *verb)
{
    struct weir_effect *effect;
    if (!reserve((void **)&effects->effects, effects->effect_count, &effects->effect_capacity,
                 sizeof *effects->effects)) {
        out_of_memory(effects);
        return NULL;
    }
    effect = &effects->effects[effects->effect_count];
    memset(effect, 0, sizeof *effect);
    effect->kind = WEIR_EFFECT_PLAIN;
    effect->key = (uint32_t)(key - effects->keys);
    effect->verb = verb;
    effect->first_argument = effects->argument_count;
    effect->next = NONE;
    if (key->last == NONE)
        key->first = effects->effect_count;
    else
        effects->effects[key->last].next = effects->effect_count;
    key->last = effects->effect_count++;
    key->effect_count++;
    return effect;
}

/* ---- Writes ------------------------------------------------------------------------------ */

struct field_write {
    enum weir_effect_kind kind;
    const char *field;
    struct weir_slice value; /* without bytes: removed */
    int64_t delta;
};

static const char *verb_of(enum weir_effect_kind kind)
{
    return kind == WEIR_EFFECT_SET ? "HSET" : kind == WEIR_EFFECT_ADD ? "HINCRBY" : "HDEL";
}

static bool gives_value(const struct weir_effect *effect)
{
    return effect->kind == WEIR_EFFECT_SET || effect->kind == WEIR_EFFECT_ADD;
}

/* Turns `effect` into this write, its arguments laid anew. */
static bool lay(struct weir_effects *effects, struct weir_effect_key *key,
                struct weir_effect *effect, const struct field_write *write)
{
    size_t first = effects->argument_count;
    if (!push_argument(effects, write->field, strlen(write->field)) ||
        (write->value.at != NULL && !push_argument(effects, write->value.at, write->value.length)))
        return false;
    key->standing -= gives_value(effect);
    effect->kind = write->kind;
    effect->verb = verb_of(write->kind);
    effect->delta = write->delta;
    effect->first_argument = first;
    effect->argument_count = write->value.at != NULL ? 2 : 1;
    key->standing += gives_value(effect);
    return true;
}

/* In place of the one `before`, where there is one. */
static void put(struct weir_effects *effects, struct weir_effect_key *key,
                struct weir_effect *before, const struct field_write *write)
{
    struct weir_effect *effect = before;
    if (effect == NULL)
        effect = push_effect(effects, key, verb_of(write->kind));
    if (effect != NULL && lay(effects, key, effect, write) && before == NULL)
        weir_effects_index_fields(effects, key);
}

static void write_field(struct weir_effects *effects, const char *key_name,
                        const struct field_write *write)
{
    struct weir_effect_key *key;
    char *old;
    if (!make_room(effects, strlen(key_name) + strlen(write->field) + write->value.length + 3,
                   &old))
        return;
    key = get_key(effects, key_name);
    if (key != NULL)
        put(effects, key, weir_effects_find_field(effects, key, write->field, false), write);
    free(old);
}

void weir_effects_set(struct weir_effects *effects, const char *key, const char *field,
                      struct weir_slice value)
{
    struct field_write write = {WEIR_EFFECT_SET, field, value, 0};
    if (write.value.at == NULL)
        write.value = weir_slice_of("");
    write_field(effects, key, &write);
}

void weir_effects_remove(struct weir_effects *effects, const char *key, const char *field)
{
    write_field(effects, key, &(struct field_write){.kind = WEIR_EFFECT_REMOVE, .field = field});
}

static void put_number(struct weir_effects *effects, struct weir_effect_key *key,
                       struct weir_effect *before, const char *field, int64_t number)
{
    bool by_sum = before == NULL || before->kind == WEIR_EFFECT_ADD;
    struct field_write write = {by_sum ? WEIR_EFFECT_ADD : WEIR_EFFECT_SET, field, {0}, number};
    char digits[WEIR_DIGITS_MAX];
    write.value.at = digits;
    write.value.length = weir_digits(number, digits);
    put(effects, key, before, &write);
}

static void add(struct weir_effects *effects, const char *key_name, const char *field,
                int64_t delta)
{
    struct weir_effect_key *key = get_key(effects, key_name);
    struct weir_effect *before =
        key != NULL ? weir_effects_find_field(effects, key, field, false) : NULL;
    int64_t start = 0, sum;

    if (before != NULL && before->kind == WEIR_EFFECT_ADD)
        start = before->delta;
    else if (before != NULL && before->kind == WEIR_EFFECT_SET &&
             !weir_parse_integer(weir_effects_argument(effects, before->first_argument + 1),
                                 effects->arguments[before->first_argument + 1].length, &start)) {
        weir_rare_error_set(&effects->error, WEIR_INVALID, "%s: field %s is not a whole number",
                            key_name, field);
        return;
    }
    if (__builtin_add_overflow(start, delta, &sum))
        weir_rare_error_set(&effects->error, WEIR_INVALID, "%s: field %s would overflow", key_name,
                            field);
    else if (key != NULL)
        put_number(effects, key, before, field, sum);
}

void weir_effects_add(struct weir_effects *effects, const char *key, const char *field,
                      int64_t delta)
{
    char *old;
    if (!make_room(effects, strlen(key) + strlen(field) + WEIR_DIGITS_MAX + 2, &old))
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
    if (key == NULL || weir_effects_find_field(effects, key, field, true) != NULL)
        return;
    effect = push_effect(effects, key, "EXPECT");
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
    effect->kind = WEIR_EFFECT_EXPECT;
    effect->argument_count = 2;
    weir_effects_index_fields(effects, key);
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
    struct weir_effect *effect = key ? push_effect(effects, key, verb) : NULL;
    if (effect == NULL)
        return;
    if (strcmp(verb, "DEL") == 0) {
        key->deletion = key->last;
        key->standing = 0;
    }
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
    const struct weir_effect_key *key = weir_effects_find_key(effects, key_name);
    const struct weir_effect *effect =
        key ? weir_effects_find_field(effects, key, field, false) : NULL;
    if (effect == NULL)
        return key != NULL && key->deletion != NONE ? WEIR_VIEW_ABSENT : WEIR_VIEW_STORED;
    if (effect->kind == WEIR_EFFECT_REMOVE)
        return WEIR_VIEW_ABSENT;
    value->at = weir_effects_argument(effects, effect->first_argument + 1);
    value->length = effects->arguments[effect->first_argument + 1].length;
    *delta = effect->delta;
    if (effect->kind == WEIR_EFFECT_SET || key->deletion != NONE)
        return WEIR_VIEW_WRITTEN;
    return WEIR_VIEW_ADDED;
}

bool weir_effects_touch(const struct weir_effects *effects, const char *key_name, bool *deleted)
{
    const struct weir_effect_key *key = weir_effects_find_key(effects, key_name);
    *deleted = key != NULL && key->deletion != NONE;
    return key != NULL && key->standing > 0;
}

static bool is_change(const struct weir_effect *effect)
{
    if (effect->kind != WEIR_EFFECT_PLAIN)
        return effect->kind != WEIR_EFFECT_EXPECT;
    return strcmp(effect->verb, "XADD") != 0 && strcmp(effect->verb, "EXISTS") != 0 &&
           strcmp(effect->verb, "BEFORE") != 0;
}

bool weir_effects_write(const struct weir_effects *effects, size_t key)
{
    for (size_t i = effects->keys[key].first; i != NONE; i = effects->effects[i].next)
        if (is_change(&effects->effects[i]))
            return true;
    return false;
}
