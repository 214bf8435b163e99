/* Writes the text where there is none, and reads what is there, in one command. */
#include "call/laying_down.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "redis/reply.h"

#define TEXT_MAX 1024
#define KEY_LENGTH_MAX 256

struct laying_down {
    struct weir_errand errand;
    weir_desk_laid_down *answered;
    void *user;
    char service[65], key[KEY_LENGTH_MAX + 1], life[WEIR_DIGITS_MAX];
    char *text;
    char *found; /* what stood there before; NULL: nothing */
    bool known;
    struct weir_error why;
};

static void ask(struct weir_errand *errand, const char *prefix, struct weir_pipeline *pipeline)
{
    struct laying_down *laying = (struct laying_down *)errand;
    char key[WEIR_KEY_MAX];
    weir_pipeline_add(pipeline, "SET", weir_key_named(key, prefix, laying->service, laying->key),
                      laying->text, "NX", "GET", "PX", laying->life, NULL);
}

static void take(struct weir_errand *errand, const struct weir_client *client,
                 redisReply *const *replies, size_t count)
{
    struct laying_down *laying = (struct laying_down *)errand;
    struct weir_slice text;
    (void)count;
    if (replies[0]->type == REDIS_REPLY_ERROR) {
        (void)!weir_client_error_of(client, "SET", replies[0], &laying->why);
    } else if (weir_reply_nil(replies[0])) {
        laying->known = true;
    } else if (weir_reply_text(replies[0], &text)) {
        laying->found = strndup(text.at, text.length);
        laying->known = laying->found != NULL;
        if (!laying->known)
            weir_error_set(&laying->why, WEIR_NO_MEMORY, "memory ran out");
    }
    errand->ended = true;
}

static void give_up(struct weir_errand *errand, const char *why)
{
    struct laying_down *laying = (struct laying_down *)errand;
    weir_error_set(&laying->why, WEIR_UNAVAILABLE, "%s",
                   why[0] != '\0' ? why : "the server has not answered in time");
    errand->ended = true;
}

static void answer(struct weir_errand *errand)
{
    struct laying_down *laying = (struct laying_down *)errand;
    const char *text = laying->found != NULL ? laying->found : laying->text;
    laying->answered(laying->user, laying->known ? text : NULL, laying->why.text);
    free(laying->found);
    free(laying->text);
    free(laying);
}

static const struct weir_errand_kind kind = {.counts = WEIR_COUNTS_LAYING_DOWN,
                                             .ask = ask,
                                             .take = take,
                                             .give_up = give_up,
                                             .answer = answer};

struct weir_errand *weir_laying_down_new(const struct weir_laying_down *terms,
                                         weir_desk_laid_down *answered, void *user)
{
    size_t length = strlen(terms->text), key = strlen(terms->key);
    struct laying_down *made = calloc(1, sizeof *made);
    if (made != NULL)
        made->text = strdup(terms->text);
    if (made == NULL || made->text == NULL) {
        free(made);
        return NULL;
    }
    weir_errand_begin(&made->errand, &kind, terms->limit_ms);
    made->answered = answered;
    made->user = user;
    if (!weir_name_valid(terms->service, strlen(terms->service)) || key == 0 ||
        key > KEY_LENGTH_MAX || length > TEXT_MAX || terms->life_ms < 1) {
        weir_error_set(&made->why, WEIR_INVALID, "service, key, text or life: is malformed");
        made->errand.ended = true;
        return &made->errand;
    }
    snprintf(made->service, sizeof made->service, "%s", terms->service);
    snprintf(made->key, sizeof made->key, "%s", terms->key);
    snprintf(made->life, sizeof made->life, "%lld", (long long)terms->life_ms);
    return &made->errand;
}
