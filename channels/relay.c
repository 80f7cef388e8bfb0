#include "channels/relay.h"

#include <errno.h>
#include <string.h>

#include "core/digest.h"

/* The memo is {"at": "put"} until the entry is in the index, {"at": "look"} from then on, and has
 * the sum of what was sent; what a driver adds stays. It is of one attempt: the next begins anew. */
static const char *memo_text(const struct delivery *delivery, const char *key) {
        const char *text = json_string_value(json_object_get(delivery->memo, key));

        return text ? text : "";
}

int relay_begin(struct step *ret) {
        ret->memo = json_pack("{s:s}", "at", "put");
        return ret->memo ? 0 : -ENOMEM;
}

enum relay_turn relay_again(const struct delivery *delivery, struct step *ret, int *ret_error) {
        *ret = (struct step) { .kind = STEP_TREE_OPEN };
        ret->memo = delivery->memo ? json_copy((json_t *) delivery->memo) : json_object();
        *ret_error = ret->memo && json_object_set_new(ret->memo, "at", json_string("look")) == 0
                             ? 0
                             : -ENOMEM;
        return *ret_error == 0 ? RELAY_LOOK : RELAY_FILLED;
}

enum relay_turn relay_next(const struct delivery *delivery, const struct reply *reply,
                           struct step *ret, int *ret_error) {
        bool put = strcmp(memo_text(delivery, "at"), "put") == 0;

        *ret_error = 0;
        switch (reply->tree.status) {
        case TREE_OK:
                break;
        case TREE_NEWER: /* what is shown, or gone, is newer: nothing is to be done */
                *ret_error = step_done_verdict(ret, NULL, NULL);
                return RELAY_FILLED;
        case TREE_BUSY:
                return RELAY_BUSY;
        case TREE_FAILED:
                return RELAY_BROKEN;
        }
        if (reply->kind == STEP_TREE_COMMIT)
                return relay_again(delivery, ret, ret_error);
        if (!put)
                return RELAY_SHOW;
        *ret = (struct step) { .kind = STEP_TREE_COMMIT };
        return RELAY_FILLED;
}

void relay_sum(const void *bytes, size_t n_bytes, char ret[static RELAY_SUM]) {
        static const char digits[] = "0123456789abcdef";
        unsigned char sum[DIGEST_SUM];

        _Static_assert(2 * DIGEST_SUM < RELAY_SUM, "a sum's text has room");
        digest_sum(bytes, n_bytes, sum);
        for (size_t i = 0; i < DIGEST_SUM; i++) {
                ret[2 * i] = digits[sum[i] >> 4];
                ret[2 * i + 1] = digits[sum[i] & 15];
        }
        ret[2 * DIGEST_SUM] = '\0';
}

bool relay_is_sent(const struct delivery *delivery, const char *sum) {
        return strcmp(memo_text(delivery, "sum"), sum) == 0;
}

int relay_send(const struct delivery *delivery, const char *sum, struct step *ret) {
        ret->memo = json_copy((json_t *) delivery->memo);
        return ret->memo && json_object_set_new(ret->memo, "sum", json_string(sum)) == 0 ? 0
                                                                                       : -ENOMEM;
}
