/* The lists in the process's memory: read anew when a delivery begins, one list a round, since what
 * a round has read is handed on as the account. Numbers get to no disk by it.
 *
 *         at       when the reading began, ms     people   {hash: person}   sorted  all hashes, in order
 *         next     the list that is read next     optout   {hash: person}   bad     what is wrong, n_bad */
#include "channels/sms/sms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/secret.h"
#include "core/memory.h"

enum { LIST_BYTES = 16 << 20, REST_MS = 60000 };

static const struct sms_options *options_of(const struct delivery *delivery) {
        return delivery->options;
}

/* Those opted out first: who is on both lists has never been in the account without that. */
static const char *list_name(const struct sms_options *options, size_t i) {
        return i < options->optout.n ? options->optout.items[i]
                                     : options->recipients.items[i - options->optout.n];
}

static size_t n_lists(const struct sms_options *options) {
        return options->optout.n + options->recipients.n;
}

static size_t next_of(const json_t *account) {
        return (size_t) json_integer_value(json_object_get(account, "next"));
}

bool sms_account_is_whole(const json_t *account) {
        return json_is_string(json_object_get(account, "sorted"));
}

static bool is_address(const char *name) {
        return strncmp(name, "http://", 7) == 0 || strncmp(name, "https://", 8) == 0;
}

/* What a sentence may name: an address may hold a token. */
static void list_title(const char *name, struct buf *ret) {
        if (is_address(name))
                sms_url_host(name, ret);
        else
                buf_str(ret, name);
}

/* The account that is gone on with: what a reading that stopped long ago had is not. */
static json_t *account_of(const struct delivery *delivery, int64_t rest_ms) {
        const json_t *old = delivery->account;
        int64_t at = json_integer_value(json_object_get(old, "at"));

        if (json_is_object(old) && !sms_account_is_whole(old) && delivery->now_ms - at < rest_ms &&
            delivery->now_ms >= at && next_of(old) < n_lists(options_of(delivery)))
                return json_incref((json_t *) old);
        return json_pack("{s:I, s:i, s:{}, s:{}, s:[], s:i}", "at", (json_int_t) delivery->now_ms, "next",
                         0, "people", "optout", "bad", "n_bad", 0);
}

static int ask_address(const struct delivery *delivery, const char *name, struct step *ret) {
        char *token freed_by(secret_part_freep) = secret_part(delivery->secret, "list_token", 0);
        struct buf headers freed_by(buf_done) = { 0 };

        ret->kind = STEP_HTTP;
        ret->http = (struct http_request) { .method = "GET", .repeatable = true, .harmless = true,
                                            .keep = LIST_BYTES };
        ret->http.url = strdup(name);
        buf_add(&headers, "Accept: text/csv", sizeof("Accept: text/csv"));
        if (token) {
                buf_fmt(&headers, "Authorization: Bearer %s", token);
                buf_char(&headers, '\0');
        }
        return ret->http.url ? http_request_set_headers(&ret->http, &headers) : -ENOMEM;
}

static int ask(const struct delivery *delivery, const json_t *account, struct step *ret) {
        const char *name = list_name(options_of(delivery), next_of(account));

        *ret = (struct step) { .kind = STEP_FILE };
        if (is_address(name))
                return ask_address(delivery, name, ret);
        ret->file.path = strdup(name);
        return ret->file.path ? 0 : -ENOMEM;
}

int sms_account_begin(const struct delivery *delivery, struct step *ret) {
        json_t *account freed_by(json_decrefp) = account_of(delivery, REST_MS);

        return account ? ask(delivery, account, ret) : -ENOMEM;
}

/* -- the reply -- */

/* The bytes, or the sentence why there are none; *ret_away: it may be there later. */
static const char *bytes_of(const struct reply *reply, size_t *ret_n, char **ret_why, bool *ret_away) {
        char status[24];

        *ret_away = false;
        if (reply->kind == STEP_FILE) {
                *ret_n = reply->file.n_bytes;
                if (reply->file.bytes)
                        return reply->file.bytes;
                *ret_why = reply->file.error == E2BIG ? say(MESSAGE_SMS_LIST_TOO_LARGE, NULL)
                                                      : strdup(strerror(reply->file.error));
                return NULL;
        }
        if (reply->http.status == 200 && reply->http.n_body < LIST_BYTES) {
                *ret_n = reply->http.n_body;
                return reply->http.body ? reply->http.body : "";
        }
        if (reply->http.status == 200) {
                *ret_why = say(MESSAGE_SMS_LIST_TOO_LARGE, NULL);
                return NULL;
        }
        *ret_away = reply->http.status == 0 || reply->http.status == 408 || reply->http.status == 429 ||
                    reply->http.status >= 500;
        (void) snprintf(status, sizeof(status), "HTTP %ld", reply->http.status);
        *ret_why = strdup(reply->http.status == 0 && reply->http.error ? reply->http.error : status);
        return NULL;
}

static int cannot(const char *name, const char *why, bool away, struct step *ret) {
        struct buf title freed_by(buf_done) = { 0 };

        list_title(name, &title);
        if (away)
                return step_verdict(ret, VERDICT_LATER, "sms/list-away", 0, MESSAGE_SMS_LIST_AWAY, "list",
                                    buf_text(&title), "reason", why, NULL);
        return step_verdict(ret, VERDICT_BLOCKED, "sms/list", 0, MESSAGE_SMS_LIST_FAILED, "list",
                            buf_text(&title), "reason", why, NULL);
}

/* Another reader may hold the account that we go on from: what changes is copied. */
static json_t *copy_of(const json_t *account) {
        static const char *const parts[] = { "people", "optout", "bad" };
        json_t *copy = json_copy((json_t *) account);
        int r = copy ? 0 : -1;

        for (size_t i = 0; i < ELEMENTS(parts) && r == 0; i++)
                r = json_object_set_new(copy, parts[i], json_copy(json_object_get(account, parts[i])));
        if (r == 0)
                return copy;
        json_decref(copy);
        return NULL;
}

int sms_account_next(const struct delivery *delivery, const struct reply *reply, struct step *ret) {
        const struct sms_options *options = options_of(delivery);
        char *key freed_by(secret_part_freep) = secret_part(delivery->secret, "hmac_key", 0);
        json_t *before freed_by(json_decrefp) = account_of(delivery, 10 * REST_MS);
        json_t *account freed_by(json_decrefp) = before ? copy_of(before) : NULL;
        struct buf title freed_by(buf_done) = { 0 };
        char *why freed_by(freep) = NULL;
        const char *bytes, *name;
        size_t i, n = 0;
        bool away;
        int r;

        if (!account || !key)
                return -ENOMEM; /* begin() has looked whether there is a key */
        i = next_of(account);
        name = list_name(options, i);
        bytes = bytes_of(reply, &n, &why, &away);
        if (!bytes)
                return why ? cannot(name, why, away, ret) : -ENOMEM;
        list_title(name, &title);
        r = sms_list_read(account, buf_text(&title), i < options->optout.n, key, bytes, n, &why);
        if (r < 0)
                return r;
        if (why)
                return cannot(name, why, false, ret);
        r = json_object_set_new(account, "next", json_integer((json_int_t) i + 1));
        if (r == 0 && i + 1 == n_lists(options))
                r = sms_list_close(account);
        if (r < 0)
                return -ENOMEM;
        r = step_done_verdict(ret, NULL, NULL);
        ret->account = give_away(account);
        return r;
}

/* -- what it says -- */

bool sms_account_number(const json_t *account, const char *hash, char ret[static SMS_NUMBER]) {
        char key[SMS_HASH + 1];
        const char *person;

        memcpy(key, hash, SMS_HASH);
        key[SMS_HASH] = '\0';
        person = json_string_value(json_object_get(json_object_get(account, "people"), key));
        if (person)
                sms_list_number(person, ret);
        return person != NULL;
}

char *sms_account_sentence(const json_t *account) {
        const json_t *bad = json_object_get(account, "bad"), *row;
        struct buf rows freed_by(buf_done) = { 0 };
        char people[24], optout[24], n_bad[24];
        size_t i;

        (void) snprintf(people, sizeof(people), "%zu", json_object_size(json_object_get(account, "people")));
        (void) snprintf(optout, sizeof(optout), "%zu", json_object_size(json_object_get(account, "optout")));
        (void) snprintf(n_bad, sizeof(n_bad), "%lld",
                        (long long) json_integer_value(json_object_get(account, "n_bad")));
        json_array_foreach(bad, i, row)
                buf_fmt(&rows, "%s%s", i > 0 ? "；" : "", json_string_value(row));
        if (json_array_size(bad) < (size_t) json_integer_value(json_object_get(account, "n_bad")))
                buf_str(&rows, "；……");
        return say(MESSAGE_SMS_LIST_SUM, "people", people, "optout", optout, "bad", n_bad, "rows",
                   buf_text(&rows), NULL);
}
