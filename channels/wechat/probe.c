/* `gongkaictl channel test`: whether the files can be used that the options name, and what the account
 * may use, by calls that leave nothing behind. */
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
        char *words[ELEMENTS(probes)] = { NULL }, *all freed_by(freep) = NULL;
        bool bad = false;
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(probes); i++) {
                words[i] = words_of(json_object_get(found, probes[i].at));
                r = words[i] ? r : -ENOMEM;
                bad = bad || (wechat_number(json_object_get(found, probes[i].at), "code") != 0 &&
                              (strcmp(probes[i].at, "push") != 0 || work->options->push));
        }
        if (r == 0 && bad)
                all = say(MESSAGE_WECHAT_CHANNEL_TEST, "drafts", words[0], "publish", words[1], "push",
                          words[2], NULL);
        if (all)
                r = wechat_verdict(work, VERDICT_BLOCKED, "wechat/account", 0,
                                   MESSAGE_WECHAT_CHANNEL_TEST_BAD, "found", all, NULL);
        else if (r == 0)
                r = bad ? -ENOMEM
                        : wechat_verdict(work, VERDICT_DONE, "done", 0, MESSAGE_WECHAT_CHANNEL_TEST,
                                         "drafts", words[0], "publish", words[1], "push", words[2],
                                         NULL);
        for (size_t i = 0; i < ELEMENTS(probes); i++)
                free(words[i]);
        return r;
}

int wechat_probe(struct work *work) {
        json_t *found = json_object_get(work->state, "found");

        if (!found && json_object_set_new(work->state, "found", found = json_object()) < 0)
                return -ENOMEM;
        if (work->options->cover && !json_object_get(found, "cover"))
                return wechat_read_file(work, "cover", work->options->cover);
        if (work->options->template && !json_object_get(found, "template"))
                return wechat_read_file(work, "template", work->options->template);
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

static int have_file(struct work *work, const char *at, const struct file_reply *file) {
        bool cover = strcmp(at, "cover") == 0, good = false;
        const char *type = NULL;
        int r = cover ? wechat_check_cover(work, file, &type)
                      : wechat_check_template(work, file, &good);

        if (r < 0 || (!type && !good))
                return r;
        if (json_object_set_new(json_object_get(work->state, "found"), at, json_true()) < 0)
                return -ENOMEM;
        return wechat_probe(work);
}

int wechat_probed(struct work *work, const char *at, const struct reply *reply) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        json_t *found = json_object_get(work->state, "found");

        if (reply->kind == STEP_ACCOUNT)
                return wechat_probe(work);
        if (reply->kind == STEP_FILE)
                return have_file(work, at, &reply->file);
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
