/* Reads the command line. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"

static const struct bench_counts full_counts = {
    .runs = 5,
    .tries = BENCH_TRIES_MAX,
    .messages = 200000,
    .keys = 10000,
    .sagas = 50000,
    .round_trips = 20000,
    .saga_trips = 4000,
    .folded = 500000,
    .rebuilt = 1000000,
    .ended = 1000000,
    .begun = 100000,
    .grown_sagas = 20000,
    .scheduled = 1000000,
    .due = 100000,
    .due_s = 25,
    .deferred = 10000,
    .idle_s = 20,
    .soak_s = 3600,
    .peer_messages = 100000,
    .peer_sagas = 20000,
};

static const struct bench_counts quick_counts = {
    .runs = 2,
    .tries = 2,
    .messages = 40000,
    .keys = 10000,
    .sagas = 3000,
    .round_trips = 2000,
    .saga_trips = 500,
    .folded = 50000,
    .rebuilt = 50000,
    .ended = 20000,
    .begun = 2000,
    .grown_sagas = 2000,
    .scheduled = 20000,
    .due = 5000,
    .due_s = 3,
    .deferred = 10000,
    .idle_s = 3,
    .soak_s = 60,
    .peer_messages = 10000,
    .peer_sagas = 1000,
};

static const struct bench_counts smoke_counts = {
    .runs = 1,
    .tries = 1,
    .messages = 500,
    .keys = 100,
    .sagas = 50,
    .round_trips = 50,
    .saga_trips = 20,
    .folded = 500,
    .rebuilt = 500,
    .ended = 200,
    .begun = 50,
    .grown_sagas = 50,
    .scheduled = 300,
    .due = 100,
    .due_s = 1,
    .deferred = 200,
    .idle_s = 1,
    .soak_s = 2,
    .peer_messages = 500,
    .peer_sagas = 50,
};

static bool complain(const char *what, const char *value)
{
    fprintf(stderr, "bench: %s%s\n", what, value);
    return false;
}

static bool take_runs(const char *text, struct options *options)
{
    char *end;
    const long runs = strtol(text, &end, 10);
    if (*end != '\0' || runs < 1 || runs > BENCH_RUNS_MAX)
        return complain("--runs wants a number from 1 to 100, not ", text);
    options->counts.runs = (unsigned)runs;
    return true;
}

/* Sizes come first, so that --runs overrides theirs wherever it stands. */
static void take_size(int argc, char **argv, struct options *options)
{
    options->size = "full";
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--quick") == 0 || strcmp(argv[i], "--smoke") == 0)
            options->size = argv[i] + 2;
    options->full = strcmp(options->size, "full") == 0;
    options->counts = options->full                         ? full_counts
                      : strcmp(options->size, "quick") == 0 ? quick_counts
                                                            : smoke_counts;
}

static bool make_folder(struct options *options)
{
    static char folder[BENCH_PATH_MAX];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/weir-bench.XXXXXX", base != NULL ? base : "/tmp");
    if (strlen(folder) > 70 || mkdtemp(folder) == NULL)
        return complain("cannot make a folder in ", folder);
    options->folder = folder;
    return true;
}

bool options_read(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"project", required_argument, NULL, 'p'}, {"build", required_argument, NULL, 'b'},
        {"rows", required_argument, NULL, 'r'},    {"runs", required_argument, NULL, 'n'},
        {"quick", no_argument, NULL, 's'},         {"smoke", no_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},          {"keep", no_argument, NULL, 'k'},
        {"peers", optional_argument, NULL, 'P'},   {NULL, 0, NULL, 0},
    };
    *options = (struct options){.project = ".", .build = "build"};
    take_size(argc, argv, options);
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'p':
            options->project = optarg;
            break;
        case 'b':
            options->build = optarg;
            break;
        case 'r':
            options->rows = optarg;
            break;
        case 'n':
            if (!take_runs(optarg, options))
                return false;
            break;
        case 'j':
            options->json = true;
            break;
        case 'k':
            options->keep = true;
            break;
        case 'P':
            options->peers = true;
            options->peers_only = optarg;
            break;
        case 's':
            break;
        default:
            return complain("see --help", "");
        }
    }
    if (optind < argc)
        return complain("unknown word ", argv[optind]);
    return make_folder(options);
}
