/**
 * Files in and out: pictures, labels, the whole project. By menu, or dropped onto the page.
 *
 * @import {App} from "../app.js"
 */
import { Failure } from "../api.js";
import { byId, h, plural } from "../dom.js";
import { confirmed, openDialog } from "./dialog.js";

/** One mask, or labels of one picture: whose they are, their name may not say. */
const OF_ONE = /\.(png|txt)$/i;
const LABELS = /\.(json|xml|txt|yaml|yml|zip)$/i;
/** What happens to holes where the labels have no place for them. */
const HOLES = /** @type {[string, string][]} */ ([
  ["refuse", "Refuse: say where one is, write nothing"],
  ["bridge", "Bridge: cut the object open by a line of no width"],
  ["fill", "Fill: close them"],
]);
/** So many files that could not be added are told one by one. */
const ONE_BY_ONE = 3;

/**
 * Pictures and label files may be dropped anywhere.
 * @param {App} app
 */
export function dropping(app) {
  const target = byId("drop");
  let depth = 0;
  /** @param {DragEvent} event */
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth++;
    target.textContent = "Drop pictures to add them, or label files to import them";
    target.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (hasFiles(event) && --depth <= 0) target.hidden = true;
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    target.hidden = true;
    const { files, folders } = filesAndFolders(event.dataTransfer);
    for (const name of folders) app.toasts.fail(`${name} is a folder, which cannot be dropped here. Open it and drop the pictures in it, or start with it: clickwise annotate ${name}`);
    void take(app, files);
  });
}

/**
 * Files that were dropped, and names of folders: those look like files and cannot be read.
 * @param {Pick<DataTransfer, "files"|"items">|null} transfer
 * @returns {{files: File[], folders: string[]}}
 */
export function filesAndFolders(transfer) {
  const folders = [...(transfer?.items ?? [])].flatMap((item) => {
    const entry = item.webkitGetAsEntry?.();
    return entry?.isDirectory ? [entry.name] : [];
  });
  return { files: [...(transfer?.files ?? [])].filter((file) => !folders.includes(file.name)), folders };
}

/**
 * @param {App} app
 * @param {File[]} files
 */
async function take(app, files) {
  const names = app.desk.images.map((image) => image.name);
  const labels = files.filter((file) => LABELS.test(file.name) || isMaskOf(file.name, names));
  const pictures = files.filter((file) => !labels.includes(file));
  if (pictures.length) await upload(app, pictures);
  for (const file of labels) await openImport(app, file);
}

/**
 * Whether a file is called like the mask of a picture: cup_mask.png, or cup.png beside cup.jpg.
 * @param {string} name
 * @param {readonly string[]} pictures
 */
export function isMaskOf(name, pictures) {
  const picture = /\.png$/i.test(name) && !pictures.includes(name) ? pictureOf(name, pictures) : null;
  return picture !== null && (/_mask\.png$/i.test(name) || !/\.png$/i.test(picture));
}

/**
 * The picture that a file of labels is named after.
 * @param {string} name
 * @param {readonly string[]} pictures
 * @returns {string|null}
 */
function pictureOf(name, pictures) {
  const stem = (/** @type {string} */ path) => path.replace(/^.*\//, "").replace(/\.[^.]*$/, "");
  const own = [stem(name), stem(name).replace(/_mask$/, "")];
  return pictures.find((each) => own.includes(stem(each))) ?? null;
}

/**
 * @param {App} app
 * @param {"pictures"|"labels"} what
 */
export function chooseFiles(app, what) {
  const field = h("input", { type: "file", multiple: what === "pictures", accept: what === "pictures" ? "image/*,.tif,.tiff,.dcm" : ".json,.xml,.txt,.zip,.png" });
  field.addEventListener("change", () => {
    const files = [...(field.files ?? [])];
    if (what === "pictures") void upload(app, files);
    else for (const file of files) void openImport(app, file);
  });
  field.click();
}

/**
 * @param {App} app
 * @param {File[]} files
 */
async function upload(app, files) {
  const { api, desk, hub, pictures, toasts } = app;
  const most = desk.project?.limits.upload_bytes;
  /** @type {string|null} */
  let first = null;
  let added = 0;
  /** @type {{file: File, message: string}[]} */
  const failed = [];
  desk.uploads += files.length;
  hub.changed("work");
  for (const file of files) {
    try {
      if (most && file.size > most) throw new Failure("too_large", `${file.name} has ${megabytes(file.size)}; at most ${megabytes(most)} can be uploaded. Put it into the folder instead.`);
      const image = await api.upload(file);
      first ??= image.image_id;
      added++;
      pictures.changed(image);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      failed.push({ file, message: message.includes(file.name) ? message : `${file.name}: ${message}` });
    }
    desk.uploads--;
    hub.changed("work");
  }
  if (failed.length <= ONE_BY_ONE) for (const { file, message } of failed) toasts.fail(message, () => void upload(app, [file]));
  else toasts.fail(`${plural(failed.length, "file")} could not be added. The first: ${failed[0]?.message}`, () => void upload(app, failed.map(({ file }) => file)));
  if (added) toasts.say(`${plural(added, "picture")} added.`);
  if (first && !desk.doc) await pictures.open(first);
}

/** @param {number} bytes */
function megabytes(bytes) {
  if (bytes < 2 ** 20) return `${Math.ceil(bytes / 1024)} kB`;
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0)} MB`;
}

/**
 * @param {App} app
 * @param {File} file
 * @returns {Promise<void>} when the dialog is closed
 */
function openImport(app, file) {
  const formats = [{ name: "auto", title: "What the file holds" }, ...(app.desk.project?.formats ?? [])];
  return new Promise((resolve) => {
    const format = h("select", { class: "field" }, ...formats.map((each) => h("option", { value: each.name }, each.title)));
    const { doc, images } = app.desk;
    const open = OF_ONE.test(file.name) && doc ? doc : null;
    const named = pictureOf(file.name, images.map((image) => image.name));
    const whose = h("select", { class: "field" }, h("option", { value: "" }, named ?? "The one of the same name"), open && open.name !== named ? h("option", { value: open.image_id }, `${open.name}, which is open`) : null);
    if (open && named === null) whose.value = open.image_id;
    const notes = h("div", { class: "note", role: "alert" });
    const go = h("button", { type: "button", class: "button primary", onclick: async () => {
      go.disabled = true;
      notes.classList.remove("bad");
      notes.textContent = "Importing…";
      try {
        const result = await app.api.importLabels(file, format.value, open ? whose.value : "");
        notes.replaceChildren(...linesOf(result).map((line) => h("p", null, line)));
        go.hidden = true;
        await app.pictures.refetch();
      } catch (error) {
        notes.textContent = error instanceof Error ? error.message : String(error);
        notes.classList.add("bad");
        go.disabled = false;
      }
    } }, "Import");
    const dialog = openDialog({
      title: "Import labels",
      body: [
        h("p", null, file.name, h("span", { class: "muted" }, `, ${megabytes(file.size)}`)),
        h("label", { class: "line" }, "Format", format),
        open ? h("label", { class: "line" }, "Picture", whose) : null,
        h("p", { class: "note" }, "Several files of one format go into a zip. The objects of each picture are one step of undo, and can be corrected by clicks like all others. A project saved as zip brings pictures with their history instead."),
        notes,
      ],
      footer: [h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close"), go],
      onclose: () => resolve(),
    });
  });
}

/**
 * What an import did, as the server says it; notes on lines of their own.
 * @param {{message: string, notes: string[]}} result
 * @returns {string[]}
 */
export function linesOf({ message, notes }) {
  const rest = notes.join(" ");
  return [rest && message.endsWith(rest) ? message.slice(0, -rest.length).trim() : message, ...notes];
}

/**
 * What the labels have no place for, as the server tells it with the file.
 * @param {Headers} headers
 * @returns {string[]}
 */
export function notesOf(headers) {
  try {
    return JSON.parse(headers.get("X-Clickwise-Notes") ?? "[]");
  } catch {
    return [];
  }
}

/** @param {App} app */
export function openExport(app) {
  const formats = app.desk.project?.formats ?? [];
  const finished = h("input", { type: "checkbox", role: "switch" });
  const format = h("select", { class: "field" }, ...formats.map((each) => h("option", { value: each.name }, `${each.title} (${each.suffix})`)));
  const holes = h("select", { class: "field" }, ...HOLES.map(([value, title]) => h("option", { value }, title)));
  const note = h("div", { class: "note", role: "alert" });
  for (const each of [format, holes]) each.addEventListener("change", () => note.replaceChildren());
  const go = h("button", { type: "button", class: "button primary", onclick: async () => {
    go.disabled = true;
    note.classList.remove("bad");
    note.textContent = "Writing…";
    try {
      const notes = await download(app, `labels?format=${encodeURIComponent(format.value)}&finished_only=${finished.checked ? 1 : 0}&holes=${holes.value}`, "labels");
      note.replaceChildren(
        h("p", null, notes.length ? "Done; the browser has the file. It does not hold everything:" : "Done; the browser has the file."),
        ...notes.map((each) => h("p", null, each)),
      );
    } catch (error) {
      note.classList.add("bad");
      const reason = error instanceof Error ? error.message : String(error);
      note.textContent = reason.replaceAll("--holes ", "holes: "); // an option in the terminal, a field here
    }
    go.disabled = false;
  } }, "Export");
  const dialog = openDialog({
    title: "Export labels",
    body: [
      h("label", { class: "line" }, "Format", format),
      h("label", { class: "line" }, "Holes it cannot hold", holes),
      h("label", { class: "switch" }, finished, "Finished pictures only"),
      h("p", { class: "note" }, "What the file has no place for is told here. Objects that it cannot hold are refused, not left out."),
      note,
    ],
    footer: [h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close"), go],
  });
}

/**
 * Fetch with the token, then hand it to the browser as a file.
 * @param {App} app
 * @param {string} path
 * @param {string} fallback  name where the server gives none
 * @returns {Promise<string[]>} what the file does not hold
 */
async function download(app, path, fallback) {
  const response = await app.api.fetch(path);
  const said = /filename\*?=(?:UTF-8'')?"?([^";]+)"?/i.exec(response.headers.get("Content-Disposition") ?? "");
  const link = h("a", { href: URL.createObjectURL(await response.blob()), download: said ? decodeURIComponent(/** @type {string} */ (said[1])) : fallback });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return notesOf(response.headers);
}

/** @param {App} app */
export async function saveProject(app) {
  const { toasts, desk } = app;
  toasts.say("The project is being packed; the browser gets it when it is ready.");
  try {
    await download(app, "bundle", `${desk.project?.name || "project"}.zip`);
    toasts.say("Project saved as zip.");
  } catch (error) {
    toasts.failure(error, () => void saveProject(app));
  }
}

/** @param {App} app */
export function restoreProject(app) {
  const field = h("input", { type: "file", accept: ".zip" });
  field.addEventListener("change", async () => {
    const file = field.files?.[0];
    if (!file) return;
    const sure = await confirmed("Restore project", `${file.name} is taken into this project. What is here already stays; pictures and objects of the zip are added.`, "Restore");
    if (!sure) return;
    app.desk.uploads++;
    app.hub.changed("work");
    try {
      const result = await app.api.send(`bundle?name=${encodeURIComponent(file.name)}`, file);
      app.toasts.say(result.message);
    } catch (error) {
      app.toasts.failure(error);
    } finally {
      app.desk.uploads--;
      app.hub.changed("work");
    }
  });
  field.click();
}
