/* Starts worker processes for the tests and asks the server what they have left. */
#include "support/worker.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SERVE "serve"
#define OPTIONS_MAX 32
#define RUNNING_MAX 64
#define LIMIT_MS 30000

/* ---- Processes ----------------------------------------------------------------------------- */

static pid_t running[RUNNING_MAX]; /* 0: free */

static void forget(pid_t pid)
{
    for (size_t i = 0; i < RUNNING_MAX; i++)
        if (running[i] == pid)
            running[i] = 0;
}

void test_worker_remember(const struct test_worker *worker)
{
    for (size_t i = 0; i < RUNNING_MAX; i++)
        if (running[i] == 0) {
            running[i] = worker->pid;
            return;
        }
    fail_msg("more than %d workers at once", RUNNING_MAX);
}

void test_workers_clear(void)
{
    for (size_t i = 0; i < RUNNING_MAX; i++) {
        if (running[i] > 0 && waitpid(running[i], NULL, WNOHANG) == 0) {
            kill(running[i], SIGKILL);
            waitpid(running[i], NULL, 0);
        }
        running[i] = 0;
    }
}

bool test_worker_wanted(int argc)
{
    return argc > 2;
}

int test_worker_main(int argc, char **argv, test_service_maker *make)
{
    if (strcmp(argv[1], SERVE) != 0)
        return 64;
    weir_service *service = make(argv[2]);
    argv[2] = argv[0];
    return weir_main(service, argc - 2, argv + 2);
}

struct test_worker test_worker_launch(const char *url, const char *service, const char *consumer,
                                      const char *const *options)
{
    static unsigned started;
    struct test_worker worker;
    const char *words[OPTIONS_MAX + 1] = {"/proc/self/exe", SERVE,   service, "--redis", url,
                                          "--consumer",     consumer};
    size_t count = 7;
    while (options && *options && count < OPTIONS_MAX)
        words[count++] = *options++;
    snprintf(worker.consumer, sizeof(worker.consumer), "%s", consumer);
    snprintf(worker.log, sizeof(worker.log), "%s.%u.log", consumer, ++started);
    worker.pid = test_spawn(words, worker.log);
    test_worker_remember(&worker);
    return worker;
}

struct test_worker test_worker_start(const struct test_server *server, const char *service,
                                     const char *consumer, const char *const *options)
{
    struct test_worker worker = test_worker_launch(server->url, service, consumer, options);
    test_worker_await_log(&worker, "worker.ready");
    return worker;
}

int test_worker_end(struct test_worker *worker, int signal)
{
    int code = test_end(worker->pid, signal, LIMIT_MS);
    forget(worker->pid);
    worker->pid = 0;
    return code;
}

void test_worker_end_well(struct test_worker *worker)
{
    assert_int_equal(test_worker_end(worker, SIGTERM), 0);
    assert_int_equal(test_worker_logged(worker, "unlisted_move"), 0);
    assert_int_equal(test_worker_logged(worker, "Sanitizer"), 0);
}

bool test_worker_ended(struct test_worker *worker)
{
    if (worker->pid == 0 || waitpid(worker->pid, NULL, WNOHANG) != worker->pid)
        return worker->pid == 0;
    forget(worker->pid);
    worker->pid = 0;
    return true;
}

int test_worker_await_end(struct test_worker *worker)
{
    return test_worker_end(worker, 0);
}

int test_worker_logged_of(const struct test_worker *worker, const char *event, const char *text)
{
    char line[4096];
    int found = 0;
    FILE *file = fopen(worker->log, "re");
    while (file && fgets(line, sizeof(line), file)) {
        const char *at = strstr(line, event);
        found += at != NULL && strstr(at, text) != NULL;
    }
    if (file)
        fclose(file);
    return found;
}

int test_worker_logged(const struct test_worker *worker, const char *text)
{
    return test_worker_logged_of(worker, text, "");
}

void test_worker_await_log(const struct test_worker *worker, const char *text)
{
    test_await_text(worker->log, text, LIMIT_MS);
}

/* ---- Messages ------------------------------------------------------------------------------ */

void test_send(struct test_server *server, const char *service, const char *type,
               const char *format, ...)
{
    char data[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(data, sizeof(data), format, arguments);
    va_end(arguments);
    test_do(server, "XADD {%s}:commands * type %s data %s", service, type, data);
}

long long test_backlog(struct test_server *server, const char *service)
{
    return test_ask_integer(server, "XLEN {%s}:commands", service);
}

long long test_pending(struct test_server *server, const char *service)
{
    redisReply *reply =
        redisCommand(server->connection, "XPENDING {%s}:commands %s", service, service);
    if (!reply)
        fail_msg("no answer to XPENDING: %s", server->connection->errstr);
    long long pending = reply->elements > 0 ? reply->element[0]->integer : -1;
    freeReplyObject(reply);
    return pending;
}

long long test_scheduled(struct test_server *server, const char *service)
{
    return test_ask_integer(server, "ZCARD {%s}:scheduled", service);
}

long long test_dead(struct test_server *server, const char *service)
{
    return test_ask_integer(server, "XLEN {%s}:dead", service);
}

bool test_settled(struct test_server *server, const char *service)
{
    /* in one step: a message may be on its way between them */
    static const char script[] = "local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1]) "
                                 "return redis.call('XLEN', KEYS[1]) + "
                                 "redis.call('ZCARD', KEYS[2]) + (pending[1] or 1)";
    return test_ask_integer(server, "EVAL %s 2 {%s}:commands {%s}:scheduled %s", script, service,
                            service, service) == 0;
}

void test_await_settled(struct test_server *server, const char *service)
{
    long long end = test_now() + LIMIT_MS;
    while (!test_settled(server, service)) {
        if (test_now() > end)
            fail_msg("service %s has not settled: backlog %lld, pending %lld, scheduled %lld",
                     service, test_backlog(server, service), test_pending(server, service),
                     test_scheduled(server, service));
        test_pause();
    }
}

/* ---- State --------------------------------------------------------------------------------- */

static char *room(void)
{
    static char rooms[4][2048];
    static unsigned next;
    return rooms[next++ % 4];
}

static const char *keep(const redisReply *reply)
{
    char *text = room();
    int length = reply->type == REDIS_REPLY_STRING ? (int)reply->len : 0;
    snprintf(text, 2048, "%.*s", length, length ? reply->str : "");
    return text;
}

const char *test_text(struct test_server *server, const char *key, const char *field)
{
    redisReply *reply = test_ask(server, "HGET %s %s", key, field);
    const char *text = keep(reply);
    freeReplyObject(reply);
    return text;
}

long long test_number(struct test_server *server, const char *key, const char *field)
{
    return atoll(test_text(server, key, field));
}

const char *test_newest(struct test_server *server, const char *stream, const char *field)
{
    redisReply *reply = test_ask(server, "XREVRANGE %s + -", stream);
    const char *text = "";
    for (size_t i = 0; i < reply->elements && !*text; i++) {
        const redisReply *body = reply->element[i]->element[1];
        for (size_t j = 0; j + 1 < body->elements; j += 2)
            if (strcmp(body->element[j]->str, field) == 0)
                text = keep(body->element[j + 1]);
    }
    freeReplyObject(reply);
    return text;
}

long long test_others(struct test_server *server, const char *key, const char *value)
{
    redisReply *reply = test_ask(server, "HVALS %s", key);
    long long others = 0;
    for (size_t i = 0; i < reply->elements; i++)
        others += strcmp(reply->element[i]->str, value) != 0;
    freeReplyObject(reply);
    return others;
}
