/* The shared folder of `gongkai-emit --watch`.
 *
 *         NAME.json          dropped there by people or programs; UTF-8, GB18030 or UTF-16
 *         NAME.files/        its attachments; put it there first
 *         NAME.reply.json    what the door said; may be deleted at any time
 *         done/, refused/    where NAME.json and NAME.files/ go, with a copy of the reply
 *
 * Who may write in the folder may publish, and no more than that: links are never followed. */
#ifndef CLIENT_EMIT_WATCH_H
#define CLIENT_EMIT_WATCH_H

#include <sys/queue.h>
#include <sys/stat.h>

#include "client/emit.h"

enum {
        WATCH_SETTLE_MS = 1000,   /* unchanged for so long = complete, where nobody tells us */
        WATCH_LOOK_MS = 10000,    /* network folders send no events */
        WATCH_MISSING_MS = 60000, /* how long to wait for attachments that the event names */
        WATCH_UNWHOLE_MS = 10000, /* how long a text without its end may become whole */
        WATCH_MOST = 1024,        /* files taken up at a time */
        WATCH_NAME_MOST = 200,    /* bytes; NAME~1234.reply.json must be a name too */
};

struct stamp {
        uint64_t size, inode, changed_ns;
};

enum watched_state {
        WATCHED_WAITING, /* for its last byte */
        WATCHED_SENT,
        WATCHED_ANSWERED, /* to be moved away */
};

struct watched {
        TAILQ_ENTRY(watched) link;
        struct watch *watch;
        char *name; /* without ".json" */
        enum watched_state state;

        struct stamp json, files; /* at the last look */
        int64_t first_ms, json_since_ms, files_since_ms;
        int64_t again_ms; /* not to be tried before; it was not ready */
        bool closed;      /* the kernel told that its writer is done */
        bool seen;        /* in this look */

        struct stamp sent;
        json_t *replies; /* array: one per message */
        size_t n_open;
        bool refused;
        bool told; /* of trouble with it; said once */
};

TAILQ_HEAD(watched_list, watched);

struct watch {
        const char *path;
        int folder, done, refused;
        struct gongkai_emitter *emitter;
        struct emit_report report;
        struct watched_list list;
        size_t n;
};

struct stamp stamp_of(const struct stat *status);
bool stamp_equal(const struct stamp *a, const struct stamp *b);

enum { WATCHED_NOT_YET = 1 };

/* Reads the file with its attachments and queues its messages; what cannot be sent is answered by
 * us. WATCHED_NOT_YET: an attachment is missing and may still come, or the file cannot be read for
 * now. Negative errno: this program cannot go on. */
int watched_send(struct watched *watched, int64_t now_ms);
/* Writes the reply and moves the file away. Returns false to try again later. */
bool watched_settle(struct watched *watched);
/* Ends the moves in which a watcher before this one was interrupted. */
void watch_finish_moves(const struct watch *watch);

#endif
