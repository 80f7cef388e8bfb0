/* The index follows the ledger, a slice at a time. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/digest.h"
#include "core/memory.h"
#include "core/moment.h"
#include "daemons/consoled/cards_parts.h"
#include "daemons/consoled/terms.h"

const char *const cards_states[] = {
        "accepted", "held",       "released",  "refused",   "published", "withdrawn", "ended",
        "restored", "superseded", "attempted", "confirmed", "uncertain", "deferred",  "parked",
        "dead",     "dropped",    "replayed",  "missing",   "verified",  "at_risk",   "overdue",
};
const size_t n_cards_states = ELEMENTS(cards_states);

/* What people ask: at once? within a minute, an hour, the day, three days? */
const double wait_bounds[N_WAITS - 1] = {
        0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 259200,
};

int64_t cards_hour(int64_t ms) {
        return ms / HOUR_MS;
}

int64_t cards_day(int64_t ms) {
        return (ms + 8 * HOUR_MS) / (24 * HOUR_MS);
}

size_t cards_wait(int64_t ms) {
        size_t i = 0;

        while (i < N_WAITS - 1 && (double) ms > wait_bounds[i] * 1000)
                i++;
        return i;
}

int64_t cards_event_ms(const char *ulid) {
        static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        int64_t ms = 0;

        if (strlen(ulid) != ULID_TEXT - 1)
                return -1;
        for (int i = 0; i < 10; i++) {
                const char *at = strchr(letters, ulid[i]);

                if (!at)
                        return -1;
                ms = ms * 32 + (at - letters);
        }
        return ms;
}

/* -- counts ------------------------------------------------------------------------------------ */

void cards_drop_cells(struct cards *cards) {
        for (size_t i = 0; i < CELL_SLOTS; i++)
                while (cards->cells[i]) {
                        struct cell *cell = cards->cells[i];

                        cards->cells[i] = cell->next;
                        free(cell);
                }
}

static int count(struct cards *cards, const char *channel, int what, int64_t at, int64_t n,
                 bool sets) {
        uint64_t hash = (uint64_t) what * 31 + (uint64_t) at * 2654435761u;
        struct cell *cell;

        for (const char *c = channel; *c; c++)
                hash = hash * 33 + (unsigned char) *c;
        for (cell = cards->cells[hash % CELL_SLOTS]; cell; cell = cell->next)
                if (cell->what == what && cell->at == at && strcmp(cell->channel, channel) == 0)
                        break;
        if (!cell) {
                cell = calloc(1, sizeof(*cell));
                if (!cell)
                        return -ENOMEM;
                (void) snprintf(cell->channel, sizeof(cell->channel), "%s", channel);
                cell->what = what;
                cell->at = at;
                cell->next = cards->cells[hash % CELL_SLOTS];
                cards->cells[hash % CELL_SLOTS] = cell;
        }
        cell->sets = sets;
        cell->n = sets ? n : cell->n + n;
        return 0;
}

static int step_done(struct cards *cards, sqlite3_stmt *statement) {
        int r = sqlite3_step(statement) == SQLITE_DONE ? 0 : cards_error(cards);

        (void) sqlite3_reset(statement);
        return r;
}

static void bind(sqlite3_stmt *statement, int at, const char *text) {
        (void) sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static int write_cells(struct cards *cards) {
        int r = 0;

        for (size_t i = 0; i < CELL_SLOTS; i++)
                for (const struct cell *cell = cards->cells[i]; r == 0 && cell; cell = cell->next) {
                        sqlite3_stmt *add = cards->statements[cell->sets ? SET_TALLY : ADD_TALLY];

                        bind(add, 1, cell->channel);
                        (void) sqlite3_bind_int(add, 2, cell->what);
                        (void) sqlite3_bind_int64(add, 3, cell->at);
                        (void) sqlite3_bind_int64(add, 4, cell->n);
                        r = step_done(cards, add);
                }
        cards_drop_cells(cards);
        return r;
}

/* -- a document's card ------------------------------------------------------------------------- */

struct draft {
        bool known;
        int64_t id, first_at, last_at, revision;
        char *region, *document, *state, *accepted, *title, *number, *publisher, *item;
};

static void draft_done(struct draft *draft) {
        free(draft->region);
        free(draft->document);
        free(draft->state);
        free(draft->accepted);
        free(draft->title);
        free(draft->number);
        free(draft->publisher);
        free(draft->item);
}

static int set(char **text, const char *value) {
        char *copy = strdup(value ? value : "");

        if (!copy)
                return -ENOMEM;
        free(*text);
        *text = copy;
        return 0;
}

static int draft_find(struct cards *cards, const struct ledger_row *row, struct draft *draft) {
        sqlite3_stmt *find = cards->statements[FIND_CARD];
        int step, r;

        bind(find, 1, row->document);
        bind(find, 2, row->region);
        step = sqlite3_step(find);
        draft->known = step == SQLITE_ROW;
        draft->id = draft->known ? sqlite3_column_int64(find, 0) : row->seq;
        draft->first_at = draft->known ? sqlite3_column_int64(find, 3) : row->at_ms;
        draft->revision = draft->known ? sqlite3_column_int64(find, 6) : 0;
        r = set(&draft->region, row->region);
        r = r < 0 ? r : set(&draft->document, row->document);
        r = r < 0 ? r : set(&draft->state, draft->known ? cards_text(find, 5) : "");
        r = r < 0 ? r : set(&draft->title, draft->known ? cards_text(find, 7) : "");
        r = r < 0 ? r : set(&draft->number, draft->known ? cards_text(find, 8) : "");
        r = r < 0 ? r : set(&draft->publisher, draft->known ? cards_text(find, 9) : "");
        r = r < 0 ? r : set(&draft->item, draft->known ? cards_text(find, 10) : "");
        r = r < 0 ? r : set(&draft->accepted, draft->known ? cards_text(find, 11) : "");
        (void) sqlite3_reset(find);
        return step == SQLITE_ROW || step == SQLITE_DONE ? r : cards_error(cards);
}

static int write_words(struct cards *cards, const struct draft *draft, bool away) {
        const char *const texts[] = { draft->title, draft->number, draft->document,
                                      draft->publisher };
        sqlite3_stmt *statement = cards->statements[away ? END_WORDS : ADD_WORDS];
        struct buf terms[ELEMENTS(texts)] = { 0 };
        int r = 0;

        (void) sqlite3_bind_int64(statement, 1, draft->id);
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                terms_of(texts[i], &terms[i]);
                r = r < 0 ? r : terms[i].error;
                bind(statement, (int) i + 2, buf_text(&terms[i]));
        }
        if (r == 0)
                r = step_done(cards, statement);
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                buf_done(&terms[i]);
        return r;
}

static int write_card(struct cards *cards, const struct draft *draft) {
        sqlite3_stmt *statement = cards->statements[draft->known ? SET_CARD : ADD_CARD];

        (void) sqlite3_bind_int64(statement, 1, draft->id);
        if (!draft->known) {
                bind(statement, 2, draft->region);
                bind(statement, 3, draft->document);
                (void) sqlite3_bind_int64(statement, 4, draft->first_at);
        }
        (void) sqlite3_bind_int64(statement, 5, draft->last_at);
        bind(statement, 6, draft->state);
        bind(statement, 7, draft->accepted);
        (void) sqlite3_bind_int64(statement, 8, draft->revision);
        bind(statement, 9, draft->title);
        bind(statement, 10, draft->number);
        bind(statement, 11, draft->publisher);
        bind(statement, 12, draft->item);
        return step_done(cards, statement);
}

/* -- what an event says ------------------------------------------------------------------------ */

static const char *text_of(const json_t *json, const char *name) {
        const char *text = json_string_value(json_object_get(json, name));

        return text ? text : "";
}

static int note_publisher(struct draft *draft, const json_t *publisher) {
        struct buf names freed_by(buf_done) = { 0 };
        const json_t *one;
        size_t i;

        if (json_is_object(publisher))
                return set(&draft->publisher, text_of(publisher, "name"));
        json_array_foreach(publisher, i, one)
                buf_fmt(&names, "%s%s", i > 0 ? "、" : "", text_of(one, "name"));
        return set(&draft->publisher, buf_text(&names));
}

static bool is_for_all(const json_t *data) {
        const json_t *openness = json_object_get(data, "openness"),
                     *audience = json_object_get(data, "audience");
        const char *text = json_string_value(openness);

        return (!openness || (text && strcmp(text, "proactive") == 0)) &&
               !json_object_get(audience, "groups");
}

static int forget_content(struct draft *draft) {
        int r = set(&draft->title, "");

        r = r < 0 ? r : set(&draft->number, "");
        return r < 0 ? r : set(&draft->publisher, "");
}

static int note_publication(struct cards *cards, const struct ledger_row *row, const json_t *data,
                            struct draft *draft) {
        sqlite3_stmt *add = cards->statements[ADD_EMBARGO];
        const char *at = text_of(data, "publish_at");
        int64_t at_ms;
        int r;

        draft->revision = row->revision;
        if (strcmp(row->code, "N") == 0 || !is_for_all(data)) {
                r = set(&draft->accepted, "closed");
                return r < 0 ? r : forget_content(draft);
        }
        r = set(&draft->accepted, "live");
        r = r < 0 ? r : set(&draft->title, text_of(data, "title"));
        r = r < 0 ? r : set(&draft->number, text_of(data, "number"));
        r = r < 0 ? r : set(&draft->item, text_of(data, "item"));
        r = r < 0 ? r : note_publisher(draft, json_object_get(data, "publisher"));
        if (r == 0 && *at && moment_parse(at, &at_ms, NULL) == 0 && at_ms > row->at_ms) {
                bind(add, 1, row->event);
                (void) sqlite3_bind_int64(add, 2, at_ms);
                r = step_done(cards, add);
        }
        return r;
}

static int note_accepted(struct cards *cards, struct ledger_reader *reader,
                         const struct ledger_row *row, struct draft *draft) {
        char *bytes freed_by(freep) = NULL;
        json_t *event = NULL;
        const json_t *data;
        size_t n = 0;
        int r = ledger_read_bytes(reader, row->event, &bytes, &n);

        if (r < 0 && r != -ENOENT)
                return r;
        event = bytes ? json_loadb(bytes, n, 0, NULL) : NULL;
        data = json_object_get(event, "data");
        if (strcmp(row->code, "W") == 0) {
                r = set(&draft->accepted, "withdrawn");
                if (r == 0 && strcmp(text_of(data, "mode"), "erase") == 0)
                        r = forget_content(draft);
        } else
                r = note_publication(cards, row, data, draft);
        json_decref(event);
        return r < 0 ? r : set(&draft->state, draft->accepted);
}

/* What came in, or what a person decided: no channel's. */
static int note_document(struct cards *cards, struct ledger_reader *reader,
                         const struct ledger_row *row) {
        struct draft draft freed_by(draft_done) = { 0 }, before freed_by(draft_done) = { 0 };
        bool same;
        int r = draft_find(cards, row, &draft);

        if (r == 0)
                r = draft_find(cards, row, &before);
        if (r < 0)
                return r;
        draft.last_at = row->at_ms;
        if (strcmp(row->state, "accepted") == 0)
                r = note_accepted(cards, reader, row, &draft);
        else if (strcmp(row->state, "held") == 0)
                r = set(&draft.state, "held");
        else if (strcmp(row->state, "refused") == 0 && strcmp(draft.state, "held") == 0)
                r = set(&draft.state, *draft.accepted ? draft.accepted : "refused");
        else if (!draft.known)
                return 0;
        same = draft.known && strcmp(draft.title, before.title) == 0 &&
               strcmp(draft.number, before.number) == 0 &&
               strcmp(draft.publisher, before.publisher) == 0;
        if (r == 0 && draft.known && !same)
                r = write_words(cards, &before, true);
        if (r == 0 && !same)
                r = write_words(cards, &draft, false);
        if (r == 0)
                r = write_card(cards, &draft);
        if (r == 0 && !draft.known)
                r = count(cards, "", TALLY_CARDS, 0, 1, false);
        return r;
}

/* -- what became of it ------------------------------------------------------------------------- */

static int64_t wanted_since(struct cards *cards, const struct ledger_row *row) {
        sqlite3_stmt *find = cards->statements[FIND_EMBARGO];
        int64_t at = cards_event_ms(row->event);

        bind(find, 1, row->event);
        if (sqlite3_step(find) == SQLITE_ROW)
                at = sqlite3_column_int64(find, 0);
        (void) sqlite3_reset(find);
        return at;
}

static int note_published(struct cards *cards, const struct ledger_row *row) {
        int64_t since = wanted_since(cards, row),
                took = row->at_ms > since ? row->at_ms - since : 0;
        int bucket = (int) cards_wait(took);
        int r = count(cards, row->channel, TALLY_HOUR_PUBLISHED, cards_hour(row->at_ms), 1, false);

        r = r < 0 ? r : count(cards, row->channel, TALLY_LAST_PUBLISHED, 0, row->at_ms, true);
        if (since < 0)
                return r;
        r = r < 0 ? r : count(cards, row->channel, TALLY_WAIT + bucket, 0, 1, false);
        r = r < 0 ? r
                  : count(cards, row->channel, TALLY_WAIT_DAY + bucket, cards_day(row->at_ms), 1,
                          false);
        return r < 0 ? r : count(cards, row->channel, TALLY_WAIT_SUM_MS, 0, took, false);
}

static int note_row(struct cards *cards, struct ledger_reader *reader,
                    const struct ledger_row *row) {
        bool confirmed =
                strcmp(row->state, "attempted") == 0 && strcmp(row->code, "confirmed") == 0;
        const char *state = confirmed ? "confirmed" : row->state;
        bool failed = !confirmed && (strcmp(state, "attempted") == 0 ||
                                     strcmp(state, "uncertain") == 0 || strcmp(state, "dead") == 0);
        int r = 0;

        if (!*row->document) /* a pause, a breaker */
                return 0;
        for (size_t i = 0; r == 0 && i < n_cards_states; i++)
                if (strcmp(cards_states[i], state) == 0)
                        r = count(cards, row->channel, TALLY_ROW + (int) i, 0, 1, false);
        if (r == 0 && !*row->channel)
                r = note_document(cards, reader, row);
        else if (r == 0 && strcmp(state, "published") == 0)
                r = note_published(cards, row);
        else if (r == 0 && failed)
                r = count(cards, row->channel, TALLY_HOUR_FAILED, cards_hour(row->at_ms), 1, false);
        return r;
}

/* -- a slice ----------------------------------------------------------------------------------- */

struct slice {
        struct cards *cards;
        struct ledger_reader *reader;
        size_t n, most;
        int64_t until_boot_ms;
        bool other, more;
};

static int on_row(const struct ledger_row *row, void *userdata) {
        enum { LOOK_EVERY = 16 };
        struct slice *slice = userdata;
        struct cards *cards = slice->cards;
        int r;

        if (cards->seq > 0 && slice->n == 0) {
                /* The last one that we have read: is it still the same? */
                slice->n = 1;
                slice->other =
                        row->seq != cards->seq || memcmp(row->hash, cards->hash, LEDGER_HASH) != 0;
                return slice->other;
        }
        if (slice->n++ >= slice->most ||
            (slice->n % LOOK_EVERY == 0 && clock_boot_ms() >= slice->until_boot_ms)) {
                slice->more = true;
                return 1;
        }
        r = note_row(cards, slice->reader, row);
        if (r < 0)
                return r;
        cards->seq = row->seq;
        memcpy(cards->hash, row->hash, LEDGER_HASH);
        return 0;
}

static int write_mark(struct cards *cards) {
        sqlite3_stmt *mark = cards->statements[SET_MARK];

        (void) sqlite3_bind_int64(mark, 1, cards->seq);
        (void) sqlite3_bind_blob(mark, 2, cards->hash, LEDGER_HASH, SQLITE_STATIC);
        return step_done(cards, mark);
}

int cards_follow(struct cards *cards, struct ledger_reader *reader, size_t most_rows,
                 int64_t most_ms, bool *ret_anew) {
        struct slice slice = {
                cards, reader, 0, most_rows, clock_boot_ms() + most_ms, false, false
        };
        int64_t began = cards->seq;
        unsigned char hash[LEDGER_HASH];
        int r = cards_run(cards, "BEGIN IMMEDIATE");

        *ret_anew = false;
        if (r < 0)
                return r;
        memcpy(hash, cards->hash, LEDGER_HASH);
        r = ledger_read_since(reader, cards->seq, NULL, on_row, &slice);
        if (slice.other || (r >= 0 && began > 0 && slice.n == 0)) {
                (void) cards_run(cards, "ROLLBACK");
                *ret_anew = true;
                r = cards_anew(cards);
                return r < 0 ? r : 1;
        }
        if (r >= 0)
                r = write_cells(cards);
        if (r == 0 && cards->seq != began)
                r = write_mark(cards);
        if (r == 0)
                r = cards_run(cards, "COMMIT");
        if (r < 0) {
                cards_drop_cells(cards);
                (void) sqlite3_exec(cards->db, "ROLLBACK", NULL, NULL, NULL);
                cards->seq = began;
                memcpy(cards->hash, hash, LEDGER_HASH);
                return r;
        }
        return slice.more;
}
