"""gongkai-emit --watch: a shared folder in, replies beside, done/ and refused/ behind."""

import json
import os
import subprocess

import pytest

from fake_door import FakeDoor, wait_until
from test_emit import door, emit, endpoint, event, program  # noqa: F401 (fixtures)


class Folder:
    """A watched folder and its watcher."""

    def __init__(self, path, endpoint):
        self.path, self.endpoint = path, endpoint
        path.mkdir(exist_ok=True)
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [program(), "--watch", str(self.path), "--timeout", "500ms"],
            env={**os.environ, "GONGKAI_DOOR": self.endpoint, "LC_ALL": "en_US.UTF-8"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: (self.path / "refused").is_dir(), what="the watcher is up")

    def stop(self):
        self.process.terminate()
        self.err = self.process.communicate(timeout=20)[1].decode()
        assert self.process.returncode == -15, self.err

    def drop(self, name, *events, encoding="utf-8"):
        """As a careful program does it: under another name, then in one stroke."""
        text = json.dumps(events[0] if len(events) == 1 else list(events), ensure_ascii=False)
        (self.path / f".{name}").write_bytes(text.encode(encoding))
        (self.path / f".{name}").rename(self.path / f"{name}.json")

    def reply(self, name, where=".", seconds=20):
        path = self.path / where / f"{name}.reply.json"
        wait_until(path.exists, seconds, f"{path.name} in {where}")
        return json.loads(path.read_text())

    def gone_to(self, where, name):
        wait_until((self.path / where / f"{name}.json").exists, what=f"{name} in {where}")
        return not (self.path / f"{name}.json").exists()


@pytest.fixture
def folder(tmp_path, endpoint):
    one = Folder(tmp_path / "share", endpoint)
    yield one
    one.stop()


def test_what_is_dropped_is_sent_answered_and_moved(door, folder):
    door.rule = lambda event, nth: "rejected" if event["id"] == "bad" else "accepted"
    door.open()
    folder.drop("低保公告", event("good"))
    folder.drop("坏公告", event("bad"))
    assert folder.gone_to("done", "低保公告") and folder.gone_to("refused", "坏公告")
    assert folder.reply("低保公告")["status"] == "accepted"
    assert folder.reply("低保公告", "done")["status"] == "accepted"
    assert folder.reply("坏公告")["status"] == "rejected"
    assert folder.reply("坏公告", "refused")["status"] == "rejected"
    assert door.published == ["good"]


def test_what_was_there_before_is_taken_too(door, endpoint, tmp_path):
    door.open()
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "early.json").write_text(json.dumps(event("early")))
    folder = Folder(tmp_path / "share", endpoint)
    assert folder.gone_to("done", "early")
    folder.stop()


def test_a_file_of_windows_in_gbk_arrives_as_utf8(door, folder):
    door.open()
    folder.drop("gbk", event("a"), encoding="gb18030")
    assert folder.gone_to("done", "gbk")
    assert json.loads(door.messages[0][1][0])["data"]["title"] == "关于公布低保名单的公告"


def test_attachments_lie_in_a_folder_of_the_same_name(door, folder):
    door.open()
    (folder.path / "a.files").mkdir()
    (folder.path / "a.files" / "名单.pdf").write_bytes(b"%PDF" * 1000)
    (folder.path / "a.files" / ".DS_Store").write_bytes(b"x")
    folder.drop("a", event("a"))
    assert folder.gone_to("done", "a")
    wait_until((folder.path / "done" / "a.files" / "名单.pdf").exists)
    assert not (folder.path / "a.files").exists()
    text, frame = door.messages[0][1]
    (entry,) = json.loads(text)["data"]["attachments"]
    assert (entry["name"], entry["size"]) == ("名单.pdf", 4000) and frame == b"%PDF" * 1000


def test_an_attachment_that_is_named_is_waited_for(door, folder):
    door.open()
    folder.drop("a", event("a", attachments=[{"name": "late.txt"}]))
    folder.drop("b", event("b"))
    assert folder.gone_to("done", "b")
    assert (folder.path / "a.json").exists()
    (folder.path / "a.files").mkdir()
    (folder.path / "a.files" / "late.txt").write_text("late")
    assert folder.gone_to("done", "a")
    assert door.messages[-1][1][1] == b"late"


def test_a_file_still_being_written_is_left_alone_until_it_is_whole(door, folder):
    door.open()
    text = json.dumps(event("slow")).encode()
    with open(folder.path / "slow.json", "wb") as file:
        file.write(text[:20])
        file.flush()
        for name in ("one", "two"):  # each takes a second to settle: slow.json looks quiet then
            (folder.path / f"{name}.files").mkdir()
            folder.drop(name, event(name))
            assert folder.gone_to("done", name)
        assert (folder.path / "slow.json").exists()
        file.write(text[20:])
    assert folder.gone_to("done", "slow")
    assert sorted(door.published) == ["one", "slow", "two"]


def test_nonsense_is_refused_in_the_door_s_form(door, folder):
    door.open()
    for name, content, code in (
            ("text", b"hello", "json"), ("bytes", b"\xff\xff\xff", "encoding"),
            ("blank", b"  \n", "required")):
        (folder.path / f"{name}.json").write_bytes(content)
        assert folder.gone_to("refused", name)
        reply = folder.reply(name)
        assert (reply["status"], reply["errors"][0]["code"]) == ("rejected", code)
        assert reply["errors"][0]["message"]
    assert door.messages == []


def test_links_are_not_followed(door, folder, tmp_path):
    door.open()
    (tmp_path / "secret.json").write_text(json.dumps(event("secret")))
    (folder.path / "link.json").symlink_to(tmp_path / "secret.json")
    assert folder.gone_to("refused", "link")
    (folder.path / "a.files").mkdir()
    (folder.path / "a.files" / "x.txt").symlink_to(tmp_path / "secret.json")
    folder.drop("a", event("a"))
    assert folder.gone_to("refused", "a")
    (folder.path / "b.files").symlink_to(tmp_path)
    folder.drop("b", event("b"))
    assert folder.gone_to("refused", "b")
    assert door.messages == []
    assert (tmp_path / "secret.json").exists()


def test_the_same_name_again_keeps_both(door, folder):
    door.open()
    folder.drop("daily", event("d-1"))
    assert folder.gone_to("done", "daily")
    folder.drop("daily", event("d-2"))
    wait_until((folder.path / "done" / "daily~2.json").exists)
    assert json.loads((folder.path / "done" / "daily.json").read_text())["id"] == "d-1"
    assert json.loads((folder.path / "done" / "daily~2.json").read_text())["id"] == "d-2"
    assert folder.reply("daily~2", "done")["id"] == "d-2"
    wait_until(lambda: folder.reply("daily")["id"] == "d-2")


def test_several_events_of_one_file_have_one_flat_reply(door, folder):
    door.open()
    folder.drop("many", *[event(f"e-{i}") for i in range(300)])
    assert folder.gone_to("done", "many")
    assert [one["id"] for one in folder.reply("many")] == [f"e-{i}" for i in range(300)]


def test_files_wait_for_the_door_and_survive_the_watcher(door, endpoint, tmp_path):
    folder = Folder(tmp_path / "share", endpoint)
    folder.drop("a", event("a"))
    folder.drop("b", event("b"))
    folder.stop()
    assert (folder.path / "a.json").exists() and (folder.path / "b.json").exists()
    door.rule = lambda event, nth: "drop" if event["id"] == "a" and nth == 1 else "accepted"
    door.open()
    folder.start()
    wait_until(lambda: door.seen, what="one was sent")
    folder.process.kill()
    folder.process.communicate()
    folder.start()
    assert folder.gone_to("done", "a") and folder.gone_to("done", "b")
    assert sorted(door.published) == ["a", "b"]
    folder.stop()


def test_a_folder_that_is_none_is_exit_66(endpoint, tmp_path):
    run = emit(endpoint, "--watch", tmp_path / "nowhere")
    assert run.code == 66 and "cannot watch" in run.err
