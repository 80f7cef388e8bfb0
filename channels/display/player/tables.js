/* Tables, read from several metres: header rows found, columns set, and a way out for those that
 * do not fit: smaller type down to a limit, and then each row is told as lines. */
(function () {
    'use strict';

    const gongkai = window.gongkai = window.gongkai || {};

    const SHORT = 7;                // em; a cell up to this stays on one line
    const NARROW = 2.5;             // em; a narrower column cannot hold a sentence
    const ROW_MOST = 0.8;           // of a page; a higher row is told as lines

    function rows(table) {
        return Array.from(table.rows);
    }

    function regular(table) {
        const all = rows(table);
        return all.length > 0 && all.every(row => row.cells.length === all[0].cells.length &&
            Array.from(row.cells).every(cell => cell.colSpan === 1 && cell.rowSpan === 1));
    }

    // A first row of nothing but header cells is a header, whether the author said so or not.
    function findHead(table) {
        const first = table.rows[0];
        let reach = 0;

        if (table.tHead || !first || !table.rows[1])
            return;
        for (const cell of Array.from(first.cells)) {
            if (cell.tagName !== 'TH' && !onlyBold(cell))
                return;
            reach = Math.max(reach, cell.rowSpan);
        }
        const head = table.createTHead();
        for (const row of rows(table).slice(0, Math.min(reach, table.rows.length - 1)))
            head.appendChild(row);
    }

    function onlyBold(cell) {
        const text = cell.textContent.trim();
        return text !== '' && Array.from(cell.querySelectorAll('b'))
            .map(bold => bold.textContent).join('').trim() === text;
    }

    /* Short cells stay whole; a column of short ones is centred, as in printed notices, and one of
     * sentences begins at the left. */
    function setColumns(table) {
        const even = regular(table);
        const body = rows(table).filter(row => row.parentNode !== table.tHead);
        const centred = [];

        for (const row of rows(table)) {
            Array.from(row.cells).forEach((cell, column) => {
                const text = cell.textContent.trim();
                const short = gongkai.breadth(text) <= SHORT;

                cell.classList.toggle('whole', short);
                if (body.indexOf(row) >= 0)
                    centred[column] = centred[column] !== false && short;
            });
        }
        for (const row of rows(table)) {
            Array.from(row.cells).forEach((cell, column) => {
                cell.classList.toggle('middle', even ? centred[column] === true :
                    row.parentNode === table.tHead || cell.classList.contains('whole'));
            });
        }
    }

    // Once, after the table was made.
    function prepare(table) {
        findHead(table);
        setColumns(table);
    }

    function pour(from, to) {
        while (from.firstChild)
            to.appendChild(from.firstChild);
    }

    // The lines of one row: its name (with its number before it), then "header：what it says".
    function record(cells, head, made) {
        const named = head ? (/^\d*$/.test(cells[0].textContent.trim()) && cells[1] ? 2 : 1) : 0;
        const name = named > 0 ? made.appendChild(document.createElement('div')) : null;

        if (name)
            name.className = 'name';
        cells.forEach((cell, column) => {
            if (cell.textContent.trim() === '' && !cell.querySelector('img'))
                return;
            if (column < named) {
                if (name.firstChild)
                    name.appendChild(document.createTextNode('\u3000'));
                pour(cell, name);
                return;
            }
            const line = made.appendChild(document.createElement('div'));
            if (head && head[column]) {
                const key = line.appendChild(document.createElement('span'));
                key.className = 'key';
                key.textContent = head[column] + '：';
            }
            pour(cell, line);
        });
    }

    // A table that cannot be shown as one: each row told as a block of lines.
    function tell(table) {
        const head = regular(table) && table.tHead && table.tHead.rows.length === 1 ?
            Array.from(table.tHead.rows[0].cells).map(cell => cell.textContent.trim()) : null;
        const records = document.createElement('div');

        records.className = 'records';
        if (table.caption)
            pour(table.caption, records.appendChild(document.createElement('h4')));
        for (const row of rows(table)) {
            if (head && row.parentNode === table.tHead)
                continue;
            const made = records.appendChild(document.createElement('div'));
            made.className = 'record';
            record(Array.from(row.cells), head, made);
        }
        table.parentNode.replaceChild(records, table);
    }

    function tooNarrow(table, height) {
        const type = parseFloat(getComputedStyle(table).fontSize);

        return rows(table).some(row => row.offsetHeight > height * ROW_MOST ||
            Array.from(row.cells).some(cell => {
                const style = getComputedStyle(cell);
                const room = cell.clientWidth - parseFloat(style.paddingLeft) -
                    parseFloat(style.paddingRight);
                return room < NARROW * type && gongkai.breadth(cell.textContent) > 8;
            }));
    }

    /* To be called with the table in its place; `height` is that of a page. What does not fit is
     * set smaller, then its short cells may break, and if that does not do it is told. */
    function fit(table, height) {
        const room = table.parentNode.clientWidth + 1;
        const bad = () => table.offsetWidth > room || tooNarrow(table, height);

        for (const step of ['small', 'loose']) {
            if (bad())
                table.classList.add(step);
        }
        if (bad())
            tell(table);
    }

    // A copy of the header rows alone, with the columns as wide as in the table; null without.
    function repeat(table) {
        const count = columns(table);
        const model = rows(table).find(row => row.cells.length === count &&
            Array.from(row.cells).every(cell => cell.colSpan === 1));

        if (!table.tHead || !model)
            return null;

        const copy = table.cloneNode(false);
        const group = copy.appendChild(document.createElement('colgroup'));
        copy.classList.add('fixed');
        for (const cell of Array.from(model.cells)) {
            const column = group.appendChild(document.createElement('col'));
            column.style.width = cell.getBoundingClientRect().width + 'px';
        }
        copy.appendChild(table.tHead.cloneNode(true));
        return copy;
    }

    function columns(table) {
        return rows(table).reduce((most, row) => Math.max(most, Array.from(row.cells)
            .reduce((sum, cell) => sum + cell.colSpan, 0)), 0);
    }

    gongkai.tables = {prepare: prepare, fit: fit, tell: tell, repeat: repeat};
}());
