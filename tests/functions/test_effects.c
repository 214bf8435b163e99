/* Effects that were merged here and committed there come to the same as one command after another.
 * Random histories; the seed is printed, WEIR_TEST_SEED repeats a run from that history. */
#include "functions.h"

#include <inttypes.h>

#include "base/backoff.h"
#include "message/effects.h"

#define HISTORIES 300
#define STEPS 25

static const char *const key_names[] = {"{s}:a", "{s}:b"};
static const char *const field_names[] = {"f", "g", "h", "\xff\r\n", ""};

enum { KEYS = 2, FIELDS = 5 };

/* Commits the effects for message 1-1, pending for one worker. */
static const char *commit(const struct weir_effects *effects)
{
    static struct weir_arguments arguments;
    const char *head_keys[] = {"{s}:commands"}, *head[] = {"s", "1-1", "0"};
    test_do(&server, "XGROUP SETID {s}:commands s 0");
    test_do(&server, "XREADGROUP GROUP s w STREAMS {s}:commands >");
    assert_int_equal(weir_effects_call(effects, &arguments, "weir_commit", head_keys, 1, head, 3),
                     WEIR_OK);
    const char *given = shown(
        redisCommandArgv(server.connection, (int)arguments.count, arguments.at, arguments.lengths));
    weir_arguments_close(&arguments);
    return given;
}

/* The same step asked of the server at once, on a key of its own; false: it refused. */
static bool at_once(const char *verb, const char *key, const char *field, const char *value)
{
    redisReply *reply;
    if (strcmp(verb, "DEL") == 0)
        reply = redisCommand(server.connection, "DEL plain%s", key);
    else if (strcmp(verb, "HDEL") == 0)
        reply = redisCommand(server.connection, "HDEL plain%s %s", key, field);
    else
        reply = redisCommand(server.connection, "%s plain%s %s %s", verb, key, field, value);
    bool done = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    return done;
}

static bool move(struct weir_effects *effects, struct weir_random *random)
{
    const char *key = key_names[weir_random_below(random, KEYS)];
    const char *field = field_names[weir_random_below(random, FIELDS)];
    int64_t number = (int64_t)weir_random_below(random, 200) - 100;
    char value[32];
    snprintf(value, sizeof value, "%" PRId64, number);
    switch (weir_random_below(random, 10)) {
    case 0:
        weir_effects_plain(effects, "DEL", key, NULL, 0);
        return at_once("DEL", key, field, value);
    case 1:
    case 2:
        weir_effects_remove(effects, key, field);
        return at_once("HDEL", key, field, value);
    case 3:
    case 4:
    case 5:
        if (weir_random_below(random, 30) == 0)
            strcpy(value, "text");
        weir_effects_set(effects, key, field, weir_slice_of(value));
        return at_once("HSET", key, field, value);
    default:
        weir_effects_add(effects, key, field, number);
        return at_once("HINCRBY", key, field, value);
    }
}

static void compare(uint64_t seed)
{
    for (size_t key = 0; key < KEYS; key++) {
        const char *name = key_names[key];
        assert_int_equal(test_ask_integer(&server, "HLEN %s", name),
                         test_ask_integer(&server, "HLEN plain%s", name));
        for (size_t field = 0; field < FIELDS; field++) {
            const char *given = answer("HGET %s %s", name, field_names[field]);
            const char *wanted = answer("HGET plain%s %s", name, field_names[field]);
            if (strcmp(given, wanted) != 0)
                fail_msg("seed %" PRIu64 ", %s %zu: %s, not %s", seed, name, field, given, wanted);
        }
    }
}

/* Fills some fields first, in both places; not always with a number. */
static void store(struct weir_random *random)
{
    for (size_t key = 0; key < KEYS; key++)
        for (size_t field = 0; field < FIELDS; field++) {
            const char *value = weir_random_below(random, 30) == 0 ? "text" : "17";
            if (weir_random_below(random, 2) == 0)
                continue;
            test_do(&server, "HSET %s %s %s", key_names[key], field_names[field], value);
            at_once("HSET", key_names[key], field_names[field], value);
        }
}

/* Returns whether it was committed. */
static bool check_history(uint64_t seed)
{
    struct weir_effects effects = {0};
    struct weir_random random;
    bool fine = true;
    weir_random_init(&random, seed);
    empty(NULL);
    test_do(&server, "XADD {s}:commands 1-1 type T");
    test_do(&server, "XGROUP CREATE {s}:commands s 0");
    store(&random);
    for (int step = 0; step < STEPS && fine; step++)
        fine = move(&effects, &random);
    if (fine && weir_rare_error_status(&effects.error) != WEIR_OK)
        fail_msg("seed %" PRIu64 ": %s", seed, weir_rare_error_text(&effects.error));
    if (fine) {
        const char *given = commit(&effects);
        /* what is stored is looked at even where it is deleted first: that may refuse more */
        fine = strncmp(given, "[refused, ", 10) != 0;
        if (fine && strcmp(given, "1") != 0)
            fail_msg("seed %" PRIu64 ": %s", seed, given);
        if (fine)
            compare(seed);
    }
    weir_effects_close(&effects);
    return fine;
}

static void merged_effects_come_to_the_same(void **state)
{
    (void)state;
    const char *wish = getenv("WEIR_TEST_SEED");
    uint64_t seed = wish ? strtoull(wish, NULL, 10) : weir_random_seed() % 1000000000;
    int committed = 0;
    print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
    for (uint64_t round = 0; round < HISTORIES; round++)
        committed += check_history(seed + round);
    assert_true(committed > HISTORIES / 4);
}

static void hashes_larger_than_one_operation_are_committed(void **state)
{
    (void)state;
    struct weir_effects effects = {0};
    char field[32];
    empty(NULL);
    test_do(&server, "XADD {s}:commands 1-1 type T");
    test_do(&server, "XGROUP CREATE {s}:commands s 0");
    for (int i = 0; i < 10000; i++) {
        snprintf(field, sizeof field, "f%d", i);
        weir_effects_set(&effects, "{s}:large", field, weir_slice_of(field));
    }
    check_answer(__FILE__, __LINE__, "1", commit(&effects));
    expect("10000", "HLEN {s}:large");
    expect("f9999", "HGET {s}:large f9999");
    weir_effects_close(&effects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_effects_come_to_the_same),
        cmocka_unit_test(hashes_larger_than_one_operation_are_committed),
    };
    return cmocka_run_group_tests_name("effects", tests, start_functions, stop_functions);
}
