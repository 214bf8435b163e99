/* weir_rebuild, weir_rebuild_note, and the first steps of weir_rebuild_step: what operators may
 * want when, and when a rebuild is level with the live model. */
#include "read_models.h"

static const char *const phases[] = {"building", "swapping", "sweeping", "comparing",
                                     "looking",  "dropping", "clearing"};
#define PHASES (sizeof phases / sizeof phases[0])

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* ---- What operators want ------------------------------------------------------------------- */

static void refuses_another_type(void **state)
{
    (void)state;
    test_do(&server, "DEL " STATUS);
    test_do(&server, "SET " STATUS " 1");
    expect_untouched("!WRONGTYPE*", REBUILD "start r1 rebuild 0");
    expect_untouched("!WRONGTYPE*", REBUILD "pause");
    expect_untouched("!WRONGTYPE*", REBUILD "abandon");
    expect_untouched("!WRONGTYPE*", "FCALL weir_rebuild_note 1 " STATUS " r1 total 7");
    expect_untouched("!WRONGTYPE*", STEP);
}

static void without_one_there_is_nothing_to_pause(void **state)
{
    empty(state);
    expect_untouched("[refused, nothing is under way]", REBUILD "pause");
    expect_untouched("[refused, nothing is under way]", REBUILD "abandon");
    expect_untouched("[refused, nothing is under way]", REBUILD "frob");
}

static void a_new_one_begins_from_nothing(void **state)
{
    empty(state);
    test_do(&server,
            "HSET " STATUS " owner w until 9 skip s retry r rebuild r0 task verify paused 1"
            " hold 5 event e cursor 7 moved 1 differing 2 outcome done why w endedAt 5"
            " total 8 folded 8");
    test_do(&server, "RPUSH " DIFFERENCES " row:1 x");
    long long before = server_now();
    expect("[started, r1]", REBUILD "start r1 rebuild 1");
    expect("[w, 9, s, r]", "HMGET " STATUS " owner until skip retry");
    expect("[r1, rebuild, building, 0, 1]",
           "HMGET " STATUS " rebuild task phase folded incomplete");
    expect("10", "HLEN " STATUS);
    assert_in_range(atoll(answer("HGET " STATUS " startedAt")), before, server_now());
    expect("0", "EXISTS " DIFFERENCES);
}

static void one_under_way_is_resumed(void **state)
{
    (void)state;
    for (size_t i = 0; i < PHASES; i++) {
        bool over = strcmp(phases[i], "dropping") == 0 || strcmp(phases[i], "clearing") == 0;
        set_phase(phases[i]);
        expect_untouched(over ? "[refused, the one before it is being cleared away*"
                              : "[resumed, r1]",
                         REBUILD "start r2 rebuild 0");
        expect_untouched("[refused, another task is under way; abandon it first]",
                         REBUILD "start r2 verify 0");
    }
}

static void a_paused_one_rests_until_it_is_started_again(void **state)
{
    (void)state;
    test_do(&server, "HSET " STATUS " hold 99");
    expect("[paused, r1]", REBUILD "pause");
    expect("[1, nil]", "HMGET " STATUS " paused hold");
    expect_untouched("[paused, r1]", REBUILD "pause");
    expect_untouched("[building]", STEP);
    expect_untouched("[refused, another *", REBUILD "start r2 verify 0");
    expect("[resumed, r1]", REBUILD "start r2 rebuild 0");
    expect("[nil, building]", "HMGET " STATUS " paused phase");
    expect("[swapping]", STEP);
}

static void it_can_be_given_up_until_keys_are_swapped(void **state)
{
    (void)state;
    for (size_t i = 0; i < PHASES; i++) {
        bool early = is(phases[i], "building"), comparing = is(phases[i], "comparing");
        char wanted[64];
        begin_rebuild(state);
        test_do(&server, "HSET " STATUS " paused 1 hold 99 phase %s", phases[i]);
        snprintf(wanted, sizeof wanted, "[refused, it is past that: %s]", phases[i]);
        if (!early)
            expect_untouched(wanted, REBUILD "pause");
        if (!early && !comparing) {
            expect_untouched(wanted, REBUILD "abandon");
            continue;
        }
        expect_untouched(wanted, REBUILD "frob");
        expect("[abandoned, r1]", REBUILD "abandon");
        expect("[dropping, abandoned, nil, nil]", "HMGET " STATUS " phase outcome paused hold");
    }
}

/* ---- What the one who builds notes --------------------------------------------------------- */

static void notes_are_taken_while_it_is_built(void **state)
{
    (void)state;
    expect_untouched("0", "FCALL weir_rebuild_note 1 " STATUS " r0 total 7");
    expect("1", "FCALL weir_rebuild_note 1 " STATUS " r1 total 7 event %s", "a 5-0 because");
    expect("[7, a 5-0 because]", "HMGET " STATUS " total event");
    expect("1", "FCALL weir_rebuild_note 1 " STATUS " r1 event %s", "");
    expect("[7, nil]", "HMGET " STATUS " total event");
    for (size_t i = 1; i < PHASES; i++) {
        set_phase(phases[i]);
        expect_untouched("0", "FCALL weir_rebuild_note 1 " STATUS " r1 total 8");
    }
    test_do(&server, "HDEL " STATUS " phase");
    expect_untouched("0", "FCALL weir_rebuild_note 1 " STATUS " r1 total 8");
    test_do(&server, "DEL " STATUS);
    expect_untouched("0", "FCALL weir_rebuild_note 1 " STATUS " r1 total 8");
}

static void notes_need_no_memory(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 1");
    expect("1", "FCALL weir_rebuild_note 1 " STATUS " r1 phase dropping outcome failed");
    test_do(&server, "CONFIG SET maxmemory 0");
    expect("[dropping, failed]", "HMGET " STATUS " phase outcome");
}

/* ---- Building ------------------------------------------------------------------------------ */

static void steps_of_another_rebuild_do_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < PHASES; i++) {
        set_phase(phases[i]);
        expect_untouched("[]", STEP_OF("r2", "200"));
    }
    test_do(&server, "HDEL " STATUS " phase");
    expect_untouched("[]", STEP);
    test_do(&server, "DEL " STATUS);
    expect_untouched("[]", STEP);
}

static const struct levels {
    const char *live, *new; /* positions of a and b */
    bool reached, same;
} levels[] = {
    {"", "", true, true},
    {"", "a 5-0", true, false},
    {"a 5-0", "", false, false},
    {"a 5-0", "a 5-0", true, true},
    {"a 5-0", "a 6-0", true, false},
    {"a 6-0", "a 5-0", false, false},
    {"a 10-0", "a 9-0", false, false},
    {"a 9-0", "a 10-0", true, false},
    {"a 5-9", "a 5-10", true, false},
    {"a 5-10", "a 5-9", false, false},
    {"a 6-0", "a 5-9", false, false},
    {"a 5-0 b 7-0", "a 6-0 b 6-0", false, false},
    {"a 5-0 b 7-0", "a 6-0 b 7-0", true, false},
    {"b 7-0", "a 6-0", false, false},
    {"a 5-0 b 7-0", "a 5-0 b 7-0", true, true},
    {"a 5-0 c 9-9", "a 5-0", true, true}, /* c is none of its sources */
    {"a 1700000000000-5", "a 1700000000000-5", true, true},
    {"a 1700000000001-0", "a 1700000000000-5", false, false},
};

static void set_positions(const char *key, const char *positions)
{
    char line[128];
    snprintf(line, sizeof line, "HSET %s %s", key, positions);
    if (positions[0] != '\0')
        test_do(&server, line);
}

/* The live model stands still for the time given, until the rebuild has drawn level. */
static void check_level(const struct levels *one, const char *task, bool level, const char *next)
{
    char wanted[32];
    long long before, hold;
    begin_rebuild(NULL);
    test_do(&server, "HSET " STATUS " hold 7 task %s", task);
    set_positions(LIVE, one->live);
    set_positions(NEW, one->new);
    snprintf(wanted, sizeof wanted, "[%s]", level ? next : "building");
    before = server_now();
    expect(wanted, STEP);
    hold = atoll(answer("HGET " STATUS " hold"));
    if (level ? hold != 0 : hold < before + 60000 || hold > server_now() + 60000)
        fail_msg("%s, live %s, new %s: hold %lld", task, one->live, one->new, hold);
    expect_phase(level ? next : "building");
}

static void it_goes_on_when_it_is_level_with_the_live_model(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        check_level(&levels[i], "rebuild", levels[i].reached, "swapping");
        check_level(&levels[i], "verify", levels[i].same, "comparing");
    }
}

static void positions_that_are_none_stop_it(void **state)
{
    (void)state;
    static const char *const none[] = {"5", "x", "-", "5-", "-5", "5-0-0", "5-x", " 5-0"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        begin_rebuild(state);
        test_do(&server, "HSET " LIVE " a %s", none[i]);
        expect_untouched("!ERR a checkpoint holds what is no id of an entry", STEP);
        test_do(&server, "HSET " LIVE " a 5-0");
        test_do(&server, "HSET " NEW " a %s", none[i]);
        expect_untouched("!ERR*", STEP);
    }
}

#define EACH(test) cmocka_unit_test_setup(test, begin_rebuild)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(refuses_another_type),
        EACH(without_one_there_is_nothing_to_pause),
        EACH(a_new_one_begins_from_nothing),
        EACH(one_under_way_is_resumed),
        EACH(a_paused_one_rests_until_it_is_started_again),
        EACH(it_can_be_given_up_until_keys_are_swapped),
        EACH(notes_are_taken_while_it_is_built),
        EACH(notes_need_no_memory),
        EACH(steps_of_another_rebuild_do_nothing),
        EACH(it_goes_on_when_it_is_level_with_the_live_model),
        EACH(positions_that_are_none_stop_it),
    };
    return cmocka_run_group_tests_name("rebuild", tests, start_read_models, stop_read_models);
}
