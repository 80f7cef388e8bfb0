/* What the platform's answers mean. Codes and classes: the platform's table of return codes, and
 * what WxJava (WxMpErrorMsgEnum, commit 9eba04d) says of them; read in November 2026. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/unicode.h"

static const struct {
        int code;
        enum wechat_class class;
        enum message message; /* of AUTH the sentence, of CONTENT the field */
} codes[] = {
        { -1, CLASS_BUSY, 0 },
        { 61450, CLASS_BUSY, 0 },
        { 9001002, CLASS_BUSY, 0 },

        { 40001, CLASS_REFRESH, 0 },
        { 40014, CLASS_REFRESH, 0 },
        { 42001, CLASS_REFRESH, 0 },

        { 40002, CLASS_AUTH, MESSAGE_WECHAT_WRONG_APPID },
        { 40013, CLASS_AUTH, MESSAGE_WECHAT_WRONG_APPID },
        { 41002, CLASS_AUTH, MESSAGE_WECHAT_WRONG_APPID },
        { 40125, CLASS_AUTH, MESSAGE_WECHAT_WRONG_SECRET },
        { 41004, CLASS_AUTH, MESSAGE_WECHAT_WRONG_SECRET },
        { 42007, CLASS_AUTH, MESSAGE_WECHAT_WRONG_SECRET },
        { 40164, CLASS_AUTH, MESSAGE_WECHAT_IP_LIST },
        { 89503, CLASS_AUTH, MESSAGE_WECHAT_IP_CONFIRM },
        { 48001, CLASS_AUTH, MESSAGE_WECHAT_NO_RIGHT },
        { 48008, CLASS_AUTH, MESSAGE_WECHAT_NO_RIGHT },
        { 50001, CLASS_AUTH, MESSAGE_WECHAT_NO_RIGHT },
        { 61024, CLASS_AUTH, MESSAGE_WECHAT_NO_RIGHT },
        { 48004, CLASS_AUTH, MESSAGE_WECHAT_FROZEN },
        { 50002, CLASS_AUTH, MESSAGE_WECHAT_FROZEN },
        { 50004, CLASS_AUTH, MESSAGE_WECHAT_FROZEN },
        { 50007, CLASS_AUTH, MESSAGE_WECHAT_FROZEN },

        { 45009, CLASS_MIDNIGHT, 0 },
        { 45011, CLASS_MINUTE, 0 },
        { 45028, CLASS_MIDNIGHT, 0 },
        { 45066, CLASS_SIXTY, 0 },
        { 48006, CLASS_MONTH, 0 },
        { 89501, CLASS_TEN, 0 },
        { 89507, CLASS_HOUR, 0 },
        { 89506, CLASS_DAY, 0 },
        { 89504, CLASS_ADMIN, 0 },
        { 89505, CLASS_ADMIN, 0 },

        { 45065, CLASS_DUP, 0 },

        { 40007, CLASS_MEDIA, MESSAGE_WECHAT_FIELD_COVER },
        { 46001, CLASS_MEDIA, MESSAGE_WECHAT_FIELD_COVER },

        { 45003, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_TITLE },
        { 45004, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_DIGEST },
        { 40039, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_LINK },
        { 45005, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_LINK },
        { 40155, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_LINK },
        { 44003, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_BODY },
        { 44004, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_BODY },
        { 45002, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_BODY },
        { 45008, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_BODY },
        { 40004, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_PICTURE },
        { 40005, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_PICTURE },
        { 40006, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_PICTURE },
        { 40009, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_PICTURE },
        { 40137, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_PICTURE },
        { 44001, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_PICTURE },
        { 45001, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_PICTURE },
        { 45006, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_PICTURE },
        { 40012, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_COVER },
        { 40118, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_COVER },
        { 40008, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 40033, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 40035, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 40038, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 40060, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 40121, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 44002, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 45007, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 45067, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 45159, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 47001, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 61451, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER },
        { 53503, CLASS_CONTENT, 0 },
        { 53504, CLASS_CONTENT, 0 },
        { 53505, CLASS_CONTENT, 0 },

        /* Not in the table of codes; by the accounts of people who met them. */
        { 45110, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_OTHER }, /* the author is too long */
        { 45166, CLASS_CONTENT, MESSAGE_WECHAT_FIELD_BODY },
        { 53600, CLASS_GONE, 0 }, /* there is no such article */
        { 40059, CLASS_GONE, 0 }, /* nor such a push */

        { 40003, CLASS_RECIPIENT, 0 },
        { 40031, CLASS_RECIPIENT, 0 },
        { 40032, CLASS_RECIPIENT, 0 },
        { 43004, CLASS_RECIPIENT, 0 },
        { 43019, CLASS_RECIPIENT, 0 },
        { 46004, CLASS_RECIPIENT, 0 },
        { 48002, CLASS_RECIPIENT, 0 },
        { 50005, CLASS_RECIPIENT, 0 },

        { 40037, CLASS_PROGRAM, 0 },
        { 40066, CLASS_PROGRAM, 0 },
        { 41001, CLASS_PROGRAM, 0 },
        { 41005, CLASS_PROGRAM, 0 },
        { 41006, CLASS_PROGRAM, 0 },
        { 43001, CLASS_PROGRAM, 0 },
        { 43002, CLASS_PROGRAM, 0 },
        { 43003, CLASS_PROGRAM, 0 },
};

static size_t row_of(int64_t code) {
        size_t i = 0;

        while (i < ELEMENTS(codes) && codes[i].code != code)
                i++;
        return i;
}

enum wechat_class wechat_class_of(int64_t code, bool token) {
        size_t i = row_of(code);

        if (code == 0)
                return CLASS_OK;
        if (token && code == 40001)
                return CLASS_AUTH;
        return i < ELEMENTS(codes) ? codes[i].class : CLASS_UNKNOWN;
}

static enum message message_of(int64_t code, bool auth) {
        size_t i = row_of(code);

        if (auth && code == 40001)
                return MESSAGE_WECHAT_WRONG_SECRET;
        return i < ELEMENTS(codes) ? codes[i].message : 0;
}

/* -- reading -- */

static void take_words(struct answer *answer, const char *words) {
        char excerpt[UNICODE_EXCERPT(60)];
        size_t n = words ? unicode_valid(words, strlen(words)) : 0;

        if (n == 0)
                words = "-", n = 1;
        (void) snprintf(answer->words, sizeof(answer->words), "%s",
                        unicode_excerpt(words, n, 60, excerpt));
}

void wechat_read(const struct http_reply *reply, bool token, struct answer *ret) {
        const json_t *code;

        *ret = (struct answer) { .status = reply->status };
        if (reply->status == 0) {
                ret->class = reply->sent ? CLASS_LOST : CLASS_NOT_SENT;
                take_words(ret, reply->error);
                return;
        }
        ret->class = CLASS_GARBLED;
        if (reply->status < 500 && reply->n_body > 0)
                ret->json = json_loadb(reply->body, reply->n_body, 0, NULL);
        code = json_object_get(ret->json, "errcode");
        if (!json_is_object(ret->json) || (code && !json_is_integer(code)) ||
            (!code && reply->status / 100 != 2)) {
                take_words(ret, reply->body);
                return;
        }
        ret->code = json_integer_value(code);
        ret->class = wechat_class_of(ret->code, token);
        take_words(ret, json_string_value(json_object_get(ret->json, "errmsg")));
}

void wechat_answer_done(struct answer *answer) {
        json_decref(answer->json);
        answer->json = NULL;
}

/* -- times -- */

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS };

int64_t wechat_midnight(int64_t now_ms) {
        char day[MOMENT_TEXT];
        int64_t ms = now_ms;

        (void) moment_parse_date(moment_write_date(now_ms, day), &ms);
        return ms + DAY_MS;
}

int64_t wechat_next_month(int64_t now_ms) {
        char day[MOMENT_TEXT];
        int64_t ms = now_ms;

        (void) moment_write_date(now_ms, day);
        memcpy(day + 8, "01", 2);
        (void) moment_parse_date(day, &ms);
        (void) moment_write_date(ms + 32 * (int64_t) DAY_MS, day);
        memcpy(day + 8, "01", 2);
        (void) moment_parse_date(day, &ms);
        return ms;
}

static int64_t wait_until(enum wechat_class class, int64_t now_ms) {
        switch (class) {
        case CLASS_MINUTE:
                return now_ms - now_ms % MINUTE_MS + MINUTE_MS;
        case CLASS_SIXTY:
                return now_ms + MINUTE_MS;
        case CLASS_TEN:
                return now_ms + 10 * MINUTE_MS;
        case CLASS_HOUR:
                return now_ms + HOUR_MS;
        case CLASS_DAY:
                return now_ms + DAY_MS;
        case CLASS_MIDNIGHT:
                return wechat_midnight(now_ms);
        case CLASS_MONTH:
                return wechat_next_month(now_ms);
        case CLASS_ADMIN:
                return now_ms + 2 * MINUTE_MS;
        default:
                return 0;
        }
}

/* -- verdicts -- */

/* "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist" */
static void address_of(const char *words, char *to, size_t room) {
        const char *at = strcasestr(words, "ip ");
        size_t n = at ? strspn(at + 3, "0123456789abcdefABCDEF.:") : 0;

        (void) snprintf(to, room, "%.*s", n > 6 ? (int) n : 1, n > 6 ? at + 3 : "?");
}

struct ruling {
        enum verdict_kind kind;
        const char *code;
        enum message message;
        bool ill;
};

static struct ruling rule(const struct answer *answer, bool harmless) {
        enum message own = message_of(answer->code, answer->class == CLASS_AUTH);
        enum verdict_kind unclear = harmless ? VERDICT_LATER : VERDICT_UNCERTAIN;

        switch (answer->class) {
        case CLASS_NOT_SENT:
                return (struct ruling) { VERDICT_LATER, "wechat/unreachable",
                                        MESSAGE_WECHAT_UNREACHABLE, false };
        case CLASS_LOST:
                return (struct ruling) { unclear, harmless ? "wechat/unreachable" : "wechat/unclear",
                                        harmless ? MESSAGE_WECHAT_UNREACHABLE
                                                 : MESSAGE_WECHAT_UNCLEAR,
                                        false };
        case CLASS_GARBLED:
                return (struct ruling) { unclear, harmless ? "wechat/odd" : "wechat/unclear",
                                        harmless ? MESSAGE_WECHAT_NO_ANSWER
                                                 : MESSAGE_WECHAT_UNCLEAR,
                                        true };
        case CLASS_BUSY:
                return (struct ruling) { unclear, harmless ? "wechat/busy" : "wechat/unclear",
                                        harmless ? MESSAGE_WECHAT_BUSY : MESSAGE_WECHAT_UNCLEAR,
                                        true };
        case CLASS_AUTH:
                return (struct ruling) { VERDICT_BLOCKED, "wechat/account", own, false };
        case CLASS_REFRESH:
                return (struct ruling) { VERDICT_BLOCKED, "wechat/token",
                                        MESSAGE_WECHAT_TOKEN_REFUSED, false };
        case CLASS_MINUTE:
        case CLASS_SIXTY:
        case CLASS_TEN:
        case CLASS_HOUR:
        case CLASS_DAY:
        case CLASS_MIDNIGHT:
        case CLASS_MONTH:
                return (struct ruling) { VERDICT_WAIT, "wechat/quota", MESSAGE_WECHAT_QUOTA, false };
        case CLASS_ADMIN:
                return (struct ruling) { VERDICT_WAIT, "wechat/administrator",
                                        MESSAGE_WECHAT_ADMIN_WAIT, false };
        case CLASS_MEDIA:
        case CLASS_CONTENT:
                return (struct ruling) { VERDICT_REFUSED, "wechat/refused",
                                        own ? MESSAGE_WECHAT_REFUSED : MESSAGE_WECHAT_DRAFT_CHECK,
                                        false };
        case CLASS_RECIPIENT: /* nothing here names one */
        case CLASS_PROGRAM:
                return (struct ruling) { VERDICT_BLOCKED, "wechat/program", MESSAGE_WECHAT_PROGRAM,
                                        false };
        case CLASS_OK:
        case CLASS_DUP:
        case CLASS_GONE:
        case CLASS_UNKNOWN:
                break;
        }
        return (struct ruling) { VERDICT_BLOCKED, "wechat/unknown", MESSAGE_WECHAT_UNKNOWN_CODE,
                                false };
}

int wechat_judge(struct work *work, const struct answer *answer, bool harmless, enum message what) {
        struct ruling ruling = rule(answer, harmless);
        int64_t at_ms = wait_until(answer->class, work->delivery->now_ms);
        enum message field_message = message_of(answer->code, false);
        char *doing freed_by(freep) = say(what, NULL);
        char *field freed_by(freep) =
                say(answer->class == CLASS_CONTENT || answer->class == CLASS_MEDIA ? field_message
                                                                                   : what,
                    NULL);
        char code[24], status[24], when[MOMENT_TEXT], address[64];
        int r;

        if (!doing || !field)
                return -ENOMEM;
        (void) snprintf(code, sizeof(code), "%lld", (long long) answer->code);
        (void) snprintf(status, sizeof(status), "%ld", answer->status);
        address_of(answer->words, address, sizeof(address));
        r = wechat_verdict(work, ruling.kind, ruling.code, at_ms, ruling.message, "code", code,
                           "reason", answer->words, "status", status, "what", doing, "field", field,
                           "when", moment_write_minute(at_ms, when), "ip", address, "channel",
                           work->delivery->channel, NULL);
        if (r == 0)
                work->ret->verdict.ill = ruling.ill;
        return r;
}

int wechat_refresh(struct work *work, const struct answer *answer) {
        int64_t refused = wechat_number(work->state, "refused");
        bool same = json_is_true(json_object_get(work->delivery->account, "same"));
        unsigned version = (unsigned) wechat_number(work->state, "version");

        /* The normal way first; by force only where it brought the same token, still refused. */
        if (refused > 1 || (refused == 1 && !same))
                return wechat_judge(work, answer, false, MESSAGE_WECHAT_DO_OTHER);
        if (json_object_set_new(work->state, "refused", json_integer(refused + 1)) < 0)
                return -ENOMEM;
        *work->ret = (struct step) { .kind = STEP_ACCOUNT,
                                    .memo = json_incref(work->state),
                                    .need = { .version = version } };
        return 0;
}
