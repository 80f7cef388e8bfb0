/* The notes of a document, see sms.h. A batch's is "STATE REVISION.LEVEL MS [@HEX ]HASHES"; what is no
 * note, or has gone with time, is read as one without numbers. */
#include "channels/sms/sms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"

enum { NAME_HEX = 24 };

void sms_book_name(const struct delivery *delivery, int64_t k, char ret[static 64]) {
        char hex[DIGEST_TEXT];

        delivery_document_digest(delivery, hex);
        if (k < 0)
                (void) snprintf(ret, 64, "m.%.*s", NAME_HEX, hex);
        else
                (void) snprintf(ret, 64, "m.%.*s.%lld", NAME_HEX, hex, (long long) k);
}

char *sms_note_write(enum sms_state state, struct sms_rank rank, int64_t ms, const char *of, const char *members) {
        struct buf out = { 0 };

        buf_fmt(&out, "%c %lld.%u %lld %s%s%s%s", (char) state, (long long) rank.revision, rank.level,
                (long long) ms, *of ? "@" : "", of, *of ? " " : "", members);
        return buf_take(&out);
}

bool sms_note_read(const char *text, struct sms_note *ret) {
        long long revision, ms;
        unsigned level;
        int n = 0;
        char state;

        if (!text || sscanf(text, "%c %lld.%u %lld %n", &state, &revision, &level, &ms, &n) != 4 || n == 0)
                return false;
        *ret = (struct sms_note) { .state = (enum sms_state) state, .rank = { revision, level }, .ms = ms,
                                   .members = text + n, .n = strlen(text + n) / SMS_HASH };
        if (text[n] == '@' && strlen(text + n) > SMS_OF + 1 && text[n + SMS_OF + 1] == ' ') {
                memcpy(ret->of, text + n + 1, SMS_OF);
                ret->members += SMS_OF + 2;
                ret->n = strlen(ret->members) / SMS_HASH;
        }
        return true;
}

int sms_rank_compare(struct sms_rank one, struct sms_rank other) {
        if (one.revision != other.revision)
                return one.revision < other.revision ? -1 : 1;
        return one.level == other.level ? 0 : one.level < other.level ? -1 : 1;
}

/* -- what they say of each number -- */

struct entry {
        const char *hash;
        size_t order;
        struct sms_rank rank;
        enum sms_state state;
};

static int by_hash(const void *one, const void *other) {
        const struct entry *a = one, *b = other;
        int r = memcmp(a->hash, b->hash, SMS_HASH);

        return r != 0 ? r : a->order < b->order ? -1 : a->order > b->order;
}

static size_t add_note(const struct sms_note *note, size_t order, struct entry *to) {
        if (note->state == SMS_FREE)
                return 0;
        for (size_t i = 0; to && i < note->n; i++)
                to[i] = (struct entry) { note->members + i * SMS_HASH, order, note->rank, note->state };
        return note->n;
}

static size_t add_all(const json_t *notes, struct entry *to) {
        const json_t *text;
        size_t i, n = 0;

        json_array_foreach(notes, i, text) {
                struct sms_note note;

                if (sms_note_read(json_string_value(text), &note))
                        n += add_note(&note, i, to ? to + n : NULL);
        }
        return n;
}

int sms_people_read(const json_t *notes, struct sms_people *ret) {
        size_t n = add_all(notes, NULL);
        struct entry *entries freed_by(freep) = calloc(n + 1, sizeof(*entries));
        struct sms_person *people freed_by(freep) = calloc(n + 1, sizeof(*people));
        size_t n_people = 0;

        if (!entries || !people)
                return -ENOMEM;
        (void) add_all(notes, entries);
        qsort(entries, n, sizeof(*entries), by_hash);
        for (size_t i = 0; i < n; i++) {
                struct sms_person *person;

                if (i == 0 || memcmp(entries[i].hash, entries[i - 1].hash, SMS_HASH) != 0)
                        n_people++;
                person = people + n_people - 1;
                person->hash = entries[i].hash;
                person->last = entries[i].rank;
                person->texted = person->texted || entries[i].state != SMS_FAILED;
        }
        *ret = (struct sms_people) { give_away(people), n_people };
        return 0;
}

static int person_by_hash(const void *hash, const void *person) {
        return memcmp(hash, ((const struct sms_person *) person)->hash, SMS_HASH);
}

const struct sms_person *sms_people_find(const struct sms_people *people, const char *hash) {
        return bsearch(hash, people->list, people->n, sizeof(*people->list), person_by_hash);
}

void sms_people_done(struct sms_people *people) {
        free(people->list);
}
