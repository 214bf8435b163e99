/* Which sagas are meant, and a walk over them, the newest first. */
#ifndef WEIR_COMMANDS_SAGA_WALK_H
#define WEIR_COMMANDS_SAGA_WALK_H

#include "commands/command.h"

/* The words of --state; the first is "all". */
extern const char *const weir_saga_states[];

/* Options of all commands that take sagas by what they are. */
#define WEIR_SAGA_FILTER_OPTIONS                                                                   \
    {.name = "state",                                                                              \
     .kind = WEIR_OPTION_CHOICE,                                                                   \
     WEIR_SETTING(state),                                                                          \
     .initial = "all",                                                                             \
     .choices = weir_saga_states,                                                                  \
     .value_name = "STATE",                                                                        \
     .help = "those in this state: all, running, compensating, suspended, completed, "             \
             "compensated"},                                                                       \
        {.name = "definition",                                                                     \
         .kind = WEIR_OPTION_TEXT,                                                                 \
         WEIR_SETTING(definition),                                                                 \
         .value_name = "NAME",                                                                     \
         .help = "those of this definition"},                                                      \
        {.name = "older-than",                                                                     \
         .kind = WEIR_OPTION_DURATION,                                                             \
         .unit_needed = true,                                                                      \
         WEIR_SETTING(older_ms),                                                                   \
         .minimum = 1,                                                                             \
         .maximum = WEIR_AGE_MAX_MS,                                                               \
         .value_name = "TIME",                                                                     \
         .help = "those that entered their state longer ago: 30s, 5m, 2h, 7d"},                    \
        {.name = "younger-than",                                                                   \
         .kind = WEIR_OPTION_DURATION,                                                             \
         .unit_needed = true,                                                                      \
         WEIR_SETTING(younger_ms),                                                                 \
         .minimum = 1,                                                                             \
         .maximum = WEIR_AGE_MAX_MS,                                                               \
         .value_name = "TIME",                                                                     \
         .help = "those that entered it since then"},                                              \
    {                                                                                              \
        .name = "matching", .kind = WEIR_OPTION_TEXT, WEIR_SETTING(matching),                      \
        .value_name = "TEXT", .help = "those whose reason holds this text"                         \
    }

#define WEIR_AGE_MAX_MS INT64_C(315360000000) /* ten years */
/* No walk looks at more sagas. */
#define WEIR_SAGA_WALK_MAX 100000

/* Where a walk stands: behind the saga `id`, which entered its state at `score`. */
struct weir_saga_place {
    int64_t score;
    char id[136];
};

struct weir_saga_found {
    json_t *rows; /* {saga, state, since, definition, version, reason, cursor}, the newest first */
    size_t looked_at;
    bool complete;  /* nothing lies behind the last row */
    char next[160]; /* the cursor to go on from; "" where it is complete */
};

/* Whether the filter can be meant: WEIR_EXIT_FINE or the code. */
WEIR_CHECKED int weir_saga_filter_check(const struct weir_settings *settings);
/* Whether any of the filter's options was given. */
bool weir_saga_filter_given(const struct weir_settings *settings);

/* Finds at most `limit` sagas that fit the settings' filter, from settings.before on. `states`: a
 * bit for each place in weir_saga_states that counts where --state is all. Looks at
 * WEIR_SAGA_WALK_MAX sagas at the most. To be closed in any case. */
WEIR_CHECKED enum weir_status weir_saga_walk(struct weir_session *session, unsigned states,
                                             size_t limit, struct weir_saga_found *found,
                                             struct weir_error *error);
void weir_saga_found_close(struct weir_saga_found *found);

#endif
