-- When a channel wants attention for a document; the log, and the due sets in a call. A part of the library
-- that core/store.lua begins.

-- Log ------------------------------------------------------------------------------------------

local function log_new() return { n = 0 } end

-- state document revision level event channel attempt code reference url sentence extra
local function log_add(log, state, document, r, channel, attempt, code, ref, url, sentence, extra)
    log.n = log.n + 1
    log[log.n] = state .. '\t' .. document .. '\t' .. fmt(r and r[REV] or 0) .. '\t' ..
        fmt(r and r[LVL] or 0) .. '\t' .. (r and r[ULID] or '') .. '\t' .. (channel or '') .. '\t' ..
        (attempt and fmt(attempt) or '') .. '\t' .. (code or '') .. '\t' .. clean(ref) .. '\t' ..
        clean(url) .. '\t' .. clean(sentence) .. '\t' .. clean(extra)
end

local function log_write(log, meta, key, epoch, n, now)
    if log.n > 0 then
        call('XADD', key, '*', 'e', epoch, 'n', fmt(n + 1), 't', fmt(now),
            'r', table.concat(log, '\n', 1, log.n))
        call('HSET', meta, 'n', fmt(n + log.n), 'seen', fmt(now))
    end
    return n + log.n
end

-- The one placing function [4] -------------------------------------------------------------------

local function shows(c, r) return c.s == r[REV] and c.l == r[LVL] end
local function is_dead(c, r) return c.e == r[REV] and c.v == r[LVL] end

-- Record r becomes what is to be shown. What a channel had not shown yet of the one before is
-- superseded there, unless somebody is at work on it (`leased`, where known): the settle says what
-- became of that. Patience and memo were for the one before, and so was a repair [22].
local function succeed(d, r, log, document, leased)
    local before = d.C
    d.C = r
    if not before then return end
    for i = 1, #d.c, 2 do
        local name, c = d.c[i], state_at(d.c, i + 1)
        if before[LVL] == 0 and before[KIND] ~= 'N' and r[KIND] ~= 'X' and not (leased and leased[name])
            and not shows(c, before) and not is_dead(c, before) then
            log_add(log, 'superseded', document, before, name, c.n or 0, 'overtaken')
        end
        if c.m then c.M = true end
        c.n, c.b, c.m, c.g = nil, nil, nil, c.G
    end
end

local function waits(r) return r[WAIT] == 1 end

-- The first of the pending revisions that waits for nothing but its time, if that has come (or any time).
local function first_ripe(pending, now)
    for _, r in ipairs(pending) do
        if not waits(r) and (not now or r[AT] <= now) then return r end
    end
end

-- Moves what has come due: an embargoed revision becomes the one to be shown, a shown one expires
-- [3, 5].
local function advance(d, now, log, document)
    while d.P and d.P[1] and d.P[1][AT] <= now do
        if waits(d.P[1]) then
            -- Its attachments are not here: one after it goes first, and then it never comes.
            if not first_ripe(d.P, now) then break end
            log_add(log, 'superseded', document, table.remove(d.P, 1), nil, nil, 'attachments')
        else
            local r = table.remove(d.P, 1)
            r[WAIT], r[SINCE], r[UNTIL] = 0, now, r[UNTIL] or 0
            succeed(d, r, log, document)
        end
    end
    local cur = d.C
    if cur and cur[LVL] == 0 and cur[EXP] > 0 and cur[EXP] <= now then
        local x = {}
        whole_current(d)
        for i = 1, SUM do x[i] = cur[i] end
        x[LVL], x[KIND], x[EXP], x[CLASS] = 1, 'X', 0, 0
        succeed(d, x, log, document)
    end
end

-- Somebody found that what was shown is not there, or not right: generation G is wanted, g was put back
-- last. A settle clears only what its load saw [22].
local function put_back_owed(c) return (c.G or 0) > (c.g or 0) end

-- Whether the display is over on this channel, which has to take the document down or to mark it.
local function is_over(c, r, now)
    return c.w and r[LVL] == 0 and type(r[UNTIL]) == 'number' and r[UNTIL] > 0 and r[UNTIL] <= now
end

-- Whether the channel has something to do for the document now.
local function work(d, name, c, now, log, document)
    local cur = d.C
    if not cur or cur[KIND] == 'N' then return false end
    if is_dead(c, cur) then return false end
    if c.d then return true end
    if is_over(c, cur, now) then
        if c.E == cur[REV] then return put_back_owed(c) end
        if c.w == 'mark' or c.T then return true end
        c.E = cur[REV] -- it was never shown here, and is not shown any more
        log_add(log, 'ended', document, cur, name, 0, 'untouched')
        return false
    end
    if shows(c, cur) then return put_back_owed(c) end
    if cur[LVL] > 0 and not c.T then
        -- Nothing was ever sent: gone without touching the carrier [2].
        c.s, c.l = cur[REV], cur[LVL]
        log_add(log, cur[KIND] == 'X' and 'ended' or 'withdrawn', document, cur, name, 0, 'untouched')
        return false
    end
    return true
end

-- `after` is looked at, not waited for: ready when the other shows the same, or has no part [10]. Else
-- false, and when it goes without the other, if it may.
local function ready(d, name, c, now, log, document)
    local cur, other = d.C, c.a and state_of(d, c.a)
    if not other or cur[LVL] > 0 then return true end
    if shows(other, cur) or other.E == cur[REV] then return true end
    if c.o then
        local at = (cur[SINCE] or cur[ACC]) + c.o
        return at <= now, at
    end
    if is_dead(other, cur) then
        c.e, c.v, c.y, c.z = cur[REV], cur[LVL], 'after/dead', c.a
        log_add(log, 'dead', document, cur, name, c.n or 0, 'after/dead', nil, nil, c.a)
    end
    return false
end

-- Whether there is something to do for the channel now, and whether a second look is owed, now or
-- later. A newer revision does not cancel the look, but what it would show may have to wait: the third
-- says until when at most.
local function wants(d, name, c, now, log, document)
    local todo = work(d, name, c, now, log, document)
    if not todo and not c.k then return false, false end
    if not shows(c, d.C) then
        local go, at = ready(d, name, c, now, log, document)
        if not go then return false, false, at end
    end
    return todo, c.k ~= nil and not is_dead(c, d.C)
end

-- When this channel wants attention for the document: a score, or false for never. nil: somebody
-- holds a lease, which nobody else may touch [1]. The document has been through advance().
local function place(d, name, c, score, own, now, log, document)
    if score and score % 2 == 1 and not own then return nil end
    local t, class, deadline
    local cur = d.C
    local todo, look, later = wants(d, name, c, now, log, document)
    if todo then
        t, class, deadline = math.max(now, c.b or 0), cur[CLASS], cur[DEADLINE]
    elseif later then
        t, class, deadline = later, cur[CLASS], cur[DEADLINE]
    end
    if look then
        local at = math.max(now, c.k, c.b or 0)
        if not t or at < t then t, class = at, cur[CLASS] end
    end
    local p = d.P and first_ripe(d.P)
    if p and (not t or p[AT] < t) then t, class, deadline = p[AT], p[CLASS], p[DEADLINE] end
    if cur and cur[LVL] == 0 and cur[EXP] > 0 and (not t or cur[EXP] < t) then
        t, class = cur[EXP], 0
    end
    local over = cur and cur[LVL] == 0 and c.w and cur[UNTIL]
    if type(over) == 'number' and over > now and (not t or over < t) then t, class = over, cur[CLASS] end
    if not t then return false end
    if t <= now then return ready_score(now, class, deadline) end
    return time_score(t, class)
end

-- The due sets in a call: the scores that were found, and the changes, written at the end in few
-- commands.
local function due_new() return { known = {}, set = {}, keys = {} } end

local function due_read(due, key, documents)
    local scores = call('ZMSCORE', key, unpack(documents))
    local map = {}
    due.known[key] = map
    for i, document in ipairs(documents) do
        map[document] = scores[i] and tonumber(scores[i]) or nil
    end
end

local function due_score(due, key, document) -- as this call leaves it so far; nil: not due
    local map = due.set[key]
    local score = map and map[document]
    if score == nil and due.known[key] then score = due.known[key][document] end
    return score or nil
end

local function due_change(due, key, document, score)
    local map = due.set[key]
    if not map then
        map = {}
        due.set[key] = map
        due.keys[#due.keys + 1] = key
    end
    map[document] = score
end

local function due_place(due, key, d, name, c, own, now, log, document)
    local score = due_score(due, key, document)
    local new = place(d, name, c, score, own, now, log, document)
    if new == nil or (new == false and not score) then return end
    due_change(due, key, document, new)
    return new
end

-- Channels that wait for others, after these: placing one may show that it needs nothing, or is dead, and
-- then those behind it need not wait. As often as there may be one behind another. `waiting` as d.c.
local function place_waiting(due, keys, d, waiting, now, log, document)
    for _ = 1, #waiting, 2 do
        for i = 1, #waiting, 2 do
            due_place(due, keys[waiting[i]], d, waiting[i], state_at(waiting, i + 1), false, now, log, document)
        end
    end
end

local function due_write(due)
    for _, key in ipairs(due.keys) do
        local add, gone, n = {}, {}, 0
        for document, score in pairs(due.set[key]) do
            if score then
                add[n + 1], add[n + 2], n = fmt(score), document, n + 2
            else
                gone[#gone + 1] = document
            end
        end
        for i = 1, n, 2000 do call('ZADD', key, unpack(add, i, math.min(i + 1999, n))) end
        for i = 1, #gone, 2000 do call('ZREM', key, unpack(gone, i, math.min(i + 1999, #gone))) end
    end
end

local function is_type(key, wanted)
    local t = call('TYPE', key).ok
    return t == 'none' or t == wanted
end

-- Many values at once; false where there is none, or a key of another type (MGET does not raise).
local function mget(keys, first)
    local values = {}
    for i = first, #keys, 2000 do
        local some = call('MGET', unpack(keys, i, math.min(i + 1999, #keys)))
        for k = 1, #some do values[#values + 1] = some[k] end
    end
    return values
end

local function mset(pairs_list)
    for i = 1, #pairs_list, 2000 do
        call('MSET', unpack(pairs_list, i, math.min(i + 1999, #pairs_list)))
    end
end

-- Common to accept, release and settle: the state of this region's store.
local function open(meta, epoch)
    local now = now_ms()
    local m = call('HMGET', meta, 'epoch', 'n', 'seen')
    if not m[1] or m[1] ~= epoch then return nil, 'epoch' end
    local seen = tonumber(m[3] or 0)
    if now + 60000 < seen then return nil, 'clock' end
    return { now = now, epoch = epoch, n = tonumber(m[2] or 0) }
end
