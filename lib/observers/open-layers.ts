import type { ChannelLayer } from '../layers/channel-layer.js';

/** Milliseconds within which gaps of a bus are told as one: a bus that comes back may find several. */
const GAP_MS = 250;

/** An observer, as the channels that are open know it. */
export interface Watcher {
  /** From now on there are channels that may deliver what it observes. */
  start(): void;
  /** There are none any more. */
  stop(): void;
  /** Messages may have been lost on a bus. */
  gap(layer: ChannelLayer): void;
  /** A bus is closed. */
  closed(layer: ChannelLayer): void;
}

/** The bus of channels, and who hears of what goes wrong on it. */
interface OpenLayer {
  uses: number;
  readonly offGap: () => void;
  readonly onError: (error: unknown) => void;
  /** Runs from a gap until it is told. */
  gap: NodeJS.Timeout | undefined;
  /** Whether the last message could not be sent: that the next ones can't either is no news. */
  fails: boolean;
}

const watchers = new Set<Watcher>();
const layers = new Map<ChannelLayer, OpenLayer>();

/**
 * Channels begin to use a bus; observers watch while there is one.
 *
 * @returns what ends it
 */
export function openLayer(layer: ChannelLayer, onError: (error: unknown) => void): () => void {
  const known = layers.get(layer);
  if (known !== undefined) known.uses += 1;
  else {
    const offGap = layer.onGap(() => {
      opened.gap ??= setTimeout(() => {
        opened.gap = undefined;
        for (const watcher of watchers) watcher.gap(layer);
      }, GAP_MS).unref();
    });
    const opened: OpenLayer = { uses: 1, offGap, onError, gap: undefined, fails: false };
    layers.set(layer, opened);
    if (layers.size === 1) for (const watcher of watchers) watcher.start();
  }
  return () => {
    closeLayer(layer);
  };
}

function closeLayer(layer: ChannelLayer): void {
  const known = layers.get(layer);
  if (known === undefined) return;
  known.uses -= 1;
  if (known.uses > 0) return;
  known.offGap();
  clearTimeout(known.gap);
  layers.delete(layer);
  for (const watcher of watchers) watcher.closed(layer);
  if (layers.size === 0) for (const watcher of watchers) watcher.stop();
}

/** An observer is made: it lives as long as the process, like the model that it observes. */
export function watch(watcher: Watcher): void {
  watchers.add(watcher);
  if (layers.size > 0) watcher.start();
}

/** Whether what is observed here has to be told to other processes. */
export function isShared(): boolean {
  for (const layer of layers.keys()) if (layer.shared) return true;
  return false;
}

/** Sends a message to a group in all other processes. That it may be lost is told by the bus, as a gap. */
export function tellOthers(group: string, message: string): void {
  for (const [layer, open] of layers) if (layer.shared) void send(layer, open, group, message);
}

async function send(layer: ChannelLayer, open: OpenLayer, group: string, message: string): Promise<void> {
  try {
    await layer.send(group, message);
    open.fails = false;
  } catch (error) {
    if (!open.fails) open.onError(error);
    open.fails = true;
  }
}

/** Reports an error that belongs to no connection. */
export function reportError(error: unknown): void {
  for (const { onError } of layers.values()) onError(error);
}
