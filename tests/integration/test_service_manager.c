/* What a worker tells the service manager that has started it: ready only with a server, alive
 * while its loop turns whatever the server does, and not when a handler holds the loop up. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/manager.h"
#include "support/ports.h"
#include "support/sagas.h"
#include "support/scrape.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define WATCHDOG_USEC "400000"
#define LET_GO "let-go"

static struct test_server server;

/* ---- The manager ----------------------------------------------------------------------------- */

static int end_managing(void **state)
{
    (void)state;
    test_workers_clear();
    test_manager_end();
    return 0;
}

/* ---- The service ----------------------------------------------------------------------------- */

/* Holds the loop up until it is let go. */
static enum weir_outcome hold(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_note(context, "test.holds", NULL);
    while (access(LET_GO, F_OK) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000L}, NULL);
    return WEIR_DONE;
}

static weir_service *make_service(const char *name)
{
    weir_service *service = test_work_service(name);
    weir_on_command(service, "Hold", hold, NULL);
    return service;
}

/* ---- The tests ------------------------------------------------------------------------------- */

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

static void ready_needs_a_server(void **state)
{
    (void)state;
    static const char *const forms[] = {"/tmp/weir-test-manager", "@weir-test-manager"};
    for (size_t i = 0; i < 2; i++) {
        test_manager_begin(forms[i], WATCHDOG_USEC);
        test_server_stop(&server, SIGTERM);
        struct test_worker one = test_worker_launch(server.url, WORK, "one", NULL);
        AWAIT(test_manager_heard("STATUS=waiting for unix://"));
        int before = test_manager_beats();
        AWAIT(test_manager_beats() >= before + 3); /* that is no reason to end it */
        assert_false(test_manager_heard("READY=1"));
        test_server_restart(&server, 0);
        AWAIT(test_manager_heard("READY=1\n") && test_manager_heard("STATUS=connected to unix://"));
        const char *text = test_manager_text();
        assert_true(strstr(text, "STATUS=waiting") < strstr(text, "READY=1"));
        assert_false(test_manager_heard("STOPPING=1"));
        test_worker_end_well(&one);
        assert_true(test_manager_heard("STOPPING=1\n"));
        assert_null(strstr(strstr(text, "READY=1") + 1, "READY=1"));
        assert_null(strstr(strstr(text, "STOPPING=1") + 1, "STOPPING=1"));
        assert_non_null(strstr(strstr(text, "STOPPING=1"), "STATUS=stopping"));
        end_managing(NULL);
    }
}

/* Frozen, it answers nothing; gone, nobody is there. Neither is the worker's fault. */
static void a_server_that_is_away_ends_nobody(void **state)
{
    (void)state;
    test_manager_begin("@weir-test-manager", WATCHDOG_USEC);
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    AWAIT(test_manager_heard("READY=1"));
    int before = test_manager_beats();
    test_server_freeze(&server);
    AWAIT(test_manager_beats() >= before + 5);
    test_server_thaw(&server);
    test_server_stop(&server, SIGKILL);
    AWAIT(test_manager_heard("STATUS=waiting for unix://"));
    before = test_manager_beats();
    AWAIT(test_manager_beats() >= before + 5);
    test_manager_forget();
    test_server_restart(&server, 0);
    AWAIT(test_manager_heard("STATUS=connected"));
    assert_false(test_manager_heard("READY=1")); /* that is said once */
    test_worker_end_well(&one);
}

/* Each Sentinel that says nothing takes a second, and the next one's turn comes at once. */
static void silent_sentinels_end_nobody(void **state)
{
    (void)state;
    int port, listening = test_listen(&port);
    char url[600] = "redis-sentinel://";
    assert_true(listening >= 0);
    for (int i = 0; i < 30; i++)
        snprintf(url + strlen(url), sizeof(url) - strlen(url), "%s127.0.0.1:%d", i > 0 ? "," : "",
                 port);
    strcat(url, "/shop");
    test_manager_begin("@weir-test-manager", WATCHDOG_USEC);
    struct test_worker one = test_worker_launch(url, WORK, "one", NULL);
    AWAIT(test_manager_heard("STATUS=waiting for redis-sentinel://"));
    int before = test_manager_beats();
    AWAIT(test_manager_beats() >= before + 5);
    assert_int_equal(test_worker_logged(&one, "link.lost"), 0); /* they are still being asked */
    test_worker_end_well(&one);
    close(listening);
}

static void a_loop_that_stands_still_gives_no_sign(void **state)
{
    (void)state;
    unlink(LET_GO);
    test_manager_begin("@weir-test-manager", WATCHDOG_USEC);
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    AWAIT(test_manager_beats() >= 1);
    test_send(&server, WORK, "Hold", "{}");
    test_worker_await_log(&one, "test.holds");
    int before = test_manager_beats();
    for (long long end = test_now() + 1000; test_now() < end; test_pause())
        assert_int_equal(test_manager_beats(), before); /* five would have come meanwhile */
    fclose(fopen(LET_GO, "we"));
    AWAIT(test_manager_beats() > before);
    test_worker_end_well(&one);
}

/* What refuses for good ends the process with the exit code that the units do not restart on. */
static void a_wrong_password_stops_it(void **state)
{
    (void)state;
    char url[TEST_PATH_MAX + 32];
    test_manager_begin("@weir-test-manager", WATCHDOG_USEC);
    snprintf(url, sizeof(url), "unix://nobody:wrong@%s", server.socket);
    struct test_worker one = test_worker_launch(url, WORK, "one", NULL);
    assert_int_equal(test_worker_await_end(&one), 77);
    assert_false(test_manager_heard("READY=1"));
    assert_true(test_manager_heard("STOPPING=1"));
    assert_false(test_manager_heard("wrong"));
}

static void a_coordinator_does_the_same(void **state)
{
    (void)state;
    test_manager_begin("@weir-test-manager", WATCHDOG_USEC);
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    AWAIT(test_manager_heard("READY=1"));
    AWAIT(test_manager_beats() >= 1);
    test_worker_end_well(&coordinator);
    assert_true(test_manager_heard("STOPPING=1"));
}

/* Many services start at once. */
static void a_busy_manager_hears_of_all(void **state)
{
    (void)state;
    test_manager_begin("@weir-test-manager", WATCHDOG_USEC);
    test_manager_overwhelm();
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    AWAIT(test_manager_heard("READY=1\n") && test_manager_heard("STATUS=connected"));
    test_worker_end_well(&one);
}

static void a_busy_manager_hears_of_the_dashboard(void **state)
{
    (void)state;
    struct test_worker board = {.log = "board.log"};
    remove(board.log);
    test_manager_begin("@weir-test-manager", WATCHDOG_USEC);
    test_manager_overwhelm();
    board.pid = test_spawn((const char *const[]){test_program("weir-dashboard"), "--redis",
                                                 server.url, "--listen", "127.0.0.1:0", "--metrics",
                                                 "127.0.0.1:0", NULL},
                           board.log);
    test_worker_remember(&board);
    test_worker_await_log(&board, "dashboard.started");
    AWAIT(test_page_is(&board, "/readyz", 200, "ok\n")); /* it serves: it has tried to say so */
    AWAIT(test_manager_heard("READY=1\n") && test_manager_heard("STATUS=serving") &&
          test_manager_beats() > 0);
    test_manager_overwhelm(); /* nor does that keep it from ending */
    assert_int_equal(test_worker_end(&board, SIGTERM), 0);
}

#define managed(name) cmocka_unit_test_teardown(name, end_managing)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        managed(ready_needs_a_server),        managed(a_server_that_is_away_ends_nobody),
        managed(silent_sentinels_end_nobody), managed(a_loop_that_stands_still_gives_no_sign),
        managed(a_wrong_password_stops_it),   managed(a_coordinator_does_the_same),
        managed(a_busy_manager_hears_of_all), managed(a_busy_manager_hears_of_the_dashboard),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
