/* Runs the rows of the benchmark, one after the other, and prints what they have found. */
#define _XOPEN_SOURCE 700 /* nftw */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "compare.h"
#include "options.h"
#include "report.h"
#include "services.h"

static const struct row {
    const char *name;
    void (*measure)(struct bench *bench);
    enum { BY_NAME, FULL, SHORT } size; /* by name alone, or part of a full or a short run, too */
} rows[] = {
    /* clang-format off */
    {"messages", bench_messages, SHORT},
    {"sagas", bench_sagas, SHORT},
    {"orders", bench_orders, SHORT},
    {"latency", bench_latency, SHORT},
    {"projection", bench_projection, SHORT},
    {"growth", bench_growth, FULL},
    {"timers", bench_timers, FULL},
    {"memory", bench_memory_use, SHORT},
    {"idle", bench_idle, SHORT},
    {"soak", bench_soak, BY_NAME},
    {"peers", bench_peers, FULL},
    /* clang-format on */
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static volatile sig_atomic_t interrupted;
static volatile pid_t current_row; /* 0: none */

/* The row and all that it has started go at once; their folder is removed by what waits for it. */
static void on_signal(int signal)
{
    interrupted = signal;
    if (current_row > 0)
        kill(-current_row, SIGKILL);
}

/* ---- Folders ------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status, (void)flag, (void)walk;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- Rows ---------------------------------------------------------------------------------- */

static _Noreturn void be_row(const struct row *row, struct bench bench, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* A group of its own, to be ended with all that scripts of peers have started. */
    if (getppid() != parent || setpgid(0, 0) != 0)
        _exit(1);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    row->measure(&bench);
    exit(0);
}

/* Prints what comes from the row until it ends; false: it printed something else. */
static bool print_results(int results, struct bench_report *report,
                          struct bench_comparison *comparison)
{
    FILE *stream = fdopen(results, "r");
    char *line = NULL;
    size_t room = 0;
    bool fine = stream != NULL;
    while (fine && !interrupted && getline(&line, &room, stream) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (isatty(STDERR_FILENO))
            fputs("\r\033[K", stderr);
        fine = bench_report_figure(report, line);
        bench_compare_take(comparison, line);
    }
    free(line);
    if (stream != NULL)
        fclose(stream);
    return fine;
}

static bool run_row(const struct row *row, const struct options *options,
                    struct bench_report *report, struct bench_comparison *comparison)
{
    char folder[BENCH_PATH_MAX];
    int results[2], status = 0;
    const pid_t self = getpid();
    if (snprintf(folder, sizeof folder, "%s/%s", options->folder, row->name) >= BENCH_PATH_MAX ||
        mkdir(folder, 0700) != 0 || pipe(results) != 0 ||
        fcntl(results[1], F_SETFD, FD_CLOEXEC) != 0) {
        fprintf(stderr, "bench: cannot make %s: %s\n", folder, strerror(errno));
        return false;
    }
    struct bench bench = {.project = options->project,
                          .build = options->build,
                          .folder = folder,
                          .row = row->name,
                          .counts = options->counts,
                          .results = results[1],
                          .peers = options->peers_only != NULL ? options->peers_only : ""};
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        close(results[0]);
        be_row(row, bench, self);
    }
    close(results[1]);
    if (pid > 0)
        setpgid(pid, pid); /* as it does itself: whoever comes first */
    current_row = pid;
    bool fine = pid > 0 && !interrupted && print_results(results[0], report, comparison);
    if (pid > 0 && !fine)
        kill(-pid, SIGKILL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    fine = fine && !interrupted && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    current_row = 0;
    if (pid > 0)
        kill(-pid, SIGKILL); /* what a row that failed has left */
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    if (fine && !options->keep)
        remove_tree(folder);
    return fine;
}

static bool row_named(const char *list, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* What the list names and nobody knows; NULL: nothing. */
static const char *unknown_row(const char *list)
{
    while (list != NULL && *list != '\0') {
        const size_t length = strcspn(list, ",");
        size_t i = 0;
        while (i < ROWS && (rows[i].measure == bench_peers || strlen(rows[i].name) != length ||
                            strncmp(rows[i].name, list, length) != 0))
            i++;
        if (i == ROWS)
            return list;
        list += length + (list[length] == ',');
    }
    return NULL;
}

static bool wanted(const struct row *row, const struct options *options)
{
    if (row->measure == bench_peers)
        return options->peers;
    if (options->rows != NULL)
        return row_named(options->rows, row->name);
    return strcmp(options->size, "smoke") == 0 || row->size >= (options->full ? FULL : SHORT);
}

static int run(const struct options *options)
{
    struct bench_report report = {.json = options->json};
    struct bench_comparison comparison = {0};
    char failed[256] = "";
    unsigned done = 0;
    bench_report_head(&report, options->size, options->counts.runs);
    for (size_t i = 0; i < ROWS && !interrupted; i++) {
        if (!wanted(&rows[i], options))
            continue;
        done++;
        if (!run_row(&rows[i], options, &report, &comparison))
            snprintf(failed + strlen(failed), sizeof failed - strlen(failed), " %s", rows[i].name);
    }
    bench_compare_print(&comparison, &report);
    if ((failed[0] == '\0' || interrupted) && !options->keep)
        remove_tree(options->folder);
    else
        fprintf(stderr, "bench: logs and data are kept in %s\n", options->folder);
    if (failed[0] != '\0')
        printf("\nrows that went wrong:%s\n", failed);
    const bool passed = failed[0] == '\0' && done > 0 && !interrupted;
    puts(passed ? "passed" : "failed");
    return passed ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options;
    if (argc > 2 && strcmp(argv[1], "serve") == 0)
        return bench_serve(argc - 2, argv + 2);
    if (!options_read(argc, argv, &options))
        return 64;
    const char *unknown = unknown_row(options.rows);
    if (unknown != NULL) {
        fprintf(stderr, "bench: --rows: no row is called \"%.*s\"; see --help\n",
                (int)strcspn(unknown, ","), unknown);
        remove_tree(options.folder);
        return 64;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return run(&options);
}
