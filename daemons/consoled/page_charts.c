/* The charts' figures, from the index's counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"
#include "daemons/consoled/chart.h"
#include "daemons/consoled/page.h"

enum { HOURS = 24, DAYS = 30, WAIT_DAYS = 7 };

/* Hours, or days of hours, from `first` on. */
struct series {
        int64_t first;
        bool days;
        size_t n;
        struct chart_bar bars[DAYS];
        char labels[DAYS][16];
        char *titles[DAYS];
};

static void series_done(struct series *series) {
        for (size_t i = 0; i < series->n; i++)
                free(series->titles[i]);
}

static int64_t day_of_hour(int64_t hour) {
        return (hour + 8) / 24;
}

static int add_to_series(const char *channel, int what, int64_t hour, int64_t n, void *userdata) {
        struct series *series = userdata;
        int64_t at = (series->days ? day_of_hour(hour) : hour) - series->first;

        (void) channel;
        if (at < 0 || at >= (int64_t) series->n)
                return 0;
        *(what == TALLY_HOUR_PUBLISHED ? &series->bars[at].good : &series->bars[at].bad) += n;
        return 0;
}

static void name_bars(struct series *series) {
        for (size_t i = 0; i < series->n; i++) {
                int64_t ms =
                        (series->first + (int64_t) i) * (series->days ? 24 * HOUR_MS : HOUR_MS);
                struct chart_bar *bar = &series->bars[i];
                char at[MOMENT_TEXT];

                /* Days are of Shanghai and begin eight hours before those of UTC. */
                (void) moment_write_minute(series->days ? ms - 8 * HOUR_MS : ms, at);
                if (series->days)
                        at[10] = '\0'; /* 2026-11-29 */
                if (series->days ? i % 7 == 1 : i % 4 == 3)
                        (void) snprintf(series->labels[i], sizeof(series->labels[i]), "%.5s",
                                        at + (series->days ? 5 : 11));
                bar->label = series->labels[i];
                if (bar->bad > 0 &&
                    asprintf(&series->titles[i], "%s %s %lld %s %lld", at,
                             page_word(MESSAGE_CONSOLE_CHART_PUBLISHED), (long long) bar->good,
                             page_word(MESSAGE_CONSOLE_CHART_FAILED), (long long) bar->bad) < 0)
                        series->titles[i] = NULL;
                else if (bar->bad == 0 && asprintf(&series->titles[i], "%s %s %lld", at,
                                                   page_word(MESSAGE_CONSOLE_CHART_PUBLISHED),
                                                   (long long) bar->good) < 0)
                        series->titles[i] = NULL;
                bar->title = series->titles[i];
        }
}

/* False where the index is not there. */
static bool series_of(struct request *request, const char *channel, bool days, struct series *ret) {
        int64_t now = clock_now_ms(), first_hour;

        *ret = (struct series){ .days = days, .n = days ? DAYS : HOURS };
        ret->first = (days ? cards_day(now) : cards_hour(now)) - (int64_t) ret->n + 1;
        first_hour = days ? ret->first * 24 - 8 : ret->first;
        if (!request->daemon->cards ||
            cards_tallies(request->daemon->cards, channel, TALLY_HOUR_PUBLISHED, TALLY_HOUR_FAILED,
                          first_hour, INT64_MAX, add_to_series, ret) < 0)
                return false;
        name_bars(ret);
        return true;
}

static char *summary_of(const struct series *series) {
        int64_t good = 0, bad = 0, most = 0;
        char count[24], failed[24], top[24];

        for (size_t i = 0; i < series->n; i++) {
                good += series->bars[i].good;
                bad += series->bars[i].bad;
                if (series->bars[i].good + series->bars[i].bad > most)
                        most = series->bars[i].good + series->bars[i].bad;
        }
        if (good + bad == 0)
                return say(MESSAGE_CONSOLE_CHART_EMPTY, NULL);
        (void) snprintf(count, sizeof(count), "%lld", (long long) good);
        (void) snprintf(failed, sizeof(failed), "%lld", (long long) bad);
        (void) snprintf(top, sizeof(top), "%lld", (long long) most);
        return say(MESSAGE_CONSOLE_CHART_BARS_SUMMARY, "count", count, "bad", failed, "most", top,
                   NULL);
}

static json_t *empty_chart(enum message message) {
        return json_sprintf("<p class=\"calm\">%s</p>",
                            page_word(message)); /* ours, and no mark in it */
}

static json_t *chart_of(struct request *request, const char *channel, bool days) {
        struct series series freed_by(series_done) = { 0 };
        struct buf svg freed_by(buf_done) = { 0 };
        char *summary freed_by(freep) = NULL;
        struct chart chart = { NULL, page_word(MESSAGE_CONSOLE_CHART_PUBLISHED),
                               page_word(MESSAGE_CONSOLE_CHART_FAILED) };

        if (!series_of(request, channel, days, &series))
                return empty_chart(MESSAGE_CONSOLE_INDEX_AWAY);
        summary = summary_of(&series);
        chart.summary = summary ? summary : "";
        chart_bars(&svg, &chart, series.bars, series.n);
        return json_string(buf_text(&svg));
}

void charts_published(struct request *request, json_t *context, const char *channel) {
        (void) json_object_set_new(context, "chart_hours", chart_of(request, channel, false));
        (void) json_object_set_new(context, "chart_days", chart_of(request, channel, true));
}

json_t *chart_day(struct request *request, const char *channel) {
        struct series series freed_by(series_done) = { 0 };
        struct buf svg freed_by(buf_done) = { 0 };
        char *summary freed_by(freep) = NULL;

        if (!series_of(request, channel, false, &series))
                return json_string("");
        summary = summary_of(&series);
        chart_spark(&svg, summary ? summary : "", series.bars, series.n);
        return json_string(buf_text(&svg));
}

/* -- how long it took -------------------------------------------------------------------------- */

struct waits {
        const struct configuration *configuration;
        int64_t (*counts)[N_WAITS]; /* per channel of the configuration */
};

static int add_wait(const char *channel, int what, int64_t day, int64_t n, void *userdata) {
        struct waits *waits = userdata;

        (void) day;
        for (size_t i = 0; i < waits->configuration->n_channels; i++)
                if (strcmp(waits->configuration->channels[i].name, channel) == 0)
                        waits->counts[i][what - TALLY_WAIT_DAY] += n;
        return 0;
}

struct line {
        char *summary, *half, *most;
};

static void line_of(const char *title, const int64_t *counts, struct chart_wait *wait,
                    struct line *line) {
        int64_t n = 0;
        char count[24];

        for (size_t i = 0; i < N_WAITS; i++)
                n += counts[i];
        wait->name = title;
        wait->half_s = chart_quantile(wait_bounds, N_WAITS - 1, counts, 0.5);
        wait->most_s = chart_quantile(wait_bounds, N_WAITS - 1, counts, 0.9);
        line->half = page_span((int64_t) (wait->half_s * 1000));
        line->most = page_span((int64_t) (wait->most_s * 1000));
        (void) snprintf(count, sizeof(count), "%lld", (long long) n);
        line->summary = say(MESSAGE_CONSOLE_CHART_WAIT_SUMMARY, "channel", title, "half",
                            line->half ? line->half : "", "most", line->most ? line->most : "",
                            "count", count, NULL);
        wait->half = line->half ? line->half : "";
        wait->most = line->most ? line->most : "";
        wait->summary = line->summary ? line->summary : "";
}

static json_t *draw_waits(struct request *request, const struct waits *waits, const char *only) {
        const struct configuration *configuration = request->daemon->configuration;
        struct chart_wait *rows freed_by(freep) =
                calloc(configuration->n_channels + 1, sizeof(*rows));
        struct line *lines freed_by(freep) = calloc(configuration->n_channels + 1, sizeof(*lines));
        char *ticks[4] = { page_span(1000), page_span(60000), page_span(3600000),
                           page_span(86400000) };
        struct buf svg freed_by(buf_done) = { 0 };
        size_t n = 0;

        for (size_t i = 0; rows && lines && i < configuration->n_channels; i++) {
                const struct channel_config *channel = &configuration->channels[i];
                int64_t all = 0;

                for (size_t k = 0; k < N_WAITS; k++)
                        all += waits->counts[i][k];
                if (all == 0 || (only && strcmp(channel->name, only) != 0))
                        continue;
                line_of(channel->title ? channel->title : channel->name, waits->counts[i], &rows[n],
                        &lines[n]);
                n++;
        }
        if (n > 0 && ticks[0] && ticks[1] && ticks[2] && ticks[3])
                chart_waits(&svg, rows, n,
                            (const char *const[4]){ ticks[0], ticks[1], ticks[2], ticks[3] });
        for (size_t i = 0; i < n; i++) {
                free(lines[i].summary);
                free(lines[i].half);
                free(lines[i].most);
        }
        for (size_t i = 0; i < ELEMENTS(ticks); i++)
                free(ticks[i]);
        return svg.len > 0 ? json_string(buf_text(&svg)) : empty_chart(MESSAGE_CONSOLE_CHART_EMPTY);
}

void charts_waits(struct request *request, json_t *context, const char *channel) {
        struct consoled *daemon = request->daemon;
        struct waits waits = { daemon->configuration, calloc(daemon->configuration->n_channels + 1,
                                                             sizeof(*waits.counts)) };
        bool good =
                waits.counts && daemon->cards &&
                cards_tallies(daemon->cards, channel, TALLY_WAIT_DAY, TALLY_WAIT_DAY + N_WAITS - 1,
                              cards_day(clock_now_ms()) - WAIT_DAYS + 1, INT64_MAX, add_wait,
                              &waits) >= 0;

        (void) json_object_set_new(context, "chart_waits",
                                   good ? draw_waits(request, &waits, channel)
                                        : empty_chart(MESSAGE_CONSOLE_INDEX_AWAY));
        free(waits.counts);
}
