"""gongkai-generator: each file in channels.d is a service, and its sandbox has what the file names."""
import os
import pathlib
import subprocess

import pytest

PROGRAMS = pathlib.Path(os.environ.get("GONGKAI_PROGRAMS", pathlib.Path(__file__).resolve().parents[2] / "build/asan"))
WANTS = "gongkai.target.wants"


class Machine:
    def __init__(self, folder):
        self.etc, self.out = folder / "etc", folder / "out"
        (self.etc / "channels.d").mkdir(parents=True)
        self.out.mkdir()
        self.conf("[county]\nregions = 530581\n")

    def conf(self, text):
        (self.etc / "gongkai.conf").write_text(text)

    def channel(self, name, text):
        (self.etc / "channels.d" / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def secret(self, name, mode):
        (self.etc / name).write_text("secret\n")
        (self.etc / name).chmod(mode)

    def run(self):
        ran = subprocess.run([PROGRAMS / "gongkai-generator", self.out, self.out, self.out, self.etc / "gongkai.conf"],
                             capture_output=True, text=True)
        assert ran.returncode == 0 and ran.stderr == "", ran.stderr

    def wanted(self):
        folder = self.out / WANTS
        return sorted(link.name for link in folder.iterdir()) if folder.exists() else []

    def settings(self, unit):
        path = self.out / f"{unit}.service.d" / "50-gongkai-generator.conf"
        return path.read_text().splitlines()[2:] if path.exists() else []


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_each_file_is_a_service_but_what_is_switched_off_and_what_is_no_channel(machine):
    machine.channel("portal.conf", "driver = site\nroot = /var/lib/gongkai/site\n")
    machine.channel("hall.conf", "\ufeffdriver = display\r\nenabled = yes\r\n")
    machine.channel("off.conf", "driver = webhook\nenabled = no\n")
    machine.channel("portal.conf.example", "driver = site\n")
    machine.channel(".#portal.conf", "driver = site\n")
    machine.channel("Not A Name.conf", "driver = site\n")
    machine.run()
    assert machine.wanted() == ["gongkai-channeld@hall.service", "gongkai-channeld@portal.service"]
    link = machine.out / WANTS / "gongkai-channeld@portal.service"
    assert os.readlink(link).endswith("/gongkai-channeld@.service")
    assert machine.settings("gongkai-channeld@portal") == []  # StateDirectory= gives it all that


@pytest.mark.parametrize("broken", ["", "driver", "root = \n=\n[x\n", b"\xff\xfe\x00broken\x00", "enabled = maybe\n" * 20000],
                         ids=["empty", "no value", "odd", "no text", "long"])
def test_a_broken_file_holds_nothing_up_and_says_itself_what_is_wrong(machine, broken):
    machine.channel("broken.conf", broken)
    machine.channel("whole.conf", "driver = discard\n")
    machine.run()
    assert machine.wanted() == ["gongkai-channeld@broken.service", "gongkai-channeld@whole.service"]


def test_without_any_configuration_the_boot_goes_on(machine):
    for path in (machine.etc / "gongkai.conf", machine.etc / "channels.d"):
        path.unlink() if path.is_file() else path.rmdir()
    machine.run()
    assert list(machine.out.iterdir()) == []


@pytest.mark.parametrize("root, settings", [
    ("/srv/www/gongkai", ['ReadWritePaths="-/srv/www/gongkai"']),
    ("/srv/100% 公开/\"a\\b", ['ReadWritePaths="-/srv/100%% 公开/\\"a\\\\b"']),
    ("/home/www/html", ["ProtectHome=tmpfs", 'BindPaths="-/home/www/html"']),
    ("/homepage", ['ReadWritePaths="-/homepage"']),
    ("/var/lib/gongkai/other", []),
    ("site", []),
])
def test_a_channel_may_write_the_folder_that_its_file_names(machine, root, settings):
    machine.channel("portal.conf", f"driver = site\nroot = {root}\n")
    machine.run()
    assert machine.settings("gongkai-channeld@portal") == settings


def test_a_secret_is_handed_over_where_the_service_may_not_read_it(machine):
    for name, secret in (("own", "own.key"), ("group", "group.key"), ("store", "wechat"), ("path", "/etc/x.key"), ("odd", "../x y:z")):
        machine.channel(f"{name}.conf", f"driver = webhook\nsecret_file = {secret}\n")
    machine.secret("own.key", 0o600)
    machine.secret("group.key", 0o640)
    machine.run()
    assert machine.settings("gongkai-channeld@own") == [f"LoadCredential=own.key:{machine.etc}/own.key"]
    assert machine.settings("gongkai-channeld@group") == []  # read directly: a reload sees a new one
    assert machine.settings("gongkai-channeld@store") == ["LoadCredential=wechat"]
    assert machine.settings("gongkai-channeld@path") == machine.settings("gongkai-channeld@odd") == []


def test_another_data_folder_and_the_key_of_the_door_reach_every_unit_that_needs_them(machine):
    machine.conf("[county]\nregions = 530581\n[paths]\nstate = /data/gongkai\n[curve]\nsecret_file = curve.key\n")
    machine.secret("curve.key", 0o400)
    machine.run()
    data, key = ['ReadWritePaths="-/data/gongkai"'], [f"LoadCredential=curve.key:{machine.etc}/curve.key"]
    assert machine.settings("gongkai-publisherd") == machine.settings("gongkai-ledgerd") == data + key
    assert machine.settings("gongkai-channeld@") == machine.settings("gongkai-redis") == data
