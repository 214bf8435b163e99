/* weir_beat, weir_alive, weir_leave, weir_witness, weir_version, and the library as a whole. */
#include "functions.h"

#include "support/worker.h"

#define BEAT "FCALL weir_beat 1 {s}:workers "
#define ALIVE "FCALL weir_alive 1 {s}:workers "
#define LEAVE "FCALL weir_leave 3 {s}:workers {s}:commands {a}:events s "

/* ---- Signs of life ------------------------------------------------------------------------- */

static void refuses_another_type(void **state)
{
    (void)state;
    test_do(&server, "SET {s}:workers 1");
    expect_untouched("!WRONGTYPE*", BEAT "w a b 1000");
    expect_untouched("!WRONGTYPE*", ALIVE "w a b 1000");
    expect_untouched("!WRONGTYPE*", LEAVE "w 0");
    test_do(&server, "SET {s}:witness 1");
    expect_untouched("!WRONGTYPE*", "FCALL weir_witness 1 {s}:witness w");
}

/* ---- Witness ------------------------------------------------------------------------------- */

static void a_witness_s_number_grows_by_one(void **state)
{
    (void)state;
    expect("1", "FCALL weir_witness 1 {s}:witness w");
    expect("2", "FCALL weir_witness 1 {s}:witness w");
    expect("1", "FCALL weir_witness 1 {s}:witness v");
    test_do(&server, "HSET {s}:witness w none");
    expect("1", "FCALL weir_witness 1 {s}:witness w");
}

static void who_leaves_bears_no_witness_any_more(void **state)
{
    (void)state;
    test_do(&server, "HSET {s}:workers w a v b");
    redisReply *made = redisCommand(server.connection, "HSET {s}:witness %s 7 %s 6 %s 5 v 8",
                                    "w 1f", "w 2f", "ww 1f");
    assert_int_equal(made->integer, 4);
    freeReplyObject(made);
    expect("1", "FCALL weir_leave 3 {s}:workers {s}:commands {s}:witness s w 0 %s", "w 1f");
    expect("0", "HEXISTS {s}:witness %s", "w 1f");
    expect("6", "HGET {s}:witness %s", "w 2f"); /* of another process of that name */
    test_do(&server, "HSET {s}:workers w a");
    expect("1", "FCALL weir_leave 3 {s}:workers {s}:commands {s}:witness s w 0 %s", "w ");
    expect("0", "HEXISTS {s}:witness %s", "w 2f");
    expect("5", "HGET {s}:witness %s", "ww 1f");
    expect("1", "FCALL weir_leave 2 {s}:workers {s}:commands s v 0"); /* by an older program */
    expect("8", "HGET {s}:witness v");
    expect("0", "EXISTS {s}:workers");
}

static void a_beat_carries_the_time_of_the_server(void **state)
{
    (void)state;
    char wanted[128];
    long long before = server_now(), given;
    redisReply *reply = test_ask(&server, BEAT "w %s %s 1000", "{\"heartbeat\":", ",\"x\":1}");
    assert_int_equal(reply->elements, 1);
    given = reply->element[0]->integer;
    assert_in_range(given, before, server_now());
    freeReplyObject(reply);
    snprintf(wanted, sizeof wanted, "{\"heartbeat\":%lld,\"x\":1}", given);
    expect(wanted, "HGET {s}:workers w");
    expect("-1", "PTTL {s}:workers");
}

/* What a worker of today calls says all that weir_beat says, and more. */
static void a_sign_of_life_tells_of_library_and_namesake(void **state)
{
    (void)state;
    long long before = server_now();
    redisReply *reply = test_ask(&server, ALIVE "w %s %s 60000", "{\"heartbeat\":", ",\"x\":1}");
    assert_int_equal(reply->elements, 3);
    assert_in_range(reply->element[0]->integer, before, server_now());
    assert_int_equal(reply->element[1]->integer, WEIR_FUNCTION_LIBRARY_VERSION);
    assert_string_equal(reply->element[2]->str, "");
    freeReplyObject(reply);
    char *first = test_ask_text(&server, "HGET {s}:workers w");
    test_do(&server, "HSET {s}:workers old {\"heartbeat\":1}");
    reply = test_ask(&server, ALIVE "w %s %s 60000", "{\"heartbeat\":", "}");
    assert_int_equal(reply->elements, 4);
    assert_string_equal(reply->element[2]->str, first);
    assert_string_equal(reply->element[3]->str, "old");
    freeReplyObject(reply);
    free(first);
}

static void add_worker(const char *name, long long heartbeat)
{
    test_do(&server, "HSET {s}:workers %s {\"heartbeat\":%lld}", name, heartbeat);
}

static long long heartbeat(const char *name)
{
    long long time = -1;
    const char *about = test_text(&server, "{s}:workers", name);
    assert_int_equal(sscanf(about, "{\"heartbeat\":%lld}", &time), 1);
    return time;
}

/* The names in an answer of beat, sorted away from their order in the hash. */
static size_t gone(const char *silence, const char *name, bool *named)
{
    redisReply *reply = test_ask(&server, BEAT "w %s } %s", "{\"heartbeat\":", silence);
    size_t count = reply->elements - 1;
    *named = false;
    for (size_t i = 1; i <= count; i++) {
        assert_string_not_equal(reply->element[i]->str, "w");
        *named = *named || strcmp(reply->element[i]->str, name) == 0;
    }
    freeReplyObject(reply);
    return count;
}

static void the_silent_are_gone(void **state)
{
    (void)state;
    bool named;
    long long now = server_now();
    add_worker("fresh", now);
    add_worker("old", now - 100000);
    assert_int_equal(gone("60000", "old", &named), 1);
    assert_true(named);
    assert_int_equal(gone("200000", "old", &named), 0);
    add_worker("future", now + 100000); /* the clock was set back */
    assert_int_equal(gone("60000", "future", &named), 1);
    assert_false(named);
    assert_in_range(heartbeat("future"), now, server_now()); /* its time runs from now on */
    assert_in_range(heartbeat("fresh"), now, now);
}

static void what_cannot_be_read_is_gone(void **state)
{
    (void)state;
    bool named;
    test_do(&server, "HSET {s}:workers text hello");
    assert_int_equal(gone("60000", "text", &named), 1);
    assert_true(named);
}

static void at_most_sixteen_are_named(void **state)
{
    (void)state;
    bool named;
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "gone-%d", i);
        add_worker(name, 1);
    }
    assert_int_equal(gone("60000", "", &named), 16);
}

/* ---- Leaving ------------------------------------------------------------------------------- */

/* A consumer w of two streams, with `pending` messages on the second one. */
static void work(int pending)
{
    add_worker("w", server_now() - 100000);
    test_do(&server, "XGROUP CREATE {s}:commands s 0 MKSTREAM");
    test_do(&server, "XGROUP CREATE {a}:events s 0 MKSTREAM");
    test_do(&server, "XGROUP CREATECONSUMER {s}:commands s w");
    test_do(&server, "XGROUP CREATECONSUMER {s}:commands s other");
    test_do(&server, "XGROUP CREATECONSUMER {a}:events s w");
    for (int i = 0; i < pending; i++)
        test_do(&server, "XADD {a}:events * type T");
    if (pending > 0)
        test_do(&server, "XREADGROUP GROUP s w STREAMS {a}:events >");
}

static size_t consumers(const char *stream)
{
    redisReply *reply = test_ask(&server, "XINFO CONSUMERS %s s", stream);
    size_t count = reply->elements;
    freeReplyObject(reply);
    return count;
}

static void leaving_takes_it_out_of_every_group(void **state)
{
    (void)state;
    work(0);
    expect("1", LEAVE "w 0");
    expect("0", "HLEN {s}:workers");
    assert_int_equal(consumers("{s}:commands"), 1); /* the other */
    assert_int_equal(consumers("{a}:events"), 0);
    expect("1", LEAVE "w 0"); /* a second time changes nothing */
}

static void pending_messages_keep_the_consumer(void **state)
{
    (void)state;
    work(2);
    expect("0", LEAVE "w 0");
    assert_int_equal(consumers("{a}:events"), 1);
    expect("2", "XLEN {a}:events");
    redisReply *rows = test_ask(&server, "XPENDING {a}:events s - + 10 w");
    assert_int_equal(rows->elements, 2);
    freeReplyObject(rows);
    expect("1", "HEXISTS {s}:workers w"); /* so that it is found gone once more */
    test_do(&server, "XAUTOCLAIM {a}:events s other 0 0-0");
    expect("1", LEAVE "w 0");
    assert_int_equal(consumers("{a}:events"), 1);
    expect("0", "HEXISTS {s}:workers w");
}

static void who_is_alive_stays(void **state)
{
    (void)state;
    work(0);
    expect_untouched("0", LEAVE "w 200000");
    expect("1", LEAVE "w 60000");
}

static void missing_groups_and_streams_count_as_empty(void **state)
{
    (void)state;
    expect("1", LEAVE "w 0");
    add_worker("w", 1);
    expect("1", LEAVE "w 0");
    test_do(&server, "XADD {s}:commands * type T"); /* a stream without the group */
    test_do(&server, "SET {a}:events 1");
    add_worker("w", 1);
    expect("1", LEAVE "w 60000");
    expect("0", "EXISTS {s}:workers");
}

static void both_work_without_memory(void **state)
{
    (void)state;
    work(0);
    test_do(&server, "CONFIG SET maxmemory 1");
    expect("1", LEAVE "w 0");
    expect("[*", BEAT "w a b 1000");
    test_do(&server, "CONFIG SET maxmemory 0");
}

/* ---- The library --------------------------------------------------------------------------- */

static void the_version_is_the_program_s(void **state)
{
    (void)state;
    char wanted[16];
    snprintf(wanted, sizeof wanted, "%d", weir_function_library_version());
    expect(wanted, "FCALL weir_version 0");
    expect(wanted, "FCALL_RO weir_version 0");
    assert_int_equal(weir_function_library_version(), WEIR_FUNCTION_LIBRARY_VERSION);
}

static void it_loads_as_often_as_one_likes(void **state)
{
    (void)state;
    const char *source = weir_function_library_source();
    expect("!ERR*", "FUNCTION LOAD %s", source);
    expect("weir", "FUNCTION LOAD REPLACE %s", source);
    expect("weir", "FUNCTION LOAD REPLACE %s", source);
}

static void it_survives_a_flush_and_holds_these_functions(void **state)
{
    (void)state;
    static const char *const names[] = {
        "weir_commit",       "weir_settle",         "weir_project",   "weir_promote",
        "weir_claim",        "weir_recover",        "weir_refresh",   "weir_trim",
        "weir_beat",         "weir_leave",          "weir_witness",   "weir_version",
        "weir_expire",       "weir_count",          "weir_due_steps", "weir_forget_steps",
        "weir_retire",       "weir_turn",           "weir_rebuild",   "weir_rebuild_note",
        "weir_rebuild_step", "weir_commit_durable", "weir_alive",     "weir_settle_many",
        "weir_commit_plan",  "weir_expire_gone",    "weir_replay",    "weir_drop"};
    enum { COUNT = sizeof names / sizeof names[0] };
    test_do(&server, "FLUSHALL");
    redisReply *list = test_ask(&server, "FUNCTION LIST LIBRARYNAME weir");
    const redisReply *functions = list->element[0]->element[5];
    assert_int_equal(functions->elements, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        bool found = false;
        for (size_t at = 0; at < COUNT; at++)
            found = found || strcmp(functions->element[at]->element[1]->str, names[i]) == 0;
        if (!found)
            fail_msg("%s is missing", names[i]);
    }
    freeReplyObject(list);
}

/* ---- Bounds -------------------------------------------------------------------------------- */

#define MANY 20000

/* Data far beyond one call's share. */
static void fill(void)
{
    test_do(&server, "EVAL %s 0 %d",
            "for i = 1, ARGV[1] do redis.call('XADD', '{s}:commands', i .. '-1', 'type', 'T')"
            " redis.call('XADD', '{a}:events', i .. '-1', 'type', 'T')"
            " redis.call('ZADD', '{s}:scheduled', i, '5:' .. 10000 + i .. '4:type1:T')"
            " redis.call('HSET', '{s}:workers', i, '') end",
            MANY);
    test_do(&server, "EVAL %s 0",
            "redis.call('XGROUP', 'CREATE', '{s}:commands', 's', '0')"
            " redis.call('XREADGROUP', 'GROUP', 's', 'w', 'STREAMS', '{s}:commands', '>')");
}

/* One call does its share and no more, however much there is. */
static void every_function_is_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *call, *look, *left;
    } calls[] = {
        {"FCALL weir_promote 3 {s}:scheduled {s}:inbox {s}:dead 50", "XLEN {s}:inbox", "50"},
        {"FCALL weir_claim 2 {s}:commands {s}:dead s v 0 0-0 50", "XLEN {s}:dead", "0"},
        {"FCALL weir_recover 2 {s}:commands {s}:dead s w - 50", "XLEN {s}:dead", "0"},
        {"FCALL weir_trim 2 {a}:events {s}:readers 0 200", "XLEN {a}:events", "19800"},
        {"FCALL weir_beat 1 {s}:workers w a b 1000", "HLEN {s}:workers", "20001"},
        {"FCALL weir_alive 1 {s}:workers w a b 1000", "HLEN {s}:workers", "20001"},
        {"FCALL weir_leave 2 {s}:workers {s}:commands s w 0", "HLEN {s}:workers", "20001"},
        {"FCALL weir_refresh 1 {s}:commands s w 77-1", "XLEN {s}:commands", "20000"},
        {"FCALL weir_settle 1 {s}:commands s 77-1 1", "XLEN {s}:commands", "19999"},
        {"FCALL weir_settle_many 1 {s}:commands s 1 78-1 79-1", "XLEN {s}:commands", "19997"},
    };
    fill();
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        long long entries = 0;
        redisReply *reply = redisCommand(server.connection, calls[i].call);
        assert_non_null(reply);
        if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
            reply->element[1]->type == REDIS_REPLY_ARRAY)
            entries = (long long)reply->element[1]->elements;
        assert_true(entries == 0 || entries == 50);
        assert_true(reply->type != REDIS_REPLY_ARRAY || reply->elements <= 19);
        freeReplyObject(reply);
        expect(calls[i].left, calls[i].look);
    }
}

#define EACH(test) cmocka_unit_test_setup(test, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(refuses_another_type),
        EACH(a_beat_carries_the_time_of_the_server),
        EACH(a_sign_of_life_tells_of_library_and_namesake),
        EACH(a_witness_s_number_grows_by_one),
        EACH(who_leaves_bears_no_witness_any_more),
        EACH(the_silent_are_gone),
        EACH(what_cannot_be_read_is_gone),
        EACH(at_most_sixteen_are_named),
        EACH(leaving_takes_it_out_of_every_group),
        EACH(pending_messages_keep_the_consumer),
        EACH(who_is_alive_stays),
        EACH(missing_groups_and_streams_count_as_empty),
        EACH(both_work_without_memory),
        EACH(the_version_is_the_program_s),
        EACH(it_loads_as_often_as_one_likes),
        EACH(it_survives_a_flush_and_holds_these_functions),
        EACH(every_function_is_bounded),
    };
    return cmocka_run_group_tests_name("presence", tests, start_functions, stop_functions);
}
