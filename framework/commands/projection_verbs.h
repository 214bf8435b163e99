/* What the verbs of `weir projection` share. */
#ifndef WEIR_COMMANDS_PROJECTION_VERBS_H
#define WEIR_COMMANDS_PROJECTION_VERBS_H

#include "commands/stored_projection.h"

/* How long is waited without --wait: for what retry or skip has asked of a worker; and, by rebuild,
 * for a worker while nobody has the turn, or for the server while it is away. */
#define WEIR_PROJECTION_ASK_MS 5000
#define WEIR_PROJECTION_GONE_MS 15000
/* How long nobody may have the turn before a worker is taken to be missing. */
#define WEIR_PROJECTION_MISSED_MS 2000

/* What --wait says, else `otherwise_ms`. */
int64_t weir_projection_patience_ms(const struct weir_session *session, int64_t otherwise_ms);

/* Each is run with a connection; `entry` NULL: not given. They return the exit code. */
int weir_projection_show(struct weir_session *session, const struct weir_projection_name *name);
int weir_projection_retry(struct weir_session *session, const struct weir_projection_name *name);
int weir_projection_skip(struct weir_session *session, const struct weir_projection_name *name,
                         const char *entry);
int weir_projection_rebuild(struct weir_session *session, const struct weir_projection_name *name);
int weir_projection_abandon(struct weir_session *session, const struct weir_projection_name *name);
int weir_projection_forget(struct weir_session *session, const struct weir_projection_name *name);

/* ---- Describing (projection_describe.c) -------------------------------------------------- */

/* An array of {service, stream, position, behind, more, oldest}: `behind` counts the events that
 * are not applied yet, up to 100, `more` says that there are more, `oldest` is the time in ms of
 * the first. NULL and an error. */
json_t *weir_projection_sources(struct weir_session *session,
                                const struct weir_projection_name *name, struct weir_error *error);
/* {projection, view, name, state, worker, behind, more, oldest, since, reason, rebuild}. */
json_t *weir_projection_describe(const struct weir_projection_name *name,
                                 const struct weir_projection_status *status,
                                 const json_t *sources);
/* All that are registered (an object as weir_projections_read makes it), as cheaply as can be: as
 * weir_projection_describe without behind and more, and with sources: [{service, stream, position,
 * oldest}]. New, in the order of their names; NULL and an error (projections_look.c). */
json_t *weir_projections_look(struct weir_session *session, json_t *registered, int64_t now_ms,
                              struct weir_error *error);
/* "running", "idle" where nobody has the turn, "stopped" or "parked" whoever has it; the second
 * with how its rebuild stands. */
const char *weir_projection_state(const struct weir_projection_status *status);
void weir_projection_state_append(struct weir_text *text,
                                  const struct weir_projection_status *status);
/* "12", "100+", or "-" where it is not known. New. */
json_t *weir_projection_behind(const json_t *counted);

/* ---- Asking the server (projection_order.c) ---------------------------------------------- */

/* The answer of weir_rebuild. */
struct weir_rebuild_answer {
    char word[16];    /* "started", "resumed", "paused", "abandoned", "refused" */
    char detail[200]; /* id, or why it is refused */
};
/* `arguments` as those of the function, ended by NULL. */
WEIR_CHECKED enum weir_status weir_rebuild_order(struct weir_session *session,
                                                 const struct weir_projection_name *name,
                                                 const char *const *arguments,
                                                 struct weir_rebuild_answer *answer,
                                                 struct weir_error *error);
/* The next piece of what follows the building, where nobody has the turn to do it. */
WEIR_CHECKED enum weir_status weir_rebuild_step(struct weir_session *session,
                                                const struct weir_projection_name *name,
                                                const char *rebuild, struct weir_error *error);
/* Waits until the rebuild of this id, which has been given up, is gone, and does what nobody else
 * does for it. `status` is what was read before, and is read anew. The exit code: 5 where it takes
 * too long. */
WEIR_CHECKED int weir_rebuild_clear(struct weir_session *session,
                                    const struct weir_projection_name *name, const char *rebuild,
                                    struct weir_projection_status *status);
bool weir_rebuild_is_given_up(const struct weir_projection_status *status);

/* ---- Waiting for a rebuild's end --------------------------------------------------------- */

/* Shows how the rebuild goes on until it has ended (projection_watch.c). */
int weir_rebuild_watch(struct weir_session *session, const struct weir_projection_name *name,
                       const char *rebuild);
/* Prints what has become of it (projection_rebuild.c); the exit code. */
int weir_rebuild_result(struct weir_session *session, const struct weir_projection_name *name,
                        const struct weir_projection_status *status);

#endif
