#include "channels/onbon/onbon.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "channels/playlist.h"
#include "channels/relay.h"
#include "core/digest.h"
#include "core/memory.h"

/* -- the index -- */

static void add_views(const struct onbon_options *options, struct tree_open *open) {
        unsigned limit = (unsigned) options->most;

        open->views[0] = (struct tree_view) { .tag = "urgent", .limit = limit };
        open->views[1] = (struct tree_view) { .limit = 2 * limit }; /* the urgent ones are in it too */
        open->n_views = 2;
}

static bool concerns_the_place(const struct delivery *delivery) {
        const struct onbon_options *options = delivery->options;
        const json_t *data = json_object_get(delivery->event, "data");
        json_t *entry freed_by(json_decrefp) = json_pack("{s:s, s:O?}", "region", delivery->region,
                                                         "areas", json_object_get(data, "areas"));
        struct screen board = { 0 };

        if (options->place)
                (void) snprintf(board.area, sizeof(board.area), "%s", options->place);
        return !entry || screen_wants(&board, entry);
}

/* For the heartbeat: what it is that the board draws. */
static int add_identity(const struct delivery *delivery, const char *text, json_t *data) {
        char digest[DIGEST_TEXT];
        json_t *identity freed_by(json_decrefp) = NULL;

        digest_bytes(text, strlen(text), digest);
        identity = json_pack("{s:s, s:s, s:I, s:s}", "region", delivery->region, "document",
                             delivery->document, "revision", (json_int_t) delivery->revision,
                             "digest", digest);
        return identity ? json_object_update(data, identity) : -1;
}

/* What is to be shown of a document; for one that is to go, or is for another place, no word. */
static int open_entry(const struct delivery *delivery, const char *text, struct step *ret) {
        const struct onbon_options *options = delivery->options;
        const json_t *data = json_object_get(delivery->event, "data");
        struct tree_open *open = &ret->tree_open;

        *ret = (struct step) { .kind = STEP_TREE_OPEN };
        *open = (struct tree_open) {
                .has_entry = true, .live = text != NULL, .revision = delivery->revision,
                .level = delivery->level, .date_ms = delivery->now_ms,
        };
        open->tags = json_array();
        open->data = json_pack("{s:s*, s:b}", "text", text, "urgent", (int) delivery->urgent);
        if (text)
                open->until_ms = end_of(delivery, data, options->show_days);
        if (!open->tags || !open->data || (text && add_identity(delivery, text, open->data) < 0) ||
            (text && delivery->urgent && json_array_append_new(open->tags, json_string("urgent")) < 0))
                return -ENOMEM;
        return relay_begin(ret);
}

/* -- requests -- */

static int send_command(const struct delivery *delivery, const void *command, size_t n_bytes,
                        bool harmless, struct step *ret) {
        const struct onbon_options *options = delivery->options;
        struct tcp_step *tcp = &ret->tcp;

        *ret = (struct step) { .kind = STEP_TCP };
        *tcp = (struct tcp_step) { .port = (unsigned) options->port, .until = 0x5a,
                                   .harmless = harmless };
        tcp->host = strdup(options->host);
        if (!tcp->host)
                return -ENOMEM;
        onbon_frame((unsigned) options->screen, options->over, command, n_bytes, &tcp->bytes);
        return tcp->bytes.error;
}

/* The card draws what it has acknowledged: the heartbeat of a board that cannot speak of itself. */
static int alive(const struct delivery *delivery, const char *code, const json_t *drawn,
                 struct step *ret) {
        json_t *draws freed_by(json_decrefp) = json_array(), *entry;
        size_t i;
        int r = step_done_verdict(ret, NULL, NULL);

        ret->verdict.code = code;
        json_array_foreach(drawn, i, entry)
                if (json_object_get(entry, "digest") && /* else of another version of this program */
                    json_array_append(draws, entry) < 0)
                        r = -ENOMEM;
        ret->verdict.sight = json_pack("{s:s, s:O}", "player", delivery->channel, "draws", draws);
        return ret->verdict.sight ? r : -ENOMEM;
}

static int done(const struct delivery *delivery, const json_t *drawn, struct step *ret) {
        const struct onbon_options *options = delivery->options;
        struct buf gbk freed_by(buf_done) = { 0 };
        struct buf lost freed_by(buf_done) = { 0 };
        char *text freed_by(freep) = NULL;

        if (delivery->kind == DELIVER_SETUP)
                return alive(delivery, "done", drawn, ret);
        if (delivery->kind != DELIVER_PUBLISH)
                return step_done_verdict(ret, NULL, NULL);
        text = onbon_text(delivery, options->length);
        if (!text || onbon_gbk(text, &gbk, &lost) < 0 || lost.len == 0)
                return step_done_verdict(ret, NULL, NULL);
        return step_verdict(ret, VERDICT_DONE, "onbon/replaced", 0, MESSAGE_ONBON_REPLACED,
                            "characters", buf_text(&lost), NULL);
}

static bool is_at(const struct delivery *delivery, const char *turn) {
        const char *at = json_string_value(json_object_get(delivery->memo, "at"));

        return at && strcmp(at, turn) == 0;
}

/* The whole list, unless it is what the card has had from us in this attempt. */
static int show(const struct delivery *delivery, const struct tree_reply *tree, struct step *ret) {
        const struct onbon_options *options = delivery->options;
        struct buf command freed_by(buf_done) = { 0 };
        struct buf words freed_by(buf_done) = { 0 };
        json_t *drawn freed_by(json_decrefp) = json_array();
        char sum[RELAY_SUM];
        int r = onbon_board(options, tree->views, &command, &words, drawn);

        if (r < 0)
                return r;
        if (is_at(delivery, "alive"))
                return alive(delivery, "alive", drawn, ret);
        relay_sum(command.data, command.len, sum);
        if (relay_is_sent(delivery, sum))
                return done(delivery, drawn, ret);
        r = send_command(delivery, command.data, command.len, false, ret);
        ret->tcp.words = buf_take(&words);
        return r < 0 ? r : relay_send(delivery, sum, ret);
}

/* -- answers -- */

static int verdict(const struct delivery *delivery, enum verdict_kind kind, const char *code,
                   enum message message, unsigned error, const char *reason, struct step *ret) {
        const struct onbon_options *options = delivery->options;
        char number[8];

        (void) snprintf(number, sizeof(number), "%02X", error);
        return step_verdict(ret, kind, code, 0, message, "host", options->host, "code", number,
                            "reason", reason ? reason : "", NULL);
}

/* The CRC was wrong: once more at once, with the same bytes (made from the index anew). */
static int damaged(const struct delivery *delivery, unsigned error, struct step *ret) {
        if (json_is_true(json_object_get(delivery->memo, "damaged")) ||
            delivery->kind == DELIVER_TEST)
                return verdict(delivery, VERDICT_LATER, "onbon/damaged", MESSAGE_ONBON_DAMAGED,
                               error, NULL, ret);
        *ret = (struct step) { .kind = STEP_TREE_OPEN };
        add_views(delivery->options, &ret->tree_open);
        ret->memo = json_pack("{s:s, s:b}", "at", "look", "damaged", 1);
        return ret->memo ? 0 : -ENOMEM;
}

/* Out of the list again, before the verdict: what this card refuses must not ride on with the next
 * notice. */
static int refuse(const struct delivery *delivery, unsigned error, struct step *ret) {
        int r = open_entry(delivery, NULL, ret);

        if (r < 0)
                return r;
        json_decref(ret->memo);
        ret->memo = json_pack("{s:s, s:i}", "at", "put", "refused", (int) error);
        return ret->memo ? 0 : -ENOMEM;
}

/* The numbers are of the vendor's list, README.md. */
static int judge_error(const struct delivery *delivery, unsigned error, struct step *ret) {
        switch (error) {
        case 0x03:
                return verdict(delivery, VERDICT_LATER, "onbon/busy", MESSAGE_ONBON_BUSY, error, NULL,
                               ret);
        case 0x05:
                return damaged(delivery, error, ret);
        case 0x04:
        case 0x07:
                return verdict(delivery, VERDICT_BLOCKED, "onbon/full", MESSAGE_ONBON_FULL, error,
                               NULL, ret);
        case 0x01:
        case 0x02:
        case 0x0c:
        case 0x0d:
                return verdict(delivery, VERDICT_BLOCKED, "onbon/settings", MESSAGE_ONBON_SETTINGS,
                               error, NULL, ret);
        }
        if (delivery->kind == DELIVER_PUBLISH)
                return refuse(delivery, error, ret);
        return verdict(delivery, VERDICT_LATER, "onbon/refused", MESSAGE_ONBON_REFUSED, error, NULL,
                       ret);
}

/* A request replaces all that the board shows: what became of one matters to nobody once the next
 * has been answered. */
static int judge(const struct delivery *delivery, const struct tcp_reply *tcp, struct step *ret) {
        unsigned error = 0;
        int r = 0;

        if (!tcp->whole && !tcp->sent)
                return verdict(delivery, VERDICT_LATER, "onbon/unreachable",
                               MESSAGE_ONBON_UNREACHABLE, 0, tcp->error, ret);
        if (!tcp->whole)
                return verdict(delivery, VERDICT_UNCERTAIN, "onbon/unclear", MESSAGE_ONBON_UNCLEAR,
                               0, tcp->error, ret);
        switch (onbon_read(tcp->bytes, tcp->n_bytes, &error)) {
        case ONBON_NONSENSE:
                return verdict(delivery, VERDICT_UNCERTAIN, "onbon/nonsense",
                               MESSAGE_ONBON_NOT_A_CARD, 0, NULL, ret);
        case ONBON_NACK:
                return judge_error(delivery, error, ret);
        case ONBON_ACK:
                break;
        }
        if (delivery->kind == DELIVER_TEST)
                return verdict(delivery, VERDICT_DONE, "done", MESSAGE_ONBON_ANSWERS, 0, NULL, ret);
        if (relay_again(delivery, ret, &r) == RELAY_LOOK)
                add_views(delivery->options, &ret->tree_open);
        if (r == 0 && is_at(delivery, "ping"))
                r = json_object_set_new(ret->memo, "at", json_string("alive")) < 0 ? -ENOMEM : 0;
        return r;
}

/* -- the driver -- */

/* Between two lists a ping: does the card live? One that was away gets the list at once. */
static int set_up(const struct delivery *delivery, struct step *ret) {
        const struct onbon_options *options = delivery->options;
        int64_t age_ms = delivery->now_ms - delivery->setup_ms;
        int r = 0;

        if (options->ping_ms > 0 && delivery->setup_ms > 0 &&
            (options->refresh_ms == 0 || age_ms < options->refresh_ms)) {
                r = send_command(delivery, onbon_ping, sizeof(onbon_ping), true, ret);
                ret->memo = json_pack("{s:s}", "at", "ping");
                return r < 0 || ret->memo ? r : -ENOMEM;
        }
        (void) relay_again(delivery, ret, &r);
        add_views(options, &ret->tree_open);
        return r;
}

static int publish(const struct delivery *delivery, struct step *ret) {
        const struct onbon_options *options = delivery->options;
        char *text freed_by(freep) = onbon_text(delivery, options->length);
        struct buf gbk freed_by(buf_done) = { 0 };
        struct buf lost freed_by(buf_done) = { 0 };
        int r = text ? onbon_gbk(text, &gbk, &lost) : -ENOMEM;

        if (r < 0)
                return r;
        if (!concerns_the_place(delivery))
                return open_entry(delivery, NULL, ret);
        if (lost.len > 0 && options->unencodable == ONBON_REFUSE)
                return step_verdict(ret, VERDICT_REFUSED, "onbon/unencodable", 0,
                                    MESSAGE_ONBON_UNENCODABLE, "characters", buf_text(&lost), NULL);
        return open_entry(delivery, text, ret);
}

static int onbon_begin(const struct delivery *delivery, struct step *ret) {
        switch (delivery->kind) {
        case DELIVER_SETUP:
                return set_up(delivery, ret);
        case DELIVER_TEST:
                return send_command(delivery, onbon_ping, sizeof(onbon_ping), true, ret);
        case DELIVER_PUBLISH:
                return publish(delivery, ret);
        case DELIVER_WITHDRAW:
        case DELIVER_EXPIRE:
                break;
        }
        return open_entry(delivery, NULL, ret);
}

static int onbon_next(const struct delivery *delivery, const struct reply *reply,
                      struct step *ret) {
        const json_t *refused = json_object_get(delivery->memo, "refused");
        int r = 0;

        if (reply->kind == STEP_TCP)
                return judge(delivery, &reply->tcp, ret);
        if (refused && reply->kind == STEP_TREE_COMMIT && reply->tree.status == TREE_OK)
                return verdict(delivery, VERDICT_REFUSED, "onbon/refused", MESSAGE_ONBON_REFUSED,
                               (unsigned) json_integer_value(refused), NULL, ret);
        switch (relay_next(delivery, reply, ret, &r)) {
        case RELAY_FILLED:
                return r;
        case RELAY_LOOK:
                add_views(delivery->options, &ret->tree_open);
                return r;
        case RELAY_SHOW:
                return show(delivery, &reply->tree, ret);
        case RELAY_BUSY:
                return step_verdict(ret, VERDICT_LATER, "onbon/index-busy", 0,
                                    MESSAGE_ONBON_BUSY_INDEX, NULL);
        case RELAY_BROKEN:
                return step_verdict(ret, VERDICT_LATER, "onbon/index", 0,
                                    MESSAGE_ONBON_INDEX_FAILED, "reason", reply->tree.error, NULL);
        }
        return -EINVAL;
}

/* In doubt it sends the whole list, which is better than to ask; once more when nothing that left
 * earlier can arrive any more. */
static bool onbon_looks(const void *options) {
        (void) options;
        return true;
}

static int64_t onbon_refresh_ms(const void *options) {
        const struct onbon_options *onbon = options;
        int64_t refresh = onbon->refresh_ms, ping = onbon->ping_ms;

        return refresh == 0 || (ping > 0 && ping < refresh) ? ping : refresh;
}

static void onbon_check(const void *pointer, const char *path, struct problems *problems) {
        const struct onbon_options *options = pointer;

        if (options->host && (strpbrk(options->host, "/ @[]") || strlen(options->host) > 253))
                problems_add(problems, path, 0, MESSAGE_ONBON_HOST, "value", options->host, NULL);
        if (options->place && !area_is_sound(options->place))
                problems_add(problems, path, 0, MESSAGE_ONBON_PLACE, "value", options->place, NULL);
}

static void onbon_address(const void *pointer, struct buf *ret) {
        const struct onbon_options *options = pointer;
        bool bare = options->host && strchr(options->host, ':'); /* IPv6 */

        if (options->host)
                buf_fmt(ret, "%s%s%s:%u", bare ? "[" : "", options->host, bare ? "]" : "",
                        (unsigned) options->port);
}

/* A card that says yes, and counts no CRC. */
static bool onbon_rehearse(const struct step *request, struct reply *ret) {
        static const unsigned char yes[] = { 0xa5, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0,   0,
                                             0,    5, 0, 0xa0, 0, 0, 0, 0, 0xff, 0xff, 0x5a };

        ret->tcp = (struct tcp_reply) { .bytes = yes, .n_bytes = sizeof(yes), .whole = true,
                                        .sent = true };
        return request->kind == STEP_TCP;
}

static const char *const colours[] = { "red", "green", "yellow", NULL };
static const char *const effects[] = { "still", "instant", "left", "right", "up", "down", NULL };
static const char *const aligns[] = { "left", "centre", "right", NULL };
static const char *const unencodables[] = { "replace", "refuse", NULL };

#define AT(member) offsetof(struct onbon_options, member)
#define NUMBER(key, default_, least_, most_, chinese_, english_)                                   \
        { "", #key, SETTING_NUMBER, AT(key), .fallback = default_, .least = least_,                \
          .most = most_, .chinese = chinese_, .english = english_ }
#define CHOICE(key, list, default_, chinese_, english_)                                            \
        { "", #key, SETTING_CHOICE, AT(key), .choices = list, .fallback = default_,                \
          .chinese = chinese_, .english = english_ }
static const struct setting onbon_settings[] = {
        { "", "host", SETTING_STRING, AT(host), .required = true,
          .chinese = "控制卡的 IP 地址或域名", .english = "the card's address or name" },
        NUMBER(port, "5005", 1, 65535, "控制卡的端口", "the card's port"),
        NUMBER(screen, "1", 1, 65534, "屏号；65534 是不论几号都收",
               "the number of the screen; 65534 is any"),
        NUMBER(area, "0", 0, 254, "用几号动态区", "the number of the dynamic area"),
        NUMBER(left, "0", 0, 4096, "动态区左上角的横坐标（像素）", "left edge of the area, in pixels"),
        NUMBER(top, "0", 0, 4096, "动态区左上角的纵坐标（像素）", "top edge of the area, in pixels"),
        { "", "width", SETTING_NUMBER, AT(width), .least = 8, .most = 4096, .required = true,
          .chinese = "动态区的宽（像素），一般就是屏的宽", .english = "width of the area, in pixels" },
        { "", "height", SETTING_NUMBER, AT(height), .least = 8, .most = 4096, .required = true,
          .chinese = "动态区的高（像素）", .english = "height of the area, in pixels" },
        { "", "over", SETTING_BOOL, AT(over), .fallback = "no",
          .chinese = "动态区盖在卡上存的节目上面；no 是与节目同时显示，两者不能重叠",
          .english = "the area lies above the card's programmes; else both are shown, side by side" },
        CHOICE(colour, colours, "red", "字的颜色", "colour of the text"),
        CHOICE(urgent_colour, colours, "yellow", "紧急的用什么颜色", "colour of what is urgent"),
        CHOICE(effect, effects, "left", "怎样出现：不动、一下打出、向左移、向右移、向上移、向下移",
               "how it appears: still, at once, moving left, right, up, down"),
        CHOICE(align, aligns, "left", "左对齐、居中、右对齐", "alignment within the area"),
        { "", "lines", SETTING_BOOL, AT(lines), .fallback = "no",
          .chinese = "多行显示，自动换行", .english = "several lines, wrapped" },
        NUMBER(speed, "4", 0, 24, "移动多快，0 最快，24 最慢", "speed: 0 is fastest, 24 slowest"),
        { "", "stay", SETTING_DURATION, AT(stay_ms), .fallback = "5s", .most = 127500,
          .chinese = "不动的时候停多久（半秒为单位）",
          .english = "how long a page stays, in halves of a second" },
        NUMBER(most, "10", 1, 50, "最多轮流显示几份，紧急的在前，其余新的在前",
               "the most notices, urgent ones first, then the newest"),
        NUMBER(length, "70", 8, 500, "一份最多几个汉字", "the most Chinese characters of one notice"),
        NUMBER(most_bytes, "1000", 100, 60000, "一次最多发多少字节，放不下的不显示；老的卡只收得下 1 KB",
               "the most bytes of one update; older cards take 1 KB"),
        CHOICE(unencodable, unencodables, "replace",
               "字库（GBK）没有的字：replace 显示成“□”并记入日志，refuse 不发",
               "what the font (GBK) lacks: replace it by a box and say so, or refuse the notice"),
        { "", "place", SETTING_STRING, AT(place),
          .chinese = "屏在哪里（6、9 或 12 位区划代码），只放与那里有关的；不写就都放",
          .english = "where the board stands (6, 9 or 12 digits): it shows what concerns that place" },
        { "", "separator", SETTING_STRING, AT(separator), .fallback = "　　◆　　",
          .chinese = "两份之间放什么", .english = "what stands between two notices" },
        { "", "idle", SETTING_STRING, AT(idle),
          .chinese = "没有内容时显示什么；不写就把动态区删掉",
          .english = "what to show when there is nothing; else the area is deleted" },
        { "", "refresh", SETTING_DURATION, AT(refresh_ms), .fallback = "30min", .most = 86400000,
          .chinese = "隔多久把该显示的重发一遍（卡断电后不保存）；0s 是不重发",
          .english = "how often all is sent anew (a card forgets when it loses its power); 0s: never" },
        { "", "ping", SETTING_DURATION, AT(ping_ms), .fallback = "1min", .most = 86400000,
          .chinese = "隔多久问一次卡在不在（台账里屏上显示了多久由此得来，不要超过 90 秒），断过的马上重发；0s 是不问",
          .english = "how often to ask whether the card lives, which proves for how long notices were on"
                     " the board (so 90 s at most); one that was away gets all at once; 0s: never" },
        NUMBER(show_days, "14", 1, 3650, "文件没有写明放到几时的，放多少天",
               "days for which a document is shown that does not say how long"),
};
#undef CHOICE
#undef NUMBER
#undef AT

extern const struct driver onbon_driver;
const struct driver onbon_driver = {
        .name = "onbon",
        .title_chinese = "LED 电子屏（仰邦字库卡）",
        .title_english = "LED boards (Onbon font cards)",
        .about_chinese = "把公告作为一行行的字发给 LED 条屏的控制卡（仰邦 BX-5K、BX-6K 字库卡），一块屏一个渠道。\n"
                         "先请屏的维护单位用厂家软件设好固定 IP、端口（出厂 5005）、屏号（出厂 1）、屏的宽和高，装好 GBK 字库；"
                         "卡没有口令，要放在只有这台服务器连得到的网段。\n"
                         "写好后用 gongkaictl channel test 试通不通（不动屏上的内容），"
                         "用 gongkaictl channel preview 看屏上会有什么字。",
        .about_english = "Sends notices as lines of text to the card of an LED board (Onbon BX-5K, BX-6K with a"
                         " font); one channel for each board.\n"
                         "First have those who keep the board set a fixed IP, the port (5005 as delivered), the"
                         " screen's number (1), width and height, and a GBK font; the card has no password, so"
                         " only this server should reach it.\n"
                         "Then try it by gongkaictl channel test, which leaves the board as it is, and see by"
                         " gongkaictl channel preview what it would show.",
        .settings = onbon_settings,
        .n_settings = ELEMENTS(onbon_settings),
        .options_size = sizeof(struct onbon_options),
        .index = true,
        .looks = onbon_looks,
        .refresh_ms = onbon_refresh_ms,
        .check = onbon_check,
        .address = onbon_address,
        .rehearse = onbon_rehearse,
        .begin = onbon_begin,
        .next = onbon_next,
};
