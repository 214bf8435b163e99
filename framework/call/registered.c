/* Takes the register's fields and values apart. */
#include "call/registered.h"

#include <stdio.h>
#include <string.h>

bool weir_registered_projection(struct weir_slice field, const char *view, char *name)
{
    size_t length = strlen(view);
    if (field.length <= length + 1 || field.at[length] != '/' ||
        memcmp(field.at, view, length) != 0 ||
        !weir_name_valid(field.at + length + 1, field.length - length - 1))
        return false;
    snprintf(name, WEIR_REGISTERED_MAX, "%.*s", (int)(field.length - length - 1),
             field.at + length + 1);
    return true;
}

bool weir_registered_source(struct weir_slice *sources, struct weir_slice *source)
{
    const char *blank;
    size_t taken;
    if (sources->length == 0)
        return false;
    blank = memchr(sources->at, ' ', sources->length);
    source->at = sources->at;
    source->length = blank != NULL ? (size_t)(blank - sources->at) : sources->length;
    taken = source->length + (blank != NULL ? 1 : 0);
    sources->at += taken;
    sources->length -= taken;
    return true;
}
