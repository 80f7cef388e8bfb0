/* For tests and benches over all drivers: drives a delivery, as the engine would, up to the step that
 * takes the document to the carrier. The index is empty, the book too, the account is granted, a list
 * has one recipient. What it needs of a driver is in channels/driver.h. */
#ifndef CHANNELS_FAKE_CARRIER_H
#define CHANNELS_FAKE_CARRIER_H

#include <errno.h>
#include <string.h>

#include "channels/driver.h"
#include "core/memory.h"
#include "core/moment.h"

/* 2026-11-22T12:00:00+08:00: no quiet hours. */
#define FAKE_NOON INT64_C(1795320000000)
#define FAKE_URL "https://www.example.gov.cn/gk/d-1.html"

struct fake_carrier {
        const struct driver *driver;
        const void *options;
        const char *secret;
        json_t *account; /* made when it is asked for */
        unsigned account_version;
};

static inline void fake_carrier_done(struct fake_carrier *carrier) {
        json_decref(carrier->account);
        carrier->account = NULL;
}

static inline const char *fake_text(const json_t *object, const char *key, const char *otherwise) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : otherwise;
}

/* A publication of the event. The stages are the delivery's: json_decref() them. */
static inline struct delivery fake_delivery(const struct fake_carrier *carrier, const json_t *event,
                                            const char *bytes, const char *key) {
        const json_t *data = json_object_get(event, "data"), *stage = json_object_get(data, "stage");
        struct delivery delivery = {
                .kind = DELIVER_PUBLISH, .channel = "channel", .region = "530581",
                .region_name = "腾冲市", .document = fake_text(data, "document", "d"),
                .revision = 1, .revision_part = "1", .event_id = "01KAJ5Z8Q00000000000000000",
                .event = event, .bytes = bytes, .n_bytes = bytes ? strlen(bytes) : 0,
                .stages = json_array(), .document_kind = fake_text(data, "kind", "other"),
                .urgent = json_is_true(json_object_get(data, "urgent")), .attempt = 1, .key = key,
                .accepted_ms = FAKE_NOON, .now_ms = FAKE_NOON, .after_url = FAKE_URL,
                .secret = carrier->secret, .options = carrier->options,
        };

        if (json_is_string(stage))
                (void) json_array_append(delivery.stages, (json_t *) stage);
        else if (json_is_array(stage))
                (void) json_array_extend(delivery.stages, (json_t *) stage);
        if (carrier->driver->raw) {
                delivery.event = NULL;
                delivery.domain = delivery.item_name = NULL;
        }
        return delivery;
}

static inline bool fake_is_viewed(const struct tree_open *open, const struct tree_view *view,
                                  const char *month) {
        bool tagged = !view->tag;
        const json_t *tag;
        size_t i;

        json_array_foreach(open->tags, i, tag)
                tagged = tagged || strcmp(json_string_value(tag), view->tag) == 0;
        return open->has_entry && open->live && tagged &&
               (!view->month || strcmp(view->month, month) == 0);
}

/* An index with this entry alone, which stays for the looks that follow: {views, tags, months}. */
static inline json_t *fake_index_of_one(struct tree_open *open, json_t *entry) {
        json_t *whole = json_pack("{s:[], s:{}, s:{}}", "views", "tags", "months");
        json_t *views = json_object_get(whole, "views"), *months = json_object_get(whole, "months");
        char month[MOMENT_TEXT] = "";
        json_t *tag;
        size_t i;

        if (open->has_entry && open->live) {
                json_object_set(entry, "data", open->data);
                json_object_set(entry, "tags", open->tags);
                json_object_set_new(entry, "date", json_integer(open->date_ms));
        } else if (open->has_entry) {
                json_object_clear(entry);
        } else if (json_object_get(entry, "data")) {
                open->has_entry = open->live = true;
                open->data = json_incref(json_object_get(entry, "data"));
                open->tags = json_incref(json_object_get(entry, "tags"));
                open->date_ms = json_integer_value(json_object_get(entry, "date"));
        }
        moment_write_date(open->date_ms, month);
        month[7] = '\0'; /* 2026-11 */
        for (i = 0; i < open->n_views; i++)
                json_array_append_new(views, fake_is_viewed(open, &open->views[i], month)
                                                     ? json_pack("[O]", open->data)
                                                     : json_array());
        if (!open->has_entry || !open->live)
                return whole;
        json_object_set_new(months, "", json_pack("[s]", month));
        json_array_foreach(open->tags, i, tag) {
                json_object_set_new(json_object_get(whole, "tags"), json_string_value(tag),
                                    json_integer(1));
                json_object_set_new(months, json_string_value(tag), json_pack("[s]", month));
        }
        return whole;
}

/* A reply that lets the driver go on; *ret_owned keeps it alive. */
static inline int fake_answer(struct step *step, json_t *entry, struct reply *ret,
                              json_t **ret_owned) {
        static const char list[] = "号码\n13800138000\n";
        static const char token[] = "{\"access_token\":\"token\",\"expires_in\":7200}";

        *ret = (struct reply) { .kind = step->kind };
        *ret_owned = NULL;
        switch (step->kind) {
        case STEP_TREE_OPEN:
                *ret_owned = fake_index_of_one(&step->tree_open, entry);
                ret->tree = (struct tree_reply) {
                        .status = TREE_OK, .views = json_object_get(*ret_owned, "views"),
                        .tags = json_object_get(*ret_owned, "tags"),
                        .months = json_object_get(*ret_owned, "months"),
                };
                return 0;
        case STEP_TREE_COMMIT:
                ret->tree.status = TREE_OK;
                return 0;
        case STEP_BOOK:
                *ret_owned = json_object();
                ret->book = (struct book_reply) { .values = *ret_owned, .counts = *ret_owned,
                                                  .spent = true, .now_ms = FAKE_NOON,
                                                  .opens_ms = FAKE_NOON };
                return 0;
        case STEP_FILE:
                ret->file = (struct file_reply) { .bytes = list, .n_bytes = sizeof(list) - 1 };
                return 0;
        case STEP_HTTP:
                ret->http = (struct http_reply) { .status = 200, .body = token, .sent = true,
                                                  .n_body = sizeof(token) - 1 };
                return 0;
        default:
                return -EPROTO;
        }
}

/* Whether the document leaves with this step. An index alone is not shown to anybody. */
static inline bool fake_leaves(const struct step *step) {
        return step->kind == STEP_HTTP || step->kind == STEP_TCP ||
               (step->kind == STEP_MQTT && step->mqtt.n > 0) ||
               (step->kind == STEP_TREE_COMMIT && step->tree_commit.n_files > 0);
}

/* Runs the begin() and next() that are given until a verdict, or until `stop` says so. */
static inline int fake_run(struct fake_carrier *carrier, struct delivery delivery,
                           bool (*stop)(const struct step *step), struct step *ret);

static inline int fake_make_account(struct fake_carrier *carrier, struct delivery delivery) {
        struct step step = { 0 };
        int r;

        delivery.memo = NULL;
        r = fake_run(carrier, delivery, NULL, &step);
        if (r == 0 && step.verdict.kind == VERDICT_DONE && step.account) {
                json_decref(carrier->account);
                carrier->account = give_away(step.account);
                carrier->account_version++;
        } else if (r == 0) {
                r = -EACCES;
        }
        step_done(&step);
        return r;
}

/* `stop` NULL: makes the account. The driver's errno, or ours: -EPROTO, -ELOOP, -EACCES. */
static inline int fake_run(struct fake_carrier *carrier, struct delivery delivery,
                           bool (*stop)(const struct step *step), struct step *ret) {
        const struct driver *driver = carrier->driver;
        json_t *memo = NULL, *entry = json_object();
        struct step step = { 0 };
        int r;

        delivery.account = carrier->account;
        delivery.account_version = carrier->account_version;
        r = stop ? driver->begin(&delivery, &step) : driver->account_begin(&delivery, &step);
        for (unsigned i = 0; r == 0 && step.kind != STEP_VERDICT && !(stop && stop(&step)); i++) {
                struct reply reply = { .kind = step.kind };
                struct step next = { 0 };
                json_t *owned = NULL;

                if (step.memo) {
                        json_decref(memo);
                        memo = json_incref(step.memo);
                        delivery.memo = memo;
                }
                if (i == 50)
                        r = -ELOOP;
                else if (step.kind == STEP_ACCOUNT)
                        r = fake_make_account(carrier, delivery);
                else
                        r = fake_answer(&step, entry, &reply, &owned);
                delivery.account = carrier->account;
                delivery.account_version = carrier->account_version;
                if (r == 0)
                        r = stop ? driver->next(&delivery, &reply, &next)
                                 : driver->account_next(&delivery, &reply, &next);
                step_done(&step);
                step = next;
                json_decref(owned);
        }
        json_decref(memo);
        json_decref(entry);
        if (r == 0)
                *ret = step;
        else
                step_done(&step);
        return r;
}

/* The step with which the document leaves, or a verdict (discard). To be released by step_done(). */
static inline int fake_carry(struct fake_carrier *carrier, const struct delivery *delivery,
                             struct step *ret) {
        return fake_run(carrier, *delivery, fake_leaves, ret);
}

#endif
