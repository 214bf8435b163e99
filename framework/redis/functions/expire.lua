-- weir_expire: removes from indexes by time what has been in them for long enough.
-- KEYS    1… sorted sets scored by a time in ms
-- ARGV    1 age in ms  2 how many to remove of each at the most
-- Returns number removed
-- Errors  WRONGTYPE of the first; of a later one after the earlier ones were cleaned
--
-- Programs of before weir_expire_gone call this.

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

-- weir_expire_gone: removes from an index by time what has been in it for long enough, once the key that
-- it stands for is gone.
-- KEYS    1 sorted set scored by a time in ms
-- ARGV    1 age in ms  2 the score to begin at ("-inf": the least)  3 how many to look at, at the most
--         4 what stands before the members in the names of their keys
-- Returns {score to go on at, "" where none is left, number removed}
-- Errors  WRONGTYPE, NOPERM, a malformed score; nothing was written

local function expire_gone(keys, args)
    local problem = missing_right({ 'ZREM' }, keys) or right_problem('EXISTS', args[4])
    if problem then return problem end
    local before, removed = whole(server_ms() - tonumber(args[1])), 0
    local old = redis.call('ZRANGEBYSCORE', keys[1], args[2], before, 'WITHSCORES', 'LIMIT', '0', args[3])
    for i = 1, #old, 2 do
        if redis.call('EXISTS', args[4] .. old[i]) == 0 then
            removed = removed + redis.call('ZREM', keys[1], old[i])
        end
    end
    local last = old[#old]
    if #old < 2 * tonumber(args[3]) or not last then return { '', removed } end
    return { (removed == 0 and last == old[2]) and '(' .. last or last, removed }
end

register('weir_expire_gone', 1, { 'number', 'text', 'number', 'text' }, expire_gone, { 'allow-oom' })
