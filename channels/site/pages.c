#include "channels/site/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/content.h"
#include "core/digest.h"
#include "core/memory.h"
#include "core/moment.h"

struct label {
        const char *name, *label, *more;
};

static const struct label *label_of(const struct label *labels, size_t n, const char *name) {
        for (size_t i = 0; name && i < n; i++)
                if (strcmp(labels[i].name, name) == 0)
                        return &labels[i];
        return NULL;
}

/* Kinds as the page says them, and the class of column that the inspection's tag wants. */
static const struct label kinds[] = {
        { "notice", "通知公告", "信息公开" },     { "policy", "政策文件", "政策文件" },
        { "interpretation", "政策解读", "政策解读" }, { "consultation", "意见征集", "互动交流" },
        { "licence", "行政许可", "信息公开" },    { "penalty", "行政处罚", "信息公开" },
        { "budget", "财政预决算", "信息公开" },   { "warning", "预警信息", "信息公开" },
        { "recall", "召回信息", "信息公开" },     { "personnel", "人事信息", "信息公开" },
        { "other", "其他信息", "信息公开" },
};

static const struct label relations[] = {
        { "interprets", "解读的文件", NULL },    { "corrects", "更正的文件", NULL },
        { "replaces", "替代的文件", NULL },      { "result-of", "对应的决定或事项", NULL },
        { "reposts", "转载来源", NULL },         { "answers", "答复的来信", NULL },
};

static const struct label validities[] = {
        { "valid", "有效", NULL },
        { "amended", "已修改", "本文件已修改，请以修改后的内容为准" },
        { "abolished", "已废止", "本文件已废止" },
        { "lapsed", "已失效", "本文件已失效" },
};

static const struct label openness[] = {
        { "proactive", "主动公开", NULL },
        { "on-request", "依申请公开", NULL },
        { "closed", "不予公开", NULL },
};

#define LABEL(table, name) label_of(table, ELEMENTS(table), name)

static int add_fact(json_t *facts, const char *label, const char *value) {
        json_t *fact;
        int r;

        if (!value || !value[0])
                return 0;
        fact = json_object();
        r = fact ? json_put(fact, "label", label) : -ENOMEM;
        r = r < 0 ? r : json_put(fact, "value", value);
        return json_array_append_new(facts, fact) < 0 ? -ENOMEM : r;
}

/* A date stays as it was written, a date-time becomes a minute of Beijing time. */
static const char *day_text(const char *written, char text[static MOMENT_TEXT]) {
        int64_t ms;

        if (!written)
                return NULL;
        if (moment_parse_date(written, &ms) == 0)
                return moment_write_date(ms, text);
        return moment_parse(written, &ms, NULL) == 0 ? moment_write_minute(ms, text) : NULL;
}

static int add_validity(json_t *facts, json_t *notices, const json_t *data) {
        const json_t *validity = json_object_get(data, "validity");
        const struct label *label = LABEL(validities, json_text(validity, "status"));
        char day[MOMENT_TEXT];
        const char *on = day_text(json_text(validity, "on"), day);
        const char *by = json_text(validity, "by");
        struct buf text freed_by(buf_done) = { 0 };
        int r;

        if (!label)
                return 0;
        r = add_fact(facts, "有效性", label->label);
        if (!label->more)
                return r;
        buf_str(&text, label->more);
        if (on)
                buf_fmt(&text, "，自 %s 起", on);
        if (by)
                buf_fmt(&text, "（依据：%s）", by);
        return r < 0 ? r : add_fact(notices, label->label, buf_text(&text));
}

static int add_show_until(json_t *notices, const json_t *data, bool ended) {
        const json_t *until = json_object_get(data, "show_until");
        json_int_t days = json_integer_value(json_object_get(until, "days"));
        const char *unit = json_text(until, "unit");
        char minute[MOMENT_TEXT];
        const char *at = day_text(json_string_value(until), minute);
        struct buf text freed_by(buf_done) = { 0 };

        if (at)
                buf_fmt(&text, "公示期至 %s", at);
        else if (days > 0)
                buf_fmt(&text, "公示期 %lld 个%s，自发布次日起计算", (long long) days,
                        unit && strcmp(unit, "working") == 0 ? "工作日" : "自然日");
        if (ended)
                return add_fact(notices, "公示已结束", buf_text(&text));
        return add_fact(notices, "公示", buf_text(&text));
}

static char *stages_text(const json_t *stages) {
        struct buf text = { 0 };
        const json_t *stage;
        size_t i;

        json_array_foreach((json_t *) stages, i, stage)
                if (stage_label(json_string_value(stage)))
                        buf_fmt(&text, "%s%s", text.len ? "、" : "",
                                stage_label(json_string_value(stage)));
        return buf_take(&text);
}

static int add_facts(json_t *context, const struct delivery *delivery, const json_t *entry,
                     const struct timing *timing) {
        const json_t *data = json_object_get(delivery->event, "data");
        const json_t *dates = json_object_get(data, "dates");
        const char *formed = json_text(dates, "formed");
        const char *open = json_text(data, "openness");
        const struct label *kind = LABEL(kinds, delivery->document_kind);
        char *stages freed_by(freep) = stages_text(delivery->stages);
        json_t *facts = json_array(), *notices = json_array();
        char text[MOMENT_TEXT];
        int r = facts && notices && stages ? 0 : -ENOMEM;

        if (!formed)
                formed = json_text(data, "formed");
        r = r < 0 ? r : add_fact(facts, "索引号", json_text(data, "index"));
        r = r < 0 ? r : add_fact(facts, "文号", json_text(data, "number"));
        r = r < 0 ? r : add_fact(facts, "发布机构", json_text(entry, "publisher"));
        r = r < 0 ? r : add_fact(facts, "信息类别", kind ? kind->label : NULL);
        r = r < 0 ? r : add_fact(facts, "成文日期", day_text(formed, text));
        r = r < 0 ? r : add_fact(facts, "发布日期", moment_write_minute(timing->first_ms, text));
        r = r < 0 ? r : add_fact(facts, "主题领域", delivery->domain);
        r = r < 0 ? r : add_fact(facts, "公开事项", delivery->item_name);
        r = r < 0 ? r : add_fact(facts, "公开类型",
                                 (open && LABEL(openness, open) ? LABEL(openness, open)
                                                                : &openness[0])
                                         ->label);
        r = r < 0 ? r : add_fact(facts, "五公开环节", stages);
        r = r < 0 ? r : add_validity(facts, notices, data);
        r = r < 0 ? r : add_show_until(notices, data, delivery->ended);
        r = r < 0 ? r : add_fact(notices, "更正说明",
                                 json_text(json_object_get(data, "correction"), "note"));

        if (json_object_set_new(context, "facts", facts) < 0)
                r = -ENOMEM;
        if (json_object_set_new(context, "notices", notices) < 0)
                r = -ENOMEM;
        r = r < 0 ? r : json_put(context, "kind", kind ? kind->label : NULL);
        r = r < 0 ? r : json_put(context, "first", moment_write_minute(timing->first_ms, text));
        if (timing->revised)
                r = r < 0 ? r : json_put(context, "revised",
                                         moment_write_minute(timing->updated_ms, text));
        return r;
}

/* Addresses of the attachments as the page links them, one per attachment, NULL for none. */
struct links {
        const struct delivery *delivery;
        char *hrefs[64];
        bool used;
};

static void links_done(struct links *links) {
        for (size_t i = 0; i < ELEMENTS(links->hrefs); i++)
                free(links->hrefs[i]);
}

static size_t n_attachments(const struct delivery *delivery) {
        size_t most = ELEMENTS(((struct links *) NULL)->hrefs);

        return delivery->n_attachments < most ? delivery->n_attachments : most;
}

static bool is_digest(const char *text) {
        return text && strspn(text, "0123456789abcdef") == DIGEST_TEXT - 1 &&
               text[DIGEST_TEXT - 1] == '\0';
}

static const char *link_to(const char *name, void *userdata) {
        struct links *links = userdata;

        for (size_t i = 0; i < n_attachments(links->delivery); i++)
                if (strcmp(links->delivery->attachments[i].name, name) == 0) {
                        links->used = true;
                        return links->hrefs[i];
                }
        return NULL;
}

/* Learns the addresses of the attachments and, with a press, puts them beside the page. */
static int place_attachments(const struct delivery *delivery, struct press *press,
                             const struct place *place, struct links *links) {
        struct buf path freed_by(buf_done) = { 0 };
        int r;

        links->delivery = delivery;
        for (size_t i = 0; i < n_attachments(delivery); i++) {
                const struct attachment *attachment = &delivery->attachments[i];
                char *file freed_by(freep) = NULL;

                if (!attachment->here || !is_digest(attachment->sha256)) {
                        if (!url_is_web(attachment->url))
                                continue;
                        links->hrefs[i] = strdup(attachment->url);
                        if (!links->hrefs[i])
                                return -ENOMEM;
                        continue;
                }
                file = file_name_safe(attachment->name, attachment->sha256);
                if (!file)
                        return -ENOMEM;
                links->hrefs[i] = href_of(place->name, file);
                if (!links->hrefs[i])
                        return -ENOMEM;
                if (!press)
                        continue;
                buf_reset(&path);
                buf_fmt(&path, "%s/%s", place->folder, file);
                r = press_attachment(press, buf_text(&path), attachment);
                if (r < 0)
                        return r;
        }
        return path.error;
}

static bool is_listed(const struct attachment *attachment) {
        return !attachment->role || (strcmp(attachment->role, "inline") != 0 &&
                                     strcmp(attachment->role, "cover") != 0);
}

static int add_attachments(json_t *context, const struct links *links) {
        const struct delivery *delivery = links->delivery;
        json_t *list = json_array();
        int r = 0;

        for (size_t i = 0; i < n_attachments(delivery) && r == 0; i++) {
                const struct attachment *attachment = &delivery->attachments[i];
                char *size freed_by(freep) = size_text(attachment->size);
                const char *kind = file_kind(attachment->name, attachment->media_type);
                char brief[17] = "";
                json_t *item;

                if (!is_listed(attachment))
                        continue;
                item = json_object();
                if (is_digest(attachment->sha256))
                        memcpy(brief, attachment->sha256, 16);
                r = item && size ? 0 : -ENOMEM;
                r = r < 0 ? r : json_put(item, "name", attachment->name);
                r = r < 0 ? r : json_put(item, "href", links->hrefs[i]);
                r = r < 0 ? r : json_put(item, "file_kind", kind ? kind : "文件");
                r = r < 0 ? r : json_put(item, "size", size);
                r = r < 0 ? r : json_put(item, "sha_brief", brief);
                r = r < 0 ? r : json_put(item, "sha256", brief[0] ? attachment->sha256 : NULL);
                if (r == 0 && attachment->here &&
                    json_object_set_new(item, "here", json_true()) < 0)
                        r = -ENOMEM;
                if (json_array_append_new(list, item) < 0)
                        r = -ENOMEM;
        }
        if (json_array_size(list) > 0 &&
            json_object_set_new(context, "has_attachments", json_true()) < 0)
                r = -ENOMEM;
        return json_object_set_new(context, "attachments", list) < 0 ? -ENOMEM : r;
}

static int add_relation(json_t *list, const struct delivery *delivery, const json_t *relation) {
        const struct label *label = LABEL(relations, json_text(relation, "rel"));
        const char *document = json_text(relation, "document"), *url = json_text(relation, "url");
        char *host freed_by(freep) = url_is_web(url) ? host_of(url) : NULL;
        struct buf href freed_by(buf_done) = { 0 };
        struct place place;
        json_t *item;
        int r;

        if (document) {
                place_of(delivery->region, document, &place);
                buf_fmt(&href, "../../%s", place.page);
        } else if (host) {
                buf_str(&href, url);
        } else {
                return 0;
        }
        item = json_object();
        r = item ? 0 : -ENOMEM;
        r = r < 0 ? r : json_put(item, "rel", label ? label->label : "相关文件");
        r = r < 0 ? r : json_put(item, "href", buf_text(&href));
        r = r < 0 ? r : json_put(item, "text", document ? document : host);
        return json_array_append_new(list, item) < 0 ? -ENOMEM : r;
}

static int add_relations(json_t *context, const struct delivery *delivery) {
        const json_t *relates = json_object_get(json_object_get(delivery->event, "data"),
                                                "relates");
        json_t *list = json_array();
        const json_t *relation;
        size_t i;
        int r = 0;

        json_array_foreach((json_t *) relates, i, relation)
                r = r < 0 ? r : add_relation(list, delivery, relation);
        if (json_array_size(list) > 0 &&
            json_object_set_new(context, "has_relates", json_true()) < 0)
                r = -ENOMEM;
        return json_object_set_new(context, "relates", list) < 0 ? -ENOMEM : r;
}

static int add_column(json_t *context, const struct delivery *delivery) {
        const struct label *kind = LABEL(kinds, delivery->document_kind);
        const char *county = delivery->region_name ? delivery->region_name : "";
        const char *domain = delivery->domain && delivery->domain[0] ? delivery->domain : NULL;
        struct buf description freed_by(buf_done) = { 0 }, words freed_by(buf_done) = { 0 };

        buf_fmt(&description, "%s%s政务公开信息", county, domain ? domain : "");
        buf_fmt(&words, "政务公开,信息公开,%s%s%s", county, county[0] && domain ? "," : "",
                domain ? domain : "");
        return press_column(context, domain ? domain : "政务公开", buf_text(&description),
                            buf_text(&words), kind ? kind->more : "信息公开");
}

/* A picture that stands for the document: the cover, else the first in the text. */
static const char *picture_of(const struct links *links) {
        const struct delivery *delivery = links->delivery;
        const char *best = NULL;

        for (size_t i = 0; i < n_attachments(delivery); i++) {
                const struct attachment *attachment = &delivery->attachments[i];
                bool cover = attachment->role && strcmp(attachment->role, "cover") == 0;

                if (!links->hrefs[i] || !attachment->here || is_listed(attachment) ||
                    !attachment->media_type ||
                    strncmp(attachment->media_type, "image/", 6) != 0)
                        continue;
                if (cover)
                        return links->hrefs[i];
                if (!best)
                        best = links->hrefs[i];
        }
        return best;
}

static int add_article(json_t *context, const struct press *press, const struct place *place,
                       const json_t *entry, const struct links *links,
                       const struct timing *timing) {
        const struct delivery *delivery = press->delivery;
        const char *words[] = { delivery->domain, delivery->item_name,
                                json_text(entry, "publisher") };
        struct buf keywords freed_by(buf_done) = { 0 }, image freed_by(buf_done) = { 0 };
        const char *picture = picture_of(links);
        json_t *article = json_object();
        char minute[MOMENT_TEXT];
        int r = article ? 0 : -ENOMEM;

        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (words[i] && words[i][0])
                        buf_fmt(&keywords, "%s%s", keywords.len ? "," : "", words[i]);
        if (picture)
                buf_fmt(&image, "%s/%.*s%s", press->options->address,
                        (int) (strlen(place->folder) - strlen(place->name)), place->folder,
                        picture);
        r = r < 0 ? r : json_put(article, "title", json_text(entry, "title"));
        r = r < 0 ? r : json_put(article, "date", moment_write_minute(timing->first_ms, minute));
        r = r < 0 ? r : json_put(article, "source", json_text(entry, "publisher"));
        r = r < 0 ? r : json_put(article, "keywords", buf_text(&keywords));
        r = r < 0 ? r : json_put(article, "description", json_text(entry, "summary"));
        r = r < 0 ? r : json_put(article, "image", buf_text(&image));
        return json_object_set_new(context, "article", article) < 0 ? -ENOMEM : r;
}

int page_body(const struct delivery *delivery, json_t **ret_html, char **ret_text) {
        const json_t *body = json_object_get(json_object_get(delivery->event, "data"), "body");
        const char *source = json_text(body, "content") ? json_text(body, "content") : "";
        const char *format_name = json_text(body, "format");
        struct content shown freed_by(content_done) = { 0 }, plain freed_by(content_done) = { 0 };
        struct links links freed_by(links_done) = { 0 };
        struct buf dressed freed_by(buf_done) = { 0 };
        enum content_format format = CONTENT_TEXT; /* unknown: nothing of it is taken for markup */
        bool known = format_name && content_format_parse(format_name, &format) == 0;
        struct place place;
        int r;

        place_of(delivery->region, delivery->document, &place);
        r = place_attachments(delivery, NULL, &place, &links);
        r = r < 0 ? r : content_render(format, source, strlen(source), link_to, &links, &shown);
        r = r < 0 ? r : body_dress(shown.html, &dressed);
        if (r == 0 && links.used) /* pictures stand in the text by their words, among the others */
                r = content_render(format, source, strlen(source), NULL, NULL, &plain);
        if (r < 0)
                return r;
        *ret_html = json_string(buf_text(&dressed));
        if (!*ret_html)
                return -ENOMEM;
        if (known)
                *ret_text = links.used ? give_away(plain.text) : give_away(shown.text);
        return 0;
}

/* 首页 > 腾冲市 > 城乡规划 */
static int add_crumbs(json_t *context, const json_t *entry, const char *county_name) {
        const char *domain = json_text(entry, "domain");
        json_t *crumbs = json_array();
        char slug[SLUG_TEXT];
        struct buf path freed_by(buf_done) = { 0 };
        int r = crumbs ? 0 : -ENOMEM;

        for (int i = 0; i < 2 && r == 0; i++) {
                const char *label = i == 0 ? county_name : domain;
                json_t *crumb;

                if (!label || !label[0])
                        continue;
                buf_reset(&path);
                if (i == 0) {
                        buf_fmt(&path, "%s/", json_text(entry, "county"));
                } else {
                        domain_slug(label, slug);
                        buf_fmt(&path, "domain/%s/", slug);
                }
                crumb = json_object();
                r = crumb ? json_put(crumb, "label", label) : -ENOMEM;
                r = r < 0 ? r : json_put(crumb, "crumb_path", buf_text(&path));
                if (json_array_append_new(crumbs, crumb) < 0)
                        r = -ENOMEM;
        }
        return json_object_set_new(context, "crumbs", crumbs) < 0 ? -ENOMEM : r;
}

static int clear_away(struct press *press, const json_t *entry, const json_t *previous) {
        const json_t *old = json_object_get(previous, "files");
        const json_t *new = json_object_get(entry, "files");
        const json_t *file, *other;
        size_t i, j;
        int r = 0;

        json_array_foreach((json_t *) old, i, file) {
                bool kept = false;

                json_array_foreach((json_t *) new, j, other)
                        kept = kept || json_equal(file, other);
                if (!kept && json_is_string(file))
                        r = r < 0 ? r : press_removal(press, json_string_value(file));
        }
        return r;
}

int page_shown(struct press *press, const struct place *place, const json_t *entry,
               const json_t *previous, const json_t *body) {
        const struct delivery *delivery = press->delivery;
        const json_t *data = json_object_get(delivery->event, "data");
        const char *title = json_text(entry, "title") ? json_text(entry, "title") : "（无标题）";
        json_t *context freed_by(json_decrefp) = press_context(press, place->page, title);
        struct links links freed_by(links_done) = { 0 };
        struct timing timing;
        int r = context ? 0 : -ENOMEM;

        timing_of(delivery, previous, &timing);
        r = r < 0 ? r : place_attachments(delivery, press, place, &links);
        r = r < 0 ? r : add_column(context, delivery);
        r = r < 0 ? r : add_article(context, press, place, entry, &links, &timing);
        r = r < 0 ? r : add_crumbs(context, entry, delivery->region_name);
        r = r < 0 ? r : add_facts(context, delivery, entry, &timing);
        r = r < 0 ? r : json_put(context, "plain",
                                 json_text(json_object_get(data, "texts"), "plain"));
        if (r == 0 && json_object_set(context, "body", (json_t *) body) < 0)
                r = -ENOMEM;
        r = r < 0 ? r : add_attachments(context, &links);
        r = r < 0 ? r : add_relations(context, delivery);
        r = r < 0 ? r : json_put(context, "publisher", json_text(entry, "publisher"));
        r = r < 0 ? r : press_page(press, "document", context, place->page);
        return r < 0 ? r : clear_away(press, entry, previous);
}

int page_gone(struct press *press, const struct place *place, const json_t *entry) {
        const char *how = json_text(entry, "gone"), *title = json_text(entry, "title");
        bool erased = strcmp(how, "erased") == 0, expired = strcmp(how, "expired") == 0;
        const char *said = erased ? "此信息已被移除" : expired ? "此信息已到期" : "此信息已撤回";
        json_t *context freed_by(json_decrefp) =
                press_context(press, place->page, title && !erased ? title : said);
        char minute[MOMENT_TEXT];
        int r = context ? 0 : -ENOMEM;

        (void) moment_write_minute(json_integer_value(json_object_get(entry, "gone_ms")), minute);
        if (r == 0 && json_object_set_new(context, "hidden", json_true()) < 0)
                r = -ENOMEM;
        if (r == 0 && !erased && title)
                r = json_put(context, "gone_title", title);
        r = r < 0 ? r : json_put(context, "mark", erased    ? "已移除"
                                                  : expired ? "已到期"
                                                            : "已撤回");
        r = r < 0 ? r : json_put(context, "said", said);
        r = r < 0 ? r : json_put(context, "gone_at", minute);
        r = r < 0 ? r : json_put(context, "reason", json_text(entry, "reason"));
        r = r < 0 ? r : add_crumbs(context, entry, press->delivery->region_name);
        r = r < 0 ? r : press_page(press, "gone", context, place->page);
        return r < 0 ? r : press_removal(press, place->folder);
}
