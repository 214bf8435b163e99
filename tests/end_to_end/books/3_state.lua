-- What the services, the read models and the queues hold.

-- ---- State of the services ---------------------------------------------------------------------

-- One kind of state per order against the events that made it.
local function check_entity(fault, effect, entity, states, fields)
    local service, seen = effect.service, {}
    for _, id in ipairs(ids_of(service, entity)) do
        seen[id] = true
        local found = hash('{' .. service .. '}:' .. entity .. ':' .. id) or {}
        local events = orders[id] and orders[id].events or {}
        local made, undone = (events[effect.done] or {})[1], (events[effect.undone] or {})[1]
        local should = undone and states[2] or made and states[1] or nil
        if found.state ~= should then
            fault('%s %s is %s, by its events %s', entity, id, show(found.state), show(should))
        end
        for _, field in ipairs(made and fields or {}) do
            if found[field] ~= text_of(made.data[field]) then
                fault('%s %s has %s %s, by its event %s', entity, id, field, show(found[field]),
                    show(made.data[field]))
            end
        end
    end
    for id, order in pairs(orders) do
        if times(order, effect.done) > 0 and not seen[id] then
            fault('%s %s is not there, in spite of its %s', entity, id, effect.done)
        end
    end
end

local function check_state(fault)
    check_entity(fault, EFFECTS[1], 'order', { 'created', 'cancelled' }, { 'customerId', 'amount' })
    check_entity(fault, EFFECTS[2], 'payment', { 'processed', 'refunded' }, { 'customerId', 'amount' })
    check_entity(fault, EFFECTS[3], 'reservation', { 'reserved', 'released' }, { 'productId', 'quantity' })
    check_entity(fault, EFFECTS[4], 'notification', { 'sent', 'cancelled' }, {})
    return 'orders, payments, reservations and notifications are what their events say'
end

-- What is left of `opening` has to be in the hashes, once what went to orders is taken off.
local function check_balances(fault, word, opening, field, opened, hashes, spent)
    local total_opened, total_spent, total_left = 0, 0, 0
    for id, data in pairs(opened) do
        local now = tonumber((hashes[id] or {})[field])
        local begun, gone = tonumber(data[opening]) or 0, spent[id] or 0
        total_opened, total_spent = total_opened + begun, total_spent + gone
        total_left = total_left + (now or 0)
        if now ~= begun - gone then
            fault('%s %s has %s %s: of %s at first %s are spent', word, id, field, show(now),
                whole(begun), whole(gone))
        elseif now < 0 then
            fault('%s %s has %s %s', word, id, field, show(now))
        end
    end
    for id in pairs(hashes) do
        if not opened[id] then fault('%s %s was never opened', word, id) end
    end
    for id in pairs(spent) do
        if not opened[id] then fault('%s %s was never opened and is spent from', word, id) end
    end
    if total_opened ~= total_left + total_spent then
        fault('in all %s at first, %s left and %s spent', whole(total_opened), whole(total_left),
            whole(total_spent))
    end
    return string.format('%s at first = %s left + %s spent', whole(total_opened),
        whole(total_left), whole(total_spent))
end

local function hashes_of(tag, entity)
    local list = {}
    for _, id in ipairs(ids_of(tag, entity)) do
        list[id] = hash('{' .. tag .. '}:' .. entity .. ':' .. id) or {}
    end
    return list
end

local function check_money(fault)
    local spent = {}
    for _, payment in pairs(hashes_of('payments', 'payment')) do
        if payment.state == 'processed' then
            local customer = show(payment.customerId)
            spent[customer] = (spent[customer] or 0) + (tonumber(payment.amount) or 0)
        end
    end
    return check_balances(fault, 'account', 'balance', 'balance', accounts,
        hashes_of('payments', 'account'), spent)
end

local function stock_spent()
    local spent = {}
    for _, order in pairs(orders) do
        if standing(order, EFFECTS[3]) then
            local data = order.events.StockReserved[1].data
            local product = show(data.productId)
            spent[product] = (spent[product] or 0) + (tonumber(data.quantity) or 0)
        end
    end
    return spent
end

local function check_stock(fault)
    return check_balances(fault, 'product', 'stock', 'stock', products,
        hashes_of('catalog', 'product'), stock_spent())
end

-- ---- Read models -------------------------------------------------------------------------------

local function check_view(fault, name, id, found, should)
    for field, value in pairs(should) do
        if found[field] ~= value then
            fault('%s %s has %s %s, by the events %s', name, id, field, show(found[field]), value)
        end
    end
    for field in pairs(found) do
        if should[field] == nil then fault('%s %s has the field %s', name, id, field) end
    end
end

-- What the events say that a view should hold: each a function (models, order id, data).
local function advance(models, id, data, status)
    local model = models.order[id] or {}
    models.order[id] = model
    model.customerId = text_of(data.customerId) or model.customerId
    model.amount = text_of(data.amount) or model.amount
    if not model.status or STATUSES[status] > STATUSES[model.status] then model.status = status end
end

local function fold_order(models, id, order)
    local sales = models.sales.all
    for _, event in ipairs(order.events.OrderCreated or {}) do
        local customer = show(event.data.customerId)
        advance(models, id, event.data, 'created')
        models.customer[customer] = models.customer[customer] or {}
        models.customer[customer][id] = whole(event.ms)
        sales.orders = sales.orders + 1
    end
    for _, event in ipairs(order.events.PaymentProcessed or {}) do
        advance(models, id, event.data, 'paid')
        sales.revenue = sales.revenue + event.data.amount
    end
    for _, event in ipairs(order.events.ShippingNotificationSent or {}) do
        advance(models, id, event.data, 'shipped')
    end
    for _, event in ipairs(order.events.OrderCancelled or {}) do
        advance(models, id, event.data, 'cancelled')
        sales.cancelled = sales.cancelled + 1
    end
    for _, event in ipairs(order.events.PaymentRefunded or {}) do
        sales.revenue = sales.revenue - event.data.amount
    end
end

local function fold_all()
    local models = { order = {}, customer = {}, product = {},
                     sales = { all = { orders = 0, cancelled = 0, revenue = 0 } } }
    local spent = stock_spent()
    for id, order in pairs(orders) do fold_order(models, id, order) end
    for id, data in pairs(products) do
        models.product[id] = { name = text_of(data.name), price = text_of(data.price),
                               stock = whole(tonumber(data.stock) - (spent[id] or 0)) }
    end
    for field, value in pairs(models.sales.all) do models.sales.all[field] = whole(value) end
    return models
end

local function customer_view(key)
    local found = {}
    if not has_type(key, 'zset') then return nil end
    local flat = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #flat, 2 do found[flat[i]] = whole(tonumber(flat[i + 1])) end
    return found
end

local function check_views(fault)
    local models, count = fold_all(), 0
    for _, name in ipairs({ 'order', 'product', 'customer' }) do
        local read = name == 'customer' and customer_view or hash
        for _, id in ipairs(ids_of('views', name)) do
            if not models[name][id] then fault('%s %s is about nothing', name, id) end
        end
        for id, should in pairs(models[name]) do
            count = count + 1
            check_view(fault, name, id, read('{views}:' .. name .. ':' .. id) or {}, should)
        end
    end
    local sales = hash('{views}:sales') or { orders = '0', cancelled = '0', revenue = '0' }
    check_view(fault, 'sales', 'in all', sales, models.sales.all)
    return string.format('%d of orders, customers and products; sales: %s orders, %s cancelled, revenue %s',
        count, show(sales.orders), show(sales.cancelled), show(sales.revenue))
end

-- ---- Queues ------------------------------------------------------------------------------------

local function check_stream(fault, key, must_be_empty)
    if not has_type(key, 'stream') then return 0 end
    local length, last = redis.call('XLEN', key), pairs_of(redis.call('XINFO', 'STREAM', key))
    if must_be_empty and length > 0 then fault('%s has %d entries left', key, length) end
    for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
        local group = pairs_of(flat)
        local pending = redis.call('XPENDING', key, group.name)[1]
        if pending > 0 then fault('%s has %d pending for group %s', key, pending, group.name) end
        -- one that was made again when all was done has read nothing
        if length > 0 and group['last-delivered-id'] ~= last['last-generated-id'] then
            fault('%s: group %s has not read to the end', key, group.name)
        end
    end
    return 1
end

local function check_queues(fault)
    local streams = 0
    for tag in pairs(tags) do
        local scheduled = '{' .. tag .. '}:scheduled'
        if has_type(scheduled, 'zset') then
            fault('%s has %d messages', scheduled, redis.call('ZCARD', scheduled))
        end
        streams = streams + check_stream(fault, '{' .. tag .. '}:commands', true)
        streams = streams + check_stream(fault, '{' .. tag .. '}:events', false)
    end
    streams = streams + check_stream(fault, '{sagas}:replies', true)
    streams = streams + check_stream(fault, '{sagas}:held', true)
    return string.format('%d streams with nothing waiting, nothing pending, nothing scheduled', streams)
end

local function check_checkpoint(fault)
    local checkpoint = hash('{views}:checkpoint:shop') or {}
    local status = hash('{views}:projection:shop') or {}
    if status.state == 'stopped' or status.state == 'parked' or status.state == 'waiting' then
        fault('shop is %s at %s of %s: %s', show(status.state), show(status.entry), show(status.stream),
            show(status.reason))
    end
    if (status.phase or '') ~= '' then fault('a rebuild of shop is under way: %s', status.phase) end
    if has_type('{views}:skipped:shop', 'set') then fault('shop has passed over events') end
    for _, effect in ipairs(EFFECTS) do
        local key = '{' .. effect.service .. '}:events'
        if has_type(key, 'stream') then
            local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
            if last and checkpoint[key] ~= last[1] then
                fault('shop stands at %s of %s, which ends with %s', show(checkpoint[key]), key, last[1])
            end
        end
    end
    return 'the projection has read all events'
end
