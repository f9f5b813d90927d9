import type { TestClient, TestFrame } from 'express-channels/testing';

/**
 * Sends the frames of a transcript (`> `), does what happens elsewhere (in brackets), and expects the frames that come (`< `). Between
 * frames of different request_ids that come together there is no order.
 */
export async function playTranscript(
  client: TestClient,
  transcript: string,
  happen: (event: string) => Promise<void> = unknown,
): Promise<void> {
  for (const [kind, ...texts] of steps(transcript)) {
    const [text = ''] = texts;

    if (kind === '>') client.send(text);
    else if (kind === '(') await happen(text);
    else expect(byRequest(await Promise.all(texts.map(() => client.receive())))).toEqual(byRequest(texts.map(parse)));
  }
}

function unknown(event: string): Promise<void> {
  return Promise.reject(new Error(`Nobody knows how this happens: ${event}`));
}

/** What happens one after the other: a frame is sent, frames come, or something happens elsewhere; each with its texts. */
function steps(code: string): readonly (readonly [kind: string, ...texts: string[]])[] {
  const found: [kind: string, ...texts: string[]][] = [];
  for (const line of code.trim().split('\n')) {
    const previous = found.at(-1);
    if (line.startsWith('  (')) found.push(['(', line.slice(3, -1)]);
    else if (line.startsWith('< ') && previous?.[0] === '<') previous.push(line.slice(2));
    else found.push([line.slice(0, 1), line.slice(2)]);
  }
  return found;
}

/** Frames by their request_id: between those of different ones there is no order. */
function byRequest(frames: readonly TestFrame[]): ReadonlyMap<unknown, readonly TestFrame[]> {
  const groups = new Map<unknown, readonly TestFrame[]>();
  for (const frame of frames) groups.set(frame['request_id'], [...(groups.get(frame['request_id']) ?? []), frame]);
  return groups;
}

function parse(text: string): TestFrame {
  return JSON.parse(text) as TestFrame;
}
