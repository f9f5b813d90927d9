/** Ends a run of jest with one plain line of counts; where every test has to run, a skipped one fails the run. */
export default class ClosingLineReporter {
  #skipped = 0;

  onRunComplete(_contexts, results) {
    this.#skipped = results.numPendingTests + results.numTodoTests;
    // A file that could not be run at all has failed, though none of its tests was counted.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = this.#skipped > 0 ? `, ${this.#skipped} skipped` : '';
    console.log(`${results.numPassedTests} passed, ${failed} failed${skipped}`);
  }

  getLastError() {
    if (process.env.EXPRESS_CHANNELS_REQUIRE_ALL !== '1' || this.#skipped === 0) return undefined;
    return new Error(`${this.#skipped} tests were skipped, and EXPRESS_CHANNELS_REQUIRE_ALL=1 wants all of them to run.`);
  }
}
