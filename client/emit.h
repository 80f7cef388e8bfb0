/* Inside gongkai-emit: what its files share. */
#ifndef CLIENT_EMIT_H
#define CLIENT_EMIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sysexits.h>

#include "client/gongkai.h"
#include "core/buf.h"
#include "core/digest.h"
#include "core/messages.h"

enum {
        EMIT_TAKEN = 0,     /* accepted, duplicate, stale, held; or safe in the spool */
        EMIT_REFUSED = 1,   /* at least one is rejected or in conflict */
        EMIT_NO_ANSWER = 2, /* goes before EMIT_REFUSED: all of it may be sent again */
        EMIT_USAGE = EX_USAGE,
        EMIT_INPUT = EX_NOINPUT,
        EMIT_SYSTEM = EX_OSERR,
        EMIT_OUTPUT = EX_IOERR,
};

struct emit_options {
        char **files; /* borrowed from argv; none = standard input */
        size_t n_files;
        const char **attach; /* owned list of borrowed paths */
        size_t n_attach;
        bool check;
        const char *status_of, *source, *region, *spool, *watch;
        const char *door, *server_key, *key_file;
        bool asks_receipts;
        int64_t receipts_after;
        int64_t timeout_ms, try_for_ms; /* try_for negative: for ever */
        unsigned window;                /* 0 = the library's default */
};

/* Returns false when there is nothing to do but leave with *ret_exit. */
bool options_read(int argc, char **argv, struct emit_options *options, int *ret_exit);
void options_done(struct emit_options *options);
/* "30s", "500ms", "5min", "2h", "1d": -EINVAL without a unit. */
int emit_duration(const char *text, int64_t *ret_ms);

/* One line on stderr, "gongkai-emit: sentence", with control characters made harmless. */
__attribute__((sentinel)) void tell(enum message message, ...);
/* One line on stderr as it stands, but for control characters. */
void tell_line(const char *text);

/* -- input: files to messages -- */

struct emit_message {
        char *bytes; /* what goes over the wire, UTF-8 */
        size_t n_bytes;
        json_t *json; /* the same, where asked for */
        size_t n_events;
        char *place;      /* "FILE:LINE", for people */
        size_t *attached; /* indexes into the attachments */
        size_t n_attached;
};

struct emit_messages {
        struct emit_message *list;
        size_t n, allocated;
        size_t n_events;
};

enum { INPUT_MOST = 256 << 20 };

/* The whole file ("-": standard input). Negative errno; -EFBIG above INPUT_MOST. */
int input_read(const char *path, struct buf *ret);
int input_read_fd(int fd, struct buf *ret);
/* How many bytes from the start are valid UTF-8. */
size_t input_valid_utf8(const char *text, size_t n_bytes);
/* Makes the text UTF-8 without a byte order mark. *ret_from is the encoding it was in where that
 * was another, else NULL. -EILSEQ: it is none of those that we know, *ret_at is the first bad byte.
 */
int input_decode(struct buf *text, const char **ret_from, size_t *ret_at);
/* Takes JSON values one after the other, white space (or nothing) between them: an object, an
 * array, JSON lines. Long arrays become several messages. -EBADMSG: no JSON; -ENODATA: it
 * may be the beginning of some; the sentence for people is in *ret_problem. */
int input_split(const char *name, const char *text, size_t n_bytes, bool keep_json,
                struct emit_messages *ret, struct buf *ret_problem);
/* Decodes, then splits. All kinds of bad text put their sentence into *ret_problem. */
int input_take(const char *name, struct buf *text, bool keep_json, struct emit_messages *ret,
               const char **ret_from, struct buf *ret_problem);
/* All of it for one file, and says on stderr what is wrong. Returns an exit code, 0 = go on. */
int input_load(const char *path, bool keep_json, struct emit_messages *ret);
/* Marks every event `gkdryrun`. Needs json; -ENOMEM. */
int messages_make_dry(struct emit_messages *messages);
/* Writes bytes anew from json. */
int messages_write(struct emit_messages *messages);
void messages_done(struct emit_messages *messages);

/* -- attachments -- */

struct emit_attachment {
        char *name; /* the last part of the path */
        struct buf bytes;
        char sha256[DIGEST_TEXT];
        const char *media_type;
};

struct emit_attachments {
        struct emit_attachment *list;
        size_t n;
};

/* By the name's ending; "application/octet-stream" when it is none that we know. */
const char *media_type_of(const char *name);
/* Reads the file and adds it. -EEXIST: two files of one name; -EILSEQ: its name is not UTF-8;
 * -EFBIG: too large; else what open(2) and read(2) say. */
int attachments_add_fd(struct emit_attachments *attachments, const char *name, int fd);
int attachments_add(struct emit_attachments *attachments, const char *path);
/* Fills digest, size and type into the entry of that name in each event that has one, and notes
 * which frames each message needs. Where a file is named nowhere: a single event gets an entry;
 * several events are -ENOTUNIQ. -EINVAL: an event has no `data` object; -ESTALE: an entry has
 * another digest or size. The sentence for people is in *ret_problem. Needs json; writes bytes
 * anew. */
int attachments_fill(const struct emit_attachments *attachments, struct emit_messages *messages,
                     struct buf *ret_problem);
void attachments_done(struct emit_attachments *attachments);

/* -- report -- */

struct emit_report {
        FILE *replies; /* one JSON line per event */
        bool words;    /* what became of each event, on stderr */
        bool all;      /* of the taken ones too */
        bool check;
        size_t n_taken, n_refused, n_unanswered, n_busy; /* events */
        size_t n_accepted, n_duplicate, n_stale, n_held;
};

void report_reply(struct emit_report *report, const char *reply);
/* The last line for people. */
void report_summary(const struct emit_report *report);
int report_exit(const struct emit_report *report);

/* -- actions; each returns an exit code -- */

/* A new emitter with the options' door, keys and limits; says on stderr what is wrong. */
int emitter_from(const struct emit_options *options, struct gongkai_emitter **ret);
/* The frames of a message, into what the attachments own. -ENOMEM. */
int parts_of(const struct emit_message *message, const struct emit_attachments *attachments,
             struct gongkai_part **ret);
/* What an error of run or drain means, said on stderr. */
int emitter_failed(const struct emit_options *options, int error);
void tell_no_answer(const struct emit_options *options, const struct gongkai_emitter *emitter);
int emit_send(const struct emit_options *options);
int emit_query(const struct emit_options *options);
int emit_watch(const struct emit_options *options);

#endif
