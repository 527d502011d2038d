// The HTTP server: routes, limits, health, and a stop that finishes what is in flight.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Server } from 'node:net';

import { Caller } from './call.js';
import { log } from './log.js';
import { page } from './page.js';
import { Problem, problemOf, told } from './problem.js';
import { serving } from './telemetry.js';

const maxBody = 1 << 20; // bytes
const maxHeader = 64 << 10;
const requestWait = 10_000; // ms, at most, for one answer
const correlationForm = /^[A-Za-z0-9._:-]{1,128}$/;
const routes = [
  { path: /^\/orders\/([^/]+)\/page$/, route: '/orders/{id}/page', answer: page },
];

/** Listens, and resolves to the server: its port and how to stop it. A part of a page has partWait ms. */
export async function serve(host, port, env, partWait = 300) {
  const state = { stopping: false };
  const server = createServer({ maxHeaderSize: maxHeader, headersTimeout: 5000, requestTimeout: 15_000,
    keepAliveTimeout: 60_000 }, (req, res) => handle(req, res, { env, partWait }, state));
  await new Promise((done, refuse) => server.once('error', refuse).listen(port, host, done));
  const at = server.address();
  log.info('service listening', { listener: 'http', addr: `${at.address}:${at.port}` });
  return { port: at.port, stop: (grace) => stop(server, state, grace) };
}

/**
 * Takes no more connections, and finishes requests in flight within the grace (ms). A connection is told with
 * its next answer that it ends; server.close() itself would cut those on which a request is on its way.
 */
async function stop(server, state, grace) {
  state.stopping = true;
  const closed = new Promise((done) => Server.prototype.close.call(server, done));
  const idle = setInterval(() => server.closeIdleConnections(), 100);
  const end = setTimeout(() => server.closeAllConnections(), grace);
  await closed;
  clearInterval(idle);
  clearTimeout(end);
}

async function handle(req, res, setting, state) {
  const path = req.url.split('?')[0];
  if (req.method === 'GET' && path === '/livez') return send(res, 200, 'live');
  if (req.method === 'GET' && path === '/readyz') {
    return state.stopping ? send(res, 503, { service: 'stopping' }) : send(res, 200, 'ready');
  }
  limit(req, res);
  const given = req.headers['x-correlation-id'] ?? '';
  const id = correlationForm.test(given) ? given : randomUUID();
  res.setHeader('X-Correlation-ID', id);
  const found = routes.find((r) => r.path.test(path));
  await serving(req, found?.route ?? 'none', id, () => answer(req, res, path, found, setting, id));
}

/** Answers by the route that was found, and returns the status. */
async function answer(req, res, path, found, { env, partWait }, id) {
  try {
    if (Number(req.headers['content-length'] ?? 0) > maxBody) {
      throw new Problem(413, 'too-large', `the body is over ${maxBody} bytes`);
    }
    if (!found) throw new Problem(404, 'not-found', `there is nothing at ${path}`);
    if (req.method !== 'GET') {
      res.setHeader('Allow', 'GET');
      throw new Problem(405, 'method', `${req.method} is not one of GET`);
    }
    const caller = new Caller(env, req.headers, performance.now() + wait(req));
    return send(res, 200, await found.answer(caller, name(found.path.exec(path)[1]), partWait));
  } catch (err) {
    const p = problemOf(err);
    if (p.status === 500) log.error('request failed', { err: err.stack });
    if (p.status > 500) log.warn('request degraded', { err: told(err) });
    return send(res, p.status, p.body(id), 'application/problem+json');
  }
}

function name(escaped) {
  try {
    return decodeURIComponent(escaped);
  } catch {
    throw new Problem(400, 'bad-request', 'the path is not well escaped');
  }
}

/** How long the caller still waits, in milliseconds. */
function wait(req) {
  const ms = Number(req.headers['x-request-timeout-ms']);
  return ms > 0 ? Math.min(ms, requestWait) : requestWait;
}

/** Drops the body, which no route wants, and the connection of one that does not end. */
function limit(req, res) {
  let size = 0;
  req.on('data', (part) => {
    size += part.length;
    if (size > maxBody) req.destroy();
  });
  req.on('error', () => {}); // the client went away: nobody is left to tell
  res.on('error', () => {});
}

function send(res, status, body, type = 'application/json') {
  if (res.socket?.server.listening === false) res.setHeader('Connection', 'close'); // the server stops
  res.writeHead(status, { 'Content-Type': type }).end(JSON.stringify(body) + '\n');
  return status;
}
