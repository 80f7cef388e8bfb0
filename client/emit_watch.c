#include "client/emit_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"

static void watched_free(struct watched *watched) {
        json_decref(watched->replies);
        free(watched->name);
        free(watched);
}

static void forget(struct watch *watch, struct watched *watched) {
        TAILQ_REMOVE(&watch->list, watched, link);
        watch->n--;
        watched_free(watched);
}

static struct watched *find(struct watch *watch, const char *name) {
        struct watched *watched;

        TAILQ_FOREACH(watched, &watch->list, link)
        if (strcmp(watched->name, name) == 0)
                return watched;
        return NULL;
}

static struct watched *take_up(struct watch *watch, const char *name, int64_t now_ms) {
        struct watched *watched = calloc(1, sizeof(*watched));

        if (!watched)
                return NULL;
        watched->watch = watch;
        watched->name = strdup(name);
        if (!watched->name) {
                free(watched);
                return NULL;
        }
        watched->first_ms = watched->json_since_ms = watched->files_since_ms = now_ms;
        TAILQ_INSERT_TAIL(&watch->list, watched, link);
        watch->n++;
        return watched;
}

/* NAME of "NAME.json"; false for what is none of ours. */
static bool name_of(const char *file, char ret[static WATCH_NAME_MOST + 1]) {
        static const char ending[] = ".json", reply_ending[] = ".reply.json";
        size_t n = strlen(file), n_ending = sizeof(ending) - 1, n_reply = sizeof(reply_ending) - 1;

        if (file[0] == '.' || n <= n_ending || n - n_ending > WATCH_NAME_MOST ||
            strcmp(file + n - n_ending, ending) != 0 ||
            (n >= n_reply && strcmp(file + n - n_reply, reply_ending) == 0))
                return false;
        memcpy(ret, file, n - n_ending);
        ret[n - n_ending] = '\0';
        return true;
}

/* A sum that changes when any file of the folder does; all zero when there is no folder. */
static struct stamp stamp_of_files(const struct watch *watch, const char *name) {
        struct stamp sum = { 0 };
        char path[WATCH_NAME_MOST + 10];
        struct dirent *entry;
        DIR *list;
        int fd;

        (void) snprintf(path, sizeof(path), "%s.files", name);
        fd = openat(watch->folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        list = fd < 0 ? NULL : fdopendir(fd);
        if (!list) {
                if (fd >= 0)
                        (void) close(fd);
                return sum;
        }
        sum.inode = 1;
        while ((entry = readdir(list)) != NULL) {
                struct stat status;

                if (entry->d_name[0] == '.' ||
                    fstatat(dirfd(list), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                sum.inode += 1 + status.st_ino;
                sum.size += (uint64_t) status.st_size;
                sum.changed_ns += stamp_of(&status).changed_ns;
        }
        (void) closedir(list);
        return sum;
}

static void look_at(struct watched *watched, const struct stat *status, int64_t now_ms) {
        struct stamp json = stamp_of(status);
        struct stamp files = stamp_of_files(watched->watch, watched->name);

        if (!stamp_equal(&json, &watched->json)) {
                watched->json = json;
                watched->json_since_ms = now_ms;
                watched->closed = false;
                watched->told = false;
        }
        if (!stamp_equal(&files, &watched->files)) {
                watched->files = files;
                watched->files_since_ms = now_ms;
        }
}

static bool is_complete(const struct watched *watched, int64_t now_ms) {
        bool json_quiet = watched->closed || now_ms - watched->json_since_ms >= WATCH_SETTLE_MS;
        bool files_quiet =
                watched->files.inode == 0 || now_ms - watched->files_since_ms >= WATCH_SETTLE_MS;

        return watched->json.size > 0 && now_ms >= watched->again_ms && json_quiet && files_quiet;
}

/* Reads the folder: takes up what is new, notes what has changed, forgets what is gone. */
static int scan(struct watch *watch, int64_t now_ms) {
        int fd = openat(watch->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = fd < 0 ? NULL : fdopendir(fd);
        struct watched *watched, *next;
        struct dirent *entry;

        if (!list) {
                int r = -errno;

                if (fd >= 0)
                        (void) close(fd);
                return r;
        }
        TAILQ_FOREACH(watched, &watch->list, link)
        watched->seen = false;
        while ((entry = readdir(list)) != NULL) {
                char name[WATCH_NAME_MOST + 1];
                struct stat status;

                if (!name_of(entry->d_name, name) ||
                    fstatat(watch->folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
                    S_ISDIR(status.st_mode))
                        continue;
                watched = find(watch, name);
                if (!watched && watch->n < WATCH_MOST) {
                        watched = take_up(watch, name, now_ms);
                        if (!watched) {
                                (void) closedir(list);
                                return -ENOMEM;
                        }
                }
                if (!watched)
                        continue;
                watched->seen = true;
                if (watched->state == WATCHED_WAITING)
                        look_at(watched, &status, now_ms);
        }
        (void) closedir(list);
        for (watched = TAILQ_FIRST(&watch->list); watched; watched = next) {
                next = TAILQ_NEXT(watched, link);
                if (!watched->seen && watched->state == WATCHED_WAITING)
                        forget(watch, watched);
        }
        return 0;
}

/* Worth a look twice a second; what stays incomplete for longer is looked at as all the others. */
static bool is_fresh(const struct watched *watched, int64_t now_ms) {
        int64_t since_ms = watched->json_since_ms > watched->files_since_ms
                                   ? watched->json_since_ms
                                   : watched->files_since_ms;

        return watched->state == WATCHED_WAITING &&
               now_ms - since_ms < WATCH_MISSING_MS + WATCH_LOOK_MS;
}

/* Sends what is complete and moves what is answered. */
static int step(struct watch *watch, int64_t now_ms, bool *ret_unsettled) {
        struct watched *watched, *next;

        *ret_unsettled = false;
        for (watched = TAILQ_FIRST(&watch->list); watched; watched = next) {
                next = TAILQ_NEXT(watched, link);
                if (watched->state == WATCHED_WAITING && is_complete(watched, now_ms)) {
                        int r = watched_send(watched, now_ms);

                        if (r < 0)
                                return r;
                        if (r == WATCHED_NOT_YET)
                                watched->again_ms = now_ms + WATCH_SETTLE_MS / 2;
                        if (watched->state == WATCHED_ANSWERED) { /* refused by ourselves */
                                char *text = json_dumps(json_array_get(watched->replies, 0), 0);

                                report_reply(&watch->report, text ? text : "null");
                                free(text);
                        }
                }
                *ret_unsettled |= is_fresh(watched, now_ms);
                if (watched->state == WATCHED_ANSWERED && now_ms >= watched->again_ms) {
                        if (watched_settle(watched))
                                forget(watch, watched);
                        else
                                watched->again_ms = now_ms + WATCH_LOOK_MS;
                }
        }
        (void) fflush(watch->report.replies);
        return 0;
}

/* Takes the kernel's word for who has finished writing. Returns whether there was any. */
static bool read_bells(struct watch *watch, int bells, int64_t now_ms) {
        char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        bool any = false;
        ssize_t n;

        while ((n = read(bells, buffer, sizeof(buffer))) > 0) {
                (void) scan(watch, now_ms);
                any = true;
                for (char *at = buffer; at < buffer + n;) {
                        const struct inotify_event *event = (const struct inotify_event *) at;
                        char name[WATCH_NAME_MOST + 1];
                        struct watched *watched = NULL;

                        if (event->len > 0 && name_of(event->name, name))
                                watched = find(watch, name);
                        if (watched)
                                watched->closed = true;
                        at += sizeof(*event) + event->len;
                }
        }
        return any;
}

static int wait_for_work(const struct watch *watch, int bells, int64_t until_ms) {
        struct pollfd items[] = {
                { .fd = gongkai_emitter_fd(watch->emitter),
                  .events = gongkai_emitter_events(watch->emitter) },
                { .fd = bells, .events = POLLIN },
        };
        int64_t left_ms = until_ms - clock_boot_ms();
        int wait_ms = gongkai_emitter_timeout_ms(watch->emitter);

        if (left_ms < 0)
                left_ms = 0;
        if (wait_ms < 0 || wait_ms > left_ms)
                wait_ms = (int) left_ms;
        return poll(items, ELEMENTS(items), wait_ms) < 0 && errno != EINTR ? -errno : 0;
}

/* For systemd: that a round of work was done, and what is under way. Elsewhere nothing. */
static void tell_systemd(const struct watch *watch, size_t *told) {
        char *status freed_by(freep) = NULL;
        char count[24];

        (void) sd_notify(0, "WATCHDOG=1");
        if (watch->n == *told)
                return;
        *told = watch->n;
        (void) snprintf(count, sizeof(count), "%zu", watch->n);
        status = say(MESSAGE_EMIT_WATCH_STATUS, "folder", watch->path, "count", count, NULL);
        if (status)
                (void) sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

/* Until a signal ends the process: every step may be the last, nothing is lost by it. */
static int watch_for_ever(struct watch *watch, int bells) {
        int64_t look_at_ms = 0;
        size_t told = SIZE_MAX;

        for (;;) {
                int64_t now_ms = clock_boot_ms();
                bool unsettled, looked = read_bells(watch, bells, now_ms);
                int r = 0;

                if (now_ms >= look_at_ms) {
                        r = scan(watch, now_ms);
                        looked = true;
                }
                if (r == 0)
                        r = gongkai_emitter_dispatch(watch->emitter);
                if (r == 0)
                        r = step(watch, now_ms, &unsettled);
                if (r == 0)
                        tell_systemd(watch, &told);
                if (r == 0) {
                        if (looked)
                                look_at_ms = now_ms + WATCH_LOOK_MS;
                        if (unsettled && look_at_ms > now_ms + WATCH_SETTLE_MS / 2)
                                look_at_ms = now_ms + WATCH_SETTLE_MS / 2;
                        r = wait_for_work(watch, bells, look_at_ms);
                }
                if (r < 0)
                        return r;
        }
}

static int open_folder(int at, const char *path) {
        int fd;

        if (at != AT_FDCWD && mkdirat(at, path, 0777) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(at, path,
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC | (at == AT_FDCWD ? 0 : O_NOFOLLOW));
        return fd < 0 ? -errno : fd;
}

static void watch_done(struct watch *watch) {
        int folders[] = { watch->folder, watch->done, watch->refused };

        gongkai_emitter_free(watch->emitter); /* calls back into the list */
        while (!TAILQ_EMPTY(&watch->list))
                forget(watch, TAILQ_FIRST(&watch->list));
        for (size_t i = 0; i < ELEMENTS(folders); i++)
                if (folders[i] >= 0)
                        (void) close(folders[i]);
}

int emit_watch(const struct emit_options *options) {
        struct emit_options patient = *options;
        struct watch watch freed_by(watch_done) = {
                .path = options->watch,
                .folder = -1,
                .done = -1,
                .refused = -1,
                .report = { .replies = stdout, .words = true, .all = true },
        };
        int bells, r;

        TAILQ_INIT(&watch.list);
        patient.try_for_ms = -1; /* the folder is the spool: nothing is ever given up */
        r = watch.folder = open_folder(AT_FDCWD, options->watch);
        if (r >= 0)
                r = watch.done = open_folder(watch.folder, "done");
        if (r >= 0)
                r = watch.refused = open_folder(watch.folder, "refused");
        if (r < 0) {
                tell(MESSAGE_EMIT_WATCH_FAILED, "folder", options->watch, "reason", strerror(-r),
                     NULL);
                return EMIT_INPUT;
        }
        watch_finish_moves(&watch);
        r = emitter_from(&patient, &watch.emitter);
        if (r != 0)
                return r;

        /* Without the kernel's help (too many watches, odd file systems) the looks do it alone. */
        bells = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (bells >= 0)
                (void) inotify_add_watch(bells, options->watch,
                                         IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
        tell(MESSAGE_EMIT_WATCHING, "folder", options->watch, NULL);
        r = watch_for_ever(&watch, bells);
        if (bells >= 0)
                (void) close(bells);
        return emitter_failed(&patient, r);
}
