/* For the tests of the LED boards: an index, a card that answers as it is told, and one delivery in
 * short. Included by tests only. */
#ifndef CHANNELS_ONBON_FIXTURE_H
#define CHANNELS_ONBON_FIXTURE_H

#include "channels/fake_index.h"
#include "channels/onbon/onbon.h"

#define NOON INT64_C(1795320000000) /* 2026-11-22T12:00:00+08:00 */
#define DAY INT64_C(86400000)

extern const struct driver onbon_driver;

#define OR(value, otherwise) ((value) ? (value) : (otherwise))

struct board {
        struct fake_index index;
        struct onbon_options options;
        struct buf shown;     /* the command that the card took last */
        unsigned n_sent;      /* commands that came to it */
        int nack;             /* what it says; 0: yes */
        unsigned n_nacks;     /* so many times; 0: always */
        const char *error;    /* no answer */
        bool not_sent;        /* and nothing left us */
        const char *answer;   /* these bytes in place of an answer */
        void (*meanwhile)(struct board *board); /* once, before the card answers */
        char *sentence;       /* of the last verdict */
        json_t *sight;        /* likewise */
};

struct act {
        enum delivery_kind kind;
        const char *document, *data; /* members of data, JSON */
        int64_t revision, at_ms, setup_ms;
        unsigned level;
        bool urgent;
        const char *code; /* of the verdict */
};

static inline void board_init(struct board *board) {
        *board = (struct board) { 0 };
        fake_index_init(&board->index);
        board->options = (struct onbon_options) {
                .host = (char *) "10.0.0.9", .port = 5005, .screen = 1, .area = 3, .width = 128,
                .height = 16, .colour = 0, .urgent_colour = 2, .effect = 2, .speed = 4,
                .stay_ms = 5000, .most = 10, .length = 70, .most_bytes = 1000,
                .separator = (char *) "  ", .show_days = 14,
        };
}

static inline void board_done(struct board *board) {
        fake_index_done(&board->index);
        buf_done(&board->shown);
        free(board->sentence);
        json_decref(board->sight);
}

static inline struct delivery delivery_of(const struct board *board, const struct act *act,
                                          json_t *event) {
        bool shown = act->kind == DELIVER_PUBLISH;

        return (struct delivery) {
                .kind = act->kind, .channel = "led", .region = "530581", .region_name = "腾冲市",
                .document = OR(act->document, "oa-1"), .revision = OR(act->revision, 1),
                .level = OR(act->level, shown ? 0u : 1u), .event = event, .document_kind = "notice",
                .urgent = act->urgent, .attempt = 1, .key = "k", .now_ms = OR(act->at_ms, NOON), .setup_ms = act->setup_ms,
                .options = &board->options,
        };
}

static inline json_t *event_of(const char *members) {
        json_t *data = json_loads(OR(members, "{\"title\":\"停水通知\"}"), 0, NULL);

        assert_non_null(data);
        return json_pack("{s:s, s:o}", "id", "e", "data", data);
}

/* The command in a frame of ours, as the card reads it. */
static inline void board_takes(struct board *board, const struct buf *frame) {
        struct buf plain = { 0 };

        for (size_t i = 8; i + 1 < frame->len; i++) {
                unsigned char byte = (unsigned char) frame->data[i];

                if (byte == 0xa6 || byte == 0x5b)
                        byte = (unsigned char) (byte + 1 - frame->data[++i]);
                buf_char(&plain, (char) byte);
        }
        assert_true(plain.len > 16);
        assert_int_equal(onbon_crc(plain.data, plain.len), 0); /* a CRC over its own is nothing */
        buf_reset(&board->shown);
        buf_add(&board->shown, plain.data + 14, plain.len - 16);
        buf_done(&plain);
}

static inline void board_answers(struct board *board, const struct tcp_step *tcp, struct buf *bytes,
                                 struct tcp_reply *ret) {
        char data[5] = { (char) 0xa0, board->nack != 0, (char) board->nack, 0, 0 };

        assert_string_equal(tcp->host, board->options.host);
        assert_int_equal(tcp->until, 0x5a);
        if (board->error) {
                *ret = (struct tcp_reply) { .sent = !board->not_sent, .error = board->error };
                return;
        }
        board->n_sent++;
        if (board->answer)
                buf_str(bytes, board->answer);
        else
                onbon_frame(1, false, data, sizeof(data), bytes);
        if (board->nack == 0)
                board_takes(board, &tcp->bytes);
        if (board->n_nacks > 0 && --board->n_nacks == 0)
                board->nack = 0;
        *ret = (struct tcp_reply) { .bytes = (unsigned char *) bytes->data, .n_bytes = bytes->len,
                                    .whole = true, .sent = true };
}

/* Runs one delivery to its verdict, whose kind it answers. */
static inline enum verdict_kind deliver(struct board *board, const struct act *act) {
        json_t *event = event_of(act->data), *memo = NULL;
        struct delivery delivery = delivery_of(board, act, event);
        struct step step = { 0 };
        enum verdict_kind kind;

        assert_int_equal(onbon_driver.begin(&delivery, &step), 0);
        for (unsigned n = 0; step.kind != STEP_VERDICT; n++) {
                struct buf bytes = { 0 };
                struct step next = { 0 };
                struct reply reply;

                assert_true(n < 30);
                if (step.memo) {
                        json_decref(memo);
                        delivery.memo = memo = json_incref(step.memo);
                }
                if (!fake_index_answers(&board->index, &delivery, &step, &reply)) {
                        void (*meanwhile)(struct board *) = board->meanwhile;

                        assert_int_equal(step.kind, STEP_TCP);
                        board->meanwhile = NULL;
                        if (meanwhile)
                                meanwhile(board);
                        board_answers(board, &step.tcp, &bytes, &reply.tcp);
                }
                assert_int_equal(onbon_driver.next(&delivery, &reply, &next), 0);
                step_done(&step);
                step = next;
                buf_done(&bytes);
        }
        fake_index_rollback(&board->index);
        if (act->code)
                assert_string_equal(step.verdict.code, act->code);
        kind = step.verdict.kind;
        free(board->sentence);
        board->sentence = give_away(step.verdict.sentence);
        json_decref(board->sight);
        board->sight = give_away(step.verdict.sight);
        assert_true(kind == VERDICT_DONE || board->sentence);
        step_done(&step);
        json_decref(memo);
        json_decref(event);
        return kind;
}

/* The text of the area, from GBK: only its ASCII and what the rows write as it stands. */
static inline const char *text_shown(struct board *board) {
        assert_true(board->shown.len > 36);
        return board->shown.data + 36;
}

#endif
