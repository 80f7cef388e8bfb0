/* What time it is in China, on a box whose own clock may be wrong and whose zone may be anything.
 *
 * now() = the box's clock + offset. The offset is 0 while the server's Date header agrees with the
 * box to within five minutes, and the difference to it otherwise. It outlives a power cycle (the
 * caller keeps saved() and hands it back), because `end` must be obeyed off line as well.
 *
 * Two more things happen to boxes in the field:
 * - One without a battery starts in 1970 or 2015 at each power-on. Time never goes back behind the
 *   last moment we were sure of (`seen`), so what had ended before the power cut stays ended.
 * - The clock is set under a running page. A step that undoes our offset ends the offset; a step
 *   backwards is ignored; a step forwards may as well be the box waking from standby, and holds.
 *   Each of them asks for an early poll, and the server's word settles it. */
(function () {
    'use strict';

    const gongkai = window.gongkai = window.gongkai || {};

    const MINUTE = 60 * 1000;
    const DAY = 24 * 60 * MINUTE;
    const WRONG = 5 * MINUTE;
    const STEP = MINUTE;
    const JITTER = 2 * 1000;               // Date counts whole seconds and travels a while
    const CHINA = 8 * 60 * MINUTE;         // UTC+8 all year; old boxes have no zone data
    const BORN = Date.UTC(2026, 0, 1);     // no server of ours can say less

    let offset = 0;
    let seen = 0;
    let lastWall = Date.now();
    let lastMono = performance.now();

    function now() {
        return Date.now() + offset;
    }

    // Takes what saved() gave before the page was loaded anew; anything odd in it is left out.
    function restore(saved) {
        const wall = Date.now();

        if (!saved || !isFinite(saved.offset) || !isFinite(saved.seen))
            return;
        seen = saved.seen;
        offset = saved.offset;

        // A box that was years behind and is not any more has been set right meanwhile.
        if (offset > DAY && wall >= seen)
            offset = 0;
        if (wall + offset < seen)
            offset = seen - wall;
    }

    function saved() {
        seen = now();
        return {offset: offset, seen: seen};
    }

    // The Date (and Age) header of a good answer, which came when the box's clock said `wall`.
    function hear(date, age, wall) {
        const server = Date.parse(date || '') + (Number(age) > 0 ? Number(age) * 1000 : 0);
        const apart = server - wall;

        if (!(server >= BORN))
            return;
        if (Math.abs(apart) <= WRONG)
            offset = 0;
        else if (Math.abs(apart - offset) > JITTER)
            offset = apart;
        seen = now();
    }

    // To be called about once a second or oftener. Returns true when the box's clock was stepped.
    function tick() {
        const wall = Date.now();
        const mono = performance.now();
        const step = (wall - lastWall) - (mono - lastMono);

        lastWall = wall;
        lastMono = mono;
        if (Math.abs(step) < STEP)
            return false;
        if (offset !== 0 && Math.abs(step - offset) <= WRONG)
            offset = 0;
        else if (step < 0)
            offset -= step;
        return true;
    }

    function china(ms) {
        const date = new Date(ms + CHINA);

        return {
            year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(),
            weekday: date.getUTCDay(), hour: date.getUTCHours(), minute: date.getUTCMinutes()
        };
    }

    gongkai.clock = {
        now: now, offset: () => offset, restore: restore, saved: saved, hear: hear, tick: tick,
        china: china
    };
}());
