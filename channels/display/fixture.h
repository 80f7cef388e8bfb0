/* For the tests of displays: an index and a folder in memory, one delivery in short, and the rules
 * of README.md as a check. Included by tests only. */
#ifndef CHANNELS_DISPLAY_FIXTURE_H
#define CHANNELS_DISPLAY_FIXTURE_H

#include "channels/display/display.h"
#include "channels/fake_index.h"
#include "core/moment.h"

#define NOON INT64_C(1795320000000) /* 2026-11-22T12:00:00+08:00, a Sunday */
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)
#define SHA_A "aaaaaaaa11111111222222223333333344444444555555556666666677777777"
#define SHA_B "bbbbbbbb11111111222222223333333344444444555555556666666677777777"

extern const struct driver display_driver;

/* The index, the files by path, and what the players have said. */
struct wall {
        struct fake_index index;
        json_t *files;
        struct display_options options;
        bool several_regions;
        const json_t *screens; /* of each book's reply */
        json_t *memo;          /* of the last delivery; the next one has it, if it is the same one */
        unsigned n_commits;
};

struct act {
        enum delivery_kind kind;
        const char *document, *title, *more; /* more: members of data, JSON */
        int64_t revision;
        unsigned level; /* 0: as the kind has it */
        int64_t at_ms;
        bool urgent;
        const char *region, *after_url;
        int64_t first_shown_ms;
        const struct attachment *attachments;
        size_t n_attachments;
};

#define OR(value, otherwise) ((value) ? (value) : (otherwise))

static inline void wall_init(struct wall *wall) {
        static char *none[1];

        *wall = (struct wall) { .files = json_object() };
        fake_index_init(&wall->index);
        wall->index.files = true;
        wall->options = (struct display_options) {
                .root = (char *) "/srv/display", .show_days = 14, .most = 60,
                .displays = { .items = none },
        };
}

static inline void wall_done(struct wall *wall) {
        fake_index_done(&wall->index);
        json_decref(wall->files);
        json_decref(wall->memo);
}

static inline int64_t number_of(const json_t *object, const char *key) {
        return json_integer_value(json_object_get(object, key));
}

/* -- the files -- */

static inline void wall_commit(struct wall *wall, const struct tree_commit *commit) {
        wall->n_commits++;
        for (size_t i = 0; i < commit->n_files; i++) {
                const struct tree_file *file = &commit->files[i];

                assert_true(file->path[0] != '/' && !strstr(file->path, "//") &&
                            !strstr(file->path, ".."));
                assert_true((file->content != NULL) != (file->sha256 != NULL));
                if (file->content)
                        assert_int_equal(strlen(file->content), file->n_bytes);
                else
                        assert_true(file->keep && file->optional);
                json_object_set_new(wall->files, file->path,
                                    json_string(file->content ? file->content : file->sha256));
        }
        for (size_t i = 0; i < commit->n_removals; i++)
                json_object_del(wall->files, commit->removals[i]);
}

/* -- deliveries -- */

static inline struct delivery delivery_of(const struct wall *wall, const struct act *act,
                                          json_t *event) {
        static char key[128];
        bool special = act->kind == DELIVER_SETUP || act->kind == DELIVER_TEST;

        (void) snprintf(key, sizeof(key), "%s/%lld/%d", OR(act->document, "oa-1"),
                        (long long) OR(act->revision, 1), (int) act->kind);
        return (struct delivery) {
                .kind = act->kind,
                .channel = "hall",
                .region = OR(act->region, "530581"),
                .region_name = strcmp(OR(act->region, "530581"), "530581") == 0 ? "腾冲市"
                                                                                 : "绥江县",
                .several_regions = wall->several_regions,
                .document = special ? "" : OR(act->document, "oa-1"),
                .revision = OR(act->revision, 1),
                .level = act->level                      ? act->level
                         : act->kind == DELIVER_PUBLISH ? 0
                                                        : 1,
                .event = event,
                .document_kind = "notice",
                .urgent = act->urgent,
                .attachments = act->attachments,
                .n_attachments = act->n_attachments,
                .first_shown_ms = act->first_shown_ms,
                .accepted_ms = NOON - HOUR,
                .after_url = act->after_url,
                .attempt = 1,
                .key = key,
                .now_ms = OR(act->at_ms, NOON),
                .options = &wall->options,
        };
}

static inline json_t *event_of(const struct act *act) {
        json_t *data = json_object(), *more;

        json_object_set_new(data, "document", json_string(OR(act->document, "oa-1")));
        if (act->kind == DELIVER_PUBLISH) {
                json_object_set_new(data, "title", json_string(OR(act->title, "关于停水的通知")));
                json_object_set_new(data, "body", json_pack("{s:s, s:s}", "format", "markdown",
                                                            "content", "第一段。"));
        }
        if (act->more) {
                more = json_loads(act->more, 0, NULL);
                assert_non_null(more);
                json_object_update(data, more);
                json_decref(more);
        }
        return json_pack("{s:s, s:o}", "id", "e", "data", data);
}

/* Runs one delivery to its verdict. */
static inline void deliver(struct wall *wall, const struct act *act, struct step *ret) {
        json_t *event = event_of(act), *memo = json_incref(wall->memo);
        struct delivery delivery = delivery_of(wall, act, event);
        struct step step = { 0 };

        delivery.memo = memo;
        assert_int_equal(display_driver.begin(&delivery, &step), 0);
        for (unsigned n = 0; step.kind != STEP_VERDICT; n++) {
                struct step next = { 0 };
                struct reply reply;

                assert_true(n < 10);
                if (step.memo) {
                        json_decref(memo);
                        delivery.memo = memo = json_incref(step.memo);
                }
                if (fake_index_answers(&wall->index, &delivery, &step, &reply)) {
                        if (step.kind == STEP_TREE_COMMIT && reply.tree.status == TREE_OK)
                                wall_commit(wall, &step.tree_commit);
                } else {
                        assert_true(step.kind == STEP_BOOK && step.book.screens);
                        reply.book = (struct book_reply) { .now_ms = delivery.now_ms,
                                                           .screens = wall->screens };
                }
                assert_int_equal(display_driver.next(&delivery, &reply, &next), 0);
                step_done(&step);
                step = next;
        }
        fake_index_rollback(&wall->index);
        json_decref(wall->memo);
        wall->memo = step.verdict.kind == VERDICT_ASK ? json_incref(memo) : NULL;
        json_decref(memo);
        json_decref(event);
        *ret = step;
}

static inline void deliver_well(struct wall *wall, const struct act *act) {
        struct step step;

        deliver(wall, act, &step);
        assert_int_equal(step.verdict.kind, VERDICT_DONE);
        step_done(&step);
}

/* -- looking -- */

static inline bool anywhere(const struct wall *wall, const char *what) {
        char *entries = json_dumps(wall->index.entries, 0), *files = json_dumps(wall->files, 0);
        bool found = strstr(entries, what) || strstr(files, what);

        free(entries);
        free(files);
        return found;
}

static inline bool is_moment(const json_t *value) {
        const char *text = json_string_value(value);
        bool assumed = false;
        int64_t ms;

        return text && moment_parse(text, &ms, &assumed) == 0 && !assumed;
}

static inline void check_item(const json_t *item) {
        static const char *const texts[] = { "kind", "number", "publisher", "html", "text",
                                             "short" };
        const char *date = json_string_value(json_object_get(item, "date"));
        const json_t *start = json_object_get(item, "start"), *url = json_object_get(item, "url");
        int64_t ms;

        assert_true(json_string_length(json_object_get(item, "document")) > 0);
        assert_true(number_of(item, "revision") >= 1);
        assert_true(json_string_length(json_object_get(item, "title")) > 0);
        assert_true(is_moment(json_object_get(item, "end")));
        assert_true(json_is_null(start) || is_moment(start));
        assert_true(json_is_null(url) || json_is_string(url));
        assert_true(json_is_boolean(json_object_get(item, "urgent")));
        assert_true(date && strlen(date) == 10 && moment_parse_date(date, &ms) == 0);
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                assert_true(json_is_string(json_object_get(item, texts[i])));
        assert_int_equal(json_string_length(json_object_get(item, "digest")), 64);
        assert_int_equal(json_object_size(item), 15);
}

/* The playlist of a display, which keeps every rule of README.md; a new reference. */
static inline json_t *playlist(const struct wall *wall, const char *display) {
        struct buf path = { 0 };
        const json_t *file;
        json_t *json, *item;
        size_t i;

        buf_fmt(&path, "%s/playlist.json", display);
        file = json_object_get(wall->files, buf_text(&path));
        buf_done(&path);
        assert_non_null(file);
        assert_true(json_string_length(file) < 3000000);
        json = json_loads(json_string_value(file), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        assert_int_equal(number_of(json, "format"), 1);
        assert_true(json_is_integer(json_object_get(json, "serial")));
        assert_true(is_moment(json_object_get(json, "generated")));
        assert_true(json_string_length(json_object_get(json, "title")) > 0);
        assert_true(json_string_length(json_object_get(json, "county")) > 0);
        assert_string_equal(json_string_value(json_object_get(json, "display")), display);
        assert_true(json_array_size(json_object_get(json, "entries")) <= 1000);
        json_array_foreach(json_object_get(json, "entries"), i, item)
                check_item(item);
        return json;
}

/* The documents of a display in their order: "oa-2 oa-1"; to be freed. */
static inline char *shown_on(const struct wall *wall, const char *display) {
        json_t *json = playlist(wall, display), *item;
        struct buf names = { 0 };
        size_t i;

        json_array_foreach(json_object_get(json, "entries"), i, item)
                buf_fmt(&names, "%s%s", i ? " " : "",
                        json_string_value(json_object_get(item, "document")));
        json_decref(json);
        return buf_take(&names);
}

static inline void assert_shown(const struct wall *wall, const char *display, const char *wanted) {
        char *names = shown_on(wall, display);

        assert_string_equal(names, wanted);
        free(names);
}

/* The first entry of a display; a new reference. */
static inline json_t *first_of(const struct wall *wall, const char *display) {
        json_t *json = playlist(wall, display);
        json_t *item = json_incref(json_array_get(json_object_get(json, "entries"), 0));

        json_decref(json);
        assert_non_null(item);
        return item;
}

static inline const char *string_of(const json_t *item, const char *key) {
        return OR(json_string_value(json_object_get(item, key)), "");
}

#endif
