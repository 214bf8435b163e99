-- weir_witness: a worker has something on the server that grows by one each time, behind its commits:
-- a server that knows a smaller number than the worker has lost the newest part of its history.
-- KEYS    1 {S}:witness (hash: process → number)
-- ARGV    1 process: its consumer's name, a blank, and what no other process has
-- Returns the number after this call
-- Errors  WRONGTYPE, NOPERM
-- What is no number counts as 0.

local function witness(keys, args)
    local problem = other_than({ 'hash' }, keys) or right_problem('HSET', keys[1])
    if problem then return problem end
    local number = (integer(redis.call('HGET', keys[1], args[1]) or '') or 0) + 1
    redis.call('HSET', keys[1], args[1], whole(number))
    return number
end

register('weir_witness', 1, { 'text' }, witness, { 'allow-oom' })
