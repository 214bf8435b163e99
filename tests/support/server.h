/* A private redis-server for one test program, and running programs against it.
 *
 *     struct test_server server;
 *     test_server_start(&server, "redis", NULL);         // in ./redis, on ./redis/redis.sock
 *     setenv("REDIS_URL", server.url, 1);
 *     struct test_run run =
 *         test_run((const char *[]){test_program("weir"), "sagas", NULL}, NULL, 5000);
 *     assert_int_equal(run.code, 0);
 *     test_run_close(&run);
 *     test_server_stop(&server, SIGTERM);
 *
 * Nothing here listens on a TCP port. Whatever goes wrong here fails the running cmocka test (or
 * the group's setup) with a sentence. All waits have a limit and end as soon as they can. */
#ifndef WEIR_TESTS_SUPPORT_SERVER_H
#define WEIR_TESTS_SUPPORT_SERVER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TEST_PATH_MAX 1024

struct test_server {
    pid_t pid;                    /* 0: not running */
    char folder[TEST_PATH_MAX];   /* absolute; the socket, the log and the data are there */
    char socket[TEST_PATH_MAX];   /* absolute; under /tmp where the folder's path is too long */
    char url[TEST_PATH_MAX + 8];  /* "unix://" and the socket, for --redis */
    const char *const *arguments; /* those given to start; borrowed, used again by restart */
    redisContext *connection;     /* for the test's own questions */
    bool cut_by_others; /* for the test to set: where that is lost, it is made anew and asked again
                         */
};

/* Starts a server in `folder` (made under the current directory, emptied of data of an earlier
 * run) and waits until it answers PING. `arguments` are further words of the command line, such as
 * {"--appendonly", "yes", NULL}, borrowed until the last restart; NULL: none. It keeps nothing on
 * disk unless they say so. It dies with the test program. WEIR_TEST_SERVER names another program
 * than redis-server. */
void test_server_start(struct test_server *server, const char *folder,
                       const char *const *arguments);

/* Sends `signal` (SIGTERM: ends in order; SIGKILL: a crash; 0: none, as it ends by itself) and
 * waits until the process is gone. A second call does nothing. */
void test_server_stop(struct test_server *server, int signal);

/* Mends an append-only file, where there is one, that a death has ended within a transaction: Redis
 * 7 would load it, but leave the beginning there, to be carried out at the next start together with
 * what was written behind it. */
void test_server_mend(const struct test_server *server);
/* Stops with `signal` (SIGKILL: mends then) and starts on the same folder, socket and arguments
 * with the data that is on disk. Also after stop. */
void test_server_restart(struct test_server *server, int signal);

/* Suspends the process or lets it go on: a server that neither answers nor closes. */
void test_server_freeze(struct test_server *server);
void test_server_thaw(struct test_server *server);

/* Asks on the test's own connection; the format is that of redisCommand: words split at blanks,
 * %s, %b. The answer is the caller's; an error or no answer fails the test. */
redisReply *test_ask(struct test_server *server, const char *format, ...);
/* The same for answers that do not matter. */
void test_do(struct test_server *server, const char *format, ...);
/* The same for a number. */
long long test_ask_integer(struct test_server *server, const char *format, ...);
/* The same for a text; NULL for nil. To be freed. */
char *test_ask_text(struct test_server *server, const char *format, ...);

/* How often the server has carried out a command, named as in INFO commandstats, since it started.
 */
long long test_calls_of(struct test_server *server, const char *command);

/* What a program has left behind. */
struct test_run {
    int code;  /* exit code; 128 + signal where a signal ended it; 127: could not be started */
    char *out; /* standard output, terminated */
    size_t out_length;
    char *error; /* standard error, terminated */
};

/* Runs a program to its end: `arguments` are its path (looked for in PATH without a '/') and its
 * words, ended by NULL; `input` is its standard input (NULL: empty). It has this process's
 * environment. After timeout_ms it is killed and the test fails. Close the result. */
struct test_run test_run(const char *const *arguments, const char *input, int timeout_ms);
void test_run_close(struct test_run *run);

/* Starts a program in the background with output and errors appended to the file `log`; returns
 * its process id. It dies with the test program where the test does not end it. */
pid_t test_spawn(const char *const *arguments, const char *log);
/* Sends `signal` (0: none) and waits for the end of a process of test_spawn; the code is as in
 * struct test_run. After timeout_ms it is killed and the test fails. */
int test_end(pid_t pid, int signal, int timeout_ms);

/* Waits until the file, such as the log of a program in the background, holds the text. After
 * timeout_ms the test fails and shows the file's end. */
void test_await_text(const char *path, const char *text, int timeout_ms);

/* The path of a program of this build: test_program("weir"). The build folder is WEIR_BUILD or, if
 * that is not set, the one that the test program lies in. Stays valid for the next three calls. */
const char *test_program(const char *name);

/* Milliseconds of the monotonic clock, and a short pause for loops that wait for something:
 *     for (long long end = test_now() + 5000; !ready(); test_pause())
 *         assert_true(test_now() < end); */
long long test_now(void);
void test_pause(void);

#endif
