-- No key is there that should not be: the list of the README, and nothing else.

local ANY = { commands = 'stream', events = 'stream', dead = 'stream', scheduled = 'zset', workers = 'hash',
              readers = 'hash', witness = 'hash', ['seen:'] = 'string', ['note:'] = 'string' }
local PARTICIPANT = { steps = 'zset', ['step:'] = 'hash' }

local KEYS_OF = {
    sagas = { replies = 'stream', held = 'stream', definitions = 'set', ['saga:'] = 'hash', ['state:'] = 'zset',
              ['definition:'] = 'hash' },
    orders = { ['order:'] = 'hash' },
    payments = { ['account:'] = 'hash', ['payment:'] = 'hash' },
    catalog = { ['product:'] = 'hash', ['reservation:'] = 'hash' },
    notifications = { ['notification:'] = 'hash' },
    views = { kinds = 'hash', sales = 'hash', ['order:'] = 'hash', ['product:'] = 'hash', ['customer:'] = 'zset',
              ['checkpoint:'] = 'hash', ['projection:'] = 'hash', ['skipped:'] = 'set',
              ['rebuild-differences:'] = 'list' },
    weir = { projections = 'hash' },
}

-- The type that a key should have; nil where it should not be there.
local function type_of(key)
    local tag, rest = key:match('^{([^}]*)}:(.*)$')
    local own = KEYS_OF[tag or '']
    if not own then return nil end
    local kind = rest:match('^[^:]*:') or rest
    local wanted = own[kind] or (tag ~= 'weir' and ANY[kind]) or nil
    if not wanted and tag ~= 'weir' and tag ~= 'sagas' then wanted = PARTICIPANT[kind] end
    return wanted
end

-- ---- Lives -------------------------------------------------------------------------------------

-- Marks, notes of waits, ended sagas and what a comparison has found go by themselves, nothing else
-- does.
local function has_life(key)
    if key:find('^{[^}]*}:seen:') or key:find('^{[^}]*}:note:') or key:find('^{[^}]*}:rebuild%-differences:') then return true end
    local saga = sagas[key:match('^{sagas}:saga:(.*)$') or '']
    return saga ~= nil and saga.hash ~= nil and saga.hash.endedAt ~= nil
end

local function check_keys(fault)
    for _, key in ipairs(keys) do
        local wanted = type_of(key)
        if not wanted then
            fault('%s should not be there', key)
        elseif has_type(key, wanted) and (redis.call('PTTL', key) >= 0) ~= has_life(key) then
            fault('%s %s', key, has_life(key) and 'stays for ever' or 'goes by itself')
        end
    end
    return string.format('%d, all of them known', #keys)
end

-- ---- Records of steps --------------------------------------------------------------------------

-- The record of a step and its place in the index come and go together, and belong to a saga.
local function check_record_index(fault, tag)
    local index, count = {}, 0
    local key = '{' .. tag .. '}:steps'
    for _, step in ipairs(has_type(key, 'zset') and redis.call('ZRANGE', key, 0, -1) or {}) do
        index[step] = true
        if redis.call('EXISTS', '{' .. tag .. '}:step:' .. step) == 0 then
            fault('%s lists %s, which has no record', key, step)
        end
    end
    for _, step in ipairs(ids_of(tag, 'step')) do
        local saga = sagas[step:match('^(.*)/[^/]*$') or '']
        count = count + 1
        if not index[step] then fault('{%s}:step:%s would never be forgotten', tag, step) end
        if not (saga and saga.hash) then fault('{%s}:step:%s is of a saga that is not there', tag, step) end
    end
    return count
end

local function outcome(record, action)
    return record and record[action] and record[action]:match('^%d+ (%a+)') or 'nothing'
end

-- What the service has noted of the step is what its events say.
local function check_record(fault, id, step, record, events)
    local executed, compensated = outcome(record, 'execute'), outcome(record, 'compensate')
    if (executed == 'succeeded') ~= (events.done ~= nil) then
        fault('saga %s: %s is recorded as %s and its effect is %s', id, step, executed,
            events.done and 'there' or 'not there')
    end
    if events.undone and compensated ~= 'succeeded' then
        fault('saga %s: %s was undone, and its compensation is recorded as %s', id, step, compensated)
    elseif events.done and not events.undone and compensated == 'succeeded' then
        fault('saga %s: %s is recorded as compensated and stands', id, step)
    end
end

local function check_saga_records(fault, saga, order, now)
    local events, count = step_events(saga, order), 0
    for _, step in ipairs(saga.steps or {}) do
        local record = step.service and hash('{' .. step.service .. '}:step:' .. saga.id .. '/' .. step.name)
        local had = events[step.name]
        local without = step.command == 'ReserveStock' and text_of((saga.data or {}).productId) == nil
        local fresh = not expected.jumped and now - (tonumber(saga.hash.startedAt) or 0) < DAY / 2
        if record and had and not without then
            count = count + 1
            check_record(fault, saga.id, step.name, record, had)
        elseif had and had.done and fresh then
            fault('saga %s: %s has taken effect and left no record', saga.id, step.name)
        end
        if record and saga.hash['step:' .. step.name .. ':state'] == 'succeeded'
            and outcome(record, 'execute') ~= 'succeeded' then
            fault('saga %s: %s counts as succeeded and is recorded as %s', saga.id, step.name,
                outcome(record, 'execute'))
        end
    end
    return count
end

local function check_records(fault)
    local count, compared, now = 0, 0, server_ms()
    for tag in pairs(tags) do count = count + check_record_index(fault, tag) end
    for _, order in pairs(orders) do
        if #order.sagas == 1 then
            compared = compared + check_saga_records(fault, order.sagas[1], order, now)
        end
    end
    return string.format('%d of steps, %d of them compared with the events', count, compared)
end

local function check_types(fault)
    for key, found in pairs(unreadable) do fault('%s is a %s', key, found) end
    return 'every key has the type of the contract'
end
