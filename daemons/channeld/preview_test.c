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

#include "core/files.h"
#include "core/memory.h"
#include "daemons/channeld/channeld.h"
#include "daemons/channeld/options.h"

/* -- a carrier of many steps: a token, a look into the book, a draft, its publication ------------------ */

static bool knows_the_draft; /* whether rehearse() has an answer to it */

static int http(struct step *ret, const char *method, const char *url, const char *type,
                const char *body, const char *memo) {
        struct buf texts = { 0 };

        *ret = (struct step) { .kind = STEP_HTTP, .memo = memo ? json_pack("{s:s}", "at", memo) : NULL };
        ret->http.method = method;
        ret->http.url = strdup(url);
        buf_str(&ret->http.body, body);
        buf_fmt(&texts, "Content-Type: %s", type);
        buf_char(&texts, '\0');
        buf_str(&texts, "Authorization: Basic d3g6czNjcjN0LWtleQ==");
        buf_char(&texts, '\0');
        return http_request_set_headers(&ret->http, &texts) == 0 ? (buf_done(&texts), 0) : -1;
}

static int many_account_begin(const struct delivery *delivery, struct step *ret) {
        struct buf body = { 0 };
        int r;

        buf_fmt(&body, "{\"secret\":\"%s\"}", delivery->secret);
        r = http(ret, "POST", "https://api.example/token", "application/json", buf_text(&body), NULL);
        buf_done(&body);
        return r;
}

static int many_account_next(const struct delivery *delivery, const struct reply *reply,
                             struct step *ret) {
        int r = step_done_verdict(ret, NULL, NULL);

        (void) delivery;
        ret->account = json_loadb(reply->http.body, reply->http.n_body, 0, NULL);
        return r;
}

static int many_begin(const struct delivery *delivery, struct step *ret) {
        *ret = (struct step) { .kind = STEP_ACCOUNT, .need.version = delivery->account_version };
        return 0;
}

static int many_next(const struct delivery *delivery, const struct reply *reply, struct step *ret) {
        const char *at = json_string_value(json_object_get(delivery->memo, "at"));

        if (reply->kind == STEP_ACCOUNT) {
                assert_string_equal(json_string_value(json_object_get(delivery->account, "token")),
                                    "made-up-token");
                *ret = (struct step) { .kind = STEP_BOOK };
                ret->book.spend = json_pack("[{s:s, s:i, s:i}]", "name", "calls", "amount", 1, "limit", 9);
                return 0;
        }
        if (reply->kind == STEP_BOOK) {
                assert_true(reply->book.spent);
                return http(ret, "POST", "https://api.example/draft", "application/json",
                            "{\"articles\":[{\"content\":\"<p>正文</p>\",\"title\":\"标题\"}]}", "draft");
        }
        if (strcmp(at, "draft") == 0)
                return http(ret, "POST", "https://api.example/send",
                            "application/x-www-form-urlencoded",
                            "status=%E5%85%AC%E5%BC%80+%E7%AC%AC%201&key=s3cr3t-key", "send");
        return step_done_verdict(ret, "77", "https://w.example/77");
}

static bool many_rehearse(const struct step *request, struct reply *ret) {
        static const char token[] = "{\"token\":\"made-up-token\"}";

        ret->http = (struct http_reply) { .status = 200, .body = token, .n_body = strlen(token) };
        return knows_the_draft || strstr(request->http.url, "/token");
}

static const struct driver many = {
        .name = "many", .begin = many_begin, .next = many_next, .rehearse = many_rehearse,
        .account_begin = many_account_begin, .account_next = many_account_next,
};

/* -- what is printed ------------------------------------------------------------------------------------ */

static char folder[64];

static int begin(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/gongkai-preview-XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static char *preview(const char *out, int wanted) {
        struct configuration configuration = { .main.folder = folder };
        char secret[] = "s3cr3t-key", path[96];
        struct channeld daemon = { .configuration = &configuration, .driver = &many, .secret = secret };
        struct delivery delivery = { .secret = secret };
        int before = dup(STDOUT_FILENO);
        char *said;

        (void) snprintf(path, sizeof(path), "%s.said", folder);
        (void) fflush(stdout);
        assert_non_null(freopen(path, "w", stdout));
        assert_int_equal(preview_follow(&daemon, &delivery, out), wanted);
        (void) fflush(stdout);
        assert_true(dup2(before, STDOUT_FILENO) >= 0);
        (void) close(before);
        assert_int_equal(file_read(path, 1 << 20, &said, NULL), 0);
        (void) unlink(path);
        return said;
}

static void assert_order(const char *said, const char *const *words) {
        const char *at = said;

        for (; *words; words++) {
                const char *found = strstr(at, *words);

                if (!found)
                        print_error("not (or not here): %s\nin\n%s\n", *words, said);
                assert_non_null(found);
                at = found;
        }
}

static void every_step_is_shown_as_if_the_carrier_answered_well(void **state) {
        static const char *const words[] = {
                "要先有访问凭证", "第 1 步，发给 api.example", "POST https://api.example/token",
                "Authorization: Basic ******", "\"secret\": \"******\"", "假定对方答：HTTP 200",
                "第 2 步，在渠道的记录簿里查对、登记：calls", "第 3 步", "\"content\": \"<p>正文</p>\"",
                "第 4 步", "status = 公开 第 1\nkey = ******", "已发布 https://w.example/77", NULL,
        };
        char *said;

        (void) state;
        knows_the_draft = true;
        said = preview(NULL, 0);
        assert_order(said, words);
        assert_null(strstr(said, "s3cr3t"));
        assert_null(strstr(said, "d3g6"));
        free(said);
}

static void where_nobody_knows_the_answer_it_says_so_and_ends(void **state) {
        static const char *const words[] = { "第 3 步", "要看对方的答复", NULL };
        char *said;

        (void) state;
        knows_the_draft = false;
        said = preview(NULL, 0);
        assert_order(said, words);
        assert_null(strstr(said, "第 4 步"));
        free(said);
}

static void requests_and_pages_go_into_a_folder(void **state) {
        char out[96], path[160], *said, *page;

        (void) state;
        knows_the_draft = true;
        (void) snprintf(out, sizeof(out), "%s/out", folder);
        said = preview(out, 0);
        assert_non_null(strstr(said, "step-3-page-1.html"));
        free(said);
        (void) snprintf(path, sizeof(path), "%s/step-3-page-1.html", out);
        assert_int_equal(file_read(path, 4096, &page, NULL), 0);
        assert_non_null(strstr(page, "<meta charset=\"utf-8\">\n<p>正文</p>"));
        free(page);
        (void) snprintf(path, sizeof(path), "%s/step-1.txt", out);
        assert_int_equal(file_read(path, 4096, &page, NULL), 0);
        assert_null(strstr(page, "s3cr3t"));
        free(page);
        said = preview(out, -ENOTEMPTY); /* what an earlier one wrote is not mixed with this one's */
        assert_non_null(strstr(said, "请给一个新的文件夹"));
        free(said);
}

/* `channel add` asks for one option after the other. */
static void every_driver_checks_what_is_only_half_written(void **state) {
        (void) state;
        for (size_t i = 0; drivers[i]; i++) {
                struct problems none = { 0 }, problems = { 0 };
                char name[] = "new";
                struct channel_config channel = { .name = name, .path = name };
                void *options = NULL;

                assert_int_equal(conf_parse("new.conf", "", 0, &none, &channel.conf), 0);
                assert_int_equal(options_read(drivers[i], &channel, &options, &problems), 0);
                options_free(drivers[i], options);
                (void) conf_free(channel.conf);
                problems_done(&problems);
                problems_done(&none);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_step_is_shown_as_if_the_carrier_answered_well),
                cmocka_unit_test(where_nobody_knows_the_answer_it_says_so_and_ends),
                cmocka_unit_test(requests_and_pages_go_into_a_folder),
                cmocka_unit_test(every_driver_checks_what_is_only_half_written),
        };

        return cmocka_run_group_tests(tests, begin, NULL);
}
