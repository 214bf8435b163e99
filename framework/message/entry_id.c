/* Ids of stream entries as numbers. */
#include "message/entry_id.h"

#include <stddef.h>

/* Reads digits up to `end`; NULL where there are none or they do not fit. */
static const char *digits(const char *at, char end, uint64_t *number)
{
    const char *start = at;
    *number = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*at - '0'), number))
            return NULL;
    return at > start && *at == end ? at : NULL;
}

bool weir_entry_id_parse(const char *text, struct weir_entry_id *id)
{
    const char *dash = digits(text, '-', &id->ms);
    if (dash != NULL && digits(dash + 1, '\0', &id->sequence) != NULL)
        return true;
    *id = (struct weir_entry_id){0};
    return false;
}

int weir_entry_id_compare(const char *one, const char *other)
{
    struct weir_entry_id first, second;
    (void)weir_entry_id_parse(one, &first);
    (void)weir_entry_id_parse(other, &second);
    if (first.ms != second.ms)
        return first.ms < second.ms ? -1 : 1;
    return first.sequence < second.sequence ? -1 : first.sequence > second.sequence;
}
