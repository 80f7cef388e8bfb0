"""What the stories about the console share: a county with it, and a strict small reader of OpenMetrics."""
import http.client
import re
import socket

from county import PROGRAMS, wait_until


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Reply:
    def __init__(self, reply):
        self.status, self.headers = reply.status, reply.headers
        self.text = reply.read().decode()


class Console:
    """gongkai-consoled of a county; `get` asks it as a browser on this machine would."""

    def __init__(self, county, port):
        self.county, self.port = county, port

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        def up():
            try:
                return self.get("/assets/icon.svg").status == 200
            except OSError:
                return False
        self.county.start("consoled", PROGRAMS / "gongkai-consoled", "--config", self.county.conf, ready=up)
        return self

    def get(self, path, method="GET", **headers):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            return Reply(link.getresponse())
        finally:
            link.close()

    def page(self, path):
        reply = self.get(path)
        assert reply.status == 200, (path, reply.status, reply.text[:500])
        return reply.text

    def shows(self, path, *words, timeout=30):
        """Waits until the page has all of these words."""
        wait_until(lambda: all(word in self.page(path) for word in words), timeout, f"{path} shows {words}")
        return self.page(path)

    def metrics(self):
        return read_metrics(self.page("/metrics"))


def make(county, config="", **arguments):
    """A county's folder with a console that is yet to be started."""
    port = free_port()
    one = county(config=f"[console]\nlisten = 127.0.0.1:{port}\n{config}", **arguments)
    one.console = Console(one, port)
    return one


# -- OpenMetrics 1.0 -----------------------------------------------------------------------------------

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,(?:{LABEL}))*)\}})? (\S+)$")
NUMBER = re.compile(r"[+-]?(Inf|\d+(\.\d+)?([eE][+-]?\d+)?)$|NaN$")
SUFFIXES = {"gauge": {""}, "counter": {"_total", "_created"}, "info": {"_info"},
            "histogram": {"_bucket", "_count", "_sum", "_created"}}


class Family:
    def __init__(self, name):
        self.name, self.type, self.unit, self.help, self.samples = name, None, None, None, {}


def read_metrics(text):
    """{family's name: Family}; every sample under (suffix, labels). Anything that the specification forbids is an error."""
    assert text.endswith("# EOF\n") and text.count("# EOF") == 1, "must end with # EOF"
    families, family = {}, None
    for line in text.split("\n")[:-2]:
        assert line and line == line.strip() and "\t" not in line, repr(line)
        if line.startswith("# "):
            word, name, rest = (line[2:].split(" ", 2) + [""])[:3]
            assert word in ("TYPE", "UNIT", "HELP"), line
            assert re.fullmatch(NAME, name), line
            if family is None or family.name != name:
                assert name not in families, f"{name} is not in one piece"
                assert word == "TYPE", f"{name} begins without its TYPE"
                family = families[name] = Family(name)
            assert getattr(family, word.lower()) is None and not family.samples, line
            setattr(family, word.lower(), rest)
            if word == "TYPE":
                assert rest in SUFFIXES, line
            if word == "UNIT":
                assert rest and name.endswith("_" + rest), line
            if word == "HELP":
                assert rest and not re.search(r'\\[^\\n"]', rest), line
            continue
        found = SAMPLE.match(line)
        assert found, f"not a sample: {line!r}"
        assert family and found[1].startswith(family.name), f"{line} is not of {family and family.name}"
        suffix = found[1][len(family.name):]
        assert suffix in SUFFIXES[family.type], line
        labels = tuple(re.findall(LABEL, found[2] or ""))
        assert len({name for name, _ in labels}) == len(labels), line
        value = line.rsplit(" ", 1)[1]
        assert NUMBER.match(value), line
        key = (suffix, tuple(sorted(labels)))
        assert key not in family.samples, f"twice: {line}"
        family.samples[key] = float(value)
    for one in families.values():
        assert one.help, one.name
        check_values(one)
    return families


def check_values(family):
    if family.type in ("counter", "info"):
        assert all(value >= 0 for value in family.samples.values()), family.name
    if family.type != "histogram":
        return
    by_labels = {}
    for (suffix, labels), value in family.samples.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        by_labels.setdefault(rest, {})[suffix, dict(labels).get("le")] = value
    for rest, values in by_labels.items():
        bounds = sorted((float(le), value) for (suffix, le), value in values.items() if suffix == "_bucket")
        assert bounds[-1][0] == float("inf"), (family.name, rest)
        assert [value for _, value in bounds] == sorted(value for _, value in bounds), (family.name, rest)
        assert values["_count", None] == bounds[-1][1] and values["_sum", None] >= 0, (family.name, rest)
        assert all("." in le or le == "+Inf" for suffix, le in values if suffix == "_bucket"), (family.name, rest)


def value(families, name, suffix="", **labels):
    """A sample's value; None when there is none."""
    family = families.get(name)
    return family and family.samples.get((suffix, tuple(sorted(labels.items()))))
