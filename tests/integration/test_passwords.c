/* A password stands in no line that a program writes, whatever form it was given in, whether it is
 * right or wrong, and where a URL was put by mistake. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/server.h"
#include "support/worker.h"

#define LIMIT_MS 15000
#define HUSH "hush" /* in every password here */

static struct test_server server;

static int start(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    test_do(&server, "ACL SETUSER ann on >hush%%@1 ~* &* +@all");
    test_do(&server, "ACL SETUSER default >hush-too");
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
    unsetenv("REDIS_URL");
    return 0;
}

/* ---- URLs ------------------------------------------------------------------------------------ */

static const struct url {
    const char *before, *behind; /* of the server's socket, or the whole where that is not in it */
    bool with_socket;
    int worker;       /* exit code; -1: it runs on until it is told to stop */
    int command;      /* exit code of weir */
    const char *says; /* in the worker's log */
} urls[] = {
    {"unix://ann:hush%25%401@", "", true, -1, 0, "worker.ready"},
    {"unix://:hush-too@", "?db=1", true, -1, 0, "worker.ready"},
    {"unix://ann:hush-wrong@", "", true, 77, 1, "worker.denied"},
    {"unix://nobody:hush@", "", true, 77, 1, "worker.denied"},
    {"redis://ann:hush@127.0.0.1:1", "", false, -1, 69, "link.lost"},
    {"redis://:hush@[::1]:1/3", "", false, -1, 69, "link.lost"},
    {"redis-sentinel://ann:hush@127.0.0.1:1,localhost:1/main?sentinelUser=s&sentinelPassword=hush2",
     "", false, -1, 69, "link.lost"},
    {"redis://ann:hush@127.0.0.1:99999", "", false, 64, 64, "port"},
    {"redis://ann:hu/hush@127.0.0.1:1", "", false, 64, 64, ""},
    {"rediss://ann:hush@127.0.0.1:1", "", false, 64, 64, "rediss"},
    {"http://ann:hush@127.0.0.1:1", "", false, 64, 64, ""},
    {"redis-sentinel://ann:hush@127.0.0.1:1/main?sentinelPassword=hush&password=hush", "", false,
     64, 64, ""},
};
#define URLS (sizeof urls / sizeof *urls)

static const char *url_of(const struct url *row)
{
    static char text[TEST_PATH_MAX + 256];
    snprintf(text, sizeof(text), "%s%s%s", row->before, row->with_socket ? server.socket : "",
             row->behind);
    return text;
}

/* ---- Who writes ------------------------------------------------------------------------------ */

static void assert_hushed(const struct test_worker *worker, const char *url)
{
    if (test_worker_logged(worker, HUSH) != 0)
        fail_msg("%s: the password stands in %s", url, worker->log);
}

static struct test_worker launch(const char *program, const char *url, bool by_environment)
{
    static unsigned launched;
    const char *const by_flag[] = {
        test_program(program), "--log-level", "debug", "--redis", url, NULL};
    const char *const by_name[] = {test_program(program), "--log-level", "debug", NULL};
    struct test_worker worker;
    if (by_environment)
        setenv("REDIS_URL", url, 1);
    snprintf(worker.consumer, sizeof(worker.consumer), "%s", program);
    snprintf(worker.log, sizeof(worker.log), "%s.%u.log", program, ++launched);
    worker.pid = test_spawn(by_environment ? by_name : by_flag, worker.log);
    test_worker_remember(&worker);
    unsetenv("REDIS_URL");
    return worker;
}

static void services_keep_it_to_themselves(void **state)
{
    (void)state;
    static const char *const programs[] = {"orders", "weir-coordinator", "views"};
    for (size_t i = 0; i < 2 * URLS; i++) {
        const struct url *row = &urls[i / 2];
        struct test_worker workers[3];
        for (size_t k = 0; k < 3; k++)
            workers[k] = launch(programs[k], url_of(row), i % 2);
        for (size_t k = 0; k < 3; k++) {
            test_worker_await_log(&workers[k], row->says);
            if (row->worker < 0)
                assert_int_equal(test_worker_end(&workers[k], SIGTERM), 0);
            else
                assert_int_equal(test_worker_await_end(&workers[k]), row->worker);
            assert_true(test_worker_logged(&workers[k], "") > 0);
            assert_hushed(&workers[k], url_of(row));
        }
    }
}

static void run_hushed(const char *const *words, int code)
{
    struct test_run run = test_run(words, NULL, LIMIT_MS);
    if (strstr(run.out, HUSH) || strstr(run.error, HUSH))
        fail_msg("%s %s …: the password stands in:\n%s%s", words[0], words[1], run.out, run.error);
    if (code >= 0)
        assert_int_equal(run.code, code);
    assert_true(run.out_length + strlen(run.error) > 0);
    test_run_close(&run);
}

static void commands_keep_it_to_themselves(void **state)
{
    (void)state;
    static const char *const commands[][3] = {{"sagas", NULL, NULL},
                                              {"doctor", NULL, NULL},
                                              {"dead", "orders", NULL},
                                              {"send", "orders", "Nothing"}};
    for (size_t i = 0; i < URLS; i++)
        for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
            const char *const *words = commands[k];
            const char *url = url_of(&urls[i]);
            bool doctor = strcmp(words[0], "doctor") == 0;
            const char *call[8] = {test_program("weir"), words[0], "--redis", url};
            size_t count = 4;
            if (k % 2)
                call[count++] = "--json";
            for (size_t w = 1; w < 3 && words[w] != NULL; w++)
                call[count++] = words[w];
            run_hushed(call, doctor ? -1 : urls[i].command);
            setenv("REDIS_URL", url, 1);
            call[2] = words[1];
            call[3] = words[1] != NULL ? words[2] : NULL;
            call[4] = NULL;
            run_hushed(call, doctor ? -1 : urls[i].command);
            unsetenv("REDIS_URL");
        }
}

/* ---- In the wrong place ---------------------------------------------------------------------- */

#define URL "redis://ann:hush@127.0.0.1:1"
#define LONG_URL                                                                                   \
    "redis://ann-with-a-name-that-is-so-long-that-sentences-cut-it-off-somewhere:"                 \
    "hushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhush"             \
    "hushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhush"             \
    "hushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhush@h"

static void nor_is_it_quoted(void **state)
{
    (void)state;
    static const char *const words[][5] = {
        {"weir", "%"},
        {"weir", "sagas", "%"},
        {"weir", "saga", "%", "--redis", "redis://127.0.0.1:1"},
        {"weir", "sagas", "--limit", "%"},
        {"weir", "sagas", "--state=%"},
        {"weir", "sagas", "--redsi=%"},
        {"weir", "sagas", "--json=%"},
        {"weir", "dead", "%"},
        {"weir", "start", "%"},
        {"weir", "definition", "%"},
        {"weir", "definition", "check", "%"},
        {"weir", "projection", "%"},
        {"weir", "send", "%", "X"},
        {"weir", "send", "orders", "%"},
        {"orders", "%"},
        {"orders", "--concurrency=%"},
        {"orders", "--log-format", "%"},
        {"orders", "--group", "%"},
        {"orders", "--consumer", "% x"},
        {"orders", "--namespace", "{%"},
        {"weir-coordinator", "--retention", "%"},
    };
    for (size_t i = 0; i < 2 * sizeof words / sizeof *words; i++) {
        char made[5][512];
        const char *call[6] = {test_program(words[i / 2][0])};
        for (size_t w = 1; w < 5 && words[i / 2][w] != NULL; w++) {
            const char *word = words[i / 2][w], *place = strchr(word, '%');
            snprintf(made[w], sizeof(made[w]), "%.*s%s%s",
                     (int)(place ? (size_t)(place - word) : strlen(word)), word,
                     place ? (i % 2 ? LONG_URL : URL) : "", place ? place + 1 : "");
            call[w] = made[w];
        }
        run_hushed(call, -1);
    }
}

/* ---- On the server --------------------------------------------------------------------------- */

/* What workers tell of themselves, and commands of who gave them, is for everybody. */
static void nor_left_on_the_server(void **state)
{
    (void)state;
    static const char script[] =
        "local found = 0 for _, key in ipairs(redis.call('KEYS', '*')) do "
        "if string.find(redis.call('DUMP', key) or '', 'hush', 1, true) then found = found + 1 end "
        "end return found";
    struct test_worker one = launch("orders", url_of(&urls[0]), false);
    test_worker_await_log(&one, "worker.ready");
    AWAIT(test_ask_integer(&server, "HLEN {orders}:workers") == 1);
    assert_int_equal(test_ask_integer(&server, "EVAL %s 0", script), 0);
    char *clients = test_ask_text(&server, "CLIENT LIST");
    assert_non_null(strstr(clients, "orders"));
    assert_null(strstr(clients, HUSH));
    free(clients);
    assert_int_equal(test_worker_end(&one, SIGTERM), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(services_keep_it_to_themselves, set_up),
        cmocka_unit_test_setup(commands_keep_it_to_themselves, set_up),
        cmocka_unit_test_setup(nor_is_it_quoted, set_up),
        cmocka_unit_test_setup(nor_left_on_the_server, set_up),
    };
    return cmocka_run_group_tests_name("passwords", tests, start, stop);
}
