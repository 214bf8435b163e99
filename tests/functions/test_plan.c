/* weir_commit_plan: what a plan tells the server, and what plans cost. */
#include "functions.h"

#define PLAN "FCALL weir_commit_plan 3 {s}:commands {s}:good {s}:key s 1-1 1 "

/* What a plan says to look at, it looks at by the same commands. */
static void a_plan_tells_rights_from_types(void **state)
{
    (void)state;
    test_do(&server, "ACL SETUSER default -hget -hlen");
    const char *unread = answer(PLAN "%s f -", "EXPECT 3 2;");
    const char *untold = answer(PLAN "%s f v", "HSET 3 2;");
    test_do(&server, "ACL SETUSER default +@all");
    check_answer(__FILE__, __LINE__, "!NOPERM*", unread);
    check_answer(__FILE__, __LINE__, "1", untold);
    deliver_one(state);
    test_do(&server, "SET {s}:key text");
    expect_untouched("[refused, 3, it is a string, not a hash]", PLAN "%s f -", "EXPECT 3 2;");
    expect_untouched("[refused, 3, it is a string, not a hash]", PLAN "%s f v", "HSET 3 2;");
}

/* What a plan costs grows with its length, not with the numbers in it. */
static void a_plan_of_keys_that_are_not_there_is_malformed(void **state)
{
    (void)state;
    expect_untouched("[refused, 1, malformed plan]", PLAN "%s f v", "HSET 4 2;");
    expect_untouched("[refused, 1, malformed plan]", PLAN "%s f v", "HSET 999999999999999 2;");
    expect_untouched("[refused, 1, malformed plan]", PLAN "%s", "EXISTS 999999999999999 0;");
}

/* As many operations as nobody compares with each other: hashes, and behind them `last`. */
static const char *answer_many(int keys, const char *last)
{
    static struct words words;
    static char names[100][16], plan[2000];
    static const char *const head[] = {"s", "1-1", "1", plan};
    char count[16];
    int length = 0;
    words.count = 0;
    snprintf(count, sizeof count, "%d", keys);
    add_word(&words, "FCALL");
    add_word(&words, "weir_commit_plan");
    add_word(&words, count);
    add_word(&words, "{s}:commands");
    for (int i = 2; i < keys; i++) {
        snprintf(names[i], sizeof names[i], "{s}:%d", i);
        add_word(&words, names[i]);
        length += snprintf(plan + length, sizeof plan - (size_t)length, "HSET %d 2;", i);
    }
    add_word(&words, last);
    snprintf(plan + length, sizeof plan - (size_t)length, "SADD %d 1;", keys);
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        add_word(&words, head[i]);
    for (int i = 2; i < keys; i++) {
        add_word(&words, "f");
        add_word(&words, "v");
    }
    add_word(&words, "m");
    return answer_words(&words);
}

/* One key that is to be a hash and a set. */
static void one_key_of_many_has_one_type(void **state)
{
    static const int counts[] = {4, 32, 33, 34, 90};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        char wanted[64], last[16];
        deliver_one(state);
        snprintf(wanted, sizeof wanted, "[refused, %d, it is a hash, not a set]", counts[i]);
        snprintf(last, sizeof last, "{s}:%d", counts[i] - 1);
        uint64_t before = dataset();
        check_answer(__FILE__, __LINE__, wanted, answer_many(counts[i], last));
        assert_int_equal(dataset(), before);
        check_answer(__FILE__, __LINE__, "1", answer_many(counts[i], "{s}:set"));
        expect("[m]", "SMEMBERS {s}:set");
        expect("v", "HGET {s}:%d f", counts[i] - 1);
    }
}

/* ---- Memory
 * -------------------------------------------------------------------------------------- */

#define KEYS 32 /* as many as are compared, each with each */

/* Hashes and sets, as the bits of `mask` say: each of them is a plan of its own. */
static void send_mask(unsigned mask)
{
    struct words words = {.count = 0};
    char names[KEYS][16], count[16], plan[KEYS * 12];
    int length = 0;
    snprintf(count, sizeof count, "%d", KEYS);
    add_word(&words, "FCALL");
    add_word(&words, "weir_commit_plan");
    add_word(&words, count);
    add_word(&words, "{s}:commands");
    for (int i = 1; i < KEYS; i++) {
        snprintf(names[i], sizeof names[i], "{s}:%d", i);
        add_word(&words, names[i]);
        length += snprintf(plan + length, sizeof plan - (size_t)length, "%s %d 2;",
                           mask >> i & 1 ? "HSET" : "SADD", i + 1);
    }
    add_word(&words, "s");
    add_word(&words, "1-1");
    add_word(&words, "1");
    add_word(&words, plan);
    for (int i = 1; i < KEYS; i++) {
        add_word(&words, "f");
        add_word(&words, "v");
    }
    (void)answer_words(&words);
}

static long long lua_memory(void)
{
    static const char name[] = "used_memory_vm_functions:";
    const char *line = strstr(answer("INFO memory"), name);
    assert_non_null(line);
    return atoll(line + strlen(name));
}

/* Plans without end are not kept without end. */
static void plans_take_little_memory(void **state)
{
    (void)state;
    unsigned mask = 1;
    long long most = 0;
    for (int i = 0; i < 4000; i++) {
        mask = mask * 1664525u + 1013904223u;
        send_mask(mask);
        if (i % 100 == 0) {
            long long used = lua_memory();
            most = used > most ? used : most;
        }
    }
    print_message("Lua took %lld bytes at the most\n", most);
    assert_in_range(most, 1, 8 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_plan_tells_rights_from_types, deliver_one),
        cmocka_unit_test_setup(a_plan_of_keys_that_are_not_there_is_malformed, deliver_one),
        cmocka_unit_test_setup(one_key_of_many_has_one_type, deliver_one),
        cmocka_unit_test_setup(plans_take_little_memory, deliver_one),
    };
    return cmocka_run_group_tests_name("plan", tests, start_functions, stop_functions);
}
