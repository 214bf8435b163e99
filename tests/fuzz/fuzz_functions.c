/* The server's functions on a real server, called with any arguments, over any data: no call ends
 * in the middle. An answer that says that nothing was done is true, and an error is one of those
 * that the functions' headers name, never one of the script itself.
 *
 * An input is a run of calls: one byte picks the function with a call that fits it, then come
 * changes of its keys and arguments. Some bytes stand for a plain command that spoils the data. */
#include "functions/functions.h"

#include "fuzz/bytes.h"

#define KEYS_MAX 12
#define ARGUMENTS_MAX 96
#define CALLS_MAX 6

static const char *const key_names[] = {
    "{s}:commands",
    "{s}:dead",
    "{s}:scheduled",
    "{s}:events",
    "{s}:readers",
    "{s}:workers",
    "{s}:steps",
    "{s}:hash",
    "{s}:string",
    "{s}:set",
    "{s}:list",
    "{s}:absent",
    "{v}:projection:p",
    "{v}:checkpoint:p",
    "{v}:rebuild-checkpoint:p",
    "{v}:rebuild-keys:p",
    "{v}:rebuild-done:p",
    "{v}:differences:p",
    "{v}:kinds",
    "{v}:lives:p",
    "{v}:x:1",
    "{v}~x:1",
    "{s}:full",
    "{s}:seen:1",
    "{s}:witness",
};

static const char *const words[] = {
    "",
    "0",
    "1",
    "2",
    "3",
    "-1",
    "10",
    "100",
    "60000",
    "9007199254740992",
    "9223372036854775807",
    "99999999999999999999",
    "1.5",
    "1e3",
    "0x10",
    "nan",
    "inf",
    "-inf",
    " 1",
    "01",
    "x",
    "y",
    "s",
    "c",
    "d",
    "n",
    "big",
    "text",
    "p",
    "r1",
    "r2",
    "1-1",
    "1-2",
    "1-3",
    "1-4",
    "9-9",
    "0-0",
    "-",
    "+",
    "(1-1",
    "1-",
    "1-x",
    "start",
    "pause",
    "abandon",
    "rebuild",
    "verify",
    "building",
    "swapping",
    "comparing",
    "sweeping",
    "looking",
    "dropping",
    "emptying",
    "clearing",
    "phase",
    "task",
    "paused",
    "hold",
    "cursor",
    "running",
    "stopped",
    "{v}:",
    "{v}~",
    "{s}:events",
    "a b",
    "=7",
    "=x",
    "x:1",
    "done",
    "done {s}:events 1-1",
    "refused 1-1 why",
    "{\"heartbeat\":",
    "}",
    "4:type1:X",
    "\r\n-ERR x",
    "field",
    "lag",
    "a",
    "owner",
    "until",
    "trying",
};

static const char *const operations[] = {
    "HSET",   "HDEL",   "HINCRBY", "SADD",      "SREM",   "ZADD", "ZREM",
    "INCRBY", "DEL",    "PEXPIRE", "PEXPIREAT", "SET",    "XADD", "SCHEDULE",
    "EXPECT", "BEFORE", "EXISTS",  "DONE",      "FAILED",
};

static const struct call_shape {
    const char *function;
    const char *keys;      /* letters: 'a' is the first of key_names */
    const char *arguments; /* divided by '|' */
} shapes[] = {
    {"weir_commit", "acdhijlxw", "s|1-1|1"},
    {"weir_settle", "acdhijlxw", "s|1-2|0"},
    {"weir_claim", "ab", "s|d|0|0-0|10"},
    {"weir_recover", "ab", "s|c|-|10"},
    {"weir_refresh", "a", "s|c|1-1|1-2|1-4"},
    {"weir_promote", "cab", "10"},
    {"weir_project", "nmsqud", "p||{v}:|1|1|x|1|{s}:events|1-1|1-2"},
    {"weir_project", "onspvd", "p|r1|{v}~|2|0|1|{s}:events||1-2"},
    {"weir_turn", "m", "c|60000|running||||0|1"},
    {"weir_rebuild", "mnopqrst", "start|r2|rebuild|1"},
    {"weir_rebuild_note", "m", "r1|event|x|total|7"},
    {"weir_rebuild_step", "mnopqrst", "r1|p|{v}:|{v}~|10|100|{s}:events"},
    {"weir_beat", "f", "c|{\"heartbeat\":|}|1000"},
    {"weir_leave", "fad", "s|c|0"},
    {"weir_leave", "fady", "s|c|0|witness"},
    {"weir_witness", "y", "c"},
    {"weir_count", "cg", ""},
    {"weir_expire", "cg", "0|10"},
    {"weir_expire_gone", "g", "0|-inf|10|{s}:"},
    {"weir_due_steps", "g", "10"},
    {"weir_forget_steps", "ghi", "m1|m2"},
    {"weir_retire", "de", "s|0|0"},
    {"weir_trim", "de", "0|10|1"},
    {"weir_version", "", ""},
    {"weir_alive", "f", "c|{\"heartbeat\":|}|1000"},
    {"weir_settle_many", "a", "s|1|1-1|1-2|1-4"},
    {"weir_settle_many", "a", "s|run|1-1|1-2|1-3"},
};

/* What the data is like before the first call: something of everything, some of it odd. */
static const char *const scene[] = {
    "FLUSHALL",
    "XADD {s}:commands 1-1 type A",
    "XADD {s}:commands 1-2 type B",
    "XADD {s}:commands 1-3 type C",
    "XADD {s}:commands 1-4 type D",
    "XGROUP CREATE {s}:commands s 0",
    "XREADGROUP GROUP s c COUNT 3 STREAMS {s}:commands >",
    "XDEL {s}:commands 1-2",
    "XADD {s}:events 1-1 type A",
    "XADD {s}:events 1-2 type B",
    "XGROUP CREATE {s}:events s 0",
    "XREADGROUP GROUP s c COUNT 1 STREAMS {s}:events >",
    "XADD {s}:full 18446744073709551615-18446744073709551615 a b",
    "ZADD {s}:scheduled 1 1:t4:type1:X 2 1:t3:odd 3 torn 4 9:x 99999999999999 1:u4:type1:Y",
    "ZADD {s}:steps 1 m1 2 m2 99999999999999 m3",
    "HSET {s}:readers v/p 1-1 v/odd x",
    "HSET {s}:hash n 7 big 9223372036850000000 text x",
    "HSET {s}:workers c {\"heartbeat\":1} old {} odd x",
    "SET {s}:string 7",
    "SADD {s}:set a b",
    "RPUSH {s}:list a",
    "SET {s}:seen:1 refused",
    "HSET {s}:witness c 7 d x",
    "HSET {v}:projection:p rebuild r1 task rebuild phase building owner d until 1 trying e",
    "HSET {v}:checkpoint:p {s}:events 1-1",
    "HSET {v}:rebuild-checkpoint:p {s}:events 1-1",
    "SADD {v}:rebuild-keys:p x:1 x:2",
    "SADD {v}:rebuild-done:p x:3",
    "HSET {v}:kinds x p y other",
    "HSET {v}:lives:p x:1 99999999999999",
    "HSET {v}:x:1 a 1",
    "HSET {v}~x:1 a 2",
};

/* Commands with one key and three words, for what people and other programs may do. */
static const char *const spoilers[] = {
    "HSET %s %s %s",        "SET %s %s%s",     "DEL %s",
    "SADD %s %s %s",        "ZADD %s 1 %s%s",  "RPUSH %s %s %s",
    "XGROUP DESTROY %s %s", "XADD %s * %s %s", "XTRIM %s MAXLEN 0",
};

/* Answers count as coverage. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t seen[8192];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return start_functions(NULL);
}

static void read_all(size_t count)
{
    void *reply = NULL;
    for (; count > 0; count--) {
        HOLDS(redisGetReply(server.connection, &reply) == REDIS_OK);
        freeReplyObject(reply);
    }
}

static void set_scene(void)
{
    size_t count = sizeof scene / sizeof scene[0];
    for (size_t i = 0; i < count; i++)
        redisAppendCommand(server.connection, scene[i]);
    read_all(count);
}

/* A sum over all keys, their content and their lives, in one question. Of streams the last id is
 * left out: entries that were appended and taken back move it on. */
static const char sum_script[] =
    "local function flat(value)\n"
    "  if type(value) ~= 'table' then return tostring(value) .. ' ' end\n"
    "  local parts = {}\n"
    "  for _, part in ipairs(value) do parts[#parts + 1] = flat(part) end\n"
    "  return '(' .. table.concat(parts) .. ')'\n"
    "end\n"
    "local function stream(key)\n"
    "  local about, parts = redis.call('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0), {}\n"
    "  for i = 1, #about, 2 do\n"
    "    if about[i] == 'entries-added' or about[i] == 'entries' or about[i] == 'groups' then\n"
    "      parts[#parts + 1] = flat(about[i + 1])\n"
    "    end\n"
    "  end\n"
    "  return table.concat(parts)\n"
    "end\n"
    "local keys, all = redis.call('KEYS', '*'), {}\n"
    "table.sort(keys)\n"
    "for _, key in ipairs(keys) do\n"
    "  if ARGV[1] == 'persist' then redis.call('PERSIST', key) end\n"
    "  local is_stream = redis.call('TYPE', key).ok == 'stream'\n"
    "  all[#all + 1] = key .. redis.call('PEXPIRETIME', key)\n"
    "      .. (is_stream and stream(key) or redis.call('DUMP', key))\n"
    "end\n"
    "return redis.sha1hex(table.concat(all))";

static char *sum_of_all(const char *prepare)
{
    return test_ask_text(&server, "EVAL %s 0 %s", sum_script, prepare);
}

static bool is_as_before(const char *sum)
{
    char *now = sum_of_all("look");
    bool same = strcmp(now, sum) == 0;
    free(now);
    return same;
}

/* ---- Calls --------------------------------------------------------------------------------- */

struct vector {
    char *at[3 + KEYS_MAX + ARGUMENTS_MAX];
    size_t lengths[3 + KEYS_MAX + ARGUMENTS_MAX];
    size_t count;
};

static void add(struct vector *vector, const char *bytes, size_t length)
{
    if (vector->count >= sizeof vector->at / sizeof vector->at[0])
        return;
    vector->at[vector->count] = copy_bytes(bytes, length);
    vector->lengths[vector->count++] = length;
}

static void add_string(struct vector *vector, const char *word)
{
    add(vector, word, strlen(word));
}

static const char *a_key(struct bytes *bytes)
{
    return key_names[take_below(bytes, sizeof key_names / sizeof key_names[0])];
}

static const char *a_word(struct bytes *bytes)
{
    return words[take_below(bytes, sizeof words / sizeof words[0])];
}

static void add_any(struct vector *vector, struct bytes *bytes)
{
    uint8_t byte = take_byte(bytes);
    if (byte < 0xc0) {
        add_string(vector, words[byte % (sizeof words / sizeof words[0])]);
    } else if (byte < 0xe0) {
        add_string(vector, a_key(bytes));
    } else {
        struct weir_slice raw = take_slice(bytes);
        add(vector, raw.at, raw.length);
    }
}

/* One that may fit: its name, a place among the keys, its number of arguments, and those. */
static void add_operation(struct vector *vector, struct bytes *bytes, size_t key_count)
{
    char number[24];
    size_t count = take_below(bytes, 5);
    add_string(vector, operations[take_below(bytes, sizeof operations / sizeof operations[0])]);
    snprintf(number, sizeof number, "%zu", 1 + take_below(bytes, key_count + 1));
    add_string(vector, number);
    snprintf(number, sizeof number, "%zu", count);
    add_string(vector, number);
    for (; count > 0; count--)
        add_any(vector, bytes);
}

static size_t add_keys(struct vector *vector, struct bytes *bytes, const char *letters)
{
    char number[24];
    uint8_t how = take_byte(bytes);
    size_t count = strlen(letters), other = how < 0x80 ? KEYS_MAX : take_below(bytes, KEYS_MAX);
    if (how % 16 == 15)
        count = take_below(bytes, KEYS_MAX);
    snprintf(number, sizeof number, "%zu", count);
    add_string(vector, number);
    for (size_t i = 0; i < count; i++)
        add_string(vector,
                   i == other || i >= strlen(letters) ? a_key(bytes) : key_names[letters[i] - 'a']);
    return count;
}

static void add_arguments(struct vector *vector, struct bytes *bytes, const char *text,
                          size_t key_count)
{
    uint8_t how = take_byte(bytes);
    size_t change[2] = {ARGUMENTS_MAX, ARGUMENTS_MAX}, place = 0;
    for (size_t i = 0; i < how % 3u; i++)
        change[i] = take_below(bytes, 12);
    while (*text != '\0' && (how < 0xe0 || place < how % 8u)) {
        size_t length = strcspn(text, "|");
        if (place == change[0] || place == change[1])
            add_any(vector, bytes);
        else
            add(vector, text, length);
        place++;
        text += length + (text[length] == '|');
    }
    for (size_t more = how < 0x40 ? 0 : take_below(bytes, 5); more > 0; more--) {
        if (how & 8)
            add_any(vector, bytes);
        else
            add_operation(vector, bytes, key_count);
    }
}

/* ---- Answers ------------------------------------------------------------------------------- */

/* What Lua itself says, not a command that it called. */
static bool is_error_of_the_script(const char *text)
{
    return strncmp(text, "ERR user_function:", 18) == 0 ||
           strncmp(text, "ERR Lua redis", 13) == 0 ||
           strncmp(text, "ERR Wrong number of args", 24) == 0 ||
           strncmp(text, "ERR Unknown Redis command", 25) == 0;
}

static bool is_named(const char *text)
{
    static const char *const prefixes[] = {"ERR ", "WRONGTYPE ", "NOGROUP ", "NOPERM "};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            return !is_error_of_the_script(text);
    return false;
}

/* Whether the answer says that nothing was written. */
static bool says_nothing_written(const struct call_shape *shape, const redisReply *reply)
{
    static const char *const ends[] = {"conflict", "refused", "moved",  "held",
                                       "none",     "active",  "pending"};
    bool commits = strcmp(shape->function, "weir_commit") == 0 ||
                   strncmp(shape->function, "weir_settle", strlen("weir_settle")) == 0;
    if (reply->type == REDIS_REPLY_ERROR)
        return strcmp(shape->function, "weir_expire") != 0; /* as its header says */
    if (commits && reply->type == REDIS_REPLY_INTEGER)
        return reply->integer == 0;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        reply->element[0]->type != REDIS_REPLY_STRING)
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(reply->element[0]->str, ends[i]) == 0)
            return true;
    return false;
}

/* Without digits, which are times. */
static void count_as_seen(const struct call_shape *shape, const char *text)
{
    uint32_t sum = (uint32_t)(shape - shapes) + 7;
    for (size_t i = 0; text[i] != '\0' && i < 60; i++)
        if (text[i] < '0' || text[i] > '9')
            sum = (sum ^ (uint8_t)text[i]) * 16777619u;
    seen[(sum >> 8) % sizeof seen] = 1;
}

static void show_call(const struct vector *vector, const char *text)
{
    for (size_t i = 0; i < vector->count; i++)
        fprintf(stderr, " \"%.*s\"", (int)vector->lengths[i], vector->at[i]);
    fprintf(stderr, "\n -> %s\n", text);
}

static void call(struct bytes *bytes)
{
    const struct call_shape *shape = &shapes[take_below(bytes, sizeof shapes / sizeof shapes[0])];
    struct vector vector = {.count = 0};
    add_string(&vector, "FCALL");
    add_string(&vector, shape->function);
    add_arguments(&vector, bytes, shape->arguments, add_keys(&vector, bytes, shape->keys));
    char *before = sum_of_all("persist"); /* lives that are short would end by themselves */
    redisReply *reply = redisCommandArgv(server.connection, (int)vector.count,
                                         (const char **)(uintptr_t)vector.at, vector.lengths);
    HOLDS(reply != NULL);
    struct weir_text text = {0};
    weir_text_append_string(&text, " ");
    show(&text, reply);
    bool fine = reply->type != REDIS_REPLY_ERROR || is_named(reply->str);
    bool true_answer = !says_nothing_written(shape, reply) || is_as_before(before);
    if (!fine || !true_answer)
        show_call(&vector, text.at);
    HOLDS(fine);
    HOLDS(true_answer);
    count_as_seen(shape, text.at);
    weir_text_close(&text);
    free(before);
    freeReplyObject(reply);
    for (size_t i = 0; i < vector.count; i++)
        free(vector.at[i]);
}

static void spoil(struct bytes *bytes)
{
    const char *format = spoilers[take_below(bytes, sizeof spoilers / sizeof spoilers[0])];
    const char *key = a_key(bytes), *one = a_word(bytes), *other = a_word(bytes);
    freeReplyObject(redisCommand(server.connection, format, key, one, other));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    set_scene();
    for (unsigned i = 0; i < CALLS_MAX && bytes.left > 0; i++) {
        if (bytes.at[0] >= 0xe0) {
            take_byte(&bytes);
            spoil(&bytes);
        } else {
            call(&bytes);
        }
    }
    return 0;
}
