/* The protocol of coordinator, participant and bar, for one saga, small enough to look at every
 * order in which its parts can act. README.md says what is left out; check.sh runs it.
 *
 * Names are those of the C code: saga/change.c, compensation.c and transition.c for what a
 * coordinator decides, service/participant.c for what a service decides, redis/functions/commit.lua
 * for what a commit checks.
 *
 * Shapes of the saga, three steps each:
 *   CHAIN  one after the other
 *   FORK   the second and the third side by side behind the first
 *   PIVOT  one after the other: compensatable, pivot, retriable
 * For the question whether the saga ends, which endless bad luck would make pointless:
 *   FINITE_CRASHES=n  n crashes at the most, of all processes together
 *   PATIENT           time runs out only where nothing else can happen, no compensation is refused
 *   SILENT            no service answers at all
 * Buggy twins, each of which must fail: see the word TWIN. */

#define STEPS 3
#define all(p) (p(0) && p(1) && p(2))
#define any(p) (p(0) || p(1) || p(2))

#ifndef ATTEMPTS
#define ATTEMPTS 2 /* 1 or 2, of a step's command; its compensation has as many of its own */
#endif

#ifdef FORK
#define comes_before(i, j) ((i) == 0 && (j) > 0)
#else
#define comes_before(i, j) ((i) < (j))
#endif

#ifdef PIVOT
#define is_pivot(i) ((i) == 1)
#define is_retriable(i) ((i) == 2)
#else
#define is_pivot(i) false
#define is_retriable(i) false
#endif
#define has_compensation(i) (!is_pivot(i) && !is_retriable(i))

/* ---- What is stored: the saga's hash, and each step's record at its service ------------------ */

mtype = { SAGA_NONE, RUNNING, COMPENSATING, COMPLETED, COMPENSATED, SUSPENDED }
mtype = { PENDING, STEP_RUNNING, SUCCEEDED, FAILED, TIMED_OUT, STEP_COMPENSATING,
          STEP_COMPENSATED, SKIPPED }

/* Actions and outcomes are numbers: they are places in the sets of messages. */
#define EXECUTE 0
#define COMPENSATE 1
#define OUTCOME_NONE 0
#define OUTCOME_SUCCEEDED 1
#define OUTCOME_FAILED 2
#define OUTCOME_UNKNOWN 3

typedef step_record { /* what the coordinator knows of a step */
    mtype state = PENDING;
    byte attempts; /* commands sent, of the present action */
    byte number;   /* of the current command id: 1, then 2 for "#2" */
    bit waiting_to_send;
    bit unsent; /* `number` has not gone out yet: no reply can answer it */
    bit may_have_effect
};
mtype saga_state = SAGA_NONE;
step_record steps[STEPS];

typedef step_end {
    byte outcome;
    byte number
};
typedef participant_record { /* what the service has recorded of a step */
    step_end execute;
    step_end compensate
};
participant_record records[STEPS];

/* ---- Messages --------------------------------------------------------------------------------
 * Commands and replies are sets that nothing leaves: what was sent once may be delivered at any
 * time later, in any order, again and again, to both workers at once, or never. That is delivery at
 * least once with duplication, reordering, delay, loss and redelivery after a crash, all without a
 * limit. */

#define COMMAND(action, number) (1 << ((action) * 2 + (number) - 1))
#define REPLY(action, number, outcome) (1 << ((action) * 6 + (number) * 3 - 4 + (outcome)))
byte commands[STEPS];
short replies[STEPS];

/* A message without an id: the event that tells how the saga has ended. One entry, pending until it
 * is acknowledged. Nothing but the fence keeps two workers from handling it twice. */
bool event_pending;

/* ---- What happened. Nobody decides by it; the properties look at it -------------------------- */

byte executed[STEPS]; /* how often the step's effect was written */
byte undone[STEPS];   /* how often its compensation's */
bool executed_after_bar;
byte started, turned_back, ended; /* SagaStarted, SagaCompensating, SagaCompleted or …Compensated */
byte event_handled;

/* ---- Chance ---------------------------------------------------------------------------------- */

#ifdef FINITE_CRASHES
byte crashes_left = FINITE_CRASHES;
#define may_crash (crashes_left > 0)
#define count_crash crashes_left--
#else
#define may_crash true
#define count_crash skip
#endif

#ifdef PATIENT
#define time_may_run_out timeout
#define may_refuse (mine.verdict == HANDLE && mine.action == EXECUTE)
#else
#define time_may_run_out true
#define may_refuse (mine.verdict == HANDLE)
#endif

/* ---- saga/change.c --------------------------------------------------------------------------- */

byte i, j;  /* of loops, 0 between two commits */
bool found; /* of searches, too */

inline change_saga_move(to)
{
    saga_state = to;
    if
    :: to == RUNNING -> started++
    :: to == COMPENSATING -> turned_back++
    :: to == COMPLETED || to == COMPENSATED -> ended++; event_pending = true
    :: else
    fi
}

/* What is kept of an action that has come to an end is forgotten here: nothing asks for it. */
inline change_step_move(k, to)
{
    steps[k].waiting_to_send = 0;
    steps[k].attempts = 0;
    steps[k].number = 0;
    steps[k].state = to
}

/* The same id for each attempt, so that the participant can tell a repetition. */
inline change_send(k)
{
    steps[k].waiting_to_send = 0;
    steps[k].unsent = 0;
    steps[k].attempts++;
    if
    :: steps[k].state == STEP_RUNNING ->
        commands[k] = commands[k] | COMMAND(EXECUTE, steps[k].number)
    :: else -> commands[k] = commands[k] | COMMAND(COMPENSATE, steps[k].number)
    fi
}

inline change_begin(k, to)
{
    change_step_move(k, to);
    steps[k].number = 1;
    change_send(k)
}

#define attempts_left(k) (steps[k].attempts < ATTEMPTS)

/* ---- saga/compensation.c --------------------------------------------------------------------- */

#ifdef TIMED_OUT_IS_FAILED /* TWIN: no answer is taken for a refusal */
#define timed_out_needs_it false
#else
#define timed_out_needs_it true
#endif
#ifdef UNKNOWN_IS_FAILED /* TWIN: so is the answer "it may have taken effect" */
#define unknown_needs_it false
#else
#define unknown_needs_it true
#endif

#define needs_compensation(k) \
    (has_compensation(k) && \
     (steps[k].state == SUCCEEDED || (steps[k].state == TIMED_OUT && timed_out_needs_it) || \
      (steps[k].state == FAILED && steps[k].may_have_effect && unknown_needs_it)))
#define still_to_undo(k) (needs_compensation(k) || steps[k].state == STEP_COMPENSATING)

#ifdef FORWARD_ORDER /* TWIN: the first step is undone first */
#define holds_back(k, other) comes_before(other, k)
#else
#define holds_back(k, other) comes_before(k, other)
#endif

/* A compensation goes out once nothing that comes after its step is still to be undone. */
inline compensation_go_on()
{
    if
    :: !any(still_to_undo) -> change_saga_move(COMPENSATED)
    :: else
    fi;
    for (i : 0 .. STEPS - 1) {
        found = false;
        for (j : 0 .. STEPS - 1) {
            found = found || (holds_back(i, j) && still_to_undo(j))
        }
        if
        :: needs_compensation(i) && !found -> change_begin(i, STEP_COMPENSATING)
        :: else
        fi
    }
}

inline compensation_begin()
{
    change_saga_move(COMPENSATING);
    for (i : 0 .. STEPS - 1) {
        if
        :: steps[i].state == STEP_RUNNING -> change_step_move(i, TIMED_OUT)
        :: steps[i].state == PENDING -> change_step_move(i, SKIPPED)
        :: else
        fi
    }
    compensation_go_on()
}

inline give_up(k)
{
    steps[k].waiting_to_send = 0;
    if
    :: saga_state != SUSPENDED -> change_saga_move(SUSPENDED)
    :: else
    fi
}

/* The outcome of an id is final, so the next try has a new one. */
inline refused(k)
{
    steps[k].number++;
    steps[k].unsent = 1;
    if
    :: attempts_left(k) -> steps[k].waiting_to_send = 1
    :: else -> give_up(k)
    fi
}

inline compensation_answer(k, how)
{
    if
    :: how == OUTCOME_SUCCEEDED ->
        change_step_move(k, STEP_COMPENSATED);
        if
        :: saga_state == COMPENSATING -> compensation_go_on()
        :: else
        fi
    :: else -> refused(k)
    fi
}

/* ---- saga/transition.c ----------------------------------------------------------------------- */

#define is_done(k) (steps[k].state == SUCCEEDED)

inline start_ready()
{
    for (i : 0 .. STEPS - 1) {
        found = steps[i].state == PENDING;
        for (j : 0 .. STEPS - 1) {
            found = found && (!comes_before(j, i) || is_done(j))
        }
        if
        :: found -> change_begin(i, STEP_RUNNING)
        :: else
        fi
    }
}

inline step_succeeded(k)
{
    change_step_move(k, SUCCEEDED);
    if
    :: all(is_done) -> change_saga_move(COMPLETED)
    :: else -> start_ready()
    fi
}

/* Behind the pivot there is only forward. Of a pivot that may have taken effect nobody knows which
 * way to go: an operator has to find out. */
inline step_refused(k, how)
{
    if
    :: is_retriable(k) -> refused(k)
    :: is_pivot(k) && how == OUTCOME_UNKNOWN -> give_up(k)
    :: else ->
        steps[k].may_have_effect = how == OUTCOME_UNKNOWN;
        change_step_move(k, FAILED);
        compensation_begin()
    fi
}

inline answer(k, how)
{
    if
    :: steps[k].state == STEP_COMPENSATING -> compensation_answer(k, how)
    :: steps[k].state != STEP_COMPENSATING && how == OUTCOME_SUCCEEDED -> step_succeeded(k)
    :: else -> step_refused(k, how)
    fi
}

inline run_out(k)
{
    if
    :: saga_state == RUNNING && has_compensation(k) -> compensation_begin()
    :: else -> give_up(k)
    fi
}

inline wake(k)
{
    if
    :: steps[k].waiting_to_send -> change_send(k)
    :: !steps[k].waiting_to_send && attempts_left(k) -> steps[k].waiting_to_send = 1
    :: else -> run_out(k)
    fi
}

#define awaits_execute(k) (saga_state == RUNNING && steps[k].state == STEP_RUNNING)
#define awaits_compensate(k) \
    ((saga_state == COMPENSATING || saga_state == SUSPENDED) && \
     steps[k].state == STEP_COMPENSATING)

#ifdef ANY_REPLY /* TWIN: a reply is taken for the step under way, whatever command it answers */
#define answers_of(k, how) \
    (replies[k] & (REPLY(EXECUTE, 1, how) | REPLY(EXECUTE, 2, how) | \
                   REPLY(COMPENSATE, 1, how) | REPLY(COMPENSATE, 2, how)))
#define there_is_answer(k, how) \
    ((awaits_execute(k) || awaits_compensate(k)) && \
     (answers_of(0, how) || answers_of(1, how) || answers_of(2, how)))
#else
#define there_is_answer(k, how) \
    (!steps[k].unsent && \
     ((awaits_execute(k) && (replies[k] & REPLY(EXECUTE, steps[k].number, how))) || \
      (awaits_compensate(k) && (replies[k] & REPLY(COMPENSATE, steps[k].number, how)))))
#endif

#ifdef NO_TIMER /* TWIN: nothing wakes the saga */
#define has_timer(k) false
#else
#define has_timer(k) (awaits_execute(k) || (awaits_compensate(k) && saga_state != SUSPENDED))
#endif

#ifdef DEADLINE_BEHIND_PIVOT /* TWIN: the saga's deadline turns it back from behind the pivot */
#define is_past_return false
#else
#define is_past_return (is_pivot(1) && steps[1].state != PENDING)
#endif
#ifdef NO_TIMER
#define has_deadline false
#else
#define has_deadline (saga_state == RUNNING && !is_past_return)
#endif

/* ---- saga/start.c, move.c: a message in a coordinator's hands -------------------------------- */

mtype = { START, ANSWER, STEP_WAKE, DEADLINE, CONFLICT }

typedef coordinator_hand { /* empty where input is 0 */
    mtype input;
    byte step, outcome
};
coordinator_hand coordinators[2];
#define mine coordinators[me]
#define other coordinators[1 - me]

/* Compare and set: a commit that finds another revision than was read writes nothing. From a commit
 * on this is certain for what the other coordinator has in hand, whatever that is: to note it then
 * and there gives the same behaviours with fewer states. TWIN NO_CAS: the revision is not expected
 * unchanged. */
inline change_revision()
{
#ifndef NO_CAS
    if
    :: other.input != 0 -> other.input = CONFLICT; other.step = 0; other.outcome = 0
    :: else
    fi
#else
    skip
#endif
}

inline advance()
{
    if
    :: mine.input == START ->
        change_saga_move(RUNNING);
        start_ready()
    :: mine.input == ANSWER -> answer(mine.step, mine.outcome)
    :: mine.input == STEP_WAKE -> wake(mine.step)
    :: mine.input == DEADLINE -> compensation_begin()
    fi;
    change_revision()
}

inline put_down_input()
{
    mine.input = 0; mine.step = 0; mine.outcome = 0;
    i = 0; j = 0; found = false
}

/* After a conflict the message is where it was. */
inline commit_move()
{
    if
    :: mine.input != CONFLICT -> advance()
    :: else
    fi;
    put_down_input()
}

/* Takes only what would move the saga. A stale reply changes nothing, and a timer that is not due
 * neither: to leave them where they are loses no behaviour. */
#define is_free (mine.input == 0)
#define may_take_answer(k, how) \
    is_free && there_is_answer(k, how) -> mine.input = ANSWER; mine.step = k; mine.outcome = how
#define may_take_inputs(k) \
    :: is_free && has_timer(k) && time_may_run_out -> mine.input = STEP_WAKE; mine.step = k \
    :: may_take_answer(k, OUTCOME_SUCCEEDED) \
    :: may_take_answer(k, OUTCOME_FAILED) \
    :: may_take_answer(k, OUTCOME_UNKNOWN)

proctype coordinator(bit me)
{
end:
    do
    :: atomic {
           if /* reads a message and the saga */
           :: is_free && saga_state == SAGA_NONE -> mine.input = START
           :: is_free && has_deadline && time_may_run_out -> mine.input = DEADLINE
           may_take_inputs(0)
           may_take_inputs(1)
           may_take_inputs(2)
           fi
       }
    :: d_step { !is_free -> commit_move() }
    :: d_step { !is_free && may_crash -> count_crash; put_down_input() }
    od
}
#undef mine
#undef other
#undef is_free

/* ---- service/participant.c ------------------------------------------------------------------- */

mtype = { HANDLE, REPEAT, NULL_COMPENSATION, BARRED, PLAIN, FENCED }

#ifdef NO_DEDUPLICATION /* TWIN: a repeated command is executed again */
#define answers(end, n) false
#else
#define answers(end, n) \
    (end.outcome != OUTCOME_NONE && (end.number >= (n) || end.outcome == OUTCOME_SUCCEEDED))
#endif
#ifdef NO_BAR /* TWIN: an execution does not ask whether its compensation has come before it */
#define bars(end) false
#else
#define bars(end) (end.outcome != OUTCOME_NONE)
#endif

#define nothing_to_undo(end) (end.outcome == OUTCOME_NONE || end.outcome == OUTCOME_FAILED)

#define decides_execute(k, n) \
    (answers(records[k].execute, n) -> REPEAT : \
     (bars(records[k].compensate) -> BARRED : HANDLE))
#define decides_compensate(k, n) \
    (answers(records[k].compensate, n) -> REPEAT : \
     (nothing_to_undo(records[k].execute) -> NULL_COMPENSATION : HANDLE))

/* ---- service/loading.c, ending.c: a message in a worker's hands ------------------------------ */

typedef worker_hand { /* empty where verdict is 0 */
    mtype verdict;
    byte step, action, number
};
worker_hand workers[2];
#define mine workers[me]
#define other workers[1 - me]

inline put_down_message()
{
    mine.verdict = 0; mine.step = 0; mine.action = 0; mine.number = 0
}

/* A commit that finds the step's record other than it was read writes nothing. As with the saga's
 * revision this is noted as soon as it is certain. TWIN NO_EXPECTATION: the record is not expected
 * unchanged. */
inline change_record()
{
#ifndef NO_EXPECTATION
    if
    :: other.verdict != 0 && other.verdict != PLAIN && other.verdict != FENCED &&
           other.step == mine.step ->
        other.verdict = CONFLICT; other.step = 0; other.action = 0; other.number = 0
    :: else
    fi
#else
    skip
#endif
}

/* XACK says 1 to this worker and will say 0 to the other. TWIN NO_FENCE: its answer is not looked
 * at. */
inline acknowledge()
{
    event_pending = false;
#ifndef NO_FENCE
    if
    :: other.verdict == PLAIN -> other.verdict = FENCED
    :: else
    fi
#endif
}

inline reply(how)
{
    replies[mine.step] = replies[mine.step] | REPLY(mine.action, mine.number, how)
}

inline take_effect()
{
    if
    :: mine.action == EXECUTE ->
        executed[mine.step]++;
        executed_after_bar =
            executed_after_bar || records[mine.step].compensate.outcome != OUTCOME_NONE
    :: else -> undone[mine.step]++
    fi
}

/* Record, effect and answer in one commit. */
inline end_step(how)
{
    if
    :: mine.verdict == HANDLE && how == OUTCOME_SUCCEEDED -> take_effect()
    :: else
    fi;
    if
    :: mine.action == EXECUTE ->
        records[mine.step].execute.outcome = how;
        records[mine.step].execute.number = mine.number
    :: else ->
        records[mine.step].compensate.outcome = how;
        records[mine.step].compensate.number = mine.number
    fi;
    change_record();
    reply(how)
}

inline repeat()
{
    if
    :: mine.action == EXECUTE -> reply(records[mine.step].execute.outcome)
    :: else -> reply(records[mine.step].compensate.outcome)
    fi
}

/* `how`: what the handler says; it matters where the handler is called. */
inline commit(how)
{
    if
    :: mine.verdict == PLAIN -> acknowledge(); event_handled++
    :: mine.verdict == REPEAT -> repeat()
    :: mine.verdict == BARRED -> reply(OUTCOME_FAILED)
    :: mine.verdict == NULL_COMPENSATION || mine.verdict == HANDLE -> end_step(how)
    :: else /* after a conflict the message is where it was; after a fence it is done with */
    fi;
    put_down_message()
}

#ifdef REPLY_WITHOUT_STEP /* TWIN: the answer goes out by itself, ahead of the commit */
inline announce()
{
    if
    :: mine.verdict == HANDLE -> reply(OUTCOME_SUCCEEDED)
    :: else
    fi
}
#else
#define announce() skip
#endif

#define is_free (mine.verdict == 0)
#define was_sent(k, what, n) (commands[k] & COMMAND(what, n))
/* A repetition, or a refusal by the bar, that has been answered before changes nothing. */
#define is_answered(k, what, n) \
    (replies[k] & (REPLY(what, n, OUTCOME_SUCCEEDED) | REPLY(what, n, OUTCOME_FAILED) | \
                   REPLY(what, n, OUTCOME_UNKNOWN)))
#define may_take(k, what, n, decision) \
    is_free && was_sent(k, what, n) && (decision == HANDLE || !is_answered(k, what, n)) -> \
        mine.verdict = decision; mine.step = k; mine.action = what; mine.number = n
#define may_take_commands(k) \
    :: may_take(k, EXECUTE, 1, decides_execute(k, 1)) \
    :: may_take(k, EXECUTE, 2, decides_execute(k, 2)) \
    :: may_take(k, COMPENSATE, 1, decides_compensate(k, 1)) \
    :: may_take(k, COMPENSATE, 2, decides_compensate(k, 2))

proctype worker(bit me)
{
end:
    do
    :: atomic {
           if /* reads a message and the step's record */
           :: is_free && event_pending -> mine.verdict = PLAIN
           may_take_commands(0)
           may_take_commands(1)
           may_take_commands(2)
           fi;
           announce()
       }
    :: d_step { !is_free -> commit(OUTCOME_SUCCEEDED) }
    :: d_step { !is_free && may_refuse -> commit(OUTCOME_FAILED) }
    :: d_step { !is_free && may_refuse -> commit(OUTCOME_UNKNOWN) }
    :: d_step { !is_free && may_crash -> count_crash; put_down_message() }
    od
}

init
{
    atomic {
        run coordinator(0);
        run coordinator(1);
#ifndef SILENT
        run worker(0);
        run worker(1)
#endif
    }
}

/* ---- Properties ------------------------------------------------------------------------------ */

#define took_effect(k) (executed[k] > 0 || records[k].execute.outcome == OUTCOME_UNKNOWN)
#define at_most_once(k) (executed[k] <= 1 && undone[k] <= 1)
#define stands(k) (executed[k] == 1 && undone[k] == 0)
#define left_nothing(k) (!took_effect(k) || undone[k] == 1)
#define had_something_to_undo(k) (undone[k] == 0 || took_effect(k))
#define pair_in_order(k, l) \
    (!(comes_before(k, l) && undone[k] > 0 && took_effect(l)) || undone[l] > 0)
#define in_order(k) (pair_in_order(k, 0) && pair_in_order(k, 1) && pair_in_order(k, 2))

/* Each effect at most once, and what is told by a message without an id as well. */
ltl once { [] (all(at_most_once) && event_handled <= 1) }
/* No step is executed after its bar. */
ltl barred { [] !executed_after_bar }
/* A completed saga has all its effects. */
ltl completed { [] (saga_state == COMPLETED -> all(stands)) }
/* No effect without its compensation in a compensated saga. */
ltl compensated { [] (saga_state == COMPENSATED -> all(left_nothing)) }
/* No compensation's effect without its step's; unknown counts as one. */
ltl cause { [] all(had_something_to_undo) }
/* Compensations take effect in reverse order. */
ltl order { [] all(in_order) }
/* One end at the most, and it stays. */
ltl one_end { [] (ended <= 1) }
/* Two coordinators make no move twice. */
ltl one_move { [] (started <= 1 && turned_back <= 1) }
/* Nothing is undone once the pivot has taken effect. */
ltl no_return { [] !(is_pivot(1) && executed[1] > 0 && undone[0] > 0) }

#define has_ended (saga_state == COMPLETED || saga_state == COMPENSATED)
/* Under weak fairness every saga ends, or waits for an operator. */
ltl ends { <> (has_ended || saga_state == SUSPENDED) }
/* Where services answer in the end it does not even need the operator. */
ltl recovers { <> (has_ended && event_handled == 1) }
