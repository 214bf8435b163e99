-- Whether a message is well formed, by the rules of the contract alone.

-- ---- JSON --------------------------------------------------------------------------------------
-- The server's own reader is too lenient: it knows neither UTF-8 nor repeated names nor int64.

local UTF8 = {
    '^[\194-\223][\128-\191]', '^\224[\160-\191][\128-\191]', '^[\225-\236\238\239][\128-\191][\128-\191]',
    '^\237[\128-\159][\128-\191]', '^\240[\144-\191][\128-\191][\128-\191]',
    '^[\241-\243][\128-\191][\128-\191][\128-\191]', '^\244[\128-\143][\128-\191][\128-\191]',
}

local function is_utf8(text)
    local at = text:find('[\128-\255]')
    while at do
        local last
        for _, pattern in ipairs(UTF8) do
            last = last or select(2, text:find(pattern, at))
        end
        if not last then return false end
        at = text:find('[\128-\255]', last + 1)
    end
    return true
end

local function skip_blanks(text, at)
    return text:find('[^ \t\r\n]', at) or #text + 1
end

-- The place behind an escape whose backslash stands at `at`; nil where it is none.
local function skip_escape(text, at)
    if text:find('^["\\/bfnrt]', at + 1) then return at + 2 end
    local unit = tonumber(text:match('^u(%x%x%x%x)', at + 1) or '', 16)
    if not unit or unit == 0 or (unit >= 0xdc00 and unit < 0xe000) then return nil end
    if unit < 0xd800 or unit >= 0xe000 then return at + 6 end
    local low = tonumber(text:match('^\\u(%x%x%x%x)', at + 6) or '', 16)
    return low and low >= 0xdc00 and low < 0xe000 and at + 12 or nil
end

-- The place behind the text whose quote stands at `at`; nil where it is none.
local function skip_text(text, at)
    at = at + 1
    while at do
        at = text:find('["\\%c]', at)
        local found = at and text:sub(at, at)
        if found == '"' then return at + 1 end
        if found ~= '\\' and found ~= '\127' then return nil end
        at = found == '\\' and skip_escape(text, at) or found == '\127' and at + 1 or nil
    end
end

local function fits_int64(digits)
    local negative, number = digits:match('^(%-?)(%d+)$')
    local limit = negative == '-' and '9223372036854775808' or '9223372036854775807'
    return #number < 19 or (#number == 19 and number <= limit)
end

local function skip_number(text, at)
    local whole_part = text:match('^%-?0', at) or text:match('^%-?[1-9]%d*', at)
    if not whole_part then return nil end
    local behind = at + #whole_part
    local rest = text:match('^%.%d+', behind) or ''
    rest = rest .. (text:match('^[eE][+-]?%d+', behind + #rest) or '')
    if rest == '' then return fits_int64(whole_part) and behind or nil end
    local number = tonumber(whole_part .. rest)
    return number and number > -math.huge and number < math.huge and behind + #rest or nil
end

local skip_value

-- The place behind an object or a list, whose bracket stands at `at`.
local function skip_members(text, at, depth)
    local closing, names = text:sub(at, at) == '{' and '}' or ']', {}
    at = skip_blanks(text, at + 1)
    if text:sub(at, at) == closing then return at + 1 end
    while true do
        if closing == '}' then
            local behind = text:sub(at, at) == '"' and skip_text(text, at)
            local name = behind and text:sub(at, behind)
            if not name or names[name] then return nil end
            names[name] = true
            at = skip_blanks(text, behind)
            if text:sub(at, at) ~= ':' then return nil end
            at = skip_blanks(text, at + 1)
        end
        at = skip_value(text, at, depth)
        at = at and skip_blanks(text, at)
        if at and text:sub(at, at) == closing then return at + 1 end
        if not at or text:sub(at, at) ~= ',' then return nil end
        at = skip_blanks(text, at + 1)
    end
end

skip_value = function(text, at, depth)
    local first = text:sub(at, at)
    if first == '{' or first == '[' then return depth > 0 and skip_members(text, at, depth - 1) or nil end
    if first == '"' then return skip_text(text, at) end
    for _, word in ipairs({ 'true', 'false', 'null' }) do
        if text:sub(at, at + #word - 1) == word then return at + #word end
    end
    return skip_number(text, at)
end

local function is_object(text, depth)
    local at = skip_blanks(text, 1)
    if text:sub(at, at) ~= '{' or text:find('%z') or not is_utf8(text) then return false end
    local behind = skip_value(text, at, depth)
    return behind ~= nil and skip_blanks(text, behind) > #text
end

-- ---- Fields ------------------------------------------------------------------------------------

local function is_name(text)
    return #text <= 64 and text:find('^%a[%w_-]*$') ~= nil
end

local function is_id(text)
    return #text >= 1 and #text <= 128 and not text:find('[%c {}/"\\]') and is_utf8(text)
end

local function is_short(text)
    return #text <= 512 and not text:find('%z') and is_utf8(text)
end

local function is_between(least, most)
    return function(text)
        return (text == '0' or text:find('^%-?[1-9]%d*$') ~= nil) and fits_int64(text)
            and tonumber(text) >= least and tonumber(text) <= most
    end
end

local FIELDS = {
    type = function(text) return #text <= 128 and text:find('^%a[%w._-]*$') ~= nil end,
    id = function(text) return #text >= 1 and #text <= 256 and not text:find('[%c ]') and is_utf8(text) end,
    source = is_short, subject = is_short, traceparent = is_short,
    originStream = is_short, originEntry = is_short,
    saga = is_id, step = is_name,
    action = function(text) return text == 'execute' or text == 'compensate' end,
    delay = is_between(0, 315360000000), version = is_between(1, 1000000),
    deliveries = is_between(0, 1000000), attempt = is_between(1, 1000000),
    expires = is_between(1, 9007199254740991),
}

-- What is wrong with the fields of a message, in few words; nil where nothing is. `flat` are names
-- and values in turn, `fields` the same by name.
local function malformed(flat, fields)
    local factor = fields.step and fields.action and fields.attempt and 4 or 1
    local seen = {}
    for i = 1, #flat, 2 do
        local name, value = flat[i], flat[i + 1]
        if FIELDS[name] or name == 'data' then
            if seen[name] then return name .. ' stands twice' end
            seen[name] = true
        end
        if name == 'data' and #value > factor * 1048576 then return 'data too large' end
        if name == 'data' and not is_object(value, factor * 64) then return 'data is no JSON object' end
        if FIELDS[name] and not FIELDS[name](value) then return name .. ' malformed' end
    end
    return not seen.type and 'no type' or nil
end

-- ---- The shop's commands -----------------------------------------------------------------------

local function an_id(value) return type(value) == 'string' and is_id(value) end
local function a_text(value) return type(value) == 'string' and #value <= 1024 end
local function a_number(least, most)
    return function(value)
        return type(value) == 'number' and value == math.floor(value) and value >= least and value <= most
    end
end

local MONEY = 9007199254740991
local NEEDS = {
    orders = {
        CreateOrder = { orderId = an_id, customerId = an_id, amount = a_number(1, MONEY) },
        CancelOrder = { orderId = an_id },
    },
    payments = {
        OpenAccount = { customerId = an_id, balance = a_number(0, MONEY) },
        ProcessPayment = { orderId = an_id, customerId = an_id, amount = a_number(1, MONEY) },
        RefundPayment = { orderId = an_id },
    },
    catalog = {
        CreateProduct = { productId = an_id, name = a_text, price = a_number(0, MONEY),
                          stock = a_number(0, MONEY) },
        ReserveStock = { orderId = an_id, productId = an_id, quantity = a_number(1, 1000000000) },
        ReleaseStock = { orderId = an_id },
    },
    notifications = {
        SendShippingNotification = { orderId = an_id, customerId = an_id },
        CancelShippingNotification = { orderId = an_id },
    },
    sagas = {
        StartSaga = {}, StepSucceeded = {}, StepFailed = {}, CancelSaga = {}, ResumeSaga = {},
        SignalSaga = {}, SagaWake = {},
    },
    views = {},
}

-- The first field of the data that a command needs and has not, or not as it should be.
local function lacking(needs, data)
    for field, fits in pairs(needs) do
        if not fits(data[field]) then return field end
    end
end

-- cjson reads 1e3 and 1.0 as whole numbers, which the contract's are not.
local function writes_integers(text, needs)
    for field in pairs(needs) do
        local number = text:match('"' .. field .. '"%s*:%s*(%-?%d[%d.eE+-]*)')
        if number and not number:find('^%-?%d+$') then return false end
    end
    return true
end
