"""Power cuts: what the disk would still have of a daemon's files when everything stops at once.

The daemons run with powerloss.so, which notes what they synced (see powerloss.c). cut() is called
when all of them are dead: files lose what was not synced, and names that no sync of their folder
covers go altogether, or back to where they were renamed from. What is then left is what the next start finds, and counts as synced.
"""
import os
import shutil

import county

FOLDERS = ("redis", "state")


class Power:
    def __init__(self, one, delay_us=0, folders=FOLDERS, notes="powerloss.notes"):
        self.county, self.notes, self.folders = one, one.folder / notes, folders
        self.sizes, self.names, self.renamed, self.n_read = {}, set(), {}, 0
        self.n_bytes_lost = self.n_files_lost = self.n_cuts = 0
        library = county.PROGRAMS / "tests" / "chaos" / "powerloss.so"
        assert library.exists(), f"{library} is not built"
        self.environment = {"LD_PRELOAD": str(library), "POWERLOSS_NOTES": str(self.notes),
                            "POWERLOSS_DELAY_US": str(delay_us),
                            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "abort_on_error=1:detect_leaks=1")
                                            + ":verify_asan_link_order=0"}

    def walk(self, *names):
        for name in names or self.folders:
            for folder, folders, files in os.walk(self.county.folder / name, topdown=False):
                for each in files:
                    yield os.path.join(folder, each), False
                for each in folders:
                    yield os.path.join(folder, each), True

    def settle(self):
        """All is dead, and what is there now has been there for long: nothing of it can be lost."""
        self.sizes, self.names, self.renamed, self.n_read = {}, set(), {}, 0
        for path, is_folder in self.walk():
            self.names.add(path)
            if not is_folder:
                found = os.stat(path)
                self.sizes[found.st_ino] = found.st_size
        self.notes.write_bytes(b"")

    def read_notes(self):
        with open(self.notes, "rb") as notes:
            notes.seek(self.n_read)
            whole = notes.read().rpartition(b"\n")[0]
        self.n_read += len(whole) + 1 if whole else 0
        for line in whole.decode().splitlines():
            what, rest = line[0], line[2:]
            if what == "D":
                folder, *names = rest.split("\t")
                self.names |= {os.path.join(folder, name) for name in names}
                continue
            if what == "R":
                old, new = rest.split("\t")
                before = self.renamed.pop(old, old)
                self.renamed[new] = old if old in self.names else before
                continue
            inode, size = (int(number) for number in rest.split(" "))
            if what == "F":
                self.sizes[inode] = size
            elif what == "T":
                self.sizes[inode] = min(size, self.sizes.get(inode, 0))
            else:
                self.sizes.pop(inode, None)

    def unsynced(self):
        """Bytes of Redis' files that a cut would take now; Redis must be stopped."""
        self.read_notes()
        total = 0
        for path, is_folder in self.walk("redis"):
            try:
                one = os.stat(path)
            except FileNotFoundError:
                continue  # the child that rewrites its file goes on, and tidies up
            if not is_folder:
                total += max(0, one.st_size - self.sizes.get(one.st_ino, 0))
        return total

    def cut(self):
        self.read_notes()
        self.n_cuts += 1
        lost = 0
        for new, old in self.renamed.items():
            if new not in self.names and old in self.names and os.path.exists(new) and not os.path.exists(old):
                os.rename(new, old)
        for path, is_folder in self.walk():  # what is inside a folder comes before it
            if path not in self.names:
                if is_folder:
                    shutil.rmtree(path)  # what a sync put into it has no way to it
                else:
                    lost += os.stat(path).st_size
                    os.unlink(path)
                self.n_files_lost += 1
                continue
            if is_folder:
                continue
            found = os.stat(path)
            kept = min(found.st_size, self.sizes.get(found.st_ino, 0))
            lost += found.st_size - kept
            os.truncate(path, kept)
        self.n_bytes_lost += lost
        self.settle()
        return lost
