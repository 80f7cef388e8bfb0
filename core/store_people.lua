-- What people do to the queue. A part of the library that core/store.lua begins.

-- Held events ------------------------------------------------------------------------------------

-- KEYS: meta log held ev doc, then the due keys. ARGV: epoch, ULID, "release" or "refuse", who,
-- reason, names of the due keys' channels. Reply: {status, revision, channels}; "stale" and its like
-- mean that something newer is in: the event is held no more, and is superseded.
local function gk_held(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local prefix, ulid = string.sub(keys[1], 1, -5), argv[2]
    if not is_type(keys[2], 'stream') or not is_type(keys[3], 'hash') or not is_type(prefix .. 'fetch', 'hash') then
        return { 'type' }
    end
    local packed = call('HGET', keys[3], ulid)
    if not packed then return { 'unknown' } end
    local h = cmsgpack.unpack(packed)
    if keys[4] ~= prefix .. 'ev:' .. h[1] or keys[5] ~= prefix .. 'doc:' .. h[2] then return { 'keys', h[1], h[2] } end
    local found = mget(keys, 4)
    local value, d = found[1], unpack_doc(found[2])
    if not value or not d then return { 'broken' } end

    prepare(s, channel_names(argv[6]), keys, 5)
    local digest, header = ev_header(value)
    local e = {
        kind = h[6], ulid = ulid, source = h[7], time = h[8], revision = h[9], digest = digest,
        at = h[10], expires = h[11], class = h[12], deadline = h[13], may = '*', backfill = true,
        channels = channel_specs(h[5], {}), due = header[7], evid = h[1], pending = h[14] and (type(h[14]) == 'string' and h[14] or ''), over = h[15] or '', sum = h[16] or '',
    }
    local r, state, channels, status = { e.revision, 0, ulid }, nil, '', nil
    if d.h and d.h[1] == ulid then
        if d.h[7] then e.pending = false end
        d.h = nil
    end

    if argv[3] == 'refuse' then
        if not top(d) and not d.h then d.o = nil end -- it never was published, so nobody owns it
        log_add(s.log, 'refused', h[2], r, nil, nil, '', nil, nil, argv[5], argv[4])
        status, state, r = 'ok', 'refused', { 0, 0 }
    else
        local rev, lvl
        status, rev, lvl = judge(d, e, s.now, 0)
        if status == 'accepted' and is_shut_out(d, e) then status = 'shown' end
        if status == 'accepted' then
            local lacking, name = lacks_channel(s, d, e.channels)
            if lacking then return { lacking, name } end
            for i = 1, #d.c, 2 do due_read(s.due, s.due_key[d.c[i]], { h[2] }) end
            log_add(s.log, 'released', h[2], r, nil, nil, '', nil, nil, argv[5], argv[4])
            r = enter(s, d, e, rev, lvl, h[2], argv[4] .. ' ' .. e.evid)
            channels = joined_channels(d)
            status, state = 'ok', 'accepted'
        else
            log_add(s.log, 'superseded', h[2], r, nil, nil, 'held')
            if status == 'same' then status = 'duplicate' end
            state, r = 'held', { 0, 0 } -- held by no document: answered as stale from now on
        end
    end
    local writes = { keys[5], pack_doc(d), keys[4], ev_value(e, state, r, channels, s.now, h[2]) }
    due_write(s.due)
    if #s.fetch > 0 then call('HSET', prefix .. 'fetch', unpack(s.fetch)) end
    call('HDEL', keys[3], ulid)
    log_write(s.log, keys[1], keys[2], s.epoch, s.n, s.now)
    mset(writes)
    return { status, fmt(r[REV]), channels }
end

-- Dead letters, repairs ----------------------------------------------------------------------------

-- A document on a channel where somebody has something to say, and the due keys of those that wait for
-- that channel. The first: what to answer when it cannot go on.
local function one_channel(keys, name)
    if not is_type(keys[2], 'stream') then return { 'type' } end
    for i = 4, #keys do
        if not is_type(keys[i], 'zset') then return { 'type' } end
    end
    local prefix = string.sub(keys[1], 1, -5)
    local document = string.sub(keys[3], #prefix + 5)
    local d = unpack_doc(mget(keys, 3)[1])
    if d == false then return { 'broken' } end
    local c = d and state_of(d, name)
    if not c then return { 'none' } end
    local due = due_new()
    for i = 4, #keys do due_read(due, keys[i], { document }) end
    return nil, d, c, due, document
end

-- A dead document is tried again (replay), or given up for good (drop). Those that died because they
-- wait for this channel are tried again with it.
-- KEYS: meta log doc due, D due keys of the channels that wait for this one. ARGV: epoch, channel, what,
-- who, reason, D, their names. Reply: {"ok"}, {"none"}: it is not dead here, or {"again", channel}.
local function gk_dead(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local name, waiting, log = argv[2], channel_names(argv[7]), log_new()
    local refusal, d, c, due, document = one_channel(keys, name)
    if refusal then return refusal end
    local known = {}
    for _, other in ipairs(waiting) do known[other] = true end
    for i = 1, #d.c, 2 do
        local other, state = d.c[i], state_at(d.c, i + 1)
        if state.a and (state.a == name or known[state.a]) and not known[other] and other ~= name then
            return { 'again', other }
        end
    end
    advance(d, s.now, log, document)
    if not d.C or not is_dead(c, d.C) then return { 'none' } end
    if argv[3] == 'drop' then
        c.y, c.z = 'dropped', string.sub(argv[5], 1, 600)
        log_add(log, 'dropped', document, d.C, name, c.n or 0, 'dropped', nil, nil, argv[5], argv[4])
    else
        c.e, c.v, c.n, c.b, c.p = nil, nil, nil, nil, nil
        log_add(log, 'replayed', document, d.C, name, 0, c.y, nil, nil, argv[5], argv[4])
        c.y, c.z = nil, nil
        for _, other in ipairs(waiting) do
            local state = state_of(d, other)
            if state and is_dead(state, d.C) and state.y == 'after/dead' then
                state.e, state.v, state.y, state.z = nil, nil, nil, nil
            end
        end
        due_place(due, keys[4], d, name, c, false, s.now, log, document)
        for i, other in ipairs(waiting) do
            local state = state_of(d, other)
            if state then due_place(due, keys[4 + i], d, other, state, false, s.now, log, document) end
        end
    end
    local writes = { keys[3], pack_doc(d) }
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    mset(writes)
    due_write(due)
    return { 'ok' }
end

-- What was shown is not there, or not as it should be: it is wanted once more.
-- KEYS: meta log doc due. ARGV: epoch, channel, who, reason.
-- Reply: {"ok", generation}, or {"none"}: the channel does not show what it should anyway.
local function gk_put_back(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local name, log = argv[2], log_new()
    local refusal, d, c, due, document = one_channel(keys, name)
    if refusal then return refusal end
    advance(d, s.now, log, document)
    if not d.C or not shows(c, d.C) or is_dead(c, d.C) then return { 'none' } end
    c.G = (c.G or 0) + 1
    log_add(log, 'missing', document, d.C, name, 0, 'put-back', c.r, c.u, argv[4], argv[3])
    due_place(due, keys[4], d, name, c, false, s.now, log, document)
    local writes = { keys[3], pack_doc(d) }
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    mset(writes)
    due_write(due)
    return { 'ok', fmt(c.G) }
end

-- Stop, pause -----------------------------------------------------------------------------------

-- KEYS: meta log ctl. ARGV: epoch, what ("stop" or "pause:CHANNEL"), value ("" clears), who, state.
local function gk_control(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local log = log_new()
    if not is_type(keys[2], 'stream') then return { 'type' } end
    if argv[3] == '' then
        call('HDEL', keys[3], argv[2])
    else
        call('HSET', keys[3], argv[2], argv[3])
    end
    log_add(log, argv[5], '', nil, string.match(argv[2], '^pause:(.*)$'), nil, argv[2], nil, nil, argv[3], argv[4])
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    return { 'ok' }
end

register('gk1_held', gk_held, {})
register('gk1_control', gk_control, { 'allow-oom' })
register('gk1_dead', gk_dead, { 'allow-oom' })
register('gk1_put_back', gk_put_back, { 'allow-oom' })
