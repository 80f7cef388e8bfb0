#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/memory.h"
#include "daemons/consoled/cards.h"
#include "daemons/consoled/terms.h"

#define OA "urn:gongkai:530581:oa"
#define T INT64_C(1790000000000)

static char folder[64], path[96];

static int make_folder(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/cards-test-XXXXXX");
        assert_non_null(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/ledger.db", folder);
        return 0;
}

static int remove_one(const char *name, const struct stat *known, int type, struct FTW *where) {
        (void) known;
        (void) type;
        (void) where;
        return remove(name);
}

static int remove_folder(void **state) {
        (void) state;
        return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* -- a ledger -- */

static struct ledger *ledger;
static int64_t n;

static void begin_ledger(void) {
        n = 0;
        assert_int_equal(ledger_open(path, &ledger), 0);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(ledger_begin_era(ledger, "530581", "EPOCH1", "", 0), 0);
        assert_int_equal(ledger_commit(ledger), 0);
}

static void add(const char *state, const char *document, const char *event, const char *channel, const char *code,
                const char *bytes) {
        char extra[120];
        struct ledger_row row = {
                .n = n + 1, .at_ms = T + (n + 1) * 1000, .state = state, .document = document, .revision = 1, .event = event,
                .channel = channel, .attempt = *channel ? 1 : -1, .code = code, .reference = "", .url = "",
                .sentence = "", .extra = extra,
        };

        n++;
        (void) snprintf(extra, sizeof(extra), "local " OA " id-%lld", (long long) n);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(ledger_add(ledger, "530581", &row, bytes, bytes ? strlen(bytes) : 0), 0);
        assert_int_equal(ledger_commit(ledger), 0);
}

/* An event that came at T + `seconds`. */
static const char *event_at(int seconds, char ulid[static ULID_TEXT]) {
        static int n_events;
        int64_t ms = T + seconds * 1000;

        for (int i = 9; i >= 0; i--, ms /= 32)
                ulid[i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[ms % 32];
        (void) snprintf(ulid + 10, ULID_TEXT - 10, "%016d", n_events++);
        return ulid;
}

#define EVENT(more) "{\"data\":{" more "}}"

/* a: shown on two channels, revised, one attempt failed. b: withdrawn and erased. c: held, then refused. d: held, then
 * accepted. e: for nobody. f: with a time of publication. */
static void fill(void) {
        char a[ULID_TEXT], a2[ULID_TEXT], b[ULID_TEXT], b2[ULID_TEXT], c[ULID_TEXT], d[ULID_TEXT], e[ULID_TEXT],
                f[ULID_TEXT];

        add("accepted", "a", event_at(1, a), "", "P", EVENT("\"title\":\"征收土地公告\",\"publisher\":{\"name\":\"甲局\"}"));
        add("attempted", "a", a, "sms", "sms/busy", NULL);
        add("published", "a", a, "sms", "done", NULL);    /* at 3 s: took 2 s */
        add("attempted", "a", a, "sms", "confirmed", NULL);
        add("published", "a", a, "portal", "done", NULL); /* at 5 s: took 4 s */
        add("accepted", "a", event_at(6, a2), "", "P", EVENT("\"title\":\"征收土地公告（修订）\",\"publisher\":[{\"name\":\"甲局\"},{\"name\":\"乙局\"}]"));
        add("accepted", "b", event_at(7, b), "", "P", EVENT("\"title\":\"某人的隐私\""));
        add("accepted", "b", event_at(8, b2), "", "W", EVENT("\"mode\":\"erase\""));
        add("held", "c", event_at(9, c), "", "resident_number", EVENT("\"title\":\"某人的隐私\""));
        add("refused", "c", c, "", "", NULL);
        add("held", "d", event_at(11, d), "", "resident_number", EVENT("\"title\":\"放行的通知\""));
        add("accepted", "d", d, "", "P", EVENT("\"title\":\"放行的通知\""));
        add("accepted", "e", event_at(13, e), "", "N", EVENT("\"title\":\"某人的隐私\",\"openness\":\"closed\""));
        /* 2026-09-21T22:13:35+08:00 is T + 15 s */
        add("accepted", "f", event_at(1, f), "", "P", EVENT("\"title\":\"定时的\",\"publish_at\":\"2026-09-21T22:13:35+08:00\""));
        add("published", "f", f, "portal", "done", NULL); /* at 15 s: took nothing */
        add("parked", "", "", "sms", "breaker/open", NULL);
}

/* -- the index -- */

static struct cards *cards;

static void open_cards(void) {
        assert_int_equal(cards_open(folder, &cards), 0);
}

/* Until its end; how often the ledger was found to be another one. */
static int follow(size_t most_rows) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        int r, n_anew = 0;
        bool anew;

        assert_int_equal(ledger_reader_open(path, &reader), 0);
        do {
                r = cards_follow(cards, reader, most_rows, 1000, &anew);
                assert_true(r >= 0);
                n_anew += anew;
        } while (r > 0);
        return n_anew;
}

static int write_card(const struct card *card, void *userdata) {
        buf_fmt(userdata, "%s %s %lld %s %s\n", card->document, card->state, (long long) card->revision, card->title,
                card->publisher);
        return 0;
}

static int write_tally(const char *channel, int what, int64_t at, int64_t count, void *userdata) {
        (void) at;
        if (what < (int) n_cards_states)
                buf_fmt(userdata, "%s %s %lld\n", channel, cards_states[what], (long long) count);
        else
                buf_fmt(userdata, "%s %d %lld\n", channel, what, (long long) count);
        return 0;
}

static void holds(const char *story) {
        static const char expected[] =
                "f live 1 定时的 \n"
                "e closed 1  \n"
                "d live 1 放行的通知 \n"
                "c refused 0  \n"
                "b withdrawn 1  \n"
                "a live 1 征收土地公告（修订） 甲局、乙局\n"
                " accepted 7\n"
                " held 2\n"
                " refused 1\n"
                "portal published 2\n"
                "sms published 1\n"
                "sms attempted 1\n"
                "sms confirmed 1\n"
                "portal 200 1\nsms 204 1\nportal 205 1\n"; /* at once; within 2.5 s; within 5 s */
        const struct card_wish all = { NULL, NULL, NULL, 0, 0, INT64_MAX, 100 };
        struct buf buf = { 0 };
        int64_t count;

        assert_int_equal(cards_find(cards, &all, write_card, &buf), 0);
        assert_int_equal(cards_tallies(cards, NULL, TALLY_ROW, (int) n_cards_states - 1, 0, 0, write_tally, &buf), 0);
        assert_int_equal(cards_tallies(cards, NULL, TALLY_WAIT, TALLY_WAIT + N_WAITS - 1, 0, 0, write_tally, &buf), 0);
        if (strcmp(buf_text(&buf), expected) != 0)
                fail_msg("%s:\n%s", story, buf_text(&buf));
        assert_int_equal(cards_count(cards, &count), 0);
        assert_int_equal(count, 6);
        buf_done(&buf);
}

static void it_holds_the_same_however_it_was_read(void **state) {
        (void) state;
        begin_ledger();
        fill();
        for (size_t most = 1; most < 20; most += 6) {
                open_cards();
                assert_int_equal(follow(most + 1), 0);
                holds("read in slices");
                cards = cards_free(cards);
                open_cards(); /* as after a restart */
                assert_int_equal(follow(100), 0);
                holds("read on after a restart");
                cards = cards_free(cards);
                open_cards();
                assert_int_equal(cards_seq(cards), n);
                cards = cards_free(cards);
                assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0, 1);
                assert_int_equal(mkdir(folder, 0700), 0);
                ledger = ledger_free(ledger);
                begin_ledger();
                fill();
        }
        ledger = ledger_free(ledger);
}

static void another_ledger_is_noticed(void **state) {
        (void) state;
        begin_ledger();
        fill();
        open_cards();
        assert_int_equal(follow(100), 0);
        ledger = ledger_free(ledger);
        (void) unlink(path);
        begin_ledger();
        add("accepted", "z", "01JDB300000000000000000001", "", "P", EVENT("\"title\":\"别的\""));
        assert_int_equal(follow(100), 1); /* a shorter one */
        fill();
        assert_int_equal(follow(100), 0);
        cards = cards_free(cards);
        ledger = ledger_free(ledger);
}

static size_t n_found(const char *typed, const char *state, int64_t from_ms, int64_t to_ms) {
        struct buf query freed_by(buf_done) = { 0 }, rows freed_by(buf_done) = { 0 };
        struct card_wish wish = { NULL, "", state, from_ms, to_ms, INT64_MAX, 100 };
        size_t lines = 0;

        if (*typed)
                assert_true(terms_query(typed, &query));
        wish.query = buf_text(&query);
        assert_int_equal(cards_find(cards, &wish, write_card, &rows), 0);
        for (size_t i = 0; i < rows.len; i++)
                lines += rows.data[i] == '\n';
        return lines;
}

static void what_is_looked_for_is_found_and_nothing_else(void **state) {
        static const struct {
                const char *typed, *state;
                int from, to; /* seconds behind T; 0: none */
                size_t n;
        } rows[] = {
                { "征收土地", "", 0, 0, 1 },   { "修订", "", 0, 0, 1 },   { "土地征收", "", 0, 0, 0 },
                { "乙局", "", 0, 0, 1 },       { "隐私", "", 0, 0, 0 },   { "征收 乙局", "", 0, 0, 1 },
                { "征收 放行", "", 0, 0, 0 },  { "", "live", 0, 0, 3 },   { "征收", "withdrawn", 0, 0, 0 },
                { "", "held", 0, 0, 0 },       { "", "", 7, 12, 3 },      { "征收", "", 7, 12, 0 },
                { "", "", 100, 0, 0 },         { "", "live", 1, 12, 2 },
        };

        (void) state;
        begin_ledger();
        fill();
        open_cards();
        assert_int_equal(follow(100), 0);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                size_t found = n_found(rows[i].typed, rows[i].state, rows[i].from ? T + rows[i].from * 1000 : 0,
                                       rows[i].to ? T + rows[i].to * 1000 : 0);

                if (found != rows[i].n)
                        fail_msg("%s %s: %zu", rows[i].typed, rows[i].state, found);
        }
        cards = cards_free(cards);
        ledger = ledger_free(ledger);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(it_holds_the_same_however_it_was_read, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(another_ledger_is_noticed, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(what_is_looked_for_is_found_and_nothing_else, make_folder, remove_folder),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
