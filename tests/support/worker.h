/* Worker processes of a test: the test program itself, started once more with other words.
 *
 *     int main(int argc, char **argv)
 *     {
 *         if (test_worker_wanted(argc))
 *             return test_worker_main(argc, argv, make_service);
 *         ...the cmocka tests, which call test_worker_start
 *     }
 *
 * A worker that the test does not end dies with the test program. Its log lies in the current
 * folder, in a file of its own for each start. */
#ifndef WEIR_TESTS_SUPPORT_WORKER_H
#define WEIR_TESTS_SUPPORT_WORKER_H

#include <stdbool.h>

#include "support/server.h"
#include "weir.h"

struct test_worker {
    pid_t pid;
    char consumer[32];
    char log[64];
};

/* Words of a worker's command line. */
#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Makes the service of that name, with its handlers. */
typedef weir_service *test_service_maker(const char *name);

bool test_worker_wanted(int argc);
int test_worker_main(int argc, char **argv, test_service_maker *make);

/* Starts a worker of the service as `consumer` on the server; `options` are further words, NULL:
 * none. The first returns at once, the second when it is ready. */
struct test_worker test_worker_launch(const char *url, const char *service, const char *consumer,
                                      const char *const *options);
struct test_worker test_worker_start(const struct test_server *server, const char *service,
                                     const char *consumer, const char *const *options);
/* Ends it and returns its exit code, 128 + signal where a signal ended it. */
int test_worker_end(struct test_worker *worker, int signal);
/* Ends it in order: by itself on SIGTERM with exit code 0, and with no move in its log that its
 * tables do not list, nor a sanitizer's report. */
void test_worker_end_well(struct test_worker *worker);
/* Waits until it has ended by itself; returns the same. */
int test_worker_await_end(struct test_worker *worker);
/* Whether it has ended by itself, without waiting. */
bool test_worker_ended(struct test_worker *worker);
/* Kills what a failed test has left running; for set-ups. Of processes that were started otherwise
 * it knows those that it was told of. */
void test_workers_clear(void);
void test_worker_remember(const struct test_worker *worker);

/* How often the text stands in the worker's log. */
int test_worker_logged(const struct test_worker *worker, const char *text);
/* The same of the event's lines alone: the text stands behind its name. */
int test_worker_logged_of(const struct test_worker *worker, const char *event, const char *text);
void test_worker_await_log(const struct test_worker *worker, const char *text);

/* ---- Messages ------------------------------------------------------------------------------ */

/* Sends a command to the service; the data's text is made from the format. */
void test_send(struct test_server *server, const char *service, const char *type,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Waits until the condition holds, 15 s at the most. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        long long await_end = test_now() + 15000;                                                  \
        while (!(condition)) {                                                                     \
            if (test_now() > await_end)                                                            \
                fail_msg("has not come true: %s", #condition);                                     \
            test_pause();                                                                          \
        }                                                                                          \
    } while (0)

/* The backlog, what is pending (-1: there is no group), what is on the schedule, the dead letters
 * of a service. */
long long test_backlog(struct test_server *server, const char *service);
long long test_pending(struct test_server *server, const char *service);
long long test_scheduled(struct test_server *server, const char *service);
long long test_dead(struct test_server *server, const char *service);
/* Whether backlog, pending and schedule are all empty, and there is a group; waits for it. */
bool test_settled(struct test_server *server, const char *service);
void test_await_settled(struct test_server *server, const char *service);

/* A field of a hash as a number, 0 where it is not there; as a text, "" then, valid for the next
 * three calls. */
long long test_number(struct test_server *server, const char *key, const char *field);
const char *test_text(struct test_server *server, const char *key, const char *field);
/* A field of the stream's newest entry that has one of that name; "" where there is none. */
const char *test_newest(struct test_server *server, const char *stream, const char *field);
/* The number of keys of the hash whose value is not `value`. */
long long test_others(struct test_server *server, const char *key, const char *value);

#endif
