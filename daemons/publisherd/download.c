/* One attachment by HTTP. The far end is a stranger: what it says is measured against what the event
 * promised while it comes, and where it really is (the socket's address) is looked at before a byte
 * is sent there. */
#include "daemons/publisherd/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/attachments.h"
#include "core/crash.h"
#include "core/memory.h"
#include "core/network.h"
#include "core/unicode.h"

enum {
        CONNECT_MS = 10000,
        LOW_SPEED = 1024, /* bytes a second, over so many seconds */
        LOW_SPEED_SECONDS = 30,
        HEADER_BYTES = 64 << 10, /* of one answer; libcurl has no bound for all of them */
};
/* What the disk must have left besides: the store and the ledger live there too. */
#define SPARE_BYTES ((uint64_t) 256 << 20)

struct download {
        struct publisherd *daemon;
        struct transfers *transfers;
        CURL *easy;
        bool running;
        char *url, *media_type, *host, sha256[DIGEST_TEXT];
        uint64_t size, n_header;
        bool host_is_named_address, head_is_read;
        struct attachment_file *file;
        enum download_end end;
        char *sentence; /* why it will not do; NULL: well so far */
        char closed[ADDRESS_TEXT]; /* an address that it led to and that may not be spoken to */
        bool open;                 /* it led to another, too, which was tried */
        char error[CURL_ERROR_SIZE];
        download_ended_fn *on_ended;
        void *userdata;
};

static void fail(struct download *download, enum download_end end, char *sentence) {
        if (download->sentence) {
                free(sentence);
                return;
        }
        download->end = end;
        download->sentence = sentence ? sentence : strdup(strerror(ENOMEM));
}

static char *number(char text[static 24], uint64_t value) {
        (void) snprintf(text, 24, "%llu", (unsigned long long) value);
        return text;
}

/* -- where it leads --------------------------------------------------------------------------------- */

static bool may_connect(const struct download *download, const struct sockaddr *address) {
        const struct string_list *networks = &download->daemon->configuration->main.fetch_networks;

        if (download->host_is_named_address || address_is_public(address))
                return true;
        for (size_t i = 0; i < networks->n; i++) {
                struct network network;

                if (network_parse(networks->items[i], &network) == 0 && network_has(&network, address))
                        return true;
        }
        return false;
}

/* A name may lead anywhere, and elsewhere each time it is asked for: what counts is the address that
 * the socket is for. */
static curl_socket_t open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address) {
        struct download *download = userdata;

        if (purpose != CURLSOCKTYPE_IPCXN || !may_connect(download, &address->addr)) {
                (void) address_text(&address->addr, download->closed);
                return CURL_SOCKET_BAD;
        }
        download->open = true;
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* -- what comes -------------------------------------------------------------------------------------- */

/* "application/pdf; charset=x" names application/pdf. What says nothing, or only that it is bytes,
 * contradicts nothing: the digest tells. */
static bool type_agrees(const char *media_type, const char *content_type) {
        size_t n = content_type ? strcspn(content_type, "; \t") : 0;

        if (n == 0 || (n == strlen("application/octet-stream") &&
                       strncasecmp(content_type, "application/octet-stream", n) == 0))
                return true;
        return n == strlen(media_type) && strncasecmp(content_type, media_type, n) == 0;
}

/* Status, type and length, once, when the first byte comes or none will. */
static bool read_head(struct download *download) {
        char *content_type = NULL, status_text[24], size[24], actual[24];
        curl_off_t length = -1;
        long status = 0;

        if (download->head_is_read)
                return !download->sentence;
        download->head_is_read = true;
        (void) curl_easy_getinfo(download->easy, CURLINFO_RESPONSE_CODE, &status);
        (void) curl_easy_getinfo(download->easy, CURLINFO_CONTENT_TYPE, &content_type);
        (void) curl_easy_getinfo(download->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        (void) number(status_text, (uint64_t) (status > 0 ? status : 0));
        if (status >= 300 && status < 400)
                fail(download, DOWNLOAD_FAILED,
                     say(MESSAGE_FETCH_REDIRECT, "status", status_text, NULL));
        else if (status != 200)
                fail(download, status >= 500 || status == 429 ? DOWNLOAD_AWAY : DOWNLOAD_FAILED,
                     say(MESSAGE_FETCH_STATUS, "status", status_text, NULL));
        else if (!type_agrees(download->media_type, content_type)) {
                char type[UNICODE_EXCERPT(80)];

                fail(download, DOWNLOAD_WRONG,
                     say(MESSAGE_FETCH_TYPE, "type",
                         unicode_excerpt(content_type, strlen(content_type), 80, type), "media_type",
                         download->media_type, NULL));
        } else if (length >= 0 && (uint64_t) length != download->size)
                fail(download, DOWNLOAD_WRONG,
                     say(MESSAGE_FETCH_SIZE, "actual", number(actual, (uint64_t) length), "size",
                         number(size, download->size), NULL));
        return !download->sentence;
}

static int begin_file(struct download *download) {
        return download->file ? 0 : attachment_begin(download->daemon->attachments_dir, &download->file);
}

static size_t on_body(char *bytes, size_t one, size_t n, void *userdata) {
        struct download *download = userdata;
        size_t n_bytes = one * n;
        char size[24];
        int r;

        if (!read_head(download))
                return 0; /* ends the transfer */
        r = begin_file(download);
        crash_point("publisherd/download-coming");
        if (r == 0 && attachment_size(download->file) + n_bytes > download->size) {
                fail(download, DOWNLOAD_WRONG,
                     say(MESSAGE_FETCH_LONG, "size", number(size, download->size), NULL));
                return 0;
        }
        if (r == 0)
                r = attachment_add(download->file, bytes, n_bytes);
        if (r < 0) {
                fail(download, DOWNLOAD_FAILED, say(MESSAGE_FETCH_DISK, "reason", strerror(-r), NULL));
                return 0;
        }
        return n_bytes;
}

static size_t on_header(char *bytes, size_t one, size_t n, void *userdata) {
        struct download *download = userdata;

        (void) bytes;
        download->n_header += one * n;
        if (download->n_header > HEADER_BYTES) {
                fail(download, DOWNLOAD_FAILED, say(MESSAGE_FETCH_HEADERS, NULL));
                return 0;
        }
        return one * n;
}

/* -- the end ------------------------------------------------------------------------------------------ */

static void judge(struct download *download, CURLcode result) {
        char size[24], actual[24];
        uint64_t n;
        int r;

        if (download->sentence)
                return;
        if (result != CURLE_OK && download->closed[0] && !download->open) {
                fail(download, DOWNLOAD_WRONG,
                     say(MESSAGE_FETCH_CLOSED, "host", download->host, "address", download->closed,
                         NULL));
                return;
        }
        if (result != CURLE_OK) {
                fail(download, DOWNLOAD_AWAY,
                     say(MESSAGE_FETCH_TRANSPORT, "reason",
                         download->error[0] ? download->error : curl_easy_strerror(result), NULL));
                return;
        }
        if (!read_head(download))
                return;
        r = begin_file(download);
        n = r == 0 ? attachment_size(download->file) : 0;
        if (r == 0 && n < download->size) {
                /* It told no length, and closed early: cut off, perhaps. */
                fail(download, DOWNLOAD_FAILED,
                     say(MESSAGE_FETCH_SHORT, "actual", number(actual, n), "size",
                         number(size, download->size), NULL));
                return;
        }
        if (r == 0)
                r = attachment_finish(give_away(download->file), download->sha256);
        if (r == ATTACHMENT_OTHER)
                fail(download, DOWNLOAD_WRONG, say(MESSAGE_FETCH_DIGEST, NULL));
        else if (r < 0)
                fail(download, DOWNLOAD_FAILED, say(MESSAGE_FETCH_DISK, "reason", strerror(-r), NULL));
}

void download_on_ended(CURL *easy, CURLcode result, void *userdata) {
        struct download *download = userdata;

        (void) easy;
        download->running = false;
        judge(download, result);
        download->on_ended(download, download->end, download->sentence, download->userdata);
}

struct download *download_free(struct download *download) {
        if (!download)
                return NULL;
        if (download->running)
                transfers_remove(download->transfers, download->easy);
        curl_easy_cleanup(download->easy);
        (void) attachment_drop(download->file);
        free(download->url);
        free(download->media_type);
        free(download->host);
        free(download->sentence);
        free(download);
        return NULL;
}

static void download_freep(struct download **download) {
        *download = download_free(*download);
}

static bool set_options(struct download *download) {
        CURL *easy = download->easy;
        CURLcode r = CURLE_OK;

#define SET(option, value) (r = r == CURLE_OK ? curl_easy_setopt(easy, option, value) : r)
        SET(CURLOPT_URL, download->url);
        SET(CURLOPT_PRIVATE, download);
        SET(CURLOPT_ERRORBUFFER, download->error);
        SET(CURLOPT_NOSIGNAL, 1L);
        SET(CURLOPT_QUICK_EXIT, 1L); /* a stalled resolver must not stall the loop */
        SET(CURLOPT_PROTOCOLS_STR, "http,https");
        SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        SET(CURLOPT_FOLLOWLOCATION, 0L);
        SET(CURLOPT_PROXY, ""); /* a proxy would connect for us, and look at nothing */
        SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
        SET(CURLOPT_SSL_VERIFYPEER, 1L);
        SET(CURLOPT_SSL_VERIFYHOST, 2L);
        SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
        SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
        SET(CURLOPT_OPENSOCKETDATA, download);
        /* A connection of before was made under the rules of before. */
        SET(CURLOPT_FRESH_CONNECT, 1L);
        SET(CURLOPT_FORBID_REUSE, 1L);
        SET(CURLOPT_CONNECTTIMEOUT_MS, (long) CONNECT_MS);
        SET(CURLOPT_TIMEOUT_MS, (long) download->daemon->configuration->main.fetch_timeout_ms);
        SET(CURLOPT_LOW_SPEED_LIMIT, (long) LOW_SPEED);
        SET(CURLOPT_LOW_SPEED_TIME, (long) LOW_SPEED_SECONDS);
        SET(CURLOPT_USERAGENT, "gongkai/" GONGKAI_VERSION);
        /* The digest is of the bytes as they are, and what is not unpacked is no bomb. */
        SET(CURLOPT_ACCEPT_ENCODING, NULL);
        SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
        SET(CURLOPT_WRITEFUNCTION, on_body);
        SET(CURLOPT_WRITEDATA, download);
        SET(CURLOPT_HEADERFUNCTION, on_header);
        SET(CURLOPT_HEADERDATA, download);
#undef SET
        return r == CURLE_OK;
}

static bool has_room(const struct publisherd *daemon, uint64_t size) {
        struct statvfs disk;

        if (statvfs(daemon->attachments_dir, &disk) < 0)
                return true; /* the writing will tell */
        return (uint64_t) disk.f_bavail * disk.f_frsize >= size + SPARE_BYTES;
}

int download_start(struct publisherd *daemon, struct transfers *transfers,
                   const struct download_request *request, download_ended_fn *on_ended,
                   void *userdata, struct download **ret) {
        struct download *download freed_by(download_freep) = NULL;
        int r;

        if (!has_room(daemon, request->size))
                return -ENOSPC;
        download = calloc(1, sizeof(*download));
        if (!download)
                return -ENOMEM;
        download->daemon = daemon;
        download->transfers = transfers;
        download->url = strdup(request->url);
        download->media_type = strdup(request->media_type);
        download->host = strdup(request->host);
        memcpy(download->sha256, request->sha256, sizeof(download->sha256));
        download->size = request->size;
        download->host_is_named_address = request->host_is_named_address;
        download->on_ended = on_ended;
        download->userdata = userdata;
        download->easy = curl_easy_init();
        if (!download->url || !download->media_type || !download->host || !download->easy ||
            !set_options(download))
                return -ENOMEM;
        r = transfers_add(transfers, download->easy);
        if (r < 0)
                return r;
        download->running = true;
        crash_point("publisherd/download-begun");
        *ret = give_away(download);
        return 0;
}
