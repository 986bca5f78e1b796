/**
 * What the parts of the page share.
 *
 * @import {Api} from "./api.js"
 * @import {Desk} from "./desk.js"
 * @import {Hub} from "./core/hub.js"
 * @import {Live} from "./live.js"
 * @import {Pictures} from "./pictures.js"
 * @import {Queue} from "./core/queue.js"
 * @import {Settings} from "./core/settings.js"
 * @import {Stage} from "./canvas/stage.js"
 * @import {Telling} from "./telling.js"
 * @import {Toasts} from "./panels/toasts.js"
 * @import {Work} from "./work.js"
 *
 * @typedef {object} App
 * @property {Hub} hub
 * @property {Settings} settings
 * @property {() => void} saveSettings
 * @property {Desk} desk
 * @property {Api} api
 * @property {Live} live
 * @property {Queue} queue
 * @property {Work} work
 * @property {Pictures} pictures
 * @property {Stage} stage
 * @property {Toasts} toasts
 * @property {Telling} telling
 * @property {(id: string|null, code?: string) => void} answered  a command was answered; code: why it was refused
 * @property {(id: string) => Promise<boolean>} whenAnswered  true when it was done
 * @property {(message: string) => void} askToken
 */

export {};
