#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/resolve.h"

struct heard {
        unsigned times;
        char address[64];
        unsigned port;
        char error[300];
        sd_event *event;
};

static void hear(const struct sockaddr *address, socklen_t n, const char *error, void *userdata) {
        struct heard *heard = userdata;

        heard->times++;
        if (error)
                (void) snprintf(heard->error, sizeof(heard->error), "%s", error);
        else if (address->sa_family == AF_INET) {
                const struct sockaddr_in *in = (const struct sockaddr_in *) address;

                assert_int_equal(n, sizeof(*in));
                (void) inet_ntop(AF_INET, &in->sin_addr, heard->address, sizeof(heard->address));
                heard->port = ntohs(in->sin_port);
        } else {
                const struct sockaddr_in6 *in = (const struct sockaddr_in6 *) address;

                (void) inet_ntop(AF_INET6, &in->sin6_addr, heard->address, sizeof(heard->address));
                heard->port = ntohs(in->sin6_port);
        }
        assert_true(sd_event_exit(heard->event, 0) >= 0);
}

static void a_name_or_an_address_gives_an_address(void **state) {
        static const struct {
                const char *host, *expected, *or;
        } rows[] = {
                { "127.0.0.1", "127.0.0.1", NULL },
                { "::1", "::1", NULL },
                { "localhost", "127.0.0.1", "::1" },
                { "no-such-host.invalid", NULL, NULL },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct heard heard = { 0 };
                struct resolver *resolver;
                struct query *query;

                assert_true(sd_event_new(&heard.event) >= 0);
                assert_int_equal(resolver_new(heard.event, &resolver), 0);
                assert_int_equal(resolver_ask(resolver, rows[i].host, 5005, 5000, hear, &heard, &query), 0);
                assert_int_equal(sd_event_loop(heard.event), 0);
                assert_int_equal(heard.times, 1);
                if (!rows[i].expected)
                        assert_true(heard.error[0]);
                else {
                        assert_true(strcmp(heard.address, rows[i].expected) == 0 ||
                                    (rows[i].or && strcmp(heard.address, rows[i].or) == 0));
                        assert_int_equal(heard.port, 5005);
                }
                resolver = resolver_free(resolver);
                (void) sd_event_unref(heard.event);
        }
}

static void what_is_called_off_is_not_heard_of(void **state) {
        struct heard heard = { 0 };
        struct resolver *resolver;
        struct query *query;

        (void) state;
        assert_true(sd_event_new(&heard.event) >= 0);
        assert_int_equal(resolver_new(heard.event, &resolver), 0);
        assert_int_equal(resolver_ask(resolver, "localhost", 1, 5000, hear, &heard, &query), 0);
        resolver_cancel(query);
        assert_int_equal(resolver_ask(resolver, "localhost", 1, 5000, hear, &heard, &query), 0);
        resolver = resolver_free(resolver);
        while (sd_event_run(heard.event, 100000) > 0)
                ;
        assert_int_equal(heard.times, 0);
        (void) sd_event_unref(heard.event);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_name_or_an_address_gives_an_address),
                cmocka_unit_test(what_is_called_off_is_not_heard_of),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
