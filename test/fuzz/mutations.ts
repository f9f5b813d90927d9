import { type Draw, print } from './draw.js';
import type { Frame } from './valid-frames.js';

/** Changes a frame, or something within it, into what a client should not send. */
export function mutate(draw: Draw, frame: Frame): void {
  const target = within(draw, frame);
  const keys = Object.keys(target);
  if (keys.length === 0 || draw.chance(0.25)) {
    define(target, draw.key(), draw.odd());
    return;
  }
  const key = draw.pick(keys);
  const value = target[key];
  switch (draw.integer(0, 7)) {
    case 0:
      Reflect.deleteProperty(target, key);
      define(target, draw.chance(0.5) ? draw.key() : draw.pick([`${key} `, key.toUpperCase(), `${key}\0`]), value);
      break;
    case 1:
      Reflect.deleteProperty(target, key);
      break;
    case 2:
      define(target, key, draw.chance(0.5) ? [value] : { [draw.key()]: value });
      break;
    case 3:
      define(target, key, structuredClone(frame));
      break;
    case 4:
      define(target, key, typeof value === 'number' ? String(value) : typeof value === 'object' ? print(value) : { value });
      break;
    default:
      define(target, key, draw.odd());
  }
}

/** Keys such as `__proto__` become keys like any other; a list gets one more item. */
function define(target: Frame, key: string, value: unknown): void {
  if (Array.isArray(target) && !Object.keys(target).includes(key)) {
    target.push(value);
    return;
  }
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function within(draw: Draw, frame: Frame): Frame {
  const inner = Object.values(frame).filter((value): value is Frame => typeof value === 'object' && value !== null);
  return inner.length > 0 && draw.chance(0.4) ? within(draw, draw.pick(inner)) : frame;
}

/** Damages a text. */
export function damage(draw: Draw, text: string): string {
  const at = draw.integer(0, text.length);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  switch (draw.integer(0, 8)) {
    case 0:
      return before;
    case 1:
      return before + after.slice(1);
    case 2:
      return before + draw.pick(['"', '{', '}', '[', ']', ',', ':', '\\', '\0', '\ud83d', '\ufeff', ' ', 'é', '0']) + after;
    case 3:
      return text + draw.pick([text, ',', ' \n', '{}', '\0', 'null']);
    case 4:
      return draw.pick(['\ufeff', ' ', '\n', '//', '\u00a0']) + text;
    case 5:
      return text.replace(
        /:[^,]*/,
        `:${draw.pick(['NaN', 'Infinity', '-Infinity', 'undefined', '01', '.5', '1.', "'a'", '-', '+1'])}`,
      );
    case 6:
      // A key twice: the last one counts.
      return text.replace('{', `{${print(draw.key())}:${print(draw.odd())},`);
    case 7:
      return text.replace(/}$/, `,${print(draw.key())}:${print(draw.odd())}}`);
    default:
      return before + String.fromCharCode((after.charCodeAt(0) || 0) ^ (1 << draw.integer(0, 6))) + after.slice(1);
  }
}
