/* What the subcommands of the command line share: settings, the session, exit codes.
 *
 * A subcommand is a constant table in a file of its own; run.c lists them. It checks all that it
 * can before it connects, writes results and one sentence about what went wrong where output.h
 * says, and returns the exit code. */
#ifndef WEIR_COMMANDS_COMMAND_H
#define WEIR_COMMANDS_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"
#include "base/status.h"
#include "redis/client.h"
#include "redis/endpoint.h"

enum weir_exit {
    WEIR_EXIT_FINE = 0,
    WEIR_EXIT_FAILED = 1,
    WEIR_EXIT_COMPENSATED = 3,
    WEIR_EXIT_SUSPENDED = 4,
    WEIR_EXIT_WAITED = 5,
    WEIR_EXIT_USAGE = 64,
    WEIR_EXIT_DATA = 65,
    WEIR_EXIT_NO_SERVER = 69,
    WEIR_EXIT_INTERRUPTED = 130,
};

/* One struct for all subcommands, so that the common flags may stand before the subcommand. */
struct weir_settings {
    const char *redis, *prefix;
    bool json, help, version;
    const char *data, *id;   /* start, send; data: signal too */
    const char *reason;      /* cancel */
    const char *step;        /* resume */
    bool retry, skip;        /* resume */
    int64_t wait_s;          /* start, send and the orders; 0: do not wait */
    int64_t delay_ms;        /* send */
    int state;               /* sagas: place in its choices */
    int64_t limit;           /* sagas, dead, query, projection */
    bool force;              /* definition, install, readers, projection */
    struct weir_texts after; /* query */
    const char *projection, *cursor;
    int64_t wait_ms;
    bool reverse;
    int64_t silent_for_ms;               /* readers */
    bool dry_run, allow_missing, detach; /* projection rebuild */
    const char *operator_name;           /* --as, of all that change something */
    const char *definition, *matching;   /* which sagas: sagas, cancel, resume, signal */
    int64_t older_ms, younger_ms;        /* the same; older_ms: dead, too */
    const char *before;                  /* sagas */
    bool page, full;                     /* sagas; saga */
    bool all, yes;                       /* what acts on many */
    const char *type, *up_to;            /* dead */
    bool edit, exactly, no_data;
    const char *who, *target; /* actions */
    int64_t since_ms;
    bool search;         /* services */
    int64_t interval_ms; /* top */
    int64_t watch_ms;    /* of all that show something; 0: once */
};

#define WEIR_SETTING(member) .offset = offsetof(struct weir_settings, member)

/* The end of every subcommand's option table. */
#define WEIR_COMMON_OPTIONS                                                                        \
    WEIR_REDIS_OPTION(offsetof(struct weir_settings, redis)),                                      \
        {.name = "namespace",                                                                      \
         .environment = "WEIR_NAMESPACE",                                                          \
         .kind = WEIR_OPTION_TEXT,                                                                 \
         WEIR_SETTING(prefix),                                                                     \
         .initial = "",                                                                            \
         .value_name = "PREFIX",                                                                   \
         .help = "what stands before every key"},                                                  \
        {.name = "json",                                                                           \
         .kind = WEIR_OPTION_FLAG,                                                                 \
         WEIR_SETTING(json),                                                                       \
         .help = "print the result as JSON, on one line"},                                         \
        {.name = "help",                                                                           \
         .letter = 'h',                                                                            \
         .kind = WEIR_OPTION_FLAG,                                                                 \
         WEIR_SETTING(help),                                                                       \
         .help = "print this text"},                                                               \
        {.name = "version",                                                                        \
         .kind = WEIR_OPTION_FLAG,                                                                 \
         WEIR_SETTING(version),                                                                    \
         .help = "print the version"},                                                             \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* Of all commands that show something; how often, where it is not said. */
#define WEIR_WATCH_BARE "2s"
#define WEIR_WATCH_OPTION                                                                          \
    {                                                                                              \
        .name = "watch", .kind = WEIR_OPTION_DURATION, .unit_needed = true,                        \
        WEIR_SETTING(watch_ms), .minimum = 100, .maximum = 86400000, .value_name = "TIME",         \
        .optional_value = true, .bare = WEIR_WATCH_BARE,                                           \
        .help = "show it again and again, until Ctrl-C; alone: every " WEIR_WATCH_BARE             \
    }

/* Of all commands that change something. */
#define WEIR_OPERATOR_OPTION                                                                       \
    {                                                                                              \
        .name = "as", .environment = "WEIR_OPERATOR", .kind = WEIR_OPTION_TEXT,                    \
        WEIR_SETTING(operator_name), .value_name = "NAME",                                         \
        .help = "who does this, for weir actions; user@host if not said"                           \
    }

/* What a run has changed, or has tried to; it is recorded when the run is over. */
struct weir_acted {
    const char *action; /* "dead replay"; NULL: nothing */
    char target[256];
    size_t targets;    /* of weir_act_on */
    json_t *more;      /* owned: members for the details; or NULL */
    char outcome[128]; /* "": as the exit code says */
};

struct weir_command;

struct weir_session {
    struct weir_settings settings;
    const struct weir_command *command; /* that is run */
    struct weir_endpoint endpoint;
    struct weir_client client; /* not connected before weir_session_connect */
    /* Who acts and by what, for a process that runs commands for others: then --as does not count.
     * NULL: this process's user, by "weir". Borrowed. */
    const char *who, *via;
    struct weir_acted acted;
    bool unknown; /* of what the last run has asked to be changed an answer was lost */
};

struct weir_command {
    const char *name;
    const char *operands; /* for the usage line: "<service> <type>" */
    const char *summary;  /* one line */
    const char *notes;    /* further lines of the help, or NULL */
    const struct weir_option *options;
    int operands_minimum, operands_maximum;
    int (*run)(struct weir_session *session, int count, char **operands);
    /* Whether it only shows something with these operands, so that --watch makes sense; NULL: with
     * all, where its options have that. */
    bool (*shows)(int count, char **operands);
};

extern const struct weir_command weir_command_start, weir_command_send, weir_command_sagas,
    weir_command_saga, weir_command_cancel, weir_command_resume, weir_command_signal,
    weir_command_definition, weir_command_install, weir_command_dead, weir_command_readers,
    weir_command_query, weir_command_projection, weir_command_doctor, weir_command_actions,
    weir_command_services, weir_command_workers, weir_command_scheduled, weir_command_top,
    weir_command_completion;

/* Writes "weir: " and the sentence to the remarks, control characters escaped, and returns
 * `code`. */
int weir_fail(int code, const char *format, ...) WEIR_PRINTF(2, 3);
/* The same for an error that is set; the code follows from its status. */
int weir_fail_by(const struct weir_error *error);
/* The same of a change: a server that is there, and refuses for want of memory, is no server that
 * is missing. */
int weir_session_fail_by(const struct weir_session *session, const struct weir_error *error);
/* The same where what was asked for is not there; WEIR_EXIT_FAILED. */
int weir_fail_missing(const char *format, ...) WEIR_PRINTF(1, 2);
/* Whether either has told, since this was last asked, that what was asked for is not there. */
bool weir_failed_missing(void);
/* Whether weir_fail_by has told, since this was last asked, that an answer was lost: then it is not
 * known what has been done. */
bool weir_failed_unknown(void);
/* A note to the remarks that does not change the outcome. */
void weir_remark(const char *format, ...) WEIR_PRINTF(1, 2);

/* Connects, unless the session is connected. WEIR_EXIT_FINE, or the exit code after the sentence
 * has been printed. */
WEIR_CHECKED int weir_session_connect(struct weir_session *session);
/* Connects again where the connection was lost; for those that wait. */
WEIR_CHECKED enum weir_status weir_session_reconnect(struct weir_session *session,
                                                     struct weir_error *error);
/* The server's clock in ms; WEIR_OK or the error. */
WEIR_CHECKED enum weir_status weir_session_now(struct weir_session *session, int64_t *now_ms,
                                               struct weir_error *error);

#endif
