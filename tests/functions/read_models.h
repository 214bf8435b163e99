/* What the tests of read models share: the keys of the projection p of the service v, a user who
 * lacks a right, and the steps of a rebuild. */
#ifndef WEIR_TESTS_FUNCTIONS_READ_MODELS_H
#define WEIR_TESTS_FUNCTIONS_READ_MODELS_H

#include "functions.h"

#define STATUS "{v}:projection:p"
#define LIVE "{v}:checkpoint:p"
#define NEW "{v}:rebuild-checkpoint:p"
#define WRITTEN "{v}:rebuild-keys:p"
#define DONE "{v}:rebuild-done:p"
#define DIFFERENCES "{v}:rebuild-differences:p"
#define KINDS "{v}:kinds"
#define LIVES "{v}:rebuild-lives:p"
#define REBUILD_KEYS                                                                               \
    "8 " STATUS " " LIVE " " NEW " " WRITTEN " " DONE " " DIFFERENCES " " KINDS " " LIVES

/* Steps of the rebuild r1 with the sources a and b. */
#define STEP_KEYS "FCALL weir_rebuild_step " REBUILD_KEYS
#define STEP_OF(id, limit) STEP_KEYS " " id " p {v}: {v}:rebuild:p: " limit " 60000 a b"
#define STEP STEP_OF("r1", "200")

#define REBUILD "FCALL weir_rebuild " REBUILD_KEYS " "

/* All that the functions of read models call, and what stands in a commit. */
static const char *const commands[] = {
    "hset",   "hget",   "hgetall",    "hmget",     "hdel",      "hincrby",     "hlen",
    "hscan",  "sadd",   "srem",       "spop",      "scard",     "sscan",       "zadd",
    "zcard",  "zscan",  "zmscore",    "set",       "get",       "incrby",      "del",
    "unlink", "rename", "exists",     "type",      "llen",      "rpush",       "pexpire",
    "scan",   "xadd",   "smismember", "sismember", "pexpireat", "pexpiretime",
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static redisContext *limited; /* the connection of the user ann */

static inline int start_read_models(void **state)
{
    int result = start_functions(state);
    limited = redisConnectUnix(server.socket);
    return limited == NULL || limited->err ? -1 : result;
}

static inline int stop_read_models(void **state)
{
    redisFree(limited);
    return stop_functions(state);
}

/* From here on ann may do everything but that. */
static inline void forbid(const char *command)
{
    test_do(&server, "ACL SETUSER ann reset on >hush +@all ~* &* -%s", command);
    freeReplyObject(redisCommand(limited, "AUTH ann hush"));
}

/* What ann is answered. */
static inline const char *answer_to_ann(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(limited, format, arguments);
    va_end(arguments);
    return shown(reply);
}

/* Before each test: a rebuild r1 under way, and the kinds row, set, rank and sum. */
static inline int begin_rebuild(void **state)
{
    empty(state);
    test_do(&server, REBUILD "start r1 rebuild 0");
    test_do(&server, "HSET " KINDS " row p set p rank p sum p other q");
    return 0;
}

static inline void set_phase(const char *phase)
{
    test_do(&server, "HSET " STATUS " phase %s", phase);
}

static inline void expect_phase(const char *phase)
{
    expect(phase, "HGET " STATUS " phase");
}

/* Steps until all has ended; at most so many. */
static inline void step_to_the_end(int most)
{
    for (; strcmp(answer(STEP), "[]") != 0; most--)
        assert_true(most > 0);
}

#endif
