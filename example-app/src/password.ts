import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify<string, Buffer, number, Buffer>(scrypt);
const keyLength = 32;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, keyLength);
  return `${salt.toString('base64')}:${key.toString('base64')}`;
}

/** Takes as long without a hash, so that the time does not tell whether there is such a user. */
export async function verifyPassword(password: string, hash: string | null): Promise<boolean> {
  const [salt = '', key = ''] = hash?.split(':') ?? [];
  const candidate = await derive(password, Buffer.from(salt, 'base64'), keyLength);
  const expected = Buffer.from(key, 'base64');
  return expected.length === keyLength && timingSafeEqual(candidate, expected);
}
