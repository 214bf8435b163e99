-- weir_project: the writes of a batch of events to a read model, and the new positions, at once.
-- KEYS    1 the projection's checkpoint (hash: stream → last applied entry id); 2… the keys of
--         the operations
-- ARGV    1 number of streams; then for each: its key, the position that the batch was folded
--         from ("" for none), the position after it; then operations
-- Returns 1 committed; {"moved", stream} another runner was there first; {"conflict", index},
--         {"refused", index, why} as in weir_commit: nothing was written
-- Errors  WRONGTYPE of the checkpoint; nothing was written

local function project(keys, args)
    local first_operation = 2 + 3 * tonumber(args[1])
    for i = 2, first_operation - 1, 3 do
        if (redis.call('HGET', keys[1], args[i]) or '') ~= args[i + 1] then
            return { 'moved', args[i] }
        end
    end
    local made = key_type(keys[1]) == 'none' and { [keys[1]] = 'hash' } or nil
    local answer = check_operations(keys, args, first_operation, made)
    answer = answer or right_problem('HSET', keys[1])
    if answer then return answer end
    local entries, refusal = append_entries(keys, args, first_operation)
    if not entries then return refusal end
    for i = 2, first_operation - 1, 3 do
        redis.call('HSET', keys[1], args[i], args[i + 2])
    end
    apply_operations(keys, args, first_operation)
    return 1
end

redis.register_function('weir_project', project)
