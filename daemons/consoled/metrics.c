/* /metrics: what the pages know, as OpenMetrics. Labels are of bounded kinds: channels, regions,
 * states, codes; never a document, an event or a person. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/memory.h"
#include "daemons/consoled/openmetrics.h"
#include "daemons/consoled/page.h"
#include "daemons/consoled/pulse.h"

struct writer {
        struct request *request;
        struct consoled *daemon;
        const struct pulse_facts *facts;
        const struct standing *standing;
        struct buf *out;
        int64_t now_ms;
};

static void single(const struct writer *writer, const struct metric *metric, double value) {
        metric_begin(writer->out, metric);
        metric_add(writer->out, metric, NULL, value);
}

/* -- the store --------------------------------------------------------------------------------- */

static void write_store(const struct writer *writer) {
        const struct pulse_facts *facts = writer->facts;
        static const struct metric up = { "gongkai_store_up", METRIC_GAUGE, NULL,
                                          "1 when Redis answered within the last round." };
        static const struct metric synced = {
                "gongkai_store_durable", METRIC_GAUGE, NULL,
                "1 when Redis' settings keep every accepted event over a power cut."
        };
        static const struct metric written = { "gongkai_store_write_ok", METRIC_GAUGE, NULL,
                                               "1 when Redis' last write to its log succeeded." };
        static const struct metric rewritten = {
                "gongkai_store_rewrite_ok", METRIC_GAUGE, NULL,
                "1 when the last rewriting of Redis' log succeeded."
        };
        static const struct metric delayed = {
                "gongkai_store_delayed_fsyncs", METRIC_COUNTER, NULL,
                "Syncs of Redis' log that had to wait, since Redis' start."
        };
        static const struct metric memory = { "gongkai_store_memory_bytes", METRIC_GAUGE, "bytes",
                                              "Memory that Redis uses." };
        static const struct metric most = { "gongkai_store_memory_limit_bytes", METRIC_GAUGE,
                                            "bytes", "Redis' maxmemory; 0 is none." };
        static const struct metric log = { "gongkai_store_log_bytes", METRIC_GAUGE, "bytes",
                                           "Size of Redis' log on disk." };
        char *unsafe freed_by(freep) = NULL;

        single(writer, &up, facts->store);
        if (!facts->store)
                return;
        unsafe = pulse_unsafe(facts);
        single(writer, &synced, !unsafe);
        single(writer, &written, facts->aof_last_ok);
        single(writer, &rewritten, facts->aof_rewrite_ok);
        single(writer, &delayed, facts->aof_delayed > 0 ? (double) facts->aof_delayed : 0);
        single(writer, &memory, (double) facts->memory);
        single(writer, &most, (double) facts->memory_most);
        single(writer, &log, (double) facts->aof_size);
}

/* -- the door ---------------------------------------------------------------------------------- */

static void write_door(const struct writer *writer) {
        const struct pulse_facts *facts = writer->facts;
        static const struct metric up = { "gongkai_door_up", METRIC_GAUGE, NULL,
                                          "1 when gongkai-publisherd answered." };
        static const struct metric events = {
                "gongkai_door_events", METRIC_COUNTER, NULL,
                "Events by the door's answer, since gongkai-publisherd's start."
        };
        static const struct metric pending = { "gongkai_door_pending_events", METRIC_GAUGE, NULL,
                                               "Events that wait for their answer." };
        static const struct metric takes = { "gongkai_door_open", METRIC_GAUGE, NULL,
                                             "1 when events of the region are taken." };

        single(writer, &up, facts->door);
        if (!facts->door)
                return;
        metric_begin(writer->out, &events);
        metric_add(writer->out, &events, &(struct labels){ { "outcome", "accepted" } },
                   (double) facts->accepted);
        metric_add(writer->out, &events, &(struct labels){ { "outcome", "rejected" } },
                   (double) facts->rejected);
        metric_add(writer->out, &events, &(struct labels){ { "outcome", "busy" } },
                   (double) facts->busy);
        single(writer, &pending, (double) facts->pending);
        metric_begin(writer->out, &takes);
        for (size_t i = 0; i < facts->n_regions; i++)
                if (facts->regions[i].asked)
                        metric_add(writer->out, &takes,
                                   &(struct labels){ { "region", facts->regions[i].code } },
                                   facts->regions[i].takes);
}

static void write_regions(const struct writer *writer) {
        const struct pulse_facts *facts = writer->facts;
        static const struct metric stopped = {
                "gongkai_stopped", METRIC_GAUGE, NULL,
                "1 when an operator has stopped publishing in the region."
        };
        static const struct metric held = { "gongkai_held_events", METRIC_GAUGE, NULL,
                                            "Events that wait for a person." };
        static const struct metric log = { "gongkai_log_entries", METRIC_GAUGE, NULL,
                                           "Entries of the region's log that are still in Redis." };
        static const struct metric behind = { "gongkai_ledger_lag_records", METRIC_GAUGE, NULL,
                                              "Records that the ledger has not copied yet." };

        metric_begin(writer->out, &stopped);
        for (size_t i = 0; facts->store && i < facts->n_regions; i++)
                metric_add(writer->out, &stopped,
                           &(struct labels){ { "region", facts->regions[i].code } },
                           facts->regions[i].stop != NULL);
        metric_begin(writer->out, &held);
        for (size_t i = 0; facts->store && i < facts->n_regions; i++)
                metric_add(writer->out, &held,
                           &(struct labels){ { "region", facts->regions[i].code } },
                           (double) facts->regions[i].held);
        metric_begin(writer->out, &log);
        for (size_t i = 0; facts->store && i < facts->n_regions; i++)
                metric_add(writer->out, &log,
                           &(struct labels){ { "region", facts->regions[i].code } },
                           (double) facts->regions[i].n_log);
        metric_begin(writer->out, &behind);
        for (size_t i = 0; writer->standing->n_behind >= 0 && i < writer->standing->n_regions &&
                           i < facts->n_regions;
             i++)
                metric_add(writer->out, &behind,
                           &(struct labels){ { "region", facts->regions[i].code } },
                           (double) writer->standing->behind[i]);
}

/* -- channels ---------------------------------------------------------------------------------- */

typedef bool channel_value_fn(const struct writer *writer, const struct channel_pulse *channel,
                              double *ret);

static void per_channel(const struct writer *writer, const struct metric *metric,
                        channel_value_fn *value) {
        metric_begin(writer->out, metric);
        for (size_t i = 0; writer->facts->store && i < writer->facts->n_channels; i++) {
                const struct channel_pulse *channel = &writer->facts->channels[i];
                double number;

                if (value(writer, channel, &number))
                        metric_add(writer->out, metric,
                                   &(struct labels){ { "channel", channel->name } }, number);
        }
}

#define VALUE(name, condition, number)                                                             \
        static bool name(const struct writer *writer, const struct channel_pulse *channel,         \
                         double *ret) {                                                            \
                (void) writer;                                                                     \
                *ret = (double) (number);                                                          \
                return (condition);                                                                \
        }
VALUE(due_of, true, channel->ready)
VALUE(waiting_of, true, channel->waiting)
VALUE(in_hand_of, true, channel->in_hand)
VALUE(in_a_row_of, true, channel->in_a_row)
VALUE(open_of, true, channel->open_ms > 0)
VALUE(paused_of, true, channel->paused != NULL)
VALUE(used_of, true, channel->quota_used)
VALUE(slack_of, channel->deadline_ms > 0, (double) (channel->deadline_ms - writer->now_ms) / 1000)
#undef VALUE

static bool oldest_of(const struct writer *writer, const struct channel_pulse *channel,
                      double *ret) {
        int64_t since = channel->oldest_ms, owed = standing_owed(writer->standing, channel->name);

        if (owed > 0 && (since == 0 || owed < since))
                since = owed;
        *ret = since > 0 && writer->now_ms > since ? (double) (writer->now_ms - since) / 1000 : 0;
        return true;
}

static bool left_of(const struct writer *writer, const struct channel_pulse *channel, double *ret) {
        const struct configuration *configuration = writer->daemon->configuration;
        const struct channel_config *config = configuration_channel(configuration, channel->name);
        int64_t most = 0;

        for (size_t i = 0; config && i < writer->facts->n_regions; i++)
                most += channel_serves(config, writer->facts->regions[i].code) ? config->per_day
                                                                               : 0;
        *ret = most > channel->quota_used ? (double) (most - channel->quota_used) : 0;
        return most > 0;
}

static void write_channels(const struct writer *writer) {
        static const struct {
                struct metric metric;
                channel_value_fn *value;
        } gauges[] = {
                { { "gongkai_due_documents", METRIC_GAUGE, NULL,
                    "Documents that are due on the channel now." },
                  due_of },
                { { "gongkai_waiting_documents", METRIC_GAUGE, NULL,
                    "Documents that want attention on the channel now or later: schedules, "
                    "retries, expiries." },
                  waiting_of },
                { { "gongkai_in_hand_documents", METRIC_GAUGE, NULL,
                    "Documents that workers have in hand." },
                  in_hand_of },
                { { "gongkai_oldest_due_seconds", METRIC_GAUGE, "seconds",
                    "How long the channel has owed the first of its documents; to four minutes for "
                    "what was never tried." },
                  oldest_of },
                { { "gongkai_deadline_slack_seconds", METRIC_GAUGE, "seconds",
                    "To the end of the nearest legal day of what is due; negative when it has "
                    "passed." },
                  slack_of },
                { { "gongkai_breaker_open", METRIC_GAUGE, NULL,
                    "1 while the far end is away and only probes are sent." },
                  open_of },
                { { "gongkai_channel_paused", METRIC_GAUGE, NULL,
                    "1 while the channel waits for a person." },
                  paused_of },
                { { "gongkai_failures_in_a_row", METRIC_GAUGE, NULL,
                    "Failures of the far end, one after the other." },
                  in_a_row_of },
                { { "gongkai_quota_used_documents", METRIC_GAUGE, NULL,
                    "Handed out today (Asia/Shanghai)." },
                  used_of },
                { { "gongkai_quota_left_documents", METRIC_GAUGE, NULL,
                    "Left of the day's quota, where there is one." },
                  left_of },
        };

        for (size_t i = 0; i < ELEMENTS(gauges); i++)
                per_channel(writer, &gauges[i].metric, gauges[i].value);
}

static void write_trouble(const struct writer *writer) {
        static const struct metric count = {
                "gongkai_trouble_documents", METRIC_GAUGE, NULL,
                "Documents that a channel is not well with, by state."
        };
        static const struct metric oldest = { "gongkai_trouble_oldest_seconds", METRIC_GAUGE,
                                              "seconds",
                                              "How long the first of them has been so." };
        const struct standing *standing = writer->standing;

        metric_begin(writer->out, &count);
        for (size_t i = 0; i < standing->n_sums; i++)
                metric_add(writer->out, &count,
                           &(struct labels){ { "channel", standing->sums[i].channel, "state",
                                               standing->sums[i].state } },
                           (double) standing->sums[i].count);
        metric_begin(writer->out, &oldest);
        for (size_t i = 0; i < standing->n_sums; i++)
                metric_add(writer->out, &oldest,
                           &(struct labels){ { "channel", standing->sums[i].channel, "state",
                                               standing->sums[i].state } },
                           (double) (writer->now_ms - standing->sums[i].since_ms) / 1000);
}

/* -- counts of the index ----------------------------------------------------------------------- */

struct counted {
        const struct writer *writer;
        const struct metric *metric;
};

static int add_event(const char *channel, int what, int64_t at, int64_t n, void *userdata) {
        const struct counted *counted = userdata;

        (void) at;
        if (*channel || what >= (int) n_cards_states)
                return 0;
        metric_add(counted->writer->out, counted->metric,
                   &(struct labels){ { "outcome", cards_states[what - TALLY_ROW] } }, (double) n);
        return 0;
}

static int add_delivery(const char *channel, int what, int64_t at, int64_t n, void *userdata) {
        const struct counted *counted = userdata;

        (void) at;
        if (*channel)
                metric_add(counted->writer->out, counted->metric,
                           &(struct labels){ { "channel", channel, "outcome",
                                               cards_states[what - TALLY_ROW] } },
                           (double) n);
        return 0;
}

static int add_last(const char *channel, int what, int64_t at, int64_t n, void *userdata) {
        const struct counted *counted = userdata;

        (void) what;
        (void) at;
        metric_add(counted->writer->out, counted->metric,
                   &(struct labels){ { "channel", channel } }, (double) n / 1000);
        return 0;
}

static int keep_bucket(const char *channel, int what, int64_t at, int64_t n, void *userdata) {
        int64_t *counts = userdata;

        (void) channel;
        (void) at;
        counts[what - TALLY_WAIT] = n;
        return 0;
}

/* A channel's histogram, where it comes with its sum. */
static int add_histogram(const char *channel, int what, int64_t at, int64_t sum_ms, void *userdata) {
        const struct counted *counted = userdata;
        int64_t counts[N_WAITS] = { 0 };

        (void) what;
        (void) at;
        (void) cards_tallies(counted->writer->daemon->cards, channel, TALLY_WAIT, TALLY_WAIT + N_WAITS - 1,
                             0, 0, keep_bucket, counts);
        metric_histogram(counted->writer->out, counted->metric,
                         &(struct labels) { { "channel", channel } }, wait_bounds, N_WAITS - 1, counts,
                         (double) sum_ms / 1000);
        return 0;
}

static void write_counts(const struct writer *writer) {
        static const struct metric events = {
                "gongkai_events", METRIC_COUNTER, NULL,
                "Events by what became of them on their way in, as the ledger has it."
        };
        static const struct metric deliveries = { "gongkai_deliveries", METRIC_COUNTER, NULL,
                                                  "Outcomes by channel, as the ledger has them." };
        static const struct metric wait = {
                "gongkai_publish_latency_seconds", METRIC_HISTOGRAM, "seconds",
                "From accepted (or the time of publication that was asked for) to published."
        };
        static const struct metric last = { "gongkai_last_published_timestamp_seconds",
                                            METRIC_GAUGE, "seconds",
                                            "When the channel last published something." };
        struct cards *cards = writer->daemon->cards;
        struct counted counted = { writer, &events };

        if (!cards)
                return;
        metric_begin(writer->out, &events);
        (void) cards_tallies(cards, "", TALLY_ROW, (int) n_cards_states - 1, 0, 0, add_event,
                             &counted);
        metric_begin(writer->out, &deliveries);
        counted.metric = &deliveries;
        (void) cards_tallies(cards, NULL, TALLY_ROW, (int) n_cards_states - 1, 0, 0, add_delivery,
                             &counted);
        metric_begin(writer->out, &wait);
        counted.metric = &wait;
        (void) cards_tallies(cards, NULL, TALLY_WAIT_SUM_MS, TALLY_WAIT_SUM_MS, 0, 0, add_histogram,
                             &counted);
        metric_begin(writer->out, &last);
        counted.metric = &last;
        (void) cards_tallies(cards, NULL, TALLY_LAST_PUBLISHED, TALLY_LAST_PUBLISHED, 0, 0,
                             add_last, &counted);
}

/* -- alarms, and ourselves --------------------------------------------------------------------- */

static void write_alarms(const struct writer *writer) {
        static const struct metric open = { "gongkai_alarms_open", METRIC_GAUGE, NULL,
                                            "Open alarms by code." };
        int64_t counts[N_ALARMS] = { 0 };
        const json_t *one;
        size_t i;

        json_array_foreach(writer->standing->alarms, i, one) {
                enum alarm alarm = alarm_by_code(json_string_value(json_object_get(one, "code")));

                if (alarm < N_ALARMS)
                        counts[alarm]++;
        }
        metric_begin(writer->out, &open);
        for (enum alarm alarm = 0; alarm < N_ALARMS; alarm++)
                metric_add(writer->out, &open,
                           &(struct labels){ { "code", alarm_code(alarm), "severity",
                                               alarm_severity_name(alarm_severity(alarm)) } },
                           (double) counts[alarm]);
}

static void write_self(const struct writer *writer) {
        static const struct metric build = { "gongkai_console_build", METRIC_INFO, NULL,
                                             "The console's version." };
        static const struct metric rows = { "gongkai_ledger_rows", METRIC_GAUGE, NULL,
                                            "Rows of the ledger." };
        static const struct metric readable = { "gongkai_ledger_readable", METRIC_GAUGE, NULL,
                                                "1 when the ledger can be read." };
        static const struct metric lag = {
                "gongkai_console_index_lag_rows", METRIC_GAUGE, NULL,
                "Rows of the ledger that the counters above do not have yet."
        };
        static const struct metric age = { "gongkai_console_pulse_age_seconds", METRIC_GAUGE,
                                           "seconds", "Age of what the store and the door said." };
        int64_t seq = writer->daemon->cards ? cards_seq(writer->daemon->cards) : 0;

        metric_begin(writer->out, &build);
        metric_add(writer->out, &build, &(struct labels){ { "version", GONGKAI_VERSION } }, 1);
        single(writer, &readable, writer->standing->error == 0);
        single(writer, &rows, (double) writer->standing->n_rows);
        single(writer, &lag,
               writer->standing->n_rows > seq ? (double) (writer->standing->n_rows - seq) : 0);
        if (writer->facts->at_ms > 0)
                single(writer, &age, (double) (writer->now_ms - writer->facts->at_ms) / 1000);
}

void page_metrics(struct request *request, const char *rest) {
        struct writer writer = { request,
                                 request->daemon,
                                 pulse_facts(request->daemon->pulse),
                                 standing_now(request->daemon),
                                 &request->body,
                                 clock_now_ms() };

        if (*rest) {
                page_missing(request);
                return;
        }
        request->type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        write_self(&writer);
        write_store(&writer);
        write_door(&writer);
        write_regions(&writer);
        write_channels(&writer);
        write_trouble(&writer);
        write_counts(&writer);
        write_alarms(&writer);
        metric_end(&request->body);
}
