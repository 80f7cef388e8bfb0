#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/catalogue.h"
#include "core/catalogue_cells.h"
#include "core/event.h"
#include "core/memory.h"

static char folder[64];

static void put(const char *name, const char *text, size_t n) {
        char path[160];
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, n, file), n);
        assert_int_equal(fclose(file), 0);
}

static int begin(void **state) {
        (void) snprintf(folder, sizeof(folder), "/var/tmp/catalogue_test_XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at) {
        return remove(path);
}

static int end(void **state) {
        return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct catalogue *load(struct problems *problems) {
        struct catalogue *catalogue = NULL;

        assert_int_equal(catalogue_load(folder, problems, &catalogue), 0);
        problems_print(problems, stdout);
        return catalogue;
}

static struct catalogue *load_text(const char *text, struct problems *problems) {
        put("a.csv", text, strlen(text));
        return load(problems);
}

#define HEADER "code,领域,一级事项,二级事项,公开内容（要素）,公开依据,公开时限,公开主体,公开渠道和载体\n"

static uint64_t set_of(const char *a, const char *b) {
        uint64_t set = UINT64_C(1) << carrier_find(a);

        return b ? set | UINT64_C(1) << carrier_find(b) : set;
}

static void a_whole_row_is_read(void **state) {
        static const char text[] =
                "\xef\xbb\xbf序号,code,领域,一级事项,二级事项,公开内容（要素）,公开依据,公开时限,公开主体,"
                "公开渠道和载体,公开对象,公开方式,公开层级,五公开,类型,备注\r\n"
                "1,CXGH-01,城乡规划,规划编制,规划草案公告,\"1.草案;\r\n2.意见征集方式\","
                "《中华人民共和国城乡规划法》,公示不少于30日,自然资源局,"
                "\"■政府网站 □政府公报\r\n■两微一端 □广播电视\",全社会,主动,县级,"
                "\"决策、结果\",consultation,试点\r\n";
        struct problems problems = { 0 };
        struct catalogue *catalogue = load_text(text, &problems);
        const struct item *item = catalogue_find(catalogue, "CXGH-01", "530581");

        assert_int_equal(problems.n, 0);
        assert_int_equal(catalogue->n, 1);
        assert_non_null(item);
        assert_string_equal(item->region, "");
        assert_string_equal(item->domain, "城乡规划");
        assert_string_equal(item->level1, "规划编制");
        assert_string_equal(item->level2, "规划草案公告");
        assert_string_equal(item->content, "1.草案;\n2.意见征集方式");
        assert_string_equal(item->basis, "《中华人民共和国城乡规划法》");
        assert_string_equal(item->deadline, "公示不少于30日");
        assert_string_equal(item->subject, "自然资源局");
        assert_string_equal(item->audience, "全社会");
        assert_string_equal(item->method, "主动");
        assert_string_equal(item->level, "县级");
        assert_true(item->carriers == set_of("政府网站", "两微一端"));
        assert_string_equal(item->carriers_text, "■政府网站 □政府公报 ■两微一端 □广播电视");
        assert_string_equal(item->stages, "decision result");
        assert_string_equal(item->kind, "consultation");
        assert_string_equal(json_string_value(json_object_get(item->extra, "备注")), "试点");
        assert_string_equal(json_string_value(json_object_get(item->extra, "序号")), "1");
        assert_int_equal(json_object_size(item->extra), 2);
        assert_int_equal(item->line, 2);
        catalogue_free(catalogue);
}

/* Traps of counties' own catalogues: merged cells, 同上, two rules in one cell, blanks inside words,
 * serial numbers with holes. */
static void a_sheet_as_counties_keep_them(void **state) {
        static const char text[] =
                "序号,事项编码,公开事项/一级事项,公开事项/二级事项,公开内容 （要素）,公开依据,公开时限,公开主体,"
                "公开渠道及载体,全社会,特定群体（请写明）,主动,依申请,县级,乡级\n"
                "1,AQSC-01,安全生产,行政 许可,\"依 据、\n条件\",\"国务院 令第711号\n安全生产法\","
                "\"信息形成20个工作日内；其中行政许可\n自作出决定之日起7个工作日内\",\"应急局\n"
                "相关审批部门\",■政府网站 ■政务 服务中心,√,,√,,√,√\n"
                "22,AQSC-02,,行政处罚,决定书,同上,20工作日,同上,同上,,项目单位,□,√,√,□\n"
                ",,,,,,,,,,,,,,\n"
                "23,AQSC-03,政务公开,值班电话,电话,〃,同上,〃,\"社区/企事业单位/存公示栏（电子屏）\","
                "√,,√,,√,\n";
        struct problems problems = { 0 };
        struct catalogue *catalogue = load_text(text, &problems);
        const struct item *item;

        assert_int_equal(problems.n, 0);
        assert_int_equal(catalogue->n, 3);
        item = catalogue_find(catalogue, "AQSC-01", "");
        assert_string_equal(item->level2, "行政许可");
        assert_string_equal(item->content, "依据、\n条件");
        assert_string_equal(item->basis, "国务院令第711号\n安全生产法");
        assert_string_equal(item->deadline,
                            "信息形成20个工作日内；其中行政许可自作出决定之日起7个工作日内");
        assert_string_equal(item->subject, "应急局相关审批部门");
        assert_true(item->carriers == set_of("政府网站", "政务服务中心"));
        assert_string_equal(item->audience, "全社会");
        assert_string_equal(item->method, "主动");
        assert_string_equal(item->level, "县级、乡级");
        item = catalogue_find(catalogue, "AQSC-02", "");
        assert_string_equal(item->level1, "安全生产");
        assert_string_equal(item->basis, "国务院令第711号\n安全生产法");
        assert_string_equal(item->deadline, "20工作日");
        assert_true(item->carriers == set_of("政府网站", "政务服务中心"));
        assert_string_equal(item->audience, "特定群体：项目单位");
        assert_string_equal(item->method, "依申请");
        assert_string_equal(item->level, "县级");
        item = catalogue_find(catalogue, "AQSC-03", "");
        assert_string_equal(item->level1, "政务公开");
        assert_string_equal(item->deadline, "20工作日"); /* 同上 means the row above, as read */
        assert_string_equal(item->subject, "应急局相关审批部门");
        assert_true(item->carriers == set_of("社区/企事业单位/村公示栏（电子屏）", NULL));
        catalogue_free(catalogue);
}

static void the_printed_form_with_a_title_and_two_header_rows(void **state) {
        static const char text[] =
                "腾冲市安全生产领域基层政务公开标准目录,,,,,,,,,,\n"
                "code,公开事项,,公开内容（要素）,公开依据,公开时限,公开主体,公开渠道和载体,公开对象,,备注\n"
                ",一级事项,二级事项,,,,,,全社会,特定群体,\n"
                "A-1,许可,指南,条件,条例,20个工作日,应急局,政府网站,√,,x\n";
        struct problems problems = { 0 };
        struct catalogue *catalogue = load_text(text, &problems);
        const struct item *item = catalogue_find(catalogue, "A-1", "");

        assert_int_equal(problems.n, 0);
        assert_string_equal(item->level1, "许可");
        assert_string_equal(item->level2, "指南");
        assert_string_equal(item->audience, "全社会");
        assert_string_equal(json_string_value(json_object_get(item->extra, "备注")), "x");
        assert_int_equal(item->line, 4);
        catalogue_free(catalogue);
}

#define GOOD "A-1,规划,编制,草案,草案文本,城乡规划法,30日,规划局,政府网站\n"

static void every_wrong_row_is_named_and_the_others_stand(void **state) {
        static const struct {
                const char *story, *text;
                size_t n_items;
                unsigned line;
                const char *says;
        } rows[] = {
                { "no content", HEADER GOOD "A-2,,,b,,法,30日,局,政府网站\n", 1, 3,
                  "公开内容（要素）" },
                { "no basis", HEADER "A-2,,a,b,c,,30日,局,政府网站\n" GOOD, 1, 2, "公开依据" },
                { "no deadline", HEADER GOOD "A-2,,a,b,c,法,,局,政府网站\n", 1, 3, "公开时限" },
                { "no subject", HEADER GOOD "A-2,,a,b,c,法,30日,　,政府网站\n", 1, 3, "公开主体" },
                { "no carrier", HEADER GOOD "A-2,,a,b,c,法,30日,局,\n", 1, 3, "公开渠道和载体" },
                { "no name", HEADER GOOD "A-2,,,,c,法,30日,局,政府网站\n", 1, 3, "二级事项" },
                { "no code", HEADER GOOD ",,a,b,c,法,30日,局,政府网站\n", 1, 3, "code" },
                { "several things at once", HEADER GOOD "A-2,,a,b,,法,,局,政府网站\n", 1, 3,
                  "公开内容（要素）、公开时限" },
                { "a row that ends early", HEADER GOOD "A-2,,a,b\n", 1, 3, "公开依据" },
                { "a comma without quotes", HEADER GOOD "A-2,,a,b,c,d,法,30日,局,政府网站\n", 1, 3,
                  "多出" },
                { "a code with a blank", HEADER GOOD "A 2,,a,b,c,法,30日,局,政府网站\n", 1, 3,
                  "“A 2”" },
                { "a code with a star", HEADER GOOD "A-*,,a,b,c,法,30日,局,政府网站\n", 1, 3, "*" },
                { "a code twice", HEADER GOOD "A-1,,a,b,c,法,30日,局,政府网站\n", 1, 3,
                  "a.csv 第 2 行已经用过" },
                { "nothing ticked", HEADER GOOD "A-2,,a,b,c,法,30日,局,□政府网站 □政府公报\n", 2, 3,
                  "没有一个" },
                { "carriers that nobody knows", HEADER GOOD "A-2,,a,b,c,法,30日,局,飞鸽\n", 2, 3,
                  "飞鸽" },
                { "as above, at the top", HEADER "A-1,规划,编制,草案,草案文本,同上,30日,规划局,政府网站\n"
                  GOOD, 1, 2, "“公开依据”写的是“同上”" },
                { "text behind a quote", HEADER GOOD "A-2,\"a\"b,c\n", 1, 3, "引号" },
                { "a quote that never ends", HEADER GOOD "A-2,\"a,b,c\n" , 1, 3, "没有合上" },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct catalogue *catalogue;
                char path[96];

                print_message("%s\n", rows[i].story);
                catalogue = load_text(rows[i].text, &problems);
                assert_true(problems.n >= 1);
                (void) snprintf(path, sizeof(path), "%s/a.csv", folder);
                assert_string_equal(problems.list[0].file, path);
                assert_int_equal(problems.list[0].line, rows[i].line);
                assert_non_null(strstr(problems.list[0].text, rows[i].says));
                assert_int_equal(catalogue->n, rows[i].n_items);
                assert_non_null(catalogue_find(catalogue, "A-1", "530581"));
                catalogue_free(catalogue);
                problems_done(&problems);
        }
}

static void a_file_that_is_no_catalogue_is_left_out(void **state) {
        static const struct {
                const char *story, *text;
                unsigned line;
                const char *says;
        } rows[] = {
                { "columns that are missing", "code,一级事项,公开内容,公开主体\nA-1,a,b,c\n", 1,
                  "公开依据、公开时限、公开渠道和载体" },
                { "no name column", "code,公开内容,公开依据,公开时限,公开主体,公开渠道和载体\n", 1,
                  "二级事项" },
                { "no header", "A-1,规划,编制\nA-2,规划,批准\n", 1, "没有找到表头" },
                { "an empty file", "", 1, "没有找到表头" },
                { "Chinese commas", "code，一级事项，二级事项\n", 1, "全角的“，”" },
                { "GBK", "code,\xd2\xbb\xbc\xb6\xca\xc2\xcf\xee\n", 1, "请另存为 UTF-8" },
                { "half a character", "code,一级事项\n\xe4\xb8\n", 2, "不是 UTF-8" },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct catalogue *catalogue;

                print_message("%s\n", rows[i].story);
                catalogue = load_text(rows[i].text, &problems);
                assert_int_equal(problems.n, 1);
                assert_int_equal(problems.list[0].line, rows[i].line);
                assert_non_null(strstr(problems.list[0].text, rows[i].says));
                assert_int_equal(catalogue->n, 0);
                catalogue_free(catalogue);
                problems_done(&problems);
        }
}

static void a_doubled_column_counts_once(void **state) {
        static const char text[] =
                "code,二级事项,公开内容,公开依据,公开时限,公开主体,公开渠道和载体,公开主体\n"
                "A-1,b,c,法,30日,规划局,政府网站,公安局\n";
        struct problems problems = { 0 };
        struct catalogue *catalogue = load_text(text, &problems);

        assert_int_equal(problems.n, 1);
        assert_non_null(strstr(problems.list[0].text, "“公开主体”出现了两次"));
        assert_string_equal(catalogue_find(catalogue, "A-1", "")->subject, "规划局");
        catalogue_free(catalogue);
        problems_done(&problems);
}

static void kinds_and_stages_are_checked_but_the_row_stands(void **state) {
        static const char text[] =
                "code,二级事项,公开内容,公开依据,公开时限,公开主体,公开渠道和载体,五公开,类型\n"
                "A-1,b,c,法,30日,局,政府网站,公开,notices\n"
                "A-2,b,c,法,30日,局,政府网站,■决策 □执行 □管理 √服务 □结果,policy\n"
                "A-3,b,c,法,30日,局,政府网站,result management,\n";
        struct problems problems = { 0 };
        struct catalogue *catalogue = load_text(text, &problems);

        assert_int_equal(problems.n, 2);
        assert_non_null(strstr(problems.list[0].text, "notice policy interpretation"));
        assert_non_null(strstr(problems.list[1].text, "决策、执行、管理、服务、结果"));
        assert_string_equal(catalogue_find(catalogue, "A-1", "")->kind, "");
        assert_string_equal(catalogue_find(catalogue, "A-1", "")->stages, "");
        assert_string_equal(catalogue_find(catalogue, "A-2", "")->stages, "decision service");
        assert_string_equal(catalogue_find(catalogue, "A-2", "")->kind, "policy");
        assert_string_equal(catalogue_find(catalogue, "A-3", "")->stages, "management result");
        catalogue_free(catalogue);
        problems_done(&problems);
}

static void a_regions_own_row_wins(void **state) {
        static const char common[] = HEADER GOOD "A-2,,a,b,c,法,30日,局,政府网站\n";
        static const char own[] = HEADER "A-1,规划,编制,草案,文本,法,30日,腾冲市规划局,政府网站\n";
        struct problems problems = { 0 };
        struct catalogue *catalogue;

        put("common.csv", common, strlen(common));
        put("530581-own.CSV", own, strlen(own));
        put("5305810.csv", HEADER "B-1,,a,b,c,法,30日,局,政府网站\n",
            strlen(HEADER "B-1,,a,b,c,法,30日,局,政府网站\n"));
        put("notes.txt", "x", 1);
        catalogue = load(&problems);
        assert_int_equal(problems.n, 0);
        assert_int_equal(catalogue->n, 4);
        assert_string_equal(catalogue_find(catalogue, "A-1", "530581")->subject, "腾冲市规划局");
        assert_string_equal(catalogue_find(catalogue, "A-1", "530626")->subject, "规划局");
        assert_string_equal(catalogue_find(catalogue, "A-2", "530581")->subject, "局");
        assert_non_null(catalogue_find(catalogue, "B-1", "530626")); /* seven digits: no region */
        assert_null(catalogue_find(catalogue, "A-3", "530581"));
        assert_null(catalogue_find(catalogue, "", ""));
        catalogue_free(catalogue);
}

static void a_wrong_code_has_neighbours(void **state) {
        static const char text[] =
                HEADER "CXGH-01,,a,b,c,法,30日,局,政府网站\nCXGH-02,,a,b,c,法,30日,局,政府网站\n"
                       "CXGH-11,,a,b,c,法,30日,局,政府网站\n城规-1,,a,b,c,法,30日,局,政府网站\n";
        static const char own[] = HEADER "CXGH-03,,a,b,c,法,30日,局,政府网站\n";
        static const struct {
                const char *code, *region, *near;
        } rows[] = {
                { "CXGH-1", "530581", "CXGH-01、CXGH-11、CXGH-02" },
                { "CXHG-02", "530581", "CXGH-02、CXGH-01、CXGH-11" },
                { "CXGH-03x", "530626", "CXGH-03、CXGH-01、CXGH-02" },
                { "城乡-1", "530581", "城规-1、CXGH-01、CXGH-11" },
                { "", "530581", "" },
                { "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "530581", "" },
        };
        struct problems problems = { 0 };
        struct catalogue *catalogue;

        put("530626.csv", own, strlen(own));
        catalogue = load_text(text, &problems);
        assert_int_equal(problems.n, 0);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char *near = catalogue_near(catalogue, rows[i].code, rows[i].region);

                print_message("%s -> %s\n", rows[i].code, near);
                assert_string_equal(near, rows[i].near);
                free(near);
        }
        catalogue_free(catalogue);
}

static void an_empty_folder_is_an_empty_catalogue(void **state) {
        struct problems problems = { 0 };
        struct catalogue *catalogue = load(&problems);
        char *near = catalogue_near(catalogue, "A-1", "530581");

        assert_int_equal(catalogue->n, 0);
        assert_int_equal(problems.n, 0);
        assert_null(catalogue_find(catalogue, "A-1", "530581"));
        assert_string_equal(near, "");
        free(near);
        catalogue_free(catalogue);
        catalogue = NULL;
        assert_int_equal(catalogue_load("/nonexistent", &problems, &catalogue), -ENOENT);
        assert_null(catalogue);
        assert_int_equal(problems.n, 1);
        problems_done(&problems);
}

static void the_check_list_is_read_in_every_hand(void **state) {
        static const struct {
                const char *story, *cell, *first, *second;
        } rows[] = {
                { "as printed", "■政府网站 □政府公报 ■两微一端 □其他", "政府网站", "两微一端" },
                { "one a line", "□政府网站\n■政府公报\n□两微一端\n■入户/现场", "政府公报", "入户/现场" },
                { "other ticks", "☑政府网站☐政府公报✓广播电视", "政府网站", "广播电视" },
                { "signs of a lost font", "R政府网站 £政府公报 R精准推送", "政府网站", "精准推送" },
                { "a character for a box", "√政府网站 口政府公报\n口其他", "政府网站", NULL },
                { "a blank behind the sign and inside the word", "■ 政府 网站　□ 其他", "政府网站",
                  NULL },
                { "the long one",
                  "■社区/企事业单位/村公示栏（电子屏）", "社区/企事业单位/村公示栏（电子屏）", NULL },
                { "the same with ASCII brackets",
                  "■社区/企事业单位/村公示栏(电子屏)", "社区/企事业单位/村公示栏（电子屏）", NULL },
                { "what was filled in behind other", "■政府网站 ■其他：公共资源交易平台", "政府网站",
                  NULL },
                { "names, by day comma", "政府网站、政务微信", "政府网站", "政务微信" },
                { "names, by blank", "政府网站 广播", "政府网站", "广播" },
                { "names, by line", "政府门户网站\n村公示栏", "政府网站", "公示栏" },
                { "a name with a slash", "发布会/听证会；图书馆", "发布会/听证会", "图书馆" },
                { "a name with a day comma", "发布会、听证会", "发布会/听证会", NULL },
                { "names parted by a slash", "微信/微博", "政务微信", "政务微博" },
                { "an old name", "行政服务中心，纸质载体", "政务服务中心", "纸质媒体" },
                { "the pilot's hotline in its quotes", "“96128”政务服务专线", "96128", NULL },
                { "two centres", "县级便民（为民）服务中心、乡级便民（为民）服务中心", "县级便民服务中心",
                  "乡级便民服务中心" },
                { "known ones stand beside unknown ones", "飞鸽、档案馆", "档案馆", NULL },
                { "a word that has a box in it", "窗口 政府公报", "政府公报", NULL },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                uint64_t set, wanted = set_of(rows[i].first, rows[i].second);

                print_message("%s\n", rows[i].story);
                assert_int_equal(cell_carriers(rows[i].cell, &set), 0);
                if (strstr(rows[i].cell, "其他：")) /* the box, or what it was filled with */
                        wanted |= set_of("其他", "公共资源交易平台");
                assert_true(set == wanted);
        }
}

static void the_carriers_are_the_thirteen_boxes_and_more(void **state) {
        static const char *const boxes[] = {
                "政府网站", "政府公报", "两微一端", "发布会/听证会", "广播电视", "纸质媒体", "公开查阅点",
                "政务服务中心", "便民服务站", "入户/现场", "社区/企事业单位/村公示栏（电子屏）", "精准推送",
                "其他",
        };

        assert_in_range(n_carriers, 13, 64);
        for (size_t i = 0; i < ELEMENTS(boxes); i++) {
                assert_string_equal(carriers[i].name, boxes[i]);
                assert_null(carriers[i].kin);
        }
        for (size_t i = 0; i < n_carriers; i++) {
                assert_int_equal(carrier_find(carriers[i].name), i);
                assert_true(!carriers[i].kin || carrier_find(carriers[i].kin) < 13);
                for (size_t j = 0; carriers[i].aliases[j]; j++) {
                        assert_true(j < ELEMENTS(carriers[i].aliases) - 1);
                        assert_int_equal(carrier_find(carriers[i].aliases[j]), i);
                }
        }
        assert_int_equal(carrier_find(""), -1);
        assert_int_equal(carrier_find(" 　"), -1);
        assert_int_equal(carrier_find("政府"), -1);
        assert_int_equal(carrier_find("app"), carrier_find("政务客户端"));
}

static void stages_are_those_of_events(void **state) {
        char *stages = cell_stages("决策、执行、管理、服务、结果"), *at = stages;

        for (size_t i = 0; event_stages[i]; i++) {
                size_t n = strlen(event_stages[i]);

                assert_memory_equal(at, event_stages[i], n);
                at += n + (at[n] == ' ');
        }
        assert_string_equal(at, "");
        free(stages);
}

/* Run from the root of the tree, as tests/run does. */
static void the_shipped_catalogue_is_whole(void **state) {
        struct problems problems = { 0 };
        struct catalogue *catalogue = NULL;

        if (access("conf/catalogue/pilot.csv", R_OK) < 0)
                skip();
        assert_int_equal(catalogue_load("conf/catalogue", &problems, &catalogue), 0);
        problems_print(&problems, stdout);
        assert_int_equal(problems.n, 0);
        assert_int_equal(catalogue->n, 69);
        for (size_t i = 0; i < catalogue->n; i++) {
                const struct item *item = catalogue->items + i;

                assert_true(item->domain[0] && item->level1[0] && item->level2[0]);
                assert_true(item->audience[0] && item->method[0] && item->level[0]);
                assert_true(item->carriers && item->stages[0] && item->kind[0]);
        }
        catalogue_free(catalogue);
}

static uint32_t draw(uint32_t *seed) {
        *seed = *seed * 1664525u + 1013904223u;
        return *seed >> 8;
}

static void no_mutation_of_a_sheet_is_too_much(void **state) {
        static const char good[] = "序号,code,领域,一级事项,二级事项,公开内容,公开依据,公开时限,公开主体,"
                                   "公开渠道和载体,全社会,特定群体,五公开,类型\n"
                                   "1,A-1,规划,编制,草案,\"a\nb\",法,30日,局,\"■政府网站 □其他\",√,,决策,notice\n"
                                   "2,A-2,,同上,批准,c,同上,同上,同上,同上,,企业,结果,policy\n";
        static const char *const signs[] = { "\"", ",", "\n", "\r", "同上", "■", "□", "\xe5", "，",
                                             "一级事项", "code", "" };
        uint32_t seed = 530626;

        for (int round = 0; round < 500; round++) {
                struct buf text = { 0 };
                struct problems problems = { 0 };
                struct catalogue *catalogue = NULL;

                for (size_t i = 0; i < sizeof(good) - 1; i++) {
                        if (draw(&seed) % 100 == 0)
                                buf_str(&text, signs[draw(&seed) % ELEMENTS(signs)]);
                        if (draw(&seed) % 200 == 0)
                                buf_char(&text, (char) (1 + draw(&seed) % 255));
                        else
                                buf_char(&text, good[i]);
                }
                put("m.csv", text.data, text.len);
                assert_int_equal(catalogue_load(folder, &problems, &catalogue), 0);
                assert_in_range(catalogue->n, 0, 20);
                catalogue_free(catalogue);
                problems_done(&problems);
                buf_done(&text);
        }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
        const struct CMUnitTest tests[] = {
                IN_FOLDER(a_whole_row_is_read),
                IN_FOLDER(a_sheet_as_counties_keep_them),
                IN_FOLDER(the_printed_form_with_a_title_and_two_header_rows),
                IN_FOLDER(every_wrong_row_is_named_and_the_others_stand),
                IN_FOLDER(a_file_that_is_no_catalogue_is_left_out),
                IN_FOLDER(a_doubled_column_counts_once),
                IN_FOLDER(kinds_and_stages_are_checked_but_the_row_stands),
                IN_FOLDER(a_regions_own_row_wins),
                IN_FOLDER(a_wrong_code_has_neighbours),
                IN_FOLDER(an_empty_folder_is_an_empty_catalogue),
                cmocka_unit_test(the_check_list_is_read_in_every_hand),
                cmocka_unit_test(the_carriers_are_the_thirteen_boxes_and_more),
                cmocka_unit_test(stages_are_those_of_events),
                cmocka_unit_test(the_shipped_catalogue_is_whole),
                IN_FOLDER(no_mutation_of_a_sheet_is_too_much),
        };

        return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
