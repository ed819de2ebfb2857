/**
 * The hosts that a feed answers for. A name that an attacker points at this server (DNS rebinding) is not among them.
 */
import { LinefeedError, refusal } from '@linefeed/shared/wire';
import type { HttpRequest } from './http.ts';

/** Throws `forbidden_host`. */
export type HostCheck = (request: HttpRequest) => void;

interface Host {
  readonly name: string;
  /** `undefined`: any port. */
  readonly port: string | undefined;
}

/** A Host header omits the default port. With a TLS-terminating proxy in front, this server receives http. */
const DEFAULT_PORTS = ['80', '443'];

/** @throws LinefeedError `invalid_option` */
export function createHostCheck(hosts: readonly string[] | undefined): HostCheck {
  if (hosts === undefined) return () => undefined;
  if (!Array.isArray(hosts)) throw invalid('hosts must be a list: ["app.example.com"].');
  if (hosts.length === 0) throw invalid('hosts must name at least one host, or be left out.');
  const allowed = hosts.map(parseHost);
  return ({ url }) => {
    const isAllowed = allowed.some(({ name, port }) => name === url.hostname && isPort(url.port, port));
    if (isAllowed) return;
    throw refusal(
      'forbidden_host',
      `This server does not answer for the host ${JSON.stringify(url.host)}; name it in the option hosts if it should.`,
    );
  };
}

function isPort(asked: string, port: string | undefined): boolean {
  return port === undefined || (asked === '' ? DEFAULT_PORTS.includes(port) : asked === port);
}

function parseHost(host: unknown): Host {
  const wanted = 'hosts must be exact hosts such as "app.example.com" or "localhost:3000"';
  if (typeof host !== 'string') throw invalid(`${wanted}, not ${String(host)}.`);
  if (host.includes('*')) {
    throw invalid(`${wanted}: it has no wildcards, and ${JSON.stringify(host)} is one.`);
  }
  const [, name = '', port] = /^(\[[^\]]+\]|[^:/?#@\s]+)(?::(\d+))?$/.exec(host) ?? [];
  const url = URL.parse(`http://${name}${port === undefined ? '' : `:${port}`}`);
  if (name === '' || url === null) throw invalid(`${wanted}, not ${JSON.stringify(host)}.`);
  return { name: url.hostname, port };
}

function invalid(message: string): LinefeedError {
  return new LinefeedError('invalid_option', message);
}
