/* How many columns of a terminal a text takes. */
#ifndef WEIR_COMMANDS_WIDTH_H
#define WEIR_COMMANDS_WIDTH_H

#include <stddef.h>

/* Of a text that is visible already (visible.h): characters of double width count twice, those
 * that combine with the one before not at all. Where terminals differ it is rather too many. */
size_t weir_width_of(const char *text);
/* How many bytes of it take `width` columns or less, and what combines with the last of them;
 * `*taken` is how many columns that are. */
size_t weir_width_bytes(const char *text, size_t width, size_t *taken);
/* The bytes of the first character, and how many columns it takes. The text is not empty. */
size_t weir_width_character(const char *text, size_t *taken);

#endif
