#include <string.h>

#include "core/memory.h"
#include "core/settings_value.h"

static char *kind_text(const struct setting *setting) {
        switch (setting->kind) {
        case SETTING_BOOL:
                return strdup("yes | no");
        case SETTING_NUMBER:
                return say(MESSAGE_SETTING_NUMBER, NULL);
        case SETTING_DURATION:
                return say(MESSAGE_SETTING_DURATION, NULL);
        case SETTING_SIZE:
                return say(MESSAGE_SETTING_SIZE, NULL);
        case SETTING_LIST:
                return say(MESSAGE_SETTING_LIST, NULL);
        case SETTING_STRING:
        case SETTING_CHOICE:
                break;
        }
        if (setting->choices)
                return setting_choices_text(setting, " | ");
        return say(MESSAGE_SETTING_TEXT, NULL);
}

/* Default and bounds as one sentence each, parted by blanks. */
static char *limits_text(const struct setting *setting) {
        struct buf buf = { 0 };

        if (setting->required)
                say_to(&buf, MESSAGE_SETTING_REQUIRED, NULL);
        else if (setting->fallback && !setting->secret)
                say_to(&buf, MESSAGE_SETTING_DEFAULT, "value", setting->fallback, NULL);
        if (setting->least || setting->most) {
                char *least freed_by(freep) = setting_quantity_text(setting, setting->least);
                char *most freed_by(freep) = setting_quantity_text(setting, setting->most);

                if (buf.len)
                        buf_char(&buf, ' ');
                say_to(&buf, MESSAGE_SETTING_BOUNDS, "least", least, "most", most, NULL);
        }
        return buf_take(&buf);
}

void settings_help(const struct setting *settings, size_t n, FILE *to) {
        const char *section = "";

        for (size_t i = 0; i < n; i++) {
                char *kind freed_by(freep) = kind_text(settings + i);
                char *limits freed_by(freep) = limits_text(settings + i);

                if (strcmp(section, settings[i].section) != 0)
                        fprintf(to, "%s[%s]\n", i ? "\n" : "", settings[i].section);
                section = settings[i].section;
                fprintf(to, "%s = %s\n        %s\n", settings[i].key, kind ? kind : "",
                        setting_meaning(settings + i));
                if (limits && limits[0])
                        fprintf(to, "        %s\n", limits);
        }
}

/* What troff would take for itself. */
static void write_roff(const char *text, FILE *to) {
        for (const char *c = text; *c; c++) {
                if (*c == '\\')
                        fputs("\\e", to);
                else if (*c == '-')
                        fputs("\\-", to);
                else if ((*c == '.' || *c == '\'') && c == text)
                        fprintf(to, "\\&%c", *c);
                else
                        fputc(*c, to);
        }
}

void settings_manual(const struct setting *settings, size_t n, FILE *to) {
        const char *section = "";

        for (size_t i = 0; i < n; i++) {
                char *kind freed_by(freep) = kind_text(settings + i);
                char *limits freed_by(freep) = limits_text(settings + i);

                if (strcmp(section, settings[i].section) != 0)
                        fprintf(to, ".SS [%s]\n", settings[i].section);
                section = settings[i].section;
                fprintf(to, ".TP\n\\fB");
                write_roff(settings[i].key, to);
                fprintf(to, "\\fR = \\fI");
                write_roff(kind ? kind : "", to);
                fprintf(to, "\\fR\n");
                write_roff(setting_meaning(settings + i), to);
                fputc('\n', to);
                if (limits && limits[0]) {
                        fprintf(to, ".br\n");
                        write_roff(limits, to);
                        fputc('\n', to);
                }
        }
}
