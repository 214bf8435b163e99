-- weir_trim: removes old events that every reader has passed.
-- KEYS    1 {S}:events  2 {S}:readers (hash: projection → last applied entry id)
-- ARGV    1 how long events are kept at least, in ms  2 how many to remove at the most
-- Returns number removed
-- Errors  WRONGTYPE
--
-- The bound is the smallest of: the age, each group's oldest pending entry and its last delivered
-- one, each projection's position. Age only keeps events longer; it never removes one
-- that has not been read.

local function smaller(bound, id)
    return id_less(id, bound) and id or bound
end

-- A group that was set back may have entries pending behind the ones that it will read again.
local function group_position(stream, group)
    local info = {}
    for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
    if info['pending'] > 0 then
        return smaller(info['last-delivered-id'], redis.call('XPENDING', stream, info['name'])[2])
    end
    return info['last-delivered-id']
end

local function trim(keys, args)
    if key_type(keys[1]) == 'none' then return 0 end
    local bound = whole(math.max(server_ms() - tonumber(args[1]), 0)) .. '-0'
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', keys[1])) do
        bound = smaller(bound, group_position(keys[1], group))
    end
    local readers = redis.call('HGETALL', keys[2])
    for i = 2, #readers, 2 do
        bound = smaller(bound, readers[i]:find('^%d+-%d+$') and readers[i] or '0-0')
    end
    return redis.call('XTRIM', keys[1], 'MINID', '~', bound, 'LIMIT', args[2])
end

redis.register_function { function_name = 'weir_trim', callback = trim, flags = { 'allow-oom' } }
