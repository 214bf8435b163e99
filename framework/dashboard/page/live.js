// The stream of what changes. It is read only while somebody looks, comes back by itself, and tells
// how the connection is: 'connecting', 'live', 'trouble' (the server does not answer the
// dashboard), 'gone' (the dashboard does not answer us), 'refused' (it wants a token), 'paused'.
import { headers } from './api.js';
import { parse } from './format.js';

const SILENT_MS = 8000;
const AGAIN_MS = [300, 700, 1500, 3000, 5000];

export class Live {
  constructor(onEvent, onLink) {
    this.onEvent = onEvent;
    this.onLink = onLink;
    this.topics = [];
    this.attempt = 0;
    this.state = { kind: 'connecting' };
    document.addEventListener('visibilitychange', () => this.look());
  }

  // Watches these from now on; an equal list changes nothing.
  watch(topics, again = false) {
    if (!again && JSON.stringify(topics) === JSON.stringify(this.topics)) return;
    this.topics = topics;
    this.attempt = 0;
    this.restart();
  }

  look() {
    if (document.hidden) {
      this.stop();
      this.tell({ kind: 'paused' });
    } else {
      this.attempt = 0;
      this.restart();
    }
  }

  tell(state) {
    const since = state.kind === this.state.kind ? this.state.changed : Date.now();
    this.state = { ...state, changed: since };
    this.onLink(this.state);
  }

  stop() {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.controller?.abort();
    this.controller = null;
  }

  restart() {
    this.stop();
    if (!document.hidden && this.topics.length > 0) this.run(this.controller = new AbortController());
  }

  heard() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lost(this.controller), SILENT_MS);
  }

  lost(controller, status) {
    if (controller !== this.controller || !controller) return;
    this.stop();
    this.tell(status === 401 || status === 429 ? { kind: 'refused', status } : { kind: 'gone', status });
    if (status === 401 || document.hidden) return;
    this.timer = setTimeout(() => this.restart(), AGAIN_MS[Math.min(this.attempt++, AGAIN_MS.length - 1)]);
  }

  async run(controller) {
    const asked = this.topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join('&');
    const topics = this.topics;
    this.heard();
    try {
      const response = await fetch(`api/live?${asked}`,
        { headers: headers(), signal: controller.signal, cache: 'no-store' });
      if (!response.ok) return this.lost(controller, response.status);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (let part; !(part = await reader.read()).done;) {
        if (controller !== this.controller) return;
        this.heard();
        const pieces = (rest + part.value).split('\n\n');
        rest = pieces.pop();
        for (const piece of pieces) this.event(topics, parse(piece.slice('data: '.length)));
      }
    } catch { /* the connection has broken, or we have ended it */ }
    this.lost(controller);
  }

  event(topics, event) {
    this.attempt = 0;
    if (event.trouble) this.tell({ kind: 'trouble', sentence: event.trouble, since: event.since });
    else if (event.now !== undefined) this.tell({ kind: 'live' });
    this.onEvent({ ...event, topic: topics[event.topic] });
  }
}
