#include "core/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/memory.h"

union any_address {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
};

static const struct sockaddr *address_of(const char *text, union any_address *ret) {
        memset(ret, 0, sizeof(*ret));
        if (strchr(text, ':')) {
                ret->six.sin6_family = AF_INET6;
                assert_int_equal(inet_pton(AF_INET6, text, &ret->six.sin6_addr), 1);
        } else {
                ret->four.sin_family = AF_INET;
                assert_int_equal(inet_pton(AF_INET, text, &ret->four.sin_addr), 1);
        }
        return &ret->any;
}

static void only_addresses_of_the_internet_are_public(void **state) {
        static const struct {
                const char *address;
                bool is_public;
        } rows[] = {
                /* the last before and the first after each closed network are open, its ends are not */
                { "0.0.0.0", false }, { "0.255.255.255", false }, { "1.0.0.0", true },
                { "9.255.255.255", true }, { "10.0.0.0", false }, { "10.255.255.255", false },
                { "11.0.0.0", true }, { "100.63.255.255", true }, { "100.64.0.0", false },
                { "100.127.255.255", false }, { "100.128.0.0", true }, { "126.255.255.255", true },
                { "127.0.0.0", false }, { "127.0.0.1", false }, { "127.255.255.255", false },
                { "128.0.0.0", true }, { "169.253.255.255", true }, { "169.254.0.0", false },
                { "169.254.169.254", false }, { "169.254.255.255", false }, { "169.255.0.0", true },
                { "172.15.255.255", true }, { "172.16.0.0", false }, { "172.31.255.255", false },
                { "172.32.0.0", true }, { "191.255.255.255", true }, { "192.0.0.0", false },
                { "192.0.0.255", false }, { "192.0.1.0", true }, { "192.0.2.1", false },
                { "192.0.3.0", true }, { "192.31.196.1", false }, { "192.52.193.1", false },
                { "192.88.98.255", true }, { "192.88.99.1", false }, { "192.88.100.0", true },
                { "192.167.255.255", true }, { "192.168.0.0", false }, { "192.168.255.255", false },
                { "192.169.0.0", true }, { "192.175.48.6", false }, { "198.17.255.255", true },
                { "198.18.0.0", false }, { "198.19.255.255", false }, { "198.20.0.0", true },
                { "198.51.100.7", false }, { "203.0.112.255", true }, { "203.0.113.0", false },
                { "203.0.114.0", true }, { "223.255.255.255", true }, { "224.0.0.1", false },
                { "239.255.255.250", false }, { "240.0.0.1", false }, { "255.255.255.255", false },
                { "114.114.114.114", true }, { "218.6.145.111", true },
                /* IPv6 */
                { "::", false }, { "::1", false }, { "::127.0.0.1", false },
                { "::ffff:127.0.0.1", false }, { "::ffff:114.114.114.114", false },
                { "::ffff:0:114.114.114.114", false }, { "64:ff9b::10.0.0.1", false },
                { "64:ff9b::114.114.114.114", false }, { "64:ff9b:1::1", false }, { "100::1", false },
                { "1fff:ffff::1", false }, { "2000::1", true }, { "2001::1", false },
                { "2001:2::1", false }, { "2001:20::1", false }, { "2001:1ff::1", false },
                { "2001:200::1", true }, { "2001:da8:8000:1:202:120:2:101", true },
                { "2001:db7:ffff::1", true }, { "2001:db8::1", false }, { "2001:db9::1", true },
                { "2002:7f00:1::1", false }, { "2002:a00:1::1", false }, { "2003::1", true },
                { "2400:3200::1", true }, { "2408:8000::1", true }, { "2620:4f:8000::1", false },
                { "2620:4f:8001::1", true }, { "3ffe::1", false }, { "3fff::1", false },
                { "3fff:1000::1", true }, { "4000::1", false }, { "5f00::1", false },
                { "fc00::1", false }, { "fd12:3456:789a::1", false }, { "fe00::1", false },
                { "fe80::1", false }, { "febf::1", false }, { "fec0::1", false }, { "ff02::1", false },
                { "ff0e::1", false }, { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false },
        };
        union any_address address;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                if (address_is_public(address_of(rows[i].address, &address)) != rows[i].is_public)
                        fail_msg("%s", rows[i].address);
        }
}

static void an_address_of_another_family_is_not_public(void **state) {
        struct sockaddr_un local = { .sun_family = AF_UNIX };
        char text[ADDRESS_TEXT];

        (void) state;
        assert_false(address_is_public((const struct sockaddr *) &local));
        assert_string_equal(address_text((const struct sockaddr *) &local, text), "?");
}

static void a_network_is_written_plainly(void **state) {
        static const struct {
                const char *text;
                int family; /* 0: refused */
                unsigned bits;
        } rows[] = {
                { "10.0.0.0/8", AF_INET, 8 },
                { "10.0.0.5", AF_INET, 32 },
                { "192.168.7.128/25", AF_INET, 25 },
                { "0.0.0.0/0", AF_INET, 0 },
                { "fd00::/8", AF_INET6, 8 },
                { "fd00::1", AF_INET6, 128 },
                { "::/0", AF_INET6, 0 },
                { .text = "10.0.0.5/8" },   /* one machine, or all? */
                { .text = "fd00::1/64" },
                { .text = "10.0.0/8" },     /* spellings that programs read in their own ways */
                { .text = "10/8" },
                { .text = "012.0.0.0/8" },
                { .text = "0x0a.0.0.0/8" },
                { .text = "167772160/8" },
                { .text = "10.0.0.0/33" },
                { .text = "fd00::/129" },
                { .text = "10.0.0.0/" },
                { .text = "10.0.0.0/08x" },
                { .text = "10.0.0.0/-8" },
                { .text = "10.0.0.0/8/8" },
                { .text = "10.0.0.0/255.0.0.0" },
                { .text = "10.0.0.0 /8" },
                { .text = "oa.example.gov.cn" },
                { .text = "fe80::1%eth0" },
                { .text = "[::1]" },
                { .text = "" },
                { .text = "/8" },
                { .text = "1111111111111111111111111111111111111111111111111111111111111111111111/8" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct network network = { 0 };
                int r = network_parse(rows[i].text, &network);

                if ((rows[i].family != 0) != (r == 0) || (r < 0 && r != -EINVAL))
                        fail_msg("%s: %d", rows[i].text, r);
                assert_int_equal(network.family, rows[i].family);
                assert_int_equal(network.bits, rows[i].bits);
        }
}

static void a_network_has_its_addresses_and_no_others(void **state) {
        static const struct {
                const char *network, *address;
                bool has;
        } rows[] = {
                { "10.0.0.0/8", "10.255.255.255", true },
                { "10.0.0.0/8", "11.0.0.0", false },
                { "10.0.0.5", "10.0.0.5", true },
                { "10.0.0.5", "10.0.0.4", false },
                { "192.168.7.128/25", "192.168.7.127", false },
                { "192.168.7.128/25", "192.168.7.128", true },
                { "0.0.0.0/0", "1.2.3.4", true },
                { "0.0.0.0/0", "::1", false },
                { "fd00::/8", "fdff::1", true },
                { "fd00::/8", "fc00::1", false },
                { "10.0.0.0/8", "::ffff:10.0.0.1", false },
                { "::/0", "::ffff:10.0.0.1", false }, /* a whole world, but not in disguise */
                { "::ffff:10.0.0.0/104", "::ffff:10.0.0.1", false },
                { "::/0", "2001:db8::1", true },
        };
        union any_address address;
        struct network network;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                assert_int_equal(network_parse(rows[i].network, &network), 0);
                if (network_has(&network, address_of(rows[i].address, &address)) != rows[i].has)
                        fail_msg("%s %s", rows[i].network, rows[i].address);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_addresses_of_the_internet_are_public),
                cmocka_unit_test(an_address_of_another_family_is_not_public),
                cmocka_unit_test(a_network_is_written_plainly),
                cmocka_unit_test(a_network_has_its_addresses_and_no_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
