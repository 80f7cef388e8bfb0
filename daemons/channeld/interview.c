/* `--ask NAME`: makes a channel's file by asking. Nothing is written but to standard output, at the
 * end. */
#include "daemons/channeld/interview.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/catalogue.h"
#include "core/config.h"
#include "core/memory.h"
#include "core/textfile.h"
#include "daemons/channeld/channeld.h"
#include "daemons/channeld/draft.h"

enum { LINE_MOST = 4096, NEAR = 3, ROW = 5 /* carriers in a line */ };

struct interview {
        struct configuration *configuration; /* without the new one */
        struct draft draft;
        struct buf line; /* the last answer */
};

static bool in_english(void) {
        return messages_language() == ENGLISH;
}

/* -- near words ---------------------------------------------------------------------------------------- */

static size_t characters(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += ((unsigned char) *text & 0xc0) != 0x80;
        return n;
}

/* Half of a short word must be right. */
static void nearer(const char *word, const char *known, size_t *distance, const char **ret) {
        size_t now = text_distance(word, known, NEAR);

        if (now <= NEAR && 2 * now <= characters(word) && now < *distance) {
                *distance = now;
                *ret = known;
        }
}

const char *driver_near(const char *name) {
        const char *near = NULL;
        size_t distance = NEAR + 1;

        for (size_t i = 0; drivers[i]; i++)
                nearer(name, drivers[i]->name, &distance, &near);
        return near;
}

char *near_sentence_of(const char *name) {
        return name ? say(MESSAGE_CONF_NEAR, "near", name, NULL) : strdup("");
}

/* -- a terminal ------------------------------------------------------------------------------------------ */

static void tell(enum message message, const char *key, const char *value) {
        char *text freed_by(freep) = say(message, "key", key, "value", value, "near", value, "channel",
                                         value, "channels", value, "path", value, NULL);

        (void) fprintf(stderr, "%s\n", text ? text : "");
}

static void tell_no_such(const char *value, const char *near) {
        char *sentence freed_by(freep) = near_sentence_of(near);
        char *text freed_by(freep) = say(MESSAGE_ASK_NO_SUCH, "value", value, "near",
                                         sentence ? sentence : "", NULL);

        (void) fprintf(stderr, "%s\n", text ? text : "");
}

/* The next answer without blanks around it, in interview->line; NULL at the end of the input. */
static const char *hear(struct interview *interview, enum message prompt, const char *key,
                        const char *value) {
        char *text freed_by(freep) = say(prompt, "key", key, "value", value, NULL);
        char *answer, *end;

        (void) fprintf(stderr, "%s", text ? text : "");
        (void) fflush(stderr);
        if (line_read(STDIN_FILENO, LINE_MOST, &interview->line) < 0)
                return NULL;
        answer = (char *) buf_text(&interview->line);
        answer += strspn(answer, " \t\r");
        end = answer + strlen(answer);
        while (end > answer && strchr(" \t\r", end[-1]))
                *--end = '\0';
        return answer;
}

/* As draft_try(), and what the clerk may do about it. */
static int try_answer(struct interview *interview, const char *key, const char *value, bool again) {
        bool here;
        int r = draft_try(&interview->draft, key, value, again, &here);

        if (r == 1 && !here)
                tell(MESSAGE_ASK_AGAIN, key, value);
        return r;
}

/* -- questions ------------------------------------------------------------------------------------------------ */

static void tell_near_choice(const struct setting *setting, const char *answer) {
        const char *near = NULL;
        size_t distance = NEAR + 1;

        for (const char *const *choice = setting->choices; choice && *choice; choice++)
                nearer(answer, *choice, &distance, &near);
        if (near)
                tell(MESSAGE_ASK_LIKE, setting->key, near);
}

/* One setting, until the answer is good. `suggested` (may be NULL) is written when nothing is said;
 * else the default holds. */
static int ask_setting(struct interview *interview, const struct setting *setting,
                       const char *suggested, bool required) {
        const char *shown = suggested ? suggested : setting->fallback;
        char *last freed_by(freep) = NULL;
        bool explain = true;

        for (;;) {
                const char *answer;
                int r;

                if (explain) {
                        (void) fputc('\n', stderr);
                        settings_help(setting, 1, stderr);
                }
                explain = false;
                answer = hear(interview, shown ? MESSAGE_ASK_PROMPT_DEFAULT : MESSAGE_ASK_PROMPT,
                              setting->key, shown);
                if (!answer)
                        return -ENODATA;
                if (strcmp(answer, "?") == 0 || strcmp(answer, "？") == 0) {
                        explain = true;
                        continue;
                }
                if (!*answer && required && !suggested) {
                        tell(MESSAGE_ASK_REQUIRED, setting->key, "");
                        continue;
                }
                if (!*answer && !suggested)
                        return 0;
                r = try_answer(interview, setting->key, *answer ? answer : suggested,
                               last && strcmp(last, answer) == 0);
                if (r <= 0)
                        return r;
                tell_near_choice(setting, answer);
                free(last);
                last = strdup(answer);
        }
}

/* From 1 to `most`, or 0. */
static size_t number_of(const char *text, size_t most) {
        char *end;
        unsigned long number = strtoul(text, &end, 10);

        return *text >= '0' && *text <= '9' && !*end && number <= most ? number : 0;
}

static int ask_driver(struct interview *interview) {
        size_t n = 0;

        tell(MESSAGE_ASK_DRIVER, "", "");
        for (; drivers[n]; n++)
                (void) fprintf(stderr, "  %2zu  %-10s %s\n", n + 1, drivers[n]->name,
                               in_english() ? drivers[n]->title_english : drivers[n]->title_chinese);
        for (;;) {
                const char *answer = hear(interview, MESSAGE_ASK_DRIVER_PROMPT, "", "");
                size_t number = answer ? number_of(answer, n) : 0;
                const struct driver *driver;

                if (!answer)
                        return -ENODATA;
                driver = number > 0 ? drivers[number - 1] : driver_find(answer);
                if (driver) {
                        interview->draft.driver = driver;
                        return try_answer(interview, "driver", driver->name, true);
                }
                tell_no_such(answer, driver_near(answer));
        }
}

/* The carriers of an answer by number or any of their names, in the catalogue's spelling. False, and
 * told, where one is none. */
static bool read_carriers(char *answer, struct buf *ret) {
        static const char *const signs[] = { "，", "、" };
        char *rest = NULL;

        buf_reset(ret);
        for (size_t i = 0; i < ELEMENTS(signs); i++)
                for (char *at = strstr(answer, signs[i]); at; at = strstr(at, signs[i]))
                        memcpy(at, ",  ", 3);
        for (char *word = strtok_r(answer, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
                const char *near = NULL;
                size_t distance = NEAR + 1, number;
                int index;

                word += strspn(word, " \t");
                while (*word && strchr(" \t", word[strlen(word) - 1]))
                        word[strlen(word) - 1] = '\0';
                number = number_of(word, n_carriers);
                index = number > 0 ? (int) number - 1 : carrier_find(word);
                if (index >= 0) {
                        buf_fmt(ret, "%s%s", ret->len ? ", " : "", carriers[index].name);
                        continue;
                }
                for (size_t i = 0; i < n_carriers; i++)
                        nearer(word, carriers[i].name, &distance, &near);
                tell_no_such(word, near);
                return false;
        }
        return true;
}

static int ask_carriers(struct interview *interview) {
        struct buf list freed_by(buf_done) = { 0 };

        (void) fputc('\n', stderr);
        tell(MESSAGE_ASK_CARRIERS, "", "");
        for (size_t i = 0; i < n_carriers; i++)
                (void) fprintf(stderr, "%s%2zu %s", i == 0 ? "  " : i % ROW ? "  " : "\n  ", i + 1,
                               carriers[i].name);
        (void) fputc('\n', stderr);
        for (;;) {
                const char *answer = hear(interview, MESSAGE_ASK_CARRIERS_PROMPT, "", "");

                if (!answer)
                        return -ENODATA;
                if (read_carriers((char *) answer, &list))
                        return list.len > 0 ? try_answer(interview, "carrier", buf_text(&list), true)
                                            : 0;
        }
}

static int ask_after(struct interview *interview) {
        const struct configuration *configuration = interview->configuration;
        struct buf names freed_by(buf_done) = { 0 };

        for (size_t i = 0; i < configuration->n_channels; i++)
                buf_fmt(&names, "%s%s", names.len ? ", " : "", configuration->channels[i].name);
        if (names.len == 0)
                return 0;
        (void) fputc('\n', stderr);
        tell(MESSAGE_ASK_AFTER, "", buf_text(&names));
        return ask_setting(interview, draft_common_row("after"), NULL, false);
}

/* What all channels share and a clerk should think of. */
static int ask_common(struct interview *interview) {
        const struct setting *title = draft_own_row(&interview->draft, "title");
        int r = title && title->required
                        ? ask_setting(interview, title, NULL, true)
                        : ask_setting(interview, draft_common_row("title"), interview->draft.name, false);

        if (r >= 0)
                r = ask_carriers(interview);
        if (r >= 0 && interview->configuration->main.regions.n > 1)
                r = ask_setting(interview, draft_common_row("regions"), NULL, false);
        return r >= 0 ? ask_after(interview) : r;
}

/* What is required, then what has no default: only the county can know it. */
static int ask_own(struct interview *interview) {
        const struct driver *driver = interview->draft.driver;

        for (int required = 1; required >= 0; required--)
                for (size_t i = 0; i < driver->n_settings; i++) {
                        const struct setting *setting = &driver->settings[i];
                        int r = 0;

                        if (setting->required == (bool) required && !draft_has(&interview->draft, setting->key) &&
                            (required || !setting->fallback) && strcmp(setting->key, "title") != 0)
                                r = ask_setting(interview, setting, NULL, required);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static void tell_rest(const struct interview *interview) {
        const struct driver *driver = interview->draft.driver;

        for (size_t i = 0; i < driver->n_settings; i++)
                if (!draft_has(&interview->draft, driver->settings[i].key))
                        settings_help(&driver->settings[i], 1, stderr);
        for (size_t i = 0; i < n_channel_settings; i++)
                if (!draft_has(&interview->draft, channel_settings[i].key) && !draft_own_row(&interview->draft, channel_settings[i].key))
                        settings_help(&channel_settings[i], 1, stderr);
}

/* What the answers together lack, as one of two settings that may both be left out; once. */
static bool tell_problems(const struct interview *interview, bool *told) {
        const struct string_list *known = &interview->draft.known;
        bool any = known->n > 0 && !*told;

        *told = any;
        for (size_t i = 0; any && i < known->n; i++)
                (void) fprintf(stderr, "  ! %s\n", known->items[i]);
        return any;
}

static int ask_rest(struct interview *interview) {
        bool told = false;

        (void) fputc('\n', stderr);
        for (;;) {
                const char *answer = hear(interview, MESSAGE_ASK_REST, "", ""), *near = NULL;
                const struct setting *setting;
                size_t distance = NEAR + 1;
                int r;

                if (!answer)
                        return -ENODATA;
                if (!*answer && tell_problems(interview, &told))
                        continue;
                if (!*answer)
                        return 0;
                told = false;
                if (strcmp(answer, "?") == 0 || strcmp(answer, "？") == 0) {
                        tell_rest(interview);
                        continue;
                }
                setting = draft_own_row(&interview->draft, answer);
                if (!setting)
                        setting = draft_common_row(answer);
                if (setting && !draft_has(&interview->draft, setting->key)) {
                        r = ask_setting(interview, setting, NULL, false);
                        if (r < 0)
                                return r;
                        continue;
                }
                for (size_t i = 0; !setting && i < interview->draft.driver->n_settings; i++)
                        nearer(answer, interview->draft.driver->settings[i].key, &distance, &near);
                for (size_t i = 0; !setting && i < n_channel_settings; i++)
                        nearer(answer, channel_settings[i].key, &distance, &near);
                tell_no_such(answer, near);
        }
}

/* -- the whole ---------------------------------------------------------------------------------------------------- */

/* True for yes; ends with the input. */
static bool confirm(struct interview *interview, const struct buf *file) {
        char *path freed_by(freep) = NULL;

        if (asprintf(&path, "%s/channels.d/%s.conf", interview->configuration->main.folder,
                     interview->draft.name) < 0)
                path = NULL;
        (void) fputc('\n', stderr);
        tell(MESSAGE_ASK_FILE, "", path);
        (void) fprintf(stderr, "\n%s\n", buf_text(file));
        for (;;) {
                const char *answer = hear(interview, MESSAGE_ASK_WRITE, "", "");

                if (!answer || strcasecmp(answer, "n") == 0 || strcasecmp(answer, "no") == 0)
                        return false;
                if (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0)
                        return true;
        }
}

static int interview_go(struct interview *interview) {
        struct buf file freed_by(buf_done) = { 0 };
        struct problems problems = { 0 };
        int r = configuration_load(interview->draft.config_path, NULL, &problems, &interview->configuration);

        problems_done(&problems); /* those of other files are told by the check in the end */
        if (r < 0)
                return r;
        tell(MESSAGE_ASK_BEGIN, "", interview->draft.name);
        r = ask_driver(interview);
        if (r >= 0)
                r = ask_common(interview);
        if (r >= 0)
                r = ask_own(interview);
        if (r >= 0)
                r = ask_rest(interview);
        if (r < 0)
                return r;
        draft_write(&interview->draft, &file);
        if (file.error || !confirm(interview, &file))
                return file.error ? file.error : -ENODATA;
        (void) fputs(buf_text(&file), stdout);
        return fflush(stdout) == 0 ? 0 : -errno;
}

int interview_run(const char *config_path, const char *name) {
        struct interview interview = { .draft = { .config_path = config_path, .name = name } };
        int r = interview_go(&interview);

        if (r == -ENODATA)
                (void) fputc('\n', stderr);
        if (r < 0 && r != -ENODATA)
                (void) fprintf(stderr, "%s\n", strerror(-r));
        if (r < 0)
                tell(MESSAGE_ASK_NOTHING, "", "");
        (void) configuration_free(interview.configuration);
        draft_done(&interview.draft);
        buf_done(&interview.line);
        return r < 0 ? 1 : 0;
}
