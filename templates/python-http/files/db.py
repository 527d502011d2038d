"""The database: PostgreSQL, or SQLite in a file. A statement has %s for each value, which never becomes part
of its text."""

import asyncio
import contextlib
import hashlib
import logging
import pathlib
import re
import sqlite3
import threading
from typing import Any, Callable, Iterator, Sequence, TypeVar
from urllib.parse import unquote, urlsplit

from problem import Problem

log = logging.getLogger("db")

MIGRATIONS = pathlib.Path(__file__).parent / "migrations"
POOL = 10  # connections of one replica
WAIT = 5.0  # seconds for a connection
STATEMENT = 8000  # milliseconds for a statement
T = TypeVar("T")


class Tx:
    """A transaction."""

    def __init__(self, run: Callable[[str, Sequence[Any]], Any]) -> None:
        self.run = run

    def rows(self, statement: str, *values: Any) -> list[tuple]:
        return [tuple(row) for row in self.run(statement, values).fetchall()]

    def change(self, statement: str, *values: Any) -> int:
        """Returns how many rows it changed."""
        return self.run(statement, values).rowcount


class Database:
    """Runs transactions, each in a thread of its own: the loop goes on meanwhile."""

    def __init__(self, begin: Callable[[], Any], away: tuple[type[Exception], ...], close: Callable[[], None]) -> None:
        self.begin, self.away, self.end = begin, away, close

    async def tx(self, work: Callable[[Tx], T]) -> T:
        """Commits what work does, or nothing of it where it raises."""
        def run() -> T:
            with self.begin() as t:
                return work(t)
        try:
            return await asyncio.to_thread(run)
        except self.away as e:
            raise Problem(503, "unavailable", "the database is away") from e

    async def ready(self) -> None:
        await self.tx(lambda t: t.rows("SELECT 1"))

    async def close(self) -> None:
        await asyncio.to_thread(self.end)


async def connect(url: str) -> Database:
    """Connects, and brings the tables up to date. Replicas that start together do it one after the other."""
    scheme = urlsplit(url).scheme
    if scheme in ("postgres", "postgresql"):
        d, lock = await asyncio.to_thread(postgres, url), True
    elif scheme == "sqlite":
        d, lock = await asyncio.to_thread(sqlite, unquote(urlsplit(url).path)), False
    else:
        raise ValueError(f"connect database: scheme {scheme!r} is neither postgres nor sqlite")
    try:
        await d.tx(lambda t: migrate(t, MIGRATIONS, lock))
    except BaseException:
        await d.close()
        raise
    return d


def postgres(url: str) -> Database:
    import psycopg  # where the database is a file, it is not needed
    from psycopg_pool import ConnectionPool, PoolTimeout

    logging.getLogger("psycopg").setLevel(logging.ERROR)
    pool = ConnectionPool(url, min_size=1, max_size=POOL, timeout=WAIT, open=True, kwargs={
        "connect_timeout": int(WAIT), "options": f"-c statement_timeout={STATEMENT}"})

    @contextlib.contextmanager
    def begin() -> Iterator[Tx]:
        with pool.connection() as conn:  # commits, or rolls back
            yield Tx(lambda statement, values: conn.execute(statement, values or None))
    return Database(begin, (psycopg.OperationalError, PoolTimeout), pool.close)


def sqlite(path: str) -> Database:
    """One connection, since SQLite has one writer; other replicas wait for its lock."""
    conn = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA foreign_keys = ON")
    one = threading.Lock()

    @contextlib.contextmanager
    def begin() -> Iterator[Tx]:
        with one:
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield Tx(lambda statement, values: conn.execute(statement.replace("%s", "?") if values else statement, values))
                conn.execute("COMMIT")
            except BaseException:
                conn.execute("ROLLBACK")
                raise
    return Database(begin, (sqlite3.OperationalError,), conn.close)


def migrate(t: Tx, folder: pathlib.Path, lock: bool) -> None:
    """Runs the files that did not run yet, in the order of their names."""
    if lock:  # held until the transaction ends
        t.rows("SELECT pg_advisory_xact_lock(%s)", int.from_bytes(hashlib.sha256(b"migrations").digest()[:7]))
    t.run("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)", ())
    done = {name for name, in t.rows("SELECT name FROM migrations")}
    for file in sorted(folder.glob("*.sql")):
        if file.name in done:
            continue
        for statement in statements(file.read_text()):
            t.run(statement, ())
        t.change("INSERT INTO migrations (name) VALUES (%s)", file.name)
        log.info("database migrated", extra={"migration": file.name})


def statements(text: str) -> Iterator[str]:
    """Takes a file apart. A statement ends with ; at the end of a line, and a comment has its own line."""
    text = re.sub(r"(?m)^\s*--.*$", "", text)
    yield from (s for s in map(str.strip, re.split(r";[ \t]*(?:\n|$)", text)) if s)
