/* Walks over the indices of sagas by state, merged by time, in batches. */
#include "commands/saga_walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands/values.h"
#include "redis/key_names.h"
#include "redis/pipeline.h"

#define STATES 5
#define BATCH_MAX 500

const char *const weir_saga_states[] = {
    "all", "running", "compensating", "suspended", "completed", "compensated", NULL};

/* One state's index. */
struct lane {
    const char *state;
    struct weir_saga_place *batch; /* those that lie behind `place` */
    size_t count, at;
    struct weir_saga_place place; /* the last that has been read */
    int64_t offset;               /* so many that entered at place.score have been read */
    bool ended;
};

struct walk {
    struct weir_session *session;
    const struct weir_settings *settings;
    struct lane lanes[STATES];
    size_t lane_count, batch, limit;
    int64_t newest, oldest; /* between which all lie */
    json_t *seen;           /* one that moved on between two questions stands in two indices */
    struct weir_saga_found *found;
};

/* ---- The filter -------------------------------------------------------------------------- */

/* "<score>/<id>". */
static bool read_cursor(const char *text, struct weir_saga_place *place)
{
    const char *slash = strchr(text, '/');
    return slash && weir_parse_integer(text, (size_t)(slash - text), &place->score) &&
           snprintf(place->id, sizeof(place->id), "%s", slash + 1) < (int)sizeof(place->id);
}

int weir_saga_filter_check(const struct weir_settings *settings)
{
    struct weir_saga_place place;
    const char *definition = settings->definition;
    if (definition && !weir_name_valid(definition, strlen(definition)))
        return weir_fail(WEIR_EXIT_USAGE, "--definition: '%s' is no name of a definition",
                         definition);
    if (settings->before && !read_cursor(settings->before, &place))
        return weir_fail(WEIR_EXIT_USAGE, "--before: '%s' is no cursor; the page before tells it",
                         settings->before);
    if (settings->older_ms > 0 && settings->younger_ms > 0 &&
        settings->older_ms >= settings->younger_ms)
        return weir_fail(WEIR_EXIT_USAGE,
                         "nothing is older than --older-than and younger than --younger-than");
    return WEIR_EXIT_FINE;
}

bool weir_saga_filter_given(const struct weir_settings *settings)
{
    return settings->state != 0 || settings->definition || settings->matching ||
           settings->older_ms > 0 || settings->younger_ms > 0;
}

static bool fits(const struct walk *walk, const json_t *row, const char *lane_state)
{
    const struct weir_settings *settings = walk->settings;
    const char *definition = json_string_value(json_object_get(row, "definition"));
    const char *reason = json_string_value(json_object_get(row, "reason"));
    const char *state = json_string_value(json_object_get(row, "state"));
    if (settings->state != 0 && strcmp(state ? state : "", lane_state) != 0)
        return false; /* it has moved on meanwhile */
    if (settings->definition && (!definition || strcmp(definition, settings->definition) != 0))
        return false;
    return !settings->matching || (reason && strstr(reason, settings->matching));
}

/* ---- The lanes --------------------------------------------------------------------------- */

/* The server's order: by time, and from the greatest id where that is the same. */
static bool lies_behind(const struct weir_saga_place *one, const struct weir_saga_place *other)
{
    return one->score != other->score ? one->score < other->score : strcmp(one->id, other->id) < 0;
}

static struct weir_saga_place place_of(const redisReply *scored, size_t i)
{
    struct weir_saga_place place = {0};
    struct weir_slice id = weir_value_element(scored, i), score = weir_value_element(scored, i + 1);
    double number = score.at ? strtod(score.at, NULL) : 0;
    place.score = number > -9e15 && number < 9e15 ? (int64_t)number : 0;
    snprintf(place.id, sizeof(place.id), "%.*s", (int)id.length, id.at ? id.at : "");
    return place;
}

static void take_batch(struct walk *walk, struct lane *lane, const redisReply *scored)
{
    struct weir_saga_place passed = lane->place, last = passed;
    size_t read = weir_value_count(scored) / 2;
    lane->at = lane->count = 0;
    for (size_t i = 0; i < read && i < walk->batch; i++) {
        last = place_of(scored, 2 * i);
        if (lies_behind(&last, &passed))
            lane->place = lane->batch[lane->count++] = last;
    }
    /* Of one time there may be more than a batch holds. */
    lane->offset = last.score == passed.score ? lane->offset + (int64_t)read : 0;
    lane->ended = read < walk->batch;
}

static void ask(struct walk *walk, struct lane *lane, struct weir_pipeline *pipeline)
{
    char key[WEIR_KEY_MAX], from[32] = "+inf", to[32] = "-inf", offset[24], count[24];
    int64_t newest = lane->place.score < walk->newest ? lane->place.score : walk->newest;
    if (newest < INT64_MAX)
        snprintf(from, sizeof(from), "%" PRId64, newest);
    if (walk->oldest > INT64_MIN)
        snprintf(to, sizeof(to), "%" PRId64, walk->oldest);
    snprintf(offset, sizeof(offset), "%" PRId64, lane->offset);
    snprintf(count, sizeof(count), "%zu", walk->batch);
    weir_key_saga_state(key, walk->session->settings.prefix, lane->state);
    weir_pipeline_add(pipeline, "ZRANGE", key, from, to, "BYSCORE", "REV", "LIMIT", offset, count,
                      "WITHSCORES", NULL);
}

static bool is_dry(const struct lane *lane)
{
    return lane->at == lane->count && !lane->ended;
}

static enum weir_status fill(struct walk *walk, bool *filled, struct weir_error *error)
{
    struct weir_pipeline pipeline = {0};
    struct lane *asked[STATES];
    size_t count = 0;
    for (size_t i = 0; i < walk->lane_count; i++)
        if (is_dry(&walk->lanes[i])) {
            asked[count++] = &walk->lanes[i];
            ask(walk, &walk->lanes[i], &pipeline);
        }
    *filled = count == 0;
    enum weir_status status =
        count > 0 ? weir_pipeline_run(&pipeline, &walk->session->client, error) : WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        const redisReply *answer = weir_pipeline_answer(&pipeline, i);
        if (weir_client_error_of(&walk->session->client, "ZRANGE", answer, error) != WEIR_OK)
            status = weir_error_prefix(error, "the sagas that are %s", asked[i]->state);
        take_batch(walk, asked[i], answer);
    }
    weir_pipeline_close(&pipeline);
    return status;
}

/* The lane whose next saga is the newest; NULL where none has any, or one has to be filled first.
 */
static struct lane *choose(struct walk *walk)
{
    struct lane *chosen = NULL;
    for (size_t i = 0; i < walk->lane_count; i++) {
        struct lane *lane = &walk->lanes[i];
        if (is_dry(lane))
            return NULL;
        if (lane->at < lane->count &&
            (!chosen || lies_behind(&chosen->batch[chosen->at], &lane->batch[lane->at])))
            chosen = lane;
    }
    return chosen;
}

/* ---- The sagas --------------------------------------------------------------------------- */

struct candidate {
    struct weir_saga_place place;
    const char *state;
};

static json_t *make_row(const struct candidate *candidate, const redisReply *fields)
{
    char cursor[176];
    json_t *row = json_object();
    snprintf(cursor, sizeof(cursor), "%" PRId64 "/%s", candidate->place.score, candidate->place.id);
    json_object_set_new(row, "saga", weir_slice_json(weir_slice_of(candidate->place.id)));
    json_object_set_new(row, "state", json_string(candidate->state));
    json_object_set_new(row, "since", json_integer(candidate->place.score));
    json_object_set_new(row, "definition", weir_slice_json(weir_value_element(fields, 0)));
    json_object_set_new(row, "version", weir_slice_json_number(weir_value_element(fields, 1)));
    if (weir_value_element(fields, 2).at)
        json_object_set_new(row, "state", weir_slice_json(weir_value_element(fields, 2)));
    json_object_set_new(row, "reason", weir_slice_json(weir_value_element(fields, 3)));
    json_object_set_new(row, "cursor", weir_slice_json(weir_slice_of(cursor)));
    return row;
}

/* One that is spoiled is shown with why, and hides none of the others. */
static void note_spoiled(json_t *row, const struct weir_error *error)
{
    if (error->status != WEIR_OK)
        json_object_set_new(row, "reason", weir_slice_json(weir_slice_of(error->text)));
}

/* Takes those that fit until there are enough. */
static void judge(struct walk *walk, const struct candidate *candidate, const redisReply *fields,
                  const struct weir_error *spoiled)
{
    struct weir_saga_found *found = walk->found;
    json_t *row = make_row(candidate, fields);
    note_spoiled(row, spoiled);
    const char *saga = json_string_value(json_object_get(row, "saga"));
    const char *cursor = json_string_value(json_object_get(row, "cursor"));
    snprintf(found->next, sizeof(found->next), "%s", cursor ? cursor : "");
    found->looked_at++;
    if (saga && !json_object_get(walk->seen, saga) && fits(walk, row, candidate->state)) {
        json_object_set_new(walk->seen, saga, json_true());
        json_array_append(found->rows, row);
    }
    json_decref(row);
}

static bool has_enough(const struct walk *walk)
{
    return json_array_size(walk->found->rows) >= walk->limit ||
           walk->found->looked_at >= WEIR_SAGA_WALK_MAX;
}

static enum weir_status look(struct walk *walk, const struct candidate *candidates, size_t count,
                             struct weir_error *error)
{
    struct weir_pipeline pipeline = {0};
    char key[WEIR_KEY_MAX];
    for (size_t i = 0; i < count; i++)
        weir_pipeline_add(
            &pipeline, "HMGET",
            weir_key_saga(key, walk->session->settings.prefix, candidates[i].place.id),
            "definition", "version", "state", "reason", NULL);
    enum weir_status status = weir_pipeline_run(&pipeline, &walk->session->client, error);
    for (size_t i = 0; i < count && status == WEIR_OK && !has_enough(walk); i++) {
        struct weir_error own = {0};
        const redisReply *answer = weir_pipeline_answer(&pipeline, i);
        status = weir_client_error_of(&walk->session->client, "HMGET", answer, &own);
        judge(walk, &candidates[i], answer, &own);
        if (status == WEIR_REFUSED)
            status = WEIR_OK;
        else if (status != WEIR_OK)
            weir_error_set(error, status, "%s", own.text);
    }
    weir_pipeline_close(&pipeline);
    return status;
}

/* ---- The walk ---------------------------------------------------------------------------- */

static enum weir_status go(struct walk *walk, struct candidate *candidates,
                           struct weir_error *error)
{
    bool filled = false;
    while (!has_enough(walk)) {
        size_t count = 0;
        do {
            if (fill(walk, &filled, error) != WEIR_OK)
                return error->status;
        } while (!filled);
        for (struct lane *lane; count < walk->batch && (lane = choose(walk));)
            candidates[count++] = (struct candidate){lane->batch[lane->at++], lane->state};
        if (count == 0) {
            walk->found->complete = true;
            walk->found->next[0] = '\0';
            return WEIR_OK;
        }
        if (look(walk, candidates, count, error) != WEIR_OK)
            return error->status;
    }
    return WEIR_OK;
}

static bool open_lanes(struct walk *walk, unsigned states)
{
    struct weir_saga_place place = {.score = INT64_MAX};
    int chosen = walk->settings->state;
    bool complete = true;
    if (walk->settings->before && !read_cursor(walk->settings->before, &place))
        place.score = INT64_MAX;
    for (int i = 1; weir_saga_states[i]; i++) {
        if (chosen != 0 ? chosen != i : (states & 1U << i) == 0)
            continue;
        struct lane *lane = &walk->lanes[walk->lane_count++];
        *lane = (struct lane){.state = weir_saga_states[i], .place = place};
        lane->batch = calloc(walk->batch, sizeof(*lane->batch));
        complete = complete && lane->batch;
    }
    return complete;
}

static enum weir_status bound_times(struct walk *walk, struct weir_error *error)
{
    int64_t now_ms = 0;
    walk->newest = INT64_MAX;
    walk->oldest = INT64_MIN;
    if (walk->settings->older_ms == 0 && walk->settings->younger_ms == 0)
        return WEIR_OK;
    if (weir_session_now(walk->session, &now_ms, error) != WEIR_OK)
        return error->status;
    if (walk->settings->older_ms > 0)
        walk->newest = now_ms - walk->settings->older_ms;
    if (walk->settings->younger_ms > 0)
        walk->oldest = now_ms - walk->settings->younger_ms;
    return WEIR_OK;
}

enum weir_status weir_saga_walk(struct weir_session *session, unsigned states, size_t limit,
                                struct weir_saga_found *found, struct weir_error *error)
{
    struct walk walk = {.session = session,
                        .settings = &session->settings,
                        .limit = limit,
                        .batch = limit < BATCH_MAX && !weir_saga_filter_given(&session->settings)
                                     ? limit
                                     : BATCH_MAX,
                        .seen = json_object(),
                        .found = found};
    *found = (struct weir_saga_found){.rows = json_array()};
    struct candidate *candidates = calloc(walk.batch, sizeof(*candidates));
    if (!candidates || !open_lanes(&walk, states))
        weir_error_set(error, WEIR_NO_MEMORY, "memory ran out");
    else if (bound_times(&walk, error) == WEIR_OK)
        (void)!go(&walk, candidates, error);
    for (size_t i = 0; i < walk.lane_count; i++)
        free(walk.lanes[i].batch);
    free(candidates);
    json_decref(walk.seen);
    return error->status;
}

void weir_saga_found_close(struct weir_saga_found *found)
{
    json_decref(found->rows);
    *found = (struct weir_saga_found){0};
}
