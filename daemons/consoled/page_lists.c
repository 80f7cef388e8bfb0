/* What is not well, what waits for a person, what was not taken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"
#include "daemons/consoled/page.h"
#include "daemons/consoled/pulse.h"

enum { ROWS_MOST = 50, REJECTED_MOST = 200 };

/* -- not well ---------------------------------------------------------------------------------- */

struct listing {
        struct request *request;
        json_t *rows;
        size_t most;
        int64_t since_ms, seq; /* of the last one that was listed */
        bool more;
};

static int keep_title(const struct card *card, void *userdata) {
        *(json_t **) userdata = *card->title ? json_string(card->title) : NULL;
        return 0;
}

static json_t *title_of(struct request *request, const char *region, const char *document) {
        json_t *title = NULL;

        if (request->daemon->cards)
                (void) cards_one(request->daemon->cards, region, document, keep_title, &title);
        return title ? title : json_string(document);
}

static json_t *document_href(const struct request *request, const char *region,
                             const char *document) {
        char *path freed_by(freep) = NULL;

        if (asprintf(&path, "/document/%s/%s", region, document) < 0)
                return json_null();
        return page_href(request, path, NULL);
}

static json_t *channel_href(const struct request *request, const char *name) {
        char *path freed_by(freep) = NULL;

        if (!configuration_channel(request->daemon->configuration, name) ||
            asprintf(&path, "/channels/%s", name) < 0)
                return page_href(request, "/channels", NULL);
        return page_href(request, path, NULL);
}

static int add_trouble(const struct ledger_row *row, int64_t since_ms, void *userdata) {
        struct listing *listing = userdata;
        struct request *request = listing->request;
        const char *chip, *state = page_state(row->state, &chip);
        json_t *json;

        if (json_array_size(listing->rows) >= listing->most) {
                listing->more = true;
                return 1;
        }
        json = json_pack("{s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:o, s:s, s:s}", "at",
                         page_time(since_ms), "href",
                         document_href(request, row->region, row->document), "title",
                         title_of(request, row->region, row->document), "document", row->document,
                         "channel", page_channel_title(request, row->channel), "state", state,
                         "chip", chip, "channel_href", channel_href(request, row->channel),
                         "sentence", row->sentence, "code", row->code);
        if (row->attempt > 1)
                (void) json_object_set_new(json, "attempts", page_count(row->attempt));
        (void) json_array_append_new(listing->rows, json ? json : json_object());
        listing->since_ms = since_ms;
        listing->seq = row->seq;
        return 0;
}

void trouble_rows(struct request *request, json_t *context, const struct ledger_page *page,
                  bool with_channel) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        struct listing listing = { request, json_array(), page->most, 0, 0, false };
        struct ledger_page more = *page;
        char since[24], seq[24];

        more.most++; /* one more, to know whether there is a page behind */
        if (consoled_ledger(request->daemon, &reader) < 0 ||
            ledger_page_trouble(reader, &more, add_trouble, &listing) < 0)
                (void) json_array_append_new(json_object_get(context, "troubles"),
                                             page_say(MESSAGE_CONSOLE_LEDGER_PART_AWAY, "reason",
                                                      standing_now(request->daemon)->words));
        (void) json_object_set_new(context, "has_rows",
                                   json_boolean(json_array_size(listing.rows) > 0));
        (void) json_object_set_new(context, "with_channel", json_boolean(with_channel));
        (void) json_object_set_new(context, "rows", listing.rows);
        if (!listing.more)
                return;
        (void) snprintf(since, sizeof(since), "%lld", (long long) listing.since_ms);
        (void) snprintf(seq, sizeof(seq), "%lld", (long long) listing.seq);
        (void) json_object_set_new(
                context, "next",
                page_href(request, "/trouble", "state", page->state ? page->state : "", "channel",
                          page->channel ? page->channel : "", "since", since, "seq", seq, NULL));
}

static int64_t argument_number(const struct request *request, const char *name) {
        const char *text = page_argument(request, name);
        char *end;
        long long n = strtoll(text, &end, 10);

        return *text && !*end && n > 0 ? n : INT64_MAX;
}

void page_trouble(struct request *request, const char *rest) {
        static const struct {
                const char *state;
                enum message label, hint;
        } tabs[] = {
                { "dead", MESSAGE_CONSOLE_FIGURE_DEAD, MESSAGE_CONSOLE_HINT_DEAD },
                { "uncertain", MESSAGE_CONSOLE_FIGURE_UNCERTAIN, MESSAGE_CONSOLE_HINT_UNCERTAIN },
                { "attempted", MESSAGE_CONSOLE_FIGURE_ATTEMPTED, MESSAGE_CONSOLE_HINT_ATTEMPTED },
                { "parked", MESSAGE_CONSOLE_FIGURE_PARKED, MESSAGE_CONSOLE_HINT_PARKED },
                { "deferred", MESSAGE_CONSOLE_FIGURE_DEFERRED, MESSAGE_CONSOLE_HINT_DEFERRED },
        };
        const char *wanted = page_argument(request, "state"),
                   *channel = page_argument(request, "channel");
        struct ledger_page page = { NULL, *channel ? channel : NULL,
                                    argument_number(request, "since"),
                                    argument_number(request, "seq"), ROWS_MOST };
        const struct standing *standing;
        json_t *context, *list = json_array();
        size_t chosen = 0;

        if (*rest) {
                json_decref(list);
                page_missing(request);
                return;
        }
        for (size_t i = 0; i < ELEMENTS(tabs); i++)
                if (strcmp(tabs[i].state, wanted) == 0)
                        chosen = i;
        page.state = tabs[chosen].state;
        context = page_context(request, "/trouble", page_word(MESSAGE_CONSOLE_TROUBLE));
        standing = standing_now(request->daemon);
        for (size_t i = 0; i < ELEMENTS(tabs); i++)
                (void) json_array_append_new(
                        list,
                        json_pack("{s:o, s:s, s:o, s:b}", "href",
                                  page_href(request, "/trouble", "state", tabs[i].state, "channel",
                                            channel, NULL),
                                  "label", page_word(tabs[i].label), "count",
                                  page_count(standing_count(standing, page.channel, tabs[i].state)),
                                  "here", i == chosen));
        (void) json_object_set_new(context, "tabs", list);
        (void) json_object_set_new(context, "hint", json_string(page_word(tabs[chosen].hint)));
        trouble_rows(request, context, &page, true);
        page_render(request, "trouble", context);
}

/* -- of publisherd's --------------------------------------------------------------------------- */

static const char *text_of(const json_t *row, const char *name) {
        const char *text = json_string_value(json_object_get(row, name));

        return text ? text : "";
}

static json_t *time_of(const json_t *row) {
        int64_t ms;

        return moment_parse(text_of(row, "at"), &ms, NULL) == 0 ? page_time(ms) : json_string("");
}

static void note_silence(json_t *context, const json_t *answer) {
        if (!json_is_true(json_object_get(answer, "ok")))
                (void) json_array_append_new(json_object_get(context, "troubles"),
                                             json_string(page_word(MESSAGE_CONSOLE_DOOR_AWAY)));
}

static void held_answered(struct request *request, const json_t *answer) {
        json_t *context = give_away(request->context), *rows = json_array();
        const json_t *row;
        size_t i;

        note_silence(context, answer);
        json_array_foreach(json_object_get(answer, "rows"), i, row)
                (void) json_array_append_new(
                        rows,
                        json_pack("{s:o, s:o, s:s, s:s, s:s, s:s}", "at", time_of(row), "href",
                                  document_href(request, text_of(row, "region"),
                                                text_of(row, "document")),
                                  "document", text_of(row, "document"), "source",
                                  text_of(row, "source"), "reasons", text_of(row, "reasons"),
                                  "event", text_of(row, "event")));
        (void) json_object_set_new(context, "has_rows", json_boolean(json_array_size(rows) > 0));
        (void) json_object_set_new(context, "rows", rows);
        page_render(request, "held", context);
}

void page_held(struct request *request, const char *rest) {
        if (*rest)
                page_missing(request);
        else
                page_wait(request, json_pack("{s:s}", "do", "held.list"),
                          page_context(request, "/held", page_word(MESSAGE_CONSOLE_HELD)),
                          held_answered);
}

/* Codes only: the sentences may repeat what is wrong, and that is nobody's who only looks here. */
static json_t *codes_of(const json_t *codes) {
        struct buf buf freed_by(buf_done) = { 0 };
        const json_t *code;
        size_t i;

        json_array_foreach(codes, i, code)
                buf_fmt(&buf, "%s%s", i > 0 ? ", " : "",
                        json_is_string(code) ? json_string_value(code) : "");
        return json_string(buf_text(&buf));
}

static void rejected_answered(struct request *request, const json_t *answer) {
        json_t *context = give_away(request->context), *rows = json_array();
        const json_t *row;
        size_t i;

        note_silence(context, answer);
        json_array_foreach(json_object_get(answer, "rows"), i, row)
                (void) json_array_append_new(
                        rows,
                        json_pack("{s:o, s:s, s:s, s:o, s:o, s:o}", "at", time_of(row), "document",
                                  text_of(row, "document"), "source", text_of(row, "source"),
                                  "reasons", codes_of(json_object_get(row, "codes")), "times",
                                  page_count(json_integer_value(json_object_get(row, "times"))),
                                  "number",
                                  page_count(json_integer_value(json_object_get(row, "number")))));
        (void) json_object_set_new(context, "has_rows", json_boolean(json_array_size(rows) > 0));
        (void) json_object_set_new(context, "rows", rows);
        page_render(request, "rejected", context);
}

void page_rejected(struct request *request, const char *rest) {
        if (*rest)
                page_missing(request);
        else
                page_wait(request,
                          json_pack("{s:s, s:i}", "do", "rejected.list", "limit", REJECTED_MOST),
                          page_context(request, "/rejected", page_word(MESSAGE_CONSOLE_REJECTED)),
                          rejected_answered);
}
