/* Screening: what a person must look at before it becomes public, which is marks of secrecy and
 * resident ID numbers. It looks at what citizens would read, so markup is taken away first. */
#include "daemons/publisherd/publisherd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/ident.h"
#include "core/memory.h"
#include "core/moment.h"

static void reason_add(struct job *job, const char *path, const char *code, enum message message,
                       const char *name, const char *value) {
        if (!job->reasons)
                job->reasons = json_array();
        (void) json_array_append_new(job->reasons, warning(path, code, message, name, value, NULL));
}

/* -- text without its markup -- */

/* Elements that part what stands around them; of all others the text just goes on. */
static bool parts_text(const char *name, size_t n) {
        static const char *const elements[] = { "p",  "div", "br",  "td", "th",      "tr",
                                                "li", "ul",  "ol",  "h1", "h2",      "h3",
                                                "h4", "h5",  "h6",  "hr", "table",   "pre",
                                                "dd", "dt",  "dl",  "article", "section",
                                                "blockquote", "caption" };

        for (size_t i = 0; i < ELEMENTS(elements); i++)
                if (strlen(elements[i]) == n && strncasecmp(elements[i], name, n) == 0)
                        return true;
        return false;
}

/* "&#49;" and "&#x31;" of ASCII, "&nbsp;" and its like. Returns how many bytes it takes, 0 for what
 * is left as it stands. */
static size_t entity(const char *at, const char *end, char *ret) {
        static const char *const spaces[] = { "&nbsp;", "&ensp;", "&emsp;", "&thinsp;",
                                              "&zwnj;", "&zwj;",  "&shy;",  "&ZeroWidthSpace;" };
        size_t room = (size_t) (end - at), n = 2;
        bool hex = room > 3 && (at[2] == 'x' || at[2] == 'X');
        unsigned code = 0;

        for (size_t i = 0; i < ELEMENTS(spaces); i++)
                if (room >= strlen(spaces[i]) && memcmp(at, spaces[i], strlen(spaces[i])) == 0) {
                        *ret = ' ';
                        return strlen(spaces[i]);
                }
        if (room < 4 || at[1] != '#')
                return 0;
        for (n += hex; n < room && n < 12 && at[n] != ';'; n++) {
                int low = at[n] | 32;
                int digit = at[n] >= '0' && at[n] <= '9'     ? at[n] - '0'
                            : hex && low >= 'a' && low <= 'f' ? low - 'a' + 10
                                                              : -1;

                if (digit < 0 || code > 0x10ffff)
                        return 0;
                code = code * (hex ? 16 : 10) + (unsigned) digit;
        }
        if (n >= room || at[n] != ';')
                return 0;
        /* What is no digit and no letter of a number hides one: it is a blank to us. */
        if (code >= 0xff10 && code <= 0xff19)
                code -= 0xff10 - '0';
        *ret = code > ' ' && code < 0x7f ? (char) code : ' ';
        return n + 1;
}

/* Where the tag or comment at `at` ends, or NULL when it is none. *open is cleared by the first one
 * that never ends, so that the whole text is looked through in linear time. */
static const char *tag_end(const char *at, const char *end, bool *open) {
        bool comment = end - at >= 4 && memcmp(at, "<!--", 4) == 0;
        bool letter = end - at >= 2 && (at[1] | 32) >= 'a' && (at[1] | 32) <= 'z';
        const char *found;

        if (!*open || (!letter && (end - at < 2 || !strchr("/!?", at[1]))))
                return NULL;
        found = comment ? memmem(at, (size_t) (end - at), "-->", 3)
                        : memchr(at, '>', (size_t) (end - at));
        *open = found != NULL;
        return found ? found + (comment ? 3 : 1) : NULL;
}

static char *without_markup(const char *text, size_t n_bytes, size_t *ret_n) {
        const char *at = text, *end = text + n_bytes, *behind;
        char *plain = malloc(n_bytes + 1), decoded;
        bool open = true;
        size_t n = 0, taken;

        if (!plain)
                return NULL;
        while (at < end) {
                if (*at == '<' && (behind = tag_end(at, end, &open)) != NULL) {
                        const char *name = at + 1 + (at[1] == '/');

                        if (parts_text(name, strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ123456")))
                                plain[n++] = '\n';
                        at = behind;
                } else if (*at == '&' && (taken = entity(at, end, &decoded)) > 0) {
                        plain[n++] = decoded;
                        at += taken;
                } else if (*at == '|') {
                        plain[n++] = '\n'; /* a cell of a Markdown table */
                        at++;
                } else if (*at == '*' || *at == '`' || *at == '~')
                        at++;
                else
                        plain[n++] = *at++;
        }
        plain[n] = '\0';
        *ret_n = n;
        return plain;
}

/* -- looking -- */

struct looked {
        const char *today;
        const char *mark; /* of secrecy, or NULL */
        bool number;
};

static void look(struct looked *looked, const char *text, size_t n_bytes) {
        if (!looked->mark)
                looked->mark = ident_text_has_secrecy_mark(text, n_bytes);
        looked->number = looked->number || ident_text_has_resident_number(text, n_bytes, looked->today);
}

static void tell(struct job *job, const char *path, const struct looked *looked) {
        if (looked->mark)
                reason_add(job, path, "secrecy_mark", MESSAGE_HELD_SECRECY, "mark", looked->mark);
        if (looked->number)
                reason_add(job, path, "resident_number", MESSAGE_HELD_RESIDENT_NUMBER, "path", path);
}

static void screen_text(struct job *job, const char *today, const char *path, const char *text) {
        struct looked looked = { .today = today };

        if (!text)
                return;
        look(&looked, text, strlen(text));
        tell(job, path, &looked);
}

static void screen_body(struct job *job, const char *today, const struct event *event) {
        struct looked looked = { .today = today };

        if (!event->body)
                return;
        look(&looked, event->body, event->n_body);
        if (event->body_format != CONTENT_TEXT) {
                size_t n;
                char *plain freed_by(freep) = without_markup(event->body, event->n_body, &n);

                if (plain)
                        look(&looked, plain, n);
        }
        tell(job, "/data/body", &looked);
}

static const char *text_in(const json_t *object, const char *name) {
        return json_string_value(json_object_get(object, name));
}

void screen(struct job *job, const struct event *event) {
        const json_t *texts = json_object_get(event->data, "texts");
        char today[MOMENT_TEXT];

        (void) moment_write_date(clock_now_ms(), today);
        screen_text(job, today, "/data/title", event->title);
        screen_text(job, today, "/data/summary", event->summary);
        screen_body(job, today, event);
        screen_text(job, today, "/data/texts/short", text_in(texts, "short"));
        screen_text(job, today, "/data/texts/spoken", text_in(texts, "spoken"));
        screen_text(job, today, "/data/texts/plain", text_in(texts, "plain"));
        screen_text(job, today, "/data/correction/note",
                    text_in(json_object_get(event->data, "correction"), "note"));
        for (size_t i = 0; i < event->n_attachments; i++) {
                char path[48];

                (void) snprintf(path, sizeof(path), "/data/attachments/%zu/name", i);
                screen_text(job, today, path, event->attachments[i].name);
        }
}
