-- weir_turn: whose turn it is to run a projection, what that runner says about itself, and what
-- operators want of it.
-- KEYS    1 {V}:projection:<name> (hash)
-- ARGV    1 consumer  2 for how long it may run, in ms; "0": it stops  3 state, "": unknown yet
--         4 reason  5, 6 stream and entry of the event that stops it, or ""  7 how often it has been stopped
--         8 "1": this process asks for the first time
-- Returns {1 its turn or 0, server's time in ms, fields and values of the hash…}
-- Errors  WRONGTYPE, NOPERM
--
-- The turn saves double work and nothing else: what is written is guarded by the checkpoint.

local function report(key, now, args)
    local state, reason, entry, stops = unpack(redis.call('HMGET', key, 'state', 'reason', 'entry',
        'stops'))
    if args[7] and args[7] ~= '0' and stops ~= args[7] then
        redis.call('HSET', key, 'stops', args[7])
    end
    if state == args[3] and reason == args[4] and entry == args[6] then return end
    redis.call('HSET', key, 'state', args[3], 'reason', args[4], 'stream', args[5],
        'entry', args[6], 'since', whole(now))
end

-- A turn that nobody has given up has ended in a death; an event may be the cause. Whoever runs well
-- has left it behind.
local function count_deaths(key, owner, args)
    if owner and (owner ~= args[1] or args[8] == '1') then
        count_up(key, 'deaths', 1)
        for _, field in ipairs { 'trying', 'tryingAnew' } do
            local event, before = unpack(redis.call('HMGET', key, field, field .. 'Before'))
            if event and event == before then
                count_up(key, field .. 'Deaths', 1)
            elseif event then
                redis.call('HSET', key, field .. 'Before', event, field .. 'Deaths', '1')
            end
        end
    end
    if args[3] == 'running' then
        redis.call('HDEL', key, 'deaths', 'trying', 'tryingBefore', 'tryingDeaths', 'tryingAnew',
            'tryingAnewBefore', 'tryingAnewDeaths')
    end
end

local function turn(keys, args)
    local problem = missing_right({ 'HSET', 'HDEL', 'HGET', 'HGETALL', 'HMGET' }, keys)
    if problem then return problem end
    local now, life = server_ms(), tonumber(args[2])
    local owner, ends = unpack(redis.call('HMGET', keys[1], 'owner', 'until'))
    local mine = not owner or owner == args[1] or (tonumber(ends) or 0) <= now
    if args[3] ~= '' and mine and (life > 0 or owner == args[1]) then report(keys[1], now, args) end
    if mine and life > 0 then
        count_deaths(keys[1], owner, args)
        redis.call('HSET', keys[1], 'owner', args[1], 'until', whole(now + life))
    elseif owner == args[1] then
        redis.call('HDEL', keys[1], 'owner', 'until')
    end
    local answer = redis.call('HGETALL', keys[1])
    table.insert(answer, 1, now)
    table.insert(answer, 1, mine and life > 0 and 1 or 0)
    return answer
end

register('weir_turn', 1, { 'text', 'number', 'text', 'text', 'text', 'text' }, turn, { 'allow-oom' })
