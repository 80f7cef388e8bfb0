/* From the playlist's HTML to nodes of our own.
 *
 * The server has cleaned it; here nobody believes that. The text is parsed by DOMParser into a
 * document that runs and loads nothing, and is then walked: for each known tag a new element is
 * made, with the few attributes named below; text is copied as text. Nothing is ever moved over,
 * so what is not named here cannot get in. Links become plain text: nobody clicks on a signboard.
 *
 * The same walk sets the text for Chinese reading (see typeset()). */
(function () {
    'use strict';

    const gongkai = window.gongkai = window.gongkai || {};

    const TAGS = {
        P: 'p', DIV: 'div', SECTION: 'div', ARTICLE: 'div', CENTER: 'div', ADDRESS: 'div',
        FIGURE: 'div', FIGCAPTION: 'div', FIELDSET: 'div', LEGEND: 'div', DETAILS: 'div',
        SUMMARY: 'div', MAIN: 'div', HEADER: 'div', FOOTER: 'div', ASIDE: 'div', NAV: 'div',
        PRE: 'pre', BLOCKQUOTE: 'blockquote', HR: 'hr', BR: 'br',
        H1: 'h2', H2: 'h2', H3: 'h3', H4: 'h4', H5: 'h4', H6: 'h4',
        UL: 'ul', OL: 'ol', LI: 'li', DL: 'dl', DT: 'dt', DD: 'dd',
        TABLE: 'table', CAPTION: 'caption', THEAD: 'thead', TBODY: 'tbody', TFOOT: 'tbody',
        TR: 'tr', TD: 'td', TH: 'th',
        B: 'b', STRONG: 'b', I: 'i', EM: 'i', U: 'u', INS: 'u', S: 's', DEL: 's', STRIKE: 's',
        SUB: 'sub', SUP: 'sup', RUBY: 'ruby', RP: 'rp', RT: 'rt', IMG: 'img'
    };

    // A table within a table is read as lines: layout by tables is of no use on a wall.
    const INNER = {TABLE: 'div', CAPTION: 'div', THEAD: 'div', TBODY: 'div', TFOOT: 'div',
        TR: 'div', TD: 'span', TH: 'span'};

    // Dropped with all they hold. Any other unknown tag is dropped but what it holds is read.
    const DROPPED = new Set(['SCRIPT', 'STYLE', 'IFRAME', 'FRAME', 'FRAMESET', 'OBJECT', 'EMBED',
        'APPLET', 'TEMPLATE', 'NOSCRIPT', 'NOEMBED', 'NOFRAMES', 'SVG', 'MATH', 'HEAD', 'TITLE',
        'LINK', 'META', 'BASE', 'AUDIO', 'VIDEO', 'CANVAS', 'MAP', 'BUTTON', 'INPUT', 'SELECT',
        'TEXTAREA', 'DATALIST', 'DIALOG']);

    const EMPTY_OK = new Set(['br', 'hr', 'img', 'td', 'th']);
    const DEEPEST = 60;

    const PICTURE_HERE = /^(?![^?#]*\.\.)[A-Za-z0-9][A-Za-z0-9._~%/-]*$/;
    const PICTURE_DATA = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$/i;

    // Controls, and the marks that turn the reading direction, have no place on a signboard.
    const HIDDEN = new RegExp('[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f' +
        '\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]', 'g');

    // What may not begin a line, and dashes and dots, which stand in pairs and are not torn.
    const CLOSING = '，。、；：？！）》〉」』】〕”’,.;:?!)\\]}％%';
    const DASHES = '—…―⸺';

    const HAN = '\\u3400-\\u4dbf\\u4e00-\\u9fff\\u{20000}-\\u{3134f}';
    const UNITS = '平方公里|平方千米|平方米|立方米|个工作日|工作日|个月|周岁|小时|分钟|公里|千米|' +
        '厘米|毫米|公斤|千克|公顷|摄氏度|[万亿]?[元人户亩吨株头只]|[%％‰℃°万亿米个件项条款章页次天日' +
        '年月时分秒号楼室岁届期辆台名位家级度]';

    /* Runs that are read in one piece: a 文号 with the few characters of its office before the
     * bracket, a date, a number with its unit. Chinese has no spaces, so the office is cut off at
     * words that commonly stand before it. */
    const WHOLE = [
        '(?:(?![根据按照和与及见依以的了由对在经]|如下)[' + HAN + ']){0,6}' +
            '[〔［\\[（(]\\d{4}[〕］\\]）)](?:[' + HAN + ']{0,2}\\d{0,6}[' + HAN +
            ']{0,2})?第?\\d{1,6}号',
        '\\d{4}年\\d{1,2}月\\d{1,2}日', '\\d{4}年\\d{1,2}月', '\\d{1,2}月\\d{1,2}日',
        '\\d{1,2}[:：]\\d{2}[—–~～-]{1,2}\\d{1,2}[:：]\\d{2}',
        '第?\\d+(?:[.,:：/·-]\\d+)*(?:' + UNITS + ')?'
    ].join('|');
    const TOGETHER = new RegExp(
        '(?:' + WHOLE + ')(?:[' + CLOSING + ']*[' + DASHES + ']+)?|' +
        '[^\\s' + CLOSING + DASHES + '][' + CLOSING + ']*[' + DASHES + ']+|' +
        '^[' + CLOSING + ']*[' + DASHES + ']+', 'gu');
    const LONGEST_TOGETHER = 14;
    const JOINER = '\u2060';

    function plain(text) {
        return text.replace(HIDDEN, '');
    }

    // Width in em, near enough: a Latin letter or digit is half a Han character.
    function breadth(text) {
        return text.length - text.replace(/[^\u0020-\u024f]/g, '').length / 2;
    }

    const segmenter = window.Intl && Intl.Segmenter ?
        new Intl.Segmenter('zh', {granularity: 'word'}) : null;

    function span(parent, text) {
        const made = document.createElement('span');
        made.className = 'whole';
        made.textContent = text;
        parent.appendChild(made);
    }

    // A title breaks between words, where the browser knows them (Chromium 87).
    function byWords(parent, text) {
        if (!segmenter) {
            parent.appendChild(document.createTextNode(text));
            return;
        }
        for (const each of segmenter.segment(text)) {
            if (each.isWordLike && each.segment.length > 1)
                span(parent, each.segment);
            else
                parent.appendChild(document.createTextNode(each.segment));
        }
    }

    function loose(parent, text, title) {
        if (title)
            byWords(parent, text);
        else
            parent.appendChild(document.createTextNode(text));
    }

    // Appends the text to `parent`, with unbreakable spans around what must not be torn.
    function typeset(parent, text, title) {
        let from = 0;
        let found = null;

        TOGETHER.lastIndex = 0;
        while ((found = TOGETHER.exec(text)) !== null) {
            const run = found[0];

            if (run.length < 2 || breadth(run) > LONGEST_TOGETHER)
                continue;
            if (found.index > from)
                loose(parent, text.slice(from, found.index), title);
            // A dash with nothing before it in this node: glue it to the node before.
            span(parent,
                (DASHES.indexOf(run[0]) >= 0 || CLOSING.indexOf(run[0]) >= 0 ? JOINER : '') + run);
            from = found.index + run.length;
        }
        if (from < text.length)
            loose(parent, text.slice(from), title);
    }

    function whole(text, least, most) {
        const number = Number(text);
        return Number.isInteger(number) && number >= least && number <= most ? number : 0;
    }

    function align(from, to) {
        const said = (from.getAttribute('align') || '') + ';' + (from.getAttribute('style') || '');

        if (from.tagName === 'CENTER' || /^center;|text-align\s*:\s*center/i.test(said))
            to.classList.add('center');
        else if (/^right;|text-align\s*:\s*(right|end)/i.test(said))
            to.classList.add('right');
    }

    function attributes(from, to) {
        const tag = to.tagName;

        if (tag === 'TD' || tag === 'TH') {
            to.colSpan = whole(from.getAttribute('colspan'), 2, 50) || 1;
            to.rowSpan = whole(from.getAttribute('rowspan'), 2, 500) || 1;
        } else if (tag === 'OL') {
            to.start = whole(from.getAttribute('start'), 0, 100000) || 1;
        } else if (tag === 'P' || tag === 'DIV' || /^H\d$/.test(tag)) {
            align(from, to);
        }
    }

    function picture(from) {
        const source = (from.getAttribute('src') || '').trim();
        const image = document.createElement('img');

        image.alt = plain(from.getAttribute('alt') || '');
        if (!PICTURE_HERE.test(source) && !PICTURE_DATA.test(source))
            return image.alt ? document.createTextNode('［' + image.alt + '］') : null;
        image.src = source;
        return image;
    }

    // Blanks at the start of a paragraph are the hand's indent; ours comes from the style sheet.
    function words(text, to) {
        const first = !to.firstChild && /^(P|DIV|LI|TD|TH|H\d)$/.test(to.tagName);
        const pre = to.closest('pre') !== null;
        let said = plain(text);

        if (!pre)
            said = said.replace(/[ \t\r\n\f]+/g, ' ');
        if (first && !pre) {
            const blanks = /^[\s\u3000]*/.exec(said)[0];

            if (to.tagName === 'P' || to.tagName === 'DIV') {
                const wide = (blanks.match(/[\u3000\u2003]/g) || []).length;
                if (wide >= 8)
                    to.classList.add('right');
                else if (wide >= 1)
                    to.classList.add('indent');
            }
            said = said.slice(blanks.length);
        }
        if (said !== '' && (said.trim() !== '' || to.firstChild))
            typeset(to, said);
    }

    // `tables` says how many tables we are in: 2 is a table in a table.
    function walk(from, to, depth, tables) {
        for (let child = from.firstChild; child; child = child.nextSibling) {
            if (child.nodeType === Node.TEXT_NODE) {
                words(child.nodeValue, to);
                continue;
            }
            if (child.nodeType !== Node.ELEMENT_NODE)
                continue;

            const name = child.tagName.toUpperCase();
            const inside = name === 'TABLE' ? tables + 1 : tables;
            const tag = inside > 1 && INNER[name] || TAGS[name];
            if (DROPPED.has(name) || child.namespaceURI !== 'http://www.w3.org/1999/xhtml')
                continue;
            if (!tag || depth > DEEPEST) {
                walk(child, to, depth + 1, tables);
                continue;
            }

            const made = tag === 'img' ? picture(child) : document.createElement(tag);
            if (!made)
                continue;
            to.appendChild(made);
            if (made.nodeType !== Node.ELEMENT_NODE || tag === 'img')
                continue;
            attributes(child, made);
            walk(child, made, depth + 1, inside);
            if (tag === 'span')
                made.appendChild(document.createTextNode('\u3000'));
            if (!made.firstChild && !EMPTY_OK.has(tag))
                to.removeChild(made);
        }
    }

    // Appends what is good in `html` to `parent`.
    function clean(html, parent) {
        walk(new DOMParser().parseFromString(html, 'text/html').body, parent, 0, 0);
    }

    // The same for plain text: a line is a paragraph.
    function paragraphs(text, parent) {
        for (const line of text.split(/\r\n|[\r\n]/)) {
            if (line.trim() === '')
                continue;
            const made = document.createElement('p');
            parent.appendChild(made);
            words(line, made);
        }
    }

    gongkai.plain = plain;
    gongkai.typeset = typeset;
    gongkai.breadth = breadth;
    gongkai.clean = clean;
    gongkai.paragraphs = paragraphs;
}());
