/* Finding keys and fields among effects: by a search where they are few, else by an index. */
#ifndef WEIR_MESSAGE_EFFECTS_FIND_H
#define WEIR_MESSAGE_EFFECTS_FIND_H

#include "message/effects.h"

/* NULL where there is none. */
struct weir_effect_key *weir_effects_find_key(const struct weir_effects *effects, const char *name);
/* To be called when a key has been added. Without memory the index stays behind, and keys are
 * searched for until it has caught up. */
void weir_effects_index_keys(struct weir_effects *effects);

/* The write (or the expectation) of a field that counts: of writes, the one behind the last DEL of
 * the key. NULL where there is none. */
struct weir_effect *weir_effects_find_field(const struct weir_effects *effects,
                                            const struct weir_effect_key *key, const char *field,
                                            bool expectation);
/* To be called when a write or an expectation is whole and the last of its key's effects. Without
 * memory the key's fields are searched for. */
void weir_effects_index_fields(struct weir_effects *effects, struct weir_effect_key *key);

/* An argument's bytes, terminated, borrowed until the next effect. */
const char *weir_effects_argument(const struct weir_effects *effects, size_t place);

#endif
