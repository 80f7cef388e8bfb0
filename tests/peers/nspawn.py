"""A Debian 12 of its own with a real systemd, in a container without a network: boots in about a second.

    machine = Machine(folder, image())
    machine.up()
    machine.sh("systemctl start gongkai.target")
    machine.down()

The root is an overlay over the image, so that each machine begins clean; what it writes is in its folder. Needs root,
systemd-nspawn, overlayfs and cgroup 2: cannot() says what is missing. The container is no wall for what is hostile:
our own services alone run in it.
"""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
CACHE = TREE / "build" / "peers"
SUITE = "bookworm"
# What a minimal image has beyond debootstrap's own: an init, and a bus as every Debian server has one.
INCLUDE = "systemd,systemd-sysv,dbus,ca-certificates"
CGROUPS = "/sys/fs/cgroup"


def wait_for(condition, what, seconds=30.0):
    """Polls a condition; what it gives back when it is true."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)  # between two looks at the condition


def mirrors():
    """Where this machine has its own packages from: {"bookworm": URI, "bookworm-security": URI ...}; empty where apt does not tell."""
    told = subprocess.run(["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"], capture_output=True, text=True)
    found = (line.split() for line in told.stdout.splitlines())
    return {words[0]: words[1].rstrip("/") for words in found if len(words) == 2 and words[0].startswith(SUITE)}


def cannot():
    """Why this machine cannot boot another; empty when it can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [tool for tool in ("debootstrap", "systemd-nspawn", "nsenter", "unshare") if not shutil.which(tool)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    with tempfile.TemporaryDirectory() as folder:
        for name in ("lower", "upper", "work", "root"):
            os.mkdir(f"{folder}/{name}")
        probe = (f"mount -t tmpfs tmpfs {folder}/root && umount {folder}/root && "
                 f"mount -t overlay overlay -o lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work {folder}/root && "
                 f"mount -t cgroup2 cgroup2 {CGROUPS} && mkdir -p {CGROUPS}/gongkai-probe && rmdir {CGROUPS}/gongkai-probe")
        run = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", probe], capture_output=True, text=True)
    return "" if run.returncode == 0 else f"overlayfs or cgroup 2: {run.stderr.strip()}"


def chroot(root, command, **more):
    return subprocess.run(["chroot", str(root), "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
                           "LC_ALL=C.UTF-8", "sh", "-ec", command], capture_output=True, text=True, **more)


def image(packages):
    """A minimal image, and in its cache of packages all that `packages` (files) depend on: a machine has no network to
    fetch it by. Made once for each list of dependencies, in a minute; kept below build/."""
    depends = "".join(subprocess.run(["dpkg-deb", "-f", str(package), "Package", "Depends"], check=True, capture_output=True, text=True).stdout
                      for package in packages)
    key = hashlib.sha256(f"{SUITE} {INCLUDE} {depends}".encode()).hexdigest()[:16]
    root = CACHE / f"image-{key}"
    if (CACHE / f"image-{key}.made").exists():
        return root
    base, known = CACHE / "base", mirrors()
    CACHE.mkdir(parents=True, exist_ok=True)
    if not (CACHE / "base.made").exists():
        shutil.rmtree(base, ignore_errors=True)
        made = subprocess.run(["debootstrap", "--variant=minbase", f"--include={INCLUDE}", SUITE, str(base), *([known[SUITE]] if SUITE in known else [])],
                              capture_output=True, text=True)
        assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
        (CACHE / "base.made").touch()
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True)
    (root / "packages").mkdir()
    for package in packages:
        shutil.copy(package, root / "packages")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    if SUITE in known:  # else it has debootstrap's own
        (root / "etc/apt/sources.list").write_text("".join(f"deb {uri} {suite} main\n" for suite, uri in known.items()))
    got = chroot(root, "apt-get update -q && apt-get install -q -y --download-only /packages/*.deb")
    assert got.returncode == 0, got.stdout[-3000:] + got.stderr[-3000:]
    shutil.rmtree(root / "packages")
    (root / "etc/resolv.conf").unlink()
    (CACHE / f"image-{key}.made").touch()
    return root


class Machine:
    def __init__(self, folder, lower, name="gongkai"):
        self.folder, self.lower = pathlib.Path(folder), lower
        self.name = f"{name}-{os.getpid()}"
        self.upper, self.root = self.folder / "upper", self.folder / "root"
        self.cgroup = f"{name}-{os.getpid()}"
        self.leader = None
        self.nspawn = None
        for folder in (self.upper, self.root, self.folder / "work"):
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, source, target, mode=0o644):
        """Before the boot or while it runs."""
        path = (pathlib.Path(f"/proc/{self.leader}/root") if self.leader else self.upper) / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, str):
            path.write_text(source)
        else:
            shutil.copy(source, path)
        path.chmod(mode)
        return path

    def up(self):
        script = (f"mount -t overlay overlay -o lowerdir={self.lower},upperdir={self.upper},workdir={self.folder}/work {self.root}\n"
                  f"mount -t cgroup2 cgroup2 {CGROUPS}\nmkdir -p {CGROUPS}/{self.cgroup}\necho $$ >{CGROUPS}/{self.cgroup}/cgroup.procs\n"
                  f"exec systemd-nspawn -q -D {self.root} -M {self.name} --register=no --keep-unit --console=pipe --link-journal=no"
                  " --resolv-conf=off --timezone=off --private-network --capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN"
                  " --system-call-filter='bpf @keyring' --boot")
        with open(self.folder / "console.log", "ab") as console:
            self.nspawn = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "--", "bash", "-euc", script],
                                           stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        self.leader = wait_for(self._find_leader, f"{self.folder}/console.log: the container's first process", 30)
        wait_for(lambda: self.run("systemctl", "is-active", "multi-user.target").stdout.strip() == "active", "the boot", 60)
        return self

    def _find_leader(self):
        assert self.nspawn.poll() is None, (self.folder / "console.log").read_text(errors="replace")[-3000:]
        children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
        for child in children:
            for line in pathlib.Path(f"/proc/{child}/status").read_text().splitlines():
                if line.startswith("NSpid:") and line.split()[-1] == "1":
                    return int(child)
        return None

    def run(self, *command, stdin=None, seconds=120):
        """One command inside, as root; for what a service may do see service()."""
        return subprocess.run(["nsenter", "-t", str(self.leader), "-a", "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                               "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "HOME=/root", *command],
                              input=stdin, capture_output=True, text=True, timeout=seconds)

    def sh(self, command, stdin=None, seconds=120):
        run = self.run("sh", "-ec", command, stdin=stdin, seconds=seconds)
        assert run.returncode == 0, f"{command}\n{run.stdout[-4000:]}{run.stderr[-4000:]}"
        return run.stdout

    def show(self, unit, *properties):
        text = self.sh(f"systemctl show {unit} -p {','.join(properties)}")
        values = dict(line.split("=", 1) for line in text.splitlines())
        return values[properties[0]] if len(properties) == 1 else values

    def main_pid(self, unit):
        return int(self.show(unit, "MainPID"))

    def host_pid(self, pid):
        """The number that a process of the machine has outside."""
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                found = [line.split() for line in status.read_text().splitlines() if line.startswith("NSpid:")]
                if found and found[0][2:] == [str(pid)] and f"/{self.cgroup}/" in (status.parent / "cgroup").read_text():
                    return int(status.parent.name)
            except OSError:
                continue  # it has just ended
        raise AssertionError(f"no process {pid} in {self.name}")

    def journal(self, *matches):
        out = self.sh("journalctl --no-pager -o json " + " ".join(f"'{match}'" for match in matches))
        return [json.loads(line) for line in out.splitlines()]

    def down(self):
        if self.nspawn is None:
            return
        if self.nspawn.poll() is None and self.leader:
            os.kill(self.leader, signal.SIGRTMIN + 4)  # systemd's word for poweroff
            try:
                self.nspawn.wait(20)
            except subprocess.TimeoutExpired:
                pass
        # Of what is left, nothing outlives the control group.
        kill = f"mount -t cgroup2 cgroup2 {CGROUPS}; test ! -e {CGROUPS}/{self.cgroup} || echo 1 >{CGROUPS}/{self.cgroup}/cgroup.kill; " \
               f"sleep 0.2; find {CGROUPS}/{self.cgroup} -depth -type d -exec rmdir {{}} + 2>/dev/null"
        subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", kill], capture_output=True)
        if self.nspawn.poll() is None:
            self.nspawn.kill()
            self.nspawn.wait(10)
        self.nspawn = self.leader = None
