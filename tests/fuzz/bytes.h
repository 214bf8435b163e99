/* What the fuzzers share: taking values out of an input's bytes, and rules that end the program.
 *
 * Each fuzz_<name>.c here defines LLVMFuzzerTestOneInput. `make fuzz` links it with libFuzzer;
 * `make check` links it with run_corpus.c, which feeds it the files of corpus/<name>/. */
#ifndef WEIR_TESTS_FUZZ_BYTES_H
#define WEIR_TESTS_FUZZ_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A rule that every input keeps. */
#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct bytes {
    const uint8_t *at;
    size_t left;
};

/* Zero behind the end. */
static inline uint8_t take_byte(struct bytes *bytes)
{
    if (bytes->left == 0)
        return 0;
    bytes->left--;
    return *bytes->at++;
}

/* A number below `limit`, which is not 0. */
static inline size_t take_below(struct bytes *bytes, size_t limit)
{
    return (size_t)take_byte(bytes) % limit;
}

/* A copy of its own, so that a read behind its end is seen; with a NUL behind it. To be freed. */
static inline char *copy_bytes(const void *at, size_t length)
{
    char *copy = malloc(length + 1);
    HOLDS(copy != NULL);
    if (length > 0)
        memcpy(copy, at, length);
    copy[length] = '\0';
    return copy;
}

/* The next bytes, as many as the byte before them says; borrowed from the input. */
static inline struct weir_slice take_slice(struct bytes *bytes)
{
    size_t length = take_byte(bytes);
    struct weir_slice slice;
    if (length > bytes->left)
        length = bytes->left;
    slice = (struct weir_slice){(const char *)bytes->at, length};
    bytes->at += length;
    bytes->left -= length;
    return slice;
}

/* The same as a text of its own: it ends at the first NUL. To be freed. */
static inline char *take_text(struct bytes *bytes)
{
    struct weir_slice slice = take_slice(bytes);
    return copy_bytes(slice.at, slice.length);
}

/* What an error says goes into logs and answers: one line that can be printed. */
static inline void check_sentence(const struct weir_error *error)
{
    HOLDS(error->status != WEIR_OK && error->text[0] != '\0');
    for (const char *at = error->text; *at != '\0'; at++)
        HOLDS((unsigned char)*at >= ' ' && *at != 0x7f);
}

#endif
