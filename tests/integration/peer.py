"""A peer of the door that runs as a program, on another host say: a JSON line in, one out for each.

It is given the door's endpoint, and no more time for anything than it says here.
"""
import itertools
import json
import select
import socket
import subprocess
import sys

NUMBERS = itertools.count(1)


class Peer:
    """The test's end. `where` is an Elsewhere."""

    def __init__(self, where, endpoint):
        self.process = subprocess.Popen(["ip", "netns", "exec", where.name, sys.executable, __file__, endpoint],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def do(self, **what):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], 40)
        assert ready, f"the peer hangs at {what}"
        line = self.process.stdout.readline()
        assert line, f"the peer ended at {what}"
        return json.loads(line)

    def ask(self, message, keys=None, server=None, **more):
        """{"handshake": how it ended, "reply": the answer or null}. `keep` names a connection that stays open."""
        return self.do(message=message, keys=keys, server=server, **more)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


# -- the program


def connect(context, endpoint, what):
    """A socket, and how its first handshake ended."""
    import zmq
    from zmq.utils.monitor import recv_monitor_message

    ends = {zmq.EVENT_HANDSHAKE_SUCCEEDED: "succeeded", zmq.EVENT_HANDSHAKE_FAILED_AUTH: "refused",
            zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "protocol", zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "failed",
            zmq.EVENT_DISCONNECTED: "disconnected"}
    made = context.socket(zmq.DEALER)
    made.setsockopt(zmq.LINGER, 0)
    if what.get("keys"):
        made.curve_publickey, made.curve_secretkey = (key.encode() for key in what["keys"])
        made.curve_serverkey = what["server"].encode()
    elif what.get("plain"):
        made.plain_username, made.plain_password = b"oa", b"oa"
    # libzmq gives the name of a monitor back some time after its socket has gone: each has its own.
    monitor = made.get_monitor_socket(sum(ends), f"inproc://monitor-{next(NUMBERS)}")
    made.connect(endpoint)
    handshake = ends[recv_monitor_message(monitor)["event"]] if monitor.poll(10000) else None
    made.disable_monitor()
    return made, handshake


def knock(context, endpoint, what, kept):
    import zmq

    name = what.get("keep")
    made, handshake = kept[name] if name in kept else connect(context, endpoint, what)
    if name:
        kept[name] = made, handshake
    try: # who was refused has no connection left that would take it
        made.send_multipart([b"", json.dumps(what["message"]).encode()], zmq.DONTWAIT)
    except zmq.Again:
        pass
    answered = made.poll(10000 if handshake == "succeeded" else 200)
    reply = json.loads(made.recv_multipart()[1]) if answered else None
    if not name:
        made.close(0)
    return {"handshake": handshake, "reply": reply}


def noise(endpoint, what, opened):
    """Bytes on many connections at once, which stay open."""
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    for text in what["noise"]:
        one = socket.create_connection((host, int(port)), 5)
        opened.append(one)
        try:
            one.sendall(bytes.fromhex(text))
        except OSError:
            pass # it hung up on us already
    return {"open": len(opened)}


def main():
    import zmq
    context, kept, opened = zmq.Context(), {}, []
    for line in sys.stdin:
        what = json.loads(line)
        answer = noise(sys.argv[1], what, opened) if "noise" in what else knock(context, sys.argv[1], what, kept)
        print(json.dumps(answer), flush=True)
    context.destroy(0)


if __name__ == "__main__":
    main()
