/* One file of the catalogue: first its header, then row by row. For core/catalogue*.c only. */
#ifndef CORE_CATALOGUE_FILE_H
#define CORE_CATALOGUE_FILE_H

#include "core/catalogue.h"
#include "core/csv.h"

enum column {
        CODE,
        DOMAIN,
        LEVEL1,
        LEVEL2,
        CONTENT,
        BASIS,
        DEADLINE,
        SUBJECT,
        CARRIERS,
        STAGES,
        KIND,
        AUDIENCE,
        METHOD,
        LEVEL,
        ALL, /* from here: tick columns below a common heading */
        GROUP,
        PROACTIVE,
        ON_REQUEST,
        COUNTY,
        TOWNSHIP,
        N_COLUMNS,
};

struct catalogue_column {
        const char *title; /* as the national form has it */
        const char *names[9];
        bool is_required;
};
extern const struct catalogue_column catalogue_columns[N_COLUMNS];

struct catalogue_reader {
        struct catalogue *catalogue;
        size_t *allocated;
        const char *path, *region;
        struct problems *problems;
        struct csv csv;
        struct csv_row row;
        char *headers[CSV_MAX_FIELDS]; /* as written, cleaned */
        size_t n_headers;
        int at[N_COLUMNS]; /* index of the cell; -1 = no such column */
        bool is_mapped[CSV_MAX_FIELDS];
        char *above[CSV_MAX_FIELDS]; /* what 同上 means */
};

/* Finds the header and which cell is which column. 1: rows may follow; 0: the file is left out, and
 * a problem says why; -ENOMEM. */
int catalogue_read_header(struct catalogue_reader *reader);
void catalogue_broken_row(struct catalogue_reader *reader, int csv_result);
/* "a、b、c" */
void catalogue_add_name(struct buf *list, const char *name);

/* Adds the file's rows to the catalogue, in their order; `region` is "" or that of the file's name.
 * -ENOMEM; everything else is a problem. */
int catalogue_read_file(struct catalogue *catalogue, size_t *allocated, const char *path,
                        const char *region, struct problems *problems);
void item_done(struct item *item);

#endif
