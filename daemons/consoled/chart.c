#include "daemons/consoled/chart.h"

#include <math.h>
#include <stdio.h>

#include "core/template.h"

/* In units of the picture, which is then as wide as there is room. */
enum {
        WIDE = 640,
        HIGH = 190,
        LEFT = 44,
        RIGHT = 12,
        TOP = 10,
        BOTTOM = 24,
        SPARK_WIDE = 120,
        SPARK_HIGH = 24
};
enum { ROW = 34, NAME_WIDE = 168, SCALE_WIDE = 380, WAITS_WIDE = 680 };
#define LEAST_S 0.1
#define MOST_S 259200.0

static void text_of(struct buf *buf, const char *text) {
        escape_add(buf, ESCAPE_HTML, text, strlen(text));
}

static void open_picture(struct buf *buf, const char *class, int wide, int high,
                         const char *summary) {
        buf_fmt(buf, "<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", class,
                wide, high);
        text_of(buf, summary);
        buf_str(buf, "\">");
}

int64_t chart_ceiling(int64_t most) {
        int64_t power = 1;

        while (power <= INT64_MAX / 100) {
                for (int64_t step = 1; step <= 5; step = step == 2 ? 5 : step * 2)
                        if (most <= step * power)
                                return step * power;
                power *= 10;
        }
        return most;
}

static int64_t greatest(const struct chart_bar *bars, size_t n) {
        int64_t most = 0;

        for (size_t i = 0; i < n; i++)
                if (bars[i].good + bars[i].bad > most)
                        most = bars[i].good + bars[i].bad;
        return most;
}

static void rectangle(struct buf *buf, const char *class, double x, double y, double wide,
                      double high) {
        if (high > 0)
                buf_fmt(buf,
                        "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                        class, x, y, wide, high);
}

/* What there is at all is seen, however little it is. */
static double height_of(int64_t value, int64_t most, double high) {
        double scaled = most > 0 ? high * (double) value / (double) most : 0;

        return value > 0 && scaled < 1.5 ? 1.5 : scaled;
}

static void bar(struct buf *buf, const struct chart_bar *one, int64_t most, double x, double wide,
                double foot, double high) {
        double good = height_of(one->good, most, high), bad = height_of(one->bad, most, high);

        if (one->good + one->bad == 0)
                return;
        if (one->title) {
                buf_str(buf, "<g><title>");
                text_of(buf, one->title);
                buf_str(buf, "</title>");
        }
        rectangle(buf, "good", x, foot - good, wide, good);
        rectangle(buf, "bad", x, foot - good - bad, wide, bad);
        if (one->title)
                buf_str(buf, "</g>");
}

void chart_bars(struct buf *buf, const struct chart *chart, const struct chart_bar *bars,
                size_t n) {
        int64_t top = chart_ceiling(greatest(bars, n));
        double foot = HIGH - BOTTOM, high = HIGH - TOP - BOTTOM,
               step = n > 0 ? (double) (WIDE - LEFT - RIGHT) / (double) n : 1;

        buf_str(buf, "<figure class=\"chart\">");
        open_picture(buf, "bars", WIDE, HIGH, chart->summary);
        for (int i = 0; i <= 2; i++) {
                double y = foot - high * i / 2;

                buf_fmt(buf, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
                        LEFT, WIDE, y, y);
                if (top * i % 2 == 0)
                        buf_fmt(buf, "<text class=\"axis n\" x=\"%d\" y=\"%.1f\">%lld</text>",
                                LEFT - 6, y + 4, (long long) (top * i / 2));
        }
        for (size_t i = 0; i < n; i++) {
                double x = LEFT + step * (double) i;

                bar(buf, &bars[i], top, x + step * 0.15, step * 0.7, foot, high);
                if (bars[i].label && *bars[i].label) {
                        buf_fmt(buf, "<text class=\"axis m\" x=\"%.1f\" y=\"%d\">", x + step / 2,
                                HIGH - 7);
                        text_of(buf, bars[i].label);
                        buf_str(buf, "</text>");
                }
        }
        buf_str(buf, "</svg><figcaption><span class=\"key good\">");
        text_of(buf, chart->good);
        buf_str(buf, "</span> <span class=\"key bad\">");
        text_of(buf, chart->bad);
        buf_str(buf, "</span> <span class=\"sum\">");
        text_of(buf, chart->summary);
        buf_str(buf, "</span></figcaption></figure>");
}

void chart_spark(struct buf *buf, const char *summary, const struct chart_bar *bars, size_t n) {
        int64_t most = greatest(bars, n);
        double step = n > 0 ? (double) SPARK_WIDE / (double) n : 1;

        open_picture(buf, "sparkline", SPARK_WIDE, SPARK_HIGH, summary);
        buf_fmt(buf, "<line class=\"grid\" x1=\"0\" x2=\"%d\" y1=\"%d.5\" y2=\"%d.5\"/>",
                SPARK_WIDE, SPARK_HIGH - 1, SPARK_HIGH - 1);
        for (size_t i = 0; i < n; i++)
                bar(buf, &bars[i], most, step * (double) i + 0.5, step - 1, SPARK_HIGH - 1,
                    SPARK_HIGH - 2);
        buf_str(buf, "</svg>");
}

static double place(double seconds) {
        double at = log(fmax(seconds, LEAST_S) / LEAST_S) / log(MOST_S / LEAST_S);

        return NAME_WIDE + SCALE_WIDE * fmin(at, 1);
}

void chart_waits(struct buf *buf, const struct chart_wait *waits, size_t n,
                 const char *const ticks[static 4]) {
        static const double seconds[] = { 1, 60, 3600, 86400 };
        int high = (int) n * ROW + 28;

        buf_str(buf, "<figure class=\"chart\">");
        open_picture(buf, "waits", WAITS_WIDE, high, n > 0 ? waits[0].summary : "");
        for (int i = 0; i < 4; i++) {
                double x = place(seconds[i]);

                buf_fmt(buf, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"4\" y2=\"%d\"/>", x,
                        x, high - 20);
                buf_fmt(buf, "<text class=\"axis m\" x=\"%.1f\" y=\"%d\">", x, high - 6);
                text_of(buf, ticks[i]);
                buf_str(buf, "</text>");
        }
        for (size_t i = 0; i < n; i++) {
                double y = 4 + ROW * (double) i + ROW / 2.0, half = place(waits[i].half_s),
                       most = place(waits[i].most_s);

                buf_str(buf, "<g><title>");
                text_of(buf, waits[i].summary);
                buf_fmt(buf, "</title><text class=\"name\" x=\"0\" y=\"%.1f\">", y + 5);
                text_of(buf, waits[i].name);
                buf_fmt(buf,
                        "</text><line class=\"thin\" x1=\"%d\" x2=\"%.1f\" y1=\"%.1f\" "
                        "y2=\"%.1f\"/>",
                        NAME_WIDE, most, y, y);
                buf_fmt(buf,
                        "<line class=\"thick\" x1=\"%d\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                        NAME_WIDE, fmax(half, NAME_WIDE + 2), y, y);
                buf_fmt(buf, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\">", fmax(most, half) + 8,
                        y + 4);
                text_of(buf, waits[i].half);
                buf_str(buf, " / ");
                text_of(buf, waits[i].most);
                buf_str(buf, "</text></g>");
        }
        buf_str(buf, "</svg></figure>");
}

double chart_quantile(const double *bounds, size_t n_bounds, const int64_t *counts, double share) {
        int64_t all = 0, below = 0;

        for (size_t i = 0; i <= n_bounds; i++)
                all += counts[i];
        for (size_t i = 0; all > 0 && i < n_bounds; i++) {
                double wanted = share * (double) all - (double) below,
                       from = i > 0 ? bounds[i - 1] : 0;

                if (counts[i] > 0 && wanted <= (double) counts[i])
                        return from + (bounds[i] - from) * fmax(wanted, 0) / (double) counts[i];
                below += counts[i];
        }
        return all > 0 ? bounds[n_bounds - 1] : 0;
}
