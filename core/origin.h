/* Where a web address leads: scheme, host and port, as libcurl reads it, so that nothing is checked
 * in one reading and fetched in another. */
#ifndef CORE_ORIGIN_H
#define CORE_ORIGIN_H

#include <stdbool.h>

#include "core/settings.h"

struct origin {
        char *scheme, *host; /* lower case; an IPv4 address in its plain spelling, IPv6 in brackets */
        unsigned port;
};

/* -EINVAL: no http or https address, or one with a user's name in it. -ENOMEM. */
int origin_of_url(const char *url, struct origin *ret);
/* What a configuration file says: "oa.example.gov.cn", "10.0.0.5:8443", "[2001:db8::1]"; https, and
 * http only where it begins so: "http://oa.example.gov.cn:8080". Nothing behind the port. */
int origin_of_entry(const char *entry, struct origin *ret);
void origin_done(struct origin *origin);

/* Whether one of the entries is the address' origin: scheme, host and port alike. */
bool origin_is_listed(const struct string_list *entries, const struct origin *origin);
/* Whether the host is an address and no name. */
bool origin_is_address(const struct origin *origin);
/* "10.0.0.5:8443"; the port only where the scheme alone does not tell it; to be freed. */
char *origin_text(const struct origin *origin);

#endif
