/* The protocol of coordinator, participant and bar, for one saga, small enough to look at every
 * order in which its parts can act. README.md says what is left out; check.sh runs it.
 *
 * Names are those of the C code: saga/change.c, compensation.c and transition.c for what a
 * coordinator decides, service/participant.c for what a service decides, service/step_move.c,
 * step_answer.c and handling.c for how a worker ends a step, redis/functions/commit.lua for what a
 * commit checks.
 *
 * Shapes of the saga, three steps each:
 *   CHAIN  one after the other
 *   FORK   the second and the third side by side behind the first
 *   PIVOT  one after the other: compensatable, pivot, retriable
 * For the question whether the saga ends, which endless bad luck would make pointless:
 *   FINITE_CRASHES=n  n crashes at the most, of all processes together
 *   PATIENT           time runs out only where nothing else can happen, no compensation is refused
 *   SILENT            no service answers at all
 * How workers end a step; by default each time one way or the other:
 *   NO_RIGHTS         they may not read sagas: a record and a reply, always
 *   READ_RIGHTS       they may read them, but a commit can neither move nor expect them
 *   MOVES             they move the saga wherever they may
 *   RECORDS           they leave a record with each move, too: of a saga whose hash goes early
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
    bit stuck;  /* waits for an operator */
    bit result; /* the saga has heard of its success */
    bit may_have_effect
};
mtype saga_state = SAGA_NONE, suspended_from = SAGA_NONE;
step_record steps[STEPS];

/* How an action has ended, in one byte. Of two such ends the one with the larger number counts; a
 * success, which is final, has the largest. */
#define FINAL 7
#define END(outcome, number) ((number) * 4 + (outcome))
#define SUCCESS END(OUTCOME_SUCCEEDED, FINAL)
#define NO_END 0
#define outcome_of(end) ((end) & 3)
#define number_of(end) ((end) >> 2)

typedef participant_record { /* what the service has recorded of a step */
    byte execute, compensate
};
participant_record records[STEPS];

/* ---- What is in the hands of those who are at work ------------------------------------------- */

mtype = { START, ANSWER, STEP_WAKE, DEADLINE }

typedef coordinator_hand { /* empty where input is 0 */
    mtype input;
    byte step, outcome
};
coordinator_hand coordinators[2];

mtype = { HANDLE, REPEAT, NULL_COMPENSATION, BARRED, PLAIN }

/* A worker without a right to the saga knows the record alone. */
#ifdef NO_RIGHTS
#define has_rights(w) false
#elif defined(MIXED_RIGHTS) /* TWIN: the one may read and move the saga, the other may not */
#define has_rights(w) ((w) == 0)
#else
#define has_rights(w) true
#endif

/* What a worker has read of the saga:
 *   AWAITED    it awaits the answer, so the worker may move it
 *   READ       it does not, so there can only be a reply; or nothing was read at all
 *   OUTRUN     somebody has moved it since, but not this step, so there can only be a reply
 *   RELOADING  nor that: the worker has to read record and saga anew */
mtype = { READ, AWAITED, OUTRUN, RELOADING }

typedef worker_hand { /* empty where verdict is 0 */
    mtype verdict, saga;
    byte step, action, number
};
worker_hand workers[2];

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
bit perhaps[STEPS];   /* whether it may have had its effect outside, for all that is known */
bit bar_is_up[STEPS]; /* whether its compensation has ended, in whatever way */
bool executed_after_bar;
bool done_and_refused; /* whether what was refused has taken effect */
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
#define may_refuse (mine.action == EXECUTE)
#else
#define time_may_run_out true
#define may_refuse true
#endif

/* ---- saga/change.c --------------------------------------------------------------------------- */

byte i, j;  /* of loops, 0 between two commits */
bool found; /* of searches, too */

inline change_saga_move(to)
{
    suspended_from = (to == SUSPENDED -> saga_state : SAGA_NONE);
    saga_state = to;
    if
    :: to == RUNNING -> started++
    :: to == COMPENSATING -> turned_back++
    :: to == COMPLETED || to == COMPENSATED -> ended++; event_pending = true
    :: else
    fi
}

/* Replies to what the step no longer stands on are stale, whenever they come. TWIN ANY_REPLY has to
 * keep them. */
#ifdef ANY_REPLY
#define keeps_reply(k, what, n) true
#define forget_replies(k) skip
#else
#define keeps_reply(k, what, n) awaits(k, what, n)
#define forget_replies(k) replies[k] = 0
#endif

/* What is kept of an action that has come to an end is forgotten here: nothing asks for it. */
inline change_step_move(k, to)
{
    steps[k].waiting_to_send = 0;
    steps[k].stuck = 0;
    forget_replies(k);
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

/* The outcome of an id is final, so the next try has a new one. */
inline change_renumber(k)
{
    steps[k].number++;
    steps[k].unsent = 1;
    forget_replies(k)
}

#define attempts_left(k) (steps[k].attempts < ATTEMPTS)

/* ---- saga/suspension.c ----------------------------------------------------------------------- */

inline give_up(k)
{
    steps[k].waiting_to_send = 0;
    steps[k].stuck = 1;
    if
    :: saga_state != SUSPENDED -> change_saga_move(SUSPENDED)
    :: else
    fi
}

/* A late answer has come for the last step that was stuck. */
#define is_stuck(k) steps[k].stuck
inline lift()
{
    if
    :: saga_state == SUSPENDED && !any(is_stuck) ->
        saga_state = suspended_from;
        suspended_from = SAGA_NONE
    :: else
    fi
}

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

inline note_refusal(k, how, done)
{
    done_and_refused = done_and_refused || (how == OUTCOME_FAILED && done > 0)
}

inline refused(k)
{
    change_renumber(k);
    if
    :: attempts_left(k) && !steps[k].stuck -> steps[k].waiting_to_send = 1
    :: else -> give_up(k)
    fi
}

inline compensation_answer(k, how)
{
    if
    :: how == OUTCOME_SUCCEEDED ->
        change_step_move(k, STEP_COMPENSATED);
        lift();
        if
        :: saga_state == COMPENSATING -> compensation_go_on()
        :: else
        fi
    :: else ->
        note_refusal(k, how, undone[k]);
        refused(k)
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
    steps[k].result = 1;
    change_step_move(k, SUCCEEDED);
    lift();
    if
    :: saga_state == RUNNING && all(is_done) -> change_saga_move(COMPLETED)
    :: saga_state == RUNNING && !all(is_done) -> start_ready()
    :: else
    fi
}

/* Behind the pivot there is only forward. Of a pivot that may have taken effect nobody knows which
 * way to go: an operator has to find out. */
inline step_refused(k, how)
{
    note_refusal(k, how, executed[k]);
    if
    :: is_retriable(k) -> refused(k)
    :: is_pivot(k) && how == OUTCOME_UNKNOWN ->
        change_renumber(k);
        give_up(k)
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

#define is_heading(way) \
    (saga_state == way || (saga_state == SUSPENDED && suspended_from == way))
#define awaits_execute(k) (is_heading(RUNNING) && steps[k].state == STEP_RUNNING)
#define awaits_compensate(k) (is_heading(COMPENSATING) && steps[k].state == STEP_COMPENSATING)
#define awaits(k, what, n) \
    (!steps[k].unsent && steps[k].number == (n) && \
     ((what) == EXECUTE -> awaits_execute(k) : awaits_compensate(k)))

#ifdef ANY_REPLY /* TWIN: a reply is taken for the step under way, whatever command it answers */
#define answers_of(k, how) \
    (replies[k] & (REPLY(EXECUTE, 1, how) | REPLY(EXECUTE, 2, how) | \
                   REPLY(COMPENSATE, 1, how) | REPLY(COMPENSATE, 2, how)))
#define there_is_answer(k, how) \
    ((awaits_execute(k) || awaits_compensate(k)) && \
     (answers_of(0, how) || answers_of(1, how) || answers_of(2, how)))
#else
#define there_is_answer(k, how) \
    ((awaits(k, EXECUTE, steps[k].number) && \
      (replies[k] & REPLY(EXECUTE, steps[k].number, how))) || \
     (awaits(k, COMPENSATE, steps[k].number) && \
      (replies[k] & REPLY(COMPENSATE, steps[k].number, how))))
#endif

#ifdef NO_TIMER /* TWIN: nothing wakes the saga */
#define has_timer(k) false
#else
#define has_timer(k) (saga_state != SUSPENDED && (awaits_execute(k) || awaits_compensate(k)))
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

/* ---- A move, whoever makes it ---------------------------------------------------------------- */

/* A commit that finds another revision than was read writes nothing. From a commit on this is
 * certain for what the others have in hand, whatever that is: to put it down then and there gives
 * the same behaviours with fewer states. TWIN NO_CAS: coordinators do not expect the revision
 * unchanged. */
#ifdef NO_CAS
#define note_coordinator(c) skip
#else
inline note_coordinator(c)
{
    coordinators[c].input = 0; coordinators[c].step = 0; coordinators[c].outcome = 0
}
#endif

inline put_down_message(w)
{
    workers[w].verdict = 0; workers[w].saga = 0; workers[w].step = 0; workers[w].action = 0;
    workers[w].number = 0
}

/* What a reply's commit asks of the saga is that the step is as it was read, state and number. */
typedef step_read { /* 0 between two commits, too */
    mtype state;
    byte number
};
step_read before[2];

inline note_step(w)
{
    before[w].state = steps[workers[w].step].state;
    before[w].number = steps[workers[w].step].number
}

#ifdef STATE_ALONE /* TWIN: … the state, but not the number */
#define number_changed(w) false
#else
#define number_changed(w) (steps[workers[w].step].number != before[w].number)
#endif
#if defined(READ_RIGHTS) || \
    defined(REPLY_BESIDE_MOVE) /* TWIN: a reply's commit does not ask for the saga at all */
#define step_changed(w) false
#else
#define step_changed(w) \
    (steps[workers[w].step].state != before[w].state || number_changed(w))
#endif
#define may_end(w) (workers[w].verdict == HANDLE || workers[w].verdict == NULL_COMPENSATION)

inline note_worker(w)
{
    if
    :: may_end(w) && has_rights(w) && step_changed(w) && workers[w].saga == READ ->
        put_down_message(w)
    :: may_end(w) && has_rights(w) && step_changed(w) && workers[w].saga != READ ->
        workers[w].saga = RELOADING
    :: may_end(w) && !step_changed(w) && workers[w].saga == AWAITED -> workers[w].saga = OUTRUN
    :: else
    fi;
    before[w].state = 0;
    before[w].number = 0
}

inline begin_move()
{
    note_step(0);
    note_step(1)
}

inline end_move()
{
    note_coordinator(0);
    note_coordinator(1);
    note_worker(0);
    note_worker(1);
    i = 0; j = 0; found = false
}

/* ---- saga/start.c, move.c: a message in a coordinator's hands -------------------------------- */

#define mine coordinators[me]

inline advance()
{
    begin_move();
    if
    :: mine.input == START ->
        change_saga_move(RUNNING);
        start_ready()
    :: mine.input == ANSWER -> answer(mine.step, mine.outcome)
    :: mine.input == STEP_WAKE -> wake(mine.step)
    :: mine.input == DEADLINE -> compensation_begin()
    fi;
    end_move()
}

inline put_down_input()
{
    mine.input = 0; mine.step = 0; mine.outcome = 0
}

inline commit_move()
{
    advance();
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
#undef is_free

/* ---- service/participant.c ------------------------------------------------------------------- */

#ifdef NO_DEDUPLICATION /* TWIN: a repeated command is executed again */
#define answers(end, n) false
#else
#define answers(end, n) (number_of(end) >= (n))
#endif
#ifdef NO_BAR /* TWIN: an execution does not ask whether its compensation has come before it */
#define bars(end) false
#else
#define bars(end) ((end) != NO_END)
#endif

#define nothing_to_undo(end) ((end) == NO_END || outcome_of(end) == OUTCOME_FAILED)

/* What the saga tells of an action's end. Of an action that is over it keeps no number here: that
 * was 1, as only what is tried again has another. */
#define is_over(k) (steps[k].state != PENDING && steps[k].state != STEP_RUNNING)
#define stored_number(k) (steps[k].number == 0 -> 1 : steps[k].number)
#define has_refused(k, n, in) (steps[k].state == in && steps[k].number > (n))
#define last_refusal(k) END(OUTCOME_FAILED, steps[k].number - 1)

#ifdef SUCCESS_FORGOTTEN /* TWIN: the saga does not tell of a success */
#define tells_success(k) false
#else
#define tells_success(k) (is_over(k) && steps[k].result)
#endif
#ifdef NO_BAR_BY_SAGA /* TWIN: nor of what was undone */
#define tells_undone(k) false
#else
#define tells_undone(k) (steps[k].state == STEP_COMPENSATED)
#endif

#define told_execute(k, n) \
    (tells_success(k) -> SUCCESS : \
     (is_over(k) && steps[k].may_have_effect -> END(OUTCOME_UNKNOWN, stored_number(k)) : \
      (steps[k].state == FAILED || steps[k].state == SKIPPED -> END(OUTCOME_FAILED, 1) : \
       (has_refused(k, n, STEP_RUNNING) -> last_refusal(k) : NO_END))))
#define told_compensate(k, n) \
    (tells_undone(k) -> SUCCESS : \
     (has_refused(k, n, STEP_COMPENSATING) -> last_refusal(k) : NO_END))

#ifdef RECORD_OUTWEIGHS /* TWIN: what is recorded counts, whatever the saga tells */
#define end_of_both(recorded, told) (recorded != NO_END -> recorded : told)
#else
#define end_of_both(recorded, told) (number_of(told) > number_of(recorded) -> told : recorded)
#endif

#define known_execute(w, k, n) \
    (has_rights(w) -> end_of_both(records[k].execute, told_execute(k, n)) : records[k].execute)
#define known_compensate(w, k, n) \
    (has_rights(w) -> end_of_both(records[k].compensate, told_compensate(k, n)) : \
                      records[k].compensate)

/* Of the other action it matters only whether it has ended for good. */
#define NO_NUMBER 255
#define decides_execute(w, k, n) \
    (answers(known_execute(w, k, n), n) -> REPEAT : \
     (bars(known_compensate(w, k, NO_NUMBER)) -> BARRED : HANDLE))
#define decides_compensate(w, k, n) \
    (answers(known_compensate(w, k, n), n) -> REPEAT : \
     (nothing_to_undo(known_execute(w, k, NO_NUMBER)) -> NULL_COMPENSATION : HANDLE))

/* ---- service/loading.c, handling.c, step_answer.c, step_move.c: a message in a worker's hands - */

#define mine workers[me]
#define other workers[1 - me]

#ifdef MOVE_WITHOUT_RECORD /* TWIN: a move does not expect the record unchanged */
#define asks_for_record(saga_read) (saga_read != RELOADING && saga_read != AWAITED)
#else
#define asks_for_record(saga_read) (saga_read != RELOADING)
#endif

/* A commit that finds the step's record other than it was read writes nothing. As with the saga's
 * revision this is noted as soon as it is certain. TWIN NO_EXPECTATION: the record is not expected
 * unchanged. */
inline change_record()
{
#ifndef NO_EXPECTATION
    if
    :: may_end(1 - me) && other.step == mine.step && asks_for_record(other.saga) ->
        put_down_message(1 - me)
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
    :: other.verdict == PLAIN -> put_down_message(1 - me)
    :: else
    fi
#endif
}

/* A reply that the saga does not await now it will never await. */
inline reply(how)
{
    if
    :: keeps_reply(mine.step, mine.action, mine.number) ->
        replies[mine.step] = replies[mine.step] | REPLY(mine.action, mine.number, how)
    :: else
    fi
}

#define was_refused(k, what, n) \
    ((what) == EXECUTE -> has_refused(k, n, STEP_RUNNING) || \
                              (steps[k].state == FAILED && !steps[k].may_have_effect) : \
     has_refused(k, n, STEP_COMPENSATING))

inline take_effect()
{
    done_and_refused = done_and_refused || was_refused(mine.step, mine.action, mine.number);
    if
    :: mine.action == EXECUTE ->
        executed[mine.step]++;
        executed_after_bar = executed_after_bar || bar_is_up[mine.step]
    :: else -> undone[mine.step]++
    fi
}

byte said; /* by the handler; 0 between two commits */

/* What the handler has done, and is true from then on. */
inline take_outcome(how)
{
    if
    :: mine.verdict == HANDLE && how == OUTCOME_SUCCEEDED -> take_effect()
    :: else
    fi;
    if
    :: mine.action == COMPENSATE -> bar_is_up[mine.step] = 1
    :: mine.action == EXECUTE && how == OUTCOME_UNKNOWN -> perhaps[mine.step] = 1
    :: else
    fi
}

#define end_as(how) (how == OUTCOME_SUCCEEDED -> SUCCESS : END(how, mine.number))
inline record(how)
{
    if
    :: mine.action == EXECUTE ->
        records[mine.step].execute = end_as(how)
    :: else -> records[mine.step].compensate = end_as(how)
    fi;
    change_record()
}

/* Effect, record and answer in one commit … */
inline commit_reply()
{
    take_outcome(said);
    record(said);
    reply(said);
    said = 0;
    put_down_message(me)
}

/* … or effect and move, as the coordinator would make it on that answer. */
inline commit_step_move()
{
    take_outcome(said);
#ifdef RECORDS
    record(said);
#endif
    begin_move();
    answer(mine.step, said);
    said = 0;
    end_move();
    put_down_message(me)
}

inline commit_plain()
{
    acknowledge();
    event_handled++;
    put_down_message(me)
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

/* What to do about the command in hand, after the record and the saga as they are now. */
#define read_saga(unused) \
    mine.saga = (has_rights(me) && awaits(mine.step, mine.action, mine.number) -> AWAITED : READ)

inline decide()
{
    if
    :: mine.action == EXECUTE -> mine.verdict = decides_execute(me, mine.step, mine.number)
    :: else -> mine.verdict = decides_compensate(me, mine.step, mine.number)
    fi;
    read_saga(0)
}

/* What needs no handler and leaves no trace is done at once: a later reply would be the same one. */
byte known; /* 0 between two answers */
inline answer_at_once()
{
    if
    :: mine.verdict == REPEAT ->
        if
        :: mine.action == EXECUTE -> known = known_execute(me, mine.step, mine.number)
        :: else -> known = known_compensate(me, mine.step, mine.number)
        fi;
        reply(outcome_of(known));
        known = 0
    :: mine.verdict == BARRED -> reply(OUTCOME_FAILED)
    :: else
    fi;
    if
    :: mine.verdict == REPEAT || mine.verdict == BARRED -> put_down_message(me)
    :: else
    fi
}

/* A record that is not loaded, as of a first command, or was loaded before it was written, does not
 * hold up an answer that the saga tells of. */
inline repeat_by_saga()
{
    if
    :: mine.action == EXECUTE -> known = told_execute(mine.step, mine.number)
    :: else -> known = told_compensate(mine.step, mine.number)
    fi;
    reply(outcome_of(known));
    known = 0;
    put_down_message(me)
}

#define is_free (mine.verdict == 0)
#define was_sent(k, what, n) (commands[k] & COMMAND(what, n))
/* An answer that nobody awaits, or that has been given before, changes nothing. */
#define is_news(k, what, n, how) \
    (keeps_reply(k, what, n) && (replies[k] & REPLY(what, n, how)) == 0)
#define changes_by(k, what, n, end_known, otherwise) \
    (answers(end_known, n) -> is_news(k, what, n, outcome_of(end_known)) : otherwise)
#define changes_if_barred(k, n) \
    (!bars(known_compensate(me, k, NO_NUMBER)) || is_news(k, EXECUTE, n, OUTCOME_FAILED))

#define may_take(k, what, n, end_known, end_told, otherwise) \
    :: is_free && was_sent(k, what, n) && changes_by(k, what, n, end_known, otherwise) -> \
        mine.step = k; mine.action = what; mine.number = n \
    :: is_free && was_sent(k, what, n) && has_rights(me) && \
            changes_by(k, what, n, end_told, false) -> \
        mine.step = k; mine.action = what; mine.number = n; mine.verdict = REPEAT
#define may_take_command(k, n) \
    may_take(k, EXECUTE, n, known_execute(me, k, n), told_execute(k, n), changes_if_barred(k, n)) \
    may_take(k, COMPENSATE, n, known_compensate(me, k, n), told_compensate(k, n), true)
#define may_take_commands(k) \
    may_take_command(k, 1) \
    may_take_command(k, 2)

/* ---- Outrun ---------------------------------------------------------------------------------- */

/* The commit has met a saga that others have moved. What the handler has said stands – which that
 * is, is left open until it counts –, unless record and saga, as they are now, decide otherwise.
 * Where nothing was to be undone the handler has not been asked: if it has to be now, all begins
 * anew. TWINS OUTRUN_UNDECIDED: what was decided before is committed, whatever there is to read;
 * STALE_NULL: the handler is not asked then either. */
bool was_null; /* false between two reloads */
inline reload()
{
#ifdef OUTRUN_UNDECIDED
    read_saga(0)
#else
    was_null = mine.verdict == NULL_COMPENSATION;
    decide();
    if
    :: mine.verdict == HANDLE && was_null ->
#ifdef STALE_NULL
        mine.verdict = NULL_COMPENSATION
#else
        put_down_message(me)
#endif
    :: else -> answer_at_once()
    fi;
    was_null = false
#endif
}

/* ---- A worker -------------------------------------------------------------------------------- */

#ifdef READ_RIGHTS
#define may_move false
#elif defined(MOVE_WITHOUT_REVISION) /* TWIN: a move does not expect the saga as it was read */
#define may_move (mine.saga != READ)
#else
#define may_move (mine.saga == AWAITED)
#endif
/* By choice, unless it was told not to: without the definition at hand, for the sake of durability,
 * too often outrun. */
#ifdef MOVES
#define may_reply (mine.saga == READ)
#else
#define may_reply (mine.saga != RELOADING)
#endif
#define may_be_refused (mine.verdict == HANDLE && may_refuse)

proctype worker(bit me)
{
end:
    do
    :: atomic {
           if /* reads a message, and the step's record and saga */
           :: is_free && event_pending -> mine.verdict = PLAIN
           may_take_commands(0)
           may_take_commands(1)
           may_take_commands(2)
           fi;
           if
           :: mine.verdict == 0 -> decide(); answer_at_once()
           :: mine.verdict == REPEAT -> repeat_by_saga()
           :: mine.verdict == PLAIN
           fi;
           announce()
       }
    :: d_step { mine.verdict == PLAIN -> commit_plain() }
    :: atomic {
           may_end(me) && (may_reply || may_move);
           if
           :: said = OUTCOME_SUCCEEDED
           :: may_be_refused -> said = OUTCOME_FAILED
           :: may_be_refused -> said = OUTCOME_UNKNOWN
           fi;
           if
           :: d_step { may_reply -> commit_reply() }
           :: d_step { may_move -> commit_step_move() }
           fi
       }
    :: d_step { mine.saga == OUTRUN -> mine.saga = RELOADING }
    :: d_step { mine.saga == RELOADING -> reload() }
    :: d_step { !is_free && may_crash -> count_crash; put_down_message(me) }
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

#define took_effect(k) (executed[k] > 0 || perhaps[k])
#define at_most_once(k) (executed[k] <= 1 && undone[k] <= 1)
#define stands(k) (executed[k] == 1 && undone[k] == 0)
#define left_nothing(k) (!took_effect(k) || undone[k] == 1)
#define had_something_to_undo(k) (undone[k] == 0 || took_effect(k))
#define pair_in_order(k, l) \
    (!(comes_before(k, l) && undone[k] > 0 && took_effect(l)) || undone[l] > 0)
#define in_order(k) (pair_in_order(k, 0) && pair_in_order(k, 1) && pair_in_order(k, 2))

/* Each effect at most once, and what is told by a message without an id as well. */
#define is_once (all(at_most_once) && event_handled <= 1)
/* No step is executed after its bar. */
#define is_barred (!executed_after_bar)
/* What a refusal was heard of has not taken effect, and never will. */
#define is_final (!done_and_refused)
/* A completed saga has all its effects. */
#define is_completed (saga_state != COMPLETED || all(stands))
/* No effect without its compensation in a compensated saga. */
#define is_compensated (saga_state != COMPENSATED || all(left_nothing))
/* No compensation's effect without its step's; unknown counts as one. */
#define has_cause (all(had_something_to_undo))
/* Compensations take effect in reverse order. */
#define is_in_order (all(in_order))
/* One end at the most, and it stays. */
#define has_one_end (ended <= 1)
/* Whoever they are that move the saga, they make no move twice. */
#define is_moved_once (started <= 1 && turned_back <= 1)
/* Nothing is undone once the pivot has taken effect. */
#define does_not_return (!(is_pivot(1) && executed[1] > 0 && undone[0] > 0))

ltl once { [] is_once }
ltl barred { [] is_barred }
ltl final { [] is_final }
ltl completed { [] is_completed }
ltl compensated { [] is_compensated }
ltl cause { [] has_cause }
ltl order { [] is_in_order }
ltl one_end { [] has_one_end }
ltl one_move { [] is_moved_once }
ltl no_return { [] does_not_return }
/* All of them, where that is all that is asked for. */
ltl safe {
    [] (is_once && is_barred && is_final && is_completed && is_compensated && has_cause &&
        is_in_order && has_one_end && is_moved_once && does_not_return)
}

#define has_ended (saga_state == COMPLETED || saga_state == COMPENSATED)
/* Under weak fairness every saga ends, or waits for an operator. */
ltl ends { <> (has_ended || saga_state == SUSPENDED) }
/* Where services answer in the end it does not even need the operator. */
ltl recovers { <> (has_ended && event_handled == 1) }
