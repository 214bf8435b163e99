/* The command line from outside: dead letters are counted, shown, replayed once, mended, dropped.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/function_library.h"
#include "support/command_line.h"
#include "support/proxy.h"
#include "support/terminal.h"
#include "support/worker.h"

#define SERVICE "pay"

static struct test_server server;

/* ---- The service --------------------------------------------------------------------------- */

static enum weir_outcome on_charge(weir_context *context, const weir_message *message)
{
    const char *n = json_string_value(json_object_get(weir_message_data(message), "n"));
    if (!n || strcmp(n, "wrong") == 0) {
        weir_reason(context, "no such n");
        return WEIR_REJECT;
    }
    weir_hincrby(context, "marks", n, 1);
    weir_hset_integer(context, "deliveries", n, weir_message_deliveries(message));
    return WEIR_DONE;
}

static enum weir_outcome on_event(weir_context *context, const weir_message *message)
{
    (void)message;
    weir_hincrby(context, "marks", "event", 1);
    return WEIR_DONE;
}

static weir_service *make(const char *name)
{
    weir_service *service = weir_service_new(name);
    weir_on_command(service, "Charge", on_charge, NULL);
    weir_on_event(service, "orders", "Happened", on_event, NULL);
    return service;
}

/* ---- The set-up ---------------------------------------------------------------------------- */

static int start_server(void **state)
{
    (void)state;
    test_server_start(&server, "redis", NULL);
    use_server(&server);
    unsetenv("WEIR_OPERATOR");
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
    test_workers_clear();
    test_do(&server, "FLUSHALL");
    test_do(&server, "FUNCTION LOAD REPLACE %s", weir_function_library_source());
    return 0;
}

/* A letter of a command, as a worker puts it away. */
static void bury(int ms, const char *id, const char *data, const char *reason)
{
    test_do(&server,
            "XADD {pay}:dead %d-1 type Charge id %s data %s reason %s deliveries 5 stream "
            "{pay}:commands entry 77-%d",
            ms, id, data, reason, ms);
}

/* The inbox as one text. */
static const char *inbox(void)
{
    static char text[2048];
    redisReply *range = test_ask(&server, "XRANGE {pay}:commands - +");
    text[0] = '\0';
    for (size_t i = 0; i < range->elements; i++)
        for (size_t j = 0; j < range->element[i]->element[1]->elements; j++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ",
                     range->element[i]->element[1]->element[j]->str);
    freeReplyObject(range);
    return text;
}

/* ---- Counting and listing ------------------------------------------------------------------ */

static void reasons_are_counted(void **state)
{
    (void)state;
    for (int i = 1; i <= 12; i++) {
        char reason[96];
        snprintf(reason, sizeof(reason),
                 i % 3 ? "gave up after %d deliveries: card of c-%dx declined" : "type: %d-%d", i,
                 i);
        bury(i, "m", "{}", reason);
    }
    bury(20, "m", "{}", "\033[2J\"quoted\"\n");
    json_t *counted = ask_weir_json(0, WORDS("dead", SERVICE, "count"));
    assert_int_equal(shown_number(counted, "letters"), 13);
    assert_int_equal(shown_number(counted, "lookedAt"), 13);
    assert_true(json_is_true(json_object_get(counted, "complete")));
    const json_t *reasons = json_object_get(counted, "reasons"),
                 *first = json_array_get(reasons, 0);
    assert_int_equal(json_array_size(reasons), 3);
    assert_string_equal(shown_text(first, "reason"),
                        "gave up after # deliveries: card of # declined");
    assert_int_equal(shown_number(first, "count"), 8);
    assert_int_equal(shown_number(first, "newest"), 11);
    assert_int_equal(shown_number(first, "oldest"), 1);
    assert_string_equal(shown_text(first, "newestLetter"), "11-1");
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "types"), 0)),
                        "Charge");
    json_decref(counted);
    struct test_run run = run_on_terminal(80, "NO_COLOR=1", "dead pay");
    assert_null(strchr(run.out, '\033'));
    assert_non_null(strstr(run.out, "\\u001b[2J"));
    assert_in_range(longest_line(run.out), 1, 80);
    test_run_close(&run);
    expect_weir(0, "\n20-1\tCharge\t5\t", NULL, WORDS("dead", SERVICE, "--limit", "1"));
    /* The filter takes the text of a letter and that of its group. */
    json_t *letters = ask_weir_json(0, WORDS("dead", SERVICE, "list", "--reason", "type: #"));
    assert_int_equal(json_array_size(letters), 4);
    json_decref(letters);
    letters = ask_weir_json(0, WORDS("dead", SERVICE, "list", "--reason", "c-7x"));
    assert_int_equal(json_array_size(letters), 1);
    json_decref(letters);
    letters = ask_weir_json(0, WORDS("dead", SERVICE, "--type", "Other"));
    assert_int_equal(json_array_size(letters), 0);
    json_decref(letters);
}

/* Of a MiB each: what is read at once stays within what a server lets wait for a client. */
static void large_letters_are_read_few_at_once(void **state)
{
    (void)state;
    test_do(&server, "CONFIG SET client-output-buffer-limit %s", "normal 33554432 0 0");
    test_do(&server, "EVAL %s 0",
            "for i = 1, 60 do redis.call('XADD', '{pay}:dead', i .. '-1', 'type', 'T', 'reason', "
            "'r', 'data', string.rep('x', 1000000)) end");
    json_t *counted = ask_weir_json(0, WORDS("dead", SERVICE, "count"));
    assert_int_equal(shown_number(counted, "lookedAt"), 60);
    json_decref(counted);
    json_t *letters = ask_weir_json(0, WORDS("dead", SERVICE, "list", "--no-data"));
    assert_int_equal(json_array_size(letters), 50);
    json_decref(letters);
    test_do(&server, "CONFIG SET client-output-buffer-limit %s", "normal 0 0 0");
}

static void counting_is_bounded(void **state)
{
    (void)state;
    test_do(
        &server, "EVAL %s 0",
        "for i = 1, 10007 do redis.call('XADD', '{pay}:dead', i .. '-1', 'type', 'T', 'reason', "
        "'r' .. string.char(97 + i % 26) .. string.char(97 + i / 26 % 26)) end");
    struct test_run run = run_weir(0, WORDS("dead", SERVICE, "count"), NULL);
    assert_non_null(strstr(run.error, "looked at the newest 10000 of 10007 letters only"));
    assert_non_null(strstr(run.out, "\tothers\n"));
    test_run_close(&run);
    expect_weir(0, "letter\t", "looked at the newest 10000 letters only",
                WORDS("dead", SERVICE, "list", "--type", "absent"));
}

static void refuses_what_cannot_be_meant(void **state)
{
    (void)state;
    bury(1, "m", "{}", "r");
    expect_weir(64, NULL, "needs the ids", WORDS("dead", SERVICE, "replay"));
    expect_weir(64, NULL, "needs the ids", WORDS("dead", SERVICE, "drop"));
    expect_weir(64, NULL, "not both", WORDS("dead", SERVICE, "replay", "1-1", "--all"));
    expect_weir(64, NULL, "not both", WORDS("dead", SERVICE, "drop", "1-1", "--type", "T"));
    expect_weir(64, NULL, "takes no filter",
                WORDS("dead", SERVICE, "drop", "--all", "--type", "T"));
    expect_weir(64, NULL, "one letter", WORDS("dead", SERVICE, "replay", "--all", "--data", "{}"));
    expect_weir(64, NULL, "one letter",
                WORDS("dead", SERVICE, "replay", "1-1", "2-1", "--data", "{}"));
    expect_weir(64, NULL, "belong to dead replay",
                WORDS("dead", SERVICE, "drop", "1-1", "--data", "{}"));
    expect_weir(64, NULL, "belong to dead replay", WORDS("dead", SERVICE, "list", "--yes"));
    expect_weir(64, NULL, "needs a terminal", WORDS("dead", SERVICE, "replay", "1-1", "--edit"));
    expect_weir(65, NULL, "--data", WORDS("dead", SERVICE, "replay", "1-1", "--data", "{\"a\":"));
    expect_weir(65, NULL, "--data", WORDS("dead", SERVICE, "replay", "1-1", "--data", "[]"));
    expect_weir(64, NULL, "--yes", WORDS("dead", SERVICE, "replay", "--all"));
    expect_weir(64, NULL, "--yes", WORDS("dead", SERVICE, "drop", "--reason", "r"));
    assert_int_equal(test_dead(&server, SERVICE), 1);
    assert_int_equal(test_ask_integer(&server, "EXISTS {weir}:actions"), 0);
}

/* ---- Replaying ----------------------------------------------------------------------------- */

static void a_letter_comes_back_as_it_was(void **state)
{
    (void)state;
    test_do(
        &server,
        "XADD {pay}:dead 1-1 type Charge id m1 once 1 data %s reason mine delay 5000 deliveries 9 "
        "traceparent t reason dead deliveries 5 stream {pay}:commands entry 77-7",
        "{\"n\": 1}");
    struct test_run run = run_weir(0, WORDS("dead", SERVICE, "replay", "1-1", "--as", "tom"), NULL);
    assert_non_null(strstr(run.out, "1-1 Charge: replayed, it is "));
    test_run_close(&run);
    assert_string_equal(inbox(), "type Charge id m1 data {\"n\": 1} reason mine traceparent t "
                                 "originStream {pay}:commands originEntry 77-7 ");
    assert_int_equal(test_dead(&server, SERVICE), 0);
    expect_weir(1, NULL, "it was replayed by tom at ",
                WORDS("dead", SERVICE, "replay", "1-1", "--as", "eve"));
    expect_weir(1, NULL, "it was replayed by tom at ", WORDS("dead", SERVICE, "drop", "1-1"));
    expect_weir(1, NULL, "there is no such dead letter of pay",
                WORDS("dead", SERVICE, "replay", "2-1"));
    assert_int_equal(test_backlog(&server, SERVICE), 1);
    json_t *actions = ask_weir_json(0, WORDS("actions"));
    const json_t *action = json_array_get(actions, 0);
    assert_int_equal(json_array_size(actions), 1); /* what was too late has changed nothing */
    assert_string_equal(shown_text(action, "action"), "dead replay");
    assert_string_equal(shown_text(action, "target"), "pay 1-1");
    assert_string_equal(shown_text(action, "who"), "tom");
    json_decref(actions);
}

/* Whatever a letter's fields hold, its message stays byte for byte. */
static void bytes_stay(void **state)
{
    (void)state;
    test_do(&server,
            "XADD {pay}:dead 1-1 type Charge %b %b reason r deliveries 1 stream {pay}:commands "
            "entry 7-7",
            "a\0b\n", (size_t)4, "\xff\033[2J\0", (size_t)6);
    char *out = ask_weir(WORDS("dead", SERVICE, "replay", "1-1"));
    free(out);
    redisReply *range = test_ask(&server, "XRANGE {pay}:commands - +");
    const redisReply *fields = range->element[0]->element[1];
    assert_int_equal(fields->element[2]->len, 4);
    assert_memory_equal(fields->element[2]->str, "a\0b\n", 4);
    assert_int_equal(fields->element[3]->len, 6);
    assert_memory_equal(fields->element[3]->str, "\xff\033[2J\0", 6);
    freeReplyObject(range);
}

static void what_cannot_come_back_stays(void **state)
{
    (void)state;
    test_do(&server, "XADD {pay}:dead 1-1 type Pay saga s1 step pay action execute reason r "
                     "deliveries 5 stream {pay}:commands entry 7-1");
    test_do(&server, "XADD {pay}:dead 2-1 type Happened reason skipped deliveries 1 stream "
                     "{orders}:events entry 7-2 projection shop");
    test_do(&server,
            "XADD {pay}:dead 3-1 reason gone deliveries 1 stream {pay}:commands entry 7-3");
    test_do(&server, "XADD {pay}:dead 4-1 packed 4:typea reason r deliveries 1 stream "
                     "{pay}:commands entry 7-4");
    test_do(&server, "XADD {pay}:dead 5-1 type T reason r deliveries 1 stream {other}:commands "
                     "entry 7-5");
    test_do(&server, "XADD {pay}:dead 6-1 data x reason r deliveries 1 stream {pay}:commands "
                     "entry 7-6");
    test_do(&server, "XADD {pay}:dead 7-1 type T by hand");
    static const char *const sentences[] = {"weir resume s1 --retry",
                                            "weir projection rebuild pay/shop",
                                            "nothing is left to replay",
                                            "too many fields",
                                            "which inbox",
                                            "no type",
                                            "which inbox"};
    for (int i = 0; i < 7; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d-1", i + 1);
        expect_weir(1, NULL, sentences[i], WORDS("dead", SERVICE, "replay", id));
        expect_weir(1, NULL, sentences[i], WORDS("dead", SERVICE, "replay", id, "--dry-run"));
    }
    bury(8, "m8", "{}", "r");
    struct test_run run = run_weir(1, WORDS("dead", SERVICE, "replay", "--all", "--yes"), NULL);
    assert_non_null(strstr(run.error, "weir: 1 of 8 letters replayed, 7 failed\n"));
    test_run_close(&run);
    assert_int_equal(test_dead(&server, SERVICE), 7);
    assert_int_equal(test_backlog(&server, SERVICE), 1);
    expect_weir(0, NULL, "7 of 7 letters dropped",
                WORDS("dead", SERVICE, "drop", "--all", "--yes"));
    assert_int_equal(test_dead(&server, SERVICE), 0);
}

/* What somebody has seen counted, and no letter besides. */
static void a_filter_means_what_was_counted(void **state)
{
    (void)state;
    bury(1, "m1", "{}", "timeout 5");
    bury(2, "m2", "{}", "timeout 5 of the card");
    bury(3, "m3", "{}", "timeout 77");
    bury(4, "m4", "{}", "timeout 8"); /* has come since */
    json_t *letters = ask_weir_json(
        0, WORDS("dead", SERVICE, "list", "--reason", "timeout #", "--exactly", "--up-to", "3-1"));
    assert_int_equal(json_array_size(letters), 2);
    json_decref(letters);
    expect_weir(0, NULL, "2 of 2 letters dropped",
                WORDS("dead", SERVICE, "drop", "--reason", "timeout #", "--exactly", "--up-to",
                      "3-1", "--yes"));
    letters = ask_weir_json(0, WORDS("dead", SERVICE, "list"));
    assert_int_equal(json_array_size(letters), 2);
    assert_string_equal(shown_text(json_array_get(letters, 0), "letter"), "4-1");
    assert_string_equal(shown_text(json_array_get(letters, 1), "letter"), "2-1");
    json_decref(letters);
    letters =
        ask_weir_json(0, WORDS("dead", SERVICE, "list", "--reason", "timeout 8", "--exactly"));
    assert_int_equal(json_array_size(letters), 1);
    json_decref(letters);
    letters = ask_weir_json(0, WORDS("dead", SERVICE, "list", "--older-than", "1s", "--up-to",
                                     "2-1")); /* the earlier counts */
    assert_int_equal(json_array_size(letters), 1);
    json_decref(letters);
    letters = ask_weir_json(0, WORDS("dead", SERVICE, "list", "--limit", "1", "--no-data"));
    const json_t *fields = json_object_get(json_array_get(letters, 0), "fields");
    assert_string_equal(shown_text(fields, "type"), "Charge");
    assert_null(json_object_get(fields, "data"));
    json_decref(letters);
    expect_weir(64, NULL, "belongs to dead list", WORDS("dead", SERVICE, "count", "--no-data"));
    expect_weir(64, NULL, "goes with --reason", WORDS("dead", SERVICE, "list", "--exactly"));
    expect_weir(64, NULL, "is no id of a letter", WORDS("dead", SERVICE, "--up-to", "x"));
    expect_weir(64, NULL, "needs the ids", WORDS("dead", SERVICE, "drop", "--up-to", "3-1"));
    expect_weir(64, NULL, "not both", WORDS("dead", SERVICE, "drop", "3-1", "--up-to", "3-1"));
}

static void a_filter_takes_the_oldest_first(void **state)
{
    (void)state;
    for (int i = 1; i <= 45; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%d", i);
        bury(i, id, "{}", i % 2 ? "odd 1" : "even 2");
    }
    struct test_run run = run_weir(
        0, WORDS("dead", SERVICE, "replay", "--reason", "odd #", "--dry-run", "--json"), NULL);
    assert_non_null(strstr(run.out, "{\"letter\":\"1-1\",\"type\":\"Charge\",\"replayed\":false,"
                                    "\"entry\":null,\"error\":null,\"dryRun\":true}\n"));
    assert_null(strstr(run.out, "\"2-1\""));
    test_run_close(&run);
    assert_int_equal(test_dead(&server, SERVICE), 45);
    assert_int_equal(test_ask_integer(&server, "EXISTS {weir}:actions"), 0);
    expect_weir(0, NULL, "22 of 22 letters replayed",
                WORDS("dead", SERVICE, "replay", "--reason", "even", "--yes"));
    assert_ptr_equal(strstr(inbox(), "type Charge id m2 "), inbox());
    expect_weir(0, NULL, "there may be more than these 3",
                WORDS("dead", SERVICE, "drop", "--all", "--limit", "3", "--yes"));
    assert_int_equal(test_dead(&server, SERVICE), 20);
    expect_weir(0, NULL, "no dead letter of pay fits",
                WORDS("dead", SERVICE, "drop", "--type", "Other", "--yes"));
    json_t *actions = ask_weir_json(0, WORDS("actions"));
    assert_int_equal(json_array_size(actions), 4); /* two runs: begun, and how it ended */
    assert_string_equal(shown_text(json_array_get(actions, 2), "outcome"),
                        "22 of 22 letters replayed");
    assert_string_equal(shown_text(json_array_get(actions, 3), "outcome"), "begun");
    json_decref(actions);
}

static void a_dry_run_changes_nothing(void **state)
{
    (void)state;
    bury(1, "m1", "{}", "r");
    static const char *const verbs[] = {"replay", "drop"};
    for (size_t i = 0; i < 2; i++) {
        expect_weir(0, "1-1 Charge: would be ", NULL,
                    WORDS("dead", SERVICE, verbs[i], "1-1", "--dry-run"));
        expect_weir(0, "1-1 Charge: would be ", "nothing was done",
                    WORDS("dead", SERVICE, verbs[i], "--all", "--dry-run"));
        assert_int_equal(test_dead(&server, SERVICE), 1);
    }
    assert_int_equal(test_backlog(&server, SERVICE), 0);
    assert_int_equal(test_ask_integer(&server, "EXISTS {weir}:actions {pay}:dead:1-1"), 0);
}

static void a_terminal_is_asked(void **state)
{
    (void)state;
    bury(1, "m1", "{}", "r");
    bury(2, "m2", "{}", "r");
    static const char *const refusals[] = {"n\n", "\n", "\004"}; /* the last is Ctrl-D */
    struct test_run run;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        run = type_on_terminal(1, 80, "", "dead pay drop --all", refusals[i]);
        assert_non_null(strstr(run.out, "Drop 2 letters? [y/N]"));
        assert_non_null(strstr(run.out, "nothing was done"));
        test_run_close(&run);
        assert_int_equal(test_dead(&server, SERVICE), 2);
    }
    run = type_on_terminal(0, 80, "", "dead pay drop --all", "y\n");
    assert_non_null(strstr(run.out, "2 letters: 1-1, 2-1"));
    test_run_close(&run);
    assert_int_equal(test_dead(&server, SERVICE), 0);
}

static void data_is_mended_in_an_editor(void **state)
{
    (void)state;
    bury(1, "m1", "{\"n\":\"wrong\",\"of\":2}", "r");
    struct test_run run =
        type_on_terminal(1, 80, "EDITOR=true", "dead pay replay 1-1 --edit", NULL);
    assert_non_null(strstr(run.out, "left as it is; nothing was done"));
    test_run_close(&run);
    run = type_on_terminal(1, 80, "EDITOR=false", "dead pay replay 1-1 --edit", NULL);
    assert_non_null(strstr(run.out, "has failed; nothing was done"));
    test_run_close(&run);
    run = type_on_terminal(65, 80, "TMPDIR=. EDITOR='sed -i s/2/oops/'",
                           "dead pay replay 1-1 --edit", NULL);
    assert_non_null(strstr(run.out, "the text is kept: --data @./weir-letter-"));
    test_run_close(&run);
    assert_int_equal(test_dead(&server, SERVICE), 1);
    run = type_on_terminal(0, 80, "EDITOR='sed -i s/wrong/right/'", "dead pay replay 1-1 --edit",
                           NULL);
    test_run_close(&run);
    assert_string_equal(inbox(), "type Charge id m1 data {\"n\":\"right\",\"of\":2} originStream "
                                 "{pay}:commands originEntry 77-1 ");
    json_t *actions = ask_weir_json(0, WORDS("actions")), *details;
    details = json_object_get(json_array_get(actions, 0), "details");
    assert_true(json_is_true(json_object_get(details, "mended")));
    assert_null(strstr(shown_text(json_array_get(actions, 0), "target"), "right"));
    json_decref(actions);
}

/* ---- What comes of it ---------------------------------------------------------------------- */

static void await_mark(const char *n)
{
    AWAIT(test_number(&server, "{pay}:marks", n) == 1);
}

static void a_replayed_message_is_handled_once(void **state)
{
    (void)state;
    struct test_worker worker =
        test_worker_start(&server, SERVICE, "w", OPTIONS("--max-deliveries", "2"));
    test_do(&server, "XADD {pay}:commands * type Charge id m1 data %s", "{\"n\":\"wrong\"}");
    AWAIT(test_dead(&server, SERVICE) == 1);
    json_t *letters = ask_weir_json(0, WORDS("dead", SERVICE));
    char id[64];
    snprintf(id, sizeof(id), "%s", shown_text(json_array_get(letters, 0), "letter"));
    json_decref(letters);
    /* Unmended it dies again, mended it takes effect, with its deliveries counted anew. */
    expect_weir(0, "replayed", NULL, WORDS("dead", SERVICE, "replay", id));
    AWAIT(test_dead(&server, SERVICE) == 1);
    letters = ask_weir_json(0, WORDS("dead", SERVICE));
    snprintf(id, sizeof(id), "%s", shown_text(json_array_get(letters, 0), "letter"));
    const json_t *fields = json_object_get(json_array_get(letters, 0), "fields");
    assert_int_equal(shown_number(fields, "deliveries"), 1);
    assert_string_equal(shown_text(fields, "id"), "m1");
    assert_null(json_object_get(fields, "originEntry"));
    json_decref(letters);
    expect_weir(0, "replayed", NULL,
                WORDS("dead", SERVICE, "replay", id, "--data", "{\"n\":\"one\"}"));
    await_mark("one");
    assert_int_equal(test_number(&server, "{pay}:deliveries", "one"), 1);
    /* An id that has been done is not done again. */
    test_do(&server, "DEL {pay}:dead");
    bury(1, "m1", "{\"n\":\"one\"}", "r");
    expect_weir(0, "replayed", NULL, WORDS("dead", SERVICE, "replay", "1-1"));
    test_await_settled(&server, SERVICE);
    assert_int_equal(test_number(&server, "{pay}:marks", "one"), 1);
    assert_int_equal(test_dead(&server, SERVICE), 0);
    test_worker_end_well(&worker);
}

static void an_event_comes_back_to_its_subscriber_alone(void **state)
{
    (void)state;
    struct test_worker worker = test_worker_start(&server, SERVICE, "w", NULL);
    test_do(&server, "XADD {pay}:dead 1-1 type Happened data {} reason r deliveries 5 stream "
                     "{orders}:events entry 5-5");
    expect_weir(0, "replayed", NULL, WORDS("dead", SERVICE, "replay", "1-1"));
    await_mark("event");
    test_await_settled(&server, SERVICE);
    assert_int_equal(test_ask_integer(&server, "XLEN {orders}:events"), 0);
    assert_int_equal(test_dead(&server, SERVICE), 0);
    test_worker_end_well(&worker);
}

/* The line breaks behind the server's back: it is asked again, and both come back once. */
static void a_lost_answer_is_asked_for_again(void **state)
{
    (void)state;
    static const enum proxy_deed deeds[] = {PROXY_CUT_BEFORE, PROXY_CUT_AFTER, PROXY_CUT_WITHIN};
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        struct test_proxy proxy;
        test_do(&server, "DEL {pay}:dead {pay}:commands {pay}:dead:1-1 {pay}:dead:2-1");
        bury(1, "m1", "{}", "r");
        bury(2, "m2", "{}", "r");
        test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_replay", "1-1", deeds[i]});
        expect_weir(0, "2-1 Charge: replayed", "2 of 2 letters replayed",
                    WORDS("dead", SERVICE, "replay", "1-1", "2-1", "--redis", proxy.url));
        test_proxy_await(&proxy);
        test_proxy_stop(&proxy);
        assert_int_equal(test_backlog(&server, SERVICE), 2);
        assert_int_equal(test_dead(&server, SERVICE), 0);
    }
}

/* Whoever asks anew after a run that was killed is told who has done it. */
static void a_killed_run_is_safe_to_repeat(void **state)
{
    (void)state;
    struct test_proxy proxy;
    bury(1, "m1", "{}", "r");
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_replay", "1-1", PROXY_KILL_AFTER});
    struct test_run run = run_weir(
        128 + SIGKILL, WORDS("dead", SERVICE, "replay", "1-1", "--as", "tom", "--redis", proxy.url),
        NULL);
    test_run_close(&run);
    test_proxy_stop(&proxy);
    expect_weir(1, NULL, "it was replayed by tom at ", WORDS("dead", SERVICE, "replay", "1-1"));
    assert_int_equal(test_backlog(&server, SERVICE), 1);
}

/* One over many letters has left behind which it was about. */
static void a_killed_run_has_told_that_it_began(void **state)
{
    (void)state;
    struct test_proxy proxy;
    bury(1, "m1", "{}", "r");
    bury(2, "m2", "{}", "r");
    test_proxy_start(&proxy, &server, (struct proxy_trap){"weir_drop", "1-1", PROXY_KILL_BEFORE});
    struct test_run run =
        run_weir(128 + SIGKILL,
                 WORDS("dead", SERVICE, "drop", "--all", "--yes", "--redis", proxy.url), NULL);
    test_run_close(&run);
    test_proxy_stop(&proxy);
    json_t *actions = ask_weir_json(0, WORDS("actions", "--target", "2-1"));
    assert_int_equal(json_array_size(actions), 1);
    assert_string_equal(shown_text(json_array_get(actions, 0), "outcome"), "begun");
    json_decref(actions);
}

static void an_old_library_is_told(void **state)
{
    (void)state;
    bury(1, "m1", "{}", "r");
    test_do(&server, "FUNCTION DELETE weir");
    expect_weir(1, NULL, "weir install loads it", WORDS("dead", SERVICE, "replay", "1-1"));
    assert_int_equal(test_dead(&server, SERVICE), 1);
}

int main(int argc, char **argv)
{
    if (test_worker_wanted(argc))
        return test_worker_main(argc, argv, make);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reasons_are_counted, clear),
        cmocka_unit_test_setup(large_letters_are_read_few_at_once, clear),
        cmocka_unit_test_setup(counting_is_bounded, clear),
        cmocka_unit_test_setup(refuses_what_cannot_be_meant, clear),
        cmocka_unit_test_setup(a_letter_comes_back_as_it_was, clear),
        cmocka_unit_test_setup(bytes_stay, clear),
        cmocka_unit_test_setup(what_cannot_come_back_stays, clear),
        cmocka_unit_test_setup(a_filter_means_what_was_counted, clear),
        cmocka_unit_test_setup(a_filter_takes_the_oldest_first, clear),
        cmocka_unit_test_setup(a_dry_run_changes_nothing, clear),
        cmocka_unit_test_setup(a_terminal_is_asked, clear),
        cmocka_unit_test_setup(data_is_mended_in_an_editor, clear),
        cmocka_unit_test_setup(a_replayed_message_is_handled_once, clear),
        cmocka_unit_test_setup(an_event_comes_back_to_its_subscriber_alone, clear),
        cmocka_unit_test_setup(a_lost_answer_is_asked_for_again, clear),
        cmocka_unit_test_setup(a_killed_run_is_safe_to_repeat, clear),
        cmocka_unit_test_setup(a_killed_run_has_told_that_it_began, clear),
        cmocka_unit_test_setup(an_old_library_is_told, clear),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
