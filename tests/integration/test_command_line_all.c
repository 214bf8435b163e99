/* Every command of the command line, by one table: on a full and on an empty server, with the
 * server down, with wrong words, piped, on terminals of 80 and 40 columns, with and without
 * colours; and its JSON, member by member, against framework/commands/SHAPES.md.
 *
 * A new command needs a row here and a shape there: `weir --help` is compared with the table. */
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/command_line.h"
#include "support/shape.h"
#include "support/pseudo_terminal.h"
#include "support/worker.h"

#define LIMIT_MS 20000
#define NEVER (-1) /* not run there */

/* ---- The table ----------------------------------------------------------------------------- */

#define JSON_ONLY 1 /* without --json it needs a terminal, or prints what is no table */
#define OFFLINE 2   /* needs no server */
#define CHANGES 4   /* and can be done once: not run in other ways */
#define EACH 8      /* prints a line for each thing, perhaps none */

static const struct row {
    const char *shape;        /* its heading in SHAPES.md */
    const char *const *words; /* behind "weir" */
    int full, empty;          /* exit codes with a full and with an empty server */
    const char *const *wrong; /* words that are refused by 64 */
    int flags;
} rows[] = {
    {"sagas", WORDS("sagas"), 0, 0, WORDS("sagas", "--state", "none"), 0},
    {"sagas", WORDS("sagas", "--state", "suspended"), 0, 0, WORDS("sagas", "--limit", "x"), 0},
    {"sagas --page", WORDS("sagas", "--page"), 0, 0, WORDS("sagas", "--before", "x"), JSON_ONLY},
    {"saga", WORDS("saga", "done"), 0, 1, WORDS("saga"), 0},
    {"saga", WORDS("saga", "stuck"), 0, 1, WORDS("saga", "a/b"), 0},
    {"saga", WORDS("saga", "odd"), 0, 1, WORDS("saga", "a", "b"), 0},
    {"start", WORDS("start", "wait-for-word"), 0, 65, WORDS("start"), CHANGES},
    {"start --wait",
     WORDS("start", "one-order", "--data", "{\"orderId\":\"w\",\"customerId\":\"c\",\"amount\":1}",
           "--wait=20", "--id", "waited"),
     0, NEVER, WORDS("start", "one-order", "--wait=x"), CHANGES},
    {"send", WORDS("send", "orders", "Nonsense"), 0, 0, WORDS("send", "orders"), CHANGES},
    {"send --wait",
     WORDS("send", "payments", "OpenAccount", "--data", "{\"customerId\":\"c9\",\"balance\":5}",
           "--id", "open-c9", "--wait=20"),
     0, NEVER, WORDS("send", "or ders", "T"), CHANGES},
    {"signal", WORDS("signal", "waits", "word"), 0, 1, WORDS("signal", "waits"), CHANGES},
    {"cancel", WORDS("cancel", "waits-too"), 0, 1, WORDS("cancel"), CHANGES},
    {"cancel", WORDS("cancel", "--state", "running", "--dry-run"), 0, 0,
     WORDS("cancel", "--older-than", "x"), JSON_ONLY | EACH},
    {"resume", WORDS("resume", "stuck-too", "--skip"), 0, 1, WORDS("resume", "stuck"), CHANGES},
    {"services", WORDS("services"), 0, 0, WORDS("services", "or ders"), 0},
    {"services", WORDS("services", "orders"), 0, 1, WORDS("services", "--watch=1"), 0},
    {"services", WORDS("services", "--search"), 0, 0, WORDS("services", "--search=1"), 0},
    {"services forget", WORDS("services", "forget", "former"), 0, 1,
     WORDS("services", "forget", "a", "b"), CHANGES},
    {"workers", WORDS("workers"), 0, 0, WORDS("workers", "a", "b"), 0},
    {"workers", WORDS("workers", "orders"), 0, 1, WORDS("workers", "or ders"), 0},
    {"scheduled", WORDS("scheduled"), 0, 0, WORDS("scheduled", "--limit", "0"), 0},
    {"scheduled", WORDS("scheduled", "orders"), 0, 1, WORDS("scheduled", "or ders"), 0},
    {"top", WORDS("top"), 0, 0, WORDS("top", "now"), JSON_ONLY},
    {"dead", WORDS("dead", "orders"), 0, 1, WORDS("dead"), 0},
    {"dead show", WORDS("dead", "orders", "show", "1-1"), 0, 1, WORDS("dead", "orders", "none"), 0},
    {"dead", WORDS("dead", "orders", "list"), 0, 1, WORDS("dead", "or ders"), 0},
    {"dead replay", WORDS("dead", "orders", "replay", "--all", "--dry-run"), 0, 0,
     WORDS("dead", "orders", "replay", "--type"), JSON_ONLY | EACH},
    {"dead count", WORDS("dead", "orders", "count"), 0, 1, WORDS("dead", "orders", "count", "1-1"),
     0},
    {"dead replay", WORDS("dead", "orders", "replay", "2-1"), 0, 1,
     WORDS("dead", "orders", "replay"), CHANGES},
    {"dead drop", WORDS("dead", "orders", "drop", "3-1"), 0, 1, WORDS("dead", "orders", "drop"),
     CHANGES},
    {"readers", WORDS("readers", "orders"), 0, 1, WORDS("readers"), 0},
    {"readers retire", WORDS("readers", "orders", "retire", "lazy", "--force"), 0, 1,
     WORDS("readers", "orders", "retire"), CHANGES},
    {"projection", WORDS("projection"), 0, 0, WORDS("projection", "none"), 0},
    {"projection show", WORDS("projection", "show", "shop"), 0, 1, WORDS("projection", "show"), 0},
    {"projection forget", WORDS("projection", "forget", "old/model"), 0, 1,
     WORDS("projection", "forget"), CHANGES},
    {"query", WORDS("query", "views", "sales"), 0, 1, WORDS("query", "views"), 0},
    {"definition check", WORDS("definition", "check", "one.json"), 0, 0,
     WORDS("definition", "check"), OFFLINE},
    {"definition load", WORDS("definition", "load", "two.json"), 0, 0, WORDS("definition", "load"),
     CHANGES},
    {"definition list", WORDS("definition", "list"), 0, 0, WORDS("definition", "list", "x"), 0},
    {"definition show", WORDS("definition", "show", "one-order"), 0, 1, WORDS("definition"), 0},
    {"install", WORDS("install"), 0, 0, WORDS("install", "x"), CHANGES},
    {"doctor", WORDS("doctor"), 1, 2, WORDS("doctor", "x"), 0},
    {"completion services", WORDS("completion", "services"), 0, 0, WORDS("completion", "fish"), 0},
    {"actions", WORDS("actions"), 0, 0, WORDS("actions", "--limit", "0"), 0},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- Two servers --------------------------------------------------------------------------- */

static struct test_server full, empty;
static pid_t shop[6];

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void write_definitions(void)
{
    write_file("one.json", "{\"name\":\"one-order\",\"version\":1,\"steps\":[{\"name\":\"create\","
                           "\"service\":\"orders\",\"command\":\"CreateOrder\",\"compensation\":"
                           "\"CancelOrder\",\"attempts\":1,\"backoffMs\":1}]}");
    write_file("two.json", "{\"name\":\"two\",\"version\":1,\"steps\":[{\"name\":\"a\","
                           "\"service\":\"orders\",\"command\":\"C\"}]}");
    write_file("word.json",
               "{\"name\":\"wait-for-word\",\"version\":1,\"steps\":[{\"name\":\"a\","
               "\"signal\":\"word\",\"timeoutMs\":3600000}]}"); /* outlives the tests */
    write_file("stuck.json",
               "{\"name\":\"stuck\",\"version\":1,\"steps\":[{\"name\":\"create\",\"service\":"
               "\"orders\",\"command\":\"CreateOrder\",\"compensation\":\"CancelOrder\","
               "\"attempts\":1,\"backoffMs\":1},{\"name\":\"pay\",\"service\":\"payments\","
               "\"command\":\"ProcessPayment\",\"attempts\":1,\"backoffMs\":1}]}");
}

static void start_shop(void)
{
    static const char *const names[] = {"weir-coordinator", "orders",        "payments",
                                        "catalog",          "notifications", "views"};
    for (size_t i = 0; i < sizeof(shop) / sizeof(shop[0]); i++) {
        char log[64];
        snprintf(log, sizeof(log), "%s.log", names[i]);
        shop[i] = test_spawn(
            (const char *const[]){test_program(names[i]), "--consumer", names[i], NULL}, log);
    }
    for (size_t i = 0; i < sizeof(shop) / sizeof(shop[0]); i++) {
        char log[64];
        snprintf(log, sizeof(log), "%s.log", names[i]);
        test_await_text(log, "worker.ready", LIMIT_MS);
    }
}

static void start_saga(const char *definition, const char *id, int code, const char *data)
{
    struct test_run run =
        run_weir(code, WORDS("start", definition, "--id", id, "--data", data, "--wait=20"), NULL);
    test_run_close(&run);
}

/* Names and reasons that are long, wide, combined, or meant for the terminal. */
static void add_odd_things(void)
{
    const char *reason =
        "\033[2J\033]0;title\a支払いサービスは応答しませんでした — re\xcc\x81sume\xcc\x81 "
        "\xff <script>alert(1)</script> and a good deal more that no line has "
        "room for, whatever its width may be in the end";
    test_do(
        &full,
        "HSET {sagas}:saga:odd definition one-order version 1 state suspended reason %s data "
        "%s startedAt 1700000000000 updatedAt 1700000000001 step:create:state failed "
        "step:create:error %s",
        reason,
        "{\"text\":\"数据很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长\"}",
        reason);
    test_do(&full, "ZADD {sagas}:state:suspended 1700000000000 odd");
    test_do(&full,
            "XADD {orders}:dead 1-1 type CreateOrder data {} reason %s deliveries 5 stream "
            "{orders}:commands entry 1-1",
            reason);
    for (int i = 2; i <= 3; i++)
        test_do(&full,
                "XADD {orders}:dead %d-1 type CreateOrder reason r deliveries 5 stream "
                "{orders}:commands entry 1-%d",
                i, i);
    test_do(&full, "ZADD {orders}:scheduled 99999999999999 %s",
            "1:a4:type11:CreateOrder2:id100:"
            "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"
            "iiiiii"
            "iiiiiiiiii4:saga2:s14:step6:create6:action7:execute");
    test_do(&full, "ZADD {orders}:scheduled 99999999999998 nonsense");
    test_do(&full, "HSET {orders}:workers %s nonsense", "\033[31mghost");
    test_do(&full, "XGROUP CREATE {orders}:events lazy 0");
    test_do(&full, "HSET {weir}:projections old/model orders");
    test_do(&full, "HSET {weir}:services former 5");
    test_do(&full,
            "XADD {weir}:actions * who %s via weir action %s target s1 details {} outcome fine",
            "\033[2Jsomebody", "dead replay");
}

static void fill(void)
{
    static const char order[] = "{\"orderId\":\"o1\",\"customerId\":\"c1\",\"amount\":5}";
    use_server(&full);
    start_shop();
    expect_weir(0, "loaded", NULL,
                WORDS("definition", "load", "one.json", "word.json", "stuck.json"));
    start_saga("one-order", "done", 0, order);
    start_saga("stuck", "stuck", 4,
               "{\"orderId\":\"o2\",\"customerId\":\"c2\",\"amount\":5,"
               "\"simulate\":{\"create/compensate\":\"fail\"}}");
    start_saga("stuck", "stuck-too", 4,
               "{\"orderId\":\"o3\",\"customerId\":\"c2\",\"amount\":5,"
               "\"simulate\":{\"create/compensate\":\"fail\"}}");
    expect_weir(0, "waits", NULL, WORDS("start", "wait-for-word", "--id", "waits"));
    expect_weir(0, "waits-too", NULL, WORDS("start", "wait-for-word", "--id", "waits-too"));
    AWAIT(test_ask_integer(&full, "ZCARD {sagas}:state:running") == 2);
    AWAIT(test_ask_integer(&full, "EXISTS {views}:sales") == 1);
    add_odd_things();
}

static int start(void **state)
{
    static const char *const kept[] = {"--appendonly", "yes", NULL};
    (void)state;
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return -1;
    setenv("TERM", "xterm", 1);
    shapes_load();
    write_definitions();
    test_server_start(&full, "full", kept);
    test_server_start(&empty, "empty", kept);
    fill();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(shop) / sizeof(shop[0]); i++)
        if (shop[i] > 0)
            (void)test_end(shop[i], SIGTERM, LIMIT_MS);
    test_server_stop(&full, SIGTERM);
    test_server_stop(&empty, SIGTERM);
    shapes_close();
    return 0;
}

/* ---- Running a row ------------------------------------------------------------------------- */

static size_t put_words(const char **all, const struct row *row, const char *more)
{
    size_t count = 0;
    all[count++] = test_program("weir");
    for (const char *const *word = row->words; *word; word++)
        all[count++] = *word;
    if (more)
        all[count++] = more;
    all[count] = NULL;
    return count;
}

static struct test_run run_row(const struct row *row, const char *more)
{
    const char *all[32];
    put_words(all, row, more);
    return test_run(all, NULL, LIMIT_MS);
}

static void fail_row(const struct row *row, const char *what, const char *shown)
{
    char words[256] = "weir";
    for (const char *const *word = row->words; *word; word++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words), " %s", *word);
    fail_msg("%s: %s: %s", words, what, shown);
}

static void check_code(const struct row *row, const struct test_run *run, int code)
{
    char what[64];
    snprintf(what, sizeof(what), "exit code %d instead of %d", run->code, code);
    if (run->code != code)
        fail_row(row, what, *run->error ? run->error : run->out);
}

/* Each line of what went wrong has the program's name before it. */
static void check_errors(const struct row *row, const struct test_run *run)
{
    for (const char *line = run->error; *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, "weir: ", 6) != 0 || !strchr(line, '\n'))
            fail_row(row, "not a line of the form 'weir: …'", line);
}

static void check_json(const struct row *row, const struct test_run *run)
{
    char why[1024];
    const char *end;
    for (const char *line = run->out; *line; line = end + 1) {
        end = strchr(line, '\n');
        json_t *value = end ? json_loadb(line, (size_t)(end - line), 0, NULL) : NULL;
        if (!value || (end[1] && !(row->flags & EACH)))
            fail_row(row, "not one line of JSON", line);
        if (!shape_fits(row->shape, value, why, sizeof(why)))
            fail_row(row, "not as SHAPES.md says", why);
        json_decref(value);
    }
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void prints_documented_json(void **state)
{
    (void)state;
    use_server(&full);
    for (size_t i = 0; i < ROWS; i++) {
        struct test_run run = run_row(&rows[i], "--json");
        check_code(&rows[i], &run, rows[i].full);
        check_errors(&rows[i], &run);
        check_json(&rows[i], &run);
        if (!*run.out)
            fail_row(&rows[i], "prints nothing", run.error);
        test_run_close(&run);
    }
}

static void prints_the_same_of_an_empty_server(void **state)
{
    (void)state;
    use_server(&empty);
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].empty == NEVER)
            continue;
        test_do(&empty, "FLUSHALL");
        test_do(&empty, "FUNCTION FLUSH");
        struct test_run run = run_row(&rows[i], "--json");
        check_code(&rows[i], &run, rows[i].empty);
        check_errors(&rows[i], &run);
        if (*run.out)
            check_json(&rows[i], &run);
        else if ((rows[i].empty == 0 && !(rows[i].flags & EACH)) || !*run.error)
            fail_row(&rows[i], "says nothing", "");
        test_run_close(&run);
        if (rows[i].flags & JSON_ONLY)
            continue;
        run = run_row(&rows[i], NULL);
        if (!*run.out && !*run.error)
            fail_row(&rows[i], "says nothing", "");
        test_run_close(&run);
    }
}

static bool has_row(const char *command)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].words[0], command) == 0)
            return true;
    return false;
}

static bool is_used(const char *shape)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].shape, shape) == 0)
            return true;
    return shape[0] >= 'A' && shape[0] <= 'Z'; /* a part of others, which the loader finds */
}

static void knows_every_command(void **state)
{
    (void)state;
    int found = 0;
    struct test_run run = run_weir(0, WORDS("--help"), NULL);
    const char *line = strstr(run.out, "Commands");
    assert_non_null(line);
    while ((line = strchr(line, '\n')) && strncmp(line, "\n  ", 3) == 0) {
        char name[32];
        assert_int_equal(sscanf(++line, "%31s", name), 1);
        if (!has_row(name))
            fail_msg("weir %s has no row in this test's table", name);
        found++;
    }
    assert_true(found >= 15);
    test_run_close(&run);
    for (size_t i = 0; shape_heading(i); i++)
        if (!is_used(shape_heading(i)))
            fail_msg("SHAPES.md: no row prints \"%s\"", shape_heading(i));
}

/* ---- Without a server, with wrong words ---------------------------------------------------- */

static void tells_that_the_server_is_down(void **state)
{
    (void)state;
    use_server(&full);
    setenv("REDIS_URL", "unix:///nowhere", 1);
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].flags & OFFLINE)
            continue;
        struct test_run run = run_row(&rows[i], "--json");
        check_code(&rows[i], &run, 69);
        check_errors(&rows[i], &run);
        /* What has been done before it is needed may be told. */
        if ((*run.out && strcmp(run.out, "[]\n") != 0) ||
            !strstr(run.error, "cannot reach unix:///nowhere"))
            fail_row(&rows[i], "does not tell that the server is down", run.error);
        test_run_close(&run);
    }
}

static void refuses_wrong_words(void **state)
{
    (void)state;
    use_server(&full);
    for (size_t i = 0; i < ROWS; i++) {
        const struct row wrong = {.words = rows[i].wrong};
        struct test_run run = run_row(&wrong, NULL);
        check_code(&wrong, &run, 64);
        check_errors(&wrong, &run);
        if (*run.out || !*run.error)
            fail_row(&wrong, "does not tell what is wrong with it", run.out);
        test_run_close(&run);
        run = run_row(&rows[i], "--no-such-flag");
        check_code(&rows[i], &run, 64);
        test_run_close(&run);
    }
}

/* ---- Pipes and terminals ------------------------------------------------------------------- */

static bool runs_again(const struct row *row)
{
    return !(row->flags & (JSON_ONLY | CHANGES));
}

/* No colours, nothing for a terminal; where there are columns, tabs are between them. */
static void prints_plain_text_into_a_pipe(void **state)
{
    (void)state;
    use_server(&full);
    for (size_t i = 0; i < ROWS; i++) {
        if (!runs_again(&rows[i]))
            continue;
        struct test_run run = run_row(&rows[i], NULL);
        check_code(&rows[i], &run, rows[i].full);
        check_errors(&rows[i], &run);
        for (const char *at = run.out; *at; at++)
            if ((unsigned char)*at < ' ' && *at != '\n' && *at != '\t')
                fail_row(&rows[i], "a control character in", run.out);
        if (strstr(run.out, "…"))
            fail_row(&rows[i], "something is cut in", run.out);
        test_run_close(&run);
    }
}

/* Of what is written there: nothing wider, nothing but colours. */
static void check_terminal(const struct row *row, int columns, bool colours)
{
    struct test_terminal terminal;
    const char *all[32];
    put_words(all, row, NULL);
    int code = terminal_run(&terminal, columns, all);
    if (code != row->full)
        fail_row(row, "another exit code", terminal.text);
    if (terminal_widest(terminal.text) > (size_t)columns)
        fail_row(row, "too wide", terminal.text);
    for (const char *at = terminal.text; (at = strchr(at, '\033')); at++) {
        size_t length = 1 + strspn(at + 1, "[0123456789;");
        if (!colours || at[1] != '[' || at[length] != 'm')
            fail_row(row, "an escape sequence in", at);
    }
    terminal_close(&terminal);
}

static void fits_terminals(void **state)
{
    (void)state;
    use_server(&full);
    for (size_t i = 0; i < ROWS; i++)
        if (runs_again(&rows[i])) {
            check_terminal(&rows[i], 80, true);
            check_terminal(&rows[i], 40, true);
        }
}

static void has_no_colours_where_they_are_not_wanted(void **state)
{
    (void)state;
    use_server(&full);
    setenv("NO_COLOR", "1", 1);
    for (size_t i = 0; i < ROWS; i++)
        if (runs_again(&rows[i]))
            check_terminal(&rows[i], 80, false);
    unsetenv("NO_COLOR");
    struct test_terminal terminal; /* which would not notice if there were none */
    terminal_run(&terminal, 80, (const char *const[]){test_program("weir"), "sagas", NULL});
    assert_non_null(strstr(terminal.text, "\033[31msuspended\033[0m"));
    terminal_close(&terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_every_command),
        cmocka_unit_test(prints_plain_text_into_a_pipe),
        cmocka_unit_test(fits_terminals),
        cmocka_unit_test(has_no_colours_where_they_are_not_wanted),
        cmocka_unit_test(tells_that_the_server_is_down),
        cmocka_unit_test(refuses_wrong_words),
        cmocka_unit_test(prints_the_same_of_an_empty_server),
        cmocka_unit_test(prints_documented_json), /* changes things */
    };
    return cmocka_run_group_tests(tests, start, stop);
}
