/** A text that is the last piece of its message (RFC 6455, 5.2). */
const FINAL_TEXT = 0x81;

/**
 * A text as a WebSocket frame of a server, which masks nothing. The head is in one piece with the text: the network takes one write,
 * which is most of what an event costs for each of its subscribers.
 */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headLength(length) + length);
  frame[0] = FINAL_TEXT;
  if (length < 126) frame[1] = length;
  else if (length < 0x10000) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, headLength(length));
  return frame;
}

function headLength(length: number): number {
  if (length < 126) return 2;
  return length < 0x10000 ? 4 : 10;
}
