/* Notes what a power cut would leave: preloaded into a daemon, it writes a line to the file
 * $POWERLOSS_NOTES for all that decides which bytes and names are on the disk for certain.
 *
 *         F INODE SIZE            so much of this file was synced
 *         T INODE SIZE            it was cut down to this size
 *         X INODE                 its name went: the number may come back as another file
 *         D FOLDER<tab>NAME...    these names in this folder were synced
 *         R OLD<tab>NEW           a file was renamed; until NEW's folder is synced it may be back
 *
 * tests/chaos/power.py reads it after the kill and takes away everything else. A sync is noted when
 * it has returned, with the size from before: what came in between may be lost.
 *
 * $POWERLOSS_DELAY_US makes every sync as slow as a disk, so that a kill finds something unsynced.
 *
 * Not modelled: bytes changed in place and not synced (the programs only append, or write a new file
 * and rename it), a file that comes back after an unsynced unlink or rename over it, and writes that
 * reach the disk out of order inside one file.
 *
 * System calls are made directly: nothing here then depends on the order in which libraries and
 * sanitizers are set up. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINE_MOST = 64 << 10, NAME_ROOM = 256, PATH_ROOM = 2048 };

static int notes(void) {
        const char *path = getenv("POWERLOSS_NOTES");

        return path ? (int) syscall(SYS_openat, AT_FDCWD, path,
                                    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)
                    : -1;
}

static void note(const char *line, size_t n) {
        int error = errno, fd = notes();

        if (fd >= 0) {
                /* One write to a file open for appending: lines of two threads do not mix. */
                if (syscall(SYS_write, fd, line, n) != (long) n)
                        abort();
                (void) syscall(SYS_close, fd);
        }
        errno = error;
}

static void note_number(char what, const struct stat *stat_of, long long size) {
        char line[64];
        int n = snprintf(line, sizeof(line), "%c %llu %lld\n", what,
                         (unsigned long long) stat_of->st_ino, size);

        note(line, (size_t) n);
}

/* "D FOLDER<tab>NAME<tab>NAME..." into `line`, its length. The folder is opened anew, so that its
 * owner's place in it stays. */
static size_t list_folder(int fd, char line[static LINE_MOST]) {
        struct entry {
                unsigned long long ino;
                long long off;
                unsigned short n;
                unsigned char type;
                char name[];
        } *entry;
        char entries[16 << 10] __attribute__((aligned(8)));
        char link[64], path[4096];
        ssize_t n_path;
        size_t n = 0;
        int own;
        long got;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n_path = readlink(link, path, sizeof(path) - 1);
        if (n_path <= 0)
                return 0;
        path[n_path] = '\0';
        own = (int) syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (own < 0)
                return 0;
        n = (size_t) snprintf(line, LINE_MOST, "D %s", path);
        while ((got = syscall(SYS_getdents64, own, entries, sizeof(entries))) > 0) {
                for (long at = 0; at < got; at += entry->n) {
                        entry = (struct entry *) (void *) (entries + at);
                        if (n + NAME_ROOM + 2 > LINE_MOST)
                                abort(); /* a longer list would be a lie by leaving out */
                        n += (size_t) snprintf(line + n, LINE_MOST - n, "\t%s", entry->name);
                }
        }
        (void) syscall(SYS_close, own);
        line[n++] = '\n';
        return n;
}

static int synced(int fd, long call) {
        const char *delay = getenv("POWERLOSS_DELAY_US");
        char line[LINE_MOST];
        struct stat before;
        size_t n = 0;

        if (fstat(fd, &before) < 0)
                return -1;
        if (S_ISDIR(before.st_mode))
                n = list_folder(fd, line);
        if (delay)
                (void) usleep((useconds_t) strtoul(delay, NULL, 10));
        if (syscall(call, fd) < 0)
                return -1;
        if (n > 0)
                note(line, n);
        else if (S_ISREG(before.st_mode))
                note_number('F', &before, (long long) before.st_size);
        return 0;
}

int fsync(int fd) {
        return synced(fd, SYS_fsync);
}

int fdatasync(int fd) {
        return synced(fd, SYS_fdatasync);
}

int ftruncate(int fd, off_t size) {
        struct stat before;

        if (syscall(SYS_ftruncate, fd, size) < 0)
                return -1;
        if (fstat(fd, &before) == 0)
                note_number('T', &before, (long long) size);
        return 0;
}

static void note_gone(int folder, const char *path) {
        struct stat before;
        int error = errno;

        if (fstatat(folder, path, &before, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(before.st_mode))
                note_number('X', &before, 0);
        errno = error;
}

/* The absolute name of what is called `path` in a folder: "" when it is too long. */
static void whole_name(int folder, const char *path, char ret[static PATH_ROOM]) {
        char link[64], place[PATH_ROOM];
        ssize_t n;

        *ret = '\0';
        (void) snprintf(link, sizeof(link), folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d",
                        folder);
        n = *path == '/' ? 0 : readlink(link, place, sizeof(place) - 1);
        if (n < 0 || (size_t) n + strlen(path) + 2 > PATH_ROOM)
                return;
        place[n] = '\0';
        (void) snprintf(ret, PATH_ROOM, "%.*s%s%s", (int) n, place, n ? "/" : "", path);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
        char old[PATH_ROOM], new[PATH_ROOM], line[2 * PATH_ROOM + 8];

        note_gone(to_folder, to);
        whole_name(from_folder, from, old);
        whole_name(to_folder, to, new);
        if (syscall(SYS_renameat2, from_folder, from, to_folder, to, 0) < 0)
                return -1;
        if (*old && *new)
                note(line, (size_t) snprintf(line, sizeof(line), "R %s\t%s\n", old, new));
        return 0;
}

int rename(const char *from, const char *to) {
        return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int folder, const char *path, int flags) {
        note_gone(folder, path);
        return (int) syscall(SYS_unlinkat, folder, path, flags);
}

int unlink(const char *path) {
        return unlinkat(AT_FDCWD, path, 0);
}
