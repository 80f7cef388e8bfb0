/* What a message says. Nothing that fits is cut; what does not is cut as core/fit.h tells. */
#include "channels/sms/sms.h"

#include <errno.h>
#include <string.h>

#include "core/fit.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/unicode.h"

/* 70 and 67 count the sign too, help.aliyun.com/document_detail/101867.html and
 * cloud.tencent.com/document/product/382/38780, read 2026-11; 35 is Aliyun's for a variable of a notice's
 * template, help.aliyun.com/document_detail/101346.html, read 2026-11. */
enum { ONE = 70, PART = 67, VARIABLE = 35, SIGN_LEAST = 2, SIGN_MOST = 18, TEXT_LEAST = 20 };

static bool is_plain(uint32_t code) {
        return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') ||
               (code >= 'a' && code <= 'z') || (code >= 0x3400 && code <= 0x4dbf) ||
               (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x20000 && code <= 0x3ffff);
}

bool sms_signature_is_sound(const char *signature) {
        size_t n = strlen(signature), count = 0;

        if (unicode_valid(signature, n) != n)
                return false;
        for (const char *at = signature; *at; count++) {
                uint32_t code;

                at = unicode_next(at, &code);
                if (!is_plain(code))
                        return false;
        }
        return count >= SIGN_LEAST && count <= SIGN_MOST;
}

int64_t sms_segments(size_t units) {
        return units <= ONE ? 1 : (int64_t) ((units + PART - 1) / PART);
}

/* -- the parts -- */

static const char *text_of(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

static const json_t *data_of(const struct delivery *delivery) {
        return json_object_get(delivery->event, "data");
}

/* A second 【】 would be taken for the sign; line ends and runs of blanks take room and say nothing. */
static char *plain(const char *text) {
        struct buf out = { 0 };

        for (const char *at = text; *at;) {
                if (strncmp(at, "【", 3) == 0 || strncmp(at, "】", 3) == 0) {
                        buf_str(&out, at[2] == "【"[2] ? "〔" : "〕");
                        at += 3;
                } else if ((unsigned char) *at <= ' ') {
                        at += strspn(at, " \t\r\n");
                        if (*at && out.len > 0)
                                buf_char(&out, ' ');
                } else
                        buf_char(&out, *at++);
        }
        return buf_take(&out);
}

static const char *short_or_title(const struct delivery *delivery) {
        const json_t *data = data_of(delivery);
        const char *text = text_of(json_object_get(data, "texts"), "short");

        if (!*text)
                text = text_of(data, "title");
        return *text || !delivery->document ? text : delivery->document;
}

static bool is_erased(const struct delivery *delivery) {
        return strcmp(text_of(data_of(delivery), "mode"), "erase") == 0;
}

static char *withdrawal(const struct delivery *delivery, const char *title, int64_t sent_ms) {
        const char *reason = text_of(data_of(delivery), "reason");
        char day[MOMENT_TEXT];

        /* Why something must not be said any more may be part of it. */
        if (is_erased(delivery) || !title || !*title)
                return say(MESSAGE_SMS_ERASED, "date",
                           moment_write_date(sent_ms > 0 ? sent_ms : delivery->now_ms, day), "reason",
                           is_erased(delivery) ? "" : reason, NULL);
        return say(MESSAGE_SMS_WITHDRAWN, "title", title, "reason", reason, NULL);
}

static char *correction(const struct delivery *delivery) {
        const char *note = text_of(json_object_get(data_of(delivery), "correction"), "note");

        return say(MESSAGE_SMS_CORRECTED, "text", *note ? note : short_or_title(delivery), NULL);
}

static char *words_of(const struct delivery *delivery, enum sms_round round, const char *title,
                      int64_t sent_ms) {
        switch (round) {
        case SMS_WITHDRAWAL:
                return withdrawal(delivery, title, sent_ms);
        case SMS_CORRECTION:
                return correction(delivery);
        case SMS_TEST:
                return say(MESSAGE_SMS_TEST_TEXT, NULL);
        case SMS_FIRST:
                break;
        }
        return strdup(short_or_title(delivery));
}

/* -- free text -- */

static size_t units(const char *text) {
        return fit_length(text, strlen(text), FIT_UTF16);
}

char *sms_text(const struct delivery *delivery, enum sms_round round, const char *title, int64_t sent_ms) {
        const struct sms_options *options = delivery->options;
        char *words freed_by(freep) = words_of(delivery, round, title, sent_ms);
        char *text freed_by(freep) = words ? plain(words) : NULL;
        char *fitted freed_by(freep) = NULL;
        const char *url = round == SMS_FIRST || round == SMS_CORRECTION ? delivery->after_url : NULL;
        size_t sign = units(options->signature) + 2, url_units = url ? units(url) + 1 : 0, room;
        struct buf out = { 0 };

        if (!text)
                return NULL;
        room = (options->segments == 1 ? ONE : PART * (size_t) options->segments) - sign;
        /* A link that leaves no room for what it is about is worth less than the words. */
        if (url && (url_units + TEXT_LEAST > room))
                url_units = 0;
        fitted = fit_text(text, FIT_UTF16, room - url_units, NULL);
        if (!fitted)
                return NULL;
        buf_str(&out, fitted);
        if (url_units > 0)
                buf_fmt(&out, " %s", url);
        return buf_take(&out);
}

/* -- variables of a template -- */

static const char *const fields[] = { "title", "text", "number", "publisher", "date", "summary", "note", "reason", NULL };

bool sms_field_is_known(const char *field) {
        for (size_t i = 0; fields[i]; i++)
                if (strcmp(fields[i], field) == 0)
                        return true;
        return false;
}

static bool is_name_byte(char byte) {
        return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* A name under one of the domains that people here write, with or without what goes before it. */
bool sms_has_address(const char *text) {
        static const char *const tops[] = { "cn", "com", "net", "org", "gov", "top", "info" };

        if (strstr(text, "://") || strcasestr(text, "www."))
                return true;
        for (const char *dot = text; (dot = strchr(dot, '.')) != NULL; dot++) {
                size_t n = 0;

                while (is_name_byte(dot[1 + n]))
                        n++;
                for (size_t i = 0; dot > text && is_name_byte(dot[-1]) && i < ELEMENTS(tops); i++)
                        if (strlen(tops[i]) == n && strncasecmp(dot + 1, tops[i], n) == 0)
                                return true;
        }
        return false;
}

/* All of them, as the other carriers say. */
static char *publishers_of(const json_t *data) {
        const json_t *publisher = json_object_get(data, "publisher"), *one;
        struct buf names = { 0 };
        size_t i;

        if (!json_is_array(publisher))
                buf_str(&names, text_of(publisher, "name"));
        json_array_foreach(publisher, i, one)
                buf_fmt(&names, "%s%s", names.len > 0 && *text_of(one, "name") ? "、" : "", text_of(one, "name"));
        return buf_take(&names);
}

static const char *value_of(const struct delivery *delivery, enum sms_round round, const char *field,
                            const char *title, char day[static MOMENT_TEXT]) {
        const json_t *data = data_of(delivery);
        const char *formed = text_of(json_object_get(data, "dates"), "formed");
        int64_t ms;

        if (round == SMS_WITHDRAWAL && is_erased(delivery) && strcmp(field, "date") != 0)
                return "";
        if (strcmp(field, "title") == 0)
                return round == SMS_WITHDRAWAL ? title ? title : "" : text_of(data, "title");
        if (strcmp(field, "text") == 0)
                return round == SMS_WITHDRAWAL ? title ? title : "" : short_or_title(delivery);
        if (strcmp(field, "note") == 0)
                return text_of(json_object_get(data, "correction"), "note");
        if (strcmp(field, "date") == 0) {
                if (!*formed)
                        formed = text_of(data, "formed");
                if (moment_parse_date(formed, &ms) < 0 && moment_parse(formed, &ms, NULL) < 0)
                        ms = delivery->first_shown_ms ? delivery->first_shown_ms : delivery->now_ms;
                return moment_write_date(ms, day);
        }
        return text_of(data, field);
}

char *sms_field(const struct delivery *delivery, enum sms_round round, const char *field, const char *title) {
        char day[MOMENT_TEXT];
        const char *value = value_of(delivery, round, field, title, day);
        bool names = strcmp(field, "publisher") == 0 && !(round == SMS_WITHDRAWAL && is_erased(delivery));
        char *publishers freed_by(freep) = names ? publishers_of(data_of(delivery)) : NULL;
        char *text freed_by(freep) = NULL;

        if (names && !publishers)
                return NULL;
        text = round == SMS_TEST && strcmp(field, "date") != 0 ? say(MESSAGE_SMS_TEST_TEXT, NULL)
                                                              : plain(names ? publishers : value);

        if (text && !*text)
                return say(MESSAGE_SMS_NONE, NULL);
        return text ? fit_text(text, FIT_UTF16, VARIABLE, NULL) : NULL;
}
