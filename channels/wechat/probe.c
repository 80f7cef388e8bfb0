/* `gongkaictl channel test`: what the account may use, by calls that leave nothing behind. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/memory.h"

static const struct {
        const char *at, *path;
} probes[] = {
        { "drafts", "/cgi-bin/draft/batchget" },
        { "publish", "/cgi-bin/freepublish/batchget" },
        { "push", "/cgi-bin/message/mass/speed/get" },
};

static char *words_of(const json_t *found) {
        int64_t number = wechat_number(found, "code");
        char code[24];

        if (number == 0)
                return say(MESSAGE_WECHAT_CAN, NULL);
        (void) snprintf(code, sizeof(code), "%lld", (long long) number);
        return say(MESSAGE_WECHAT_CANNOT, "code", code, "reason", wechat_text(found, "words"),
                   NULL);
}

static int conclude(struct work *work) {
        const json_t *found = json_object_get(work->state, "found");
        char *words[ELEMENTS(probes)] = { NULL };
        bool bad = false;
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(probes); i++) {
                words[i] = words_of(json_object_get(found, probes[i].at));
                r = words[i] ? r : -ENOMEM;
                bad = bad || (wechat_number(json_object_get(found, probes[i].at), "code") != 0 &&
                              (strcmp(probes[i].at, "push") != 0 || work->options->push));
        }
        if (r == 0)
                r = wechat_verdict(work, bad ? VERDICT_BLOCKED : VERDICT_DONE,
                                   bad ? "wechat/account" : "done", 0, MESSAGE_WECHAT_CHANNEL_TEST,
                                   "drafts", words[0], "publish", words[1], "push", words[2], NULL);
        for (size_t i = 0; i < ELEMENTS(probes); i++)
                free(words[i]);
        return r;
}

int wechat_probe(struct work *work) {
        json_t *found = json_object_get(work->state, "found");

        if (!found && json_object_set_new(work->state, "found", found = json_object()) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(probes); i++)
                if (!json_object_get(found, probes[i].at))
                        return wechat_call(work, probes[i].at, probes[i].path,
                                           strcmp(probes[i].at, "push") == 0
                                                   ? json_object()
                                                   : json_pack("{s:i, s:i, s:i}", "offset", 0,
                                                               "count", 1, "no_content", 1),
                                           CALL_HARMLESS);
        return conclude(work);
}

int wechat_probed(struct work *work, const char *at, const struct reply *reply) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        json_t *found = json_object_get(work->state, "found");

        if (reply->kind == STEP_ACCOUNT)
                return wechat_probe(work);
        wechat_read(&reply->http, false, &answer);
        if (answer.class == CLASS_REFRESH)
                return wechat_refresh(work, &answer);
        /* That an interface may not be used is what is to be told; that nothing answers ends it. */
        if (answer.class == CLASS_NOT_SENT || answer.class == CLASS_LOST ||
            answer.class == CLASS_GARBLED || answer.class == CLASS_BUSY || answer.code == 40164 ||
            answer.code == 89503)
                return wechat_judge(work, &answer, true, MESSAGE_WECHAT_DO_OTHER);
        (void) json_object_del(work->state, "refused");
        if (json_object_set_new(found, at,
                                json_pack("{s:I, s:s}", "code", (json_int_t) answer.code, "words",
                                          answer.words)) < 0)
                return -ENOMEM;
        return wechat_probe(work);
}
