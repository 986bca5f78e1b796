import assert from "node:assert/strict";
import test, { mock } from "node:test";
import { Live } from "../../src/clickwise/annotate/web/live.js";

class Socket {
  static OPEN = 1;
  static all = [];
  constructor(url) {
    this.url = url;
    this.readyState = 1;
    this.sent = [];
    Socket.all.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
}

function line() {
  Socket.all = [];
  globalThis.WebSocket = Socket;
  globalThis.document = { baseURI: "https://lab.example/proxy/" };
  const log = { states: [], lost: 0, messages: [] };
  let number = 0;
  const live = new Live(() => `client${++number}`, {
    who: () => ({ token: "secret", user: "Ada" }),
    message: (message) => log.messages.push(message),
    state: (state) => log.states.push(state),
    lost: () => log.lost++,
  });
  const open = () => {
    const socket = Socket.all.at(-1);
    socket.onopen();
    socket.onmessage({ data: JSON.stringify({ type: "welcome" }) });
    return socket;
  };
  return { live, log, open };
}

test.beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] }));
test.afterEach(() => mock.timers.reset());

test("it greets with token, name and client, below the page's own address", () => {
  const { live, log, open } = line();
  live.connect();
  const socket = open();
  assert.equal(socket.url, "wss://lab.example/proxy/api/live");
  assert.deepEqual(socket.sent[0], { type: "hello", token: "secret", user: "Ada", client: "client1", protocol: 1 });
  assert.deepEqual(log.states, ["connecting", "open"]);
});

test("nothing is sent before the welcome", () => {
  const { live } = line();
  live.connect();
  assert.equal(live.send({ type: "ping" }), false);
});

test("a lost connection is tried again, more patiently each time, as the same client", () => {
  const { live, log, open } = line();
  live.connect();
  open().onclose({ code: 1006 });
  assert.equal(log.lost, 1);
  let tries = 1;
  const waits = [];
  for (let n = 0; n < 8; n++) {
    let waited = 0;
    while (Socket.all.length === tries) {
      mock.timers.tick(50);
      waited += 50;
    }
    waits.push(waited);
    tries = Socket.all.length;
    Socket.all.at(-1).onclose({ code: 1006 });
  }
  assert.ok(waits[0] <= 400 && waits.at(-1) >= 7000 && waits.at(-1) <= 12_600, String(waits));
  mock.timers.tick(20_000);
  assert.equal(open().sent[0].client, "client1");
});

test("a refused token, a newer server and another tab are not tried again by themselves", () => {
  for (const [code, state] of [[4401, "refused"], [4400, "outdated"], [4409, "taken"]]) {
    const { live, open } = line();
    live.connect();
    open().onclose({ code });
    assert.equal(live.state, state);
    mock.timers.tick(60_000);
    assert.equal(Socket.all.length, 1);
  }
});

test("a connection without a sign of life is given up", () => {
  const { live, log, open } = line();
  live.connect();
  open();
  mock.timers.tick(30_000);
  assert.equal(Socket.all[0].sent.at(-1).type, "ping");
  mock.timers.tick(30_000);
  mock.timers.tick(1_000);
  assert.equal(log.lost, 1);
  assert.equal(Socket.all.length, 2);
});

test("another name is another client, and what was on its way is sent again", () => {
  const { live, log, open } = line();
  live.connect();
  open();
  live.greetAnew();
  assert.equal(log.lost, 1);
  assert.equal(open().sent[0].client, "client2");
  Socket.all[0].onclose?.({ code: 4409 });
  assert.equal(live.state, "open");
});
