"""What the compiler and the linker were asked to harden is in the programs as they are built for counties."""
import pathlib
import platform
import re
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
RELEASE = TREE / "build" / "release"
PROGRAMS = ["gongkai-publisherd", "gongkai-channeld", "gongkai-ledgerd", "gongkai-emit", "gongkaictl", "gongkai-generator"]
LIBRARY = "libgongkai.so.1"
AMD64 = platform.machine() == "x86_64"


def said(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def weak_spots(path, program=True):
    """What is missing in one built file: empty when it is as hard as it should be."""
    header, dynamic, segments = said("readelf", "-hW", path), said("readelf", "-dW", path), said("readelf", "-lW", path)
    symbols = said("nm", "-D", path)
    weak = []
    if not re.search(r"Type:\s+DYN", header) or (program and not re.search(r"FLAGS_1.*PIE", dynamic)):
        weak.append("not position independent")
    if "GNU_RELRO" not in segments:
        weak.append("no relro")
    if not re.search(r"FLAGS_1.*NOW", dynamic):
        weak.append("symbols are bound late")
    stack = re.search(r"GNU_STACK.*", segments)
    if not stack or "E" in stack.group(0).split()[6]:
        weak.append("the stack may be executed")
    if re.search(r"LOAD.*RWE", segments):
        weak.append("memory that may be written and executed")
    if re.search(r"(RPATH|RUNPATH|TEXTREL)", dynamic):
        weak.append("a path or relocations in the text")
    if "__stack_chk_fail" not in symbols:
        weak.append("no stack protector")
    if not re.search(r"_chk(@|$)", symbols, re.M):
        weak.append("nothing is fortified")
    if re.search(r" (gets|strcpy|strcat|sprintf|system|popen)(@|$)", symbols, re.M):
        weak.append("a call that the house does not make")
    return weak


def without_cet(path):
    """Functions of ours, in the program's text, that an indirect call may reach without a landing mark."""
    text = said("objdump", "-d", "--no-show-raw-insn", "--disassemble=main", path)
    first = re.search(r"<main>:\n\s+[0-9a-f]+:\s+(\w+)", text)
    return not first or first.group(1) != "endbr64"


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_hardened(name):
    assert weak_spots(RELEASE / name) == []
    assert not AMD64 or not without_cet(RELEASE / name)


def test_large_frames_are_probed_so_that_no_stack_jumps_over_its_guard():
    if not AMD64:
        pytest.skip("the probe is known for amd64 alone")
    # How gcc writes one: orq $0x0,(%rsp); and clang: movq $0x0,(%rsp).
    assert re.search(r"(orq|movq)\s+\$0x0,\(%rsp\)", said("objdump", "-d", "--no-show-raw-insn", RELEASE / "gongkai-channeld"))


def test_the_library_shows_its_own_names_alone_and_has_a_soname():
    assert weak_spots(RELEASE / LIBRARY, program=False) == []
    assert f"soname: [{LIBRARY}]" in said("readelf", "-dW", RELEASE / LIBRARY)
    assert "NODLOPEN" not in said("readelf", "-dW", RELEASE / LIBRARY)
    shown = {line.split()[-1].split("@")[0] for line in said("nm", "-D", "--defined-only", RELEASE / LIBRARY).splitlines()} - {"GONGKAI_1"}
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
