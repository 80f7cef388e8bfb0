"""The rows that core/store.lua takes and gives: big-endian numbers of 8 bytes, texts behind 4 bytes of length."""
import struct


def pack(*values):
    parts = []
    for value in values:
        if isinstance(value, int):
            parts.append(struct.pack(">q", value))
        else:
            text = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
            parts.append(struct.pack(">I", len(text)) + text)
    return b"".join(parts)


def unpack(kinds, row, at=0):
    """The values, "n" a number and "s" a text (as bytes), and where the next would be."""
    values = []
    for kind in kinds:
        if kind == "n":
            values.append(struct.unpack_from(">q", row, at)[0])
            at += 8
        else:
            n = struct.unpack_from(">I", row, at)[0]
            values.append(row[at + 4:at + 4 + n])
            at += 4 + n
    return values, at
