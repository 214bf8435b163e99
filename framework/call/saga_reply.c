/* Asks for the fields that tell how a saga stands, and takes the answer apart. */
#include "call/saga_reply.h"

#include <stdio.h>
#include <string.h>

#include "redis/key_names.h"
#include "redis/reply.h"

void weir_saga_reply_ask(const char *prefix, const char *saga, struct weir_pipeline *pipeline)
{
    char key[WEIR_KEY_MAX];
    weir_pipeline_add(pipeline, "HMGET", weir_key_saga(key, prefix, saga), "state", "reason",
                      "definition", "data", NULL);
}

static struct weir_slice text_at(const redisReply *reply, size_t place)
{
    struct weir_slice text = {"", 0};
    return weir_reply_text(weir_reply_at(reply, place), &text) ? text : (struct weir_slice){"", 0};
}

struct weir_slice weir_saga_reply_definition(const redisReply *reply)
{
    return text_at(reply, 2);
}

struct weir_slice weir_saga_reply_data(const redisReply *reply)
{
    return text_at(reply, 3);
}

void weir_start_reason(struct weir_start_answer *answer, struct weir_slice reason)
{
    snprintf(answer->reason, sizeof answer->reason, "%.*s", (int)reason.length, reason.at);
    for (char *c = answer->reason; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

enum weir_start_result weir_saga_reply_read(const redisReply *reply,
                                            struct weir_start_answer *answer)
{
    static const struct {
        const char *state;
        enum weir_start_result result;
    } ends[] = {{"completed", WEIR_START_COMPLETED},
                {"compensated", WEIR_START_COMPENSATED},
                {"suspended", WEIR_START_SUSPENDED},
                {"", WEIR_START_ABSENT}};
    struct weir_slice state = text_at(reply, 0);
    snprintf(answer->state, sizeof answer->state, "%.*s", (int)state.length, state.at);
    weir_start_reason(answer, text_at(reply, 1));
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (weir_slice_equals(state, ends[i].state))
            return ends[i].result;
    return WEIR_START_RUNNING;
}

enum weir_status weir_start_check_saga(const char *saga, struct weir_error *error)
{
    if (weir_id_valid(saga, strlen(saga)) && weir_utf8_valid(saga, strlen(saga)))
        return WEIR_OK;
    return weir_error_set(error, WEIR_INVALID, "saga: '%.64s' is no id; it must be " WEIR_ID_FORM,
                          saga);
}
