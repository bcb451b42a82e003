/** The units that `ms` reads. */
type Unit =
  | ('Ms' | 'Msec' | 'Msecs' | 'Millisecond' | 'Milliseconds')
  | ('S' | 'Sec' | 'Secs' | 'Second' | 'Seconds')
  | ('M' | 'Min' | 'Mins' | 'Minute' | 'Minutes')
  | ('H' | 'Hr' | 'Hrs' | 'Hour' | 'Hours')
  | ('D' | 'Day' | 'Days')
  | ('W' | 'Week' | 'Weeks')
  | ('Y' | 'Yr' | 'Yrs' | 'Year' | 'Years');
type UnitAnyCase = Unit | Uppercase<Unit> | Lowercase<Unit>;

/** A number with its unit. Only zero needs none. */
export type DurationText = '0' | `${number}${UnitAnyCase}` | `${number} ${UnitAnyCase}`;

/** A duration: a number of milliseconds, or a string with a unit such as `'24h'`, `'15s'`, `'7d'` or `'500ms'`. */
export type Duration = number | DurationText;
