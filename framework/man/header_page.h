/* A header's declarations with their contracts, as a part of a manual page. */
#ifndef WEIR_MAN_HEADER_PAGE_H
#define WEIR_MAN_HEADER_PAGE_H

#include <stdbool.h>
#include <stdio.h>

/* The header's own layout is taken: a comment that begins a line tells of what stands behind it up
 * to the next empty line; one between dashes begins a section; what stands before the include guard
 * is the description. false: the file cannot be read. */
bool header_page(FILE *out, const char *path);

#endif
