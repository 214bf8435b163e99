-- Sagas and their effects: what started has ended, and as a whole.

-- ---- Starts and sagas --------------------------------------------------------------------------

local function check_starts(fault)
    local lost, listed = 0, {}
    if not expected.starts then return 'no list of them given' end
    for _, id in ipairs(expected.starts) do
        listed[id] = true
        if not (sagas[id] and sagas[id].hash) then
            lost = lost + 1
            if not expected.may_lose then fault('saga %s was accepted and is gone', id) end
        end
    end
    for id in pairs(sagas) do
        if not listed[id] then fault('saga %s was never started', id) end
    end
    return string.format('%d accepted, %d of them gone', #expected.starts, lost)
end

-- What a step may be when its saga is so.
local function step_fits(saga_state, step, state)
    if saga_state == 'completed' then return state == 'succeeded' or state == 'skipped' end
    if state == 'succeeded' or state == 'timed-out' then return not step.compensation end
    return state == 'compensated' or state == 'failed' or state == 'skipped'
end

local function check_ended_saga(fault, id, saga)
    local fields = saga.hash
    if not (tonumber(fields.endedAt) and tonumber(fields.startedAt))
        or tonumber(fields.endedAt) < tonumber(fields.startedAt) then
        fault('saga %s is %s with startedAt %s, endedAt %s', id, fields.state,
            show(fields.startedAt), show(fields.endedAt))
    end
    for _, step in ipairs(saga.steps or {}) do
        local state = fields['step:' .. step.name .. ':state']
        for _, left in ipairs({ 'dueAt', 'backingOff' }) do
            local value = fields['step:' .. step.name .. ':' .. left]
            if value then fault('saga %s has ended and its step %s has %s %s', id, step.name, left, value) end
        end
        if not step_fits(fields.state, step, state) then
            fault('saga %s is %s, its step %s is %s', id, fields.state, step.name, show(state))
        end
    end
end

local function check_sagas(fault)
    local counts, total = {}, 0
    for id, saga in pairs(sagas) do
        local state = saga.hash and saga.hash.state
        if not saga.hash then
            fault('saga %s has events and no hash', id)
        elseif not saga.data or not saga.steps then
            fault('saga %s has no data or no definition', id)
        elseif state == 'completed' or state == 'compensated' then
            check_ended_saga(fault, id, saga)
        elseif state ~= 'suspended' then
            fault('saga %s has not ended, it is %s', id, show(state))
        end
        total = total + 1
        counts[show(state)] = (counts[show(state)] or 0) + 1
    end
    if expected.suspended ~= 'any' and (counts.suspended or 0) ~= expected.suspended then
        fault('%d sagas are suspended, %d expected', counts.suspended or 0, expected.suspended)
    end
    return string.format('%d: %d completed, %d compensated, %d suspended', total,
        counts.completed or 0, counts.compensated or 0, counts.suspended or 0)
end

local function check_saga_index(fault)
    local seen = {}
    for _, state in ipairs(ids_of('sagas', 'state')) do
        for _, id in ipairs(redis.call('ZRANGE', '{sagas}:state:' .. state, 0, -1)) do
            local saga = sagas[id]
            if seen[id] then fault('saga %s is listed as %s and as %s', id, seen[id], state) end
            local since = redis.call('ZSCORE', '{sagas}:state:' .. state, id)
            if saga and saga.hash and saga.hash.endedAt and tonumber(since) ~= tonumber(saga.hash.endedAt) then
                fault('saga %s is %s since %s and ended at %s', id, state, since, saga.hash.endedAt)
            end
            if not (saga and saga.hash and saga.hash.state == state) then
                fault('saga %s is listed as %s and is %s', id, state,
                    show(saga and saga.hash and saga.hash.state))
            end
            seen[id] = state
        end
    end
    for id, saga in pairs(sagas) do
        if saga.hash and not seen[id] then fault('saga %s is listed in no state', id) end
    end
    return 'each in the set of its state and in no other'
end

-- Each transition raises the revision by one: as many at the least as its steps have ended, and
-- no more than its attempts and orders can have caused.
local function check_revision(fault, id, saga, suspensions)
    local least, most = 1, 4 + 4 * suspensions
    for _, step in ipairs(saga.steps or {}) do
        local at = 'step:' .. step.name .. ':'
        local state = saga.hash[at .. 'state']
        local tries = (tonumber(saga.hash[at .. 'attempts']) or 0)
            + (tonumber(saga.hash[at .. 'compensationAttempts']) or 0)
        if state == 'succeeded' or state == 'failed' then least = least + 1 end
        most = most + 2 + 3 * tries + 20 * suspensions
    end
    local revision = tonumber(saga.hash.revision) or 0
    if revision < least or (saga.steps and revision > most) then
        fault('saga %s has revision %s, between %d and %d is possible', id, show(saga.hash.revision),
            least, most)
    end
end

-- Follows one saga's events; returns the state that they end with and how often it was suspended.
local function follow(fault, id, saga)
    local state, base, suspensions = 'none', 'none', 0
    for _, event in ipairs(saga.events) do
        local next_state, data = EVENT_STATES[event.type], event.data or {}
        if not next_state or not MOVES[base][next_state] then
            fault('saga %s has %s when it is %s', id, event.type, state)
        end
        if data.saga ~= id or data.state ~= next_state or data.definition ~= (saga.hash or {}).definition
            or text_of(data.version) ~= (saga.hash or {}).version then
            fault('saga %s has %s with other data: %s', id, event.type, show(event.fields.data))
        end
        state = next_state or state
        if state == 'suspended' then suspensions = suspensions + 1 else base = state end
    end
    return state, suspensions
end

local function check_saga_events(fault)
    local count = 0
    for id, saga in pairs(sagas) do
        local state, suspensions = follow(fault, id, saga)
        count = count + #saga.events
        if state ~= (saga.hash or {}).state then
            fault('saga %s is %s, its events end with %s', id, show((saga.hash or {}).state), state)
        end
        if saga.hash then check_revision(fault, id, saga, suspensions) end
    end
    return string.format('%d, one for each transition', count)
end

-- ---- Effects -----------------------------------------------------------------------------------

local function times(order, event_type)
    return #(order.events[event_type] or {})
end

local function standing(order, effect)
    return times(order, effect.done) > times(order, effect.undone)
end

local function check_events(fault)
    for _, text in ipairs(event_faults) do fault('%s', text) end
    for id, order in pairs(orders) do
        for event_type, list in pairs(order.events) do
            if #list > 1 then fault('order %s has %d times %s', id, #list, event_type) end
        end
    end
    return string.format('%d, none twice', event_count)
end

-- How often the saga's commands have taken effect when it is completed. A step that an operator has
-- skipped may have, or not.
local function wanted_effects(saga)
    local wanted = {}
    for _, step in ipairs(saga.steps or {}) do
        local skipped = saga.hash['step:' .. step.name .. ':state'] == 'skipped'
        wanted[step.command or ''] = skipped and 'any' or 1
    end
    if text_of((saga.data or {}).productId) == nil then wanted.ReserveStock = nil end
    return wanted
end

local function completed_saga(order)
    local found, number = nil, 0
    for _, saga in ipairs(order.sagas) do
        if saga.hash.state == 'completed' then
            found, number = saga, number + 1
        end
    end
    return found, number
end

local function any_saga_in(order, state)
    for _, saga in ipairs(order.sagas) do
        if saga.hash.state == state then return true end
    end
    return false
end

local function check_amounts(fault, id, order, saga)
    local paid = (order.events.PaymentProcessed or {})[1]
    local reserved = (order.events.StockReserved or {})[1]
    if paid and text_of(paid.data.amount) ~= text_of(saga.data.amount) then
        fault('order %s paid %s instead of %s', id, show(paid.data.amount), show(saga.data.amount))
    end
    if paid and paid.data.customerId ~= saga.data.customerId then
        fault('order %s was paid by %s', id, show(paid.data.customerId))
    end
    if reserved and text_of(reserved.data.quantity) ~= text_of(saga.data.quantity) then
        fault('order %s reserved %s instead of %s', id, show(reserved.data.quantity),
            show(saga.data.quantity))
    end
end

local function check_completed(fault)
    local count = 0
    for id, order in pairs(orders) do
        local saga, number = completed_saga(order)
        if number > 1 then fault('order %s completed in %d sagas', id, number) end
        if saga then
            local wanted = wanted_effects(saga)
            count = count + 1
            for _, effect in ipairs(EFFECTS) do
                local should = wanted[effect.command] or 0
                if should ~= 'any' and times(order, effect.done) ~= should then
                    fault('completed order %s has %d times %s instead of %d', id,
                        times(order, effect.done), effect.done, should)
                end
                if times(order, effect.undone) > 0 then
                    fault('completed order %s has %s', id, effect.undone)
                end
            end
            check_amounts(fault, id, order, saga)
        end
    end
    return string.format('%d orders, each effect once and nothing undone', count)
end

-- What an operator has skipped he has seen to by hand: the names of those effects. A step that was
-- skipped because its turn never came has had no attempt.
local function seen_to_by_hand(order)
    local list = {}
    for _, saga in ipairs(order.sagas) do
        for _, step in ipairs(saga.steps or {}) do
            local at = 'step:' .. step.name .. ':'
            if saga.hash[at .. 'state'] == 'skipped' and saga.hash[at .. 'attempts'] then
                list[step.command or ''] = true
            end
        end
    end
    return list
end

local function check_mirror(fault)
    local count, effects = 0, 0
    for id, order in pairs(orders) do
        local must_mirror = not completed_saga(order) and not any_saga_in(order, 'suspended')
        if #order.sagas == 0 then fault('order %s has effects and no saga', id) end
        if must_mirror then count = count + 1 end
        local by_hand = seen_to_by_hand(order)
        for _, effect in ipairs(EFFECTS) do
            local done, undone = order.events[effect.done] or {}, order.events[effect.undone] or {}
            effects = effects + (must_mirror and #done or 0)
            if #undone > #done then
                fault('order %s has %s without %s', id, effect.undone, effect.done)
            elseif must_mirror and #done > #undone and not by_hand[effect.command] then
                fault('order %s has %s and it was not undone', id, effect.done)
            elseif #undone > 0 and undone[1].place < done[1].place then
                fault('order %s has %s before %s', id, effect.undone, effect.done)
            end
        end
    end
    return string.format('%d orders not completed, their %d effects undone', count, effects)
end

local BY_COMMAND = {}
for _, effect in ipairs(EFFECTS) do BY_COMMAND[effect.command] = effect end

-- The effects that each step of the saga has had, by the step's name.
local function step_events(saga, order)
    local list = {}
    for _, step in ipairs(saga.steps or {}) do
        local effect = BY_COMMAND[step.command or '']
        if effect then
            list[step.name] = { done = (order.events[effect.done] or {})[1],
                                undone = (order.events[effect.undone] or {})[1] }
        end
    end
    return list
end

-- Ids of different streams tell what came first only where the clock has never gone back. A stream
-- whose last id lies ahead of the clock betrays that it has.
local function clock_is_straight()
    if expected.jumped then return false end
    local now = server_ms()
    for tag in pairs(tags) do
        local key = '{' .. tag .. '}:events'
        local last = has_type(key, 'stream') and redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
        if last and tonumber(last[1]:match('^%d+')) > now + 1000 then return false end
    end
    return true
end

local function check_steps_order(fault, id, saga, events)
    local count = 0
    for _, step in ipairs(saga.steps or {}) do
        for other in pairs(step.waits_for) do
            local later, earlier = events[step.name] or {}, events[other] or {}
            if later.done and earlier.done then
                count = count + 1
                if later.done.ms < earlier.done.ms then
                    fault('order %s: %s took effect before %s', id, step.name, other)
                end
            end
            if later.undone and earlier.undone and later.undone.ms > earlier.undone.ms then
                fault('order %s: %s was undone before %s', id, other, step.name)
            end
        end
    end
    return count
end

-- Effects lie between the saga's start and its end, what is undone behind SagaCompensating.
local function check_saga_frame(fault, id, saga, events)
    local at = {}
    for _, event in ipairs(saga.events) do at[event.type] = at[event.type] or event.ms end
    local finish = at.SagaCompleted or at.SagaCompensated
    for _, step in ipairs(saga.steps) do -- what an operator has skipped may come at any time
        if saga.hash['step:' .. step.name .. ':state'] == 'skipped' then finish = nil end
    end
    for name, effect in pairs(events) do
        for what, event in pairs(effect) do
            if at.SagaStarted and event.ms < at.SagaStarted then
                fault('order %s: %s was %s before its saga started', id, name, what)
            elseif finish and event.ms > finish then
                fault('order %s: %s was %s after its saga had ended', id, name, what)
            elseif what == 'undone' and at.SagaCompensating and event.ms < at.SagaCompensating then
                fault('order %s: %s was undone before its saga compensated', id, name)
            end
        end
    end
end

-- Steps come after those that they wait for, compensations before theirs. Different streams are
-- compared by the server's clock, so what falls into one millisecond is not told apart.
local function check_order(fault)
    local pairs_seen = 0
    if not clock_is_straight() then return 'not to be told: the clock of the server has jumped' end
    for id, order in pairs(orders) do
        local saga = #order.sagas == 1 and order.sagas[1]
        if saga then
            local events = step_events(saga, order)
            pairs_seen = pairs_seen + check_steps_order(fault, id, saga, events)
            check_saga_frame(fault, id, saga, events)
        end
    end
    return string.format('%d pairs of steps in order, undone in reverse', pairs_seen)
end
