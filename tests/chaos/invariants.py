"""What holds after any fault, once nothing is under way any more.

Each check reads evidence that was gathered once: the emitters' ack files, a dump of Redis, what the
endpoints were asked, the files. It gives a list of sentences, empty when all is well.

    I1   an acked event has its bytes, and its word on every channel it was given
    I2   nothing is due that no accepted event asked for
    I3   an endpoint that knows the key saw each delivery take effect once
    I4   one that does not saw no repeat that the log does not admit
    I5   each end has one record, each attempt one
    I6   the ledger's chain holds from its first row, receipts have no gap
    I7   no older revision after a newer one
    I8   the store's number is not behind any that was told
    I9   at rest nothing is due or held by a worker, and no key is without an owner
    I10  what was published is what was accepted
    I11  no secret in anything that is kept
    I12  the fault took effect: aim.py asserts that at each shot
"""
import collections
import contextlib
import json
import sqlite3
import subprocess

import oracle
from county import PROGRAMS

REGION = "530581"
ENDS = ("published", "withdrawn", "ended", "superseded", "dead", "refused", "dropped")
FIELDS = ("state", "document", "revision", "level", "ulid", "channel", "attempt", "code", "reference", "url",
          "sentence", "extra")
Record = collections.namedtuple("Record", ("number", *FIELDS))


def rank_of(record):
    return int(record.revision), int(record.level)


def ask_ledger(county, sql):
    path = county.folder / "state" / "ledger.db"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as ledger:
        return ledger.execute(sql).fetchall()


def read_ledger(county):
    """What ledgerd has copied; the log itself is trimmed then."""
    return [Record(row[0], *("" if field is None else str(field) for field in row[1:])) for row in ask_ledger(
        county, "SELECT n, state, document, revision, level, event, channel, attempt, code, reference, url, sentence,"
        " extra FROM entry ORDER BY seq")]


class Evidence:
    def __init__(self, county, files, letters=(), channels=(), keyed=None, unkeyed=None, secrets=()):
        """keyed, unkeyed: channel -> Sink. letters: those whose every last word must be here."""
        self.county, self.letters, self.channels = county, letters, channels
        self.keyed, self.unkeyed, self.secrets = keyed or {}, unkeyed or {}, secrets
        self.acks = oracle.read_acks(files)
        self.taken = {name: ack for name, ack in self.acks.items() if ack["status"] in oracle.TAKEN}
        store = county.redis()
        self.records = read_ledger(county) or [Record(number, *(fields + [""] * len(FIELDS))[:len(FIELDS)])
                                               for number, fields in oracle.read_log(store, REGION)]
        self.kept_bytes = dict(ask_ledger(county, "SELECT ulid, bytes FROM event WHERE bytes IS NOT NULL"))
        prefix = f"{{{REGION}}}:"
        self.keys = {key.decode().removeprefix(prefix) for key in store.scan_iter(count=1000)}
        self.meta = {k.decode(): v.decode() for k, v in store.hgetall(prefix + "meta").items()}
        self.due = {key.removeprefix("due:"): [(member.decode(), score) for member, score
                                               in store.zrange(prefix + key, 0, -1, withscores=True)]
                    for key in self.keys if key.startswith("due:")}

    def of(self, *states):
        return [record for record in self.records if record.state in states]

    def accepted(self):
        """ULID -> (source, id) of what is in the log as accepted or held."""
        return {record.ulid: tuple(record.extra.rsplit(" ", 2)[-2:]) for record in self.of("accepted", "held")}


def i1_acked_is_kept(seen):
    found = oracle.record_problems([(record.number, list(record[1:])) for record in seen.records], seen.acks)
    found += oracle.shown_problems(seen.county, seen.acks, seen.channels)
    found += oracle.attachment_problems(seen.county, seen.acks)
    for name, ack in seen.taken.items():
        if f"ev:{ack['source']} {name}" not in seen.keys:
            found.append(f"{name}: no identity key")
    newest = oracle.newest_acked(seen.acks)
    for name, ack in seen.taken.items():
        if ack["revision"] == newest[ack["document"]][0] and f"body:{ack['event']}" not in seen.keys \
                and ack["event"] not in seen.kept_bytes:
            found.append(f"{name} is the newest of {ack['document']}, and its bytes are gone")
    return found


def i2_nothing_from_nowhere(seen):
    known = {record.document for record in seen.of("accepted", "held")}
    found = [f"{document} is due on {channel}, nobody asked for it"
             for channel, members in seen.due.items() for document, _ in members if document not in known]
    found += [f"{key}: nobody asked for it" for key in seen.keys
              if key.startswith("doc:") and key[4:] not in known]
    given = {record.ulid for record in seen.of("accepted", "held")}
    return found + [f"{record} speaks of an event that was never accepted" for record in seen.records
                    if record.ulid and record.ulid not in given]


def i3_once_where_the_key_is_known(seen):
    found = []
    for channel, sink in seen.keyed.items():
        shown = collections.Counter()
        for record in seen.of("published"):
            if record.channel == channel:
                shown[record.document, record.revision] += 1
        taken = {(request.document, str(request.rank[0])) for request in sink.requests
                 if request.key in sink.keys and request.rank[1] == 0}
        found += [f"{one} is published on {channel} by the log, and the endpoint never took it"
                  for one in shown if one not in taken]
        found += [f"{key} took effect {n} times" for key, n in sink.keys.items() if n != 1]
    return found


def i4_no_repeat_unadmitted(seen):
    found = []
    for channel, sink in seen.unkeyed.items():
        doubts = [record for record in seen.of("uncertain") if record.channel == channel]
        admitted = collections.Counter((record.document, rank_of(record)) for record in doubts)
        of_document = collections.Counter(record.document for record in doubts)
        for key, n in sink.posts.items():
            request = next(request for request in sink.requests if request.key == key)
            one = request.document, request.rank
            if request.rank[1] > 0:
                # A withdrawal waits for no answer about what was sent before it: it is said again when that is over.
                if n - 1 > of_document[request.document]:
                    found.append(f"{one} was withdrawn {n} times on {channel}")
                continue
            if sink.looked and n > 1:
                found.append(f"{one} took effect {n} times on {channel}, which could have been asked")
            if n - 1 > admitted[one]:
                found.append(f"{one} took effect {n} times on {channel}, the log admits {admitted[one]} doubts")
    return found


def i5_one_record_each(seen):
    ends = collections.Counter((record.state, record.document, record.revision, record.level, record.channel)
                               for record in seen.of(*ENDS) if record.channel in ("", *seen.channels))
    replayed = collections.Counter((record.document, record.channel) for record in seen.of("replayed"))
    # What was done in doubt is done, or looked at, once more, and that ends the same.
    doubts = collections.Counter((record.document, record.channel) for record in seen.of("uncertain"))
    found = []
    for end, n in ends.items():
        allowed = 1 + replayed[end[1], end[4]] + 2 * doubts[end[1], end[4]]
        if n > allowed:
            found.append(f"{n} times: {end}")
    return found


def i6_the_chain_holds(seen):
    if not (seen.county.folder / "state" / "ledger.db").exists():
        return []
    run = subprocess.run([PROGRAMS / "gongkaictl", "--config", seen.county.conf, "ledger", "verify"], capture_output=True,
                         text=True, check=False)
    found = [] if run.returncode == 0 else [f"ledger verify says {run.returncode}: {run.stdout}{run.stderr}"]
    receipts = [n for n, in ask_ledger(seen.county, "SELECT receipt FROM entry WHERE receipt IS NOT NULL ORDER BY seq")]
    if receipts != list(range(1, len(receipts) + 1)):
        found.append(f"receipts are numbered {receipts}")
    return found


def i7_never_older_after_newer(seen):
    found, highest = [], {}
    for record in seen.of("published", "withdrawn", "ended"):
        place = record.document, record.channel
        if rank_of(record) < highest.get(place, (0, 0)):
            found.append(f"{record} came after {highest[place]}")
        highest[place] = max(rank_of(record), highest.get(place, (0, 0)))
    for channel, sink in seen.keyed.items():
        if sink.older:
            found.append(f"{channel}: {sink.older} older ones came after a newer one")
    return found


def i8_the_number_never_falls(seen):
    found = oracle.log_problems([(record.number, None) for record in seen.records])
    n = int(seen.meta.get("n", 0))
    if seen.records and seen.records[-1].number > n:
        found.append(f"the log is at {seen.records[-1].number}, the store says {n}")
    known = seen.county.folder / "state" / "store.known"
    if known.exists():
        _, epoch, number = known.read_text().split()
        if int(number) > n or epoch != seen.meta.get("epoch"):
            found.append(f"known was {epoch} {number}, the store says {seen.meta}")
    return found


OWNERLESS = ("meta", "log", "ctl", "held", "fetch", "same:", "due:", "lease:", "gate:", "hand:", "book:",
             "screens:", "draws:", "seen:")


def i9_at_rest(seen):
    given = seen.accepted()
    names = {f"ev:{source} {name}" for source, name in given.values()}
    found = [f"still due on {channel}: {members[:3]}" for channel, members in seen.due.items() if members]
    for key in sorted(seen.keys):
        kind, _, rest = key.partition(":")
        if kind == "body" and rest not in given or kind == "ev" and key not in names:
            found.append(f"{key} belongs to nothing that was accepted")
        elif kind not in ("body", "ev", "doc") and not key.startswith(OWNERLESS):
            found.append(f"{key} is of no known kind")
    return found


def i10_published_is_accepted(seen):
    found, store = [], seen.county.redis()
    written = {letter.id: json.loads(letter.bytes) for letter in seen.letters}
    for name, event in written.items():
        ack = seen.taken.get(name)
        for kept in (store.get(f"{{{REGION}}}:body:{ack['event']}"), seen.kept_bytes.get(ack["event"])) if ack else ():
            if kept and json.loads(kept) != event:
                found.append(f"{name} is kept with other bytes")
    for channel, sink in [*seen.keyed.items(), *seen.unkeyed.items()]:
        for request in sink.requests:
            event = written.get(request.event["id"]) if request.event and "id" in request.event else None
            if event and (request.event["data"].get("title"), request.event["data"].get("body")) != \
                    (event["data"].get("title"), event["data"].get("body")):
                found.append(f"{event['id']} arrived on {channel} with another content")
    return found


def i11_no_secret_is_kept(seen):
    store, prefix = seen.county.redis(), f"{{{REGION}}}:"
    texts = {str(path): path.read_bytes() for folder in ("state", "tree", "redis") for path
             in (seen.county.folder / folder).rglob("*") if path.is_file()}
    texts |= {str(path): path.read_bytes() for path in seen.county.folder.glob("*.log")}
    texts |= {"ctl": b"".join(store.hvals(prefix + "ctl"))}
    return [f"{place} has the secret {secret}" for secret in seen.secrets for place, text in texts.items()
            if secret.encode() in text]


ALL = (i1_acked_is_kept, i2_nothing_from_nowhere, i3_once_where_the_key_is_known, i4_no_repeat_unadmitted,
       i5_one_record_each, i6_the_chain_holds,
       i7_never_older_after_newer, i8_the_number_never_falls, i9_at_rest,
       i10_published_is_accepted, i11_no_secret_is_kept)


def problems(county, files, letters, **arguments):
    """Every letter has been taken, and everything above holds."""
    seen = Evidence(county, files, letters, **arguments)
    found = [f"{letter.id} has no last word" for letter in letters if letter.id not in seen.acks]
    found += [f"{ack['id']}: {ack}" for ack in seen.acks.values() if ack["status"] not in oracle.TAKEN]
    for check in ALL:
        found += [f"{check.__name__}: {one}" for one in check(seen)]
    return found


def assert_well(*arguments, **more):
    found = problems(*arguments, **more)
    assert not found, f"{len(found)} problems:\n" + "\n".join(found[:30])


def site_problems(root, files, letters):
    """I10 for a folder of pages: the newest revision has its page, the text of an older or withdrawn one is nowhere."""
    acks, found = oracle.read_acks(files), []
    pages = {path: path.read_text() for path in root.rglob("*.html")}
    newest = oracle.newest_acked(acks)
    for letter in letters:
        ack, data = acks.get(letter.id), json.loads(letter.bytes)["data"]
        if "body" not in data or not ack or ack["status"] not in oracle.TAKEN:
            continue
        revision, withdrawn = newest[letter.document]
        shown = [str(path) for path, text in pages.items() if data["body"]["content"] in text]
        if (ack["revision"] < revision or withdrawn) and shown:
            found.append(f"{letter.id} is shown still: {shown}")
        if ack["revision"] == revision and not withdrawn and not shown:
            found.append(f"{letter.id} has no page")
    return found
