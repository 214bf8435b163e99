/* Which of weir's figures is held against which of the peers'. */
#include "compare.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct rivalry {
    const char *row, *name; /* of weir's figure */
    const char *kind;       /* of the peers' */
    double times;           /* what it should reach */
} rivalries[BENCH_RIVALRIES] = {
    {"messages", "acknowledgement alone", "messages", 6},
    {"messages", "two fields and an event", "messages", 3.5},
    {"sagas", "three plain steps", "sagas", 2},
};

static bool is(const json_t *line, const char *name, const char *value)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text != NULL && strcmp(text, value) == 0;
}

static void take_one(struct bench_comparison *comparison, size_t at, const json_t *line)
{
    const struct rivalry *rivalry = &rivalries[at];
    const double median = json_number_value(json_object_get(line, "median"));
    if (is(line, "row", rivalry->row) && is(line, "name", rivalry->name) && is(line, "who", "weir"))
        comparison->weir[at] = median;
    if (!is(line, "row", "peers") || !is(line, "name", rivalry->kind) ||
        median <= comparison->peer[at])
        return;
    comparison->peer[at] = median;
    snprintf(comparison->fastest[at], sizeof comparison->fastest[at], "%s",
             json_string_value(json_object_get(line, "who")));
}

void bench_compare_take(struct bench_comparison *comparison, const char *line)
{
    json_t *parsed = json_loads(line, 0, NULL);
    for (size_t i = 0; parsed != NULL && i < BENCH_RIVALRIES; i++)
        take_one(comparison, i, parsed);
    json_decref(parsed);
}

static void print_one(const struct bench_comparison *comparison, size_t at,
                      struct bench_report *report)
{
    const struct rivalry *rivalry = &rivalries[at];
    const double times = comparison->weir[at] / comparison->peer[at];
    json_t *line =
        json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:s, s:{s:s, s:f, s:b}}", "row",
                  "beside peers", "name", rivalry->name, "who", "weir", "unit", "/s", "median",
                  comparison->weir[at], "min", comparison->weir[at], "max", comparison->weir[at],
                  "ratio", times, "ratioTo", comparison->fastest[at], "ratioTarget", "is",
                  "at least", "value", rivalry->times, "met", times >= rivalry->times);
    char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
    if (text != NULL)
        bench_report_figure(report, text);
    free(text);
    json_decref(line);
}

void bench_compare_print(const struct bench_comparison *comparison, struct bench_report *report)
{
    for (size_t i = 0; i < BENCH_RIVALRIES; i++)
        if (comparison->weir[i] > 0 && comparison->peer[i] > 0)
            print_one(comparison, i, report);
}
