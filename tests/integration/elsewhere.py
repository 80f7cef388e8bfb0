"""Another host on this machine: a network namespace with a wire to us. Needs root."""
import itertools
import os
import subprocess

NUMBERS = itertools.count(1)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Elsewhere:
    def __init__(self):
        assert os.geteuid() == 0, "network namespaces need root: run the tests as root"
        number = next(NUMBERS)
        self.name = f"gk{os.getpid()}n{number}"
        here, there = f"gk{os.getpid() % 100000}h{number}", f"gk{os.getpid() % 100000}t{number}"
        net = f"10.203.{os.getpid() % 250}.{4 * (number % 60)}"
        base, last = net.rsplit(".", 1)
        self.here, self.there = f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}"
        ip("netns", "add", self.name)
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
        ip("addr", "add", f"{self.here}/30", "dev", here)
        ip("link", "set", here, "up")
        ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", there)
        ip("-n", self.name, "link", "set", there, "up")
        ip("-n", self.name, "link", "set", "lo", "up")

    def run(self, *command, **more):
        return subprocess.run(["ip", "netns", "exec", self.name, *map(str, command)], capture_output=True, text=True,
                              timeout=120, check=False, **more)

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)
