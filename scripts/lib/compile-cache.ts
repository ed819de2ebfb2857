/** Where the Node processes of the tests keep compiled code. */
import { join } from 'node:path';

/**
 * Environment of a process and its child processes. Without it, each process compiles every source again, which is more
 * than half of the CPU time of a short one. Node writes the cache at the end of a process, not of a killed one.
 */
export function compileCacheOf(root: string): Record<string, string> {
  return { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(root, '.cache/compile') };
}
