-- weir_beat: a worker's sign of life.
-- KEYS    1 {S}:workers
-- ARGV    1 consumer  2, 3 its JSON before and after the time of the heartbeat
--         4 silence in ms after which a worker counts as gone
-- Returns {server's time in ms, consumers that are gone, …}: at most 16
-- Errors  WRONGTYPE
-- A sign that is ahead of the clock is from before the clock was set back; from now on its worker
-- has the usual time for another.

local function beat(keys, args)
    local now = server_ms()
    redis.call('HSET', keys[1], args[1], args[2] .. whole(now) .. args[3])
    local answer, workers = { now }, redis.call('HGETALL', keys[1])
    for i = 1, #workers, 2 do
        local seen = tonumber(workers[i + 1]:match('"heartbeat":(%d+)') or '0')
        if seen > now then
            redis.call('HSET', keys[1], workers[i],
                (workers[i + 1]:gsub('("heartbeat":)%d+', '%1' .. whole(now), 1)))
        end
        if now - seen > tonumber(args[4]) and #answer <= 16 then
            answer[#answer + 1] = workers[i]
        end
    end
    return answer
end

register('weir_beat', 1, { 'text', 'text', 'text', 'number' }, beat, { 'allow-oom' })

-- weir_alive: the same, with all that a worker wants to know each time. Its name is its own, as a
-- program relies on what weir_beat of an older library does not say.
-- KEYS, ARGV and errors as those of weir_beat
-- Returns {server's time in ms, the library's number, the entry that was overwritten or "",
--         consumers that are gone, …}: at most 16

local function alive(keys, args)
    local before = redis.call('HGET', keys[1], args[1])
    local answer = beat(keys, args)
    table.insert(answer, 2, before or '')
    table.insert(answer, 2, VERSION)
    return answer
end

register('weir_alive', 1, { 'text', 'text', 'text', 'number' }, alive, { 'allow-oom' })

-- weir_leave: removes a worker that has stopped, and its consumer in each group where nothing is
-- pending for it; deleting one with pending entries would lose them.
-- KEYS    1 {S}:workers  2… the streams that it has read; then, with ARGV 4, {S}:witness
-- ARGV    1 group  2 consumer  3 silence in ms from which on, or "0": at once
--         4 how the names in {S}:witness begin that go with it; left out by programs that are older
--         than that key
-- Returns 1 gone, 0 still alive or entries are pending: another takes them over first
-- Errors  WRONGTYPE; a missing group counts as empty

local function forget_witness(key, beginning)
    if key_type(key) ~= 'hash' then return end
    for _, name in ipairs(redis.call('HKEYS', key)) do
        if name:sub(1, #beginning) == beginning then redis.call('HDEL', key, name) end
    end
end

local function leave(keys, args)
    local about = redis.call('HGET', keys[1], args[2])
    local seen = about and tonumber(about:match('"heartbeat":(%d+)') or '0') or 0
    if server_ms() - seen < tonumber(args[3]) then return 0 end
    local gone, streams = 1, args[4] and #keys - 1 or #keys
    for i = 2, streams do
        local pending = redis.pcall('XPENDING', keys[i], args[1], '-', '+', '1', args[2])
        if pending[1] then
            gone = 0
        elseif not pending.err then
            redis.call('XGROUP', 'DELCONSUMER', keys[i], args[1], args[2])
        end
    end
    if gone == 1 then
        redis.call('HDEL', keys[1], args[2])
        if args[4] then forget_witness(keys[#keys], args[4]) end
    end
    return gone
end

register('weir_leave', 1, { 'text', 'text', 'number' }, leave, { 'allow-oom' })

-- weir_version: the library's number. No keys, no arguments.

redis.register_function {
    function_name = 'weir_version', callback = function() return VERSION end,
    flags = { 'no-writes' }
}
