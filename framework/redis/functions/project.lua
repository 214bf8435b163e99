-- weir_project: the writes of a batch of events to a read model, and the new positions, at once.
-- KEYS    1 the checkpoint (hash: stream → last applied entry id)  2 {V}:projection:<name>
--         3 {V}:kinds (hash: first part of a model's key → the projection that it belongs to)
--         4 a set for what the batch writes: {V}:rebuild-keys:<name> for a rebuild, else
--         {V}:rebuild-done:<name>  5… the keys of the operations
-- ARGV    1 projection  2 id of the rebuild that this belongs to, "": the live model  3 what stands
--         before the names of the model's keys  4 number of events
--         5 number of kinds, then those that this runner does not know yet to be the projection's
--         number of streams, then for each: its key, the position that the batch was folded from
--         ("" for none), the position after it; then operations
-- Returns 1 committed; {"moved", stream} another runner was there first; {"held"} the live model
--         stands still for a rebuild, or the rebuild is over or paused; {"conflict", index},
--         {"refused", index, why} as in weir_commit: nothing was written
-- Errors  WRONGTYPE of the first keys, NOPERM; nothing was written
--
-- The rebuild keeps a set of what it writes, to swap it in later. While it looks for keys that it
-- has not made (phases "sweeping", "looking") the live model adds what it writes.

local function stands_still(status, rebuild, now)
    local of, phase, paused, hold = unpack(redis.call('HMGET', status, 'rebuild', 'phase', 'paused',
        'hold'))
    if rebuild ~= '' then return of ~= rebuild or phase ~= 'building' or paused == '1' end
    return phase == 'swapping' or phase == 'comparing' or (hold and now < (tonumber(hold) or 0)), phase
end

-- A text where one of the kinds belongs to another projection.
local function kinds_problem(kinds, projection, args, first, last)
    for i = first, last do
        local owner = redis.call('HGET', kinds, args[i])
        if owner and owner ~= projection then
            return 'keys of the kind ' .. args[i] .. ' belong to the projection ' .. owner
        end
    end
end

local READ_ONLY = { EXPECT = true, EXISTS = true, BEFORE = true, XADD = true }

local function remember_written(set, keys, args, head, position)
    local written, noted = {}, {}
    while position <= #args do
        local key = keys[tonumber(args[position + 1])]
        if not READ_ONLY[args[position]] and not noted[key] and key:sub(1, #head) == head then
            noted[key] = true
            written[#written + 1] = key:sub(#head + 1)
        end
        position = position + 3 + tonumber(args[position + 2])
    end
    for i = 1, #written, ARGUMENTS_MAX do
        redis.call('SADD', set, unpack(written, i, math.min(i + ARGUMENTS_MAX - 1, #written)))
    end
end

local function whole_number(text)
    local number = tonumber(text)
    return number and number >= 0 and number % 1 == 0 and number
end

-- Where the streams and the operations begin; nil where the call is malformed.
local function layout(keys, args)
    local kinds = whole_number(args[5])
    local streams = kinds and whole_number(args[6 + kinds])
    if not streams or not keys[4] or #args < 6 + kinds + 3 * streams then return nil end
    return 7 + kinds, 7 + kinds + 3 * streams
end

local function project(keys, args)
    local first_stream, first_operation = layout(keys, args)
    if not first_stream then return redis.error_reply('ERR malformed call of weir_project') end
    local projection, rebuild, head, last_kind = args[1], args[2], args[3], first_stream - 2
    local answer = other_than({ 'hash', 'hash', 'hash', 'set' }, keys)
    if answer then return answer end
    local still, phase = stands_still(keys[2], rebuild, server_ms())
    if still then return { 'held' } end
    for i = first_stream, first_operation - 1, 3 do
        if (redis.call('HGET', keys[1], args[i]) or '') ~= args[i + 1] then
            return { 'moved', args[i] }
        end
    end
    local problem = kinds_problem(keys[3], projection, args, 6, last_kind)
    if problem then return { 'refused', 3, problem } end
    local made = { [keys[1]] = 'hash', [keys[2]] = 'hash', [keys[3]] = 'hash', [keys[4]] = 'set' }
    answer = check_operations(keys, args, first_operation, made)
        or missing_right({ 'HSET' }, { keys[1], keys[2], keys[3] })
        or right_problem('SADD', keys[4])
    if answer then return answer end
    local entries, refusal = append_entries(keys, args, first_operation)
    if not entries then return refusal end
    for i = first_stream, first_operation - 1, 3 do
        redis.call('HSET', keys[1], args[i], args[i + 2])
    end
    for i = 6, last_kind do redis.call('HSET', keys[3], args[i], projection) end
    if rebuild ~= '' then count_up(keys[2], 'folded', whole_number(args[4]) or 0) end
    if rebuild ~= '' or phase == 'sweeping' or phase == 'looking' then
        remember_written(keys[4], keys, args, head, first_operation)
    end
    apply_operations(keys, args, first_operation, entries)
    return 1
end

redis.register_function('weir_project', project)
