#include "channels/site/site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"

/* -- which lists, and what to ask the tree for them -- */

static struct list *plan_add(struct plan *plan, enum list_kind kind, const char *tag,
                             const char *key, const char *month, unsigned shelf) {
        struct list *list;

        for (size_t i = 0; i < plan->n; i++)
                if (plan->lists[i].kind == kind && strcmp(plan->lists[i].tag, tag) == 0 &&
                    strcmp(plan->lists[i].month, month) == 0)
                        return &plan->lists[i];
        if (plan->n == ELEMENTS(plan->lists))
                return NULL; /* a document needs 21; beyond, a setup leaves a list as it is */
        list = &plan->lists[plan->n++];
        *list = (struct list) { .kind = kind, .shelf = shelf };
        (void) snprintf(list->tag, sizeof(list->tag), "%s", tag);
        (void) snprintf(list->key, sizeof(list->key), "%s", key);
        (void) snprintf(list->month, sizeof(list->month), "%s", month);
        return list;
}

static void plan_tag(struct plan *plan, const char *tag) {
        static const struct {
                const char *prefix;
                enum list_kind kind;
        } prefixes[] = { { "county:", LIST_COUNTY },
                         { "domain:", LIST_DOMAIN },
                         { "stage:", LIST_STAGE } };

        for (size_t i = 0; i < ELEMENTS(prefixes); i++) {
                size_t n = strlen(prefixes[i].prefix);

                if (strncmp(tag, prefixes[i].prefix, n) == 0 &&
                    strlen(tag + n) < sizeof(plan->lists->key))
                        (void) plan_add(plan, prefixes[i].kind, tag, tag + n, "", 0);
        }
}

static void plan_prefixed(struct plan *plan, const char *prefix, const char *name) {
        struct buf tag = { 0 };

        buf_fmt(&tag, "%s%s", prefix, name);
        plan_tag(plan, buf_text(&tag));
        buf_done(&tag);
}

void month_of(int64_t ms, char ret[static 8]) {
        char text[MOMENT_TEXT];

        (void) snprintf(ret, 8, "%.7s", moment_write_date(ms, text));
}

static void plan_shelf(struct plan *plan, const char *region, const char *month, unsigned shelf) {
        char tag[48];

        (void) snprintf(tag, sizeof(tag), "shelf:%s:%u", region, shelf);
        (void) plan_add(plan, LIST_SHELF, tag, region, month, shelf);
}

/* The month's archive, of the site and of the county: the page where the document has its seat,
 * and the one before when it opens a new one (which then wants a link to it). */
static void plan_months(struct plan *plan, const char *region, const json_t *data) {
        int64_t first_ms = json_integer_value(json_object_get(data, "first_ms"));
        char month[8], tag[32];

        if (first_ms == 0)
                return;
        month_of(first_ms, month);
        for (size_t i = 0; i < SEATS; i++) {
                const char *scope = i == 0 ? "" : region;
                json_int_t seat = json_integer_value(
                        json_array_get(json_object_get(data, "seats"), i));
                unsigned shelf = (unsigned) (seat / SHELF_SIZE) + 1;

                (void) snprintf(tag, sizeof(tag), "%s%s", i == 0 ? "" : "county:", scope);
                (void) plan_add(plan, LIST_MONTH, tag, scope, month, 0);
                plan_shelf(plan, scope, month, shelf);
                if (shelf > 1 && seat % SHELF_SIZE == 0)
                        plan_shelf(plan, scope, month, shelf - 1);
        }
}

void plan_document(struct plan *plan, const char *region, const json_t *data,
                   const json_t *previous) {
        const json_t *both[] = { data, previous };
        const json_t *stage;
        size_t j;

        plan->n = 0;
        (void) plan_add(plan, LIST_HOME, "", "", "", 0);
        plan_prefixed(plan, "county:", region);
        for (size_t i = 0; i < ELEMENTS(both); i++) {
                if (json_text(both[i], "domain"))
                        plan_prefixed(plan, "domain:", json_text(both[i], "domain"));
                json_array_foreach(json_object_get(both[i], "stages"), j, stage)
                        if (stage_label(json_string_value(stage)))
                                plan_prefixed(plan, "stage:", json_string_value(stage));
                plan_months(plan, region, both[i]);
        }
}

void plan_setup(struct plan *plan, const struct delivery *delivery, const json_t *counts) {
        const char *tag;
        json_t *count;

        plan->n = 0;
        (void) plan_add(plan, LIST_HOME, "", "", "", 0);
        for (size_t i = 0; stage_names[i]; i++)
                plan_prefixed(plan, "stage:", stage_names[i]);
        if (region_is_plain(delivery->region))
                plan_prefixed(plan, "county:", delivery->region);
        json_object_foreach((json_t *) counts, tag, count)
                if ((strncmp(tag, "county:", 7) == 0 && region_is_plain(tag + 7)) ||
                    strncmp(tag, "domain:", 7) == 0)
                        plan_tag(plan, tag);
}

int plan_open(const struct plan *plan, const struct site_options *options,
              struct tree_open *ret) {
        ret->view_strings = json_array();
        ret->n_views = plan->n;
        for (size_t i = 0; i < plan->n; i++) {
                const struct list *list = &plan->lists[i];
                json_t *tag = json_string(list->tag), *month = json_string(list->month);
                bool whole = list->kind == LIST_SHELF, two = list->kind == LIST_MONTH;

                ret->views[i] = (struct tree_view) {
                        .tag = list->tag[0] ? json_string_value(tag) : NULL,
                        .month = list->month[0] ? json_string_value(month) : NULL,
                        /* a shelf never holds more than its seats, but for a clock set back */
                        .limit = whole ? 4 * SHELF_SIZE
                                 : two ? 2
                                       : (unsigned) options->list_size,
                };
                if (json_array_append_new(ret->view_strings, tag) < 0 ||
                    json_array_append_new(ret->view_strings, month) < 0)
                        return -ENOMEM;
        }
        return ret->view_strings ? 0 : -ENOMEM;
}

/* -- navigation -- */

static int64_t count_of(const json_t *counts, const char *prefix, const char *name) {
        struct buf tag = { 0 };
        int64_t count;

        buf_fmt(&tag, "%s%s", prefix, name);
        count = json_integer_value(json_object_get(counts, buf_text(&tag)));
        buf_done(&tag);
        return count;
}

/* A county's name: as this delivery says it, else the one that most of its documents bear. */
static const char *county_name(const struct delivery *delivery, const json_t *counts,
                               const char *region) {
        size_t n = strlen(region);
        const char *best = region, *tag;
        int64_t most = 0;
        json_t *count;

        if (delivery->region && delivery->region_name && strcmp(delivery->region, region) == 0)
                return delivery->region_name;
        json_object_foreach((json_t *) counts, tag, count) {
                if (strncmp(tag, "name:", 5) != 0 || strncmp(tag + 5, region, n) != 0 ||
                    tag[5 + n] != '=' || json_integer_value(count) <= most)
                        continue;
                most = json_integer_value(count);
                best = tag + 6 + n;
        }
        return best;
}

static int add_link(json_t *links, const char *label, const char *path, int64_t count) {
        json_t *link = json_object();
        struct buf text = { 0 };
        int r = link ? 0 : -ENOMEM;

        buf_fmt(&text, "%lld", (long long) count);
        r = r < 0 ? r : json_put(link, "label", label);
        r = r < 0 ? r : json_put(link, "link_path", path);
        r = r < 0 ? r : json_put(link, "count", buf_text(&text));
        buf_done(&text);
        return json_array_append_new(links, link) < 0 ? -ENOMEM : r;
}

static int by_text(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int by_domain(const void *a, const void *b) {
        const char *one = *(const char *const *) a, *other = *(const char *const *) b;
        size_t first = domain_order(one + 7), second = domain_order(other + 7);

        return first != second ? (first < second ? -1 : 1) : strcmp(one, other);
}

/* Links to all counties, or all domains, with the number of their documents. */
static int add_links(json_t *context, const char *key, const char *prefix,
                     const struct delivery *delivery, const json_t *counts) {
        json_t *links = json_array();
        const char **tags freed_by(freep) =
                calloc(json_object_size(counts) + 1, sizeof(const char *));
        struct buf path freed_by(buf_done) = { 0 };
        bool counties = strcmp(prefix, "county:") == 0;
        char slug[SLUG_TEXT];
        size_t n = 0;
        const char *tag;
        json_t *count;
        int r = links && tags ? 0 : -ENOMEM;

        json_object_foreach((json_t *) counts, tag, count)
                if (tags && strncmp(tag, prefix, strlen(prefix)) == 0 &&
                    json_integer_value(count) > 0)
                        tags[n++] = tag;
        if (n > 0)
                qsort(tags, n, sizeof(*tags), counties ? by_text : by_domain);
        for (size_t i = 0; i < n && r == 0; i++) {
                const char *name = tags[i] + strlen(prefix);

                buf_reset(&path);
                domain_slug(name, slug);
                buf_fmt(&path, counties ? "%s/" : "domain/%s/", counties ? name : slug);
                r = add_link(links, counties ? county_name(delivery, counts, name) : name,
                             buf_text(&path), json_integer_value(json_object_get(counts, tags[i])));
        }
        return json_object_set_new(context, key, links) < 0 ? -ENOMEM : r;
}

static int add_stages(json_t *context, const json_t *counts) {
        json_t *links = json_array();
        struct buf path freed_by(buf_done) = { 0 };
        int r = links ? 0 : -ENOMEM;

        for (size_t i = 0; stage_names[i] && r == 0; i++) {
                buf_reset(&path);
                buf_fmt(&path, "stage/%s/", stage_names[i]);
                r = add_link(links, stage_label(stage_names[i]), buf_text(&path),
                             count_of(counts, "stage:", stage_names[i]));
        }
        return json_object_set_new(context, "stages", links) < 0 ? -ENOMEM : r;
}

/* 11 of "2026-11". */
static int month_number(const char *month) {
        return (int) strtol(month + 5, NULL, 10);
}

static int by_text_down(const void *a, const void *b) {
        return by_text(b, a);
}

/* Months newest first, by year: [{"year", "months": [{"label", "link_path"}]}]. */
static int add_years(json_t *context, const json_t *months, const char *folder) {
        const char **sorted freed_by(freep) =
                calloc(json_array_size(months) + 1, sizeof(const char *));
        struct buf text freed_by(buf_done) = { 0 };
        json_t *years = json_array(), *of_year = NULL;
        char year[5] = "";
        size_t n = 0;
        int r = sorted && years ? 0 : -ENOMEM;

        for (size_t i = 0; i < json_array_size(months) && r == 0; i++) {
                const char *month = json_string_value(json_array_get(months, i));

                if (month && strlen(month) == 7)
                        sorted[n++] = month;
        }
        if (n > 0)
                qsort(sorted, n, sizeof(*sorted), by_text_down);
        for (size_t i = 0; i < n && r == 0; i++) {
                json_t *month = json_object();

                if (strncmp(year, sorted[i], 4) != 0) {
                        of_year = json_array();
                        (void) snprintf(year, sizeof(year), "%.4s", sorted[i]);
                        if (json_array_append_new(years, json_pack("{s:s, s:o}", "year", year,
                                                                   "months", of_year)) < 0)
                                r = -ENOMEM;
                }
                buf_reset(&text);
                buf_fmt(&text, "%d月", month_number(sorted[i]));
                r = r < 0 ? r : json_put(month, "label", buf_text(&text));
                buf_reset(&text);
                buf_fmt(&text, "%s/%s.html", folder, sorted[i]);
                r = r < 0 ? r : json_put(month, "link_path", buf_text(&text));
                if (json_array_append_new(of_year, month) < 0)
                        r = -ENOMEM;
        }
        if (n > 0 && json_object_set_new(context, "has_months", json_true()) < 0)
                r = -ENOMEM;
        return json_object_set_new(context, "years", years) < 0 ? -ENOMEM : r;
}

/* -- the pages -- */

static int add_entries(json_t *context, const json_t *entries) {
        /* as the index holds them: made to be shown (entry.c), not copied */
        return json_object_set(context, "entries", (json_t *) entries) < 0 ? -ENOMEM : 0;
}

static int add_count(json_t *context, int64_t count) {
        struct buf text = { 0 };
        int r;

        buf_fmt(&text, "%lld", (long long) count);
        r = json_put(context, "total", buf_text(&text));
        buf_done(&text);
        return r;
}

static int set_flag(json_t *context, const char *name) {
        return json_object_set_new(context, name, json_true()) < 0 ? -ENOMEM : 0;
}

static int write_home(struct press *press, const json_t *entries, const struct tree_reply *reply) {
        const char *site = press->options->title;
        json_t *context freed_by(json_decrefp) = press_context(press, "", site);
        struct buf description freed_by(buf_done) = { 0 };
        int64_t total = 0;
        const char *tag;
        json_t *count;
        int r = context ? 0 : -ENOMEM;

        json_object_foreach((json_t *) reply->tags, tag, count)
                if (strncmp(tag, "county:", 7) == 0)
                        total += json_integer_value(count);
        buf_fmt(&description, "%s最新公开的政务信息", site);
        r = r < 0 ? r : press_column(context, "首页", buf_text(&description), "政务公开,信息公开",
                                     "信息公开");
        r = r < 0 ? r : add_entries(context, entries);
        r = r < 0 ? r : add_count(context, total);
        r = r < 0 ? r : add_links(context, "counties", "county:", press->delivery, reply->tags);
        r = r < 0 ? r : add_links(context, "domains", "domain:", press->delivery, reply->tags);
        r = r < 0 ? r : add_stages(context, reply->tags);
        r = r < 0 ? r : add_years(context, json_object_get(reply->months, ""), "archive");
        r = r < 0 ? r : set_flag(context, "at_home");
        r = r < 0 ? r : press_page(press, "home", context, "index.html");
        return r < 0 ? r : feed_write(press, "", site, entries);
}

static int write_column(struct press *press, const struct list *list, const json_t *entries,
                        const struct tree_reply *reply) {
        bool county = list->kind == LIST_COUNTY, stage = list->kind == LIST_STAGE;
        const char *name = county  ? county_name(press->delivery, reply->tags, list->key)
                           : stage ? stage_label(list->key)
                                   : list->key;
        int64_t total = json_integer_value(json_object_get(reply->tags, list->tag));
        struct buf path freed_by(buf_done) = { 0 }, description freed_by(buf_done) = { 0 },
                   words freed_by(buf_done) = { 0 }, file freed_by(buf_done) = { 0 };
        json_t *context freed_by(json_decrefp) = NULL;
        char slug[SLUG_TEXT];
        int r;

        domain_slug(list->key, slug);
        buf_fmt(&path, county ? "%s/" : stage ? "stage/%s/" : "domain/%s/",
                county || stage ? list->key : slug);
        buf_fmt(&file, "%sindex.html", buf_text(&path));
        buf_fmt(&description, county  ? "%s各部门和乡镇、街道公开的政务信息"
                              : stage ? "“%s”环节公开的政务信息"
                                      : "%s领域公开的政务信息",
                name);
        buf_fmt(&words, "政务公开,信息公开,%s", name);
        context = press_context(press, buf_text(&path), name);
        r = context && !file.error && !path.error ? 0 : -ENOMEM;
        r = r < 0 ? r : press_column(context, name, buf_text(&description), buf_text(&words),
                                     "信息公开");
        r = r < 0 ? r : add_entries(context, entries);
        r = r < 0 ? r : add_count(context, total);
        if (r == 0 && total > (int64_t) json_array_size(entries) && json_array_size(entries) > 0)
                r = set_flag(context, "is_cut");
        if (r == 0 && stage) {
                buf_reset(&words);
                buf_fmt(&words, "at_%s", list->key);
                r = set_flag(context, buf_text(&words));
        }
        if (r == 0 && county) {
                buf_reset(&words);
                buf_fmt(&words, "%s/feed.xml", list->key);
                r = json_put(context, "feed", buf_text(&words));
                r = r < 0 ? r : add_years(context, json_object_get(reply->months, list->tag),
                                          list->key);
        }
        r = r < 0 ? r : press_page(press, "list", context, buf_text(&file));
        if (r < 0 || !county)
                return r;
        buf_reset(&words);
        buf_fmt(&words, "%s - %s", name, press->options->title);
        return feed_write(press, list->key, buf_text(&words), entries);
}

/* "archive/2026-11.html", and "-2" and on behind the month for its later pages. */
static void shelf_path(struct buf *path, const struct list *list, unsigned shelf) {
        buf_reset(path);
        buf_fmt(path, "%s/%s", list->key[0] ? list->key : "archive", list->month);
        if (shelf > 1)
                buf_fmt(path, "-%u", shelf);
        buf_str(path, ".html");
}

/* The month's last page: the newest document sits there. */
static unsigned last_shelf(const struct plan *plan, const json_t *views,
                           const struct list *list) {
        for (size_t i = 0; i < plan->n; i++) {
                const struct list *month = &plan->lists[i];
                const json_t *newest = json_array_get(json_array_get(views, i), 0);

                if (month->kind != LIST_MONTH || strcmp(month->key, list->key) != 0 ||
                    strcmp(month->month, list->month) != 0)
                        continue;
                return (unsigned) (json_integer_value(json_array_get(
                                           json_object_get(newest, "seats"), list->key[0] != 0)) /
                                   SHELF_SIZE) + 1;
        }
        return 1;
}

static int write_shelf(struct press *press, const struct list *list, const json_t *entries,
                       const struct tree_reply *reply, unsigned last) {
        const char *county = list->key[0] ? county_name(press->delivery, reply->tags, list->key)
                                          : "";
        struct buf heading freed_by(buf_done) = { 0 }, path freed_by(buf_done) = { 0 },
                   text freed_by(buf_done) = { 0 };
        json_t *context freed_by(json_decrefp) = NULL;
        int r;

        buf_fmt(&heading, "%s%.4s年%d月信息归档", county, list->month, month_number(list->month));
        if (list->shelf > 1 || last > 1)
                buf_fmt(&heading, "（第 %u 页）", list->shelf);
        shelf_path(&path, list, list->shelf);
        context = press_context(press, buf_text(&path), buf_text(&heading));
        r = context && !path.error ? 0 : -ENOMEM;
        r = r < 0 ? r : press_column(context, "历史归档", "按月份归档的全部政务公开信息",
                                     "政务公开,信息公开,历史归档", "信息公开");
        r = r < 0 ? r : add_entries(context, entries);
        r = r < 0 ? r : set_flag(context, "at_archive");
        if (list->shelf > 1) {
                shelf_path(&text, list, list->shelf - 1);
                r = r < 0 ? r : json_put(context, "page_before", buf_text(&text));
        }
        if (last > list->shelf) {
                shelf_path(&text, list, list->shelf + 1);
                r = r < 0 ? r : json_put(context, "page_after", buf_text(&text));
        }
        if (last > list->shelf || list->shelf > 1)
                r = r < 0 ? r : set_flag(context, "has_pages");
        return r < 0 ? r : press_page(press, "list", context, buf_text(&path));
}

static int write_archive(struct press *press, const json_t *months) {
        json_t *context freed_by(json_decrefp) = press_context(press, "archive/", "历史归档");
        int r = context ? 0 : -ENOMEM;

        r = r < 0 ? r : press_column(context, "历史归档", "按月份归档的全部政务公开信息",
                                     "政务公开,信息公开,历史归档", "信息公开");
        r = r < 0 ? r : set_flag(context, "at_archive");
        r = r < 0 ? r : add_years(context, months, "archive");
        return r < 0 ? r : press_page(press, "archive", context, "archive/index.html");
}

int lists_write(struct press *press, const struct plan *plan, const struct tree_reply *reply) {
        bool new_month = press->delivery->kind == DELIVER_SETUP;
        int r = 0;

        for (size_t i = 0; i < plan->n && r == 0; i++) {
                const struct list *list = &plan->lists[i];
                const json_t *entries = json_array_get(reply->views, i);

                switch (list->kind) {
                case LIST_HOME:
                        r = write_home(press, entries, reply);
                        break;
                case LIST_COUNTY:
                case LIST_DOMAIN:
                case LIST_STAGE:
                        r = write_column(press, list, entries, reply);
                        break;
                case LIST_MONTH:
                        /* one document or none: the month may have come or gone just now */
                        if (!list->key[0] && json_array_size(entries) <= 1)
                                new_month = true;
                        break;
                case LIST_SHELF:
                        r = write_shelf(press, list, entries, reply,
                                        last_shelf(plan, reply->views, list));
                        break;
                }
        }
        if (r == 0 && new_month && plan->n > 0 && plan->lists[0].kind == LIST_HOME)
                r = write_archive(press, json_object_get(reply->months, ""));
        return r;
}
