/* Pages: what a request leads to. A page fills a context for its template; sentences are in the
 * request's language, which is the process' while a page is made. */
#ifndef DAEMONS_CONSOLED_PAGE_H
#define DAEMONS_CONSOLED_PAGE_H

#include "core/buf.h"
#include "daemons/consoled/cards.h"
#include "daemons/consoled/consoled.h"
#include "daemons/consoled/standing.h"

struct wait;

struct request {
        struct consoled *daemon;
        const char *path; /* decoded, borrowed */
        json_t *query;    /* the first value of each argument */
        enum language language;
        /* the answer */
        struct buf body;
        const char *type; /* a literal; HTML when NULL */
        unsigned status;  /* 200 when 0 */
        /* a page that waits for publisherd: set by page_wait() */
        bool waits;
        struct wait *wait;
        json_t *context;
        void (*resume)(struct request *request, const json_t *answer);
        /* the server's */
        void *connection;
        struct request *next;
        bool suspended, asked;
};

/* Makes the page of request->path, or begins to. */
void page_make(struct request *request);
/* Asks publisherd, and goes on with `resume` when the answer (or NULL) is there; takes both
 * references. */
void page_wait(struct request *request, json_t *question, json_t *context,
               void (*resume)(struct request *request, const json_t *answer));
/* The request ended: nobody waits for it. */
void page_done(struct request *request);

/* -- for the pages -- */

/* What all pages share: words, navigation, time. `place`: the path of the navigation's entry that
 * this is. */
json_t *page_context(struct request *request, const char *place, const char *heading);
/* Takes the context. */
void page_render(struct request *request, const char *template, json_t *context);
void page_missing(struct request *request);

const char *page_argument(const struct request *request,
                          const char *name); /* "" when it is not there */
/* PATH with its arguments (names and values by turn, NULL ends them; empty values are left out) and
 * the language; to be freed by the context that takes it. */
__attribute__((sentinel)) json_t *page_href(const struct request *request, const char *path, ...);
/* A word of the request's language: of CONSOLE_... */
const char *page_word(enum message message);
json_t *page_say(enum message message, const char *name, const char *value);

json_t *page_time(int64_t ms);   /* 2026-11-29 14:03; null for 0 */
json_t *page_second(int64_t ms); /* with seconds */
/* "3 分钟": how long; to be freed. */
char *page_span(int64_t ms);
json_t *page_ago(int64_t ms, int64_t now_ms); /* since then; "" for 0 */
json_t *page_count(int64_t n);

/* What a state of the ledger or of the store is called, and the colour it has: good busy warn bad
 * grey. */
const char *page_state(const char *state, const char **ret_chip);
const char *page_document_state(const char *state, const char **ret_chip);
/* A link that leads out: NULL unless it is http or https, so that no other scheme is ever clicked.
 */
const char *page_outside(const char *url);
/* NULL: the name of a channel, for people. */
const char *page_channel_title(const struct request *request, const char *name);

/* The pages. `rest` is what stands behind their own part of the path. */
void page_overview(struct request *request, const char *rest);
void page_documents(struct request *request, const char *rest);
void page_document(struct request *request, const char *rest);
void page_channels(struct request *request, const char *rest);
void page_trouble(struct request *request, const char *rest);
void page_alarms(struct request *request, const char *rest);
void page_held(struct request *request, const char *rest);
void page_rejected(struct request *request, const char *rest);
void page_metrics(struct request *request, const char *rest);

/* channel_rows.c: one row for each configured channel (or one): an array. */
json_t *channel_rows(struct request *request, const char *only);
/* trouble_rows(): a page of what is not well into `context`; `more` pairs as of page_href(). */
void trouble_rows(struct request *request, json_t *context, const struct ledger_page *page,
                  bool with_channel);
/* Charts, into the context; channel NULL: all together. */
void charts_published(struct request *request, json_t *context, const char *channel);
void charts_waits(struct request *request, json_t *context, const char *channel);
/* What was published in each of the last 24 hours, of a channel. */
json_t *chart_day(struct request *request, const char *channel);
/* The open alarms' part of a context; returns how many there are. */
size_t alarms_into(struct request *request, json_t *context, size_t most);

#endif
