#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/store.h"

/* What hiredis makes of the same words. */
static void compare(const struct words *words, const char *const *texts, const size_t *lengths, size_t n) {
        struct buf command freed_by(buf_done) = { 0 };
        const char **argv freed_by(freep) = calloc(n, sizeof(*argv));
        char *theirs;
        int n_theirs;

        assert_non_null(argv);
        memcpy(argv, texts, n * sizeof(*argv));
        n_theirs = redisFormatCommandArgv(&theirs, (int) n, argv, lengths);
        words_command(words, &command);
        assert_int_equal(words->error | words->bytes.error | command.error, 0);
        assert_int_equal(command.len, n_theirs);
        assert_memory_equal(command.data, theirs, command.len);
        redisFreeCommand(theirs);
}

static void a_command_is_written_as_hiredis_writes_it(void **state) {
        static const char long_word[100000], *const texts[] = {
                "SET", "", "公开", "with\0NUL\r\n", "$3\r\nabc\r\n", "0123456789", long_word,
        };
        static const size_t lengths[] = { 3, 0, 6, 10, 9, 10, sizeof(long_word) };

        (void) state;
        for (size_t n = 1; n <= ELEMENTS(texts); n++) {
                struct words words freed_by(words_done) = { 0 };
                struct words joined freed_by(words_done) = { 0 };

                for (size_t i = 0; i < n; i++)
                        words_add(&words, texts[i], lengths[i]);
                compare(&words, texts, lengths, n);
                for (size_t i = 0; i < n; i++) { /* one by one, and an empty one between */
                        struct words one freed_by(words_done) = { 0 };
                        struct words none = { 0 };

                        words_add(&one, texts[i], lengths[i]);
                        words_join(&joined, &one);
                        words_join(&joined, &none);
                }
                compare(&joined, texts, lengths, n);
        }
}

/* More words than are made room for at first, joined to more. */
static void many_words_are_joined(void **state) {
        static const char *texts[2000];
        static size_t lengths[2000];
        struct words all freed_by(words_done) = { 0 };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                texts[i] = "word";
                lengths[i] = i % 5;
        }
        for (size_t i = 0; i < ELEMENTS(texts); i += 500) {
                struct words some freed_by(words_done) = { 0 };

                for (size_t k = i; k < i + 500; k++)
                        words_add(&some, texts[k], lengths[k]);
                words_join(&all, &some);
        }
        compare(&all, texts, lengths, ELEMENTS(texts));
}

static void formats_give_what_printf_gives(void **state) {
        char long_name[2000], wanted[8][2100];
        const char *texts[8];
        size_t lengths[8];
        struct words words freed_by(words_done) = { 0 };

        (void) state;
        memset(long_name, 'x', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = '\0';
        words_key(&words, "530581", "meta");
        words_key(&words, "530581", "due:%s", "portal");
        words_key(&words, "530581", "hand:%s:%s", "portal", long_name);
        words_key(&words, "530581", "same:%lld", -12LL);
        words_key(&words, "530581", "ev:%s b-%09u", "urn", 7u);
        words_key(&words, "530581", "body:%.600s", long_name);
        words_fmt(&words, "%s%s%s", "", "a", "");
        words_fmt(&words, "100%% of %s", "it");
        (void) snprintf(wanted[0], sizeof(wanted[0]), "{530581}:meta");
        (void) snprintf(wanted[1], sizeof(wanted[1]), "{530581}:due:portal");
        (void) snprintf(wanted[2], sizeof(wanted[2]), "{530581}:hand:portal:%s", long_name);
        (void) snprintf(wanted[3], sizeof(wanted[3]), "{530581}:same:-12");
        (void) snprintf(wanted[4], sizeof(wanted[4]), "{530581}:ev:urn b-000000007");
        (void) snprintf(wanted[5], sizeof(wanted[5]), "{530581}:body:%.600s", long_name);
        (void) snprintf(wanted[6], sizeof(wanted[6]), "a");
        (void) snprintf(wanted[7], sizeof(wanted[7]), "100%% of it");
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                texts[i] = wanted[i];
                lengths[i] = strlen(wanted[i]);
        }
        compare(&words, texts, lengths, ELEMENTS(texts));
}

static void numbers_are_written_whole(void **state) {
        static const int64_t numbers[] = { 0, 9, 10, -1, -10, INT64_MAX, INT64_MIN };
        char wanted[ELEMENTS(numbers)][24];
        const char *texts[ELEMENTS(numbers)];
        size_t lengths[ELEMENTS(numbers)];
        struct words words freed_by(words_done) = { 0 };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(numbers); i++) {
                words_number(&words, numbers[i]);
                lengths[i] = (size_t) snprintf(wanted[i], sizeof(wanted[i]), "%lld", (long long) numbers[i]);
                texts[i] = wanted[i];
        }
        compare(&words, texts, lengths, ELEMENTS(numbers));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_command_is_written_as_hiredis_writes_it),
                cmocka_unit_test(many_words_are_joined),
                cmocka_unit_test(formats_give_what_printf_gives),
                cmocka_unit_test(numbers_are_written_whole),
        };

        return cmocka_run_group_tests_name("store_words", tests, NULL, NULL);
}
