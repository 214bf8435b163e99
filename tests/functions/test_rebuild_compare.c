/* weir_rebuild_step: how a rebuilt model is compared with the live one. */
#include "read_models.h"

static int begin(void **state)
{
    begin_rebuild(state);
    test_do(&server, "HSET " STATUS " task verify phase comparing");
    test_do(&server, "HSET " LIVE " a 5-0");
    test_do(&server, "HSET " NEW " a 5-0");
    return 0;
}

/* `command`, in which '@' stands for the beginning of a key, in the live model, the rebuilt one. */
static void make(const char *command, const char *base)
{
    char line[256], *to = line;
    for (const char *at = command; *at != '\0'; at++) {
        assert_true(to - line < 200);
        if (*at == '@')
            to += sprintf(to, "{v}:%s", base);
        else
            *to++ = *at;
    }
    *to = '\0';
    test_do(&server, line);
}

static void make_both(const char *command)
{
    make(command, "");
    make(command, "rebuild:p:");
}

static void written(const char *name)
{
    test_do(&server, "SADD " WRITTEN " %s", name);
}

/* ---- Two models that are the same ---------------------------------------------------------- */

static void equal_models_have_no_differences(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "HSET @row:1 a 1 b 2", "SADD @set:1 x y 1",  "ZADD @rank:1 1 m -5 n 3 o",
        "SET @sum 7",          "SET @row:text word", "PEXPIREAT @sum 9000000000000"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        make_both(lines[i]);
    test_do(&server, "SADD " WRITTEN " row:1 set:1 rank:1 sum row:text row:nowhere");
    expect("[looking]", STEP);
    expect("[nil, 6]", "HMGET " STATUS " differing moved");
    expect("[]", "KEYS {v}:rebuild:p:*");
    expect("[a, 1, b, 2]", "HGETALL {v}:row:1");
    expect("7", "GET {v}:sum");
    expect("[clearing]", STEP);
    expect("[]", STEP);
    expect("[nil, done]", "HMGET " STATUS " differing outcome");
    expect("0", "EXISTS " DIFFERENCES " " NEW " " WRITTEN " " DONE);
    expect("[a, 5-0]", "HGETALL " LIVE);
}

/* Members that were added in another order, and that make another encoding. */
static void how_it_is_stored_makes_no_difference(void **state)
{
    (void)state;
    make("HSET @row:1 a 1 b 2", "");
    make("HSET @row:1 b 2 c 3 a 1", "rebuild:p:");
    make("HDEL @row:1 c", "rebuild:p:");
    make("SADD @set:1 1 2", "");
    make("SADD @set:1 word 2 1", "rebuild:p:");
    make("SREM @set:1 word", "rebuild:p:");
    test_do(&server, "SADD " WRITTEN " row:1 set:1");
    expect("[looking]", STEP);
    expect("0", "EXISTS " DIFFERENCES);
}

/* Scores in the form that each answer of the server gives them, in both of its encodings. */
static void great_scores_are_equal(void **state)
{
    (void)state;
    static const char *const scores[] = {"0", "-1", "1700000000000", "9007199254740993"};
    for (size_t i = 0; i < sizeof scores / sizeof scores[0]; i++) {
        char line[128];
        snprintf(line, sizeof line, "ZADD @rank:short %s m%zu", scores[i], i);
        make_both(line);
        snprintf(line, sizeof line, "ZADD @rank:long %s m%zu", scores[i], i);
        make_both(line);
    }
    for (int i = 0; i < 1000; i++) {
        char line[128];
        snprintf(line, sizeof line, "ZADD @rank:long %d n%d", i, i);
        make_both(line);
    }
    test_do(&server, "SADD " WRITTEN " rank:short rank:long");
    expect("[looking]", STEP);
    expect("0", "EXISTS " DIFFERENCES);
}

/* The server gives the score of a member in another form where it is read by a scan. */
static void the_form_of_a_score_makes_no_difference(void **state)
{
    (void)state;
    make_both("ZADD @rank:1 100000000000000000 m");
    make_both("ZADD @rank:2 -1000000000000000000 m 123456789012345678 n");
    test_do(&server, "SADD " WRITTEN " rank:1 rank:2");
    expect("[looking]", STEP);
    expect("0", "EXISTS " DIFFERENCES);
}

/* ---- Kinds of differences ------------------------------------------------------------------ */

static const struct difference {
    const char *live, *new, *wanted; /* of the key row:1 */
} differences[] = {
    {"SET @row:1 a", "SET @row:1 b", "has another value"},
    {"SET @row:1 1", "SET @row:1 01", "has another value"},
    {"SET @row:1 a", NULL, "is in the live model alone"},
    {NULL, "SET @row:1 a", "is missing in the live model"},
    {"SET @row:1 a", "HSET @row:1 a b", "is a string in the live model, a hash in the rebuilt one"},
    {"SADD @row:1 a", "ZADD @row:1 1 a", "is a set in the live model, a zset in the rebuilt one"},
    {"HSET @row:1 a 1 b 2", "HSET @row:1 a 1 b 3", "differs in b"},
    {"HSET @row:1 a 1", "HSET @row:1 a 1 b 3", "differs in b"},
    {"HSET @row:1 a 1 b 3", "HSET @row:1 a 1", "differs in b"},
    {"HSET @row:1 a 1", "HSET @row:1 b 1", "differs in b"},
    {"SADD @row:1 a b", "SADD @row:1 a", "differs in b"},
    {"SADD @row:1 a", "SADD @row:1 a b", "differs in b"},
    {"SADD @row:1 1 2", "SADD @row:1 1 3", "differs in 3"},
    {"ZADD @row:1 1 a 2 b", "ZADD @row:1 1 a 3 b", "differs in b"},
    {"ZADD @row:1 1 a", "ZADD @row:1 1 a 3 b", "differs in b"},
    {"ZADD @row:1 1 a 3 b", "ZADD @row:1 1 a", "differs in b"},
    {"ZADD @row:1 9007199254740992 a", "ZADD @row:1 9007199254740994 a", "differs in a"},
    {"SET @row:1 a PXAT 9000000000000", "SET @row:1 a", "expires at another time"},
    {"SET @row:1 a", "SET @row:1 a PXAT 9000000000000", "expires at another time"},
    {"SET @row:1 a PXAT 9000000000001", "SET @row:1 a PXAT 9000000000000",
     "expires at another time"},
};

static void each_kind_of_difference_is_told(void **state)
{
    for (size_t i = 0; i < sizeof differences / sizeof differences[0]; i++) {
        const struct difference *one = &differences[i];
        char wanted[128];
        begin(state);
        if (one->live != NULL)
            make(one->live, "");
        if (one->new != NULL)
            make(one->new, "rebuild:p:");
        test_do(&server, "SADD " WRITTEN " row:1");
        redisReply *live = test_ask(&server, "DUMP {v}:row:1");
        expect("[looking]", STEP);
        snprintf(wanted, sizeof wanted, "[row:1, %s]", one->wanted);
        expect(wanted, "LRANGE " DIFFERENCES " 0 -1");
        expect("1", "HGET " STATUS " differing");
        expect("0", "EXISTS {v}:rebuild:p:row:1");
        redisReply *after = test_ask(&server, "DUMP {v}:row:1");
        assert_int_equal(live->type, after->type);
        if (live->type == REDIS_REPLY_STRING)
            assert_memory_equal(live->str, after->str, live->len);
        freeReplyObject(live);
        freeReplyObject(after);
    }
}

static void names_and_members_are_bytes(void **state)
{
    (void)state;
    test_do(&server, "HSET {v}:row:%b %b 1", "\0*\xff", (size_t)3, "\0\r\n", (size_t)3);
    test_do(&server, "HSET {v}:rebuild:p:row:%b %b 2", "\0*\xff", (size_t)3, "\0\r\n", (size_t)3);
    test_do(&server, "SADD " WRITTEN " row:%b", "\0*\xff", (size_t)3);
    expect("[looking]", STEP);
    expect("[row:\\x00*\\xff, differs in \\x00\\x0d\\x0a]", "LRANGE " DIFFERENCES " 0 -1");
}

static void the_list_of_differences_does_not_stay(void **state)
{
    (void)state;
    make("SET @row:1 a", "");
    written("row:1");
    expect("[looking]", STEP);
    long long life = test_ask_integer(&server, "PTTL " DIFFERENCES);
    assert_in_range(life, 1, 86400000);
}

static void only_the_first_thousand_are_listed(void **state)
{
    (void)state;
    for (int i = 0; i < 1100; i++) {
        test_do(&server, "SET {v}:row:%d 1", i);
        test_do(&server, "SADD " WRITTEN " row:%d", i);
    }
    step_to_the_end(50);
    expect("1100", "HGET " STATUS " differing");
    expect("2000", "LLEN " DIFFERENCES);
}

/* ---- Pieces -------------------------------------------------------------------------------- */

static void keys_are_compared_in_pieces(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "row:%d", i);
        test_do(&server, "SET {v}:%s live", name);
        test_do(&server, "SET {v}:rebuild:p:%s new", name);
        written(name);
    }
    for (int piece = 1; piece <= 2; piece++) {
        expect("[comparing]", STEP_OF("r1", "2"));
        assert_int_equal(atoi(answer("HGET " STATUS " differing")), 2 * piece);
        assert_int_equal(atoi(answer("SCARD " WRITTEN)), 5 - 2 * piece);
        expect_untouched("[]", STEP_OF("r2", "2"));
    }
    expect("[looking]", STEP_OF("r1", "2"));
    expect("[5, 5]", "HMGET " STATUS " differing moved");
}

static void one_that_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        test_do(&server, "SET {v}:rebuild:p:row:%d new", i);
        test_do(&server, "SADD " WRITTEN " row:%d", i);
    }
    expect("[comparing]", STEP_OF("r1", "2"));
    expect("[abandoned, r1]", REBUILD "abandon");
    step_to_the_end(10);
    expect("[]", "KEYS {v}:rebuild:p:*");
    expect("abandoned", "HGET " STATUS " outcome");
}

/* ---- Keys that only the live model has ----------------------------------------------------- */

static void keys_in_the_live_model_alone_are_told_once(void **state)
{
    (void)state;
    test_do(&server, "MSET {v}:row:old 1 {v}:row:seen 1 {v}:other:1 1 {v}:person:1 1 {w}:row:1 1");
    test_do(&server, "SADD " DONE " row:seen");
    set_phase("looking");
    uint64_t before = (uint64_t)test_ask_integer(&server, "DBSIZE");
    expect("[clearing]", STEP);
    expect("[row:old, is in the live model alone]", "LRANGE " DIFFERENCES " 0 -1");
    expect("1", "HGET " STATUS " differing");
    assert_int_equal(test_ask_integer(&server, "DBSIZE"), before + 1);
    set_phase("looking"); /* a scan may give a key twice */
    expect("[clearing]", STEP);
    expect("1", "HGET " STATUS " differing");
}

static void what_the_live_model_writes_meanwhile_is_no_difference(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++)
        test_do(&server, "SET {v}:person:%d 1", i);
    set_phase("looking");
    expect("[looking]", STEP);
    expect("1",
           "FCALL weir_project 5 " LIVE " " STATUS " " KINDS " " DONE " {v}:row:live p %s {v}:"
           " 1 0 1 a 5-0 6-0 HSET 5 2 f v",
           "");
    step_to_the_end(50);
    expect("nil", "HGET " STATUS " differing");
    expect("1", "EXISTS {v}:row:live");
}

/* ---- Huge collections ---------------------------------------------------------------------- */

#define HUGE_SIZE 20000

static const struct huge {
    const char *add, *remove, *change; /* a member by its number; the last, otherwise */
} huge[] = {
    {"HSET {v}:%srow:1 m%d 1", "HDEL {v}:%srow:1 m%d", "HSET {v}:%srow:1 m%d 2"},
    {"SADD {v}:%srow:1 m%d", "SREM {v}:%srow:1 m%d", NULL},
    {"SADD {v}:%srow:1 %d", "SREM {v}:%srow:1 %d", NULL},
    {"ZADD {v}:%srow:1 1 m%d", "ZREM {v}:%srow:1 m%d", "ZADD {v}:%srow:1 2 m%d"},
};

static void apply(const char *format, const char *base, int member)
{
    redisAppendCommand(server.connection, format, base, member);
}

static void fill(const struct huge *one, const char *base)
{
    for (int i = 0; i < HUGE_SIZE; i++)
        apply(one->add, base, i);
    for (int i = 0; i < HUGE_SIZE; i++) {
        void *reply = NULL;
        assert_int_equal(redisGetReply(server.connection, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
}

static void change(const char *format, const char *base, int member)
{
    void *reply = NULL;
    apply(format, base, member);
    assert_int_equal(redisGetReply(server.connection, &reply), REDIS_OK);
    freeReplyObject(reply);
}

/* Compares row:1; it differs in that member, or not (-1). */
static void check_huge(const struct huge *one, int member)
{
    char wanted[64];
    test_do(&server, "COPY {v}:row:1 {v}:rebuild:p:row:1 REPLACE");
    test_do(&server, "DEL " DIFFERENCES " " DONE);
    written("row:1");
    set_phase("comparing");
    if (member >= 0)
        change(one->change != NULL ? one->change : one->remove, "rebuild:p:", member);
    expect("[looking]", STEP);
    snprintf(wanted, sizeof wanted, "[row:1, differs in %s%d]", strchr(one->add, 'm') ? "m" : "",
             member);
    expect(member >= 0 ? wanted : "[]", "LRANGE " DIFFERENCES " 0 -1");
}

static void huge_collections_are_compared_to_the_last_member(void **state)
{
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        begin(state);
        fill(&huge[i], "");
        check_huge(&huge[i], -1);
        check_huge(&huge[i], 0);
        check_huge(&huge[i], HUGE_SIZE - 1);
        change(huge[i].remove, "", 7777); /* fewer in the live model */
        test_do(&server, "COPY {v}:row:1 {v}:rebuild:p:row:1 REPLACE");
        change(huge[i].add, "", 7777); /* one more again */
        written("row:1");
        set_phase("comparing");
        test_do(&server, "DEL " DIFFERENCES);
        expect("[looking]", STEP);
        assert_non_null(strstr(answer("LRANGE " DIFFERENCES " 0 -1"), "7777]"));
    }
}

/* A server may be set to keep greater collections in one piece, which a scan gives in one page. */
static void check_compact(const char *setting, const struct huge *one)
{
    begin(NULL);
    redisReply *before = test_ask(&server, "CONFIG GET %s", setting);
    test_do(&server, "CONFIG SET %s 100000", setting);
    fill(one, "");
    test_do(&server, "COPY {v}:row:1 {v}:rebuild:p:row:1");
    written("row:1");
    const char *given = answer(STEP);
    test_do(&server, "CONFIG SET %s %s", setting, before->element[1]->str);
    freeReplyObject(before);
    if (strcmp(given, "[looking]") != 0)
        fail_msg("%s: %s", setting, given);
    expect("0", "EXISTS " DIFFERENCES);
}

static void one_page_may_hold_a_whole_collection(void **state)
{
    (void)state;
    check_compact("set-max-intset-entries", &huge[2]);
    check_compact("hash-max-listpack-entries", &huge[0]);
}

#define EACH(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(equal_models_have_no_differences),
        EACH(how_it_is_stored_makes_no_difference),
        EACH(great_scores_are_equal),
        EACH(the_form_of_a_score_makes_no_difference),
        EACH(each_kind_of_difference_is_told),
        EACH(names_and_members_are_bytes),
        EACH(the_list_of_differences_does_not_stay),
        EACH(only_the_first_thousand_are_listed),
        EACH(keys_are_compared_in_pieces),
        EACH(one_that_is_given_up_leaves_nothing),
        EACH(keys_in_the_live_model_alone_are_told_once),
        EACH(what_the_live_model_writes_meanwhile_is_no_difference),
        EACH(huge_collections_are_compared_to_the_last_member),
        EACH(one_page_may_hold_a_whole_collection),
    };
    return cmocka_run_group_tests_name("rebuild compare", tests, start_read_models,
                                       stop_read_models);
}
