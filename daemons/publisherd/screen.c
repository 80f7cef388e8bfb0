/* The gate: what a person must look at before it becomes public, which is marks of secrecy and numbers of
 * private persons. It looks at what citizens would read, so markup is taken away first; and at the markup
 * too, where an address or an attribute may say what the text does not. */
#include "daemons/publisherd/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/ident.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/plain.h"

enum { BUDGET = 64 << 20 }; /* bytes of text attachments that one event may make us read */

void look_at_text(struct looked *looked, const char *text, size_t n_bytes, bool markup,
                  const char *today) {
        struct personal raw = { 0 };
        size_t n;
        char *plain freed_by(freep) = markup ? plain_text(text, n_bytes, &n) : NULL;

        if (plain) {
                if (!looked->mark)
                        looked->mark = ident_text_has_secrecy_mark(plain, n);
                personal_look(&looked->personal, plain, n, today);
        }
        if (!looked->mark)
                looked->mark = ident_text_has_secrecy_mark(text, n_bytes);
        personal_look(&raw, text, n_bytes, today);
        personal_merge(&looked->personal, &raw);
}

/* -- what is told of it -------------------------------------------------------------------------------- */

/* One event on its way through the gate. */
struct passage {
        struct publisherd *daemon;
        const struct event *event;
        struct screened *ret;
        char today[MOMENT_TEXT];
};

static void add(json_t **list, json_t *one) {
        if (!*list)
                *list = json_array();
        (void) json_array_append_new(*list, one);
}

/* "138****8000（第 3 行）、139****0000（第 4 行）等" */
static void write_finds(const struct personal *personal, enum personal_kind kind, struct buf *ret) {
        size_t n = personal->of[kind].n;

        for (size_t i = 0; i < n && i < PERSONAL_KEPT; i++) {
                const struct personal_find *find = &personal->of[kind].first[i];
                char line[24], *one freed_by(freep) = NULL;

                (void) snprintf(line, sizeof(line), "%zu", find->line);
                one = say(MESSAGE_GATE_FIND, "masked", find->masked, "line", line, NULL);
                buf_fmt(ret, "%s%s", i ? "、" : "", one ? one : find->masked);
        }
        if (n > PERSONAL_KEPT)
                buf_str(ret, message_template(MESSAGE_GATE_MORE, messages_language()));
}

static void tell(struct passage *passage, const char *path, const char *place,
                 const struct looked *looked) {
        static const enum message kinds[N_PERSONAL_KINDS] = {
                [PERSONAL_RESIDENT] = MESSAGE_GATE_RESIDENT,
                [PERSONAL_MOBILE] = MESSAGE_GATE_MOBILE,
                [PERSONAL_CARD] = MESSAGE_GATE_CARD,
        };
        struct screened *ret = passage->ret;

        if (looked->mark)
                add(&ret->reasons, warning(path, "secrecy_mark", MESSAGE_HELD_SECRECY, "mark",
                                           looked->mark, NULL));
        if (looked->is_unread)
                add(&ret->reasons, warning(path, "not_screened", MESSAGE_GATE_UNREAD, "place", place,
                                           NULL));
        for (size_t kind = 0; kind < N_PERSONAL_KINDS; kind++) {
                const struct personal *personal = &looked->personal;
                struct buf finds freed_by(buf_done) = { 0 };
                char count[24];
                const char *name = message_template(kinds[kind], messages_language());

                if (personal->of[kind].n == 0)
                        continue;
                (void) snprintf(count, sizeof(count), "%zu", personal->of[kind].n);
                write_finds(personal, (enum personal_kind) kind, &finds);
                if (config_exempts(&passage->daemon->configuration->main, passage->event->item,
                                 personal_codes[kind])) {
                        add(&ret->exempt, warning(path, "gate_exempt", MESSAGE_GATE_EXEMPT, "place",
                                                  place, "count", count, "kind", name, "finds",
                                                  buf_text(&finds), "item", passage->event->item, NULL));
                        ret->exempted[kind] = true;
                } else
                        add(&ret->reasons, warning(path, personal_codes[kind], MESSAGE_GATE_FOUND,
                                                   "place", place, "count", count, "kind", name,
                                                   "finds", buf_text(&finds), NULL));
        }
}

static bool is_clean(const struct looked *looked) {
        return !looked->mark && !looked->is_unread && personal_is_empty(&looked->personal);
}

/* `name`: for the sentence that names the place. */
static void judge(struct passage *passage, const char *path, enum message place, const char *name,
                  const struct looked *looked) {
        char *sentence freed_by(freep) = NULL;

        if (is_clean(looked))
                return;
        sentence = name ? say(place, "name", name, NULL) : say(place, NULL);
        tell(passage, path, sentence ? sentence : path, looked);
}

/* -- the event's own texts ------------------------------------------------------------------------------- */

static void screen_text(struct passage *passage, const char *path, enum message place,
                        const char *name, const char *text, size_t n_bytes) {
        struct looked looked = { 0 };

        look_at_text(&looked, text, n_bytes, false, passage->today);
        judge(passage, path, place, name, &looked);
}

static void screen_member(struct passage *passage, const char *path, enum message place,
                          const char *name, const json_t *object, const char *member) {
        const json_t *value = json_object_get(object, member);

        if (json_is_string(value))
                screen_text(passage, path, place, name, json_string_value(value),
                            json_string_length(value));
}

void screen_event(struct publisherd *daemon, const struct event *event, struct screened *ret) {
        static const char *const texts[][2] = { { "/data/texts/short", "short" },
                                                { "/data/texts/spoken", "spoken" },
                                                { "/data/texts/plain", "plain" } };
        struct passage passage = { .daemon = daemon, .event = event, .ret = ret };
        struct looked body = { 0 };

        (void) moment_write_date(clock_now_ms(), passage.today);
        screen_member(&passage, "/data/title", MESSAGE_GATE_TITLE, NULL, event->data, "title");
        screen_member(&passage, "/data/summary", MESSAGE_GATE_SUMMARY, NULL, event->data, "summary");
        if (event->body) {
                look_at_text(&body, event->body, event->n_body, event->body_format != CONTENT_TEXT,
                             passage.today);
                judge(&passage, "/data/body", MESSAGE_GATE_BODY, NULL, &body);
        }
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                screen_member(&passage, texts[i][0], MESSAGE_GATE_TEXT, texts[i][1],
                              json_object_get(event->data, "texts"), texts[i][1]);
        screen_member(&passage, "/data/correction/note", MESSAGE_GATE_NOTE, NULL,
                      json_object_get(event->data, "correction"), "note");
        for (size_t i = 0; i < event->n_attachments; i++) {
                const char *name = event->attachments[i].name, *dot = strrchr(name, '.');
                struct looked looked = { 0 };
                char path[48], *shown freed_by(freep) = NULL;
                size_t n = dot && strlen(dot) <= 6 ? (size_t) (dot - name) : strlen(name);

                /* Without its ending, which would make a number a part of something. */
                look_at_text(&looked, name, n, false, passage.today);
                if (is_clean(&looked))
                        continue;
                (void) snprintf(path, sizeof(path), "/data/attachments/%zu/name", i);
                shown = screened_name(event, i);
                judge(&passage, path, MESSAGE_GATE_NAME, shown ? shown : "?", &looked);
        }
}

/* The name of an attachment as a sentence may say it: one that has a number in it is only counted. */
char *screened_name(const struct event *event, size_t i) {
        const char *name = event->attachments[i].name;
        struct personal personal = { 0 };
        char *copy = strdup(name), *dot = copy ? strrchr(copy, '.') : NULL;
        char today[MOMENT_TEXT];

        (void) moment_write_date(clock_now_ms(), today);
        if (copy)
                personal_look(&personal, copy, dot ? (size_t) (dot - copy) : strlen(copy), today);
        if (personal_is_empty(&personal))
                return copy;
        free(copy);
        return asprintf(&copy, "#%zu", i + 1) < 0 ? NULL : copy;
}

int screen_attachment(struct publisherd *daemon, const struct event *event, size_t i,
                      const struct frame *frame, struct screened *ret) {
        struct passage passage = { .daemon = daemon, .event = event, .ret = ret };
        struct looked looked;
        char path[48], *name freed_by(freep) = NULL;
        int r;

        if (!ret->has_begun) {
                ret->has_begun = true;
                ret->budget = BUDGET;
        }
        (void) moment_write_date(clock_now_ms(), passage.today);
        r = look_at_attachment(daemon, &event->attachments[i], frame, passage.today, &ret->budget,
                               &looked);
        if (r < 0 || is_clean(&looked))
                return r;
        (void) snprintf(path, sizeof(path), "/data/attachments/%zu", i);
        name = screened_name(event, i);
        judge(&passage, path, MESSAGE_GATE_CONTENT, name ? name : "?", &looked);
        return 0;
}

/* -- what came of it ---------------------------------------------------------------------------------------- */

void screened_codes(const struct screened *screened, struct buf *ret) {
        const json_t *reason;
        size_t i;

        json_array_foreach(screened->reasons, i, reason) {
                const char *code = json_string_value(json_object_get(reason, "code"));
                bool is_new = true;

                for (size_t k = 0; k < i; k++)
                        is_new &= strcmp(code, json_string_value(json_object_get(
                                                       json_array_get(screened->reasons, k), "code"))) != 0;
                if (is_new)
                        buf_fmt(ret, "%s%s", i > 0 ? " " : "", code);
        }
}

void screened_note(const struct screened *screened, struct buf *ret) {
        for (size_t kind = 0; kind < N_PERSONAL_KINDS; kind++)
                if (screened->exempted[kind])
                        buf_fmt(ret, "%s%s", ret->len ? "," : "gate_exempt:", personal_codes[kind]);
}

void screened_done(struct screened *screened) {
        json_decref(screened->reasons);
        json_decref(screened->exempt);
        *screened = (struct screened) { 0 };
}
