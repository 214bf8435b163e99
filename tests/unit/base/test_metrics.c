/* Counters, gauges and histograms are told as Prometheus reads them, whatever their labels hold,
 * and what comes from outside cannot make them grow without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/metrics.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)

static const int64_t bounds[] = {250 * US, 10 * MS, 2500 * MS};

static const struct weir_family_about messages = {.name = "messages_total",
                                                  .help = "Messages, by \\ and\nby \"outcome\".",
                                                  .labels = {"type", "outcome"},
                                                  .series_max = 4};
static const struct weir_family_about backlog = {.name = "backlog", .help = "Waiting."};
static const struct weir_family_about seconds = {.name = "handler_seconds",
                                                 .help = "Handlers.",
                                                 .labels = {"type"},
                                                 .bounds_ns = bounds,
                                                 .bound_count = 3};

static int make(void **state)
{
    *state = weir_metrics_new();
    return *state != NULL ? 0 : -1;
}

static int end(void **state)
{
    weir_metrics_free(*state);
    return 0;
}

static void assert_told(const struct weir_metrics *metrics, const char *expected)
{
    struct weir_text text = {0};
    weir_metrics_write(metrics, &text);
    assert_false(text.failed);
    assert_string_equal(text.at != NULL ? text.at : "", expected);
    weir_text_close(&text);
}

static struct weir_counter *counter(struct weir_family *family, const char *type,
                                    const char *outcome)
{
    return weir_family_counter(family, (const char *const[]){type, outcome});
}

static void counters_are_told_with_their_labels(void **state)
{
    struct weir_family *family = weir_metrics_counters(*state, &messages);
    struct weir_counter *done = counter(family, "PlaceOrder", "done");
    weir_count(done);
    weir_count(done);
    weir_count(counter(family, "PlaceOrder", "retried"));
    assert_ptr_equal(counter(family, "PlaceOrder", "done"), done);
    done->value += UINT64_C(18000000000000000000);
    assert_told(*state, "# HELP messages_total Messages, by \\\\ and\\nby \"outcome\".\n"
                        "# TYPE messages_total counter\n"
                        "messages_total{type=\"PlaceOrder\",outcome=\"done\"} "
                        "18000000000000000002\n"
                        "messages_total{type=\"PlaceOrder\",outcome=\"retried\"} 1\n");
}

static void what_would_join_to_the_same_is_kept_apart(void **state)
{
    struct weir_family *family = weir_metrics_counters(*state, &messages);
    assert_ptr_not_equal(counter(family, "a", "bc"), counter(family, "ab", "c"));
    assert_ptr_not_equal(counter(family, "", "a"), counter(family, "a", ""));
}

static void labels_are_escaped(void **state)
{
    struct weir_family *family = weir_metrics_counters(*state, &messages);
    counter(family, "a\"b\\c\nd\te", "\xc3\xa9");
    counter(family, "bad \xff\xc3", "");
    assert_told(*state, "# HELP messages_total Messages, by \\\\ and\\nby \"outcome\".\n"
                        "# TYPE messages_total counter\n"
                        "messages_total{type=\"a\\\"b\\\\c\\nd?e\",outcome=\"\xc3\xa9\"} 0\n"
                        "messages_total{type=\"bad ??\",outcome=\"\"} 0\n");
}

static void a_gauge_that_is_not_known_is_left_out(void **state)
{
    struct weir_family *family = weir_metrics_gauges(*state, &backlog);
    struct weir_gauge *gauge = weir_family_gauge(family, NULL);
    assert_told(*state, "");
    weir_gauge_set(gauge, 12.5);
    assert_told(*state, "# HELP backlog Waiting.\n# TYPE backlog gauge\nbacklog 12.5\n");
    weir_gauge_set(gauge, 123456789012.);
    assert_told(*state, "# HELP backlog Waiting.\n# TYPE backlog gauge\nbacklog 123456789012\n");
    weir_family_forget(family);
    assert_told(*state, "");
}

static void nor_does_it_show_beside_one_that_is(void **state)
{
    static const struct weir_family_about dead = {
        .name = "dead", .help = "Dead.", .labels = {"service"}};
    struct weir_family *family = weir_metrics_gauges(*state, &dead);
    (void)weir_family_gauge(family, (const char *const[]){"a"});
    weir_gauge_set(weir_family_gauge(family, (const char *const[]){"b"}), 1);
    assert_told(*state, "# HELP dead Dead.\n# TYPE dead gauge\ndead{service=\"b\"} 1\n");
}

static void a_histogram_counts_up_to_and_with_each_bound(void **state)
{
    struct weir_family *family = weir_metrics_histograms(*state, &seconds);
    struct weir_histogram *histogram = weir_family_histogram(family, (const char *const[]){"A"});
    static const int64_t took[] = {0, 250 * US, 250 * US + 1, 10 * MS, 2500 * MS, 3600000 * MS, -5};
    for (size_t i = 0; i < sizeof took / sizeof took[0]; i++)
        weir_observe(histogram, took[i]);
    assert_told(*state, "# HELP handler_seconds Handlers.\n"
                        "# TYPE handler_seconds histogram\n"
                        "handler_seconds_bucket{type=\"A\",le=\"0.00025\"} 3\n"
                        "handler_seconds_bucket{type=\"A\",le=\"0.01\"} 5\n"
                        "handler_seconds_bucket{type=\"A\",le=\"2.5\"} 6\n"
                        "handler_seconds_bucket{type=\"A\",le=\"+Inf\"} 7\n"
                        "handler_seconds_sum{type=\"A\"} 3602.510500001\n"
                        "handler_seconds_count{type=\"A\"} 7\n");
}

/* Four series are allowed, and then "other" for each outcome. */
static void what_comes_from_outside_is_bounded(void **state)
{
    struct weir_family *family = weir_metrics_counters(*state, &messages);
    char type[32];
    struct weir_text text = {0};
    for (int i = 0; i < 10000; i++) {
        snprintf(type, sizeof type, "Type%d", i);
        weir_count(counter(family, type, i % 2 ? "done" : "dead"));
    }
    weir_metrics_write(*state, &text);
    assert_non_null(strstr(text.at, "messages_total{type=\"Type3\",outcome=\"done\"} 1\n"));
    assert_null(strstr(text.at, "Type4\""));
    assert_non_null(strstr(text.at, "messages_total{type=\"other\",outcome=\"done\"} 4998\n"));
    assert_non_null(strstr(text.at, "messages_total{type=\"other\",outcome=\"dead\"} 4998\n"));
    weir_text_close(&text);
    /* Outcomes without end are a mistake of the program, which must not cost memory either. */
    for (int i = 0; i < 10000; i++) {
        snprintf(type, sizeof type, "outcome%d", i);
        weir_count(counter(family, "T", type));
    }
    weir_metrics_write(*state, &text);
    assert_true(text.length < 2000);
    weir_text_close(&text);
}

/* Handles stay where they are while others come. */
static void handles_last(void **state)
{
    static const struct weir_family_about many = {
        .name = "many_total", .help = "Many.", .labels = {"n"}, .series_max = 1000};
    struct weir_family *family = weir_metrics_counters(*state, &many);
    struct weir_counter *handles[1000];
    char n[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(n, sizeof n, "%d", i);
        handles[i] = weir_family_counter(family, (const char *const[]){n});
        handles[i]->value = (uint64_t)i;
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(n, sizeof n, "%d", i);
        assert_ptr_equal(weir_family_counter(family, (const char *const[]){n}), handles[i]);
        assert_int_equal(handles[i]->value, i);
    }
}

static void families_stand_in_their_order(void **state)
{
    struct weir_family *one = weir_metrics_gauges(*state, &backlog);
    struct weir_family *other = weir_metrics_counters(*state, &messages);
    counter(other, "A", "done");
    assert_told(*state, "# HELP messages_total Messages, by \\\\ and\\nby \"outcome\".\n"
                        "# TYPE messages_total counter\n"
                        "messages_total{type=\"A\",outcome=\"done\"} 0\n");
    weir_gauge_set(weir_family_gauge(one, NULL), 0);
    assert_told(*state, "# HELP backlog Waiting.\n# TYPE backlog gauge\nbacklog 0\n"
                        "# HELP messages_total Messages, by \\\\ and\\nby \"outcome\".\n"
                        "# TYPE messages_total counter\n"
                        "messages_total{type=\"A\",outcome=\"done\"} 0\n");
}

#define WITH_METRICS(test) cmocka_unit_test_setup_teardown(test, make, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_METRICS(counters_are_told_with_their_labels),
        WITH_METRICS(what_would_join_to_the_same_is_kept_apart),
        WITH_METRICS(labels_are_escaped),
        WITH_METRICS(a_gauge_that_is_not_known_is_left_out),
        WITH_METRICS(nor_does_it_show_beside_one_that_is),
        WITH_METRICS(a_histogram_counts_up_to_and_with_each_bound),
        WITH_METRICS(what_comes_from_outside_is_bounded),
        WITH_METRICS(handles_last),
        WITH_METRICS(families_stand_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
