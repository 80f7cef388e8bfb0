/* Charts as SVG, made here: what people would rather look at than read. They have no script, no
 * style of their own (classes are the stylesheet's), and a sentence for who cannot see them. */
#ifndef DAEMONS_CONSOLED_CHART_H
#define DAEMONS_CONSOLED_CHART_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

struct chart_bar {
        int64_t good, bad;
        const char *label; /* below it; "" for none */
        const char *title; /* what a pointer over it shows */
};

/* `summary` says the whole of it; `good`, `bad` are what the colours mean. */
struct chart {
        const char *summary, *good, *bad;
};

void chart_bars(struct buf *buf, const struct chart *chart, const struct chart_bar *bars, size_t n);
/* A row's own little bars: no axis, no words but the summary. */
void chart_spark(struct buf *buf, const char *summary, const struct chart_bar *bars, size_t n);

struct chart_wait {
        const char *name, *summary;
        double half_s, most_s; /* half were within, nine of ten were within; seconds */
        const char *half, *most;
};
/* One line each on a scale of powers from 0.1 s to three days. `ticks`: what 1 s, 1 min, 1 h, 1 day
 * are called. */
void chart_waits(struct buf *buf, const struct chart_wait *waits, size_t n,
                 const char *const ticks[static 4]);

/* The bucket's bound that holds this share (0 to 1) of the counts, in seconds, between the bounds
 * by proportion; the greatest bound for what is beyond. */
double chart_quantile(const double *bounds, size_t n_bounds, const int64_t *counts, double share);
/* The least of 1, 2, 5 times a power of ten that is not below it. */
int64_t chart_ceiling(int64_t most);

#endif
