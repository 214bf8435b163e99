// Messages that are not due yet, and what operators have done.
import { h, text } from './dom.js';
import { age, count } from './format.js';
import { path, query } from './api.js';
import { app, at, empty, heading, known, number, panel, payload, since, table } from './parts.js';

// ---- Scheduled --------------------------------------------------------------------------------

const LIMIT = 100;
const topicOf = (name) => `${name ? path('scheduled', name) : 'scheduled'}${query({ limit: LIMIT })}`;

function due(ms) {
  if (typeof ms !== 'number') return '–';
  const left = ms - app.now();
  return h('time', { datetime: new Date(ms).toISOString(), title: new Date(ms).toISOString(), class: left < 0 ? 'warn' : null },
    left < 0 ? `due for ${age(-left)}` : `in ${age(left)}`);
}

const scheduledColumns = [
  { head: 'due', cell: (row) => due(row.due) },
  { head: 'service', cell: (row) => h('a', { href: `#/scheduled/${row.service}` }, text(row.service)) },
  { head: 'type', cell: (row) => text(row.type ?? '–') },
  { head: 'saga', cell: (row) => (row.saga ? h('a', { href: `#/saga/${encodeURIComponent(row.saga)}` }, text(row.saga)) : null) },
  { head: 'step', cell: (row) => (row.step ? [text(row.step), row.action === 'compensate' ? h('small', null, ' compensate') : null] : null) },
  { head: 'id', class: 'grow', cell: (row) => text(row.id ?? row.subject ?? '') },
  { head: 'bytes', class: 'right', cell: (row) => number(row.bytes) },
];

const countColumns = [
  { head: 'service', cell: (row) => h('a', { href: `#/scheduled/${row.service}` }, text(row.service)) },
  { head: 'scheduled', class: 'right', cell: (row) => number(row.count) },
  { head: 'due already', class: 'right', cell: (row) => number(row.due, 'warn') },
  { head: 'next', class: 'right', cell: (row) => due(row.next) },
];

export const scheduled = {
  title: () => 'Scheduled',
  topics: ({ name }) => [topicOf(name)],
  render({ name }) {
    const found = known(topicOf(name)), value = found.value;
    return [name ? h('a', { class: 'back', href: '#/scheduled' }, '‹ All services') : null,
      heading(name ? ['Scheduled for ', text(name)] : 'Scheduled'),
      found.instead ?? [
        name ? null : panel(null, table('By service', countColumns, value.services, { key: (row) => row.service,
          href: (row) => `#/scheduled/${row.service}` })),
        panel('Due first', value.scheduled.length === 0 ? empty('Nothing is scheduled.')
          : table('Scheduled messages', scheduledColumns, value.scheduled, {}),
        value.total > value.scheduled.length ? h('p', { class: 'note' }, `${count(value.scheduled.length)} of ${count(value.total)} are shown, those that are due first.`) : null)]];
  },
};

// ---- Actions ----------------------------------------------------------------------------------

const actionsTopic = ({ who, target }) => `actions${query({ who, target, limit: LIMIT })}`;

const actionColumns = [
  { head: 'when', cell: (row) => [at(row.at), h('small', null, ' ', since(row.at), ' ago')] },
  { head: 'who', cell: (row) => text(row.who ?? '–') },
  { head: 'via', cell: (row) => text(row.via ?? '–') },
  { head: 'action', cell: (row) => text(row.action ?? '–') },
  { head: 'target', class: 'grow', cell: (row) => text(row.target ?? '–') },
  { head: 'outcome', cell: (row) => h('span', { class: row.outcome === 'done' ? null : 'warn' }, text(row.outcome ?? '–')) },
  { head: 'details', cell: (row) => (Object.keys(row.details ?? {}).length > 0 ? payload(`action ${row.entry}`, 'details', row.details) : null) },
];

export const actions = {
  title: () => 'Actions',
  topics: (params) => [actionsTopic(params)],
  render(params) {
    const found = known(actionsTopic(params));
    return [heading('Actions'), h('p', { class: 'note' }, 'What operators have done, by the command line and by this page.'),
      h('form', { class: 'filters', role: 'search', onsubmit: (event) => {
        event.preventDefault();
        const form = new FormData(event.target);
        location.hash = `#/actions${query({ who: String(form.get('who')).trim(), target: String(form.get('target')).trim() })}`;
      } },
      h('input', { name: 'target', type: 'search', class: 'find', placeholder: 'Target holds …  ( / )', 'aria-label': 'Target holds', value: params.target ?? '' }),
      h('input', { name: 'who', type: 'search', placeholder: 'Who holds …', 'aria-label': 'Who holds', value: params.who ?? '' }),
      h('button', { type: 'submit' }, 'Find')),
      found.instead ?? (found.value.length === 0 ? empty('Nothing is recorded.')
        : table('Actions', actionColumns, found.value, { key: (row) => row.entry }))];
  },
};
