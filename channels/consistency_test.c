/* Over a corpus and all drivers: what a rendition says is what the event says. The requests are read
 * as a citizen's eyes would, without the drivers' help (channels/fake_shown.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <utf8proc.h>

#include "channels/fake_carrier.h"
#include "channels/fake_documents.h"
#include "channels/fake_shown.h"
#include "core/content.h"
#include "core/event.h"
#include "core/fit.h"

enum { DOCUMENTS = 160, SIGN = 9 /* 【腾冲市人民政府】 */, BODY_WHOLE = 14000 };

#define KEYS "hmac_key = 0123456789abcdef0123456789abcdef\n"
#define SMS "signature = 腾冲市人民政府\nrecipients = people.csv\n"
#define MAS SMS "url = http://127.0.0.1:1992\nec_name = 腾冲\nap_id = gk\nsign = wHwvfNuH\n"
#define ALIYUN "params = title=title, number=number, publisher=publisher, date=date, summary=summary\n"

struct row {
        const char *story, *driver, *options, *secret;
        const char *wanted; /* the members that are shown; "*" all */
        const char *order;  /* the names of what comes as a list */
        /* Of the text, or the title: it is whole, or does not fit into so many (0: always whole). */
        enum fit_unit unit;
        size_t room, field_room; /* of other fields */
        bool says_short; /* texts.short stands for the title */
        bool all;        /* title, number, publisher, date and the body */
        bool gbk;
};

static const struct row rows[] = {
        { .story = "the site", .driver = "site", .wanted = "*", .all = true,
          .options = "root = /srv\ntitle = 门户网站\naddress = https://www.example.gov.cn\n" },
        { .story = "a wall", .driver = "display", .all = true, .options = "root = /srv\n",
          .wanted = "title number publisher date html text short" },
        { .story = "players by MQTT", .driver = "mqtt", .all = true,
          .options = "host = 127.0.0.1\ngroups = hall, gate\n",
          .wanted = "title number publisher date html text short" },
        { .story = "a board", .driver = "onbon", .unit = FIT_HALVES, .room = 140, .gbk = true,
          .says_short = true, .options = "host = 127.0.0.1\nwidth = 128\nheight = 16\n" },
        { .story = "a small board", .driver = "onbon", .unit = FIT_HALVES, .room = 40, .gbk = true,
          .says_short = true,
          .options = "host = 127.0.0.1\nwidth = 128\nheight = 16\nlength = 20\n" },
        { .story = "WeChat", .driver = "wechat", .unit = FIT_UTF16, .room = 32, .all = true,
          .options = "appid = wx0123456789abcdef\ncover_media = MEDIA\n",
          .secret = "appsecret = 0123456789abcdef\n", .wanted = "title author digest content" },
        { .story = "Weibo", .driver = "weibo", .unit = FIT_HALVES, .room = 239, .says_short = true,
          .options = "app_key = 1\nsafe_domain = www.example.gov.cn\nrip = 203.0.113.7\n",
          .secret = "app_secret = s\naccess_token = t\n", .wanted = "status" },
        { .story = "two messages of text", .driver = "mas", .unit = FIT_UTF16, .says_short = true,
          .room = 134 - SIGN - sizeof(FAKE_URL), .options = MAS, .secret = KEYS "secret_key = s\n",
          .wanted = "content" },
        { .story = "one message", .driver = "mas", .unit = FIT_UTF16, .says_short = true,
          .room = 70 - SIGN - sizeof(FAKE_URL), .options = MAS "segments = 1\n",
          .secret = KEYS "secret_key = s\n", .wanted = "content" },
        { .story = "a template by places", .driver = "mas", .unit = FIT_UTF16, .room = 35,
          .field_room = 35, .secret = KEYS "secret_key = s\n", .wanted = "params",
          .options = MAS "template = t\nparams = title, number, publisher, date, summary\n",
          .order = "title number publisher date summary" },
        { .story = "a template by names", .driver = "aliyun", .unit = FIT_UTF16, .room = 35,
          .field_room = 35, .options = SMS "template = SMS_1\n" ALIYUN,
          .secret = KEYS "key_id = i\nkey_secret = s\n", .wanted = "TemplateParam" },
        { .story = "Kannel", .driver = "kannel", .unit = FIT_UTF16, .says_short = true,
          .room = 134 - SIGN - sizeof(FAKE_URL), .options = SMS,
          .secret = KEYS "username = u\npassword = p\n", .wanted = "text" },
        { .story = "the event itself", .driver = "webhook", .all = true, .wanted = "data",
          .options = "url = http://127.0.0.1/\n" },
        { .story = "nothing", .driver = "discard", .options = "", .wanted = "*" },
};

/* -- what the event says -- */

static const char *data_text(const json_t *event, const char *key) {
        return fake_text(json_object_get(event, "data"), key, "");
}

static const char *short_text(const json_t *event) {
        return fake_text(json_object_get(json_object_get(event, "data"), "texts"), "short", "");
}

static char *publishers(const json_t *event) {
        const json_t *publisher = json_object_get(json_object_get(event, "data"), "publisher"), *one;
        struct buf names = { 0 };
        size_t i;

        if (json_is_object(publisher))
                buf_str(&names, fake_text(publisher, "name", ""));
        json_array_foreach(publisher, i, one)
                buf_fmt(&names, "%s%s", i > 0 ? "、" : "", fake_text(one, "name", ""));
        return buf_take(&names);
}

static const char *date_of(const json_t *event, char ret[static MOMENT_TEXT]) {
        const json_t *dates = json_object_get(json_object_get(event, "data"), "dates");
        const char *formed = fake_text(dates, "formed", "");
        int64_t ms;

        if (moment_parse_date(formed, &ms) < 0 && moment_parse(formed, &ms, NULL) < 0)
                ms = FAKE_NOON;
        return moment_write_date(ms, ret);
}

static int render(const json_t *event, struct content *ret) {
        const json_t *body = json_object_get(json_object_get(event, "data"), "body");
        const char *source = fake_text(body, "content", "");
        enum content_format format;

        return content_format_parse(fake_text(body, "format", ""), &format) < 0
                       ? -EINVAL
                       : content_render(format, source, strlen(source), NULL, NULL, ret);
}

/* All the event's figures, a day also as it is written by hand. */
static void add_figures(const json_t *json, json_t *set) {
        const char *text = json_string_value(json), *key;
        json_t *one;
        int64_t ms;
        size_t i;

        json_object_foreach((json_t *) json, key, one)
                add_figures(one, set);
        json_array_foreach(json, i, one)
                add_figures(one, set);
        if (!text)
                return;
        figures_of(text, set);
        if (moment_parse_date(text, &ms) == 0 || moment_parse(text, &ms, NULL) == 0) {
                char day[MOMENT_TEXT], minute[MOMENT_TEXT], by_hand[64];

                figures_of(moment_write_date(ms, day), set);
                figures_of(moment_write_minute(ms, minute), set);
                (void) snprintf(by_hand, sizeof(by_hand), "%.4s年%d月%d日", day,
                                (int) strtol(day + 5, NULL, 10), (int) strtol(day + 8, NULL, 10));
                figures_of(by_hand, set);
        }
}

static json_t *figures_in(const json_t *event) {
        struct content content = { 0 };
        json_t *set = json_object();

        add_figures(event, set);
        if (render(event, &content) == 0) {
                char *text freed_by(freep) = shown_text(content.html);

                figures_of(text, set);
                figures_of(content.text, set);
        }
        content_done(&content);
        return set;
}

/* -- a channel -- */

struct channel {
        const struct row *row;
        struct fake_carrier carrier;
        void *options;
        json_t *chrome; /* figures that are shown with a document that has none */
};

/* What is shown of an event. */
static json_t *deliver(struct channel *channel, const json_t *event) {
        struct buf bytes = { 0 };
        struct step step = { 0 };
        struct delivery delivery;
        json_t *parts, *part;
        size_t i;

        event_write(event, &bytes);
        delivery = fake_delivery(&channel->carrier, event, buf_text(&bytes), "530581/d/1/channel");
        delivery.document = "d";
        assert_int_equal(fake_carry(&channel->carrier, &delivery, &step), 0);
        if (step.kind == STEP_VERDICT && strcmp(channel->row->driver, "discard") != 0)
                fail_msg("%s: %s", channel->row->story, step.verdict.sentence);
        parts = shown_of(&step, channel->row->wanted ? channel->row->wanted : "text");
        if (channel->row->order) {
                const char *name = channel->row->order;

                json_array_foreach(parts, i, part) {
                        size_t n = strcspn(name, " ");

                        json_array_set_new(part, 0, json_stringn(name, n));
                        name += n + (name[n] == ' ');
                }
        }
        step_done(&step);
        json_decref(delivery.stages);
        buf_done(&bytes);
        return parts;
}

static const char *part_name(const json_t *part) {
        return json_string_value(json_array_get(part, 0));
}

static const char *part_text(const json_t *part) {
        return json_string_value(json_array_get(part, 1));
}

static json_t *figures_shown(const json_t *parts) {
        json_t *set = json_object(), *part;
        size_t i;

        json_array_foreach(parts, i, part)
                figures_of(part_text(part), set);
        return set;
}

static void channel_open(struct channel *channel, const struct row *row) {
        const struct driver *driver = driver_find(row->driver);
        struct problems problems = { 0 };
        struct conf *conf freed_by(conf_freep) = NULL;
        json_t *plain, *parts;

        assert_non_null(driver);
        *channel = (struct channel) { .row = row, .options = calloc(1, driver->options_size + 1) };
        channel->carrier = (struct fake_carrier) { .driver = driver, .options = channel->options,
                                                   .secret = row->secret };
        assert_int_equal(conf_parse("channel.conf", row->options, strlen(row->options), &problems, &conf), 0);
        if (driver->n_settings > 0) {
                const struct settings_part part = { driver->settings, driver->n_settings, channel->options };

                assert_int_equal(settings_apply(&part, 1, conf, &problems), 0);
        }
        problems_print(&problems, stderr);
        assert_int_equal(problems.n, 0);
        problems_done(&problems);
        plain = json_pack("{s:s, s:{s:s, s:s, s:{s:s, s:s}, s:{s:s}}}", "specversion", "1.0", "data", "document",
                          "d", "title", "公告", "body", "format", "text", "content", "正文", "publisher",
                          "name", "某局");
        parts = deliver(channel, plain);
        channel->chrome = figures_shown(parts);
        figures_of(FAKE_URL, channel->chrome);
        json_decref(parts);
        json_decref(plain);
}

static void channel_close(struct channel *channel) {
        const struct driver *driver = channel->carrier.driver;

        fake_carrier_done(&channel->carrier);
        settings_release(driver->settings, driver->n_settings, channel->options);
        free(channel->options);
        json_decref(channel->chrome);
}

/* -- the corpus -- */

static json_t *corpus; /* array of events */

static int make_corpus(void **state) {
        glob_t files;
        json_t *event;

        (void) state;
        corpus = json_array();
        assert_int_equal(glob("demo/events/*.json", 0, NULL, &files), 0);
        for (size_t i = 0; i < files.gl_pathc; i++) {
                event = json_load_file(files.gl_pathv[i], 0, NULL);
                assert_non_null(event);
                if (strstr(fake_text(event, "type", ""), ".publish.")) {
                        /* For everybody, and with no end: this is not about who and how long. */
                        json_object_del(json_object_get(event, "data"), "audience");
                        json_object_del(json_object_get(event, "data"), "show_until");
                        json_object_del(json_object_get(event, "data"), "expires");
                        json_array_append(corpus, event);
                }
                json_decref(event);
        }
        assert_true(json_array_size(corpus) >= 10);
        globfree(&files);
        for (unsigned i = 0; i < DOCUMENTS; i++) {
                event = fake_document(i);
                assert_non_null(event);
                json_array_append_new(corpus, event);
        }
        return 0;
}

static int drop_corpus(void **state) {
        (void) state;
        json_decref(corpus);
        return 0;
}

/* -- figures -- */

/* Where a figure is shown, with what stands around it. */
static char *place_of(const json_t *parts, const char *word) {
        const json_t *part;
        size_t i;

        json_array_foreach(parts, i, part) {
                const char *text = part_text(part);

                for (const char *at = text; *at; at += figure_word(at) > 0 ? figure_word(at) : 1) {
                        const char *from = at - text > 90 ? at - 90 : text;

                        if (figure_word(at) == strlen(word) && strncmp(at, word, strlen(word)) == 0)
                                return strndup(from, 200);
                }
        }
        return strdup("");
}

static void look_at_figures(const struct channel *channel, const json_t *event, const json_t *parts) {
        json_t *said = figures_in(event), *shown = figures_shown(parts), *value;
        const char *word;

        json_object_foreach(shown, word, value)
                if (!json_object_get(said, word) && !json_object_get(channel->chrome, word))
                        fail_msg("%s: shows “%s”, which “%s” does not say: %s", channel->row->story,
                                 word, data_text(event, "title"), place_of(parts, word));
        json_decref(said);
        json_decref(shown);
}

/* -- fields -- */

/* Without blanks. */
static char *bare(const char *text) {
        struct buf out = { 0 };

        while (*text) {
                uint32_t code;
                const char *next = unicode_next(text, &code);

                if (code > 0x20 && code != 0xa0 && code != 0x3000)
                        buf_add(&out, text, (size_t) (next - text));
                text = next;
        }
        return buf_take(&out);
}

static bool ends_grapheme(const char *text, size_t n) {
        utf8proc_int32_t state = 0;
        uint32_t before = 0, code;

        for (const char *at = text; at <= text + n && *at;) {
                const char *here = at;
                bool border;

                at = unicode_next(at, &code);
                border = here == text || utf8proc_grapheme_break_stateful((utf8proc_int32_t) before,
                                                                        (utf8proc_int32_t) code, &state);
                if (here == text + n)
                        return border;
                before = code;
        }
        return true;
}

/* Bytes of the longest beginning of `words` that is shown before "…"; 0 where there is none. */
static size_t cut_beginning(const char *words, const char *shown) {
        size_t best = 0;

        for (const char *dots = shown; (dots = strstr(dots, "…")) != NULL; dots++)
                for (const char *from = shown; from < dots; from++) {
                        size_t n = (size_t) (dots - from);

                        if (n > best && strncmp(from, words, n) == 0)
                                best = n;
                }
        return best;
}

/* `words` stand whole in what is shown, or did not fit and end at a grapheme, near the limit. */
static void assert_whole_or_cut(const struct row *row, const char *what, const char *words,
                                const char *shown, size_t room) {
        char *wanted freed_by(freep) = bare(words), *seen freed_by(freep) = bare(shown);
        size_t n;

        if (strstr(seen, wanted))
                return;
        if (room == 0 || fit_length(words, strlen(words), row->unit) <= room)
                fail_msg("%s: %s “%s” would fit and is not whole in “%s”", row->story, what, words, shown);
        n = cut_beginning(wanted, seen);
        if (n == 0 || !ends_grapheme(wanted, n))
                fail_msg("%s: %s “%s” is no beginning in “%s”", row->story, what, words, shown);
        if (fit_length(wanted, n, row->unit) + 45 < room)
                fail_msg("%s: %s “%s” has room for more in “%s”", row->story, what, words, shown);
}

static void look_at_title(const struct channel *channel, const json_t *event, const json_t *parts) {
        const struct row *row = channel->row;
        const char *words = row->says_short && *short_text(event) ? short_text(event)
                                                                  : data_text(event, "title");
        bool has_note = json_object_get(json_object_get(event, "data"), "correction") != NULL;
        size_t room = has_note && strcmp(row->driver, "weibo") == 0 ? row->room / 2 - 6 : row->room, i;
        struct buf all = { 0 };
        json_t *part;

        if (strcmp(row->driver, "discard") == 0 || (row->gbk && strstr(words, "\U0001f468")) ||
            (row->gbk && strstr(words, "\u0301")))
                return;
        json_array_foreach(parts, i, part) {
                if (row->room > 0 && strcmp(part_name(part), "title") == 0)
                        assert_whole_or_cut(row, "title", words, part_text(part), room);
                buf_fmt(&all, "%s\n", part_text(part));
        }
        /* Cut in one place, it is whole in another. */
        assert_whole_or_cut(row, "title", words, buf_text(&all), row->all ? 0 : room);
        buf_done(&all);
}

static void look_at_fields(const struct channel *channel, const json_t *event, const json_t *parts) {
        const struct row *row = channel->row;
        char day[MOMENT_TEXT], *publisher freed_by(freep) = publishers(event);
        const char *const fields[][2] = {
                { "number", data_text(event, "number") }, { "publisher", publisher },
                { "author", publisher }, { "date", date_of(event, day) },
                { "summary", data_text(event, "summary") },
        };
        struct buf all = { 0 };
        json_t *part;
        size_t i;

        json_array_foreach(parts, i, part) {
                size_t room = strcmp(part_name(part), "author") == 0 ? 16 : row->field_room;

                buf_fmt(&all, "%s\n", part_text(part));
                for (size_t k = 0; k < ELEMENTS(fields); k++)
                        if (strcmp(part_name(part), fields[k][0]) == 0 && *fields[k][1])
                                assert_whole_or_cut(row, fields[k][0], fields[k][1], part_text(part), room);
        }
        /* What shows all of a document shows these: the event itself has no date but what it says. */
        for (size_t k = 0; row->all && k < 4; k++)
                if (*fields[k][1] && strcmp(row->driver, "webhook") != 0)
                        assert_whole_or_cut(row, fields[k][0], fields[k][1], buf_text(&all), 0);
        buf_done(&all);
}

/* -- the body -- */

static void look_at_body(const struct channel *channel, const json_t *event, const json_t *parts) {
        struct content content = { 0 };
        json_t *said = json_object(), *shown = figures_shown(parts), *value;
        char *text freed_by(freep) = NULL;
        const char *word;

        assert_int_equal(render(event, &content), 0);
        text = shown_text(content.html);
        figures_of(text, said);
        if (channel->row->all && strlen(content.html) < BODY_WHOLE && strcmp(channel->row->driver, "webhook") != 0)
                json_object_foreach(said, word, value)
                        if (!json_object_get(shown, word))
                                fail_msg("%s: does not show “%s” of “%s”", channel->row->story, word,
                                         data_text(event, "title"));
        content_done(&content);
        json_decref(said);
        json_decref(shown);
}

/* -- all of it -- */

static void every_rendition_says_what_its_event_says(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct channel channel;
                const json_t *event;
                size_t k;

                print_message("%s\n", rows[i].story);
                channel_open(&channel, &rows[i]);
                json_array_foreach(corpus, k, event) {
                        json_t *parts = deliver(&channel, event);

                        look_at_figures(&channel, event, parts);
                        look_at_title(&channel, event, parts);
                        look_at_fields(&channel, event, parts);
                        look_at_body(&channel, event, parts);
                        json_decref(parts);
                }
                channel_close(&channel);
        }
}

static void every_driver_is_in_the_table(void **state) {
        (void) state;
        for (size_t i = 0; drivers[i]; i++) {
                bool there = false;

                for (size_t k = 0; k < ELEMENTS(rows); k++)
                        there = there || strcmp(rows[k].driver, drivers[i]->name) == 0;
                if (!there)
                        fail_msg("%s is in no row", drivers[i]->name);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_driver_is_in_the_table),
                cmocka_unit_test(every_rendition_says_what_its_event_says),
        };

        return cmocka_run_group_tests_name("all carriers say what the event says", tests, make_corpus,
                                           drop_corpus);
}
