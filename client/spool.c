/* The folder:
 *
 *         00000000000000000042.msg    a message (spool_file.h); the number is the order
 *         new/                        being written; renamed into place when synced
 *         refused/42.msg, 42.reply.json
 *         damaged/42.msg              was not what had been written
 *         lock.put                    held while one writes; says the number given last
 *         lock.drain                  held while one sends
 *
 * A crash between any two steps leaves either the message in place, so it is sent again and the
 * door says `duplicate`, or a leftover in new/, which the next writer sweeps away. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/gongkai.h"
#include "client/letter.h"
#include "client/spool_file.h"
#include "core/clock.h"
#include "core/crash.h"
#include "core/memory.h"

enum { NAME_DIGITS = 20, NAME_TEXT = 40 };

struct gongkai_spool {
        int folder, new_folder, refused, damaged;
        int drain_lock;    /* -1 while nobody drains here */
        uint64_t greatest; /* number seen at the first put; 0 = not looked yet */
        uint64_t *numbers; /* of the round under way, ascending */
        size_t n_numbers, next;
        size_t n_loaded; /* in the emitter */
        bool stuck;      /* the emitter gave up in this round */
        bool closed;     /* freed once nothing is loaded */
        int error;       /* first trouble in a callback */
        unsigned n_damaged;
        gongkai_answer_fn *answered; /* of the drain call under way */
        void *userdata;
};

struct loaded {
        struct gongkai_spool *spool;
        uint64_t number;
};

static void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

static const char *name_of(uint64_t number, const char *ending, char ret[static NAME_TEXT]) {
        (void) snprintf(ret, NAME_TEXT, "%0*" PRIu64 "%s", NAME_DIGITS, number, ending);
        return ret;
}

/* 0 when the name is none of ours. */
static uint64_t number_of(const char *name) {
        uint64_t number = 0;

        for (size_t i = 0; i < NAME_DIGITS; i++) {
                if (name[i] < '0' || name[i] > '9' || number > UINT64_MAX / 10 - 1)
                        return 0;
                number = number * 10 + (uint64_t) (name[i] - '0');
        }
        return strcmp(name + NAME_DIGITS, ".msg") == 0 ? number : 0;
}

static int sync_folder(int folder) {
        return fsync(folder) < 0 ? -errno : 0;
}

static int open_folder(int at, const char *name) {
        int fd;

        if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int gongkai_spool_open(struct gongkai_spool **ret, const char *folder) {
        struct gongkai_spool *spool = calloc(1, sizeof(*spool));
        int r;

        if (!spool)
                return -ENOMEM;
        spool->new_folder = spool->refused = spool->damaged = spool->drain_lock = -1;
        r = spool->folder = open_folder(AT_FDCWD, folder);
        if (r >= 0)
                r = spool->new_folder = open_folder(spool->folder, "new");
        if (r >= 0)
                r = spool->refused = open_folder(spool->folder, "refused");
        if (r >= 0)
                r = spool->damaged = open_folder(spool->folder, "damaged");
        if (r >= 0)
                r = sync_folder(spool->folder);
        if (r < 0) {
                gongkai_spool_close(spool);
                return r;
        }
        *ret = spool;
        return 0;
}

static void spool_free(struct gongkai_spool *spool) {
        closep(&spool->drain_lock);
        closep(&spool->damaged);
        closep(&spool->refused);
        closep(&spool->new_folder);
        closep(&spool->folder);
        free(spool->numbers);
        free(spool);
}

struct gongkai_spool *gongkai_spool_close(struct gongkai_spool *spool) {
        if (!spool)
                return NULL;
        spool->closed = true;
        spool->answered = NULL;
        if (spool->n_loaded == 0)
                spool_free(spool);
        return NULL;
}

unsigned gongkai_spool_damaged(const struct gongkai_spool *spool) {
        return spool->n_damaged;
}

/* Waits for a lock that others hold briefly, or (LOCK_NB) says -EBUSY. */
static int lock(const struct gongkai_spool *spool, const char *name, int flags) {
        int fd = openat(spool->folder, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r;

        if (fd < 0)
                return -errno;
        while (flock(fd, LOCK_EX | flags) < 0) {
                if (errno == EINTR)
                        continue;
                r = errno == EWOULDBLOCK ? -EBUSY : -errno;
                (void) close(fd);
                return r;
        }
        return fd;
}

/* Calls `take` with each message's number; the order is the file system's. */
static int each_number(int folder, int (*take)(void *userdata, uint64_t number), void *userdata) {
        int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;
        int r = 0;

        if (!list) {
                r = -errno;
                closep(&fd);
                return r;
        }
        for (errno = 0; r == 0 && (entry = readdir(list)) != NULL; errno = 0) {
                uint64_t number = number_of(entry->d_name);

                if (number > 0)
                        r = take(userdata, number);
        }
        if (r == 0 && errno != 0)
                r = -errno;
        (void) closedir(list);
        return r;
}

static int take_greatest(void *userdata, uint64_t number) {
        uint64_t *greatest = userdata;

        if (number > *greatest)
                *greatest = number;
        return 0;
}

/* The number after all that this folder has, or had while any of its writers was alive. Reading the
 * whole folder once is enough: numbers given since stand in the lock file. That one is not synced,
 * for when the power goes its readers go too. */
static int next_number(struct gongkai_spool *spool, int held, uint64_t *ret) {
        char name[NAME_TEXT] = "";
        uint64_t given;
        int r = 0;

        if (spool->greatest == 0) {
                /* The refused and damaged too, so that no name is ever taken twice. */
                r = each_number(spool->folder, take_greatest, &spool->greatest);
                if (r == 0)
                        r = each_number(spool->refused, take_greatest, &spool->greatest);
                if (r == 0)
                        r = each_number(spool->damaged, take_greatest, &spool->greatest);
                if (r < 0) {
                        spool->greatest = 0;
                        return r;
                }
        }
        if (pread(held, name, sizeof(name) - 1, 0) < 0)
                return -errno;
        given = number_of(name);
        if (given > spool->greatest)
                spool->greatest = given;
        *ret = ++spool->greatest;
        (void) name_of(*ret, ".msg", name);
        return pwrite(held, name, strlen(name), 0) < 0 ? -errno : 0;
}

static int take_count(void *userdata, uint64_t number) {
        (void) number;
        ++*(int64_t *) userdata;
        return 0;
}

int64_t gongkai_spool_count(struct gongkai_spool *spool) {
        int64_t count = 0;
        int r = each_number(spool->folder, take_count, &count);

        return r < 0 ? r : count;
}

/* Whoever holds the lock is the only one who writes in new/: what is there, a crash left. */
static void sweep_new(const struct gongkai_spool *spool) {
        int fd = openat(spool->new_folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!list) {
                closep(&fd);
                return;
        }
        while ((entry = readdir(list)) != NULL)
                if (number_of(entry->d_name) > 0)
                        (void) unlinkat(spool->new_folder, entry->d_name, 0);
        (void) closedir(list);
}

int gongkai_spool_put(struct gongkai_spool *spool, const void *event, size_t n_event,
                      const struct gongkai_part *parts, size_t n_parts) {
        int held freed_by(closep) = -1;
        uint64_t number = 0;
        char name[NAME_TEXT];
        int r = letter_check_size(n_event, parts, n_parts);

        if (r < 0)
                return r;
        held = lock(spool, "lock.put", 0);
        if (held < 0)
                return held;
        sweep_new(spool);
        r = next_number(spool, held, &number);
        if (r < 0)
                return r;
        (void) name_of(number, ".msg", name);
        r = spool_file_write(spool->new_folder, name, event, n_event, parts, n_parts);
        crash_point("emitter/spool-written");
        if (r < 0) {
                (void) unlinkat(spool->new_folder, name, 0);
                return r;
        }
        if (renameat(spool->new_folder, name, spool->folder, name) < 0)
                return -errno;
        crash_point("emitter/spool-renamed");
        r = sync_folder(spool->folder);
        crash_point("emitter/spool-synced");
        return r;
}

/* The reply goes first: a message among the refused without its reply would puzzle people. */
static int settle_refused(struct gongkai_spool *spool, uint64_t number,
                          const struct gongkai_answer *answer) {
        char message[NAME_TEXT], reply[NAME_TEXT], unfinished[NAME_TEXT];
        int r;

        (void) name_of(number, ".msg", message);
        (void) name_of(number, ".reply.json", reply);
        (void) name_of(number, ".reply.new", unfinished);
        r = file_write_synced(spool->refused, unfinished, 0600, answer->reply, answer->n_reply);
        crash_point("emitter/spool-reply-written");
        if (r == 0 && renameat(spool->refused, unfinished, spool->refused, reply) < 0)
                r = -errno;
        crash_point("emitter/spool-reply-placed");
        if (r == 0)
                r = sync_folder(spool->refused);
        if (r == 0 && renameat(spool->folder, message, spool->refused, message) < 0)
                r = -errno;
        crash_point("emitter/spool-refused-moved");
        if (r == 0)
                r = sync_folder(spool->refused);
        if (r == 0)
                r = sync_folder(spool->folder);
        return r;
}

static void on_answer(void *userdata, const struct gongkai_answer *given) {
        struct loaded *loaded freed_by(freep) = userdata;
        struct gongkai_spool *spool = loaded->spool;
        struct gongkai_answer answer = *given;
        char name[NAME_TEXT];
        int r = 0;

        spool->n_loaded--;
        answer.number = loaded->number;
        crash_point("emitter/spool-answered");
        if (answer.result != GONGKAI_ANSWERED) {
                spool->stuck = true;
        } else if (answer.n_refused > 0) {
                r = settle_refused(spool, loaded->number, &answer);
        } else if (unlinkat(spool->folder, name_of(loaded->number, ".msg", name), 0) < 0 &&
                   errno != ENOENT) {
                r = -errno;
        }
        if (r < 0 && spool->error == 0)
                spool->error = r;
        crash_point("emitter/spool-settled");
        if (spool->answered)
                spool->answered(spool->userdata, &answer);
        if (spool->closed && spool->n_loaded == 0)
                spool_free(spool);
}

struct list {
        uint64_t *numbers;
        size_t n, allocated;
};

static int take_listed(void *userdata, uint64_t number) {
        struct list *list = userdata;

        if (list->n == list->allocated) {
                size_t wanted = list->allocated ? list->allocated * 2 : 64;
                uint64_t *numbers = reallocarray(list->numbers, wanted, sizeof(*numbers));

                if (!numbers)
                        return -ENOMEM;
                list->numbers = numbers;
                list->allocated = wanted;
        }
        list->numbers[list->n++] = number;
        return 0;
}

static int ascending(const void *a, const void *b) {
        uint64_t left = *(const uint64_t *) a, right = *(const uint64_t *) b;

        return left < right ? -1 : left > right;
}

/* A round is what the folder held at one look; the next look comes when all of it is answered. */
static int begin_round(struct gongkai_spool *spool) {
        struct list list = { 0 };
        int r = each_number(spool->folder, take_listed, &list);

        if (r < 0) {
                free(list.numbers);
                return r;
        }
        if (list.n > 1)
                qsort(list.numbers, list.n, sizeof(*list.numbers), ascending);
        free(spool->numbers);
        spool->numbers = list.numbers;
        spool->n_numbers = list.n;
        spool->next = 0;
        return 0;
}

static int set_damaged_aside(struct gongkai_spool *spool, const char *name) {
        if (renameat(spool->folder, name, spool->damaged, name) < 0)
                return -errno;
        spool->n_damaged++;
        return 0;
}

/* Hands the next message to the emitter. -ENOBUFS: it is full for now. */
static int load(struct gongkai_spool *spool, struct gongkai_emitter *emitter, uint64_t number) {
        struct spooled spooled freed_by(spooled_done) = { 0 };
        struct loaded *loaded freed_by(freep) = malloc(sizeof(*loaded));
        char name[NAME_TEXT];
        int r = spool_file_read(spool->folder, name_of(number, ".msg", name), &spooled);

        if (r == -EBADMSG)
                return set_damaged_aside(spool, name);
        if (r == 0 && !loaded)
                r = -ENOMEM;
        if (r < 0)
                return r == -ENOENT ? 0 : r; /* somebody took it away by hand */
        *loaded = (struct loaded) { spool, number };
        r = gongkai_emit(emitter, spooled.event, spooled.n_event, spooled.parts, spooled.n_parts,
                         on_answer, loaded);
        if (r < 0)
                return r;
        (void) give_away(loaded);
        spool->n_loaded++;
        return 0;
}

/* Enough in memory that the window stays full, and no more than that. */
enum { LOADED_MOST = 2048 };

static int load_some(struct gongkai_spool *spool, struct gongkai_emitter *emitter) {
        while (!spool->stuck && spool->next < spool->n_numbers && spool->n_loaded < LOADED_MOST) {
                int r = load(spool, emitter, spool->numbers[spool->next]);

                if (r == -ENOBUFS && spool->n_loaded > 0)
                        return 0;
                if (r < 0)
                        return r;
                spool->next++;
        }
        return 0;
}

static void begin_afresh(struct gongkai_spool *spool) {
        spool->stuck = false;
        spool->n_numbers = spool->next = 0;
}

static void end_drain(struct gongkai_spool *spool) {
        (void) sync_folder(spool->folder);
        closep(&spool->drain_lock);
        spool->drain_lock = -1;
}

/* The result when the round is over and was the last, or -EAGAIN to go on. */
static int after_round(struct gongkai_spool *spool) {
        int r;

        if (spool->n_loaded > 0 || (spool->next < spool->n_numbers && !spool->stuck))
                return -EAGAIN;
        if (spool->stuck)
                return GONGKAI_SPOOL_LEFT;
        r = begin_round(spool);
        if (r < 0)
                return r;
        return spool->n_numbers == 0 ? GONGKAI_SPOOL_EMPTY : -EAGAIN;
}

static int drain(struct gongkai_spool *spool, struct gongkai_emitter *emitter, int64_t timeout_ms) {
        int64_t until_ms = clock_boot_ms() + timeout_ms;
        int r;

        for (;;) {
                r = after_round(spool);
                if (r != -EAGAIN)
                        return r;
                r = load_some(spool, emitter);
                if (r < 0)
                        return r;
                if (spool->n_loaded == 0)
                        continue; /* only damaged ones, or none: look again */
                if (timeout_ms == 0) {
                        r = gongkai_emitter_dispatch(emitter);
                } else {
                        int64_t left_ms = until_ms - clock_boot_ms();

                        if (timeout_ms < 0 || left_ms > 1000)
                                left_ms = 1000; /* then load more */
                        r = gongkai_emitter_run(emitter, left_ms);
                }
                if (r >= 0)
                        r = spool->error;
                if (r < 0)
                        return r;
                if (timeout_ms >= 0 && clock_boot_ms() >= until_ms && spool->n_loaded > 0)
                        return -ETIMEDOUT;
        }
}

int gongkai_spool_drain(struct gongkai_spool *spool, struct gongkai_emitter *emitter,
                        int64_t timeout_ms, gongkai_answer_fn *answered, void *userdata) {
        int r;

        if (spool->n_loaded == 0) /* what an earlier round left is still on disk */
                begin_afresh(spool);
        if (spool->drain_lock < 0) {
                int held = lock(spool, "lock.drain", LOCK_NB);

                if (held < 0)
                        return held;
                spool->drain_lock = held;
                spool->error = 0;
        }
        spool->answered = answered;
        spool->userdata = userdata;
        r = drain(spool, emitter, timeout_ms);
        spool->answered = NULL;
        if (r >= 0)
                end_drain(spool);
        return r;
}
