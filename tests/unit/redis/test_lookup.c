/* Host names, looked up beside the loop. */
#include "redis/lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct {
    int answers;
    struct weir_address address;
    struct weir_error error;
} seen;

static void on_answer(void *user, const struct weir_address *address,
                      const struct weir_error *error)
{
    ev_break(user, EVBREAK_ALL);
    seen.answers++;
    if (address)
        seen.address = *address;
    seen.error = *error;
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    fail_msg("the lookup has not ended");
}

static void look_up(const char *host)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct weir_lookup lookup;
    struct weir_address address = {.port = 7};
    ev_timer limit;
    memset(&seen, 0, sizeof(seen));
    strcpy(address.host, host);
    weir_lookup_init(&lookup, loop, loop, on_answer);
    ev_timer_init(&limit, on_limit, 60., 0.);
    ev_timer_start(loop, &limit);
    assert_int_equal(weir_lookup_start(&lookup, &address, NULL), WEIR_OK);
    assert_int_equal(seen.answers, 0);
    ev_run(loop, 0);
    assert_int_equal(seen.answers, 1);
    assert_null(lookup.work);
    weir_lookup_cancel(&lookup);
    ev_loop_destroy(loop);
}

static void knows_numbers(void **state)
{
    (void)state;
    assert_true(weir_host_is_number("127.0.0.1"));
    assert_true(weir_host_is_number("::1"));
    assert_false(weir_host_is_number("localhost"));
    assert_false(weir_host_is_number("127.0.0.1.example"));
    assert_false(weir_host_is_number(""));
}

static void finds_a_name(void **state)
{
    (void)state;
    look_up("localhost");
    assert_int_equal(seen.error.status, WEIR_OK);
    assert_string_equal(seen.address.host, "127.0.0.1"); /* before ::1, as hiredis has it */
    assert_int_equal(seen.address.port, 7);
}

static void says_which_name_it_cannot_find(void **state)
{
    (void)state;
    look_up("no..such"); /* no name server has to be asked for a malformed one */
    assert_int_equal(seen.error.status, WEIR_UNAVAILABLE);
    assert_non_null(strstr(seen.error.text, "no..such"));
}

/* At any moment: before the thread has begun, while it works, when its answer waits in the loop. */
static void can_be_cancelled(void **state)
{
    (void)state;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct weir_lookup lookup;
    memset(&seen, 0, sizeof(seen));
    weir_lookup_init(&lookup, loop, loop, on_answer);
    for (volatile unsigned pause = 0; pause < 200000; pause += 2000) {
        assert_int_equal(weir_lookup_start(&lookup, &(struct weir_address){"localhost", 7}, NULL),
                         WEIR_OK);
        for (volatile unsigned i = 0; i < pause; i++)
            continue;
        weir_lookup_cancel(&lookup);
        assert_null(lookup.work);
        ev_run(loop, EVRUN_NOWAIT);
    }
    assert_int_equal(seen.answers, 0);
    ev_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_numbers),
        cmocka_unit_test(finds_a_name),
        cmocka_unit_test(says_which_name_it_cannot_find),
        cmocka_unit_test(can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
