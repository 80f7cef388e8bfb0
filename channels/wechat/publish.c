/* Pictures and cover up, the draft, its submission. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/digest.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/template.h"
#include "core/unicode.h"

enum { ADMIN_MS = 30 * 60 * 1000, JOB_DAYS = 7 };

static int set(json_t *object, const char *key, json_t *value) {
        return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

/* -- what the book knows of uploads -- */

static void picture_name(const char *sha256, bool cover, char to[static 80]) {
        (void) snprintf(to, 80, "%s.%.64s", cover ? "cover" : "picture", sha256);
}

static const struct attachment *attachment_of(const struct delivery *delivery, const char *name) {
        for (size_t i = 0; i < delivery->n_attachments; i++)
                if (strcmp(delivery->attachments[i].name, name) == 0)
                        return &delivery->attachments[i];
        return NULL;
}

void wechat_media_names(const struct work *work, json_t *names) {
        const struct delivery *delivery = work->delivery;
        const struct attachment *cover = wechat_cover(delivery);
        json_t *pictures freed_by(json_decrefp) = NULL, *picture;
        char name[80];
        size_t i;

        (void) json_array_append_new(names, json_string("push-none"));
        if (cover) {
                picture_name(cover->sha256, true, name);
                (void) json_array_append_new(names, json_string(name));
        }
        if (wechat_pictures(delivery, &pictures) < 0)
                return;
        json_array_foreach (pictures, i, picture) {
                picture_name(attachment_of(delivery, json_string_value(picture))->sha256, false,
                             name);
                (void) json_array_append_new(names, json_string(name));
        }
}

static const char *known(const struct work *work, const char *name) {
        return wechat_text(json_object_get(work->state, "book"), name);
}

/* Remembers what was uploaded: in this attempt, and in the book for all that come after. */
static int learn(struct work *work, const char *name, const char *value) {
        json_t *put = json_object_get(work->state, "put");
        int r = 0;

        if (!put) {
                put = json_object();
                r = set(work->state, "put", put);
        }
        if (r == 0)
                r = set(put, name, *value ? json_pack("{s:s}", "value", value) : json_null());
        if (r == 0)
                r = set(json_object_get(work->state, "book"), name, json_string(value));
        return r < 0 ? r : set(work->state, "dirty", json_true());
}

/* -- pictures and cover -- */

static int upload(struct work *work, const struct attachment *attachment, bool cover) {
        const struct upload up = {
                .path = cover ? "/cgi-bin/material/add_material?type=image"
                              : "/cgi-bin/media/uploadimg",
                .media_type = attachment->media_type,
                .sha256 = attachment->sha256,
        };
        char name[80];

        picture_name(attachment->sha256, cover, name);
        if (set(work->state, "target", json_string(name)) < 0)
                return -ENOMEM;
        return wechat_upload(work, cover ? "cover" : "picture", &up);
}

int wechat_read_file(struct work *work, const char *at, const char *path) {
        if (set(work->state, "at", json_string(at)) < 0)
                return -ENOMEM;
        *work->ret = (struct step) { .kind = STEP_FILE, .memo = json_incref(work->state) };
        work->ret->file.path = strdup(path);
        return work->ret->file.path ? 0 : -ENOMEM;
}

static int bad_file(struct work *work, const char *path, const char *reason) {
        return wechat_verdict(work, VERDICT_BLOCKED, "wechat/file", 0, MESSAGE_WECHAT_BAD_FILE,
                              "path", path, "reason", reason, NULL);
}

/* -- the files that the options name -- */

static const char *picture_type(const struct file_reply *file) {
        static const struct {
                const char *bytes, *type;
        } marks[] = { { "\x89PNG", "image/png" },
                      { "\xff\xd8\xff", "image/jpeg" },
                      { "GIF8", "image/gif" },
                      { "BM", "image/bmp" } };

        for (size_t i = 0; i < ELEMENTS(marks); i++)
                if (file->n_bytes > 16 && file->n_bytes <= WECHAT_COVER_BYTES &&
                    memcmp(file->bytes, marks[i].bytes, strlen(marks[i].bytes)) == 0)
                        return marks[i].type;
        return NULL;
}

int wechat_check_cover(struct work *work, const struct file_reply *file, const char **ret_type) {
        const char *path = work->options->cover;

        *ret_type = file->bytes ? picture_type(file) : NULL;
        if (*ret_type)
                return 0;
        if (!file->bytes && file->error != E2BIG)
                return bad_file(work, path, strerror(file->error));
        return wechat_verdict(work, VERDICT_BLOCKED, "wechat/file", 0, MESSAGE_WECHAT_BAD_PICTURE,
                              "path", path, NULL);
}

static int bad_template(struct work *work, int error, const struct template_error *wrong) {
        const char *path = work->options->template ? work->options->template : "-";
        char line[24];

        if (error == -E2BIG)
                return wechat_verdict(work, VERDICT_BLOCKED, "wechat/template", 0,
                                      MESSAGE_WECHAT_LONG_TEMPLATE, "path", path, NULL);
        if (error != -EINVAL)
                return error;
        (void) snprintf(line, sizeof(line), "%u", wrong->line);
        return wechat_verdict(work, VERDICT_BLOCKED, "wechat/template", 0,
                              MESSAGE_WECHAT_BAD_TEMPLATE, "path", path, "line", line, "reason",
                              wrong->sentence ? wrong->sentence : "", NULL);
}

int wechat_check_template(struct work *work, const struct file_reply *file, bool *ret_good) {
        struct template_error wrong freed_by(template_error_done) = { 0 };
        const char *path = work->options->template;
        int r;

        *ret_good = false;
        if (!file->bytes && file->error == E2BIG)
                return bad_template(work, -E2BIG, NULL);
        if (!file->bytes)
                return bad_file(work, path, strerror(file->error));
        if (unicode_valid(file->bytes, file->n_bytes) < file->n_bytes ||
            strlen(file->bytes) < file->n_bytes)
                return bad_file(work, path, strerror(EILSEQ));
        r = template_check(&(struct template) { .text = file->bytes, .escape = ESCAPE_HTML },
                           &wrong);
        *ret_good = r == 0;
        return r < 0 ? bad_template(work, r, &wrong) : 0;
}

/* The default cover: known by its digest, so that another file under the same name is another one.
 */
static int have_cover_file(struct work *work, const struct file_reply *file) {
        char digest[DIGEST_TEXT], name[80];
        const char *type;
        int r = wechat_check_cover(work, file, &type);

        if (r < 0 || !type)
                return r;
        digest_bytes(file->bytes, file->n_bytes, digest);
        picture_name(digest, true, name);
        if (set(work->state, "cover", json_string(name)) < 0)
                return -ENOMEM;
        if (*known(work, name))
                return wechat_go(work);
        if (!json_object_get(work->state, "asked")) {
                if (set(work->state, "asked", json_true()) < 0)
                        return -ENOMEM;
                return wechat_book(work, "covers", json_pack("[s]", name), NULL, NULL);
        }
        if (set(work->state, "target", json_string(name)) < 0)
                return -ENOMEM;
        return wechat_upload(work, "cover",
                             &(struct upload) { .path = "/cgi-bin/material/add_material?type=image",
                                               .media_type = type,
                                               .bytes = file->bytes,
                                               .n_bytes = file->n_bytes });
}

static int have_cover_note(struct work *work, const struct book_reply *book) {
        const char *name = wechat_text(work->state, "cover"),
                   *value = wechat_text(book->values, name);

        if (book->error)
                return wechat_took(work, "covers",
                                   &(struct reply) { .kind = STEP_BOOK, .book = *book });
        if (*value && set(json_object_get(work->state, "book"), name, json_string(value)) < 0)
                return -ENOMEM;
        return wechat_go(work);
}

static int uploaded(struct work *work, const struct http_reply *http, bool cover) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        const char *value;

        wechat_read(http, false, &answer);
        value = wechat_text(answer.json, cover ? "media_id" : "url");
        if (answer.class == CLASS_REFRESH)
                return wechat_refresh(work, &answer);
        if (answer.class == CLASS_OK && (!*value || strlen(value) > 2000))
                answer.class = CLASS_GARBLED;
        if (answer.class != CLASS_OK)
                return wechat_judge(work, &answer, true,
                                    cover ? MESSAGE_WECHAT_FIELD_COVER
                                          : MESSAGE_WECHAT_FIELD_PICTURE);
        (void) json_object_del(work->state, "refused");
        return learn(work, wechat_text(work->state, "target"), value) < 0 ? -ENOMEM
                                                                          : wechat_go(work);
}

/* The cover's media id in *ret, or a step that gets nearer to it. */
static int need_cover(struct work *work, const char **ret) {
        const struct attachment *cover = wechat_cover(work->delivery);
        char name[80];

        if (cover) {
                picture_name(cover->sha256, true, name);
                *ret = known(work, name);
                return **ret ? 0 : upload(work, cover, true);
        }
        if (!work->options->cover) {
                *ret = work->options->cover_media ? work->options->cover_media : "";
                return 0;
        }
        *ret = known(work, wechat_text(work->state, "cover"));
        return **ret ? 0 : wechat_read_file(work, "coverfile", work->options->cover);
}

/* Digest -> address of the pictures, or a step that uploads the next one (*ret NULL then). */
static int need_pictures(struct work *work, json_t **ret) {
        json_t *pictures freed_by(json_decrefp) = NULL, *picture;
        json_t *urls freed_by(json_decrefp) = json_object();
        char name[80];
        size_t i;
        int r = urls ? wechat_pictures(work->delivery, &pictures) : -ENOMEM;

        *ret = NULL;
        if (r < 0)
                return r;
        json_array_foreach (pictures, i, picture) {
                const struct attachment *attachment =
                        attachment_of(work->delivery, json_string_value(picture));

                picture_name(attachment->sha256, false, name);
                if (!*known(work, name))
                        return upload(work, attachment, false);
                if (set(urls, attachment->sha256, json_string(known(work, name))) < 0)
                        return -ENOMEM;
        }
        *ret = give_away(urls);
        return 0;
}

/* -- the draft -- */

static int add_draft(struct work *work, const char *template) {
        struct template_error wrong freed_by(template_error_done) = { 0 };
        json_t *urls freed_by(json_decrefp) = NULL, *body = NULL;
        const char *thumb = "";
        int r = need_pictures(work, &urls);

        if (r < 0 || !urls)
                return r;
        r = need_cover(work, &thumb);
        if (r < 0 || !*thumb)
                return r;
        r = wechat_article(work->delivery, urls, thumb, template, &body, &wrong);
        if (r < 0)
                return bad_template(work, r, &wrong);
        return wechat_call(work, "draft", "/cgi-bin/draft/add", body, CALL_HARMLESS);
}

static int have_template(struct work *work, const struct file_reply *file) {
        bool good;
        int r = wechat_check_template(work, file, &good);

        return r < 0 || !good ? r : add_draft(work, file->bytes);
}

/* A picture or the cover is not there any more: all are uploaded anew, once. */
static int forget_media(struct work *work) {
        json_t *book = json_object_get(work->state, "book");
        const char *name;
        json_t *value;
        void *next;
        int r = set(work->state, "again", json_true());

        json_object_foreach_safe(book, next, name,
                                 value) if (r == 0 && (strncmp(name, "picture.", 8) == 0 ||
                                                       strncmp(name, "cover.", 6) == 0)) r =
                learn(work, name, "");
        return r < 0 ? r : wechat_go(work);
}

static int drafted(struct work *work, const struct http_reply *http) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        char *media freed_by(freep) = NULL;

        wechat_read(http, false, &answer);
        if (answer.class == CLASS_REFRESH)
                return wechat_refresh(work, &answer);
        if (answer.class == CLASS_MEDIA && !json_object_get(work->state, "again") &&
            (wechat_cover(work->delivery) || work->options->cover))
                return forget_media(work);
        if (answer.class == CLASS_OK)
                media = wechat_id(answer.json, "media_id");
        if (answer.class == CLASS_OK && !media)
                answer.class = CLASS_GARBLED;
        if (!media)
                return wechat_judge(work, &answer, true, MESSAGE_WECHAT_DO_PUBLISH);
        (void) json_object_del(work->state, "refused");
        return set(work->state, "draft", json_string(media)) < 0 ? -ENOMEM : wechat_go(work);
}

/* -- the submission -- */

static bool pushes(const struct work *work) {
        const struct delivery *delivery = work->delivery;

        return work->options->push && !delivery->reference && delivery->first_shown_ms == 0 &&
               !delivery->ended && !*known(work, "push-none");
}

/* Before anything leaves, the book says that it may have. */
static int allow(struct work *work) {
        bool push = pushes(work);
        json_t *flights = json_object_get(json_object_get(work->state, "note"), "flights"), *flight;
        struct buf edition freed_by(buf_done) = { 0 };
        char mark[19];

        wechat_edition(work->delivery, &edition);
        wechat_mark(work->delivery, mark);
        flight = json_pack("{s:s, s:s, s:s, s:s, s:I}", "edition", buf_text(&edition), "mark", mark,
                           "media", wechat_text(work->state, "draft"), "way",
                           push ? "push" : "publish", "at", (json_int_t) work->delivery->now_ms);
        if (!flight || json_array_append_new(flights, flight) < 0 ||
            set(work->state, "ready", json_true()) < 0)
                return -ENOMEM;
        return wechat_book(work, "allowed", NULL, wechat_put_note(work),
                           push ? wechat_spend("push", WECHAT_PUSHES)
                                : wechat_spend("submit", WECHAT_SUBMITS));
}

static int allowed(struct work *work, const struct book_reply *book) {
        char *what freed_by(freep) = NULL;
        char limit[24], when[MOMENT_TEXT];

        if (book->error)
                return wechat_took(work, "allowed",
                                   &(struct reply) { .kind = STEP_BOOK, .book = *book });
        if (book->spent)
                return wechat_go(work);
        what = say(MESSAGE_WECHAT_DO_PUBLISH, NULL);
        (void) snprintf(limit, sizeof(limit), "%d", WECHAT_SUBMITS);
        return wechat_verdict(work, VERDICT_WAIT, "wechat/quota", book->opens_ms,
                              MESSAGE_WECHAT_OWN_QUOTA, "what", what ? what : "", "limit", limit,
                              "when", moment_write_minute(book->opens_ms, when), NULL);
}

int wechat_make(struct work *work) {
        json_t *urls freed_by(json_decrefp) = NULL;
        const char *thumb = "";
        int r;

        if (*wechat_text(work->state, "draft"))
                return allow(work);
        r = need_pictures(work, &urls);
        if (r < 0 || !urls)
                return r;
        r = need_cover(work, &thumb);
        if (r < 0 || !*thumb)
                return r;
        return work->options->template ? wechat_read_file(work, "template", work->options->template)
                                       : add_draft(work, NULL);
}

int wechat_submit(struct work *work, json_t *flight) {
        const char *media = wechat_text(flight, "media"), *mark = wechat_text(flight, "mark");

        if (set(work->state, "flight", json_string(mark)) < 0)
                return -ENOMEM;
        /* From here on nothing is certain any more: so says the memo that is put on disk first. */
        if (wechat_account_good(work->delivery))
                (void) json_object_del(work->state, "clean");
        if (strcmp(wechat_text(flight, "way"), "publish") == 0)
                return wechat_call(work, "submitted", "/cgi-bin/freepublish/submit",
                                   json_pack("{s:s}", "media_id", media), CALL_CHECKPOINT);
        return wechat_call(work, "pushed", "/cgi-bin/message/mass/sendall",
                           json_pack("{s:{s:b}, s:s, s:{s:s}, s:i, s:s}", "filter", "is_to_all", 1,
                                     "msgtype", "mpnews", "mpnews", "media_id", media,
                                     "send_ignore_reprint", 1, "clientmsgid", mark),
                           CALL_CHECKPOINT);
}

static json_t *flight_of(const struct work *work, size_t *ret_index) {
        const json_t *flights = json_object_get(json_object_get(work->state, "note"), "flights");
        const char *mark = wechat_text(work->state, "flight");
        json_t *flight, *found = NULL;
        size_t i;

        json_array_foreach (flights, i, flight)
                if (!found && strcmp(wechat_text(flight, "mark"), mark) == 0) {
                        found = flight;
                        *ret_index = i;
                }
        return found;
}

/* It is in their hands, under this number. Who is told of its end finds the document by it. */
static int in_their_hands(struct work *work, json_t *flight, const char *id) {
        char name[120];
        json_t *put = json_object_get(work->state, "put"), *note;

        wechat_job_name("job", wechat_text(flight, "way"), id, name);
        note = json_pack("{s:s, s:I}", "value", work->delivery->document, "ms",
                         (json_int_t) JOB_DAYS * 24 * 3600 * 1000);
        if (!put && set(work->state, "put", put = json_object()) < 0)
                return -ENOMEM;
        (void) json_object_del(work->state, "clean");
        (void) json_object_del(work->state, "refused");
        if (set(put, name, note) < 0 || set(flight, "id", json_string(id)) < 0 ||
            set(flight, "at", json_integer(work->delivery->now_ms)) < 0 ||
            set(work->state, "dirty", json_true()) < 0)
                return -ENOMEM;
        return wechat_go(work);
}

/* The draft is not there. Never submitted, it is made anew, once; else it may be out. */
static int draft_gone(struct work *work, const struct answer *answer, json_t *flight,
                      size_t index) {
        json_t *note = json_object_get(work->state, "note");
        bool first = wechat_number(flight, "tries") == 0;

        if (!first) {
                (void) json_object_del(work->state, "ready");
                (void) json_object_del(work->state, "clean");
                return set(flight, "left", json_true()) < 0 ||
                                       set(work->state, "dirty", json_true()) < 0
                               ? -ENOMEM
                               : wechat_go(work);
        }
        if (json_object_get(work->state, "again"))
                return wechat_judge(work, answer, false, MESSAGE_WECHAT_DO_PUBLISH);
        (void) json_array_remove(json_object_get(note, "flights"), index);
        (void) json_object_del(work->state, "draft");
        (void) json_object_del(work->state, "ready");
        if (set(work->state, "again", json_true()) < 0 ||
            set(work->state, "dirty", json_true()) < 0)
                return -ENOMEM;
        return wechat_go(work);
}

/* No pushes left today: the law's day comes before the followers. */
static int no_push(struct work *work, size_t index) {
        json_t *note = json_object_get(work->state, "note"),
               *put = json_object_get(work->state, "put");
        int64_t now_ms = work->delivery->now_ms;

        (void) json_array_remove(json_object_get(note, "flights"), index);
        (void) json_object_del(work->state, "ready");
        if ((!put && set(work->state, "put", put = json_object()) < 0) ||
            set(put, "push-none",
                json_pack("{s:s, s:I}", "value", "1", "ms",
                          (json_int_t) (wechat_midnight(now_ms) - now_ms))) < 0 ||
            set(json_object_get(work->state, "book"), "push-none", json_string("1")) < 0 ||
            set(work->state, "dirty", json_true()) < 0)
                return -ENOMEM;
        return wechat_go(work);
}

static int submitted(struct work *work, const struct http_reply *http, bool push) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        enum message what = push ? MESSAGE_WECHAT_DO_PUSH : MESSAGE_WECHAT_DO_PUBLISH;
        char *id freed_by(freep) = NULL;
        size_t index = 0;
        json_t *flight = flight_of(work, &index);

        if (!flight)
                return -EINVAL;
        wechat_read(http, false, &answer);
        if (answer.class == CLASS_OK || answer.class == CLASS_DUP || answer.class == CLASS_ADMIN)
                id = wechat_id(answer.json, push ? "msg_id" : "publish_id");
        if (id)
                return in_their_hands(work, flight, id);
        if (answer.class == CLASS_OK || answer.class == CLASS_DUP)
                answer.class = CLASS_GARBLED;
        if (answer.class == CLASS_REFRESH)
                return wechat_refresh(work, &answer);
        if (answer.class == CLASS_MEDIA)
                return draft_gone(work, &answer, flight, index);
        if (push && answer.code == 45028)
                return no_push(work, index);
        if (push && answer.class == CLASS_ADMIN &&
            work->delivery->now_ms > wechat_number(flight, "at") + ADMIN_MS)
                return wechat_verdict(work, VERDICT_REFUSED, "wechat/push", 0,
                                      MESSAGE_WECHAT_PUSH_FAILED, "reason", answer.words, NULL);
        /* Refused for certain, or not sent: the next attempt need not look whether it is there. */
        if (answer.class != CLASS_LOST && answer.class != CLASS_GARBLED &&
            answer.class != CLASS_BUSY)
                if (set(work->state, "clean", json_true()) < 0)
                        return -ENOMEM;
        return wechat_judge(work, &answer, false, what);
}

int wechat_made(struct work *work, const char *at, const struct reply *reply) {
        if (strcmp(at, "picture") == 0 || strcmp(at, "cover") == 0)
                return uploaded(work, &reply->http, *at == 'c');
        if (strcmp(at, "coverfile") == 0)
                return have_cover_file(work, &reply->file);
        if (strcmp(at, "covers") == 0)
                return have_cover_note(work, &reply->book);
        if (strcmp(at, "template") == 0)
                return have_template(work, &reply->file);
        if (strcmp(at, "draft") == 0)
                return drafted(work, &reply->http);
        if (strcmp(at, "allowed") == 0)
                return allowed(work, &reply->book);
        if (strcmp(at, "submitted") == 0)
                return submitted(work, &reply->http, false);
        if (strcmp(at, "pushed") == 0)
                return submitted(work, &reply->http, true);
        return -ENOENT;
}
