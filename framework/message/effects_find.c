/* What the handling of a message wants done: finding keys and fields among the effects. */
#include "message/effects_find.h"

#include <string.h>

#define NONE ((size_t)-1)

/* ---- Keys -------------------------------------------------------------------------------- */

static bool is_named(const struct weir_effects *effects, const struct weir_effect_key *key,
                     uint32_t hash, const char *name, size_t length)
{
    return key->hash == hash && key->name_length == length &&
           memcmp(effects->bytes.at + key->name_offset, name, length) == 0;
}

static struct weir_effect_key *search_key(const struct weir_effects *effects, uint32_t hash,
                                          const char *name, size_t length)
{
    for (size_t i = effects->key_count; i-- > 0;) /* the latest is the likeliest */
        if (is_named(effects, &effects->keys[i], hash, name, length))
            return &effects->keys[i];
    return NULL;
}

static struct weir_effect_key *look_up_key(const struct weir_effects *effects, uint32_t hash,
                                           const char *name, size_t length)
{
    size_t probe, place = weir_index_first(&effects->key_index, hash, &probe);
    while (place != WEIR_INDEX_END && !is_named(effects, &effects->keys[place], hash, name, length))
        place = weir_index_next(&effects->key_index, hash, &probe);
    return place != WEIR_INDEX_END ? &effects->keys[place] : NULL;
}

struct weir_effect_key *weir_effects_find_key(const struct weir_effects *effects, const char *name)
{
    size_t length = strlen(name);
    uint32_t hash = weir_hash_of(WEIR_HASH_BEGIN, name, length);
    if (weir_index_count(&effects->key_index) == effects->key_count)
        return look_up_key(effects, hash, name, length);
    return search_key(effects, hash, name, length);
}

void weir_effects_index_keys(struct weir_effects *effects)
{
    struct weir_index *index = &effects->key_index;
    while (
        effects->key_count > WEIR_INDEX_FROM && weir_index_count(index) < effects->key_count &&
        weir_index_add(index, effects->keys[weir_index_count(index)].hash, weir_index_count(index)))
        continue;
}

/* ---- Fields ------------------------------------------------------------------------------ */

/* From where on effects count: what is written before a DEL is gone, what was read before is not.
 */
static size_t field_begin(const struct weir_effect_key *key, bool expectation)
{
    return expectation || key->deletion == NONE ? key->first : key->deletion;
}

/* Whether it is the write (or the expectation) of this field that counts. */
static bool is_of_field(const struct weir_effects *effects, const struct weir_effect_key *key,
                        size_t place, const char *field, bool expectation)
{
    const struct weir_effect *effect = &effects->effects[place];
    return effect->kind != WEIR_EFFECT_PLAIN &&
           (effect->kind == WEIR_EFFECT_EXPECT) == expectation &&
           &effects->keys[effect->key] == key && place >= field_begin(key, expectation) &&
           strcmp(weir_effects_argument(effects, effect->first_argument), field) == 0;
}

/* Not that of the same field before a DEL, so that it need not be passed over. */
static uint32_t field_hash(const struct weir_effects *effects, const struct weir_effect_key *key,
                           const char *field, bool expectation)
{
    uint32_t number = (uint32_t)(key - effects->keys);
    uint32_t begin = (uint32_t)field_begin(key, expectation);
    uint32_t hash = WEIR_HASH_BEGIN ^ number * 2654435761u ^ begin * 2246822519u ^ expectation;
    return weir_hash_of(hash, field, strlen(field));
}

static size_t look_up_field(const struct weir_effects *effects, const struct weir_effect_key *key,
                            const char *field, bool expectation)
{
    uint32_t hash = field_hash(effects, key, field, expectation);
    size_t probe, place = weir_index_first(&effects->field_index, hash, &probe);
    while (place != WEIR_INDEX_END && !is_of_field(effects, key, place, field, expectation))
        place = weir_index_next(&effects->field_index, hash, &probe);
    return place != WEIR_INDEX_END ? place : NONE;
}

static size_t search_field(const struct weir_effects *effects, const struct weir_effect_key *key,
                           const char *field, bool expectation)
{
    size_t place = field_begin(key, expectation);
    while (place != NONE && !is_of_field(effects, key, place, field, expectation))
        place = effects->effects[place].next;
    return place;
}

struct weir_effect *weir_effects_find_field(const struct weir_effects *effects,
                                            const struct weir_effect_key *key, const char *field,
                                            bool expectation)
{
    size_t place = key->fields_indexed ? look_up_field(effects, key, field, expectation)
                                       : search_field(effects, key, field, expectation);
    return place != NONE ? &effects->effects[place] : NULL;
}

static bool index_field(struct weir_effects *effects, const struct weir_effect_key *key,
                        size_t place)
{
    const struct weir_effect *effect = &effects->effects[place];
    bool expectation = effect->kind == WEIR_EFFECT_EXPECT;
    const char *field;
    if (effect->kind == WEIR_EFFECT_PLAIN || place < field_begin(key, expectation))
        return true;
    field = weir_effects_argument(effects, effect->first_argument);
    return weir_index_add(&effects->field_index, field_hash(effects, key, field, expectation),
                          place);
}

void weir_effects_index_fields(struct weir_effects *effects, struct weir_effect_key *key)
{
    size_t place = key->fields_indexed ? key->last : key->first;
    if (key->effect_count <= WEIR_INDEX_FROM)
        return;
    while (place != NONE && index_field(effects, key, place))
        place = effects->effects[place].next;
    key->fields_indexed = place == NONE;
}

const char *weir_effects_argument(const struct weir_effects *effects, size_t place)
{
    return effects->bytes.at + effects->arguments[place].offset;
}
