-- weir_expire: removes from indexes by time what has been in them for long enough.
-- KEYS    1… sorted sets scored by a time in ms
-- ARGV    1 age in ms  2 how many to remove of each at the most
-- Returns number removed
-- Errors  WRONGTYPE of the first; of a later one after the earlier ones were cleaned

local function expire(keys, args)
    local before, removed = whole(server_ms() - tonumber(args[1])), 0
    for _, key in ipairs(keys) do
        local old = redis.call('ZRANGEBYSCORE', key, '-inf', before, 'LIMIT', '0', args[2])
        for _, member in ipairs(old) do
            removed = removed + redis.call('ZREM', key, member)
        end
    end
    return removed
end

register('weir_expire', 0, { 'number', 'number' }, expire, { 'allow-oom' })
