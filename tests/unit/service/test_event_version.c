/* Versions of events: what is declared, what is understood, and how data gets there. */
#include "service/event_version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "service/service.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static weir_service *service;
static struct weir_error error;
static int calls;

static int set_up(void **state)
{
    (void)state;
    service = weir_service_new("reader");
    memset(&error, 0, sizeof error);
    calls = 0;
    return service == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    weir_service_free(service);
    return 0;
}

/* ---- Helpers ------------------------------------------------------------------------------- */

static bool add(json_t *data, const char *letter)
{
    char way[16];
    snprintf(way, sizeof way, "%s%s", json_string_value(json_object_get(data, "way")), letter);
    calls++;
    return json_object_set_new(data, "way", json_string(way)) == 0;
}

static bool add_a(json_t *data)
{
    return add(data, "a");
}

static bool add_b(json_t *data)
{
    return add(data, "b");
}

static bool spoil(json_t *data)
{
    add(data, "x");
    json_object_set_new(json_object_get(data, "inner"), "spoilt", json_true());
    return false;
}

static weir_message *event(const char *version)
{
    const struct weir_slice parts[] = {
        weir_slice_of("type"),    weir_slice_of("Placed"),
        weir_slice_of("data"),    weir_slice_of("{\"way\":\"\",\"inner\":{}}"),
        weir_slice_of("version"), weir_slice_of(version)};
    weir_message *message = weir_message_new("{shop}:events", "1-1", parts, COUNT(parts));
    assert_non_null(message);
    memset(&error, 0, sizeof error);
    assert_int_equal(weir_message_decode(message, 100, 1, &error), WEIR_OK);
    return message;
}

static const char *way(const weir_message *message)
{
    return json_string_value(json_object_get(weir_message_data(message), "way"));
}

/* Of an event of that version: what is said, and the way its data has gone. */
static void check(const char *version, enum weir_version_verdict verdict, const char *text,
                  const char *gone)
{
    weir_message *message = event(version);
    for (int i = 0; i < 2; i++) { /* the second call changes nothing */
        memset(&error, 0, sizeof error);
        assert_int_equal(weir_event_upcast(service, "shop", message, &error), verdict);
        assert_string_equal(error.text, text);
        assert_int_equal(error.status, *text ? WEIR_INVALID : WEIR_OK);
        assert_string_equal(way(message), gone);
        assert_int_equal(json_object_size(json_object_get(weir_message_data(message), "inner")), 0);
    }
    assert_string_equal(weir_message_field(message, "data")->value.at,
                        "{\"way\":\"\",\"inner\":{}}");
    assert_int_equal(weir_message_version(message), atoi(version));
    weir_message_free(message);
}

/* ---- Declaring ----------------------------------------------------------------------------- */

static void what_is_published(void **state)
{
    (void)state;
    weir_event_version(service, "Placed", 3);
    weir_event_version(service, "Noted", 1);
    weir_event_version(service, "Far", 1000000);
    assert_int_equal(service->error.status, WEIR_OK);
    assert_int_equal(weir_event_published_version(&service->versions, "Placed"), 3);
    assert_int_equal(weir_event_published_version(&service->versions, "Noted"), 1);
    assert_int_equal(weir_event_published_version(&service->versions, "Far"), 1000000);
    assert_int_equal(weir_event_published_version(&service->versions, "Place"), 1);
    assert_int_equal(weir_event_published_version(NULL, "Placed"), 1);
}

static void what_is_understood(void **state)
{
    (void)state;
    assert_int_equal(weir_event_newest(service, "shop", "Placed"), 1);
    weir_upcast(service, "shop", "Placed", 4, add_a);
    weir_upcast(service, "shop", "Placed", 2, NULL);
    weir_upcast(service, "shop", "Noted", 1, add_a);
    weir_upcast(service, "market", "Placed", 999999, add_a);
    assert_int_equal(service->error.status, WEIR_OK);
    assert_int_equal(weir_event_newest(service, "shop", "Placed"), 5);
    assert_int_equal(weir_event_newest(service, "shop", "Noted"), 2);
    assert_int_equal(weir_event_newest(service, "market", "Placed"), 1000000);
    assert_int_equal(weir_event_newest(service, "market", "Noted"), 1);
}

static void check_mistake(const char *text)
{
    if (service->error.status != WEIR_INVALID || strstr(service->error.text, text) == NULL)
        fail_msg("'%s' does not hold '%s'", service->error.text, text);
    memset(&service->error, 0, sizeof service->error);
}

static void mistakes(void **state)
{
    (void)state;
    static const char *const bad_types[] = {NULL, "", "1A", "A B"};
    for (size_t i = 0; i < COUNT(bad_types); i++) {
        weir_event_version(service, bad_types[i], 2);
        check_mistake("weir_event_version: message type \"");
        weir_upcast(service, "shop", bad_types[i], 2, add_a);
        check_mistake("weir_upcast: message type \"");
    }
    weir_event_version(service, "A", 0);
    check_mistake("weir_event_version: version 0 of A: must be from 1 to 1000000");
    weir_event_version(service, "A", 1000001);
    check_mistake("version 1000001 of A");
    weir_upcast(service, "shop", "A", 0, add_a);
    check_mistake("weir_upcast: version 0 of A: must be from 1 to 999999");
    weir_upcast(service, "shop", "A", 1000000, add_a);
    check_mistake("version 1000000 of A");
    weir_upcast(service, NULL, "A", 1, add_a);
    check_mistake("weir_upcast: source \"\": is no name of a service");
    weir_upcast(service, "a b", "A", 1, add_a);
    check_mistake("source \"a b\"");
    assert_int_equal(service->versions.step_count, 0);
    assert_int_equal(service->versions.published_count, 0);
}

static void twice_is_a_mistake(void **state)
{
    (void)state;
    weir_event_version(service, "A", 2);
    weir_event_version(service, "A", 2);
    check_mistake("weir_event_version: A is declared twice");
    weir_upcast(service, "shop", "A", 1, add_a);
    weir_upcast(service, "shop", "A", 2, add_a);
    weir_upcast(service, "shop", "B", 1, add_a);
    weir_upcast(service, "market", "A", 1, add_a);
    assert_int_equal(service->error.status, WEIR_OK);
    weir_upcast(service, "shop", "A", 1, NULL);
    check_mistake("weir_upcast: A of shop has two upcasters from version 1");
    weir_event_version(NULL, "A", 2);
    weir_upcast(NULL, "shop", "A", 1, add_a);
}

/* ---- Upcasting ----------------------------------------------------------------------------- */

static void without_upcasters_there_is_version_1(void **state)
{
    (void)state;
    check("1", WEIR_VERSION_FITS, "", "");
    check("2", WEIR_VERSION_TOO_NEW, "version: 2 of Placed, this program understands up to 1", "");
}

static void each_goes_through_its_part_of_the_chain(void **state)
{
    (void)state;
    weir_upcast(service, "shop", "Placed", 3, add_b); /* in whatever order they are given */
    weir_upcast(service, "shop", "Placed", 1, add_a);
    weir_upcast(service, "shop", "Placed", 2, NULL);
    weir_upcast(service, "market", "Placed", 4, add_b);
    weir_upcast(service, "shop", "Noted", 4, add_b);
    check("1", WEIR_VERSION_FITS, "", "ab");
    assert_int_equal(calls, 2);
    check("2", WEIR_VERSION_FITS, "", "b");
    check("3", WEIR_VERSION_FITS, "", "b");
    check("4", WEIR_VERSION_FITS, "", "");
    assert_int_equal(calls, 4);
    check("5", WEIR_VERSION_TOO_NEW, "version: 5 of Placed, this program understands up to 4", "");
    check("1000000", WEIR_VERSION_TOO_NEW,
          "version: 1000000 of Placed, this program understands up to 4", "");
    assert_int_equal(calls, 4);
}

static void a_gap_is_seen_before_the_first_step(void **state)
{
    (void)state;
    weir_upcast(service, "shop", "Placed", 1, add_a);
    weir_upcast(service, "shop", "Placed", 3, add_b);
    check("1", WEIR_VERSION_REFUSED,
          "version: 1 of Placed is too old, this program has no upcaster from 2", "");
    check("2", WEIR_VERSION_REFUSED,
          "version: 2 of Placed is too old, this program has no upcaster from 2", "");
    assert_int_equal(calls, 0);
    check("3", WEIR_VERSION_FITS, "", "b");
}

static void what_is_refused_stays_as_it_was(void **state)
{
    (void)state;
    weir_upcast(service, "shop", "Placed", 1, add_a);
    weir_upcast(service, "shop", "Placed", 2, spoil);
    weir_upcast(service, "shop", "Placed", 3, add_b);
    check("1", WEIR_VERSION_REFUSED, "version: 1 of Placed, the upcaster from 2 to 3 refused it",
          "");
    check("3", WEIR_VERSION_FITS, "", "b");
}

static void commands_have_no_versions(void **state)
{
    (void)state;
    weir_message *message = event("7");
    weir_upcast(service, "shop", "Placed", 1, add_a);
    assert_int_equal(weir_event_upcast(service, NULL, message, &error), WEIR_VERSION_FITS);
    assert_int_equal(error.status, WEIR_OK);
    assert_int_equal(weir_message_version(message), 7);
    assert_int_equal(calls, 0);
    weir_message_free(message);
}

static json_malloc_t usual_malloc;
static json_free_t usual_free;
static int allocations_left;

static void *scarce_malloc(size_t size)
{
    return allocations_left-- > 0 ? usual_malloc(size) : NULL;
}

static void without_memory_nothing_is_decided(void **state)
{
    (void)state;
    weir_message *message = event("1");
    weir_upcast(service, "shop", "Placed", 1, add_a);
    json_get_alloc_funcs(&usual_malloc, &usual_free);
    json_set_alloc_funcs(scarce_malloc, usual_free);
    allocations_left = 0;
    enum weir_version_verdict verdict = weir_event_upcast(service, "shop", message, &error);
    json_set_alloc_funcs(usual_malloc, usual_free);
    assert_int_equal(verdict, WEIR_VERSION_REFUSED);
    assert_int_equal(error.status, WEIR_NO_MEMORY);
    assert_int_equal(calls, 0);
    assert_int_equal(weir_event_upcast(service, "shop", message, &error), WEIR_VERSION_FITS);
    assert_string_equal(way(message), "a");
    weir_message_free(message);
}

/* ---- Waiting ------------------------------------------------------------------------------- */

static void check_pause(const char *origin, const char *entry, int64_t wanted)
{
    weir_message *message = weir_message_new("{reader}:commands", entry, NULL, 0);
    assert_non_null(message);
    message->origin_entry = origin;
    assert_int_equal(weir_event_pause_ms(message), wanted);
    weir_message_free(message);
}

static void the_longer_it_has_waited_the_longer_it_waits(void **state)
{
    (void)state;
    check_pause(NULL, "100000-0", 5000);
    check_pause("100000-0", "100000-0", 5000);
    check_pause("100000-0", "140007-3", 5000);
    check_pause("100000-0", "140008-3", 5001);
    check_pause("100000-5", "579999-0", 59999);
    check_pause("100000-5", "580000-0", 60000);
    check_pause("100000-5", "580008-0", 60000);
    check_pause("0-1", "1700000000000-0", 60000);
    check_pause("200000-0", "100000-0", 5000); /* another clock, or a field made by hand */
    check_pause("x-0", "900000-0", 5000);
    check_pause("", "900000-0", 5000);
    check_pause("-9223372036854775808-0", "900000-0", 5000);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_published),
        CASE(what_is_understood),
        CASE(mistakes),
        CASE(twice_is_a_mistake),
        CASE(without_upcasters_there_is_version_1),
        CASE(each_goes_through_its_part_of_the_chain),
        CASE(a_gap_is_seen_before_the_first_step),
        CASE(what_is_refused_stays_as_it_was),
        CASE(commands_have_no_versions),
        CASE(without_memory_nothing_is_decided),
        CASE(the_longer_it_has_waited_the_longer_it_waits),
    };
    return cmocka_run_group_tests_name("event_version", tests, NULL, NULL);
}
