/* Takes everything, shows nothing: for tests and benchmarks, and the smallest driver to learn from. */
#include "channels/driver.h"

static int discard_begin(const struct delivery *delivery, struct step *ret) {
        return step_done_verdict(ret, delivery->event_id, NULL);
}

static int discard_next(const struct delivery *delivery, const struct reply *reply,
                        struct step *ret) {
        (void) reply;
        return discard_begin(delivery, ret); /* never asked: begin() makes no request */
}

extern const struct driver discard_driver;
const struct driver discard_driver = {
        .name = "discard",
        .title_chinese = "丢弃（测试用）",
        .title_english = "discard (for tests)",
        .about_chinese = "什么都收，什么都不显示，立即算完成。只用来试验和测速。",
        .about_english = "Takes everything, shows nothing, is done at once. For experiments only.",
        .local = true,
        .begin = discard_begin,
        .next = discard_next,
};
