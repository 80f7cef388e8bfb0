/* A disclosure event: CloudEvents 1.0 JSON with the `data` of docs/protocol.md.
 *
 * event_parse() checks everything that can be known from the event alone, and reports all errors at
 * once; what needs the catalogue, the emitter's file or the store is admission's part
 * (daemons/publisherd). */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/content.h"
#include "core/digest.h"
#include "core/messages.h"

enum {
        EVENT_MAX_BYTES = 1 << 20,
        EVENT_MAX_DEPTH = 32,
        EVENT_MAX_BODY = 512 << 10,
        EVENT_MAX_ARRAY = 256,
        EVENT_MAX_ATTACHMENTS = 64,
        EVENT_MAX_VALUES = 10000,          /* JSON values in one event */
        EVENT_MAX_ALL_VALUES = 256 * 1024, /* and in all events of one message */
        EVENT_MAX_MESSAGE = 128 << 20,     /* bytes of JSON in one frame */
        FINDINGS_MAX = 64,
};
#define ATTACHMENT_MAX_BYTES ((uint64_t) 64 << 20)

enum event_type {
        EVENT_PUBLISH,
        EVENT_WITHDRAW,
        EVENT_QUERY_DOCUMENT,
        EVENT_QUERY_RECEIPTS,
};

struct event_attachment {
        const char *name, *media_type, *role, *url; /* role, url may be NULL; borrowed from json */
        char sha256[DIGEST_TEXT];                   /* lower case */
        uint64_t size;
};

struct event {
        json_t *json; /* owned: the whole CloudEvent; document and source strings NFC */
        const json_t *data;

        enum event_type type;
        const char *id, *source, *time; /* borrowed from json */
        int64_t time_ms;
        char region[7];  /* of the source: "530581" */
        char system[33];
        bool dry_run; /* gkdryrun */

        const char *document; /* NFC; NULL only in a query by id */
        const char *query_id; /* data.id of a query, or NULL */
        int64_t after;        /* data.after of a receipts query */
        int64_t revision;     /* 0 = not given */
        const char *item, *title, *number, *summary; /* NULL where not given */
        enum content_format body_format;
        const char *body; /* content; NULL for a withdrawal */
        size_t n_body;
        const char *mode, *reason, *reason_code; /* withdrawal: mode is never NULL there */
        int64_t publish_at_ms, expires_ms;       /* 0 = not given */
        const char *openness;                    /* proactive (default) on-request closed */
        bool urgent;
        struct event_attachment *attachments; /* owned */
        size_t n_attachments;
        bool composed;            /* a name became NFC: the bytes it was read from say it otherwise */
        /* of the canonical form: type, and data without revision */
        unsigned char digest_raw[DIGEST_BYTES];
        char digest[DIGEST_TEXT];
};

/* One entry of a reply's `errors` or `warnings`. */
struct finding {
        char *path;       /* JSON pointer, "/data/title"; "" for the whole */
        const char *code; /* a literal of docs/protocol.md */
        char *message;
};

struct findings {
        struct finding *list;
        size_t n;
};

/* Adds one; the pairs are those of say(). From FINDINGS_MAX on, and when memory is short, nothing
 * is added. */
__attribute__((sentinel)) void findings_add(struct findings *findings, const char *path,
                                            const char *code, enum message message, ...);
bool findings_have(const struct findings *findings, const char *code);
/* [{"path","code","message"}]; a new reference. */
json_t *findings_json(const struct findings *findings);
void findings_done(struct findings *findings);

/* The bytes of the first frame -> one JSON value (object or array). On bad input NULL, and one or
 * more errors: json, encoding (where, and whether it looks like GBK), too_large, too_deep. Looks at
 * UTF-8, NUL, depth, doubled keys, number sizes before and while parsing. Bounded time and memory
 * for any input. The array length is checked here too (EVENT_MAX_ARRAY, and not empty: `length`).
 * The path is "", or "/3" where the fourth event of an array is the one that is too large.
 * NULL without an error: this machine is short of memory. */
json_t *event_read(const void *bytes, size_t n_bytes, struct findings *errors);

/* From now on values that event_read() makes lie in one piece of memory, as far as it goes: for a
 * process that is done with one message before it reads the next. Once, at the start. */
void event_memory_use(void);

/* One CloudEvent -> a parsed event, or NULL with all its errors. Warnings (unknown members of data,
 * assumed_zone) in both cases. The event takes a reference of its own to `json`, and document names
 * in it become NFC in place. NULL without an error: this machine is short of memory. */
struct event *event_parse(json_t *json, struct findings *errors, struct findings *warnings);
struct event *event_free(struct event *event);
void event_freep(struct event **event);

/* JSON without white space, members in their order: what the store keeps and passes on. Several
 * times faster than json_dumps(). Look at buf->error once, at the end. */
void event_write(const json_t *json, struct buf *ret);

/* The names an event allows, for catalogue and drivers. */
extern const char *const event_kinds[];  /* notice policy ...; NULL-terminated */
extern const char *const event_stages[]; /* decision ... */

#endif
