#include "channels/site/site.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/memory.h"

/* -- memo: which request the next reply belongs to, and what it needs of the one before -- */

static bool memo_is(const struct delivery *delivery, const char *step) {
        const char *now = json_string_value(json_object_get(delivery->memo, "step"));

        return now && strcmp(now, step) == 0;
}

static int done(const struct delivery *delivery, const char *path, struct step *ret) {
        const struct site_options *options = delivery->options;
        struct buf url freed_by(buf_done) = { 0 };

        buf_fmt(&url, "%s/%s", options->address, path);
        if (url.error)
                return url.error;
        return step_done_verdict(ret, path[0] ? path : NULL, buf_text(&url));
}

static int done_document(const struct delivery *delivery, struct step *ret) {
        struct place place;

        place_of(delivery->region, delivery->document, &place);
        return done(delivery, place.page, ret);
}

/* -- a document: CLAIM, PUT, COMMIT -- */

/* Takes the document's place in the index, where nothing newer is, and learns what was there. An
 * empty entry for now: what to write depends on it. The newest document of this month tells where
 * the next one sits in the archive. */
static int claim(const struct delivery *delivery, struct step *ret) {
        struct tree_open *open = &ret->tree_open;
        char month[8];
        struct buf tag freed_by(buf_done) = { 0 };

        *ret = (struct step) { .kind = STEP_TREE_OPEN,
                               .memo = json_pack("{s:s}", "step", "claim") };
        month_of(delivery->first_shown_ms ? delivery->first_shown_ms : delivery->now_ms, month);
        buf_fmt(&tag, "county:%s", delivery->region);
        open->view_strings = json_pack("[ss]", month, buf_text(&tag));
        open->data = json_object();
        open->tags = json_array();
        if (!ret->memo || !open->view_strings || !open->data || !open->tags)
                return -ENOMEM;
        open->has_entry = true;
        open->revision = delivery->revision;
        open->level = delivery->level;
        for (size_t i = 0; i < SEATS; i++)
                open->views[i] = (struct tree_view) {
                        .tag = i == 0 ? NULL : json_string_value(
                                                       json_array_get(open->view_strings, 1)),
                        .month = json_string_value(json_array_get(open->view_strings, 0)),
                        .limit = 1,
                };
        open->n_views = SEATS;
        return 0;
}

static void find_seats(const struct tree_reply *reply, int64_t ret[static SEATS]) {
        const json_t *own = json_object_get(reply->previous, "seats");

        for (size_t i = 0; i < SEATS; i++) {
                const json_t *newest = json_array_get(json_array_get(reply->views, i), 0);

                ret[i] = newest ? json_integer_value(
                                          json_array_get(json_object_get(newest, "seats"), i)) + 1
                                : 0;
                if (own) /* a document keeps its seat through revisions and withdrawals */
                        ret[i] = json_integer_value(json_array_get(own, i));
        }
}

/* The body is rendered here, once: its text for the summary, its HTML for the page, by the memo. */
static int make_entry(const struct delivery *delivery, const json_t *previous,
                      const int64_t seats[static SEATS], struct step *ret) {
        struct tree_open *open = &ret->tree_open;
        char *text freed_by(freep) = NULL;
        json_t *body = NULL;
        int r;

        if (delivery->kind != DELIVER_PUBLISH)
                return entry_gone(delivery, previous, seats, &open->data, &open->tags);
        r = page_body(delivery, &body, &text);
        if (r == 0 && json_object_set_new(ret->memo, "body", body) < 0)
                r = -ENOMEM;
        return r < 0 ? r
                     : entry_shown(delivery, previous, text, seats, &open->data, &open->tags);
}

static int put(const struct delivery *delivery, const struct tree_reply *reply,
               struct step *ret) {
        struct tree_open *open = &ret->tree_open;
        int64_t seats[SEATS];
        struct plan plan;
        int r;

        find_seats(reply, seats);
        *ret = (struct step) {
                .kind = STEP_TREE_OPEN,
                .memo = json_pack("{s:s, s:I, s:O?}", "step", "put", "now",
                                  (json_int_t) delivery->now_ms, "previous", reply->previous),
        };
        if (!ret->memo)
                return -ENOMEM;
        r = make_entry(delivery, reply->previous, seats, ret);
        if (r < 0)
                return r;
        open->has_entry = true;
        open->live = delivery->kind == DELIVER_PUBLISH;
        open->revision = delivery->revision;
        open->level = delivery->level;
        open->date_ms = json_integer_value(json_object_get(open->data, "first_ms"));
        if (json_object_set(ret->memo, "entry", open->data) < 0)
                return -ENOMEM;
        plan_document(&plan, delivery->region, open->data, reply->previous);
        return plan_open(&plan, delivery->options, open);
}

static int commit(const struct delivery *now, const struct tree_reply *reply, struct step *ret) {
        struct delivery then = *now;
        const struct delivery *delivery = &then;
        const json_t *data = json_object_get(now->memo, "entry"); /* made, with its summary, once */
        const json_t *previous = json_object_get(now->memo, "previous");
        struct press press freed_by(press_done) = { 0 };
        struct place place;
        struct plan plan;
        int r;

        /* The page must bear the very time that the index has. */
        then.now_ms = json_integer_value(json_object_get(now->memo, "now"));
        /* The same plan as that of put(), so the views answer its lists one by one. */
        plan_document(&plan, delivery->region, data, previous);
        place_of(delivery->region, delivery->document, &place);
        r = press_init(&press, delivery, ret);
        if (r == 0)
                r = delivery->kind == DELIVER_PUBLISH ? page_shown(&press, &place, data, previous,
                                                                 json_object_get(now->memo, "body"))
                                                      : page_gone(&press, &place, data);
        return r < 0 ? r : lists_write(&press, &plan, reply);
}

/* -- setup: fixed files, and every list anew -- */

static int setup_open(const struct delivery *delivery, const struct tree_reply *reply,
                      struct step *ret) {
        struct plan plan = { 0 };

        *ret = (struct step) { .kind = STEP_TREE_OPEN };
        if (reply)
                plan_setup(&plan, delivery, reply->tags);
        return plan_open(&plan, delivery->options, &ret->tree_open);
}

/* The first OPEN asks for no view: it tells which lists there are. */
static int setup_opened(const struct delivery *delivery, const struct tree_reply *reply,
                        struct step *ret) {
        struct press press freed_by(press_done) = { 0 };
        struct plan plan;
        int r;

        if (json_array_size(reply->views) == 0)
                return setup_open(delivery, reply, ret);
        plan_setup(&plan, delivery, reply->tags);
        r = press_init(&press, delivery, ret);
        r = r < 0 ? r : press_assets(&press);
        return r < 0 ? r : lists_write(&press, &plan, reply);
}

/* -- test: a file comes and goes -- */

static int test_commit(const struct delivery *delivery, struct step *ret) {
        static const char name[] = ".gongkai-test", text[] = "gongkai\n";
        struct press press freed_by(press_done) = { 0 };
        int r = press_init(&press, delivery, ret);

        r = r < 0 ? r : press_text(&press, name, text, strlen(text), false);
        return r < 0 ? r : press_removal(&press, name);
}

/* -- the driver -- */

static int site_begin(const struct delivery *delivery, struct step *ret) {
        if (delivery->kind == DELIVER_SETUP)
                return setup_open(delivery, NULL, ret);
        if (delivery->kind == DELIVER_TEST) {
                *ret = (struct step) { .kind = STEP_TREE_OPEN };
                return 0;
        }
        if (!region_is_plain(delivery->region))
                return step_verdict(ret, VERDICT_REFUSED, "site/region", 0, MESSAGE_SITE_REGION,
                                    "region", delivery->region, NULL);
        return claim(delivery, ret);
}

static int opened(const struct delivery *delivery, const struct tree_reply *reply,
                  struct step *ret) {
        if (delivery->kind == DELIVER_SETUP)
                return setup_opened(delivery, reply, ret);
        if (delivery->kind == DELIVER_TEST)
                return test_commit(delivery, ret);
        return memo_is(delivery, "put") ? commit(delivery, reply, ret)
                                        : put(delivery, reply, ret);
}

static int committed(const struct delivery *delivery, struct step *ret) {
        if (delivery->kind == DELIVER_SETUP || delivery->kind == DELIVER_TEST)
                return done(delivery, "", ret);
        return done_document(delivery, ret);
}

static int site_next(const struct delivery *delivery, const struct reply *reply,
                     struct step *ret) {
        int r;

        switch (reply->tree.status) {
        case TREE_OK:
                break;
        case TREE_NEWER:
                /* Another worker has put a newer state of the document there. The carrier shows
                 * what we were asked for, or better: nothing is left to do, and the store, which
                 * knows the newer state too, settles it with its own delivery. Trying again could
                 * never succeed. */
                return done_document(delivery, ret);
        case TREE_BUSY:
                return step_verdict(ret, VERDICT_LATER, "site/busy", 0, MESSAGE_SITE_BUSY, NULL);
        case TREE_FAILED:
                return step_verdict(ret, VERDICT_LATER, "site/failed", 0, MESSAGE_SITE_FAILED,
                                    "reason", reply->tree.error ? reply->tree.error : "?", NULL);
        }
        r = reply->kind == STEP_TREE_OPEN ? opened(delivery, &reply->tree, ret)
                                          : committed(delivery, ret);
        if (r == -E2BIG) {
                step_done(ret);
                return step_verdict(ret, VERDICT_REFUSED, "site/too-large", 0,
                                    MESSAGE_SITE_TOO_LARGE, NULL);
        }
        return r;
}

static const struct setting settings[] = {
        { "", "root", SETTING_STRING, offsetof(struct site_options, root), .required = true,
          .chinese = "网站文件所在的文件夹，由网页服务器（如 nginx）对外提供",
          .english = "the public folder, which a web server such as nginx serves" },
        { "", "title", SETTING_STRING, offsetof(struct site_options, title), .required = true,
          .chinese = "网站名称，例如 腾冲市人民政府门户网站",
          .english = "the site's official name" },
        { "", "address", SETTING_STRING, offsetof(struct site_options, address), .required = true,
          .chinese = "网站的公开网址，末尾不加“/”，例如 https://www.example.gov.cn",
          .english = "the public base address without a slash at the end, for example "
                     "https://www.example.gov.cn" },
        { "", "id_code", SETTING_STRING, offsetof(struct site_options, id_code),
          .chinese = "政府网站标识码，10 位字母或数字",
          .english = "the government site code, 10 letters or digits" },
        { "", "domain", SETTING_STRING, offsetof(struct site_options, domain),
          .chinese = "网站的英文域名（网页标签 SiteDomain）；不填则取网址中的域名",
          .english = "the domain name for the tag SiteDomain; the host of the address when unset" },
        { "", "organ", SETTING_STRING, offsetof(struct site_options, organ),
          .chinese = "主办单位，显示在页脚",
          .english = "the sponsoring organ, shown at the foot of each page" },
        { "", "contact", SETTING_STRING, offsetof(struct site_options, contact),
          .chinese = "联系方式（电话、邮箱等），显示在页脚",
          .english = "a line with telephone or mail, shown at the foot of each page" },
        { "", "record", SETTING_STRING, offsetof(struct site_options, record),
          .chinese = "网站备案号，显示在页脚",
          .english = "the registration number, shown at the foot of each page" },
        { "", "list_size", SETTING_NUMBER, offsetof(struct site_options, list_size),
          .fallback = "50", .least = 10, .most = 200,
          .chinese = "首页和栏目页列出的最新信息条数，更早的在历史归档里",
          .english = "documents on the home page and on each list; older ones are in the archive" },
};

static bool is_id_code(const char *code) {
        size_t n = 0;

        while (isalnum((unsigned char) code[n]))
                n++;
        return n == 10 && code[n] == '\0';
}

static void site_check(const void *pointer, const char *path, struct problems *problems) {
        const struct site_options *options = pointer;

        if (options->root && options->root[0] != '/')
                problems_add(problems, path, 0, MESSAGE_SITE_ROOT, "value", options->root, NULL);
        if (options->address && !url_is_address(options->address))
                problems_add(problems, path, 0, MESSAGE_SITE_ADDRESS, "value", options->address,
                             NULL);
        if (options->id_code && !is_id_code(options->id_code))
                problems_add(problems, path, 0, MESSAGE_SITE_ID_CODE, "value", options->id_code,
                             NULL);
        if (options->domain &&
            options->domain[strspn(options->domain, "abcdefghijklmnopqrstuvwxyz"
                                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                    "0123456789-.")] != '\0')
                problems_add(problems, path, 0, MESSAGE_SITE_DOMAIN, "value", options->domain,
                             NULL);
}

extern const struct driver site_driver;
const struct driver site_driver = {
        .name = "site",
        .title_chinese = "政府网站（静态页面）",
        .title_english = "government website (static pages)",
        .about_chinese = "程序写出静态网页，由 nginx 等网页服务器对外提供，没有动态程序和数据库暴露在外面。\n"
                         "要先定好公开网址，给程序一个它写得进去的文件夹，再把网页服务器的根目录指向那里。",
        .about_english = "Static pages, served by a web server such as nginx; no program or database is"
                         " open to the public.\nIt needs the public address and a folder that it may write"
                         " to and the web server serves.",
        .settings = settings,
        .n_settings = ELEMENTS(settings),
        .options_size = sizeof(struct site_options),
        .local = true,
        .check = site_check,
        .begin = site_begin,
        .next = site_next,
};
