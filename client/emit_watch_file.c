#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/emit_watch.h"
#include "client/spool_file.h"
#include "core/crash.h"
#include "core/memory.h"

enum { PATH_TEXT = 256 };

struct stamp stamp_of(const struct stat *status) {
        return (struct stamp) { (uint64_t) status->st_size, status->st_ino,
                               (uint64_t) status->st_mtim.tv_sec * 1000000000 +
                                       (uint64_t) status->st_mtim.tv_nsec };
}

bool stamp_equal(const struct stamp *a, const struct stamp *b) {
        return a->size == b->size && a->inode == b->inode && a->changed_ns == b->changed_ns;
}

static void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

static const char *with(const char *name, const char *ending, char ret[static PATH_TEXT]) {
        /* a name and "~" with its number */
        (void) snprintf(ret, PATH_TEXT, "%.*s%s", WATCH_NAME_MOST + 6, name, ending);
        return ret;
}

/* A plain file, not what a link points to: who may write here must not read elsewhere. Does not
 * wait for the other end of a pipe. -ELOOP: a link or no plain file. */
static int open_plain(int folder, const char *name, struct stat *ret) {
        int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        if (fstat(fd, ret) < 0 || !S_ISREG(ret->st_mode)) {
                (void) close(fd);
                return -ELOOP;
        }
        return fd;
}

/* An answer of our own, in the form of the door's, for what never gets that far. */
static int refuse(struct watched *watched, const char *code, const char *message) {
        json_t *reply =
                json_pack("{s:n, s:n, s:s, s:[{s:s, s:s, s:s}]}", "source", "id", "status",
                          "rejected", "errors", "path", "", "code", code, "message", message);

        if (!reply)
                reply = json_pack("{s:n, s:n, s:s}", "source", "id", "status", "rejected");
        json_decref(watched->replies);
        watched->replies = json_array();
        if (json_array_append_new(watched->replies, reply) < 0)
                return -ENOMEM;
        watched->refused = true;
        watched->state = WATCHED_ANSWERED;
        return 0;
}

static int refuse_with(struct watched *watched, const char *code, enum message message,
                       const char *file) {
        char *text freed_by(freep) = say(message, "file", file, "most", "64 MiB", NULL);

        return refuse(watched, code, text ? text : "");
}

static int add_attachment(struct emit_attachments *attachments, int folder, const char *name) {
        struct stat status;
        int fd freed_by(closep) = open_plain(folder, name, &status);

        return fd < 0 ? fd : attachments_add_fd(attachments, name, fd);
}

/* All of NAME.files/ but hidden files, which systems put there by themselves. On failure
 * *ret_name is the file it is about. */
static int add_attachments(const struct watched *watched, struct emit_attachments *attachments,
                           char ret_name[static PATH_TEXT]) {
        char path[PATH_TEXT];
        int fd = openat(watched->watch->folder, with(watched->name, ".files", path),
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *list = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;
        int r = 0;

        (void) snprintf(ret_name, PATH_TEXT, "%s", path);
        if (!list) {
                r = errno == ENOENT ? 0 : errno == ENOTDIR ? -ELOOP : -errno;
                closep(&fd);
                return r;
        }
        while (r == 0 && (entry = readdir(list)) != NULL) {
                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(ret_name, PATH_TEXT, "%s", entry->d_name);
                r = add_attachment(attachments, dirfd(list), entry->d_name);
        }
        (void) closedir(list);
        return r;
}

static bool has(const struct emit_attachments *attachments, const char *name) {
        for (size_t i = 0; i < attachments->n; i++)
                if (strcmp(attachments->list[i].name, name) == 0)
                        return true;
        return false;
}

/* An event names a file that is not there, and gives no other way to its bytes. */
static bool lacks_attachment(const json_t *event, const struct emit_attachments *attachments) {
        const json_t *list = json_object_get(json_object_get(event, "data"), "attachments"), *entry;
        size_t i;

        json_array_foreach (list, i, entry) {
                const char *name = json_string_value(json_object_get(entry, "name"));

                if (name && !json_object_get(entry, "url") && !json_object_get(entry, "sha256") &&
                    !has(attachments, name))
                        return true;
        }
        return false;
}

static bool any_lacks_attachment(const struct emit_messages *messages,
                                 const struct emit_attachments *attachments) {
        for (size_t i = 0; i < messages->n; i++) {
                const json_t *json = messages->list[i].json, *event;
                size_t k;

                if (lacks_attachment(json, attachments))
                        return true;
                json_array_foreach (json, k, event)
                        if (lacks_attachment(event, attachments))
                                return true;
        }
        return false;
}

static void on_answer(void *userdata, const struct gongkai_answer *answer) {
        struct watched *watched = userdata;
        json_t *reply = answer->reply ? json_loads(answer->reply, JSON_DECODE_ANY, NULL) : NULL;

        watched->n_open--;
        if (answer->result == GONGKAI_ANSWERED && reply) {
                report_reply(&watched->watch->report, answer->reply);
                (void) json_array_append(watched->replies, reply);
                watched->refused |= answer->n_refused > 0;
                if (watched->n_open == 0)
                        watched->state = WATCHED_ANSWERED;
        }
        json_decref(reply);
}

static int queue(struct watched *watched, const struct emit_message *message,
                 const struct emit_attachments *attachments) {
        struct gongkai_part *parts freed_by(freep) = NULL;
        int r = parts_of(message, attachments, &parts);

        while (r == 0) {
                r = gongkai_emit(watched->watch->emitter, message->bytes, message->n_bytes, parts,
                                 message->n_attached, on_answer, watched);
                if (r != -ENOBUFS)
                        break;
                r = gongkai_emitter_run(watched->watch->emitter, 50);
                if (r > 0 || r == -EINTR)
                        r = 0;
        }
        if (r == 0)
                watched->n_open++;
        return r;
}

static int send_messages(struct watched *watched, const struct emit_messages *messages,
                         const struct emit_attachments *attachments) {
        char old_reply[PATH_TEXT];

        watched->replies = json_array();
        if (!watched->replies)
                return -ENOMEM;
        (void) unlinkat(watched->watch->folder, with(watched->name, ".reply.json", old_reply), 0);
        watched->n_open = 1; /* so that an early answer does not end it before all are queued */
        watched->state = WATCHED_SENT;
        for (size_t i = 0; i < messages->n; i++) {
                int r = queue(watched, &messages->list[i], attachments);

                if (r == -EMSGSIZE && i == 0)
                        return refuse_with(watched, "too_large", MESSAGE_EMIT_FILE_TOO_LARGE,
                                           watched->name);
                if (r < 0)
                        return r;
        }
        if (--watched->n_open == 0)
                watched->state = WATCHED_ANSWERED;
        return 0;
}

/* The code of docs/protocol.md that fits what attachments_fill() found. */
static const char *code_of(int error) {
        return error == -ESTALE ? "digest" : error == -EINVAL ? "type" : "attachment_missing";
}

static int take(struct watched *watched, struct buf *text, int64_t now_ms) {
        struct emit_attachments attachments freed_by(attachments_done) = { 0 };
        struct emit_messages messages freed_by(messages_done) = { 0 };
        struct buf problem freed_by(buf_done) = { 0 };
        char json_name[PATH_TEXT], name[PATH_TEXT];
        const char *from = NULL;
        int r = input_take(with(watched->name, ".json", json_name), text, true, &messages, &from,
                           &problem);

        /* Perhaps its writer only rests: where the kernel did not see it close the file, wait. */
        if ((r == -ENODATA || r == -EILSEQ) && !watched->closed &&
            now_ms - watched->json_since_ms < WATCH_UNWHOLE_MS)
                return WATCHED_NOT_YET;
        if (r == -EBADMSG || r == -ENODATA || r == -EILSEQ)
                return refuse(watched, r == -EILSEQ ? "encoding" : "json", buf_text(&problem));
        if (r < 0)
                return r;
        if (messages.n == 0)
                return refuse_with(watched, "required", MESSAGE_EMIT_WATCH_NO_EVENTS, json_name);

        r = add_attachments(watched, &attachments, name);
        if (r == -ELOOP)
                return refuse_with(watched, "format", MESSAGE_EMIT_WATCH_FOLDER_NO_LINK, name);
        if (r == -EILSEQ)
                return refuse_with(watched, "encoding", MESSAGE_EMIT_ATTACH_NAME, watched->name);
        if (r == -EFBIG)
                return refuse_with(watched, "too_large", MESSAGE_EMIT_FILE_TOO_LARGE, name);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return WATCHED_NOT_YET;
        if (any_lacks_attachment(&messages, &attachments) &&
            now_ms - watched->first_ms < WATCH_MISSING_MS)
                return WATCHED_NOT_YET;

        r = attachments_fill(&attachments, &messages, &problem);
        if (r < 0 && problem.len > 0)
                return refuse(watched, code_of(r), buf_text(&problem));
        return r < 0 ? r : send_messages(watched, &messages, &attachments);
}

int watched_send(struct watched *watched, int64_t now_ms) {
        struct buf text freed_by(buf_done) = { 0 };
        char name[PATH_TEXT];
        struct stat status;
        int fd freed_by(closep) =
                open_plain(watched->watch->folder, with(watched->name, ".json", name), &status);
        int r = fd < 0 ? fd : input_read_fd(fd, &text);

        if (fd >= 0)
                watched->sent = stamp_of(&status);
        else if (fstatat(watched->watch->folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
                watched->sent = stamp_of(&status);
        if (r == -ELOOP)
                return refuse_with(watched, "format", MESSAGE_EMIT_WATCH_FOLDER_NO_LINK, name);
        if (r == -EFBIG)
                return refuse_with(watched, "too_large", MESSAGE_EMIT_FILE_TOO_LARGE, name);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                if (!watched->told && r != -ENOENT)
                        tell(MESSAGE_EMIT_WATCH_CANNOT_READ, "file", name, "reason", strerror(-r),
                             NULL);
                watched->told = true;
                return WATCHED_NOT_YET;
        }
        return take(watched, &text, now_ms);
}

/* One message's reply as it stands; those of several in one flat array. */
static char *reply_text(const struct watched *watched) {
        json_t *all = NULL, *one, *event;
        char *text;
        size_t i, k;

        if (json_array_size(watched->replies) == 1)
                return json_dumps(json_array_get(watched->replies, 0), JSON_INDENT(2));
        all = json_array();
        json_array_foreach (watched->replies, i, one) {
                if (!json_is_array(one))
                        (void) json_array_append(all, one);
                json_array_foreach (one, k, event)
                        (void) json_array_append(all, event);
        }
        text = json_dumps(all, JSON_INDENT(2));
        json_decref(all);
        return text;
}

/* NAME, or NAME~2, ~3 and so on where that name went the same way before. */
static int free_name(int folder, const char *name, char ret[static PATH_TEXT]) {
        for (unsigned i = 1; i < 100000; i++) {
                char base[PATH_TEXT], path[PATH_TEXT];
                struct stat status;

                if (i == 1)
                        (void) snprintf(base, sizeof(base), "%.*s", WATCH_NAME_MOST, name);
                else
                        (void) snprintf(base, sizeof(base), "%.*s~%u", WATCH_NAME_MOST, name, i);
                if (fstatat(folder, with(base, ".json", path), &status, AT_SYMLINK_NOFOLLOW) < 0 &&
                    fstatat(folder, with(base, ".files", path), &status, AT_SYMLINK_NOFOLLOW) < 0) {
                        memcpy(ret, base, sizeof(base));
                        return 0;
                }
        }
        return -EEXIST;
}

static int move(int from, int to, const char *name, const char *new_name, const char *ending) {
        char old_path[PATH_TEXT], new_path[PATH_TEXT];

        if (renameat(from, with(name, ending, old_path), to, with(new_name, ending, new_path)) < 0)
                return -errno;
        return 0;
}

/* Attachments on their way, ".done.NAME.files" with the new name: hidden, so that nobody takes them
 * for those of the next event of that name. */
static const char *on_the_way(bool refused, const char *name, char ret[static PATH_TEXT]) {
        (void) snprintf(ret, PATH_TEXT, ".%s.%.*s.files", refused ? "refused" : "done",
                        WATCH_NAME_MOST + 6, name);
        return ret;
}

/* The event goes between the two moves of its attachments: where it is then tells whether they
 * belong to an event that is settled, or to one that is still to be sent. */
static int move_away(const struct watched *watched, int to, const char *name) {
        int folder = watched->watch->folder, r;
        char files[PATH_TEXT], way[PATH_TEXT], path[PATH_TEXT];
        bool has_files = renameat(folder, with(watched->name, ".files", files), folder,
                                  on_the_way(watched->refused, name, way)) == 0;

        if (!has_files && errno != ENOENT)
                return -errno;
        crash_point("emitter/watch-files-taken");
        r = move(folder, to, watched->name, name, ".json");
        crash_point("emitter/watch-event-moved");
        if (!has_files)
                return r;
        if (r < 0)
                (void) renameat(folder, way, folder, files);
        else if (renameat(folder, way, to, with(name, ".files", path)) < 0)
                r = -errno;
        return r;
}

static bool is_there(int folder, const char *name, const char *ending) {
        char path[PATH_TEXT];
        struct stat status;

        return fstatat(folder, with(name, ending, path), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static void finish_move(const struct watch *watch, const char *way) {
        static const char done[] = ".done.", refused[] = ".refused.", ending[] = ".files";
        bool was_refused = strncmp(way, refused, sizeof(refused) - 1) == 0;
        size_t n_before = was_refused ? sizeof(refused) - 1 : sizeof(done) - 1;
        size_t n = strlen(way), n_ending = sizeof(ending) - 1;
        int to = was_refused ? watch->refused : watch->done;
        char name[PATH_TEXT], path[PATH_TEXT];
        char *number;

        if ((!was_refused && strncmp(way, done, sizeof(done) - 1) != 0) ||
            n <= n_before + n_ending || n - n_before - n_ending > WATCH_NAME_MOST + 6 ||
            strcmp(way + n - n_ending, ending) != 0)
                return;
        (void) snprintf(name, sizeof(name), "%.*s", (int) (n - n_before - n_ending),
                        way + n_before);
        if (is_there(to, name, ".json")) {
                (void) renameat(watch->folder, way, to, with(name, ending, path));
                return;
        }
        /* It was to be NAME~2, say, and is still NAME. */
        number = is_there(watch->folder, name, ".json") ? NULL : strrchr(name, '~');
        if (number)
                *number = '\0';
        (void) renameat(watch->folder, way, watch->folder, with(name, ending, path));
}

void watch_finish_moves(const struct watch *watch) {
        int fd = openat(watch->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        while (list && (entry = readdir(list)) != NULL)
                finish_move(watch, entry->d_name);
        if (list)
                (void) closedir(list);
        else
                closep(&fd);
}

/* The reply first, so that a crash leaves a file that is sent again and answered `duplicate`. */
static int settle(struct watched *watched) {
        int folder = watched->watch->folder;
        int to = watched->refused ? watched->watch->refused : watched->watch->done;
        char *text freed_by(freep) = reply_text(watched);
        char name[PATH_TEXT], path[PATH_TEXT], new_path[PATH_TEXT];
        int r = text ? free_name(to, watched->name, name) : -ENOMEM;

        if (r == 0)
                r = file_write_synced(to, with(name, ".reply.json", path), 0666, text,
                                      strlen(text));
        crash_point("emitter/watch-reply-kept");
        (void) snprintf(new_path, sizeof(new_path), ".%.*s.reply.new", WATCH_NAME_MOST,
                        watched->name);
        if (r == 0)
                r = file_write_synced(folder, new_path, 0666, text, strlen(text));
        if (r == 0 &&
            renameat(folder, new_path, folder, with(watched->name, ".reply.json", path)) < 0)
                r = -errno;
        crash_point("emitter/watch-reply-shown");
        return r < 0 ? r : move_away(watched, to, name);
}

bool watched_settle(struct watched *watched) {
        char name[PATH_TEXT];
        struct stat status;
        struct stamp now;
        int r;

        if (fstatat(watched->watch->folder, with(watched->name, ".json", name), &status,
                    AT_SYMLINK_NOFOLLOW) < 0)
                return true; /* somebody took it away */
        now = stamp_of(&status);
        if (!stamp_equal(&now, &watched->sent))
                return true; /* a new content under the same name: it is taken up anew */
        r = settle(watched);
        if (r < 0 && !watched->told)
                tell(MESSAGE_EMIT_WATCH_CANNOT_MOVE, "file", name, "reason", strerror(-r), NULL);
        watched->told |= r < 0;
        return r == 0;
}
