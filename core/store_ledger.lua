-- Between the store and the ledger: what is written there leaves here, and comes back when it is needed;
-- and what is on its way in, attachments that are fetched. A part of the library that core/store.lua begins.

-- Whether nobody may need the bytes of the current revision: no channel has it due, leased, in doubt,
-- dead or a second look owed [21]. `keys` by channel; one whose key is not known may have it due. A channel
-- that shows it, and owes nothing, has no entry or one that the holder will release: its score is not looked for.
local function is_at_rest(d, keys, due, document)
    local cur = d.C
    if d.P and #d.P > 0 then return false end
    for i = 1, #d.c, 2 do
        local key, quiet = keys[d.c[i]], cur and cur[EXP] == 0 and (cur[UNTIL] or 0) == 0
        if not key then return false end
        if not (quiet and plainly_shows(d.c[i + 1], cur)) then
            local c = state_at(d.c, i + 1)
            if c.d or c.k or (cur and is_dead(c, cur) and c.y ~= 'dropped') then return false end
            if not quiet or not shows(c, cur) or put_back_owed(c) then
                due_read(due, key, { document })
                if due_score(due, key, document) then return false end
            end
        end
    end
    return true
end

local function holder_of(d, ulid)
    if d.C and d.C[ULID] == ulid then return 'current' end
    if d.h and d.h[1] == ulid then return 'held' end
    for _, r in ipairs(d.P or {}) do
        if r[ULID] == ulid then return 'pending' end
    end
end

-- The ledger has everything before trim_id, and the events below. Their bytes go when nobody needs them;
-- the identities stay for the dedup window.
-- KEYS: meta log, D due keys, then doc ev body per event. ARGV: epoch, trim_id ("" = none), window ms, D,
-- their channels, then the ULID per event. Reply: {"ok", per event: gone, kept (ask again after its
-- document's next record), none (not here any more)}.
local function gk_ledgered(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local n_due, names = tonumber(argv[4]), channel_names(argv[5])
    local prefix, first = string.sub(keys[1], 1, -5), 2 + tonumber(argv[4])
    local due, by_name, reply = due_new(), {}, { 'ok' }
    if not is_type(keys[2], 'stream') then return { 'type' } end
    for i = 1, n_due do
        if not is_type(keys[2 + i], 'zset') then return { 'type' } end
        by_name[names[i]] = keys[2 + i]
    end
    local wanted = {}
    for i = first + 1, #keys, 3 do wanted[#wanted + 1] = keys[i] end
    local found = mget(wanted, 1)
    if argv[2] ~= '' then call('XTRIM', keys[2], 'MINID', argv[2]) end
    local gone = {}
    for i = 1, #wanted do
        local ev, body, ulid = keys[first + 3 * i - 1], keys[first + 3 * i], argv[5 + i]
        local d, document = unpack_doc(found[i], ''), string.sub(wanted[i], #prefix + 5)
        local holder = d and holder_of(d, ulid)
        if d == false or holder == 'held' or holder == 'pending' then
            reply[1 + i] = 'kept'
        elseif holder == 'current' and not is_at_rest(d, by_name, due, document) then
            reply[1 + i] = 'kept'
        else
            gone[#gone + 1] = body
            reply[1 + i] = call('PEXPIRE', ev, argv[3]) == 1 and 'gone' or 'none'
        end
    end
    if #gone > 0 then call('UNLINK', unpack(gone)) end
    return reply
end

-- The bytes of an event come back: its document is to be shown again.
-- KEYS: meta doc body. ARGV: epoch, ULID, bytes. Reply: {"ok"} or {"unneeded"}.
local function gk_bytes(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local d = unpack_doc(mget(keys, 2)[1])
    if not d or not holder_of(d, argv[2]) then return { 'unneeded' } end
    if not is_type(keys[3], 'string') then return { 'type' } end
    call('SET', keys[3], argv[3])
    return { 'ok' }
end

-- Why the event is held, and more of it: codes by blanks, each once.
local function reasons_joined(old, new)
    for code in string.gmatch(new, '%S+') do
        if not string.find(' ' .. old .. ' ', ' ' .. code .. ' ', 1, true) then
            old = old == '' and code or old .. ' ' .. code
        end
    end
    return old
end

-- What came for an event that is held has something to look at too.
local function hold_more(d, ulid, held, reasons, document, log)
    local packed = call('HGET', held, ulid)
    local h = packed and cmsgpack.unpack(packed)
    local all = h and reasons_joined(h[4], reasons)
    if not h or all == h[4] then return end
    h[4] = all
    call('HSET', held, ulid, cmsgpack.pack(h))
    log_add(log, 'held', document, { d.h[3], 0, ulid }, nil, nil, all, nil, nil, nil, 'gate ' .. h[1])
end

-- What came for a revision that was accepted needs a person's look: the revision is taken out of the
-- document, as if it had been held at the door. Its number is not given to another one. Nobody has
-- seen it: it was waiting. `e`: its reasons, source, time and revision as the emitter numbered it. Where
-- a newer event is held meanwhile, this one is superseded. Returns what is to be written.
local function hold_fetched(s, d, r, e, document, held, log)
    local key = string.sub(held, 1, -5) .. 'ev:' .. r[EVID]
    local value = call('GET', key)
    local digest, header = ev_header(value)
    local over = r[UNTIL] and r[UNTIL] ~= 0 and (type(r[UNTIL]) == 'number' and fmt(r[UNTIL]) or r[UNTIL]) or ''
    for i, p in ipairs(d.P) do
        if p == r then table.remove(d.P, i) break end
    end
    if e.revision == 0 then d.g = math.max(d.g or 0, r[REV]) end
    if d.h then
        log_add(log, 'superseded', document, { e.revision, 0, r[ULID] }, nil, nil, 'held')
    else
        d.h = { r[ULID], digest, e.revision, r[EVID], e.time, e.source, 1 }
        call('HSET', held, r[ULID], cmsgpack.pack({ r[EVID], document, s.now, e.reasons, '',
            r[KIND], e.source, e.time, e.revision, r[AT], r[EXP], r[CLASS], r[DEADLINE], false, over, r[SUM] }))
        log_add(log, 'held', document, { e.revision, 0, r[ULID] }, nil, nil, e.reasons, nil, nil, nil,
            'gate ' .. r[EVID])
    end
    return key, ev_value({ digest = digest, ulid = r[ULID], due = header[7] }, 'held', { e.revision, 0 }, '', s.now, document)
end

-- Attachments of a revision that waits for them. `what`: "look" asks whether they are still wanted, "done":
-- they are here; "hold": they are, and a person has to look at them. KEYS: meta log fetch doc, due keys of its
-- channels. ARGV: epoch, ULID, what, names of the channels; to hold: reasons by blanks, source, time, revision
-- of the event. Reply: {"ok"}, {"unknown"}: nobody waits for them any more, or {"again", channel}.
local function gk_fetched(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local prefix, ulid, names = string.sub(keys[1], 1, -5), argv[2], channel_names(argv[4] or '')
    local document, log, due = string.sub(keys[4], #prefix + 5), log_new(), due_new()
    local hold, held_key = argv[3] == 'hold', prefix .. 'held'
    if not is_type(keys[2], 'stream') or not is_type(keys[3], 'hash') or not is_type(held_key, 'hash') then
        return { 'type' }
    end
    for i = 5, #keys do
        if not is_type(keys[i], 'zset') then return { 'type' } end
    end
    local d, r = unpack_doc(mget(keys, 4)[1]), nil
    if d == false then return { 'broken' } end
    if d then advance(d, s.now, log, document) end
    for _, p in ipairs(d and d.P or {}) do
        if p[ULID] == ulid and waits(p) then r = p end
    end
    local held = d and d.h and d.h[1] == ulid and not d.h[7]
    if not r and not held then
        call('HDEL', keys[3], ulid)
        return { 'unknown' }
    end
    if argv[3] == 'look' then return { 'ok' } end
    if held then
        d.h[7] = 1
        if hold then hold_more(d, ulid, held_key, argv[5], document, log) end
        log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
        mset({ keys[4], pack_doc(d) })
        call('HDEL', keys[3], ulid)
        return { 'ok' }
    end
    local by_name = {}
    for i, name in ipairs(names) do by_name[name] = keys[4 + i] end
    for i = 1, #d.c, 2 do
        local name = d.c[i]
        if not by_name[name] then return { 'again', name } end
        due_read(due, by_name[name], { document })
    end
    local writes = {}
    if hold then
        if not call('GET', prefix .. 'ev:' .. r[EVID]) then return { 'broken' } end
        writes[1], writes[2] = hold_fetched(s, d, r, { reasons = argv[5], source = argv[6], time = tonumber(argv[7]),
            revision = tonumber(argv[8]) }, document, held_key, log)
    else
        r[WAIT] = 0
    end
    advance(d, s.now, log, document)
    for i = 1, #d.c, 2 do
        due_place(due, by_name[d.c[i]], d, d.c[i], state_at(d.c, i + 1), false, s.now, log, document)
    end
    place_waiting(due, by_name, d, d.c, s.now, log, document)
    writes[#writes + 1], writes[#writes + 2] = keys[4], pack_doc(d)
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    mset(writes)
    due_write(due)
    call('HDEL', keys[3], ulid)
    return { 'ok' }
end

register('gk1_ledgered', gk_ledgered, { 'allow-oom' })
register('gk1_bytes', gk_bytes, { 'allow-oom' })
register('gk1_fetched', gk_fetched, { 'allow-oom' })
