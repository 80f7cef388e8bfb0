/* A channel driver: a table of functions over plain data.
 *
 * A driver does no I/O. begin() looks at a delivery and answers with a step: a request for one of
 * the engine's transports, or a verdict. next() reads the reply and answers with the next step.
 * Time, secrets and options come in as arguments; a driver keeps no state of its own but the memo
 * (of one document), the book (of the channel, in the store) and the account (of the channel, in
 * the process). So every driver is tested by tables, and the engine gives all of them the same
 * retries, timeouts, checkpoints and logs. One folder per driver, one line in channels/registry.c. */
#ifndef CHANNELS_DRIVER_H
#define CHANNELS_DRIVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/settings.h"

enum delivery_kind {
        DELIVER_PUBLISH,  /* show data of `event` */
        DELIVER_WITHDRAW, /* `event` is the withdrawal: take it down (mark or erase) */
        DELIVER_EXPIRE,   /* as WITHDRAW, made by the daemon when `expires` or `show_until` came */
        DELIVER_SETUP,    /* once at the start of the channel: fixed files, pages without entries; with
                           * refresh_ms() again and again: all that is to be shown */
        DELIVER_TEST,     /* `gongkaictl channel test`: does the way work? leaves nothing behind */
};

struct attachment {
        const char *name, *media_type, *role; /* role may be NULL */
        const char *sha256; /* lower-case hex */
        uint64_t size;      /* bytes */
        const char *url;    /* where it can be had, when its bytes are not with us; or NULL */
        bool here;          /* its bytes are in the attachment store, under sha256 */
};

/* Everything that a driver may know; all borrowed for the call. */
struct delivery {
        enum delivery_kind kind;
        const char *channel;     /* the channel's name */
        const char *region; /* GB/T 2260 code; SETUP and TEST: "" when the channel has several */
        const char *region_name; /* 腾冲市 */
        bool several_regions;    /* the channel serves more than this one */
        const char *document;
        int64_t revision;
        unsigned level;            /* 0 shown; 1 and more gone: the rank is (revision, level) */
        const char *revision_part; /* "7" "7w" "7x" "7e" "7r2": the part of the key */
        const char *event_id;      /* ULID of the event to be shown */
        const json_t *event;       /* the CloudEvent; NULL for SETUP and TEST */
        const char *bytes;         /* the same as it was accepted; NULL where there is none */
        size_t n_bytes;
        const char *domain;        /* the item's 领域, or NULL */
        const char *item_name;     /* the item's 二级事项, or NULL */
        json_t *stages;            /* array of strings: decision execution ... */
        const char *document_kind; /* notice policy ..., never NULL for PUBLISH */
        bool urgent; /* marked so by somebody who may; `data.urgent` alone is anybody's word */
        const struct attachment *attachments;
        size_t n_attachments;

        const char *reference; /* what the carrier called it last time, or NULL */
        const char *surplus;   /* references that attempts gone stale left there, by blank, or NULL */
        const char *url;       /* where it was shown last, or NULL */
        int64_t first_shown_ms; /* first publication on this channel; 0 = not yet */
        int64_t accepted_ms;
        const json_t *memo;    /* of an earlier step or attempt, or NULL */
        bool doubt;            /* the last outcome is unknown: look before repeating */
        int64_t doubt_since_ms; /* when that became known, not before it was sent; 0 = no doubt */
        int64_t late_effect_ms; /* so long after it was sent an effect can still come */
        int64_t setup_ms; /* SETUP: when the last one that showed all ended; 0: none yet, or one failed since */
        int64_t settled_ms; /* until then an older revision, sent and in doubt, can still appear; or 0 */
        bool shown; /* this very rank is what the carrier shows: a second look, or put back */
        bool ended; /* show_until is over: PUBLISH marks it so, EXPIRE takes it down */
        unsigned attempt;      /* from 1 */
        const char *key;       /* idempotency key, the same on every attempt of this delivery */

        const char *after_url; /* public address on the channel that `after` names, or NULL */
        int64_t now_ms;
        const char *secret; /* content of secret_file, or NULL; channels/secret.h reads its lines */
        const json_t *account;    /* what the process holds for all deliveries, or NULL; see STEP_ACCOUNT */
        unsigned account_version; /* one more each time that it was made anew */
        const void *options; /* the driver's own struct */
};

/* What the engine can do for a driver. */
enum step_kind {
        STEP_VERDICT,
        STEP_HTTP,
        STEP_TREE_OPEN,
        STEP_TREE_COMMIT,
        STEP_ACCOUNT, /* make the account anew, once for all who ask */
        STEP_BOOK,    /* the channel's small notes and counts in the store */
        STEP_FILE,    /* the content of a local file */
        STEP_TCP,     /* one exchange of bytes over a connection of its own */
        STEP_MQTT,    /* retained messages, over the lasting connection of the process */
};

struct http_request {
        const char *method;
        char *url;            /* owned, as all pointers below but one */
        char **headers;       /* "Name: value", NULL-terminated; one piece of memory with its texts */
        struct buf body;
        const char *lent;     /* in place of `body`: bytes that live as long as the delivery */
        size_t n_lent;
        bool repeatable;      /* carries a key: a lost connection may be tried again by libcurl */
        bool harmless; /* changes nothing that a citizen sees: no answer leaves no doubt. GET and HEAD are */
        /* The body is `body`, the content of the attachment `upload`, `tail`: a file in a multipart
         * form. Owned; NULL: none. One that is not here, or larger than 20 MiB, is answered with
         * status 0, not sent, and a sentence. */
        char *upload;
        struct buf tail;
        size_t keep; /* bytes of the reply that are kept: 0 is 64 KiB; at most 16 MiB */
};

struct http_reply {
        long status;          /* 0: no reply */
        const char *body;     /* at most `keep` bytes of it, NUL-terminated */
        size_t n_body;
        const char *retry_after; /* the header, or NULL */
        bool sent;            /* bytes of the request left us: without a status the outcome is unknown */
        const char *error;    /* the transport's sentence when status is 0 */
};

/* The local file tree: a folder of public files plus an index of entries beside it.
 *
 * OPEN begins a transaction: it refuses (TREE_NEWER) when the index has a higher rank of this
 * document, puts the entry and answers the views as they are with the entry in. COMMIT writes the
 * files (each appears whole or not at all, on disk before the answer), removes the others, and
 * only then keeps the index. Any verdict, or another kind of step, instead of COMMIT rolls back.
 *
 * A driver may answer the reply to an OPEN with another OPEN: both belong to one transaction, which
 * ends with the COMMIT. So it can put an entry to learn what was there, and put it again when it
 * knows what to write; the last one counts. `previous` is what the OPEN that puts an entry found;
 * one without an entry need not look. The same rank as the index has is not newer: a delivery may
 * come twice. A COMMIT writes first and removes then. */
enum { TREE_VIEWS = 200 };

struct tree_view {
        const char *tag;   /* entries with this tag ("county:530581"); NULL = all */
        const char *month; /* "2026-11" by `date_ms` in Asia/Shanghai; NULL = any */
        unsigned limit;
};

struct tree_open {
        bool has_entry;      /* false: only views (SETUP, TEST) */
        bool live;           /* false: withdrawn; stays in the index, in no view */
        int64_t revision;
        unsigned level;      /* 0 shown, 1 gone */
        int64_t date_ms;     /* orders the views, newest first */
        int64_t until_ms;    /* not in views from then on; 0 = for good */
        json_t *data;        /* owned; what the driver wants to find again in views */
        json_t *tags;        /* owned; array of strings */
        struct tree_view views[TREE_VIEWS];
        size_t n_views;
        json_t *view_strings; /* owned: keeps the views' tags and months alive, or NULL */
};

struct tree_file {
        char *path;       /* below the root, '/'-separated, no "..", no leading '/'; owned */
        char *content;    /* owned, n_bytes of it; NULL: the attachment `sha256` is put there */
        size_t n_bytes;
        char *sha256;
        bool keep;        /* leave it when it is there already with this size (attachments, assets) */
        bool optional;    /* an attachment whose bytes may be gone from the store: then left out */
};

struct tree_commit {
        struct tree_file *files;
        size_t n_files;
        char **removals;  /* files or whole folders; a missing one is fine */
        size_t n_removals;
};

enum tree_status { TREE_OK, TREE_NEWER, TREE_BUSY, TREE_FAILED };

struct tree_reply {
        enum tree_status status;
        const char *error;      /* for FAILED: errno's words and the path */
        int64_t newer_revision; /* for NEWER */
        unsigned newer_level;
        const json_t *previous; /* OPEN: data of this document's entry before, or NULL */
        const json_t *views;    /* OPEN: array (one per view) of arrays of data */
        const json_t *tags;     /* OPEN: {"county:530581": live entries, ...} */
        const json_t *months;   /* OPEN: {"": ["2026-11", ...], "county:530581": [...]} per view tag */
};

/* The account: what all deliveries of a channel share as long as the process lives, and no longer,
 * as an access token: nothing of it gets to disk, into the store or the log. A driver that lacks it,
 * or was refused with it, answers with STEP_ACCOUNT and the version that it saw. If it is another
 * one by now, the reply comes at once. Else one delivery makes it anew: account_begin() and
 * account_next() of the driver take the place of begin() and next(), until a verdict. DONE brings
 * step->account, and all who wait go on: next() with a reply of this kind, and the new account in
 * the delivery. Any other verdict becomes that of all who wait. */
struct account_need {
        unsigned version;
};

/* The book: notes and counts that belong to a channel and not to one document, shared by all its
 * workers, all regions of it, and kept in the store. On disk before the reply. Not for secrets. A name is
 * [A-Za-z0-9_.:-]{1,120}; a note at most 64 KiB; at most 1024 names in one step.
 *
 * First `spend`: each {"name","amount","limit"} adds to a count that begins anew at 00:00
 * Asia/Shanghai by the store's clock, all of them or none: none where one of them would pass its
 * limit; then nothing is put either. Then `put`: {name: {"value": string, "ms": how long}}, without
 * "ms" for good, null takes it away; with "new": true only where there is none. Then `get`. */
struct book {
        json_t *get;   /* array of names; all three owned, NULL = none */
        json_t *put;   /* object */
        json_t *spend; /* array of objects */
        bool screens;  /* also: which players draw this document, as their heartbeats said */
};

struct book_reply {
        const json_t *values; /* of `get`: object name -> string; what is not there is not in it */
        const json_t *counts; /* of `spend`: name -> number as it is now */
        bool spent;     /* false: a limit stood in the way, or something "new" was there already */
        int64_t now_ms; /* the store's clock */
        int64_t opens_ms; /* when the counts begin anew */
        /* Where `screens` was set: all players that were ever heard of and not forgotten since, by name:
         * {"hall": {"seen_ms": its last heartbeat, "revision": 2, "digest": "...", "since_ms": since when
         * it draws that}}; without the last three it draws nothing of the document. */
        const json_t *screens;
        const char *error; /* the store did not answer: a sentence; all else is empty then */
};

/* A file that the options name. A relative path is relative to the folder of gongkai.conf. */
struct file_step {
        char *path; /* owned */
};

struct file_reply {
        const char *bytes; /* NUL-terminated behind n_bytes; NULL on error */
        size_t n_bytes;    /* at most 16 MiB */
        int error;         /* errno; E2BIG; 0 */
};

/* Connects, sends, reads until the byte `until` has come or the timeout, closes. */
struct tcp_step {
        char *host; /* owned */
        unsigned port;
        struct buf bytes;
        unsigned char until;
        size_t most;   /* bytes of the reply; 0 is 4 KiB */
        bool harmless; /* as that of http_request */
        char *words; /* what people would read there, for `channel preview`; owned, or NULL */
};

struct tcp_reply {
        const unsigned char *bytes;
        size_t n_bytes;
        bool whole; /* the last one is `until` */
        bool sent;  /* all or some of ours left us */
        const char *error; /* when not whole */
};

/* MQTT: one connection per process, made at its start and again when it is lost. What is not
 * confirmed when it ends is never sent again by itself: another worker may have gone on since. */
struct mqtt_link { /* borrowed from options and secret */
        const char *host;
        unsigned port;
        bool old;                    /* MQTT 3.1.1: no reasons why the broker refuses; else 5 */
        const char *user, *password; /* or NULL */
        bool tls;
        const char *ca, *cert, *key; /* PEM files, relative to the folder of gongkai.conf; or NULL */
        const char *prefix, *watch; /* what comes under PREFIX/WATCH is kept (64 KiB each, 1000 of them) */
};

/* All are retained, QoS 1, and leave in this order; one without a payload takes away what is
 * retained there. None at all: only connects, and waits for what the watch brings. */
struct mqtt_message {
        char *topic; /* owned */
        struct buf payload;
};

struct mqtt_step {
        struct mqtt_message *messages; /* owned */
        size_t n;
};

struct mqtt_reply {
        bool whole;   /* connected, and the broker has confirmed all of them */
        bool sent;    /* all or some left us */
        bool refused; /* the broker, or our own TLS files, say no: nothing passes until somebody acts */
        const char *error;  /* when not whole */
        const json_t *seen; /* topic -> payload: what the watch has brought so far */
};

enum verdict_kind {
        VERDICT_DONE,      /* shown, or gone */
        VERDICT_ASK,       /* accepted, not shown yet: look again at at_ms */
        VERDICT_LATER,     /* busy or away: back-off; at_ms where the provider named a time */
        VERDICT_WAIT,      /* a quota or window opens at at_ms; not an attempt */
        VERDICT_REFUSED,   /* this content can never pass: dead letter */
        VERDICT_BLOCKED,   /* nothing will pass on this channel until somebody acts */
        VERDICT_UNCERTAIN, /* sent, and no clear answer */
};

struct verdict {
        enum verdict_kind kind;
        const char *code;  /* stable, "webhook/gone"; a literal */
        char *sentence;    /* for people; owned; needed for all but DONE (a remark for the log; TEST: what came back) */
        char *reference, *url; /* DONE: owned, may be NULL */
        int64_t at_ms;     /* wall clock; 0 = none */
        bool ill; /* counts for the breaker as no answer does, though HTTP said 200: "system busy" */
        json_t *sight; /* DONE of a SETUP: owned or NULL, as that of struct call_answer */
        char *still; /* ASK of a withdrawal: owned, names of where it is still shown; alarmed if it lasts */
};

struct step {
        enum step_kind kind;
        json_t *memo;      /* owned; new memo, kept with the document when not NULL */
        bool checkpoint;   /* the memo must be on disk before the request is made */
        json_t *account;   /* owned; only with the DONE of account_begin() and account_next() */
        union {
                struct verdict verdict;
                struct http_request http;
                struct tree_open tree_open;
                struct tree_commit tree_commit;
                struct account_need need;
                struct book book;
                struct file_step file;
                struct tcp_step tcp;
                struct mqtt_step mqtt;
        };
};

struct reply {
        enum step_kind kind; /* of the request that it answers */
        union {
                struct http_reply http;
                struct tree_reply tree;
                struct book_reply book;
                struct file_reply file;
                struct tcp_reply tcp;
                struct mqtt_reply mqtt;
        };
};

/* A request that came in at `listen`, by which the carrier tells of a result (behind a reverse
 * proxy). Everything in it is a stranger's until the driver has checked its signature. What the
 * watch of an MQTT channel brings comes this way too: method MQTT, the topic below the prefix as path
 * ("state/hall", no '/' before it), no query, the payload (none: one byte, the NUL) as body, and of the
 * answer only `sight` and `trouble` count. What was retained when we connected is not news, and does
 * not come; neither does what is larger than 64 KiB. */
struct call {
        const char *method; /* GET POST MQTT */
        const char *path;   /* without the query */
        const json_t *query; /* object name -> string, percent-decoded; a doubled name: the first */
        const char *body;   /* NUL-terminated, at most 1 MiB */
        size_t n_body;
        const char *content_type; /* or NULL */
};

/* What the caller gets, and what is noted of it. */
struct call_answer {
        unsigned status;
        const char *content_type; /* a literal; NULL = text/plain */
        struct buf body;
        json_t *put; /* owned; as that of `struct book`; on disk before the answer */
        char *wake_key; /* owned or NULL: the note of this name is a document's name: it looks again at once */
        char *trouble; /* owned or NULL: a sentence for the log (at most one a minute is told) */
        /* Owned or NULL: a heartbeat, all that a player draws at present: {"player": "hall", "draws":
         * [{"region", "document", "revision", "digest"}]}; digest 64 hex digits, all '0' where it holds
         * the document and may draw it (off line, too) but has not: that stands in no ledger; player at most 100 bytes
         * without blanks and control characters, at most 1000 documents; of a region that the channel
         * does not serve nothing is noted. On disk before the answer (503: it is not); what began and
         * ended to be drawn goes to the ledger, and deliveries that wait for it (ASK) look at once: so
         * they need not ask often (each ASK is a row of the ledger), but once when a minute is over,
         * so that `still` can be alarmed. */
        json_t *sight;
};

struct driver {
        const char *name;
        const char *title_chinese, *title_english;
        /* `gongkaictl channel help DRIVER`: what it is, and what one has to have ready. NULL: nothing. */
        const char *about_chinese, *about_english;
        const struct setting *settings; /* section "", read from the channel's own file */
        size_t n_settings;
        size_t options_size;            /* bytes; the settings' offsets point into it */
        bool raw; /* passes `bytes` on: where these are given, `event` and what comes of it are not */
        bool index; /* uses the tree's index alone: no `root`, no files */
        bool local;                     /* shows by itself, no provider: no attempt is ever in doubt */
        /* Whether, with these options, begin() asks the carrier what is there when it is in doubt;
         * what was done under doubt is looked at once more then. NULL: it cannot. */
        bool (*looks)(const void *options);
        /* More checks of the options than a row can say, with the file's name for the problems. What
         * is required may be missing yet: `channel add` asks for one after the other. */
        void (*check)(const void *options, const char *path, struct problems *problems);
        /* Both return 0 with *ret filled, or a negative errno when this machine failed (memory);
         * what the carrier says is never an errno: it is a verdict. */
        int (*begin)(const struct delivery *delivery, struct step *ret);
        int (*next)(const struct delivery *delivery, const struct reply *reply, struct step *ret);
        /* For what shows less than it was told by and by (a card that lost its power): how long after
         * one DELIVER_SETUP the next comes; 0: never. Then the first one is run on the loop as well,
         * waits for nobody and nobody waits for it. One that only looked whether the carrier lives is
         * DONE by the code "alive". NULL: there is one, before all else. */
        int64_t (*refresh_ms)(const void *options);
        /* Only where STEP_MQTT is used: where to. Each new connection brings a DELIVER_SETUP. */
        void (*mqtt)(const void *options, const char *secret, struct mqtt_link *ret);
        /* Only where STEP_ACCOUNT is used. */
        int (*account_begin)(const struct delivery *delivery, struct step *ret);
        int (*account_next)(const struct delivery *delivery, const struct reply *reply,
                            struct step *ret);
        /* Only where the common option `listen` is understood, or what the watch brings. `secret` and the options
         * as ever. */
        int (*call)(const struct call *call, const void *options, const char *secret,
                    int64_t now_ms, struct call_answer *ret);
        /* Only where what is granted ends: when, or 0 where the secret does not tell. An alarm is raised
         * seven days before. */
        int64_t (*expires)(const void *options, const char *secret);
        /* Only where `gongkaictl channel login` is. The address that an officer opens in a browser;
         * then one request with the code that the carrier shows there, and what is to be kept as
         * the secret's file from now on (with the verdict DONE), or another verdict. */
        int (*login_address)(const void *options, const char *secret, struct buf *ret);
        int (*login_begin)(const struct delivery *delivery, const char *code, struct step *ret);
        int (*login_next)(const struct delivery *delivery, const struct reply *reply,
                          struct step *ret, struct buf *ret_secret);
        /* For `channel test`: where the requests go by these options, "https://host/...", or
         * "host:port", several parted by '\n'. NULL: nowhere. */
        void (*address)(const void *options, struct buf *ret);
        /* Names that secret_part() must find in the secret's file, NULL-terminated; the first may be a file
         * of one bare line. NULL: none. */
        const char *const *secret_parts;
        /* Names that may be there too, which `gongkaictl channel secret` asks for as well. NULL: none. */
        const char *const *secret_more;
        /* For `channel preview`: what the carrier would answer to this HTTP or TCP request when all is
         * well, in literals (the rest of *ret is zeroed). False: the preview ends there. NULL too. */
        bool (*rehearse)(const struct step *request, struct reply *ret);
};

/* All drivers, NULL-terminated, and one of them by name (NULL when unknown). */
extern const struct driver *const drivers[];
const struct driver *driver_find(const char *name);

/* What a document's notes in the book are named by: SHA-256, in hex, of its region and name, since
 * all regions of a channel share the book and two of them may have a document of one name. */
void delivery_document_digest(const struct delivery *delivery, char ret[static 65]);
/* The bytes that are sent as body. */
const char *http_request_body(const struct http_request *http, size_t *ret_n);
/* Headers from their texts, each "Name: value" and a NUL. -ENOMEM. */
int http_request_set_headers(struct http_request *http, const struct buf *texts);
void call_answer_done(struct call_answer *answer);
void step_done(struct step *step); /* releases whatever the kind owns; takes a zeroed step */

/* Fills *ret with a verdict; the pairs are those of say(). Returns 0 or -ENOMEM. */
__attribute__((sentinel)) int step_verdict(struct step *ret, enum verdict_kind kind,
                                           const char *code, int64_t at_ms, enum message message,
                                           ...);
int step_done_verdict(struct step *ret, const char *reference, const char *url);

#endif
