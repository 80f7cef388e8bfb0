#include "channels/webhook/webhook.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"
#include "core/unicode.h"
#include "core/visible.h"

enum {
        DAY_SECONDS = 24 * 60 * 60,
        REASON_CHARACTERS = 200,
        REFERENCE_CHARACTERS = 200,
};

/* -- Retry-After -- */

static int month_of(const char *word, size_t n) {
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

        for (int i = 0; n == 3 && i < 12; i++)
                if (memcmp(months + 3 * i, word, 3) == 0)
                        return i + 1;
        return 0;
}

static int number_of(const char *word, size_t n) {
        int number = 0;

        if (n == 0 || n > 4 || strspn(word, "0123456789") < n)
                return -1;
        for (size_t i = 0; i < n; i++)
                number = 10 * number + (word[i] - '0');
        return number;
}

/* What of a date its words tell; 0 and "" where they do not. */
struct date {
        int day, month, year;
        char clock[9];
};

static void date_word(struct date *date, const char *word, size_t n) {
        int number = number_of(word, n);

        if (n == 8 && word[2] == ':' && word[5] == ':')
                memcpy(date->clock, word, 8);
        else if (number >= 0 && n <= 2 && date->day == 0)
                date->day = number;
        else if (number >= 0)
                date->year = number;
        else if (date->month == 0)
                date->month = month_of(word, n);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", and the two obsolete forms that must be read too:
 * "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994". By their words, since the three
 * differ in order only. */
static int64_t date_parse(const char *text) {
        struct date date = { 0 };
        char written[64];
        int64_t ms;

        for (const char *at = text; *at;) {
                size_t n = strcspn(at, " ,-");

                date_word(&date, at, n);
                at += n;
                at += strspn(at, " ,-");
        }
        if (date.year > 0 && date.year < 100)
                date.year += date.year < 70 ? 2000 : 1900;
        (void) snprintf(written, sizeof(written), "%04d-%02d-%02dT%sZ", date.year, date.month,
                        date.day, date.clock);
        return moment_parse(written, &ms, NULL) < 0 ? 0 : ms;
}

int64_t webhook_retry_at(const char *retry_after, int64_t now_ms) {
        const int64_t latest_ms = now_ms + (int64_t) DAY_SECONDS * 1000;
        size_t n = retry_after ? strlen(retry_after) : 0;
        int64_t at_ms;

        if (n == 0)
                return 0;
        if (strspn(retry_after, "0123456789") == n) {
                int64_t seconds = 0;

                for (size_t i = 0; i < n && seconds < DAY_SECONDS; i++)
                        seconds = 10 * seconds + (retry_after[i] - '0');
                at_ms = seconds < DAY_SECONDS ? now_ms + seconds * 1000 : latest_ms;
        } else {
                at_ms = date_parse(retry_after);
        }
        if (at_ms <= now_ms)
                return 0;
        return at_ms < latest_ms ? at_ms : latest_ms;
}

/* -- the reply's words -- */

/* The first line that says something, fit for a sentence. */
static char *first_words(const struct http_reply *reply) {
        static const char mark[] = "\xef\xbb\xbf"; /* the byte order mark */
        const char *at = reply->body ? reply->body : "";
        struct buf line = { 0 };
        size_t n;

        if (strncmp(at, mark, strlen(mark)) == 0)
                at += strlen(mark);
        at += strspn(at, " \t\r\n");
        n = strcspn(at, "\r\n");
        if (n == 0)
                return say(MESSAGE_WEBHOOK_NO_WORDS, NULL);
        visible_add(&line, at, n < 4 * REASON_CHARACTERS ? n : 4 * REASON_CHARACTERS);
        if (line.data) {
                size_t cut = unicode_cut(line.data, line.len, REASON_CHARACTERS);

                if (cut < line.len) {
                        line.len = cut;
                        line.data[cut] = '\0';
                        buf_str(&line, "…");
                }
        }
        return buf_take(&line);
}

int webhook_verdict(const struct delivery *delivery, const struct http_reply *reply,
                    enum verdict_kind kind, const char *code, enum message message, int64_t at_ms,
                    struct step *ret) {
        const struct webhook_options *options = delivery->options;
        char *words freed_by(freep) = first_words(reply);
        struct buf host freed_by(buf_done) = { 0 };
        char status[24];

        webhook_host(options->url, &host);
        if (!words || host.error)
                return -ENOMEM;
        (void) snprintf(status, sizeof(status), "%ld", reply->status);
        return step_verdict(ret, kind, code, at_ms, message, "host", buf_text(&host), "status",
                            status, "reason", reply->status == 0 && reply->error ? reply->error
                                                                                 : words, NULL);
}

static int say_verdict(const struct delivery *delivery, const struct http_reply *reply,
                       enum verdict_kind kind, const char *code, enum message message,
                       struct step *ret) {
        int64_t at_ms = 0;

        if (kind == VERDICT_LATER || kind == VERDICT_WAIT)
                at_ms = webhook_retry_at(reply->retry_after, delivery->now_ms);
        return webhook_verdict(delivery, reply, kind, code, message, at_ms, ret);
}

/* -- done: what the receiver calls it, and where it shows it -- */

static char *reference_of(const json_t *id) {
        const char *text = json_string_value(id);
        struct unicode_flaw flaw;
        struct buf number = { 0 };
        size_t n;

        if (json_is_integer(id)) {
                buf_fmt(&number, "%lld", (long long) json_integer_value(id));
                return buf_take(&number);
        }
        if (!text || !*text || !unicode_check(text, strlen(text), UNICODE_NAME, &n, &flaw) ||
            n > REFERENCE_CHARACTERS)
                return NULL;
        return strdup(text);
}

int webhook_done(const struct delivery *delivery, const struct http_reply *reply,
                 struct step *ret) {
        bool shown = delivery->kind == DELIVER_PUBLISH;
        json_t *json = reply->n_body > 0 ? json_loadb(reply->body, reply->n_body, 0, NULL) : NULL;
        char *reference freed_by(freep) = reference_of(json_object_get(json, "id"));
        const char *url = json_string_value(json_object_get(json, "url"));
        int r;

        if (url && !webhook_url_is_sound(url))
                url = NULL;
        /* A receiver that says it once need not say it at each revision. */
        r = step_done_verdict(ret, reference ? reference : delivery->reference,
                              !shown ? NULL : url ? url : delivery->url);
        json_decref(json);
        return r;
}

/* -- the verdicts -- */

static bool is_busy(long status) {
        return status == 408 || status == 425 || status == 429 || (status >= 500 && status < 600);
}

int webhook_judge(const struct delivery *delivery, const struct http_reply *reply,
                  struct step *ret) {
        long status = reply->status;

        if (status == 0 && reply->sent)
                /* Perhaps it was taken and only the answer got lost. The same key goes with the
                 * next attempt, so that the receiver can tell. */
                return say_verdict(delivery, reply, VERDICT_UNCERTAIN, "webhook/unclear",
                                   MESSAGE_WEBHOOK_UNCLEAR, ret);
        if (status == 0)
                return say_verdict(delivery, reply, VERDICT_LATER, "webhook/unreachable",
                                   MESSAGE_WEBHOOK_UNREACHABLE, ret);
        if (status >= 200 && status < 300)
                return webhook_done(delivery, reply, ret);
        if (status >= 300 && status < 400)
                /* Never followed: it could lead anywhere, and a moved address is for a person to
                 * look at. Not the document's fault, so it waits for that person. */
                return say_verdict(delivery, reply, VERDICT_LATER, "webhook/moved",
                                   MESSAGE_WEBHOOK_MOVED, ret);
        /* Too many, and it says when it takes more: the document has done nothing wrong. */
        if (status == 429 && webhook_retry_at(reply->retry_after, delivery->now_ms) > 0)
                return say_verdict(delivery, reply, VERDICT_WAIT, "webhook/busy",
                                   MESSAGE_WEBHOOK_BUSY, ret);
        /* What broke may have taken it before, and a gateway knows as little as we do. One that honours
         * the key gets it again; one that does not has to be asked first. */
        if ((status == 500 || status == 502 || status == 504) && webhook_looks(delivery->options))
                return say_verdict(delivery, reply, VERDICT_UNCERTAIN, "webhook/unclear",
                                   MESSAGE_WEBHOOK_BROKE, ret);
        if (is_busy(status))
                return say_verdict(delivery, reply, VERDICT_LATER, "webhook/busy",
                                   MESSAGE_WEBHOOK_BUSY, ret);
        if (status == 410)
                return say_verdict(delivery, reply, VERDICT_REFUSED, "webhook/gone",
                                   MESSAGE_WEBHOOK_GONE, ret);
        if (status >= 400 && status < 500)
                return say_verdict(delivery, reply, VERDICT_REFUSED, "webhook/refused",
                                   MESSAGE_WEBHOOK_REFUSED, ret);
        return say_verdict(delivery, reply, VERDICT_LATER, "webhook/odd", MESSAGE_WEBHOOK_BUSY,
                           ret);
}

/* The receiver need not know the test's event: that it refuses it shows that the way works. */
int webhook_judge_test(const struct delivery *delivery, const struct http_reply *reply,
                       struct step *ret) {
        long status = reply->status;

        if (status == 401 || status == 403 || status == 407)
                return say_verdict(delivery, reply, VERDICT_BLOCKED, "webhook/login",
                                   MESSAGE_WEBHOOK_LOGIN, ret);
        if (status == 404 || status == 410)
                return say_verdict(delivery, reply, VERDICT_BLOCKED, "webhook/address",
                                   MESSAGE_WEBHOOK_ADDRESS, ret);
        if (status >= 200 && status < 500 && !is_busy(status) && status / 100 != 3)
                return say_verdict(delivery, reply, VERDICT_DONE, "done",
                                   MESSAGE_WEBHOOK_ANSWERS, ret);
        return webhook_judge(delivery, reply, ret);
}
