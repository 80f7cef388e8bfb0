"""`make install` and `make uninstall`, and the units as systemd 252 reads them."""
import ipaddress
import os
import pathlib
import platform
import re
import shutil
import subprocess

import pytest

from hardening import said, weak_spots, without_cet

TREE = pathlib.Path(__file__).resolve().parents[2]
UNITS = ["gongkai.target", "gongkai-redis.service", "gongkai-publisherd.service", "gongkai-ledgerd.service", "gongkai-consoled.service",
         "gongkai-channeld@portal.service", "gongkai-emit@oa.service"]
EXPOSURE = 12  # tenths: what `systemd-analyze security` may find open at most
PROGRAMS = {f"usr/bin/{name}" for name in ("gongkai-publisherd", "gongkai-channeld", "gongkai-ledgerd", "gongkai-consoled", "gongkai-emit", "gongkaictl")}
CONFIGURATION = "etc/gongkai/"
AMD64 = platform.machine() == "x86_64"


def make(*arguments):
    # A test may run below another make, whose settings are not meant for this one.
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "SANITIZE")}
    run = subprocess.run(["make", "-C", str(TREE), *arguments], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def files(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def verify(root, units=None):
    """What systemd-analyze has to say, with stand-ins for the programs of other packages."""
    for name in ("usr/bin/redis-server", "bin/sh"):
        stand_in = root / name
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.write_text("#!/bin/sh\n")
        stand_in.chmod(0o755)
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}", *(units or UNITS)],
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
        assert not re.findall("@[A-Z]+@", unit.read_text()), unit
        for line in unit.read_text().splitlines():
            if line.startswith("Documentation=file:"):
                assert (installed / line.split(":", 1)[1].lstrip("/")).is_file(), line


def exposure(unit):
    """What systemd finds open in a unit, in tenths, and what that is."""
    run = subprocess.run(["systemd-analyze", "security", "--offline=true", str(unit)], capture_output=True, text=True)
    found = re.search(r"exposure level for .*: (\d+)\.(\d)", run.stdout)
    assert found, run.stdout + run.stderr
    return int(found.group(1)) * 10 + int(found.group(2)), run.stdout


def test_no_service_is_more_open_than_it_must_be(installed):
    services = sorted((installed / "lib/systemd/system").glob("*.service"))
    assert len(services) == 6
    for service in services:
        tenths, table = exposure(service)
        assert tenths <= EXPOSURE, table


@pytest.mark.parametrize("line", ["NoNewPrivileges=yes", "ProtectSystem=strict", "User=gongkai", "SystemCallFilter=@system-service"])
def test_a_line_of_the_sandbox_that_is_lost_is_seen(copy, line):
    path = copy / "lib/systemd/system/gongkai-publisherd.service"
    assert line + "\n" in path.read_text()
    path.write_text(path.read_text().replace(line + "\n", ""))
    assert exposure(path)[0] > EXPOSURE


def test_every_service_is_started_again_for_ever_and_at_once(installed):
    for service in (installed / "lib/systemd/system").glob("*.service"):
        text = service.read_text()
        for line in ("Type=notify", "Restart=always", "RestartSec=100ms", "StartLimitIntervalSec=0", "PartOf=gongkai.target"):
            assert line + "\n" in text, (service, line)
        assert " alarm service %n\n" in text, service
        assert "redis" in service.name or "\nWatchdogSec=" in text, service


def test_the_door_fetches_from_every_address_but_link_local_ones_and_multicast(installed):
    unit = (installed / "lib/systemd/system/gongkai-publisherd.service").read_text()
    allowed = [ipaddress.ip_network(one) for line in re.findall("^IPAddressAllow=(.*)", unit, re.M) for one in line.split()]
    whole = [ipaddress.ip_network("0.0.0.0/0")]
    for closed in ("169.254.0.0/16", "224.0.0.0/3"):
        whole = [left for one in whole for left in (one.address_exclude(ipaddress.ip_network(closed))
                                                    if ipaddress.ip_network(closed).subnet_of(one) else [one])]
    assert list(ipaddress.collapse_addresses(one for one in allowed if one.version == 4)) == list(ipaddress.collapse_addresses(whole))
    assert "IPAddressDeny=any\n" in unit


def test_the_packages_are_built_with_what_the_tree_is_built_with():
    needed = {line.split()[1] for line in (TREE / "packages.txt").read_text().splitlines() if line.startswith("build ")} - {"build-essential"}
    control = (TREE / "debian" / "control").read_text()
    named = re.search(r"^Build-Depends:(.*(?:\n .*)*)", control, re.M).group(1)
    assert needed | {"debhelper-compat"} == {one.split()[0] for one in named.split(",")}
    version = re.search(r"^VERSION := (\S+)", (TREE / "Makefile").read_text(), re.M).group(1)
    assert (TREE / "debian" / "changelog").read_text().startswith(f"gongkai ({version})")
    soname = re.search(r"^SONAME := libgongkai\.so\.(\d+)", (TREE / "Makefile").read_text(), re.M).group(1)
    assert f"Package: libgongkai{soname}\n" in control


def test_no_boot_waits_for_a_service_that_cannot_start(installed):
    target = (installed / "lib/systemd/system/gongkai.target").read_text()
    assert "DefaultDependencies=no\n" in target and "\nAfter=" not in target


def test_another_redis_of_this_machine_is_one_drop_in_away(copy):
    drop_in = copy / "etc/systemd/system/gongkai-.service.d/external-redis.conf"
    drop_in.parent.mkdir(parents=True)
    shutil.copy(copy / "usr/share/doc/gongkai/examples/external-redis.conf", drop_in)
    (copy / "etc/systemd/system/gongkai-redis.service").symlink_to("/dev/null")
    run = subprocess.run(["systemd-analyze", "cat-config", f"--root={copy}", "systemd/system/gongkai-.service.d/external-redis.conf"],
                         capture_output=True, text=True)
    assert "SupplementaryGroups=redis" in run.stdout + drop_in.read_text()
    assert verify(copy, [unit for unit in UNITS if "redis" not in unit]) == (0, "")


def test_the_journal_explains_what_a_person_must_act_on(installed, tmp_path):
    for folder in ("usr/lib/systemd/catalog", "var/lib/systemd/catalog"):
        (tmp_path / folder).mkdir(parents=True)
    for name, alarm, word in (("gongkai.catalog", "警报", "处理"), ("gongkai.en.catalog", "alarm (", "mistake")):
        catalog = installed / "usr/lib/systemd/catalog" / name
        text = catalog.read_text()
        entries = text.split("\n-- ")
        assert len(entries) >= 20
        ids = [entry.removeprefix("-- ").split("\n")[0] for entry in entries]
        assert len(set(ids)) == len(ids) and all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)
        opened = next(entry for entry in entries if entry.removeprefix("-- ").startswith("e51bf1eb3203b4f8ace02d460a38936a"))
        assert alarm in opened and "@GONGKAI_ALARM@" in opened and "@GONGKAI_DO@" in opened
        assert word in text and "{" not in text
        shutil.copy(catalog, tmp_path / "usr/lib/systemd/catalog")
    # systemd reads it: a text for all, and one for readers of English.
    subprocess.run(["journalctl", "--update-catalog", f"--root={tmp_path}"], check=True, capture_output=True)
    database = (tmp_path / "var/lib/systemd/catalog/database").read_bytes()
    assert "全部没有解除的警报".encode() in database and b"All open alarms" in database


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


# -- the programs ------------------------------------------------------------------------------------------------


def test_every_program_is_hardened(installed):
    for name in sorted(PROGRAMS) + ["lib/systemd/system-generators/gongkai-generator"]:
        assert weak_spots(installed / name) == [], name
        assert not AMD64 or not without_cet(installed / name), name


def test_large_frames_are_probed_so_that_no_stack_jumps_over_its_guard(installed):
    if not AMD64:
        pytest.skip("the probe is known for amd64 alone")
    # How gcc writes one: orq $0x0,(%rsp); and clang: movq $0x0,(%rsp).
    assert re.search(r"(orq|movq)\s+\$0x0,\(%rsp\)", said("objdump", "-d", "--no-show-raw-insn", installed / "usr/bin/gongkai-channeld"))


def test_the_library_shows_its_own_names_alone_and_has_a_soname(installed):
    library = installed / "usr/lib/libgongkai.so.1"
    assert weak_spots(library, program=False) == []
    assert "soname: [libgongkai.so.1]" in said("readelf", "-dW", library)
    assert "NODLOPEN" not in said("readelf", "-dW", library)
    shown = {line.split()[-1].split("@")[0] for line in said("nm", "-D", "--defined-only", library).splitlines()} - {"GONGKAI_1"}
    declared = set(re.findall(r"\b(gongkai_[a-z_]+)\(", (TREE / "client" / "gongkai.h").read_text()))
    assert shown and shown <= declared, shown - declared
    assert {"gongkai_emitter_new", "gongkai_emit", "gongkai_spool_put"} <= shown


def test_what_is_missing_would_be_seen(tmp_path):
    source, program = tmp_path / "x.c", tmp_path / "x"
    source.write_text('#include <stdio.h>\n#include <string.h>\nint main(int n, char **v) { char b[64]; memset(b, 0, sizeof b);\n'
                      'snprintf(b, (size_t) n, "%s", v[0]); return printf("%s", b); }\n')
    hard = ["-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3", "-fstack-protector-strong", "-fPIE", "-pie", "-Wl,-z,relro,-z,now"]
    for flags, weak in (([], []), (["-no-pie", "-fno-pie"], ["not position independent"]), (["-Wl,-z,execstack"], ["the stack may be executed"]),
                        (["-Wl,-z,norelro"], ["no relro"]), (["-Wl,-z,lazy"], ["symbols are bound late"]),
                        (["-fno-stack-protector"], ["no stack protector"]), (["-U_FORTIFY_SOURCE"], ["nothing is fortified"])):
        subprocess.run(["gcc", *hard, *flags, str(source), "-o", str(program)], check=True, capture_output=True)
        assert weak_spots(program) == weak, flags
