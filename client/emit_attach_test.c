#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/emit.h"
#include "core/memory.h"

/* sha256 of "hello" */
#define SHA "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define FILLED "\"sha256\":\"" SHA "\",\"size\":5,\"media_type\":\"text/plain\""

static char folder[] = "/tmp/gk-attach-XXXXXX";

static const char *file(const char *name, const char *content) {
        static char path[128];
        FILE *to;

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        to = fopen(path, "we");
        assert_non_null(to);
        (void) fputs(content, to);
        assert_int_equal(fclose(to), 0);
        return path;
}

static void files_are_filled_in_where_they_are_named(void **state) {
        static const struct {
                const char *story, *text;
                int result;
                const char *written; /* of all messages, one after the other */
                size_t n_frames;     /* of all messages */
        } rows[] = {
                { "a single event gets an entry", "{\"data\":{}}", 0,
                  "{\"data\":{\"attachments\":[{\"name\":\"a.txt\"," FILLED "}]}}", 1 },
                { "a single event in an array too", "[{\"data\":{\"attachments\":null}}]", 0,
                  "[{\"data\":{\"attachments\":[{\"name\":\"a.txt\"," FILLED "}]}}]", 1 },
                { "beside what it has",
                  "{\"data\":{\"attachments\":[{\"name\":\"b.txt\",\"url\":\"u\"}]}}", 0,
                  "{\"data\":{\"attachments\":[{\"name\":\"b.txt\",\"url\":\"u\"},"
                  "{\"name\":\"a.txt\"," FILLED "}]}}",
                  1 },
                { "what people wrote stays",
                  "{\"data\":{\"attachments\":[{\"name\":\"a.txt\",\"media_type\":\"text/x\","
                  "\"role\":\"cover\",\"size\":5,\"sha256\":\"\"}]}}",
                  0,
                  "{\"data\":{\"attachments\":[{\"name\":\"a.txt\",\"media_type\":\"text/x\","
                  "\"role\":\"cover\",\"size\":5,\"sha256\":\"" SHA "\"}]}}",
                  1 },
                { "two of an array name it: the bytes go once",
                  "[{\"data\":{\"attachments\":[{\"name\":\"a.txt\"}]}},"
                  "{\"data\":{\"attachments\":[{\"name\":\"a.txt\"}]}}]",
                  0,
                  "[{\"data\":{\"attachments\":[{\"name\":\"a.txt\"," FILLED "}]}},"
                  "{\"data\":{\"attachments\":[{\"name\":\"a.txt\"," FILLED "}]}}]",
                  1 },
                { "two messages name it: the bytes go with both",
                  "{\"data\":{\"attachments\":[{\"name\":\"a.txt\"}]}}"
                  "{\"data\":{\"attachments\":[{\"name\":\"a.txt\"}]}}",
                  0,
                  "{\"data\":{\"attachments\":[{\"name\":\"a.txt\"," FILLED "}]}}"
                  "{\"data\":{\"attachments\":[{\"name\":\"a.txt\"," FILLED "}]}}",
                  2 },
                { "the one that names it gets it, not the other",
                  "{\"data\":{}}{\"data\":{\"attachments\":[{\"name\":\"a.txt\"}]}}", 0,
                  "{\"data\":{}}{\"data\":{\"attachments\":[{\"name\":\"a.txt\"," FILLED "}]}}",
                  1 },
                { "nobody names it", "{\"data\":{}}{\"data\":{}}", -ENOTUNIQ, NULL, 0 },
                { "no data to put it into", "{}", -EINVAL, NULL, 0 },
                { "a list that is none", "{\"data\":{\"attachments\":7}}", -EINVAL, NULL, 0 },
                { "another digest",
                  "{\"data\":{\"attachments\":[{\"name\":\"a.txt\",\"sha256\":\"00\"}]}}", -ESTALE,
                  NULL, 0 },
                { "another size", "{\"data\":{\"attachments\":[{\"name\":\"a.txt\",\"size\":6}]}}",
                  -ESTALE, NULL, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct emit_attachments attachments = { 0 };
                struct emit_messages messages = { 0 };
                struct buf problem = { 0 }, written = { 0 };
                size_t n_frames = 0;

                print_message("%s\n", rows[i].story);
                assert_int_equal(attachments_add(&attachments, file("a.txt", "hello")), 0);
                assert_int_equal(input_split("f", rows[i].text, strlen(rows[i].text), true,
                                             &messages, &problem),
                                 0);
                assert_int_equal(attachments_fill(&attachments, &messages, &problem),
                                 rows[i].result);
                if (rows[i].result < 0) {
                        assert_true(problem.len > 0); /* people are told why */
                } else {
                        for (size_t k = 0; k < messages.n; k++) {
                                buf_str(&written, messages.list[k].bytes);
                                n_frames += messages.list[k].n_attached;
                        }
                        assert_string_equal(buf_text(&written), rows[i].written);
                        assert_int_equal(n_frames, rows[i].n_frames);
                }
                buf_done(&written);
                buf_done(&problem);
                messages_done(&messages);
                attachments_done(&attachments);
        }
}

static void a_file_that_cannot_be_meant_is_not_taken(void **state) {
        struct emit_attachments attachments = { 0 };

        (void) state;
        assert_int_equal(attachments_add(&attachments, file("a.txt", "x")), 0);
        assert_int_equal(attachments_add(&attachments, file("a.txt", "x")), -EEXIST);
        attachments_done(&attachments);
        assert_int_equal(attachments_add(&attachments, "/no/such/file"), -ENOENT);
        attachments_done(&attachments);
        assert_int_equal(attachments_add(&attachments, "/"), -EISDIR);
        assert_int_equal(attachments_add(&attachments, folder), -EISDIR);
        attachments_done(&attachments);
}

static void the_type_follows_from_the_ending(void **state) {
        static const struct {
                const char *name, *media_type;
        } rows[] = {
                { "a.pdf", "application/pdf" },
                { "名单.PDF", "application/pdf" },
                { "a.b.ofd", "application/ofd" },
                { "a.wps", "application/wps-office.wps" },
                { "a.jpeg", "image/jpeg" },
                { "a.unknown", "application/octet-stream" },
                { "pdf", "application/octet-stream" },
                { "a.", "application/octet-stream" },
                { "", "application/octet-stream" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("'%s'\n", rows[i].name);
                assert_string_equal(media_type_of(rows[i].name), rows[i].media_type);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(files_are_filled_in_where_they_are_named),
                cmocka_unit_test(a_file_that_cannot_be_meant_is_not_taken),
                cmocka_unit_test(the_type_follows_from_the_ending),
        };
        char path[128];
        int failed;

        if (!mkdtemp(folder))
                return 1;
        failed = cmocka_run_group_tests_name("emit_attach", tests, NULL, NULL);
        (void) snprintf(path, sizeof(path), "%s/a.txt", folder);
        (void) unlink(path);
        (void) rmdir(folder);
        return failed;
}
