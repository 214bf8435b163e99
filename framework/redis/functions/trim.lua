-- weir_trim: removes events that are old or too many, and that every reader has passed.
-- KEYS    1 {S}:events  2 {S}:readers (hash: projection → last applied entry id)
-- ARGV    1 how long events are kept, in ms  2 how many to remove at the most
--         3 how many are kept at the most, the newest, however young; "0", left out: no limit
-- Returns {number removed}; or, where a reader keeps events that would have gone without it,
--         {number removed, the slowest reader, its position, the oldest event that it has not
--         finished, server's time in ms}
-- Errors  WRONGTYPE, ERR for what is no number; nothing was removed
--
-- Nothing is removed past a group's oldest pending entry and its last delivered one, nor past a
-- projection's position; the entry there stays. By age whole nodes of the stream go, so that up to
-- a node (100 entries) more than that stay; by number it is exact.

-- Behind all entries.
local ENDLESS = '18446744073709551615-18446744073709551615'

-- What a node keeps beyond the limit is removed in steps of so many.
local NODE_MAX = 100

-- A group that was set back may have entries pending behind the ones that it will read again.
-- Returns the position, and whether the entry there is finished.
local function group_position(stream, group)
    local last = group['last-delivered-id']
    if group['pending'] == 0 then return last, true end
    local pending = redis.call('XPENDING', stream, group['name'])[2]
    if id_less(last, pending) then return last, true end
    return pending, false
end

-- A position that cannot be read keeps all.
local function projection_position(text)
    local ms, sequence = id_parts(text)
    return ms and ms < TIME_MAX and sequence < TIME_MAX and text or '0-0'
end

-- The reader that needs the oldest entry: {name, position, whether the entry there is finished}.
local function slowest_reader(keys)
    local slowest = { position = ENDLESS }
    local function consider(name, position, finished)
        if id_less(position, slowest.position)
            or (position == slowest.position and not finished) then
            slowest = { name = name, position = position, finished = finished }
        end
    end
    for _, about in ipairs(redis.call('XINFO', 'GROUPS', keys[1])) do
        local group = named_values(about)
        consider(group['name'], group_position(keys[1], group))
    end
    local readers = redis.call('HGETALL', keys[2])
    for i = 1, #readers, 2 do
        consider(readers[i], projection_position(readers[i + 1]), true)
    end
    return slowest
end

-- Removes the first entries, `number` at the most. Whole nodes need not be looked into; of a part
-- of a node the bound is found by reading it, which is little: what is large has a node for itself.
local function remove_first(key, number, bound)
    local removed = redis.call('XTRIM', key, 'MINID', '~', bound, 'LIMIT', whole(number))
    local rest = math.min(number - removed, NODE_MAX)
    if rest == 0 then return removed end
    local front = redis.call('XRANGE', key, '-', bound, 'COUNT', rest + 1)
    local first_kept = front[rest + 1] and front[rest + 1][1] or bound
    return removed + redis.call('XTRIM', key, 'MINID', first_kept)
end

-- The oldest entry that the reader has not finished, if age or number alone would remove it.
-- `excess`: how many of the entries are too many.
local function held_back(key, reader, old, excess)
    local from = (reader.finished and '(' or '') .. reader.position
    local first = redis.call('XRANGE', key, from, '+', 'COUNT', 1)[1]
    if not first then return nil end
    if id_less(first[1], old) then return first[1] end
    if excess <= 0 then return nil end
    for _, entry in ipairs(redis.call('XRANGE', key, '-', '+', 'COUNT', math.min(excess, 2))) do
        if entry[1] == first[1] then return first[1] end
    end
    return nil
end

local function trim(keys, args)
    local age, left, newest = integer(args[1]), integer(args[2]), integer(args[3] or '0')
    if not age or not left or not newest or left < 0 then
        return redis.error_reply('ERR age and numbers have to be whole numbers')
    end
    local now = server_ms()
    local old = whole(math.max(now - age, 0)) .. '-0'
    if key_type(keys[1]) == 'none' then return { 0 } end
    local reader = slowest_reader(keys)
    local bound = id_less(reader.position, old) and reader.position or old
    local removed = redis.call('XTRIM', keys[1], 'MINID', '~', bound, 'LIMIT', whole(left))
    local excess = newest > 0 and redis.call('XLEN', keys[1]) - newest or 0
    if excess > 0 and removed < left then
        local more = remove_first(keys[1], math.min(excess, left - removed), reader.position)
        removed, excess = removed + more, excess - more
    end
    if reader.name and (excess > 0 or id_less(reader.position, old)) then
        local first = held_back(keys[1], reader, old, excess)
        if first then return { removed, reader.name, reader.position, first, now } end
    end
    return { removed }
end

register('weir_trim', 2, { 'text', 'text' }, trim, { 'allow-oom' })
