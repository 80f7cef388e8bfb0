/* Requests of the platform's interface. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/digest.h"
#include "core/memory.h"
#include "core/template.h"

enum { REPLY_BYTES = 16 << 20 }; /* a list of twenty articles with their texts */

static int set_header(struct http_request *http, const char *type) {
        struct buf headers freed_by(buf_done) = { 0 };

        buf_fmt(&headers, "Content-Type: %s", type);
        buf_char(&headers, '\0');
        return http_request_set_headers(http, &headers);
}

/* Raw UTF-8: the platform takes \uXXXX for six characters, and refuses it (40033). */
int wechat_request_json(struct step *ret, const char *url, json_t *body, unsigned flags) {
        json_t *owned freed_by(json_decrefp) = body;
        char *text freed_by(freep) = owned ? json_dumps(owned, JSON_COMPACT) : NULL;

        if (owned && !text)
                return -ENOMEM;
        *ret = (struct step) { .kind = STEP_HTTP, .checkpoint = (flags & CALL_CHECKPOINT) != 0 };
        ret->http = (struct http_request) { .method = owned ? "POST" : "GET",
                                           .harmless = (flags & CALL_HARMLESS) != 0,
                                           .keep = REPLY_BYTES };
        ret->http.url = strdup(url);
        if (text)
                buf_str(&ret->http.body, text);
        if (!ret->http.url || ret->http.body.error)
                return -ENOMEM;
        return owned ? set_header(&ret->http, "application/json; charset=utf-8") : 0;
}

bool wechat_account_good(const struct delivery *delivery) {
        return delivery->account && *wechat_text(delivery->account, "token") &&
               delivery->now_ms < wechat_number(delivery->account, "until");
}

static int need_account(struct work *work) {
        *work->ret = (struct step) { .kind = STEP_ACCOUNT,
                                    .memo = json_incref(work->state),
                                    .need = { .version = work->delivery->account_version } };
        return 0;
}

static void add_url(const struct work *work, const char *path, struct buf *ret) {
        const char *token = wechat_text(work->delivery->account, "token");

        buf_fmt(ret, "%s%s%saccess_token=", work->options->api, path,
                strchr(path, '?') ? "&" : "?");
        escape_add(ret, ESCAPE_URI, token, strlen(token));
}

static int note_request(struct work *work, const char *at) {
        if (json_object_set_new(work->state, "at", json_string(at)) < 0 ||
            json_object_set_new(work->state, "version",
                                json_integer(work->delivery->account_version)) < 0)
                return -ENOMEM;
        return 0;
}

int wechat_call(struct work *work, const char *at, const char *path, json_t *body, unsigned flags) {
        json_t *owned freed_by(json_decrefp) = body;
        struct buf url freed_by(buf_done) = { 0 };
        int r;

        if (!wechat_account_good(work->delivery))
                return need_account(work);
        add_url(work, path, &url);
        r = url.error ? url.error : note_request(work, at);
        if (r == 0)
                r = wechat_request_json(work->ret, buf_text(&url), json_incref(owned), flags);
        if (r == 0)
                work->ret->memo = json_incref(work->state);
        return r;
}

/* "media" as a file of a form. The boundary is drawn from the content's digest, which the content
 * cannot hold. */
int wechat_upload(struct work *work, const char *at, const struct upload *upload) {
        const char *ending = strcmp(upload->media_type, "image/png") == 0   ? "png"
                             : strcmp(upload->media_type, "image/gif") == 0 ? "gif"
                             : strcmp(upload->media_type, "image/bmp") == 0 ? "bmp"
                                                                            : "jpg";
        struct buf url freed_by(buf_done) = { 0 };
        char digest[DIGEST_TEXT], type[80];
        struct http_request *http = &work->ret->http;
        int r;

        if (!wechat_account_good(work->delivery))
                return need_account(work);
        add_url(work, upload->path, &url);
        r = url.error ? url.error : note_request(work, at);
        if (r == 0)
                r = wechat_request_json(work->ret, buf_text(&url), NULL, CALL_HARMLESS);
        if (r < 0)
                return r;
        if (upload->sha256)
                (void) snprintf(digest, sizeof(digest), "%s", upload->sha256);
        else
                digest_bytes(upload->bytes, upload->n_bytes, digest);
        http->method = "POST";
        (void) snprintf(type, sizeof(type), "multipart/form-data; boundary=gongkai-%.32s", digest);
        buf_fmt(&http->body,
                "--gongkai-%.32s\r\nContent-Disposition: form-data; name=\"media\"; "
                "filename=\"%.16s.%s\"\r\nContent-Type: %s\r\n\r\n",
                digest, digest, ending, upload->media_type);
        if (!upload->sha256)
                buf_add(&http->body, upload->bytes, upload->n_bytes);
        buf_fmt(upload->sha256 ? &http->tail : &http->body, "\r\n--gongkai-%.32s--\r\n", digest);
        http->upload = upload->sha256 ? strdup(upload->sha256) : NULL;
        if ((upload->sha256 && !http->upload) || http->body.error || http->tail.error)
                return -ENOMEM;
        work->ret->memo = json_incref(work->state);
        return set_header(http, type);
}
