/* What the pure part of each driver costs: from begin() to the request that takes the document to
 * the carrier, rendered and built. `drivers GONGKAI.CONF DOCUMENTS` prints {"webhook": 12345, ...}:
 * documents of 2 KB per second of CPU, for each channel of the configuration by its driver's name.
 * The events are parsed before; what answers the driver's questions is in the time as well. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "channels/fake_carrier.h"
#include "core/config.h"
#include "core/event.h"

enum { DOCUMENT_BYTES = 2048 };

struct document {
        json_t *event;
        char *bytes;
        char key[64];
};

static _Noreturn void fail(const char *what, const char *why) {
        (void) fprintf(stderr, "%s: %s\n", what, why);
        exit(1);
}

static const struct setting *settings_of_driver(const char *name, size_t *ret_n) {
        static const struct setting none[1];
        const struct driver *driver = driver_find(name);

        *ret_n = driver ? driver->n_settings : 0;
        return !driver ? NULL : driver->n_settings > 0 ? driver->settings : none;
}

static double cpu_seconds(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* -- the documents -- */

/* A notice with headings, a table, figures and dates: 2 KB in all as it is accepted. */
static void write_body(unsigned i, size_t most, struct buf *ret) {
        static const char filling[] = "特此公告。";

        buf_fmt(ret, "经研究，现将第%u批惠民资金发放情况公布如下，**接受监督**。\n\n## 一、发放情况\n\n"
                     "| 乡镇 | 户数 | 金额 |\n| --- | ---: | ---: |\n| 五合乡 | %u | %u.50元 |\n"
                     "| 和顺镇 | 27 | 12,000.00元 |\n\n## 二、有关事项\n\n", i, i % 97, 1000 + i);
        for (unsigned k = 1; ret->len + 200 < most; k++)
                buf_fmt(ret, "%u. 对结果有异议的，自2026年11月%u日起7个工作日内向主管部门反映，逾期不再受理。\n",
                        k, 1 + (i + k) % 28);
        while (ret->len + sizeof(filling) - 1 <= most)
                buf_str(ret, filling);
}

static int make_document(unsigned i, struct document *ret) {
        struct buf body = { 0 }, bytes = { 0 };
        struct findings errors = { 0 };
        char document[32], title[200], number[48];
        size_t frame = 500; /* what is around the body */

        (void) snprintf(document, sizeof(document), "xxgk-2026-%06u", i);
        (void) snprintf(title, sizeof(title), "腾冲市财政局关于2026年第%u批惠民惠农补贴资金发放情况的公告", i);
        (void) snprintf(number, sizeof(number), "腾财告〔2026〕%u号", i);
        (void) snprintf(ret->key, sizeof(ret->key), "530581/%s/1/channel", document);
        write_body(i, DOCUMENT_BYTES - frame, &body);
        ret->event = json_pack(
                "{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s}, s:{s:s}}}",
                "specversion", "1.0", "id", document, "source", "urn:gongkai:530581:czj", "type",
                "cn.gongkai.disclosure.publish.v1", "time", "2026-11-22T10:00:00+08:00", "data", "document",
                document, "item", "ssgl.0402", "kind", "notice", "title", title, "number", number, "body",
                "format", "markdown", "content", buf_text(&body), "publisher", "name", "腾冲市财政局", "dates",
                "formed", "2026-11-20");
        event_write(ret->event, &bytes);
        buf_done(&body);
        if (bytes.len > DOCUMENT_BYTES + 100 || bytes.len < DOCUMENT_BYTES - 100)
                fail("documents", bytes.data);
        /* As the worker has it: read from the bytes. */
        json_decref(ret->event);
        ret->event = event_read(bytes.data, bytes.len, &errors);
        findings_done(&errors);
        ret->bytes = buf_take(&bytes);
        return ret->event && ret->bytes ? 0 : -ENOMEM;
}

/* -- a channel -- */

/* CPU of begin() and next() over them all; the first is to warm up, and makes the account. */
static double run(struct fake_carrier *carrier, const struct document *documents, size_t n) {
        double since = 0;

        for (size_t i = 0; i <= n; i++) {
                const struct document *document = &documents[i == 0 ? 0 : i - 1];
                struct delivery delivery = fake_delivery(carrier, document->event, document->bytes,
                                                         document->key);
                struct step step = { 0 };
                int r;

                if (i == 1)
                        since = cpu_seconds();
                r = fake_carry(carrier, &delivery, &step);
                if (r < 0)
                        fail(carrier->driver->name, strerror(-r));
                if (step.kind == STEP_VERDICT && step.verdict.kind != VERDICT_DONE)
                        fail(carrier->driver->name, step.verdict.sentence);
                step_done(&step);
                json_decref(delivery.stages);
        }
        return cpu_seconds() - since;
}

static double measure(const struct channel_config *channel, const struct document *documents,
                      size_t n) {
        const struct driver *driver = driver_find(channel->driver);
        struct problems problems = { 0 };
        void *options = calloc(1, driver->options_size + 1);
        char *secret = NULL;
        struct fake_carrier carrier = { .driver = driver, .options = options };
        double seconds;
        int r = options ? channel_options(channel, driver->settings, driver->n_settings, options,
                                          &problems)
                        : -ENOMEM;

        if (r == 0 && driver->check)
                driver->check(options, channel->path, &problems);
        problems_print(&problems, stderr);
        if (r < 0 || problems.n > 0)
                fail(channel->path, r < 0 ? strerror(-r) : "see above");
        r = channel->secret_file ? secret_read(channel->secret_file, &secret) : 0;
        if (r < 0)
                fail(channel->secret_file, strerror(-r));
        carrier.secret = secret;
        seconds = run(&carrier, documents, n);
        fake_carrier_done(&carrier);
        settings_release(driver->settings, driver->n_settings, options);
        free(options);
        free(secret);
        problems_done(&problems);
        return (double) n / seconds;
}

int main(int argc, char **argv) {
        size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
        struct document *documents = calloc(n + 1, sizeof(*documents));
        struct configuration *configuration = NULL;
        struct problems problems = { 0 };
        json_t *rates = json_object();
        int r;

        /* Memory as the worker has it, core/daemon.c. */
        (void) mallopt(M_TRIM_THRESHOLD, 2 << 20);
        (void) mallopt(M_MMAP_THRESHOLD, 1 << 20);
        (void) mallopt(M_MXFAST, 0);
        if (n == 0 || !documents)
                fail(argv[0], "GONGKAI.CONF DOCUMENTS");
        r = configuration_load(argv[1], settings_of_driver, &problems, &configuration);
        problems_print(&problems, stderr);
        if (r < 0 || problems.n > 0)
                fail(argv[1], r < 0 ? strerror(-r) : "see above");
        for (size_t i = 0; i < n; i++)
                if (make_document((unsigned) i + 1, &documents[i]) < 0)
                        fail("documents", strerror(ENOMEM));
        for (size_t i = 0; i < configuration->n_channels; i++) {
                const struct channel_config *channel = &configuration->channels[i];

                json_object_set_new(rates, channel->driver, json_real(measure(channel, documents, n)));
        }
        (void) json_dumpf(rates, stdout, JSON_REAL_PRECISION(8));
        (void) putchar('\n');
        for (size_t i = 0; i < n; i++) {
                json_decref(documents[i].event);
                free(documents[i].bytes);
        }
        free(documents);
        json_decref(rates);
        configuration_free(configuration);
        problems_done(&problems);
        return 0;
}
