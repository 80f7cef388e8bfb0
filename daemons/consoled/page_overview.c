/* The overview: what needs a person first, then how everything stands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"
#include "daemons/consoled/page.h"
#include "daemons/consoled/pulse.h"

enum { ALARMS_MOST = 6 };
#define RISK_MS (3 * 24 * HOUR_MS)

/* -- alarms ------------------------------------------------------------------------------------ */

static enum message severity_word(const char *severity) {
        if (strcmp(severity, "critical") == 0)
                return MESSAGE_CONSOLE_SEVERITY_CRITICAL;
        return strcmp(severity, "warning") == 0 ? MESSAGE_CONSOLE_SEVERITY_WARNING
                                                : MESSAGE_CONSOLE_SEVERITY_ERROR;
}

/* "2026-11-29T14:03:05+08:00" as people write it. */
static json_t *readable_time(const json_t *rfc) {
        int64_t ms;

        if (!json_is_string(rfc) || moment_parse(json_string_value(rfc), &ms, NULL) < 0)
                return json_string("");
        return page_time(ms);
}

static json_t *alarm_of(const json_t *alarm) {
        const char *severity = json_string_value(json_object_get(alarm, "severity"));
        const json_t *acked = json_object_get(alarm, "acked"),
                     *count = json_object_get(alarm, "count");
        json_t *row = json_object();

        /* A class of the page: one of three words, whatever the file says. */
        severity =
                severity && (strcmp(severity, "critical") == 0 || strcmp(severity, "warning") == 0)
                        ? severity
                        : "error";
        (void) json_object_set(row, "code", json_object_get(alarm, "code"));
        (void) json_object_set(row, "sentence", json_object_get(alarm, "sentence"));
        (void) json_object_set(row, "what_to_do", json_object_get(alarm, "what_to_do"));
        (void) json_object_set_new(row, "severity", json_string(severity));
        (void) json_object_set_new(row, "severity_name",
                                   json_string(page_word(severity_word(severity))));
        (void) json_object_set_new(row, "since", readable_time(json_object_get(alarm, "first")));
        if (json_integer_value(count) > 1)
                (void) json_object_set_new(row, "count", page_count(json_integer_value(count)));
        if (acked) {
                json_t *copy = json_object();

                (void) json_object_set(copy, "by", json_object_get(acked, "by"));
                (void) json_object_set(copy, "reason", json_object_get(acked, "reason"));
                (void) json_object_set_new(copy, "at", readable_time(json_object_get(acked, "at")));
                (void) json_object_set_new(row, "acked", copy);
        }
        return row;
}

size_t alarms_into(struct request *request, json_t *context, size_t most) {
        const json_t *alarms = standing_now(request->daemon)->alarms, *alarm;
        size_t i, n = json_array_size(alarms);
        json_t *list = json_array();

        json_array_foreach(alarms, i, alarm)
                if (i < most)
                        (void) json_array_append_new(list, alarm_of(alarm));
        (void) json_object_set_new(context, "alarms", list);
        if (n > most) {
                char count[24];

                (void) snprintf(count, sizeof(count), "%zu", n - most);
                (void) json_object_set_new(context, "more",
                                           page_say(MESSAGE_CONSOLE_MORE_ALARMS, "count", count));
        }
        return n;
}

void page_alarms(struct request *request, const char *rest) {
        json_t *context;

        if (*rest) {
                page_missing(request);
                return;
        }
        context = page_context(request, "/alarms", page_word(MESSAGE_CONSOLE_ALARMS));
        (void) alarms_into(request, context, SIZE_MAX);
        page_render(request, "alarms", context);
}

/* -- the parts --------------------------------------------------------------------------------- */

static void add_part(json_t *parts, enum message name, const char *class, char *text) {
        (void) json_array_append_new(parts, json_pack("{s:s, s:s, s:s}", "name", page_word(name),
                                                      "class", class, "text", text ? text : ""));
        free(text);
}

static char *count_text(int64_t n, char text[static 24]) {
        (void) snprintf(text, 24, "%lld", (long long) n);
        return text;
}

static void add_door(struct request *request, json_t *parts) {
        const struct pulse_facts *facts = pulse_facts(request->daemon->pulse);
        const struct configuration *configuration = request->daemon->configuration;
        char accepted[24], rejected[24];
        bool shut = false;

        if (!facts->door) {
                add_part(parts, MESSAGE_CONSOLE_PART_DOOR, "bad",
                         say(MESSAGE_CONSOLE_DOOR_AWAY, NULL));
                return;
        }
        for (size_t i = 0; i < facts->n_regions; i++) {
                const struct region_pulse *region = &facts->regions[i];
                const char *name = configuration_region_name(configuration, region->code);

                if (region->asked && !region->takes) {
                        add_part(parts, MESSAGE_CONSOLE_PART_DOOR, "bad",
                                 say(MESSAGE_CONSOLE_DOOR_SHUT, "region", name, "reason",
                                     region->reason ? region->reason : "", NULL));
                        shut = true;
                }
                if (region->stop)
                        add_part(parts, MESSAGE_CONSOLE_PART_DOOR, "warn",
                                 say(MESSAGE_CONSOLE_STOPPED, "region", name, "reason",
                                     region->stop, NULL));
        }
        if (!shut)
                add_part(parts, MESSAGE_CONSOLE_PART_DOOR, "good",
                         say(MESSAGE_CONSOLE_DOOR_WELL, "accepted",
                             count_text(facts->accepted, accepted), "rejected",
                             count_text(facts->rejected, rejected), NULL));
}

static void add_store(struct request *request, json_t *parts) {
        const struct pulse_facts *facts = pulse_facts(request->daemon->pulse);
        char *unsafe freed_by(freep) = facts->store ? pulse_unsafe(facts) : NULL;
        char memory[32];

        (void) snprintf(memory, sizeof(memory), "%.1f MiB", (double) facts->memory / (1 << 20));
        if (!facts->store)
                add_part(parts, MESSAGE_CONSOLE_PART_STORE, "bad",
                         say(MESSAGE_CONSOLE_STORE_AWAY, NULL));
        else if (unsafe)
                add_part(parts, MESSAGE_CONSOLE_PART_STORE, "bad",
                         say(MESSAGE_CONSOLE_STORE_UNSAFE, "settings", unsafe, NULL));
        else
                add_part(parts, MESSAGE_CONSOLE_PART_STORE, "good",
                         say(MESSAGE_CONSOLE_STORE_WELL, "memory", memory, NULL));
}

static void add_ledger(struct request *request, json_t *parts) {
        enum { LITTLE = 1000 }; /* a busy second */
        const struct standing *standing = standing_now(request->daemon);
        char n[24];

        if (standing->error)
                add_part(parts, MESSAGE_CONSOLE_PART_LEDGER, "bad",
                         say(MESSAGE_CONSOLE_LEDGER_PART_AWAY, "reason", standing->words, NULL));
        else if (standing->n_behind > LITTLE)
                add_part(parts, MESSAGE_CONSOLE_PART_LEDGER, "warn",
                         say(MESSAGE_CONSOLE_LEDGER_PART_BEHIND, "count",
                             count_text(standing->n_behind, n), NULL));
        else
                add_part(parts, MESSAGE_CONSOLE_PART_LEDGER, "good",
                         say(MESSAGE_CONSOLE_LEDGER_PART_WELL, "seq",
                             count_text(standing->n_rows, n), NULL));
}

static void add_index(struct request *request, json_t *parts) {
        enum { LITTLE = 1000 };
        const struct standing *standing = standing_now(request->daemon);
        struct cards *cards = request->daemon->cards;
        int64_t n = 0, seq = cards ? cards_seq(cards) : 0;
        char text[24];

        if (!cards || cards_count(cards, &n) < 0)
                add_part(parts, MESSAGE_CONSOLE_PART_INDEX, "warn",
                         say(MESSAGE_CONSOLE_INDEX_AWAY, NULL));
        else if (standing->n_rows - seq > LITTLE)
                add_part(parts, MESSAGE_CONSOLE_PART_INDEX, "busy",
                         say(MESSAGE_CONSOLE_INDEX_READING, "percent",
                             count_text(100 * seq / standing->n_rows, text), NULL));
        else
                add_part(parts, MESSAGE_CONSOLE_PART_INDEX, "good",
                         say(MESSAGE_CONSOLE_INDEX_WELL, "count", count_text(n, text), NULL));
}

/* -- the figures ------------------------------------------------------------------------------- */

static void add_figure(json_t *figures, json_t *href, int64_t n, enum message label,
                       const char *class) {
        (void) json_array_append_new(
                figures, json_pack("{s:o, s:o, s:s, s:s}", "href", href, "value", page_count(n),
                                   "label", page_word(label), "class", n > 0 ? class : "none"));
}

static int64_t late(const struct standing *standing) {
        const json_t *alarm;
        int64_t n = 0;
        size_t i;

        json_array_foreach(standing->alarms, i, alarm) {
                const char *code = json_string_value(json_object_get(alarm, "code"));

                n += code && strcmp(code, alarm_code(ALARM_DEADLINE_MISSED)) == 0;
        }
        return n;
}

static const json_t *figure_of(const json_t *figures, enum message label) {
        const json_t *figure;
        size_t i;

        json_array_foreach(figures, i, figure)
                if (strcmp(json_string_value(json_object_get(figure, "label")), page_word(label)) == 0)
                        return figure;
        return NULL;
}

static void add_todo(json_t *todos, const json_t *figure) {
        if (figure && strcmp(json_string_value(json_object_get(figure, "class")), "none") != 0)
                (void) json_array_append(todos, (json_t *) (uintptr_t) figure);
}

/* A person's, too, without an alarm: what is held; and what is dead, before ledgerd has told. */
static void add_todos(json_t *context, const json_t *figures) {
        json_t *todos = json_array();
        bool told = json_array_size(json_object_get(context, "alarms")) > 0;

        add_todo(todos, figure_of(figures, MESSAGE_CONSOLE_FIGURE_HELD));
        if (!told)
                add_todo(todos, figure_of(figures, MESSAGE_CONSOLE_FIGURE_DEAD));
        (void) json_object_set_new(context, "calm", json_boolean(!told && json_array_size(todos) == 0));
        (void) json_object_set_new(context, "todos", todos);
}

static json_t *figures_of(struct request *request) {
        static const struct {
                const char *state, *class;
                enum message label;
        } states[] = {
                { "dead", "bad", MESSAGE_CONSOLE_FIGURE_DEAD },
                { "uncertain", "warn", MESSAGE_CONSOLE_FIGURE_UNCERTAIN },
                { "attempted", "warn", MESSAGE_CONSOLE_FIGURE_ATTEMPTED },
                { "parked", "busy", MESSAGE_CONSOLE_FIGURE_PARKED },
                { "deferred", "busy", MESSAGE_CONSOLE_FIGURE_DEFERRED },
        };
        const struct standing *standing = standing_now(request->daemon);
        const struct pulse_facts *facts = pulse_facts(request->daemon->pulse);
        json_t *figures = json_array();
        int64_t held = 0, ready = 0, at_risk = 0, now = clock_now_ms();

        for (size_t i = 0; i < facts->n_regions; i++)
                held += facts->regions[i].held;
        for (size_t i = 0; i < facts->n_channels; i++) {
                ready += facts->channels[i].ready;
                at_risk += facts->channels[i].deadline_ms > 0 &&
                           facts->channels[i].deadline_ms < now + RISK_MS;
        }
        add_figure(figures, page_href(request, "/alarms", NULL), late(standing),
                   MESSAGE_CONSOLE_FIGURE_LATE, "bad");
        if (at_risk > 0)
                add_figure(figures, page_href(request, "/channels", NULL), at_risk,
                           MESSAGE_CONSOLE_FIGURE_RISK, "warn");
        add_figure(figures, page_href(request, "/held", NULL), held, MESSAGE_CONSOLE_FIGURE_HELD,
                   "warn");
        for (size_t i = 0; i < ELEMENTS(states); i++)
                add_figure(figures, page_href(request, "/trouble", "state", states[i].state, NULL),
                           standing_count(standing, NULL, states[i].state), states[i].label,
                           states[i].class);
        add_figure(figures, page_href(request, "/channels", NULL), ready,
                   MESSAGE_CONSOLE_FIGURE_READY, "busy");
        return figures;
}

void page_overview(struct request *request, const char *rest) {
        json_t *context = page_context(request, "/", page_word(MESSAGE_CONSOLE_OVERVIEW)),
               *parts = json_array();

        (void) rest;
        add_door(request, parts);
        add_store(request, parts);
        add_ledger(request, parts);
        add_index(request, parts);
        (void) json_object_set_new(context, "parts", parts);
        (void) alarms_into(request, context, ALARMS_MOST);
        (void) json_object_set_new(context, "figures", figures_of(request));
        add_todos(context, json_object_get(context, "figures"));
        (void) json_object_set_new(context, "channels", channel_rows(request, NULL));
        charts_published(request, context, NULL);
        charts_waits(request, context, NULL);
        page_render(request, "overview", context);
}
