/**
 * The WebSocket. It says hello, asks for signs of life, and comes back after every loss, more patiently each time.
 *
 * @import {ServerMessage} from "./types.js"
 *
 * @typedef {"off"|"connecting"|"open"|"lost"|"refused"|"taken"|"outdated"} LiveState
 *
 * @typedef {object} LiveHandlers
 * @property {() => {token: string, user: string}} who
 * @property {(message: ServerMessage) => void} message
 * @property {(state: LiveState) => void} state
 * @property {() => void} lost  whatever was sent may not have arrived
 */

const FIRST_WAIT = 300;
const LONGEST_WAIT = 10_000;
const PING_EVERY = 15_000;
const SILENCE = 40_000;
/** The server's close codes, see protocol.py. */
const CLOSED = /** @type {Record<number, LiveState>} */ ({ 4400: "outdated", 4401: "refused", 4409: "taken" });

export class Live {
  /**
   * @param {() => string} newClient  random, one for each load of the page
   * @param {LiveHandlers} handlers
   */
  constructor(newClient, handlers) {
    this.newClient = newClient;
    this.client = newClient();
    this.handlers = handlers;
    /** @type {LiveState} */
    this.state = "off";
    /** @type {WebSocket|null} */
    this.socket = null;
    this.tries = 0;
    this.heard = 0;
    this.retryAt = 0;
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.timer = undefined;
    globalThis.addEventListener?.("online", () => this.hurry());
    setInterval(() => this.watch(), PING_EVERY);
  }

  /** Greet under another name: for the server another client, because one client has one name. */
  greetAnew() {
    this.client = this.newClient();
    this.connect();
  }

  /** Connect now. */
  connect() {
    clearTimeout(this.timer);
    if (this.socket) {
      const before = this.socket;
      this.socket = null;
      before.close();
      this.handlers.lost();
    }
    this.move("connecting");
    const socket = new WebSocket(new URL("api/live", document.baseURI).href.replace(/^http/, "ws"));
    this.socket = socket;
    socket.onopen = () => {
      const { token, user } = this.handlers.who();
      socket.send(JSON.stringify({ type: "hello", token, user, client: this.client, protocol: 1 }));
    };
    socket.onmessage = (event) => {
      if (this.socket === socket) this.take(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.closed(event.code);
    };
  }

  /** Try again without waiting, if waiting. */
  hurry() {
    if (this.state === "lost") this.connect();
  }

  /**
   * @param {ServerMessage} message
   * @returns {boolean} whether it went out
   */
  send(message) {
    if (this.state !== "open" || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** @param {ServerMessage} message */
  take(message) {
    this.heard = Date.now();
    if (message.type === "welcome") {
      this.tries = 0;
      this.move("open");
    }
    this.handlers.message(message);
  }

  /** @param {number} code */
  closed(code) {
    this.socket = null;
    this.handlers.lost();
    const final = CLOSED[code];
    if (final) {
      this.move(final);
      return;
    }
    this.later();
  }

  /** Come back after a while, longer each time. */
  later() {
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.tries++) * (0.75 + Math.random() / 2);
    this.retryAt = Date.now() + wait;
    this.timer = setTimeout(() => this.connect(), wait);
    this.move("lost");
  }

  /** A connection that says nothing is none, even when nobody closed it. */
  watch() {
    if (this.state !== "open") return;
    if (Date.now() - this.heard <= SILENCE) {
      this.send({ type: "ping" });
      return;
    }
    const socket = this.socket;
    this.closed(0); // its own "close" may take minutes where the network is gone
    socket?.close();
  }

  /** @param {LiveState} state */
  move(state) {
    this.state = state;
    this.handlers.state(state);
  }
}
