/* weir_rebuild_step: where a key has another type, or a right is missing, nothing is half done. */
#include "read_models.h"

static const char *const phases[] = {"building", "swapping", "sweeping", "comparing",
                                     "looking",  "dropping", "clearing"};
#define PHASES (sizeof phases / sizeof phases[0])

/* A step of that phase that has something to do in each of the keys. */
static void prepare(const char *phase)
{
    static const char *const lines[] = {
        "HSET {v}:row:1 name old",
        "HSET {v}:row:gone name old",
        "SADD {v}:set:1 old",
        "ZADD {v}:rank:1 1 old",
        "SET {v}:sum old",
        "HSET {v}:rebuild:p:row:1 name new",
        "SADD {v}:rebuild:p:set:1 new",
        "ZADD {v}:rebuild:p:rank:1 1 new",
        "SET {v}:rebuild:p:sum new",
        "SADD " WRITTEN " row:1 set:1 rank:1 sum",
        "SADD " DONE " row:seen",
        "RPUSH " DIFFERENCES " row:seen x",
        "HSET " LIVE " a 5-0 b 7-0",
        "HSET " NEW " a 5-0 b 7-0",
        "HSET " STATUS " hold 5 paused 0",
    };
    begin_rebuild(NULL);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        test_do(&server, lines[i]);
    set_phase(phase);
}

static bool check_forbidden(const char *phase, const char *command)
{
    uint64_t before;
    const char *given;
    prepare(phase);
    forbid(command);
    before = dataset();
    given = answer_to_ann(STEP);
    if (given[0] == '!' ? dataset() != before : given[0] != '[')
        fail_msg("%s without %s: %s", phase, command, given);
    return given[0] == '!';
}

static void without_a_right_nothing_is_half_done(void **state)
{
    (void)state;
    int refused = 0;
    for (size_t phase = 0; phase < PHASES; phase++)
        for (size_t i = 0; i < COMMANDS; i++)
            refused += check_forbidden(phases[phase], commands[i]);
    assert_true(refused > 100);
}

/* It is found out while it is built, and not when the live model stands still. */
static void missing_rights_stop_it_before_the_live_model_is_touched(void **state)
{
    (void)state;
    static const char *const needed[] = {
        "rename",      "unlink", "sadd",      "spop",  "del",        "hset",
        "hdel",        "exists", "scard",     "hget",  "smismember", "zmscore",
        "pexpiretime", "rpush",  "sismember", "hscan", "sscan",      "zscan",
    };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        prepare("building");
        forbid(needed[i]);
        uint64_t before = dataset();
        const char *given = answer_to_ann(STEP);
        if (strncmp(given, "!NOPERM", 7) != 0)
            fail_msg("without %s: %s", needed[i], given);
        assert_int_equal(dataset(), before);
        expect_phase("building");
    }
}

static void keys_that_are_forbidden_are_a_missing_right(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "~{v}:projection:* ~{v}:kinds ~{v}:checkpoint:* ~{v}:rebuild*", /* not the live model */
        "~{v}:projection:* ~{v}:kinds ~{v}:checkpoint:* ~{v}:row:*",
        "~{v}:projection:* %R~*",
    };
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        for (size_t phase = 0; phase < PHASES; phase++) {
            char line[256];
            prepare(phases[phase]);
            snprintf(line, sizeof line, "ACL SETUSER ann reset on >hush +@all %s", patterns[i]);
            freeReplyObject(redisCommandArgv(
                server.connection, 7,
                (const char *[]){"ACL", "SETUSER", "ann", "reset", "on", ">hush", "+@all"}, NULL));
            for (char *word = strtok(line + strlen("ACL SETUSER ann reset on >hush +@all "), " ");
                 word != NULL; word = strtok(NULL, " "))
                test_do(&server, "ACL SETUSER ann %s", word);
            freeReplyObject(redisCommand(limited, "AUTH ann hush"));
            uint64_t before = dataset();
            const char *given = answer_to_ann(STEP);
            if (strncmp(given, "!NOPERM", 7) != 0 || dataset() != before)
                fail_msg("%s with %s: %s", phases[phase], patterns[i], given);
        }
}

/* Calls of an operator, of the one who builds, and for the turn. */
static void without_a_right_no_wish_is_half_done(void **state)
{
    (void)state;
    static const char *const calls[] = {
        REBUILD "start r2 rebuild 0",
        REBUILD "pause",
        REBUILD "abandon",
        "FCALL weir_rebuild_note 1 " STATUS " r1 total 7 event %s",
        "FCALL weir_turn 1 " STATUS " one 0 stopped why a 5-0",
    };
    int wrong = 0;
    for (size_t call = 0; call < sizeof calls / sizeof calls[0]; call++)
        for (size_t i = 0; i < COMMANDS; i++) {
            prepare("building");
            test_do(&server, "HSET " STATUS " owner one until 1 event e");
            if (call == 0)
                test_do(&server, "HDEL " STATUS " phase");
            forbid(commands[i]);
            uint64_t before = dataset();
            const char *given = answer_to_ann(calls[call], "");
            if (given[0] == '!' && dataset() != before) {
                print_message("%s without %s: %s\n", calls[call], commands[i], given);
                wrong++;
            }
        }
    assert_int_equal(wrong, 0);
}

/* ---- Types --------------------------------------------------------------------------------- */

static void check_type(const char *phase, const char *key)
{
    uint64_t before;
    const char *given;
    prepare(phase);
    test_do(&server, "DEL %s", key);
    test_do(&server, "SET %s text", key);
    before = dataset();
    given = answer(STEP);
    if (given[0] == '!' ? strncmp(given, "!WRONGTYPE", 10) != 0 || dataset() != before
                        : given[0] != '[')
        fail_msg("%s, %s is a string: %s", phase, key, given);
}

static void another_type_is_found_before_anything_is_written(void **state)
{
    (void)state;
    static const struct {
        const char *phase, *key;
    } cases[] = {
        {"building", STATUS},  {"building", LIVE}, {"building", NEW},     {"swapping", STATUS},
        {"swapping", WRITTEN}, {"sweeping", DONE}, {"sweeping", KINDS},   {"comparing", WRITTEN},
        {"looking", DONE},     {"looking", KINDS}, {"dropping", WRITTEN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_type(cases[i].phase, cases[i].key);
}

static void no_type_of_a_key_leaves_a_step_half_done(void **state)
{
    (void)state;
    static const char *const keys[] = {STATUS, LIVE, NEW, WRITTEN, DONE, DIFFERENCES, KINDS};
    int wrong = 0;
    for (size_t phase = 0; phase < PHASES; phase++)
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            prepare(phases[phase]);
            test_do(&server, "DEL %s", keys[i]);
            test_do(&server, "SET %s text", keys[i]);
            test_do(&server, "HSET {v}:rebuild:p:row:1 name new"); /* differs */
            uint64_t before = dataset();
            const char *given = answer(STEP);
            if (given[0] == '!' && dataset() != before) {
                print_message("%s, %s is a string: %s\n", phases[phase], keys[i], given);
                wrong++;
            }
        }
    assert_int_equal(wrong, 0);
}

/* Of the commands that a step calls the clock is one, too. */
static void without_the_clock_nothing_is_half_done(void **state)
{
    (void)state;
    for (size_t phase = 0; phase < PHASES; phase++)
        (void)check_forbidden(phases[phase], "time");
}

/* What is no matter to a phase does not stop it; and what clears up removes whatever there is. */
static void other_keys_do_not_matter(void **state)
{
    (void)state;
    prepare("dropping");
    test_do(&server, "MSET " LIVE " 1 " NEW " 1 " DONE " 1 " DIFFERENCES " 1 " KINDS " 1");
    expect("[clearing]", STEP);
    test_do(&server, "SET " WRITTEN " 1");
    expect("[]", STEP);
    expect("0", "EXISTS " NEW " " WRITTEN " " DONE);
}

#define EACH(test) cmocka_unit_test_setup(test, begin_rebuild)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(without_a_right_nothing_is_half_done),
        EACH(missing_rights_stop_it_before_the_live_model_is_touched),
        EACH(keys_that_are_forbidden_are_a_missing_right),
        EACH(without_a_right_no_wish_is_half_done),
        EACH(another_type_is_found_before_anything_is_written),
        EACH(no_type_of_a_key_leaves_a_step_half_done),
        EACH(without_the_clock_nothing_is_half_done),
        EACH(other_keys_do_not_matter),
    };
    return cmocka_run_group_tests_name("rebuild rights", tests, start_read_models,
                                       stop_read_models);
}
