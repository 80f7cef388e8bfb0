/* What is on the glass: one notice laid out, its pages, the bands around it, the idle page.
 * Knows nothing of time limits, turns and the network; player.js tells it what to show. */
(function () {
    'use strict';

    const gongkai = window.gongkai = window.gongkai || {};

    const LEAD_FROM = 200;          // characters; below that the text itself is short enough
    const URL_MOST = 28;            // characters; of a longer address only the host is shown
    const FADE_MS = 400;

    // A text this short is tried in larger type first, as long as it stays on one page.
    const LARGER_UNTIL = 360;
    const LARGER = [1.35, 1.2, 1.1];

    const at = id => document.getElementById(id);
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)');

    let words = gongkai.words('zh');
    let moving = null;              // the running animation of the progress bar
    let pages = [];
    let repeated = null;            // the table whose header rows stand in #repeat

    // Writes only what changed: a signboard that repaints nothing stays cool for years.
    function say(id, text) {
        const element = at(id);
        if (element.textContent !== text)
            element.textContent = text;
    }

    function mode(name, on) {
        document.body.classList.toggle(name, on);
    }

    function add(parent, tag, name, text) {
        const made = document.createElement(tag);
        made.className = name;
        if (text)
            gongkai.typeset(made, text);
        return parent.appendChild(made);
    }

    // "2026-11-20" and "2026-11-20T09:00:00+08:00" as people write it; anything else as it is.
    function day(text) {
        const part = /^(\d{4})-(\d\d)-(\d\d)(T|$)/.exec(text);
        return part ? words.day({year: +part[1], month: +part[2], day: +part[3]}) : text;
    }

    // The address as a person would type it: short enough to remember, or only the house.
    function address(url) {
        const part = /^https?:\/\/([^/?#\s]+)([^\s]*)$/i.exec(url);
        if (!part)
            return null;
        const full = part[1] + part[2].replace(/\/$/, '');
        return full.length <= URL_MOST ? {label: words.more, text: full} :
            {label: words.moreAt, text: part[1]};
    }

    function heading(flow, entry) {
        const breadth = gongkai.breadth(entry.title);
        const about = [entry.number, entry.publisher, day(entry.date)].filter(Boolean);

        gongkai.typeset(add(flow, 'h1', 'glue' + (breadth > 60 ? ' longer' : breadth > 28 ?
            ' long' : ''), ''), entry.title, true);

        const line = add(flow, 'div', 'about glue', '');
        if (!entry.urgent)
            add(line, 'span', 'whole kind', '').textContent = kind(entry);
        for (const each of about)
            add(line, 'span', 'whole', '').textContent = each;
    }

    // "各乡镇人民政府：" stands at the margin and does not stay behind alone.
    function salutation(body) {
        const first = body.firstElementChild;
        if (first && first.tagName === 'P' && first.nextElementSibling &&
            /[：:]\s*$/.test(first.textContent) && gongkai.breadth(first.textContent) <= 60)
            first.classList.add('salutation', 'glue');
    }

    function build(flow, entry) {
        flow.textContent = '';
        heading(flow, entry);

        const body = add(flow, 'div', 'body', '');
        gongkai.clean(entry.html, body);
        if (body.textContent.trim() === '' && !body.querySelector('img')) {
            body.textContent = '';
            gongkai.paragraphs(entry.text || entry.short, body);
        } else if (entry.short && body.textContent.length >= LEAD_FROM) {
            flow.insertBefore(add(flow, 'div', 'lead', entry.short), body);
        }
        for (const table of Array.from(body.querySelectorAll('table')))
            gongkai.tables.prepare(table);
        salutation(body);

        const where = address(entry.url);
        if (where) {
            const line = add(flow, 'div', 'more', '');
            add(line, 'span', 'label', where.label);
            add(line, 'span', 'address', '').textContent = where.text;
        }
    }

    // A picture that does not come is told by its description.
    function watchPictures(flow, changed) {
        for (const image of Array.from(flow.querySelectorAll('img'))) {
            image.onload = changed;
            image.onerror = () => {
                const told = document.createElement('span');
                told.textContent = '［' + (image.alt || words.picture) + '］';
                if (image.parentNode)
                    image.parentNode.replaceChild(told, image);
                changed();
            };
        }
    }

    // Pieces that were to stay whole but are wider than their line must break after all.
    function loosen(flow) {
        for (const span of Array.from(flow.querySelectorAll('span.whole'))) {
            const block = span.closest('p, div, li, h1, h2, h3, h4, dd, dt, blockquote, pre');
            if (block && !span.closest('table') && span.offsetWidth > block.clientWidth * 0.9)
                span.classList.remove('whole');
        }
    }

    function paginate() {
        const flow = at('flow');

        mode('later', false);
        const first = at('frame').clientHeight - 1;
        mode('later', true);
        const height = at('frame').clientHeight - 1;

        repeated = null;
        at('repeat').textContent = '';
        at('page').style.setProperty('--page', height + 'px');
        loosen(flow);
        for (const table of Array.from(flow.querySelectorAll('table')))
            gongkai.tables.fit(table, height);
        pages = gongkai.paginate(flow, height, first - height);
    }

    // Short texts in the largest type that one page holds, all others in the usual one.
    function enlarge(flow) {
        const sizes = flow.textContent.length <= LARGER_UNTIL &&
            !flow.querySelector('table, img') ? LARGER.concat(1) : [1];

        for (const size of sizes) {
            flow.style.setProperty('--size', String(size));
            paginate();
            if (pages.length === 1)
                return;
        }
    }

    function kind(entry) {
        return words.kinds[entry.kind] || words.kinds.other;
    }

    /* Lays `entry` out anew and returns its pages; page() shows one. `changed` is called when a
     * picture came or failed and the pages must be counted again with recount(). */
    function lay(entry, changed) {
        const flow = at('flow');

        mode('idle', false);
        mode('urgent', entry.urgent);
        say('kind', kind(entry));
        say('alert', entry.urgent ? words.urgent + ' · ' + kind(entry) : '');
        say('running', entry.title);
        at('source').textContent = '';
        for (const each of [entry.publisher, entry.number, day(entry.date)].filter(Boolean))
            add(at('source'), 'span', '', '').textContent = each;

        build(flow, entry);
        watchPictures(flow, changed);
        enlarge(flow);
        return pages;
    }

    function recount() {
        paginate();
        return pages;
    }

    function move(from, to, duration) {
        const bar = at('bar');

        if (moving)
            moving.cancel();
        moving = null;
        bar.style.transform = 'scaleX(' + to + ')';
        if (calm.matches || !bar.animate)
            return;
        moving = bar.animate([{transform: 'scaleX(' + from + ')'},
            {transform: 'scaleX(' + to + ')'}], {duration: duration, easing: 'linear'});
    }

    // Shows page `number` (from 0) for `duration` ms; the caller turns it.
    function page(number, duration) {
        const shown = pages[number];
        const repeat = at('repeat');

        if (shown.table !== repeated) {
            repeat.textContent = '';
            const head = shown.table && gongkai.tables.repeat(shown.table);
            if (head)
                repeat.appendChild(head);
            repeated = shown.table;
        }
        repeat.style.height = shown.repeated + 'px';
        at('clip').style.height = (shown.bottom - shown.top) + 'px';
        at('flow').style.transform = 'translateY(' + -shown.top + 'px)';
        mode('later', number > 0);
        say('pages', pages.length > 1 ? words.pages(number + 1, pages.length) : '');
        move(number / pages.length, (number + 1) / pages.length, duration);
        if (!calm.matches && at('frame').animate)
            at('frame').animate([{opacity: 0}, {opacity: 1}], {duration: FADE_MS});
    }

    // Nothing to show: the county, its name for this, and the clock.
    function idle() {
        mode('idle', true);
        mode('urgent', false);
        at('flow').textContent = '';
        at('repeat').textContent = '';
        repeated = null;
        pages = [];
    }

    function house(playlist) {
        const breadth = gongkai.breadth(playlist.title);

        words = gongkai.words(playlist.language);
        say('title', playlist.title);
        at('title').className = breadth > 14 ? 'longer' : breadth > 9 ? 'long' : '';
        say('rest-county', playlist.county);
        say('rest-name', words.name);
        document.title = playlist.title;
    }

    function clock(ms) {
        const today = gongkai.clock.china(ms);

        say('date', words.day(today));
        say('weekday', words.weekdays[today.weekday]);
        say('time', words.time(today));
        say('rest-date', words.day(today) + '　' + words.weekdays[today.weekday]);
        say('rest-time', words.time(today));
    }

    // The discreet mark; `since` is when the content was last confirmed, 0 for never, or null.
    function mark(since, now) {
        const then = since ? gongkai.clock.china(since) : null;
        const today = then && words.day(then) === words.day(gongkai.clock.china(now));

        const text = since === null ? '' : then ? words.offline(then, today) : words.never;

        say('mark', text);
        say('rest-mark', text);
        mode('offline', since !== null);
    }

    gongkai.screen = {lay: lay, recount: recount, page: page, idle: idle, house: house,
        clock: clock, mark: mark};
}());
