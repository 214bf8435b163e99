/* How many sagas of which definition are in which state. */
#include "coordinator/census.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "redis/reply.h"

#define TAKEN_EVERY_MS 15000
#define OTHER "other"

static const struct weir_family_about about = {
    .name = "weir_sagas",
    .help = "Sagas by state; of more than 1000 in a state a sample tells the definitions.",
    .labels = {"definition", "state"},
    .outside = 0,
    .series_max = WEIR_CENSUS_STATES * WEIR_CENSUS_DEFINITIONS_MAX,
};

/* ---- What was counted -------------------------------------------------------------------------
 */

static void set_share(struct weir_census_state *state, size_t share, int64_t value)
{
    const char *const values[] = {state->shares[share].definition,
                                  weir_saga_state_text(state->state)};
    weir_gauge_set(weir_family_gauge(state->census->family, values), (double)value);
}

/* What rounding leaves goes to the largest, so that the sum is the state's. */
static void tell(struct weir_census_state *state)
{
    int64_t left = state->total;
    size_t largest = 0;
    for (size_t i = 0; i < state->share_count; i++) {
        left -= state->total * (int64_t)state->shares[i].sampled / (int64_t)state->drawn;
        if (state->shares[i].sampled > state->shares[largest].sampled)
            largest = i;
    }
    for (size_t i = 0; i < state->share_count; i++)
        set_share(state, i,
                  state->total * (int64_t)state->shares[i].sampled / (int64_t)state->drawn +
                      (i == largest ? left : 0));
}

static struct weir_census_share *find(struct weir_census_state *state, struct weir_slice name)
{
    for (size_t i = 0; i < state->share_count; i++)
        if (weir_slice_equals(name, state->shares[i].definition))
            return &state->shares[i];
    return NULL;
}

static void count(struct weir_census_state *state, const redisReply *name)
{
    struct weir_slice definition = weir_slice_of(OTHER);
    struct weir_census_share *share = NULL;
    if (weir_reply_text(name, &definition) && weir_name_valid(definition.at, definition.length))
        share = find(state, definition);
    else
        definition = weir_slice_of(OTHER);
    if (share == NULL && state->share_count >= WEIR_CENSUS_DEFINITIONS_MAX)
        definition = weir_slice_of(OTHER);
    if (share == NULL)
        share = find(state, definition);
    if (share == NULL) {
        share = &state->shares[state->share_count++];
        snprintf(share->definition, sizeof share->definition, "%.*s", (int)definition.length,
                 definition.at);
    }
    share->sampled++;
}

/* ---- What was asked ---------------------------------------------------------------------------
 */

static void on_definition(void *user, const redisReply *reply)
{
    struct weir_census_state *state = user;
    if (reply == NULL)
        state->torn = true;
    else
        count(state, reply);
    if (++state->answered == state->drawn && !state->torn)
        tell(state);
}

static void on_drawn(void *user, const redisReply *sagas)
{
    struct weir_census_state *state = user;
    char key[WEIR_KEY_MAX], id[WEIR_KEY_MAX / 2];
    struct weir_slice saga;
    if (!weir_reply_array(sagas, 1) || sagas->elements > WEIR_CENSUS_SAMPLE)
        return;
    state->drawn = sagas->elements;
    if (state->total <= WEIR_CENSUS_SAMPLE) /* then these are all, as they are now */
        state->total = (int64_t)sagas->elements;
    for (size_t i = 0; i < sagas->elements; i++) {
        if (!weir_reply_text(sagas->element[i], &saga) || saga.length >= sizeof id) {
            on_definition(state, NULL);
            continue;
        }
        snprintf(id, sizeof id, "%.*s", (int)saga.length, saga.at);
        weir_key_saga(key, state->census->prefix, id);
        if (!weir_collection_ask(state->census->collection, 3,
                                 (const char *[]){"HGET", key, "definition"}, on_definition, state))
            on_definition(state, NULL);
    }
}

static void on_total(void *user, const redisReply *reply)
{
    struct weir_census_state *state = user;
    char limit[16], last[16];
    if (!weir_reply_integer(reply, &state->total) || state->total <= 0)
        return;
    snprintf(limit, sizeof limit, "%d", WEIR_CENSUS_SAMPLE);
    snprintf(last, sizeof last, "%d", WEIR_CENSUS_SAMPLE - 1);
    if (state->total > WEIR_CENSUS_SAMPLE)
        (void)!weir_collection_ask(state->census->collection, 3,
                                   (const char *[]){"ZRANDMEMBER", state->key, limit}, on_drawn,
                                   state);
    else
        (void)!weir_collection_ask(state->census->collection, 4,
                                   (const char *[]){"ZRANGE", state->key, "0", last}, on_drawn,
                                   state);
}

/* ---- A census ---------------------------------------------------------------------------------
 */

static void begin_state(struct weir_census *census, size_t place)
{
    struct weir_census_state *state = &census->states[place];
    memset(state, 0, sizeof *state);
    state->census = census;
    state->state = (enum weir_saga_state)(WEIR_SAGA_RUNNING + place);
    weir_key_saga_state(state->key, census->prefix, weir_saga_state_text(state->state));
    (void)!weir_collection_ask(census->collection, 2, (const char *[]){"ZCARD", state->key},
                               on_total, state);
}

void weir_census_measure(struct weir_census *census, const char *prefix,
                         struct weir_metrics *metrics, struct weir_collection *collection)
{
    int64_t now = weir_clock_monotonic_ms();
    bool reachable = collection->link->state == WEIR_LINK_READY;
    if (census->family != NULL && reachable && now - census->taken_ms < TAKEN_EVERY_MS)
        return;
    census->family = weir_metrics_gauges(metrics, &about);
    census->prefix = prefix;
    census->collection = collection;
    census->taken_ms = reachable ? now : now - TAKEN_EVERY_MS;
    weir_family_forget(census->family);
    for (size_t i = 0; i < WEIR_CENSUS_STATES; i++)
        begin_state(census, i);
}
