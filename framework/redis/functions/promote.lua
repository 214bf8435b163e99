-- weir_promote: moves messages that have come due to the inbox.
-- KEYS    1 {S}:scheduled  2 {S}:commands  3 {S}:dead
-- ARGV    1 how many at the most
-- Returns {number moved, due time in ms of the next one or -1, the server's time in ms}
-- Errors  WRONGTYPE, NOPERM, where nothing could be moved
--
-- A member is a run of "<length>:<bytes>": first a token that makes it unique, then field, value,
-- …. One that cannot be read goes to the dead letters, whole.

local function message_fields(member)
    local fields, position = {}, 1
    while position <= #member do
        local _, colon, length = member:find('^(%d+):', position)
        if not colon or colon + length > #member then return nil end
        fields[#fields + 1] = member:sub(colon + 1, colon + length)
        position = colon + length + 1
    end
    table.remove(fields, 1)
    if #fields < 2 or #fields % 2 == 1 or #fields > ARGUMENTS_MAX then return nil end
    return fields
end

-- Appends before it removes: a stream that takes no further entry leaves the message where it is.
local function move_member(keys, member)
    local fields, made = message_fields(member), nil
    if fields then
        made = redis.pcall('XADD', keys[2], '*', unpack(fields))
    else
        made = redis.pcall('XADD', keys[3], '*', 'reason', 'malformed member of the schedule',
            'deliveries', '0', 'stream', keys[1], 'entry', '', 'member', member)
    end
    if type(made) == 'table' then return made end
    redis.call('ZREM', keys[1], member)
    return nil
end

local function promote(keys, args)
    local problem = other_than_streams({ keys[2] }, 1) or right_problem('ZREM', keys[1])
    if problem then return problem end
    local now, moved = server_ms(), 0
    local due = redis.call('ZRANGEBYSCORE', keys[1], '-inf', whole(now), 'LIMIT', '0', args[1])
    for _, member in ipairs(due) do
        problem = move_member(keys, member)
        if not problem then moved = moved + 1 end
    end
    if problem and moved == 0 then return problem end
    local head = redis.call('ZRANGE', keys[1], '0', '0', 'WITHSCORES')
    return { moved, tonumber(head[2] or '-1'), now }
end

register('weir_promote', 3, { 'number' }, promote)
