"""Attachments: frames behind the event, matched by digest, stored once, and never half."""
import hashlib
import os
import shutil

import pytest

from county import attachment, publish, query
from knock import County

ONE, TWO, THREE = b"%PDF-1.7 one", "附件二的内容".encode(), bytes(range(256)) * 5000


@pytest.fixture(scope="module")
def town():
    one = County()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    yield one
    one.close()


def stored(town, content):
    """The file that holds the content; there is at most one with its name."""
    digest = hashlib.sha256(content).hexdigest()
    found = [path for path in (town.folder / "state" / "attachments").rglob("*") if path.name == digest]
    assert len(found) <= 1
    return found[0] if found else None


def errors(reply):
    assert reply["status"] == "rejected", reply
    return [(e["path"], e["code"]) for e in reply["errors"]]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_frames_may_come_in_any_order(town, order):
    contents = [content + str(order).encode() for content in (ONE, TWO, THREE)]
    event = publish(f"order-{order}", attachments=[attachment(f"{i}.bin", c) for i, c in enumerate(contents)])
    assert town.ask(event, [contents[i] for i in order])["status"] == "accepted"
    for content in contents:
        assert stored(town, content).read_bytes() == content


def test_a_missing_frame_is_named_and_nothing_is_taken(town):
    event = publish("missing-1", attachments=[attachment("有.txt", b"here"), attachment("无.txt", b"not here")])
    reply = town.ask(event, [b"here"])
    assert errors(reply) == [("/data/attachments/1", "attachment_missing")]
    assert "无.txt" in reply["errors"][0]["message"] and hashlib.sha256(b"not here").hexdigest() in reply["errors"][0]["message"]
    assert town.ask(query("missing-1"))["revision"] is None
    assert stored(town, b"here") is None
    assert town.ask(event, [b"not here", b"here"])["status"] == "accepted", "the same id, mended"


def test_a_frame_of_other_content_is_no_attachment(town):
    event = publish("other-1", attachments=[attachment("a.txt", b"what was meant")])
    assert errors(town.ask(event, [b"what was sent"])) == [("/data/attachments/0", "attachment_missing")]
    assert stored(town, b"what was sent") is None


def test_a_wrong_size_is_told_from_a_wrong_digest(town):
    event = publish("size-1", attachments=[{**attachment("a.txt", b"ten bytes."), "size": 11}])
    reply = town.ask(event, [b"ten bytes."])
    assert errors(reply) == [("/data/attachments/0/size", "digest")] and "10" in reply["errors"][0]["message"]


def test_what_is_known_already_need_not_come_again(town):
    assert town.ask(publish("known-1", attachments=[attachment("a.txt", b"known")]), [b"known"])["status"] == "accepted"
    before = stored(town, b"known").stat()
    assert town.ask(publish("known-2", attachments=[attachment("b.txt", b"known")]))["status"] == "accepted"
    assert town.ask(publish("known-3", attachments=[attachment("c.txt", b"known")]), [b"known"])["status"] == "accepted"
    assert stored(town, b"known").stat().st_ino == before.st_ino, "it is stored once"
    wrong = publish("known-4", attachments=[{**attachment("a.txt", b"known"), "size": 4}])
    assert errors(town.ask(wrong)) == [("/data/attachments/0", "attachment_missing")]


def test_two_names_of_one_content_need_one_frame(town):
    event = publish("twice-1", attachments=[attachment("a.txt", b"same"), attachment("b.txt", b"same")])
    assert town.ask(event, [b"same"])["status"] == "accepted"


def test_an_upper_case_digest_is_the_same(town):
    one = attachment("a.txt", b"upper")
    assert town.ask(publish("upper-1", attachments=[{**one, "sha256": one["sha256"].upper()}]), [b"upper"])["status"] == "accepted"
    assert stored(town, b"upper")


def test_the_events_of_an_array_share_the_frames(town):
    events = [publish(f"array-{i}", attachments=[attachment("a.txt", c)]) for i, c in enumerate((b"x1", b"x2", b"x3"))]
    reply = town.ask(events, [b"x3", b"x1"])
    assert [r["status"] for r in reply] == ["accepted", "rejected", "accepted"]


def test_frames_that_nobody_asked_for_are_not_kept(town):
    assert town.ask(publish("extra-1"), [b"nobody asked"])["status"] == "accepted"
    assert stored(town, b"nobody asked") is None


def test_an_empty_attachment_is_one(town):
    assert town.ask(publish("empty-1", attachments=[attachment("a.txt", b"")]), [b""])["status"] == "accepted"
    assert stored(town, b"").stat().st_size == 0


def test_a_dry_run_looks_for_the_frames_and_stores_none(town):
    event = publish("dry-1", attachments=[attachment("a.txt", b"dry")], attributes={"gkdryrun": True})
    assert errors(town.ask(event)) == [("/data/attachments/0", "attachment_missing")]
    assert town.ask(event, [b"dry"])["status"] == "accepted"
    assert stored(town, b"dry") is None


def test_64_frames_are_taken_and_65_are_not(town):
    contents = [f"frame {i}".encode() for i in range(65)]
    event = publish("many-1", attachments=[attachment(f"{i}.txt", c) for i, c in enumerate(contents[:64])])
    reply = town.ask(event, contents)
    assert errors(reply) == [("", "too_large")]
    assert town.ask(event, contents[:64])["status"] == "accepted"


def test_a_name_that_leaves_the_folder_is_no_name(town):
    for name in ("../../etc/passwd", "..", "a/b", "a\\b", ".", "a\u0000b", "a\u202eb"):
        event = publish("path-1", attachments=[{**attachment("x", b"p"), "name": name}])
        reply = town.ask(event, [b"p"])
        assert reply["status"] == "rejected", name
    assert not list(town.folder.rglob("passwd"))


def test_a_digest_cannot_point_elsewhere(town):
    for digest in ("../" * 21 + "a", "/" * 64, "0" * 63, "g" * 64, "0" * 65):
        event = publish("digest-1", attachments=[{**attachment("x", b"p"), "sha256": digest}])
        assert errors(town.ask(event, [b"p"])) == [("/data/attachments/0/sha256", "format")]


def test_a_stored_file_that_was_cut_short_is_written_again(town):
    event = publish("cut-1", attachments=[attachment("a.txt", b"whole")])
    town.ask(event, [b"whole"])
    os.truncate(stored(town, b"whole"), 2)
    again = publish("cut-2", attachments=[attachment("a.txt", b"whole")])
    assert errors(town.ask(again)) == [("/data/attachments/0", "attachment_missing")]
    assert town.ask(again, [b"whole"])["status"] == "accepted"
    assert stored(town, b"whole").read_bytes() == b"whole"


def test_a_store_that_cannot_be_written_makes_the_door_busy(county):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    folder = one.folder / "state" / "attachments"
    shutil.rmtree(folder)
    folder.write_text("in the way")
    event = publish("full-1", attachments=[attachment("a.txt", b"kept")])
    reply = one.ask(event, [b"kept"])
    assert (reply["status"], reply["id"]) == ("busy", event["id"])
    assert one.ask(query("full-1"))["revision"] is None, "no event without its attachments"
    folder.unlink()
    folder.mkdir()
    assert one.ask(event, [b"kept"])["status"] == "accepted"
