-- How a document lies in Redis. A part of the library that core/store.lua begins.

-- Rows are what daemons and Functions hand each other: numbers of 8 bytes, texts with 4 bytes of length before
-- them, all big-endian. One word for many: Redis and Lua pay for words, not for bytes. "ns": a number, a text.
local row_formats = {}
local function row_format(kinds)
    local format = row_formats[kinds]
    if not format then
        format = '>' .. string.gsub(kinds, '.', { n = 'i8', s = 'I4c0' })
        row_formats[kinds] = format
    end
    return format
end

-- A document lies in Redis as a flat row too: to read it makes few tables, which is what a Function spends
-- its time with. Parts that few ask for are packed by themselves, and go back as they were unless somebody
-- changed them: of C what says where it comes from (`origin`), the state of each channel ("" for an empty one), and what is
-- rare in one table at the end: t where it is a table, P, h.
local FORMAT = 2
local CURRENT, ORIGIN = '>I4I4BBi8i8i8i8i8c1Bc0Bc0', '>Hc0Bc0Bc0'
local doc_formats = {} -- by number of channels
local function doc_format(n)
    local format = doc_formats[n]
    if not format then
        -- FORMAT channels w g t owner current origin rare, then name and state of each channel
        format = '>BHBI4i8Bc0Hc0Hc0I4c0' .. string.rep('Bc0I4c0', n)
        doc_formats[n] = format
    end
    return format
end

-- A state that says no more than what is shown, and since when, has a short form: most have it, for good.
local PLAIN = { s = true, l = true, r = true, u = true, f = true, T = true, q = true }
local PLAIN_MARK, PLAIN_FORMAT = 83, '>BI4I2i8i8Bc0Hc0'

local function pack_state(c)
    local key, plain = next(c), c.T and c.s and c.q and c.l < 65536
    if not key then return '' end
    while plain and key do
        plain = PLAIN[key]
        key = next(c, key)
    end
    local ref, url = c.r or '', c.u or ''
    if not plain or #ref > 255 or #url > 65535 or ref == '' and c.r or url == '' and c.u then return cmsgpack.pack(c) end
    return struct.pack(PLAIN_FORMAT, PLAIN_MARK, c.s, c.l, c.f or 0, c.q, #ref, ref, #url, url)
end

local function unpack_state(text)
    if text == '' then return {} end
    if string.byte(text) ~= PLAIN_MARK then return cmsgpack.unpack(text) end
    local _, s, l, f, q, ref, url = struct.unpack(PLAIN_FORMAT, text)
    return { s = s, l = l, f = f ~= 0 and f or nil, q = q, T = true, r = ref ~= '' and ref or nil, u = url ~= '' and url or nil }
end

-- Whether a state that nobody has opened says that record r is shown, and nothing more.
local function plainly_shows(state, r)
    if type(state) ~= 'string' or string.byte(state) ~= PLAIN_MARK then return false end
    local _, s, l = struct.unpack('>BI4I2', state)
    return s == r[REV] and l == r[LVL]
end

local function state_at(c, i)
    local state = c[i]
    if type(state) == 'string' then
        state = unpack_state(state)
        c[i] = state
    end
    return state
end

local function state_of(d, name)
    local c = d.c
    for i = 1, #c, 2 do
        if c[i] == name then return state_at(c, i + 1) end
    end
end

local row = {} -- filled anew each time
local function pack_doc(d)
    local c, r, n, current, origin, rare = d.c, d.C, 0, d.current, d.origin, ''
    for i = 1, #c, 2 do
        local name, state = c[i], c[i + 1]
        if type(state) == 'table' then state = pack_state(state) end
        row[n + 1], row[n + 2], row[n + 3], row[n + 4] = #name, name, #state, state
        n = n + 4
    end
    if not r then
        current, origin = '', ''
    elseif r ~= d.read then
        local over = r[UNTIL] or 0
        over = over == 0 and '' or type(over) == 'number' and fmt(over) or over
        current = struct.pack(CURRENT, r[REV], r[LVL], r[CLASS], r[WAIT] or 0, r[AT], r[EXP], r[DEADLINE] or 0, r[ACC],
            r[SINCE] or 0, r[KIND], #over, over, #r[ULID], r[ULID])
        origin = struct.pack(ORIGIN, #r[EVID], r[EVID], #r[DG], r[DG], #r[SUM], r[SUM])
    end
    local t, owner = d.t, d.o or ''
    if type(t) == 'table' or d.h or (d.P and #d.P > 0) then
        rare = cmsgpack.pack({ t = type(t) == 'table' and t or nil, P = d.P, h = d.h })
    end
    return struct.pack(doc_format(n / 4), FORMAT, n / 4, d.w and 1 or 0, d.g or 0, type(t) == 'number' and t or 0, #owner, owner,
        #current, current, #origin, origin, #rare, rare, unpack(row, 1, n))
end

local function current_of(rev, lvl, class, wait, at, exp, deadline, acc, since, kind, over, ulid)
    return { rev, lvl, ulid, false, false, at, exp, class, deadline, acc, kind, false, wait, since ~= 0 and since or nil,
        over ~= '' and (tonumber(over) or over) or nil }
end

local function doc_of(format, n, w, g, t, owner, current, origin, rare, ...)
    local d = { o = owner ~= '' and owner or nil, g = g > 0 and g or nil, w = w == 1, t = t ~= 0 and t or nil, c = { ... },
        current = current, origin = origin, C = nil, read = nil }
    d.c[2 * n + 1] = nil -- where the row ends
    if current ~= '' then
        d.C = current_of(struct.unpack(CURRENT, current))
        d.read = d.C
        -- Read when it is wanted, maybe behind a write: so it is looked at now, whether it can be.
        local high, low = string.byte(origin, 1, 2)
        local at = 3 + 256 * high + low
        at = at + 1 + string.byte(origin, at)
        assert(at + string.byte(origin, at) == #origin)
    end
    if rare ~= '' then
        local more = cmsgpack.unpack(rare)
        d.t, d.P, d.h = more.t or d.t, more.P, more.h
    end
    return d
end

local function read_doc(value)
    local format, high, low = string.byte(value, 1, 3)
    assert(format == FORMAT)
    return doc_of(struct.unpack(doc_format(256 * high + low), value))
end

-- C with what says where it comes from: EVID, DG, SUM.
local function whole_current(d)
    local r = d.C
    if r and not r[EVID] then r[EVID], r[DG], r[SUM] = struct.unpack(ORIGIN, d.origin) end
    return r
end

local function top(d) -- the newest accepted revision [3]
    local p = d.P
    if p and #p > 0 then return p[#p] end
    return whole_current(d)
end

-- C is about to be changed in its place.
local function change_current(d)
    d.read = nil
    return whole_current(d)
end

-- nil where there is none, false for what cannot be read. Opened: the state of `name` alone where no
-- other is asked for, else (also without a name) those of all channels.
local function unpack_doc(value, name)
    if not value then return nil end
    local good, d = pcall(read_doc, value)
    if not good then return false end
    local c = d.c
    local one = name and not d.w and not d.P and not (d.C and d.C[EXP] > 0)
    for i = 1, #c, 2 do
        if not one or c[i] == name then
            local ok, state = pcall(unpack_state, c[i + 1])
            if not ok or type(state) ~= 'table' then return false end
            c[i + 1] = state
        end
    end
    return d
end

-- The greatest event time seen of a source [7].
local function seen_time(d, source)
    if type(d.t) == 'table' then return d.t[source] end
    return source == d.o and d.t or nil
end

local function note_time(d, source, time)
    local seen = seen_time(d, source)
    if seen and seen >= time then return false end
    if source == d.o and type(d.t) ~= 'table' then
        d.t = time
    else
        if type(d.t) ~= 'table' then d.t = { [d.o or ''] = d.t } end
        d.t[source] = time
    end
    return true
end
