-- weir_project: the writes of a batch of events to a read model, and the new position, at once.
-- KEYS    1 the projection's checkpoint (hash: stream → last applied entry id); 2… the keys of
--         the operations
-- ARGV    1 the stream's key  2 position that the batch was folded from, "" for none
--         3 position after it  4… operations
-- Returns 1 committed; {"moved", position} another runner was there first; {"conflict", index},
--         {"refused", index, why} as in weir_commit: nothing was written
-- Errors  WRONGTYPE of the checkpoint; nothing was written

local function project(keys, args)
    local position = redis.call('HGET', keys[1], args[1]) or ''
    if position ~= args[2] then return { 'moved', position } end
    local answer = check_operations(keys, args, 4)
    if answer then return answer end
    redis.call('HSET', keys[1], args[1], args[3])
    apply_operations(keys, args, 4)
    return 1
end

redis.register_function('weir_project', project)
