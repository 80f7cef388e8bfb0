#!lua name=gongkai1
-- The document queue. docs/queue.md gives every rule with the failure that it closes; the numbers
-- in brackets below, [n], are the rules there.
--
-- All keys of a region share its code as hash tag, so one call touches one cluster slot:
--   {R}:meta        hash   epoch, n (number of the last log record), seen (greatest TIME), format (of the documents)
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
--   {R}:fetch       hash   ULID -> document, EVID, which attachments are new ("0.2."), by tab
--   {R}:lease:CHANNEL string the last lease handed out
--   {R}:book:CHANNEL:NAME string a note or a count of the channel's (core/store_book.lua)
--   {R}:screens:CHANNEL, {R}:draws:CHANNEL, {R}:seen:CHANNEL hashes: what players report (core/store_screens.lua)
--
-- A Function has no rollback: everything is looked at first, then written, and what makes a repeat
-- of the same event a duplicate is written last.
--
-- The document (absent means nothing, zero or no; pack_doc() says how it lies in Redis):
--   o owner source   t {source = greatest time seen}, or the owner's alone   C revision to be shown now
--   P embargoed revisions by publish_at, ranks rising      c channel, state, channel, state, ...
--   g greatest number an emitter gave to what is shown already (a duplicate by content)
--   h held event {ULID, digest, revision, evid, time, source, 1 when its attachments have come}
--   w some channel waits for another
-- Each global that a Function names is looked for behind a metatable of Redis, which costs as much as ten
-- lines. When a library is loaded there is none of them; so the first call takes hold of what is used often.
local function globals()
    return redis.call, type, next, pairs, ipairs, unpack, pcall, tonumber, assert, string, table, math, struct, cmsgpack
end
local call, type, next, pairs, ipairs, unpack, pcall, tonumber, assert, string, table, math, struct, cmsgpack
local function register(name, callback, flags)
    redis.register_function {
        function_name = name,
        flags = flags,
        callback = function(keys, argv)
            if not call then
                call, type, next, pairs, ipairs, unpack, pcall, tonumber, assert, string, table, math, struct, cmsgpack = globals()
            end
            return callback(keys, argv)
        end,
    }
end

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
    local t = call('TIME') -- TIME is not frozen in a Function: once per call
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

-- The leases that a worker holds, or has held: so it finds its own again. A list with an entry per call:
-- the greatest lease in it, then lease and document alternating (`adds`, as for ZADD), by line. What has passed goes.
local function mine_add(key, adds, most, now)
    call('LPUSH', key, fmt(most) .. '\n' .. table.concat(adds, '\n'))
    for _ = 1, 4 do
        local last = call('LINDEX', key, '-1') -- none, when what is renewed has passed as well
        if not last or tonumber(string.match(last, '^%d+')) > now then break end
        call('RPOP', key)
    end
    call('PEXPIRE', key, '86400000')
end

local function lease_after_passed(lease) return math.floor(lease / 8) % 2 == 1 end

local function class_of_score(score)
    if score < SPLIT then return math.floor(score / CLASS_SPAN) end
    return math.floor(score % 8 / 2)
end

local function clean(text)
    if not text or text == '' then return '' end
    if string.find(text, '%c') then return (string.gsub(text, '%c', ' ')) end
    return text
end
