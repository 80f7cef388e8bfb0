#include "daemons/channeld/draft.h"

#include <stdio.h>
#include <string.h>

#include "core/config.h"
#include "core/memory.h"
#include "daemons/channeld/options.h"

/* What is wrong with a text, each with its line. */
static int try_text(const struct draft *draft, const struct buf *text, struct problems *problems) {
        struct configuration *configuration freed_by(configuration_freep) = NULL;
        struct problems others = { 0 };
        void *options = NULL;
        int r = configuration_load(draft->config_path, NULL, &others, &configuration);

        problems_done(&others); /* of other files: told by the check in the end */
        if (r >= 0)
                r = configuration_add_draft(configuration, options_of_driver, draft->name, buf_text(text),
                                            text->len, problems);
        if (r >= 0 && draft->driver)
                r = options_read(draft->driver,
                                 &configuration->channels[configuration->n_channels - 1], &options,
                                 problems);
        if (draft->driver)
                options_free(draft->driver, options);
        return r;
}

static unsigned lines_of(const struct buf *text) {
        unsigned n = 0;

        for (size_t i = 0; i < text->len; i++)
                n += text->data[i] == '\n';
        return n;
}

static int add_string(struct string_list *list, const char *string) {
        return string_list_add(list, string, strlen(string));
}

static int keep(struct draft *draft, const struct buf *text, const char *key, const char *value,
                const struct problems *problems) {
        int r = 0;

        buf_reset(&draft->text);
        buf_add(&draft->text, text->data, text->len);
        string_list_done(&draft->known);
        for (size_t i = 0; r == 0 && i < problems->n; i++)
                r = add_string(&draft->known, problems->list[i].text);
        if (r == 0)
                r = add_string(&draft->keys, key);
        return r < 0 ? r : add_string(&draft->values, value);
}

/* The common rows and the driver's may both say it. */
static bool was_before(const struct problems *problems, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(problems->list[i].text, problems->list[n].text) == 0)
                        return true;
        return false;
}

int draft_try(struct draft *draft, const char *key, const char *value, bool again, bool *ret_here) {
        struct buf text freed_by(buf_done) = { 0 };
        struct problems problems = { 0 };
        unsigned line = lines_of(&draft->text) + 1;
        bool any = false, here = false;
        int r;

        buf_add(&text, draft->text.data, draft->text.len);
        buf_fmt(&text, "%s = %s\n", key, value);
        r = text.error ? text.error : try_text(draft, &text, &problems);
        for (size_t i = 0; r >= 0 && i < problems.n; i++) {
                const struct problem *problem = &problems.list[i];

                if (string_list_has(&draft->known, problem->text))
                        continue;
                if (!(again && problem->line != line) && !was_before(&problems, i))
                        (void) fprintf(stderr, "  ! %s\n", problem->text);
                any = true;
                here = here || problem->line == line;
        }
        if (r >= 0)
                r = any && (!again || here) ? 1 : keep(draft, &text, key, value, &problems);
        problems_done(&problems);
        *ret_here = here;
        return r;
}

bool draft_has(const struct draft *draft, const char *key) {
        return string_list_has(&draft->keys, key);
}

static const struct setting *row_of(const struct setting *settings, size_t n, const char *key) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(settings[i].key, key) == 0)
                        return &settings[i];
        return NULL;
}

const struct setting *draft_own_row(const struct draft *draft, const char *key) {
        return row_of(draft->driver->settings, draft->driver->n_settings, key);
}

const struct setting *draft_common_row(const char *key) {
        return row_of(channel_settings, n_channel_settings, key);
}

/* -- the file -- */

static bool in_english(void) {
        return messages_language() == ENGLISH;
}

static void write_row(const struct draft *draft, const struct setting *setting, bool unset,
                      struct buf *ret) {
        const char *value = NULL;

        for (size_t i = 0; i < draft->keys.n && i < draft->values.n; i++)
                if (strcmp(draft->keys.items[i], setting->key) == 0)
                        value = draft->values.items[i];
        if (!value && !unset)
                return;
        buf_fmt(ret, "\n# %s\n", in_english() ? setting->english : setting->chinese);
        if (value)
                buf_fmt(ret, "%s = %s\n", setting->key, value);
        else
                buf_fmt(ret, "#%s = %s\n", setting->key, setting->fallback ? setting->fallback : "");
}

void draft_write(const struct draft *draft, struct buf *ret) {
        const struct driver *driver = draft->driver;

        say_to(ret, MESSAGE_ASK_HEAD, "channel", draft->name, "title",
               in_english() ? driver->title_english : driver->title_chinese, NULL);
        buf_char(ret, '\n');
        for (size_t i = 0; i < n_channel_settings; i++)
                if (!draft_own_row(draft, channel_settings[i].key))
                        write_row(draft, &channel_settings[i], false, ret);
        for (size_t i = 0; i < driver->n_settings; i++)
                write_row(draft, &driver->settings[i], true, ret);
}

void draft_done(struct draft *draft) {
        buf_done(&draft->text);
        string_list_done(&draft->known);
        string_list_done(&draft->keys);
        string_list_done(&draft->values);
}
