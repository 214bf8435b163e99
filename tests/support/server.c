/* Runs a private redis-server for a test program and asks it. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "support/server.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define START_LIMIT_MS 20000
#define STOP_LIMIT_MS 20000
#define ANSWER_LIMIT_S 20
#define ARGUMENTS_MAX 64
#define SHORT_FOLDERS_MAX 16

/* Folders under /tmp for sockets, removed at the program's end. */
static char short_folders[SHORT_FOLDERS_MAX][32];
static size_t short_folder_count;

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status, (void)flag, (void)walk;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_short_folders(void)
{
    for (size_t i = 0; i < short_folder_count; i++)
        remove_tree(short_folders[i]);
}

/* A Unix socket's path has a limit of some hundred bytes, which a deep build folder passes. */
static const char *short_folder(void)
{
    if (short_folder_count == SHORT_FOLDERS_MAX)
        fail_msg("more than %d servers in one test program", SHORT_FOLDERS_MAX);
    if (short_folder_count == 0)
        atexit(remove_short_folders);
    char *folder = short_folders[short_folder_count];
    strcpy(folder, "/tmp/weir-test-XXXXXX");
    if (!mkdtemp(folder))
        fail_msg("cannot make a folder under /tmp: %s", strerror(errno));
    short_folder_count++;
    return folder;
}

static void name_paths(struct test_server *server, const char *folder)
{
    char current[TEST_PATH_MAX / 2];
    if (!getcwd(current, sizeof(current)) || strlen(folder) > 100)
        fail_msg("the current folder's path is too long");
    snprintf(server->folder, sizeof(server->folder), "%s/%s", current, folder);
    remove_tree(server->folder);
    if (mkdir(server->folder, 0700) != 0)
        fail_msg("cannot make the folder %s: %s", server->folder, strerror(errno));
    const char *place = server->folder;
    if (strlen(place) + sizeof("/redis.sock") > sizeof(((struct sockaddr_un *)0)->sun_path))
        place = short_folder();
    snprintf(server->socket, sizeof(server->socket), "%.*s/redis.sock", TEST_PATH_MAX - 16, place);
    snprintf(server->url, sizeof(server->url), "unix://%.*s", TEST_PATH_MAX - 1, server->socket);
}

static void launch(struct test_server *server)
{
    char log[TEST_PATH_MAX + 8];
    const char *program = getenv("WEIR_TEST_SERVER");
    const char *words[ARGUMENTS_MAX] = {program ? program : "redis-server",
                                        "--port",
                                        "0",
                                        "--unixsocket",
                                        server->socket,
                                        "--dir",
                                        server->folder,
                                        "--save",
                                        "",
                                        "--appendonly",
                                        "no",
                                        "--daemonize",
                                        "no"};
    size_t count = 13;
    for (const char *const *word = server->arguments; word && *word; word++) {
        if (count == ARGUMENTS_MAX - 1)
            fail_msg("too many arguments for the server");
        words[count++] = *word;
    }
    snprintf(log, sizeof(log), "%s/log", server->folder);
    server->pid = test_spawn(words, log);
}

static void fail_start(struct test_server *server, const char *why)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
    fail_msg("the server has not started: %s; see %s/log", why, server->folder);
}

/* Whether it serves: any answer but LOADING, also one that wants a password. */
static bool answers(redisContext *connection)
{
    redisReply *reply = redisCommand(connection, "PING");
    bool ready =
        reply && (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "LOADING", 7) != 0);
    if (reply)
        freeReplyObject(reply);
    return ready;
}

static redisContext *try_connect(const struct test_server *server)
{
    struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
    redisContext *connection = redisConnectUnixWithTimeout(server->socket, limit);
    if (connection && connection->err == 0 && redisSetTimeout(connection, limit) == REDIS_OK &&
        answers(connection))
        return connection;
    if (connection)
        redisFree(connection);
    return NULL;
}

static void await_start(struct test_server *server)
{
    long long end = test_now() + START_LIMIT_MS;
    while (!(server->connection = try_connect(server))) {
        if (waitpid(server->pid, NULL, WNOHANG) != 0) {
            server->pid = 0;
            fail_start(server, "it has ended");
        }
        if (test_now() > end)
            fail_start(server, "no answer in time");
        test_pause();
    }
}

void test_server_start(struct test_server *server, const char *folder, const char *const *arguments)
{
    memset(server, 0, sizeof(*server));
    server->arguments = arguments;
    /* A write to a server that has gone is to be an error, not the end of the test program. */
    signal(SIGPIPE, SIG_IGN);
    name_paths(server, folder);
    launch(server);
    await_start(server);
}

void test_server_stop(struct test_server *server, int signal)
{
    if (server->connection)
        redisFree(server->connection);
    server->connection = NULL;
    if (server->pid <= 0)
        return;
    pid_t pid = server->pid;
    server->pid = 0;
    kill(pid, SIGCONT);
    test_end(pid, signal, STOP_LIMIT_MS);
    unlink(server->socket);
}

void test_server_mend(const struct test_server *server)
{
    char manifest[TEST_PATH_MAX + 64];
    const char *program = getenv("WEIR_TEST_SERVER");
    const char *check =
        program && strstr(program, "valkey") ? "valkey-check-aof" : "redis-check-aof";
    snprintf(manifest, sizeof(manifest), "%s/appendonlydir/appendonly.aof.manifest",
             server->folder);
    if (access(manifest, F_OK) != 0)
        return;
    struct test_run run =
        test_run((const char *[]){check, "--fix", manifest, NULL}, "y\ny\n", 20000);
    if (run.code != 0)
        fail_msg("%s has failed on %s: %s", check, manifest, run.out);
    test_run_close(&run);
}

void test_server_restart(struct test_server *server, int signal)
{
    test_server_stop(server, signal);
    if (signal == SIGKILL)
        test_server_mend(server);
    launch(server);
    await_start(server);
}

void test_server_freeze(struct test_server *server)
{
    kill(server->pid, SIGSTOP);
}

void test_server_thaw(struct test_server *server)
{
    kill(server->pid, SIGCONT);
}

static redisReply *ask(struct test_server *server, const char *format, va_list arguments)
{
    if (!server->connection)
        fail_msg("the server is not running");
    va_list again;
    va_copy(again, arguments);
    redisReply *reply = redisvCommand(server->connection, format, arguments);
    if (!reply && server->cut_by_others && redisReconnect(server->connection) == REDIS_OK)
        reply = redisvCommand(server->connection, format, again);
    va_end(again);
    if (!reply)
        fail_msg("no answer to '%s': %s", format, server->connection->errstr);
    else if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("'%s' was refused: %s", format, reply->str);
    return reply;
}

redisReply *test_ask(struct test_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = ask(server, format, arguments);
    va_end(arguments);
    return reply;
}

void test_do(struct test_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    freeReplyObject(ask(server, format, arguments));
    va_end(arguments);
}

long long test_ask_integer(struct test_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = ask(server, format, arguments);
    va_end(arguments);
    if (reply->type != REDIS_REPLY_INTEGER)
        fail_msg("the answer to '%s' is no number", format);
    long long number = reply->integer;
    freeReplyObject(reply);
    return number;
}

char *test_ask_text(struct test_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = ask(server, format, arguments);
    va_end(arguments);
    if (reply->type != REDIS_REPLY_NIL && reply->type != REDIS_REPLY_STRING &&
        reply->type != REDIS_REPLY_STATUS)
        fail_msg("the answer to '%s' is no text", format);
    char *text = reply->type == REDIS_REPLY_NIL ? NULL : strdup(reply->str);
    freeReplyObject(reply);
    return text;
}

long long test_calls_of(struct test_server *server, const char *command)
{
    char name[64];
    snprintf(name, sizeof(name), "cmdstat_%s:calls=", command);
    char *text = test_ask_text(server, "INFO commandstats");
    const char *line = strstr(text, name);
    long long calls = line ? atoll(line + strlen(name)) : 0;
    free(text);
    return calls;
}
