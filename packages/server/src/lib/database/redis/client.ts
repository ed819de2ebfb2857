/** Opens connections by the client library of the user, and refuses a client that cannot be used. */
import { invalidOption, type LinefeedError } from '@linefeed/shared/wire';
import type { DatabaseUse } from '../use.ts';

/** A client of node-redis 6: `createClient`, `createSentinel`, `createCluster`. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  duplicate(...options: never[]): unknown;
  sendCommand(...command: never[]): unknown;
}

/** A client of ioredis 6 or iovalkey: `new Redis()`, `new Cluster()`. */
export interface IoRedisClient {
  readonly status: string;
  duplicate(...options: never[]): unknown;
  call(...command: never[]): unknown;
}

/** An open client of node-redis 6, ioredis 6 or iovalkey. */
export type RedisClient = NodeRedisClient | IoRedisClient;

/** A connection of our own. */
export interface RawConnection {
  /** Resolves when commands can be sent. */
  readonly ready: Promise<unknown>;
  isUsable(): boolean;
  /** Sends a command whose first key is `key`. */
  send(key: string | undefined, command: readonly string[]): Promise<unknown>;
  /** Ends it at once, also if the server does not answer. */
  destroy(): void;
}

/** Opens connections of our own, with the options of the user's client. */
export interface ConnectionSource {
  open(): RawConnection;
  /** A setting of the client with which a failover may go unnoticed. */
  readonly danger: string | undefined;
}

interface AnyClient {
  readonly isOpen?: unknown;
  readonly isReady?: unknown;
  readonly isPubSubActive?: unknown;
  readonly status?: unknown;
  readonly mode?: unknown;
  readonly isCluster?: unknown;
  readonly isPipeline?: unknown;
  readonly options?: unknown;
  readonly duplicate?: unknown;
  readonly sendCommand?: unknown;
  readonly call?: unknown;
  readonly exec?: unknown;
  readonly acquire?: unknown;
  readonly slots?: unknown;
}

/** @throws LinefeedError `invalid_option`: the client is of another library, closed, or in a mode without answers. */
export function toConnectionSource(client: unknown, use: DatabaseUse): ConnectionSource {
  const invalid = (found: string): LinefeedError =>
    invalidOption(
      `client of a ${use.factory} must be a client of node-redis 6, ioredis 6 or iovalkey, ${found}.`,
    );
  if (typeof client !== 'object' || client === null) {
    throw invalid(`not ${client === null ? 'null' : `a value of type ${typeof client}`}`);
  }
  const any = client as AnyClient;
  if (any.isPipeline === true || (typeof any.exec === 'function' && typeof any.duplicate !== 'function')) {
    throw invalid('not a pipeline or transaction of one; give the client itself');
  }
  if (typeof any.duplicate === 'function') {
    if (typeof any.call === 'function' && typeof any.status === 'string') return fromIoRedis(any, use);
    if (typeof any.sendCommand === 'function' && typeof any.isOpen === 'boolean')
      return fromNodeRedis(any, use);
  }
  throw invalid(
    'not an object of another library; it needs `duplicate()`, and `sendCommand()` or `call()`, as theirs have',
  );
}

function unusable({ factory }: DatabaseUse, problem: string): LinefeedError {
  return invalidOption(`The client of a ${factory} ${problem}.`);
}

const ignore = (): void => undefined;

// node-redis ----------------------------------------------------------------------------------------------------------

interface NodeRedis {
  readonly isReady: boolean;
  readonly options?: { readonly RESP?: number; readonly socket?: object } | undefined;
  duplicate(options: object): NodeRedis;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  connect(): Promise<unknown>;
  sendCommand(...command: unknown[]): Promise<unknown>;
  destroy(): unknown;
}

function fromNodeRedis(any: AnyClient, use: DatabaseUse): ConnectionSource {
  if (any.isOpen === false) throw unusable(use, 'is not open; call `await client.connect()` first');
  const client = any as unknown as NodeRedis;
  if (any.isPubSubActive === true && client.options?.RESP === 2) {
    throw unusable(use, 'is in subscriber mode; give a client that is not used for subscriptions');
  }
  const kind = typeof any.acquire === 'function' ? 'sentinel' : 'slots' in client ? 'cluster' : 'single';
  return { danger: undefined, open: () => new NodeRedisConnection(client, kind) };
}

class NodeRedisConnection implements RawConnection {
  readonly ready: Promise<unknown>;
  readonly #client: NodeRedis;
  readonly #kind: 'single' | 'sentinel' | 'cluster';
  /** With a Sentinel, calls of one turn are reordered, or never settle: one at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: NodeRedis, kind: 'single' | 'sentinel' | 'cluster') {
    this.#kind = kind;
    // No queue, no reconnection: after a failure another connection is opened. No mapping of types: replies are read
    // as texts.
    this.#client = client.duplicate(
      kind === 'single'
        ? {
            commandOptions: undefined,
            disableOfflineQueue: true,
            clientSideCache: undefined,
            pingInterval: undefined,
            socket: { ...client.options?.socket, reconnectStrategy: false, socketTimeout: undefined },
          }
        : { commandOptions: undefined },
    );
    this.#client.on('error', ignore);
    this.ready = this.#client.connect();
    this.ready.catch(ignore);
  }

  isUsable(): boolean {
    return this.#client.isReady;
  }

  send(key: string | undefined, command: readonly string[]): Promise<unknown> {
    if (this.#kind === 'single') return this.#client.sendCommand(command);
    if (this.#kind === 'cluster') return this.#client.sendCommand(key, false, command);
    const sent = this.#last.then(() => this.#client.sendCommand(false, command));
    this.#last = sent.catch(ignore);
    return sent;
  }

  destroy(): void {
    try {
      void Promise.resolve(this.#client.destroy()).catch(ignore);
    } catch {
      // It is closed already.
    }
  }
}

// ioredis, iovalkey ---------------------------------------------------------------------------------------------------

interface IoRedis {
  readonly status: string;
  readonly options: {
    readonly redisOptions?: object;
    readonly sentinels?: readonly unknown[] | null;
    readonly failoverDetector?: boolean;
  };
  duplicate(...options: unknown[]): IoRedis;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  connect(): Promise<unknown>;
  call(name: string, ...command: readonly string[]): Promise<unknown>;
  disconnect(): unknown;
}

function fromIoRedis(any: AnyClient, use: DatabaseUse): ConnectionSource {
  if (any.status === 'end') throw unusable(use, 'is closed; give an open one');
  if (any.mode === 'subscriber' || any.mode === 'monitor') {
    throw unusable(use, `is in ${any.mode} mode; give a client that is not used for that`);
  }
  const client = any as unknown as IoRedis;
  const { sentinels, failoverDetector } = client.options;
  const isUnaware = Array.isArray(sentinels) && sentinels.length > 0 && failoverDetector !== true;
  return {
    danger: isUnaware
      ? 'its client stays with an old master after a failover of Sentinel, and what that acknowledges is lost; set `failoverDetector: true` of ioredis'
      : undefined,
    open: () => new IoRedisConnection(client, any.isCluster === true),
  };
}

class IoRedisConnection implements RawConnection {
  readonly ready: Promise<unknown>;
  readonly #client: IoRedis;

  constructor(client: IoRedis, isCluster: boolean) {
    // No queue, no repeats, no reconnection: after a failure another connection is opened.
    const once = {
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      blockingTimeout: undefined,
      commandTimeout: undefined,
      enableAutoPipelining: false,
      enableOfflineQueue: false,
      lazyConnect: true,
      maxRetriesPerRequest: 0,
      reconnectOnError: null,
      retryStrategy: () => null,
      sentinelRetryStrategy: () => null,
      socketTimeout: undefined,
    };
    this.#client = isCluster
      ? client.duplicate([], {
          clusterRetryStrategy: () => null,
          enableAutoPipelining: false,
          enableOfflineQueue: false,
          lazyConnect: true,
          redisOptions: { ...client.options.redisOptions, autoResendUnfulfilledCommands: false },
        })
      : client.duplicate(once);
    this.#client.on('error', ignore);
    this.ready = this.#client.connect();
    this.ready.catch(ignore);
  }

  isUsable(): boolean {
    return this.#client.status === 'ready';
  }

  send(_key: string | undefined, [name, ...args]: readonly string[]): Promise<unknown> {
    return this.#client.call(name!, ...args);
  }

  destroy(): void {
    this.#client.disconnect();
  }
}
