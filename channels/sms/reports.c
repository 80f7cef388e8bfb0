/* Delivery reports, as `call` has put them into the book: looked at once, when they had time to come. */
#include "channels/sms/round.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"

enum { NAMES = 64 };

static void report_name(const struct round *round, const char *hash, char ret[static 64]) {
        char head[64];

        sms_book_name(round->delivery, -1, head);
        (void) snprintf(ret, 64, "r.%.24s.%.*s", head + 2, SMS_HASH, hash);
}

static int ask(struct round *round) {
        const char *all = round_text(round->memo, "all");
        size_t at = (size_t) round_number(round->memo, "at"), n = strlen(all) / SMS_HASH;
        json_t *get = json_array();
        char name[64];
        int r = get ? 0 : -ENOMEM;

        for (size_t i = at; i < n && i < at + NAMES; i++) {
                report_name(round, all + i * SMS_HASH, name);
                r |= json_array_append_new(get, json_string(name));
        }
        return round_book(round, "reports", NULL, NULL, get) | r ? -ENOMEM : 0;
}

static int finish(struct round *round) {
        int r = json_object_del(round->head, "reports_ms");

        r |= round_set(round->head, "delivered", json_integer(round_number(round->memo, "good")));
        r |= round_set(round->head, "undelivered", json_integer(round_number(round->memo, "bad")));
        return r < 0 ? -ENOMEM : round_book(round, "finish", json_object(), NULL, NULL);
}

int reports_begin(struct round *round) {
        int64_t at = round_number(round->head, "reports_ms");
        const json_t *notes = json_object_get(round->memo, "notes"), *text;
        struct buf all freed_by(buf_done) = { 0 };
        char minute[MOMENT_TEXT];
        struct sms_note note;
        size_t i;

        if (round->delivery->now_ms < at)
                return step_verdict(round->ret, VERDICT_ASK, "sms/reports", at, MESSAGE_SMS_QUIET, "at",
                                    moment_write_minute(at, minute), NULL);
        if (!notes)
                return round_load(round);
        json_array_foreach(notes, i, text)
                if (sms_note_read(json_string_value(text), &note) && note.state == SMS_SENT)
                        buf_add(&all, note.members, note.n * SMS_HASH);
        if (all.error || round_set(round->memo, "all", json_string(buf_text(&all))) < 0 ||
            round_set(round->memo, "at", json_integer(0)) < 0)
                return -ENOMEM;
        (void) json_object_del(round->memo, "notes");
        return all.len > 0 ? ask(round) : finish(round);
}

int reports_next(struct round *round, const struct book_reply *reply) {
        size_t n = strlen(round_text(round->memo, "all")) / SMS_HASH;
        const char *name;
        json_t *value;
        int r = 0;

        if (reply->error)
                return round_store_failed(round, reply->error, VERDICT_LATER);
        json_object_foreach((json_t *) reply->values, name, value)
                r |= round_add(round->memo, *json_string_value(value) == '1' ? "good" : "bad", 1);
        r |= round_add(round->memo, "at", NAMES);
        if (r < 0)
                return -ENOMEM;
        return (size_t) round_number(round->memo, "at") < n ? ask(round) : finish(round);
}
