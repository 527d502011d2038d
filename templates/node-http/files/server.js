// The HTTP server: routes, limits, health, and a stop that finishes what is in flight.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Server } from 'node:net';

import { log } from './log.js';
import { Problem, problemOf, told } from './problem.js';
import { serving } from './telemetry.js';

const maxBody = 1 << 20; // bytes
const maxHeader = 64 << 10;
const requestWait = 10_000; // ms, at most, for one answer
const correlationForm = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * Listens, and resolves to the server: its port and how to stop it. A route is {method, path, answer}, its
 * path such as /items/{id}; answer is given {params, query, body, deadline} and resolves to [status, body,
 * headers]. checks are what must hold to be ready: name to a function that fails.
 */
export async function serve(host, port, routes, checks = {}) {
  const state = { stopping: false, table: routes.map(compile), checks };
  const server = createServer({ maxHeaderSize: maxHeader, headersTimeout: 5000, requestTimeout: 15_000,
    keepAliveTimeout: 60_000, connectionsCheckingInterval: 1000 }, (req, res) => handle(req, res, state));
  await new Promise((done, refuse) => server.once('error', refuse).listen(port, host, done));
  const at = server.address();
  log.info('service listening', { listener: 'http', addr: `${at.address}:${at.port}` });
  return { port: at.port, stop: (grace) => stop(server, state, grace) };
}

function compile({ method, path, answer }) {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1]);
  return { method, path, names, answer, form: new RegExp(`^${path.replace(/\{\w+\}/g, '([^/]+)')}$`) };
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

async function handle(req, res, state) {
  const [path, query] = req.url.split(/\?(.*)/s);
  if (req.method === 'GET' && path === '/livez') return send(res, 200, 'live');
  if (req.method === 'GET' && path === '/readyz') return ready(res, state);
  req.on('error', () => {}); // the client went away: nobody is left to tell
  res.on('error', () => {});
  const given = req.headers['x-correlation-id'] ?? '';
  const id = correlationForm.test(given) ? given : randomUUID();
  res.setHeader('X-Correlation-ID', id);
  const at = state.table.filter((r) => r.form.test(path));
  return serving(req, at[0]?.path ?? 'none', id, () => answer(req, res, { path, query, at, id }));
}

async function ready(res, state) {
  const bad = state.stopping ? { service: 'stopping' } : {};
  await Promise.all(Object.entries(state.checks).map(async ([name, check]) => {
    try {
      await check();
    } catch (err) {
      bad[name] = told(err);
    }
  }));
  return Object.keys(bad).length > 0 ? send(res, 503, bad) : send(res, 200, 'ready');
}

/** Answers by the route that was found, and returns the status. */
async function answer(req, res, { path, query, at, id }) {
  try {
    const body = await read(req);
    if (at.length === 0) throw new Problem(404, 'not-found', `there is nothing at ${path}`);
    const route = at.find((r) => r.method === req.method);
    if (!route) {
      res.setHeader('Allow', at.map((r) => r.method).join(', '));
      throw new Problem(405, 'method', `${req.method} is not one of ${at.map((r) => r.method).join(', ')}`);
    }
    const found = route.form.exec(path).slice(1).map(unescaped);
    const params = Object.fromEntries(route.names.map((name, i) => [name, found[i]]));
    const wait = requestTime(req);
    const [status, out, headers] = await within(wait, route.answer({ params, query: new URLSearchParams(query ?? ''), body,
      deadline: performance.now() + wait }));
    for (const [name, value] of Object.entries(headers ?? {})) res.setHeader(name, value);
    return send(res, status, out);
  } catch (err) {
    const p = problemOf(err);
    if (p.status === 500) log.error('request failed', { err: err.stack });
    if (p.status > 500) log.warn('request degraded', { err: told(err) });
    if (p.status === 413) res.setHeader('Connection', 'close'); // the rest of the body is not wanted
    return send(res, p.status, p.body(id), 'application/problem+json');
  }
}

/** Reads the request's body as JSON, undefined where there is none. */
async function read(req) {
  const parts = [];
  let size = 0;
  try {
    for await (const part of req) {
      size += part.length;
      if (size > maxBody) throw new Problem(413, 'too-large', `the body is over ${maxBody} bytes`);
      parts.push(part);
    }
  } catch (err) {
    throw err instanceof Problem ? err : new Problem(400, 'bad-request', 'the body broke off');
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(parts).toString());
  } catch (err) {
    throw new Problem(400, 'bad-request', `read body: ${err.message}`);
  }
}

/** Waits so many milliseconds at most. */
async function within(ms, work) {
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new Problem(504, 'timeout', 'the answer took too long')), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function unescaped(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Problem(400, 'bad-request', 'the path is not well escaped');
  }
}

/** How long the caller still waits, in milliseconds. */
function requestTime(req) {
  const ms = Number(req.headers['x-request-timeout-ms']);
  return ms > 0 ? Math.min(ms, requestWait) : requestWait;
}

function send(res, status, body, type = 'application/json') {
  if (res.socket?.server.listening === false) res.setHeader('Connection', 'close'); // the server stops
  res.writeHead(status, { 'Content-Type': type }).end(JSON.stringify(body) + '\n');
  return status;
}
