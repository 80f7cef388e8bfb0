"""Bodies as browsers and HTTP libraries send them, taken apart strictly, and files known by their first bytes."""
import re
import urllib.parse


class BadForm(Exception):
    pass


class Part:
    def __init__(self, name, filename, kind, data):
        self.name, self.filename, self.kind, self.data = name, filename, kind, data

    def text(self):
        return self.data.decode()


def _disposition(value):
    words = dict((name.lower(), quoted.replace('\\"', '"').replace("%22", '"') if quoted else bare)
                 for name, quoted, bare in re.findall(r';\s*([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', value))
    if not value.lower().startswith("form-data") or "name" not in words:
        raise BadForm("a part without form-data and a name")
    return words


def multipart(content_type, body):
    """The parts of a multipart/form-data body (RFC 7578), in order."""
    found = re.search(r'^multipart/form-data\s*;.*?boundary=("?)([^";]{1,70})\1', content_type or "", re.I)
    if not found:
        raise BadForm("not multipart/form-data with a boundary")
    mark = b"--" + found[2].encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise BadForm("the closing boundary is missing")
    parts = []
    for piece in pieces[1:-1]:
        head, found, data = piece.lstrip(b" \t")[2:].partition(b"\r\n\r\n")
        if not found:
            raise BadForm("a part without an end of its headers")
        headers = {}
        for line in head.decode("utf-8", "surrogateescape").split("\r\n"):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        words = _disposition(headers.get("content-disposition", ""))
        parts.append(Part(words["name"], words.get("filename"), headers.get("content-type", ""), data))
    return parts


def fields(content_type, body):
    """name -> text, name -> Part of files, of either kind of form. A name that comes twice is refused."""
    kind = (content_type or "").split(";")[0].strip().lower()
    texts, files = {}, {}
    if kind == "application/x-www-form-urlencoded":
        try:
            pairs = urllib.parse.parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict")
        except (UnicodeDecodeError, ValueError) as problem:
            raise BadForm(f"not URL-encoded UTF-8: {problem}") from None
    elif kind == "multipart/form-data":
        pairs = []
        for part in multipart(content_type, body):
            if part.filename is not None:
                if part.name in files:
                    raise BadForm(f"{part.name} twice")
                files[part.name] = part
                continue
            try:
                pairs.append((part.name, part.text()))
            except UnicodeDecodeError:
                raise BadForm(f"{part.name} is not UTF-8") from None
    else:
        raise BadForm("neither a form nor multipart")
    for name, value in pairs:
        if name in texts:
            raise BadForm(f"{name} twice")
        texts[name] = value
    return texts, files


def file_type(data):
    """jpg png gif bmp mp4 mp3 amr wav wma, by the first bytes; or None."""
    for start, kind in ((b"\xff\xd8\xff", "jpg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif"),
                        (b"BM", "bmp"), (b"#!AMR", "amr"), (b"ID3", "mp3"), (b"\xff\xfb", "mp3"), (b"\xff\xf3", "mp3"),
                        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wma")):
        if data.startswith(start):
            return kind
    if data[4:8] == b"ftyp":
        return "mp4"
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    return None
