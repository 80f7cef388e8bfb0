/* The player: fetches the playlist, chooses what is shown, and turns the pages.
 *
 * Plain scripts in ES2019 without modules, no library, nothing fetched from elsewhere: it must
 * run in the browser of an old Android box or a television (Chromium 80 and later). No optional
 * chaining, no `??`, no replaceAll(), no replaceChildren(), no flex gap; CSS newer than that is
 * only used where its absence does no harm.
 *
 * One timer ticks and does everything that depends on time, another one polls; each is armed anew
 * when it has fired, so a slow box is late but never has two of them.
 *
 * In the address: ?poll=SECONDS ?timeout=SECONDS ?speed=FACTOR ?debug=1 (see ../README.md). */
(function () {
    'use strict';

    const gongkai = window.gongkai;
    const clock = gongkai.clock;
    const screen = gongkai.screen;

    const given = new URLSearchParams(location.search);
    const number = (name, usual, least, most) => {
        const value = parseFloat(given.get(name));
        return value >= least && value <= most ? value : usual;
    };

    const POLL_MS = number('poll', 3, 0.1, 3600) * 1000;
    const TIMEOUT_MS = number('timeout', 10, 0.1, 60) * 1000;
    const SPEED = number('speed', 1, 0.1, 1000);
    const TICK_MS = 250;
    const OFFLINE_POLLS = 5;

    // Reading: five Han characters a second, and two seconds to find the first line.
    const CHARACTERS_PER_SECOND = 5;
    const FIND_MS = 2000;
    const PAGE_LEAST_MS = 8000;
    const PAGE_MOST_MS = 40000;

    // A very long document gives way to the others after so many pages, and goes on next time.
    const TURN_PAGES = 20;

    const KEEP_CLOCK_MS = 5 * 60 * 1000;
    const RELOAD_LEAST_MS = 10 * 60 * 1000;

    let list = null;                // the last good playlist
    let listText = '';              // its text, to know it again
    let etag = '';
    let storedAt = 0;               // when the kept playlist was fetched, corrected clock
    let goodAt = 0;                 // when the last good fetch was, corrected clock
    let goodMono = -1;              // the same by performance.now(); -1: none since the page began
    let polls = 0;
    let failures = 0;
    let problem = '';
    let polling = false;
    let pollTimer = 0;
    let firstPlayer = null;         // the version of this page's files that the server last named

    let current = null;             // {entry, page, pages, from, deadline, dirty}
    let lastUrgent = null;          // {document, position} shown last of each sort, for the turn: not a
    let lastPlain = null;           // word more of what may be withdrawn by then
    let wasUrgent = false;
    let told = new Set();           // urgent entries shown at least once
    let begun = new Set();          // others that were, perhaps not to their last page
    let resume = new Map();         // document -> page, of those that gave way
    let resized = false;
    let keptClockMono = 0;

    const key = entry => entry.document + '\n' + entry.revision;
    const isNew = entry => !begun.has(key(entry)) && !gongkai.beat.isDrawn(entry);

    // ---- which entry ----

    function onShow() {
        const now = clock.now();
        return list ? list.entries.filter(each => each.start <= now && now < each.end) : [];
    }

    // The one after `last` in `some`; where `last` is gone, the one that took its place.
    function after(some, last) {
        const index = last ? some.findIndex(each => each.document === last.document) : -1;

        if (index >= 0)
            return some[(index + 1) % some.length];
        return last && some.find(each => each.position >= last.position) || some[0];
    }

    // Urgent ones first, each; then one between every two others. Of these a new one is next.
    function choose(some) {
        const urgent = some.filter(each => each.urgent);
        const plain = some.filter(each => !each.urgent);
        const fresh = urgent.find(each => !told.has(key(each)));

        if (fresh)
            return fresh;
        if (urgent.length > 0 && (plain.length === 0 || !wasUrgent))
            return after(urgent, lastUrgent);
        return plain.find(isNew) || after(plain, lastPlain);
    }

    function reading(page) {
        const ms = FIND_MS + page.weight / CHARACTERS_PER_SECOND * 1000;
        return Math.min(PAGE_MOST_MS, Math.max(PAGE_LEAST_MS, ms)) / SPEED;
    }

    function turnTo(page) {
        const wait = reading(current.pages[page]);

        current.page = page;
        current.deadline = performance.now() + wait;
        screen.page(page, wait);
        if (page === current.pages.length - 1)
            gongkai.beat.drew(current.entry, clock.now());
    }

    function lay(entry) {
        const made = {entry: entry, page: 0, pages: [], from: 0, deadline: 0, dirty: false};

        made.pages = screen.lay(entry, () => { made.dirty = true; });
        return made;
    }

    function show(entry, page) {
        // Noted first: an entry that cannot be laid out must not be chosen again and again.
        const last = {document: entry.document, position: entry.position};

        wasUrgent = entry.urgent;
        if (entry.urgent) {
            lastUrgent = last;
            told.add(key(entry));
        } else {
            if (!isNew(entry))
                lastPlain = last;
            begun.add(key(entry));
        }
        current = lay(entry);
        current.from = Math.min(page, current.pages.length - 1);
        turnTo(current.from);
    }

    function next(some) {
        const entry = choose(some);

        if (!entry) {
            if (current)
                screen.idle();
            current = null;
            return;
        }
        // Alone, and on one page: it just stays.
        if (current && current.entry === entry && current.pages.length === 1) {
            current.deadline = performance.now() + reading(current.pages[0]);
            gongkai.beat.drew(entry, clock.now());
            return;
        }
        const page = resume.get(entry.document) || 0;
        resume.delete(entry.document);
        show(entry, page);
    }

    function turn(some) {
        const page = current.page + 1;

        if (page >= current.pages.length) {
            next(some);
        } else if (page - current.from >= TURN_PAGES && some.length > 1) {
            resume.set(current.entry.document, page);
            next(some);
        } else {
            turnTo(page);
        }
    }

    // The glass was turned or resized, or a picture came: same place, counted anew.
    function again() {
        const part = current.page / current.pages.length;

        if (resized)
            current = Object.assign(lay(current.entry), {from: 0});
        else
            current.pages = screen.recount();
        current.dirty = false;
        resized = false;
        turnTo(Math.min(current.pages.length - 1, Math.floor(part * current.pages.length)));
    }

    // ---- the beat ----

    function beat() {
        const stepped = clock.tick();
        const mono = performance.now();
        const some = onShow();

        if (stepped)
            pollSoon();
        if (mono - keptClockMono > KEEP_CLOCK_MS) {
            keptClockMono = mono;
            gongkai.playlist.write('clock', clock.saved());
        }
        screen.clock(clock.now());
        screen.mark(offline() ? goodAt || storedAt : null, clock.now());

        const fresh = some.some(each => each.urgent && !told.has(key(each)));
        if (!current || some.indexOf(current.entry) < 0 || (fresh && !current.entry.urgent))
            next(some);
        else if (mono >= current.deadline)
            turn(some);
        if (current && (current.dirty || resized))
            again();
        // Not before the first fetch: what was kept from yesterday may be withdrawn.
        if (goodMono >= 0 || failures > 0)
            gongkai.beat.tick(list, some);
        debug();
    }

    function tick() {
        setTimeout(tick, TICK_MS);
        try {
            beat();
        } catch (error) {
            // Whatever it was, the clock must go on and the next notice must come.
            problem = 'beat: ' + error.message;
            current = null;
            screen.idle();
        }
    }

    // ---- the playlist ----

    function offline() {
        const mono = performance.now();

        if (goodMono >= 0)
            return mono - goodMono > OFFLINE_POLLS * POLL_MS;
        if (list)
            return failures > 0 && clock.now() - storedAt > OFFLINE_POLLS * POLL_MS;
        return mono > OFFLINE_POLLS * POLL_MS;
    }

    /* Takes a new list. What is being shown goes on undisturbed where it is in the new list
     * unchanged; else the next beat finds it gone. */
    function take(playlist) {
        const keys = new Set(playlist.entries.map(key));
        const documents = new Set(playlist.entries.map(each => each.document));
        const words = list && list.language;

        gongkai.playlist.inherit(playlist, list);
        list = playlist;
        screen.house(playlist);
        told.forEach(each => { if (!keys.has(each)) told.delete(each); });
        begun.forEach(each => { if (!keys.has(each)) begun.delete(each); });
        resume.forEach((page, each) => { if (!documents.has(each)) resume.delete(each); });

        gongkai.beat.keep(list.entries);

        if (!current)
            return;
        const same = list.entries.find(each => each.same === current.entry.same);
        if (same && words === playlist.language) {
            current.entry = same;
            return;
        }
        // Another revision of what is being read begins at once, from its first page.
        const newer = onShow().find(each => each.document === current.entry.document);
        if (newer)
            show(newer, 0);
        else
            next(onShow());
    }

    // The server carries newer files of this page than those that run: begin anew, not too often.
    function renew(version) {
        if (firstPlayer === null || version === '')
            firstPlayer = version;
        if (version === firstPlayer)
            return;
        const last = Number(gongkai.playlist.read('renewed')) || 0;
        if (Math.abs(clock.now() - last) < RELOAD_LEAST_MS)
            return;
        if (gongkai.playlist.write('renewed', clock.now()))
            location.reload();
    }

    /* A good answer; `text` is null where it was "not modified". Only such an answer is believed
     * about the time: a portal that catches the request has a clock of its own. */
    function good(text, headers, wall) {
        const known = text === null || text === listText;
        const playlist = known ? list : gongkai.playlist.parse(text);

        if (!playlist)
            throw new Error('not a playlist');
        clock.hear(headers.get('Date'), headers.get('Age'), wall);
        goodAt = clock.now();
        goodMono = performance.now();
        failures = 0;
        problem = playlist.skipped > 0 ? playlist.skipped + ' entries skipped' : '';
        if (!known) {
            etag = headers.get('ETag') || '';
            listText = text;
            gongkai.playlist.keep(text, etag, goodAt);
            take(playlist);
            renew(playlist.player);
        } else if (goodAt - storedAt > KEEP_CLOCK_MS) {
            gongkai.playlist.touch(goodAt);
        } else {
            return;
        }
        storedAt = goodAt;
        gongkai.playlist.write('clock', clock.saved());
    }

    function poll() {
        const control = new AbortController();
        const limit = setTimeout(() => control.abort(), TIMEOUT_MS);
        const headers = list && etag ? {'If-None-Match': etag} : {};

        pollTimer = 0;
        polling = true;
        polls++;
        fetch('playlist.json', {cache: 'no-store', credentials: 'same-origin', redirect: 'error',
            headers: headers, signal: control.signal})
            .then(answer => {
                const wall = Date.now();

                if (answer.status === 304 && list)
                    return good(null, answer.headers, wall);
                if (!answer.ok)
                    throw new Error('HTTP ' + answer.status);
                return answer.text().then(text => good(text, answer.headers, wall));
            })
            .catch(error => {
                failures++;
                problem = 'poll: ' + error.message;
            })
            .then(() => {
                clearTimeout(limit);
                polling = false;
                pollTimer = setTimeout(poll, POLL_MS);
            });
    }

    function pollSoon() {
        if (polling)
            return;
        clearTimeout(pollTimer);
        pollTimer = setTimeout(poll, 0);
    }

    // ---- outside ----

    function state() {
        return {
            serial: list ? list.serial : null,
            offline: offline(),
            showing: current ? {document: current.entry.document,
                revision: current.entry.revision, page: current.page + 1,
                pages: current.pages.length} : null,
            count: onShow().length,
            clockOffsetMs: clock.offset(),
            polls: polls, failures: failures, problem: problem, beats: gongkai.beat.state(),
            now: new Date(clock.now()).toISOString()
        };
    }

    function debug() {
        if (given.get('debug') !== '1')
            return;
        const element = document.getElementById('debug');
        element.hidden = false;
        element.textContent = JSON.stringify(state(), null, 1);
    }

    // In sight again: a browser that is not slows everything down, and nothing drawn there counts.
    function seen() {
        if (current && current.page === current.pages.length - 1)
            gongkai.beat.drew(current.entry, clock.now());
        pollSoon();
    }

    function begin() {
        const kept = gongkai.playlist.kept();

        clock.restore(gongkai.playlist.read('clock'));
        if (kept) {
            etag = kept.etag;
            listText = kept.text;
            storedAt = kept.fetched;
            gongkai.beat.restore(kept.playlist.entries);
            take(kept.playlist);
        }
        window.addEventListener('resize', () => { resized = true; });
        window.addEventListener('online', pollSoon);
        document.addEventListener('visibilitychange', seen);
        window.addEventListener('contextmenu', event => event.preventDefault());
        if (window.isSecureContext && navigator.serviceWorker)
            navigator.serviceWorker.register('sw.js').catch(() => {});
        tick();
        poll();
    }

    window.gongkaiPlayer = {state: state};
    begin();
}());
