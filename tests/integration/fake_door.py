"""A stand-in for gongkai-publisherd's door: a ROUTER with a memory and a will of its own.

`rule(event, nth)` says what becomes of an event that is seen for the nth time: a status, a whole
reply (dict), "drop" (published, but the reply is lost), "ignore" (nothing happens), or bytes (sent
as they stand). It remembers every message, and what it has accepted as (source, id).
"""

import collections
import json
import threading
import time

import zmq


def wait_until(condition, seconds=20, what=""):
    """Polls a condition; the pause is no part of what is tested."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError(f"never came true: {what or condition}")


class FakeDoor:
    def __init__(self, endpoint, rule=None, curve=None):
        self.endpoint, self.curve = endpoint, curve
        self.rule = rule or (lambda event, nth: "accepted")
        self.messages = []  # (peer, [frames], monotonic time)
        self.seen = collections.Counter()  # (source, id)
        self.accepted = {}  # (source, id) -> canonical text
        self.published = []  # ids, in the order of their first acceptance
        self.asked = []  # queries
        self.context = zmq.Context()
        self.thread = None
        self.stopping = threading.Event()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        self.context.destroy(linger=0)

    def open(self):
        ready = threading.Event()
        self.stopping.clear()
        self.thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(10)
        return self

    def close(self):
        """As if killed: peers are cut off, what was read stays remembered."""
        if self.thread:
            self.stopping.set()
            self.thread.join()
            self.thread = None

    def _serve(self, ready):
        router = self.context.socket(zmq.ROUTER)
        router.linger = 0
        if self.curve:
            router.curve_server = True
            router.curve_publickey, router.curve_secretkey = self.curve
        router.bind(self.endpoint)
        ready.set()
        while not self.stopping.is_set():
            if router.poll(10):
                peer, delimiter, *frames = router.recv_multipart()
                assert delimiter == b""
                self.messages.append((peer, frames, time.monotonic()))
                reply = self._admit(frames[0])
                if reply is not None:
                    router.send_multipart([peer, b"", reply])
        router.close(linger=0)

    def _admit(self, text):
        try:
            event = json.loads(text)
        except ValueError:
            return json.dumps({"source": None, "id": None, "status": "rejected", "errors": [
                {"path": "", "code": "json", "message": "no JSON"}]}).encode()
        if isinstance(event, dict):
            reply = self._decide(event)
            if isinstance(reply, dict):
                return json.dumps(reply, ensure_ascii=False).encode()
            return reply
        replies = [self._decide(one) for one in event]
        if any(reply is None for reply in replies):
            return None
        return json.dumps(replies, ensure_ascii=False).encode()

    def _decide(self, event):
        key = event.get("source"), event.get("id")
        self.seen[key] += 1
        wish = self.rule(event, self.seen[key])
        if wish == "ignore":
            return None
        if isinstance(wish, bytes):
            return wish
        reply = {"source": key[0], "id": key[1], "status": wish}
        if isinstance(wish, dict):
            return {**reply, **wish}
        if wish in ("accepted", "drop"):
            if "query" in event.get("type", ""):
                self.asked.append(event)
                reply["status"] = "ok"
            elif event.get("gkdryrun"):
                reply["status"] = "accepted"
            elif key in self.accepted:
                same = self.accepted[key] == json.dumps(event, sort_keys=True)
                reply["status"] = "duplicate" if same else "conflict"
            else:
                self.accepted[key] = json.dumps(event, sort_keys=True)
                self.published.append(key[1])
                reply["status"] = "accepted"
        return None if wish == "drop" else reply
