/* The events in hand: what is taken from the server's answer. */
#include "projection/batch.h"

#include <stdio.h>
#include <string.h>

#include "unit/redis/replies.h"

static struct weir_sources sources;
static struct weir_batch batch;

static int begin(void **state)
{
    (void)state;
    memset(&sources, 0, sizeof sources);
    assert_true(weir_sources_add(&sources, "a") && weir_sources_add(&sources, "b"));
    assert_true(weir_sources_name(&sources, ""));
    return 0;
}

static int end(void **state)
{
    (void)state;
    weir_batch_close(&batch);
    weir_sources_close(&sources);
    assert_null(batch.events);
    return 0;
}

#define EVENT(id) "*2\r\n$3\r\n" id "\r\n*4\r\n$4\r\ntype\r\n$1\r\nT\r\n$4\r\ndata\r\n$2\r\n{}\r\n"
#define A "*2\r\n$10\r\n{a}:events\r\n"
#define B "*2\r\n$10\r\n{b}:events\r\n"
#define STRANGE "*2\r\n$10\r\n{c}:events\r\n"

static void take(redisReply *reply, size_t limit, const struct weir_position *bounds)
{
    assert_true(weir_batch_take(&batch, &sources, reply, limit, bounds));
    freeReplyObject(reply);
}

/* "a 1-0, b 2-0" */
static const char *taken(void)
{
    static char text[256];
    text[0] = '\0';
    for (size_t i = 0; i < batch.count; i++) {
        const struct weir_folded *event = &batch.events[i];
        assert_string_equal(event->message->stream, sources.at[event->source].stream);
        assert_null(event->problem);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %s", i > 0 ? ", " : "",
                 sources.at[event->source].service, event->message->entry);
    }
    return text;
}

static void events_come_with_their_source(void **state)
{
    (void)state;
    take(REPLY("*2\r\n" A "*2\r\n" EVENT("1-0") EVENT("3-0") B "*1\r\n" EVENT("2-0")), 3, NULL);
    assert_string_equal(taken(), "a 1-0, a 3-0, b 2-0");
    assert_false(batch.full);
    weir_batch_cut(&batch, 0);
    take(REPLY("*1\r\n" B "*1\r\n" EVENT("5-0")), 3, NULL);
    assert_string_equal(taken(), "b 5-0");
}

static void it_is_full_where_a_source_gave_all_that_was_asked(void **state)
{
    (void)state;
    take(REPLY("*2\r\n" A "*1\r\n" EVENT("1-0") B "*2\r\n" EVENT("2-0") EVENT("3-0")), 2, NULL);
    assert_true(batch.full);
    weir_batch_cut(&batch, 0);
    take(REPLY("*2\r\n" A "*1\r\n" EVENT("1-0") B "*1\r\n" EVENT("2-0")), 2, NULL);
    assert_false(batch.full);
}

static void what_is_no_event_is_left_out(void **state)
{
    (void)state;
    take(REPLY("*2\r\n" STRANGE "*1\r\n" EVENT("9-0") A
               "*3\r\n" EVENT("1-0") "*2\r\n$3\r\n2-0\r\n*-1\r\n:7\r\n"),
         9, NULL);
    assert_string_equal(taken(), "a 1-0");
    weir_batch_cut(&batch, 0);
    take(REPLY("*3\r\n:1\r\n*0\r\n*1\r\n$10\r\n{a}:events\r\n"), 9, NULL);
    assert_string_equal(taken(), "");
    take(REPLY("*-1\r\n"), 9, NULL);
    assert_string_equal(taken(), "");
    assert_false(batch.full);
}

static void bounds_are_not_passed(void **state)
{
    (void)state;
    struct weir_position bounds[2] = {{.bound = "3-0"}, {.bound = ""}};
    take(REPLY("*2\r\n" A "*3\r\n" EVENT("1-0") EVENT("3-0") EVENT("3-1") B "*1\r\n" EVENT("1-0")),
         3, bounds);
    assert_string_equal(taken(), "a 1-0, a 3-0"); /* nothing of b has been applied yet */
    assert_true(batch.full);                      /* whoever asks again finds that none are left */
    weir_batch_cut(&batch, 0);
    snprintf(bounds[1].bound, sizeof bounds[1].bound, "%s", "1-0");
    snprintf(bounds[0].bound, sizeof bounds[0].bound, "%s", "0-9");
    take(REPLY("*2\r\n" A "*1\r\n" EVENT("1-0") B "*1\r\n" EVENT("1-0")), 3, bounds);
    assert_string_equal(taken(), "b 1-0");
}

static void it_is_cut_from_its_end(void **state)
{
    (void)state;
    take(REPLY("*1\r\n" A "*3\r\n" EVENT("1-0") EVENT("2-0") EVENT("3-0")), 9, NULL);
    weir_batch_cut(&batch, 5);
    assert_int_equal(batch.count, 3);
    batch.events[2].problem = strdup("it has one");
    weir_batch_cut(&batch, 1);
    assert_string_equal(taken(), "a 1-0");
    weir_batch_cut(&batch, 1);
    assert_int_equal(batch.count, 1);
    weir_batch_close(&batch);
    assert_int_equal(batch.count, 0);
    weir_batch_close(&batch);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(events_come_with_their_source),
        EACH(it_is_full_where_a_source_gave_all_that_was_asked),
        EACH(what_is_no_event_is_left_out),
        EACH(bounds_are_not_passed),
        EACH(it_is_cut_from_its_end),
    };
    return cmocka_run_group_tests_name("batches", tests, NULL, NULL);
}
