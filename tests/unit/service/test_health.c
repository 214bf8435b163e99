/* Whether a worker is alive and ready, in every state that it may be in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "service/health.h"
#include "service/worker_state.h"

#define LONG_MS 31000

static struct weir_endpoint endpoint = {.shown = "unix:///x"};
static struct weir_worker *worker;
static char why[256];

/* One that has run for an hour and reads. */
static int set_up(void **state)
{
    int64_t now = weir_clock_monotonic_ms();
    (void)state;
    worker = calloc(1, sizeof *worker);
    assert_non_null(worker);
    worker->runtime.endpoint = &endpoint;
    worker->begun_at = now - 3600000;
    worker->link.state = worker->reader.link.state = WEIR_LINK_READY;
    worker->link.heard_at = worker->reader.link.heard_at = worker->reader.read_at = now;
    worker->library_ready = worker->reader.groups_ready = worker->reader.reading = true;
    why[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(worker);
    return 0;
}

/* The sentence begins so, and goes on with the given time and what the test has taken. */
static void assert_says(const char *head, long seconds)
{
    assert_memory_equal(why, head, strlen(head));
    assert_in_range(strtol(why + strlen(head), NULL, 10), seconds, seconds + 60);
}

static void one_that_reads_is_well(void **state)
{
    (void)state;
    assert_true(weir_health_alive(worker, why, sizeof why));
    assert_true(weir_health_ready(worker, why, sizeof why));
}

static void one_that_hears_nothing_is_not_alive(void **state)
{
    (void)state;
    worker->link.heard_at -= LONG_MS;
    assert_true(weir_health_alive(worker, why, sizeof why)); /* by the other connection */
    worker->reader.link.heard_at -= LONG_MS;
    strcpy(worker->lost_why, "gone");
    assert_false(weir_health_alive(worker, why, sizeof why));
    assert_says("nothing has been heard of unix:///x for ", 31);
    assert_non_null(strstr(why, " s: gone"));
    worker->begun_at = weir_clock_monotonic_ms(); /* it has had no time yet */
    assert_true(weir_health_alive(worker, why, sizeof why));
}

static void one_that_does_not_read_is_not_alive(void **state)
{
    (void)state;
    worker->reader.read_at -= LONG_MS;
    assert_true(weir_health_alive(worker, why, sizeof why)); /* a read is under way */
    worker->reader.reading = false;
    assert_false(weir_health_alive(worker, why, sizeof why));
    assert_says("nothing has been read for ", 31);
    worker->reader.read_at = worker->begun_at - 1; /* never; 0 may be later on a young machine */
    assert_false(weir_health_alive(worker, why, sizeof why));
    assert_says("nothing has been read for ", 3600);
}

/* Nothing is read then, on purpose; to start it anew would change nothing. */
static void a_server_that_takes_no_commits_is_waited_for(void **state)
{
    (void)state;
    worker->reader.read_at -= LONG_MS;
    worker->reader.reading = false;
    worker->committer.stalled = true;
    assert_true(weir_health_alive(worker, why, sizeof why));
    assert_false(weir_health_ready(worker, why, sizeof why));
    assert_string_equal(why, "unix:///x takes no commits now");
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    worker->reader.groups_ready = false;
    assert_false(weir_health_ready(worker, why, sizeof why));
    assert_string_equal(why, "the consumer groups are not on unix:///x");
    worker->library_ready = false;
    assert_false(weir_health_ready(worker, why, sizeof why));
    assert_string_equal(why, "the function library is not on unix:///x");
    worker->apart = true;
    assert_false(weir_health_ready(worker, why, sizeof why));
    assert_string_equal(why, "the Sentinels of unix:///x name different masters");
    worker->reader.link.state = WEIR_LINK_WAITING;
    assert_false(weir_health_ready(worker, why, sizeof why));
    assert_string_equal(why, "no connection to unix:///x");
    worker->stopping = true;
    assert_false(weir_health_ready(worker, why, sizeof why));
    assert_non_null(strstr(why, "stopping"));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_reads_is_well),
        TEST(one_that_hears_nothing_is_not_alive),
        TEST(one_that_does_not_read_is_not_alive),
        TEST(a_server_that_takes_no_commits_is_waited_for),
        TEST(what_is_missing_is_said),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
