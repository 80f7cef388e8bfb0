/* Who is still to be sent to. Hashes go in order, so that of what is behind the last one done nothing
 * need be kept; what has come onto the lists before it, or was set free, stands in `low`. */
#include "channels/sms/round.h"

#include <errno.h>
#include <string.h>

#include "core/memory.h"

enum { LOW_MOST = 10000 }; /* numbers: 110 KB of memo */

static const char *person_of(const json_t *account, const char *hash) {
        char key[SMS_HASH + 1];

        memcpy(key, hash, SMS_HASH);
        key[SMS_HASH] = '\0';
        return json_string_value(json_object_get(json_object_get(account, "people"), key));
}

static const char *sorted_of(const struct round *round, size_t *ret_n) {
        const json_t *sorted = json_object_get(round->delivery->account, "sorted");

        *ret_n = json_string_length(sorted) / SMS_HASH;
        return json_string_value(sorted) ? json_string_value(sorted) : "";
}

static bool is_older(const struct round *round, const struct sms_person *person) {
        return person->texted && sms_rank_compare(person->last, round->rank) < 0 &&
               (round->delivery->kind == DELIVER_PUBLISH || person->last.level == 0);
}

/* Those on the lists that nobody has looked at, though their turn has been. */
static int plan_first(struct round *round, const struct sms_people *people) {
        struct buf low freed_by(buf_done) = { 0 };
        const char *high = people->n > 0 ? people->list[people->n - 1].hash : "", *sorted;
        char cursor[SMS_HASH + 1] = "";
        size_t n, i = 0;
        int r;

        sorted = sorted_of(round, &n);
        for (; i < n && *high && memcmp(sorted + i * SMS_HASH, high, SMS_HASH) <= 0; i++) {
                const char *hash = sorted + i * SMS_HASH;

                if (sms_people_find(people, hash) ||
                    !sms_list_means(person_of(round->delivery->account, hash), round->delivery))
                        continue;
                if (low.len >= (size_t) LOW_MOST * SMS_HASH)
                        break;
                buf_add(&low, hash, SMS_HASH);
        }
        if (low.error)
                return low.error;
        memcpy(cursor, high, *high ? SMS_HASH : 0);
        r = round_set(round->memo, "low", json_string(buf_text(&low)));
        if (low.len >= (size_t) LOW_MOST * SMS_HASH)
                r |= round_set(round->memo, "capped", json_true());
        else
                r |= round_set(round->memo, "cursor", json_string(cursor));
        return r < 0 ? -ENOMEM : 0;
}

/* Exactly those who were texted, perhaps were, and are still on the lists. */
static int plan_correction(struct round *round, const struct sms_people *people) {
        struct buf low freed_by(buf_done) = { 0 };
        int r = 0;

        for (size_t i = 0; i < people->n; i++) {
                if (!is_older(round, people->list + i) ||
                    !person_of(round->delivery->account, people->list[i].hash))
                        continue;
                if (low.len >= (size_t) LOW_MOST * SMS_HASH) {
                        r = round_set(round->memo, "capped", json_true());
                        break;
                }
                buf_add(&low, people->list[i].hash, SMS_HASH);
        }
        r |= low.error | round_set(round->memo, "low", json_string(buf_text(&low)));
        return r < 0 ? -ENOMEM : 0;
}

int plan_make(struct round *round) {
        bool publish = round->delivery->kind == DELIVER_PUBLISH;
        bool first = publish && !json_is_true(json_object_get(round->head, "complete")), older = false;
        struct sms_people people freed_by(sms_people_done) = { 0 };
        int r = sms_people_read(json_object_get(round->memo, "notes"), &people);

        if (r < 0)
                return r;
        for (size_t i = 0; i < people.n && !older; i++)
                older = is_older(round, people.list + i);
        (void) json_object_del(round->memo, "cursor");
        (void) json_object_del(round->memo, "capped");
        r = first ? plan_first(round, &people) : plan_correction(round, &people);
        r |= round_set(round->memo, "round", json_integer(first ? SMS_FIRST : publish ? SMS_CORRECTION : SMS_WITHDRAWAL));
        r |= round_set(round->memo, "more", json_boolean(first && older && round->options->on_revise == SMS_CORRECT));
        (void) json_object_del(round->memo, "notes");
        return r < 0 ? -ENOMEM : 0;
}

/* -- a batch -- */

static size_t behind(const char *sorted, size_t n, const char *cursor) {
        size_t low = 0, high = n;

        while (*cursor && low < high) {
                size_t middle = low + (high - low) / 2;

                if (memcmp(sorted + middle * SMS_HASH, cursor, SMS_HASH) <= 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* How many of the n hashes have been looked at when `most` were taken. */
static size_t take(const struct round *round, const char *hashes, size_t n, size_t most, struct buf *members) {
        bool first = round_number(round->memo, "round") == SMS_FIRST;
        size_t i = 0, taken = 0;

        for (; i < n && taken < most; i++) {
                const char *person = person_of(round->delivery->account, hashes + i * SMS_HASH);

                if (!person || (first && !sms_list_means(person, round->delivery)))
                        continue;
                buf_add(members, hashes + i * SMS_HASH, SMS_HASH);
                taken++;
        }
        return i;
}

int plan_pick(struct round *round, size_t n) {
        const char *low = round_text(round->memo, "low"), *sorted;
        const json_t *cursor = json_object_get(round->memo, "cursor");
        struct buf members freed_by(buf_done) = { 0 };
        size_t n_sorted, at, used = take(round, low, strlen(low) / SMS_HASH, n, &members);
        int r = round_set(round->memo, "next_low", json_string(low + used * SMS_HASH));

        (void) json_object_del(round->memo, "next_cursor");
        if (members.len == 0 && cursor) {
                sorted = sorted_of(round, &n_sorted);
                at = behind(sorted, n_sorted, json_string_value(cursor));
                used = take(round, sorted + at * SMS_HASH, n_sorted - at, n, &members);
                if (used > 0)
                        r |= round_set(round->memo, "next_cursor",
                                       json_stringn(sorted + (at + used - 1) * SMS_HASH, SMS_HASH));
        }
        r |= members.error | round_set(round->memo, "members", json_string(buf_text(&members)));
        return r < 0 ? -ENOMEM : 0;
}

int plan_advance(struct round *round) {
        json_t *low = json_object_get(round->memo, "next_low");
        json_t *cursor = json_object_get(round->memo, "next_cursor");
        int r = low ? round_set(round->memo, "low", json_incref(low)) : 0;

        if (cursor)
                r |= round_set(round->memo, "cursor", json_incref(cursor));
        return r < 0 ? -ENOMEM : 0;
}
