/* What stands in one cell of a catalogue. For core/catalogue*.c only. */
#ifndef CORE_CATALOGUE_CELLS_H
#define CORE_CATALOGUE_CELLS_H

#include <stdbool.h>
#include <stdint.h>

enum cell_style {
        CELL_LINE,   /* one line; blanks and line ends inside Chinese words vanish */
        CELL_LINES,  /* the same, but line ends stay */
        CELL_BLANKS, /* any white space becomes one blank */
};

/* The cell without what a sheet's layout put into it: blanks at the ends, doubled blanks, breaks
 * inside words (行政 许可), invisible code points. To be freed; NULL when memory is short. */
char *cell_clean(const char *cell, enum cell_style style);
bool cell_is_blank(const char *cell);
/* 同上 */
bool cell_is_as_above(const char *clean);
/* A mark in a tick column: anything but nothing, □ and "no". */
bool cell_is_ticked(const char *cell);

/* The carriers ticked in the check list; where the cell has no tick sign, those that it names.
 * Unknown names are left out. -ENOMEM. */
int cell_carriers(const char *cell, uint64_t *ret);
/* 决策、结果 -> "decision result", in the order of event_stages; "" when it names none. NULL when
 * memory is short. */
char *cell_stages(const char *cell);

#endif
