/* Prints services and workers. */
#include "commands/service_tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/command.h"
#include "commands/print.h"
#include "commands/projection_verbs.h"
#include "commands/table.h"

static const struct weir_column service_columns[] = {
    {.heading = "service", .key = "service"},
    {.heading = "state", .key = "state", .kind = WEIR_COLUMN_STATE},
    {.heading = "workers", .key = "crew", .spare = 1},
    {.heading = "backlog", .key = "backlog", .kind = WEIR_COLUMN_NUMBER},
    {.heading = "pending", .key = "pending", .kind = WEIR_COLUMN_NUMBER, .spare = 3},
    {.heading = "oldest", .key = "oldest", .kind = WEIR_COLUMN_AGE},
    {.heading = "rate", .key = "shownRate", .kind = WEIR_COLUMN_NUMBER, .spare = 2},
    {.heading = "scheduled", .key = "scheduled", .kind = WEIR_COLUMN_NUMBER, .spare = 4},
    {.heading = "dead", .key = "dead", .kind = WEIR_COLUMN_ALARM},
    {.heading = "problem", .key = "problem", .optional = true},
    {.heading = NULL},
};

static const struct weir_column stream_columns[] = {
    {.heading = "inbox", .key = "key"},
    {.heading = "length", .key = "length", .kind = WEIR_COLUMN_NUMBER},
    {.heading = "pending", .key = "pending", .kind = WEIR_COLUMN_NUMBER},
    {.heading = "oldest", .key = "oldest", .kind = WEIR_COLUMN_AGE},
    {.heading = "groups", .key = "shownGroups"},
    {.heading = NULL},
};

static const struct weir_column reader_columns[] = {
    {.heading = "reader of its events", .key = "name"},
    {.heading = "kind", .key = "kind", .spare = 2},
    {.heading = "pending", .key = "pending", .kind = WEIR_COLUMN_NUMBER},
    {.heading = "lag", .key = "shownLag", .kind = WEIR_COLUMN_NUMBER},
    {.heading = "unfinished", .key = "oldestUnfinished", .kind = WEIR_COLUMN_AGE},
    {.heading = "heard of", .key = "lastSign", .kind = WEIR_COLUMN_AGE, .spare = 1},
    {.heading = "state", .key = "state", .kind = WEIR_COLUMN_STATE},
    {.heading = NULL},
};

static const struct weir_column projection_columns[] = {
    {.heading = "projection", .key = "projection"},
    {.heading = "state", .key = "state", .kind = WEIR_COLUMN_STATE},
    {.heading = "worker", .key = "worker", .spare = 2},
    {.heading = "oldest", .key = "oldest", .kind = WEIR_COLUMN_AGE},
    {.heading = "reason", .key = "reason"},
    {.heading = NULL},
};

static const struct weir_column worker_columns[] = {
    {.heading = "service", .key = "service"},
    {.heading = "consumer", .key = "consumer"},
    {.heading = "state", .key = "state", .kind = WEIR_COLUMN_STATE},
    {.heading = "host", .key = "host", .spare = 5},
    {.heading = "pid", .key = "pid", .kind = WEIR_COLUMN_NUMBER, .spare = 4},
    {.heading = "version", .key = "version", .spare = 6},
    {.heading = "since", .key = "started", .kind = WEIR_COLUMN_AGE, .spare = 1},
    {.heading = "seen", .key = "heartbeat", .kind = WEIR_COLUMN_AGE},
    {.heading = "busy", .key = "inHand", .kind = WEIR_COLUMN_NUMBER},
    {.heading = "done", .key = "done", .kind = WEIR_COLUMN_NUMBER},
    {.heading = "rejected", .key = "rejected", .kind = WEIR_COLUMN_NUMBER, .spare = 2},
    {.heading = "retried", .key = "retried", .kind = WEIR_COLUMN_NUMBER, .spare = 3},
    {.heading = "dead", .key = "dead", .kind = WEIR_COLUMN_NUMBER},
    {.heading = "rate", .key = "shownRate", .kind = WEIR_COLUMN_NUMBER},
    {.heading = NULL},
};

/* ---- Cells ------------------------------------------------------------------------------- */

json_t *weir_rate_shown(const json_t *rate, const char *which)
{
    char text[40];
    if (!json_is_object(rate))
        return json_null();
    int64_t tenths = (int64_t)(json_real_value(json_object_get(rate, which)) * 10. + .5);
    snprintf(text, sizeof(text), "%" PRId64 ".%" PRId64, tenths / 10, tenths % 10);
    return json_string(text);
}

/* "2", "2 (1 silent)"; "-" where it is not known. */
static json_t *show_crew(const json_t *workers)
{
    char text[80];
    json_int_t silent = json_integer_value(json_object_get(workers, "silent"));
    if (!json_is_object(workers))
        return json_null();
    int length = snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
                          json_integer_value(json_object_get(workers, "alive")));
    if (silent > 0)
        snprintf(text + length, sizeof(text) - (size_t)length, " (%" JSON_INTEGER_FORMAT " silent)",
                 silent);
    return json_string(text);
}

/* "orders", "others: 3 pending": a service has one, named like it, if nobody has said otherwise. */
static json_t *show_groups(const json_t *groups)
{
    struct weir_text text = {0};
    json_t *group;
    size_t i;
    json_array_foreach(groups, i, group)
    {
        weir_text_append_string(&text, i > 0 ? ", " : "");
        weir_text_append_string(&text, json_string_value(json_object_get(group, "name")));
    }
    json_t *shown = text.at ? json_string(text.at) : json_null();
    weir_text_close(&text);
    return shown;
}

/* "12", "100+" */
static json_t *show_lag(const json_t *reader)
{
    char text[40];
    snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT "%s",
             json_integer_value(json_object_get(reader, "behind")),
             json_is_true(json_object_get(reader, "behindAtLeast")) ? "+" : "");
    return json_string(text);
}

/* ---- Tables ------------------------------------------------------------------------------ */

static int print_part(const struct weir_column *columns, const json_t *rows, int64_t now_ms)
{
    if (json_array_size(rows) == 0)
        return WEIR_EXIT_FINE;
    fputc('\n', weir_output());
    return weir_table_print(columns, rows, now_ms);
}

int weir_projections_print(const json_t *rows, int64_t now_ms)
{
    return print_part(projection_columns, rows, now_ms);
}

static int print_details(json_t *row, int64_t now_ms)
{
    json_t *streams = json_object_get(row, "streams"),
           *readers = json_object_get(json_object_get(row, "events"), "readers"), *one;
    size_t i;
    json_array_foreach(streams, i, one)
    {
        json_object_set_new(one, "shownGroups", show_groups(json_object_get(one, "groups")));
    }
    json_array_foreach(readers, i, one)
    {
        json_object_set_new(one, "shownLag", show_lag(one));
    }
    int code = print_part(stream_columns, streams, now_ms);
    if (code == WEIR_EXIT_FINE)
        code = print_part(reader_columns, readers, now_ms);
    if (code == WEIR_EXIT_FINE)
        code = weir_projections_print(json_object_get(row, "projections"), now_ms);
    return code;
}

int weir_services_print(json_t *rows, int64_t now_ms, bool details)
{
    json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        json_object_set_new(row, "crew", show_crew(json_object_get(row, "workers")));
        json_object_set_new(row, "shownRate",
                            weir_rate_shown(json_object_get(row, "rate"), "handled"));
    }
    int code = weir_table_print(service_columns, rows, now_ms);
    if (code == WEIR_EXIT_FINE && details)
        code = print_details(json_array_get(rows, 0), now_ms);
    return code;
}

int weir_workers_print(json_t *rows, int64_t now_ms)
{
    json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        json_object_set_new(row, "shownRate",
                            weir_rate_shown(json_object_get(row, "rate"), "handled"));
    }
    return weir_table_print(worker_columns, rows, now_ms);
}
