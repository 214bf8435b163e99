-- weir_due_steps: steps whose commands can have no effect any more.
-- KEYS    1 {S}:steps (sorted set: step → time in ms from which on that is so)
-- ARGV    1 how many at the most
-- Returns the steps, the longest due first
-- Errors  WRONGTYPE

local function due_steps(keys, args)
    return redis.call('ZRANGEBYSCORE', keys[1], '-inf', whole(server_ms()), 'LIMIT', '0', args[1])
end

register('weir_due_steps', 1, { 'number' }, due_steps, { 'no-writes' })

-- weir_forget_steps: removes the records of sagas' steps that can no longer matter.
-- KEYS    1 {S}:steps  2… the steps' records
-- ARGV    1… the members of KEYS[1] that the records belong to, in the same order
-- Returns number removed
-- Errors  WRONGTYPE of KEYS[1], before anything is written
--
-- The caller has seen that their sagas have ended or are gone, which stays so. A step that was
-- heard of again meanwhile has a later time and stays.

local function forget_steps(keys, args)
    local now, removed = server_ms(), 0
    if #keys ~= #args + 1 then return redis.error_reply('ERR malformed call of weir_forget_steps') end
    for i, member in ipairs(args) do
        local time = redis.call('ZSCORE', keys[1], member)
        if time and tonumber(time) < now then
            redis.call('ZREM', keys[1], member)
            redis.call('DEL', keys[i + 1])
            removed = removed + 1
        end
    end
    return removed
end

register('weir_forget_steps', 1, {}, forget_steps, { 'allow-oom' })
