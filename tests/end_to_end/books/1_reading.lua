#!lua flags=no-writes
-- The books of the shop: reads everything on the server at one moment and says what does not add
-- up. check_books.sh runs these files as one script, in the order of their names. They know nothing
-- but the contract's keys, fields and events.
-- ARGV    any of: "dead" service number; "deaths" service number (how often its processes have died or
--         fallen silent); "explained" (dead letters are judged by their content, not
--         counted); "limit" deliveries; "suspended" number or "any"; "lost" (started and gone is no
--         fault); "jumped" (times of different streams cannot be compared); "start" and then the
--         ids of all sagas that were accepted, one a line, in one text
-- Returns lines "ok    <check>: <figures>" or "FAIL  <check>: <what, and how often>"

local SHOWN = 5 -- examples of one fault

-- What each event of a service undoes or is undone by, and the command whose effect it is.
local EFFECTS = {
    { service = 'orders', done = 'OrderCreated', undone = 'OrderCancelled', command = 'CreateOrder' },
    { service = 'payments', done = 'PaymentProcessed', undone = 'PaymentRefunded',
      command = 'ProcessPayment' },
    { service = 'catalog', done = 'StockReserved', undone = 'StockReleased', command = 'ReserveStock' },
    { service = 'notifications', done = 'ShippingNotificationSent',
      undone = 'ShippingNotificationCancelled', command = 'SendShippingNotification' },
}
local STATUSES = { created = 1, paid = 2, shipped = 3, cancelled = 4 }
local EVENT_STATES = {
    SagaStarted = 'running', SagaCompleted = 'completed', SagaCompensating = 'compensating',
    SagaCompensated = 'compensated', SagaSuspended = 'suspended',
}
-- A suspended saga goes on from where it was, which is no event.
local MOVES = {
    none = { running = true },
    running = { completed = true, compensating = true, suspended = true },
    compensating = { compensated = true, suspended = true },
    completed = {}, compensated = {},
}
local DAY = 86400000 -- for how long at least a step's record and an id's mark stay, in ms

-- ---- What is expected --------------------------------------------------------------------------

local expected = { dead = {}, deaths = {}, explained = false, limit = 5, suspended = 0, may_lose = false,
                   jumped = false, starts = nil }

local function read_starts(text)
    expected.starts = {}
    for id in text:gmatch('[^\n]+') do table.insert(expected.starts, id) end
end

-- What an argument does with the words behind it; returns how many of them it takes.
local ARGUMENTS = {
    dead = function(service, number) expected.dead[service] = tonumber(number) return 2 end,
    deaths = function(service, number) expected.deaths[service] = tonumber(number) return 2 end,
    explained = function() expected.explained = true return 0 end,
    limit = function(number) expected.limit = tonumber(number) return 1 end,
    suspended = function(number) expected.suspended = tonumber(number) or number return 1 end,
    lost = function() expected.may_lose = true return 0 end,
    jumped = function() expected.jumped = true return 0 end,
    start = function(text) read_starts(text) return 1 end,
}

local function read_arguments()
    local i = 1
    while i <= #ARGV do
        local take = ARGUMENTS[ARGV[i]] or error('unknown argument ' .. ARGV[i])
        i = i + 1 + take(ARGV[i + 1], ARGV[i + 2])
    end
end

local function server_ms()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- ---- Reporting ---------------------------------------------------------------------------------

local report = {}

-- Runs one check, which calls its argument for every fault and returns the figures.
local function check(name, body)
    local faults, count = {}, 0
    local figures = body(function(format, ...)
        count = count + 1
        if count <= SHOWN then faults[count] = string.format(format, ...) end
    end)
    if count > SHOWN then faults[#faults + 1] = (count - SHOWN) .. ' more' end
    for _, fault in ipairs(faults) do report[#report + 1] = 'FAIL  ' .. name .. ': ' .. fault end
    if count == 0 then report[#report + 1] = 'ok    ' .. name .. ': ' .. figures end
end

local function whole(number)
    return string.format('%.0f', number)
end

-- For the output: what a hash may lack.
local function show(value)
    if value == nil then return 'nothing' end
    return type(value) == 'number' and whole(value) or tostring(value)
end

-- ---- Reading -----------------------------------------------------------------------------------

local keys = {}       -- all of them
local entities = {}   -- "payments:account" -> list of ids
local tags = {}       -- "payments" -> true
local unreadable = {} -- key -> its type, where it is another than it should be

local function read_keys()
    keys = redis.call('KEYS', '*')
    for _, key in ipairs(keys) do
        local tag, rest = key:match('^{([^}]*)}:(.*)$')
        if tag then
            tags[tag] = true
            local entity, id = rest:match('^([^:]*):(.*)$')
            if entity then
                local list = tag .. ':' .. entity
                entities[list] = entities[list] or {}
                table.insert(entities[list], id)
            end
        end
    end
end

local function ids_of(tag, entity)
    local ids = entities[tag .. ':' .. entity] or {}
    table.sort(ids)
    return ids
end

local function has_type(key, wanted)
    local found = redis.call('TYPE', key).ok
    if found == wanted then return true end
    if found ~= 'none' then unreadable[key] = found end
    return false
end

-- Of fields with the same name the last one counts.
local function pairs_of(flat)
    local fields = {}
    for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
    return fields
end

-- The hash as a table; nil where there is none.
local function hash(key)
    if not has_type(key, 'hash') then return nil end
    return pairs_of(redis.call('HGETALL', key))
end

local function object(text)
    local fine, value = pcall(cjson.decode, text or '{}')
    return fine and type(value) == 'table' and value or nil
end

local function text_of(value)
    if value == nil or value == cjson.null then return nil end
    return type(value) == 'number' and whole(value) or tostring(value)
end

-- Calls `visit` with each entry of a stream in order; returns how many there are.
local function each_entry(key, visit)
    local from, count = '-', 0
    if not has_type(key, 'stream') then return 0 end
    while true do
        local entries = redis.call('XRANGE', key, from, '+', 'COUNT', 1000)
        if #entries == 0 then return count end
        for _, entry in ipairs(entries) do
            count = count + 1
            visit(entry, count)
        end
        from = '(' .. entries[#entries][1]
    end
end

-- Calls `visit` with each event in order: its id, place, fields and data.
local function each_event(service, visit)
    return each_entry('{' .. service .. '}:events', function(entry, place)
        local fields = pairs_of(entry[2])
        visit({ id = entry[1], ms = tonumber(entry[1]:match('^%d+')), place = place,
                type = fields.type or '', fields = fields, data = object(fields.data) })
    end)
end

local sagas = {}  -- id -> { hash, data, steps, events }
local orders = {} -- id -> { sagas, events by type }
local accounts, products = {}, {}
local event_faults, event_count = {}, 0

local function saga_of(id)
    if not sagas[id] then sagas[id] = { events = {} } end
    return sagas[id]
end

local function order_of(id)
    if not orders[id] then orders[id] = { sagas = {}, events = {} } end
    return orders[id]
end

local definitions = {}

-- The steps of a definition; each with the set of names that it waits for.
local function steps_of(name, version)
    local at = show(name) .. ' ' .. show(version)
    if definitions[at] == nil then
        local stored = name and hash('{sagas}:definition:' .. name)
        local definition = stored and version and stored[version] and object(stored[version])
        definitions[at] = definition and definition.steps or false
        for i, step in ipairs(definitions[at] or {}) do
            step.waits_for = {}
            local before = step.after or (i > 1 and { definition.steps[i - 1].name }) or {}
            for _, other in ipairs(before) do step.waits_for[other] = true end
        end
    end
    return definitions[at] or nil
end

-- Of steps, what nothing is compared with: it takes much room. Of a result it matters that it is
-- there.
local UNUSED = { error = '', sentAt = '', endedAt = '', result = 'there' }

local function read_sagas()
    for _, id in ipairs(ids_of('sagas', 'saga')) do saga_of(id) end
    event_count = event_count + each_event('sagas', function(event)
        local events = saga_of(event.fields.subject or '').events
        events[#events + 1] = event
    end)
    for id, saga in pairs(sagas) do
        saga.id = id
        saga.hash = hash('{sagas}:saga:' .. id)
        if saga.hash then
            for field in pairs(saga.hash) do
                local kept = UNUSED[field:match('^step:.*:(%a+)$') or '']
                if kept then saga.hash[field] = kept ~= '' and kept or nil end
            end
            saga.data = object(saga.hash.data)
            saga.steps = steps_of(saga.hash.definition, saga.hash.version)
            local order = saga.data and text_of(saga.data.orderId)
            if order then table.insert(order_of(order).sagas, saga) end
        end
    end
end

local function note_event(service, event)
    local data = event.data or {}
    local about = text_of(data.orderId) or text_of(data.customerId) or text_of(data.productId)
    local subject = service == 'catalog' and text_of(data.productId) or about
    if not event.data or not about then
        event_faults[#event_faults + 1] = string.format('%s %s of %s names no order, customer or product',
            event.type, event.id, service)
    elseif event.fields.subject ~= subject or event.fields.source ~= service then
        event_faults[#event_faults + 1] = string.format('%s about %s has source %s, subject %s',
            event.type, about, show(event.fields.source), show(event.fields.subject))
    end
    if data.orderId then
        local events = order_of(text_of(data.orderId)).events
        events[event.type] = events[event.type] or {}
        -- of a large shop no more than is needed
        table.insert(events[event.type], { ms = event.ms, place = event.place, data = data })
    elseif event.type == 'AccountOpened' or event.type == 'ProductCreated' then
        local list = event.type == 'AccountOpened' and accounts or products
        if list[about] then
            event_faults[#event_faults + 1] = event.type .. ' twice for ' .. about
        end
        list[about or ''] = data
    end
end

local function read_services()
    for _, effect in ipairs(EFFECTS) do
        event_count = event_count + each_event(effect.service, function(event)
            note_event(effect.service, event)
        end)
    end
end
