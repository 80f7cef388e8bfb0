#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "channels/onbon/onbon.h"
#include "core/memory.h"

static char *hex_of(const struct buf *bytes) {
        struct buf hex = { 0 };

        for (size_t i = 0; i < bytes->len; i++)
                buf_fmt(&hex, "%02X", (unsigned) (unsigned char) bytes->data[i]);
        return buf_take(&hex);
}

static void bytes_of(const char *hex, struct buf *ret) {
        for (; *hex; hex += 2) {
                unsigned byte;

                assert_int_equal(sscanf(hex, "%2x", &byte), 1);
                buf_char(ret, (char) byte);
        }
}

#define HEAD "A5A5A5A5A5A5A5A5"

/* The first two were seen on the wire of a client for these cards (README.md); the CRC of the
 * others is that of another program than ours. */
static void frames_are_what_the_cards_know(void **state) {
        static const struct {
                const char *story;
                unsigned screen;
                bool over;
                const char *command, *frame;
        } rows[] = {
                { "ping", 1, false, "A200010000",
                  HEAD "0100008000000000" "0000FE020500" "A200010000" "68F8" "5A" },
                { "clear the screen", 1, false, "A310010000",
                  HEAD "0100008000000000" "0000FE020500" "A310010000" "51F8" "5A" },
                { "any screen; above the programmes", 0xfffe, true, "A200010000",
                  HEAD "FEFF008000000000" "0001FE020500" "A200010000" "1D19" "5A" },
                { "what is head and tail is written otherwise", 1, false, "A5A65A5B00",
                  HEAD "0100008000000000" "0000FE020500" "A602A6015B025B0100" "B553" "5A" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf command = { 0 }, frame = { 0 };
                char *hex;

                print_message("%s\n", rows[i].story);
                bytes_of(rows[i].command, &command);
                onbon_frame(rows[i].screen, rows[i].over, command.data, command.len, &frame);
                hex = hex_of(&frame);
                assert_string_equal(hex, rows[i].frame);
                free(hex);
                buf_done(&command);
                buf_done(&frame);
        }
}

/* A card's frame: sent to 8000 by screen 1. */
static void answer_of(const char *data, struct buf *ret) {
        struct buf command = { 0 };

        bytes_of(data, &command);
        onbon_frame(1, false, command.data, command.len, ret);
        buf_done(&command);
}

static void an_answer_is_read_whatever_stands_before_it(void **state) {
        static const struct {
                const char *story, *before, *data, *behind;
                enum onbon_answer answer;
                unsigned error;
        } rows[] = {
                { "ACK", "", "A000000000", "", ONBON_ACK, 0 },
                { "ACK of three bytes", "", "A00000", "", ONBON_ACK, 0 },
                { "ACK with more behind it, as of a ping", "", "A0000000005A5BA5A6", "", ONBON_ACK, 0 },
                { "busy", "", "A001030000", "", ONBON_NACK, 3 },
                { "the block's number", "", "A001100000", "", ONBON_NACK, 16 },
                { "noise before it", "00FF41", "A000000000", "", ONBON_ACK, 0 },
                { "another frame behind it is not for us", "", "A000000000", HEAD "FF", ONBON_ACK, 0 },
                { "too short", "", "A000", "", ONBON_NONSENSE, 0 },
                { "neither yes nor no", "", "A002000000", "", ONBON_NONSENSE, 0 },
                { "no answer but a command", "", "A310010000", "", ONBON_NONSENSE, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf bytes = { 0 };
                unsigned error = 99;
                enum onbon_answer answer;

                print_message("%s\n", rows[i].story);
                bytes_of(rows[i].before, &bytes);
                answer_of(rows[i].data, &bytes);
                bytes_of(rows[i].behind, &bytes);
                answer = onbon_read((unsigned char *) bytes.data, bytes.len, &error);
                assert_int_equal(answer, rows[i].answer);
                if (answer != ONBON_NONSENSE)
                        assert_int_equal(error, rows[i].error);
                buf_done(&bytes);
        }
}

static void no_changed_bit_is_taken_for_an_answer(void **state) {
        struct buf good = { 0 };

        (void) state;
        answer_of("A001030000", &good);
        for (size_t bit = 8 * 8; bit < 8 * (good.len - 1); bit++) {
                unsigned char bytes[64];
                unsigned error = 0;

                memcpy(bytes, good.data, good.len);
                bytes[bit / 8] ^= (unsigned char) (1u << bit % 8);
                assert_int_equal(onbon_read(bytes, good.len, &error), ONBON_NONSENSE);
        }
        for (size_t n = 0; n < good.len; n++) {
                unsigned error = 0;

                assert_int_equal(onbon_read((unsigned char *) good.data, n, &error),
                                 ONBON_NONSENSE);
        }
        buf_done(&good);
}

static uint32_t next_random(uint32_t *seed) {
        *seed = *seed * 1664525u + 1013904223u;
        return *seed >> 8;
}

/* Each in memory of its own size, where the sanitizer sees one byte too many. */
static void bytes_of_a_stranger_are_read_within_their_bounds(void **state) {
        static const unsigned char likely[] = { 0xa5, 0xa6, 0x5a, 0x5b, 0xa0, 0, 1, 2 };
        uint32_t seed = 7;

        (void) state;
        for (unsigned i = 0; i < 100000; i++) {
                size_t n = next_random(&seed) % (i % 100 == 0 ? 9000 : 60);
                unsigned char *bytes = malloc(n + !n);
                unsigned error;

                for (size_t k = 0; k < n; k++)
                        bytes[k] = next_random(&seed) % 2
                                           ? likely[next_random(&seed) % sizeof(likely)]
                                           : (unsigned char) next_random(&seed);
                (void) onbon_read(bytes, n, &error);
                free(bytes);
        }
}

/* What was framed is read as it was: an answer whose reserved bytes are anything. */
static void what_is_framed_comes_out_again(void **state) {
        uint32_t seed = 3;

        (void) state;
        for (unsigned i = 0; i < 2000; i++) {
                unsigned char data[200] = { 0xa0, 1 };
                size_t n = 3 + next_random(&seed) % (sizeof(data) - 3);
                struct buf frame = { 0 };
                unsigned error = 999;

                for (size_t k = 2; k < n; k++)
                        data[k] = (unsigned char) (k % 3 ? 0x5a + next_random(&seed) % 2
                                                         : 0xa5 + next_random(&seed) % 2);
                onbon_frame(1, false, data, n, &frame);
                assert_null(memchr(frame.data + 8, 0xa5, frame.len - 8));
                assert_ptr_equal(memchr(frame.data, 0x5a, frame.len), frame.data + frame.len - 1);
                assert_int_equal(onbon_read((unsigned char *) frame.data, frame.len, &error),
                                 ONBON_NACK);
                assert_int_equal(error, data[2]);
                buf_done(&frame);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(frames_are_what_the_cards_know),
                cmocka_unit_test(an_answer_is_read_whatever_stands_before_it),
                cmocka_unit_test(no_changed_bit_is_taken_for_an_answer),
                cmocka_unit_test(bytes_of_a_stranger_are_read_within_their_bounds),
                cmocka_unit_test(what_is_framed_comes_out_again),
        };

        return cmocka_run_group_tests_name("onbon: frames", tests, NULL, NULL);
}
