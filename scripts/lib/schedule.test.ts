import { expect, test } from 'vitest';
import { createOrderedOutput, runSideBySide, type Task } from './schedule.ts';

interface Named extends Task {
  readonly name: string;
}

const task = (name: string, cores: number, writes?: string): Named => ({ name, cores, writes });

/** Runs tasks that the test ends explicitly; `running` are those that have started and not ended. */
function start(tasks: readonly Named[], cores: number) {
  const running = new Map<string, PromiseWithResolvers<void>>();
  const done = runSideBySide(tasks, cores, ({ name }) => {
    const ending = Promise.withResolvers<void>();
    running.set(name, ending);
    return ending.promise;
  });
  const settle = async (): Promise<string[]> => {
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    return [...running.keys()];
  };
  return {
    done,
    running: settle,
    async end(name: string, error?: Error) {
      const ending = running.get(name)!;
      running.delete(name);
      if (error === undefined) ending.resolve();
      else ending.reject(error);
      return await settle();
    },
  };
}

test('tasks run side by side within the number of cores, in their order', async () => {
  const { running, end, done } = start(
    ['a', 'b', 'c'].map((name) => task(name, 1)),
    2,
  );
  expect(await running()).toEqual(['a', 'b']);
  expect(await end('b')).toEqual(['a', 'c']);
  expect(await end('a')).toEqual(['c']);
  expect(await end('c')).toEqual([]);
  await done;
});

test('a task that needs all cores waits until nothing runs, and smaller tasks start before it', async () => {
  const { running, end, done } = start([task('small', 1), task('large', 2), task('later', 1)], 2);
  expect(await running()).toEqual(['small', 'later']);
  expect(await end('small')).toEqual(['later']);
  expect(await end('later')).toEqual(['large']);
  await end('large');
  await done;
});

test('a task that needs more cores than the machine has runs alone', async () => {
  const { running, end, done } = start([task('large', 8), task('small', 1)], 2);
  expect(await running()).toEqual(['large']);
  expect(await end('large')).toEqual(['small']);
  await end('small');
  await done;
});

test('tasks that write to the same place run one after the other, with any number of cores', async () => {
  const { running, end, done } = start([task('a', 1, 'dist'), task('b', 1, 'dist'), task('c', 1)], 8);
  expect(await running()).toEqual(['a', 'c']);
  expect(await end('a')).toEqual(['c', 'b']);
  await end('b');
  await end('c');
  await done;
});

test('no task starts after an error, and the run ends after the running tasks', async () => {
  const { running, end, done } = start([task('a', 1), task('b', 1), task('c', 1)], 2);
  let failure: unknown;
  void done.catch((error: unknown) => (failure = error));
  await running();
  expect(await end('a', new Error('broken'))).toEqual(['b']);
  expect(failure).toBeUndefined();
  await end('b');
  expect(failure).toEqual(new Error('broken'));
});

test('output is written in the order of the tasks', () => {
  const lines: string[] = [];
  const say = createOrderedOutput(3, (text) => lines.push(text));
  say(1, 'one');
  expect(lines).toEqual([]);
  say(0, 'zero');
  expect(lines).toEqual(['zero', 'one']);
  say(2, 'two');
  expect(lines).toEqual(['zero', 'one', 'two']);
});
