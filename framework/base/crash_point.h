/* Points at which a test has a process die by SIGKILL, as if the machine had lost it there.
 *
 * Built in by -DWEIR_CRASH_POINTS alone (make crash-points); else a point is no code at all.
 *   WEIR_CRASH_POINT=<name>:<n>  the process dies at its n-th passing of that point
 *   WEIR_CRASH_COUNT=<file>      each passing adds a line with the point's name to the file
 *
 * What is "sent" lies in the process until the loop turns, so a death behind it is one before the
 * server has seen anything; "answered" is the first moment at which it has. */
#ifndef WEIR_BASE_CRASH_POINT_H
#define WEIR_BASE_CRASH_POINT_H

/* All points, in the order of a message's way. New ones go to the end of their room. */
#define WEIR_CRASH_POINT_TABLE(POINT)                                                              \
    POINT(LINK_CONNECTED, "link.connected-before-greeting")                                        \
    POINT(LINK_GREETED, "link.greeted")                                                            \
    POINT(LIBRARY_LOADED, "library.load-answered")                                                 \
    POINT(GROUP_ANSWERED, "group.made-or-there")                                                   \
    POINT(RECOVER_SENDING, "recover.before-send")                                                  \
    POINT(RECOVER_ANSWERED, "recover.answered")                                                    \
    POINT(RECOVER_TAKEN, "recover.behind-an-entry")                                                \
    POINT(SUSPECT_COUNTED, "suspect.counted")                                                      \
    POINT(CLAIM_SENDING, "claim.before-send")                                                      \
    POINT(CLAIM_ANSWERED, "claim.answered")                                                        \
    POINT(CLAIM_TAKEN, "claim.behind-an-entry")                                                    \
    POINT(READ_SENDING, "read.before-send")                                                        \
    POINT(READ_ANSWERED, "read.answered")                                                          \
    POINT(READ_TAKEN, "read.behind-an-entry")                                                      \
    POINT(LOAD_SENT, "load.sent")                                                                  \
    POINT(LOAD_ANSWERED, "load.answered")                                                          \
    POINT(HANDLE_BEGINNING, "handle.before")                                                       \
    POINT(HANDLE_PUBLISHED, "handle.published")                                                    \
    POINT(HANDLE_RETURNED, "handle.behind")                                                        \
    POINT(HANDLE_DEFERRED, "handle.deferred")                                                      \
    POINT(HANDLE_RESUMED, "handle.resumed")                                                        \
    POINT(COMMIT_SENDING, "commit.before-send")                                                    \
    POINT(COMMIT_SENT, "commit.sent")                                                              \
    POINT(COMMIT_ANSWERED, "commit.answered")                                                      \
    POINT(COMMIT_RELEASED, "commit.released")                                                      \
    POINT(REFRESH_SENT, "refresh.sent")                                                            \
    POINT(PROMOTE_SENDING, "promote.before-send")                                                  \
    POINT(PROMOTE_ANSWERED, "promote.answered")                                                    \
    POINT(BEAT_ANSWERED, "beat.answered")                                                          \
    POINT(TRIM_ANSWERED, "trim.answered")                                                          \
    POINT(STOP_BEGUN, "stop.begun")                                                                \
    POINT(STOP_LEAVING, "stop.before-leaving")                                                     \
    POINT(STOP_LEFT, "stop.left")                                                                  \
    POINT(TURN_SENDING, "turn.before-send")                                                        \
    POINT(TURN_ANSWERED, "turn.answered")                                                          \
    POINT(TURN_TAKEN, "turn.taken")                                                                \
    POINT(PROJECT_LOCATED, "project.located")                                                      \
    POINT(PROJECT_READ, "project.read")                                                            \
    POINT(PROJECT_LOADED, "project.loaded")                                                        \
    POINT(PROJECT_FOLDED_ONE, "project.behind-an-event")                                           \
    POINT(PROJECT_WRITING, "project.before-commit")                                                \
    POINT(PROJECT_WRITTEN, "project.committed")                                                    \
    POINT(REBUILD_BEGUN, "rebuild.begun")                                                          \
    POINT(REBUILD_CHECKED, "rebuild.events-checked")                                               \
    POINT(REBUILD_STEPPING, "rebuild.before-step")                                                 \
    POINT(REBUILD_STEPPED, "rebuild.step-answered")                                                \
    POINT(REBUILD_ENDED, "rebuild.ended")                                                          \
    POINT(SAGA_BEGINNING, "saga.before-start")                                                     \
    POINT(SAGA_DECIDED, "saga.decided")                                                            \
    POINT(SAGA_CARRIED_OUT, "saga.carried-out")                                                    \
    POINT(SAGA_WOKEN, "saga.woken")

#ifdef WEIR_CRASH_POINTS

enum weir_crash_point {
#define WEIR_CRASH_POINT_CONSTANT(constant, name) WEIR_CRASH_##constant,
    WEIR_CRASH_POINT_TABLE(WEIR_CRASH_POINT_CONSTANT)
#undef WEIR_CRASH_POINT_CONSTANT
        WEIR_CRASH_POINT_COUNT
};

void weir_crash_point(enum weir_crash_point point);

#define WEIR_CRASH_POINT(constant) weir_crash_point(WEIR_CRASH_##constant)
#else
#define WEIR_CRASH_POINT(constant) ((void)0)
#endif

#endif
