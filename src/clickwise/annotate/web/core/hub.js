/**
 * Who draws what when something changed. Changes are collected and drawn once a frame.
 *
 * @typedef {"view"|"document"|"selection"|"tool"|"settings"|"images"|"image"|"classes"|"models"|"project"|"connection"|
 *   "work"|"draft"|"tiles"|"hint"} Topic
 */

export class Hub {
  /** @param {(draw: () => void) => void} schedule  usually requestAnimationFrame */
  constructor(schedule) {
    this.schedule = schedule;
    /** @type {{topics: ReadonlySet<Topic>, draw: () => void}[]} */
    this.listeners = [];
    /** @type {Set<Topic>} */
    this.dirty = new Set();
    /** @type {(() => void)[]} */
    this.waiting = [];
  }

  /**
   * Draw once now, and after each change of one of the topics.
   * @param {Topic[]} topics
   * @param {() => void} draw
   */
  on(topics, draw) {
    this.listeners.push({ topics: new Set(topics), draw });
    draw();
  }

  /** @param {Topic[]} topics */
  changed(...topics) {
    if (!this.dirty.size) this.schedule(() => this.flush());
    for (const topic of topics) this.dirty.add(topic);
  }

  /** Draw what is due. */
  flush() {
    const dirty = this.dirty;
    this.dirty = new Set();
    for (const { topics, draw } of this.listeners) {
      if ([...dirty].some((topic) => topics.has(topic))) draw();
    }
    const waiting = this.waiting;
    this.waiting = [];
    for (const done of waiting) done();
  }

  /** Whether nothing waits to be drawn. */
  get quiet() {
    return this.dirty.size === 0;
  }
}
