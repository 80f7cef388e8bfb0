/* What this process holds, and how it keeps it.
 *
 * Each tick is a sixth of a lease. What is older than a third is renewed, all of a region in one
 * call; what will be over before the next tick is cut, so that no request of ours outlives its
 * lease by our own clock. The worker proposes the new value itself: when the reply is lost it
 * proposes the same again, and the store takes it whether the score is the old or the new one. Until
 * that is known nothing that names the lease (a settle, a checkpoint) is sent. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"

enum { BATCH = 256, SLOTS = 256, GRAIN = 16, PASSED_MARK = 8, LEAST_TICK_MS = 50 };

struct lease *lease_new(struct region *region, const char *document, int64_t value,
                        int64_t since_boot_ms) {
        struct lease *lease = calloc(1, sizeof(*lease));

        if (!lease)
                return NULL;
        *lease = (struct lease) { .region = region, .value = value, .since_boot_ms = since_boot_ms,
                                  .document = strdup(document) };
        if (lease->document)
                return lease;
        free(lease);
        return NULL;
}

static bool is_on_its_way(const struct lease *lease) {
        return lease->proposed != 0 && lease->region->renewing;
}

void lease_free(struct lease *lease) {
        if (!lease)
                return;
        if (is_on_its_way(lease)) {
                lease->orphan = true; /* the reply frees it */
                lease->attempt = NULL;
                return;
        }
        free(lease->document);
        free(lease);
}

static int64_t age_of(const struct lease *lease) {
        return clock_boot_ms() - lease->since_boot_ms;
}

static int64_t length_of(const struct lease *lease) {
        return lease->region->daemon->channel->lease_ms;
}

bool lease_may_send(const struct lease *lease) {
        return !lease->lost && 3 * age_of(lease) < 2 * length_of(lease);
}

/* -- renewal -------------------------------------------------------------------------------------- */

struct renewal {
        struct region *region;
        struct lease *leases[BATCH];
        size_t n;
};

static void renewed(struct lease *lease, bool well) {
        lease->lost = !well;
        if (well) {
                lease->value = lease->proposed;
                lease->since_boot_ms = lease->proposed_boot_ms;
        }
        lease->proposed = 0;
        if (lease->orphan)
                lease_free(lease);
        else if (lease->attempt && lease->lost)
                attempt_cut(lease->attempt);
        else if (lease->attempt)
                attempt_renewed(lease->attempt);
}

static void on_renewed(struct store *store, const redisReply *reply, int error, const char *reason,
                       void *userdata) {
        struct renewal *renewal freed_by(freep) = userdata;
        struct region *region = renewal->region;

        (void) store;
        (void) reason;
        region->renewing = false;
        crash_point("channeld/renewed");
        for (size_t i = 0; i < renewal->n; i++) {
                struct lease *lease = renewal->leases[i];

                if (error == 0)
                        renewed(lease, reply_is(reply, i, "ok"));
                else if (lease->orphan)
                        lease_free(lease);
                /* Else the proposal stands, and is made again. */
        }
        if (error == 0) /* outcomes may have waited for it */
                settle_go(region);
}

static void propose(struct renewal *renewal, struct lease *lease, struct words *words) {
        if (renewal->n == BATCH)
                return;
        if (lease->proposed == 0) {
                int64_t passed = age_of(lease);

                /* The store's clock and ours run alike between two renewals; in full grains, and
                 * without the mark of a lease that had passed, which gk1_load has noted. */
                lease->proposed_boot_ms = lease->since_boot_ms + passed;
                lease->proposed = (lease->value & ~(int64_t) PASSED_MARK) +
                                  (passed + GRAIN - 1) / GRAIN * GRAIN;
                if (lease->proposed <= lease->value)
                        lease->proposed += GRAIN;
        }
        words_str(words, lease->document);
        words_number(words, lease->value);
        words_number(words, lease->proposed);
        renewal->leases[renewal->n++] = lease;
}

static void collect(struct renewal *renewal, struct words *words) {
        struct region *region = renewal->region;

        for (struct attempt *attempt = region->daemon->attempts; attempt; attempt = attempt->next) {
                struct lease *lease = attempt->lease;

                if (attempt->region == region && lease->loaded && !lease->lost &&
                    (lease->proposed || 3 * age_of(lease) >= length_of(lease)))
                        propose(renewal, lease, words);
        }
        /* An attempt that is over needs no renewal, but the answer to one that was asked for. */
        for (struct outcome *outcome = region->first; outcome; outcome = outcome->next)
                if (outcome->lease->proposed)
                        propose(renewal, outcome->lease, words);
}

static void renew(struct region *region) {
        struct channeld *daemon = region->daemon;
        struct renewal *renewal;
        struct words words = { 0 };

        if (region->renewing || !region->ready || !store_is_up(daemon->store))
                return;
        renewal = calloc(1, sizeof(*renewal));
        if (!renewal)
                return;
        renewal->region = region;
        words_str(&words, "FCALL");
        words_str(&words, "gk1_renew");
        words_number(&words, 3);
        words_key(&words, region->code, "due:%s", daemon->channel->name);
        words_key(&words, region->code, "lease:%s", daemon->channel->name);
        words_key(&words, region->code, "hand:%s:%s", daemon->channel->name, daemon->worker);
        words_str(&words, daemon->worker);
        words_number(&words, daemon->channel->lease_ms);
        collect(renewal, &words);
        region->renewing = renewal->n > 0;
        if (renewal->n == 0 || store_command(daemon->store, &words, on_renewed, renewal) < 0) {
                region->renewing = false;
                free(renewal);
        } else
                crash_point_written(daemon->store, "channeld/renewal-written");
        words_done(&words);
}

/* Cutting ends attempts, so the list is looked at from its start after each. */
static void cut_what_ends(struct channeld *daemon, int64_t tick_ms) {
        struct attempt *attempt = daemon->attempts;

        while (attempt) {
                if ((attempt->transfer || attempt->talk || attempt->job) &&
                    age_of(attempt->lease) + tick_ms >= length_of(attempt->lease)) {
                        attempt_cut(attempt);
                        attempt = daemon->attempts;
                } else {
                        attempt = attempt->next;
                }
        }
}

int lease_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct channeld *daemon = userdata;
        int64_t tick_ms = daemon->channel->lease_ms / 6;
        int r;

        (void) usec;
        tick_ms = tick_ms > LEAST_TICK_MS ? tick_ms : LEAST_TICK_MS;
        cut_what_ends(daemon, tick_ms);
        for (size_t i = 0; i < daemon->n_regions; i++)
                renew(&daemon->regions[i]);
        r = sd_event_source_set_time_relative(source, (uint64_t) tick_ms * 1000);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* -- who we are ------------------------------------------------------------------------------------ */

/* One name per machine, and another for a clone of it that was given a name of its own: two that
 * take each other for themselves would take each other's work. */
static void machine_name(char *ret, size_t n) {
        unsigned char digest[SHA256_DIGEST_LENGTH];
        char host[128] = "", text[SD_ID128_STRING_MAX];
        sd_id128_t application, machine;

        (void) !gethostname(host, sizeof(host) - 1);
        (void) SHA256((const unsigned char *) host, strlen(host), digest);
        memcpy(&application, digest, sizeof(application));
        if (sd_id128_get_machine_app_specific(application, &machine) >= 0)
                (void) snprintf(ret, n, "%.16s", sd_id128_to_string(machine, text));
        else
                (void) snprintf(ret, n, "%.40s", host);
}

static int try_slot(const char *path) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                int error = errno;

                (void) close(fd);
                return -error;
        }
        return fd;
}

int lease_take_slot(struct channeld *daemon) {
        const char *folder = daemon->configuration->main.run_dir;
        char machine[48];
        int r = -ENFILE;

        machine_name(machine, sizeof(machine));
        daemon->slot_fd = -1;
        for (unsigned i = 0; i < SLOTS; i++) {
                char *path freed_by(freep) = NULL;

                if (asprintf(&path, "%s/worker-%s-%u.lock", folder, daemon->channel->name, i) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = try_slot(path);
                if (r >= 0) {
                        daemon->slot_fd = r;
                        (void) snprintf(daemon->worker, sizeof(daemon->worker), "%s-%u", machine, i);
                        crash_point("channeld/slot-taken");
                        return 0;
                }
                if (r != -EWOULDBLOCK)
                        break;
        }
        /* It works without: only what it leaves behind at a crash waits for its leases to pass. */
        log_say(LOG_WARNING, MESSAGE_CHANNELD_NO_SLOT, "channel", daemon->channel->name, "path",
                folder, "reason", strerror(-r), NULL);
        return 0;
}

void lease_give_slot(struct channeld *daemon) {
        if (daemon->worker[0] && daemon->slot_fd >= 0)
                (void) close(daemon->slot_fd);
}

static void on_reclaimed(struct store *store, const redisReply *reply, int error,
                         const char *reason, void *userdata) {
        struct region *region = userdata;

        (void) store;
        (void) reason;
        region->greeting = false;
        if (error) {
                engine_later(region, 1000);
                return;
        }
        region->reclaimed = true;
        crash_point("channeld/reclaimed");
        if (reply_number(reply, 1) > 0) {
                char number[24];

                (void) snprintf(number, sizeof(number), "%lld", (long long) reply_number(reply, 1));
                log_say(LOG_NOTICE, MESSAGE_CHANNELD_RECLAIMED, "channel",
                        region->daemon->channel->name, "region", region->code, "count", number, NULL);
        }
        engine_later(region, 0);
}

void lease_reclaim(struct region *region) {
        struct channeld *daemon = region->daemon;
        struct words words = { 0 };

        if (!daemon->worker[0]) {
                region->reclaimed = true;
                engine_later(region, 0);
                return;
        }
        words_str(&words, "FCALL");
        words_str(&words, "gk1_reclaim");
        words_number(&words, 2);
        words_key(&words, region->code, "due:%s", daemon->channel->name);
        words_key(&words, region->code, "hand:%s:%s", daemon->channel->name, daemon->worker);
        region->greeting = true;
        if (store_command(daemon->store, &words, on_reclaimed, region) < 0)
                region->greeting = false;
        crash_point_written(daemon->store, "channeld/reclaim-written");
        words_done(&words);
}
