/**
 * Shapes of everything that goes over the wire, as the server's protocol.py defines them. Types only, no code.
 *
 * Coordinates: pixels of the upright picture, x right, y down, pixel centres at integers; boxes are half-open.
 *
 * @typedef {[number, number, number, number]} Box  x0, y0, x1, y1
 * @typedef {[number, number, number]} Colour  red, green, blue, each 0 to 255
 * @typedef {[number, number, boolean]} WireClick  x, y, positive
 *
 * @typedef {object} Patch  The mask inside `rect`; outside it the mask is as it was.
 * @property {Box} rect
 * @property {string} counts  row-major runs of the rectangle's pixels in COCO's compressed text
 *
 * @typedef {object} WireObject
 * @property {number} object_id
 * @property {number} class_id
 * @property {string} name
 * @property {Colour|null} colour
 * @property {boolean} hidden
 * @property {boolean} locked
 * @property {WireClick[]} clicks
 * @property {number} strokes
 * @property {boolean} has_start
 * @property {number} area
 * @property {Box|null} bbox
 * @property {Patch} [mask]
 */

/**
 * The first `keep` of what was there, then `items`.
 * @template T
 * @typedef {{keep: number, items: T[]}} Tail
 */

/**
 * @typedef {{object_id: number, clicks?: Tail<WireClick>|WireClick[]} & Partial<Omit<WireObject, "clicks">>} ObjectDelta
 *
 * @typedef {object} WireDocument
 * @property {string} image_id
 * @property {number} version
 * @property {number} width
 * @property {number} height
 * @property {number} levels
 * @property {number} tile
 * @property {string} v  for addresses of tiles; other content, other letters
 * @property {string} name
 * @property {boolean} finished
 * @property {number} undoable
 * @property {number} redoable
 * @property {number[]} order  ids, lowest first
 * @property {WireObject[]} objects
 * @property {number} [orientation]
 *
 * @typedef {object} Delta
 * @property {string} image_id
 * @property {number} from
 * @property {number} version
 * @property {ObjectDelta[]} [objects]
 * @property {number[]} [removed]
 * @property {Tail<number>|null} [order]
 * @property {boolean|null} [finished]
 * @property {number|null} undoable  null: not known, an event between
 * @property {number|null} redoable
 * @property {string} [author]
 * @property {string} [what]
 * @property {string|null} [id]  the command's
 *
 * @typedef {object} LabelClass
 * @property {number} class_id
 * @property {string} name
 * @property {Colour} colour
 * @property {string|null} key
 * @property {boolean} retired
 *
 * @typedef {{version: number, classes: LabelClass[]}} Classes
 *
 * @typedef {object} ImageItem
 * @property {string} image_id
 * @property {string} name
 * @property {number} width
 * @property {number} height
 * @property {boolean} finished
 * @property {number} object_count
 * @property {string|null} trouble
 * @property {number} version
 * @property {number} position
 * @property {string} v
 *
 * @typedef {{finished: number, total: number, started: number, objects: number, broken: number}} Progress
 * @typedef {{name: string, title: string, state: "idle"|"loading"|"ready"|"failed", message: string,
 *   default_threshold?: number|null}} Model
 * @typedef {{name: string, title: string, suffix: string}} Format
 *
 * @typedef {object} Project
 * @property {string} name
 * @property {Classes} classes
 * @property {Progress} progress
 * @property {number} images
 * @property {Model[]} models
 * @property {string} model
 * @property {Format[]} formats
 * @property {Record<string, number>} limits
 *
 * @typedef {object} Timing
 * @property {number} wait
 * @property {number} decode
 * @property {number} network
 * @property {number} store
 * @property {number} total
 *
 * @typedef {{type: string, id: string, image_id: string, base_version: number, [field: string]: any}} Command
 * @typedef {{type: string, [field: string]: any}} ServerMessage
 */

export {};
