/* Delivery reports: who may bring them, what is noted of them, and how they are counted. */
#include "channels/sms/fixture.h"

#define KEY "00112233445566778899aabb"
#define KEYS SECRET "report_key = " KEY "\n"

/* What the engine does with an answer. */
static unsigned bring(struct world *world, struct call *call, const char *query) {
        struct call_answer answer = { 0 };
        const char *name;
        json_t *note;
        unsigned status;

        call->query = json_loads(query, 0, NULL);
        if (!call->method)
                call->method = "POST";
        if (!call->path)
                call->path = "/";
        call->n_body = call->body ? strlen(call->body) : 0;
        assert_int_equal(world->driver->call(call, &world->options, world->delivery.secret, NOON, &answer), 0);
        status = answer.status;
        if (status != 200) {
                assert_null(answer.put);
                assert_int_equal(answer.body.len, 0);
        }
        assert_true(json_object_size(answer.put) <= 1024);
        json_object_foreach(answer.put, name, note) {
                assert_int_equal(json_integer_value(json_object_get(note, "ms")), INT64_C(14) * 86400000);
                json_object_set(world->book, name, json_object_get(note, "value"));
        }
        if (answer.trouble)
                buf_str(&world->said, answer.trouble);
        call_answer_done(&answer);
        json_decref((json_t *) call->query);
        return status;
}

static void kannel_reports(struct world *world, const char *number, int i) {
        char name[64], mark[33], text[64], query[256];
        struct call call = { .method = "GET" };

        sms_book_name(&world->delivery, -1, name);
        (void) snprintf(text, sizeof(text), "report %.24s", name + 2);
        sms_mac_hex("0123456789abcdef0123", text, 16, mark);
        (void) snprintf(query, sizeof(query), "{\"d\":\"%s\",\"k\":\"%s\",\"t\":\"%s\",\"p\":\"%s\"}", name + 2, mark,
                        i >= 100     ? "8"
                        : i % 10 == 0 ? "2"
                                      : "1", number);
        assert_int_equal(bring(world, &call, query), 200);
        *strstr(query, mark) ^= 1;
        assert_int_equal(bring(world, &call, query), 403); /* a stranger's */
}

static const char *const ali_codes[] = { "MOBILE_NOT_ON_SERVICE", "MOBILE_IN_BLACK", "CONTENT_KEYWORD",
                                         "MOBILE_SEND_LIMIT", "SOMETHING_NEW" };

/* One push for all, as an array; each tenth failed. */
static void aliyun_reports(struct world *world) {
        json_t *array = json_array(), *texts;
        struct call call = { .path = "/sms/" KEY };
        const char *number;
        char *body;
        int i = 0;

        json_object_foreach(world->phones, number, texts) {
                bool bad = i % 10 == 0;

                if (i < 100)
                        json_array_append_new(array, json_pack("{s:s, s:b, s:s, s:s, s:O}", "phone_number", number, "success", !bad,
                                                               "err_code", bad ? ali_codes[i / 10 % 5] : "DELIVERED", "biz_id", "9^0",
                                                               "out_id", json_object_get(json_array_get(texts, 0), "OutId")));
                i++;
        }
        json_array_append_new(array, json_pack("{s:s, s:b, s:s}", "phone_number", "13911112222", "success", 1, "out_id", "another's"));
        json_array_append_new(array, json_integer(7));
        body = json_dumps(array, 0);
        call.body = body;
        assert_int_equal(bring(world, &call, "{}"), 200);
        assert_int_equal(bring(world, &call, "{}"), 200); /* it may come again */
        free(body), json_decref(array);
}

/* One push for each. */
static void mas_reports(struct world *world) {
        const char *number;
        json_t *texts;
        int i = 0;

        json_object_foreach(world->phones, number, texts) {
                struct call call = { 0 };
                char body[256];

                (void) snprintf(body, sizeof(body), "{\"reportStatus\":\"%s\",\"mobile\":\"%s\",\"errorCode\":\"%s\",\"msgGroup\":\"%s\"}",
                                i >= 110 ? "ACCEPTD" : i % 10 ? "DELIVRD" : "UNDELIV", number, i == 0 ? "DB:0140" : "MK:0001",
                                i >= 100 && i < 110 ? "another" : "g1");
                call.body = body;
                assert_int_equal(bring(world, &call, "{\"key\":\"" KEY "\"}"), 200);
                i++;
        }
}

static void reports_are_counted_when_they_had_time_to_come(void **state) {
        static const struct {
                const struct driver *driver;
                const char *reference;
        } rows[] = {
                { &kannel_driver, "sent=130,failed=0,doubt=0,delivered=90,undelivered=10" },
                { &aliyun_driver, "sent=130,failed=0,doubt=0,delivered=90,undelivered=10,bad-number=2,blocked=2,bad-content=2,too-many=2" },
                { &mas_driver, "sent=130,failed=0,doubt=0,delivered=90,undelivered=10,blocked=1" },
        };

        (void) state;
        for (size_t r = 0; r < ELEMENTS(rows); r++) {
                struct world world = world_of(rows[r].driver);
                const char *number;
                json_t *texts;
                int i = 0;

                print_message("%s\n", rows[r].driver->name);
                world.options.report_url = (char *) "http://127.0.0.1:8099/dlr";
                world.options.reports_ms = 3600000;
                world.options.batch = 50;
                world.delivery.secret = KEYS;
                put_people(&world, 0, 130);
                assert_true(attempt(&world));
                /* It is shown at once; there is a later look. */
                assert_int_equal(world.last, VERDICT_DONE);
                assert_string_equal(world.reference, "sent=130,failed=0,doubt=0");
                assert_int_equal(world.at_ms, NOON + 3600000);
                if (rows[r].driver == &kannel_driver)
                        json_object_foreach(world.phones, number, texts)
                                kannel_reports(&world, number, i++);
                else if (rows[r].driver == &aliyun_driver)
                        aliyun_reports(&world);
                else
                        mas_reports(&world);
                world.delivery.now_ms = world.at_ms;
                world.delivery.doubt = world.delivery.shown = true; /* a second look */
                assert_true(attempt(&world));
                assert_int_equal(world.last, VERDICT_DONE);
                assert_string_equal(world.reference, rows[r].reference);
                assert_non_null(strstr(world.sentence, "送达 90，没有送达 10"));
                assert_non_null(strstr(world.sentence, "还没有回执 30"));
                assert_int_equal(world.at_ms, NOON + 3600000 + 86400000); /* some are missing: once more */
                world.delivery.now_ms = world.at_ms;
                assert_true(attempt(&world));
                assert_string_equal(world.reference, rows[r].reference);
                assert_int_equal(world.at_ms, 0);
                assert_true(attempt(&world));
                assert_string_equal(world.sentence, "");
                assert_int_equal(world.n_sendings, 130 / 50 + 1);
                assert_masked(&world);
                world_done(&world);
        }
}

/* An ignored revision tells them all the same, a withdrawal too. */
static void what_comes_next_does_not_lose_the_reports(void **state) {
        (void) state;
        for (int withdrawn = 0; withdrawn < 2; withdrawn++) {
                struct world world = world_of(&aliyun_driver);

                world.options.reports_ms = 3600000;
                world.delivery.secret = KEYS;
                put_people(&world, 0, 120);
                deliver(&world);
                aliyun_reports(&world);
                world.delivery.revision += !withdrawn;
                world.delivery.level = withdrawn;
                world.delivery.kind = withdrawn ? DELIVER_WITHDRAW : DELIVER_PUBLISH;
                world.delivery.now_ms = NOON + 60000;
                deliver(&world);
                assert_int_equal(world.at_ms, NOON + 3600000);
                world.delivery.now_ms = world.at_ms;
                deliver(&world);
                assert_non_null(strstr(world.reference, "delivered=90,undelivered=10"));
                assert_int_equal(world.n_sendings, 1);
                world_done(&world);
        }
}

static void where_most_did_not_arrive_somebody_is_told_to_look(void **state) {
        struct world world = world_of(&mas_driver);
        struct call call = { .body = "[{\"reportStatus\":\"UNDELIV\",\"mobile\":\"13800000000\",\"msgGroup\":\"g1\"}]" };

        (void) state;
        world.options.reports_ms = 60000;
        world.delivery.secret = KEYS;
        put_people(&world, 0, 1);
        deliver(&world);
        assert_int_equal(bring(&world, &call, "{\"key\":\"" KEY "\"}"), 200);
        world.delivery.now_ms = world.at_ms;
        deliver(&world);
        assert_string_equal(world.reference, "sent=1,failed=0,doubt=0,delivered=0,undelivered=1");
        assert_non_null(strstr(world.sentence, "核对签名报备"));
        world_done(&world);
}

static void only_who_knows_the_key_is_heard(void **state) {
        static const struct {
                const char *story, *secret, *method, *path, *query, *body;
                unsigned status;
        } rows[] = {
                { "the key in the path", KEYS, "POST", "/a/b/" KEY, "{}", "[]", 200 },
                { "the key in the query", KEYS, "POST", "/", "{\"key\":\"" KEY "\"}", "[]", 200 },
                { "no key", KEYS, "POST", "/", "{}", "[]", 403 },
                { "an empty one", KEYS, "POST", "/x", "{\"key\":\"\"}", "[]", 403 },
                { "a part of it", KEYS, "POST", "/00112233445566778899aab", "{}", "[]", 403 },
                { "another of its length", KEYS, "POST", "/00112233445566778899aabc", "{}", "[]", 403 },
                { "a wrong one in the query, the right one in the path", KEYS, "POST", "/" KEY, "{\"key\":\"x\"}", "[]", 403 },
                { "we have none", SECRET, "POST", "/", "{\"key\":\"\"}", "[]", 503 },
                { "ours is too short", SECRET "report_key = short\n", "POST", "/short", "{}", "[]", 503 },
                { "no secret at all", NULL, "POST", "/" KEY, "{}", "[]", 503 },
                { "somebody looks", KEYS, "GET", "/" KEY, "{}", "", 405 },
                { "no JSON", KEYS, "POST", "/" KEY, "{}", "<xml>13800138000</xml>", 400 },
                { "an empty body", KEYS, "POST", "/" KEY, "{}", "", 400 },
                { "no report", KEYS, "POST", "/" KEY, "{}", "{\"a\":[1]}", 200 },
        };
        static const struct driver *const drivers_of[] = { &aliyun_driver, &mas_driver };

        (void) state;
        for (size_t i = 0; i < 2 * ELEMENTS(rows); i++) {
                struct world world = world_of(drivers_of[i % 2]);
                struct call call = { .method = rows[i / 2].method, .path = rows[i / 2].path, .body = rows[i / 2].body };

                print_message("%s, %s\n", world.driver->name, rows[i / 2].story);
                world.delivery.secret = rows[i / 2].secret;
                assert_int_equal(bring(&world, &call, rows[i / 2].query), rows[i / 2].status);
                assert_int_equal(json_object_size(world.book), 0);
                assert_null(strstr(buf_text(&world.said), KEY));
                assert_masked(&world);
                world_done(&world);
        }
}

/* A body of a megabyte: what does not fit into one step of the book is told to be lost. */
static void more_reports_than_a_step_holds_are_told(void **state) {
        struct world world = world_of(&mas_driver);
        struct call call = { .path = "/" KEY };
        struct buf body = { 0 };

        (void) state;
        world.delivery.secret = KEYS;
        for (int i = 0; i < 3000; i++)
                buf_fmt(&body, "%c{\"reportStatus\":\"DELIVRD\",\"mobile\":\"138%08d\",\"msgGroup\":\"g1\"}", i ? ',' : '[', i);
        buf_char(&body, ']');
        call.body = buf_text(&body);
        assert_int_equal(bring(&world, &call, "{}"), 200);
        assert_int_equal(json_object_size(world.book), 1000);
        assert_non_null(strstr(buf_text(&world.said), "3000"));
        buf_done(&body);
        world_done(&world);
}

/* What a note says of its reports is read again, and one of before has none. */
static void a_note_keeps_what_its_reports_are_named_by(void **state) {
        struct sms_note note = { 0 };
        char *text = sms_note_write(SMS_SENT, (struct sms_rank) { 7, 0 }, NOON, "0123456789abcdef01234567", "abcdefghijkABCDEFGHIJK");

        (void) state;
        assert_true(sms_note_read(text, &note));
        assert_string_equal(note.of, "0123456789abcdef01234567");
        assert_string_equal(note.members, "abcdefghijkABCDEFGHIJK");
        assert_int_equal(note.n, 2);
        free(text);
        assert_true(sms_note_read("S 7.0 5 abcdefghijk", &note));
        assert_string_equal(note.of, "");
        assert_int_equal(note.n, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reports_are_counted_when_they_had_time_to_come),
                cmocka_unit_test(what_comes_next_does_not_lose_the_reports),
                cmocka_unit_test(where_most_did_not_arrive_somebody_is_told_to_look),
                cmocka_unit_test(only_who_knows_the_key_is_heard),
                cmocka_unit_test(more_reports_than_a_step_holds_are_told),
                cmocka_unit_test(a_note_keeps_what_its_reports_are_named_by),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
