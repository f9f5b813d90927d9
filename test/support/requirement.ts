/** Programs that not every machine has: with this set, a missing one fails the tests that need it. */
const requireAll = process.env['EXPRESS_CHANNELS_REQUIRE_ALL'] === '1';

/** Whether what takes its time runs, too, such as the same tests with a second driver: `npm run test:all` and CI leave nothing out. */
export const isThorough = requireAll;

/**
 * Declares tests that need a program of the machine. Where it is missing they are not left out in silence: one test in
 * their place prints what was skipped and why, and fails if everything is required.
 *
 * @param missing - why the tests cannot run here; undefined when they can
 */
export function describeRequiring(missing: string | undefined, name: string, tests: () => void): void {
  describe(name, () => {
    if (missing === undefined) {
      tests();
      return;
    }
    test(`is announced as skipped: ${missing}`, () => {
      process.stderr.write(`\nSKIPPED: ${name}: ${missing}\n`);
      expect(requireAll).toBe(false);
    });
  });
}
