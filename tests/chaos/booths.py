"""The range for channeld's steps at carriers that are no webhook: a fair whose stalls are accounts, boards and brokers.

Each stall has its own simulator (that of the storm, by the real clock) or its own mosquitto. After the fault everybody
must see the newest revision of every document, once.
"""
import hashlib
import json
import re

import invariants
import oracle
from broker import Broker
from carrierkit import GROUPS, PHONES, SECRETS, settings_of
from carriers import KINDS
from county import attachment, publish
from emitters import Chorus, Letter
from fair import Fair

PNG = b"\x89PNG\r\n\x1a\n"
TITLE = re.compile(r"关于 (\S+) 的第 (\d+) 次通告")
QUICK = {"wechat": {"poll": "200ms", "unclear": "300ms", "delete_reserve": "0"}, "onbon": {"refresh": "0s", "ping": "200ms"}}


def letters_of(n_documents, n_revisions):
    """Every second one brings a cover of its own."""
    letters = []
    for revision in range(1, n_revisions + 1):
        for d in range(n_documents):
            document, more, frames = f"n-{d}", {}, ()
            if d % 2:
                frames = (PNG + document.encode() * 9 + b"p" * revision,)
                more["attachments"] = [attachment("封面.png", frames[0], "image/png", role="cover")]
            event = publish(document, title=f"关于 {document} 的第 {revision} 次通告", body=f"{document}-{revision} 内容。",
                            id=f"{document}-r{revision}", source="urn:gongkai:530581:n", revision=revision, **more)
            letters.append(Letter(event["id"], document, json.dumps(event, ensure_ascii=False).encode(), frames,
                                  tuple(hashlib.sha256(frame).hexdigest() for frame in frames)))
    return letters


class Booths(Fair):
    def sink_of(self, n, shot):
        if shot.scene == "mqtt":
            return Broker(self.one.folder / f"broker-{n}", keeps=True).start()
        return KINDS[shot.scene](0).start()

    def settings(self, stall):
        kind = stall.shot.scene
        return self.common() | settings_of(stall.name, kind, self.one.folder, stall.sink.port) | QUICK.get(kind, {}) | {"carrier": "政府网站"}

    def chorus_of(self, seed):
        return Chorus(self.one, [letters_of(4, 2)], deadline=0.5)

    def look(self, stall):
        found = invariants.problems(self.one, self.chorus.files, self.chorus.letters, channels=(stall.name,),
                                    secrets=[line.split(" = ")[1] for text in SECRETS.values() for line in text.splitlines()
                                             if not line.startswith("key_id")])
        newest = {(document, revision) for document, (revision, _) in oracle.newest_acked(oracle.read_acks(self.chorus.files)).items()}
        found += getattr(self, stall.shot.scene)(stall.sink, newest)
        assert not found, f"{stall.shot}: {len(found)} problems:\n" + "\n".join(found[:30])

    @staticmethod
    def standing(one):
        return [(found[1], int(found[2])) for found in (TITLE.search(row["title"]) for row in one.seen() if not row["gone"])]

    def wechat(self, one, newest):
        there = sorted(self.standing(one))
        return [f"wanted are {sorted(newest)}, there stand {there}"] * (there != sorted(newest)) + list(one.findings) + one.broken

    onbon = wechat

    @staticmethod
    def aliyun(one, newest):
        times = {(TITLE.search(row["title"])[1], phone): 0 for row in one.seen() for phone in PHONES}
        for row in one.seen():
            times[TITLE.search(row["title"])[1], row["phone"]] += 1
        wanted = {(document, phone): 1 for document, _ in newest for phone in PHONES}
        return [f"{key} was sent {times.get(key, 0)} times" for key in wanted.keys() | times.keys() if times.get(key) != 1]

    @staticmethod
    def mqtt(broker, newest):
        eyes, found = broker.retained(), []
        for group in GROUPS:
            messages = [json.loads(text) for topic, text in eyes.items() if topic.startswith(f"gongkai/{group}/documents/")]
            entries = json.loads(eyes[f"gongkai/{group}/playlist"])["entries"]
            for what, rows in (("messages", messages), ("playlist", entries)):
                there = sorted((row["document"], row["revision"]) for row in rows)
                found += [f"{what} of {group}: wanted are {sorted(newest)}, there are {there}"] * (there != sorted(newest))
        return found

