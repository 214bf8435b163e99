/* Starts, watches and ends processes. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_LIMIT_S 20

/* Becomes a child that dies with the row and writes to its own log. */
static void become_child(const struct bench *bench, const char *name, pid_t parent)
{
    char path[BENCH_PATH_MAX + 80];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    snprintf(path, sizeof path, "%s/%s.log", bench->folder, name);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600), input = open("/dev/null", O_RDONLY);
    if (log < 0 || input < 0 || dup2(input, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        _exit(1);
    close(log);
    close(input);
    close(bench->results);
}

static struct bench_process process_of(pid_t pid, const char *name)
{
    struct bench_process process = {.pid = pid};
    if (pid < 0)
        bench_fail("cannot start %s: %s", name, strerror(errno));
    snprintf(process.name, sizeof process.name, "%s", name);
    return process;
}

struct bench_process bench_start(const struct bench *bench, const char *name,
                                 const char *const *arguments)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        become_child(bench, name, parent);
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        fprintf(stderr, "cannot run %s: %s\n", arguments[0], strerror(errno));
        _exit(127);
    }
    return process_of(pid, name);
}

struct bench_process bench_fork(const struct bench *bench, const char *name,
                                void work(void *argument), void *argument)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        become_child(bench, name, parent);
        work(argument);
        exit(0);
    }
    return process_of(pid, name);
}

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Leaves it to be waited for. */
void bench_check(const struct bench_process *process)
{
    siginfo_t end = {0};
    if (process->pid > 0 &&
        waitid(P_PID, (id_t)process->pid, &end, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        end.si_pid == process->pid && (end.si_code != CLD_EXITED || end.si_status != 0))
        bench_fail("%s has ended with %d, see its log", process->name, end.si_status);
}

void bench_await_end(struct bench_process *process, unsigned limit_s)
{
    int status = 0;
    char what[96];
    snprintf(what, sizeof what, "the end of %s", process->name);
    for (double limit = bench_now() + limit_s; waitpid(process->pid, &status, WNOHANG) == 0;)
        bench_wait_until(limit, 2, what);
    process->pid = 0;
    if (code_of(status) != 0)
        bench_fail("%s has ended with %d, see its log", process->name, code_of(status));
}

void bench_stop(struct bench_process *process)
{
    if (process->pid <= 0)
        return;
    kill(process->pid, SIGTERM);
    bench_await_end(process, STOP_LIMIT_S);
}

void bench_kill(struct bench_process *process)
{
    if (process->pid <= 0)
        return;
    kill(process->pid, SIGKILL);
    waitpid(process->pid, NULL, 0);
    process->pid = 0;
}

static FILE *open_of(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        bench_fail("cannot read %s: %s", path, strerror(errno));
    return file;
}

double bench_cpu(pid_t pid)
{
    FILE *file = open_of(pid, "stat");
    unsigned long user, system;
    /* The name in parentheses may hold anything but ends at the last of them. */
    char line[1024], *rest = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    if (rest == NULL ||
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        bench_fail("cannot read the processor time of process %ld", (long)pid);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double bench_resident(pid_t pid)
{
    FILE *file = open_of(pid, "statm");
    unsigned long pages;
    if (fscanf(file, "%*u %lu", &pages) != 1)
        bench_fail("cannot read the memory of process %ld", (long)pid);
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}
