/* Resources that run short: descriptors, connections, the log's sink, processor, stack, address
 * space, and a name that two processes share. A worker goes on, or ends, and every effect is there
 * once in the end. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/load.h"
#include "support/work_service.h"
#include "support/worker.h"

#define WORK "work"
#define WORDS_MAX 24

static struct test_server server;

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

static int empty(void **state)
{
    (void)state;
    test_workers_clear();
    test_do(&server, "CONFIG SET maxclients 1000");
    test_do(&server, "FLUSHALL");
    return 0;
}

/* A worker behind a few words of the shell: limits, redirections. */
static struct test_worker launch_behind(const char *words, const char *consumer)
{
    static char own[TEST_PATH_MAX];
    static unsigned started;
    struct test_worker worker;
    char script[256];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    assert_true(length > 0);
    own[length] = '\0';
    snprintf(script, sizeof script, "%s exec \"$@\" %s", words[0] == 'u' ? words : "",
             words[0] == 'u' ? "" : words);
    const char *arguments[] = {"sh",     "-c",           script,    "sh",       own,
                               "serve",  WORK,           "--redis", server.url, "--consumer",
                               consumer, "--claim-idle", "5s",      NULL};
    snprintf(worker.consumer, sizeof worker.consumer, "%s", consumer);
    snprintf(worker.log, sizeof worker.log, "%s.shell%u.log", consumer, ++started);
    worker.pid = test_spawn(arguments, worker.log);
    test_worker_remember(&worker);
    return worker;
}

static void send_marks(int from, int count)
{
    for (int i = from; i < from + count; i++)
        test_send(&server, WORK, "Mark", "{\"n\":\"n%d\"}", i);
}

static void expect_once(int count)
{
    char n[16];
    test_await_settled(&server, WORK);
    for (int i = 0; i < count; i++) {
        snprintf(n, sizeof n, "n%d", i);
        assert_int_equal(test_number(&server, "{work}:marks", n), 1);
    }
    assert_int_equal(test_dead(&server, WORK), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), count);
}

/* ---- Descriptors and connections ----------------------------------------------------------- */

/* The number behind the last "after=" of link.ready: failures in a row before it. */
static int failures_before_ready(const struct test_worker *worker)
{
    char line[1024];
    int failures = 0;
    FILE *file = fopen(worker->log, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        const char *at = strstr(line, "link.ready") ? strstr(line, "after=") : NULL;
        if (at != NULL && atoi(at + 6) > failures)
            failures = atoi(at + 6);
    }
    fclose(file);
    return failures;
}

static void take_descriptors(const struct test_worker *worker)
{
    struct rlimit limit = {3, 1024};
    assert_int_equal(prlimit(worker->pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

static void give_descriptors(const struct test_worker *worker)
{
    struct rlimit limit = {1024, 1024};
    assert_int_equal(prlimit(worker->pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

static void take_connections(const struct test_worker *worker)
{
    (void)worker;
    test_do(&server, "CONFIG SET maxclients 1");
}

static void give_connections(const struct test_worker *worker)
{
    (void)worker;
    test_do(&server, "CONFIG SET maxclients 1000");
}

typedef void change(const struct test_worker *worker);

/* Its connections are cut while it can make no new ones. It is let try until the log shows that it
 * has tried more than once in vain. */
static void cannot_connect(change *take, change *give)
{
    struct test_worker worker = test_worker_start(&server, WORK, "one", NULL);
    int sent = 0;
    for (int round = 0; round < 40 && failures_before_ready(&worker) < 2; round++) {
        int ready = test_worker_logged(&worker, "link.ready");
        take(&worker);
        test_do(&server, "CLIENT KILL TYPE normal");
        send_marks(sent++, 1);
        for (long long end = test_now() + 200; test_now() < end;)
            test_pause();
        give(&worker);
        AWAIT(test_worker_logged(&worker, "link.ready") > ready);
    }
    assert_true(failures_before_ready(&worker) >= 2);
    send_marks(sent++, 1);
    expect_once(sent);
    test_worker_end_well(&worker);
}

static void without_descriptors(void **state)
{
    (void)state;
    cannot_connect(take_descriptors, give_descriptors);
}

static void without_room_at_the_server(void **state)
{
    (void)state;
    cannot_connect(take_connections, give_connections);
}

/* No more is taken than may be in hand, however much waits. */
static void a_backlog_stays_at_the_server(void **state)
{
    struct test_worker worker;
    long long most = 0;
    (void)state;
    for (int i = 0; i < 60; i++)
        test_send(&server, WORK, "Defer", "{\"n\":\"n%d\",\"ms\":20}", i);
    worker = test_worker_start(&server, WORK, "one", OPTIONS("--concurrency", "4"));
    for (long long end = test_now() + 30000; test_backlog(&server, WORK) > 0; test_pause()) {
        long long pending = test_pending(&server, WORK);
        most = pending > most ? pending : most;
        assert_true(test_now() < end);
    }
    assert_in_range(most, 1, 4);
    test_await_settled(&server, WORK);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 60);
    test_worker_end_well(&worker);
}

/* ---- The log's sink ------------------------------------------------------------------------ */

static void log_to(const char *redirection)
{
    struct test_worker worker = launch_behind(redirection, "one");
    send_marks(0, 20);
    expect_once(20);
    test_do(&server, "CLIENT KILL TYPE normal");
    send_marks(20, 20);
    expect_once(40);
    assert_int_equal(test_worker_end(&worker, SIGTERM), 0);
}

static void a_full_disk_under_the_log(void **state)
{
    (void)state;
    log_to("2>/dev/full");
}

/* Else the first connection takes its number, and lines of the log go to the server. */
static void a_closed_log(void **state)
{
    (void)state;
    log_to("2>&-");
}

static void no_stream_at_all(void **state)
{
    (void)state;
    log_to("0<&- 1>&- 2>&-");
}

static void a_log_that_nobody_reads_any_more(void **state)
{
    struct test_worker worker;
    int reader;
    (void)state;
    unlink("fifo");
    assert_int_equal(mkfifo("fifo", 0600), 0);
    reader = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    worker = launch_behind("2>fifo", "one");
    send_marks(0, 1);
    expect_once(1);
    close(reader);
    test_do(&server, "CLIENT KILL TYPE normal");
    send_marks(1, 20);
    expect_once(21);
    assert_int_equal(test_worker_end(&worker, SIGTERM), 0);
}

static void a_command_line_without_output(void **state)
{
    char line[3 * TEST_PATH_MAX];
    (void)state;
    snprintf(line, sizeof line, "%s sagas --redis %s 0<&- 1>&-", test_program("weir"), server.url);
    struct test_run run = test_run((const char *[]){"sh", "-c", line, NULL}, NULL, 10000);
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.error, "cannot write the output"));
    test_run_close(&run);
}

/* ---- Processor, stack, address space ------------------------------------------------------- */

/* It runs for 5 ms out of 100: it holds its claims all the same. */
static void a_starved_worker_keeps_its_claims(void **state)
{
    struct test_worker slow, other;
    (void)state;
    slow = test_worker_start(&server, WORK, "slow", OPTIONS("--claim-idle", "10s"));
    for (int i = 0; i < 30; i++)
        test_send(&server, WORK, "Defer", "{\"n\":\"n%d\",\"ms\":150}", i);
    AWAIT(test_pending(&server, WORK) > 0);
    other = test_worker_start(&server, WORK, "other", OPTIONS("--claim-idle", "10s"));
    for (long long end = test_now() + 60000; test_backlog(&server, WORK) > 0;) {
        kill(slow.pid, SIGSTOP);
        for (long long until = test_now() + 95; test_now() < until;)
            test_pause();
        kill(slow.pid, SIGCONT);
        for (long long until = test_now() + 5; test_now() < until;)
            test_pause();
        assert_true(test_now() < end);
    }
    test_await_settled(&server, WORK);
    assert_int_equal(test_others(&server, "{work}:marks", "1"), 0);
    assert_int_equal(test_others(&server, "{work}:deliveries", "1"), 0);
    assert_int_equal(test_ask_integer(&server, "HLEN {work}:marks"), 30);
    assert_int_equal(test_worker_logged(&other, "taken_over"), 0);
    test_worker_end_well(&slow);
    test_worker_end_well(&other);
}

/* Arrays and objects in turn; as deep as data may nest, the object around it counted. */
static void nest(char *text, int depth)
{
    *text = '\0';
    for (int i = 0; i < depth; i++)
        strcat(text, i % 2 ? "{\"a\":" : "[");
    strcat(text, "1");
    for (int i = depth - 1; i >= 0; i--)
        strcat(text, i % 2 ? "}" : "]");
}

static void a_small_stack(void **state)
{
    struct test_worker worker;
    char deep[1024];
    (void)state;
    worker = launch_behind("ulimit -s 256;", "one");
    nest(deep, 63);
    test_send(&server, WORK, "Mark", "{\"n\":\"n0\",\"deep\":%s}", deep);
    nest(deep, 127); /* as a saga's command may */
    test_do(
        &server,
        "XADD {work}:commands * type Mark saga s step a action execute attempt 1 id s/a/execute "
        "data {\"n\":\"n1\",\"deep\":%s}",
        deep);
    expect_once(2);
    nest(deep, 64);
    test_send(&server, WORK, "Mark", "{\"n\":\"n2\",\"deep\":%s}", deep);
    AWAIT(test_dead(&server, WORK) == 1);
    assert_non_null(strstr(test_newest(&server, "{work}:dead", "reason"), "nested more than 64"));
    assert_int_equal(test_worker_end(&worker, SIGTERM), 0);
}

#define LARGE 12

/* A list that takes some twenty times as much room once it has been read. */
static void send_large(int count)
{
    size_t length = 1000 * 1000;
    char *data = malloc(length + 1), name[32];
    assert_non_null(data);
    for (int i = 0; i < count; i++) {
        int head = snprintf(name, sizeof name, "{\"n\":\"n%d\",\"l\":[1", i);
        memcpy(data, name, (size_t)head);
        for (size_t at = (size_t)head; at + 2 < length; at += 2)
            memcpy(data + at, ",1", 2);
        memcpy(data + length - 2 - (length - (size_t)head) % 2, "]}", 2);
        test_do(&server, "XADD {work}:commands * type Mark data %b", data,
                length - (length - (size_t)head) % 2);
    }
    free(data);
}

/* It may end, and may give a message up for a while; it does not crash, and another has no trouble.
 */
static void too_little_address_space(void **state)
{
    struct test_worker worker;
    int code;
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    puts("skipped: AddressSanitizer takes terabytes of address space");
    return;
#endif
    send_large(LARGE);
    worker = launch_behind("ulimit -v 60000;", "one");
    for (long long end = test_now() + 3000;
         test_now() < end && !test_worker_ended(&worker) && test_backlog(&server, WORK) > 0;)
        test_pause();
    code = worker.pid != 0 ? test_worker_end(&worker, SIGTERM) : 0;
    assert_true(code == 0 || code == 70);
    worker = test_worker_start(&server, WORK, "one", NULL);
    expect_once(LARGE);
    test_worker_end_well(&worker);
}

/* ---- Names --------------------------------------------------------------------------------- */

static void two_of_one_name(void **state)
{
    struct test_worker one, other;
    (void)state;
    send_marks(0, 100);
    one = test_worker_start(&server, WORK, "same", NULL);
    other = test_worker_start(&server, WORK, "same", NULL);
    send_marks(100, 200);
    test_do(&server, "CLIENT KILL TYPE normal"); /* each looks for what is pending under its name */
    send_marks(300, 100);
    expect_once(400);
    test_worker_end_well(&one);
    test_worker_end_well(&other);
}

#define EACH(test) cmocka_unit_test_setup(test, empty)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        EACH(without_descriptors),
        EACH(without_room_at_the_server),
        EACH(a_backlog_stays_at_the_server),
        EACH(a_full_disk_under_the_log),
        EACH(a_closed_log),
        EACH(no_stream_at_all),
        EACH(a_log_that_nobody_reads_any_more),
        EACH(a_command_line_without_output),
        EACH(a_starved_worker_keeps_its_claims),
        EACH(a_small_stack),
        EACH(too_little_address_space),
        EACH(two_of_one_name),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, test_work_service);
    return cmocka_run_group_tests(tests, start, stop);
}
