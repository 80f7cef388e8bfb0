/* How `channel preview` shows the steps of a delivery: on standard output, and in a folder where one
 * was named: the requests as text, the pages that are in them as HTML. Never the secret. */
#ifndef DAEMONS_CHANNELD_SHOW_H
#define DAEMONS_CHANNELD_SHOW_H

#include "channels/driver.h"

struct show {
        const char *out; /* the folder, or NULL */
        const char *open; /* the event's bytes */
        size_t n_open;
        unsigned step, page;
        struct string_list masks; /* the secret, its lines and their parts; in several spellings */
        struct string_list written;
};

/* -ENOTEMPTY (told): there is something in the folder. */
int show_begin(struct show *show, const char *secret, const char *out);
void show_done(struct show *show); /* tells what was written */

void show_request(struct show *show, const struct http_request *request,
                  const struct delivery *delivery);
void show_tcp(struct show *show, const struct tcp_step *step);
void show_mqtt(struct show *show, const struct mqtt_step *step);
void show_answer(struct show *show, const struct reply *reply);
void show_tree(struct show *show, const struct tree_commit *commit);
void show_book(struct show *show, const struct book *book);
void show_account(struct show *show);
void show_file_read(struct show *show, const char *path, const struct file_reply *reply);
void show_verdict(struct show *show, const struct verdict *verdict);
void show_end(struct show *show); /* what comes next depends on the answer */
void show_line(enum message message, const char *reason);

/* mask.c: what of a secret must not be seen, and a text without it. Mobile numbers lose their middle,
 * but for those that `open` has: what the event itself says is for everybody, a recipient is not. */
int mask_fill(struct string_list *masks, const char *secret);
void mask_text(const struct string_list *masks, const char *text, size_t n_bytes, struct buf *ret);
void mask_numbers(struct buf *text, const char *open, size_t n_open);

#endif
