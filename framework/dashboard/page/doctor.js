// What weir doctor finds. It looks at all keys of the server: only when it is asked.
import { h, text } from './dom.js';
import { get } from './api.js';
import { app, at, heading, table } from './parts.js';

const RANK = { error: 0, warning: 1, unknown: 2, ok: 3 };
const MARK = { error: '■', warning: '▲', ok: '✓' };

let found = null, asking = false;

async function look() {
  if (asking) return;
  asking = true;
  app.render();
  try {
    const { value, now } = await get('doctor');
    found = { rows: Array.isArray(value) ? value : value?.findings ?? [], at: now };
  } catch (problem) {
    found = { trouble: problem.message };
  }
  asking = false;
  app.render();
}

const columns = [
  { head: 'level', cell: (row) => h('span', { class: `level ${{ error: 'bad', warning: 'warn', ok: 'fine' }[row.level] ?? ''}` },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, MARK[row.level] ?? '?'), ' ', text(row.level, 'span')) },
  { head: 'check', cell: (row) => text(row.check) },
  { head: 'about', cell: (row) => text(row.about) },
  { head: 'finding', class: 'grow', cell: (row) => text(row.text) },
];

export const doctor = {
  title: () => 'Doctor',
  topics: () => [],
  enter: () => { if (!found) look(); },
  render() {
    const rows = [...found?.rows ?? []].sort((one, other) => (RANK[one.level] ?? 2) - (RANK[other.level] ?? 2));
    return [h('a', { class: 'back', href: '#/' }, '‹ Overview'),
      heading('Doctor', h('button', { onclick: look, disabled: asking }, asking ? 'Looking …' : 'Look again')),
      h('p', { class: 'note' }, 'What weir doctor finds. It looks at all keys of the server, which takes a while where there are many.',
        found?.at ? [' Found at ', at(found.at), '.'] : null),
      found?.trouble ? h('p', { class: 'empty bad', role: 'alert' }, text(found.trouble)) : null,
      rows.length > 0 ? table('Findings', columns, rows, { key: (row) => `${row.check} ${row.about} ${row.text}`, mark: (row) => row.level !== 'ok' })
        : !found ? h('p', { class: 'empty', 'aria-busy': 'true' }, 'Looking …') : null];
  },
};
