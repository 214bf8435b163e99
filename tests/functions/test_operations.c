/* No write of a commit can fail behind the first one: each type, sums at the edge of 64 bits, and
 * operations of one commit that stand in each other's way. */
#include "functions.h"

#define COMMIT "FCALL weir_commit 3 {s}:commands {s}:good {s}:key s 1-1 1 "

static int deliver(void **state)
{
    empty(state);
    test_do(&server, "XGROUP CREATE {s}:commands s 0 MKSTREAM");
    test_do(&server, "XADD {s}:commands 1-1 type Charge");
    test_do(&server, "XREADGROUP GROUP s worker STREAMS {s}:commands >");
    return 0;
}

static const struct kind {
    const char *name, *make;
} kinds[] = {
    {"string", "SET {s}:key 2"},  {"hash", "HSET {s}:key f 1"},       {"set", "SADD {s}:key m"},
    {"zset", "ZADD {s}:key 1 m"}, {"stream", "XADD {s}:key 1-1 f v"}, {"list", "RPUSH {s}:key f"},
};

static const struct typed {
    const char *operation, *type;
} typed[] = {
    {"HSET 3 2 f v", "hash"},    {"HDEL 3 1 f", "hash"},     {"HINCRBY 3 2 f 1", "hash"},
    {"SADD 3 1 m", "set"},       {"SREM 3 1 m", "set"},      {"ZADD 3 2 1 m", "zset"},
    {"ZREM 3 1 m", "zset"},      {"INCRBY 3 1 1", "string"}, {"SET 3 1 v", "string"},
    {"SET 3 2 v 9", "string"},   {"XADD 3 2 f v", "stream"}, {"SCHEDULE 3 2 1 m", "zset"},
    {"EXPECT 3 2 f =1", "hash"}, {"DEL 3 0", NULL},          {"PEXPIRE 3 1 100000", NULL},
    {"EXISTS 3 1 1", NULL},      {"DONE 3 2 9 e", "string"},
};

#define KINDS (sizeof kinds / sizeof kinds[0])
#define TYPED (sizeof typed / sizeof typed[0])

static void check_type(const struct typed *one, const struct kind *kind)
{
    char line[256], wanted[128];
    uint64_t before;
    const char *given;
    bool fits = one->type == NULL || strcmp(one->type, kind->name) == 0;
    deliver(NULL);
    test_do(&server, kind->make);
    before = dataset();
    snprintf(line, sizeof line, COMMIT "HSET 2 2 before 1 %s HSET 2 2 behind 1", one->operation);
    snprintf(wanted, sizeof wanted, "[refused, 3, it is a %s, not a %s]", kind->name, one->type);
    given = answer(line);
    if (strcmp(given, fits ? "1" : wanted) != 0)
        fail_msg("%s on a %s: %s", one->operation, kind->name, given);
    assert_int_equal(dataset() == before, !fits);
    expect(fits ? "2" : "0", "HLEN {s}:good");
}

static void an_operation_on_another_type_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < TYPED; i++)
        for (size_t kind = 0; kind < KINDS; kind++)
            check_type(&typed[i], &kinds[kind]);
}

/* A key that the commit itself makes has a type from then on, under whatever index. */
static void operations_of_one_commit_agree_on_the_type(void **state)
{
    for (size_t i = 0; i < TYPED; i++)
        for (size_t other = 0; other < TYPED; other++) {
            char line[256];
            if (!typed[i].type || !typed[other].type ||
                strcmp(typed[i].type, typed[other].type) == 0)
                continue;
            deliver(state);
            if (strncmp(typed[i].operation, "EXPECT", 6) == 0)
                test_do(&server, "HSET {s}:key f 1");
            snprintf(line, sizeof line,
                     "FCALL weir_commit 4 {s}:commands {s}:good {s}:key {s}:key s 1-1 1"
                     " HSET 2 2 f v %s %s",
                     typed[i].operation, typed[other].operation);
            *strrchr(line, '3') = '4'; /* the last operation names the key by another index */
            uint64_t before = dataset();
            const char *given = answer(line);
            if (strncmp(given, "[refused, ", 10) != 0 && strncmp(given, "[conflict, ", 11) != 0)
                fail_msg("%s, then %s: %s", typed[i].operation, typed[other].operation, given);
            assert_int_equal(dataset(), before);
        }
}

/* ---- Sums --------------------------------------------------------------------------------- */

static const char *const numbers[] = {
    "0",
    "1",
    "-1",
    "42",
    "9007199254740993",
    "-9007199254740993",
    "9223372036854000000",
    "-9223372036854000000",
    "9223372036850000000",
    "9223372036854769999",
    "9223372036854770000",
    "9223372036854775806",
    "9223372036854775807",
    "-9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775809",
    "9999999999999999999",
    "-9999999999999999999",
    "99999999999999999999",
    "18446744073709551615",
    "18446744073709551616",
    /* no numbers */
    "x",
    " 1",
    "1 ",
    "+1",
    "01",
    "-0",
    "--1",
    "1.0",
    "1e3",
    "0x10",
    "nan",
    "inf",
    "-",
    "1\n",
};

#define NUMBERS (sizeof numbers / sizeof numbers[0])

static bool readable(const char *text, int64_t *number)
{
    return weir_parse_integer(text, strlen(text), number);
}

/* Adds `delta` to `stored` by the operation; it has to be refused or exact. */
static void check_sum(bool hash, const char *stored, const char *delta)
{
    int64_t one = 0, two = 0, sum = 0;
    bool exact =
        readable(stored, &one) && readable(delta, &two) && !__builtin_add_overflow(one, two, &sum);
    bool small = exact && one != INT64_MIN && two != INT64_MIN &&
                 sum > -INT64_C(9223372036850000000) && sum < INT64_C(9223372036850000000);
    const char *given;
    char wanted[32];
    test_do(&server, hash ? "HSET {s}:key f %s" : "SET {s}:key %s", stored);
    test_do(&server, "DEL {s}:good");
    test_do(&server, "XGROUP SETID {s}:commands s 0");
    test_do(&server, "XREADGROUP GROUP s worker STREAMS {s}:commands >");
    uint64_t before = dataset();
    given = answer(hash ? "FCALL weir_commit 3 {s}:commands {s}:good {s}:key s 1-1 0 HSET 2 2 f v"
                          " HINCRBY 3 2 f %s"
                        : "FCALL weir_commit 3 {s}:commands {s}:good {s}:key s 1-1 0 HSET 2 2 f v"
                          " INCRBY 3 1 %s",
                   delta);
    if (strcmp(given, "1") == 0 && exact) {
        snprintf(wanted, sizeof wanted, "%lld", (long long)sum);
        expect(wanted, hash ? "HGET {s}:key f" : "GET {s}:key");
    } else if (strncmp(given, "[refused, 3, ", 13) != 0 || dataset() != before || small) {
        fail_msg("'%s' + '%s' by %s: %s", stored, delta, hash ? "HINCRBY" : "INCRBY", given);
    }
}

static void sums_are_exact_or_refused(void **state)
{
    (void)state;
    for (int hash = 0; hash < 2; hash++)
        for (size_t i = 0; i < NUMBERS; i++) {
            test_do(&server, "DEL {s}:key");
            for (size_t other = 0; other < NUMBERS; other++)
                check_sum(hash, numbers[i], numbers[other]);
        }
}

static void refusals_of_sums_say_why(void **state)
{
    (void)state;
    test_do(&server, "HSET {s}:key balance lots full 9223372036854775807");
    expect_untouched("[refused, 3, field balance is not a whole number]",
                     COMMIT "HINCRBY 3 2 balance 1");
    expect_untouched("[refused, 3, field full would overflow]", COMMIT "HINCRBY 3 2 full 1");
    expect_untouched("[refused, 3, the increment of field none is not a whole number]",
                     COMMIT "HINCRBY 3 2 none x");
    expect_untouched("[refused, 2, the increment of the value is not a whole number]",
                     COMMIT "INCRBY 2 1 x");
}

static void sums_of_one_commit_count_together(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "INCRBY 3 1 5000000000000000000 INCRBY 3 1 5000000000000000000",
        "INCRBY 3 1 -5000000000000000000 INCRBY 3 1 -5000000000000000000",
        "SET 3 1 text INCRBY 3 1 1",
        "SET 3 1 9223372036854775807 INCRBY 3 1 1",
        "SET 3 2 9223372036854775807 1000 INCRBY 3 1 1",
        "HINCRBY 3 2 f 5000000000000000000 HINCRBY 3 2 f 5000000000000000000",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, COMMIT "HSET 2 2 f v %s", refused[i]);
        uint64_t before = dataset();
        const char *given = answer(line);
        if (strncmp(given, "[refused, 3, ", 13) != 0)
            fail_msg("%s: %s", refused[i], given);
        assert_int_equal(dataset(), before);
    }
    expect("1", COMMIT "SET 3 1 40 INCRBY 3 1 1 INCRBY 3 1 1 HINCRBY 2 2 f 1 HINCRBY 2 2 g 2");
    expect("42", "GET {s}:key");
    expect("[f, 1, g, 2]", "HGETALL {s}:good");
}

/* ---- Scores and times ---------------------------------------------------------------------- */

static void scores_and_times_are_whole_numbers_in_range(void **state)
{
    (void)state;
    static const char *const operations[] = {
        "ZADD 3 2 %s m", "SCHEDULE 3 2 %s m", "PEXPIRE 3 1 %s", "PEXPIRE 2 1 %s", "SET 3 2 v %s",
    };
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        for (size_t number = 0; number < NUMBERS; number++) {
            char line[256];
            int64_t value = 0;
            bool fits = readable(numbers[number], &value);
            deliver(state);
            test_do(&server, i == 2 ? "SET {s}:key 1" : "DEL {s}:key");
            snprintf(line, sizeof line, COMMIT "HSET 2 2 f v %s HSET 2 2 g v", operations[i]);
            uint64_t before = dataset();
            const char *given = answer(line, numbers[number]);
            if (strcmp(given, "1") == 0
                    ? !fits
                    : strncmp(given, "[refused, ", 10) != 0 || dataset() != before ||
                          (fits && value > 0 && value < INT64_C(10000000000)))
                fail_msg("%s with '%s': %s", operations[i], numbers[number], given);
        }
}

static void a_life_has_to_be_positive(void **state)
{
    (void)state;
    expect_untouched("[refused, 3, *", COMMIT "HSET 2 2 f v SET 3 2 v 0");
    expect_untouched("[refused, 3, *", COMMIT "HSET 2 2 f v SET 3 2 v -1");
    expect_untouched("[refused, 3, *", COMMIT "HSET 2 2 f v ZADD 3 2 NX m");
    test_do(&server, "SET {s}:key 1");
    expect_untouched("[refused, 3, *", COMMIT "HSET 2 2 f v PEXPIRE 3 1 0");
}

static void behind_a_deletion_all_starts_from_nothing(void **state)
{
    (void)state;
    test_do(&server, "SET {s}:key -9000000000000000000");
    expect_untouched("[refused, 3, *",
                     COMMIT "HSET 2 2 f v DEL 3 0 INCRBY 3 1 9000000000000000000 INCRBY 3 1 "
                            "9000000000000000000");
    expect("1", COMMIT "DEL 3 0 HINCRBY 3 2 n 5 HINCRBY 3 2 n 1");
    expect("6", "HGET {s}:key n");
}

#define EACH(test) cmocka_unit_test_setup(test, deliver)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(an_operation_on_another_type_is_refused),
        EACH(operations_of_one_commit_agree_on_the_type),
        EACH(sums_are_exact_or_refused),
        EACH(refusals_of_sums_say_why),
        EACH(sums_of_one_commit_count_together),
        EACH(scores_and_times_are_whole_numbers_in_range),
        EACH(a_life_has_to_be_positive),
        EACH(behind_a_deletion_all_starts_from_nothing),
    };
    return cmocka_run_group_tests_name("operations", tests, start_functions, stop_functions);
}
