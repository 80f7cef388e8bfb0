#include "channels/weibo/fixture.h"

#define EVENT "{'title':'停水通告','summary':'明日停水。'}"
#define WORDS "【停水通告】明日停水。 " URL

static void a_picture_goes_along_when_weibo_takes_it(void **state) {
        static const struct {
                const char *story;
                struct attachment attachments[2];
                const char *taken;
        } table[] = {
                { "none", { { 0 } }, NULL },
                { "the cover before the first in the text",
                  { { .media_type = "image/png",
                      .role = "inline",
                      .sha256 = "aa",
                      .size = 9,
                      .here = true },
                    { .media_type = "image/jpeg",
                      .role = "cover",
                      .sha256 = "bb",
                      .size = 9,
                      .here = true } },
                  "bb" },
                { "the first in the text",
                  { { .media_type = "image/gif",
                      .role = "inline",
                      .sha256 = "aa",
                      .size = 9,
                      .here = true },
                    { .media_type = "image/png",
                      .role = "inline",
                      .sha256 = "bb",
                      .size = 9,
                      .here = true } },
                  "aa" },
                { "5 MB is too much",
                  { { .media_type = "image/png",
                      .role = "cover",
                      .sha256 = "aa",
                      .size = 5000000,
                      .here = true } },
                  NULL },
                { "just below",
                  { { .media_type = "image/png",
                      .role = "cover",
                      .sha256 = "aa",
                      .size = 4999999,
                      .here = true } },
                  "aa" },
                { "empty",
                  { { .media_type = "image/png",
                      .role = "cover",
                      .sha256 = "aa",
                      .size = 0,
                      .here = true } },
                  NULL },
                { "not a kind that it takes",
                  { { .media_type = "image/webp",
                      .role = "cover",
                      .sha256 = "aa",
                      .size = 9,
                      .here = true } },
                  NULL },
                { "not with us",
                  { { .media_type = "image/png", .role = "cover", .sha256 = "aa", .size = 9 } },
                  NULL },
                { "an attachment for download",
                  { { .media_type = "image/png",
                      .role = "file",
                      .sha256 = "aa",
                      .size = 9,
                      .here = true } },
                  NULL },
                { "no role",
                  { { .media_type = "image/png", .sha256 = "aa", .size = 9, .here = true } },
                  NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                json_t *event = event_of(EVENT);
                struct delivery delivery = delivery_of(DELIVER_PUBLISH, event);
                struct step step = { 0 };
                json_t *memo;

                print_message("%s\n", table[i].story);
                delivery.attachments = table[i].attachments;
                delivery.n_attachments =
                        table[i].attachments[1].sha256 ? 2 : table[i].attachments[0].sha256 != NULL;
                first_step(&delivery, &memo, &step);
                assert_int_equal(step.http.upload != NULL, table[i].taken != NULL);
                if (table[i].taken)
                        assert_string_equal(step.http.upload, table[i].taken);
                step_done(&step);
                json_decref(memo);
                json_decref(event);
        }
}

static void a_picture_is_a_part_of_a_form(void **state) {
        static const struct attachment cover = {
                .media_type = "image/jpeg",
                .role = "cover",
                .size = 9,
                .here = true,
                .sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        };
        static const char boundary[] = "gongkai-0123456789abcdef0123456789abcdef01234567";
        json_t *event = event_of(EVENT);
        struct delivery delivery = delivery_of(DELIVER_PUBLISH, event);
        struct step step = { 0 };
        json_t *memo;
        char expected[1024], type[128];

        (void) state;
        delivery.attachments = &cover;
        delivery.n_attachments = 1;
        first_step(&delivery, &memo, &step);
        (void) snprintf(type, sizeof(type), "Content-Type: multipart/form-data; boundary=%s",
                        boundary);
        (void) snprintf(
                expected, sizeof(expected),
                "--%s\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n%s\r\n"
                "--%s\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\n%s\r\n"
                "--%s\r\nContent-Disposition: form-data; name=\"rip\"\r\n\r\n203.0.113.7\r\n"
                "--%s\r\nContent-Disposition: form-data; name=\"pic\"; "
                "filename=\"picture.jpeg\"\r\nContent-Type: image/jpeg\r\n\r\n",
                boundary, TOKEN, boundary, WORDS, boundary, boundary);
        assert_string_equal(step.http.headers[0], type);
        assert_string_equal(buf_text(&step.http.body), expected);
        (void) snprintf(expected, sizeof(expected), "\r\n--%s--\r\n", boundary);
        assert_string_equal(buf_text(&step.http.tail), expected);
        step_done(&step);
        json_decref(memo);
        json_decref(event);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_picture_goes_along_when_weibo_takes_it),
                cmocka_unit_test(a_picture_is_a_part_of_a_form),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
