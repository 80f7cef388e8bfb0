#!lua name=gongkai1
-- The document queue. docs/queue.md gives every rule with the failure that it closes; the numbers
-- in brackets below, [n], are the rules there.
--
-- All keys of a region share its code as hash tag, so one call touches one cluster slot:
--   {R}:meta        hash   epoch, n (number of the last log record), seen (greatest TIME)
--   {R}:log         stream one entry per call: e epoch, n first number, r records by line
--   {R}:ctl         hash   stop, pause:CHANNEL -> who and why
--   {R}:held        hash   ULID -> packed {evid, document, ms, reasons}
--   {R}:ev:EVID     string "1" digest(32 raw) header "\n" bytes and a byte; EVID = source, blank, id.
--                   Lua hashes a long string by 32 of its bytes, the last among them: the byte of the
--                   digest behind the bytes keeps a thousand events of one form out of one bucket
--                   (2 KB events that differ in few places: 127 us each without, 26 with)
--   {R}:doc:DOC     string packed document, see below
--   {R}:same:DIGEST string document with that content, for the length of the dedup window
--   {R}:due:CHANNEL zset   document -> when it wants attention, or its lease
--   {R}:lease:CHANNEL string the last lease handed out
--
-- A Function has no rollback: everything is looked at first, then written, and what makes a repeat
-- of the same event a duplicate is written last.
--
-- The document (cmsgpack; absent means nothing, zero or no):
--   o owner source   t {source = greatest accepted time}   C revision to be shown now
--   P embargoed revisions by publish_at, ranks rising      c {channel = state}   h held event
-- A revision record is an array:
local REV, LVL, ULID, EVID, DG, AT, EXP, CLASS, DEADLINE, ACC, KIND = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
--   (REV, LVL) is the rank: LVL 0 is shown, 1 and more is withdrawn or expired (a second withdrawal,
--   say erase after mark, is one higher). KIND P publish, W withdraw, X expired.
-- A channel's state:
--   s, l rank shown (absent: none)  r reference  u url   f first shown  n attempts   b not before
--   d in doubt since                k second look at     m memo         q last lease settled
--   e, v rank that is dead          p times found with a passed lease   z sentence of the last trouble
--   y its code                      T something may have been sent      a the channel to wait for

local SPLIT = 1e12        -- below: ready, ordered by class, legal slack and age; above: times
local CLASS_SPAN = 3e11
local EPOCH_2020 = 1577836800000
local POISON = 5

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

-- Scores are numbers of ms, rounded up to 8; bits 1 and 2 carry the class, bit 0 says leased.
local function time_score(ms, class) return math.ceil(ms / 8) * 8 + class * 2 end

local function ready_score(now, class, deadline)
    local day = 20000
    if deadline and deadline > 0 then
        day = math.max(0, math.min(19999, math.floor((deadline - EPOCH_2020) / 86400000)))
    end
    return class * CLASS_SPAN + day * 1.5e7 + 2 * math.floor((now - EPOCH_2020) / 240000)
end

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

local function clean(text) return (string.gsub(text, '[%c]', ' ')) end

-- Log ------------------------------------------------------------------------------------------

local function log_new() return { n = 0 } end

-- state document revision level event channel attempt code reference url sentence extra
local function log_add(log, state, document, r, channel, attempt, code, ref, url, sentence, extra)
    log.n = log.n + 1
    log[log.n] = table.concat({
        state, document, fmt(r and r[REV] or 0), fmt(r and r[LVL] or 0), r and r[ULID] or '',
        channel or '', attempt and fmt(attempt) or '', code or '', ref and clean(ref) or '',
        url and clean(url) or '', sentence and clean(sentence) or '', extra and clean(extra) or '',
    }, '\t')
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
-- superseded there; its patience and memo were for that one. `leased`, where known, tells for which
-- channels somebody is at work: the settle says what became of that.
local function succeed(d, r, log, document, leased)
    local before = d.C
    d.C = r
    for name, c in pairs(d.c) do
        if not (leased and leased[name]) then
            if before and before[LVL] == 0 and r[KIND] ~= 'X' and not shows(c, before)
                and not is_dead(c, before) then
                log_add(log, 'superseded', document, before, name, c.n or 0, 'overtaken')
            end
            c.n, c.b, c.m = nil, nil, nil
        end
    end
end

-- Moves what has come due: an embargoed revision becomes the one to be shown, a shown one expires
-- [3, 5].
local function advance(d, now, log, document)
    while d.P and d.P[1] and d.P[1][AT] <= now do
        succeed(d, table.remove(d.P, 1), log, document)
    end
    local cur = d.C
    if cur and cur[LVL] == 0 and cur[EXP] > 0 and cur[EXP] <= now then
        local x = {}
        for i = 1, 11 do x[i] = cur[i] end
        x[LVL], x[KIND], x[EXP], x[CLASS] = 1, 'X', 0, 0
        succeed(d, x, log, document)
    end
end

-- Whether the channel has something to do for the document now.
local function work(d, name, c, log, document)
    local cur = d.C
    if not cur then return false end
    if is_dead(c, cur) then return false end
    if c.d then return true end
    if shows(c, cur) then return false end
    if cur[LVL] > 0 and not c.T then
        -- Nothing was ever sent: gone without touching the carrier [2].
        c.s, c.l = cur[REV], cur[LVL]
        log_add(log, cur[KIND] == 'X' and 'ended' or 'withdrawn', document, cur, name, 0, 'untouched')
        return false
    end
    return true
end

-- `after` is looked at, not waited for: ready when the other shows the same, or has no part [10].
local function ready(d, c)
    local cur, other = d.C, c.a and d.c[c.a]
    if not other or cur[LVL] > 0 then return true end
    if shows(other, cur) then return true end
    if is_dead(other, cur) then c.e, c.v, c.y = cur[REV], cur[LVL], 'after/dead' end
    return false
end

-- When this channel wants attention for the document: a score, or false for never. nil: somebody
-- holds a lease, which nobody else may touch [1].
local function place(d, name, c, score, own, now, log, document)
    if score and score % 2 == 1 and not own then return nil end
    advance(d, now, log, document)
    local t, class, deadline
    local cur = d.C
    if work(d, name, c, log, document) and ready(d, c) then
        t, class, deadline = math.max(now, c.b or 0), cur[CLASS], cur[DEADLINE]
        if c.d and cur[LVL] > 0 then class = 0 end
    end
    if c.k then -- a second look is owed, whatever came since
        local look = math.max(now, c.k, c.b or 0)
        if not t or look < t then t, class = look, cur and cur[CLASS] or 2 end
    end
    local p = d.P and d.P[1]
    if p and (not t or p[AT] < t) then t, class, deadline = p[AT], p[CLASS], p[DEADLINE] end
    if cur and cur[LVL] == 0 and cur[EXP] > 0 and (not t or cur[EXP] < t) then
        t, class = cur[EXP], 0
    end
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

-- Changes to the due sets, written at the end in few commands.
local function due_new() return { set = {}, gone = {}, keys = {} } end

local function due_change(due, key, document, score)
    local map = due.set[key]
    if not map then
        map = {}
        due.set[key] = map
        due.keys[#due.keys + 1] = key
    end
    map[document] = score
end

local function due_write(due)
    for _, key in ipairs(due.keys) do
        local add, gone = {}, {}
        for document, score in pairs(due.set[key]) do
            if score then
                add[#add + 1] = fmt(score)
                add[#add + 1] = document
            else
                gone[#gone + 1] = document
            end
            if #add >= 2000 then
                redis.call('ZADD', key, unpack(add))
                add = {}
            end
            if #gone >= 2000 then
                redis.call('ZREM', key, unpack(gone))
                gone = {}
            end
        end
        if #add > 0 then redis.call('ZADD', key, unpack(add)) end
        if #gone > 0 then redis.call('ZREM', key, unpack(gone)) end
    end
end

local function is_type(key, wanted)
    local t = redis.call('TYPE', key).ok
    return t == 'none' or t == wanted
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
    if newest and newest[DG] == e.digest and (newest[LVL] > 0) == (e.kind == 'W') and newest[KIND] ~= 'X' then
        return 'same', newest
    end
    if e.revision == 0 or (newest and newest[REV] == 0) then
        -- Time orders what carries no number, and everything against a withdrawal that came first [7].
        if e.revision == 0 and not e.backfill and now - e.time > window then return 'too_old' end
        if greatest and e.time < greatest then return 'stale' end
        if greatest and e.time == greatest and e.kind == 'P' and newest and newest[LVL] > 0 then
            return 'stale'
        end
    end
    if e.kind == 'P' then
        if e.revision == 0 then return 'accepted', (newest and newest[REV] or 0) + 1, 0 end
        if newest then
            if e.revision < newest[REV] then return 'stale' end
            if e.revision == newest[REV] then
                if newest[LVL] > 0 then return 'stale' end
                return 'conflict_revision'
            end
        end
        return 'accepted', e.revision, 0
    end
    -- A withdrawal takes the newest one's number, uses up none, and wins the tie [6].
    if not newest then return 'accepted', e.revision, 1 end
    if e.revision > newest[REV] then return 'accepted', e.revision, 1 end
    if e.revision ~= 0 and (e.revision < newest[REV] or newest[LVL] > 0) then return 'stale' end
    return 'accepted', newest[REV], newest[LVL] + 1
end

local function channel_names(list)
    local names = {}
    for name in string.gmatch(list, '[^,]+') do names[#names + 1] = name end
    return names
end

-- "portal,wechat<portal" -> {name, channel to wait for or nil} each; most events of a batch share it.
local function channel_specs(list, seen)
    local specs = seen[list]
    if not specs then
        specs = {}
        for _, spec in ipairs(channel_names(list)) do
            local name, after = string.match(spec, '^([^<]+)<?(.*)$')
            specs[#specs + 1] = { name, after ~= '' and after or nil }
        end
        seen[list] = specs
    end
    return specs
end

local function joined_channels(d)
    local names = {}
    for name in pairs(d.c) do names[#names + 1] = name end
    table.sort(names)
    return table.concat(names, ',')
end

local function ev_value(e, status, r, channels, now, document)
    return '1' .. e.digest .. table.concat({
        status, e.ulid, fmt(r[REV]), fmt(r[LVL]), fmt(now), channels, e.due, document,
    }, '\t') .. '\n' .. e.bytes
end

-- The header of a stored event: status ulid revision level accepted channels due document.
local function ev_header(value)
    local digest = string.sub(value, 2, 33)
    local ending = string.find(value, '\n', 34, true)
    local fields = {}
    for field in string.gmatch(string.sub(value, 34, ending - 1) .. '\t', '([^\t]*)\t') do
        fields[#fields + 1] = field
    end
    return digest, fields, ending
end

-- Puts an accepted event into its document: embargo list, current revision, channels, due entries.
local function enter(s, d, e, rev, lvl, document)
    local r = { rev, lvl, e.ulid, e.evid, e.digest, e.at, e.expires, e.kind == 'W' and 0 or e.class,
        e.deadline, s.now, e.kind }
    local now = s.now

    d.o = d.o or e.source
    d.t = d.t or {}
    d.t[e.source] = math.max(d.t[e.source] or 0, e.time)
    if d.h and (d.h[3] == 0 or rev == 0 or d.h[3] <= rev) then
        -- A newer one came while a person was to look at that one.
        s.unheld[#s.unheld + 1] = d.h[1]
        log_add(s.log, 'superseded', document, { d.h[3], 0, d.h[1] }, nil, nil, 'held')
        d.h = nil
    end
    if d.P then
        while #d.P > 0 and d.P[#d.P][AT] >= r[AT] do
            local gone = table.remove(d.P)
            log_add(s.log, 'superseded', document, gone, nil, nil, 'embargo')
        end
    end
    if r[AT] > now then
        d.P = d.P or {}
        d.P[#d.P + 1] = r
    else
        local leased = {}
        for name in pairs(d.c) do
            local scores = s.known[s.due_key[name]]
            leased[name] = scores and scores[document] and scores[document] % 2 == 1
        end
        r[AT] = 0
        succeed(d, r, s.log, document, leased)
    end
    for _, spec in ipairs(e.channels) do
        local c = d.c[spec[1]]
        if not c then
            c = {}
            d.c[spec[1]] = c
        end
        c.a = spec[2]
    end
    for name, c in pairs(d.c) do
        local key = s.due_key[name]
        local score = s.known[key] and s.known[key][document]
        local new = place(d, name, c, score, false, now, s.log, document)
        if new ~= nil and (new or score) then
            due_change(s.due, key, document, new)
            if not s.known[key] then s.known[key] = {} end
            s.known[key][document] = new or nil
        end
    end
    return r
end

local FIELDS = 19

-- KEYS: meta log held, then C due keys, then ev doc same per event.
-- ARGV: epoch, C, names of the C channels by comma, dedup window ms, then FIELDS per event:
--   kind ulid source time revision digest(raw) content-digest(raw) publish_at expires class deadline
--   flags(h hold, s hold when same content, d dry run, b backfill) may channels extra due reasons
--   unused bytes+1 (the event's, and the digest's first byte)
-- Reply: {status of the call, epoch, n, answer per event}; answer = status, ulid, revision,
-- channels, due, n, extra by tab.
local function gk_accept(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local n_due, window = tonumber(argv[2]), tonumber(argv[4])
    local names = channel_names(argv[3])
    local first = 3 + n_due
    local n_events = (#argv - 4) / FIELDS
    local prefix = string.sub(keys[1], 1, -5)
    local at_ev, at_doc = #prefix + 4, #prefix + 5

    if not is_type(keys[2], 'stream') or not is_type(keys[3], 'hash') then return { 'type' } end
    s.due_key, s.known, s.log, s.due, s.unheld = {}, {}, log_new(), due_new(), {}
    for i = 1, n_due do
        if not is_type(keys[3 + i], 'zset') then return { 'type' } end
        s.due_key[names[i]] = keys[3 + i]
    end

    local wanted = {}
    for i = first + 1, first + 3 * n_events do wanted[#wanted + 1] = keys[i] end
    local found = redis.call('MGET', unpack(wanted))
    local absent = {}
    for i = 1, #wanted do
        if not found[i] then absent[#absent + 1] = wanted[i] end
    end
    -- MGET answers nil for a key of another type too, and writing would then destroy it.
    local wrong = {}
    if #absent > 0 and redis.call('EXISTS', unpack(absent)) > 0 then
        for _, key in ipairs(absent) do
            if redis.call('EXISTS', key) == 1 then wrong[key] = true end
        end
    end

    local docs, evs, same, blocked, dirty = {}, {}, {}, {}, {}
    local leases = {} -- due key -> documents whose score must be known
    for i = 1, n_events do
        local value, key = found[3 * i - 1], wanted[3 * i - 1]
        if value and docs[key] == nil then
            local d = unpack_doc(value)
            docs[key] = d
            if d then
                local document = string.sub(key, at_doc)
                for name in pairs(d.c) do
                    local due = s.due_key[name]
                    if due then
                        local list = leases[due] or {}
                        leases[due] = list
                        list[#list + 1] = document
                    end
                end
            end
        end
    end
    for due, list in pairs(leases) do
        local scores = redis.call('ZMSCORE', due, unpack(list))
        local map = {}
        s.known[due] = map
        for i, document in ipairs(list) do
            map[document] = scores[i] and tonumber(scores[i]) or nil
        end
    end

    local answers, held, ev_writes, same_writes, specs_seen = {}, {}, {}, {}, {}
    for i = 1, n_events do
        local a = 4 + FIELDS * (i - 1)
        local ev_key, doc_key, same_key = wanted[3 * i - 2], wanted[3 * i - 1], wanted[3 * i]
        local document = string.sub(doc_key, at_doc)
        local flags = argv[a + 12]
        local e = {
            kind = argv[a + 1], ulid = argv[a + 2], source = argv[a + 3], time = tonumber(argv[a + 4]),
            revision = tonumber(argv[a + 5]), digest = argv[a + 6], at = tonumber(argv[a + 8]),
            expires = tonumber(argv[a + 9]), class = tonumber(argv[a + 10]),
            deadline = tonumber(argv[a + 11]), may = argv[a + 13],
            channels = channel_specs(argv[a + 14], specs_seen), due = argv[a + 16], bytes = argv[a + 19],
            evid = string.sub(ev_key, at_ev), backfill = flags ~= '' and string.find(flags, 'b', 1, true) ~= nil,
        }
        local dry = flags ~= '' and string.find(flags, 'd', 1, true) ~= nil
        local hold = flags ~= '' and string.find(flags, 'h', 1, true) ~= nil
        local value = evs[ev_key] or found[3 * i - 2]
        local d = docs[doc_key]
        local status, rev, lvl, extra = nil, 0, 0, ''
        local ulid, channels, due = e.ulid, '', e.due

        if wrong[ev_key] or wrong[doc_key] or wrong[same_key] or d == false then
            status = 'broken'
        elseif value then
            local digest, h = ev_header(value)
            if digest ~= e.digest then
                status = 'conflict'
            elseif h[1] == 'held' or h[1] == 'refused' then
                status = h[1]
            else
                status = 'duplicate'
            end
            ulid, rev, channels, due = h[2], tonumber(h[3]), h[6], h[7]
        elseif blocked[doc_key] then
            status, extra = 'again', blocked[doc_key]
        else
            if not d then d = { c = {} } end
            status, rev, lvl = judge(d, e, s.now, window)
            if status == 'same' then
                status, ulid, rev, channels = 'duplicate', rev[ULID], rev[REV], joined_channels(d)
            elseif status == 'not_owner' then
                extra, rev = rev, 0
            elseif status ~= 'accepted' then
                local newest = top(d)
                rev, extra = newest and newest[REV] or 0, newest and newest[ULID] or ''
            elseif status == 'accepted' then
                for name in pairs(d.c) do
                    if not s.due_key[name] then status, extra = 'again', name end
                end
                for _, spec in ipairs(e.channels) do
                    if not s.due_key[spec[1]] then status, extra = 'again', spec[1] end
                end
                if status == 'again' then blocked[doc_key] = extra end
            end
            if status == 'accepted' then
                local other = e.kind == 'P' and (same[same_key] or found[3 * i])
                local reasons = argv[a + 17]
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
                    status = 'held'
                    if d.h and d.h[2] == e.digest then
                        status, ulid = 'held', d.h[1]
                    elseif not dry then
                        if d.h then
                            s.unheld[#s.unheld + 1] = d.h[1]
                            log_add(s.log, 'superseded', document, { d.h[3], 0, d.h[1] }, nil, nil, 'held')
                        end
                        d.o = d.o or e.source
                        d.h = { e.ulid, e.digest, e.revision, e.evid }
                        held[#held + 1] = e.ulid
                        held[#held + 1] = cmsgpack.pack({ e.evid, document, s.now, reasons, argv[a + 14],
                            e.kind, e.source, e.time, e.revision, e.at, e.expires, e.class, e.deadline })
                        local r = { e.revision, 0, e.ulid }
                        log_add(s.log, 'held', document, r, nil, nil, reasons, nil, nil, nil, argv[a + 15])
                        value = ev_value(e, 'held', r, (string.gsub(argv[a + 14], '<[^,]*', '')), s.now, document)
                        evs[ev_key] = value
                        ev_writes[#ev_writes + 1] = ev_key
                        docs[doc_key] = d
                        dirty[doc_key] = true
                    end
                    rev = 0
                elseif dry then
                    local names_now = {}
                    for name in pairs(d.c) do names_now[name] = {} end
                    for _, spec in ipairs(e.channels) do
                        names_now[spec[1]] = {}
                    end
                    channels = joined_channels({ c = names_now })
                else
                    local r = enter(s, d, e, rev, lvl, document)
                    channels = joined_channels(d)
                    log_add(s.log, 'accepted', document, r, nil, nil, e.kind, nil, nil, nil,
                        argv[a + 15] .. ' ' .. e.evid)
                    evs[ev_key] = ev_value(e, 'accepted', r, channels, s.now, document)
                    ev_writes[#ev_writes + 1] = ev_key
                    if e.kind == 'P' and not other then
                        same[same_key] = document
                        same_writes[#same_writes + 1] = same_key
                    end
                    docs[doc_key] = d
                    dirty[doc_key] = true
                end
            end
        end
        answers[i] = { status, ulid, rev, channels, due, s.log.n, extra }
    end

    -- Everything is known; from here on only writes, the identities last.
    due_write(s.due)
    for i = 1, #s.unheld do redis.call('HDEL', keys[3], s.unheld[i]) end
    if #held > 0 then redis.call('HSET', keys[3], unpack(held)) end
    for _, key in ipairs(same_writes) do
        redis.call('SET', key, same[key], 'PX', fmt(window))
    end
    local n = log_write(s.log, keys[1], keys[2], s.epoch, s.n, s.now)
    local writes = {}
    for key in pairs(dirty) do
        writes[#writes + 1] = key
        writes[#writes + 1] = cmsgpack.pack(docs[key])
    end
    for _, key in ipairs(ev_writes) do
        writes[#writes + 1] = key
        writes[#writes + 1] = evs[key]
    end
    mset(writes)

    local reply = { 'ok', s.epoch, fmt(n) }
    for i, x in ipairs(answers) do
        reply[3 + i] = table.concat({ x[1], x[2], fmt(x[3]), x[4], x[5], fmt(s.n + x[6]), x[7] }, '\t')
    end
    return reply
end

-- Held events ------------------------------------------------------------------------------------

-- KEYS: meta log held ev doc, then the due keys. ARGV: epoch, ULID, "release" or "refuse", who,
-- reason, names of the due keys' channels. Reply: {status, revision, channels}.
local function gk_held(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local prefix = string.sub(keys[1], 1, -5)
    local packed = redis.call('HGET', keys[3], argv[2])
    if not packed then return { 'unknown' } end
    local h = cmsgpack.unpack(packed)
    local value, d = redis.call('GET', keys[4]), unpack_doc(redis.call('GET', keys[5]))
    if keys[4] ~= prefix .. 'ev:' .. h[1] or keys[5] ~= prefix .. 'doc:' .. h[2] then return { 'keys', h[1], h[2] } end
    if not value or not d then return { 'broken' } end
    local names = channel_names(argv[6])
    s.due_key, s.known, s.log, s.due, s.unheld = {}, {}, log_new(), due_new(), {}
    for i, name in ipairs(names) do s.due_key[name] = keys[5 + i] end
    local digest, header, ending = ev_header(value)
    local bytes = string.sub(value, ending + 1) -- with the byte behind
    local e = {
        kind = h[6], ulid = argv[2], source = h[7], time = h[8], revision = h[9], digest = digest,
        at = h[10], expires = h[11], class = h[12], deadline = h[13], may = '*', backfill = true,
        channels = channel_specs(h[5], {}), due = header[7], bytes = bytes, evid = h[1],
    }
    d.h = nil
    if argv[3] == 'refuse' then
        log_add(s.log, 'refused', h[2], { e.revision, 0, e.ulid }, nil, nil, '', nil, nil, argv[5], argv[4])
        redis.call('HDEL', keys[3], argv[2])
        log_write(s.log, keys[1], keys[2], s.epoch, s.n, s.now)
        mset({ keys[5], cmsgpack.pack(d), keys[4],
            ev_value(e, 'refused', { e.revision, 0 }, '', s.now, h[2]) })
        return { 'ok', '0', '' }
    end
    local status, rev, lvl = judge(d, e, s.now, 0)
    if status ~= 'accepted' then return { status == 'same' and 'duplicate' or status } end
    for _, spec in ipairs(e.channels) do
        if not s.due_key[spec[1]] then return { 'again', spec[1] } end
    end
    for name in pairs(d.c) do
        local key = s.due_key[name]
        if not key then return { 'again', name } end
        local score = redis.call('ZSCORE', key, h[2])
        s.known[key] = { [h[2]] = score and tonumber(score) or nil }
    end
    log_add(s.log, 'released', h[2], { e.revision, 0, e.ulid }, nil, nil, '', nil, nil, argv[5], argv[4])
    local r = enter(s, d, e, rev, lvl, h[2])
    local channels = joined_channels(d)
    log_add(s.log, 'accepted', h[2], r, nil, nil, e.kind, nil, nil, nil, argv[4] .. ' ' .. e.evid)
    due_write(s.due)
    redis.call('HDEL', keys[3], argv[2])
    log_write(s.log, keys[1], keys[2], s.epoch, s.n, s.now)
    mset({ keys[5], cmsgpack.pack(d), keys[4], ev_value(e, 'accepted', r, channels, s.now, h[2]) })
    return { 'ok', fmt(rev), channels }
end

-- Work -------------------------------------------------------------------------------------------

-- KEYS: due lease ctl. ARGV: channel, how many, lease ms.
-- Reply: {"ok", ms until the next or -1, document, lease, passed (1: found with a passed lease), ...} or
-- {"paused", why}. Only the due set is touched: documents are read by gk_load.
local function gk_take(keys, argv)
    local now = now_ms()
    local count = tonumber(argv[2])
    local ctl = redis.call('HMGET', keys[3], 'stop', 'pause:' .. argv[1])
    if ctl[2] then return { 'paused', ctl[2] } end

    -- What has come of age moves into the ready zone; a passed lease is handed out at once, since
    -- only the score remembers that its holder may have sent something [2].
    local aged = redis.call('ZRANGE', keys[1], fmt(SPLIT), fmt(now), 'BYSCORE', 'LIMIT', 0, count * 4,
        'WITHSCORES')
    local taken, moves = {}, {}
    for i = 1, #aged, 2 do
        local score = tonumber(aged[i + 1])
        local class = class_of_score(score)
        if score % 2 == 1 then
            if #taken < count then taken[#taken + 1] = { aged[i], class, '1' } end
        else
            moves[#moves + 1] = fmt(ready_score(now, class, EPOCH_2020))
            moves[#moves + 1] = aged[i]
        end
    end
    if #moves > 0 then redis.call('ZADD', keys[1], unpack(moves)) end
    if #taken < count then
        local below = ctl[1] and CLASS_SPAN or SPLIT -- stopped: withdrawals still go
        local list = redis.call('ZRANGE', keys[1], '-inf', '(' .. fmt(below), 'BYSCORE', 'LIMIT', 0,
            count - #taken, 'WITHSCORES')
        for i = 1, #list, 2 do
            taken[#taken + 1] = { list[i], class_of_score(tonumber(list[i + 1])), '0' }
        end
    end

    local reply = { 'ok', '-1' }
    if #taken > 0 then
        -- A lease is never handed out twice, also when the clock steps back [13].
        local lease = math.max(math.ceil((now + tonumber(argv[3])) / 8) * 8,
            tonumber(redis.call('GET', keys[2]) or 0) + 8)
        local adds = {}
        for _, x in ipairs(taken) do
            local value = fmt(lease + x[2] * 2 + 1)
            adds[#adds + 1] = value
            adds[#adds + 1] = x[1]
            reply[#reply + 1] = x[1]
            reply[#reply + 1] = value
            reply[#reply + 1] = x[3]
        end
        redis.call('ZADD', keys[1], unpack(adds))
        redis.call('SET', keys[2], fmt(lease))
    end
    if #taken < count then
        local soon = redis.call('ZRANGE', keys[1], '(' .. fmt(now), '+inf', 'BYSCORE', 'LIMIT', 0, 1,
            'WITHSCORES')
        if soon[2] then reply[2] = fmt(tonumber(soon[2]) - now) end
    else
        reply[2] = '0'
    end
    if ctl[1] then reply[1] = 'stopped' end
    return reply
end

-- KEYS: meta log, then documents. ARGV: epoch, channel, then per document "1" where its lease had
-- passed. Reply: {"ok", now, array per document}; see core/store_work.h for its fields.
local function gk_load(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local name, prefix = argv[2], string.sub(keys[1], 1, -5)
    local reply, writes = { 'ok', fmt(s.now) }, {}
    local log = log_new()
    for i = 3, #keys do
        local d = unpack_doc(redis.call('GET', keys[i]))
        local document = string.sub(keys[i], #prefix + 5)
        local c = d and d.c[name]
        if not c then
            reply[i] = { d == false and 'broken' or 'none' }
        else
            local before = d.C
            advance(d, s.now, log, document)
            local changed = d.C ~= before
            if argv[i] == '1' then
                -- Its holder died, stalled, or lost its reply: what it did is unknown [2].
                c.d, c.T, c.p = s.now, true, (c.p or 0) + 1
                changed = true
                if d.C and c.p >= POISON then
                    c.e, c.v, c.y, c.z = d.C[REV], d.C[LVL], 'poison', ''
                    c.d, c.p = nil, nil
                    log_add(log, 'dead', document, d.C, name, c.n or 0, 'poison')
                end
            end
            if changed then
                writes[#writes + 1] = keys[i]
                writes[#writes + 1] = cmsgpack.pack(d)
            end
            local cur = d.C
            local todo = cur and not is_dead(c, cur) and
                (c.d or (c.k and c.k <= s.now) or not shows(c, cur))
            if not todo or (cur[LVL] > 0 and not c.T) then
                reply[i] = { 'none' }
            else
                local other = c.a and d.c[c.a]
                reply[i] = {
                    'work', fmt(cur[REV]), fmt(cur[LVL]), cur[KIND], cur[ULID], cur[EVID], fmt(cur[ACC]),
                    c.r or '', c.u or '', fmt(c.f or 0), fmt(c.n or 0), (c.d or c.k and c.k <= s.now) and '1' or '0', c.m or '',
                    other and other.u or '', c.s and fmt(c.s) or '', c.l and fmt(c.l) or '',
                }
            end
        end
    end
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    mset(writes)
    return reply
end

-- KEYS: evs. The bytes of events, with their digests: {digest, bytes, ...}; "" where none.
local function gk_bytes(keys, argv)
    local reply = {}
    for i, value in ipairs(redis.call('MGET', unpack(keys))) do
        if value then
            local digest, _, ending = ev_header(value)
            reply[2 * i - 1], reply[2 * i] = digest, string.sub(value, ending + 1, -2)
        else
            reply[2 * i - 1], reply[2 * i] = '', ''
        end
    end
    return reply
end

local SETTLE_FIELDS = 12

-- KEYS: meta log due, then D due keys of the channels that wait for this one (`after`), then one
-- document per item. ARGV: epoch, channel, D, names of the D channels, then per item:
--   lease revision level verdict sent reference url code sentence at memo bound
-- verdict: done later wait ask dead uncertain release. at: ms when to try again. memo: "" forgets,
-- "-" keeps. bound: ms after which a late effect at the carrier can no longer come; 0 = no second
-- look is needed.
-- Reply: {"ok", outcome per item: ok already stale broken}.
local function gk_settle(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local name, n_after = argv[2], tonumber(argv[3])
    local dependants = channel_names(argv[4])
    local prefix = string.sub(keys[1], 1, -5)
    local log, due = log_new(), due_new()
    local docs, dirty = {}, {}
    local reply = { 'ok' }

    if not is_type(keys[2], 'stream') or not is_type(keys[3], 'zset') then return { 'type' } end
    for i = 1, (#argv - 4) / SETTLE_FIELDS do
        local a, key = 4 + SETTLE_FIELDS * (i - 1), keys[3 + n_after + i]
        local document = string.sub(key, #prefix + 5)
        local lease, rev, lvl = tonumber(argv[a + 1]), tonumber(argv[a + 2]), tonumber(argv[a + 3])
        local verdict, sent = argv[a + 4], argv[a + 5] == '1'
        local ref, url, code, sentence = argv[a + 6], argv[a + 7], argv[a + 8], argv[a + 9]
        local at, memo, bound = tonumber(argv[a + 10]), argv[a + 11], tonumber(argv[a + 12])
        local d = docs[key]
        if d == nil then d = unpack_doc(redis.call('GET', key)) or false end
        local c = d and d.c[name]

        if not c then
            reply[1 + i] = 'broken'
        elseif c.q == lease then
            reply[1 + i] = 'already' -- the reply to this settle was lost [11]
        else
            local map = due.set[keys[3]]
            local score = map and map[document]
            if score == nil then score = tonumber(redis.call('ZSCORE', keys[3], document) or 0) end
            local own = score == lease
            local r = { rev, lvl, '' }
            docs[key], dirty[key] = d, true
            advance(d, s.now, log, document)
            local cur = d.C
            local newest = cur and cur[REV] == rev and cur[LVL] == lvl
            if newest then r[ULID] = cur[ULID] end
            if own then
                c.q, c.p = lease, nil
                if sent then c.T = true end
                local attempt = (c.n or 0) + 1
                if verdict == 'done' then
                    local looked = c.k and c.k <= s.now
                    c.s, c.l, c.r, c.u = rev, lvl, ref ~= '' and ref or nil, url ~= '' and url or nil
                    c.T = true
                    if lvl == 0 and not c.f then c.f = s.now end
                    -- Done under doubt: the unknown one may still come; look once more when it cannot [12].
                    if c.d and bound > 0 then c.k = s.now + bound elseif looked then c.k = nil end
                    c.d, c.n, c.b, c.m, c.y, c.z = nil, nil, nil, nil, nil, nil
                    local state = lvl == 0 and 'published' or 'withdrawn'
                    if cur and cur[KIND] == 'X' and newest then state = 'ended' end
                    log_add(log, state, document, r, name, attempt, code, ref, url)
                elseif verdict == 'release' then
                    -- Nothing was sent; somebody else may have it at once.
                    c.q = lease
                else
                    if verdict == 'uncertain' then c.d, c.T = s.now, true end
                    local state = ({ later = 'attempted', wait = 'parked', ask = 'deferred', dead = 'dead',
                        uncertain = 'uncertain' })[verdict] or 'attempted'
                    log_add(log, state, document, r, name, attempt, code, ref, url, sentence)
                    -- A verdict on an overtaken revision never delays or buries the newest [4].
                    if newest then
                        c.y, c.z = code, string.sub(sentence, 1, 600)
                        if verdict == 'dead' then
                            c.e, c.v = rev, lvl
                        else
                            c.b = at
                            if verdict == 'later' or verdict == 'uncertain' then c.n = attempt end
                        end
                    else
                        c.n, c.b = nil, nil
                        if lvl == 0 and not shows(c, r) and verdict ~= 'uncertain' then
                            log_add(log, 'superseded', document, r, name, attempt, 'overtaken')
                        end
                    end
                    if memo == '' or not newest then c.m = nil elseif memo ~= '-' then c.m = memo end
                    if ref ~= '' then c.r = ref end
                end
                reply[1 + i] = 'ok'
            else
                -- Not the holder any more: it changes no state, but what it did is not forgotten [11].
                log_add(log, 'uncertain', document, r, name, c.n or 0, 'stale/' .. verdict, ref, url, sentence)
                if sent then
                    c.d, c.T = s.now, true
                    if ref ~= '' and c.r ~= ref then c.r = c.r and (c.r .. ' ' .. ref) or ref end
                end
                reply[1 + i] = 'stale'
            end
            local new = place(d, name, c, score ~= 0 and score or nil, own, s.now, log, document)
            if new ~= nil then due_change(due, keys[3], document, new) end
            for k = 1, n_after do
                local other = d.c[dependants[k]]
                if other and other.a == name then
                    local score2 = tonumber(redis.call('ZSCORE', keys[3 + k], document) or 0)
                    local new2 = place(d, dependants[k], other, score2 ~= 0 and score2 or nil, false,
                        s.now, log, document)
                    if new2 ~= nil then due_change(due, keys[3 + k], document, new2) end
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
    mset(writes)
    due_write(due)
    return reply
end

-- A checkpoint: the memo is on disk before the step that must not be repeated unknown.
-- KEYS: meta due doc. ARGV: epoch, channel, lease, memo.
local function gk_checkpoint(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local prefix = string.sub(keys[1], 1, -5)
    local document = string.sub(keys[3], #prefix + 5)
    if tonumber(redis.call('ZSCORE', keys[2], document) or 0) ~= tonumber(argv[3]) then return { 'stale' } end
    local d = unpack_doc(redis.call('GET', keys[3]))
    local c = d and d.c[argv[2]]
    if not c then return { 'broken' } end
    c.m, c.T = argv[4], true
    redis.call('SET', keys[3], cmsgpack.pack(d))
    return { 'ok' }
end

-- Administration ---------------------------------------------------------------------------------

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

-- KEYS: meta log ctl. ARGV: epoch, what ("stop" or "pause:CHANNEL"), value ("" clears), who, state.
local function gk_control(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local log = log_new()
    if argv[3] == '' then
        redis.call('HDEL', keys[3], argv[2])
    else
        redis.call('HSET', keys[3], argv[2], argv[3])
    end
    log_add(log, argv[5], '', nil, string.match(argv[2], '^pause:(.*)$'), nil, argv[2], nil, nil, argv[3], argv[4])
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    return { 'ok' }
end

-- KEYS: documents. Reply per document: {} or {owner, held ULID or "", current, pending..., channels}.
-- A revision is {rev, lvl, kind, ulid, publish_at, expires, accepted, evid}; a channel {name, state,
-- shown rev, shown lvl, reference, url, first shown, attempts, not before, code, sentence, doubt}.
local function gk_show(keys, argv)
    local reply = {}
    local function record(r)
        if not r then return {} end
        return { fmt(r[REV]), fmt(r[LVL]), r[KIND], r[ULID], fmt(r[AT]), fmt(r[EXP]), fmt(r[ACC]), r[EVID] }
    end
    for i, key in ipairs(keys) do
        local d = unpack_doc(redis.call('GET', key))
        if not d then
            reply[i] = {}
        else
            local pending, channels, names = {}, {}, {}
            for _, r in ipairs(d.P or {}) do pending[#pending + 1] = record(r) end
            for name in pairs(d.c) do names[#names + 1] = name end
            table.sort(names)
            for _, name in ipairs(names) do
                local c, state = d.c[name], 'waiting'
                local cur = d.C
                if cur and is_dead(c, cur) then
                    state = 'dead'
                elseif c.d then
                    state = 'uncertain'
                elseif cur and shows(c, cur) then
                    state = cur[LVL] == 0 and 'published' or (cur[KIND] == 'X' and 'ended' or 'withdrawn')
                elseif not cur then
                    state = 'embargoed'
                elseif (c.n or 0) > 0 then
                    state = 'deferred'
                elseif c.b then
                    state = 'parked'
                end
                channels[#channels + 1] = { name, state, c.s and fmt(c.s) or '', c.l and fmt(c.l) or '',
                    c.r or '', c.u or '', fmt(c.f or 0), fmt(c.n or 0), fmt(c.b or 0), c.y or '', c.z or '',
                    c.d and fmt(c.d) or '' }
            end
            reply[i] = { d.o or '', d.h and d.h[1] or '', record(d.C), pending, channels }
        end
    end
    return reply
end

-- KEYS: held. Reply: {ULID, evid, document, ms, reasons, ...} flat.
local function gk_held_list(keys, argv)
    local reply = {}
    local all = redis.call('HGETALL', keys[1])
    for i = 1, #all, 2 do
        local h = cmsgpack.unpack(all[i + 1])
        reply[#reply + 1] = { all[i], h[1], h[2], fmt(h[3]), h[4], h[5], h[7] }
    end
    return reply
end

-- KEYS: ctl held, then due keys. ARGV: their channels' names.
-- Reply: {stop or "", held, {waiting, ready now, pause or ""} per due key}.
local function gk_status(keys, argv)
    local now = now_ms()
    local reply = { redis.call('HGET', keys[1], 'stop') or '', fmt(redis.call('HLEN', keys[2])) }
    for i = 3, #keys do
        reply[i] = { fmt(redis.call('ZCARD', keys[i])), fmt(redis.call('ZCOUNT', keys[i], '-inf', fmt(now))),
            redis.call('HGET', keys[1], 'pause:' .. argv[i - 2]) or '' }
    end
    return reply
end

-- KEYS: log. ARGV: entry to go back from ("+" = the end), entries to look at, document ("" = any),
-- states by blank ("" = any). Reply: {where to go on or "", ms and record alternating}.
local function gk_log(keys, argv)
    local states = {}
    for state in string.gmatch(argv[4], '%S+') do states[state] = true end
    local reply = { '' }
    local entries = redis.call('XREVRANGE', keys[1], argv[1], '-', 'COUNT', argv[2])
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

redis.register_function('gk1_accept', gk_accept)
redis.register_function { function_name = 'gk1_status', callback = gk_status, flags = { 'no-writes', 'allow-oom' } }
redis.register_function { function_name = 'gk1_log', callback = gk_log, flags = { 'no-writes', 'allow-oom' } }
redis.register_function('gk1_held', gk_held)
redis.register_function { function_name = 'gk1_take', callback = gk_take, flags = { 'allow-oom' } }
redis.register_function { function_name = 'gk1_load', callback = gk_load, flags = { 'allow-oom' } }
redis.register_function { function_name = 'gk1_settle', callback = gk_settle, flags = { 'allow-oom' } }
redis.register_function { function_name = 'gk1_checkpoint', callback = gk_checkpoint, flags = { 'allow-oom' } }
redis.register_function { function_name = 'gk1_control', callback = gk_control, flags = { 'allow-oom' } }
redis.register_function('gk1_hello', gk_hello)
redis.register_function { function_name = 'gk1_bytes', callback = gk_bytes, flags = { 'no-writes', 'allow-oom' } }
redis.register_function { function_name = 'gk1_show', callback = gk_show, flags = { 'no-writes', 'allow-oom' } }
redis.register_function { function_name = 'gk1_held_list', callback = gk_held_list, flags = { 'no-writes', 'allow-oom' } }
