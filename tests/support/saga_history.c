/* Playing, shrinking, writing and reading histories. */
#include "support/saga_history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARROW "\xe2\x86\x92"

void history_add(struct history *history, struct world_event event)
{
    if (history->count == history->room) {
        history->room = history->room == 0 ? 64 : 2 * history->room;
        history->events = realloc(history->events, history->room * sizeof event);
        if (history->events == NULL)
            abort();
    }
    history->events[history->count++] = event;
}

void history_close(struct history *history)
{
    free(history->events);
    history->events = NULL;
    history->count = history->room = 0;
}

void history_open_world(const struct history *history, struct world *world)
{
    world_open(world, history->definition, history->resumes, history->unsendables);
    world->bar_is_broken = history->bar_is_broken;
    world->services_move = history->services_move;
    world->deaf = history->deaf;
    world->late_timer = history->late_timer;
}

bool history_breaks(const struct history *history, char violation[200])
{
    struct world world;
    history_open_world(history, &world);
    for (size_t i = 0; i < history->count && world.violation[0] == '\0'; i++)
        (void)world_apply(&world, &history->events[i]);
    memcpy(violation, world.violation, sizeof world.violation);
    world_close(&world);
    return violation[0] != '\0';
}

/* Tries to do without `length` events from `at` on. */
static bool can_spare(struct history *history, size_t at, size_t length)
{
    char violation[200];
    struct history shorter = *history;
    shorter.events = NULL;
    shorter.count = shorter.room = 0;
    for (size_t i = 0; i < history->count; i++) {
        if (i < at || i >= at + length)
            history_add(&shorter, history->events[i]);
    }
    if (!history_breaks(&shorter, violation)) {
        history_close(&shorter);
        return false;
    }
    history_close(history);
    *history = shorter;
    return true;
}

/* Large pieces first, then smaller ones; again from the start until single events stay. */
void history_shrink(struct history *history)
{
    bool shrunk = true;
    while (shrunk) {
        shrunk = false;
        for (size_t length = history->count / 2 + 1; length >= 1; length /= 2) {
            for (size_t at = 0; at < history->count;) {
                if (can_spare(history, at, length))
                    shrunk = true;
                else
                    at += length;
            }
        }
    }
}

void history_write(const struct history *history, struct weir_text *out)
{
    struct world world;
    history_open_world(history, &world);
    for (size_t i = 0; i < history->count; i++) {
        bool applied = world_apply(&world, &history->events[i]);
        world_event_write(&world, &history->events[i], out);
        weir_text_append_string(out, "\n");
        if (applied && world.verdict == -1 && world.violation[0] == '\0')
            continue; /* served: the saga has not heard of it */
        weir_text_append_string(out, ARROW " ");
        if (!applied)
            weir_text_append_string(out, "nothing");
        world_put_into_words(&world, out);
        if (world.violation[0] != '\0')
            weir_text_format(out, "%sbroken: %s", world.verdict < 0 ? "" : " ", world.violation);
        weir_text_append_string(out, "\n");
    }
    world_close(&world);
}

bool history_read(struct history *history, const char *text)
{
    for (size_t length; *text != '\0'; text += length + (text[length] == '\n')) {
        char line[400];
        struct world_event event;
        length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        if (length == 0 || line[0] == '#' || strncmp(line, ARROW, strlen(ARROW)) == 0)
            continue;
        if (!world_event_parse(history->definition, line, &event))
            return false;
        history_add(history, event);
    }
    return true;
}
