-- weir_promote: moves messages that have come due to the inbox.
-- KEYS    1 {S}:scheduled  2 {S}:commands  3 {S}:dead
-- ARGV    1 how many at the most
-- Returns {number moved, due time in ms of the next one or -1, the server's time in ms}
-- Errors  WRONGTYPE, before anything is written
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

local function promote(keys, args)
    local problem = other_than_streams(keys, 2)
    if problem then return problem end
    local now = server_ms()
    local due = redis.call('ZRANGEBYSCORE', keys[1], '-inf', whole(now), 'LIMIT', '0', args[1])
    for _, member in ipairs(due) do
        local fields = message_fields(member)
        redis.call('ZREM', keys[1], member)
        if fields then
            redis.call('XADD', keys[2], '*', unpack(fields))
        else
            redis.call('XADD', keys[3], '*', 'reason', 'malformed member of the schedule',
                'deliveries', '0', 'stream', keys[1], 'entry', '', 'member', member)
        end
    end
    local head = redis.call('ZRANGE', keys[1], '0', '0', 'WITHSCORES')
    return { #due, tonumber(head[2] or '-1'), now }
end

redis.register_function('weir_promote', promote)
