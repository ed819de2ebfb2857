/** The page's script: the functions that the tests call in an engine. */
import { report, start } from './chaos/recorder.ts';
import { run } from './conformance/readers.ts';
import { share, shared } from './tabs/page.ts';

const linefeed = { run, start, report, share, shared };

declare global {
  interface Window {
    linefeed: typeof linefeed;
  }
}

window.linefeed = linefeed;
