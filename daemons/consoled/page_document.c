/* One document's way through each carrier: who, what, when. How it stands now the store says (by
 * way of publisherd); what happened, the ledger. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"
#include "daemons/consoled/page.h"

enum { HISTORY_MOST = 300, WHO_MOST = 200 };

static const char *text_of(const json_t *row, const char *name) {
        const char *text = json_string_value(json_object_get(row, name));

        return text ? text : "";
}

static void set_text(json_t *json, const char *name, const char *text) {
        json_t *value = json_string(text ? text : "");

        /* What a carrier said may be cut within a character. */
        (void) json_object_set_new(json, name, value ? value : json_string(""));
}

/* -- what happened ----------------------------------------------------------------------------- */

struct history {
        struct request *request;
        json_t *rows;     /* the latest HISTORY_MOST, in their order */
        size_t n;         /* all */
        json_t *last;     /* channel -> its last row, for when the store is silent */
        char source[200]; /* who sent the newest accepted event */
};

/* The last word of an accepted event's extra is its id; what else it says is a person's name, or
 * the channels. */
static bool is_of_person(const struct ledger_row *row) {
        static const char *const by_person[] = { "released", "refused", "dropped", "replayed",
                                                 "missing" };

        for (size_t i = 0; i < ELEMENTS(by_person); i++)
                if (strcmp(row->state, by_person[i]) == 0)
                        return true;
        return false;
}

static int add_history(const struct ledger_row *row, void *userdata) {
        struct history *history = userdata;
        bool confirmed =
                strcmp(row->state, "attempted") == 0 && strcmp(row->code, "confirmed") == 0;
        bool comes_in = strcmp(row->state, "accepted") == 0 || strcmp(row->state, "held") == 0;
        const char *chip, *state = page_state(confirmed ? "confirmed" : row->state, &chip);
        json_t *json = json_pack("{s:o, s:s, s:s}", "at", page_second(row->at_ms), "state", state,
                                 "chip", chip);

        set_text(json, "channel",
                 *row->channel ? page_channel_title(history->request, row->channel) : "");
        set_text(json, "sentence", row->sentence);
        set_text(json, "code", comes_in || strcmp(row->code, "done") == 0 ? "" : row->code);
        set_text(json, "event", comes_in ? row->event : "");
        set_text(json, "url", page_outside(row->url));
        set_text(json, "who",
                 comes_in                                             ? row->source
                 : is_of_person(row) && strlen(row->extra) < WHO_MOST ? row->extra
                                                                      : "");
        (void) json_object_set_new(json, "revision",
                                   row->revision > 0 ? page_count(row->revision) : json_string(""));
        (void) json_object_set_new(json, "attempt",
                                   row->attempt > 1 ? page_count(row->attempt) : json_string(""));
        if (comes_in && row->source)
                (void) snprintf(history->source, sizeof(history->source), "%s", row->source);
        if (*row->channel) {
                json_t *last = json_deep_copy(json);

                set_text(last, "reference", row->reference);
                set_text(last, "name", row->channel);
                (void) json_object_set_new(history->last, row->channel, last);
        }
        if (history->n++ >= HISTORY_MOST)
                (void) json_array_remove(history->rows, 0);
        (void) json_array_append_new(history->rows, json);
        return 0;
}

/* -- how it stands ----------------------------------------------------------------------------- */

static json_t *time_of(const json_t *row, const char *name) {
        int64_t ms;

        return moment_parse(text_of(row, name), &ms, NULL) == 0 ? page_time(ms) : json_string("");
}

static json_t *standing_row(struct request *request, const char *name) {
        char *path freed_by(freep) = NULL;
        json_t *json = json_object();

        if (asprintf(&path, "/channels/%s", name) < 0)
                path = NULL;
        (void) json_object_set_new(json, "href",
                                   page_href(request, path ? path : "/channels", NULL));
        set_text(json, "title", page_channel_title(request, name));
        set_text(json, "name", name);
        return json;
}

/* What is dead, or has been, keeps the time of a look that has passed. */
static json_t *next_of(const json_t *channel) {
        int64_t ms;

        if (moment_parse(text_of(channel, "next"), &ms, NULL) < 0 || ms <= clock_now_ms())
                return json_string("");
        return page_time(ms);
}

static json_t *channel_now(struct request *request, const json_t *channel) {
        const char *name = text_of(channel, "channel"), *chip;
        json_int_t attempts = json_integer_value(json_object_get(channel, "attempts"));
        json_t *json = standing_row(request, name);

        set_text(json, "state", page_state(text_of(channel, "state"), &chip));
        set_text(json, "chip", chip);
        (void) json_object_set_new(
                json, "revision",
                json_object_get(channel, "revision")
                        ? page_count(json_integer_value(json_object_get(channel, "revision")))
                        : json_string(""));
        (void) json_object_set_new(json, "shown", time_of(channel, "at"));
        (void) json_object_set_new(json, "try", next_of(channel));
        (void) json_object_set_new(json, "due", time_of(channel, "due"));
        (void) json_object_set_new(json, "attempts",
                                   attempts > 0 ? page_count(attempts) : json_string(""));
        set_text(json, "url", page_outside(text_of(channel, "url")));
        set_text(json, "sentence", text_of(channel, "error"));
        set_text(json, "reference", text_of(channel, "reference"));
        return json;
}

/* Of the ledger: the last that it knows. */
static json_t *channel_last(struct request *request, const json_t *row) {
        json_t *json = standing_row(request, text_of(row, "name"));

        (void) json_object_update(json, (json_t *) (uintptr_t) row);
        set_text(json, "title", page_channel_title(request, text_of(row, "name")));
        (void) json_object_set_new(json, "shown", json_string(text_of(row, "at")));
        set_text(json, "attempts", text_of(row, "attempt"));
        set_text(json, "try", "");
        set_text(json, "due", "");
        return json;
}

static void add_fact(json_t *facts, enum message label, const char *value) {
        if (value && *value)
                (void) json_array_append_new(
                        facts, json_pack("{s:s, s:s}", "label", page_word(label), "value", value));
}

/* -- the page ---------------------------------------------------------------------------------- */

static void document_answered(struct request *request, const json_t *answer) {
        json_t *context = give_away(request->context), *channels = json_array();
        json_t *last = json_incref(json_object_get(context, "last"));
        bool good = json_is_true(json_object_get(answer, "ok"));
        const char *name;
        json_t *row;
        size_t i;

        if (good)
                json_array_foreach(json_object_get(answer, "channels"), i, row)
                        (void) json_array_append_new(channels, channel_now(request, row));
        else {
                json_object_foreach(last, name, row)
                        (void) json_array_append_new(channels, channel_last(request, row));
                if (json_object_size(last) > 0)
                        (void) json_array_append_new(
                                json_object_get(context, "troubles"),
                                json_string(page_word(MESSAGE_CONSOLE_STORE_SILENT)));
        }
        (void) json_object_set_new(context, "has_channels",
                                   json_boolean(json_array_size(channels) > 0));
        (void) json_object_set_new(context, "channels", channels);
        json_decref(last);
        page_render(request, "document", context);
}

struct found {
        struct request *request;
        json_t *context, *facts;
};

static int on_card(const struct card *card, void *userdata) {
        struct found *found = userdata;
        const char *chip, *state = page_document_state(card->state, &chip);
        json_t *at = page_time(card->first_at_ms), *changed = page_time(card->last_at_ms);

        set_text(found->context, "heading", *card->title ? card->title : card->document);
        set_text(found->context, "state", state);
        set_text(found->context, "chip", chip);
        add_fact(found->facts, MESSAGE_CONSOLE_NUMBER, card->number);
        add_fact(found->facts, MESSAGE_CONSOLE_PUBLISHER, card->publisher);
        add_fact(found->facts, MESSAGE_CONSOLE_ITEM, card->item);
        add_fact(found->facts, MESSAGE_CONSOLE_FIRST_ACCEPTED, json_string_value(at));
        add_fact(found->facts, MESSAGE_CONSOLE_LAST_CHANGED, json_string_value(changed));
        json_decref(at);
        json_decref(changed);
        return 0;
}

static void show_document(struct request *request, const char *region, const char *document,
                          struct history *history) {
        struct found found = { request, page_context(request, "/documents", document),
                               json_array() };
        char count[24];

        add_fact(found.facts, MESSAGE_CONSOLE_DOCUMENT, document);
        if (request->daemon->cards)
                (void) cards_one(request->daemon->cards, region, document, on_card, &found);
        if (request->daemon->configuration->main.regions.n > 1)
                add_fact(found.facts, MESSAGE_CONSOLE_REGION,
                         configuration_region_name(request->daemon->configuration, region));
        add_fact(found.facts, MESSAGE_CONSOLE_SOURCE, history->source);
        (void) json_object_set_new(found.context, "facts", found.facts);
        (void) json_object_set(found.context, "history", history->rows);
        (void) json_object_set(found.context, "last", history->last);
        if (history->n > HISTORY_MOST) {
                (void) snprintf(count, sizeof(count), "%d", HISTORY_MOST);
                (void) json_object_set_new(found.context, "left_out",
                                           page_say(MESSAGE_CONSOLE_LEFT_OUT, "count", count));
        }
        page_wait(request,
                  json_pack("{s:s, s:s, s:s}", "do", "document.show", "region", region, "document",
                            document),
                  found.context, document_answered);
}

/* rest: REGION/DOCUMENT, and a document's name may have a slash in it. */
void page_document(struct request *request, const char *rest) {
        enum { CODE = 6 };
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        struct history history = { .request = request,
                                   .rows = json_array(),
                                   .last = json_object() };
        char region[CODE + 1] = "";

        if (strlen(rest) > CODE + 1 && rest[CODE] == '/')
                (void) snprintf(region, sizeof(region), "%.6s", rest);
        if (*region && consoled_ledger(request->daemon, &reader) == 0)
                (void) ledger_read_document(reader, region, rest + CODE + 1, add_history, &history);
        if (history.n == 0)
                page_missing(request);
        else
                show_document(request, region, rest + CODE + 1, &history);
        json_decref(history.rows);
        json_decref(history.last);
}
