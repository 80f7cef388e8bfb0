/* `--describe DRIVER`: one driver's page, for a clerk who has been told to "do the Weibo". */
#include <stdio.h>
#include <string.h>

#include "channels/driver.h"
#include "core/conf.h"
#include "core/files.h"
#include "core/memory.h"
#include "core/textfile.h"
#include "daemons/channeld/channeld.h"
#include "daemons/channeld/interview.h"

enum { EXAMPLE_MOST = 64 << 10 };

static bool in_english(void) {
        return messages_language() == ENGLISH;
}

/* Prints a sentence with the pairs that any of this file's needs. */
static void tell(enum message message, const char *driver, const char *title, const char *more) {
        char *text freed_by(freep) = say(message, "driver", driver, "title", title, "parts", more, "path",
                                         more, NULL);

        (void) puts(text ? text : "");
}

static void tell_needs(const struct driver *driver) {
        struct buf parts freed_by(buf_done) = { 0 };
        bool any = false;

        tell(MESSAGE_DESCRIBE_NEEDED, "", "", "");
        for (size_t i = 0; i < driver->n_settings; i++) {
                const struct setting *setting = &driver->settings[i];

                if (!setting->required)
                        continue;
                any = true;
                (void) printf("  %s：%s\n", setting->key,
                              in_english() ? setting->english : setting->chinese);
        }
        for (const char *const *part = driver->secret_parts; part && *part; part++)
                buf_fmt(&parts, "%s%s", parts.len ? ", " : "", *part);
        if (parts.len > 0)
                tell(MESSAGE_DESCRIBE_SECRET, "", "", buf_text(&parts));
        else if (!any)
                tell(MESSAGE_DESCRIBE_NOTHING, "", "", "");
        buf_reset(&parts);
        for (const char *const *part = driver->secret_more; part && *part; part++)
                buf_fmt(&parts, "%s%s", parts.len ? ", " : "", *part);
        if (parts.len > 0)
                tell(MESSAGE_DESCRIBE_SECRET_MORE, "", "", buf_text(&parts));
}

static bool is_of(const char *path, const char *bytes, size_t n, const char *driver) {
        struct problems problems = { 0 };
        struct conf *conf freed_by(conf_freep) = NULL;
        const struct conf_entry *entry;
        int r = conf_parse(path, bytes, n, &problems, &conf);

        problems_done(&problems);
        entry = r == 0 ? conf_find(conf, "", "driver") : NULL;
        return entry && strcmp(entry->value, driver) == 0;
}

/* Those that came with the program lie beside the channels' files. */
static void tell_example(const char *config_path, const char *driver) {
        const char *slash = strrchr(config_path, '/');
        struct string_list names freed_by(string_list_done) = { 0 };
        char *folder freed_by(freep) = NULL;

        if (asprintf(&folder, "%.*schannels.d", slash ? (int) (slash + 1 - config_path) : 0,
                     config_path) < 0) {
                folder = NULL;
                return;
        }
        if (folder_list(folder, ".example", &names) < 0)
                return;
        for (size_t i = 0; i < names.n; i++) {
                char *path freed_by(freep) = NULL;
                char *bytes freed_by(freep) = NULL;
                size_t n;

                if (asprintf(&path, "%s/%s", folder, names.items[i]) < 0) {
                        path = NULL;
                        return;
                }
                if (file_read(path, EXAMPLE_MOST, &bytes, &n) < 0 || !is_of(path, bytes, n, driver))
                        continue;
                (void) putchar('\n');
                tell(MESSAGE_DESCRIBE_EXAMPLE, "", "", path);
                (void) fputs(bytes, stdout);
                return;
        }
}

static int unknown(const char *name) {
        struct buf all freed_by(buf_done) = { 0 };
        char *near freed_by(freep) = near_sentence_of(driver_near(name));
        char *text freed_by(freep) = NULL;

        for (size_t i = 0; drivers[i]; i++)
                buf_fmt(&all, "%s%s", i ? ", " : "", drivers[i]->name);
        text = say(MESSAGE_DESCRIBE_UNKNOWN, "driver", name, "near", near ? near : "", "drivers",
                   buf_text(&all), NULL);
        (void) fprintf(stderr, "%s\n", text ? text : "");
        return 1;
}

int describe_run(const char *config_path, const char *name) {
        const struct driver *driver = driver_find(name);
        const char *about;

        if (!driver)
                return unknown(name);
        tell(MESSAGE_DESCRIBE_TITLE, driver->name,
             in_english() ? driver->title_english : driver->title_chinese, "");
        about = in_english() ? driver->about_english : driver->about_chinese;
        if (about)
                (void) printf("%s\n", about);
        (void) putchar('\n');
        tell_needs(driver);
        if (driver->n_settings > 0) {
                (void) putchar('\n');
                tell(MESSAGE_DESCRIBE_OPTIONS, "", "", "");
                settings_help(driver->settings, driver->n_settings, stdout);
        }
        (void) putchar('\n');
        tell(MESSAGE_DESCRIBE_COMMON, "", "", "");
        tell_example(config_path, driver->name);
        return 0;
}
