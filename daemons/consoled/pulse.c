/* What the store and publisherd say of themselves, round by round. */
#include "daemons/consoled/pulse.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"

/* As core/store.lua has them. */
#define SPLIT 1e12
#define CLASS_SPAN 3e11
#define DAY_SPAN 1.5e7
#define EPOCH_2020_MS INT64_C(1577836800000)
enum {
        N_CLASSES = 3,
        NO_DEADLINE = 19999,
        STEP_MS = 240000,
        SHANGHAI_MS = 28800000,
        DAY_MS = 86400000
};

struct pulse {
        struct consoled *daemon;
        struct pulse_facts facts; /* of the round that ended last */
        struct round *round;      /* the one under way */
};

/* What belongs together is asked together; answers of a round that was given up are dropped. */
struct round {
        struct pulse *pulse; /* NULL: given up */
        struct pulse_facts facts;
        size_t n_pending;
        bool failed;
};

enum piece_kind {
        PIECE_STATUS,
        PIECE_NUMBER,
        PIECE_LOG,
        PIECE_GATE,
        PIECE_DUE,
        PIECE_INFO,
        PIECE_CONFIG
};

struct piece {
        struct round *round;
        enum piece_kind kind;
        size_t region, channel;
};

/* -- facts ------------------------------------------------------------------------------------- */

static void facts_done(struct pulse_facts *facts) {
        for (size_t i = 0; i < facts->n_channels; i++) {
                free(facts->channels[i].name);
                free(facts->channels[i].paused);
        }
        for (size_t i = 0; i < facts->n_regions; i++) {
                free(facts->regions[i].reason);
                free(facts->regions[i].stop);
        }
        free(facts->channels);
        free(facts->regions);
        *facts = (struct pulse_facts){ 0 };
}

static int facts_init(struct pulse_facts *facts, const struct configuration *configuration) {
        *facts = (struct pulse_facts){
                .at_ms = clock_now_ms(),
                .memory = -1,
                .memory_most = -1,
                .aof_size = -1,
                .aof_delayed = -1,
                .channels = calloc(configuration->n_channels + 1, sizeof(*facts->channels)),
                .regions = calloc(configuration->main.regions.n + 1, sizeof(*facts->regions)),
        };
        if (!facts->channels || !facts->regions)
                return -ENOMEM;
        for (; facts->n_channels < configuration->n_channels; facts->n_channels++) {
                char *name = strdup(configuration->channels[facts->n_channels].name);

                if (!name)
                        return -ENOMEM;
                facts->channels[facts->n_channels].name = name;
        }
        for (; facts->n_regions < configuration->main.regions.n; facts->n_regions++)
                (void) snprintf(facts->regions[facts->n_regions].code,
                                sizeof(facts->regions[0].code), "%.6s",
                                configuration->main.regions.items[facts->n_regions]);
        return 0;
}

void pulse_score(double score, int64_t *ret_since_ms, int64_t *ret_deadline_ms) {
        double rest = fmod(score, CLASS_SPAN);
        int64_t day = (int64_t) (rest / DAY_SPAN);

        *ret_since_ms = *ret_deadline_ms = 0;
        if (!(score >= 0 && score < SPLIT))
                return;
        *ret_since_ms = EPOCH_2020_MS + (int64_t) (fmod(rest, DAY_SPAN) / 2) * STEP_MS;
        /* A day of UTC, whose last moment is as near as the score tells. What came back from a wait
         * stands in front of all others, with the first day there is. */
        if (day > 0 && day < NO_DEADLINE)
                *ret_deadline_ms = EPOCH_2020_MS + (day + 1) * (int64_t) DAY_MS - 1;
}

int64_t pulse_info(const char *info, const char *name) {
        size_t n = strlen(name);

        for (const char *line = info; line;
             line = strchr(line, '\n'), line = line ? line + 1 : NULL)
                if (strncmp(line, name, n) == 0 && line[n] == ':')
                        return strtoll(line + n + 1, NULL, 10);
        return -1;
}

static bool info_is(const char *info, const char *name, const char *value) {
        size_t n = strlen(name);

        for (const char *line = info; line;
             line = strchr(line, '\n'), line = line ? line + 1 : NULL)
                if (strncmp(line, name, n) == 0 && line[n] == ':')
                        return strncmp(line + n + 1, value, strlen(value)) == 0;
        return false;
}

char *pulse_unsafe(const struct pulse_facts *facts) {
        struct buf words freed_by(buf_done) = { 0 };

        if (!facts->aof_on)
                buf_str(&words, "appendonly = no ");
        if (!facts->synced)
                buf_str(&words, "appendfsync ≠ always ");
        if (facts->no_sync_on_rewrite)
                buf_str(&words, "no-appendfsync-on-rewrite = yes ");
        if (!facts->noeviction)
                buf_str(&words, "maxmemory-policy ≠ noeviction ");
        if (facts->aof_on && !facts->aof_last_ok)
                buf_str(&words, "aof_last_write_status = err ");
        if (words.len == 0)
                return NULL;
        words.data[--words.len] = '\0';
        return buf_take(&words);
}

/* -- a round ----------------------------------------------------------------------------------- */

static void round_free(struct round *round) {
        facts_done(&round->facts);
        free(round);
}

static void round_answered(struct round *round) {
        struct pulse *pulse = round->pulse;

        if (--round->n_pending > 0)
                return;
        if (pulse) {
                round->facts.store = !round->failed;
                facts_done(&pulse->facts);
                pulse->facts = round->facts;
                round->facts = (struct pulse_facts){ 0 };
                pulse->round = NULL;
        }
        round_free(round);
}

static void earliest(int64_t *at, int64_t ms) {
        if (ms > 0 && (*at == 0 || ms < *at))
                *at = ms;
}

static void latest(int64_t *at, int64_t ms) {
        if (ms > *at)
                *at = ms;
}

static void read_status(struct pulse_facts *facts, size_t of, const redisReply *reply) {
        struct region_pulse *region = &facts->regions[of];

        if (*reply_text(reply, 0) && !region->stop)
                region->stop = strdup(reply_text(reply, 0));
        region->held = reply_number(reply, 1);
        for (size_t i = 0; i < facts->n_channels; i++) {
                const redisReply *due = reply_at(reply, 2 + i);

                facts->channels[i].waiting += reply_number(due, 0);
                facts->channels[i].ready += reply_number(due, 1);
                if (*reply_text(due, 2) && !facts->channels[i].paused)
                        facts->channels[i].paused = strdup(reply_text(due, 2));
        }
}

/* HMGET open hold fly run d, the last one "WINDOW:COUNT" of a day in Shanghai. */
static void read_gate(struct channel_pulse *channel, const redisReply *reply, int64_t now_ms) {
        int64_t day = (now_ms + SHANGHAI_MS) / DAY_MS;
        const char *quota = reply_text(reply, 4), *colon = strchr(quota, ':');

        latest(&channel->open_ms, reply_number(reply, 0));
        if (reply_number(reply, 1) > now_ms)
                latest(&channel->hold_ms, reply_number(reply, 1));
        channel->in_hand += reply_number(reply, 2);
        latest(&channel->in_a_row, reply_number(reply, 3));
        if (colon && strtoll(quota, NULL, 10) == day)
                channel->quota_used += strtoll(colon + 1, NULL, 10);
}

/* The first one of a part of a due set: {document, score}. */
static void read_due(struct channel_pulse *channel, const redisReply *reply) {
        double score = reply_at(reply, 1) ? strtod(reply_text(reply, 1), NULL) : -1;
        int64_t since, deadline;

        if (score >= SPLIT) { /* its time has come, and nobody has moved it yet */
                earliest(&channel->oldest_ms, (int64_t) score);
                return;
        }
        pulse_score(score, &since, &deadline);
        earliest(&channel->oldest_ms, since);
        earliest(&channel->deadline_ms, deadline);
}

static void read_info(struct pulse_facts *facts, const redisReply *reply) {
        const char *info = reply->type == REDIS_REPLY_STRING ? reply->str : "";

        facts->memory = pulse_info(info, "used_memory");
        facts->memory_most = pulse_info(info, "maxmemory");
        facts->aof_size = pulse_info(info, "aof_current_size");
        facts->aof_delayed = pulse_info(info, "aof_delayed_fsync");
        facts->aof_on = pulse_info(info, "aof_enabled") == 1;
        facts->aof_last_ok = info_is(info, "aof_last_write_status", "ok");
        facts->aof_rewrite_ok = info_is(info, "aof_last_bgrewrite_status", "ok");
}

static void read_config(struct pulse_facts *facts, const redisReply *reply) {
        for (size_t i = 0; reply_at(reply, i + 1); i += 2) {
                if (reply_is(reply, i, "appendfsync"))
                        facts->synced = reply_is(reply, i + 1, "always");
                else if (reply_is(reply, i, "no-appendfsync-on-rewrite"))
                        facts->no_sync_on_rewrite = !reply_is(reply, i + 1, "no");
                else if (reply_is(reply, i, "maxmemory-policy"))
                        facts->noeviction = reply_is(reply, i + 1, "noeviction");
        }
}

static void on_piece(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct piece *piece freed_by(freep) = userdata;
        struct round *round = piece->round;
        struct pulse_facts *facts = &round->facts;

        (void) store;
        (void) reason;
        if (error)
                round->failed = true;
        else if (round->pulse)
                switch (piece->kind) {
                case PIECE_STATUS:
                        read_status(facts, piece->region, reply);
                        break;
                case PIECE_NUMBER:
                        facts->regions[piece->region].n = reply->type == REDIS_REPLY_STRING
                                                                  ? strtoll(reply->str, NULL, 10)
                                                                  : 0;
                        break;
                case PIECE_LOG:
                        facts->regions[piece->region].n_log =
                                reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
                        break;
                case PIECE_GATE:
                        read_gate(&facts->channels[piece->channel], reply, facts->at_ms);
                        break;
                case PIECE_DUE:
                        read_due(&facts->channels[piece->channel], reply);
                        break;
                case PIECE_INFO:
                        read_info(facts, reply);
                        break;
                case PIECE_CONFIG:
                        read_config(facts, reply);
                        break;
                }
        round_answered(round);
}

/* Takes the words. */
static void ask_store(struct round *round, struct words *words, enum piece_kind kind, size_t region,
                      size_t channel) {
        struct piece *piece = malloc(sizeof(*piece));

        if (piece)
                *piece = (struct piece){ round, kind, region, channel };
        round->n_pending++;
        if (!piece || store_command(round->pulse->daemon->store, words, on_piece, piece) < 0) {
                free(piece);
                round->failed = true;
                round->n_pending--; /* pulse_go() holds one of its own */
        }
        words_done(words);
}

static void ask_region(struct round *round, size_t of) {
        const char *code = round->facts.regions[of].code;
        struct words words = { 0 };

        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_status");
        words_number(&words, (int64_t) round->facts.n_channels + 2);
        words_key(&words, code, "ctl");
        words_key(&words, code, "held");
        for (size_t i = 0; i < round->facts.n_channels; i++)
                words_key(&words, code, "due:%s", round->facts.channels[i].name);
        for (size_t i = 0; i < round->facts.n_channels; i++)
                words_str(&words, round->facts.channels[i].name);
        ask_store(round, &words, PIECE_STATUS, of, 0);
        words_str(&words, "HGET");
        words_key(&words, code, "meta");
        words_str(&words, "n");
        ask_store(round, &words, PIECE_NUMBER, of, 0);
        words_str(&words, "XLEN");
        words_key(&words, code, "log");
        ask_store(round, &words, PIECE_LOG, of, 0);
}

static void ask_first_due(struct round *round, size_t region, size_t channel, double from,
                          double to) {
        struct words words = { 0 };

        words_str(&words, "ZRANGEBYSCORE");
        words_key(&words, round->facts.regions[region].code, "due:%s",
                  round->facts.channels[channel].name);
        words_fmt(&words, "%.0f", from);
        words_fmt(&words, "(%.0f", to);
        words_str(&words, "WITHSCORES");
        words_str(&words, "LIMIT");
        words_str(&words, "0");
        words_str(&words, "1");
        ask_store(round, &words, PIECE_DUE, region, channel);
}

static void ask_channel(struct round *round, size_t region, size_t channel) {
        static const char *const fields[] = { "open", "hold", "fly", "run", "d" };
        struct words words = { 0 };

        words_str(&words, "HMGET");
        words_key(&words, round->facts.regions[region].code, "gate:%s",
                  round->facts.channels[channel].name);
        for (size_t i = 0; i < ELEMENTS(fields); i++)
                words_str(&words, fields[i]);
        ask_store(round, &words, PIECE_GATE, region, channel);
        /* Withdrawals, urgent ones and the rest are three queues in one; each has its oldest in
         * front, but for legal dates. */
        for (int class = 0; class < N_CLASSES; class ++)
                ask_first_due(round, region, channel, class * CLASS_SPAN, (class + 1) * CLASS_SPAN);
        ask_first_due(round, region, channel, SPLIT, (double) round->facts.at_ms);
}

static void ask_redis(struct round *round) {
        struct words words = { 0 };

        words_str(&words, "INFO");
        ask_store(round, &words, PIECE_INFO, 0, 0);
        words_str(&words, "CONFIG");
        words_str(&words, "GET");
        words_str(&words, "*append*");
        ask_store(round, &words, PIECE_CONFIG, 0, 0);
        words_str(&words, "CONFIG");
        words_str(&words, "GET");
        words_str(&words, "maxmemory-policy");
        ask_store(round, &words, PIECE_CONFIG, 0, 0);
}

static int64_t number_of(const json_t *json, const char *name) {
        return json_integer_value(json_object_get(json, name));
}

static void on_door(const json_t *answer, void *userdata) {
        struct round *round = userdata;
        struct pulse_facts *facts = &round->facts;
        const json_t *row;
        const char *version = json_string_value(json_object_get(answer, "version"));
        size_t i;

        if (json_is_true(json_object_get(answer, "ok"))) {
                facts->door = true;
                facts->accepted = number_of(answer, "accepted");
                facts->rejected = number_of(answer, "rejected");
                facts->busy = number_of(answer, "busy");
                facts->pending = number_of(answer, "pending");
                (void) snprintf(facts->door_version, sizeof(facts->door_version), "%s",
                                version ? version : "");
        }
        json_array_foreach(json_object_get(answer, "rows"), i, row) {
                const char *code = json_string_value(json_object_get(row, "region"));
                const char *reason = json_string_value(json_object_get(row, "reason"));

                for (size_t k = 0; code && k < facts->n_regions; k++) {
                        if (strcmp(facts->regions[k].code, code) != 0)
                                continue;
                        facts->regions[k].asked = true;
                        facts->regions[k].takes = json_is_true(json_object_get(row, "ready"));
                        if (reason && !facts->regions[k].reason)
                                facts->regions[k].reason = strdup(reason);
                }
        }
        round_answered(round);
}

void pulse_go(struct pulse *pulse) {
        struct round *round;

        if (pulse->round)
                return;
        round = calloc(1, sizeof(*round));
        if (!round)
                return;
        round->pulse = pulse;
        round->n_pending = 1; /* ours, so that it does not end while it is being asked */
        pulse->round = round;
        if (facts_init(&round->facts, pulse->daemon->configuration) < 0 ||
            !store_is_up(pulse->daemon->store))
                round->failed = true;
        for (size_t i = 0; !round->failed && i < round->facts.n_regions; i++) {
                ask_region(round, i);
                for (size_t k = 0; k < round->facts.n_channels; k++)
                        ask_channel(round, i, k);
        }
        if (!round->failed)
                ask_redis(round);
        round->n_pending++;
        if (ask_publisherd(pulse->daemon, json_pack("{s:s}", "do", "status"), on_door, round) < 0)
                round->n_pending--;
        round_answered(round);
}

void pulse_forget(struct pulse *pulse) {
        if (pulse->round)
                pulse->round->pulse = NULL;
        pulse->round = NULL;
}

int pulse_new(struct consoled *daemon, struct pulse **ret) {
        struct pulse *pulse = calloc(1, sizeof(*pulse));

        if (!pulse)
                return -ENOMEM;
        pulse->daemon = daemon;
        *ret = pulse;
        return 0;
}

/* After the store and the questions to publisherd: what is pending then has been told. */
struct pulse *pulse_free(struct pulse *pulse) {
        if (!pulse)
                return NULL;
        if (pulse->round)
                round_free(pulse->round);
        facts_done(&pulse->facts);
        free(pulse);
        return NULL;
}

const struct pulse_facts *pulse_facts(const struct pulse *pulse) {
        return &pulse->facts;
}

const struct channel_pulse *pulse_channel(const struct pulse *pulse, const char *name) {
        for (size_t i = 0; i < pulse->facts.n_channels; i++)
                if (strcmp(pulse->facts.channels[i].name, name) == 0)
                        return &pulse->facts.channels[i];
        return NULL;
}
