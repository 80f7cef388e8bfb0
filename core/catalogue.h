/* The county's catalogue of disclosure items: what must be public, on which basis, by whom, by
 * when, on which carriers. Read from *.csv in the catalogue folder: UTF-8 (BOM allowed), RFC 4180,
 * a header row with the national ten column groups plus `code`, in any order; other columns are
 * kept (`extra`). A file whose name starts with a region's code holds for that region only. */
#ifndef CORE_CATALOGUE_H
#define CORE_CATALOGUE_H

#include <jansson.h>

#include "core/problems.h"
#include "core/settings.h"

/* The 13 carriers of the national check list, in printed order, then the rest that the pilot
 * names (广播 电视 报刊 政务微信 政务微博 96128 档案馆 图书馆 短信 ...). */
struct carrier {
        const char *name;       /* as printed: 政府网站 */
        const char *aliases[8]; /* other spellings; NULL-terminated */
        const char *kin;        /* the printed box it belongs to (政务微信 -> 两微一端), or NULL */
};
extern const struct carrier carriers[];
extern const size_t n_carriers;
/* Index into carriers by name or alias (white space ignored); -1 when unknown. */
int carrier_find(const char *name);
/* The set of carriers each of which meets a demand for one of `demanded`: itself, the carriers of a
 * box, the box of a carrier. */
uint64_t carriers_served(uint64_t demanded);

struct item {
        char *code;
        char *region;  /* "" = all */
        char *domain;  /* 领域; may be "" */
        char *level1, *level2;
        char *content, *basis, *deadline, *subject, *audience, *method, *level;
        char *carriers_text;
        uint64_t carriers; /* bit i = carriers[i] is ticked (■ or named) */
        char *stages;      /* "decision result"; may be "" */
        char *kind;        /* "notice"; may be "" */
        json_t *extra;     /* other columns by header */
        char *file;
        unsigned line;
};

struct catalogue {
        struct item *items; /* by code, then region */
        size_t n;
};

/* Reads every *.csv of the folder. What is wrong goes to `problems` with file and line; the other
 * rows stand. An empty folder is an empty catalogue. Negative errno: folder unreadable, memory. */
int catalogue_load(const char *folder, struct problems *problems, struct catalogue **ret);
struct catalogue *catalogue_free(struct catalogue *catalogue);
void catalogue_freep(struct catalogue **catalogue);

/* The item of that code for the region (a region's own row wins over the common one), or NULL. */
const struct item *catalogue_find(const struct catalogue *catalogue, const char *code,
                                  const char *region);
/* Up to three codes nearest to a wrong one, by edit distance, as "a、b、c"; to be freed; "" if none. */
char *catalogue_near(const struct catalogue *catalogue, const char *code, const char *region);

#endif
