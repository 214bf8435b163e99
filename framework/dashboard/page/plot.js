// Plots of the last hour as SVG: lines over time, with a gap where nothing was known.
import { h, text } from './dom.js';
import { clock, count, rate } from './format.js';

const HOUR = 3600000, HEIGHT = 110, LEFT = 44, RIGHT = 6, TOP = 8, BOTTOM = 18;
// Letters are to be as large on a telephone.
let wide = 600;

// A round number that is no less, so that the scale does not tremble.
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * power >= value) * power;
}

function pathOf(samples, column, x, y, every) {
  let path = '', before = null;
  for (const sample of samples) {
    const value = sample[column];
    if (typeof value !== 'number') { before = null; continue; }
    const gap = before === null || sample[0] - before > 2.5 * every;
    path += `${gap ? 'M' : 'L'}${x(sample[0]).toFixed(1)} ${y(value).toFixed(1)}`;
    if (gap) path += 'h.01'; // one alone is a dot
    before = sample[0];
  }
  return path;
}

function minutes(now, x) {
  const marks = [];
  for (let at = Math.ceil((now - HOUR) / 900000) * 900000; at <= now; at += 900000)
    if (x(at) > LEFT + 14 && x(at) < wide - RIGHT - 12)
      marks.push(h('line', { class: 'grid', x1: x(at), x2: x(at), y1: TOP, y2: HEIGHT - BOTTOM }),
        h('text', { class: 'tick', x: x(at), y: HEIGHT - 4, 'text-anchor': 'middle' }, clock(at).slice(0, 5)));
  return marks;
}

// lines: [{name, field, class}] of the fields of the history.
export function plot(title, history, lines, now, asRate) {
  wide = matchMedia('(max-width: 700px)').matches ? 320 : 600;
  const columns = lines.map((line) => history.fields.indexOf(line.field));
  const samples = history.samples.filter((sample) => sample[0] >= now - HOUR);
  const top = ceiling(Math.max(...samples.flatMap((sample) => columns.map((i) => sample[i] ?? 0)), 0));
  const x = (at) => LEFT + (at - (now - HOUR)) / HOUR * (wide - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
  const last = samples.at(-1), shown = (value) => (asRate ? rate(value) : count(value));
  const said = lines.map((line, i) => `${line.name} ${shown(last?.[columns[i]])}`).join(', ');
  return h('figure', { class: 'plot' },
    h('figcaption', null, h('span', { class: 'plot-title' }, title), lines.map((line, i) =>
      h('span', { class: `legend ${line.class}` }, `${line.name} `, h('b', null, shown(last?.[columns[i]]))))),
    h('svg', { viewBox: `0 0 ${wide} ${HEIGHT}`, role: 'img', 'aria-label': `${title}, the last hour; now ${said}`,
      preserveAspectRatio: 'none' },
    [0, top / 2, top].map((value) => [
      h('line', { class: 'grid', x1: LEFT, x2: wide - RIGHT, y1: y(value), y2: y(value) }),
      h('text', { class: 'tick', x: LEFT - 6, y: y(value) + 3.5, 'text-anchor': 'end' },
        value >= 10000 ? `${value / 1000}k` : String(value))]),
    minutes(now, x),
    lines.map((line, i) => h('path', { class: `line ${line.class}`, d: pathOf(samples, columns[i], x, y, history.every) }))));
}
