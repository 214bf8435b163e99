/* Counts dead letters by their reasons. */
#include <stdlib.h>

#include "commands/dead_letters.h"
#include "commands/values.h"
#include "redis/key_names.h"

#define COUNTED_MAX 10000
#define COUNTED_BYTES_MAX (64 * 1024 * 1024)
#define GROUPS_MAX 200

static void count_type(json_t *group, struct weir_slice type)
{
    json_t *types = json_object_get(group, "types"), *name = weir_slice_json(type), *one;
    size_t i;
    json_array_foreach(types, i, one)
    {
        if (json_equal(one, name)) {
            json_decref(name);
            return;
        }
    }
    if (type.at && json_array_size(types) < 10)
        json_array_append(types, name);
    json_decref(name);
}

static bool count_letter(void *user, const redisReply *entry)
{
    json_t *groups = user;
    const redisReply *fields = entry->element[1];
    struct weir_slice id = weir_value_element(entry, 0);
    struct weir_text text = {0};
    weir_reason_group(&text, weir_value_field(fields, "reason"));
    json_t *name = weir_slice_json((struct weir_slice){text.at ? text.at : "", text.length});
    const char *key = json_string_value(name);
    json_t *group = json_object_get(groups, key);
    if (!group && json_object_size(groups) >= GROUPS_MAX)
        group = json_object_get(groups, key = "others");
    json_int_t at = id.at ? strtoll(id.at, NULL, 10) : -1;
    if (!group) {
        group = json_pack("{s:s, s:i, s:I, s:o, s:I, s:[]}", "reason", key, "count", 0, "newest",
                          at, "newestLetter", weir_slice_json(id), "oldest", at, "types");
        json_object_set_new(groups, key, group);
    }
    json_object_set_new(group, "count",
                        json_integer(json_integer_value(json_object_get(group, "count")) + 1));
    json_object_set_new(group, "oldest", json_integer(at)); /* the newest come first */
    count_type(group, weir_value_field(fields, "type"));
    json_decref(name);
    weir_text_close(&text);
    return true;
}

static int most_first(const void *one, const void *other)
{
    json_int_t a = json_integer_value(json_object_get(*(json_t *const *)one, "count"));
    json_int_t b = json_integer_value(json_object_get(*(json_t *const *)other, "count"));
    return (a < b) - (a > b);
}

static json_t *sort_groups(json_t *groups)
{
    size_t count = 0;
    const char *key;
    json_t *group, *sorted = json_array();
    json_t **order = calloc(json_object_size(groups) + 1, sizeof(*order));
    json_object_foreach(groups, key, group)
    {
        if (order)
            order[count++] = group;
    }
    if (order)
        qsort(order, count, sizeof(*order), most_first);
    for (size_t i = 0; i < count; i++)
        json_array_append(sorted, order[i]);
    free(order);
    return sorted;
}

json_t *weir_letters_count(struct weir_session *session, const char *service,
                           struct weir_error *error)
{
    char key[WEIR_KEY_MAX];
    json_t *groups = json_object(), *counted = NULL;
    weir_key_dead(key, session->settings.prefix, service);
    struct weir_letter_walk walk = {.key = key,
                                    .newest_first = true,
                                    .looked_at_most = COUNTED_MAX,
                                    .bytes_at_most = COUNTED_BYTES_MAX,
                                    .found = count_letter,
                                    .user = groups};
    redisReply *length = weir_client_ask(&session->client, error, "XLEN", key, NULL);
    if (length && weir_letters_walk(session, &walk, error) == WEIR_OK)
        counted = json_pack("{s:s, s:I, s:I, s:b, s:o}", "service", service, "letters",
                            (json_int_t)length->integer, "lookedAt", (json_int_t)walk.looked_at,
                            "complete", (int)!walk.stopped, "reasons", sort_groups(groups));
    if (length)
        freeReplyObject(length);
    json_decref(groups);
    return counted;
}
