/* Channels: a row for each, and one with its figures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "daemons/consoled/page.h"
#include "daemons/consoled/pulse.h"

/* How it stands, in a word, the colour of that, and why. */
struct stand {
        const char *word, *chip;
        char *reason;
        bool bad;
};

static char *until(int64_t ms) {
        json_t *at = page_time(ms);
        char *text = say(MESSAGE_CONSOLE_UNTIL, "at",
                         json_is_string(at) ? json_string_value(at) : "", NULL);

        json_decref(at);
        return text;
}

static int64_t quota_of(const struct request *request, const struct channel_config *channel) {
        const struct config *config = &request->daemon->configuration->main;
        int64_t n = 0;

        for (size_t i = 0; i < config->regions.n; i++) {
                char code[7];

                (void) snprintf(code, sizeof(code), "%.6s", config->regions.items[i]);
                n += channel_serves(channel, code) ? channel->per_day : 0;
        }
        return n;
}

static struct stand stand_of(const struct request *request, const struct channel_config *channel,
                             const struct channel_pulse *pulse) {
        bool known = pulse && pulse_facts(request->daemon->pulse)->store;
        int64_t quota = quota_of(request, channel);

        if (!channel->enabled)
                return (struct stand){ page_word(MESSAGE_CONSOLE_CHANNEL_OFF), "grey", NULL,
                                       false };
        if (!known)
                return (struct stand){ page_word(MESSAGE_CONSOLE_CHANNEL_UNKNOWN), "grey", NULL,
                                       false };
        if (pulse->paused)
                return (struct stand){ page_word(MESSAGE_CONSOLE_CHANNEL_PAUSED), "bad",
                                       strdup(pulse->paused), true };
        if (pulse->open_ms > 0)
                return (struct stand){ page_word(MESSAGE_CONSOLE_CHANNEL_BREAKER), "bad",
                                       pulse->open_ms > clock_now_ms() ? until(pulse->open_ms)
                                                                       : NULL,
                                       true };
        if (quota > 0 && pulse->quota_used >= quota)
                return (struct stand){ page_word(MESSAGE_CONSOLE_CHANNEL_FULL), "warn", NULL,
                                       false };
        if (pulse->hold_ms > 0)
                return (struct stand){ page_word(MESSAGE_CONSOLE_CHANNEL_RESTING), "warn",
                                       until(pulse->hold_ms), false };
        if (pulse->ready > 0 || pulse->in_hand > 0)
                return (struct stand){ page_word(MESSAGE_CONSOLE_CHANNEL_BUSY), "busy", NULL,
                                       false };
        return (struct stand){ page_word(MESSAGE_CONSOLE_CHANNEL_WELL), "good", NULL, false };
}

static int keep_number(const char *channel, int what, int64_t at, int64_t n, void *userdata) {
        (void) channel;
        (void) what;
        (void) at;
        *(int64_t *) userdata = n;
        return 1;
}

static int64_t last_published(struct request *request, const char *channel) {
        int64_t at = 0;

        if (request->daemon->cards)
                (void) cards_tallies(request->daemon->cards, channel, TALLY_LAST_PUBLISHED,
                                     TALLY_LAST_PUBLISHED, 0, 0, keep_number, &at);
        return at;
}

static json_t *quota_text(const struct request *request, const struct channel_config *channel,
                          const struct channel_pulse *pulse) {
        int64_t quota = quota_of(request, channel);

        if (quota <= 0)
                return json_string("");
        return json_sprintf("%lld / %lld", pulse ? (long long) pulse->quota_used : 0LL,
                            (long long) quota);
}

static json_t *oldest_text(struct request *request, const char *channel,
                           const struct channel_pulse *pulse, int64_t now) {
        int64_t since = pulse ? pulse->oldest_ms : 0,
                owed = standing_owed(standing_now(request->daemon), channel);
        char *span freed_by(freep) = NULL;

        if (owed > 0 && (since == 0 || owed < since))
                since = owed;
        if (since > 0)
                span = page_span(now > since ? now - since : 0);

        return json_string(span ? span : "");
}

static json_t *row_of(struct request *request, const struct channel_config *channel) {
        const struct channel_pulse *pulse = pulse_channel(request->daemon->pulse, channel->name);
        bool known = pulse && pulse_facts(request->daemon->pulse)->store;
        struct stand stand = stand_of(request, channel, pulse);
        int64_t now = clock_now_ms();
        char *path freed_by(freep) = NULL;
        json_t *row;

        if (asprintf(&path, "/channels/%s", channel->name) < 0)
                path = NULL;
        row = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "href",
                        page_href(request, path ? path : "/channels", NULL), "title",
                        page_channel_title(request, channel->name), "name", channel->name, "state",
                        stand.word, "chip", stand.chip, "ready",
                        known ? page_count(pulse->ready) : json_string("?"), "waiting",
                        known ? page_count(pulse->waiting) : json_string("?"), "oldest",
                        oldest_text(request, channel->name, pulse, now), "last",
                        page_ago(last_published(request, channel->name), now), "quota",
                        quota_text(request, channel, pulse), "spark",
                        chart_day(request, channel->name));
        if (stand.reason)
                (void) json_object_set_new(row, "reason", json_string(stand.reason));
        if (stand.bad)
                (void) json_object_set_new(row, "class", json_string("bad"));
        if (pulse && pulse->deadline_ms > 0) {
                json_t *day = page_time(pulse->deadline_ms);

                (void) json_object_set_new(row, "deadline",
                                           json_stringn(json_string_value(day), 10));
                json_decref(day);
        }
        free(stand.reason);
        return row;
}

json_t *channel_rows(struct request *request, const char *only) {
        const struct configuration *configuration = request->daemon->configuration;
        json_t *rows = json_array();

        for (size_t i = 0; i < configuration->n_channels; i++)
                if (!only || strcmp(configuration->channels[i].name, only) == 0)
                        (void) json_array_append_new(rows,
                                                     row_of(request, &configuration->channels[i]));
        return rows;
}

/* -- one of them ------------------------------------------------------------------------------- */

static void add_fact(json_t *facts, enum message label, json_t *value) {
        if (json_string_length(value) > 0)
                (void) json_array_append_new(
                        facts, json_pack("{s:s, s:o}", "label", page_word(label), "value", value));
        else
                json_decref(value);
}

static json_t *joined(const struct string_list *list) {
        struct buf buf freed_by(buf_done) = { 0 };

        for (size_t i = 0; i < list->n; i++)
                buf_fmt(&buf, "%s%s", i > 0 ? "、" : "", list->items[i]);
        return json_string(buf_text(&buf));
}

static json_t *facts_of(struct request *request, const struct channel_config *channel,
                        const json_t *row) {
        const struct channel_pulse *pulse = pulse_channel(request->daemon->pulse, channel->name);
        json_t *facts = json_array();

        add_fact(facts, MESSAGE_CONSOLE_READY, json_incref(json_object_get(row, "ready")));
        add_fact(facts, MESSAGE_CONSOLE_WAITING, json_incref(json_object_get(row, "waiting")));
        add_fact(facts, MESSAGE_CONSOLE_OLDEST, json_incref(json_object_get(row, "oldest")));
        add_fact(facts, MESSAGE_CONSOLE_IN_HAND, pulse ? page_count(pulse->in_hand) : json_null());
        add_fact(facts, MESSAGE_CONSOLE_FAILURES,
                 pulse ? page_count(pulse->in_a_row) : json_null());
        add_fact(facts, MESSAGE_CONSOLE_LAST_PUBLISHED, json_incref(json_object_get(row, "last")));
        add_fact(facts, MESSAGE_CONSOLE_QUOTA, json_incref(json_object_get(row, "quota")));
        add_fact(facts, MESSAGE_CONSOLE_RATE, joined(&channel->rate_text));
        add_fact(facts, MESSAGE_CONSOLE_NEAREST, json_incref(json_object_get(row, "deadline")));
        add_fact(facts, MESSAGE_CONSOLE_DRIVER,
                 json_string(channel->driver ? channel->driver : ""));
        add_fact(facts, MESSAGE_CONSOLE_CARRIERS, joined(&channel->carriers));
        return facts;
}

static int add_outcome(const char *channel, int what, int64_t at, int64_t n, void *userdata) {
        const char *chip;

        (void) channel;
        (void) at;
        (void) json_array_append_new(userdata,
                                     json_pack("{s:s, s:o}", "label",
                                               page_state(cards_states[what - TALLY_ROW], &chip),
                                               "value", page_count(n)));
        return 0;
}

static void one_channel(struct request *request, const struct channel_config *channel) {
        const struct ledger_page page = { NULL, channel->name, INT64_MAX, INT64_MAX, 20 };
        json_t *context =
                page_context(request, "/channels", page_channel_title(request, channel->name));
        json_t *rows = channel_rows(request, channel->name), *row = json_array_get(rows, 0),
               *outcomes = json_array();

        (void) json_object_set(context, "chip", json_object_get(row, "chip"));
        (void) json_object_set(context, "state", json_object_get(row, "state"));
        if (json_object_get(row, "reason"))
                (void) json_object_set(context, "reason", json_object_get(row, "reason"));
        (void) json_object_set_new(context, "facts", facts_of(request, channel, row));
        charts_published(request, context, channel->name);
        trouble_rows(request, context, &page, false);
        if (request->daemon->cards)
                (void) cards_tallies(request->daemon->cards, channel->name, TALLY_ROW,
                                     (int) n_cards_states - 1, 0, 0, add_outcome, outcomes);
        (void) json_object_set_new(context, "outcomes", outcomes);
        page_render(request, "channel", context);
        json_decref(rows);
}

void page_channels(struct request *request, const char *rest) {
        const struct channel_config *channel =
                *rest ? configuration_channel(request->daemon->configuration, rest) : NULL;
        json_t *context;

        if (*rest && !channel)
                page_missing(request);
        else if (channel)
                one_channel(request, channel);
        else {
                context = page_context(request, "/channels", page_word(MESSAGE_CONSOLE_CHANNELS));
                (void) json_object_set_new(context, "channels", channel_rows(request, NULL));
                charts_waits(request, context, NULL);
                page_render(request, "channels", context);
        }
}
