/* A worker, a coordinator and a projection whose n-th allocation fails: the process finishes its
 * work or ends; where all fail from there on it may also stand still. Then one with memory finishes
 * what is left, and every effect is there once.
 *
 * A few n are tried; WEIR_TEST_FULL=1 tries all. hiredis before 1.0 does not bear that its own
 * allocations fail: it crashes or aborts. They are spared there, but for those that would give
 * answers to the wrong request. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "support/sagas.h"
#include "support/step_service.h"
#include "support/work_service.h"
#include "support/worker.h"

#include <hiredis/async.h>

#define MESSAGES 6
#define PATIENCE_MS 400

static struct test_server server;
static struct test_worker steps;
static int round_number; /* names what is sent anew each time */

/* A piece of work: sent anew each time, done by a process that may run out of memory, then by one
 * that does not. */
struct piece {
    const char *service;
    void (*send)(void);
    bool (*is_done)(void);
    void (*check)(void);
};

/* ---- Services ----------------------------------------------------------------------------- */

static enum weir_outcome fold(weir_context *context, const weir_message *message)
{
    const char *n = json_string_value(json_object_get(weir_message_data(message), "n"));
    weir_hincrby(context, "folded", n, 1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    weir_service *service;
    if (strcmp(name, "steps") == 0)
        return test_step_service(name);
    if (strcmp(name, "work") == 0)
        return test_work_service(name);
    service = weir_service_new(name);
    weir_project(service, "folds", "source", "Marked", fold, NULL);
    return service;
}

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    test_define(&server, "two", 1,
                "'steps':[{'name':'a','service':'steps','command':'Do','compensation':'Undo',"
                "'timeoutMs':600000,'input':{'x':'$.x'}},"
                "{'name':'b','service':'steps','command':'Do','timeoutMs':600000}]");
    steps = test_worker_start(&server, "steps", "steps", NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_worker_end_well(&steps);
    test_server_stop(&server, SIGTERM);
    return 0;
}

static const char *name_of(int i)
{
    static char names[4][32];
    static unsigned turn;
    char *name = names[turn++ % 4];
    snprintf(name, 32, "r%d-%d", round_number, i);
    return name;
}

static void send_marks(void)
{
    for (int i = 0; i < MESSAGES; i++)
        test_send(&server, "work", "Mark", "{\"n\":\"%s\"}", name_of(i));
}

static bool marks_are_done(void)
{
    return test_backlog(&server, "work") == 0 && test_scheduled(&server, "work") == 0;
}

static void check_marks(void)
{
    for (int i = 0; i < MESSAGES; i++)
        assert_int_equal(test_number(&server, "{work}:marks", name_of(i)), 1);
    assert_int_equal(test_dead(&server, "work"), 0);
    assert_int_equal(test_ask_integer(&server, "XLEN {work}:events"), MESSAGES * round_number);
}

static void send_saga(void)
{
    test_saga_begin(&server, name_of(0), "two", "{'x':[1,{'y':2.5}]}");
}

static bool saga_is_done(void)
{
    return test_saga_is(&server, name_of(0), "completed");
}

static void check_saga(void)
{
    char key[64];
    snprintf(key, sizeof key, "{steps}:effects:%s", name_of(0));
    assert_int_equal(test_number(&server, key, "a"), 1);
    assert_int_equal(test_number(&server, key, "b"), 1);
    assert_string_equal(test_saga_events(&server, name_of(0)), "SagaStarted SagaCompleted ");
    assert_int_equal(test_dead(&server, "sagas") + test_dead(&server, "steps"), 0);
}

static void send_events(void)
{
    for (int i = 0; i < MESSAGES; i++)
        test_do(&server, "XADD {source}:events * type Marked data {\"n\":\"%s\"}", name_of(i));
}

static bool events_are_folded(void)
{
    return test_number(&server, "{view}:folded", name_of(MESSAGES - 1)) > 0;
}

static void check_folds(void)
{
    for (int i = 0; i < MESSAGES; i++)
        assert_int_equal(test_number(&server, "{view}:folded", name_of(i)), 1);
    assert_int_equal(test_dead(&server, "view"), 0);
}

static const struct piece worker_piece = {"work", send_marks, marks_are_done, check_marks};
static const struct piece coordinator_piece = {"sagas", send_saga, saga_is_done, check_saga};
static const struct piece projection_piece = {"view", send_events, events_are_folded, check_folds};

/* ---- Running out -------------------------------------------------------------------------- */

static unsigned long only_size; /* 0: of any size, hiredis being spared */

static void set_failure(unsigned long at, bool for_good)
{
    char size[24], preload[TEST_PATH_MAX], number[24];
    snprintf(preload, sizeof preload, "%s", test_program("weir"));
    *strstr(preload, "/bin/weir") = '\0';
    strcat(preload, "/tests/fault/fail_memory_preload.so");
    snprintf(number, sizeof number, "%lu", at);
    setenv("LD_PRELOAD", preload, 1);
    setenv("WEIR_FAIL_AT", number, 1);
    setenv("WEIR_FAIL_COUNT", "count", 1);
    if (for_good)
        setenv("WEIR_FAIL_FOR_GOOD", "1", 1);
    snprintf(size, sizeof size, "%lu", only_size);
    setenv("WEIR_FAIL_SIZE", size, 1);
    if (only_size == 0)
        setenv("WEIR_FAIL_SPARE", "libhiredis.so.0", 1);
}

static struct test_worker launch(const struct piece *piece)
{
    const char *const *options = OPTIONS("--claim-idle", "200ms", "--log-level", "debug");
    return strcmp(piece->service, "sagas") == 0
               ? test_coordinator_launch(&server, "short", options)
               : test_worker_launch(server.url, piece->service, "short", options);
}

static struct test_worker launch_short(const struct piece *piece, unsigned long at, bool for_good)
{
    struct test_worker worker;
    set_failure(at, for_good);
    worker = launch(piece);
    const char *const names[] = {"LD_PRELOAD",      "WEIR_FAIL_AT",   "WEIR_FAIL_FOR_GOOD",
                                 "WEIR_FAIL_COUNT", "WEIR_FAIL_SIZE", "WEIR_FAIL_SPARE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    return worker;
}

static bool has_ended(const struct test_worker *worker)
{
    siginfo_t end = {0};
    return waitid(P_PID, (id_t)worker->pid, &end, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           end.si_pid == worker->pid;
}

/* One that has missed a single allocation: it finishes the work and ends on demand, or has ended
 * by itself. */
static int run_past(const struct piece *piece, struct test_worker *worker)
{
    AWAIT(piece->is_done() || has_ended(worker));
    return test_worker_end(worker, has_ended(worker) ? 0 : SIGTERM);
}

/* One that has no memory for anything any more may wait for it for ever, and is killed then. */
static int run_out_of_it(const struct piece *piece, struct test_worker *worker)
{
    bool asked = false;
    for (long long begun = test_now(); !has_ended(worker); test_pause()) {
        long long now = test_now() - begun;
        if (!asked && (piece->is_done() || now > PATIENCE_MS)) {
            kill(worker->pid, SIGTERM);
            asked = true;
        } else if (now > 3 * PATIENCE_MS) {
            kill(worker->pid, SIGKILL);
        }
    }
    return test_worker_end(worker, 0);
}

static void check_end(const struct test_worker *worker, int code, unsigned long at, bool for_good)
{
    bool fine = code == 0 || code == 64 || code == 70 || code == 127 ||
                (for_good && (code == 128 + SIGKILL || code == 128 + SIGTERM));
    if (only_size != 0 && code == 128 + SIGABRT) /* of an allocation that happens to be as large */
        fine = test_worker_logged(worker, "Assertion") == 0;
    if (!fine)
        fail_msg("exit %d when allocation %lu failed, see %s", code, at, worker->log);
}

static void try_one(const struct piece *piece, unsigned long at, bool for_good)
{
    struct test_worker worker;
    round_number++;
    piece->send();
    worker = launch_short(piece, at, for_good);
    int code = for_good ? run_out_of_it(piece, &worker) : run_past(piece, &worker);
    check_end(&worker, code, at, for_good);
    if (!piece->is_done()) {
        worker = launch(piece);
        AWAIT(piece->is_done());
        test_worker_end_well(&worker);
    }
    piece->check();
}

static unsigned long allocations(void)
{
    unsigned long count = 0;
    FILE *file = fopen("count", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &count), 1);
    fclose(file);
    return count;
}

/* `tries` of all n, spread over them. */
static void run_out(const struct piece *piece, unsigned long tries, bool for_good)
{
    unsigned long all, step;
    round_number = 0;
    test_do(&server, "DEL {work}:events {work}:marks");
    try_one(piece, 0, false);
    all = allocations();
    assert_true(all > tries);
    step = getenv("WEIR_TEST_FULL") != NULL ? 1 : all / tries;
    for (unsigned long at = 1 + step / 2; at <= all; at += step)
        try_one(piece, at, for_good);
    print_message("%s: %lu allocations, each %luth failed%s\n", piece->service, all, step,
                  for_good ? " for good" : "");
}

static void a_worker(void **state)
{
    (void)state;
    run_out(&worker_piece, 14, false);
    run_out(&worker_piece, 2, true);
}

/* What remembers who asked is of one size, and of few others. */
static void a_worker_that_cannot_remember_requests(void **state)
{
    (void)state;
    only_size = sizeof(redisCallback);
    run_out(&worker_piece, 12, false);
    only_size = 0;
}

static void a_coordinator(void **state)
{
    (void)state;
    run_out(&coordinator_piece, 10, false);
}

static void a_projection(void **state)
{
    (void)state;
    run_out(&projection_piece, 8, false);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker),
        cmocka_unit_test(a_worker_that_cannot_remember_requests),
        cmocka_unit_test(a_coordinator),
        cmocka_unit_test(a_projection),
    };
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
#ifdef __SANITIZE_ADDRESS__ /* it allocates itself: test_memory is for it */
    puts("skipped: memory cannot be taken from a program with AddressSanitizer");
    return 0;
#endif
    return cmocka_run_group_tests(tests, start, stop);
}
