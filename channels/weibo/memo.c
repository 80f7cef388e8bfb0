/* Where a delivery is, and what of it is found in the account. */
#include "channels/weibo/weibo.h"

#include <string.h>

#include "core/digest.h"
#include "core/memory.h"

/* The clocks of Weibo and of this machine may differ by so much. */
enum { SKEW_MS = 10 * 60 * 1000 };
/* A channel may stand still for weeks; then nothing is in doubt any more. */
#define NOTE_MS (INT64_C(35) * 24 * 3600 * 1000)

const char *weibo_memo_text(const json_t *memo, const char *key) {
        return json_string_value(json_object_get(memo, key));
}

int64_t weibo_memo_number(const json_t *memo, const char *key) {
        return json_integer_value(json_object_get(memo, key));
}

static bool array_has(const json_t *array, const char *text) {
        const json_t *one;
        size_t i;

        json_array_foreach (array, i, one)
                if (strcmp(json_string_value(one), text) == 0)
                        return true;
        return false;
}

void weibo_memo_old(json_t *memo, const char *id) {
        json_t *old = json_object_get(memo, "old");
        const char *own = weibo_memo_text(memo, "id");

        if (*id && !array_has(old, id) && !(own && strcmp(own, id) == 0))
                (void) json_array_append_new(old, json_string(id));
}

/* References come from Weibo by way of the store: digits, or nothing. */
static void add_references(json_t *memo, const char *references) {
        for (const char *at = references ? references : ""; *at;) {
                char id[WEIBO_ID] = "";
                size_t n = strcspn(at, " ");

                if (n < sizeof(id) && strspn(at, "0123456789") == n) {
                        memcpy(id, at, n);
                        weibo_memo_old(memo, id);
                }
                at += n + strspn(at + n, " ");
        }
}

/* What another revision, or another deed with this one, left behind. */
static void take_over(json_t *memo, const json_t *before) {
        const json_t *one;
        size_t i;

        json_array_foreach (json_object_get(before, "old"), i, one)
                if (json_is_string(one))
                        weibo_memo_old(memo, json_string_value(one));
        if (weibo_memo_text(before, "id"))
                weibo_memo_old(memo, weibo_memo_text(before, "id"));
        else if (weibo_memo_text(before, "text") && weibo_memo_number(before, "at") > 0)
                (void) json_object_set_new(
                        memo, "older",
                        json_pack("{s:O, s:I, s:b}", "text", json_object_get(before, "text"), "at",
                                  (json_int_t) weibo_memo_number(before, "at"), "late",
                                  json_is_true(json_object_get(before, "late"))));
        else if (json_object_get(before, "older"))
                (void) json_object_set(memo, "older", json_object_get(before, "older"));
}

/* A look at what stands, with nothing left to be done but that. */
static bool stands(const struct delivery *delivery) {
        return delivery->kind == DELIVER_PUBLISH && delivery->shown && delivery->reference &&
               !delivery->ended && !strchr(delivery->revision_part, 'r');
}

json_t *weibo_memo_open(const struct delivery *delivery) {
        const char *key = weibo_memo_text(delivery->memo, "key");
        bool mine = key && strcmp(key, delivery->key) == 0;
        json_t *memo = mine ? json_deep_copy(delivery->memo) : json_object();

        if (!memo || json_object_set_new(memo, "key", json_string(delivery->key)) < 0)
                return NULL;
        if (!json_is_array(json_object_get(memo, "old")))
                (void) json_object_set_new(memo, "old", json_array());
        (void) json_object_del(memo, "page");
        (void) json_object_del(memo, "why");
        if (!mine)
                take_over(memo, delivery->memo);
        if (stands(delivery) && !weibo_memo_text(memo, "id")) {
                (void) json_object_set_new(memo, "id", json_string(delivery->reference));
                if (delivery->url)
                        (void) json_object_set_new(memo, "url", json_string(delivery->url));
        }
        add_references(memo, delivery->reference);
        add_references(memo, delivery->surplus);
        return memo;
}

/* -- the note -- */

void weibo_note_name(const struct delivery *delivery, char ret[static WEIBO_NOTE]) {
        char digest[DIGEST_TEXT];

        delivery_document_digest(delivery, digest);
        memcpy(ret, "sent:", 5);
        memcpy(ret + 5, digest, DIGEST_TEXT);
}

/* What is to go and stands in no reference of the store: a newer revision would not hear of it. */
static json_t *unknown_to_store(const struct delivery *delivery, const json_t *memo) {
        json_t *known freed_by(json_decrefp) = json_pack("{s:[]}", "old"), *left = json_array();
        const json_t *one;
        size_t i;

        if (!known || !left) {
                json_decref(left);
                return NULL;
        }
        add_references(known, delivery->reference);
        add_references(known, delivery->surplus);
        json_array_foreach (json_object_get(memo, "old"), i, one)
                if (!array_has(json_object_get(known, "old"), json_string_value(one)))
                        (void) json_array_append(left, (json_t *) one);
        return left;
}

json_t *weibo_note(const struct delivery *delivery, json_t *memo) {
        json_t *note = json_pack("{s:O, s:I, s:b, s:o}", "text", json_object_get(memo, "text"), "at",
                                 (json_int_t) weibo_memo_number(memo, "at"), "late",
                                 json_is_true(json_object_get(memo, "late")), "old",
                                 unknown_to_store(delivery, memo));
        json_t *id = json_object_get(memo, "id"), *put;
        char *value;

        if (note && id)
                (void) json_object_set(note, "id", id);
        (void) json_object_del(memo, "owes");
        if (json_array_size(json_object_get(note, "old")) > 0)
                (void) json_object_set_new(memo, "owes", json_true());
        value = note ? json_dumps(note, JSON_COMPACT) : NULL;
        put = value ? json_pack("{s:s, s:I}", "value", value, "ms", (json_int_t) NOTE_MS) : NULL;
        free(value);
        json_decref(note);
        return put;
}

void weibo_memo_recall(json_t *memo, const char *note) {
        json_t *older = note ? json_loads(note, 0, NULL) : NULL;
        const json_t *one;
        size_t i;

        json_array_foreach (json_object_get(older, "old"), i, one)
                if (json_is_string(one))
                        weibo_memo_old(memo, json_string_value(one));
        if (weibo_memo_text(older, "id"))
                weibo_memo_old(memo, weibo_memo_text(older, "id"));
        else if (weibo_memo_text(older, "text") && weibo_memo_number(older, "at") > 0)
                (void) json_object_set(memo, "older", older);
        json_decref(older);
}

void weibo_memo_merge(json_t *memo) {
        const json_t *older = json_object_get(memo, "older");
        const char *words = weibo_memo_text(older, "text");

        if (!words || strcmp(words, weibo_memo_text(memo, "text")) != 0)
                return;
        (void) json_object_set(memo, "at", json_object_get(older, "at"));
        if (json_is_true(json_object_get(older, "late")))
                (void) json_object_set_new(memo, "late", json_true());
        (void) json_object_del(memo, "older");
}

/* -- one page of the account -- */

static void found_ours(json_t *memo, const json_t *status, const char *id) {
        char *url;

        if (weibo_memo_text(memo, "id")) {
                weibo_memo_old(memo, id);
                return;
        }
        for (size_t i = 0; i < json_array_size(json_object_get(memo, "old")); i++)
                if (strcmp(json_string_value(json_array_get(json_object_get(memo, "old"), i)),
                           id) == 0)
                        (void) json_array_remove(json_object_get(memo, "old"), i--);
        (void) json_object_set_new(memo, "id", json_string(id));
        url = weibo_post_url(status);
        if (url)
                (void) json_object_set_new(memo, "url", json_string(url));
        free(url);
}

static void scan_one(json_t *memo, const json_t *status, bool publishes) {
        const char *seen = weibo_memo_text(status, "text"), *text = weibo_memo_text(memo, "text");
        const json_t *older = json_object_get(memo, "older");
        int64_t at_ms = weibo_moment(weibo_memo_text(status, "created_at"));
        char id[WEIBO_ID];

        if (!seen || !weibo_id(status, id))
                return;
        /* What we know for ours may be of any age; else it must be younger than the first try. */
        if (publishes && text && weibo_same_text(text, seen) &&
            (at_ms >= weibo_memo_number(memo, "since") ||
             array_has(json_object_get(memo, "old"), id)))
                found_ours(memo, status, id);
        else if (older && weibo_same_text(weibo_memo_text(older, "text"), seen) &&
                 at_ms >= weibo_memo_number(older, "at") - SKEW_MS) {
                weibo_memo_old(memo, id);
                (void) json_object_del(memo, "older");
        }
}

/* Before that nothing of ours can have been posted. */
static int64_t earliest(const json_t *memo, const struct delivery *delivery) {
        const json_t *older = json_object_get(memo, "older");
        int64_t ms = weibo_memo_number(memo, "since");

        if (older && weibo_memo_number(older, "at") - SKEW_MS < ms)
                ms = weibo_memo_number(older, "at") - SKEW_MS;
        /* These words may be those of the revision that stands. */
        if (json_object_get(memo, "why") && delivery->first_shown_ms &&
            delivery->first_shown_ms - SKEW_MS < ms)
                ms = delivery->first_shown_ms - SKEW_MS;
        return ms;
}

bool weibo_memo_scan(json_t *memo, const struct delivery *delivery, const json_t *statuses) {
        bool publishes = delivery->kind == DELIVER_PUBLISH;
        int64_t at_ms = weibo_memo_number(memo, "at"), oldest_ms = INT64_MAX;
        const json_t *status;
        size_t i;

        if (at_ms == 0)
                at_ms = delivery->accepted_ms;
        (void) json_object_set_new(memo, "since", json_integer(at_ms - SKEW_MS));
        json_array_foreach (statuses, i, status) {
                int64_t ms = weibo_moment(weibo_memo_text(status, "created_at"));

                scan_one(memo, status, publishes);
                if (ms && ms < oldest_ms)
                        oldest_ms = ms;
        }
        /* What is found ends the search; a second look wants to know whether it stands twice. */
        if (!json_object_get(memo, "older") &&
            (!publishes || (weibo_memo_text(memo, "id") && !delivery->shown)))
                return false;
        return json_array_size(statuses) > 0 && weibo_memo_number(memo, "page") < WEIBO_PAGES &&
               oldest_ms >= earliest(memo, delivery);
}
