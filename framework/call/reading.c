/* Asks once and makes JSON of the answer. */
#include "call/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call/asking.h"
#include "call/page.h"
#include "redis/refusal.h"
#include "redis/reply.h"

#define FIELDS_AT_ONCE "1000" /* a bound: what is larger is no hash to be read as a whole */
#define COUNT_MAX 1000
#define RANK_MAX INT64_C(1000000000000)

struct reading {
    struct weir_errand errand;
    weir_desk_read *answered;
    void *user;
    char view[65], key[257], first[WEIR_DIGITS_MAX], last[WEIR_DIGITS_MAX];
    bool ranked, reverse;
    enum weir_query_result result;
    json_t *value;
    struct weir_error why;
};

static void end(struct reading *reading, enum weir_query_result result)
{
    reading->result = result;
    reading->errand.ended = true;
}

static void ask(struct weir_errand *errand, const char *prefix, struct weir_pipeline *pipeline)
{
    struct reading *reading = (struct reading *)errand;
    char key[WEIR_KEY_MAX];
    weir_key_named(key, prefix, reading->view, reading->key);
    if (reading->ranked)
        weir_pipeline_add(pipeline, reading->reverse ? "ZREVRANGE" : "ZRANGE", key, reading->first,
                          reading->last, "WITHSCORES", NULL);
    else
        weir_pipeline_add(pipeline, "HSCAN", key, "0", "COUNT", FIELDS_AT_ONCE, NULL);
}

/* The elements in turn: names and values of a hash, members and scores. NULL: it is not whole. */
static const redisReply *elements_of(const struct reading *reading, const redisReply *reply)
{
    struct weir_slice cursor;
    if (reading->ranked)
        return reply;
    return weir_reply_text(weir_reply_at(reply, 0), &cursor) && weir_slice_equals(cursor, "0")
               ? weir_reply_at(reply, 1)
               : NULL;
}

static void take(struct weir_errand *errand, const struct weir_client *client,
                 redisReply *const *replies, size_t count)
{
    struct reading *reading = (struct reading *)errand;
    const redisReply *elements = elements_of(reading, replies[0]);
    (void)count;
    if (replies[0]->type == REDIS_REPLY_ERROR) {
        (void)!weir_client_error_of(client, reading->ranked ? "ZRANGE" : "HSCAN", replies[0],
                                    &reading->why);
        end(reading, weir_refusal_of(replies[0]->str) == WEIR_REFUSAL_TYPE ? WEIR_QUERY_OTHER
                                                                           : WEIR_QUERY_FAILED);
    } else if (!weir_reply_array(elements, 0)) {
        weir_error_set(&reading->why, WEIR_TOO_LARGE, "{%s}:%s has too many fields", reading->view,
                       reading->key);
        end(reading, WEIR_QUERY_OTHER);
    } else if (elements->elements == 0) {
        weir_error_set(&reading->why, WEIR_NOT_FOUND, "there is no {%s}:%s", reading->view,
                       reading->key);
        end(reading, WEIR_QUERY_ABSENT);
    } else {
        reading->value = weir_page_elements(elements, reading->ranked);
        if (reading->value == NULL)
            weir_error_set(&reading->why, WEIR_NO_MEMORY, "memory ran out");
        end(reading, reading->value != NULL ? WEIR_QUERY_FOUND : WEIR_QUERY_FAILED);
    }
}

static void give_up(struct weir_errand *errand, const char *why)
{
    struct reading *reading = (struct reading *)errand;
    weir_error_set(&reading->why, WEIR_UNAVAILABLE, "%s",
                   why[0] != '\0' ? why : "the server has not answered in time");
    end(reading, WEIR_QUERY_FAILED);
}

static void answer(struct weir_errand *errand)
{
    struct reading *reading = (struct reading *)errand;
    reading->answered(reading->user, reading->result, reading->value, reading->why.text);
    json_decref(reading->value);
    free(reading);
}

static const struct weir_errand_kind kind = {
    .counts = WEIR_COUNTS_READING, .ask = ask, .take = take, .give_up = give_up, .answer = answer};

struct weir_errand *weir_reading_new(const struct weir_reading *terms, weir_desk_read *answered,
                                     void *user)
{
    static const struct weir_query_options none;
    struct reading *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    weir_errand_begin(&made->errand, &kind, terms->limit_ms);
    made->answered = answered;
    made->user = user;
    made->ranked = terms->ranked;
    made->reverse = terms->reverse;
    if (terms->ranked &&
        (terms->from < 0 || terms->from > RANK_MAX || terms->count < 1 || terms->count > COUNT_MAX))
        weir_error_set(&made->why, WEIR_INVALID, "from, count: must be 0 to %lld and 1 to %d",
                       (long long)RANK_MAX, COUNT_MAX);
    else
        (void)!weir_query_check(terms->view, terms->key, &none, &made->why);
    if (made->why.status != WEIR_OK) {
        end(made, WEIR_QUERY_FAILED);
        return &made->errand;
    }
    snprintf(made->view, sizeof made->view, "%s", terms->view);
    snprintf(made->key, sizeof made->key, "%s", terms->key);
    snprintf(made->first, sizeof made->first, "%lld", (long long)terms->from);
    snprintf(made->last, sizeof made->last, "%lld", (long long)(terms->from + terms->count - 1));
    return &made->errand;
}
