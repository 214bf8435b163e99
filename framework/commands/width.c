/* Counts columns. A table of our own: the C library's depends on the locale, which is the whole
 * process's and often "C". */
#include "commands/width.h"

#include <stdlib.h>

struct range {
    unsigned first, last;
};

/* What takes no column of its own; by Unicode's general categories Mn, Me and Cf. */
static const struct range combining[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x05bf, 0x05bf},   {0x05c1, 0x05c2},
    {0x05c4, 0x05c5}, {0x0610, 0x061a}, {0x064b, 0x065f}, {0x0670, 0x0670},   {0x06d6, 0x06dc},
    {0x06df, 0x06e4}, {0x0900, 0x0902}, {0x093c, 0x093c}, {0x0941, 0x0948},   {0x094d, 0x094d},
    {0x0e31, 0x0e31}, {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff},   {0x1dc0, 0x1dff},
    {0x200b, 0x200d}, {0x2060, 0x2064}, {0x20d0, 0x20ff}, {0x302a, 0x302d},   {0x3099, 0x309a},
    {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0001, 0xe007f}, {0xe0100, 0xe01ef},
};

/* What takes two; by Unicode's East Asian Width W and F. */
static const struct range wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},
    {0x23f0, 0x23f0},   {0x23f3, 0x23f3},   {0x25fd, 0x25fe},   {0x2614, 0x2615},
    {0x2648, 0x2653},   {0x267f, 0x267f},   {0x2693, 0x2693},   {0x26a1, 0x26a1},
    {0x26aa, 0x26ab},   {0x26bd, 0x26be},   {0x26c4, 0x26c5},   {0x26ce, 0x26ce},
    {0x26d4, 0x26d4},   {0x26ea, 0x26ea},   {0x26f2, 0x26f3},   {0x26f5, 0x26f5},
    {0x26fa, 0x26fa},   {0x26fd, 0x26fd},   {0x2705, 0x2705},   {0x270a, 0x270b},
    {0x2728, 0x2728},   {0x274c, 0x274c},   {0x274e, 0x274e},   {0x2753, 0x2755},
    {0x2757, 0x2757},   {0x2795, 0x2797},   {0x27b0, 0x27b0},   {0x27bf, 0x27bf},
    {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2b55, 0x2b55},   {0x2e80, 0x303e},
    {0x3041, 0x3098},   {0x309b, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97c},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe10, 0xfe19},   {0xfe30, 0xfe6f},
    {0xff01, 0xff60},   {0xffe0, 0xffe6},   {0x16fe0, 0x18cff}, {0x1b000, 0x1b2ff},
    {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a},
    {0x1f200, 0x1f320}, {0x1f32d, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f7e0, 0x1f7eb},
    {0x1f90c, 0x1faff}, {0x20000, 0x3fffd},
};

static int compare(const void *code, const void *element)
{
    const struct range *range = element;
    unsigned sought = *(const unsigned *)code;
    if (sought < range->first)
        return -1;
    return sought > range->last;
}

#define AMONG(code, ranges)                                                                        \
    (bsearch(&(code), ranges, sizeof(ranges) / sizeof((ranges)[0]), sizeof((ranges)[0]),           \
             compare) != NULL)

/* The next character, which is well formed; returns its bytes. */
static size_t read_character(const char *text, unsigned *code)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    *code = length == 1 ? at[0] : at[0] & (0xffU >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return i; /* not well formed after all: no further than its end */
        *code = *code << 6 | (at[i] & 0x3f);
    }
    return length;
}

static size_t columns_of(unsigned code)
{
    if (code < 0x300)
        return 1;
    if (AMONG(code, combining))
        return 0;
    return AMONG(code, wide) ? 2 : 1;
}

size_t weir_width_bytes(const char *text, size_t width, size_t *taken)
{
    size_t bytes = 0;
    *taken = 0;
    while (text[bytes]) {
        unsigned code;
        size_t length = read_character(text + bytes, &code), columns = columns_of(code);
        if (*taken + columns > width)
            break;
        *taken += columns;
        bytes += length;
    }
    return bytes;
}

size_t weir_width_character(const char *text, size_t *taken)
{
    unsigned code;
    size_t length = read_character(text, &code);
    *taken = columns_of(code);
    return length;
}

size_t weir_width_of(const char *text)
{
    size_t width;
    (void)weir_width_bytes(text, (size_t)-1 / 2, &width);
    return width;
}
