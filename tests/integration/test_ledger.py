"""The ledger: what is accepted and what becomes of it is written down once, in order, for good."""
import json
import sqlite3

import pytest
import zmq

from county import publish, query, wait_until, withdraw


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


@pytest.fixture
def one(county):
    made = county()
    made.channel("bin", driver="discard", carrier="政府网站")
    return made


def test_every_record_of_the_log_is_a_row_of_the_ledger(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    for i in range(20):
        assert one.ask(publish(document=f"doc-{i}"))["status"] == "accepted"
    one.shown("doc-19", "bin")
    assert one.ask(withdraw(document="doc-3"))["status"] == "accepted"
    one.shown("doc-3", "bin", "withdrawn")
    caught_up(one)
    found = rows(one)
    assert [row[0] for row in found] == list(range(1, len(found) + 1))
    assert len([row for row in found if row[1] == "published"]) == 20
    assert len([row for row in found if row[1] == "accepted"]) == 21
