"""The pure part of each driver, render and build the request, in CPU (tests/bench/drivers.c): the channels are
those of conf/channels.d/*.example with the few values that they need."""
import pathlib
import re
import tempfile

from kit import HERE, QUICK, figure, median, rounds, run_json

GOAL = 5000

KEYS = {  # what an officer would put beside the examples
    "aliyun": "key_id = AKID\nkey_secret = secret\nhmac_key = 0123456789abcdef0123456789abcdef\n",
    "kannel": "username = gk\npassword = secret\nhmac_key = 0123456789abcdef0123456789abcdef\n",
    "mas": "secret_key = secret\nhmac_key = 0123456789abcdef0123456789abcdef\n",
    "mqtt": "secret\n",
    "wechat": "appsecret = 0123456789abcdef0123456789abcdef\n",
    "weibo": "app_secret = 0123456789abcdef\naccess_token = 2.00token\nexpires_at = 2027-06-01T00:00:00+08:00\nuid = 1234567890\n",
}
VALUES = {
    "wechat": {"cover": None, "cover_media": "MEDIA"},
    "webhook": {"after": "portal"},
}


def with_values(text, values):
    """The example with keys set, or taken out (None)."""
    for key in values:
        text = re.sub(rf"(?m)^{key} *=.*\n", "", text)
    return text + "".join(f"{key} = {value}\n" for key, value in values.items() if value is not None)


def write_county(folder):
    channels = folder / "channels.d"
    channels.mkdir()
    (folder / "gongkai.conf").write_text(
        f"[county]\nregions = 530581 腾冲市\n[paths]\ncatalogue = {HERE.parents[1] / 'conf' / 'catalogue'}\n"
        f"state = {folder}\nrun = {folder}\n")
    for example in sorted((HERE.parents[1] / "conf" / "channels.d").glob("*.conf.example")):
        text = example.read_text()
        driver = re.search(r"(?m)^driver = (\w+)", text)[1]
        values = dict(VALUES.get(driver, {}))
        if driver in KEYS:
            secret = folder / f"{driver}.key"
            secret.write_text(KEYS[driver])
            secret.chmod(0o600)
            values["secret_file"] = secret
        (channels / example.name.removesuffix(".example")).write_text(with_values(text, values))
    (channels / "bin.conf").write_text("driver = discard\ntitle = 丢弃\ncarrier = 政府网站\n")


def pure_part(programs, sink):
    documents = 1000 if QUICK else 5000
    with tempfile.TemporaryDirectory(prefix="gongkai-bench-") as folder:
        write_county(pathlib.Path(folder))
        runs = [run_json(programs / "tests" / "bench" / "drivers", pathlib.Path(folder) / "gongkai.conf", documents)
                for _ in range(rounds(1, 5))]
    for driver in runs[0]:
        figure(f"driver-{driver}", median([run[driver] for run in runs]), "documents/s", GOAL)
