/* What an error answer means, by the texts that servers really give. */
#include "redis/refusal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *text;
    enum weir_refusal refusal;
} answers[] = {
    {"NOGROUP No such key '{s}:commands' or consumer group 's' in XREADGROUP with GROUP option",
     WEIR_REFUSAL_GROUP},
    {"NOGROUP No such consumer group 's' for key name '{s}:commands'", WEIR_REFUSAL_GROUP},
    {"UNBLOCKED the stream key no longer exists", WEIR_REFUSAL_GROUP},
    {"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
     WEIR_REFUSAL_ROLE},
    {"ERR Function not found", WEIR_REFUSAL_FUNCTION},
    {"NOSCRIPT No matching script. Please use EVAL.", WEIR_REFUSAL_FUNCTION},
    {"LOADING Redis is loading the dataset in memory", WEIR_REFUSAL_SERVER},
    {"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
     WEIR_REFUSAL_SERVER},
    {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
     WEIR_REFUSAL_ROLE},
    {"CLUSTERDOWN The cluster is down", WEIR_REFUSAL_SERVER},
    {"READONLY You can't write against a read only replica.", WEIR_REFUSAL_ROLE},
    {"READONLY Can not run script with write flag on readonly replica.", WEIR_REFUSAL_ROLE},
    {"TRYAGAIN Multiple keys request during rehashing of slot", WEIR_REFUSAL_SERVER},
    {"OOM command not allowed when used memory > 'maxmemory'.", WEIR_REFUSAL_SERVER},
    {"OOM allow-oom flag is not set on the function, can not run it when used memory > 'maxmemory'",
     WEIR_REFUSAL_SERVER},
    {"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
     "disk.",
     WEIR_REFUSAL_SERVER},
    {"NOREPLICAS Not enough good replicas to write.", WEIR_REFUSAL_SERVER},
    {"ERR max number of clients reached", WEIR_REFUSAL_SERVER},
    {"ERR max number of clients + cluster connections reached", WEIR_REFUSAL_SERVER},
    {"NOAUTH Authentication required.", WEIR_REFUSAL_DENIED},
    {"WRONGPASS invalid username-password pair or user is disabled.", WEIR_REFUSAL_DENIED},
    {"NOPERM this user has no permissions to run the 'fcall' command", WEIR_REFUSAL_DENIED},
    {"ERR AUTH <password> called without any password configured for the default user. Are you "
     "sure your configuration is correct?",
     WEIR_REFUSAL_DENIED},
    {"WRONGTYPE Operation against a key holding the wrong kind of value", WEIR_REFUSAL_TYPE},
    {"WRONGTYPE key 2 is a string, not a stream", WEIR_REFUSAL_TYPE},
    {"MOVED 3999 127.0.0.1:6381", WEIR_REFUSAL_PLACE},
    {"ASK 3999 127.0.0.1:6381", WEIR_REFUSAL_PLACE},
    {"CROSSSLOT Keys in request don't hash to the same slot", WEIR_REFUSAL_PLACE},
    /* the request's own fault */
    {"BUSYGROUP Consumer Group name already exists", WEIR_REFUSAL_REQUEST},
    {"ERR syntax error", WEIR_REFUSAL_REQUEST},
    {"ERR unknown command 'FROB', with args beginning with: ", WEIR_REFUSAL_REQUEST},
    {"ERR Function", WEIR_REFUSAL_REQUEST},
    {"ERR Library 'weir' already exists", WEIR_REFUSAL_REQUEST},
    {"ERR value is not an integer or out of range", WEIR_REFUSAL_REQUEST},
    {"ERR the word NOGROUP in the middle", WEIR_REFUSAL_REQUEST},
    {"nogroup", WEIR_REFUSAL_REQUEST},
    {"EXECABORT Transaction discarded because of previous errors.", WEIR_REFUSAL_REQUEST},
    {"", WEIR_REFUSAL_REQUEST},
};

static void answers_by_their_first_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        if (weir_refusal_of(answers[i].text) != answers[i].refusal)
            fail_msg("%s: %d", answers[i].text, (int)weir_refusal_of(answers[i].text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_by_their_first_words),
    };
    return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}
