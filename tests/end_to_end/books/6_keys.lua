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
    weir = { projections = 'hash', services = 'hash', actions = 'stream' },
    gateway = { ['key:'] = 'string' },
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

-- Marks, notes of waits, clients' keys, ended sagas and what a comparison has found go by themselves,
-- nothing else does.
local function has_life(key)
    if key:find('^{gateway}:key:') or key:find('^{[^}]*}:seen:') or key:find('^{[^}]*}:note:') or key:find('^{[^}]*}:rebuild%-differences:') then return true end
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

-- How an action of the step has ended by its record, and the number of that command.
local function recorded_end(record, action)
    local number, outcome = (record and record[action] or ''):match('^(%d+) (%a+)')
    return outcome, tonumber(number)
end

-- The same by its saga: a worker that moves the saga itself leaves no record.
local function told_ends(saga, step)
    local at = 'step:' .. step.name .. ':'
    local state, result = saga.hash[at .. 'state'], saga.hash[at .. 'result']
    local executed = state == 'failed' and 'failed' or nil
    if result and state ~= 'running' and state ~= 'pending' then executed = 'succeeded' end
    return { execute = executed, compensate = state == 'compensated' and 'succeeded' or nil,
             number = tonumber(saga.hash[at .. 'number']) or 1 }
end

-- What is known of the step, by its record or by its saga, is what the service's events say.
local function check_known(fault, about, executed, compensated, events)
    if (executed == 'succeeded') ~= (events.done ~= nil) then
        fault('%s is known as %s and its effect is %s', about, executed or 'nothing',
            events.done and 'there' or 'not there')
    end
    if events.undone and compensated ~= 'succeeded' then
        fault('%s was undone, and its compensation is known as %s', about, compensated or 'nothing')
    elseif events.done and not events.undone and compensated == 'succeeded' then
        fault('%s is known as compensated and stands', about)
    end
end

-- How the action has ended, by either. A refusal that is recorded may have been followed by a success
-- under the next number, of which the saga tells alone.
local function known_end(fault, about, action, record, told)
    local recorded, number = recorded_end(record, action)
    local says = told[action]
    if says == 'succeeded' and recorded and recorded ~= 'succeeded' and number >= told.number then
        fault('%s counts as %s and is recorded as %s', about,
            action == 'execute' and 'succeeded' or 'compensated', recorded)
    end
    return says == 'succeeded' and says or recorded or says
end

-- Returns whether there is a record. Old ones may be forgotten.
local function check_saga_step(fault, saga, step, events, fresh)
    local about = 'saga ' .. saga.id .. ': ' .. step.name
    local record = hash('{' .. step.service .. '}:step:' .. saga.id .. '/' .. step.name)
    local told = told_ends(saga, step)
    local executed = known_end(fault, about, 'execute', record, told)
    local compensated = known_end(fault, about, 'compensate', record, told)
    local without = step.command == 'ReserveStock' and text_of((saga.data or {}).productId) == nil
    if not without and (fresh or record or executed) then
        check_known(fault, about, executed, compensated, events)
    end
    return record ~= nil
end

-- Returns how many steps were compared, and how many of them have a record.
local function check_saga_records(fault, saga, order, now)
    local events, compared, recorded = step_events(saga, order), 0, 0
    local fresh = not expected.jumped and now - (tonumber(saga.hash.startedAt) or 0) < DAY / 2
    for _, step in ipairs(saga.steps or {}) do
        local had = step.service and events[step.name]
        if had then
            compared = compared + 1
            if check_saga_step(fault, saga, step, had, fresh) then recorded = recorded + 1 end
        end
    end
    return compared, recorded
end

local function check_records(fault)
    local count, compared, recorded, now = 0, 0, 0, server_ms()
    for tag in pairs(tags) do count = count + check_record_index(fault, tag) end
    for _, order in pairs(orders) do
        if #order.sagas == 1 then
            local steps, records = check_saga_records(fault, order.sagas[1], order, now)
            compared, recorded = compared + steps, recorded + records
        end
    end
    return string.format('%d of steps; %d steps compared with the events, %d of them told by their sagas',
        count, compared, compared - recorded)
end

local function check_types(fault)
    for key, found in pairs(unreadable) do fault('%s is a %s', key, found) end
    return 'every key has the type of the contract'
end
