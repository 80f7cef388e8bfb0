"""A certificate authority of a test's own, and servers with good and bad certificates of it."""
import contextlib
import pathlib
import socket
import ssl
import subprocess

from filehost import FileHost, good

CONF = """
[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.root = self.folder / "ca.pem"
        (self.folder / "index.txt").write_text("")
        (self.folder / "serial").write_text("01\n")
        (self.folder / "ca.conf").write_text(CONF.format(folder=self.folder))
        openssl("req", "-x509", *KEY, "-keyout", self.folder / "ca.key", "-out", self.root, "-days", 100,
                "-subj", "/CN=Test Root/O=Test Authority")
        self.hosts = []

    def certificate(self, name, alternative, begin, end, signed=True):
        """Valid from `begin` to `end` (datetime, UTC); not signed: by itself."""
        key, pem, csr = (self.folder / f"{name}.{kind}" for kind in ("key", "pem", "csr"))
        subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}"]
        if not signed:
            openssl("req", "-x509", *KEY, "-keyout", key, "-out", pem, "-days", 100, *subject)
        else:
            openssl("req", *KEY, "-keyout", key, "-out", csr, *subject)
            openssl("ca", "-batch", "-notext", "-config", self.folder / "ca.conf", "-in", csr, "-out", pem, "-startdate",
                    begin.strftime("%Y%m%d%H%M%SZ"), "-enddate", end.strftime("%Y%m%d%H%M%SZ"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        return context

    def host(self, context):
        host = FileHost(tls=context)
        host.answers["/in"] = good(b"")
        self.hosts.append(host)
        return host

    def close(self):
        for host in self.hosts:
            host.close()


@contextlib.contextmanager
def silent_port(full):
    """A port that takes connections and says nothing; or, with its queue full, does not even take them."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0 if full else 8)
    waiting = []
    for _ in range(4 if full else 0):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
        waiting.append(one)
    try:
        yield listener.getsockname()[1]
    finally:
        for one in [*waiting, listener]:
            one.close()
