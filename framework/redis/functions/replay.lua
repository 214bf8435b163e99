-- weir_replay: puts the message of a dead letter back into its service's inbox, once.
-- KEYS    1 {S}:dead  2 {S}:commands  3 {S}:dead:<letter>, what became of it
-- ARGV    1 the letter  2 a token of the asker's own for this request  3 who asks
--         4 for how long, in ms, at least 1, what became of it is kept  5… the message's fields,
--         names and values
-- Returns {"replayed", entry in the inbox}: now, or by this very request before;
--         {"gone", what key 3 holds or ""}: the letter is not there; nothing was written
-- Errors  WRONGTYPE, NOPERM, and the server's own where the inbox takes no further entry; nothing was
--         written
--
-- Key 3 holds "replayed <ms> <entry> <token> <who>" or "dropped <ms> - <token> <who>". An answer that
-- was lost is asked for again with the same token.

local LETTER = { 'stream', 'stream', 'string' }

-- What became of a letter that is not there: the text, and the entry where this request did it.
local function fate(key, token)
    local text = redis.call('GET', key) or ''
    local entry, asked = text:match('^%a+ %d+ (%S+) (%S+) ')
    return text, asked == token and entry or nil
end

-- A life of 0 would be refused by the last write, behind the others.
local function can_be_noted(args)
    return id_parts(args[1]) and args[4] ~= '0'
end

local function is_letter(stream, id)
    return #redis.call('XRANGE', stream, id, id) == 1
end

local function remove_letter(dead, mark, args, word, entry)
    redis.call('XDEL', dead, args[1])
    redis.call('SET', mark, table.concat({ word, whole(server_ms()), entry, args[2], args[3] }, ' '),
        'PX', args[4])
end

local function replay(keys, args)
    local fields = #args - 4
    if fields < 2 or fields % 2 == 1 or fields > ARGUMENTS_MAX or not can_be_noted(args) then
        return redis.error_reply('ERR malformed call of weir_replay')
    end
    local problem = other_than(LETTER, keys)
        or missing_right({ 'XDEL', 'XRANGE' }, { keys[1] }) or right_problem('XADD', keys[2])
        or missing_right({ 'GET', 'SET' }, { keys[3] })
    if problem then return problem end
    if not is_letter(keys[1], args[1]) then
        local text, entry = fate(keys[3], args[2])
        return entry and { 'replayed', entry } or { 'gone', text }
    end
    local made = redis.pcall('XADD', keys[2], '*', unpack(args, 5))
    if type(made) == 'table' then return made end
    remove_letter(keys[1], keys[3], args, 'replayed', made)
    return { 'replayed', made }
end

register('weir_replay', 3, { 'text', 'text', 'text', 'number' }, replay)

-- weir_drop: removes a dead letter for good.
-- KEYS    1 {S}:dead  2 {S}:dead:<letter>
-- ARGV    1 to 4 as those of weir_replay
-- Returns {"dropped"}: now, or by this very request before; {"gone", what key 2 holds or ""}: the
--         letter is not there; nothing was written
-- Errors  WRONGTYPE, NOPERM; nothing was written

local function drop(keys, args)
    if not can_be_noted(args) then
        return redis.error_reply('ERR malformed call of weir_drop')
    end
    local problem = other_than({ 'stream', 'string' }, keys)
        or missing_right({ 'XDEL', 'XRANGE' }, { keys[1] })
        or missing_right({ 'GET', 'SET' }, { keys[2] })
    if problem then return problem end
    if not is_letter(keys[1], args[1]) then
        local text, entry = fate(keys[2], args[2])
        return entry and { 'dropped' } or { 'gone', text }
    end
    remove_letter(keys[1], keys[2], args, 'dropped', '-')
    return { 'dropped' }
end

register('weir_drop', 2, { 'text', 'text', 'text', 'number' }, drop, { 'allow-oom' })
