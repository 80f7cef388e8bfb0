/* Numbers, lists, texts, hours: the parts that no carrier knows of. */
#include "channels/sms/fixture.h"

#include "core/fit.h"
#include "core/moment.h"

static void numbers_are_read_as_people_write_them(void **state) {
        static const struct {
                const char *text, *number;
        } rows[] = {
                { "13800138000", "13800138000" }, { "+86 138-0013-8000", "13800138000" },
                { "008613800138000", "13800138000" }, { "8613800138000", "13800138000" },
                { "'13800138000", "13800138000" }, { "１３８００１３８０００", "13800138000" },
                { " 138 0013 8000 ", "13800138000" }, { "19912345678", "19912345678" },
                { "12800138000", NULL }, { "1380013800", NULL }, { "138001380000", NULL },
                { "08758888888", NULL }, { "1.38E+10", NULL }, { "", NULL }, { "13800138000x", NULL },
                { "+1 13800138000", NULL }, { "13800138000/13900139000", NULL }, { "\xff", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char number[SMS_NUMBER] = "";

                print_message("%s\n", rows[i].text);
                assert_int_equal(sms_number_read(rows[i].text, number), rows[i].number != NULL);
                if (rows[i].number)
                        assert_string_equal(number, rows[i].number);
        }
}

static void what_people_read_has_no_whole_number(void **state) {
        static const struct {
                const char *text, *says;
        } rows[] = {
                { "13800138000 非法", "138****8000 非法" },
                { "8613800138000", "861******8000" },
                { "批号 1234567890 好", "批号 1234567890 好" },
                { "一行\n又一行", "一行\\n又一行" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf out = { 0 };

                sms_words(rows[i].text, strlen(rows[i].text), &out);
                assert_string_equal(buf_text(&out), rows[i].says);
                buf_done(&out);
        }
}

/* By `printf 13800138000 | openssl dgst -sha256 -hmac KEY -binary | head -c8 | base64`, url-safe. */
static void a_number_is_kept_as_a_hash_under_the_key(void **state) {
        char hash[SMS_HASH + 1], other[SMS_HASH + 1];

        (void) state;
        sms_number_hash("0123456789abcdef0123", "13800138000", hash);
        assert_string_equal(hash, "FTRwgpZO5mM");
        sms_number_hash("0123456789abcdef0124", "13800138000", other);
        assert_string_not_equal(hash, other);
}

/* -- lists -- */

static json_t *account_of(void) {
        return json_pack("{s:{}, s:{}, s:[], s:i}", "people", "optout", "bad", "n_bad", 0);
}

static void each_bad_line_is_told_and_the_others_stand(void **state) {
        static const char list[] = "\xef\xbb\xbf姓名,手机号,区划代码,分组,事项\r\n"
                                   "甲,13800000001,530581,干部;村民,供水\r\n"
                                   "乙,1380000000,530581,,\r\n"
                                   "\r\n"
                                   "丙,13800000003,53058,,\r\n"
                                   "丁,\"13800000004\"x,,,\r\n"
                                   "戊,13800000005,\"530581103、530581104\",,\r\n"
                                   "己,+86 13800000001,530502,,\r\n"
                                   "庚,13900139000 转 8000,,,\r\n";
        static const char *const told[] = { "people.csv:3: “13****00”不是手机号码", "people.csv:5: “53058”",
                                            "people.csv:6: 引号", "people.csv:9: “139" };
        json_t *account = account_of();
        char *trouble, *text;

        (void) state;
        assert_int_equal(sms_list_read(account, "people.csv", false, "0123456789abcdef", list, sizeof(list) - 1,
                                       &trouble), 0);
        assert_null(trouble);
        assert_int_equal(sms_list_close(account), 0);
        assert_int_equal(json_object_size(json_object_get(account, "people")), 2); /* 1 and 5; 1 is there twice */
        assert_int_equal(json_integer_value(json_object_get(account, "n_bad")), 4);
        text = sms_account_sentence(account);
        print_message("%s\n", text);
        for (size_t i = 0; i < ELEMENTS(told); i++)
                assert_non_null(strstr(text, told[i]));
        assert_null(strstr(text, "13900139000"));
        free(text);
        json_decref(account);
}

static void a_list_that_cannot_be_one_is_refused_as_a_whole(void **state) {
        static const struct {
                const char *story, *list, *says;
        } rows[] = {
                { "no number", "姓名,单位\n甲,乙\n", "没有“号码”" },
                { "empty", "\n", "没有“号码”" },
                { "GB18030", "\xba\xc5\xc2\xeb\n13800138000\n", "UTF-8" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *account = account_of();
                char *trouble;

                print_message("%s\n", rows[i].story);
                assert_int_equal(sms_list_read(account, "a.csv", false, "0123456789abcdef", rows[i].list,
                                               strlen(rows[i].list), &trouble), 0);
                assert_non_null(trouble);
                assert_non_null(strstr(trouble, rows[i].says));
                free(trouble);
                json_decref(account);
        }
}

static void a_notice_goes_to_whom_it_concerns(void **state) {
        static const struct {
                const char *story, *person, *event;
                bool means;
        } rows[] = {
                { "for all, to all", "13800000001,,,", NULL, true },
                { "for all, to one of the county", "13800000001,530581103,,", NULL, true },
                { "for all, to one of another county", "13800000001,530502,,", NULL, false },
                { "for a township, to it", "13800000001,530581103,,", "{\"areas\":[\"530581103\"]}", true },
                { "for a township, to a village of it", "13800000001,530581103201,,", "{\"areas\":[\"530581103\"]}", true },
                { "for a township, to the whole county", "13800000001,530581,,", "{\"areas\":[\"530581103\"]}", true },
                { "for a township, to another", "13800000001,530581104,,", "{\"areas\":[\"530581103\"]}", false },
                { "for a township, to one of two", "13800000001,530581104;530581103,,", "{\"areas\":[\"530581103\"]}", true },
                { "for a group, to a member", "13800000001,,村民;干部,", "{\"audience\":{\"groups\":[\"干部\"]}}", true },
                { "for a group, to another", "13800000001,,村民,", "{\"audience\":{\"groups\":[\"干部\"]}}", false },
                { "for a group, to one of none", "13800000001,,,", "{\"audience\":{\"groups\":[\"干部\"]}}", false },
                { "public, to a member", "13800000001,,干部,", "{\"audience\":\"public\"}", true },
                { "of this item", "13800000001,,,water", NULL, true },
                { "of this field", "13800000001,,,公共企事业单位", NULL, true },
                { "of another item", "13800000001,,,征地;拆迁", NULL, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct world world = world_of(&mas_driver);
                json_t *account = account_of(), *person;
                struct buf list = { 0 };
                const char *hash;
                char *trouble;

                print_message("%s\n", rows[i].story);
                json_decref(world.event);
                world.event = notice(rows[i].event);
                world.delivery.event = world.event;
                world.delivery.domain = "公共企事业单位";
                buf_fmt(&list, "number,areas,groups,items\n%s\n", rows[i].person);
                assert_int_equal(sms_list_read(account, "a.csv", false, "0123456789abcdef", buf_text(&list), list.len,
                                               &trouble), 0);
                assert_int_equal(json_object_size(json_object_get(account, "people")), 1);
                json_object_foreach(json_object_get(account, "people"), hash, person)
                        assert_int_equal(sms_list_means(json_string_value(person), &world.delivery), rows[i].means);
                buf_done(&list);
                json_decref(account);
                world_done(&world);
        }
}

static void who_opted_out_is_texted_by_no_list(void **state) {
        static char *lists[] = { (char *) "people.csv", (char *) "http://lists.example/more.csv" };
        static char *out[] = { (char *) "out.txt" };
        struct world world = world_of(&mas_driver);
        bool twice;

        (void) state;
        world.options.recipients = (struct string_list) { lists, 2 };
        world.options.optout = (struct string_list) { out, 1 };
        put_people(&world, 0, 4);
        put_file(&world, "out.txt", "13800000002\n");
        put_file(&world, "http://lists.example/more.csv", "number\n13800000001\n13800000002\n13900000009\n");
        deliver(&world);
        assert_int_equal(world.last, VERDICT_DONE);
        assert_int_equal(texted(&world, &twice), 4); /* 0 1 3 and 9 */
        assert_false(twice);
        assert_null(json_object_get(world.phones, "13800000002"));
        world_done(&world);
}

static void without_every_list_nobody_is_texted(void **state) {
        static const struct {
                const char *story, *code;
                bool out, people;
                long status;
                enum verdict_kind kind;
        } rows[] = {
                { "those who opted out are not known", "sms/list", false, true, 0, VERDICT_BLOCKED },
                { "no such file", "sms/list", true, false, 0, VERDICT_BLOCKED },
                { "the source is away", "sms/list-away", true, true, 503, VERDICT_LATER },
                { "the source refuses", "sms/list", true, true, 403, VERDICT_BLOCKED },
        };
        static char *lists[] = { (char *) "people.csv", (char *) "https://lists.example/more.csv?token=t0ken" };
        static char *out[] = { (char *) "out.txt" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct world world = world_of(&mas_driver);

                print_message("%s\n", rows[i].story);
                world.options.recipients = (struct string_list) { lists, 2 };
                world.options.optout = (struct string_list) { out, 1 };
                if (rows[i].people)
                        put_people(&world, 0, 4);
                if (rows[i].out)
                        put_file(&world, "out.txt", "号码\n");
                world.list_status = rows[i].status;
                assert_true(attempt(&world));
                assert_int_equal(world.last, rows[i].kind);
                assert_string_equal(world.code, rows[i].code);
                assert_null(strstr(world.sentence, "t0ken"));
                assert_int_equal(world.n_sendings, 0);
                world_done(&world);
        }
}

/* -- texts -- */

static void a_sign_is_two_to_eighteen_plain_characters(void **state) {
        static const struct {
                const char *sign;
                bool sound;
        } rows[] = {
                { "腾冲发布", true }, { "腾冲12345", true }, { "腾", false }, { "【腾冲】", false }, { "腾冲 发布", false },
                { "腾冲·发布", false }, { "一二三四五六七八九十一二三四五六七八", true }, { "一二三四五六七八九十一二三四五六七八九", false },
                { "𠮷林", true }, { "", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_int_equal(sms_signature_is_sound(rows[i].sign), rows[i].sound);
}

static void sign_text_and_link_stay_within_the_messages_allowed(void **state) {
        static const char *const pieces[] = { "停水", "关于", "12.5万元", "😀", "𠮷", "e\xcc\x81", "【", "】", " ", "，", "2026年11月23日", "a" };
        static const char *const links[] = { NULL, "https://x.cn/1", "https://www.example.gov.cn/article/2026/11/530581/oa-2026-0012.html" };
        struct world world = world_of(&mas_driver);
        unsigned seed = 7;

        (void) state;
        for (int i = 0; i < 10000; i++) {
                struct buf title = { 0 };
                json_t *data = json_object();
                int n = i % 90;
                char *text;
                size_t units;

                while (n-- > 0) {
                        seed = seed * 1103515245 + 12345;
                        buf_str(&title, pieces[(seed >> 16) % ELEMENTS(pieces)]);
                }
                buf_str(&title, "完");
                json_object_set_new(data, "title", json_string(buf_text(&title)));
                json_decref(world.event);
                world.event = json_pack("{s:o}", "data", data);
                world.delivery.event = world.event;
                world.delivery.options = &world.options;
                world.delivery.after_url = links[i % 3];
                world.options.segments = 1 + i % 3;
                text = sms_text(&world.delivery, SMS_FIRST, NULL, 0);
                units = fit_length(text, strlen(text), FIT_UTF16) + 6; /* 【腾冲发布】 */
                assert_true(sms_segments(units) <= world.options.segments);
                assert_null(strstr(text, "【")); /* the only one is the sign's */
                if (links[i % 3] && strlen(links[i % 3]) < 20)
                        assert_string_equal(text + strlen(text) - 14, links[1]);
                free(text);
                buf_done(&title);
        }
        world_done(&world);
}

static void messages_are_counted_by_seventy_and_sixty_seven(void **state) {
        static const struct {
                size_t units;
                int64_t segments;
        } rows[] = { { 1, 1 }, { 70, 1 }, { 71, 2 }, { 134, 2 }, { 135, 3 }, { 201, 3 }, { 202, 4 } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_int_equal(sms_segments(rows[i].units), rows[i].segments);
}

/* -- hours -- */

static void hours_and_days_are_those_of_shanghai(void **state) {
        static const struct {
                const char *hours, *now, *opens;
        } rows[] = {
                { "08:00-21:00", "2026-11-22T08:00:00+08:00", NULL },
                { "08:00-21:00", "2026-11-22T20:59:59+08:00", NULL },
                { "08:00-21:00", "2026-11-22T21:00:00+08:00", "2026-11-23T08:00:00+08:00" },
                { "08:00-21:00", "2026-11-22T07:59:00+08:00", "2026-11-22T08:00:00+08:00" },
                { "08:30-20:30", "2026-12-31T23:59:00+08:00", "2027-01-01T08:30:00+08:00" },
                { "00:00-24:00", "2026-11-22T03:00:00+08:00", NULL },
        };
        static const char *const bad[] = { "8:00-21:00", "21:00-08:00", "08:00-24:01", "08:60-21:00", "08:00", "" };
        int64_t now, opens, from, to;
        char text[MOMENT_TEXT];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                assert_int_equal(moment_parse(rows[i].now, &now, NULL), 0);
                opens = sms_opens_ms(rows[i].hours, now);
                if (!rows[i].opens)
                        assert_int_equal(opens, 0);
                else
                        assert_string_equal(moment_write(opens, text), rows[i].opens);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_false(sms_hours_read(bad[i], &from, &to));
        assert_int_equal(moment_parse("2026-12-31T23:58:30+08:00", &now, NULL), 0);
        assert_string_equal(moment_write(sms_next_minute(now), text), "2026-12-31T23:59:00+08:00");
        assert_string_equal(moment_write(sms_next_hour(now), text), "2027-01-01T00:00:00+08:00");
        assert_string_equal(moment_write(sms_next_day(now), text), "2027-01-01T00:00:00+08:00");
        assert_string_equal(moment_write(sms_next_month(now - INT64_C(30) * 86400000), text), "2027-01-01T00:00:00+08:00");
}

/* -- options -- */

static void what_is_wrong_with_options_is_said(void **state) {
        struct world world = world_of(&aliyun_driver);
        struct problems problems = { 0 };
        char *params[] = { (char *) "title", (char *) "a=nothing", (char *) "b = number" };

        (void) state;
        aliyun_driver.check(&world.options, "sms.conf", &problems);
        assert_int_equal(problems.n, 0);
        world.options.signature = (char *) "【腾冲】";
        free(world.options.hours);
        world.options.hours = strdup("21:00-08:00");
        world.options.params = (struct string_list) { params, 3 };
        world.options.on_revise = SMS_CORRECT;
        world.options.day_limit = 5;
        world.options.day_reserve = 5;
        world.options.test_number = (char *) "138001380001";
        aliyun_driver.check(&world.options, "sms.conf", &problems);
        assert_int_equal(problems.n, 7);
        for (size_t i = 0; i < problems.n; i++)
                assert_null(strstr(problems.list[i].text, "138001380001"));
        problems_done(&problems);
        world_done(&world);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_are_read_as_people_write_them),
                cmocka_unit_test(what_people_read_has_no_whole_number),
                cmocka_unit_test(a_number_is_kept_as_a_hash_under_the_key),
                cmocka_unit_test(each_bad_line_is_told_and_the_others_stand),
                cmocka_unit_test(a_list_that_cannot_be_one_is_refused_as_a_whole),
                cmocka_unit_test(a_notice_goes_to_whom_it_concerns),
                cmocka_unit_test(who_opted_out_is_texted_by_no_list),
                cmocka_unit_test(without_every_list_nobody_is_texted),
                cmocka_unit_test(a_sign_is_two_to_eighteen_plain_characters),
                cmocka_unit_test(sign_text_and_link_stay_within_the_messages_allowed),
                cmocka_unit_test(messages_are_counted_by_seventy_and_sixty_seven),
                cmocka_unit_test(hours_and_days_are_those_of_shanghai),
                cmocka_unit_test(what_is_wrong_with_options_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
