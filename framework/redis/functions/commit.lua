-- weir_commit_plan: all effects of one handled message, and its acknowledgement, at once.
-- KEYS    1 the stream that the message was read from; 2… the keys of the operations
-- ARGV    1 consumer group  2 entry id  3 "1": delete the entry (commands), "0": leave it (events)
--         4 the operations' plan (01_plan.lua)  5… their arguments
-- Returns 1 committed; 0 the entry was no longer pending, so another has finished it: nothing was
--         written; {"conflict", index of the key} something read has changed: nothing was
--         written; {"refused", index of the key, why} a write would fail: nothing was written
-- Errors  NOPERM, and the server's own (WRONGTYPE of the stream); nothing was written
--
-- The answer of XACK is the fence: of two workers that finish one message the first wins. Before it
-- entries are appended, which are taken back where it answers 0.
--
-- weir_commit is the same without a plan: ARGV 4… operations, each behind its own head (name, index of
-- its key, number of its arguments). weir_settle, too, for acknowledgements that write nothing else: it
-- runs on a server without memory left, so that what is in flight can drain. weir_commit_durable is
-- weir_commit for a DONE that names a need, which libraries before it refuse for good. Programs of
-- before plans call these three.

-- An answer that somebody else has finished the message comes before any other: what was read may
-- have changed by that very commit. Who may not ask for that gets an error: taken for finished, the
-- message would come back until its deliveries are used up.
local function unless_finished(answer, keys, args)
    local pending = redis.pcall('XPENDING', keys[1], args[1], args[2], args[2], '1')
    if pending.err then return right_problem('XPENDING', keys[1]) or 0 end
    return pending[1] and answer or 0
end

-- Returns nil, or the answer of a call that was not the first to finish.
local function acknowledge(keys, args, made)
    local acknowledged = redis.pcall('XACK', keys[1], args[1], args[2])
    if acknowledged ~= 1 then
        take_back(made)
        return acknowledged
    end
    if args[3] == '1' then redis.call('XDEL', keys[1], args[2]) end
end

local function deletion_problem(keys, args)
    return args[3] == '1' and right_problem('XDEL', keys[1]) or nil
end

local function commit(keys, args)
    local answer = check_operations(keys, args, 4) or deletion_problem(keys, args)
    if answer then return answer.err and answer or unless_finished(answer, keys, args) end
    local made, refusal = append_entries(keys, args, 4)
    if not made then return refusal.err and refusal or unless_finished(refusal, keys, args) end
    answer = acknowledge(keys, args, made)
    if answer then return answer end
    apply_operations(keys, args, 4, made)
    return 1
end

local function commit_plan(keys, args)
    local plan = plan_of(args[4], keys, args, 5)
    if not plan then return { 'refused', '1', 'malformed plan' } end
    if goes_one_by_one(plan, keys) then return commit(keys, as_operations(plan, args, 5)) end
    local answer = check_plan(plan, keys, args) or deletion_problem(keys, args)
    if answer then return answer.err and answer or unless_finished(answer, keys, args) end
    local made, refusal = append_planned(plan, keys, args)
    if not made then return refusal.err and refusal or unless_finished(refusal, keys, args) end
    answer = acknowledge(keys, args, made)
    if answer then return answer end
    write_planned(plan, keys, args, made)
    return 1
end

register('weir_commit_plan', 1, { 'text', 'text', 'text', 'text' }, commit_plan)
register('weir_commit', 1, { 'text', 'text', 'text' }, commit)
register('weir_settle', 1, { 'text', 'text', 'text' }, commit, { 'allow-oom' })
register('weir_commit_durable', 1, { 'text', 'text', 'text' }, commit)
