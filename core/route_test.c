#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/memory.h"

static char *unknown_names;

static void on_unknown(const char *name, void *userdata) {
        char *joined = NULL;

        assert_int_equal(*(int *) userdata, 42);
        assert_true(asprintf(&joined, "%s%s;", unknown_names ? unknown_names : "", name) > 0);
        free(unknown_names);
        unknown_names = joined;
}

static void a_document_goes_where_the_catalogue_and_the_emitter_say(void **state) {
        static const struct {
                const char *story, *region, *demand, *channels, *carriers, *goes_to, *unknown;
        } rows[] = {
                { "a carrier by its name", "530581", "政府网站", NULL, NULL, "portal ", "" },
                { "the box serves what is in it", "530581", "两微一端", NULL, NULL,
                  "wechat weibo ", "" },
                { "who serves the box serves each of it", "530626", "政务微信", NULL, NULL, "media ",
                  "" },
                { "but a sister is no sister's stand-in", "530581", "政务微信", NULL, NULL, "wechat ",
                  "" },
                { "a channel of another region is none", "530626", "政府网站", NULL, NULL, "", "" },
                { "what is switched off shows nothing", "530581", "短信", NULL, NULL, "", "" },
                { "nothing demanded", "530581", NULL, NULL, NULL, "", "" },
                { "a wish by channel adds", "530581", "政府网站", "[\"hook\", \"portal\"]", NULL,
                  "hook portal ", "" },
                { "a wish by carrier adds", "530581", "政府网站", NULL, "[\"微博\"]",
                  "portal weibo ", "" },
                { "wishes that nobody can fill are named", "530581", NULL,
                  "[\"fax\", \"sms\", \"media\", 7]", "[\"飞鸽\", \"短信\", null]", "",
                  "飞鸽;短信;fax;sms;media;" },
        };
        static struct channel_config channels_of_county[] = {
                { .name = (char *) "hook", .enabled = true },
                { .name = (char *) "media", .enabled = true },
                { .name = (char *) "portal", .enabled = true },
                { .name = (char *) "sms", .enabled = false },
                { .name = (char *) "wechat", .enabled = true },
                { .name = (char *) "weibo", .enabled = true },
        };
        static const char *const serves[][2] = {
                { NULL, NULL },         { "政务新媒体", "530626" }, { "政府网站", "530581" },
                { "短信", NULL },       { "政务微信", "530581" },   { "政务微博", "530581" },
        };
        struct configuration c = { .channels = channels_of_county,
                                   .n_channels = ELEMENTS(channels_of_county) };
        char *regions[ELEMENTS(serves)];
        int mark = 42;

        for (size_t i = 0; i < ELEMENTS(serves); i++) {
                regions[i] = (char *) serves[i][1];
                if (serves[i][0])
                        c.channels[i].carrier_bits = UINT64_C(1) << carrier_find(serves[i][0]);
                if (serves[i][1])
                        c.channels[i].regions = (struct string_list) { regions + i, 1 };
        }
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *channels = rows[i].channels ? json_loads(rows[i].channels, 0, NULL) : NULL;
                json_t *wished = rows[i].carriers ? json_loads(rows[i].carriers, 0, NULL) : NULL;
                uint64_t demand = rows[i].demand ? UINT64_C(1) << carrier_find(rows[i].demand) : 0;
                size_t chosen[8], n;
                char goes_to[128] = "";

                print_message("%s\n", rows[i].story);
                free(unknown_names);
                unknown_names = strdup("");
                n = route(&c, rows[i].region, demand, channels, wished, on_unknown, &mark,
                          chosen);
                for (size_t j = 0; j < n; j++)
                        (void) snprintf(goes_to + strlen(goes_to),
                                        sizeof(goes_to) - strlen(goes_to), "%s ",
                                        c.channels[chosen[j]].name);
                assert_string_equal(goes_to, rows[i].goes_to);
                assert_string_equal(unknown_names, rows[i].unknown);
                json_decref(channels);
                json_decref(wished);
        }
        free(unknown_names);
        unknown_names = NULL;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_document_goes_where_the_catalogue_and_the_emitter_say),
        };

        return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
