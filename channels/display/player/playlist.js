/* The playlist: what of it can be trusted, and how the last good one is kept.
 * The format is told in ../README.md; here it is enforced. */
(function () {
    'use strict';

    const gongkai = window.gongkai = window.gongkai || {};

    const MOST_BYTES = 16 * 1024 * 1024;
    const MOST_ENTRIES = 1000;
    const RFC3339 =
        /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

    // Several displays may live on one host; each folder keeps its own.
    const FOLDER = location.pathname.replace(/[^/]*$/, '');

    // Milliseconds since 1970, or NaN. Date.parse() also takes times without a zone; we must not.
    function instant(text) {
        const part = typeof text === 'string' ? RFC3339.exec(text) : null;
        let zone = 0;

        if (!part || part[2] < 1 || part[2] > 12 || part[3] < 1 || part[3] > 31 || part[4] > 23 ||
            part[5] > 59 || part[6] > 60)
            return NaN;
        if (!/z/i.test(part[8]))
            zone = (part[8][0] === '-' ? -1 : 1) *
                (Number(part[8].slice(1, 3)) * 60 + Number(part[8].slice(4, 6)));
        return Date.UTC(part[1], part[2] - 1, part[3], part[4], part[5], part[6]) +
            Number(part[7] || 0) * 1000 - zone * 60000;
    }

    function string(value) {
        return typeof value === 'string' ? gongkai.plain(value).trim() : '';
    }

    // One entry as the player uses it, or null where it may not or cannot be shown.
    function entry(raw) {
        const end = instant(raw && raw.end);
        let start = -Infinity;

        if (!raw || typeof raw !== 'object' || isNaN(end))
            return null;
        if (raw.start !== null && raw.start !== undefined) {
            start = instant(raw.start);
            if (isNaN(start))
                return null;
        }
        if (!string(raw.document) || !Number.isInteger(raw.revision) || raw.revision < 1 ||
            !string(raw.title))
            return null;

        return {
            document: raw.document, revision: raw.revision, kind: string(raw.kind),
            title: string(raw.title), number: string(raw.number),
            publisher: string(raw.publisher), date: string(raw.date),
            html: typeof raw.html === 'string' ? raw.html : '',
            text: typeof raw.text === 'string' ? gongkai.plain(raw.text) : '',
            short: string(raw.short), url: string(raw.url),
            urgent: raw.urgent === true, start: start, end: end,
            position: 0, same: JSON.stringify(raw), digest: ''
        };
    }

    // What of an entry is drawn, in the order of ../README.md.
    const DRAWN = ['document', 'revision', 'kind', 'title', 'number', 'publisher', 'date', 'html', 'text',
        'short', 'urgent', 'url'];

    // Made once, and only of what is drawn: it takes a while on an old box.
    function digest(entry) {
        if (!entry.digest) {
            const raw = JSON.parse(entry.same);
            entry.digest = gongkai.sha256(DRAWN.map(name => raw[name] === null ||
                raw[name] === undefined ? '' : String(raw[name])).join('\n'));
        }
        return entry.digest;
    }

    // The digests of what did not change are known.
    function inherit(list, before) {
        const known = new Map(before ? before.entries.map(each => [each.same, each.digest]) : []);
        list.entries.forEach(each => { each.digest = known.get(each.same) || ''; });
    }

    // The playlist of this text, or null: then the last good one stays.
    function parse(text) {
        const newest = new Map();
        let raw = null;

        if (text.length > MOST_BYTES)
            return null;
        try {
            raw = JSON.parse(text);
        } catch (error) {
            return null;
        }
        if (!raw || raw.format !== 1 || !Array.isArray(raw.entries) ||
            !Number.isInteger(raw.serial) || isNaN(instant(raw.generated)) ||
            !string(raw.title) || !string(raw.county))
            return null;

        let skipped = 0;
        for (const each of raw.entries.slice(0, MOST_ENTRIES)) {
            const made = entry(each);
            const before = made && newest.get(made.document);

            if (!made)
                skipped++;
            else if (!before || before.revision < made.revision)
                newest.set(made.document, made);
        }
        const entries = Array.from(newest.values());
        entries.forEach((each, position) => { each.position = position; });

        return {
            title: string(raw.title), county: string(raw.county), display: string(raw.display),
            language: string(raw.language), player: string(raw.player), serial: raw.serial,
            beat: string(raw.beat), region: string(raw.region),
            entries: entries, skipped: skipped
        };
    }

    function read(name) {
        try {
            return JSON.parse(localStorage.getItem('gongkai:' + FOLDER + ':' + name));
        } catch (error) {
            return null;
        }
    }

    function write(name, value) {
        try {
            localStorage.setItem('gongkai:' + FOLDER + ':' + name, JSON.stringify(value));
            return true;
        } catch (error) {
            return false;
        }
    }

    function forget(name) {
        try {
            localStorage.removeItem('gongkai:' + FOLDER + ':' + name);
        } catch (error) {
            // A browser without storage has nothing to forget.
        }
    }

    /* Keeps the text of a good playlist. Where it does not fit, the older one must go all the
     * same, or a withdrawn notice would come back at the next start; then the front half of the
     * list is tried, and half of that. A part has no ETag, so the next fetch is a full one. */
    function keep(text, etag, fetched) {
        if (write('playlist', {text: text, etag: etag, fetched: fetched}))
            return;
        forget('playlist');

        const part = JSON.parse(text);
        while (part.entries.length > 0) {
            part.entries.length = Math.floor(part.entries.length / 2);
            if (write('playlist', {text: JSON.stringify(part), etag: '', fetched: fetched}))
                return;
        }
    }

    // The server confirmed what is kept.
    function touch(fetched) {
        const raw = read('playlist');

        if (raw && typeof raw.text === 'string')
            write('playlist', {text: raw.text, etag: raw.etag, fetched: fetched});
    }

    // {playlist, text, etag, fetched} as kept, or null.
    function kept() {
        const raw = read('playlist');
        const playlist = raw && typeof raw.text === 'string' ? parse(raw.text) : null;

        return playlist && isFinite(raw.fetched) ?
            {playlist: playlist, text: raw.text, etag: string(raw.etag),
                fetched: raw.fetched} : null;
    }

    gongkai.playlist = {parse: parse, digest: digest, inherit: inherit, keep: keep, touch: touch,
        kept: kept, read: read, write: write, forget: forget};
}());
