/* The heartbeat: what this screen has drawn, told to the server ("Heartbeats" in ../README.md).
 *
 * An entry counts as shown when its last page stood on the glass while the page could be seen, in this
 * very wording: the digest is made here, of what was drawn. All others in the list are held: off line
 * they may be drawn yet, so that whoever withdraws them must know. Kept over a reload, forgotten with
 * the entry. Nothing here can disturb what is shown. */
(function () {
    'use strict';

    const gongkai = window.gongkai = window.gongkai || {};

    const EVERY_MS = 15000;         // ?beat=SECONDS
    const AGAIN_MS = 3000;          // after one that failed
    const TIMEOUT_MS = 10000;
    const ADDRESS = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._~\/-]*$/;

    const given = new URLSearchParams(location.search);
    const everyMs = (parseFloat(given.get('beat')) || 0) * 1000 || EVERY_MS;

    let drawn = {};                 // document -> {revision, digest, drawn}
    let told = null;                // what the server has heard last, as text; null: nothing yet
    let sending = false;
    let notBefore = 0;              // by performance.now(): after a failure
    let dueAt = 0;
    let sent = 0;
    let problem = '';

    const visible = () => document.visibilityState === 'visible';

    // Where it does not fit any more, the older one must go all the same.
    function save() {
        if (!gongkai.playlist.write('drawn', drawn))
            gongkai.playlist.forget('drawn');
    }

    function isDrawn(entry) {
        const one = drawn[entry.document];
        return one !== undefined && one.revision === entry.revision &&
            one.digest === gongkai.playlist.digest(entry);
    }

    // The last page of `entry` is on the glass.
    function drew(entry, now) {
        if (!visible())
            return;
        drawn[entry.document] = {revision: entry.revision, digest: gongkai.playlist.digest(entry),
            drawn: new Date(now).toISOString()};
        save();
    }

    // Only what is in the list is remembered, be it never so short a time ago that it was not.
    function keep(entries) {
        const kept = {};

        for (const entry of entries)
            if (isDrawn(entry))
                kept[entry.document] = drawn[entry.document];
        drawn = kept;
        save();
    }

    // What was kept when the page was loaded last; odd things in it match no entry.
    function restore(entries) {
        const raw = gongkai.playlist.read('drawn');

        drawn = raw && typeof raw === 'object' && !Array.isArray(raw) ? raw : {};
        keep(entries);
    }

    function send(list, showing, holding, text) {
        const control = new AbortController();
        const limit = setTimeout(() => control.abort(), TIMEOUT_MS);
        const body = {format: 1, screen: list.display || undefined, region: list.region || undefined,
            player: given.get('name') || undefined, key: given.get('key') || undefined,
            version: list.player || undefined,
            showing: showing, holding: holding};

        sending = true;
        fetch(list.beat, {method: 'POST', cache: 'no-store', credentials: 'same-origin', redirect: 'error',
            headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body),
            signal: control.signal})
            .then(answer => {
                if (!answer.ok)
                    throw new Error('HTTP ' + answer.status);
                told = text;
                dueAt = performance.now() + everyMs;
                sent++;
                problem = '';
            })
            .catch(error => {
                notBefore = performance.now() + AGAIN_MS;
                told = null;
                problem = 'heartbeat: ' + error.message;
            })
            .then(() => {
                clearTimeout(limit);
                sending = false;
            });
    }

    // To be called often: tells `list`'s server what of `some`, which are in rotation now, is drawn, and
    // what else may be.
    function tick(list, some) {
        const now = performance.now();

        if (!list || !ADDRESS.test(list.beat) || sending || now < notBefore)
            return;
        const shown = new Set(visible() ? some.filter(isDrawn) : []);
        const showing = Array.from(shown, entry =>
            Object.assign({document: entry.document}, drawn[entry.document]));
        const holding = list.entries.filter(entry => !shown.has(entry) && entry.end > gongkai.clock.now())
            .map(entry => ({document: entry.document, revision: entry.revision}));
        const text = JSON.stringify([showing.map(each => [each.document, each.revision, each.digest]), holding]);
        if (text !== told || now >= dueAt)
            send(list, showing, holding, text);
    }

    gongkai.beat = {isDrawn: isDrawn, drew: drew, keep: keep, restore: restore, tick: tick,
        state: () => ({sent: sent, problem: problem})};
}());
