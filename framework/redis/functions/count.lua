-- weir_count: how many members some sorted sets have together.
-- KEYS    1… sorted sets
-- Returns the number
-- Errors  WRONGTYPE

local function count(keys)
    local sum = 0
    for _, key in ipairs(keys) do sum = sum + redis.call('ZCARD', key) end
    return sum
end

redis.register_function {
    function_name = 'weir_count', callback = count, flags = { 'no-writes' }
}
