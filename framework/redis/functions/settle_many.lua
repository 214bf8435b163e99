-- weir_settle_many: acknowledges messages of one stream whose handling has nothing to write.
-- KEYS    1 the stream that they were read from
-- ARGV    1 consumer group  2 "1": delete the entries (commands), "0": leave them (events), "run":
--         delete them, which one XREADGROUP has given in this order with none in between
--         3… entry ids, 512 at the most
-- Returns number acknowledged; fewer than given where some were no longer pending, so that others
--         have finished them
-- Errors  NOPERM, and the server's own (WRONGTYPE of the stream, an id that is none); nothing was
--         written
--
-- A run is cut off the stream's front in one piece, for half of what it costs to look each entry up:
-- where all of it was pending and nothing older is there. What was consecutive once stays so, because
-- entries are added behind the newest, unless the last one of the run was deleted and the stream's last
-- id set back: so that one has to be there. That the run had no gap when it was read is the caller's
-- word, who could delete what lies in it anyhow. In all other cases, and without the rights to XRANGE
-- and XTRIM, a run is deleted as with "1".
--
-- Like weir_settle it runs on a server without memory left, so that what is in flight can drain.

local IDS_MAX = 512

-- The last entry that the group has been given; something of it has just been acknowledged, so it is
-- there.
local function last_delivered(stream, group)
    for _, about in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
        about = named_values(about)
        if about['name'] == group then return about['last-delivered-id'] end
    end
end

-- What has been given out and is not pending was finished, by this call or by somebody, and goes. What
-- has not, on a server that has lost its last seconds, is still to be handled.
local function delete_delivered(stream, group, args)
    local last = last_delivered(stream, group)
    for i = 3, #args do
        if id_parts(args[i]) and not id_less(last, args[i]) then redis.call('XDEL', stream, args[i]) end
    end
end

-- Returns whether the whole run is gone. XTRIM stops at the trace of a deleted entry whose id is behind
-- the bound; where ids were set back there are entries of the run behind such a trace.
local function cut_off(stream, args)
    local first, last = args[3], args[#args]
    local ms, sequence = id_parts(last)
    if not ms or ms >= TIME_MAX or sequence >= TIME_MAX then return false end
    if right_problem('XRANGE', stream) or right_problem('XTRIM', stream) then return false end
    if redis.call('XRANGE', stream, '-', '(' .. first, 'COUNT', 1)[1] then return false end
    if redis.call('XDEL', stream, last) == 0 then return false end
    local others = redis.call('XTRIM', stream, 'MINID', '=', whole(ms) .. '-' .. whole(sequence + 1))
    return others == #args - 3
end

local function settle_many(keys, args)
    local stream, group, run, count = keys[1], args[1], args[2] == 'run', #args - 2
    local delete = run or args[2] == '1'
    if count > IDS_MAX then return redis.error_reply('ERR malformed call of weir_settle_many') end
    local problem = right_problem('XACK', stream) or delete and right_problem('XDEL', stream)
    if problem then return problem end
    if delete and not redis.acl_check_cmd('XINFO', 'GROUPS', stream) then
        return redis.error_reply('NOPERM this user may not run XINFO on the stream')
    end
    local acknowledged = redis.call('XACK', stream, group, unpack(args, 3))
    if delete and acknowledged == count then
        if run and cut_off(stream, args) then return acknowledged end
        redis.call('XDEL', stream, unpack(args, 3))
    elseif delete and acknowledged > 0 then
        delete_delivered(stream, group, args)
    end
    return acknowledged
end

register('weir_settle_many', 1, { 'text', 'text', 'text' }, settle_many, { 'allow-oom' })
