/* Delivery reports, as `call` has put them into the book. The document is shown when all is handed over;
 * the engine looks again when reports had time to come, and they are counted: once, and once more a
 * day later where some were missing. */
#include "channels/sms/round.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

enum { NAMES = 500 };

static const int64_t again_ms = INT64_C(86400000);

static const struct {
        enum sms_fate fate;
        const char *key; /* in the head and the reference */
} fates[] = {
        { SMS_BAD_NUMBER, "bad-number" }, { SMS_BLOCKED, "blocked" },
        { SMS_BAD_CONTENT, "bad-content" }, { SMS_TOO_MANY, "too-many" },
};

static const char *key_of(const char *value) {
        for (size_t i = 0; i < ELEMENTS(fates); i++)
                if (*value == (char) fates[i].fate)
                        return fates[i].key;
        return NULL;
}

static int finish(struct round *round) {
        int64_t known = round_number(round->memo, "delivered") + round_number(round->memo, "undelivered");
        bool again = known < round_number(round->head, "sent") && !json_object_get(round->head, "reports_again");
        int r = 0;

        r |= round_set(round->head, "delivered", json_integer(round_number(round->memo, "delivered")));
        r |= round_set(round->head, "undelivered", json_integer(round_number(round->memo, "undelivered")));
        for (size_t i = 0; i < ELEMENTS(fates); i++)
                r |= round_set(round->head, fates[i].key, json_integer(round_number(round->memo, fates[i].key)));
        (void) json_object_del(round->head, "reports_ms");
        if (again)
                r |= round_set(round->head, "reports_ms", json_integer(round->delivery->now_ms + again_ms)) |
                     round_set(round->head, "reports_again", json_true());
        r |= round_set(round->memo, "counted", json_true());
        return r < 0 ? -ENOMEM : round_book(round, "finish", json_object(), NULL, NULL);
}

/* The next names, from the memo's batch "k" and number "i" on. */
static int ask(struct round *round) {
        const json_t *notes = json_object_get(round->memo, "notes");
        size_t k = (size_t) round_number(round->memo, "k"), i = (size_t) round_number(round->memo, "i");
        json_t *get freed_by(json_decrefp) = json_array();
        char head[64], name[64];
        struct sms_note note;
        int r = get ? 0 : -ENOMEM;

        sms_book_name(round->delivery, -1, head);
        for (; k < json_array_size(notes) && json_array_size(get) < NAMES && r == 0; k++, i = 0) {
                if (!sms_note_read(json_string_value(json_array_get(notes, k)), &note) || note.state != SMS_SENT)
                        continue;
                for (; i < note.n && json_array_size(get) < NAMES; i++) {
                        (void) snprintf(name, sizeof(name), "r.%.*s.%.*s", SMS_OF, *note.of ? note.of : head + 2,
                                        SMS_HASH, note.members + i * SMS_HASH);
                        r |= json_array_append_new(get, json_string(name));
                }
                if (i < note.n)
                        break;
        }
        r |= round_set(round->memo, "k", json_integer((json_int_t) k)) | round_set(round->memo, "i", json_integer((json_int_t) i));
        if (r < 0)
                return -ENOMEM;
        return json_array_size(get) == 0 ? finish(round) : round_book(round, "reports", NULL, NULL, give_away(get));
}

int reports_or_done(struct round *round) {
        int64_t at = round_number(round->head, "reports_ms");
        int r = 0;

        if (at == 0 || round->delivery->now_ms < at)
                return round_done(round);
        r |= round_set(round->memo, "k", json_integer(0)) | round_set(round->memo, "i", json_integer(0));
        return r < 0 ? -ENOMEM : ask(round);
}

int reports_next(struct round *round, const struct book_reply *reply) {
        const char *name, *key;
        json_t *value;
        int r = 0;

        if (reply->error)
                return round_store_failed(round, reply->error, VERDICT_LATER);
        json_object_foreach((json_t *) reply->values, name, value) {
                const char *fate = json_string_value(value);

                r |= round_add(round->memo, *fate == (char) SMS_DELIVERED ? "delivered" : "undelivered", 1);
                key = key_of(fate);
                if (key)
                        r |= round_add(round->memo, key, 1);
        }
        return r < 0 ? -ENOMEM : ask(round);
}

void reports_reference(const struct round *round, struct buf *ret) {
        if (!json_object_get(round->head, "delivered"))
                return;
        buf_fmt(ret, ",delivered=%lld,undelivered=%lld", (long long) round_number(round->head, "delivered"),
                (long long) round_number(round->head, "undelivered"));
        for (size_t i = 0; i < ELEMENTS(fates); i++)
                if (round_number(round->head, fates[i].key) > 0)
                        buf_fmt(ret, ",%s=%lld", fates[i].key, (long long) round_number(round->head, fates[i].key));
}

static char *number_text(int64_t number, char ret[static 24]) {
        (void) snprintf(ret, 24, "%lld", (long long) number);
        return ret;
}

char *reports_sentence(const struct round *round) {
        int64_t good = round_number(round->head, "delivered"), bad = round_number(round->head, "undelivered");
        int64_t none = round_number(round->head, "sent") - good - bad, known = 0, of[ELEMENTS(fates)];
        char texts[8][24];
        char *sum, *all;

        for (size_t i = 0; i < ELEMENTS(fates); i++)
                known += of[i] = round_number(round->head, fates[i].key);
        sum = say(MESSAGE_SMS_REPORTED, "carrier", round->provider->name, "good", number_text(good, texts[0]), "bad",
                  number_text(bad, texts[1]), "number", number_text(of[0], texts[2]), "blocked",
                  number_text(of[1], texts[3]), "content", number_text(of[2], texts[4]), "limit",
                  number_text(of[3], texts[5]), "other", number_text(bad - known, texts[6]), "none",
                  number_text(none > 0 ? none : 0, texts[7]), NULL);
        if (!sum || bad <= good)
                return sum;
        all = say(MESSAGE_SMS_REPORTED_BAD, "sum", sum, NULL);
        free(sum);
        return all;
}
