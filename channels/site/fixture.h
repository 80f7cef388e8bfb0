/* For the tests of the portal: one delivery in short, and looking at what it left. */
#ifndef CHANNELS_SITE_FIXTURE_H
#define CHANNELS_SITE_FIXTURE_H

#include "channels/site/fake_tree.h"
#include "channels/site/site.h"

#define DAY INT64_C(86400000)
#define NOON INT64_C(1795320000000) /* 2026-11-22T12:00:00+08:00 */
#define DIGEST_A "aaaaaaaa11111111222222223333333344444444555555556666666677777777"
#define DIGEST_B "bbbbbbbb11111111222222223333333344444444555555556666666677777777"

extern const struct driver site_driver;

static const struct site_options options = {
        .root = (char *) "/srv/portal",
        .title = (char *) "腾冲市人民政府门户网站",
        .address = (char *) "https://www.example.gov.cn",
        .id_code = (char *) "5305810001",
        .organ = (char *) "腾冲市人民政府办公室",
        .contact = (char *) "电话 0875-5130000",
        .record = (char *) "滇ICP备00000000号",
        .list_size = 50,
};

/* One delivery in short; what is left out has a sensible value. */
struct act {
        enum delivery_kind kind;
        const char *document; /* "oa-1" */
        const char *title, *body, *domain, *stages; /* stages: JSON array */
        const char *more;                           /* members added to data, JSON */
        int64_t revision;
        const char *event_id;
        int64_t at_ms, first_shown_ms;
        const struct attachment *attachments;
        size_t n_attachments;
        const char *region;
        bool ended; /* the time of its display is over */
};

#define OR(value, otherwise) ((value) ? (value) : (otherwise))

static inline json_t *event_of(const struct act *act) {
        json_t *data = json_object(), *more = NULL;

        json_object_set_new(data, "document", json_string(OR(act->document, "oa-1")));
        if (act->kind == DELIVER_PUBLISH) {
                json_object_set_new(data, "title", json_string(OR(act->title, "关于供水的通知")));
                json_object_set_new(data, "publisher",
                                    json_pack("[{s:s}, {s:s}]", "name", "腾冲市水务局", "name",
                                              "腾冲市财政局"));
                json_object_set_new(data, "body",
                                    json_pack("{s:s, s:s}", "format", "markdown", "content",
                                              OR(act->body, "正文第一段。")));
        }
        if (act->more) {
                more = json_loads(act->more, 0, NULL);
                assert_non_null(more);
                json_object_update(data, more);
                json_decref(more);
        }
        return json_pack("{s:s, s:o}", "id", "e", "data", data);
}

static inline void deliver(struct fake_tree *tree, const struct act *act, struct step *ret) {
        bool none = act->kind == DELIVER_SETUP || act->kind == DELIVER_TEST;
        json_t *event = none ? NULL : event_of(act);
        json_t *stages = json_loads(OR(act->stages, "[\"decision\"]"), 0, NULL);
        struct buf event_id = { 0 };

        assert_non_null(stages);
        buf_fmt(&event_id, "%s-%d-%lld", OR(act->document, "oa-1"), (int) act->kind,
                (long long) OR(act->revision, 1));
        fake_deliver(tree, &site_driver,
                     (struct delivery) {
                             .kind = act->kind,
                             .channel = "portal",
                             .region = none ? act->region : OR(act->region, "530581"),
                             .region_name = none && !act->region ? NULL : "腾冲市",
                             .document = none ? NULL : OR(act->document, "oa-1"),
                             .revision = OR(act->revision, 1),
                             .level = act->kind == DELIVER_PUBLISH ? 0 : 1,
                             .event_id = OR(act->event_id, buf_text(&event_id)),
                             .event = event,
                             .domain = OR(act->domain, "公共文化服务"),
                             .item_name = "供水服务",
                             .stages = stages,
                             .document_kind = "notice",
                             .attachments = act->attachments,
                             .n_attachments = act->n_attachments,
                             .first_shown_ms = act->first_shown_ms,
                             .ended = act->ended,
                             .attempt = 1,
                             .key = "k",
                             .now_ms = OR(act->at_ms, NOON),
                             .options = &options,
                     },
                     ret);
        json_decref(event);
        json_decref(stages);
        buf_done(&event_id);
}

static inline void deliver_well(struct fake_tree *tree, const struct act *act) {
        struct step step;

        deliver(tree, act, &step);
        assert_int_equal(step.verdict.kind, VERDICT_DONE);
        assert_non_null(step.verdict.url);
        step_done(&step);
}

static inline const char *page_of(const struct fake_tree *tree, const char *region,
                           const char *document) {
        struct place place;

        place_of(region, document, &place);
        return fake_file(tree, place.page);
}

static inline const char *page(const struct fake_tree *tree) {
        return page_of(tree, "530581", "oa-1");
}

static inline bool has(const char *text, const char *what) {
        return text && strstr(text, what);
}

static inline bool anywhere(const struct fake_tree *tree, const char *what) {
        const char *path;
        json_t *file;

        json_object_foreach(tree->files, path, file)
                if (has(path, what) || has(json_string_value(file), what))
                        return true;
        return false;
}

#endif
