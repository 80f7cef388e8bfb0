#include "daemons/channeld/show.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/files.h"
#include "core/memory.h"
#include "core/textfile.h"
#include "core/unicode.h"

enum { MOST_DEPTH = 16, MOST_NAMES = 3, MOST_BASE64 = 1 << 20 };

struct hole {
        const char *name, *value;
};

static void tell(enum message message, const struct hole *a, const struct hole *b, const struct hole *c) {
        char *text freed_by(freep) =
                say(message, a ? a->name : "-", a ? a->value : "", b ? b->name : "-", b ? b->value : "",
                    c ? c->name : "-", c ? c->value : "", NULL);

        (void) printf("%s\n", text ? text : "");
}

#define HOLE(name, value) (&(struct hole) { name, value })

static const char *number(uint64_t n, char ret[static 24]) {
        (void) snprintf(ret, 24, "%llu", (unsigned long long) n);
        return ret;
}

void show_line(enum message message, const char *reason) {
        tell(message, HOLE("reason", reason), NULL, NULL);
}

/* -- the folder ------------------------------------------------------------------------------------------ */

static bool is_below(const char *path) {
        return path[0] != '/' && path[0] != '\0' && strcmp(path, "..") != 0 &&
               strncmp(path, "../", 3) != 0 && !strstr(path, "/../");
}

static void put(struct show *show, const char *name, const char *bytes, size_t n, bool list) {
        char *path freed_by(freep) = NULL;
        char *slash;
        int r;

        if (!show->out || !is_below(name))
                return;
        if (asprintf(&path, "%s/%s", show->out, name) < 0) {
                path = NULL;
                return;
        }
        slash = strrchr(path, '/');
        *slash = '\0';
        r = folder_make(path, 0755);
        *slash = '/';
        if (r == 0)
                r = file_write(path, bytes, n, 0644);
        if (r < 0)
                tell(MESSAGE_CANNOT_WRITE, HOLE("path", path), HOLE("reason", strerror(-r)), NULL);
        else if (list)
                (void) string_list_add(&show->written, name, strlen(name));
}

int show_begin(struct show *show, const char *secret, const char *out) {
        struct string_list names freed_by(string_list_done) = { 0 };
        int r = mask_fill(&show->masks, secret);

        if (r < 0 || !out)
                return r;
        r = folder_make(out, 0755);
        if (r == 0)
                r = folder_list(out, "", &names);
        if (r == 0 && names.n > 0) {
                tell(MESSAGE_PREVIEW_FOLDER_USED, HOLE("path", out), NULL, NULL);
                return -ENOTEMPTY;
        }
        if (r < 0)
                return r;
        show->out = out;
        return 0;
}

void show_done(struct show *show) {
        if (show->written.n > 0)
                tell(MESSAGE_PREVIEW_WRITTEN, HOLE("path", show->out), NULL, NULL);
        for (size_t i = 0; i < show->written.n; i++)
                (void) printf("  %s\n", show->written.items[i]);
        for (size_t i = 0; i < show->masks.n; i++)
                explicit_bzero(show->masks.items[i], strlen(show->masks.items[i]));
        string_list_done(&show->masks);
        string_list_done(&show->written);
}

/* -- pages in a body of JSON --------------------------------------------------------------------------------- */

static bool is_page(const char *text) {
        text += strspn(text, " \t\r\n");
        return *text == '<' && strstr(text, "</");
}

static void put_page(struct show *show, const char *text) {
        struct buf page freed_by(buf_done) = { 0 };
        char name[48];

        if (!strcasestr(text, "<html"))
                buf_str(&page, "<!doctype html><meta charset=\"utf-8\">\n");
        mask_text(&show->masks, text, strlen(text), &page);
        (void) snprintf(name, sizeof(name), "step-%u-page-%u.html", show->step, ++show->page);
        if (!page.error)
                put(show, name, page.data, page.len, true);
}

static void find_pages(struct show *show, const json_t *json, unsigned depth) {
        const char *key;
        const json_t *value;
        size_t i;

        if (json_is_string(json) && is_page(json_string_value(json)))
                put_page(show, json_string_value(json));
        if (depth == MOST_DEPTH)
                return;
        if (json_is_object(json)) {
                json_object_foreach((json_t *) json, key, value)
                        find_pages(show, value, depth + 1);
        } else {
                json_array_foreach(json, i, value)
                        find_pages(show, value, depth + 1);
        }
}

/* -- a body as a person reads it ------------------------------------------------------------------------------ */

static bool header_is(const struct http_request *request, const char *name, const char *value) {
        size_t n = strlen(name);

        for (char **header = request->headers; header && *header; header++)
                if (strncasecmp(*header, name, n) == 0 && strcasestr(*header + n, value))
                        return true;
        return false;
}

static int hex_of(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
               : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "a=%E5%85%AC&b=c+d" as a field in a line. */
static void add_form(const char *body, size_t n, struct buf *ret) {
        for (size_t i = 0; i < n; i++) {
                int high = body[i] == '%' && i + 2 < n ? hex_of(body[i + 1]) : -1;
                int low = high >= 0 ? hex_of(body[i + 2]) : -1;

                if (low >= 0) {
                        buf_char(ret, (char) (high * 16 + low));
                        i += 2;
                } else if (body[i] == '&')
                        buf_char(ret, '\n');
                else if (body[i] == '=')
                        buf_str(ret, " = ");
                else
                        buf_char(ret, (char) (body[i] == '+' ? ' ' : body[i]));
        }
}

/* As it is, or (cloud MAS) in base64. */
static json_t *json_of(const char *body, size_t n) {
        unsigned char *plain freed_by(freep) = NULL;
        int n_plain;

        if (n > 0 && (*body == '{' || *body == '['))
                return json_loadb(body, n, 0, NULL);
        if (n < 8 || n % 4 != 0 || n > MOST_BASE64)
                return NULL;
        plain = malloc(n);
        n_plain = plain ? EVP_DecodeBlock(plain, (const unsigned char *) body, (int) n) : -1;
        return n_plain > 2 && *plain == '{' ? json_loadb((const char *) plain, (size_t) n_plain,
                                                         JSON_DISABLE_EOF_CHECK, NULL)
                                            : NULL; /* the padding is decoded into NULs */
}

/* Text is shown, and JSON in lines; of the rest how much it is. `request` may be NULL. */
static void add_body(const struct http_request *request, const char *body, size_t n, struct buf *ret) {
        json_t *json = json_of(body, n);
        char count[24];

        if (json) {
                char *text freed_by(freep) = json_dumps(json, JSON_INDENT(2));

                buf_str(ret, text ? text : "");
        } else if (unicode_valid(body, n) < n || memchr(body, '\0', n)) {
                say_to(ret, MESSAGE_PREVIEW_BINARY, "count", number(n, count), NULL);
        } else if (request && header_is(request, "content-type:", "x-www-form-urlencoded")) {
                add_form(body, n, ret);
        } else {
                buf_add(ret, body, n);
        }
        json_decref(json);
}

static void add_upload(const struct http_request *request, const struct delivery *delivery,
                       struct buf *ret) {
        const char *name = request->upload;

        for (size_t i = 0; i < delivery->n_attachments; i++)
                if (strcmp(delivery->attachments[i].sha256, request->upload) == 0)
                        name = delivery->attachments[i].name;
        say_to(ret, MESSAGE_PREVIEW_UPLOAD, "name", name, NULL);
        buf_add(ret, request->tail.data, request->tail.len);
}

/* A login may be the secret in base64, where no mask finds it. */
static void add_header(const char *header, struct buf *ret) {
        static const char login[] = "authorization:";
        size_t n = sizeof(login) - 1;

        if (strncasecmp(header, login, n) == 0) {
                n += strspn(header + n, " ");
                n += strcspn(header + n, " ");
                buf_fmt(ret, "%.*s ******\n", (int) n, header);
        } else {
                buf_fmt(ret, "%s\n", header);
        }
}

static void print_masked(struct show *show, const char *name, const struct buf *text) {
        struct buf clean freed_by(buf_done) = { 0 };

        mask_text(&show->masks, buf_text(text), text->len, &clean);
        mask_numbers(&clean, show->open, show->n_open);
        buf_char(&clean, '\n');
        (void) fwrite(buf_text(&clean), 1, clean.len, stdout);
        if (!clean.error)
                put(show, name, clean.data, clean.len, true);
}

/* -- the steps --------------------------------------------------------------------------------------------------- */

static void add_host(const char *url, struct buf *ret) {
        const char *host = strstr(url, "://");

        host = host ? host + 3 : url;
        buf_add(ret, host, strcspn(host, "/?"));
}

void show_request(struct show *show, const struct http_request *request,
                  const struct delivery *delivery) {
        struct buf text freed_by(buf_done) = { 0 }, host freed_by(buf_done) = { 0 };
        char step[24], name[48];
        size_t n;
        const char *body = http_request_body(request, &n), *query;
        json_t *json;

        add_host(request->url, &host);
        tell(MESSAGE_PREVIEW_HTTP, HOLE("number", number(++show->step, step)),
             HOLE("host", buf_text(&host)), NULL);
        buf_fmt(&text, "%s %s\n", request->method, request->url);
        for (char **header = request->headers; header && *header; header++)
                add_header(*header, &text);
        buf_char(&text, '\n');
        if (n > 0)
                add_body(request, body, n, &text);
        if (request->upload)
                add_upload(request, delivery, &text);
        query = strchr(request->url, '?');
        if (query && n == 0 && !request->upload) /* then all that is said stands there */
                add_form(query + 1, strlen(query + 1), &text);
        (void) snprintf(name, sizeof(name), "step-%u.txt", show->step);
        print_masked(show, name, &text);
        show->page = 0;
        json = show->out && n > 0 ? json_loadb(body, n, 0, NULL) : NULL;
        find_pages(show, json, 0);
        json_decref(json);
}

void show_tcp(struct show *show, const struct tcp_step *step) {
        struct buf text freed_by(buf_done) = { 0 }, host freed_by(buf_done) = { 0 };
        const char *bytes = buf_text(&step->bytes);
        char at[24], count[24], name[48];

        buf_fmt(&host, "%s:%u", step->host, step->port);
        tell(MESSAGE_PREVIEW_TCP, HOLE("number", number(++show->step, at)),
             HOLE("host", buf_text(&host)), HOLE("count", number(step->bytes.len, count)));
        if (step->words)
                buf_fmt(&text, "%s\n\n", step->words);
        for (size_t i = 0; i < step->bytes.len; i++)
                buf_fmt(&text, "%02x%s", (unsigned) (unsigned char) bytes[i],
                        i % 32 == 31 ? "\n" : " ");
        (void) snprintf(name, sizeof(name), "step-%u.txt", show->step);
        print_masked(show, name, &text);
}

void show_mqtt(struct show *show, const struct mqtt_step *step) {
        show->step++;
        show->page = 0;
        for (size_t i = 0; i < step->n; i++) {
                const struct mqtt_message *message = &step->messages[i];
                struct buf text freed_by(buf_done) = { 0 };
                char at[24], count[24], name[64];

                tell(MESSAGE_PREVIEW_TCP, HOLE("number", number(show->step, at)),
                     HOLE("host", message->topic), HOLE("count", number(message->payload.len, count)));
                add_body(NULL, buf_text(&message->payload), message->payload.len, &text);
                (void) snprintf(name, sizeof(name), "step-%u-%zu.txt", show->step, i + 1);
                print_masked(show, name, &text);
        }
}

void show_answer(struct show *show, const struct reply *reply) {
        struct buf text freed_by(buf_done) = { 0 };

        if (reply->kind != STEP_HTTP)
                return;
        buf_fmt(&text, "HTTP %ld %.*s", reply->http.status, (int) reply->http.n_body,
                reply->http.body ? reply->http.body : "");
        tell(MESSAGE_PREVIEW_ANSWERED, HOLE("reply", buf_text(&text)), NULL, NULL);
        (void) putchar('\n');
}

void show_tree(struct show *show, const struct tree_commit *commit) {
        char count[24], removals[24];

        tell(MESSAGE_PREVIEW_TREE, HOLE("count", number(commit->n_files, count)),
             HOLE("removals", number(commit->n_removals, removals)), NULL);
        for (size_t i = 0; i < commit->n_files; i++) {
                const struct tree_file *file = &commit->files[i];
                const char *dot = strrchr(file->path, '.');

                if (file->content)
                        (void) printf("  %s  %zu\n", file->path, file->n_bytes);
                else
                        (void) printf("  %s  sha256:%.16s\n", file->path, file->sha256 ? file->sha256 : "");
                if (file->content)
                        put(show, file->path, file->content, file->n_bytes,
                            dot && strcmp(dot, ".html") == 0);
        }
}

/* The first ones: that there are more is enough to know. */
static void add_name(struct buf *names, size_t *n, const char *name) {
        if (*n <= MOST_NAMES)
                buf_fmt(names, "%s%s", *n ? ", " : "", *n < MOST_NAMES ? name : "…");
        (*n)++;
}

void show_book(struct show *show, const struct book *book) {
        struct buf names freed_by(buf_done) = { 0 };
        size_t n = 0;
        char step[24];
        const char *name;
        const json_t *value;
        size_t i;

        json_array_foreach(book->spend, i, value)
                add_name(&names, &n, json_string_value(json_object_get(value, "name")));
        json_object_foreach(book->put, name, value)
                add_name(&names, &n, name);
        json_array_foreach(book->get, i, value)
                add_name(&names, &n, json_string_value(value));
        tell(MESSAGE_PREVIEW_BOOK, HOLE("number", number(++show->step, step)),
             HOLE("names", buf_text(&names)), NULL);
}

void show_account(struct show *show) {
        char step[24];

        tell(MESSAGE_PREVIEW_ACCOUNT, HOLE("number", number(show->step + 1, step)), NULL, NULL);
}

void show_file_read(struct show *show, const char *path, const struct file_reply *reply) {
        char step[24], count[24];

        (void) number(++show->step, step);
        if (reply->error)
                tell(MESSAGE_PREVIEW_FILE_FAILED, HOLE("number", step), HOLE("path", path),
                     HOLE("reason", strerror(reply->error)));
        else
                tell(MESSAGE_PREVIEW_FILE, HOLE("number", step), HOLE("path", path),
                     HOLE("count", number(reply->n_bytes, count)));
}

void show_verdict(struct show *show, const struct verdict *verdict) {
        (void) show;
        if (verdict->kind == VERDICT_DONE)
                tell(MESSAGE_PREVIEW_DONE, HOLE("url", verdict->url ? verdict->url : ""), NULL, NULL);
        else
                tell(MESSAGE_PREVIEW_VERDICT, HOLE("code", verdict->code ? verdict->code : ""),
                     HOLE("reason", verdict->sentence ? verdict->sentence : ""), NULL);
}

void show_end(struct show *show) {
        (void) show;
        tell(MESSAGE_PREVIEW_ENDS, NULL, NULL, NULL);
}
