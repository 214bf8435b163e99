/* Texts from outside made fit for a terminal. */
#ifndef WEIR_COMMANDS_VISIBLE_H
#define WEIR_COMMANDS_VISIBLE_H

#include <jansson.h>
#include <stddef.h>

#include "base/text.h"

/* Appends a text with each control character, each character that changes the direction of
 * writing, and each byte that is not UTF-8 written as "\n", "\u001b" or "\xff". */
void weir_visible_append(struct weir_text *text, struct weir_slice slice);
/* The same for JSON that has been laid out: its line ends stay. */
void weir_visible_append_json(struct weir_text *text, const json_t *value, size_t indent);

#endif
