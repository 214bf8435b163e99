/* weir_settle_many of runs: a run is cut off the stream's front only where that deletes what XDEL
 * of each would have deleted, and else it is deleted one by one. */
#include "functions.h"

#define STREAM "{s}:commands"
#define SETTLE "FCALL weir_settle_many 1 {s}:commands s "
#define ROUNDS 1000
#define RUNS_MAX 4
#define RUN_MAX 60

static long long cuts_before;

static int start(void **state)
{
    (void)state;
    static const char *const arguments[] = {"--appendonly", "yes", NULL};
    test_server_start(&server, "redis", arguments);
    test_do(&server, "FUNCTION LOAD %s", weir_function_library_source());
    return 0;
}

/* Five messages in the inbox, the first four given out in one answer. */
static int deliver(void **state)
{
    empty(state);
    test_do(&server, "ACL SETUSER default +@all");
    test_do(&server, "XGROUP CREATE {s}:commands s 0 MKSTREAM");
    for (int i = 1; i <= 5; i++)
        test_do(&server, "XADD {s}:commands 1-%d t %d", i, i);
    test_do(&server, "XREADGROUP GROUP s worker COUNT 4 STREAMS {s}:commands >");
    cuts_before = test_calls_of(&server, "xtrim");
    return 0;
}

static long long cuts(void)
{
    return test_calls_of(&server, "xtrim") - cuts_before;
}

#define LEFT "XRANGE {s}:commands - +"

/* ---- What is cut off ----------------------------------------------------------------------- */

static void a_run_at_the_front_goes_in_one_piece(void **state)
{
    (void)state;
    expect("3", SETTLE "run 1-1 1-2 1-3");
    expect("[[1-4, [t, 4]], [1-5, [t, 5]]]", LEFT);
    expect("[1, 1-4, 1-4, [[worker, 1]]]", "XPENDING {s}:commands s");
    expect("[[name, s, consumers, 1, pending, 1, last-delivered-id, 1-4, entries-read, 4, lag, 1]]",
           "XINFO GROUPS {s}:commands");
    assert_int_equal(cuts(), 1);
    expect("1", SETTLE "run 1-4");
    expect("[[1-5, [t, 5]]]", LEFT);
    assert_int_equal(cuts(), 2);
}

static void the_last_run_leaves_an_empty_stream(void **state)
{
    (void)state;
    test_do(&server, "XREADGROUP GROUP s worker STREAMS {s}:commands >");
    expect("5", SETTLE "run 1-1 1-2 1-3 1-4 1-5");
    expect("0", "XLEN {s}:commands");
    expect("[[name, s, consumers, 1, pending, 0, last-delivered-id, 1-5, entries-read, 5, lag, 0]]",
           "XINFO GROUPS {s}:commands");
    test_do(&server, "XADD {s}:commands 1-6 t 6");
    expect("[[name, s, consumers, 1, pending, 0, last-delivered-id, 1-5, entries-read, 5, lag, 1]]",
           "XINFO GROUPS {s}:commands");
    assert_int_equal(cuts(), 1);
}

/* By hand: what is gone cannot be deleted, and what follows is not taken for it. */
static void a_hole_in_the_run_is_none(void **state)
{
    (void)state;
    test_do(&server, "XDEL {s}:commands 1-1 1-2");
    expect("3", SETTLE "run 1-1 1-2 1-3");
    expect("[[1-4, [t, 4]], [1-5, [t, 5]]]", LEFT);
    assert_int_equal(cuts(), 1);
}

/* ---- What is not --------------------------------------------------------------------------- */

static void what_is_older_stays(void **state)
{
    (void)state;
    expect("3", SETTLE "run 1-2 1-3 1-4");
    expect("[[1-1, [t, 1]], [1-5, [t, 5]]]", LEFT);
    expect("[1, 1-1, 1-1, [[worker, 1]]]", "XPENDING {s}:commands s");
    expect("1", SETTLE "run 1-1");
    expect("[[1-5, [t, 5]]]", LEFT);
    assert_int_equal(cuts(), 1);
}

static void what_others_have_finished_ends_the_run(void **state)
{
    (void)state;
    expect("1", "FCALL weir_settle 1 {s}:commands s 1-2 1");
    expect("2", SETTLE "run 1-1 1-2 1-3");
    expect("[[1-4, [t, 4]], [1-5, [t, 5]]]", LEFT);
    expect_untouched("0", SETTLE "run 1-1 1-2 1-3");
    assert_int_equal(cuts(), 0);
}

/* A server that has lost its last seconds has the entry, and has not given it to anybody. */
static void what_was_not_given_out_stays(void **state)
{
    (void)state;
    expect("4", SETTLE "run 1-1 1-2 1-3 1-4 1-5");
    expect("[[1-5, [t, 5]]]", LEFT);
    assert_int_equal(cuts(), 0);
}

/* As README.md says it of an id that was too far ahead: what is sent then stands before the end of
 * the run. */
static void what_came_after_the_ids_were_set_back_stays(void **state)
{
    (void)state;
    test_do(&server, "XADD {s}:commands 9-9 t 9");
    test_do(&server, "XREADGROUP GROUP s worker STREAMS {s}:commands >");
    test_do(&server, "XDEL {s}:commands 9-9");
    test_do(&server, "XSETID {s}:commands 1-5");
    test_do(&server, "XADD {s}:commands 2-1 t 6");
    expect("6", SETTLE "run 1-1 1-2 1-3 1-4 1-5 9-9");
    expect("[[2-1, [t, 6]]]", LEFT);
    assert_int_equal(cuts(), 0);
}

/* The trace of a deleted entry with a greater id stands before them in the server's memory. */
static void what_stands_behind_a_trace_goes(void **state)
{
    (void)state;
    test_do(&server, "XADD {s}:commands 9-9 t 9");
    test_do(&server, "XDEL {s}:commands 9-9");
    test_do(&server, "XSETID {s}:commands 1-5");
    for (int i = 6; i < 9; i++)
        test_do(&server, "XADD {s}:commands 1-%d t %d", i, i);
    test_do(&server, "XREADGROUP GROUP s worker COUNT 3 STREAMS {s}:commands >");
    expect("7", SETTLE "run 1-1 1-2 1-3 1-4 1-5 1-6 1-7");
    expect("[[1-8, [t, 8]]]", LEFT);
}

/* Behind it there is no number that the function could count. */
static void the_greatest_id_is_no_bound(void **state)
{
    (void)state;
    test_do(&server, "XADD {s}:commands 2-18446744073709551615 t 6");
    test_do(&server, "XADD {s}:commands 18446744073709551615-18446744073709551615 t 7");
    test_do(&server, "XREADGROUP GROUP s worker STREAMS {s}:commands >");
    expect("6", SETTLE "run 1-1 1-2 1-3 1-4 1-5 2-18446744073709551615");
    expect("1", "XLEN {s}:commands");
    expect("1", SETTLE "run 18446744073709551615-18446744073709551615");
    expect("0", "XLEN {s}:commands");
    assert_int_equal(cuts(), 0);
}

static void half_an_id_is_no_error(void **state)
{
    (void)state;
    expect("0", SETTLE "run 1 2");
    test_do(&server, "XADD {s}:commands 3-0 t 6");
    test_do(&server, "XADD {s}:commands 3-1 t 7");
    test_do(&server, "XREADGROUP GROUP s worker STREAMS {s}:commands >");
    expect("4", SETTLE "run 1-1 1-2 1-3 1-4");
    assert_int_equal(cuts(), 1);
    expect("2", SETTLE "run 1-5 3");
    expect("1", SETTLE "run 3-1");
    expect("[]", LEFT);
    assert_int_equal(cuts(), 2);
}

static void an_event_stream_is_left_as_it_is(void **state)
{
    (void)state;
    expect("4", SETTLE "0 1-1 1-2 1-3 1-4");
    expect("5", "XLEN {s}:commands");
    assert_int_equal(cuts(), 0);
}

/* ---- Rights -------------------------------------------------------------------------------- */

static void without_the_right_to_cut_each_is_deleted(void **state)
{
    (void)state;
    static const char *const rights[] = {"xtrim", "xrange"};
    for (size_t i = 0; i < 2; i++) {
        deliver(state);
        test_do(&server, "ACL SETUSER default -%s", rights[i]);
        expect("3", SETTLE "run 1-1 1-2 1-3");
        test_do(&server, "ACL SETUSER default +@all");
        expect("[[1-4, [t, 4]], [1-5, [t, 5]]]", LEFT);
        assert_int_equal(cuts(), 0);
    }
}

static void without_the_right_to_delete_nothing_is_written(void **state)
{
    (void)state;
    static const char *const rights[] = {"xack", "xdel", "xinfo"};
    for (size_t i = 0; i < 3; i++) {
        test_do(&server, "ACL SETUSER default -%s", rights[i]);
        expect("!NOPERM*", SETTLE "run 1-1 1-2 1-3");
        test_do(&server, "ACL SETUSER default +@all");
        expect("[4, 1-1, 1-4, [[worker, 4]]]", "XPENDING {s}:commands s");
        expect("5", "XLEN {s}:commands");
    }
}

static void without_memory_it_goes_on(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 1");
    expect("3", SETTLE "run 1-1 1-2 1-3");
    test_do(&server, "CONFIG SET maxmemory 0");
    expect("2", "XLEN {s}:commands");
    assert_int_equal(cuts(), 1);
}

/* ---- Whatever has happened to the stream ----------------------------------------------------- */

struct run {
    char ids[RUN_MAX][32];
    size_t first, count; /* those that are not settled yet */
};

#define DELETE_OLDEST                                                                              \
    "local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]"                        \
    " return oldest and redis.call('XDEL', KEYS[1], oldest[1])"

static struct run runs[RUNS_MAX];
static long long newest;

static unsigned long long chance = 1;

static size_t below(size_t bound)
{
    chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
    return (size_t)(chance >> 33) % bound;
}

static void send_some(void)
{
    for (size_t count = below(70); count > 0; count--) {
        newest++;
        test_do(&server, "XADD {s}:commands %lld-%d t %lld", newest, (int)below(3), newest);
    }
}

static struct run *a_run(void)
{
    return &runs[below(RUNS_MAX)];
}

static void read_some(void)
{
    struct run *run = a_run();
    redisReply *reply;
    if (run->count > 0)
        return;
    reply = test_ask(&server, "XREADGROUP GROUP s w%d COUNT %d STREAMS {s}:commands >",
                     (int)below(3), 1 + (int)below(RUN_MAX));
    if (reply->type == REDIS_REPLY_ARRAY) {
        const redisReply *entries = reply->element[0]->element[1];
        run->first = 0;
        run->count = entries->elements;
        for (size_t i = 0; i < entries->elements; i++)
            weir_copy(run->ids[i], sizeof run->ids[i], entries->element[i]->element[0]->str);
    }
    freeReplyObject(reply);
}

static const char *some_id(void)
{
    const struct run *run = a_run();
    return run->count > 0 ? run->ids[run->first + below(run->count)] : "0-1";
}

/* The newest are deleted, and what is sent next comes in their place. */
static void set_back(void)
{
    redisReply *last = test_ask(&server, "XREVRANGE {s}:commands + - COUNT %d", 2 + (int)below(9));
    if (last->elements > 1) {
        const char *top = last->element[last->elements - 1]->element[0]->str;
        for (size_t i = 0; i + 1 < last->elements; i++)
            test_do(&server, "XDEL {s}:commands %s", last->element[i]->element[0]->str);
        test_do(&server, "XSETID {s}:commands %s", top);
        newest = atoll(top);
        if (below(2) == 0)
            send_some();
    }
    freeReplyObject(last);
}

static char *whole_state(const char *stream)
{
    struct weir_text text = {0};
    weir_text_format(&text, "%s ", answer("XRANGE %s - +", stream));
    weir_text_format(&text, "%s ", answer("XPENDING %s s", stream));
    weir_text_format(&text, "%s ", answer("XPENDING %s audit", stream));
    weir_text_format(&text, "%s ", answer("XINFO GROUPS %s", stream));
    weir_text_format(&text, "%s ", answer("XLEN %s", stream));
    return text.at;
}

static void add_call(struct words *words, const char *stream, const char *how)
{
    const char *const head[] = {"FCALL", "weir_settle_many", "1", stream, "s", how};
    words->count = 0;
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        add_word(words, head[i]);
}

static void it_comes_back_from_the_file(void **state)
{
    (void)state;
    expect("3", SETTLE "run 1-1 1-2 1-3");
    assert_int_equal(cuts(), 1);
    test_server_restart(&server, SIGTERM);
    expect("[[1-4, [t, 4]], [1-5, [t, 5]]]", LEFT);
    expect("[1, 1-4, 1-4, [[worker, 1]]]", "XPENDING {s}:commands s");
}

/* Settles a run, or the first part of one, and the same entries in a copy of the stream one by one.
 */
static void settle_and_compare(size_t round)
{
    static struct words as_run, one_by_one;
    struct run *run = a_run();
    size_t count = run->count == 0 || below(3) > 0 ? run->count : 1 + below(run->count);
    if (count == 0)
        return;
    test_do(&server, "COPY {s}:commands {s}:copy REPLACE");
    add_call(&as_run, STREAM, "run");
    add_call(&one_by_one, "{s}:copy", "1");
    for (size_t i = 0; i < count; i++) {
        add_word(&as_run, run->ids[run->first + i]);
        add_word(&one_by_one, run->ids[run->first + i]);
    }
    run->first += count;
    run->count -= count;
    assert_string_equal(answer_words(&as_run), answer_words(&one_by_one));
    char *state = whole_state(STREAM), *wanted = whole_state("{s}:copy");
    if (strcmp(state, wanted) != 0)
        fail_msg("round %zu: %s instead of %s", round, state, wanted);
    free(state);
    free(wanted);
}

static void it_is_the_same_as_one_by_one(void **state)
{
    (void)state;
    static const char *const groups[] = {"s", "audit"};
    if (getenv("WEIR_TEST_SEED") != NULL)
        chance = strtoull(getenv("WEIR_TEST_SEED"), NULL, 10);
    print_message("seed %llu\n", chance);
    test_do(&server, "CONFIG SET stream-node-max-entries 7");
    test_do(&server, "DEL {s}:commands");
    for (size_t i = 0; i < 2; i++)
        test_do(&server, "XGROUP CREATE {s}:commands %s 0 MKSTREAM", groups[i]);
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t what = below(20);
        if (what < 4)
            send_some();
        else if (what < 8)
            read_some();
        else if (what == 8)
            test_do(&server, "XDEL {s}:commands %s", some_id());
        else if (what == 9 && below(3) == 0)
            test_do(&server, "XACK {s}:commands s %s", some_id());
        else if (what == 9)
            test_do(&server, "FCALL weir_settle 1 {s}:commands s %s 1", some_id());
        else if (what == 10 && below(4) == 0)
            set_back();
        else if (what == 11)
            test_do(&server, "EVAL %s 1 {s}:commands", DELETE_OLDEST);
        else if (what == 12)
            test_do(&server, "XREADGROUP GROUP audit a COUNT 30 STREAMS {s}:commands >");
        else
            settle_and_compare(round);
    }
    test_do(&server, "CONFIG SET stream-node-max-entries 100");
    assert_true(cuts() > ROUNDS / 100);
}

#define EACH(test) cmocka_unit_test_setup(test, deliver)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_run_at_the_front_goes_in_one_piece),
        EACH(the_last_run_leaves_an_empty_stream),
        EACH(a_hole_in_the_run_is_none),
        EACH(it_comes_back_from_the_file),
        EACH(what_is_older_stays),
        EACH(what_others_have_finished_ends_the_run),
        EACH(what_was_not_given_out_stays),
        EACH(what_came_after_the_ids_were_set_back_stays),
        EACH(what_stands_behind_a_trace_goes),
        EACH(the_greatest_id_is_no_bound),
        EACH(half_an_id_is_no_error),
        EACH(an_event_stream_is_left_as_it_is),
        EACH(without_the_right_to_cut_each_is_deleted),
        EACH(without_the_right_to_delete_nothing_is_written),
        EACH(without_memory_it_goes_on),
        EACH(it_is_the_same_as_one_by_one),
    };
    return cmocka_run_group_tests_name("settle_run", tests, start, stop_functions);
}
