// Packages that are ES modules only.
const MODULES = 'node_modules/(?:arktype|arkregex|@ark)/';
const transform = {
  [`(?:\\.ts|${MODULES}.+\\.js)$`]: [
    '@swc/jest',
    { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
  ],
};

const common = {
  transform,
  transformIgnorePatterns: [`^(?!.*${MODULES}).*node_modules/`],
  extensionsToTreatAsEsm: [],
  moduleNameMapper: {
    '^express-channels$': '<rootDir>/lib/index.ts',
    '^express-channels/testing$': '<rootDir>/lib/testing.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  testEnvironment: 'node',
};

const browser = '**/test/example-app/{chat,dashboard,frames,reconnect}.test.ts';
const tarball = '**/test/package/**/*.test.ts';

const most = {
  ...common,
  displayName: 'express 5',
  testMatch: ['<rootDir>/test/**/*.test.ts', `!${browser}`, `!${tarball}`],
};

/** What takes its time: the part between socket and Express once more on Express 4, pages in Chromium, the installed package. */
const rest = [
  {
    ...common,
    displayName: 'express 4',
    testMatch: [
      '<rootDir>/test/{http,auth,server}/**/*.test.ts',
      '<rootDir>/test/consumers/{parameters,reply,route-*,view-*}.test.ts',
    ],
    moduleNameMapper: { ...common.moduleNameMapper, '^express$': '<rootDir>/node_modules/express4' },
  },
  { ...common, displayName: 'browser', testMatch: [browser] },
  { ...common, displayName: 'package', testMatch: [tarball] },
];

export default {
  // Two cores are what CI has; jest would leave one of them idle.
  maxWorkers: '100%',
  reporters: ['default', '<rootDir>/scripts/closing-line-reporter.mjs'],
  // index.ts holds nothing but names.
  collectCoverageFrom: ['lib/**/*.ts', '!lib/index.ts'],
  coverageReporters: [['text', { skipFull: true }], 'lcovonly'],
  // What runs in processes of its own, such as the wire server and the other side of Redis, is not counted.
  coverageThreshold: { global: { lines: 95, branches: 92 } },
  // A busy machine takes its time; what hangs is found all the same.
  testTimeout: 20_000,
  // `npm run test:all` and CI leave nothing out.
  projects: process.env.EXPRESS_CHANNELS_REQUIRE_ALL === '1' ? [most, ...rest] : [most],
};
