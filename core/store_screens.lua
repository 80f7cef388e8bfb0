-- What players (screens that draw documents by themselves) report in their heartbeats: what each draws
-- now, and since when, and on each day for how long. A part of the library that core/store.lua begins.
--   {R}:screens:CHANNEL  hash, player -> BEAT: last heartbeat, the day in Asia/Shanghai, how long the player
--                        was on that day (ms), how many documents it draws. All that an unchanged heartbeat writes
--   {R}:draws:CHANNEL    hash, player -> what it draws, by line: document, revision, digest, by tab; sorted
--   {R}:seen:CHANNEL     hash, document tab player -> DRAWN: revision, since when, its day, how long the
--                        player had been on that day by then, digest
--
-- A player is on between two heartbeats that are no further apart than BEAT_MOST: so one that is heard by
-- two workers, or comes twice, counts once. A document was shown then if both heartbeats name it.
-- In the log a record `seen` (reference: the player) says what began, `screen/on` with the digest as extra,
-- and what ended, `screen/off` with "DAY MS LAST": how long it was shown on the last day, and the last
-- heartbeat with it. `screen/day` says the same at the first heartbeat of another day.

local BEAT_MOST, MOST_PLAYERS = 90000, 1000
local BEAT, DRAWN = '>i8I4i8I4', '>i8i8I4i8c64'

local function shanghai_day(ms) return math.floor((ms + 28800000) / 86400000) end

-- The civil date of a day since 1970, by counting 400 years of 146097 days from a first of March.
local function day_text(day)
    local z = day + 719468
    local era = math.floor(z / 146097)
    local of_era = z - era * 146097
    local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
    local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
    local m = math.floor((5 * of_year + 2) / 153)
    local month = m < 10 and m + 3 or m - 9
    return string.format('%04d-%02d-%02d', year + era * 400 + (month <= 2 and 1 or 0), month,
        of_year - math.floor((153 * m + 2) / 5) + 1)
end

local function screen_keys_sound(keys, first)
    for i = first, first + 2 do
        if not is_type(keys[i], 'hash') then return false end
    end
    return true
end

-- The heartbeats before; nil: never heard of, false: unreadable.
local function read_beat(text)
    if not text then return nil end
    local well, last, day, on, n = pcall(struct.unpack, BEAT, text)
    if not well or #text ~= 24 then return false end
    return { last = last, day = day, on = on, n = n }
end

local function read_drawn(text)
    if not text or #text ~= 92 then return nil end
    local rev, since, day, on, digest = struct.unpack(DRAWN, text)
    return { rev = rev, since = since, day = day, on = on, digest = digest }
end

-- Lines by document. A document that stands there twice is drawn with the greater revision.
local function lines_by_document(lines)
    local by = {}
    for _, line in ipairs(lines) do
        local document, rev = string.match(line, '^([^\t]*)\t(%d+)\t')
        if document and (not by[document] or tonumber(rev) > by[document].rev) then
            by[document] = { line = line, rev = tonumber(rev), digest = string.match(line, '[^\t]*$') }
        end
    end
    return by
end

local function split_lines(text)
    local lines = {}
    for line in string.gmatch(text or '', '[^\n]+') do lines[#lines + 1] = line end
    return lines
end

-- How long a document was shown on the day of beat b, when the player has been on for `on` that day.
local function shown_on(d, b, on)
    if not d then return 0 end
    return math.max(0, on - (d.day == b.day and d.on or 0))
end

local function seen_many(key, documents, player)
    local drawn, fields = {}, {}
    for i, document in ipairs(documents) do fields[i] = document .. '\t' .. player end
    for i = 1, #fields, 2000 do
        local some = call('HMGET', key, unpack(fields, i, math.min(i + 1999, #fields)))
        for k = 1, #some do drawn[documents[i + k - 1]] = read_drawn(some[k]) end
    end
    return drawn
end

local function hash_write(key, sets, gone)
    for i = 1, #sets, 2000 do call('HSET', key, unpack(sets, i, math.min(i + 1999, #sets))) end
    for i = 1, #gone, 2000 do call('HDEL', key, unpack(gone, i, math.min(i + 1999, #gone))) end
end

local function log_off(log, code, document, was, channel, player, b, ms, who)
    log_add(log, 'seen', document, { was.rev, 0 }, channel, nil, code, player, nil, who,
        day_text(b.day) .. ' ' .. fmt(ms) .. ' ' .. fmt(b.last))
end

-- The beat after b, at `now`: when it is, how long the player was on the day of b by its end, and the beat.
local function next_beat(b, now, n)
    if not b then return now, 0, { last = now, day = shanghai_day(now), on = 0, n = n } end
    local at, on, whole = math.max(now, b.last), 0, b.on -- a clock that was put back counts nothing twice
    local day = shanghai_day(at)
    if at - b.last <= BEAT_MOST then
        if day == b.day then
            on = b.on + at - b.last
        else
            local midnight = day * 86400000 - 28800000
            whole, on = b.on + midnight - b.last, at - midnight
        end
    elseif day == b.day then
        on = b.on
    end
    return at, whole, { last = at, day = day, on = on, n = n }
end

-- A heartbeat, with all that the player draws in this region. KEYS: meta log screens draws seen. ARGV: epoch,
-- channel, player, then document, revision, digest of each. Reply: {"ok", documents of which something began or
-- ended ...}, {"full"}: there are too many players to take in another one, or {"broken"}.
local function gk_sight(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local channel, player, lines = argv[2], argv[3], {}
    if not is_type(keys[2], 'stream') or not screen_keys_sound(keys, 3) then return { 'type' } end
    local b = read_beat(call('HGET', keys[3], player))
    if b == false then return { 'broken' } end
    if not b and call('HLEN', keys[3]) >= MOST_PLAYERS then return { 'full' } end
    for i = 4, #argv - 2, 3 do lines[#lines + 1] = argv[i] .. '\t' .. argv[i + 1] .. '\t' .. argv[i + 2] end
    table.sort(lines)
    local list, old_list = table.concat(lines, '\n'), call('HGET', keys[4], player) or ''
    local same = list == old_list
    local new, old = lines_by_document(lines), nil
    local n = 0
    for _ in pairs(new) do n = n + 1 end
    local at, whole, beat = next_beat(b, s.now, n)
    local day_over = b and beat.day ~= b.day
    local log, changed, sets, gone = log_new(), {}, {}, {}
    if not same or day_over then
        old = same and new or lines_by_document(split_lines(old_list))
        local names = {}
        for document in pairs(old) do names[#names + 1] = document end
        table.sort(names)
        local drawn = seen_many(keys[5], names, player)
        for _, document in ipairs(names) do
            local was, is, d = old[document], new[document], drawn[document]
            if not is or is.rev ~= was.rev or is.digest ~= was.digest then
                log_off(log, 'screen/off', document, was, channel, player, b, shown_on(d, b, b.on))
                if not is then gone[#gone + 1], changed[#changed + 1] = document .. '\t' .. player, document end
            elseif day_over and shown_on(d, b, whole) > 0 then
                log_off(log, 'screen/day', document, was, channel, player, b, shown_on(d, b, whole))
            end
        end
        names = {}
        for document in pairs(new) do names[#names + 1] = document end
        table.sort(names)
        for _, document in ipairs(names) do
            local was, is = old[document], new[document]
            if not was or is.rev ~= was.rev or is.digest ~= was.digest then
                log_add(log, 'seen', document, { is.rev, 0 }, channel, nil, 'screen/on', player, nil, nil, is.digest)
                sets[#sets + 1] = document .. '\t' .. player
                sets[#sets + 1] = struct.pack(DRAWN, is.rev, at, beat.day, beat.on, is.digest)
                changed[#changed + 1] = document
            end
        end
    end
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    hash_write(keys[5], sets, gone)
    if not same then hash_write(keys[4], list ~= '' and { player, list } or {}, list == '' and { player } or {}) end
    call('HSET', keys[3], player, struct.pack(BEAT, beat.last, beat.day, beat.on, beat.n))
    return { 'ok', unpack(changed) }
end

-- A player was taken away: what it drew ends with its last heartbeat.
-- KEYS: meta log screens draws seen. ARGV: epoch, channel, player, who. Reply: {"ok", documents...} or {"none"}.
local function gk_screen_forget(keys, argv)
    local s, why = open(keys[1], argv[1])
    if not s then return { why } end
    local channel, player, names, fields = argv[2], argv[3], {}, {}
    if not is_type(keys[2], 'stream') or not screen_keys_sound(keys, 3) then return { 'type' } end
    local text = call('HGET', keys[3], player)
    if not text then return { 'none' } end
    -- One that cannot be read goes as well: nobody else would get rid of it.
    local b = read_beat(text) or { last = s.now, day = shanghai_day(s.now), on = 0 }
    local old, log = lines_by_document(split_lines(call('HGET', keys[4], player))), log_new()
    for document in pairs(old) do names[#names + 1] = document end
    table.sort(names)
    local drawn = seen_many(keys[5], names, player)
    for i, document in ipairs(names) do
        log_off(log, 'screen/off', document, old[document], channel, player, b, shown_on(drawn[document], b, b.on), argv[4])
        fields[i] = document .. '\t' .. player
    end
    log_write(log, keys[1], keys[2], s.epoch, s.n, s.now)
    hash_write(keys[5], {}, fields)
    call('HDEL', keys[4], player)
    call('HDEL', keys[3], player)
    return { 'ok', unpack(names) }
end

-- KEYS: screens seen. ARGV: document, or "". Reply: {"ok", TIME ms, then for each player name, last heartbeat, how many
-- documents it draws, and of this document revision, digest and since when it draws it ("" without)}.
local function gk_sightings(keys, argv)
    if not is_type(keys[1], 'hash') or not is_type(keys[2], 'hash') then return { 'type' } end
    local reply, all, names = { 'ok', fmt(now_ms()) }, call('HGETALL', keys[1]), {}
    for i = 1, #all, 2 do names[#names + 1] = argv[1] .. '\t' .. all[i] end
    local some = {}
    if argv[1] ~= '' and #names > 0 then some = call('HMGET', keys[2], unpack(names)) end
    for i = 1, #all, 2 do
        local b = read_beat(all[i + 1])
        if b then
            local d, at = read_drawn(some[(i + 1) / 2]), #reply
            reply[at + 1], reply[at + 2], reply[at + 3] = all[i], fmt(b.last), fmt(b.n)
            reply[at + 4], reply[at + 5], reply[at + 6] = d and fmt(d.rev) or '', d and d.digest or '', d and fmt(d.since) or ''
        end
    end
    return reply
end

-- For people: which players there are, and what each draws that is withdrawn, expired or at the end of its
-- display on this channel. KEYS: meta screens draws. ARGV: channel. The documents' keys are of the same
-- slot. Reply: {name, last heartbeat, how many documents, {document, revision, ...}} per player.
local function gk_screens(keys, argv)
    local prefix, reply = string.sub(keys[1], 1, -5) .. 'doc:', {}
    if not is_type(keys[2], 'hash') or not is_type(keys[3], 'hash') then return reply end
    local all = call('HGETALL', keys[2])
    for i = 1, #all, 2 do
        local b, left = read_beat(all[i + 1]), {}
        local old, names, wanted = lines_by_document(split_lines(call('HGET', keys[3], all[i]))), {}, {}
        for document in pairs(old) do names[#names + 1] = document end
        table.sort(names)
        for k, document in ipairs(names) do wanted[k] = prefix .. document end
        for k, value in ipairs(mget(wanted, 1)) do
            local d = unpack_doc(value or nil, argv[1])
            local c = d and state_of(d, argv[1])
            if d and d.C and (d.C[LVL] > 0 or (c and c.E == d.C[REV])) then
                left[#left + 1], left[#left + 2] = names[k], fmt(old[names[k]].rev)
            end
        end
        reply[#reply + 1] = { all[i], fmt(b and b.last or 0), fmt(b and b.n or 0), left }
    end
    return reply
end

register('gk1_sight', gk_sight, { 'allow-oom' })
register('gk1_screen_forget', gk_screen_forget, { 'allow-oom' })
register('gk1_sightings', gk_sightings, { 'no-writes', 'allow-oom' })
register('gk1_screens', gk_screens, { 'no-writes', 'allow-oom' })
