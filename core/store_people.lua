-- What people do to the queue. A part of the library that core/store.lua begins.

-- Held events ------------------------------------------------------------------------------------

-- KEYS: meta log held ev doc, then the due keys. ARGV: epoch, ULID, "release" or "refuse", who,
-- reason, names of the due keys' channels. Reply: {status, revision, channels}; "stale" and its like
-- mean that something newer is in: the event is held no more, and is superseded.
local function gk_held(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local prefix, ulid = string.sub(keys[1], 1, -5), argv[2]
    if not is_type(keys[2], 'stream') or not is_type(keys[3], 'hash') then return { 'type' } end
    local packed = redis.call('HGET', keys[3], ulid)
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
        channels = channel_specs(h[5], {}), due = header[7], evid = h[1],
    }
    local r, state, channels, status = { e.revision, 0, ulid }, nil, '', nil
    if d.h and d.h[1] == ulid then d.h = nil end

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
            for name in pairs(d.c) do due_read(s.due, s.due_key[name], { h[2] }) end
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
    due_write(s.due)
    redis.call('HDEL', keys[3], ulid)
    log_write(s.log, keys[1], keys[2], s.epoch, s.n, s.now)
    mset({ keys[5], cmsgpack.pack(d), keys[4], ev_value(e, state, r, channels, s.now, h[2]) })
    return { status, fmt(r[REV]), channels }
end

-- Stop, pause -----------------------------------------------------------------------------------

-- KEYS: meta log ctl. ARGV: epoch, what ("stop" or "pause:CHANNEL"), value ("" clears), who, state.
local function gk_control(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local log = log_new()
    if not is_type(keys[2], 'stream') then return { 'type' } end
    if argv[3] == '' then
        redis.call('HDEL', keys[3], argv[2])
    else
        redis.call('HSET', keys[3], argv[2], argv[3])
    end
    log_add(log, argv[5], '', nil, string.match(argv[2], '^pause:(.*)$'), nil, argv[2], nil, nil, argv[3], argv[4])
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    return { 'ok' }
end

redis.register_function('gk1_held', gk_held)
redis.register_function { function_name = 'gk1_control', callback = gk_control, flags = { 'allow-oom' } }
