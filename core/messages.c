#include "core/messages.h"

#include <stdlib.h>
#include <string.h>

static const struct {
        const char *name, *text[2];
} messages[N_MESSAGES] = {
#define MESSAGE(name, chinese, english) [MESSAGE_##name] = { #name, { chinese, english } },
#include "core/messages.def"
#undef MESSAGE
};

static enum language process_language = CHINESE;

void messages_set_language(enum language language) {
        process_language = language;
}

void messages_set_language_from_environment(void) {
        static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                const char *value = getenv(names[i]);

                if (!value || !*value)
                        continue;
                process_language = strncmp(value, "en_", 3) == 0 ? ENGLISH : CHINESE;
                return;
        }
}

enum language messages_language(void) {
        return process_language;
}

const char *message_template(enum message message, enum language language) {
        return messages[message].text[language];
}

const char *message_name(enum message message) {
        return messages[message].name;
}

static const char *pair_value(const char *name, size_t n, va_list pairs) {
        const char *value = NULL;
        va_list copy;

        va_copy(copy, pairs);
        for (const char *key; (key = va_arg(copy, const char *)) != NULL;) {
                const char *given = va_arg(copy, const char *);

                if (strlen(key) == n && memcmp(key, name, n) == 0) {
                        value = given ? given : "";
                        break;
                }
        }
        va_end(copy);
        return value;
}

void say_list(struct buf *buf, enum message message, va_list pairs) {
        const char *at = messages[message].text[process_language];

        while (*at) {
                const char *open = strchr(at, '{'), *close = open ? strchr(open, '}') : NULL;
                const char *value;

                if (!close) {
                        buf_str(buf, at);
                        return;
                }
                buf_add(buf, at, (size_t) (open - at));
                value = pair_value(open + 1, (size_t) (close - open - 1), pairs);
                if (value)
                        buf_str(buf, value);
                else
                        buf_add(buf, open, (size_t) (close - open + 1));
                at = close + 1;
        }
}

void say_to(struct buf *buf, enum message message, ...) {
        va_list pairs;

        va_start(pairs, message);
        say_list(buf, message, pairs);
        va_end(pairs);
}

char *say(enum message message, ...) {
        struct buf buf = { 0 };
        va_list pairs;

        va_start(pairs, message);
        say_list(&buf, message, pairs);
        va_end(pairs);
        return buf_take(&buf);
}
