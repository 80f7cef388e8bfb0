/* An article from an event, within the limits of draft/add. Nothing is cut that fits; what is cut
 * ends where a reader sees it, and says where the rest is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "channels/correction.h"
#include "core/content.h"
#include "core/fit.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/template.h"
#include "core/unicode.h"

enum {
        FILES_UNITS = 4000, /* what the list of attachments may take of the body */
        LINE_UNITS = 200,   /* number, publisher, a correction's note is ten of them */
        FILE_URL_BYTES = 500,
};

static const char default_template[] =
        "{{#title_cut}}<p><strong>{{title}}</strong></p>\n{{/title_cut}}"
        "{{#ended}}<p><strong>{{ended}}</strong></p>\n{{/ended}}"
        "{{#validity}}<p><strong>{{validity}}</strong></p>\n{{/validity}}"
        "{{#correction}}<p>{{correction}}</p>\n{{/correction}}"
        "{{#number}}<p style=\"text-align:center;\">{{number}}</p>\n{{/number}}"
        "{{{body}}}"
        "{{#continued}}<p>{{continued}}</p>\n{{/continued}}"
        "{{#whole}}<p>{{whole}}</p>\n{{/whole}}"
        "<p style=\"text-align:right;\">{{publisher}}<br>{{date}}</p>\n"
        "{{#files_heading}}<p>{{files_heading}}</p>\n{{/files_heading}}"
        "{{#files}}<p>{{.}}</p>\n{{/files}}";

static const json_t *data_of(const struct delivery *delivery) {
        return json_object_get(delivery->event, "data");
}

/* -- pictures -- */

static bool type_is(const struct attachment *attachment, const char *const *types) {
        for (; attachment->media_type && *types; types++)
                if (strcmp(attachment->media_type, *types) == 0)
                        return true;
        return false;
}

bool wechat_is_picture(const struct attachment *attachment) {
        static const char *const types[] = { "image/jpeg", "image/png", NULL };

        return attachment->here && attachment->size > 0 &&
               attachment->size < WECHAT_PICTURE_BYTES && type_is(attachment, types);
}

const struct attachment *wechat_cover(const struct delivery *delivery) {
        static const char *const types[] = { "image/jpeg", "image/png", "image/gif", "image/bmp",
                                             NULL };

        for (size_t i = 0; i < delivery->n_attachments; i++) {
                const struct attachment *attachment = &delivery->attachments[i];

                if (attachment->role && strcmp(attachment->role, "cover") == 0 &&
                    attachment->here && attachment->size > 0 &&
                    attachment->size <= WECHAT_COVER_BYTES && type_is(attachment, types))
                        return attachment;
        }
        return NULL;
}

struct linking {
        const struct delivery *delivery;
        const json_t *urls; /* NULL: only collects */
        json_t *names;
};

/* What is not uploaded becomes its alternative text, and is named below the text. */
static const char *link_of(const char *name, void *userdata) {
        struct linking *linking = userdata;
        const struct delivery *delivery = linking->delivery;

        for (size_t i = 0; i < delivery->n_attachments; i++) {
                const struct attachment *attachment = &delivery->attachments[i];
                const json_t *one;
                size_t k;

                if (strcmp(attachment->name, name) != 0)
                        continue;
                if (linking->urls)
                        return json_string_value(
                                json_object_get(linking->urls, attachment->sha256));
                json_array_foreach (linking->names, k, one)
                        if (strcmp(json_string_value(one), name) == 0)
                                return NULL;
                if (wechat_is_picture(attachment) &&
                    json_array_size(linking->names) < WECHAT_PICTURES)
                        (void) json_array_append_new(linking->names, json_string(name));
                return NULL;
        }
        return NULL;
}

static int render(struct linking *linking, struct content *ret) {
        const json_t *body = json_object_get(data_of(linking->delivery), "body");
        const char *source = wechat_text(body, "content");
        enum content_format format;

        if (content_format_parse(wechat_text(body, "format"), &format) < 0)
                format = CONTENT_TEXT;
        return content_render(format, source, strlen(source), link_of, linking, ret);
}

/* A body that renders to more than can be laid out has no pictures; its text is shown. */
int wechat_pictures(const struct delivery *delivery, json_t **ret) {
        struct linking linking = { .delivery = delivery, .names = json_array() };
        struct content content freed_by(content_done) = { 0 };
        bool any = false;
        int r = linking.names ? 0 : -ENOMEM;

        for (size_t i = 0; i < delivery->n_attachments; i++)
                any = any || wechat_is_picture(&delivery->attachments[i]);
        if (r == 0 && any)
                r = render(&linking, &content);
        if (r == -E2BIG) {
                (void) json_array_clear(linking.names);
                r = 0;
        }
        if (r < 0)
                json_decref(linking.names);
        else
                *ret = linking.names;
        return r;
}

/* -- the small fields -- */

static char *line_of(const char *text, size_t most) {
        char *copy freed_by(freep) = strdup(text);

        for (char *at = copy; at && *at; at++)
                if (*at == '\n' || *at == '\r' || *at == '\t')
                        *at = ' ';
        return copy ? fit_text(copy, FIT_UTF16, most, NULL) : NULL;
}

static int put_line(json_t *object, const char *key, const char *text, size_t most) {
        char *line freed_by(freep) = *text ? line_of(text, most) : NULL;

        if (!*text)
                return 0;
        return !line || json_object_set_new(object, key, json_string(line)) < 0 ? -ENOMEM : 0;
}

static void add_publishers(const json_t *publisher, struct buf *ret) {
        const json_t *one;
        size_t i;

        if (!json_is_array(publisher))
                buf_str(ret, wechat_text(publisher, "name"));
        json_array_foreach (publisher, i, one)
                buf_fmt(ret, "%s%s", i > 0 ? "、" : "", wechat_text(one, "name"));
}

static const char *date_of(const struct delivery *delivery, char text[static MOMENT_TEXT]) {
        const json_t *data = data_of(delivery);
        const char *formed = wechat_text(json_object_get(data, "dates"), "formed");
        int64_t ms;

        if (!*formed)
                formed = wechat_text(data, "formed");
        if (moment_parse_date(formed, &ms) < 0 && moment_parse(formed, &ms, NULL) < 0)
                ms = delivery->first_shown_ms ? delivery->first_shown_ms : delivery->now_ms;
        return moment_write_date(ms, text);
}

static int put_digest(const json_t *data, const char *plain, json_t *article) {
        const char *text = wechat_text(json_object_get(data, "texts"), "short");
        char *made freed_by(freep) = NULL;

        if (!*text)
                text = wechat_text(data, "summary");
        if (!*text) {
                made = content_summary(plain, WECHAT_DIGEST / 2);
                text = made ? made : "";
        }
        return put_line(article, "digest", text, WECHAT_DIGEST);
}

static int put_said(json_t *object, const char *key, enum message message, const char *hole,
                    const char *value) {
        char *text freed_by(freep) = say(message, hole, value, NULL);

        return !text || json_object_set_new(object, key, json_string(text)) < 0 ? -ENOMEM : 0;
}

/* -- the list of attachments -- */

static void add_size(struct buf *line, uint64_t size) {
        if (size >= 1 << 20)
                buf_fmt(line, "（%.1f MB）", (double) size / (1 << 20));
        else
                buf_fmt(line, "（%llu KB）", (unsigned long long) (size + 1023) / 1024);
}

static bool is_listed(const struct attachment *attachment, const json_t *urls) {
        return !json_object_get(urls, attachment->sha256) &&
               (!attachment->role || strcmp(attachment->role, "cover") != 0);
}

/* Each by its name and where to find it; as many as have room. */
static int put_files(const struct delivery *delivery, const json_t *urls, json_t *context) {
        json_t *files = json_array();
        size_t used = 0, n_more = 0;
        int r = files && json_object_set_new(context, "files", files) == 0 ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < delivery->n_attachments; i++) {
                const struct attachment *attachment = &delivery->attachments[i];
                struct buf line freed_by(buf_done) = { 0 };
                char *name freed_by(freep) = line_of(attachment->name, LINE_UNITS);

                if (!is_listed(attachment, urls))
                        continue;
                buf_str(&line, name ? name : "");
                add_size(&line, attachment->size);
                if (attachment->url && strlen(attachment->url) <= FILE_URL_BYTES)
                        buf_fmt(&line, " %s", attachment->url);
                used += fit_length(buf_text(&line), line.len, FIT_UTF16);
                if (used > FILES_UNITS)
                        n_more++;
                else if (!name || json_array_append_new(files, json_string(buf_text(&line))) < 0)
                        r = -ENOMEM;
        }
        if (r == 0 && n_more > 0) {
                char count[24];
                char *more freed_by(freep) = NULL;

                (void) snprintf(count, sizeof(count), "%zu", n_more);
                more = say(MESSAGE_WECHAT_BODY_MORE_FILES, "count", count, NULL);
                if (!more || json_array_append_new(files, json_string(more)) < 0)
                        r = -ENOMEM;
        }
        if (r == 0 && json_array_size(files) > 0)
                r = put_said(context, "files_heading", MESSAGE_WECHAT_BODY_FILES, "", "");
        return r;
}

/* -- the body -- */

static int put_marks(const struct delivery *delivery, json_t *context) {
        static const struct {
                const char *status;
                enum message message;
        } marks[] = { { "amended", MESSAGE_WECHAT_BODY_AMENDED },
                      { "abolished", MESSAGE_WECHAT_BODY_ABOLISHED },
                      { "lapsed", MESSAGE_WECHAT_BODY_LAPSED } };
        const json_t *data = data_of(delivery);
        const char *status = wechat_text(json_object_get(data, "validity"), "status");
        char *line freed_by(freep) = line_of(correction_note(data), 10 * LINE_UNITS);
        int r = line ? 0 : -ENOMEM;

        if (r == 0 && *line)
                r = put_said(context, "correction", MESSAGE_WECHAT_BODY_CORRECTION, "note", line);
        if (r == 0 && delivery->ended)
                r = put_said(context, "ended", MESSAGE_WECHAT_BODY_ENDED, "", "");
        for (size_t i = 0; r == 0 && i < ELEMENTS(marks); i++)
                if (strcmp(status, marks[i].status) == 0)
                        r = put_said(context, "validity", marks[i].message, "", "");
        return r;
}

static json_t *context_of(const struct delivery *delivery, const json_t *urls, bool title_cut) {
        const json_t *data = data_of(delivery);
        json_t *context freed_by(json_decrefp) = json_object();
        struct buf publishers freed_by(buf_done) = { 0 };
        char date[MOMENT_TEXT];
        int r = context ? 0 : -ENOMEM;

        add_publishers(json_object_get(data, "publisher"), &publishers);
        if (r == 0)
                r = put_line(context, "title", wechat_text(data, "title"), 2 * LINE_UNITS);
        if (r == 0)
                r = put_line(context, "number", wechat_text(data, "number"), LINE_UNITS);
        if (r == 0)
                r = put_line(context, "publisher", buf_text(&publishers), LINE_UNITS);
        if (r == 0)
                r = put_line(context, "date", date_of(delivery, date), LINE_UNITS);
        if (r == 0)
                r = put_line(context, "region", delivery->region_name ? delivery->region_name : "",
                             LINE_UNITS);
        if (r == 0 && delivery->after_url && strlen(delivery->after_url) <= WECHAT_LINK)
                r = put_line(context, "url", delivery->after_url, WECHAT_LINK);
        if (r == 0)
                r = put_marks(delivery, context);
        if (r == 0)
                r = put_files(delivery, urls, context);
        if (r < 0 || json_object_set_new(context, "title_cut", json_boolean(title_cut)) < 0)
                return NULL;
        return give_away(context);
}

struct page {
        const struct delivery *delivery;
        const char *template;
        json_t *context;
        struct template_error *error;
};

/* The whole content with `html` as body; the mark by which it is found again stands at its end,
 * whatever the template. */
static int lay_out(const struct page *page, const char *html, bool whole, struct buf *ret) {
        const struct template template = { .text = page->template, .escape = ESCAPE_HTML };
        char *mark_line freed_by(freep) = NULL;
        char mark[19];
        int r = json_object_set_new(page->context, "body", json_string(html)) < 0 ? -ENOMEM : 0;

        wechat_mark(page->delivery, mark);
        mark_line = say(MESSAGE_WECHAT_BODY_MARK, "mark", mark, NULL);
        if (r == 0 && !whole) {
                const json_t *url = json_object_get(page->context, "url");

                r = put_said(page->context, "continued", MESSAGE_WECHAT_BODY_CONTINUED, "", "");
                if (r == 0 && url)
                        r = put_said(page->context, "whole", MESSAGE_WECHAT_BODY_WHOLE, "url",
                                     json_string_value(url));
        }
        buf_reset(ret);
        if (r == 0)
                r = template_render(&template, page->context, ret, page->error);
        buf_fmt(ret, "<p style=\"color:#888888;font-size:12px;\">%s</p>",
                mark_line ? mark_line : "");
        return r < 0 ? r : !mark_line ? -ENOMEM : ret->error;
}

static bool fits(const struct buf *content) {
        return fit_length(buf_text(content), content->len, FIT_UTF16) < WECHAT_BODY &&
               content->len < 1 << 20;
}

static int lay_out_fitting(const struct page *page, const char *html, struct buf *ret) {
        struct buf cut freed_by(buf_done) = { 0 };
        size_t empty;
        int r = lay_out(page, html, true, ret);

        if (r < 0 || fits(ret))
                return r;
        r = lay_out(page, "", false, ret);
        if (r < 0)
                return r;
        empty = fit_length(buf_text(ret), ret->len, FIT_UTF16);
        if (empty >= WECHAT_BODY)
                return -E2BIG;
        r = wechat_cut(html, WECHAT_BODY - 1 - empty, &cut);
        if (r == 0)
                r = lay_out(page, buf_text(&cut), false, ret);
        /* A template that shows the body twice. */
        return r < 0 ? r : fits(ret) ? 0 : -E2BIG;
}

/* What renders to more than 8 MiB, as plain text: its beginning is all that is needed. */
static int plain_beginning(const struct delivery *delivery, struct content *ret) {
        const json_t *body = json_object_get(data_of(delivery), "body");
        const char *source = wechat_text(body, "content");

        return content_render(CONTENT_TEXT, source,
                              fit_cut(source, strlen(source), FIT_UTF16, WECHAT_BODY), NULL, NULL,
                              ret);
}

int wechat_article(const struct delivery *delivery, const json_t *urls, const char *thumb,
                   const char *template, json_t **ret, struct template_error *ret_error) {
        const struct wechat_options *options = delivery->options;
        const json_t *data = data_of(delivery);
        struct linking linking = { .delivery = delivery, .urls = urls };
        struct content content freed_by(content_done) = { 0 };
        struct buf body freed_by(buf_done) = { 0 }, names freed_by(buf_done) = { 0 };
        json_t *article freed_by(json_decrefp) = json_object(),
                        *context freed_by(json_decrefp) = NULL;
        const char *title = wechat_text(data, "title");
        int r = article ? render(&linking, &content) : -ENOMEM;

        if (r == -E2BIG)
                r = plain_beginning(delivery, &content);
        if (r < 0)
                return r;
        context = context_of(delivery, urls,
                             fit_length(title, strlen(title), FIT_UTF16) > WECHAT_TITLE);
        if (!context)
                return -ENOMEM;
        r = lay_out_fitting(&(struct page) { delivery, template ? template : default_template,
                                            context, ret_error },
                            content.html, &body);
        if (r < 0)
                return r;
        add_publishers(json_object_get(data, "publisher"), &names);
        r = put_line(article, "title", *title ? title : delivery->document, WECHAT_TITLE);
        if (r == 0)
                r = put_line(article, "author",
                             options->author ? options->author : buf_text(&names), WECHAT_AUTHOR);
        if (r == 0)
                r = put_digest(data, content.text, article);
        if (r == 0 && delivery->after_url && strlen(delivery->after_url) <= WECHAT_LINK)
                r = json_object_set_new(article, "content_source_url",
                                        json_string(delivery->after_url));
        if (r < 0 || json_object_set_new(article, "content", json_string(buf_text(&body))) < 0 ||
            json_object_set_new(article, "thumb_media_id", json_string(thumb)) < 0 ||
            json_object_set_new(article, "article_type", json_string("news")) < 0)
                return -ENOMEM;
        *ret = json_pack("{s:[O]}", "articles", article);
        return *ret ? 0 : -ENOMEM;
}
