/* For the tests: the tree transport as driver.h describes it, in memory, fake as data. It keeps
 * files and entries, orders views, undoes what is not committed, and holds every commit to the
 * rules that a real disk would punish. */
#ifndef CHANNELS_SITE_FAKE_TREE_H
#define CHANNELS_SITE_FAKE_TREE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "channels/driver.h"
#include "core/memory.h"
#include "core/moment.h"

struct fake_tree {
        json_t *entries; /* by region/document: {live, rank, date, until, tags, data} */
        json_t *files;   /* path -> text; an attachment's is "attachment:SHA256" */
        char *own;       /* key of the entry that the open transaction put, or NULL */
        json_t *before;  /* its value from before, or NULL */
        bool open;
        int64_t now_ms;
        enum tree_status refuse_with; /* answered to every request when not TREE_OK */
        unsigned refuse_after;        /* requests that still pass */
        unsigned requests;
        double driver_seconds; /* CPU of the driver alone, over all deliveries */
};

static inline void fake_tree_init(struct fake_tree *tree) {
        *tree = (struct fake_tree) { .entries = json_object(), .files = json_object() };
}

static inline void fake_tree_roll_back(struct fake_tree *tree) {
        if (tree->own && tree->before)
                json_object_set(tree->entries, tree->own, tree->before);
        else if (tree->own)
                json_object_del(tree->entries, tree->own);
        free(tree->own);
        json_decref(tree->before);
        tree->own = NULL;
        tree->before = NULL;
        tree->open = false;
}

static inline void fake_tree_done(struct fake_tree *tree) {
        fake_tree_roll_back(tree);
        json_decref(tree->entries);
        json_decref(tree->files);
}

static inline const char *fake_file(const struct fake_tree *tree, const char *path) {
        return json_string_value(json_object_get(tree->files, path));
}

static int64_t fake_number(const json_t *object, const char *key) {
        return json_integer_value(json_object_get(object, key));
}

static int fake_newer_first(const void *a, const void *b) {
        int64_t one = fake_number(*(json_t *const *) a, "date");
        int64_t other = fake_number(*(json_t *const *) b, "date");

        return one < other ? 1 : one > other ? -1 : 0;
}

static bool fake_has_tag(const json_t *entry, const char *tag) {
        const json_t *one;
        size_t i;

        if (!tag)
                return true;
        json_array_foreach(json_object_get(entry, "tags"), i, one)
                if (strcmp(json_string_value(one), tag) == 0)
                        return true;
        return false;
}

static bool fake_in_view(const struct fake_tree *tree, const json_t *entry,
                         const struct tree_view *view) {
        int64_t until = fake_number(entry, "until");
        char day[MOMENT_TEXT];

        if (!json_is_true(json_object_get(entry, "live")) || (until && until <= tree->now_ms))
                return false;
        moment_write_date(fake_number(entry, "date"), day);
        return fake_has_tag(entry, view->tag) && (!view->month || !strncmp(day, view->month, 7));
}

static json_t *fake_view(const struct fake_tree *tree, const struct tree_view *view) {
        json_t **found = calloc(json_object_size(tree->entries) + 1, sizeof(*found));
        json_t *ret = json_array(), *entry;
        const char *key;
        size_t n = 0;

        json_object_foreach(tree->entries, key, entry)
                if (fake_in_view(tree, entry, view))
                        found[n++] = entry;
        qsort(found, n, sizeof(*found), fake_newer_first);
        for (size_t i = 0; i < n && i < view->limit; i++)
                json_array_append(ret, json_object_get(found[i], "data"));
        free(found);
        return ret;
}

static json_t *fake_counts(const struct fake_tree *tree) {
        const struct tree_view all = { 0 };
        json_t *ret = json_object(), *entry, *tag;
        const char *key;
        size_t i;

        json_object_foreach(tree->entries, key, entry)
                if (fake_in_view(tree, entry, &all))
                        json_array_foreach(json_object_get(entry, "tags"), i, tag)
                                json_object_set_new(
                                        ret, json_string_value(tag),
                                        json_integer(fake_number(ret, json_string_value(tag)) +
                                                     1));
        return ret;
}

static json_t *fake_months(const struct fake_tree *tree, const char *tag) {
        const struct tree_view view = { .tag = tag };
        json_t *months = json_object(), *ret = json_array(), *entry;
        char month[MOMENT_TEXT];
        const char *key;

        json_object_foreach(tree->entries, key, entry) {
                if (!fake_in_view(tree, entry, &view))
                        continue;
                moment_write_date(fake_number(entry, "date"), month);
                month[7] = '\0';
                json_object_set_new(months, month, json_true());
        }
        json_object_foreach(months, key, entry)
                json_array_append_new(ret, json_string(key));
        json_decref(months);
        return ret;
}

static void fake_put(struct fake_tree *tree, const char *key, const struct tree_open *open) {
        if (!tree->own) {
                tree->own = strdup(key);
                tree->before = json_incref(json_object_get(tree->entries, key));
        }
        assert_non_null(open->data);
        assert_non_null(open->tags);
        json_object_set_new(tree->entries, key,
                            json_pack("{s:b, s:I, s:I, s:I, s:O, s:O}", "live", (int) open->live,
                                      "rank", (json_int_t) (open->revision * 2 + open->level),
                                      "date", (json_int_t) open->date_ms, "until",
                                      (json_int_t) open->until_ms, "tags", open->tags, "data",
                                      open->data));
}

/* The reply's parts are handed out in *ret_owned, one array to be released. */
static void fake_open(struct fake_tree *tree, const char *key, const struct tree_open *open,
                      struct tree_reply *ret, json_t **ret_owned) {
        json_t *found = open->has_entry ? json_incref(json_object_get(tree->entries, key)) : NULL;
        json_t *views = json_array(), *counts, *months = json_object();

        assert_true(open->n_views <= ELEMENTS(open->views));
        tree->open = true;
        if (found && fake_number(found, "rank") > open->revision * 2 + open->level) {
                ret->status = TREE_NEWER;
                json_decref(found);
                json_decref(views);
                json_decref(months);
                return;
        }
        if (open->has_entry)
                fake_put(tree, key, open);
        for (size_t i = 0; i < open->n_views; i++) {
                assert_true(open->views[i].limit > 0);
                json_array_append_new(views, fake_view(tree, &open->views[i]));
                json_object_set_new(months, open->views[i].tag ? open->views[i].tag : "",
                                    fake_months(tree, open->views[i].tag));
        }
        counts = fake_counts(tree);
        ret->views = views;
        ret->tags = counts;
        ret->months = months;
        ret->previous = json_object_get(found, "data");
        *ret_owned = json_pack("[o, o, o, O?]", views, counts, months, found);
        json_decref(found);
}

/* Below the root, whatever happens: every rule that keeps a path there. */
static void fake_check_path(const char *path) {
        assert_non_null(path);
        assert_true(path[0] != '/' && path[0] != '\0');
        assert_null(strstr(path, "//"));
        assert_null(strchr(path, '\\'));
        for (const char *at = path; *at; at += strcspn(at, "/"), at += *at == '/') {
                size_t n = strcspn(at, "/");

                assert_true(n > 0 && n <= 255);
                assert_false(n <= 2 && strncmp(at, "..", n) == 0);
        }
        for (const char *at = path; *at; at++)
                assert_true((unsigned char) *at > 0x20 && *at != 0x7F);
}

static unsigned fake_count_text(const char *text, const char *what) {
        unsigned n = 0;

        for (; (text = strstr(text, what)) != NULL; text++)
                n++;
        return n;
}

static void fake_check_page(const char *path, const char *text) {
        size_t n = strlen(path);

        if (n < 5 || strcmp(path + n - 5, ".html") != 0)
                return;
        assert_int_equal(fake_count_text(text, "<h1"), 1);
        assert_null(strstr(text, "<script"));
        assert_non_null(strstr(text, "<html lang=\"zh-CN\">"));
        assert_non_null(strstr(text, "<meta name=\"SiteName\" content=\""));
        assert_non_null(strstr(text, "<meta name=\"SiteDomain\" content=\""));
}

static void fake_commit(struct fake_tree *tree, const struct tree_commit *commit) {
        assert_true(tree->open);
        for (size_t i = 0; i < commit->n_files; i++) {
                const struct tree_file *file = &commit->files[i];
                struct buf text = { 0 };

                fake_check_path(file->path);
                assert_true((file->content != NULL) != (file->sha256 != NULL));
                if (file->content) {
                        buf_add(&text, file->content, file->n_bytes);
                        fake_check_page(file->path, buf_text(&text));
                } else {
                        buf_fmt(&text, "attachment:%s", file->sha256);
                }
                json_object_set_new(tree->files, file->path, json_string(buf_text(&text)));
                assert_non_null(fake_file(tree, file->path)); /* valid UTF-8 */
                buf_done(&text);
        }
        for (size_t i = 0; i < commit->n_removals; i++) {
                const char *removal = commit->removals[i], *path;
                size_t n = strlen(removal);
                json_t *file;
                void *next;

                fake_check_path(removal);
                json_object_foreach_safe(tree->files, next, path, file)
                        if (strncmp(path, removal, n) == 0 && (!path[n] || path[n] == '/'))
                                json_object_del(tree->files, path);
        }
        free(give_away(tree->own)); /* kept: nothing left to undo */
        fake_tree_roll_back(tree);
}

static double fake_cpu(void) {
        struct timespec now;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Runs a delivery to its verdict, as the engine would. */
static inline void fake_deliver(struct fake_tree *tree, const struct driver *driver,
                                struct delivery delivery, struct step *ret) {
        struct buf key = { 0 };
        struct step step = { 0 };
        json_t *memo = NULL;
        double since = fake_cpu();

        tree->now_ms = delivery.now_ms;
        buf_fmt(&key, "%s/%s", delivery.region ? delivery.region : "",
                delivery.document ? delivery.document : "");
        assert_int_equal(driver->begin(&delivery, &step), 0);
        tree->driver_seconds += fake_cpu() - since;
        for (unsigned steps = 0; step.kind != STEP_VERDICT; steps++) {
                struct reply reply = { .kind = step.kind };
                json_t *owned = NULL;
                struct step next = { 0 };

                assert_true(steps < 200);
                tree->requests++;
                if (tree->refuse_with != TREE_OK && tree->requests > tree->refuse_after) {
                        reply.tree = (struct tree_reply) {
                                .status = tree->refuse_with,
                                .error = "No space left on device: index.html",
                        };
                } else if (step.kind == STEP_TREE_OPEN) {
                        fake_open(tree, delivery.document ? buf_text(&key) : NULL, &step.tree_open,
                                  &reply.tree, &owned);
                } else {
                        assert_int_equal(step.kind, STEP_TREE_COMMIT);
                        fake_commit(tree, &step.tree_commit);
                }
                if (step.memo) {
                        json_decref(memo);
                        memo = json_incref(step.memo);
                }
                delivery.memo = memo;
                delivery.now_ms++; /* time goes on between two steps */
                step_done(&step);
                since = fake_cpu();
                assert_int_equal(driver->next(&delivery, &reply, &next), 0);
                tree->driver_seconds += fake_cpu() - since;
                step = next;
                json_decref(owned);
        }
        fake_tree_roll_back(tree);
        json_decref(memo);
        buf_done(&key);
        *ret = step;
}

/* Writes the files below a folder, to be looked at in a browser. */
static inline void fake_dump(const struct fake_tree *tree, const char *folder) {
        struct buf full = { 0 };
        const char *path;
        json_t *text;

        json_object_foreach(tree->files, path, text) {
                FILE *file;

                buf_reset(&full);
                buf_fmt(&full, "%s/%s", folder, path);
                for (char *slash = full.data + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
                        *slash = '\0';
                        (void) mkdir(full.data, 0755);
                        *slash = '/';
                }
                file = fopen(full.data, "w");
                assert_non_null(file);
                (void) fwrite(json_string_value(text), 1, json_string_length(text), file);
                (void) fclose(file);
        }
        buf_done(&full);
}

#endif
