// How other services are called: with a deadline, tried again where that is safe, and not at all for a
// moment while the service keeps failing.

import { CircuitState, ConsecutiveBreaker, ExponentialBackoff, circuitBreaker, handleType, handleWhen, retry, wrap } from 'cockatiel';

import { log } from './log.js';
import { Problem } from './problem.js';
import { calling, correlation } from './telemetry.js';

const callWait = 5000; // ms, retries and body included
const maxAnswer = 8 << 20; // bytes
const idempotent = ['GET', 'HEAD', 'PUT', 'DELETE'];

/** Lets one call in five be tried again, and a few more: a service that is down is not asked thrice as often. */
class Budget {
  left = 10;

  earn() { this.left = Math.min(10, this.left + 0.2); }

  spend() {
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}

/** The service did not do it, or nobody knows: another try may help, and the circuit counts it. */
class Failing extends Problem {}

/** Calls one other service by its name in stack.yaml: users is at USERS_URL. */
export class Client {
  constructor(service, env) {
    const name = service.toUpperCase().replaceAll('-', '_') + '_URL';
    if (!env[name]) throw new Error(`read ${name}: not set`);
    this.service = service;
    this.base = env[name].replace(/\/+$/, '');
    const breaker = circuitBreaker(handleType(Failing), { halfOpenAfter: 1000, breaker: new ConsecutiveBreaker(5) });
    breaker.onStateChange((s) => log.warn('circuit changed', { to: service, state: CircuitState[s] }));
    this.budget = new Budget();
    const again = retry(handleWhen((err) => err instanceof Failing && err.status !== 504 && this.budget.spend()),
      { maxAttempts: 2, backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 1000 }) });
    this.once = breaker;
    this.retried = wrap(again, breaker);
  }

  /**
   * Calls method on path, and resolves to the answer's JSON, or undefined where it has none. deadline is a
   * time of performance.now(). What the service refuses is a Problem of its status; else it is 502, 503 or 504.
   */
  async json(method, path, { body, deadline = Infinity } = {}) {
    const end = Math.min(deadline, performance.now() + callWait);
    this.budget.earn();
    const policy = idempotent.includes(method) ? this.retried : this.once;
    try {
      return await policy.execute(() => this.send(method, path, body, end));
    } catch (err) {
      if (err instanceof Problem) throw err;
      throw Object.assign(new Problem(503, 'unavailable', `${this.service} keeps failing`), { cause: err }); // the circuit is open
    }
  }

  async send(method, path, body, end) {
    const left = Math.max(1, Math.floor(end - performance.now()));
    const signal = AbortSignal.timeout(left); // of the answer's body too
    const { status, text } = await calling(this.service, method, this.base + path, async (trace) => {
      try {
        const res = await fetch(this.base + path, { method, signal, redirect: 'manual',
          body: body === undefined ? undefined : JSON.stringify(body),
          headers: { ...trace, accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            'x-correlation-id': correlation() ?? '', 'x-request-timeout-ms': String(left) } });
        return { status: res.status, text: await bounded(res) };
      } catch (err) {
        const p = signal.aborted ? new Failing(504, 'timeout', `${this.service} took too long`)
          : new Failing(502, 'bad-gateway', `${this.service} does not answer`);
        throw Object.assign(p, { cause: err });
      }
    });
    return this.read(status, text);
  }

  read(status, text) {
    let body;
    try {
      body = text === '' ? undefined : JSON.parse(text);
    } catch {
      body = undefined;
    }
    if (status >= 500) throw new Failing(502, 'bad-gateway', `${this.service} answered ${status}`);
    if (status >= 400) throw new Problem(status, body?.code ?? 'refused', body?.detail ?? `${this.service} answered ${status}`);
    if (status >= 300) throw new Problem(502, 'bad-gateway', `${this.service} answered ${status}`);
    return body;
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
