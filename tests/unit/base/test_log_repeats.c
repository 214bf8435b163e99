/* What repeats itself in a log is counted: no line is delayed, none is swallowed without being
 * counted, and different facts stay different lines. */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/repeats.h"

#define SEED UINT64_C(29)
#define TIME_LENGTH 25 /* of "2026-01-31T12:00:00.123Z" with the blank behind it */

/* ---- A log on a file, and a clock of the test's ------------------------------------------------
 */

static int64_t now_ms;

static int64_t test_clock(void)
{
    return now_ms;
}

struct fixture {
    struct weir_log log;
    FILE *file;
    char text[1 << 20];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL || (fixture->file = tmpfile()) == NULL)
        return -1;
    now_ms = 1000;
    weir_log_init(&fixture->log, "payments");
    fixture->log.colour = false;
    fixture->log.descriptor = fileno(fixture->file);
    fixture->log.clock_ms = test_clock;
    weir_log_count_repeats(&fixture->log);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    weir_log_close(&fixture->log);
    fclose(fixture->file);
    free(fixture);
    return 0;
}

/* What has been written since it was last asked for. */
static char *written(struct fixture *fixture)
{
    ssize_t length = pread(fileno(fixture->file), fixture->text, sizeof fixture->text - 1, 0);
    fixture->text[length > 0 ? length : 0] = '\0';
    assert_int_equal(ftruncate(fileno(fixture->file), 0), 0);
    lseek(fileno(fixture->file), 0, SEEK_SET);
    return fixture->text;
}

static int lines(const char *text)
{
    int count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void assert_says(struct fixture *fixture, const char *rest)
{
    char *text = written(fixture);
    assert_int_equal(lines(text), 1);
    assert_true(strlen(text) > TIME_LENGTH);
    if (strncmp(text + TIME_LENGTH, rest, strlen(rest)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", text + TIME_LENGTH, rest);
}

static void put_off(struct fixture *fixture, const char *reason)
{
    weir_log_error(&fixture->log, "commit.put_off", "reason=%s", reason);
}

/* ---- The same line ----------------------------------------------------------------------------
 */

static void the_first_is_written_and_the_others_counted(void **state)
{
    struct fixture *fixture = *state;
    put_off(fixture, "OOM");
    assert_says(fixture, "error payments commit.put_off reason=OOM\n");
    for (int i = 0; i < 41; i++)
        put_off(fixture, "OOM");
    assert_string_equal(written(fixture), "");
    now_ms += WEIR_REPEATS_FIRST_MS - 1;
    weir_log_tell_repeats(&fixture->log);
    assert_string_equal(written(fixture), "");
    now_ms += 1;
    weir_log_tell_repeats(&fixture->log);
    assert_says(fixture, "error payments commit.put_off reason=OOM repeated=41 since=2");
    weir_log_tell_repeats(&fixture->log);
    assert_string_equal(written(fixture), "");
}

static void json_counts_are_whole_objects(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.format = WEIR_LOG_JSON;
    put_off(fixture, "OOM \"x\"");
    put_off(fixture, "OOM \"x\"");
    (void)written(fixture);
    weir_log_close(&fixture->log);
    char *text = written(fixture);
    assert_int_equal(lines(text), 1);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "event")), "commit.put_off");
    assert_string_equal(json_string_value(json_object_get(object, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(object, "reason")), "OOM \"x\"");
    assert_int_equal(json_integer_value(json_object_get(object, "repeated")), 1);
    const char *since = json_string_value(json_object_get(object, "since"));
    assert_non_null(since);
    assert_int_equal(strlen(since), TIME_LENGTH - 1);
    json_decref(object);
}

/* Told at the end of each window, which grows; a quiet one ends it, and the line is new again. */
static void windows_grow_and_end(void **state)
{
    struct fixture *fixture = *state;
    int64_t window = WEIR_REPEATS_FIRST_MS;
    put_off(fixture, "OOM");
    (void)written(fixture);
    for (int i = 0; i < 9; i++) {
        put_off(fixture, "OOM");
        now_ms += window - 1;
        put_off(fixture, "OOM");
        weir_log_tell_repeats(&fixture->log);
        assert_string_equal(written(fixture), "");
        now_ms += 1;
        weir_log_tell_repeats(&fixture->log);
        assert_says(fixture, "error payments commit.put_off reason=OOM repeated=2 since=2");
        window = window * 2 < WEIR_REPEATS_LAST_MS ? window * 2 : WEIR_REPEATS_LAST_MS;
    }
    assert_int_equal(window, WEIR_REPEATS_LAST_MS);
    now_ms += window;
    weir_log_tell_repeats(&fixture->log);
    assert_string_equal(written(fixture), "");
    put_off(fixture, "OOM");
    assert_says(fixture, "error payments commit.put_off reason=OOM\n");
}

/* Without anybody who asks: the next line brings out what is due, before itself. */
static void the_next_line_tells_what_is_due(void **state)
{
    struct fixture *fixture = *state;
    put_off(fixture, "OOM");
    put_off(fixture, "OOM");
    now_ms += WEIR_REPEATS_FIRST_MS;
    (void)written(fixture);
    weir_log_info(&fixture->log, "saga.moved", "saga=%s", "s1");
    char *text = written(fixture);
    assert_int_equal(lines(text), 2);
    assert_non_null(strstr(text, "repeated=1"));
    assert_true(strstr(text, "repeated=1") < strstr(text, "saga.moved"));
}

static void the_end_tells_all(void **state)
{
    struct fixture *fixture = *state;
    put_off(fixture, "OOM");
    put_off(fixture, "MISCONF");
    put_off(fixture, "MISCONF");
    put_off(fixture, "OOM");
    put_off(fixture, "OOM");
    (void)written(fixture);
    weir_log_close(&fixture->log);
    char *text = written(fixture);
    assert_int_equal(lines(text), 2);
    assert_non_null(strstr(text, "reason=OOM repeated=2"));
    assert_non_null(strstr(text, "reason=MISCONF repeated=1"));
    put_off(fixture, "OOM"); /* a log that counts no more writes all */
    put_off(fixture, "OOM");
    assert_int_equal(lines(written(fixture)), 2);
}

/* ---- Different facts --------------------------------------------------------------------------
 */

static void ids_make_another_line(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 300; i++) {
        char saga[16];
        snprintf(saga, sizeof saga, "s%d", i);
        weir_log_warning(&fixture->log, "message.dead", "reason=%s saga=%s", "no", saga);
    }
    assert_int_equal(lines(written(fixture)), 300);
}

static void levels_and_information_are_never_counted(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.level = WEIR_LOG_DEBUG;
    for (int i = 0; i < 3; i++) {
        weir_log_info(&fixture->log, "order.created", NULL);
        weir_log_debug(&fixture->log, "message.handled", NULL);
    }
    assert_int_equal(lines(written(fixture)), 6);
    weir_log_warning(&fixture->log, "durability.refused", "reason=%s", "x");
    weir_log_error(&fixture->log, "durability.refused", "reason=%s", "x");
    assert_int_equal(lines(written(fixture)), 2);
}

/* It is over, and comes anew: a reader must not take it for over still. */
static void what_has_ended_is_written_again(void **state)
{
    struct fixture *fixture = *state;
    put_off(fixture, "OOM");
    put_off(fixture, "OOM");
    weir_log_warning(&fixture->log, "call.refused", "call=%s", "trim");
    (void)written(fixture);
    weir_log_info(&fixture->log, "commit.resumed", NULL);
    char *text = written(fixture);
    assert_int_equal(lines(text), 2);
    assert_true(strstr(text, "repeated=1") < strstr(text, "commit.resumed"));
    put_off(fixture, "OOM");
    weir_log_warning(&fixture->log, "call.refused", "call=%s", "trim"); /* another subject */
    assert_says(fixture, "error payments commit.put_off reason=OOM\n");
}

/* ---- Bounds -----------------------------------------------------------------------------------
 */

static void a_flood_is_counted_whatever_it_says(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < WEIR_REPEATS_FLOOD + 77; i++)
        weir_log_warning(&fixture->log, "message.dead", "entry=%d", i);
    weir_log_warning(&fixture->log, "message.body_lost", "count=%d", 1); /* no other event's */
    assert_int_equal(lines(written(fixture)), WEIR_REPEATS_FLOOD + 1);
    now_ms += WEIR_REPEATS_FIRST_MS;
    weir_log_tell_repeats(&fixture->log);
    assert_says(fixture, "warning payments log.flood of=message.dead count=77 since=2");
    weir_log_warning(&fixture->log, "message.dead", "entry=%d", -1);
    assert_int_equal(lines(written(fixture)), 1);
}

static void what_finds_no_place_is_written(void **state)
{
    struct fixture *fixture = *state;
    char reason[16];
    for (int round = 0; round < 2; round++) /* each has come again, so none gives way */
        for (int i = 0; i < WEIR_REPEATS_ROWS; i++) {
            snprintf(reason, sizeof reason, "r%d", i);
            put_off(fixture, reason);
        }
    assert_int_equal(lines(written(fixture)), WEIR_REPEATS_ROWS);
    put_off(fixture, "another");
    put_off(fixture, "another");
    assert_int_equal(lines(written(fixture)), 2);
}

/* ---- At random --------------------------------------------------------------------------------
 */

/* All lines that came in are written or told; the first of each kind goes out at once. */
static void nothing_is_lost(void **state)
{
    struct fixture *fixture = *state;
    struct weir_random random;
    enum { LINES = 100, ROUNDS = 20000 };
    uint64_t seen = 0, told = 0, floods = 0;
    int64_t last[LINES];
    weir_random_init(&random, SEED);
    for (int i = 0; i < LINES; i++)
        last[i] = -1;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned which = (unsigned)(weir_random_next(&random) % LINES);
        bool first = last[which] < 0;
        now_ms += (int64_t)(weir_random_next(&random) % 100 == 0 ? 20000 : 3);
        weir_log_tell_repeats(&fixture->log);
        for (const char *at = written(fixture); (at = strstr(at, "repeated=")) != NULL; at++)
            told += strtoull(at + strlen("repeated="), NULL, 10);
        weir_log_warning(&fixture->log, "test.line", "number=%u", which);
        int out = lines(written(fixture));
        assert_in_range(out, 0, 1);
        if (first)
            assert_int_equal(out, 1);
        seen += (uint64_t)out;
        last[which] = now_ms;
    }
    weir_log_close(&fixture->log);
    char *text = written(fixture);
    for (const char *at = text; (at = strstr(at, "repeated=")) != NULL; at++)
        told += strtoull(at + strlen("repeated="), NULL, 10);
    for (const char *at = text; (at = strstr(at, "count=")) != NULL; at++)
        floods++;
    assert_int_equal(floods, 0);
    assert_int_equal(seen + told, ROUNDS);
    assert_true(told > ROUNDS / 10 && seen > ROUNDS / 100);
}

#define logged(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        logged(the_first_is_written_and_the_others_counted),
        logged(json_counts_are_whole_objects),
        logged(windows_grow_and_end),
        logged(the_next_line_tells_what_is_due),
        logged(the_end_tells_all),
        logged(ids_make_another_line),
        logged(levels_and_information_are_never_counted),
        logged(what_has_ended_is_written_again),
        logged(a_flood_is_counted_whatever_it_says),
        logged(what_finds_no_place_is_written),
        logged(nothing_is_lost),
    };
    printf("seed %" PRIu64 "\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
