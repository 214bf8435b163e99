-- weir_retire: forgets a reader of events, so that they may be trimmed without it.
-- KEYS    1 {S}:events  2 {S}:readers
-- ARGV    1 consumer group or "<view>/<projection>"  2 silence in ms by which a consumer of the
--         group counts as gone  3 "1": whatever it is doing, "0": only one that is silent and has
--         nothing pending
-- Returns {"group", its last delivered entry} or {"projection", its position}: it is gone;
--         {"none"}; {"active", consumer, ms since it was heard of}; {"pending", number of entries}:
--         nothing was written
-- Errors  WRONGTYPE, NOPERM; nothing was written
--
-- A group comes before a projection of the same name. Whether a projection's service lives is in
-- that service's own keys: the caller looks.

local function find_group(stream, name)
    if key_type(stream) == 'none' then return nil end
    for _, about in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
        local group = named_values(about)
        if group['name'] == name then return group end
    end
    return nil
end

-- Why the group has to stay, or nil.
local function in_use(stream, group, silence)
    for _, about in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group['name'])) do
        local consumer = named_values(about)
        if consumer['idle'] < silence then
            return { 'active', consumer['name'], consumer['idle'] }
        end
    end
    return group['pending'] > 0 and { 'pending', group['pending'] } or nil
end

local function retire(keys, args)
    local silence = tonumber(args[2])
    local group = find_group(keys[1], args[1])
    local position = redis.call('HGET', keys[2], args[1])
    if group then
        local reason = args[3] ~= '1' and in_use(keys[1], group, silence)
        if reason then return reason end
        redis.call('XGROUP', 'DESTROY', keys[1], args[1])
        return { 'group', group['last-delivered-id'] }
    end
    if not position then return { 'none' } end
    redis.call('HDEL', keys[2], args[1])
    return { 'projection', position }
end

register('weir_retire', 2, { 'text', 'number', 'text' }, retire, { 'allow-oom' })
