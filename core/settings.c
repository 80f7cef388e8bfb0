#include "core/settings.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/memory.h"
#include "core/settings_value.h"
#include "core/textfile.h"

#define NEAR_ENOUGH 3 /* slips of the hand between what was written and a key that exists */

static void *place_of(const struct setting *setting, void *target) {
        return (char *) target + setting->offset;
}

static int apply_fallbacks(const struct settings_part *part) {
        for (size_t i = 0; i < part->n; i++) {
                const struct setting *setting = part->settings + i;
                struct problems none = { 0 };
                struct setting_value value = { setting, setting->fallback, setting->key, 0, &none,
                                       place_of(setting, part->target) };
                int r = setting->fallback ? setting_store(&value) : 0;

                assert(none.n == 0); /* our own table is wrong */
                if (r < 0)
                        return r;
        }
        return 0;
}

/* All rows of all parts under one running number. */
static const struct setting *row_at(const struct settings_part *parts, size_t n_parts,
                                    size_t index, void **ret_target) {
        for (size_t i = 0; i < n_parts; i++) {
                if (index < parts[i].n) {
                        *ret_target = parts[i].target;
                        return parts[i].settings + index;
                }
                index -= parts[i].n;
        }
        return NULL;
}

/* ", did you mean ...?" for the nearest candidate so far. */
struct near {
        const char *section, *key;
        size_t distance;
};

static void nearer(struct near *near, const char *written, const char *known, const char *section,
                   const char *key, size_t handicap) {
        size_t distance = text_distance(written, known, NEAR_ENOUGH);

        /* Of a short word nearly everything may be wrong within three slips. */
        if (distance > NEAR_ENOUGH || distance >= strlen(known) || distance >= strlen(written))
                return;
        distance += handicap;
        if (!near->key || distance < near->distance)
                *near = (struct near) { section, key, distance };
}

static char *near_sentence(const char *name) {
        return name ? say(MESSAGE_CONF_NEAR, "near", name, NULL) : strdup("");
}

static bool is_known_section(const struct settings_part *parts, size_t n_parts,
                             const char *section) {
        const struct setting *setting;
        void *target;

        for (size_t i = 0; (setting = row_at(parts, n_parts, i, &target)); i++)
                if (strcmp(setting->section, section) == 0)
                        return true;
        return false;
}

static void unknown_section(const struct settings_part *parts, size_t n_parts,
                            const struct conf *conf, const struct conf_entry *entry,
                            struct problems *problems) {
        const struct setting *setting;
        struct near near = { 0 };
        char *sentence, *bracketed = NULL;
        void *target;

        for (size_t i = 0; (setting = row_at(parts, n_parts, i, &target)); i++)
                nearer(&near, entry->section, setting->section, NULL, setting->section, 0);
        if (near.key && asprintf(&bracketed, "[%s]", near.key) < 0)
                bracketed = NULL;
        sentence = near_sentence(bracketed);
        problems_add(problems, conf->path, entry->line, MESSAGE_CONF_UNKNOWN_SECTION, "section",
                     entry->section, "near", sentence, NULL);
        free(sentence);
        free(bracketed);
}

static void unknown_key(const struct settings_part *parts, size_t n_parts,
                        const struct conf *conf, const struct conf_entry *entry,
                        struct problems *problems) {
        const struct setting *setting;
        struct near near = { 0 };
        char *sentence, *name = NULL;
        void *target;

        for (size_t i = 0; (setting = row_at(parts, n_parts, i, &target)); i++) {
                bool here = strcmp(setting->section, entry->section) == 0;

                nearer(&near, entry->key, setting->key, here ? NULL : setting->section,
                       setting->key, here ? 0 : 1);
        }
        if (near.key && near.section && near.section[0]) {
                if (asprintf(&name, "[%s] %s", near.section, near.key) < 0)
                        name = NULL;
        } else if (near.key) {
                name = strdup(near.key);
        }
        sentence = near_sentence(name);
        problems_add(problems, conf->path, entry->line, MESSAGE_CONF_UNKNOWN_KEY, "key",
                     entry->key, "near", sentence, NULL);
        free(sentence);
        free(name);
}

static void written_twice(const struct conf *conf, const struct conf_entry *entry, unsigned first,
                          struct problems *problems) {
        char number[16];

        (void) snprintf(number, sizeof(number), "%u", first);
        problems_add(problems, conf->path, entry->line, MESSAGE_CONF_TWICE, "key", entry->key,
                     "line", number, NULL);
}

static int apply_entry(const struct settings_part *parts, size_t n_parts, const struct conf *conf,
                       const struct conf_entry *entry, unsigned *lines,
                       struct problems *problems) {
        const struct setting *setting;
        bool is_known = false;
        void *target;

        for (size_t i = 0; (setting = row_at(parts, n_parts, i, &target)); i++) {
                struct setting_value value = { setting, entry->value, conf->path, entry->line,
                                               problems, place_of(setting, target) };
                int r;

                if (strcmp(setting->key, entry->key) != 0 ||
                    strcmp(setting->section, entry->section) != 0)
                        continue;
                if (lines[i]) {
                        written_twice(conf, entry, lines[i], problems);
                        return 0;
                }
                is_known = true;
                lines[i] = entry->line;
                r = setting_store(&value);
                if (r != 0) /* what is wrong is said once, though another part knows the key too */
                        return r < 0 ? r : 0;
        }
        if (!is_known)
                unknown_key(parts, n_parts, conf, entry, problems);
        return 0;
}

static int apply_conf(const struct settings_part *parts, size_t n_parts, const struct conf *conf,
                      unsigned *lines, struct problems *problems) {
        const struct setting *setting;
        const char *complained = NULL;
        void *target;

        for (size_t i = 0; i < conf->n; i++) {
                const struct conf_entry *entry = conf->entries + i;
                int r;

                if (entry->section[0] && !is_known_section(parts, n_parts, entry->section)) {
                        if (!complained || strcmp(complained, entry->section) != 0)
                                unknown_section(parts, n_parts, conf, entry, problems);
                        complained = entry->section;
                        continue;
                }
                r = apply_entry(parts, n_parts, conf, entry, lines, problems);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; (setting = row_at(parts, n_parts, i, &target)); i++)
                if (setting->required && !conf_find(conf, setting->section, setting->key))
                        problems_add(problems, conf->path, 0, MESSAGE_CONF_REQUIRED, "key",
                                     setting->key, "meaning", setting_meaning(setting), NULL);
        return 0;
}

int settings_apply(const struct settings_part *parts, size_t n_parts, const struct conf *conf,
                   struct problems *problems) {
        unsigned *lines freed_by(freep) = NULL;
        size_t n_rows = 0;

        for (size_t i = 0; i < n_parts; i++) {
                int r = apply_fallbacks(parts + i);

                if (r < 0)
                        return r;
                n_rows += parts[i].n;
        }
        if (!conf)
                return 0;
        lines = calloc(n_rows + 1, sizeof(*lines));
        return lines ? apply_conf(parts, n_parts, conf, lines, problems) : -ENOMEM;
}

void settings_release(const struct setting *settings, size_t n, void *target) {
        for (size_t i = 0; i < n; i++) {
                void *place = place_of(settings + i, target);

                if (settings[i].kind == SETTING_STRING) {
                        free(*(char **) place);
                        *(char **) place = NULL;
                } else if (settings[i].kind == SETTING_LIST) {
                        string_list_done(place);
                }
        }
}
