/* Bad lines between workers and their server: slow, in slices, with long ways; cut off for one
 * worker and not for another; up and down all the time; and a server that takes no more
 * connections. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/flaky.h"
#include "support/load.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define MANY 12 /* workers */
#define LINKS 2 /* of each */
#define NO_RESCUE "--claim-idle", "300s"

static struct test_server server;
static struct test_flaky line;
static struct test_worker workers[MANY];

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    test_flaky_start(&line, &server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_flaky_stop(&line);
    return 0;
}

static struct test_worker launch(const char *url, size_t number, const char *const *options)
{
    char consumer[16];
    snprintf(consumer, sizeof(consumer), "w%zu", number);
    return test_worker_launch(url, WORK, consumer, options);
}

static void assert_each_once(int count)
{
    test_await_settled(&server, WORK);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), count);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_dead(&server, WORK), 0);
}

/* ---- Slow ---------------------------------------------------------------------------------- */

static long long processor_ms(pid_t pid)
{
    char path[64], stat[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t length = fread(stat, 1, sizeof(stat) - 1, file);
    fclose(file);
    stat[length] = '\0';
    const char *behind_name = strrchr(stat, ')');
    assert_non_null(behind_name);
    assert_int_equal(sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                            &user, &system),
                     2);
    return (long long)(user + system) * 10; /* USER_HZ is 100 */
}

/* Answers come in pieces, late and slowly; nothing is lost by it, and nobody takes it for a loss or
 * spins while waiting. */
static void work_over(const char *first, const char *second, int count)
{
    workers[0] = launch(line.url, 0, OPTIONS(NO_RESCUE));
    test_worker_await_log(&workers[0], "worker.ready");
    test_flaky_say(&line, "%s", first);
    test_flaky_say(&line, "%s", second);
    long long spent = processor_ms(workers[0].pid), began = test_now();
    for (int i = 0; i < count; i++)
        test_send(&server, WORK, "Mark", "{\"n\":\"n%d\"}", i);
    assert_each_once(count);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), 0);
    spent = processor_ms(workers[0].pid) - spent;
    print_message("%s, %s: %lld ms of work in %lld ms\n", first, second, spent, test_now() - began);
    assert_int_equal(test_worker_logged(&workers[0], "link.lost"), 0);
    assert_true(spent < 100 + (test_now() - began) / 2);
    test_flaky_say(&line, "pass");
    test_worker_end_well(&workers[0]);
}

static void a_line_may_slice(void **state)
{
    (void)state;
    work_over("slice 1", "delay 0", 50);
}

static void a_line_may_be_long(void **state)
{
    (void)state;
    work_over("delay 100 100", "slice 7", 30);
}

static void a_line_may_be_slow(void **state)
{
    (void)state;
    work_over("rate 3000", "delay 20", 15);
}

/* ---- One alone is cut off ------------------------------------------------------------------ */

static void another_goes_on_for_one_that_is_cut_off(void **state)
{
    (void)state;
    enum { HELD = 5, MORE = 40 };
    const char *const *quick = OPTIONS("--claim-idle", "600ms", "--log-level", "debug");
    workers[0] = launch(line.url, 0, quick);
    test_worker_await_log(&workers[0], "worker.ready");
    for (int i = 0; i < HELD; i++)
        test_send(&server, WORK, "Defer", "{\"n\":\"h%d\",\"ms\":500}", i);
    AWAIT(test_worker_logged(&workers[0], "test.run") == HELD);
    test_flaky_say(&line, "blackhole");
    workers[1] = launch(server.url, 1, quick);
    for (int i = 0; i < MORE; i++)
        test_send(&server, WORK, "Mark", "{\"n\":\"m%d\"}", i);
    assert_each_once(HELD + MORE);
    /* the read that was blocked has taken one more with it */
    assert_in_range(test_worker_logged(&workers[1], "message.taken_over"), HELD, HELD + 1);
    test_flaky_say(&line, "pass"); /* the late commits come through now */
    AWAIT(test_worker_logged(&workers[0], "message.fenced") == HELD);
    assert_each_once(HELD + MORE);
    assert_int_equal(test_worker_logged(&workers[1], "message.fenced"), 0);
    test_worker_end_well(&workers[0]);
    test_worker_end_well(&workers[1]);
}

/* ---- Up and down --------------------------------------------------------------------------- */

static void launch_many(void)
{
    for (size_t i = 0; i < MANY; i++)
        workers[i] = launch(line.url, i, OPTIONS(NO_RESCUE));
    for (size_t i = 0; i < MANY; i++)
        test_worker_await_log(&workers[i], "worker.ready");
}

static void end_many(void)
{
    for (size_t i = 0; i < MANY; i++) {
        test_worker_end_well(&workers[i]);
        assert_int_equal(test_worker_logged(&workers[i], "message.taken_over"), 0);
    }
}

static void wait_for(long long ms)
{
    for (long long end = test_now() + ms; test_now() < end;)
        test_pause();
}

/* Ten times a second; half of the way back is shut each time. */
static void flapping_loses_nothing(void **state)
{
    (void)state;
    enum { FLAPS = 20, EACH = 100 };
    launch_many();
    for (int i = 0; i < FLAPS; i++) {
        test_flaky_say(&line, i % 2 ? "refuse" : "cut");
        test_send_many(&server, WORK, "Mark", "", i * EACH, EACH, NULL);
        wait_for(50);
        test_flaky_say(&line, "pass");
        wait_for(50);
    }
    assert_each_once(FLAPS * EACH);
    print_message("%lld connections in %d flaps, %lld cut\n", test_flaky_count(&line, "accepted"),
                  FLAPS, test_flaky_count(&line, "cuts"));
    assert_in_range(test_flaky_count(&line, "accepted"), MANY * LINKS + FLAPS,
                    MANY * LINKS * (FLAPS + 1));
    end_many();
}

/* The most attempts that a link may make within the time: its pauses double from 25 ms on, at the
 * least, up to 1 s. */
static long long attempts_within(long long ms)
{
    long long attempts = 1;
    for (long long pause = 25; ms >= pause; pause = pause < 1000 ? pause * 2 : 1000) {
        ms -= pause < 1000 ? pause : 1000;
        attempts++;
    }
    return attempts;
}

static void a_crowd_comes_back_step_by_step(void **state)
{
    (void)state;
    launch_many();
    long long began = test_now();
    test_flaky_say(&line, "refuse");
    wait_for(2500);
    long long refused = test_flaky_count(&line, "refused"), taken = test_now() - began;
    print_message("%lld attempts by %d links in %lld ms\n", refused, MANY * LINKS, taken);
    assert_in_range(refused, MANY * LINKS * 3, MANY * LINKS * attempts_within(taken));
    test_send_many(&server, WORK, "Mark", "", 0, 200, NULL);
    test_flaky_say(&line, "pass");
    assert_each_once(200);
    for (size_t i = 0; i < MANY; i++) /* a line for each change of state, not for each attempt */
        assert_in_range(test_worker_logged(&workers[i], "link.lost"), LINKS, LINKS);
    end_many();
}

/* ---- A full server ------------------------------------------------------------------------- */

static void a_full_server_is_waited_for(void **state)
{
    (void)state;
    enum { ROOM = 6 };
    char *before = NULL;
    redisReply *reply = test_ask(&server, "CONFIG GET maxclients");
    before = strdup(reply->element[1]->str);
    freeReplyObject(reply);
    test_do(&server, "CONFIG SET maxclients %d", 1 + ROOM);
    for (size_t i = 0; i < MANY; i++)
        workers[i] = launch(server.url, i, OPTIONS(NO_RESCUE));
    for (size_t i = 0; i < MANY; i++)
        AWAIT(test_worker_logged(&workers[i], "worker.ready") > 0 ||
              test_worker_logged(&workers[i], "link.lost") > 0);
    assert_true(test_ask_integer(&server, "EVAL %s 0",
                                 "return tonumber(redis.call('INFO', 'stats'):match("
                                 "'rejected_connections:(%d+)'))") > 0);
    test_do(&server, "CONFIG SET maxclients %s", before);
    free(before);
    for (size_t i = 0; i < MANY; i++)
        test_worker_await_log(&workers[i], "worker.ready");
    test_send_many(&server, WORK, "Mark", "", 0, 200, NULL);
    assert_each_once(200);
    end_many();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_line_may_slice),
        CASE(a_line_may_be_long),
        CASE(a_line_may_be_slow),
        CASE(another_goes_on_for_one_that_is_cut_off),
        CASE(flapping_loses_nothing),
        CASE(a_crowd_comes_back_step_by_step),
        CASE(a_full_server_is_waited_for),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
