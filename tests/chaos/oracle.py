"""What must hold after a storm, judged from the emitters' ack files, the log and the disk.

problems() returns a list of sentences, empty when all is well, so that a test can also show that it
finds something when there is something to be found.
"""
import collections
import hashlib
import json

from county import query

TAKEN = ("accepted", "duplicate")


def read_acks(files):
    acks = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            ack = json.loads(line)
            acks[ack["id"]] = ack
    return acks


def ask_all(county, messages, window=64, timeout=60):
    """Sends messages through one socket and returns the replies, in order."""
    door, replies, n_sent = county.door(), [], 0
    try:
        while len(replies) < len(messages):
            while n_sent < len(messages) and n_sent - len(replies) < window:
                door.send(messages[n_sent])
                n_sent += 1
            replies.append(door.receive(timeout))
    finally:
        door.close()
    return replies


def read_log(store, region="530581"):
    """(number, fields) of every record of the region's log."""
    records = []
    for _, entry in store.xrange(f"{{{region}}}:log"):
        for i, line in enumerate(entry[b"r"].decode().split("\n")):
            records.append((int(entry[b"n"]) + i, line.split("\t")))
    return records


def log_problems(records):
    found = [f"the log goes from {a[0]} to {b[0]}" for a, b in zip(records, records[1:]) if b[0] != a[0] + 1]
    if records and records[0][0] != 1:
        found.append(f"the log begins with {records[0][0]}")
    return found


def accepted_in(records):
    """Identity -> event numbers of its `accepted` records."""
    accepted = collections.defaultdict(list)
    for _, fields in records:
        if fields[0] == "accepted":
            letter_id = fields[11].rsplit(" ", 1)[-1]  # ... source id
            accepted[letter_id].append(fields[4])
    return accepted


def newest_acked(acks):
    newest = {}
    for ack in acks.values():
        if ack["status"] in TAKEN:
            rank = (ack["revision"], ack["is_withdrawal"])
            newest[ack["document"]] = max(rank, newest.get(ack["document"], (0, False)))
    return newest


def shown_problems(county, acks, channels):
    """Every acked document is shown in its newest acked revision, or withdrawn, on every channel."""
    found, newest = [], newest_acked(acks)
    sources = {ack["document"]: ack["source"] for ack in acks.values()}
    replies = ask_all(county, [query(document, source=sources[document]) for document in newest])
    for (document, (revision, withdrawn)), reply in zip(newest.items(), replies):
        if reply.get("revision") != revision:
            found.append(f"{document} was acked in revision {revision}, known is {reply}")
            continue
        states = {one["channel"]: one for one in reply["channels"]}
        for channel in channels:
            one = states.get(channel, {"state": "unknown"})
            if one["state"] != ("withdrawn" if withdrawn else "published") or one.get("revision") != revision:
                found.append(f"{document} revision {revision} on {channel}: {one}")
    return found


def identity_problems(county, acks, letters):
    """The same bytes again are a duplicate, and name the first event."""
    found = []
    again = [letter for letter in letters if acks.get(letter.id, {}).get("status") in TAKEN]
    for letter, reply in zip(again, ask_all(county, [letter.bytes for letter in again])):
        ack = acks[letter.id]
        if (reply["status"], reply.get("event")) != ("duplicate", ack["event"]):
            found.append(f"{letter.id} was {ack['status']} as {ack['event']}, now {reply['status']} as "
                         f"{reply.get('event')}: {reply.get('errors')}")
    return found


def attachment_problems(county, acks):
    found = []
    for ack in acks.values():
        for digest in ack["digests"] if ack["status"] in TAKEN else ():
            path = county.folder / "state" / "attachments" / digest[:2] / digest
            if not path.exists():
                found.append(f"{ack['id']}: attachment {digest} is not there")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                found.append(f"{ack['id']}: attachment {digest} has other bytes")
    stray = [path.name for path in (county.folder / "state" / "attachments").glob("*/*") if len(path.name) != 64]
    return found + [f"left lying about: {stray}"] * bool(stray)


def record_problems(records, acks):
    found, accepted = log_problems(records), accepted_in(records)
    for letter_id, events in accepted.items():
        if len(events) != 1:
            found.append(f"{letter_id} was accepted {len(events)} times: {events}")
    for ack in acks.values():
        if ack["status"] in TAKEN and accepted.get(ack["id"]) != [ack["event"]]:
            found.append(f"{ack['id']} was acked as {ack['event']}, the log has {accepted.get(ack['id'])}")
    return found


def order_problems(store, first, second):
    """Channel `second` waits for `first`: it never shows a revision that the other has not shown."""
    found, shown = [], set()
    for number, (state, document, revision, _, _, channel, *_) in read_log(store):
        if state == "published" and channel == first:
            shown.add((document, revision))
        elif state == "published" and channel == second and (document, revision) not in shown:
            found.append(f"record {number}: {document} revision {revision} on {second} before {first}")
    return found


def due_problems(store, channels):
    left = {channel: store.zrange(f"{{530581}}:due:{channel}", 0, 4) for channel in channels}
    return [f"still due on {channel}: {documents}" for channel, documents in left.items() if documents]


def problems(county, files, letters, channels=()):
    """`letters` are all that the emitters were to send; each must have been taken."""
    acks, store = read_acks(files), county.redis()
    return ([f"{letter.id} has no last word" for letter in letters if letter.id not in acks]
            + [f"{ack['id']}: {ack}" for ack in acks.values() if ack["status"] not in TAKEN]
            + shown_problems(county, acks, channels) + identity_problems(county, acks, letters)
            + attachment_problems(county, acks) + record_problems(read_log(store), acks)
            + due_problems(store, channels))


def assert_well(found):
    assert not found, f"{len(found)} problems:\n" + "\n".join(found[:30])
