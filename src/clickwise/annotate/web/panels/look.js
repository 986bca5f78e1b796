/**
 * How masks are made and shown: model, threshold, overlap, opacity.
 *
 * @import {App} from "../app.js"
 */
import { attribute, h } from "../dom.js";

/**
 * @param {App} app
 * @returns {HTMLElement}
 */
export function lookSection(app) {
  return h(
    "section",
    { class: "section", "aria-label": "Masks" },
    h("header", null, h("h2", null, "Masks")),
    ...modelChoice(app),
    threshold(app),
    opacity(app),
    overlap(app),
  );
}

/** @param {App} app */
function modelChoice(app) {
  const { desk, hub, settings, api, toasts } = app;
  const select = h("select", { class: "field wide", id: "model" });
  const note = h("p", { class: "note", "aria-live": "polite" });
  select.addEventListener("change", async () => {
    settings.model = select.value === desk.project?.model ? "" : select.value;
    desk.threshold = null;
    app.saveSettings();
    hub.changed("settings", "models", "tool");
    try {
      await api.loadModel(select.value);
    } catch (error) {
      toasts.failure(error);
    }
  });
  let drawn = "";
  hub.on(["models", "project", "settings"], () => {
    const models = desk.project?.models ?? [];
    const now = JSON.stringify(models.map(({ name, title }) => [name, title]));
    if (now !== drawn) {
      drawn = now;
      select.replaceChildren(...models.map((each) => h("option", { value: each.name }, each.title || each.name)));
    }
    const model = desk.modelInUse;
    if (model) select.value = model.name;
    note.replaceChildren();
    note.classList.toggle("bad", model?.state === "failed");
    note.hidden = !model || model.state === "ready" || (model.state === "idle" && !model.message);
    if (model?.state === "loading") note.append(h("span", { class: "status-line" }, `Loading… ${model.message}`));
    else if (model) note.textContent = model.message;
  });
  return [h("div", { class: "control" }, h("label", { for: "model" }, "Model"), select), note];
}

/** @param {App} app */
function threshold(app) {
  const { desk, hub, work } = app;
  const slider = h("input", { type: "range", id: "threshold", min: "0.02", max: "0.98", step: "0.01" });
  const output = h("output", { class: "number" });
  slider.title = "Higher: only what the model is sure of. Changes the selected object as you drag, and holds for the next clicks.";
  slider.addEventListener("input", () => work.thresholds.preview(Number(slider.value)));
  slider.addEventListener("change", () => work.thresholds.commit(Number(slider.value)));
  hub.on(["tool", "models", "image", "project"], () => {
    if (document.activeElement !== slider || desk.threshold === null) slider.value = String(desk.thresholdShown);
    output.textContent = desk.thresholdShown.toFixed(2);
  });
  return h("div", { class: "control" }, h("label", { for: "threshold" }, "Threshold"), slider, output);
}

/** @param {App} app */
function opacity(app) {
  const { hub, settings } = app;
  const slider = h("input", { type: "range", id: "opacity", min: "0", max: "1", step: "0.01", title: "Also Shift+wheel on the picture" });
  const output = h("output", { class: "number" });
  slider.addEventListener("input", () => {
    settings.opacity = Number(slider.value);
    app.saveSettings();
    hub.changed("settings");
  });
  hub.on(["settings"], () => {
    slider.value = String(settings.opacity);
    output.textContent = `${Math.round(settings.opacity * 100)} %`;
    attribute(slider, "aria-valuetext", output.textContent);
  });
  return h("div", { class: "control" }, h("label", { for: "opacity" }, "Opacity"), slider, output);
}

/** @param {App} app */
function overlap(app) {
  const { hub, settings } = app;
  const box = h("input", { type: "checkbox", role: "switch" });
  box.addEventListener("change", () => {
    settings.cutOthers = box.checked;
    app.saveSettings();
    hub.changed("settings");
  });
  hub.on(["settings"], () => (box.checked = settings.cutOthers));
  const label = h("label", { class: "switch", title: "What a click or stroke covers is taken away from other objects, except locked ones" }, box, "Do not overlap others");
  label.style.minHeight = "2rem";
  return label;
}
