"""Ways to knock at the door that honest emitters do not need, and a look at what the daemon says."""
import json
import os
import pathlib
import select
import socket
import tempfile
import time

import zmq

from county import County, wait_until


def one_line(path, question, timeout=10):
    """What gongkaictl does: one JSON line to the control socket, one back."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(timeout)
        control.connect(str(path))
        control.sendall(json.dumps(question).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            more = control.recv(65536)
            assert more, f"the control socket closed after {answer!r}"
            answer += more
    return json.loads(answer)


def control(county, **question):
    return one_line(county.folder / "run" / "control", question)


def dealer(endpoint, identity=None, window=1000):
    """A bare DEALER, for envelopes that are wrong."""
    made = zmq.Context.instance().socket(zmq.DEALER)
    made.setsockopt(zmq.LINGER, 0)
    made.setsockopt(zmq.SNDHWM, window)
    made.setsockopt(zmq.RCVHWM, window)
    if identity:
        made.setsockopt(zmq.IDENTITY, identity)
    made.connect(endpoint)
    return made


def answer_of(made, timeout=10):
    assert made.poll(timeout * 1000), f"no answer in {timeout} s"
    frames = made.recv_multipart()
    assert len(frames) == 2 and frames[0] == b"", frames
    return json.loads(frames[1])


def silent(made, timeout=0.3):
    """Whether nothing comes for a while; the peer asks something honest behind it to be sure."""
    return not made.poll(int(timeout * 1000))


class Notified:
    """A stand-in for systemd's end of NOTIFY_SOCKET."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="gk-notify-")
        self.path = pathlib.Path(self.folder.name) / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.setblocking(False)
        self.lines = []

    def environment(self, **more):
        return {"NOTIFY_SOCKET": str(self.path), **more}

    def seen(self, start):
        """The lines so far that begin so; false while there is none."""
        while True:
            try:
                self.lines += self.socket.recv(65536).decode().split("\n")
            except BlockingIOError:
                return [line for line in self.lines if line.startswith(start)]

    def is_silent(self, seconds):
        self.seen("")
        return not select.select([self.socket], [], [], seconds)[0]

    def wait_for(self, start, timeout=20):
        return wait_until(lambda: self.seen(start), timeout, f"{start} on the notify socket")

    def close(self):
        self.socket.close()
        self.folder.cleanup()


def resident_kib(process):
    """Memory that the process has in RAM now."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("the process has ended")


def threads_wait(process):
    """The state letter of the process: S asleep, R running, T stopped."""
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def until_taken(county, event, timeout=30, door=None, patience=3):
    """What gongkai-emit does: the same bytes again while the door is busy or silent."""
    own = door is None
    door = door or county.door()
    end = time.monotonic() + timeout
    try:
        while True:
            try:
                reply = door.ask(event, timeout=patience)
            except AssertionError:
                reply = None
                door.close()
                door.open()
            if reply and reply["status"] != "busy":
                return reply
            assert time.monotonic() < end, f"not taken in {timeout} s (last: {reply})"
    finally:
        if own:
            door.close()


def log_entries(county, region="530581"):
    """The store's log by fields: state document revision level event channel ..."""
    rows = []
    for _, fields in county.redis().xrange(f"{{{region}}}:log"):
        rows += [line.split("\t") for line in fields[b"r"].decode().split("\n")]
    return rows


def accepted_in_log(county, region="530581"):
    return [row[1] for row in log_entries(county, region) if row[0] == "accepted"]


def root_only():
    assert os.geteuid() == 0, "this test makes network namespaces: run it as root"


__all__ = ["County", "Notified", "accepted_in_log", "answer_of", "control", "dealer", "log_entries", "one_line",
           "resident_kib", "root_only", "silent", "threads_wait", "until_taken", "wait_until"]
