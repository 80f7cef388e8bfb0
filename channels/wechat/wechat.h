/* WeChat Official Account: what the driver's files share. All of it are pure functions.
 *
 * What is known of a document stands in two places. The book has its note "doc.<digest>", which
 * outlives revisions:
 *
 *         {"articles": {"<id>": {"edition": "7", "url": "https://mp.weixin.qq.com/..."}},
 *          "flights":  [{"edition", "mark", "media", "way", "at", "id"?, "looked"?, "binned"?}],
 *          "failed":   {"7": 1},
 *           "gone":     ["<id>"],
 *           "twice":    "GK..."}
 *
 * An article stands in the account, as far as we know, "mass:<msg_id>" where it was pushed. A
 * flight is a draft that may have been submitted and of which nothing better is known: it is
 * written down before the request leaves. `gone` is what was deleted, `twice` the mark of a draft
 * that had to be submitted twice. The note is read at the begin of an attempt and
 * written whole: who has the lease is alone with it. (A process that is frozen just between the
 * engine's look at its lease and the write, for more than a third of the lease, undoes what another
 * wrote since; what is published is in the store then, but a flight can be forgotten.)
 *
 * The memo has what one attempt found out; of it `draft`, `clean` and `again` outlive the attempt.
 * wechat_go() looks at both and says what is to be done next, so that it makes no difference where the
 * attempt before was cut off.
 *
 * Limits, endpoints and codes are those of the pages named in README.md, read in November 2026. */
#ifndef CHANNELS_WECHAT_WECHAT_H
#define CHANNELS_WECHAT_WECHAT_H

#include "channels/driver.h"

/* Per day, of an account with few followers ("API Call Limits" of the platform's papers). */
enum {
        WECHAT_SUBMITS = 100,
        WECHAT_GETS = 100,
        WECHAT_LISTS = 100,
        WECHAT_DELETES = 10,
        WECHAT_PUSHES = 100,
        WECHAT_FORCED_TOKENS = 20,
};

/* Of one article ("draft/add"). */
enum {
        WECHAT_TITLE = 32, /* characters; here UTF-16 units, which are never fewer */
        WECHAT_AUTHOR = 16,
        WECHAT_DIGEST = 128,
        WECHAT_BODY = 20000,            /* fewer than, markup included */
        WECHAT_LINK = 1024,             /* bytes */
        WECHAT_PICTURE_BYTES = 1 << 20, /* fewer than, of a picture in the text: jpg, png */
        WECHAT_COVER_BYTES = 10 << 20,  /* jpg, png, gif, bmp */
        WECHAT_PICTURES = 40, /* our own: as many as are uploaded for one text; the rest is named */
};

struct wechat_options {
        char *appid, *author, *cover, *cover_media, *template, *api;
        bool push;
        int64_t delete_reserve;
        int64_t poll_ms;    /* first look at a result */
        int64_t unclear_ms; /* so long a submission without an answer may still take effect */
};

/* One delivery under way. `state` is the memo's copy; a step takes it along. */
struct work {
        const struct delivery *delivery;
        const struct wechat_options *options;
        json_t *state;
        struct step *ret;
};

/* -- wechat.c -- */

/* The revision part without its repair: "7" "7e". */
void wechat_edition(const struct delivery *delivery, struct buf *ret);
/* "GK" and 16 hex digits that stand in the text, by which it is found again. */
void wechat_mark(const struct delivery *delivery, char ret[static 19]);
const char *wechat_text(const json_t *object, const char *key); /* "" where there is none */
int64_t wechat_number(const json_t *object, const char *key);   /* also of a string of digits */
/* The id that the platform gave, a number or a text without blanks, to be freed; else NULL. */
char *wechat_id(const json_t *object, const char *key);
/* The note of a job in their hands: "job" is the document's name, "done" what became of it. `way`:
 * "publish" "push". */
void wechat_job_name(const char *prefix, const char *way, const char *id, char ret[static 120]);

/* -- flow.c: what is next -- */

int wechat_go(struct work *work);
/* A reply of the book to what this file asked. */
int wechat_took(struct work *work, const char *at, const struct reply *reply);
/* A verdict with the part of the memo that outlives the attempt. The pairs are those of say(). */
__attribute__((sentinel)) int wechat_verdict(struct work *work, enum verdict_kind kind,
                                             const char *code, int64_t at_ms, enum message message,
                                             ...);
int wechat_done(struct work *work, const char *reference, const char *url);
/* The book, with `state.at`; what is given is taken. `get`, `put` or `spend` may be NULL. */
int wechat_book(struct work *work, const char *at, json_t *get, json_t *put, json_t *spend);
json_t *wechat_spend(const char *name, int limit);
/* The note of the document as it is to be kept, for `put`. */
json_t *wechat_put_note(const struct work *work);
void wechat_note_name(const struct delivery *delivery, char ret[static 48]);
bool wechat_is_publish(const struct work *work);
/* An article that stands there for all we know. */
int wechat_note_article(struct work *work, const char *id, const char *edition, const char *url);

/* -- publish.c: draft, submission -- */

int wechat_make(struct work *work);
int wechat_submit(struct work *work, json_t *flight);
int wechat_made(struct work *work, const char *at, const struct reply *reply);
void wechat_media_names(const struct work *work, json_t *names);

int wechat_read_file(struct work *work, const char *at, const char *path);
/* The default cover, and the template; *ret_type NULL and *ret_good false: it cannot be used, and the
 * verdict says why. */
int wechat_check_cover(struct work *work, const struct file_reply *file, const char **ret_type);
int wechat_check_template(struct work *work, const struct file_reply *file, bool *ret_good);

/* -- follow.c: what became of a flight -- */

/* Own: what is shown of this delivery. Foreign: what an older one may have left in the air. */
int wechat_follow(struct work *work, json_t *flight, bool own, bool *ret_more);
/* Whether a draft that had to be submitted twice became two articles; what is found is noted. */
int wechat_look_twice(struct work *work);
int wechat_followed(struct work *work, const char *at, const struct reply *reply);

/* -- tidy.c: what stands there and is not to -- */

int wechat_tidy(struct work *work, const char *own);
int wechat_tidied(struct work *work, const char *at, const struct reply *reply);

/* -- request.c -- */

enum { CALL_HARMLESS = 1, CALL_CHECKPOINT = 2 };

/* A POST of JSON; `body` is taken, NULL is a GET. Where there is no account it is asked for
 * instead; its reply leads to wechat_go(), which comes here again. */
int wechat_call(struct work *work, const char *at, const char *path, json_t *body, unsigned flags);

struct upload {
        const char *path; /* with its query */
        const char *media_type;
        const char *sha256; /* of the attachment; NULL: `bytes` */
        const char *bytes;
        size_t n_bytes;
};
int wechat_upload(struct work *work, const char *at, const struct upload *upload);
int wechat_request_json(struct step *ret, const char *url, json_t *body, unsigned flags);
bool wechat_account_good(const struct delivery *delivery);

/* -- codes.c: what an answer means -- */

enum wechat_class {
        CLASS_OK,
        CLASS_NOT_SENT, /* no connection: nothing happened */
        CLASS_LOST,     /* sent, no answer */
        CLASS_GARBLED,  /* 5xx, or no JSON */
        CLASS_REFRESH,
        CLASS_AUTH,
        CLASS_MINUTE,
        CLASS_SIXTY,
        CLASS_TEN,
        CLASS_HOUR,
        CLASS_DAY,
        CLASS_MIDNIGHT,
        CLASS_MONTH,
        CLASS_ADMIN, /* a push waits for the administrator */
        CLASS_BUSY,
        CLASS_DUP,
        CLASS_MEDIA, /* a media id is gone */
        CLASS_CONTENT,
        CLASS_RECIPIENT,
        CLASS_GONE, /* the article is */
        CLASS_PROGRAM,
        CLASS_UNKNOWN,
};

struct answer {
        enum wechat_class class;
        json_t *json; /* owned; NULL where it cannot be read */
        int64_t code;
        long status;
        char words[256]; /* theirs, or the transport's; fit for a sentence */
};

/* `token`: an endpoint that gives tokens, where 40001 says that the secret is wrong. */
void wechat_read(const struct http_reply *reply, bool token, struct answer *ret);
void wechat_answer_done(struct answer *answer);
enum wechat_class wechat_class_of(int64_t code, bool token);
/* The verdict on any answer but OK, DUP and REFRESH. `harmless` as that of the request; `what`: a
 * message that says what was asked for. */
int wechat_judge(struct work *work, const struct answer *answer, bool harmless, enum message what);
/* Refused for its token: the account is made anew, at most twice for one request. */
int wechat_refresh(struct work *work, const struct answer *answer);
/* The next 00:00 in Asia/Shanghai; the first of the next month there. */
int64_t wechat_midnight(int64_t now_ms);
int64_t wechat_next_month(int64_t now_ms);

/* -- account.c: the token -- */

int wechat_account_begin(const struct delivery *delivery, struct step *ret);
int wechat_account_next(const struct delivery *delivery, const struct reply *reply,
                        struct step *ret);

/* -- article.c, cut.c: the text -- */

/* The attachment that is the cover, or NULL. */
const struct attachment *wechat_cover(const struct delivery *delivery);
/* Whether the bytes can stand in a text, or be a cover. */
bool wechat_is_picture(const struct attachment *attachment);
/* Names of the pictures that the text shows and that can be uploaded, in their order, none twice.
 */
int wechat_pictures(const struct delivery *delivery, json_t **ret);
/* The body of draft/add. `urls`: digest -> address of what was uploaded; `template`: NULL = our
 * own. -EINVAL with *ret_error filled; -E2BIG: the template leaves no room. */
struct template_error;
int wechat_article(const struct delivery *delivery, const json_t *urls, const char *thumb,
                   const char *template, json_t **ret, struct template_error *ret_error);
/* The longest beginning of `html` (as content_render() writes it) of at most `most` UTF-16 units
 * that ends where an element ends, with all that is open closed. */
int wechat_cut(const char *html, size_t most, struct buf *ret);

/* -- probe.c: DELIVER_TEST -- */

int wechat_probe(struct work *work);
int wechat_probed(struct work *work, const char *at, const struct reply *reply);

/* -- callback.c, seal.c, event.c: what the platform pushes -- */

int wechat_callback(const struct call *call, const void *options, const char *secret,
                    int64_t now_ms, struct call_answer *ret);

/* sha1 hex over the sorted texts joined; `n` at most 4. */
void wechat_signature(const char *const *texts, size_t n, char ret[static 41]);
/* What was encrypted for `appid` under the 43 letters of the key: -EINVAL where it is no such
 * thing, -EACCES where it is somebody else's. */
int wechat_open(const char *sealed, size_t n_sealed, const char *aes_key, const char *appid,
                struct buf *ret);

/* The elements of the platform's XML that we know, as path -> text. No DOCTYPE, no entity but the
 * five. -EINVAL. */
int wechat_xml(const char *xml, size_t n_bytes, json_t **ret);

#endif
