#include "channels/fake_index.h"
#include "channels/mqtt/mqtt.h"
#include "core/problems.h"

#define NOON INT64_C(1795320000000) /* 2026-11-22T12:00:00+08:00 */
#define DAY INT64_C(86400000)
#define OR(value, otherwise) ((value) ? (value) : (otherwise))

extern const struct driver mqtt_driver;

/* A broker in memory: topic -> payload, and how it answers. */
struct wall {
        struct fake_index index;
        struct mqtt_options options;
        bool several_regions;
        json_t *retained;
        unsigned n_steps;
        const char *error; /* no confirmation */
        bool not_sent, refused;
        const json_t *seen;
        const json_t *screens; /* what the players' heartbeats said */
        json_t *memo;          /* of a delivery that waits: the next one goes on with it */
        void (*meanwhile)(struct wall *wall);
        char *sentence;
};

struct act {
        enum delivery_kind kind;
        const char *document, *data, *region, *code;
        int64_t revision, at_ms;
        bool urgent;
};

static char *both[] = { (char *) "hall", (char *) "wuhe@530581103" };

static void wall_init(struct wall *wall) {
        *wall = (struct wall) { .retained = json_object() };
        fake_index_init(&wall->index);
        wall->options = (struct mqtt_options) {
                .host = (char *) "broker", .port = 1883, .prefix = (char *) "gk",
                .groups = { .items = both, .n = 2 }, .show_days = 14, .most = 60,
        };
}

static void wall_done(struct wall *wall) {
        fake_index_done(&wall->index);
        json_decref(wall->retained);
        json_decref(wall->memo);
        free(wall->sentence);
}

static void wall_answers(struct wall *wall, const struct mqtt_step *step, struct mqtt_reply *ret) {
        wall->n_steps++;
        *ret = (struct mqtt_reply) { .whole = !wall->error, .sent = !wall->not_sent && step->n > 0,
                                     .refused = wall->refused, .error = wall->error,
                                     .seen = wall->seen };
        for (size_t i = 0; i < step->n && !wall->not_sent; i++) {
                const struct mqtt_message *message = &step->messages[i];

                if (message->payload.len == 0)
                        json_object_del(wall->retained, message->topic);
                else
                        json_object_set_new(wall->retained, message->topic,
                                            json_loads(message->payload.data, 0, NULL));
        }
}

static json_t *event_of(const struct act *act) {
        json_t *data = json_loads(OR(act->data, "{}"), 0, NULL);

        assert_non_null(data);
        if (act->kind == DELIVER_PUBLISH) {
                json_object_set_new(data, "title", json_string("停水"));
                json_object_set_new(data, "body", json_pack("{s:s, s:s}", "format", "text",
                                                            "content", "secret words"));
        }
        return json_pack("{s:s, s:o}", "id", "e", "data", data);
}

static enum verdict_kind deliver(struct wall *wall, const struct act *act) {
        json_t *event = event_of(act), *memo = give_away(wall->memo);
        struct delivery delivery = {
                .memo = memo,
                .kind = act->kind, .channel = "wall", .region = OR(act->region, "530581"),
                .region_name = "腾冲市", .several_regions = wall->several_regions,
                .document = OR(act->document, "oa-1"), .revision = OR(act->revision, 1),
                .level = act->kind == DELIVER_PUBLISH ? 0 : 1, .event = event,
                .document_kind = "notice", .urgent = act->urgent, .attempt = 1, .key = "k",
                .now_ms = OR(act->at_ms, NOON), .options = &wall->options,
        };
        struct step step = { 0 };
        enum verdict_kind kind;

        assert_int_equal(mqtt_driver.begin(&delivery, &step), 0);
        for (unsigned n = 0; step.kind != STEP_VERDICT; n++) {
                void (*meanwhile)(struct wall *) = wall->meanwhile;
                struct step next = { 0 };
                struct reply reply;

                assert_true(n < 30);
                if (step.memo) {
                        json_decref(memo);
                        delivery.memo = memo = json_incref(step.memo);
                }
                if (!fake_index_answers(&wall->index, &delivery, &step, &reply)) {
                        assert_true(step.kind == STEP_MQTT || step.book.screens);
                }
                if (step.kind == STEP_BOOK) {
                        reply.book = (struct book_reply) { .now_ms = delivery.now_ms,
                                                           .screens = wall->screens };
                } else if (step.kind == STEP_MQTT) {
                        wall->meanwhile = NULL;
                        if (meanwhile)
                                meanwhile(wall);
                        wall_answers(wall, &step.mqtt, &reply.mqtt);
                }
                assert_int_equal(mqtt_driver.next(&delivery, &reply, &next), 0);
                step_done(&step);
                step = next;
        }
        fake_index_rollback(&wall->index);
        if (act->code)
                assert_string_equal(step.verdict.code, act->code);
        kind = step.verdict.kind;
        free(wall->sentence);
        wall->sentence = give_away(step.verdict.sentence);
        step_done(&step);
        if (kind == VERDICT_ASK)
                wall->memo = json_incref(memo);
        json_decref(memo);
        json_decref(event);
        return kind;
}

/* "documents/1 documents/2 | 2 1": what a group has, by topic, and its playlist's order. */
static void assert_has(const struct wall *wall, const char *group, const char *wanted) {
        struct buf has = { 0 }, start = { 0 };
        json_t *sorted = json_array(), *payload, *entries, *entry;
        const char *topic;
        size_t i;

        buf_fmt(&start, "gk/%s/documents/", group);
        json_object_foreach(wall->retained, topic, payload) {
                size_t at = 0;

                if (strncmp(topic, buf_text(&start), start.len) != 0)
                        continue;
                while (at < json_array_size(sorted) &&
                       strcmp(json_string_value(json_array_get(sorted, at)), topic + start.len) < 0)
                        at++;
                json_array_insert_new(sorted, at, json_string(topic + start.len));
        }
        json_array_foreach(sorted, i, entry)
                buf_fmt(&has, "%s ", json_string_value(entry));
        buf_str(&has, "|");
        buf_reset(&start);
        buf_fmt(&start, "gk/%s/playlist", group);
        entries = json_object_get(json_object_get(wall->retained, buf_text(&start)), "entries");
        json_array_foreach(entries, i, entry)
                buf_fmt(&has, " %s", json_string_value(json_object_get(entry, "document")));
        assert_string_equal(buf_text(&has), wanted);
        json_decref(sorted);
        buf_done(&start);
        buf_done(&has);
}

/* -- what is retained -- */

static void each_group_has_its_messages_and_its_playlist(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver(&wall, &(struct act) { .document = "1" });
        deliver(&wall, &(struct act) { .document = "2", .at_ms = NOON + 1,
                                       .data = "{\"areas\":[\"530581104\"]}" });
        deliver(&wall, &(struct act) { .document = "3", .at_ms = NOON - 1, .urgent = true });
        assert_has(&wall, "hall", "1 2 3 | 3 2 1");
        assert_has(&wall, "wuhe", "1 3 | 3 1");
        deliver(&wall, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "1",
                                       .at_ms = NOON + 2 });
        assert_has(&wall, "hall", "2 3 | 3 2");
        assert_has(&wall, "wuhe", "3 | 3");
        deliver(&wall, &(struct act) { .kind = DELIVER_EXPIRE, .document = "3", .at_ms = NOON + 3 });
        assert_has(&wall, "wuhe", "|");
        wall_done(&wall);
}

static void a_document_name_is_one_part_of_a_topic(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver(&wall, &(struct act) { .document = "a/b+#%" });
        assert_has(&wall, "hall", "a%2Fb%2B%23%25 | a/b+#%");
        wall.several_regions = true;
        deliver(&wall, &(struct act) { .document = "号", .region = "530626", .at_ms = NOON + 1 });
        assert_has(&wall, "hall", "530626%2F%E5%8F%B7 a%2Fb%2B%23%25 | 530626/号 530581/a/b+#%");
        wall_done(&wall);
}

static void what_is_gone_leaves_no_word_behind(void **state) {
        struct wall wall;
        char *text;

        (void) state;
        wall_init(&wall);
        deliver(&wall, &(struct act) { 0 });
        text = json_dumps(wall.index.entries, 0);
        assert_non_null(strstr(text, "secret words"));
        free(text);
        deliver(&wall, &(struct act) { .kind = DELIVER_WITHDRAW,
                                       .data = "{\"mode\":\"erase\",\"reason\":\"x\"}" });
        text = json_dumps(wall.index.entries, 0);
        assert_null(strstr(text, "secret words"));
        assert_null(strstr(text, "停水"));
        free(text);
        assert_has(&wall, "hall", "|");
        wall_done(&wall);
}

static void a_revision_for_another_place_leaves_the_first(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver(&wall, &(struct act) { 0 });
        assert_has(&wall, "wuhe", "oa-1 | oa-1");
        /* Also when the first try fails, for then the index says another place already. */
        wall.error = "timeout";
        wall.not_sent = true;
        assert_int_equal(deliver(&wall, &(struct act) { .revision = 2, .code = "mqtt/unreachable",
                                                        .data = "{\"areas\":[\"530581104\"]}" }),
                         VERDICT_LATER);
        wall.error = NULL;
        wall.not_sent = false;
        assert_int_equal(deliver(&wall, &(struct act) { .revision = 2,
                                                        .data = "{\"areas\":[\"530581104\"]}" }),
                         VERDICT_DONE);
        assert_has(&wall, "wuhe", "|");
        assert_has(&wall, "hall", "oa-1 | oa-1");
        /* A group that the channel has no more keeps nothing of a withdrawn one. */
        wall.options.groups.n = 1;
        wall.options.groups.items = &both[1];
        deliver(&wall, &(struct act) { .kind = DELIVER_WITHDRAW, .revision = 2 });
        assert_has(&wall, "hall", "|");
        assert_null(json_object_get(wall.retained, "gk/hall/playlist"));
        wall_done(&wall);
}

static void nothing_is_sent_where_nobody_wants_it(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        wall.options.groups.n = 1;
        wall.options.groups.items = &both[1];
        assert_int_equal(deliver(&wall, &(struct act) { .data = "{\"areas\":[\"530581104\"]}" }),
                         VERDICT_DONE);
        assert_int_equal(wall.n_steps, 0);
        wall_done(&wall);
}

static void a_new_connection_brings_everything_again(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver(&wall, &(struct act) { .document = "1" });
        deliver(&wall, &(struct act) { .document = "2", .at_ms = NOON + 1 });
        deliver(&wall, &(struct act) { .document = "3", .at_ms = NOON + 2, .urgent = true });
        deliver(&wall, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "2",
                                       .at_ms = NOON + 3 });
        json_object_clear(wall.retained);
        json_object_set_new(wall.retained, "gk/wuhe/documents/2", json_object());
        assert_int_equal(deliver(&wall, &(struct act) { .kind = DELIVER_SETUP,
                                                        .at_ms = NOON + 4 }), VERDICT_DONE);
        assert_has(&wall, "hall", "1 3 | 3 1");
        assert_has(&wall, "wuhe", "1 3 | 3 1");
        /* What was over long ago is not sought any more. */
        json_object_set_new(wall.retained, "gk/wuhe/documents/2", json_object());
        deliver(&wall, &(struct act) { .kind = DELIVER_SETUP, .at_ms = NOON + 40 * DAY });
        assert_non_null(json_object_get(wall.retained, "gk/wuhe/documents/2"));
        assert_has(&wall, "hall", "1 3 |"); /* no playlist has it; its `end` was weeks ago */
        wall_done(&wall);
}

/* -- several workers -- */

static void another_withdraws(struct wall *wall) {
        deliver(wall, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "old", .revision = 9 });
}

static void yet_another_withdraws(struct wall *wall) {
        deliver(wall, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "old", .revision = 10 });
}

static void the_last_playlist_is_of_the_last_list(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver(&wall, &(struct act) { .document = "old" });
        wall.meanwhile = another_withdraws;
        deliver(&wall, &(struct act) { .document = "new", .at_ms = NOON + 1 });
        assert_has(&wall, "hall", "new | new");
        /* And of all documents, where all are sent. */
        deliver(&wall, &(struct act) { .document = "old", .revision = 10 });
        assert_has(&wall, "hall", "new old | new old");
        wall.meanwhile = yet_another_withdraws;
        deliver(&wall, &(struct act) { .kind = DELIVER_SETUP });
        assert_has(&wall, "hall", "new | new");
        wall_done(&wall);
}

/* -- replies -- */

static void every_reply_has_one_meaning(void **state) {
        static const struct {
                const char *story, *error;
                bool not_sent, refused;
                enum tree_status status;
                enum verdict_kind kind;
                const char *code;
        } rows[] = {
                { "away", "No route to host", true, false, TREE_OK, VERDICT_LATER,
                  "mqtt/unreachable" },
                { "no PUBACK", "timeout", false, false, TREE_OK, VERDICT_UNCERTAIN, "mqtt/unclear" },
                { "not let in", "Not authorized", true, true, TREE_OK, VERDICT_BLOCKED,
                  "mqtt/refused" },
                { "may not write", "Not authorized", false, true, TREE_OK, VERDICT_BLOCKED,
                  "mqtt/refused" },
                { "the index is busy", NULL, false, false, TREE_BUSY, VERDICT_LATER,
                  "mqtt/index-busy" },
                { "the disk is full", NULL, false, false, TREE_FAILED, VERDICT_LATER, "mqtt/index" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct wall wall;

                print_message("%s\n", rows[i].story);
                wall_init(&wall);
                wall.error = rows[i].error;
                wall.not_sent = rows[i].not_sent;
                wall.refused = rows[i].refused;
                wall.index.status = rows[i].status;
                assert_int_equal(deliver(&wall, &(struct act) { .code = rows[i].code }),
                                 rows[i].kind);
                assert_non_null(wall.sentence);
                wall_done(&wall);
        }
}

/* With heartbeats the boxes have the last word. */
static void it_is_shown_and_gone_when_the_boxes_say_so(void **state) {
        const struct act shown = { .kind = DELIVER_PUBLISH, .code = "screens/not-yet" };
        const struct act gone = { .kind = DELIVER_WITHDRAW, .code = "screens/still" };
        json_t *screens = json_pack("{s:{s:I}}", "hall/box-1", "seen_ms", (json_int_t) NOON), *box, *item;
        struct wall wall;
        unsigned n_steps;

        (void) state;
        wall_init(&wall);
        wall.options.heartbeats = true;
        wall.screens = screens;
        assert_int_equal(deliver(&wall, &shown), VERDICT_ASK);
        item = json_object_get(wall.retained, "gk/hall/documents/oa-1");
        assert_non_null(item);
        n_steps = wall.n_steps;
        box = json_object_get(screens, "hall/box-1");
        json_object_set_new(box, "revision", json_integer(1));
        json_object_set(box, "digest", json_object_get(item, "digest"));
        assert_int_equal(deliver(&wall, &(struct act) { .kind = DELIVER_PUBLISH }), VERDICT_DONE);
        assert_int_equal(wall.n_steps, n_steps); /* nothing is sent again */

        assert_int_equal(deliver(&wall, &gone), VERDICT_ASK);
        assert_null(json_object_get(wall.retained, "gk/hall/documents/oa-1"));
        assert_non_null(strstr(wall.sentence, "hall/box-1"));
        json_object_del(box, "revision");
        assert_int_equal(deliver(&wall, &(struct act) { .kind = DELIVER_WITHDRAW }), VERDICT_DONE);
        json_object_set_new(box, "revision", json_integer(1));
        assert_int_equal(deliver(&wall, &(struct act) { .kind = DELIVER_EXPIRE }), VERDICT_DONE);
        json_decref(screens);
        wall_done(&wall);
}

static void only_a_box_of_ours_that_tells_what_it_shows_is_heard(void **state) {
        static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        static const struct {
                const char *story, *path, *body, *player, *trouble;
                const char *method;
                bool off;
        } rows[] = {
#define SHOWS "{\"state\":\"online\",\"region\":\"530581\",\"showing\":[{\"document\":\"a\",\"revision\":1,\"digest\":\"%s\"}]}"
                { "a box", "hall/players/box-1/state", SHOWS, "hall/box-1", NULL, NULL, false },
                { "nothing drawn", "wuhe/players/b/state", "{\"state\":\"online\",\"showing\":[]}", "wuhe/b", NULL,
                  NULL, false },
                { "heartbeats are off", "hall/players/box-1/state", SHOWS, NULL, NULL, NULL, true },
                { "its last will", "hall/players/box-1/state", "offline", NULL, NULL, NULL, false },
                { "off line in JSON", "hall/players/box-1/state", "{\"state\":\"offline\",\"showing\":[]}", NULL,
                  NULL, NULL, false },
                { "nothing retained any more", "hall/players/box-1/state", "", NULL, NULL, NULL, false },
                { "only on line", "hall/players/box-1/state", "online", NULL, "showing", NULL, false },
                { "only on line in JSON", "hall/players/box-1/state", "{\"state\":\"online\"}", NULL, "showing", NULL,
                  false },
                { "half an entry", "hall/players/b/state",
                  "{\"state\":\"online\",\"region\":\"530581\",\"showing\":[{}]}", NULL, "第 1 项", NULL, false },
                { "no group of ours", "tv/players/box-1/state", SHOWS, NULL, "没有这块屏", NULL, false },
                { "a name of Chinese", "hall/players/左/state", SHOWS, NULL, "名称", NULL, false },
                { "another topic", "hall/players/box-1/mood", SHOWS, NULL, NULL, NULL, false },
                { "by HTTP", "hall/players/box-1/state", SHOWS, NULL, NULL, "POST", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct mqtt_options options = { .groups = { .items = both, .n = 2 },
                                                      .heartbeats = !rows[i].off };
                struct call_answer answer = { 0 };
                struct buf body = { 0 };
                struct call call;

                print_message("%s\n", rows[i].story);
                if (strstr(rows[i].body, "%s"))
                        buf_fmt(&body, SHOWS, digest);
                else
                        buf_str(&body, rows[i].body);
                call = (struct call) { .method = OR(rows[i].method, "MQTT"), .path = rows[i].path,
                                       .body = buf_text(&body), .n_body = body.len };
                assert_int_equal(mqtt_driver.call(&call, &options, NULL, NOON, &answer), 0);
                assert_true((answer.sight != NULL) == (rows[i].player != NULL));
                if (rows[i].player)
                        assert_string_equal(json_string_value(json_object_get(answer.sight, "player")),
                                            rows[i].player);
                assert_true((answer.trouble != NULL) == (rows[i].trouble != NULL));
                if (rows[i].trouble)
                        assert_non_null(strstr(answer.trouble, rows[i].trouble));
                call_answer_done(&answer);
                buf_done(&body);
        }
}

static void a_test_counts_the_players(void **state) {
        struct wall wall;
        json_t *seen = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "gk/hall/players/a/state",
                                 "online", "gk/hall/players/b/state",
                                 "{\"state\":\"online\",\"at\":1}", "gk/wuhe/players/c/state",
                                 "{\"state\":\"offline\"}", "gk/wuhe/players/d/state", "\"online\"",
                                 "gk/wuhe/players/e/x/state", "online", "other/players/z/state",
                                 "online");

        (void) state;
        wall_init(&wall);
        wall.seen = seen;
        assert_int_equal(deliver(&wall, &(struct act) { .kind = DELIVER_TEST }), VERDICT_DONE);
        assert_non_null(strstr(wall.sentence, "3"));
        assert_non_null(strstr(wall.sentence, "1 个 wuhe/c"));
        assert_int_equal(json_object_size(wall.retained), 0);
        json_decref(seen);
        wall_done(&wall);
}

static void wrong_options_are_told(void **state) {
        static const struct {
                const char *story;
                struct mqtt_options options;
                char *group;
                size_t problems;
        } rows[] = {
                { "well", { .host = (char *) "b", .prefix = (char *) "a/b", .tls = true,
                            .tls_cert = (char *) "c", .tls_key = (char *) "k" }, NULL, 0 },
                { "a URL", { .host = (char *) "mqtt://b" }, NULL, 1 },
                { "a wildcard", { .prefix = (char *) "a/+" }, NULL, 1 },
                { "an end", { .prefix = (char *) "a/" }, NULL, 1 },
                { "half a pair", { .tls = true, .tls_cert = (char *) "c" }, NULL, 1 },
                { "a CA without TLS", { .tls_ca = (char *) "c" }, NULL, 1 },
                { "a bad group", { 0 }, (char *) "hall@53", 1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct mqtt_options options = rows[i].options;
                char *groups[] = { rows[i].group };

                print_message("%s\n", rows[i].story);
                options.groups = (struct string_list) { .items = groups, .n = rows[i].group != NULL };
                mqtt_driver.check(&options, "wall.conf", &problems);
                assert_int_equal(problems.n, rows[i].problems);
                problems_done(&problems);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_group_has_its_messages_and_its_playlist),
                cmocka_unit_test(a_document_name_is_one_part_of_a_topic),
                cmocka_unit_test(what_is_gone_leaves_no_word_behind),
                cmocka_unit_test(a_revision_for_another_place_leaves_the_first),
                cmocka_unit_test(nothing_is_sent_where_nobody_wants_it),
                cmocka_unit_test(a_new_connection_brings_everything_again),
                cmocka_unit_test(the_last_playlist_is_of_the_last_list),
                cmocka_unit_test(every_reply_has_one_meaning),
                cmocka_unit_test(it_is_shown_and_gone_when_the_boxes_say_so),
                cmocka_unit_test(only_a_box_of_ours_that_tells_what_it_shows_is_heard),
                cmocka_unit_test(a_test_counts_the_players),
                cmocka_unit_test(wrong_options_are_told),
        };

        return cmocka_run_group_tests_name("mqtt", tests, NULL, NULL);
}
