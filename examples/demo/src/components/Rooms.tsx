/** The rooms: all messages come through the feed, including the visitor's own. */
import { useEffect, useMemo, useRef, useState, type FormEvent } from 'react';
import type { Payload } from '@linefeed/shared';
import type { Board } from '../../channel.ts';
import { useFollowing } from '../lib/desk.ts';
import { toShortClock } from '../lib/format.ts';
import { post, useTopic } from '../lib/link.ts';
import { Choice } from './Choice.tsx';
import { Panel } from './Panel.tsx';

const rooms = ['lobby', 'workshop', 'night-shift'] as const;
type Room = (typeof rooms)[number];
type Line = Payload<Board, 'room'>;
/** An entry of a room: a message, or a place where messages may be missing. */
type Item = Line | { readonly gapAt: number };

const none: readonly Line[] = [];
const keptLines = 200;

interface RoomsProps {
  readonly author: string;
  readonly onAuthor: (author: string) => void;
}

export function Rooms({ author, onAuthor }: RoomsProps) {
  const [room, setRoom] = useState<Room>('lobby');
  // All rooms share the one connection.
  const talk: Readonly<Record<Room, readonly Item[]>> = {
    lobby: useTalk('lobby'),
    workshop: useTalk('workshop'),
    'night-shift': useTalk('night-shift'),
  };
  const [read, setRead] = useState<Readonly<Record<string, number>>>({});
  const items = talk[room];

  useEffect(() => setRead((before) => ({ ...before, [room]: items.length })), [room, items.length]);

  return (
    <Panel
      name="rooms"
      title="Rooms"
      aside={
        <Choice
          label="Room"
          value={room}
          options={rooms.map((value) => ({
            value,
            text: value,
            badge: value === room ? 0 : talk[value].length - (read[value] ?? 0),
          }))}
          onChoose={setRoom}
        />
      }
    >
      <Lines items={items} author={author} room={room} />
      <Composer room={room} author={author} onAuthor={onAuthor} />
    </Panel>
  );
}

/** The messages of a room, and the places where some may be missing. */
function useTalk(name: Room): readonly Item[] {
  const { start, pass } = useFollowing(`room?name=${name}`, none, 'earliest');
  const [gaps, setGaps] = useState<readonly number[]>([]);
  const { data: lines } = useTopic('room', {
    params: { name },
    ...start,
    reduce: (before, line, event) => pass(line, event, [...before, line].slice(-keptLines)),
    onGap(gap) {
      start.onGap(gap);
      setGaps((before) => [...before.slice(-keptLines), Date.now()]);
    },
  });
  return useMemo(() => {
    // A room without messages cannot miss one.
    const since = lines[0]?.at ?? Infinity;
    const missing = gaps.filter((gapAt) => gapAt > since).map((gapAt) => ({ gapAt }));
    return [...lines, ...missing].toSorted((a, b) => toTime(a) - toTime(b));
  }, [lines, gaps]);
}

function toTime(item: Item): number {
  return 'gapAt' in item ? item.gapAt : item.at;
}

interface LinesProps {
  readonly items: readonly Item[];
  readonly author: string;
  readonly room: Room;
}

function Lines({ items, author, room }: LinesProps) {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (end.current !== null) end.current.scrollTop = end.current.scrollHeight;
  }, [items, room]);
  return (
    <div className="lines" role="log" aria-label={`Said in ${room}`} tabIndex={0} ref={end}>
      {items.length === 0 && (
        <p className="empty">No messages in {room} yet. Open this page in a second tab and write one.</p>
      )}
      {items.map((item) =>
        'gapAt' in item ? (
          <p key={`gap ${item.gapAt}`} className="hush">
            {toShortClock(item.gapAt)} The server announced a gap: words may be missing here.
          </p>
        ) : (
          <article key={item.run + item.n} className={item.author === author ? 'said is-own' : 'said'}>
            <header>
              <b>{item.author}</b> <time>{toShortClock(item.at)}</time>
            </header>
            <p>{item.text}</p>
          </article>
        ),
      )}
    </div>
  );
}

interface ComposerProps {
  readonly room: Room;
  readonly author: string;
  readonly onAuthor: (author: string) => void;
}

function Composer({ room, author, onAuthor }: ComposerProps) {
  const [text, setText] = useState('');
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<string>();

  async function send(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (text.trim() === '' || sending) return;
    setSending(true);
    setError(undefined);
    try {
      await post('/say', { room, author, text });
      setText('');
    } catch (cause) {
      setError(`Not sent. ${(cause as Error).message}`);
    } finally {
      setSending(false);
    }
  }

  return (
    <form className="composer" onSubmit={(event) => void send(event)}>
      <label className="composer-name">
        <span>You are</span>
        <input
          value={author}
          maxLength={32}
          required
          autoComplete="nickname"
          onChange={(event) => onAuthor(event.target.value)}
        />
      </label>
      <label className="composer-text">
        <span>Say in {room}</span>
        <input
          value={text}
          maxLength={500}
          autoComplete="off"
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <button type="submit" className="primary" disabled={sending || text.trim() === ''}>
        Say it
      </button>
      <p className="error" role="alert">
        {error}
      </p>
    </form>
  );
}
