/* Chooses the dead letters that a filter means. */
#include "commands/dead_letters.h"
#include "commands/dead_verbs.h"
#include "commands/values.h"

#define CHOSEN_MAX 10000
#define LOOKED_AT_MAX 1000000

struct choice {
    json_t *ids;
    size_t most;
};

static bool choose(void *user, const redisReply *entry)
{
    struct choice *choice = user;
    json_array_append_new(choice->ids, weir_slice_json(weir_value_element(entry, 0)));
    return json_array_size(choice->ids) < choice->most;
}

/* The oldest come first: what waited longest is handled first. */
json_t *weir_dead_choose(struct weir_session *session, const char *key, int *code)
{
    struct weir_error error = {0};
    int64_t limit = session->settings.limit;
    struct choice choice = {.ids = json_array(), .most = limit > 0 ? (size_t)limit : CHOSEN_MAX};
    struct weir_letter_walk walk = {.key = key,
                                    .looked_at_most = LOOKED_AT_MAX,
                                    .bytes_at_most = SIZE_MAX,
                                    .found = choose,
                                    .user = &choice};
    if (weir_letters_walk(session, &walk, &error) != WEIR_OK) {
        *code = weir_fail_by(&error);
        return json_decref(choice.ids), NULL;
    }
    if (json_array_size(choice.ids) >= choice.most)
        weir_remark("there may be more than these %zu, the oldest; run it again for the rest",
                    choice.most);
    return choice.ids;
}
