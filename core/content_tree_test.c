/* What is put right on the way. */
#include "core/content_test.h"

static void entities_are_read_once(void **state) {
        static const struct content_row rows[] = {
                { "the usual ones", "&lt;b&gt; &amp; &quot; &apos;",
                  "<p>&lt;b&gt; &amp; \" '</p>\n" },
                { "twice escaped stays escaped", "&amp;lt;script&amp;gt;",
                  "<p>&amp;lt;script&amp;gt;</p>\n" },
                { "without a semicolon only the old ones, and only where they end",
                  "a&lt b &copy 2026 &hellip x &ltb",
                  "<p>a&lt; b © 2026 &amp;hellip x &amp;ltb</p>\n" },
                { "not known", "&nosuch; &colon; &;", "<p>&amp;nosuch; &amp;colon; &amp;;</p>\n" },
                { "decimal and hexadecimal", "&#20013;&#x6587;&#X6587", "<p>中文文</p>\n" },
                { "zero, surrogates and beyond",
                  "[&#0;][&#xD800;][&#x110000;][&#99999999999999999999;]",
                  "<p>[�][�][�][�]</p>\n" },
                { "windows numbers", "&#147;引&#148; &#150;", "<p>“引” –</p>\n" },
                { "a number that is none", "&#; &#x; &#xg;",
                  "<p>&amp;#; &amp;#x; &amp;#xg;</p>\n" },
                { "script in entities is text", "&lt;script&gt;alert(1)&lt;/script&gt;",
                  "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n" },
                { "control characters", "a&#7;b&#x1b;c&#127;d", "<p>abcd</p>\n" },
                { "direction marks", "a&#x202e;b\342\201\246c\342\200\217d\357\273\277e\330\234f",
                  "<p>abcdef</p>\n" },
                { "zero-width and tags", "a\342\200\213b\342\201\240c\363\240\201\201d",
                  "<p>abcd</p>\n" },
                { "joiners stay: emoji and some scripts need them", "👨\342\200\215👩",
                  "<p>👨\342\200\215👩</p>\n" },
                { "a no-break blank between words stays", "甲&nbsp;乙", "<p>甲\302\240乙</p>\n" },
                { "noncharacters", "a&#xfffe;b&#x1ffff;c", "<p>abc</p>\n" },
                { "line separators are blanks", "a\342\200\250b\342\200\251c", "<p>a b c</p>\n" },
                { "middle dot and dashes", "&middot;&mdash;&hellip;&ldquo;&rdquo;",
                  "<p>·—…“”</p>\n" },
        };

        (void) state;
        assert_rows(rows, ELEMENTS(rows));
}

static void tags_are_put_right(void **state) {
        static const struct content_row rows[] = {
                { "text alone", "字", "<p>字</p>\n" },
                { "nothing", " \n ", "" },
                { "empty elements",
                  "<p></p><p>&nbsp;</p><b></b><ul></ul><h2></h2><blockquote> </blockquote><table>"
                  "</table>",
                  "" },
                { "unclosed paragraphs", "<p>甲<p>乙", "<p>甲</p>\n<p>乙</p>\n" },
                { "a block in a paragraph", "<p>甲<div>乙</div>丙</p>",
                  "<p>甲</p>\n<p>乙</p>\n<p>丙</p>\n" },
                { "crossed formats", "<b>甲<i>乙</b>丙</i>",
                  "<p><b>甲<i>乙</i></b><i>丙</i></p>\n" },
                { "formats over paragraphs", "<b><p>甲</p><p>乙</p></b>丙",
                  "<p><b>甲</b></p>\n<p><b>乙</b></p>\n<p>丙</p>\n" },
                { "the same format in itself", "<b>甲<b>乙</b>丙</b>丁",
                  "<p><b>甲乙丙</b>丁</p>\n" },
                { "unclosed formats", "<p><b>甲<p>乙", "<p><b>甲</b></p>\n<p><b>乙</b></p>\n" },
                { "end tags of nothing", "</b></p></td></table></ul>字</li></h2>", "<p>字</p>\n" },
                { "old names",
                  "<strike>甲</strike><tt>乙</tt><kbd>丙</kbd><font color=red>丁</font><center>戊"
                  "</center>",
                  "<p><s>甲</s><code>乙丙</code>丁</p>\n<p>戊</p>\n" },
                { "blanks outside of formats", "甲 <b> 乙 </b> 丙", "<p>甲 <b>乙</b> 丙</p>\n" },
                { "blanks that only markup holds", "a<b> </b>b<i>\n</i>c", "<p>a b c</p>\n" },
                { "two line breaks are two paragraphs", "甲<br><br/>乙<br>丙</br>",
                  "<p>甲</p>\n<p>乙<br>丙</p>\n" },
                { "line breaks at the edges", "<p><br>甲<br></p><br><p>乙</p>",
                  "<p>甲</p>\n<p>乙</p>\n" },
                { "a line that is indented is a paragraph", "甲<br>　　乙<br>&nbsp;丙",
                  "<p>甲</p>\n<p>乙<br>丙</p>\n" },
                { "blanks at the edges of a paragraph", "<p>　　甲　乙　</p>", "<p>甲　乙</p>\n" },
                { "a rule", "甲<hr>乙<hr/>", "<p>甲</p>\n<hr>\n<p>乙</p>\n<hr>\n" },
                { "headings start at two", "<h1>甲</h1><h2>乙</h2><h3>丙</h3>",
                  "<h2>甲</h2>\n<h3>乙</h3>\n<h4>丙</h4>\n" },
                { "headings skip no level", "<h3>甲</h3><h6>乙</h6><h4>丙</h4><h5>丁</h5>",
                  "<h2>甲</h2>\n<h3>乙</h3>\n<h3>丙</h3>\n<h4>丁</h4>\n" },
                { "a shallower heading later", "<h3>甲</h3><h1>乙</h1><h4>丙</h4>",
                  "<h2>甲</h2>\n<h2>乙</h2>\n<h3>丙</h3>\n" },
                { "six levels end at six",
                  "<h1>1</h1><h2>2</h2><h3>3</h3><h4>4</h4><h5>5</h5><h6>6</h6>",
                  "<h2>1</h2>\n<h3>2</h3>\n<h4>3</h4>\n<h5>4</h5>\n<h6>5</h6>\n"
                  "<h6>6</h6>\n" },
                { "an empty heading counts for nothing", "<h1> </h1><h4>甲</h4><h5>乙</h5>",
                  "<h2>甲</h2>\n<h3>乙</h3>\n" },
                { "a paragraph in a heading", "<h2><p>甲</p>乙</h2>丙",
                  "<h2>甲 乙</h2>\n<p>丙</p>\n" },
                { "a list in a heading", "<h2>甲<ul><li>乙</ul>丙</h2>",
                  "<h2>甲</h2>\n<ul>\n<li>乙</li>\n</ul>\n<p>丙</p>\n" },
                { "a heading that never ends", "<h2>甲<h3>乙<p>丙",
                  "<h2>甲</h2>\n<h3>乙 丙</h3>\n" },
                { "items without a list", "<li>甲<li>乙",
                  "<ul>\n<li>甲</li>\n<li>乙</li>\n</ul>\n" },
                { "text in a list", "<ul>甲<li>乙</ul>",
                  "<ul>\n<li>甲</li>\n<li>乙</li>\n</ul>\n" },
                { "a list right in a list", "<ul><li>甲</li><ul><li>乙</li></ul><li>丙</li></ul>",
                  "<ul>\n<li>甲\n<ul>\n<li>乙</li>\n</ul>\n</li>\n<li>丙</li>\n"
                  "</ul>\n" },
                { "a list in nothing but lists", "<ul><ul><li>甲</ul></ul>",
                  "<ul>\n<li>\n<ul>\n<li>甲</li>\n</ul>\n</li>\n</ul>\n" },
                { "paragraphs in an item", "<ul><li><p>甲</p></li><li><p>乙</p><p>丙</p></li></ul>",
                  "<ul>\n<li>甲</li>\n<li>\n<p>乙</p>\n<p>丙</p>\n</li>\n"
                  "</ul>\n" },
                { "numbers", "<ol start=3><li>甲<li>乙<li value=9>丙<li>丁</ol>",
                  "<ol>\n<li value=\"3\">甲</li>\n<li>乙</li>\n<li value=\"9\">丙</li>\n"
                  "<li>丁</li>\n</ol>\n" },
                { "numbers that are none",
                  "<ol start=x><li value=-1>甲<li value=99999999999>乙</ol><ul><li value=7>丙</ul"
                  ">",
                  "<ol>\n<li>甲</li>\n<li value=\"1000000\">乙</li>\n</ol>\n"
                  "<ul>\n<li>丙</li>\n</ul>\n" },
                { "mixed end tags of lists", "<ul><li>甲</ol><li>乙</ul>丙",
                  "<ul>\n<li>甲</li>\n<li>乙</li>\n</ul>\n<p>丙</p>\n" },
                { "definitions", "<dl><dt>甲<dd>乙<dd>丙<dt>丁</dl><dd>戊",
                  "<dl>\n<dt>甲</dt>\n<dd>乙</dd>\n<dd>丙</dd>\n<dt>丁</dt>\n"
                  "</dl>\n<dl>\n<dd>戊</dd>\n</dl>\n" },
                { "text in definitions", "<dl>甲<div><dt>乙</dt><dd>丙</dd></div></dl>",
                  "<dl>\n<dd>甲</dd>\n<dt>乙</dt>\n<dd>丙</dd>\n</dl>\n" },
                { "preformatted text", "<pre>\n\n  a\n\tb &lt; c\n\n</pre>",
                  "<pre>  a\n\tb &lt; c</pre>\n" },
                { "blocks in preformatted text", "<pre><div>甲</div><div>乙</div>丙<br>丁</pre>戊",
                  "<pre>甲\n乙\n丙\n丁</pre>\n<p>戊</p>\n" },
                { "code in preformatted text",
                  "<pre><code class=\"language-c\">a  b\n\nc</code></pre>",
                  "<pre><code>a  b\n\nc</code></pre>\n" },
                { "a quotation", "<blockquote>甲<p>乙</blockquote>丙",
                  "<blockquote>\n<p>甲</p>\n<p>乙</p>\n</blockquote>\n<p>丙</p>\n" },
                { "a figure",
                  "<figure><img src=attachment:a.png alt=图><figcaption>题</figcaption></figure>",
                  "<p><img src=\"attachment:a.png\" alt=\"图\"></p>\n<p>题</p>\n" },
                { "sections",
                  "<section><article><header>甲</header>乙</article></section><span>丙</span><spa"
                  "n>丁</span>",
                  "<p>甲</p>\n<p>乙</p>\n<p>丙丁</p>\n" },
                { "subscript and deletion",
                  "H<sub>2</sub>O <del>旧</del><ins>新</ins> x<sup>2</sup> <u>下</u><s>划</s>",
                  "<p>H<sub>2</sub>O <del>旧</del><ins>新</ins> x<sup>2</sup> <u>下</u><s>划</s><"
                  "/p>\n" },
        };

        (void) state;
        assert_rows(rows, ELEMENTS(rows));
}

static void tables_become_whole(void **state) {
        static const struct content_row rows[] = {
                { "a first row of heads is the head",
                  "<table><tr><th>甲<th>乙<tr><td>1<td>2</table>",
                  "<table>\n<thead>\n<tr>\n<th>甲</th>\n<th>乙</th>\n</tr>\n"
                  "</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td>2</td>\n</tr>\n"
                  "</tbody>\n</table>\n" },
                { "heads in the first column stay", "<table><tr><th>甲<td>1<tr><th>乙<td>2</table>",
                  "<table>\n<tbody>\n<tr>\n<th>甲</th>\n<td>1</td>\n</tr>\n"
                  "<tr>\n<th>乙</th>\n<td>2</td>\n</tr>\n</tbody>\n</table>\n" },
                { "one row of heads alone", "<table><tr><th>甲</table>",
                  "<table>\n<tbody>\n<tr>\n<th>甲</th>\n</tr>\n</tbody>\n"
                  "</table>\n" },
                { "a head that reaches down stays",
                  "<table><tr><th rowspan=2>甲<th>乙<tr><td>1</table>",
                  "<table>\n<tbody>\n<tr>\n<th rowspan=\"2\">甲</th>\n<th>乙</th>\n"
                  "</tr>\n<tr>\n<td>1</td>\n</tr>\n</tbody>\n</table>\n" },
                { "cells without a row", "<table><td>甲<td>乙</table>",
                  "<table>\n<tbody>\n<tr>\n<td>甲</td>\n<td>乙</td>\n</tr>\n"
                  "</tbody>\n</table>\n" },
                { "rows without a table", "<tr><td>甲</td><td>乙</td></tr>",
                  "<p>甲</p>\n<p>乙</p>\n" },
                { "text in a table", "<table>甲<tr>乙<td>丙</td>丁</tr>戊</table>",
                  "<table>\n<tbody>\n<tr>\n<td>甲</td>\n</tr>\n<tr>\n<td>乙</td>\n"
                  "<td>丙</td>\n<td>丁</td>\n</tr>\n<tr>\n<td>戊</td>\n</tr>\n"
                  "</tbody>\n</table>\n" },
                { "a caption in the middle", "<table><tr><td>甲<caption>题</caption></table>",
                  "<table>\n<caption>题</caption>\n<tbody>\n<tr>\n<td>甲</td>\n"
                  "</tr>\n</tbody>\n</table>\n" },
                { "two captions",
                  "<table><caption>一</caption><caption>二</caption><tr><td>甲</table>",
                  "<table>\n<caption>一</caption>\n<tbody>\n<tr>\n<td>二</td>\n"
                  "</tr>\n<tr>\n<td>甲</td>\n</tr>\n</tbody>\n</table>\n" },
                { "a caption with a block",
                  "<table><caption><p>一</p><h2>二</h2><ul><li>三</ul></caption></table>",
                  "<table>\n<caption>一 二</caption>\n<tbody>\n<tr>\n<td>\n"
                  "<ul>\n<li>三</li>\n</ul>\n</td>\n</tr>\n</tbody>\n</table>\n" },
                { "spans have bounds",
                  "<table><tr><td colspan=2 rowspan=99999>甲<td colspan=0>乙<td colspan=1>丙<td c"
                  "olspan=999>丁<td colspan=-3>戊</table>",
                  "<table>\n<tbody>\n<tr>\n<td colspan=\"2\" rowspan=\"1000\">甲</td>\n"
                  "<td>乙</td>\n<td>丙</td>\n<td colspan=\"100\">丁</td>\n"
                  "<td>戊</td>\n</tr>\n</tbody>\n</table>\n" },
                { "scopes that exist",
                  "<table><tr><td>a<tr><th scope=ROW>甲<th scope=x>乙<td scope=col>丙</table>",
                  "<table>\n<tbody>\n<tr>\n<td>a</td>\n</tr>\n<tr>\n<th scope=\"row\">甲</th>\n"
                  "<th>乙</th>\n<td>丙</td>\n</tr>\n</tbody>\n</table>\n" },
                { "all sections",
                  "<table><colgroup><col width=9></colgroup><thead><tr><th>甲</thead><tbody><tr><"
                  "td>1</tbody><tbody><tr><td>2</tbody><tfoot><tr><td>和</tfoot></table>",
                  "<table>\n<thead>\n<tr>\n<th>甲</th>\n</tr>\n</thead>\n"
                  "<tbody>\n<tr>\n<td>1</td>\n</tr>\n</tbody>\n<tbody>\n<tr>\n"
                  "<td>2</td>\n</tr>\n</tbody>\n<tfoot>\n<tr>\n<td>和</td>\n"
                  "</tr>\n</tfoot>\n</table>\n" },
                { "a head behind the body",
                  "<table><tbody><tr><td>1</tbody><thead><tr><th>甲</thead></table>",
                  "<table>\n<tbody>\n<tr>\n<td>1</td>\n</tr>\n</tbody>\n<tbody>\n"
                  "<tr>\n<th>甲</th>\n</tr>\n</tbody>\n</table>\n" },
                { "empty rows and cells",
                  "<table><tr></tr><tr><td></td><td>甲</td></tr><tbody></tbody></table>",
                  "<table>\n<tbody>\n<tr>\n<td></td>\n<td>甲</td>\n</tr>\n"
                  "</tbody>\n</table>\n" },
                { "a table in a cell", "<table><tr><td><table><tr><td>甲</table>乙<td>丙</table>",
                  "<table>\n<tbody>\n<tr>\n<td>\n<table>\n<tbody>\n<tr>\n"
                  "<td>甲</td>\n</tr>\n</tbody>\n</table>\n<p>乙</p>\n</td>\n"
                  "<td>丙</td>\n</tr>\n</tbody>\n</table>\n" },
                { "a table right in a table", "<table><table><tr><td>甲</table></table>",
                  "<table>\n<tbody>\n<tr>\n<td>\n<table>\n<tbody>\n<tr>\n"
                  "<td>甲</td>\n</tr>\n</tbody>\n</table>\n</td>\n</tr>\n"
                  "</tbody>\n</table>\n" },
                { "formats do not leave a cell", "<table><tr><td><b>甲<td>乙</table>丙",
                  "<table>\n<tbody>\n<tr>\n<td><b>甲</b></td>\n<td>乙</td>\n"
                  "</tr>\n</tbody>\n</table>\n<p>丙</p>\n" },
                { "formats do not enter a cell", "<b><table><tr><td>甲</table></b>",
                  "<table>\n<tbody>\n<tr>\n<td>甲</td>\n</tr>\n</tbody>\n"
                  "</table>\n" },
                { "a list in a cell that never ends", "<table><tr><td><ul><li>甲<td>乙</table>丙",
                  "<table>\n<tbody>\n<tr>\n<td>\n<ul>\n<li>甲</li>\n</ul>\n"
                  "</td>\n<td>乙</td>\n</tr>\n</tbody>\n</table>\n<p>丙</p>\n" },
                { "attributes of old",
                  "<table border=1 width=90% onclick=x><tr height=3><td align=right bgcolor=red b"
                  "ackground=javascript:x>甲</table>",
                  "<table>\n<tbody>\n<tr>\n<td>甲</td>\n</tr>\n</tbody>\n"
                  "</table>\n" },
                { "a row's end in an item", "<table><tr><td><ul><li>甲</tr><tr><td>乙</table>",
                  "<table>\n<tbody>\n<tr>\n<td>\n<ul>\n<li>甲</li>\n</ul>\n"
                  "</td>\n</tr>\n<tr>\n<td>乙</td>\n</tr>\n</tbody>\n</table>\n" },
                { "a form around rows", "<table><form><tr><td>甲</td></tr></form></table>",
                  "<table>\n<tbody>\n<tr>\n<td>甲</td>\n</tr>\n</tbody>\n"
                  "</table>\n" },
        };

        (void) state;
        assert_rows(rows, ELEMENTS(rows));
}

static uint32_t next_random(uint32_t *state) {
        *state = *state * 1664525u + 1013904223u;
        return *state >> 16;
}

/* Tags in no order at all. Each run is the same: a soup that fails can be cooked again. */
static void any_soup_of_tags_comes_out_clean(void **state) {
        static const char *const names[] = {
                "p",
                "br",
                "hr",
                "h1",
                "h2",
                "h3",
                "h5",
                "h6",
                "ul",
                "ul",
                "ol",
                "li",
                "li",
                "dl",
                "dt",
                "dd",
                "table",
                "table",
                "caption",
                "thead",
                "tbody",
                "tfoot",
                "tr",
                "th",
                "td",
                "td",
                "blockquote",
                "pre",
                "code",
                "em",
                "b",
                "i",
                "a",
                "a href=http://a.cn/",
                "a href=attachment:a.pdf",
                "img src=attachment:a.png alt=图",
                "div",
                "span",
                "svg",
                "script",
                "style",
                "template",
                "textarea",
                "xmp",
                "title",
                "form",
                "noscript",
                "th scope=col rowspan=2",
                "td colspan=3",
                "ol start=4",
                "li value=7",
                "p onclick=x",
                "sub",
                "u",
        };
        static const char *const words[] = {
                "字",       "文",   "a",   " ",  "\n",   "　",     "&nbsp;", "&lt;",
                "&amp;lt;", "<!--", "-->", "\"", "'",    "<",      ">",      "&#x202e;",
                "\t",       "。\n", "1",   "=",  "<br>", "<br>　",
        };
        uint32_t random = 20261123;

        (void) state;
        for (unsigned run = 0; run < 20000; run++) {
                struct content content freed_by(content_done) = { 0 };
                struct buf soup freed_by(buf_done) = { 0 };
                unsigned n = 1 + next_random(&random) % 60;

                for (unsigned i = 0; i < n; i++) {
                        const char *name = names[next_random(&random) % ELEMENTS(names)];

                        switch (next_random(&random) % 4) {
                        case 0:
                                buf_fmt(&soup, "</%.*s>", (int) strcspn(name, " "), name);
                                break;
                        case 1:
                                buf_str(&soup, words[next_random(&random) % ELEMENTS(words)]);
                                break;
                        default:
                                buf_fmt(&soup, "<%s>", name);
                        }
                }
                assert_int_equal(content_render(CONTENT_HTML, buf_text(&soup), soup.len,
                                                same_address, NULL, &content),
                                 0);
                assert_clean(&content);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(entities_are_read_once),
                cmocka_unit_test(tags_are_put_right),
                cmocka_unit_test(tables_become_whole),
                cmocka_unit_test(any_soup_of_tags_comes_out_clean),
        };
        int failed = cmocka_run_group_tests_name("content_tree", tests, NULL, NULL);

        xmlCleanupParser();
        return failed;
}
