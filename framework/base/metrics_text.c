/* What is counted and measured, in Prometheus' text form. */
#include <string.h>

#include "base/metrics_inside.h"

#define NS_IN_SECOND INT64_C(1000000000)

static const char *const kinds[] = {
    [WEIR_FAMILY_COUNTERS] = "counter",
    [WEIR_FAMILY_GAUGES] = "gauge",
    [WEIR_FAMILY_HISTOGRAMS] = "histogram",
};

/* Bytes that are no UTF-8, and control characters but the line feed, become question marks. */
static void append_escaped(struct weir_text *out, const char *text, bool quoted)
{
    bool valid = weir_utf8_valid(text, strlen(text));
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '\n')
            weir_text_append(out, "\\n", 2);
        else if (byte == '\\' || (byte == '"' && quoted))
            weir_text_append(out, (const char[]){'\\', *text}, 2);
        else if (byte < ' ' || byte == 0x7f || (byte >= 0x80 && !valid))
            weir_text_append(out, "?", 1);
        else
            weir_text_append(out, text, 1);
    }
}

/* Seconds to the last digit that is not 0: "0.00025", "30". */
static void append_seconds(struct weir_text *out, uint64_t ns)
{
    char fraction[16];
    uint64_t rest = ns % (uint64_t)NS_IN_SECOND;
    int digits = 9;
    weir_text_format(out, "%llu", (unsigned long long)(ns / (uint64_t)NS_IN_SECOND));
    if (rest == 0)
        return;
    for (; rest % 10 == 0; rest /= 10)
        digits--;
    for (int i = digits; i > 0; i--, rest /= 10)
        fraction[i] = (char)('0' + rest % 10);
    fraction[0] = '.';
    weir_text_append(out, fraction, (size_t)digits + 1);
}

/* Up to the value; `bound_ns` is the label "le" of a bucket, NULL: none, negative: without end. */
static void begin_line(struct weir_text *out, const struct weir_family *family,
                       const struct weir_series *series, const char *suffix,
                       const int64_t *bound_ns)
{
    const char *value = series->values, *before = "{";
    weir_text_append_string(out, family->about.name);
    weir_text_append_string(out, suffix);
    for (unsigned i = 0; i < family->label_count; i++) {
        weir_text_format(out, "%s%s=\"", before, family->about.labels[i]);
        append_escaped(out, value, true);
        weir_text_append(out, "\"", 1);
        value += strlen(value) + 1;
        before = ",";
    }
    if (bound_ns != NULL) {
        weir_text_format(out, "%sle=\"", before);
        if (*bound_ns < 0)
            weir_text_append_string(out, "+Inf");
        else
            append_seconds(out, (uint64_t)*bound_ns);
        weir_text_append(out, "\"", 1);
        before = ",";
    }
    weir_text_append_string(out, before[0] == ',' ? "} " : " ");
}

static void write_histogram(struct weir_text *out, const struct weir_family *family,
                            const struct weir_series *series)
{
    const struct weir_histogram *histogram = &series->histogram;
    uint64_t count = 0;
    for (unsigned i = 0; i <= histogram->bound_count; i++) {
        count += histogram->counts[i];
        begin_line(out, family, series, "_bucket",
                   i < histogram->bound_count ? &histogram->bounds_ns[i] : &(int64_t){-1});
        weir_text_format(out, "%llu\n", (unsigned long long)count);
    }
    begin_line(out, family, series, "_sum", NULL);
    append_seconds(out, histogram->sum_ns);
    weir_text_append(out, "\n", 1);
    begin_line(out, family, series, "_count", NULL);
    weir_text_format(out, "%llu\n", (unsigned long long)count);
}

static void write_series(struct weir_text *out, const struct weir_family *family,
                         const struct weir_series *series)
{
    switch (family->kind) {
    case WEIR_FAMILY_COUNTERS:
        begin_line(out, family, series, "", NULL);
        weir_text_format(out, "%llu\n", (unsigned long long)series->counter.value);
        break;
    case WEIR_FAMILY_GAUGES:
        if (!series->gauge.known)
            break;
        begin_line(out, family, series, "", NULL);
        weir_text_format(out, "%.15g\n", series->gauge.value);
        break;
    case WEIR_FAMILY_HISTOGRAMS:
        write_histogram(out, family, series);
        break;
    }
}

static bool is_shown(const struct weir_family *family)
{
    for (size_t i = 0; i < family->count; i++)
        if (family->kind != WEIR_FAMILY_GAUGES || family->series[i]->gauge.known)
            return true;
    return false;
}

void weir_metrics_write(const struct weir_metrics *metrics, struct weir_text *out)
{
    for (const struct weir_family *family = metrics->first; family != NULL; family = family->next) {
        if (!is_shown(family))
            continue;
        weir_text_format(out, "# HELP %s ", family->about.name);
        append_escaped(out, family->about.help, false);
        weir_text_format(out, "\n# TYPE %s %s\n", family->about.name, kinds[family->kind]);
        for (size_t i = 0; i < family->count; i++)
            write_series(out, family, family->series[i]);
    }
}
