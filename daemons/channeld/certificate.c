/* What the other side shows of itself. The handshake goes on whatever is wrong with the chain, so that
 * all of it can be told at once; nothing is ever sent over this connection. The requests themselves
 * go by libcurl, which verifies. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"
#include "daemons/channeld/report.h"

enum { SOON_DAYS = 30, MOST_NAMES = 4 };
#define DAY_MS (24 * 3600 * INT64_C(1000))

/* What the chain's check found, and of when the certificate was that is out of its time. */
struct flaws {
        bool expired, not_yet, host, self_signed, unknown_ca;
        int other;
        int64_t expired_ms, from_ms;
};

static void ssl_freep(SSL **ssl) {
        SSL_free(*ssl);
}

static void ssl_ctx_freep(SSL_CTX **context) {
        SSL_CTX_free(*context);
}

static void x509_freep(X509 **certificate) {
        X509_free(*certificate);
}

static int64_t ms_of(const ASN1_TIME *time) {
        struct tm parts = { 0 };

        return time && ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t) timegm(&parts) * 1000 : 0;
}

static int on_verify(int well, X509_STORE_CTX *store) {
        SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
        struct flaws *flaws = SSL_get_app_data(ssl);
        const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
        int error = X509_STORE_CTX_get_error(store);

        if (well)
                return 1;
        switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
                flaws->expired = true;
                flaws->expired_ms = certificate ? ms_of(X509_get0_notAfter(certificate)) : 0;
                break;
        case X509_V_ERR_CERT_NOT_YET_VALID:
                flaws->not_yet = true;
                flaws->from_ms = certificate ? ms_of(X509_get0_notBefore(certificate)) : 0;
                break;
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
                flaws->host = true;
                break;
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
                flaws->self_signed = true;
                break;
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
                flaws->unknown_ca = true;
                break;
        default:
                flaws->other = error;
        }
        return 1;
}

/* -- words ------------------------------------------------------------------------------------------- */

static void add_name(struct buf *ret, const ASN1_STRING *name) {
        unsigned char *text = NULL;
        int n = name ? ASN1_STRING_to_UTF8(&text, name) : -1;

        if (n >= 0) {
                buf_str(ret, ret->len ? ", " : "");
                buf_add(ret, text, strnlen((const char *) text, (size_t) n));
        }
        OPENSSL_free(text);
}

static const ASN1_STRING *entry_of(const X509_NAME *name, int nid) {
        int at = X509_NAME_get_index_by_NID(name, nid, -1);

        return at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
}

static void add_address(struct buf *ret, const ASN1_OCTET_STRING *bytes) {
        char text[INET6_ADDRSTRLEN];
        int n = ASN1_STRING_length(bytes);

        if ((n == 4 || n == 16) &&
            inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof(text)))
                buf_fmt(ret, "%s%s", ret->len ? ", " : "", text);
}

static void names_of(const X509 *certificate, struct buf *ret) {
        GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
        int n = sk_GENERAL_NAME_num(names), shown = 0;

        for (int i = 0; i < n && shown < MOST_NAMES; i++) {
                const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
                size_t before = ret->len;

                if (name->type == GEN_DNS)
                        add_name(ret, name->d.dNSName);
                else if (name->type == GEN_IPADD)
                        add_address(ret, name->d.iPAddress);
                shown += ret->len > before;
        }
        if (n > shown && shown == MOST_NAMES)
                buf_str(ret, " ...");
        if (ret->len == 0)
                add_name(ret, entry_of(X509_get_subject_name(certificate), NID_commonName));
        if (ret->len == 0)
                buf_char(ret, '-');
        GENERAL_NAMES_free(names);
}

static void issuer_of(const X509 *certificate, struct buf *ret) {
        const X509_NAME *issuer = X509_get_issuer_name(certificate);

        add_name(ret, entry_of(issuer, NID_commonName));
        add_name(ret, entry_of(issuer, NID_organizationName));
        if (ret->len == 0)
                buf_char(ret, '-');
}

/* -- the handshake ------------------------------------------------------------------------------------- */

/* The same roots that libcurl takes. */
static bool trust(SSL_CTX *context) {
        const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
        const char *file = getenv("SSL_CERT_FILE");

        if (!file)
                file = curl->cainfo;
        return file || curl->capath ? SSL_CTX_load_verify_locations(context, file, curl->capath) == 1
                                    : SSL_CTX_set_default_verify_paths(context) == 1;
}

static bool name_host(SSL *ssl, const char *host) {
        unsigned char address[16];

        if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
                return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
        return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

/* 0; -ETIMEDOUT; -EPROTO with the reason. */
static int shake_hands(SSL *ssl, int fd, int64_t wait_ms, char *ret_reason, size_t n_reason) {
        int64_t until = clock_boot_ms() + wait_ms;

        for (;;) {
                int r = SSL_connect(ssl), why = r == 1 ? 0 : SSL_get_error(ssl, r);
                struct pollfd one = { .fd = fd,
                                      .events = why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN };
                int64_t left = until - clock_boot_ms();

                if (r == 1)
                        return 0;
                if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
                        unsigned long code = ERR_peek_last_error();
                        const char *reason = code ? ERR_reason_error_string(code) : NULL;

                        (void) snprintf(ret_reason, n_reason, "%s",
                                        reason ? reason : strerror(errno ? errno : ECONNRESET));
                        return -EPROTO;
                }
                if (left <= 0 || (poll(&one, 1, (int) left) < 0 && errno != EINTR))
                        return -ETIMEDOUT;
        }
}

/* -- what it comes to ------------------------------------------------------------------------------------ */

#define TELL(state, message, ...)                                                                  \
        report_step(report, "tls", MESSAGE_DIAGNOSE_TLS, state, json_copy(details), message,     \
                    "names", buf_text(&names), "issuer", buf_text(&issuer), "until", until,        \
                    "days", days, "now", now, __VA_ARGS__, NULL)

static bool judge(struct report *report, SSL *ssl, const struct flaws *flaws, const char *host) {
        X509 *certificate freed_by(x509_freep) = SSL_get1_peer_certificate(ssl);
        struct buf names freed_by(buf_done) = { 0 }, issuer freed_by(buf_done) = { 0 };
        char until[MOMENT_TEXT], from[MOMENT_TEXT], now[MOMENT_TEXT], days[24];
        int64_t until_ms = certificate ? ms_of(X509_get0_notAfter(certificate)) : 0;
        int64_t left = (until_ms - clock_now_ms()) / DAY_MS;
        json_t *details;
        bool well = false;

        if (certificate) {
                names_of(certificate, &names);
                issuer_of(certificate, &issuer);
        }
        (void) snprintf(days, sizeof(days), "%lld", (long long) left);
        (void) moment_write_date(flaws->expired ? flaws->expired_ms : until_ms, until);
        (void) moment_write_minute(flaws->from_ms, from);
        (void) moment_write_minute(clock_now_ms(), now);
        details = json_pack("{s:s, s:s, s:s, s:I, s:s}", "names", buf_text(&names), "issuer",
                            buf_text(&issuer), "until", until, "days", (json_int_t) left, "version",
                            SSL_get_version(ssl));
        if (flaws->host)
                TELL(DIAGNOSIS_FAILED, MESSAGE_DIAGNOSE_TLS_HOST, "host", host);
        if (flaws->expired)
                TELL(DIAGNOSIS_FAILED, MESSAGE_DIAGNOSE_TLS_EXPIRED, "host", host);
        if (flaws->not_yet)
                TELL(DIAGNOSIS_FAILED, MESSAGE_DIAGNOSE_TLS_NOT_YET, "from", from);
        if (flaws->self_signed)
                TELL(DIAGNOSIS_FAILED, MESSAGE_DIAGNOSE_TLS_SELF_SIGNED, "host", host);
        else if (flaws->unknown_ca)
                TELL(DIAGNOSIS_FAILED, MESSAGE_DIAGNOSE_TLS_UNKNOWN_CA, "host", host);
        if (flaws->other)
                TELL(DIAGNOSIS_FAILED, MESSAGE_DIAGNOSE_TLS_OTHER, "reason",
                     X509_verify_cert_error_string(flaws->other));
        well = !flaws->host && !flaws->expired && !flaws->not_yet && !flaws->self_signed &&
               !flaws->unknown_ca && !flaws->other;
        if (well && left < SOON_DAYS)
                TELL(DIAGNOSIS_WARNING, MESSAGE_DIAGNOSE_TLS_SOON, "host", host);
        else if (well)
                TELL(DIAGNOSIS_WELL, MESSAGE_DIAGNOSE_TLS_WELL, "version", SSL_get_version(ssl));
        json_decref(details);
        return well;
}
#undef TELL

bool certificate_look(struct report *report, int fd, const char *host, int64_t wait_ms) {
        SSL_CTX *context freed_by(ssl_ctx_freep) = SSL_CTX_new(TLS_client_method());
        SSL *ssl freed_by(ssl_freep) = NULL;
        struct flaws flaws = { 0 };
        char reason[256] = "", waited[24];
        int r = -ENOMEM;

        ERR_clear_error();
        if (context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 && trust(context)) {
                SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
                ssl = SSL_new(context);
        }
        if (ssl && SSL_set_app_data(ssl, &flaws) == 1 && name_host(ssl, host) && SSL_set_fd(ssl, fd) == 1)
                r = shake_hands(ssl, fd, wait_ms, reason, sizeof(reason));
        else
                (void) snprintf(reason, sizeof(reason), "OpenSSL");
        if (r == 0)
                return judge(report, ssl, &flaws, host);
        (void) snprintf(waited, sizeof(waited), "%lld", (long long) wait_ms);
        report_step(report, "tls", MESSAGE_DIAGNOSE_TLS, DIAGNOSIS_FAILED, NULL,
                    r == -ETIMEDOUT ? MESSAGE_DIAGNOSE_TLS_SILENT : MESSAGE_DIAGNOSE_TLS_FAILED, "ms",
                    waited, "reason", reason, NULL);
        return false;
}
