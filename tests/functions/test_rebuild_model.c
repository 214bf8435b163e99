/* Random events folded into a live model and into its rebuild, by two callers each that know
 * nothing of one another, lag behind and repeat themselves: in the end the live model is what one
 * fold of all events makes. WEIR_TEST_SEED repeats a run. */
#include "read_models.h"
#include "support/load.h"

#define ROUNDS 8
#define EVENTS_MAX 200
#define OPERATIONS_MAX 64
#define ACTIONS_MAX 50000

/* ---- Events -------------------------------------------------------------------------------- */

/* Of one source; its place in its stream is its id. Each source has its own keys: the order between
 * sources is nobody's. */
struct event {
    unsigned kind, name, value;
};

static struct event streams[2][EVENTS_MAX];
static int lengths[2];
static bool old_program; /* folds otherwise, and makes keys that the new one does not */

static void add_event(void)
{
    unsigned source = test_random(2);
    if (lengths[source] < EVENTS_MAX)
        streams[source][lengths[source]++] =
            (struct event){test_random(13), test_random(6), test_random(1000)};
}

/* ---- Callers ------------------------------------------------------------------------------- */

struct operation {
    char key[64], words[4][32];
    int count;
};

struct caller {
    const char *checkpoint, *written, *status, *kinds; /* keys */
    const char *head;                                  /* of its model */
    bool rebuilds, bounded;
    char id[16];
    bool located, prepared;
    int at[2], next[2];
    struct operation operations[OPERATIONS_MAX];
    int count;
    bool expects; /* one of them says what has been read */
};

static void operation(struct caller *caller, const char *kind, unsigned source, unsigned name,
                      const char *first, const char *second, const char *third)
{
    const char *const words[] = {first, second, third};
    struct operation *one = &caller->operations[caller->count++];
    assert_true(caller->count < OPERATIONS_MAX);
    snprintf(one->key, sizeof one->key, "%s%s:%c%u", caller->head, kind, source == 0 ? 'a' : 'b',
             name);
    for (one->count = 0; one->count < 3 && words[one->count] != NULL; one->count++)
        snprintf(one->words[one->count], sizeof one->words[0], "%s", words[one->count]);
}

/* Reads, and writes what depends on it. */
static void fold_last(struct caller *caller, unsigned source, const struct event *event)
{
    char key[64], expected[32], value[32];
    snprintf(key, sizeof key, "%slast:%c%u", caller->head, source == 0 ? 'a' : 'b', event->name);
    char *text = test_ask_text(&server, "HGET %s n", key);
    snprintf(expected, sizeof expected, "%s%s", text != NULL ? "=" : "-", text != NULL ? text : "");
    snprintf(value, sizeof value, "%lld",
             ((text != NULL ? atoll(text) : 1) * 31 + event->value) % 1000003);
    free(text);
    operation(caller, "last", source, event->name, "EXPECT", "n", expected);
    operation(caller, "last", source, event->name, "HSET", "n", value);
    caller->expects = true;
}

static void fold(struct caller *caller, unsigned source, const struct event *event)
{
    static const struct {
        const char *kind, *verb;
        int field; /* 1: with a field or member, 2: and a value, 3: the other way about, 4: a value,
                      5: a time */
    } folds[] = {{"row", "HSET", 2},  {"row", "HINCRBY", 2}, {"row", "HDEL", 1},
                 {"set", "SADD", 1},  {"set", "SREM", 1},    {"rank", "ZADD", 3},
                 {"rank", "ZREM", 1}, {"sum", "INCRBY", 4},  {"sum", "SET", 4},
                 {"row", "DEL", 0},   {"set", "DEL", 0},     {"row", "PEXPIREAT", 5}};
    char member[16], value[32];
    unsigned kind = event->kind;
    if (old_program)
        operation(caller, "gone", source, event->name, "INCRBY", "1", NULL);
    if (kind >= sizeof folds / sizeof folds[0]) {
        fold_last(caller, source, event);
        return;
    }
    snprintf(member, sizeof member, "m%u", event->value % 5);
    if (folds[kind].field == 5)
        snprintf(value, sizeof value, "9000000000%03u", (event->value + old_program) % 1000);
    else
        snprintf(value, sizeof value, "%u", (event->value + old_program) % 1000);
    operation(caller, folds[kind].kind, source, event->name, folds[kind].verb,
              folds[kind].field == 0   ? NULL
              : folds[kind].field >= 3 ? value
                                       : member,
              folds[kind].field == 2   ? value
              : folds[kind].field == 3 ? member
                                       : NULL);
}

static void read_positions(const char *checkpoint, int at[2])
{
    redisReply *reply = test_ask(&server, "HMGET %s a b", checkpoint);
    for (int i = 0; i < 2; i++)
        at[i] = reply->element[i]->type == REDIS_REPLY_STRING ? atoi(reply->element[i]->str) : 0;
    freeReplyObject(reply);
}

static void learn(struct caller *caller)
{
    redisReply *reply = test_ask(&server, "HMGET %s rebuild task", caller->status);
    snprintf(caller->id, sizeof caller->id, "%s",
             reply->element[0]->str != NULL ? reply->element[0]->str : "none");
    caller->bounded =
        reply->element[1]->str != NULL && strcmp(reply->element[1]->str, "verify") == 0;
    freeReplyObject(reply);
    caller->located = false;
}

/* Folds some of what is there; the commit comes later. */
static void prepare(struct caller *caller)
{
    int bounds[2] = {lengths[0], lengths[1]};
    caller->count = 0;
    caller->expects = caller->prepared = false;
    if (!caller->located)
        read_positions(caller->checkpoint, caller->at);
    caller->located = true;
    if (caller->bounded)
        read_positions(LIVE, bounds);
    for (unsigned source = 0; source < 2; source++) {
        caller->next[source] = caller->at[source];
        for (unsigned wanted = test_random(6); wanted > 0; wanted--) {
            const struct event *event = &streams[source][caller->next[source]];
            if (caller->next[source] >= bounds[source] || (caller->expects && event->kind == 12))
                break;
            fold(caller, source, event);
            caller->next[source]++;
            caller->prepared = true;
        }
    }
}

static void add_positions(const struct caller *caller, struct words *words, char room[2][2][16])
{
    int moved = 0;
    for (int i = 0; i < 2; i++)
        moved += caller->next[i] > caller->at[i];
    add_word(words, moved == 2 ? "2" : "1");
    for (int i = 0; i < 2; i++) {
        if (caller->next[i] == caller->at[i])
            continue;
        snprintf(room[i][0], 16, "%d-0", caller->at[i]);
        snprintf(room[i][1], 16, "%d-0", caller->next[i]);
        add_word(words, i == 0 ? "a" : "b");
        add_word(words, caller->at[i] > 0 ? room[i][0] : "");
        add_word(words, room[i][1]);
    }
}

static const char *send(const struct caller *caller)
{
    static struct words words;
    static const char *const kinds[] = {"row", "set", "rank", "sum", "last", "gone"};
    char keys[16], events[16], positions[2][2][16], places[OPERATIONS_MAX][2][16];
    words.count = 0;
    snprintf(keys, sizeof keys, "%d", 4 + caller->count);
    snprintf(events, sizeof events, "%d",
             caller->next[0] - caller->at[0] + caller->next[1] - caller->at[1]);
    const char *const head[] = {"FCALL",        "weir_project", keys,           caller->checkpoint,
                                caller->status, caller->kinds,  caller->written};
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        add_word(&words, head[i]);
    for (int i = 0; i < caller->count; i++)
        add_word(&words, caller->operations[i].key);
    const char *const behind[] = {"p", caller->rebuilds ? caller->id : "", caller->head, events,
                                  "6"};
    for (size_t i = 0; i < sizeof behind / sizeof behind[0]; i++)
        add_word(&words, behind[i]);
    for (size_t i = 0; i < 6; i++)
        add_word(&words, kinds[i]);
    add_positions(caller, &words, positions);
    for (int i = 0; i < caller->count; i++) {
        snprintf(places[i][0], 16, "%d", 5 + i);
        snprintf(places[i][1], 16, "%d", caller->operations[i].count - 1);
        add_word(&words, caller->operations[i].words[0]);
        add_word(&words, places[i][0]);
        add_word(&words, places[i][1]);
        for (int j = 1; j < caller->operations[i].count; j++)
            add_word(&words, caller->operations[i].words[j]);
    }
    return answer_words(&words);
}

static void commit(struct caller *caller)
{
    const char *given = send(caller);
    bool done = strcmp(given, "1") == 0;
    caller->prepared = false;
    if (done)
        memcpy(caller->at, caller->next, sizeof caller->at);
    else if (strncmp(given, "[moved", 6) != 0 && strncmp(given, "[conflict", 9) != 0 &&
             strcmp(given, "[held]") != 0)
        fail_msg("a commit was answered %s", given);
    /* now and then the answer is lost, or the process ends and another begins */
    if (!done || test_random(8) == 0)
        caller->located = false;
    if (!done && caller->rebuilds)
        learn(caller);
}

static void act(struct caller *caller)
{
    if (caller->prepared && test_random(3) > 0)
        commit(caller);
    else if (!caller->prepared)
        prepare(caller);
}

/* ---- Rebuilds ------------------------------------------------------------------------------ */

static struct caller callers[4];
static int begun, wishes; /* rebuilds; pauses and the like of this one */

static void begin_callers(void)
{
    for (int i = 0; i < 4; i++)
        callers[i] = (struct caller){.id = "none",
                                     .rebuilds = i >= 2,
                                     .status = STATUS,
                                     .kinds = KINDS,
                                     .checkpoint = i >= 2 ? NEW : LIVE,
                                     .written = i >= 2 ? WRITTEN : DONE,
                                     .head = i >= 2 ? "{v}:rebuild:p:" : "{v}:"};
}

static void step(const struct caller *caller)
{
    char limit[16];
    snprintf(limit, sizeof limit, "%u", 1 + test_random(20));
    const char *given =
        answer(STEP_KEYS " %s p {v}: {v}:rebuild:p: %s 60000 a b", caller->id, limit);
    if (given[0] != '[')
        fail_msg("a step was answered %s", given);
}

static void start(const char *task)
{
    char id[16];
    snprintf(id, sizeof id, "r%d", ++begun);
    wishes = 0;
    expect("[started, *", REBUILD "start %s %s 0", id, task);
}

/* Returns whether it has ended, and not by being given up. */
static bool wish(const char *task)
{
    if (strcmp(answer("HGET " STATUS " phase"), "nil") == 0) {
        if (strcmp(answer("HGET " STATUS " outcome"), "done") == 0)
            return true;
        start(task);
    } else if (test_random(30) == 0 && wishes++ < 4) {
        static const char *const verbs[] = {"pause", "abandon"};
        (void)answer(REBUILD "%s", verbs[test_random(2)]);
    } else if (test_random(10) == 0) {
        const char *given = answer(REBUILD "start none %s 0", task);
        if (strncmp(given, "[resumed", 8) != 0 &&
            strncmp(given, "[refused, the one before", 24) != 0)
            fail_msg("answer %s", given);
    }
    return false;
}

static void run_to_its_end(const char *task)
{
    int actions = 0;
    start(task);
    while (!wish(task)) {
        struct caller *caller = &callers[test_random(4)];
        if (++actions > ACTIONS_MAX)
            fail_msg("it does not end: %s", answer("HGETALL " STATUS));
        if (test_random(4) == 0)
            add_event();
        if (caller->rebuilds && test_random(6) == 0)
            learn(caller);
        if (caller->rebuilds && test_random(3) == 0)
            step(caller);
        else
            act(caller);
    }
}

static void fold_all(struct caller *caller)
{
    for (int actions = 0; actions < ACTIONS_MAX; actions++) {
        int at[2];
        read_positions(caller->checkpoint, at);
        if (at[0] == lengths[0] && at[1] == lengths[1])
            return;
        act(caller);
    }
    fail_msg("a fold does not end");
}

/* ---- What comes out ------------------------------------------------------------------------ */

/* All keys of the kinds with their content and lives, in one text. */
static char *content(const char *head)
{
    return test_ask_text(
        &server, "EVAL %s 0 %s",
        "local read = { hash = 'HGETALL', set = 'SMEMBERS', zset = 'ZRANGE' } "
        "local kinds = { row = 1, set = 1, rank = 1, sum = 1, last = 1, gone = 1 } "
        "local lines = {} "
        "for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do "
        "  local name, kind = key:sub(#ARGV[1] + 1), redis.call('TYPE', key).ok "
        "  local values = {} "
        "  if kind == 'string' then values = { redis.call('GET', key) } "
        "  elseif kind == 'zset' then values = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') "
        "  elseif kind == 'set' then values = redis.call('SMEMBERS', key) table.sort(values) "
        "  elseif kind == 'hash' then "
        "    local fields = redis.call('HGETALL', key) "
        "    for i = 1, #fields, 2 do values[#values + 1] = fields[i] .. '=' .. fields[i + 1] end "
        "    table.sort(values) "
        "  end "
        "  if kinds[name:match('^[^:]*')] then "
        "    lines[#lines + 1] = name .. ' ' .. kind .. redis.call('PEXPIRETIME', key) .. ' ' .. "
        "      table.concat(values, ' ') "
        "  end "
        "end "
        "table.sort(lines) "
        "return table.concat(lines, '\\n')",
        head);
}

static void expect_fresh_fold(void)
{
    static struct caller fresh;
    fresh = (struct caller){.checkpoint = "{w}:checkpoint:p",
                            .written = "{w}:rebuild-done:p",
                            .status = "{w}:projection:p",
                            .kinds = "{w}:kinds",
                            .head = "{w}:"};
    fold_all(&fresh);
    char *live = content("{v}:"), *wanted = content("{w}:");
    if (strcmp(live, wanted) != 0)
        fail_msg("the live model is\n%s\nand not\n%s", live, wanted);
    assert_true(strlen(live) > 0);
    free(live);
    free(wanted);
    expect("[]", "KEYS {v}:rebuild*");
    expect("3", "EXISTS {v}:other:1 {v}:person:a1 {vv}:row:a1");
}

static void rebuilt_models_are_a_fresh_fold(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        empty(state);
        begun = lengths[0] = lengths[1] = 0;
        test_do(&server, "MSET {v}:other:1 1 {v}:person:a1 1 {vv}:row:a1 1");
        test_do(&server, "HSET " KINDS " other q");
        begin_callers();
        old_program = true;
        for (int i = 0; i < 60; i++)
            add_event();
        fold_all(&callers[0]);
        old_program = false;
        run_to_its_end("rebuild");
        fold_all(&callers[1]);
        expect_fresh_fold();
        run_to_its_end("verify");
        expect("nil", "HGET " STATUS " differing");
        fold_all(&callers[0]);
        expect_fresh_fold();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rebuilt_models_are_a_fresh_fold, empty),
    };
    return cmocka_run_group_tests_name("rebuild model", tests, start_read_models, stop_read_models);
}
