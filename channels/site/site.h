/* The static portal: what its files share. Everything here is a pure function of its arguments.
 *
 * One delivery runs through three requests. The CLAIM opens the tree, takes the document's place
 * there and learns what the portal says of it today; the PUT enters the new state and asks for
 * every list that it touches, before and after; the COMMIT writes the document's page, its
 * attachments, those lists and the feeds in one go. The memo carries what one reply teaches the
 * next. */
#ifndef CHANNELS_SITE_SITE_H
#define CHANNELS_SITE_SITE_H

#include "channels/driver.h"

struct site_options {
        char *root;    /* the public folder; the engine's tree reads it too */
        char *title;   /* 网站名称 */
        char *address; /* https://www.example.gov.cn, no slash behind */
        char *id_code; /* 政府网站标识码, or NULL */
        char *domain;  /* SiteDomain; NULL = the host of `address` */
        char *organ;   /* 主办单位, or NULL */
        char *contact; /* a line of the footer, or NULL */
        char *record;  /* 备案号, or NULL */
        int64_t list_size;
};

/* -- names.c: addresses, file names and small texts -- */

struct place {
        char name[21];   /* 20 hex digits, from region and document only */
        char page[64];   /* 530581/ab/NAME.html */
        char folder[48]; /* 530581/ab/NAME, where its attachments lie */
};

#define SLUG_TEXT 24

bool region_is_plain(const char *region); /* 2 to 12 digits: safe as a folder */
void place_of(const char *region, const char *document, struct place *ret);
void domain_slug(const char *domain, char ret[static SLUG_TEXT]);
size_t domain_order(const char *domain); /* for sorting: the known ones first */
const char *stage_label(const char *stage); /* 决策公开; NULL for none of the five */
extern const char *const stage_names[];     /* NULL-terminated */

size_t plain_run(const char *text); /* bytes at its start that one_line() keeps, valid UTF-8 */

/* These give strings to be freed, NULL only when memory is short. */
char *one_line(const char *text); /* no control, bidi or invisible characters but joiners, single spaces */
char *file_name_safe(const char *name, const char *sha256);
char *size_text(uint64_t n_bytes);
char *host_of(const char *address);
char *href_of(const char *folder, const char *file); /* folder/percent-encoded file */
const char *path_of(const char *address); /* what stands behind the host, "" for nothing */

const char *file_kind(const char *name, const char *media_type); /* PDF 文档; NULL = unknown */
bool url_is_web(const char *url); /* http or https, nothing odd inside */
bool url_is_address(const char *url); /* the same without query, fragment and slash at the end */

/* -- entry.c: what the index keeps of a document -- */

/* When a document came first and when it changed, as its page says it. */
struct timing {
        int64_t first_ms, updated_ms;
        bool revised;
};

#define SEATS 2 /* running numbers within the month: of the whole site, of the county */

void timing_of(const struct delivery *delivery, const json_t *previous, struct timing *ret);
const char *json_text(const json_t *object, const char *key); /* NULL unless a non-empty string */
int json_put(json_t *object, const char *key, const char *text); /* one_line(); nothing if empty */
char *publisher_text(const json_t *data);
/* The entry's data and tags, with a summary of `text`, or NULL. Both return 0 or a negative errno. */
int entry_shown(const struct delivery *delivery, const json_t *previous, const char *text,
                const int64_t seats[static SEATS], json_t **ret_data, json_t **ret_tags);
int entry_gone(const struct delivery *delivery, const json_t *previous,
               const int64_t seats[static SEATS], json_t **ret_data, json_t **ret_tags);
bool entry_is_live(const json_t *data); /* NULL is not */

/* -- press.c: templates and files of one commit -- */

struct press {
        const struct delivery *delivery;
        const struct site_options *options;
        json_t *site; /* owned: the part of every context that is the same on all pages */
        struct tree_commit *commit;
};

int press_init(struct press *press, const struct delivery *delivery, struct step *ret);
void press_done(struct press *press);
/* A fresh context for the page at `path` ("" and "x/" mean their index.html). */
json_t *press_context(const struct press *press, const char *path, const char *heading);
/* ColumnName and its three sisters. */
int press_column(json_t *context, const char *name, const char *description,
                 const char *keywords, const char *type);
int press_page(struct press *press, const char *template_name, const json_t *context,
               const char *path);
int press_text(struct press *press, const char *path, const char *text, size_t n_bytes, bool keep);
int press_attachment(struct press *press, const char *path, const struct attachment *attachment);
int press_removal(struct press *press, const char *path);
int press_assets(struct press *press);

/* -- body.c: the last touch to a document's body -- */

/* Safe HTML of core/content.h -> the same with wide tables in a box that scrolls, the addressee
 * and the signature where an official paper has them, document numbers that do not tear. */
int body_dress(const char *html, struct buf *ret);

/* -- pages.c: the page of a document -- */

/* The body as the page shows it, a string, and its plain text, NULL for a body of unknown kind. */
int page_body(const struct delivery *delivery, json_t **ret_html, char **ret_text);
int page_shown(struct press *press, const struct place *place, const json_t *data,
               const json_t *previous, const json_t *body);
int page_gone(struct press *press, const struct place *place, const json_t *data);

/* -- lists.c and feed.c: everything that shows many documents -- */

enum list_kind { LIST_HOME, LIST_COUNTY, LIST_DOMAIN, LIST_STAGE, LIST_MONTH, LIST_SHELF };

struct list {
        enum list_kind kind;
        char tag[160];   /* "" = all */
        char key[128];   /* region, domain or stage; of MONTH and SHELF the region or "" */
        char month[8];   /* MONTH and SHELF */
        unsigned shelf;  /* SHELF, from 1 */
};

struct plan {
        struct list lists[TREE_VIEWS];
        size_t n;
};

#define SHELF_SIZE 100 /* documents on one page of a month's archive */

void plan_document(struct plan *plan, const char *region, const json_t *data,
                   const json_t *previous);
void plan_setup(struct plan *plan, const struct delivery *delivery, const json_t *counts);
int plan_open(const struct plan *plan, const struct site_options *options, struct tree_open *ret);
int lists_write(struct press *press, const struct plan *plan, const struct tree_reply *reply);
void month_of(int64_t ms, char ret[static 8]);
int feed_write(struct press *press, const char *folder, const char *title, const json_t *entries);

#endif
