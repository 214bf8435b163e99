-- The building anew of a read model beside the live one, and its comparison with that. The fields
-- of {V}:projection:<name> that tell how far it is:
--   rebuild (id)  task "rebuild" or "verify"  phase  paused "1"  hold (time in ms until which the
--   live model stands still)  startedAt  total  folded  event (what stops it)  cursor  moved
--   differing  outcome  why  endedAt
-- Phases: building → swapping → sweeping → clearing for a rebuild, building → comparing → looking →
-- clearing for a comparison, dropping → clearing for one that is given up; none: it has ended.
-- Before them emptying, where something was left of one whose state had been lost.

-- All functions on rebuilds have the same
-- KEYS    1 {V}:projection:<name>  2 the live checkpoint  3 the rebuild's  4 set of what the rebuild
--         has written  5 set of what has been seen to  6 list of differences: key, what, …
--         7 {V}:kinds  8 hash of lives: name of a rebuilt key → time in ms when it ends

-- weir_rebuild: what an operator wants.
-- ARGV    1 "start", "pause" or "abandon"  2 id for a new one  3 task
--         4 "1": although events are missing
-- Returns {"started" | "resumed" | "paused" | "abandoned", id}; {"refused", why}
-- Errors  WRONGTYPE, NOPERM; nothing was written

local function resume_rebuild(key, phase, args)
    local task, id = unpack(redis.call('HMGET', key, 'task', 'rebuild'))
    if task ~= args[3] then
        return { 'refused', 'another task is under way; abandon it first' }
    elseif phase == 'dropping' or phase == 'clearing' then
        return { 'refused', 'the one before it is being cleared away; try again in a moment' }
    end
    redis.call('HDEL', key, 'paused')
    if args[4] == '1' then redis.call('HSET', key, 'incomplete', '1') end
    return { 'resumed', id }
end

-- What one before it has left, whose state has been lost, goes first.
local function start_rebuild(keys, args)
    local left = redis.call('EXISTS', keys[3], keys[4], keys[5], keys[8]) > 0
    redis.call('UNLINK', keys[6])
    redis.call('HDEL', keys[1], 'paused', 'hold', 'event', 'cursor', 'moved', 'differing', 'outcome',
        'why', 'endedAt', 'total')
    redis.call('HSET', keys[1], 'rebuild', args[2], 'task', args[3],
        'phase', left and 'emptying' or 'building', 'startedAt', whole(server_ms()),
        'folded', '0', 'incomplete', args[4])
    return { 'started', args[2] }
end

local function rebuild(keys, args)
    local problem = other_than({ 'hash' }, keys)
        or missing_right({ 'HSET', 'HGET', 'HDEL' }, { keys[1] })
        or missing_right({ 'EXISTS', 'UNLINK' }, { keys[3], keys[4], keys[5], keys[6], keys[8] })
    if problem then return problem end
    local phase, id = unpack(redis.call('HMGET', keys[1], 'phase', 'rebuild'))
    if args[1] == 'start' then
        if args[3] ~= 'rebuild' and args[3] ~= 'verify' or not args[4] then
            return { 'refused', 'the task is neither rebuild nor verify' }
        end
        return phase and resume_rebuild(keys[1], phase, args) or start_rebuild(keys, args)
    end
    if not phase then return { 'refused', 'nothing is under way' } end
    if args[1] == 'pause' and phase == 'building' then
        redis.call('HSET', keys[1], 'paused', '1')
        redis.call('HDEL', keys[1], 'hold')
        return { 'paused', id }
    elseif args[1] == 'abandon'
        and (phase == 'emptying' or phase == 'building' or phase == 'comparing') then
        redis.call('HDEL', keys[1], 'paused', 'hold')
        redis.call('HSET', keys[1], 'phase', 'dropping', 'outcome', 'abandoned')
        return { 'abandoned', id }
    end
    return { 'refused', 'it is past that: ' .. phase }
end

register('weir_rebuild', 8, { 'text' }, rebuild, { 'allow-oom' })

-- weir_rebuild_note: what the one who builds has to say.
-- KEYS    the first alone
-- ARGV    1 id of the rebuild  2… fields and values; an empty value removes the field
-- Returns 1 noted, 0 that rebuild is not being built (any more)
-- Errors  WRONGTYPE, NOPERM; nothing was written

local function note(keys, args)
    local problem = missing_right({ 'HSET', 'HDEL' }, keys)
    if problem then return problem end
    local id, phase = unpack(redis.call('HMGET', keys[1], 'rebuild', 'phase'))
    if id ~= args[1] or phase ~= 'building' then return 0 end
    for i = 2, #args - 1, 2 do
        if args[i + 1] == '' then
            redis.call('HDEL', keys[1], args[i])
        else
            redis.call('HSET', keys[1], args[i], args[i + 1])
        end
    end
    return 1
end

register('weir_rebuild_note', 1, { 'text' }, note, { 'allow-oom' })
