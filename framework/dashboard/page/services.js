// Services and their workers.
import { h, text } from './dom.js';
import { count, rate } from './format.js';
import { path } from './api.js';
import { app, at, empty, heading, known, number, panel, since, state, table } from './parts.js';
import { serviceColumns } from './overview.js';

const workerColumns = [
  { head: 'worker', cell: (row) => text(row.consumer) },
  { head: 'state', cell: (row) => state(row.state) },
  { head: 'host', cell: (row) => [text(row.host ?? '–'), row.pid ? h('small', null, ` pid ${row.pid}`) : null] },
  { head: 'version', cell: (row) => text(row.version ?? '–') },
  { head: 'runs for', class: 'right', cell: (row) => since(row.started) },
  { head: 'last sign', class: 'right', cell: (row) => since(row.heartbeat) },
  { head: 'in hand', class: 'right', cell: (row) => number(row.inHand) },
  { head: 'done a second', class: 'right', cell: (row) => h('span', { class: row.rate?.handled ? 'number' : 'number none' }, rate(row.rate?.handled)) },
  { head: 'done', class: 'right', cell: (row) => number(row.done) },
  { head: 'refused', class: 'right', cell: (row) => number(row.rejected, 'warn') },
  { head: 'retried', class: 'right', cell: (row) => number(row.retried, 'warn') },
  { head: 'taken over', class: 'right', cell: (row) => number(row.takenOver) },
];

function workersOf(rows, label) {
  return rows.length === 0 ? empty('No worker is known.')
    : table(label, workerColumns, rows, { key: (row) => `${row.service}/${row.consumer}`, mark: (row) => row.state !== 'alive' });
}

export const services = {
  title: () => 'Services',
  topics: () => ['workers'],
  render() {
    const top = known('top'), workers = known('workers');
    const withService = [{ head: 'service', cell: (row) => h('a', { href: `#/services/${row.service}` }, text(row.service)) }, ...workerColumns];
    return [heading('Services'),
      panel(null, top.instead ?? (top.value.services.length === 0 ? empty('No service is known; a worker has to have run once.')
        : table('Services', serviceColumns, top.value.services, { key: (row) => row.service,
          href: (row) => `#/services/${row.service}`, mark: (row) => (row.state ?? 'ok') !== 'ok' }))),
      panel('Workers', workers.instead ?? (workers.value.workers.length === 0 ? empty('No worker is known.')
        : table('Workers', withService, workers.value.workers, { key: (row) => `${row.service}/${row.consumer}`,
          mark: (row) => row.state !== 'alive' })))];
  },
};

const streamColumns = [
  { head: 'inbox', cell: (row) => text(row.key) },
  { head: 'messages', class: 'right', cell: (row) => number(row.length) },
  { head: 'pending', class: 'right', cell: (row) => number(row.pending) },
  { head: 'oldest', class: 'right', cell: (row) => since(row.oldest) },
  { head: 'groups', cell: (row) => row.groups.map((group) => h('div', null, text(group.name),
    h('small', null, ` ${count(group.pending)} pending, ${group.lag === null ? 'lag not known' : `${count(group.lag)} to read`}`))) },
];

const readerColumns = [
  { head: 'reader', cell: (row) => [text(row.name), h('small', null, ` ${row.kind}`)] },
  { head: 'state', cell: (row) => state(row.state) },
  { head: 'behind', class: 'right', cell: (row) => (row.behind === null ? '~' : `${count(row.behind)}${row.behindAtLeast ? '+' : ''}`) },
  { head: 'pending', class: 'right', cell: (row) => number(row.pending) },
  { head: 'position', cell: (row) => text(row.position ?? '–') },
  { head: 'last sign', class: 'right', cell: (row) => since(row.lastSign) },
];

function detail(one) {
  const rates = one.rate ?? {};
  const facts = [['State', state(one.state ?? 'ok')], ['Backlog', count(one.backlog)], ['Pending', count(one.pending)],
    ['Oldest', since(one.oldest)], ['In hand', count(one.inHand)], ['In a second', rate(rates.received)],
    ['Done a second', rate(rates.handled)], ['Refused a second', rate(rates.refused)],
    ['Scheduled', h('a', { href: `#/scheduled/${one.service}` }, count(one.scheduled))],
    ['Dead letters', h('a', { href: `#/dead/${one.service}`, class: one.dead > 0 ? 'bad' : null }, count(one.dead))]];
  return h('dl', { class: 'facts' }, facts.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))));
}

export const service = {
  title: ({ name }) => `Service ${name}`,
  topics: ({ name }) => [path('services', name), path('workers', name)],
  render({ name }) {
    const found = known(path('services', name)), workers = known(path('workers', name));
    const back = h('a', { class: 'back', href: '#/services' }, '‹ Services');
    const one = found.value?.services?.[0];
    if (!one) return [back, heading(['Service ', text(name)]), found.instead ?? empty('No such service is known.')];
    const events = one.events;
    return [back, heading(['Service ', text(name)]), one.problem ? h('p', { class: 'reason bad' }, text(one.problem)) : null,
      detail(one), panel('Workers', workers.instead ?? workersOf(workers.value.workers, 'Workers')),
      panel('Inboxes', table('Inboxes', streamColumns, one.streams, { key: (row) => row.key })),
      events ? panel('Events', h('p', { class: 'note' }, `${count(events.events)} ${events.events === 1 ? 'is' : 'are'} kept`,
        events.oldest ? [', the oldest from ', at(events.oldest)] : null, '.'),
      events.readers.length === 0 ? empty('Nobody reads them.')
        : table('Readers', readerColumns, events.readers, { key: (row) => row.name })) : null];
  },
};
