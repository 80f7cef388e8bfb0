"""`make install` and `make uninstall`, and the units as systemd 252 reads them."""
import os
import pathlib
import shutil
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
UNITS = ["gongkai.target", "gongkai-redis.service", "gongkai-publisherd.service", "gongkai-ledgerd.service", "gongkai-consoled.service",
         "gongkai-channeld@portal.service"]
PROGRAMS = {f"usr/bin/{name}" for name in ("gongkai-publisherd", "gongkai-channeld", "gongkai-ledgerd", "gongkai-consoled", "gongkai-emit", "gongkaictl")}
CONFIGURATION = "etc/gongkai/"


def make(*arguments):
    # A test may run below another make, whose settings are not meant for this one.
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "SANITIZE")}
    run = subprocess.run(["make", "-C", str(TREE), *arguments], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def files(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def verify(root):
    """What systemd-analyze has to say, with stand-ins for the programs of other packages."""
    for name in ("usr/bin/redis-server", "bin/kill"):
        stand_in = root / name
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.write_text("#!/bin/sh\n")
        stand_in.chmod(0o755)
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}", *UNITS],
                         capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("installed")
    make("install", f"DESTDIR={root}", "PREFIX=/usr")
    return root


@pytest.fixture
def copy(installed, tmp_path):
    return pathlib.Path(shutil.copytree(installed, tmp_path / "root", symlinks=True))


def test_the_programs_know_where_their_configuration_was_installed(installed):
    assert PROGRAMS <= files(installed)
    run = subprocess.run([installed / "usr/bin/gongkaictl", "--help"], capture_output=True, text=True,
                         env={**os.environ, "LC_ALL": "en_US.UTF-8"})
    assert "/etc/gongkai/gongkai.conf" in run.stdout
    assert (installed / "etc/gongkai/gongkai.conf").is_file()


def test_no_place_is_left_open_in_a_unit(installed):
    for unit in (installed / "lib/systemd/system").iterdir():
        assert "@" not in unit.read_text().replace("gongkai-channeld@", ""), unit
        for line in unit.read_text().splitlines():
            if line.startswith("Documentation=file:"):
                assert (installed / line.split(":", 1)[1].lstrip("/")).is_file(), line


def test_systemd_has_nothing_to_say_about_the_units(copy):
    assert verify(copy) == (0, "")


@pytest.mark.parametrize("unit, old, new", [
    ("gongkai-publisherd.service", "WatchdogSec=20", "WatchdogSecs=20"),
    ("gongkai-publisherd.service", "/usr/bin/gongkai-publisherd", "/usr/bin/gongkai-publishers"),
    ("gongkai-channeld@.service", "Type=notify", "Type=notify-later"),
])
def test_a_slip_in_a_unit_would_be_seen(copy, unit, old, new):
    path = copy / "lib/systemd/system" / unit
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    code, said = verify(copy)
    assert code != 0 or said


def test_the_user_and_the_folders_are_made_for_the_services(copy):
    subprocess.run(["systemd-sysusers", f"--root={copy}"], check=True, capture_output=True)
    users = (copy / "etc/passwd").read_text()
    assert users.startswith("gongkai:") and "\ngongkai:" in "\n" + (copy / "etc/group").read_text()
    if os.geteuid() != 0:
        return  # only root can give folders away
    # --create looks names up in the root it works on.
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={copy}", "gongkai.conf"], check=True, capture_output=True)
    uid = int(users.split(":")[2])
    modes = {name: (copy / name).stat() for name in ("run/gongkai", "var/lib/gongkai", "var/lib/gongkai/redis",
                                                     "var/lib/gongkai/attachments")}
    assert {name: (s.st_uid, s.st_mode & 0o777) for name, s in modes.items()} == {
        "run/gongkai": (uid, 0o750), "var/lib/gongkai": (uid, 0o755), "var/lib/gongkai/redis": (uid, 0o750),
        "var/lib/gongkai/attachments": (uid, 0o750)}


def test_the_manual_names_every_setting_in_both_languages(installed):
    for page, program in (("man5", "en_US.UTF-8"), ("zh_CN/man5", "zh_CN.UTF-8")):
        manual = (installed / "usr/share/man" / page / "gongkai.conf.5").read_text()
        said = subprocess.run([installed / "usr/bin/gongkai-publisherd", "--help"], capture_output=True, text=True,
                              env={**os.environ, "LC_ALL": program}).stdout
        keys = [line.split(" = ")[0] for line in said.splitlines() if " = " in line and line[0].islower()]
        assert len(keys) >= 15
        for key in keys:
            assert f"\\fB{key}\\fR = " in manual, (page, key)


def test_installing_again_keeps_what_was_edited_and_lays_the_new_one_beside_it(copy):
    edited, same = copy / "etc/gongkai/gongkai.conf", copy / "etc/gongkai/redis.conf"
    edited.write_text("[county]\nregions = 530581\n")
    make("install", f"DESTDIR={copy}", "PREFIX=/usr")
    assert edited.read_text() == "[county]\nregions = 530581\n"
    assert (copy / "etc/gongkai/gongkai.conf.new").read_bytes() == (TREE / "conf/gongkai.conf").read_bytes()
    assert same.is_file() and not (copy / "etc/gongkai/redis.conf.new").exists()


def test_uninstalling_leaves_configuration_and_data_only(copy):
    data = copy / "var/lib/gongkai/attachments/kept"
    data.parent.mkdir(parents=True)
    data.write_text("bytes")
    own = {name for name in files(copy) if name.startswith(CONFIGURATION)}
    make("uninstall", f"DESTDIR={copy}", "PREFIX=/usr")
    assert files(copy) == own | {"var/lib/gongkai/attachments/kept"}
    assert not (copy / "usr/share/doc/gongkai").exists()


def test_below_usr_local_everything_has_its_place_too(installed, tmp_path):
    subprocess.run([TREE / "tools/install-tree", TREE / "build/release", tmp_path, "/usr/local", "/usr/local/etc",
                    "/usr/local/lib/systemd/system"], check=True, capture_output=True)
    unit = (tmp_path / "usr/local/lib/systemd/system/gongkai-publisherd.service").read_text()
    assert "ExecStart=/usr/local/bin/gongkai-publisherd --config /usr/local/etc/gongkai/gongkai.conf" in unit
    assert (tmp_path / "usr/local/lib/sysusers.d/gongkai.conf").is_file()
