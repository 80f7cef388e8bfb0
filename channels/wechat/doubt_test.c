/* A small platform that keeps drafts and articles, and faults at every request of a story: whatever
 * is lost, and wherever the process dies, there is one article in the end. */
#include "channels/wechat/fixture.h"

enum { MOST = 40, CONTENT = 4000 };

enum fault {
        LOSES_REQUEST,
        LOSES_REPLY,
        DIES_BEFORE,
        DIES_AFTER,
        GARBLES,
        REFUSES_CONNECTION,
        N_FAULTS,
        NO_FAULT
};

struct platform {
        char drafts[MOST][CONTENT], articles[MOST][CONTENT]; /* "" where there is none */
        char client[MOST][40];                               /* of a push: its clientmsgid */
        size_t n_drafts, n_articles;
        size_t n_requests, fault_at; /* from 1; 0: none */
        enum fault fault, second;    /* at the request after it */
        char reply[3 * CONTENT];
};

static size_t standing(const struct platform *platform) {
        size_t n = 0;

        for (size_t i = 0; i < platform->n_articles; i++)
                n += platform->articles[i][0] != '\0';
        return n;
}

static size_t number_in(const json_t *body, const char *key) {
        const char *text = wechat_text(body, key);

        if (json_is_integer(json_object_get(body, key)))
                return (size_t) wechat_number(body, key);
        return *text ? strtoul(text + strcspn(text, "0123456789"), NULL, 10) : MOST;
}

static void publish_draft(struct platform *platform, const json_t *body, bool push) {
        size_t i = number_in(push ? json_object_get(body, "mpnews") : body, "media_id");
        const char *client = wechat_text(body, "clientmsgid");

        for (size_t k = 0; push && k < platform->n_articles; k++)
                if (strcmp(platform->client[k], client) == 0) {
                        (void) snprintf(platform->reply, sizeof(platform->reply),
                                        "{\"errcode\":45065,\"errmsg\":\"clientmsgid "
                                        "exist\",\"msg_id\":%zu}",
                                        k);
                        return;
                }
        if (i >= platform->n_drafts || !platform->drafts[i][0]) {
                (void) snprintf(platform->reply, sizeof(platform->reply), "{\"errcode\":40007}");
                return;
        }
        memcpy(platform->articles[platform->n_articles], platform->drafts[i], CONTENT);
        (void) snprintf(platform->client[platform->n_articles], 40, "%s", client);
        platform->drafts[i][0] = '\0';
        (void) snprintf(platform->reply, sizeof(platform->reply), "{\"errcode\":0,\"%s\":%zu}",
                        push ? "msg_id" : "publish_id", platform->n_articles++);
}

static void list_articles(struct platform *platform) {
        json_t *items = json_array(), *list;
        char *text;

        for (size_t i = platform->n_articles; i-- > 0;)
                if (platform->articles[i][0] && !platform->client[i][0]) {
                        char id[24];

                        (void) snprintf(id, sizeof(id), "A%zu", i);
                        (void) json_array_append_new(
                                items, json_pack("{s:s, s:{s:[{s:s, s:s}]}}", "article_id", id,
                                                 "content", "news_item", "content",
                                                 platform->articles[i], "url", "http://found"));
                }
        list = json_pack("{s:i, s:o}", "total_count", (int) json_array_size(items), "item", items);
        text = json_dumps(list, JSON_COMPACT);
        (void) snprintf(platform->reply, sizeof(platform->reply), "%s", text);
        free(text);
        json_decref(list);
}

static void effect(struct platform *platform, const char *url, const json_t *body) {
        const char *content =
                wechat_text(json_array_get(json_object_get(body, "articles"), 0), "content");
        size_t i;

        (void) snprintf(platform->reply, sizeof(platform->reply), OK);
        if (strstr(url, "stable_token")) {
                (void) snprintf(platform->reply, sizeof(platform->reply), TOKEN);
        } else if (strstr(url, "draft/add")) {
                (void) snprintf(platform->drafts[platform->n_drafts], CONTENT, "%s", content);
                (void) snprintf(platform->reply, sizeof(platform->reply), "{\"media_id\":\"M%zu\"}",
                                platform->n_drafts++);
        } else if (strstr(url, "draft/get") || strstr(url, "draft/delete")) {
                i = number_in(body, "media_id");
                if (i >= platform->n_drafts || !platform->drafts[i][0])
                        (void) snprintf(platform->reply, sizeof(platform->reply),
                                        "{\"errcode\":40007}");
                else if (strstr(url, "delete"))
                        platform->drafts[i][0] = '\0';
        } else if (strstr(url, "freepublish/submit") || strstr(url, "mass/sendall")) {
                publish_draft(platform, body, strstr(url, "mass") != NULL);
        } else if (strstr(url, "freepublish/get?")) {
                (void) snprintf(platform->reply, sizeof(platform->reply),
                                "{\"publish_status\":0,\"article_id\":\"A%zu\"}",
                                number_in(body, "publish_id"));
        } else if (strstr(url, "mass/get")) {
                (void) snprintf(platform->reply, sizeof(platform->reply),
                                "{\"msg_status\":\"SEND_SUCCESS\"}");
        } else if (strstr(url, "batchget")) {
                list_articles(platform);
        } else if (strstr(url, "/delete")) {
                i = number_in(body, strstr(url, "mass") ? "msg_id" : "article_id");
                assert_true(i < platform->n_articles);
                if (!platform->articles[i][0])
                        (void) snprintf(platform->reply, sizeof(platform->reply),
                                        "{\"errcode\":53600}");
                platform->articles[i][0] = '\0';
        }
}

static bool play(struct world *world, const struct http_request *http, struct http_reply *ret) {
        struct platform *platform = world->platform;
        bool second = ++platform->n_requests == platform->fault_at + 1 &&
                      platform->second != NO_FAULT && platform->fault_at;
        bool here = platform->n_requests == platform->fault_at || second;
        enum fault fault = second ? platform->second : platform->fault;
        json_t *body = json_loadb(buf_text(&http->body), http->body.len, 0, NULL);

        if (!here || fault == LOSES_REPLY || fault == DIES_AFTER || fault == GARBLES)
                effect(platform, http->url, body);
        json_decref(body);
        *ret = (struct http_reply) { .status = 200,
                                    .body = platform->reply,
                                    .n_body = strlen(platform->reply),
                                    .sent = true };
        if (!here)
                return true;
        if (fault == GARBLES)
                *ret = (struct http_reply) {
                        .status = 502, .body = "<html>", .n_body = 6, .sent = true
                };
        else
                *ret = (struct http_reply) { .error = "gone", .sent = fault != REFUSES_CONNECTION };
        return fault != DIES_BEFORE && fault != DIES_AFTER;
}

/* Attempts until it is done, a few minutes apart. */
static void until_done(struct world *world) {
        for (int i = 0; i < 12; i++) {
                const struct verdict *verdict = world_run(world, NULL);

                if (verdict && verdict->kind == VERDICT_DONE) {
                        world->delivery.reference = world->step.verdict.reference
                                                            ? strdup(world->step.verdict.reference)
                                                            : NULL;
                        return;
                }
                if (verdict &&
                    (verdict->kind == VERDICT_REFUSED || verdict->kind == VERDICT_BLOCKED)) {
                        print_message("%s\n", verdict->sentence);
                        fail();
                }
                world->delivery.now_ms += MINUTES(6);
        }
        fail();
}

static void done_with(struct world *world) {
        free((char *) world->delivery.reference);
        world->delivery.reference = NULL;
}

static void assert_shows(const struct world *world, const struct platform *platform) {
        char mark[19];

        wechat_mark(&world->delivery, mark);
        assert_int_equal(standing(platform), 1);
        for (size_t i = 0; i < platform->n_articles; i++)
                if (platform->articles[i][0])
                        assert_non_null(strstr(platform->articles[i], mark));
}

/* Where the first delivery is overtaken: not at all, by a revision, by a withdrawal. */
static void story(bool push, int overtaken, size_t fault_at, enum fault fault, enum fault second,
                  size_t *ret_requests) {
        struct platform platform = { .fault_at = fault_at, .fault = fault, .second = second };
        struct world world;

        world_init(&world, "{}");
        world.options.push = push;
        world.play = play;
        world.platform = &platform;
        if (overtaken) {
                (void) world_run(&world, NULL);
                world.delivery.now_ms += 1000;
        } else {
                until_done(&world);
                assert_shows(&world, &platform);
                world.delivery.first_shown_ms = world.delivery.now_ms;
        }
        if (overtaken < 2) {
                const char *before = world.delivery.reference;

                world_part(&world, DELIVER_PUBLISH, "8", 8);
                until_done(&world);
                free((char *) before);
                assert_shows(&world, &platform);
        }
        world_part(&world, DELIVER_WITHDRAW, "8w", 8);
        {
                const char *before = world.delivery.reference;

                until_done(&world);
                free((char *) before);
        }
        assert_int_equal(standing(&platform), 0);
        *ret_requests = platform.n_requests;
        done_with(&world);
        world_done(&world);
}

static void stories(bool push, int overtaken, enum fault fault, enum fault second,
                    size_t *n_stories) {
        size_t most = 0, n;

        story(push, overtaken, 0, fault, NO_FAULT, &most);
        /* What mends a fault takes requests of its own. */
        for (size_t at = 1; at <= most + 3; at++) {
                story(push, overtaken, at, fault, second, &n);
                ++*n_stories;
        }
}

static void whatever_is_lost_one_article_stands_and_a_withdrawal_leaves_none(void **state) {
        static const enum fault seconds[] = { NO_FAULT, LOSES_REPLY, DIES_AFTER };
        size_t n = 0;

        (void) state;
        for (int push = 0; push < 2; push++)
                for (int overtaken = 0; overtaken < 3; overtaken++)
                        for (enum fault fault = 0; fault < N_FAULTS; fault++)
                                for (size_t i = 0; i < ELEMENTS(seconds); i++) {
                                        print_message("push %d, overtaken %d, fault %d, then %d\n",
                                                      push, overtaken, (int) fault,
                                                      (int) seconds[i]);
                                        stories(push == 1, overtaken, fault, seconds[i], &n);
                                }
        print_message("%zu stories\n", n);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whatever_is_lost_one_article_stands_and_a_withdrawal_leaves_none),
        };

        return cmocka_run_group_tests_name("wechat: doubt", tests, NULL, NULL);
}
