import { describeRequiring } from '../support/requirement.js';
import { ROOT } from './how-to-packages.js';
import { missingPrograms, Program } from './how-to-program.js';
import { codeBlocks } from './markdown.js';

describeRequiring(missingPrograms('nginx'), 'nginx.md', () => {
  test('a real nginx does what the page shows', async () => {
    const [conf, server, command, shown, ...others] = codeBlocks('docs/how-to/nginx.md');
    // The script takes these two out of the page.
    expect([conf, server].map((block) => block?.language)).toEqual(['nginx', 'js']);
    const script = new Program(['bash', '-c', `exec ${command?.code ?? ''}`], { cwd: ROOT }, (text) => text);
    await script.ended;
    expect(script.output).toBe(shown?.code.trim());
    expect(others).toEqual([]);
  });
});
