/** A topic with params: the messages of a room, from the oldest one that the log holds. */
import { useMutation } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { Line, Room } from '../channel.ts';
import { send } from './api.ts';
import { useTopic } from './live.ts';

const rooms: readonly Room[] = ['kitchen', 'counter'];
const nothing: readonly Line[] = [];

export function Chat() {
  const [room, setRoom] = useState<Room>('kitchen');
  const [author, setAuthor] = useState('Ada');
  const { data: lines } = useTopic('chat', {
    params: { room },
    from: 'earliest',
    initial: nothing,
    reduce: (before, line) => [...before, line].slice(-100),
  });
  const say = useMutation({ mutationFn: (line: Line) => send('POST', `/api/chat/${room}`, line) });

  function submit(form: FormData) {
    say.mutate({ id: crypto.randomUUID(), author, text: form.get('text') as string });
  }

  return (
    <section className="chat">
      <div className="head">
        <h2>Chat</h2>
        <fieldset aria-label="Room">
          {rooms.map((each) => (
            <label key={each}>
              <input type="radio" name="room" checked={each === room} onChange={() => setRoom(each)} />
              <span>{each}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <Lines lines={lines} room={room} />
      <form action={submit}>
        <input
          className="author"
          aria-label="Your name"
          value={author}
          maxLength={20}
          required
          onChange={(event) => setAuthor(event.target.value)}
        />
        <input
          name="text"
          aria-label={`Say in the ${room}`}
          placeholder="Say something"
          maxLength={200}
          required
          autoComplete="off"
        />
        <button type="submit">Say</button>
      </form>
      {say.error && <p role="alert">{say.error.message}</p>}
    </section>
  );
}

function Lines({ lines, room }: { readonly lines: readonly Line[]; readonly room: Room }) {
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    // If the promise were returned, React would take it for a clean-up function.
    list.current?.scrollTo(0, list.current.scrollHeight);
  }, [lines]);
  return (
    <ol ref={list} role="log" aria-label={`Said in the ${room}`} tabIndex={0}>
      {lines.length === 0 && <li className="quiet">No messages in the {room} yet.</li>}
      {lines.map(({ id, author, text }) => (
        <li key={id}>
          <b>{author}</b> {text}
        </li>
      ))}
    </ol>
  );
}
