/* The words of a post, and how long Weibo finds them. */
#include "channels/weibo/weibo.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "channels/correction.h"
#include "core/content.h"
#include "core/fit.h"
#include "core/memory.h"
#include "core/unicode.h"

enum {
        URL_HALVES = 20,
        URL_FREE_BYTES = 140, /* more than these count one by one */
        WEIBO_URL_BYTES = 41, /* at weibo.com: longer ones are shortened as others are */
        URL_MOST = 1024,
        SUMMARY_CHARACTERS = 200,
        WORTH_HALVES = 20, /* a summary that is cut to less says nothing */
};

/* -- addresses in a text -- */

static size_t scheme_of(const char *at) {
        return strncasecmp(at, "https://", 8) == 0 ? 8 : strncasecmp(at, "http://", 7) == 0 ? 7 : 0;
}

static bool is_url_sign(char c) {
        return c > 0x20 && c < 0x7f && !strchr("\"'<>\\^`{|}()[]", c);
}

/* The bytes of the address that begins here; 0: none does. */
static size_t url_here(const char *at) {
        size_t n = scheme_of(at);

        if (n == 0 || !is_url_sign(at[n]))
                return 0;
        while (is_url_sign(at[n]))
                n++;
        while (strchr(".,;:!?", at[n - 1])) /* ends the sentence, not the address */
                n--;
        return n > scheme_of(at) ? n : 0;
}

static const char *host_of(const char *url, size_t *ret_n) {
        const char *host = url + scheme_of(url);

        *ret_n = strcspn(host, "/?#:");
        return host;
}

static bool host_is(const char *host, size_t n, const char *domain) {
        size_t n_domain = strlen(domain);

        return n >= n_domain && strncasecmp(host + n - n_domain, domain, n_domain) == 0 &&
               (n == n_domain || host[n - n_domain - 1] == '.');
}

bool weibo_url_is_under(const char *url, const char *domain) {
        size_t n;
        const char *host = host_of(url, &n);

        return scheme_of(url) > 0 && n > 0 && host_is(host, n, domain);
}

bool weibo_url_is_sound(const char *url) {
        return *url && url_here(url) == strlen(url) && strlen(url) <= URL_MOST &&
               !strchr(url, '#') && !strchr(url, '@');
}

static size_t url_halves(const char *url, size_t n_bytes) {
        size_t n_host;
        const char *host = host_of(url, &n_host);

        if (n_host == 4 && strncasecmp(host, "t.cn", 4) == 0)
                return n_bytes;
        if (n_bytes <= WEIBO_URL_BYTES &&
            (host_is(host, n_host, "weibo.com") || host_is(host, n_host, "weibo.cn")))
                return n_bytes;
        return URL_HALVES + (n_bytes > URL_FREE_BYTES ? n_bytes - URL_FREE_BYTES : 0);
}

size_t weibo_halves(const char *text) {
        size_t halves = 0;

        while (*text) {
                size_t n_url = url_here(text);
                const char *end = text + n_url;

                if (n_url > 0) {
                        halves += url_halves(text, n_url);
                } else {
                        uint32_t code;

                        end = unicode_next(text, &code);
                        halves += fit_length(text, (size_t) (end - text), FIT_HALVES);
                }
                text = end;
        }
        return halves;
}

/* -- cutting -- */

/* Each address becomes a run as wide as it counts, of signs that no text has, so that it is kept or
 * left out as one. */
static const char RUN_FIRST = '\1', RUN_NEXT = '\2';

static void hide_urls(const char *text, struct buf *ret) {
        while (*text) {
                size_t n = url_here(text);

                if (n == 0) {
                        buf_char(ret, *text++);
                        continue;
                }
                for (size_t i = 0, most = url_halves(text, n); i < most; i++)
                        buf_char(ret, i == 0 ? RUN_FIRST : RUN_NEXT);
                text += n;
        }
}

/* What is left of `hidden`, with the addresses of `text` again; one that was cut is left out. */
static char *show_urls(const char *hidden, const char *text) {
        struct buf out = { 0 };

        for (const char *at = hidden; *at;) {
                size_t n, run;

                if (*at != RUN_FIRST) {
                        buf_char(&out, *at++);
                        continue;
                }
                for (n = 0; *text && (n = url_here(text)) == 0; text++)
                        ;
                for (run = 1; at[run] == RUN_NEXT; run++)
                        ;
                if (n > 0 && run == url_halves(text, n))
                        buf_add(&out, text, n);
                text += n;
                at += run;
        }
        return buf_take(&out);
}

/* The text in at most so many halves by Weibo's rule. */
static char *fitted(const char *text, size_t most, bool *ret_cut) {
        struct buf hidden freed_by(buf_done) = { 0 };
        char *cut freed_by(freep) = NULL;

        *ret_cut = false;
        if (weibo_halves(text) <= most)
                return strdup(text);
        hide_urls(text, &hidden);
        cut = hidden.error ? NULL : fit_text(buf_text(&hidden), FIT_HALVES, most, ret_cut);
        return cut ? show_urls(cut, text) : NULL;
}

/* -- the parts -- */

static const char *text_of(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

/* Counts what could open or close a #topic#. */
static size_t n_hashes(const char *text) {
        size_t n = 0;

        for (; (text = strchr(text, '#')) != NULL; text++)
                n++;
        return n;
}

/* On one line, with single blanks; with `wide`, each '#' full-width: an address ends before it. */
static char *one_line(const char *text, bool wide) {
        struct buf out = { 0 };
        bool blank = false;

        while (*text) {
                size_t n = url_here(text);
                bool space = strchr(" \t\r\n", *text) != NULL;

                if (wide && n > strcspn(text, "#"))
                        n = strcspn(text, "#");
                if (space || (unsigned char) *text < 0x20 || *text == 0x7f) {
                        blank = blank || space;
                        text++;
                        continue;
                }
                if (blank && out.len > 0)
                        buf_char(&out, ' ');
                blank = false;
                if (wide && *text == '#')
                        buf_str(&out, "＃");
                else
                        buf_add(&out, text, n > 0 ? n : 1);
                text += n > 0 ? n : 1;
        }
        return buf_take(&out);
}

static char *summary_of(const json_t *data) {
        const json_t *body = json_object_get(data, "body");
        const char *source = text_of(body, "content");
        struct content content freed_by(content_done) = { 0 };
        enum content_format format;

        if (*text_of(data, "summary"))
                return strdup(text_of(data, "summary"));
        if (content_format_parse(text_of(body, "format"), &format) < 0)
                return strdup("");
        /* What cannot be rendered is left to the full text. */
        if (content_render(format, source, strlen(source), NULL, NULL, &content) < 0 ||
            !content.text)
                return strdup("");
        return content_summary(content.text, SUMMARY_CHARACTERS);
}

struct parts {
        char *title, *number, *note, *summary; /* a line each, "" = none */
        const char *mark; /* "" = none */
        bool brackets;    /* around the title: not around a short text, nor where it has its own */
};

static void parts_done(struct parts *parts) {
        free(parts->title);
        free(parts->number);
        free(parts->note);
        free(parts->summary);
}

static const char *mark_of(const json_t *data, bool ended, bool corrected) {
        const char *status = text_of(json_object_get(data, "validity"), "status");

        return ended                              ? "公示已结束"
               : strcmp(status, "abolished") == 0 ? "已废止"
               : strcmp(status, "lapsed") == 0    ? "已失效"
               : strcmp(status, "amended") == 0   ? "已修改"
               : corrected                        ? "更正"
                                                  : "";
}

static int parts_read(const json_t *data, const char *url, bool ended, struct parts *ret) {
        const char *words = text_of(json_object_get(data, "texts"), "short");
        const char *note = correction_note(data);
        const char *number = text_of(data, "number");
        char *summary freed_by(freep) = *words ? strdup("") : summary_of(data);
        size_t hashes;
        bool wide, is_short = *words != '\0';

        if (!is_short)
                words = text_of(data, "title");
        if (is_short || strstr(words, number))
                number = "";
        ret->brackets = !is_short && !strstr(words, "【");
        if (!summary || strcmp(summary, words) == 0)
                free(give_away(summary));
        hashes = n_hashes(words) + n_hashes(note) + n_hashes(number) + n_hashes(url);
        wide = hashes + n_hashes(summary ? summary : "") > 1;
        ret->mark = mark_of(data, ended, *note && !correction_is_said(words));
        ret->title = one_line(words, wide);
        ret->number = one_line(number, wide);
        ret->note = one_line(note, wide);
        ret->summary = one_line(summary ? summary : "", wide);
        return ret->title && ret->number && ret->note && ret->summary ? 0 : -ENOMEM;
}

/* "【mark：title（number）】"; without brackets around the title the mark has its own. What leaves
 * less than `least` halves for the rest is cut, the number is left out first. */
static int add_head(struct buf *to, const struct parts *parts, size_t room, size_t least) {
        bool brackets = parts->brackets;
        struct buf mark freed_by(buf_done) = { 0 };
        struct buf whole freed_by(buf_done) = { 0 };
        char *title freed_by(freep) = NULL;
        size_t fixed = brackets ? 4 : 0;
        bool cut = false;

        if (*parts->mark)
                buf_fmt(&mark, brackets ? "%s：" : "【%s】", parts->mark);
        fixed += weibo_halves(buf_text(&mark)) + least;
        room = room > fixed ? room - fixed : 0;
        buf_str(&whole, parts->title);
        if (*parts->number)
                buf_fmt(&whole, "（%s）", parts->number);
        if (weibo_halves(buf_text(&whole)) <= room)
                title = buf_take(&whole);
        else
                title = fitted(parts->title, room, &cut);
        if (!title)
                return -ENOMEM;
        buf_fmt(to, "%s%s%s%s", brackets ? "【" : "", buf_text(&mark), title, brackets ? "】" : "");
        return 0;
}

/* As much of it as there is room for; one of which little is left is left out when it may be. */
static int add_rest(struct buf *to, const char *text, size_t room, bool must, bool apart) {
        size_t used = weibo_halves(buf_text(to)) + apart;
        char *rest freed_by(freep) = NULL;
        bool cut;

        room = room > used ? room - used : 0;
        if (!*text)
                return 0;
        rest = fitted(text, room, &cut);
        if (!rest)
                return -ENOMEM;
        if (*rest && strcmp(rest, "…") != 0 && (must || !cut || room >= WORTH_HALVES))
                buf_fmt(to, "%s%s", apart ? " " : "", rest);
        return 0;
}

char *weibo_text(const json_t *data, const char *url, bool ended) {
        size_t room = WEIBO_HALVES - 1, least, n_url = weibo_halves(url);
        struct parts parts freed_by(parts_done) = { 0 };
        struct buf out = { 0 };
        int r = parts_read(data, url, ended, &parts);

        room = room > n_url ? room - n_url : 0;
        if (r < 0)
                return NULL;
        /* The note is what a revision is for: the title leaves it half of the room. */
        least = weibo_halves(parts.note) + 1;
        least = *parts.note ? (least < room / 2 ? least : room / 2) : 0;
        r = add_head(&out, &parts, room, least);
        r = r < 0 ? r : add_rest(&out, parts.note, room, true, !parts.brackets);
        r = r < 0 ? r : add_rest(&out, parts.summary, room, false, !parts.brackets || *parts.note);
        buf_fmt(&out, " %s", url);
        if (r < 0)
                out.error = r;
        return buf_take(&out);
}

/* -- finding it again -- */

/* Weibo escapes these in the texts that it gives back. */
static char *unescaped(const char *text) {
        static const struct {
                const char *name;
                char sign;
        } escapes[] = { { "&lt;", '<' },
                        { "&gt;", '>' },
                        { "&amp;", '&' },
                        { "&quot;", '"' },
                        { "&#39;", '\'' } };
        struct buf out = { 0 };

        while (*text) {
                size_t i = 0;

                while (i < ELEMENTS(escapes) &&
                       strncmp(text, escapes[i].name, strlen(escapes[i].name)) != 0)
                        i++;
                buf_char(&out, i < ELEMENTS(escapes) ? escapes[i].sign : *text);
                text += i < ELEMENTS(escapes) ? strlen(escapes[i].name) : 1;
        }
        return buf_take(&out);
}

static bool is_nothing(uint32_t code) {
        return code <= 0x20 || code == 0x3000 || code == 0xa0 ||
               (code >= 0x200b && code <= 0x200f) || code == 0xfeff;
}

/* The words alone, without blanks and addresses; *ret_url is where the last address begins. */
static char *words_of(const char *text, const char **ret_url) {
        struct buf out = { 0 };

        *ret_url = NULL;
        while (*text) {
                size_t n = url_here(text);
                uint32_t code;
                const char *next = unicode_next(text, &code);

                if (n > 0)
                        *ret_url = text;
                else if (!is_nothing(code))
                        buf_add(&out, text, (size_t) (next - text));
                text = n > 0 ? text + n : next;
        }
        return buf_take(&out);
}

bool weibo_same_text(const char *sent, const char *seen) {
        const char *sent_url, *seen_url;
        char *plain freed_by(freep) = unescaped(seen);
        char *ours freed_by(freep) = words_of(sent, &sent_url);
        char *theirs freed_by(freep) = plain ? words_of(plain, &seen_url) : NULL;
        size_t n, n_host;

        if (!ours || !theirs || strcmp(ours, theirs) != 0)
                return false;
        if (!sent_url || !seen_url)
                return true;
        if (strncasecmp(host_of(seen_url, &n_host), "t.cn", 4) == 0 && n_host == 4)
                return true; /* shortened: the words must do */
        n = url_here(seen_url);
        return n == url_here(sent_url) && strncmp(sent_url, seen_url, n) == 0;
}
