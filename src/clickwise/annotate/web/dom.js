/** Small helpers for the document: elements, icons, storage that may be refused. */

/**
 * An element with properties and children. Properties that begin with "on" are listeners; "class" and names with a dash
 * are attributes, false and null leave one out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>|null} [properties]
 * @param {...(Node|string|null|undefined)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class" || name === "role" || name === "for" || name === "list" || name.includes("-")) attribute(element, name, value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string|number|boolean|null|undefined} value  false, null: without it; true: there
 */
export function attribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value === true ? "" : value)) {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Make these the children, in this order. Those that stay are not touched: an element that leaves the document between
 * the press and the release of a button gets no click.
 * @param {Element} parent
 * @param {readonly Element[]} wanted
 */
export function setChildren(parent, wanted) {
  const staying = new Set(wanted);
  for (const child of [...parent.children]) if (!staying.has(child)) child.remove();
  let place = parent.firstElementChild;
  for (const child of wanted) {
    if (child === place) place = child.nextElementSibling;
    else parent.insertBefore(child, place);
  }
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} name  of a symbol in icons.svg
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/**
 * A button with an icon; its title is its label.
 * @param {string} name
 * @param {string} title
 * @param {(event: MouseEvent) => void} action
 * @param {string} [className]
 */
export function iconButton(name, title, action, className = "") {
  return h("button", { type: "button", class: `icon-button ${className}`, title, "aria-label": title, onclick: action }, icon(name));
}

/**
 * The element of that id. It is in index.html, or the page is broken.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return /** @type {T} */ (found);
}

/**
 * A storage that forgets, for browsers that refuse to keep anything.
 * @param {() => Storage} storage
 * @returns {Pick<Storage, "getItem"|"setItem"|"removeItem">}
 */
export function storageOr(storage) {
  try {
    const found = storage();
    found.getItem("clickwise");
    return found;
  } catch {
    /** @type {Map<string, string>} */
    const values = new Map();
    return {
      getItem: (key) => values.get(key) ?? null,
      setItem: (key, value) => void values.set(key, value),
      removeItem: (key) => void values.delete(key),
    };
  }
}

/**
 * @param {readonly number[]} colour
 * @param {number} [alpha]
 */
export function css(colour, alpha = 1) {
  return `rgb(${colour.join(" ")} / ${alpha})`;
}

/**
 * @param {readonly number[]} colour
 * @returns {string} #rrggbb, as colour fields want it
 */
export function hex(colour) {
  return `#${colour.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * @param {string} text  #rrggbb
 * @returns {[number, number, number]}
 */
export function unhex(text) {
  const value = parseInt(text.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** A random name for commands and clients. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Letters of files and counts as people read them: 12,345.
 * @param {number} value
 */
export function count(value) {
  return value.toLocaleString("en-US");
}

/**
 * A number of pixels, short where it is long: 42.8 M.
 * @param {number} value
 */
export function pixels(value) {
  return value < 1e6 ? `${count(value)} px` : `${(value / 1e6).toFixed(value < 1e8 ? 1 : 0)} Mpx`;
}

/**
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}
