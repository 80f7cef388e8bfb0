#include "core/content_test.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define KIB ((size_t) 1 << 10)
#define MIB ((size_t) 1 << 20)

static struct content render(enum content_format format, const char *source) {
        struct content content = { 0 };

        assert_int_equal(
                content_render(format, source, strlen(source), same_address, NULL, &content), 0);
        return content;
}

struct format_row {
        const char *story, *source, *html, *text;
};

static void assert_format_rows(enum content_format format, const struct format_row *rows,
                               size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct content content freed_by(content_done) = render(format, rows[i].source);

                print_message("%s\n", rows[i].story);
                assert_string_equal(content.html, rows[i].html);
                if (rows[i].text)
                        assert_string_equal(content.text, rows[i].text);
                assert_clean(&content);
        }
}

static void formats_have_names(void **state) {
        enum content_format format = CONTENT_HTML;

        (void) state;
        assert_int_equal(content_format_parse("text", &format), 0);
        assert_int_equal(format, CONTENT_TEXT);
        assert_int_equal(content_format_parse("markdown", &format), 0);
        assert_int_equal(format, CONTENT_MARKDOWN);
        assert_int_equal(content_format_parse("html", &format), 0);
        assert_int_equal(format, CONTENT_HTML);
        assert_int_equal(content_format_parse("HTML", &format), -EINVAL);
        assert_int_equal(content_format_parse("", &format), -EINVAL);
        assert_int_equal(format, CONTENT_HTML);
}

static void text_has_paragraphs_and_lines(void **state) {
        static const struct format_row rows[] = {
                { "nothing", "", "", "" },
                { "only blanks", " \n　\n\t", "", "" },
                { "an empty line ends a paragraph", "甲\n\n乙", "<p>甲</p>\n<p>乙</p>\n",
                  "甲\n\n乙" },
                { "so does one of blanks, and many do", "甲\n \t　\n\n\n乙\n",
                  "<p>甲</p>\n<p>乙</p>\n", "甲\n\n乙" },
                { "a line end is kept", "甲\n乙", "<p>甲<br>乙</p>\n", "甲\n乙" },
                { "line ends of Windows and of old", "甲\r\n乙\r\n\r\n丙\r丁",
                  "<p>甲<br>乙</p>\n<p>丙<br>丁</p>\n", NULL },
                { "the page indents", "　　甲\n　　乙\n丙\n\n　　丁",
                  "<p>甲</p>\n<p>乙<br>丙</p>\n<p>丁</p>\n", "甲\n\n乙\n丙\n\n丁" },
                { "blanks inside stay, at the end not", "签发：　　甲　\n", "<p>签发：　　甲</p>\n",
                  NULL },
                { "markup is text", "<b>甲</b> &amp; <script>",
                  "<p>&lt;b&gt;甲&lt;/b&gt; &amp;amp; &lt;script&gt;</p>\n",
                  "<b>甲</b> &amp; <script>" },
                { "a byte order mark and direction marks go", "\357\273\277甲\342\200\256乙",
                  "<p>甲乙</p>\n", "甲乙" },
                { "an invisible line is an empty one", "甲\n\342\200\213\n乙",
                  "<p>甲</p>\n<p>乙</p>\n", NULL },
        };

        (void) state;
        assert_format_rows(CONTENT_TEXT, rows, ELEMENTS(rows));
}

static void markdown_becomes_the_same_html(void **state) {
        static const struct format_row rows[] = {
                { "a heading and a paragraph", "# 题\n\n文 *强* **重** ~~删~~ `码`",
                  "<h2>题</h2>\n<p>文 <em>强</em> <strong>重</strong> <del>删</del> "
                  "<code>码</code></p>\n",
                  "题\n\n文 强 重 删 码" },
                { "headings skip no level", "# 一\n### 二\n#### 三",
                  "<h2>一</h2>\n<h3>二</h3>\n<h4>三</h4>\n", NULL },
                { "a soft line end between Han characters is no blank",
                  "第一行\n第二行，\n“第三行”", "<p>第一行第二行，“第三行”</p>\n",
                  "第一行第二行，“第三行”" },
                { "a soft line end between words is one", "first\nsecond 三\nthird",
                  "<p>first second 三 third</p>\n", NULL },
                { "a hard line end is kept", "甲  \n乙\\\n丙", "<p>甲<br>乙<br>丙</p>\n",
                  "甲\n乙\n丙" },
                { "a table", "| 甲 | 乙 |\n|:--|--:|\n| 1 | **2** |\n| 3 |",
                  "<table>\n<thead>\n<tr>\n<th>甲</th>\n<th>乙</th>\n</tr>\n</thead>\n<tbody>\n"
                  "<tr>\n<td>1</td>\n<td><strong>2</strong></td>\n</tr>\n"
                  "<tr>\n<td>3</td>\n<td></td>\n</tr>\n</tbody>\n</table>\n",
                  "甲\t乙\n1\t2\n3\t" },
                { "a table without rows", "| 甲 |\n|--|",
                  "<table>\n<thead>\n<tr>\n<th>甲</th>\n</tr>\n</thead>\n</table>\n", "甲" },
                { "lists", "3. 甲\n4. 乙\n   - 丙\n   - 丁\n",
                  "<ol>\n<li value=\"3\">甲</li>\n<li>乙\n<ul>\n<li>丙</li>\n<li>丁</li>\n</ul>\n"
                  "</li>\n</ol>\n",
                  "3. 甲\n4. 乙\n· 丙\n· 丁" },
                { "a loose list", "- 甲\n\n- 乙\n\n  丙\n",
                  "<ul>\n<li>甲</li>\n<li>\n<p>乙</p>\n<p>丙</p>\n</li>\n</ul>\n",
                  "· 甲\n· 乙\n丙" },
                { "a quotation", "> 甲\n乙\n\n丙",
                  "<blockquote>\n<p>甲乙</p>\n</blockquote>\n<p>丙</p>\n", "甲乙\n\n丙" },
                { "code", "```c\nif (a < b)\n\n  c();\n```",
                  "<pre><code>if (a &lt; b)\n\n  c();</code></pre>\n", "if (a < b)\n\n  c();" },
                { "a rule", "甲\n\n---\n\n乙", "<p>甲</p>\n<hr>\n<p>乙</p>\n", "甲\n\n乙" },
                { "links and attachments",
                  "[甲](http://a.cn/) [乙](attachment:附件.pdf) ![丙](attachment:a.png)",
                  "<p><a href=\"http://a.cn/\" rel=\"nofollow noopener\">甲</a> "
                  "<a href=\"attachment:附件.pdf\">乙</a> "
                  "<img src=\"attachment:a.png\" alt=\"丙\"></p>\n",
                  "甲 乙 丙" },
                { "a reference", "[甲][a]\n\n[a]: http://a.cn/",
                  "<p><a href=\"http://a.cn/\" rel=\"nofollow noopener\">甲</a></p>\n", "甲" },
                { "an address alone is text: in Chinese nothing says where it ends",
                  "详见http://a.cn/b。", "<p>详见http://a.cn/b。</p>\n", NULL },
                { "a bad link",
                  "[甲](javascript:x) [乙](<java\tscript:x>) ![丙](http://a.cn/t.gif)",
                  "<p>甲 乙 丙</p>\n", NULL },
                { "raw HTML goes through the cleaner",
                  "甲 <b onclick=x>乙</b>\n\n<script>\nx\n\n</script>\n\n丙",
                  "<p>甲 <b>乙</b></p>\n<p>丙</p>\n", NULL },
                { "a script between words", "甲<script>alert(1)</script>乙", "<p>甲乙</p>\n",
                  NULL },
                { "raw HTML that opens and does not close", "<table><tr><td>\n\n甲\n\n乙",
                  "<table>\n<tbody>\n<tr>\n<td>\n<p>甲</p>\n<p>乙</p>\n</td>\n</tr>\n</tbody>\n"
                  "</table>\n",
                  NULL },
                { "entities", "&lt;b&gt; &amp;lt; &copy;", "<p>&lt;b&gt; &amp;lt; ©</p>\n",
                  "<b> &lt; ©" },
        };

        (void) state;
        assert_format_rows(CONTENT_MARKDOWN, rows, ELEMENTS(rows));
}

static void markdown_is_not_called_cleaned_for_what_it_makes_itself(void **state) {
        struct content content freed_by(content_done) = render(
                CONTENT_MARKDOWN, "3. 甲\n\n|a|\n|:-:|\n\n```c\nx\n```\n\n[a](http://a.cn/)");

        (void) state;
        assert_false(content.cleaned);
        assert_false(content.stripped);
}

static void line_ends_join_han_and_part_words(void **state) {
        static const struct format_row rows[] = {
                { "Han and Han", "汉\n字", "<p>汉字</p>\n", NULL },
                { "with blanks around the line end", "汉 \n   字", "<p>汉字</p>\n", NULL },
                { "a blank that the author wrote", "张 三", "<p>张 三</p>\n", NULL },
                { "Han and Latin", "汉\nword\n字", "<p>汉 word 字</p>\n", NULL },
                { "Latin and Latin", "a\n\n\nb", "<p>a b</p>\n", NULL },
                { "a comma and Han", "汉，\n字。\n《书》", "<p>汉，字。《书》</p>\n", NULL },
                { "quotes go with Han", "汉\n“字”\n汉——\n字", "<p>汉“字”汉——字</p>\n", NULL },
                { "quotes go with words", "a\n“b”\n‘c’", "<p>a “b” ‘c’</p>\n", NULL },
                { "over tags", "汉<b>\n字</b>\n<i>字</i>", "<p>汉<b>字</b><i>字</i></p>\n", NULL },
                { "around an image", "汉\n<img src=attachment:a alt=>\n字",
                  "<p>汉 <img src=\"attachment:a\" alt=\"\"> 字</p>\n", NULL },
                { "full-width letters and rare characters", "Ａ\n𠮷\n〇", "<p>Ａ𠮷〇</p>\n", NULL },
                { "a digit and a unit", "2026\n年", "<p>2026 年</p>\n", NULL },
                { "not in preformatted text", "<pre>汉\n字</pre>", "<pre>汉\n字</pre>\n",
                  "汉\n字" },
        };

        (void) state;
        assert_format_rows(CONTENT_HTML, rows, ELEMENTS(rows));
}

static void plain_text_keeps_the_shape(void **state) {
        static const struct format_row rows[] = {
                { "cells by tab, rows by line, in a cell all on one line",
                  "<p>前<table><caption>题<tr><th>甲<th>乙<tr><td>1<br>2<p>3<td></table>后",
                  "<p>前</p>\n<table>\n<caption>题</caption>\n<thead>\n<tr>\n<th>甲</th>\n"
                  "<th>乙</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>\n<p>1<br>2</p>\n<p>3</p>\n"
                  "</td>\n<td></td>\n</tr>\n</tbody>\n</table>\n<p>后</p>\n",
                  "前\n\n题\n甲\t乙\n1 2 3\t\n\n后" },
                { "a tab in a cell is a blank", "<table><tr><td><pre>a\tb\nc</pre><td>d</table>",
                  "<table>\n<tbody>\n<tr>\n<td>\n<pre>a\tb\nc</pre>\n</td>\n<td>d</td>\n</tr>\n"
                  "</tbody>\n</table>\n",
                  "a b c\td" },
                { "marks and numbers", "<ol><li>甲<ul><li>乙</ul><li><p>丙<p>丁</ol>戊",
                  "<ol>\n<li>甲\n<ul>\n<li>乙</li>\n</ul>\n</li>\n<li>\n<p>丙</p>\n<p>丁</p>\n"
                  "</li>\n</ol>\n<p>戊</p>\n",
                  "1. 甲\n· 乙\n2. 丙\n丁\n\n戊" },
                { "words of an image, not of a link",
                  "<img src=attachment:a alt=图><a href=http://a.cn/>字</a>",
                  "<p><img src=\"attachment:a\" alt=\"图\"><a href=\"http://a.cn/\" "
                  "rel=\"nofollow noopener\">字</a></p>\n",
                  "图字" },
                { "no markup and no entity", "&lt;b&gt;<b>&amp;amp;</b>",
                  "<p>&lt;b&gt;<b>&amp;amp;</b></p>\n", "<b>&amp;" },
        };

        (void) state;
        assert_format_rows(CONTENT_HTML, rows, ELEMENTS(rows));
}

static void what_was_taken_out_is_told(void **state) {
        static const struct {
                const char *source;
                bool cleaned, stripped;
        } rows[] = {
                { "<div><p>甲</p><br></div><!-- 注 --><span>乙</span>", false, false },
                { "<p style=x>甲", true, false },
                { "<script></script>", true, false },
                { "<a href=/x>甲</a>", true, false },
                { "<blink>甲</blink>", true, false },
                { "甲\342\200\213乙", false, true },
                { "<p align=center>甲", false, false },
                { "<p value=1>甲", true, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct content content freed_by(content_done) =
                        render(CONTENT_HTML, rows[i].source);

                print_message("%s\n", rows[i].source);
                assert_int_equal(content.cleaned, rows[i].cleaned);
                assert_int_equal(content.stripped, rows[i].stripped);
        }
}

static const char *address_of(const char *name, void *userdata) {
        (void) name;
        return userdata;
}

static void addresses_of_attachments_come_from_us(void **state) {
        static const struct {
                const char *address, *html;
        } rows[] = {
                { "/files/a b.pdf", "<p><a href=\"/files/a%20b.pdf\">甲</a></p>\n" },
                { "../a.pdf?x=1&y", "<p><a href=\"../a.pdf?x=1&amp;y\">甲</a></p>\n" },
                { "https://a.cn/a.pdf", "<p><a href=\"https://a.cn/a.pdf\">甲</a></p>\n" },
                { "a\"onclick=\"x", "<p><a href=\"a%22onclick=%22x\">甲</a></p>\n" },
                { "javascript:x", "<p>甲</p>\n" },
                { "data:text/html,x", "<p>甲</p>\n" },
                { "", "<p>甲</p>\n" },
                { NULL, "<p>甲</p>\n" },
        };
        static const char source[] = "<a href=attachment:a.pdf>甲</a>";

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct content content freed_by(content_done) = { 0 };

                assert_int_equal(content_render(CONTENT_HTML, source, strlen(source), address_of,
                                                (void *) (uintptr_t) rows[i].address, &content),
                                 0);
                assert_string_equal(content.html, rows[i].html);
        }
        for (enum content_format format = CONTENT_TEXT; format <= CONTENT_HTML; format++) {
                struct content content freed_by(content_done) = { 0 };

                assert_int_equal(
                        content_render(format, source, strlen(source), NULL, NULL, &content), 0);
                assert_null(strstr(content.html, "href=\""));
        }
}

static void a_very_long_address_becomes_text(void **state) {
        struct buf source freed_by(buf_done) = { 0 };
        struct content content freed_by(content_done) = { 0 };

        (void) state;
        buf_str(&source, "<a href=http://a.cn/");
        for (size_t i = 0; i < 2100; i++)
                buf_char(&source, 'x');
        buf_str(&source, ">甲</a>");
        content = render(CONTENT_HTML, buf_text(&source));
        assert_string_equal(content.html, "<p>甲</p>\n");
}

/* -- size -- */

static void repeat(struct buf *buf, const char *piece, size_t n_bytes) {
        size_t end = buf->len + n_bytes;

        while (*piece && buf->len + strlen(piece) <= end)
                buf_str(buf, piece);
}

static void nesting_without_end_keeps_the_text(void **state) {
        static const struct {
                enum content_format format;
                const char *open, *close;
        } rows[] = {
                { CONTENT_HTML, "<div>", "</div>" },
                { CONTENT_HTML, "<blockquote>", "</blockquote>" },
                { CONTENT_HTML, "<ul><li>", "</ul>" },
                { CONTENT_HTML, "<table><tr><td>", "</table>" },
                { CONTENT_HTML, "<table>", "</table>" },
                { CONTENT_HTML, "<ul>", "</ul>" },
                { CONTENT_HTML, "<dl><dd>", "</dl>" },
                { CONTENT_HTML, "<b><i>", "</i></b>" },
                { CONTENT_HTML, "<a href=http://a.cn/>", "</a>" },
                { CONTENT_HTML, "<foo>", "</foo>" },
                { CONTENT_HTML, "<pre>", "</pre>" },
                { CONTENT_HTML, "<h1>", "</h1>" },
                { CONTENT_HTML, "<table><caption>", "</table>" },
                { CONTENT_MARKDOWN, "> ", "" },
                { CONTENT_MARKDOWN, "- ", "" },
                { CONTENT_MARKDOWN, "[", "](a)" },
                { CONTENT_MARKDOWN, "*", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf source freed_by(buf_done) = { 0 };
                struct content content freed_by(content_done) = { 0 };

                print_message("%s\n", rows[i].open);
                repeat(&source, rows[i].open, 100000 * strlen(rows[i].open));
                buf_str(&source, "最深处");
                repeat(&source, rows[i].close, 100000 * strlen(rows[i].close));
                buf_str(&source, "后面");
                content = render(rows[i].format, buf_text(&source));
                assert_non_null(strstr(content.text, "最深处"));
                assert_non_null(strstr(content.text, "后面"));
                assert_clean(&content);
        }
}

static void hostile_input_takes_linear_time(void **state) {
        static const struct {
                enum content_format format;
                const char *start, *first, *middle, *second;
        } rows[] = {
                { CONTENT_HTML, "", "<b>", "", "</i>" },
                { CONTENT_HTML, "", "<b><i>x</b>", "", "</i>" },
                { CONTENT_HTML, "<a", " a=b", ">", "x" },
                { CONTENT_HTML, "", "<a b='", "", "<c d=\"" },
                { CONTENT_HTML, "", "<!--", "", "<!" },
                { CONTENT_HTML, "", "</", "", "<a " },
                { CONTENT_HTML, "", "&x", "", "&lt;" },
                { CONTENT_HTML, "", "<title>", "", "<svg>" },
                { CONTENT_HTML, "", "<textarea>", "", "</textareaa>" },
                { CONTENT_HTML, "", "<ul><li>", "", "</table>" },
                { CONTENT_HTML, "<table>", "<td>", "", "<tr>" },
                { CONTENT_HTML, "x", "　", "", "&nbsp;" },
                { CONTENT_HTML, "", "a<br>", "", "<br>" },
                { CONTENT_MARKDOWN, "", ">", "a", "b\n" },
                { CONTENT_MARKDOWN, "", "- ", "a", "\n" },
                { CONTENT_MARKDOWN, "", "1. ", "a\n", " \n" },
                { CONTENT_MARKDOWN, "", "![[]()", "", "" },
                { CONTENT_MARKDOWN, "x", "<?", "", "<!A " },
                { CONTENT_MARKDOWN, "x", "<![CDATA[", "", "" },
                { CONTENT_MARKDOWN, "", "|a", "\n", "|-" },
                { CONTENT_MARKDOWN, "|a|b|c|d|e|f|g|h\n|-|-|-|-|-|-|-|-\n", "a\n", "", "b\n" },
                { CONTENT_MARKDOWN, "[a]: ", "u", "\n\n", "[a] " },
                { CONTENT_MARKDOWN, "", "*a_ ", "", "**b " },
                { CONTENT_MARKDOWN, "", "`", "", "``a" },
                { CONTENT_TEXT, "", "　", "", "a\n" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf source freed_by(buf_done) = { 0 };
                struct content content freed_by(content_done) = { 0 };
                clock_t began = clock();
                int r;

                print_message("%s%s%s\n", rows[i].first, rows[i].middle, rows[i].second);
                buf_str(&source, rows[i].start);
                repeat(&source, rows[i].first, 512 * KIB);
                buf_str(&source, rows[i].middle);
                repeat(&source, rows[i].second, 512 * KIB);
                r = content_render(rows[i].format, buf_text(&source), source.len, same_address,
                                   NULL, &content);
                assert_true(r == 0 || r == -E2BIG);
                /* Quadratic time would be minutes, also without sanitizers. */
                assert_true(clock() - began < 20 * CLOCKS_PER_SEC);
        }
}

static void a_megabyte_of_real_text_is_no_trouble(void **state) {
        static const struct {
                enum content_format format;
                const char *piece;
        } rows[] = {
                { CONTENT_TEXT, "　　关于进一步做好政务公开工作的通知，各乡镇人民政府。\n" },
                { CONTENT_MARKDOWN,
                  "## 一\n\n关于*进一步*做好政务\n公开工作的通知。\n\n- 甲\n- 乙\n\n" },
                { CONTENT_MARKDOWN, "| [项目](http://a.cn/) | 金额 |\n|--|--|\n| 合计 | 1 |\n\n" },
                { CONTENT_HTML,
                  "<p class=a>关于<b>进一步</b>&nbsp;做好</p><table><tr><td>甲<td>乙</table>" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf source freed_by(buf_done) = { 0 };
                struct content content freed_by(content_done) = { 0 };
                clock_t began = clock();

                repeat(&source, rows[i].piece, MIB);
                content = render(rows[i].format, buf_text(&source));
                assert_true(strlen(content.text) > 256 * KIB);
                assert_true(clock() - began < 20 * CLOCKS_PER_SEC);
        }
}

static void a_result_past_its_cap_is_refused(void **state) {
        struct buf source freed_by(buf_done) = { 0 };
        struct content content = { 0 };

        (void) state;
        buf_str(&source, "<b><i><u><s><em><strong><code><del><ins><sub><sup>");
        repeat(&source, "<p>x", 512 * KIB);
        assert_int_equal(
                content_render(CONTENT_HTML, buf_text(&source), source.len, NULL, NULL, &content),
                -E2BIG);
        assert_null(content.html);
        buf_reset(&source);
        repeat(&source, "字", 9 * MIB);
        assert_int_equal(
                content_render(CONTENT_TEXT, buf_text(&source), source.len, NULL, NULL, &content),
                -E2BIG);
        assert_null(content.html);
}

/* Some gigabytes in cmark-gfm, were it not stopped. The body is text then. */
static void markdown_that_multiplies_itself_becomes_text(void **state) {
        static const struct {
                const char *story, *start, *first, *middle, *second;
        } rows[] = {
                { "a long address for many links", "[甲]: ", "u", "\n\n", "[甲]\n\n" },
                { "many rows of a table without their cells", "", "", "", "a\n" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf source freed_by(buf_done) = { 0 };
                struct content content freed_by(content_done) = { 0 };

                print_message("%s\n", rows[i].story);
                if (*rows[i].first) {
                        buf_str(&source, rows[i].start);
                        repeat(&source, rows[i].first, 256 * KIB);
                } else { /* as many columns as are let through */
                        repeat(&source, "|a", 1000);
                        buf_str(&source, "\n");
                        repeat(&source, "|-", 1000);
                        buf_str(&source, "\n");
                }
                buf_str(&source, rows[i].middle);
                repeat(&source, rows[i].second, 256 * KIB);
                content = render(CONTENT_MARKDOWN, buf_text(&source));
                assert_true(strncmp(content.text, buf_text(&source), 6) == 0);
                assert_clean(&content);
                content_done(&content);

                /* and the next one is markdown again */
                content = render(CONTENT_MARKDOWN, "*a* ~~b~~ c~d");
                assert_string_equal(content.html, "<p><em>a</em> <del>b</del> c~d</p>\n");
        }
}

/* -- summaries -- */

static void summaries_end_where_a_sentence_does(void **state) {
        static const struct {
                const char *story, *text;
                size_t n;
                const char *summary;
        } rows[] = {
                { "short enough", "甲乙丙。", 4, "甲乙丙。" },
                { "nothing", "", 10, "" },
                { "no room", "甲乙", 0, "" },
                { "room for the mark only", "甲乙", 1, "…" },
                { "one line", "甲\n\n乙\t丙\nword\n\nnext", 99, "甲乙 丙 word next" },
                { "after a sentence", "今天开会。明天学习，后天", 9, "今天开会。…" },
                { "before a comma", "关于做好政务公开工作，现将", 12, "关于做好政务公开工作…" },
                { "a sentence far from the end does not count", "好。关于做好政务公开工作的通知",
                  10, "好。关于做好政务公…" },
                { "a quotation's end goes with its sentence", "他说：“同意。”然后大家散会了", 9,
                  "他说：“同意。”…" },
                { "not behind an opening mark", "关于印发《办法》的通知书", 6, "关于印发…" },
                { "a word is not torn", "The county government has decided", 20, "The county…" },
                { "words and the end of a sentence", "It rains. We stay at home today", 14,
                  "It rains.…" },
                { "a figure is not torn", "关于下达2026年补贴资金12亿7047万元并拨付", 17,
                  "关于下达2026年补贴资金…" },
                { "nor a date", "本办法的实施时间为2026年11月30日起", 16, "本办法的实施时间为…" },
                { "a figure longer than the room is", "12345678901234567890", 10, "123456789…" },
                { "a long word is torn", "aaaaaaaaaaaaaaaaaaaaaaaaa", 10, "aaaaaaaaa…" },
                { "a combining mark stays with its letter", "ae\314\201e\314\201e\314\201", 5,
                  "ae\314\201…" },
                { "an emoji family is not torn", "甲👨\342\200\215👩\342\200\215👧乙丙", 5, "甲…" },
                { "characters beyond 16 bits", "𠮷𠮷𠮷𠮷", 3, "𠮷𠮷…" },
                { "flags are pairs", "🇨🇳🇨🇳🇨🇳", 4, "🇨🇳…" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char *summary freed_by(freep) = content_summary(rows[i].text, rows[i].n);

                print_message("%s\n", rows[i].story);
                assert_non_null(summary);
                assert_string_equal(summary, rows[i].summary);
        }
}

static size_t count_characters(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += ((unsigned char) *text & 0xc0) != 0x80;
        return n;
}

static void a_summary_is_never_longer_than_asked(void **state) {
        static const char text[] = "关于“开展”2026年第一批项目（含e\314\201）的公告。各单位：\n"
                                   "现将有关事项通知如下，请遵照执行; see http://a.cn/ now! "
                                   "👨\342\200\215👩\342\200\215👧，完。";

        (void) state;
        for (size_t n = 0; n < 90; n++) {
                char *summary freed_by(freep) = content_summary(text, n);

                assert_true(count_characters(summary) <= n);
                if (n > 10 && n < 60) /* and not much shorter */
                        assert_true(count_characters(summary) > n / 2);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(formats_have_names),
                cmocka_unit_test(text_has_paragraphs_and_lines),
                cmocka_unit_test(markdown_becomes_the_same_html),
                cmocka_unit_test(markdown_is_not_called_cleaned_for_what_it_makes_itself),
                cmocka_unit_test(line_ends_join_han_and_part_words),
                cmocka_unit_test(plain_text_keeps_the_shape),
                cmocka_unit_test(what_was_taken_out_is_told),
                cmocka_unit_test(addresses_of_attachments_come_from_us),
                cmocka_unit_test(a_very_long_address_becomes_text),
                cmocka_unit_test(nesting_without_end_keeps_the_text),
                cmocka_unit_test(hostile_input_takes_linear_time),
                cmocka_unit_test(a_megabyte_of_real_text_is_no_trouble),
                cmocka_unit_test(a_result_past_its_cap_is_refused),
                cmocka_unit_test(markdown_that_multiplies_itself_becomes_text),
                cmocka_unit_test(summaries_end_where_a_sentence_does),
                cmocka_unit_test(a_summary_is_never_longer_than_asked),
        };
        int failed = cmocka_run_group_tests_name("content", tests, NULL, NULL);

        xmlCleanupParser();
        return failed;
}
