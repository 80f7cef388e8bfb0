/* For the tests of the webhook: one delivery, and what was done with it. Included by tests only. */
#ifndef CHANNELS_WEBHOOK_FIXTURE_H
#define CHANNELS_WEBHOOK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "channels/webhook/webhook.h"
#include "core/memory.h"

#define NOON INT64_C(1795320000000) /* 2026-11-22T12:00:00+08:00 = 04:00:00Z */
#define EVENT_ID "01JDB3K6V0T5YQ2N8M4W7XHRCE"

extern const struct driver webhook_driver;

__attribute__((unused)) static const struct webhook_options webhook_options = {
        .url = (char *) "https://media.example.gov.cn:8443/in?token=s3cret",
        .content_type = (char *) "application/cloudevents+json",
};

__attribute__((unused)) static struct delivery delivery_of(enum delivery_kind kind, json_t *event) {
        bool shown = kind == DELIVER_PUBLISH;

        return (struct delivery) {
                .kind = kind,
                .channel = "media",
                .region = "530581",
                .region_name = "腾冲市",
                .document = "oa-1",
                .revision = 7,
                .level = shown ? 0 : 1,
                .revision_part = shown ? "7" : kind == DELIVER_WITHDRAW ? "7w" : "7x",
                .event_id = EVENT_ID,
                .event = event,
                .attempt = 1,
                .key = shown ? "530581/oa-1/7/media" : "530581/oa-1/7w/media",
                .now_ms = NOON,
                .options = &webhook_options,
        };
}

/* The value of a header, or NULL. */
__attribute__((unused)) static const char *header(const struct step *step, const char *name) {
        size_t n = strlen(name);

        for (char **at = step->http.headers; *at; at++)
                if (strncmp(*at, name, n) == 0 && strncmp(*at + n, ": ", 2) == 0)
                        return *at + n + 2;
        return NULL;
}

#endif
