/* Every history of small sagas: all orders of answers, duplicates, late answers, time limits,
 * cancellations, signals, operators' decisions and inputs that cannot be made up, with services
 * that reply and, in some, with services that move the saga themselves. Worlds that have the same
 * future are visited once; the first visit is the shortest way there, so a rule that is broken is
 * shown with the shortest history that breaks it. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenario.h"
#include "support/saga_history.h"

#define ESSENCE_MAX 512
#define EVENTS_MAX 256
#define STATES_MAX 2000000
#define SLOTS (1u << 22)

/* A world that has been reached, and from where. */
struct node {
    struct world *world; /* NULL once its own events have been tried */
    uint32_t parent;
    struct world_event event;
};

static struct {
    struct node *nodes;
    size_t count, tried;
    uint64_t *seen; /* hashes of essences; 0: free */
    struct history shape;
    uint64_t inputs, ended[6];
} search;

static uint64_t hash_of(const struct world *world)
{
    uint8_t bytes[ESSENCE_MAX];
    size_t count = world_essence(world, bytes, sizeof bytes);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    assert_true(count < sizeof bytes);
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    return hash | 1;
}

/* True where no world with this future has been reached before. */
static bool is_new(const struct world *world)
{
    uint64_t hash = hash_of(world);
    size_t at = (size_t)(hash >> 20) & (SLOTS - 1);
    while (search.seen[at] != 0) {
        if (search.seen[at] == hash)
            return false;
        at = (at + 1) & (SLOTS - 1);
    }
    search.seen[at] = hash;
    return true;
}

static struct node *reach(const struct world *world, uint32_t parent, struct world_event event)
{
    struct node *node = &search.nodes[search.count];
    assert_true(search.count < STATES_MAX);
    node->world = malloc(sizeof *world);
    assert_non_null(node->world);
    *node->world = *world;
    node->parent = parent;
    node->event = event;
    search.count++;
    search.ended[world->saga.state]++;
    return node;
}

static void add_way_to(struct history *history, uint32_t node)
{
    if (node == 0)
        return;
    add_way_to(history, search.nodes[node].parent);
    history_add(history, search.nodes[node].event);
}

static void show_and_fail(uint32_t node, struct world_event event, const char *violation)
{
    struct history history = search.shape;
    struct weir_text text = {0};
    add_way_to(&history, node);
    history_add(&history, event);
    history_write(&history, &text);
    fprintf(stderr, "%s", text.at);
    weir_text_close(&text);
    fail_msg("%s", violation);
}

static void try_event(uint32_t node, const struct world_event *event)
{
    struct world world;
    world_copy(&world, search.nodes[node].world);
    assert_true(world_apply(&world, event));
    search.inputs++;
    if (world.violation[0] != '\0')
        show_and_fail(node, *event, world.violation);
    if (is_new(&world))
        reach(&world, node, *event);
    else
        world_close(&world);
}

static void try_all(uint32_t node)
{
    struct world_event events[EVENTS_MAX];
    size_t count = world_events(search.nodes[node].world, events, EVENTS_MAX);
    assert_true(count < EVENTS_MAX);
    for (size_t i = 0; i < count; i++)
        try_event(node, &events[i]);
    world_close(search.nodes[node].world);
    free(search.nodes[node].world);
    search.nodes[node].world = NULL;
}

static void explore_with(const char *steps, struct scenario_limits limits, unsigned resumes,
                         unsigned unsendables, bool services_move)
{
    struct scenario small = scenario_new(steps, limits);
    struct weir_saga_definition *definition = small.definition;
    struct world world;
    memset(&search, 0, sizeof search);
    search.nodes = calloc(STATES_MAX, sizeof *search.nodes);
    search.seen = calloc(SLOTS, sizeof *search.seen);
    assert_true(search.nodes != NULL && search.seen != NULL);
    search.shape = (struct history){.definition = definition,
                                    .resumes = resumes,
                                    .unsendables = unsendables,
                                    .services_move = services_move};
    history_open_world(&search.shape, &world);
    reach(&world, 0, (struct world_event){0});
    for (; search.tried < search.count; search.tried++)
        try_all((uint32_t)search.tried);
    print_message("%-16s %zu worlds, %" PRIu64 " steps between them; %" PRIu64
                  " completed, %" PRIu64 " compensated, %" PRIu64 " suspended\n",
                  steps, search.count, search.inputs, search.ended[WEIR_SAGA_COMPLETED],
                  search.ended[WEIR_SAGA_COMPENSATED], search.ended[WEIR_SAGA_SUSPENDED]);
    free(search.nodes);
    free(search.seen);
    scenario_close(&small);
}

static void explore(const char *steps, struct scenario_limits limits, unsigned resumes,
                    unsigned unsendables)
{
    explore_with(steps, limits, resumes, unsendables, false);
}

/* Steps as in scenario.h: * pivot, + retriable, ? waits for a signal, ! has no compensation. */

static void chain_of_two(void **state)
{
    (void)state;
    struct scenario_limits limits = {.saga_timeout = 150, .timeout = 100, .attempts = 1};
    explore("a b:a", limits, 2, 1);
    limits.attempts = 2;
    explore("a b!:a", limits, 1, 1);
#ifndef __SANITIZE_ADDRESS__ /* half of all worlds: a minute there, and no other code */
    explore("a b:a", limits, 1, 0);
#endif
}

static void pivot_and_retriable(void **state)
{
    (void)state;
    struct scenario_limits limits = {.saga_timeout = 150, .timeout = 100, .attempts = 1};
    explore("a b*:a c+:b", limits, 2, 1);
    limits.attempts = 2;
    explore("a b*:a c+:b", limits, 1, 1);
}

static void retriable_side_by_side_without_a_pivot(void **state)
{
    (void)state;
    explore("a b+:a c+:a", (struct scenario_limits){.timeout = 100, .attempts = 1}, 2, 1);
}

static void diamond(void **state)
{
    (void)state;
    explore("a b:a c!:a d:bc", (struct scenario_limits){.timeout = 100, .attempts = 1}, 1, 1);
}

static void signals_before_and_behind_the_pivot(void **state)
{
    (void)state;
    struct scenario_limits limits = {.saga_timeout = 250, .timeout = 100, .attempts = 1};
    explore("a b?:a c*:b d?+:c", limits, 2, 1);
}

static void services_that_move_it(void **state)
{
    (void)state;
    struct scenario_limits limits = {.saga_timeout = 150, .timeout = 100, .attempts = 1};
    explore_with("a b:a", limits, 1, 0, true);
    explore_with("a* b+:a", limits, 2, 0, true);
    limits = (struct scenario_limits){.timeout = 100, .attempts = 1};
    explore_with("a b+:a c+:a", limits, 1, 0, true);
    limits.attempts = 2;
    explore_with("a b+:a", limits, 1, 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_of_two),
        cmocka_unit_test(pivot_and_retriable),
        cmocka_unit_test(retriable_side_by_side_without_a_pivot),
        cmocka_unit_test(diamond),
        cmocka_unit_test(signals_before_and_behind_the_pivot),
        cmocka_unit_test(services_that_move_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
