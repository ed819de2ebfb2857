/** The first step of a request: whether its path belongs to this feed. */

/** The path of a feed, or the topic of an endpoint that serves one stream at any path. */
export type Mount = { readonly path: string } | { readonly topic: string };

/** The part of the path after the feed's path. `undefined`: the path is not under the feed's path. */
export function route(mount: Mount, pathname: string): string | undefined {
  if ('topic' in mount || pathname === mount.path) return '';
  return pathname.startsWith(`${mount.path}/`) ? pathname.slice(mount.path.length + 1) : undefined;
}
