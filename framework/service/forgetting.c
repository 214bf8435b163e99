/* Removes the records of sagas' steps when they can no longer matter. */
#include "service/forgetting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/key_names.h"
#include "redis/reply.h"

#define LOOK_EVERY_MS 30000
#define LATER_MS "600000" /* of a saga that has not ended yet */

static void drop_batch(struct weir_forgetting *forgetting)
{
    while (forgetting->count > 0)
        free(forgetting->steps[--forgetting->count]);
    forgetting->answered = 0;
}

static void ignore_answer(void *user, enum weir_answer answer, const redisReply *reply)
{
    (void)user;
    (void)answer;
    (void)reply;
}

/* ---- Forgetting -------------------------------------------------------------------------- */

static void on_forgotten(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_forgetting *forgetting = user;
    (void)reply;
    if (answer == WEIR_ANSWER_DONE) /* there may be more */
        weir_periodic_hasten(&forgetting->looks, 0);
}

static char *record_key(const struct weir_forgetting *forgetting, const char *step, char *key)
{
    const char *slash = strrchr(step, '/');
    char saga[160];
    snprintf(saga, sizeof saga, "%.*s", slash ? (int)(slash - step) : 0, step);
    return weir_key_step(key, forgetting->runtime->prefix, forgetting->runtime->service, saga,
                         slash ? slash + 1 : "");
}

/* Steps of sagas that go on are looked at again later. */
static void put_off(struct weir_forgetting *forgetting, const char *step)
{
    const char *arguments[] = {"ZINCRBY", forgetting->index, LATER_MS, step};
    (void)!weir_link_send(forgetting->runtime->link, 4, arguments, NULL, ignore_answer, NULL);
}

static void forget(struct weir_forgetting *forgetting)
{
    const char *arguments[4 + 2 * WEIR_FORGET_BATCH];
    char keys[WEIR_FORGET_BATCH][WEIR_KEY_MAX], key_count[16];
    size_t over = 0;
    int count = 4;
    for (size_t i = 0; i < forgetting->count; i++) {
        if (forgetting->over[i])
            arguments[count++] = record_key(forgetting, forgetting->steps[i], keys[over++]);
        else
            put_off(forgetting, forgetting->steps[i]);
    }
    for (size_t i = 0; i < forgetting->count; i++)
        if (forgetting->over[i])
            arguments[count++] = forgetting->steps[i];
    snprintf(key_count, sizeof key_count, "%zu", over + 1);
    arguments[0] = "FCALL";
    arguments[1] = "weir_forget_steps";
    arguments[2] = key_count;
    arguments[3] = forgetting->index;
    if (over > 0)
        (void)!weir_link_send(forgetting->runtime->link, count, arguments, NULL, on_forgotten,
                              forgetting);
    drop_batch(forgetting);
}

/* ---- Looking at the sagas ---------------------------------------------------------------- */

static void on_state(void *user, enum weir_answer answer, const redisReply *reply)
{
    struct weir_forgetting_look *look = user;
    struct weir_forgetting *forgetting = look->forgetting;
    struct weir_slice state = {0};
    bool gone = answer == WEIR_ANSWER_DONE && weir_reply_nil(reply);
    bool ended = answer == WEIR_ANSWER_DONE && weir_reply_text(reply, &state) &&
                 (weir_slice_equals(state, "completed") || weir_slice_equals(state, "compensated"));
    if (look->step < forgetting->count)
        forgetting->over[look->step] = gone || ended;
    if (++forgetting->answered == forgetting->count)
        forget(forgetting);
}

static bool look_at_saga(struct weir_forgetting *forgetting, size_t step)
{
    const char *name = forgetting->steps[step], *slash = strrchr(name, '/');
    char saga[160], key[WEIR_KEY_MAX];
    snprintf(saga, sizeof saga, "%.*s", slash ? (int)(slash - name) : 0, name);
    weir_key_saga(key, forgetting->runtime->prefix, saga);
    forgetting->over[step] = false;
    forgetting->looked[step] = (struct weir_forgetting_look){forgetting, step};
    return weir_link_send(forgetting->runtime->link, 3, (const char *[]){"HGET", key, "state"},
                          NULL, on_state, &forgetting->looked[step]) == WEIR_OK;
}

static int64_t on_due(void *user, const redisReply *reply)
{
    struct weir_forgetting *forgetting = user;
    size_t sent = 0;
    if (!weir_reply_array(reply, 1) || forgetting->count > 0)
        return -1;
    for (size_t i = 0; i < reply->elements && i < WEIR_FORGET_BATCH; i++) {
        struct weir_slice step;
        if (!weir_reply_text(reply->element[i], &step) ||
            (forgetting->steps[forgetting->count] = strndup(step.at, step.length)) == NULL)
            break;
        forgetting->count++;
    }
    while (sent < forgetting->count && look_at_saga(forgetting, sent))
        sent++;
    while (forgetting->count > sent)
        free(forgetting->steps[--forgetting->count]);
    return -1;
}

static bool call_due(void *user, struct weir_periodic *periodic)
{
    struct weir_forgetting *forgetting = user;
    char batch[16];
    snprintf(batch, sizeof batch, "%d", WEIR_FORGET_BATCH);
    return weir_periodic_send(
        periodic, 5, (const char *[]){"FCALL", "weir_due_steps", "1", forgetting->index, batch});
}

/* ---- Life -------------------------------------------------------------------------------- */

void weir_forgetting_init(struct weir_forgetting *forgetting, const struct weir_runtime *runtime)
{
    memset(forgetting, 0, sizeof *forgetting);
    forgetting->runtime = runtime;
    weir_key_named(forgetting->index, runtime->prefix, runtime->service, "steps");
    weir_periodic_init(&forgetting->looks, runtime->loop, runtime->link, runtime->log, "forget",
                       LOOK_EVERY_MS, forgetting);
    forgetting->looks.call = call_due;
    forgetting->looks.answered = on_due;
}

void weir_forgetting_start(struct weir_forgetting *forgetting)
{
    weir_periodic_start(&forgetting->looks);
}

void weir_forgetting_close(struct weir_forgetting *forgetting)
{
    weir_periodic_stop(&forgetting->looks);
    drop_batch(forgetting);
}
