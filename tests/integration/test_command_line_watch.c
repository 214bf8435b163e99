/* --watch and weir top, on terminals and into pipes, while the server comes and goes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/pseudo_terminal.h"
#include "support/worker.h"

#define LIMIT_MS 20000
#define SCREEN "\033[?1049h"
#define NO_SCREEN "\033[?7h\033[?25h\033[?1049l"

static struct test_server server;

static int start_server(void **state)
{
    static const char *const kept[] = {"--appendonly", "yes", NULL};
    (void)state;
    test_server_start(&server, "redis", kept);
    use_server(&server);
    setenv("TERM", "xterm", 1);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    test_server_stop(&server, SIGTERM);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    use_server(&server);
    test_do(&server, "FLUSHALL");
    return 0;
}

static void add_saga(const char *id)
{
    test_do(&server, "ZADD {sagas}:state:running 5 %s", id);
}

static void add_many_sagas(void)
{
    for (char id[] = "s00"; id[1] < '4'; id[1]++)
        for (id[2] = '0'; id[2] <= '9'; id[2]++)
            add_saga(id);
}

static void start_weir(struct test_terminal *terminal, const char *const *words)
{
    const char *all[16] = {test_program("weir")};
    for (size_t i = 0; words[i]; i++)
        all[i + 1] = words[i];
    terminal_start(terminal, 80, 24, all);
}

/* Ends it by the key or the signal, and looks whether the terminal is left as it was. */
static void expect_end(struct test_terminal *terminal, const char *key, int signal, int code)
{
    if (key)
        terminal_type(terminal, key);
    else
        kill(terminal->pid, signal);
    assert_int_equal(terminal_end(terminal), code);
    const char *end = strstr(terminal->text, NO_SCREEN);
    assert_non_null(end);
    assert_string_equal(end, NO_SCREEN); /* and nothing behind that */
    terminal_close(terminal);
}

/* ---- On a terminal ------------------------------------------------------------------------- */

static void draws_in_place(void **state)
{
    struct test_terminal terminal;
    (void)state;
    start_weir(&terminal, WORDS("sagas", "--watch=100ms"));
    terminal_await(&terminal, SCREEN);
    terminal_await(&terminal, "Every 100ms: weir sagas");
    terminal_await(&terminal, "definition");
    add_saga("first");
    terminal_await(&terminal, "\033[H"); /* from the first line on, nothing is cleared before */
    terminal_await(&terminal, "first");
    assert_int_equal(strstr(terminal.text, SCREEN) - terminal.text, 0);
    expect_end(&terminal, "q", 0, 0);
    start_weir(&terminal, WORDS("sagas", "--watch=100ms"));
    terminal_await(&terminal, "first");
    expect_end(&terminal, "\003", 0, 128 + SIGINT); /* Ctrl-C, as the terminal makes it */
    start_weir(&terminal, WORDS("sagas", "--watch"));
    terminal_await(&terminal, "Every 2.0s");
    expect_end(&terminal, NULL, SIGTERM, 128 + SIGTERM);
}

/* Sends it a signal, and waits until it has taken that. */
static void interrupt(const struct test_terminal *terminal, int signal)
{
    char path[64], line[256];
    bool pending = true;
    snprintf(path, sizeof(path), "/proc/%ld/status", (long)terminal->pid);
    kill(terminal->pid, signal);
    for (long long end = test_now() + LIMIT_MS; pending; test_pause()) {
        FILE *status = fopen(path, "re");
        assert_non_null(status);
        while (fgets(line, sizeof(line), status))
            if (strncmp(line, "ShdPnd:", 7) == 0)
                pending = strtoull(line + 7, NULL, 16) != 0;
        fclose(status);
        assert_true(test_now() < end);
    }
}

/* Nobody reads what it draws, so that it waits with a picture half written, and is ended there: a
 * signal has it go on with the rest, another finds nothing of that written. */
static void a_broken_picture_is_no_failure(void **state)
{
    struct test_terminal terminal;
    int before = -1, now = 0;
    (void)state;
    add_many_sagas();
    start_weir(&terminal, WORDS("sagas", "--watch=100ms"));
    for (long long since = test_now(); test_now() - since < 1000; test_pause()) {
        assert_int_equal(ioctl(terminal.fd, FIONREAD, &now), 0);
        if (now != before || now == 0)
            since = test_now(); /* it still writes */
        before = now;
    }
    interrupt(&terminal, SIGWINCH);
    interrupt(&terminal, SIGWINCH);
    interrupt(&terminal, SIGTERM);
    assert_int_equal(terminal_end(&terminal), 128 + SIGTERM);
    assert_null(strstr(terminal.text, "weir: "));
    terminal_close(&terminal);
}

static void keeps_to_the_screen(void **state)
{
    struct test_terminal terminal;
    (void)state;
    add_many_sagas();
    start_weir(&terminal, WORDS("sagas", "--watch=24h"));
    terminal_await(&terminal, "weir sagas");
    terminal_await(&terminal, "\033[0m\033[K");
    terminal_resize(&terminal, 60, 8); /* is drawn again at once, not in a day */
    terminal_await(&terminal, "\033[H");
    terminal_await(&terminal, "\033[H");
    terminal_type(&terminal, "x"); /* means nothing */
    size_t lines = 0;
    for (const char *at = terminal.text + terminal.seen; (at = strstr(at, "\033[K")); at++)
        lines++;
    assert_in_range(lines, 0, 8);
    expect_end(&terminal, "q", 0, 0);
}

/* Resized again and again while it draws: no line is broken off, which would be a failed output. */
static void is_drawn_whole_while_resized(void **state)
{
    struct test_terminal terminal;
    (void)state;
    add_many_sagas();
    start_weir(&terminal, WORDS("sagas", "--watch=24h"));
    terminal_await(&terminal, "weir sagas");
    for (int i = 0; i < 200; i++) {
        terminal_resize(&terminal, 60 + i % 2, 24);
        terminal_await(&terminal, "\033[H"); /* it has begun to draw */
    }
    expect_end(&terminal, "q", 0, 0);
}

/* Ctrl-Z: the shell gets its terminal back, and gives it again. */
static void can_be_suspended(void **state)
{
    struct test_terminal terminal;
    int status = 0;
    (void)state;
    start_weir(&terminal, WORDS("sagas", "--watch=24h"));
    terminal_await(&terminal, "definition");
    terminal_type(&terminal, "\032");
    terminal_await(&terminal, "\033[?1049l");
    AWAIT(waitpid(terminal.pid, &status, WNOHANG | WUNTRACED) == terminal.pid);
    assert_true(WIFSTOPPED(status));
    kill(terminal.pid, SIGCONT);
    terminal_await(&terminal, SCREEN);
    terminal_await(&terminal, "definition");
    terminal_type(&terminal, "q");
    assert_int_equal(terminal_end(&terminal), 0);
    terminal_close(&terminal);
}

static void survives_a_server_that_goes(void **state)
{
    struct test_terminal terminal;
    (void)state;
    add_saga("first");
    start_weir(&terminal, WORDS("sagas", "--watch=100ms"));
    terminal_await(&terminal, "first");
    test_server_stop(&server, SIGTERM);
    terminal_await(&terminal, "cannot reach");
    terminal_await(&terminal, "As it was at ");
    terminal_await(&terminal, "first");
    terminal_await(&terminal, "cannot reach");
    test_server_restart(&server, SIGTERM);
    terminal_await(&terminal, "first");
    expect_end(&terminal, "q", 0, 0);
}

/* Until nothing has been drawn for several intervals: it waits for the server. */
static void await_silence(struct test_terminal *terminal)
{
    size_t length = terminal->length;
    for (long long quiet = test_now(); test_now() < quiet + 500;) {
        (void)terminal_wrote(terminal, "");
        if (terminal->length > length)
            quiet = test_now();
        length = terminal->length;
    }
}

static bool has_ended(const struct test_terminal *terminal)
{
    siginfo_t info = {0};
    assert_int_equal(waitid(P_PID, (id_t)terminal->pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid != 0;
}

/* While it waits for a server that is silent, a second Ctrl-C ends it. */
static void ends_before_a_silent_server(void **state)
{
    struct test_terminal terminal;
    (void)state;
    start_weir(&terminal, WORDS("top", "--interval=100ms"));
    terminal_await(&terminal, "messages");
    test_server_freeze(&server);
    await_silence(&terminal);
    terminal_type(&terminal, "\003");
    /* Two that come at once are one: typed until it has an effect. The terminal forgets at each
     * what was written and not read yet, be it the last of it. */
    for (long long end = test_now() + LIMIT_MS;
         !terminal_wrote(&terminal, NO_SCREEN) && !has_ended(&terminal);) {
        assert_true(test_now() < end);
        terminal_type(&terminal, "\003");
    }
    test_server_thaw(&server);
    assert_int_equal(terminal_end(&terminal), 128 + SIGINT);
    assert_null(strstr(terminal.text, "has not answered")); /* it has not waited for that */
    terminal_close(&terminal);
}

static void leaves_what_cannot_be_watched(void **state)
{
    (void)state;
    expect_weir(64, NULL, "does more than to show", WORDS("dead", "orders", "replay", "--watch"));
    expect_weir(64, NULL, "does more than to show", WORDS("projection", "rebuild", "p", "--watch"));
    expect_weir(64, NULL, "does more than to show",
                WORDS("readers", "orders", "retire", "r", "--watch"));
    expect_weir(64, NULL, "does more than to show", WORDS("definition", "load", "f", "--watch"));
    expect_weir(64, NULL, "no such flag", WORDS("start", "s", "--watch"));
    expect_weir(64, NULL, "--watch", WORDS("sagas", "--watch=99ms"));
    expect_weir(69, NULL, "cannot reach", WORDS("sagas", "--watch", "--redis", "unix:///nowhere"));
    expect_weir(64, NULL, "is no name", WORDS("services", "or ders", "--watch"));
}

/* ---- Into a pipe --------------------------------------------------------------------------- */

static void prints_one_after_the_other(void **state)
{
    (void)state;
    unlink("plain");
    pid_t pid = test_spawn(
        (const char *const[]){test_program("weir"), "sagas", "--watch=100ms", NULL}, "plain");
    test_await_text("plain", "\n\nid\tdefinition", LIMIT_MS);
    add_saga("first");
    test_await_text("plain", "\nfirst\t", LIMIT_MS);
    assert_int_equal(test_end(pid, SIGINT, LIMIT_MS), 128 + SIGINT);
}

static void prints_a_line_of_json_each_time(void **state)
{
    (void)state;
    unlink("lines");
    pid_t pid = test_spawn(
        (const char *const[]){test_program("weir"), "services", "--json", "--watch=100ms", NULL},
        "lines");
    test_await_text("lines", "\n{\"now\":", LIMIT_MS);
    test_server_stop(&server, SIGTERM);
    test_await_text("lines", "weir: cannot reach", LIMIT_MS);
    test_server_restart(&server, SIGTERM);
    test_do(&server, "HSET {weir}:services late 5");
    test_await_text("lines", "\"late\"", LIMIT_MS);
    assert_int_equal(test_end(pid, SIGTERM, LIMIT_MS), 128 + SIGTERM);
}

/* ---- top ----------------------------------------------------------------------------------- */

static void shows_everything_live(void **state)
{
    struct test_terminal terminal;
    (void)state;
    test_do(&server, "HSET {weir}:services fine 5 orders 5");
    redisReply *time = test_ask(&server, "TIME");
    test_do(&server, "HSET {fine}:workers w {\"heartbeat\":%s000}", time->element[0]->str);
    freeReplyObject(time);
    start_weir(&terminal, WORDS("top", "--interval=100ms"));
    terminal_await(&terminal, "Every 100ms: weir top");
    terminal_await(&terminal, "a second");
    terminal_await(&terminal, "suspended 0");
    terminal_await(&terminal, "dead letters 0");
    terminal_await(&terminal, "orders"); /* what needs somebody comes first */
    terminal_await(&terminal, "\033[31munattended\033[0m");
    terminal_await(&terminal, "fine");
    test_do(&server, "ZADD {sagas}:state:suspended 1 s1");
    test_do(&server, "XADD {orders}:dead * reason r");
    terminal_await(&terminal, "\033[31msuspended 1\033[0m");
    terminal_await(&terminal, "\033[31mdead letters 1\033[0m");
    expect_end(&terminal, "q", 0, 0);
    expect_weir(64, NULL, "no terminal; give --json", WORDS("top"));
    expect_weir(64, NULL, "no terminal; give --json", WORDS("top", "--watch"));
}

static void does_without_a_screen_on_a_dumb_terminal(void **state)
{
    struct test_terminal terminal;
    (void)state;
    setenv("TERM", "dumb", 1);
    add_saga("first");
    start_weir(&terminal, WORDS("sagas", "--watch=100ms"));
    terminal_await(&terminal, "first");
    terminal_await(&terminal, "first");
    kill(terminal.pid, SIGINT);
    assert_int_equal(terminal_end(&terminal), 128 + SIGINT);
    assert_null(strchr(terminal.text, '\033'));
    terminal_close(&terminal);
    setenv("TERM", "xterm", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(draws_in_place, clear),
        cmocka_unit_test_setup(a_broken_picture_is_no_failure, clear),
        cmocka_unit_test_setup(keeps_to_the_screen, clear),
        cmocka_unit_test_setup(is_drawn_whole_while_resized, clear),
        cmocka_unit_test_setup(can_be_suspended, clear),
        cmocka_unit_test_setup(survives_a_server_that_goes, clear),
        cmocka_unit_test_setup(ends_before_a_silent_server, clear),
        cmocka_unit_test_setup(leaves_what_cannot_be_watched, clear),
        cmocka_unit_test_setup(prints_one_after_the_other, clear),
        cmocka_unit_test_setup(prints_a_line_of_json_each_time, clear),
        cmocka_unit_test_setup(shows_everything_live, clear),
        cmocka_unit_test_setup(does_without_a_screen_on_a_dumb_terminal, clear),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
