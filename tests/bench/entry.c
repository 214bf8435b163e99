/* Looks at the fields of entries. */
#include "entry.h"

#include <stdlib.h>
#include <string.h>

/* The value of a field; NULL: none. */
static const redisReply *field_of(const redisReply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, name) == 0)
            return fields->element[i + 1];
    return NULL;
}

static bool number_in(const redisReply *text, unsigned *out)
{
    for (const char *at = text != NULL ? text->str : ""; *at != '\0';) {
        const size_t digits = strspn(at, "0123456789");
        if (digits == BENCH_DIGITS) {
            *out = (unsigned)strtoul(at, NULL, 10);
            return true;
        }
        at += digits > 0 ? digits : 1;
    }
    return false;
}

static bool field_is(const redisReply *fields, const char *name, const char *value)
{
    const redisReply *field = field_of(fields, name);
    return strcmp(field != NULL ? field->str : "", value) == 0;
}

bool bench_entry_is_for(const redisReply *fields, const struct bench_part *part)
{
    return field_is(fields, "type", part->type) && field_is(fields, "step", part->step) &&
           field_is(fields, "action", part->action);
}

unsigned bench_entry_number(const redisReply *fields)
{
    static const char *const names[] = {"saga", "subject", "data", "id"};
    unsigned number = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (number_in(field_of(fields, names[i]), &number))
            return number;
    return 0;
}
