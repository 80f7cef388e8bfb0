/* The gate: what a person must look at before it becomes public. screen.c looks through what an event
 * says, screen_text.c through its text attachments. */
#ifndef DAEMONS_PUBLISHERD_SCREEN_H
#define DAEMONS_PUBLISHERD_SCREEN_H

#include "core/personal.h"
#include "daemons/publisherd/publisherd.h"

/* What was seen in one text. */
struct looked {
        const char *mark; /* of secrecy, a literal; or NULL */
        bool is_unread;   /* it was too large to be looked through */
        struct personal personal;
};

/* Adds what stands in it; `markup`: HTML, Markdown, XML, which is looked at with and without it. */
void look_at_text(struct looked *looked, const char *text, size_t n_bytes, bool markup,
                  const char *today);
/* Bytes of a text attachment, in whatever encoding they are. -ENOMEM. */
int look_at_bytes(struct looked *looked, const void *bytes, size_t n_bytes, bool markup,
                  const char *today);

/* By its type or the ending of its name: many a .csv is sent as application/vnd.ms-excel. */
bool is_text_attachment(const char *name, const char *media_type, bool *ret_markup);

/* One of an event's attachments, from its frame or else from the folder. What was looked at lately is known
 * by its digest. `budget`: bytes that may yet be read for this event; beyond, is_unread is set.
 * Negative errno: it cannot be read. */
int look_at_attachment(struct publisherd *daemon, const struct event_attachment *attachment,
                       const struct frame *frame, const char *today, uint64_t *budget,
                       struct looked *ret);

#endif
