export async function hashPassword(password: string): Promise<string> {
  return Promise.resolve(`hash of ${password}`);
}
