/* Sends several commands together. */
#include "redis/pipeline.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "redis/reads.h"

#define WORDS_MAX 64

static bool reserve(struct weir_pipeline *pipeline, size_t needed)
{
    if (needed <= pipeline->capacity)
        return true;
    char *grown = realloc(pipeline->bytes, 2 * needed);
    if (!grown)
        return false;
    pipeline->bytes = grown;
    pipeline->capacity = 2 * needed;
    return true;
}

size_t weir_pipeline_add_words(struct weir_pipeline *pipeline, size_t count,
                               const char *const *words, const size_t *lengths)
{
    struct weir_command_bytes *one = &pipeline->one;
    if (!weir_command_lay(one, (int)count, words, lengths) ||
        !reserve(pipeline, pipeline->length + one->length)) {
        pipeline->failed = true;
        return pipeline->count;
    }
    pipeline->changes = pipeline->changes || !weir_command_reads(words[0]);
    memcpy(pipeline->bytes + pipeline->length, one->at, one->length);
    pipeline->length += one->length;
    return pipeline->count++;
}

size_t weir_pipeline_add(struct weir_pipeline *pipeline, const char *command, ...)
{
    const char *words[WORDS_MAX] = {command};
    size_t count = 1;
    va_list rest;
    va_start(rest, command);
    for (const char *next; (next = va_arg(rest, const char *)) && count < WORDS_MAX;)
        words[count++] = next;
    va_end(rest);
    return weir_pipeline_add_words(pipeline, count, words, NULL);
}

/* One that stops being the master may answer in the midst of it: what it has answered to reads
 * before is not worth keeping apart. */
static enum weir_status receive(struct weir_pipeline *pipeline, struct weir_client *client,
                                struct weir_error *error)
{
    client->reading = !pipeline->changes;
    for (size_t i = 0; i < pipeline->count && error->status == WEIR_OK; i++)
        pipeline->answers[i] = weir_client_receive(client, error);
    client->reading = false;
    return error->status;
}

enum weir_status weir_pipeline_run(struct weir_pipeline *pipeline, struct weir_client *client,
                                   struct weir_error *error)
{
    struct weir_error own = {0};
    if (!pipeline->failed)
        pipeline->answers = calloc(pipeline->count + 1, sizeof(*pipeline->answers));
    if (!pipeline->answers)
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory to ask %s", client->server);
    enum weir_status status =
        weir_client_send_bytes(client, pipeline->bytes, pipeline->length, &own);
    if (status == WEIR_OK)
        status = receive(pipeline, client, &own);
    return status == WEIR_OK ? WEIR_OK : weir_error_set(error, status, "%s", own.text);
}

const redisReply *weir_pipeline_answer(const struct weir_pipeline *pipeline, size_t place)
{
    return pipeline->answers && place < pipeline->count ? pipeline->answers[place] : NULL;
}

void weir_pipeline_close(struct weir_pipeline *pipeline)
{
    for (size_t i = 0; pipeline->answers && i < pipeline->count; i++)
        if (pipeline->answers[i])
            freeReplyObject(pipeline->answers[i]);
    free(pipeline->answers);
    free(pipeline->bytes);
    weir_command_close(&pipeline->one);
    *pipeline = (struct weir_pipeline){0};
}
