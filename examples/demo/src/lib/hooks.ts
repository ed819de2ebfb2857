/** The few hooks of this page: the visitor's name, the time, the size of an element. */
import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react';

/** The name that the visitor has in this tab. */
export function useAuthor(): [string, (author: string) => void] {
  const [author, setAuthor] = useState(
    () => sessionStorage.getItem('author') ?? `Operator ${Math.floor(Math.random() * 90) + 10}`,
  );
  useEffect(() => sessionStorage.setItem('author', author), [author]);
  return [author, setAuthor];
}

/** The present time, updated every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The inner size of an element, in whole px; zero before its first layout. */
export function useSize(element: RefObject<HTMLElement | null>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    if (element.current === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry === undefined) return;
      setSize({ width: Math.floor(entry.contentRect.width), height: Math.floor(entry.contentRect.height) });
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return size;
}

/** Runs for every frame; once a second for people who prefer reduced motion. */
export function useFrame(draw: (now: number) => void): void {
  const latest = useRef(draw);
  useLayoutEffect(() => {
    latest.current = draw;
    draw(Date.now());
  });
  useEffect(() => {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      const timer = setInterval(() => latest.current(Date.now()), 1_000);
      return () => clearInterval(timer);
    }
    let frame = requestAnimationFrame(function next() {
      latest.current(Date.now());
      frame = requestAnimationFrame(next);
    });
    return () => cancelAnimationFrame(frame);
  }, []);
}
