// Unit tests: the whole server in this process, in front of services that the test answers for.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';

import { serve } from './server.js';
import * as telemetry from './telemetry.js';

const order = { id: 'o/1', user_id: 'ada', status: 'confirmed', lines: [{ item_id: 'a', quantity: 1 }, { item_id: 'b,c', quantity: 2 }] };
const whole = {
  '/orders/o%2F1': order,
  '/items?ids=a%2Cb%2Cc': { items: [{ id: 'a' }], missing: [] },
  '/users/ada': { id: 'ada', name: 'Ada', language: 'de', channels: { email: { on: true, to: 'ada@example.org' } } },
  '/stock?ids=a%2Cb%2Cc': { levels: [{ item_id: 'a', available: 3 }] },
};

let services; // one server stands for all
let answers; // path -> body, or a function of (req, res)
let seen; // path -> headers
let bff; // with patience, as tests run on busy machines
let hasty; // with the usual deadline

before(async () => {
  process.env.LOG_LEVEL = 'error';
  await telemetry.start();
  services = createServer((req, res) => {
    seen[req.url] = req.headers;
    const answer = answers[req.url];
    if (typeof answer === 'function') return answer(req, res);
    res.writeHead(answer ? 200 : 404, { 'Content-Type': 'application/json' });
    return res.end(JSON.stringify(answer ?? { status: 404, code: 'not-found', title: 'x', detail: 'there is none' }));
  });
  await new Promise((done) => services.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${services.address().port}`;
  const all = { ORDERS_URL: url, CATALOG_URL: url, USERS_URL: url, INVENTORY_URL: url };
  bff = await serve('127.0.0.1', 0, all, 20_000);
  hasty = await serve('127.0.0.1', 0, all);
});

after(async () => {
  await bff.stop(1000);
  await hasty.stop(1000);
  services.closeAllConnections();
  services.close();
});

beforeEach(() => {
  answers = { ...whole };
  seen = {};
});

const read = async (path = '/orders/o%2F1/page', init = {}, port = bff.port) => {
  const res = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return { status: res.status, headers: res.headers, body: await res.json() };
};

const hang = () => {}; // until the caller gives up
const fail = (_, res) => res.writeHead(503).end('down');

test('a whole page has all parts, and no destinations', async () => {
  const { status, body } = await read();
  assert.equal(status, 200);
  assert.deepEqual(body, { order, items: [{ id: 'a' }], customer: { id: 'ada', name: 'Ada' },
    stock: [{ item_id: 'a', available: 3 }], degraded: [] });
});

test('a part that does not come is null, and named', async () => {
  answers['/items?ids=a%2Cb%2Cc'] = hang;
  answers['/users/ada'] = fail;
  answers['/stock?ids=a%2Cb%2Cc'] = (_, res) => res.end('no JSON');
  const { status, body } = await read(undefined, {}, hasty.port);
  assert.equal(status, 200);
  assert.deepEqual(body, { order, items: null, customer: null, stock: null, degraded: ['items', 'customer', 'stock'] });
  for (const [path, got] of Object.entries(seen)) {
    assert.ok(Number(got['x-request-timeout-ms']) <= (path.startsWith('/orders') ? 2000 : 300), path);
  }
});

test('parts are read in parallel', async () => {
  const waiting = [];
  const together = (path) => (_, res) => {
    waiting.push(() => res.end(JSON.stringify(whole[path])));
    if (waiting.length === 3) waiting.forEach((go) => go()); // one after the other they would all time out
  };
  for (const path of Object.keys(whole).slice(1)) answers[path] = together(path);
  assert.deepEqual((await read()).body.degraded, []);
});

test('what orders refuses is the answer', async () => {
  delete answers['/orders/o%2F1'];
  const { status, headers, body } = await read();
  assert.equal(status, 404);
  assert.equal(headers.get('content-type'), 'application/problem+json');
  assert.deepEqual([body.status, body.code, body.detail], [404, 'not-found', 'there is none']);
  assert.equal(seen['/users/ada'], undefined);
});

test('an order that does not come is a bad gateway', async () => {
  answers['/orders/o%2F1'] = fail;
  assert.equal((await read()).status, 502);
});

test('a deadline of the caller holds', async () => {
  answers['/orders/o%2F1'] = hang;
  const { status, body } = await read(undefined, { headers: { 'X-Request-Timeout-Ms': '50' } });
  assert.deepEqual([status, body.code], [504, 'timeout']);
  assert.ok(Number(seen['/orders/o%2F1']['x-request-timeout-ms']) <= 50);
});

test('who asks, the correlation id and the trace are handed on, nothing else', async () => {
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const { headers } = await read(undefined, { headers: { 'X-User-ID': 'ada', 'X-User-Role': 'user', 'X-Correlation-ID': 'c-1',
    traceparent: trace, Authorization: 'Bearer secret', 'API-Version': '2' } });
  assert.equal(headers.get('x-correlation-id'), 'c-1');
  assert.equal(Object.keys(seen).length, 4);
  for (const got of Object.values(seen)) {
    assert.deepEqual([got['x-user-id'], got['x-user-role'], got['x-correlation-id']], ['ada', 'user', 'c-1']);
    assert.match(got.traceparent, /4bf92f3577b34da6a3ce929d0e0e4736/);
    assert.deepEqual([got.authorization, got['api-version']], [undefined, undefined]);
  }
});

test('a service that does not run here is a missing part', async (t) => {
  const url = `http://127.0.0.1:${services.address().port}`;
  const small = await serve('127.0.0.1', 0, { ORDERS_URL: url, USERS_URL: url }, 20_000);
  t.after(() => small.stop(1000));
  const res = await fetch(`http://127.0.0.1:${small.port}/orders/o%2F1/page`);
  assert.deepEqual((await res.json()).degraded, ['items', 'stock']);
});

test('other paths, methods and bodies are problems', async () => {
  for (const [path, init, want] of [
    ['/nothing', {}, 404], ['/orders/%E0/page', {}, 400], ['/orders/a/page', { method: 'POST', body: '{}' }, 405],
    ['/orders/a/page', { method: 'PUT', body: 'x'.repeat((1 << 20) + 1) }, 413],
  ]) {
    const { status, body } = await read(path, init);
    assert.deepEqual([status, body.status], [want, want], path);
    assert.ok(body.correlation_id);
  }
});

test('health', async () => {
  assert.deepEqual([(await read('/livez')).status, (await read('/readyz')).status], [200, 200]);
});

test('a stop finishes what is in flight', async (t) => {
  const url = `http://127.0.0.1:${services.address().port}`;
  const other = await serve('127.0.0.1', 0, { ORDERS_URL: url });
  t.after(() => other.stop(100));
  let go;
  const asked = new Promise((done) => {
    answers['/orders/o%2F1'] = (_, res) => { go = () => res.end(JSON.stringify(order)); done(); };
  });
  const answer = fetch(`http://127.0.0.1:${other.port}/orders/o%2F1/page`);
  await asked;
  const stopped = other.stop(5000);
  go();
  assert.equal((await answer).status, 200);
  await stopped;
  await assert.rejects(fetch(`http://127.0.0.1:${other.port}/livez`));
});

test('a stop answers a request that is on its way, and says that the connection ends', async (t) => {
  const other = await serve('127.0.0.1', 0, {});
  t.after(() => other.stop(100));
  const socket = connect(other.port, '127.0.0.1').setEncoding('utf8');
  const ask = () => socket.write('GET /livez HTTP/1.1\r\nHost: bff\r\n\r\n');
  await once(socket, 'connect');
  ask();
  assert.match((await once(socket, 'data'))[0], /keep-alive/);
  ask(); // it is sent, and the server reads it only when this function waits
  const stopped = other.stop(5000);
  const [answer] = await once(socket, 'data');
  assert.match(answer, /^HTTP\/1.1 200[^]*Connection: close/);
  await stopped;
});
