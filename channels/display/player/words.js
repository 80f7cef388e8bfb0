/* Every word the player itself puts on the screen, in both languages (the playlist's `language`).
 * What a notice says is never translated. */
(function () {
    'use strict';

    const gongkai = window.gongkai = window.gongkai || {};

    function two(number) {
        return (number < 10 ? '0' : '') + number;
    }

    const ZH = {
        name: '政务公开',
        urgent: '紧急',
        kinds: {
            notice: '通知公告', policy: '政策文件', interpretation: '政策解读',
            consultation: '征求意见', licence: '行政许可', penalty: '行政处罚',
            budget: '财政预决算', warning: '预警信息', recall: '产品召回',
            personnel: '人事信息', other: '政务公开'
        },
        weekdays: ['星期日', '星期一', '星期二', '星期三', '星期四', '星期五', '星期六'],
        day: day => day.year + '年' + day.month + '月' + day.day + '日',
        time: day => two(day.hour) + ':' + two(day.minute),
        pages: (page, pages) => page + ' / ' + pages,
        // `then` is when the shown content was last confirmed; the day is told when not today's.
        offline: (then, today) => '离线，显示的是 ' +
            (today ? '' : then.month + '月' + then.day + '日 ') + ZH.time(then) + ' 的内容',
        never: '离线，尚未收到内容',
        more: '网上查看全文：',
        moreAt: '全文请登录：',
        picture: '图片'
    };

    const EN = {
        name: 'Government Information',
        urgent: 'URGENT',
        kinds: {
            notice: 'Notice', policy: 'Policy', interpretation: 'Policy explained',
            consultation: 'Consultation', licence: 'Licences', penalty: 'Penalties',
            budget: 'Budget', warning: 'Warning', recall: 'Recall',
            personnel: 'Personnel', other: 'Information'
        },
        weekdays: ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'],
        day: day => day.year + '-' + two(day.month) + '-' + two(day.day),
        time: day => two(day.hour) + ':' + two(day.minute),
        pages: (page, pages) => page + ' / ' + pages,
        offline: (then, today) => 'Offline, content as of ' +
            (today ? '' : EN.day(then) + ' ') + EN.time(then),
        never: 'Offline, no content yet',
        more: 'Full text: ',
        moreAt: 'Full text at: ',
        picture: 'picture'
    };

    gongkai.words = language => /^en/i.test(language || '') ? EN : ZH;
}());
