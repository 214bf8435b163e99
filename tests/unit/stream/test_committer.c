/* Commits while the server serves none: which of them are taken. */
#include "stream/committer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const keys[] = {"{s}:commands"};
static const char *const head[] = {"s", "1-1", "1"};

static void never_answered(void *user, enum weir_commit_outcome outcome, const char *detail)
{
    (void)user;
    (void)outcome;
    fail_msg("answered: %s", detail);
}

/* One that can never be sent would hold up all behind it. */
static void takes_none_that_has_failed(void **state)
{
    (void)state;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct weir_link link = {.state = WEIR_LINK_CLOSED};
    struct weir_committer committer;
    struct weir_effects effects = {0}, more = {0};
    struct weir_commit commit = {.effects = &effects,
                                 .function = WEIR_COMMIT_PLAN,
                                 .head_keys = keys,
                                 .head_key_count = 1,
                                 .head = head,
                                 .head_count = 3,
                                 .answered = never_answered};
    assert_non_null(loop);
    weir_committer_init(&committer, &link, NULL, loop);
    weir_effects_set(&effects, "{s}:key", "field", weir_slice_of("value"));
    effects.more = &more;
    for (int put_off = 0; put_off < 2; put_off++) {
        weir_rare_error_clear(&more.error);
        assert_int_equal(weir_committer_submit(&committer, &commit), WEIR_OK);
        assert_ptr_equal(committer.first, &commit);
        committer.first = committer.last = NULL;
        weir_rare_error_set(&more.error, WEIR_NO_MEMORY, "no memory");
        assert_int_equal(weir_committer_submit(&committer, &commit), WEIR_NO_MEMORY);
        assert_null(committer.first);
        ev_timer_set(&committer.again, 60., 0.);
        ev_timer_start(loop, &committer.again);
    }
    weir_committer_close(&committer);
    weir_effects_close(&more);
    weir_effects_close(&effects);
    ev_loop_destroy(loop);
}

static void note_stall(void *user, bool stalled)
{
    *(int *)user = stalled;
}

/* Whether it was sent, waits to be sent again, or was only collected: nobody hears of it any more,
 * and the committer is as new. */
static void forgets_what_is_without_an_answer(void **state)
{
    (void)state;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct weir_link link = {.state = WEIR_LINK_CLOSED};
    struct weir_committer committer;
    struct weir_effects effects = {0}, none = {0};
    struct weir_commit commit = {.effects = &effects,
                                 .function = WEIR_COMMIT_PLAN,
                                 .head_keys = keys,
                                 .head_key_count = 1,
                                 .head = head,
                                 .head_count = 3,
                                 .answered = never_answered};
    struct weir_commit settling = commit;
    int stalled = -1;
    assert_non_null(loop);
    weir_committer_init(&committer, &link, NULL, loop);
    committer.user = &stalled;
    committer.stall_changed = note_stall;
    weir_effects_set(&effects, "{s}:key", "field", weir_slice_of("value"));
    settling.effects = &none;
    settling.function = "weir_settle";
    assert_int_equal(weir_committer_submit(&committer, &commit), WEIR_OK);
    assert_int_equal(weir_committer_submit(&committer, &settling), WEIR_OK);
    assert_int_equal(committer.settlement.count, 1);
    committer.stalled = true;
    committer.refusals = 3;
    ev_timer_set(&committer.again, 60., 0.);
    ev_timer_start(loop, &committer.again);
    weir_committer_forget(&committer);
    assert_null(committer.first);
    assert_null(committer.last);
    assert_int_equal(committer.settlement.count, 0);
    assert_int_equal(stalled, 0);
    ev_run(loop, EVRUN_NOWAIT); /* no timer and nothing collected is left */
    assert_false(ev_is_active(&committer.again) || ev_is_active(&committer.settling));
    weir_committer_resume(&committer);
    assert_null(committer.first);
    weir_committer_close(&committer);
    weir_effects_close(&effects);
    ev_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_none_that_has_failed),
        cmocka_unit_test(forgets_what_is_without_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
