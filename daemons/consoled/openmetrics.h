/* Writing OpenMetrics 1.0 (the OpenMetrics specification, 1.0.0, 2020-11): families with their
 * TYPE, UNIT and HELP, samples with escaped labels, "# EOF". Names are given without the suffixes
 * that a type demands; the caller writes a family whole, one after the other. Broken promises of
 * the caller end in assert(). */
#ifndef DAEMONS_CONSOLED_OPENMETRICS_H
#define DAEMONS_CONSOLED_OPENMETRICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM, METRIC_INFO };

struct metric {
        const char *name; /* "gongkai_due_documents"; with a unit it ends in "_" and that */
        enum metric_type type;
        const char *unit; /* "seconds", "bytes", or NULL */
        const char *help; /* one line */
};

/* Label names and values by turn, at most 4 pairs; NULL ends them. */
struct labels {
        const char *pairs[9];
};

void metric_begin(struct buf *buf, const struct metric *metric);
/* A counter's sample gets _total, an info's _info. */
void metric_add(struct buf *buf, const struct metric *metric, const struct labels *labels,
                double value);
/* counts[i]: how many were within bounds[i] and not within the one before; counts[n_bounds]: more.
 */
void metric_histogram(struct buf *buf, const struct metric *metric, const struct labels *labels,
                      const double *bounds, size_t n_bounds, const int64_t *counts, double sum);
void metric_end(struct buf *buf);

/* A number as the format has it: whole ones whole. */
void metric_number(struct buf *buf, double value);

#endif
