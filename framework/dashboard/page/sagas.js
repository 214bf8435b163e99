// Sagas: found by state, definition, age, reason or id, page by page.
import { h, text } from './dom.js';
import { count } from './format.js';
import { path, query } from './api.js';
import { app, empty, heading, known, since, state, table } from './parts.js';

const STATES = ['all', 'running', 'compensating', 'suspended', 'completed', 'compensated'];
const AGES = [['', 'any age'], ['1m', 'over 1m'], ['5m', 'over 5m'], ['1h', 'over 1h'], ['1d', 'over 1d']];
const LIMIT = 50;

const link = (options) => `#/sagas${query(options)}`;

function chosen(params) {
  const { state: of, definition, age, matching, before } = params;
  return { state: STATES.includes(of) && of !== 'all' ? of : '', definition: definition ?? '',
    age: age ?? '', matching: matching ?? '', before: before ?? '' };
}

function topicOf(params) {
  const now = chosen(params);
  return `sagas${query({ state: now.state, definition: now.definition, 'older-than': now.age,
    matching: now.matching, before: now.before, limit: LIMIT, page: 'true' })}`;
}

function tabs(params) {
  const now = chosen(params), counts = app.top?.sagas ?? {};
  return h('nav', { class: 'tabs', 'aria-label': 'States' }, STATES.map((one) => {
    const current = (now.state || 'all') === one;
    return h('a', { href: link({ ...now, state: one === 'all' ? '' : one, before: '' }), 'aria-current': current ? 'true' : null,
      class: one === 'suspended' && counts[one] > 0 ? 'bad' : null },
    one, one === 'all' ? null : h('span', { class: 'count' }, count(counts[one])));
  }));
}

function filters(params) {
  const now = chosen(params), names = app.data.get('definition/list')?.result ?? [];
  const go = (change) => { location.hash = link({ ...now, before: '', ...change }); };
  return h('form', { class: 'filters', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    const form = new FormData(event.target), id = String(form.get('id') ?? '').trim();
    if (id) location.hash = `#/saga/${encodeURIComponent(id)}`;
    else go({ matching: String(form.get('matching') ?? '').trim() });
  } },
  h('input', { name: 'id', type: 'search', placeholder: 'Open a saga by its id  ( / )', 'aria-label': 'Saga id', class: 'find',
    autocomplete: 'off', spellcheck: 'false' }),
  h('select', { 'aria-label': 'Definition', onchange: (event) => go({ definition: event.target.value }) },
    h('option', { value: '' }, 'any definition'),
    [...new Set([...names.map((one) => one.name), now.definition].filter(Boolean))].map((name) =>
      h('option', { value: name, selected: name === now.definition }, name))),
  h('select', { 'aria-label': 'Age', onchange: (event) => go({ age: event.target.value }) },
    AGES.map(([value, label]) => h('option', { value, selected: value === now.age }, label))),
  h('input', { name: 'matching', type: 'search', placeholder: 'Reason holds …', 'aria-label': 'Reason holds', value: now.matching,
    autocomplete: 'off', spellcheck: 'false' }),
  h('button', { type: 'submit' }, 'Find'));
}

const columns = [
  { head: 'saga', class: 'grow', cell: (row) => h('a', { href: `#/saga/${encodeURIComponent(row.saga)}` }, text(row.saga)) },
  { head: 'definition', cell: (row) => [text(row.definition ?? '–'), row.version ? h('small', null, ` ${row.version}`) : null] },
  { head: 'state', cell: (row) => state(row.state) },
  { head: 'since', class: 'right', cell: (row) => since(row.since) },
  { head: 'reason', class: 'grow', cell: (row) => (row.reason ? text(row.reason) : null) },
];

function pages(params, page) {
  const now = chosen(params);
  if (!now.before && !page.next) return null;
  return h('nav', { class: 'pages', 'aria-label': 'Pages' },
    now.before ? h('a', { href: link({ ...now, before: '' }), rel: 'first' }, '« Newest') : null,
    page.next ? h('a', { href: link({ ...now, before: page.next }), rel: 'next', class: 'next' }, 'Older ›') : null);
}

export const sagas = {
  title: () => 'Sagas',
  topics: (params) => [topicOf(params), 'definition/list'],
  render(params) {
    const list = known(topicOf(params));
    const page = list.value;
    return [heading('Sagas'), tabs(params), filters(params),
      list.instead ?? (page.sagas.length === 0 ? empty('No saga is found here.')
        : table('Sagas', columns, page.sagas, { key: (row) => row.saga,
          href: (row) => `#/saga/${encodeURIComponent(row.saga)}` })),
      page && !page.complete && page.sagas.length < LIMIT
        ? h('p', { class: 'note' }, `${count(page.lookedAt)} sagas were looked at.`) : null,
      page ? pages(params, page) : null];
  },
};

export const sagaPath = (id) => path('saga', id);
