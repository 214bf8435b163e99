/* Calls of another shape than the functions' headers say: refused before anything is looked at. */
#include "functions.h"

/* Each with one argument or key too few, or with text for a number. */
static const char *const calls[] = {
    "FCALL weir_claim 1 {s}:commands s c 0 0-0 10",
    "FCALL weir_claim 2 {s}:commands {s}:dead s c 0 0-0",
    "FCALL weir_claim 2 {s}:commands {s}:dead s c soon 0-0 10",
    "FCALL weir_recover 2 {s}:commands {s}:dead s c - -1",
    "FCALL weir_refresh 1 {s}:commands s",
    "FCALL weir_commit 0 s 1-1 1",
    "FCALL weir_settle 1 {s}:commands s 1-1",
    "FCALL weir_commit_durable 1 {s}:commands s 1-1",
    "FCALL weir_settle_many 0 s 1 1-1",
    "FCALL weir_settle_many 1 {s}:commands s 1",
    "FCALL weir_promote 2 {s}:scheduled {s}:commands 10",
    "FCALL weir_promote 3 {s}:scheduled {s}:commands {s}:dead all",
    "FCALL weir_beat 1 {s}:workers c { }",
    "FCALL weir_alive 1 {s}:workers c { }",
    "FCALL weir_beat 1 {s}:workers c { } 1e3",
    "FCALL weir_leave 1 {s}:workers s c",
    "FCALL weir_expire 1 {s}:index 0",
    "FCALL weir_expire 1 {s}:index -1 10",
    "FCALL weir_expire_gone 1 {s}:index 0 -inf 10",
    "FCALL weir_expire_gone 1 {s}:index 0 -inf all {s}:",
    "FCALL weir_due_steps 1 {s}:steps x",
    "FCALL weir_forget_steps 2 {s}:steps {s}:a m1 m2",
    "FCALL weir_forget_steps 3 {s}:steps {s}:a {s}:b m1",
    "FCALL weir_turn 1 {v}:projection:p c 1000 running why {s}:events",
    "FCALL weir_turn 1 {v}:projection:p c for-ever running why {s}:events 1-1",
    "FCALL weir_rebuild 7 {v}:projection:p a b c d e f start r rebuild 0",
    "FCALL weir_rebuild_note 0 r",
    "FCALL weir_rebuild_step 8 {v}:projection:p a b c d e f g r p {v}: {v}~ 90071992547409930 1",
    "FCALL weir_retire 2 {s}:events {s}:readers s now 1",
    "FCALL weir_replay 3 {s}:dead {s}:commands {s}:dead:1-1 1-1 t who never type A",
    "FCALL weir_replay 3 {s}:dead {s}:commands {s}:dead:1-1 1-1 t who 1000 type",
    "FCALL weir_drop 2 {s}:dead {s}:dead:1-1 1-1 t who",
    "FCALL weir_witness 0 c",
    "FCALL weir_trim 1 {s}:events 0 10",
    "FCALL weir_project 3 a b c p r h 0 0 0",
};

static void are_refused(void **state)
{
    (void)state;
    test_do(&server, "XADD {s}:commands 1-1 type A");
    test_do(&server, "XGROUP CREATE {s}:commands s 0");
    test_do(&server, "XREADGROUP GROUP s c STREAMS {s}:commands >");
    test_do(&server, "ZADD {s}:steps 1 m1 2 m2");
    test_do(&server, "ZADD {s}:index 1 a");
    test_do(&server, "SET {s}:a 1");
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        print_message("%s\n", calls[i]);
        expect_untouched("!ERR malformed call of weir_*", calls[i]);
    }
}

/* A refresh with one id that is none keeps no other claim before it says so. */
static void a_refresh_is_whole(void **state)
{
    (void)state;
    test_do(&server, "XADD {s}:commands 1-1 type A");
    test_do(&server, "XGROUP CREATE {s}:commands s 0");
    test_do(&server, "XREADGROUP GROUP s c STREAMS {s}:commands >");
    expect_untouched("!ERR Invalid stream ID*", "FCALL weir_refresh 1 {s}:commands s c 1-1 x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(are_refused, empty),
        cmocka_unit_test_setup(a_refresh_is_whole, empty),
    };
    return cmocka_run_group_tests_name("malformed", tests, start_functions, stop_functions);
}
