/* Short messages: what the drivers mas, aliyun and kannel share. Everything here is a pure function.
 *
 * One notice goes to many. A delivery runs so (round.c):
 *
 *         book    how far are we?            list    who is it for? (the account)
 *         fix     what is in doubt?          claim   a batch, and its share of the day's ceiling
 *         send    the batch                  record  what became of it; the next claim
 *
 * How far we are stands in the channel's book, not in the memo: a memo is dropped when a revision
 * overtakes or when all is done, and a correction must go to exactly those who were texted.
 *
 *         m.<24 hex of the document>         the head, kept for good (book.c)
 *         m.<24 hex of the document>.<k>     batch k: state, rank, time, the numbers' hashes
 *         r.<24 hex>.<hash>                  a delivery report (reports.c); hex of the document, or what the
 *                                            batch's note names
 *
 * A batch is claimed by a note that must be new, so that of two workers one gets it; only then, with
 * "sent": k in the memo on disk, does the request leave. A batch that is claimed and not settled is
 * in doubt when the request may have left, and is free otherwise. Numbers are in the process's memory
 * (the account) and in the request; everywhere else they are hashes or masked. */
#ifndef CHANNELS_SMS_SMS_H
#define CHANNELS_SMS_SMS_H

#include "channels/driver.h"

enum {
        SMS_NUMBER = 12,      /* 13800138000 and NUL */
        SMS_HASH = 11,        /* base64url of 8 bytes; without NUL */
        SMS_OF = 24,          /* hex digits of what a report belongs to; without NUL */
        SMS_MOST_PEOPLE = 200000,
        SMS_MOST_LISTS = 32,
        SMS_ATTEMPT_MS = 10000, /* an attempt that has gone on so long lets others look at the document */
        SMS_FRESH_MS = 30000,   /* a list read so long ago is read again */
};

enum sms_follow { SMS_IGNORE, SMS_CORRECT };
enum sms_in_doubt { SMS_SKIP, SMS_REPEAT };

/* One struct for the three; each has rows for what it knows. */
struct sms_options {
        struct string_list recipients, optout;
        char *signature, *hours;
        int64_t batch, segments, day_limit, day_reserve, keep_ms;
        int on_revise, on_withdraw, in_doubt;
        char *test_number;
        char *url;
        char *template, *template_correct, *template_withdraw;
        struct string_list params;
        char *ec_name, *ap_id, *sign, *serial;   /* mas */
        char *region_id;                         /* aliyun */
        char *from, *smsc, *prefix, *report_url; /* kannel */
        int64_t reports_ms;                      /* 0: none are waited for */
};

/* -- number.c -- */

/* A mainland mobile number as people write it (blanks, hyphens, full-width digits, +86, 0086, 86),
 * or false. */
bool sms_number_read(const char *text, char ret[static SMS_NUMBER]);
/* "138****8000"; of anything else all but the first and last two characters. Adds to `ret`. */
void sms_number_mask(const char *number, struct buf *ret);
/* A stranger's text as a sentence may repeat it: one line, 160 characters, each run of eleven or more
 * digits masked. */
void sms_words(const char *text, size_t n_bytes, struct buf *ret);
/* The first 8 bytes of HMAC-SHA256 under `key`, as base64url. */
void sms_number_hash(const char *key, const char *number, char ret[static SMS_HASH + 1]);
/* The first n bytes of HMAC-SHA256(key, text) in lower-case hex; `ret` has 2 n + 1. */
void sms_mac_hex(const char *key, const char *text, size_t n, char *ret);

/* -- list.c: who is on the lists -- */

/* Reads one list into the account's `people` (or, of those opted out, `optout`). -ENOMEM; else 0, and
 * *ret_trouble is the sentence why it cannot be used, or NULL. */
int sms_list_read(json_t *account, const char *name, bool optout, const char *key, const char *bytes,
                  size_t n_bytes, char **ret_trouble);
/* When all are read: those opted out go, the hashes are sorted. */
int sms_list_close(json_t *account);
/* Whether the person (a value of `people`) is meant by the event. */
bool sms_list_means(const char *person, const struct delivery *delivery);
/* The number at the start of a value of `people`. */
void sms_list_number(const char *person, char ret[static SMS_NUMBER]);
bool sms_list_areas_meet(const char *one, const char *other);

/* -- account.c: the lists as the process holds them -- */

int sms_account_begin(const struct delivery *delivery, struct step *ret);
int sms_account_next(const struct delivery *delivery, const struct reply *reply, struct step *ret);
bool sms_account_is_whole(const json_t *account);
/* How many, and what is wrong with them, for people. */
char *sms_account_sentence(const json_t *account);
/* The number with that hash, or false: it is not on the lists, or opted out. */
bool sms_account_number(const json_t *account, const char *hash, char ret[static SMS_NUMBER]);

/* -- text.c -- */

enum sms_round { SMS_FIRST, SMS_CORRECTION, SMS_WITHDRAWAL, SMS_TEST };

/* 2 to 18 Han characters, letters, digits. */
bool sms_signature_is_sound(const char *signature);
/* How many messages a text of so many UTF-16 units is: 70 in one, else 67 in each. */
int64_t sms_segments(size_t units);
/* The text without its sign, so that sign and text stay within `options->segments`. `title` and
 * `sent_ms` are of what was sent first. To be freed. */
char *sms_text(const struct delivery *delivery, enum sms_round round, const char *title, int64_t sent_ms);
/* The value of a template's variable, at most 35 UTF-16 units on one line, never empty. To be freed. */
char *sms_field(const struct delivery *delivery, enum sms_round round, const char *field, const char *title);
bool sms_field_is_known(const char *field);
bool sms_has_address(const char *text);

/* -- when.c: Asia/Shanghai -- */

bool sms_hours_read(const char *hours, int64_t *ret_from_ms, int64_t *ret_to_ms);
/* When messages may be sent: 0 for now. */
int64_t sms_opens_ms(const char *hours, int64_t now_ms);
int64_t sms_next_minute(int64_t now_ms);
int64_t sms_next_hour(int64_t now_ms);
int64_t sms_next_day(int64_t now_ms);
int64_t sms_next_month(int64_t now_ms);
void sms_day(int64_t ms, char ret[static 9]); /* 20261123 */

/* -- book.c: how far we are -- */

enum sms_state {
        SMS_CLAIMED = 'F', /* on its way, or never left */
        SMS_SENT = 'S',
        SMS_DOUBTFUL = 'D', /* perhaps sent; not repeated */
        SMS_FAILED = 'X',   /* these numbers cannot be sent to */
        SMS_FREE = 'R',     /* not sent; no numbers */
};

struct sms_rank {
        int64_t revision;
        unsigned level;
};

struct sms_note {
        enum sms_state state;
        struct sms_rank rank;
        int64_t ms;
        char of[SMS_OF + 1]; /* what its reports are named by, where that is not the document; or "" */
        const char *members; /* SMS_HASH characters each */
        size_t n;
};

void sms_book_name(const struct delivery *delivery, int64_t k, char ret[static 64]); /* k < 0: the head */
char *sms_note_write(enum sms_state state, struct sms_rank rank, int64_t ms, const char *of, const char *members);
bool sms_note_read(const char *text, struct sms_note *ret);
int sms_rank_compare(struct sms_rank one, struct sms_rank other);

/* What the notes say of each number, sorted by hash. */
struct sms_person {
        const char *hash;
        struct sms_rank last; /* of the last message that was sent, or cannot be */
        bool texted;          /* one was sent, or perhaps */
};
struct sms_people {
        struct sms_person *list;
        size_t n;
};
int sms_people_read(const json_t *notes, struct sms_people *ret);
const struct sms_person *sms_people_find(const struct sms_people *people, const char *hash);
void sms_people_done(struct sms_people *people);

/* -- round.c, plan.c: a delivery from step to step -- */

enum sms_class {
        SMS_OK,
        SMS_WAIT,        /* until at_ms */
        SMS_BUSY,        /* not taken; later */
        SMS_UNREACHABLE, /* nothing left us */
        SMS_UNSURE,      /* sent, and no clear answer */
        SMS_CONTENT,
        SMS_RECIPIENT, /* one of these numbers is bad */
        SMS_SPLIT,     /* too many numbers at once */
        SMS_LOGIN,
        SMS_RESIGN, /* sign anew, once */
        SMS_ODD,    /* an answer that nobody told us of */
        SMS_REPEATED, /* one of these numbers had this very text already */
};

struct sms_answer {
        enum sms_class class;
        int64_t at_ms;
        bool of_number;   /* WAIT: a number has had too many, not the account */
        struct buf words; /* for people; masked */
        char of[SMS_OF + 1]; /* OK: what the batch's reports are named by, or "" */
};

/* What a provider is asked to send. */
struct sms_batch {
        enum sms_round round;
        const char *numbers; /* by comma */
        size_t n;
        const char *text;  /* without the sign; NULL where a template says it */
        const char *title; /* of what was sent first */
        const char *id;    /* of the batch: "m.<24 hex>.<k>" */
        int64_t k;
        bool again; /* the very request of before, to be signed anew */
};

struct sms_provider {
        const char *name; /* for people: 云MAS */
        bool (*reports)(const struct sms_options *options); /* whether it tells of deliveries by `call` */
        /* Fills a request. -EINVAL: it cannot be built, and *ret is a verdict. */
        int (*send)(const struct delivery *delivery, const struct sms_batch *batch, struct step *ret);
        void (*judge)(const struct delivery *delivery, const struct http_reply *reply,
                      struct sms_answer *ret);
        /* Whether one number got the batch `id`, sent on `day`; NULL where the provider cannot be asked. */
        int (*ask)(const struct delivery *delivery, const char *number, const char *day,
                   unsigned page, struct step *ret);
        /* Sets *ret_found, or *ret_more (another page). */
        void (*judge_ask)(const struct delivery *delivery, const struct http_reply *reply, const char *id,
                          unsigned page, bool *ret_found, bool *ret_more, struct sms_answer *ret);
        /* A request that leaves nothing behind; *ret_proves: its answer tells whether the account works. */
        int (*test)(const struct delivery *delivery, struct step *ret);
        bool test_proves;
        void (*judge_test)(const struct delivery *delivery, const struct http_reply *reply,
                           struct sms_answer *ret);
        /* Parts that the secret file must have, NULL-terminated. */
        const char *const *secrets;
};

int sms_begin(const struct delivery *delivery, const struct sms_provider *provider, struct step *ret);
int sms_next(const struct delivery *delivery, const struct sms_provider *provider,
             const struct reply *reply, struct step *ret);
/* The verdict for an answer that is not OK. */
int sms_verdict(const struct sms_provider *provider, enum sms_class class, int64_t at_ms,
                const char *words, struct step *ret);
/* An answer of the transport, or of HTTP alone; false: the body has to be read. */
bool sms_judge_http(const struct delivery *delivery, const struct http_reply *reply,
                    struct sms_answer *ret);
void sms_answer_done(struct sms_answer *answer);

/* -- push.c: delivery reports, as the providers' calls bring them -- */

/* What became of a message: the value of its note. */
enum sms_fate {
        SMS_DELIVERED = '1',
        SMS_UNDELIVERED = '2', /* nobody says why */
        SMS_BAD_NUMBER = 'n',
        SMS_BLOCKED = 'b', /* opted out, or on a list of the carrier's */
        SMS_BAD_CONTENT = 'c',
        SMS_TOO_MANY = 'q',
};
struct sms_report {
        char of[SMS_OF + 1], number[SMS_NUMBER];
        enum sms_fate fate;
};

/* A note of it, to be put; -ENOMEM. */
int sms_report_put(const struct sms_report *report, const char *key, json_t *put);
/* What reports of a batch are named by that a provider calls so. */
void sms_report_of(const char *provider, const char *batch, char ret[static SMS_OF + 1]);
/* A POST of JSON, one report or an array of them, to an address that ends in /KEY or has ?key=KEY, where KEY is
 * the secret's report_key. `read` is false for what is none of ours, or not final. `says`: the answer. */
int sms_push(const struct call *call, const char *secret, bool (*read)(const json_t *json, struct sms_report *ret),
             const char *says, struct call_answer *ret);

/* -- probe.c -- */
int sms_test_begin(const struct delivery *delivery, const struct sms_provider *provider, struct step *ret);
int sms_test_next(const struct delivery *delivery, const struct sms_provider *provider,
                  const struct reply *reply, struct step *ret);

/* -- options.c -- */
#define SMS_AT(member) offsetof(struct sms_options, member)
extern const char *const sms_follows[], *const sms_in_doubts[];
void sms_check(const struct sms_options *options, const char *path, struct problems *problems);
void sms_check_url(const char *key, const char *value, const char *path, struct problems *problems);
void sms_check_templates(const struct sms_options *options, bool named, const char *path,
                         struct problems *problems);
bool sms_url_is_sound(const char *url);
/* The provider's, and of the lists those that are fetched. */
void sms_address(const void *options, struct buf *ret);
extern const char *const sms_secret_more[], *const sms_secret_push[];
/* "dysmsapi.aliyuncs.com", with a port that is not the usual one: as it stands in the Host header. */
void sms_url_host(const char *url, struct buf *ret);
/* The secret's part, or -ENODATA with the verdict filled. */
int sms_secret(const struct delivery *delivery, const char *part, char **ret, struct step *ret_step);

#define SMS_COMMON_ROWS(batch_fallback, batch_most)                                                          \
        { "", "recipients", SETTING_LIST, SMS_AT(recipients), .required = true,                               \
          .chinese = "收信人名单：CSV 文件或 http(s) 网址，几个用逗号隔开，列是 号码、区划、分组、事项",       \
          .english = "lists of recipients: CSV files or http(s) addresses, with number, areas, groups, items" }, \
        { "", "optout", SETTING_LIST, SMS_AT(optout),                                                         \
          .chinese = "退订名单：文件或 http(s) 网址，第一列是号码",                                           \
          .english = "lists of those who opted out, the number in the first column" },                        \
        { "", "signature", SETTING_STRING, SMS_AT(signature), .required = true,                               \
          .chinese = "短信签名的文字，不写【】；要先在运营商报备",                                            \
          .english = "the sign's text without 【】, registered with the carrier" },                           \
        { "", "segments", SETTING_NUMBER, SMS_AT(segments), .fallback = "2", .least = 1, .most = 10,          \
          .chinese = "一份通知最多几条短信的长度（一条 70 字，多条时每条 67 字，签名也算）",                  \
          .english = "how many messages long a notice may be (70 characters in one, else 67 each)" },         \
        { "", "batch", SETTING_NUMBER, SMS_AT(batch), .fallback = (batch_fallback), .least = 1,               \
          .most = (batch_most),                                                                               \
          .chinese = "一次请求最多几个号码", .english = "numbers in one request at most" },                   \
        { "", "hours", SETTING_STRING, SMS_AT(hours), .fallback = "08:00-21:00",                              \
          .chinese = "每天什么时候可以发（北京时间）；加急的不等",                                            \
          .english = "when messages may be sent (Asia/Shanghai); urgent ones do not wait" },                  \
        { "", "day_limit", SETTING_NUMBER, SMS_AT(day_limit), .fallback = "0", .least = 0, .most = 100000000, \
          .chinese = "一天最多发给几个号码，0 是不限",                                                        \
          .english = "numbers a day at most; 0 is no limit" },                                                \
        { "", "day_reserve", SETTING_NUMBER, SMS_AT(day_reserve), .fallback = "0", .least = 0,                \
          .most = 100000000,                                                                                  \
          .chinese = "其中给加急、更正和撤回留几个",                                                          \
          .english = "of these, kept for urgent ones, corrections and withdrawals" },                         \
        { "", "on_revise", SETTING_CHOICE, SMS_AT(on_revise), .choices = sms_follows, .fallback = "ignore",   \
          .chinese = "发过以后有新版：ignore 不再发，correct 给收到过的人发更正",                             \
          .english = "a revision of what was sent: ignore it, or send a correction to those who got it" },    \
        { "", "on_withdraw", SETTING_CHOICE, SMS_AT(on_withdraw), .choices = sms_follows,                     \
          .fallback = "ignore",                                                                               \
          .chinese = "发过以后撤回：ignore 不再发，correct 给收到过的人发撤回通知",                           \
          .english = "a withdrawal of what was sent: ignore it, or tell those who got it" },                  \
        { "", "keep", SETTING_DURATION, SMS_AT(keep_ms), .fallback = "365d", .least = 86400000,               \
          .most = 315360000000,                                                                               \
          .chinese = "谁收到过（只存校验值）留多久，过后不能再发更正和撤回",                                  \
          .english = "how long it is known (by hashes) who got it; no corrections behind that" },             \
        { "", "test_number", SETTING_STRING, SMS_AT(test_number),                                             \
          .chinese = "channel test 用的手机号码",                                                             \
          .english = "the number that `channel test` uses" }

#define SMS_REPORTS_ROW                                                                                      \
        { "", "reports", SETTING_DURATION, SMS_AT(reports_ms), .fallback = "0s", .least = 0, .most = 604800000,\
          .chinese = "发完后多久看回执，0 是不看；要写 listen，密钥文件里要有 report_key",                    \
          .english = "how long after the last message reports are counted; 0: not. Needs listen, and report_key in the secret" }

#define SMS_DOUBT_ROW                                                                                        \
        { "", "in_doubt", SETTING_CHOICE, SMS_AT(in_doubt), .choices = sms_in_doubts, .fallback = "skip",     \
          .chinese = "一批发出后没有答复、又查不了：skip 不再发，repeat 再发一次（可能重复）",                \
          .english = "a batch without an answer that cannot be asked for: skip it, or repeat it" }

#endif
