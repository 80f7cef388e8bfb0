/* Weibo (微博开放平台): what the files of its driver share. Everything here is a pure function.
 *
 * A publication is one post by statuses/share: the text, and the address of the full text under the
 * app's safe domain. Weibo knows no keys: the same request twice is two posts, or an error. So
 *
 *         begin --> recall --> look? --> note --> share --> posted --> destroy what is old --> done
 *                               ^                  |
 *                               |                  no answer, HTTP 5xx, 20019, 20017, 20032
 *                               +------------------+
 *
 * and nothing that may have been posted is posted again before user_timeline was read. A revision
 * is a new post, and then the old one goes; a withdrawal destroys what is known and looks for what
 * may still come. The memo (memo.c) tells where a delivery is; the book, what an earlier revision
 * may have posted, whose memo is gone.
 *
 * Wire facts, read on 2026-11-24 unless said: open.weibo.com/wiki/2/statuses/share (parameters, 140
 * characters, safe domain, no #topic#, rip required, picture JPEG/GIF/PNG below 5 MB),
 * /Oauth2/get_token_info, /Oauth2/authorize and /OAuth2/access_token (2026-11-29; the page is of
 * 2022-10-11), /C/2/statuses/user_timeline/biz (2026-11-29: count at most 100, trim_user; without
 * uid it is the authorised account's own). Error codes: see codes.c. */
#ifndef CHANNELS_WEIBO_WEIBO_H
#define CHANNELS_WEIBO_WEIBO_H

#include "channels/driver.h"

enum weibo_on_revise { WEIBO_REPOST, WEIBO_KEEP };

struct weibo_options {
        char *address; /* https://api.weibo.com */
        char *app_key;
        char *redirect_uri;
        char *safe_domain;
        char *rip;
        int on_revise;      /* enum weibo_on_revise */
        int64_t appears_ms; /* so long after it was sent a post can still appear */
};

enum {
        WEIBO_HALVES = 280,            /* "140 characters" */
        WEIBO_PICTURE_BYTES = 5000000, /* "below 5 MB": the smaller reading of it */
        WEIBO_WARN_DAYS = 7,
};

/* -- text.c: the post's text -- */

/* Its length in halves by Weibo's rule; it must not pass WEIBO_HALVES. A code point up to U+0080
 * counts 1, others 2 for each UTF-16 unit; an address (http:// or https://) counts 20, and what it
 * has over 140 bytes; one at t.cn counts as text, one at weibo.com or weibo.cn of at most 41 bytes
 * as many halves as it has bytes. (The rule that WeCase's TweetUtils follows, read on 2026-11-24:
 * "我司CEO与我司吉祥物...好大一坨！" are 16 characters.) */
size_t weibo_halves(const char *text);
/* "【title（number）】summary… URL", or texts.short in place of the first two; a correction's note
 * goes along, and what has ended or is no longer in force says so. To be freed; NULL: memory is
 * short. */
char *weibo_text(const json_t *data, const char *url, bool ended);
/* Whether a post in the account is the one that we sent, though Weibo has shortened its addresses
 * and escaped its signs. */
bool weibo_same_text(const char *sent, const char *seen);
/* https, or http for a test; no blank, no fragment; at most 1 KiB. */
bool weibo_url_is_sound(const char *url);
/* Whether its host is `domain` or ends in ".domain". */
bool weibo_url_is_under(const char *url, const char *domain);

/* -- codes.c: what an answer means -- */

enum weibo_meaning {
        WEIBO_FINE,
        WEIBO_SAME,    /* 20019 20111: these very words were posted before */
        WEIBO_SIMILAR, /* 20017 */
        WEIBO_LATE,    /* 20032: posted, to be seen in a minute or two */
        WEIBO_GONE,    /* 20101: no such post (any more) */
        WEIBO_TROUBLE, /* anything else: weibo_trouble() says what */
};

struct weibo_answer {
        enum weibo_meaning meaning;
        json_t *json;      /* NULL: it is none */
        long code;         /* error_code, 0 = none */
        const char *error; /* what Weibo says of it, or NULL; borrowed from json */
};

void weibo_read(const struct http_reply *reply, struct weibo_answer *ret);
void weibo_answer_done(struct weibo_answer *answer);
/* The verdict on an answer that is not WEIBO_FINE. `posts`: the request was a share, of which no
 * clear answer means that it may have been posted. */
int weibo_trouble(const struct delivery *delivery, const struct http_reply *reply,
                  const struct weibo_answer *answer, bool posts, struct step *ret);
/* The same for WEIBO_SAME and WEIBO_SIMILAR once the account was searched in vain: `again`: it was
 * tried a second time. */
int weibo_refusal(const struct delivery *delivery, long code, const char *error, bool again,
                  struct step *ret);
/* The id of a post, digits only, or NULL; `ret` holds it. */
enum { WEIBO_ID = 24 };
const char *weibo_id(const json_t *status, char ret[static WEIBO_ID]);
/* Where people see it: https://weibo.com/UID/MID, MID being the id in base 62 (groups of seven
 * digits to four, from the end). To be freed; NULL when the answer does not tell. */
char *weibo_post_url(const json_t *status);
/* "Tue May 31 17:46:55 +0800 2011", or 0. */
int64_t weibo_moment(const char *created_at);

/* -- request.c -- */

/* *ret_step becomes a request, without memo. 0 or -ENOMEM. `token` from the secret. */
int weibo_share(const struct delivery *delivery, const char *token, const char *text,
                struct step *ret);
int weibo_destroy(const struct delivery *delivery, const char *token, const char *id,
                  struct step *ret);
int weibo_timeline(const struct delivery *delivery, const char *token, unsigned page,
                   struct step *ret);
int weibo_token_info(const struct delivery *delivery, const char *token, struct step *ret);
int weibo_exchange(const struct delivery *delivery, const char *app_secret, const char *code,
                   struct step *ret);
/* The picture that goes along, or NULL. */
const struct attachment *weibo_picture(const struct delivery *delivery);
/* Posts on a page of the timeline, and pages that are read. */
enum { WEIBO_PAGE = 50, WEIBO_PAGES = 10 };

/* -- memo.c: where a delivery is --
 *
 *         key    of the delivery that wrote it
 *         do     recall note share late posted look destroy forget: what the next reply answers
 *         noted  true: the book has the id
 *         owes   true: the book has more to go than there is
 *         text   the words that were, or may have been, posted under `key`; at: when, ms
 *         id     the post that shows this very revision; url: where
 *         old    ids to be destroyed
 *         older  {text, at}: words of an earlier revision that may have been posted
 *         late   true: Weibo has taken them (20032)
 *         why    20019 or 20017: what the share was answered with; says: Weibo's words
 *         similar true: 20017 was waited for once
 *         page   of the timeline that was asked for
 *         since  no post before this moment is one of ours, ms */

/* What is known at the begin: the memo as it is when it is this delivery's, else a new one with
 * what an earlier revision left. NULL: memory is short. */
json_t *weibo_memo_open(const struct delivery *delivery);
const char *weibo_memo_text(const json_t *memo, const char *key); /* or NULL */
int64_t weibo_memo_number(const json_t *memo, const char *key);
/* Adds an id to `old`, not twice, and not the one under `id`. */
void weibo_memo_old(json_t *memo, const char *id);
/* Takes one page into account: ids of ours and of older ones go where they belong. True when the
 * next page must be read too. */
bool weibo_memo_scan(json_t *memo, const struct delivery *delivery, const json_t *statuses);

/* The note of a document in the book: {text, at, late, id} of what was last sent of it, whichever
 * revision that was; without an id it may have been posted. `old` is what else is to go and the store does
 * not know. A newer revision finds no memo of it, nor does an attempt that was put off before it sent. */
enum { WEIBO_NOTE = 80 };
void weibo_note_name(const struct delivery *delivery, char ret[static WEIBO_NOTE]);
/* For `put` of a struct book, or NULL; notes in the memo whether it is to be written once more. */
json_t *weibo_note(const struct delivery *delivery, json_t *memo);
void weibo_memo_recall(json_t *memo, const char *note); /* becomes `older`, or its id old */
/* `older` with these very words is what was sent of this revision. */
void weibo_memo_merge(json_t *memo);

/* -- post.c: the steps -- */

int weibo_begin(const struct delivery *delivery, struct step *ret);
int weibo_next(const struct delivery *delivery, const struct reply *reply, struct step *ret);

/* -- login.c: what is granted -- */

char *weibo_token(const char *secret); /* to be freed by secret_part_free(); NULL = none */
int64_t weibo_expires(const void *options, const char *secret); /* ms; 0 = not known */
int weibo_judge_token(const struct delivery *delivery, const struct http_reply *reply,
                      struct step *ret);
int weibo_login_address(const void *options, const char *secret, struct buf *ret);
int weibo_login_begin(const struct delivery *delivery, const char *code, struct step *ret);
int weibo_login_next(const struct delivery *delivery, const struct reply *reply, struct step *ret,
                     struct buf *ret_secret);

#endif
