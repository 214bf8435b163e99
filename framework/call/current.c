/* Asks what the projections of a view read, where those events end now, and then for the
 * projections' checkpoints until they have come there. */
#include "call/current.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "call/registered.h"
#include "redis/reply.h"

#define SOURCES_MAX 32
#define PROJECTIONS_MAX 16
#define LOOK_FIRST_MS 1
#define LOOK_LAST_MS 50
#define JOIN_MS 100 /* so much earlier may a newcomer be answered than its limit says */

enum stage { ASKS_REGISTER, ASKS_ENDS, ASKS_POSITIONS };

struct source {
    char service[65];
    struct weir_entry_id end; /* of its events, when it was asked */
};

struct projection {
    char name[WEIR_REGISTERED_MAX];
    size_t sources[SOURCES_MAX]; /* places in the list of sources */
    size_t source_count;
};

/* Large, and none for those that join another. */
struct plan {
    struct source sources[SOURCES_MAX];
    size_t source_count;
    struct projection projections[PROJECTIONS_MAX];
    size_t projection_count;
};

struct current {
    struct weir_errand errand;
    struct current *joined; /* others that are answered with it */
    weir_desk_is_current *answered;
    void *user;
    char view[65], projection[65]; /* "": all */
    enum stage stage;
    struct plan *plan; /* what the register says; NULL: it has not been read */
    int64_t pause;
    enum weir_query_result result;
    struct weir_error why;
};

static void end(struct current *current, enum weir_query_result result)
{
    current->result = result;
    current->errand.ended = true;
}

/* ---- Asking ------------------------------------------------------------------------------ */

static void ask_positions(const struct current *current, const struct projection *projection,
                          const char *prefix, struct weir_pipeline *pipeline)
{
    char checkpoint[WEIR_KEY_MAX], streams[SOURCES_MAX][WEIR_KEY_MAX];
    const char *arguments[2 + SOURCES_MAX] = {"HMGET"};
    arguments[1] = weir_key_checkpoint(checkpoint, prefix, current->view, projection->name);
    for (size_t i = 0; i < projection->source_count; i++)
        arguments[2 + i] = weir_key_events(streams[i], prefix,
                                           current->plan->sources[projection->sources[i]].service);
    weir_pipeline_add_words(pipeline, 2 + projection->source_count, arguments, NULL);
}

static void ask(struct weir_errand *errand, const char *prefix, struct weir_pipeline *pipeline)
{
    struct current *current = (struct current *)errand;
    char key[WEIR_KEY_MAX];
    if (current->stage == ASKS_REGISTER)
        weir_pipeline_add(pipeline, "HGETALL", weir_key_projections(key, prefix), NULL);
    else if (current->stage == ASKS_ENDS)
        for (size_t i = 0; i < current->plan->source_count; i++)
            weir_pipeline_add(pipeline, "XINFO", "STREAM",
                              weir_key_events(key, prefix, current->plan->sources[i].service),
                              NULL);
    else
        for (size_t i = 0; i < current->plan->projection_count; i++)
            ask_positions(current, &current->plan->projections[i], prefix, pipeline);
}

/* ---- The register ------------------------------------------------------------------------ */

/* Its place in the list, where it is put; SOURCES_MAX: there is no room. */
static size_t place_of(struct current *current, struct weir_slice service)
{
    size_t place = 0;
    while (place < current->plan->source_count &&
           !weir_slice_equals(service, current->plan->sources[place].service))
        place++;
    if (place == SOURCES_MAX || place < current->plan->source_count)
        return place;
    snprintf(current->plan->sources[place].service, sizeof current->plan->sources[place].service,
             "%.*s", (int)service.length, service.at);
    current->plan->source_count++;
    return place;
}

static bool add_projection(struct current *current, const char *name, struct weir_slice sources)
{
    struct projection *projection = &current->plan->projections[current->plan->projection_count];
    struct weir_slice service;
    if (current->plan->projection_count == PROJECTIONS_MAX)
        return false;
    *projection = (struct projection){.source_count = 0};
    snprintf(projection->name, sizeof projection->name, "%s", name);
    while (weir_registered_source(&sources, &service)) {
        size_t place =
            weir_name_valid(service.at, service.length) ? place_of(current, service) : SOURCES_MAX;
        if (place == SOURCES_MAX || projection->source_count == SOURCES_MAX)
            return false;
        projection->sources[projection->source_count++] = place;
    }
    current->plan->projection_count++;
    return true;
}

/* Asks again later; should the limit be over before, that is why. */
static void not_yet(struct current *current, const char *why, const char *of)
{
    current->why = (struct weir_error){0};
    weir_error_set(&current->why, WEIR_UNAVAILABLE, "%s: %s%s", current->view, why, of);
    current->errand.wake = weir_clock_monotonic_ms() + current->pause;
    current->pause = current->pause * 3 / 2 + 1;
    if (current->pause > LOOK_LAST_MS)
        current->pause = LOOK_LAST_MS;
}

static void take_register(struct current *current, const redisReply *reply)
{
    char name[WEIR_REGISTERED_MAX];
    struct weir_slice field, sources;
    bool room = true;
    free(current->plan); /* of a look before, that found none */
    current->plan = calloc(1, sizeof *current->plan);
    if (current->plan == NULL) {
        weir_error_set(&current->why, WEIR_NO_MEMORY, "memory ran out");
        end(current, WEIR_QUERY_FAILED);
        return;
    }
    for (size_t i = 0; room && weir_reply_array(reply, 0) && i + 1 < reply->elements; i += 2)
        if (weir_reply_text(reply->element[i], &field) &&
            weir_reply_text(reply->element[i + 1], &sources) &&
            weir_registered_projection(field, current->view, name) &&
            (current->projection[0] == '\0' || strcmp(current->projection, name) == 0))
            room = add_projection(current, name, sources);
    if (!room) {
        weir_error_set(&current->why, WEIR_TOO_LARGE,
                       "%s has more than %d projections, or they read more than %d services",
                       current->view, PROJECTIONS_MAX, SOURCES_MAX);
        end(current, WEIR_QUERY_FAILED);
    } else if (current->plan->projection_count == 0) {
        not_yet(current, "no projection is registered", "");
    } else if (current->plan->source_count == 0) {
        end(current, WEIR_QUERY_FOUND); /* they read nothing */
    } else {
        current->stage = ASKS_ENDS;
    }
}

/* ---- Ends and positions ------------------------------------------------------------------ */

/* Not the entry that stands last: that may have been trimmed. Without a stream nothing has been
 * published. */
static void take_ends(struct current *current, redisReply *const *replies)
{
    for (size_t i = 0; i < current->plan->source_count; i++) {
        struct weir_slice id = {"", 0};
        current->plan->sources[i].end = (struct weir_entry_id){0};
        if (weir_reply_array(replies[i], 2) &&
            weir_reply_text(weir_reply_named(replies[i], "last-generated-id"), &id) &&
            !weir_entry_id_read(id, &current->plan->sources[i].end))
            current->plan->sources[i].end = (struct weir_entry_id){0};
    }
    current->stage = ASKS_POSITIONS;
}

static bool has_passed(const struct weir_entry_id *end, const redisReply *position)
{
    static const struct weir_entry_id nothing;
    struct weir_entry_id at = {0};
    struct weir_slice text;
    if (!weir_entry_id_less(&nothing, end))
        return true;
    return weir_reply_text(position, &text) && weir_entry_id_read(text, &at) &&
           !weir_entry_id_less(&at, end);
}

/* The service whose newest events some projection has not come to; NULL: there is none. */
static const char *lags_behind(const struct current *current, redisReply *const *replies)
{
    for (size_t i = 0; i < current->plan->projection_count; i++) {
        const struct projection *projection = &current->plan->projections[i];
        for (size_t j = 0; j < projection->source_count; j++) {
            const struct source *source = &current->plan->sources[projection->sources[j]];
            if (!has_passed(&source->end, weir_reply_at(replies[i], j)))
                return source->service;
        }
    }
    return NULL;
}

static void take_positions(struct current *current, redisReply *const *replies)
{
    const char *service = lags_behind(current, replies);
    if (service == NULL)
        end(current, WEIR_QUERY_FOUND);
    else
        not_yet(current, "it has not come in time to the newest events of ", service);
}

static void take(struct weir_errand *errand, const struct weir_client *client,
                 redisReply *const *replies, size_t count)
{
    struct current *current = (struct current *)errand;
    for (size_t i = 0; i < count && current->stage != ASKS_ENDS; i++)
        if (replies[i]->type == REDIS_REPLY_ERROR) {
            current->why = (struct weir_error){0};
            (void)!weir_client_error_of(client, "HGETALL or HMGET", replies[i], &current->why);
            end(current, WEIR_QUERY_FAILED);
            return;
        }
    if (current->stage == ASKS_REGISTER)
        take_register(current, replies[0]);
    else if (current->stage == ASKS_ENDS)
        take_ends(current, replies);
    else
        take_positions(current, replies);
}

static void give_up(struct weir_errand *errand, const char *why)
{
    struct current *current = (struct current *)errand;
    bool waited = current->why.status == WEIR_UNAVAILABLE && why[0] == '\0';
    weir_error_set(&current->why, WEIR_UNAVAILABLE, "%s",
                   why[0] != '\0' ? why : "the server has not answered in time");
    end(current, waited ? WEIR_QUERY_WAITED : WEIR_QUERY_FAILED);
}

/* One that has not asked yet learns of all that had been published when the newcomer came. */
static bool join(struct weir_errand *errand, struct weir_errand *newcomer)
{
    struct current *current = (struct current *)errand, *other = (struct current *)newcomer;
    int64_t apart = errand->deadline - newcomer->deadline;
    if (errand->ended || newcomer->ended || current->stage != ASKS_REGISTER || errand->asked > 0 ||
        strcmp(current->view, other->view) != 0 ||
        strcmp(current->projection, other->projection) != 0 || apart > JOIN_MS || apart < -JOIN_MS)
        return false;
    if (apart > 0)
        errand->deadline = newcomer->deadline;
    other->joined = current->joined;
    current->joined = other;
    return true;
}

static void answer(struct weir_errand *errand)
{
    struct current *current = (struct current *)errand;
    const char *why = current->result == WEIR_QUERY_FOUND ? "" : current->why.text;
    struct current *next;
    for (struct current *one = current; one != NULL; one = next) {
        next = one->joined;
        one->answered(one->user, current->result, why);
        if (one != current)
            free(one); /* it had no plan of its own */
    }
    free(current->plan);
    free(current);
}

static const struct weir_errand_kind kind = {.counts = WEIR_COUNTS_CURRENT,
                                             .ask = ask,
                                             .take = take,
                                             .give_up = give_up,
                                             .join = join,
                                             .answer = answer};

struct weir_errand *weir_current_new(const char *view, const char *projection, int64_t limit_ms,
                                     weir_desk_is_current *answered, void *user)
{
    struct current *made = calloc(1, sizeof *made);
    const char *named = projection != NULL ? projection : "";
    if (made == NULL)
        return NULL;
    weir_errand_begin(&made->errand, &kind, limit_ms);
    made->answered = answered;
    made->user = user;
    made->pause = LOOK_FIRST_MS;
    if (!weir_name_valid(view, strlen(view)) ||
        (named[0] != '\0' && !weir_name_valid(named, strlen(named)))) {
        weir_error_set(&made->why, WEIR_INVALID, "view or projection: is no name");
        end(made, WEIR_QUERY_FAILED);
        return &made->errand;
    }
    snprintf(made->view, sizeof made->view, "%s", view);
    snprintf(made->projection, sizeof made->projection, "%s", named);
    return &made->errand;
}
