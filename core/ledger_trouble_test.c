#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ledger.h"
#include "core/memory.h"

static char folder[64], path[96];

static int make_folder(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/ledger-trouble-XXXXXX");
        assert_non_null(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/ledger.db", folder);
        return 0;
}

static int remove_folder(void **state) {
        static const char *const ends[] = { "", "-wal", "-shm" };
        char name[120];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(ends); i++) {
                (void) snprintf(name, sizeof(name), "%s%s", path, ends[i]);
                (void) unlink(name);
        }
        return rmdir(folder);
}

static void add(struct ledger *ledger, int64_t n, int64_t at_ms, const char *state, const char *document,
                const char *channel) {
        struct ledger_row row = {
                .n = n, .at_ms = at_ms, .state = state, .document = document, .revision = 1, .event = "",
                .channel = channel, .attempt = 1, .code = "", .reference = "", .url = "", .sentence = "", .extra = "",
        };

        assert_int_equal(ledger_add(ledger, "530581", &row, NULL, 0), 0);
}

/* Dead on sms: a to e, b and c at one time; f on portal. g is parked, h was and is well again. */
static struct ledger_reader *troubled(void) {
        struct ledger_reader *reader = NULL;
        struct ledger *ledger = NULL;

        assert_int_equal(ledger_open(path, &ledger), 0);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(ledger_begin_era(ledger, "530581", "EPOCH1", "", 0), 0);
        add(ledger, 1, 100, "dead", "a", "sms");
        add(ledger, 2, 200, "dead", "b", "sms");
        add(ledger, 3, 200, "dead", "c", "sms");
        add(ledger, 4, 300, "dead", "d", "sms");
        add(ledger, 5, 400, "dead", "f", "portal");
        add(ledger, 6, 150, "parked", "g", "sms");
        add(ledger, 7, 160, "parked", "h", "sms");
        add(ledger, 8, 500, "dead", "e", "sms");
        add(ledger, 9, 600, "published", "h", "sms");
        assert_int_equal(ledger_commit(ledger), 0);
        (void) ledger_free(ledger);
        assert_int_equal(ledger_reader_open(path, &reader), 0);
        return reader;
}

struct pages {
        char documents[64];
        struct ledger_page next;
};

static int keep(const struct ledger_row *row, int64_t since_ms, void *userdata) {
        struct pages *pages = userdata;
        size_t n = strlen(pages->documents);

        (void) snprintf(pages->documents + n, sizeof(pages->documents) - n, "%s", row->document);
        pages->next.since_ms = since_ms;
        pages->next.seq = row->seq;
        return 0;
}

static void trouble_is_read_a_page_at_a_time(void **state) {
        static const struct {
                const char *state, *channel, *documents;
        } rows[] = {
                { "dead", "sms", "edcba" }, { "dead", NULL, "efdcba" }, { "parked", NULL, "g" },
                { NULL, "sms", "edcbga" },  { NULL, NULL, "efdcbga" },  { "dead", "nix", "" },
        };
        struct ledger_reader *reader freed_by(ledger_reader_freep) = troubled();

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                for (size_t most = 1; most <= 3; most++) {
                        struct pages pages = { "", { rows[i].state, rows[i].channel, INT64_MAX, INT64_MAX, most } };
                        size_t n;

                        do {
                                n = strlen(pages.documents);
                                assert_int_equal(ledger_page_trouble(reader, &pages.next, keep, &pages), 0);
                        } while (strlen(pages.documents) > n);
                        assert_string_equal(pages.documents, rows[i].documents);
                }
}

static int write_sum(const struct ledger_sum *sum, void *userdata) {
        char *text = userdata;
        size_t n = strlen(text);

        (void) snprintf(text + n, 200 - n, "%s %s %lld %lld;", sum->channel, sum->state, (long long) sum->count,
                        (long long) sum->since_ms);
        return 0;
}

static void trouble_is_counted_by_channel_and_state(void **state) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = troubled();
        char text[200] = "";

        (void) state;
        assert_int_equal(ledger_sum_trouble(reader, write_sum, text), 0);
        assert_string_equal(text, "portal dead 1 400;sms dead 5 100;sms parked 1 150;");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(trouble_is_read_a_page_at_a_time, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(trouble_is_counted_by_channel_and_state, make_folder, remove_folder),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
