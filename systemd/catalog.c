/* Writes the journal's message catalog (journalctl -x) in one language:
 *
 *         catalog zh|en >gongkai.catalog
 *
 * Holes of a sentence that are fields of the journal become @GONGKAI_…@, which journalctl fills. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/memory.h"

static const struct advice {
        enum message message;
        const char *text[2]; /* by enum language */
} advices[] = {
#define ADVICE(name, chinese, english) { MESSAGE_##name, { chinese, english } },
#include "systemd/advice.def"
#undef ADVICE
};

/* The subject line stands for the sentence, whose other values the line in the log itself has. */
static void print_subject(const char *template) {
        static const char *const fields[] = { "channel", "region", "document", "event", "revision", "attempt",
                                              "code",    "emitter", "source",  "alarm", "subject",  "do" };

        for (const char *c = template; *c; c++) {
                const char *end = *c == '{' ? strchr(c, '}') : NULL;
                size_t n = end ? (size_t) (end - c - 1) : 0;
                bool is_field = false;

                if (!end) {
                        (void) putchar(*c);
                        continue;
                }
                for (size_t i = 0; i < ELEMENTS(fields); i++)
                        is_field = is_field || (strlen(fields[i]) == n && strncmp(fields[i], c + 1, n) == 0);
                if (is_field) {
                        (void) fputs("@GONGKAI_", stdout);
                        for (size_t i = 1; i <= n; i++)
                                (void) putchar(toupper((unsigned char) c[i]));
                        (void) putchar('@');
                } else {
                        (void) fputs("…", stdout);
                }
                c = end;
        }
}

int main(int argc, char **argv) {
        enum language language = argc == 2 && strcmp(argv[1], "en") == 0 ? ENGLISH : CHINESE;

        if (argc != 2 || (language == CHINESE && strcmp(argv[1], "zh") != 0)) {
                (void) fputs("usage: catalog zh|en\n", stderr);
                return 64;
        }
        for (size_t i = 0; i < ELEMENTS(advices); i++) {
                char id[LOG_MESSAGE_ID];

                (void) printf("-- %s\nSubject: ", log_message_id(advices[i].message, id));
                print_subject(message_template(advices[i].message, language));
                (void) printf("\nDefined-By: gongkai\n\n%s\n\n", advices[i].text[language]);
        }
        return ferror(stdout) || fflush(stdout) != 0;
}
