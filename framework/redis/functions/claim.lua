-- weir_claim: takes over messages whose worker has been silent for too long.
-- KEYS    1 stream  2 {S}:dead
-- ARGV    1 group  2 consumer  3 idle time in ms from which on  4 cursor ("0-0" at first)
--         5 how many at the most
-- Returns {next cursor, {{entry id, deliveries so far, {field, value, …}}, …}, number lost}, with a 0
--         behind it where nothing at all is pending in the group
-- Errors  NOGROUP, WRONGTYPE
--
-- JUSTID leaves the delivery counter alone: it counts how often handling has begun, not how often
-- an entry has changed hands, else the neighbours of a message that kills its worker would be
-- buried with it. The worker raises it when it begins (XCLAIM … RETRYCOUNT).

local function entry_body(stream, id)
    local range = redis.call('XRANGE', stream, id, id)
    return range[1] and range[1][2]
end

-- The server's clock may have been ahead, and set back: what was given out meanwhile counts as idle
-- for 0 ms until the clock gets there again, and would stay with a dead worker for so long. So all
-- that is idle for 0 ms counts as given out now; of what really was, that is true.

-- XAUTOCLAIM looks at so many entries for each that it may take.
local LOOKED_AT = 10

-- `claimed` is what has just been: it has been idle for 0 ms indeed.
local function date_now(stream, group, from, to, count, claimed)
    local fresh = {}
    for _, id in ipairs(claimed) do fresh[id] = true end
    local rows = redis.call('XPENDING', stream, group, from == '0-0' and '-' or from,
        to == '0-0' and '+' or to, whole(count * LOOKED_AT))
    for _, row in ipairs(rows) do
        -- XCLAIM would drop one without body
        if row[3] == 0 and not fresh[row[1]] and entry_body(stream, row[1]) then
            redis.call('XCLAIM', stream, group, row[2], '0', row[1], 'JUSTID')
        end
    end
end

local function claim(keys, args)
    if redis.call('XPENDING', keys[1], args[1])[1] == 0 then return { '0-0', {}, 0, 0 } end
    local answer = redis.call('XAUTOCLAIM', keys[1], args[1], args[2], args[3], args[4],
        'COUNT', args[5], 'JUSTID')
    date_now(keys[1], args[1], args[4], answer[1], tonumber(args[5]), answer[2])
    local entries = {}
    for _, id in ipairs(answer[2]) do
        local pending = redis.call('XPENDING', keys[1], args[1], id, id, '1')
        entries[#entries + 1] = { id, pending[1][4], entry_body(keys[1], id) }
    end
    local lost = answer[3] or {}
    for _, id in ipairs(lost) do bury_lost(keys[1], keys[2], id, '1') end
    return { answer[1], entries, #lost }
end

register('weir_claim', 2, { 'text', 'text', 'number', 'text', 'number' }, claim)

-- weir_recover: the messages that are pending for this very consumer, after a reconnection or a
-- restart under the same name: an answer with messages may have died in the old connection.
-- KEYS    1 stream  2 {S}:dead
-- ARGV    1 group  2 consumer  3 first id ("-" or "(<id>")  4 how many at the most
-- Returns {last id looked at or "", {{entry id, deliveries so far, {field, value, …}}, …}, lost}
-- Errors  NOGROUP, WRONGTYPE
-- Neither idle time nor delivery counter change, as they would by XREADGROUP … 0.

local function recover(keys, args)
    local pending = redis.call('XPENDING', keys[1], args[1], args[3], '+', args[4], args[2])
    local entries, lost, last = {}, 0, ''
    for _, row in ipairs(pending) do
        last = row[1]
        local body = entry_body(keys[1], row[1])
        if body then
            entries[#entries + 1] = { row[1], row[4], body }
        else
            lost = lost + 1
            redis.call('XACK', keys[1], args[1], row[1])
            bury_lost(keys[1], keys[2], row[1], tostring(row[4]))
        end
    end
    return { last, entries, lost }
end

register('weir_recover', 2, { 'text', 'text', 'text', 'number' }, recover)

-- weir_refresh: keeps the claims of messages that are still being handled.
-- KEYS    1 stream
-- ARGV    1 group  2 consumer  3… entry ids
-- Returns number of entries that are still this consumer's
-- Errors  NOGROUP, WRONGTYPE
-- An entry that another has taken over meanwhile is left to it. XCLAIM would end the claim of one
-- whose body has been deleted meanwhile; who handles it has the body and may still commit.

local function refresh(keys, args)
    local kept, claims = 0, {}
    for i = 3, #args do
        local row = redis.call('XPENDING', keys[1], args[1], args[i], args[i], '1', args[2])
        if row[1] then
            if entry_body(keys[1], args[i]) then claims[#claims + 1] = args[i] end
            kept = kept + 1
        end
    end
    for _, id in ipairs(claims) do
        redis.call('XCLAIM', keys[1], args[1], args[2], '0', id, 'JUSTID')
    end
    return kept
end

register('weir_refresh', 1, { 'text', 'text' }, refresh, { 'allow-oom' })
