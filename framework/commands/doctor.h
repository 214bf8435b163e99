/* What weir doctor finds: one line for each thing that it has looked at, with what to do about it.
 *
 * Each part asks the server and adds findings; none of them prints. What a user may not ask, or
 * what is of another type than it should be, is a finding as well, and the rest is looked at all
 * the same. When the server stops serving, `lost` is set, and nothing is asked any more. */
#ifndef WEIR_COMMANDS_DOCTOR_H
#define WEIR_COMMANDS_DOCTOR_H

#include <jansson.h>

#include "commands/command.h"

enum weir_finding {
    WEIR_FINDING_OK,
    WEIR_FINDING_WARNING, /* to be looked after: something is lost, slow or left lying */
    WEIR_FINDING_PROBLEM, /* weir does not work, or loses what it promises to keep */
};

struct weir_doctor {
    struct weir_session *session; /* connected */
    json_t *findings;             /* [{level, check, about, text}] */
    size_t warnings, problems;
    int64_t now_ms; /* the server's clock */
    struct weir_error lost;
};

/* A length of time as a text of its own. */
struct weir_span {
    char text[32];
};
struct weir_span weir_span_of(int64_t ms);

/* Adds a finding. `check` is what was looked at, one of few fixed words; `about` a key, a setting
 * or another name. */
void weir_doctor_find(struct weir_doctor *doctor, enum weir_finding level, const char *check,
                      const char *about, const char *format, ...) WEIR_PRINTF(5, 6);
/* Adds what an answer that is an error says. */
void weir_doctor_find_error(struct weir_doctor *doctor, const char *check, const char *about,
                            const struct weir_error *error);
/* Asks one thing. NULL where there is no such key, and where a finding has been made of it. */
WEIR_CHECKED redisReply *weir_doctor_ask(struct weir_doctor *doctor, const char *check,
                                         const char *about, const char *command, ...)
    __attribute__((sentinel));

/* Whether the server is fit for weir: version, role, memory, append-only file, function library. */
void weir_doctor_look_at_server(struct weir_doctor *doctor);
/* How the server's clock stands to this machine's: a remark, as nothing depends on it. Right after
 * `now_ms` was asked for. */
void weir_doctor_look_at_clock(struct weir_doctor *doctor);
/* Replicas, and whether a master that is cut off stops: from INFO and CONFIG GET. */
void weir_doctor_look_at_replicas(struct weir_doctor *doctor, const redisReply *info,
                                  const redisReply *settings);
/* Faults of server versions that touch weir; `valkey`: of Valkey's numbers. */
void weir_doctor_judge_version(struct weir_doctor *doctor, bool valkey, const char *version,
                               bool evicts_clients);
/* Each service that the server knows: inboxes, schedule, workers, dead letters, readers. */
void weir_doctor_look_at_services(struct weir_doctor *doctor);
/* One stream's ids and what has waited in it for long. `inbox`: what has been handled leaves it. */
void weir_doctor_look_at_stream(struct weir_doctor *doctor, const char *key, const char *service,
                                bool inbox, bool alive);
/* The projections that are registered. */
void weir_doctor_look_at_projections(struct weir_doctor *doctor);

#endif
