#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/emit.h"
#include "core/memory.h"

static void emitter_freep(struct gongkai_emitter **emitter) {
        gongkai_emitter_free(*emitter);
}

static void spool_closep(struct gongkai_spool **spool) {
        gongkai_spool_close(*spool);
}

static const char *door_of(const struct emit_options *options) {
        const char *door = options->door ? options->door : getenv("GONGKAI_DOOR");

        return door && *door ? door : GONGKAI_DEFAULT_DOOR;
}

int emitter_from(const struct emit_options *options, struct gongkai_emitter **ret) {
        struct gongkai_emitter *emitter freed_by(emitter_freep) = NULL;
        int r = gongkai_emitter_new(&emitter);

        if (r == 0)
                r = gongkai_emitter_set_door(emitter, door_of(options));
        if (r == 0)
                r = gongkai_emitter_set_patience(emitter, options->timeout_ms);
        if (r == 0)
                r = gongkai_emitter_set_try_for(emitter, options->try_for_ms);
        if (r == 0 && options->window > 0)
                r = gongkai_emitter_set_window(emitter, options->window);
        if (r < 0) {
                tell(MESSAGE_EMIT_FAILED, "reason", strerror(-r), NULL);
                return EMIT_SYSTEM;
        }
        if (options->server_key) {
                r = gongkai_emitter_read_keys(emitter, options->server_key, options->key_file);
                if (r < 0) {
                        tell(MESSAGE_EMIT_BAD_KEYS, "server", options->server_key, "key",
                             options->key_file, "reason",
                             r == -EINVAL ? "no Z85 key" : strerror(-r), NULL);
                        return EMIT_INPUT;
                }
        }
        *ret = give_away(emitter);
        return 0;
}

int emitter_failed(const struct emit_options *options, int error) {
        if (error == -EINVAL || error == -EPROTONOSUPPORT || error == -ENAMETOOLONG) {
                tell(MESSAGE_EMIT_BAD_DOOR, "door", door_of(options), NULL);
                return EMIT_USAGE;
        }
        tell(MESSAGE_EMIT_FAILED, "reason", strerror(-error), NULL);
        return EMIT_SYSTEM;
}

void tell_no_answer(const struct emit_options *options, const struct gongkai_emitter *emitter) {
        tell(gongkai_emitter_was_connected(emitter) ? MESSAGE_EMIT_DOOR_SILENT
                                                    : MESSAGE_EMIT_DOOR_AWAY,
             "door", door_of(options), NULL);
}

/* Replies come as the door gives them; they are printed in the order of the input. */
struct slot {
        struct sending *sending;
        char *reply;
        size_t n_events;
        bool done;
};

struct sending {
        struct emit_report report;
        struct slot *slots; /* one per message */
        size_t n_slots, n_printed;
        bool short_of_memory;
};

static void sending_done(struct sending *sending) {
        for (size_t i = 0; i < sending->n_slots; i++)
                free(sending->slots[i].reply);
        free(sending->slots);
}

static void on_answer(void *userdata, const struct gongkai_answer *answer) {
        struct slot *slot = userdata, *first;
        struct sending *sending = slot->sending;

        slot->done = true;
        if (answer->reply) {
                slot->reply = strdup(answer->reply);
                sending->short_of_memory |= !slot->reply;
        }
        while (sending->n_printed < sending->n_slots &&
               (first = &sending->slots[sending->n_printed])->done) {
                if (first->reply)
                        report_reply(&sending->report, first->reply);
                else
                        sending->report.n_unanswered += first->n_events;
                free(give_away(first->reply));
                sending->n_printed++;
        }
        (void) fflush(sending->report.replies);
}

static int tell_too_large(const struct emit_message *message) {
        tell(MESSAGE_EMIT_TOO_LARGE, "place", message->place, NULL);
        return EMIT_INPUT;
}

/* Queues one message, and lets others leave first where the queue is full. */
static int queue(struct gongkai_emitter *emitter, const struct emit_message *message,
                 const struct emit_attachments *attachments, struct slot *slot) {
        struct gongkai_part *parts freed_by(freep) = NULL;
        int r = parts_of(message, attachments, &parts);

        if (r < 0)
                return r;
        for (;;) {
                r = gongkai_emit(emitter, message->bytes, message->n_bytes, parts,
                                 message->n_attached, on_answer, slot);
                if (r != -ENOBUFS)
                        return r;
                r = gongkai_emitter_run(emitter, 50);
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

static int send_all(const struct emit_options *options, struct emit_messages *messages,
                    const struct emit_attachments *attachments, struct sending *sending) {
        struct gongkai_emitter *emitter freed_by(emitter_freep) = NULL;
        int r = emitter_from(options, &emitter);

        if (r != 0)
                return r;
        for (size_t i = 0; i < messages->n; i++) {
                r = queue(emitter, &messages->list[i], attachments, &sending->slots[i]);
                if (r == -EMSGSIZE)
                        return tell_too_large(&messages->list[i]);
                if (r < 0)
                        return emitter_failed(options, r);
                free(give_away(messages->list[i].bytes));
        }
        do
                r = gongkai_emitter_run(emitter, -1);
        while (r == -EINTR);
        if (r < 0)
                return emitter_failed(options, r);
        if (sending->report.n_unanswered > 0)
                tell_no_answer(options, emitter);
        else if (sending->report.n_busy > 0)
                tell(MESSAGE_EMIT_DOOR_BUSY, NULL);
        return 0;
}

static void on_spooled_answer(void *userdata, const struct gongkai_answer *answer) {
        struct sending *sending = userdata;

        if (answer->result == GONGKAI_ANSWERED)
                report_reply(&sending->report, answer->reply);
        (void) fflush(sending->report.replies);
}

static int drain(const struct emit_options *options, struct gongkai_spool *spool,
                 struct sending *sending) {
        struct gongkai_emitter *emitter freed_by(emitter_freep) = NULL;
        char left[24];
        int r = emitter_from(options, &emitter);

        if (r != 0)
                return r;
        do
                r = gongkai_spool_drain(spool, emitter, -1, on_spooled_answer, sending);
        while (r == -EINTR);
        if (gongkai_spool_damaged(spool) > 0) {
                tell(MESSAGE_EMIT_SPOOL_DAMAGED, "folder", options->spool, NULL);
                sending->report.n_refused += gongkai_spool_damaged(spool);
        }
        if (r < 0 && r != -EBUSY)
                return emitter_failed(options, r);
        (void) snprintf(left, sizeof(left), "%lld", (long long) gongkai_spool_count(spool));
        if (r == -EBUSY)
                tell(MESSAGE_EMIT_SPOOL_LOCKED, "folder", options->spool, "count", left, NULL);
        else if (r == GONGKAI_SPOOL_LEFT)
                tell(MESSAGE_EMIT_SPOOLED, "folder", options->spool, "count", left, NULL);
        return 0;
}

/* First all of it onto the disk, then out, so that a crash in between loses nothing. */
static int send_spooled(const struct emit_options *options, const struct emit_messages *messages,
                        const struct emit_attachments *attachments, struct sending *sending) {
        struct gongkai_spool *spool freed_by(spool_closep) = NULL;
        int r = gongkai_spool_open(&spool, options->spool);

        for (size_t i = 0; r == 0 && i < messages->n; i++) {
                const struct emit_message *message = &messages->list[i];
                struct gongkai_part *parts freed_by(freep) = NULL;

                r = parts_of(message, attachments, &parts);
                if (r == 0)
                        r = gongkai_spool_put(spool, message->bytes, message->n_bytes, parts,
                                              message->n_attached);
                if (r == -EMSGSIZE)
                        return tell_too_large(message);
        }
        if (r < 0) {
                tell(MESSAGE_EMIT_SPOOL_FAILED, "folder", options->spool, "reason", strerror(-r),
                     NULL);
                return EMIT_SYSTEM;
        }
        return drain(options, spool, sending);
}

static int load_attachments(const struct emit_options *options, struct emit_attachments *ret) {
        for (size_t i = 0; i < options->n_attach; i++) {
                const char *path = options->attach[i];
                int r = attachments_add(ret, path);

                if (r == -EEXIST)
                        tell(MESSAGE_EMIT_ATTACH_TWICE, "file", path, NULL);
                else if (r == -EILSEQ)
                        tell(MESSAGE_EMIT_ATTACH_NAME, "file", path, NULL);
                else if (r == -EFBIG)
                        tell(MESSAGE_EMIT_FILE_TOO_LARGE, "file", path, "most", "64 MiB", NULL);
                else if (r < 0)
                        tell(MESSAGE_EMIT_CANNOT_READ, "file", path, "reason", strerror(-r), NULL);
                if (r < 0)
                        return r == -EEXIST ? EMIT_USAGE : EMIT_INPUT;
        }
        return 0;
}

static int load(const struct emit_options *options, struct emit_messages *messages,
                struct emit_attachments *attachments) {
        bool keep_json = options->check || options->n_attach > 0;
        struct buf problem freed_by(buf_done) = { 0 };
        int r = 0;

        /* At a terminal nobody pipes anything; the spool alone is work enough. */
        if (options->n_files == 0 && options->spool && isatty(STDIN_FILENO))
                return 0;
        if (options->n_files == 0 && isatty(STDIN_FILENO))
                tell(MESSAGE_EMIT_READING_TERMINAL, NULL);
        for (size_t i = 0; r == 0 && i < options->n_files; i++)
                r = input_load(options->files[i], keep_json, messages);
        if (options->n_files == 0)
                r = input_load("-", keep_json, messages);
        if (r == 0)
                r = load_attachments(options, attachments);
        if (r != 0)
                return r;
        if (messages->n == 0 && !options->spool) {
                tell(MESSAGE_EMIT_NO_EVENTS, NULL);
                return EMIT_INPUT;
        }
        r = attachments_fill(attachments, messages, &problem);
        if (r < 0 && problem.len > 0) {
                tell_line(buf_text(&problem));
                return r == -ENOTUNIQ ? EMIT_USAGE : EMIT_INPUT;
        }
        if (r == 0 && options->check)
                r = messages_make_dry(messages);
        if (r < 0) {
                tell(MESSAGE_EMIT_FAILED, "reason", strerror(-r), NULL);
                return EMIT_SYSTEM;
        }
        return 0;
}

int emit_send(const struct emit_options *options) {
        struct emit_messages messages freed_by(messages_done) = { 0 };
        struct emit_attachments attachments freed_by(attachments_done) = { 0 };
        struct sending sending freed_by(sending_done) = {
                .report = { .replies = stdout,
                            .words = options->check || isatty(STDERR_FILENO),
                            .all = options->check,
                            .check = options->check },
        };
        int r = load(options, &messages, &attachments);

        if (r != 0)
                return r;
        sending.slots = calloc(messages.n + 1, sizeof(*sending.slots));
        if (!sending.slots)
                return EMIT_SYSTEM;
        sending.n_slots = messages.n;
        for (size_t i = 0; i < messages.n; i++)
                sending.slots[i] =
                        (struct slot) { .sending = &sending, .n_events = messages.list[i].n_events };
        r = options->spool ? send_spooled(options, &messages, &attachments, &sending)
                           : send_all(options, &messages, &attachments, &sending);
        if (r != 0)
                return r;
        if (sending.short_of_memory)
                return EMIT_SYSTEM;
        if (sending.report.words)
                report_summary(&sending.report);
        return report_exit(&sending.report);
}
