import { findInDatabases, findNamespaces, type Given, isInUse } from './elsewhere.ts';
import { type DoctorCheck, fine, notFine } from './report.ts';

/** Checks whether the namespace is in use; if not, looks where else it may be. */
export const checkNamespace = async (given: Given): Promise<DoctorCheck[]> => {
  const { redis, namespace, database } = given;
  const held = await isInUse(redis, namespace);
  if (held === undefined) {
    return [notFine('namespace', `whether ${namespace} is in use cannot be checked`, 'allow EXISTS on its keys')];
  }
  const elsewhere = await findInDatabases(given);
  const databases = elsewhere.found.map((place) => place.database);
  const aside = elsewhere.unchecked === undefined ? '' : `; other databases are not checked: ${elsewhere.unchecked}`;
  const inOthers = databases.length === 0 ? '' : `, also in database ${databases.join(', ')}`;
  if (held) return [fine('namespace', `${namespace} is in use${inOthers}${aside}`)];
  if (databases.length > 0) {
    return [
      notFine(
        'namespace',
        `${namespace} is empty in database ${database}, but not in database ${databases.join(', ')}`,
        `give the database of the jobservice: …/${databases[0]} at the end of the Redis URL`,
      ),
    ];
  }
  const others = await findNamespaces(given);
  if (others.length > 0) {
    const named = others.map((place) => place.namespace).join(', ');
    return [
      notFine(
        'namespace',
        `${namespace} is empty, but these are not: ${named}`,
        'give the namespace as it stands in Redis, braces included',
      ),
    ];
  }
  return [fine('namespace', `${namespace} is empty: no jobservice has used it yet${aside}`)];
};
