"""The platform's pushes to a developer's address: plain or AES, signed, and tried three times.

The formats are those of npm wechat-crypto 0.0.2 and co-wechat 2.4.0, and WxJava's WxCryptUtil.java (9eba04d).
"""
import base64
import ctypes
import hashlib
import hmac
import os
import queue
import struct
import threading
import time
import urllib.error
import urllib.parse
import urllib.request


def signature(*words):
    """sha1, in hex, of the sorted words joined (co-wechat, WxCryptUtil)."""
    return hashlib.sha1("".join(sorted(words)).encode()).hexdigest()


def _libcrypto():
    """OpenSSL's own: Python's hashlib stands on it, so it is there."""
    lib = ctypes.CDLL("libcrypto.so.3")
    lib.EVP_CIPHER_CTX_new.restype = lib.EVP_aes_256_cbc.restype = ctypes.c_void_p
    lib.EVP_CIPHER_CTX_free.argtypes = [ctypes.c_void_p]
    lib.EVP_CIPHER_CTX_set_padding.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.EVP_CipherInit_ex.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]
    lib.EVP_CipherUpdate.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int), ctypes.c_char_p, ctypes.c_int]
    return lib


def aes_cbc(key, iv, data, encrypt):
    """AES-256-CBC of whole blocks, without padding."""
    assert len(key) == 32 and len(iv) == 16 and len(data) % 16 == 0
    lib = _libcrypto()
    context = lib.EVP_CIPHER_CTX_new()
    out, n = ctypes.create_string_buffer(len(data) + 32), ctypes.c_int()
    try:
        if not (lib.EVP_CipherInit_ex(context, lib.EVP_aes_256_cbc(), None, key, iv, int(encrypt))
                and lib.EVP_CIPHER_CTX_set_padding(context, 0)
                and lib.EVP_CipherUpdate(context, out, ctypes.byref(n), data, len(data))):
            raise ValueError("libcrypto refused")
    finally:
        lib.EVP_CIPHER_CTX_free(context)
    return out.raw[:n.value]


def aes_key(encoding_aes_key):
    """WxCryptUtil: base64 of the 43 characters and "=" is the key; its first 16 bytes are the IV."""
    key = base64.b64decode(encoding_aes_key + "=")
    if len(encoding_aes_key) != 43 or len(key) != 32:
        raise ValueError("an EncodingAESKey has 43 characters")
    return key


def encrypt(encoding_aes_key, app_id, text, random=None):
    """WxCryptUtil: 16 random bytes, the length in 4 bytes of network order, the text, the app's id; PKCS#7 with blocks of 32."""
    key, raw = aes_key(encoding_aes_key), text.encode()
    plain = (random or os.urandom(16)) + struct.pack(">I", len(raw)) + raw + app_id.encode()
    n = 32 - len(plain) % 32
    return base64.b64encode(aes_cbc(key, key[:16], plain + bytes([n]) * n, True)).decode()


def decrypt(encoding_aes_key, app_id, text):
    key = aes_key(encoding_aes_key)
    plain = aes_cbc(key, key[:16], base64.b64decode(text), False)
    if not 1 <= plain[-1] <= 32 or plain[-plain[-1]:] != plain[-1:] * plain[-1]:
        raise ValueError("bad padding")
    plain = plain[:-plain[-1]]
    n, = struct.unpack(">I", plain[16:20])
    if not hmac.compare_digest(plain[20 + n:], app_id.encode()):
        raise ValueError("another app's")
    return plain[20:20 + n].decode()


def element(name, value):
    """A number stands bare, a text in CDATA, a list repeats the element, a dict has children: as the platform's samples."""
    if isinstance(value, list):
        return "".join(element(name, each) for each in value)
    if isinstance(value, dict):
        inner = "\n" + "".join(element(k, v) for k, v in value.items())
    else:
        inner = str(value) if isinstance(value, int) else f"<![CDATA[{value}]]>"
    return f"<{name}>{inner}</{name}>\n"


class Pusher:
    """Sends what put() was given, one after the other, and writes down each try in `tries`."""

    TRIES, SECONDS = 3, 5.0  # no page found: an answer within 5 s, else 3 tries in all

    def __init__(self, account):
        self.account, self.lock = account, account.lock
        self.url = self.token = self.key = None
        self.verified, self.tries, self.seconds = False, [], self.SECONDS
        self.waiting = queue.Queue()

    def start(self):
        threading.Thread(target=self.work, daemon=True).start()

    def stop(self):
        self.waiting.put(None)

    def point(self, url, token, key=None):
        if key:
            aes_key(key)
        self.url, self.token, self.key, self.verified = url, token, key, False

    def put(self, fields):
        """An event's fields; ToUserName, FromUserName and CreateTime are put before them."""
        if self.url:
            head = {"ToUserName": self.account.original_id, "FromUserName": self.account.operator, "CreateTime": int(self.account.clock.now())}
            self.waiting.put({**head, "MsgType": "event", **fields})

    def work(self):
        while (fields := self.waiting.get()) is not None:
            for n in range(1, self.TRIES + 1):
                outcome = self.once(fields)
                with self.lock:
                    self.tries.append({"event": fields["Event"], "fields": fields, "n": n, "outcome": outcome, "time": self.account.clock.now()})
                    self.lock.notify_all()
                if outcome == "taken":
                    break

    def query(self):
        # The stamp is of the real clock: a receiver that has a window looks at its own.
        stamp, nonce = str(int(time.time())), str(int.from_bytes(os.urandom(4), "big"))
        return {"signature": signature(self.token, stamp, nonce), "timestamp": stamp, "nonce": nonce}

    def verify(self):
        """co-wechat: GET with echostr, answered verbatim. Until then nothing is pushed to the address."""
        echo = str(int.from_bytes(os.urandom(8), "big"))
        status, body = self.ask(urllib.request.Request(self.url + self.join() + urllib.parse.urlencode({**self.query(), "echostr": echo})))
        self.verified = status == 200 and body == echo.encode()
        return self.verified

    def once(self, fields):
        if not self.verified and not self.verify():
            return "address not verified"
        query = {**self.query(), "openid": self.account.operator}
        body = element("xml", fields)
        if self.key:
            sealed = encrypt(self.key, self.account.appid, body)
            query |= {"encrypt_type": "aes", "msg_signature": signature(self.token, query["timestamp"], query["nonce"], sealed)}
            body = element("xml", {"ToUserName": self.account.original_id, "Encrypt": sealed})
        status, answer = self.ask(urllib.request.Request(self.url + self.join() + urllib.parse.urlencode(query), body.encode(),
                                                         {"Content-Type": "text/xml"}))
        if status == 200 and answer in (b"success", b""):
            return "taken"
        return f"answered {status} {answer[:60]!r}" if status else "no answer"

    def join(self):
        return "&" if "?" in self.url else "?"

    def ask(self, request):
        try:
            with urllib.request.urlopen(request, timeout=self.seconds) as reply:
                return reply.status, reply.read(4096)
        except urllib.error.HTTPError as problem:
            return problem.code, problem.read(4096)
        except (OSError, ValueError):
            return 0, b""
