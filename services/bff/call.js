// How bff calls the services behind it.

import { Problem } from './problem.js';
import { correlation, calling } from './telemetry.js';

const maxAnswer = 8 << 20; // bytes

/** Calls the other services for one request, in the name of who asks, until its deadline. */
export class Caller {
  /** headers are those of the request; deadline is a time of performance.now(). */
  constructor(env, headers, deadline) {
    this.env = env;
    this.deadline = deadline;
    this.identity = {};
    for (const name of ['x-user-id', 'x-user-role']) if (headers[name]) this.identity[name] = headers[name];
  }

  /** Gets path of a service as JSON, waiting so many milliseconds at most. An error is a Problem. */
  async get(service, path, wait) {
    const base = this.env[service.toUpperCase().replaceAll('-', '_') + '_URL'];
    if (!base) throw new Problem(503, 'not-running', `${service} is not running here`);
    const left = Math.max(1, Math.floor(Math.min(wait, this.deadline - performance.now())));
    const signal = AbortSignal.timeout(left); // of the answer's body too
    const { status, text } = await calling(service, base.replace(/\/+$/, '') + path, async (trace) => {
      try {
        const res = await fetch(base.replace(/\/+$/, '') + path, { signal, redirect: 'manual', headers: {
          ...trace, ...this.identity, accept: 'application/json', 'x-correlation-id': correlation() ?? '',
          'x-request-timeout-ms': String(left) } });
        return { status: res.status, text: await bounded(res) };
      } catch (err) {
        throw failed(service, signal, err);
      }
    });
    return read(service, status, text);
  }
}

/** Reads an answer's body, unless it is too long. */
async function bounded(res) {
  const parts = [];
  let size = 0;
  for await (const part of res.body ?? []) {
    size += part.length;
    if (size > maxAnswer) throw new Error('the answer is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function failed(service, signal, err) {
  const p = signal.aborted ? new Problem(504, 'timeout', `${service} took too long`)
    : new Problem(502, 'bad-gateway', `${service} does not answer`);
  p.cause = err;
  return p;
}

/** What a service refuses is refused by bff too; what it cannot do is its fault. */
function read(service, status, text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (status >= 400 && status < 500) {
    throw new Problem(status, body?.code ?? 'refused', body?.detail ?? `${service} answered ${status}`);
  }
  if (status !== 200 || typeof body !== 'object' || body === null) {
    throw new Problem(502, 'bad-gateway', `${service} answered ${status}`);
  }
  return body;
}
