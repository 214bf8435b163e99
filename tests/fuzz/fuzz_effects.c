/* Any run of effects on a few hashes, laid out as the arguments of a commit: the layout is what the
 * server reads, and carried out by a small model of it has the same end as the effects one by one.
 */
#include "fuzz/bytes.h"
#include "message/effects.h"

#define KEYS 3
#define FIELDS 4
#define FIELD_NAMES_MAX 40 /* many fields bring the index into play */

struct cell {
    bool there;
    int64_t value;
};
struct store {
    struct cell cells[KEYS][FIELD_NAMES_MAX];
    unsigned entries; /* of the stream */
};

static const char *const keys[KEYS] = {"{s}:a:1", "{s}:b:1", "{s}:c:1"};

static const char *field_name(size_t field)
{
    static char room[4][16];
    static unsigned turn;
    char *name = room[turn++ % 4];
    snprintf(name, 16, "f%zu", field);
    return name;
}

static void check_view(const struct weir_effects *effects, const struct store *stored,
                       const struct store *model, size_t key, size_t field)
{
    struct weir_slice value = {0};
    int64_t delta = 0, number = 0;
    const struct cell *was = &stored->cells[key][field], *is = &model->cells[key][field];
    switch (weir_effects_view(effects, keys[key], field_name(field), &value, &delta)) {
    case WEIR_VIEW_STORED:
        HOLDS(is->there == was->there && (!is->there || is->value == was->value));
        break;
    case WEIR_VIEW_ABSENT:
        HOLDS(!is->there);
        break;
    case WEIR_VIEW_WRITTEN:
        HOLDS(is->there && weir_parse_integer(value.at, value.length, &number));
        HOLDS(number == is->value);
        break;
    case WEIR_VIEW_ADDED:
        HOLDS(is->there && is->value == (was->there ? was->value : 0) + delta);
        break;
    }
}

static void apply_one(struct bytes *bytes, struct weir_effects *effects, struct store *model,
                      const struct store *stored)
{
    size_t kind = take_below(bytes, 8), key = take_below(bytes, KEYS);
    size_t field = take_below(bytes, kind & 1 ? FIELDS : FIELD_NAMES_MAX);
    struct cell *cell = &model->cells[key][field];
    int64_t number = (int8_t)take_byte(bytes);
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    struct weir_slice part = weir_slice_of(text), entry[] = {part, part};
    if (kind < 3) {
        weir_effects_set(effects, keys[key], field_name(field), part);
        *cell = (struct cell){true, number};
    } else if (kind < 5) {
        weir_effects_add(effects, keys[key], field_name(field), number);
        *cell = (struct cell){true, (cell->there ? cell->value : 0) + number};
    } else if (kind == 5) {
        weir_effects_remove(effects, keys[key], field_name(field));
        cell->there = false;
    } else if (kind == 6 && number > 100) {
        weir_effects_plain(effects, "DEL", keys[key], NULL, 0);
        memset(model->cells[key], 0, sizeof model->cells[key]);
    } else if (kind == 6) {
        weir_effects_append(effects, "{s}:events", entry, 2);
        model->entries++;
    } else if (stored->cells[key][field].there) {
        snprintf(text, sizeof text, "%lld", (long long)stored->cells[key][field].value);
        weir_effects_expect(effects, keys[key], field_name(field), text);
    } else {
        weir_effects_expect(effects, keys[key], field_name(field), NULL);
    }
    check_view(effects, stored, model, key, field);
}

/* ---- The server's side --------------------------------------------------------------------- */

struct call {
    const struct weir_arguments *arguments;
    size_t at, key_count;
};

static bool word_is(const struct call *call, size_t at, const char *word)
{
    return call->arguments->lengths[at] == strlen(word) &&
           memcmp(call->arguments->at[at], word, strlen(word)) == 0;
}

static size_t number_at(const struct call *call, size_t at)
{
    int64_t number;
    HOLDS(at < call->arguments->count);
    HOLDS(weir_parse_integer(call->arguments->at[at], call->arguments->lengths[at], &number));
    HOLDS(number >= 0);
    return (size_t)number;
}

static int64_t operand(const struct call *call, size_t at)
{
    int64_t number;
    HOLDS(weir_parse_integer(call->arguments->at[at], call->arguments->lengths[at], &number));
    return number;
}

static struct cell *cell_at(const struct call *call, struct store *store, size_t key, size_t at)
{
    HOLDS(call->arguments->at[at][0] == 'f');
    return &store->cells[key][strtoul(call->arguments->at[at] + 1, NULL, 10)];
}

static void carry_out(const struct call *call, struct store *store, size_t key, size_t at,
                      size_t count)
{
    size_t verb = at - 3;
    if (word_is(call, verb, "DEL")) {
        HOLDS(count == 0);
        memset(store->cells[key], 0, sizeof store->cells[key]);
    } else if (word_is(call, verb, "HINCRBY")) {
        struct cell *cell = cell_at(call, store, key, at);
        HOLDS(count == 2);
        *cell = (struct cell){true, (cell->there ? cell->value : 0) + operand(call, at + 1)};
    } else if (word_is(call, verb, "HSET")) {
        HOLDS(count >= 2 && count % 2 == 0);
        for (size_t i = at; i < at + count; i += 2)
            *cell_at(call, store, key, i) = (struct cell){true, operand(call, i + 1)};
    } else if (word_is(call, verb, "HDEL")) {
        HOLDS(count >= 1);
        for (size_t i = at; i < at + count; i++)
            cell_at(call, store, key, i)->there = false;
    } else {
        HOLDS(word_is(call, verb, "EXPECT") && count >= 2 && count % 2 == 0);
        for (size_t i = at; i < at + count; i += 2)
            cell_at(call, store, key, i);
    }
}

static size_t key_of(const struct call *call, size_t index)
{
    for (size_t key = 0; key < KEYS; key++)
        if (word_is(call, 2 + index, keys[key]))
            return key;
    HOLDS(word_is(call, 2 + index, "{s}:events"));
    return KEYS;
}

static void read_call(const struct weir_arguments *arguments, struct store *store)
{
    struct call call = {arguments, 0, 0};
    HOLDS(arguments->count >= 4 && word_is(&call, 0, "FCALL") && word_is(&call, 1, "weir_commit"));
    call.key_count = number_at(&call, 2);
    HOLDS(call.key_count >= 1 && word_is(&call, 3, "{s}:commands"));
    for (size_t at = 3 + call.key_count + 1; at < arguments->count;) {
        size_t index = number_at(&call, at + 1), count = number_at(&call, at + 2);
        HOLDS(index >= 2 && index <= call.key_count && at + 3 + count <= arguments->count);
        size_t key = key_of(&call, index);
        if (key == KEYS) {
            HOLDS(word_is(&call, at, "XADD") && count == 2);
            store->entries++;
        } else {
            carry_out(&call, store, key, at + 3, count);
        }
        at += 3 + count;
    }
}

static bool same(const struct store *one, const struct store *other)
{
    for (size_t key = 0; key < KEYS; key++)
        for (size_t field = 0; field < FIELD_NAMES_MAX; field++) {
            const struct cell *a = &one->cells[key][field], *b = &other->cells[key][field];
            if (a->there != b->there || (a->there && a->value != b->value))
                return false;
        }
    return one->entries == other->entries;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct weir_effects effects; /* used again, as by a worker */
    static struct weir_arguments arguments;
    static const char *const head_keys[] = {"{s}:commands"}, *const head[] = {"s"};
    struct bytes bytes = {data, size};
    struct store stored = {0}, model, server;
    for (size_t i = take_below(&bytes, 8); i > 0; i--)
        stored.cells[take_below(&bytes, KEYS)][take_below(&bytes, FIELDS)] =
            (struct cell){true, (int8_t)take_byte(&bytes)};
    model = server = stored;
    weir_effects_clear(&effects);
    for (unsigned i = 0; i < 400 && bytes.left > 0; i++)
        apply_one(&bytes, &effects, &model, &stored);
    HOLDS(weir_effects_call(&effects, &arguments, "weir_commit", head_keys, 1, head, 1) == WEIR_OK);
    read_call(&arguments, &server);
    HOLDS(same(&model, &server));
    return 0;
}
