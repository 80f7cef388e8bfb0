#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "channels/fake_wild.h"
#include "channels/playlist.h"
#include "core/content.h"

enum { NOTICES = 10000, ON_A_SCREEN = 60, HTML_MOST = 128 << 10 };

static json_t *entry_of(struct delivery *delivery, uint64_t *seed, char (*names)[16], struct attachment *attachments) {
        json_t *event, *entry = NULL;
        int64_t until_ms;

        delivery->n_attachments = wild_pictures(seed, names, attachments);
        delivery->attachments = attachments;
        event = wild_event(seed, (unsigned) delivery->n_attachments);
        delivery->event = event;
        assert_int_equal(screen_entry(delivery, 14, fake_random(seed, 2), &entry, &until_ms), 0);
        assert_true(until_ms > delivery->now_ms);
        json_decref(event);
        return entry;
}

/* All that a player gets of a notice is there, and within what a wall takes. */
static size_t look_at(const struct delivery *delivery, const json_t *entry) {
        json_t *item = playlist_item(delivery, entry), *picture;
        const char *html = json_string_value(json_object_get(item, "html"));
        size_t i, n = 0;

        assert_non_null(item);
        assert_true(strlen(html) <= HTML_MOST + 1000);
        assert_true(json_string_length(json_object_get(item, "title")) > 0);
        assert_int_equal(json_string_length(json_object_get(item, "digest")), 64);
        assert_true(strstr(html, "完") || strlen(html) < 40000); /* whole, or an excerpt */
        assert_null(strstr(html, "attachment:"));
        json_array_foreach(json_object_get(entry, "images"), i, picture) {
                assert_true(json_integer_value(json_object_get(picture, "size")) <= 200 * 1024);
                n++;
        }
        json_decref(item);
        return n;
}

static void ten_thousand_notices_keep_what_a_screen_takes(void **state) {
        const struct playlist playlist = { .most = ON_A_SCREEN };
        const struct screen screen = { .name = "hall" };
        struct delivery delivery = { .kind = DELIVER_PUBLISH, .channel = "hall", .region = "530581", .region_name = "腾冲市",
                                     .document_kind = "notice", .revision = 1, .now_ms = INT64_C(1795320000000) };
        struct attachment attachments[WILD_PICTURES];
        char names[WILD_PICTURES][16], name[24];
        json_t *views = json_pack("[[], []]"), *all = json_array_get(views, 1);
        size_t n_pictures = 0, n_full = 0;
        uint64_t seed = 1;

        (void) state;
        for (unsigned i = 0; i < NOTICES; i++) {
                json_t *entry;

                (void) snprintf(name, sizeof(name), "号-%u", i);
                delivery.document = name;
                entry = entry_of(&delivery, &seed, names, attachments);
                n_pictures += look_at(&delivery, entry);
                (void) json_array_append_new(all, entry);
                if (i % 100 == 99) {
                        struct buf entries = { 0 }, text = { 0 };
                        json_t *read;

                        assert_int_equal(playlist_entries(&delivery, &playlist, &screen, views, &entries, NULL), 0);
                        assert_int_equal(playlist_write(&delivery, &playlist, &screen, &entries, &text), 0);
                        assert_true(text.len <= PLAYLIST_BYTES + 1000);
                        read = json_loadb(buf_text(&text), text.len, 0, NULL);
                        assert_true(json_array_size(json_object_get(read, "entries")) <= ON_A_SCREEN);
                        n_full += json_array_size(json_object_get(read, "entries")) == ON_A_SCREEN;
                        json_decref(read);
                        (void) json_array_clear(all);
                        buf_done(&entries);
                        buf_done(&text);
                }
        }
        json_decref(views);
        print_message("%zu pictures, %zu whole screens\n", n_pictures, n_full);
        assert_true(n_pictures > 1000 && n_full > 10);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(ten_thousand_notices_keep_what_a_screen_takes) };

        return cmocka_run_group_tests_name("playlists", tests, NULL, NULL);
}
