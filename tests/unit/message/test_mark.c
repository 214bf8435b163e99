/* What the mark of an id says, and what is no mark. */
#include "message/mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void reads_marks(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum weir_mark_kind kind;
        const char *stream, *entry, *reason;
    } cases[] = {
        {"", WEIR_MARK_NONE, "", "", ""},
        {"1", WEIR_MARK_DONE, "", "", ""},
        {"1 1", WEIR_MARK_NONE, "", "", ""},
        {"11", WEIR_MARK_NONE, "", "", ""},
        {"done", WEIR_MARK_DONE, "", "", ""},
        {"doner", WEIR_MARK_NONE, "", "", ""},
        {" done", WEIR_MARK_NONE, "", "", ""},
        {"done {s}:events 5-0", WEIR_MARK_DONE, "{s}:events", "5-0", ""},
        {"done {s}:events 5-0 disk", WEIR_MARK_DONE, "{s}:events", "5-0", ""},
        {"done - - replicas:2,disk", WEIR_MARK_DONE, "", "", ""},
        {"refused 5-0 no more money", WEIR_MARK_REFUSED, "", "5-0", "no more money"},
        {"refused", WEIR_MARK_REFUSED, "", "", ""},
        {"unknown 5-0 ", WEIR_MARK_UNKNOWN, "", "5-0", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_mark mark = weir_mark_read(weir_slice_of(cases[i].text));
        assert_int_equal(mark.kind, cases[i].kind);
        assert_true(weir_slice_equals(mark.stream, cases[i].stream));
        assert_true(weir_slice_equals(mark.entry, cases[i].entry));
        assert_true(weir_slice_equals(mark.reason, cases[i].reason));
    }
    assert_int_equal(weir_mark_read((struct weir_slice){NULL, 0}).kind, WEIR_MARK_NONE);
}

static void reads_how_durable_it_has_to_be(void **state)
{
    (void)state;
    struct weir_durability need = weir_mark_read(weir_slice_of("done {s}:events 5-0 disk")).need;
    assert_true(need.disk);
    assert_int_equal(need.replicas, 0);
    need = weir_mark_read(weir_slice_of("done - - replicas:2,disk")).need;
    assert_true(need.disk);
    assert_int_equal(need.replicas, 2);
    static const char *const none[] = {"1", "done", "done {s}:events 5-0", "refused 5-0 disk"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(weir_durability_wanted(weir_mark_read(weir_slice_of(none[i])).need));
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    char text[WEIR_MARK_MAX], reason[2 * WEIR_MARK_MAX];
    struct weir_mark mark = {.kind = WEIR_MARK_REFUSED,
                             .entry = weir_slice_of("5-0"),
                             .reason = weir_slice_of("no more money")};
    assert_true(weir_slice_equals(weir_mark_write(&mark, text), "refused 5-0 no more money"));
    mark.kind = WEIR_MARK_UNKNOWN;
    assert_true(weir_slice_equals(weir_mark_write(&mark, text), "unknown 5-0 no more money"));
    memset(reason, 'r', sizeof(reason));
    mark.reason = (struct weir_slice){reason, sizeof(reason)};
    struct weir_slice cut = weir_mark_write(&mark, text);
    assert_int_equal(cut.length, WEIR_MARK_MAX - 1);
    assert_int_equal(weir_mark_read(cut).reason.length, WEIR_MARK_MAX - 1 - strlen("unknown 5-0 "));
}

static void done_bars_always_the_rest_where_wanted(void **state)
{
    (void)state;
    static const char *const marks[] = {
        "done", "1", "done {s}:events 5-0", "refused 1-1", "unknown 1-1 x", "later 1-1", ""};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        assert_int_equal(weir_mark_bars(weir_slice_of(marks[i]), false), i < 3);
        assert_true(weir_mark_bars(weir_slice_of(marks[i]), true));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(done_bars_always_the_rest_where_wanted),
        cmocka_unit_test(reads_marks),
        cmocka_unit_test(reads_how_durable_it_has_to_be),
        cmocka_unit_test(writes_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
