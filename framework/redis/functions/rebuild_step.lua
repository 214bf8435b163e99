-- weir_rebuild_step: the next piece of what follows the building. Each call is whole in itself, so
-- that anybody may go on where somebody has stopped.
-- KEYS    1…8 as in rebuild.lua
-- ARGV    1 id of the rebuild  2 projection  3, 4 what stands before the names of keys of the live
--         model and of the rebuilt one  5 how many keys at the most  6 for how long the live model
--         shall stand still, in ms, where the rebuild has not come up with it yet
--         7… the streams that it reads
-- Returns {phase after it, or "" when all has ended}
-- Errors  WRONGTYPE, NOPERM, ERR for a position that is none; nothing was written
--
-- A key is swapped by one call: a reader finds the old value or the new one. All keys are swapped
-- between two commits of the live model, to positions that are not behind its own: no value goes
-- back.

local DIFFERENCES_MAX = 1000
local DIFFERENCES_LIFE = '86400000'
local ASKED_AT_ONCE = 500
local MEMBERS_AT_ONCE = 5000

local STEPS = {}

local function level(keys, args, exactly)
    for i = 7, #args do
        local live = redis.call('HGET', keys[2], args[i]) or '0-0'
        local new = redis.call('HGET', keys[3], args[i]) or '0-0'
        if exactly and live ~= new or id_less(new, live) then return false end
    end
    return true
end

local function position_problem(keys, args)
    for i = 7, #args do
        for _, checkpoint in ipairs { keys[2], keys[3] } do
            if not id_parts(redis.call('HGET', checkpoint, args[i]) or '0-0') then
                return redis.error_reply('ERR a checkpoint holds what is no id of an entry')
            end
        end
    end
end

function STEPS.building(keys, args, status, now)
    if status.paused == '1' then return 'building' end
    local verify = status.task == 'verify'
    if not level(keys, args, verify) then
        redis.call('HSET', keys[1], 'hold', whole(now + tonumber(args[6])))
        return 'building'
    end
    redis.call('HDEL', keys[1], 'hold')
    return verify and 'comparing' or 'swapping'
end

-- When a rebuilt key ends: nil where it does not. One that was written after its life was over, by
-- the time of the events, has been made anew.
local function life_of(lives, name, now)
    local life = integer(redis.call('HGET', lives, name) or '')
    if life and life <= now then
        local written = integer(redis.call('HGET', lives, name .. '\n') or '')
        if written and written >= life then return nil end
    end
    return life
end

function STEPS.swapping(keys, args, _, now)
    local names = redis.call('SPOP', keys[4], args[5])
    for _, name in ipairs(names) do
        redis.call('UNLINK', args[3] .. name)
        if redis.call('EXISTS', args[4] .. name) == 1 then
            redis.call('RENAME', args[4] .. name, args[3] .. name)
            local life = life_of(keys[8], name, now)
            if life then redis.call('PEXPIREAT', args[3] .. name, whole(life)) end
        end
        redis.call('SADD', keys[5], name)
    end
    count_up(keys[1], 'moved', #names)
    if redis.call('SCARD', keys[4]) > 0 then return 'swapping' end
    local positions = redis.call('HGETALL', keys[3])
    redis.call('DEL', keys[2], keys[3])
    if positions[1] then redis.call('HSET', keys[2], unpack(positions)) end
    return 'sweeping'
end

local function note_difference(keys, name, what)
    count_up(keys[1], 'differing', 1)
    if redis.call('LLEN', keys[6]) < 2 * DIFFERENCES_MAX then
        redis.call('RPUSH', keys[6], name, what)
        redis.call('PEXPIRE', keys[6], DIFFERENCES_LIFE)
    end
end

-- A member of the page that the other collection has not, or has otherwise; nil where there is
-- none. Scores are compared as numbers: a scan gives them in another form.
local function different_in(page, ask, other, stride)
    for start = 1, #page, ASKED_AT_ONCE * stride do
        local members = {}
        for i = start, math.min(start + ASKED_AT_ONCE * stride - 1, #page), stride do
            members[#members + 1] = page[i]
        end
        local found = redis.call(ask, other, unpack(members))
        for i, member in ipairs(members) do
            local value = page[start + stride * i - 1]
            if stride == 1 and found[i] == 0 then return member end
            if stride == 2 and found[i] ~= value
                and not (ask == 'ZMSCORE' and found[i] and tonumber(found[i]) == tonumber(value)) then
                return member
            end
        end
    end
end

local function first_difference(how, one, other)
    local cursor = '0'
    repeat
        local page = redis.call(how.scan, one, cursor, 'COUNT', ASKED_AT_ONCE)
        local member = different_in(page[2], how.ask, other, how.stride)
        if member then return member end
        cursor = page[1]
    until cursor == '0'
end

local COLLECTIONS = {
    hash = { size = 'HLEN', scan = 'HSCAN', ask = 'HMGET', stride = 2 },
    set = { size = 'SCARD', scan = 'SSCAN', ask = 'SMISMEMBER', stride = 1 },
    zset = { size = 'ZCARD', scan = 'ZSCAN', ask = 'ZMSCORE', stride = 2 },
}

-- What is different in the two keys, nil where nothing is. `life`: when the new one ends, or nil.
local function difference(live, new, life, now)
    local kind, wanted = key_type(live), key_type(new)
    if life and life <= now then
        local ends = redis.call('PEXPIRETIME', live)
        if ends > 0 and ends <= now + LATE_LIFE then return nil end
        wanted = 'none'
    end
    if kind ~= wanted then
        if kind == 'none' then return 'is missing in the live model' end
        if wanted == 'none' then return 'is in the live model alone' end
        return 'is a ' .. kind .. ' in the live model, a ' .. wanted .. ' in the rebuilt one'
    end
    if kind == 'none' then return nil end
    if redis.call('PEXPIRETIME', live) ~= (life or redis.call('PEXPIRETIME', new)) then
        return 'expires at another time'
    end
    if kind == 'string' then
        return redis.call('GET', live) ~= redis.call('GET', new) and 'has another value' or nil
    end
    local how = COLLECTIONS[kind]
    local member = first_difference(how, new, live)
    if not member and redis.call(how.size, live) ~= redis.call(how.size, new) then
        member = first_difference(how, live, new)
    end
    return member and 'differs in ' .. member or nil
end

local function members_of(key)
    local how = COLLECTIONS[key_type(key)]
    return how and redis.call(how.size, key) or 1
end

-- As many keys as it is asked for, but no more when a number of members has been looked at.
function STEPS.comparing(keys, args, _, now)
    local seen, members = 0, 0
    while seen < tonumber(args[5]) and members < MEMBERS_AT_ONCE do
        local name = redis.call('SPOP', keys[4])
        if not name then break end
        local life = life_of(keys[8], name, now)
        members = members + members_of(args[4] .. name)
        local what = difference(args[3] .. name, args[4] .. name, life, now)
        if what then note_difference(keys, name, what) end
        redis.call('UNLINK', args[4] .. name)
        redis.call('SADD', keys[5], name)
        seen = seen + 1
    end
    count_up(keys[1], 'moved', seen)
    return redis.call('SCARD', keys[4]) > 0 and 'comparing' or 'looking'
end

-- A cursor means something to the process that gave it alone: another lays its keys out otherwise.
local life_of_process

local function cursor_of(status, now)
    life_of_process = life_of_process or whole(now)
    local life, cursor = (status.cursor or ''):match('^(%d+) (%d+)$')
    return life == life_of_process and cursor or '0'
end

-- Goes through the live model's keys for those that the rebuild has not made.
local function look_for_others(keys, args, status, now, found)
    local pattern = args[3]:gsub('[%*%?%[%]\\%^]', '\\%0') .. '*'
    local page = redis.call('SCAN', cursor_of(status, now), 'MATCH', pattern, 'COUNT', 500)
    for _, key in ipairs(page[2]) do
        local name = key:sub(#args[3] + 1)
        local owner = redis.call('HGET', keys[7], name:match('^[^:]*'))
        if owner == args[2] and redis.call('SISMEMBER', keys[5], name) == 0 then
            found(key, name)
        end
    end
    redis.call('HSET', keys[1], 'cursor', life_of_process .. ' ' .. page[1])
    return page[1] == '0'
end

function STEPS.sweeping(keys, args, status, now)
    local all = look_for_others(keys, args, status, now, function(key) redis.call('UNLINK', key) end)
    return all and 'clearing' or 'sweeping'
end

function STEPS.looking(keys, args, status, now)
    local all = look_for_others(keys, args, status, now, function(_, name)
        note_difference(keys, name, 'is in the live model alone')
        redis.call('SADD', keys[5], name)
    end)
    return all and 'clearing' or 'looking'
end

local function drop_some(keys, args)
    for _, name in ipairs(redis.call('SPOP', keys[4], args[5])) do
        redis.call('UNLINK', args[4] .. name)
    end
    return redis.call('SCARD', keys[4]) > 0
end

function STEPS.dropping(keys, args)
    return drop_some(keys, args) and 'dropping' or 'clearing'
end

function STEPS.emptying(keys, args)
    if drop_some(keys, args) then return 'emptying' end
    redis.call('UNLINK', keys[3], keys[4], keys[5], keys[8])
    return 'building'
end

function STEPS.clearing(keys, _, status, now)
    redis.call('UNLINK', keys[3], keys[4], keys[5], keys[8])
    redis.call('HDEL', keys[1], 'cursor', 'hold', 'paused', 'event')
    redis.call('HSET', keys[1], 'outcome', status.outcome or 'done',
        'endedAt', whole(now))
    return ''
end

local RIGHTS = { 'UNLINK', 'DEL', 'EXISTS', 'TYPE', 'PEXPIRETIME', 'PEXPIRE', 'PEXPIREAT', 'GET',
    'HSET', 'HDEL', 'HGET', 'HGETALL', 'HMGET', 'HLEN', 'HSCAN', 'SADD', 'SPOP', 'SCARD', 'SISMEMBER',
    'SMISMEMBER', 'SSCAN', 'ZCARD', 'ZSCAN', 'ZMSCORE', 'LLEN', 'RPUSH' }

-- What clears up removes whatever there is.
local TYPES = {
    emptying = { 'hash', 'any', 'any', 'set' },
    dropping = { 'hash', 'any', 'any', 'set' },
    clearing = { 'hash' },
}

local function step_problem(keys, args, phase)
    local live, new = args[3] .. 'x', args[4] .. 'x'
    local types = TYPES[phase] or { 'hash', 'hash', 'hash', 'set', 'set', 'list', 'hash', 'hash' }
    local problem = other_than(types, keys)
        or missing_right(RIGHTS,
            { keys[1], keys[2], keys[3], keys[4], keys[5], keys[6], keys[7], keys[8], live, new })
    if problem then return problem end
    if redis.acl_check_cmd('RENAME', new, live) and redis.acl_check_cmd('SCAN', '0') then
        return nil
    end
    return redis.error_reply('NOPERM this user may not run RENAME or SCAN on the keys of a read model')
end

local function step(keys, args)
    local status, now = named_values(redis.call('HGETALL', keys[1])), server_ms()
    if status.rebuild ~= args[1] or not status.phase then return { '' } end
    if not STEPS[status.phase] then return redis.error_reply('ERR a phase of a newer library') end
    local problem = step_problem(keys, args, status.phase)
        or status.phase == 'building' and position_problem(keys, args)
    if problem then return problem end
    local phase = STEPS[status.phase](keys, args, status, now)
    if phase == '' then
        redis.call('HDEL', keys[1], 'phase')
    elseif phase ~= status.phase then
        redis.call('HSET', keys[1], 'phase', phase)
    end
    return { phase }
end

register('weir_rebuild_step', 8, { 'text', 'text', 'text', 'text', 'number', 'number' }, step,
    { 'allow-oom' })
