-- Plans: which operations a call carries, said in one word in front of their arguments. Calls for one
-- kind of message have one plan, so that it is read once and known from then on: what has to be looked
-- at, appended and written, each on a list of its own.
--
-- A plan is a run of "NAME index count;": the operation, the index of its key in KEYS, how many of the
-- arguments behind the plan are its own. What is read is looked at before all else, so that somebody
-- who came first is a conflict, whatever else that has done to the writes.

-- What operations behind them find is changed by these. They are looked at one by one, in their order.
local CHANGES_TYPES = { DEL = true, FAILED = true, PEXPIREAT = true }
-- Checks that look at the number of arguments alone: the plan tells it.
local SHAPES = { [some_pairs] = true, [at_least_one] = true, [one_argument] = true }

-- Programs have some dozens of plans, of some 100 bytes; plans without end are read anew.
local PLANS_MAX, PLANS_LENGTH_MAX, PLAN_LENGTH_MAX = 500, 50000, 2000
-- Each key is compared with each: of more keys the operations are looked at one by one.
local KEYS_COMPARED_MAX = 32
local plans, plan_count, plans_length = {}, 0, 0

local function add(list, ...)
    for i = 1, select('#', ...) do list[#list + 1] = (select(i, ...)) end
end

local function add_right(plan, command, index)
    local name = command .. ' ' .. index
    if plan.asked[name] then return end
    plan.asked[name] = true
    add(plan.rights, command, index, FURTHER_WORDS[command] or NO_WORDS)
end

-- The type of a key shows by reading it. The stream that is appended to first need not be looked at:
-- nothing has been written yet when it refuses.
local function add_type(plan, operation, index)
    local wanted, known = operation.type, plan.types[index]
    if not wanted or known == wanted then return end
    if known then plan.one_by_one = true end
    plan.types[index] = wanted
    if not operation.holds and (wanted ~= 'stream' or #plan.appends > 0) then
        add(plan.probes, SIZE[wanted], index, wanted)
    end
end

local function add_operation(plan, name, index, first, last)
    local operation = OPERATIONS[name]
    if SHAPES[operation.check] then
        if operation.check(nil, nil, first, last) then return false end
    else
        add(plan.checks, operation.check, index, first, last)
    end
    add_type(plan, operation, index)
    if operation.holds then add(plan.reads, operation, index, first, last) end
    if name == 'XADD' then
        add(plan.appends, index, first, last)
    elseif name ~= 'BEFORE' and (operation.write or not operation.holds) then
        add(plan.writes, name, operation.write or false, index, first, last)
    end
    local command = operation.command or not operation.holds and name ~= 'BEFORE' and name
    if command then add_right(plan, command, index) end
    return true
end

-- Keys that are to be of different types must not be the same.
local function add_differences(plan)
    if plan.key_count > KEYS_COMPARED_MAX then
        plan.one_by_one = true
        return
    end
    for i = 1, plan.key_count do
        for j = i + 1, plan.key_count do
            local one, other = plan.types[i], plan.types[j]
            if one and other and one ~= other then add(plan.different, i, j) end
        end
    end
end

-- Returns nil where it is none. `first`: the place of the arguments behind it.
local function read_plan(text, first)
    local plan = {
        key_count = 0, heads = {}, rights = {}, reads = {}, probes = {}, checks = {}, appends = {},
        writes = {}, different = {}, asked = {}, types = {}
    }
    local length = 0
    for head, name, index, count in text:gmatch('((%u+) (%d+) (%d+);)') do
        local number, arguments = tonumber(index), tonumber(count)
        local last = first + arguments - 1
        if not OPERATIONS[name] or number < 1 or arguments > ARGUMENTS_MAX
            or not add_operation(plan, name, number, first, last) then
            return nil
        end
        plan.one_by_one = plan.one_by_one or CHANGES_TYPES[name]
        plan.key_count = math.max(plan.key_count, number)
        add(plan.heads, name, index, count)
        length, first = length + #head, last + 1
    end
    if length ~= #text then return nil end
    add_differences(plan)
    plan.last, plan.asked, plan.types = first - 1, nil, nil
    return plan
end

local function keep(text, plan)
    if plan_count == PLANS_MAX or plans_length + #text > PLANS_LENGTH_MAX then
        plans, plan_count, plans_length = {}, 0, 0
    end
    plans[text], plan_count, plans_length = plan, plan_count + 1, plans_length + #text
end

-- The plan; nil where it is none, or does not fit the call.
local function plan_of(text, keys, args, first)
    local plan = plans[text]
    if not plan then
        plan = read_plan(text, first)
        if plan and #text <= PLAN_LENGTH_MAX then keep(text, plan) end
    end
    return plan and plan.key_count <= #keys and plan.last == #args and plan or nil
end

local function goes_one_by_one(plan, keys)
    local different = plan.different
    for i = 1, #different, 2 do
        if keys[different[i]] == keys[different[i + 1]] then return true end
    end
    return plan.one_by_one
end

-- The call's arguments with each operation behind its own head, as check_operations takes them.
local function as_operations(plan, args, first)
    local run = { unpack(args, 1, first - 2) }
    for i = 1, #plan.heads, 3 do
        add(run, plan.heads[i], plan.heads[i + 1], plan.heads[i + 2])
        for _ = 1, tonumber(plan.heads[i + 2]) do
            run[#run + 1], first = args[first], first + 1
        end
    end
    return run
end

-- ---- Carrying out ------------------------------------------------------------------------------

local function planned_right_problem(rights, keys)
    local allowed = redis.acl_check_cmd
    for i = 1, #rights, 3 do
        local command, key = rights[i], keys[rights[i + 1]]
        if not allowed(command, key, unpack(rights[i + 2])) then return right_problem(command, key) end
    end
end

local function reads_problem(reads, keys, args)
    for i = 1, #reads, 4 do
        local operation, index = reads[i], reads[i + 1]
        local held = operation.holds(keys[index], args, reads[i + 2], reads[i + 3])
        if held == false then return { 'conflict', tostring(index) } end
        if held == nil then
            local problem = type_problem(keys[index], operation.type, {})
            return problem and { 'refused', tostring(index), problem } or unreadable()
        end
    end
end

local function probes_problem(probes, keys)
    local call = redis.pcall
    for i = 1, #probes, 3 do
        local index = probes[i + 1]
        if type(call(probes[i], keys[index])) ~= 'number' then
            local problem = type_problem(keys[index], probes[i + 2], {})
            if problem then return { 'refused', tostring(index), problem } end
        end
    end
end

local function checks_problem(checks, keys, args)
    local planned = setmetatable({ types = {} }, ON_DEMAND)
    for i = 1, #checks, 4 do
        local index = checks[i + 1]
        local problem = checks[i](keys[index], args, checks[i + 2], checks[i + 3], planned)
        if problem then return { 'refused', tostring(index), problem } end
    end
end

-- Returns nil, or the answer that the whole call gives instead of writing.
local function check_plan(plan, keys, args)
    return planned_right_problem(plan.rights, keys)
        or reads_problem(plan.reads, keys, args)
        or probes_problem(plan.probes, keys)
        or plan.checks[1] and checks_problem(plan.checks, keys, args)
        or nil
end

-- As append_entries.
local function append_planned(plan, keys, args)
    local made, appends = {}, plan.appends
    for i = 1, #appends, 3 do
        local key = keys[appends[i]]
        local id = redis.pcall('XADD', key, '*', unpack(args, appends[i + 1], appends[i + 2]))
        if type(id) == 'table' then
            take_back(made)
            return nil, append_problem(key, tostring(appends[i]))
        end
        made[#made + 1] = key
        made[#made + 1] = id
    end
    return made
end

-- As apply_operations.
local function write_planned(plan, keys, args, made)
    local writes, call, now = plan.writes, redis.call, nil
    for i = 1, #writes, 5 do
        local name, write, key = writes[i], writes[i + 1], keys[writes[i + 2]]
        if not write then
            call(name, key, unpack(args, writes[i + 3], writes[i + 4]))
        else
            if name == 'SCHEDULE' and not now then now = server_ms() end
            write(key, args, writes[i + 3], writes[i + 4], now, made)
        end
    end
end
