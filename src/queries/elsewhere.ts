import { findInDatabases, findNamespaces, type Given, isInUse, type Place } from '../doctor/elsewhere.ts';
import type { RedisSource } from '../io/redis/connection.ts';
import { shellQuoted } from '../shell.ts';

/** Another namespace that is in use, in this database or another one. */
export interface Elsewhere extends Place {
  /** The options of the command that lead there. Where the URL has a user or a password, `…` stands for them. */
  readonly options: string;
  readonly hint: string;
}

/**
 * Finds what is in use beside a namespace; nothing if the user may not ask.
 * @param ifUsed whether to look although the namespace itself is in use.
 */
export const createElsewhere =
  (given: Given, source: RedisSource, address: string) =>
  async (ifUsed = false): Promise<Elsewhere[]> => {
    const isUsed = await isInUse(given.redis, given.namespace);
    if (isUsed === undefined || (isUsed && !ifUsed)) return [];
    const places = [...(await findNamespaces(given)), ...(await findInDatabases(given, true)).found];
    return places.map((place) => ({
      ...place,
      options: optionsOf(place, given, source, address),
      hint: isUsed ? hintBeside(place, given) : hintOf(place, given),
    }));
  };

const hintBeside = ({ namespace, database }: Place, given: Place): string =>
  `namespace ${namespace}${database === given.database ? '' : ` in database ${database}`} is in use too: did you mean that one?`;

const hintOf = (place: Place, given: Place): string =>
  place.database === given.database
    ? `namespace ${given.namespace} is empty, but ${place.namespace} is not: did you mean that one?`
    : `namespace ${given.namespace} is empty in database ${given.database}, but ${place.namespace} in database ${place.database} is not: did you mean that one?`;

const optionsOf = (place: Place, given: Place, source: RedisSource, address: string): string =>
  [
    ...(place.database === given.database ? [] : [`--redis ${shellQuoted(urlOf(source, address, place.database))}`]),
    ...(place.namespace === given.namespace ? [] : [`--namespace ${shellQuoted(place.namespace)}`]),
  ].join(' ');

/** The URL of another database of the same Redis, without user and password. */
const urlOf = (source: RedisSource, address: string, database: number): string => {
  const text = typeof source === 'string' ? source.trim() : '';
  const [, scheme = 'redis://', user = ''] = /^(\w+(?:\+\w+)?:\/\/)?(.*@)?/s.exec(text) ?? [];
  const host = scheme.includes('sentinel') ? '…' : address.replace(/\/\d+$/, '');
  return `${scheme}${user === '' ? '' : '…@'}${host}/${database}`;
};
