/* What a worker tells the service manager that has started it: ready only with a server, alive
 * while its loop turns whatever the server does, and not when a handler holds the loop up. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/ports.h"
#include "support/sagas.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define WATCHDOG_USEC "400000"
#define LET_GO "let-go"

static struct test_server server;

/* ---- The manager ----------------------------------------------------------------------------- */

static int manager = -1;
static char text[8192]; /* all that it has heard of the process so far, each message on a line */

/* `form` is a path, or begins with '@'. */
static void begin_to_manage(const char *form)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[100];
    size_t length = (size_t)snprintf(name, sizeof name, "%s.%ld", form, (long)getpid());
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    else
        unlink(name);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(manager >= 0);
    assert_int_equal(
        bind(manager, (const struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/'))),
        0);
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", WATCHDOG_USEC, 1);
    text[0] = '\0';
}

static int end_managing(void **state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    (void)state;
    test_workers_clear();
    if (manager >= 0)
        close(manager);
    manager = -1;
    if (name != NULL && name[0] == '/')
        unlink(name);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    return 0;
}

/* Takes what has come. Signs of life are counted only, as there are many. */
static int beats;
static void listen_to_all(void)
{
    char message[1024];
    ssize_t length;
    while ((length = recv(manager, message, sizeof message - 1, 0)) > 0) {
        message[length] = '\0';
        if (strcmp(message, "WATCHDOG=1") == 0)
            beats++;
        else if (strlen(text) + (size_t)length + 2 < sizeof text)
            strcat(strcat(text, message), "\n");
    }
}

static bool has_said(const char *what)
{
    listen_to_all();
    return strstr(text, what) != NULL;
}

static int beats_so_far(void)
{
    listen_to_all();
    return beats;
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
        begin_to_manage(forms[i]);
        test_server_stop(&server, SIGTERM);
        struct test_worker one = test_worker_launch(server.url, WORK, "one", NULL);
        AWAIT(has_said("STATUS=waiting for unix://"));
        int before = beats_so_far();
        AWAIT(beats_so_far() >= before + 3); /* that is no reason to end it */
        assert_false(has_said("READY=1"));
        test_server_restart(&server, 0);
        AWAIT(has_said("READY=1\n") && has_said("STATUS=connected to unix://"));
        assert_true(strstr(text, "STATUS=waiting") < strstr(text, "READY=1"));
        assert_false(has_said("STOPPING=1"));
        test_worker_end_well(&one);
        assert_true(has_said("STOPPING=1\n"));
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
    begin_to_manage("@weir-test-manager");
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    AWAIT(has_said("READY=1"));
    int before = beats_so_far();
    test_server_freeze(&server);
    AWAIT(beats_so_far() >= before + 5);
    test_server_thaw(&server);
    test_server_stop(&server, SIGKILL);
    AWAIT(has_said("STATUS=waiting for unix://"));
    before = beats_so_far();
    AWAIT(beats_so_far() >= before + 5);
    text[0] = '\0';
    test_server_restart(&server, 0);
    AWAIT(has_said("STATUS=connected"));
    assert_false(has_said("READY=1")); /* that is said once */
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
    begin_to_manage("@weir-test-manager");
    struct test_worker one = test_worker_launch(url, WORK, "one", NULL);
    AWAIT(has_said("STATUS=waiting for redis-sentinel://"));
    int before = beats_so_far();
    AWAIT(beats_so_far() >= before + 5);
    assert_int_equal(test_worker_logged(&one, "link.lost"), 0); /* they are still being asked */
    test_worker_end_well(&one);
    close(listening);
}

static void a_loop_that_stands_still_gives_no_sign(void **state)
{
    (void)state;
    unlink(LET_GO);
    begin_to_manage("@weir-test-manager");
    struct test_worker one = test_worker_start(&server, WORK, "one", NULL);
    AWAIT(beats_so_far() >= 1);
    test_send(&server, WORK, "Hold", "{}");
    test_worker_await_log(&one, "test.holds");
    int before = beats_so_far();
    for (long long end = test_now() + 1000; test_now() < end; test_pause())
        assert_int_equal(beats_so_far(), before); /* five would have come meanwhile */
    fclose(fopen(LET_GO, "we"));
    AWAIT(beats_so_far() > before);
    test_worker_end_well(&one);
}

/* What refuses for good ends the process with the exit code that the units do not restart on. */
static void a_wrong_password_stops_it(void **state)
{
    (void)state;
    char url[TEST_PATH_MAX + 32];
    begin_to_manage("@weir-test-manager");
    snprintf(url, sizeof(url), "unix://nobody:wrong@%s", server.socket);
    struct test_worker one = test_worker_launch(url, WORK, "one", NULL);
    assert_int_equal(test_worker_await_end(&one), 77);
    assert_false(has_said("READY=1"));
    assert_true(has_said("STOPPING=1"));
    assert_false(has_said("wrong"));
}

static void a_coordinator_does_the_same(void **state)
{
    (void)state;
    begin_to_manage("@weir-test-manager");
    struct test_worker coordinator = test_coordinator_start(&server, "c0", NULL);
    AWAIT(has_said("READY=1"));
    AWAIT(beats_so_far() >= 1);
    test_worker_end_well(&coordinator);
    assert_true(has_said("STOPPING=1"));
}

#define managed(name) cmocka_unit_test_teardown(name, end_managing)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        managed(ready_needs_a_server),        managed(a_server_that_is_away_ends_nobody),
        managed(silent_sentinels_end_nobody), managed(a_loop_that_stands_still_gives_no_sign),
        managed(a_wrong_password_stops_it),   managed(a_coordinator_does_the_same),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make_service);
    return cmocka_run_group_tests(tests, start, stop);
}
