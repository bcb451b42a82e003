import { visible } from '../../visible.ts';

/** The label of everything beyond a limit. */
export const other = 'other';

/** The most values that the labels `type` and `endpoint` have besides `other`. */
export const maxTypes = 200;
export const maxEndpoints = 100;
/** A longer name, which a client may have made up, becomes `other`. */
const maxLength = 200;

/**
 * Gives a name from outside its label: for the first names the name itself, with escapes for what a terminal would obey, and `other` for
 * those beyond the limit.
 */
export type Labels = (name: string | undefined) => string;

export const createLabels = (limit: number, isValid: (name: string) => boolean = () => true): Labels => {
  const known = new Map<string, string>();
  return (name) => {
    if (name === undefined || name === '') return other;
    const before = known.get(name);
    if (before !== undefined) return before;
    if (known.size >= limit || name.length > maxLength || !isValid(name)) return other;
    const label = visible(name);
    known.set(name, label);
    return label;
  };
};

export const createTypeLabels = (): Labels => createLabels(maxTypes);

/** Endpoints are origins. Anything else, such as a URL with a user and a password, becomes `other`. */
export const createEndpointLabels = (): Labels =>
  createLabels(maxEndpoints, (name) => URL.canParse(name) && new URL(name).origin === name);
