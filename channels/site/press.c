#include "channels/site/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/embed.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/template.h"

EMBED(site_document, "channels/site/templates/document.mustache");
EMBED(site_gone, "channels/site/templates/gone.mustache");
EMBED(site_home, "channels/site/templates/home.mustache");
EMBED(site_list, "channels/site/templates/list.mustache");
EMBED(site_archive, "channels/site/templates/archive.mustache");
EMBED(site_missing, "channels/site/templates/missing.mustache");
EMBED(site_feed, "channels/site/templates/feed.mustache");
EMBED(site_head, "channels/site/templates/head.mustache");
EMBED(site_foot, "channels/site/templates/foot.mustache");
EMBED(site_entries, "channels/site/templates/entries.mustache");
EMBED(site_style, "channels/site/assets/style.css");
EMBED(site_icon, "channels/site/assets/icon.svg");

static const struct {
        const char *name, *text;
} templates[] = {
        { "document", site_document }, { "gone", site_gone },       { "home", site_home },
        { "list", site_list },         { "archive", site_archive }, { "missing", site_missing },
        { "feed", site_feed },         { "head", site_head },       { "foot", site_foot },
        { "entries", site_entries },
};

/* What was read of them, in their order: the program carries them, so they never change. */
static struct template_form *forms[ELEMENTS(templates)];

static const char *template_named(const char *name, void *userdata) {
        (void) userdata;
        for (size_t i = 0; i < ELEMENTS(templates); i++)
                if (strcmp(templates[i].name, name) == 0)
                        return templates[i].text;
        return NULL;
}

/* What all pages say alike. */
static json_t *site_context(const struct site_options *options) {
        char *host freed_by(freep) = host_of(options->address);
        json_t *site = json_object();
        int r = site && host ? 0 : -ENOMEM;

        r = r < 0 ? r : json_put(site, "title", options->title);
        r = r < 0 ? r : json_put(site, "address", options->address);
        r = r < 0 ? r : json_put(site, "domain", options->domain ? options->domain : host);
        r = r < 0 ? r : json_put(site, "id_code", options->id_code);
        r = r < 0 ? r : json_put(site, "organ", options->organ);
        r = r < 0 ? r : json_put(site, "contact", options->contact);
        r = r < 0 ? r : json_put(site, "record", options->record);
        if (r == 0)
                return site;
        json_decref(site);
        return NULL;
}

int press_init(struct press *press, const struct delivery *delivery, struct step *ret) {
        *ret = (struct step) { .kind = STEP_TREE_COMMIT };
        *press = (struct press) {
                .delivery = delivery,
                .options = delivery->options,
                .site = site_context(delivery->options),
                .commit = &ret->tree_commit,
        };
        return press->site ? 0 : -ENOMEM;
}

void press_done(struct press *press) {
        json_decref(press->site);
        press->site = NULL;
}

json_t *press_context(const struct press *press, const char *path, const char *heading) {
        json_t *context = json_object();
        struct buf text = { 0 };
        int r = context ? 0 : -ENOMEM;

        /* Links are relative, so a site may live below a path, and a copy of it anywhere. */
        for (const char *at = path; *at; at++)
                if (*at == '/')
                        buf_str(&text, "../");
        if (text.len == 0)
                buf_str(&text, "./");
        r = r < 0 ? r : json_put(context, "root", buf_text(&text));

        buf_reset(&text);
        buf_fmt(&text, "%s/%s", press->options->address, path);
        r = r < 0 ? r : json_put(context, "canonical", buf_text(&text));

        buf_reset(&text);
        if (path[0])
                buf_fmt(&text, "%s - ", heading);
        buf_str(&text, press->options->title);
        r = r < 0 ? r : json_put(context, "page_title", buf_text(&text));
        r = r < 0 ? r : json_put(context, "heading", heading);
        r = r < 0 ? r : json_put(context, "feed", "feed.xml");
        if (r == 0 && json_object_set(context, "site", press->site) < 0)
                r = -ENOMEM;
        r = r < 0 ? r : text.error;
        buf_done(&text);
        if (r == 0)
                return context;
        json_decref(context);
        return NULL;
}

int press_column(json_t *context, const char *name, const char *description,
                 const char *keywords, const char *type) {
        json_t *column = json_object();
        int r = column ? 0 : -ENOMEM;

        r = r < 0 ? r : json_put(column, "name", name);
        r = r < 0 ? r : json_put(column, "description", description);
        r = r < 0 ? r : json_put(column, "keywords", keywords);
        r = r < 0 ? r : json_put(column, "type", type);
        if (json_object_set_new(context, "column", column) < 0)
                r = -ENOMEM;
        return r;
}

/* The lists of one commit grow by doubling: a document has eleven files, a setup hundreds. */
static void *grown(void *list, size_t n, size_t size) {
        return (n & (n - 1)) == 0 ? realloc(list, (n ? 2 * n : 1) * size) : list;
}

static struct tree_file *press_file(struct press *press, const char *path) {
        struct tree_commit *commit = press->commit;
        struct tree_file *files = grown(commit->files, commit->n_files, sizeof(*files));

        if (!files)
                return NULL;
        commit->files = files;
        files[commit->n_files] = (struct tree_file) { .path = strdup(path) };
        if (!files[commit->n_files].path)
                return NULL;
        return &files[commit->n_files++];
}

int press_text(struct press *press, const char *path, const char *text, size_t n_bytes,
               bool keep) {
        struct tree_file *file = press_file(press, path);

        if (!file)
                return -ENOMEM;
        file->content = malloc(n_bytes + 1);
        if (!file->content)
                return -ENOMEM;
        memcpy(file->content, text, n_bytes);
        file->content[n_bytes] = '\0';
        file->n_bytes = n_bytes;
        file->keep = keep;
        return 0;
}

static int form_named(const char *name, const struct template_form **ret) {
        struct template_error error freed_by(template_error_done) = { 0 };
        size_t i = 0;
        int r = 0;

        while (strcmp(templates[i].name, name) != 0)
                i++;
        if (!forms[i])
                r = template_form_read(&(struct template) { .text = templates[i].text,
                                                            .escape = ESCAPE_HTML,
                                                            .partial = template_named },
                                       &forms[i], &error);
        *ret = forms[i];
        return r;
}

int press_page(struct press *press, const char *template_name, const json_t *context,
               const char *path) {
        struct buf page freed_by(buf_done) = { 0 };
        const struct template_form *form;
        struct tree_file *file;
        int r = form_named(template_name, &form);

        r = r < 0 ? r : template_form_write(form, context, &page);
        if (r < 0)
                return r;

        file = press_file(press, path);
        if (!file)
                return -ENOMEM;
        file->n_bytes = page.len;
        file->content = buf_take(&page);
        return file->content ? 0 : -ENOMEM;
}

int press_attachment(struct press *press, const char *path, const struct attachment *attachment) {
        struct tree_file *file = press_file(press, path);

        if (!file)
                return -ENOMEM;
        file->sha256 = strdup(attachment->sha256);
        file->n_bytes = attachment->size;
        file->keep = true;
        return file->sha256 ? 0 : -ENOMEM;
}

int press_removal(struct press *press, const char *path) {
        struct tree_commit *commit = press->commit;
        char **removals = grown(commit->removals, commit->n_removals, sizeof(*removals));

        if (!removals)
                return -ENOMEM;
        commit->removals = removals;
        removals[commit->n_removals] = strdup(path);
        return removals[commit->n_removals] ? (int) (commit->n_removals++, 0) : -ENOMEM;
}

/* A web server shows 404.html at any address, so its links start at the top. */
static int missing_page(struct press *press) {
        json_t *context freed_by(json_decrefp) = press_context(press, "404.html", "页面不存在");
        struct buf root = { 0 };
        int r;

        if (!context)
                return -ENOMEM;
        buf_fmt(&root, "%s/", path_of(press->options->address));
        r = json_put(context, "root", buf_text(&root));
        buf_done(&root);
        if (r == 0 && (json_object_set_new(context, "hidden", json_true()) < 0 ||
                       json_object_del(context, "canonical") < 0))
                r = -ENOMEM;
        return r < 0 ? r : press_page(press, "missing", context, "404.html");
}

int press_assets(struct press *press) {
        static const char robots[] = "User-agent: *\nDisallow:\n";
        int r;

        r = press_text(press, "assets/style.css", site_style, EMBEDDED_SIZE(site_style), false);
        r = r < 0 ? r : press_text(press, "assets/icon.svg", site_icon, EMBEDDED_SIZE(site_icon),
                                   false);
        r = r < 0 ? r : press_text(press, "robots.txt", robots, strlen(robots), false);
        return r < 0 ? r : missing_page(press);
}
