/* Runs programs for the tests, each with a limit on its time. */
#include "support/server.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PAUSE_MS 2

long long test_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void test_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
}

/* Takes the three descriptors and becomes the program. */
static _Noreturn void become(const char *const *arguments, int input, int output, int errors)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL); /* the test program ignores it, and that would be inherited */
    setenv("WEIR_LOG_FORMAT", "text", 0); /* the tests read the logs */
    if (dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
        dup2(errors, STDERR_FILENO) >= 0)
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    fprintf(stderr, "cannot run %s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

static pid_t start(const char *const *arguments, int input, int output, int errors)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become(arguments, input, output, errors);
    if (pid < 0)
        fail_msg("cannot fork: %s", strerror(errno));
    return pid;
}

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int test_end(pid_t pid, int signal, int timeout_ms)
{
    int status = 0;
    assert_true(pid > 0); /* else it would be this whole group */
    if (signal != 0)
        kill(pid, signal);
    for (long long end = test_now() + timeout_ms; waitpid(pid, &status, WNOHANG) == 0;
         test_pause()) {
        if (test_now() <= end)
            continue;
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        fail_msg("process %ld has not ended within %d ms", (long)pid, timeout_ms);
    }
    return code_of(status);
}

pid_t test_spawn(const char *const *arguments, const char *log)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (null < 0 || file < 0)
        fail_msg("cannot open %s: %s", log, strerror(errno));
    pid_t pid = start(arguments, null, file, file);
    close(null);
    close(file);
    return pid;
}

/* An unnamed file that the program can write to or read from without a pipe's limit. */
static FILE *open_buffer(const char *text)
{
    FILE *file = tmpfile();
    if (!file)
        fail_msg("cannot make a temporary file: %s", strerror(errno));
    fcntl(fileno(file), F_SETFD, FD_CLOEXEC);
    fputs(text ? text : "", file);
    fflush(file);
    lseek(fileno(file), 0, SEEK_SET);
    return file;
}

static char *close_buffer(FILE *file, size_t *length)
{
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    char *text = malloc((size_t)size + 1);
    if (!text)
        fail_msg("no memory for the output");
    rewind(file);
    *length = fread(text, 1, (size_t)size, file);
    text[*length] = '\0';
    fclose(file);
    return text;
}

struct test_run test_run(const char *const *arguments, const char *input, int timeout_ms)
{
    struct test_run run;
    FILE *in = open_buffer(input), *out = open_buffer(NULL), *error = open_buffer(NULL);
    pid_t pid = start(arguments, fileno(in), fileno(out), fileno(error));
    run.code = test_end(pid, 0, timeout_ms);
    size_t error_length;
    run.out = close_buffer(out, &run.out_length);
    run.error = close_buffer(error, &error_length);
    fclose(in);
    return run;
}

void test_run_close(struct test_run *run)
{
    free(run->out);
    free(run->error);
    memset(run, 0, sizeof(*run));
}

/* The file's text, "" where there is none. */
static char *read_file(const char *path)
{
    size_t length;
    FILE *file = fopen(path, "re");
    return file ? close_buffer(file, &length) : strdup("");
}

void test_await_text(const char *path, const char *text, int timeout_ms)
{
    for (long long end = test_now() + timeout_ms;; test_pause()) {
        char *content = read_file(path);
        bool found = content && strstr(content, text);
        size_t length = content ? strlen(content) : 0;
        if (!found && test_now() > end)
            fail_msg("'%s' has not come into %s within %d ms: %s", text, path, timeout_ms,
                     content ? content + (length > 2000 ? length - 2000 : 0) : "");
        free(content);
        if (found)
            return;
    }
}

/* The folder above "tests" in this program's own path. */
static const char *own_build(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length > 0) {
        path[length] = '\0';
        for (char *at = path, *found; (found = strstr(at, "/tests/")); at = found + 1)
            if (!strstr(found + 1, "/tests/")) {
                *found = '\0';
                return path;
            }
    }
    fail_msg("WEIR_BUILD is not set; run the tests by `make check`");
    return NULL;
}

const char *test_program(const char *name)
{
    static char paths[4][TEST_PATH_MAX];
    static unsigned next;
    char own[TEST_PATH_MAX];
    const char *build = getenv("WEIR_BUILD");
    char *path = paths[next++ % 4];
    if (!build)
        build = own_build(own, sizeof(own));
    if (snprintf(path, TEST_PATH_MAX, "%s/bin/%s", build, name) >= TEST_PATH_MAX)
        fail_msg("the path of %s is too long", name);
    return path;
}
