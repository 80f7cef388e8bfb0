/* Where the pages of a laid-out text begin and end.
 *
 * The text is laid out once, as one long column, and is shown through a window as high as a page:
 * so it cannot appear twice or get lost, and a line is where the browser broke it. This file only
 * finds the heights at which the window may stand.
 *
 * Every line of text, picture and table row is an interval from top to bottom. Those that overlap
 * are joined to bands; between two bands a page may end. A band is glued to the next one where a
 * page must not end after it: headings, header rows, the first line of a paragraph and the last
 * but one, the line before a signature. */
(function () {
    'use strict';

    const gongkai = window.gongkai = window.gongkai || {};

    const BLOCK = /^(P|DIV|H\d|LI|TD|TH|DT|DD|CAPTION|PRE|BLOCKQUOTE|ARTICLE|SECTION)$/;
    const PICTURE_WEIGHT = 25;      // a picture takes as long as so many characters
    const OVERLAP = 0.25;           // line boxes touch and are rounded; this much is a real overlap
    const ROW_MOST = 0.8;           // of a page; a higher row or record is cut between its lines
    const HEAD_MOST = 0.35;         // of a page; a higher header is not repeated
    const SPARE_MOST = 2.1;         // em that justifying may spread over a line
    const SPARE_PART = 0.08;        // of the line, likewise
    const EVEN_LEAST = 0.72;        // of a page; shorter pages are not made for evenness
    const FILL_LEAST = 0.35;        // of a page; rather break a glue than leave the rest empty

    function blockOf(node, known) {
        let element = node.parentElement;

        while (!BLOCK.test(element.tagName))
            element = element.parentElement;
        if (!known.has(element)) {
            const style = getComputedStyle(element);
            const type = parseFloat(style.fontSize);
            known.set(element, {
                element: element, type: type, line: parseFloat(style.lineHeight) || type * 1.5,
                table: element.closest('table'),
                glue: element.closest('.glue, h2, h3, h4, dt') !== null,
                right: element.classList.contains('right'),
                back: element.closest('.right, .more') !== null,
                first: -1, last: -1, lines: new Map()
            });
        }
        return known.get(element);
    }

    // All the intervals, measured from the top of the flow.
    function collect(flow, height, known) {
        const base = flow.getBoundingClientRect().top;
        const walker = document.createTreeWalker(flow, NodeFilter.SHOW_TEXT);
        const range = document.createRange();
        const items = [];

        while (walker.nextNode()) {
            const node = walker.currentNode;
            if (node.nodeValue.trim() === '')
                continue;
            const block = blockOf(node, known);
            const type = node.parentElement === block.element ? block.type :
                parseFloat(getComputedStyle(node.parentElement).fontSize);
            const half = type === block.type ? block.line / 2 : type * 0.6;

            range.selectNodeContents(node);
            for (const rect of Array.from(range.getClientRects())) {
                const middle = (rect.top + rect.bottom) / 2 - base;
                if (rect.width > 0)
                    items.push({top: middle - half, bottom: middle + half, right: rect.right,
                        weight: rect.width / type, block: block, glue: block.glue,
                        table: block.table});
            }
        }
        for (const image of Array.from(flow.querySelectorAll('img'))) {
            const rect = image.getBoundingClientRect();
            if (rect.height > 0)
                items.push({top: rect.top - base, bottom: rect.bottom - base, right: 0,
                    weight: PICTURE_WEIGHT, block: null, glue: false,
                    table: image.closest('table')});
        }
        for (const row of Array.from(flow.querySelectorAll('tr, thead, caption, .record'))) {
            const rect = row.getBoundingClientRect();
            const head = row.tagName === 'THEAD' || row.tagName === 'CAPTION';
            if (rect.height > 0 && (head || rect.height <= height * ROW_MOST))
                items.push({top: rect.top - base, bottom: rect.bottom - base, right: 0,
                    weight: 0, block: null, glue: head, table: row.closest('table'), head: head});
        }
        return items.sort((a, b) => a.top - b.top);
    }

    function join(items) {
        const bands = [];
        let band = null;

        for (const item of items) {
            const least = band && Math.min(item.bottom - item.top, band.bottom - band.top);
            if (!band || item.top > band.bottom - OVERLAP * least) {
                band = {top: item.top, bottom: item.bottom, weight: 0, glue: false, table: null,
                    head: false};
                bands.push(band);
            }
            band.bottom = Math.max(band.bottom, item.bottom);
            band.weight += item.weight;
            band.glue = band.glue || item.glue;
            band.table = item.table || band.table;
            band.head = band.head || item.head === true;
            note(item, bands.length - 1);
        }
        return bands;
    }

    // Which bands a block reaches over, and how far right its text goes in each of them.
    function note(item, index) {
        const block = item.block;

        if (!block)
            return;
        if (block.first < 0)
            block.first = index;
        block.last = index;
        block.lines.set(index, Math.max(item.right, block.lines.get(index) || -Infinity));
    }

    function glueBlocks(bands, known) {
        known.forEach(block => {
            if (block.first < 0 || block.table)
                return;
            if (block.last > block.first) {
                bands[block.first].glue = true;
                bands[block.last - 1].glue = true;
            }
            if (block.back && block.first > 0)
                bands[block.first - 1].glue = true;
        });
    }

    /* A paragraph is justified only where no line of it has more to spare than a character or two
     * that moved down for the sake of punctuation; else it would gape. Moves no line. */
    function justify(known) {
        known.forEach(block => {
            if (block.table || block.glue || block.right || block.last <= block.first ||
                getComputedStyle(block.element).textAlign === 'center')
                return;
            const style = getComputedStyle(block.element);
            const edge = block.element.getBoundingClientRect().right -
                parseFloat(style.paddingRight);
            let spare = 0;

            block.lines.forEach((right, index) => {
                if (index !== block.last)
                    spare = Math.max(spare, edge - right);
            });
            const width = block.element.clientWidth;
            block.element.classList.toggle('even', spare <= Math.min(block.type * SPARE_MOST,
                width * SPARE_PART));
        });
    }

    // How much of a page the repeated header rows of the table take; 0 where they are not.
    function headHeight(table, height) {
        const head = table && table.tHead && gongkai.tables.repeat(table) ?
            table.tHead.getBoundingClientRect().height : 0;
        return head <= height * HEAD_MOST ? head : 0;
    }

    /* Fills pages of `height`, the first of `height` + `more`, one after the other. `torn` of the
     * result counts the glues that had to be torn. */
    function fill(bands, height, more, heads) {
        const pages = [];
        let start = 0;

        pages.torn = 0;

        while (start < bands.length) {
            const table = bands[start].table;
            const top = Math.ceil(bands[start].top);     // no hair of the row before
            let repeated = table && start > 0 && bands[start - 1].table === table &&
                !bands[start].head ? heads.get(table) : 0;
            let end = start;

            if (bands[start].bottom - top > height - repeated)
                repeated = 0;
            const room = height - repeated + (start === 0 ? more : 0);
            while (end + 1 < bands.length && bands[end + 1].bottom - top <= room)
                end++;

            let good = end;
            while (good > start && good + 1 < bands.length && bands[good].glue)
                good--;
            if (!bands[good].glue && bands[good].bottom - top >= room * FILL_LEAST)
                end = good;
            if (end + 1 < bands.length && bands[end].glue)
                pages.torn++;

            const page = {top: top, bottom: Math.ceil(bands[end].bottom), weight: 0,
                table: repeated > 0 ? table : null, repeated: repeated, room: room};
            for (let index = start; index <= end; index++)
                page.weight += bands[index].weight;
            pages.push(page);
            start = end + 1;
        }
        return pages;
    }

    /* As few pages as can be, and then rather equal: no last page with one lonely line. But no
     * page is left so empty that a text which goes on looks as if it had ended. */
    function even(bands, height, more, heads) {
        const full = fill(bands, height, more, heads);
        let low = height * EVEN_LEAST;
        let high = height;

        for (let turn = 0; turn < 8; turn++) {
            const middle = (low + high) / 2;
            const pages = fill(bands, middle, more, heads);
            if (pages.length <= full.length && pages.torn <= full.torn &&
                pages.every(page => page.bottom - page.top <= page.room + height - middle))
                high = middle;
            else
                low = middle;
        }
        return fill(bands, high, more, heads);
    }

    /* The pages of `flow` for a window `height` pixels high, the first one `more` higher:
     * [{top, bottom, weight, table, repeated}], in pixels from the top of the flow; weight in Han
     * characters to read; `table` where its header rows are to be repeated above, `repeated`
     * pixels high. A table with a row that no page can hold is told as lines first. */
    function paginate(flow, height, more) {
        for (;;) {
            const known = new Map();
            const bands = join(collect(flow, height, known));
            const giant = bands.find(band => band.table && band.bottom - band.top > height);
            const heads = new Map();

            if (giant) {
                gongkai.tables.tell(giant.table);
                continue;
            }
            glueBlocks(bands, known);
            justify(known);
            for (const table of Array.from(flow.querySelectorAll('table')))
                heads.set(table, headHeight(table, height));
            return even(bands, height, more, heads);
        }
    }

    gongkai.paginate = paginate;
}());
