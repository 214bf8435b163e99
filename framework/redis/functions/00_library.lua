#!lua name=weir
-- weir's server side. This file opens the library: what several functions share. Each further
-- file holds one verb, with KEYS, ARGV, returns and errors at its top.
--
-- Lua does not roll back: every function makes all its checks before its first write, and no
-- write after the first can fail. Payloads are opaque bytes; JSON is read and made by the
-- programs only. User data never goes into an error reply: refusals come back as arrays.

local VERSION = 9

-- unpack() and the Lua stack bear some 8,000 values.
local ARGUMENTS_MAX = 7000

-- Sums beyond this are refused. It lies below 2^63 by more than Lua, which computes in doubles, can
-- be wrong by in as many sums as one commit may hold.
local INTEGER_MAX = 9223372036850000000

-- Times beyond this are refused: with the clock added the server could not count them.
local TIME_MAX = 9007199254740992

-- For how long, in ms, a key stays whose life was over when it was folded.
local LATE_LIFE = 60000

-- The server's clock in ms. Read once in a call: before Redis 7.2 it moves within one.
local function server_ms()
    local time = redis.call('TIME')
    local us = tonumber(time[2])
    return tonumber(time[1]) * 1000 + (us - us % 1000) / 1000
end

local function whole(number)
    return string.format('%.0f', number)
end

local function key_type(key)
    return redis.call('TYPE', key).ok
end

-- What small numbers are written as: to look one up costs a fifth of tonumber().
local SMALL = {}
for i = 0, 64 do SMALL['' .. i] = i end

-- The number, where `text` is what HINCRBY takes for an integer (but -2^63); else nil.
local function integer(text)
    if #text < 19 then return text:find('^%-?[1-9]%d*$') and tonumber(text) or SMALL[text] end
    local digits = text:match('^%-?([1-9]%d*)$')
    if digits and (#digits < 19 or (#digits == 19 and digits <= '9223372036854775807')) then
        return tonumber(text)
    end
    return nil
end

-- Registers a function that looks at nothing where it is called in another shape than its header
-- says: it would end in the middle. `keys`: how many it needs; `arguments`: "text" or "number" for
-- each that it needs. What comes behind them is its own business.
local function register(name, keys, arguments, callback, flags)
    local numbers, count = {}, #arguments
    for i = 1, count do
        if arguments[i] == 'number' then numbers[#numbers + 1] = i end
    end
    local function malformed(given)
        for i = 1, #numbers do
            local number = integer(given[numbers[i]])
            if not number or number < 0 or number > TIME_MAX then return true end
        end
        return false
    end
    redis.register_function {
        function_name = name,
        callback = function(given_keys, given)
            if #given_keys < keys or #given < count or malformed(given) then
                return redis.error_reply('ERR malformed call of ' .. name)
            end
            return callback(given_keys, given)
        end,
        flags = flags or {}
    }
end

-- Adds to a count in a hash. What is no number counts as 0: HINCRBY would fail behind other writes.
local function count_up(key, field, number)
    if number > 0 then
        local count = integer(redis.call('HGET', key, field) or '') or 0
        redis.call('HSET', key, field, whole(count + number))
    end
end

-- Entry ids as numbers; (ms, sequence) stay below 2^53 each for all ids the server makes itself.
local function id_parts(id)
    local ms, sequence = id:match('^(%d+)-(%d+)$')
    return tonumber(ms), tonumber(sequence)
end

local function id_less(one, other)
    local ms, sequence = id_parts(one)
    local other_ms, other_sequence = id_parts(other)
    return ms < other_ms or (ms == other_ms and sequence < other_sequence)
end

-- A reply of names and values in turn, by name.
local function named_values(reply)
    local values = {}
    for i = 1, #reply, 2 do values[reply[i]] = reply[i + 1] end
    return values
end

-- An error where one of the keys is neither a stream nor absent: to be given before any write.
local function other_than_streams(keys, first)
    for i = first, #keys do
        local found = key_type(keys[i])
        if found ~= 'stream' and found ~= 'none' then
            return redis.error_reply('WRONGTYPE key ' .. i .. ' is a ' .. found .. ', not a stream')
        end
    end
    return nil
end

-- An error where a key is there and has not the type at its place in `types`, which may be "any".
local function other_than(types, keys)
    for i, wanted in ipairs(types) do
        local found = key_type(keys[i])
        if found ~= wanted and found ~= 'none' and wanted ~= 'any' then
            return redis.error_reply('WRONGTYPE key ' .. i .. ' is a ' .. found .. ', not a ' .. wanted)
        end
    end
end

-- A delivery that names an entry whose body somebody has deleted: nothing is left to handle. Where
-- the dead letters cannot take it the caller's number of lost ones is all that is left.
local function bury_lost(stream, dead, id, deliveries)
    redis.pcall('XADD', dead, '*', 'reason', 'the entry was deleted before it was handled',
        'deliveries', deliveries, 'stream', stream, 'entry', id)
end

-- ---- Operations --------------------------------------------------------------------------------
-- What a commit carries: a run of (name, index into KEYS, number of arguments, arguments…).
-- Each has the type that its key must have (or be absent), and a check of its arguments against
-- what is stored: nil where the write cannot fail, else a text. `planned` is what the operations
-- before it will have made: types by key, and the values that sums start from. Most commits need
-- the types alone, so the rest is made when it is first asked for, by those that say that they plan.

local ON_DEMAND = {
    __index = function(planned, name)
        local made = {}
        planned[name] = made
        return made
    end
}

-- For each type a command that reads, that every other type refuses, and that costs half of TYPE.
local SIZE = { hash = 'HLEN', set = 'SCARD', zset = 'ZCARD', string = 'STRLEN', stream = 'XLEN' }

local function type_problem(key, wanted, types)
    local found = types[key]
    if not found and type(redis.pcall(SIZE[wanted], key)) == 'number' then found = 'none' end
    found = found or key_type(key)
    if found == 'none' then found = wanted end
    types[key] = found
    if found ~= wanted then return 'it is a ' .. found .. ', not a ' .. wanted end
end

local function at_least_one(_, _, first, last)
    if last < first then return 'too few arguments' end
end

local function some_pairs(_, _, first, last)
    if last <= first or (last - first) % 2 == 0 then return 'arguments do not come in pairs' end
end

local function one_argument(_, _, first, last)
    if last ~= first then return 'wrong number of arguments' end
end

-- `number` is what the sum starts from, nil where it is none; `field` is nil where the value itself
-- is counted. Returns a text, or nil and the sum.
local function checked_sum(number, delta, field)
    local step = integer(delta)
    if number and step
        and (number < 0 ~= (step < 0) or math.abs(number + step) <= INTEGER_MAX) then
        return nil, number + step
    end
    local name = field and 'field ' .. field or 'the value'
    if not number then return name .. ' is not a whole number' end
    if not step then return 'the increment of ' .. name .. ' is not a whole number' end
    return name .. ' would overflow'
end

-- A key whose life may be over by the time of a later write starts from nothing then: `anew` holds
-- what its sums are in that case, and both have to fit.
local function sum_anew(planned, key, place, delta, field)
    local anew, problem = planned.anew[key], nil
    if anew then problem, anew[place] = checked_sum(anew[place] or 0, delta, field) end
    return problem
end

local function hash_sum(key, args, first, last, planned)
    if last - first ~= 1 then return 'wrong number of arguments' end
    local field, delta = args[first], args[first + 1]
    local known, problem = planned.fields[key] or {}, nil
    local start = known[field]
        or (planned.deleted[key] and 0)
        or integer(redis.call('HGET', key, field) or '0')
    problem, known[field] = checked_sum(start, delta, field)
    planned.fields[key] = known
    return problem or sum_anew(planned, key, field, delta, field)
end

local function string_sum(key, args, first, last, planned)
    if last ~= first then return 'wrong number of arguments' end
    local start, problem = planned.strings[key] or redis.call('GET', key) or '0', nil
    if type(start) == 'string' then start = integer(start) end
    problem, planned.strings[key] = checked_sum(start, args[first])
    return problem or sum_anew(planned, key, 1, args[first])
end

local function scored(_, args, first, last)
    if last <= first or (last - first) % 2 == 0 then return 'arguments do not come in pairs' end
    for i = first, last, 2 do
        if not integer(args[i]) then return 'the score is not a whole number' end
    end
end

local function duration(_, args, first, last)
    local life = last == first and integer(args[first])
    if not life or life <= 0 or life > TIME_MAX then
        return 'the time is not a positive whole number'
    end
end

-- What comes behind it starts from nothing.
local function deletion(key, _, first, last, planned)
    if last >= first then return 'wrong number of arguments' end
    planned.types[key], planned.strings[key], planned.deleted[key] = 'none', '0', true
    planned.fields[key], planned.anew[key] = nil, nil
end

local function moment(key, args, first, last, planned)
    local time = last == first and integer(args[first])
    if not time or time < 0 or time > TIME_MAX then return 'the time is not a whole number of ms' end
    planned.anew[key] = {}
end

local function string_and_life(key, args, first, last, planned)
    if last < first or last > first + 1 then return 'wrong number of arguments' end
    planned.strings[key], planned.anew[key] = args[first], nil
    if last == first then return nil end
    local life = integer(args[last])
    if not life or life <= 0 or life > TIME_MAX then
        return 'the time is not a positive whole number'
    end
end

local function fields_unchanged(key, args, first, last)
    local call = redis.pcall
    for i = first, last, 2 do
        local value = call('HGET', key, args[i])
        if type(value) == 'table' then return nil end
        if args[i + 1] ~= (value and '=' .. value or '-') then return false end
    end
    return true
end

local function presence_unchanged(key, args, first)
    return args[first] == (redis.call('EXISTS', key) == 1 and '1' or '0')
end

local function not_yet(_, args, first, last)
    local time = last == first and integer(args[first])
    if not time then return 'the time is not a whole number' end
    if server_ms() >= time then return 'the command has expired' end
end

-- The mark of an id whose message has been done; the rest of it says what the message published.
local function says_done(mark)
    return mark == '1' or mark == 'done' or (mark and mark:sub(1, 5) == 'done ')
end

local function life_and_text(key, args, first, last, planned)
    if last - first ~= 1 then return 'wrong number of arguments' end
    planned.strings[key] = ''
    return duration(key, args, first, first)
end

local function life_and_texts(key, args, first, last, planned)
    if last - first == 2 then last = last - 1 end
    return life_and_text(key, args, first, last, planned)
end

-- What is no text is left alone by the write; what is not there becomes one.
local function life_and_text_if_text(key, args, first, last, planned)
    local found = planned.types[key] or key_type(key)
    planned.types[key] = found == 'none' and 'string' or found
    return life_and_text(key, args, first, last, planned)
end

local function not_done(key)
    local mark = redis.pcall('GET', key)
    if type(mark) == 'table' then return nil end
    return not says_done(mark)
end

-- The last entry that the call has appended to the stream, as a text; '' where there is none, or
-- places for it where something else comes behind.
local function published(stream, made, more)
    for i = #made - 1, 1, -2 do
        if made[i] == stream then return ' ' .. stream .. ' ' .. made[i + 1] end
    end
    return more and ' - -' or ''
end

-- `command`: whose right is asked for, where it is not the operation's name. `holds`: whether what was
-- read is so still; nil where it cannot be read.
local OPERATIONS = {
    HSET = { type = 'hash', check = some_pairs },
    HDEL = { type = 'hash', check = at_least_one },
    HINCRBY = { type = 'hash', check = hash_sum, plans = true },
    SADD = { type = 'set', check = at_least_one },
    SREM = { type = 'set', check = at_least_one },
    ZADD = { type = 'zset', check = scored },
    ZREM = { type = 'zset', check = at_least_one },
    INCRBY = { type = 'string', check = string_sum, plans = true },
    DEL = { check = deletion, plans = true },
    PEXPIRE = { check = duration },
    -- A key whose life was over before its event was folded stays for a while: what comes behind may
    -- have been in time, and would make it anew, without end.
    PEXPIREAT = {
        check = moment, plans = true,
        write = function(key, args, first)
            local time, now = tonumber(args[first]), server_ms()
            redis.call('PEXPIREAT', key, time > now and args[first] or whole(now + LATE_LIFE))
        end
    },
    -- value, and optionally its life in ms
    SET = {
        type = 'string', check = string_and_life, plans = true,
        write = function(key, args, first, last)
            if last > first then
                redis.call('SET', key, args[first], 'PX', args[last])
            else
                redis.call('SET', key, args[first])
            end
        end
    },
    -- field, value, …; carried out by append_entries, or undone
    XADD = { type = 'stream', check = some_pairs, command = 'XDEL', write = function() end },
    -- delay in ms from now, member
    SCHEDULE = {
        type = 'zset', check = scored, command = 'ZADD',
        write = function(key, args, first, _, now)
            redis.call('ZADD', key, whole(now + tonumber(args[first])), args[first + 1])
        end
    },
    -- field, "=value" or "-" for absent, …: what was read and has to be so still
    EXPECT = { type = 'hash', check = some_pairs, holds = fields_unchanged },
    -- time in ms by which the commit has to come
    BEFORE = { check = not_yet, write = function() end },
    -- "1" or "0": the key has to be there, or not
    EXISTS = { check = one_argument, holds = presence_unchanged },
    -- life in ms, key of the service's events, and optionally how durable it has to be before it
    -- counts: marks an id as done, which it may not be yet, with the last event that this very call
    -- appends there: "done", "done <key> <entry>", "done <key> <entry> <durability>"
    DONE = {
        type = 'string', check = life_and_texts, plans = true, holds = not_done, command = 'SET',
        write = function(key, args, first, last, _, made)
            local need = last - first == 2 and args[last]
            redis.call('SET', key, 'done' .. published(args[first + 1], made, need)
                .. (need and ' ' .. need or ''), 'PX', args[first])
        end
    },
    -- life in ms, text: marks an id with what else became of its message. An id that is done stays
    -- so, and a key of another type stays as it is: a dead letter must not fail for its mark.
    FAILED = {
        check = life_and_text_if_text, plans = true, command = 'SET',
        write = function(key, args, first)
            local mark = redis.pcall('GET', key)
            if type(mark) == 'table' or says_done(mark) then return end
            redis.call('SET', key, args[first + 1], 'PX', args[first])
        end
    },
}

-- What stands behind command and key where a right is asked for: since Redis 8 a command with too few
-- words is an error.
local FURTHER_WORDS = {
    HDEL = { '0' }, HGET = { '0' }, HINCRBY = { '0', '0' }, HMGET = { '0' }, HSCAN = { '0' },
    HSET = { '0', '0' }, INCRBY = { '0' }, PEXPIRE = { '0' }, PEXPIREAT = { '0' }, RPUSH = { '0' },
    SADD = { '0' }, SET = { '0' }, SISMEMBER = { '0' }, SMISMEMBER = { '0' }, SREM = { '0' },
    SSCAN = { '0' }, XACK = { '0', '0' }, XADD = { '*', '0', '0' }, XDEL = { '0' }, XPENDING = { '0' },
    XRANGE = { '-', '+' }, XTRIM = { 'MINID', '0' },
    ZADD = { '0', '0' }, ZMSCORE = { '0' }, ZREM = { '0' }, ZSCAN = { '0' },
}
local NO_WORDS = {}

-- The caller's rights are checked by the server for each command within a function, too: one that is
-- missing would stop it in the middle.
local function right_problem(command, key)
    if redis.acl_check_cmd(command, key, unpack(FURTHER_WORDS[command] or NO_WORDS)) then
        return nil
    end
    return redis.error_reply('NOPERM this user may not run ' .. command .. ' on a key of the commit')
end

local function missing_right(commands, keys)
    for _, key in ipairs(keys) do
        for _, command in ipairs(commands) do
            local problem = right_problem(command, key)
            if problem then return problem end
        end
    end
end

local function unreadable()
    return redis.error_reply('NOPERM this user may not read a key of the commit')
end

-- The answer where what was read is not so any more. That it cannot be read shows its type.
local function holding_problem(operation, key, index, args, first, last, types)
    local held = operation.holds(key, args, first, last)
    if held then
        types[key] = types[key] or operation.type
        return nil
    end
    if held == false then return { 'conflict', index } end
    local problem = type_problem(key, operation.type, types)
    if problem then return { 'refused', index, problem } end
    return unreadable()
end

-- Checks a run of operations against the server's state without writing.
-- `types`: of keys that the call will make itself, by key; or nil.
-- Returns nil, or the answer that the whole call gives instead of writing.
local function check_operations(keys, args, position, types)
    local total = #args
    if position > total then return nil end
    types = types or {}
    local planned, appends, asked, asked_key
    while position <= total do
        local name, index, count = args[position], args[position + 1], args[position + 2]
        count = SMALL[count] or tonumber(count)
        local operation, key = OPERATIONS[name], keys[SMALL[index] or tonumber(index)]
        if not operation or not key or not count or count % 1 ~= 0 or count < 0
            or count > ARGUMENTS_MAX or position + 2 + count > total then
            return { 'refused', index, 'malformed operation' }
        end
        -- What the first stream does not take is found out by appending, before all other writes.
        if not appends and name == 'XADD' then
            appends, types[key] = true, types[key] or 'stream'
        end
        if not planned and operation.plans then
            planned = setmetatable({ types = types }, ON_DEMAND)
        end
        local first, last, holds = position + 3, position + 2 + count, operation.holds
        local problem = operation.type and (types[key] or not holds)
            and type_problem(key, operation.type, types)
            or operation.check(key, args, first, last, planned)
        if problem then return { 'refused', index, problem } end
        problem = holds and holding_problem(operation, key, index, args, first, last, types)
        if problem then return problem end
        local command = operation.command or not holds and name ~= 'BEFORE' and name
        if command and (command ~= asked or key ~= asked_key) then
            problem = right_problem(command, key)
            if problem then return problem end
            asked, asked_key = command, key
        end
        position = last + 1
    end
    return nil
end

-- Takes entries out again that append_entries has made; nobody has seen them. XDEL leaves them
-- counted, as if events were missing, and the lag of groups unknown: XSETID takes that back, too. It
-- ignores 0-0, which no entry can have; 0-1 means the same to the server. A stream that these entries
-- have made goes, too. A caller without the right to that has still written nothing.
local function take_back(made)
    local before = {}
    for i = 1, #made, 2 do
        local key = made[i]
        before[key] = before[key] or { about = redis.pcall('XINFO', 'STREAM', key), added = 0 }
        before[key].added = before[key].added + 1
    end
    for i = 1, #made, 2 do redis.call('XDEL', made[i], made[i + 1]) end
    for key, stream in pairs(before) do
        local about = stream.about.err and {} or named_values(stream.about)
        local added, deleted = about['entries-added'], about['max-deleted-entry-id']
        if added then
            redis.pcall('XSETID', key, about['last-generated-id'],
                'ENTRIESADDED', whole(added - stream.added),
                'MAXDELETEDID', deleted == '0-0' and '0-1' or deleted)
            if added == stream.added and about['groups'] == 0 then redis.pcall('DEL', key) end
        end
    end
end

-- The answer of a call that could not append. Only the first stream has not been looked at before.
local function append_problem(key, index)
    local problem = type_problem(key, 'stream', {})
    return right_problem('XADD', key)
        or { 'refused', index, problem or 'it takes no further entries' }
end

-- Carries out the XADDs of a run, before all else: a stream whose last id is the greatest possible
-- refuses further entries, and to find that out beforehand costs more than to take them back.
-- Returns the entries made, stream and id in turn; or nil and the answer that the whole call gives.
local function append_entries(keys, args, position)
    local made, count_made, total = {}, 0, #args
    while position <= total do
        local count = args[position + 2]
        local last = position + 2 + (SMALL[count] or tonumber(count))
        if args[position] == 'XADD' then
            local index = args[position + 1]
            local key = keys[SMALL[index] or tonumber(index)]
            local id = redis.pcall('XADD', key, '*', unpack(args, position + 3, last))
            if type(id) == 'table' then
                take_back(made)
                return nil, append_problem(key, index)
            end
            made[count_made + 1], made[count_made + 2] = key, id
            count_made = count_made + 2
        end
        position = last + 1
    end
    return made
end

-- Carries out the rest of a run that check_operations has passed. `made`: what append_entries has
-- returned for it.
local function apply_operations(keys, args, position, made)
    local now
    local call, total = redis.call, #args
    while position <= total do
        local name, index, count = args[position], args[position + 1], args[position + 2]
        local operation, key = OPERATIONS[name], keys[SMALL[index] or tonumber(index)]
        local first = position + 3
        local last = position + 2 + (SMALL[count] or tonumber(count))
        if operation.write then
            if name == 'SCHEDULE' and not now then now = server_ms() end
            operation.write(key, args, first, last, now, made)
        elseif not operation.holds then
            call(name, key, unpack(args, first, last))
        end
        position = last + 1
    end
end
