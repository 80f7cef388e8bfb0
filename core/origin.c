#include "core/origin.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/network.h"

static void url_freep(CURLU **url) {
        curl_url_cleanup(*url);
}

static char *part_of(CURLU *url, CURLUPart what, unsigned flags) {
        char *part = NULL, *copy;

        if (curl_url_get(url, what, &part, flags) != CURLUE_OK)
                return NULL;
        copy = strdup(part);
        curl_free(part);
        for (char *at = copy; at && *at; at++)
                *at = (char) tolower((unsigned char) *at);
        return copy;
}

static bool has(CURLU *url, CURLUPart what) {
        char *part = NULL;
        bool there = curl_url_get(url, what, &part, 0) == CURLUE_OK;

        curl_free(part);
        return there;
}

int origin_of_url(const char *text, struct origin *ret) {
        CURLU *url freed_by(url_freep) = curl_url();
        struct origin origin freed_by(origin_done) = { 0 };
        char *port freed_by(freep) = NULL;
        CURLUcode r;

        if (!url)
                return -ENOMEM;
        r = curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER);
        if (r != CURLUE_OK)
                return r == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
        if (has(url, CURLUPART_USER) || has(url, CURLUPART_PASSWORD) || has(url, CURLUPART_ZONEID))
                return -EINVAL;
        origin.scheme = part_of(url, CURLUPART_SCHEME, 0);
        origin.host = part_of(url, CURLUPART_HOST, 0);
        port = part_of(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
        if (!origin.scheme || !origin.host || !port || !*origin.host ||
            (strcmp(origin.scheme, "http") != 0 && strcmp(origin.scheme, "https") != 0) ||
            sscanf(port, "%u", &origin.port) != 1 || origin.port < 1 || origin.port > 65535)
                return -EINVAL;
        *ret = origin;
        origin = (struct origin) { 0 };
        return 0;
}

int origin_of_entry(const char *entry, struct origin *ret) {
        static const char http[] = "http://";
        bool plain = strncmp(entry, http, sizeof(http) - 1) == 0;
        const char *host = plain ? entry + sizeof(http) - 1 : entry;
        char *url freed_by(freep) = NULL;
        size_t n = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]");

        if (n == 0 || host[n] || n > 260)
                return -EINVAL;
        if (asprintf(&url, "%s%s/", plain ? http : "https://", host) < 0) {
                url = NULL;
                return -ENOMEM;
        }
        /* "host:" would be the host alone to libcurl: a port was meant. */
        return host[n - 1] == ':' ? -EINVAL : origin_of_url(url, ret);
}

void origin_done(struct origin *origin) {
        free(origin->scheme);
        free(origin->host);
}

bool origin_is_listed(const struct string_list *entries, const struct origin *origin) {
        for (size_t i = 0; i < entries->n; i++) {
                struct origin listed freed_by(origin_done) = { 0 };

                if (origin_of_entry(entries->items[i], &listed) == 0 &&
                    listed.port == origin->port && strcmp(listed.scheme, origin->scheme) == 0 &&
                    strcmp(listed.host, origin->host) == 0)
                        return true;
        }
        return false;
}

bool origin_is_address(const struct origin *origin) {
        struct network network;

        return origin->host[0] == '[' || network_parse(origin->host, &network) == 0;
}

char *origin_text(const struct origin *origin) {
        unsigned usual = strcmp(origin->scheme, "http") == 0 ? 80 : 443;
        char *text;
        int n = origin->port == usual ? asprintf(&text, "%s", origin->host)
                                      : asprintf(&text, "%s:%u", origin->host, origin->port);

        return n < 0 ? NULL : text;
}
