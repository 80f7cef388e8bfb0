"""What of the hardening that the compiler and the linker were asked for is in a built file."""
import re
import subprocess


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
