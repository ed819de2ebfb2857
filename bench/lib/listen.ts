/** System functions for all servers: a free port, and the kernel's figures for a process. */
import { readFileSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import type { Cpu } from './contender.ts';

/** Listens on a free port, on loopback only. */
export async function listen(server: Pick<Server, 'listen' | 'address'>): Promise<number> {
  // Node's own backlog of 511 overflows when thousands connect at once, and the kernel makes them wait for seconds.
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4096, resolve));
  return (server.address() as AddressInfo).port;
}

/** Text as one chunk of a chunked body. */
export function chunkOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${bytes.byteLength.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

/** CPU of a process with one thread: the total to the nanosecond, the kernel's part in clock ticks of 10 ms. */
export function cpuOf(pid: number): Cpu {
  const total = Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000;
  // The name, second of the fields, may contain spaces; the kernel's time is the 15th.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  const system = Number(fields[12]) * 10_000;
  return { user: total - system, system };
}

/** Bytes of memory of a process. */
export function rssOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;
}
