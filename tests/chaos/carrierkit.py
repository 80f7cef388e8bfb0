"""The carriers that a storm has beside its webhook endpoints: their channels, and the faults that are theirs.

Only documents that name them (`data.channels`) go there: a part of all, and fewer still to WeChat, which lets
nobody delete more than ten articles a day. The clock leaps a day often enough for that.
"""
import time

AREA, SEPARATOR = 2, "|"
TOKEN = "2.00storm"
PHONES = [str(13800138000 + i) for i in range(24)]
BATCH = 8
GROUPS = ("hall", "lobby")
DAY_MS = 86_400_000
# Longer than a way is ever held, and than what comes "later".
LATE = "5s"
LEAPS = 16

# name: driver, workers, more settings
CARRIERS = {
    "wechat": ("wechat", 2, {"poll": "300ms", "unclear": LATE, "delete_reserve": "2"}),
    "weibo": ("weibo", 1, {"after": "keyed", "appears": LATE}),
    "mas": ("mas", 2, {}),
    "aliyun": ("aliyun", 1, {}),
    "led": ("onbon", 2, {"refresh": "5s"}),
    "wall": ("mqtt", 2, {}),
}
SECRETS = {
    "wechat": "appsecret = 0123456789abcdef0123456789abcdef\n",
    "weibo": f"app_secret = fedcba9876543210fedcba9876543210\naccess_token = {TOKEN}\n",
    "mas": "hmac_key = 5f2b1c0d9e8f7a6b5c4d\nsecret_key = simulator-secret\n",
    "aliyun": "hmac_key = 5f2b1c0d9e8f7a6b5c4d\nkey_id = LTAI5tSimulator\nkey_secret = simulator-secret\n",
}
COVER = b"\xff\xd8\xff\xe0" + b"j" * 60


def settings_of(name, kind, folder, way):
    """Of the channel's file, but what all channels have."""
    url, more = f"http://127.0.0.1:{way}", {}
    if kind in SECRETS:
        secret = folder / f"{name}.secret"
        secret.write_text(SECRETS[kind])
        secret.chmod(0o600)
        more["secret_file"] = secret
    if kind in ("mas", "aliyun"):
        people = folder / "people.csv"
        people.write_text("号码,区划\n" + "".join(f"{number},530581\n" for number in PHONES))
        more |= {"url": url, "recipients": people, "batch": BATCH, "hours": "00:00-24:00", "signature": "腾冲市人民政府"}
    if kind == "wechat":
        (folder / "cover.jpg").write_bytes(COVER)
        more |= {"api": url, "appid": "wx5f0c3a1b2d4e6f70", "cover": folder / "cover.jpg"}
    elif kind == "weibo":
        more |= {"address": url, "app_key": "1352222456", "safe_domain": "127.0.0.1", "rip": "39.130.1.1"}
    elif kind == "mas":
        more |= {"ec_name": "腾冲市人民政府办公室", "ap_id": "tczfb", "sign": "wHwvfNuH5"}
    elif kind == "aliyun":
        more |= {"template": "SMS_100001", "params": "title=text"}
    elif kind == "onbon":
        more |= {"host": "127.0.0.1", "port": way, "separator": SEPARATOR, "width": 256, "height": 32, "area": AREA, "most": 50,
                 "most_bytes": 60000, "show_days": 3650}
    elif kind == "mqtt":
        more |= {"host": "127.0.0.1", "port": way, "groups": ", ".join(GROUPS), "most": 1000, "show_days": 3650}
    # What the catalogue does not ask for: only documents that name the channel go there.
    return {"driver": kind, "carrier": "政府公报", **more}


# -- faults: what is said to a simulator, by the name that the journal has for it

SHARED = {
    "lost": {"how": "lost"}, "half": {"how": "half"}, "reset": {"how": "reset"}, "hang": {"how": "hang"}, "late": {"how": "late", "seconds": 1.4},
    "502-done": {"status": 502, "effect": True}, "502": {"status": 502}, "503": {"status": 503},
}
TROUBLES = {
    "wechat": SHARED | {"later": {"how": "later", "seconds": 2.5}, "busy": {"error": -1}, "busy-done": {"error": -1, "effect": True},
                        "minute": {"error": 45011}},
    "weibo": SHARED | {"later": {"how": "later", "seconds": 2.5}, "busy": {"error": 10009}, "broke-done": {"error": 10001, "effect": True},
                       "broke": {"error": 10001}, "hour": {"error": 10024}},
    "mas": SHARED,
    "aliyun": SHARED | {"later": {"how": "later", "seconds": 2.5}, "busy": {"error": "Throttling.User"},
                        "system-done": {"error": "isp.SYSTEM_ERROR", "effect": True}, "system": {"error": "isp.GATEWAY_ERROR"}},
    "onbon": {"lost": {"how": "lost"}, "half": {"how": "half"}, "reset": {"how": "reset"}, "hang": {"how": "hang"},
              "late": {"how": "late", "seconds": 1.4}, "bad-crc": {"how": "bad-crc"}, "noise": {"how": "noise"}, "busy": {"error": 3},
              "crc": {"error": 5}},
}
# Where half of the troubles are aimed; the others meet whatever comes.
AIMS = {
    "wechat": ("/cgi-bin/draft/add", "/cgi-bin/freepublish/submit", "/cgi-bin/freepublish/get", "/cgi-bin/freepublish/delete"),
    "weibo": ("/2/statuses/share.json", "/2/statuses/destroy.json"),
    "mas": ("/sms/norsubmit",), "aliyun": ("SendSms",), "onbon": ("A306",),
}
WAYS = ("cut", "away", "half", "stall", "delay", "drip")


def catalogue(troupe):
    """As that of faults.py, of the carriers."""
    rows = []
    for name, (kind, _, _) in troupe.carriers.items():
        rows += [(1, way, f"to-{name}", ()) for way in WAYS]
        rows += [(1, "trouble", name, (word,)) for word in TROUBLES.get(kind, ())]
        rows += {"wechat": [(4, "token", name, ())], "weibo": [(2, "slow", name, ())], "onbon": [(3, "dark", name, ())],
                 "mqtt": [(4, "broker_kill", name, ()), (3, "broker_stop", name, ())]}.get(kind, [])
    return rows


class CarrierFaults:
    """Of Faults: what is done at the carriers' own end."""

    def trouble(self, name, chance, word):
        kind, line = self.troupe.carriers[name][0], self.troupe.stage
        aim = chance.choice(AIMS[kind]) if chance.random() < 0.5 else "*"
        line.ask(name=name, do="trouble", endpoint=aim, times=chance.choice((1, 1, 2, 4)), skip=chance.choice((0, 0, 1)), **TROUBLES[kind][word])
        self.sleep(chance.uniform(1.5, 4))
        hit = line.ask(name=name, do="calm")["hit"]
        return {"hit": hit, "at": aim} if hit else None

    def token(self, name, chance):
        """Somebody else has asked for a token by force: ours is none any more."""
        before = self.troupe.stage.ask(name=name, do="token").get("before")
        self.sleep(chance.uniform(1, 3))
        made = self.troupe.stage.ask(name=name, do="calm")["tokens"]
        return {"hit": made - before} if before is not None and made > before else None

    def slow(self, name, chance):
        self.troupe.stage.ask(name=name, do="slow", seconds=chance.uniform(0.5, 3))
        before = self.troupe.stage.ask(name=name, do="show")
        self.sleep(chance.uniform(1.5, 3))
        after = self.troupe.stage.ask(name=name, do="show")
        self.troupe.stage.ask(name=name, do="calm")
        hit = len(after["shown"]) - len(before["shown"])
        return {"hit": hit} if hit else None

    def dark(self, name, chance):
        """A board loses its power, and what it showed with it."""
        hit = self.troupe.stage.ask(name=name, do="dark")["hit"]
        return {"hit": hit} if hit else None

    def broker_kill(self, name, chance):
        n, kept = self.troupe.n_leased_of(name), chance.random() < 0.5
        with self.troupe.broker_lock:
            self.troupe.break_broker(kept)
            self.sleep(chance.uniform(0.1, 1.5))
            self.troupe.broker.start()
        return {"under_way": n, "kept": kept}

    def broker_stop(self, name, chance):
        """Only when something is under way there."""
        end = time.monotonic() + 3
        while not (n := self.troupe.n_leased_of(name)) and time.monotonic() < end:
            self.sleep(0.01)
        if not n:
            return None
        with self.troupe.broker_lock:
            self.troupe.broker.freeze()
            self.sleep(chance.uniform(0.5, 4))
            self.troupe.broker.thaw()
        return {"under_way": n}
