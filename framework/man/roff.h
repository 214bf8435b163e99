/* Texts as the manual pages' language (mdoc) takes them. */
#ifndef WEIR_MAN_ROFF_H
#define WEIR_MAN_ROFF_H

#include <stddef.h>
#include <stdio.h>

/* A text that stands for itself, as part of a line: backslashes are escaped, and where `begins`
 * what would begin a request. */
void roff_text(FILE *out, const char *text, size_t length, int begins);
/* A paragraph of prose, filled and wrapped at less than 80 columns, one sentence after the other.
 */
void roff_prose(FILE *out, const char *text, size_t length);
/* The same as it stands, line by line. */
void roff_literal(FILE *out, const char *text, size_t length);

#endif
