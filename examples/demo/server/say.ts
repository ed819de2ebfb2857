/** `POST /say`: publishes a visitor's text to the room that it names. */
import { z } from 'zod';
import { Said } from '../channel.ts';
import type { ControlRoom } from './control-room.ts';
import { pathOf, readJson, sendJson, type Handler } from './http.ts';

export function createSay(room: Pick<ControlRoom, 'say'>): Handler {
  return async (req, res, next) => {
    if (pathOf(req) !== '/say' || req.method !== 'POST') return next();
    try {
      const body = await readJson(req, res);
      if (body === undefined) return;
      const said = Said.safeParse(body);
      if (!said.success) {
        sendJson(res, 400, { message: z.prettifyError(said.error) });
        return;
      }
      await room.say(said.data.room, said.data.author, said.data.text);
      sendJson(res, 202, {});
    } catch (error) {
      console.error('POST /say failed:', error);
      if (!res.headersSent) sendJson(res, 500, { message: 'It could not be published.' });
    }
  };
}
