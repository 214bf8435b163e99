/* How a need for durability is written down, and what is none. */
#include "message/durability.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void writes_and_reads(void **state)
{
    (void)state;
    static const struct {
        struct weir_durability need;
        const char *text, *words;
    } cases[] = {
        {{0, false}, "", "nothing"},
        {{1, false}, "replicas:1", "1 replica"},
        {{2, false}, "replicas:2", "2 replicas"},
        {{WEIR_REPLICAS_MAX, true}, "replicas:100,disk", "100 replicas and the disk"},
        {{0, true}, "disk", "the disk"},
        {{1, true}, "replicas:1,disk", "1 replica and the disk"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[WEIR_DURABILITY_TEXT_MAX];
        struct weir_durability read = {77, true};
        assert_string_equal(weir_durability_write(cases[i].need, text), cases[i].text);
        assert_true(weir_durability_read(weir_slice_of(text), &read));
        assert_int_equal(read.replicas, cases[i].need.replicas);
        assert_int_equal(read.disk, cases[i].need.disk);
        assert_string_equal(weir_durability_describe(cases[i].need, text), cases[i].words);
        assert_int_equal(weir_durability_wanted(cases[i].need), i > 0);
    }
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "none",
        "disk ",
        "Disk",
        "disk,replicas:1",
        "replicas:",
        "replicas:0",
        "replicas:101",
        "replicas:-1",
        "replicas:1,",
        "replicas:1,disc",
        "replicas: 1",
        "replicas:1,disk,",
        "replicas:01",
        "replicas",
        "replica:1",
        ",disk",
        ",",
        " ",
        "1",
        "replicas:1 disk",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_durability read = {77, true};
        if (weir_durability_read(weir_slice_of(cases[i]), &read))
            fail_msg("\"%s\" was taken for a need", cases[i]);
        assert_int_equal(read.replicas, 0);
        assert_false(read.disk);
    }
}

static void stronger_satisfies_both(void **state)
{
    (void)state;
    struct weir_durability both = weir_durability_stronger((struct weir_durability){2, false},
                                                           (struct weir_durability){1, true});
    assert_int_equal(both.replicas, 2);
    assert_true(both.disk);
    both = weir_durability_stronger((struct weir_durability){0, true},
                                    (struct weir_durability){3, false});
    assert_int_equal(both.replicas, 3);
    assert_true(both.disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(stronger_satisfies_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
