-- What can be asked, and founding. A part of the library that core/store.lua begins.

-- KEYS: documents. Reply per document: {} or {owner, held ULID or "", current, pending..., channels}.
-- A revision is {rev, lvl, kind, ulid, publish_at, expires, accepted, evid, "1" while it waits for
-- attachments}; a channel {name, state,
-- shown rev, shown lvl, reference, url, first shown, attempts, not before, code, sentence, doubt}.
local function gk_show(keys, argv)
    local reply = {}
    local function record(r)
        if not r then return {} end
        return { fmt(r[REV]), fmt(r[LVL]), r[KIND], r[ULID], fmt(r[AT]), fmt(r[EXP]), fmt(r[ACC]), r[EVID],
            waits(r) and '1' or '' }
    end
    for i, key in ipairs(keys) do
        local d = unpack_doc(call('GET', key))
        if not d then
            reply[i] = {}
        else
            local pending, channels, names = {}, {}, {}
            for _, r in ipairs(d.P or {}) do pending[#pending + 1] = record(r) end
            for k = 1, #d.c, 2 do names[#names + 1] = d.c[k] end
            table.sort(names)
            for _, name in ipairs(names) do
                local c, state = state_of(d, name), 'waiting'
                local cur = d.C
                if cur and is_dead(c, cur) then
                    state = 'dead'
                elseif c.d then
                    state = 'uncertain'
                elseif cur and cur[LVL] == 0 and c.E == cur[REV] then
                    state = 'ended'
                elseif cur and shows(c, cur) then
                    state = cur[LVL] == 0 and 'published' or (cur[KIND] == 'X' and 'ended' or 'withdrawn')
                elseif not cur or cur[KIND] == 'N' then
                    state = not cur and not first_ripe(d.P or {}) and 'fetching' or 'embargoed'
                elseif (c.n or 0) > 0 then
                    state = 'deferred'
                elseif c.b then
                    state = 'parked'
                end
                channels[#channels + 1] = { name, state, c.s and fmt(c.s) or '', c.l and fmt(c.l) or '',
                    c.r or '', c.u or '', fmt(c.f or 0), fmt(c.n or 0), fmt(c.b or 0), c.y or '', c.z or '',
                    c.d and fmt(c.d) or '' }
            end
            reply[i] = { d.o or '', d.h and d.h[1] or '', record(whole_current(d)), pending, channels }
        end
    end
    return reply
end

-- KEYS: held. Reply per event: {ULID, evid, document, ms, reasons, channels, source, class}.
local function gk_held_list(keys, argv)
    local reply = {}
    local all = call('HGETALL', keys[1])
    for i = 1, #all, 2 do
        local h = cmsgpack.unpack(all[i + 1])
        reply[#reply + 1] = { all[i], h[1], h[2], fmt(h[3]), h[4], h[5], h[7], fmt(h[12]) }
    end
    return reply
end

-- KEYS: ctl held, then due keys. ARGV: their channels' names.
-- Reply: {stop or "", held, {waiting, ready now, pause or ""} per due key}.
local function gk_status(keys, argv)
    local now = now_ms()
    local reply = { call('HGET', keys[1], 'stop') or '', fmt(call('HLEN', keys[2])) }
    for i = 3, #keys do
        reply[i] = { fmt(call('ZCARD', keys[i])), fmt(call('ZCOUNT', keys[i], '-inf', fmt(now))),
            call('HGET', keys[1], 'pause:' .. argv[i - 2]) or '' }
    end
    return reply
end

-- KEYS: log. ARGV: entry to go back from ("+" = the end), entries to look at, document ("" = any),
-- states by blank ("" = any). Reply: {where to go on or "", ms and record alternating}.
local function gk_log(keys, argv)
    local states = {}
    for state in string.gmatch(argv[4], '%S+') do states[state] = true end
    local reply = { '' }
    local entries = call('XREVRANGE', keys[1], argv[1], '-', 'COUNT', argv[2])
    for _, entry in ipairs(entries) do
        local fields, at, records = entry[2], '', ''
        for i = 1, #fields, 2 do
            if fields[i] == 't' then at = fields[i + 1] end
            if fields[i] == 'r' then records = fields[i + 1] end
        end
        local found = {}
        for record in string.gmatch(records, '[^\n]+') do
            local state, document = string.match(record, '^([^\t]*)\t([^\t]*)')
            if (argv[3] == '' or document == argv[3]) and (argv[4] == '' or states[state]) then
                found[#found + 1] = record
            end
        end
        for i = #found, 1, -1 do
            reply[#reply + 1] = at
            reply[#reply + 1] = found[i]
        end
    end
    if #entries == tonumber(argv[2]) then reply[1] = '(' .. entries[#entries][1] end
    return reply
end

-- Founding ---------------------------------------------------------------------------------------

-- KEYS: meta log ctl. ARGV: epoch to found an empty store with, "found" or "look".
-- Reply: {epoch or "", n, format of the documents, stop or "", TIME ms}.
local function gk_hello(keys, argv)
    local m = call('HMGET', keys[1], 'epoch', 'n', 'format')
    if not m[1] then m[3] = fmt(FORMAT) end
    if not m[1] and argv[2] == 'found' then
        call('HSET', keys[1], 'epoch', argv[1], 'n', '0', 'format', m[3])
        m[1], m[2] = argv[1], '0'
    end
    return { m[1] or '', m[2] or '0', m[3] or '1', call('HGET', keys[3], 'stop') or '', fmt(now_ms()) }
end

register('gk1_hello', gk_hello, {})
register('gk1_show', gk_show, { 'no-writes', 'allow-oom' })
register('gk1_held_list', gk_held_list, { 'no-writes', 'allow-oom' })
register('gk1_status', gk_status, { 'no-writes', 'allow-oom' })
register('gk1_log', gk_log, { 'no-writes', 'allow-oom' })
