#include "channels/weibo/fixture.h"

enum expected {
        LOGIN,
        APP,
        PERSON,
        HOURLY,
        AN_HOUR,
        BUSY,
        BROKE,
        CONTENT,
        SAME,
        SIMILAR,
        LATE,
        GONE
};

/* All codes of the note (the pages named in codes.c), class by class. */
static const struct {
        enum expected is;
        long codes[16];
} classes[] = {
        { LOGIN,
          { 21301, 21313, 21314, 21315, 21316, 21317, 21318, 21319, 21325, 21327, 21330, 21332 } },
        { APP,
          { 10005, 10006, 10014, 21302, 21303, 21304, 21305, 21306, 21307, 21308, 21309, 21310,
            21311, 21312 } },
        { APP, { 21320, 21321, 21322, 21323, 21324, 21326, 21328, 21329, 21337, 20015 } },
        { PERSON, { 10004, 20022, 20031, 20102 } },
        { HOURLY, { 10022, 10023, 10024 } },
        { AN_HOUR, { 20016 } },
        { BUSY, { 10002, 10009, 21331 } },
        { BROKE, { 10001, 10003, 10010, 10011 } },
        { CONTENT,
          { 10007, 10008, 10012, 10016, 10017, 10018, 10020, 10021, 20005, 20006, 20007, 20008,
            20012 } },
        { CONTENT, { 20013, 20014, 20018, 20020, 20021, 21602 } },
        { SAME, { 20019, 20111 } },
        { SIMILAR, { 20017 } },
        { LATE, { 20032 } },
        { GONE, { 20101 } },
};

static const struct {
        enum weibo_meaning meaning;
        enum verdict_kind posted, other; /* of a share; of what may be asked again */
        const char *code;                /* of the share */
        int64_t at_ms;
        bool ill;
} of_class[] = {
        [LOGIN] = { WEIBO_TROUBLE, VERDICT_BLOCKED, VERDICT_BLOCKED, "weibo/login", 0, false },
        [APP] = { WEIBO_TROUBLE, VERDICT_BLOCKED, VERDICT_BLOCKED, "weibo/app", 0, false },
        [PERSON] = { WEIBO_TROUBLE, VERDICT_BLOCKED, VERDICT_BLOCKED, "weibo/person", 0, false },
        [HOURLY] = { WEIBO_TROUBLE, VERDICT_WAIT, VERDICT_WAIT, "weibo/limit", NOON + HOUR, false },
        [AN_HOUR] = { WEIBO_TROUBLE, VERDICT_WAIT, VERDICT_WAIT, "weibo/limit",
                      NOON + HOUR + 5 * MINUTE, false },
        [BUSY] = { WEIBO_TROUBLE, VERDICT_LATER, VERDICT_LATER, "weibo/busy", 0, true },
        [BROKE] = { WEIBO_TROUBLE, VERDICT_UNCERTAIN, VERDICT_LATER, "weibo/unclear", 0, true },
        [CONTENT] = { WEIBO_TROUBLE, VERDICT_REFUSED, VERDICT_LATER, "weibo/refused", 0, false },
        [SAME] = { WEIBO_SAME, VERDICT_REFUSED, VERDICT_LATER, "weibo/refused", 0, false },
        [SIMILAR] = { WEIBO_SIMILAR, VERDICT_REFUSED, VERDICT_LATER, "weibo/refused", 0, false },
        [LATE] = { WEIBO_LATE, VERDICT_REFUSED, VERDICT_LATER, "weibo/refused", 0, false },
        [GONE] = { WEIBO_GONE, VERDICT_REFUSED, VERDICT_LATER, "weibo/refused", 0, false },
};

/* The meaning; *ret is the verdict on it. At 12:05. */
static enum weibo_meaning judge(long status, const char *body, bool posts, struct step *ret) {
        struct delivery delivery = delivery_of(DELIVER_PUBLISH, NULL);
        struct http_reply reply = {
                .status = status, .body = body, .n_body = strlen(body), .sent = true
        };
        struct weibo_answer answer;
        enum weibo_meaning meaning;

        delivery.now_ms = NOON + 5 * MINUTE;
        weibo_read(&reply, &answer);
        meaning = answer.meaning;
        assert_int_equal(weibo_trouble(&delivery, &reply, &answer, posts, ret), 0);
        weibo_answer_done(&answer);
        return meaning;
}

static void one_code(long code, enum expected is, bool as_text, bool posts) {
        struct step step = { 0 };
        char body[160], number[24];

        (void) snprintf(number, sizeof(number), "%ld", code);
        (void) snprintf(body, sizeof(body),
                        "{\"request\":\"/2/x.json\",\"error_code\":%s%ld%s,\"error\":\"say so!\"}",
                        as_text ? "\"" : "", code, as_text ? "\"" : "");
        assert_int_equal(judge(400, body, posts, &step), of_class[is].meaning);
        assert_int_equal(step.verdict.kind, posts ? of_class[is].posted : of_class[is].other);
        if (posts)
                assert_string_equal(step.verdict.code, of_class[is].code);
        assert_int_equal(step.verdict.at_ms, of_class[is].at_ms);
        assert_int_equal(step.verdict.ill, of_class[is].ill);
        assert_non_null(strstr(step.verdict.sentence, "say so!"));
        assert_false(has_hole(step.verdict.sentence));
        if (is == LOGIN)
                assert_non_null(strstr(step.verdict.sentence, "gongkaictl channel login weibo"));
        if (step.verdict.kind != VERDICT_UNCERTAIN)
                assert_non_null(strstr(step.verdict.sentence, number));
        step_done(&step);
}

static void every_code_of_the_note_has_its_class(void **state) {
        unsigned n = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(classes); i++)
                for (const long *code = classes[i].codes; *code; code++, n++)
                        for (unsigned way = 0; way < 4; way++)
                                one_code(*code, classes[i].is, way & 1, way & 2);
        assert_int_equal(n, 75);
}

static void what_has_no_code_is_judged_by_what_it_may_have_done(void **state) {
        static const struct {
                const char *story;
                long status;
                const char *body;
                enum verdict_kind posted, other;
                const char *code, *says;
        } rows[] = {
                { "an unknown code stops, with an alarm", 400,
                  "{\"error_code\":29999,\"error\":\"new\"}", VERDICT_BLOCKED, VERDICT_BLOCKED,
                  "weibo/unknown", "29999" },
                { "a code that is none", 400, "{\"error_code\":\"x\",\"error\":\"new\"}",
                  VERDICT_BLOCKED, VERDICT_BLOCKED, "weibo/unknown", "new" },
                { "an unbound domain is the app's affair", 400,
                  "{\"error_code\":10017,\"error\":\"appkey not bind domain\"}", VERDICT_BLOCKED,
                  VERDICT_BLOCKED, "weibo/app", "www.example.gov.cn" },
                { "OAuth's words", 400,
                  "{\"error\":\"invalid_grant\",\"error_code\":21325,\"error_description\":\"code "
                  "is old\"}",
                  VERDICT_BLOCKED, VERDICT_BLOCKED, "weibo/login", "code is old" },
                { "broke", 500, "oops", VERDICT_UNCERTAIN, VERDICT_LATER, "weibo/unclear", "oops" },
                { "a gateway", 502, "<html>", VERDICT_UNCERTAIN, VERDICT_LATER, "weibo/unclear",
                  "<html>" },
                { "well, and no JSON", 200, "ok", VERDICT_UNCERTAIN, VERDICT_LATER, "weibo/unclear",
                  "ok" },
                { "an array", 200, "[]", VERDICT_UNCERTAIN, VERDICT_LATER, "weibo/unclear", "[]" },
                { "an error without a code", 400, "{\"error\":\"hm\"}", VERDICT_UNCERTAIN,
                  VERDICT_LATER, "weibo/unclear", "hm" },
                { "a redirect", 302, "", VERDICT_UNCERTAIN, VERDICT_LATER, "weibo/unclear", "" },
                { "no answer", 0, "", VERDICT_UNCERTAIN, VERDICT_LATER, "weibo/unclear", "" },
                { "broke, and says how", 503, "{\"error_code\":10001,\"error\":\"system error!\"}",
                  VERDICT_UNCERTAIN, VERDICT_LATER, "weibo/unclear", "system error!" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                for (int posts = 0; posts < 2; posts++) {
                        struct step step = { 0 };

                        print_message("%s\n", rows[i].story);
                        assert_int_equal(judge(rows[i].status, rows[i].body, posts, &step),
                                         WEIBO_TROUBLE);
                        assert_int_equal(step.verdict.kind, posts ? rows[i].posted : rows[i].other);
                        if (posts)
                                assert_string_equal(step.verdict.code, rows[i].code);
                        assert_non_null(strstr(step.verdict.sentence, rows[i].says));
                        assert_null(strstr(step.verdict.sentence, TOKEN));
                        step_done(&step);
                }
        }
}

static void what_never_left_us_is_sent_again(void **state) {
        struct delivery delivery = delivery_of(DELIVER_PUBLISH, NULL);
        struct http_reply reply = { .body = "", .error = "Connection refused" };
        struct weibo_answer answer;
        struct step step = { 0 };

        (void) state;
        weibo_read(&reply, &answer);
        assert_int_equal(weibo_trouble(&delivery, &reply, &answer, true, &step), 0);
        assert_int_equal(step.verdict.kind, VERDICT_LATER);
        assert_string_equal(step.verdict.code, "weibo/unreachable");
        assert_non_null(strstr(step.verdict.sentence, "api.weibo.com"));
        assert_non_null(strstr(step.verdict.sentence, "Connection refused"));
        step_done(&step);
}

static void the_next_full_hour_is_that_of_shanghai(void **state) {
        static const struct {
                const char *now, *until;
        } rows[] = {
                { "2026-11-22T12:00:00+08:00", "2026-11-22 13:00" },
                { "2026-11-22T12:59:59+08:00", "2026-11-22 13:00" },
                { "2026-11-22T23:30:00+08:00", "2026-11-23 00:00" },
        };
        static const char body[] = "{\"error_code\":10023,\"error\":\"limit\"}";

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct delivery delivery = delivery_of(DELIVER_PUBLISH, NULL);
                struct http_reply reply = {
                        .status = 403, .body = body, .n_body = strlen(body), .sent = true
                };
                struct weibo_answer answer;
                struct step step = { 0 };

                delivery.now_ms = INT64_C(1795320000000); /* 2026-11-22T12:00+08:00 */
                delivery.now_ms += i == 1 ? HOUR - 1000 : i == 2 ? 11 * HOUR + 30 * MINUTE : 0;
                weibo_read(&reply, &answer);
                assert_int_equal(weibo_trouble(&delivery, &reply, &answer, true, &step), 0);
                assert_non_null(strstr(step.verdict.sentence, rows[i].until));
                weibo_answer_done(&answer);
                step_done(&step);
        }
}

static void a_post_has_an_id_and_an_address(void **state) {
        static const struct {
                const char *status, *id, *url;
        } rows[] = {
                { "{'idstr':'201110410216293360','user':{'idstr':'1404376560'}}",
                  "201110410216293360", "https://weibo.com/1404376560/wr4mOFqpbO" },
                { "{'id':201110410216293360,'user':{'id':1404376560}}", "201110410216293360",
                  "https://weibo.com/1404376560/wr4mOFqpbO" },
                { "{'idstr':'5000000000000001','user':{'idstr':'1'}}", "5000000000000001",
                  "https://weibo.com/1/O00000001" },
                { "{'idstr':'7'}", "7", NULL },
                { "{'id':0}", NULL, NULL },
                { "{'idstr':'7 8'}", NULL, NULL },
                { "{'idstr':'../x'}", NULL, NULL },
                { "{'idstr':'123456789012345678901234567890'}", NULL, NULL },
                { "{}", NULL, NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *status = data_of(rows[i].status);
                char id[WEIBO_ID];
                const char *found = weibo_id(status, id);
                char *url = weibo_post_url(status);

                print_message("%s\n", rows[i].status);
                assert_int_equal(found != NULL, rows[i].id != NULL);
                if (found)
                        assert_string_equal(found, rows[i].id);
                assert_int_equal(url != NULL, rows[i].url != NULL);
                if (url)
                        assert_string_equal(url, rows[i].url);
                free(url);
                json_decref(status);
        }
}

static void weibo_writes_moments_in_its_own_way(void **state) {
        (void) state;
        assert_int_equal(weibo_moment("Sun Nov 22 12:00:00 +0800 2026"), NOON);
        assert_int_equal(weibo_moment("Sun Nov 22 04:00:00 +0000 2026"), NOON);
        assert_int_equal(weibo_moment("Sun Nov 32 04:00:00 +0000 2026"), 0);
        assert_int_equal(weibo_moment("Sun ovD 22 04:00:00 +0000 2026"), 0);
        assert_int_equal(weibo_moment("2026-11-22"), 0);
        assert_int_equal(weibo_moment(""), 0);
        assert_int_equal(weibo_moment(NULL), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_code_of_the_note_has_its_class),
                cmocka_unit_test(what_has_no_code_is_judged_by_what_it_may_have_done),
                cmocka_unit_test(what_never_left_us_is_sent_again),
                cmocka_unit_test(the_next_full_hour_is_that_of_shanghai),
                cmocka_unit_test(a_post_has_an_id_and_an_address),
                cmocka_unit_test(weibo_writes_moments_in_its_own_way),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
