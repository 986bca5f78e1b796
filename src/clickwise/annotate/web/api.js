/**
 * The server's REST calls. Every failure becomes a `Failure` with a code and a message for people.
 *
 * @import {Classes, ImageItem, Model, Project, WireDocument} from "./types.js"
 */

export class Failure extends Error {
  /**
   * @param {string} code  as the protocol names it, or "offline"
   * @param {string} message
   * @param {number} [status]
   */
  constructor(code, message, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export class Api {
  /**
   * @param {() => string} token
   * @param {() => string} user  who others see as the author of an import
   */
  constructor(token, user) {
    this.token = token;
    this.user = user;
    /** Requests on their way, for those who wait until the page is idle. */
    this.running = 0;
  }

  /**
   * @param {string} path  below api/
   * @param {RequestInit} [options]
   * @returns {Promise<Response>}
   */
  async fetch(path, options = {}) {
    // Headers hold Latin letters only; a name in others is left out rather than spoilt.
    /** @type {Record<string, string>} */
    const user = /^[\x20-\x7e\xa0-\xff]+$/.test(this.user()) ? { "X-Clickwise-User": this.user() } : {};
    const headers = { ...options.headers, ...user, Authorization: `Bearer ${this.token()}` };
    const response = await fetch(`api/${path}`, { ...options, headers }).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Failure("offline", "The server does not answer. Is clickwise annotate still running?");
    });
    if (!response.ok) throw await failureOf(response);
    return response;
  }

  /**
   * @template T
   * @param {() => Promise<T>} request
   * @returns {Promise<T>}
   */
  async counted(request) {
    this.running++;
    try {
      return await request();
    } finally {
      this.running--;
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit} [options]
   * @returns {Promise<any>}
   */
  json(path, options) {
    return this.counted(async () => (await this.fetch(path, options)).json());
  }

  /** @returns {Promise<Project>} */
  project() {
    return this.json("project");
  }

  /**
   * @param {number} offset
   * @param {number} limit
   * @returns {Promise<{total: number, images: ImageItem[]}>}
   */
  images(offset, limit) {
    return this.json(`images?filter=all&offset=${offset}&limit=${limit}`);
  }

  /**
   * Pictures that were left out of the project.
   * @param {number} offset
   * @param {number} limit
   * @returns {Promise<{total: number, images: ImageItem[]}>}
   */
  leftOut(offset, limit) {
    return this.json(`images?filter=left_out&offset=${offset}&limit=${limit}`);
  }

  /**
   * @param {string} imageId
   * @returns {Promise<ImageItem>}
   */
  leaveOut(imageId) {
    return this.json(`images/${imageId}/leave-out`, { method: "POST" });
  }

  /**
   * @param {string} imageId
   * @returns {Promise<ImageItem>}
   */
  takeBack(imageId) {
    return this.json(`images/${imageId}/take-back`, { method: "POST" });
  }

  /**
   * @param {string} imageId
   * @returns {Promise<WireDocument>}
   */
  document(imageId) {
    return this.json(`images/${imageId}`);
  }

  /**
   * @param {string} imageId
   * @param {"next"|"previous"|"unfinished"} direction
   * @returns {Promise<string|null>}
   */
  async neighbour(imageId, direction) {
    return (await this.json(`images/${imageId}/next?direction=${direction}`)).image_id;
  }

  /**
   * @param {string} path
   * @param {AbortSignal} [signal]
   * @returns {Promise<Blob>}
   */
  blob(path, signal) {
    return this.counted(async () => (await this.fetch(path, { signal: signal ?? null })).blob());
  }

  /**
   * @param {Classes} classes  with the version that was seen
   * @returns {Promise<Classes>}
   */
  putClasses(classes) {
    return this.json("classes", {
      method: "PUT",
      body: JSON.stringify(classes),
      headers: { "Content-Type": "application/json" },
    });
  }

  /**
   * @param {string} name
   * @returns {Promise<Model>}
   */
  loadModel(name) {
    return this.json(`models/${encodeURIComponent(name)}/load`, { method: "POST" });
  }

  /**
   * @param {File} file
   * @returns {Promise<ImageItem>}
   */
  upload(file) {
    return this.send(`images?name=${encodeURIComponent(file.name)}`, file);
  }

  /**
   * @param {File} file
   * @param {string} format
   * @param {string} imageId  of the picture that a single mask is of; "" by its name
   * @returns {Promise<{images: number, objects: number, notes: string[], message: string}>}
   */
  importLabels(file, format, imageId) {
    const image = imageId && `&image=${encodeURIComponent(imageId)}`;
    return this.send(`labels?format=${encodeURIComponent(format)}&name=${encodeURIComponent(file.name)}${image}`, file);
  }

  /**
   * @param {string} path
   * @param {Blob} body
   */
  send(path, body) {
    return this.json(path, { method: "POST", body, headers: { "Content-Type": "application/octet-stream" } });
  }
}

/**
 * @param {Response} response
 * @returns {Promise<Failure>}
 */
async function failureOf(response) {
  try {
    const { error } = await response.json();
    return new Failure(error.code, error.message, response.status);
  } catch {
    return new Failure("internal", `The server answered ${response.status} ${response.statusText}.`, response.status);
  }
}
