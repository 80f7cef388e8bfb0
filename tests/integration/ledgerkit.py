"""What the stories about the ledger share."""
import sqlite3
import subprocess

import zmq

from county import PROGRAMS, query, wait_until


def rows(county, sql="SELECT n, state, document, channel FROM entry ORDER BY seq", *arguments):
    path = county.folder / "state" / "ledger.db"
    if not path.exists():
        return []
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql, arguments).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
    finally:
        connection.close()


def n_of(county, region="530581"):
    return int(county.redis().hget(f"{{{region}}}:meta", "n") or 0)


def caught_up(county, region="530581", timeout=30):
    def there():
        found = rows(county, "SELECT n FROM position WHERE region = ?", region)
        return found and found[0][0] == n_of(county, region)
    wait_until(there, timeout, "the ledger has caught up")


def keys(county, pattern):
    return sorted(county.redis().scan_iter(match=pattern, count=1000))


def one_error(county, *arguments):
    run = subprocess.run([PROGRAMS / "gongkaictl", "--config", county.conf, *arguments], capture_output=True, text=True)
    assert run.returncode == 1
    return run.stderr


def receipts_query(after=0, source="urn:gongkai:530581:oa"):
    return {**query("x", source=source), "type": "cn.gongkai.query.receipts.v1", "data": {"after": after}}


def subscriber(county, topic=b"", keys=None, server_key=None, endpoint=None, connected_within=0):
    """A SUB socket; with `connected_within` (seconds) ledgerd has answered it."""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.LINGER, 0)
    if keys:
        socket.curve_publickey, socket.curve_secretkey = keys
        socket.curve_serverkey = server_key
    socket.setsockopt(zmq.SUBSCRIBE, topic)
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) if connected_within else None
    socket.connect(endpoint or f"ipc://{county.folder}/run/receipts")
    if monitor:
        assert monitor.poll(connected_within * 1000), "nobody answers at the receipts"
        socket.disable_monitor()
    return socket


def receive(socket, n, timeout=20):
    got = []
    wait_until(lambda: (socket.poll(20) and got.append(socket.recv_multipart())) or len(got) >= n, timeout, f"{n} receipts")
    return got
