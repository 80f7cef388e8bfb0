/* The beginning of a body that is too long: cut where an element ends, so that no sentence, row or
 * item is shown by half. */
#include <errno.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/content.h"
#include "core/fit.h"
#include "core/memory.h"

enum { DEPTH = 64 };

struct open {
        const char *name; /* within the HTML */
        size_t n;
};

struct cutting {
        struct open open[DEPTH];
        size_t depth, units, best, best_depth, best_units;
        struct open best_open[DEPTH];
        bool deep; /* nested deeper than we follow: then only the places before it count */
};

static bool name_is(const char *name, size_t n, const char *const *list) {
        for (; *list; list++)
                if (strlen(*list) == n && memcmp(name, *list, n) == 0)
                        return true;
        return false;
}

static size_t closing_units(const struct cutting *cutting) {
        size_t units = 0;

        for (size_t i = 0; i < cutting->depth; i++)
                units += cutting->open[i].n + 3; /* </> */
        return units;
}

static void take_tag(struct cutting *cutting, const char *tag, size_t n, const char *html,
                     size_t most) {
        static const char *const alone[] = { "br", "hr", "img", "col", "wbr", NULL };
        static const char *const whole[] = { "p",      "li",      "tr",  "table",      "ul", "ol",
                                             "dl",     "dd",      "pre", "blockquote", "h1", "h2",
                                             "h3",     "h4",      "h5",  "h6",         "hr", "div",
                                             "figure", "details", NULL };
        bool closes = tag[1] == '/';
        const char *name = tag + 1 + closes;
        size_t n_name = strcspn(name, " />\t\n");

        if (!closes && !name_is(name, n_name, alone)) {
                if (cutting->depth < DEPTH)
                        cutting->open[cutting->depth] = (struct open) { name, n_name };
                else
                        cutting->deep = true;
                cutting->depth++;
        } else if (closes && cutting->depth > 0) {
                cutting->depth--;
        }
        cutting->units += fit_length(tag, n, FIT_UTF16);
        if (cutting->deep || !name_is(name, n_name, whole) ||
            (!closes && (n_name != 2 || memcmp(name, "hr", 2) != 0)) ||
            cutting->units + closing_units(cutting) > most)
                return;
        cutting->best_units = cutting->units + closing_units(cutting);
        cutting->best = (size_t) (tag + n - html);
        cutting->best_depth = cutting->depth;
        memcpy(cutting->best_open, cutting->open, cutting->depth * sizeof(*cutting->open));
}

/* Bytes of the tag at `at`; a ">" in a quoted value does not end it. */
static size_t tag_bytes(const char *at) {
        char quote = '\0';
        size_t n = 0;

        for (; at[n]; n++) {
                if (quote)
                        quote = at[n] == quote ? '\0' : quote;
                else if (at[n] == '"' || at[n] == '\'')
                        quote = at[n];
                else if (at[n] == '>')
                        return n + 1;
        }
        return n;
}

/* Of one paragraph that alone is too long, the text that fits. */
static int cut_text(const char *html, size_t most, struct buf *ret) {
        struct content content freed_by(content_done) = { 0 };
        struct content again freed_by(content_done) = { 0 };
        char *text freed_by(freep) = NULL;
        int r = content_render(CONTENT_HTML, html, strlen(html), NULL, NULL, &content);

        for (size_t room = most; r == 0 && room > 16;) {
                size_t units;

                free(text);
                content_done(&again);
                again = (struct content) { 0 };
                text = fit_text(content.text, FIT_UTF16, room, NULL);
                if (!text)
                        return -ENOMEM;
                r = content_render(CONTENT_TEXT, text, strlen(text), NULL, NULL, &again);
                units = r < 0 ? 0 : fit_length(again.html, strlen(again.html), FIT_UTF16);
                if (r == 0 && units <= most) {
                        buf_str(ret, again.html);
                        return ret->error;
                }
                if (r == 0) /* markup takes its share */
                        room = (size_t) ((unsigned long long) room * most / units) - 1;
        }
        return r;
}

int wechat_cut(const char *html, size_t most, struct buf *ret) {
        struct cutting cutting = { 0 };

        for (const char *at = html; *at && cutting.units <= most;) {
                size_t n = *at == '<' ? tag_bytes(at) : strcspn(at, "<");

                if (*at == '<')
                        take_tag(&cutting, at, n, html, most);
                else
                        cutting.units += fit_length(at, n, FIT_UTF16);
                at += n;
        }
        if (cutting.best == 0)
                return cut_text(html, most, ret);
        buf_add(ret, html, cutting.best);
        for (size_t i = cutting.best_depth; i-- > 0;)
                buf_fmt(ret, "</%.*s>", (int) cutting.best_open[i].n, cutting.best_open[i].name);
        /* A heading, and then one paragraph that is longer than all the room. */
        if (cutting.best_depth == 0 && cutting.best_units < most / 2)
                return cut_text(html + cutting.best, most - cutting.best_units, ret);
        return ret->error;
}
