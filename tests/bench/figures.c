/* Medians, ratios and their way to the one who prints them. */
#include "figures.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bench_add(struct bench_series *series, double value)
{
    if (series->count == BENCH_RUNS_MAX)
        bench_fail("too many runs");
    series->values[series->count++] = value;
}

static int compare(const void *one, const void *other)
{
    const double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

double bench_quantile(double *values, size_t count, double part)
{
    if (count == 0)
        return NAN;
    qsort(values, count, sizeof *values, compare);
    if (part == 0.5 && count % 2 == 0)
        return (values[count / 2 - 1] + values[count / 2]) / 2;
    size_t rank = (size_t)ceil(part * (double)count);
    return values[rank > 0 ? rank - 1 : 0];
}

double bench_median(const struct bench_series *series)
{
    struct bench_series copy = *series;
    return bench_quantile(copy.values, copy.count, 0.5);
}

double bench_least(const struct bench_series *series)
{
    struct bench_series copy = *series;
    return bench_quantile(copy.values, copy.count, 0);
}

double bench_most(const struct bench_series *series)
{
    struct bench_series copy = *series;
    return bench_quantile(copy.values, copy.count, 1);
}

double bench_ratio(const struct bench_series *one, const struct bench_series *other)
{
    struct bench_series ratios = {0};
    for (unsigned i = 0; i < one->count && i < other->count; i++)
        bench_add(&ratios, one->values[i] / other->values[i]);
    return bench_median(&ratios);
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *numbers(const struct bench_series *series)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < series->count; i++)
        json_array_append_new(array, number(series->values[i]));
    return array;
}

static void put_target(json_t *line, const char *name, struct bench_target target, double reached)
{
    bool met =
        target.direction == BENCH_AT_LEAST ? reached >= target.value : reached <= target.value;
    if (target.direction == BENCH_NO_TARGET)
        return;
    json_object_set_new(line, name,
                        json_pack("{s:s, s:f, s:b}", "is",
                                  target.direction == BENCH_AT_LEAST ? "at least" : "at most",
                                  "value", target.value, "met", met));
}

static json_t *line_of(const struct bench *bench, const struct bench_figure *figure)
{
    const double median = bench_median(&figure->values);
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "row", bench->row, "name",
                             figure->name, "who", figure->who, "unit", figure->unit, "median",
                             number(median), "min", number(bench_least(&figure->values)), "max",
                             number(bench_most(&figure->values)), "runs", numbers(&figure->values));
    if (figure->server_us.count > 0)
        json_object_set_new(line, "serverUs", number(bench_median(&figure->server_us)));
    if (figure->clients_us.count > 0)
        json_object_set_new(line, "clientsUs", number(bench_median(&figure->clients_us)));
    put_target(line, "target", figure->value_target, median);
    if (figure->beside != NULL) {
        const double ratio = bench_ratio(&figure->values, figure->beside);
        json_object_set_new(line, "ratio", number(ratio));
        json_object_set_new(line, "ratioTo", json_string(figure->beside_name));
        put_target(line, "ratioTarget", figure->ratio_target, ratio);
    }
    if (figure->note != NULL)
        json_object_set_new(line, "note", json_string(figure->note));
    return line;
}

void bench_write(const struct bench *bench, const struct bench_figure *figure)
{
    json_t *line = line_of(bench, figure);
    char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
    if (text == NULL || dprintf(bench->results, "%s\n", text) < 0)
        bench_fail("cannot hand on a figure");
    free(text);
    json_decref(line);
}
