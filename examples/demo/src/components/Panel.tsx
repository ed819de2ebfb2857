/** A panel of the desk: a named region with its plate. */
import { useId, type ReactNode } from 'react';

interface PanelProps {
  readonly name: string;
  readonly title: string;
  readonly aside?: ReactNode;
  readonly children: ReactNode;
}

export function Panel({ name, title, aside, children }: PanelProps) {
  const id = useId();
  return (
    <section className={`panel ${name}`} aria-labelledby={id}>
      <header className="plate">
        <h2 id={id}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}
