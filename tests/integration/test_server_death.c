/* A server with an append-only file that is killed and started again: with `appendfsync always`,
 * all that it has acknowledged takes effect exactly once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define DEATHS 6
#define EACH 1000
#define QUICK "--claim-idle", "300ms", "--retry-base", "10ms"

static const char *const durable[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
/* Loading takes a while, and the server says so meanwhile. */
static const char *const slow[] = {"--appendonly",
                                   "yes",
                                   "--appendfsync",
                                   "always",
                                   "--key-load-delay",
                                   "100",
                                   "--loading-process-events-interval-bytes",
                                   "1024",
                                   NULL};
static struct test_server server;

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", durable);
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
    return 0;
}

/* A process that kills the server in a moment. */
static pid_t kill_soon(unsigned ms)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (long long end = test_now() + ms; test_now() < end;)
        test_pause();
    kill(server.pid, SIGKILL);
    _exit(0);
}

static void assert_acknowledged_once(const char *acknowledged, int count)
{
    char n[16];
    for (int i = 0; i < count; i++) {
        snprintf(n, sizeof(n), "n%d", i);
        long long marks = test_number(&server, "{work}:marks", n);
        if (marks > 1 || (acknowledged[i] && marks != 1))
            fail_msg("message %d, %s, has taken effect %lld times", i,
                     acknowledged[i] ? "acknowledged" : "not acknowledged", marks);
    }
}

static void survives_the_death_of_the_server(void **state)
{
    (void)state;
    static char acknowledged[DEATHS * EACH];
    struct test_worker one = test_worker_start(&server, WORK, "one", OPTIONS(QUICK));
    struct test_worker two = test_worker_start(&server, WORK, "two", OPTIONS(QUICK));
    int done = 0;
    for (int i = 0; i < DEATHS; i++) {
        pid_t killer = kill_soon(2 + test_random(40));
        done += test_send_many(&server, WORK, "Mark", "", i * EACH, EACH, acknowledged);
        assert_int_equal(waitpid(killer, NULL, 0), killer);
        test_server_restart(&server, SIGKILL);
    }
    test_await_settled(&server, WORK);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_acknowledged_once(acknowledged, DEATHS * EACH);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"),
                     test_ask_integer(&server, "XLEN {work}:events"));
    printf("%d of %d acknowledged\n", done, DEATHS * EACH);
    test_worker_end_well(&one);
    test_worker_end_well(&two);
}

static void waits_while_the_server_is_loading(void **state)
{
    (void)state;
    struct test_worker one = test_worker_start(&server, WORK, "one", OPTIONS(QUICK));
    test_send_many(&server, WORK, "Defer", ",\"ms\":100", 0, 1000, NULL);
    AWAIT(test_ask_integer(&server, "HLEN {work}:marks") > 200);
    server.arguments = slow;
    test_server_restart(&server, SIGKILL);
    server.arguments = durable;
    test_do(&server, "CONFIG SET key-load-delay 0");
    test_await_settled(&server, WORK);
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 1000);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_true(test_worker_logged(&one, "LOADING") + test_worker_logged(&one, "link.lost") > 0);
    test_worker_end_well(&one);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(waits_while_the_server_is_loading),
        CASE(survives_the_death_of_the_server),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
