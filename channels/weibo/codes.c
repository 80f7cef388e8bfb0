/* What an answer of Weibo means. Codes: copies of open.weibo.com/wiki/Error_code at
 * cnblogs.com/lxwphp/p/9400049.html and blog.csdn.net/qq157819567/article/details/45096155;
 * weiboclient4j's WeiboError.java; 21322 to 21337 from WBAuthErrorCode of Weibo's SDK. Read on
 * 2026-11-24. */
#include "channels/weibo/weibo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"
#include "core/visible.h"
#include "core/unicode.h"

enum { HOUR_MS = 3600000, SIMILAR_MS = 600000, REASON_CHARACTERS = 200 };

enum class {
        LOGIN,     /* an officer must grant it anew */
        APP,       /* the app, the account, or what Weibo knows of them */
        MANUAL,    /* another sentence, also for a person at once */
        NEXT_HOUR, /* a count of this hour is used up */
        ONE_HOUR,  /* too many posts */
        BUSY,      /* nothing was done */
        BROKE,     /* a share may have been posted */
        CONTENT,
        MEANING, /* has one of its own in enum weibo_meaning */
};

struct code {
        long code;
        enum class class;
        enum message message;
        enum weibo_meaning meaning;
};

static const struct code codes[] = {
        { 21301, LOGIN, MESSAGE_WEIBO_LOGIN, 0 },
        { 21313, LOGIN, MESSAGE_WEIBO_LOGIN, 0 },
        { 21314, LOGIN, MESSAGE_WEIBO_LOGIN, 0 }, /* token used */
        { 21315, LOGIN, MESSAGE_WEIBO_LOGIN, 0 }, /* expired */
        { 21316, LOGIN, MESSAGE_WEIBO_LOGIN, 0 }, /* revoked */
        { 21317, LOGIN, MESSAGE_WEIBO_LOGIN, 0 }, /* rejected */
        { 21318, LOGIN, MESSAGE_WEIBO_LOGIN, 0 },
        { 21319, LOGIN, MESSAGE_WEIBO_LOGIN, 0 },
        { 21325, LOGIN, MESSAGE_WEIBO_LOGIN, 0 }, /* invalid_grant */
        { 21327, LOGIN, MESSAGE_WEIBO_LOGIN, 0 }, /* expired_token */
        { 21330, LOGIN, MESSAGE_WEIBO_LOGIN, 0 }, /* access_denied */
        { 21332, LOGIN, MESSAGE_WEIBO_LOGIN, 0 }, /* invalid_access_token; in no copy */

        { 10005, APP, MESSAGE_WEIBO_APP, 0 },
        { 10006, APP, MESSAGE_WEIBO_APP, 0 },
        { 10014, APP, MESSAGE_WEIBO_APP, 0 },
        { 20015, APP, MESSAGE_WEIBO_APP, 0 },
        { 21302, APP, MESSAGE_WEIBO_APP, 0 },
        { 21303, APP, MESSAGE_WEIBO_APP, 0 },
        { 21304, APP, MESSAGE_WEIBO_APP, 0 },
        { 21305, APP, MESSAGE_WEIBO_APP, 0 },
        { 21306, APP, MESSAGE_WEIBO_APP, 0 },
        { 21307, APP, MESSAGE_WEIBO_APP, 0 },
        { 21308, APP, MESSAGE_WEIBO_APP, 0 },
        { 21309, APP, MESSAGE_WEIBO_APP, 0 },
        { 21310, APP, MESSAGE_WEIBO_APP, 0 },
        { 21311, APP, MESSAGE_WEIBO_APP, 0 },
        { 21312, APP, MESSAGE_WEIBO_APP, 0 },
        { 21320, APP, MESSAGE_WEIBO_APP, 0 }, /* https only */
        { 21321, APP, MESSAGE_WEIBO_APP, 0 }, /* not audited: 15 test accounts */
        { 21322, APP, MESSAGE_WEIBO_APP, 0 }, /* redirect_uri_mismatch */
        { 21323, APP, MESSAGE_WEIBO_APP, 0 }, /* invalid_request */
        { 21324, APP, MESSAGE_WEIBO_APP, 0 }, /* invalid_client */
        { 21326, APP, MESSAGE_WEIBO_APP, 0 },
        { 21328, APP, MESSAGE_WEIBO_APP, 0 },
        { 21329, APP, MESSAGE_WEIBO_APP, 0 },
        { 21337, APP, MESSAGE_WEIBO_APP, 0 },
        { 20102, MANUAL, MESSAGE_WEIBO_NOT_OWN, 0 },
        /* The note's 24 hours are a person's affair: to go on by the clock brings a longer ban. */
        { 10004, MANUAL, MESSAGE_WEIBO_IP, 0 },
        { 20022, MANUAL, MESSAGE_WEIBO_IP, 0 },
        { 20031, MANUAL, MESSAGE_WEIBO_CAPTCHA, 0 },

        { 10022, NEXT_HOUR, MESSAGE_WEIBO_LIMIT, 0 }, /* of the IP */
        { 10023, NEXT_HOUR, MESSAGE_WEIBO_LIMIT, 0 }, /* of the account */
        { 10024, NEXT_HOUR, MESSAGE_WEIBO_LIMIT, 0 }, /* of the account and interface */
        { 20016, ONE_HOUR, MESSAGE_WEIBO_LIMIT, 0 },

        { 10002, BUSY, MESSAGE_WEIBO_BUSY, 0 },  /* service unavailable */
        { 10009, BUSY, MESSAGE_WEIBO_BUSY, 0 },  /* too many tasks */
        { 21331, BUSY, MESSAGE_WEIBO_BUSY, 0 },  /* temporarily_unavailable */
        { 10001, BROKE, MESSAGE_WEIBO_BUSY, 0 }, /* system error */
        { 10003, BROKE, MESSAGE_WEIBO_BUSY, 0 }, /* remote service error */
        { 10010, BROKE, MESSAGE_WEIBO_BUSY, 0 }, /* job expired */
        { 10011, BROKE, MESSAGE_WEIBO_BUSY, 0 }, /* RPC error */

        { 10007, CONTENT, MESSAGE_WEIBO_REFUSED, 0 },
        { 10008, CONTENT, MESSAGE_WEIBO_REFUSED, 0 },
        { 10012, CONTENT, MESSAGE_WEIBO_REFUSED, 0 },
        { 10016, CONTENT, MESSAGE_WEIBO_REFUSED, 0 },
        { 10017, CONTENT, MESSAGE_WEIBO_REFUSED, 0 }, /* an unbound domain: weibo_trouble() */
        { 10018, CONTENT, MESSAGE_WEIBO_LONG, 0 },
        { 10020, CONTENT, MESSAGE_WEIBO_REFUSED, 0 },
        { 10021, CONTENT, MESSAGE_WEIBO_REFUSED, 0 },
        { 20005, CONTENT, MESSAGE_WEIBO_PICTURE, 0 },
        { 20006, CONTENT, MESSAGE_WEIBO_PICTURE, 0 },
        { 20007, CONTENT, MESSAGE_WEIBO_PICTURE, 0 },
        { 20008, CONTENT, MESSAGE_WEIBO_REFUSED, 0 },
        { 20012, CONTENT, MESSAGE_WEIBO_LONG, 0 },
        { 20013, CONTENT, MESSAGE_WEIBO_LONG, 0 },
        { 20014, CONTENT, MESSAGE_WEIBO_REFUSED, 0 },
        { 20018, CONTENT, MESSAGE_WEIBO_WORDS, 0 }, /* a forbidden address */
        { 20020, CONTENT, MESSAGE_WEIBO_WORDS, 0 },
        { 20021, CONTENT, MESSAGE_WEIBO_WORDS, 0 },
        { 21602, CONTENT, MESSAGE_WEIBO_WORDS, 0 },

        { 20017, MEANING, MESSAGE_WEIBO_SIMILAR, WEIBO_SIMILAR },
        { 20019, MEANING, MESSAGE_WEIBO_SAME, WEIBO_SAME },
        { 20111, MEANING, MESSAGE_WEIBO_SAME, WEIBO_SAME },
        { 20032, MEANING, MESSAGE_WEIBO_LATE, WEIBO_LATE },
        { 20101, MEANING, MESSAGE_WEIBO_REFUSED, WEIBO_GONE },
};

static const struct code *code_of(long code) {
        static const struct code unknown = { 0, MANUAL, MESSAGE_WEIBO_UNKNOWN, 0 };

        for (size_t i = 0; i < ELEMENTS(codes); i++)
                if (codes[i].code == code)
                        return &codes[i];
        return &unknown;
}

/* -- reading it -- */

/* A number, or a string of digits. */
static long code_in(const json_t *json) {
        const json_t *code = json_object_get(json, "error_code");
        const char *text = json_string_value(code);
        long number = 0;

        if (json_is_integer(code))
                return (long) json_integer_value(code);
        for (size_t i = 0; text && text[i] >= '0' && text[i] <= '9' && i < 9; i++)
                number = 10 * number + (text[i] - '0');
        return text && number == 0 ? -1 : number;
}

void weibo_read(const struct http_reply *reply, struct weibo_answer *ret) {
        const char *says;

        *ret = (struct weibo_answer) { .meaning = WEIBO_TROUBLE };
        if (reply->status == 0 || !reply->body)
                return;
        ret->json = json_loadb(reply->body, reply->n_body, 0, NULL);
        if (!json_is_object(ret->json)) {
                json_decref(give_away(ret->json));
                return;
        }
        ret->code = code_in(ret->json);
        says = json_string_value(json_object_get(ret->json, "error_description"));
        ret->error = says && *says ? says : json_string_value(json_object_get(ret->json, "error"));
        if (ret->code != 0) {
                const struct code *known = code_of(ret->code);

                if (known->class == MEANING)
                        ret->meaning = known->meaning;
        } else if (reply->status / 100 == 2 && !ret->error) {
                ret->meaning = WEIBO_FINE;
        }
}

void weibo_answer_done(struct weibo_answer *answer) {
        json_decref(answer->json);
        *answer = (struct weibo_answer) { 0 };
}

/* -- the verdicts -- */

/* The host of `address`: what a sentence may name. */
static void add_host(const struct delivery *delivery, struct buf *to) {
        const struct weibo_options *options = delivery->options;
        const char *host = strstr(options->address, "://");

        host = host ? host + 3 : options->address;
        buf_add(to, host, strcspn(host, "/"));
}

/* A stranger's words, fit for a sentence. An object may hold a token. */
static char *words(const struct http_reply *reply, const char *error) {
        const char *from = error                                ? error
                           : reply->status == 0 && reply->error ? reply->error
                           : reply->body && *reply->body != '{' ? reply->body
                                                                : "";
        struct buf line = { 0 };
        size_t n = strcspn(from, "\r\n"), cut;

        if (n == 0)
                return say(MESSAGE_WEBHOOK_NO_WORDS, NULL);
        visible_add(&line, from, n < 4 * REASON_CHARACTERS ? n : 4 * REASON_CHARACTERS);
        cut = line.data ? unicode_cut(line.data, line.len, REASON_CHARACTERS) : 0;
        if (cut < line.len) {
                line.len = cut;
                line.data[cut] = '\0';
                buf_str(&line, "…");
        }
        return buf_take(&line);
}

static int verdict(const struct delivery *delivery, const struct http_reply *reply, long code,
                   const char *error, enum verdict_kind kind, const char *name,
                   enum message message, int64_t at_ms, struct step *ret) {
        const struct weibo_options *options = delivery->options;
        char *reason freed_by(freep) = words(reply, error);
        struct buf host freed_by(buf_done) = { 0 };
        char number[24], status[24], until[MOMENT_TEXT];

        add_host(delivery, &host);
        if (!reason || host.error)
                return -ENOMEM;
        (void) snprintf(number, sizeof(number), "%ld", code);
        (void) snprintf(status, sizeof(status), "%ld", reply->status);
        return step_verdict(ret, kind, name, at_ms, message, "host", buf_text(&host), "status",
                            status, "code", number, "channel", delivery->channel, "domain",
                            options->safe_domain ? options->safe_domain : "", "until",
                            moment_write_minute(at_ms, until), "reason", reason, NULL);
}

/* An answer without a code: from in between, or from a Weibo that is not well. */
static int unclear(const struct delivery *delivery, const struct http_reply *reply,
                   const struct weibo_answer *answer, bool posts, struct step *ret) {
        if (reply->status == 0 && !reply->sent)
                return verdict(delivery, reply, 0, NULL, VERDICT_LATER, "weibo/unreachable",
                               MESSAGE_WEIBO_UNREACHABLE, 0, ret);
        if (posts)
                return verdict(delivery, reply, 0, answer->error, VERDICT_UNCERTAIN,
                               "weibo/unclear", MESSAGE_WEIBO_UNCLEAR, 0, ret);
        if (reply->status == 0)
                return verdict(delivery, reply, 0, NULL, VERDICT_LATER, "weibo/unreachable",
                               MESSAGE_WEIBO_UNREACHABLE, 0, ret);
        return verdict(delivery, reply, 0, answer->error, VERDICT_LATER, "weibo/odd",
                       MESSAGE_WEIBO_ODD, 0, ret);
}

int weibo_trouble(const struct delivery *delivery, const struct http_reply *reply,
                  const struct weibo_answer *answer, bool posts, struct step *ret) {
        const struct code *known = code_of(answer->code);
        enum class class = known->class;
        enum message message = known->message;
        int64_t now = delivery->now_ms, at_ms = 0;
        enum verdict_kind kind = VERDICT_BLOCKED;
        const char *name = "weibo/unknown";
        int r;

        if (answer->code == 0)
                return unclear(delivery, reply, answer, posts, ret);
        if (answer->code == 10017 && answer->error && strstr(answer->error, "bind domain")) {
                class = APP;
                message = MESSAGE_WEIBO_DOMAIN;
        }
        switch (class) {
        case LOGIN:
                name = "weibo/login";
                break;
        case APP:
                name = "weibo/app";
                break;
        case MANUAL:
                name = message == MESSAGE_WEIBO_UNKNOWN ? "weibo/unknown" : "weibo/person";
                break;
        case NEXT_HOUR: /* Asia/Shanghai is whole hours from UTC */
        case ONE_HOUR:
                kind = VERDICT_WAIT;
                name = "weibo/limit";
                at_ms = class == ONE_HOUR ? now + HOUR_MS : (now / HOUR_MS + 1) * HOUR_MS;
                break;
        case BUSY:
        case BROKE:
                kind = class == BROKE && posts ? VERDICT_UNCERTAIN : VERDICT_LATER;
                name = kind == VERDICT_LATER ? "weibo/busy" : "weibo/unclear";
                if (kind == VERDICT_UNCERTAIN)
                        message = MESSAGE_WEIBO_UNCLEAR;
                break;
        case CONTENT:
        case MEANING: /* of another request than the one that it belongs to */
                /* What is taken away, or looked for, is so still. */
                kind = posts ? VERDICT_REFUSED : VERDICT_LATER;
                name = "weibo/refused";
                message = class == CONTENT ? message : MESSAGE_WEIBO_REFUSED;
                break;
        }
        r = verdict(delivery, reply, answer->code, answer->error, kind, name, message, at_ms, ret);
        ret->verdict.ill = class == BUSY || class == BROKE;
        return r;
}

int weibo_refusal(const struct delivery *delivery, long code, const char *error, bool again,
                  struct step *ret) {
        static const struct http_reply none = { 0 };
        bool similar = code == 20017;

        if (similar && !again)
                return verdict(delivery, &none, code, error, VERDICT_WAIT, "weibo/similar",
                               MESSAGE_WEIBO_SIMILAR, delivery->now_ms + SIMILAR_MS, ret);
        return verdict(delivery, &none, code, error, VERDICT_REFUSED, "weibo/same",
                       MESSAGE_WEIBO_SAME, 0, ret);
}

/* -- what a post is called -- */

const char *weibo_id(const json_t *status, char ret[static WEIBO_ID]) {
        const char *text = json_string_value(json_object_get(status, "idstr"));
        const json_t *id = json_object_get(status, "id");
        size_t n;

        if (!text)
                text = json_string_value(id);
        if (text)
                (void) snprintf(ret, WEIBO_ID, "%s", text);
        else
                (void) snprintf(ret, WEIBO_ID, "%lld", (long long) json_integer_value(id));
        n = strspn(ret, "0123456789");
        return n > 0 && n < WEIBO_ID - 2 && !ret[n] && *ret != '0' ? ret : NULL;
}

/* A group of seven digits as four signs; the first group as many as it needs. */
static void add_group(struct buf *to, const char *digits, size_t n, bool first) {
        static const char signs[] =
                "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        char out[5] = "0000";
        unsigned long number = 0;
        size_t at = 4;

        for (size_t i = 0; i < n; i++)
                number = 10 * number + (unsigned long) (digits[i] - '0');
        for (; number > 0; number /= 62)
                out[--at] = signs[number % 62];
        buf_str(to, first ? out + (at < 4 ? at : 3) : out);
}

char *weibo_post_url(const json_t *status) {
        const json_t *user = json_object_get(status, "user");
        char id[WEIBO_ID], uid[WEIBO_ID];
        struct buf url = { 0 };
        size_t n, at;

        if (!weibo_id(status, id) || !weibo_id(user, uid))
                return NULL;
        buf_fmt(&url, "https://weibo.com/%s/", uid);
        n = strlen(id);
        at = n % 7 ? n % 7 : 7;
        add_group(&url, id, at, true);
        for (; at < n; at += 7)
                add_group(&url, id + at, 7, false);
        return buf_take(&url);
}

int64_t weibo_moment(const char *created_at) {
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        char text[MOMENT_TEXT], month[4] = "", clock[9] = "", zone[6] = "";
        unsigned day = 0, year = 0;
        const char *found;
        int64_t ms;

        if (!created_at ||
            sscanf(created_at, "%*3s %3s %2u %8s %5s %4u", month, &day, clock, zone, &year) != 5)
                return 0;
        found = strstr(months, month);
        if (!found || (found - months) % 3 != 0 || strlen(month) != 3 || strlen(zone) != 5 ||
            day > 31)
                return 0;
        (void) snprintf(text, sizeof(text), "%04u-%02d-%02uT%.8s%.3s:%.2s", year,
                        (int) (found - months) / 3 + 1, day, clock, zone, zone + 3);
        return moment_parse(text, &ms, NULL) < 0 ? 0 : ms;
}
