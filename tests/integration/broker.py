"""The real mosquitto on a port of its own, a pair of eyes on what it retains, and certificates."""
import json
import os
import signal
import socket
import subprocess
import threading

from county import free_port, wait_until

MOSQUITTO = "/usr/sbin/mosquitto"


class Broker:
    """More lines of mosquitto.conf as `more`; `keeps`: what is retained outlasts a kill, all of it with `each`,
    or but for the last second."""

    def __init__(self, folder, more="", keeps=False, port=None, each=True):
        self.folder, self.port = folder, port or free_port()
        self.process, self.eyes = None, []
        folder.mkdir(exist_ok=True)
        self.conf = folder / "mosquitto.conf"
        self.conf.write_text(f"user root\nlistener {self.port} 127.0.0.1\n{more or 'allow_anonymous true'}\n"
                             f"persistence {str(keeps).lower()}\npersistence_location {folder}/\nautosave_interval 1\n"
                             f"autosave_on_changes {str(each).lower()}\n")

    def start(self):
        with open(self.folder / "mosquitto.log", "ab") as log:
            self.process = subprocess.Popen([MOSQUITTO, "-c", str(self.conf)], stdout=log, stderr=log)
        wait_until(self.answers, 10, "the broker is up")
        return self

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self, with_signal=signal.SIGTERM):
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(with_signal)
        self.process.wait(10)

    def log(self):
        return (self.folder / "mosquitto.log").read_text(errors="replace")

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def look(self, *login):
        """A new pair of eyes: it begins with what is retained now."""
        eyes = Eyes(self.port, login)
        self.eyes.append(eyes)
        return eyes

    def retained(self):
        """All of it: topic -> payload."""
        end = "gongkai/that-is-all/playlist"
        eyes = self.look()
        self.say(end, "{}")  # comes behind what was retained before
        wait_until(lambda: eyes.get(end) is not None, 20, "the broker tells what it retains")
        with eyes.lock:
            return {topic: payload for topic, payload in eyes.topics.items() if topic != end}

    def say(self, topic, payload, *more):
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-q", "1", "-r", "-t", topic, "-m", payload, *more],
                       check=True, timeout=10)

    def close(self):
        for eyes in self.eyes:
            eyes.close()
        if self.process and self.process.poll() is None:
            self.stop()


class Eyes:
    def __init__(self, port, login=()):
        self.topics, self.history, self.lock = {}, [], threading.Lock()
        self.process = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", "gongkai/#", "-F", "%j", *login],
                                        stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            payload = message.get("payload") or ""
            with self.lock:
                self.history.append((message["topic"], payload))
                if payload:
                    self.topics[message["topic"]] = payload
                else:
                    self.topics.pop(message["topic"], None)

    def get(self, topic):
        with self.lock:
            payload = self.topics.get(topic)
        return payload and json.loads(payload)

    def playlist(self, group):
        """The documents of a playlist in their order, or None: there is none."""
        found = self.get(f"gongkai/{group}/playlist")
        return found and [entry["document"] for entry in found["entries"]]

    def documents(self, group):
        start = f"gongkai/{group}/documents/"
        with self.lock:
            return sorted(topic[len(start):] for topic in self.topics if topic.startswith(start))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def certificates(folder, name="localhost"):
    """ca.pem, and cert.pem with key.pem for that name."""
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=folder)
    folder.mkdir(exist_ok=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", 2, "-subj", "/CN=test CA")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "request.pem", "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "cert.pem", "-days", 2,
            "-extfile", "names")
    return folder
