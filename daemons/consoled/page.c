/* What all pages share: which there are, their templates, and how things are said. */
#include "daemons/consoled/page.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/embed.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/template.h"
#include "daemons/consoled/pulse.h"
#include "daemons/consoled/server.h"

EMBED(console_head, "daemons/consoled/templates/head.mustache");
EMBED(console_foot, "daemons/consoled/templates/foot.mustache");
EMBED(console_alarm, "daemons/consoled/templates/alarm.mustache");
EMBED(console_alarms, "daemons/consoled/templates/alarms.mustache");
EMBED(console_channel, "daemons/consoled/templates/channel.mustache");
EMBED(console_channel_table, "daemons/consoled/templates/channel_table.mustache");
EMBED(console_channels, "daemons/consoled/templates/channels.mustache");
EMBED(console_document, "daemons/consoled/templates/document.mustache");
EMBED(console_documents, "daemons/consoled/templates/documents.mustache");
EMBED(console_held, "daemons/consoled/templates/held.mustache");
EMBED(console_missing, "daemons/consoled/templates/missing.mustache");
EMBED(console_overview, "daemons/consoled/templates/overview.mustache");
EMBED(console_rejected, "daemons/consoled/templates/rejected.mustache");
EMBED(console_trouble, "daemons/consoled/templates/trouble.mustache");
EMBED(console_trouble_table, "daemons/consoled/templates/trouble_table.mustache");

static const struct {
        const char *name, *text;
} templates[] = {
        { "head", console_head },
        { "foot", console_foot },
        { "alarm", console_alarm },
        { "alarms", console_alarms },
        { "channel", console_channel },
        { "channel_table", console_channel_table },
        { "channels", console_channels },
        { "document", console_document },
        { "documents", console_documents },
        { "held", console_held },
        { "missing", console_missing },
        { "overview", console_overview },
        { "rejected", console_rejected },
        { "trouble", console_trouble },
        { "trouble_table", console_trouble_table },
};

enum { REFRESH_S = 15, SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define DAY (24 * INT64_C(3600000))

static const char *template_named(const char *name, void *userdata) {
        (void) userdata;
        for (size_t i = 0; i < ELEMENTS(templates); i++)
                if (strcmp(templates[i].name, name) == 0)
                        return templates[i].text;
        return NULL;
}

/* -- words ------------------------------------------------------------------------------------- */

const char *page_word(enum message message) {
        return message_template(message, messages_language());
}

json_t *page_say(enum message message, const char *name, const char *value) {
        char *text freed_by(freep) = say(message, name, value, NULL);

        return json_string(text ? text : "");
}

/* Every CONSOLE_X as X; made once for each language. */
static json_t *all_words(enum language language) {
        static const char prefix[] = "CONSOLE_";
        static json_t *made[2];

        if (!made[language]) {
                made[language] = json_object();
                for (enum message m = 0; m < N_MESSAGES; m++)
                        if (strncmp(message_name(m), prefix, strlen(prefix)) == 0)
                                (void) json_object_set_new(
                                        made[language], message_name(m) + strlen(prefix),
                                        json_string(message_template(m, language)));
        }
        return json_incref(made[language]);
}

json_t *page_time(int64_t ms) {
        char text[MOMENT_TEXT];

        return ms > 0 ? json_string(moment_write_minute(ms, text)) : json_null();
}

json_t *page_second(int64_t ms) {
        enum { TO_SECONDS = 19 };
        char text[MOMENT_TEXT];

        if (ms <= 0)
                return json_null();
        (void) moment_write(ms, text);
        text[10] = ' ';
        return json_stringn(text, TO_SECONDS);
}

char *page_span(int64_t ms) {
        char count[24];
        enum message message = MESSAGE_CONSOLE_AGO_SECONDS;
        int64_t n = ms / SECOND;

        if (ms >= 2 * DAY) {
                message = MESSAGE_CONSOLE_AGO_DAYS;
                n = ms / DAY;
        } else if (ms >= 2 * HOUR) {
                message = MESSAGE_CONSOLE_AGO_HOURS;
                n = ms / HOUR;
        } else if (ms >= 2 * MINUTE) {
                message = MESSAGE_CONSOLE_AGO_MINUTES;
                n = ms / MINUTE;
        }
        if (ms > 0 && ms < 10 * SECOND && ms % SECOND)
                (void) snprintf(count, sizeof(count), "%.1f", (double) ms / SECOND);
        else
                (void) snprintf(count, sizeof(count), "%lld", (long long) (n > 0 ? n : 0));
        return say(message, "count", count, NULL);
}

json_t *page_ago(int64_t ms, int64_t now_ms) {
        char *span freed_by(freep) = ms > 0 ? page_span(now_ms > ms ? now_ms - ms : 0) : NULL;

        return span ? page_say(MESSAGE_CONSOLE_BEFORE, "ago", span) : json_string("");
}

/* In groups of three, as both languages read them. */
json_t *page_count(int64_t n) {
        char digits[24], text[32];
        size_t length, at = 0;

        (void) snprintf(digits, sizeof(digits), "%lld", (long long) n);
        length = strlen(digits);
        for (size_t i = 0; i < length; i++) {
                if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
                        text[at++] = ',';
                text[at++] = digits[i];
        }
        return json_stringn(text, at);
}

const char *page_state(const char *state, const char **ret_chip) {
        static const struct {
                const char *state, *chip;
                enum message message;
        } states[] = {
                { "accepted", "grey", MESSAGE_CONSOLE_ROW_ACCEPTED },
                { "held", "warn", MESSAGE_CONSOLE_ROW_HELD },
                { "released", "grey", MESSAGE_CONSOLE_ROW_RELEASED },
                { "refused", "bad", MESSAGE_CONSOLE_ROW_REFUSED },
                { "published", "good", MESSAGE_CONSOLE_ROW_PUBLISHED },
                { "withdrawn", "grey", MESSAGE_CONSOLE_ROW_WITHDRAWN },
                { "ended", "grey", MESSAGE_CONSOLE_ROW_ENDED },
                { "restored", "good", MESSAGE_CONSOLE_ROW_RESTORED },
                { "superseded", "grey", MESSAGE_CONSOLE_ROW_SUPERSEDED },
                { "attempted", "warn", MESSAGE_CONSOLE_ROW_ATTEMPTED },
                { "confirmed", "good", MESSAGE_CONSOLE_ROW_CONFIRMED },
                { "uncertain", "warn", MESSAGE_CONSOLE_ROW_UNCERTAIN },
                { "deferred", "busy", MESSAGE_CONSOLE_ROW_DEFERRED },
                { "parked", "busy", MESSAGE_CONSOLE_ROW_PARKED },
                { "dead", "bad", MESSAGE_CONSOLE_ROW_DEAD },
                { "dropped", "grey", MESSAGE_CONSOLE_ROW_DROPPED },
                { "replayed", "grey", MESSAGE_CONSOLE_ROW_REPLAYED },
                { "missing", "warn", MESSAGE_CONSOLE_ROW_MISSING },
                { "verified", "good", MESSAGE_CONSOLE_ROW_VERIFIED },
                { "at_risk", "warn", MESSAGE_CONSOLE_ROW_AT_RISK },
                { "overdue", "bad", MESSAGE_CONSOLE_ROW_OVERDUE },
                { "waiting", "busy", MESSAGE_CONSOLE_ROW_WAITING },
                { "fetching", "busy", MESSAGE_CONSOLE_ROW_FETCHING },
                { "embargoed", "grey", MESSAGE_CONSOLE_ROW_EMBARGOED },
        };

        for (size_t i = 0; i < ELEMENTS(states); i++)
                if (strcmp(states[i].state, state) == 0) {
                        *ret_chip = states[i].chip;
                        return page_word(states[i].message);
                }
        *ret_chip = "grey";
        return state;
}

const char *page_document_state(const char *state, const char **ret_chip) {
        static const struct {
                const char *state, *chip;
                enum message message;
        } states[] = {
                { "live", "good", MESSAGE_CONSOLE_DOC_LIVE },
                { "withdrawn", "grey", MESSAGE_CONSOLE_DOC_WITHDRAWN },
                { "held", "warn", MESSAGE_CONSOLE_DOC_HELD },
                { "refused", "bad", MESSAGE_CONSOLE_DOC_REFUSED },
                { "closed", "grey", MESSAGE_CONSOLE_DOC_CLOSED },
        };

        for (size_t i = 0; i < ELEMENTS(states); i++)
                if (strcmp(states[i].state, state) == 0) {
                        *ret_chip = states[i].chip;
                        return page_word(states[i].message);
                }
        *ret_chip = "grey";
        return state;
}

const char *page_outside(const char *url) {
        return url && (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) ? url
                                                                                            : NULL;
}

const char *page_channel_title(const struct request *request, const char *name) {
        const struct channel_config *channel =
                configuration_channel(request->daemon->configuration, name);

        return channel && channel->title ? channel->title : name;
}

/* -- addresses --------------------------------------------------------------------------------- */

const char *page_argument(const struct request *request, const char *name) {
        const char *value = json_string_value(json_object_get(request->query, name));

        return value ? value : "";
}

static void add_argument(struct buf *buf, const char *name, const char *value) {
        buf_fmt(buf, "%c%s=", memchr(buf_text(buf), '?', buf->len) ? '&' : '?', name);
        escape_add(buf, ESCAPE_URI, value, strlen(value));
}

static json_t *href_list(enum language language, const char *path, va_list pairs) {
        struct buf buf freed_by(buf_done) = { 0 };
        const char *name;

        /* A document's name may have anything in it; the path's slashes part it. */
        for (const char *at = path; *at; at++)
                if (*at == '/')
                        buf_char(&buf, '/');
                else
                        escape_add(&buf, ESCAPE_URI, at, 1);
        while ((name = va_arg(pairs, const char *)) != NULL) {
                const char *value = va_arg(pairs, const char *);

                if (value && *value)
                        add_argument(&buf, name, value);
        }
        if (language == ENGLISH)
                add_argument(&buf, "lang", "en");
        return json_string(buf_text(&buf));
}

json_t *page_href(const struct request *request, const char *path, ...) {
        json_t *href;
        va_list pairs;

        va_start(pairs, path);
        href = href_list(request->language, path, pairs);
        va_end(pairs);
        return href;
}

/* The same page in the other language. */
static json_t *other_href(const struct request *request) {
        struct buf buf freed_by(buf_done) = { 0 };
        const char *name;
        json_t *value;

        for (const char *at = request->path; *at; at++)
                if (*at == '/')
                        buf_char(&buf, '/');
                else
                        escape_add(&buf, ESCAPE_URI, at, 1);
        json_object_foreach(request->query, name, value) {
                if (strcmp(name, "lang") == 0)
                        continue;
                buf_char(&buf, memchr(buf_text(&buf), '?', buf.len) ? '&' : '?');
                escape_add(&buf, ESCAPE_URI, name, strlen(name));
                buf_char(&buf, '=');
                escape_add(&buf, ESCAPE_URI, json_string_value(value), json_string_length(value));
        }
        add_argument(&buf, "lang", request->language == ENGLISH ? "zh" : "en");
        return json_string(buf_text(&buf));
}

/* -- a page ------------------------------------------------------------------------------------ */

static const struct {
        const char *path;
        enum message title;
} navigation[] = {
        { "/", MESSAGE_CONSOLE_OVERVIEW },         { "/documents", MESSAGE_CONSOLE_DOCUMENTS },
        { "/channels", MESSAGE_CONSOLE_CHANNELS }, { "/trouble", MESSAGE_CONSOLE_TROUBLE },
        { "/alarms", MESSAGE_CONSOLE_ALARMS },     { "/held", MESSAGE_CONSOLE_HELD },
        { "/rejected", MESSAGE_CONSOLE_REJECTED },
};

static int64_t count_beside(struct request *request, const char *path) {
        const struct standing *standing = standing_now(request->daemon);
        const struct pulse_facts *facts = pulse_facts(request->daemon->pulse);
        int64_t n = 0;

        if (strcmp(path, "/alarms") == 0)
                return (int64_t) json_array_size(standing->alarms);
        if (strcmp(path, "/trouble") == 0)
                return standing_count(standing, NULL, NULL);
        for (size_t i = 0; strcmp(path, "/held") == 0 && i < facts->n_regions; i++)
                n += facts->regions[i].held;
        return n;
}

static json_t *navigation_of(struct request *request, const char *place) {
        json_t *list = json_array();

        for (size_t i = 0; i < ELEMENTS(navigation); i++) {
                int64_t n = count_beside(request, navigation[i].path);
                json_t *entry = json_pack("{s:o, s:s, s:b}", "href",
                                          page_href(request, navigation[i].path, NULL), "label",
                                          page_word(navigation[i].title), "here",
                                          strcmp(place, navigation[i].path) == 0);

                if (n > 0)
                        (void) json_object_set_new(entry, "count", page_count(n));
                (void) json_array_append_new(list, entry);
        }
        return list;
}

static json_t *county_of(const struct request *request) {
        const struct configuration *configuration = request->daemon->configuration;
        struct buf buf freed_by(buf_done) = { 0 };
        enum { MOST = 3 };

        for (size_t i = 0; i < configuration->main.regions.n && i < MOST; i++) {
                char code[7];

                (void) snprintf(code, sizeof(code), "%.6s", configuration->main.regions.items[i]);
                buf_fmt(&buf, "%s%s", i > 0 ? " " : "",
                        configuration_region_name(configuration, code));
        }
        if (configuration->main.regions.n > MOST)
                buf_str(&buf, " …");
        return json_string(buf_text(&buf));
}

json_t *page_context(struct request *request, const char *place, const char *heading) {
        return json_pack("{s:o, s:o, s:s, s:o, s:s, s:o, s:o, s:b, s:i, s:o}", "t",
                         all_words(request->language), "county", county_of(request), "heading",
                         heading, "nav", navigation_of(request, place), "lang",
                         request->language == ENGLISH ? "?lang=en" : "", "other",
                         other_href(request), "now", page_second(clock_now_ms()), "english",
                         request->language == ENGLISH, "refresh", REFRESH_S, "troubles",
                         json_array());
}

void page_render(struct request *request, const char *name, json_t *context) {
        struct template template = { template_named(name, NULL), ESCAPE_HTML, template_named,
                                     NULL };
        struct template_error error = { 0 };
        int r = context ? template_render(&template, context, &request->body, &error) : -ENOMEM;

        if (r < 0) {
                request->body.error = r;
                log_say(LOG_ERR, MESSAGE_DAEMON_FAILED, "reason",
                        error.sentence ? error.sentence : strerror(-r), NULL);
        }
        template_error_done(&error);
        json_decref(context);
}

void page_missing(struct request *request) {
        json_t *context = page_context(request, "", page_word(MESSAGE_CONSOLE_MISSING));

        request->status = 404;
        (void) json_object_set_new(context, "sentence",
                                   json_string(page_word(MESSAGE_CONSOLE_MISSING_HINT)));
        (void) json_object_del(context, "refresh");
        page_render(request, "missing", context);
}

/* "/channels" and "/channels/portal": what is behind the slash. */
static const char *behind(const char *path, const char *page) {
        size_t n = strlen(page);

        if (strncmp(path, page, n) != 0)
                return NULL;
        return path[n] == '/' ? path + n + 1 : path[n] ? NULL : path + n;
}

void page_make(struct request *request) {
        static const struct {
                const char *path;
                void (*make)(struct request *request, const char *rest);
        } pages[] = {
                { "/documents", page_documents }, { "/document", page_document },
                { "/channels", page_channels },   { "/trouble", page_trouble },
                { "/alarms", page_alarms },       { "/held", page_held },
                { "/rejected", page_rejected },   { "/metrics", page_metrics },
        };
        enum language own = messages_language();
        const char *lang = page_argument(request, "lang"), *rest;

        request->language = strcmp(lang, "en") == 0   ? ENGLISH
                            : strcmp(lang, "zh") == 0 ? CHINESE
                                                      : own;
        messages_set_language(request->language);
        if (strcmp(request->path, "/") == 0)
                page_overview(request, "");
        else {
                size_t i = 0;

                for (rest = NULL; i < ELEMENTS(pages); i++)
                        if ((rest = behind(request->path, pages[i].path)) != NULL)
                                break;
                if (rest)
                        pages[i].make(request, rest);
                else
                        page_missing(request);
        }
        messages_set_language(own);
}

/* -- waiting for publisherd -------------------------------------------------------------------- */

/* Outlives its request, if need be. */
struct wait {
        struct request *request;
};

static void on_answer(const json_t *answer, void *userdata) {
        struct wait *wait freed_by(freep) = userdata;
        struct request *request = wait->request;
        enum language own = messages_language();

        if (!request)
                return;
        request->wait = NULL;
        messages_set_language(request->language);
        request->resume(request, answer);
        messages_set_language(own);
        request->waits = false;
        server_resume(request);
}

void page_wait(struct request *request, json_t *question, json_t *context,
               void (*resume)(struct request *request, const json_t *answer)) {
        struct wait *wait = malloc(sizeof(*wait));

        request->context = context;
        request->resume = resume;
        if (!wait) {
                json_decref(question);
                resume(request, NULL);
                return;
        }
        wait->request = request;
        if (ask_publisherd(request->daemon, question, on_answer, wait) < 0) {
                free(wait);
                resume(request, NULL);
                return;
        }
        request->wait = wait;
        request->waits = true;
}

void page_done(struct request *request) {
        if (request->wait)
                request->wait->request = NULL;
        json_decref(request->context);
        request->context = NULL;
}
