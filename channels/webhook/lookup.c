/* Asking the receiver whether it has a delivery whose outcome is not known. */
#include "channels/webhook/webhook.h"

#include <errno.h>
#include <string.h>

#include "core/memory.h"
#include "core/template.h"

static const char hole[] = "{key}";

bool webhook_looks(const void *options) {
        return ((const struct webhook_options *) options)->lookup_url != NULL;
}

/* The key is one component of the address: what it has escaped already is escaped again, so that the
 * receiver finds it, decoded once, as the header Idempotency-Key had it. */
void webhook_lookup_address(const char *lookup_url, const char *key, struct buf *ret) {
        for (const char *at = lookup_url; *at;) {
                if (strncmp(at, hole, strlen(hole)) == 0) {
                        escape_add(ret, ESCAPE_URI, key, strlen(key));
                        at += strlen(hole);
                } else {
                        buf_char(ret, *at++);
                }
        }
}

bool webhook_lookup_is_sound(const char *lookup_url) {
        struct buf address freed_by(buf_done) = { 0 };

        webhook_lookup_address(lookup_url, "k", &address);
        return strstr(lookup_url, hole) && webhook_url_is_sound(buf_text(&address));
}

/* -- what the memo says: the key under which something was sent, and whether it is being looked for -- */

json_t *webhook_memo(const struct delivery *delivery, bool looks) {
        return json_pack("{s:s, s:b}", "key", delivery->key, "look", looks);
}

static bool may_have_been_sent(const struct delivery *delivery) {
        const char *key = json_string_value(json_object_get(delivery->memo, "key"));

        return delivery->shown || (key && strcmp(key, delivery->key) == 0);
}

/* What took something away is sent again at the second look: what appeared after it must go too. */
bool webhook_should_look(const struct delivery *delivery) {
        return webhook_looks(delivery->options) && delivery->doubt && may_have_been_sent(delivery) &&
               !(delivery->shown && delivery->kind != DELIVER_PUBLISH);
}

/* A receiver that must be asked may know no ranks: an older revision that is still on its way would
 * appear over this one, and stay. What takes away does not wait, and comes again. */
bool webhook_should_wait(const struct delivery *delivery) {
        return webhook_looks(delivery->options) && delivery->kind == DELIVER_PUBLISH &&
               delivery->now_ms < delivery->settled_ms;
}

bool webhook_is_looking(const struct delivery *delivery) {
        return json_is_true(json_object_get(delivery->memo, "look"));
}

/* -- the answer --------------------------------------------------------------------------------------- */

/* Something that calls itself an answer: a page that says 200 to everything is none. */
static bool is_there(const struct http_reply *reply) {
        json_t *json = reply->status == 200 && reply->body
                               ? json_loadb(reply->body, reply->n_body, 0, NULL)
                               : NULL;
        bool there = json_is_object(json);

        json_decref(json);
        return there;
}

int webhook_judge_look(const struct delivery *delivery, const struct http_reply *reply,
                       bool *ret_send, struct step *ret) {
        int64_t believed_ms = delivery->doubt_since_ms + delivery->late_effect_ms;

        *ret_send = false;
        if (is_there(reply))
                return webhook_done(delivery, reply, ret);
        if (reply->status != 404)
                return webhook_verdict(delivery, reply, VERDICT_LATER, "webhook/lookup",
                                       MESSAGE_WEBHOOK_LOOKUP_FAILED, 0, ret);
        /* What takes something away does no harm when it comes twice. */
        if (delivery->kind != DELIVER_PUBLISH || delivery->now_ms >= believed_ms) {
                *ret_send = true;
                return 0;
        }
        return webhook_verdict(delivery, reply, VERDICT_ASK, "webhook/not-yet",
                               MESSAGE_WEBHOOK_NOT_YET, believed_ms, ret);
}
