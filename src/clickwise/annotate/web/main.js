/**
 * Puts the page together: what the parts share, how they hear of each other, and the start.
 *
 * @import {App} from "./app.js"
 * @import {LiveState} from "./live.js"
 * @import {ServerMessage, Project} from "./types.js"
 */
import { Api, Failure } from "./api.js";
import { Pointers } from "./canvas/pointer.js";
import { Stage } from "./canvas/stage.js";
import { commandsOf } from "./commands.js";
import { Hub } from "./core/hub.js";
import { Queue } from "./core/queue.js";
import { loadSettings, saveSettings } from "./core/settings.js";
import { SHORTCUTS, keysOf, shown } from "./core/shortcuts.js";
import { Desk } from "./desk.js";
import { byId, randomId, storageOr } from "./dom.js";
import { hook } from "./hook.js";
import { listen } from "./keys.js";
import { Live } from "./live.js";
import { bar, shade } from "./panels/bar.js";
import { classesSection } from "./panels/classes.js";
import { emptyState, tabs } from "./panels/frame.js";
import { dropping } from "./panels/exchange.js";
import { MAC } from "./panels/help.js";
import { imagesPanel } from "./panels/images.js";
import { lookSection } from "./panels/look.js";
import { objectsSection } from "./panels/objects.js";
import { openToken } from "./panels/preferences.js";
import { rail } from "./panels/rail.js";
import { status } from "./panels/status.js";
import { Toasts } from "./panels/toasts.js";
import { Pictures } from "./pictures.js";
import { Telling } from "./telling.js";
import { takeToken } from "./token.js";
import { Work } from "./work.js";

const local = storageOr(() => localStorage);
const session = storageOr(() => sessionStorage);
let token = takeToken(local, session);

const settings = loadSettings(local);
const hub = new Hub((draw) => requestAnimationFrame(draw));
const telling = new Telling(byId("live"));
/** Those who wait for the answer to a command. @type {Map<string, (done: boolean) => void>} */
const asking = new Map();

const app = /** @type {App} */ ({
  hub,
  settings,
  saveSettings: () => saveSettings(local, settings),
  desk: new Desk(settings),
  api: new Api(() => token.value, () => settings.user),
  queue: new Queue(session, randomId),
  telling,
  toasts: new Toasts(byId("toasts"), (text) => telling.say(text)),
  answered(id, code) {
    if (id !== null) asking.get(id)?.(code === undefined);
    if (id !== null) asking.delete(id);
  },
  whenAnswered: (id) => new Promise((resolve) => asking.set(id, resolve)),
  askToken(reason) {
    openToken(reason, (value) => {
      token = takeToken(local, session, value);
      void begin();
    });
  },
});
app.work = new Work(app);
app.pictures = new Pictures(app);
app.live = new Live(randomId, {
  who: () => ({ token: token.value, user: settings.user }),
  message,
  state: connection,
  lost() {
    app.queue.disconnected();
    app.work.thresholds.lost();
  },
});
app.stage = new Stage(app, byId("stage"));

/** @param {ServerMessage} news */
function message(news) {
  const { desk, pictures, work } = app;
  if (news.type === "welcome") welcome(news.project);
  else if (news.type === "image") pictures.changed(news.image);
  else if (news.type === "classes") desk.classes = news.classes;
  else if (news.type === "progress") desk.progress = news.progress;
  else if (news.type === "model" && desk.project) {
    desk.project.models = desk.project.models.map((each) => (each.name === news.model.name ? news.model : each));
    if (news.model.state === "failed") app.toasts.fail(`${news.model.title || news.model.name}: ${news.model.message}`);
  } else if (news.type === "reload") void reload();
  else work.take(news);
  hub.changed("classes", "models", "project");
}

/** @param {Project} project */
function welcome(project) {
  const { desk, live, work } = app;
  take(project);
  app.toasts.back();
  if (desk.opening) void app.pictures.open(desk.opening); // its "open" went nowhere: without it no news would come
  else if (desk.doc) {
    live.send({ type: "open", image_id: desk.doc.image_id });
    void app.pictures.refetch(); // what others did meanwhile
  }
  if (desk.listed) app.pictures.list().catch((error) => app.toasts.failure(error, () => void reload()));
  work.flush();
  hub.changed("connection");
}

/** @param {LiveState} state */
function connection(state) {
  if (state === "refused") void refused();
  hub.changed("connection", "work");
}

/** The token is wrong, or on a slow computer the greeting came too late: a request tells which. */
async function refused() {
  try {
    await app.api.json("health");
    app.live.later();
  } catch (error) {
    if (error instanceof Failure && error.code === "unauthorised") app.askToken("The server refused the token. It may have been started anew.");
    else app.live.later();
  }
}

/** @param {Project} project */
function take(project) {
  const { desk } = app;
  desk.project = project;
  desk.classes = project.classes;
  desk.progress = project.progress;
  hub.changed("project", "classes", "models");
}

/** Lists and document anew: an import changed them. */
async function reload() {
  try {
    take(await app.api.project());
    await Promise.all([app.pictures.list(), app.pictures.refetch()]);
    if (!app.desk.doc) await openFirst();
  } catch (error) {
    app.toasts.failure(error, () => void reload());
  }
}

/** The picture that the address names, else the first unfinished one. */
async function openFirst() {
  const { desk, pictures } = app;
  const named = /image=([\w-]+)/.exec(location.hash)?.[1];
  if (named && desk.images.some((image) => image.image_id === named)) await pictures.open(named);
  else {
    const first = desk.images.find((image) => !image.finished && !image.trouble) ?? desk.images[0];
    if (first) await pictures.open(first.image_id);
  }
}

/** From token to the first picture. */
async function begin() {
  if (!token.value) {
    app.askToken("Nobody without it may look at the pictures.");
    return;
  }
  try {
    take(await app.api.project());
    app.live.connect();
    await app.pictures.list();
    await openFirst();
    testing.isReady();
  } catch (error) {
    if (error instanceof Failure && error.code === "unauthorised") app.askToken("The server does not know this token. It may have been started anew.");
    else app.toasts.failure(error, () => void begin());
  }
}

/** @param {string} id */
function key(id) {
  const shortcut = SHORTCUTS.find((each) => each.id === id);
  const chord = shortcut && keysOf(shortcut, settings.shortcuts)[0];
  return chord ? shown(chord, MAC) : "";
}

function appearance() {
  document.documentElement.dataset.theme = shade(settings.theme);
}

const testing = hook(app);
const commands = commandsOf(app);
const pointers = new Pointers(app, app.stage.element);
hub.on(["settings"], appearance);
matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => hub.changed("settings"));
bar(app, commands, key);
rail(app, commands, key);
imagesPanel(app);
byId("objects").append(classesSection(app), objectsSection(app, commands), lookSection(app));
status(app);
tabs(app);
emptyState(app);
dropping(app);
app.stage.start();
listen(app, pointers, commands);
byId("stage").focus({ preventScroll: true });
addEventListener("hashchange", () => {
  const named = /image=([\w-]+)/.exec(location.hash)?.[1];
  if (named && named !== app.desk.doc?.image_id) void app.pictures.open(named);
});
addEventListener("beforeunload", (event) => {
  // A reload would keep what is not saved and a closed tab would not; a page cannot tell which of them this is.
  if (app.queue.size) event.preventDefault();
});
void begin();
