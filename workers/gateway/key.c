/* Keys, and their records. */
#include "key.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "route.h"

bool key_read(const char *header, char *key)
{
    size_t length = strlen(header), filled = 0;
    bool quoted = length >= 2 && header[0] == '"' && header[length - 1] == '"';
    const char *at = quoted ? header + 1 : header, *end = header + length - (quoted ? 1 : 0);
    for (; at < end; at++) {
        if (quoted && *at == '\\' && at + 1 < end && (at[1] == '"' || at[1] == '\\'))
            at++;
        else if (*at < (quoted ? ' ' : '!') || *at > '~' || *at == '"' || *at == '\\')
            return false;
        if (filled + 1 >= KEY_MAX)
            return false;
        key[filled++] = *at;
    }
    key[filled] = '\0';
    return filled > 0;
}

void key_record_name(const char *route, const char *key, char *name)
{
    snprintf(name, RECORD_KEY_MAX, "key:%s:%s", route, key);
}

/* FNV-1a. Two bodies that somebody has made to look alike are told apart by nobody but him whose
 * key it is. */
static uint64_t hash(const char *text, uint64_t start)
{
    for (; *text != '\0'; text++)
        start = (start ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return start;
}

bool key_record_write(const char *id, const json_t *body, char *record)
{
    char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL)
        return false;
    snprintf(record, RECORD_MAX, "%s %016" PRIx64 "%016" PRIx64, id,
             hash(text, UINT64_C(14695981039346656037)), hash(text, UINT64_C(0x9e3779b97f4a7c15)));
    free(text);
    return true;
}

bool key_record_same(const char *found, const char *ours, char *id)
{
    const char *end = strchr(found, ' '), *our_end = strchr(ours, ' ');
    if (end == NULL || our_end == NULL || end - found >= ROUTE_ID_MAX || strcmp(end, our_end) != 0)
        return false;
    memcpy(id, found, (size_t)(end - found));
    id[end - found] = '\0';
    return route_id_valid(id);
}
