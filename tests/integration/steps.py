"""One county with many channels of one driver, each with an account of its own: what one of them suffers, the others do not.

So a deed is done once, and a channel for each of its steps dies there, or waits in vain for that step's answer. What is
counted is what stands in the accounts.
"""
import signal

from county import PROGRAMS, wait_until
from hookkit import is_quiet


class Fleet:
    def __init__(self, county, accounts, settings):
        """`settings`: of an account and the name of its channel, the channel's."""
        self.county, self.accounts = county, dict(accounts)
        for name, account in self.accounts.items():
            county.channel(name, **settings(account, name))

    def process(self, name):
        return self.county.processes.get(f"channeld-{name}")

    def start(self, aims=None):
        """Those that do not run, all at once; `aims`: name -> "POINT:N", where it dies."""
        began = {}
        for name in self.accounts:
            if not self.process(name):
                label = f"channeld-{name}"
                began[name] = self.county.log(label).count("已启动")
                env = {"GONGKAI_CRASH": f"channeld/{aims[name]}"} if aims and name in aims else None
                self.county.start(label, PROGRAMS / "gongkai-channeld", "--config", self.county.conf, name, env=env)
        wait_until(lambda: all(self.county.log(f"channeld-{n}").count("已启动") > before or self.process(n).poll() is not None
                               for n, before in began.items()), 90, "all are up")

    def settle(self, document, state="published", revision=None):
        for name in self.accounts:
            self.county.shown(document, name, state, revision, timeout=60)
            wait_until(lambda: is_quiet(self.county, name), 30, f"nothing is left to do on {name}")

    def die_at(self, aims, event, **settled):
        """The event, with a channel for each aim that dies there, and one that comes by its place once less and lives."""
        *aims, beyond = aims
        names = dict(zip(self.accounts, [*aims, beyond]))
        for name in names:
            if self.process(name):
                self.county.kill(f"channeld-{name}")
        self.start(names)
        self.county.ask(event)
        for name, aim in list(names.items())[:-1]:
            wait_until(lambda: self.process(name).poll() is not None, 60, f"{name} died at {aim}")
            assert self.process(name).returncode == -signal.SIGKILL, self.county.log(f"channeld-{name}")[-3000:]
        for name in list(names)[:-1]:
            self.county.processes.pop(f"channeld-{name}")
        self.start()
        last = list(names)[-1]
        wait_until(lambda: self.process(last).poll() is not None or is_quiet(self.county, last), 60, f"{last} is done")
        assert self.process(last).poll() is None, f"there is a step more than the table has: {beyond}"
        self.settle(event["data"]["document"], **settled)
        self.county.kill(f"channeld-{last}")  # it has its aim still
        self.start()


def aims_of(**times):
    """request_begun=3 -> request-begun:1, :2, :3; the last aim of all is one too many of the first."""
    points = {name.replace("_", "-"): n for name, n in times.items()}
    return [f"{name}:{k + 1}" for name, n in points.items() for k in range(n)] + [f"{next(iter(points))}:{next(iter(points.values())) + 1}"]
