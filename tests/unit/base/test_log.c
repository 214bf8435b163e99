/* One event is one line whatever its values hold, and a bad sink costs lines, never the caller. */
#define _XOPEN_SOURCE 700 /* posix_openpt: a terminal to try colours on */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/text.h"

#define SEED UINT64_C(23)
/* Of "2026-01-31T12:00:00.123Z" with the blank behind it. */
#define TIME_LENGTH 25

/* A log that writes into a pipe, and what came out of it last. */
struct fixture {
    struct weir_log log;
    int reader;
    char line[16384];
};

static int open_pipe(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    int ends[2];
    if (fixture == NULL || pipe(ends) != 0)
        return -1;
    fixture->reader = ends[0];
    fcntl(fixture->reader, F_SETFL, O_NONBLOCK);
    weir_log_init(&fixture->log, "payments");
    fixture->log.level = WEIR_LOG_DEBUG;
    fixture->log.colour = false;
    fixture->log.descriptor = ends[1];
    *state = fixture;
    return 0;
}

static int close_pipe(void **state)
{
    struct fixture *fixture = *state;
    close(fixture->reader);
    close(fixture->log.descriptor);
    free(fixture);
    return 0;
}

static const char *read_line(struct fixture *fixture)
{
    ssize_t length = read(fixture->reader, fixture->line, sizeof fixture->line - 1);
    fixture->line[length > 0 ? length : 0] = '\0';
    return fixture->line;
}

/* Without the time, which is checked elsewhere. */
static const char *read_rest(struct fixture *fixture)
{
    const char *line = read_line(fixture);
    assert_true(strlen(line) > TIME_LENGTH);
    return line + TIME_LENGTH;
}

static json_t *read_object(struct fixture *fixture)
{
    const char *line = read_line(fixture);
    size_t length = strlen(line);
    assert_true(length > 0 && line[length - 1] == '\n');
    assert_ptr_equal(strchr(line, '\n'), line + length - 1);
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    return object;
}

static void assert_member(json_t *object, const char *key, const char *expected)
{
    assert_non_null(json_object_get(object, key));
    assert_string_equal(json_string_value(json_object_get(object, key)), expected);
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int result = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    if (result != 0)
        fail_msg("\"%s\" does not match %s", text, pattern);
}

static void a_text_line_has_its_parts(void **state)
{
    struct fixture *fixture = *state;
    weir_log_info(&fixture->log, "commit.refused", "key=%s count=%d", "{payments}:account:c7", 3);
    assert_matches(read_line(fixture),
                   "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info  "
                   "payments commit\\.refused key=\\{payments\\}:account:c7 count=3\n$");
}

static void a_json_line_has_its_parts(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.format = WEIR_LOG_JSON;
    weir_log_info(&fixture->log, "commit.refused", "key=%s count=%d", "{payments}:account:c7", 3);
    assert_matches(
        read_line(fixture),
        "^\\{\"ts\":\"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z\","
        "\"level\":\"info\",\"source\":\"payments\",\"event\":\"commit\\.refused\","
        "\"key\":\"\\{payments\\}:account:c7\",\"count\":3\\}\n$");
}

static void the_time_is_utc_now(void **state)
{
    struct fixture *fixture = *state;
    setenv("TZ", "Asia/Tokyo", 1);
    tzset();
    time_t before = time(NULL);
    weir_log_info(&fixture->log, "tick", NULL);
    time_t after = time(NULL);
    struct tm date = {0};
    assert_int_equal(sscanf(read_line(fixture), "%d-%d-%dT%d:%d:%d", &date.tm_year, &date.tm_mon,
                            &date.tm_mday, &date.tm_hour, &date.tm_min, &date.tm_sec),
                     6);
    date.tm_year -= 1900;
    date.tm_mon -= 1;
    time_t written = timegm(&date);
    assert_true(written >= before && written <= after);
    unsetenv("TZ");
    tzset();
}

static void each_level_has_its_word(void **state)
{
    struct fixture *fixture = *state;
    weir_log_debug(&fixture->log, "e", NULL);
    assert_string_equal(read_rest(fixture), "debug payments e\n");
    weir_log_info(&fixture->log, "e", NULL);
    assert_string_equal(read_rest(fixture), "info  payments e\n");
    weir_log_warning(&fixture->log, "e", NULL);
    assert_string_equal(read_rest(fixture), "warning payments e\n");
    weir_log_error(&fixture->log, "e", NULL);
    assert_string_equal(read_rest(fixture), "error payments e\n");
}

static void what_is_below_the_level_is_not_written(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.level = WEIR_LOG_WARNING;
    weir_log_debug(&fixture->log, "e", NULL);
    weir_log_info(&fixture->log, "e", NULL);
    assert_string_equal(read_line(fixture), "");
    weir_log_warning(&fixture->log, "e", NULL);
    assert_string_not_equal(read_line(fixture), "");
    assert_int_equal(fixture->log.dropped, 0);
}

static void colour_is_around_the_level_alone(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.colour = true;
    weir_log_error(&fixture->log, "e", "k=%s", "v");
    assert_string_equal(read_rest(fixture), "\x1b[31merror\x1b[0m payments e k=v\n");
    fixture->log.format = WEIR_LOG_JSON;
    weir_log_error(&fixture->log, "e", "k=%s", "v");
    assert_null(strchr(read_line(fixture), '\x1b'));
}

static void every_conversion_takes_its_type(void **state)
{
    struct fixture *fixture = *state;
    weir_log_info(&fixture->log, "e", "a=%d b=%u c=%ld d=%lu e=%lld f=%llu g=%zu h=%.*s i=%s",
                  INT_MIN, UINT_MAX, LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX, SIZE_MAX, 3,
                  "abcdef", "end");
    assert_string_equal(read_rest(fixture), "info  payments e a=-2147483648 b=4294967295 "
                                            "c=-9223372036854775808 d=18446744073709551615 "
                                            "e=-9223372036854775808 f=18446744073709551615 "
                                            "g=18446744073709551615 h=abc i=end\n");
}

static void numbers_in_json_are_bare(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.format = WEIR_LOG_JSON;
    weir_log_info(&fixture->log, "e", "a=%d b=%lld c=%zu d=%.*s", -1, LLONG_MAX, (size_t)5, 2,
                  "12345");
    json_t *object = read_object(fixture);
    assert_int_equal(json_integer_value(json_object_get(object, "a")), -1);
    assert_true(json_integer_value(json_object_get(object, "b")) == LLONG_MAX);
    assert_int_equal(json_integer_value(json_object_get(object, "c")), 5);
    assert_member(object, "d", "12");
    json_decref(object);
}

static void a_null_leaves_its_field_out(void **state)
{
    struct fixture *fixture = *state;
    const char *volatile nothing = NULL; /* a compiler that sees the NULL warns */
    weir_log_info(&fixture->log, "e", "a=%s b=%d c=%.*s d=%s", nothing, 1, 5, nothing, "z");
    assert_string_equal(read_rest(fixture), "info  payments e b=1 d=z\n");
    fixture->log.format = WEIR_LOG_JSON;
    weir_log_info(&fixture->log, "e", "a=%s", nothing);
    json_t *object = read_object(fixture);
    assert_int_equal(json_object_size(object), 4);
    json_decref(object);
}

static void a_length_bounds_what_is_read(void **state)
{
    struct fixture *fixture = *state;
    const char open_ended[3] = {'a', 'b', 'c'};
    weir_log_info(&fixture->log, "e", "a=%.*s b=%.*s c=%.*s", 3, open_ended, 0, open_ended, -1,
                  "whole");
    assert_string_equal(read_rest(fixture), "info  payments e a=abc b=\"\" c=whole\n");
}

static void a_nul_byte_ends_a_text(void **state)
{
    struct fixture *fixture = *state;
    weir_log_info(&fixture->log, "e", "a=%.*s b=%d", 3, "x\0y", 1);
    assert_string_equal(read_rest(fixture), "info  payments e a=x b=1\n");
}

static void text_values_are_quoted_where_needed(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *value, *written;
    } cases[] = {
        {"plain", "plain"},
        {"caf\xC3\xA9", "caf\xC3\xA9"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"x\"", "\"say \\\"x\\\"\""},
        {"\"", "\"\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"x\n2026-01-31T12:00:00.123Z error", "\"x\\n2026-01-31T12:00:00.123Z error\""},
        {"x\r\t", "\"x\\r\\t\""},
        {"\x1b[2J", "\"\\u001b[2J\""},
        {"\x7f", "\"\\u007f\""},
        {"\xC2\x9B"
         "2J",
         "\"\\u009b2J\""},
        {"\xE2\x80\xA8", "\"\\u2028\""},
        {"\xFF", "\"\\ufffd\""},
        {"\xC0\x8A", "\"\\ufffd\\ufffd\""}, /* an overlong newline */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[200];
        snprintf(expected, sizeof expected, "info  payments e k=%s n=1\n", cases[i].written);
        weir_log_info(&fixture->log, "e", "k=%s n=%d", cases[i].value, 1);
        assert_string_equal(read_rest(fixture), expected);
    }
}

static void json_values_cannot_forge(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.format = WEIR_LOG_JSON;
    weir_log_info(&fixture->log, "e", "k=%s", "x\",\"level\":\"error\n{\"ts\":0}\x1b");
    json_t *object = read_object(fixture);
    assert_member(object, "level", "info");
    assert_member(object, "k", "x\",\"level\":\"error\n{\"ts\":0}\x1b");
    json_decref(object);
}

static void source_and_event_cannot_forge(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.source = "pay\nments";
    weir_log_info(&fixture->log, "a b", NULL);
    assert_string_equal(read_rest(fixture), "info  \"pay\\nments\" \"a b\"\n");
    fixture->log.format = WEIR_LOG_JSON;
    weir_log_info(&fixture->log, "a\"b", NULL);
    json_t *object = read_object(fixture);
    assert_member(object, "source", "pay\nments");
    assert_member(object, "event", "a\"b");
    json_decref(object);
    fixture->log.source = NULL;
    fixture->log.format = WEIR_LOG_TEXT;
    weir_log_info(&fixture->log, "e", NULL);
    assert_string_equal(read_rest(fixture), "info  - e\n");
}

/* The line for "k=VALUE n=1" has to be one line that ends in " n=1" and has one '=' in front
 * of a quoted or bare value. */
static void check_text_line(const char *rest)
{
    static const char front[] = "info  payments e k=";
    assert_memory_equal(rest, front, sizeof front - 1);
    const char *at = rest + sizeof front - 1;
    if (*at == '"') {
        for (at++; *at != '"'; at++) {
            assert_true((unsigned char)*at >= 0x20);
            at += *at == '\\';
        }
        at++;
    } else {
        at += strcspn(at, " =\"\\\n");
    }
    assert_string_equal(at, " n=1\n");
}

static void random_values_stay_in_their_field(void **state)
{
    struct fixture *fixture = *state;
    static const char bytes[] = " =\"\\\n\r\t\x1b\x7f\x80\xA8\xC2\x9B\xE2\xFF\x01kn1";
    struct weir_random random;
    weir_random_init(&random, SEED);
    for (int round = 0; round < 20000; round++) {
        char value[13] = {0};
        size_t length = (size_t)weir_random_below(&random, sizeof value);
        for (size_t i = 0; i < length; i++)
            value[i] = bytes[weir_random_below(&random, sizeof bytes - 1)];
        fixture->log.format = WEIR_LOG_TEXT;
        weir_log_info(&fixture->log, "e", "k=%s n=%d", value, 1);
        check_text_line(read_rest(fixture));
        fixture->log.format = WEIR_LOG_JSON;
        weir_log_info(&fixture->log, "e", "k=%s n=%d", value, 1);
        json_t *object = read_object(fixture);
        assert_int_equal(json_object_size(object), 6);
        if (weir_utf8_valid(value, strlen(value)))
            assert_member(object, "k", value);
        json_decref(object);
    }
    assert_int_equal(fixture->log.dropped, 0);
}

static void long_values_are_cut(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.format = WEIR_LOG_JSON;
    char value[3001];
    memset(value, 'v', 3000);
    value[3000] = '\0';
    static const int given[] = {1023, 1024, 1025, 3000};
    for (size_t i = 0; i < 4; i++) {
        weir_log_info(&fixture->log, "e", "k=%.*s", given[i], value);
        json_t *object = read_object(fixture);
        assert_int_equal(json_string_length(json_object_get(object, "k")),
                         given[i] < 1024 ? given[i] : 1024);
        json_decref(object);
    }
    weir_log_info(&fixture->log, "e", "k=%s", value);
    json_t *object = read_object(fixture);
    assert_int_equal(json_string_length(json_object_get(object, "k")), 1024);
    json_decref(object);
}

static void a_cut_leaves_no_half_character(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.format = WEIR_LOG_JSON;
    for (size_t filler = 1019; filler < 1026; filler++) {
        char value[1100] = {0};
        memset(value, 'v', filler);
        strcpy(value + filler, "\xF0\x9F\x98\x80-");
        weir_log_info(&fixture->log, "e", "k=%s", value);
        json_t *object = read_object(fixture);
        const char *written = json_string_value(json_object_get(object, "k"));
        assert_null(strstr(written, "\xEF\xBF\xBD"));
        assert_true(strlen(written) <= 1024 && strlen(written) >= 1020);
        json_decref(object);
    }
}

static void a_format_of_another_form_is_shown(void **state)
{
    struct fixture *fixture = *state;
    weir_log_info(&fixture->log, "e", "a=%d b=%5d c=%s", 1, 2, "x");
    assert_string_equal(read_rest(fixture), "info  payments e a=1 log_format=\"b=%5d c=%s\"\n");
    weir_log_info(&fixture->log, "e", "just words");
    assert_string_equal(read_rest(fixture), "info  payments e log_format=\"just words\"\n");
    weir_log_info(&fixture->log, "e", "a=%d.", 1);
    assert_string_equal(read_rest(fixture), "info  payments e log_format=\"a=%d.\"\n");
    weir_log_info(&fixture->log, "e", " a=%d  b=%d ", 1, 2);
    assert_string_equal(read_rest(fixture), "info  payments e a=1 b=2\n");
}

static void a_closed_descriptor_drops(void **state)
{
    struct fixture *fixture = *state;
    int kept = fixture->log.descriptor;
    fixture->log.descriptor = -1;
    errno = ENOENT;
    weir_log_info(&fixture->log, "e", NULL);
    weir_log_info(&fixture->log, "e", "a=%d", 1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fixture->log.dropped, 2);
    fixture->log.descriptor = kept;
    weir_log_info(&fixture->log, "e", NULL);
    assert_int_equal(fixture->log.dropped, 2);
}

static void a_full_device_drops(void **state)
{
    struct fixture *fixture = *state;
    int full = open("/dev/full", O_WRONLY);
    if (full < 0)
        skip();
    int kept = fixture->log.descriptor;
    fixture->log.descriptor = full;
    weir_log_error(&fixture->log, "e", NULL);
    assert_int_equal(fixture->log.dropped, 1);
    fixture->log.descriptor = kept;
    close(full);
}

static void a_full_pipe_drops_whole_lines(void **state)
{
    struct fixture *fixture = *state;
    fcntl(fixture->log.descriptor, F_SETFL, O_NONBLOCK);
    uint64_t written = 0;
    while (fixture->log.dropped < 3) {
        weir_log_info(&fixture->log, "e", "number=%llu", (unsigned long long)written);
        written++;
    }
    written -= 3;
    uint64_t lines = 0;
    while (*read_line(fixture) != '\0')
        for (const char *at = fixture->line; (at = strchr(at, '\n')) != NULL; at++)
            lines++;
    assert_true(lines == written);
    weir_log_info(&fixture->log, "again", NULL);
    assert_string_equal(read_rest(fixture), "info  payments again\n");
}

static void a_reader_that_left_does_not_kill(void **state)
{
    struct fixture *fixture = *state;
    signal(SIGPIPE, SIG_DFL);
    close(fixture->reader);
    for (int i = 0; i < 3; i++)
        weir_log_info(&fixture->log, "e", NULL);
    assert_int_equal(fixture->log.dropped, 3);
    sigset_t pending;
    sigpending(&pending);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGPIPE), 0);
    fixture->reader = open("/dev/null", O_RDONLY);
}

static void do_nothing(int number)
{
    (void)number;
}

/* Empties the pipe after the first interruptions have come, and says whether all lines came. */
static void drain_later(struct fixture *fixture, size_t expected)
{
    close(fixture->log.descriptor);
    fcntl(fixture->reader, F_SETFL, 0);
    nanosleep(&(struct timespec){.tv_nsec = 60 * 1000000}, NULL);
    size_t lines = 0;
    while (*read_line(fixture) != '\0')
        for (const char *at = fixture->line; (at = strchr(at, '\n')) != NULL; at++)
            lines++;
    _exit(lines == expected ? 0 : 1);
}

static void signals_do_not_lose_or_tear_lines(void **state)
{
    struct fixture *fixture = *state;
    enum { LINES = 4000 }; /* more than a pipe holds, so that the writer has to wait */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        drain_later(fixture, LINES);
    struct sigaction action = {.sa_handler = do_nothing}; /* no SA_RESTART: EINTR is wanted */
    sigaction(SIGALRM, &action, NULL);
    const struct itimerval often = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < LINES; i++)
        weir_log_info(&fixture->log, "e", "number=%d", i);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    signal(SIGALRM, SIG_DFL);
    assert_int_equal(fixture->log.dropped, 0);
    close(fixture->log.descriptor);
    fixture->log.descriptor = open("/dev/null", O_WRONLY);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void init_sets_the_defaults(void **state)
{
    (void)state;
    struct weir_log log;
    setenv("NO_COLOR", "1", 1);
    weir_log_init(&log, "orders");
    unsetenv("NO_COLOR");
    assert_int_equal(log.level, WEIR_LOG_INFO);
    assert_int_equal(log.format, WEIR_LOG_TEXT);
    assert_false(log.colour);
    assert_int_equal(log.descriptor, STDERR_FILENO);
    assert_string_equal(log.source, "orders");
    assert_int_equal(log.dropped, 0);
}

static enum weir_log_format format_of(int descriptor, enum weir_log_format asked)
{
    struct weir_log log;
    weir_log_init(&log, "x");
    log.descriptor = descriptor;
    weir_log_set_format(&log, asked);
    return log.format;
}

static void a_terminal_gets_colour_and_text(void **state)
{
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        skip();
    int other_end = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    int kept = dup(STDERR_FILENO);
    struct weir_log on_terminal;
    struct weir_log without_colour;
    struct weir_log on_file;
    dup2(other_end, STDERR_FILENO);
    weir_log_init(&on_terminal, "x");
    setenv("NO_COLOR", "1", 1);
    weir_log_init(&without_colour, "x");
    unsetenv("NO_COLOR");
    int file = open("/dev/null", O_WRONLY);
    dup2(file, STDERR_FILENO);
    weir_log_init(&on_file, "x");
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(format_of(other_end, WEIR_LOG_AUTO), WEIR_LOG_TEXT);
    assert_int_equal(format_of(other_end, WEIR_LOG_JSON), WEIR_LOG_JSON);
    assert_int_equal(format_of(file, WEIR_LOG_AUTO), WEIR_LOG_JSON);
    assert_int_equal(format_of(file, WEIR_LOG_TEXT), WEIR_LOG_TEXT);
    close(file);
    close(other_end);
    close(terminal);
    assert_true(on_terminal.colour);
    assert_false(without_colour.colour);
    assert_false(on_file.colour);
}

/* As systemd starts a service: standard error leads to `descriptor`, and JOURNAL_STREAM names that
 * stream, or one that is `off` by so much. */
static void begin_as_service(struct fixture *fixture, unsigned off)
{
    char name[64];
    struct stat about;
    int kept = dup(STDERR_FILENO), descriptor = fixture->log.descriptor;
    assert_int_equal(fstat(descriptor, &about), 0);
    snprintf(name, sizeof name, "%ju:%ju", (uintmax_t)about.st_dev, (uintmax_t)about.st_ino + off);
    setenv("JOURNAL_STREAM", name, 1);
    dup2(descriptor, STDERR_FILENO);
    weir_log_init(&fixture->log, "payments");
    weir_complain("payments", "no such option");
    unsetenv("JOURNAL_STREAM");
    dup2(kept, STDERR_FILENO);
    close(kept);
    fixture->log.descriptor = descriptor;
    fixture->log.level = WEIR_LOG_DEBUG;
}

static void the_journal_gets_each_lines_priority(void **state)
{
    static const char *const priorities[] = {"<7>2", "<6>2", "<4>2", "<3>2"};
    struct fixture *fixture = *state;
    begin_as_service(fixture, 0);
    assert_string_equal(read_line(fixture), "<3>payments: no such option\n");
    for (int level = WEIR_LOG_DEBUG; level <= WEIR_LOG_ERROR; level++) {
        weir_log_write(&fixture->log, (enum weir_log_level)level, "a.b", NULL);
        assert_memory_equal(read_line(fixture), priorities[level], strlen(priorities[level]));
    }
    weir_log_set_format(&fixture->log, WEIR_LOG_JSON);
    weir_log_warning(&fixture->log, "a.b", NULL);
    assert_memory_equal(read_line(fixture), "<4>{", 4);
}

/* The stream was sent elsewhere behind systemd's back, as by a shell. */
static void only_the_journal_gets_priorities(void **state)
{
    struct fixture *fixture = *state;
    begin_as_service(fixture, 1);
    assert_string_equal(read_line(fixture), "payments: no such option\n");
    weir_log_warning(&fixture->log, "a.b", NULL);
    assert_int_equal(read_line(fixture)[0], '2');
}

static void what_repeats_has_its_priority(void **state)
{
    struct fixture *fixture = *state;
    begin_as_service(fixture, 0);
    read_line(fixture);
    weir_log_count_repeats(&fixture->log);
    weir_log_warning(&fixture->log, "a.b", NULL);
    weir_log_warning(&fixture->log, "a.b", NULL);
    read_line(fixture);
    weir_log_close(&fixture->log);
    assert_memory_equal(read_line(fixture), "<4>2", 4);
    assert_non_null(strstr(fixture->line, "repeated=1"));
}

#define piped(name) cmocka_unit_test_setup_teardown(name, open_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        piped(a_text_line_has_its_parts),
        piped(a_json_line_has_its_parts),
        piped(the_time_is_utc_now),
        piped(each_level_has_its_word),
        piped(what_is_below_the_level_is_not_written),
        piped(colour_is_around_the_level_alone),
        piped(every_conversion_takes_its_type),
        piped(numbers_in_json_are_bare),
        piped(a_null_leaves_its_field_out),
        piped(a_length_bounds_what_is_read),
        piped(a_nul_byte_ends_a_text),
        piped(text_values_are_quoted_where_needed),
        piped(json_values_cannot_forge),
        piped(source_and_event_cannot_forge),
        piped(random_values_stay_in_their_field),
        piped(long_values_are_cut),
        piped(a_cut_leaves_no_half_character),
        piped(a_format_of_another_form_is_shown),
        piped(a_closed_descriptor_drops),
        piped(a_full_device_drops),
        piped(a_full_pipe_drops_whole_lines),
        piped(a_reader_that_left_does_not_kill),
        piped(signals_do_not_lose_or_tear_lines),
        piped(the_journal_gets_each_lines_priority),
        piped(only_the_journal_gets_priorities),
        piped(what_repeats_has_its_priority),
        cmocka_unit_test(init_sets_the_defaults),
        cmocka_unit_test(a_terminal_gets_colour_and_text),
    };
    printf("seed %" PRIu64 "\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
