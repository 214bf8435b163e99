-- Dead letters: each has to be explained by what was sent, and not by what weir says of it.

local READS = { notifications = { '{catalog}:events', '{orders}:events' },
                views = { '{catalog}:events', '{orders}:events', '{payments}:events',
                          '{notifications}:events' } }

local function is_read_by(service, stream)
    for _, read in ipairs(READS[service] or {}) do
        if read == stream then return true end
    end
    return false
end

-- A command's own fields stand first, the server's four behind them.
local function original_fields(flat)
    local own = { 'reason', 'deliveries', 'stream', 'entry' }
    local original = {}
    for i, name in ipairs(own) do
        if flat[#flat - 9 + 2 * i] ~= name then return flat end
    end
    for i = 1, #flat - 8 do original[i] = flat[i] end
    return original
end

-- ---- Starts and orders of sagas ----------------------------------------------------------------

-- Whether a definition is one that a saga can be started by: one has been, or it can be read and
-- is what it says it is.
local function definition_works(name)
    local stored = is_name(name) and hash('{sagas}:definition:' .. name)
    local version = stored and stored.latest
    local definition = version and stored[version] and object(stored[version])
    if not definition or type(definition.steps) ~= 'table' then return false end
    for _, saga in pairs(sagas) do
        if saga.hash and saga.hash.definition == name and saga.hash.version == version then return true end
    end
    return false
end

local function explain_start(fields, data)
    if data.steps ~= nil then return 'start whose data has steps' end
    if not fields.definition then return 'start without a definition' end
    return not definition_works(fields.definition) and 'start of an unknown or malformed definition' or nil
end

local ORDER_NEEDS = {
    CancelSaga = { 'saga' }, ResumeSaga = { 'saga', 'step', 'decision' }, SignalSaga = { 'saga', 'signal' },
    StepSucceeded = { 'saga', 'step', 'action' }, StepFailed = { 'saga', 'step', 'action' },
    SagaWake = { 'saga' },
}

local function explain_order(fields)
    for _, name in ipairs(ORDER_NEEDS[fields.type]) do
        if not fields[name] then return 'order or reply without ' .. name end
    end
    if fields.type == 'StepSucceeded' or fields.type == 'StepFailed' or fields.type == 'SagaWake' then
        return nil
    end
    if fields.signal and not is_name(fields.signal) then return 'signal malformed' end
    if fields.decision and fields.decision ~= 'retry' and fields.decision ~= 'skip' then
        return 'decision malformed'
    end
    local saga = sagas[fields.saga]
    return saga and saga.hash and 'order that its saga refused' or 'order for a saga that is not there'
end

-- ---- Commands ----------------------------------------------------------------------------------

-- What a command that belongs to no saga can be refused for.
local function explain_refusal(service, fields, data, text)
    local needs = NEEDS[service][fields.type]
    if fields.type == 'ReserveStock' and text_of(data.productId) == nil then needs = {} end
    if lacking(needs, data) or not writes_integers(text, needs) then return 'command without what it needs' end
    if data.simulate ~= nil and type(data.simulate) ~= 'table' then return 'command that simulates nothing' end
    local order = orders[text_of(data.orderId) or '']
    local events = order and order.events or {}
    if fields.type == 'OpenAccount' then return accounts[data.customerId] and 'second OpenAccount' or nil end
    if fields.type == 'CreateProduct' then return products[data.productId] and 'second CreateProduct' or nil end
    for _, effect in ipairs(EFFECTS) do
        if effect.command == fields.type and events[effect.done] then return 'second ' .. fields.type end
    end
    if fields.type == 'ProcessPayment' then
        local account = accounts[data.customerId]
        return not account and 'payment without an account'
            or fields.reason:find('^insufficient funds') and 'payment without funds' or nil
    elseif fields.type == 'ReserveStock' then
        local product = products[data.productId]
        return not product and 'reservation of no product'
            or fields.reason:find('^not enough stock') and 'reservation without stock' or nil
    end
end

-- What was delivered as often as is allowed: because its workers died or fell silent each time, as
-- many as those can explain; or because its handler wanted it again each time, which none of the
-- shop's does. What keeps a worker from handling it (a server that is loading, full or away) is
-- nothing that counts.
local DIED = '^delivered %d+ times without an outcome'

local function is_given_up(fields)
    return (tonumber(fields.deliveries) or 0) >= expected.limit and fields.reason:find(DIED) ~= nil
end

-- How many messages so many deaths can have used up. One that was begun twice is begun alone, so
-- that each death strikes one. Handlers that take their time go on beside it: of them a death
-- strikes as many as a worker has in hand.
local IN_HAND = 256

local function check_given_up(fault, service, quick, slow)
    local deaths, needed = expected.deaths[service] or 0, expected.limit - 1
    local most = math.floor(deaths / (expected.limit - 2))
    if quick > most then
        fault('%d messages of %s were given up without being at fault: the %d deaths of its processes explain %d',
            quick, service, deaths, most)
    end
    if slow > 0 and slow > math.floor(deaths * IN_HAND / needed) or slow > 0 and deaths < needed then
        fault('%d slow messages of %s were given up, and its processes died %d times', slow, service, deaths)
    end
end

-- Whether the data ask this step to take its time.
local function is_slow(message, data)
    local wish = message.step
    if message.action == 'compensate' then wish = wish and wish .. '/compensate' end
    local word = wish and type(data.simulate) == 'table' and data.simulate[wish]
    return type(word) == 'string' and word:find('^slow:') ~= nil
end

-- A step that was given up is answered StepFailed, and what it may have done is undone: a saga
-- cannot count the very same command as a success.
local function explain_step(fault, service, fields)
    local saga, at = sagas[fields.saga], 'step:' .. fields.step .. ':'
    if not (saga and saga.hash) then
        if not expected.may_lose then
            fault('dead letter of %s is of saga %s, which is not there', service, fields.saga)
        end
        return 'step given up, of a saga that is gone'
    end
    local number = tonumber((fields.id or ''):match('#(%d+)$') or 1)
    if fields.action == 'execute' and saga.hash[at .. 'state'] == 'succeeded'
        and (tonumber(saga.hash[at .. 'number']) or 1) == number then
        fault('saga %s: step %s was given up and counts as succeeded', fields.saga, fields.step)
    end
    return 'step given up at the limit of deliveries'
end

-- ---- One letter --------------------------------------------------------------------------------

-- Why this message could not be handled; nil where it should have been. `given_up` counts those whose
-- workers died or fell silent.
local function explain(fault, service, flat, fields, given_up)
    local original = original_fields(flat)
    local message = pairs_of(original)
    local wrong, data = malformed(original, message), object(message.data) or {}
    local from_inbox = not is_read_by(service, fields.stream)
    local is_step = message.saga and message.step and message.action and service ~= 'sagas'
    if message.packed then return 'too many fields' end
    if fields.reason == 'the entry was deleted before it was handled' and #original == 0 then
        return expected.may_lose and 'message that was lost' or nil
    end
    if wrong then return wrong end
    if from_inbox and not (NEEDS[service] or {})[message.type] then return 'unknown type' end
    message.reason = fields.reason
    if is_given_up(fields) then
        local kind = is_slow(message, data) and 'slow' or 'quick'
        given_up[kind] = given_up[kind] + 1
        if is_step and from_inbox then return explain_step(fault, service, message) end
        return 'given up at the limit of deliveries'
    end
    if not from_inbox or is_step then return nil end
    if service ~= 'sagas' then return explain_refusal(service, message, data, message.data or '') end
    if message.type == 'StartSaga' then return explain_start(message, data) end
    return explain_order(message)
end

-- ---- All of them -------------------------------------------------------------------------------

local function check_letter(fault, tag, entry, seen, kinds, given_up)
    local fields = pairs_of(entry[2])
    for _, name in ipairs({ 'reason', 'deliveries', 'stream', 'entry' }) do
        if not fields[name] then
            fault('dead letter %s of %s has no %s', entry[1], tag, name)
            return
        end
    end
    -- A message that was put off tells where it came from; a copy of that, made by hand, does too.
    local origin, fresh = fields.stream .. ' ' .. fields.entry, fields.deliveries == '1'
    if seen[origin] ~= nil and (seen[origin] or fresh) then
        fault('dead letter %s of %s is there twice: %s', entry[1], tag, origin)
    end
    seen[origin] = seen[origin] or fresh
    if not expected.explained then return end
    local kind = explain(fault, tag, entry[2], fields, given_up)
    if not kind then
        fault('dead letter %s of %s, a %s, is not explained by what was sent: %s', entry[1], tag,
            show(fields.type), fields.reason)
    end
    kinds[kind or ''] = (kinds[kind or ''] or 0) + 1
end

local function check_dead(fault)
    local count, kinds = 0, {}
    for tag in pairs(expected.dead) do tags[tag] = true end
    for tag in pairs(tags) do
        local should, seen, last = expected.dead[tag], {}, nil
        local given_up = { quick = 0, slow = 0 }
        local length = each_entry('{' .. tag .. '}:dead', function(entry)
            last = pairs_of(entry[2]).reason
            check_letter(fault, tag, entry, seen, kinds, given_up)
        end)
        count = count + length
        check_given_up(fault, tag, given_up.quick, given_up.slow)
        if not should and not expected.explained then should = 0 end
        if should and length ~= should then
            fault('{%s}:dead has %d dead letters, %d expected; the last: %s', tag, length, should, show(last))
        end
    end
    local names = {}
    for kind, number in pairs(kinds) do table.insert(names, number .. ' ' .. kind) end
    table.sort(names)
    if not expected.explained then return string.format('%d, all of them expected', count) end
    return string.format('%d, all of them explained%s%s', count, count > 0 and ': ' or '',
        table.concat(names, ', '))
end
