/* weir_settle_many: who is acknowledged, what is deleted with it, and what is refused whole. */
#include "functions.h"

#define SETTLE "FCALL weir_settle_many 1 {s}:commands s "
#define IDS_MAX 512

/* Five messages in the inbox, the first four pending for one worker. */
static int deliver(void **state)
{
    empty(state);
    test_do(&server, "XGROUP CREATE {s}:commands s 0 MKSTREAM");
    for (int i = 1; i <= 5; i++)
        test_do(&server, "XADD {s}:commands 1-%d type Charge", i);
    test_do(&server, "XREADGROUP GROUP s worker COUNT 4 STREAMS {s}:commands >");
    return 0;
}

static const char *left(void)
{
    return answer("XRANGE {s}:commands - +");
}

static void all_of_them_leave_the_inbox(void **state)
{
    (void)state;
    expect("3", SETTLE "1 1-1 1-2 1-4");
    expect("[1, 1-3, 1-3, [[worker, 1]]]", "XPENDING {s}:commands s");
    check_answer(__FILE__, __LINE__, "[[1-3, [type, Charge]], [1-5, [type, Charge]]]", left());
}

static void events_stay(void **state)
{
    (void)state;
    expect("2", SETTLE "0 1-1 1-2");
    expect("[2, 1-3, 1-4, [[worker, 2]]]", "XPENDING {s}:commands s");
    expect("5", "XLEN {s}:commands");
}

/* Where others have been first, what is the caller's is settled all the same. */
static void what_others_have_finished_does_not_count(void **state)
{
    (void)state;
    expect("1", "FCALL weir_settle 1 {s}:commands s 1-2 1");
    expect("2", SETTLE "1 1-1 1-2 1-3");
    expect_untouched("0", SETTLE "1 1-1 1-2 1-3");
    expect("1", SETTLE "1 1-4 1-4");
    check_answer(__FILE__, __LINE__, "[[1-5, [type, Charge]]]", left());
}

/* A server that has lost its last seconds has the entry, and has not given it to anybody. */
static void what_was_not_given_out_stays(void **state)
{
    (void)state;
    expect_untouched("0", SETTLE "1 1-5");
    expect("1", SETTLE "1 1-5 1-4");
    expect("3", SETTLE "1 1-1 1-2 1-3 1-5 2-1");
    check_answer(__FILE__, __LINE__, "[[1-5, [type, Charge]]]", left());
    expect("[[{s}:commands, [[1-5, [type, Charge]]]]]",
           "XREADGROUP GROUP s worker STREAMS {s}:commands >");
}

static void each_group_has_its_own_end(void **state)
{
    (void)state;
    test_do(&server, "XGROUP CREATE {s}:commands ahead $");
    test_do(&server, "XGROUP CREATE {s}:commands zeal $");
    expect("1", SETTLE "1 1-4 1-5");
    expect("4", "XLEN {s}:commands");
}

static void an_unknown_group_or_stream_has_nothing(void **state)
{
    (void)state;
    expect_untouched("0", "FCALL weir_settle_many 1 {s}:commands other 1 1-1");
    expect_untouched("0", "FCALL weir_settle_many 1 {s}:none s 1 1-1");
}

static void one_bad_id_refuses_all(void **state)
{
    (void)state;
    expect_untouched("!ERR Invalid stream ID*", SETTLE "1 1-1 x");
    expect_untouched("!ERR Invalid stream ID*", SETTLE "1 1-1 -");
    expect_untouched("!ERR Invalid stream ID*", SETTLE "0 1-1 (1-2");
}

static void an_id_without_its_second_half_is_no_error(void **state)
{
    (void)state;
    expect("1", SETTLE "1 1-1 1");
    expect("4", "XLEN {s}:commands");
}

static void another_type_is_refused(void **state)
{
    (void)state;
    test_do(&server, "SET {s}:text 1");
    expect_untouched("!WRONGTYPE*", "FCALL weir_settle_many 1 {s}:text s 1 1-1");
}

static void a_missing_right_refuses_all(void **state)
{
    (void)state;
    static const char *const rights[] = {"xack", "xdel", "xinfo"};
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        test_do(&server, "ACL SETUSER default -%s", rights[i]);
        expect("!NOPERM*", SETTLE "1 1-1 1-5");
        test_do(&server, "ACL SETUSER default +@all");
        expect("[4, 1-1, 1-4, [[worker, 4]]]", "XPENDING {s}:commands s");
        expect("5", "XLEN {s}:commands");
    }
}

static void the_number_of_ids_is_bounded(void **state)
{
    (void)state;
    static struct words words;
    static char ids[IDS_MAX + 1][16];
    static const char *const head[] = {"FCALL", "weir_settle_many", "1", "{s}:commands", "s", "1"};
    for (int i = 0; i <= IDS_MAX; i++) {
        snprintf(ids[i], sizeof ids[i], "2-%d", i);
        test_do(&server, "XADD {s}:commands %s type Charge", ids[i]);
    }
    test_do(&server, "XREADGROUP GROUP s worker STREAMS {s}:commands >");
    for (int count = IDS_MAX + 1; count >= IDS_MAX; count--) {
        words.count = 0;
        for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
            add_word(&words, head[i]);
        for (int i = 0; i < count; i++)
            add_word(&words, ids[i]);
        check_answer(__FILE__, __LINE__,
                     count > IDS_MAX ? "!ERR malformed call of weir_settle_many*" : "512",
                     answer_words(&words));
        expect(count > IDS_MAX ? "518" : "6", "XLEN {s}:commands");
    }
}

static void without_memory_it_goes_on(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET maxmemory 1");
    expect("2", SETTLE "1 1-1 1-2");
    test_do(&server, "CONFIG SET maxmemory 0");
    expect("3", "XLEN {s}:commands");
}

#define EACH(test) cmocka_unit_test_setup(test, deliver)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(all_of_them_leave_the_inbox),
        EACH(events_stay),
        EACH(what_others_have_finished_does_not_count),
        EACH(what_was_not_given_out_stays),
        EACH(each_group_has_its_own_end),
        EACH(an_unknown_group_or_stream_has_nothing),
        EACH(one_bad_id_refuses_all),
        EACH(an_id_without_its_second_half_is_no_error),
        EACH(another_type_is_refused),
        EACH(a_missing_right_refuses_all),
        EACH(the_number_of_ids_is_bounded),
        EACH(without_memory_it_goes_on),
    };
    return cmocka_run_group_tests_name("settle_many", tests, start_functions, stop_functions);
}
