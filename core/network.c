#include "core/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

static bool has_prefix(const uint8_t *bytes, const uint8_t *prefix, unsigned bits) {
        unsigned whole = bits / 8, rest = bits % 8;

        if (memcmp(bytes, prefix, whole) != 0)
                return false;
        return rest == 0 || (bytes[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

int network_parse(const char *text, struct network *ret) {
        static const uint8_t nothing[16];
        struct network network = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
        unsigned width = network.family == AF_INET ? 32 : 128;
        size_t n = strcspn(text, "/");
        uint8_t below[16];
        char address[64];

        if (n >= sizeof(address))
                return -EINVAL;
        memcpy(address, text, n);
        address[n] = '\0';
        if (inet_pton(network.family, address, network.bytes) != 1)
                return -EINVAL;
        network.bits = width;
        if (text[n] == '/') {
                const char *digits = text + n + 1;
                size_t n_digits = strspn(digits, "0123456789");

                if (n_digits == 0 || n_digits > 3 || digits[n_digits] ||
                    sscanf(digits, "%u", &network.bits) != 1 || network.bits > width)
                        return -EINVAL;
        }
        /* 10.0.0.5/8 is a slip of somebody who meant one machine, or all. */
        memcpy(below, network.bytes, sizeof(below));
        for (unsigned i = 0; i < network.bits; i++)
                below[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
        if (memcmp(below, nothing, sizeof(below)) != 0)
                return -EINVAL;
        *ret = network;
        return 0;
}

static const uint8_t *bytes_of(const struct sockaddr *address) {
        if (address->sa_family == AF_INET)
                return (const uint8_t *) &((const struct sockaddr_in *) address)->sin_addr;
        if (address->sa_family == AF_INET6)
                return (const uint8_t *) &((const struct sockaddr_in6 *) address)->sin6_addr;
        return NULL;
}

static bool is_mapped(const struct sockaddr *address) {
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

        return address->sa_family == AF_INET6 && has_prefix(bytes_of(address), mapped, 96);
}

bool network_has(const struct network *network, const struct sockaddr *address) {
        const uint8_t *bytes = bytes_of(address);

        return bytes && address->sa_family == network->family && !is_mapped(address) &&
               has_prefix(bytes, network->bytes, network->bits);
}

bool address_is_public(const struct sockaddr *address) {
        static const struct {
                uint8_t bytes[4];
                unsigned bits;
        } closed4[] = {
                { { 0 }, 8 },              /* this network */
                { { 10 }, 8 },             /* private use */
                { { 100, 64 }, 10 },       /* shared by a provider's customers (CGNAT) */
                { { 127 }, 8 },            /* loopback */
                { { 169, 254 }, 16 },      /* link-local; clouds tell secrets there */
                { { 172, 16 }, 12 },       /* private use */
                { { 192, 0, 0 }, 24 },     /* protocols */
                { { 192, 0, 2 }, 24 },     /* documentation */
                { { 192, 31, 196 }, 24 },  /* AS112: anycast that answers for private names */
                { { 192, 52, 193 }, 24 },  /* AMT */
                { { 192, 88, 99 }, 24 },   /* relays of 6to4 */
                { { 192, 168 }, 16 },      /* private use */
                { { 192, 175, 48 }, 24 },  /* AS112 */
                { { 198, 18 }, 15 },       /* benchmarks */
                { { 198, 51, 100 }, 24 },  /* documentation */
                { { 203, 0, 113 }, 24 },   /* documentation */
                { { 224 }, 4 },            /* multicast */
                { { 240 }, 4 },            /* reserved; 255.255.255.255 */
        };
        /* Of IPv6 only 2000::/3 is given out; what in it is no machine of the internet: */
        static const uint8_t open6[16] = { 0x20 };
        static const struct {
                uint8_t bytes[16];
                unsigned bits;
        } closed6[] = {
                { { 0x20, 0x01 }, 23 },             /* protocols: Teredo, ORCHID, benchmarks */
                { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
                { { 0x20, 0x02 }, 16 },             /* 6to4: any IPv4 address is in it */
                { { 0x26, 0x20, 0x00, 0x4f, 0x80 }, 48 }, /* AS112 */
                { { 0x3f, 0xfe }, 16 },             /* 6bone, given back */
                { { 0x3f, 0xff }, 20 },             /* documentation */
        };
        const uint8_t *bytes = bytes_of(address);

        if (!bytes)
                return false;
        if (address->sa_family == AF_INET) {
                for (size_t i = 0; i < ELEMENTS(closed4); i++)
                        if (has_prefix(bytes, closed4[i].bytes, closed4[i].bits))
                                return false;
                return true;
        }
        for (size_t i = 0; i < ELEMENTS(closed6); i++)
                if (has_prefix(bytes, closed6[i].bytes, closed6[i].bits))
                        return false;
        return has_prefix(bytes, open6, 3);
}

const char *address_text(const struct sockaddr *address, char ret[static ADDRESS_TEXT]) {
        const uint8_t *bytes = bytes_of(address);

        if (!bytes || !inet_ntop(address->sa_family, bytes, ret, ADDRESS_TEXT))
                memcpy(ret, "?", 2);
        return ret;
}
