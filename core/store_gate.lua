-- What a channel as a whole bears, over all its workers: breaker, pace, quota, how many at once. A part
-- of the library that core/store.lua begins. {R}:gate:CHANNEL is a hash:
--   fly   documents that are leased (also such whose lease has passed)
--   open  the breaker is open: nothing is handed out before then (ms), and then one document as probe
--   wait  ms from this probe to the next           probe  the document that was handed out as such
--   run   failures one after the other             good, bad  outcomes of late, halved now and then
--   hold  the carrier asked the whole channel to rest until then (ms)
--   s, m, d  "window:count" of what was handed out in this second, minute, day of Asia/Shanghai

local WINDOWS = { { 's', 1000, 0 }, { 'm', 60000, 0 }, { 'd', 86400000, 28800000 } }
local SHARE_FROM, HALVE_AT = 20, 64 -- outcomes: fewer prove no share; more are long ago

local function window_count(text, window)
    local at, count = string.match(text or '', '^(%d+):(%d+)$')
    return tonumber(at) == window and tonumber(count) or 0
end

function gate.numbers(text)
    local list = {}
    for x in string.gmatch(text or '', '[^,]+') do list[#list + 1] = tonumber(x) or 0 end
    return list
end

-- What may be handed out now: {state = ok, open or probe; top: withdrawals and urgent documents, all:
-- with the rest, fresh: of these not leased yet; soon: ms until more}. Pace binds the rest only; of the
-- day's quota a reserve is kept for the top.
function gate.room(key, now, limits, count)
    local f = call('HMGET', key, 'open', 'hold', 'fly', 's', 'm', 'd')
    local room = { state = 'ok', top = count, all = count, fresh = count, soon = -1, counts = {} }
    local function bound(name, left, again)
        if left < room[name] then
            room[name] = math.max(0, left)
            if again > 0 and (room.soon < 0 or again > room.soon) then room.soon = again end
        end
    end
    local open, hold = tonumber(f[1]), tonumber(f[2])
    if hold and hold > now then
        bound('top', 0, hold - now)
    elseif open and open > now then
        room.state = 'open'
        bound('top', 0, open - now)
    elseif open then
        room.state = 'probe'
        bound('top', 1, 0)
    end
    local reserve = limits[4] or 0
    for i, w in ipairs(WINDOWS) do
        local limit = limits[i] or 0
        if limit > 0 then
            local window = math.floor((now + w[3]) / w[2])
            local used = window_count(f[3 + i], window)
            local again = (window + 1) * w[2] - w[3] - now
            if i == 3 then
                bound('top', limit - used, again)
                bound('all', limit - used - reserve, again)
            else
                bound('all', limit - used, again)
            end
            room.counts[#room.counts + 1] = { w[1], window, used }
        end
    end
    room.all = math.min(room.all, room.top)
    if (limits[5] or 0) > 0 then room.fresh = math.max(0, limits[5] - tonumber(f[3] or 0)) end
    return room
end

-- Writes down what was handed out: n in all, of them `fresh` new ones; `probe` a document or nil.
function gate.handed(key, room, n, fresh, now, probe)
    local words = {}
    for _, c in ipairs(room.counts) do
        words[#words + 1] = c[1]
        words[#words + 1] = fmt(c[2]) .. ':' .. fmt(c[3] + n)
    end
    if room.state == 'probe' and probe then
        local wait = tonumber(call('HGET', key, 'wait') or 0)
        words[#words + 1] = 'open'
        words[#words + 1] = fmt(now + wait)
        words[#words + 1] = 'probe'
        words[#words + 1] = probe
    end
    if #words > 0 then call('HSET', key, unpack(words)) end
    if fresh > 0 then call('HINCRBY', key, 'fly', fresh) end
end

-- The gate during one settle call. `breaker`: failures in a row (0: no breaker), failures of late in
-- percent (0: not looked at), ms between probes at first and at most.
function gate.settling(key, breaker, now)
    local f = call('HMGET', key, 'open', 'wait', 'probe', 'run', 'good', 'bad', 'hold', 's', 'm', 'd')
    local b = gate.numbers(breaker)
    return {
        key = key, now = now, landed = 0, back = 0, windows = { f[8], f[9], f[10] },
        open = tonumber(f[1]), wait = tonumber(f[2]) or 0, probe = f[3] or '', run = tonumber(f[4]) or 0,
        good = tonumber(f[5]) or 0, bad = tonumber(f[6]) or 0, hold = tonumber(f[7]) or 0,
        row = b[1] or 0, share = b[2] or 0, first = math.max(b[3] or 0, 100), most = math.max(b[4] or 0, b[3] or 0, 100),
    }
end

-- Hears of one outcome. True when the failure is the endpoint's and not the document's: the breaker is
-- open. Only the probe closes it again, and only the probe's failure makes the next one wait longer:
-- the rest was under way before.
function gate.heard(g, document, health, hold, log, channel)
    if hold > g.hold then g.hold, g.dirty = hold, true end
    if g.row == 0 or health == '' then return false end
    if health == '1' then
        if g.open and g.probe == document then
            log_add(log, 'resumed', '', nil, channel, nil, 'breaker/closed')
            g.open, g.wait, g.probe, g.good, g.bad, g.dirty = nil, 0, '', 0, 0, true
        end
        -- One that is well need not be written down for each good word.
        if g.run > 0 or g.bad > 0 then g.run, g.good, g.dirty = 0, g.good + 1, true end
    else
        g.run, g.bad, g.dirty = g.run + 1, g.bad + 1, true
        local all = g.good + g.bad
        if not g.open and (g.run >= g.row or (g.share > 0 and all >= SHARE_FROM and g.bad * 100 >= g.share * all)) then
            g.wait, g.open = g.first, g.now + g.first
            log_add(log, 'parked', '', nil, channel, nil, 'breaker/open', nil, nil, fmt(g.run) .. ' ' .. fmt(g.bad) .. '/' .. fmt(all))
        elseif g.open and g.probe == document then
            g.wait, g.probe = math.min(g.wait * 2, g.most), ''
            g.open = g.now + g.wait
        end
    end
    if g.good + g.bad >= HALVE_AT then g.good, g.bad = math.floor(g.good / 2), math.floor(g.bad / 2) end
    return health == '0' and g.open ~= nil
end

-- `landed` leases ended; `back` of them had sent nothing, which gives their share of the quota back.
function gate.write(g)
    if g.landed > 0 then
        local fly = call('HINCRBY', g.key, 'fly', -g.landed)
        if fly <= 0 then call('HDEL', g.key, 'fly') end
    end
    if g.back > 0 then
        for i, w in ipairs(WINDOWS) do
            local window = math.floor((g.now + w[3]) / w[2])
            local used = window_count(g.windows[i], window)
            if used > 0 then
                call('HSET', g.key, w[1], fmt(window) .. ':' .. fmt(math.max(0, used - g.back)))
            end
        end
    end
    if not g.dirty then return end
    call('HSET', g.key, 'run', fmt(g.run), 'good', fmt(g.good), 'bad', fmt(g.bad), 'hold', fmt(g.hold),
        'wait', fmt(g.wait), 'probe', g.probe)
    if g.open then
        call('HSET', g.key, 'open', fmt(g.open))
    else
        call('HDEL', g.key, 'open')
    end
end
