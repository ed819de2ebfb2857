/** The page's script: what an engine is asked to do in it. */
import { run } from './conformance/readers.ts';

const linefeed = { run };

declare global {
  interface Window {
    linefeed: typeof linefeed;
  }
}

window.linefeed = linefeed;
