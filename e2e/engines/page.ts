/** The page's script: what an engine is asked to do in it. */
import { report, start } from './chaos/recorder.ts';
import { run } from './conformance/readers.ts';

const linefeed = { run, start, report };

declare global {
  interface Window {
    linefeed: typeof linefeed;
  }
}

window.linefeed = linefeed;
