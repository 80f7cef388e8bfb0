-- What workers do: take, load, renew, checkpoint, settle. A part of the library that core/store.lua begins.

-- KEYS: due lease ctl gate mine. ARGV: channel, how many, lease ms, worker ("" = none; mine is its key),
-- limits (per second, minute, day, of these for the top alone, at once; 0 = none).
-- Reply: {"ok", ms until the next look or -1, document, lease, passed (1: found with a passed lease), ...} or
-- {"paused", why}. Only the due set is touched: documents are read by gk_load. With "stopped" for
-- "ok" only withdrawals are due; a passed lease comes out all the same, and its holder releases what
-- gk_load then calls a publication. "open": the breaker is open; "probe": it is tried with one.
local function gk_take(keys, argv)
    local now = now_ms()
    local ctl = call('HMGET', keys[3], 'stop', 'pause:' .. argv[1])
    if ctl[2] then return { 'paused', ctl[2] } end
    local count = tonumber(argv[2])
    local room = gate.room(keys[4], now, gate.numbers(argv[5]), count)
    local reply = { room.state, fmt(room.soon) }
    if room.top <= 0 then return reply end

    -- What has come of age moves into the ready zone; a passed lease is handed out at once, since
    -- only the score remembers that its holder may have sent something [2].
    local aged = call('ZRANGE', keys[1], fmt(SPLIT), fmt(now), 'BYSCORE', 'LIMIT', 0, count * 4,
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
            if may(class) then taken[#taken + 1], taken[#taken + 2], taken[#taken + 3] = aged[i], class, '1' end
        else
            moves[#moves + 1] = fmt(ready_score(now, class, EPOCH_2020))
            moves[#moves + 1] = aged[i]
        end
    end
    if #moves > 0 then call('ZADD', keys[1], unpack(moves)) end
    local function ready(from, below, left)
        if left <= 0 then return end
        if room.state == 'probe' then
            -- Any one, not the first: a document that makes the endpoint fail would keep it shut for all.
            local n = call('ZCOUNT', keys[1], from, '(' .. fmt(below))
            if n == 0 then return end
            local list = call('ZRANGE', keys[1], now % n, now % n, 'WITHSCORES')
            taken[1], taken[2], taken[3] = list[1], class_of_score(tonumber(list[2])), '0'
            fresh, n_top = 1, 1
            return
        end
        local list = call('ZRANGE', keys[1], from, '(' .. fmt(below), 'BYSCORE', 'LIMIT', 0, left, 'WITHSCORES')
        for i = 1, #list, 2 do
            local class = class_of_score(tonumber(list[i + 1]))
            if not may(class) then return end
            local n = #taken
            taken[n + 1], taken[n + 2], taken[n + 3] = list[i], class, '0'
            fresh = fresh + 1
        end
    end
    if ctl[1] then
        ready('-inf', CLASS_SPAN, math.min(room.top - #taken / 3, room.fresh)) -- stopped: withdrawals still go
    else
        ready('-inf', SPLIT, math.min(room.top - #taken / 3, room.fresh))
    end

    if #taken > 0 then
        -- A lease is never handed out twice, also when the clock steps back [13].
        local last = tonumber(call('GET', keys[2]) or 0)
        local lease = math.max(math.ceil((now + tonumber(argv[3])) / 16) * 16, last + 16)
        local adds, n = {}, 2
        for i = 1, #taken, 3 do
            local value = fmt(lease + (taken[i + 2] == '1' and 8 or 0) + taken[i + 1] * 2 + 1)
            adds[n - 1], adds[n] = value, taken[i]
            n = n + 2
            reply[i + 2], reply[i + 3], reply[i + 4] = taken[i], value, taken[i + 2]
        end
        if argv[4] ~= '' then mine_add(keys[5], adds, lease + 16, now) end
        call('ZADD', keys[1], unpack(adds))
        call('SET', keys[2], fmt(lease))
    end
    if #taken > 0 or #room.counts > 0 then
        gate.handed(keys[4], room, #taken / 3, fresh, now, taken[1])
    end
    if #taken / 3 >= count then
        reply[2] = '0'
    else
        -- The next thing that comes of age, the next window of pace or quota; and what others of this
        -- channel have in hand may end at any time.
        local wait = room.soon
        local soon = call('ZRANGE', keys[1], '(' .. fmt(now), '+inf', 'BYSCORE', 'LIMIT', 0, 1,
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
    local scores = call('ZMSCORE', keys[1], unpack(documents))
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
        local last = tonumber(call('GET', keys[2]) or 0)
        if argv[1] ~= '' then mine_add(keys[3], adds, most + 16, now) end
        call('ZADD', keys[1], unpack(adds))
        if most > last then call('SET', keys[2], fmt(most)) end
    end
    return reply
end

-- The worker that speaks has just begun, and nobody else goes by its name: what it held before it died
-- need not wait for its lease. It is made a passed one, which the next take finds, with the doubt [2].
-- KEYS: due mine. ARGV: nothing. Reply: {"ok", how many}.
local function gk_reclaim(keys, argv)
    local now, moves = now_ms(), {}
    local passed = math.floor(now / 16) * 16
    for _, entry in ipairs(call('LRANGE', keys[2], 0, -1)) do
        for word, document in string.gmatch(entry, '\n([^\n]+)\n([^\n]+)') do
            local lease = tonumber(word)
            if lease > now and tonumber(call('ZSCORE', keys[1], document) or 0) == lease then
                moves[#moves + 1] = fmt(passed + class_of_score(lease) * 2 - 15)
                moves[#moves + 1] = document
            end
        end
    end
    for i = 1, #moves, 2000 do call('ZADD', keys[1], unpack(moves, i, math.min(i + 1999, #moves))) end
    call('UNLINK', keys[2])
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

-- What a worker is to do for a document that it has leased, as a row (WORK): document, lease, mark, and "work", revision, level,
-- kind, ULID, EVID, accepted, reference, url, first shown, attempts, doubt(1, 0), memo, url on the channel it
-- waits for, shown revision, shown level (-1: none), in doubt since, digest(raw), class, generation of a put-back or 0,
-- end of display, legal deadline, sum of the bytes, 1 when something of an overtaken revision may have been
-- sent, when the second look is due if that is still ahead; or else nil and (NO_WORK) "none": nothing is to be done now, release
-- it; "poison": the same, it has just been given up; "stale": the lease has passed and somebody else has it, forget it; "broken".
-- More than one reference (by blank): those after the first are left over from stale attempts. And the
-- document as it is to be written, if it changed. `score` is what the due set has for it.
local WORK, NO_WORK = 'snssnnsssnssnnnssnnnsnnsnsnn', 'snss'
local function work_of(s, name, document, value, lease, mark, score, log)
    local d = unpack_doc(value, name)
    local c = d and state_of(d, name)
    if not c then return nil, d == false and 'broken' or 'none' end
    if score ~= lease then return nil, 'stale' end -- what it would note down here is the holder's affair
    local row, answer, before, n_before = nil, 'none', d.C, log.n
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
        local other = c.a and state_of(d, c.a)
        whole_current(d)
        local ref, url, memo, other_url = c.r or '', c.u or '', c.m or '', other and other.u or ''
        local over = is_over(c, cur, s.now) and c.w or ''
        row = struct.pack(row_format(WORK), #document, document, lease, #mark, mark, 4, 'work', cur[REV], cur[LVL], #cur[KIND],
            cur[KIND], #cur[ULID], cur[ULID], #cur[EVID], cur[EVID], cur[ACC], #ref, ref, #url, url, c.f or 0, c.n or 0,
            (c.d or look) and 1 or 0, #memo, memo, #other_url, other_url, c.s or -1, c.l or -1, c.d or 0, #cur[DG],
            cur[DG], cur[CLASS], put_back_owed(c) and c.G or 0, #over, over, cur[DEADLINE] or 0, #cur[SUM], cur[SUM],
            c.M and 1 or 0, c.k and c.k > s.now and c.k or 0)
    elseif c.y == 'poison' and changed and cur and is_dead(c, cur) then
        answer = 'poison'
    end
    return row, answer, (changed or log.n > n_before) and pack_doc(d)
end

-- A row per document goes to `reply`. `items` is document, lease and mark of the take alternating, `scores`
-- (by document; nil: they were written in this call) what the due set has. Leases have been written by now, so a
-- document that cannot be read after all must not fail the others.
local function load(s, keys, name, items, scores, reply)
    local writes, wanted, log, format = {}, {}, log_new(), row_format(NO_WORK)
    local prefix = string.sub(keys[1], 1, -5) .. 'doc:'
    for i = 1, #items, 3 do wanted[#wanted + 1] = prefix .. items[i] end
    local found = mget(wanted, 1)
    for i = 1, #wanted do
        local document, mark, n_before = items[3 * i - 2], items[3 * i], log.n
        local lease = tonumber(items[3 * i - 1])
        local score = lease
        if scores then score = scores[document] end
        local well, row, answer, value = pcall(work_of, s, name, document, found[i], lease, mark, score, log)
        if not well then log.n, row, answer, value = n_before, nil, 'broken', nil end
        if value then writes[#writes + 1], writes[#writes + 2] = wanted[i], value end
        reply[#reply + 1] = row or struct.pack(format, #document, document, lease, #mark, mark, #answer, answer)
    end
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    mset(writes)
    return reply
end

-- KEYS: meta log due, then documents. ARGV: epoch, channel, then per document its lease and the mark that
-- gk_take gave with it. Reply: {"ok", now, row of work_of() per document}.
local function gk_load(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local at_doc, items, documents, due = #keys[1] + 1, {}, {}, due_new()
    if not is_type(keys[2], 'stream') or not is_type(keys[3], 'zset') then return { 'type' } end
    for i = 4, #keys do
        local document = string.sub(keys[i], at_doc)
        documents[i - 3] = document
        items[3 * i - 11], items[3 * i - 10], items[3 * i - 9] = document, argv[2 * i - 5], argv[2 * i - 4]
    end
    due_read(due, keys[3], documents)
    return load(s, keys, argv[2], items, due.known[keys[3]], { 'ok', fmt(s.now) })
end

-- gk_take and gk_load in one, for a store on one node: the documents' keys cannot be declared. Where they
-- could be on another node, the two are called one after the other.
-- KEYS: due lease ctl gate mine meta log. ARGV: epoch, then as gk_take.
-- Reply: the first two words of gk_take, then a row of work_of() per document.
local function gk_work(keys, argv)
    local s, why = open(keys[6], argv[1])
    if not s then return { why } end
    if not is_type(keys[7], 'stream') then return { 'type' } end
    local taken = gk_take(keys, { unpack(argv, 2) })
    local reply = { table.remove(taken, 1), table.remove(taken, 1) }
    if #taken == 0 then return reply end
    return load(s, { keys[6], keys[7] }, argv[2], taken, nil, reply)
end

local OUTCOME = 'nnnsnssssnsnnsnns'

-- KEYS: meta log due gate, then D due keys of the channels that wait for this one (`after`), then one
-- document per item. ARGV: epoch, channel, D, names of the D channels, breaker (gate.settling), then per item a
-- row (OUTCOME):
--   lease revision level verdict sent(1, 0) reference url code sentence at memo bound
--   generation health hold final(1, 0) extra
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
    local first, n_items = 4 + n_after, #argv - 5
    local prefix = string.sub(keys[1], 1, -5)
    local log, due = log_new(), due_new()
    local docs, dirty = {}, {}
    local reply, format = { 'ok' }, row_format(OUTCOME)

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
        local d = docs[key]
        if d == nil then
            d = unpack_doc(found[i], name) or false
            docs[key] = d
        end
        for k = 1, d and d.w and #d.c or 0, 2 do
            local other, c = d.c[k], state_at(d.c, k + 1)
            if c.a and (c.a == name or waits[c.a]) and not waits[other] and other ~= name then return { 'again', other } end
        end
    end
    due_read(due, keys[3], documents)
    for i = 5, first do due_read(due, keys[i], documents) end

    for i = 1, n_items do
        local key, document = keys[first + i], documents[i]
        local lease, rev, lvl, verdict, sent, ref, url, code, sentence, at, memo, bound, generation, health, hold, final,
            extra = struct.unpack(format, argv[5 + i])
        sent = sent == 1
        local d = docs[key]
        local c = d and state_of(d, name)

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
                    -- What it sent may stand over what took it away since. That comes again, and as a repair: a
                    -- carrier that honours keys would take the same one for known [22].
                    if cur and cur[LVL] > 0 and lvl == 0 then c.G = (c.G or 0) + 1 end
                end
                reply[1 + i] = 'stale'
            else
                if passed_unnoted(c, lease) then note_passed(c, lease, s.now, log, document, before, name) end
                c.q, c.p, c.x = lease, nil, nil
                g.landed = g.landed + 1
                local parked = gate.heard(g, document, health, hold, log, name)
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
                        change_current(d)[UNTIL] = end_of_display(cur[UNTIL], s.now)
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
                    if at > s.now then c.k = math.max(c.k or 0, at) end -- something is left to be cleared away then
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
                    elseif counts and final == 1 then
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
            for k = 1, d.w and n_after or 0 do
                local other = state_of(d, waiting[k])
                if other then
                    due_place(due, keys[4 + k], d, waiting[k], other, false, s.now, log, document)
                end
            end
        end
    end
    local writes = {}
    for key in pairs(dirty) do
        writes[#writes + 1] = key
        writes[#writes + 1] = pack_doc(docs[key])
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
    if tonumber(call('ZSCORE', keys[2], document) or 0) ~= tonumber(argv[3]) then return { 'stale' } end
    local d = unpack_doc(call('GET', keys[3]), argv[2])
    local c = d and state_of(d, argv[2])
    if not c then return { 'broken' } end
    c.T = true
    if not argv[5] or (d.C and d.C[REV] == tonumber(argv[5]) and d.C[LVL] == tonumber(argv[6])) then
        c.m = argv[4]
    end
    call('SET', keys[3], pack_doc(d))
    return { 'ok' }
end

register('gk1_take', gk_take, { 'allow-oom' })
register('gk1_renew', gk_renew, { 'allow-oom' })
register('gk1_reclaim', gk_reclaim, { 'allow-oom' })
register('gk1_load', gk_load, { 'allow-oom' })
register('gk1_work', gk_work, { 'allow-oom' })
register('gk1_settle', gk_settle, { 'allow-oom' })
register('gk1_checkpoint', gk_checkpoint, { 'allow-oom' })
