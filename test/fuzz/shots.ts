import { type Kind, KINDS } from './consumers.js';
import { Draw, print } from './draw.js';
import { damage, mutate } from './mutations.js';
import { type Frame, validFrame } from './valid-frames.js';

/** One message of a client. */
export interface Shot {
  /** What was done to it. */
  readonly sort: 'valid' | 'mutated' | 'damaged' | 'deep' | 'no object' | 'binary';
  readonly bytes: Buffer;
  readonly delivery: 'whole' | 'fragments' | 'pings';
}

/** The same for the same seed, lane and index: what came before it does not matter. */
export function shotOf(seed: number, lane: number, index: number, kind: Kind | 'mixed'): Shot {
  const draw = new Draw(Math.imul(seed ^ Math.imul(lane + 1, 0x9e3779b1), 0x85ebca6b) + Math.imul(index + 1, 0xc2b2ae35));
  const frame = kind === 'mixed' ? inStream(draw, lane) : validFrame(draw, kind, lane);
  const sort = sortOf(draw);
  const delivery = draw.chance(0.9) ? 'whole' : draw.pick(['fragments', 'pings'] as const);
  return { sort, bytes: Buffer.from(textOf(draw, sort, frame)), delivery };
}

function inStream(draw: Draw, lane: number): Frame {
  const stream = draw.pick(KINDS);
  return { stream, payload: validFrame(draw, stream, lane) };
}

function sortOf(draw: Draw): Shot['sort'] {
  const share = draw.next();
  if (share < 0.4) return 'valid';
  if (share < 0.8) return 'mutated';
  if (share < 0.93) return 'damaged';
  if (share < 0.95) return 'deep';
  return share < 0.98 ? 'no object' : 'binary';
}

function textOf(draw: Draw, sort: Shot['sort'], frame: Frame): string {
  switch (sort) {
    case 'mutated':
      for (let times = draw.integer(1, 3); times > 0; times -= 1) mutate(draw, frame);
      return print(frame);
    case 'damaged':
      return damage(draw, draw.chance(0.1) ? damage(draw, print(frame)) : print(frame));
    case 'deep':
      return deep(draw, frame);
    case 'no object':
      return draw.pick(['', ' ', 'null', '[]', '[{"action":"list"}]', '"list"', '0', 'true', 'hello', '\ufeff{}', '{', '{}{}']);
    default:
      return print(frame);
  }
}

/** Levels below, above and far above what is understood. */
function deep(draw: Draw, frame: Frame): string {
  const levels = draw.pick([60, 120, 200, draw.chance(0.1) ? 100_000 : 2_000]);
  const [open, close] = draw.pick([
    ['[', ']'],
    ['{"a":', '}'],
  ] as const);
  const bomb = `${open.repeat(levels)}1${draw.chance(0.9) ? close.repeat(levels) : ''}`;
  if (draw.chance(0.2)) return bomb;
  return print(frame).replace(/}$/, () => `,"${draw.pick(['x', 'data', 'request_id', 'query', 'payload', 'pk'])}":${bomb}}`);
}
