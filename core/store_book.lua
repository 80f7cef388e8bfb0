-- A channel's book: notes and counts that belong to no single document, as the ids of pictures at a
-- carrier, or how much of a day's quota is spent. A part of the library that core/store.lua begins.
--   {R}:book:CHANNEL:NAME  string, a note; or of a count: "DAY NUMBER", the day in Asia/Shanghai

local SHANGHAI_MS, DAY_MS = 8 * 3600000, 86400000

-- KEYS: meta, then S counts, P notes to put, and the notes to get. ARGV: epoch, S, P, for each count
-- amount and limit, for each note to put value, ms ("" = for good) and how: "set", "new" (only where
-- there is none) or "del".
-- All or nothing: none is written where a count would pass its limit, or something new is there.
-- Reply: {"ok", "1" if written, TIME ms, ms of the next day, counts..., notes...}; a note that is not
-- there is nil at its place, "" could be one.
local function gk_book(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local n_spend, n_put = tonumber(argv[2]), tonumber(argv[3])
    local day = math.floor((s.now + SHANGHAI_MS) / DAY_MS)
    local at, counts, written = 4, {}, true
    for i = 1, n_spend do
        if not is_type(keys[1 + i], 'string') then return { 'type' } end
        local of, count = string.match(call('GET', keys[1 + i]) or '', '^(%d+) (%d+)$')
        counts[i] = tonumber(of) == day and tonumber(count) or 0
        if counts[i] + tonumber(argv[at]) > tonumber(argv[at + 1]) then written = false end
        at = at + 2
    end
    for i = 1, n_put do
        local key = keys[1 + n_spend + i]
        if not is_type(key, 'string') then return { 'type' } end
        if argv[at + 3 * i - 1] == 'new' and call('EXISTS', key) == 1 then written = false end
    end
    local reply = { 'ok', written and '1' or '0', fmt(s.now), fmt((day + 1) * DAY_MS - SHANGHAI_MS) }
    for i = 1, n_spend do
        if written then
            counts[i] = counts[i] + tonumber(argv[2 + 2 * i])
            call('SET', keys[1 + i], fmt(day) .. ' ' .. fmt(counts[i]), 'PX', fmt(2 * DAY_MS))
        end
        reply[#reply + 1] = fmt(counts[i])
    end
    for i = 1, written and n_put or 0 do
        local key, value, ms, how = keys[1 + n_spend + i], argv[at + 3 * i - 3], argv[at + 3 * i - 2], argv[at + 3 * i - 1]
        if how == 'del' then
            call('DEL', key)
        elseif ms == '' then
            call('SET', key, value)
        else
            call('SET', key, value, 'PX', ms)
        end
    end
    for i = 2 + n_spend + n_put, #keys do
        reply[#reply + 1] = is_type(keys[i], 'string') and call('GET', keys[i]) or false
    end
    return reply
end

-- The carrier told something of a document: the channel looks at once, instead of when it had planned to.
-- One that somebody is at work on is left alone [1].
-- KEYS: meta log doc due. ARGV: epoch, channel. Reply: {"ok"} or {"none"}.
local function gk_wake(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local log = log_new()
    local refusal, d, c, due, document = one_channel(keys, argv[2])
    if refusal then return refusal end
    local score = due_score(due, keys[4], document)
    if not score or score % 2 == 1 or (c.n or 0) > 0 or not c.b then return { 'none' } end
    c.b = nil
    advance(d, s.now, log, document)
    due_place(due, keys[4], d, argv[2], c, false, s.now, log, document)
    local writes = { keys[3], pack_doc(d) }
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    mset(writes)
    due_write(due)
    return { 'ok' }
end

register('gk1_book', gk_book, { 'allow-oom' })
register('gk1_wake', gk_wake, { 'allow-oom' })
