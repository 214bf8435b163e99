/* What the handling of a message wants done: writes, messages, expectations. Collected in C,
 * carried out by one call of a server function.
 *
 * Of one field of one hash at most one write is kept: later ones are merged into it, so that the
 * server's checks, made before the first write, hold for all of them. */
#ifndef WEIR_MESSAGE_EFFECTS_H
#define WEIR_MESSAGE_EFFECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/index.h"
#include "base/status.h"
#include "base/text.h"

enum weir_effect_kind {
    WEIR_EFFECT_SET,    /* field, value */
    WEIR_EFFECT_ADD,    /* field, delta */
    WEIR_EFFECT_REMOVE, /* field */
    WEIR_EFFECT_EXPECT, /* field, "=value" or "-" */
    WEIR_EFFECT_PLAIN,  /* any operation of the function library with its arguments */
};

struct weir_effect {
    enum weir_effect_kind kind;
    uint32_t key;     /* its number */
    const char *verb; /* name of the operation; constant */
    size_t first_argument, argument_count;
    int64_t delta; /* ADD */
    size_t next;   /* of the same key; (size_t)-1: last */
};

struct weir_effect_key {
    size_t name_offset, name_length;
    uint32_t hash;
    bool fields_indexed; /* all of them, and there are many effects */
    size_t first, last;  /* effects; (size_t)-1: none */
    size_t effect_count;
    size_t deletion; /* the last DEL among them, (size_t)-1: none; what is read later sees nothing
                        before it */
    size_t standing; /* fields that have a value by what was written since */
};

struct weir_effects {
    struct weir_text bytes; /* all copied bytes */
    struct weir_effect_key *keys;
    uint32_t key_count, key_capacity;
    struct weir_effect *effects;
    uint32_t effect_count, effect_capacity;
    struct weir_effect_argument {
        size_t offset, length;
    } * arguments;
    uint32_t argument_count, argument_capacity;
    struct weir_index key_index;   /* all keys, or, with few of them, none */
    struct weir_index field_index; /* fields written or expected, of keys with many effects */
    struct weir_rare_error error;  /* the first thing that went wrong; effects with an error are not
                                      to be committed */
    const struct weir_effects *more; /* laid out behind these in the same call, under keys of its
                                        own; borrowed; NULL: nothing */
};

/* Empties and keeps the memory; `more` is dropped. */
void weir_effects_clear(struct weir_effects *effects);
void weir_effects_close(struct weir_effects *effects);

/* `key` is the whole key. All is copied. */
void weir_effects_set(struct weir_effects *effects, const char *key, const char *field,
                      struct weir_slice value);
void weir_effects_add(struct weir_effects *effects, const char *key, const char *field,
                      int64_t delta);
void weir_effects_remove(struct weir_effects *effects, const char *key, const char *field);
/* The field must still have this value (NULL: not be there). A repeated expectation is dropped. */
void weir_effects_expect(struct weir_effects *effects, const char *key, const char *field,
                         const char *value);
/* `verb` is constant: an operation of the function library other than those above. */
void weir_effects_plain(struct weir_effects *effects, const char *verb, const char *key,
                        const struct weir_slice *arguments, size_t count);
/* Appends an entry to a stream: names and values in turn. */
#define weir_effects_append(effects, key, parts, count)                                            \
    weir_effects_plain((effects), "XADD", (key), (parts), (count))
/* Writes "length:bytes" for each part into `out`: the form of members of the schedule. */
void weir_parts_pack(struct weir_text *out, const struct weir_slice *parts, size_t count);

/* What a field will be. */
enum weir_effect_view {
    WEIR_VIEW_STORED,  /* as it is stored */
    WEIR_VIEW_ABSENT,  /* removed */
    WEIR_VIEW_WRITTEN, /* `value`, borrowed until the next write */
    WEIR_VIEW_ADDED,   /* what is stored (or 0) plus `delta` */
};
enum weir_effect_view weir_effects_view(const struct weir_effects *effects, const char *key,
                                        const char *field, struct weir_slice *value,
                                        int64_t *delta);
/* Whether a write of the hash or its deletion is among the effects. */
bool weir_effects_touch(const struct weir_effects *effects, const char *key, bool *deleted);

/* Whether the key at this place is written, and not only read or, as a stream, appended to. */
bool weir_effects_write(const struct weir_effects *effects, size_t key);

/* An argument vector under construction; reused from call to call. */
struct weir_arguments {
    const char **at;
    size_t *lengths;
    size_t count, capacity;
    struct weir_text numbers, plan;
    bool failed; /* memory ran out */
};
void weir_arguments_close(struct weir_arguments *arguments);

/* The first thing that went wrong in them or in what is laid out behind them. */
WEIR_CHECKED enum weir_status weir_effects_status(const struct weir_effects *effects);

/* The name of the `place`th key, counted through `more`; length 0: there is none. */
struct weir_slice weir_effects_key_name(const struct weir_effects *effects, size_t place);

/* Makes "FCALL function <n> head_keys… keys… head… operations…", each operation behind its own
 * head. It borrows all bytes: valid until effects or arguments change. WEIR_NO_MEMORY, or the
 * effects' own error. */
WEIR_CHECKED enum weir_status weir_effects_call(const struct weir_effects *effects,
                                                struct weir_arguments *arguments,
                                                const char *function, const char *const *head_keys,
                                                size_t head_key_count, const char *const *head,
                                                size_t head_count);

/* The same as "… head… plan operands…": what is done with which key is said in one argument, the
 * plan, which is the same for all messages of a kind. */
WEIR_CHECKED enum weir_status
weir_effects_plan_call(const struct weir_effects *effects, struct weir_arguments *arguments,
                       const char *function, const char *const *head_keys, size_t head_key_count,
                       const char *const *head, size_t head_count);

#endif
