-- How an event is judged, and enters its document. A part of the library that core/store.lua begins.

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
    local greatest = seen_time(d, e.source)

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
local function is_shut_out(d, e) return e.kind == 'N' and #d.c > 0 end

-- A duplicate by content is not entered, but what it tells of order must not be forgotten: A, B, A
-- resent in another order ends with A. Whether the document changed.
local function heed(d, e)
    local changed = note_time(d, e.source, e.time)
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
    for i = 1, #d.c, 2 do names[#names + 1] = d.c[i] end
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

-- Document, identity, and which attachments were not here: the gate has not seen these.
local function wants_fetch(s, e, document)
    s.fetch[#s.fetch + 1], s.fetch[#s.fetch + 2] = e.ulid, document .. '\t' .. e.evid .. '\t' .. e.pending
end

-- Puts an accepted event into its document: embargo list, current revision, channels, due entries.
-- `extra` is the accepted record's; that record stands before all that follows from it.
local function enter(s, d, e, rev, lvl, document, extra)
    local now, new = s.now, #d.c == 0
    local embargo = e.kind == 'P' and e.at > now and e.at or 0 -- what is not shown need not wait
    local r = { rev, lvl, e.ulid, e.evid, e.digest, embargo, e.expires, e.kind == 'W' and 0 or e.class,
        e.deadline, now, e.kind, e.sum }

    log_add(s.log, 'accepted', document, r, nil, nil, e.kind, nil, nil, e.note, extra)
    if e.kind ~= 'W' then d.o = d.o or e.source end -- who publishes first owns it, who withdraws does not
    note_time(d, e.source, e.time)
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
        if e.pending then wants_fetch(s, e, document) end
    else
        local leased = {}
        for i = 1, #d.c, 2 do
            local name = d.c[i]
            local score = due_score(s.due, s.due_key[name], document)
            leased[name] = score and score % 2 == 1
        end
        succeed(d, r, s.log, document, leased)
    end
    advance(d, now, s.log, document)
    local channels = d.c
    for i = 1, #e.channels do
        local spec = e.channels[i]
        local c = not new and state_of(d, spec[1])
        if not c then
            c = (spec[2] or spec[4]) and {} or '' -- the empty one need not be made
            channels[#channels + 1], channels[#channels + 2] = spec[1], c
        end
        if c ~= '' then c.a, c.o, c.w = spec[2], spec[3], spec[4] end
        if spec[2] then d.w = true end
    end
    local alike, waiting -- channels without any state of their own get the same score
    for i = 1, #channels, 2 do
        local name, c = channels[i], channels[i + 1]
        if c == '' and alike and not s.due.known[s.due_key[name]] then
            due_change(s.due, s.due_key[name], document, alike)
        else
            local untouched = c == ''
            c = state_at(channels, i + 1)
            if c.a then
                waiting = waiting or {}
                waiting[#waiting + 1], waiting[#waiting + 2] = name, c
            else
                local score = due_place(s.due, s.due_key[name], d, name, c, false, now, s.log, document)
                if untouched and next(c) == nil then alike = score end
            end
        end
    end
    if waiting then place_waiting(s.due, s.due_key, d, waiting, now, s.log, document) end
    return r
end

-- A channel, of the document or of the event, that cannot take part: its due key was not given
-- ("again", nothing is written), or is of another type ("broken").
local function lacks_channel(s, d, specs)
    local why, which
    for i = 1, #d.c, 2 do
        local name = d.c[i]
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
    local found, absent, wrong = call('MGET', unpack(wanted)), {}, {}
    for i = 1, #wanted do
        if not found[i] then absent[#absent + 1] = wanted[i] end
    end
    if #absent > 0 and call('EXISTS', unpack(absent)) > 0 then
        for _, key in ipairs(absent) do
            if call('EXISTS', key) == 1 then wrong[key] = true end
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
            for k = 1, d and #d.c or 0, 2 do
                local due = s.due_key[d.c[k]]
                if due and not s.spoilt[d.c[k]] then
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
        if e.pending then wants_fetch(s, e, document) end
        log_add(s.log, 'held', document, { e.revision, 0, e.ulid }, nil, nil, reasons, nil, nil, nil,
            e.extra .. ' ' .. e.evid)
    end
    return 'held'
end

local EVENT = 'sssnnsnnnnssssssss'

-- KEYS: meta log held, same of now, same of before, then C due keys, then ev doc per event.
-- ARGV: epoch, C, names of the C channels by comma, dedup window ms, then per event the digest of what is
-- public in it, whatever document it stands in(raw), and a row (EVENT):
--   ulid kind source time revision digest(raw) publish_at expires class deadline
--   flags(h hold, s hold when same content, d dry run, b backfill, last f0.2. attachments are yet to be fetched,
--   the first and the third), may channels extra due, reasons (of one that is not held: a note for the ledger),
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
        for i = 6, #argv, 2 do
            call('UNLINK', prefix .. 'body:' .. struct.unpack(row_format('s'), argv[i]))
        end
        return { why }
    end
    local n_due, window = tonumber(argv[2]), tonumber(argv[4])
    local first = 5 + n_due
    local n_events = (#argv - 4) / 2
    local at_ev, at_doc = #prefix + 4, #prefix + 5

    prepare(s, channel_names(argv[3]), keys, 5)
    local wanted, contents = {}, {}
    for i = 1, 2 * n_events do wanted[i] = keys[first + i] end
    for i = 1, n_events do contents[i] = argv[3 + 2 * i] end
    local found, wrong = accept_read(wanted)
    local same_now = call('HMGET', keys[4], unpack(contents))
    local same_before = call('HMGET', keys[5], unpack(contents))
    local docs = accept_documents(s, wanted, found, at_doc)

    -- What the batch has done so far, so that each event sees what the earlier ones did [8].
    local evs, same, blocked, dirty = {}, {}, {}, {}
    local held, unwanted, specs_seen = {}, {}, {}
    local format = row_format(EVENT)
    local reply = { 'ok', s.epoch, '' }
    local e = {} -- one table for all events: nothing keeps it
    for i = 1, n_events do
        local ev_key, doc_key = wanted[2 * i - 1], wanted[2 * i]
        local elsewhere = same[contents[i]] or same_now[i] or same_before[i]
        local document = string.sub(doc_key, at_doc)
        local flags, specs, reasons
        local dry, hold = false, false
        e.ulid, e.kind, e.source, e.time, e.revision, e.digest, e.at, e.expires, e.class, e.deadline, flags, e.may, specs,
            e.extra, e.due, reasons, e.over, e.sum = struct.unpack(format, argv[4 + 2 * i])
        e.channels, e.evid = channel_specs(specs, specs_seen), string.sub(ev_key, at_ev)
        e.backfill, e.pending, e.note = false, false, nil
        if flags ~= '' then
            e.pending = e.kind == 'P' and string.match(flags, 'f([%d.]*)')
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
                    status, holder = hold_event(s, d, e, document, reasons, specs, not dry and held)
                    if status == 'stale' then extra = holder else ulid = holder or ulid end
                    rev = 0
                    if s.log.n > n then
                        value = ev_value(e, 'held', { e.revision, 0 }, e.channels.joined, s.now, document)
                    end
                elseif dry then
                    local all = {}
                    for k = 1, #d.c, 2 do all[#all + 1] = d.c[k] end
                    for _, spec in ipairs(e.channels) do
                        if not state_of(d, spec[1]) then all[#all + 1] = spec[1] end
                    end
                    channels = joined(all)
                else
                    e.note = reasons
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

    -- Everything is known, also that it can be packed; from here on only writes, the identities last.
    local writes, n = {}, 0
    for key, d in pairs(dirty) do
        writes[n + 1], writes[n + 2], n = key, pack_doc(d), n + 2
    end
    for key, value in pairs(evs) do
        writes[n + 1], writes[n + 2], n = key, value, n + 2
    end
    if #unwanted > 0 then call('UNLINK', unpack(unwanted)) end
    due_write(s.due)
    for i = 1, #s.unheld do call('HDEL', keys[3], s.unheld[i]) end
    if #held > 0 then call('HSET', keys[3], unpack(held)) end
    if #s.fetch > 0 then call('HSET', prefix .. 'fetch', unpack(s.fetch)) end
    local marks, n_marks = {}, 0
    for content, document in pairs(same) do
        marks[n_marks + 1], marks[n_marks + 2], n_marks = content, document, n_marks + 2
    end
    if n_marks > 0 then
        call('HSET', keys[4], unpack(marks))
        call('PEXPIRE', keys[4], fmt(2 * window))
    end
    reply[3] = fmt(log_write(s.log, keys[1], keys[2], s.epoch, s.n, s.now))
    mset(writes)
    return reply
end

register('gk1_accept', gk_accept, {})
