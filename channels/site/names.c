#include "channels/site/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "core/template.h"

bool region_is_plain(const char *region) {
        size_t n = region ? strspn(region, "0123456789") : 0;

        return n >= 2 && n <= 12 && region[n] == '\0';
}

/* A title may change, a region and a document never do, so their digest is the one lasting
 * address; and no character of what a stranger wrote becomes part of a path. */
void place_of(const char *region, const char *document, struct place *ret) {
        char digest[DIGEST_TEXT];
        char text[1024]; /* a document's name has 128 characters at most */

        (void) snprintf(text, sizeof(text), "%s/%s", region, document);
        digest_bytes(text, strlen(text), digest);

        (void) snprintf(ret->name, sizeof(ret->name), "%.20s", digest);
        (void) snprintf(ret->folder, sizeof(ret->folder), "%.12s/%.2s/%s", region, digest,
                        ret->name);
        (void) snprintf(ret->page, sizeof(ret->page), "%s.html", ret->folder);
}

/* The nine of the Yunnan pilot (云政办发〔2017〕90号), then those of the 26 national ones that
 * are called otherwise (国办发〔2019〕54号). */
static const struct {
        const char *name, *slug;
} domains[] = {
        { "城乡规划", "cxgh" },
        { "重大项目建设", "zdxm" },
        { "公共文化服务", "ggwh" },
        { "税收管理", "ssgl" },
        { "环境保护", "hjbh" },
        { "食品药品监管", "spyp" },
        { "财政预决算", "czys" },
        { "公共法律服务", "ggfl" },
        { "安全生产", "aqsc" },
        { "政务公开", "zwgk" },
        { "重大建设项目", "zdjsxm" },
        { "公共资源交易", "ggzyjy" },
        { "征地补偿", "zdbc" },
        { "国有土地上房屋征收与补偿", "fwzs" },
        { "保障性住房", "bzxzf" },
        { "农村危房改造", "ncwfgz" },
        { "生态环境", "sthj" },
        { "扶贫", "fupin" },
        { "救灾", "jiuzai" },
        { "城市综合执法", "cszhzf" },
        { "就业", "jiuye" },
        { "社会保险", "shbx" },
        { "社会救助", "shjz" },
        { "养老服务", "ylfw" },
        { "户籍管理", "hjgl" },
        { "涉农补贴", "snbt" },
        { "义务教育", "ywjy" },
        { "医疗卫生", "ylws" },
        { "市政服务", "szfw" },
};

size_t domain_order(const char *domain) {
        size_t i = 0;

        while (i < ELEMENTS(domains) && strcmp(domains[i].name, domain) != 0)
                i++;
        return i;
}

void domain_slug(const char *domain, char ret[static SLUG_TEXT]) {
        size_t i = domain_order(domain);
        char digest[DIGEST_TEXT];

        if (i < ELEMENTS(domains)) {
                (void) snprintf(ret, SLUG_TEXT, "%s", domains[i].slug);
                return;
        }
        digest_bytes(domain, strlen(domain), digest);
        (void) snprintf(ret, SLUG_TEXT, "d-%.12s", digest);
}

const char *const stage_names[] = { "decision", "execution", "management", "service", "result",
                                    NULL };

const char *stage_label(const char *stage) {
        static const char *const labels[] = { "决策公开", "执行公开", "管理公开", "服务公开",
                                              "结果公开" };

        for (size_t i = 0; stage_names[i]; i++)
                if (stage && strcmp(stage_names[i], stage) == 0)
                        return labels[i];
        return NULL;
}

/* One code point of valid UTF-8 (all of ours comes from the JSON reader, which checks it). */
static size_t code_point(const char *text, uint32_t *ret) {
        const unsigned char *at = (const unsigned char *) text;
        size_t n = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
        uint32_t c = n == 1 ? at[0] : at[0] & (0xFFU >> (n + 1));

        for (size_t i = 1; i < n; i++) {
                if ((at[i] & 0xC0) != 0x80) {
                        *ret = 0xFFFD;
                        return i;
                }
                c = c << 6 | (at[i] & 0x3F);
        }
        *ret = c;
        return n;
}

static bool is_space(uint32_t c) {
        return c <= 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0x2028 || c == 0x2029;
}

/* Characters that turn or hide what stands beside them, and those that XML forbids. */
static bool is_mischief(uint32_t c) {
        return c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
               (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
               (c >= 0xFFF9 && c <= 0xFFFB) || (c & 0xFFFE) == 0xFFFE ||
               (c >= 0xE0000 && c <= 0xE007F);
}

/* Emoji and their signs, and scripts from Arabic to Mongolian, whose letters join. */
static bool is_joined(uint32_t c) {
        return (c >= 0x600 && c <= 0x1CFF) || (c >= 0x2190 && c <= 0x2BFF) || c == 0xFE0F ||
               (c >= 0x1F000 && c <= 0x1FAFF);
}

/* A joiner, or its opposite, between two of them: without it a family falls apart, and words of some
 * scripts are spelled wrongly. Between others it only hides a word. */
static bool is_needed_joiner(uint32_t c, uint32_t before, const char *after) {
        uint32_t next = 0;

        if (c != 0x200C && c != 0x200D)
                return false;
        (void) code_point(after, &next);
        return is_joined(before) && is_joined(next);
}

/* ASCII, and E3 to EC and EE, which begin three-byte characters with no space and no mischief among
 * them. */
size_t plain_run(const char *text) {
        const unsigned char *at = (const unsigned char *) text, *from = at;

        for (;;) {
                if (at[0] > 0x20 && at[0] < 0x7F)
                        at++;
                else if (at[0] >= 0xE3 && at[0] <= 0xEE && at[0] != 0xED &&
                         (at[1] & 0xC0) == 0x80 && (at[2] & 0xC0) == 0x80)
                        at += 3;
                else
                        return (size_t) (at - from);
        }
}

char *one_line(const char *text) {
        struct buf line = { 0 };
        bool space = false;
        uint32_t c, before = 0;

        for (size_t n; *text; text += n) {
                size_t run = plain_run(text);

                n = run > 0 ? run : code_point(text, &c);
                if (run == 0 && is_mischief(c) && !is_needed_joiner(c, before, text + n))
                        continue;
                before = run > 0 ? 0 : c; /* nothing in a run joins */
                if (run == 0 && is_space(c)) {
                        space = line.len > 0;
                        continue;
                }
                if (space)
                        buf_char(&line, ' ');
                space = false;
                if (run == 0 && c == 0xFFFD)
                        buf_str(&line, "\xEF\xBF\xBD");
                else
                        buf_add(&line, text, n);
        }
        return buf_take(&line);
}

/* Kinds of file that a web server may hand out under their own name. Whatever is missing here gets
 * ".bin": a page or a picture with a script inside must not run in the portal's name. */
static const struct {
        const char *extension, *label;
} file_kinds[] = {
        { "pdf", "PDF 文档" },     { "ofd", "OFD 版式文档" }, { "ceb", "CEB 版式文档" },
        { "doc", "Word 文档" },    { "docx", "Word 文档" },   { "wps", "WPS 文档" },
        { "xls", "Excel 表格" },   { "xlsx", "Excel 表格" },  { "et", "WPS 表格" },
        { "ppt", "演示文稿" },     { "pptx", "演示文稿" },    { "dps", "WPS 演示" },
        { "csv", "CSV 数据表" },   { "txt", "文本文件" },     { "rtf", "RTF 文档" },
        { "zip", "ZIP 压缩包" },   { "rar", "RAR 压缩包" },   { "7z", "7z 压缩包" },
        { "jpg", "JPEG 图片" },    { "jpeg", "JPEG 图片" },   { "png", "PNG 图片" },
        { "gif", "GIF 图片" },     { "webp", "WebP 图片" },   { "bmp", "BMP 图片" },
        { "tif", "TIFF 图片" },    { "tiff", "TIFF 图片" },   { "mp3", "MP3 音频" },
        { "wav", "WAV 音频" },     { "m4a", "音频" },         { "mp4", "MP4 视频" },
        { "dwg", "DWG 图纸" },
};

static const char *label_of_extension(const char *name) {
        const char *dot = strrchr(name, '.');

        for (size_t i = 0; dot && i < ELEMENTS(file_kinds); i++)
                if (strcasecmp(dot + 1, file_kinds[i].extension) == 0)
                        return file_kinds[i].label;
        return NULL;
}

const char *file_kind(const char *name, const char *media_type) {
        static const struct {
                const char *media_type, *label;
        } types[] = {
                { "application/pdf", "PDF 文档" }, { "image/", "图片" },  { "audio/", "音频" },
                { "video/", "视频" },              { "text/", "文本文件" },
        };
        const char *label = label_of_extension(name);

        for (size_t i = 0; !label && media_type && i < ELEMENTS(types); i++)
                if (strncasecmp(media_type, types[i].media_type, strlen(types[i].media_type)) == 0)
                        label = types[i].label;
        return label;
}

char *file_name_safe(const char *name, const char *sha256) {
        char *line freed_by(freep) = one_line(name);
        struct buf safe = { 0 };
        const char *at;
        size_t head;
        uint32_t c;

        if (!line)
                return NULL;
        at = line;
        for (const char *next = line; *next; next++)
                if (*next == '/' || *next == '\\')
                        at = next + 1;
        at += strspn(at, ". ");

        buf_fmt(&safe, "%.8s-", sha256);
        head = safe.len;
        for (size_t n; *at && safe.len - head < 120; at += n) {
                n = code_point(at, &c);
                if (c == ' ')
                        buf_char(&safe, '-');
                else if (c >= 0x80 || !strchr("\"'`*:<>?|#%&+;=!$^~{}[]@,", (int) c))
                        buf_add(&safe, at, n);
        }
        if (safe.len == head)
                buf_str(&safe, "attachment");
        if (*at && label_of_extension(at)) /* cut in the middle: the kind of file goes along */
                buf_str(&safe, strrchr(at, '.'));
        if (!label_of_extension(buf_text(&safe)))
                buf_str(&safe, ".bin");
        return buf_take(&safe);
}

char *size_text(uint64_t n_bytes) {
        struct buf text = { 0 };

        if (n_bytes < 1024)
                buf_fmt(&text, "%u 字节", (unsigned) n_bytes);
        else if (n_bytes < UINT64_C(1024) * 1024)
                buf_fmt(&text, "%.0f KB", (double) n_bytes / 1024);
        else
                buf_fmt(&text, "%.1f MB", (double) n_bytes / (1024 * 1024));
        return buf_take(&text);
}

static const char *after_scheme(const char *url) {
        if (strncasecmp(url, "https://", 8) == 0)
                return url + 8;
        return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

bool url_is_web(const char *url) {
        const char *rest = url ? after_scheme(url) : NULL;

        if (!rest || strlen(url) > 2048 || strchr("/?#:@", *rest))
                return false;
        for (; *rest; rest++)
                if ((unsigned char) *rest <= 0x20 || *rest == 0x7F || strchr("\"'<>\\`{}|^", *rest))
                        return false;
        return true;
}

bool url_is_address(const char *url) {
        return url_is_web(url) && !strpbrk(url, "?#@") && url[strlen(url) - 1] != '/';
}

char *host_of(const char *address) {
        const char *host = after_scheme(address);

        return host ? strndup(host, strcspn(host, ":/")) : strdup("");
}

const char *path_of(const char *address) {
        const char *host = after_scheme(address);
        const char *path = host ? strchr(host, '/') : NULL;

        return path ? path : "";
}

char *href_of(const char *folder, const char *file) {
        struct buf href = { 0 };

        buf_fmt(&href, "%s/", folder);
        escape_add(&href, ESCAPE_URI, file, strlen(file));
        return buf_take(&href);
}
