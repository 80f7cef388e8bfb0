#include <string.h>

#include "core/catalogue.h"
#include "core/memory.h"

#define VILLAGE_BOARD "社区/企事业单位/村公示栏（电子屏）"

/* The first 13 are the check list of the national 基层政务公开标准目录, in printed order. Spellings
 * are those found in counties' own catalogues, their slips included (存公示栏 for 村公示栏). 「其他」
 * is a box with a blank line to fill in: what counties wrote there has its own row, and no kin,
 * since a tick on 「其他」 alone does not mean all of them. 96128 is the exception: in the pilot it
 * is what the box stands for. */
const struct carrier carriers[] = {
        { "政府网站",
          { "政府门户网站", "门户网站", "政府信息公开网站", "县政府网站", "县人民政府网站",
            "政府网" },
          NULL },
        { "政府公报", { "公报" }, NULL },
        { "两微一端", { "政务新媒体", "新媒体", "两微" }, NULL },
        { "发布会/听证会", { "发布会听证会", "发布会、听证会", "新闻发布会", "发布会", "听证会" }, NULL },
        { "广播电视", { "广播、电视", "广播/电视" }, NULL },
        { "纸质媒体", { "纸质载体", "平面媒体" }, NULL },
        { "公开查阅点", { "查阅点", "政府信息公开查阅点", "政府信息查阅点", "公共查阅点", "公共查阅室" },
          NULL },
        { "政务服务中心", { "行政服务中心", "政务服务大厅", "政务大厅", "政务服务场所" }, NULL },
        { "便民服务站", { "便民服务点", "村级便民服务站" }, NULL },
        { "入户/现场", { "入户现场", "入户/现场宣传", "入户", "现场", "入户、现场" }, NULL },
        { VILLAGE_BOARD,
          { "社区/企事业单位/存公示栏（电子屏）", "社区/企事业单位/村公示栏",
            "社区/村公示栏（电子屏）", "社区、企事业单位、村公示栏（电子屏）",
            "公示栏（电子屏）" },
          NULL },
        { "精准推送", { "精准推送（短信）" }, NULL },
        { "其他", { "其它" }, NULL },

        /* named by the pilot plan */
        { "门户首页专题", { "政府门户网站首页专题", "试点工作专题", "首页试点工作专题" }, "政府网站" },
        { "广播", { "广播电台", "电台", "应急广播", "农村广播", "村村响" }, "广播电视" },
        { "电视", { "电视台" }, "广播电视" },
        { "报刊", { "报纸", "党报", "报刊杂志" }, "纸质媒体" },
        { "96128", { "96128政务服务专线", "96128专线", "96128热线" }, "其他" },
        { "政务微信", { "微信", "微信公众号", "政务微信公众号", "官方微信" }, "两微一端" },
        { "政务微博", { "微博", "官方微博" }, "两微一端" },
        { "政务客户端", { "客户端", "移动客户端", "手机客户端", "政务APP", "APP" }, "两微一端" },
        { "县级便民服务中心",
          { "县级便民（为民）服务中心", "县便民服务中心", "县级为民服务中心" },
          "政务服务中心" },
        { "乡级便民服务中心",
          { "乡级便民（为民）服务中心", "乡镇便民服务中心", "便民服务中心", "为民服务中心",
            "便民（为民）服务中心" },
          "便民服务站" },
        { "档案馆", { "国家档案馆", "县档案馆" }, "公开查阅点" },
        { "图书馆", { "公共图书馆", "县图书馆" }, "公开查阅点" },
        { "公示栏", { "村公示栏", "社区公示栏", "公开栏", "村务公开栏", "街道文化站公示栏", "宣传栏" },
          VILLAGE_BOARD },

        /* named by counties beside the list */
        { "电子屏", { "电子显示屏", "LED屏", "LED显示屏", "公共电子屏", "大屏" }, VILLAGE_BOARD },
        { "短信", { "手机短信" }, "精准推送" },
        { "电子邮件", { "邮件" }, "精准推送" },
        { "12345", { "12345热线", "12345政务服务热线", "12345政务服务便民热线" }, NULL },
        { "投资项目在线审批监管平台", { "投资项目平台", "投资平台" }, NULL },
        { "公共资源交易平台", { "公共资源交易网", "公共资源交易中心网站" }, NULL },
        { "招标投标公共服务平台", { "招标投标平台" }, NULL },
        { "信用中国", { "信用中国网站", "信用网站" }, NULL },
        { "国家企业信用信息公示系统", { "企业信用信息公示系统" }, NULL },
        { "办税服务厅", { "办税厅", "办税场所", "办税服务场所" }, NULL },
        { "法律服务网", { "公共法律服务网", "12348法律服务网" }, NULL },
        { "政务服务网", { "政务服务网站", "网上政务大厅" }, NULL },
        { "政府采购网", { "中国政府采购网" }, NULL },
};
const size_t n_carriers = ELEMENTS(carriers);

_Static_assert(ELEMENTS(carriers) <= 64, "a set of carriers is 64 bits");

/* Skips what spellings differ in without meaning it: blanks, line ends, quotes. */
static const char *skip(const char *at) {
        static const char *const noise[] = { " ", "\t", "\r", "\n", "\"", "　", "\xc2\xa0", "“",
                                             "”" };

        for (size_t i = 0; i < ELEMENTS(noise);) {
                size_t n = strlen(noise[i]);

                if (strncmp(at, noise[i], n) == 0) {
                        at += n;
                        i = 0;
                } else {
                        i++;
                }
        }
        return at;
}

/* One step of both names; 0 where they differ. Signs count as their ASCII form, letters as capital
 * ones. */
static int sign_at(const char **at) {
        static const struct {
                const char *wide;
                char narrow;
        } signs[] = { { "（", '(' }, { "）", ')' }, { "／", '/' } };
        char c;

        *at = skip(*at);
        for (size_t i = 0; i < ELEMENTS(signs); i++) {
                size_t n = strlen(signs[i].wide);

                if (strncmp(*at, signs[i].wide, n) == 0) {
                        *at += n;
                        return signs[i].narrow;
                }
        }
        c = **at;
        if (c)
                (*at)++;
        return (unsigned char) (c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

static bool is_same(const char *a, const char *b) {
        for (;;) {
                int left = sign_at(&a), right = sign_at(&b);

                if (left != right)
                        return false;
                if (!left)
                        return true;
        }
}

int carrier_find(const char *name) {
        for (size_t i = 0; i < n_carriers; i++) /* as printed: nearly always */
                if (strcmp(name, carriers[i].name) == 0)
                        return (int) i;
        if (!*skip(name))
                return -1;
        for (size_t i = 0; i < n_carriers; i++) {
                if (is_same(name, carriers[i].name))
                        return (int) i;
                for (size_t j = 0; carriers[i].aliases[j]; j++)
                        if (is_same(name, carriers[i].aliases[j]))
                                return (int) i;
        }
        return -1;
}

/* Index of a carrier's box, -1 for none; looked up once, since every event asks. */
static int kin_of(size_t carrier) {
        static signed char kin[ELEMENTS(carriers)];
        static bool is_filled;

        if (!is_filled) {
                for (size_t i = 0; i < n_carriers; i++)
                        kin[i] = carriers[i].kin ? (signed char) carrier_find(carriers[i].kin) : -1;
                is_filled = true;
        }
        return kin[carrier];
}

uint64_t carriers_served(uint64_t demanded) {
        uint64_t served = demanded;

        for (size_t i = 0; i < n_carriers; i++) {
                int kin = kin_of(i);

                if (kin < 0)
                        continue;
                if (demanded & UINT64_C(1) << kin)
                        served |= UINT64_C(1) << i;
                if (demanded & UINT64_C(1) << i)
                        served |= UINT64_C(1) << kin;
        }
        return served;
}
