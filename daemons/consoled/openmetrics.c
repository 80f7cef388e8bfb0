#include "daemons/consoled/openmetrics.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const types[] = { "gauge", "counter", "histogram", "info" };

/* HELP and label values: backslash, quote and line end; a line end of another kind would not part a
 * line here, but is no part of a value either. */
static void escaped(struct buf *buf, const char *text) {
        for (; *text; text++) {
                if (*text == '\\' || *text == '"')
                        buf_char(buf, '\\');
                if (*text == '\n')
                        buf_str(buf, "\\n");
                else if ((unsigned char) *text < 0x20)
                        buf_char(buf, ' ');
                else
                        buf_char(buf, *text);
        }
}

static void check_name(const struct metric *metric) {
        size_t n = strlen(metric->name), n_unit = metric->unit ? strlen(metric->unit) : 0;

        assert(strspn(metric->name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n);
        assert(n_unit == 0 || (n > n_unit && metric->name[n - n_unit - 1] == '_' &&
                               strcmp(metric->name + n - n_unit, metric->unit) == 0));
        assert(n < 6 || strcmp(metric->name + n - 6, "_total") != 0);
        assert(metric->help && !strchr(metric->help, '\n'));
}

void metric_begin(struct buf *buf, const struct metric *metric) {
        check_name(metric);
        buf_fmt(buf, "# TYPE %s %s\n", metric->name, types[metric->type]);
        if (metric->unit)
                buf_fmt(buf, "# UNIT %s %s\n", metric->name, metric->unit);
        buf_fmt(buf, "# HELP %s ", metric->name);
        escaped(buf, metric->help);
        buf_char(buf, '\n');
}

void metric_number(struct buf *buf, double value) {
        if (isnan(value))
                buf_str(buf, "NaN");
        else if (isinf(value))
                buf_str(buf, value > 0 ? "+Inf" : "-Inf");
        else if (value == floor(value) && fabs(value) < 1e15)
                buf_fmt(buf, "%.0f", value);
        else
                buf_fmt(buf, "%.13g", value);
}

/* With one more pair at the end, or NULL. */
static void write_labels(struct buf *buf, const struct labels *labels, const char *name,
                         const char *value) {
        const char *before = "{";

        for (size_t i = 0; labels && i < 8 && labels->pairs[i]; i += 2) {
                buf_fmt(buf, "%s%s=\"", before, labels->pairs[i]);
                escaped(buf, labels->pairs[i + 1] ? labels->pairs[i + 1] : "");
                buf_char(buf, '"');
                before = ",";
        }
        if (name) {
                buf_fmt(buf, "%s%s=\"%s\"", before, name, value);
                before = ",";
        }
        if (*before == ',')
                buf_char(buf, '}');
}

static void sample(struct buf *buf, const char *name, const char *suffix,
                   const struct labels *labels, double value) {
        buf_str(buf, name);
        buf_str(buf, suffix);
        write_labels(buf, labels, NULL, NULL);
        buf_char(buf, ' ');
        metric_number(buf, value);
        buf_char(buf, '\n');
}

void metric_add(struct buf *buf, const struct metric *metric, const struct labels *labels,
                double value) {
        static const char *const suffixes[] = { "", "_total", NULL, "_info" };

        assert(metric->type != METRIC_HISTOGRAM);
        assert(metric->type != METRIC_COUNTER || value >= 0);
        sample(buf, metric->name, suffixes[metric->type], labels, value);
}

void metric_histogram(struct buf *buf, const struct metric *metric, const struct labels *labels,
                      const double *bounds, size_t n_bounds, const int64_t *counts, double sum) {
        int64_t n = 0;

        assert(metric->type == METRIC_HISTOGRAM);
        for (size_t i = 0; i <= n_bounds; i++) {
                char bound[32];

                n += counts[i];
                if (i < n_bounds) /* a float: 1 is written 1.0 */
                        (void) snprintf(bound, sizeof(bound),
                                        bounds[i] == floor(bounds[i]) ? "%.1f" : "%.10g",
                                        bounds[i]);
                buf_fmt(buf, "%s_bucket", metric->name);
                write_labels(buf, labels, "le", i < n_bounds ? bound : "+Inf");
                buf_fmt(buf, " %lld\n", (long long) n);
        }
        sample(buf, metric->name, "_count", labels, (double) n);
        sample(buf, metric->name, "_sum", labels, sum);
}

void metric_end(struct buf *buf) {
        buf_str(buf, "# EOF\n");
}
