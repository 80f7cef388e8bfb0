#include "client/letter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* How long to wait after `busy` when the reply does not say, and the bounds of what it may say. */
enum { BUSY_LEAST_MS = 20, BUSY_DEFAULT_MS = 1000, BUSY_MOST_MS = 60000 };

int letter_check_size(size_t n_event, const struct gongkai_part *parts, size_t n_parts) {
        size_t n_bytes = n_event;

        if (n_event == 0)
                return -EINVAL;
        if (n_event > LETTER_MAX_BYTES || n_parts > LETTER_MAX_PARTS)
                return -EMSGSIZE;
        for (size_t i = 0; i < n_parts; i++) {
                if (parts[i].n_bytes > LETTER_MAX_PART)
                        return -EMSGSIZE;
                n_bytes += parts[i].n_bytes;
                if (n_bytes > LETTER_MAX_BYTES)
                        return -EMSGSIZE;
        }
        return 0;
}

static int copy_frame(zmq_msg_t *frame, const void *bytes, size_t n_bytes) {
        if (zmq_msg_init_size(frame, n_bytes) < 0) {
                (void) zmq_msg_init(frame);
                return -ENOMEM;
        }
        if (n_bytes)
                memcpy(zmq_msg_data(frame), bytes, n_bytes);
        return 0;
}

static const char *text_at(const json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key));
}

static int read_event(struct letter *letter, size_t i, const json_t *event, struct order *order) {
        const char *source = text_at(event, "source"), *id = text_at(event, "id");
        const char *document = text_at(json_object_get(event, "data"), "document");
        struct turn turn;
        int r;

        if (source && id) {
                letter->identities[i].source = strdup(source);
                letter->identities[i].id = strdup(id);
                if (!letter->identities[i].source || !letter->identities[i].id)
                        return -ENOMEM;
        }
        if (!document)
                return 0;
        r = order_take(order, document, &turn);
        if (r < 0)
                return r;
        for (size_t k = 0; k < letter->n_turns; k++)
                if (letter->turns[k].counter == turn.counter) {
                        order_give_back(order, &turn); /* twice in one message: one turn */
                        return 0;
                }
        letter->turns[letter->n_turns++] = turn;
        return 0;
}

/* Bytes that the door will refuse as a whole are one event without identity to us. */
static int read_events(struct letter *letter, struct order *order) {
        json_t *json = json_loadb(zmq_msg_data(&letter->frames[0]),
                                  zmq_msg_size(&letter->frames[0]), 0, NULL);
        size_t n = json_is_array(json) ? json_array_size(json) : 1;
        int r = 0;

        letter->is_array = json_is_array(json) && n >= 1 && n <= LETTER_MAX_EVENTS;
        letter->n_events = letter->is_array ? n : 1;
        letter->identities = calloc(letter->n_events, sizeof(*letter->identities));
        letter->turns = calloc(letter->n_events, sizeof(*letter->turns));
        letter->final = json_array();
        if (!letter->identities || !letter->turns || !letter->final)
                r = -ENOMEM;
        for (size_t i = 0; r == 0 && i < letter->n_events; i++) {
                if (json_array_append_new(letter->final, json_null()) < 0)
                        r = -ENOMEM;
                else if (letter->is_array)
                        r = read_event(letter, i, json_array_get(json, i), order);
                else if (json_is_object(json))
                        r = read_event(letter, i, json, order);
        }
        json_decref(json);
        return r;
}

int letter_new(const void *event, size_t n_event, const struct gongkai_part *parts, size_t n_parts,
               struct order *order, struct letter **ret) {
        struct letter *letter;
        int r = letter_check_size(n_event, parts, n_parts);

        if (r < 0)
                return r;
        letter = calloc(1, sizeof(*letter));
        if (!letter)
                return -ENOMEM;
        letter->frames = calloc(1 + n_parts, sizeof(*letter->frames));
        r = letter->frames ? 0 : -ENOMEM;
        for (size_t i = 0; r == 0 && i <= n_parts; i++) {
                const void *bytes = i ? parts[i - 1].bytes : event;
                size_t n_bytes = i ? parts[i - 1].n_bytes : n_event;

                r = copy_frame(&letter->frames[i], bytes, n_bytes);
                letter->n_frames++;
                letter->n_bytes += n_bytes;
        }
        if (r == 0)
                r = read_events(letter, order);
        if (r < 0) {
                letter_free(letter, order);
                return r;
        }
        *ret = letter;
        return 0;
}

struct letter *letter_free(struct letter *letter, struct order *order) {
        if (!letter)
                return NULL;
        for (size_t i = letter->n_turns; i > 0; i--)
                order_give_back(order, &letter->turns[i - 1]);
        for (size_t i = 0; letter->identities && i < letter->n_events; i++) {
                free(letter->identities[i].source);
                free(letter->identities[i].id);
        }
        for (size_t i = 0; i < letter->n_frames; i++)
                (void) zmq_msg_close(&letter->frames[i]);
        json_decref(letter->final);
        free(letter->reply);
        free(letter->identities);
        free(letter->turns);
        free(letter->frames);
        free(letter);
        return NULL;
}

bool letter_may_leave(const struct letter *letter) {
        for (size_t i = 0; i < letter->n_turns; i++)
                if (!turn_has_come(&letter->turns[i]))
                        return false;
        return true;
}

static enum letter_match event_matches(const struct identity *identity, const json_t *reply) {
        const char *source = text_at(reply, "source"), *id = text_at(reply, "id");

        if (!json_is_object(reply))
                return MATCH_NONE;
        if (!identity->source || (!source && !id))
                return MATCH_ORDER;
        if (source && strcmp(source, identity->source) != 0)
                return MATCH_NONE;
        if (id && strcmp(id, identity->id) != 0)
                return MATCH_NONE;
        return source && id ? MATCH_IDENTITY : MATCH_ORDER;
}

enum letter_match letter_matches(const struct letter *letter, const json_t *reply) {
        enum letter_match match = MATCH_ORDER;

        if (json_is_object(reply)) {
                if (!letter->is_array)
                        return event_matches(&letter->identities[0], reply);
                /* An array that was not even read as one is answered as a whole. */
                return text_at(reply, "id") ? MATCH_NONE : MATCH_ORDER;
        }
        if (!letter->is_array) /* an array too long to be one is answered as the door sees fit */
                return letter->identities[0].source ? MATCH_NONE : MATCH_ORDER;
        if (json_array_size(reply) != letter->n_events)
                return MATCH_NONE;
        for (size_t i = 0; i < letter->n_events; i++) {
                enum letter_match one =
                        event_matches(&letter->identities[i], json_array_get(reply, i));

                if (one == MATCH_NONE)
                        return MATCH_NONE;
                if (one == MATCH_IDENTITY)
                        match = MATCH_IDENTITY;
        }
        return match;
}

static bool is_busy(const json_t *reply) {
        const char *status = text_at(reply, "status");

        return status && strcmp(status, "busy") == 0;
}

static int64_t busy_ms(const json_t *reply) {
        const json_t *given = json_object_get(reply, "retry_after_ms");
        json_int_t ms = json_is_integer(given) ? json_integer_value(given) : BUSY_DEFAULT_MS;

        return ms < BUSY_LEAST_MS ? BUSY_LEAST_MS : ms > BUSY_MOST_MS ? BUSY_MOST_MS : ms;
}

/* The reply as the caller sees it: what was final once stays, though a repetition of the whole
 * array makes the door say `duplicate` of it. */
static json_t *whole_reply(const struct letter *letter, json_t *last) {
        json_t *whole;

        if (!letter->is_array || !json_is_array(last))
                return json_incref(last);
        whole = json_array();
        for (size_t i = 0; whole && i < letter->n_events; i++) {
                json_t *kept = json_array_get(letter->final, i);

                if (json_is_null(kept))
                        kept = json_array_get(last, i);
                if (json_array_append(whole, kept) < 0) {
                        json_decref(whole);
                        whole = NULL;
                }
        }
        return whole;
}

static int keep_final(struct letter *letter, size_t i, json_t *reply, int64_t *after_ms) {
        if (is_busy(reply)) {
                if (json_is_null(json_array_get(letter->final, i)) && busy_ms(reply) > *after_ms)
                        *after_ms = busy_ms(reply);
                return 0;
        }
        if (!json_is_null(json_array_get(letter->final, i)))
                return 0;
        return json_array_set(letter->final, i, reply) < 0 ? -ENOMEM : 0;
}

int letter_hear(struct letter *letter, json_t *reply, int64_t *ret_after_ms) {
        bool one_for_all = json_is_object(reply);
        int64_t after_ms = 0;
        json_t *whole;
        char *text;
        int r = 0;

        for (size_t i = 0; i < letter->n_events; i++)
                if (!text_at(one_for_all ? reply : json_array_get(reply, i), "status"))
                        return -EBADMSG;
        for (size_t i = 0; r == 0 && i < letter->n_events; i++)
                r = keep_final(letter, i, one_for_all ? reply : json_array_get(reply, i),
                               &after_ms);
        if (r < 0)
                return r;
        whole = whole_reply(letter, reply);
        text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;
        json_decref(whole);
        if (!text)
                return -ENOMEM;
        free(letter->reply);
        letter->reply = text;
        if (after_ms == 0)
                return LETTER_FINAL;
        *ret_after_ms = after_ms;
        return LETTER_BUSY;
}

static bool is_taken(const json_t *reply) {
        static const char *const taken[] = { "accepted", "duplicate", "stale", "held", "ok" };
        const char *status = text_at(reply, "status");

        for (size_t i = 0; status && i < ELEMENTS(taken); i++)
                if (strcmp(status, taken[i]) == 0)
                        return true;
        return false;
}

void letter_tell(const struct letter *letter, enum gongkai_result result) {
        struct gongkai_answer answer = { .result = result,
                                         .number = letter->number,
                                         .tries = letter->tries };

        if (result != GONGKAI_NO_ANSWER) {
                answer.reply = letter->reply;
                answer.n_reply = answer.reply ? strlen(answer.reply) : 0;
        }
        for (size_t i = 0; i < letter->n_events; i++) {
                const json_t *final = json_array_get(letter->final, i);

                if (json_is_null(final))
                        continue;
                if (is_taken(final))
                        answer.n_taken++;
                else
                        answer.n_refused++;
        }
        if (letter->answered)
                letter->answered(letter->userdata, &answer);
}
