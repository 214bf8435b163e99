/* How safe a commit has to be before anybody acts on it. */
#include "message/durability.h"

#include <stdio.h>
#include <string.h>

#define REPLICAS "replicas:"

bool weir_durability_wanted(struct weir_durability need)
{
    return need.replicas > 0 || need.disk;
}

struct weir_durability weir_durability_stronger(struct weir_durability one,
                                                struct weir_durability other)
{
    return (struct weir_durability){
        .replicas = one.replicas > other.replicas ? one.replicas : other.replicas,
        .disk = one.disk || other.disk,
    };
}

/* Takes "replicas:<n>" and the comma behind it, where there is one. */
static bool take_replicas(struct weir_slice *text, unsigned *replicas)
{
    const char *comma = memchr(text->at, ',', text->length);
    size_t length = comma != NULL ? (size_t)(comma - text->at) : text->length;
    size_t head = sizeof REPLICAS - 1;
    int64_t number;
    if (length <= head || memcmp(text->at, REPLICAS, head) != 0 ||
        !weir_parse_integer(text->at + head, length - head, &number) || number < 1 ||
        number > WEIR_REPLICAS_MAX || length + 1 == text->length)
        return false;
    *replicas = (unsigned)number;
    text->at += length + (comma != NULL);
    text->length -= length + (comma != NULL);
    return true;
}

bool weir_durability_read(struct weir_slice text, struct weir_durability *out)
{
    struct weir_durability need = {0};
    *out = need;
    if (text.length == 0)
        return true;
    if (!weir_slice_equals(text, "disk") && !take_replicas(&text, &need.replicas))
        return false;
    need.disk = weir_slice_equals(text, "disk");
    if (text.length > 0 && !need.disk)
        return false;
    *out = need;
    return true;
}

char *weir_durability_write(struct weir_durability need, char *text)
{
    text[0] = '\0';
    if (need.replicas > 0)
        snprintf(text, WEIR_DURABILITY_TEXT_MAX, REPLICAS "%u%s", need.replicas,
                 need.disk ? ",disk" : "");
    else if (need.disk)
        snprintf(text, WEIR_DURABILITY_TEXT_MAX, "disk");
    return text;
}

char *weir_durability_describe(struct weir_durability need, char *text)
{
    if (need.replicas > 0)
        snprintf(text, WEIR_DURABILITY_TEXT_MAX, "%u replica%s%s", need.replicas,
                 need.replicas == 1 ? "" : "s", need.disk ? " and the disk" : "");
    else
        snprintf(text, WEIR_DURABILITY_TEXT_MAX, "%s", need.disk ? "the disk" : "nothing");
    return text;
}
