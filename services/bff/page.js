// The order page: an order, and what a shop shows around it.

import { on } from './flags.js';
import { log } from './log.js';
import { Problem, told } from './problem.js';

const orderWait = 2000; // ms, for the order, without which there is no page

/**
 * Makes the page of an order from four services. The order comes first, and what its service refuses
 * is the page's answer. The others come in parallel, each with a deadline of its own: a part that
 * does not come within so many milliseconds is null, and named in degraded.
 */
export async function page(caller, id, partWait) {
  const order = await caller.get('orders', `/orders/${encodeURIComponent(id)}`, orderWait);
  const ids = encodeURIComponent((order.lines ?? []).map((l) => l.item_id).join(','));
  const parts = {
    items: async () => (await caller.get('catalog', `/items?ids=${ids}`, partWait)).items,
    customer: async () => customer(await caller.get('users', `/users/${encodeURIComponent(order.user_id)}`, partWait)),
    stock: async () => (await caller.get('inventory', `/stock?ids=${ids}`, partWait)).levels,
  };
  const out = { order, items: null, customer: null, stock: null, degraded: [] };
  const came = await Promise.allSettled(Object.values(parts).map((read) => read()));
  for (const [i, name] of Object.keys(parts).entries()) {
    if (came[i].status === 'fulfilled' && came[i].value !== undefined) {
      out[name] = came[i].value;
      continue;
    }
    if (!on('fallback')) throw came[i].reason ?? new Problem(502, 'bad-gateway', `${name} is not in the answer`);
    out.degraded.push(name);
    log.warn('page degraded', { part: name, err: told(came[i].reason ?? 'it is not in the answer') });
  }
  return out;
}

/** Of a user the page tells no more than who it is: destinations are nobody's business here. */
const customer = ({ id, name }) => ({ id, name });
