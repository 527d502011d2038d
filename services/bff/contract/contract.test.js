// What bff needs of orders, catalog, users and inventory, as Pact contracts: the whole server in this process, in
// front of the mock of one of them and of a stand-in for the others.

import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { MatchersV3, PactV4 } from '@pact-foundation/pact';

import { serve } from './server.js';
import * as telemetry from './telemetry.js';

const { eachLike, integer, like, regex } = MatchersV3;
const dir = process.env.MSCTL_PACT_DIR ?? mkdtempSync(join(tmpdir(), 'pacts-')); // run by hand they go nowhere
const patience = 20_000; // ms
const names = ['orders', 'catalog', 'users', 'inventory'];
const whole = {
  '/orders/o-1': { id: 'o-1', user_id: 'ana', status: 'confirmed', lines: [{ item_id: 'mug', quantity: 2 }] },
  '/items?ids=mug': { items: [{ id: 'mug', name: 'A mug' }], missing: [] },
  '/users/ana': { id: 'ana', name: 'Ana' },
  '/stock?ids=mug': { levels: [{ item_id: 'mug', available: 5 }] },
};

let others;

before(async () => {
  process.env.LOG_LEVEL = 'error';
  await telemetry.start();
  others = createServer((req, res) => {
    res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(whole[req.url]));
  });
  await new Promise((done) => others.listen(0, '127.0.0.1', done));
});

after(() => others.close());

/** Asks bff for the page of an order, where one provider is its mock. */
async function page(provider, mock, id = 'o-1') {
  const env = Object.fromEntries(names.map((n) => [`${n.toUpperCase()}_URL`, `http://127.0.0.1:${others.address().port}`]));
  env[`${provider.toUpperCase()}_URL`] = mock.url;
  const bff = await serve('127.0.0.1', 0, env, patience);
  try {
    const res = await fetch(`http://127.0.0.1:${bff.port}/orders/${id}/page`, { headers: { 'x-user-id': 'ana', 'x-user-role': 'user' } });
    return { status: res.status, body: await res.json() };
  } finally {
    await bff.stop(1000);
  }
}

/** One interaction: what bff asks for in the name of ana, and what it needs back. */
async function contract({ provider, state, params, name, path, query, status = 200, answer, check, id }) {
  await new PactV4({ consumer: 'bff', provider, dir, logLevel: 'error' }).addInteraction()
    .given(state, params)
    .uponReceiving(name)
    .withRequest('GET', path, (b) => {
      b.headers({ Accept: 'application/json', 'X-User-ID': 'ana', 'X-User-Role': 'user' });
      if (query) b.query(query);
    })
    .willRespondWith(status, (b) => {
      b.headers({ 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' }).jsonBody(answer);
    })
    .executeTest(async (mock) => check(await page(provider, mock, id)));
}

const complete = ({ status, body }) => {
  assert.equal(status, 200);
  assert.deepEqual(body.degraded, []);
  return body;
};

test('an order', () => contract({
  provider: 'orders', state: 'an order is confirmed', params: { id: 'o-1', user: 'ana', item: 'mug', quantity: 2 },
  name: 'read an order for its page', path: '/orders/o-1',
  answer: { id: 'o-1', user_id: like('ana'), status: like('confirmed'), lines: eachLike({ item_id: like('mug'), quantity: integer(2) }) },
  check: (got) => assert.equal(complete(got).order.id, 'o-1'),
}));

test('no order', () => contract({
  provider: 'orders', state: 'no order exists', params: { id: 'none' }, name: 'read an order that there is not for its page', path: '/orders/none',
  status: 404, answer: { code: like('not-found'), detail: like('there is none') }, id: 'none',
  check: ({ status }) => assert.equal(status, 404),
}));

test('items', () => contract({
  provider: 'catalog', state: 'an item exists', params: { id: 'mug', name: 'A mug', price: 1250 },
  name: 'read the items of a page', path: '/items', query: { ids: 'mug' },
  answer: { items: eachLike({ id: like('mug'), name: like('A mug'), price: { amount: integer(1250), currency: regex('^[A-Z]{3}$', 'EUR') } }) },
  check: (got) => assert.equal(complete(got).items[0].id, 'mug'),
}));

test('a customer', () => contract({
  provider: 'users', state: 'a user exists', params: { id: 'ana', name: 'Ana' }, name: 'read the customer of a page', path: '/users/ana',
  answer: { id: 'ana', name: like('Ana') },
  check: (got) => assert.deepEqual(complete(got).customer, { id: 'ana', name: 'Ana' }),
}));

test('stock', () => contract({
  provider: 'inventory', state: 'an item is in stock', params: { id: 'mug', quantity: 5 }, name: 'read the stock of a page', path: '/stock', query: { ids: 'mug' },
  answer: { levels: eachLike({ item_id: like('mug'), available: integer(5) }) },
  check: (got) => assert.equal(complete(got).stock[0].available, 5),
}));
