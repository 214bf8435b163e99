// A saga's steps as a picture: what waits for what, branches side by side, and, where it is undone,
// the way back.
import { h } from './dom.js';
import { span } from './format.js';

// Two of those beside each other fit on a telephone.
const ASIDE = { wide: 172, high: 62, across: 16, letters: 20 }, UPRIGHT = { wide: 146, high: 62, across: 10, letters: 16 };
const AHEAD = 46, EDGE = 8;
const REACHED = new Set(['succeeded', 'compensating', 'compensated']);
const BACK_FROM = new Set(['failed', 'timed-out', 'compensating', 'compensated']);
const BACK_TO = new Set(['compensating', 'compensated']);

// What each step waits for; where the definition is not there, the step before it.
function dependencies(steps) {
  const names = new Set(steps.map((step) => step.name));
  return steps.map((step, i) => (Array.isArray(step.after) ? step.after.filter((name) => names.has(name))
    : i > 0 ? [steps[i - 1].name] : []));
}

// The longest way to each step; a circle, which no definition has, ends somewhere.
function levels(steps, after) {
  const place = new Map(steps.map((step, i) => [step.name, i]));
  const level = new Array(steps.length).fill(0);
  for (let round = 0; round < steps.length; round++)
    steps.forEach((step, i) => after[i].forEach((name) => {
      level[i] = Math.min(steps.length - 1, Math.max(level[i], level[place.get(name)] + 1));
    }));
  return level;
}

function arrange(level, upright, shape) {
  const rows = new Map();
  level.forEach((one, i) => rows.set(one, [...(rows.get(one) ?? []), i]));
  const most = Math.max(...[...rows.values()].map((row) => row.length));
  const boxes = [];
  const along = (upright ? shape.high : shape.wide) + AHEAD;
  const across = (upright ? shape.wide : shape.high) + shape.across;
  for (const [one, row] of rows)
    row.forEach((i, k) => {
      const aside = (k + (most - row.length) / 2) * across + EDGE, ahead = one * along + EDGE;
      boxes[i] = upright ? { x: aside, y: ahead } : { x: ahead, y: aside };
    });
  return { boxes, wide: Math.max(...boxes.map((box) => box.x)) + shape.wide + EDGE,
    high: Math.max(...boxes.map((box) => box.y)) + shape.high + EDGE };
}

// From one box to the next; `back` beside it, the other way.
function way(from, to, upright, shape, back) {
  const aside = back ? 12 : -4;
  if (upright) {
    const x1 = from.x + shape.wide / 2 + aside, x2 = to.x + shape.wide / 2 + aside;
    const y1 = from.y + shape.high, y2 = to.y, bend = (y2 - y1) / 2;
    return back ? `M${x2} ${y2}C${x2} ${y2 - bend} ${x1} ${y1 + bend} ${x1} ${y1 + 2}`
      : `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2 - 2}`;
  }
  const y1 = from.y + shape.high / 2 + aside, y2 = to.y + shape.high / 2 + aside;
  const x1 = from.x + shape.wide, x2 = to.x, bend = (x2 - x1) / 2;
  return back ? `M${x2} ${y2}C${x2 - bend} ${y2} ${x1 + bend} ${y1} ${x1 + 2} ${y1}`
    : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 2} ${y2}`;
}

function arrow(id) {
  return h('marker', { id, class: id, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7,
    orient: 'auto' }, h('path', { d: 'M0 0L8 4L0 8z' }));
}

const short = (name, most) => (name.length > most ? `${name.slice(0, most - 1)}…` : name);

function times(saga, step) {
  if (!step.sentAt) return '';
  const start = `+${span(step.sentAt - saga.startedAt)}`;
  return step.endedAt ? `${start}, ${span(step.endedAt - step.sentAt)} long` : start;
}

function box(saga, step, place, shape, choose) {
  const attempts = Math.max(step.attempts ?? 0, step.compensationAttempts ?? 0);
  const does = step.signal ? `signal ${step.signal}` : step.service ? `${step.service} · ${step.command}` : '';
  const second = `${step.state ?? 'pending'}${attempts > 1 ? `, ${attempts} attempts` : ''}`;
  return h('g', { class: 'step', 'data-state': step.state ?? 'pending', transform: `translate(${place.x} ${place.y})`,
    tabindex: '0', role: 'button', 'aria-label': `${step.name}: ${second}; ${does}`, onclick: () => choose(step.name),
    onkeydown: (event) => { if (event.key === 'Enter') choose(step.name); } },
  h('title', { svg: true }, `${step.name}\n${does}\n${second}${step.error ? `\n${step.error}` : ''}`),
  h('rect', { width: shape.wide, height: shape.high, rx: 6 }),
  h('rect', { class: 'edge', width: 5, height: shape.high, rx: 2.5 }),
  h('text', { class: 'name', x: 14, y: 20 }, short(step.name, shape.letters)),
  h('text', { class: 'second', x: 14, y: 37 }, short(`${step.state ?? 'pending'}${attempts > 1 ? ` ×${attempts}` : ''}`, shape.letters + 4)),
  h('text', { class: 'third', x: 14, y: 53 }, short(times(saga, step) || does, shape.letters + 6)));
}

export function picture(saga, upright, choose) {
  const steps = saga.steps;
  if (steps.length === 0) return null;
  const after = dependencies(steps), shape = upright ? UPRIGHT : ASIDE;
  const { boxes, wide, high } = arrange(levels(steps, after), upright, shape);
  const place = new Map(steps.map((step, i) => [step.name, i]));
  const edges = steps.flatMap((step, i) => after[i].map((name) => [place.get(name), i]));
  const reached = (i) => REACHED.has(steps[i].state);
  const begun = (i) => steps[i].state && !['pending', 'skipped'].includes(steps[i].state);
  return h('div', { class: 'picture', tabindex: '0', role: 'group', 'aria-label': 'The steps as a picture' },
    h('svg', { width: wide, height: high, viewBox: `0 0 ${wide} ${high}` },
      h('defs', null, arrow('way'), arrow('back')),
      edges.map(([from, to]) => h('path', { class: `way ${reached(from) && begun(to) ? 'gone' : ''}`,
        d: way(boxes[from], boxes[to], upright, shape, false), 'marker-end': 'url(#way)' })),
      edges.filter(([from, to]) => BACK_FROM.has(steps[to].state) && BACK_TO.has(steps[from].state))
        .map(([from, to]) => h('path', { class: 'way back', d: way(boxes[from], boxes[to], upright, shape, true),
          'marker-end': 'url(#back)' })),
      steps.map((step, i) => box(saga, step, boxes[i], shape, choose))));
}
