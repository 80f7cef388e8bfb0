/* The channel daemon: one process per channel (any number of them may share one channel).
 *
 * engine.c says when to take due documents (a nudge, a timer, or room), take.c takes and loads
 * them, and an attempt is made of each: the driver writes a request, a transport runs it (http.c,
 * tree.c), the driver reads the reply, until there is a verdict (verdict.c); settle.c records it.
 * The lease of the store (lease.c) allows one attempt per document and channel at a time, over all
 * processes. */
#ifndef DAEMONS_CHANNELD_H
#define DAEMONS_CHANNELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "channels/driver.h"
#include "core/config.h"
#include "core/digest.h"
#include "core/event.h"
#include "core/store.h"

struct channeld;
struct attempt;
struct held;
struct lease;
struct listener;
struct job;
struct mqtt;
struct resolver;
struct talk;

struct region {
        struct channeld *daemon;
        char code[7];
        char epoch[ULID_TEXT];
        bool ready, greeting;
        bool reclaimed; /* what an earlier process in this slot had is due again */
        bool taking;          /* a take is on its way */
        bool renewing;        /* a renewal of leases is */
        bool settling;
        bool nudged;          /* while a take was on its way: look again */
        bool breaker_open;
        bool format_told;     /* the store speaks another format than we do */
        bool settle_told;     /* a settle was refused */
        int64_t next_boot_ms; /* when to take again */
        int64_t taken_boot_ms; /* the last time */
        int64_t open_until_boot_ms; /* until then a nudge does not count: the breaker is open */
        int64_t open_since_boot_ms;
        bool breaker_told, pause_seen;
        int64_t open_until_ms;      /* the same by the wall clock, for people */
        int64_t anew_boot_ms; /* look again then: the subscription to nudges is new */
        int64_t lively_until_boot_ms; /* until then a channel with `after` looks often */
        struct outcome *first, *last; /* to be settled */
        size_t n_outcomes;
        int64_t first_boot_ms; /* when the first of these came */
        int64_t settle_boot_ms; /* a settle was refused: not before then */
        struct string_list dependants; /* channels that wait for this one, directly or not */
        bool dependants_known;
};

/* What became of one attempt, on its way to the store. */
struct outcome {
        struct outcome *next;
        struct lease *lease;
        char *sentence, *reference, *url, *memo; /* NULL = empty; memo NULL = keep */
        const char *verdict; /* as gk1_settle reads it */
        const char *code;
        const char *health; /* "1" "0" "" */
        int64_t revision, generation, at_ms, bound_ms, hold_ms;
        int64_t started_ms, took_ms; /* wall clock; duration */
        unsigned level;
        bool sent, forget_memo, final;
};

struct attempt {
        struct channeld *daemon;
        struct region *region;
        struct attempt *next, *previous;
        struct lease *lease;  /* goes to the outcome */

        /* from gk1_work */
        int64_t revision, generation, deadline_ms, doubt_since_ms;
        unsigned level;
        char kind; /* P W X */
        bool older_sent; /* something of an overtaken revision may have left */
        int64_t look_ms; /* when the second look is due, if that is ahead; 0 none */
        bool removes, marks; /* the display is over */
        char *row; /* as the store gave it; these point into it */
        const char *event_id, *evid, *url, *after_url;
        char *reference, *surplus; /* surplus: references of stale attempts, by blank; NULL = none */
        unsigned char sum[DIGEST_SUM];
        bool has_sum;
        char digest[32]; /* of the event's content, raw */
        json_t *memo;
        bool doubt;

        char *bytes; /* of the event, as accepted; NUL-terminated */
        struct held *held; /* where these are, if a nudge brought them; NULL: they are our own */
        size_t n_bytes;
        struct attempt *next_ready;
        bool ready, begun;

        struct event *event;
        json_t *withdrawal; /* made by us for an expiry */
        struct attachment *attachments;
        char *key, *revision_part;
        struct delivery delivery;
        struct step step;
        bool sent;    /* something that changes what the carrier shows */
        bool unclear; /* and no clear answer came since */
        bool memo_moved; /* it is another than the store has */
        bool waits;   /* for the reply to the renewal of its lease */
        bool makes_account, awaits_account; /* STEP_ACCOUNT: it leads, or another does */
        bool resumes; /* its waiting is over: account_tend() */
        bool spoke;   /* by HTTP; `status` is that of the last reply, 0 for none */
        long status;
        int64_t started_boot_ms, started_ms;
        struct transfer *transfer;
        struct talk *talk;
        struct job *job;
        json_t *screens; /* read for STEP_BOOK */
        bool refreshes; /* of no document: refresh.c */
};

/* Documents whose bytes the store did not have, each asked for less and less often. */
enum { BYTELESS = 64 };
struct byteless {
        unsigned char sum[DIGEST_SUM]; /* of region and document */
        unsigned times;
};

struct channeld {
        sd_event *event;
        struct configuration *configuration;
        struct catalogue *catalogue;
        const struct channel_config *channel;
        const struct driver *driver;
        void *options;
        char *secret;
        json_t *account; /* of the driver; never told to anybody else */
        unsigned account_version;
        struct attempt *account_leader;
        struct resolver *resolver; /* of tcp.c, or NULL */
        struct mqtt *mqtt; /* NULL: the driver has none */
        struct attempt *refresh; /* the one that is under way */
        int64_t refresh_boot_ms, setup_ms;
        unsigned refresh_failures; /* in a row */
        bool refresh_again; /* when it has ended */
        struct listener *listener; /* NULL: nobody calls */
        int64_t call_told_boot_ms; /* a trouble with what comes in was told */
        unsigned n_calls_untold;
        json_t *silent; /* subjects of open alarms of silent players, or NULL: not looked yet */
        int64_t silent_boot_ms; /* when to look again */
        json_t *stills; /* document -> since when (ms) its withdrawal waits for players, or NULL */
        char *attachments_dir;
        struct store *store;
        struct region *regions;
        size_t n_regions;

        struct attempt *attempts;
        size_t n_attempts, n_ready, n_begun;
        struct attempt *ready_first, *ready_last; /* loaded, not begun */
        size_t n_ended, n_ended_last; /* this second, and in the last one */
        struct byteless byteless[BYTELESS];
        size_t byteless_at;
        bool set_up, stopping;
        int64_t setup_boot_ms; /* when to try the setup again */
        char *paused; /* what the store says, for STATUS */
        char *last_trouble; /* the sentence of the last failure, for STATUS */
        json_t *raised; /* subjects of open alarms of documents, or NULL */
        int64_t expiry_boot_ms; /* when to look again how long what is granted holds */
        bool goes;      /* not paused, as far as is known */
        uint64_t n_done, n_failed;
        int64_t n_in_a_row; /* failures of the endpoint since it answered well, or the store was asked */
        size_t bytes_each;         /* of an event, of late */
        unsigned n_told, n_untold; /* good ends in this second, in the log and not */
        int64_t timer_boot_ms;     /* when `timer` goes off; INT64_MAX = it is off */
        sd_event_source *pump; /* a turn of the engine, soon */
        sd_event_source *timer, *tick, *renewal;

        char worker[64]; /* "" when no slot could be had */
        int slot_fd;

        struct reload *reload; /* read, and waiting to be taken; NULL: none */
        char *refused;         /* why the last one was not, for STATUS */
        struct {               /* of the last request of `--test` */
                long status;   /* 0: no answer */
                int64_t took_ms;
                char *error;
                bool any;
        } tried;

        struct http *http;
        struct tree *tree;
        struct nudge *nudge;
};

/* engine.c */
void engine_pump(struct channeld *daemon); /* looks whether there is something to take */
/* It has all that it needs, and begins as soon as there is room on the wire. */
void engine_ready(struct attempt *attempt);
/* What has not begun goes back; `publications`: only those. */
void engine_release_ready(struct region *region, bool publications);
void engine_count(struct channeld *daemon); /* each second */
void engine_subscribed(struct channeld *daemon); /* nudges come again: some were lost */
void engine_later(struct region *region, int64_t wait_ms);
void engine_on_state(struct store *store, bool up, const char *reason, void *userdata);
void engine_nudged(struct channeld *daemon, const char *region);
/* A busy channel waits so long between two takes, that each brings many: a call of the store costs
 * as much as ten deliveries in it. 0 for one that is not. */
int64_t engine_gap_ms(const struct channeld *daemon);
int engine_on_pump(sd_event_source *source, void *userdata);
int engine_on_timer(sd_event_source *source, uint64_t usec, void *userdata);
bool engine_is_idle(const struct channeld *daemon);
store_reply_fn engine_ignore_reply;

/* take.c: one take, what is to be shown of each document, and its bytes. */
void take_go(struct region *region, size_t room);

/* lease.c: what this process holds. The lease's value is the score in the due set; it moves with
 * each renewal. Known by our own clock (BOOTTIME), counted from before it was asked for, so that
 * the store never lets it pass earlier than we think. */
struct lease {
        struct region *region;
        struct attempt *attempt; /* NULL once the attempt is over */
        char *document;
        int64_t value;
        int64_t proposed; /* not 0: a renewal is under way, and the score is one of the two */
        int64_t since_boot_ms, proposed_boot_ms;
        bool loaded; /* gk1_load has noted what the mark in the value says: a renewal drops it */
        bool lost;
        bool orphan; /* nobody's any more but the renewal's */
};
struct lease *lease_new(struct region *region, const char *document, int64_t value,
                        int64_t since_boot_ms);
void lease_free(struct lease *lease); /* takes NULL */
/* Whether a request may begin: the lease is ours by our own clock for a good while yet. */
bool lease_may_send(const struct lease *lease);
int lease_on_timer(sd_event_source *source, uint64_t usec, void *userdata);
/* Takes the first free slot of this machine and channel: fills daemon->worker. */
int lease_take_slot(struct channeld *daemon);
void lease_give_slot(struct channeld *daemon);
/* What an earlier process had in this slot is due again, and in doubt; region->reclaimed then. */
void lease_reclaim(struct region *region);

/* attempt.c: from a loaded document to a verdict. */
void attempt_begin(struct attempt *attempt);
/* Runs its steps until one waits for the world, or there is a verdict; it may be gone then. */
void attempt_go(struct attempt *attempt);
void attempt_replied(struct attempt *attempt, const struct reply *reply);
/* Its request did not leave: the lease was over when it was about to. */
void attempt_not_sent(struct attempt *attempt);
/* Goes on where it waited for its lease's renewal. */
void attempt_renewed(struct attempt *attempt);
/* The lease is lost, or will be before anybody looks again: what is on its way is cut. */
void attempt_cut(struct attempt *attempt);
/* Ends without having sent anything: somebody may have it at once. */
void attempt_release(struct attempt *attempt);
/* The store had no bytes for it: asked again in a second, when they may have been put back. */
void attempt_without_bytes(struct attempt *attempt);
void attempt_got_bytes(struct attempt *attempt); /* next time it waits a moment again */
/* Ends without a word to the store. */
void attempt_drop(struct attempt *attempt);
void attempt_free(struct attempt *attempt);

/* delivery.c: what the driver gets to see. */
int delivery_make_key(struct attempt *attempt);
int delivery_fill(struct attempt *attempt);

/* verdict.c: the end of an attempt. */
void verdict_conclude(struct attempt *attempt); /* attempt->step holds the verdict */
void verdict_tell_rest(struct channeld *daemon); /* of a second: how many were not told one by one */
void verdict_end(struct attempt *attempt, struct outcome *outcome); /* outcome may be NULL */

/* preview.c: what the driver would do with the event on standard input, in words, or as files in the
 * new folder `out` (NULL: none); sends nothing. */
int preview_run(struct channeld *daemon, const char *out);
int preview_follow(struct channeld *daemon, struct delivery *delivery, const char *out);

/* diagnose.c: `--test`: each step of the way, and what to mend; as JSON where asked. 0 or negative. */
int diagnose_run(struct channeld *daemon, bool json);
void diagnose_bad_configuration(const char *name, bool json); /* what is wrong was said */
/* interview.c: `--ask NAME`: questions on stderr, answers from stdin, the file's text on stdout. An
 * exit code. */
int interview_run(const char *config_path, const char *name);
/* describe.c: `--describe DRIVER`: its page. An exit code. */
int describe_run(const char *config_path, const char *driver);

/* special.c: runs DELIVER_SETUP or DELIVER_TEST to its end (blocking on the loop); 0, or the
 * verdict's sentence in *ret_sentence and -EIO. */
void special_fill(const struct channeld *daemon, enum delivery_kind kind, struct delivery *ret);
int special_run(struct channeld *daemon, enum delivery_kind kind, char **ret_sentence);
/* The same with the code that a person got from the carrier: what is to be kept as the secret. */
int special_login(struct channeld *daemon, const char *code, struct buf *ret_secret,
                  char **ret_sentence);

/* login.c: `--login`; what is granted goes to the descriptor 3. */
int login_run(struct channeld *daemon);
/* ask_secret.c: the secret, typed on a terminal; handed over as that of a login is. 0, or 1. */
int ask_secret_run(const char *config_path, const char *channel);

/* trouble.c: whatever a person should hear of a channel is told here. */
void trouble_blocked(struct channeld *daemon, const char *reason);
void trouble_start(struct channeld *daemon);
void trouble_secret(struct channeld *daemon, const char *reason);
void trouble_paused(struct region *region, const char *why); /* says the store */
void trouble_expiry(struct channeld *daemon); /* once a day: what is granted ends soon */
void trouble_goes(struct channeld *daemon); /* nothing blocks it, or not any more */
void trouble_done(struct region *region, const char *document); /* shown or gone: ends its alarms */
void trouble_damaged(struct region *region, const char *document);
void trouble_breaker(struct region *region, bool open, int64_t wait_ms);
void trouble_dead(struct region *region, const struct outcome *outcome);
void trouble_poison(struct region *region, const char *document);
void trouble_deadline(const struct attempt *attempt);
/* With the verdict; `asks`: it is settled as ASK. */
void trouble_still(const struct attempt *attempt, bool asks);
void trouble_settle(struct region *region, const char *reason); /* NULL: it works again */
void trouble_format(struct region *region, const char *format);

/* settle.c */
void settle_add(struct region *region, struct outcome *outcome);
void settle_go(struct region *region);
/* Whether what waits is worth a call now; else when it will be (BOOTTIME), INT64_MAX: nothing waits. */
int64_t settle_due(const struct region *region);
void settle_drop(struct region *region); /* at the end: the leases pass by themselves */

/* retry.c: milliseconds to wait after attempt number n (from 1) has failed, with jitter of up to a
 * tenth on top; -1 when the list has ended with it. */
int64_t retry_wait_ms(const struct channel_config *channel, unsigned attempt, uint32_t random);

/* http.c */
typedef int step_next_fn(const struct delivery *delivery, const struct reply *reply,
                         struct step *ret);
int http_open(struct channeld *daemon);
void http_close(struct channeld *daemon);
/* Starts; attempt_replied() is called later, once. Negative errno: not started. */
int http_start(struct attempt *attempt, const struct http_request *request);
/* Ends the attempt's request at once; whether bytes of it had left. */
bool http_cut(struct attempt *attempt);
/* Runs one request to its end; *ret is good until http_forget(). NULL: memory is short. */
struct transfer *http_hear(struct channeld *daemon, const struct http_request *request,
                           struct reply *ret);
void http_forget(struct transfer *transfer);
/* The same, and lets the driver read the reply: for `--test`, which has no loop. */
int http_run(struct channeld *daemon, const struct http_request *request,
             const struct delivery *delivery, step_next_fn *next, struct step *ret);

/* account.c: STEP_ACCOUNT.
 * Whether the account is still the one that the step found wanting: then the attempt makes it anew
 * (makes_account), or waits for the one that does. */
bool account_join(struct attempt *attempt);
void account_show(struct attempt *attempt); /* puts it into the delivery */
/* It is made, or cannot be had: those who waited go on, or get the same verdict. */
void account_made(struct attempt *attempt, json_t *account);
void account_refused(struct attempt *attempt, const struct verdict *verdict);
void account_left(struct channeld *daemon); /* its maker is gone: another takes it up */
void account_tend(struct channeld *daemon); /* those whose waiting is over go on */

/* book.c: STEP_BOOK. A negative errno: not asked. */
int book_start(struct attempt *attempt);
bool book_is_sound(const struct book *book);
int book_ask(struct channeld *daemon, const struct book *book, store_reply_fn *on_reply,
             void *userdata);
/* What waits for the carrier's answer (ASK) looks at once. */
void book_wake(struct region *region, const char *document);
/* The store's "ok"; *ret borrows from the two. -ENOMEM. */
int book_read(const struct book *book, const redisReply *answer, struct book_reply *ret,
              json_t **ret_values, json_t **ret_counts);

/* local.c: what a step takes from this machine: STEP_FILE, and the attachment of an upload.
 * The bytes are for local_file_done(). */
void local_file(const struct channeld *daemon, const char *path, struct file_reply *ret);
void local_file_done(struct file_reply *reply);
/* Puts the attachment between body and tail. Negative errno: -ENOENT, -E2BIG ... */
int local_upload(const struct channeld *daemon, struct http_request *request);

/* tcp.c: STEP_TCP. As those of http.c. */
int tcp_start(struct attempt *attempt, const struct tcp_step *step);
bool tcp_cut(struct attempt *attempt);
int tcp_run(struct channeld *daemon, const struct tcp_step *step, const struct delivery *delivery,
            step_next_fn *next, struct step *ret);
void tcp_close(struct channeld *daemon); /* all that are open, without a word */

/* listener.c: a small HTTP server for the carrier's calls; what the driver notes of one is on disk
 * before the answer. Negative errno, said already. */
int listener_open(struct channeld *daemon);
void listener_close(struct channeld *daemon);
void call_trouble(struct channeld *daemon, const char *reason); /* told at most once a minute */

/* sight.c: heartbeats of players. `well`: on disk. 0: on_done (NULL: nobody waits) is called, once and
 * later; a negative errno: it is not, and that was told unless it was unsound (-EINVAL). */
typedef void sight_done_fn(bool well, void *userdata);
int sight_take(struct channeld *daemon, const json_t *seen, sight_done_fn *on_done, void *userdata);
bool sight_is_sound(const json_t *sight);
/* A message under the watch: the driver's call() says what it is. */
void sight_heard(struct channeld *daemon, const char *path, const char *payload, size_t n);
/* Which players draw the document ("": none), and their "ok" as a book_reply has it; a new reference. */
int sight_ask(const struct region *region, const char *document, store_reply_fn *on_reply,
              void *userdata);
json_t *sight_read(const redisReply *reply);
void sight_tend(struct channeld *daemon); /* each second: players that have gone silent */

/* Handles at rest are set to the channel as it was. */
void http_drop_idle(struct channeld *daemon);

/* mqtt.c: STEP_MQTT. As those of http.c; mqtt_open() connects at once, if the driver has it. */
int mqtt_open(struct channeld *daemon);
void mqtt_close(struct channeld *daemon);
int mqtt_start(struct attempt *attempt, const struct mqtt_step *step);
bool mqtt_cut(struct attempt *attempt);
int mqtt_run(struct channeld *daemon, const struct mqtt_step *step, const struct delivery *delivery,
             step_next_fn *next, struct step *ret);

/* refresh.c: DELIVER_SETUP of drivers with refresh_ms() or mqtt(), on the loop. */
void refresh_soon(struct channeld *daemon);
void refresh_tend(struct channeld *daemon); /* each second */
void refresh_ended(struct attempt *attempt); /* attempt->step has its verdict, or none came */
void refresh_close(struct channeld *daemon);

/* tree.c */
int tree_open_index(struct channeld *daemon);
void tree_close_index(struct channeld *daemon);
/* Both answer at once; *ret borrows from the tree until the next call. */
void tree_open_entry(struct channeld *daemon, const char *region, const char *document,
                     const struct tree_open *open, struct tree_reply *ret);
void tree_commit_files(struct channeld *daemon, const struct tree_commit *commit,
                       struct tree_reply *ret);
void tree_rollback(struct channeld *daemon);

/* nudge.c */
int nudge_open(struct channeld *daemon);
void nudge_close(struct channeld *daemon);
/* The bytes of an event that a nudge brought, taken out of the cache, or NULL. They are good until
 * cache_give_back(*ret_held). */
char *nudge_take(struct channeld *daemon, const char *region, const char *evid, size_t *ret_n,
                 struct held **ret_held);

#endif
