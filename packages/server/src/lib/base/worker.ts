/** Recognises a process that is not the only one of its application. Imports no module of Node: the core runs elsewhere. */

interface NodeProcess {
  readonly env?: { readonly NODE_APP_INSTANCE?: string };
  readonly send?: unknown;
  getBuiltinModule?(id: string): unknown;
}

/**
 * A name of this process, for example `worker 2 of node:cluster`, if others of the same application run or ran.
 * `undefined` in the first process of an application: it may be the only one.
 */
export function laterWorker(): string | undefined {
  const { process } = globalThis as { process?: NodeProcess };
  // PM2 sets it for an application with one process too. The ids of its workers count all applications.
  const instance = process?.env?.NODE_APP_INSTANCE;
  if (instance !== undefined) return Number(instance) > 0 ? `instance ${instance} of PM2` : undefined;
  // Only a child process can be a worker. Node deletes NODE_UNIQUE_ID before the application starts.
  if (typeof process?.send !== 'function') return undefined;
  const cluster = process.getBuiltinModule?.('node:cluster') as
    | { readonly worker?: { readonly id: number } }
    | undefined;
  const id = cluster?.worker?.id ?? 0;
  return id > 1 ? `worker ${id} of node:cluster` : undefined;
}
