export { dispatch } from './http/dispatch.js';
