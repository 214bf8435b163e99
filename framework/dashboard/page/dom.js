// Elements from code, and a page that is changed in place. What messages hold becomes text nodes
// and attributes by these functions only, never markup.

const SVG = 'http://www.w3.org/2000/svg';
const SVG_NAMES = new Set(['svg', 'g', 'path', 'rect', 'circle', 'line', 'polyline', 'text',
  'tspan', 'title', 'defs', 'marker', 'polygon']);

function on(node, type) {
  if (node.listening?.has(type)) return;
  (node.listening ??= new Set()).add(type);
  node.addEventListener(type, (event) => node.handlers?.[type]?.(event));
}

function append(node, child) {
  if (child === null || child === undefined || child === false || child === '') return;
  if (Array.isArray(child)) child.forEach((one) => append(node, one));
  else if (child instanceof Node) node.append(child);
  else node.append(document.createTextNode(String(child)));
}

// h('a', {class: 'x', href: '#', onclick: f, key: 1}, children…). A value of null or false leaves
// the attribute out.
export function h(name, properties, ...children) {
  const node = SVG_NAMES.has(name) && !(name === 'title' && !properties?.svg)
    ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false || key === 'svg') continue;
    if (key === 'key') node.key = String(value);
    else if (key.startsWith('on')) (node.handlers ??= {})[key.slice(2)] = value;
    else if (key === 'value' && name !== 'option') node.value = value;
    else node.setAttribute(key, value === true ? '' : String(value));
  }
  for (const type of Object.keys(node.handlers ?? {})) on(node, type);
  append(node, children);
  return node;
}

// A text from outside: kept from turning the direction of what stands around it.
export function text(value, name = 'bdi') {
  return h(name, { class: 'text' }, value === null || value === undefined ? '' : String(value));
}

function syncAttributes(old, fresh) {
  const open = old.nodeName === 'DETAILS';
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name) && !(open && name === 'open')) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (old.getAttribute(name) !== value && !(open && name === 'open')) old.setAttribute(name, value);
  if (old.nodeName === 'SELECT' && document.activeElement !== old) old.value = fresh.value;
}

function patchNode(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  syncAttributes(old, fresh);
  old.handlers = fresh.handlers;
  for (const type of Object.keys(fresh.handlers ?? {})) on(old, type);
  if (old.nodeName !== 'TEXTAREA') patch(old, fresh);
}

const same = (old, fresh) => old.nodeName === fresh.nodeName && old.key === fresh.key;

// Makes the children of `old` those of `fresh`, and keeps what is alike: focus, selection and
// scrolling stay where they are.
export function patch(old, fresh) {
  const keyed = new Map();
  for (const child of old.childNodes) if (child.key !== undefined) keyed.set(child.key, child);
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const twin = child.key === undefined ? at : keyed.get(child.key);
    if (twin && same(twin, child)) {
      if (twin === at) at = at.nextSibling;
      else old.insertBefore(twin, at);
      patchNode(twin, child);
    } else {
      old.insertBefore(child, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

export function show(place, ...children) {
  const fresh = document.createElement(place.nodeName);
  append(fresh, children);
  patch(place, fresh);
}
