#include "channels/sms/sms.h"

#include <errno.h>
#include <string.h>

#include "channels/secret.h"
#include "core/memory.h"

enum { URL_MOST = 2048, PARAMS_MOST = 20 };

const char *const sms_follows[] = { "ignore", "correct", NULL };
const char *const sms_in_doubts[] = { "skip", "repeat", NULL };

static const char *authority_of(const char *url) {
        return strncmp(url, "http://", 7) == 0    ? url + 7
               : strncmp(url, "https://", 8) == 0 ? url + 8
                                                  : NULL;
}

bool sms_url_is_sound(const char *url) {
        const char *host = authority_of(url);
        size_t n;

        if (!host || strlen(url) > URL_MOST)
                return false;
        for (const char *at = url; *at; at++)
                if (*at <= 0x20 || *at >= 0x7f || strchr("\"#<>\\^`{|}", *at))
                        return false;
        n = strcspn(host, "/?");
        return n > 0 && !memchr(host, '@', n) && host[0] != ':' && host[0] != '-' && host[0] != '.';
}

void sms_url_host(const char *url, struct buf *ret) {
        const char *host = authority_of(url), *usual = strncmp(url, "https:", 6) == 0 ? ":443" : ":80";
        size_t n = host ? strcspn(host, "/?") : 0;

        if (n > strlen(usual) && memcmp(host + n - strlen(usual), usual, strlen(usual)) == 0)
                n -= strlen(usual);
        if (host)
                buf_add(ret, host, n);
}

static void add_addresses(const struct string_list *lists, struct buf *ret) {
        for (size_t i = 0; i < lists->n; i++)
                if (authority_of(lists->items[i]))
                        buf_fmt(ret, "\n%s", lists->items[i]);
}

void sms_address(const void *pointer, struct buf *ret) {
        const struct sms_options *options = pointer;

        if (options->url)
                buf_str(ret, options->url);
        add_addresses(&options->recipients, ret);
        add_addresses(&options->optout, ret);
}

/* Only where a list is fetched from somebody who asks for it. */
const char *const sms_secret_more[] = { "list_token", NULL };
/* And of a provider that pushes reports. */
const char *const sms_secret_push[] = { "list_token", "report_key", NULL };

int sms_secret(const struct delivery *delivery, const char *part, char **ret, struct step *ret_step) {
        char *value = secret_part(delivery->secret, part, 0);
        int r;

        if (value) {
                *ret = value;
                return 0;
        }
        r = step_verdict(ret_step, VERDICT_BLOCKED, "sms/secret", 0, MESSAGE_SMS_NO_SECRET, "part", part, NULL);
        return r < 0 ? r : -ENODATA;
}

/* -- what a row cannot say -- */

void sms_check_url(const char *key, const char *value, const char *path, struct problems *problems) {
        if (value && !sms_url_is_sound(value))
                problems_add(problems, path, 0, MESSAGE_SMS_BAD_URL, "key", key, "value", value, NULL);
}

static void check_lists(const char *key, const struct string_list *lists, const char *path,
                        struct problems *problems) {
        for (size_t i = 0; i < lists->n; i++)
                if (i >= SMS_MOST_LISTS || (strstr(lists->items[i], "://") && !sms_url_is_sound(lists->items[i])))
                        problems_add(problems, path, 0, MESSAGE_SMS_BAD_LIST, "key", key, "value",
                                     lists->items[i], NULL);
}

static bool param_is_sound(const char *param, bool named) {
        const char *equals = strchr(param, '=');
        const char *field = named && equals ? equals + 1 : param;

        while (named && *field == ' ')
                field++;
        return (!named || (equals && equals > param)) && sms_field_is_known(field);
}

void sms_check_templates(const struct sms_options *options, bool named, const char *path,
                         struct problems *problems) {
        char *form freed_by(freep) = say(named ? MESSAGE_SMS_PARAM_NAMED : MESSAGE_SMS_PARAM_PLAIN, NULL);

        for (size_t i = 0; i < options->params.n; i++)
                if (i >= PARAMS_MOST || !param_is_sound(options->params.items[i], named))
                        problems_add(problems, path, 0, MESSAGE_SMS_BAD_PARAM, "value",
                                     options->params.items[i], "form", form ? form : "", NULL);
        if (!options->template)
                return;
        if (options->on_revise == SMS_CORRECT && !options->template_correct)
                problems_add(problems, path, 0, MESSAGE_SMS_NO_TEMPLATE, "key", "template_correct", NULL);
        if (options->on_withdraw == SMS_CORRECT && !options->template_withdraw)
                problems_add(problems, path, 0, MESSAGE_SMS_NO_TEMPLATE, "key", "template_withdraw", NULL);
}

void sms_check(const struct sms_options *options, const char *path, struct problems *problems) {
        char number[SMS_NUMBER];
        int64_t from, to;

        check_lists("recipients", &options->recipients, path, problems);
        check_lists("optout", &options->optout, path, problems);
        if (options->signature && !sms_signature_is_sound(options->signature))
                problems_add(problems, path, 0, MESSAGE_SMS_BAD_SIGNATURE, "value", options->signature, NULL);
        if (options->hours && !sms_hours_read(options->hours, &from, &to))
                problems_add(problems, path, 0, MESSAGE_SMS_BAD_HOURS, "value", options->hours, NULL);
        if (options->day_limit > 0 && options->day_reserve >= options->day_limit)
                problems_add(problems, path, 0, MESSAGE_SMS_BAD_RESERVE, NULL);
        if (options->test_number && !sms_number_read(options->test_number, number)) {
                struct buf mask freed_by(buf_done) = { 0 };

                sms_number_mask(options->test_number, &mask);
                problems_add(problems, path, 0, MESSAGE_SMS_LIST_NUMBER, "number", buf_text(&mask), NULL);
        }
        sms_check_url("url", options->url, path, problems);
        sms_check_url("report_url", options->report_url, path, problems);
}
