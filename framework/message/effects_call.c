/* What the handling of a message wants done: laid out as the arguments of a server function. */
#include <stdlib.h>
#include <string.h>

#include "message/effects.h"

#define NONE ((size_t)-1)
#define OPERANDS_MAX 1000 /* of effects that share an operation; the server bounds them, too */

void weir_arguments_close(struct weir_arguments *arguments)
{
    free((void *)arguments->at);
    free(arguments->lengths);
    weir_text_close(&arguments->numbers);
    weir_text_close(&arguments->plan);
    memset(arguments, 0, sizeof *arguments);
}

static void begin(struct weir_arguments *arguments, size_t count, size_t numbers)
{
    arguments->count = 0;
    arguments->failed = false;
    weir_text_clear(&arguments->numbers);
    if (count > arguments->capacity) {
        const char **at = realloc((void *)arguments->at, count * sizeof *at);
        size_t *lengths;
        if (at != NULL)
            arguments->at = at;
        lengths = realloc(arguments->lengths, count * sizeof *lengths);
        if (lengths != NULL)
            arguments->lengths = lengths;
        arguments->failed = at == NULL || lengths == NULL;
        if (!arguments->failed)
            arguments->capacity = count;
    }
    /* numbers are pointed to while more are written: their room must not move */
    if (arguments->numbers.capacity < numbers * WEIR_DIGITS_MAX + 1) {
        char *room = realloc(arguments->numbers.at, numbers * WEIR_DIGITS_MAX + 1);
        if (room == NULL) {
            arguments->failed = true;
            return;
        }
        arguments->numbers.at = room;
        arguments->numbers.capacity = numbers * WEIR_DIGITS_MAX + 1;
    }
}

static void push(struct weir_arguments *arguments, const char *bytes, size_t length)
{
    if (arguments->failed || arguments->count == arguments->capacity) {
        arguments->failed = true;
        return;
    }
    arguments->at[arguments->count] = bytes;
    arguments->lengths[arguments->count++] = length;
}

static void push_text(struct weir_arguments *arguments, const char *text)
{
    push(arguments, text, strlen(text));
}

static void push_number(struct weir_arguments *arguments, size_t number)
{
    char *at = arguments->numbers.at + arguments->numbers.length;
    size_t length;
    if (arguments->failed)
        return;
    length = weir_digits((int64_t)number, at);
    arguments->numbers.length += length + 1;
    push(arguments, at, length);
}

static void push_operands(const struct weir_effects *effects, struct weir_arguments *arguments,
                          const struct weir_effect *effect)
{
    for (size_t i = 0; i < effect->argument_count; i++) {
        const struct weir_effect_argument *argument =
            &effects->arguments[effect->first_argument + i];
        push(arguments, effects->bytes.at + argument->offset, argument->length);
    }
}

/* Operations that take many fields in one go. */
static bool joins(const struct weir_effect *effect)
{
    return effect->kind == WEIR_EFFECT_SET || effect->kind == WEIR_EFFECT_REMOVE ||
           effect->kind == WEIR_EFFECT_EXPECT;
}

/* The first effect behind `at` that does not join its operation; how many operands that has. */
static size_t operation_end(const struct weir_effects *effects, size_t at, size_t *operands)
{
    const struct weir_effect *first = &effects->effects[at];
    size_t end = at;
    *operands = 0;
    do {
        *operands += effects->effects[end].argument_count;
        end = effects->effects[end].next;
    } while (end != NONE && joins(first) && effects->effects[end].kind == first->kind &&
             *operands < OPERANDS_MAX);
    return end;
}

/* How an operation is laid out that begins with effect `at`; returns the first effect behind it. */
typedef size_t lay_operation(const struct weir_effects *effects, struct weir_arguments *arguments,
                             size_t at, size_t key_index);

static size_t push_operation_operands(const struct weir_effects *effects,
                                      struct weir_arguments *arguments, size_t at, size_t key_index)
{
    size_t operands, end = operation_end(effects, at, &operands);
    (void)key_index;
    for (size_t i = at; i != end; i = effects->effects[i].next)
        push_operands(effects, arguments, &effects->effects[i]);
    return end;
}

static size_t push_operation(const struct weir_effects *effects, struct weir_arguments *arguments,
                             size_t at, size_t key_index)
{
    size_t operands;
    (void)operation_end(effects, at, &operands);
    push_text(arguments, effects->effects[at].verb);
    push_number(arguments, key_index);
    push_number(arguments, operands);
    return push_operation_operands(effects, arguments, at, key_index);
}

/* "NAME index count;" behind what the plan has so far. */
static size_t plan_operation(const struct weir_effects *effects, struct weir_arguments *arguments,
                             size_t at, size_t key_index)
{
    size_t operands, end = operation_end(effects, at, &operands);
    char digits[WEIR_DIGITS_MAX];
    weir_text_append_string(&arguments->plan, effects->effects[at].verb);
    weir_text_append(&arguments->plan, " ", 1);
    weir_text_append(&arguments->plan, digits, weir_digits((int64_t)key_index, digits));
    weir_text_append(&arguments->plan, " ", 1);
    weir_text_append(&arguments->plan, digits, weir_digits((int64_t)operands, digits));
    weir_text_append(&arguments->plan, ";", 1);
    return end;
}

/* What a run of effects will need. */
struct extent {
    size_t keys, effects, arguments;
};

static struct extent measure(const struct weir_effects *effects)
{
    struct extent extent = {0, 0, 0};
    for (; effects != NULL; effects = effects->more) {
        extent.keys += effects->key_count;
        extent.effects += effects->effect_count;
        extent.arguments += effects->argument_count;
    }
    return extent;
}

enum weir_status weir_effects_status(const struct weir_effects *effects)
{
    enum weir_status status = WEIR_OK;
    for (; effects != NULL && status == WEIR_OK; effects = effects->more)
        status = weir_rare_error_status(&effects->error);
    return status;
}

static void push_keys(const struct weir_effects *effects, struct weir_arguments *arguments)
{
    for (; effects != NULL; effects = effects->more)
        for (size_t i = 0; i < effects->key_count; i++)
            push(arguments, effects->bytes.at + effects->keys[i].name_offset,
                 effects->keys[i].name_length);
}

/* `index` of the first of these keys among all of the call's. */
static void for_operations(const struct weir_effects *effects, struct weir_arguments *arguments,
                           size_t index, lay_operation *lay)
{
    for (; effects != NULL; index += effects->key_count, effects = effects->more)
        for (size_t i = 0; i < effects->key_count; i++)
            for (size_t at = effects->keys[i].first; at != NONE;)
                at = lay(effects, arguments, at, index + i);
}

struct weir_slice weir_effects_key_name(const struct weir_effects *effects, size_t place)
{
    while (effects != NULL && place >= effects->key_count) {
        place -= effects->key_count;
        effects = effects->more;
    }
    if (effects == NULL)
        return (struct weir_slice){"", 0};
    return (struct weir_slice){effects->bytes.at + effects->keys[place].name_offset,
                               effects->keys[place].name_length};
}

/* What stands before the operations. */
static enum weir_status push_head(const struct weir_effects *effects,
                                  struct weir_arguments *arguments, const char *function,
                                  const char *const *head_keys, size_t head_key_count,
                                  const char *const *head, size_t head_count)
{
    struct extent extent = measure(effects);
    enum weir_status status = weir_effects_status(effects);
    if (status != WEIR_OK)
        return status;
    begin(arguments,
          4 + head_key_count + extent.keys + head_count + 3 * extent.effects + extent.arguments,
          1 + 2 * extent.effects);
    push_text(arguments, "FCALL");
    push_text(arguments, function);
    push_number(arguments, head_key_count + extent.keys);
    for (size_t i = 0; i < head_key_count; i++)
        push_text(arguments, head_keys[i]);
    push_keys(effects, arguments);
    for (size_t i = 0; i < head_count; i++)
        push_text(arguments, head[i]);
    return WEIR_OK;
}

enum weir_status weir_effects_call(const struct weir_effects *effects,
                                   struct weir_arguments *arguments, const char *function,
                                   const char *const *head_keys, size_t head_key_count,
                                   const char *const *head, size_t head_count)
{
    enum weir_status status =
        push_head(effects, arguments, function, head_keys, head_key_count, head, head_count);
    if (status != WEIR_OK)
        return status;
    for_operations(effects, arguments, head_key_count + 1, push_operation);
    return arguments->failed ? WEIR_NO_MEMORY : WEIR_OK;
}

enum weir_status weir_effects_plan_call(const struct weir_effects *effects,
                                        struct weir_arguments *arguments, const char *function,
                                        const char *const *head_keys, size_t head_key_count,
                                        const char *const *head, size_t head_count)
{
    enum weir_status status =
        push_head(effects, arguments, function, head_keys, head_key_count, head, head_count);
    if (status != WEIR_OK)
        return status;
    weir_text_clear(&arguments->plan);
    for_operations(effects, arguments, head_key_count + 1, plan_operation);
    push(arguments, arguments->plan.length > 0 ? arguments->plan.at : "", arguments->plan.length);
    for_operations(effects, arguments, head_key_count + 1, push_operation_operands);
    if (!arguments->plan.failed && !arguments->failed)
        return WEIR_OK;
    arguments->plan.failed = false;
    return WEIR_NO_MEMORY;
}
