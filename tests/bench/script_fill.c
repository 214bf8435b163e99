/* Fills templates with the numbers and the entry of one item. */
#include "script.h"

#include <stdlib.h>
#include <string.h>

unsigned bench_key_of(unsigned number, unsigned keys)
{
    return BENCH_KEY_FIRST + (keys > 0 ? number % keys : 0);
}

static void put_number(char *at, unsigned number)
{
    for (size_t i = BENCH_DIGITS; i-- > 0; number /= 10)
        at[i] = (char)('0' + number % 10);
}

size_t bench_part_fill(const struct bench_script *script, const struct bench_part *part,
                       const struct bench_filling *filling, char **room, size_t *capacity)
{
    size_t length = 0;
    for (size_t i = 0; i < part->piece_count; i++) {
        const struct bench_piece *piece = &part->pieces[i];
        if (length + piece->length + 128 + filling->entry_length > *capacity)
            *room = bench_memory(*room, *capacity = 2 * (length + piece->length + 1024));
        char *at = *room + length;
        switch (piece->kind) {
        case BENCH_LITERAL:
            memcpy(at, piece->bytes, piece->length);
            length += piece->length;
            break;
        case BENCH_NUMBER:
            put_number(at, filling->number);
            length += BENCH_DIGITS;
            break;
        case BENCH_KEY:
            put_number(at, bench_key_of(filling->number, script->keys));
            length += BENCH_DIGITS;
            break;
        case BENCH_ENTRY:
            memcpy(at, filling->entry, filling->entry_length);
            length += filling->entry_length;
            break;
        case BENCH_ENTRY_LENGTH:
            length += (size_t)snprintf(at, 64, "$%zu\r\n", piece->length + filling->entry_length);
            break;
        case BENCH_PREVIOUS:
            length += (size_t)snprintf(at, 100, "$%zu\r\n%s\r\n", filling->previous_length,
                                       filling->previous);
            break;
        }
    }
    return length;
}

void bench_script_close(struct bench_script *script)
{
    for (size_t i = 0; i < script->part_count; i++) {
        for (size_t p = 0; p < script->parts[i].piece_count; p++)
            free(script->parts[i].pieces[p].bytes);
        free(script->parts[i].pieces);
    }
    free(script->parts);
    free(script->sources);
    memset(script, 0, sizeof *script);
}
