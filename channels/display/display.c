#include "channels/display/display.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "channels/sightings.h"
#include "core/memory.h"

/* -- one commit -- */

static int add_file(struct tree_commit *commit, const struct screen *screen, const char *name,
                    struct tree_file file) {
        struct tree_file *files = realloc(commit->files, (commit->n_files + 1) * sizeof(*files));
        struct buf path = { 0 };

        if (!files) {
                free(file.content);
                free(file.sha256);
                return -ENOMEM;
        }
        commit->files = files;
        buf_fmt(&path, "%s%s%s", screen ? screen->name : "", screen ? "/" : "", name);
        file.path = buf_take(&path);
        commit->files[commit->n_files++] = file; /* released with the commit from here on */
        return file.path && (file.content || file.sha256) ? 0 : -ENOMEM;
}

static int add_text(struct tree_commit *commit, const struct screen *screen, const char *name,
                    const char *bytes, size_t n_bytes) {
        struct tree_file file = { .content = malloc(n_bytes + 1), .n_bytes = n_bytes };

        if (!file.content)
                return -ENOMEM;
        memcpy(file.content, bytes, n_bytes);
        file.content[n_bytes] = '\0';
        return add_file(commit, screen, name, file);
}

static int add_removal(struct tree_commit *commit, const struct screen *screen, const char *name) {
        char **removals = realloc(commit->removals,
                                  (commit->n_removals + 1) * sizeof(*commit->removals));
        struct buf path = { 0 };

        if (!removals)
                return -ENOMEM;
        commit->removals = removals;
        buf_fmt(&path, "%s%s%s", screen ? screen->name : "", screen ? "/" : "", name);
        commit->removals[commit->n_removals] = buf_take(&path);
        if (!commit->removals[commit->n_removals])
                return -ENOMEM;
        commit->n_removals++;
        return 0;
}

static const char *file_of(const json_t *picture) {
        const char *file = json_string_value(json_object_get(picture, "file"));

        return file ? file : "";
}

static bool has_file(const json_t *pictures, const char *file) {
        const json_t *picture;
        size_t i;

        json_array_foreach(pictures, i, picture)
                if (strcmp(file_of(picture), file) == 0)
                        return true;
        return false;
}

/* The pictures of what is shown; those that the document had and nobody shows any more go. */
static int add_pictures(struct tree_commit *commit, const struct screen *screen,
                        const json_t *pictures, const json_t *before) {
        const json_t *picture;
        size_t i;
        int r = 0;

        json_array_foreach(pictures, i, picture) {
                const char *sha256 = json_string_value(json_object_get(picture, "sha256"));
                json_int_t size = json_integer_value(json_object_get(picture, "size"));

                if (r == 0 && sha256)
                        r = add_file(commit, screen, file_of(picture),
                                     (struct tree_file) { .sha256 = strdup(sha256),
                                                          .n_bytes = (size_t) size,
                                                          .keep = true,
                                                          .optional = true });
        }
        json_array_foreach(before, i, picture)
                if (r == 0 && !has_file(pictures, file_of(picture)))
                        r = add_removal(commit, screen, file_of(picture));
        return r;
}

static int add_player(struct tree_commit *commit, const struct screen *screen) {
        int r = 0;

        for (const struct player_file *file = player_files; r == 0 && file->name; file++)
                r = add_text(commit, screen, file->name, file->bytes, player_file_size(file));
        return r;
}

static struct playlist playlist_of(const struct display_options *options, const char *version) {
        return (struct playlist) {
                .heading = options->heading, .county = options->county,
                .language = options->language, .player = version,
                .beat = options->listen ? "beat" : NULL, .most = options->most,
        };
}

/* Only then are the screens asked. What ends by itself each of them ends by itself. */
static bool is_confirmed(const struct delivery *delivery) {
        const struct display_options *options = delivery->options;

        return options->listen &&
               (delivery->kind == DELIVER_PUBLISH || delivery->kind == DELIVER_WITHDRAW);
}

/* Whether the delivery's entry is among these is noted in `on`, where it is asked for. */
static int note_screen(const struct delivery *delivery, const struct screen *screen,
                       const struct buf *entries, json_t *on) {
        const char *digest = sighting_digest(delivery);

        return *digest && strstr(buf_text(entries), digest)
                       ? json_array_append_new(on, json_string(screen->name))
                       : 0;
}

static int add_playlist(struct tree_commit *commit, const struct delivery *delivery,
                        const struct screen *screen, const struct tree_reply *reply,
                        const char *version, json_t *on) {
        const struct display_options *options = delivery->options;
        const struct playlist playlist = playlist_of(options, version);
        json_t *pictures freed_by(json_decrefp) = json_array();
        struct buf entries freed_by(buf_done) = { 0 };
        struct buf text freed_by(buf_done) = { 0 };
        int r = pictures ? 0 : -ENOMEM;

        r = r < 0 ? r : playlist_entries(delivery, &playlist, screen, reply->views, &entries,
                                         pictures);
        r = r < 0 ? r : playlist_write(delivery, &playlist, screen, &entries, &text);
        r = r < 0 ? r : note_screen(delivery, screen, &entries, on);
        /* Pictures first: a playlist names nothing that is not there. */
        r = r < 0 ? r : add_pictures(commit, screen, pictures,
                                     json_object_get(reply->previous, "images"));
        return r < 0 ? r : add_text(commit, screen, "playlist.json", buf_text(&text), text.len);
}

static int commit_screens(const struct delivery *delivery, const struct tree_reply *reply,
                          struct step *ret) {
        struct tree_commit *commit = &ret->tree_commit;
        char version[PLAYER_VERSION];
        const struct display_options *options = delivery->options;
        struct screens screens;
        const char *bad;
        json_t *on freed_by(json_decrefp) = json_array();
        int r = screens_read(&options->displays, delivery->channel, &screens, &bad);

        *ret = (struct step) { .kind = STEP_TREE_COMMIT };
        r = r < 0 ? r : player_version(version);
        for (size_t i = 0; r == 0 && i < screens.n; i++) {
                if (delivery->kind == DELIVER_SETUP)
                        r = add_player(commit, &screens.list[i]);
                r = r < 0 ? r : add_playlist(commit, delivery, &screens.list[i], reply, version, on);
        }
        return r < 0 || !is_confirmed(delivery) ? r : sighting_place(delivery, on, ret);
}

/* The screens that have it still, at a look behind the commit. */
static int look_where(const struct delivery *delivery, const struct tree_reply *reply, struct step *ret) {
        const struct display_options *options = delivery->options;
        const struct playlist playlist = playlist_of(options, NULL);
        json_t *on freed_by(json_decrefp) = json_array();
        struct screens screens;
        const char *bad;
        int r = screens_read(&options->displays, delivery->channel, &screens, &bad);

        for (size_t i = 0; r == 0 && i < screens.n; i++) {
                struct buf entries freed_by(buf_done) = { 0 };

                r = playlist_entries(delivery, &playlist, &screens.list[i], reply->views, &entries, NULL);
                r = r < 0 ? r : note_screen(delivery, &screens.list[i], &entries, on);
        }
        return r < 0 ? r : sighting_ask(delivery, on, ret);
}

/* A file comes and goes. */
static int commit_test(struct step *ret) {
        static const char name[] = ".gongkai-test", text[] = "gongkai\n";
        int r;

        *ret = (struct step) { .kind = STEP_TREE_COMMIT };
        r = add_text(&ret->tree_commit, NULL, name, text, strlen(text));
        return r < 0 ? r : add_removal(&ret->tree_commit, NULL, name);
}

/* -- opening -- */

static int add_views(const struct delivery *delivery, struct tree_open *open) {
        const struct display_options *options = delivery->options;
        struct screens screens;
        const char *bad;
        int r = screens_read(&options->displays, delivery->channel, &screens, &bad);

        if (r == 0)
                playlist_views(&screens, options->most, open);
        return r;
}

/* What is waited for, once it is in the playlists. */
static int begin_sighting(const struct delivery *delivery, struct step *ret) {
        json_t *item freed_by(json_decrefp) = NULL;

        if (!is_confirmed(delivery))
                return 0;
        if (delivery->kind == DELIVER_PUBLISH && !(item = playlist_item(delivery, ret->tree_open.data)))
                return -ENOMEM;
        return sighting_begin(delivery, item, ret);
}

static int open_entry(const struct delivery *delivery, struct step *ret) {
        const struct display_options *options = delivery->options;
        struct tree_open *open = &ret->tree_open;
        int r = 0;

        *ret = (struct step) { .kind = STEP_TREE_OPEN };
        *open = (struct tree_open) {
                .has_entry = true,
                .live = delivery->kind == DELIVER_PUBLISH,
                .revision = delivery->revision,
                .level = delivery->level,
                .date_ms = delivery->now_ms,
        };
        open->tags = json_array();
        if (!open->live)
                open->data = screen_entry_gone(delivery);
        else
                r = screen_entry(delivery, options->show_days, true, &open->data, &open->until_ms);
        if (r == 0 && open->live && delivery->urgent)
                r = json_array_append_new(open->tags, json_string("urgent"));
        if (r < 0 || !open->tags || !open->data)
                return -ENOMEM;
        r = begin_sighting(delivery, ret);
        return r < 0 ? r : add_views(delivery, open);
}

static int display_begin(const struct delivery *delivery, struct step *ret) {
        switch (delivery->kind) {
        case DELIVER_SETUP:
                *ret = (struct step) { .kind = STEP_TREE_OPEN };
                return add_views(delivery, &ret->tree_open);
        case DELIVER_TEST:
                *ret = (struct step) { .kind = STEP_TREE_OPEN };
                return 0;
        case DELIVER_PUBLISH:
        case DELIVER_WITHDRAW:
        case DELIVER_EXPIRE:
                break;
        }
        if (is_confirmed(delivery) && sighting_is_awaited(delivery))
                return sighting_ask(delivery, NULL, ret);
        return open_entry(delivery, ret);
}

/* -- replies -- */

/* The page where a person can look: that of the first display which shows it. */
static int done(const struct delivery *delivery, struct step *ret) {
        const struct display_options *options = delivery->options;
        const json_t *data = json_object_get(delivery->event, "data");
        json_t *entry freed_by(json_decrefp) = json_pack("{s:s, s:O?}", "region", delivery->region,
                                                         "areas", json_object_get(data, "areas"));
        struct buf url freed_by(buf_done) = { 0 };
        struct screens screens;
        const char *bad;

        if (delivery->kind != DELIVER_PUBLISH || !options->address || !entry ||
            screens_read(&options->displays, delivery->channel, &screens, &bad) < 0)
                return step_done_verdict(ret, NULL, NULL);
        for (size_t i = 0; i < screens.n && url.len == 0; i++)
                if (screen_wants(&screens.list[i], entry))
                        buf_fmt(&url, "%s/%s/", options->address, screens.list[i].name);
        return step_done_verdict(ret, NULL, url.len > 0 ? buf_text(&url) : NULL);
}

static int judge(const struct delivery *delivery, const struct book_reply *reply, struct step *ret) {
        int r;

        switch (sighting_judge(delivery, reply, ret, &r)) {
        case SIGHTING_DONE:
                return done(delivery, ret);
        case SIGHTING_LOOK:
                *ret = (struct step) { .kind = STEP_TREE_OPEN };
                return add_views(delivery, &ret->tree_open);
        case SIGHTING_FILLED:
                break;
        }
        return r;
}

static int display_next(const struct delivery *delivery, const struct reply *reply,
                        struct step *ret) {
        const struct tree_reply *tree = &reply->tree;

        if (reply->kind == STEP_BOOK)
                return judge(delivery, &reply->book, ret);
        /* A look behind the commit; where it fails, it was where it was. */
        if (is_confirmed(delivery) && sighting_is_awaited(delivery))
                return tree->status == TREE_OK ? look_where(delivery, tree, ret)
                                               : sighting_ask(delivery, NULL, ret);

        switch (tree->status) {
        case TREE_OK:
                break;
        case TREE_NEWER: /* what is shown, or gone, is newer: nothing is to be done */
                return step_done_verdict(ret, NULL, NULL);
        case TREE_BUSY:
                return step_verdict(ret, VERDICT_LATER, "display/busy", 0, MESSAGE_DISPLAY_BUSY,
                                    NULL);
        case TREE_FAILED:
                return step_verdict(ret, VERDICT_LATER, "display/failed", 0,
                                    MESSAGE_DISPLAY_FAILED, "reason", tree->error, NULL);
        }
        if (reply->kind == STEP_TREE_COMMIT)
                return is_confirmed(delivery) ? sighting_ask(delivery, NULL, ret)
                                              : done(delivery, ret);
        return delivery->kind == DELIVER_TEST ? commit_test(ret)
                                              : commit_screens(delivery, tree, ret);
}

/* -- the driver -- */

static bool address_is_sound(const char *address) {
        size_t n = strlen(address);

        for (size_t i = 0; i < n; i++)
                if (address[i] <= 0x20 || address[i] >= 0x7f || strchr("\"'<>?#\\", address[i]))
                        return false;
        return (strncmp(address, "http://", 7) == 0 && n > 7 && address[n - 1] != '/') ||
               (strncmp(address, "https://", 8) == 0 && n > 8 && address[n - 1] != '/');
}

static void display_check(const void *pointer, const char *path, struct problems *problems) {
        const struct display_options *options = pointer;
        struct screens screens;
        const char *bad = "";

        if (options->root && options->root[0] != '/')
                problems_add(problems, path, 0, MESSAGE_DISPLAY_ROOT, "value", options->root, NULL);
        if (options->address && !address_is_sound(options->address))
                problems_add(problems, path, 0, MESSAGE_DISPLAY_ADDRESS, "value", options->address,
                             NULL);
        switch (screens_read(&options->displays, "", &screens, &bad)) {
        case -EINVAL:
                problems_add(problems, path, 0, MESSAGE_DISPLAY_NAME, "value", bad, NULL);
                break;
        case -E2BIG:
                problems_add(problems, path, 0, MESSAGE_DISPLAY_TOO_MANY, NULL);
                break;
        }
}

#define AT(member) offsetof(struct display_options, member)
static const struct setting display_settings[] = {
        { "", "root", SETTING_STRING, AT(root), .required = true,
          .chinese = "由网页服务器对外提供的文件夹，每块屏在里面占一个子文件夹",
          .english = "the folder that a web server shows; each display has one below it" },
        PLAYLIST_ROW_OF_NAMES(displays, "屏", "一块", "displays"),
        PLAYLIST_ROWS,
        { "", "address", SETTING_STRING, AT(address),
          .chinese = "root 对外的网址，末尾不加“/”；写了以后查发布结果时会给出屏的网址",
          .english = "the address of `root`, no slash behind: receipts then name the display's" },
        /* The common option, which stands here too because what is waited for depends on it. */
        { "", "listen", SETTING_STRING, AT(listen),
          .chinese = "在本机哪个地址和端口收屏的心跳，例如 127.0.0.1:5602，由 nginx 转来；写了，屏说显示了才算发布、"
                     "说撤下了才算撤回",
          .english = "local address and port for the screens' heartbeats, as 127.0.0.1:5602, behind a reverse"
                     " proxy: shown, and withdrawn, is then what the screens say" },
};
#undef AT

extern const struct driver display_driver;
const struct driver display_driver = {
        .name = "display",
        .title_chinese = "电子屏、公示栏",
        .title_english = "bulletin displays",
        .about_chinese = "每块屏打开一个网页，轮播公示内容：机顶盒、电视自带的浏览器、装了 Chromium 的旧电脑都行。\n"
                         "给程序一个它写得进去、由网页服务器对外提供的文件夹，给每块屏起一个名称。",
        .about_english = "Each screen opens a page that plays what is on display: a set-top box, a TV's"
                         " browser, an old computer with Chromium.\nIt needs a folder that it may write to"
                         " and a web server serves, and a name for each screen.",
        .settings = display_settings,
        .n_settings = ELEMENTS(display_settings),
        .options_size = sizeof(struct display_options),
        .local = true,
        .check = display_check,
        .begin = display_begin,
        .next = display_next,
        .call = display_call,
        .secret_more = display_secret_more,
};
