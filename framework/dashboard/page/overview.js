// The overview: first what needs attention, then how much is done, then service by service.
import { h, text } from './dom.js';
import { age, bytes, count, moment, rate } from './format.js';
import { app, heading, known, number, panel, since, state, table } from './parts.js';
import { plot } from './plot.js';

const LATE_MS = 60000; // as weir services has it

const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;

function ofSagas(top) {
  const { suspended } = top.sagas;
  return suspended > 0 ? [{ bad: true, href: '#/sagas?state=suspended',
    words: plural(suspended, 'saga is suspended and waits for an operator', 'sagas are suspended and wait for an operator') }] : [];
}

function ofService(service, now) {
  const found = [], name = service.service, waits = service.backlog;
  if (service.problem) found.push({ bad: true, words: `${name}: ${service.problem}`, href: `#/services/${name}` });
  if (service.workers && service.workers.alive === 0)
    found.push({ bad: waits > 0, href: `#/services/${name}`,
      words: waits > 0 ? `No worker of ${name} is alive; ${plural(waits, 'message waits', 'messages wait')}`
        : `No worker of ${name} is alive` });
  else if (service.oldest !== null && now - service.oldest > LATE_MS)
    found.push({ href: `#/services/${name}`,
      words: `${name} is behind: its oldest message has waited for ${age(now - service.oldest)}` });
  if (service.workers?.silent > 0)
    found.push({ href: `#/services/${name}`, words: `${plural(service.workers.silent, 'worker', 'workers')} of ${name} silent` });
  if (service.dead > 0)
    found.push({ bad: true, href: `#/dead/${name}`, words: `${plural(service.dead, 'dead letter', 'dead letters')} of ${name}` });
  return found;
}

function ofProjection(projection, now) {
  const href = `#/models/${encodeURIComponent(projection.projection)}`, name = projection.projection;
  if (projection.state === 'stopped' || projection.state === 'parked')
    return [{ bad: true, href, words: `The projection ${name} is ${projection.state}: ${projection.reason ?? 'no reason is known'}` }];
  if (projection.oldest !== null && now - projection.oldest > LATE_MS)
    return [{ href, words: `The projection ${name} is behind by ${age(now - projection.oldest)}` }];
  if (projection.state === 'idle') return [{ href, words: `No worker runs the projection ${name}` }];
  return [];
}

function ofServer({ usedMemory, maxMemory }) {
  return maxMemory > 0 && usedMemory > 0.9 * maxMemory
    ? [{ bad: true, words: `The server's memory is nearly full: ${bytes(usedMemory)} of ${bytes(maxMemory)}` }] : [];
}

export function attention(top, now) {
  const all = [...ofSagas(top), ...top.services.flatMap((one) => ofService(one, now)),
    ...top.projections.flatMap((one) => ofProjection(one, now)), ...ofServer(top.server)];
  return all.sort((one, other) => (other.bad ?? false) - (one.bad ?? false));
}

function showAttention(all) {
  return h('section', { class: 'panel attention', 'aria-label': 'What needs attention' },
    h('h2', null, 'Needs attention'),
    all.length === 0 ? h('p', { class: 'fine' }, '✓ Nothing.')
      : h('ul', null, all.slice(0, 12).map((one) => h('li', { class: one.bad ? 'bad' : 'warn', 'data-href': one.href },
        h('span', { class: 'mark', 'aria-hidden': 'true' }, one.bad ? '■' : '▲'),
        one.href ? h('a', { href: one.href }, text(one.words, 'span')) : text(one.words, 'span')))),
    all.length > 12 ? h('p', { class: 'more' }, `and ${all.length - 12} more`) : null);
}

function tile(label, value, options = {}) {
  return h(options.href ? 'a' : 'div', { class: `tile ${options.class ?? ''}`, href: options.href },
    h('span', { class: 'tile-label' }, label), h('span', { class: 'tile-value' }, value));
}

function tiles(top) {
  const r = top.rate ?? {}, saga = (name) => tile(name, count(top.sagas[name]), {
    href: `#/sagas?state=${name}`, class: `s-${name} ${name === 'suspended' && top.sagas[name] > 0 ? 'bad' : ''}` });
  return h('div', { class: 'tiles' },
    h('div', { class: 'group' }, h('h2', null, 'Messages a second'), h('div', { class: 'row four' },
      tile('in', rate(r.received)), tile('done', rate(typeof r.handled === 'number' ? Math.max(0, r.handled - r.refused) : null)),
      tile('refused', rate(r.refused), { class: r.refused > 0 ? 'warn' : '' }),
      tile('retried', rate(r.retried), { class: r.retried > 0 ? 'warn' : '' }))),
    h('div', { class: 'group wide' }, h('h2', null, 'Sagas'), h('div', { class: 'row' },
      saga('running'), saga('compensating'), saga('suspended'), saga('completed'), saga('compensated'))));
}

export const oldest = (service) => (service.oldest === null ? h('span', { class: 'none' }, '–') : since(service.oldest));

export const serviceColumns = [
  { head: 'service', cell: (row) => h('a', { href: `#/services/${row.service}` }, text(row.service)) },
  { head: 'state', cell: (row) => state(row.state ?? 'ok') },
  { head: 'workers', class: 'right', cell: (row) => number(row.workers?.alive) },
  { head: 'in hand', class: 'right', cell: (row) => number(row.inHand) },
  { head: 'backlog', class: 'right', cell: (row) => number(row.backlog) },
  { head: 'oldest', class: 'right', cell: oldest },
  { head: 'done a second', class: 'right', cell: (row) => h('span', { class: row.rate?.handled ? 'number' : 'number none' }, rate(row.rate?.handled)) },
  { head: 'scheduled', class: 'right', cell: (row) => number(row.scheduled) },
  { head: 'dead', class: 'right', cell: (row) => (row.dead > 0
    ? h('a', { class: 'number bad', href: `#/dead/${row.service}` }, count(row.dead)) : number(row.dead)) },
];

function plots(history, now) {
  if (!history || history.samples.length === 0)
    return h('p', { class: 'empty' }, 'The plots begin with the first sample, in some seconds.');
  return [h('div', { class: 'plots' },
    plot('Messages a second', history, [{ name: 'done', field: 'handled', class: 'l-done' },
      { name: 'refused', field: 'refused', class: 'l-bad' }], now, true),
    plot('Backlog', history, [{ name: 'waiting', field: 'backlog', class: 'l-wait' }], now, false)),
  h('p', { class: 'note' }, `Since ${moment(history.since, now)}, a sample every ten seconds, kept in this dashboard's memory for an hour.`)];
}

export const overview = {
  title: () => 'Overview',
  topics: () => ['history'],
  render() {
    const top = known('top'), history = app.data.get('history');
    if (top.instead) return [heading('Overview'), top.instead];
    const now = app.now(), value = top.value;
    return [heading('Overview', h('a', { href: '#/doctor', class: 'aside' }, 'Have the doctor look')), showAttention(attention(value, now)), tiles(value),
      panel('The last hour', plots(history?.result, now)),
      panel('Services', table('Services', serviceColumns, value.services,
        { key: (row) => row.service, href: (row) => `#/services/${row.service}`,
          mark: (row) => (row.state ?? 'ok') !== 'ok' }))];
  },
};
