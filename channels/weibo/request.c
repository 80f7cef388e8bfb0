/* The requests, as the pages say (weibo.h). */
#include "channels/weibo/weibo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/template.h"

enum { TIMELINE_BYTES = 2 << 20 }; /* fifty posts, with pictures and all that hangs on them */

static void add_field(struct buf *form, const char *name, const char *value) {
        if (form->len > 0)
                buf_char(form, '&');
        buf_fmt(form, "%s=", name);
        escape_add(form, ESCAPE_URI, value, strlen(value));
}

/* What all have in common. */
static int request(const struct delivery *delivery, const char *method, const char *path,
                   const char *content_type, struct step *ret) {
        const struct weibo_options *options = delivery->options;
        struct buf headers freed_by(buf_done) = { 0 };

        ret->http.method = method;
        if (asprintf(&ret->http.url, "%s%s", options->address, path) < 0) {
                ret->http.url = NULL;
                return -ENOMEM;
        }
        if (content_type) {
                buf_fmt(&headers, "Content-Type: %s", content_type);
                buf_add(&headers, "", 1);
                if (http_request_set_headers(&ret->http, &headers) < 0)
                        return -ENOMEM;
        }
        return ret->http.body.error || ret->http.tail.error ? -ENOMEM : 0;
}

static int post_form(const struct delivery *delivery, const char *path, struct step *ret) {
        return request(delivery, "POST", path, "application/x-www-form-urlencoded", ret);
}

/* -- the picture -- */

static bool is_picture(const struct attachment *attachment) {
        const char *type = attachment->media_type ? attachment->media_type : "";

        return attachment->here && attachment->size > 0 && attachment->size < WEIBO_PICTURE_BYTES &&
               (strcmp(type, "image/jpeg") == 0 || strcmp(type, "image/png") == 0 ||
                strcmp(type, "image/gif") == 0);
}

const struct attachment *weibo_picture(const struct delivery *delivery) {
        const struct attachment *found = NULL;

        for (size_t i = 0; i < delivery->n_attachments; i++) {
                const struct attachment *attachment = &delivery->attachments[i];

                if (!attachment->role || !is_picture(attachment))
                        continue;
                if (strcmp(attachment->role, "cover") == 0)
                        return attachment;
                if (strcmp(attachment->role, "inline") == 0 && !found)
                        found = attachment;
        }
        return found;
}

/* -- share -- */

static void add_part(struct buf *form, const char *boundary, const char *name, const char *value) {
        buf_fmt(form, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", boundary,
                name, value);
}

/* The boundary is of the picture's digest: no text of ours has it, and no picture holds its own. */
static int share_picture(const struct delivery *delivery, const char *token, const char *text,
                         const struct attachment *picture, struct step *ret) {
        const struct weibo_options *options = delivery->options;
        struct buf *form = &ret->http.body;
        char boundary[64], type[128];

        (void) snprintf(boundary, sizeof(boundary), "gongkai-%.40s", picture->sha256);
        (void) snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", boundary);
        add_part(form, boundary, "access_token", token);
        add_part(form, boundary, "status", text);
        add_part(form, boundary, "rip", options->rip);
        buf_fmt(form,
                "--%s\r\nContent-Disposition: form-data; name=\"pic\"; filename=\"picture.%s\"\r\n"
                "Content-Type: %s\r\n\r\n",
                boundary, picture->media_type + strlen("image/"), picture->media_type);
        buf_fmt(&ret->http.tail, "\r\n--%s--\r\n", boundary);
        ret->http.upload = strdup(picture->sha256);
        if (!ret->http.upload)
                return -ENOMEM;
        return request(delivery, "POST", "/2/statuses/share.json", type, ret);
}

int weibo_share(const struct delivery *delivery, const char *token, const char *text,
                struct step *ret) {
        const struct weibo_options *options = delivery->options;
        const struct attachment *picture = weibo_picture(delivery);
        struct buf *form = &ret->http.body;

        *ret = (struct step) { .kind = STEP_HTTP };
        if (picture)
                return share_picture(delivery, token, text, picture, ret);
        add_field(form, "access_token", token);
        add_field(form, "status", text);
        add_field(form, "rip", options->rip);
        return post_form(delivery, "/2/statuses/share.json", ret);
}

/* -- the others -- */

int weibo_destroy(const struct delivery *delivery, const char *token, const char *id,
                  struct step *ret) {
        *ret = (struct step) { .kind = STEP_HTTP };
        add_field(&ret->http.body, "access_token", token);
        add_field(&ret->http.body, "id", id);
        return post_form(delivery, "/2/statuses/destroy.json", ret);
}

int weibo_timeline(const struct delivery *delivery, const char *token, unsigned page,
                   struct step *ret) {
        struct buf path freed_by(buf_done) = { 0 };

        *ret = (struct step) { .kind = STEP_HTTP };
        ret->http.repeatable = true;
        ret->http.keep = TIMELINE_BYTES;
        buf_str(&path, "/2/statuses/user_timeline.json?access_token=");
        escape_add(&path, ESCAPE_URI, token, strlen(token));
        buf_fmt(&path, "&count=%d&page=%u&trim_user=1", WEIBO_PAGE, page);
        return path.error ? path.error : request(delivery, "GET", buf_text(&path), NULL, ret);
}

int weibo_token_info(const struct delivery *delivery, const char *token, struct step *ret) {
        *ret = (struct step) { .kind = STEP_HTTP };
        ret->http.harmless = true;
        add_field(&ret->http.body, "access_token", token);
        return post_form(delivery, "/oauth2/get_token_info", ret);
}

int weibo_exchange(const struct delivery *delivery, const char *app_secret, const char *code,
                   struct step *ret) {
        const struct weibo_options *options = delivery->options;

        *ret = (struct step) { .kind = STEP_HTTP };
        ret->http.harmless = true;
        add_field(&ret->http.body, "client_id", options->app_key);
        add_field(&ret->http.body, "client_secret", app_secret);
        add_field(&ret->http.body, "grant_type", "authorization_code");
        add_field(&ret->http.body, "code", code);
        add_field(&ret->http.body, "redirect_uri", options->redirect_uri);
        return post_form(delivery, "/oauth2/access_token", ret);
}
