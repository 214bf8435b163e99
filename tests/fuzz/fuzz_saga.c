/* A saga of any shape and any history of it, in the small world of the tests: starts, answers in
 * any order, doubled, late or forged, time limits, cancellations, decisions, signals. The world's
 * rules are checked after each event.
 *
 * Four bytes are the seed of the definition, one says how often an operator and a missing input may
 * step in and whether services move the saga; then come events: one byte picks one of those that
 * have a meaning now, or, from 0xc0 on, four more spell one, however senseless. */
#include "fuzz/bytes.h"
#include "support/saga_history.h"
#include "unit/saga/random_definition.h"

#define EVENTS_MAX 512
#define HISTORY_MAX 120

static struct world_event spelled(struct bytes *bytes, uint8_t kind, size_t steps)
{
    uint8_t flags;
    struct world_event event = {.kind = kind % (WORLD_SIGNAL + 1)};
    event.step = (uint8_t)take_below(bytes, steps);
    event.number = (uint8_t)take_below(bytes, WORLD_NUMBERS_MAX + 1);
    event.outcome = (uint8_t)take_below(bytes, WORLD_UNKNOWN_BUT_DONE + 1);
    flags = take_byte(bytes);
    event.action = flags & 1;
    if (event.kind == WORLD_REPLY) {
        event.outcome %= WORLD_UNKNOWN + 1;
        event.forged = flags & 2;
        event.unnumbered = flags & 4 && !event.forged;
    }
    event.moves = flags & 32 && event.kind == WORLD_SERVE;
    event.recorded = flags & 64 && event.moves;
    event.skip = flags & 8 && event.kind == WORLD_RESUME;
    event.unsendable = flags & 16 && event.kind != WORLD_SERVE;
    return event;
}

static struct world_event next_event(struct bytes *bytes, const struct world *world)
{
    struct world_event events[EVENTS_MAX];
    uint8_t byte = take_byte(bytes);
    size_t count;
    if (byte >= 0xc0)
        return spelled(bytes, byte, world->saga.step_count);
    count = world_events(world, events, EVENTS_MAX);
    HOLDS(count < EVENTS_MAX && count > 0);
    return events[byte % count];
}

static void show(struct history *history, const char *violation)
{
    struct weir_text text = {0};
    history_shrink(history);
    history_write(history, &text);
    fprintf(stderr, "%s%s\n", text.at, violation);
    weir_text_close(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    struct weir_random random;
    uint64_t seed = 0;
    for (unsigned i = 0; i < 4; i++)
        seed = seed << 8 | take_byte(&bytes);
    weir_random_init(&random, seed);
    struct weir_text json = random_definition_json(&random);
    struct weir_saga_definition *definition = definition_of(&json);
    uint8_t helpers = take_byte(&bytes);
    struct history history = {.definition = definition,
                              .resumes = helpers % 4,
                              .unsendables = helpers / 4 % 3,
                              .services_move = helpers / 16 % 2};
    struct world world;
    history_open_world(&history, &world);
    for (unsigned i = 0; i < HISTORY_MAX && bytes.left > 0; i++) {
        struct world_event event = next_event(&bytes, &world);
        history_add(&history, event);
        world_apply(&world, &event);
        if (world.violation[0] != '\0')
            show(&history, world.violation);
        HOLDS(world.violation[0] == '\0');
    }
    world_close(&world);
    history_close(&history);
    weir_saga_definition_free(definition);
    weir_text_close(&json);
    return 0;
}
