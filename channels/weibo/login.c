/* What is granted: how long, to whom, and how an officer grants it anew. The secret's file has the
 * lines app_secret (from open.weibo.com, typed in once), and access_token, expires_at and uid,
 * which the login writes. A file of one bare line is a token. */
#include "channels/weibo/weibo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/secret.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/template.h"

enum { DAY_MS = 86400000, CODE_MOST = 512, TOKEN_MOST = 512 };

char *weibo_token(const char *secret) {
        return secret_part(secret, "access_token", 1);
}

int64_t weibo_expires(const void *options, const char *secret) {
        char *text = secret_part(secret, "expires_at", 0);
        int64_t ms = 0;

        (void) options;
        if (text && moment_parse(text, &ms, NULL) < 0)
                ms = 0;
        secret_part_free(text);
        return ms;
}

/* Seconds, which may come as a string; at most a thousand years of them. */
static int64_t seconds_in(const json_t *json, const char *key) {
        static const int64_t most = INT64_C(31557600000);
        const json_t *value = json_object_get(json, key);
        const char *text = json_string_value(value);
        int64_t number = json_integer_value(value);

        for (; text && *text >= '0' && *text <= '9' && number < most; text++)
                number = 10 * number + (*text - '0');
        return number < 0 ? 0 : number < most ? number : most;
}

/* A word of Weibo's that is put into a file or a sentence: visible ASCII, or "". */
static const char *word_in(const json_t *json, const char *key, char *ret, size_t n) {
        const json_t *value = json_object_get(json, key);
        const char *text = json_string_value(value);

        if (json_is_integer(value))
                (void) snprintf(ret, n, "%lld", (long long) json_integer_value(value));
        else
                (void) snprintf(ret, n, "%s", text && strlen(text) < n ? text : "");
        for (const char *at = ret; *at; at++)
                if (*at <= 0x20 || *at >= 0x7f)
                        *ret = '\0';
        return ret;
}

/* -- channel test -- */

static int judge_info(const struct delivery *delivery, const json_t *info, struct step *ret) {
        const struct weibo_options *options = delivery->options;
        int64_t left_s = seconds_in(info, "expire_in"), days = left_s / (DAY_MS / 1000);
        char until[MOMENT_TEXT], number[24], scope[256], theirs[64];

        if (*word_in(info, "appkey", theirs, sizeof(theirs)) &&
            strcmp(theirs, options->app_key) != 0)
                return step_verdict(ret, VERDICT_BLOCKED, "weibo/app", 0, MESSAGE_WEIBO_OTHER_APP,
                                    "theirs", theirs, "ours", options->app_key, "channel",
                                    delivery->channel, NULL);
        (void) snprintf(number, sizeof(number), "%lld", (long long) days);
        return step_verdict(ret, VERDICT_DONE, "done", 0,
                            days < WEIBO_WARN_DAYS ? MESSAGE_WEIBO_TOKEN_ENDS
                                                   : MESSAGE_WEIBO_TOKEN_WELL,
                            "until", moment_write_minute(delivery->now_ms + left_s * 1000, until),
                            "days", number, "channel", delivery->channel, "scope",
                            *word_in(info, "scope", scope, sizeof(scope)) ? scope : "-", NULL);
}

int weibo_judge_token(const struct delivery *delivery, const struct http_reply *reply,
                      struct step *ret) {
        struct weibo_answer answer freed_by(weibo_answer_done) = { 0 };

        weibo_read(reply, &answer);
        if (answer.meaning == WEIBO_FINE && seconds_in(answer.json, "expire_in") <= 0) {
                answer.meaning = WEIBO_TROUBLE;
                answer.code = 21327; /* an expired token is told so, too */
        }
        return answer.meaning == WEIBO_FINE ? judge_info(delivery, answer.json, ret)
                                            : weibo_trouble(delivery, reply, &answer, false, ret);
}

/* -- channel login -- */

int weibo_login_address(const void *options, const char *secret, struct buf *ret) {
        const struct weibo_options *own = options;

        (void) secret;
        buf_fmt(ret,
                "%s/oauth2/authorize?client_id=%s&response_type=code&redirect_uri=", own->address,
                own->app_key);
        escape_add(ret, ESCAPE_URI, own->redirect_uri, strlen(own->redirect_uri));
        /* The officer's browser may be logged in under a name of his own. */
        buf_str(ret, "&forcelogin=true");
        return ret->error;
}

static int hex_of(char c) {
        return c >= '0' && c <= '9'   ? c - '0'
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                      : -1;
}

/* The value of a parameter of the address, percent-decoded, or "". */
static const char *parameter(const char *url, const char *name, char ret[static CODE_MOST]) {
        size_t n_name = strlen(name), n = 0;

        ret[0] = '\0';
        for (const char *at = strpbrk(url, "?&#"); at; at = strpbrk(at, "?&#")) {
                at++;
                if (strncmp(at, name, n_name) != 0 || at[n_name] != '=')
                        continue;
                for (at += n_name + 1; *at && !strchr("&#", *at) && n < CODE_MOST - 1; at++) {
                        bool escaped = *at == '%' && hex_of(at[1]) >= 0 && hex_of(at[2]) >= 0;

                        ret[n++] = escaped ? (char) (16 * hex_of(at[1]) + hex_of(at[2])) : *at;
                        at += escaped ? 2 : 0;
                }
                ret[n] = '\0';
                break;
        }
        return ret;
}

/* What was pasted: the whole address, or the code alone. */
static bool code_of(const char *pasted, char ret[static CODE_MOST]) {
        size_t n;

        pasted += strspn(pasted, " \t\r\n");
        if (strpbrk(pasted, "?&#"))
                (void) parameter(pasted, "code", ret);
        else
                (void) snprintf(ret, CODE_MOST, "%s",
                                strncmp(pasted, "code=", 5) == 0 ? pasted + 5 : pasted);
        n = strcspn(ret, " \t\r\n");
        ret[n] = '\0';
        for (const char *at = ret; *at; at++)
                if (*at <= 0x20 || *at >= 0x7f || *at == '/')
                        return false;
        return n > 0;
}

int weibo_login_begin(const struct delivery *delivery, const char *code, struct step *ret) {
        char *app_secret = secret_part(delivery->secret, "app_secret", 0);
        char word[CODE_MOST];
        int r;

        if (!app_secret)
                r = step_verdict(ret, VERDICT_BLOCKED, "weibo/login", 0,
                                 MESSAGE_WEIBO_NO_APP_SECRET, "channel", delivery->channel, NULL);
        else if (*parameter(code, "error", word))
                r = step_verdict(ret, VERDICT_REFUSED, "weibo/login", 0, MESSAGE_WEIBO_DENIED,
                                 "reason", word, NULL);
        else if (!code_of(code, word))
                r = step_verdict(ret, VERDICT_REFUSED, "weibo/login", 0, MESSAGE_WEIBO_NO_CODE,
                                 NULL);
        else
                r = weibo_exchange(delivery, app_secret, word, ret);
        secret_part_free(app_secret);
        return r;
}

/* Whether the line is that of a part which the login writes. */
static bool is_granted(const char *line, size_t n) {
        static const char *const names[] = { "access_token", "expires_at", "uid" };
        size_t before = strspn(line, " \t"), n_name;
        const char *equals = memchr(line, '=', n);

        if (!equals)
                return false;
        line += before;
        n_name = (size_t) (equals - line);
        while (n_name > 0 && strchr(" \t", line[n_name - 1]))
                n_name--;
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (n_name == strlen(names[i]) && memcmp(line, names[i], n_name) == 0)
                        return true;
        return false;
}

/* The file as it was, but for what is granted; that stands at its end. */
static void write_secret(const char *before, const char *token, const char *until, const char *uid,
                         struct buf *ret) {
        for (const char *at = before; *at;) {
                size_t n = strcspn(at, "\n");

                if (!is_granted(at, n))
                        buf_fmt(ret, "%.*s\n", (int) n, at);
                at += n + (at[n] == '\n');
        }
        buf_fmt(ret, "access_token = %s\nexpires_at = %s\n", token, until);
        if (*uid)
                buf_fmt(ret, "uid = %s\n", uid);
}

int weibo_login_next(const struct delivery *delivery, const struct reply *reply, struct step *ret,
                     struct buf *ret_secret) {
        struct weibo_answer answer freed_by(weibo_answer_done) = { 0 };
        char token[TOKEN_MOST], uid[64], until[MOMENT_TEXT], minute[MOMENT_TEXT];
        int64_t ends_ms;

        weibo_read(&reply->http, &answer);
        ends_ms = delivery->now_ms + seconds_in(answer.json, "expires_in") * 1000;
        if (answer.meaning != WEIBO_FINE ||
            !*word_in(answer.json, "access_token", token, sizeof(token)) ||
            ends_ms <= delivery->now_ms) {
                /* 21325 is an old or mistyped code here, and no grant that has run out. */
                if (answer.code == 21325 || answer.code == 21330)
                        return step_verdict(ret, VERDICT_REFUSED, "weibo/login", 0,
                                            MESSAGE_WEIBO_DENIED, "reason",
                                            answer.error ? answer.error : "", NULL);
                return weibo_trouble(delivery, &reply->http, &answer, false, ret);
        }
        (void) word_in(answer.json, "uid", uid, sizeof(uid));
        write_secret(delivery->secret ? delivery->secret : "", token, moment_write(ends_ms, until),
                     uid, ret_secret);
        explicit_bzero(token, sizeof(token));
        if (ret_secret->error)
                return ret_secret->error;
        return step_verdict(ret, VERDICT_DONE, "done", 0, MESSAGE_WEIBO_LOGGED_IN, "uid", uid,
                            "until", moment_write_minute(ends_ms, minute), NULL);
}
