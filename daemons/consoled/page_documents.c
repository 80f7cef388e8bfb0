/* Documents: found by words, time and state, a page at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"
#include "daemons/consoled/page.h"
#include "daemons/consoled/terms.h"

enum { ROWS_MOST = 50 };

struct listing {
        struct request *request;
        json_t *rows;
        int64_t last;
        bool more, with_region;
};

static int add_card(const struct card *card, void *userdata) {
        struct listing *listing = userdata;
        struct request *request = listing->request;
        const char *chip, *state = page_document_state(card->state, &chip);
        char *path freed_by(freep) = NULL;

        if (json_array_size(listing->rows) >= ROWS_MOST) {
                listing->more = true;
                return 1;
        }
        if (asprintf(&path, "/document/%s/%s", card->region, card->document) < 0) {
                path = NULL;
                return -1;
        }
        (void) json_array_append_new(
                listing->rows,
                json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s}", "href",
                          page_href(request, path, NULL), "title",
                          *card->title ? card->title : page_word(MESSAGE_CONSOLE_UNTITLED),
                          "document", card->document, "number", card->number, "publisher",
                          card->publisher, "at", page_time(card->first_at_ms), "revision",
                          card->revision > 0 ? page_count(card->revision) : json_string(""),
                          "state", state, "chip", chip, "region",
                          listing->with_region
                                  ? configuration_region_name(request->daemon->configuration,
                                                              card->region)
                                  : ""));
        listing->last = card->id;
        return 0;
}

static json_t *option(const char *value, const char *label, const char *chosen) {
        return json_pack("{s:s, s:s, s:b}", "value", value, "label", label, "chosen",
                         strcmp(value, chosen) == 0);
}

static void fill_form(struct request *request, json_t *context) {
        static const struct {
                const char *state;
                enum message label;
        } states[] = {
                { "", MESSAGE_CONSOLE_ALL },
                { "live", MESSAGE_CONSOLE_DOC_LIVE },
                { "withdrawn", MESSAGE_CONSOLE_DOC_WITHDRAWN },
                { "held", MESSAGE_CONSOLE_DOC_HELD },
                { "refused", MESSAGE_CONSOLE_DOC_REFUSED },
                { "closed", MESSAGE_CONSOLE_DOC_CLOSED },
        };
        const struct configuration *configuration = request->daemon->configuration;
        json_t *list = json_array(), *regions = json_array();

        for (size_t i = 0; i < ELEMENTS(states); i++)
                (void) json_array_append_new(list,
                                             option(states[i].state, page_word(states[i].label),
                                                    page_argument(request, "state")));
        (void) json_array_append_new(regions, option("", page_word(MESSAGE_CONSOLE_ALL),
                                                     page_argument(request, "region")));
        for (size_t i = 0; i < configuration->main.regions.n; i++) {
                char code[7];

                (void) snprintf(code, sizeof(code), "%.6s", configuration->main.regions.items[i]);
                (void) json_array_append_new(
                        regions, option(code, configuration_region_name(configuration, code),
                                        page_argument(request, "region")));
        }
        (void) json_object_set_new(context, "states", list);
        (void) json_object_set_new(context, "has_regions",
                                   json_boolean(configuration->main.regions.n > 1));
        (void) json_object_set_new(context, "regions", regions);
        (void) json_object_set_new(context, "q", json_string(page_argument(request, "q")));
        (void) json_object_set_new(context, "from", json_string(page_argument(request, "from")));
        (void) json_object_set_new(context, "to", json_string(page_argument(request, "to")));
}

static int64_t day(const struct request *request, const char *name, int64_t more) {
        int64_t ms;

        return moment_parse_date(page_argument(request, name), &ms) == 0 ? ms + more : 0;
}

void page_documents(struct request *request, const char *rest) {
        struct listing listing = { request, json_array(), 0, false,
                                   request->daemon->configuration->main.regions.n > 1 };
        struct buf query freed_by(buf_done) = { 0 };
        const char *q = page_argument(request, "q"), *before = page_argument(request, "before");
        struct card_wish wish = { NULL,
                                  page_argument(request, "region"),
                                  page_argument(request, "state"),
                                  day(request, "from", 0),
                                  day(request, "to", 24 * HOUR_MS),
                                  *before ? strtoll(before, NULL, 10) : INT64_MAX,
                                  ROWS_MOST + 1 };
        json_t *context;
        char last[24];

        if (*rest) {
                json_decref(listing.rows);
                page_missing(request);
                return;
        }
        context = page_context(request, "/documents", page_word(MESSAGE_CONSOLE_DOCUMENTS));
        fill_form(request, context);
        if (*q && !terms_query(q, &query))
                (void) json_object_set_new(context, "hint",
                                           json_string(page_word(MESSAGE_CONSOLE_SEARCH_HINT)));
        else {
                wish.query = buf_text(&query);
                if (!request->daemon->cards ||
                    cards_find(request->daemon->cards, &wish, add_card, &listing) < 0)
                        (void) json_array_append_new(
                                json_object_get(context, "troubles"),
                                json_string(page_word(MESSAGE_CONSOLE_INDEX_AWAY)));
        }
        (void) json_object_set_new(context, "has_rows",
                                   json_boolean(json_array_size(listing.rows) > 0));
        (void) json_object_set_new(context, "rows", listing.rows);
        (void) json_object_del(context, "refresh"); /* one reads, and searches */
        if (listing.more) {
                (void) snprintf(last, sizeof(last), "%lld", (long long) listing.last);
                (void) json_object_set_new(context, "next",
                                           page_href(request, "/documents", "q", q, "from",
                                                     page_argument(request, "from"), "to",
                                                     page_argument(request, "to"), "state",
                                                     wish.state, "region", wish.region, "before",
                                                     last, NULL));
        }
        page_render(request, "documents", context);
}
