#define _GNU_SOURCE /* pipe2 */
/* When a worker says that its server has gone back, and what it names. */
#include "service/witness.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static struct weir_endpoint endpoint = {.shown = "unix:///s"};
static struct weir_log sink;
static struct weir_runtime runtime = {
    .log = &sink, .endpoint = &endpoint, .service = "s", .prefix = "", .consumer = "w"};
static struct weir_witness witness;
static int said[2];

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(pipe2(said, O_NONBLOCK), 0);
    weir_log_init(&sink, "s");
    sink.descriptor = said[1];
    sink.colour = false;
    weir_witness_init(&witness, &runtime);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(said[0]);
    close(said[1]);
    return 0;
}

/* What has been logged since the last look; valid until the next call. */
static const char *log_text(void)
{
    static char text[65536];
    ssize_t length = read(said[0], text, sizeof text - 1);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

static void answer(int64_t number)
{
    redisReply reply = {.type = REDIS_REPLY_INTEGER, .integer = number};
    (void)witness.calls.answered(&witness, &reply);
}

/* `wanted` is set beforehand so that nothing is sent: there is no loop here. */
static void commit(const char *stream, const char *entry, const char *saga)
{
    witness.wanted = true;
    weir_witness_note(&witness, stream, entry, saga);
}

static void a_growing_number_is_fine(void **state)
{
    (void)state;
    answer(1);
    commit("a", "1-0", NULL);
    answer(2);
    answer(9); /* an answer between was lost */
    assert_string_equal(log_text(), "");
    assert_int_equal(witness.went_back, 0);
}

static void what_is_behind_the_number_is_named(void **state)
{
    (void)state;
    static const char a[] = "{s}:commands", b[] = "{o}:events";
    answer(1);
    commit(a, "1-0", "kept");
    answer(2);
    commit(a, "2-0", "gone-1");
    commit(b, "3-0", NULL);
    answer(3);
    commit(a, "4-0", "gone-2");
    commit(a, "5-0", "gone-1");
    commit(a, "6-0", "gone");
    answer(3); /* 3 stands there now, so 2 was left */
    const char *text = log_text();
    assert_non_null(strstr(text, "server.went_back"));
    assert_non_null(strstr(text, "known=3 found=2"));
    assert_non_null(
        strstr(text, "stream={s}:commands commits=4 first=2-0 last=6-0 sagas=gone-1,gone-2,gone"));
    assert_non_null(strstr(text, "stream={o}:events commits=1 first=3-0 last=3-0"));
    assert_null(strstr(text, "kept"));
    assert_int_equal(witness.went_back, 1);
    answer(4);
    assert_string_equal(log_text(), "");
}

static void only_the_newest_are_remembered(void **state)
{
    (void)state;
    static const char stream[] = "x";
    char entry[24];
    answer(1);
    for (int i = 0; i < 3 * WEIR_WITNESS_COMMITS; i++) {
        snprintf(entry, sizeof entry, "%d-0", i);
        commit(stream, entry, NULL);
    }
    answer(1);
    const char *text = log_text();
    assert_non_null(strstr(text, "commits=1024 more=\"those before them are not remembered\""));
    assert_non_null(strstr(text, "commits=1024 first=2048-0 last=3071-0"));
}

static void many_sagas_take_many_lines(void **state)
{
    (void)state;
    static const char stream[] = "x";
    char entry[24], saga[24];
    size_t lines = 0;
    answer(1);
    for (int i = 0; i < 500; i++) {
        snprintf(entry, sizeof entry, "%d-0", i);
        snprintf(saga, sizeof saga, "saga-%04d", i);
        commit(stream, entry, saga);
    }
    answer(1);
    const char *text = log_text();
    assert_non_null(strstr(text, "found=0 commits=500\n"));
    for (int i = 0; i < 500; i++) {
        snprintf(saga, sizeof saga, "saga-%04d", i);
        if (strstr(text, saga) == NULL)
            fail_msg("%s is not named", saga);
    }
    for (const char *at = text; (at = strstr(at, "commit.perhaps_lost")) != NULL; at++)
        lines++;
    assert_in_range(lines, 8, 10);
    assert_non_null(strstr(text, "first=0-0"));
    assert_non_null(strstr(text, "last=499-0"));
}

/* Others have forgotten a worker that was silent for so long; its number begins anew. */
static void who_was_silent_begins_anew(void **state)
{
    (void)state;
    answer(7);
    witness.heard_at = weir_clock_monotonic_ms() - WEIR_WITNESS_GONE_MS - 1;
    answer(1);
    assert_string_equal(log_text(), "");
    answer(2);
    witness.heard_at = weir_clock_monotonic_ms() - WEIR_WITNESS_GONE_MS - 1;
    weir_witness_heard(&witness); /* the sign of life was answered first */
    answer(1);
    assert_string_equal(log_text(), "");
    answer(1); /* and this is no excuse any more */
    assert_non_null(strstr(log_text(), "server.went_back"));
}

static void an_answer_of_another_form_says_nothing(void **state)
{
    (void)state;
    redisReply reply = {.type = REDIS_REPLY_NIL};
    answer(5);
    (void)witness.calls.answered(&witness, &reply);
    assert_int_equal(witness.confirmed, 5);
    assert_string_equal(log_text(), "");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_growing_number_is_fine),       CASE(what_is_behind_the_number_is_named),
        CASE(only_the_newest_are_remembered), CASE(many_sagas_take_many_lines),
        CASE(who_was_silent_begins_anew),     CASE(an_answer_of_another_form_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
