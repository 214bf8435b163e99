/* What a projection is about: streams and kinds of keys. */
#include "projection/source.h"

#include <stdlib.h>
#include <string.h>

bool weir_sources_add(struct weir_sources *sources, const char *service)
{
    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(sources->at[i].service, service) == 0)
            return true;
    if (sources->count == WEIR_PROJECTION_SOURCES_MAX)
        return false;
    sources->at[sources->count++] = (struct weir_source){service, NULL};
    return true;
}

bool weir_sources_name(struct weir_sources *sources, const char *prefix)
{
    char key[WEIR_KEY_MAX];
    for (size_t i = 0; i < sources->count; i++) {
        sources->at[i].stream = strdup(weir_key_events(key, prefix, sources->at[i].service));
        if (sources->at[i].stream == NULL)
            return false;
    }
    return true;
}

void weir_sources_close(struct weir_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        free(sources->at[i].stream);
    sources->count = 0;
}

enum weir_status weir_kinds_add(struct weir_kinds *kinds, const char *name, size_t length)
{
    const char *colon = memchr(name, ':', length);
    size_t kind = colon != NULL ? (size_t)(colon - name) : length;
    for (size_t i = 0; i < kinds->count; i++)
        if (strncmp(kinds->at[i], name, kind) == 0 && kinds->at[i][kind] == '\0')
            return WEIR_OK;
    if (kinds->count == WEIR_PROJECTION_KINDS_MAX)
        return WEIR_TOO_LARGE;
    kinds->at[kinds->count] = strndup(name, kind);
    if (kinds->at[kinds->count] == NULL)
        return WEIR_NO_MEMORY;
    kinds->count++;
    return WEIR_OK;
}

void weir_kinds_told(struct weir_kinds *kinds)
{
    kinds->fresh = kinds->count;
}

void weir_kinds_drop_fresh(struct weir_kinds *kinds)
{
    while (kinds->count > kinds->fresh)
        free(kinds->at[--kinds->count]);
}

void weir_kinds_close(struct weir_kinds *kinds)
{
    kinds->fresh = 0;
    weir_kinds_drop_fresh(kinds);
}
