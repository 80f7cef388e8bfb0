#!lua name=gongkai1
-- The document queue. docs/queue.md gives every rule with the failure that it closes; the numbers
-- in brackets below, [n], are the rules there.
--
-- All keys of a region share its code as hash tag, so one call touches one cluster slot:
--   {R}:meta        hash   epoch, n (number of the last log record), seen (greatest TIME)
--   {R}:log         stream one entry per call: e epoch, n first number, r records by line
--   {R}:ctl         hash   stop, pause:CHANNEL -> who and why
--   {R}:held        hash   ULID -> packed {evid, document, ms, reasons}
--   {R}:ev:EVID     string "1" digest(32 raw) header: the identity and its first answer; EVID = source,
--                   blank, id
--   {R}:body:ULID   string the event's bytes. publisherd writes them itself, by MSET in one MULTI with
--                   its gk1_accept: Lua copies and hashes every byte of every word it is handed, which
--                   made a quarter of the cost of an accept; what is not accepted is deleted here
--   {R}:doc:DOC     string packed document, see below
--   {R}:same:N      hash   digest of a content -> document, for the Nth stretch of the length of the dedup
--                   window; two are looked at. One hash, because a key of its own with a time to live
--                   for each content cost an accept a tenth
--   {R}:due:CHANNEL zset   document -> when it wants attention, or its lease
--   {R}:lease:CHANNEL string the last lease handed out
--
-- A Function has no rollback: everything is looked at first, then written, and what makes a repeat
-- of the same event a duplicate is written last.
--
-- The document (cmsgpack; absent means nothing, zero or no):
--   o owner source   t {source = greatest time seen}       C revision to be shown now
--   P embargoed revisions by publish_at, ranks rising      c {channel = state}
--   g greatest number an emitter gave to what is shown already (a duplicate by content)
--   h held event {ULID, digest, revision, evid, time, source, 1 when its attachments have come}
-- A revision record is an array:
local REV, LVL, ULID, EVID, DG, AT, EXP, CLASS, DEADLINE, ACC, KIND = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
local SUM, WAIT, SINCE, UNTIL = 12, 13, 14, 15
--   (REV, LVL) is the rank: LVL 0 is shown, 1 and more is withdrawn or expired (a second withdrawal,
--   say erase after mark, is one higher). KIND P publish, N publish that no channel may show, W withdraw,
--   X expired. SUM is the caller's, over the event's bytes. Only where needed: WAIT 1 while attachments are fetched; SINCE when it came to be shown, if
--   later than ACC; UNTIL the end of its display: ms, or "d7" "w7" days from the first showing.
-- A channel's state:
--   s, l rank shown (absent: none)  r reference  u url   f first shown  n attempts   b not before
--   d in doubt since                m memo               q last lease settled
--   x lease that was handed out after a passed one, and this is noted
--   k second look owed from then on, 0 while somebody has it in hand
--   j references of stale settles that the holder did not know of when it loaded ("" without one)
--   e, v rank that is dead          p times found with a passed lease   z sentence of the last trouble
--   y its code                      T something may have been sent      a the channel to wait for
--   G generation of put-back wanted g the one put back last
--   o ms to wait for channel a at most (none: for ever)    w what the end of display asks: remove or mark
--   E revision whose display has ended here
--   M a revision was overtaken that had a memo: something of it may have been sent

local SPLIT = 1e12        -- below: ready, ordered by class, legal slack and age; above: times
local CLASS_SPAN = 3e11
local EPOCH_2020 = 1577836800000
local POISON = 5

local gate = {} -- its functions are in core/store_gate.lua

-- Whole numbers as text; the few that come again and again in a call are not made twice.
local written, n_written = {}, 0
local function fmt(x)
    local text = written[x]
    if not text then
        text = string.format('%.0f', x)
        if n_written >= 1000 then written, n_written = {}, 0 end
        written[x], n_written = text, n_written + 1
    end
    return text
end

local function now_ms()
    local t = redis.call('TIME') -- TIME is not frozen in a Function: once per call
    return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

-- Scores are numbers of ms, rounded up to 8; bits 1 and 2 carry the class, bit 0 says leased. Leases
-- are rounded up to 16; bit 3 says that the lease before passed, so that no holder can forget it.
local function time_score(ms, class) return math.ceil(ms / 8) * 8 + class * 2 end

local last_now, last_class, last_deadline, last_score -- the events of a batch are much alike
local function ready_score(now, class, deadline)
    if now == last_now and class == last_class and deadline == last_deadline then return last_score end
    local day = 19999 -- the last one of the class: 20000 would be the first of the next
    if deadline and deadline > 0 then
        day = math.max(0, math.min(19998, math.floor((deadline - EPOCH_2020) / 86400000)))
    end
    last_now, last_class, last_deadline = now, class, deadline
    last_score = class * CLASS_SPAN + day * 1.5e7 + 2 * math.floor((now - EPOCH_2020) / 240000)
    return last_score
end

-- The leases that a worker holds, or has held: so it finds its own again. `adds` as for ZADD.
local function mine_add(key, adds, now)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', fmt(now))
    redis.call('ZADD', key, unpack(adds))
    redis.call('PEXPIRE', key, '86400000')
end

local function lease_after_passed(lease) return math.floor(lease / 8) % 2 == 1 end

local function class_of_score(score)
    if score < SPLIT then return math.floor(score / CLASS_SPAN) end
    return math.floor(score % 8 / 2)
end

local function higher(a, b) -- rank of record a above record b
    return a[REV] > b[REV] or (a[REV] == b[REV] and a[LVL] > b[LVL])
end

local function top(d) -- the newest accepted revision [3]
    local p = d.P
    if p and #p > 0 then return p[#p] end
    return d.C
end

local function clean(text)
    if not text or text == '' then return '' end
    return (string.gsub(text, '%c', ' '))
end

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
        redis.call('XADD', key, '*', 'e', epoch, 'n', fmt(n + 1), 't', fmt(now),
            'r', table.concat(log, '\n', 1, log.n))
        redis.call('HSET', meta, 'n', fmt(n + log.n), 'seen', fmt(now))
    end
    return n + log.n
end

-- The one placing function [4] -------------------------------------------------------------------

local function shows(c, r) return c.s == r[REV] and c.l == r[LVL] end
local function is_dead(c, r) return c.e == r[REV] and c.v == r[LVL] end

-- Record r becomes what is to be shown. What a channel had not shown yet of the one before is
-- superseded there, unless somebody is at work on it (`leased`, where known): the settle says what
-- became of that. Patience and memo were for the one before.
local function succeed(d, r, log, document, leased)
    local before = d.C
    d.C = r
    if not before then return end
    for name, c in pairs(d.c) do
        if before[LVL] == 0 and before[KIND] ~= 'N' and r[KIND] ~= 'X' and not (leased and leased[name])
            and not shows(c, before) and not is_dead(c, before) then
            log_add(log, 'superseded', document, before, name, c.n or 0, 'overtaken')
        end
        if c.m then c.M = true end
        c.n, c.b, c.m = nil, nil, nil
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
    local cur, other = d.C, c.a and d.c[c.a]
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

-- Documents read in a call, by key; every event of a batch sees what the earlier ones did [8].
local function unpack_doc(value)
    if not value then return nil end
    local ok, d = pcall(cmsgpack.unpack, value)
    if not ok or type(d) ~= 'table' or not d.c then return false end
    return d
end

-- The due sets in a call: the scores that were found, and the changes, written at the end in few
-- commands.
local function due_new() return { known = {}, set = {}, keys = {} } end

local function due_read(due, key, documents)
    local scores = redis.call('ZMSCORE', key, unpack(documents))
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
-- then those behind it need not wait. As often as there may be one behind another.
local function place_waiting(due, keys, d, waiting, now, log, document)
    for _ in pairs(waiting) do
        for name, c in pairs(waiting) do due_place(due, keys[name], d, name, c, false, now, log, document) end
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
        for i = 1, n, 2000 do redis.call('ZADD', key, unpack(add, i, math.min(i + 1999, n))) end
        for i = 1, #gone, 2000 do redis.call('ZREM', key, unpack(gone, i, math.min(i + 1999, #gone))) end
    end
end

local function is_type(key, wanted)
    local t = redis.call('TYPE', key).ok
    return t == 'none' or t == wanted
end

-- Many values at once; false where there is none, or a key of another type (MGET does not raise).
local function mget(keys, first)
    local values = {}
    for i = first, #keys, 2000 do
        local some = redis.call('MGET', unpack(keys, i, math.min(i + 1999, #keys)))
        for k = 1, #some do values[#values + 1] = some[k] end
    end
    return values
end

local function mset(pairs_list)
    for i = 1, #pairs_list, 2000 do
        redis.call('MSET', unpack(pairs_list, i, math.min(i + 1999, #pairs_list)))
    end
end

-- Common to accept, release and settle: the state of this region's store.
local function open(meta, epoch)
    local now = now_ms()
    local m = redis.call('HMGET', meta, 'epoch', 'n', 'seen')
    if not m[1] or m[1] ~= epoch then return nil, 'epoch' end
    local seen = tonumber(m[3] or 0)
    if now + 60000 < seen then return nil, 'clock' end
    return { now = now, epoch = epoch, n = tonumber(m[2] or 0) }
end

-- Accept -----------------------------------------------------------------------------------------

local function may_revise(may, owner)
    if may == '*' then return true end
    for source in string.gmatch(may, '%S+') do
        if source == owner then return true end
    end
    return false
end

-- What the event is to the document: a status, and for an accepted one its rank.
local function judge(d, e, now, window)
    local newest = top(d)
    local greatest = d.t and d.t[e.source]

    if d.o and d.o ~= e.source and not may_revise(e.may, d.o) then return 'not_owner', d.o end
    -- All that came after it would be stale. A clock that is a little ahead happens.
    if e.time > now + 86400000 then return 'ahead' end
    -- The rank to be beaten. A duplicate by content may have had a higher number than what it equals.
    local number, level = 0, 0
    if newest then number, level = newest[REV], newest[LVL] end
    if d.g and d.g > number then number = d.g end

    if newest and newest[DG] == e.digest and newest[KIND] == e.kind then return 'same', newest end
    if e.revision == 0 or (newest and newest[REV] == 0) then
        -- Time orders what carries no number, and everything against a withdrawal that came first [7].
        if e.revision == 0 and not e.backfill and now - e.time > window then return 'too_old' end
        if greatest and e.time < greatest then return 'stale' end
        if greatest and e.time == greatest and e.kind ~= 'W' and newest and newest[KIND] == 'W' then
            return 'stale'
        end
    end
    if e.revision == 0 then
        -- A withdrawal takes the newest one's number and uses up none [6].
        if e.kind == 'W' then return 'accepted', number, level + 1 end
        return 'accepted', number + 1, 0
    end
    if e.revision > number or not newest then
        return 'accepted', e.revision, e.kind == 'W' and 1 or 0
    end
    if e.revision < number then return 'stale' end
    if e.kind ~= 'W' then return level > 0 and 'stale' or 'conflict_revision' end
    -- A withdrawal wins the tie with what is shown or expired; with another withdrawal the later one
    -- does (erase after mark, and not the mark again after the erase).
    if newest[KIND] == 'W' and greatest and e.time <= greatest then return 'stale' end
    return 'accepted', number, level + 1
end

-- What channels have, or were given, cannot become something that no channel shows: they would go on
-- with the revision before. It takes a withdrawal to take that down.
local function is_shut_out(d, e) return e.kind == 'N' and next(d.c) ~= nil end

-- A duplicate by content is not entered, but what it tells of order must not be forgotten: A, B, A
-- resent in another order ends with A. Whether the document changed.
local function heed(d, e)
    local changed = false
    d.t = d.t or {}
    if e.time > (d.t[e.source] or 0) then d.t[e.source], changed = e.time, true end
    local newest = top(d)
    if e.revision > newest[REV] and e.revision > (d.g or 0) then d.g, changed = e.revision, true end
    return changed
end

-- Whether the event is newer than the one that is held: by the emitter's numbers, else by its time;
-- events of two sources go by arrival.
local function newer_than_held(e, held)
    if e.revision > 0 and held[3] > 0 then return e.revision >= held[3] end
    if e.source == held[6] then return e.time >= held[5] end
    return true
end

local function channel_names(list)
    local names = {}
    for name in string.gmatch(list, '[^,]+') do names[#names + 1] = name end
    return names
end

local function joined(names)
    table.sort(names)
    return table.concat(names, ',')
end

-- "portal,wechat<portal:600000!remove" -> {name, channel to wait for, ms at most, what to do at the end of
-- display} each, nil where it says nothing; most events of a batch share it.
local function channel_specs(list, seen)
    local specs = seen[list]
    if not specs then
        local names = {}
        specs = {}
        for _, spec in ipairs(channel_names(list)) do
            local name, after, most, over = string.match(spec, '^([^<!]+)<?([^:!]*):?(%d*)!?(%a*)$')
            if not name then name, after, most, over = spec, '', '', '' end
            specs[#specs + 1] = { name, after ~= '' and after or nil, tonumber(most), over ~= '' and over or nil }
            names[#names + 1] = name
        end
        specs.joined = joined(names)
        seen[list] = specs
    end
    return specs
end

local function joined_channels(d)
    local names = {}
    for name in pairs(d.c) do names[#names + 1] = name end
    return joined(names)
end

local function ev_value(e, status, r, channels, now, document)
    return '1' .. e.digest .. status .. '\t' .. e.ulid .. '\t' .. fmt(r[REV]) .. '\t' .. fmt(r[LVL]) ..
        '\t' .. fmt(now) .. '\t' .. channels .. '\t' .. e.due .. '\t' .. document
end

-- The header of a stored event: status ulid revision level accepted channels due document.
local function ev_header(value)
    local fields = {}
    for field in string.gmatch(string.sub(value, 34) .. '\t', '([^\t]*)\t') do
        fields[#fields + 1] = field
    end
    return string.sub(value, 2, 33), fields
end

-- Puts an accepted event into its document: embargo list, current revision, channels, due entries.
-- `extra` is the accepted record's; that record stands before all that follows from it.
local function enter(s, d, e, rev, lvl, document, extra)
    local now = s.now
    local embargo = e.kind == 'P' and e.at > now and e.at or 0 -- what is not shown need not wait
    local r = { rev, lvl, e.ulid, e.evid, e.digest, embargo, e.expires, e.kind == 'W' and 0 or e.class,
        e.deadline, now, e.kind, e.sum }

    log_add(s.log, 'accepted', document, r, nil, nil, e.kind, nil, nil, nil, extra)
    if e.kind ~= 'W' then d.o = d.o or e.source end -- who publishes first owns it, who withdraws does not
    d.t = d.t or {}
    d.t[e.source] = math.max(d.t[e.source] or 0, e.time)
    d.g = nil -- the rank given is above it
    if d.h and newer_than_held(e, d.h) then
        -- A newer one came while a person was to look at that one.
        s.unheld[#s.unheld + 1] = d.h[1]
        log_add(s.log, 'superseded', document, { d.h[3], 0, d.h[1] }, nil, nil, 'held')
        d.h = nil
    end
    if e.pending or e.over ~= '' then
        r[WAIT], r[SINCE] = e.pending and 1 or 0, now
        r[UNTIL] = tonumber(e.over) or (e.over ~= '' and e.over) or 0
    end
    if d.P then
        while #d.P > 0 and d.P[#d.P][AT] >= embargo do
            local gone = table.remove(d.P)
            log_add(s.log, 'superseded', document, gone, nil, nil, 'embargo')
        end
    end
    if embargo > 0 or e.pending then
        d.P = d.P or {}
        d.P[#d.P + 1] = r
        if e.pending then s.fetch[#s.fetch + 1], s.fetch[#s.fetch + 2] = e.ulid, document .. '\t' .. e.evid end
    else
        local leased = {}
        for name in pairs(d.c) do
            local score = due_score(s.due, s.due_key[name], document)
            leased[name] = score and score % 2 == 1
        end
        succeed(d, r, s.log, document, leased)
    end
    advance(d, now, s.log, document)
    local channels = d.c
    for i = 1, #e.channels do
        local spec = e.channels[i]
        local c = channels[spec[1]]
        if not c then
            c = {}
            channels[spec[1]] = c
        end
        c.a, c.o, c.w = spec[2], spec[3], spec[4]
    end
    local alike, waiting -- channels without any state of their own get the same score
    for name, c in pairs(channels) do
        if c.a then
            waiting = waiting or {}
            waiting[name] = c
        elseif alike and next(c) == nil and not s.due.known[s.due_key[name]] then
            due_change(s.due, s.due_key[name], document, alike)
        else
            local untouched = next(c) == nil
            local score = due_place(s.due, s.due_key[name], d, name, c, false, now, s.log, document)
            if untouched and next(c) == nil then alike = score end
        end
    end
    if waiting then place_waiting(s.due, s.due_key, d, waiting, now, s.log, document) end
    return r
end

-- A channel, of the document or of the event, that cannot take part: its due key was not given
-- ("again", nothing is written), or is of another type ("broken").
local function lacks_channel(s, d, specs)
    local why, which
    for name in pairs(d.c) do
        if not s.due_key[name] then return 'again', name end
        if s.spoilt[name] then why, which = 'broken', name end
    end
    for i = 1, #specs do
        local name = specs[i][1]
        if not s.due_key[name] then return 'again', name end
        if s.spoilt[name] then why, which = 'broken', name end
    end
    return why, which
end

-- What accept and release know of the region beside what open() said.
local function prepare(s, names, keys, at)
    s.due_key, s.spoilt, s.log, s.due, s.unheld, s.fetch = {}, {}, log_new(), due_new(), {}, {}
    for i, name in ipairs(names) do
        if not is_type(keys[at + i], 'zset') then s.spoilt[name] = true end
        s.due_key[name] = keys[at + i]
    end
end

-- The values of the events' keys, and which of these keys are of a wrong type: MGET answers nil for
-- them, and writing would destroy them.
local function accept_read(wanted)
    local found, absent, wrong = redis.call('MGET', unpack(wanted)), {}, {}
    for i = 1, #wanted do
        if not found[i] then absent[#absent + 1] = wanted[i] end
    end
    if #absent > 0 and redis.call('EXISTS', unpack(absent)) > 0 then
        for _, key in ipairs(absent) do
            if redis.call('EXISTS', key) == 1 then wrong[key] = true end
        end
    end
    return found, wrong
end

-- The documents of a batch by key (false: spoilt), and their scores where they are known already.
local function accept_documents(s, wanted, found, at_doc)
    local docs, listed = {}, {}
    for i = 2, #wanted, 2 do
        local key = wanted[i]
        if found[i] and docs[key] == nil then
            local d = unpack_doc(found[i])
            docs[key] = d
            for name in pairs(d and d.c or {}) do
                local due = s.due_key[name]
                if due and not s.spoilt[name] then
                    listed[due] = listed[due] or {}
                    table.insert(listed[due], string.sub(key, at_doc))
                end
            end
        end
    end
    for due, documents in pairs(listed) do due_read(s.due, due, documents) end
    return docs
end

-- The event waits for a person. Its status: held, or stale where a newer one is held.
local function hold_event(s, d, e, document, reasons, specs, held)
    if d.h and d.h[2] == e.digest then return 'held', d.h[1] end
    if d.h and not newer_than_held(e, d.h) then return 'stale', d.h[1] end
    if held then
        if d.h then
            s.unheld[#s.unheld + 1] = d.h[1]
            log_add(s.log, 'superseded', document, { d.h[3], 0, d.h[1] }, nil, nil, 'held')
        end
        if e.kind ~= 'W' then d.o = d.o or e.source end
        d.h = { e.ulid, e.digest, e.revision, e.evid, e.time, e.source }
        held[#held + 1] = e.ulid
        held[#held + 1] = cmsgpack.pack({ e.evid, document, s.now, reasons, specs,
            e.kind, e.source, e.time, e.revision, e.at, e.expires, e.class, e.deadline, e.pending or false, e.over, e.sum })
        if e.pending then s.fetch[#s.fetch + 1], s.fetch[#s.fetch + 2] = e.ulid, document .. '\t' .. e.evid end
        log_add(s.log, 'held', document, { e.revision, 0, e.ulid }, nil, nil, reasons, nil, nil, nil,
            e.extra .. ' ' .. e.evid)
    end
    return 'held'
end

local FIELDS = 19

-- KEYS: meta log held, same of now, same of before, then C due keys, then ev doc per event.
-- ARGV: epoch, C, names of the C channels by comma, dedup window ms, then FIELDS per event:
--   kind ulid source time revision digest(raw) publish_at expires class deadline
--   flags(h hold, s hold when same content, d dry run, b backfill, f attachments are yet to be fetched)
--   may channels extra due reasons, digest of what is public in it, whatever document it stands in(raw),
--   end of display ("", ms, or "d7" "w7": days, working days after the first showing), a sum over the bytes
-- The bodies of the events stand in {R}:body:ULID already; those that are not kept go.
-- Reply: {status of the call, epoch, n, answer per event}; answer = status, ulid, revision,
-- channels, due, n, extra by tab.
local function gk_accept(keys, argv)
    local s, why = open(keys[1], argv[1])
    local prefix = string.sub(keys[1], 1, -5)
    if s and not (is_type(keys[2], 'stream') and is_type(keys[3], 'hash') and is_type(keys[4], 'hash')
            and is_type(keys[5], 'hash') and is_type(prefix .. 'fetch', 'hash')) then
        s, why = nil, 'type'
    end
    if not s then
        for i = 6, #argv, FIELDS do redis.call('UNLINK', prefix .. 'body:' .. argv[i]) end
        return { why }
    end
    local n_due, window = tonumber(argv[2]), tonumber(argv[4])
    local first = 5 + n_due
    local n_events = (#argv - 4) / FIELDS
    local at_ev, at_doc = #prefix + 4, #prefix + 5

    prepare(s, channel_names(argv[3]), keys, 5)
    local wanted, contents = {}, {}
    for i = 1, 2 * n_events do wanted[i] = keys[first + i] end
    for i = 1, n_events do contents[i] = argv[2 + FIELDS * i] end
    local found, wrong = accept_read(wanted)
    local same_now = redis.call('HMGET', keys[4], unpack(contents))
    local same_before = redis.call('HMGET', keys[5], unpack(contents))
    local docs = accept_documents(s, wanted, found, at_doc)

    -- What the batch has done so far, so that each event sees what the earlier ones did [8].
    local evs, same, blocked, dirty = {}, {}, {}, {}
    local held, unwanted, specs_seen = {}, {}, {}
    local reply = { 'ok', s.epoch, '' }
    local e = {} -- one table for all events: nothing keeps it
    for i = 1, n_events do
        local a = 4 + FIELDS * (i - 1)
        local ev_key, doc_key = wanted[2 * i - 1], wanted[2 * i]
        local elsewhere = same[contents[i]] or same_now[i] or same_before[i]
        local document = string.sub(doc_key, at_doc)
        local flags = argv[a + 11]
        local dry, hold = false, false
        e.kind, e.ulid, e.source, e.time = argv[a + 1], argv[a + 2], argv[a + 3], tonumber(argv[a + 4])
        e.revision, e.digest, e.at = tonumber(argv[a + 5]), argv[a + 6], tonumber(argv[a + 7])
        e.expires, e.class = tonumber(argv[a + 8]), tonumber(argv[a + 9])
        e.deadline, e.may, e.extra, e.due = tonumber(argv[a + 10]), argv[a + 12], argv[a + 14], argv[a + 15]
        e.channels, e.evid = channel_specs(argv[a + 13], specs_seen), string.sub(ev_key, at_ev)
        e.backfill, e.pending, e.over, e.sum = false, false, argv[a + 18], argv[a + 19]
        if flags ~= '' then
            e.pending = e.kind == 'P' and string.find(flags, 'f', 1, true)
            dry, hold = string.find(flags, 'd', 1, true), string.find(flags, 'h', 1, true)
            e.backfill = string.find(flags, 'b', 1, true)
        end
        local value, kept = evs[ev_key] or found[2 * i - 1], nil
        local d = dirty[doc_key] or docs[doc_key]
        local status, rev, lvl, extra = nil, 0, 0, ''
        local ulid, channels, due = e.ulid, '', e.due

        if wrong[ev_key] or wrong[doc_key] or d == false then
            status = 'broken'
        elseif value then
            local digest, h = ev_header(value)
            if digest ~= e.digest then
                status = 'conflict'
            elseif h[1] == 'held' and not (d and d.h and d.h[1] == h[2]) then
                status = 'stale' -- a newer one came while it was held
            elseif h[1] == 'held' or h[1] == 'refused' then
                status = h[1]
                if elsewhere and elsewhere ~= document and string.find(flags, 's', 1, true) then
                    extra = 'same_content ' .. elsewhere
                end
            else
                status = 'duplicate'
            end
            ulid, rev, channels, due = h[2], tonumber(h[3]), h[6], h[7]
            kept = ulid
        elseif blocked[doc_key] then
            status, extra = 'again', blocked[doc_key]
        else
            local new = not d
            if new then d = { c = {} } end
            status, rev, lvl = judge(d, e, s.now, window)
            if status == 'same' then
                status, ulid, rev, channels = 'duplicate', rev[ULID], rev[REV], joined_channels(d)
                if not dry and heed(d, e) then dirty[doc_key] = d end
            elseif status == 'not_owner' then
                extra, rev = rev, 0
            elseif status ~= 'accepted' then
                local newest = top(d)
                rev, extra = newest and newest[REV] or 0, newest and newest[ULID] or ''
            elseif is_shut_out(d, e) then
                status = 'shown'
            else
                local lacking, name = lacks_channel(s, d, e.channels)
                if lacking then status, extra = lacking, name end
                if lacking == 'again' then blocked[doc_key] = name end
            end
            if status == 'accepted' then
                local other = e.kind ~= 'W' and elsewhere
                local reasons = argv[a + 16]
                if other and other ~= document then
                    extra = 'same_content ' .. other
                    if string.find(flags, 's', 1, true) then
                        hold = true
                        reasons = reasons == '' and 'same_content' or reasons .. ' same_content'
                    end
                elseif e.kind == 'W' and not top(d) then
                    extra = 'unknown_document'
                end
                if hold then
                    local n = s.log.n
                    local holder
                    status, holder = hold_event(s, d, e, document, reasons, argv[a + 13], not dry and held)
                    if status == 'stale' then extra = holder else ulid = holder or ulid end
                    rev = 0
                    if s.log.n > n then
                        value = ev_value(e, 'held', { e.revision, 0 }, e.channels.joined, s.now, document)
                    end
                elseif dry then
                    local all = {}
                    for name in pairs(d.c) do all[name] = true end
                    for _, spec in ipairs(e.channels) do all[spec[1]] = true end
                    channels = joined_channels({ c = all })
                else
                    local r = enter(s, d, e, rev, lvl, document, e.extra .. ' ' .. e.evid)
                    channels = new and e.channels.joined or joined_channels(d)
                    value = ev_value(e, 'accepted', r, channels, s.now, document)
                    if e.kind ~= 'W' and not other then same[contents[i]] = document end
                end
                if value then
                    dirty[doc_key], evs[ev_key] = d, value
                    kept = e.ulid
                end
            end
        end
        if kept ~= e.ulid then unwanted[#unwanted + 1] = prefix .. 'body:' .. e.ulid end
        reply[3 + i] = status .. '\t' .. ulid .. '\t' .. fmt(rev) .. '\t' .. channels .. '\t' .. due ..
            '\t' .. s.n + s.log.n .. '\t' .. extra
    end

    -- Everything is known; from here on only writes, the identities last.
    if #unwanted > 0 then redis.call('UNLINK', unpack(unwanted)) end
    due_write(s.due)
    for i = 1, #s.unheld do redis.call('HDEL', keys[3], s.unheld[i]) end
    if #held > 0 then redis.call('HSET', keys[3], unpack(held)) end
    if #s.fetch > 0 then redis.call('HSET', prefix .. 'fetch', unpack(s.fetch)) end
    local marks, n_marks = {}, 0
    for content, document in pairs(same) do
        marks[n_marks + 1], marks[n_marks + 2], n_marks = content, document, n_marks + 2
    end
    if n_marks > 0 then
        redis.call('HSET', keys[4], unpack(marks))
        redis.call('PEXPIRE', keys[4], fmt(2 * window))
    end
    reply[3] = fmt(log_write(s.log, keys[1], keys[2], s.epoch, s.n, s.now))
    local writes = {}
    local n = 0
    for key, d in pairs(dirty) do
        writes[n + 1], writes[n + 2], n = key, cmsgpack.pack(d), n + 2
    end
    for key, value in pairs(evs) do
        writes[n + 1], writes[n + 2], n = key, value, n + 2
    end
    mset(writes)
    return reply
end

-- Work -------------------------------------------------------------------------------------------

-- KEYS: due lease ctl gate mine. ARGV: channel, how many, lease ms, worker ("" = none; mine is its key),
-- limits (per second, minute, day, of these for the top alone, at once; 0 = none).
-- Reply: {"ok", ms until the next look or -1, document, lease, passed (1: found with a passed lease), ...} or
-- {"paused", why}. Only the due set is touched: documents are read by gk_load. With "stopped" for
-- "ok" only withdrawals are due; a passed lease comes out all the same, and its holder releases what
-- gk_load then calls a publication. "open": the breaker is open; "probe": it is tried with one.
local function gk_take(keys, argv)
    local now = now_ms()
    local ctl = redis.call('HMGET', keys[3], 'stop', 'pause:' .. argv[1])
    if ctl[2] then return { 'paused', ctl[2] } end
    local count = tonumber(argv[2])
    local room = gate.room(keys[4], now, gate.numbers(argv[5]), count)
    local reply = { room.state, fmt(room.soon) }
    if room.top <= 0 then return reply end

    -- What has come of age moves into the ready zone; a passed lease is handed out at once, since
    -- only the score remembers that its holder may have sent something [2].
    local aged = redis.call('ZRANGE', keys[1], fmt(SPLIT), fmt(now), 'BYSCORE', 'LIMIT', 0, count * 4,
        'WITHSCORES')
    local taken, moves, n_top, n_rest, fresh = {}, {}, 0, 0, 0
    local function may(class)
        if n_top + n_rest >= room.top or (class > 1 and n_top + n_rest >= room.all) then return false end
        if class > 1 then n_rest = n_rest + 1 else n_top = n_top + 1 end
        return true
    end
    for i = 1, #aged, 2 do
        local score = tonumber(aged[i + 1])
        local class = class_of_score(score)
        if score % 2 == 1 then
            if may(class) then taken[#taken + 1] = { aged[i], class, '1' } end
        else
            moves[#moves + 1] = fmt(ready_score(now, class, EPOCH_2020))
            moves[#moves + 1] = aged[i]
        end
    end
    if #moves > 0 then redis.call('ZADD', keys[1], unpack(moves)) end
    local function ready(from, below, left)
        if left <= 0 then return end
        if room.state == 'probe' then
            -- Any one, not the first: a document that makes the endpoint fail would keep it shut for all.
            local n = redis.call('ZCOUNT', keys[1], from, '(' .. fmt(below))
            if n == 0 then return end
            local list = redis.call('ZRANGE', keys[1], now % n, now % n, 'WITHSCORES')
            taken[1], fresh, n_top = { list[1], class_of_score(tonumber(list[2])), '0' }, 1, 1
            return
        end
        local list = redis.call('ZRANGE', keys[1], from, '(' .. fmt(below), 'BYSCORE', 'LIMIT', 0, left, 'WITHSCORES')
        for i = 1, #list, 2 do
            local class = class_of_score(tonumber(list[i + 1]))
            if not may(class) then return end
            taken[#taken + 1] = { list[i], class, '0' }
            fresh = fresh + 1
        end
    end
    if ctl[1] then
        ready('-inf', CLASS_SPAN, math.min(room.top - #taken, room.fresh)) -- stopped: withdrawals still go
    else
        ready('-inf', SPLIT, math.min(room.top - #taken, room.fresh))
    end

    if #taken > 0 then
        -- A lease is never handed out twice, also when the clock steps back [13].
        local last = tonumber(redis.call('GET', keys[2]) or 0)
        local lease = math.max(math.ceil((now + tonumber(argv[3])) / 16) * 16, last + 16)
        local adds = {}
        for _, x in ipairs(taken) do
            local value = fmt(lease + (x[3] == '1' and 8 or 0) + x[2] * 2 + 1)
            adds[#adds + 1] = value
            adds[#adds + 1] = x[1]
            reply[#reply + 1] = x[1]
            reply[#reply + 1] = value
            reply[#reply + 1] = x[3]
        end
        if argv[4] ~= '' then mine_add(keys[5], adds, now) end
        redis.call('ZADD', keys[1], unpack(adds))
        redis.call('SET', keys[2], fmt(lease))
    end
    if #taken > 0 or #room.counts > 0 then
        gate.handed(keys[4], room, #taken, fresh, now, taken[1] and taken[1][1])
    end
    if #taken >= count then
        reply[2] = '0'
    else
        -- The next thing that comes of age, the next window of pace or quota; and what others of this
        -- channel have in hand may end at any time.
        local wait = room.soon
        local soon = redis.call('ZRANGE', keys[1], '(' .. fmt(now), '+inf', 'BYSCORE', 'LIMIT', 0, 1,
            'WITHSCORES')
        local function sooner(ms) if wait < 0 or ms < wait then wait = ms end end
        if soon[2] then sooner(tonumber(soon[2]) - now) end
        if fresh >= room.fresh then sooner(500) end
        reply[2] = fmt(wait)
    end
    if ctl[1] then reply[1] = 'stopped' end
    return reply
end

-- A lease that is renewed gets another value. The holder proposes it, so that it knows it also when
-- the reply is lost: what is so already is fine. It clears the bit that says that the lease before had
-- passed, which the holder has noted by now. Values stay unlike for a document, since only its holder
-- proposes, upwards, and the channel's counter goes with it [13].
-- KEYS: due lease mine. ARGV: worker, lease ms, then per document: document old new. Reply: ok or stale per document.
local function gk_renew(keys, argv)
    local now, most, adds, reply = now_ms(), 0, {}, {}
    local latest = now + 2 * tonumber(argv[2]) + 1000
    local documents = {}
    for i = 3, #argv, 3 do documents[#documents + 1] = argv[i] end
    if #documents == 0 then return reply end
    local scores = redis.call('ZMSCORE', keys[1], unpack(documents))
    for i, document in ipairs(documents) do
        local old, new = tonumber(argv[3 * i + 1]), tonumber(argv[3 * i + 2])
        local score = tonumber(scores[i] or 0)
        local sound = old and new and new > old and new % 2 == 1 and not lease_after_passed(new)
            and new % 8 == old % 8 and new <= latest
        if sound and (score == old or score == new) then
            adds[#adds + 1] = fmt(new)
            adds[#adds + 1] = document
            most = math.max(most, math.floor(new / 16) * 16)
            reply[i] = 'ok'
        else
            reply[i] = 'stale'
        end
    end
    if #adds > 0 then
        local last = tonumber(redis.call('GET', keys[2]) or 0)
        if argv[1] ~= '' then mine_add(keys[3], adds, now) end
        redis.call('ZADD', keys[1], unpack(adds))
        if most > last then redis.call('SET', keys[2], fmt(most)) end
    end
    return reply
end

-- The worker that speaks has just begun, and nobody else goes by its name: what it held before it died
-- need not wait for its lease. It is made a passed one, which the next take finds, with the doubt [2].
-- KEYS: due mine. ARGV: nothing. Reply: {"ok", how many}.
local function gk_reclaim(keys, argv)
    local now, moves = now_ms(), {}
    local passed = math.floor(now / 16) * 16
    local held = redis.call('ZRANGE', keys[2], 0, -1, 'WITHSCORES')
    for i = 1, #held, 2 do
        local lease = tonumber(held[i + 1])
        if lease > now and tonumber(redis.call('ZSCORE', keys[1], held[i]) or 0) == lease then
            moves[#moves + 1] = fmt(passed + class_of_score(lease) * 2 - 15)
            moves[#moves + 1] = held[i]
        end
    end
    for i = 1, #moves, 2000 do redis.call('ZADD', keys[1], unpack(moves, i, math.min(i + 1999, #moves))) end
    redis.call('UNLINK', keys[2])
    return { 'ok', fmt(#moves / 2) }
end

-- The holder before died, stalled, or lost its reply: what it did is unknown [2]. Noted once, by
-- gk_load, or by the settle of a holder that never came to load.
local function passed_unnoted(c, lease) return lease_after_passed(lease) and c.x ~= lease end
local function note_passed(c, lease, now, log, document, r, name)
    c.d, c.T, c.x = now, true, lease
    log_add(log, 'uncertain', document, r, name, c.n or 0, 'lease/passed')
end

-- The last moment of the Nth day, or working day (Monday to Friday), after the day of `now` in Shanghai.
local function end_of_display(text, now)
    local day, left = math.floor((now + 28800000) / 86400000), math.min(tonumber(string.sub(text, 2)) or 0, 36500)
    while left > 0 do
        day = day + 1
        local weekday = (day + 4) % 7 -- the first of January 1970 was a Thursday; 0 is Sunday
        if string.sub(text, 1, 1) == 'd' or (weekday > 0 and weekday < 6) then left = left - 1 end
    end
    return (day + 1) * 86400000 - 28800000
end

-- Two lists of references by blank, none twice: one that stands must not be taken for one left over.
local function join_references(list, more)
    for reference in string.gmatch(more, '%S+') do
        if not list or list == '' then
            list = reference
        elseif not string.find(' ' .. list .. ' ', ' ' .. reference .. ' ', 1, true) then
            list = list .. ' ' .. reference
        end
    end
    return list
end

-- KEYS: meta log due, then documents. ARGV: epoch, channel, then per document its lease and a word that
-- is not read ("1" where gk_take found a passed one). Reply: {"ok", now, array per document}: {"work", revision, level,
-- kind, ULID, EVID, accepted, reference, url, first shown, attempts, doubt, memo, url on the channel it
-- waits for, shown revision, shown level, in doubt since, digest(raw), class, generation of a put-back or 0,
-- end of display, legal deadline, sum of the bytes, "1" when something of an overtaken revision may have been
-- sent, when the second look is due if that is still ahead}; {"none"}: nothing is to be done now, release
-- it; {"poison"}: the same, it has just been given up; {"stale"}: the lease has passed and somebody else has it, forget it; or {"broken"}.
-- More than one reference (by blank): those after the first are left over from stale attempts.
local function gk_load(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local name, prefix = argv[2], string.sub(keys[1], 1, -5)
    local reply, writes = { 'ok', fmt(s.now) }, {}
    local log, due, documents = log_new(), due_new(), {}
    if not is_type(keys[2], 'stream') or not is_type(keys[3], 'zset') then return { 'type' } end
    for i = 4, #keys do documents[i - 3] = string.sub(keys[i], #prefix + 5) end
    due_read(due, keys[3], documents)
    local found = mget(keys, 4)
    for i = 1, #documents do
        local lease = tonumber(argv[2 * i + 1])
        local d, document = unpack_doc(found[i]), documents[i]
        local c = d and d.c[name]
        if not c then
            reply[2 + i] = { d == false and 'broken' or 'none' }
        elseif due_score(due, keys[3], document) ~= lease then
            reply[2 + i] = { 'stale' } -- what it would note down here is the holder's affair
        else
            local before, n_before = d.C, log.n
            advance(d, s.now, log, document)
            local changed = d.C ~= before
            if passed_unnoted(c, lease) then
                note_passed(c, lease, s.now, log, document, before, name)
                changed, c.p = true, (c.p or 0) + 1
                if d.C and c.p >= POISON then
                    c.e, c.v, c.y, c.z = d.C[REV], d.C[LVL], 'poison', ''
                    c.p = nil -- the doubt stays for whatever comes next
                    log_add(log, 'dead', document, d.C, name, c.n or 0, 'poison')
                end
            end
            -- What place() would call due, and nothing else: the rest would come back at once.
            local cur = d.C
            local todo, look = wants(d, name, c, s.now, log, document)
            look = look and c.k <= s.now
            if todo or look then
                if look and c.k > 0 then c.k, changed = 0, true end -- this holder knows of it [12]
                if c.j then
                    c.r, c.j, changed = join_references(c.r, c.j), nil, true
                end
                local other = c.a and d.c[c.a]
                reply[2 + i] = {
                    'work', fmt(cur[REV]), fmt(cur[LVL]), cur[KIND], cur[ULID], cur[EVID], fmt(cur[ACC]),
                    c.r or '', c.u or '', fmt(c.f or 0), fmt(c.n or 0), (c.d or look) and '1' or '0', c.m or '',
                    other and other.u or '', c.s and fmt(c.s) or '', c.l and fmt(c.l) or '', fmt(c.d or 0), cur[DG],
                    fmt(cur[CLASS]), fmt(put_back_owed(c) and c.G or 0), is_over(c, cur, s.now) and c.w or '',
                    fmt(cur[DEADLINE] or 0), cur[SUM] or '', c.M and '1' or '',
                    fmt(c.k and c.k > s.now and c.k or 0),
                }
            else
                reply[2 + i] = { c.y == 'poison' and changed and cur and is_dead(c, cur) and 'poison' or 'none' }
            end
            if changed or log.n > n_before then
                writes[#writes + 1] = keys[3 + i]
                writes[#writes + 1] = cmsgpack.pack(d)
            end
        end
    end
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    mset(writes)
    return reply
end

-- gk_take and gk_load in one, for a store on one node: the documents' keys cannot be declared. Where they
-- could be on another node, the two are called one after the other.
-- KEYS: due lease ctl gate mine meta log. ARGV: epoch, then as gk_take. Reply: {gk_take's, gk_load's or {}}.
local function gk_work(keys, argv)
    local s, why = open(keys[6], argv[1])
    if not s then return { { why }, {} } end
    if not is_type(keys[7], 'stream') then return { { 'type' }, {} } end
    local prefix = string.sub(keys[6], 1, -5)
    local taken = gk_take(keys, { unpack(argv, 2) })
    if #taken < 3 then return { taken, {} } end
    local documents, words = { keys[6], keys[7], keys[1] }, { argv[1], argv[2] }
    for i = 3, #taken, 3 do
        documents[#documents + 1] = prefix .. 'doc:' .. taken[i]
        words[#words + 1], words[#words + 2] = taken[i + 1], taken[i + 2]
    end
    return { taken, gk_load(documents, words) }
end

local SETTLE_FIELDS = 17

-- KEYS: meta log due gate, then D due keys of the channels that wait for this one (`after`), then one
-- document per item. ARGV: epoch, channel, D, names of the D channels, breaker (gate.settling), then per item:
--   lease revision level verdict sent reference url code sentence at memo bound
--   generation health hold final extra
-- verdict: done, ended (the display: gone or marked), later wait ask dead uncertain release. at: ms when to try again. memo: "" forgets,
-- "-" keeps. bound: ms after which a late effect at the carrier can no longer come; 0 = no second
-- look is needed.
-- Reply: {"ok", outcome per item: ok dead (it is one now) already stale broken}, or {"again", channel} when a document has
-- a channel that waits for this one and is not among the D: nothing is written, call again with it.
-- The D are those that wait for this channel directly or through others, the nearest first.
local function gk_settle(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local name, n_after = argv[2], tonumber(argv[3])
    local waiting = channel_names(argv[4])
    local first, n_items = 4 + n_after, (#argv - 5) / SETTLE_FIELDS
    local prefix = string.sub(keys[1], 1, -5)
    local log, due = log_new(), due_new()
    local docs, dirty = {}, {}
    local reply = { 'ok' }

    if not is_type(keys[2], 'stream') then return { 'type' } end
    for i = 3, first do
        if not is_type(keys[i], i == 4 and 'hash' or 'zset') then return { 'type' } end
    end
    local g = gate.settling(keys[4], argv[5], s.now)
    local waits = {}
    for i = 1, n_after do waits[waiting[i]] = true end

    local documents = {}
    local found = mget(keys, first + 1)
    for i = 1, n_items do
        local key = keys[first + i]
        documents[i] = string.sub(key, #prefix + 5)
        if docs[key] == nil then docs[key] = unpack_doc(found[i]) or false end
        for other, c in pairs(docs[key] and docs[key].c or {}) do
            if c.a and (c.a == name or waits[c.a]) and not waits[other] and other ~= name then return { 'again', other } end
        end
    end
    due_read(due, keys[3], documents)
    for i = 5, first do due_read(due, keys[i], documents) end

    for i = 1, n_items do
        local a, key, document = 5 + SETTLE_FIELDS * (i - 1), keys[first + i], documents[i]
        local lease, rev, lvl = tonumber(argv[a + 1]), tonumber(argv[a + 2]), tonumber(argv[a + 3])
        local verdict, sent = argv[a + 4], argv[a + 5] == '1'
        local ref, url, code, sentence = argv[a + 6], argv[a + 7], argv[a + 8], argv[a + 9]
        local at, memo, bound = tonumber(argv[a + 10]), argv[a + 11], tonumber(argv[a + 12])
        local generation, extra = tonumber(argv[a + 13]) or 0, argv[a + 17]
        local d = docs[key]
        local c = d and d.c[name]

        if not c then
            reply[1 + i] = 'broken'
        elseif c.q == lease then
            reply[1 + i] = 'already' -- the reply to this settle was lost [11]
        else
            local own = due_score(due, keys[3], document) == lease
            local r = { rev, lvl, '' }
            local before = d.C
            dirty[key] = true
            advance(d, s.now, log, document)
            local cur = d.C
            local newest = cur and cur[REV] == rev and cur[LVL] == lvl
            if newest then r[ULID] = cur[ULID] end
            if not own then
                -- Not the holder any more: it changes no state, but what it did is not forgotten [11].
                log_add(log, 'uncertain', document, r, name, c.n or 0, 'stale/' .. verdict, ref, url, sentence, extra)
                if sent then
                    c.d, c.T, c.j = s.now, true, join_references(c.j, ref) or ''
                end
                reply[1 + i] = 'stale'
            else
                if passed_unnoted(c, lease) then note_passed(c, lease, s.now, log, document, before, name) end
                c.q, c.p, c.x = lease, nil, nil
                g.landed = g.landed + 1
                local parked = gate.heard(g, document, argv[a + 14], tonumber(argv[a + 15]) or 0, log, name)
                if sent then c.T = true end
                local attempt = (c.n or 0) + 1
                if verdict == 'done' or verdict == 'ended' then
                    -- A second look, or a repetition under doubt, shows nothing anew.
                    local had = shows(c, r) and (verdict == 'done' or c.E == rev)
                    local put_back = had and generation > 0
                    c.s, c.l, c.r, c.u = rev, lvl, ref ~= '' and ref or nil, url ~= '' and url or nil
                    c.T = true
                    if lvl == 0 and not c.f then c.f = s.now end
                    if verdict == 'ended' then
                        c.E = rev
                    elseif newest and type(cur[UNTIL]) == 'string' then
                        cur[UNTIL] = end_of_display(cur[UNTIL], s.now)
                    end
                    if c.k == 0 then c.k = nil end -- this was the second look
                    if c.G and generation >= c.G then c.g = c.G end -- put back, as far as the holder knew [22]
                    if c.d and not c.j then
                        -- Done under doubt: the unknown one may still come; look once more when it
                        -- cannot [12]. A doubt that the holder did not know of stays.
                        c.d = nil
                        if bound > 0 then c.k = math.max(c.k or 0, s.now + bound) end
                    end
                    if not c.d then c.M = nil end
                    c.n, c.b, c.m, c.y, c.z = nil, nil, nil, nil, nil
                    local state = lvl == 0 and 'published' or 'withdrawn'
                    if verdict == 'ended' or (newest and cur[KIND] == 'X') then state = 'ended' end
                    if had then state, code = put_back and 'restored' or 'attempted', put_back and code or 'confirmed' end
                    log_add(log, state, document, r, name, attempt, code, ref, url, nil, extra)
                elseif verdict == 'release' then
                    g.back = g.back + 1 -- nothing was sent, nothing is to be told
                else
                    if verdict == 'uncertain' then
                        if sent or not c.d then c.d = s.now end
                        c.T = true
                    end
                    local counts = verdict == 'later' or verdict == 'uncertain'
                    if counts and parked then
                        -- The endpoint is away, the document is not to blame. Others get their turn before it.
                        counts, at = false, math.max(at, g.open + 1000)
                    elseif counts and argv[a + 16] == '1' then
                        counts, verdict = false, newest and 'dead' or verdict
                    end
                    local state = ({ wait = 'parked', ask = 'deferred', dead = newest and 'dead',
                        uncertain = 'uncertain' })[verdict] or (parked and 'parked') or 'attempted'
                    log_add(log, state, document, r, name, attempt, code, ref, url, sentence, extra)
                    -- A verdict on an overtaken revision never delays or buries the newest [4].
                    if newest then
                        c.y, c.z = code, string.sub(sentence, 1, 600)
                        if verdict == 'dead' then
                            c.e, c.v = rev, lvl
                        else
                            c.b = at
                            if counts then c.n = attempt end
                        end
                        if memo ~= '-' then c.m = memo ~= '' and memo or nil end
                    elseif lvl == 0 and verdict ~= 'uncertain' and not shows(c, r) then
                        log_add(log, 'superseded', document, r, name, attempt, 'overtaken')
                    end
                    if ref ~= '' then c.r = ref end
                end
                reply[1 + i] = verdict == 'dead' and newest and 'dead' or 'ok'
            end
            due_place(due, keys[3], d, name, c, own, s.now, log, document)
            for k = 1, n_after do
                local other = d.c[waiting[k]]
                if other then
                    due_place(due, keys[4 + k], d, waiting[k], other, false, s.now, log, document)
                end
            end
        end
    end
    local writes = {}
    for key in pairs(dirty) do
        writes[#writes + 1] = key
        writes[#writes + 1] = cmsgpack.pack(docs[key])
    end
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    gate.write(g)
    mset(writes)
    due_write(due)
    return reply
end

-- A checkpoint: the memo is on disk before the step that must not be repeated unknown.
-- KEYS: meta due doc. ARGV: epoch, channel, lease, memo, revision, level (without these two: of what
-- is current). The memo of a revision that was overtaken meanwhile is not kept: the next one would take
-- it for its own.
local function gk_checkpoint(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local prefix = string.sub(keys[1], 1, -5)
    local document = string.sub(keys[3], #prefix + 5)
    if tonumber(redis.call('ZSCORE', keys[2], document) or 0) ~= tonumber(argv[3]) then return { 'stale' } end
    local d = unpack_doc(redis.call('GET', keys[3]))
    local c = d and d.c[argv[2]]
    if not c then return { 'broken' } end
    c.T = true
    if not argv[5] or (d.C and d.C[REV] == tonumber(argv[5]) and d.C[LVL] == tonumber(argv[6])) then
        c.m = argv[4]
    end
    redis.call('SET', keys[3], cmsgpack.pack(d))
    return { 'ok' }
end

-- KEYS: meta log ctl. ARGV: epoch to found an empty store with, "found" or "look".
-- Reply: {epoch or "", n, format of the library, stop or "", TIME ms}.
local function gk_hello(keys, argv)
    local m = redis.call('HMGET', keys[1], 'epoch', 'n')
    if not m[1] and argv[2] == 'found' then
        redis.call('HSET', keys[1], 'epoch', argv[1], 'n', '0')
        m[1], m[2] = argv[1], '0'
    end
    return { m[1] or '', m[2] or '0', '1', redis.call('HGET', keys[3], 'stop') or '', fmt(now_ms()) }
end

redis.register_function('gk1_accept', gk_accept)
redis.register_function { function_name = 'gk1_take', callback = gk_take, flags = { 'allow-oom' } }
redis.register_function { function_name = 'gk1_renew', callback = gk_renew, flags = { 'allow-oom' } }
redis.register_function { function_name = 'gk1_reclaim', callback = gk_reclaim, flags = { 'allow-oom' } }
redis.register_function { function_name = 'gk1_load', callback = gk_load, flags = { 'allow-oom' } }
redis.register_function { function_name = 'gk1_work', callback = gk_work, flags = { 'allow-oom' } }
redis.register_function { function_name = 'gk1_settle', callback = gk_settle, flags = { 'allow-oom' } }
redis.register_function { function_name = 'gk1_checkpoint', callback = gk_checkpoint, flags = { 'allow-oom' } }
redis.register_function('gk1_hello', gk_hello)
