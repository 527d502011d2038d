// The database: PostgreSQL, or SQLite in a file where Node brings it (22.5 and later). A statement has $1, $2
// and so on for its values, in their order, each once; a value never becomes part of its text.

import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';

import { log } from './log.js';
import { Problem } from './problem.js';

const pool = 10; // connections of one replica
const wait = 5000; // ms for a connection, or for SQLite's lock
const statementWait = 8000; // ms for one statement
const migrations = new URL('./migrations/', import.meta.url);

/**
 * Connects, and brings the tables up to date. Replicas that start together do it one after the other.
 * A database has tx(work), which commits what work does or nothing of it where it throws, ready() and close().
 * work is given run(statement, ...values), which resolves to { rows, changed }.
 */
export async function open(url) {
  const { protocol } = new URL(url);
  if (protocol !== 'postgres:' && protocol !== 'postgresql:' && protocol !== 'sqlite:') {
    throw new Error(`connect database: scheme ${protocol} is neither postgres nor sqlite`);
  }
  const db = protocol === 'sqlite:' ? await sqlite(decodeURIComponent(new URL(url).pathname)) : await postgres(url);
  try {
    await db.tx((run) => migrate(run, protocol !== 'sqlite:'));
    return db;
  } catch (err) {
    await db.close();
    throw err;
  }
}

async function postgres(url) {
  const { default: pg } = await import('pg');
  const clients = new pg.Pool({ connectionString: url, max: pool, connectionTimeoutMillis: wait, statement_timeout: statementWait,
    query_timeout: statementWait + 1000 });
  clients.on('error', (err) => log.warn('database connection lost', { err: err.message })); // an idle one
  const tx = async (work) => {
    const client = await clients.connect().catch((err) => { throw away(err); });
    let lost;
    client.on('error', (err) => { lost = err; });
    try {
      await client.query('BEGIN');
      const out = await work(async (statement, ...values) => {
        const { rows, rowCount } = await client.query(statement, values);
        return { rows, changed: rowCount };
      });
      await client.query('COMMIT');
      return out;
    } catch (err) {
      await client.query('ROLLBACK').catch((broken) => { lost = broken; });
      throw lost || !err.severity && err.code ? away(err) : err;
    } finally {
      client.removeAllListeners('error');
      client.release(lost); // one that is broken is not used again
    }
  };
  return { tx, ready: () => tx((run) => run('SELECT 1')), close: () => clients.end() };
}

/** One connection, and one transaction after the other, since SQLite has one writer. */
async function sqlite(path) {
  const { DatabaseSync } = await import('node:sqlite').catch(() => {
    throw new Error(`connect database: SQLite needs Node 22.5 or later, and this is ${process.version}; PostgreSQL does not`);
  });
  const file = new DatabaseSync(path);
  file.exec(`PRAGMA journal_mode = WAL; PRAGMA busy_timeout = ${wait}; PRAGMA foreign_keys = ON`);
  let last = Promise.resolve();
  const once = async (work) => {
    file.exec('BEGIN IMMEDIATE');
    try {
      const out = await work(async (statement, ...values) => {
        const prepared = file.prepare(statement.replace(/\$\d+/g, '?'));
        if (/^\s*SELECT/i.test(statement)) return { rows: prepared.all(...values), changed: 0 };
        return { rows: [], changed: Number(prepared.run(...values).changes) };
      });
      file.exec('COMMIT');
      return out;
    } catch (err) {
      file.exec('ROLLBACK');
      throw err;
    }
  };
  const tx = (work) => {
    const mine = last.then(() => once(work));
    last = mine.catch(() => {});
    return mine;
  };
  return { tx, ready: () => tx((run) => run('SELECT 1')), close: async () => { await last; file.close(); } };
}

const away = (err) => (err instanceof Problem ? err : Object.assign(new Problem(503, 'unavailable', 'the database is away'), { cause: err }));

/** Runs the files that did not run yet, in the order of their names. */
async function migrate(run, lock) {
  if (lock) await run('SELECT pg_advisory_xact_lock($1)', createHash('sha256').update('migrations').digest().readInt32BE()); // until the end
  await run('CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)');
  const done = (await run('SELECT name FROM migrations')).rows.map((r) => r.name);
  const names = (await readdir(migrations)).filter((name) => name.endsWith('.sql') && !done.includes(name)).sort();
  for (const name of names) {
    for (const statement of statements(await readFile(new URL(name, migrations), 'utf8'))) await run(statement);
    await run('INSERT INTO migrations (name) VALUES ($1)', name);
    log.info('database migrated', { migration: name });
  }
}

/** Takes a file apart. A statement ends with ; at the end of a line, and a comment has its own line. */
function statements(text) {
  return text.replace(/^\s*--.*$/gm, '').split(/;[ \t]*(?:\n|$)/).map((s) => s.trim()).filter((s) => s !== '');
}
