import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Connection, View } from './connection.ts';

export const ConnectionContext = createContext<Connection | undefined>(undefined);

export const useConnection = (): Connection => {
  const connection = useContext(ConnectionContext);
  if (connection === undefined) throw new Error('no connection is provided');
  return connection;
};

/** The current view. It is drawn at most once a frame. */
export const useView = (connection: Connection): View => {
  const [view, setView] = useState(connection.view());
  useEffect(() => {
    let frame = 0;
    const stop = connection.subscribe(() => {
      cancelAnimationFrame(frame);
      // A page in the background gets no frames. It is drawn when it becomes visible again.
      frame = requestAnimationFrame(() => setView(connection.view()));
    });
    setView(connection.view());
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [connection]);
  return view;
};

/** The time in ms, updated every second. `clockOffset` is added to it. */
export const useNow = (clockOffset = 0): number => {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now + clockOffset;
};

/** The page that the part of the address after `#` names. */
export const useRoute = (): { readonly page: 'overview' } | { readonly page: 'job'; readonly id: string } => {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const follow = () => setHash(location.hash);
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  const id = hash.startsWith('#/job/') ? decode(hash.slice('#/job/'.length)) : '';
  return id === '' ? { page: 'overview' } : { page: 'job', id };
};

/** Whether there is a page for a job's id: not for a cut id, nor for an empty one. */
export const hasPage = (id: string): boolean => id !== '' && !(id.length > 256 && id.endsWith('…'));

export const jobAddress = (id: string): string => `#/job/${encodeURIComponent(id)}`;

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
